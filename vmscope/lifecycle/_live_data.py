"""LiveData: a value for those who look at a screen; they are told only while their owner is STARTED.

A value has a number, its *version*, and each observer the number of the value that it was told of last. A *round* tells
all active observers that are behind. A value that is set during a round, by an observer, ends it: the next round begins
with the new value, so nobody is told of an old value after a newer one.
Invariants
    D1  an observer is told of a value once, and of no older one after it.
    D2  an observer whose owner is below STARTED is not told; at its return it is told of the newest value, if that is
        new to it.
    D3  `on_active` and `on_inactive` take turns, whoever comes and goes while they run.
    D4  what an observer raises keeps no other from being told; it is raised when all have been.
Locks
    `_lock` guards `_pending`, what was posted and not set yet. A leaf. All the rest belongs to the main thread.
Counterpart: androidx.lifecycle.LiveData, MutableLiveData, Observer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from .._primitives import RLock
from ._lifecycle import LifecycleOwner, lifecycle_of
from ._main_thread import check_main_thread, post_to_main
from ._states import Event, State
from ._viewmodel import _identity

if TYPE_CHECKING:
    from ..flow._flow import Flow
    from ._lifecycle import Lifecycle

T = TypeVar("T")
R = TypeVar("R")


class _Unset:
    __slots__ = ()

    def __repr__(self) -> str:
        return "not set"


UNSET = _Unset()


class _Observer:
    """An observer, whether it is active, and the version that it was told of last. This kind is active for ever."""

    __slots__ = ("active", "function", "live", "owner", "removed", "seen")

    def __init__(self, live: LiveData[Any], function: Callable[[Any], object], owner: Lifecycle | None = None) -> None:
        self.live = live
        self.function = function
        self.owner = owner
        self.active = False
        self.removed = False
        self.seen = -1

    def should_be_active(self) -> bool:
        return True

    def detach(self) -> None:
        """It was removed."""

    def set_active(self, active: bool) -> None:
        if active is self.active or (active and self.removed):  # removed in the very call that told it of a move
            return
        self.active = active
        self.live._count(1 if active else -1)
        if self.active:
            self.live._tell(self)


class _BoundObserver(_Observer):
    """One that follows a lifecycle."""

    __slots__ = ("_lifecycle",)

    def __init__(self, live: LiveData[Any], function: Callable[[Any], object], lifecycle: Lifecycle) -> None:
        super().__init__(live, function, lifecycle)
        self._lifecycle = lifecycle

    def should_be_active(self) -> bool:
        return self._lifecycle.current_state >= State.STARTED

    def detach(self) -> None:
        self._lifecycle.remove_observer(self.on_event)

    def on_event(self, owner: LifecycleOwner, event: Event) -> None:
        if self._lifecycle.current_state is State.DESTROYED:
            self.live.remove_observer(self.function)
            return
        before: State | None = None
        while before is not (state := self._lifecycle.current_state):  # what is called from here may move it
            before = state
            self.set_active(state >= State.STARTED)


class LiveData(Generic[T]):
    """A value, and those who observe it while their owner is STARTED or above. Read only; see MutableLiveData.

    Each value that is set is told, also one that equals the one before it. Values that come while an observer is not
    active are skipped but for the newest.

    Args:
        value: The first value; without it there is none yet, and nobody is told before one is set.

    Threads: the main one, else IllegalStateError; `value` may be read on any.
    AndroidX: LiveData.
    """

    def __init__(self, value: T = cast("Any", UNSET)) -> None:
        self._data: Any = value
        self._version = -1 if value is UNSET else 0
        self._observers: dict[object, _Observer] = {}
        self._active = 0
        self._counting = False
        self._telling = False
        self._again = False
        self._failures: list[Exception] = []
        self._lock = RLock()
        self._pending: Any = UNSET

    # -- for those who read

    @property
    def value(self) -> T | None:
        """The value of now; None where none was set. One that was posted is not it before the main thread's turn."""
        data = self._data
        return None if data is UNSET else cast("T", data)

    @property
    def is_initialized(self) -> bool:
        """Whether a value was ever set."""
        return self._data is not UNSET

    @property
    def has_observers(self) -> bool:
        """Whether anybody observes it, active or not."""
        return bool(self._observers)

    @property
    def has_active_observers(self) -> bool:
        """Whether anybody observes it whose owner is STARTED, or who observes for ever."""
        return self._active > 0

    def observe(self, owner: Lifecycle | LifecycleOwner, observer: Callable[[T], object]) -> None:
        """Call `observer(value)` with the value of now, and with each new one, while `owner` is STARTED or above.

        Args:
            owner: Has a lifecycle, or is one. Where it is below STARTED, the call comes later, with the newest value.
                When it is destroyed, the observer is removed. Where it is destroyed already, nothing is done.
            observer: A function. Given twice for one owner it observes once. (Two looks at a bound method are one.)
        Raises:
            ValueError: It observes already, for another owner or for ever.
            IllegalStateError: The calling thread is not the main one.

        Threads: the main one.
        AndroidX: observe.
        """
        self._check_thread("observe()")
        lifecycle = lifecycle_of(owner, "observe()")
        _check_observer(observer, "observe()")
        if lifecycle.current_state is State.DESTROYED:
            return
        bound = _BoundObserver(self, observer, lifecycle)
        if self._add(bound):
            lifecycle.add_observer(bound.on_event)

    def observe_forever(self, observer: Callable[[T], object]) -> None:
        """Call `observer(value)` with the value of now and each new one, until it is removed: it is always active.

        Raises:
            ValueError: It observes already, for an owner.
            IllegalStateError: The calling thread is not the main one.

        Threads: the main one.
        AndroidX: observeForever.
        """
        self._check_thread("observe_forever()")
        _check_observer(observer, "observe_forever()")
        forever = _Observer(self, observer)
        if self._add(forever):
            forever.set_active(True)

    def _add(self, new: _Observer) -> bool:
        there = self._observers.setdefault(_identity(new.function), new)
        if there.owner is not new.owner:
            raise ValueError(
                f"Cannot add the same observer with different lifecycles: {new.function!r} observes {self!r} already, "
                f"{'for ever' if there.owner is None else f'for {there.owner!r}'}"
            )
        return there is new

    def remove_observer(self, observer: Callable[[T], object]) -> None:
        """Call `observer` no more. One that is not there is no error.

        Threads: the main one.
        AndroidX: removeObserver.
        """
        self._check_thread("remove_observer()")
        gone = self._observers.pop(_identity(observer), None)
        if gone is not None:
            gone.removed = True
            gone.detach()
            gone.set_active(False)

    def remove_observers(self, owner: Lifecycle | LifecycleOwner) -> None:
        """Remove all that observe for `owner`.

        Threads: the main one.
        AndroidX: removeObservers.
        """
        self._check_thread("remove_observers()")
        lifecycle = lifecycle_of(owner, "remove_observers()")
        for each in tuple(self._observers.values()):
            if each.owner is lifecycle:
                self.remove_observer(each.function)

    # -- made of it

    def map(self, function: Callable[[T], R]) -> LiveData[R]:
        """Return a LiveData of `function(value)`; it is called on the main thread, while the result is observed.

        Where there is a value already, the result has one from the start, and `function` is called for it once more
        when it is observed first.
        AndroidX: map.
        """
        from ._transformations import mapped

        return mapped(self, function)

    def switch_map(self, function: Callable[[T], LiveData[R] | None]) -> LiveData[R]:
        """Return a LiveData that follows the LiveData which `function(value)` gives, the newest one alone.

        None follows nothing.
        AndroidX: switchMap.
        """
        from ._transformations import switched

        return switched(self, function)

    def distinct_until_changed(self) -> LiveData[T]:
        """Return a LiveData that leaves out a value equal (`==`) to the one before it.

        The first value counts as a change, None too.
        AndroidX: distinctUntilChanged.
        """
        from ._transformations import distinct

        return distinct(self)

    def as_flow(self) -> Flow[T]:
        """Return a flow of the value of now and each new one; a slow collector gets the newest, and skips the others.

        While it is collected, this LiveData is active.
        Threads: collected on any; it observes on the main thread.
        AndroidX: LiveData.asFlow.
        """
        from ._flows import values_of

        return values_of(self)

    # -- for subclasses

    def on_active(self) -> None:
        """Called when the first active observer is there: override it to begin what makes values."""

    def on_inactive(self) -> None:
        """Called when no active observer is left: override it to end what makes values."""

    # -- how it works

    def _check_thread(self, what: str) -> None:
        check_main_thread(
            f"{what} of {self!r}", "use post_value(...) for a value, with_context(Dispatchers.Main, ...) for the rest"
        )

    def _set_value(self, value: T) -> None:
        self._check_thread("value = ...")
        self._version += 1
        self._data = value
        self._tell(None)

    def _post_value(self, value: T) -> None:
        with self._lock:
            posted = self._pending is not UNSET
            self._pending = value
        if not posted:
            try:
                post_to_main(self._set_posted, self._take_posted)
            except BaseException:
                self._take_posted()
                raise

    def _take_posted(self) -> Any:
        with self._lock:
            value, self._pending = self._pending, UNSET
        return value

    def _set_posted(self) -> None:
        self._set_value(self._take_posted())

    def _count(self, change: int) -> None:
        before = self._active
        self._active += change
        if self._counting:  # the loop below is at it, further up the stack
            return
        self._counting = True
        try:
            while (before > 0) is not (self._active > 0):
                before = self._active
                if before > 0:
                    self.on_active()
                else:
                    self.on_inactive()
        finally:
            self._counting = False

    def _tell(self, alone: _Observer | None) -> None:
        """Tell all who are behind, or at first only the one who has just become active."""
        if self._telling:
            self._again = True
            return
        self._telling = True
        try:
            self._again = True
            while self._again:
                self._again = False
                for each in tuple(self._observers.values()) if alone is None else (alone,):
                    self._consider(each)
                    if self._again:
                        break
                alone = None
        finally:
            self._telling = False
        if self._failures:
            failures, self._failures = self._failures, []
            raise ExceptionGroup(f"observers of {self!r} failed", failures)

    def _consider(self, observer: _Observer) -> None:
        if not observer.active:
            return
        if not observer.should_be_active():  # its owner was moved, and the event has not reached it yet
            observer.set_active(False)
            return
        if observer.seen >= self._version:
            return
        observer.seen = self._version
        try:
            observer.function(self._data)
        except Exception as failure:  # noqa: BLE001  (D4: the others are still owed the value)
            self._failures.append(failure)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._data!r}, {len(self._observers)} observers, {self._active} active>"


class MutableLiveData(LiveData[T]):
    """A LiveData whose value is set: `live.value = x` on the main thread, `live.post_value(x)` on any.

    AndroidX: MutableLiveData.
    """

    @property
    def value(self) -> T | None:
        """The value of now; None where none was set. Setting it tells all active observers before it returns.

        In an observer of this very LiveData it returns at once; the round of the moment then ends, and all, those who
        have been told of the value before too, are told of the new one.

        Raises:
            IllegalStateError: Set on another thread than the main one.
            ExceptionGroup: What observers raised; all were told before.
        """
        return LiveData.value.fget(self)  # type: ignore[attr-defined, no-any-return]

    @value.setter
    def value(self, new: T) -> None:
        self._set_value(new)

    def post_value(self, value: T) -> None:
        """Have `value` set on the main thread, soon. Of several that are posted before that, the last one is set.

        Threads: any. Where the main looper has quit, it is dropped.
        AndroidX: postValue.
        """
        self._post_value(value)


def _check_observer(observer: object, what: str) -> None:
    if not callable(observer):
        raise TypeError(f"{what} takes a function of the value, got {observer!r}")
