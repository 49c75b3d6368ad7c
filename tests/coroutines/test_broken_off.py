"""A move that was broken off, by want of memory or stack or a Ctrl-C: who does the rest, and whom it leaves alone.

That nothing is lost at any point is for the sweeps of tests/races/test_sweeps.py; here is what they do not come to.
"""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from types import CodeType
from typing import Any

import pytest

from tests.races.test_sweeps import FILES, Wide
from tests.strike import collecting_points, striking
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CancelScope,
    CompletableDeferred,
    CompletionHandlerError,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    IllegalStateError,
    Job,
    SupervisorJob,
    await_all,
    await_cancellation,
    coroutine_scope,
    current_job,
    delay,
    non_cancellable,
    run_blocking,
    suspend_cancellable_coroutine,
    suspend_coroutine,
    with_context,
    yield_,
)
from vmscope.coroutines import _handlers, _job
from vmscope.coroutines._builders import _AwaitAll
from vmscope.coroutines._coroutine import Coroutine, _awaited_by
from vmscope.coroutines._frame import ScopeCoroutine
from vmscope.coroutines._job import COMPLETED, SEALED, cancel_tree, complete_tree, mend
from vmscope.coroutines._suspend import CANCELLABLE, CancellableContinuation, Continuation, Suspension, mend_torn, torn
from vmscope.flow import MutableStateFlow
from vmscope.sync import Channel
from vmscope.testing._explore_places import codes_in


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not torn


def test_the_end_of_a_job_ends_no_block_that_somebody_else_runs_in_it(main: VMain) -> None:
    """F52: nor does its failure; the block is waited for, and cleans up."""
    theirs = Job()
    log: list[str] = []

    def block() -> Any:
        try:
            yield from await_cancellation()
        finally:
            yield from non_cancellable(lambda: delay(1))
            log.append(f"cleaned up, {theirs.is_completed}")

    visitor = CoroutineScope(SupervisorJob() + Dispatchers.Main).launch(with_context, theirs, block)
    main.drain()
    theirs.complete_exceptionally(LookupError("theirs"))
    main.advance(1)

    assert log == ["cleaned up, False"]
    assert theirs.is_completed
    assert visitor.is_completed


def raising_at_its_end(scope: CoroutineScope, raised: BaseException) -> Job:
    """Return a job whose handler raises, which leaves the step of the coroutine in it that ends it."""

    def handler(_: object) -> None:
        raise raised

    job = Job()
    job.invoke_on_completion(handler)
    (scope + job).launch(lambda: None)
    job.complete()
    return job


def test_what_another_raises_starts_no_step_that_is_owed_elsewhere(main: VMain) -> None:
    """F52: it passes the resumption in place in which both ran; the step waits for its dispatcher."""
    here = CoroutineScope(Dispatchers.Unconfined)
    kept: list[Any] = []
    log: list[str] = []

    def body() -> Any:
        yield from suspend_cancellable_coroutine(kept.append)
        raising_at_its_end(here, LookupError("the other's"))
        yield from with_context(Dispatchers.Main, log.append, "on main")

    job = here.launch(body)
    with pytest.raises(CompletionHandlerError):
        kept[0].resume()

    assert log == []
    main.drain()
    assert log == ["on main"]
    assert job.is_completed
    assert not job.is_cancelled


@pytest.mark.parametrize("start", [CoroutineStart.DEFAULT, CoroutineStart.ATOMIC])
def test_what_another_raises_is_not_thrown_into_one_that_was_launched_before_it(start: CoroutineStart) -> None:
    """F52: it passes the launch in which both ran in place."""
    here = CoroutineScope(Dispatchers.Unconfined)
    values: Channel[int] = Channel()

    def body() -> Any:
        raising_at_its_end(here, LookupError("the other's"))
        return (yield from values.receive())

    with pytest.raises(CompletionHandlerError):
        here.async_(body, start=start)
    (job,) = here.coroutine_context[Job].children
    values.try_send(1)

    assert job.get_completed() == 1  # type: ignore[attr-defined]


