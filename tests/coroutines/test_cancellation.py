"""Cancellation: seen at suspensions, again and again; clean-up that suspends; who and why (rows X1-X8, X16-X18)."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CompletableDeferred,
    CoroutineScope,
    Dispatchers,
    Job,
    NonCancellable,
    VmScopeWarning,
    await_all,
    await_cancellation,
    cancel,
    check_cancelled,
    coroutine_scope,
    current_context,
    current_job,
    current_scope,
    delay,
    ensure_active,
    is_active,
    join_all,
    launch,
    non_cancellable,
    run_blocking_io,
    run_catching,
    supervisor_scope,
    suspend_cancellable_coroutine,
    with_context,
    with_timeout,
    with_timeout_or_none,
    yield_,
)

OnMain = Callable[..., Any]


# ---- X1, X2, X3: where it is seen


def test_the_job_is_cancelled_at_once_and_the_body_sees_it_at_its_next_suspension(
    main: VMain, scope: CoroutineScope
) -> None:
    """X1"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        current_job().cancel("enough")
        log.append(f"cancelled: {current_job().is_cancelled}")
        log.append("goes on")
        yield from delay(1)
        log.append("never")

    scope.launch(body)
    main.drain()

    assert log == ["cancelled: True", "goes on"]


def test_a_blocking_function_is_not_interrupted(main: VMain, scope: CoroutineScope) -> None:
    """X1"""
    started, gate = threading.Event(), threading.Event()
    log: list[str] = []

    def blocking() -> None:
        started.set()
        assert gate.wait(10)
        log.append("ran to its end")

    job = scope.launch(with_context, Dispatchers.IO, blocking)
    main.run_until(started.is_set)
    job.cancel()
    main.run_current()
    assert not job.is_completed

    gate.set()
    main.run_until(lambda: job.is_completed)
    assert log == ["ran to its end"]


SUSPENSIONS = [
    lambda: delay(1),
    yield_,
    await_cancellation,
    lambda: Job().join(),
    lambda: CompletableDeferred[int]().await_(),
    lambda: join_all(Job()),
    lambda: await_all(CompletableDeferred[int]()),
    lambda: suspend_cancellable_coroutine(lambda _cont: None),
    lambda: coroutine_scope(yield_),
    lambda: supervisor_scope(yield_),
    lambda: with_context(Dispatchers.Main, yield_),
    lambda: with_context(Dispatchers.IO, print, "never"),
    lambda: with_timeout(5, yield_),
    lambda: with_timeout_or_none(5, yield_),
    lambda: Job().cancel_and_join(),
    lambda: run_blocking_io(print, "never"),
]


@pytest.mark.parametrize("spelling", ["yield from", "await"])
def test_every_later_suspension_raises_it_again(main: VMain, scope: CoroutineScope, spelling: str) -> None:
    """X2, F22: who swallows it stays cancelled, and the first message stays."""
    log: list[str] = []

    def generator() -> Generator[Any, Any, None]:
        cancel("enough")
        for suspension in SUSPENSIONS * 2:
            try:
                yield from suspension()
            except CancellationException as cancelled:
                log.append(str(cancelled))

    async def coroutine() -> None:
        cancel("enough")
        for suspension in SUSPENSIONS * 2:
            try:
                await suspension()
            except CancellationException as cancelled:
                log.append(str(cancelled))

    job = scope.launch(generator if spelling == "yield from" else coroutine)
    main.drain()

    assert log == ["enough"] * 2 * len(SUSPENSIONS)
    assert job.is_cancelled
    assert job.is_completed


def test_swallowing_it_again_and_again_does_not_grow_its_traceback(main: VMain, scope: CoroutineScope) -> None:
    """F43, R8"""
    lengths: list[int] = []

    def length(error: BaseException) -> int:
        trace, count = error.__traceback__, 0
        while trace is not None:
            trace, count = trace.tb_next, count + 1
        return count

    def body() -> Generator[Any, Any, None]:
        cancel()
        for suspension in [lambda: delay(1), yield_, lambda: suspend_cancellable_coroutine(lambda _: None)] * 20:
            try:
                yield from suspension()
            except CancellationException as cancelled:
                lengths.append(length(cancelled))

    scope.launch(body)
    main.drain()

    assert lengths == lengths[:3] * 20


