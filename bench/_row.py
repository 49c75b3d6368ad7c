"""What a row of the table is."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any, NamedTuple

#: Seconds, for work that one thread does without a pause: those of the processor, which are the same on a busy machine.
clock = process_time

#: Seconds on the wall, for what goes from thread to thread: there the waiting counts.
wall_clock = perf_counter


class Row(NamedTuple):
    """One kind of work.

    Attributes:
        name: For `--rows` and the JSON.
        title: For the table: what one operation is; `{number}` in it is how many.
        number: How many operations a round does.
        quick: How many with `--quick`.
        programs: Of each system that can do the work: takes `number`, runs it, returns what `unit` says. The programs
            of `asyncio` are those of eager tasks and uvloop as well.
        unit: "us": a program returns seconds, the table shows microseconds for each operation. "us p99": it returns
            microseconds. "bytes": it returns bytes for each.
        aims: The highest ratio to each of the others that is aimed at.
    """

    name: str
    title: str
    number: int
    quick: int
    programs: dict[str, Callable[[int], Any]]
    unit: str = "us"
    aims: dict[str, float] = {"asyncio": 0.5, "uvloop": 1.0}

    def figure(self, answer: float, number: int) -> float:
        """Return what stands in the table for what a program of `number` operations returned."""
        return answer / number * 1e6 if self.unit == "us" else answer


def empty():
    """A coroutine that has nothing to do, as a generator."""
    return
    yield


async def empty_async() -> None:
    """The same as an `async def`."""


def nothing() -> None:
    """The same as a plain function."""
