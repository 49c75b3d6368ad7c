"""The guard: what a test has made ends with the test, and what does not end fails that test, by name.

While a guard is open, each ViewModel that is used for the first time is noted. When it closes, they are cleared, their
coroutines are given the time to clean up, virtual or real, and only then Main is put back. What still lives is listed,
with the line that launched it, and cancelled, so that the next test begins clean.

Locks
    `_lock` guards `_open`, the guards there are. A leaf.
Counterpart: none. What Android's users write by hand as MainDispatcherRule leaves ViewModels to the next test.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from .._primitives import RLock, get_ident
from ..coroutines._coroutine import Coroutine
from ..coroutines._job import COMPLETED, Job
from ..debug._tree import describe
from ..lifecycle import _viewmodel
from ._charge import (
    TestRun,
    UncompletedCoroutinesError,
    belongs,
    enter,
    launch_of,
    leave,
    place_of,
    raise_all,
    take_late,
    test_name,
)
from ._dispatchers import UnconfinedTestDispatcher, main_scheduler
from ._flight import in_flight, root_of, stack_here
from ._main import reset_main, set_main
from ._scheduler import TestScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from ..coroutines._dispatcher import CoroutineDispatcher
    from ..lifecycle._viewmodel import ViewModel

V = TypeVar("V", bound="ViewModel")

#: Real seconds that a cancelled coroutine on a real thread is given to end.
PATIENCE = 5.0

_lock = RLock()
_open: list[ViewModelGuard] = []


def _made(view_model: ViewModel) -> None:
    """A ViewModel is used for the first time: the innermost guard of this thread takes it, else the innermost."""
    with _lock:
        mine = [guard for guard in _open if guard._thread == get_ident()] or _open
        guard = mine[-1] if mine else None
    if guard is not None:
        guard.add(view_model)


class ViewModelGuard:
    """Keeps track of the ViewModels that are made while it is open. Iterates over those that are alive.

    A ViewModel is seen when it is used for the first time: constructed through `ViewModel.__init__`, asked for its
    scope, or put into a store.

    Threads: ViewModels may be made on any; the rest belongs to the test.
    """

    def __init__(self, run: TestRun, scheduler: TestScheduler | None = None, patience: float = PATIENCE) -> None:
        self._run = run
        self._thread = get_ident()
        self._scheduler = scheduler
        self._patience = patience
        self._view_models: dict[int, ref[ViewModel]] = {}
        self._jobs: list[Job] = []  # of those that are gone without a clear()

    def __iter__(self) -> Iterator[ViewModel]:
        with _lock:
            known = list(self._view_models.values())
        return iter([view_model for each in known if (view_model := each()) is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def add(self, view_model: V) -> V:
        """Clear `view_model` at the end of the test, too; returns it."""
        with _lock:
            self._view_models[id(view_model)] = ref(view_model)
        return view_model

    def open(self) -> None:
        """Begin to note ViewModels."""
        with _lock:
            _open.append(self)
            _viewmodel.watch = _made

    def close(self, also: Callable[[], list[Any]] = list) -> list[BaseException]:
        """Clear the ViewModels, wait for their coroutines, and return what went wrong.

        Args:
            also: Returns further coroutines that must have ended by now.
        """
        with _lock:
            _open.remove(self)
            if not _open:
                _viewmodel.watch = None
        failures: list[BaseException] = []
        jobs = []
        for view_model in self:
            inside = _viewmodel._inside(view_model)
            job = inside.scope.coroutine_context.get(Job) if inside.scope is not None and inside.own else None
            if job is not None:
                belongs(job, self._run)
                jobs.append(job)
            try:
                view_model.clear()
            except BaseException as failure:  # noqa: BLE001  (the others must be cleared, too)
                failures.append(failure)
        self._join(lambda: all(job._state >= COMPLETED for job in jobs), jobs)
        left = [each for job in jobs for each in coroutines_below(job)]
        left += [each for each in also() if each not in left and each._state < COMPLETED]
        if left:
            failures.append(UncompletedCoroutinesError(_outliving(self._run.name, left)))
            self._run.answered = True
            for each in left:
                root_of(each).cancel(f"the test {self._run.name} is over")
            self._join(lambda: all(each._state >= COMPLETED for each in left), list(left))
        return failures

    def _join(self, done: Callable[[], bool], jobs: list[Job]) -> None:
        """Run what cleans up until `done()`, or nothing is left that could make it so."""
        scheduler = self._scheduler
        deadline = monotonic() + self._patience
        if scheduler is not None:
            for job in jobs:
                scheduler.watch(job)
            scheduler.drive(done, deadline, stop_when_idle=True)
            return
        waiting = TestScheduler()  # for its bell
        stack = stack_here()
        while not done() and monotonic() < deadline:
            flying, _ = in_flight(jobs, waiting._queue, stack)
            if flying is None and not done():
                return
            waiting._queue.wait(0.001, done)


def coroutines_below(job: Job) -> list[Coroutine]:
    """Return the coroutines at and below `job` that have not ended, outermost first."""
    found, stack = [], [job]
    while stack:
        one = stack.pop()
        if isinstance(one, Coroutine) and one._state < COMPLETED:
            found.append(one)
        stack += reversed(list(one.children))
    return found


def _outliving(name: str, left: list[Any]) -> str:
    lines = [f"  {describe(each)}, {place_of(each)}" for each in left]
    several = f"{len(left)} coroutines outlive" if len(left) > 1 else "a coroutine outlives"
    return (
        f"{name}: {several} the test. Launch in view_model_scope, in the TestScope or its background_scope, or cancel "
        "and join before the end:\n" + "\n".join(lines)
    )


class main_dispatcher:  # noqa: N801  (used as a function)
    """Put a test dispatcher behind Dispatchers.Main for a `with` block, and leave nothing of the test behind.

    Gives the dispatcher. At the end all ViewModels made in the block are cleared and their coroutines joined, then Main
    is put back. A coroutine that is left fails the test: of a ViewModel, or anything else that ran on this dispatcher's
    scheduler. So does a failure that nobody handled.

    Args:
        dispatcher: None makes an UnconfinedTestDispatcher.
        name: Of the test, for messages; by default what pytest calls it.
        patience: Real seconds to wait for coroutines on real threads that were cancelled.

    Raises:
        UncompletedCoroutinesError: Coroutines outlive the test; names them, where they wait and who launched them.
        ValueError: As `set_main`.

    Kotlin: what Android's samples write as MainDispatcherRule.
    """

    def __init__(
        self, dispatcher: CoroutineDispatcher | None = None, *, name: str | None = None, patience: float = PATIENCE
    ) -> None:
        self._given = dispatcher
        self._name = name
        self._patience = patience

    def __enter__(self) -> Any:
        dispatcher = self._given or UnconfinedTestDispatcher()
        set_main(dispatcher)
        try:
            self._run = TestRun(self._name or test_name("with main_dispatcher()"))
            enter(self._run)
            self._known = set(self._scheduler_known())
            self.view_models: ViewModelGuard = ViewModelGuard(self._run, main_scheduler(), self._patience)
            self.view_models.open()
        except BaseException:
            reset_main()
            raise
        return dispatcher

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failures: list[BaseException] = []
        try:
            failures += self.view_models.close(self._left)
        finally:
            try:
                reset_main()
            except BaseException as failure:  # noqa: BLE001  (the test is told of all)
                failures.append(failure)
            leave(self._run)
        failures = [*self._run.failures, *failures]
        late = take_late(self._run)
        if late is not None:
            failures.append(late)
        if error is None:
            raise_all(None, failures)
        elif any(failure is not error for failure in failures):
            raise_all(error, failures)

    def _scheduler_known(self) -> list[Coroutine]:
        scheduler = main_scheduler()
        return [] if scheduler is None else scheduler.known()

    def _left(self) -> list[Coroutine]:
        """What ran on the scheduler of Main and has not ended, and is nobody else's business."""
        found = []
        for job in self._scheduler_known():
            known = launch_of(job)
            if getattr(job, "_parked", False):  # the job of a TestScope that was given no body
                continue
            run = None if known is None else known.run
            mine = run is None or run is self._run or (run.over and not run.answered)
            if mine and job not in self._known:
                found.append(job)
        return found


class ViewModelTest:
    """A mixin for unittest.TestCase: Main is `self.main`, a test dispatcher; its ViewModels end with each test.

    class FeedTest(ViewModelTest, unittest.TestCase): ...

    Override `make_main()` for another dispatcher.
    """

    __test__ = False
    main: Any
    view_models: ViewModelGuard

    def make_main(self) -> CoroutineDispatcher:
        """Return the dispatcher for Main: an UnconfinedTestDispatcher."""
        return UnconfinedTestDispatcher()

    def setUp(self) -> None:
        """Put the dispatcher behind Main, until all clean-up of the test has been done."""
        super().setUp()  # type: ignore[misc]
        guard = main_dispatcher(self.make_main(), name=self.id())  # type: ignore[attr-defined]
        self.main = self.enterContext(guard)  # type: ignore[attr-defined]
        self.view_models = guard.view_models