def test_except_exception_does_not_swallow_a_cancellation(main: VMain, scope: CoroutineScope) -> None:
    """X2, difference 1"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        try:
            yield from delay(1)
        except Exception:  # noqa: BLE001
            log.append("swallowed")

    job = scope.launch(body)
    main.run_current()
    job.cancel()
    main.drain()

    assert log == []
    assert job.is_completed


def test_is_active_and_ensure_active_tell_a_loop_that_computes(main: VMain, scope: CoroutineScope) -> None:
    """X3: as functions of the running coroutine, of its job and of its scope."""
    log: list[Any] = []

    def body() -> None:
        own = current_scope()
        log.append((is_active(), current_job().is_active, own.is_active))
        ensure_active()
        cancel("enough")
        log.append((is_active(), current_job().is_active, own.is_active))
        for check in (ensure_active, current_job().ensure_active, own.ensure_active, check_cancelled):
            with pytest.raises(CancellationException, match="enough"):
                check()

    scope.launch(body)
    main.drain()

    assert log == [(True, True, True), (False, False, False)]


def test_outside_a_coroutine_everything_is_active() -> None:
    """X3"""
    assert is_active() is True
    ensure_active()
    check_cancelled()


# ---- X4: the prompt guarantee


def test_a_value_on_its_way_to_a_cancelled_coroutine_is_dropped_and_its_hook_told(
    main: VMain, scope: CoroutineScope
) -> None:
    """X4, F19, P3"""
    log: list[Any] = []
    conts: list[Any] = []

    def body() -> Generator[Any, Any, None]:
        try:
            value = yield from suspend_cancellable_coroutine(conts.append)
            log.append(f"got {value}")
        except CancellationException as cancelled:
            log.append(str(cancelled))
            raise

    job = scope.launch(body)
    main.run_current()
    conts[0].resume("file", lambda value: log.append(f"closed {value}"))
    job.cancel("too late")
    main.drain()

    assert log == ["closed file", "too late"]


def test_a_timer_that_fired_does_not_beat_a_cancellation_of_the_same_turn(main: VMain, scope: CoroutineScope) -> None:
    """X4, F19"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        yield from gate.join()
        log.append("never")

    gate = Job()
    job = scope.launch(body)
    main.run_current()
    gate.complete()  # its step is dispatched
    job.cancel()
    main.drain()

    assert log == []


# ---- X5: no failure


