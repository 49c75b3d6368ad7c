"""Job: its states, the tree, cancellation down and completion up, handlers (rows J4-J16, J24; faults F31-F44)."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import sysconfig
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.steer import struck
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CompletableDeferred,
    CompletableJob,
    CompletionHandlerError,
    CoroutineContext,
    CoroutineExceptionHandler,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    GlobalScope,
    IllegalStateError,
    Job,
    NonCancellable,
    SupervisorJob,
    await_cancellation,
    cancel,
    coroutine_scope,
    current_job,
    current_scope,
    delay,
    join_all,
    suspend_cancellable_coroutine,
    with_context,
    with_timeout,
    with_timeout_or_none,
    yield_,
)
from vmscope._errors import suppressed_of
from vmscope.coroutines._job import Join, cancel_tree
from vmscope.coroutines._suspend import Continuation

OnMain = Callable[..., Any]


def flags(job: Job) -> tuple[str, bool, bool, bool]:
    return job.state_name, job.is_active, job.is_completed, job.is_cancelled


@pytest.fixture
def scope(main: VMain) -> CoroutineScope:
    """Children fail alone, on Main; what fails is dropped."""
    return CoroutineScope(
        SupervisorJob() + Dispatchers.Main + CoroutineExceptionHandler(lambda _context, _error: None)
    )


# ---- J4: the states


def test_each_state_has_its_name_and_its_flags(main: VMain, scope: CoroutineScope) -> None:
    """J4: Completing is still active; Cancelling is cancelled and not yet completed."""
    job = scope.launch(lambda: None, start=CoroutineStart.LAZY)
    assert flags(job) == ("New", False, False, False)

    parent = Job()
    assert flags(parent) == ("Active", True, False, False)

    child = Job(parent)
    parent.complete()
    assert flags(parent) == ("Completing", True, False, False)
    parent.ensure_active()

    child.complete()
    assert flags(parent) == ("Completed", False, True, False)

    parent = Job()
    child = CompletableDeferred(parent=parent)
    body = (scope + parent).launch(with_context, NonCancellable, child.join)
    main.run_current()
    parent.cancel()
    assert flags(parent) == flags(body) == ("Cancelling", False, False, True)

    child.complete()
    main.drain()
    assert flags(parent) == flags(body) == ("Cancelled", False, True, True)


def test_a_failed_job_is_cancelled_too(main: VMain) -> None:
    """J4"""
    job = Job()
    job.complete_exceptionally(LookupError())

    assert flags(job) == ("Cancelled", False, True, True)


def test_the_repr_shows_the_kind_the_name_the_state_and_how_many_children(main: VMain, scope: CoroutineScope) -> None:
    """J4, F38: never the children themselves."""
    job = Job()
    assert repr(job) == "<CompletableJob active>"
    Job(job)
    assert repr(job) == "<CompletableJob active, 1 child>"
    Job(job)
    assert repr(job) == "<CompletableJob active, 2 children>"
    assert repr(scope.async_(lambda: 1, name="n", start=CoroutineStart.LAZY)) == "<DeferredCoroutine 'n' new>"
    assert repr(SupervisorJob()) == "<SupervisorJob active>"
    scope.cancel()


# ---- J5: start


def test_start_is_true_for_the_one_call_that_started_it(main: VMain, scope: CoroutineScope) -> None:
    """J5"""
    ran: list[int] = []
    job = scope.launch(ran.append, 1, start=CoroutineStart.LAZY)
    main.run_current()
    assert ran == []

    assert [job.start(), job.start()] == [True, False]
    main.run_current()

    assert ran == [1]
    assert job.start() is False
    assert Job().start() is False


def test_a_job_that_was_cancelled_before_its_start_is_not_started(main: VMain, scope: CoroutineScope) -> None:
    """J5"""
    ran: list[int] = []
    job = scope.launch(ran.append, 1, start=CoroutineStart.LAZY)

    job.cancel()

    assert job.start() is False
    main.drain()
    assert ran == []
    assert job.is_completed


# ---- J6: join


def test_join_waits_for_the_children_too(main: VMain, on_main: OnMain) -> None:
    """J6"""

    async def parent() -> None:
        current_scope().launch(delay, 5)

    async def body() -> float:
        await current_scope().launch(parent).join()
        return main.now

    assert on_main(body) == 5


def test_join_starts_a_lazy_job(on_main: OnMain) -> None:
    """J6"""
    ran: list[int] = []

    async def body() -> None:
        await current_scope().launch(ran.append, 1, start=CoroutineStart.LAZY).join()

    on_main(body)
    assert ran == [1]


def test_join_does_not_raise_what_the_target_failed_with(scope: CoroutineScope, on_main: OnMain) -> None:
    """J6"""

    def fail() -> None:
        raise LookupError

    async def body() -> bool:
        job = scope.launch(fail)
        cancelled = scope.launch(await_cancellation)
        cancelled.cancel()
        await join_all(job, cancelled)
        return job.is_cancelled and cancelled.is_cancelled

    assert on_main(body) is True


def test_join_on_a_finished_job_raises_where_the_caller_is_cancelled(scope: CoroutineScope, main: VMain) -> None:
    """J6, appendix B 7"""
    done = Job()
    done.complete()
    log: list[str] = []

    async def body() -> None:
        cancel("enough")
        try:
            await done.join()
        except CancellationException as cancelled:
            log.append(str(cancelled))
            raise

    scope.launch(body)
    main.drain()

    assert log == ["enough"]


def test_join_all_of_nothing_returns(on_main: OnMain) -> None:
    """J6"""

    async def body() -> str:
        await join_all()
        return "over"

    assert on_main(body) == "over"


# ---- J7: cancel


def test_the_first_cause_stays(main: VMain) -> None:
    """J7"""
    job = Job()
    Job(job)  # without a child it would have ended at once

    job.cancel("first")
    job.cancel("second")

    assert str(job.get_cancellation_exception()) == "first"


def test_cancel_takes_a_message_and_a_cause(main: VMain) -> None:
    """J7, X16"""
    cause = LookupError("no such row")
    job = Job()

    job.cancel("gone", cause)

    cancelled = job.get_cancellation_exception()
    assert (cancelled.message, cancelled.__cause__, cancelled.job) == ("gone", cause, job)
    assert cancelled.reason == "gone, because no such row"


def test_cancel_takes_a_ready_cancellation_and_keeps_that_very_object() -> None:
    """J7"""
    ready = CancellationException("ready")
    job = Job()

    job.cancel(ready)

    assert job.get_cancellation_exception() is ready


@pytest.mark.parametrize("cause", [LookupError, "late", 1], ids=repr)
def test_a_cause_that_is_no_exception_is_refused(cause: Any) -> None:
    """J7"""
    job = Job()

    with pytest.raises(TypeError, match=r"cancel\(cause=...\) takes an exception, got"):
        job.cancel("gone", cause)

    assert job.is_active


def test_cancel_reaches_all_descendants_and_the_end_waits_for_them(main: VMain, scope: CoroutineScope) -> None:
    """J7"""
    log: list[str] = []

    def leaf() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 3)
            log.append(f"leaf ends at {main.now:g}")

    def middle() -> Generator[Any, Any, None]:
        current_scope().launch(leaf)
        yield from await_cancellation()

    root = scope.launch(middle)
    main.run_current()

    root.cancel()
    main.run_current()
    assert flags(root) == ("Cancelling", False, False, True)

    main.drain()
    assert log == ["leaf ends at 3"]
    assert root.is_completed


def test_cancel_returns_at_once_and_again_does_nothing(main: VMain, scope: CoroutineScope) -> None:
    """J7, F32"""
    heard: list[Any] = []
    job = scope.launch(await_cancellation)
    job.invoke_on_completion(heard.append)
    main.run_current()

    for _ in range(3):
        job.cancel()
    main.drain()
    job.cancel()

    assert len(heard) == 1
    assert isinstance(heard[0], CancellationException)


def test_cancel_from_many_threads_at_once_leaves_one_cause_and_tells_each_handler_once() -> None:
    """J7, F32, X18"""
    for _ in range(30):
        job = Job()
        heard: list[Any] = []
        job.invoke_on_completion(heard.append)
        gate = threading.Barrier(4)

        def strike(number: int, job: Job = job, gate: threading.Barrier = gate) -> None:
            gate.wait()
            job.cancel(str(number))

        threads = [threading.Thread(target=strike, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert heard == [job.get_cancellation_exception()]


# ---- J8: helpers


def test_cancel_and_join_waits_for_the_clean_up(main: VMain, on_main: OnMain) -> None:
    """J8"""

    def busy() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 2)

    async def body() -> tuple[float, str]:
        job = current_scope().launch(busy)
        await yield_()
        await job.cancel_and_join("enough")
        return main.now, str(job.get_cancellation_exception())

    assert on_main(body) == (2, "enough")


def test_cancel_children_leaves_the_job_active_and_taking_new_ones(main: VMain) -> None:
    """J8"""
    parent = Job()
    old = Job(parent)

    parent.cancel_children("all out")
    new = Job(parent)

    assert str(old.get_cancellation_exception()) == "all out"
    assert parent.is_active
    assert new.is_active
    assert list(parent.children) == [new]


# ---- J9: the tree


def test_children_are_a_snapshot_oldest_first(main: VMain) -> None:
    """J9"""
    parent = Job()
    first, second = Job(parent), Job(parent)

    listing = parent.children
    Job(parent)

    assert list(listing) == [first, second]


def test_the_parent_is_there_until_the_job_is_final(main: VMain) -> None:
    """J9"""
    parent = Job()
    child = Job(parent)
    grandchild = Job(child)
    assert child.parent is parent

    child.complete()
    assert child.parent is parent, "it waits for its own child"

    grandchild.complete()
    assert child.parent is None
    assert Job().parent is None


def test_finished_children_are_dropped(main: VMain, scope: CoroutineScope) -> None:
    """J9: a scope that lives long holds only what is going on."""
    parent = scope.coroutine_context[Job]
    assert parent is not None

    gone = weakref.ref(scope.launch(lambda: None))
    failed = weakref.ref(scope.launch(lambda: 1 / 0))
    main.drain()
    gc.collect()  # the failure's traceback is a cycle of Python's own

    assert list(parent.children) == []
    assert gone() is None
    assert failed() is None


# ---- J10: handlers


def test_a_handler_is_told_once_with_none_the_failure_or_the_cancellation(main: VMain) -> None:
    """J10"""
    failure = LookupError()
    heard: list[Any] = []
    good, bad, cancelled = Job(), Job(), Job()
    for job in (good, bad, cancelled):
        job.invoke_on_completion(heard.append)

    good.complete()
    bad.complete_exceptionally(failure)
    cancelled.cancel("enough")

    assert heard == [None, failure, cancelled.get_cancellation_exception()]


def test_a_handler_of_a_job_that_has_ended_is_called_at_once_and_here() -> None:
    """J10"""
    job = Job()
    job.complete()
    heard: list[Any] = []

    job.invoke_on_completion(lambda cause: heard.append((cause, threading.current_thread())))

    assert heard == [(None, threading.current_thread())]


def test_a_handler_runs_on_the_thread_that_ends_the_job() -> None:
    """J10"""
    job = Job()
    heard: list[str] = []
    job.invoke_on_completion(lambda _: heard.append(threading.current_thread().name))

    thread = threading.Thread(target=job.complete, name="finisher")
    thread.start()
    thread.join()

    assert heard == ["finisher"]


def test_handlers_are_told_in_the_order_they_came() -> None:
    """J10"""
    job = Job()
    heard: list[int] = []
    for number in range(5):
        job.invoke_on_completion(lambda _, number=number: heard.append(number))

    job.complete()

    assert heard == [0, 1, 2, 3, 4]


def test_a_disposed_handler_is_not_told() -> None:
    """J10"""
    job = Job()
    heard: list[Any] = []
    handle = job.invoke_on_completion(heard.append)

    handle.dispose()
    handle.dispose()
    job.complete()

    assert heard == []


def test_a_handler_on_cancelling_is_told_when_the_cancellation_begins_and_only_then(main: VMain) -> None:
    """J10"""
    job = Job()
    child = Job(job)
    body = CoroutineScope(child + Dispatchers.Main).launch(with_context, NonCancellable, delay, 1)
    main.run_current()
    heard: list[str] = []
    job.invoke_on_completion(lambda cause: heard.append(f"early {cause}"), on_cancelling=True)
    job.invoke_on_completion(lambda cause: heard.append(f"late {cause}"))

    job.cancel("enough")
    assert heard == ["early enough"]
    assert not job.is_completed

    main.drain()
    assert body.is_completed
    assert heard == ["early enough", "late enough"]


def test_a_handler_on_cancelling_is_told_of_a_normal_end_as_well() -> None:
    """J10"""
    job = Job()
    heard: list[Any] = []
    job.invoke_on_completion(heard.append, on_cancelling=True)

    job.complete()

    assert heard == [None]


def test_a_handler_that_raises_is_reported_once_and_breaks_nothing(
    main: VMain, reported: list[BaseException]
) -> None:
    """J10, E11, F35"""
    failure = LookupError("slip")
    heard: list[Any] = []

    def raising(_cause: object) -> None:
        raise failure

    def gated() -> Generator[Any, Any, None]:
        yield from delay(1)

    job = CoroutineScope(SupervisorJob() + Dispatchers.Main).launch(gated)
    job.invoke_on_completion(raising)
    job.invoke_on_completion(heard.append)
    main.drain()

    assert heard == [None]
    assert flags(job) == ("Completed", False, True, False)
    assert [type(error) for error in reported] == [CompletionHandlerError]
    assert reported[0].__cause__ is failure


def test_handlers_that_nest_too_deep_are_called_also_where_the_outermost_one_raises() -> None:
    """J10"""
    jobs = [Job() for _ in range(60)]
    for job, following in itertools.pairwise(jobs):
        job.invoke_on_completion(lambda _, following=following: following.complete())

    def first(_cause: object) -> None:
        jobs[0].complete()
        raise LookupError("slip")

    outermost = Job()
    outermost.invoke_on_completion(first)
    with pytest.raises(CompletionHandlerError):
        outermost.complete()

    assert [job.is_completed for job in jobs] == [True] * 60


def test_a_handler_that_nests_too_deep_and_raises_is_reported_once(uncaught: list[BaseException]) -> None:
    """J10, F35: whoever ended its job has long gone on."""
    jobs = [Job() for _ in range(60)]
    for job, following in itertools.pairwise(jobs):
        job.invoke_on_completion(lambda _, following=following: following.complete())
    failure = LookupError("slip")

    def last(_cause: object) -> None:
        raise failure

    jobs[-1].invoke_on_completion(last)
    jobs[0].complete()

    assert all(job.is_completed for job in jobs)
    (error,) = uncaught
    assert str(error) == "Exception in completion handler of <CompletableJob completed>"
    while error.__cause__ is not None:  # each job between the last and the one that was put off passes it on
        assert isinstance(error, CompletionHandlerError)
        error = error.__cause__
    assert error is failure
    uncaught.clear()


def test_a_handler_on_cancelling_that_raises_is_raised_to_who_cancels_and_the_rest_are_told() -> None:
    """J10, F35: a job without a body has nowhere else to report to."""
    failure = LookupError("slip")
    told: list[Any] = []

    def raising(_cause: object) -> None:
        raise failure

    job = CompletableDeferred[None]()
    job.invoke_on_completion(raising, on_cancelling=True)
    job.invoke_on_completion(told.append, on_cancelling=True)
    child = Job(job)
    with pytest.raises(CompletionHandlerError) as raised:
        job.cancel("enough")

    assert raised.value.__cause__ is failure
    assert [str(cause) for cause in told] == ["enough"]
    assert job.is_completed
    assert child.is_completed


def test_a_handler_of_a_coroutine_that_was_left_for_later_and_raises_is_told_to_its_handler() -> None:
    """J10, E11"""
    told: list[BaseException] = []
    slip = LookupError("slip")
    handler = CoroutineExceptionHandler(lambda _context, failure: told.append(failure))
    deferred = CoroutineScope(Dispatchers.Unconfined + handler).async_(await_cancellation)
    jobs = [*(Job() for _ in range(40)), deferred]
    for job, following in itertools.pairwise(jobs):
        job.invoke_on_completion(lambda _, following=following: following.cancel())

    def raising(_cause: object) -> None:
        raise slip

    deferred.invoke_on_completion(raising)
    jobs[0].cancel()

    assert deferred.is_completed
    assert [failure.__cause__ for failure in told] == [slip]


def test_a_handler_that_was_left_for_later_and_raises_is_reported(uncaught: list[BaseException]) -> None:
    """J10: the 41st in a row, one inside the other; whoever ended its job has gone on by then."""
    slip = LookupError("slip")
    jobs = [Job() for _ in range(41)]
    for job, following in itertools.pairwise(jobs):
        job.invoke_on_completion(lambda _, following=following: following.complete())

    def raising(_cause: object) -> None:
        raise slip

    jobs[-1].invoke_on_completion(raising)
    jobs[0].complete()

    assert all(job.is_completed for job in jobs)
    assert uncaught.pop().__cause__ is slip


@pytest.mark.parametrize("ends", ["complete", "cancel"])
@pytest.mark.parametrize("at", ["call", "return"])
def test_a_handler_that_comes_as_the_job_ends_is_told_once(ends: str, at: str) -> None:
    """J10, I4: a finalizer or signal handler ends the job while the handler is put into its list."""
    job = Job()
    heard: list[Any] = []

    with struck(Job._put_locked, getattr(job, ends), at=at) as met:
        job.invoke_on_completion(heard.append, on_cancelling=True)

    assert met
    assert len(heard) == 1
    assert job.is_completed


@pytest.mark.parametrize("at", ["call", "return"])
def test_a_handler_that_comes_as_the_cancellation_begins_is_told_once(at: str) -> None:
    """J10: the job waits for a child, so it is not over."""
    scope = CoroutineScope(Job() + Dispatchers.Unconfined)
    scope.launch(with_context, NonCancellable, await_cancellation)
    parent = scope.coroutine_context[Job]
    assert parent is not None
    heard: list[Any] = []

    with struck(Job._put_locked, lambda: parent.cancel("struck"), at=at) as met:
        parent.invoke_on_completion(heard.append, on_cancelling=True)

    assert met
    assert [str(each) for each in heard] == ["struck"]
    assert not parent.is_completed


def test_a_handler_of_noncancellable_is_never_told() -> None:
    """X7"""
    heard: list[Any] = []

    handle = NonCancellable.invoke_on_completion(heard.append)

    assert cancel_tree(NonCancellable, CancellationException("from inside")) is False
    assert NonCancellable.is_active
    handle.dispose()
    assert heard == []


def test_a_cause_without_a_message_gives_its_own() -> None:
    """J6"""
    job = Job()
    job.cancel(cause=LookupError("no such page"))

    cancelled = job.get_cancellation_exception()
    assert (str(cancelled), type(cancelled.__cause__)) == ("no such page", LookupError)


@pytest.mark.parametrize("ends", ["complete", "cancel"])
@pytest.mark.parametrize("at", ["call", "return"])
def test_a_child_that_comes_as_its_parent_ends_belongs_to_nobody_or_is_waited_for(ends: str, at: str) -> None:
    """J8, I1: a finalizer or signal handler ends the parent while the child is put into its list."""
    parent = Job()

    with struck(Job._put_locked, getattr(parent, ends), at=at) as met:
        child = Job(parent)

    assert met
    if child.parent is None:
        assert parent.is_completed
        assert child.is_completed
    else:
        assert not parent.is_completed
        child.complete()
    assert parent.is_completed
    assert list(parent.children) == []


class Lasting(CompletableJob):
    """Takes its time when it is cancelled: until it is completed."""

    __slots__ = ()
    _ends_on_cancel = False


@pytest.mark.parametrize("ends", ["complete", "cancel"])
def test_a_child_that_comes_as_its_parent_ends_and_takes_its_time_has_none(ends: str) -> None:
    """J8, I1"""
    parent = Job()
    with struck(Job._put_locked, getattr(parent, ends)) as met:
        child = Lasting(parent)

    assert met
    assert parent.is_completed
    assert (child.is_cancelled, child.is_completed, child.parent) == (True, False, None)
    child.complete()
    assert child.is_completed


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_child_that_ends_as_it_comes_leaves_its_parent(when: str) -> None:
    """J8, I1: one that is known before its parent has it; a signal handler ends it there."""
    known: list[Job] = []

    class Known(CompletableJob):
        __slots__ = ()

        def _init_job(self, parent: Job | None, state: int) -> None:
            known.append(self)
            super()._init_job(parent, state)

    class Struck(CompletableJob):
        __slots__ = ()

        def _put_locked(self, node: Any) -> None:
            if when == "before":
                known[0].cancel()
            super()._put_locked(node)
            known[0].cancel()

    parent = Struck()
    child = Known(parent)

    assert child.is_completed
    assert child.parent is None
    assert list(parent.children) == []
    assert parent.complete()
    assert parent.is_completed


def test_a_join_that_is_cancelled_as_the_job_ends_is_cancelled_once(
    main: VMain, scope: CoroutineScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J5, P2: another thread cancels the caller between the end and its resumption."""
    seen: list[str] = []

    def body() -> Generator[Any, Any, None]:
        try:
            yield from gate.join()
            seen.append("joined")
        except CancellationException as cancelled:
            seen.append(str(cancelled))
            raise

    gate = Job()
    job = scope.launch(body)
    main.run_current()

    def resume(wait: Continuation[Any], value: object, in_place: bool = False) -> None:
        job.cancel("struck")
        told(wait, value, in_place)

    told = Continuation._resume
    monkeypatch.setattr(Continuation, "_resume", resume)
    gate.complete()
    monkeypatch.undo()
    main.run_current()

    assert seen == ["struck"]


