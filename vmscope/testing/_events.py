"""The queue of virtual time: what is due at which second, run when a test says so.

It stands where the core expects the queue of a dispatcher's timers: dispatched coroutines, delays and timeouts are its
items. Unlike the looper's queue it has a clock of its own, and knows which items the test itself is waiting for.

Invariants
    I1  items leave by (when, order of putting); the clock never goes back.
    I2  `foreground` counts the pending items that are not background work.
    I3  once a put has returned, the waiting test thread has been woken, or sees the item before it waits.
Locks
    `_lock`, re-entrant, guards all of it. A leaf: no item runs under it.
Counterpart: kotlinx.coroutines.test.TestCoroutineScheduler, its event queue.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf, isnan
from typing import TYPE_CHECKING, Any

from .._errors import TimeoutCancellationException
from .._primitives import LONGEST_WAIT, Bell, RLock
from ..coroutines._context import ContextElement
from ..coroutines._job import cancel_tree
from ..coroutines._time import TimeoutCoroutine

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..coroutines._context import CoroutineContext


class BackgroundWork(ContextElement):
    """In the context of what a test does not wait for.

    Kotlin: kotlinx.coroutines.test.BackgroundWork.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "BackgroundWork"


BACKGROUND = BackgroundWork()


class Entry:
    """One stay of an item in the queue; `item` is None once it was taken, or taken back."""

    __slots__ = ("foreground", "item", "when")

    def __init__(self, item: Any, when: float, foreground: bool) -> None:
        self.item = item
        self.when = when
        self.foreground = foreground


class EventQueue:
    """Items by virtual time.

    Attributes:
        now: Virtual seconds since the scheduler was made.
        foreground: How many pending items are not background work.

    Threads: `put`, `put_at`, `remove` and `ring` from any; the rest from the one that runs the test.
    """

    __slots__ = ("__weakref__", "_asleep", "_bell", "_entries", "_heap", "_lock", "_seq", "foreground", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self.foreground = 0
        self._lock = RLock()
        self._heap: list[tuple[float, int, Entry]] = []
        self._entries: dict[int, Entry] = {}  # by the id of the item, which the entry keeps alive
        self._seq = 0
        self._asleep = False
        self._bell = Bell()

    def clock(self) -> float:
        """Return the virtual time in seconds."""
        return self.now

    # ---- putting: any thread

    def put(self, item: Any) -> bool:
        """Have `item` run at the present instant, after what is due by now."""
        return self.put_at(item, self.now)

    def put_at(self, item: Any, when: float) -> bool:
        """Have `item` run once the clock reads `when`; `math.inf` never runs. Always True: this queue never quits."""
        if isnan(when):
            raise ValueError(f"put {item!r} at {when!r}: a time must be a number of seconds")
        foreground = is_foreground(item)
        with self._lock:
            self._drop_locked(item)
            when = max(when, self.now)
            item.when = when
            if when == inf:
                return True
            self._seq += 1
            entry = Entry(item, when, foreground)
            self._entries[id(item)] = entry
            heappush(self._heap, (when, self._seq, entry))
            if foreground:
                self.foreground += 1
            asleep, self._asleep = self._asleep, False
        if asleep:
            self._bell.ring()
        return True

    def put_after(self, item: Any, seconds: float) -> bool:
        """Have `item` run `seconds` from now. As `put_at`."""
        return self.put_at(item, self.now + seconds)

    def remove(self, item: Any) -> None:
        """Take back an item; without effect where it is not there."""
        with self._lock:
            self._drop_locked(item)

    def _drop_locked(self, item: Any) -> None:
        entry = self._entries.pop(id(item), None)
        if entry is not None:
            entry.item = None
            if entry.foreground:
                self.foreground -= 1
            if len(self._heap) > 64 and len(self._entries) * 2 < len(self._heap):
                self._heap = sorted(each for each in self._heap if each[2].item is not None)

    def holds(self, item: Any) -> bool:
        """Say whether `item` is pending. Takes no lock. Threads: any."""
        return id(item) in self._entries

    # ---- taking: the thread that runs the test

    def next_when(self) -> float:
        """When the earliest item is due; `math.inf` where nothing is pending."""
        with self._lock:
            heap = self._heap
            while heap:
                if heap[0][2].item is not None:
                    return heap[0][0]
                heappop(heap)
        return inf

    def take(self, limit: float, *, including: bool = True) -> Any:
        """Take the earliest item due up to `limit`, and set the clock to its time. None: there is none."""
        with self._lock:
            when = self.next_when()
            if when > limit or when == inf or (when == limit and not including):
                return None
            entry = heappop(self._heap)[2]
            item, entry.item = entry.item, None
            del self._entries[id(item)]
            if entry.foreground:
                self.foreground -= 1
            self.now = max(self.now, when)
        return item

    def has_due(self) -> bool:
        """Whether something is due at the present instant."""
        return self.next_when() <= self.now

    def move_to(self, when: float) -> None:
        """Set the clock; never back."""
        with self._lock:
            self.now = max(self.now, when)

    def pending(self) -> list[Entry]:
        """What waits, in order."""
        with self._lock:
            return [each[2] for each in sorted(self._heap) if each[2].item is not None]

    # ---- waiting for real threads

    def ring(self) -> None:
        """Wake the thread that waits. Threads: any."""
        with self._lock:
            asleep, self._asleep = self._asleep, False
        if asleep:
            self._bell.ring()

    def wait(self, seconds: float, unless: Callable[[], object]) -> None:
        """Wait in real time until something is put or somebody rings, for `seconds` at most.

        `unless` is asked once the wait is announced: who makes it true rings afterwards.
        """
        with self._lock:
            if self.has_due():
                return
            self._asleep = True
        try:
            if seconds > 0 and not unless():
                self._bell.wait(min(seconds, LONGEST_WAIT))
        finally:
            with self._lock:
                self._asleep = False
                self._bell.wait(0)  # what rang since then is seen by who goes on from here


def context_of(item: Any) -> CoroutineContext | None:
    """Return the context that an item of the queue belongs to: a coroutine's, a delay's, a timeout's."""
    coroutine = getattr(item, "_coroutine", item)
    frame = getattr(coroutine, "_frame", None) or coroutine
    env = getattr(frame, "_env", None)
    found: CoroutineContext | None = getattr(item, "context", None) if env is None else env.context
    return found


def is_foreground(item: Any) -> bool:
    """Say whether a test waits for `item`."""
    context = context_of(item)
    return context is None or BackgroundWork not in context


def run_item(item: Any) -> None:
    """Run an item. A timeout says that its time was virtual: the first thing to know where one strikes in a test."""
    frame = getattr(item, "_frame", None)
    if isinstance(frame, TimeoutCoroutine) and frame._timer is item:
        message = (
            f"Timed out after {frame._seconds:g} s of _virtual_ (vmscope.testing) time. To use the real time, wrap "
            "with_timeout in with_context(Dispatchers.Default.limited_parallelism(1), ...)"
        )
        cancel_tree(frame, TimeoutCancellationException(message, job=frame, seconds=frame._seconds))
    else:
        item.run()
