"""saved: an attribute of a ViewModel whose value lives in its SavedStateHandle.

    class Search(ViewModel):
        query = saved("query", "")

        def __init__(self, saved_state_handle: SavedStateHandle) -> None:
            self.saved_state_handle = saved_state_handle

Without functions to encode and decode the handle has the value itself. With them the ViewModel has it, and the handle a
provider, so that an object which changes in place is saved as it is at the save.
Locks: none; the value of an instance is made once by `dict.setdefault`, one step on every build.
Counterpart: the delegate SavedStateHandle.saved of lifecycle-viewmodel-savedstate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast, overload

from .._errors import IllegalStateError
from ._codec import encode as check
from ._saved_state import SavedStateHandle

T = TypeVar("T")
_ABSENT: Any = object()


class _Cell(Generic[T]):
    """The value of one instance, in the form that its program works with."""

    __slots__ = ("encode", "value")

    def __init__(self, value: T, encode: Callable[[T], object]) -> None:
        self.value = value
        self.encode = encode

    def save(self) -> object:
        """Return it as the handle keeps it."""
        return self.encode(self.value)


class SavedDelegate(Generic[T]):
    """An attribute that is saved; `saved` gives one."""

    def __init__(
        self,
        key: str,
        default: T | Callable[[], T],
        encode: Callable[[T], object] | None,
        decode: Callable[[Any], T] | None,
        handle: str | None,
    ) -> None:
        self._key = key
        self._default = default
        self._encode = encode
        self._decode = decode
        self._handle = handle
        self._cells = f"_vmscope_saved_{key}"  # in the dictionary of the instance

    @overload
    def __get__(self, instance: None, owner: type, /) -> SavedDelegate[T]: ...
    @overload
    def __get__(self, instance: Any, owner: type | None = None, /) -> T: ...
    def __get__(self, instance: Any, owner: type | None = None, /) -> SavedDelegate[T] | T:
        if instance is None:
            return self
        if self._encode is not None:
            return self._cell(instance).value
        handle, key = self._place(instance)
        kept = handle.get(key, _ABSENT)
        if kept is not _ABSENT:
            return cast("T", kept)
        value = self._make_default()
        handle.set(key, value)
        return value

    def __set__(self, instance: Any, value: T) -> None:
        if self._encode is None:
            handle, key = self._place(instance)
            handle.set(key, value)
        else:
            check(self._encode(value), f"the value of {self._key!r}")  # now, and not at a save that nobody looks at
            self._cell(instance, value).value = value

    def _cell(self, instance: Any, value: T = _ABSENT) -> _Cell[T]:
        assert self._encode is not None and self._decode is not None
        known: _Cell[T] | None = instance.__dict__.get(self._cells)
        if known is not None:
            return known
        handle, key = self._place(instance)
        if value is _ABSENT:  # nothing is set just now: then what was saved is not even looked at
            kept = handle.get(key, _ABSENT)
            value = self._make_default() if kept is _ABSENT else self._decode(kept)
        fresh = _Cell(value, self._encode)
        cell: _Cell[T] = instance.__dict__.setdefault(self._cells, fresh)
        if cell is fresh:
            handle.set_saved_state_provider(key, fresh.save)
        return cell

    def _make_default(self) -> T:
        default = self._default
        made: T = cast("Any", default() if callable(default) else default)  # no function can be saved as the value
        return made

    def _place(self, instance: Any) -> tuple[SavedStateHandle, str]:
        key = self._key
        if self._handle is not None:
            found = [getattr(instance, self._handle, None)]
        else:
            own = getattr(instance, "__dict__", {}).copy()
            found = list({id(value): value for value in own.values() if isinstance(value, SavedStateHandle)}.values())
        if len(found) == 1 and isinstance(found[0], SavedStateHandle):
            return found[0], key
        what = f"the saved attribute {key!r} of {type(instance).__qualname__}"
        if len(found) > 1:
            raise IllegalStateError(f"{what} finds {len(found)} SavedStateHandles: name one, saved(..., handle=...)")
        where = "in its instance" if self._handle is None else f"in {self._handle!r}"
        raise IllegalStateError(
            f"{what} finds no SavedStateHandle {where}: set self.saved_state_handle = ... before it is used"
        )

    def __repr__(self) -> str:
        return f"saved({self._key!r})"


@overload
def saved(
    key: str,
    default: None = ...,
    *,
    encode: Callable[[Any], object] | None = ...,
    decode: Callable[[Any], Any] | None = ...,
    handle: str | None = ...,
) -> SavedDelegate[Any]: ...
@overload
def saved(
    key: str,
    default: Callable[[], T],
    *,
    encode: Callable[[T], object] | None = ...,
    decode: Callable[[Any], T] | None = ...,
    handle: str | None = ...,
) -> SavedDelegate[T]: ...
@overload
def saved(
    key: str,
    default: T,
    *,
    encode: Callable[[T], object] | None = ...,
    decode: Callable[[Any], T] | None = ...,
    handle: str | None = ...,
) -> SavedDelegate[T]: ...
def saved(
    key: str,
    default: Any = None,
    *,
    encode: Callable[[Any], object] | None = None,
    decode: Callable[[Any], Any] | None = None,
    handle: str | None = None,
) -> SavedDelegate[Any]:
    """Declare an attribute whose value is saved, in the SavedStateHandle that its instance has.

    Args:
        key: In the handle.
        default: The value where none was saved, or a function that makes it: `saved("rows", list)`.
        encode: Gives what the handle can save, for a value that has no codec.
        decode: Makes the value of that again.
        handle: The name of the attribute that has the handle. By default it is looked for in the instance's own.

    Raises:
        TypeError: One of `encode` and `decode` without the other, or a key that is no string.

    Reading and setting it raise IllegalStateError before the instance has its handle; setting it raises ValueError
    where the value cannot be saved. With `encode` it is called at the save, too, for the value as it is then.
    AndroidX: `var query by savedStateHandle.saved { "" }`.
    """
    if (encode is None) is not (decode is None):
        raise TypeError("saved() takes encode and decode together, or neither")
    if not isinstance(key, str):
        raise TypeError(f"saved() takes a string for its key, got {key!r}")
    return SavedDelegate(key, default, encode, decode, handle)
