"""Time: delay, yield_, timeouts.

Each dispatcher has a queue that wakes its timers, its own or that of the timer thread; the clock is that queue's.
Locks: none of its own.
Counterpart: kotlinx.coroutines.Delay, Timeout, Yield.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from math import inf, isnan
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, overload

from .._errors import TimeoutCancellationException
from ._context import CoroutineName
from ._coroutine import Coroutine, needed
from ._frame import ScopeCoroutine, in_frame
from ._job import COMPLETING, cancel_tree
from ._scope import ScopeBlock
from ._suspend import CANCELLABLE, SUSPENDED, SUSPENDED_PHASE, Call, Continuation, Suspending, Suspension, check_block

if TYPE_CHECKING:
    from types import TracebackType

    from ..looper._queue import MessageQueue
    from ._coroutine import Env
    from ._job import Job

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def checked_seconds(seconds: object, where: str) -> float:
    """Return `seconds`.

    Raises:
        TypeError, ValueError: It is no number, or not a number.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{where} takes seconds as a number, got {seconds!r}")
    if isnan(seconds):
        raise ValueError(f"{where} takes seconds as a number, got nan")
    return seconds


class _Delay(Continuation[None]):
    """The wait of `delay`: itself the item in the queue of timers."""

    __slots__ = ("_queue", "_seconds", "when")
    asynchronous = True
    _queue: MessageQueue
    _seconds: float
    when: float

    def _name(self) -> str:
        return "delay" if self._seconds != inf else "await_cancellation"

    def _start(self, coroutine: Any) -> object:
        seconds = self._seconds
        if seconds <= 0:
            return None
        self._queue = queue = coroutine._dispatcher._timers()
        self._suspend(coroutine)
        if seconds != inf:
            if not queue.put_after(self, seconds):
                self.rejected()
            elif self._phase != SUSPENDED_PHASE:  # cancelled meanwhile, by another thread
                queue.remove(self)
        return SUSPENDED

    def run(self) -> None:
        """The time is up."""
        self._resume(None, self._coroutine._dispatcher._resumes_timers_in_place)

    def rejected(self) -> None:
        """The queue of timers died: wait on in the one that the dispatcher has now, or end cancelled with it."""
        queue = self._coroutine._dispatcher._timers()
        if queue is not self._queue:
            left = self.when - self._queue.clock()
            self._queue = queue
            if queue.put_at(self, queue.clock() + left):
                return
        if self._claim():
            self._coroutine._owe(None, None, CANCELLABLE, None)
            self._coroutine.rejected()

    def _take_back(self, cause: BaseException) -> None:
        if self._seconds != inf:
            self._queue.remove(self)


def delay(seconds: float) -> Suspending[None]:
    """Suspend for `seconds` or more; the thread goes on with other work.

    Args:
        seconds: By the clock of the dispatcher. Zero or less returns at once; `math.inf` waits to be cancelled.

    Raises:
        CancellationException: The coroutine was cancelled, even where the time was up in the same turn.
        TypeError, ValueError: `seconds` is no number.

    Cancellation: prompt, the timer is taken back; not looked at where `seconds` is zero or less.
    Threads: called in a coroutine; goes on under its dispatcher.
    Kotlin: delay, which counts milliseconds.
    """
    if type(seconds) is not float or seconds != seconds:
        checked_seconds(seconds, "delay()")
    wait = _Delay()
    wait._begun = False
    wait._seconds = seconds
    return wait


class _Yield(Suspension[None]):
    """The turn of `yield_`."""

    __slots__ = ()

    def _name(self) -> str:
        return "yield_"

    def _start(self, coroutine: Any) -> object:
        frame = coroutine._frame
        if frame._state > COMPLETING:
            frame._ensure_active(coroutine)
        coroutine._mode = CANCELLABLE
        coroutine._due = True
        try:
            if coroutine._dispatcher._dispatch_yield(coroutine):
                return SUSPENDED
        except BaseException as fault:  # noqa: BLE001  (a dispatcher that was closed, or of a user's own)
            coroutine._dispatch_failed(fault)
            return SUSPENDED
        coroutine._due = False
        return None