def test_a_failure_is_told_though_a_signal_handler_cancels_as_it_is_noted(
    main: VMain, seen: list[BaseException]
) -> None:
    """J13, I3: the first cause stays."""

    def fail() -> None:
        raise failure

    failure = LookupError("first")
    handler = CoroutineExceptionHandler(lambda context, error: seen.append(error))
    job = CoroutineScope(SupervisorJob() + Dispatchers.Main + handler).launch(fail)
    with struck(Job._add_cause_locked, lambda: job.cancel("struck"), at="return") as met:
        main.run_current()

    assert met
    assert job.is_completed
    assert seen.pop() is failure


def test_a_failure_that_comes_again_and_again_is_kept_once(main: VMain, seen: list[BaseException]) -> None:
    """E7: two children raise one object, after another failure."""
    first, again = LookupError("first"), KeyError("again")
    root = SupervisorJob()
    parent = CoroutineScope(root + Dispatchers.Main + CoroutineExceptionHandler(lambda _, error: seen.append(error)))

    def fails_late() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            raise again

    def body() -> Generator[Any, Any, None]:
        for _ in range(3):
            current_scope().launch(fails_late)
        yield from yield_()
        raise first

    parent.launch(body)
    main.drain()

    assert seen == [first]
    assert suppressed_of(first) == (again,)


