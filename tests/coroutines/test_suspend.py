"""Suspension by hand: continuations, their hooks, and what becomes of one that nobody can resume (rows P1-P7)."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.steer import struck
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CompletionHandlerError,
    CoroutineName,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    IllegalStateError,
    Job,
    NonCancellable,
    async_,
    await_cancellation,
    cancel,
    coroutine_scope,
    current_scope,
    delay,
    is_active,
    suspend_cancellable_coroutine,
    suspend_coroutine,
    with_context,
    with_timeout,
)
from vmscope.coroutines._suspend import SUSPENDED, Continuation

OnMain = Callable[..., Any]
BOTH = pytest.mark.parametrize("suspend_by_hand", [suspend_cancellable_coroutine, suspend_coroutine])


# ---- P1: from callback to suspension


@BOTH
def test_a_resume_before_the_block_returns_does_not_suspend(main: VMain, on_main: OnMain, suspend_by_hand: Any) -> None:
    """P1"""

    async def body() -> tuple[str, int]:
        before = main.dispatches
        value = await suspend_by_hand(lambda cont: cont.resume("value"))
        return value, main.dispatches - before

    assert on_main(body) == ("value", 0)


@BOTH
def test_a_resume_from_another_thread_goes_on_by_the_dispatcher(
    main: VMain, scope: CoroutineScope, suspend_by_hand: Any
) -> None:
    """P1"""
    me = threading.current_thread()

    def hand_over(cont: Any) -> None:
        threading.Thread(target=cont.resume, args=("value",)).start()

    async def body() -> tuple[str, bool]:
        return await suspend_by_hand(hand_over), threading.current_thread() is me

    deferred = scope.async_(body)
    main.run_until(lambda: deferred.is_completed)

    assert deferred.get_completed() == ("value", True)


@BOTH
def test_an_exception_is_raised_at_the_call(main: VMain, on_main: OnMain, suspend_by_hand: Any) -> None:
    """P1: given early, given late, or raised by the block."""
    errors = [LookupError("early"), LookupError("late"), LookupError("block")]

    def raises(_cont: Any) -> None:
        raise errors[2]

    blocks = [
        lambda cont: cont.resume_with_exception(errors[0]),
        lambda cont: main.post(lambda: cont.resume_with_exception(errors[1])),
        raises,
    ]

    async def body() -> None:
        for block, error in zip(blocks, errors, strict=True):
            with pytest.raises(LookupError) as raised:
                await suspend_by_hand(block)
            assert raised.value is error
        assert is_active()

    on_main(body)


def test_a_continuation_knows_the_context_of_its_coroutine(main: VMain, on_main: OnMain) -> None:
    """P1"""

    async def body() -> Any:
        return await suspend_cancellable_coroutine(lambda cont: cont.resume(cont.context[CoroutineName]))

    assert on_main(with_context, CoroutineName("load"), body) == CoroutineName("load")


def test_100000_resumes_in_a_row_do_not_grow_the_stack(main: VMain, on_main: OnMain) -> None:
    """D7"""

    def body() -> Generator[Any, Any, str]:
        for _ in range(100_000):
            yield from suspend_cancellable_coroutine(lambda cont: cont.resume())
        return "over"

    assert on_main(body) == "over"


WAYS_TO_END: dict[str, Callable[[VMain, Any], object]] = {
    "resumed in the block": lambda main, cont: cont.resume(),
    "resumed": lambda main, cont: main.post(cont.resume),
    "cancelled in the block": lambda main, cont: cont.cancel(),
    "cancelled": lambda main, cont: main.post(cont.cancel),
    "the block raises": lambda main, cont: int("no number"),
}


@pytest.mark.parametrize("way", WAYS_TO_END)
def test_a_wait_that_is_over_is_not_kept_until_the_next_one(main: VMain, on_main: OnMain, way: str) -> None:
    """F42: nor what its hooks refer to."""

    class Held:
        def hook(self, cause: BaseException | None) -> None:
            pass

    def block(cont: Any) -> None:
        held = Held()
        kept.append(weakref.ref(held))
        cont.invoke_on_cancellation(held.hook)
        WAYS_TO_END[way](main, cont)

    def body() -> Generator[Any, Any, None]:
        try:
            yield from suspend_cancellable_coroutine(block)
        except (CancellationException, ValueError):
            pass
        yield from suspend_coroutine(lambda cont: main.post(cont.resume))
        gc.collect()
        alive.append(kept[0]() is not None)

    kept: list[Any] = []
    alive: list[bool] = []
    on_main(body)

    assert alive == [False]


# ---- P2: the rules of resuming (a second resume: test_bad_input)


def test_try_resume_is_true_for_the_one_that_won(main: VMain, scope: CoroutineScope) -> None:
    """P2, F18"""
    conts: list[Any] = []
    deferred = scope.async_(suspend_cancellable_coroutine, conts.append)
    main.run_current()

    assert [conts[0].try_resume(1), conts[0].try_resume(2)] == [True, False]
    main.drain()

    assert deferred.get_completed() == 1


def test_of_many_threads_that_try_one_wins(main: VMain, scope: CoroutineScope) -> None:
    """P2, F18"""
    for _ in range(20):
        conts: list[Any] = []
        won: list[int] = []
        gate = threading.Barrier(4)
        deferred = scope.async_(suspend_cancellable_coroutine, conts.append)
        main.run_current()

        def strike(number: int, gate: Any = gate, conts: Any = conts, won: Any = won) -> None:
            gate.wait()
            if conts[0].try_resume(number):
                won.append(number)

        threads = [threading.Thread(target=strike, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        main.drain()

        assert won == [deferred.get_completed()]


def test_a_resume_after_a_cancellation_is_ignored_once(main: VMain, scope: CoroutineScope) -> None:
    """P2"""
    conts: list[Any] = []
    job = scope.launch(suspend_cancellable_coroutine, conts.append)
    main.run_current()
    job.cancel()

    conts[0].resume("ignored")

    assert conts[0].try_resume("too late") is False
    with pytest.raises(IllegalStateError, match="Already resumed"):
        conts[0].resume("again")
    main.drain()
    assert job.is_cancelled


def test_a_continuation_shows_its_state(main: VMain, scope: CoroutineScope) -> None:
    """P2"""
    conts: list[Any] = []
    flags: list[tuple[bool, bool, bool]] = []

    def state(cont: Any) -> tuple[bool, bool, bool]:
        return cont.is_active, cont.is_completed, cont.is_cancelled

    def block(cont: Any) -> None:
        conts.append(cont)
        flags.append(state(cont))

    first = scope.launch(suspend_cancellable_coroutine, block)
    scope.launch(suspend_cancellable_coroutine, block)
    main.run_current()
    first.cancel()
    conts[1].resume()

    assert flags == [(True, False, False)] * 2
    assert [state(cont) for cont in conts] == [(False, True, True), (False, True, False)]
    assert [repr(cont) for cont in conts] == [
        "<CancellableContinuation cancelled>",
        "<CancellableContinuation resumed>",
    ]
    main.drain()


def test_cancelling_the_continuation_alone_leaves_the_job_active(main: VMain, on_main: OnMain) -> None:
    """P2"""
    told: list[Any] = []

    def block(cont: Any) -> None:
        cont.invoke_on_cancellation(told.append)
        main.post(lambda: told.append(cont.cancel()))
        main.post(lambda: told.append(cont.cancel()))

    async def body() -> bool:
        with pytest.raises(CancellationException):
            await suspend_cancellable_coroutine(block)
        return is_active()

    assert on_main(body) is True
    assert told == [None, True, False]


# ---- P3: a value that is not delivered


@pytest.mark.parametrize("when", ["cancelled before", "resumed before", "in the block"])
def test_the_hook_of_an_undelivered_value_is_called_once(main: VMain, scope: CoroutineScope, when: str) -> None:
    """P3"""
    lost: list[str] = []
    conts: list[Any] = []

    def block(cont: Any) -> None:
        conts.append(cont)
        if when == "in the block":
            cont.resume("value", lost.append)
            cancel()

    job = scope.launch(suspend_cancellable_coroutine, block)
    main.run_current()
    if when == "cancelled before":
        job.cancel()
        conts[0].resume("value", lost.append)
    elif when == "resumed before":
        conts[0].resume("value", lost.append)
        job.cancel()
    main.drain()

    assert lost == ["value"]
    assert job.is_cancelled


def test_the_hook_of_a_delivered_value_is_not_called(main: VMain, scope: CoroutineScope) -> None:
    """P3"""
    lost: list[str] = []
    conts: list[Any] = []
    deferred = scope.async_(suspend_cancellable_coroutine, conts.append)
    main.run_current()

    conts[0].resume("value", lost.append)
    main.drain()
    deferred.cancel()

    assert deferred.get_completed() == "value"
    assert lost == []


# ---- P4: the hook of a cancellation


def test_the_cancellation_hook_runs_at_once_on_the_cancelling_thread(main: VMain, scope: CoroutineScope) -> None:
    """P4"""
    told: list[Any] = []

    def block(cont: Any) -> None:
        cont.invoke_on_cancellation(lambda cause: told.append((str(cause), threading.current_thread().name)))

    job = scope.launch(suspend_cancellable_coroutine, block)
    main.run_current()
    thread = threading.Thread(target=job.cancel, args=("enough",), name="canceller")
    thread.start()
    thread.join()

    assert told == [("enough", "canceller")]
    main.drain()


def test_the_cancellation_hook_of_a_cancelled_coroutine_is_called_at_once(main: VMain, scope: CoroutineScope) -> None:
    """P4: the block runs and sees a cancelled continuation."""
    told: list[str] = []

    def block(cont: Any) -> None:
        told.append(f"cancelled: {cont.is_cancelled}")
        cont.invoke_on_cancellation(lambda cause: told.append(str(cause)))

    def body() -> Generator[Any, Any, None]:
        cancel("enough")
        yield from suspend_cancellable_coroutine(block)

    scope.launch(body)
    main.drain()

    assert told == ["cancelled: True", "enough"]


def test_what_a_wait_answers_names_itself() -> None:
    """P1: seen in a dump and under a debugger."""
    assert repr(SUSPENDED) == "SUSPENDED"


def test_a_second_cancellation_hook_is_refused(main: VMain, on_main: OnMain) -> None:
    """P4"""

    def block(cont: Any) -> None:
        cont.invoke_on_cancellation(print)
        with pytest.raises(IllegalStateError, match="multiple handlers"):
            cont.invoke_on_cancellation(print)
        cont.resume("value")

    async def body() -> Any:
        return await suspend_cancellable_coroutine(block)

    assert on_main(body) == "value"


@pytest.mark.parametrize("hook", ["cancellation", "lost value"])
def test_what_a_hook_raises_is_reported_and_changes_nothing(
    main: VMain, scope: CoroutineScope, seen: list[BaseException], hook: str
) -> None:
    """P4, E11"""
    slip = KeyError("slip")
    conts: list[Any] = []

    def raising(_argument: object) -> None:
        raise slip

    job = scope.launch(suspend_cancellable_coroutine, conts.append)
    main.run_current()
    if hook == "cancellation":
        conts[0].invoke_on_cancellation(raising)
        job.cancel()
    else:
        conts[0].resume("value", raising)
        job.cancel()
    main.drain()

    assert [type(error) for error in seen] == [CompletionHandlerError]
    assert seen[0].__cause__ is slip
    assert job.is_completed


# ---- P5: the wait that cannot be cancelled


def test_suspend_coroutine_waits_though_it_is_cancelled_and_the_next_suspension_raises(
    main: VMain, scope: CoroutineScope
) -> None:
    """P5"""
    conts: list[Any] = []
    log: list[Any] = []

    def body() -> Generator[Any, Any, None]:
        log.append((yield from suspend_coroutine(conts.append)))
        log.append(f"active: {is_active()}")
        yield from delay(1)
        log.append("never")

    job = scope.launch(body)
    main.run_current()
    job.cancel()
    main.drain()
    assert not job.is_completed

    conts[0].resume("value")
    main.drain()
    assert log == ["value", "active: False"]
    assert job.is_completed


# ---- P6: resumed in place


def test_a_delay_on_main_goes_on_in_the_turn_of_its_timer(main: VMain, scope: CoroutineScope) -> None:
    """P6: no second message."""

    def body() -> Generator[Any, Any, None]:
        yield from delay(1)

    scope.launch(body)
    main.run_current()
    before = main.dispatches
    main.drain()

    assert main.dispatches - before == 1


# ---- P7: nobody can resume it


def abandoned_generator(log: list[str], held: Any) -> Generator[Any, Any, None]:
    try:
        yield from suspend_cancellable_coroutine(lambda _cont: None)
    finally:
        log.append("finally")


async def abandoned_async(log: list[str], held: Any) -> None:
    try:
        await suspend_cancellable_coroutine(lambda _cont: None)
    finally:
        log.append("finally")


async def abandoned_in_a_scope(log: list[str], held: Any) -> None:
    try:
        async with coroutine_scope():
            await await_cancellation()
    finally:
        log.append("finally")


def abandoned_elsewhere(log: list[str], held: Any) -> Generator[Any, Any, None]:
    try:
        yield from with_context(NonCancellable, await_cancellation)
    finally:
        log.append("finally")


def abandoned_in_a_timeout(log: list[str], held: Any) -> Generator[Any, Any, None]:
    try:
        yield from with_timeout(float("inf"), await_cancellation)
    finally:
        log.append("finally")


def abandoned_with_a_child(log: list[str], held: Any) -> Generator[Any, Any, None]:
    try:
        async_(await_cancellation)
        yield from coroutine_scope(current_scope().launch(await_cancellation).join)
    finally:
        log.append("finally")


ABANDONED = [
    abandoned_generator,
    abandoned_async,
    abandoned_in_a_scope,
    abandoned_elsewhere,
    abandoned_in_a_timeout,
    abandoned_with_a_child,
]


class Held:
    """What the body of a coroutine holds on to."""


@pytest.mark.parametrize("body", ABANDONED, ids=lambda body: body.__name__)
def test_a_suspended_coroutine_that_nobody_can_resume_is_collected_and_its_finally_runs(
    main: VMain, body: Callable[..., Any]
) -> None:
    """P7, F26: quietly; a warning or a report fails this test."""
    log: list[str] = []
    held = Held()
    gone = weakref.ref(held)
    CoroutineScope(Job() + Dispatchers.Main.immediate).launch(body, log, held)
    main.run_current()
    del held
    assert log == []

    gc.collect()
    main.drain()
    gc.collect()

    assert log == ["finally"]
    assert gone() is None


def test_one_that_can_be_resumed_is_not_collected(main: VMain) -> None:
    """P7: it is reachable through whoever will resume it: a timer, a job, a callback."""
    log: list[str] = []
    gate = Job()
    conts: list[Any] = []

    def body(name: str, wait: Callable[[], Any]) -> Generator[Any, Any, None]:
        yield from wait()
        log.append(name)

    for name, wait in {
        "timer": lambda: delay(1),
        "job": gate.join,
        "callback": lambda: suspend_cancellable_coroutine(conts.append),
    }.items():
        CoroutineScope(Dispatchers.Main).launch(body, name, wait)
    main.run_current()
    gc.collect()

    gate.complete()
    conts.pop().resume()
    main.drain()

    assert sorted(log) == ["callback", "job", "timer"]


def test_one_that_ignores_its_close_is_reported_once_and_its_job_is_gone(
    main: VMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F23, P7"""
    reports: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reports.append(str(report.exc_value)))

    def stubborn() -> Generator[Any, Any, None]:
        for _ in range(2):
            try:
                yield from suspend_cancellable_coroutine(lambda _cont: None)
            except GeneratorExit:
                pass

    gone = weakref.ref(CoroutineScope(Dispatchers.Main.immediate).launch(stubborn))
    gc.collect()

    assert reports == ["generator ignored GeneratorExit"]
    assert gone() is None


