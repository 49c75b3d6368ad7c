"""Do a very deep and a very wide tree of jobs cancel, a million timers fire, and a million launches leave nothing?

    python -m stress deep_and_wide [--deep 100000] [--wide 1000000] [--timers 1000000] [--spent 1000000]
    python -m stress deep_and_wide --seconds 5          # sizes that take about so long, at most those

Each shape lives in a process of its own, so that its peak of memory is its own. Aimed at:
  deep    recursion in the cascade down, in the completions up, and in the release of the objects
  wide    a cost that grows with the square of the children, as they are cancelled at once or end one by one in any
          order; a child that is forgotten
  nested  the same as deep of coroutines, each launched in the one before, that wait and clean up
  timers  timers set in any order, most of them taken back in any order: one that fires out of order, twice, or never; a
          queue that keeps what was taken back, that searches it, or that needs more memory the longer it lasts
  spent   coroutines launched and cancelled, before they begin and after: a cycle that only the collector would free, an
          object or a byte that stays
Prints seconds and memory; ends with 1 when something of that is wrong, or a shape took longer than LIMIT.
"""

from __future__ import annotations

import argparse
import gc
import pathlib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise

from vmscope import (
    CoroutineScope,
    Dispatchers,
    Job,
    MessageQueue,
    SupervisorJob,
    await_cancellation,
    current_job,
    delay,
    launch,
    run_main,
    yield_,
)

ROOT = pathlib.Path(__file__).parent.parent
SIZES = {
    "deep": 100_000, "wide": 1_000_000, "ended": 1_000_000, "nested": 100_000, "timers": 1_000_000, "spent": 1_000_000,
}  # fmt: skip
LONG = 60.0  # seconds that these take, on the slowest build at hand
LIMIT = 30.0  # seconds that a shape may take: of a million children this is promised, the rest is not near it
GARBAGE = 1_000  # timers taken back that a queue may hold beyond as many as are alive
A_TIMER = 400  # bytes that a timer may cost, its time and the item of the test included
LEFT = 1.0  # MiB that a process may grow by, after all that was launched has ended
STRAY = 2_000  # objects and blocks of memory that come and go with what the interpreter keeps for another use


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


def ended(size: int) -> tuple[list[str], str]:
    """One job whose children end one by one, in any order, while it waits for them."""
    root = Job()
    jobs = [Job(root) for _ in range(size)]
    random.Random(1).shuffle(jobs)
    began = time.perf_counter()
    root.complete()
    while jobs:
        if root.is_completed:
            return [f"completed before {len(jobs)} of its children"], ""
        jobs.pop().complete()
    took = time.perf_counter() - began
    return ([] if root.is_completed else ["not completed with the last of its children"]), f"ended in {took:6.2f} s"


def nested(size: int) -> tuple[list[str], str]:
    """A chain of coroutines, each launched in the one before; the first one is cancelled as all of them wait."""
    jobs: list[Job] = []
    cleaned: list[int] = []

    def body(depth: int):
        jobs.append(current_job())
        if depth:
            launch(body, depth - 1)
        try:
            yield from await_cancellation()
        finally:
            cleaned.append(depth)

    def all_of_them():
        began = time.perf_counter()
        root = CoroutineScope(SupervisorJob() + Dispatchers.Main).launch(body, size)
        while len(jobs) <= size:
            yield from yield_()
        launched = time.perf_counter()
        assert repr(root) == "<StandaloneCoroutine active, 1 child>", repr(root)
        yield from root.cancel_and_join()
        return launched - began, time.perf_counter() - launched

    launched, cancelled = run_main(all_of_them)
    wrong = sum(1 for job in jobs if not (job.is_cancelled and job.is_completed) or next(iter(job.children), None))
    told = f"launched {launched:6.2f} s, cancelled {cancelled:6.2f} s"
    if not wrong and sorted(cleaned) == list(range(size + 1)):
        return [], told
    return [f"{wrong} are not cancelled and completed, or kept a child; {len(cleaned)} have cleaned up"], told


