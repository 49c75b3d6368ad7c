"""Builders: launch and its starts, async_, with_context, the scope functions, run_blocking (rows B1-B15)."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

from tests.steer import struck, until
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CompletableDeferred,
    CompletableJob,
    CoroutineDispatcher,
    CoroutineScope,
    CoroutineStart,
    Deferred,
    DeferredCancelledError,
    Dispatchers,
    EmptyCoroutineContext,
    Handler,
    HandlerThread,
    IllegalStateError,
    Job,
    Looper,
    NonCancellable,
    RejectedExecutionError,
    SupervisorJob,
    Suspending,
    VmScopeWarning,
    as_dispatcher,
    async_,
    await_all,
    await_cancellation,
    cancel,
    coroutine_scope,
    current_context,
    current_job,
    current_scope,
    delay,
    ensure_active,
    launch,
    new_single_thread_context,
    run_blocking,
    run_main,
    supervisor_scope,
    suspend_cancellable_coroutine,
    suspend_coroutine,
    with_context,
    yield_,
)
from vmscope.coroutines._frame import FrameWait
from vmscope.coroutines._main import LooperDispatcher

OnMain = Callable[..., Any]


def fail(error: BaseException) -> None:
    raise error


# ---- B1: launch


def test_launch_returns_at_once_and_the_body_runs_by_the_dispatcher(main: VMain, scope: CoroutineScope) -> None:
    """B1"""
    log: list[str] = []

    job = scope.launch(log.append, "body")
    log.append("after launch")
    main.run_current()

    assert log == ["after launch", "body"]
    assert job.is_completed


def test_the_result_of_a_launch_is_ignored(main: VMain, scope: CoroutineScope) -> None:
    """B1"""
    heard: list[Any] = []

    scope.launch(lambda: "result").invoke_on_completion(heard.append)
    main.run_current()

    assert heard == [None]


def test_its_failure_goes_to_the_parent_and_that_of_a_supervised_one_to_the_handler(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """B1, E1, E3"""
    error = LookupError()
    children: list[Job] = []

    def parent() -> Generator[Any, Any, None]:
        children.append(launch(fail, error))
        yield from delay(1)

    job = scope.launch(parent)
    main.drain()

    assert children[0].is_cancelled
    assert job.get_cancellation_exception().__cause__ is error
    assert seen == [error], "once, by the root of the failure"


@pytest.mark.parametrize("kind", ["function", "ready"])
def test_cancelled_before_its_first_dispatch_the_body_never_runs(
    main: VMain, scope: CoroutineScope, kind: str
) -> None:
    """B1, F33: not even its `finally`."""
    log: list[str] = []

    async def body() -> None:
        try:
            log.append("body")
        finally:
            log.append("finally")

    job = scope.launch(body) if kind == "function" else scope.launch(body())  # type: ignore[arg-type]
    job.cancel()
    main.drain()

    assert log == []
    assert job.is_completed


# ---- B2-B4: how it starts


def test_a_lazy_coroutine_runs_when_it_is_asked_for(main: VMain, scope: CoroutineScope, on_main: OnMain) -> None:
    """B2: by start, join or await_."""
    log: list[str] = []
    started, joined = (scope.launch(log.append, name, start=CoroutineStart.LAZY) for name in ("start", "join"))
    awaited = scope.async_(log.append, "await", start=CoroutineStart.LAZY)
    main.run_current()
    assert log == []

    started.start()
    main.run_current()
    on_main(joined.join)
    on_main(awaited.await_)

    assert log == ["start", "join", "await"]


def test_a_scope_waits_for_a_lazy_child_that_nobody_starts(main: VMain, scope: CoroutineScope) -> None:
    """B2, appendix B 5"""
    children: list[Job] = []

    async def body() -> None:
        async with coroutine_scope() as inner:
            children.append(inner.launch(delay, 1, start=CoroutineStart.LAZY))

    job = scope.launch(body)
    main.drain()
    assert job.is_active

    children[0].start()
    main.drain()
    assert job.is_completed
    assert not job.is_cancelled


def test_an_atomic_start_cannot_be_cancelled_before_the_first_suspension(main: VMain, scope: CoroutineScope) -> None:
    """B3"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        log.append("begun")
        try:
            yield from delay(1)
        finally:
            log.append(f"over at {main.now:g}")

    scope.launch(body, start=CoroutineStart.ATOMIC).cancel()
    main.drain()

    assert log == ["begun", "over at 0"]


def test_an_undispatched_start_runs_in_the_callers_stack_up_to_the_first_suspension(
    main: VMain, scope: CoroutineScope
) -> None:
    """B4: then it goes on by its dispatcher."""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        log.append("begun")
        yield from yield_()
        log.append("resumed")

    scope.launch(body, start=CoroutineStart.UNDISPATCHED)
    log.append("after launch")
    main.run_current()

    assert log == ["begun", "after launch", "resumed"]


