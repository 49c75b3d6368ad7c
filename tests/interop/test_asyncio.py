"""asyncio both ways, with a real loop on a thread of its own, or as the host of everything."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from tests.virtual_main import VMain
from vmscope import (
    CompletableDeferred,
    CoroutineScope,
    CoroutineStart,
    DeferredCancelledError,
    Dispatchers,
    EmptyCoroutineContext,
    IllegalStateError,
    RejectedExecutionError,
    SupervisorJob,
    await_cancellation,
    delay,
    non_cancellable,
    run_blocking,
    with_context,
)
from vmscope.interop import as_asyncio, asyncio_dispatcher, await_asyncio, run_on

Outcome = Callable[..., Any]
variable: ContextVar[str] = ContextVar("variable", default="unset")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs on a thread of its own; what still runs on it in the end is cancelled, as by asyncio.run()."""
    made: list[asyncio.AbstractEventLoop] = []
    stops: list[asyncio.Event] = []
    running = threading.Event()

    async def until_stopped() -> None:
        made.append(asyncio.get_running_loop())
        stops.append(asyncio.Event())
        running.set()
        await stops[0].wait()

    thread = threading.Thread(target=asyncio.run, args=(until_stopped(),), name="loop")
    thread.start()
    assert running.wait(10)
    yield made[0]
    if not made[0].is_closed():
        made[0].call_soon_threadsafe(stops[0].set)
    thread.join(10)


# ---- asyncio in our coroutines