def test_what_telling_of_an_end_raises_is_not_taken_for_a_failure_of_the_body(
    main: VMain, uncaught: list[BaseException]
) -> None:
    """F52: nor for a second end of it."""

    def handler(_: object) -> None:
        raise LookupError("a handler's")

    job = Job()
    job.invoke_on_completion(handler)
    (CoroutineScope(Dispatchers.Main) + job).launch(yield_)
    job.complete()
    main.drain()

    assert isinstance(uncaught.pop(), CompletionHandlerError)
    assert job.is_completed
    assert not job.is_cancelled


def test_what_another_raises_is_reported_where_a_block_waits_that_was_entered_in_place(
    main: VMain, uncaught: list[BaseException]
) -> None:
    """F52: the block may be another thread's by then. Its coroutine goes on, and in place others start as before."""
    here = CoroutineScope(Dispatchers.Unconfined)
    kept: list[Any] = []

    def block() -> Any:
        raising_at_its_end(here, LookupError("the other's"))
        yield from suspend_cancellable_coroutine(kept.append)

    job = CoroutineScope(Dispatchers.Main).launch(with_context, Dispatchers.Unconfined, block)
    main.drain()
    assert isinstance(uncaught.pop(), CompletionHandlerError)
    kept[0].resume()
    main.drain()

    assert job.is_completed
    assert not job.is_cancelled
    assert here.launch(lambda: None).is_completed


def test_what_could_not_be_mended_is_with_a_later_cancel_of_what_is_cancelled(uncaught: list[BaseException]) -> None:
    """F52"""
    job = Job()
    with_a_child = CoroutineScope(job + Dispatchers.Unconfined)
    with_a_child.launch(await_cancellation)
    job.cancel()
    calls: list[str] = []

    def fails() -> None:
        calls.append("fails")
        if len(calls) == 1:
            raise MemoryError("still")

    def raises(error: BaseException) -> None:
        calls.append("raises")
        raise error

    torn.append((fails, ()))
    torn.append((raises, (LookupError("a handler's"),)))
    mend_torn()
    assert calls == ["fails"]
    job.cancel()

    assert calls == ["fails", "raises", "fails"]
    assert isinstance(uncaught.pop(), LookupError)


def test_a_ctrl_c_leaves_what_is_being_mended_and_the_rest_for_later() -> None:
    """F52"""
    calls: list[int] = []

    def interrupted(number: int) -> None:
        calls.append(number)
        if len(calls) == 1:
            raise KeyboardInterrupt

    for number in range(2):
        torn.append((interrupted, (number,)))
    with pytest.raises(KeyboardInterrupt):
        mend_torn()
    mend_torn()

    assert calls == [0, 1, 0]


def test_two_threads_may_mend_and_each_entry_is_done_by_one() -> None:
    """F52: here the second mends inside the first."""
    calls: list[int] = []

    def mends(number: int) -> None:
        calls.append(number)
        mend_torn()

    for number in range(3):
        torn.append((mends, (number,)))
    mend_torn()

    assert calls == [0, 1, 2]


def test_a_handler_is_called_once_wherever_the_telling_of_it_breaks_off(uncaught: list[BaseException]) -> None:
    """F52: also where handlers end jobs so deep that the rest are left to the outermost one."""
    depth = _handlers._DEEPEST + 3

    def fail() -> None:
        raise MemoryError("swept")

    def tell(calls: list[int], number: int, others: list[Any], _: object) -> None:
        calls.append(number)
        for other in others:
            other.complete()

    with striking(codes_in(frozenset([_handlers.__file__]))) as strike:
        for at in count(0, 5):
            jobs = [Job() for _ in range(depth)]
            calls: list[int] = []
            for n, job in enumerate(jobs):
                job.invoke_on_completion(partial(tell, calls, n, jobs[n + 1 : n + 2]))
            struck = True
            with suppress(MemoryError, CompletionHandlerError):
                struck = strike(jobs[0].complete, at, fail)
            assert len(set(calls)) == len(calls), f"struck at point {at}: called twice, {calls}"
            assert calls == list(range(depth)), f"struck at point {at}: only {calls} were called"
            if not struck:
                break
    assert at > depth
    uncaught.clear()


