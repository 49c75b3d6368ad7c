"""concurrent.futures both ways: a coroutine as a future, a future for a coroutine."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from tests.steer import struck
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CompletableDeferred,
    CoroutineScope,
    CoroutineStart,
    DeferredCancelledError,
    Dispatchers,
    IllegalStateError,
    Job,
    await_all,
    await_cancellation,
    delay,
    new_single_thread_context,
    non_cancellable,
    run_blocking,
)
from vmscope.interop import as_deferred, await_future
from vmscope.interop._futures import JobFuture

Outcome = Callable[..., Any]


# ---- I1: a coroutine as a future


async def give(value: Any) -> Any:
    await delay(1.0)
    return value


async def fail(error: BaseException) -> None:
    await delay(1.0)
    raise error


def test_a_future_completes_with_the_coroutine(main: VMain, scope: CoroutineScope) -> None:
    """I1"""
    future = scope.future(give, "value", name="asked for")
    told: list[str] = []
    future.add_done_callback(lambda done: told.append(done.result()))

    assert not future.done()
    main.advance(1.0)

    assert (future.result(0), told) == ("value", ["value"])
    assert not future.cancel()


def test_a_future_fails_with_the_very_exception(main: VMain, scope: CoroutineScope) -> None:
    """I1"""
    error = LookupError("no such row")

    future = scope.async_(fail, error).as_future()
    main.drain()

    assert future.exception(0) is error
    with pytest.raises(LookupError) as caught:
        future.result(0)
    assert caught.value is error


def test_cancelling_the_future_cancels_the_coroutine_and_it_is_done_when_that_has_cleaned_up(
    main: VMain, scope: CoroutineScope
) -> None:
    """I1"""
    log: list[str] = []

    async def body() -> None:
        try:
            await await_cancellation()
        finally:
            await non_cancellable(delay, 1.0)
            log.append("cleaned up")

    future = scope.future(body)
    main.run_current()
    assert future.cancel()
    main.run_current()
    assert not future.done()
    main.advance(1.0)

    assert log == ["cleaned up"]
    assert future.cancelled()
    assert future.cancel(), "it was"
    with pytest.raises(CancelledError):
        future.result(0)


def test_cancelling_the_job_cancels_the_future(main: VMain, scope: CoroutineScope) -> None:
    """I1"""
    deferred = scope.async_(await_cancellation)
    future = deferred.as_future()
    main.run_current()

    deferred.cancel()
    main.drain()

    assert future.cancelled()
    assert wait([future], timeout=0).done == {future}


def test_a_lazy_coroutine_is_started_by_its_future(main: VMain, scope: CoroutineScope) -> None:
    """I1"""
    deferred = scope.async_(give, 1, start=CoroutineStart.LAZY)

    future = deferred.as_future()
    main.drain()

    assert future.result(0) == 1


class Watched(threading.Condition):
    """The lock of a future, and what it was asked about each time that the main thread took it."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        super().__init__()
        self._ask = ask
        self.taken: list[bool] = []

    def __enter__(self) -> bool:
        self._note()
        return super().__enter__()

    def acquire(self, *args: Any) -> bool:
        self._note()
        return super().acquire(*args)

    def _note(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self.taken.append(self._ask())


def test_the_main_thread_takes_no_lock_of_a_future_that_it_waits_for() -> None:
    """I1, F44: a Ctrl-C right behind that step would leave it taken."""
    deferred: CompletableDeferred[int] = CompletableDeferred()
    future = deferred.as_future()
    future._condition = lock = Watched(lambda: deferred.is_completed)  # type: ignore[attr-defined]

    with struck(JobFuture._look, lambda: deferred.complete(7)) as met:
        assert future.result() == 7

    assert met
    assert set(lock.taken) == {True}


def test_a_wait_for_a_future_that_a_ctrl_c_broke_off_may_be_begun_anew() -> None:
    """I1, F44: it struck once the wait had been told of the end."""
    future = CompletableDeferred(7).as_future()
    future._ended.wait(0)  # type: ignore[attr-defined]

    assert future.result(0.001) == 7
    assert future.result() == 7


def test_a_deferred_that_has_ended_gives_a_future_that_is_done() -> None:
    """I1"""
    failed: CompletableDeferred[int] = CompletableDeferred()
    failed.complete_exceptionally(OSError("gone"))
    cancelled: CompletableDeferred[int] = CompletableDeferred()
    cancelled.cancel()

    assert CompletableDeferred(7).as_future().result(0) == 7
    assert isinstance(failed.as_future().exception(0), OSError)
    assert cancelled.as_future().cancelled()


def test_a_future_is_refused_to_the_thread_that_has_to_run_the_coroutine(main: VMain, scope: CoroutineScope) -> None:
    """I1: it would wait for itself."""
    future = scope.future(give, 1)

    for ask in (future.result, future.exception):
        with pytest.raises(IllegalStateError, match="it would wait for itself for ever"):
            ask()
    with pytest.raises(TimeoutError):
        future.result(0)  # a look, no wait
    main.drain()
    assert future.result() == 1


def test_a_loop_and_a_single_thread_refuse_to_wait_for_themselves_too() -> None:
    """I1"""

    async def in_a_private_loop() -> str:
        with pytest.raises(IllegalStateError, match="BlockingLoop"):
            current().future(give, 1).result()
        return "refused"

    async def on_one_thread() -> str:
        with pytest.raises(IllegalStateError, match="alone"):
            current().future(give, 1).result()
        return "refused"

    from vmscope import current_scope as current

    async def cancelling(block: Callable[[], Any]) -> str:
        try:
            answer: str = await block()
            return answer
        finally:
            current().coroutine_context[Job].cancel_children()  # type: ignore[union-attr]

    assert run_blocking(cancelling, in_a_private_loop) == "refused"
    with new_single_thread_context("alone") as alone:
        assert run_blocking(cancelling, on_one_thread, context=alone) == "refused"


def test_another_thread_waits_for_the_future(main: VMain, scope: CoroutineScope) -> None:
    """I1"""
    future = scope.future(give, "value")
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.append(future.result()))
    thread.start()

    main.run_until(lambda: not thread.is_alive())
    thread.join()

    assert got == ["value"]


