"""produce, actor, ticker: coroutines with a channel of their own.

    produce   block -> send -> channel -> who receives; the end of the block closes the channel, cancelling the channel
              cancels the block
    actor     who sends -> channel -> block; the end of the block cancels the channel, closing it ends its loop

Locks: none of its own.
Counterpart: kotlinx.coroutines.channels.produce, actor, ticker.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .._errors import CancellationException, IllegalStateError
from ..coroutines._coroutine import Coroutine, StandaloneCoroutine, escape, needed
from ..coroutines._exceptions import handle_coroutine_exception
from ..coroutines._job import NEW, Job, cancel_tree, cancellation
from ..coroutines._scope import CoroutineScope, CoroutineStart, home, launch_in
from ..coroutines._suspend import Call, CancellableContinuation, Suspending
from ..coroutines._time import checked_seconds, delay
from ._channel import Channel, ChannelResult, ReceiveChannel, SendChannel

if TYPE_CHECKING:
    from ..coroutines._context import CoroutineContext

T = TypeVar("T")


class ProducerScope(CoroutineScope, SendChannel[T]):
    """What the block of `produce` gets: its scope, and the end of the channel that it sends into.

    Attributes:
        channel: The channel itself.

    Kotlin: ProducerScope.
    """

    __slots__ = ("channel",)
    channel: Channel[T]

    def __init__(self, channel: Channel[T]) -> None:
        self.channel = channel

    def send(self, element: T) -> Suspending[None]:
        """See SendChannel."""
        return self.channel.send(element)

    def try_send(self, element: T) -> ChannelResult[None]:
        """See SendChannel."""
        return self.channel.try_send(element)

    def send_blocking(self, element: T, timeout: float | None = None) -> None:
        """See SendChannel."""
        self.channel.send_blocking(element, timeout)

    def close(self, cause: BaseException | None = None) -> bool:
        """See SendChannel."""
        return self.channel.close(cause)

    @property
    def is_closed_for_send(self) -> bool:
        """See SendChannel."""
        return self.channel.is_closed_for_send

    def invoke_on_close(self, handler: Callable[[BaseException | None], object]) -> None:
        """See SendChannel."""
        self.channel.invoke_on_close(handler)

    def await_close(self, block: Callable[[], object] | None = None) -> Suspending[None]:
        """Wait until the channel is closed or cancelled, then call `block()`, whatever happened. See `await_close`."""
        return Call("await_close", _await_close, (self, block))


class ActorScope(CoroutineScope, ReceiveChannel[T]):
    """What the block of `actor` gets: its scope, and the end of the channel that it receives from.

    Attributes:
        channel: The channel itself.

    Kotlin: ActorScope.
    """

    __slots__ = ("channel",)
    channel: Channel[T]

    def __init__(self, channel: Channel[T]) -> None:
        self.channel = channel

    def receive(self) -> Suspending[T]:
        """See ReceiveChannel."""
        return self.channel.receive()

    def receive_catching(self) -> Suspending[ChannelResult[T]]:
        """See ReceiveChannel."""
        return self.channel.receive_catching()

    def try_receive(self) -> ChannelResult[T]:
        """See ReceiveChannel."""
        return self.channel.try_receive()

    def receive_blocking(self, timeout: float | None = None) -> T:
        """See ReceiveChannel."""
        return self.channel.receive_blocking(timeout)

    @property
    def is_closed_for_receive(self) -> bool:
        """See ReceiveChannel."""
        return self.channel.is_closed_for_receive

    @property
    def is_empty(self) -> bool:
        """See ReceiveChannel."""
        return self.channel.is_empty

    def _next(self) -> Suspending[Any]:
        return self.channel._next()


class OwnedChannel(Channel[T]):
    """The channel of a coroutine: cancelling either of them cancels the other.

    Attributes:
        job: The Job of the coroutine.
    """

    __slots__ = ("job",)
    job: Job

    def cancel(self, message: str | CancellationException | None = None, cause: BaseException | None = None) -> None:
        """See ReceiveChannel; cancels the coroutine as well."""
        job = self.job
        if job.is_cancelled:
            return
        exception = cancellation(job, message, cause)
        try:
            super().cancel(exception)
        finally:
            cancel_tree(job, exception)


class ProducedChannel(OwnedChannel[T]):
    """The channel that `produce` returns, to receive from."""

    __slots__ = ()


class ProducerCoroutine(Coroutine):
    """Made by produce: its failure is the cause that its channel is closed with."""

    __slots__ = ("channel",)
    channel: ProducedChannel[Any]

    def _init_coroutine(self, parent: Job | None, env: Any, state: int, block: Any, args: tuple[Any, ...]) -> None:
        producer = args[0]
        self.channel = producer.channel
        self.channel.job = self
        super()._init_coroutine(parent, env, state, block, args)
        producer._hold(self.coroutine_context)
        self.invoke_on_completion(self.channel.close)  # the first there is: nobody hears of the end before it

    def cancel(self, message: str | CancellationException | None = None, cause: BaseException | None = None) -> None:
        """Cancel it and its channel."""
        self.channel.cancel(message, cause)

    def _handle_failure(self, failure: BaseException) -> bool:
        if isinstance(failure, (KeyboardInterrupt, SystemExit)):
            escape(failure)
        elif not self.channel.close(failure):  # its receivers will not see it
            handle_coroutine_exception(self.coroutine_context, failure)
        return True


class ActorChannel(OwnedChannel[T]):
    """The channel that `actor` returns, to send into. Sending starts a lazy actor."""

    __slots__ = ()

    def send(self, element: T) -> Suspending[None]:
        """See SendChannel."""
        self._wake()
        return super().send(element)

    def try_send(self, element: T) -> ChannelResult[None]:
        """See SendChannel."""
        self._wake()
        return super().try_send(element)

    def send_blocking(self, element: T, timeout: float | None = None) -> None:
        """See SendChannel."""
        self._wake()
        super().send_blocking(element, timeout)

    def close(self, cause: BaseException | None = None) -> bool:
        """See SendChannel."""
        closed = super().close(cause)
        self._wake()
        return closed

    def _wake(self) -> None:
        if self.job._state == NEW:
            self.job.start()


class ActorCoroutine(StandaloneCoroutine):
    """Made by actor: nobody can send to it once it is cancelled, or over."""

    __slots__ = ("channel",)
    channel: ActorChannel[Any]

    def _init_coroutine(self, parent: Job | None, env: Any, state: int, block: Any, args: tuple[Any, ...]) -> None:
        scope = args[0]
        self.channel = scope.channel
        self.channel.job = self
        super()._init_coroutine(parent, env, state, block, args)
        scope._hold(self.coroutine_context)
        self.invoke_on_completion(self._end_channel, on_cancelling=True)

    def cancel(self, message: str | CancellationException | None = None, cause: BaseException | None = None) -> None:
        """Cancel it and its channel."""
        self.channel.cancel(message, cause)

    def _end_channel(self, cause: BaseException | None) -> None:
        if cause is None or isinstance(cause, CancellationException):
            Channel.cancel(self.channel, cause)
        else:
            Channel.cancel(self.channel, f"{type(self).__name__} was cancelled", cause)


def _scope_and_block(given: tuple[Any, ...], where: str) -> tuple[CoroutineScope | None, Any, tuple[Any, ...]]:
    """Take `scope, block, *args` or `block, *args` apart."""
    scope = None
    if given and isinstance(given[0], CoroutineScope):
        scope, given = given[0], given[1:]
    if not given or not callable(given[0]):
        got = given[0] if given else "nothing"
        raise TypeError(f"{where} takes a function whose first argument is its channel's scope, got {got!r}")
    return scope, given[0], given[1:]


def _launch(
    kind: type[Coroutine], where: str, scope: CoroutineScope | None, block: Any, args: tuple[Any, ...],
    context: CoroutineContext | None, start: CoroutineStart, name: str | None,
) -> None:  # fmt: skip
    if scope is None:
        parent = home(f"{where} without a scope")
        launch_in(kind, parent, parent._env, block, args, context, start, name)
    else:
        launch_in(kind, scope._job, scope._env, block, args, context, start, name)


@overload
def produce(
    scope: CoroutineScope, block: Callable[..., object], /, *args: Any, capacity: int = 0,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> ProducedChannel[Any]: ...  # fmt: skip
@overload
def produce(
    block: Callable[..., object], /, *args: Any, capacity: int = 0,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> ProducedChannel[Any]: ...  # fmt: skip
def produce(
    *given: Any, capacity: int = 0,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> ProducedChannel[Any]:  # fmt: skip
    """Start a coroutine that sends into a channel: `produce(block)` in a coroutine, or `produce(scope, block)`.

    Args:
        given: The scope, where it is not the running coroutine's; `block`, called with a ProducerScope and the
            arguments that follow: `yield from producer.send(x)`.
        capacity: Of the channel.
        context: As for `launch`.
        start: As for `launch`.
        name: As for `launch`.

    Returns:
        The channel, to receive from. Cancelling it cancels the coroutine.

    The channel is closed when the block and its children are done; what the block raised is the cause, and fails the
    parent, too. Where no parent takes it and the channel was closed before, the CoroutineExceptionHandler gets it.
    Threads: any, with a scope.
    Kotlin: produce.
    """
    scope, block, args = _scope_and_block(given, "produce()")
    channel: ProducedChannel[Any] = ProducedChannel(capacity)
    producer: ProducerScope[Any] = ProducerScope(channel)
    _launch(ProducerCoroutine, "produce()", scope, block, (producer, *args), context, start, name)
    return channel


def await_close(block: Callable[[], object] | None = None) -> Suspending[None]:
    """In the block of `produce`, wait until the channel is closed or cancelled; then call `block()`, whatever happened.

    For callbacks: register, `yield from await_close(unregister)`.

    Raises:
        IllegalStateError: Called elsewhere, or twice, or beside `invoke_on_close`.
        CancellationException: The producer was cancelled.

    Threads: called in a coroutine.
    Kotlin: awaitClose.
    """
    return Call("await_close", _await_close, (None, block))


def _await_close(producer: ProducerScope[Any] | None, block: Callable[[], object] | None) -> Generator[Any, Any, None]:
    coroutine = needed("await_close()")
    if not isinstance(coroutine, ProducerCoroutine) or coroutine._frame._home is not coroutine:
        raise IllegalStateError("await_close() can only be invoked from the producer context")
    channel = coroutine.channel
    if producer is not None and producer.channel is not channel:
        raise IllegalStateError("await_close() can only be invoked from the producer context")

    def wait(cont: CancellableContinuation[None]) -> None:
        channel.invoke_on_close(lambda _: cont.resume())

    try:
        yield from CancellableContinuation(wait)
    finally:
        if block is not None:
            block()


@overload
def actor(
    scope: CoroutineScope, block: Callable[..., object], /, *args: Any, capacity: int = 0,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> ActorChannel[Any]: ...  # fmt: skip
@overload
def actor(
    block: Callable[..., object], /, *args: Any, capacity: int = 0,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> ActorChannel[Any]: ...  # fmt: skip
def actor(
    *given: Any, capacity: int = 0,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> ActorChannel[Any]:  # fmt: skip
    """Start a coroutine that takes messages, one at a time: `actor(block)` or `actor(scope, block)`.

    Args:
        given: The scope, where it is not the running coroutine's; `block`, called with an ActorScope and the arguments
            that follow: `async for message in mailbox`.
        capacity: Of its mailbox. CONFLATED for a button: at most one press is remembered while one is being served.
        context: As for `launch`.
        start: As for `launch`; LAZY starts it with the first message.
        name: As for `launch`.

    Returns:
        The channel, to send into. Closing it lets the actor finish what is queued; then its loop ends.

    Once it has ended, or is cancelled, the channel is cancelled: nobody waits for an actor that is gone.
    Threads: any, with a scope.
    Kotlin: actor.
    """
    scope, block, args = _scope_and_block(given, "actor()")
    channel: ActorChannel[Any] = ActorChannel(capacity)
    mailbox: ActorScope[Any] = ActorScope(channel)
    _launch(ActorCoroutine, "actor()", scope, block, (mailbox, *args), context, start, name)
    return channel


class TickerMode(Enum):
    """How a ticker counts on when its receiver was slow.

    Kotlin: TickerMode.
    """

    FIXED_PERIOD = "fixed_period"  #: The next tick is a whole number of periods after the first: the pause is shorter.
    FIXED_DELAY = "fixed_delay"  #: The next tick is one period after the last was received.


def ticker(
    period: float,
    initial_delay: float | None = None,
    mode: TickerMode = TickerMode.FIXED_PERIOD,
    *,
    scope: CoroutineScope | None = None,
    context: CoroutineContext | None = None,
) -> ProducedChannel[None]:
    """Start a channel that gives None every `period` seconds, until it is cancelled.

    Args:
        period: Seconds between two ticks, by the clock of the dispatcher.
        initial_delay: Seconds before the first; `period` by default.
        mode: What a slow receiver shifts. Ticks that nobody received in time are one.
        scope: Whose child it is; the running coroutine's by default, which then waits for it: cancel the channel.
        context: As for `launch`.

    Raises:
        ValueError: A negative time.

    Kotlin: ticker, which belongs to no scope.
    """
    checked_seconds(period, "ticker()")
    first = period if initial_delay is None else checked_seconds(initial_delay, "ticker()")
    if period < 0:
        raise ValueError(f"Expected non-negative delay, but has {period!r} s")
    if first < 0:
        raise ValueError(f"Expected non-negative initial delay, but has {first!r} s")
    if not isinstance(mode, TickerMode):
        raise TypeError(f"mode takes a TickerMode, got {mode!r}")
    ticks = _fixed_period if mode is TickerMode.FIXED_PERIOD else _fixed_delay
    channel: ProducedChannel[None] = ProducedChannel(0)
    producer: ProducerScope[None] = ProducerScope(channel)
    _launch(
        ProducerCoroutine, "ticker()", scope, ticks, (producer, period, first), context, CoroutineStart.DEFAULT, None
    )
    return channel


def _fixed_period(producer: ProducerScope[None], period: float, first: float) -> Generator[Any, Any, None]:
    clock = needed("ticker()")._dispatcher._timers().clock
    deadline = clock() + first
    yield from delay(first)
    while True:
        deadline += period
        yield from producer.send(None)
        late = clock() - deadline
        if late >= 0 and period:  # missed: go on with the next one that is still to come
            deadline += late - late % period + period
            late = clock() - deadline
        yield from delay(max(0.0, -late))


def _fixed_delay(producer: ProducerScope[None], period: float, first: float) -> Generator[Any, Any, None]:
    yield from delay(first)
    while True:
        yield from producer.send(None)
        yield from delay(period)
