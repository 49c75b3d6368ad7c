"""SavedStateHandle: values by key, their flows, their providers, and what a save takes of them."""

from __future__ import annotations

import enum
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import CoroutineScope, Dispatchers, VmScopeWarning
from vmscope.flow import MutableStateFlow, StateFlow
from vmscope.lifecycle import SavedStateHandle

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def test_a_handle_is_used_like_a_dict() -> None:
    """V15."""
    handle = SavedStateHandle({"a": 1})

    handle["b"] = [2]
    handle.set("c", None)

    assert (handle["a"], handle.get("b"), handle["c"]) == (1, [2], None)
    assert handle.get("d") is None
    assert handle.get("d", 4) == 4
    assert handle.get("c", 4) is None
    assert "c" in handle
    assert handle.contains("a")
    assert not handle.contains("d")
    assert handle.keys() == {"a", "b", "c"}
    assert sorted(handle) == ["a", "b", "c"]
    assert len(handle) == 3
    assert handle.remove("a") == 1
    assert handle.remove("a") is None
    del handle["b"]
    with pytest.raises(KeyError):
        handle["b"]
    with pytest.raises(KeyError):
        del handle["b"]
    assert handle.save_state() == {"c": None}
    assert repr(handle) == "<SavedStateHandle of c>"
    assert SavedStateHandle()


def test_what_cannot_be_saved_is_refused_when_it_is_set_and_the_old_value_stays() -> None:
    """V15."""
    handle = SavedStateHandle({"a": 1})
    flow = handle.get_mutable_state_flow("f", 1)
    message = r"the value of '{}' cannot be saved: (at \['x'\]\[1\] )?it is a object"

    with pytest.raises(ValueError, match=message.format("a")):
        handle["a"] = {"x": (1, object())}
    with pytest.raises(ValueError, match=message.format("f")):
        handle["f"] = object()
    with pytest.raises(ValueError, match=message.format("f")):
        flow.value = object()  # type: ignore[assignment]
    with pytest.raises(ValueError, match=message.format("f")):
        flow.update(lambda _: object())  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match=message.format("f")):
        flow.compare_and_set(1, object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message.format("n")):
        handle.get_state_flow("n", object())
    with pytest.raises(ValueError, match=message.format("i")):
        SavedStateHandle({"i": object()})

    assert handle.save_state() == {"a": 1, "f": 1}


def test_a_key_is_a_string() -> None:
    """V15."""

    class Keys(enum.StrEnum):
        QUERY = "query"

    handle = SavedStateHandle({Keys.QUERY: 1})

    assert handle["query"] == 1
    assert type(next(iter(handle))) is str
    for call in (
        lambda: handle.get(1),  # type: ignore[arg-type]
        lambda: handle.set(1, 1),  # type: ignore[arg-type]
        lambda: handle.remove(b"a"),  # type: ignore[arg-type]
        lambda: 1 in handle,
        lambda: handle.get_state_flow(None, 1),  # type: ignore[arg-type]
        lambda: handle.set_saved_state_provider(1, dict),  # type: ignore[arg-type]
        lambda: SavedStateHandle({1: 1}),  # type: ignore[dict-item]
    ):
        with pytest.raises(TypeError, match="a saved value is kept by a string as its key, got"):
            call()


# ---- flows


def test_a_key_has_one_flow_to_read_and_one_to_set_and_they_agree() -> None:
    """V16."""
    handle = SavedStateHandle({"a": 1})

    read, write = handle.get_state_flow("a", 0), handle.get_mutable_state_flow("a", 0)

    assert handle.get_state_flow("a", 5) is read
    assert handle.get_mutable_state_flow("a", 5) is write
    assert isinstance(read, StateFlow)
    assert not isinstance(read, MutableStateFlow)
    assert (read.value, write.value, handle["a"]) == (1, 1, 1)
    handle["a"] = 2
    assert (read.value, write.value, handle["a"]) == (2, 2, 2)
    write.value = 3
    assert (read.value, write.value, handle["a"]) == (3, 3, 3)
    assert handle.save_state() == {"a": 3}


def test_the_initial_value_is_kept_where_there_was_none() -> None:
    """V16."""
    handle = SavedStateHandle({"a": None})

    assert handle.get_state_flow("a", 7).value is None
    assert handle.get_state_flow("b", 7).value == 7
    assert handle["b"] == 7
    assert handle.save_state() == {"a": None, "b": 7}
    assert handle.keys() == {"a", "b"}


def test_a_flow_of_a_key_that_was_removed_is_on_its_own() -> None:
    """V15."""
    handle = SavedStateHandle({"a": 0})
    old = handle.get_mutable_state_flow("a", 9)
    old.value = 1

    assert handle.remove("a") == 1
    old.value = 2
    assert "a" not in handle
    handle["a"] = 3
    assert old.value == 2
    new = handle.get_mutable_state_flow("a", 4)

    assert new is not old
    assert new.value == 3
    old.value = 5
    assert handle["a"] == 3


