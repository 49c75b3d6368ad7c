"""StateFlow: one value that is always there, and those who follow it; each of them sees the newest, not every one.

A collector has a slot, with a mark: the value may have changed since it last looked. Setting marks all slots and
resumes those who wait; a collector that is behind looks again, skips what it missed and is never told an equal value.

    +--------+ set   +--------+
    |  Seen  | ----> | Marked |      the slot of a collector; one that is resumed looks again
    |        | <---- |        |
    +--------+ looks +--------+
      |    ^
      |    | set: resumed
      v    |
    +---------+
    | Waiting |
    +---------+

Invariants
    I1  a value is set, and the slots marked, in one move: whoever looks later sees that value or a newer one.
    I2  one round of resumptions at a time: who sets meanwhile, on another thread or in a collector that was resumed in
        place, leaves the next round to the one who is at it. So each collector ends on the last value, and no stack
        grows when a collector sets what it observes.
Locks
    `_lock` guards `_value`, `_round`, the slots. Reentrant, for finalizers. Under it nobody's code runs, no `==` of a
    user's either: a value is compared first, and set only where the one that it was compared with is still there.
    The lock of a slot that follows several flows is taken inside theirs, and is a leaf.
Counterpart: kotlinx.coroutines.flow.StateFlowImpl, AbstractSharedFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NoReturn, TypeVar
from warnings import warn

from .._errors import VmScopeWarning
from .._primitives import RLock
from ..coroutines._coroutine import needed
from ..coroutines._job import ACTIVE, COMPLETING
from ..coroutines._suspend import DONE, RESUMED, SUSPENDED, Suspending
from ..sync._line import Decided
from ._emit import NOTHING, Emit
from ._hot import OnSubscription, SharedFlow, StateFlow, shared_view, state_view
from ._operators import same
from ._shared import SubscriptionCount, count_of
from ._slots import Slots

T = TypeVar("T")


class Slot(Decided[None]):
    """A collector: whether it has to look again, and its wait for that."""

    __slots__ = ("guard", "marked", "waiting")

    def __init__(self, guard: Any) -> None:
        self._begun = True
        self.guard = guard
        self.marked = False
        self.waiting = False

    def _name(self) -> str:
        return "collect"

    def _start(self, coroutine: Any) -> object:
        frame = coroutine._frame
        if not ACTIVE <= frame._state <= COMPLETING:
            frame._ensure_active(coroutine)  # raises
        self._on(coroutine)  # W1
        with self.guard:
            if not self.marked:
                self.waiting = waits = True
            else:
                self.marked = waits = False
        if not waits:
            self._off()
            return None
        if not ACTIVE <= frame._state <= COMPLETING:  # W2
            self._cancelled_by(frame)
        return SUSPENDED

    def _stands(self) -> bool:
        return self.waiting

    def _claim(self, phase: int = RESUMED) -> bool:
        with self.guard:
            mine, self.waiting = self.waiting, False
        if mine:
            self._off()
        return mine

    def _resume(self, value: object, in_place: bool = False) -> None:
        """Go on. Called by who was told so by `mark_locked`."""
        self._off()
        self._coroutine._go_on()

    def mark_locked(self) -> bool:
        """The value has changed. True: the collector waits, and is to be resumed."""
        if self.waiting:
            self.waiting = False
            return True
        self.marked = True
        return False


def follow(
    sources: tuple[MutableStateFlow[Any], ...], read: Callable[[], Any], slot: Slot, emit: Emit,
    subscribed: OnSubscription | None,
) -> Generator[Any, Any, None]:  # fmt: skip
    """Hand on what `read()` gives now, and each time it gives something else after one of `sources` was set."""
    frame = needed("collect")._frame
    entered = []
    try:
        for source in sources:
            source._enter(slot)
            entered.append(source)
        if subscribed is not None:
            yield from subscribed()
        last = NOTHING
        while True:
            value = read()
            if not ACTIVE <= frame._state <= COMPLETING:
                frame.ensure_active()
            if last is NOTHING or (value is not last and not same(last, value)):
                wait = emit(value)
                if wait is not None:
                    yield from wait
                last = value
            if slot.marked:
                with slot.guard:
                    slot.marked = False
            else:
                yield slot  # not `yield from`: no generator for each wait
    finally:
        for source in entered:
            source._leave(slot)


class MutableStateFlow(StateFlow[T]):
    """A StateFlow whose value is set.

    Args:
        value: The first value. Replace it, do not change it in place: an object is equal to itself, so a list that was
            appended to and set again is no change (tuples and frozen records cannot be used so).

    Setting an equal value (`==`) does nothing, and keeps the old object.
    Threads: any, without a lock of yours: `value` for a plain set, `update` where the new value depends on the old one.
    Kotlin: MutableStateFlow.
    """

    __slots__ = ("__weakref__", "_count", "_lock", "_round", "_slots", "_value")

    def __init__(self, value: T) -> None:
        self._value = value
        self._lock = RLock()
        self._slots = Slots()
        self._round = 0  # odd while somebody is at it
        self._count: SubscriptionCount | None = None

    @property
    def value(self) -> T:
        """The value of now. Setting it resumes those who collect; on an immediate dispatcher they may run inside it."""
        return self._value

    @value.setter
    def value(self, new: T) -> None:
        if new is self._value and type(new) in _CHANGED_IN_PLACE:
            _warn_of(new)
        self._set(NOTHING, new)

    def compare_and_set(self, expect: T, update: T) -> bool:
        """Set `update` if the value equals `expect`.

        Returns:
            True where it did; also where `update` equals the value already, and then the object stays the old one.

        Kotlin: compareAndSet.
        """
        if update is self._value and type(update) in _CHANGED_IN_PLACE:
            _warn_of(update)
        return self._set(expect, update)

    def update(self, function: Callable[[T], T]) -> None:
        """Set `function(value)`, in one step seen from other threads.

        `function` is called again where another thread was faster: it must have no effects of its own.
        """
        while not self._set(value := self._value, _made_by(function, value)):
            pass

    def update_and_get(self, function: Callable[[T], T]) -> T:
        """The same; returns the new value."""
        while True:
            value = self._value
            new = _made_by(function, value)
            if self._set(value, new):
                return new

    def get_and_update(self, function: Callable[[T], T]) -> T:
        """The same; returns the old value."""
        while not self._set(value := self._value, _made_by(function, value)):
            pass
        return value

    def emit(self, value: T) -> Suspending[None]:
        """Set the value; never suspends."""
        return _Set(self, value)

    def try_emit(self, value: T) -> bool:
        """Set the value; always True."""
        if value is self._value and type(value) in _CHANGED_IN_PLACE:
            _warn_of(value)
        self._set(NOTHING, value)
        return True

    def reset_replay_cache(self) -> NoReturn:
        """Refused: a state always has a value.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("MutableStateFlow.reset_replay_cache is not supported: a state always has a value")

    @property
    def subscription_count(self) -> StateFlow[int]:
        """How many collect it now, as a StateFlow; those who collect that are told of each change."""
        return count_of(self)

    def as_state_flow(self) -> StateFlow[T]:
        """Return this flow for those who only read."""
        return state_view(self)

    def as_shared_flow(self) -> SharedFlow[T]:
        """Return this flow for those who only read, and need not know that it has a value."""
        return shared_view(self)

    # -- how it works

    def _put(self, value: T) -> None:
        """Set the value, without a warning where it is the same object."""
        self._set(NOTHING, value)

    def _set(self, expected: Any, new: Any) -> bool:
        """Set `new`, where the value equals `expected` or that is NOTHING. Hot: `same` is longhand here."""
        lock = self._lock
        while True:
            old = self._value
            if expected is not NOTHING and expected is not old and not same(old, expected):
                return False
            try:
                if old is new or old == new:
                    return True
            except ValueError:  # several values, and no answer: an array
                pass
            with lock:
                if self._value is not old:
                    continue
                self._value = new
                if not self._slots.count:
                    return True
                now = self._round
                if now & 1:  # somebody resumes just now: one more round
                    self._round = now + 2
                    return True
                self._round = now = now + 1
                resumed = [slot for slot in self._slots if slot.mark_locked()]
            break
        self._tell(now, resumed)
        return True

    def _tell(self, now: int, resumed: list[Slot]) -> None:
        while True:
            for slot in resumed:
                slot._resume(None)
            with self._lock:
                if self._round == now:
                    self._round = now + 1
                    return
                now = self._round
                resumed = [slot for slot in self._slots if slot.mark_locked()]

    def _collect(self, emit: Emit, subscribed: OnSubscription | None) -> Generator[Any, Any, None]:
        return follow((self,), lambda: self._value, Slot(self._lock), emit, subscribed)

    def _roots(self) -> tuple[Any, ...]:
        return (self,)

    def _value_at(self, seen: dict[Any, Any]) -> T:
        if self not in seen:
            seen[self] = self._value
        return seen[self]  # type: ignore[no-any-return]

    def _enter(self, slot: Slot) -> None:
        with self._lock:
            self._slots.add(slot)
            count = self._count
        if count is not None:
            count._add(1)

    def _leave(self, slot: Slot) -> None:
        with self._lock:
            self._slots.remove(slot)
            count = self._count
        if count is not None:
            count._add(-1)

    def __repr__(self) -> str:
        return f"<MutableStateFlow {self._value!r}, {self._slots.count} collectors>"


