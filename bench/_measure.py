"""The parent: asks the workers in turn, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from ._systems import SYSTEMS, program_of
from .rows import FAMILIES

if TYPE_CHECKING:
    from ._row import Row

_ROOT = Path(__file__).parent.parent
#: Seconds that a worker may take to end.
_PATIENCE = 30.0


class Result(NamedTuple):
    """A row as it was measured: for each system its figures, one a round, or what went wrong."""

    row: Row
    figures: dict[str, list[float]]
    failures: dict[str, str]

    @property
    def medians(self) -> dict[str, float]:
        """The median of each system that answered."""
        return {system: median(figures) for system, figures in self.figures.items() if figures}

    def ratio(self, system: str, other: str) -> float | None:
        """Return how much `system` takes of what `other` takes: the median over the rounds, pair by pair."""
        pairs = list(zip(self.figures.get(system, ()), self.figures.get(other, ()), strict=False))
        return median(mine / theirs for mine, theirs in pairs) if pairs else None


class _Worker:
    """A process that measures one system."""

    def __init__(self, system: str, family: str) -> None:
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", system, family],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip

    def ask(self, row: str, number: int) -> dict[str, Any]:
        """Have it measure, and wait for the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            print(json.dumps({"row": row, "number": number}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except OSError as broken:
            return {"failed": f"its process is gone: {broken}"}
        return json.loads(line) if line else {"failed": f"its process ended with {self._process.wait()}"}

    def end(self) -> None:
        """Close its input, and wait."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already, which its answer has told
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()


def families(names: set[str] | None) -> Iterator[tuple[str, list[Row]]]:
    """Yield each family with its rows, those of `names` only."""
    for family in FAMILIES:
        rows = [row for row in import_module(f".rows.{family}", __package__).ROWS if names is None or row.name in names]
        if rows:
            yield family, rows


def measure(
    systems: list[str], names: set[str] | None, *, quick: bool, seconds: float, least: int, most: int
) -> Iterator[Result]:
    """Measure row after row; yield each when it is done.

    Args:
        systems: In this order, in each round.
        names: The rows; None for all.
        quick: Fewer operations a round.
        seconds: What a row may take: no round is begun after that.
        least: So many rounds are done in any case.
        most: No more than so many.
    """
    for family, rows in families(names):
        able = [s for s in SYSTEMS if s in systems and any(program_of(s, row.programs) for row in rows)]
        workers = {system: _Worker(system, family) for system in able}
        try:
            for row in rows:
                yield _measure_row(row, workers, row.quick if quick else row.number, seconds, least, most)
        finally:
            for worker in workers.values():
                worker.end()


def _measure_row(row: Row, workers: dict[str, _Worker], number: int, seconds: float, least: int, most: int) -> Result:
    able = [system for system in workers if program_of(system, row.programs)]
    row = row._replace(title=row.title.format(number=number))
    result = Result(row, {system: [] for system in able}, {})
    if row.unit == "bytes":  # counted, not timed: each round would say the same
        least = most = 1
    else:
        for system in able:
            workers[system].ask(row.name, max(number // 10, 1))  # what is done once, is done then
    end = time.monotonic() + seconds
    for turn in range(most):
        if turn >= least and time.monotonic() > end:
            break
        for system in able:
            if system in result.failures:
                continue
            answer = workers[system].ask(row.name, number)
            if "failed" in answer:
                result.failures[system] = answer["failed"]
            else:
                result.figures[system].append(answer["figure"])
    return result