def test_an_undispatched_start_begins_though_its_scope_is_cancelled(main: VMain, scope: CoroutineScope) -> None:
    """B4"""
    log: list[str] = []
    scope.cancel()

    def body() -> Generator[Any, Any, None]:
        log.append("begun")
        yield from yield_()
        log.append("never")

    job = scope.launch(body, start=CoroutineStart.UNDISPATCHED)

    assert log == ["begun"]
    main.drain()
    assert log == ["begun"]
    assert job.is_completed


@pytest.mark.parametrize("start", ["LAZY", None, 1], ids=repr)
def test_a_start_that_is_none_is_refused(scope: CoroutineScope, start: Any) -> None:
    """B2"""
    with pytest.raises(TypeError, match="CoroutineStart"):
        scope.launch(delay, 1, start=start)


# ---- B5, B6: Deferred


def test_await_gives_the_value_to_each_of_many_awaiters(on_main: OnMain) -> None:
    """B5"""

    async def body() -> list[object]:
        value = object()
        deferred = current_scope().async_(lambda: value)
        awaiters = [current_scope().async_(deferred.await_) for _ in range(5)]
        return [await awaiter.await_() is value for awaiter in awaiters]

    assert on_main(body) == [True] * 5


def test_await_raises_the_very_object_each_time(scope: CoroutineScope, on_main: OnMain) -> None:
    """B5"""
    error = LookupError()
    deferred = scope.async_(fail, error)

    async def body() -> list[BaseException]:
        caught: list[BaseException] = []
        for _ in range(3):
            try:
                await deferred.await_()
            except LookupError as raised:
                caught.append(raised)
        return caught

    assert [raised is error for raised in on_main(body)] == [True] * 3


def test_an_async_that_nobody_awaits_still_fails_its_parent(main: VMain, scope: CoroutineScope) -> None:
    """B5, appendix B 21"""
    log: list[str] = []

    async def body() -> None:
        deferred = async_(fail, LookupError())
        try:
            await deferred.await_()
        except LookupError:
            log.append("caught")
        log.append(f"active: {current_job().is_active}")

    def silent() -> Generator[Any, Any, None]:
        async_(fail, LookupError())
        yield from delay(1)

    jobs = [scope.launch(body), scope.launch(silent)]
    main.drain()

    assert log == ["caught", "active: False"]
    assert [job.is_cancelled for job in jobs] == [True, True]


