"""lazy_async: one computation, begun by the first who asks, shared by all who ask while it runs, kept when it is done.

It belongs to no scope: it runs as long as somebody waits for it. One awaiter that is cancelled leaves the others
theirs; with the last one it is cancelled, and begun anew by the next. It runs on the dispatcher of the first one; where
that is closed meanwhile, another who waits begins it anew on its own.
Locks
    `_lock` of a LazyAsync guards `_deferred` and `_waiting`; that of a SingleFlight its dict. Leaves.
    Keys are a user's: they are hashed and compared outside the lock, in a bucket that nobody changes, and what comes of
    it is put in the place of that bucket where it is still there.
Counterpart: none; async(start = LAZY), which belongs to a scope and fails with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, TypeVarTuple, cast, overload

from .._errors import CancellationException, DeferredCancelledError
from .._primitives import RLock
from ..coroutines._coroutine import REJECTED, DeferredCoroutine, needed
from ..coroutines._scope import CoroutineStart, launch_in
from ..coroutines._suspend import Suspending, call

if TYPE_CHECKING:
    from ..coroutines._coroutine import Env
    from ..coroutines._deferred import Deferred

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
Ts = TypeVarTuple("Ts")


class LazyAsync(Generic[T]):
    """What `lazy_async` returns.

    Threads: any.
    """

    __slots__ = ("__weakref__", "_args", "_block", "_deferred", "_lock", "_retry", "_waiting")

    def __init__(self, block: Callable[..., Any], args: tuple[Any, ...], retry: bool) -> None:
        self._block = block
        self._args = args
        self._retry = retry
        self._lock = RLock()
        self._deferred: DeferredCoroutine[T] | None = None
        self._waiting = 0

    def await_(self) -> Suspending[T]:
        """Give the value; begin the computation where nobody has.

        Raises:
            BaseException: What it failed with. With `retry`, the next who asks begins it anew.

        Cancellation: prompt; the computation goes on for the others.
        Threads: called in a coroutine; the first one's dispatcher runs the computation, or, where that is closed before
            it is done, the dispatcher of another who waits, from the beginning.
        """
        return call("await_", self._await)

    @property
    def is_completed(self) -> bool:
        """True once there is a value, or a failure that is kept."""
        deferred = self._deferred
        return deferred is not None and deferred.is_completed and not self._stale(deferred)

    def reset(self) -> None:
        """Forget the value: the next who asks begins anew. Those who wait get what they wait for."""
        with self._lock:
            self._deferred = None
            self._waiting = 0

    def _stale(self, deferred: Deferred[T]) -> bool:
        return deferred.is_cancelled and (self._retry or deferred._cause is None or _was_rejected(deferred))

    def _await(self) -> Generator[Any, Any, T]:
        env = needed("await_()")._frame._env
        while True:
            deferred = self._begun(env)
            try:
                return (yield from deferred.await_())
            except DeferredCancelledError:
                if not _was_rejected(deferred) or deferred._env.dispatcher is env.dispatcher:
                    raise
            finally:
                self._leave(deferred)

    def _begun(self, env: Env) -> DeferredCoroutine[T]:
        """Count one in that waits for the computation; begin it in `env` where there is none."""
        with self._lock:
            deferred = self._deferred
            if deferred is None or self._stale(deferred):
                deferred = self._deferred = cast(
                    "DeferredCoroutine[T]",
                    launch_in(DeferredCoroutine, None, env, self._block, self._args, None, CoroutineStart.LAZY, None),
                )
                self._waiting = 0
            self._waiting += 1
            return deferred

    def _leave(self, deferred: DeferredCoroutine[T]) -> None:
        """Count one out, and cancel the computation after the last one."""
        with self._lock:
            mine = deferred is self._deferred
            if mine:
                self._waiting -= 1
            abandoned = mine and not self._waiting and not deferred.is_completed
            if abandoned:
                self._deferred = None
        if abandoned:
            deferred.cancel("nobody waits for it any more")


def _was_rejected(deferred: Deferred[Any]) -> bool:
    """Say whether `deferred` was cancelled because its dispatcher was closed."""
    cause = deferred._cause
    return isinstance(cause, CancellationException) and cause.message == REJECTED


@overload
def lazy_async(block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts, retry: bool = True) -> LazyAsync[T]: ...
@overload
def lazy_async(block: Callable[[*Ts], Awaitable[T]], *args: *Ts, retry: bool = True) -> LazyAsync[T]: ...
@overload
def lazy_async(block: Callable[[*Ts], T], *args: *Ts, retry: bool = True) -> LazyAsync[T]: ...
def lazy_async(block: Callable[[*Ts], Any], *args: *Ts, retry: bool = True) -> LazyAsync[Any]:
    """Make a value that is computed when it is first asked for, once, for all: `yield from value.await_()`.

    Args:
        block: Called with `args`, in a coroutine of its own.
        retry: After a failure, the next who asks begins it anew; else the failure is kept like a value.
    """
    if not callable(block):
        raise TypeError(f"lazy_async() takes a function, got {block!r}")
    return LazyAsync(block, args, retry)


class SingleFlight(Generic[K, T]):
    """The same by keys: `yield from users.get(7)`. Whoever asks for a key that is on its way waits for that one.

    Args:
        block: Called with the key.
        keep: Keep the values; else they are forgotten as soon as they are there, and only running ones are shared.
    """

    __slots__ = ("_block", "_flights", "_keep", "_lock")

    def __init__(self, block: Callable[[K], Any], keep: bool = True) -> None:
        if not callable(block):
            raise TypeError(f"SingleFlight takes a function of a key, got {block!r}")
        self._block = block
        self._keep = keep
        self._lock = RLock()
        self._flights: dict[int, tuple[tuple[K, LazyAsync[T]], ...]] = {}  # by hash: a bucket, replaced as a whole

    def get(self, key: K) -> Suspending[T]:
        """Give the value of `key`; see LazyAsync.await_."""
        return call("get", self._get, key)

    def forget(self, key: K) -> None:
        """Forget the value of `key`: the next who asks begins anew."""
        self._change(key, lambda flight: None)

    def _get(self, key: K) -> Generator[Any, Any, T]:
        flight = self._change(key, lambda there: LazyAsync(self._block, (key,), True) if there is None else there)
        assert flight is not None
        try:
            return (yield from flight.await_())
        finally:
            self._change(key, lambda there: None if there is flight and self._is_over(flight) else there)

    def _is_over(self, flight: LazyAsync[T]) -> bool:
        return not (self._keep and flight.is_completed) and not flight._waiting

    def _change(
        self, key: K, change: Callable[[LazyAsync[T] | None], LazyAsync[T] | None]
    ) -> LazyAsync[T] | None:
        """Put what `change` makes of the flight of `key`, None being none, in its place, and return that."""
        number = hash(key)
        while True:
            bucket = self._flights.get(number, ())
            at = next((n for n, (other, _) in enumerate(bucket) if other is key or other == key), len(bucket))
            flight = bucket[at][1] if at < len(bucket) else None
            changed = change(flight)
            if changed is flight:
                return flight
            entry = () if changed is None else ((key, changed),)
            with self._lock:
                if self._flights.get(number, ()) is not bucket:
                    continue  # another thread was faster
                rest = (*bucket[:at], *entry, *bucket[at + 1 :])
                if rest:
                    self._flights[number] = rest
                else:
                    del self._flights[number]
            return changed
