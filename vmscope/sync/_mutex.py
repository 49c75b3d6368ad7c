"""Mutex: one at a time, held across suspensions, handed over in the order of asking.

Invariants
    I1  it is free, or held; handed over, it is never free in between: nobody who comes later gets ahead.
Locks
    `_lock` guards `_locked`, `_owner` and the line. See `_line.py`.
Counterpart: kotlinx.coroutines.sync.Mutex.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError
from .._primitives import RLock
from ._line import WAITING, Held, Line, LineStatistics, Wait, within

if TYPE_CHECKING:
    from ..coroutines._suspend import Suspending


class Mutex(Held):
    """A lock for coroutines: who has to wait suspends, and the thread goes on with other work.

    Args:
        locked: It is made locked.

    Fair: the lock goes to those who wait in the order they came. Not reentrant: who locks it twice waits for ever,
    unless an `owner` is given, any object: then locking it twice for one owner is refused, and so is an `unlock` for
    another one. Without an owner anybody may unlock it.
    `async with mutex:` in a coroutine, `with_lock(mutex, block)` in a generator, `with mutex.blocking():` on a thread.
    Threads: any.
    Kotlin: Mutex.
    """

    __slots__ = ("__weakref__", "_line", "_lock", "_locked", "_owner")

    def __init__(self, locked: bool = False) -> None:
        self._lock = RLock()
        self._line = Line()
        self._locked = bool(locked)
        self._owner: object = None

    def lock(self, owner: object = None) -> Suspending[None]:
        """Take the lock; suspend until it is this one's turn.

        Raises:
            IllegalStateError: It is held for this very `owner`.
            CancellationException: The caller was cancelled while it waited; it does not hold the lock then.

        Cancellation: prompt; not looked at where the lock is free.
        Threads: called in a coroutine; a plain thread has `acquire_blocking` and `blocking`.
        """
        return _Lock(self, owner)

    def try_lock(self, owner: object = None) -> bool:
        """Take the lock if it is free.

        Raises:
            IllegalStateError: It is held for this very `owner`.
        """
        with self._lock:
            return self._try_locked(owner) is None

    def unlock(self, owner: object = None) -> None:
        """Give the lock to the next in line, or free it.

        Raises:
            IllegalStateError: It is not locked, or it is held for another than the given `owner`.
        """
        with self._lock:
            if not self._locked:
                raise IllegalStateError("This mutex is not locked")
            if owner is not None and self._owner is not owner:
                held_by = self._owner
                raise IllegalStateError(f"This mutex is locked by {held_by}, but {owner} is expected")
            successor = self._line.take()
            if successor is None:
                self._owner = None
                self._locked = False
                return
            self._owner = successor._owner
        successor._grant(None)

    @property
    def is_locked(self) -> bool:
        """True while it is held."""
        return self._locked

    def holds_lock(self, owner: object) -> bool:
        """Say whether it is held for this very `owner`."""
        with self._lock:
            return self._locked and self._owner is owner

    def statistics(self) -> LineStatistics:
        """Return how many wait, whether it is held, and for whom. Looking changes nothing."""
        with self._lock:
            return LineStatistics(len(self._line), int(self._locked), self._owner)

    def __repr__(self) -> str:
        state = "free" if not self._locked else "locked" if self._owner is None else f"locked by {self._owner!r}"
        return f"<Mutex {state}, {len(self._line)} waiting>"

    def _try_locked(self, owner: object) -> Any:
        """Under the lock: None for taken, else WAITING."""
        if not self._locked:
            self._locked = True
            self._owner = owner
            return None
        if owner is not None and self._owner is owner:
            raise IllegalStateError(f"This mutex is already locked by the specified owner: {owner}")
        return WAITING

    def _entry(self) -> Wait[None]:
        return _Lock(self, None)

    def _leave(self) -> None:
        self.unlock()


class _Lock(Wait[None]):
    """The wait of `lock`."""

    __slots__ = ("_owner",)

    def __init__(self, mutex: Mutex, owner: object) -> None:
        super().__init__(mutex)
        self._owner = owner

    def _name(self) -> str:
        return "lock"

    def _try_locked(self) -> Any:
        return self._home._try_locked(self._owner)

    def _give_back(self, value: Any) -> None:
        self._home.unlock()


class _Owned(Held):
    """A mutex to be entered for one owner."""

    __slots__ = ("_mutex", "_owner")

    def __init__(self, mutex: Mutex, owner: object) -> None:
        self._mutex = mutex
        self._owner = owner

    def _entry(self) -> Wait[None]:
        return _Lock(self._mutex, self._owner)

    def _leave(self) -> None:
        self._mutex.unlock(self._owner)


def with_lock(mutex: Mutex, block: Callable[..., Any], *args: Any, owner: object = None) -> Suspending[Any]:
    """Take the lock, run `block(*args)`, and give the lock back, however the block ended.

    Returns:
        The value of the block.

    Kotlin: withLock.
    """
    return within("with_lock", mutex if owner is None else _Owned(mutex, owner), block, args)