# ---- I2: a future for a coroutine


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_future_is_awaited_done_or_not(main: VMain, outcome: Outcome, when: str) -> None:
    """I2"""
    future: Future[str] = Future()
    complete = lambda: future.set_result("value")  # noqa: E731
    complete() if when == "before" else main.post_delayed(3.0, complete)

    async def body() -> tuple[str, float]:
        return await await_future(future), main.now

    assert outcome(body) == ("value", 0.0 if when == "before" else 3.0)


def test_the_failure_of_a_future_is_raised_as_the_very_object(outcome: Outcome) -> None:
    """I2"""
    future: Future[str] = Future()
    error = LookupError("no such row")
    future.set_exception(error)

    def body() -> Any:
        try:
            yield from await_future(future)
        except LookupError as caught:
            return caught

    assert outcome(body) is error


def test_cancelling_the_awaiter_cancels_the_future_and_does_not_wait(main: VMain, scope: CoroutineScope) -> None:
    """I2"""
    queued: Future[str] = Future()
    running: Future[str] = Future()
    running.set_running_or_notify_cancel()

    jobs = [scope.launch(await_future, future) for future in (queued, running)]
    main.run_current()
    for job in jobs:
        job.cancel()
    main.run_current()

    assert all(job.is_completed for job in jobs)
    assert (queued.cancelled(), running.cancelled()) == (True, False)
    running.set_result("too late")


class NoCancel(Future[Any]):
    """As of an engine that cannot."""

    def cancel(self) -> bool:
        raise NotImplementedError("cancel")


class FalseYes(Future[Any]):
    """As of an engine that only says so."""

    def cancel(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [Future, NoCancel, FalseYes])
def test_whatever_the_future_answers_the_awaiter_is_cancelled(
    main: VMain, scope: CoroutineScope, seen: list[BaseException], kind: type[Future[Any]]
) -> None:
    """I2: an answer is no proof."""
    future = kind()

    job = scope.launch(await_future, future)
    main.run_current()
    job.cancel()
    main.run_current()

    assert job.state_name == "Cancelled"
    assert not seen