def yield_() -> Suspending[None]:
    """Let what waits on this dispatcher run first.

    Raises:
        CancellationException: The coroutine was cancelled.

    On Dispatchers.Unconfined, which has no queue of its own, only what waits in place on this thread runs.
    Cancellation: prompt. Threads: called in a coroutine.
    Kotlin: yield.
    """
    turn = _Yield()  # has no __init__: that would cost 0.08 us of 0.6, object.__new__ in its place 0.05 (3.11)
    turn._begun = False
    return turn


def await_cancellation() -> Suspending[None]:
    """Suspend until cancelled.

    Raises:
        CancellationException: Always, in the end.

    Kotlin: awaitCancellation.
    """
    return delay(inf)


def _timed_out_immediately() -> TimeoutError:
    error = TimeoutError("Timed out immediately")
    error.__cause__ = TimeoutCancellationException("Timed out immediately")
    return error


class TimeoutCoroutine(ScopeCoroutine):
    """The block of a timeout."""

    __slots__ = ("_queue", "_seconds", "_timer")
    _queue: MessageQueue
    _seconds: float
    _timer: _Timer | None

    def _init_frame(self, parent: Job | None, env: Env) -> None:
        super()._init_frame(parent, env)
        self._queue = queue = env.dispatcher._timers()
        self._timer = _Timer(self)
        if self._seconds != inf:
            queue.put_at(self._timer, queue.clock() + self._seconds)

    def _came_too_late(self, error: BaseException) -> bool:
        return self.timed_out(error)

    def timed_out(self, error: BaseException) -> bool:
        """Say whether `error` is the timeout of this block, and not of one around it or inside."""
        return isinstance(error, TimeoutCancellationException) and error.job is self

    def expire(self) -> None:
        """The time is up."""
        name = self._env.context.get(CoroutineName)
        of = f" in {name.name!r}" if name is not None else ""
        message = f"Timed out waiting for {self._seconds:g} s{of}"
        cancel_tree(self, TimeoutCancellationException(message, job=self, seconds=self._seconds))

    @property
    def deadline(self) -> float:
        """When its time is up, by the clock of its dispatcher."""
        timer = self._timer
        return inf if timer is None or self._seconds == inf else timer.when

    def count_on(self) -> None:
        """The queue of timers died."""
        queue, timer = self._env.dispatcher._timers(), self._timer
        if queue is not self._queue and timer is not None:
            left = timer.when - self._queue.clock()
            self._queue = queue
            queue.put_at(timer, queue.clock() + left)

    def _after_completion(self) -> None:
        timer, self._timer = self._timer, None  # it holds this frame
        if timer is not None and self._seconds != inf:
            self._queue.remove(timer)
        super()._after_completion()


def timeout_frame(coroutine: Coroutine, seconds: float) -> TimeoutCoroutine:
    """Make the frame of a timeout; its time starts as it is entered."""
    frame = _new_timeout(seconds)
    frame._parent = outer = coroutine._frame
    frame._env = outer._env
    return frame


def _new_timeout(seconds: float) -> TimeoutCoroutine:
    frame = TimeoutCoroutine()
    frame._seconds = seconds
    frame._timer = None
    return frame


class _Timer:
    """A timeout in the queue of timers."""

    __slots__ = ("_frame", "when")
    asynchronous = True
    when: float

    def __init__(self, frame: TimeoutCoroutine) -> None:
        self._frame = frame

    def run(self) -> None:
        """Cancel the block."""
        self._frame.expire()

    def rejected(self) -> None:
        """The queue died: count on in the one that the dispatcher has now. What waits in the block is told itself."""
        self._frame.count_on()


