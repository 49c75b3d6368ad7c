"""What a launch costs here and now, beside what the second of the articles behind this library says.

The article gives, for Dispatchers.Main and for Dispatchers.Main.immediate, the mean and the 99th percentile of one
launch and the total of a thousand, measured on a phone. It counts what a caller waits for before its coroutine is at
work:

    Main        from the call of launch to the first line of the body. The caller has to return and the looper has
                to come round to the coroutine: the way out of the message and through the queue is part of it.
    immediate   the whole call of launch. When it returns, the trivial body has run and the coroutine is complete.

How it is measured
    On the main looper, from a plain message, as from a click. One launch at a time, each timed by itself, so that the
    99th percentile is one of single launches and no mean of many. Nothing is left out: collections of garbage and
    turns of other processes are in the figures. Reading the clock costs about as much as a small call; the shortest
    time between two readings is taken off each launch. The totals are single measurements around a thousand
    launches from one message; the median of several is given.
"""

from __future__ import annotations

from math import ceil
from statistics import fmean, median
from time import perf_counter_ns
from typing import TYPE_CHECKING, NamedTuple

from .. import CompletableDeferred, CoroutineScope, Dispatchers, Handler, Looper, SupervisorJob

if TYPE_CHECKING:
    from collections.abc import Callable

_SINGLES = 5000
_WARM_UP = 500  # not counted: the interpreter rewrites its own code in the first rounds
_THOUSANDS = 15


class Figures(NamedTuple):
    """Microseconds: the mean and the 99th percentile of one launch, and a thousand of them together."""

    mean: float
    p99: float
    total_of_1000: float


class Table(NamedTuple):
    """What was measured, of Main and of Main.immediate."""

    main: Figures
    immediate: Figures

    @property
    def ratio(self) -> Figures:
        """How many times the cost in place a launch through the queue costs, figure by figure."""
        return Figures(*(queued / placed for queued, placed in zip(self.main, self.immediate, strict=True)))


#: The article says 1.2 ms, 3.4 ms and ~1200 ms; 0.002 ms, 0.005 ms and ~2 ms.
CLAIMED = Table(Figures(1200.0, 3400.0, 1_200_000.0), Figures(2.0, 5.0, 2000.0))


async def measure() -> Table:
    """Measure both dispatchers on the main looper; the caller is suspended meanwhile and in nobody's way."""
    main = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    immediate = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    handler = Handler(Looper.get_main())
    in_queue = await _collect(handler, main, _one_in_queue, _WARM_UP + _SINGLES)
    in_place = await _collect(handler, immediate, _one_in_place, _WARM_UP + _SINGLES)
    main_thousands = await _collect(handler, main, _thousand, 2 + _THOUSANDS)
    immediate_thousands = await _collect(handler, immediate, _thousand, 2 + _THOUSANDS)
    return Table(
        _figures(in_queue[_WARM_UP:], main_thousands[2:]),
        _figures(in_place[_WARM_UP:], immediate_thousands[2:]),
    )


async def _collect(
    handler: Handler,
    scope: CoroutineScope,
    measure_once: Callable[[CoroutineScope, Callable[[int], None]], None],
    number: int,
) -> list[int]:
    """Post one message for each measurement, the next when the last has answered; return the nanoseconds."""
    samples: list[int] = []
    done: CompletableDeferred[None] = CompletableDeferred()

    def message() -> None:
        measure_once(scope, answer)

    def answer(nanoseconds: int) -> None:
        samples.append(nanoseconds)
        if len(samples) < number:
            handler.post(message)
        else:
            done.complete(None)

    handler.post(message)
    await done.await_()
    return samples


def _one_in_queue(scope: CoroutineScope, answer: Callable[[int], None]) -> None:
    async def body() -> None:
        answer(perf_counter_ns() - launched)

    launched = perf_counter_ns()
    scope.launch(body)


def _one_in_place(scope: CoroutineScope, answer: Callable[[int], None]) -> None:
    launched = perf_counter_ns()
    scope.launch(_nothing)
    answer(perf_counter_ns() - launched)


def _thousand(scope: CoroutineScope, answer: Callable[[int], None]) -> None:
    async def last() -> None:
        answer(perf_counter_ns() - start)

    start = perf_counter_ns()
    for _ in range(999):
        scope.launch(_nothing)
    scope.launch(last)


async def _nothing() -> None:
    pass


def _figures(singles: list[int], thousands: list[int]) -> Figures:
    clock = _cost_of_the_clock()
    ordered = sorted(max(single - clock, 0) for single in singles)
    p99 = ordered[ceil(len(ordered) * 0.99) - 1]
    return Figures(fmean(ordered) / 1000, p99 / 1000, median(thousands) / 1000)


def _cost_of_the_clock() -> int:
    shortest = 1_000_000
    for _ in range(1000):
        before = perf_counter_ns()
        shortest = min(shortest, perf_counter_ns() - before)
    return shortest
