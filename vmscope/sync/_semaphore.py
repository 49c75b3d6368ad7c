"""Semaphore: a number of permits.

Invariants
    I1  while somebody waits, there is no permit to be had: a release hands its permit to the first in line.
Locks
    `_lock` guards `_available` and the line. See `_line.py`.
Counterpart: kotlinx.coroutines.sync.Semaphore.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError
from .._primitives import RLock
from ._line import WAITING, Held, Line, LineStatistics, Wait, within

if TYPE_CHECKING:
    from ..coroutines._suspend import Suspending


class Semaphore(Held):
    """A number of permits: who finds none waits until one is released.

    Args:
        permits: How many there are.
        acquired: How many of them are taken already.

    Raises:
        ValueError: No permit at all, or `acquired` is not among 0 to `permits`.

    Fair: permits go to those who wait in the order they came.
    `async with semaphore:` in a coroutine, `with_permit(semaphore, block)` in a generator, `with semaphore.blocking():`
    on a thread.
    Threads: any.
    Kotlin: Semaphore.
    """

    __slots__ = ("__weakref__", "_available", "_line", "_lock", "_permits")

    def __init__(self, permits: int, acquired: int = 0) -> None:
        for value in (permits, acquired):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"Semaphore takes whole numbers, got {value!r}")
        if permits < 1:
            raise ValueError(f"Semaphore should have at least 1 permit, but had {permits}")
        if not 0 <= acquired <= permits:
            raise ValueError(f"The number of acquired permits should be in 0..{permits}")
        self._lock = RLock()
        self._line = Line()
        self._permits = permits
        self._available = permits - acquired

    @property
    def available_permits(self) -> int:
        """How many permits could be had now."""
        return self._available

    def acquire(self) -> Suspending[None]:
        """Take a permit; suspend until there is one.

        Raises:
            CancellationException: The caller was cancelled while it waited; it has no permit then.

        Cancellation: prompt; not looked at where there is a permit.
        Threads: called in a coroutine; a plain thread has `acquire_blocking` and `blocking`.
        """
        return _Acquire(self)

    def try_acquire(self) -> bool:
        """Take a permit if there is one."""
        with self._lock:
            return self._try_locked() is None

    def release(self) -> None:
        """Give a permit back: the first in line gets it.

        Raises:
            IllegalStateError: More were released than acquired.
        """
        with self._lock:
            if self._available >= self._permits:
                raise IllegalStateError(f"The number of released permits cannot be greater than {self._permits}")
            successor = self._line.take()
            if successor is None:
                self._available += 1
                return
        successor._grant(None)

    def statistics(self) -> LineStatistics:
        """Return how many wait, and how many permits are taken. Looking changes nothing."""
        with self._lock:
            return LineStatistics(len(self._line), self._permits - self._available)

    def __repr__(self) -> str:
        return f"<Semaphore {self._available} of {self._permits} available, {len(self._line)} waiting>"

    def _try_locked(self) -> Any:
        if self._available > 0:
            self._available -= 1
            return None
        return WAITING

    def _entry(self) -> Wait[None]:
        return _Acquire(self)

    def _leave(self) -> None:
        self.release()


class _Acquire(Wait[None]):
    """The wait of `acquire`."""

    __slots__ = ()

    def _name(self) -> str:
        return "acquire"

    def _give_back(self, value: Any) -> None:
        self._home.release()


def with_permit(semaphore: Semaphore, block: Callable[..., Any], *args: Any) -> Suspending[Any]:
    """Take a permit, run `block(*args)`, and give the permit back, however the block ended.

    Returns:
        The value of the block.

    Kotlin: withPermit.
    """
    return within("with_permit", semaphore, block, args)
