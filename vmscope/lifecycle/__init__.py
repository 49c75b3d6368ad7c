"""androidx.lifecycle: ViewModel and its scope, and what keeps it."""

from __future__ import annotations

from ._codec import register_saved_type
from ._extras import VIEW_MODEL_KEY, CreationExtras, CreationExtrasKey, MutableCreationExtras
from ._nested import ViewModelStoreProvider
from ._provider import ViewModelProvider, ViewModelProviderFactory, view_model_factory, view_models
from ._saved_file import SavedStateFileError
from ._saved_registry import SavedStateRegistry, SavedStateRegistryOwner
from ._store import ViewModelStore, ViewModelStoreOwner
from ._viewmodel import ViewModel

__all__ = [
    "VIEW_MODEL_KEY",
    "CreationExtras",
    "CreationExtrasKey",
    "MutableCreationExtras",
    "SavedStateFileError",
    "SavedStateRegistry",
    "SavedStateRegistryOwner",
    "ViewModel",
    "ViewModelProvider",
    "ViewModelProviderFactory",
    "ViewModelStore",
    "ViewModelStoreOwner",
    "ViewModelStoreProvider",
    "register_saved_type",
    "view_model_factory",
    "view_models",
]
