"""Derived states: a StateFlow whose value is computed from others when it is read. No scope, no coroutine, never stale.

Who collects one stands, with a slot of its own, in each of the flows that are set: so it is told by them directly.
Invariants
    I1  one value is made of one look at each flow that is set, however many ways lead to that: never of its old state
        and its new one, whatever the threads do. No look is taken twice, so a writer that never rests delays nobody.
Locks: none for the value, which is kept in one tuple; the lock of a slot that follows several flows is a leaf.
Counterpart: none; kotlinx.coroutines has stateIn, which needs a scope, and a coroutine that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from .._primitives import RLock
from ._hot import OnSubscription, StateFlow
from ._state import MutableStateFlow, Slot, follow

if TYPE_CHECKING:
    from ._emit import Emit

T_co = TypeVar("T_co", covariant=True)


class _JoinedSlot(Slot):
    """The slot of a collector in several flows."""

    __slots__ = ()

    def mark_locked(self) -> bool:
        with self.guard:
            return super().mark_locked()


class _Derived(StateFlow[T_co]):
    """What `map_state` and `combine_states` return."""

    __slots__ = ("_function", "_known", "_sources")
    _function: Callable[..., T_co]
    _known: tuple[tuple[Any, ...], T_co] | None  # the values of the sources, and what came of them
    _sources: tuple[StateFlow[Any], ...]

    @property
    def value(self) -> T_co:
        """What the function makes of the values of now; called only where one of them is another object than before."""
        return self._value_at({})

    def _value_at(self, seen: dict[Any, Any]) -> T_co:
        known = self._known
        values = tuple(source._value_at(seen) for source in self._sources)
        if known is not None and all(one is other for one, other in zip(values, known[0], strict=True)):
            return known[1]
        result = self._function(*values)
        self._known = values, result
        return result

    def _collect(self, emit: Emit, subscribed: OnSubscription | None) -> Generator[Any, Any, None]:
        roots: tuple[MutableStateFlow[Any], ...] = self._roots()
        slot = Slot(roots[0]._lock) if len(roots) == 1 else _JoinedSlot(RLock())
        return follow(roots, lambda: self.value, slot, emit, subscribed)

    def _never_fails(self) -> bool:
        return False  # the function may

    def _roots(self) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(root for source in self._sources for root in source._roots()))


def derived(sources: tuple[StateFlow[Any], ...], function: Callable[..., Any]) -> StateFlow[Any]:
    """Return the state that `function` makes of the values of `sources`."""
    if not callable(function):
        raise TypeError(f"a derived state takes a function of {len(sources)} values, got {function!r}")
    for source in sources:
        source._roots()
    state: _Derived[Any] = object.__new__(_Derived)
    state._sources = sources
    state._function = function
    state._known = None
    return state


def combine_states(*states: StateFlow[Any], fn: Callable[..., Any]) -> StateFlow[Any]:
    """Return a StateFlow of `fn(*values)` of several others, live: computed when it is read, without a scope.

    Args:
        states: The others; one alone has `map_state`.
        fn: Plain and quick; called again only where one of the values has become another.

    It is never made of an old and a new state of the same other. Who collects it gets distinct values only.
    Threads: any.
    Kotlin: none; combine(...).stateIn(scope) there.
    """
    for state in states:
        if not isinstance(state, StateFlow):
            raise TypeError(f"combine_states takes StateFlows, got {state!r}: combine(...) takes any flow")
    if not states:
        raise ValueError("combine_states takes at least one StateFlow")
    return derived(states, fn)