def test_a_handler_that_cannot_be_called_is_refused() -> None:
    """J10"""
    with pytest.raises(TypeError, match="42"):
        Job().invoke_on_completion(42)  # type: ignore[arg-type]


# ---- J11: the cause


def test_the_cause_of_an_active_job_is_refused() -> None:
    """J11"""
    with pytest.raises(IllegalStateError, match="still new or active"):
        Job().get_cancellation_exception()


def test_the_cause_after_a_normal_end_says_so() -> None:
    """J11"""
    job = Job()
    job.complete()

    assert "completed normally" in str(job.get_cancellation_exception())


def test_the_cause_of_a_failed_job_wraps_the_failure() -> None:
    """J11"""
    failure = LookupError()
    job = Job()
    job.complete_exceptionally(failure)

    assert job.get_cancellation_exception().__cause__ is failure


# ---- J12: completable jobs


def test_complete_is_true_for_the_first_call_that_decides() -> None:
    """J12"""
    job = Job()

    assert [job.complete(), job.complete(), job.complete_exceptionally(LookupError())] == [True, False, False]

    job = Job()
    assert [job.complete_exceptionally(LookupError()), job.complete()] == [True, False]


def test_a_completed_job_waits_for_its_children() -> None:
    """J12"""
    job = Job()
    first, second = Job(job), Job(job)

    job.complete()
    first.complete()
    assert flags(job) == ("Completing", True, False, False)

    second.complete()
    assert job.is_completed


