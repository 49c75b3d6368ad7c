"""ViewModelScenario: a ViewModel in a test, through the death of its process."""

from __future__ import annotations

import enum

import pytest

from vmscope import CreationExtras, IllegalStateError, ViewModel, delay
from vmscope.lifecycle import SavedStateHandle, create_saved_state_handle, saved
from vmscope.testing import ViewModelScenario, main_dispatcher


class Search(ViewModel):
    page = saved("page", 1)

    def __init__(self, state: SavedStateHandle, repository: str = "none") -> None:
        super().__init__()
        self.state = state
        self.repository = repository
        self.query = state.get_mutable_state_flow("query", "")
        self.events: list[str] = []

    def on_cleared(self) -> None:
        self.events.append("cleared")


class Unsaved(ViewModel):
    pass


def test_the_state_comes_back_after_recreate_and_nothing_else() -> None:
    """V19, T19."""
    with ViewModelScenario(Search) as scenario:
        first = scenario.view_model
        assert scenario.view_model is first
        first.query.value = "tram"
        first.page = 2
        first.repository = "changed"

        scenario.recreate()
        second = scenario.view_model

        assert second is not first
        assert (second.query.value, second.page, second.repository) == ("tram", 2, "none")
        assert first.events == ["cleared"]
        assert second.events == []
        scenario.recreate()
        scenario.recreate()
        assert scenario.view_model.query.value == "tram"
    assert second.events == ["cleared"]


def test_a_function_makes_it_from_the_extras_or_from_nothing() -> None:
    """V19."""

    def make(extras: CreationExtras) -> Search:
        return Search(create_saved_state_handle(extras), "mine")

    with ViewModelScenario(make) as scenario:
        scenario.view_model.query.value = "tram"
        scenario.recreate()
        assert (scenario.view_model.query.value, scenario.view_model.repository) == ("tram", "mine")
    with ViewModelScenario(lambda: Unsaved()) as plain:
        assert type(plain.view_model) is Unsaved


def test_the_default_arguments_hold_until_something_was_saved() -> None:
    """V19."""
    with ViewModelScenario(Search, {"query": "start"}) as scenario:
        assert scenario.view_model.query.value == "start"
        scenario.view_model.query.value = "tram"
        scenario.recreate()
        assert scenario.view_model.query.value == "tram"


def test_a_class_of_a_test_needs_no_key_and_its_coroutines_end() -> None:
    """V19."""

    class Local(ViewModel):
        def __init__(self) -> None:
            self.job = self.view_model_scope.launch(delay, 60)

    with main_dispatcher(), ViewModelScenario(Local) as scenario:
        first = scenario.view_model
        scenario.recreate()
        assert first.job.is_cancelled
        second = scenario.view_model
        scenario.close()
        assert second.job.is_cancelled


def test_what_cannot_be_saved_fails_the_recreate_and_the_view_model_stays() -> None:
    """V19: as it would fail the save, and not only the next start."""

    class Local(enum.Enum):
        ONE = 1

    with ViewModelScenario(Search) as scenario:
        first = scenario.view_model
        first.state["rows"] = rows = [1]
        rows.append(Local.ONE)  # type: ignore[arg-type]

        with pytest.raises(ValueError, match=r"\['rows'\]\[1\] it is a .*Local, which is not registered"):
            scenario.recreate()
        assert scenario.view_model is first
        rows.pop()


def test_a_closed_scenario_says_so() -> None:
    """V19."""
    scenario = ViewModelScenario(Search)
    assert repr(scenario) == "<ViewModelScenario of Search, open>"
    scenario.close()
    scenario.close()

    assert repr(scenario) == "<ViewModelScenario of Search, closed>"
    with pytest.raises(IllegalStateError, match="view_model of a ViewModelScenario that is closed"):
        scenario.view_model
    with pytest.raises(IllegalStateError, match=r"recreate\(\) of a ViewModelScenario that is closed"):
        scenario.recreate()
    with pytest.raises(TypeError, match="takes a class of them"):
        ViewModelScenario(int).view_model  # type: ignore[type-var]
    with pytest.raises(TypeError, match="made by calling something, got 3"):
        ViewModelScenario(3)  # type: ignore[type-var]
