"""Flows with a channel in the middle: channel_flow, callback_flow, buffer, conflate, flow_on; how neighbours fuse.

The flow above the channel runs in a coroutine of its own, a child of the collector, which takes from the channel. So it
may run ahead, on another dispatcher, and be several. Two such operators in a row are one, with one channel.

    capacity   in a row: both given, the sum; a policy that drops replaces what stood before
    context    in a row: the one nearer to the source wins

Locks: none of its own.
Counterpart: kotlinx.coroutines.flow.internal.ChannelFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from .._errors import IllegalStateError
from ..coroutines._context import CoroutineContext, EmptyCoroutineContext, checked_context
from ..coroutines._coroutine import needed
from ..coroutines._frame import InnerBlock, ScopeCoroutine, in_frame, make_frame, new_frame
from ..coroutines._job import Job
from ..coroutines._scope import CoroutineScope, CoroutineStart, launch_in
from ..sync._channel import BufferOverflow, Channel
from ..sync._produce import ProducedChannel, ProducerCoroutine, ProducerScope
from ._emit import Emit, Run, consume, run_now

#: The capacity of a flow_on that nobody has given one: no channel at all where the dispatcher stays the same.
OPTIONAL = -3
_SUSPEND, _DROP_OLDEST, _DROP_LATEST = BufferOverflow


def sends_to(channel: Channel[Any]) -> Emit:
    """Return the Emit that sends into `channel`."""
    try_send, send = channel.try_send, channel.send

    def emit(value: Any) -> Iterator[Any] | None:
        return None if try_send(value).is_success else send(value).__await__()

    return emit


def produce_into(
    scope: CoroutineScope | None, block: Callable[..., object], *args: Any,
    context: CoroutineContext | None = None, capacity: int = 0, overflow: BufferOverflow = _SUSPEND,
    start: CoroutineStart = CoroutineStart.DEFAULT,
) -> ProducedChannel[Any]:  # fmt: skip
    """Start a coroutine that sends into a channel, in `scope` or in the innermost block that runs here."""
    channel: ProducedChannel[Any] = ProducedChannel(capacity, overflow)
    producer: ProducerScope[Any] = ProducerScope(channel)
    if scope is None:
        parent = needed("a flow with a channel")._frame
        env = parent._env
    else:
        parent, env = scope._job, scope._env
    launch_in(ProducerCoroutine, parent, env, block, (producer, *args), context, start, None)
    return channel


class ChannelRun:
    """A Run through a channel. What it sends is decided by the classes below."""

    __slots__ = ("capacity", "context", "overflow")
    start = CoroutineStart.ATOMIC  # it runs, and so cleans up, even where the collector was cancelled at once

    def __init__(
        self,
        context: CoroutineContext = EmptyCoroutineContext,
        capacity: int = Channel.BUFFERED,
        overflow: BufferOverflow = _SUSPEND,
    ) -> None:
        self.context = context
        self.capacity = capacity
        self.overflow = overflow

    def send_all(self, producer: ProducerScope[Any]) -> Generator[Any, Any, None]:
        """Send everything, in the producer's coroutine."""
        raise NotImplementedError

    def with_config(self, context: CoroutineContext, capacity: int, overflow: BufferOverflow) -> ChannelRun:
        """Return the same with another channel."""
        raise NotImplementedError

    def above(self) -> Run | None:
        """Return what stands above the channel, where the channel is all that this adds."""
        return None

    def __call__(self, emit: Emit) -> Generator[Any, Any, None]:
        yield from in_frame(new_frame(InnerBlock, needed("collect")), self._receive, (emit,))

    def _receive(self, emit: Emit) -> Generator[Any, Any, None]:
        yield from consume(self.produce(None), emit)

    def produce(self, scope: CoroutineScope | None) -> ProducedChannel[Any]:
        """Start the coroutine above the channel, and return the channel."""
        return produce_into(
            scope, self.send_all, context=None if self.context is EmptyCoroutineContext else self.context,
            capacity=Channel.BUFFERED if self.capacity == OPTIONAL else self.capacity,
            overflow=self.overflow, start=self.start,
        )  # fmt: skip

    def fused(self, context: CoroutineContext, capacity: int, overflow: BufferOverflow) -> ChannelRun:
        """Return this run with what another operator, below it, asks of the channel."""
        context = context + self.context
        if overflow is not _SUSPEND:
            return self.with_config(context, capacity, overflow)
        mine = self.capacity
        if mine == OPTIONAL:
            both = capacity
        elif capacity == OPTIONAL:
            both = mine
        elif mine == Channel.BUFFERED:
            both = capacity
        elif capacity == Channel.BUFFERED:
            both = mine
        else:
            both = min(mine + capacity, Channel.UNLIMITED)
        return self.with_config(context, both, self.overflow)