def test_complete_exceptionally_cancels_the_children_and_fails_the_parent() -> None:
    """J12"""
    failure = LookupError()
    parent = Job()
    job = Job(parent)
    child = Job(job)

    job.complete_exceptionally(failure)

    assert child.is_cancelled
    assert parent.get_cancellation_exception().__cause__ is failure


def test_complete_exceptionally_takes_an_exception_and_nothing_else() -> None:
    """J12"""
    job = Job()

    with pytest.raises(TypeError, match="LookupError"):
        job.complete_exceptionally(LookupError)  # type: ignore[arg-type]

    assert job.is_active


def test_a_job_is_a_completable_one() -> None:
    """J12"""
    assert isinstance(Job(), CompletableJob)
    assert isinstance(SupervisorJob(), CompletableJob)


@pytest.mark.parametrize("kind", [Job, SupervisorJob])
def test_a_parent_that_is_no_job_is_refused(kind: Any) -> None:
    """J12"""
    with pytest.raises(TypeError, match="parent"):
        kind("parent")


# ---- J13: SupervisorJob


def test_a_childs_failure_leaves_the_supervisor_and_its_other_children_alone() -> None:
    """J13, F34"""
    supervisor = SupervisorJob()
    failing, other = Job(supervisor), Job(supervisor)

    failing.complete_exceptionally(LookupError())

    assert supervisor.is_active
    assert other.is_active