def test_a_cancelled_future_is_no_cancelled_awaiter(main: VMain, outcome: Outcome) -> None:
    """I2: nor is one whose work ended with a cancellation."""
    future: Future[str] = Future()
    ended: Future[str] = Future()
    ended.set_exception(CancellationException("not wanted"))
    main.post(future.cancel)

    async def body() -> str:
        with pytest.raises(DeferredCancelledError, match="the future was awaited and had been cancelled"):
            await await_future(future)
        with pytest.raises(DeferredCancelledError, match="not wanted"):
            await await_future(ended)
        return "goes on"

    assert outcome(body) == "goes on"


def test_a_cancelled_awaiter_is_let_go_of_by_a_future_that_takes_its_time(main: VMain, scope: CoroutineScope) -> None:
    """I2: and goes, with its context and all, though the future is still there."""
    future: Future[str] = Future()
    future.set_running_or_notify_cancel()
    job = scope.launch(await_future, future)
    seen = weakref.ref(job)
    main.run_current()
    job.cancel()
    main.run_current()
    del job
    gc.collect()

    assert seen() is None


def test_what_is_no_future_is_refused() -> None:
    """I2"""
    import asyncio

    loop = asyncio.new_event_loop()
    try:
        foreign = loop.create_future()
        for refuse in (await_future, as_deferred):
            with pytest.raises(TypeError, match=r"use await_asyncio\(future\)"):
                refuse(foreign)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"takes a future of concurrent\.futures, got 7"):
                refuse(7)  # type: ignore[arg-type]
    finally:
        loop.close()


def test_a_future_as_a_deferred_has_many_awaiters_and_none_of_them_cancels_it(
    main: VMain, scope: CoroutineScope, outcome: Outcome
) -> None:
    """I2"""
    future: Future[str] = Future()
    deferred = as_deferred(future)
    job = scope.launch(deferred.await_)
    main.run_current()
    job.cancel()
    main.run_current()
    assert not future.cancelled()
    main.post_delayed(1.0, lambda: future.set_result("value"))

    assert outcome(await_all, deferred, deferred) == ["value", "value"]


def test_a_deferred_of_a_future_is_cancelled_with_it_and_the_other_way_round(main: VMain, outcome: Outcome) -> None:
    """I2"""
    one: Future[str] = Future()
    other: Future[str] = Future()
    of_one, of_other = as_deferred(one), as_deferred(other)

    one.cancel()
    of_other.cancel()

    assert of_one.is_cancelled
    assert other.cancelled()

    async def body() -> None:
        with pytest.raises(DeferredCancelledError, match="the future was cancelled"):
            await of_one.await_()

    outcome(body)


def test_a_deferred_of_a_future_fails_with_the_very_exception() -> None:
    """I2"""
    future: Future[str] = Future()
    deferred = as_deferred(future)
    error = OSError("gone")

    future.set_exception(error)

    assert deferred.get_completion_exception_or_none() is error


# ---- the executors made of what is ours, and real threads


def test_a_dispatcher_as_an_executor_and_back(outcome: Outcome) -> None:
    """I2: with a real thread at the other end."""
    executor: Executor = Dispatchers.IO.as_executor()

    async def body() -> str:
        name: str = await await_future(executor.submit(lambda: threading.current_thread().name))
        return name

    assert outcome(body).startswith("vmscope-worker")


def test_a_real_pool_and_the_main_looper(outcome: Outcome) -> None:
    """I2"""
    here = threading.get_ident()

    async def body(pool: Executor) -> tuple[bool, bool]:
        there = await await_future(pool.submit(threading.get_ident))
        return there == here, threading.get_ident() == here

    with ThreadPoolExecutor(1) as pool:
        assert outcome(body, pool) == (False, True)


class Forgetful(Future[str]):
    """Shaped like a future, and cannot tell what it failed with."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        raise LookupError("nobody noted it")


def test_a_future_that_cannot_tell_its_outcome_fails_who_awaits_it() -> None:
    future = Forgetful()
    deferred = as_deferred(future)

    future.set_result("value")

    with pytest.raises(LookupError, match="nobody noted it"):
        run_blocking(deferred.await_)
    with pytest.raises(LookupError, match="nobody noted it"):
        run_blocking(await_future, future)
