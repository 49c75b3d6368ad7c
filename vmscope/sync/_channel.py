"""Channel: elements from those who send to those who receive, with or without a buffer between them.

    +------+ close   +--------+ cancel  +-----------+
    | Open | ------> | Closed | ------> | Cancelled |
    +------+         +--------+         +-----------+
        | cancel                              ^
        +-------------------------------------+

Closed takes nothing more, and gives what it has: the buffer, then what suspended senders hold. Cancelled has nothing.

Invariants
    I1  somebody waits to receive only while there is nothing to be had, somebody to send only while there is no room,
        or whoever made that is about to let him in.
    I2  elements leave in the order in which their `send` took effect, to receivers in the order in which they came.
    I3  an element that was sent is received by one, or handed to `on_undelivered` once, or still in here.
Locks
    `_lock` guards everything, but what is in the buffer is received without it (see `_let_in`). Nobody's code runs
    under it. What an operation brings about (a receiver to resume, an element to report) is done after it.
Counterpart: kotlinx.coroutines.channels.BufferedChannel, which has cells and no lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, NoReturn, TypeVar, cast

from .._errors import CancellationException, IllegalStateError, add_suppressed
from .._primitives import FREE_THREADED, RLock
from .._thrown import own
from ..coroutines._coroutine import current, needed, running_job
from ..coroutines._exceptions import handle_coroutine_exception
from ..coroutines._suspend import DONE, RESUMED, Call, Suspending, Suspension, check_block
from ._errors import ClosedReceiveChannelError, ClosedSendChannelError, UndeliveredElementError
from ._line import WAITING, Line, Parked, Wait, Word, block, run_inline

if TYPE_CHECKING:
    from types import TracebackType

    from ..coroutines._context import CoroutineContext
    from ..coroutines._job import Job

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
R = TypeVar("R")


class BufferOverflow(Enum):
    """What a send does when the buffer is full.

    Kotlin: BufferOverflow.
    """

    SUSPEND = "suspend"  #: It waits for room.
    DROP_OLDEST = "drop_oldest"  #: The oldest element in the buffer makes room.
    DROP_LATEST = "drop_latest"  #: The element that is being sent is dropped.


_SUSPEND, _DROP_OLDEST, _DROP_LATEST = BufferOverflow

_UNLIMITED = 2**31 - 1
_DEFAULT_BUFFER = 64


#: In place of an element or an answer: the channel is closed, and has nothing.
CLOSED: Any = Word("CLOSED")
_ENDED, _EMPTY = (CLOSED, None), (WAITING, None)


class _Dropped:
    """The answer of a send that cost an element: this one."""

    __slots__ = ("element",)

    def __init__(self, element: Any) -> None:
        self.element = element


class ChannelResult(Generic[T_co]):
    """The outcome of a channel operation that does not raise: success with a value, closed, or failed.

    Failed is what `try_send` finds without room and `try_receive` without an element.
    Kotlin: ChannelResult.
    """

    __slots__ = ("_cause", "_state", "_value")

    def __init__(self, state: str, value: T_co | None = None, cause: BaseException | None = None) -> None:
        self._state = state
        self._value = value
        self._cause = cause

    @property
    def is_success(self) -> bool:
        """True where there is a value."""
        return self._state == "success"

    @property
    def is_failure(self) -> bool:
        """True where there is none: failed, or closed."""
        return self._state != "success"

    @property
    def is_closed(self) -> bool:
        """True where the channel was closed."""
        return self._state == "closed"

    def get_or_none(self) -> T_co | None:
        """Return the value, None where there is none: an element that is None looks the same."""
        return self._value

    def get_or_raise(self) -> T_co:
        """Return the value.

        Raises:
            BaseException: What the channel was closed with.
            IllegalStateError: There is no value, and no cause to tell.

        Kotlin: getOrThrow.
        """
        if self._state == "success":
            return cast("T_co", self._value)
        if self._cause is not None:
            raise own(self._cause)
        if self._state == "closed":
            raise IllegalStateError("Trying to call 'get_or_raise' on a channel closed without a cause")
        raise IllegalStateError("Trying to call 'get_or_raise' on a failed result of a non-closed channel")

    def exception_or_none(self) -> BaseException | None:
        """Return what the channel was closed with; None for success, failed, and a close without a cause."""
        return self._cause

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChannelResult):
            return NotImplemented
        return (self._state, self._value, self._cause) == (other._state, other._value, other._cause)

    def __hash__(self) -> int:
        return hash((self._state, self._value, self._cause))

    def __repr__(self) -> str:
        if self._state == "success":
            return f"<ChannelResult success {self._value!r}>"
        return f"<ChannelResult {self._state}{f' {self._cause!r}' if self._cause is not None else ''}>"


FAILED: ChannelResult[Any] = ChannelResult("failed")
_SENT: ChannelResult[None] = ChannelResult("success")


class ChannelStatistics(NamedTuple):
    """What `Channel.statistics()` tells at one moment.

    Attributes:
        buffered: How many elements are in the buffer.
        capacity: How many it takes; `math.inf` is not used, UNLIMITED is.
        senders: How many wait to send.
        receivers: How many wait to receive.
        is_closed: It takes nothing more.
    """

    buffered: int
    capacity: int
    senders: int
    receivers: int
    is_closed: bool


class SendChannel(Generic[T_contra]):
    """The end of a channel that elements go into.

    Threads: any.
    Kotlin: SendChannel.
    """

    __slots__ = ()

    def send(self, element: T_contra) -> Suspending[None]:
        """Send `element`; suspend while there is no room for it.

        Raises:
            ClosedSendChannelError: The channel was closed; where that had a cause, the cause.
            CancellationException: The caller, or the channel, was cancelled.

        Cancellation: prompt, and then the element may have been sent all the same; not looked at where there is room.
        Threads: called in a coroutine; a plain thread has `send_blocking`.
        """
        raise NotImplementedError

    def try_send(self, element: T_contra) -> ChannelResult[None]:
        """Send `element` if that can be done at once.

        Returns:
            Success; failed, where there is no room; closed. Unless it says success, the element is still the caller's.

        With DROP_LATEST it is a success also where the element was dropped, and no hook is told, as in Kotlin.
        """
        raise NotImplementedError

    def send_blocking(self, element: T_contra, timeout: float | None = None) -> None:
        """Send `element` from a plain thread, which sleeps while there is no room.

        Raises:
            TimeoutError: There was none for `timeout` seconds; the element was not sent.
            ClosedSendChannelError: The channel was closed, also while the thread slept; or the cause of that.

        Threads: any but one that runs coroutines: they would wait with it.
        Kotlin: trySendBlocking, which answers a result.
        """
        raise NotImplementedError

    def close(self, cause: BaseException | None = None) -> bool:
        """Take no more elements. Those in the buffer, and those of suspended senders, are still received.

        Args:
            cause: Raised to those who send from now on, and to those who receive once nothing is left.

        Returns:
            True for the one call that closed it.
        """
        raise NotImplementedError

    @property
    def is_closed_for_send(self) -> bool:
        """True once it was closed or cancelled."""
        raise NotImplementedError

    def invoke_on_close(self, handler: Callable[[BaseException | None], object]) -> None:
        """Have `handler(cause)` called once when the channel is closed or cancelled; at once where it is.

        Raises:
            IllegalStateError: There is one already: a channel takes one.
        """
        raise NotImplementedError


class ReceiveChannel(Generic[T_co]):
    """The end of a channel that elements come out of.

    `async for x in channel` ends when the channel was closed and nothing is left; the channel stays open when the loop
    is left early. In a generator:

        elements = channel.iterator()
        while (yield from elements.has_next()):
            x = elements.next()

    Threads: any.
    Kotlin: ReceiveChannel.
    """

    __slots__ = ()

    def receive(self) -> Suspending[T_co]:
        """Give the next element; suspend while there is none.

        Raises:
            ClosedReceiveChannelError: The channel was closed and nothing is left; or the cause of that.
            CancellationException: The caller, or the channel, was cancelled.

        Cancellation: prompt; an element that was on its way goes to `on_undelivered`. Not looked at where there is one.
        Threads: called in a coroutine; a plain thread has `receive_blocking`.
        """
        raise NotImplementedError

    def receive_catching(self) -> Suspending[ChannelResult[T_co]]:
        """Like `receive`, with a closed channel as a result and not as an exception."""
        raise NotImplementedError

    def try_receive(self) -> ChannelResult[T_co]:
        """Give the next element if there is one.

        Returns:
            Success with it; failed, where there is none now; closed, where there will be none.
        """
        raise NotImplementedError

    def receive_blocking(self, timeout: float | None = None) -> T_co:
        """Give the next element to a plain thread, which sleeps while there is none.

        Raises:
            TimeoutError: There was none for `timeout` seconds.
            ClosedReceiveChannelError: The channel was closed, also while the thread slept; or the cause of that.

        Threads: any but one that runs coroutines: they would wait with it.
        """
        raise NotImplementedError

    def cancel(self, message: str | CancellationException | None = None, cause: BaseException | None = None) -> None:
        """Close it and drop what is in it, each element to `on_undelivered`; suspended senders fail.

        Args:
            message: Why, in words; or the CancellationException that senders and receivers then see.
            cause: What led to it.

        Raises:
            UndeliveredElementError: The hook raised; the channel is cancelled all the same.
        """
        raise NotImplementedError

    @property
    def is_closed_for_receive(self) -> bool:
        """True once it was closed and nothing is left."""
        raise NotImplementedError

    @property
    def is_empty(self) -> bool:
        """True while it is open and there is nothing to receive."""
        raise NotImplementedError

    def iterator(self) -> ChannelIterator[T_co]:
        """Return what goes through the elements, one by one, in a generator."""
        return ChannelIterator(self)

    def __aiter__(self) -> ChannelIterator[T_co]:
        return ChannelIterator(self)

    def consume(self, body: Callable[..., Any], *args: Any) -> Suspending[Any]:
        """Run the block `body`, then cancel the channel, however the block ended.

        Returns:
            The value of the block.

        Kotlin: consume.
        """
        check_block(body, args, "consume()")
        return Call("consume", _consume, (self, body, args))

    def consume_each(self, body: Callable[[T_co], Any]) -> Suspending[None]:
        """Run `body(element)` for each element until the channel is closed; what ends it early cancels the channel.

        Raises:
            BaseException: What `body` raised, or the cause that the channel was closed with.

        Kotlin: consumeEach.
        """
        check_block(body, (), "consume_each()")
        return Call("consume_each", _consume, (self, _each, (self, body)))

    def to_list(self) -> Suspending[list[T_co]]:
        """Receive all elements until the channel is closed.

        Kotlin: toList.
        """
        found: list[T_co] = []
        return Call("to_list", _collected, (self, found))

    def _next(self) -> Suspending[Any]:
        """Return the wait for the next element, or for CLOSED where there is none without a cause."""
        raise NotImplementedError


def _consume(channel: ReceiveChannel[Any], body: Any, args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    try:
        value = yield from run_inline(body, args)
    except BaseException as failure:
        if isinstance(failure, CancellationException):
            channel.cancel(failure)
        else:
            channel.cancel("Channel was consumed, consumer had failed", failure)
        raise
    channel.cancel()
    return value


def _each(channel: ReceiveChannel[Any], body: Any) -> Generator[Any, Any, None]:
    elements = channel.iterator()
    while (yield from elements.has_next()):
        yield from run_inline(body, (elements.next(),))


def _collected(channel: ReceiveChannel[Any], found: list[Any]) -> Generator[Any, Any, list[Any]]:
    yield from _consume(channel, _each, (channel, found.append))
    return found


class ChannelIterator(Generic[T_co]):
    """Goes through the elements of a channel; several may share one channel.

    Kotlin: ChannelIterator.
    """

    __slots__ = ("_channel", "_element")

    def __init__(self, channel: ReceiveChannel[T_co]) -> None:
        self._channel = channel
        self._element: Any = WAITING

    def has_next(self) -> Suspending[bool]:
        """Wait for the next element and keep it for `next()`; False once the channel is closed and nothing is left.

        Raises:
            BaseException: What the channel was closed with.
        """
        return Call("has_next", _has_next, (self,))

    def next(self) -> T_co:
        """Return the element that `has_next()` has found.

        Raises:
            IllegalStateError: `has_next()` was not asked.
            ClosedReceiveChannelError: It answered False.
        """
        element, self._element = self._element, WAITING
        if element is WAITING:
            raise IllegalStateError("`has_next()` has not been invoked")
        if element is CLOSED:
            self._element = CLOSED
            raise ClosedReceiveChannelError("Channel was closed")
        return cast("T_co", element)

    def __aiter__(self) -> ChannelIterator[T_co]:
        return self

    async def __anext__(self) -> T_co:
        element = await self._channel._next()
        if element is CLOSED:
            raise StopAsyncIteration
        return cast("T_co", element)


def _has_next(elements: ChannelIterator[Any]) -> Generator[Any, Any, bool]:
    if elements._element is WAITING:
        elements._element = yield from elements._channel._next()
    return elements._element is not CLOSED


class Channel(SendChannel[T], ReceiveChannel[T]):
    """A queue between coroutines, or between threads and coroutines, that can be closed.

    Args:
        capacity: How many elements it holds: RENDEZVOUS none, each send meets a receive; BUFFERED 64; UNLIMITED;
            CONFLATED the newest one; or a number.
        on_overflow: What a send does when it is full.
        on_undelivered: Called as `on_undelivered(element)`, once for each element that was sent, or was being sent, and
            is received by nobody: dropped, cancelled, its receiver cancelled before it ran. For elements that must be
            closed. Called where that happens, on any thread.

    Raises:
        ValueError: A negative capacity, or CONFLATED with an overflow of another kind.

    Whoever sends and receives does so in the order they came.
    Threads: any.
    Kotlin: Channel.
    """

    __slots__ = (
        "__weakref__", "_buffer", "_cancelled", "_cause", "_closed", "_handler", "_lock", "_overflow", "_receivers",
        "_room", "_senders", "_spare", "_traceback", "_undelivered",
    )  # fmt: skip

    RENDEZVOUS: ClassVar[int] = 0  #: No buffer: a send waits for its receive.
    CONFLATED: ClassVar[int] = -1  #: One place, and the newest element has it.
    BUFFERED: ClassVar[int] = -2  #: 64 places; with an overflow that drops, one.
    UNLIMITED: ClassVar[int] = _UNLIMITED  #: As much as there is memory for.

    def __init__(
        self,
        capacity: int = 0,
        on_overflow: BufferOverflow = BufferOverflow.SUSPEND,
        on_undelivered: Callable[[T], object] | None = None,
    ) -> None:
        if not isinstance(on_overflow, BufferOverflow):
            raise TypeError(f"on_overflow takes a BufferOverflow, got {on_overflow!r}")
        if on_undelivered is not None and not callable(on_undelivered):
            raise TypeError(f"on_undelivered takes a function of an element, got {on_undelivered!r}")
        if isinstance(capacity, bool) or not isinstance(capacity, int):
            raise TypeError(f"capacity must be a whole number, got {capacity!r}")
        if capacity == Channel.CONFLATED:
            if on_overflow is not _SUSPEND:
                raise ValueError("CONFLATED capacity cannot be used with non-default on_overflow")
            capacity, on_overflow = 1, _DROP_OLDEST
        elif capacity == Channel.BUFFERED:
            capacity = _DEFAULT_BUFFER if on_overflow is _SUSPEND else 1
        elif capacity < 0:
            raise ValueError(f"Invalid channel capacity: {capacity}, should be >=0")
        elif capacity == 0 and on_overflow is not _SUSPEND:
            capacity = 1
        self._lock = RLock()
        self._buffer: deque[T] = deque()
        self._room = capacity
        self._overflow = on_overflow
        self._undelivered = on_undelivered
        self._senders = Line()
        self._receivers = Line()
        self._closed = False
        self._cancelled = False
        self._cause: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._handler: Any = None  # of invoke_on_close; WAITING in its place once it was called
        # Of each kind one call that was done without a wait, to be given out again: a new one with its finalizer costs
        # 0.1 us more, of the 0.33 that a call takes (3.11). It is taken out and put back in one step each, on every
        # build: no two have the same. One that stood in a line is not given out: who cancels may have it in hand.
        self._spare: dict[type[Wait[Any]], Any] = {}

    # -- the moves, under the lock

    def _put_locked(self, element: T) -> Any:
        """Put `element` in: None, the receiver who gets it, what was dropped for it; else CLOSED, or WAITING."""
        if self._closed:
            return CLOSED
        if self._receivers._waiting and (receiver := self._receivers.take()) is not None:
            return receiver
        buffer = self._buffer
        if len(buffer) < self._room or self._room >= _UNLIMITED:
            if not self._senders._waiting or not self._senders:  # else that room is theirs, see `_let_in`
                buffer.append(element)
                return None
        if self._overflow is _SUSPEND:
            return WAITING
        if self._overflow is _DROP_LATEST:
            return _Dropped(element)
        try:
            dropped = _Dropped(buffer.popleft())
        except IndexError:  # somebody received it just now
            dropped = None
        buffer.append(element)
        return dropped

    def _take_locked(self) -> tuple[Any, Any]:
        """Take the next element: it, or CLOSED, or WAITING; and the sender who is to be told that he is rid of his."""
        buffer = self._buffer
        if buffer:
            try:
                element = buffer.popleft()
            except IndexError:  # somebody took the last one without the lock
                pass
            else:
                sender = self._senders.take()
                if sender is not None:
                    buffer.append(sender._element)
                return element, sender
        if self._senders._waiting and (sender := self._senders.take()) is not None:
            return sender._element, sender
        return _ENDED if self._closed else _EMPTY

    # What is in the buffer is received without the lock, one step on every build. A receiver takes, R1, and then looks
    # for senders that wait, R2; a sender that finds no room stands in the line, S1, and then looks for room again, S2.
    # Whichever comes second sees the other; without the GIL both take the lock of the deque in between.
    def _let_in(self) -> None:
        """An element was taken without the lock, and senders wait: let in those for whom there is room."""
        let_in = []
        buffer = self._buffer
        with self._lock:
            while len(buffer) < self._room and (sender := self._senders.take()) is not None:
                buffer.append(sender._element)
                let_in.append(sender)
        for sender in let_in:
            sender._grant(None)

    # -- sending

    def send(self, element: T) -> Suspending[None]:
        """See SendChannel."""
        call: _Send | None = self._spare.pop(_Send, None)
        if call is None:
            call = _Send()
            call._queued = False
        call._begun = False
        call._home = self
        call._element = element
        return call

    def try_send(self, element: T) -> ChannelResult[None]:
        """See SendChannel."""
        with self._lock:
            answer = self._put_locked(element)
        if answer is None:
            return _SENT
        if answer is WAITING:
            return FAILED
        if answer is CLOSED:
            return ChannelResult("closed", None, self._send_error())
        self._was_put(element, answer, tell_own=False)
        return _SENT

    def send_blocking(self, element: T, timeout: float | None = None) -> None:
        """See SendChannel."""
        block(cast("_Send", self.send(element)), timeout, "send_blocking()")

    def _was_put(self, element: T, answer: Any, tell_own: bool = True) -> None:
        """`_put_locked` has put `element`: resume the receiver who gets it, or tell the hook what was dropped for it.

        `tell_own`: also where that is `element` itself. A `try_send` does not.
        """
        if type(answer) is not _Dropped:
            answer._grant(element)
        elif tell_own or self._overflow is _DROP_OLDEST:
            self._report(answer.element)

    # -- receiving

    def receive(self) -> Suspending[T]:
        """See ReceiveChannel."""
        call: _Receive[T] | None = self._spare.pop(_Receive, None)
        if call is None:
            call = _Receive()
            call._queued = False
        call._begun = False
        call._home = self
        return call

    def receive_catching(self) -> Suspending[ChannelResult[T]]:
        """See ReceiveChannel."""
        call: _ReceiveCatching[Any] = _ReceiveCatching()
        call._begun = call._queued = False
        call._home = self
        return call

    def _next(self) -> Suspending[Any]:
        call: _Next | None = self._spare.pop(_Next, None)
        if call is None:
            call = _Next()
            call._queued = False
        call._begun = False
        call._home = self
        return call

    def try_receive(self) -> ChannelResult[T]:
        """See ReceiveChannel."""
        with self._lock:
            element, sender = self._take_locked()
        if sender is not None:
            sender._grant(None)
        if element is WAITING:
            return FAILED
        if element is CLOSED:
            return ChannelResult("closed", None, self._cause)
        return ChannelResult("success", element)

    def receive_blocking(self, timeout: float | None = None) -> T:
        """See ReceiveChannel."""
        return block(cast("_Receive[T]", self.receive()), timeout, "receive_blocking()")

    # -- the end

    def close(self, cause: BaseException | None = None) -> bool:
        """See SendChannel."""
        if cause is not None and not isinstance(cause, BaseException):
            raise TypeError(f"close() takes the exception that is the cause, or None, got {cause!r}")
        return self._end(cause, cancel=False)

    def cancel(self, message: str | CancellationException | None = None, cause: BaseException | None = None) -> None:
        """See ReceiveChannel."""
        self._end(channel_cancellation(message, cause, "Channel was cancelled"), cancel=True)

    def _end(self, cause: BaseException | None, cancel: bool) -> bool:
        dropped: list[T] = []
        senders: list[Any] = []
        with self._lock:
            first = not self._closed
            if first:
                self._cause = cause
                self._traceback = None if cause is None else cause.__traceback__
                self._closed = True
            if cancel:
                self._cancelled = True
                while self._buffer:
                    try:
                        dropped.append(self._buffer.popleft())
                    except IndexError:  # somebody received the last one
                        break
                senders = self._senders.take_all()
            receivers = self._receivers.take_all() if first else []
            handler = None
            if first:
                handler, self._handler = self._handler, WAITING if self._handler is not None else None
        for receiver in receivers:
            receiver._shut()
        failure = self._report_all([*dropped, *(sender._element for sender in senders)])
        for sender in senders:
            sender._shut()
        if handler is not None:
            handler(cause)
        if failure is not None:
            raise failure
        return first

    def invoke_on_close(self, handler: Callable[[BaseException | None], object]) -> None:
        """See SendChannel."""
        if not callable(handler):
            raise TypeError(f"invoke_on_close takes a function of the cause, got {handler!r}")
        with self._lock:
            if self._handler is WAITING:
                raise IllegalStateError("Another handler was already registered and successfully invoked")
            if self._handler is not None:
                raise IllegalStateError(f"Another handler is already registered: {self._handler!r}")
            self._handler = WAITING if self._closed else handler
            if not self._closed:
                return
        handler(self._cause)

    # -- what there is to see

    @property
    def is_closed_for_send(self) -> bool:
        """See SendChannel."""
        return self._closed

    @property
    def is_closed_for_receive(self) -> bool:
        """See ReceiveChannel."""
        with self._lock:
            return self._closed and not self._buffer and self._senders.first() is None

    @property
    def is_empty(self) -> bool:
        """See ReceiveChannel."""
        with self._lock:
            return not self._closed and not self._buffer and self._senders.first() is None

    def statistics(self) -> ChannelStatistics:
        """Return how full it is and how many wait. Looking changes nothing."""
        with self._lock:
            return ChannelStatistics(
                len(self._buffer), self._room, len(self._senders), len(self._receivers), self._closed
            )

    def __repr__(self) -> str:
        state = "cancelled" if self._cancelled else "closed" if self._closed else "open"
        return f"<{type(self).__name__} {state}, {len(self._buffer)} of {self._room} buffered>"

    # -- what nobody receives

    def _report(self, element: T) -> None:
        """Hand `element` to the hook.

        Raises:
            UndeliveredElementError: The hook raised.
        """
        failure = self._report_all([element])
        if failure is not None:
            raise failure

    def _report_all(self, elements: list[T]) -> UndeliveredElementError | None:
        """Hand `elements` to the hook, the newest first; what it raised first has the rest as suppressed."""
        hook = self._undelivered
        failure: UndeliveredElementError | None = None
        if hook is None:
            return None
        for element in reversed(elements):
            try:
                hook(element)
            except BaseException as raised:  # noqa: BLE001  (the other elements are still owed their call)
                if failure is None:
                    failure = UndeliveredElementError(f"Exception in undelivered element handler for {element!r}")
                    failure.__cause__ = raised
                else:
                    add_suppressed(failure, raised)
        return failure

    def _report_in(self, context: CoroutineContext, element: T) -> None:
        """Hand `element` to the hook on behalf of a coroutine; what the hook raises goes to the handler of that."""
        if self._undelivered is not None:
            failure = self._report_all([element])
            if failure is not None:
                handle_coroutine_exception(context, failure)

    def _send_error(self, coroutine: Any = None) -> BaseException:
        """What sending to it raises, now that it is closed, in `coroutine`; None for the code that calls this."""
        return self._end_error(ClosedSendChannelError, coroutine)

    def _receive_error(self, coroutine: Any = None) -> BaseException:
        """What receiving from it raises, now that it is closed and has nothing."""
        return self._end_error(ClosedReceiveChannelError, coroutine)

    def _end_error(self, without_cause: type[Exception], coroutine: Any) -> BaseException:
        if self._cause is None:
            return without_cause("Channel was closed")
        return own(self._cause, coroutine).with_traceback(self._traceback)

    def _refuse(self, element: T, job: Job | None) -> NoReturn:
        """Raise what a send to the closed channel raises in a block of `job`."""
        error = self._send_error()
        failure = self._report_all([element])
        if failure is not None:
            add_suppressed(failure, error)
            error = failure
        if self._overflow is _SUSPEND and job is not None and not job.is_active:
            # as in the reference, where the refusal may suspend
            error = own(job.get_cancellation_exception()).with_traceback(None)
        raise error


def channel_cancellation(
    message: str | CancellationException | None, cause: BaseException | None, otherwise: str
) -> CancellationException:
    """Return the exception that `cancel(message, cause)` of a channel is.

    Raises:
        TypeError: `message` is neither text nor a CancellationException.
    """
    if isinstance(message, CancellationException):
        return message
    if message is not None and not isinstance(message, str):
        raise TypeError(f"cancel() takes text or a CancellationException, got {message!r}: pass a failure as cause=")
    return CancellationException(otherwise if message is None else message, cause, source="cancel")


_suspended = Suspension.__iter__  # bound once: through the class 0.03 us of each send that waits (3.11)


class _Send(Wait[None]):
    """The wait of `send`."""

    __slots__ = ("_element",)
    _home: Channel[Any]
    _element: Any
    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__  # `Channel.send` sets the fields: without a call of a Python __init__ 0.04 us (3.11)

    def __iter__(self) -> Generator[Any, Any, None]:
        """As Wait has it, longhand and no generator. That there is plainly no room is seen without the lock."""
        if self._begun:
            self._begin()
        channel, element = self._home, self._element
        if (
            len(channel._buffer) >= channel._room
            and not channel._receivers._waiting
            and channel._overflow is _SUSPEND
            and not channel._closed
        ):
            answer = WAITING
        else:
            with channel._lock:
                answer = channel._put_locked(element)
        if answer is WAITING:
            if current.get() is None:
                self._begun = True
                needed("send()")  # raises
            return _suspended(self)
        self._begun = True
        if answer is not None:
            self._done(answer, None)
        self._home = self._element = None  # type: ignore[assignment]  # it must not keep them alive
        channel._spare[_Send] = self
        return DONE

    __await__ = __iter__

    def _name(self) -> str:
        return "send"

    def _try_locked(self) -> Any:
        return self._home._put_locked(self._element)

    def _stand_locked(self) -> Any:
        channel = self._home
        buffer, senders = channel._buffer, channel._senders
        while True:
            if (  # else there is plainly no room
                channel._receivers._waiting
                or len(buffer) < channel._room
                or channel._overflow is not _SUSPEND
                or channel._closed
            ):
                answer = channel._put_locked(self._element)
                if answer is not WAITING:
                    return answer
            first = not senders._waiting
            self._queued = True  # `add` longhand
            senders._waiting.append(self)  # S1 stand there
            if FREE_THREADED:  # pragma: no cover - builds without the GIL
                buffer.rotate(0)
            if len(buffer) >= channel._room or not first:  # S2 then look; who made room for the first looks for us, too
                return WAITING
            senders.take()

    def _line_locked(self) -> Line:
        return self._home._senders

    def _grant(self, value: Any) -> None:
        """As Wait has it, with `_off` longhand; there is nothing to give back."""
        if FREE_THREADED:  # pragma: no cover - builds without the GIL
            self._off()
        else:
            self._phase = RESUMED
            self._frame._waiter = None  # G1 leave
            if self._mark is not None:  # G2 then look
                self._off()
        self._coroutine._go_on()

    def _done(self, answer: Any, waiter: Any) -> None:
        if answer is CLOSED:
            job = running_job() if waiter is None else waiter._frame
            self._home._refuse(self._element, None if type(job) is Parked else job)
        if answer is not None:
            self._home._was_put(self._element, answer)

    def _came_to_nothing(self) -> None:
        self._home._report_in(self._frame.coroutine_context, self._element)

    def _shut(self) -> None:
        self._fail(self._home._send_error(self._coroutine))


class _Receive(Wait[T]):
    """The wait of `receive`."""

    __slots__ = ()
    _home: Channel[Any]
    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__  # as for `_Send`

    def __iter__(self) -> Generator[Any, Any, T]:
        """As Wait has it, longhand. That there is plainly nothing is seen without the lock."""
        if self._begun:
            self._begin()
        self._begun = True
        channel = self._home
        buffer = channel._buffer
        element: Any = WAITING
        if buffer:
            try:
                element = buffer.popleft()  # R1 take it
            except IndexError:  # somebody was faster
                pass
            else:
                if channel._senders._waiting:  # R2 then look
                    channel._let_in()
        if element is WAITING and (buffer or channel._senders._waiting or channel._closed):
            with channel._lock:
                if not buffer and (sender := channel._senders.take()) is not None:  # the plain case of `_take_locked`
                    element = sender._element
                else:
                    element, sender = channel._take_locked()
            if sender is not None:
                sender._grant(None)
            if element is CLOSED:
                return cast("T", self._closed())
        if element is not WAITING:
            self._home = None  # type: ignore[assignment]  # it must not keep it alive
            channel._spare[type(self)] = self
            return element  # type: ignore[no-any-return]  # a cast() would be a call
        if current.get() is None:
            needed(f"{self._name()}()")  # raises
        return (yield self)  # type: ignore[no-any-return]

    __await__ = __iter__

    def _name(self) -> str:
        return "receive"

    def _try_locked(self) -> Any:
        answer = self._home._take_locked()
        return WAITING if answer[0] is WAITING else answer

    def _stand_locked(self) -> Any:
        channel = self._home
        answer = channel._take_locked()
        if answer[0] is not WAITING:
            return answer
        channel._receivers.add(self)
        return WAITING

    def _line_locked(self) -> Line:
        return self._home._receivers

    def _done(self, answer: tuple[Any, Any], waiter: Any) -> Any:
        element, sender = answer
        if sender is not None:
            sender._grant(None)
        return self._closed() if element is CLOSED else self._shown(element)

    def _give_back(self, value: Any) -> None:
        self._home._report_in(self._frame.coroutine_context, value)

    def _lost(self, cause: BaseException) -> None:
        if self._value is not CLOSED:
            self._give_back(self._value)

    # -- how the outcome is told

    def _shown(self, element: Any) -> Any:
        """The element as the caller gets it."""
        return element

    def _closed(self) -> Any:
        """There is none: return what the caller gets, or raise it."""
        raise self._home._receive_error()

    def _shut(self) -> None:
        """The channel was closed while it waited."""
        self._fail(self._home._receive_error(self._coroutine))


class _ReceiveCatching(_Receive[T]):
    """The wait of `receive_catching`."""

    __slots__ = ()
    __iter__ = __await__ = Wait.__iter__

    def _name(self) -> str:
        return "receive_catching"

    def _grant(self, value: Any) -> None:
        self._settle(value, self._shown(value))

    def _shown(self, element: Any) -> Any:
        return ChannelResult("success", element)

    def _closed(self) -> Any:
        return ChannelResult("closed", None, self._home._cause)

    def _shut(self) -> None:
        self._settle(CLOSED, self._closed())


class _Next(_Receive[Any]):
    """The wait of an iterator: CLOSED ends it."""

    __slots__ = ()

    def _name(self) -> str:
        return "has_next"

    def _closed(self) -> Any:
        if self._home._cause is not None:
            raise self._home._receive_error()
        return CLOSED

    def _shut(self) -> None:
        if self._home._cause is not None:
            self._fail(self._home._receive_error(self._coroutine))
            return
        self._settle(CLOSED, CLOSED)
