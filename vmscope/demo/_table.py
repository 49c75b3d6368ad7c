"""What a launch costs here and now, beside what the second of the articles behind this library says.

The article gives, for Dispatchers.Main and for Dispatchers.Main.immediate, the mean and the 99th percentile of one
launch and the total of a thousand, measured on a phone. What it counts is how long a caller waits for its coroutine:

    begins      from the call of launch to the first line of the body. On Main the caller has to return first and the
                looper to come round: the way out of the message and through the queue is part of it.
    complete    the whole call of launch on Main.immediate, with the trivial body run and the coroutine completed.
                It is more than the article asks for, and what its claim is held against here.
    1000        a thousand launches from one message, until the last of the thousand bodies begins.

The ratio compares like with like: begins with begins.

How it is measured
    On the main looper, from a plain message, as from a click. One launch at a time, each timed by itself, so that the
    99th percentile is one of single launches and no mean of many. Reading the clock costs about as much as a small
    call; the shortest time between two readings is taken off each launch. Nothing else is left out of a round:
    collections of garbage and turns of other processes are in its figures. Of the rounds, in which all kinds take
    turns, the median is given, figure by figure: a neighbour's burst of work is no property of a launch.
"""

from __future__ import annotations

from math import ceil
from statistics import fmean, median
from time import perf_counter_ns
from typing import TYPE_CHECKING, NamedTuple

from .. import CompletableDeferred, CoroutineScope, Dispatchers, Handler, Looper, SupervisorJob

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 7
_SINGLES = 1500  # of each kind in each round
_WARM_UP = 300  # not counted: the interpreter rewrites its own code while it runs the first ones


class Figures(NamedTuple):
    """Microseconds: the mean and the 99th percentile of one launch, and a thousand of them together."""

    mean: float
    p99: float
    total_of_1000: float


class Table(NamedTuple):
    """What was measured: `main` and `begins_in_place` to the first line of the body, `immediate` the whole call."""

    main: Figures
    immediate: Figures
    begins_in_place: Figures

    @property
    def ratio(self) -> Figures:
        """How many times longer a coroutine waits for its beginning on Main, figure by figure."""
        return Figures(*(queued / placed for queued, placed in zip(self.main, self.begins_in_place, strict=True)))


#: The article says 1.2 ms, 3.4 ms and ~1200 ms; 0.002 ms, 0.005 ms and ~2 ms.
CLAIMED = Table(Figures(1200.0, 3400.0, 1_200_000.0), Figures(2.0, 5.0, 2000.0), Figures(2.0, 5.0, 2000.0))


async def measure() -> Table:
    """Measure both dispatchers on the main looper; the caller is suspended meanwhile and in nobody's way."""
    main = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    immediate = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    handler = Handler(Looper.get_main())
    await _round(handler, main, immediate, _WARM_UP)
    rounds = [await _round(handler, main, immediate, _SINGLES) for _ in range(_ROUNDS)]
    return Table(
        main=_median([each.main for each in rounds]),
        immediate=_median([each.immediate for each in rounds]),
        begins_in_place=_median([each.begins_in_place for each in rounds]),
    )


async def _round(handler: Handler, main: CoroutineScope, immediate: CoroutineScope, singles: int) -> Table:
    queued = await _collect(handler, main, _one_to_its_beginning, singles)
    placed = await _collect(handler, immediate, _one_to_its_beginning, singles)
    complete = await _collect(handler, immediate, _one_to_its_end, singles)
    (thousand_queued,) = await _collect(handler, main, _thousand, 1)
    (thousand_placed,) = await _collect(handler, immediate, _thousand, 1)
    return Table(
        main=_figures(queued, thousand_queued),
        immediate=_figures(complete, thousand_placed),
        begins_in_place=_figures(placed, thousand_placed),
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


def _one_to_its_beginning(scope: CoroutineScope, answer: Callable[[int], None]) -> None:
    async def body() -> None:
        answer(perf_counter_ns() - launched)

    launched = perf_counter_ns()
    scope.launch(body)


def _one_to_its_end(scope: CoroutineScope, answer: Callable[[int], None]) -> None:
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


def _figures(singles: list[int], thousand: int) -> Figures:
    clock = _cost_of_the_clock()
    ordered = sorted(max(single - clock, 0) for single in singles)
    p99 = ordered[ceil(len(ordered) * 0.99) - 1]
    return Figures(fmean(ordered) / 1000, p99 / 1000, thousand / 1000)


def _median(rounds: list[Figures]) -> Figures:
    return Figures(*(median(figure) for figure in zip(*rounds, strict=True)))


def _cost_of_the_clock() -> int:
    shortest = 1_000_000
    for _ in range(1000):
        before = perf_counter_ns()
        shortest = min(shortest, perf_counter_ns() - before)
    return shortest