class BufferRun(ChannelRun):
    """Another run, through a channel: flow_on, buffer, conflate."""

    __slots__ = ("_upstream",)

    def __init__(
        self,
        upstream: Run,
        context: CoroutineContext = EmptyCoroutineContext,
        capacity: int = OPTIONAL,
        overflow: BufferOverflow = _SUSPEND,
    ) -> None:
        super().__init__(context, capacity, overflow)
        self._upstream = upstream

    def send_all(self, producer: ProducerScope[Any]) -> Generator[Any, Any, None]:
        return self._upstream(sends_to(producer.channel))

    def with_config(self, context: CoroutineContext, capacity: int, overflow: BufferOverflow) -> ChannelRun:
        return BufferRun(self._upstream, context, capacity, overflow)

    def above(self) -> Run | None:
        return self._upstream

    def __call__(self, emit: Emit) -> Generator[Any, Any, None]:
        if self.capacity != OPTIONAL:
            return super().__call__(emit)
        coroutine = needed("collect")
        outer = coroutine._frame
        old = outer._env
        new = old.plus(self.context)
        if (new.dispatcher is not old.dispatcher and new.dispatcher != old.dispatcher) or new.elements != old.elements:
            return super().__call__(emit)
        if new.context == old.context:
            return self._upstream(emit)
        frame = make_frame(ScopeCoroutine, outer, new)
        return in_frame(frame, self._upstream, (_in_frame_of(coroutine, outer, emit),))


def _in_frame_of(coroutine: Any, outer: Any, emit: Emit) -> Emit:
    """Return `emit` for a flow above that runs in another context: the values are dealt with in the collector's."""

    def each(value: Any) -> Iterator[Any] | None:
        inner = coroutine._frame
        coroutine._frame = outer
        try:
            wait = emit(value)
        finally:
            coroutine._frame = inner
        return None if wait is None else later(wait)

    def later(wait: Iterator[Any]) -> Generator[Any, Any, None]:
        inner = coroutine._frame
        coroutine._frame = outer
        try:
            yield from wait
        finally:
            coroutine._frame = inner

    return each


class BlockRun(ChannelRun):
    """A block that sends: channel_flow, callback_flow."""

    __slots__ = ("_args", "_block", "_must_wait")

    def __init__(
        self,
        block: Callable[..., object],
        args: tuple[Any, ...],
        must_wait: bool,
        context: CoroutineContext = EmptyCoroutineContext,
        capacity: int = Channel.BUFFERED,
        overflow: BufferOverflow = _SUSPEND,
    ) -> None:
        super().__init__(context, capacity, overflow)
        self._block = block
        self._args = args
        self._must_wait = must_wait

    def send_all(self, producer: ProducerScope[Any]) -> Generator[Any, Any, None]:
        yield from run_now(self._block(producer, *self._args))
        if self._must_wait and not producer.is_closed_for_send:
            raise IllegalStateError(
                "'awaitClose { yourCallbackOrListener.cancel() }' should be used in the end of callbackFlow block.\n"
                "Here: `yield from producer.await_close(unregister)`. Without it a callback outlives its collector"
            )

    def with_config(self, context: CoroutineContext, capacity: int, overflow: BufferOverflow) -> ChannelRun:
        return BlockRun(self._block, self._args, self._must_wait, context, capacity, overflow)


def buffered(run: Run, capacity: int, overflow: BufferOverflow) -> Run:
    """Put a channel of `capacity` below `run`."""
    if isinstance(capacity, bool) or not isinstance(capacity, int):
        raise TypeError(f"capacity must be a whole number, got {capacity!r}")
    if not isinstance(overflow, BufferOverflow):
        raise TypeError(f"on_overflow takes a BufferOverflow, got {overflow!r}")
    if capacity < 0 and capacity not in (Channel.BUFFERED, Channel.CONFLATED):
        raise ValueError(f"Buffer size should be non-negative, BUFFERED, or CONFLATED, but was {capacity}")
    if capacity == Channel.CONFLATED:
        if overflow is not _SUSPEND:
            raise ValueError("CONFLATED capacity cannot be used with non-default onBufferOverflow")
        capacity, overflow = 0, _DROP_OLDEST
    if isinstance(run, ChannelRun):
        return run.fused(EmptyCoroutineContext, capacity, overflow)
    return BufferRun(run, EmptyCoroutineContext, capacity, overflow)


def flowing_on(run: Run, context: CoroutineContext) -> Run:
    """Let `run` run in `context`, a dispatcher say."""
    checked_context(context, "flow_on()")
    if context.get(Job) is not None:
        raise ValueError(
            f"Flow context cannot contain job in it. Had {context!r}: a flow is part of the coroutine that collects it"
        )
    if isinstance(run, ChannelRun):
        return run.fused(context, OPTIONAL, _SUSPEND)
    return BufferRun(run, context)


def as_channel_run(run: Run) -> ChannelRun:
    """Return `run` as one through a channel."""
    return run if isinstance(run, ChannelRun) else BufferRun(run)
