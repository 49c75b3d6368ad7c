"""ReadWriteMutex: many read at once, one writes alone.

Invariants
    I1  there is a writer, or there are readers, or neither.
    I2  who comes while somebody waits waits behind them, a reader too: so a writer is not overtaken for ever.
Locks
    `_lock` guards `_readers`, `_writing` and the line. See `_line.py`.
Counterpart: java.util.concurrent.locks.ReentrantReadWriteLock; kotlinx.coroutines has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .._errors import IllegalStateError
from .._primitives import RLock
from ._line import WAITING, Held, Line, Wait

if TYPE_CHECKING:
    from ..coroutines._suspend import Suspending


class ReadWriteStatistics(NamedTuple):
    """What `ReadWriteMutex.statistics()` tells at one moment.

    Attributes:
        waiting: How many wait, to read or to write.
        readers: How many read.
        is_writing: Whether somebody writes.
    """

    waiting: int
    readers: int
    is_writing: bool


class ReadWriteMutex:
    """Two locks on one thing: `read`, which many hold together, and `write`, which is held alone.

    Attributes:
        read: The lock for reading.
        write: The lock for writing.

    `async with mutex.read:` in a coroutine, `with_held(mutex.read, block)` in a generator,
    `with mutex.write.blocking():` on a thread. Fair, first come first served; not reentrant, and a read lock does not
    become a write lock.
    Threads: any.
    Java: ReentrantReadWriteLock.
    """

    __slots__ = ("__weakref__", "_line", "_lock", "_readers", "_writing", "read", "write")

    def __init__(self) -> None:
        self._lock = RLock()
        self._line = Line()
        self._readers = 0
        self._writing = False
        self.read: ReadWriteSide = ReadWriteSide(self, writes=False)
        self.write: ReadWriteSide = ReadWriteSide(self, writes=True)

    def statistics(self) -> ReadWriteStatistics:
        """Return who is in and how many wait. Looking changes nothing."""
        with self._lock:
            return ReadWriteStatistics(len(self._line), self._readers, self._writing)

    def __repr__(self) -> str:
        state = "writing" if self._writing else f"{self._readers} reading"
        return f"<ReadWriteMutex {state}, {len(self._line)} waiting>"

    def _enter_locked(self, writes: bool) -> bool:
        if self._writing or (writes and self._readers):
            return False
        if writes:
            self._writing = True
        else:
            self._readers += 1
        return True

    def _try_locked(self, writes: bool) -> bool:
        return not self._line and self._enter_locked(writes)

    def _let_in_locked(self) -> list[Any]:
        """Let in whom there is room for now, from the front; they are to be told."""
        found = []
        while (wait := self._line.first()) is not None and self._enter_locked(wait._writes):
            found.append(self._line.take())
        return found

    def _let_in(self) -> None:
        with self._lock:
            found = self._let_in_locked()
        for wait in found:
            wait._grant(None)


class ReadWriteSide(Held):
    """One of the two locks of a ReadWriteMutex."""

    __slots__ = ("_of", "_writes")

    def __init__(self, of: ReadWriteMutex, writes: bool) -> None:
        self._of = of
        self._writes = writes

    def lock(self) -> Suspending[None]:
        """Take the lock; suspend until it is this one's turn.

        Raises:
            CancellationException: The caller was cancelled while it waited; it does not hold the lock then.

        Cancellation: prompt; not looked at where the lock is free.
        Threads: called in a coroutine; a plain thread has `acquire_blocking` and `blocking`.
        """
        return _Enter(self)

    def try_lock(self) -> bool:
        """Take the lock if it is free and nobody waits."""
        of = self._of
        with of._lock:
            return of._try_locked(self._writes)

    def unlock(self) -> None:
        """Give the lock back; who waits next goes on.

        Raises:
            IllegalStateError: It is not held.
        """
        of = self._of
        with of._lock:
            if self._writes:
                if not of._writing:
                    raise IllegalStateError("This mutex is not locked for writing")
                of._writing = False
            else:
                if not of._readers:
                    raise IllegalStateError("This mutex is not locked for reading")
                of._readers -= 1
            found = of._let_in_locked()
        for wait in found:
            wait._grant(None)

    @property
    def is_locked(self) -> bool:
        """True while somebody holds this lock."""
        return self._of._writing if self._writes else self._of._readers > 0

    def __repr__(self) -> str:
        return f"<{'write' if self._writes else 'read'} lock of {self._of!r}>"

    def _entry(self) -> Wait[None]:
        return _Enter(self)

    def _leave(self) -> None:
        self.unlock()


class _Enter(Wait[None]):
    """The wait of `lock`."""

    __slots__ = ("_side", "_writes")

    def __init__(self, side: ReadWriteSide) -> None:
        super().__init__(side._of)
        self._side = side
        self._writes = side._writes

    def _name(self) -> str:
        return "lock"

    def _try_locked(self) -> Any:
        return None if self._home._try_locked(self._writes) else WAITING

    def _give_back(self, value: Any) -> None:
        self._side.unlock()

    def _came_to_nothing(self) -> None:
        self._home._let_in()  # readers behind a writer that is gone
