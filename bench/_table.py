"""The results as a table for people, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log
from typing import TYPE_CHECKING, Any

from ._systems import ASYNCIO, BARE, EAGER, UVLOOP, VMSCOPE

if TYPE_CHECKING:
    from ._measure import Result

_TITLE = 66
_RATIOS = ((ASYNCIO, "/asyncio"), (EAGER, "/eager"), (UVLOOP, "/uvloop"), (BARE, "/bare"))


def head(systems: list[str]) -> str:
    """Return the first lines of the table."""
    columns = "  ".join(f"{system:>9}" for system in systems)
    ratios = "".join(f" {title:>9}" for other, title in _RATIOS if other in systems)
    return f"{'us an operation':{_TITLE}}{columns}   {VMSCOPE}{ratios}"


def line(result: Result, systems: list[str]) -> str:
    """Return the line of one row. A `!` stands behind a ratio that is above what is aimed at."""
    medians = result.medians
    unit = "" if result.row.unit == "us" else f" [{result.row.unit}]"
    cells = [f"{_number(medians.get(system), result.row.unit):>{max(9, len(system))}}" for system in systems]
    ratios = [f" {_ratio(result, other):>9}" for other, _ in _RATIOS if other in systems]
    return f"{result.row.title + unit:{_TITLE}}{'  '.join(cells)}   {' ' * len(VMSCOPE)}{''.join(ratios)}"


def _number(figure: float | None, unit: str) -> str:
    if figure is None:
        return "-"
    return f"{figure:.0f}" if unit == "bytes" or figure >= 1000 else f"{figure:.3g}" if figure < 1 else f"{figure:.2f}"


def _ratio(result: Result, other: str) -> str:
    ratio = result.ratio(VMSCOPE, other)
    if ratio is None:
        return "-"
    return f"{ratio:.2f}{'!' if _misses(result, other, ratio) else ' '}"


def _misses(result: Result, other: str, ratio: float) -> bool:
    return ratio > result.row.aims.get(other, float("inf"))


def geometric_mean(results: Iterable[Result], other: str) -> float | None:
    """Return the mean ratio to `other` over the rows of time that both have."""
    ratios = [result.ratio(VMSCOPE, other) for result in results if result.row.unit == "us"]
    logs = [log(ratio) for ratio in ratios if ratio]
    return exp(sum(logs) / len(logs)) if logs else None


def foot(results: list[Result], systems: list[str]) -> str:
    """Return what is said after the last row: the means, what is above its aim, what failed."""
    lines = []
    for other in (ASYNCIO, UVLOOP):
        mean = geometric_mean(results, other) if other in systems else None
        if mean is not None:
            lines.append(f"geometric mean of the rows in time: {mean:.2f} of {other}")
    above = [
        f"{result.row.name} {ratio:.2f} of {other} (aim {result.row.aims[other]:g})"
        for result in results
        for other in result.row.aims
        if (ratio := result.ratio(VMSCOPE, other)) is not None and _misses(result, other, ratio)
    ]
    lines.append("\n  ".join(["above the aim:", *above]) if above else "every row meets its aims")
    for result in results:
        for system, failure in result.failures.items():
            lines.append(f"{result.row.name} failed on {system}:\n{failure}")
    return "\n".join(lines)


def as_json(results: list[Result], about: dict[str, Any]) -> dict[str, Any]:
    """Return everything, each round's figure too, for `json.dump`."""
    rows = [
        {
            "name": result.row.name, "title": result.row.title, "unit": result.row.unit, "aims": result.row.aims,
            "medians": result.medians, "rounds": result.figures, "failures": result.failures,
            "ratios": {other: result.ratio(VMSCOPE, other) for other in result.figures if other != VMSCOPE},
        }
        for result in results
    ]  # fmt: skip
    means = {other: geometric_mean(results, other) for other in (ASYNCIO, UVLOOP)}
    return {"machine": about, "rows": rows, "geometric_mean": means}