@pytest.mark.parametrize("is_over", [False, True])
def test_those_who_were_left_for_later_are_told_wherever_telling_them_breaks_off_and_the_caller_hears_of_it(
    is_over: bool, uncaught: list[BaseException]
) -> None:
    """F52: also where the first handler is called as it comes, for its job is over."""
    depth = _handlers._DEEPEST + 3
    raised: list[BaseException] = []

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        jobs = [Job() for _ in range(depth)]
        calls: list[int] = []
        for n, job in enumerate(jobs):

            def tell(_: object, n: int = n, jobs: list[Any] = jobs, calls: list[int] = calls) -> None:
                calls.append(n)
                for following in jobs[n + 1 : n + 2]:
                    following.complete()

            if n > 0 or not is_over:
                job.invoke_on_completion(tell)

        def completes() -> None:
            try:
                jobs[0].complete()
                if is_over:
                    jobs[0].invoke_on_completion(lambda _: [calls.append(0), jobs[1].complete()])
            except BaseException as error:
                raised.append(error)
                raise

        struck(completes)
        assert calls == list(range(depth))

    swept([_handlers._call_later.__code__], scenario)
    assert raised
    uncaught.clear()


def test_a_job_that_ends_as_it_is_cancelled_is_final_wherever_that_breaks_off() -> None:
    """F52: there is no later cancel that could go on with it."""

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        job = Job()
        told: list[object] = []
        job.invoke_on_completion(told.append)
        struck(job.cancel)
        job.cancel()
        assert job.is_completed
        assert len(told) == 1

    swept([complete_tree.__code__, cancel_tree.__code__, _job._cascade.__code__], scenario)


def test_who_was_not_told_of_a_cancellation_hears_of_it_before_the_end() -> None:
    """F52: of a cancel that changed the state and no more."""
    kept: list[Any] = []
    failures: list[BaseException] = []
    told: list[str] = []

    def slips(_: object) -> None:
        told.append("one that raises")
        raise LookupError("slip")

    scope = CoroutineScope(Dispatchers.Unconfined + CoroutineExceptionHandler(lambda _, error: failures.append(error)))
    job = scope.launch(non_cancellable, lambda: suspend_cancellable_coroutine(kept.append))
    child = (scope + job).launch(await_cancellation)
    job.invoke_on_completion(slips, on_cancelling=True)
    job.invoke_on_completion(lambda _: told.append("the next"), on_cancelling=True)
    job.invoke_on_completion(lambda _: told.append("of the end"))
    job._begin_cancel(CancellationException("broken off"))
    mend(job)

    assert told == ["one that raises", "the next"]
    assert [type(failure) for failure in failures] == [CompletionHandlerError]
    assert child.is_completed
    kept[0].resume()
    assert told == ["one that raises", "the next", "of the end"]
    assert job.is_completed


def test_who_was_not_told_of_an_end_hears_of_it_once() -> None:
    """F52: of one that changed the state and no more."""
    job = Job()
    told: list[object] = []
    job.invoke_on_completion(told.append)
    with job._lock:
        assert job._end_locked()[0] == COMPLETED
    mend(job)
    mend(job)

    assert told == [None]
    assert not complete_tree(job)


@pytest.mark.parametrize("handlers", [0, 1])
def test_an_end_that_was_sealed_is_told_when_it_is_asked_for_again(handlers: int) -> None:
    """F52"""
    job = Job()
    told: list[object] = []
    for _ in range(handlers):
        job.invoke_on_completion(told.append)
    job._begin_cancel(CancellationException("broken off"))
    with job._lock:
        assert job._end_locked()[0] == SEALED

    assert complete_tree(job)
    assert job.is_completed
    assert len(told) == handlers
    assert not complete_tree(job)


@pytest.mark.parametrize("waits", [suspend_coroutine, suspend_cancellable_coroutine])
def test_what_is_resumed_again_goes_on_as_it_would_have(main: VMain, waits: Callable[..., Any]) -> None:
    """F52, X13: a cancellation that comes before the delivery wins, or has no say."""
    kept: list[Any] = []

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        log: list[object] = []

        def body() -> Any:
            log.append((yield from waits(kept.append)))

        job = CoroutineScope(SupervisorJob() + Dispatchers.Main).launch(body)
        main.drain()
        struck(lambda: kept[-1].resume(7))
        with suppress(IllegalStateError):  # it was, unless that broke off before anything was done
            kept[-1].resume(7)
        job.cancel()
        main.drain()
        assert job.is_completed
        assert log == ([7] if waits is suspend_coroutine else [])

    swept([CancellableContinuation._settle.__code__], scenario)


