"""SavedStateHandle: what a ViewModel knows that should come back when the process has died and was started again.

    class Search(ViewModel):
        def __init__(self, saved_state_handle: SavedStateHandle) -> None:
            super().__init__()
            self.query = saved_state_handle.get_mutable_state_flow("query", "")

A value lives at one place: in `_values`, or in the flow of its key once somebody has asked for that.
Invariants
    H1  a key is in `_values` or in `_flows`, never in both; what `get` gives, flows show and a save takes. A
        LiveData of a key shows what is in `_values`; a key has flows or a LiveData, never both.
    H2  nothing is kept that could not be saved: a value is tried before it is taken. What is changed in place later is
        tried, and taken as it is then, at the save.
    H3  a flow of a key that was removed is a plain one: it sets nothing here, and is told of nothing.
Locks
    `_lock` guards `_values`, `_flows`, `_views`, `_live`, `_providers`. Values are tried, flows and LiveData set and
    providers called outside it: that runs codecs, collectors and observers of a caller's.
Counterpart: androidx.lifecycle.SavedStateHandle. Its getStateFlow and getMutableStateFlow of one key are two flows, of
which the former misses what is set in the latter; here they are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .._primitives import RLock
from ._codec import encode
from ._saved_registry import checked_key

if TYPE_CHECKING:
    from ..flow._hot import StateFlow
    from ..flow._state import MutableStateFlow
    from ._live_data import MutableLiveData
    from ._saved_flow import SavedStateFlow
    from ._saved_live_data import SavedStateLiveData

T = TypeVar("T")

_ABSENT: Any = object()
_MIXED = "{0!r} was asked for as {1}, and there is {2} of it already: one key is one or the other"


class SavedStateHandle:
    """Values by key that are saved with the program and come back in the next process. `handle["query"] = "tram"`.

    What can be saved: None, bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set and frozenset, in
    each other as deep as is reasonable; the types of datetime, ZoneInfo, Decimal, Fraction, UUID, paths; and what was
    registered with `register_saved_type`. Keep little: enough to find the way back, not the data itself.

    Args:
        initial: Values to begin with.

    Raises:
        ValueError: One of `initial` cannot be saved.
        TypeError: A key is no string.

    A ViewModel gets one by `create_saved_state_handle(extras)`, or from the default factory, where its constructor asks
    for it. One that is made like this is saved by nobody, which is good for tests.
    Threads: any, for everything here.
    AndroidX: SavedStateHandle.
    """

    __slots__ = ("__weakref__", "_flows", "_live", "_lock", "_providers", "_values", "_views")

    def __init__(self, initial: Mapping[str, object] | None = None) -> None:
        self._lock = RLock()
        self._values: dict[str, Any] = {}
        self._flows: dict[str, SavedStateFlow[Any]] = {}
        self._views: dict[str, StateFlow[Any]] = {}  # of the flows, to read; not kept by them: it would be a circle
        self._live: dict[str, SavedStateLiveData[Any]] = {}
        self._providers: dict[str, Callable[[], object]] = {}
        for key, value in (initial or {}).items():
            key = _key(key)
            self._values[key] = _tried(key, value)

    # ---- as a dict

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, `default` where there is none."""
        key = _key(key)
        with self._lock:
            flow = self._flows.get(key)
            return self._values.get(key, default) if flow is None else flow.value

    def set(self, key: str, value: object) -> None:
        """Keep `value` under `key`; flows of the key are set, too, where it is not equal to what they have.

        Raises:
            ValueError: It cannot be saved. The old value stays.
            TypeError: The key is no string.
            IllegalStateError: There is a LiveData of the key, and the calling thread is not the main one.
        """
        key = _key(key)
        live = self._live.get(key)
        if live is not None:
            live.value = value
            return
        flow = self._keep(key, value)
        if flow is not None:
            flow.value = value

    def _keep(self, key: str, value: object) -> SavedStateFlow[Any] | None:
        """Keep a value that can be saved; return the flow that is to be set instead, where there is one."""
        _tried(key, value)
        with self._lock:
            flow = self._flows.get(key)
            if flow is None:
                self._values[key] = value
        return flow

    def _try_of_live_data(self, live: SavedStateLiveData[Any], key: str, value: object) -> None:
        """Refuse what cannot be saved, if `live` is still the one of the key."""
        if self._live.get(key) is live:
            _tried(key, value)

    def _keep_of_live_data(self, live: SavedStateLiveData[Any], key: str, value: object) -> None:
        """Keep what `live` is being set to."""
        self._try_of_live_data(live, key, value)
        with self._lock:
            if self._live.get(key) is live:
                self._values[key] = value

    def contains(self, key: str) -> bool:
        """Return whether there is a value for `key`; a provider alone is none yet."""
        key = _key(key)
        with self._lock:
            return key in self._values or key in self._flows

    def keys(self) -> frozenset[str]:
        """Return the keys of values and of providers."""
        with self._lock:
            return frozenset((*self._values, *self._flows, *self._providers))

    def remove(self, key: str) -> Any:
        """Forget `key`: its value, its provider, and its flows or LiveData, which from now on are like any other.

        Returns:
            The value, None where there was none.

        AndroidX: remove, which leaves a provider; clearSavedStateProvider is for that alone.
        """
        value = self._remove(_key(key))
        return None if value is _ABSENT else value

    def _remove(self, key: str) -> Any:
        with self._lock:
            self._providers.pop(key, None)
            self._views.pop(key, None)
            self._live.pop(key, None)
            flow = self._flows.pop(key, None)
            return self._values.pop(key, _ABSENT) if flow is None else flow.value

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, _ABSENT)
        if value is _ABSENT:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: object) -> None:
        self.set(key, value)

    def __contains__(self, key: str) -> bool:
        return self.contains(key)

    def __delitem__(self, key: str) -> None:
        if self._remove(_key(key)) is _ABSENT:
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __bool__(self) -> bool:
        return True  # an empty handle is a handle: `handle or SavedStateHandle()` would drop it

    # ---- as flows

    def get_state_flow(self, key: str, initial_value: T) -> StateFlow[T]:
        """Return the value of `key` as a StateFlow to read, the same one each time.

        Args:
            initial_value: Is kept under the key where there is no value yet.

        Raises:
            ValueError: `initial_value` cannot be saved.
        """
        return self._flow(key, initial_value)[1]

    def get_mutable_state_flow(self, key: str, initial_value: T) -> MutableStateFlow[T]:
        """Return the value of `key` as a MutableStateFlow, the same one each time: what is set there is set here.

        Args:
            initial_value: Is kept under the key where there is no value yet.

        Setting it to what cannot be saved raises ValueError. A list that is changed in place and set again is no change
        for those who collect, as in every StateFlow; the save takes it as it is then.

        Raises:
            ValueError: `initial_value` cannot be saved.
        """
        return self._flow(key, initial_value)[0]

    def _flow(self, key: str, initial_value: T) -> tuple[MutableStateFlow[T], StateFlow[T]]:
        from ._saved_flow import SavedStateFlow

        key = _key(key)
        _tried(key, initial_value)
        with self._lock:
            if key in self._live:
                raise ValueError(_MIXED.format(key, "a flow", "a LiveData"))
            flow = self._flows.get(key)
            if flow is None:
                flow = self._flows[key] = SavedStateFlow(key, self._values.pop(key, initial_value))
                self._views[key] = flow.as_state_flow()
            return flow, self._views[key]

    def get_live_data(self, key: str, initial_value: T = _ABSENT) -> MutableLiveData[T]:
        """Return the value of `key` as a MutableLiveData, the same one each time: what is set there is set here.

        Args:
            initial_value: Is kept under the key where there is no value yet. Without it the LiveData has none, either.

        From then on the key is set on the main thread, as the value of a LiveData is; `post_value` works on any. What
        cannot be saved raises ValueError when it is set.

        Raises:
            ValueError: `initial_value` cannot be saved, or there is a flow of the key.

        Threads: any.
        AndroidX: getLiveData.
        """
        from ._saved_live_data import SavedStateLiveData

        key = _key(key)
        if initial_value is not _ABSENT:
            _tried(key, initial_value)
        with self._lock:
            if key in self._flows:
                raise ValueError(_MIXED.format(key, "a LiveData", "a flow"))
            live = self._live.get(key)
            if live is None:
                live = self._live[key] = SavedStateLiveData(self, key)
                if initial_value is not _ABSENT:
                    self._values.setdefault(key, initial_value)
                if key in self._values:
                    live.begin(self._values[key])
            return live

    # ---- saving

    def set_saved_state_provider(self, key: str, provider: Callable[[], object]) -> None:
        """Have `provider()` called at each save: for what is too much to be set at each change.

        What it returns becomes the value of `key`. Until then `get(key)` gives what the last process has saved there.

        Raises:
            TypeError: The key is no string, or the provider is nothing to call.

        Threads: it is called on the thread that saves.
        """
        key = _key(key)
        if not callable(provider):
            raise TypeError(f"the provider of {key!r} is called without arguments, got {provider!r}")
        with self._lock:
            self._providers[key] = provider

    def clear_saved_state_provider(self, key: str) -> None:
        """Call the provider of `key` no more. The value that it gave last stays."""
        with self._lock:
            self._providers.pop(_key(key), None)

    def save_state(self) -> dict[str, Any]:
        """Call the providers, then return the values by key.

        What the owner's registry does at a save; for a handle that was made by hand, `SavedStateHandle(state)` is its
        next life.

        Raises:
            ValueError: A provider gave what cannot be saved. What a provider raises goes through.

        AndroidX: savedStateProvider().saveState().
        """
        with self._lock:
            keys = list(self._providers)
        for key in keys:
            provider = self._providers.get(key)  # each looked up in its turn: the one before may have removed it
            if provider is not None:
                value = provider()
                live = self._live.get(key)
                if live is not None:
                    live.value = value
                    continue
                flow = self._keep(key, value) if key in self._providers else None
                if flow is not None:
                    flow._put(value)  # no warning: the same object, changed, is what a provider may give
        with self._lock:
            return {**self._values, **{key: flow.value for key, flow in self._flows.items()}}

    def __repr__(self) -> str:
        return f"<SavedStateHandle of {', '.join(sorted(self.keys())) or 'nothing'}>"


def _key(key: object) -> str:
    return checked_key(key, "a saved value")


def _tried(key: str, value: T) -> T:
    """Return `value`, if it can be saved."""
    encode(value, f"the value of {key!r}")
    return value
