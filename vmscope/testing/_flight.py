"""What is in flight: work that a test has sent to real threads and that is not back yet.

Virtual time may move only while nothing is. The core keeps no count of that, and nothing is patched to make one: the
coroutines themselves are asked. A look takes the trees of all coroutines that ever ran on the scheduler, and holds the
locks of all these trees at once. Under them a coroutine that is suspended stays so, whatever other threads do; one that
is neither suspended, nor new, nor on the stack of the thread that asks, is on another thread, or on its way there or
back. Until it is back in the queue of the test, the clock stands still.

A wait that is about to end counts as well: a delay in real time, a join of a job that has ended, a job whose last child
has gone. So does one that has just begun, and does not stand yet where it is looked for: a delay on its way into the
queue. Whom a suspended coroutine waits for is looked at too, in whatever tree.

What this cannot know: a wait that a callback of a foreign thread is going to end. Have that thread's work done in
`with_context(Dispatchers.IO, ...)`.

Locks: takes the locks of several trees, never waiting for one: where one is taken, somebody is at work.
"""

from __future__ import annotations

import sys
from math import inf
from typing import TYPE_CHECKING, Any

from .._primitives import get_ident
from ..coroutines._builders import _AwaitAll
from ..coroutines._coroutine import Coroutine
from ..coroutines._deferred import _Await
from ..coroutines._frame import ScopeCoroutine
from ..coroutines._here import here
from ..coroutines._job import ACTIVE, COMPLETED, NEW, Job, Join, NonCancellable
from ..coroutines._main import LooperDispatcher
from ..coroutines._slots import nobody, waiting_locked
from ..coroutines._suspend import SUSPENDED_PHASE
from ..coroutines._time import _Delay

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._events import EventQueue

_STEPS = frozenset(
    {Coroutine._step.__code__, Coroutine._start.__code__, Coroutine._deliver.__code__, Coroutine.run.__code__}
)
UNKNOWN = object()


def stack_here() -> frozenset[Any]:
    """Return the coroutines whose step is on the stack of this thread: they wait for who asks."""
    found = set()
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code in _STEPS:
            found.add(frame.f_locals["self"])
        frame = frame.f_back  # type: ignore[assignment]
    return frozenset(found)


def root_of(job: Job) -> Job:
    """The top of its tree."""
    while (parent := job._parent) is not None:
        job = parent
    return job


def in_flight(jobs: Iterable[Job], queue: EventQueue, stack: frozenset[Any]) -> tuple[object, int]:
    """Look at the trees of `jobs` and of all that they wait for; `stack` is on the stack of this thread.

    Returns:
        Something that is in flight, or None; and how many jobs were looked at. The first is UNKNOWN where somebody
        holds the lock of a tree: ask again soon.
    """
    look = _Look(queue, stack)
    try:
        return look.at(list(jobs)), len(look.seen)
    except _LockTakenError:
        return UNKNOWN, len(look.seen)
    finally:
        look.release()


class _LockTakenError(Exception):
    """Somebody is at work in the tree."""


class _Look:
    """One look: what was seen, and what is held until it is over."""

    def __init__(self, queue: EventQueue, stack: frozenset[Any]) -> None:
        self.queue = queue
        self.seen: set[Job] = set()
        self.held: dict[int, Any] = {}  # locks by id
        self.todo: list[tuple[Job, Any]] = []  # and who waits for it
        self.resting: set[Any] = set(stack)
        self.working: list[Any] = []
        self.in_fifo = {id(task) for task in tuple(here.loop.waiting)}  # goes on when what is on the stack returns

    def at(self, jobs: list[Job]) -> object:
        self.todo = [(job, None) for job in jobs]
        while self.todo:
            job, waiting = self.todo.pop()
            if job in self.seen or job is NonCancellable:
                continue
            self.hold(job._lock)  # that of the whole tree
            if job._state < COMPLETED:
                self.tree(root_of(job))
                self.tree(job)  # it may have left that tree before the lock
            elif waiting is not None:
                self.working.append(waiting)  # it ended before the lock was ours: who waits for it goes on in a moment
        self.hold(nobody._lock)
        self.resting.update(waiting_locked(nobody))
        for job in self.working:
            if job not in self.resting and id(job) not in self.in_fifo and not _is_ours_to_run(job):
                return job
        return None

    def hold(self, lock: Any) -> None:
        if id(lock) not in self.held:
            if not lock.acquire(blocking=False):
                raise _LockTakenError
            self.held[id(lock)] = lock

    def release(self) -> None:
        for lock in self.held.values():
            lock.release()

    def is_pending(self, wait: _Delay) -> bool:
        """Say whether the time of `wait` is for the test to move: in a queue of another it passes by itself."""
        queue: object = wait._queue
        return self.queue.holds(wait) if queue is self.queue else _is_queue_here(queue)

    def tree(self, root: Job) -> None:
        """Sort the jobs of one tree: who may be at work, who waits, and for whom."""
        stack = [root]
        while stack:
            job = stack.pop()
            state = job._state
            if job in self.seen or state >= COMPLETED:
                continue
            self.seen.add(job)
            self.resting.update(waiting_locked(job))  # their turn comes with the end of another, which is looked at too
            children = [node for node in job._nodes or () if isinstance(node, Job)]
            stack += children
            if isinstance(job, Coroutine):
                if state != NEW:
                    self.coroutine(job, bool(children))
            elif isinstance(job, ScopeCoroutine):
                if job._waits is not None:
                    self.resting.add(job._waits._coroutine)
                    if not children:
                        self.working.append(job)
            elif state > ACTIVE and not children:  # a job without a body
                self.working.append(job)

    def coroutine(self, coroutine: Any, has_children: bool) -> None:
        frame = coroutine._frame
        if frame is None:  # its body is over
            if not has_children:
                self.working.append(coroutine)
            return
        if frame._lock is not coroutine._lock:  # shielded: a tree of its own that none of ours leads to
            self.hold(frame._lock)
            self.tree(frame)
        waiter = frame._waiter
        if waiter is None or waiter._phase != SUSPENDED_PHASE or not waiter._stands():
            if not getattr(coroutine, "_parked", False):
                self.working.append(coroutine)
        elif isinstance(waiter, _Delay):
            if waiter._seconds != inf and not self.is_pending(waiter):
                self.working.append(coroutine)
        elif isinstance(waiter, (Join, _Await)):
            job = waiter._job
            if job is None:
                self.working.append(coroutine)  # its wait is over: it goes on in a moment
            else:
                self.todo.append((job, coroutine))
        elif isinstance(waiter, _AwaitAll):
            if not waiter._left:
                self.working.append(coroutine)
            self.todo += [(job, coroutine) for job in waiter._left]


def _is_ours_to_run(job: Any) -> bool:
    """Say whether it waits for this very thread: dispatched to a paused looper that the test steps by hand."""
    if not isinstance(job, Coroutine) or not job._due:
        return False
    dispatcher: Any = job._dispatcher
    return isinstance(dispatcher, LooperDispatcher) and _is_queue_here(dispatcher._timers())


def _is_queue_here(queue: Any) -> bool:
    looper = getattr(getattr(queue, "_on_uncaught", None), "__self__", None)  # where the queue has one
    return getattr(looper, "_ident", None) == get_ident()