_CHANGED_IN_PLACE: frozenset[Any] = frozenset({list, dict, set, bytearray})


def _warn_of(value: object, level: int = 3) -> None:
    """Warn whoever sets the object that is the value already. `level`: how many calls up that is."""
    warn(
        f"{type(value).__name__} set as the value it is already: what was changed in place is no change, and "
        "nobody is told. Set a new object, update(lambda old: [*old, item]) say",
        VmScopeWarning,
        stacklevel=level,
    )


def _made_by(function: Callable[[T], T], value: T) -> T:
    """Call it for an update; warn where it changed `value` in place. To give that back as it is, is to change nothing.

    A look inside costs what the new object would have cost.
    """
    if type(value) not in _CHANGED_IN_PLACE:
        return function(value)
    before = _inside(value)
    new = function(value)
    if new is value:
        after = _inside(new)
        if len(before) != len(after) or any(one is not other for one, other in zip(before, after, strict=True)):
            _warn_of(new, 4)
    return new


def _inside(value: Any) -> tuple[Any, ...]:
    return (*value, *value.values()) if type(value) is dict else tuple(value)


class _Set(Suspending[None]):
    """One call of `emit` on a state."""

    __slots__ = ("_flow", "_value")

    def __init__(self, flow: MutableStateFlow[Any], value: Any) -> None:
        self._begun = False
        self._flow = flow
        self._value = value

    def __iter__(self) -> Generator[Any, Any, None]:
        self._begin()
        flow, value = self._flow, self._value
        if value is flow._value and type(value) in _CHANGED_IN_PLACE:
            _warn_of(value)
        flow._set(NOTHING, value)
        return DONE

    __await__ = __iter__

    def _name(self) -> str:
        return "emit"
