"""Handles against a model that is plainly right: a dict for each key, through deaths of the process and rebuilds."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vmscope import ViewModel, ViewModelProvider, ViewModelStore
from vmscope.lifecycle import SavedStateHandle, SavedStateRegistry

SCREENS = st.sampled_from(["a", "b"])
KEYS = st.sampled_from(["x", "y"])
VALUES = st.one_of(st.integers(0, 3), st.lists(st.integers(0, 2), max_size=2), st.tuples(st.booleans()))


class Screen(ViewModel):
    def __init__(self, saved_state_handle: SavedStateHandle) -> None:
        self.handle = saved_state_handle


class Window:
    def __init__(self, path: pathlib.Path, store: ViewModelStore) -> None:
        self.view_model_store = store
        self.saved_state_registry = SavedStateRegistry()
        self.saved_state_registry.restore_from(path)


class SavedMachine(RuleBasedStateMachine):
    """Model: `now`, the values of each screen; `on_disk`, the same at the last save. Screens are touched or not."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.path = self.folder / "state.json"
        self.now: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
        self.on_disk: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
        self.provided: dict[tuple[str, str], Any] = {}  # by providers that are set, at the next save
        self.touched: set[str] = set()
        self.window = Window(self.path, ViewModelStore())

    def handle(self, screen: str) -> SavedStateHandle:
        self.touched.add(screen)
        return ViewModelProvider(self.window).get(Screen, screen).handle

    @rule(screen=SCREENS, key=KEYS, value=VALUES)
    def put(self, screen: str, key: str, value: Any) -> None:
        self.handle(screen)[key] = value
        self.now[screen][key] = value

    @rule(screen=SCREENS, key=KEYS, value=VALUES)
    def set_flow(self, screen: str, key: str, value: Any) -> None:
        self.handle(screen).get_mutable_state_flow(key, None).value = value
        self.now[screen][key] = value

    @rule(screen=SCREENS, key=KEYS, value=VALUES)
    def ask_for_a_flow(self, screen: str, key: str, value: Any) -> None:
        flow = self.handle(screen).get_state_flow(key, value)
        assert flow.value == self.now[screen].setdefault(key, value)

    @rule(screen=SCREENS, key=KEYS, value=VALUES)
    def provide(self, screen: str, key: str, value: Any) -> None:
        self.handle(screen).set_saved_state_provider(key, lambda: value)
        self.provided[screen, key] = value

    @rule(screen=SCREENS, key=KEYS)
    def remove(self, screen: str, key: str) -> None:
        assert self.handle(screen).remove(key) == self.now[screen].pop(key, None)
        self.provided.pop((screen, key), None)

    @rule()
    def save(self) -> None:
        self.window.saved_state_registry.save_to(self.path)
        for (screen, key), value in self.provided.items():
            self.now[screen][key] = value
        self.on_disk = {screen: dict(values) for screen, values in self.now.items()}

    @rule()
    def die(self) -> None:
        """The process is killed and started again."""
        self.window = Window(self.path, ViewModelStore())
        self.now = {screen: dict(values) for screen, values in self.on_disk.items()}
        self.provided = {}
        self.touched = set()

    @rule()
    def rebuild(self) -> None:
        """Saved, and made anew around the same store."""
        self.save()
        self.window = Window(self.path, self.window.view_model_store)
        ViewModelProvider(self.window)

    @invariant()
    def the_handles_have_what_the_model_says(self) -> None:
        for screen in self.touched:  # the others are left asleep: what nobody looks at must last, too
            handle = self.handle(screen)
            assert {key: handle[key] for key in ("x", "y") if key in handle} == self.now[screen]

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


SavedMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestSaved = SavedMachine.TestCase