def test_a_cancelled_child_leaves_parent_and_siblings_alone_and_no_handler_hears(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """X5"""
    log: list[str] = []

    def sibling() -> Generator[Any, Any, None]:
        yield from delay(1)
        log.append("sibling done")

    async def body() -> None:
        async with coroutine_scope():
            launch(sibling)
            launch(await_cancellation).cancel()
        log.append("parent done")

    scope.launch(body)
    main.drain()

    assert log == ["sibling done", "parent done"]
    assert seen == []


def test_a_cancellation_that_a_body_raises_by_itself_ends_it_quietly(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """X5, appendix B 22"""

    def body() -> None:
        raise CancellationException("I give up")

    parent = Job()
    job = (scope + parent).launch(body)
    main.drain()

    assert job.is_cancelled
    assert job.is_completed
    assert parent.is_active
    assert seen == []


# ---- X6, X7, X8: clean-up


def test_finally_runs_and_a_suspension_in_it_raises_again(main: VMain, scope: CoroutineScope) -> None:
    """X6"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            log.append("cleaning")
            yield from delay(1)
            log.append("never")

    job = scope.launch(body)
    main.run_current()
    job.cancel()
    main.drain()

    assert log == ["cleaning"]
    assert main.now == 0


def test_under_noncancellable_clean_up_may_suspend_and_right_after_it_is_cancelled_again(
    main: VMain, scope: CoroutineScope
) -> None:
    """X6, X7"""
    log: list[str] = []

    def close() -> Generator[Any, Any, str]:
        yield from delay(3)
        log.append(f"closed, active: {is_active()}")
        return "value"

    def body() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            log.append((yield from with_context(NonCancellable, close)))
            yield from delay(1)
            log.append("never")

    job = scope.launch(body)
    main.run_current()
    job.cancel()
    main.drain()

    assert log == ["closed, active: True", "value"]
    assert main.now == 3


def test_clean_up_may_have_a_time_of_its_own(main: VMain, scope: CoroutineScope) -> None:
    """X8"""
    log: list[Any] = []

    def body(seconds: float) -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            result = yield from non_cancellable(delay_and_return, seconds, timeout=5)
            log.append((seconds, result, main.now))

    def delay_and_return(seconds: float) -> Generator[Any, Any, str]:
        yield from delay(seconds)
        return "closed"

    jobs = [scope.launch(body, 2), scope.launch(body, 60)]
    main.run_current()
    for job in jobs:
        job.cancel()
    main.drain()

    assert log == [(2, "closed", 2), (60, None, 5)]


def test_clean_up_without_a_time_takes_as_long_as_it_takes(main: VMain, scope: CoroutineScope) -> None:
    """X8"""
    log: list[float] = []

    def body() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            yield from non_cancellable(delay, 60)
            log.append(main.now)

    job = scope.launch(body)
    main.run_current()
    job.cancel()
    main.drain()

    assert log == [60]


# ---- X16: why and who


def test_a_cancellation_says_why_and_who(main: VMain, scope: CoroutineScope) -> None:
    """X16"""
    caught: dict[str, CancellationException] = {}

    def waits(name: str) -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        except CancellationException as cancelled:
            caught[name] = cancelled
            raise

    async def failing_family() -> None:
        launch(waits, "sibling of a failed one")
        await yield_()
        raise LookupError("no such row")

    async def timed() -> None:
        await with_timeout_or_none(1, waits, "timeout")

    alone = scope.launch(waits, "cancel")
    parent = Job()
    (scope + parent).launch(waits, "parent")
    scope.launch(failing_family)
    scope.launch(timed)
    main.run_current()
    alone.cancel("enough", LookupError("why"))
    parent.cancel("closed")
    main.drain()

    assert (caught["cancel"].source, caught["cancel"].job) == ("cancel", alone)
    assert caught["cancel"].reason == "enough, because why"
    assert caught["parent"].source == "cancel"
    assert caught["parent"].job is parent
    assert caught["sibling of a failed one"].source == "parent"
    assert caught["sibling of a failed one"].reason == "Parent job is Cancelling, because no such row"
    assert caught["timeout"].source == "timeout"


def test_a_cancellation_can_be_sent_to_another_process_without_its_job() -> None:
    """X16"""
    job = Job()
    job.cancel("enough")

    received = pickle.loads(pickle.dumps(job.get_cancellation_exception()))

    assert (str(received), received.message, received.source, received.job) == ("enough", "enough", "cancel", None)


# ---- X17: blocking calls


def test_run_blocking_io_waits_for_the_function_by_default(main: VMain, scope: CoroutineScope) -> None:
    """X17: and then drops its value."""
    started, gate = threading.Event(), threading.Event()
    log: list[str] = []

    def blocking() -> str:
        started.set()
        assert gate.wait(10)
        return "value"

    def body() -> Generator[Any, Any, None]:
        log.append((yield from run_blocking_io(blocking)))

    job = scope.launch(body)
    main.run_until(started.is_set)
    job.cancel()
    main.run_current()
    assert not job.is_completed
    gate.set()
    main.run_until(lambda: job.is_completed)

    assert log == []


def test_run_blocking_io_may_abandon_the_function_which_can_ask_whether_it_is_wanted(
    main: VMain, scope: CoroutineScope
) -> None:
    """X17"""
    started, gate, ended = threading.Event(), threading.Event(), threading.Event()
    log: list[str] = []

    def blocking() -> None:
        started.set()
        assert gate.wait(10)
        try:
            check_cancelled()
        except CancellationException:
            log.append("not wanted")
            raise
        finally:
            ended.set()

    async def body() -> None:
        await run_blocking_io(blocking, abandon_on_cancel=True)

    job = scope.launch(body)
    main.run_until(started.is_set)
    job.cancel()
    main.run_current()
    assert job.is_completed, "it did not wait"

    gate.set()
    assert ended.wait(10)
    assert log == ["not wanted"]


@pytest.mark.parametrize("abandon", [False, True])
def test_run_blocking_io_gives_the_value_or_raises(main: VMain, scope: CoroutineScope, abandon: bool) -> None:
    """X17"""

    async def body() -> tuple[int, int]:
        value = await run_blocking_io(divmod, 7, 2, abandon_on_cancel=abandon)
        with pytest.raises(ZeroDivisionError):
            await run_blocking_io(divmod, 7, 0, abandon_on_cancel=abandon)
        return value

    deferred = scope.async_(body)
    main.run_until(lambda: deferred.is_completed)

    assert deferred.get_completed() == (3, 1)


# ---- X18: from anywhere


def test_a_coroutine_is_cancelled_from_another_thread_and_wakes_on_its_own(main: VMain, scope: CoroutineScope) -> None:
    """X18"""
    log: list[Any] = []
    me = threading.current_thread()

    def body() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            log.append(threading.current_thread() is me)

    job = scope.launch(body)
    main.run_current()
    thread = threading.Thread(target=job.cancel)
    thread.start()
    main.run_until(lambda: job.is_completed)
    thread.join()

    assert log == [True]


def test_a_coroutine_cancels_itself_from_its_own_body(main: VMain, scope: CoroutineScope) -> None:
    """X18: `cancel()` acts on the innermost scope block, `current_job()` names it."""
    log: list[str] = []

    async def body() -> None:
        with pytest.raises(CancellationException):
            async with coroutine_scope():
                cancel("the block alone")
                await yield_()
        log.append(f"active: {is_active()}")
        cancel("all of it")
        log.append(f"active: {is_active()}")

    scope.launch(body)
    main.drain()

    assert log == ["active: True", "active: False"]


# ---- E13: a catch-all that lets it through


def test_run_catching_gives_value_or_failure_and_lets_a_cancellation_pass() -> None:
    """E13"""
    job = Job()
    job.cancel()

    assert run_catching(divmod, 7, 2) == (3, 1)
    assert isinstance(run_catching(divmod, 7, 0), ZeroDivisionError)
    with pytest.raises(CancellationException):
        run_catching(job.ensure_active)


def test_run_catching_of_what_suspends_gives_value_or_failure_and_lets_a_cancellation_pass(
    main: VMain, scope: CoroutineScope
) -> None:
    """E13"""

    async def divide(by: int) -> float:
        await delay(1)
        return 7 / by

    outcomes: list[Any] = []

    async def body() -> None:
        outcomes.append(await run_catching(divide, 2))
        outcomes.append(await run_catching(divide, 0))
        cancel("enough")
        outcomes.append(await run_catching(divide, 1))

    job = scope.launch(body)
    main.drain()

    assert outcomes[0] == 3.5
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert len(outcomes) == 2
    assert job.is_cancelled


def test_the_context_of_a_cancelled_coroutine_says_so(main: VMain, scope: CoroutineScope) -> None:
    """J21, X3"""
    log: list[Any] = []

    async def body() -> None:
        cancel()
        job = current_context()[Job]
        log.append(job is not None and job.is_active)

    scope.launch(body)
    main.drain()

    assert log == [False]


def test_a_deferred_that_was_cancelled_gives_way_to_the_cancellation_of_who_waits(
    main: VMain, scope: CoroutineScope
) -> None:
    """X4: both are cancelled before the waiter has its turn; then it is cancelled, and has no error."""
    seen: list[BaseException] = []

    async def body() -> None:
        try:
            await awaited.await_()
        except BaseException as raised:
            seen.append(raised)
            raise

    awaited: CompletableDeferred[int] = CompletableDeferred()
    job = scope.launch(body)
    main.run_current()
    awaited.cancel("the awaited")
    job.cancel("the waiter")
    main.drain()

    assert [type(each) for each in seen] == [CancellationException]
    assert job.is_cancelled


def cancel_in_vain(main: VMain, scope: CoroutineScope, body: Callable[[], Generator[Any, Any, None]]) -> None:
    """Launch `body`, which swallows its cancellation each time: it is closed with a warning, and over."""
    job = scope.launch(body)
    main.run_current()
    job.cancel()
    with pytest.warns(VmScopeWarning, match="caught its cancellation 1000 times"):
        main.run_current()
    assert job.is_completed


def test_one_that_even_refuses_to_be_closed_is_reported_and_over(
    main: VMain, scope: CoroutineScope, uncaught: list[BaseException]
) -> None:
    """F22"""

    def stubborn() -> Generator[Any, Any, None]:
        while True:
            try:
                yield from delay(1)
            except CancellationException:
                continue
            except GeneratorExit:
                raise LookupError("not me") from None

    cancel_in_vain(main, scope, stubborn)

    assert str(uncaught.pop()) == "not me"


@pytest.mark.parametrize("where", ["at its top", "in a scope", "in a supervised scope"])
def test_one_that_ignores_its_close_is_reported_once_and_who_waits_for_it_goes_on(
    main: VMain,
    scope: CoroutineScope,
    uncaught: list[BaseException],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    """F23: by us. The interpreter says so again, as it frees a generator that goes on ignoring it."""
    again: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: again.append(str(report.exc_value)))

    def stubborn() -> Generator[Any, Any, None]:
        while True:
            try:
                yield from delay(1)
            except BaseException:  # noqa: BLE001  (GeneratorExit too)
                continue

    def body() -> Generator[Any, Any, None]:
        within: Any = {"in a scope": coroutine_scope, "in a supervised scope": supervisor_scope}.get(where)
        yield from stubborn() if within is None else within(stubborn)

    told: list[BaseException | None] = []
    job = scope.launch(body)
    job.invoke_on_completion(told.append)
    waits = scope.launch(job.join)
    main.run_current()
    job.cancel("enough")
    with pytest.warns(VmScopeWarning, match="caught its cancellation 1000 times"):
        main.run_current()

    assert [str(error) for error in uncaught] == ["generator ignored GeneratorExit"]
    uncaught.clear()
    gc.collect()
    assert again == ["generator ignored GeneratorExit"]
    assert [str(cause) for cause in told] == ["enough"]
    assert job.is_completed
    assert waits.is_completed
    assert not waits.is_cancelled


def test_a_body_that_swallows_every_cancellation_is_closed_with_a_warning(main: VMain, scope: CoroutineScope) -> None:
    """F22: level-triggered cancellation would spin for ever in it. A wait that ends well begins the count anew."""
    log: list[str] = []
    swallowed = 0

    def swallow(most: int) -> Generator[Any, Any, None]:
        nonlocal swallowed
        for _ in range(most):
            try:
                yield from delay(1)
            except CancellationException:
                swallowed += 1

    def stubborn() -> Generator[Any, Any, None]:
        try:
            yield from swallow(900)
            yield from with_context(NonCancellable, delay, 1)
            yield from swallow(10_000)
        finally:
            log.append("finally")

    job = scope.launch(stubborn)
    main.run_current()
    job.cancel()
    main.run_current()
    assert (swallowed, job.is_completed) == (900, False)
    with pytest.warns(VmScopeWarning, match="caught its cancellation 1000 times"):
        main.drain()

    assert job.is_completed
    assert swallowed - 900 in (1000, 1001)  # the one that a step begins with is not counted
    assert log == ["finally"]
