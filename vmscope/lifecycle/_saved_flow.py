"""The state flow of a saved value: it takes nothing that could not be saved, at the time when it is set.

A file of its own because it needs the flows, which a program that only saves values does not load.
Counterpart: the MutableStateFlow of SavedStateHandle.getMutableStateFlow, which AndroidX checks only at the save.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ..flow._state import MutableStateFlow
from ._codec import encode

T = TypeVar("T")


class SavedStateFlow(MutableStateFlow[T]):
    """The value of one key of a SavedStateHandle, while somebody has a flow of it."""

    __slots__ = ("_key",)

    def __init__(self, key: str, value: T) -> None:
        super().__init__(value)
        self._key = key

    def _set(self, expected: Any, new: Any) -> bool:
        encode(new, f"the value of {self._key!r}")
        return super()._set(expected, new)
