"""A looper whose thread is in a run_blocking: what needs that looper for the block to end fails, instead of waiting.

The thread waits in the private queue of the run_blocking, so nothing on the looper's own queue runs meanwhile. Each
time it is about to sleep it looks there for a coroutine that the block waits for: one of its own tree, or one that its
tree joins or awaits. Such a wait has no end. Who waits so fails with an IllegalStateError, and cleans up.

Locks: none of its own. That of a tree is taken to read its list.
Counterpart: none. On the reference's main thread this hangs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError
from .._primitives import current_thread
from ._coroutine import Coroutine
from ._job import COMPLETED, Job, cancel_tree
from ._suspend import Continuation, witnesses
from ._time import _Delay

if TYPE_CHECKING:
    from ..looper._looper import Looper
    from ..looper._queue import MessageQueue

#: With more than this pending nobody looks: each put would be a look at all of it.
MOST_PENDING = 256


class HeldLooper:
    """The looper of the calling thread, from the beginning of a run_blocking there to its end.

    Args:
        looper: Of the calling thread.
        block: The coroutine that run_blocking waits for.
        queue: The private queue in which it waits.
    """

    def __init__(self, looper: Looper, block: Coroutine, queue: MessageQueue) -> None:
        self._looper = looper
        self._block = block
        self._queue = queue
        self._host = looper.queue._listen(self._came)
        witnesses.append(queue.wake)

    def _came(self) -> None:
        """Something was put into the looper's queue."""
        self._queue.wake()
        if self._host is not None:
            self._host()

    def let_go(self) -> None:
        """The run_blocking is over: the looper's own host, if it has one, hears of what was put."""
        witnesses.remove(self._queue.wake)
        self._looper.queue._listen_no_more(self._came, self._host)

    def look(self) -> bool:
        """See to what would never end, where the thread is about to sleep. Says whether the block has ended."""
        if self._block._state < COMPLETED and self._queue.is_idle():
            pending = self._looper.queue._announce_and_look(MOST_PENDING)
            for item in pending:
                self._look_at(item)
        return self._block._state >= COMPLETED

    def _look_at(self, item: Any) -> None:
        coroutine = item._coroutine if isinstance(item, _Delay) else item
        if not isinstance(coroutine, Coroutine):
            return
        if _descends(coroutine, self._block):
            if coroutine is item:
                self._looper.queue._take_back(item)
                coroutine._dispatch_failed(self._fault(coroutine))
            else:  # it comes to the looper's queue once more, as itself
                cancel_tree(item._frame, self._fault(coroutine))
            return
        wait = _wait_of(self._block, coroutine)
        if wait is not None:
            cancel_tree(wait._frame, self._fault(coroutine))

    def _fault(self, coroutine: Coroutine) -> IllegalStateError:
        return IllegalStateError(
            f"run_blocking on thread {current_thread().name!r} waits for {coroutine!r}, which goes on only on "
            f"{self._looper!r}, whose thread this is: it would deadlock. Launch a coroutine there, and block nothing"
        )


def _descends(job: Job | None, ancestor: Job) -> bool:
    while job is not None:
        if job is ancestor:
            return True
        job = job._parent
    return False


def _wait_of(block: Job, coroutine: Job) -> Continuation[Any] | None:
    """Return the join or await in the tree of `block` that ends only after `coroutine` does, if there is one."""
    seen: set[Job] = set()
    left: list[Job | None] = [coroutine]
    while left:
        job = left.pop()
        if job is None or job in seen:
            continue
        seen.add(job)
        left.append(job._parent)  # which waits for its children
        for wait in _waits_for(job):
            if _descends(wait._coroutine, block):
                return wait
            left.append(wait._coroutine)
    return None


def _waits_for(job: Job) -> list[Continuation[Any]]:
    with job._lock:
        nodes = list(job._nodes or ())
    return [node for node in nodes if isinstance(node, Continuation)]
