"""The timer thread: wakes the delays and timeouts of dispatchers that have no clock of their own.

It runs no user's code: what a timer starts in place (an Unconfined coroutine) goes to Default instead.
Locks: `_guard` guards `_timers` and `_thread`, the one queue and the one thread there are, and `_over`. Held while a
thread is started, over nobody's code.
Counterpart: kotlinx.coroutines.DefaultExecutor.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from .._at_exit import TIMERS, join_all
from .._primitives import RLock, Thread, after_fork, main_thread, start_thread
from ..looper._queue import MessageQueue
from ._here import here

if TYPE_CHECKING:
    from collections.abc import Callable

_guard = RLock()
_timers: MessageQueue | None = None
_thread: Thread | None = None
_over = False
_elsewhere: Callable[[Any], object]  # given by the pool, which stands below


class _ToDefault:
    """Stands as the in-place FIFO of the timer thread: what is put into it runs on the pool."""

    def append(self, task: Any) -> None:
        _elsewhere(task)

    def __bool__(self) -> bool:
        return False


def run_in_place_by(elsewhere: Callable[[Any], object]) -> None:
    """Let `elsewhere(task)` run what a timer would start in place. Called by the pool as it is loaded."""
    global _elsewhere
    _elsewhere = elsewhere


def shared_timers() -> MessageQueue:
    """Return the queue of the timer thread, which is started by the first call. Threads: any."""
    global _timers, _thread
    timers = _timers
    if timers is None:
        with _guard:
            timers = _timers
            if timers is None:
                timers = MessageQueue()
                _thread = _start(timers)
                if _thread is None:
                    timers.quit()
                _timers = timers
    return timers


def _start(queue: MessageQueue) -> Thread | None:
    """Start the thread. None: the process ends, and who waits for a time is cancelled."""
    if _over:
        return None
    try:
        return start_thread(lambda: _serve(queue), "vmscope-timer")
    except RuntimeError:
        if main_thread().is_alive():
            raise
        return None  # from 3.12 on none can be had any more, and that is to be no failure of the coroutine's


def _serve(queue: MessageQueue) -> None:
    here.loop.active = True
    here.loop.waiting = _ToDefault()
    queue.run_until(lambda: queue.is_quitting)


def _forget() -> None:
    global _timers, _thread, _guard, _over
    _guard = RLock()
    _timers = _thread = None
    _over = False


def start_no_more() -> None:
    """The process ends: nobody would wait for a timer thread that is started now."""
    global _over
    with _guard:
        _over = True


def _exit() -> None:
    timers, thread = _timers, _thread
    if timers is not None:
        timers.quit()
    if thread is not None:
        # Where the interpreter stops it between two steps, it keeps the lock of a job, and a finalizer that cancels or
        # launches hangs the end of the process. What it has been given runs there by now: the pool takes no more.
        join_all(TIMERS, [thread])


after_fork(_forget)
atexit.register(_exit)
