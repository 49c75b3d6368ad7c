"""SavedStateRegistry: providers by key, and what was restored, taken once."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from vmscope import IllegalStateError
from vmscope.lifecycle import SavedStateRegistry, SavedStateRegistryOwner


def restored(state: dict[str, Any] | None) -> SavedStateRegistry:
    registry = SavedStateRegistry()
    registry.restore(state)
    return registry


def test_what_was_restored_is_given_once() -> None:
    """V18."""
    registry = restored({"a": {"x": 1}, "b": 2})

    assert registry.consume_restored_state("a") == {"x": 1}
    assert registry.consume_restored_state("a") is None
    assert registry.consume_restored_state("b") == 2
    assert registry.consume_restored_state("other") is None


def test_asking_before_the_restore_is_an_error() -> None:
    """V18."""
    registry = SavedStateRegistry()

    assert not registry.is_restored
    with pytest.raises(IllegalStateError, match=r"'a' was asked for before .*restore_from\(path\).*restore\(None\)"):
        registry.consume_restored_state("a")


def test_a_second_restore_is_an_error() -> None:
    registry = restored(None)

    assert registry.is_restored
    for again in (lambda: registry.restore({}), lambda: registry.restore_from("nothing.json")):
        with pytest.raises(IllegalStateError, match="restored already"):
            again()


def test_a_save_has_what_each_provider_gives_at_that_moment() -> None:
    """V18."""
    registry = restored(None)
    rows = [1]
    registry.register_saved_state_provider("rows", lambda: {"rows": rows})
    registry.register_saved_state_provider("none", lambda: None)

    first = registry.save()
    rows.append(2)

    assert first == {"rows": {"rows": [1]}}
    assert registry.save() == {"rows": {"rows": [1, 2]}}


def test_a_key_has_one_provider() -> None:
    """V18."""
    registry = SavedStateRegistry()
    one, other = dict, list

    registry.register_saved_state_provider("a", one)
    with pytest.raises(ValueError, match="registered for 'a' already: unregister"):
        registry.register_saved_state_provider("a", other)
    assert registry.get_saved_state_provider("a") is one
    registry.unregister_saved_state_provider("a")
    registry.unregister_saved_state_provider("a")
    registry.register_saved_state_provider("a", other)

    assert registry.save() == {"a": []}
    assert registry.get_saved_state_provider("b") is None


def test_what_nobody_took_is_saved_again_until_somebody_takes_it_or_saves_there() -> None:
    registry = restored({"a": 1, "b": 2, "c": 3})
    registry.register_saved_state_provider("b", lambda: "new")
    registry.register_saved_state_provider("c", lambda: None)

    assert registry.save() == {"a": 1, "b": "new"}
    registry.consume_restored_state("a")
    assert registry.save() == {"b": "new"}


def test_what_is_restored_shares_nothing_with_what_it_was_restored_from() -> None:
    state = {"a": [1]}
    registry = restored(state)

    state["a"].append(2)

    assert registry.consume_restored_state("a") == [1]


def test_a_registry_may_be_saved_in_another_one() -> None:
    outer, inner = restored(None), restored(None)
    inner.register_saved_state_provider("x", lambda: 7)
    outer.register_saved_state_provider("tab", inner.save)

    again = restored(restored(outer.save()).consume_restored_state("tab"))

    assert again.consume_restored_state("x") == 7


@pytest.mark.parametrize("key", ["", "$", "$x", "a b", "\ud800", "Ω"])
def test_any_string_is_a_key(key: str) -> None:
    registry = restored(None)
    registry.register_saved_state_provider(key, lambda: 1)

    assert restored(registry.save()).consume_restored_state(key) == 1


def test_the_key_may_be_a_string_enum() -> None:
    class Part(enum.StrEnum):
        SEARCH = "search"

    registry = restored({"search": 1})

    assert registry.consume_restored_state(Part.SEARCH) == 1


def test_misuse_is_told() -> None:
    registry = restored(None)

    with pytest.raises(TypeError, match="kept by a string as its key, got 1"):
        registry.register_saved_state_provider(1, dict)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"provider of 'a' is called without arguments, got \{\}"):
        registry.register_saved_state_provider("a", {})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="restored state is kept by a string"):
        registry.consume_restored_state(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"takes what save\(\) has returned, or None, got \[\]"):
        SavedStateRegistry().restore([])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a state is kept by a string"):
        SavedStateRegistry().restore({1: 1})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"the state to restore cannot be saved: at \['a'\] it is a object"):
        SavedStateRegistry().restore({"a": object()})


def test_a_provider_that_raises_is_named_and_nothing_is_saved() -> None:
    registry = restored(None)

    def broken() -> object:
        raise ZeroDivisionError

    registry.register_saved_state_provider("broken", broken)

    with pytest.raises(ZeroDivisionError) as caught:
        registry.save()
    assert caught.value.__notes__ == ["raised by the provider of saved state under 'broken': nothing was saved"]


def test_a_provider_may_use_the_registry_that_calls_it() -> None:
    registry = restored({"b": 2})

    def provide() -> object:
        registry.unregister_saved_state_provider("a")
        registry.register_saved_state_provider("later", lambda: 3)
        return registry.consume_restored_state("b")

    registry.register_saved_state_provider("a", provide)

    assert registry.save() == {"a": 2, "b": 2}
    assert registry.save() == {"later": 3}


def test_whoever_has_a_registry_owns_it() -> None:
    class Window:
        saved_state_registry = SavedStateRegistry()

    assert isinstance(Window(), SavedStateRegistryOwner)
    assert not isinstance(object(), SavedStateRegistryOwner)


def test_the_repr_tells_the_state() -> None:
    registry = SavedStateRegistry()
    assert repr(registry) == "<SavedStateRegistry of 0, not restored>"

    registry.restore(None)
    registry.register_saved_state_provider("a", dict)

    assert repr(registry) == "<SavedStateRegistry of 1, restored>"
