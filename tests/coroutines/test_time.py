"""Time: delay, timeouts and their races (rows X9-X13; fault F14)."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.steer import struck
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CoroutineDispatcher,
    CoroutineScope,
    Dispatchers,
    Handler,
    HandlerThread,
    Job,
    Looper,
    NonCancellable,
    SupervisorJob,
    as_dispatcher,
    await_cancellation,
    cancel,
    current_context,
    current_job,
    current_scope,
    delay,
    ensure_active,
    join_all,
    launch,
    run_blocking,
    suspend_cancellable_coroutine,
    with_context,
    with_timeout,
    with_timeout_or_none,
    yield_,
)
from vmscope._errors import TimeoutCancellationException
from vmscope.looper import MessageQueue

OnMain = Callable[..., Any]


# ---- X9: delay


@pytest.mark.parametrize("seconds", [1, 0.5, 2.75, 1e-9, 1e9])
def test_a_delay_ends_when_its_time_is_up_by_the_clock_of_the_dispatcher(
    main: VMain, on_main: OnMain, seconds: float
) -> None:
    """X9"""

    async def body() -> float:
        await delay(seconds)
        return main.now

    assert on_main(body) == seconds


@pytest.mark.parametrize("seconds", [0, 0.0, -1, -math.inf])
def test_a_delay_of_nothing_returns_at_once_without_a_look_at_the_cancellation(
    main: VMain, scope: CoroutineScope, seconds: float
) -> None:
    """X9, appendix B 6, F14"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        cancel()
        yield from delay(seconds)
        log.append("went on")

    scope.launch(body)
    dispatches = main.dispatches
    main.drain()

    assert log == ["went on"]
    assert main.dispatches - dispatches == 1, "it did not suspend"


def test_an_endless_delay_waits_to_be_cancelled(main: VMain, scope: CoroutineScope) -> None:
    """X9, F14"""
    job = scope.launch(delay, math.inf)
    main.drain()
    assert main.looper.queue.peek_when() is None
    assert job.is_active

    job.cancel()
    main.drain()
    assert job.is_completed


@pytest.mark.parametrize(("thing", "error"), [(math.nan, ValueError), ("1", TypeError), (None, TypeError)], ids=repr)
def test_what_is_no_number_of_seconds_is_refused_at_the_call(thing: Any, error: type[Exception]) -> None:
    """F14"""
    for function in (delay, lambda s: with_timeout(s, delay, 1), lambda s: with_timeout_or_none(s, delay, 1)):
        with pytest.raises(error, match="seconds"):
            function(thing)


def test_a_huge_delay_is_a_delay(main: VMain, scope: CoroutineScope) -> None:
    """F14"""
    job = scope.launch(delay, 1e300)
    main.run_current()

    assert main.looper.queue.peek_when() == 1e300
    job.cancel()
    main.run_current()
    assert job.is_completed


def test_delays_that_end_together_go_on_in_the_order_they_began(main: VMain, scope: CoroutineScope) -> None:
    """X9"""
    log: list[str] = []

    def body(name: str) -> Generator[Any, Any, None]:
        yield from delay(1)
        log.append(name)

    for name in "abc":
        scope.launch(body, name)
    main.drain()

    assert log == ["a", "b", "c"]


# ---- X10


