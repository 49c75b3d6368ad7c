"""HandlerThread: a thread with a looper, ready to be posted to.

At the end of the process the loopers of daemon threads are told to quit and waited for, as long as `_at_exit` says.
Locks: `_not_ready`, of each thread, is held from the making of the thread until its looper
    is there or never will be: who asks for it waits.
Counterpart: android.os.HandlerThread.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from .._at_exit import LOOPERS, join_all
from .._clock import Clock, uptime
from .._errors import IllegalStateError
from .._primitives import Lock, Thread, after_fork, current_thread
from ._handler import Handler
from ._looper import Looper

if TYPE_CHECKING:
    from types import TracebackType


class HandlerThread(Thread):
    """A thread that runs a looper until it is told to quit.

    Also a context manager: starts on entering; on leaving quits safely and joins.

    Args:
        name: The thread's.
        daemon: False: the process does not end before this thread does.
        clock: What the looper's delays go by.

    Threads: any.
    Android: HandlerThread.
    """

    def __init__(self, name: str = "HandlerThread", daemon: bool = True, *, clock: Clock = uptime) -> None:
        try:
            super().__init__(name=name, daemon=daemon)
        except RuntimeError:  # a sub-interpreter has no daemon threads
            super().__init__(name=name, daemon=False)
        self._clock = clock
        self._looper: Looper | None = None
        self._handler: Handler | None = None
        self._not_ready = Lock()
        self._not_ready.acquire()

    def start(self) -> None:
        """Start the thread. `looper` waits till it is ready."""
        super().start()
        _running.add(self)

    def run(self) -> None:
        try:
            self._looper = Looper.prepare(self._clock)
        finally:
            self._not_ready.release()
        try:
            self.on_looper_prepared()
            Looper.loop()
        finally:
            self._looper.quit()  # also where on_looper_prepared raised

    def on_looper_prepared(self) -> None:
        """Called on the thread before its loop runs. For subclasses; does nothing here."""

    @property
    def looper(self) -> Looper | None:
        """The thread's looper, waited for; None where the thread is not alive."""
        if not self.is_alive():
            return None
        if self._looper is None:
            with self._not_ready:
                pass
        return self._looper

    @property
    def handler(self) -> Handler:
        """A handler of this looper, the same each time.

        Raises:
            IllegalStateError: The thread is not alive.
        """
        handler = self._handler
        if handler is None:
            looper = self.looper
            if looper is None:
                raise IllegalStateError(f"ask {self.name!r} for its handler: it is not alive; start() it first")
            handler = self._handler = Handler(looper)
        return handler

    def quit(self) -> bool:
        """Quit the looper: what is pending is dropped. False: there is no looper, the thread is not alive."""
        looper = self.looper
        if looper is None:
            return False
        looper.quit()
        return True

    def quit_safely(self) -> bool:
        """Quit the looper after what is due now. False: there is no looper, the thread is not alive."""
        looper = self.looper
        if looper is None:
            return False
        looper.quit_safely()
        return True

    def __enter__(self) -> HandlerThread:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.quit_safely()
        if self is not current_thread():
            self.join()


_running: WeakSet[Any] = WeakSet()


def _quit_all() -> None:
    threads = [thread for thread in list(_running) if thread.is_alive()]
    for thread in threads:
        thread.quit_safely()
    join_all(LOOPERS, threads)


def _after_fork() -> None:
    global _running
    _running = WeakSet()


atexit.register(_quit_all)
after_fork(_after_fork)