async def give(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def fail(error: BaseException) -> None:
    raise error


def test_a_coroutine_of_asyncio_runs_on_its_loop_and_its_value_comes_back(
    loop: asyncio.AbstractEventLoop, outcome: Outcome
) -> None:
    """I3"""
    here = threading.get_ident()

    async def there() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    def body() -> Any:
        name = yield from await_asyncio(there(), loop)
        return name, threading.get_ident() == here

    assert outcome(body) == ("loop", True)


def test_a_future_of_the_loop_is_awaited_without_naming_it(loop: asyncio.AbstractEventLoop, outcome: Outcome) -> None:
    """I3"""
    future = loop.create_future()
    loop.call_soon_threadsafe(future.set_result, "value")

    assert outcome(await_asyncio, future) == "value"


def test_the_failure_on_the_loop_is_the_very_object(loop: asyncio.AbstractEventLoop, outcome: Outcome) -> None:
    """I3"""
    error = LookupError("no such row")

    async def body() -> None:
        with pytest.raises(LookupError) as caught:
            await await_asyncio(fail(error), loop)
        assert caught.value is error

    outcome(body)


def test_cancelling_the_coroutine_cancels_the_task_and_waits_for_its_clean_up(
    loop: asyncio.AbstractEventLoop, main: VMain, scope: CoroutineScope
) -> None:
    """I3"""
    log: list[str] = []
    begun, cleaning = threading.Event(), threading.Event()
    gate = asyncio.Event()

    async def there() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            cleaning.set()
            await gate.wait()
            log.append("cleaned up")

    job = scope.launch(await_asyncio, there(), loop)
    main.run_until(begun.is_set)
    job.cancel()
    main.run_until(cleaning.is_set)
    assert not job.is_completed
    loop.call_soon_threadsafe(gate.set)
    main.run_until(lambda: job.is_completed)

    assert log == ["cleaned up"]
    assert job.state_name == "Cancelled"


def test_a_failure_of_the_clean_up_is_told(
    loop: asyncio.AbstractEventLoop, main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """I3"""
    begun = threading.Event()
    error = OSError("disk full")

    async def there() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            raise error

    job = scope.launch(await_asyncio, there(), loop)
    main.run_until(begun.is_set)
    job.cancel()
    main.run_until(lambda: job.is_completed)

    assert seen == [error]


def test_what_was_cancelled_before_it_began_is_never_begun(
    loop: asyncio.AbstractEventLoop, main: VMain, scope: CoroutineScope
) -> None:
    """I3: and its coroutine is closed, without a warning."""
    gate, held = threading.Event(), threading.Event()
    log: list[str] = []

    def hold() -> None:
        held.set()
        assert gate.wait(10)

    async def there() -> None:
        log.append("begun")

    loop.call_soon_threadsafe(hold)
    assert held.wait(10)
    waiting = scope.launch(await_asyncio, there(), loop)
    main.run_current()
    waiting.cancel()
    unsent = scope.launch(await_asyncio, coroutine := there(), loop)
    unsent.cancel()
    main.run_current()
    coroutine.close()
    gate.set()
    main.run_until(lambda: waiting.is_completed and unsent.is_completed)

    assert not log
    assert (waiting.state_name, unsent.state_name) == ("Cancelled", "Cancelled")


def test_a_future_whose_awaiter_was_cancelled_before_the_loop_came_to_it_is_cancelled(
    loop: asyncio.AbstractEventLoop, main: VMain, scope: CoroutineScope
) -> None:
    """I3"""
    gate, held = threading.Event(), threading.Event()
    future = loop.create_future()

    def hold() -> None:
        held.set()
        assert gate.wait(10)

    loop.call_soon_threadsafe(hold)
    assert held.wait(10)
    waiting = scope.launch(await_asyncio, future)
    main.run_current()
    waiting.cancel()
    gate.set()
    main.run_until(lambda: waiting.is_completed)

    assert future.cancelled()


def test_a_task_that_others_cancel_is_no_cancelled_awaiter(
    loop: asyncio.AbstractEventLoop, main: VMain, outcome: Outcome
) -> None:
    """I3"""

    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def body() -> str:
        with pytest.raises(DeferredCancelledError, match="what asyncio ran was awaited and had been cancelled"):
            await await_asyncio(cancels_itself(), loop)
        return "goes on"

    assert outcome(body) == "goes on"


def test_context_variables_cross_over_and_do_not_leak_back(loop: asyncio.AbstractEventLoop, outcome: Outcome) -> None:
    """I3"""

    async def there() -> str:
        value = variable.get()
        variable.set("there")
        return value

    async def body() -> tuple[str, str]:
        variable.set("here")
        return await await_asyncio(there(), loop), variable.get()

    assert outcome(body) == ("here", "here")


def test_our_waits_are_refused_in_a_task_of_asyncio(loop: asyncio.AbstractEventLoop, outcome: Outcome) -> None:
    """I3: a scope block there would work on the coroutine that waits."""
    from vmscope import current_job

    async def there() -> None:
        current_job()

    async def body() -> None:
        with pytest.raises(IllegalStateError, match="outside a coroutine"):
            await await_asyncio(there(), loop)

    outcome(body)


def test_a_loop_that_is_closed_or_does_not_run_is_a_clean_error(outcome: Outcome) -> None:
    """I3: nothing waits for ever, and the coroutine does not warn."""
    idle = asyncio.new_event_loop()

    async def body(state: str) -> None:
        with pytest.raises(IllegalStateError, match=f"the loop {state}"):
            await await_asyncio(give(1), idle)

    outcome(body, "does not run")
    idle.close()
    outcome(body, "is closed")


@pytest.mark.parametrize("bad", ["loop", 7, asyncio.SelectorEventLoop])
def test_what_is_no_loop_is_refused_at_the_call(bad: Any) -> None:
    """I3: and the coroutine does not warn."""
    with pytest.raises(TypeError, match=r"await_asyncio\(<coroutine object give .*an event loop of asyncio, got "):
        await_asyncio(give(1), bad)


def test_a_future_of_another_loop_is_refused_as_asyncio_does(loop: asyncio.AbstractEventLoop, outcome: Outcome) -> None:
    """I3"""
    other = asyncio.new_event_loop()

    async def body() -> None:
        with pytest.raises(ValueError, match="loop"):
            await await_asyncio(other.create_future(), loop)

    outcome(body)
    other.close()


class ClosedUnder:
    """A loop that is stopped and closed while a task of it runs, which never ends then; asyncio tells of it itself."""

    def __init__(self, main: VMain) -> None:
        self.loop = asyncio.new_event_loop()
        self._main = main
        self._begun = threading.Event()
        self._task: Any = None
        started = threading.Event()
        self.loop.call_soon(started.set)
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        assert started.wait(10)

    async def forever(self) -> None:
        """For the task."""
        self._task = asyncio.current_task()
        self._begun.set()
        self.loop.stop()
        await asyncio.sleep(3600)

    def stop(self) -> None:
        self._main.run_until(self._begun.is_set)
        self._thread.join()

    def close(self) -> None:
        self.stop()
        self.loop.close()

    def forget(self) -> None:
        self._task._log_destroy_pending = False
        self._task.get_coro().close()


@pytest.fixture
def closed_under(main: VMain) -> Iterator[ClosedUnder]:
    made = ClosedUnder(main)
    yield made
    made.forget()


def test_a_loop_that_is_closed_under_a_task_tells_who_awaits_it(
    closed_under: ClosedUnder, main: VMain, scope: CoroutineScope
) -> None:
    """I3: it is no wait without end."""

    async def ours() -> str:
        with pytest.raises(DeferredCancelledError, match="its loop was closed"):
            await await_asyncio(closed_under.forever(), closed_under.loop)
        return "goes on"

    deferred = scope.async_(ours)
    closed_under.close()
    gc.collect()  # where the last reference does not go at once
    main.run_until(lambda: deferred.is_completed)

    assert deferred.get_completed() == "goes on"


def test_a_loop_that_is_stopped_may_run_again_and_end_what_is_awaited(
    closed_under: ClosedUnder, main: VMain, scope: CoroutineScope
) -> None:
    """I3: only its end is an end."""
    future = closed_under.loop.create_future()
    deferred = scope.async_(await_asyncio, future)
    job = scope.launch(await_asyncio, closed_under.forever(), closed_under.loop)
    closed_under.stop()
    main.run_current()
    assert not deferred.is_completed

    future.set_result("later")
    closed_under.loop.run_until_complete(future)
    main.run_until(lambda: deferred.is_completed)
    closed_under.loop.close()
    gc.collect()
    main.run_until(lambda: job.is_completed)

    assert deferred.get_completed() == "later"


def test_a_future_that_ends_after_the_end_of_its_loop_is_nobodys_any_more(
    closed_under: ClosedUnder, main: VMain, scope: CoroutineScope
) -> None:
    """I3: one of another make, that calls back by itself; who awaited it has been told that the loop was closed."""
    told: list[Any] = []

    class Outside(asyncio.Future[int]):
        def add_done_callback(self, fn: Any, *, context: Any = None) -> None:
            told.append(fn)

    future = Outside(loop=closed_under.loop)
    deferred = scope.async_(await_asyncio, future)
    job = scope.launch(await_asyncio, closed_under.forever(), closed_under.loop)
    closed_under.close()
    gc.collect()
    main.run_until(lambda: deferred.is_completed and job.is_completed)
    error = deferred.get_completion_exception_or_none()
    assert isinstance(error, DeferredCancelledError)

    future.cancel()
    for callback in told:
        callback(future)
    main.run_current()

    assert told
    assert deferred.get_completion_exception_or_none() is error


def test_what_has_been_awaited_leaves_no_timer_in_its_loop(loop: asyncio.AbstractEventLoop, outcome: Outcome) -> None:
    """I3"""
    outcome(lambda: await_asyncio(give(1), loop))

    async def timers() -> list[Any]:
        return [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]

    assert asyncio.run_coroutine_threadsafe(timers(), loop).result(10) == []


def test_a_loop_that_was_closed_under_a_task_sets_a_cancelled_awaiter_free(
    closed_under: ClosedUnder, main: VMain, scope: CoroutineScope
) -> None:
    """I3"""
    job = scope.launch(await_asyncio, closed_under.forever(), closed_under.loop)
    closed_under.close()
    job.cancel()
    main.run_until(lambda: job.is_completed)

    assert job.state_name == "Cancelled"


def test_a_loop_that_ends_cancels_what_is_awaited_on_it(main: VMain, scope: CoroutineScope) -> None:
    """I3"""
    begun = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def forever() -> None:
        begun.set()
        await asyncio.sleep(3600)

    async def body() -> str:
        with pytest.raises(DeferredCancelledError):
            await await_asyncio(forever(), loops[0])
        return "goes on"

    async def program() -> None:
        loops.append(asyncio.get_running_loop())
        while not begun.is_set():
            await asyncio.sleep(0.001)

    thread = threading.Thread(target=asyncio.run, args=(program(),))
    thread.start()
    main.run_until(lambda: bool(loops))
    deferred = scope.async_(body)
    main.run_until(lambda: deferred.is_completed)
    thread.join()

    assert deferred.get_completed() == "goes on"


def test_what_asyncio_does_not_await_is_refused(loop: asyncio.AbstractEventLoop) -> None:
    """I3"""
    with pytest.raises(TypeError, match="takes what asyncio awaits, a coroutine, task or future; got 7"):
        await_asyncio(7, loop)  # type: ignore[arg-type]
    wait = delay(1.0)
    with pytest.raises(TypeError, match="which is vmscope's: await it without"):
        await_asyncio(wait, loop)
    wait._begun = True  # it was made for the test alone: no warning that it was dropped
    with pytest.raises(IllegalStateError, match="without a loop, on a thread where none runs"):
        await_asyncio(give(1))


# ---- our jobs in asyncio


@pytest.fixture
def elsewhere() -> Iterator[CoroutineScope]:
    """A scope on Default, for a loop on the thread of the test."""
    with CoroutineScope(SupervisorJob() + Dispatchers.Default) as scope:
        yield scope


def test_a_task_awaits_a_deferred(elsewhere: CoroutineScope) -> None:
    """I3"""
    error = LookupError("no such row")

    async def ours() -> str:
        return await with_context(Dispatchers.IO, lambda: "value")

    async def failing() -> None:
        raise error

    async def program() -> tuple[str, str, BaseException]:
        value = await as_asyncio(elsewhere.async_(ours))
        lazy = await as_asyncio(elsewhere.async_(ours, start=CoroutineStart.LAZY))
        with pytest.raises(LookupError) as caught:
            await as_asyncio(elsewhere.async_(failing))
        return value, lazy, caught.value

    assert asyncio.run(program()) == ("value", "value", error)


def test_a_task_awaits_a_job_as_join_does(elsewhere: CoroutineScope) -> None:
    """I3"""
    log: list[str] = []

    async def program() -> None:
        assert await as_asyncio(elsewhere.launch(log.append, "ran")) is None  # type: ignore[func-returns-value]
        with pytest.raises(TypeError, match="takes a Job or Deferred, got 7"):
            await as_asyncio(7)  # type: ignore[call-overload]

    asyncio.run(program())

    assert log == ["ran"]


def test_cancelling_the_task_cancels_the_job_and_waits_for_its_clean_up(elsewhere: CoroutineScope) -> None:
    """I3"""
    begun, gate = threading.Event(), threading.Event()
    log: list[str] = []

    async def ours() -> None:
        begun.set()
        try:
            await await_cancellation()
        finally:
            await non_cancellable(with_context, Dispatchers.IO, gate.wait, 10)
            log.append("cleaned up")

    async def program() -> None:
        job = elsewhere.launch(ours)
        task = asyncio.ensure_future(as_asyncio(job))
        await asyncio.sleep(0)  # cancelled before it begins, it would not touch the job
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        assert job.is_cancelled
        assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["cleaned up"]

    asyncio.run(program())


def test_a_second_cancellation_of_the_task_does_not_wait(elsewhere: CoroutineScope) -> None:
    """I3"""
    begun, gate = threading.Event(), threading.Event()

    def stuck() -> None:
        begun.set()
        assert gate.wait(10)

    async def program() -> None:
        job = elsewhere.launch(stuck)
        task = asyncio.ensure_future(as_asyncio(job))
        await asyncio.sleep(0)
        await asyncio.to_thread(begun.wait, 10)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not job.is_completed
        gate.set()
        await as_asyncio(job)

    asyncio.run(program())


def test_a_job_that_ends_as_its_task_is_cancelled_ends_it_once() -> None:
    """I3: the word of its end is on its way when the wait for it is over."""

    async def program() -> str:
        job = CompletableDeferred()
        task = asyncio.ensure_future(as_asyncio(job))
        await asyncio.sleep(0)
        job.complete(7)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return job.state_name

    assert asyncio.run(program()) == "Completed"


def test_a_job_that_ends_after_the_loop_of_who_awaits_it_tells_nobody() -> None:
    """I3"""
    job = CompletableDeferred[int]()

    async def begin(waits: Any) -> None:
        waits.send(None)

    loop = asyncio.new_event_loop()
    waits = as_asyncio(job)
    loop.run_until_complete(begin(waits))
    loop.close()

    assert job.complete(7)
    waits.close()


def test_a_cancelled_deferred_is_no_cancelled_task(elsewhere: CoroutineScope) -> None:
    """I3"""

    async def program() -> str:
        deferred = elsewhere.async_(await_cancellation)
        deferred.cancel("enough")
        with pytest.raises(DeferredCancelledError, match="enough"):
            await as_asyncio(deferred)
        return "goes on"

    assert asyncio.run(program()) == "goes on"


def test_context_variables_of_the_task_reach_the_coroutine(elsewhere: CoroutineScope) -> None:
    """I3"""

    async def program() -> str:
        variable.set("task")
        return await as_asyncio(elsewhere.async_(variable.get))

    assert asyncio.run(program()) == "task"


# ---- a loop as dispatcher


def test_coroutines_run_between_the_callbacks_of_a_loop() -> None:
    """I3: both ways on one thread."""
    me = threading.get_ident()

    async def ours() -> list[Any]:
        await delay(0.001)
        there = await with_context(Dispatchers.IO, threading.get_ident)
        return [threading.get_ident() == me, there == me, await await_asyncio(give("asyncio"))]

    async def program() -> list[Any]:
        with CoroutineScope(SupervisorJob() + asyncio_dispatcher()) as scope:
            with pytest.raises(IllegalStateError, match="itself"):
                run_on(scope, delay, 1.0)
            return await as_asyncio(scope.async_(ours))

    assert asyncio.run(program()) == [True, False, "asyncio"]


def test_what_a_closed_loop_refuses_or_drops_is_cancelled_and_cleans_up() -> None:
    """I3: nothing is lost with the loop, also what stood in its queue when it was closed."""
    log: list[str] = []
    loop = asyncio.new_event_loop()
    scope = CoroutineScope(SupervisorJob() + asyncio_dispatcher(loop))

    async def ours() -> None:
        try:
            await with_context(Dispatchers.Unconfined, delay, 0.0)
            loop.stop()
            await with_context(Dispatchers.IO, int)  # comes back to a loop that has stopped
        finally:
            log.append("cleaned up")

    suspended = scope.async_(ours)
    loop.run_forever()
    queued = scope.async_(ours)
    loop.close()
    refused = scope.async_(ours)
    for job in (suspended, queued, refused):
        run_blocking(job.join)

    assert [job.state_name for job in (suspended, queued, refused)] == ["Cancelled"] * 3
    assert log == ["cleaned up"], "those that never began have nothing to clean up"


def test_a_dispatcher_runs_what_any_code_gives_it_and_says_who_refuses() -> None:
    """I3: `dispatch`, for a dispatcher that delegates to it."""
    log: list[str] = []

    class Task:
        def run(self) -> None:
            log.append("run")

    loop = asyncio.new_event_loop()
    dispatcher = asyncio_dispatcher(loop)
    dispatcher.dispatch(EmptyCoroutineContext, Task())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    assert log == ["run"]
    with pytest.raises(RejectedExecutionError, match="Event loop is closed"):
        dispatcher.dispatch(EmptyCoroutineContext, Task())


def test_a_dispatcher_needs_a_loop() -> None:
    """I3"""
    with pytest.raises(IllegalStateError, match="without a loop, on a thread where none runs"):
        asyncio_dispatcher()
    with pytest.raises(TypeError, match="takes an event loop of asyncio, got 7"):
        asyncio_dispatcher(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes an event loop of asyncio, got <class"):
        asyncio_dispatcher(asyncio.SelectorEventLoop)  # type: ignore[arg-type]


class PlainTimer:
    """A timer of a loop of another make, which nobody can refer to weakly."""

    __slots__ = ("cancel",)

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.cancel = timer.cancel


def test_a_loop_whose_timers_cannot_be_watched_serves_as_well(
    loop: asyncio.AbstractEventLoop, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I3: its end is not noticed, nothing else."""
    call_later = loop.call_later
    monkeypatch.setattr(loop, "call_later", lambda *args: PlainTimer(call_later(*args)))

    assert outcome(lambda: await_asyncio(give(1), loop)) == 1

    monkeypatch.undo()

    async def timers() -> list[Any]:
        return [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]

    assert asyncio.run_coroutine_threadsafe(timers(), loop).result(10) == []
