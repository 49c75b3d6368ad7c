"""MediatorLiveData: a LiveData that observes others, as long as somebody observes it.

Locks: none; it belongs to the main thread.
Counterpart: androidx.lifecycle.MediatorLiveData.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ._live_data import UNSET, LiveData, MutableLiveData

T = TypeVar("T")
S = TypeVar("S")


class _Source:
    """A LiveData that is observed, and the version of it that was told last."""

    __slots__ = ("function", "live", "seen")

    def __init__(self, live: LiveData[Any], function: Callable[[Any], object]) -> None:
        self.live = live
        self.function = function
        self.seen = -1

    def plug(self) -> None:
        self.live.observe_forever(self._on_value)

    def unplug(self) -> None:
        self.live.remove_observer(self._on_value)

    def _on_value(self, value: Any) -> None:
        # Plugged in again, it is told of the value of now, which the mediator may know already.
        if self.seen != self.live._version:
            self.seen = self.live._version
            self.function(value)


class MediatorLiveData(MutableLiveData[T]):
    """A LiveData whose values come from others.

        both = MediatorLiveData()
        both.add_source(local, lambda items: both_set(items))
        both.add_source(remote, lambda items: both_set(items))

    Args:
        value: The first value; without it there is none yet.

    The sources are observed while this one has active observers, and at no other time.
    Threads: the main one.
    AndroidX: MediatorLiveData.
    """

    def __init__(self, value: T = cast("Any", UNSET)) -> None:
        super().__init__(value)
        self._sources: dict[int, _Source] = {}  # by the id of the LiveData, which the source keeps alive

    def add_source(self, source: LiveData[S], on_changed: Callable[[S], object]) -> None:
        """Call `on_changed(value)` for each value of `source` while this one is active.

        Raises:
            ValueError: `source` was added with another function. With the same one, nothing is done.
            IllegalStateError: The calling thread is not the main one.

        Threads: the main one.
        AndroidX: addSource.
        """
        self._check_thread("add_source()")
        if not isinstance(source, LiveData):
            raise TypeError(f"add_source() takes a LiveData, got {source!r}")
        if not callable(on_changed):
            raise TypeError(f"add_source() takes a function of the value, got {on_changed!r}")
        new = _Source(source, on_changed)
        there = self._sources.setdefault(id(source), new)
        if there.function != on_changed:
            raise ValueError(f"This source was already added with the different observer: {source!r} to {self!r}")
        if there is new and self.has_active_observers:
            new.plug()

    def remove_source(self, source: LiveData[Any]) -> None:
        """Follow `source` no more. One that was not added is no error.

        Threads: the main one.
        AndroidX: removeSource.
        """
        self._check_thread("remove_source()")
        gone = self._sources.pop(id(source), None)
        if gone is not None:
            gone.unplug()

    def on_active(self) -> None:
        """Observe the sources. A subclass that overrides it calls it."""
        for source in tuple(self._sources.values()):
            source.plug()

    def on_inactive(self) -> None:
        """Observe the sources no more. A subclass that overrides it calls it."""
        for source in tuple(self._sources.values()):
            source.unplug()
