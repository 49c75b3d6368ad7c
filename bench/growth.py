"""How the cost grows with the number: `python -m bench growth [--most N] [--json FILE] [--plot FILE]`.

Each kind of work is done with 1,000, 10,000... up to a million of them at once, each time in a process of its own. What
is printed: microseconds for each one, and the exponent of the growth, the slope of the line through (log number, log
time). 1 is a cost that does not grow; n log n from a thousand to a million looks like 1.1. Ends with 1 above 1.2.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from math import log
from pathlib import Path
from statistics import median
from typing import Any

from vmscope import Job, SupervisorJob, run_main

from ._machine import describe, in_words
from ._row import clock
from .rows.launching import spawn
from .rows.timing import cancels, timers

#: n log n between a thousand and a million, and a little for the caches that a large heap does not fit in.
STEEPEST = 1.2


def children(number: int) -> float:
    """A job gets children, and loses each again, the oldest first."""
    parent = SupervisorJob()
    begin = clock()
    for job in [Job(parent) for _ in range(number)]:
        job.complete()
    return clock() - begin


WORK: dict[str, tuple[str, Callable[[int], Any]]] = {
    "launch": ("launch in a scope and complete", spawn),
    "cancel": ("cancel a sleeper", cancels),
    "timers": ("set a timer and take it back", timers),
    "children": ("attach a child and complete it", children),
}


def exponent(times: dict[int, float]) -> float:
    """Return the slope of the line of least squares through the logarithms."""
    points = [(log(number), log(seconds)) for number, seconds in times.items()]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def _in_a_process(name: str, number: int) -> float:
    output = subprocess.run(
        [sys.executable, "-m", "bench", "growth", "--one", name, str(number)],
        stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    return float(output.stdout)


def _one(name: str, number: int) -> float:
    """Do the work once for what is done once, and then as often as fits: the median."""
    work = WORK[name][1]
    run_main(work, 100)
    figures = []
    for _ in range(max(1, min(7, 300_000 // number))):
        gc.collect()
        figures.append(run_main(work, number))
    return median(figures)


def draw(figures: dict[str, dict[int, float]], path: Path) -> None:
    """Write the plot: microseconds for each, over the number."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, times in figures.items():
        label = f"{WORK[name][0]}: exponent {exponent(times):.2f}"
        axes.plot(list(times), [seconds / number * 1e6 for number, seconds in times.items()], "o-", label=label)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("how many at once")
    axes.set_ylabel("us for each")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main(argv: list[str]) -> int:
    """Measure, print, write, draw."""
    parser = argparse.ArgumentParser(prog="python -m bench growth", description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000, help="the largest number; a million takes 1.5 GiB")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="needs matplotlib, of the extra dev")
    parser.add_argument("--one", nargs=2, metavar=("WORK", "NUMBER"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        print(_one(args.one[0], int(args.one[1])))
        return 0

    numbers = [number for number in (1_000, 10_000, 100_000, 1_000_000) if number <= args.most]
    if len(numbers) < 2:
        parser.error("--most must be 10000 or more: one point has no slope")
    print(in_words(describe()))
    print(f"{'us for each':34}" + "".join(f"{number:>12,}" for number in numbers) + f"{'exponent':>12}")
    figures: dict[str, dict[int, float]] = {}
    for name, (title, _) in WORK.items():
        figures[name] = times = {number: _in_a_process(name, number) for number in numbers}
        cells = "".join(f"{times[number] / number * 1e6:>12.2f}" for number in numbers)
        print(f"{title:34}{cells}{exponent(times):>12.2f}", flush=True)
    if args.json:
        slopes = {name: exponent(times) for name, times in figures.items()}
        about = {"machine": describe(), "seconds": figures, "exponents": slopes}
        args.json.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    if args.plot:
        draw(figures, args.plot)
    steep = [name for name, times in figures.items() if exponent(times) > STEEPEST]
    if steep:
        print(f"steeper than n log n: {', '.join(steep)}")
    return 1 if steep else 0
