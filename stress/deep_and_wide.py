"""Does a very deep and a very wide tree of jobs cancel, without recursion and in linear time?

    python -m stress deep_and_wide [--deep 100000] [--wide 1000000]
    python -m stress deep_and_wide --seconds 5          # trees that take about so long, at most those

Each tree lives in a process of its own, so that its peak of memory is its own. Aimed at: recursion in the cascade down,
in the completions up, and in the release of the objects; a cost that grows with the square of the children; a child
that is forgotten. Prints seconds and memory; ends with 1 when a job is not cancelled and completed, or a child is left.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import time
from itertools import pairwise

from vmscope import Job

ROOT = pathlib.Path(__file__).parent.parent
DEEP, WIDE = 100_000, 1_000_000
LONG = 15.0  # seconds that these two take, on the slowest build at hand


def deep(size: int) -> tuple[Job, list[Job]]:
    """A chain: each job is the only child of the one before."""
    jobs = [Job()]
    for _ in range(size):
        jobs.append(Job(jobs[-1]))
    return jobs[0], jobs


def wide(size: int) -> tuple[Job, list[Job]]:
    """One job and all the others its children."""
    root = Job()
    return root, [root, *(Job(root) for _ in range(size))]


def peak_mib() -> float:
    """The most memory that this process has held, in MiB; nan where the system does not tell."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def one(shape: str, size: int) -> int:
    """Build, cancel and drop one tree; print its line."""
    bare = peak_mib()
    marks = [time.perf_counter()]
    root, jobs = {"deep": deep, "wide": wide}[shape](size)
    marks.append(time.perf_counter())
    root.cancel()
    marks.append(time.perf_counter())
    wrong = sum(1 for job in jobs if not (job.is_cancelled and job.is_completed) or next(iter(job.children), None))
    peak = peak_mib()
    marks.append(time.perf_counter())
    del root, jobs
    marks.append(time.perf_counter())
    built, cancelled, _, dropped = (after - before for before, after in pairwise(marks))
    print(
        f"{shape:4} {size:>9,} jobs: built {built:6.2f} s, cancelled {cancelled:6.2f} s, dropped {dropped:5.2f} s,"
        f" {peak:6.0f} MiB at the peak, {(peak - bare) * 2**20 / max(size, 1):5.0f} bytes a job",
        flush=True,
    )
    if wrong:
        print(f"deep_and_wide: {wrong} jobs of the {shape} tree are not cancelled and completed, or kept a child")
    return 1 if wrong else 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--deep", type=int, default=DEEP)
    parser.add_argument("--wide", type=int, default=WIDE)
    parser.add_argument("--seconds", type=float, help="choose the sizes so that it takes about so long")
    parser.add_argument("--one", choices=("deep", "wide"), help="only this tree, in this process")
    args = parser.parse_args(argv)
    if args.seconds is not None:
        args.deep = min(DEEP, int(args.seconds * DEEP / LONG))
        args.wide = min(WIDE, int(args.seconds * WIDE / LONG))

    if args.one:
        return one(args.one, getattr(args, args.one))
    codes = []
    for shape in ("deep", "wide"):
        own = ["-m", "stress.deep_and_wide", "--one", shape, f"--{shape}", str(getattr(args, shape))]
        codes.append(subprocess.run([sys.executable, *own], cwd=ROOT, check=False).returncode)
        if codes[-1]:
            print(f"deep_and_wide: the {shape} tree ended with {codes[-1]}")
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
