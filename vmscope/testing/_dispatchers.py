"""The test dispatchers: Standard queues each step, Unconfined starts in place; delays of both are virtual.

Locks: none of its own.
Counterpart: kotlinx.coroutines.test.StandardTestDispatcher, UnconfinedTestDispatcher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .._errors import IllegalStateError
from ..coroutines._dispatcher import CoroutineDispatcher, Runnable, check_parallelism
from ..coroutines._dispatchers import Dispatchers
from ..coroutines._main import Posted, _main
from ._scheduler import TestScheduler

if TYPE_CHECKING:
    from ..coroutines._context import CoroutineContext
    from ..looper._queue import MessageQueue


class TestDispatcher(CoroutineDispatcher):
    """Runs its tasks when its scheduler is told to. Base of the two kinds there are.

    Attributes:
        scheduler: Whose clock and queue it uses.
        name: For its repr.

    Kotlin: TestDispatcher.
    """

    __test__ = False
    __slots__ = ("name", "scheduler")
    _resumes_timers_in_place = True

    def __init__(self, scheduler: TestScheduler | None = None, name: str | None = None) -> None:
        if scheduler is not None and not isinstance(scheduler, TestScheduler):
            raise TypeError(f"{type(self).__name__} takes a TestScheduler, got {scheduler!r}")
        self.scheduler: TestScheduler = scheduler or main_scheduler() or TestScheduler()
        self.name: str | None = name

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Queue `block` for the present instant."""
        self._check(context)
        self.scheduler._queue.put(_Posted(block, context))

    def limited_parallelism(self, parallelism: int, name: str | None = None) -> CoroutineDispatcher:
        """Return this dispatcher, or a view with a name: a test has one thread."""
        check_parallelism(parallelism)
        return self if name is None else type(self)(self.scheduler, name)

    def _dispatch(self, coroutine: Any) -> None:
        self._check(coroutine._frame._env.context)
        self.scheduler.see(coroutine)
        self.scheduler._queue.put(coroutine)

    def _timers(self) -> MessageQueue:
        return cast("MessageQueue", self.scheduler._queue)  # all that the core asks of a queue of timers

    def _check(self, context: CoroutineContext) -> None:
        other = context.get(TestScheduler)
        if other is not None and other is not self.scheduler:
            raise IllegalStateError(
                f"two schedulers in one test: the coroutine runs with {other!r}, its dispatcher is {self!r}. Make one "
                "TestScheduler and give it to each test dispatcher: StandardTestDispatcher(scope.scheduler)"
            )

    def __repr__(self) -> str:
        return f"{self.name or type(self).__name__}[scheduler={self.scheduler!r}]"


class _Posted(Posted):
    """A stranger's task, and the context that says whether the test waits for it."""

    __slots__ = ("context",)

    def __init__(self, block: Runnable, context: CoroutineContext) -> None:
        super().__init__(block)
        self.context = context

    def __repr__(self) -> str:
        return repr(self._block)


class StandardTestDispatcher(TestDispatcher):
    """Queues all, the first step too: what is launched runs once the test waits, or moves the scheduler on.

    Args:
        scheduler: None takes that of the dispatcher that is set as Main, else makes one.
        name: For its repr.

    Kotlin: StandardTestDispatcher.
    """

    __slots__ = ()

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return True


class UnconfinedTestDispatcher(TestDispatcher):
    """Starts and resumes coroutines in place, as Dispatchers.Unconfined does; delays are virtual.

    What is launched is under way when `launch` returns. The order of several of them nested in each other is not
    promised. After work on a real thread a coroutine goes on on that thread.

    Args:
        scheduler: None takes that of the dispatcher that is set as Main, else makes one.
        name: For its repr.

    Kotlin: UnconfinedTestDispatcher.
    """

    __slots__ = ()

    def is_dispatch_needed(self, context: CoroutineContext) -> bool:
        return False

    def _needs_dispatch(self, coroutine: Any) -> bool:
        self._check(coroutine._frame._env.context)
        self.scheduler.see(coroutine)
        return False

    def _dispatch_yield(self, coroutine: Any) -> bool:
        return Dispatchers.Unconfined._dispatch_yield(coroutine)


def main_test_dispatcher() -> TestDispatcher | None:
    """Return the test dispatcher that stands behind Dispatchers.Main, if one does."""
    main = getattr(_main.delegate, "wrapped", None)
    return main if isinstance(main, TestDispatcher) else None


def main_scheduler() -> TestScheduler | None:
    """Return the scheduler of the dispatcher that is set as Main, if it is one for tests."""
    main = main_test_dispatcher()
    return None if main is None else main.scheduler
