"""MutableSharedFlow: values for all who collect; a buffer of those that not everybody has taken, a replay for new ones.

    _head                     _replay_from                          _end
      | values not all have taken |  the newest, for new collectors  | queue: emitters that wait, each with its value

Each collector has a slot with the index of the value it takes next. What all have taken, and no replay needs, leaves
the buffer; then the emitters that wait move up. Without a buffer and a replay nothing is kept: collectors take the
value from the first emitter, which goes on once the last of them has.

A collector takes what there is under one turn of the lock, and goes through it without: with each value it moves its
index on, which is all that those see who look for the slowest. So there is room from the very value on, not from the
end of the batch.

Invariants
    I1  _head = min(the slowest slot, _replay_from) as it was last measured; `_values` holds the values from _head to
        _end, no more than the capacity while emitters wait. Who finds it full measures anew.
    I2  each collector gets the values emitted since it registered in one order, without gaps unless the policy drops.
    I3  an emitter that is cancelled takes its value out, unless it had been moved up; nobody misses a later one by it.
Locks
    `_lock` guards everything but the index of a slot while its collector goes through a batch. Nobody's code runs under
    it; whom a move lets go on is resumed after it.
Counterpart: kotlinx.coroutines.flow.SharedFlowImpl, whose queue of emitters has holes, and loses by them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from itertools import islice
from typing import Any, TypeVar

from .._errors import IllegalStateError
from .._primitives import FREE_THREADED, RLock
from .._thrown import own
from ..coroutines._coroutine import needed
from ..coroutines._job import ACTIVE, COMPLETING
from ..coroutines._suspend import (
    CANCELLABLE,
    CANCELLED_PHASE,
    DONE,
    RESUMED,
    SUSPENDED,
    SUSPENDED_PHASE,
    Continuation,
    Suspending,
)
from ..sync._channel import BufferOverflow
from ..sync._line import Decided
from ._emit import NOTHING, Emit
from ._hot import OnSubscription, SharedFlow, StateFlow, shared_view
from ._slots import Slots

T = TypeVar("T")
_SUSPEND, _DROP_OLDEST, _DROP_LATEST = BufferOverflow


class _Slot(Decided[None]):
    """A collector: what it takes next, and its wait for that.

    Attributes:
        index: Of the value it takes next.
        counted: The same as it was when the slowest was last looked for.
        batch: What it has got under the lock and goes through, the next one last.
    """

    __slots__ = ("_flow", "batch", "counted", "index", "waiting")

    def __init__(self, flow: _Buffer[Any]) -> None:
        self._begun = True
        self._flow = flow
        self.index = self.counted = 0
        self.batch: list[Any] = []
        self.waiting = False

    def _name(self) -> str:
        return "collect"

    # As a Slot of _state.py, longhand: one `_start` for both that asks each whether it sleeps costs 4 % of what a state
    # with a hundred collectors takes (3.11).
    def _start(self, coroutine: Any) -> object:
        flow, frame = self._flow, coroutine._frame
        if not ACTIVE <= frame._state <= COMPLETING:
            frame._ensure_active(coroutine)  # raises
        self._on(coroutine)  # W1
        with flow._lock:
            waits = not flow._has_locked(self)
            if waits:
                self.waiting = True
                flow._asleep += 1
        if not waits:
            self._off()
            return None
        if not ACTIVE <= frame._state <= COMPLETING:  # W2
            self._cancelled_by(frame)
        return SUSPENDED

    def _stands(self) -> bool:
        return self.waiting

    def _claim(self, phase: int = RESUMED) -> bool:
        flow = self._flow
        with flow._lock:
            mine = self.waiting
            if mine:
                self.waiting = False
                flow._asleep -= 1
        if mine:
            self._off()
        return mine

    def _resume(self, value: object, in_place: bool = False) -> None:
        """Go on. Called by who was told so by `_ready_locked`."""
        self._off()
        self._coroutine._go_on()


class _Emitter(Continuation[None]):
    """One call of `emit`: done at once, or the wait for room with its value."""

    __slots__ = ("_decided", "_error", "_flow", "_value")
    _decided: bool  # `_start` is over, and the coroutine waits
    _error: BaseException | None

    def __init__(self, flow: _Buffer[Any], value: Any) -> None:
        self._begun = False
        self._flow = flow
        self._value = value

    def _name(self) -> str:
        return "emit"

    def __iter__(self) -> Generator[Any, Any, None]:
        if self._begun:
            self._begin()
        if self._flow._try_emit(self._value):
            self._begun = True
            return DONE
        return super().__iter__()

    __await__ = __iter__

    def _start(self, coroutine: Any) -> object:
        self._decided = False
        self._error = None
        self._suspend(coroutine)
        flow, frame = self._flow, self._frame
        with flow._lock:
            done = flow._put_locked(self._value)
            if not done and self._phase == SUSPENDED_PHASE:  # else cancelled by another thread, before it was in there
                flow._queue.append(self)  # E1 stand there
                resumed = flow._let_in_locked() if flow._capacity else flow._ready_locked()  # E2 then look again
            else:
                resumed = flow._ready_locked() if done or not flow._capacity else []
        if done:
            self._claim()
        for one in resumed:  # in place, perhaps: then they may take the value here, or cancel this very coroutine
            one._resume(None)
        with frame._lock:
            if self._phase == SUSPENDED_PHASE:
                self._decided = True
                return SUSPENDED
        if self._error is not None:
            raise own(self._error, coroutine).with_traceback(None)
        frame._ensure_active(coroutine)
        return None

    def _stands(self) -> bool:
        return self._decided

    def _resume(self, value: object, in_place: bool = False) -> None:
        with self._frame._lock:
            if not self._claim() or not self._decided:
                return  # undecided: `_start` is not over, and goes on by itself
        self._coroutine._go_on()

    def _cancelled_by(self, job: Any) -> None:
        cause = self._cancellation_cause(job)
        with self._frame._lock:
            if not self._claim(CANCELLED_PHASE):
                return
            decided = self._decided
            if not decided:
                self._error = cause
        self._take_back(cause)
        if decided:
            self._coroutine._resume(None, cause, CANCELLABLE, None)

    def _take_back(self, cause: BaseException) -> None:
        self._flow._forget(self)


class _Buffer(SharedFlow[T]):
    """The workings of a flow that is emitted to."""

    __slots__ = (
        "__weakref__", "_asleep", "_at_slowest", "_batches", "_capacity", "_count", "_ended", "_failure", "_head",
        "_lock", "_overflow", "_queue", "_replay", "_replay_from", "_slots", "_slowest", "_values",
    )  # fmt: skip

    def _prepare(self, replay: int, capacity: int, overflow: BufferOverflow) -> None:
        self._lock = RLock()
        self._replay = replay
        self._capacity = capacity  # of `_values`, as long as emitters wait
        self._overflow = overflow
        self._batches = capacity > 0 and overflow is _SUSPEND  # else a value may be dropped, or taken back
        self._values: deque[Any] = deque()
        self._queue: deque[_Emitter] = deque()
        self._head = 0  # the index of the first of `_values`
        self._replay_from = 0
        self._slots = Slots()
        self._asleep = 0  # how many of them wait for a value
        self._slowest = 0  # the index of the slowest collector, where there is one, when that was last measured
        self._at_slowest = 0  # how many were there
        self._count: SubscriptionCount | None = None
        self._ended = False
        self._failure: BaseException | None = None

    @property
    def replay_cache(self) -> tuple[T, ...]:
        """The values that a new collector gets first, oldest first."""
        with self._lock:
            start = self._replay_from - self._head
            return tuple(self._values)[start:]

    def _never_ends(self) -> bool:
        return not self._ended

    # -- values in

    def _try_emit(self, value: Any) -> bool:
        if not self._slots.count and not self._replay and not self._ended:
            return True  # nobody is there and nothing is kept
        with self._lock:
            done = self._put_locked(value)
            resumed = self._ready_locked() if done else ()
        for one in resumed:
            one._resume(None)
        return done

    def _put_locked(self, value: Any) -> bool:
        """Put `value` into the buffer. False: it has to wait for room."""
        if self._ended:
            raise IllegalStateError(f"{value!r} was emitted to {self!r}, which is complete")
        values = self._values
        if not self._slots.count:
            if self._replay:
                values.append(value)
                if len(values) > self._replay:
                    values.popleft()
                    self._head += 1
                    self._replay_from = max(self._replay_from, self._head)
            return True
        if len(values) >= self._capacity:
            if self._batches:  # those who go through one have moved on since
                self._measure_locked()
                self._trim_locked(self._slowest)
            if len(values) >= self._capacity and self._slowest <= self._replay_from:
                if self._overflow is _SUSPEND:
                    return False
                if self._overflow is _DROP_LATEST:
                    return True
        values.append(value)
        if len(values) > self._capacity:
            values.popleft()
            self._head = head = self._head + 1
            self._replay_from = max(self._replay_from, head)
            if self._slowest < head:
                for slot in self._slots:
                    slot.index = max(slot.index, head)
                self._measure_locked()
        if self._head + len(values) - self._replay_from > self._replay:
            self._replay_from += 1
            if self._slowest > self._head:
                self._trim_locked(self._slowest)
        return True

    def _forget(self, emitter: _Emitter) -> None:
        """`emitter` was cancelled: its value is not emitted, unless it had been moved up already."""
        with self._lock:
            first = bool(self._queue) and self._queue[0] is emitter
            try:
                self._queue.remove(emitter)
            except ValueError:
                return
            if not first or self._capacity:
                return
            for slot in self._slots:  # those who had taken it take the next one like the others
                slot.index = min(slot.index, self._head)
            self._measure_locked()
            resumed = self._ready_locked()
        for one in resumed:
            one._resume(None)

    # -- values out

    def _collect(self, emit: Emit, subscribed: OnSubscription | None) -> Generator[Any, Any, None]:
        frame = needed("collect")._frame
        slot = _Slot(self)
        count = self._enter(slot)
        batch, queue = slot.batch, self._queue
        try:
            if count is not None:
                count._add(1)
            if subscribed is not None:
                yield from subscribed()
            while True:
                if batch:
                    value = batch.pop()
                    # Whichever comes second sees the other: an emitter stands in the queue first (E1) and measures
                    # second (E2). Without the GIL both take the deque's own lock in between.
                    slot.index += 1  # T1 move on
                    if FREE_THREADED:  # pragma: no cover - builds without the GIL
                        queue.rotate(0)
                    if queue:  # T2 then look
                        self._tell_of(slot)
                else:
                    while (value := self._take(slot)) is NOTHING:
                        yield slot  # not `yield from`: no generator for each wait
                    if value is _END:
                        if self._failure is not None:
                            raise own(self._failure)
                        return
                if not ACTIVE <= frame._state <= COMPLETING:
                    frame.ensure_active()
                wait = emit(value)
                if wait is not None:
                    yield from wait
        finally:
            self._leave(slot)

    def _enter(self, slot: _Slot) -> SubscriptionCount | None:
        with self._lock:
            slots = self._slots
            slots.add(slot)
            slot.index = slot.counted = index = self._replay_from
            if slots.count == 1 or index < self._slowest:
                self._slowest = index
                self._at_slowest = 1
            elif index == self._slowest:
                self._at_slowest += 1
            return self._count

    def _leave(self, slot: _Slot) -> None:
        with self._lock:
            self._slots.remove(slot)
            resumed = self._moved_locked(slot.counted)
            count = self._count
        for one in resumed:
            one._resume(None)
        if count is not None:
            count._add(-1)

    def _take(self, slot: _Slot) -> Any:
        """Take the next value for `slot`; NOTHING where there is none yet, _END where there will be none."""
        resumed: list[Continuation[Any]] = []
        with self._lock:
            values = self._values
            place = slot.index - self._head
            ready = len(values) - place
            if ready > 0:
                value = values[place]
                if ready > 1 and self._batches:
                    slot.batch += islice(values, place + 1, None)
                    slot.batch.reverse()
            elif not self._has_locked(slot):
                resumed = self._counted_locked(slot)
                value = NOTHING
            elif self._queue:
                value = self._queue[0]._value
            else:
                return _END
            if value is not NOTHING:
                slot.index += 1
                resumed = self._counted_locked(slot)
        for one in resumed:
            one._resume(None)
        return value

    def _tell_of(self, slot: _Slot) -> None:
        """`slot` has moved on in its batch, and emitters wait."""
        with self._lock:
            resumed = self._counted_locked(slot)
        for one in resumed:
            one._resume(None)

    def _has_locked(self, slot: _Slot) -> bool:
        """Say whether there is something for `slot`: in the buffer, in the hands of the first emitter, or the end."""
        place = slot.index - self._head
        if place < len(self._values):
            return True
        if self._queue and not self._capacity:
            return place == 0
        return self._ended and not self._queue

    def _ready_locked(self) -> list[Continuation[Any]]:
        """Take the collectors that wait and have something now."""
        ready: list[Continuation[Any]] = []
        if not self._asleep:
            return ready
        for slot in self._slots:
            if slot.waiting and self._has_locked(slot):
                slot.waiting = False
                self._asleep -= 1
                ready.append(slot)
        return ready

    # -- what follows when a collector has moved or left

    def _slowest_locked(self) -> int:
        """The index of the slowest collector; without collectors, the end."""
        return self._slowest if self._slots.count else self._head + len(self._values)

    def _measure_locked(self) -> None:
        """Look where the slowest collector is, and how many are there with it."""
        indexes = []
        for slot in self._slots:
            slot.counted = index = slot.index  # read once: it may move on meanwhile
            indexes.append(index)
        if indexes:
            self._slowest = slowest = min(indexes)
            self._at_slowest = indexes.count(slowest)

    def _counted_locked(self, slot: _Slot) -> list[Continuation[Any]]:
        """Count in what `slot` has taken. Says who goes on by it."""
        before = slot.counted
        slot.counted = now = slot.index
        return self._moved_locked(before) if now > before else []

    def _moved_locked(self, index: int) -> list[Continuation[Any]]:
        """A collector went on from `index`, or left. Says who goes on by it."""
        if index > self._slowest:
            return []
        self._at_slowest -= 1
        return [] if self._at_slowest else self._let_in_locked()

    def _let_in_locked(self) -> list[Continuation[Any]]:
        """Let go what nobody needs, and the emitters in whose turn it is. Says who goes on by it."""
        self._measure_locked()
        resumed: list[Continuation[Any]] = []
        values, queue, collectors = self._values, self._queue, self._slots.count
        slowest = self._slowest_locked()
        while queue and (not collectors or self._room_locked(slowest)):
            emitter = queue.popleft()
            values.append(emitter._value)
            resumed.append(emitter)
            if collectors and not self._capacity:
                break
        end = self._head + len(values)
        if not collectors:
            slowest = end
        self._replay_from = max(self._replay_from, end - min(self._replay, len(values)))
        self._trim_locked(slowest)
        if resumed or self._ended:
            resumed += self._ready_locked()
        return resumed

    def _room_locked(self, slowest: int) -> bool:
        """Say whether the first emitter may go on: there is room, or, without a buffer, all have its value."""
        if not self._capacity:
            return slowest > self._head
        return self._head + len(self._values) - slowest < self._capacity

    def _trim_locked(self, slowest: int) -> None:
        """Drop the values that all have taken and no replay needs."""
        keep = min(slowest, self._replay_from)
        values = self._values
        while self._head < keep:
            values.popleft()
            self._head += 1


_END: Any = object()


class MutableSharedFlow(_Buffer[T]):
    """A SharedFlow that is emitted to.

    Args:
        replay: How many values, the newest, a new collector gets first.
        extra_buffer: How many values more are kept for collectors that are slow.
        on_overflow: What an emission does when the buffer is full: wait for the slowest collector, drop the oldest
            value, or be dropped itself.

    Raises:
        ValueError: A negative size; or a policy that drops, without any buffer.

    Without collectors nothing waits, and only the replay is kept. With neither buffer nor replay, the default,
    `try_emit` fails as soon as anybody collects: use `extra_buffer=1` or more for events emitted from plain code.
    Threads: any.
    Kotlin: MutableSharedFlow.
    """

    __slots__ = ()

    def __init__(
        self, replay: int = 0, extra_buffer: int = 0, on_overflow: BufferOverflow = BufferOverflow.SUSPEND
    ) -> None:
        for value, name in ((replay, "replay"), (extra_buffer, "extraBufferCapacity")):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be a whole number, got {value!r}")
            if value < 0:
                raise ValueError(f"{name} cannot be negative, but was {value}")
        if not isinstance(on_overflow, BufferOverflow):
            raise TypeError(f"on_overflow takes a BufferOverflow, got {on_overflow!r}")
        if not replay and not extra_buffer and on_overflow is not _SUSPEND:
            raise ValueError(
                "replay or extraBufferCapacity must be positive with non-default onBufferOverflow strategy "
                f"{on_overflow.name}"
            )
        self._prepare(replay, replay + extra_buffer, on_overflow)

    def emit(self, value: T) -> Suspending[None]:
        """Emit `value` to all who collect; suspend while the buffer is full, or, without one, until all have taken it.

        Cancellation: prompt, and takes the value back where it still waits; not looked at where there is room.
        Threads: called in a coroutine; plain code has `try_emit`.
        """
        return _Emitter(self, value)

    def try_emit(self, value: T) -> bool:
        """Emit `value` if that needs no wait.

        Returns:
            False where the buffer is full, or there is none and somebody collects; the value is not emitted then.
        """
        return self._try_emit(value)

    def reset_replay_cache(self) -> None:
        """Empty the replay: collectors that come later do not get these values; those that are there still do."""
        with self._lock:
            self._replay_from = self._head + len(self._values)
            self._measure_locked()
            self._trim_locked(self._slowest_locked())

    @property
    def subscription_count(self) -> StateFlow[int]:
        """How many collect it now, as a StateFlow; those who collect that are told of each change."""
        return count_of(self)

    def as_shared_flow(self) -> SharedFlow[T]:
        """Return this flow for those who only read."""
        return shared_view(self)

    def complete(self) -> None:
        """End it: who collects it gets what was emitted before, then the collection returns. Once is enough.

        An emission after that is refused with an IllegalStateError.
        Kotlin: none; asked for there since 2020.
        """
        self._finish(None)

    def fail(self, failure: BaseException) -> None:
        """End it with a failure, which is raised to all who collect, after what was emitted before."""
        if not isinstance(failure, BaseException):
            raise TypeError(f"fail() takes an exception, got {failure!r}")
        self._finish(failure)

    def _finish(self, failure: BaseException | None) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            self._failure = failure
            resumed = self._ready_locked()
        for one in resumed:
            one._resume(None)

    def __repr__(self) -> str:
        with self._lock:
            waiting = f", {len(self._queue)} emitters wait" if self._queue else ""
            return f"<MutableSharedFlow, {self._slots.count} collectors, {len(self._values)} values{waiting}>"


class SubscriptionCount(_Buffer[int], StateFlow[int]):
    """How many collect a flow. It keeps every change, so that nobody misses that all had left for a moment."""

    __slots__ = ()

    @classmethod
    def starting_at(cls, count: int) -> SubscriptionCount:
        """Make one whose value is `count`."""
        flow: SubscriptionCount = object.__new__(cls)
        flow._prepare(1, 2**31, _DROP_OLDEST)
        flow._try_emit(count)
        return flow

    @property
    def value(self) -> int:
        """The count of now."""
        with self._lock:
            found: int = self._values[-1]
            return found

    def _add(self, change: int) -> None:
        with self._lock:
            self._put_locked(self._values[-1] + change)
            resumed = self._ready_locked()
        for one in resumed:
            one._resume(None)


def count_of(flow: Any) -> StateFlow[int]:
    """Return how many collect `flow`, which has slots, followed from the first time on that somebody asks."""
    with flow._lock:
        if flow._count is None:
            flow._count = SubscriptionCount.starting_at(flow._slots.count)
        count: SubscriptionCount = flow._count
        return count