def test_the_cancellation_and_the_failure_of_its_parent_cancel_a_supervisor_and_its_children() -> None:
    """J13"""
    for strike in (Job.cancel, lambda job: job.complete_exceptionally(LookupError())):
        parent = Job()
        supervisor = SupervisorJob(parent)
        child = Job(supervisor)

        strike(parent)

        assert supervisor.is_cancelled
        assert child.is_cancelled


def test_its_own_cancel_cancels_all_its_children() -> None:
    """J13"""
    supervisor = SupervisorJob()
    child = Job(supervisor)

    supervisor.cancel()

    assert child.is_cancelled


def test_grandchildren_follow_the_ordinary_rules() -> None:
    """J13"""
    supervisor = SupervisorJob()
    child = Job(supervisor)
    failing, sibling = Job(child), Job(child)

    failing.complete_exceptionally(LookupError())

    assert child.is_cancelled
    assert sibling.is_cancelled
    assert supervisor.is_active


# ---- J14: late children


def test_a_child_that_comes_while_its_parent_completes_is_waited_for() -> None:
    """J14, F31"""
    parent = Job()
    first = Job(parent)
    parent.complete()

    late = Job(parent)
    first.complete()
    assert late.is_active
    assert not parent.is_completed

    late.complete()
    assert parent.is_completed


def test_a_child_that_comes_while_its_parent_is_cancelled_is_cancelled_at_once_and_waited_for(main: VMain) -> None:
    """J14, F31"""
    parent = Job()
    slow = CoroutineScope(parent + Dispatchers.Main).launch(with_context, NonCancellable, delay, 1)
    main.run_current()
    parent.cancel("closing")

    def clean_up() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 5)

    late = CoroutineScope(parent + Dispatchers.Main).launch(clean_up, start=CoroutineStart.ATOMIC)
    assert late.is_cancelled
    assert late.parent is parent

    main.advance(1)
    assert slow.is_completed
    assert not parent.is_completed

    main.drain()
    assert parent.is_completed


