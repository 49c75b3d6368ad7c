"""A ViewModel whose state comes back: the provider, the store, the registry and the file together."""

from __future__ import annotations

import gc
import pathlib
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from tests.processes import ROOT
from vmscope import (
    VIEW_MODEL_KEY,
    CoroutineScope,
    CreationExtras,
    Dispatchers,
    IllegalStateError,
    MutableCreationExtras,
    ViewModel,
    ViewModelProvider,
    ViewModelStore,
    ViewModelStoreProvider,
    view_model_factory,
    view_models,
)
from vmscope.lifecycle import (
    DEFAULT_ARGS_KEY,
    SAVED_STATE_REGISTRY_OWNER_KEY,
    VIEW_MODEL_STORE_OWNER_KEY,
    SavedStateHandle,
    SavedStateRegistry,
    create_saved_state_handle,
    enable_saved_state_handles,
    saved,
)

if TYPE_CHECKING:
    from tests.virtual_main import VMain


class Search(ViewModel):
    pages = saved("pages", 1)

    def __init__(self, state: SavedStateHandle) -> None:
        super().__init__()
        self.state = state
        self.query = state.get_mutable_state_flow("query", "")


class Unannotated(ViewModel):
    def __init__(self, saved_state_handle):  # type: ignore[no-untyped-def]
        self.state = saved_state_handle


class Window:
    """An owner: its store outlives a rebuild, its registry is made anew with it."""

    search = view_models(Search)

    def __init__(self, state: dict[str, Any] | None = None, store: ViewModelStore | None = None) -> None:
        self.view_model_store = store or ViewModelStore()
        self.saved_state_registry = SavedStateRegistry()
        self.saved_state_registry.restore(state)

    def save(self) -> dict[str, Any]:
        return self.saved_state_registry.save()


# ---- the death of a process


def test_a_view_model_gets_its_state_back_in_the_next_process() -> None:
    """V11, V15, V18."""
    first = Window()
    search = ViewModelProvider(first)[Search]
    search.query.value = "tram"
    search.pages = 3

    again = ViewModelProvider(Window(first.save()))[Search]

    assert again is not search
    assert (again.query.value, again.pages) == ("tram", 3)


def test_its_flows_come_back_and_who_collects_them_sees_what_was_saved(main: VMain, tmp_path: pathlib.Path) -> None:
    """V16, V18: through a file."""
    first = Window()
    first.search.query.value = "tram"
    first.saved_state_registry.save_to(tmp_path / "state.json")
    first.view_model_store.clear()

    second = Window.__new__(Window)
    second.view_model_store = ViewModelStore()
    second.saved_state_registry = SavedStateRegistry()
    second.saved_state_registry.restore_from(tmp_path / "state.json")
    seen: list[str] = []
    with CoroutineScope(Dispatchers.Main.immediate) as scope:
        scope.launch(second.search.query.collect, seen.append)
        main.drain()
        second.search.query.value = "bus"
        main.drain()
        scope.cancel()

    assert seen == ["tram", "bus"]


def test_a_state_survives_a_process_that_is_another_one(tmp_path: pathlib.Path) -> None:
    """V18."""
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from vmscope import ViewModel, ViewModelProvider, ViewModelStore
from vmscope.lifecycle import SavedStateHandle, SavedStateRegistry

class Counter(ViewModel):
    def __init__(self, handle: SavedStateHandle) -> None:
        self.count = handle.get_mutable_state_flow("count", 0)

class Program:
    view_model_store = ViewModelStore()
    saved_state_registry = SavedStateRegistry()

Program.saved_state_registry.restore_from(sys.argv[1])
counter = ViewModelProvider(Program())[Counter]
counter.count.value += 1
Program.saved_state_registry.save_to(sys.argv[1])
print(counter.count.value)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "state.json")]

    printed = [
        subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout for _ in range(2)
    ]

    assert printed == ["1\n", "2\n"]


def test_several_view_models_and_keys_have_a_state_each() -> None:
    """V15."""
    first = Window()
    for key in ("left", "right"):
        ViewModelProvider(first).get(Search, key).query.value = key
    ViewModelProvider(first)[Unannotated].state["x"] = 1

    second = ViewModelProvider(Window(first.save()))

    assert second.get(Search, "right").query.value == "right"
    assert second.get(Search, "left").query.value == "left"
    assert second[Search].query.value == ""
    assert second[Unannotated].state["x"] == 1


