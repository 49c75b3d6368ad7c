"""CreationExtras: typed keys, unchangeable, joined with +."""

from __future__ import annotations

import pytest

from vmscope import VIEW_MODEL_KEY, CreationExtras, CreationExtrasKey, MutableCreationExtras

USER: CreationExtrasKey[int] = CreationExtrasKey("user")
PLACE: CreationExtrasKey[str] = CreationExtrasKey("place")


def test_a_key_that_is_absent_gives_none_or_the_default() -> None:
    extras = CreationExtras({USER: 7})

    assert extras[USER] == 7
    assert extras[PLACE] is None
    assert extras.get(PLACE, "here") == "here"
    assert USER in extras
    assert PLACE not in extras
    assert list(extras) == [USER]
    assert len(extras) == 1


def test_two_keys_of_one_name_are_two_keys() -> None:
    assert CreationExtrasKey[int]("user") not in CreationExtras({USER: 7})


def test_the_right_side_of_plus_wins_and_neither_side_changes() -> None:
    left = CreationExtras({USER: 1, PLACE: "left"})
    right = CreationExtras({USER: 2})

    joined = left + right

    assert isinstance(joined, MutableCreationExtras)
    assert joined == CreationExtras({USER: 2, PLACE: "left"})
    assert left[USER] == 1
    assert right[PLACE] is None


def test_a_mutable_copy_does_not_reach_back() -> None:
    fixed = CreationExtras({USER: 1})

    copy = MutableCreationExtras(fixed)
    copy[USER] = 2
    copy += CreationExtras({PLACE: "new"})

    assert fixed == CreationExtras({USER: 1})
    assert copy == CreationExtras({USER: 2, PLACE: "new"})
    with pytest.raises(TypeError):
        fixed[USER] = 3  # type: ignore[index]


def test_empty_extras_are_true_and_equal_to_each_other() -> None:
    assert CreationExtras.EMPTY
    assert CreationExtras() == MutableCreationExtras() == CreationExtras.EMPTY


@pytest.mark.parametrize("key", ["user", None, 3])
def test_only_a_key_is_a_key(key: object) -> None:
    with pytest.raises(TypeError, match="CreationExtrasKey"):
        CreationExtras.EMPTY[key]  # type: ignore[index]
    with pytest.raises(TypeError, match="CreationExtrasKey"):
        CreationExtras({key: 1})  # type: ignore[dict-item]


def test_plus_takes_extras_only() -> None:
    with pytest.raises(TypeError):
        CreationExtras.EMPTY + {USER: 1}  # type: ignore[operator]
    extras = MutableCreationExtras({USER: 1})
    with pytest.raises(TypeError):
        extras += {USER: 2}  # type: ignore[arg-type]
    assert extras[USER] == 1


def test_the_repr_shows_names_and_values() -> None:
    assert repr(CreationExtras({USER: 7, VIEW_MODEL_KEY: "k"})) == "CreationExtras(user=7, view_model_key='k')"
    assert repr(USER) == "CreationExtrasKey('user')"
