"""A state flow and a value of the view, kept equal: what a binding is, whatever the toolkit.

Invariants
    V1  neither side is set to what it has already: so a change goes over once, and does not come back.
    V2  after its owner is destroyed a binding calls nothing of the view.
Counterpart: Android's two-way data binding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .._errors import call_quietly
from .._primitives import report_uncaught
from ..coroutines._dispatchers import check_main
from ..flow._hot import StateFlow
from ..flow._state import MutableStateFlow
from ._owner import ViewOwner

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..coroutines._job import Job

T = TypeVar("T")
_NOTHING = object()


def bind_value(
    state: StateFlow[T] | MutableStateFlow[T],
    setter: Callable[[T], object],
    owner: ViewOwner,
    *,
    getter: Callable[[], T] | None = None,
    changes: Callable[[Callable[[], object]], Callable[[], object]] | None = None,
) -> Job:
    """Show the value of a state flow in a view, and with `getter` and `changes` take over what the user makes of it.

    Args:
        state: At once, and at each change, its value is given to `setter`; not one that equals what the view has.
        setter: Called on the main thread. What it raises is reported, and the binding goes on.
        owner: From `host.bind(widget)`. When the widget goes the binding ends, before it.
        getter: What the view has now. A failure, of a number that is half typed perhaps, leaves the flow as it is.
        changes: Called with a function that the view is to call when it has changed; returns what takes that back.
    Returns:
        The Job of the binding; cancel it to unbind.
    Raises:
        IllegalStateError: This is not the main thread.
        ValueError: `changes` was given without `getter`.
        TypeError: This is no state flow, with `changes` no mutable one; or no owner; or it cannot be called.

    Threads: the main one.
    Android: data binding, `android:text="@={model.text}"`.
    """
    check_main("bind_value()")
    _check_arguments(state, setter, owner, getter, changes)
    if changes is not None and getter is None:
        raise ValueError(f"bind_value({state!r}) with changes and without a getter: who tells what the view has then?")
    binding = _Binding(state, setter, getter, owner)
    job = owner.scope.launch(binding.show_each, name="bind_value")
    if changes is not None and not job.is_completed:
        disconnect = changes(binding.take_over)
        # while the view is there: by the owner, before it goes, or by who cancels the binding before that
        unbind = _Once(disconnect)
        owner.on_destroy(unbind)
        job.invoke_on_completion(lambda cause: None if owner.is_destroyed else owner.post(unbind))
    return job


def _check_arguments(state: object, setter: object, owner: object, getter: object, changes: object) -> None:
    if not isinstance(state, StateFlow):
        raise TypeError(f"bind_value({state!r}, ...): a StateFlow is needed; flow.state_in(scope) makes one of a flow")
    if changes is not None:
        _check_mutable(state, "bind_value")
    given = {"the setter": setter, "the getter": getter, "what changes is given": changes}
    for name, function in given.items():
        if not callable(function) and (function is not None or function is setter):
            raise TypeError(
                f"bind_value({state!r}, {function!r}, ...): {name} cannot be called; give the function, "
                "not the result of a call"
            )
    if not isinstance(owner, ViewOwner):
        raise TypeError(f"bind_value({state!r}, owner={owner!r}): what host.bind(widget) returns is needed")


def _check_mutable(state: object, where: str) -> None:
    if not isinstance(state, MutableStateFlow):
        raise TypeError(
            f"{where}({state!r}, ...): a MutableStateFlow is needed, to take over what the user makes of it"
        )


def reader_for(
    state: MutableStateFlow[Any], held: type[Any], read: Callable[[], Any], where: str, view: object
) -> Callable[[], Any]:
    """Return `read`, giving values of the kind that `state` holds now: an int that is shown as text stays an int.

    Args:
        state: May hold what the view does, a subclass of that, or an int or float that is shown as text.
        held: str, int, float or bool: what `read` gives. Of other types all is left as it is.
        where: The function that binds, and
        view: what it was given, for the errors.
    Raises:
        TypeError: `state` is none that can be set, or what it holds cannot be what the view holds.
    """
    _check_mutable(state, where)
    kind: type[Any] = type(state.value)
    if held not in (str, int, float, bool):
        return read
    if not issubclass(kind, held) and not (held is str and kind in (int, float)):
        article = "an" if kind.__name__[0] in "aeiou" else "a"
        raise TypeError(
            f"{where}({state!r}, {view!r}): the flow holds {article} {kind.__name__}, and this {held.__name__}; "
            "take one of the same kind, or bind_value() with a getter and changes of your own"
        )
    return lambda: kind(read())


class _Once:
    """A call that is made once, and raises nothing."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function: Callable[[], object] | None = function

    def __call__(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            call_quietly(report_uncaught, function)


class _Binding:
    """One flow and one view."""

    def __init__(self, state: Any, setter: Any, getter: Any, owner: ViewOwner) -> None:
        self._state = state
        self._setter = setter
        self._getter = getter
        self._owner = owner
        self._shown: object = _NOTHING

    def show_each(self) -> Any:
        return self._state.collect(self._show)

    def _show(self, value: Any) -> None:
        if self._owner.is_destroyed or self._has(value):
            return
        self._shown = value
        call_quietly(report_uncaught, self._setter, value)

    def _has(self, value: Any) -> bool:
        """Whether the view has `value` already (V1)."""
        if self._getter is None:
            return self._shown is not _NOTHING and bool(self._shown == value)
        try:
            return bool(self._getter() == value)
        except Exception:  # noqa: BLE001  (half a number: it is not the value)
            return False

    def take_over(self) -> None:
        """The view has changed. Called by the toolkit: raises nothing."""
        if self._owner.is_destroyed:
            return
        try:
            value = self._getter()
        except Exception:  # noqa: BLE001  (half a number: the flow keeps the last whole one)
            return
        call_quietly(report_uncaught, self._put, value)

    def _put(self, value: Any) -> None:
        if self._state.value != value:
            self._state.value = value
