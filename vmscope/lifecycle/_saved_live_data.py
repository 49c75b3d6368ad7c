"""The LiveData of a saved value: what is set there is set in the handle, and it takes nothing that could not be saved.

A file of its own because it needs LiveData, which a program that only saves values does not load. It refers to its
handle weakly, since the handle refers to it: no circle.
Counterpart: SavedStateHandle.SavingStateLiveData.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from weakref import ref

from ._live_data import MutableLiveData

if TYPE_CHECKING:
    from ._saved_state import SavedStateHandle

T = TypeVar("T")


class SavedStateLiveData(MutableLiveData[T]):
    """The value of one key of a SavedStateHandle, for those who observe it."""

    def __init__(self, handle: SavedStateHandle, key: str) -> None:
        super().__init__()
        self._handle = ref(handle)
        self._key = key

    def begin(self, value: T) -> None:
        """Have a value from the start, as if it had been given to the constructor."""
        self._data = value
        self._version = 0

    def _post_value(self, value: T) -> None:
        handle = self._handle()
        if handle is not None:
            handle._try_of_live_data(self, self._key, value)  # here, and not only in the turn of the main thread
        super()._post_value(value)

    def _set_value(self, value: T) -> None:
        self._check_thread("value = ...")
        handle = self._handle()
        if handle is not None:
            handle._keep_of_live_data(self, self._key, value)
        super()._set_value(value)