def test_a_supervised_async_keeps_its_failure_to_itself(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """B5, E3: no handler is asked, nobody is cancelled."""
    error = LookupError()

    deferred = scope.async_(fail, error)
    main.drain()

    assert scope.is_active
    assert seen == []
    assert deferred.get_completion_exception_or_none() is error


def test_awaiting_a_cancelled_deferred_is_an_error_of_the_caller_that_was_not_cancelled(
    scope: CoroutineScope, on_main: OnMain
) -> None:
    """B5: an Exception that can be caught; Kotlin ends the caller silently."""
    deferred = scope.async_(await_cancellation)
    deferred.cancel("no longer wanted")

    async def body() -> str:
        with pytest.raises(DeferredCancelledError, match="no longer wanted") as error:
            await deferred.await_()
        ensure_active()
        return type(error.value.__cause__).__name__

    assert on_main(body) == "CancellationException"


def test_a_deferred_shows_its_outcome_once_it_is_complete(main: VMain, scope: CoroutineScope) -> None:
    """B6"""
    error = LookupError()
    good, bad = scope.async_(lambda: 42), scope.async_(fail, error)
    for deferred in (good, bad):
        with pytest.raises(IllegalStateError, match="not completed"):
            deferred.get_completed()
        with pytest.raises(IllegalStateError, match="not completed"):
            deferred.get_completion_exception_or_none()

    main.drain()

    assert good.get_completed() == 42
    assert good.get_completion_exception_or_none() is None
    assert bad.get_completion_exception_or_none() is error
    with pytest.raises(LookupError) as raised:
        bad.get_completed()
    assert raised.value is error


# ---- B7: CompletableDeferred


def test_a_completable_deferred_is_completed_once(on_main: OnMain) -> None:
    """B7"""
    deferred = CompletableDeferred[int]()

    assert [deferred.complete(1), deferred.complete(2), deferred.complete_exceptionally(LookupError())] == [
        True,
        False,
        False,
    ]
    assert deferred.complete_with(lambda: 3) is False
    assert on_main(deferred.await_) == 1


def test_complete_with_takes_what_a_function_returns_or_raises() -> None:
    """B7"""
    error = LookupError()
    good, bad = CompletableDeferred[int](), CompletableDeferred[None]()

    assert good.complete_with(lambda: 3)
    assert bad.complete_with(lambda: fail(error))

    assert good.get_completed() == 3
    assert bad.get_completion_exception_or_none() is error


def test_a_completable_deferred_is_cancelled_like_any_job_and_with_its_parent() -> None:
    """B7"""
    parent = Job()
    alone, child = CompletableDeferred[int](), CompletableDeferred[int](parent=parent)

    alone.cancel("enough")
    parent.cancel()

    assert alone.is_cancelled
    assert alone.complete(1) is False
    assert child.is_cancelled


def test_a_value_given_to_the_constructor_completes_it() -> None:
    """B7"""
    assert CompletableDeferred(5).get_completed() == 5
    assert CompletableDeferred(None).get_completed() is None
    assert CompletableDeferred().is_active
    assert isinstance(CompletableDeferred(1), Deferred)


# ---- B8: await_all


def test_await_all_gives_the_values_in_the_order_of_its_arguments(main: VMain, on_main: OnMain) -> None:
    """B8: and starts lazy ones."""

    def after(seconds: float) -> Generator[Any, Any, float]:
        yield from delay(seconds)
        return seconds

    async def body() -> list[float]:
        return await await_all(
            async_(after, 3), async_(after, 1), async_(after, 2, start=CoroutineStart.LAZY), CompletableDeferred(0.0)
        )

    assert on_main(body) == [3, 1, 2, 0]
    assert main.now == 3
    assert on_main(await_all) == []


def test_await_all_fails_with_the_first_failure_and_leaves_the_rest_alone(
    main: VMain, scope: CoroutineScope, on_main: OnMain
) -> None:
    """B8: not in the order of the arguments."""
    error = LookupError()

    def fails() -> Generator[Any, Any, None]:
        yield from delay(1)
        raise error

    slow = scope.async_(delay, 5)

    async def body() -> float:
        with pytest.raises(LookupError):
            await await_all(slow, scope.async_(fails))
        assert slow.is_active
        return main.now

    assert on_main(body) == 1


class Struck(CompletableDeferred[str]):
    """It has `strike(it)` done between the look at its state and the registration with it."""

    __slots__ = ("_strike",)

    def __init__(self, strike: Callable[[CompletableDeferred[str]], object], *value: str) -> None:
        super().__init__(*value)
        self._strike = strike

    def _add_node(self, node: Any) -> bool:
        self._strike(self)
        return super()._add_node(node)


async def told(seen: list[object], call: Callable[[], Awaitable[object]]) -> None:
    """Await it, and write its value down, or why it was cancelled."""
    try:
        seen.append(await call())
    except CancellationException as cancelled:
        seen.append(str(cancelled))
        raise


def test_a_cancellation_that_is_faster_than_the_look_at_a_finished_one_wins(main: VMain, scope: CoroutineScope) -> None:
    """B8, P2: another thread cancels the caller between its registration and its look."""
    done, late = CompletableDeferred(1), Struck(lambda _: caller.cancel("faster"), "value")
    seen: list[object] = []

    caller = scope.launch(told, seen, lambda: await_all(done, late))
    main.drain()

    assert seen == ["faster"]
    assert caller.is_cancelled


def test_a_deferred_that_ends_as_it_is_awaited_gives_its_value_at_once(main: VMain, on_main: OnMain) -> None:
    """B5: between the look at its state and the registration."""
    quick = Struck(lambda deferred: deferred.complete("value"))

    async def body() -> tuple[str, int]:
        before = main.dispatches
        value = await quick.await_()
        return value, main.dispatches - before

    assert on_main(body) == ("value", 0)


def test_a_cancellation_that_is_faster_than_the_end_of_the_awaited_wins(main: VMain, scope: CoroutineScope) -> None:
    """B5, P2: both come between the look at its state and the registration."""
    quick = Struck(lambda deferred: (caller.cancel("faster"), deferred.complete("value")))
    seen: list[object] = []

    caller = scope.launch(told, seen, quick.await_)
    main.drain()

    assert seen == ["faster"]


def test_of_two_that_wait_for_one_deferred_the_first_may_cancel_the_second() -> None:
    """B5, P2: the second is told as well, and has ended by then."""
    gate: CompletableDeferred[str] = CompletableDeferred()
    seen: list[str] = []

    def first() -> Generator[Any, Any, None]:
        seen.append((yield from gate.await_()))
        jobs[1].cancel("by the first")

    def second() -> Generator[Any, Any, None]:
        try:
            seen.append((yield from gate.await_()))
        except CancellationException as cancelled:
            seen.append(str(cancelled))
            raise

    scope = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)
    jobs = [scope.launch(first), scope.launch(second)]
    gate.complete("value")

    assert seen == ["value", "by the first"]
    assert [job.is_cancelled for job in jobs] == [False, True]
    assert all(job.is_completed for job in jobs)


def test_await_all_takes_deferreds_and_nothing_else() -> None:
    """B8"""
    with pytest.raises(TypeError, match=r"\*deferreds"):
        await_all([])  # type: ignore[arg-type]


# ---- B9, B10: with_context


