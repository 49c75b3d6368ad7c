"""CreationExtras: what a factory is told besides the class, by typed keys.

A key is an object, compared by identity; its type parameter is the type of its value, so that a checker knows what
`extras[KEY]` is. CreationExtras never changes; MutableCreationExtras is filled by one thread before it is handed on,
so neither has a lock.
Counterpart: androidx.lifecycle.viewmodel.CreationExtras.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar, cast, overload

T = TypeVar("T")
D = TypeVar("D")


class CreationExtrasKey(Generic[T]):
    """A key of CreationExtras, its own and nobody else's: `USER_ID = CreationExtrasKey[int]("user_id")`.

    Args:
        name: For its repr only; two keys of one name are two keys.

    AndroidX: CreationExtras.Key.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: str = name

    def __repr__(self) -> str:
        return f"CreationExtrasKey({self.name!r})"


class CreationExtras:
    """Values by CreationExtrasKey, unchangeable. A key that is absent gives None.

    Args:
        initial: Extras, or a mapping of keys to values, to copy.

    Threads: any; it never changes.
    AndroidX: CreationExtras.
    """

    __slots__ = ("_values",)
    _values: dict[CreationExtrasKey[Any], object]
    EMPTY: ClassVar[CreationExtras]

    def __init__(self, initial: CreationExtras | Mapping[CreationExtrasKey[Any], object] | None = None) -> None:
        values: dict[CreationExtrasKey[Any], object] = {}
        if isinstance(initial, CreationExtras):
            values.update(initial._values)
        elif initial is not None:
            for key, value in initial.items():
                values[_checked_key(key)] = value
        self._values = values

    def __getitem__(self, key: CreationExtrasKey[T]) -> T | None:
        return cast("T | None", self._values.get(_checked_key(key)))

    @overload
    def get(self, key: CreationExtrasKey[T]) -> T | None: ...
    @overload
    def get(self, key: CreationExtrasKey[T], default: D) -> T | D: ...
    def get(self, key: CreationExtrasKey[Any], default: object = None) -> object:
        """Return what stands under `key`, `default` where nothing does."""
        return self._values.get(_checked_key(key), default)

    def __contains__(self, key: CreationExtrasKey[Any]) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[CreationExtrasKey[Any]]:
        return iter(tuple(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return True  # empty extras are extras: `extras or default` would drop them

    def __add__(self, other: CreationExtras) -> MutableCreationExtras:
        """Return both as one, a new MutableCreationExtras; on the same key the right one wins."""
        if not isinstance(other, CreationExtras):
            return NotImplemented
        joined = MutableCreationExtras(self)
        joined._values.update(other._values)
        return joined

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CreationExtras) and self._values == other._values

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # equal by contents, and the mutable kind changes them

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key.name}={value!r}' for key, value in self._values.items())})"


class MutableCreationExtras(CreationExtras):
    """CreationExtras that can still be filled: `extras[USER_ID] = 7`.

    Threads: fill it on one thread, then hand it on.
    AndroidX: MutableCreationExtras.
    """

    __slots__ = ()

    def __setitem__(self, key: CreationExtrasKey[T], value: T) -> None:
        self._values[_checked_key(key)] = value

    def __iadd__(self, other: CreationExtras) -> MutableCreationExtras:
        if not isinstance(other, CreationExtras):
            return NotImplemented
        self._values.update(other._values)
        return self


CreationExtras.EMPTY = CreationExtras()

#: The key under which the ViewModel that is being made will stand in its store.
VIEW_MODEL_KEY: CreationExtrasKey[str] = CreationExtrasKey("view_model_key")


def _checked_key(key: CreationExtrasKey[T]) -> CreationExtrasKey[T]:
    if not isinstance(key, CreationExtrasKey):
        raise TypeError(f'creation extras are kept by CreationExtrasKey("name"), got {key!r}')
    return key
