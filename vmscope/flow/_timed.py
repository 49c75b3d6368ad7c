"""Operators that look at the clock of the dispatcher: debounce, sample, timeout, throttle, chunks by time.

Each runs the flow above in a child with a channel, and waits for a value or for the time, whichever comes first.
Counterpart: kotlinx.coroutines.flow.Delay.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from math import inf
from typing import TYPE_CHECKING, Any

from .._errors import TimeoutCancellationException
from ..coroutines._coroutine import needed
from ..coroutines._time import checked_seconds, delay
from ..sync._channel import CLOSED, BufferOverflow, Channel
from ..sync._select import SelectBuilder, select
from ._channels import as_channel_run, buffered, produce_into, sends_to
from ._emit import NOTHING, Emit, Run, run_now
from ._merge import ChildCancelled, scoped
from ._operators import check_chunk_size

if TYPE_CHECKING:
    from ..sync._produce import ProducedChannel, ProducerScope

Left = Iterator[Any] | None
_TIME: Any = object()  # in place of a value: the time is up


def _values(run: Run, capacity: int = Channel.RENDEZVOUS) -> ProducedChannel[Any]:
    return produce_into(None, lambda producer: run(sends_to(producer.channel)), capacity=capacity)


def _next_within(channel: Channel[Any], seconds: float) -> Generator[Any, Any, Any]:
    """The next value, CLOSED, or _TIME once `seconds` are over. What the channel was closed with is raised."""
    if seconds == inf:
        return (yield from channel._next())

    def clauses(builder: SelectBuilder) -> None:
        builder.on_timeout(seconds, lambda: _TIME)
        builder.on_receive_catching(channel)

    return _value_of((yield from select(clauses)))


def _value_of(result: Any) -> Any:
    if result is _TIME:
        return _TIME
    if result.is_success:
        return result.get_or_none()
    cause = result.exception_or_none()
    if cause is not None:
        raise cause
    return CLOSED


def debounced(run: Run, timeout: float | Callable[[Any], Any]) -> Run:
    """Hand a value on once nothing newer has come for so long; the last one at the end."""
    if not callable(timeout):
        if checked_seconds(timeout, "debounce()") < 0:
            raise ValueError("Debounce timeout should not be negative")
        if timeout == 0:
            return run

    def start(emit: Emit) -> Generator[Any, Any, None]:
        return scoped(debounce, emit)

    def debounce(emit: Emit) -> Generator[Any, Any, None]:
        values = _values(run)
        last = NOTHING
        while last is not CLOSED:
            seconds: float = inf
            if last is not NOTHING:
                seconds = (yield from run_now(timeout(last))) if callable(timeout) else timeout
                if checked_seconds(seconds, "debounce()") < 0:
                    raise ValueError("Debounce timeout should not be negative")
                if seconds == 0:
                    seconds = inf
                    yield from _run(emit(last))
                    last = NOTHING
            following = yield from _next_within(values, seconds)
            if following is _TIME or following is CLOSED:
                if last is not NOTHING:
                    yield from _run(emit(last))
                last = CLOSED if following is CLOSED else NOTHING
            else:
                last = following

    return start


def _run(left: Left) -> Generator[Any, Any, None]:
    if left is not None:
        yield from left


def sampled(run: Run, period: float) -> Run:
    """Hand on the newest value once each period; what came since the last one is dropped at the end."""
    if checked_seconds(period, "sample()") <= 0:
        raise ValueError("Sample period should be positive")

    def start(emit: Emit) -> Generator[Any, Any, None]:
        return scoped(sample, emit)

    def tick(producer: ProducerScope[Any]) -> Generator[Any, Any, None]:
        while True:
            yield from delay(period)
            yield from producer.send(None)

    def sample(emit: Emit) -> Generator[Any, Any, None]:
        values = _values(run, Channel.CONFLATED)
        ticker = produce_into(None, tick)
        last = NOTHING

        def clauses(builder: SelectBuilder) -> None:
            builder.on_receive_catching(values)
            builder.on_receive(ticker, lambda _: _TIME)

        while True:
            value = _value_of((yield from select(clauses)))
            if value is CLOSED:
                ticker.cancel(ChildCancelled())
                return
            if value is not _TIME:
                last = value
            elif last is not NOTHING:
                value, last = last, NOTHING
                yield from _run(emit(value))

    return start


def timed_out(run: Run, seconds: float) -> Run:
    """Fail where the next value does not come in time."""
    checked_seconds(seconds, "timeout()")

    def start(emit: Emit) -> Generator[Any, Any, None]:
        if seconds <= 0:
            raise _timeout("Timed out immediately", seconds)
        return scoped(watch, emit)

    def watch(emit: Emit) -> Generator[Any, Any, None]:
        values = as_channel_run(buffered(run, Channel.RENDEZVOUS, BufferOverflow.SUSPEND)).produce(None)

        def clauses(builder: SelectBuilder) -> None:
            builder.on_receive_catching(values)
            builder.on_timeout(seconds, lambda: _TIME)

        while True:
            value = _value_of((yield from select(clauses)))
            if value is CLOSED:
                return
            if value is _TIME:
                raise _timeout(f"Timed out waiting for {seconds:g} s", seconds)
            yield from _run(emit(value))

    return start


def _timeout(message: str, seconds: float) -> TimeoutError:
    error = TimeoutError(message)
    error.__cause__ = TimeoutCancellationException(message, seconds=seconds)
    return error


def throttled(run: Run, window: float, leading: bool, trailing: bool) -> Run:
    """Hand on one value a window: the first, the last, or both."""
    if checked_seconds(window, "throttle()") <= 0:
        raise ValueError("Throttle window should be positive")
    if not (leading or trailing):
        raise ValueError("throttle() with neither leading nor trailing lets nothing through")

    def start(emit: Emit) -> Generator[Any, Any, None]:
        return scoped(throttle, emit)

    def throttle(emit: Emit) -> Generator[Any, Any, None]:
        clock = needed("a flow")._dispatcher._timers().clock
        # With the time of its coming: what waits for a busy collector is judged by that, not by when it is taken.
        values = _values(lambda send: run(lambda value: send((clock(), value))), Channel.UNLIMITED)
        ends = free = -inf  # when the window ends; when the collector was last done
        kept = NOTHING

        def hand_on(value: Any) -> Generator[Any, Any, None]:
            nonlocal ends, free
            ends = clock() + window
            yield from _run(emit(value))
            free = clock()

        while True:
            result = values.try_receive()  # first: what is there came before the time was up
            if result.is_success:
                taken: Any = result.get_or_none()
            else:
                taken = yield from _next_within(values, inf if kept is NOTHING else max(0.0, ends - clock()))
            over = taken is _TIME or taken is CLOSED
            came, value = (inf, NOTHING) if over else taken
            if kept is not NOTHING and came >= ends and came > free:
                last, kept = kept, NOTHING
                yield from hand_on(last)
            if over:
                if taken is CLOSED:
                    return
            elif kept is NOTHING and came >= ends:
                if leading:
                    yield from hand_on(value)
                else:
                    kept, ends = value, came + window
            elif trailing:
                kept = value

    return start


def chunked_within(run: Run, size: int | None, within: float) -> Run:
    """Hand on lists: when there are `size` values, or `within` seconds after the first of them."""
    if checked_seconds(within, "chunked(within=...)") < 0:
        raise ValueError(f"chunked(within=...) takes 0 seconds or more, got {within!r}")
    if size is not None:
        check_chunk_size(size)

    def start(emit: Emit) -> Generator[Any, Any, None]:
        return scoped(chunk, emit)

    def chunk(emit: Emit) -> Generator[Any, Any, None]:
        values = _values(run, Channel.UNLIMITED if within == 0 else Channel.RENDEZVOUS)
        clock = needed("a flow")._dispatcher._timers().clock
        kept: list[Any] = []
        due = inf
        while True:
            if not kept:
                value = yield from values._next()
            elif within == 0:  # all that waits now
                value = _TIME
                result = values.try_receive()
                if result.is_success:
                    value = result.get_or_none()
            else:
                value = yield from _next_within(values, max(0.0, due - clock()))
            if value is _TIME or value is CLOSED:
                if kept:
                    full, kept = kept, []
                    yield from _run(emit(full))
                if value is CLOSED:
                    return
                continue
            if not kept:
                due = clock() + within
            kept.append(value)
            if size is not None and len(kept) >= size:
                full, kept = kept, []
                yield from _run(emit(full))

    return start