def test_the_state_of_a_view_model_that_was_not_made_this_time_is_kept() -> None:
    """V18."""
    first = Window()
    first.search.query.value = "tram"
    second = Window(first.save())
    ViewModelProvider(second)[Unannotated].state["x"] = 1

    third = Window(second.save())
    ViewModelProvider(third)

    assert Window(third.save()).save() == second.save()
    assert third.search.query.value == "tram"
    assert Window(Window(third.save()).save()).search.query.value == "tram"


def test_a_state_is_taken_once() -> None:
    """V18: a handle that is made anew after a clear begins anew."""
    first = Window()
    first.search.query.value = "tram"
    second = Window(first.save())
    assert second.search.query.value == "tram"

    second.view_model_store.clear()

    assert ViewModelProvider(second)[Search].query.value == ""


# ---- what stays and what goes


def test_a_rebuilt_owner_with_a_new_registry_saves_the_view_models_of_its_store() -> None:
    first = Window()
    first.search.query.value = "tram"
    rebuilt = Window(first.save(), first.view_model_store)
    same = ViewModelProvider(rebuilt)[Search]

    same.query.value = "bus"

    assert same is first.search
    assert Window(rebuilt.save()).search.query.value == "bus"


def test_a_rebuilt_owner_that_asks_for_nothing_says_so_itself() -> None:
    first = Window()
    first.search.query.value = "tram"
    rebuilt = Window(None, first.view_model_store)

    enable_saved_state_handles(rebuilt)
    enable_saved_state_handles(rebuilt)

    assert Window(rebuilt.save()).search.query.value == "tram"


def test_what_a_handle_has_removed_does_not_come_back_by_way_of_a_rebuild() -> None:
    """V15."""
    first = Window()
    first.search.query.value = "tram"
    rebuilt = Window(first.save(), first.view_model_store)
    ViewModelProvider(rebuilt)

    for key in first.search.state:
        first.search.state.remove(key)

    assert rebuilt.save() == {}


def test_a_cleared_store_is_saved_no_more() -> None:
    window = Window()
    window.search.query.value = "secret"

    window.view_model_store.clear()

    assert window.save() == {}
    ViewModelProvider(window)[Search].query.value = "new"
    assert Window(window.save()).search.query.value == "new"


def test_a_view_model_that_replaces_another_under_its_key_has_its_handle() -> None:
    """As in AndroidX: the handle belongs to the key."""
    window = Window()
    ViewModelProvider(window).get(Search, "k").query.value = "tram"

    assert ViewModelProvider(window).get(Unannotated, "k").state["query"] == "tram"


def test_two_stores_do_not_share_a_registry() -> None:
    first = Window()
    second = Window()
    second.saved_state_registry = first.saved_state_registry
    first.search.query.value = "tram"

    with pytest.raises(IllegalStateError, match="two ViewModelStores would save their handles in one SavedStateRegis"):
        ViewModelProvider(second)
    first.view_model_store.clear()
    ViewModelProvider(second)[Search].query.value = "bus"

    assert Window(second.save()).search.query.value == "bus"


def test_the_store_of_a_child_has_no_handles_without_a_registry_of_its_own() -> None:
    window = Window()
    token = ViewModelStoreProvider(window).acquire_token("tab")

    with pytest.raises(ValueError, match="no saved_state_registry_owner"):
        ViewModelProvider(token)[Search]


# ---- factories and extras


def test_a_factory_makes_the_handle_of_the_extras() -> None:
    """V11, V12."""
    made: list[CreationExtras] = []

    def make(extras: CreationExtras) -> Search:
        made.append(extras)
        return Search(create_saved_state_handle(extras))

    window = Window()
    search = ViewModelProvider(window, view_model_factory({Search: make}))[Search]

    [extras] = made
    assert extras[SAVED_STATE_REGISTRY_OWNER_KEY] is window
    assert extras[VIEW_MODEL_STORE_OWNER_KEY] is window
    assert create_saved_state_handle(extras) is search.state


def test_the_default_arguments_are_the_state_where_nothing_was_restored() -> None:
    """As in AndroidX: a restored state stands for itself, the arguments are not mixed in."""
    extras = MutableCreationExtras()
    extras[DEFAULT_ARGS_KEY] = {"query": "start", "more": 1}
    first = Window()
    search = ViewModelProvider(first, extras=extras)[Search]
    assert search.query.value == "start"
    search.query.value = "tram"
    search.state.remove("more")

    again = ViewModelProvider(Window(first.save()), extras=extras)[Search]

    assert again.query.value == "tram"
    assert "more" not in again.state