def test_await_cancellation_only_ever_raises(main: VMain, scope: CoroutineScope) -> None:
    """X10"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        except CancellationException as cancelled:
            log.append(str(cancelled))
            raise
        log.append("never")

    job = scope.launch(body)
    main.drain()
    assert job.is_active
    job.cancel("enough")
    main.drain()

    assert log == ["enough"]


# ---- X11: with_timeout


@pytest.mark.parametrize("form", ["block", "async with"])
def test_a_block_that_is_in_time_gives_its_value_and_its_timer_is_taken_back(
    main: VMain, on_main: OnMain, form: str
) -> None:
    """X11"""

    def block() -> Generator[Any, Any, str]:
        yield from delay(1)
        return "value"

    async def body() -> str:
        if form == "block":
            value = await with_timeout(5, block)
        else:
            async with with_timeout(5):
                await delay(1)
                value = "value"
        return value

    assert on_main(body) == "value"
    assert main.now == 1
    assert main.looper.queue.peek_when() is None


@pytest.mark.parametrize("form", ["block", "async with"])
def test_at_the_deadline_the_block_is_cancelled_and_a_plain_timeout_error_leaves_when_it_has_ended(
    main: VMain, on_main: OnMain, form: str
) -> None:
    """X11"""
    log: list[Any] = []

    async def slow() -> None:
        try:
            await delay(9)
        except CancellationException as cancelled:
            log.append(str(cancelled))
            await with_context(NonCancellable, delay, 2)
            raise

    async def body() -> float:
        with pytest.raises(TimeoutError, match=r"^Timed out waiting for 3 s$"):
            if form == "block":
                await with_timeout(3, slow)
            else:
                async with with_timeout(3):
                    await slow()
        ensure_active()
        return main.now

    assert on_main(body) == 5
    assert log == ["Timed out waiting for 3 s"]


def test_the_timeout_waits_for_the_children_of_the_block_too(main: VMain, on_main: OnMain) -> None:
    """X11"""

    def child() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 4)

    async def body() -> float:
        with pytest.raises(TimeoutError):
            await with_timeout(1, launch, child)
        return main.now

    assert on_main(body) == 5


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_timeout_of_nothing_never_runs_its_block(main: VMain, on_main: OnMain, seconds: float) -> None:
    """X11, X12, appendix B 8"""
    ran: list[int] = []

    async def body() -> Any:
        with pytest.raises(TimeoutError, match="immediately"):
            await with_timeout(seconds, ran.append, 1)
        with pytest.raises(TimeoutError, match="immediately"):
            async with with_timeout(seconds):
                ran.append(2)
        return await with_timeout_or_none(seconds, ran.append, 3)

    assert on_main(body) is None
    assert ran == []


def test_a_timeout_in_a_cancelled_caller_starts_its_block(main: VMain, scope: CoroutineScope) -> None:
    """Appendix B 8: while with_context does not (test_builders)."""
    ran: list[str] = []

    def body() -> Generator[Any, Any, None]:
        cancel()
        yield from with_timeout(5, ran.append, "block")

    scope.launch(body)
    main.drain()

    assert ran == ["block"]


def test_a_timeout_that_nobody_catches_is_a_failure(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """X11, difference 2: Kotlin ends the launch silently."""
    scope.launch(with_timeout, 1, delay, 5)
    main.drain()

    assert [type(error) for error in seen] == [TimeoutError]


def test_a_cancellation_from_outside_is_not_a_timeout(main: VMain, scope: CoroutineScope) -> None:
    """X11"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        try:
            yield from with_timeout(5, delay, 9)
        except CancellationException as cancelled:
            log.append(str(cancelled))
            raise

    job = scope.launch(body)
    main.run_current()
    job.cancel("closed")
    main.drain()

    assert log == ["closed"]
    assert main.now == 0


def test_an_endless_timeout_never_ends_its_block(main: VMain, on_main: OnMain) -> None:
    """X11, F14"""

    async def body() -> float:
        await with_timeout(math.inf, delay, 1e6)
        return main.now

    assert on_main(body) == 1e6


# ---- X12: with_timeout_or_none


def test_none_is_for_ones_own_timeout_only(main: VMain, on_main: OnMain) -> None:
    """X12: told by identity, whichever is around the other."""

    async def inner_first() -> None:
        await with_timeout(1, delay, 9)

    async def outer_first() -> None:
        await with_timeout_or_none(5, delay, 9)
        passed_through.append("the inner one took the timeout of the outer for its own")

    passed_through: list[str] = []

    async def body() -> list[Any]:
        results: list[Any] = [await with_timeout_or_none(1, delay, 9)]
        with pytest.raises(TimeoutError, match="for 1 s"):
            await with_timeout_or_none(5, inner_first)
        with pytest.raises(TimeoutError, match="for 2 s"):
            await with_timeout(2, outer_first)
        results.append(await with_timeout_or_none(2, outer_first))
        return results

    assert on_main(body) == [None, None]
    assert passed_through == []
    assert main.now == 1 + 1 + 2 + 2


def test_a_value_after_the_deadline_is_dropped(main: VMain, on_main: OnMain) -> None:
    """X12: a block that swallows its timeout does not win."""

    def stubborn() -> Generator[Any, Any, str]:
        try:
            yield from delay(9)
        except CancellationException:
            pass
        return "late"

    async def body() -> Any:
        with pytest.raises(TimeoutError):
            await with_timeout(1, stubborn)
        return await with_timeout_or_none(1, stubborn)

    assert on_main(body) is None


def test_a_failure_while_unwinding_is_raised_instead(main: VMain, on_main: OnMain) -> None:
    """X12, E7"""

    def fails_to_close() -> Generator[Any, Any, None]:
        try:
            yield from delay(9)
        finally:
            raise LookupError("could not close")

    async def body() -> None:
        with pytest.raises(LookupError, match="could not close"):
            await with_timeout_or_none(1, fails_to_close)
        with pytest.raises(LookupError, match="could not close"):
            await with_timeout(1, fails_to_close)

    on_main(body)


def test_a_block_in_time_gives_its_value_through_or_none(main: VMain, on_main: OnMain) -> None:
    """X12"""

    def block() -> Generator[Any, Any, str]:
        yield from delay(1)
        return "value"

    assert on_main(with_timeout_or_none, 2, block) == "value"


# ---- X13: the race of a late result


def test_a_value_lost_to_the_timeout_of_the_same_turn_is_given_to_its_hook(main: VMain, on_main: OnMain) -> None:
    """X13"""
    conts: list[Any] = []
    closed: list[str] = []

    async def acquire() -> Any:
        return await suspend_cancellable_coroutine(conts.append)

    async def body() -> Any:
        return await with_timeout_or_none(5, acquire)

    main.post_delayed(5, lambda: conts[0].try_resume("file", closed.append))  # due together, posted first

    assert on_main(body) is None
    assert closed == ["file"]


