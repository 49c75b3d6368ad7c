"""ViewModelScenario: a ViewModel as a test has it, with an owner that can die and come back with the saved state.

    with ViewModelScenario(Search) as scenario:
        scenario.view_model.query.value = "tram"
        scenario.recreate()
        assert scenario.view_model.query.value == "tram"

No locks: it belongs to the thread of the test.
Counterpart: androidx.lifecycle.viewmodel.testing.ViewModelScenario.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from .._errors import IllegalStateError
from ..lifecycle._extras import CreationExtras, MutableCreationExtras
from ..lifecycle._provider import ViewModelProvider, view_model_factory
from ..lifecycle._saved_handles import DEFAULT_ARGS_KEY
from ..lifecycle._saved_registry import SavedStateRegistry
from ..lifecycle._store import ViewModelStore
from ..lifecycle._viewmodel import ViewModel

if TYPE_CHECKING:
    from types import TracebackType

VM = TypeVar("VM", bound=ViewModel)

_KEY = "vmscope.ViewModelScenario"


class _Owner:
    """A process: its store, and the registry that has what the one before it has saved."""

    def __init__(self, state: Mapping[str, Any] | None) -> None:
        self.view_model_store = ViewModelStore()
        self.saved_state_registry = SavedStateRegistry()
        self.saved_state_registry.restore(state)


class ViewModelScenario(Generic[VM]):
    """A ViewModel under test, from its first use to the end of the `with` block, through deaths of its process.

    Args:
        make: The class, where the default factory can make it: its constructor needs nothing, the CreationExtras alone
            or a SavedStateHandle alone. Else a function of the extras, or of nothing:
            `lambda extras: Search(create_saved_state_handle(extras), repository)`.
        default_args: What a SavedStateHandle begins with, until there is a saved state.

    Threads: that of the test.
    AndroidX: ViewModelScenario and viewModelScenario.
    """

    def __init__(
        self,
        make: type[VM] | Callable[[CreationExtras], VM] | Callable[[], VM],
        default_args: Mapping[str, object] | None = None,
    ) -> None:
        if isinstance(make, type):
            self._cls: type[ViewModel] = make
            self._factory = None
        else:
            self._cls = ViewModel
            self._factory = view_model_factory({ViewModel: make})
        self._extras = MutableCreationExtras()
        if default_args is not None:
            self._extras[DEFAULT_ARGS_KEY] = default_args
        self._owner: _Owner | None = _Owner(None)

    @property
    def view_model(self) -> VM:
        """The ViewModel, made at the first look, and at the first look after a `recreate()` anew.

        Raises:
            IllegalStateError: The scenario is closed.
        """
        provider = ViewModelProvider(self._live("view_model"), self._factory, self._extras)
        return cast("VM", provider.get(self._cls, _KEY))

    def recreate(self) -> None:
        """Let the process die: the state is saved as for a file, the ViewModel cleared, and all begins anew with it.

        Raises:
            IllegalStateError: The scenario is closed.
            ValueError: What a provider or a changed value gives cannot be saved.
            ExceptionGroup: The clear of the ViewModel failed; the new process is there all the same.
        """
        dying = self._live("recreate()")
        self._owner = _Owner(dying.saved_state_registry.save())
        dying.view_model_store.clear()

    def close(self) -> None:
        """Clear the ViewModel, for good. A second call does nothing.

        Raises:
            ExceptionGroup: The clear failed.
        """
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.view_model_store.clear()

    def _live(self, what: str) -> _Owner:
        if self._owner is None:
            raise IllegalStateError(f"{what} of a ViewModelScenario that is closed: use it inside its `with` block")
        return self._owner

    def __enter__(self) -> ViewModelScenario[VM]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ViewModelScenario of {self._cls.__qualname__}, {'closed' if self._owner is None else 'open'}>"