def test_with_context_looks_at_the_cancellation_first(main: VMain, scope: CoroutineScope) -> None:
    """B9, appendix B 8: the block is not called."""
    ran: list[int] = []

    async def body() -> None:
        cancel()
        await with_context(EmptyCoroutineContext, ran.append, 1)

    job = scope.launch(body)
    main.drain()

    assert ran == []
    assert job.is_cancelled


def test_with_context_gives_the_value_and_waits_for_the_children_of_its_block(main: VMain, on_main: OnMain) -> None:
    """B9"""

    def block() -> str:
        launch(delay, 4)
        return "value"

    async def body() -> tuple[str, float]:
        return await with_context(EmptyCoroutineContext, block), main.now

    assert on_main(body) == ("value", 4)


def test_with_context_drops_a_value_that_comes_back_to_a_cancelled_caller(main: VMain, scope: CoroutineScope) -> None:
    """B9"""
    log: list[str] = []
    other = QueueDispatcher()

    async def body() -> None:
        try:
            await with_context(other, lambda: "value")
            log.append("got it")
        except CancellationException:
            log.append("dropped")
            raise

    job = scope.launch(body)
    main.run_current()
    other.run_all()  # the value is on its way back
    job.cancel()
    main.drain()

    assert log == ["dropped"]


class QueueDispatcher(CoroutineDispatcher):
    """Runs when it is told to."""

    def __init__(self) -> None:
        self.queue: list[Any] = []

    def dispatch(self, context: Any, block: Any) -> None:
        self.queue.append(block)

    def run_all(self) -> None:
        while self.queue:
            self.queue.pop(0).run()


def test_each_with_context_has_a_job_of_its_own_that_does_not_supervise(main: VMain, on_main: OnMain) -> None:
    """B9"""
    error = LookupError()

    def block() -> Generator[Any, Any, Any]:
        launch(fail, error)
        yield from delay(9)

    async def body() -> None:
        outer = current_job()
        assert await with_context(EmptyCoroutineContext, lambda: current_job()) is not outer
        with pytest.raises(LookupError) as raised:
            await with_context(EmptyCoroutineContext, block)
        assert raised.value is error
        ensure_active()

    on_main(body)
    assert main.now == 0


def test_on_the_same_dispatcher_the_block_runs_in_place(main: VMain, scope: CoroutineScope) -> None:
    """B10: same by ==, as two dispatchers of one handler are."""
    handler = Handler(main.looper)
    log: list[int] = []

    async def body() -> None:
        before = main.dispatches
        await with_context(EmptyCoroutineContext, lambda: log.append(main.dispatches - before))
        await with_context(as_dispatcher(handler), lambda: log.append(main.dispatches - before))

    scope.launch(body, context=as_dispatcher(handler))
    main.drain()

    assert log == [0, 0]


def test_main_and_main_immediate_are_two_dispatchers(main: VMain, scope: CoroutineScope) -> None:
    """B10, appendix B 23: to the immediate one in place, back as far as that allows, to Main by a post."""
    log: list[tuple[str, int]] = []

    async def body() -> None:
        start = main.dispatches
        await with_context(Dispatchers.Main.immediate, lambda: log.append(("into immediate", main.dispatches - start)))
        log.append(("back", main.dispatches - start))

    async def other_way() -> None:
        start = main.dispatches
        await with_context(Dispatchers.Main, lambda: log.append(("into Main", main.dispatches - start)))

    assert Dispatchers.Main != Dispatchers.Main.immediate
    scope.launch(body)
    main.drain()
    scope.launch(other_way, context=Dispatchers.Main.immediate)
    main.drain()

    assert log == [("into immediate", 0), ("back", 0), ("into Main", 1)]


# ---- B11, B12: the scope functions


def test_coroutine_scope_gives_the_blocks_value_when_all_children_have_ended(main: VMain, on_main: OnMain) -> None:
    """B11: and inherits the context."""

    def block() -> Any:
        launch(delay, 2)
        launch(delay, 3)
        return current_context()[CoroutineDispatcher]

    async def body() -> tuple[Any, float]:
        return await coroutine_scope(block), main.now

    assert on_main(body) == (Dispatchers.Main, 3)


@pytest.mark.parametrize("form", ["block", "async with"])
def test_the_first_failure_in_a_coroutine_scope_cancels_the_rest_and_is_raised_to_the_caller(
    main: VMain, scope: CoroutineScope, seen: list[BaseException], form: str
) -> None:
    """B11, E8: never to the handler."""
    error = LookupError()
    log: list[Any] = []

    def sibling() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            log.append("sibling cancelled")

    async def block() -> None:
        launch(sibling)
        launch(fail, error)
        await delay(5)

    async def body() -> None:
        try:
            if form == "block":
                await coroutine_scope(block)
            else:
                async with coroutine_scope():
                    await block()
        except LookupError as raised:
            log.append(raised)
        ensure_active()
        log.append("goes on")

    scope.launch(body)
    main.drain()

    assert log == ["sibling cancelled", error, "goes on"]
    assert seen == []
    assert main.now == 0