def test_a_failure_that_strikes_a_launch_before_the_coroutine_belongs_to_anybody_is_raised() -> None:
    """F52"""
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)

    def fail() -> None:
        raise MemoryError("swept")

    with striking([Coroutine._init_coroutine.__code__]) as strike, pytest.raises(MemoryError):
        strike(lambda: scope.launch(lambda: None), 0, fail)

    assert not list(scope.coroutine_context[Job].children)


def test_a_dispatcher_that_says_it_had_no_need_has_the_last_of_its_steps_run_once() -> None:
    """F52: it ran the step itself, as the coroutine was resumed by a wait that goes on with nothing."""

    class Itself(CoroutineDispatcher):
        def dispatch(self, context: Any, block: Any) -> None:
            block.run()

        def _dispatch_if_needed(self, coroutine: Any) -> bool:
            coroutine.run()
            return False

    ends: list[str] = []
    values = MutableStateFlow(0)

    def body() -> Any:
        yield from values.first(lambda value: value == 1)
        ends.append("once")

    job = CoroutineScope(Itself()).launch(body, start=CoroutineStart.UNDISPATCHED)
    values.value = 1

    assert ends == ["once"]
    assert job.is_completed


@pytest.mark.parametrize("steps_before", [0, 1])
def test_what_strikes_as_a_wait_begins_that_was_resumed_meanwhile_leaves_the_coroutine_alone(
    main: VMain, uncaught: list[BaseException], steps_before: int
) -> None:
    """F52: who resumed it has it; the failure is reported, a Ctrl-C leaves through the loop."""
    for error in (MemoryError("swept"), KeyboardInterrupt("swept")):

        class Struck(Suspension[int]):
            __slots__ = ()

            def _start(self, coroutine: Any, error: BaseException = error) -> object:
                coroutine._resume(1, None, CANCELLABLE, None)
                raise error

        def body(kind: type[Struck] = Struck) -> Any:
            for _ in range(steps_before):
                yield from yield_()
            wait = kind()
            wait._begun = False
            return (yield from wait)

        job = CoroutineScope(SupervisorJob() + Dispatchers.Main).async_(body)
        if isinstance(error, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                main.drain()
        main.drain()

        assert job.get_completed() == 1
    assert isinstance(uncaught.pop(), MemoryError)


def test_a_wait_that_is_resumed_as_it_is_taken_back_leaves_the_coroutine_to_who_resumed_it(
    main: VMain, uncaught: list[BaseException]
) -> None:
    """F52: its beginning had broken off, and another thread was there first."""

    class Struck(Continuation[int]):
        __slots__ = ()

        def _start(self, coroutine: Any) -> object:
            self._suspend(coroutine)
            raise MemoryError("swept")

        def _is_kept(self, coroutine: Any) -> bool:
            kept = super()._is_kept(coroutine)
            self._resume(1)
            return kept

    def body() -> Any:
        wait = Struck()
        wait._begun = False
        return (yield from wait)

    job = CoroutineScope(SupervisorJob() + Dispatchers.Main).async_(body)
    main.drain()

    assert job.get_completed() == 1
    assert isinstance(uncaught.pop(), MemoryError)


def swept(codes: list[CodeType], scenario: Callable[[Callable[[Callable[[], object]], None]], None]) -> None:
    """Run `scenario(struck)` once for each point in `codes`: what it calls by `struck` raises MemoryError there."""

    def fail() -> None:
        raise MemoryError("swept")

    with striking(codes, collecting_points) as strike:
        for at in count():
            reached: list[bool] = []

            def struck(function: Callable[[], object], at: int = at, reached: list[bool] = reached) -> None:
                reached.append(True)
                with suppress(MemoryError, CompletionHandlerError):
                    reached.append(strike(function, at, fail))

            scenario(struck)
            if reached == [True, False]:
                break
    assert at > 0


def test_an_await_of_several_goes_on_wherever_the_telling_of_one_end_breaks_off() -> None:
    """F52: of the first, which decides nothing, and of the last."""

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        first, second = CompletableDeferred[int](), CompletableDeferred[int]()
        waits = CoroutineScope(Dispatchers.Unconfined).async_(await_all, first, second)
        struck(lambda: [first.complete(1), second.complete(2)])
        first.complete(1)
        second.complete(2)
        assert waits.get_completed() == [1, 2]

    swept([_AwaitAll._fire.__code__], scenario)


@pytest.mark.parametrize("spelling", ["async", "generator"])
def test_a_resumption_that_breaks_off_is_done_wherever_in_a_block_the_coroutine_waits(spelling: str) -> None:
    """F52"""
    kept: list[Any] = []

    async def waits() -> int:
        return await suspend_cancellable_coroutine(kept.append)

    def also_waits() -> Any:
        return (yield from suspend_cancellable_coroutine(kept.append))

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        block = waits if spelling == "async" else also_waits
        job = CoroutineScope(Dispatchers.Unconfined).async_(lambda: coroutine_scope(block))
        struck(lambda: kept[-1].resume(7))
        assert job.is_completed
        assert job.is_cancelled or job.get_completed() == 7

    swept([Coroutine._deliver.__code__, Coroutine._step.__code__], scenario)


@pytest.mark.parametrize("spelling", ["async", "generator"])
def test_a_body_that_never_came_to_run_ends_its_coroutine(
    spelling: str, uncaught: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """F52: its first step broke off between the call of the block and the body."""

    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)  # an `async def` that is never awaited

    async def waits() -> None:
        await yield_()

    def also_waits() -> Any:
        yield from yield_()

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        job = Job()
        scope = CoroutineScope(job + Dispatchers.Unconfined)
        struck(lambda: scope.launch(waits if spelling == "async" else also_waits))
        job.complete()
        assert job.is_completed

    swept([Coroutine._begin.__code__, Coroutine._step.__code__, Coroutine._start.__code__], scenario)
    assert {type(failure) for failure in uncaught} == {MemoryError}
    uncaught.clear()


def test_a_lazy_job_that_was_started_begins_wherever_that_breaks_off() -> None:
    """F52"""

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        log: list[str] = []
        job = CoroutineScope(Dispatchers.Unconfined).launch(log.append, "ran", start=CoroutineStart.LAZY)
        struck(job.start)
        job.start()
        assert log == ["ran"]
        assert job.is_completed

    swept([Job.start.__code__, Coroutine._on_start.__code__], scenario)


def test_a_lone_coroutine_that_waits_is_cancelled_wherever_that_breaks_off() -> None:
    """F52"""

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        job = CoroutineScope(Dispatchers.Unconfined).launch(await_cancellation)
        struck(job.cancel)
        job.cancel()
        assert job.is_completed

    swept([cancel_tree.__code__, Continuation._end_cancelled.__code__], scenario)


def test_what_strikes_as_a_block_begins_is_what_its_coroutine_ends_with() -> None:
    """F52: and no other failure that came of it."""

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        jobs: list[Any] = []
        scope = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)
        struck(lambda: jobs.append(scope.async_(coroutine_scope, lambda: 7)))
        failure = jobs[0].get_completion_exception_or_none()
        assert isinstance(failure, MemoryError) or jobs[0].get_completed() == 7

    swept([ScopeCoroutine._init_frame.__code__], scenario)


