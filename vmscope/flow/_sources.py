"""Where flows begin: a block that emits, values, an iterable, an async generator, a callable, a channel.

Counterpart: kotlinx.coroutines.flow.Builders, Channels.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError
from ..coroutines._coroutine import needed
from ..coroutines._suspend import iterate
from ._emit import Emit, FlowCollector, Run, consume, receive_into, run_now

if TYPE_CHECKING:
    from ..sync._channel import ReceiveChannel


def from_block(block: Callable[..., object], args: tuple[Any, ...]) -> Run:
    """The block is run with a collector for each one who collects."""

    def run(emit: Emit) -> Generator[Any, Any, None]:
        answer = block(FlowCollector(emit), *args)
        if answer is not None:
            left = iterate(answer)
            if left is not None:
                yield from left

    return run


def from_values(values: Iterable[Any]) -> Run:
    """The values, one after another. No look at a cancellation between them."""

    def run(emit: Emit) -> Generator[Any, Any, None]:
        for value in values:
            wait = emit(value)
            if wait is not None:
                yield from wait

    return run


def from_async_generator(function: Callable[..., Any], args: tuple[Any, ...]) -> Run:
    """The values that an async generator yields; left early, it is closed here, in its own coroutine."""

    def run(emit: Emit) -> Generator[Any, Any, None]:
        yield from _drive(function(*args), emit)

    return run


def _drive(values: Any, emit: Emit) -> Generator[Any, Any, None]:
    frame = needed("a flow")._frame
    following, close = values.__anext__, values.aclose
    try:
        while True:
            try:
                value = yield from following()
            except StopAsyncIteration:
                return
            frame.ensure_active()
            wait = emit(value)
            if wait is not None:
                yield from wait
    except GeneratorExit:  # this generator is closed itself: nothing may be awaited any more
        _close_now(close())
        raise
    except BaseException:
        yield from close()
        raise


def _close_now(closing: Any) -> None:
    try:
        closing.send(None)
    except StopIteration:
        return
    closing.close()


def from_callable(function: Callable[[], Any]) -> Run:
    """The result of a function; all that comes out of it, where it is a generator function."""

    def run(emit: Emit) -> Generator[Any, Any, None]:
        answer = function()
        code = getattr(answer, "gi_code", None)
        if code is not None and not code.co_flags & 0x100:  # a generator, and not one that @suspend has marked
            yield from from_values(answer)(emit)
        elif isinstance(answer, types.AsyncGeneratorType):
            yield from _drive(answer, emit)
        else:
            wait = emit((yield from run_now(answer)))
            if wait is not None:
                yield from wait

    return run


def from_channel(channel: ReceiveChannel[Any]) -> Run:
    """What the channel receives; several who collect share it."""

    def run(emit: Emit) -> Generator[Any, Any, None]:
        yield from receive_into(channel, emit)

    return run


def from_consumed_channel(channel: ReceiveChannel[Any]) -> Run:
    """What the channel receives, for one who collects; the channel is cancelled with that."""
    taken: Iterator[None] = iter((None,))  # next() on it is one step on every build: one caller finds it

    def run(emit: Emit) -> Generator[Any, Any, None]:
        for _ in taken:
            yield from consume(channel, emit)
            return
        raise IllegalStateError("ReceiveChannel.consumeAsFlow can be collected just once")

    return run