def peak_mib() -> float:
    """The most memory that this process has held, in MiB; nan where the system does not tell."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def tree(shape: Callable[[int], tuple[Job, list[Job]]], size: int) -> tuple[list[str], str]:
    """Build, cancel and drop one tree; say what is wrong, and how long the parts took."""
    marks = [time.perf_counter()]
    root, jobs = shape(size)
    marks.append(time.perf_counter())
    root.cancel()
    marks.append(time.perf_counter())
    wrong = sum(1 for job in jobs if not (job.is_cancelled and job.is_completed) or next(iter(job.children), None))
    marks.append(time.perf_counter())
    del root, jobs
    marks.append(time.perf_counter())
    built, cancelled, _, dropped = (after - before for before, after in pairwise(marks))
    told = f"built {built:6.2f} s, cancelled {cancelled:6.2f} s, dropped {dropped:5.2f} s"
    return ([f"{wrong} jobs are not cancelled and completed, or kept a child"] if wrong else []), told


class Timer:
    """What stands in the queue: it notes its number as it runs."""

    __slots__ = ("log", "number", "when")
    asynchronous = False

    def __init__(self, number: int, log: list[int]) -> None:
        self.number = number
        self.log = log

    def run(self) -> None:
        self.log.append(self.number)

    def rejected(self) -> None:
        self.log.append(-1)


def timers(size: int) -> tuple[list[str], str]:
    """Set them in any order, take back three of four in any order, then let the time come."""
    now = 0.0
    queue, log, chance = MessageQueue(lambda: now), [], random.Random(1)
    order = list(range(size))
    chance.shuffle(order)
    marks = [time.perf_counter()]
    bare = peak_mib()
    timers = [Timer(number, log) for number in range(size)]
    for number in order:
        assert queue.put_at(timers[number], 1.0 + number // 2)  # two of each time: those by the order of setting
    queue.run_due()  # nothing is due, and all are where the consumer keeps them
    marks.append(time.perf_counter())
    each = (peak_mib() - bare) * 2**20 / max(size, 1)
    left = size // 4  # with no more taken back than are left, a queue that forgets nothing would pass
    gone, most = order[left:], 0
    chance.shuffle(gone)
    for taken, number in enumerate(gone, 1):
        queue.remove(timers[number])
        most = max(most, len(queue._heap) - 2 * (size - taken))
    marks.append(time.perf_counter())
    held = peak_mib()
    now = size / 4  # in two leaps, the time is half over first
    queue.run_due()
    early, now = len(log), float(size)
    queue.run_due()
    marks.append(time.perf_counter())
    more = peak_mib() - held

    place = {number: at for at, number in enumerate(order)}
    due = sorted(order[:left], key=lambda number: (number // 2, place[number]))
    wrong = []
    if log != due:
        wrong.append(f"{len(log)} of {len(due)} fired, {sum(a != b for a, b in zip(log, due))} at the wrong place")  # noqa: B905
    if early != sum(1.0 + number // 2 <= size / 4 for number in due):
        wrong.append(f"{early} fired as half of the time was over")
    if most > GARBAGE:
        wrong.append(f"{most} more of those taken back were kept than there were others")
    if size >= 100_000 and (each > A_TIMER or more > 16 * size / 2**20):  # of fewer, the pages of the system are most
        wrong.append(f"{each:.0f} bytes a timer, and {more:.1f} MiB more as they fired")
    put, taken, ran = (after - before for before, after in pairwise(marks))
    told = f"set {put:6.2f} s, {each:.0f} bytes a timer, three of four taken back {taken:6.2f} s, ran {ran:6.2f} s"
    return wrong, told


def begun(seconds: float):
    yield from delay(seconds)


async def begun_async(seconds: float) -> None:
    await delay(seconds)


BLOCKS = ((await_cancellation,), (begun, 60.0), (begun_async, 60.0), (delay, 60.0))


def spent(size: int) -> tuple[list[str], str]:
    """Launch and cancel, a hundred at a time; every other hundred has begun by then. The collector is off."""
    lasting = SupervisorJob()
    scope = CoroutineScope(lasting + Dispatchers.Main)

    def turns(many: int):
        for turn in range(many // 100):
            jobs = [scope.launch(*BLOCKS[number % len(BLOCKS)]) for number in range(100)]
            if turn % 2:
                yield from yield_()
            for job in jobs:
                job.cancel()
            del jobs, job
            yield from yield_()

    def all_of_them():
        yield from turns(20_000)  # what is made once and kept has been made then
        gc.collect()
        gc.disable()
        before = (len(gc.get_objects()), sys.getallocatedblocks(), peak_mib())
        began = time.perf_counter()
        yield from turns(size)
        return before, time.perf_counter() - began, (len(gc.get_objects()), sys.getallocatedblocks(), peak_mib())

    before, took, after = run_main(all_of_them)
    objects, blocks, grown = (now - was for was, now in zip(before, after, strict=True))
    wrong = []
    if objects > STRAY or blocks > STRAY:
        wrong.append(f"{objects} objects and {blocks} blocks of memory are left without the collector")
    if grown > LEFT:
        wrong.append(f"the process has grown by {grown:.1f} MiB")
    if next(iter(lasting.children), None):
        wrong.append("the scope has children")
    return wrong, f"launched and cancelled in {took:6.2f} s, left: {objects} objects, {blocks} blocks, {grown:.2f} MiB"


SHAPES: dict[str, Callable[[int], tuple[list[str], str]]] = {
    "deep": lambda size: tree(deep, size),
    "wide": lambda size: tree(wide, size),
    "ended": ended,
    "nested": nested,
    "timers": timers,
    "spent": spent,
}


def one(shape: str, size: int) -> int:
    """Put one shape to the test; print its line."""
    bare, began = peak_mib(), time.perf_counter()
    wrong, told = SHAPES[shape](size)
    took, peak = time.perf_counter() - began, peak_mib()
    each = (peak - bare) * 2**20 / max(size, 1)
    print(f"{shape:6} {size:>9,}: {told}; {peak:6.0f} MiB at the peak, {each:5.0f} bytes each", flush=True)
    if took > LIMIT:
        wrong.append(f"{took:.1f} s, and at most {LIMIT:g} s are promised")
    for each_wrong in wrong:
        print(f"deep_and_wide: {shape}: {each_wrong}")
    return 1 if wrong else 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for shape, size in SIZES.items():
        parser.add_argument(f"--{shape}", type=int, default=size)
    parser.add_argument("--seconds", type=float, help="choose the sizes so that it takes about so long")
    parser.add_argument("--one", choices=tuple(SIZES), help="only this shape, in this process")
    args = parser.parse_args(argv)
    sizes = {shape: getattr(args, shape) for shape in SIZES}
    if args.seconds is not None:
        sizes = {shape: min(size, int(args.seconds * size / LONG)) for shape, size in SIZES.items()}

    if args.one:
        return one(args.one, sizes[args.one])
    codes = []
    for shape, size in sizes.items():
        own = ["-m", "stress.deep_and_wide", "--one", shape, f"--{shape}", str(size)]
        codes.append(subprocess.run([sys.executable, *own], cwd=ROOT, check=False).returncode)
        if codes[-1]:
            print(f"deep_and_wide: {shape} ended with {codes[-1]}")
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
