"""Event and CountDownLatch: something happened, and all who wait for it go on.

Locks
    `_lock` of each guards its state and its line. See `_line.py`.
Counterpart: threading.Event, java.util.concurrent.CountDownLatch; kotlinx.coroutines has neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._primitives import RLock
from ._line import WAITING, Line, LineStatistics, Wait, block, checked_count

if TYPE_CHECKING:
    from ..coroutines._suspend import Suspending


class _Gate:
    """What coroutines and threads wait for together, until it is open for all."""

    __slots__ = ("__weakref__", "_line", "_lock")

    def __init__(self) -> None:
        self._lock = RLock()
        self._line = Line()

    def wait(self) -> Suspending[None]:
        """Suspend until it is open: an Event set, a latch counted down.

        Cancellation: prompt; not looked at where it is open.
        Threads: called in a coroutine; a plain thread has `wait_blocking`.
        """
        return _Wait(self)

    def wait_blocking(self, timeout: float | None = None) -> bool:
        """Let a plain thread sleep until it is open; False where `timeout` seconds were over before."""
        try:
            block(_Wait(self), timeout, "wait_blocking()")
        except TimeoutError:
            return False
        return True


class Event(_Gate):
    """A flag that is raised once and seen by all who wait for it, then and later.

    Threads: any.
    Python: threading.Event, asyncio.Event.
    """

    __slots__ = ("_is_set",)

    def __init__(self) -> None:
        super().__init__()
        self._is_set = False

    @property
    def is_set(self) -> bool:
        """True once it was set."""
        return self._is_set

    def set(self) -> None:
        """Raise the flag: all who wait go on, in the order they came."""
        with self._lock:
            self._is_set = True
            waiting = self._line.take_all()
        for wait in waiting:
            wait._grant(None)

    def clear(self) -> None:
        """Lower the flag: who comes from now on waits for the next `set()`."""
        with self._lock:
            self._is_set = False

    def statistics(self) -> LineStatistics:
        """Return how many wait; `held` is 1 once it was set. Looking changes nothing."""
        with self._lock:
            return LineStatistics(len(self._line), int(self._is_set))

    def __repr__(self) -> str:
        return f"<Event {'set' if self._is_set else 'not set'}, {len(self._line)} waiting>"

    def _try_locked(self) -> Any:
        return None if self._is_set else WAITING


class CountDownLatch(_Gate):
    """Opens for good when it was counted down `count` times.

    Raises:
        ValueError: A negative count.

    Threads: any.
    Java: CountDownLatch.
    """

    __slots__ = ("_count",)

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = checked_count(count, "count", 0)

    @property
    def count(self) -> int:
        """How often it is still to be counted down."""
        return self._count

    def count_down(self) -> None:
        """Count one; the last one lets all who wait go on. Nothing more happens to one that is open."""
        with self._lock:
            if self._count == 0:
                return
            self._count -= 1
            if self._count:
                return
            waiting = self._line.take_all()
        for wait in waiting:
            wait._grant(None)

    def statistics(self) -> LineStatistics:
        """Return how many wait; `held` is the count that is left. Looking changes nothing."""
        with self._lock:
            return LineStatistics(len(self._line), self._count)

    def __repr__(self) -> str:
        return f"<CountDownLatch {self._count} to go, {len(self._line)} waiting>"

    def _try_locked(self) -> Any:
        return WAITING if self._count else None


class _Wait(Wait[None]):
    """The wait of `wait`: nothing is granted, so nothing is given back."""

    __slots__ = ()

    def _name(self) -> str:
        return "wait"
