"""MediatorLiveData, and the transformations that are made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.lifecycle.owners import Owner
from vmscope.lifecycle import LiveData, MediatorLiveData, MutableLiveData, State

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def seen_by(live: LiveData[Any]) -> list[Any]:
    """What is told from now on, to one who observes for ever."""
    seen: list[Any] = []
    live.observe_forever(seen.append)
    return seen


# ---- W6: the mediator


def test_it_observes_its_sources_only_while_it_is_observed(main: VMain) -> None:
    """W6."""
    owner, source, both = Owner(State.CREATED), MutableLiveData("a"), MediatorLiveData[str]()
    both.add_source(source, lambda value: setattr(both, "value", value))
    assert not source.has_observers

    both.observe(owner, lambda value: None)
    assert not source.has_observers
    owner.lifecycle.current_state = State.STARTED
    assert (source.has_active_observers, both.value) == (True, "a")
    owner.lifecycle.current_state = State.CREATED

    assert not source.has_observers


def test_values_of_several_sources_come_as_they_are_set(main: VMain) -> None:
    """W6."""
    one, other, both = MutableLiveData[int](), MutableLiveData[int](), MediatorLiveData[str]()
    both.add_source(one, lambda value: setattr(both, "value", f"one {value}"))
    both.add_source(other, lambda value: setattr(both, "value", f"other {value}"))
    seen = seen_by(both)

    one.value = 1
    other.value = 2
    one.value = 3

    assert seen == ["one 1", "other 2", "one 3"]


def test_a_source_that_is_added_while_it_is_active_is_observed_at_once(main: VMain) -> None:
    """W6."""
    source, both = MutableLiveData(1), MediatorLiveData[int]()
    seen = seen_by(both)

    both.add_source(source, lambda value: setattr(both, "value", value))

    assert seen == [1]


def test_a_source_is_added_with_one_function_only(main: VMain) -> None:
    """W6: the same once more does nothing, another is refused."""
    source, both, seen = MutableLiveData(1), MediatorLiveData[int](), []
    both.add_source(source, seen.append)
    both.add_source(source, seen.append)

    with pytest.raises(ValueError, match="This source was already added with the different observer: <MutableLiveData"):
        both.add_source(source, print)
    seen_by(both)

    assert seen == [1]


def test_a_source_that_is_removed_is_followed_no_more_and_may_come_again(main: VMain) -> None:
    """W6."""
    source, both, seen = MutableLiveData(1), MediatorLiveData[int](), []
    both.add_source(source, seen.append)
    seen_by(both)

    both.remove_source(source)
    both.remove_source(source)
    source.value = 2
    both.add_source(source, seen.append)

    assert seen == [1, 2]


def test_a_source_that_has_not_changed_is_not_told_again_when_the_mediator_is_observed_again(main: VMain) -> None:
    """W6."""
    owner, source, both, seen = Owner(State.STARTED), MutableLiveData(1), MediatorLiveData[int](), []
    both.add_source(source, seen.append)
    both.observe(owner, lambda value: None)

    owner.lifecycle.current_state = State.CREATED
    owner.lifecycle.current_state = State.STARTED
    source.value = 2

    assert seen == [1, 2]


def test_what_is_no_live_data_is_refused(main: VMain) -> None:
    with pytest.raises(TypeError, match=r"add_source\(\) takes a LiveData, got 7"):
        MediatorLiveData[int]().add_source(7, print)  # type: ignore[arg-type]


# ---- W7: transformations


def test_what_is_no_function_of_a_source_is_refused(main: VMain) -> None:
    """W6: and the source can be added with one."""
    source, both = MutableLiveData(1), MediatorLiveData[int]()

    with pytest.raises(TypeError, match=r"add_source\(\) takes a function of the value, got 3"):
        both.add_source(source, 3)  # type: ignore[arg-type]

    both.add_source(source, lambda value: setattr(both, "value", value))
    assert seen_by(both) == [1]


def test_map_hands_on_what_the_function_makes_and_has_the_first_value_from_the_start(main: VMain) -> None:
    """W7."""
    source = MutableLiveData(1)
    twice = source.map(lambda value: value * 2)
    assert twice.value == 2
    seen = seen_by(twice)

    source.value = 2

    assert seen == [2, 4]


def test_map_of_what_has_no_value_has_none(main: VMain) -> None:
    """W7."""
    source = MutableLiveData[int]()
    calls: list[int] = []
    mapped = source.map(calls.append)

    assert not mapped.is_initialized
    source.value = 1
    assert calls == [], "nobody observes"


def test_switch_map_follows_the_newest_alone(main: VMain) -> None:
    """W7."""
    pages = {name: MutableLiveData(f"{name}1") for name in "ab"}
    choice = MutableLiveData("a")
    shown = choice.switch_map(pages.__getitem__)
    assert shown.value == "a1"
    seen = seen_by(shown)

    choice.value = "b"
    pages["a"].value = "a2"
    pages["b"].value = "b2"

    assert seen == ["a1", "b1", "b2"]
    assert not pages["a"].has_observers


def test_switch_map_to_none_follows_nothing_and_to_the_same_one_changes_nothing(main: VMain) -> None:
    """W7."""
    page = MutableLiveData(1)
    choice = MutableLiveData[bool](True)
    seen = seen_by(choice.switch_map(lambda there: page if there else None))
    assert seen == [1]

    choice.value = True
    assert seen == [1]
    choice.value = False
    page.value = 2
    assert seen == [1]
    choice.value = True

    assert seen == [1, 2]


def test_distinct_until_changed_leaves_equal_values_out_and_counts_the_first_one_as_a_change(main: VMain) -> None:
    """W7."""
    source = MutableLiveData[Any]()
    seen = seen_by(source.distinct_until_changed())

    for value in (None, None, 1, 1.0, 2, None, 2):
        source.value = value

    assert seen == [None, 1, 2, None, 2]


def test_distinct_until_changed_takes_what_cannot_tell_for_another_value(main: VMain) -> None:
    """W7: an array of several numbers, say."""

    class Array:
        def __eq__(self, other: object) -> Any:
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    first, second = Array(), Array()
    source = MutableLiveData(first)
    seen = seen_by(source.distinct_until_changed())

    for value in (first, second):
        source.value = value

    assert [id(one) for one in seen] == [id(first), id(second)]


def test_switch_map_of_what_has_no_value_yet_begins_with_the_first(main: VMain) -> None:
    """W7"""
    source, inner = MutableLiveData[str](), MutableLiveData(1)
    switched = source.switch_map(lambda value: inner)
    assert not switched.is_initialized
    seen = seen_by(switched)

    source.value = "go"

    assert seen == [1]


def test_distinct_until_changed_of_a_value_that_is_there_begins_with_it(main: VMain) -> None:
    """W7."""
    source = MutableLiveData(1)
    distinct = source.distinct_until_changed()
    assert distinct.value == 1
    seen = seen_by(distinct)

    source.value = 1
    source.value = 2

    assert seen == [1, 2]


@pytest.mark.parametrize("method", [MutableLiveData.map, MutableLiveData.switch_map])
def test_what_is_no_function_is_refused(main: VMain, method: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match=r"map\(\) takes a function of the value, got 7"):
        method(MutableLiveData(1), 7)


def test_a_function_of_switch_map_that_gives_no_live_data_is_told_so(main: VMain) -> None:
    with pytest.raises(TypeError, match=r"gives a LiveData or None, gave 1"):
        MutableLiveData(1).switch_map(lambda value: value)  # type: ignore[arg-type, return-value]