def test_the_end_of_a_cancel_scope_that_breaks_off_ends_its_frame(main: VMain) -> None:
    """F52: and it waits for nothing any more."""

    def body() -> Any:
        with CancelScope() as scope:
            scope.deadline = main.now + 60
            yield from yield_()

    def scenario(struck: Callable[[Callable[[], object]], None]) -> None:
        job = CoroutineScope(SupervisorJob() + Dispatchers.Main).async_(body)
        main.step()
        struck(main.drain)
        assert job.is_completed
        assert not list(job.children)
        assert main.next_scheduled_time is None

    swept([Job._end_body.__code__], scenario)


def test_a_failure_that_passes_a_step_inside_another_of_the_same_body_is_not_thrown_into_it() -> None:
    """F52: the body is running, and whoever called what is in between sees the failure."""
    seen: list[BaseException] = []

    def body() -> Any:
        yield from ()
        try:
            current_job()._broke(MemoryError("swept"))  # type: ignore[attr-defined]
        except MemoryError as failure:
            seen.append(failure)
        return "goes on"

    assert run_blocking(body) == "goes on"
    assert len(seen) == 1


def test_a_body_that_has_not_begun_or_yields_itself_waits_for_nothing_that_could_resume_it() -> None:
    """F52"""

    def body() -> Any:
        yield

    generator = body()
    assert _awaited_by(generator) is generator
    next(generator)
    assert _awaited_by(generator) is generator