def test_the_children_of_a_supervisor_scope_fail_alone_to_their_handler(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """B12, E2"""
    error = LookupError()
    log: list[str] = []

    def sibling() -> Generator[Any, Any, None]:
        yield from delay(1)
        log.append("sibling done")

    def block() -> Generator[Any, Any, str]:
        launch(fail, error)
        launch(sibling)
        yield from delay(2)
        return "value"

    async def body() -> None:
        log.append(await supervisor_scope(block))

    scope.launch(body)
    main.drain()

    assert log == ["sibling done", "value"]
    assert seen == [error]


def test_what_the_block_of_a_supervisor_scope_raises_is_not_supervised(main: VMain, on_main: OnMain) -> None:
    """B12, appendix B 25"""
    children: list[Job] = []

    async def block() -> None:
        children.append(launch(await_cancellation))
        await yield_()
        raise LookupError

    async def body() -> None:
        with pytest.raises(LookupError):
            await supervisor_scope(block)
        assert children[0].is_cancelled

    on_main(body)


# ---- B13, B14: run_blocking


def test_run_blocking_runs_block_and_children_on_this_thread_and_gives_the_value() -> None:
    """B13"""
    threads: list[str] = []

    def block() -> str:
        launch(lambda: threads.append(threading.current_thread().name))
        threads.append(threading.current_thread().name)
        return "value"

    assert run_blocking(block) == "value"
    assert threads == [threading.current_thread().name] * 2


def test_run_blocking_raises_what_the_block_or_a_child_failed_with() -> None:
    """B13"""
    error = LookupError()

    async def body() -> None:
        launch(fail, error)
        await delay(60)

    with pytest.raises(LookupError) as raised:
        run_blocking(fail, error)
    assert raised.value is error
    with pytest.raises(LookupError):
        run_blocking(body)


def test_run_blocking_with_a_dispatcher_runs_there_while_the_caller_waits() -> None:
    """B13"""
    with new_single_thread_context("solo") as solo:
        assert run_blocking(lambda: threading.current_thread().name, context=solo) == "solo"


def test_run_blocking_with_a_job_is_its_child() -> None:
    """B13"""
    job = Job()

    async def body() -> bool:
        return current_job().parent is job

    assert run_blocking(body, context=job) is True
    job.cancel("closed")
    with pytest.raises(CancellationException, match="closed"):
        run_blocking(body, context=job)


def test_a_nested_run_blocking_shares_the_loop_of_the_outer_one() -> None:
    """B14: work confined to that loop goes on meanwhile."""
    log: list[str] = []

    def outer_child() -> Generator[Any, Any, None]:
        log.append("outer child")
        yield from yield_()
        gate.complete(None)

    gate = CompletableDeferred[None]()

    def body() -> None:
        launch(outer_child)
        run_blocking(gate.await_)
        log.append("inner over")

    run_blocking(body)

    assert log == ["outer child", "inner over"]


# ---- B15: bodies (the spellings have a file of their own)


def test_a_plain_function_that_gives_a_generator_is_run_as_one(on_main: OnMain) -> None:
    """B15"""

    def generator() -> Generator[Any, Any, str]:
        yield from yield_()
        return "ran"

    assert on_main(lambda: generator()) == "ran"


@pytest.mark.parametrize("kind", ["plain", "generator", "async"])
def test_a_stop_iteration_that_escapes_is_a_runtime_error(main: VMain, scope: CoroutineScope, kind: str) -> None:
    """B15, F29"""

    def plain() -> None:
        raise StopIteration("slip")

    def generator() -> Generator[Any, Any, None]:
        yield from yield_()
        raise StopIteration("slip")

    async def coroutine() -> None:
        await yield_()
        raise StopIteration("slip")

    deferred = scope.async_({"plain": plain, "generator": generator, "async": coroutine}[kind])
    main.drain()

    error = deferred.get_completion_exception_or_none()
    assert type(error) is RuntimeError
    assert "StopIteration" in str(error)
    assert isinstance(error.__cause__, StopIteration)


def test_a_stop_iteration_as_a_value_is_a_value_like_any(on_main: OnMain) -> None:
    """F29"""
    stop = StopIteration("result")

    async def body() -> list[bool]:
        return [
            await async_(lambda: stop).await_() is stop,
            await with_context(Dispatchers.Unconfined, lambda: stop) is stop,
            await coroutine_scope(lambda: stop) is stop,
            await suspend_cancellable_coroutine(lambda cont: cont.resume(stop)) is stop,
            await CompletableDeferred(stop).await_() is stop,
        ]

    assert on_main(body) == [True] * 5


def test_a_runaway_recursion_fails_its_coroutine_and_nothing_else(main: VMain, scope: CoroutineScope) -> None:
    """F28"""

    def deep(level: int) -> Generator[Any, Any, None]:
        yield from deep(level + 1)

    bad = scope.async_(deep, 0)
    main.drain()

    assert isinstance(bad.get_completion_exception_or_none(), RecursionError)
    good = scope.async_(lambda: "fine")
    main.drain()
    assert good.get_completed() == "fine"


def test_what_a_dispatcher_runs_twice_runs_once(main: VMain) -> None:
    """B15, F17: a stranger's slip must not put two threads into one generator."""
    ran: list[int] = []
    twice = QueueDispatcher()

    CoroutineScope(twice).launch(ran.append, 1)
    block = twice.queue.pop()
    block.run()
    block.run()

    assert ran == [1]


def test_a_step_in_a_step_is_refused(main: VMain, scope: CoroutineScope) -> None:
    """B15, F17, F27: whoever cancels or resumes a running coroutine leaves its generator alone."""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        job = current_job()
        thread = threading.Thread(target=job.cancel)
        thread.start()
        thread.join()
        log.append("still running")
        try:
            yield from delay(1)
        except CancellationException:
            log.append("seen at the suspension")
            raise

    scope.launch(body)
    main.drain()

    assert log == ["still running", "seen at the suspension"]


def test_a_coroutine_ends_once(main: VMain, scope: CoroutineScope) -> None:
    """B15: an end that comes twice is a fault of ours, and must not pass in silence."""
    job = scope.launch(delay, 1)
    main.drain()

    with pytest.raises(IllegalStateError, match="ended twice"):
        job._finish(None, None)  # type: ignore[attr-defined]


def test_a_dispatcher_that_runs_the_step_and_says_that_none_was_needed_has_it_run_once() -> None:
    """B15, D15: a dispatcher of a user's own refuses a block and keeps it all the same."""
    kept: list[Any] = []
    conts: list[Any] = []
    log: list[str] = []

    class Confused(CoroutineDispatcher):
        def is_dispatch_needed(self, context: Any) -> bool:
            if len(conts) < 2:
                return True
            kept.pop().run()
            return False

        def dispatch(self, context: Any, block: Any) -> None:
            kept.append(block)
            if log:
                raise RejectedExecutionError("refused, and kept")

    def body() -> Generator[Any, Any, None]:
        log.append("begins")
        try:
            yield from suspend_cancellable_coroutine(conts.append)
        finally:
            log.append("cleans up")
            yield from with_context(NonCancellable, suspend_coroutine, clean_up)
            log.append("goes on")

    def clean_up(cont: Any) -> None:
        conts.append(cont)
        waits.set()

    waits = threading.Event()
    job = CoroutineScope(SupervisorJob() + Confused()).launch(body)
    kept.pop().run()
    conts[0].resume(None)  # refused: it is cancelled, and cleans up on IO
    assert waits.wait(10)
    while "suspended" not in repr(conts[1]):
        pass
    conts[1].resume(None)

    assert log == ["begins", "cleans up", "goes on"]
    assert job.is_completed


def test_a_dispatcher_that_ran_the_whole_block_and_then_refuses_it_changes_nothing() -> None:
    """D15"""

    class Late(CoroutineDispatcher):
        def dispatch(self, context: Any, block: Any) -> None:
            block.run()
            raise RejectedExecutionError("too late")

    deferred = CoroutineScope(Late()).async_(lambda: 7)

    assert deferred.get_completed() == 7


def test_a_step_that_is_not_owed_is_not_made() -> None:
    """B15, F17: a dispatcher refuses the start and keeps it; it ended, cancelled, before that is run."""
    kept: list[Any] = []
    ran: list[int] = []

    class Keeps(CoroutineDispatcher):
        def dispatch(self, context: Any, block: Any) -> None:
            kept.append(block)
            raise RejectedExecutionError("refused, and kept")

    job = CoroutineScope(Keeps()).launch(ran.append, 1)
    run_blocking(job.join)
    kept[0].run()

    assert job.is_cancelled
    assert ran == []


def test_a_ready_coroutine_that_never_begins_is_closed(main: VMain, scope: CoroutineScope) -> None:
    """B4, P7: no warning of one that was never awaited."""

    async def body() -> None:
        raise AssertionError("it was cancelled before")

    class Broken(CoroutineDispatcher):
        def dispatch(self, context: Any, block: Any) -> None:
            raise LookupError("no way")

    lazy = body()
    job = scope.launch(lazy, start=CoroutineStart.LAZY)
    job.cancel()
    refused = body()
    with pytest.raises(LookupError):
        scope.launch(refused, context=Broken())

    assert job.is_completed
    assert [inspect.getcoroutinestate(each) for each in (lazy, refused)] == ["CORO_CLOSED"] * 2


def test_a_dispatcher_that_cancels_its_caller_as_it_is_asked_keeps_the_block_from_running(main: VMain) -> None:
    """B9, D6: with_context looks at the cancellation last of all."""
    ran: list[str] = []

    class Spiteful(CoroutineDispatcher):
        def is_dispatch_needed(self, context: Any) -> bool:
            job.cancel("spite")
            return False

        def dispatch(self, context: Any, block: Any) -> None:
            raise AssertionError

    async def body() -> None:
        try:
            await with_context(Spiteful(), ran.append, "block")
        except CancellationException as cancelled:
            ran.append(str(cancelled))
            raise

    job = CoroutineScope(SupervisorJob() + Dispatchers.Main).launch(body)
    main.drain()

    assert ran == ["spite"]
    assert job.is_cancelled


def test_a_scope_whose_last_child_ends_as_it_begins_to_wait_goes_on_at_once() -> None:
    """B11: between the end of the block and the wait for the children, another thread ends the last one."""
    children: list[CompletableJob] = []

    def block() -> str:
        children.append(Job(current_job()))
        return "value"

    def body() -> Generator[Any, Any, str]:
        return (yield from coroutine_scope(block))

    scope = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)
    with struck(FrameWait._start, lambda: children[0].complete()) as met:
        deferred = scope.async_(body)
    assert met
    assert deferred.get_completed() == "value"

    with struck(FrameWait._start, lambda: children[1].complete_exceptionally(LookupError("child"))) as met:
        failed = scope.async_(body)
    assert met
    assert isinstance(failed.get_completion_exception_or_none(), LookupError)


