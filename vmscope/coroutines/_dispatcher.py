"""CoroutineDispatcher: which thread a coroutine runs on; Unconfined; limited views.

Invariant of a limited view
    V1  what stands in its queue has a worker, which runs or is promised by the parent, or is refused: each with its own
        `rejected()`, or with the error that its putter gets. Never both, never neither.
Locks
    `_lock` of a LimitedDispatcher guards `_running` and `_closed`; the queue beside it is a deque. A leaf.
Counterpart: kotlinx.coroutines.CoroutineDispatcher, Unconfined, LimitedDispatcher.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol

from .._errors import RejectedExecutionError
from .._primitives import RLock
from ._context import ContextElement, CoroutineContext, EmptyCoroutineContext
from ._exceptions import report_globally
from ._here import here
from ._timer import shared_timers

if TYPE_CHECKING:
    from ..looper._queue import MessageQueue


class Runnable(Protocol):
    """What a dispatcher is given to run, once, on a thread of its choice."""

    def run(self) -> None:
        """Run it."""


class CoroutineDispatcher(ContextElement):
    """Decides where a coroutine runs. Derive from it and write `dispatch`.

    Kotlin: CoroutineDispatcher.
    """

    __slots__ = ("__weakref__",)
    key: ClassVar[type]
    _stands_last = True
    _resumes_timers_in_place = False  # its timers fire on its own thread: a delay goes on in the timer's own turn

    def is_dispatch_needed(self, context: CoroutineContext) -> bool:
        """Say whether `dispatch` is to be used; False runs the coroutine in place, on the calling thread."""
        return True

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Have `block.run()` called once, soon, on a thread of this dispatcher; do not call it from here.

        What it raises fails the coroutine.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say how to dispatch: define dispatch(context, block)"
        )

    def limited_parallelism(self, parallelism: int, name: str | None = None) -> CoroutineDispatcher:
        """Return a view of this dispatcher that runs at most `parallelism` of its tasks at once.

        Raises:
            ValueError: `parallelism` is less than 1.

        A view of 1 runs its tasks one after another, each seeing what the one before wrote; it is no mutex across a
        suspension. Views of one dispatcher are independent of each other.
        Kotlin: limitedParallelism.
        """
        check_parallelism(parallelism)
        return LimitedDispatcher(self, parallelism, name)

    def as_executor(self) -> Any:
        """Return a `concurrent.futures.Executor` whose tasks run on this dispatcher."""
        from ._executor import DispatcherExecutor

        return DispatcherExecutor(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} cannot be pickled: its threads belong to this process")

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return self.is_dispatch_needed(coroutine.coroutine_context)

    def _dispatch(self, coroutine: Any) -> None:
        """Queue `coroutine.run()`. Dispatchers of the package take the coroutine itself, others what runs only once."""
        self.dispatch(coroutine.coroutine_context, Once(coroutine))

    def _dispatch_if_needed(self, coroutine: Any) -> bool:
        """Queue `coroutine.run()` where that is needed. False: it runs in place."""
        if self._needs_dispatch(coroutine):
            self._dispatch(coroutine)
            return True
        return False

    def _dispatch_yield(self, coroutine: Any) -> bool:
        """Queue it behind what waits already. False: nothing waits, go on."""
        self._dispatch(coroutine)
        return True

    def _timers(self) -> MessageQueue:
        """The queue that wakes its delays and timeouts."""
        return shared_timers()

    def _needs_this_thread(self) -> bool:
        """Whether nothing can run on it while the calling thread blocks."""
        return False


def check_parallelism(parallelism: object) -> None:
    """Refuse what is no parallelism.

    Raises:
        TypeError, ValueError: It is no whole number from 1 up.
    """
    if not isinstance(parallelism, int) or isinstance(parallelism, bool):
        raise TypeError(f"parallelism must be a whole number, got {parallelism!r}")
    if parallelism < 1:
        raise ValueError(f"parallelism must be at least 1, got {parallelism!r}")


class Once:
    """A coroutine in the hands of a dispatcher that is not ours: however often `run` is called, it runs once.

    Two threads in one generator crash a free-threaded interpreter, so a stranger's slip must end here.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = [coroutine]

    def run(self) -> None:
        """Run it, the first time."""
        try:
            coroutine = self._coroutine.pop()  # one step on every build: a second caller finds nothing
        except IndexError:
            return
        coroutine.run()

    __call__ = run


class _Unconfined(CoroutineDispatcher):
    """Runs in the caller up to the first suspension, then wherever it is resumed."""

    __slots__ = ()

    def is_dispatch_needed(self, context: CoroutineContext) -> bool:
        return False

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Refused: there is nowhere to dispatch to.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            "Dispatchers.Unconfined.dispatch can only be used by the yield_ function: it has no thread of its own; "
            "a dispatcher that delegates to it must delegate is_dispatch_needed as well"
        )

    def limited_parallelism(self, parallelism: int, name: str | None = None) -> CoroutineDispatcher:
        """Refused: there are no threads to limit.

        Raises:
            NotImplementedError: Always.
        """
        check_parallelism(parallelism)
        raise NotImplementedError("limited_parallelism is not supported for Dispatchers.Unconfined: it has no threads")

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return False

    def _dispatch_yield(self, coroutine: Any) -> bool:
        waiting = here.loop.waiting
        if not waiting:
            return False
        waiting.append(coroutine)
        return True

    def __repr__(self) -> str:
        return "Dispatchers.Unconfined"


