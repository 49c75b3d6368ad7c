"""explore: run a small threaded program in every order that matters, and show the order in which it goes wrong.

    def race():
        screen, seen = Screen(), []

        def look():
            seen.append(screen.view_model_scope)

        yield look, look                    # at once, each on a thread of its own
        assert seen[0] is seen[1]           # when both have ended

    explore(race, watch=[screen_module])

First every order with no preemption, with one, with two: a preemption stops a thread where it could have gone on, and
switches where a thread waits or ends are free. Then random orders by priorities, from a seed. Of the places at which a
thread could be stopped only those count at which it meets another: both touch the same name, one of them writes, and
they hold no lock in common. What meets what is learnt as the search goes on. Locks and queues are called after their
maker: lock 2.1 is the first that thread 2 made (0 is the program itself, -1 whoever made it before).

Limits
    C code is one step, so is all code that is not watched. Memory is told apart by names, not by objects: a search too
    wide, never too narrow; but what is written by setattr, `__dict__` or C is seen as a call at best.
    A program must do the same in each run: no wall clock, no random numbers, no order of a set.
    A thread that waits for what is not under control (a socket, a lock made before) is told of as "blind".
    Small programs: two or three threads, some hundred places. CPython only; one exploration at a time in a process.
    Garbage is collected between runs only.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from . import _explore_run as runs
from ._explore_locks import Exchange
from ._explore_places import Place, is_frozen, make_tracing
from ._explore_run import FORCED, Fault, Program, Run, Task

if TYPE_CHECKING:
    from types import ModuleType

Moves: TypeAlias = tuple[tuple[int, int], ...]
_NEVER = 1 << 60


class Given:
    """The default, go on and else the first that can, except for the given moves."""

    def __init__(self, moves: Moves) -> None:
        self._moves = iter(moves)
        self._advance()

    def _advance(self) -> None:
        self.next, self._to = next(self._moves, (_NEVER, 0))

    def begin(self, task: Task) -> None:
        """A thread is there."""

    def freed(self, run: Run) -> None:
        """Somebody else can run, or cannot any more."""

    def stop(self, run: Run, task: Task, point: int) -> Task | None:
        """Say who runs instead of `task`."""
        return self._take(run, run.others, point) if point == self.next else None

    def choose(self, run: Run, options: tuple[Task, ...], early: tuple[Task, ...], point: int) -> Task:
        """Say who runs next."""
        return (self._take(run, options + early, point) if point == self.next else None) or options[0]

    def _take(self, run: Run, options: tuple[Task, ...], point: int) -> Task | None:
        wanted = self._to
        self._advance()
        for task in options:
            if task.number == wanted:
                return task
        run.fail("unsteady", f"point {point}: thread {wanted} can run in one run and cannot in another; see the limits")
        return None


class Priorities:
    """Who has the highest priority runs; the one that runs falls to the lowest at a few points.

    Finds what needs d such points with a probability of 1 / (threads * points**d) at least, far more in practice
    (Burckhardt et al., ASPLOS 2010).
    """

    def __init__(self, random: Random, points: list[int], depth: int) -> None:
        self._random = random
        self._points = sorted(random.sample(points, min(depth, len(points))), reverse=True)
        self._lowest = 0
        self.next = 0

    def begin(self, task: Task) -> None:
        """A thread is there."""
        task.priority = 1 + self._random.random()

    def freed(self, run: Run) -> None:
        """Somebody with a higher priority may be among those who can run now."""
        if any(each.priority > run.current.priority for each in run.others if run.can_run(each)):
            self.next = run.point

    def stop(self, run: Run, task: Task, point: int) -> Task | None:
        """Say who runs instead of `task`."""
        if self._points and self._points[-1] <= point:
            while self._points and self._points[-1] <= point:
                self._points.pop()
            self._lowest -= 1
            task.priority = self._lowest
            early = run.early()
            if early and self._random.random() < 0.5:
                return self._random.choice(early)
        self.next = self._points[-1] if self._points else _NEVER
        return max((task, *filter(run.can_run, run.others)), key=_priority)

    def choose(self, run: Run, options: tuple[Task, ...], early: tuple[Task, ...], point: int) -> Task:
        """Say who runs next."""
        return max(options, key=_priority)


def _priority(task: Task) -> float:
    return task.priority


class ScheduleError(AssertionError):
    """A program went wrong in one of the orders it was run in.

    Attributes:
        kind: "check" (what stands after the yield), "exception" (in a thread), "deadlock", "uncaught" (what reached
            threading.excepthook), "endless", "blind", "unsteady".
        token: `explore(..., replay=token)` runs this order again: on the same code and the same version of Python.
        steps: The order, a line for each thread that ran.
        schedules: How many orders had been run.
    """

    def __init__(self, fault: Fault, token: str, steps: list[str], schedules: int) -> None:
        lines = [
            f"{fault.kind}: {fault}",
            f"order {schedules} of the search; to see it again: replay={token!r}",
            *steps,
        ]
        super().__init__("\n    ".join(lines))
        self.kind: str = fault.kind
        self.token = token
        self.steps = steps
        self.schedules = schedules


class Exploration:
    """What was run without a fault.

    Attributes:
        schedules: How many orders.
        complete: Every order with at most `preemptions` preemptions was among them.
        by_preemptions: How many with none, one, two.
        points: The most points that a run had.
    """

    def __init__(self) -> None:
        self.schedules = 0
        self.complete = False
        self.by_preemptions: list[int] = []
        self.random = 0
        self.points = 0
        self.seconds: float = 0.0

    def __repr__(self) -> str:
        bounded = " + ".join(map(str, self.by_preemptions)) + (", all" if self.complete else ", not all")
        return (
            f"<Exploration {self.schedules} orders: by preemptions {bounded}; {self.random} random; "
            f"up to {self.points} points, {self.seconds:.2f} s>"
        )


def explore(
    program: Program,
    *,
    watch: Iterable[ModuleType] = (),
    preemptions: int = 2,
    most: int = 2_000,
    random: int = 200,
    seed: object = 0,
    depth: int = 3,
    replay: str | None = None,
    any_time: bool = False,
    steps: int = 20_000,
    stall: float = 10.0,
) -> Exploration:
    """Run `program` in every order of its threads that matters, and raise for the first one that goes wrong.

    Args:
        program: A generator function. It sets up, yields the functions that run at once, each on a thread of its own,
            and then checks. The setting up and the check run on a controlled thread, too, and may block. It is called
            for each order anew. Its check begins when nobody can go on any more, also threads that were started on the
            way; those are then given up.
        watch: The modules in whose code a thread may be stopped; without any, the module of `program`. Operations on
            locks, queues and threads count everywhere.
        preemptions: How often at most a thread is stopped where it could have gone on.
        most: No more such orders than this; the rest of a level is a random choice from it.
        random: How many random orders follow, where not all orders were run.
        seed: What the random choices come from.
        depth: How many points at which the running thread falls back a random order has.
        replay: The token of a ScheduleError: run that order alone.
        any_time: A wait with a timeout may end at any point, not only where nobody can go on.
        steps: A run of more points is taken for one that never ends.
        stall: Seconds without a point before a thread is taken for blocked on something unseen.

    Returns:
        What was run.
    Raises:
        ScheduleError: A check or a thread raised, or nobody could go on. It shows the order, and has its token.

    Threads: the process has one exploration at a time; other threads should be at rest. One that would have to wait for
    a lock or queue of the program gets a RuntimeError there.
    """
    modules = list(watch) or [sys.modules[program.__module__]]
    search = _Search(program, modules, preemptions, most, Random(f"{seed}"), depth, any_time, steps, stall)
    if runs.running is not None:
        raise RuntimeError("an exploration is going on in this process already")
    with search:
        if replay is not None:
            search.run(Given(_moves_of(replay)))
        else:
            search.bounded()
            if not search.done.complete:
                search.randomly(random)
    return search.done


class _Search:
    """The runs of one exploration, and what is known from them."""

    def __init__(
        self, program: Program, modules: list[ModuleType], preemptions: int, most: int, random: Random, depth: int,
        any_time: bool, steps: int, stall: float,
    ) -> None:  # fmt: skip
        self.program = program
        self.preemptions = preemptions
        self.most = most
        self.random = random
        self.depth = depth
        self.any_time = any_time
        self.steps = steps
        self.stall = stall
        self.done = Exploration()
        self._exchange = Exchange([*modules, sys.modules[program.__module__]])
        files = frozenset(str(getattr(module, "__file__", "")) for module in modules)
        self._tracing = make_tracing(program, files, runs.reached, runs.entered)
        self._touched: dict[tuple[str, Any], set[tuple[int, bool, frozenset[Any]]]] = {}
        self._known: dict[Any, Any] = {}  # each entry of a log, once
        self._meets: dict[Any, tuple[int, ...]] = {}

    def __enter__(self) -> None:
        self._collects = gc.isenabled()
        gc.disable()
        self._was_frozen = is_frozen()
        self._began = monotonic()
        self._exchange.__enter__()
        self._tracing.open()
        # Garbage from before stays out of it: its finalizers would work on the exchanged locks. And a collection looks
        # at what the runs left alone: 0.5 s instead of 15 for twenty replays at the end of a long suite.
        gc.freeze()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            gc.collect()  # what was given up goes unheard, here and not later
        if not self._was_frozen:
            gc.unfreeze()
        self._tracing.close()
        self._exchange.__exit__()
        self.done.seconds = monotonic() - self._began
        if self._collects:
            gc.enable()

    # ---- a run

    def run(self, plan: Any) -> Run:
        """Run the program once. Raises for a fault."""
        run = self._once(plan)
        done = self.done
        done.schedules += 1
        done.points = max(done.points, run.point)
        if run.fault is not None:
            raise self._error(run, run.fault) from run.fault.cause
        if done.schedules % 100 == 0:
            gc.collect(0)
        return run

    def _once(self, plan: Any) -> Run:
        self._exchange.renew()
        run = Run(self.program, plan, self.steps, self.stall, self.any_time, self._tracing)
        run.execute()
        return run

    def _error(self, run: Run, fault: Fault) -> ScheduleError:
        moves = tuple(run.moves)
        if fault.kind not in ("blind", "unsteady"):
            run, moves = self._shortened(run, moves, fault.kind)
        shown = run.fault or fault
        return ScheduleError(shown, _token(moves), _steps(run), self.done.schedules)

    def _shortened(self, run: Run, moves: Moves, kind: str) -> tuple[Run, Moves]:
        """Leave out what the fault does without."""
        left = len(moves)
        while left:
            left -= 1
            fewer = moves[:left] + moves[left + 1 :]
            other = self._once(Given(fewer))
            if other.fault is not None and other.fault.kind == kind:
                run, moves = other, tuple(other.moves)
                left = min(left, len(moves))
        return run, moves

    # ---- orders by the number of preemptions

    def bounded(self) -> None:
        """Run all orders with no preemption, then with one, and so on."""
        done = self.done
        done.complete = True
        level: list[Moves] = [()]
        for bound in range(self.preemptions + 1):
            done.by_preemptions.append(0)
            last = bound == self.preemptions
            kept: list[tuple[Moves, Any]] = []
            following: dict[Moves, None] = {}
            while level:
                if len(level) > self.most - done.schedules and bound:
                    done.complete = False
                    self.random.shuffle(level)
                while level:
                    if done.schedules >= self.most:
                        done.complete = False
                        return
                    moves = level.pop()
                    run = self.run(Given(moves))
                    done.by_preemptions[-1] += 1
                    self._learn(run)
                    start = moves[-1][0] + 1 if moves else 0
                    for point in range(start, len(run.log)):
                        place, _, _, numbers = run.log[point]
                        if place is FORCED:
                            level += [(*moves, (point, other)) for other in numbers[:0:-1] if other >= 0]
                    if not last:
                        kept.append((moves, [self._known[entry] for entry in run.log]))
                # What was learnt on the way may have made more places of earlier runs count.
                for moves, log in kept:
                    start = moves[-1][0] + 1 if moves else 0
                    for point in range(start, len(log)):
                        for other in self._counts(log[point]):
                            following[(*moves, (point, other))] = None
            level = list(following)[::-1]

    def _learn(self, run: Run) -> None:
        grown = False
        for entry in set(run.log):
            if entry in self._known:
                continue
            self._known[entry] = entry
            place, number, held, _ = entry
            if place is FORCED or place.inner:
                continue
            known = self._touched.setdefault(place.touches, set())
            access = (number, place.writes, held)
            if access not in known:
                known.add(access)
                grown = True
        if grown:
            self._meets.clear()

    def _counts(self, entry: Any) -> tuple[int, ...]:
        """Return the threads that it may make a difference to run at this point of a log."""
        meets = self._meets.get(entry)
        if meets is None:
            place, _, held, others = entry
            if place is FORCED:
                meets = tuple(-1 - other for other in others if other < 0)  # to end a wait early counts as stopping
            elif place.inner:
                meets = ()
            else:
                meets = tuple(other for other in others if self._meet(place, held, other))
            self._meets[entry] = meets
        return meets

    def _meet(self, place: Place, held: frozenset[Any], other: int) -> bool:
        return any(
            number == other and (writes or place.writes) and not held & locks
            for number, writes, locks in self._touched.get(place.touches, ())
        )

    # ---- random orders

    def randomly(self, rounds: int) -> None:
        """Run that many random orders."""
        points = self._points_of(self.run(Given(())))
        for _ in range(rounds):
            run = self.run(Priorities(self.random, points, self.depth))
            self.done.random += 1
            self._learn(run)
            points = self._points_of(run) or points

    def _points_of(self, run: Run) -> list[int]:
        self._learn(run)
        return [point for point, entry in enumerate(run.log) if self._counts(entry)]


# ---- showing an order


def _token(moves: Moves) -> str:
    return " ".join(f"{point}>{number}" for point, number in moves) or "default"


def _moves_of(token: str) -> Moves:
    if token == "default":
        return ()
    try:
        return tuple((int(point), int(number)) for point, _, number in (each.partition(">") for each in token.split()))
    except ValueError:
        raise ValueError(f"replay={token!r}: a token looks like '17>1 40>2', or is 'default'") from None


def _steps(run: Run) -> list[str]:
    """Tell the order: who ran how far, and why it stopped there."""
    told: list[str] = []
    stopped = dict(run.moves)
    passed = 0
    for point, (place, number, _, _) in enumerate(run.log):
        passed += place is not FORCED
        if point + 1 < len(run.log) and run.log[point + 1][1] == number:
            continue
        if place is not FORCED and point in stopped:
            why = f"stopped before {place}"
        elif point + 1 == len(run.log):
            why = "to the end"
        else:
            last = run.log[point - 1][0] if place is FORCED and point else place
            why = f"until it waits or ends, after {last}"
        if passed:
            told.append(f"{run.tasks[number]}: {passed} places, {why}")
        passed = 0
    return told