def test_a_child_that_comes_after_its_parents_end_is_cancelled_at_once() -> None:
    """J14, F31"""
    done, cancelled = Job(), Job()
    done.complete()
    cancelled.cancel("closed")

    assert Job(done).is_cancelled
    assert str(Job(cancelled).get_cancellation_exception()) == "closed"
    assert Job(done).parent is None


# ---- J15, J16: a Job where it means nothing


def test_a_child_that_comes_while_its_parents_failure_is_told_belongs_to_nobody(main: VMain) -> None:
    """J8, I1: the handler of the failure starts it; it is cancelled, and may clean up as long as it likes."""
    children: list[Job] = []

    def tell(context: CoroutineContext, error: BaseException) -> None:
        scope = CoroutineScope(context)
        children.append(scope.launch(with_context, NonCancellable, delay, 1.0, start=CoroutineStart.ATOMIC))

    def fail() -> None:
        raise LookupError

    parent = CoroutineScope(Dispatchers.Main + CoroutineExceptionHandler(tell)).launch(fail)
    main.run_current()

    assert parent.is_completed
    assert (children[0].is_cancelled, children[0].is_completed, children[0].parent) == (True, False, None)
    main.drain()
    assert children[0].is_completed


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "in reverse"])
def test_a_job_that_is_cancelled_while_it_completes_waits_for_each_child(order: tuple[int, int]) -> None:
    """J8, I2"""
    parent = Job()
    children = [Lasting(parent), Lasting(parent)]
    parent.complete()

    parent.cancel()

    for number in order:
        assert not parent.is_completed
        children[number].complete()
    assert parent.is_completed


def test_a_job_beside_noncancellable_reports_the_failures_of_its_children_itself(
    uncaught: list[BaseException],
) -> None:
    """J15: NonCancellable is nobody's parent."""

    def fail() -> None:
        raise failure

    failure, parent = LookupError("lost"), Job(NonCancellable)
    job = CoroutineScope(parent + Dispatchers.Unconfined).launch(fail)

    assert job.is_completed
    assert (parent.parent, list(NonCancellable.children)) == (None, [])
    assert uncaught.pop() is failure


def test_two_jobs_cannot_be_added() -> None:
    """J15"""
    with pytest.raises(TypeError, match="parent"):
        Job() + SupervisorJob()
    with pytest.raises(TypeError):
        Job() + NonCancellable


def test_a_job_replaces_the_one_of_a_larger_context() -> None:
    """J15: `scope + job` is the way to another parent."""
    job = Job()

    assert ((Dispatchers.Main + Job()) + job)[Job] is job


def test_a_job_is_taken_by_with_context_where_it_means_something(on_main: OnMain) -> None:
    """J16: NonCancellable above all; to the builders it is refused (test_bad_input)."""

    elsewhere = Job()

    async def body() -> tuple[Any, Any]:
        parent = await with_context(elsewhere, lambda: current_job().parent)
        return parent, await with_context(NonCancellable, lambda: current_job().parent)

    assert on_main(body) == (elsewhere, None)


def test_the_builders_refuse_noncancellable_by_name() -> None:
    """J16, X7"""
    with pytest.raises(ValueError, match=r"with_context\(NonCancellable"):
        GlobalScope.launch(delay, 1, context=NonCancellable)


def test_noncancellable_is_always_active_and_never_cancelled() -> None:
    """X7"""
    NonCancellable.cancel("enough")

    assert flags(NonCancellable) == ("Active", True, False, False)
    assert NonCancellable.parent is None
    assert list(NonCancellable.children) == []
    assert copy.copy(NonCancellable) is copy.deepcopy(NonCancellable) is NonCancellable
    with pytest.raises(IllegalStateError, match="never ends"):
        NonCancellable.join()


# ---- J24: what keeps a coroutine alive


def test_a_launched_coroutine_is_kept_alive_by_its_parent(main: VMain) -> None:
    """J24, F26"""
    log: list[str] = []
    parent = Job()
    scope = CoroutineScope(parent + Dispatchers.Main)

    def body() -> Generator[Any, Any, None]:
        try:
            yield from suspend_cancellable_coroutine(lambda _cont: None)  # nobody else holds the continuation
        finally:
            log.append("over")

    scope.launch(body)
    main.run_current()
    del scope
    gc.collect()
    assert log == []
    assert [child.is_active for child in parent.children] == [True]

    parent.cancel()
    main.drain()
    assert log == ["over"]


# ---- F37-F40: size and shape


def test_a_chain_of_100000_jobs_is_cancelled_completed_failed_and_dropped_without_recursion() -> None:
    """F38"""
    for strike in ("cancel", "complete", "fail", "drop"):
        jobs = [Job()]
        for _ in range(100_000):
            jobs.append(Job(jobs[-1]))
        root, leaf = jobs[0], jobs[-1]
        if strike == "cancel":
            root.cancel()
        elif strike == "complete":
            for job in jobs:
                job.complete()
        elif strike == "fail":
            leaf.complete_exceptionally(LookupError())
        assert root.is_completed is leaf.is_completed is (strike != "drop")
        assert repr(jobs[5]).startswith("<CompletableJob")
        jobs.clear()


def test_20000_nested_lazy_coroutines_are_cancelled_without_recursion() -> None:
    """F38"""
    root = scope = CoroutineScope(Dispatchers.Unconfined)
    jobs = []
    for _ in range(20_000):
        jobs.append(scope.launch(await_cancellation, start=CoroutineStart.LAZY))
        scope = CoroutineScope(jobs[-1] + Dispatchers.Unconfined)

    root.cancel()

    assert all(job.is_completed for job in jobs)


