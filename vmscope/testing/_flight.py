"""What is in flight: work that a test has sent to real threads and that is not back yet.

Virtual time may move only while nothing is. The core keeps no count of that, and nothing is patched to make one: asked
is what the coroutines themselves say. A look takes the trees of all coroutines that ever ran on the scheduler, and holds
the locks of all these trees at once. Under them a coroutine that is suspended stays so, whatever other threads do; one
that is neither suspended, nor new, nor on the stack of the thread that asks, is on another thread or on its way there or
back. Until it is back in the queue of the test, the clock stands still.

A wait that is about to end counts as well: a delay in real time, a join of a job that has ended, a job whose last child
has gone. Whom a suspended coroutine waits for is looked at too, in whatever tree.

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
from ..coroutines._job import ACTIVE, COMPLETED, COMPLETING, NEW, CompletableJob, Job, NonCancellable, _Join
from ..coroutines._main import LooperDispatcher
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


def in_flight(jobs: Iterable[Job], queue: EventQueue, here: frozenset[Any]) -> tuple[object, int]:
    """Look at the trees of `jobs` and of all that they wait for.

    Returns:
        Something that is in flight, or None; and how many jobs were looked at. The first is UNKNOWN where somebody
        holds the lock of a tree: ask again soon.
    """
    held: list[Any] = []
    seen: set[Job] = set()
    resting: set[Any] = set()
    working: list[Any] = []
    todo = list(jobs)
    try:
        while todo:
            job = todo.pop()
            if job in seen or job is NonCancellable or job._state >= COMPLETED:
                continue
            root = root_of(job)
            if root not in seen:
                if not root._lock.acquire(blocking=False):
                    return UNKNOWN, len(seen)
                held.append(root._lock)
                _look(root, seen, resting, working, todo, queue)
            if job not in seen and job._state < COMPLETED:  # it moved to another tree, or ended, before the lock
                _look(job, seen, resting, working, todo, queue)
        for job in working:
            if job not in resting and job not in here and not _is_ours_to_run(job):
                return job, len(seen)
        return None, len(seen)
    finally:
        for lock in held:
            lock.release()


def _look(root: Job, seen: set[Job], resting: set[Any], working: list[Any], todo: list[Job], queue: EventQueue) -> None:
    """Sort the jobs of one tree: who may be at work, who waits, and for whom."""
    stack = [root]
    while stack:
        job = stack.pop()
        if job in seen:
            continue
        seen.add(job)
        children = [node for node in job._nodes or () if isinstance(node, Job)]
        stack += children
        state = job._state
        if isinstance(job, Coroutine):
            if state != NEW and state < COMPLETED:
                _look_at(job, children, working, todo, queue)
        elif isinstance(job, ScopeCoroutine):
            if job._waits is not None and state < COMPLETED:
                resting.add(job._waits)
                if not children:
                    working.append(job)
        elif isinstance(job, CompletableJob):
            if state > ACTIVE and state < COMPLETED and not children:
                working.append(job)


def _look_at(coroutine: Any, children: list[Job], working: list[Any], todo: list[Job], queue: EventQueue) -> None:
    frame = coroutine._frame
    if frame is None:  # its body is over
        if not children:
            working.append(coroutine)
        return
    if frame is not coroutine:
        todo.append(frame)  # shielded, it stands in no tree that leads here
    waiter = frame._waiter
    if waiter is None or waiter._phase != SUSPENDED_PHASE:
        working.append(coroutine)
    elif isinstance(waiter, _Delay):
        if waiter._seconds != inf and waiter._queue is not queue and not _is_queue_here(waiter._queue):
            working.append(coroutine)
    elif isinstance(waiter, (_Join, _Await)):
        _look_behind(waiter._job, coroutine, working, todo)
    elif isinstance(waiter, _AwaitAll):
        for job in waiter._jobs:
            _look_behind(job, coroutine, working, todo, several=True)


def _look_behind(job: Job | None, coroutine: Any, working: list[Any], todo: list[Job], several: bool = False) -> None:
    if job is None or (job._state >= COMPLETED and not several):
        working.append(coroutine)  # its wait is over: it will go on in a moment
    elif job._state < COMPLETED:
        todo.append(job)


def _is_ours_to_run(job: Any) -> bool:
    """Say whether it waits for this very thread: dispatched to a paused looper that the test steps by hand."""
    if not isinstance(job, Coroutine) or not job._due:
        return False
    dispatcher: Any = job._dispatcher
    if not isinstance(dispatcher, LooperDispatcher):
        return False
    timers = dispatcher._timers()
    return _is_queue_here(timers)


def _is_queue_here(queue: Any) -> bool:
    owner = getattr(getattr(queue, "_on_uncaught", None), "__self__", None)  # the looper, where the queue has one
    return getattr(owner, "_ident", None) == get_ident()


def is_at_work(job: Job) -> bool:
    """Say whether `job` has neither ended nor waits to be completed by hand."""
    return job._state < COMPLETED and not (isinstance(job, CompletableJob) and job._state <= COMPLETING)
