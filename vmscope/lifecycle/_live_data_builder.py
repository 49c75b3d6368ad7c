"""live_data: a LiveData whose values a block emits, a coroutine that runs while somebody observes.

    +------+ active  +---------+ block is over  +------+
    | Idle | ------> | Running | -------------> | Done |
    +------+         +---------+                +------+
        ^    cancelled |     ^
        |              v     | active again
        |            +---------+
        +----------- | Waiting |      inactive: for `timeout` seconds the block goes on
          time is up +---------+

Locks: none; the block's job is started and cancelled on the main thread.
Counterpart: androidx.lifecycle.liveData, CoroutineLiveData, LiveDataScope.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..coroutines._builders import with_context
from ..coroutines._context import CoroutineContext, EmptyCoroutineContext, checked_context
from ..coroutines._job import Job, SupervisorJob
from ..coroutines._main import Main
from ..coroutines._scope import CoroutineScope, current_context
from ..coroutines._suspend import iterate
from ..coroutines._time import checked_seconds, delay
from ._live_data import LiveData
from ._main_thread import run_on_main
from ._mediator import MediatorLiveData

if TYPE_CHECKING:
    from ..coroutines._suspend import Suspending

T = TypeVar("T")

#: Seconds that a block goes on without an observer: enough for a window to be made anew.
DEFAULT_TIMEOUT = 5.0


class EmittedSource:
    """A source that `emit_source` has added; `dispose()` takes it away.

    AndroidX: the DisposableHandle that emitSource returns.
    """

    __slots__ = ("_mediator", "_source")

    def __init__(self, mediator: MediatorLiveData[Any], source: LiveData[Any]) -> None:
        self._mediator = mediator
        self._source: LiveData[Any] | None = source

    def dispose(self) -> None:
        """Follow it no more. Threads: any; it is done on the main one."""
        run_on_main(self._remove)

    def _remove(self) -> None:
        """The same, on the main thread."""
        source, self._source = self._source, None
        if source is not None:
            self._mediator.remove_source(source)


class LiveDataScope(Generic[T]):
    """What the block of `live_data` gets: it emits values, or whole LiveDatas.

    Threads: called in the block, under whatever dispatcher that has gone to.
    AndroidX: LiveDataScope.
    """

    __slots__ = ("_context", "_target")

    def __init__(self, target: _EmittingLiveData[T], context: CoroutineContext) -> None:
        self._target = target
        self._context = context + Main.immediate  # and the block's job: once cancelled, it emits nothing

    @property
    def latest_value(self) -> T | None:
        """The value of now: what a block before this one emitted last, say; None where there is none."""
        return self._target.value

    def emit(self, value: T) -> Suspending[None]:
        """Set the value, on the main thread; what `emit_source` follows, is followed no more."""
        return with_context(self._context, self._target.emit, value)

    def emit_source(self, source: LiveData[T]) -> Suspending[EmittedSource]:
        """Follow `source` from now on, instead of what was followed before; give what ends that."""
        if not isinstance(source, LiveData):
            raise TypeError(f"emit_source() takes a LiveData, got {source!r}: emit(...) takes a value")
        return with_context(self._context, self._target.follow, source)


class _EmittingLiveData(MediatorLiveData[T]):
    """What `live_data` returns."""

    def __init__(self, block: Callable[[LiveDataScope[T]], object], timeout: float, context: CoroutineContext) -> None:
        super().__init__()
        self._block: Callable[[LiveDataScope[T]], object] | None = block
        self._timeout = timeout
        # A job between the given one and the block: ending a block must not cancel what was given.
        self._scope = CoroutineScope(Main.immediate + context + SupervisorJob(context.get(Job)))
        self._running: Job | None = None
        self._stopping: Job | None = None
        self._followed: EmittedSource | None = None

    def emit(self, value: T) -> None:
        """Set the value, and follow nothing."""
        self._unfollow()
        self._set_value(value)

    def follow(self, source: LiveData[T]) -> EmittedSource:
        """Follow `source`, and nothing else."""
        self._unfollow()
        self.add_source(source, self._set_value)
        self._followed = EmittedSource(self, source)
        return self._followed

    def _unfollow(self) -> None:
        followed, self._followed = self._followed, None
        if followed is not None:
            followed._remove()

    def on_active(self) -> None:
        """Run the block, unless it runs still or is over."""
        super().on_active()
        stopping, self._stopping = self._stopping, None
        if stopping is not None:
            stopping.cancel("observed again in time")
        if self._block is not None and self._running is None:
            self._running = self._scope.launch(self._run, self._block)

    def on_inactive(self) -> None:
        """Let the block go on for a while."""
        super().on_inactive()
        if self._block is not None:
            self._stopping = self._scope.launch(self._stop, context=Main.immediate)

    def _run(self, block: Callable[[LiveDataScope[T]], object]) -> Generator[Any, Any, None]:
        body = iterate(block(LiveDataScope(self, current_context())))
        if body is not None:
            yield from body
        self._block = None  # it has had its say: it is not run again

    def _stop(self) -> Generator[Any, Any, None]:
        yield from delay(self._timeout)  # cancelled by an observer that comes meanwhile, up to the last moment
        assert self._running is not None, "it runs, or has ended, since there was an observer"
        self._running.cancel("nobody observes its LiveData any more")
        self._running = None


def live_data(
    block: Callable[[LiveDataScope[T]], object],
    timeout: float = DEFAULT_TIMEOUT,
    context: CoroutineContext = EmptyCoroutineContext,
) -> LiveData[T]:
    """Return a LiveData whose values `block` emits, run while somebody observes. Also a decorator.

        @live_data
        def user(scope):
            yield from scope.emit(cached)
            yield from scope.emit((yield from with_context(Dispatchers.IO, fetch)))

    Args:
        block: Called with a LiveDataScope when the LiveData becomes active. Once it has returned, it is never run
            again. Cancelled for want of observers, it is run anew for the next one; `latest_value` says how far it
            came. One that failed, or cancelled itself, is run anew, too, but only for an observer that comes when
            there has been none for `timeout` seconds.
        timeout: Seconds that it goes on without an active observer before it is cancelled; `math.inf` for ever.
        context: Added to Dispatchers.Main.immediate. With a Job, the end of that is the end of the block.

    What the block fails with goes to the exception handler of `context`, as for `launch`.
    Threads: made on any, observed on the main one.
    AndroidX: liveData, which counts milliseconds. Its documentation says that a block which failed is never run again;
        its code does as is said here.
    """
    if not callable(block):
        raise TypeError(f"live_data() takes a function of a LiveDataScope, got {block!r}")
    seconds = checked_seconds(timeout, "live_data(timeout=...)")
    checked_context(context, "live_data(context=...)")
    return _EmittingLiveData(block, seconds, context)
