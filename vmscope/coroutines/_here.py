"""The loop that starts and resumes in place, one for each thread.

A start or a resume that needs no dispatch runs where it is asked for. While one runs so, further ones of the same
thread wait in a FIFO that the first one empties before it returns; Unconfined and every immediate dispatcher share it.
So the order is the reference's, and the stack does not grow however long the chain.

Locks: none; each thread looks at its own.
Counterpart: kotlinx.coroutines.EventLoop, ThreadLocalEventLoop.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .._primitives import ThreadLocal

if TYPE_CHECKING:
    from types import CodeType

    from ..looper._queue import MessageQueue


class InPlaceLoop:
    """What runs in place on one thread.

    Attributes:
        active: Something does: further starts and resumptions go into `waiting`.
        waiting: Their FIFO.
        events: The private queue of a run_blocking on this thread, if it is in one.
        task: What a dispatcher of ours has this thread run now: the end of the process asks whether to wait for it.
    """

    __slots__ = ("active", "events", "task", "waiting")

    def __init__(self) -> None:
        self.active = False
        self.waiting: Any = deque()
        self.events: MessageQueue | None = None
        self.task: Any = None


class _Here(ThreadLocal):
    def __init__(self) -> None:
        self.loop = InPlaceLoop()


#: `here.loop` is the one of the running thread. A look through a thread-local costs 27 ns, a slot 9 (3.11): look once.
here = _Here()


#: The code that each failure of a step passes once the step has begun: `Coroutine._broke`.
dealt_with: set[CodeType] = set()


def had_begun(struck: BaseException) -> bool:
    """Whether `struck`, out of the call of a step, came from inside that. Else it struck before: that is still owed.

    Told by where it came along, which costs a step that goes well nothing; a mark on the coroutine does not tell, for
    one that has had its step may be owed the next already, by another thread.
    """
    traceback = struck.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in dealt_with:
            return True
        traceback = traceback.tb_next
    return False


def drain_in_place(local: InPlaceLoop) -> None:
    """Run what waits in the FIFO of this thread."""
    waiting = local.waiting
    one: Any = None
    try:
        while waiting:
            one = waiting[0]
            waiting.popleft()  # second: a Ctrl-C as it returns does not lose what it would have given
            one.run()
            one = None
    except BaseException as struck:  # the others are owed their turn even so
        if one is not None and not had_begun(struck):
            waiting.appendleft(one)
        while waiting:
            waiting.popleft().run()
        raise
