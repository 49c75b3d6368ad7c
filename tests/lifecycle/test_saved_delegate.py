"""saved: attributes that live in the handle of their instance."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from vmscope import IllegalStateError, ViewModel
from vmscope.lifecycle import SavedStateHandle, saved


class Temperature:
    """Changes in place, and has no codec."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    @staticmethod
    def parse(text: Any) -> Temperature:
        return Temperature(float(text))


class Screen(ViewModel):
    query = saved("query", "")
    rows: Any = saved("rows", list)
    outside = saved(
        "outside", lambda: Temperature(20), encode=lambda one: str(one.degrees), decode=Temperature.parse
    )

    def __init__(self, handle: SavedStateHandle) -> None:
        super().__init__()
        self.handle = handle


def test_a_saved_attribute_is_the_value_of_its_key() -> None:
    """V17."""
    handle = SavedStateHandle()
    screen = Screen(handle)

    assert screen.query == ""
    assert handle["query"] == ""
    screen.query = "tram"
    assert handle["query"] == "tram"
    handle["query"] = "bus"
    assert screen.query == "bus"
    assert Screen(SavedStateHandle(handle.save_state())).query == "bus"


def test_a_default_that_is_a_function_makes_one_for_each_instance() -> None:
    """V17."""
    one, other = Screen(SavedStateHandle()), Screen(SavedStateHandle())

    one.rows.append(1)

    assert one.rows == [1]
    assert other.rows == []
    assert one.handle.save_state()["rows"] == [1]


def test_with_a_codec_the_value_is_saved_as_it_is_at_the_save() -> None:
    """V17."""
    screen = Screen(SavedStateHandle())
    screen.outside.degrees = 21.5

    state = screen.handle.save_state()
    again = Screen(SavedStateHandle(state))

    assert state == {"outside": "21.5"}
    assert again.outside.degrees == 21.5
    assert again.outside is again.outside
    again.outside = Temperature(-3)
    assert again.handle.save_state() == {"outside": "-3"}
    assert Screen(SavedStateHandle(state)).handle.save_state() == state, "also where nobody has looked at it"


def test_a_value_that_another_thread_has_made_meanwhile_is_the_one_that_counts() -> None:
    """V17: all get the same object, and that one is saved."""
    handle = SavedStateHandle()

    def slow() -> Temperature:
        if not others:
            others.append(None)
            thread = threading.Thread(target=lambda: others.append(screen.shared))
            thread.start()
            thread.join()
        return Temperature(len(others))

    class Shared(ViewModel):
        shared = saved("shared", slow, encode=lambda one: str(one.degrees), decode=Temperature.parse)

        def __init__(self) -> None:
            super().__init__()
            self.handle = handle

    others: list[Any] = []
    screen = Shared()

    assert screen.shared is others[1]
    assert handle.save_state() == {"shared": "1"}


def test_what_cannot_be_saved_is_refused_when_it_is_set() -> None:
    """V17."""

    class Bad(Screen):
        odd = saved("odd", None, encode=lambda value: value, decode=lambda value: value)

    screen = Bad(SavedStateHandle())
    screen.odd = 1

    with pytest.raises(ValueError, match="the value of 'query' cannot be saved"):
        screen.query = object()  # type: ignore[assignment]
    with pytest.raises(ValueError, match="the value of 'odd' cannot be saved"):
        screen.odd = object()
    assert screen.odd == 1


def test_without_a_handle_or_with_several_it_says_what_to_do() -> None:
    """V17."""

    class Late(Screen):
        def __init__(self) -> None:
            pass

    class Two(Screen):
        named: int = saved("named", 1, handle="second")

        def __init__(self) -> None:
            self.first, self.second = SavedStateHandle(), SavedStateHandle()

    with pytest.raises(IllegalStateError, match=r"'query' of .*Late finds no SavedStateHandle in its instance: set"):
        Late().query
    with pytest.raises(IllegalStateError, match=r"'query' of .*Two finds 2 .*saved\(\.\.\., handle=\.\.\.\)"):
        Two().query
    two = Two()
    two.named += 1
    assert two.second.save_state() == {"named": 2}
    assert not two.first.keys()
    del two.second
    with pytest.raises(IllegalStateError, match="finds no SavedStateHandle in 'second'"):
        two.named


def test_what_was_saved_and_cannot_be_decoded_may_be_replaced() -> None:
    """V17."""
    screen = Screen(SavedStateHandle({"outside": "warm"}))

    with pytest.raises(ValueError, match="could not convert string to float: 'warm'"):
        screen.outside
    assert screen.handle.save_state() == {"outside": "warm"}
    screen.outside = Temperature(1)

    assert screen.handle.save_state() == {"outside": "1"}


def test_one_handle_under_two_names_is_one() -> None:
    """V17."""
    screen = Screen(SavedStateHandle({"query": "tram"}))
    screen.again = screen.handle  # type: ignore[attr-defined]

    assert screen.query == "tram"


def test_misuse_is_told() -> None:
    with pytest.raises(TypeError, match="encode and decode together"):
        saved("a", 1, encode=str)
    with pytest.raises(TypeError, match="takes a string for its key, got 1"):
        saved(1, 1)  # type: ignore[arg-type]
    assert repr(Screen.query) == "saved('query')"
