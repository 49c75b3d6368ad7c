"""Which ViewModel has which SavedStateHandle: the tie between a store, a registry and what was restored.

The handles live in a ViewModel of the store, so they stay while the owner is rebuilt around it, with a new registry
perhaps; a provider in the registry saves them.
Invariants
    B1  one handle for a key of a ViewModel in a store, whoever asks; it begins with what was restored for that key.
    B2  what was restored for a ViewModel that was not made this time is saved again.
    B3  handles of a store that was cleared are saved no more: the screen is gone for good.
Locks
    `_Saver._lock` guards the holder, its handles and what waits to be taken. The registry's is taken inside it.
Counterpart: androidx.lifecycle.SavedStateHandleSupport: SavedStateHandlesProvider, SavedStateHandlesVM.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import ref

from .._errors import IllegalStateError
from .._primitives import RLock
from ._extras import VIEW_MODEL_KEY, CreationExtras, CreationExtrasKey, MutableCreationExtras
from ._saved_registry import SavedStateRegistry
from ._saved_state import SavedStateHandle
from ._store import ViewModelStore, store_of
from ._viewmodel import ViewModel

#: Who has the `saved_state_registry` that a ViewModel's state is saved in.
SAVED_STATE_REGISTRY_OWNER_KEY: CreationExtrasKey[Any] = CreationExtrasKey("saved_state_registry_owner")
#: Who has the `view_model_store` that the ViewModel will stand in.
VIEW_MODEL_STORE_OWNER_KEY: CreationExtrasKey[Any] = CreationExtrasKey("view_model_store_owner")
#: What a SavedStateHandle begins with where nothing was restored for it.
DEFAULT_ARGS_KEY: CreationExtrasKey[Mapping[str, object]] = CreationExtrasKey("default_args")

_KEY = "vmscope.SavedStateHandles"


class _Holder(ViewModel):
    """The handles of a store, by the keys of their ViewModels, as long as that keeps its ViewModels."""

    def __init__(self) -> None:
        super().__init__()
        self.handles: dict[str, SavedStateHandle] = {}


class _Saver:
    """The provider in a registry: saves the handles of one store."""

    __slots__ = ("_holder", "_lock", "_registry", "_waiting")

    def __init__(self, registry: SavedStateRegistry) -> None:
        self._lock = RLock()
        self._registry = ref(registry)  # which keeps this one
        self._holder: _Holder | None = None
        self._waiting: dict[str, Any] = {}  # restored, and of no handle yet

    def adopt(self, holder: _Holder) -> None:
        """Save the handles of `holder` from now on.

        Raises:
            IllegalStateError: It saves those of another store.
        """
        with self._lock:
            if self._holder is None or self._holder.is_cleared:
                self._holder = holder
            elif self._holder is not holder:
                raise IllegalStateError(
                    "two ViewModelStores would save their handles in one SavedStateRegistry, and each would take what "
                    "was restored for the other: give each a registry of its own, or clear the first store"
                )

    def handle(self, key: str, default: Mapping[str, object] | None) -> SavedStateHandle:
        """Return the handle of a ViewModel, made now if it has none."""
        with self._lock:
            self._take_restored_locked()
            holder = self._holder
            assert holder is not None
            kept = holder.handles.get(key)
            state = self._waiting.get(key)
        if kept is None:
            made = SavedStateHandle(default if state is None else state)
            with self._lock:
                kept = holder.handles.setdefault(key, made)
                self._waiting.pop(key, None)
        return kept

    def _take_restored_locked(self) -> None:
        registry = self._registry()
        if registry is not None and isinstance(restored := registry.consume_restored_state(_KEY), dict):
            self._waiting.update(restored)

    def __call__(self) -> dict[str, Any] | None:
        """Return what is to be saved: the state of each handle, by the key of its ViewModel."""
        with self._lock:
            registry = self._registry()
            if registry is not None and registry.is_restored:
                self._take_restored_locked()
            states = dict(self._waiting)
            holder = self._holder
            handles = [] if holder is None or holder.is_cleared else list(holder.handles.items())
        for key, handle in handles:
            state = handle.save_state()
            if state:
                states[key] = state
            else:
                states.pop(key, None)  # restored for a handle that was there already, and has nothing any more
        return states or None


def enable_saved_state_handles(owner: Any) -> None:
    """Have the registry of `owner` save the handles of its ViewModels.

    `ViewModelProvider(owner)` does it for an owner that has a `saved_state_registry`. Call it where an owner was
    rebuilt with a new registry around its old store, and the next save may come before anybody asks for a ViewModel.

    Args:
        owner: Has a `saved_state_registry` and a `view_model_store`.

    Raises:
        TypeError: It lacks one of them.
        IllegalStateError: Its registry saves the handles of another store.

    Threads: any.
    AndroidX: enableSavedStateHandles.
    """
    _saver(_registry_of(owner), store_of(owner))


def create_saved_state_handle(extras: CreationExtras) -> SavedStateHandle:
    """Return the handle of the ViewModel that is being made: `Search(create_saved_state_handle(extras))`.

    It has what was restored for that ViewModel; where nothing was, what DEFAULT_ARGS_KEY of the extras says.

    Args:
        extras: As a factory gets them. A ViewModelProvider puts in what is needed where its owner has a
            `saved_state_registry`.

    Raises:
        ValueError: The extras lack one of SAVED_STATE_REGISTRY_OWNER_KEY, VIEW_MODEL_STORE_OWNER_KEY, VIEW_MODEL_KEY.
        IllegalStateError: The registry was not restored yet, so what was saved would be overlooked. Or it saves the
            handles of another store.

    Threads: any.
    AndroidX: CreationExtras.createSavedStateHandle.
    """
    saver = _saver(
        _registry_of(_needed(extras, SAVED_STATE_REGISTRY_OWNER_KEY)),
        store_of(_needed(extras, VIEW_MODEL_STORE_OWNER_KEY)),
    )
    return saver.handle(_needed(extras, VIEW_MODEL_KEY), extras[DEFAULT_ARGS_KEY])


def with_saved_state(owner: object, extras: CreationExtras) -> CreationExtras:
    """Return `extras` with what `create_saved_state_handle` needs, where `owner` has a registry."""
    if getattr(owner, "saved_state_registry", None) is None:
        return extras
    enable_saved_state_handles(owner)
    mine = MutableCreationExtras()
    mine[SAVED_STATE_REGISTRY_OWNER_KEY] = owner
    mine[VIEW_MODEL_STORE_OWNER_KEY] = owner
    return mine + extras


def _needed(extras: CreationExtras, key: CreationExtrasKey[Any]) -> Any:
    value = extras[key]
    if value is None:
        raise ValueError(
            f"a SavedStateHandle cannot be made: the creation extras have no {key.name}. Ask for the ViewModel by "
            "ViewModelProvider(owner), of an owner with a view_model_store and a saved_state_registry"
        )
    return value


def _registry_of(owner: object) -> SavedStateRegistry:
    registry = getattr(owner, "saved_state_registry", None)
    if not isinstance(registry, SavedStateRegistry):
        raise TypeError(
            f"{owner!r} saves no state: its saved_state_registry is {registry!r}, a SavedStateRegistry is needed"
        )
    return registry


def _saver(registry: SavedStateRegistry, store: ViewModelStore) -> _Saver:
    saver = registry._register_if_new(_KEY, _Saver(registry))
    if not isinstance(saver, _Saver):
        raise IllegalStateError(f"the key {_KEY!r} of {registry!r} is the library's own, and was taken by {saver!r}")
    saver.adopt(store._get_or_make(_KEY, _Holder, _Holder))
    return saver
