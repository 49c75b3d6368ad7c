"""Who comes first: an outcome and a cancellation, from two threads at once, a few hundred times.

Whatever the order: each job ends, once, with the value or as cancelled, and nobody is told anything else.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from vmscope import (
    CoroutineScope,
    DeferredCancelledError,
    Dispatchers,
    IllegalStateError,
    SupervisorJob,
    delay,
    run_blocking,
)
from vmscope._primitives import FREE_THREADED
from vmscope.interop import as_asyncio, as_deferred, asyncio_dispatcher, await_asyncio, await_future, offload, run_on

ROUNDS = 150


@pytest.fixture
def scope(uncaught: list[BaseException]) -> Iterator[CoroutineScope]:
    """On real threads; a failure that nobody expected reaches `uncaught`."""
    with CoroutineScope(SupervisorJob() + Dispatchers.Default) as made:
        yield made


def at_once(*calls: Callable[[], object]) -> None:
    """Make the calls on a thread each, started together."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        barrier.wait(10)
        call()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def complete(future: Future[int]) -> None:
    try:
        future.set_result(7)
    except InvalidStateError:  # it was cancelled before
        pass


def test_a_future_completes_while_its_awaiter_is_cancelled(scope: CoroutineScope) -> None:
    """I2, I9"""
    ends = set()
    for _ in range(ROUNDS):
        future: Future[int] = Future()
        deferred = scope.async_(await_future, future)
        at_once(partial(complete, future), deferred.cancel)
        run_blocking(deferred.join)
        ends.add(deferred.state_name)
        assert future.cancelled() or future.result(0) == 7

    assert ends <= {"Completed", "Cancelled"}


def test_a_future_completes_while_the_deferred_of_it_is_cancelled() -> None:
    """I2, I9"""
    for _ in range(ROUNDS):
        future: Future[int] = Future()
        deferred = as_deferred(future)
        at_once(partial(complete, future), deferred.cancel)
        assert deferred.is_completed
        assert future.done()


def test_a_coroutine_ends_while_its_future_is_cancelled(scope: CoroutineScope) -> None:
    """I1, I9"""
    for _ in range(ROUNDS):
        future = scope.future(int)
        told: list[Future[int]] = []
        future.add_done_callback(told.append)
        at_once(future.cancel, future.cancel)
        try:
            assert future.result(10) == 0
        except CancelledError:
            assert future.cancelled()
        assert told == [future]


def test_a_call_ends_while_its_caller_is_cancelled(scope: CoroutineScope) -> None:
    """I9"""
    with ThreadPoolExecutor(1) as pool:
        for turn in range(ROUNDS):
            job = scope.launch(partial(offload, pool, int, abandon_on_cancel=bool(turn % 2)))
            at_once(job.cancel, lambda: pool.submit(int).result(10))
            run_blocking(job.join)
            assert job.state_name in ("Completed", "Cancelled")


def test_a_scope_ends_while_a_thread_calls_into_it() -> None:
    """I4, I9"""
    for _ in range(ROUNDS):
        scope = CoroutineScope(Dispatchers.Default)
        outcomes: list[Any] = []

        def visit() -> None:
            try:
                outcomes.append(run_on(scope, int))  # noqa: B023  (it ends within the turn)
            except DeferredCancelledError:
                outcomes.append(None)  # noqa: B023

        at_once(visit, scope.cancel)
        assert outcomes in ([0], [None])


def test_a_task_of_asyncio_ends_while_its_awaiter_is_cancelled(scope: CoroutineScope) -> None:
    """I3, I9"""

    async def there() -> int:
        await asyncio.sleep(0)
        return 7

    async def ours(loop: asyncio.AbstractEventLoop) -> None:
        await await_asyncio(there(), loop)

    async def program() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(ROUNDS):
            job = scope.launch(ours, loop)
            await asyncio.sleep(0)
            job.cancel()
            await as_asyncio(job)
            assert job.state_name in ("Completed", "Cancelled")

    asyncio.run(program())


