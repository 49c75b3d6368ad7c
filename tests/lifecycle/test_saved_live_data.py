"""The LiveData of a saved value (row V16)."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import IllegalStateError
from vmscope.lifecycle import MutableLiveData, SavedStateHandle

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def test_a_key_has_one_live_data_and_both_show_what_is_set_in_either(main: VMain) -> None:
    """V16"""
    handle = SavedStateHandle({"query": "tram"})
    told: list[Any] = []

    live = handle.get_live_data("query", "not taken")
    live.observe_forever(told.append)
    live.value = "bus"
    assert handle["query"] == "bus"
    handle["query"] = "train"
    live.post_value("ferry")
    assert handle["query"] == "train"
    main.run_current()

    assert told == ["tram", "bus", "train", "ferry"]
    assert handle.get_live_data("query") is live
    assert handle.save_state() == {"query": "ferry"}


def test_without_a_value_there_is_none_until_one_is_set(main: VMain) -> None:
    """V16"""
    handle = SavedStateHandle()
    live: MutableLiveData[int] = handle.get_live_data("page")

    assert not live.is_initialized
    assert "page" not in handle
    assert handle.save_state() == {}
    live.value = 1
    assert handle.save_state() == {"page": 1}
    assert handle.get_live_data("other", 7).value == 7
    assert handle["other"] == 7


def test_one_key_is_live_data_or_flows(main: VMain) -> None:
    """V16"""
    handle = SavedStateHandle()
    handle.get_state_flow("flow", 1)
    handle.get_live_data("live", 1)

    with pytest.raises(ValueError, match="'flow' was asked for as a LiveData, and there is a flow of it already"):
        handle.get_live_data("flow", 1)
    for ask in (handle.get_state_flow, handle.get_mutable_state_flow):
        with pytest.raises(ValueError, match="'live' was asked for as a flow, and there is a LiveData of it already"):
            ask("live", 1)


def test_what_cannot_be_saved_is_refused_wherever_it_is_set(main: VMain) -> None:
    """V15, V16"""
    handle = SavedStateHandle()
    live: MutableLiveData[Any] = handle.get_live_data("a", 1)

    with pytest.raises(ValueError, match="the value of 'a' cannot be saved"):
        live.value = object()
    with pytest.raises(ValueError, match="the value of 'a' cannot be saved"):
        live.post_value(object())
    with pytest.raises(ValueError, match="the value of 'a' cannot be saved"):
        handle["a"] = object()
    with pytest.raises(ValueError, match="the value of 'b' cannot be saved"):
        handle.get_live_data("b", object())

    assert (live.value, handle.save_state()) == (1, {"a": 1})


def test_the_live_data_of_a_key_that_was_removed_is_one_like_any_other(main: VMain) -> None:
    """V15, V16"""
    handle = SavedStateHandle()
    live: MutableLiveData[Any] = handle.get_live_data("a", 1)

    assert handle.remove("a") == 1
    live.value = unsavable = object()

    assert live.value is unsavable
    assert "a" not in handle
    assert handle.get_live_data("a", 2) is not live


def test_another_thread_is_told_to_post(main: VMain) -> None:
    """W1, V16"""
    handle = SavedStateHandle()
    live = handle.get_live_data("a", 1)
    raised: list[BaseException] = []

    def on_a_thread() -> None:
        try:
            handle["a"] = 2
        except IllegalStateError as error:
            raised.append(error)
        live.post_value(3)

    thread = threading.Thread(target=on_a_thread)
    thread.start()
    thread.join()

    assert "post_value" in str(raised[0])
    assert handle["a"] == 1
    main.run_current()
    assert handle["a"] == 3


def test_a_provider_sets_what_is_observed(main: VMain) -> None:
    """V17"""
    handle = SavedStateHandle()
    live = handle.get_live_data("a", 1)
    handle.set_saved_state_provider("a", lambda: 5)

    assert handle.save_state() == {"a": 5}
    assert live.value == 5


def test_a_live_data_keeps_no_handle_alive(main: VMain) -> None:
    handle = SavedStateHandle()
    live = handle.get_live_data("a", 1)
    gone = weakref.ref(handle)
    gc.disable()
    try:
        del handle
        assert gone() is None
    finally:
        gc.enable()
    live.value = 2
    assert live.value == 2
    live.post_value(3)
    main.run_current()
    assert live.value == 3
