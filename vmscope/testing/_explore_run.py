"""One run of a small threaded program under a scheduler of its own.

Every thread of the program is an OS thread, and one of them at a time has the baton: a lock of its own that another one
releases. The baton changes hands only at a place (see `_explore_places.py`), at an operation of a controlled lock,
queue or thread (see `_explore_locks.py`), and where a thread waits or ends. So a run is decided by a list of moves
(point, thread), and comes out the same each time.

    +-------+ baton   +---------+ waits    +---------+
    | Ready | ------> | Running | -------> | Waiting |
    +-------+ <------ +---------+ <------- +---------+ what it waits for has come, or its time is up
             stopped       | ends
                           v
                        +------+
                        | Over |
                        +------+
Invariants
    R1  one thread at a time runs; the others wait for their baton. So nothing here needs a lock. It is the only one at
        which the interpreter is at work, too: who passes the baton on runs no bytecode until it comes back, and of a
        thread that has ended nothing is left when the next one goes on. Their finalizers would come at any point.
    R2  once the run is over, each thread that is left is woken alone and unwinds before the next one is.
    R3  time is the run's own. It stands still while anybody can run.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from functools import partial
from operator import call
from typing import Any, Protocol, TypeAlias

from ._explore_places import Place, Tracing

#: A program to explore: it sets up, yields the functions that run at once, and checks what came of it.
Program: TypeAlias = Callable[[], Generator[Any, None, None]]

FORCED = Place(("forced", ""), False)
_NOTHING: frozenset[Any] = frozenset()

#: The run that is going on; one a process.
running: Run | None = None


class Abandoned(BaseException):
    """Unwinds the threads of a run that is over."""


class Fault(Exception):
    """What was wrong with a run."""

    def __init__(self, kind: str, message: str, cause: BaseException | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.cause = cause


class Baton:
    """What a thread waits for until it may go on; it may be given before that.

    A pipe, and no lock: where there is no GIL, who waits for a lock goes round for a while first, and a hand-over costs
    50 us of processor time instead of 4 (3.13t), and far more wherever somebody else wants the processor.
    """

    __slots__ = ("_read", "_write", "give", "wait")

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.wait = partial(os.read, self._read, 1)
        self.give = partial(os.write, self._write, b"!")

    def give_and(self, wait: Callable[[], Any]) -> Any:
        """Give it and call `wait`, with no bytecode in between: the giver often comes back long after the other began.

        Without the GIL, a thread takes down what it made and others have dropped as it comes to its next bytecode.
        """
        calls: list[Callable[[], Any]] = [self.give, wait]
        return list(map(call, calls))[1]

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


class Task:
    """One thread of the program.

    Attributes:
        ready: What it waits for; None while it could run.
        until: When it stops waiting for that.
        gone: Waits, so many seconds at most, until nothing is left of its thread.
        held: The labels of the locks that it has.
        called: The point at which it last came to a call.
    """

    __slots__ = (
        "baton", "body", "called", "gone", "held", "ident", "made", "number", "over", "priority", "ready", "thread",
        "timed_out", "until", "why",
    )  # fmt: skip

    def __init__(self, number: int, thread: threading.Thread, body: bool) -> None:
        self.number = number
        self.thread = thread
        self.body = body
        self.baton = Baton()
        self.gone: Callable[[float], object] = lambda seconds: None
        self.ident = 0
        self.over = False
        self.ready: Callable[[], bool] | None = None
        self.until: float | None = None
        self.timed_out = False
        self.why: object = ""
        self.held: frozenset[Any] = _NOTHING
        self.made = 0
        self.called = -2
        self.priority = 0.0

    def __repr__(self) -> str:
        return self.thread.name


class Plan(Protocol):
    """Decides a run."""

    next: int  # the next point at which it wants to be asked

    def begin(self, task: Task) -> None: ...
    def freed(self, run: Run) -> None: ...
    def stop(self, run: Run, task: Task, point: int) -> Task | None: ...
    def choose(self, run: Run, options: tuple[Task, ...], early: tuple[Task, ...], point: int) -> Task: ...


class Run:
    """A program, run once.

    Attributes:
        log: What there was at each point: the place, the thread, the locks it had, and who else could have run.
        moves: What was decided otherwise than by default (go on; else the first that can), as (point, thread).
    """

    def __init__(
        self, program: Program, plan: Plan, steps: int, stall: float, any_time: bool, tracing: Tracing
    ) -> None:
        self.program = program
        self.plan = plan
        self.steps = steps
        self.stall = stall
        self.any_time = any_time
        self.tracing = tracing
        self.tasks: list[Task] = []
        self.by_thread: dict[threading.Thread, Task] = {}
        self.current: Task = None  # type: ignore[assignment]  # from `execute` on
        self.point = 0
        self.ask_at = 1 << 60
        self.others: tuple[Task, ...] = ()
        self.log: list[tuple[Place, int, frozenset[Any], tuple[int, ...]]] = []
        self.moves: list[tuple[int, int]] = []
        self.other_numbers: tuple[int, ...] = ()
        self.now = 0.0
        self.watching = False  # the bodies run: each place is a point
        self.resting = False  # the program itself waits for its bodies
        self.over = False
        self.fault: Fault | None = None
        self.left: Task = None  # type: ignore[assignment]  # who has ended, and is to be seen off
        self.leaves = _thread.allocate_lock()
        self.leaves.acquire()

    # ---- the whole of it

    def execute(self) -> None:
        """Run it, from the calling thread, which only waits, and passes the baton on where a thread ends."""
        global running
        running = self
        wait = partial(self.leaves.acquire, True, self.stall)
        seen = -1
        try:
            self._appoint(self.add(threading.Thread(target=self._program, name="the program", daemon=True), body=False))
            while not all(each.over for each in self.tasks):
                has_left = self.current.baton.give_and(wait)
                while not has_left and seen != self.point:
                    seen = self.point
                    has_left = wait()
                if not has_left:
                    self._fail_blind()
                    break
                self.left.gone(self.stall)
        finally:
            self.over = True
            running = None

    def _program(self) -> None:
        steps = self.program()
        if not hasattr(steps, "send"):
            raise TypeError(f"explore takes a generator function that yields what runs at once; it returned {steps!r}")
        bodies = next(steps, None)
        if callable(bodies):
            bodies = (bodies,)
        if not bodies or not all(map(callable, bodies)):
            raise TypeError(f"the program is to yield the functions that run at once, it yielded {bodies!r}")
        names: list[str] = []
        for body in bodies:
            name = getattr(body, "__name__", "body").strip("<>")
            names.append(name if name not in names else f"{name} {len(names)}")
            thread = threading.Thread(target=body, name=names[-1], daemon=True)
            mark_started(thread)
            self.add(thread, body=True)
        self.ask_at = self.plan.next
        self.watching = self.resting = True
        self.wait(lambda: False, None, "its threads")
        self.watching = False
        self.ask_at = 1 << 60
        for _ in steps:
            raise TypeError("the program yields once: all that is to run at once together")

    def add(self, thread: threading.Thread, body: bool) -> Task:
        """Take up a thread; it begins when it is given the baton."""
        task = Task(len(self.tasks), thread, body)
        self.tasks.append(task)
        self.by_thread[thread] = task
        self.plan.begin(task)
        task.gone = _start_thread(partial(self._live, task))
        if self.current is not None:
            self.look_round()
        return task

    def _live(self, task: Task) -> None:
        task.baton.wait()
        task.ident = _thread.get_ident()
        thread: Any = task.thread
        thread._ident = task.ident
        threading._active[task.ident] = thread  # type: ignore[attr-defined]
        try:
            if not self.over:
                self.tracing.begin_thread()
                thread.run()
        except Abandoned:
            pass
        except BaseException as failure:  # noqa: BLE001  (whatever it is, the program has failed)
            self.tracing.end_thread()
            kind = "check" if task.number == 0 and not self.resting and self.point else "exception"
            self.fail(kind, f"{_told(failure)}, in {task}", failure)
        finally:
            self.tracing.end_thread()
            threading._active.pop(task.ident, None)  # type: ignore[attr-defined]
            self._leave(task)

    def _leave(self, task: Task) -> None:
        task.over = True
        task.baton.close()
        if task.number == 0:
            self.over = True
        to = None
        if not self.over:
            to = self._pick(task)
            if to is None:
                self._fail_deadlock()
        if self.over:
            to = next((each for each in self.tasks if not each.over), None)
        if to is not None:
            self._appoint(to)
        self.left = task
        self.leaves.release()

    # ---- points

    def operation(self, place: Place) -> None:
        """The running thread is about to do something to a lock, queue or thread."""
        if not self.watching:
            return
        point = self.point - 1
        if self.current.called == point:  # the call that leads here was a point: this is what it is about
            self.log[point] = (place, *self.log[point][1:])
            self.current.called = -2
        else:
            reached(place)

    def operation_done(self) -> None:
        """What the running thread called is known, and is no point."""
        if self.watching and self.current.called == self.point - 1:
            self.log[-1][0].inner = True

    def _ask(self, task: Task, point: int) -> None:
        if point >= self.steps:
            self.fail("endless", f"more than {self.steps} points: the threads go round for ever, or raise `steps`")
            raise Abandoned
        to = self.plan.stop(self, task, point)
        if self.over:  # the plan did not fit
            raise Abandoned
        self.ask_at = min(self.plan.next, self.steps)
        if to is not None and to is not task:
            self.moves.append((point, to.number))
            self._pass_on(task, to)

    # ---- who runs

    def can_run(self, task: Task) -> bool:
        """Whether it would go on if it were given the baton."""
        if task.over or task.ready is None:
            return not task.over
        return task.ready() or (task.until is not None and task.until <= self.now)

    def early(self) -> tuple[Task, ...]:
        """Those whose waiting may end before its time, with nothing come."""
        if not self.any_time:
            return ()
        waiting = [each for each in self.tasks if not each.over and each.until is not None]
        return tuple([each for each in waiting if not self.can_run(each)])

    def look_round(self) -> None:
        """Something has changed: see who could run beside the running thread."""
        current = self.current
        self.others = tuple([each for each in self.tasks if each is not current and self.can_run(each)]) + self.early()
        self.other_numbers = tuple([each.number for each in self.others])
        self.plan.freed(self)
        if self.watching:
            self.ask_at = min(self.plan.next, self.steps)

    def wait(self, ready: Callable[[], bool], until: float | None, why: object) -> bool:
        """Have the running thread wait until `ready()`. False: its time was up."""
        if self.over:
            raise Abandoned
        task = self.current
        task.ready, task.until, task.why = ready, until, why
        to = self._pick(task)
        if to is None:
            self._fail_deadlock()
            raise Abandoned
        self._pass_on(task, to)
        return not task.timed_out

    def _pick(self, task: Task) -> Task | None:
        """Choose who goes on now that `task` cannot; move the time where nobody could. None: nobody ever can."""
        while True:
            options = tuple([each for each in self.tasks if self.can_run(each)])
            if options:
                break
            if self.resting and all(each.over for each in self.tasks if each.body):
                self.resting = self.watching = False
                main = self.tasks[0]
                main.ready = None
                return main
            times = [each.until for each in self.tasks if not each.over and each.until is not None]
            if not times:
                return None
            self.now = max(self.now, min(times))
        early = self.early()
        if len(options) + len(early) == 1 or not self.watching:
            return options[0]
        point = self.point
        self.point = point + 1
        numbers = [each.number for each in options] + [-1 - each.number for each in early]
        self.log.append((FORCED, task.number, _NOTHING, tuple(numbers)))
        to = self.plan.choose(self, options, early, point)
        self.ask_at = min(self.plan.next, self.steps)
        if to is not options[0]:
            self.moves.append((point, to.number))
        return to

    def _pass_on(self, task: Task, to: Task) -> None:
        """Let `to` run, and `task` wait until somebody lets it."""
        self._appoint(to)
        to.baton.give_and(task.baton.wait)
        if self.over:
            raise Abandoned

    def _appoint(self, to: Task) -> None:
        """Note that `to` is the one that runs, as soon as it has the baton."""
        to.timed_out = to.ready is not None and not to.ready()
        if to.timed_out and to.until is not None:
            self.now = max(self.now, to.until)
        to.ready = to.until = None
        self.current = to
        self.look_round()

    # ---- what can go wrong

    def fail(self, kind: str, message: str, cause: BaseException | None = None) -> None:
        """Note the fault and end the run: whoever has to wait unwinds instead, one thread after the other."""
        if not self.over:
            self.fault = Fault(kind, message, cause)
            self.over = True
            self.watching = False  # what runs while the threads unwind is to clean up undisturbed

    def _fail_deadlock(self) -> None:
        frames = sys._current_frames()
        told = []
        for task in self.tasks:
            if not task.over and not (task.number == 0 and self.resting):
                frame = frames.get(task.ident)
                told.append(f"{task} waits for {task.why}{'' if frame is None else _where(frame)}")
        self.fail("deadlock", "nobody can run: " + "; ".join(told))

    def _fail_blind(self) -> None:
        frame = sys._current_frames().get(self.current.ident)
        self.fail(
            "blind",
            f"{self.current} came to no point for {self.stall} s{'' if frame is None else _where(frame)}: it waits for "
            "something that is not under control (a socket, a lock made before), or computes",
        )


def _start_thread(body: Callable[[], None]) -> Callable[[float], object]:
    """Start a thread. What is returned waits, so many seconds at most, until nothing is left of it."""
    thread: Any = _thread
    if sys.version_info < (3, 13):  # pragma: no cover - coverage is measured on a later one
        ends: list[Any] = []

        def live() -> None:
            ends.append(thread._set_sentinel())
            ends[0].acquire()  # released by the interpreter, when it has cleaned up after the thread
            body()

        thread.start_new_thread(live, ())
        return lambda seconds: ends[0].acquire(True, seconds)
    return thread.start_joinable_thread(body, daemon=True).join  # type: ignore[no-any-return,unused-ignore]


def _where(frame: Any) -> str:
    """Say where a thread stands, in code that is not the machinery of locks and threads."""
    own = __name__.rpartition(".")[0] + "._explore"
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(own) and name not in ("threading", "queue"):
            return f" in {frame.f_code.co_qualname} ({frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"
        frame = frame.f_back
    return ""


def _told(failure: BaseException) -> str:
    text = "".join(traceback.format_exception_only(type(failure), failure)).strip()
    last = traceback.extract_tb(failure.__traceback__)[-1:]
    return text + "".join(f" ({each.filename.rpartition('/')[2]}:{each.lineno})" for each in last)


def mark_started(thread: Any) -> None:
    """Have a thread that the run starts count as started, and be known afterwards."""
    thread._started._flag = True
    thread._explored = True


def controlled() -> Run | None:
    """Return the run that goes on, where the calling thread is the one of it that runs."""
    run = running
    if run is not None and run.current is not None and run.current.ident == _thread.get_ident():
        return run
    return None


def reached(place: Place) -> None:
    """The calling thread came to `place`: a point, if it belongs to the run. A run spends most of its time here."""
    run = running
    if run is None or not run.watching:  # pragma: no cover - by the tracing, within which no coverage counts
        return
    task = run.current
    if task.ident != _thread.get_ident():  # pragma: no cover - by the tracing
        return
    point = run.point
    run.point = point + 1
    run.log.append((place, task.number, task.held, run.other_numbers))
    if place.calls:  # pragma: no cover - by the tracing
        task.called = point
    if point >= run.ask_at:
        run._ask(task, point)


def entered(name: str) -> None:  # pragma: no cover - by the tracing
    """For the tracing: the calling thread has entered a watched function."""
    run = running
    if run is not None and run.watching and run.current.ident == _thread.get_ident():
        point = run.point - 1
        if run.current.called == point and (not name.startswith("__") or name in ("__init__", "__call__")):
            run.log[point][0].inner = True
