"""TestScheduler: one virtual clock, and the loop that runs what is due and moves the clock to what comes next.

    something due now -------------------------------------------> run it
    nothing due, work in flight on real threads ------------------> wait for it, in real time; the clock stands
    nothing due, nothing in flight, something due later ----------> the clock jumps there
    nothing at all -----------------------------------------------> idle
Locks: `_guard` guards `_known`, `_driver` and `_depth`. A leaf. The queue has its own.
Counterpart: kotlinx.coroutines.test.TestCoroutineScheduler; trio's MockClock for when the clock may jump.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from .._errors import IllegalStateError
from .._primitives import RLock, current_thread, get_ident
from ..coroutines._context import ContextElement
from ..coroutines._coroutine import Coroutine
from ..coroutines._job import COMPLETED, Job
from ..coroutines._pool import pool
from ..coroutines._time import checked_seconds
from ..debug._tree import describe
from ._charge import UncompletedCoroutinesError, note_launch, place_of
from ._events import EventQueue, run_item
from ._flight import in_flight, stack_here
from ._hang import dump

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._clock import Clock

#: Tasks that `advance_until_idle` runs at most: an endless producer is found out after a second or so.
STEPS = 100_000
#: Real seconds that work in flight is waited for outside of a run_test, which has a limit of its own.
PATIENCE = 60.0
#: With so many jobs, or fewer, each jump of the clock looks at all of them; with more, not each jump can afford it.
_FEW = 256
_SHORTEST, _LONGEST = 0.0002, 0.01  # real seconds between two looks at what is in flight


class TestScheduler(ContextElement):
    """One virtual clock, shared by all test dispatchers of a test. Time moves only when a test moves it, or waits.

    Tasks run in the order of their time, and of their coming where that is the same, on the thread that calls
    `run_current`, `advance_time_by`, `advance_until_idle`, or `run_test`. The clock stands still while work that the
    test has sent to real threads is in flight; see `_flight` for what that covers.

    Attributes:
        clock: Returns the virtual seconds; to be given to whatever takes a clock, and to measure virtual durations.

    Threads: tasks may come from any; one thread at a time runs them.
    Kotlin: TestCoroutineScheduler.
    """

    __test__ = False  # pytest: no test class
    __slots__ = ("_deadline", "_depth", "_driver", "_guard", "_idle", "_known", "_looked", "_queue", "clock")

    def __init__(self) -> None:
        self._queue = EventQueue()
        self.clock: Clock = self._queue.clock
        self._guard = RLock()
        self._known: WeakSet[Coroutine] = WeakSet()  # all that ever ran here
        self._driver = 0  # the thread that runs tasks
        self._depth = 0
        self._deadline = inf  # in real time: of the run_test that drives
        self._idle: dict[Any, None] = {}  # those who wait until nothing else can run; cancelled on any thread
        self._looked: tuple[int, int, bool] = (0, 0, False)  # at how many jobs, how many jumps ago, was any in flight

    def __repr__(self) -> str:
        return f"TestScheduler@{id(self):#x}"

    @property
    def current_time(self) -> float:
        """Virtual seconds since it was made."""
        return self._queue.now

    # ---- what a test calls

    def run_current(self) -> None:
        """Run what is due at this instant, and what that posts for it. The clock does not move."""
        queue = self._queue
        with _Driving(self):
            while (item := queue.take(queue.now)) is not None:
                run_item(item)

    def advance_time_by(self, seconds: float) -> None:
        """Move the clock by `seconds` and run what is due strictly before its new time, in order.

        What is due exactly then waits for `run_current()`.

        Raises:
            ValueError: `seconds` is negative, or not a number.
            UncompletedCoroutinesError: Work in flight on real threads did not come back in time.

        Kotlin: advanceTimeBy.
        """
        if checked_seconds(seconds, "advance_time_by()") < 0:
            raise ValueError(f"Can not advance time by a negative delay: {seconds:g} s")
        queue = self._queue
        target = queue.now + seconds
        with _Driving(self) as driving:
            while queue.now < target:
                item = queue.take(queue.now)
                if item is not None:
                    run_item(item)
                elif driving.landed() and not queue.has_due():
                    queue.move_to(min(queue.next_when(), target))

    def advance_until_idle(self, limit: float = inf, steps: int = STEPS) -> None:
        """Run everything but background work, moving the clock from one task to the next; it stays at the last one.

        Work in flight on real threads is waited for.

        Args:
            limit: Virtual seconds that it may take.
            steps: Tasks that it may run.

        Raises:
            IllegalStateError: There was still work at `limit`, or after so many `steps`; names who goes on and on.
            ValueError: `limit` is negative.

        Kotlin: advanceUntilIdle, which never returns then.
        """
        if checked_seconds(limit, "advance_until_idle(limit=...)") < 0:
            raise ValueError(f"advance_until_idle(limit=...) takes seconds from now on, got {limit!r}")
        queue = self._queue
        until = queue.now + limit
        left = steps
        ran: Counter[Any] = Counter()
        with _Driving(self) as driving:
            while True:
                if not queue.foreground:
                    if driving.landed():
                        if not queue.foreground:
                            return
                    elif (item := queue.take(queue.now)) is not None:  # background work that what is in flight may need
                        run_item(item)
                    continue
                if not queue.has_due() and not (driving.landed() and queue.foreground):
                    continue
                if queue.next_when() > until:
                    raise self._endless(f"until {until:g} s", ran)
                if left <= 0:
                    raise self._endless(f"{steps} tasks, up to {queue.now:g} s", ran)
                item = queue.take(until)
                left -= 1
                if left < 1000:
                    ran[getattr(item, "_coroutine", item)] += 1
                run_item(item)

    def _endless(self, what: str, ran: Counter[Any]) -> IllegalStateError:
        pending = [getattr(entry.item, "_coroutine", entry.item) for entry in self._queue.pending() if entry.foreground]
        busiest = [one for one, _ in ran.most_common(5)] or pending[:5]
        lines = [f"  {describe_work(each)}" for each in dict.fromkeys(busiest)]
        return IllegalStateError(
            f"advance_until_idle() ran {what}, and there is still work: does something repeat for ever? Launch that in "
            "background_scope, cancel it, or use advance_time_by(). It was:\n" + "\n".join(lines)
        )

    # ---- what drives it

    def drive(self, done: Callable[[], object], deadline: float, *, stop_when_idle: bool = False) -> bool:
        """Run everything, background work too, until `done()`; in real time no longer than `deadline`.

        Returns:
            False: `deadline` is reached; or, with `stop_when_idle`, nothing is left that could make it true.
        """
        queue = self._queue
        with _Driving(self, deadline) as driving:
            while not done():
                if monotonic() > deadline:
                    return False
                item = queue.take(queue.now)
                if item is not None:
                    run_item(item)
                elif not driving.settled(unless=done) or queue.has_due() or done():
                    continue
                elif (when := queue.next_when()) != inf:
                    queue.move_to(when)
                elif stop_when_idle:
                    return False
                else:
                    queue.wait(deadline - monotonic(), done)
        return True

    def see(self, coroutine: Any) -> None:
        """Take notice of a coroutine that begins on this scheduler. Threads: any."""
        if isinstance(coroutine, Coroutine) and coroutine._block is not None and coroutine not in self._known:
            with self._guard:
                self._known.add(coroutine)
            note_launch(coroutine)

    def known(self) -> list[Coroutine]:
        """Return the coroutines that ran here and have not ended."""
        with self._guard:
            return [each for each in self._known if each._state < COMPLETED]

    def watch(self, job: Job) -> None:
        """Count what is below `job` among the work of the test."""
        with self._guard:
            self._known.add(job)  # type: ignore[arg-type]


    def _wake_idle(self) -> bool:
        """Nothing can run: let the one go on that waits for this, the most hurried first. False: nobody is woken."""
        waiter = min(list(self._idle), key=lambda each: each.cushion, default=None)
        if waiter is None:
            return False
        if waiter.cushion > 0:
            self._queue.wait(waiter.cushion, lambda: False)
            if self._queue.has_due():
                return True
        self._idle.pop(waiter, None)  # gone where another thread cancelled it meanwhile; then it is not resumed either
        waiter._resume(None)
        return True


class _Driving:
    """A stretch in which this thread runs the tasks; it may be nested in itself."""

    __slots__ = ("_before", "_deadline", "_pause", "_scheduler", "_since", "_stack")

    def __init__(self, scheduler: TestScheduler, deadline: float = inf) -> None:
        self._scheduler = scheduler
        self._deadline = deadline
        self._stack: frozenset[Any] | None = None
        self._pause = _SHORTEST
        self._since = inf  # in real time: when work in flight was first waited for

    def __enter__(self) -> _Driving:
        scheduler, thread = self._scheduler, get_ident()
        with scheduler._guard:
            if scheduler._depth and scheduler._driver != thread:
                raise IllegalStateError(
                    f"run the tasks of {scheduler!r} on {current_thread().name!r}: another thread does. Call "
                    "advance_time_by() and its kin on the thread of the test, not under Dispatchers.IO or Default"
                )
            scheduler._driver = thread
            scheduler._depth += 1
            self._before = scheduler._deadline
            if self._deadline != inf:
                scheduler._deadline = self._deadline
        return self

    def __exit__(self, *_: object) -> None:
        scheduler = self._scheduler
        with scheduler._guard:
            scheduler._depth -= 1
            scheduler._deadline = self._before

    def landed(self) -> bool:
        """Say whether nothing is in flight; else wait for a moment.

        Raises:
            UncompletedCoroutinesError: It takes too long.
        """
        if self.settled():
            self._since = inf
            return True
        if self._since == inf:
            self._since = monotonic()
        deadline = self._scheduler._deadline
        if monotonic() > (self._since + PATIENCE if deadline == inf else deadline):
            raise UncompletedCoroutinesError(
                "virtual time stands still, for work that was sent to real threads has not come back. Does it wait for "
                "this thread?\n" + dump()
            )
        return False

    def settled(self, unless: Callable[[], object] = lambda: False) -> bool:
        """Say whether nothing is in flight and nobody waits for just that; else wait for a moment, or wake him."""
        scheduler = self._scheduler
        queue = scheduler._queue
        if self._stack is None:
            self._stack = stack_here()  # of what called this: it does not change in this stretch
        if not self._can_skip():
            flying, jobs = in_flight(scheduler.known(), queue, self._stack)
            scheduler._looked = (jobs, 0, flying is not None)
            if flying is not None:
                queue.wait(self._pause, unless)
                self._pause = min(self._pause * 2, _LONGEST)
                return False
        self._pause = _SHORTEST
        return not (scheduler._idle and not queue.has_due() and scheduler._wake_idle())

    def _can_skip(self) -> bool:
        """With a great many jobs a look is made once in so many jumps, unless the threads of the pool are at work."""
        jobs, jumps, flew = self._scheduler._looked
        if jobs <= _FEW or flew or jumps * 4 >= jobs or not pool.is_at_rest():
            return False
        self._scheduler._looked = (jobs, jumps + 1, False)
        return True


def describe_work(item: Any) -> str:
    """One line on what stands in the queue."""
    if isinstance(item, Job):
        return f"{describe(item)}, {place_of(item)}"
    return repr(item)
