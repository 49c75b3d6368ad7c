"""TestScope and run_test: a test body as a coroutine on virtual time, and all that must hold when it is over.

    run_test ----> body ----> its children ----> background cancelled ----> ViewModels cleared and joined ----> verdict
                     | real-time limit: dump, cancel, a moment to clean up ---------------------------------------^
Locks: none of its own. `_here` is the thread's.
Counterpart: kotlinx.coroutines.test.TestScope, runTest.
"""

from __future__ import annotations

import os
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, cast, overload

from .._errors import CancellationException, IllegalStateError
from .._primitives import ThreadLocal
from ..coroutines._builders import _value_of
from ..coroutines._context import CoroutineContext, EmptyCoroutineContext, checked_context
from ..coroutines._coroutine import Coroutine, Env
from ..coroutines._dispatcher import CoroutineDispatcher
from ..coroutines._exceptions import CoroutineExceptionHandler
from ..coroutines._job import ACTIVE, COMPLETED, CompletableJob, Job, SupervisorJob
from ..coroutines._scope import CoroutineScope
from ..coroutines._suspend import check_block
from ..coroutines._time import checked_seconds
from ._charge import (
    TestRun,
    UncompletedCoroutinesError,
    belongs,
    enter,
    leave,
    note_launch,
    raise_all,
    take_late,
    test_name,
)
from ._checks import wait_until_idle
from ._decorate import decorated, decorates
from ._dispatchers import StandardTestDispatcher, TestDispatcher, main_test_dispatcher
from ._events import BACKGROUND
from ._guard import ViewModelGuard
from ._hang import dump
from ._scheduler import STEPS, TestScheduler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import TracebackType
    from typing import Self

    from ..coroutines._suspend import Suspending

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: Environment variable: the real-time limit of tests that give none.
TIMEOUT_VARIABLE = "VMSCOPE_RUN_TEST_TIMEOUT"
#: Real seconds that a test which was cancelled at its limit is given to clean up.
GRACE = 2.0


def _default_timeout() -> float:
    text = os.environ.get(TIMEOUT_VARIABLE, "60")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds > 0:
        raise ValueError(f"{TIMEOUT_VARIABLE}={text!r}: the limit of run_test in seconds, more than 0")
    return seconds


DEFAULT_TIMEOUT = _default_timeout()


class _Here(ThreadLocal):
    running: TestScope | None = None


_here = _Here()


class TestScopeImpl(Coroutine):
    """The job of a TestScope: its children may come before its body, and its body is what run_test runs."""

    __slots__ = ("_parked", "_ring")
    __test__ = False
    _parked: bool  # the body has not been given yet
    _ring: Callable[[], object]

    def _finish(self, value: Any, error: BaseException | None) -> None:
        super()._finish(value, error)
        self._ring()

    def _after_completion(self) -> None:
        self._ring()


class _BackgroundJob(SupervisorJob):
    """The job of background_scope: children fail alone, and each failure is charged to the test."""

    __slots__ = ()


