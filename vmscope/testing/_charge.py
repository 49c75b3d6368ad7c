"""Whose failure it is: which test launched a coroutine, and where; what nobody handled, charged to that test.

While a test runs, a global exception handler collects what reaches nobody else's. A failure is charged to the test
that launched the coroutine, told by the coroutine or by what it stands below; where that is unknown, to the test of the
thread; else to every test that runs now. One that comes after its test has passed fails the next one, which says whose
it was.

Locks
    `_guard`, re-entrant, guards all that stands in this file. A leaf.
Counterpart: kotlinx.coroutines.test.ExceptionCollector.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .._errors import add_suppressed
from .._primitives import RLock, get_ident
from ..coroutines._context import CoroutineName
from ..coroutines._exceptions import add_global_exception_handler
from ..coroutines._job import COMPLETED, Job
from ..coroutines._origin import callers

if TYPE_CHECKING:
    from ..coroutines._context import CoroutineContext
    from ..coroutines._exceptions import GlobalHandle



class UncompletedCoroutinesError(AssertionError):
    """Coroutines of a test did not end in time, or outlive it. The message says which, and where they stand.

    Kotlin: UncompletedCoroutinesError.
    """

    __module__ = "vmscope.testing"


class LeakedFailureError(AssertionError):
    """A coroutine of an earlier test failed after that test had passed; this one is only the messenger.

    The message names the test that leaked; `__cause__` is the failure.
    Kotlin: UncaughtExceptionsBeforeTest, which does not say whose they are.
    """

    __module__ = "vmscope.testing"


class TestRun:
    """A test that runs, or has run.

    Attributes:
        name: The id that pytest gives it, or the name of its block.
        failures: What was charged to it, oldest first.
        over: It has ended: too late to fail it.
        answered: It was failed for what it leaves behind; what comes of that is no news.
    """

    __test__ = False
    __slots__ = ("__weakref__", "answered", "failures", "name", "over", "thread")

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.failures: list[BaseException] = []
        self.over: bool = False
        self.answered: bool = False
        self.thread: int = get_ident()


class Launch:
    """Where a coroutine was launched, and in which test."""

    __slots__ = ("run", "where")

    def __init__(self, where: str, run: TestRun | None) -> None:
        self.where = where
        self.run = run


_guard = RLock()
_launches: WeakKeyDictionary[Job, Launch] = WeakKeyDictionary()
_active: list[TestRun] = []
_late: list[tuple[TestRun, str, BaseException]] = []
_handle: GlobalHandle | None = None


def test_name(block: object) -> str:
    """Return what to call the test that runs now: pytest's id, or the name of `block`."""
    current = os.environ.get("PYTEST_CURRENT_TEST")
    if current:
        return current.rpartition(" (")[0] or current
    return str(getattr(block, "__qualname__", None) or block)


def where_called() -> str:
    """Return the line outside the package that this was called from."""
    return str(next(callers(), "an unknown place"))


def note_launch(job: Job) -> None:
    """Remember that `job` begins here, in the test of this thread."""
    with _guard:
        _launches[job] = Launch(where_called(), run_here())


def belongs(job: Job, run: TestRun) -> None:
    """Say that `job`, and all below it, is the business of `run`."""
    with _guard:
        known = _launches.get(job)
        _launches[job] = Launch(known.where if known is not None else where_called(), run)


def launch_of(job: Job | None) -> Launch | None:
    """Return what is known of `job`, or of the nearest job above it."""
    with _guard:
        while job is not None:
            known = _launches.get(job)
            if known is not None and known.run is not None:
                return known
            job = job._parent
    return None


def place_of(job: Any) -> str:
    """Say where `job` was launched, or at least where its body is written."""
    with _guard:
        known = _launches.get(job)
    if known is not None:
        return f"launched at {known.where}"
    body = getattr(job, "_generator", None) or getattr(job, "_block", None)
    for attribute in ("gi_code", "cr_code", "__code__"):
        code = getattr(body, attribute, None)
        if code is not None:
            return f"with the body at {os.path.basename(code.co_filename)}:{code.co_firstlineno} in {code.co_qualname}"
    return "launched at an unknown place"


def run_here() -> TestRun | None:
    """Return the innermost test that runs on this thread; else the only one that runs at all."""
    with _guard:
        thread = get_ident()
        for run in reversed(_active):
            if run.thread == thread:
                return run
        return _active[0] if len(_active) == 1 else None


def enter(run: TestRun) -> None:
    """Begin to collect for `run`.

    Raises:
        LeakedFailureError: An earlier test has left a failure behind.
    """
    global _handle
    with _guard:
        late = list(_late)
        _late.clear()
        if not late:
            _active.append(run)
            if _handle is None:
                _handle = add_global_exception_handler(_take)
    if late:
        raise _leaked(late)


def leave(run: TestRun) -> None:
    """End the collecting for `run`."""
    global _handle
    with _guard:
        run.over = True
        _active.remove(run)
        handle = None
        if not _active and not any(_outlives(job, known) for job, known in list(_launches.items())):
            handle, _handle = _handle, None
    if handle is not None:
        handle.dispose()


def _outlives(job: Job, known: Launch) -> bool:
    return known.run is not None and known.run.over and job._state < COMPLETED


def take_late(run: TestRun) -> LeakedFailureError | None:
    """Return the failures that earlier tests have left since `run` began, as one."""
    with _guard:
        late = [each for each in _late if each[0] is not run]
        _late.clear()
    return _leaked(late) if late else None


def _leaked(late: list[tuple[TestRun, str, BaseException]]) -> LeakedFailureError:
    lines = [f"{run.name}: {where} failed after the test was over: {error!r}" for run, where, error in late]
    leaked = LeakedFailureError(
        "not this test's failure. A coroutine that outlived its test has failed meanwhile; repair that one:\n  "
        + "\n  ".join(lines)
    )
    leaked.__cause__ = late[0][2]
    return leaked


def _take(context: CoroutineContext, error: BaseException) -> object:
    """The global exception handler. It may stand while no test runs, for coroutines that outlive theirs."""
    job = context.get(Job)
    name = context.get(CoroutineName)
    known = launch_of(job)
    title = f"coroutine {name.name!r}" if name is not None else "a coroutine"
    where = f"{title}, {place_of(job)}," if known is not None and job is not None else title
    with _guard:
        run = known.run if known is not None else run_here()
        if run is not None and (run.over or run.answered):
            if not run.answered:
                _late.append((run, where, error))
            return None
        charged = [run] if run is not None else list(_active)
        for each in charged:
            each.failures.append(error)
    if not charged:
        return NotImplemented
    error.add_note(f"uncaught in {where.rstrip(',')}; charged to {', '.join(each.name for each in charged)}")
    return None


def raise_all(first: BaseException | None, others: list[BaseException]) -> None:
    """Raise `first`, or the first of the others, with the rest suppressed in it; return where there is none."""
    for other in others:
        if first is None:
            first = other
        elif other is not first:
            add_suppressed(first, other)
    if first is not None:
        raise first
