"""Barrier: a number of parties wait for each other.

Invariants
    I1  fewer than `parties` stand in the line: the last one to come lets all go instead.
Locks
    `_lock` guards the line and `_broken`. See `_line.py`.
Counterpart: threading.Barrier; kotlinx.coroutines has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._primitives import RLock
from ._errors import BrokenBarrierError
from ._line import WAITING, Line, LineStatistics, Wait, block, checked_count

if TYPE_CHECKING:
    from ..coroutines._suspend import Suspending


class Barrier:
    """Who comes waits until `parties` have come; then all go on, and it begins anew.

    Raises:
        ValueError: No party at all.

    One that is cancelled while it waits has not come.
    Threads: any.
    Python: threading.Barrier, asyncio.Barrier.
    """

    __slots__ = ("__weakref__", "_broken", "_line", "_lock", "_parties")

    def __init__(self, parties: int) -> None:
        self._parties = checked_count(parties, "parties", 1)
        self._lock = RLock()
        self._line = Line()
        self._broken = False

    @property
    def parties(self) -> int:
        """How many it takes."""
        return self._parties

    @property
    def is_broken(self) -> bool:
        """True from `abort()` to `reset()`."""
        return self._broken

    def wait(self) -> Suspending[int]:
        """Wait for the others.

        Returns:
            Which one this was, by arrival: 0 for the first, `parties - 1` for the one who let all go.

        Raises:
            BrokenBarrierError: It was aborted, before or meanwhile.

        Cancellation: prompt. Threads: called in a coroutine; a plain thread has `wait_blocking`.
        """
        return _Arrive(self)

    def wait_blocking(self, timeout: float | None = None) -> int:
        """Wait for the others on a plain thread; the answer as for `wait`.

        Raises:
            TimeoutError: They had not come within `timeout` seconds, and this one has not come either.
            BrokenBarrierError: It was aborted.
        """
        return block(_Arrive(self), timeout, "wait_blocking()")

    def abort(self) -> None:
        """Break it: who waits, and who comes, gets a BrokenBarrierError."""
        with self._lock:
            self._broken = True
            waiting = self._line.take_all()
        for wait in waiting:
            wait._fail(_broken())

    def reset(self) -> None:
        """Mend one that was aborted."""
        with self._lock:
            self._broken = False

    def statistics(self) -> LineStatistics:
        """Return how many wait for the others. Looking changes nothing."""
        with self._lock:
            return LineStatistics(len(self._line))

    def __repr__(self) -> str:
        return f"<Barrier {'broken' if self._broken else f'{len(self._line)} of {self._parties} here'}>"


class _Arrive(Wait[int]):
    """The wait of `wait`."""

    __slots__ = ()

    def _name(self) -> str:
        return "wait"

    def _try_locked(self) -> Any:
        home = self._home
        if home._broken:
            raise _broken()
        if len(home._line) + 1 < home._parties:
            return WAITING
        return home._line.take_all()

    def _done(self, answer: list[Any], waiter: Any) -> int:
        for index, wait in enumerate(answer):
            wait._grant(index)
        return len(answer)


def _broken() -> BrokenBarrierError:
    return BrokenBarrierError("the barrier was aborted: reset() mends it")
