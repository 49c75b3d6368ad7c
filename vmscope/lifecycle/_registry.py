"""LifecycleRegistry: a lifecycle that its owner moves, and the order in which observers are told.

Observers stand in the order in which they came. Going up they are told in that order, going down in the reverse one,
each step by step. A move made by an observer, while it is being told, is not carried out there: the pass of the moment
stops, and the outermost call goes on towards the new state. An observer that comes meanwhile is brought up at once, but
not beyond the one before it, nor beyond the event that is being told of (its *parent*): the rest follows in its turn.
Invariants
    L1  of two observers the one that came first is in the higher state, or in the same.
    L2  an observer is told of each step between two states, of each once, in order; nothing after its removal.
    L3  when the outermost call has returned, all observers are in the state of the registry.
    L4  what an observer raises keeps no other from being told; it is raised when all have been.
Locks: none; it belongs to the main thread, or, made by `create_unsafe`, to whoever sees to that himself.
Counterpart: androidx.lifecycle.LifecycleRegistry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import ref

from .._errors import IllegalStateError
from ._lifecycle import Lifecycle, LifecycleObserver, LifecycleOwner, teller_of
from ._main_thread import check_main_thread
from ._states import Event, State, checked_state
from ._viewmodel import _identity

if TYPE_CHECKING:
    from typing import Self

    from ..flow._hot import StateFlow
    from ..flow._state import MutableStateFlow


class _Observed:
    """An observer, and the state that it has been told of."""

    __slots__ = ("key", "observer", "state", "tell")

    def __init__(self, key: object, observer: LifecycleObserver, state: State) -> None:
        self.key = key
        self.observer = observer  # kept: the key is made of its id
        self.tell: Callable[[LifecycleOwner, Event], object] = teller_of(observer)
        self.state = state


class LifecycleRegistry(Lifecycle):
    """The lifecycle of an owner, who moves it with `handle_event` or by setting `current_state`.

        class Window:
            def __init__(self):
                self.lifecycle = LifecycleRegistry(self)

            def show(self):
                self.lifecycle.handle_event(Event.ON_START)

    Args:
        owner: Whose lifecycle it is; told to observers. It is not kept alive: once it is collected, nobody is added
            any more, and a move raises.

    Threads: the main one, and on any other IllegalStateError; `current_state` may be read on any. See `create_unsafe`.
    AndroidX: LifecycleRegistry.
    """

    __slots__ = (
        "_adding", "_enforced", "_failures", "_flow", "_handling", "_moved", "_observers", "_owner", "_parents",
        "_state",
    )  # fmt: skip

    def __init__(self, owner: LifecycleOwner) -> None:
        self._enforced = True
        self._state = State.INITIALIZED
        try:
            self._owner = ref(owner)
        except TypeError:
            raise TypeError(
                f"{owner!r} cannot own a lifecycle, which refers to it weakly: give its class a `__weakref__` slot"
            ) from None
        self._observers: dict[object, _Observed] = {}
        self._handling = False  # a move is under way
        self._adding = 0  # observers that are being brought up
        self._moved = False  # the state was changed while observers were being told
        self._parents: list[State] = []  # of the events that are being told of: no newcomer goes beyond the last
        self._failures: list[Exception] = []
        self._flow: MutableStateFlow[State] = _state_flow()

    @classmethod
    def create_unsafe(cls, owner: LifecycleOwner) -> Self:
        """Make one that may be used on any thread, by one at a time: for tests, and for programs without a main thread.

        AndroidX: LifecycleRegistry.createUnsafe.
        """
        registry = cls(owner)
        registry._enforced = False
        return registry

    # -- moving

    @property
    def current_state(self) -> State:
        """The state it is in. Set it to move there, step by step; see `handle_event`."""
        return self._state

    @current_state.setter
    def current_state(self, state: State) -> None:
        self._check_thread("current_state = ...")
        self._move_to(checked_state(state, "current_state"))

    def handle_event(self, event: Event) -> None:
        """Move to the state that `event` leads to, by all steps between. Where it is there already, nothing happens.

        In an observer, while it is being told of another move, it returns at once; the move is made when the observer
        has returned.

        Raises:
            IllegalStateError: From INITIALIZED straight to DESTROYED; away from DESTROYED; the owner was collected; or
                the calling thread is not the main one. The state stays.
            ExceptionGroup: What observers raised; all were told before.

        An observer that was told of nothing yet when another one ended it all is told nothing.
        Threads: the main one.
        AndroidX: handleLifecycleEvent. There an observer that raises stops the registry for ever, and so does one that
            ends it all before another was told that it was created.
        """
        self._check_thread("handle_event()")
        if not isinstance(event, Event):
            raise TypeError(f"handle_event() takes an Event, Event.ON_START say, got {event!r}")
        self._move_to(event.target_state)

    def _move_to(self, state: State) -> None:
        if state is self._state:
            return
        owner = self._check_move(state)
        self._state = state
        if self._handling or self._adding:
            self._moved = True
            return
        self._handling = True
        try:
            self._sync(owner)
        finally:
            self._handling = False
            if self._state is State.DESTROYED:
                self._observers = {}
        self._raise_failures()

    def _check_move(self, state: State) -> LifecycleOwner:
        """Return the owner, which is kept from here on until all have been told."""
        owner = self._owner()
        if owner is None:
            raise IllegalStateError(
                f"{self!r} cannot move to {state.name}: its owner was collected, so nobody can be told. Keep the owner "
                "for as long as its lifecycle is moved"
            )
        if self._state is State.INITIALIZED and state is State.DESTROYED:
            raise IllegalStateError(
                f"State must be at least CREATED to move to DESTROYED, but was INITIALIZED in {self!r}: nothing was "
                "created that could be destroyed"
            )
        if self._state is State.DESTROYED:
            raise IllegalStateError(f"{self!r} cannot move to {state.name}: make a new owner with a new lifecycle")
        if state is State.INITIALIZED:
            raise IllegalStateError(f"{self!r} cannot move back to INITIALIZED: CREATED is the lowest to return to")
        return owner

    def _sync(self, owner: LifecycleOwner) -> None:
        """Bring all to the state. Only from the outermost call, so there is no parent to mind."""
        while not self._is_synced():
            entries = tuple(self._observers.values())
            self._moved = False
            if self._state < entries[0].state:
                for entry in reversed(entries):
                    while entry.state > self._state and self._is_next(entry):
                        self._tell_down(entry, owner)
            else:
                for entry in entries:  # who comes meanwhile stands behind them, and has the next round
                    while entry.state < self._state and self._is_next(entry):
                        self._tell_up(entry, owner)
        self._moved = False
        self._flow.value = self._state

    def _is_synced(self) -> bool:
        """Say whether all are in the state: by L1 the first and the last one tell of those between."""
        observers = self._observers.values()
        return not observers or next(iter(observers)).state is next(reversed(observers)).state is self._state

    def _is_next(self, entry: _Observed) -> bool:
        """Say whether the pass goes on, and `entry` is still there."""
        return not self._moved and self._observers.get(entry.key) is entry

    def _tell_up(self, entry: _Observed, owner: LifecycleOwner) -> None:
        event = Event.up_from(entry.state)
        assert event is not None, "nothing leads up from RESUMED, and nobody in DESTROYED is told of anything"
        self._tell(entry, owner, event, entry.state)

    def _tell_down(self, entry: _Observed, owner: LifecycleOwner) -> None:
        event = Event.down_from(entry.state)
        if event is None:  # one before it has ended all before it was told of anything: nothing of it is to be ended
            entry.state = State.DESTROYED
        else:
            self._tell(entry, owner, event, event.target_state)

    def _tell(self, entry: _Observed, owner: LifecycleOwner, event: Event, parent: State) -> None:
        after = event.target_state
        entry.state = min(entry.state, after)
        self._parents.append(parent)
        try:
            entry.tell(owner, event)
        except Exception as failure:  # noqa: BLE001  (L4: the others are still owed their events)
            self._failures.append(failure)
        finally:
            self._parents.pop()
            entry.state = after

    def _raise_failures(self) -> None:
        if self._failures:
            failures, self._failures = self._failures, []
            raise ExceptionGroup(f"observers of {self!r} failed", failures)

    # -- observers

    def add_observer(self, observer: LifecycleObserver) -> None:
        """Tell `observer` of each event from now on, and before this returns of those that led to the state of now.

        Args:
            observer: Has methods `on_create(owner)` ... `on_destroy(owner)`, as many as it likes, or
                `on_state_changed(owner, event)`, which is called after those, or is a function of `(owner, event)`. It
                is kept until it is removed or the lifecycle destroyed. One that is there already is not added again.
        Raises:
            TypeError: It is none of these.
            IllegalStateError: The calling thread is not the main one.
            ExceptionGroup: What it raised while it was brought up.

        In an observer that is being told of an event, the new one is brought up to that observer's state before the
        event (going down: to the one after it), and further in its turn.
        Threads: the main one.
        AndroidX: addObserver.
        """
        self._check_thread("add_observer()")
        state = State.DESTROYED if self._state is State.DESTROYED else State.INITIALIZED
        key = _identity(observer)
        entry = _Observed(key, observer, state)
        owner = self._owner()
        if owner is None or key in self._observers:
            return
        self._observers[key] = entry
        outermost = not self._adding and not self._handling
        self._adding += 1
        try:
            while self._observers.get(key) is entry and entry.state < self._limit(entry):
                self._tell_up(entry, owner)
            if outermost:
                self._sync(owner)
        finally:
            self._adding -= 1
            if outermost and self._state is State.DESTROYED:
                self._observers = {}
        if outermost:
            self._raise_failures()

    def _limit(self, entry: _Observed) -> State:
        """How far up a newcomer may be brought now: not beyond the one before it, nor beyond its parent."""
        newest_first = reversed(self._observers.values())
        while next(newest_first) is not entry:
            pass
        before = next(newest_first, None)
        return min(
            self._state,
            self._state if before is None else before.state,
            self._parents[-1] if self._parents else self._state,
        )

    def remove_observer(self, observer: LifecycleObserver) -> None:
        """Tell `observer` nothing more: no events that lead down either. One that is not there is no error.

        Threads: the main one.
        AndroidX: removeObserver.
        """
        self._check_thread("remove_observer()")
        self._observers.pop(_identity(observer), None)

    @property
    def observer_count(self) -> int:
        """How many observers there are.

        Threads: the main one.
        """
        self._check_thread("observer_count")
        return len(self._observers)

    # -- the rest

    def _check_thread(self, what: str) -> None:
        if self._enforced:
            check_main_thread(
                f"{what} of {self!r}",
                "post it to a Handler of the main looper, or use with_context(Dispatchers.Main, ...); "
                "LifecycleRegistry.create_unsafe(owner) is for tests and for programs without a main thread",
            )

    @property
    def current_state_flow(self) -> StateFlow[State]:
        """The state as a StateFlow: changed once all observers have been told, so not by moves that others overtook.

        Threads: any.
        AndroidX: currentStateFlow.
        """
        return self._flow.as_state_flow()

    def __repr__(self) -> str:
        owner = self._owner()
        of = "an owner that was collected" if owner is None else f"a {type(owner).__qualname__}"
        return f"<LifecycleRegistry {self._state.name.lower()}, of {of}>"


def _state_flow() -> MutableStateFlow[State]:
    from ..flow._state import MutableStateFlow  # here: a program without a lifecycle of its own imports no flows

    return MutableStateFlow(State.INITIALIZED)
