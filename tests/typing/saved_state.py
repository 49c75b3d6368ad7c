"""What the two type checkers make of saved state in a user's program. Never run: `mypy` and `pyright` read it.

A line that must be refused carries an ignore, and an ignore that is not needed is an error itself.
"""

# pyright: strict

from __future__ import annotations

from typing import Any, assert_type

from vmscope import CreationExtras, ViewModel
from vmscope.flow import MutableStateFlow, StateFlow
from vmscope.lifecycle import SavedStateHandle, create_saved_state_handle, register_saved_type, saved
from vmscope.testing import ViewModelScenario


class Colour:
    pass


def to_text(colour: Colour) -> str:
    return "red"


def from_text(text: Any) -> Colour:
    return Colour()


@register_saved_type
class Row:
    pass


class Screen(ViewModel):
    query = saved("query", "")
    rows = saved("rows", list[int])
    table = saved("table", lambda: {"a": 1})
    colour = saved("colour", Colour, encode=to_text, decode=from_text)
    anything = saved("anything")

    def __init__(self, state: SavedStateHandle) -> None:
        self.page = state.get_mutable_state_flow("page", 1)
        self.title = state.get_state_flow("title", "")


def attributes(screen: Screen) -> None:
    assert_type(screen.query, str)
    assert_type(screen.rows, list[int])
    assert_type(screen.table, dict[str, int])
    assert_type(screen.colour, Colour)
    assert_type(screen.anything, Any)
    screen.query = 1  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]


def flows(screen: Screen) -> None:
    assert_type(screen.page, MutableStateFlow[int])
    assert_type(screen.title, StateFlow[str])


def registered() -> None:
    assert_type(Row(), Row)
    assert_type(register_saved_type(Colour, encode=to_text, decode=from_text), type[Colour])


def scenario() -> None:
    assert_type(ViewModelScenario(Screen).view_model, Screen)

    def make(extras: CreationExtras) -> Screen:
        return Screen(create_saved_state_handle(extras))

    assert_type(ViewModelScenario(make).view_model, Screen)
