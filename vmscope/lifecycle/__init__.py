"""androidx.lifecycle: ViewModel, its scope and what keeps it; saved state; Lifecycle and LiveData."""

from __future__ import annotations

from ._codec import register_saved_type
from ._extras import VIEW_MODEL_KEY, CreationExtras, CreationExtrasKey, MutableCreationExtras
from ._lifecycle import DefaultLifecycleObserver, Lifecycle, LifecycleEventObserver, LifecycleOwner, lifecycle_scope
from ._lifecycle_scope import LifecycleCoroutineScope
from ._live_data import LiveData, MutableLiveData
from ._live_data_builder import EmittedSource, LiveDataScope, live_data
from ._mediator import MediatorLiveData
from ._nested import ViewModelStoreProvider
from ._process_owner import ProcessLifecycleOwner
from ._provider import ViewModelProvider, ViewModelProviderFactory, view_model_factory, view_models
from ._registry import LifecycleRegistry
from ._repeat import repeat_on_lifecycle
from ._saved_delegate import saved
from ._saved_file import SavedStateFileError
from ._saved_handles import (
    DEFAULT_ARGS_KEY,
    SAVED_STATE_REGISTRY_OWNER_KEY,
    VIEW_MODEL_STORE_OWNER_KEY,
    create_saved_state_handle,
    enable_saved_state_handles,
)
from ._saved_registry import SavedStateRegistry, SavedStateRegistryOwner
from ._saved_state import SavedStateHandle
from ._states import Event, State
from ._store import ViewModelStore, ViewModelStoreOwner
from ._viewmodel import ViewModel
from ._with_state import LifecycleDestroyedException, with_created, with_resumed, with_started, with_state

__all__ = [
    "DEFAULT_ARGS_KEY",
    "SAVED_STATE_REGISTRY_OWNER_KEY",
    "VIEW_MODEL_KEY",
    "VIEW_MODEL_STORE_OWNER_KEY",
    "CreationExtras",
    "CreationExtrasKey",
    "DefaultLifecycleObserver",
    "EmittedSource",
    "Event",
    "Lifecycle",
    "LifecycleCoroutineScope",
    "LifecycleDestroyedException",
    "LifecycleEventObserver",
    "LifecycleOwner",
    "LifecycleRegistry",
    "LiveData",
    "LiveDataScope",
    "MediatorLiveData",
    "MutableCreationExtras",
    "MutableLiveData",
    "ProcessLifecycleOwner",
    "SavedStateFileError",
    "SavedStateHandle",
    "SavedStateRegistry",
    "SavedStateRegistryOwner",
    "State",
    "ViewModel",
    "ViewModelProvider",
    "ViewModelProviderFactory",
    "ViewModelStore",
    "ViewModelStoreOwner",
    "ViewModelStoreProvider",
    "create_saved_state_handle",
    "enable_saved_state_handles",
    "lifecycle_scope",
    "live_data",
    "register_saved_type",
    "repeat_on_lifecycle",
    "saved",
    "view_model_factory",
    "view_models",
    "with_created",
    "with_resumed",
    "with_started",
    "with_state",
]