class TimeoutBlock(ScopeBlock[T]):
    """`with_timeout(...)`: with a block a suspending call, without one an `async with` block."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float, block: Any, args: tuple[Any, ...]) -> None:
        if block is not None:
            check_block(block, args, "with_timeout()")
        Call.__init__(self, "with_timeout", _timed, (seconds, block, args))
        self._seconds = seconds

    def _new_frame(self) -> ScopeCoroutine:
        if self._seconds <= 0:
            raise _timed_out_immediately()
        return _new_timeout(self._seconds)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            swallow = await super().__aexit__(kind, error, trace)
        except TimeoutCancellationException as timeout:
            self._raise_own(timeout)
            raise
        if isinstance(error, TimeoutCancellationException):
            self._raise_own(error)
        return swallow

    def _raise_own(self, timeout: TimeoutCancellationException) -> None:
        frame = self._frame
        assert isinstance(frame, TimeoutCoroutine)
        if frame.timed_out(timeout):
            raise TimeoutError(timeout.message) from timeout


def _timed(seconds: float, block: Any, args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    if block is None:
        raise TypeError("with_timeout(seconds) takes a block, or stands in `async with`")
    if seconds <= 0:
        raise _timed_out_immediately()
    frame = timeout_frame(needed("with_timeout"), seconds)
    try:
        return (yield from in_frame(frame, block, args))
    except TimeoutCancellationException as timeout:
        if frame.timed_out(timeout):
            raise TimeoutError(timeout.message) from timeout
        raise


def _timed_or_none(seconds: float, block: Any, args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    if seconds <= 0:
        return None
    frame = timeout_frame(needed("with_timeout_or_none"), seconds)
    try:
        return (yield from in_frame(frame, block, args))
    except TimeoutCancellationException as timeout:
        if frame.timed_out(timeout):
            timeout.__traceback__ = None  # nobody will see it, and it holds the frame that holds it
            return None
        raise


@overload
def with_timeout(seconds: float) -> TimeoutBlock[None]: ...
@overload
def with_timeout(seconds: float, block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts) -> TimeoutBlock[T]: ...
@overload
def with_timeout(seconds: float, block: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> TimeoutBlock[T]: ...
@overload
def with_timeout(seconds: float, block: Callable[[*Ts], T], *args: *Ts) -> TimeoutBlock[T]: ...
def with_timeout(seconds: float, block: Callable[[*Ts], Any] | None = None, *args: *Ts) -> TimeoutBlock[Any]:
    """Run `block`, and cancel it after `seconds`.

    Args:
        seconds: By the clock of the dispatcher. Zero or less never calls the block; `math.inf` never ends it.
        block: Called with `args`; without one, stand in `async with with_timeout(5.0):`.

    Returns:
        The value of the block.

    Raises:
        TimeoutError: The time was up; the block and its children have ended. Inside the block it is a cancellation.
        BaseException: What the block raised, also while it was cleaning up after the time was up.

    The value of a block that finishes just as its time is up can be lost: let a block that acquires something assign it
    itself, where a `finally` around the call sees it.
    Threads: called in a coroutine.
    Kotlin: withTimeout, whose exception is a cancellation also outside.
    """
    return TimeoutBlock(checked_seconds(seconds, "with_timeout()"), block, args)


@overload
def with_timeout_or_none(
    seconds: float, block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts
) -> Suspending[T | None]: ...
@overload
def with_timeout_or_none(seconds: float, block: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> Suspending[T | None]: ...
@overload
def with_timeout_or_none(seconds: float, block: Callable[[*Ts], T], *args: *Ts) -> Suspending[T | None]: ...
def with_timeout_or_none(seconds: float, block: Callable[[*Ts], Any], *args: *Ts) -> Suspending[Any]:
    """Like `with_timeout`, with None where its own time was up; the timeout of a block around it passes through.

    Kotlin: withTimeoutOrNull.
    """
    check_block(block, args, "with_timeout_or_none()")
    return Call(
        "with_timeout_or_none", _timed_or_none, (checked_seconds(seconds, "with_timeout_or_none()"), block, args)
    )
