"""What can be saved comes back equal and of the same types; what cannot is refused where it stands."""

from __future__ import annotations

import decimal
import enum
import io
import json
import math
import struct
import subprocess
import sys
import types
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from vmscope.lifecycle import register_saved_type
from vmscope.lifecycle._codec import DEEPEST, decode, encode


def there_and_back(value: object) -> Any:
    text = json.dumps(encode(value, "it"), allow_nan=False)
    return decode(json.loads(text))


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down; nan is nan."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and all(any(same(item, it) for it in other) for item in one)
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, datetime | time):
        return repr(one) == repr(other)
    return bool(one == other) or (one != one and other != other)


@register_saved_type
class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


@register_saved_type
class Access(enum.Flag):
    READ = 1
    WRITE = 2


@register_saved_type
class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: tuple[int, ...] = ()


register_saved_type(Point, "point")


@register_saved_type
@dataclass(frozen=True)
class Draft:
    text: str
    at: datetime | None = None
    points: list[Point] = field(default_factory=list)
    length: int = field(init=False, default=0)
    LIMIT: ClassVar[int] = 3


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.cents == other.cents

    __hash__ = None  # type: ignore[assignment]


register_saved_type(Money, "money", encode=lambda money: money.cents, decode=Money)


class Plain:
    pass


class Text(str):
    __slots__ = ()


EXAMPLES: list[object] = [
    None, True, False, 0, 1, -1, 2**53 + 1, -(2**1023), 2**1024, -(2**100_000), 0.0, -0.0, 1e-320, 0.1,
    math.nan, math.inf, -math.inf, 1 + 2j, complex(-0.0, math.nan),
    "", "tram", "\0\n\"\\", "Ω≈ç√∫", "\U0001f68b", "\ud800", "\ud83d\ude8b", "$",
    b"", b"\x00\xff" * 5, bytearray(b"ab"), [], [1, [2, [3]]], (), (1,), ((), [()]), set(), {1, "a", (2,)},
    frozenset({1}), {frozenset({1})}, {}, {"a": {"b": None}}, {"$": 1}, {"$": "tuple", "v": []}, {"$x": 1, "y": 2},
    {1: "one", (1, 2): "pair", None: 0, False: 1}, {1.0: "f"}, {"\ud800": 1}, {"b": 1, "a": 2},
    date(1, 1, 1), date(2026, 2, 28), time(23, 59, 59, 999999), time(1, 2, fold=1), time(1, tzinfo=UTC),
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")), datetime.max,
    datetime(999, 1, 2, 3, 4, 5, 6),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-3, seconds=1), "here")), UTC,
    timedelta(-1, 2, 3), timedelta.max, ZoneInfo("Asia/Kathmandu"),
    decimal.Decimal("-0.00"), decimal.Decimal("NaN"), decimal.Decimal("1E+500"), Fraction(-1, 3), Fraction(10**700, 7),
    uuid.UUID(int=7), Path("a/b"), Path(), PurePosixPath("/x"), PureWindowsPath("C:\\x"), Path("\udc80"),
    Colour.RED, Colour.BLUE, Access.READ | Access.WRITE, Access(0), Level.LOW, Point(1, (2, 3)), Money(5),
    Draft("hm", datetime(2026, 1, 1), [Point(1)]), {Level.LOW: [Colour.RED]}, {Point(1): Draft("x")},
]  # fmt: skip


@pytest.mark.parametrize("value", EXAMPLES, ids=[type(value).__name__ for value in EXAMPLES])
def test_what_is_saved_comes_back_equal_and_of_the_same_type(value: object) -> None:
    """V18."""
    assert same(there_and_back(value), value)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.binary()
    | st.text(st.characters()) | st.text("$ab\ud800\udc00", max_size=3)
    | st.dates() | st.datetimes(timezones=st.none() | st.just(UTC)) | st.times() | st.timedeltas()
    | st.decimals(allow_nan=False) | st.fractions() | st.uuids() | st.sampled_from([*Colour, *Access, *Level])
)  # fmt: skip
HASHABLES = st.recursive(
    SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.sets(HASHABLES, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.dictionaries(HASHABLES, inner, max_size=3)
        | st.builds(Point, st.integers(), st.tuples(st.integers()))
    ),
    max_leaves=12,
)


@settings(max_examples=80)
@given(VALUES)
def test_any_value_made_of_these_comes_back(value: object) -> None:
    """V18."""
    assert same(there_and_back(value), value)


def test_what_comes_back_shares_nothing_with_what_was_saved() -> None:
    inner: list[int] = [1]

    back = there_and_back({"a": inner})
    inner.append(2)

    assert back == {"a": [1]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Plain(), r"^it cannot be saved: it is a Plain, and nothing tells how .*register_saved_type\(Plain, encode="),
        ({"rows": [1, (2, Plain())]}, r"^it cannot be saved: at \['rows'\]\[1\]\[1\] it is a Plain"),
        (Plain, r"it is a type"),
        (len, r"builtin_function_or_method"),
        (Text("x"), r"it is a Text"),
        (datetime(2026, 1, 1, tzinfo=type("Odd", (tzinfo,), {})()), r"\[2\] it is a Odd"),
        (object(), r"it is a object"),
        (iter([]), r"list_iterator"),
    ],
)
def test_what_cannot_be_saved_is_refused_and_the_place_is_told(value: object, message: str) -> None:
    """V15."""
    with pytest.raises(ValueError, match=message):
        encode(value, "it")


