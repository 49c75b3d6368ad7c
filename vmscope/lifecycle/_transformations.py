"""map, switch_map and distinct_until_changed of LiveData: each a mediator with one source, or one that changes.

Locks: none; they belong to the main thread.
Counterpart: androidx.lifecycle.Transformations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ._live_data import UNSET, LiveData
from ._mediator import MediatorLiveData

T = TypeVar("T")
R = TypeVar("R")


def mapped(source: LiveData[T], function: Callable[[T], R]) -> LiveData[R]:
    """Return a LiveData of `function(value)`."""
    _check_function(function, "map()")
    first: Any = function(source._data) if source.is_initialized else UNSET
    result: MediatorLiveData[R] = MediatorLiveData(first)
    result.add_source(source, lambda value: result._set_value(function(value)))
    return result


def switched(source: LiveData[T], function: Callable[[T], LiveData[R] | None]) -> LiveData[R]:
    """Return a LiveData that follows what `function(value)` gives."""
    _check_function(function, "switch_map()")
    first: Any = UNSET
    if source.is_initialized:
        initial = _checked(function(source._data))
        first = UNSET if initial is None else initial._data
    result: MediatorLiveData[R] = MediatorLiveData(first)
    followed: LiveData[R] | None = None

    def switch(value: T) -> None:
        nonlocal followed
        new = _checked(function(value))
        if new is followed:
            return
        if followed is not None:
            result.remove_source(followed)
        followed = new
        if new is not None:
            result.add_source(new, result._set_value)

    result.add_source(source, switch)
    return result


def distinct(source: LiveData[T]) -> LiveData[T]:
    """Return a LiveData without the values that equal the one before them."""
    result: MediatorLiveData[T] = MediatorLiveData(source._data)

    def change(value: T) -> None:
        known = result._data
        if known is UNSET or (value is not known and not _equal(known, value)):
            result._set_value(value)

    result.add_source(source, change)
    return result


def _equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except ValueError:  # several values, and no answer: an array
        return False


def _check_function(function: object, what: str) -> None:
    if not callable(function):
        raise TypeError(f"{what} takes a function of the value, got {function!r}")


def _checked(live: LiveData[R] | None) -> LiveData[R] | None:
    if live is not None and not isinstance(live, LiveData):
        raise TypeError(f"the function of switch_map() gives a LiveData or None, gave {live!r}")
    return live
