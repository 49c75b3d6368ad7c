"""The message queue: what a looper takes from and sleeps on.

One thread at a time, the consumer, takes; any thread puts, also out of a signal handler, a finalizer or a weakref
callback. What stands in the queue is any object that can `run()`; nothing is wrapped and nothing is allocated for it.

    put ------> _inbox --(popleft)-----------------------> run()
    put_at ---> _timed --(_sort_in)--> _heap --(due)-----> run()
                                         ^  '-> _aside    (what a barrier holds back, in order)
                                         '-------'
Invariants
    I1  Items leave by (when, order of putting); what is put in front leaves first, and of that the latest.
    I2  Once a put has returned, the consumer's next look sees the item, asleep or not.
    I3  A put that answered True has its item run or rejected, once; one that answered False has neither.
    I4  An entry (when, seq, item) is alive while `item.when` is that very float: each stay in the queue has a float of
        its own, so an item may be taken back and put in again at once, and the old entry is dead wherever it lies.
    I5  A popped item is in a local or in `_taking` at each point where a Ctrl-C can strike, so that none is lost to it.
Locks
    `_lock`, re-entrant, guards `_heap`, `_aside` and the life of the queue (`_quitting`, `_depth`, barriers). A leaf:
    no other lock is taken and no caller's code runs under it. `put` takes no lock at all.
Counterpart: android.os.MessageQueue, next() and enqueueMessage().
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import ref

from .._clock import Clock, uptime
from .._errors import IllegalStateError, call_quietly
from .._primitives import (
    FIRST_WAIT,
    FREE_THREADED,
    LONGEST_WAIT,
    WAIT_GROWTH,
    Bell,
    RLock,
    after_fork,
    current_thread,
    get_ident,
    main_thread,
    report_uncaught,
    snapshot,
)
from ._fd import FdPoller
from ._item import Barrier, Item, in_order
from ._message import Message

if TYPE_CHECKING:
    from collections.abc import Callable


# The second part of a heap entry's key. An item in the inbox counts as (when, _PAST): a timed item of the same time was
# posted before it if its time was to come then (rank 0), and after it if its time had gone by (rank _PAST).
_FUTURE, _HELD, _PAST, _FRONT = 0, 1 << 60, 1 << 61, -1

_AWAKE, _ASLEEP, _BEHIND_BARRIER = 0, 1, 2

# Below so many entries a taken-back one is removed at once, so that it pins nothing; above, when half are dead.
_SMALL = 64

# With descriptors to watch, a busy queue looks at them once in so many items.
_FD_EVERY = 16


class MessageQueue:
    """Items in the order in which they are due. A looper has one; it also works without a looper.

    Args:
        clock: Seconds that never go back. Tests pass a virtual one, and call `wake()` after they have moved it while
            the consumer sleeps.

    Attributes:
        clock: As given.

    Threads: `put`, `put_at`, `put_front`, `remove`, `wake`, `quit` and the questions from any thread, at any point;
        what takes (`run_until`, `next`) from one thread at a time.
    Android: MessageQueue.
    """

    __slots__ = (
        "__weakref__", "_aside", "_asleep", "_attention", "_barrier", "_barriers", "_bell", "_dead",
        "_depth", "_doomed", "_fd_turn", "_fds", "_going", "_heap", "_horizon", "_host", "_idle_handlers", "_inbox",
        "_interrupted", "_limit", "_lock", "_now", "_on_uncaught", "_owner", "_quitting", "_refuses", "_rested",
        "_seq", "_sleep_until", "_taking", "_timed", "_tokens", "_watch", "clock",
    )  # fmt: skip

    def __init__(self, clock: Clock = uptime) -> None:
        # the C function itself: 35 ns a call, through uptime() 75 (3.11)
        self.clock: Clock = monotonic if clock is uptime else clock
        self._inbox: deque[Item] = deque()
        self._timed: deque[tuple[float, int, Item]] = deque()  # (when, rank, item), oldest first
        self._heap: list[tuple[float, int, Item]] = []  # (when, seq, item)
        self._aside: list[tuple[float, int, Item]] = []
        self._doomed: deque[Item] = deque()  # to be rejected by `_sweep`
        self._taking: Item | None = None  # popped by `_take`, not yet in its caller's hands
        self._going: Item | None = None  # on its way to `_doomed`
        self._horizon = inf  # the inbox may be run without a further look up to this time
        self._attention = False  # there is something besides the inbox to look at
        self._now = -inf
        self._seq = 0
        self._dead = 0
        self._lock = RLock()
        self._quitting = False
        self._refuses = False  # a put is to ask `_admits` first
        self._limit = inf  # once quitting: what is due later is not delivered any more
        self._interrupted = False
        self._depth = 0  # how many loops of the consumer are on its stack
        self._owner = 0
        self._bell: Bell | FdPoller = Bell()
        self._asleep = _AWAKE
        self._sleep_until = inf
        self._host: Callable[[], object] | None = None
        self._barrier: Barrier | None = None
        self._barriers: dict[int, Barrier] = {}
        self._tokens = count(1)
        self._idle_handlers: tuple[Callable[[], object], ...] = ()
        self._rested = False  # the idle handlers have had their turn since the last item
        self._fds: FdPoller | None = None
        self._fd_turn = 0
        self._watch: Callable[[Any], None] | None = None
        self._on_uncaught: Callable[[Any, BaseException], bool] = _report
        _live[ref(self, _gone)] = None

    def __repr__(self) -> str:
        state = "quitting" if self._quitting else "polling" if self._asleep else "running" if self._depth else "at rest"
        return f"<MessageQueue {state}, {len(self._snapshot())} pending>"

    # ---- putting: any thread, any point, signal handlers and finalizers included

    # No wake-up is lost. The consumer runs S1 then S2 (in `_sleep`), a putter P1 then P2. Whichever of S1 and P1 comes
    # second, its thread's look comes later still and sees the other's write: the consumer stays awake or the putter
    # rings. With the GIL all threads agree on one order of the four. Without it, P1 and the `rotate(0)` after S1 both
    # take the deque's own lock, and who takes it second sees all that the first did before.
    # At P3 the item may have run and stand in the inbox again, put by another: then it has another `when`. Who puts it
    # sets that first and looks for the quit second. So once P3 has seen the quit and still its own `when`, a later put
    # of the item is refused, and what `_stays` takes out is the stay that began at P1.
    def put(self, item: Item) -> bool:
        """Put `item` last among those due now.

        Returns:
            True: it will be run or rejected. False: the queue has quit and has not kept it; `rejected()` is not called.

        Threads: any, at any point; takes no lock and never blocks.
        """
        clock = self.clock  # not self.clock(): on 3.11 a call of what a slot holds is 0.02 us slower so
        item.when = when = clock() + 0.0  # a float of its own (I4)
        if self._refuses and not self._admits(item):
            return False
        self._inbox.append(item)  # P1 put, then look
        if self._asleep:  # P2
            self._ring(item)
        return not self._quitting or item.when is not when or self._stays(item)  # P3 did the queue quit meanwhile?

    def put_at(self, item: Item, when: float) -> bool:
        """Put `item` to run once the clock reads `when`. It runs after those of the same time that were put before it.

        Args:
            item: Taken back by `remove(item)`.
            when: Seconds of `clock`. What has gone by is due at once, in front of what is due later than it; 0 is the
                front of the queue. `math.inf` stays pending until it is removed.
        Returns:
            As `put`.
        Raises:
            ValueError: `when` is not a number (NaN).

        Threads: any, at any point.
        """
        if self._refuses and not self._admits(item):
            return False
        now = self.clock()
        if when > now:
            return self._put_timed(item, when, _FUTURE)
        if when == now:
            return self.put(item)
        if when == 0:
            return self._put_timed(item, when, _FRONT)
        if when < now:
            return self._put_timed(item, when, _PAST)
        raise ValueError(f"put {item!r} at {when!r}: a time must be a number of seconds")

    def put_after(self, item: Item, seconds: float) -> bool:
        """Put `item` to run `seconds` from now, a number above 0. As `put_at`, with one look at the clock."""
        now = self.clock()
        when = now + seconds
        if when > now and not self._refuses:
            return self._put_timed(item, when, _FUTURE)
        return self.put_at(item, when)

    def put_front(self, item: Item) -> bool:
        """Put `item` before everything that has not been taken yet; of several, the latest runs first. As `put`.

        Who does so again and again starves the rest.
        """
        return (not self._refuses or self._admits(item)) and self._put_timed(item, 0.0, _FRONT)

    def _admits(self, item: Item) -> bool:
        return not self._quitting and not isinstance(item, Message)

    def _put_timed(self, item: Item, when: float, rank: int) -> bool:
        item.when = when = when + 0.0  # a float of its own (I4)
        self._timed.append((when, rank, item))  # P1
        if when < self._horizon:  # H1 else the inbox may be run as before; the consumer looks here when it is through
            self._attention = True
        if self._asleep and when < self._sleep_until:  # P2 (a later one is seen when the sleeper wakes)
            self._ring(item if rank == _FUTURE else None)  # what is put for the past may stand before a barrier
        if self._quitting:  # P3
            with self._lock:
                if item.when is when:  # nobody has taken it
                    item.when = inf
                    return False
        return True

    def _stays(self, item: Item) -> bool:
        """Whether an item that was put while the queue quit is the consumer's business by now; else it is out again."""
        try:
            self._inbox.remove(item)
        except ValueError:
            return True
        return False

    def remove(self, item: Item) -> None:
        """Take back an item that was put for a time; without effect where it has been taken already.

        It may be put in again at once. `rejected()` is not called. An item that is due now cannot be taken back so: it
        has to do nothing when it runs.

        Threads: any, at any point. O(1) amortised.
        """
        with self._lock:
            item.when = inf  # its entry is dead (I4)
            self._dead += 1
            self._forget_dead_locked()

    def _remove_entries(self, entries: list[tuple[float, int, Any]]) -> None:
        """Take back what `_entries` showed and is still there. In the inbox it stays, and its run() does nothing."""
        with self._lock:
            for when, seq, item in entries:
                if seq != _PAST and item.when is when:
                    item.when = inf
                    self._dead += 1
            self._forget_dead_locked()

    def _forget_dead_locked(self) -> None:
        if self._dead * 2 > len(self._heap) or len(self._heap) <= _SMALL:
            self._compact_locked()

    def _compact_locked(self) -> None:
        self._sort_in_locked()  # a consumer that sleeps for an hour does not, and what is dead in there stayed as long
        heap = self._heap
        entries = heap.copy()
        alive = [entry for entry in entries if entry[2].when is entry[0]]
        heapify(alive)
        if heap == entries:  # else a finalizer came in between, which saw to it, or the next removal will
            heap[:] = alive
            self._dead = 0

    # ---- the bell

    def _ring(self, item: Item | None = None) -> None:
        """Wake the consumer, whose sleep was seen announced."""
        if self._asleep == _BEHIND_BARRIER and item is not None and not item.asynchronous:
            return
        # The flag first: after the ring it could wipe out the announcement of the next sleep. A Ctrl-C cannot come
        # between the two, for there is no call or jump between them. Two putters may both ring: one look in vain.
        self._asleep = _AWAKE
        if self._host is None or self._depth:
            self._bell.ring()
        if self._host is not None:
            self._call_host()

    def _call_host(self) -> None:
        host = self._host  # read once: it may leave meanwhile, and bears a call that comes late
        if host is not None:
            call_quietly(report_uncaught, host)

    def wake(self) -> None:
        """Make the consumer look again, and `run_until` ask its question. Threads: any, at any point.

        Rings also when nobody sleeps: then the next sleep ends at once, once.
        """
        self._attention = True
        self._asleep = _AWAKE
        self._bell.ring()
        self._call_host()

    def interrupt(self) -> None:
        """Make the consumer raise KeyboardInterrupt between two items. For a handler of SIGINT. Threads: any."""
        self._interrupted = True
        self.wake()

    def take_interrupt(self) -> bool:
        """Whether `interrupt` was called and nothing raised yet; that is done with then. The consumer."""
        interrupted, self._interrupted = self._interrupted, False
        return interrupted

    # ---- running: the consumer

    def run_until(self, done: Callable[[], object] | None = None, *, told: bool = False) -> None:
        """Run what is due, sleep in between, and return once `done()` is true or the queue has quit.

        Args:
            done: Asked first, after each item and after each wake-up (see `wake`). None runs until the queue quits.
            told: Whoever makes `done()` true calls `wake`: then it is not asked after each item.
        Raises:
            IllegalStateError: Another thread runs the queue.

        Threads: the consumer's. May be nested in an item that runs.
        """
        self._enter()
        try:
            while done is None or not done():
                quitting = self._quitting  # asked before the drain, so that this one meets all that was put before
                if self._drain(None, done) if told else self._drain(done):
                    self._rested = False
                elif quitting:
                    return
                elif not self._be_idle():
                    self._sleep()
        finally:
            self._leave()
            if self._depth:
                self._attention = True  # a `wake` in this loop may have been meant for the one around it
            else:
                self._call_host()

    def run_due(self, budget: float | None = None) -> float | None:
        """Run what is due by now, within `budget` seconds of the clock but one item at least; do not sleep.

        Returns:
            Seconds to the next timed item; 0.0: work is left; None: nothing is pending, or not before `math.inf`.

        Threads: the consumer's.
        """
        self._enter()
        try:
            self._asleep = _AWAKE
            done = None
            if budget is not None:
                clock, limit = self.clock, self.clock() + budget
                done = lambda: clock() >= limit  # noqa: E731
            if self._drain(done):
                self._rested = False
            if self._idle_handlers and not self._quitting and self.is_idle() and self._be_idle():
                self._drain(done)
        finally:
            self._leave(comes_again=True)
        rest = self._announce_rest()
        if self._depth:
            self._attention = True  # as in run_until
        return rest

    def next(self, timeout: float | None = None) -> Item | None:
        """Take the next due item without running it, and wait for one. None: the time is up or the queue has quit.

        Threads: the consumer's, or one that holds the consumer still (TestLooperManager).
        """
        deadline = inf if timeout is None else monotonic() + timeout
        while True:
            item = self._take()
            self._taking = None
            if item is not None or self._quitting or monotonic() >= deadline:
                return item
            self._sleep(deadline)

    # The hot loop. On 3.11 an item costs 0.06 us here with the call of an empty run(), and 0.12 in `put`. The look at
    # the head before the pop is 10 ns of that; it keeps the order with timed items exact, and Ctrl-C harmless.
    # `_take` is for all that is not plain: timed items, barriers, quitting, a watcher.
    def _drain(self, done: Callable[[], object] | None, told: Callable[[], object] | None = None) -> bool:
        """Run items until none is due, `done()` is true, or `wake` was called and `told()` is. Was one run?"""
        inbox = self._inbox
        popleft = inbox.popleft
        ran = False
        first: Item | None = None
        item: Item | None = None
        while True:
            try:
                if inbox and not self._attention and (first := inbox[0]).when < self._horizon:
                    item = popleft()  # D1 not always `first`: see _stays
                    item.run()
                else:
                    first = item = None
                    if told is not None and told():
                        return True
                    first = item = self._take()
                    self._taking = None
                    if item is None:
                        return ran
                    watch = self._watch  # read once: another thread may take it back, and the item would not run
                    if watch is None:
                        item.run()
                    else:
                        watch(item)
            except BaseException as error:
                beneath = error.__traceback__ is not None and error.__traceback__.tb_next is not None
                if isinstance(error, IndexError) and not beneath:
                    continue  # the last item went back to its putter, who saw the queue quit
                if item is None or first is not item or not (beneath or isinstance(error, Exception)):
                    self._put_back(first if first is not item else self._taking)  # Ctrl-C, in these lines or in _take
                    raise
                stop = not self._on_uncaught(item, error)
                call_quietly(report_uncaught, item.rejected)
                if stop:
                    raise
            ran = True
            if done is not None and done():
                return True

    def _put_back(self, item: Item | None) -> None:
        """Return an item that was popped and has not run: it was in nobody's hands when a Ctrl-C struck."""
        self._taking = None
        if item is not None and item not in snapshot(self._inbox):
            item.when = item.when + 0.0  # should an entry of it be left somewhere, that is dead (I4)
            self._inbox.appendleft(item)

    def _take(self) -> Item | None:
        """Take the next item that is due out of the queue, or None. The caller clears `_taking`."""
        inbox, timed, heap = self._inbox, self._timed, self._heap
        if self._fds is not None:
            self._fd_turn += 1
            if self._fd_turn % _FD_EVERY == 0:
                self._fds.poll()
        while True:
            # As in `put`: acknowledge first, look second; a putter puts first and raises the flag second.
            self._attention = False
            if FREE_THREADED:  # pragma: no cover - builds without the GIL
                timed.rotate(0)  # takes the deque's lock: see the comment at `put`
            if self._interrupted and self.take_interrupt():
                raise KeyboardInterrupt
            if not inbox:
                self._now = self.clock()  # outside the lock: it may be a test's, with a lock of its own
            with self._lock:
                # The head of the inbox before the timed items: who puts one of them and then a plain one, has the
                # first of the two seen wherever the second is (I1).
                try:
                    first = inbox[0] if inbox else None
                except IndexError:  # its putter, on another thread, took it back
                    first = None
                if timed:
                    self._sort_in_locked()
                if self._barrier is not None and self._barrier.removed:
                    self._end_stall_locked()
                if heap and heap[0][2].when is not heap[0][0]:
                    self._first_in_heap_locked()
                plain = not (self._quitting or self._watch or self._barrier or self._fds)
                self._horizon = (heap[0][0] if heap else inf) if plain else -inf  # H2 move it, then look
                # A putter puts first and looks at the horizon second (P1, H1), here it is the other way round: who
                # comes second sees the other. Else the inbox would be run past what was just put before its end.
                if FREE_THREADED:  # pragma: no cover - builds without the GIL
                    timed.rotate(0)
                if timed:
                    continue
                # From the look at the heap to the pop there is no call, so no signal handler and no finalizer comes in
                # between; what is popped is in `_taking` before (I5).
                if heap:
                    when, seq, item = heap[0]
                    if first is None:
                        is_next = when <= self._now
                    else:
                        is_next = when < first.when or (when == first.when and seq < _PAST)
                    if is_next:
                        if when > self._limit:
                            return None
                        self._taking = item
                        heappop(heap)
                        plain = self._barrier is None and item.__class__ is not Barrier
                        if plain or not self._held_locked(item, when, seq):
                            item.when = when + 0.0  # taken: whatever entry of it is left is dead (I4)
                            return item
                        self._taking = None
                        continue
                if first is None or first.when > self._limit:
                    return None
                self._taking = first
                try:
                    item = inbox.popleft()
                except IndexError:
                    continue
                self._taking = item
                self._seq += 1
                if not self._held_locked(item, item.when, _HELD + self._seq):
                    return item
            self._taking = None

    def _sort_in_locked(self) -> None:
        timed, heap = self._timed, self._heap
        while True:  # not `while timed`: as in _first_in_heap_locked
            if not timed:
                return
            entry = timed[0]
            when, rank, item = entry
            if item.when is when:
                self._seq += 1
                # Pushed before it is popped: struck in between it stands here twice, and the second dies with I4.
                heappush(heap, (when, -self._seq if rank == _FRONT else rank + self._seq, item))
            if timed and timed[0] is entry:  # else a finalizer has been here, between the lines
                timed.popleft()

    # ---- sleeping: the consumer

    def _sleep(self, until: float = inf) -> None:
        """Sleep till something is due, somebody rings, or the machine's clock reads `until`."""
        longest = FIRST_WAIT if current_thread() is main_thread() else LONGEST_WAIT
        self._asleep = _BEHIND_BARRIER if self._barrier is not None else _ASLEEP  # S1 announce
        try:
            while True:
                # Before each look: where it wakes for what was taken back, a later item put meanwhile would not ring.
                self._sleep_until = inf
                seconds = self._rest()  # S2 then look
                seconds = min(seconds, until - monotonic()) if until != inf else seconds
                if seconds <= 0:
                    break
                if self._bell.wait(min(seconds, longest)):  # S4 wait
                    break
                longest = min(longest * WAIT_GROWTH, LONGEST_WAIT)
        finally:
            self._asleep = _AWAKE
        if self._fds is not None:
            self._fds.poll()

    def _rest(self) -> float:
        """Seconds to the next timed item, 0 where there is something to do now; the sleep is announced."""
        inbox, timed = self._inbox, self._timed
        if FREE_THREADED:  # pragma: no cover - builds without the GIL
            inbox.rotate(0)
            timed.rotate(0)
        if inbox or timed or self._attention:
            return 0.0
        due = self._next_due()
        self._sleep_until = due  # S3 from here on a putter of something later does not ring
        return max(0.0, due - self.clock()) if due != inf else inf

    def _next_due(self) -> float:
        with self._lock:
            due = self._first_in_heap_locked()
            if self._barrier is not None:
                heap = self._heap
                due = min((when for when, _, item in heap if item.asynchronous and item.when is when), default=inf)
        return due

    def _announce_rest(self) -> float | None:
        """Tell, as `run_due` does, when there is work again; with a host, from here on a put calls it if need be."""
        if self._host is None:
            seconds = self._rest()
        else:  # also inside an item, whose dialog has a loop of the host's own, and sleeps in that
            self._sleep_until = inf
            self._asleep = _BEHIND_BARRIER if self._barrier is not None else _ASLEEP  # S1, as in `_sleep`
            seconds = self._rest()
            if seconds == 0.0:
                self._asleep = _AWAKE  # the caller knows
        return None if seconds == inf or (self._quitting and seconds > 0) else seconds

    def set_host(self, wake: Callable[[], object] | None) -> None:
        """Call `wake()` instead of ringing the bell, wherever something is to be run and no loop of ours is running.

        Args:
            wake: Called on any thread, at any point; has `run_due` called soon on the consumer's thread. None: no host.
        """
        self._host = wake
        if not self._depth:
            self._asleep = _AWAKE
            if wake is not None and self._announce_rest() is not None:
                self._call_host()

    def _listen(self, came: Callable[[], object]) -> Callable[[], object] | None:
        """Have `came()` called for what is put after `_announce_and_look`. For who keeps the consumer from running.

        Returns:
            The host till now, which `came` calls, and which `_listen_no_more` wants back.

        Threads: the consumer's.
        """
        host, self._host = self._host, came
        return host

    def _listen_no_more(self, came: Callable[[], object], host: Callable[[], object] | None) -> None:
        """End what `_listen(came)` began. Threads: the consumer's."""
        if self._host == came:  # else the host has left meanwhile
            self.set_host(host)
            if self._depth:  # else `set_host` has seen to it
                self._asleep = _AWAKE

    def _announce_and_look(self, most: int) -> list[Any]:
        """Return what is pending, of at most `most` items; there are none where it is more. Who puts one more, tells.

        Threads: the consumer's.
        """
        self._sleep_until = inf
        self._asleep = _BEHIND_BARRIER  # S1, as in `_sleep`: plain messages need not be told
        if FREE_THREADED:  # pragma: no cover - builds without the GIL
            self._inbox.rotate(0)
            self._timed.rotate(0)
        with self._lock:
            pending = self._pending_locked()
        return [item for _, _, item in sorted(pending, key=in_order)] if len(pending) <= most else []

    def _take_back(self, item: Item) -> None:
        """Take `item` out, which was put to run now and which no barrier holds back. Threads: the consumer's."""
        self._stays(item)

    def _enter(self) -> None:
        here = get_ident()
        with self._lock:
            if self._depth and self._owner != here:
                raise IllegalStateError(
                    f"run {self!r} on {current_thread().name!r}: thread {self._owner} does already; put to it instead"
                )
            self._owner = here
            self._depth += 1

    def _leave(self, *, comes_again: bool = False) -> None:
        with self._lock:
            self._depth -= 1
            sweep = self._quitting and not self._depth
        if sweep:  # what was due at a safe quit, and is left by a budget, is for the next run
            self._sweep(self._limit if comes_again else -inf)

    # ---- quitting

    @property
    def is_quitting(self) -> bool:
        """Whether `quit` or `quit_safely` has been called. Threads: any."""
        return self._quitting

    def quit(self, *, safely: bool = False) -> None:
        """Refuse what comes from now on, and end the loop. The first call counts, a later one does nothing.

        What is pending is rejected: by the consumer as it leaves its loop, or here where no loop is running.

        Args:
            safely: What is due by now still runs, in the next `run_due` where the budget of one has left it.

        Threads: any, at any point.
        """
        now = self.clock() if safely else -inf
        with self._lock:
            if self._quitting:
                return
            self._limit = now
            self._refuses = True  # before the next line: who sees that it quits relies on later puts being refused
            self._quitting = True
            sweep = not self._depth
        if sweep:
            self._sweep(now)
        self.wake()

    def refuse_messages(self) -> None:
        """Answer False to what handlers send from now on. Coroutines still come back, until `quit`.

        For a host that closes: a worker that posts without end hears of it, and what was cancelled can clean up here.

        Threads: any.
        """
        self._refuses = True

    def close(self) -> None:
        """Quit, if that has not been done, and reject all that is left, due or not. For who ends the loop for good."""
        self.quit()
        self._sweep(-inf)

    def _sweep(self, limit: float) -> None:
        """Reject what is left, and due later than `limit`, outside all locks."""
        doomed = self._doomed
        struck: BaseException | None = None
        first: Item | None = None
        item: Item | None = None
        with self._lock:
            self._condemn_locked(limit)
        while True:
            try:
                while doomed:
                    try:
                        first = doomed[0]
                        item = doomed.popleft()
                    except IndexError:  # another thread sweeps, too
                        break
                    try:
                        item.rejected()
                    except Exception as failure:  # noqa: BLE001  (whatever it is, the others must hear)
                        report_uncaught(failure)
                break
            except BaseException as failure:  # noqa: BLE001  (a Ctrl-C: the others must still hear)
                struck = failure
                if first is not None and first is not item and first not in snapshot(doomed):
                    doomed.appendleft(first)
        if struck is not None:
            raise struck

    def _condemn_locked(self, limit: float) -> None:
        """Move what is due later than `limit` to `_doomed`, in order, there before it is gone elsewhere (I5)."""
        pending = sorted(self._pending_locked(), key=in_order)
        if self._going is not None:
            self._doomed.append(self._going)
        for when, seq, item in pending:
            if when <= limit:
                continue
            self._going = item
            if seq != _PAST or not self._stays(item):  # else its putter took it back
                self._doomed.append(item)
                item.when = when + 0.0  # whoever puts it now sees that it has been taken (I3); its entry is dead (I4)
        self._heap[:] = [entry for entry in pending if entry[1] != _PAST and entry[2].when is entry[0]]
        self._aside.clear()
        self._going = None

    def _pending_locked(self) -> list[tuple[float, int, Item]]:
        """Return what is pending as entries, in no order; those of the inbox have the seq _PAST."""
        self._sort_in_locked()
        entries = [entry for entry in (*self._aside, *self._heap) if entry[2].when is entry[0]]
        entries += [(item.when, _PAST, item) for item in snapshot(self._inbox)]
        return entries

    def _die_in_child(self) -> None:
        """After a fork: this is a copy of the parent's queue; the child has no thread for it."""
        self._lock = RLock()
        self._bell = Bell()
        self._host = self._fds = self._barrier = self._taking = self._watch = None
        self._refuses = self._quitting = self._attention = True
        self._limit = -inf
        self._asleep = _AWAKE
        for left in (self._inbox, self._timed, self._heap, self._aside, self._doomed):
            left.clear()

    # ---- barriers

    def post_sync_barrier(self, when: float | None = None) -> int:
        """Hold back what comes after this point, until `remove_sync_barrier`; asynchronous items go on.

        Args:
            when: Its point in the order; None is now.
        Returns:
            The token to remove it by.

        Threads: any.
        """
        with self._lock:
            barrier = Barrier(self, next(self._tokens))
            self._barriers[barrier.token] = barrier
        if when is None:
            self.put(barrier)
        else:
            self.put_at(barrier, when)
        return barrier.token

    def remove_sync_barrier(self, token: int) -> None:
        """Let go what the barrier holds back.

        Raises:
            IllegalStateError: There is no such barrier, or it has been removed.

        Threads: any.
        """
        with self._lock:
            barrier = self._barriers.pop(token, None)
            if barrier is None:
                raise IllegalStateError(
                    f"remove barrier {token!r} from {self!r}: never posted here, or removed; each token is good once"
                )
            barrier.removed = True
            blocking = self._barrier is barrier
            if not any(item is barrier for item in snapshot(self._inbox)):
                self.remove(barrier)
        if blocking:
            self.wake()

    def _stall(self, barrier: Barrier) -> None:
        """Have `barrier`, which was taken out of the inbox, hold back what follows."""
        with self._lock:
            self._seq += 1
            self._begin_stall_locked(barrier, barrier.when, _HELD + self._seq)

    def _begin_stall_locked(self, barrier: Barrier, when: float, seq: int) -> None:
        if not barrier.removed:
            standing = self._barrier
            if standing is not None and not standing.removed:  # put for a time before it: it holds again after this one
                self._aside.append((*standing.key, standing))
            barrier.key = (when, seq)
            self._barrier = barrier
            self._horizon = -inf

    def _held_locked(self, item: Item, when: float, seq: int) -> bool:
        """Set `item` aside if a barrier before it holds it back; take a barrier up."""
        if self._barrier is not None and not item.asynchronous and (when, seq) > self._barrier.key:
            self._aside.append((when, seq, item))
            return True
        if isinstance(item, Barrier):
            self._begin_stall_locked(item, when, seq)
            return True
        return False

    def _end_stall_locked(self) -> None:
        self._heap.extend(entry for entry in self._aside if entry[2].when is entry[0])
        heapify(self._heap)
        self._aside.clear()
        self._barrier = None

    @property
    def is_blocked_on_barrier(self) -> bool:
        """Whether a barrier holds back what is due and nothing asynchronous is due. Threads: any; racy by nature."""
        barrier = self._barrier  # read once: the consumer ends the stall meanwhile
        if barrier is None or barrier.removed:
            return False
        return all(item.when > self.clock() for item in self._snapshot() if item.asynchronous)

    # ---- idleness

    def add_idle_handler(self, handler: Callable[[], object]) -> None:
        """Call `handler()` when nothing is due, once before each sleep that follows an item.

        It stays while it answers true; one that answers false or raises is removed, what it raised is reported.

        Raises:
            TypeError: `handler` cannot be called.

        Threads: any; the handler runs on the consumer's.
        """
        if not callable(handler):
            raise TypeError(f"add {handler!r} as an idle handler: it cannot be called")
        with self._lock:
            self._idle_handlers = (*self._idle_handlers, handler)

    def remove_idle_handler(self, handler: Callable[[], object]) -> None:
        """Take back an idle handler; without effect for one that is not there. Compares with `==`. Threads: any."""
        gone = next((one for one in self._idle_handlers if one == handler), None)  # == is not ours: no lock
        with self._lock:
            self._idle_handlers = tuple(one for one in self._idle_handlers if one is not gone)

    def _be_idle(self) -> bool:
        """Run the idle handlers, once until the next item has run. Whether there were any to run."""
        if self._rested or not self._idle_handlers:
            return False
        self._rested = True
        for handler in self._idle_handlers:
            keep: object = False
            try:
                keep = handler()
            except Exception as failure:  # noqa: BLE001  (reported; a KeyboardInterrupt goes on)
                report_uncaught(failure)
            if not keep:
                with self._lock:
                    self._idle_handlers = tuple(one for one in self._idle_handlers if one is not handler)
        return True

    def is_idle(self) -> bool:
        """Whether nothing is due now. Threads: any; racy by nature."""
        when = self.peek_when()
        return when is None or when > self.clock()

    def is_polling(self) -> bool:
        """Whether the consumer sleeps. Threads: any; racy by nature."""
        return self._asleep != _AWAKE

    # ---- descriptors

    def add_fd_listener(self, fd: Any, events: int, listener: Callable[[Any, int], int | None]) -> None:
        """Call `listener(fd, events)` on the consumer's thread when the descriptor is ready. One listener a descriptor.

        Args:
            fd: A descriptor, or an object with `fileno()`.
            events: EVENT_INPUT, EVENT_OUTPUT and EVENT_ERROR, joined with `|`. 0 removes the listener.
            listener: Returns the events it wants from now on; 0 removes it, None leaves them as they are. One that
                raises is removed, and the failure reported.
        Raises:
            ValueError: There are unknown bits in `events`, or `fd` is no descriptor.

        Threads: any.
        Android: addOnFileDescriptorEventListener.
        """
        with self._lock:
            if self._fds is None:
                bell, self._fds = self._bell, FdPoller()
                self._bell = self._fds
                bell.ring()
            fds = self._fds
        fds.listen(fd, events, listener)
        self.wake()

    def remove_fd_listener(self, fd: Any) -> None:
        """Stop listening; without effect where nobody does. Threads: any."""
        if self._fds is not None:
            self._fds.forget(fd)
            self.wake()

    # ---- questions: any thread

    def peek_when(self) -> float | None:
        """Return when the earliest pending item is due, in seconds of `clock`; None: nothing is pending."""
        with self._lock:
            self._sort_in_locked()
            due = self._first_in_heap_locked()
            times = [entry[0] for entry in self._aside if entry[2].when is entry[0]]
            try:
                times.append(self._inbox[0].when)
            except IndexError:
                pass
            empty = not (times or self._heap)
        when = min(due, min(times, default=inf))
        return None if empty or when > self._limit else when

    def _first_in_heap_locked(self) -> float:
        heap = self._heap
        while True:  # not `while heap`: a finalizer could come between that look and the next
            if not heap:
                return inf
            when, _, item = heap[0]
            if item.when is when:
                return when
            heappop(heap)
            self._dead -= 1

    def _entries(self) -> list[tuple[float, int, Any]]:
        """Return what is pending as entries (when, seq, item), in no order: see `in_order`."""
        with self._lock:
            pending = self._pending_locked()
        limit = self._limit
        return pending if limit == inf else [entry for entry in pending if entry[0] <= limit]

    def _snapshot(self) -> list[Any]:
        """Return what is pending, in order."""
        return [item for _, _, item in sorted(self._entries(), key=in_order)]

    def set_watch(self, watch: Callable[[Any], None] | None) -> None:
        """Run each item as `watch(item)`; None runs them plainly, at no cost. For logging and observers."""
        with self._lock:
            self._watch = watch
        self._attention = True


def _report(item: object, error: BaseException) -> bool:
    """What a queue without a looper does with a failure: report it and go on, except where the process is to end."""
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return False
    report_uncaught(error)
    return True


# Every queue there is: a fork ends them in the child. A dict, for its copy() is one step on every build.
_live: dict[ref[Any], None] = {}


def _gone(dead: ref[Any]) -> None:
    _live.pop(dead, None)


def _after_fork() -> None:
    for known in _live.copy():
        queue = known()
        if queue is not None:
            queue._die_in_child()  # noqa: SLF001


def live_queues() -> list[MessageQueue]:
    """Return every queue of the process that is still referred to."""
    return [queue for known in _live.copy() if (queue := known()) is not None]


after_fork(_after_fork)