def test_a_dispatch_to_a_run_blocking_runs_on_its_thread_and_once_that_has_gone_on_default() -> None:
    """B13"""
    ran: list[str] = []
    done = threading.Event()

    class Task:
        def run(self) -> None:
            ran.append(threading.current_thread().name)
            done.set()

    async def body() -> CoroutineDispatcher:
        dispatcher = current_context()[CoroutineDispatcher]
        assert dispatcher is not None
        dispatcher.dispatch(EmptyCoroutineContext, Task())
        await yield_()
        return dispatcher

    dispatcher = run_blocking(body)
    assert ran == [threading.current_thread().name]
    done.clear()
    dispatcher.dispatch(EmptyCoroutineContext, Task())

    assert done.wait(10)
    assert ran[1].startswith("vmscope-worker")


def test_run_main_on_a_looper_that_is_there_uses_it_and_refuses_one_that_is_another_threads_or_runs() -> None:
    """B14"""
    looper = Looper.prepare_main()
    assert run_main(Looper.my_looper) is looper

    def inside() -> None:
        with pytest.raises(IllegalStateError, match="is running it already: launch the block in a scope"):
            run_main(print)

    run_main(inside)
    with HandlerThread("ui") as ui:
        Looper.set_main_for_test(ui.looper)
        with pytest.raises(IllegalStateError, match="its thread is not this one"):
            run_main(print)