@pytest.mark.parametrize("missing", [SAVED_STATE_REGISTRY_OWNER_KEY, VIEW_MODEL_STORE_OWNER_KEY, VIEW_MODEL_KEY])
def test_extras_that_lack_something_are_told(missing: Any) -> None:
    window = Window()
    given = {SAVED_STATE_REGISTRY_OWNER_KEY: window, VIEW_MODEL_STORE_OWNER_KEY: window, VIEW_MODEL_KEY: "k"}
    assert create_saved_state_handle(CreationExtras(given))
    del given[missing]

    with pytest.raises(ValueError, match=f"the creation extras have no {missing.name}"):
        create_saved_state_handle(CreationExtras(given))


def test_an_owner_without_a_registry_that_was_restored_is_told() -> None:
    window = Window()
    window.saved_state_registry = SavedStateRegistry()

    provider = ViewModelProvider(window)
    with pytest.raises(IllegalStateError, match=r"restore_from\(path\) first"):
        provider[Search]
    assert window.save() == {}
    window.saved_state_registry.restore(None)

    assert provider[Search].query.value == ""


def test_owners_that_lack_something_are_told() -> None:
    class NoStore:
        saved_state_registry = SavedStateRegistry()

    class Odd(Window):
        saved_state_registry = 3  # type: ignore[assignment]

        def __init__(self) -> None:
            self.view_model_store = ViewModelStore()

    with pytest.raises(TypeError, match="owns no ViewModels"):
        enable_saved_state_handles(NoStore())
    with pytest.raises(TypeError, match="saves no state: its saved_state_registry is 3, a SavedStateRegistry is"):
        ViewModelProvider(Odd())
    with pytest.raises(TypeError, match="saves no state: its saved_state_registry is None"):
        enable_saved_state_handles(ViewModelStore())
    with pytest.raises(ValueError, match="no saved_state_registry_owner"):
        ViewModelProvider(ViewModelStore())[Search]
    taken = Window()
    taken.saved_state_registry.register_saved_state_provider("vmscope.SavedStateHandles", dict)
    with pytest.raises(IllegalStateError, match="the library's own, and was taken by"):
        ViewModelProvider(taken)


# ---- circles


def test_registry_handle_and_flows_go_with_their_last_reference() -> None:
    window = Window()
    gc.collect()
    gc.disable()
    try:
        handle = ViewModelProvider(window)[Unannotated].state
        flow, view = handle.get_mutable_state_flow("a", 1), handle.get_state_flow("a", 1)
        handle.set_saved_state_provider("b", lambda: 1)
        window.save()
        left = [weakref.ref(each) for each in (window.saved_state_registry, flow, handle)]
        window.view_model_store.clear()
        del handle, flow, view, window

        assert [each() for each in left] == [None, None, None]
    finally:
        gc.enable()


# ---- threads


def test_many_threads_that_make_view_models_while_others_save_lose_nothing() -> None:
    """V18."""
    names = [f"k{number}" for number in range(12)]
    first = Window()
    for name in names:
        ViewModelProvider(first).get(Search, name).query.value = name
    window = Window(first.save())
    states: list[dict[str, Any]] = []
    gate = threading.Barrier(4)
    done = threading.Event()

    def make(mine: list[str]) -> None:
        gate.wait()
        for name in mine:
            ViewModelProvider(window).get(Search, name)

    def save() -> None:
        gate.wait()
        while not done.is_set() and len(states) < 20:
            states.append(window.save())

    makers = [threading.Thread(target=make, args=(names[start::2],)) for start in (0, 1)]
    savers = [threading.Thread(target=save) for _ in range(2)]
    for thread in (*makers, *savers):
        thread.start()
    for thread in makers:
        thread.join()
    done.set()
    for thread in savers:
        thread.join()

    for state in (*states, window.save()):
        again = ViewModelProvider(Window(state))
        assert [again.get(Search, name).query.value for name in names] == names


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated where the function is made")
def test_a_constructor_may_name_a_class_that_only_type_checkers_import() -> None:
    """V11"""
    names: dict[str, Any] = {"ViewModel": ViewModel}
    source = "class Lazy(ViewModel):\n    def __init__(self, state: SavedStateHandle):\n        self.state = state\n"
    exec(compile(source, "lazy.py", "exec", dont_inherit=True), names)  # without this file's `from __future__`

    made = ViewModelProvider(Window())[names["Lazy"]]

    assert isinstance(made.state, SavedStateHandle)