def test_a_handler_that_is_left_for_later_twice_is_called_once() -> None:
    """B20, F52: of a cancellation, and of the end that this brings about."""
    jobs = [Job() for _ in range(_handlers._DEEPEST + 3)]
    calls: list[int] = []

    def tell(number: int, _: object) -> None:
        calls.append(number)
        for following in jobs[number + 1 : number + 2]:
            following.cancel()

    for n, job in enumerate(jobs):
        job.invoke_on_completion(partial(tell, n), on_cancelling=True)
    jobs[0].cancel()

    assert calls == list(range(len(jobs)))


def test_a_handler_that_is_left_for_later_and_raises_is_told_of_as_any_other() -> None:
    """B20: to the handler of the coroutine whose end it heard of."""
    told: list[BaseException] = []
    scope = CoroutineScope(Dispatchers.Unconfined + CoroutineExceptionHandler(lambda _, failure: told.append(failure)))
    last = scope.launch(await_cancellation)

    def slip(_: object) -> None:
        raise LookupError("slip")

    last.invoke_on_completion(slip)
    chain = [*(Job() for _ in range(_handlers._DEEPEST)), last]
    for job, following in itertools.pairwise(chain):
        job.invoke_on_completion(lambda _, following=following: following.cancel())  # type: ignore[misc]
    chain[0].cancel()

    assert [type(failure.__cause__) for failure in told] == [LookupError]


def test_a_dispatcher_that_raises_when_it_has_run_the_end_is_told_of_and_no_more(uncaught: list[BaseException]) -> None:
    """F50, F52"""

    class Late(CoroutineDispatcher):
        def dispatch(self, context: Any, block: Any) -> None:
            block.run()
            raise LookupError("late")

    kept: list[Any] = []
    job = CoroutineScope(Late()).launch(
        lambda: suspend_cancellable_coroutine(kept.append), start=CoroutineStart.UNDISPATCHED
    )
    kept[0].resume()

    assert job.is_completed
    assert not job.is_cancelled
    assert isinstance(uncaught.pop(), LookupError)


#: Where a failure is dealt with on the spot: in these every point is tried, on any run.
GUARDED = {
    "CancelScope.__enter__", "CancellableContinuation._cancel", "Continuation._claim", "Coroutine._deliver",
    "Coroutine._go_on", "Coroutine._resume", "Coroutine._step", "Coroutine.run", "FrameWait._start", "Job._seal",
    "ScopeBlock.__aenter__", "ScopeCoroutine._init_frame", "ScopeCoroutine._leave_early", "_Await._fire",
    "_AwaitAll._fire", "complete_tree", "announce_end", "Coroutine._finish",
    "_announce", "_elsewhere", "_leave_in_place", "drain_in_place", "in_frame", "seal",
}  # fmt: skip


@pytest.mark.parametrize(
    "within", ["await_one", "block", "cancel_wait", "clear", "complete", "fail", "move", "sibling", "visit", "withs"]
)
def test_no_point_of_what_guards_itself_loses_anybody(
    within: str, uncaught: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """F52"""
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)  # where it strikes a finalizer

    def fail() -> None:
        raise MemoryError("swept")

    with striking([code for code in codes_in(FILES) if code.co_qualname in GUARDED], collecting_points) as strike:
        for at in count():
            world, struck = Wide(), True
            with suppress(MemoryError, CompletionHandlerError, BaseExceptionGroup):
                struck = strike(getattr(world, within), at, fail)
            try:
                world.check_after((world.root.cancel, world.model.clear)[at % 2])
            except AssertionError as wrong:
                raise AssertionError(f"struck at point {at} of {within}: {wrong}") from None
            if not struck:
                break
    assert at > 0
    del world
    uncaught.clear()
    gc.collect()  # while nobody hears of what was dropped before it had begun