# ---- clocks


def test_delays_and_timeouts_go_by_the_clock_of_the_innermost_dispatcher(main: VMain, on_main: OnMain) -> None:
    """X9"""

    async def body() -> float:
        await with_context(as_dispatcher(Handler(main.looper)), delay, 3)
        return main.now

    assert on_main(body) == 3


def test_a_delay_without_a_looper_is_real() -> None:
    """X9, D17"""

    async def body() -> str:
        await with_context(Dispatchers.Default, delay, 0.001)
        await with_context(Dispatchers.Unconfined, delay, 0.001)
        await delay(0.001)
        with pytest.raises(TimeoutError):
            await with_context(Dispatchers.IO, with_timeout, 0.001, await_cancellation)
        return "over"

    assert run_blocking(body) == "over"


def test_a_timeout_belongs_to_the_block_and_not_to_what_it_launches_elsewhere(
    main: VMain, scope: CoroutineScope
) -> None:
    """X11"""
    outside: list[Any] = []

    async def block() -> None:
        outside.append(scope.launch(delay, 9))
        assert current_scope().coroutine_context is not None
        await yield_()
        await delay(5)

    async def body() -> None:
        with pytest.raises(TimeoutError):
            await with_timeout(1, block)
        outside.append(current_job().is_active)

    scope.launch(body)
    main.advance(2)

    assert outside[0].is_active
    assert outside[1] is True
    main.drain()


def test_a_delay_whose_caller_is_cancelled_as_it_is_put_leaves_no_timer(main: VMain, scope: CoroutineScope) -> None:
    """X9, P2: another thread cancels between the registration and the timer; also where the queue has quit by then."""
    seen: list[str] = []

    def body() -> Generator[Any, Any, None]:
        try:
            yield from delay(5)
        except CancellationException as cancelled:
            seen.append(str(cancelled))
            raise

    job = scope.launch(body)
    with struck(MessageQueue.put_after, lambda: job.cancel("struck")) as met:
        main.run_current()
    assert met
    assert main.looper.queue.peek_when() is None
    main.run_current()
    assert (seen, job.is_completed) == (["struck"], True)

    def quit_and_cancel() -> None:
        job.cancel("struck again")
        main.looper.queue.quit()

    job = scope.launch(body)
    with struck(MessageQueue.put_after, quit_and_cancel) as met:
        main.run_current()
    run_blocking(job.join)

    assert met
    assert seen == ["struck", "struck again"]


def test_a_delay_whose_next_queue_of_timers_has_died_as_well_ends_cancelled(main: VMain) -> None:
    """D9, X9"""

    def body() -> Generator[Any, Any, None]:
        yield from delay(5)

    with HandlerThread("next") as following:
        job = CoroutineScope(Dispatchers.Main + SupervisorJob()).launch(body)
        main.run_current()
        Looper.set_main_for_test(following.looper)
    following.join(10)
    main.looper.quit()
    run_blocking(job.join)

    assert job.is_cancelled


def test_what_waits_in_a_run_blocking_that_is_over_waits_on_by_the_timer_thread() -> None:
    """D17, X9, X11: delays and timeouts of its dispatcher keep their time."""
    log: list[str] = []

    def waits() -> Generator[Any, Any, None]:
        yield from delay(0.002)
        log.append("delay")
        with pytest.raises(TimeoutError):
            yield from with_timeout(0.001, await_cancellation)
        log.append("timeout")

    def under_a_timeout() -> Generator[Any, Any, None]:
        with pytest.raises(TimeoutError):
            yield from with_timeout(0.002, await_cancellation)

    async def body() -> list[Job]:
        dispatcher = current_context()[CoroutineDispatcher]
        assert dispatcher is not None
        outside = CoroutineScope(dispatcher + SupervisorJob())
        jobs = [outside.launch(waits), outside.launch(under_a_timeout)]
        await yield_()
        return jobs

    jobs = run_blocking(body)
    run_blocking(join_all(*jobs))

    assert log == ["delay", "timeout"]
    assert [job.is_cancelled for job in jobs] == [False, False]


@pytest.mark.parametrize("timed", [with_timeout, with_timeout_or_none])
def test_a_block_that_never_suspends_is_not_told_of_its_timeout(main: VMain, on_main: OnMain, timed: Any) -> None:
    """X12: as in the reference, its value is given and its own failure raised, though the time was up before."""

    def late(outcome: object) -> object:
        current_job().cancel(TimeoutCancellationException("the time is up", job=current_job()))
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def body() -> object:
        with pytest.raises(LookupError, match="own"):
            await timed(1, late, LookupError("own"))
        return await timed(1, late, "value")

    def looks() -> None:
        late(None)
        ensure_active()

    async def sees_it() -> object:
        return await timed(1, looks)

    assert on_main(body) == "value"
    if timed is with_timeout:
        with pytest.raises(TimeoutError):
            on_main(sees_it)
    else:
        assert on_main(sees_it) is None
