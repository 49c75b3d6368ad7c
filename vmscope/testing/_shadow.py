"""ShadowLooper: a looper that stands still until a test says what it may run, and till when.

For code written against Looper and Handler, and for coroutines on the main looper. Time is virtual: it moves with the
calls below, and jumps from task to task.

Locks: none.
Counterpart: Robolectric's ShadowLooper in paused mode.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .._errors import IllegalStateError
from .._primitives import current_thread
from ..coroutines._time import checked_seconds
from ..looper import _looper as looper_room
from ..looper._looper import Looper

if TYPE_CHECKING:
    from types import TracebackType

    from .._clock import Clock


class ShadowLooper:
    """Holds a looper still, on the thread of the test, with a clock that the test moves. A context manager.

    Args:
        looper: One of this thread. None makes one, which is the main looper until the end: Dispatchers.Main, Handlers
            and ViewModels use it.

    Attributes:
        looper: The looper.

    Raises:
        IllegalStateError: The looper belongs to another thread, or is running: TestLooperManager is for those.

    Threads: posting from any; all that is here from the test's.
    Robolectric: shadowOf(looper).
    """

    def __init__(self, looper: Looper | None = None) -> None:
        self._made = looper is None
        self._main_before = Looper.get_main()
        self._here_before = Looper.my_looper()
        if looper is None:
            self._now = 0.0
            looper = Looper.create_for_test(self._read)
            Looper.set_main_for_test(looper)
        elif not looper.is_current_thread() or looper.is_running:
            raise IllegalStateError(
                f"ShadowLooper({looper!r}) on thread {current_thread().name!r}: it can step a looper of its own thread "
                "that is not running; use TestLooperManager for one that runs on another thread"
            )
        else:
            self._now = looper.queue.clock()
        self.looper = looper
        self._clock_before: Clock = looper.queue.clock
        looper.queue.clock = self._read

    def _read(self) -> float:
        return self._now

    @property
    def clock(self) -> Clock:
        """Returns the looper's seconds."""
        return self._read

    @property
    def current_time(self) -> float:
        """The looper's seconds."""
        return self._now

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due now."""
        return self.looper.queue.is_idle()

    @property
    def next_scheduled_time(self) -> float | None:
        """When the next task is due, in the looper's seconds; None where there is none."""
        return self.looper.queue.peek_when()

    @property
    def last_scheduled_time(self) -> float | None:
        """When the last task that is there is due; None where there is none."""
        times = [item.when for item in self.looper.queue._snapshot() if item.when != inf]
        return max(times, default=None)

    def run_one_task(self) -> bool:
        """Run the next task, going on to its time if need be. False: there is none."""
        when = self.next_scheduled_time
        if when is None or when == inf:
            return False
        self._now = max(self._now, when)
        self.looper.pump(0.0)
        return True

    def idle(self) -> None:
        """Run what is due now, and what that posts for now."""
        while not self.is_idle:
            self.looper.pump(0.0)

    def idle_for(self, seconds: float) -> None:
        """Move the clock by `seconds`, running what falls due, the end included.

        Raises:
            ValueError: `seconds` is negative.
        """
        if checked_seconds(seconds, "idle_for()") < 0:
            raise ValueError(f"idle_for() moves the clock on, by 0 seconds or more, got {seconds!r}")
        self._run_to(self._now + seconds)

    def run_to_next_task(self) -> None:
        """Go to the time of the next task, and run what is due then."""
        when = self.next_scheduled_time
        if when is not None and when != inf:
            self._run_to(max(when, self._now))

    def run_to_end_of_tasks(self) -> None:
        """Go to the time of the last task that is there now, running all up to then."""
        when = self.last_scheduled_time
        if when is not None:
            self._run_to(max(when, self._now))

    def _run_to(self, target: float) -> None:
        self.idle()
        while True:
            when = self.next_scheduled_time
            if when is None or when > target:
                self._now = max(self._now, target)
                return
            self._now = max(self._now, when)
            self.idle()

    def close(self) -> None:
        """Let the looper go: one that was made here quits, and what was the main looper before is it again."""
        if self._made:
            self.looper.quit()
            Looper.set_main_for_test(self._main_before)
            looper_room._local.looper = self._here_before
        else:
            self.looper.queue.clock = self._clock_before

    def __enter__(self) -> ShadowLooper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ShadowLooper of {self.looper!r} at {self._now:g} s>"