def test_a_lazy_coroutine_that_nobody_starts_is_collected(main: VMain) -> None:
    """P7: its body, which never began, has no `finally` to run; a ready one does not warn."""
    log: list[str] = []
    held = Held()
    gone = weakref.ref(held)

    scope = CoroutineScope(Dispatchers.Main)
    scope.launch(abandoned_generator, log, held, start=CoroutineStart.LAZY)
    del held, scope
    gc.collect()

    assert gone() is None
    assert log == []


@BOTH
def test_a_wait_that_is_over_leaves_nothing_with_its_job(suspend_by_hand: Any) -> None:
    """P1: however often it waits, and whatever came to the job meanwhile."""
    held: list[Any] = []

    def body() -> Generator[Any, Any, None]:
        for _ in range(3):
            yield from suspend_by_hand(held.append)

    job = CoroutineScope(Dispatchers.Unconfined).launch(body)
    for number in range(2):
        handle = job.invoke_on_completion(lambda _: None)  # what comes during a wait has the wait noted before it
        held[number].resume()
        handle.dispose()

        assert not job._nodes
        assert job._waiter is (held[number + 1] if suspend_by_hand is suspend_cancellable_coroutine else None)
    held[2].resume()
    assert job.is_completed


def test_who_is_cancelled_as_his_delay_ends_does_not_go_on_whatever_he_waited_for_before(
    main: VMain, scope: CoroutineScope
) -> None:
    """P4: here the wait before was one that no cancellation ends."""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        yield from suspend_coroutine(lambda cont: main.post(cont.resume))
        yield from delay(1)
        log.append("went on")

    job = scope.launch(body)
    main.run_current()
    with struck(Continuation._claim, job.cancel, at="return") as met:
        main.advance(1)

    assert met
    assert job.is_completed
    assert log == []