def test_who_collects_sees_what_is_set_in_the_handle(main: VMain) -> None:
    """V16."""
    handle = SavedStateHandle()
    seen: list[Any] = []
    with CoroutineScope(Dispatchers.Main.immediate) as scope:
        scope.launch(handle.get_state_flow("a", 0).collect, seen.append)
        main.drain()
        handle["a"] = 1
        main.drain()
        handle.get_mutable_state_flow("a", 0).value = 2
        main.drain()
        scope.cancel()

    assert seen == [0, 1, 2]


def test_a_list_that_is_changed_in_place_is_saved_as_it_is_then() -> None:
    handle = SavedStateHandle({"a": [1]})
    handle["a"].append(2)
    assert handle.save_state() == {"a": [1, 2]}

    handle.get_state_flow("a", [])
    handle["a"].append(3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        handle["a"] = handle["a"]

    assert [each.category for each in caught] == [VmScopeWarning]
    assert handle.save_state() == {"a": [1, 2, 3]}


# ---- providers


def test_a_provider_may_give_the_same_object_changed() -> None:
    """V17: whoever sets it to a flow is warned, which here is an error."""
    handle, items = SavedStateHandle(), ["one"]
    flow = handle.get_state_flow("a", [])
    handle.set_saved_state_provider("a", lambda: items)

    assert handle.save_state() == {"a": ["one"]}
    items.append("two")
    assert handle.save_state() == {"a": ["one", "two"]}
    assert flow.value is items


def test_a_provider_is_called_at_each_save_and_gives_the_value() -> None:
    """V17."""
    handle = SavedStateHandle({"a": "before"})
    calls: list[int] = []

    def provide() -> object:
        calls.append(1)
        return len(calls)

    handle.set_saved_state_provider("a", provide)
    flow = handle.get_state_flow("a", "")

    assert handle["a"] == "before"
    assert handle.save_state() == {"a": 1}
    assert (handle["a"], flow.value) == (1, 1)
    assert handle.save_state() == {"a": 2}
    handle.clear_saved_state_provider("a")
    handle.clear_saved_state_provider("a")
    assert handle.save_state() == {"a": 2}
    assert len(calls) == 2


def test_a_provider_alone_is_a_key_without_a_value() -> None:
    """V17."""
    handle = SavedStateHandle()
    handle.set_saved_state_provider("a", lambda: 1)

    assert handle.keys() == {"a"}
    assert "a" not in handle


def test_removing_a_key_drops_its_provider() -> None:
    """V17."""
    handle = SavedStateHandle()
    handle.set_saved_state_provider("a", lambda: 1)

    handle.remove("a")

    assert handle.save_state() == {}
    assert not handle.keys()


def test_a_provider_may_use_the_handle_that_calls_it() -> None:
    """V17."""
    handle = SavedStateHandle()

    def remove_the_next() -> object:
        handle.remove("b")
        handle.set_saved_state_provider("c", lambda: 3)
        return handle.get("x")

    handle.set_saved_state_provider("a", remove_the_next)
    handle.set_saved_state_provider("b", lambda: 2)

    assert handle.save_state() == {"a": None}
    assert handle.save_state() == {"a": None, "c": 3}


def test_what_a_provider_gives_must_be_savable() -> None:
    """V17."""
    handle = SavedStateHandle({"a": 1})
    handle.set_saved_state_provider("a", object)

    with pytest.raises(ValueError, match="the value of 'a' cannot be saved: it is a object"):
        handle.save_state()
    with pytest.raises(TypeError, match="the provider of 'a' is called without arguments, got 3"):
        handle.set_saved_state_provider("a", 3)  # type: ignore[arg-type]
    assert handle["a"] == 1


# ---- threads


def test_threads_that_set_remove_save_and_ask_for_flows_leave_one_value() -> None:
    """V16: no order of them gives two flows for a key, or a value that the flow does not show."""
    handle = SavedStateHandle()
    gate = threading.Barrier(5)
    failures: list[BaseException] = []

    def work(act: Any) -> None:
        try:
            gate.wait()
            for number in range(200):
                act(number)
        except BaseException as failure:  # noqa: BLE001  (shown by the test's thread)
            failures.append(failure)

    acts = [
        lambda number: handle.set("a", number),
        lambda number: handle.remove("a"),
        lambda number: handle.get_state_flow("a", -1),
        lambda number: handle.get_mutable_state_flow("a", -1).update(lambda old: -2),
        lambda number: handle.save_state(),
    ]
    threads = [threading.Thread(target=work, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    flow = handle.get_mutable_state_flow("a", 0)
    flow.value = 1000
    assert handle.save_state() == {"a": 1000}
    assert handle.get_state_flow("a", 0).value == 1000


def test_of_many_threads_that_ask_for_a_flow_all_get_the_same() -> None:
    """V16."""
    for _ in range(30):
        handle = SavedStateHandle()
        gate = threading.Barrier(4)
        got: list[Any] = []

        def ask(number: int, handle: SavedStateHandle = handle, gate: Any = gate, got: list[Any] = got) -> None:
            gate.wait()
            got.append(handle.get_mutable_state_flow("a", number))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(set(map(id, got))) == 1
        assert handle["a"] == got[0].value