def test_20000_nested_coroutines_that_wait_are_cancelled_without_recursion(main: VMain) -> None:
    """F38"""
    jobs: list[Job] = []

    def body(depth: int) -> Generator[Any, Any, None]:
        jobs.append(current_job())
        if depth:
            current_scope().launch(body, depth - 1)
        yield from await_cancellation()

    root = CoroutineScope(Dispatchers.Main).launch(body, 20_000)
    main.looper.pump()
    root.cancel()
    main.looper.pump()

    assert len(jobs) == 20_001
    assert all(job.is_completed for job in jobs)


def test_a_job_with_100000_children_is_cancelled_and_completes(main: VMain) -> None:
    """F37"""
    parent = Job()
    children = [Job(parent) for _ in range(100_000)]

    parent.cancel()

    assert all(child.is_completed for child in children)
    assert parent.is_completed


def test_the_handlers_of_cancelled_children_are_called_without_the_lock_of_their_tree() -> None:
    """F37: another thread gets it meanwhile."""
    parent = Job()
    heard: list[bool] = []

    def look(_cause: object) -> None:
        other = threading.Thread(target=lambda: heard.append(Job(parent).is_cancelled))
        other.start()
        other.join(5)

    for number in range(10):
        Job(parent).invoke_on_completion(look, on_cancelling=number % 2 == 0)

    parent.cancel()

    assert heard == [True] * 10


def test_a_chain_of_100000_handlers_that_complete_the_next_job_keeps_the_stack_flat(
    reported: list[BaseException],
) -> None:
    """F39"""
    jobs = [Job() for _ in range(100_000)]
    for job, following in itertools.pairwise(jobs):
        job.invoke_on_completion(lambda _, following=following: following.complete())

    jobs[0].complete()

    assert jobs[-1].is_completed
    assert reported == []


def test_a_chain_of_100000_joins_ends_with_a_flat_stack() -> None:
    """F39, D7"""
    scope = CoroutineScope(Dispatchers.Unconfined)
    gates = [Job() for _ in range(20_000)]

    def link(gate: Job, following: Any) -> Generator[Any, Any, None]:
        yield from gate.join()
        following.complete()

    for gate, following in itertools.pairwise(gates):
        scope.launch(link, gate, following)
    gates[0].complete()

    assert gates[-1].is_completed


# ---- F42: no garbage


async def wait_async() -> None:
    await yield_()


def wait_generator() -> Generator[Any, Any, None]:
    yield from yield_()


def wait_scoped() -> Generator[Any, Any, None]:
    yield from coroutine_scope(wait_generator)


def wait_elsewhere() -> Generator[Any, Any, None]:
    yield from with_context(Dispatchers.Unconfined, wait_generator)


FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


async def wait_timeout() -> None:
    await with_timeout(5, wait_async)
    await with_timeout_or_none(5, coroutine_scope, wait_async)


async def run_into_timeout() -> None:
    assert await with_timeout_or_none(1, delay, 2) is None


def plain() -> None:
    pass


BLOCKS = [plain, wait_async, wait_generator, wait_scoped, wait_elsewhere, wait_timeout]
CASES = [(block, where) for block in BLOCKS for where in ("Main", "Main.immediate", "Unconfined")]


@pytest.mark.parametrize(
    ("block", "dispatcher"),
    [*CASES, (run_into_timeout, "Main"), (run_into_timeout, "Main.immediate")],  # Unconfined has no virtual time
)
def test_a_coroutine_that_has_ended_is_freed_at_once(main: VMain, block: Any, dispatcher: str) -> None:
    """F42: by reference counts alone, without the collector."""
    chosen: Any = Dispatchers
    for name in dispatcher.split("."):
        chosen = getattr(chosen, name)
    scope = CoroutineScope(SupervisorJob() + chosen)
    with without_collector():
        ended = [weakref.ref(scope.launch(block)) for _ in range(20)]
        main.drain()
        alive = [ref() for ref in ended if ref() is not None]
        assert alive == []
        del alive
        found = own_garbage()
        # without the GIL, what the timer thread lets go of last is counted by its owner later, or by the collector
        assert found == [] or (FREE_THREADED and dispatcher == "Unconfined")


@contextmanager
def without_collector() -> Iterator[None]:
    """Nothing is collected inside; what was there before never is: a pool thread may just now let go of it."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        if FREE_THREADED:  # else conftest.py has frozen all that was there before the tests, which is to stay so
            gc.unfreeze()


def own_garbage() -> list[str]:
    """Collect, and name the package's objects that only the collector could free. A thread's end leaves others."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        kinds = {type(thing) for thing in gc.garbage}
        return sorted(kind.__qualname__ for kind in kinds if kind.__module__.startswith("vmscope"))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def test_a_cancelled_coroutine_is_freed_at_once(main: VMain, scope: CoroutineScope) -> None:
    """F42"""
    with without_collector():
        ended = []
        for block in (await_cancellation, wait_generator, wait_async):
            job = scope.launch(block)
            ended.append(weakref.ref(job))
            main.step()
            job.cancel()
            del job
        main.drain()
        assert [ref() for ref in ended] == [None] * 3


# ---- F44: of this process


@pytest.mark.parametrize(
    "make", [Job, SupervisorJob, CompletableDeferred, CoroutineScope], ids=lambda make: make.__name__
)
@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy], ids=lambda how: how.__name__)
def test_jobs_and_scopes_are_neither_pickled_nor_copied(make: Any, how: Any) -> None:
    """F44"""
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        how(make())


def test_noncancellable_takes_handlers_and_calls_none() -> None:
    """J16: it never ends, and no child of it is cancelled with it."""
    told: list[Any] = []
    handle = NonCancellable.invoke_on_completion(told.append)
    NonCancellable.invoke_on_completion(told.append, on_cancelling=True)
    child = Job(NonCancellable)

    NonCancellable.cancel()
    assert child.is_active
    child.complete_exceptionally(LookupError("slip"))  # would cancel any other parent
    handle.dispose()

    assert told == []
    assert flags(NonCancellable) == ("Active", True, False, False)