def test_a_time_zone_from_a_file_of_ones_own_has_no_name_to_find_it_by() -> None:
    """V15"""
    whole_file = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
    zone = ZoneInfo.from_file(io.BytesIO(whole_file))

    with pytest.raises(ValueError, match=r"it is a ZoneInfo made from a file, which has no key"):
        encode(zone, "it")


def test_a_module_that_another_thread_is_just_importing_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """V15: what is saved is not of it. Its types are known as soon as it is there."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "fractions", types.ModuleType("fractions"))
        with pytest.raises(ValueError, match="it is a Plain"):
            encode(Plain(), "it")
    assert there_and_back(Fraction(1, 3)) == Fraction(1, 3)


def test_an_enum_or_dataclass_that_is_not_registered_is_told_how() -> None:
    class Side(enum.Enum):
        LEFT = 1

    with pytest.raises(ValueError, match=r"at \['side'\] it is a .*Side, .* decorate the class"):
        encode({"side": Side.LEFT}, "it")


def test_what_contains_itself_is_refused_and_what_is_deep_enough_taken() -> None:
    circle: list[object] = []
    circle.append(circle)
    deep: list[object] = []
    for _ in range(DEEPEST - 1):
        deep = [deep]

    assert there_and_back(deep) == deep
    for value in (circle, {"a": circle}, [deep, [[deep]]]):
        with pytest.raises(ValueError, match=f"nested more than {DEEPEST} levels deep: does it contain itself"):
            encode(value, "it")


def test_what_a_codec_raises_goes_through() -> None:
    def refuse(value: Any) -> object:
        raise ZeroDivisionError

    class Odd:
        pass

    register_saved_type(Odd, "odd", encode=refuse, decode=refuse)

    with pytest.raises(ZeroDivisionError):
        encode([Odd()], "it")


# ---- reading


@pytest.mark.parametrize(
    "plain",
    [{"$": "nobody's", "v": 1}, {"$": "tuple"}, {"$": 1, "v": []}, {"$": "tuple", "v": [], "w": 1}, [{"$": None}]],
)
def test_a_value_of_a_type_that_nobody_knows_is_refused(plain: object) -> None:
    with pytest.raises(ValueError, match="nothing here can read: import the module that registers it"):
        decode(plain)


@pytest.mark.parametrize(
    "plain",
    [
        {"$": "tuple", "v": 1}, {"$": "bytes", "v": "!"}, {"$": "datetime.date", "v": "soon"}, {"$": "set", "v": [[]]},
        {"$": "datetime.datetime", "v": []}, {"$": "point", "v": {"z": 1}}, {"$": "uuid.UUID", "v": 3},
        {"$": f"{__name__}.Colour", "v": "GREEN"}, {"$": "zoneinfo.ZoneInfo", "v": "Nowhere/Land"},
        {"$": f"{__name__}.Draft", "v": {"title": "old"}},
    ],
)  # fmt: skip
def test_a_value_that_its_codec_cannot_make_is_refused(plain: object) -> None:
    with pytest.raises(ValueError, match="could not be made again"):
        decode(plain)


def test_a_name_in_a_file_imports_nothing_but_what_the_library_knows() -> None:
    program = """
import sys
from vmscope.lifecycle._codec import decode
assert decode({"$": "fractions.Fraction", "v": [1, 3]}).denominator == 3
before = set(sys.modules)
try:
    decode({"$": "wsgiref.util", "v": 1})
except ValueError:
    print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout == "[]\n", done.stderr


# ---- registering


def test_a_class_with_a_name_of_its_own_may_move() -> None:
    assert encode(Point(1), "it") == {"$": "point", "v": {"x": 1, "y": {"$": "tuple", "v": []}}}
    assert encode(Colour.RED, "it") == {"$": f"{__name__}.Colour", "v": "RED"}


def test_the_same_class_may_be_registered_again_after_a_reload() -> None:
    old, new = (register_saved_type(enum.Enum("Reloaded", "A", module=__name__)) for _ in range(2))

    assert there_and_back(new["A"]) is new["A"]
    assert old is not new


def test_misuse_of_the_registration_is_refused() -> None:
    with pytest.raises(ValueError, match="'money' is that of Money: give another one"):
        register_saved_type(Plain, "money", encode=str, decode=str)
    with pytest.raises(ValueError, match="'tuple' is the library's own"):
        register_saved_type(Plain, "tuple", encode=str, decode=str)
    with pytest.raises(ValueError, match=r"'datetime\.x' is the library's own"):
        register_saved_type(Plain, "datetime.x", encode=str, decode=str)
    for cls in (dict, tuple, str, type(None), timedelta):
        with pytest.raises(ValueError, match="is saved by the library itself"):
            register_saved_type(cls, "mine", encode=str, decode=str)
    with pytest.raises(TypeError, match="no Enum, dataclass or NamedTuple"):
        register_saved_type(Plain)
    with pytest.raises(TypeError, match="encode and decode together"):
        register_saved_type(Plain, encode=str)
    with pytest.raises(TypeError, match="takes a class, got 3"):
        register_saved_type(3)  # type: ignore[type-var]
