"""CapacityLimiter: a number of tokens, each lent to somebody known, and a number that may change.

Invariants
    I1  while somebody waits, no token is free: more are lent only under `_lend_locked`, first come first served.
    I2  a borrower has one token, or waits for one, or neither: else the two uses of one token would run at once.
Locks
    `_lock` guards `_total`, `_borrowers`, `_asking` and the line. See `_line.py`.
Counterpart: trio.CapacityLimiter; kotlinx.coroutines has none.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from .._errors import IllegalStateError
from .._primitives import RLock, current_thread
from ..coroutines._coroutine import current
from ._line import WAITING, Held, Line, Wait, checked_count

if TYPE_CHECKING:
    from ..coroutines._suspend import Suspending


class LimiterStatistics(NamedTuple):
    """What `CapacityLimiter.statistics()` tells at one moment.

    Attributes:
        waiting: How many wait for a token.
        borrowed: How many tokens are lent.
        total: How many there are.
        borrowers: Who has one.
    """

    waiting: int
    borrowed: int
    total: float
    borrowers: tuple[object, ...]


class CapacityLimiter(Held):
    """A semaphore that knows who holds its tokens, and whose size can be changed while it is in use.

    Args:
        total_tokens: How many may be lent at once; `math.inf` for any number.

    Raises:
        ValueError: Less than one.

    A borrower is the running coroutine, or the thread where there is none, unless one is named. It has one token at a
    time: asking for a second is refused, while it waits for the first as well, and so is giving back what one has not.
    Fair: tokens go to those who wait in the order they came.
    Threads: any.
    Trio: CapacityLimiter.
    """

    __slots__ = ("__weakref__", "_asking", "_borrowers", "_line", "_lock", "_total")

    def __init__(self, total_tokens: float) -> None:
        self._total = _checked_total(total_tokens)
        self._lock = RLock()
        self._line = Line()
        self._borrowers: dict[int, object] = {}  # by identity: no `__eq__` of a caller's runs under the lock
        self._asking: dict[int, _Borrow] = {}  # the wait of each borrower who waits, by identity

    @property
    def total_tokens(self) -> float:
        """How many may be lent at once. More serve those who wait at once; fewer take effect as tokens come back."""
        return self._total

    @total_tokens.setter
    def total_tokens(self, total: float) -> None:
        total = _checked_total(total)
        with self._lock:
            self._total = total
            served = self._lend_locked()
        for wait in served:
            wait._grant(None)

    @property
    def borrowed_tokens(self) -> int:
        """How many are lent."""
        return len(self._borrowers)

    @property
    def available_tokens(self) -> float:
        """How many could be had now."""
        return max(0, self._total - len(self._borrowers))

    def acquire(self, borrower: object = None) -> Suspending[None]:
        """Borrow a token; suspend until there is one.

        Args:
            borrower: Who it is lent to; the running coroutine by default.

        Raises:
            IllegalStateError: This borrower has one, or waits for one.
            CancellationException: The caller was cancelled while it waited; it has none then.

        Cancellation: prompt; not looked at where there is a token.
        Threads: called in a coroutine; a plain thread has `acquire_blocking` and `blocking`.
        """
        return _Borrow(self, _who(borrower))

    def try_acquire(self, borrower: object = None) -> bool:
        """Borrow a token if there is one.

        Raises:
            IllegalStateError: This borrower has one, or waits for one.
        """
        with self._lock:
            return self._try_locked(_who(borrower)) is None

    def release(self, borrower: object = None) -> None:
        """Give the token back: the first in line gets it.

        Raises:
            IllegalStateError: This borrower has none.
        """
        who = _who(borrower)
        with self._lock:
            if id(who) not in self._borrowers:
                raise IllegalStateError(f"{who!r} has no token of this limiter to give back")
            del self._borrowers[id(who)]
            served = self._lend_locked()
        for wait in served:
            wait._grant(None)

    def statistics(self) -> LimiterStatistics:
        """Return how many wait, and who has a token. Looking changes nothing."""
        with self._lock:
            borrowers = tuple(self._borrowers.values())
            return LimiterStatistics(len(self._line), len(borrowers), self._total, borrowers)

    def __repr__(self) -> str:
        return f"<CapacityLimiter {len(self._borrowers)} of {self._total} borrowed, {len(self._line)} waiting>"

    def _try_locked(self, who: object) -> Any:
        if id(who) in self._borrowers:
            raise IllegalStateError(f"{who!r} has a token of this limiter already: one borrower, one token")
        asking = self._asking.get(id(who))
        if asking is not None and asking._queued:  # one that left the line is forgotten a moment later
            raise IllegalStateError(f"{who!r} waits for a token of this limiter already: one borrower, one token")
        if len(self._borrowers) < self._total and not self._line:
            self._borrowers[id(who)] = who
            return None
        return WAITING

    def _lend_locked(self) -> list[Any]:
        """Lend what is free to those who wait; they are to be told."""
        served: list[Any] = []
        while len(self._borrowers) < self._total:
            wait = self._line.take()
            if wait is None:
                break
            self._asking.pop(id(wait._who), None)
            self._borrowers[id(wait._who)] = wait._who
            served.append(wait)
        return served

    def _entry(self) -> Wait[None]:
        return _Borrow(self, _who(None))

    def _leave(self) -> None:
        self.release()


class _Borrow(Wait[None]):
    """The wait of `acquire`."""

    __slots__ = ("_who",)

    def __init__(self, limiter: CapacityLimiter, who: object) -> None:
        super().__init__(limiter)
        self._who = who

    def _name(self) -> str:
        return "acquire"

    def _try_locked(self) -> Any:
        return self._home._try_locked(self._who)

    def _stand_locked(self) -> Any:
        answer = super()._stand_locked()
        if answer is WAITING:
            self._home._asking[id(self._who)] = self
        return answer

    def _came_to_nothing(self) -> None:
        home, who = self._home, id(self._who)
        with home._lock:
            if home._asking.get(who) is self:  # its borrower may ask anew by now
                del home._asking[who]

    def _give_back(self, value: Any) -> None:
        self._home.release(self._who)


def _who(borrower: object) -> object:
    if borrower is not None:
        return borrower
    coroutine = current.get()
    return current_thread() if coroutine is None or coroutine._frame is None else coroutine


def _checked_total(total: object) -> float:
    return inf if total == inf else checked_count(total, "total_tokens", 1)