def test_run_blocking_in_a_message_of_a_running_looper_warns() -> None:
    """B14, F41: it is allowed, and nearly always a slip."""
    seen: list[object] = []

    def block() -> None:
        with pytest.warns(VmScopeWarning, match="run_blocking in a message of"):
            seen.append(run_blocking(lambda: 7))

    with HandlerThread("ui") as ui:
        assert ui.handler is not None
        ui.handler.call(block)

    assert seen == [7]


def delays() -> Generator[Any, Any, int]:
    yield from delay(0.001)
    return 5


def holds_its_looper(how: str, ui: CoroutineScope) -> object:
    """What `run_blocking` in a message of the looper of `ui` is given, that only this looper could do."""
    main = ui.coroutine_context[CoroutineDispatcher]
    assert isinstance(main, LooperDispatcher)
    if how == "context":
        return run_blocking(delays, context=main)
    if how == "with_context":
        return run_blocking(with_context, main, delays)
    if how == "delay on the immediate":
        return run_blocking(with_context, main.immediate, delays)
    if how == "by way of IO":
        return run_blocking(with_context, Dispatchers.IO, with_context, main, delays)
    if how == "join":
        return run_blocking(ui.launch(delays).join)
    if how == "await":
        return run_blocking(ui.async_(delays).await_)
    if how == "await_all":
        return run_blocking(await_all, ui.async_(delays), ui.async_(delays))
    if how == "join by a child on IO":
        return run_blocking(lambda: coroutine_scope(lambda: launch(ui.launch(delays).join, context=Dispatchers.IO)))
    if how == "nested":
        return run_blocking(lambda: run_blocking(with_context, main, delays))
    assert how == "by one that is awaited"
    return run_blocking(CoroutineScope(Dispatchers.IO).async_(ui.async_(delays).await_).await_)


@pytest.mark.filterwarnings("ignore:run_blocking in a message")
@pytest.mark.parametrize(
    "how",
    ["context", "with_context", "delay on the immediate", "by way of IO", "join", "await", "await_all",
     "join by a child on IO", "nested", "by one that is awaited"],
)  # fmt: skip
def test_run_blocking_for_what_only_its_own_looper_can_do_is_refused(how: str) -> None:
    """F41: an error, where the reference hangs; the looper goes on."""
    seen: list[str] = []

    with HandlerThread("ui") as ui:
        assert ui.handler is not None
        scope = CoroutineScope(as_dispatcher(ui.handler) + SupervisorJob())

        def message() -> None:
            with pytest.raises(IllegalStateError, match=r"on thread 'ui' waits for .* only on .* it would deadlock"):
                holds_its_looper(how, scope)

        ui.handler.call(message)
        assert ui.handler.call(lambda: "goes on") == "goes on"
        run_blocking(scope.launch(lambda: seen.append(threading.current_thread().name)).join)

    assert seen == ["ui"]


