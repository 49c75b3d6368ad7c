"""Locks, threads and queues: imported here and nowhere else.

One place to patch for a test that controls threads, to make anew after a fork, and to read when asking what the
package rests on without the GIL. The rest of the package takes these names from here.

What is rested on, and held by `tests/test_ground.py`:
    deque.append, appendleft, popleft and SimpleQueue.put are one step on every build, and may run in a signal handler
    or a finalizer that interrupts the same call. Copying a deque is one step with the GIL only: see `snapshot`.
    A Lock may be released by another thread than took it, and by a handler that interrupts its own release or
    acquire. Releasing one that is free raises RuntimeError and changes nothing.
    Of those who pop a key of a dict with a default, one gets the value.
    A C RLock may be taken again by the thread that holds it, so a finalizer that runs inside a critical section
    enters it instead of waiting for itself.
"""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from math import inf
from os import environ, register_at_fork as _register_at_fork
from queue import Empty, SimpleQueue
from threading import (
    Event,
    Lock,
    RLock,
    Thread,
    current_thread,
    enumerate as live_threads,
    local as ThreadLocal,
    main_thread,
)
from time import monotonic
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

__all__ = [
    "DEBUG", "FIRST_WAIT", "FREE_THREADED", "LONGEST_WAIT", "WAIT_GROWTH", "Bell", "Empty", "Event", "Lock", "RLock",
    "SimpleQueue", "Thread", "ThreadLocal", "after_fork", "current_thread", "get_ident", "live_threads", "main_thread",
    "report_uncaught", "snapshot", "start_thread", "wait_in_turns",
]  # fmt: skip

_get_ident: object = get_ident
if not isinstance(_get_ident, BuiltinFunctionType):  # a function of gevent's or eventlet's own
    raise ImportError(
        f"import vmscope with a patched `threading`: {get_ident!r} of {get_ident.__module__} stands for the system's. "
        "Its threads are none that could run beside each other, and a looper would wait for one that never comes. "
        "Import vmscope in a process without gevent.monkey.patch_all() or eventlet.monkey_patch(), or patch with "
        "thread=False"
    )

T = TypeVar("T")
#: True where threads run without the GIL. (`sys._is_gil_enabled` is there from 3.13 on.)
FREE_THREADED: bool = not getattr(sys, "_is_gil_enabled", lambda: True)()

#: The environment asks for warnings of what is allowed and nearly always a slip: VMSCOPE_DEBUG=1. Looked at once.
DEBUG: bool = environ.get("VMSCOPE_DEBUG", "0") not in ("", "0")

#: No wait of the operating system is asked for more seconds than this: get(timeout=1e10) raises OverflowError.
LONGEST_WAIT = 86_400.0

# A signal whose C handler ran just before the wait of the main thread began, or on another thread, does not end that
# wait: Python's handler would run at the next wake-up, whenever that is. So the main thread's first wait is short, and
# each one that nothing ended twice as long: such a signal is late by no more than the sleep so far, and an idle thread
# wakes 20 times in the first day. Before 3.14 no wait on Windows hears a Ctrl-C (gh-125541): there they stay short.
FIRST_WAIT = 0.125
WAIT_GROWTH = 1 if sys.platform == "win32" and sys.version_info < (3, 14) else 2


class Bell:
    """Wakes one thread: a ring before or during its wait ends that. Rings that nobody has heard yet are one.

    No SimpleQueue of tokens: before Python 3.13 `get(timeout=...)` of one sleeps for ever where the time is up by the
    time it looks at it again, after a signal handler that took long, or where the system kept the thread waiting just
    then. (It counts what is left, and less than nothing is an endless wait.) Nor an Event, which a signal handler may
    interrupt with its lock taken.

    Without the GIL a lock may be free for a moment before it can be taken. Who finds it free then and leaves it so may
    rely on the other one's ring, which is still to be heard.
    """

    __slots__ = ("_silent",)

    def __init__(self) -> None:
        self._silent = Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Threads: any, at any point; never blocks."""
        try:
            self._silent.release()
        except RuntimeError:  # the last ring has not been heard yet
            pass

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a ring, at most so many seconds; None waits as long as it takes. False: there was none."""
        return self._silent.acquire(True, -1 if seconds is None else seconds)


def start_thread(target: Callable[[], object], name: str, *, daemon: bool = True) -> Thread:
    """Start a thread; where daemon threads are refused (sub-interpreters), an ordinary one.

    Raises:
        RuntimeError: The system gives no thread, or the interpreter is going down.
    """
    try:
        thread = Thread(target=target, name=name, daemon=daemon)
        thread.start()
    except RuntimeError as refusal:
        if "daemon" not in str(refusal):
            raise
        thread = Thread(target=target, name=name, daemon=False)
        thread.start()
    return thread


def is_going_down() -> bool:
    """Whether the interpreter has begun to end: from then on it starts no thread, on most versions."""
    return sys.is_finalizing() or not main_thread().is_alive()


def wait_in_turns(wait: Callable[[float | None], bool], seconds: float = inf) -> bool:
    """Call `wait(at most so many seconds)` until it says True, or `seconds` are over; on the main thread in turns.

    For every wait that a Ctrl-C is to end, however closely it strikes before. On other threads a wait without end is
    one, `wait(None)`: an exploration sees that nobody will come.
    """
    on_main = current_thread() is main_thread()
    if seconds == inf and not on_main:
        return wait(None)
    deadline = monotonic() + seconds
    longest = FIRST_WAIT if on_main else LONGEST_WAIT
    while not wait(max(0.0, min(seconds, longest))):
        seconds = deadline - monotonic()
        if seconds <= 0:
            return False
        longest = min(longest * WAIT_GROWTH, LONGEST_WAIT)
    return True


def snapshot(items: deque[T]) -> list[T]:
    """Return what is in a deque that other threads change meanwhile.

    Without the GIL the copy is taken item by item and fails when another thread comes in between: then once more.
    """
    while True:
        try:
            return list(items)
        except RuntimeError:
            continue


def after_fork(reset: Callable[[], object]) -> None:
    """Have `reset` run in every child process, before any of the child's own code."""
    _register_at_fork(after_in_child=reset)


def report_uncaught(exception: BaseException) -> None:
    """Hand a failure that nobody took to `threading.excepthook`, as it is set now: a test's or a service's own.

    Never raises: a hook that does is told of to `sys.excepthook`, as `threading` itself does. It must not keep a job
    from its end.
    """
    try:
        threading.excepthook(
            threading.ExceptHookArgs((type(exception), exception, exception.__traceback__, current_thread()))
        )
    except BaseException as second:  # noqa: BLE001  (see above)
        try:
            sys.excepthook(type(second), second, second.__traceback__)
        except BaseException:  # noqa: BLE001  (there is nobody left to tell)
            return
