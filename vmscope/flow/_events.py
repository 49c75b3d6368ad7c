"""EventFlow: events that are to be dealt with once, and are kept while nobody is there to do it.

    send --> kept, oldest first --> the collector that is free                      (to one)
    send --> a queue for each collector; kept, while there is none, for the first   (to_all)

Invariants
    I1  an event is in one place: kept, in the queues of the collectors, or in the hands of a block.
    I2  an event is told from others by its number: given back by several, it is kept once, in its place.
    I3  a collector that leaves takes nothing with it: what it had not begun goes back, in order, and somebody is woken.
Locks
    `_lock` guards all queues. Nobody's code runs under it.
Counterpart: none; a Channel and receiveAsFlow, which lose an event to a collector that is cancelled in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from .._primitives import RLock
from ..coroutines._coroutine import needed
from ..coroutines._suspend import SUSPENDED, Continuation
from ._emit import NOTHING, FlowAborted
from ._flow import Flow
from ._slots import Slots

if TYPE_CHECKING:
    from ._emit import Emit

T = TypeVar("T")


class _Slot(Continuation[None]):
    """A collector: the queue it takes from, and its wait for an event."""

    __slots__ = ("_flow", "queue", "waiting")

    def __init__(self, flow: EventFlow[Any], queue: deque[Any]) -> None:
        self._begun = True
        self._flow = flow
        self.queue = queue
        self.waiting = False

    def _name(self) -> str:
        return "collect"

    def _start(self, coroutine: Any) -> object:
        self._suspend(coroutine)
        with self._flow._lock:
            if not self.queue:
                self.waiting = True
                return SUSPENDED
        return self._resolve_here()

    def _stands(self) -> bool:
        return self.waiting


class EventFlow(Flow[T]):
    """A flow of events that happen once: what a screen shows or does, and must neither miss nor repeat.

    Args:
        to_all: Each event goes to all who collect at that moment; by default to one of them.
        acknowledge: An event whose block was cancelled or failed is given again, to whoever collects next; one after
            which no more are asked for, by `first` or `take` say, has been dealt with. In an `async for` that is when
            the loop asks for the next one or is left, unless its coroutine or the block around it is cancelled; that it
            failed is seen by the `async with` of an iterator alone. By default an event counts as delivered when the
            block has begun. The block is what stands right below: behind
            `buffer`, `flow_on` to another dispatcher and whatever else has a channel, an event has been dealt with when
            it is in there, and is lost with it.

    While nobody collects, events are kept, without a limit. Collecting does not end by itself.
    Threads: any.
    Kotlin: none; asked for as a SharedFlow that keeps events until the first collector.
    """

    __slots__ = ("__weakref__", "_acknowledge", "_kept", "_lock", "_sent", "_slots", "_to_all")

    def __init__(self, to_all: bool = False, acknowledge: bool = False) -> None:
        self._lock = RLock()
        self._kept: deque[tuple[int, T]] = deque()  # with its number
        self._sent = 0
        self._slots = Slots()
        self._to_all = to_all
        self._acknowledge = acknowledge

    def send(self, event: T) -> None:
        """Send `event`; never waits."""
        with self._lock:
            numbered = (self._sent, event)
            self._sent += 1
            if self._to_all and self._slots.count:
                for slot in self._slots:
                    slot.queue.append(numbered)
            else:
                self._kept.append(numbered)
            ready = self._ready_locked(all_of_them=self._to_all)
        for slot in ready:
            slot._resume(None)

    @property
    def pending(self) -> tuple[T, ...]:
        """The events that are kept for whoever collects next."""
        with self._lock:
            return tuple(event for _, event in self._kept)

    def _run(self, emit: Emit) -> Generator[Any, Any, None]:
        frame = needed("collect")._frame
        slot = self._enter()
        event: Any = NOTHING
        try:
            while True:
                frame.ensure_active()
                with self._lock:
                    event = slot.queue.popleft() if slot.queue else NOTHING
                if event is NOTHING:
                    slot._begun = False
                    yield from slot
                    continue
                wait = emit(event[1])
                if wait is not None:
                    yield from wait
                event = NOTHING
        except FlowAborted:
            event = NOTHING
            raise
        finally:
            self._leave(slot, event if self._acknowledge else NOTHING)

    def _enter(self) -> _Slot:
        with self._lock:
            if self._to_all:
                queue, self._kept = self._kept, deque()
            else:
                queue = self._kept
            slot = _Slot(self, queue)
            self._slots.add(slot)
            return slot

    def _leave(self, slot: _Slot, event: Any) -> None:
        with self._lock:
            self._slots.remove(slot)
            if event is not NOTHING:
                slot.queue.appendleft(event)
            if self._to_all:
                others = self._slots.count  # they have had, or will have, what this one had not begun
                back = [event] if others and event is not NOTHING else [] if others else slot.queue
                if back:
                    self._kept = deque(sorted((dict(self._kept) | dict(back)).items(), key=itemgetter(0)))
            ready = [] if self._to_all else self._ready_locked(all_of_them=False)
        for other in ready:
            other._resume(None)

    def _ready_locked(self, all_of_them: bool) -> list[_Slot]:
        """Take collectors that wait and have something: all, or as many as there are events."""
        ready: list[_Slot] = []
        for slot in self._slots:
            if slot.waiting and slot.queue and (all_of_them or len(ready) < len(slot.queue)):
                slot.waiting = False
                ready.append(slot)
        return ready

    def __repr__(self) -> str:
        return f"<EventFlow, {self._slots.count} collectors, {len(self._kept)} events kept>"
