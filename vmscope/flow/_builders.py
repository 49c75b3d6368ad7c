"""The functions that make flows: flow, flow_of, as_flow, channel_flow, callback_flow; merge, combine, zip_flows.

Counterpart: kotlinx.coroutines.flow.Builders, Channels, Zip, Merge.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, TypeVar, TypeVarTuple, overload

from ..sync._channel import ReceiveChannel
from ._channels import BlockRun
from ._emit import FlowCollector, is_async_generator_function
from ._flow import Flow, _checked_flow, _pair
from ._merge import MergeRun, combined, of_collector, of_values, zipped
from ._sources import (
    from_async_generator,
    from_block,
    from_callable,
    from_channel,
    from_consumed_channel,
    from_values,
)

if TYPE_CHECKING:
    from ..sync._produce import ProducerScope

T = TypeVar("T")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
Ts = TypeVarTuple("Ts")


@overload
def flow(block: Callable[[*Ts], AsyncGenerator[T, None]], *args: *Ts) -> Flow[T]: ...
@overload
def flow(block: Callable[[FlowCollector[T], *Ts], object], *args: *Ts) -> Flow[T]: ...
def flow(block: Callable[..., Any], *args: Any) -> Flow[Any]:  # type: ignore[misc]  # as for launch
    """Make a flow of a block that emits; it is run anew for each who collects. Also a decorator.

        @flow
        def numbers(collector):                     @flow                      @flow
            yield from collector.emit(1)            async def numbers(c):      async def numbers():
            yield from delay(1.0)                       await c.emit(1)            yield 1
            yield from collector.emit(2)

    Args:
        block: A generator function or coroutine function, called with a FlowCollector and `args`; or an async generator
            function, called with `args` alone, which yields the values.
        args: For the block.

    The block emits in the coroutine that collects, and in its context. An async generator that is left early is closed
    in that coroutine.
    Kotlin: flow.
    """
    if not callable(block):
        raise TypeError(f"flow() takes a function of a collector, or an async generator function, got {block!r}")
    if is_async_generator_function(block):
        return Flow(from_async_generator(block, args))
    return Flow(from_block(block, args))


def flow_of(*values: T) -> Flow[T]:
    """Make a flow of these values."""
    return Flow(from_values(values))


@overload
def as_flow(source: ReceiveChannel[T]) -> Flow[T]: ...
@overload
def as_flow(source: Flow[T]) -> Flow[T]: ...
@overload
def as_flow(source: Iterable[T]) -> Flow[T]: ...
@overload
def as_flow(source: Callable[[], Generator[T, None, None]]) -> Flow[T]: ...
@overload
def as_flow(source: Callable[[], AsyncIterator[T]]) -> Flow[T]: ...
@overload
def as_flow(source: Callable[[], Awaitable[T]]) -> Flow[T]: ...
@overload
def as_flow(source: Callable[[], T]) -> Flow[T]: ...
def as_flow(source: Any) -> Flow[Any]:
    """Make a flow of an iterable, of a channel, or of a function without arguments.

    Args:
        source: An iterable: its values, gone through anew for each who collects (a generator that is ready only once).
            A generator function, or an async one: what it yields. Another function: its one result. A channel: what is
            received, shared by those who collect.

    No look at a cancellation between the values of an iterable: `cancellable()` adds that.
    Kotlin: asFlow.
    """
    if isinstance(source, Flow):
        return source
    if isinstance(source, ReceiveChannel):
        return Flow(from_channel(source))
    if isinstance(source, Iterable):
        return Flow(from_values(source))
    if callable(source):
        return Flow(from_callable(source))
    raise TypeError(f"as_flow() takes an iterable, a channel, or a function without arguments, got {source!r}")


def empty_flow() -> Flow[Any]:
    """Make a flow that ends at once."""
    return Flow(from_values(()))


def channel_flow(block: Callable[Concatenate[ProducerScope[T], ...], object], *args: Any) -> Flow[T]:
    """Make a flow of a block that sends, from any number of coroutines and threads: `producer.send`, `try_send`.

    Args:
        block: Called with a ProducerScope and `args`, in a coroutine of its own for each who collects. The flow ends
            when the block and what it launched have ended.
        args: For the block.

    There is a buffer of 64 values; `buffer(...)` after it sets another.
    Kotlin: channelFlow.
    """
    if not callable(block):
        raise TypeError(f"channel_flow() takes a function of a producer, got {block!r}")
    return Flow(BlockRun(block, args, False))


def callback_flow(block: Callable[Concatenate[ProducerScope[T], ...], object], *args: Any) -> Flow[T]:
    """Make a flow of a callback API: register, `try_send` in the callback, and wait to be closed.

        @callback_flow
        def locations(producer):
            sensor.add_listener(producer.try_send)
            yield from producer.await_close(lambda: sensor.remove_listener(producer.try_send))

    Raises:
        IllegalStateError: To who collects, where the block ends without having waited: the callback would leak.

    `producer.close(cause)` ends the flow after what was sent before, with the cause as its failure.
    Threads: `try_send` from any.
    Kotlin: callbackFlow.
    """
    if not callable(block):
        raise TypeError(f"callback_flow() takes a function of a producer, got {block!r}")
    return Flow(BlockRun(block, args, True))


def receive_as_flow(channel: ReceiveChannel[T]) -> Flow[T]:
    """Make a flow of what a channel receives; those who collect share its elements, and leave it open."""
    return Flow(from_channel(channel))


def consume_as_flow(channel: ReceiveChannel[T]) -> Flow[T]:
    """Make a flow of what a channel receives, for one who collects; the channel is cancelled with that.

    Raises:
        IllegalStateError: To the second who collects.
    """
    return Flow(from_consumed_channel(channel))


def merge(*flows: Flow[T]) -> Flow[T]:
    """Hand on the values of all flows as they come; each runs in a coroutine of its own. A failure ends them all."""
    return Flow(MergeRun(tuple(_checked_flow(one, "merge")._run for one in flows)))


@overload
def combine(first: Flow[A], second: Flow[B], /) -> Flow[tuple[A, B]]: ...
@overload
def combine(first: Flow[A], second: Flow[B], third: Flow[C], /) -> Flow[tuple[A, B, C]]: ...
@overload
def combine(first: Flow[A], /, *, fn: Callable[[A], R]) -> Flow[R]: ...
@overload
def combine(first: Flow[A], second: Flow[B], /, *, fn: Callable[[A, B], R]) -> Flow[R]: ...
@overload
def combine(first: Flow[A], second: Flow[B], third: Flow[C], /, *, fn: Callable[[A, B, C], R]) -> Flow[R]: ...
@overload
def combine(*flows: Flow[Any], fn: Callable[..., R]) -> Flow[R]: ...
@overload
def combine(*flows: Flow[Any]) -> Flow[tuple[Any, ...]]: ...
def combine(*flows: Flow[Any], fn: Callable[..., Any] | None = None) -> Flow[Any]:
    """Hand on `fn(*newest values)`, once each flow has a value, and then whenever one has a new one.

    Args:
        flows: Each runs in a coroutine of its own. Where one ends without a value, nothing is handed on.
        fn: By default, the tuple of the values.

    Flows that emit without waiting take turns: of two with three values each, three pairs are seen, not nine.
    Kotlin: combine.
    """
    runs = tuple(_checked_flow(one, "combine")._run for one in flows)
    return Flow(combined(runs, of_values(fn or _pair)))


def combine_transform(*flows: Flow[Any], fn: Callable[..., object]) -> Flow[Any]:
    """The same, with `fn(collector, *newest values)` emitting what it likes.

    Kotlin: combineTransform.
    """
    runs = tuple(_checked_flow(one, "combine_transform")._run for one in flows)
    return Flow(combined(runs, of_collector(fn)))


@overload
def zip_flows(first: Flow[A], second: Flow[B], /) -> Flow[tuple[A, B]]: ...
@overload
def zip_flows(first: Flow[A], second: Flow[B], /, *, fn: Callable[[A, B], R]) -> Flow[R]: ...
@overload
def zip_flows(*flows: Flow[Any], fn: Callable[..., R]) -> Flow[R]: ...
@overload
def zip_flows(*flows: Flow[Any]) -> Flow[tuple[Any, ...]]: ...
def zip_flows(*flows: Flow[Any], fn: Callable[..., Any] | None = None) -> Flow[Any]:
    """Hand on `fn(*values)` of the first values of all, of the second ones, and so on; the shortest ends the others.

    Args:
        flows: Two or more.
        fn: By default, the tuple of the values.

    Kotlin: zip.
    """
    if len(flows) < 2:
        raise TypeError(f"zip_flows takes two flows or more, got {len(flows)}")
    runs = [_checked_flow(one, "zip_flows")._run for one in flows]
    function = fn or _pair
    if len(runs) == 2:
        return Flow(zipped(runs[0], runs[1], function))
    tuples = zipped(runs[0], runs[1], _pair)
    for run in runs[2:-1]:
        tuples = zipped(tuples, run, lambda values, value: (*values, value))
    return Flow(zipped(tuples, runs[-1], lambda values, value: function(*values, value)))