def test_a_loop_is_closed_while_it_is_given_coroutines() -> None:
    """I3, I9: each of them runs or is cancelled; none is left in the queue of a loop that is gone."""
    for _ in range(ROUNDS // 10):
        loop = asyncio.new_event_loop()
        scope = CoroutineScope(SupervisorJob() + asyncio_dispatcher(loop))
        jobs = []

        def give() -> None:
            for _ in range(20):
                jobs.append(scope.launch(delay, 0))  # noqa: B023  (it ends within the turn)

        def run_and_close() -> None:
            loop.call_soon(loop.stop)  # noqa: B023
            loop.run_forever()  # noqa: B023
            loop.close()  # noqa: B023

        at_once(give, run_and_close)
        if FREE_THREADED:  # it lets go of what another thread has made no sooner
            gc.collect()
        for job in jobs:
            run_blocking(job.join)


class ClosedInBetween(asyncio.SelectorEventLoop):
    """A loop that is closed just after `call_soon_threadsafe` has seen it open: C1 C2 S1 S2 of the header."""

    pretends = False

    def __init__(self) -> None:
        super().__init__()
        self.pretends = True

    def is_running(self) -> bool:
        return self.pretends

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.pretends = False
        self.close()
        self._ready.append(handle)
        return handle


class RunsWhatIsLeft(ClosedInBetween):
    """And which, closed, still makes the calls that it has: not asyncio's way, but allowed."""

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = super().call_soon_threadsafe(callback, *args, context=context)
        self.left.append(handle)
        return handle

    def __init__(self) -> None:
        self.left: list[asyncio.Handle] = []
        super().__init__()


def test_what_is_put_into_the_queue_of_a_loop_just_closed_is_taken_back() -> None:
    """I3, I9: every time."""

    async def there() -> None: ...

    async def ours(loop: asyncio.AbstractEventLoop) -> str:
        with pytest.raises(DeferredCancelledError, match="its loop was closed"):
            await await_asyncio(there(), loop)
        return "goes on"

    scope = CoroutineScope(SupervisorJob() + asyncio_dispatcher(ClosedInBetween()))
    job = scope.launch(int)

    run_blocking(job.join)
    assert job.state_name == "Cancelled"
    assert run_blocking(ours, ClosedInBetween()) == "goes on"


def test_what_was_taken_back_from_a_closed_loop_is_not_run_by_it_after_all() -> None:
    """I3, I9"""
    loop = RunsWhatIsLeft()
    log: list[str] = []

    async def there() -> None:
        log.append("ran")

    async def ours() -> None:
        with pytest.raises(DeferredCancelledError, match="its loop was closed"):
            await await_asyncio(there(), loop)
        for handle in loop.left:
            handle._run()

    run_blocking(ours)

    assert loop.left
    assert not log


class SaysThatItRuns(asyncio.SelectorEventLoop):
    """Closed between the question whether it runs and the call that is sent to it."""

    def is_running(self) -> bool:
        return self.is_closed()  # close() asks, too


def test_a_loop_that_is_closed_just_before_it_is_sent_a_call_is_a_clean_error() -> None:
    """I3, I9: and the coroutine is closed, without a warning."""

    async def there() -> None: ...

    async def ours(loop: asyncio.AbstractEventLoop) -> str:
        with pytest.raises(IllegalStateError, match="Event loop is closed"):
            await await_asyncio(there(), loop)
        return "goes on"

    loop = SaysThatItRuns()
    loop.close()
    assert run_blocking(ours, loop) == "goes on"


def test_a_loop_that_goes_with_a_call_and_its_cancellation_in_its_queue_ends_the_wait_once() -> None:
    """I3, I9"""
    loop = asyncio.new_event_loop()
    held, gate = threading.Event(), threading.Event()

    async def there() -> None: ...

    def hold() -> None:
        held.set()
        gate.wait(10)
        loop.stop()

    def run_and_close() -> None:
        loop.call_soon(hold)
        loop.run_forever()
        loop.close()

    async def ours(loop: asyncio.AbstractEventLoop) -> None:
        await await_asyncio(there(), loop)

    thread = threading.Thread(target=run_and_close)
    thread.start()
    held.wait(10)
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)
    job = scope.launch(ours, loop)
    job.cancel()
    gate.set()
    thread.join()
    gc.collect()  # a free-threaded build lets go of what another thread has made no sooner
    run_blocking(job.join)

    assert job.state_name == "Cancelled"