def test_noncancellable_is_pickled_by_name() -> None:
    """F44"""
    assert copy.copy(NonCancellable) is NonCancellable
    assert copy.deepcopy(NonCancellable) is NonCancellable
    assert pickle.loads(pickle.dumps(NonCancellable)) is NonCancellable


# ---- F43: one exception, many throws


def test_asking_a_cancelled_job_again_and_again_does_not_grow_its_traceback() -> None:
    """F43"""
    job = Job()
    job.cancel()
    lengths = []
    for _ in range(50):
        with pytest.raises(CancellationException) as cancelled:
            job.ensure_active()
        lengths.append(len(cancelled.traceback))

    assert lengths == lengths[:1] * 50


def test_the_cancellation_of_a_job_pins_no_frames(main: VMain, scope: CoroutineScope) -> None:
    """F43"""

    class Big:
        """What a frame held."""

    held: list[weakref.ref[Big]] = []

    def body() -> Generator[Any, Any, None]:
        big = Big()
        held.append(weakref.ref(big))
        yield from await_cancellation()

    job = scope.launch(body)
    main.run_current()
    job.cancel()
    main.run_current()

    assert job.is_completed
    assert held[0]() is None


def test_who_completes_a_job_that_waits_for_its_children_is_told_that_it_was_complete() -> None:
    """J15"""
    job = Job()
    child = Job(job)

    answers = [job.complete(), job.complete(), job.complete_exceptionally(ValueError())]
    assert job.is_active
    child.complete()

    assert answers == [True, False, False]
    assert job.is_completed
    assert not job.is_cancelled


def test_the_handle_of_a_handler_that_was_called_keeps_no_job_alive() -> None:
    """J16"""
    job = Job()
    handle = job.invoke_on_completion(lambda cause: None)
    job.complete()
    gone = weakref.ref(job)

    del job
    gc.collect()

    assert gone() is None
    handle.dispose()


def test_who_is_cancelled_by_a_signal_handler_as_he_begins_to_join_does_not_wait(
    main: VMain, scope: CoroutineScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J7: it runs on the thread that holds the lock of the tree, which is reentrant, so it gets in."""
    put, struck_at = Job._put_locked, []

    def put_struck(job: Job, node: Any) -> None:
        put(job, node)
        if job is awaited and not struck_at:
            struck_at.append(node)
            joining.cancel()

    awaited = Job(scope.coroutine_context[Job])
    joining = scope.launch(awaited.join)
    monkeypatch.setattr(Job, "_put_locked", put_struck)
    main.run_current()

    assert struck_at
    assert joining.is_cancelled
    assert joining.is_completed
    assert not awaited._nodes  # no wait is left in its list
    awaited.complete()


@pytest.mark.parametrize("meanwhile", ["while it waits", "between two waits"])
def test_one_that_waits_again_and_again_beside_its_children_keeps_nothing_of_it(main: VMain, meanwhile: str) -> None:
    """F42: in the list of a job that waits stands the place of that wait, once children have come after it."""

    def body() -> Generator[Any, Any, None]:
        for _ in range(10):
            if meanwhile == "between two waits":
                Job(job).complete()
            gate[:] = [Job()]
            yield from gate[0].join()

    gate: list[CompletableJob] = []
    job = CoroutineScope(Dispatchers.Main).launch(body)
    sizes: list[int] = []
    for _ in range(10):
        main.run_current()
        if meanwhile == "while it waits":
            for _ in range(2):
                Job(job).complete()
        sizes.append(len(job._nodes or ()))
        gate[0].complete()
    main.run_current()

    assert max(sizes) <= 1
    assert job.is_completed


def test_who_is_cancelled_while_he_joins_leaves_nothing_behind(main: VMain, scope: CoroutineScope) -> None:
    """J7, F42: a job that lives for long may be joined by many."""
    lasting = Job()
    joining = scope.launch(lasting.join)
    gone = weakref.ref(joining)
    main.run_current()

    joining.cancel()
    main.run_current()
    del joining
    gc.collect()

    assert gone() is None
    lasting.complete()


@pytest.mark.parametrize("at", ["call", "return"])
@pytest.mark.parametrize("ends", ["complete", "cancel"])
def test_a_job_that_a_signal_handler_ends_as_somebody_begins_to_join_it_is_joined(
    main: VMain, scope: CoroutineScope, ends: str, at: str
) -> None:
    """J5, J7: both are of one tree, so the handler gets into its lock."""
    joined = Job(scope.coroutine_context[Job])
    joining = scope.launch(joined.join)

    with struck(Job._put_locked, getattr(joined, ends), at=at) as met:
        main.run_current()

    assert met
    assert (joining.is_completed, joining.is_cancelled) == (True, False)


def test_a_join_that_is_cancelled_as_the_job_ends_is_not_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """J13: it is claimed, and still stands in the list of the job."""
    gate = CompletableDeferred[None]()
    ended: list[str] = []
    take_back = Join._take_back

    def take_back_late(join: Join, cause: BaseException) -> None:
        gate.complete(None)
        assert job.is_completed
        take_back(join, cause)

    def joins(job: Job) -> Generator[Any, Any, None]:
        try:
            yield from job.join()
        except CancellationException:
            ended.append("cancelled")
            raise

    scope = CoroutineScope(Job() + Dispatchers.Unconfined)
    job = scope.launch(gate.await_)
    joiner = scope.launch(joins, job)
    monkeypatch.setattr(Join, "_take_back", take_back_late)
    joiner.cancel()

    assert job.is_completed and not job.is_cancelled
    assert ended == ["cancelled"]
    assert joiner.is_completed