class TestScope(CoroutineScope):
    """Where a test launches coroutines, and moves their time. `run_test` makes one and gives it to the block.

    Args:
        context: A test dispatcher, or a TestScheduler, or a name and the like. Without a dispatcher it gets a
            StandardTestDispatcher, on the scheduler of the dispatcher that is set as Main where there is one.

    Attributes:
        scheduler: The TestScheduler.
        background_scope: For what the test does not wait for: cancelled when the body is over; a failure in it fails
            the test.

    Raises:
        ValueError: A dispatcher that is not for tests, one with another scheduler than the one given, or an exception
            handler: failures of a test belong to the test.

    Kotlin: TestScope.
    """

    __test__ = False

    def __init__(self, context: CoroutineContext = EmptyCoroutineContext) -> None:
        checked_context(context, "TestScope(...)")
        dispatcher = _dispatcher_for(context)
        self.scheduler: TestScheduler = dispatcher.scheduler
        if context.get(CoroutineExceptionHandler) is not None:
            raise ValueError(
                "A CoroutineExceptionHandler was passed to TestScope. Please pass it to launch or to a scope with a "
                "SupervisorJob in the test instead: what is not handled there fails the test"
            )
        inherited = context.minus_key(Job) + self.scheduler + dispatcher
        body = object.__new__(TestScopeImpl)
        body._parked = True
        body._ring = self.scheduler._queue.ring
        body._init_coroutine(context.get(Job), Env(inherited), ACTIVE, None, ())
        self._body = body
        self._hold(inherited + body)
        self.background_scope: CoroutineScope = CoroutineScope(inherited + BACKGROUND + _BackgroundJob())
        self._entered: TestRun | None = None
        for job in (body, self.background_scope._job):
            assert job is not None
            note_launch(job)
            self.scheduler.watch(job)

    @property
    def current_time(self) -> float:
        """Virtual seconds of the scheduler."""
        return self.scheduler.current_time

    def advance_time_by(self, seconds: float) -> None:
        """Move the clock, and run what is due strictly before its new time. See `TestScheduler.advance_time_by`."""
        self.scheduler.advance_time_by(seconds)

    def run_current(self) -> None:
        """Run what is due at this instant. See `TestScheduler.run_current`."""
        self.scheduler.run_current()

    def advance_until_idle(self, limit: float = float("inf"), steps: int = STEPS) -> None:
        """Run all but background work. See `TestScheduler.advance_until_idle`."""
        self.scheduler.advance_until_idle(limit, steps)

    def wait_until_idle(self, cushion: float = 0.0) -> Suspending[None]:
        """Suspend until nothing but the caller can run at this instant. See `vmscope.testing.wait_until_idle`."""
        return wait_until_idle(cushion)

    def run_test(self, block: Callable[..., Any], *args: Any, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """Run `block` as the body of this scope; once. See `vmscope.testing.run_test`."""
        check_block(block, args, "run_test()")
        return _run(self, block, args, _checked_timeout(timeout))

    def __enter__(self) -> Self:
        """Charge failures that nobody handles to this scope, until the end of the `with` block.

        Raises:
            IllegalStateError: It was entered before: with the end of that it has ended.
        """
        if self._entered is not None:
            raise IllegalStateError(f"`with` over {self!r}, which was entered before. Make a TestScope for each")
        run = TestRun(test_name("with TestScope()"))
        enter(run)
        self._entered = run
        for job in (self._body, self.background_scope._job):
            assert job is not None
            belongs(job, run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the scope: cancel all that is left in it, let that clean up, and raise what was charged to it."""
        run, body = self._entered, self._body
        assert run is not None
        jobs = [job for job in (body, self.background_scope._job) if job is not None]
        ended = body._state >= COMPLETED
        for job in jobs:
            job.cancel("the with block of the TestScope is over")
        if body._parked:  # no body will come: it ends with its children
            body._parked = False
            body._due = False
            body._finish(None, None)
        deadline = monotonic() + GRACE
        self.scheduler.drive(lambda: all(job._state >= COMPLETED for job in jobs), deadline, stop_when_idle=True)
        leave(run)
        failures = list(run.failures)
        cause = body._cause
        if not ended and cause is not None and not isinstance(cause, CancellationException):
            failures.append(cause)
        raise_all(error, failures)

    def __repr__(self) -> str:
        return f"<TestScope at {self.current_time:g} s, {self._body.state_name.lower()}>"


def _dispatcher_for(context: CoroutineContext) -> TestDispatcher:
    given = context.get(CoroutineDispatcher)
    scheduler = context.get(TestScheduler)
    if given is None:
        if scheduler is None:
            main = main_test_dispatcher()
            scheduler = None if main is None else main.scheduler
        return StandardTestDispatcher(scheduler)
    if not isinstance(given, TestDispatcher):
        raise ValueError(
            f"Dispatcher must implement TestDispatcher: {given!r}. Give a StandardTestDispatcher or an "
            "UnconfinedTestDispatcher; for real threads use with_context in the test"
        )
    if scheduler is not None and given.scheduler is not scheduler:
        raise ValueError(
            f"Both a TestScheduler {scheduler!r} and TestDispatcher {given!r} linked to another scheduler "
            "were passed. Give one of them, or make the dispatcher with that scheduler"
        )
    return given


def _checked_timeout(timeout: float) -> float:
    if not checked_seconds(timeout, "run_test(timeout=...)") > 0:
        raise ValueError(f"run_test(timeout=...) takes more than 0 seconds, got {timeout!r}")
    return timeout


@overload
def run_test(
    block: Callable[[TestScope, *Ts], Generator[Any, Any, T]], *args: *Ts, timeout: float = DEFAULT_TIMEOUT,
    context: CoroutineContext = EmptyCoroutineContext,
) -> T: ...  # fmt: skip
@overload
def run_test(
    block: Callable[[TestScope, *Ts], Awaitable[T]], *args: *Ts, timeout: float = DEFAULT_TIMEOUT,
    context: CoroutineContext = EmptyCoroutineContext,
) -> T: ...  # fmt: skip
@overload
def run_test(
    block: Callable[[TestScope, *Ts], T], *args: *Ts, timeout: float = DEFAULT_TIMEOUT,
    context: CoroutineContext = EmptyCoroutineContext,
) -> T: ...  # fmt: skip
@overload
def run_test(
    *, timeout: float = DEFAULT_TIMEOUT, context: CoroutineContext = EmptyCoroutineContext
) -> Callable[[Callable[..., Any]], Callable[..., None]]: ...
def run_test(  # type: ignore[misc]  # mypy fits no variadic and a decorator into one
    block: Callable[..., Any] | None = None, *args: Any, timeout: float = DEFAULT_TIMEOUT,
    context: CoroutineContext = EmptyCoroutineContext,
) -> Any:  # fmt: skip
    """Run a test on virtual time, and return the value of its block. Delays take no time.

    Args:
        block: A generator function, an `async def` or a plain function; gets the TestScope, then `args`.
        timeout: Real seconds after which the test is cancelled and fails with a dump of all coroutines. The environment
            variable VMSCOPE_RUN_TEST_TIMEOUT gives another default.
        context: For the TestScope: a test dispatcher, say.

    As a decorator, `@run_test` or `@run_test(timeout=5.0)`, it makes a test for pytest or unittest of the function
    below; pytest gives fixtures for the parameters after the scope, and a method has `self` before it.

    Children of the scope are waited for; the background scope is cancelled when the body is over. Virtual time jumps to
    the next task when nothing is due, and no work that the test has sent to real threads is in flight. ViewModels that
    were made in the block are cleared, and joined, at its end.

    Raises:
        BaseException: What the body or a child failed with, or anybody's failure that nobody handled. More than one:
            the others are its `suppressed`.
        UncompletedCoroutinesError: `timeout` was reached; or coroutines of a ViewModel go on after it was cleared.
        LeakedFailureError: A coroutine of an earlier test failed after that one had passed.
        IllegalStateError: Called inside another run_test.

    Kotlin: runTest.
    """
    checked_context(context, "run_test(context=...)")
    seconds = _checked_timeout(timeout)
    if block is None:
        return lambda function: decorated(function, lambda body: _fresh(body, (), seconds, context))
    check_block(block, args, "run_test()")
    if not args and decorates(block):
        return decorated(block, lambda body: _fresh(body, (), seconds, context))
    return _fresh(block, args, seconds, context)


def _fresh(block: Any, args: tuple[Any, ...], timeout: float, context: CoroutineContext) -> Any:
    _refuse_nested()
    return _run(TestScope(context), block, args, timeout)


def _refuse_nested() -> None:
    if _here.running is not None:
        raise IllegalStateError(
            "run_test inside run_test: the inner one would wait for the thread that runs the outer one. Use "
            "coroutine_scope(block), or call the block with `yield from` or `await`"
        )


def _run(scope: TestScope, block: Any, args: tuple[Any, ...], timeout: float) -> Any:
    _refuse_nested()
    body = scope._body
    if not body._parked:
        raise IllegalStateError(
            "Only a single call to `run_test` can be performed during one test. Make a TestScope for each"
        )
    run = TestRun(test_name(block))
    enter(run)
    background = cast("CompletableJob", scope.background_scope._job)
    belongs(body, run)
    belongs(background, run)
    guard = ViewModelGuard(run, scope.scheduler)
    guard.open()
    _here.running = scope
    failures: list[BaseException] = []
    late: BaseException | None = None
    try:
        try:
            late = _drive(scope, block, args, timeout)
        except BaseException as struck:  # noqa: BLE001  (a Ctrl-C: the test ends in order first)
            late = struck
            body.cancel("the test was interrupted")
        background.cancel("the test body is over")
        deadline = monotonic() + GRACE
        scope.scheduler.drive(lambda: background._state >= COMPLETED, deadline, stop_when_idle=True)
        failures = guard.close()
    finally:
        _here.running = None
        leave(run)
    ended = body._cause if body._state >= COMPLETED else None
    others = [] if late is None or ended is None or late.__cause__ is ended else [ended]
    first = late or ended
    failures = [*others, *run.failures, *failures]
    from_earlier = take_late(run)
    if from_earlier is not None:
        failures.append(from_earlier)
    if first is not None and first is ended and not failures:
        return _value_of(body)  # raises it
    raise_all(first, failures)
    return _value_of(body)


def _drive(scope: TestScope, block: Any, args: tuple[Any, ...], timeout: float) -> BaseException | None:
    """Run body and children to their end; what the limit in real time has to say, if that was reached."""
    body, scheduler = scope._body, scope.scheduler
    body._parked = False
    body._block = block
    body._args = (scope, *args) if callable(block) else ()
    body._context = copy_context()
    began = monotonic()
    if body._dispatcher._needs_dispatch(body):
        body._dispatcher._dispatch(body)
    else:
        body._due = False
        body._begin()  # not in the in-place loop: what the body launches begins at once
    if scheduler.drive(lambda: body._state >= COMPLETED, began + timeout):
        return None
    error = UncompletedCoroutinesError(f"After waiting for {_duration(timeout)}, {_what_hangs(body)}\n{dump()}")
    stop = CancellationException("The test timed out")
    body.cancel(stop)
    if not scheduler.drive(lambda: body._state >= COMPLETED, monotonic() + GRACE):
        error.add_note(f"and it did not end within {GRACE:g} s of being cancelled: {body!r}")
    if body._cause is stop:
        error.__cause__ = stop
    return error


def _what_hangs(body: TestScopeImpl) -> str:
    if body._frame is not None:
        return "the test body did not run to completion"
    children = list(body.children)
    if children:
        active = "active " if all(child.is_active for child in children) else ""
        return (
            f"there were {active}child jobs: {children!r}. Use the background_scope of the TestScope for coroutines "
            "that are to be cancelled when the body is over"
        )
    return "the test completed, but only after the timeout"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"