@pytest.mark.filterwarnings("ignore:run_blocking in a message")
def test_what_is_refused_so_may_be_caught_and_cleans_up() -> None:
    """F41: on its thread where it may be in place there, elsewhere where that would be a dispatch."""
    log: list[object] = []

    with HandlerThread("ui") as ui:
        assert ui.handler is not None
        main = as_dispatcher(ui.handler)

        def cleans_up(wait: Callable[..., Suspending[Any]], *args: Any) -> Generator[Any, Any, None]:
            try:
                yield from wait(*args)
            finally:
                log.append(threading.current_thread().name == "ui")

        def block() -> Generator[Any, Any, str]:
            for wait in ((delay, 0.001), (with_context, Dispatchers.IO, lambda: None)):
                try:
                    yield from with_context(main.immediate, cleans_up, *wait)
                except IllegalStateError:
                    log.append(threading.current_thread().name)
            return (yield from with_context(Dispatchers.IO, lambda: "went on"))

        log.append(ui.handler.call(lambda: run_blocking(block)))

    assert log == [True, "ui", False, "ui", "went on"]


@pytest.mark.filterwarnings("ignore:run_blocking in a message")
def test_what_comes_to_a_looper_that_is_held_runs_afterwards_and_its_host_hears_of_it() -> None:
    """F41: plain messages and other coroutines are no reason to refuse, however many."""
    calls, log = list[str](), list[int]()
    looper = Looper.create_for_test(lambda: 1.0)
    looper.attach_host(lambda: calls.append("pump"))
    handler = Handler(looper)
    scope = CoroutineScope(as_dispatcher(handler))
    looper.pump()

    def block() -> Generator[Any, Any, None]:
        for number in range(300):
            handler.post(lambda number=number: log.append(number))  # type: ignore[misc]
            scope.launch(log.append, -number)
        yield from with_context(Dispatchers.IO, until, looper.queue.is_polling)  # whose thread has looked at it by then

    run_blocking(block)
    assert calls
    assert log == []

    looper.pump()
    assert log == [each for number in range(300) for each in (number, -number)], "in the order in which they came"
    calls.clear()
    handler.post(lambda: None)
    assert calls == ["pump"], "the host is told as before"
    looper.pump()
    looper.quit()


def test_a_host_that_leaves_while_its_looper_is_held_is_not_called_again() -> None:
    """F41"""
    calls = list[str]()
    looper = Looper.create_for_test(lambda: 1.0)
    looper.attach_host(lambda: calls.append("pump"))

    def block() -> Generator[Any, Any, None]:
        looper.detach_host()
        calls.clear()
        yield from with_context(Dispatchers.IO, lambda: None)

    run_blocking(block)
    Handler(looper).post(lambda: None)

    assert calls == []
    looper.quit()


class HasMethods:
    """What has these methods of a generator, as those of a compiler have that makes types of its own."""

    def __init__(self, *names: str) -> None:
        body = iter(self._body())
        for name in names:
            setattr(self, name, getattr(body, name))

    def _body(self) -> Generator[Any, Any, str]:
        yield from delay(1)
        return "from the body"


def test_a_compiled_generator_that_shows_a_frame_after_its_end_fails_its_coroutine_once() -> None:
    """B15, F52: as those of Cython do. What it raised is the end of it, and is not thrown into it again."""

    class Compiled(HasMethods):
        gi_frame = "there, always"

        def _body(self) -> Generator[Any, Any, str]:
            yield from delay(0)
            raise LookupError("once")

    with pytest.raises(LookupError, match="once"):
        run_blocking(Compiled("send", "throw", "close"))  # type: ignore[arg-type]


def test_a_compiled_generator_is_run_and_what_has_only_some_of_its_methods_is_a_value(main: VMain) -> None:
    """B15"""
    scope = CoroutineScope(Dispatchers.Main)
    ready = HasMethods("send", "throw", "close")
    partial = [HasMethods("send", "throw"), HasMethods("send", "close"), HasMethods("throw", "close")]

    by_itself = scope.async_(ready)  # type: ignore[arg-type]
    given = scope.async_(lambda: HasMethods("send", "throw", "close"))
    plain = [scope.async_(lambda value=value: value) for value in partial]
    main.advance(1)

    assert by_itself.get_completed() == given.get_completed() == "from the body"
    assert [deferred.get_completed() for deferred in plain] == partial
    for name in ("send", "throw"):
        with pytest.raises(TypeError, match="takes a block"):
            scope.launch(HasMethods(name))  # type: ignore[arg-type]
