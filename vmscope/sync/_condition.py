"""Condition: wait, with a mutex held, until somebody who holds it says that something has changed.

Locks
    `_lock` guards the line. The mutex is taken and given back by its own calls, never under it.
Counterpart: threading.Condition; kotlinx.coroutines has none.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from .._errors import IllegalStateError
from .._primitives import RLock
from ..coroutines._builders import non_cancellable
from ..coroutines._coroutine import needed
from ..coroutines._suspend import Call, Suspending
from ._line import WAITING, Held, Line, LineStatistics, Wait, block, checked_count
from ._mutex import Mutex


class Condition(Held):
    """A mutex with a line of those who wait, while they do not hold it, to be notified.

    Args:
        mutex: The one that guards what is waited for; its own, where none is given.

    `async with condition:` holds the mutex; inside, `await condition.wait_for(lambda: ...)`.
    Threads: any.
    Python: threading.Condition, asyncio.Condition.
    """

    __slots__ = ("__weakref__", "_line", "_lock", "mutex")

    def __init__(self, mutex: Mutex | None = None) -> None:
        if mutex is not None and not isinstance(mutex, Mutex):
            raise TypeError(f"Condition takes a Mutex of vmscope.sync, got {mutex!r}")
        self.mutex: Mutex = Mutex() if mutex is None else mutex
        self._lock = RLock()
        self._line = Line()

    def wait(self) -> Suspending[None]:
        """Give the mutex back, wait to be notified, and take the mutex again.

        Raises:
            IllegalStateError: The mutex is not locked.
            CancellationException: The caller was cancelled; it holds the mutex all the same, for its `finally`.

        What is waited for may be untrue again when this returns: `wait_for` looks.
        Cancellation: prompt; taking the mutex again is not cancelled. Threads: called in a coroutine.
        """
        return Call("wait", _wait, (self,))

    def wait_for(self, predicate: Callable[[], object]) -> Suspending[None]:
        """Wait until `predicate()`, which is asked with the mutex held, says something true.

        Raises:
            IllegalStateError: The mutex is not locked.
        """
        if not callable(predicate):
            raise TypeError(f"wait_for() takes a function without arguments, got {predicate!r}")
        return Call("wait_for", _wait_for, (self, predicate))

    def wait_blocking(self, timeout: float | None = None) -> bool:
        """Like `wait`, on a plain thread that holds the mutex; False where `timeout` seconds were over before.

        Raises:
            IllegalStateError: The mutex is not locked.
        """
        self._check("wait_blocking()")
        wait = _Notified(self)
        try:
            block(wait, timeout, "wait_blocking()")
            return True
        except TimeoutError:
            return False
        finally:
            if wait.opened:
                self.mutex.acquire_blocking()

    def notify(self, count: int = 1) -> None:
        """Let the first `count` of those who wait go on, once they get the mutex.

        Raises:
            IllegalStateError: The mutex is not locked.
        """
        checked_count(count, "count", 0)
        self._check("notify()")
        with self._lock:
            taken = self._line.take_all(count)
        for wait in taken:
            wait._grant(None)

    def notify_all(self) -> None:
        """Let all who wait go on, one after another.

        Raises:
            IllegalStateError: The mutex is not locked.
        """
        self._check("notify_all()")
        with self._lock:
            taken = self._line.take_all()
        for wait in taken:
            wait._grant(None)

    def statistics(self) -> LineStatistics:
        """Return how many wait to be notified, and whether the mutex is held. Looking changes nothing."""
        with self._lock:
            return LineStatistics(len(self._line), int(self.mutex.is_locked))

    def __repr__(self) -> str:
        return f"<Condition {len(self._line)} waiting, {self.mutex!r}>"

    def _check(self, where: str) -> None:
        if not self.mutex.is_locked:
            raise IllegalStateError(f"{where} on {self!r}: lock its mutex first")

    def _entry(self) -> Wait[Any]:
        return self.mutex._entry()

    def _leave(self) -> None:
        self.mutex.unlock()


class _Notified(Wait[None]):
    """The wait to be notified. The mutex is given back once it stands in the line, so that no notice is missed."""

    __slots__ = ("given", "opened")

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        self.opened = False  # the mutex is given back: it is to be taken again
        self.given = False  # and that is done

    def _name(self) -> str:
        return "wait"

    def _try_locked(self) -> Any:
        return WAITING

    def _enter(self, waiter: Any) -> Any:
        if waiter is None:
            needed("wait()")._frame.ensure_active()
        self.opened = True  # first: once it waits, a cancellation may resume the coroutine on another thread
        return super()._enter(waiter)

    def _start(self, coroutine: Any) -> object:
        mutex = self._home.mutex
        answer = super()._start(coroutine)
        mutex.unlock()
        self.given = True
        return answer

    def _stands(self) -> bool:
        return self.given and self._queued

    def _give_back(self, value: Any) -> None:
        """The notice is for the next one."""
        home = self._home
        with home._lock:
            successor = home._line.take()
        if successor is not None:
            successor._grant(None)


def _wait(condition: Condition) -> Generator[Any, Any, None]:
    condition._check("wait()")
    wait = _Notified(condition)
    try:
        yield from wait
    except GeneratorExit:  # the coroutine is closed: nothing may be awaited any more, but a `finally` will unlock
        condition.mutex.try_lock()
        raise
    except BaseException:
        if wait.opened:
            yield from non_cancellable(condition.mutex.lock)
        raise
    yield from non_cancellable(condition.mutex.lock)


def _wait_for(condition: Condition, predicate: Callable[[], object]) -> Generator[Any, Any, None]:
    condition._check("wait_for()")
    while not predicate():
        yield from _wait(condition)
