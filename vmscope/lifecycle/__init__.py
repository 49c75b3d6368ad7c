"""androidx.lifecycle: ViewModel and its scope, what keeps it, and what of it outlives the process."""

from __future__ import annotations

from ._codec import register_saved_type
from ._extras import VIEW_MODEL_KEY, CreationExtras, CreationExtrasKey, MutableCreationExtras
from ._nested import ViewModelStoreProvider
from ._provider import ViewModelProvider, ViewModelProviderFactory, view_model_factory, view_models
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
from ._store import ViewModelStore, ViewModelStoreOwner
from ._viewmodel import ViewModel

__all__ = [
    "DEFAULT_ARGS_KEY",
    "SAVED_STATE_REGISTRY_OWNER_KEY",
    "VIEW_MODEL_KEY",
    "VIEW_MODEL_STORE_OWNER_KEY",
    "CreationExtras",
    "CreationExtrasKey",
    "MutableCreationExtras",
    "SavedStateFileError",
    "SavedStateHandle",
    "SavedStateRegistry",
    "SavedStateRegistryOwner",
    "ViewModel",
    "ViewModelProvider",
    "ViewModelProviderFactory",
    "ViewModelStore",
    "ViewModelStoreOwner",
    "ViewModelStoreProvider",
    "create_saved_state_handle",
    "enable_saved_state_handles",
    "register_saved_type",
    "saved",
    "view_model_factory",
    "view_models",
]