class LimitedDispatcher(CoroutineDispatcher):
    """At most `limit` tasks of `parent` at once. Default and IO are two of these on one pool."""

    __slots__ = ("_closed", "_lock", "_name", "_queue", "_running", "_worker", "limit", "parent")

    def __init__(self, parent: CoroutineDispatcher, limit: int, name: str | None = None) -> None:
        self.parent = parent
        self.limit = limit
        self._name = name
        self._lock = RLock()
        self._queue: deque[Runnable] = deque()
        self._running = 0
        self._closed = False  # the parent takes no more workers, and those that are there work off the queue
        self._worker = _Worker(self)

    def is_dispatch_needed(self, context: CoroutineContext) -> bool:
        return self.parent.is_dispatch_needed(context)

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Queue `block`; start one more worker on the parent if there are fewer than `limit`."""
        self._put(block)

    def limited_parallelism(self, parallelism: int, name: str | None = None) -> CoroutineDispatcher:
        """Return a view of at most `parallelism` tasks at once; this one where it allows no more anyway."""
        check_parallelism(parallelism)
        if parallelism >= self.limit and name is None:
            return self
        return LimitedDispatcher(self, parallelism, name)

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return self.parent._needs_dispatch(coroutine)

    def _dispatch(self, coroutine: Any) -> None:
        self._put(coroutine)

    def _timers(self) -> MessageQueue:
        return self.parent._timers()

    def _needs_this_thread(self) -> bool:
        return self.parent._needs_this_thread()

    def _put(self, task: Runnable) -> None:
        self._queue.append(task)  # P1 queue it
        with self._lock:
            full = self._running >= self.limit
            if full and not self._closed:
                return  # each of those workers looks again (W2) after it gave up its place (W1): one of them sees it
            self._running += not full
        if full:
            if self._take_back(task):
                raise RejectedExecutionError(f"dispatch {task!r} on {self!r}: {self.parent!r} was closed")
            return
        try:
            self.parent.dispatch(EmptyCoroutineContext, self._worker)
        except BaseException:
            if self._no_worker(task):
                raise

    def _take_back(self, task: Runnable) -> bool:
        """Take `task` out of the queue. False: a worker has it."""
        while True:
            try:
                self._queue.remove(task)
                return True
            except ValueError:
                return False
            except IndexError:  # another thread changed the queue meanwhile
                continue

    def _no_worker(self, task: Runnable | None) -> bool:
        """A worker does not come: refuse what only it would have run. True: `task` is not run, and not refused here."""
        with self._lock:
            self._running -= 1
            left = self._running
        if left:
            return task is not None and self._take_back(task)
        found = False
        while True:
            try:
                other = self._queue.popleft()
            except IndexError:
                return found
            if other is task:
                found = True
            else:  # it was put without a worker of its own, for this one was on its way
                refuse(other)

    #: Tasks that a worker runs before it queues behind others of the parent.
    FAIRNESS = 16

    def _work(self) -> None:
        queue = self._queue
        seat = here.loop
        done = 0
        while True:
            try:
                task = queue.popleft()
            except IndexError:
                with self._lock:
                    self._running -= 1  # W1 give the place up
                    if not queue or self._running >= self.limit:  # W2 then look again
                        self._closed = False  # who puts next asks the parent
                        return
                    self._running += 1
                continue
            seat.task = task
            try:
                task.run()
            except BaseException as failure:  # noqa: BLE001  (a task of a user's own: its failure must not cost a place)
                report_globally(EmptyCoroutineContext, failure)
            seat.task = None
            del task
            done += 1
            if done >= self.FAIRNESS and queue:
                done = 0
                if self._hand_over():
                    return

    def _hand_over(self) -> bool:
        """Let another worker go on, behind the other tasks of the parent. False: it takes none, so this one goes on."""
        try:
            self.parent.dispatch(EmptyCoroutineContext, self._worker)
        except BaseException as fault:  # noqa: BLE001  (whatever it is, the queue is not to be left without a worker)
            with self._lock:
                self._closed = isinstance(fault, RejectedExecutionError)
            return False
        return True

    def __repr__(self) -> str:
        return self._name or f"{self.parent!r}.limited_parallelism({self.limit})"


class _Worker:
    """The task that a limited view gives its parent."""

    __slots__ = ("_view",)

    def __init__(self, view: LimitedDispatcher) -> None:
        self._view = view

    def run(self) -> None:
        """Run tasks of the view."""
        while True:
            try:
                self._view._work()
                return
            except BaseException as failure:  # noqa: BLE001  (in lines of ours: else nobody would have its place for ever)
                report_globally(EmptyCoroutineContext, failure)

    def rejected(self) -> None:
        """The parent has dropped it."""
        self._view._no_worker(None)


def refuse(task: Runnable) -> None:
    """Tell a task that it is not run; one that cannot be told is run here: better here than never."""
    rejected: Callable[[], None] = getattr(task, "rejected", task.run)
    try:
        rejected()
    except BaseException as failure:  # noqa: BLE001  (others wait to be told as well)
        report_globally(EmptyCoroutineContext, failure)


class NamedDispatcher(CoroutineDispatcher):
    """Another dispatcher under a name of its own: what a view without a limit is."""

    __slots__ = ("_name", "_of")

    def __init__(self, dispatcher: CoroutineDispatcher, name: str) -> None:
        self._of = dispatcher
        self._name = name

    def is_dispatch_needed(self, context: CoroutineContext) -> bool:
        return self._of.is_dispatch_needed(context)

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Hand `block` to the dispatcher behind the name."""
        self._of.dispatch(context, block)

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return self._of._needs_dispatch(coroutine)

    def _dispatch(self, coroutine: Any) -> None:
        self._of._dispatch(coroutine)

    def _timers(self) -> MessageQueue:
        return self._of._timers()

    def _needs_this_thread(self) -> bool:
        return self._of._needs_this_thread()

    def __repr__(self) -> str:
        return self._name


Unconfined: CoroutineDispatcher = _Unconfined()
