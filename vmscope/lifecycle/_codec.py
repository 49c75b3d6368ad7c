"""What can be saved: Python values as plain JSON and back, each as the type that it was.

Plain are None, bool, float, str, list, int, and a dict whose keys are strings. Everything else has a codec: a name and
two functions, to a simpler value that can be saved itself, and back. It is written as `{"$": name, "v": simpler}`.
Invariants
    D1  what `encode` has taken, `decode` gives back: equal, of the same types, and sharing nothing with it.
    D2  `decode` makes what a codec was registered for, and nothing else: no text in a file imports or calls anything.
Only exact types count. An instance of a subclass would come back as its base, so it needs a codec of its own.
Locks
    `_lock` guards `_by_type` and `_by_name` while they change; they are read without it, a look-up is one step. A leaf.
Counterpart: the types of android.os.Bundle; Parcelable, for `register_saved_type`.
"""

from __future__ import annotations

import sys
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from enum import Enum, Flag
from importlib import import_module
from math import isfinite
from typing import Any, NamedTuple, TypeVar, cast

from .._primitives import RLock

T = TypeVar("T")

DEEPEST = 100  # levels; far above what a screen keeps, and far below what the stack and a JSON parser can do
_JSON_BITS = 1024  # an int of more digits meets the interpreter's limit for int to str (640 at the lowest)


class Codec(NamedTuple):
    """How the values of one class are saved."""

    cls: type
    name: str
    encode: Callable[[Any], object]
    decode: Callable[[Any], object]


class UnsavableError(ValueError):
    """Why a value cannot be saved, and at which place in it. Inside: users see the ValueError that `encode` makes."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.steps: list[str] = []  # from the place outwards

    def place(self) -> str:
        """Where in the value, as a suffix that Python would read: `['rows'][3]`."""
        return "".join(reversed(self.steps))


# ---- there


def encode(value: object, what: str) -> object:
    """Return `value` as plain JSON.

    Args:
        what: What is saved, for the message.

    Raises:
        ValueError: Something in it is of a type that has no codec, or it is nested too deep. What a codec of the
            user's raises goes through.
    """
    try:
        return _encode(value, 0)
    except UnsavableError as refusal:
        place = refusal.place()
        raise ValueError(f"{what} cannot be saved: {f'at {place} ' if place else ''}it {refusal}") from None


def _encode(value: object, depth: int) -> object:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if depth > DEEPEST:
        raise UnsavableError(f"is nested more than {DEEPEST} levels deep: does it contain itself?")
    if kind is dict:
        value = cast("dict[str, object]", value).copy()  # in one step: another thread may change it meanwhile
    if _is_plain(kind, value):
        if kind is list:
            return [_encode_at(index, item, depth) for index, item in enumerate(cast("list[object]", value))]
        if kind is dict:
            return {key: _encode_at(key, item, depth) for key, item in cast("dict[str, object]", value).items()}
        return value
    codec = _codec_for(kind)
    if codec is None:
        raise UnsavableError(_advice(kind))
    return {"$": codec.name, "v": _encode(codec.encode(value), depth + 1)}


def _encode_at(step: object, item: object, depth: int) -> object:
    try:
        return _encode(item, depth + 1)
    except UnsavableError as refusal:
        refusal.steps.append(f"[{step!r}]")
        raise


def _is_plain(kind: type, value: Any) -> bool:
    """Say whether JSON has this value itself, and would give it back as it is."""
    if kind is str:
        return _is_text(value)
    if kind is int:
        return bool(value.bit_length() <= _JSON_BITS)
    if kind is float:
        return isfinite(value)
    if kind is dict:
        return all(type(key) is str and _is_text(key) and not key.startswith("$") for key in value)
    return kind is list


def _is_text(text: str) -> bool:
    # Surrogates are no text: two that stand side by side come back from JSON as one character.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _advice(kind: type) -> str:
    name = kind.__qualname__
    if issubclass(kind, Enum) or hasattr(kind, "__dataclass_fields__") or hasattr(kind, "_fields"):
        return f"is a {name}, which is not registered: decorate the class with @register_saved_type"
    return (
        f"is a {name}, and nothing tells how to save one: keep plain values, or "
        f"register_saved_type({name}, encode=..., decode=...)"
    )


# ---- and back


def decode(plain: object) -> Any:
    """Return the value that `encode` made `plain` of.

    Raises:
        ValueError: It was not made by `encode`, or by one that knew other types.
    """
    if isinstance(plain, list):
        return [decode(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if "$" not in plain:
        return {key: decode(item) for key, item in plain.items()}
    name = plain["$"]
    codec = _codec_named(name) if isinstance(name, str) else None
    if codec is None or plain.keys() != {"$", "v"}:
        raise ValueError(
            f"it has a value of the type {name!r}, which nothing here can read: import the module that registers it "
            "before the state is restored"
        )
    simpler = decode(plain["v"])
    try:
        return codec.decode(simpler)
    except Exception as failure:
        raise ValueError(
            f"a saved {name!r} could not be made again ({type(failure).__name__}: {failure}): where its class has "
            "changed since, register it with a decode that takes the old form too"
        ) from failure


# ---- types of the user's


def register_saved_type(
    cls: type[T],
    name: str | None = None,
    *,
    encode: Callable[[T], object] | None = None,
    decode: Callable[[Any], T] | None = None,
) -> type[T]:
    """Let values of `cls` be saved. An Enum, a dataclass and a NamedTuple need no functions:

        @register_saved_type
        @dataclass(frozen=True)
        class Draft: ...

        register_saved_type(Money, "money", encode=str, decode=Money.parse)

    Args:
        cls: The class; a subclass is registered for itself.
        name: What stands in the file. By default the module and the qualified name of the class: with a name of its
            own it may be moved or renamed later.
        encode: Gives a simpler value that can be saved: text, a tuple, a dict, another registered type.
        decode: Makes a `cls` of that again. It must be ready for what an older version of the program has saved.

    Returns:
        `cls`, so that it can decorate.

    Raises:
        ValueError: Another class has that name, or `cls` is saved by the library itself.
        TypeError: Not a class, one function without the other, or none for a class that needs them.

    Threads: any; where classes are defined, as a rule.
    Android: Parcelable and @Parcelize.
    """
    if not isinstance(cls, type):
        raise TypeError(f"register_saved_type takes a class, got {cls!r}")
    if (encode is None) is not (decode is None):
        raise TypeError(f"register_saved_type({cls.__qualname__}) takes encode and decode together, or neither")
    there, back = _derived(cls) if encode is None or decode is None else (encode, decode)
    codec = Codec(cls, f"{cls.__module__}.{cls.__qualname__}" if name is None else name, there, back)
    if _codec_for(cls) in _OWN or cls in _PLAIN:
        raise ValueError(f"{cls.__qualname__} is saved by the library itself")
    if codec.name.partition(".")[0] in _STANDARD or codec.name in _OWN_NAMES:
        raise ValueError(f"the name {codec.name!r} is the library's own: give {cls.__qualname__} another one")
    with _lock:
        other = _by_name.get(codec.name)
        if other is not None and _full_name(other.cls) != _full_name(cls):
            raise ValueError(f"the name {codec.name!r} is that of {other.cls.__qualname__}: give another one")
        _by_name[codec.name] = codec  # the same class once more: its module was loaded again
        _by_type[cls] = codec
    return cls


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _derived(cls: Any) -> tuple[Callable[[Any], object], Callable[[Any], Any]]:
    """Return the two functions for a class that tells by itself what it is made of."""
    if issubclass(cls, Flag):
        return lambda flag: flag.value, cls
    if issubclass(cls, Enum):
        return lambda member: member.name, lambda name: cls[name]
    if hasattr(cls, "__dataclass_fields__"):
        names = [name for name, field in cls.__dataclass_fields__.items() if field.init and _is_field(field)]
        return lambda one: {name: getattr(one, name) for name in names}, lambda values: cls(**values)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        names = cast("Any", cls)._fields
        return lambda row: dict(zip(names, row, strict=True)), lambda values: cls(**values)
    raise TypeError(
        f"{cls.__qualname__} is no Enum, dataclass or NamedTuple, so it does not tell what it is made of: "
        f"register_saved_type({cls.__qualname__}, encode=..., decode=...)"
    )


def _is_field(field: Any) -> bool:
    return getattr(field._field_type, "name", "") == "_FIELD"  # not a ClassVar or an InitVar, which stand there too


# ---- what the library knows


def _standard_datetime(module: Any) -> list[Codec]:
    def without_zone(moment: Any) -> object:
        return [moment.replace(tzinfo=None, fold=0).isoformat(), moment.fold, moment.tzinfo]

    def with_zone(cls: Any) -> Callable[[Any], object]:
        return lambda parts: cls.fromisoformat(parts[0]).replace(fold=parts[1], tzinfo=parts[2])

    return [
        Codec(module.date, "datetime.date", lambda day: day.isoformat(), module.date.fromisoformat),
        Codec(module.datetime, "datetime.datetime", without_zone, with_zone(module.datetime)),
        Codec(module.time, "datetime.time", without_zone, with_zone(module.time)),
        Codec(
            module.timedelta,
            "datetime.timedelta",
            lambda length: [length.days, length.seconds, length.microseconds],
            lambda parts: module.timedelta(*parts),
        ),
        Codec(
            module.timezone,
            "datetime.timezone",
            lambda zone: list(zone.__getinitargs__()),
            lambda parts: module.timezone(*parts),
        ),
    ]


def _standard_pathlib(module: Any) -> list[Codec]:
    return [
        # one name for both: a file that was written on another system still gives paths
        Codec(type(module.Path()), "pathlib.Path", str, module.Path),
        Codec(module.PurePosixPath, "pathlib.PurePosixPath", str, module.PurePosixPath),
        Codec(module.PureWindowsPath, "pathlib.PureWindowsPath", str, module.PureWindowsPath),
    ]


def _standard_fractions(module: Any) -> list[Codec]:
    return [
        Codec(
            module.Fraction,
            "fractions.Fraction",
            lambda fraction: [fraction.numerator, fraction.denominator],
            lambda parts: module.Fraction(*parts),
        )
    ]


def _zone_key(zone: Any) -> object:
    if zone.key is None:
        raise UnsavableError("is a ZoneInfo made from a file, which has no key to find it by again")
    return zone.key


# By the module that has the types. A value of such a type can only be there once its module is loaded, so these are
# looked at late: nobody pays for `decimal` who has no Decimal.
_STANDARD: dict[str, Callable[[Any], list[Codec]]] = {
    "datetime": _standard_datetime,
    "decimal": lambda module: [Codec(module.Decimal, "decimal.Decimal", str, module.Decimal)],
    "fractions": _standard_fractions,
    "pathlib": _standard_pathlib,
    "uuid": lambda module: [Codec(module.UUID, "uuid.UUID", str, module.UUID)],
    "zoneinfo": lambda module: [Codec(module.ZoneInfo, "zoneinfo.ZoneInfo", _zone_key, module.ZoneInfo)],
}

_PLAIN = (type(None), bool, int, float, str, list, dict)
_SURROGATES = ("utf-8", "surrogatepass")


def _in_base64(data: bytes | bytearray) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def _from_base64(text: str) -> bytes:
    return a2b_base64(text, strict_mode=True)


_BUILT_IN = [
    # plain types, for the values of theirs that JSON would not give back
    Codec(int, "int", hex, lambda text: int(text, 16)),
    Codec(float, "float", repr, float),
    Codec(str, "str", lambda text: text.encode(*_SURROGATES), lambda data: data.decode(*_SURROGATES)),
    Codec(dict, "dict", lambda pairs: [[key, value] for key, value in pairs.items()], dict),
    Codec(bytes, "bytes", _in_base64, _from_base64),
    Codec(bytearray, "bytearray", _in_base64, lambda text: bytearray(_from_base64(text))),
    Codec(complex, "complex", lambda number: [number.real, number.imag], lambda parts: complex(*parts)),
    Codec(tuple, "tuple", list, tuple),
    Codec(set, "set", lambda items: list(items.copy()), set),
    Codec(frozenset, "frozenset", list, frozenset),
]
_lock = RLock()
_by_type: dict[type, Codec] = {codec.cls: codec for codec in _BUILT_IN}
_by_name: dict[str, Codec] = {codec.name: codec for codec in _BUILT_IN}
_OWN: set[Codec | None] = set(_BUILT_IN)
_OWN_NAMES = frozenset(_by_name)


def _codec_for(kind: type) -> Codec | None:
    codec = _by_type.get(kind)
    if codec is None:
        for module in _STANDARD:
            if module in sys.modules:
                _load(module)
        codec = _by_type.get(kind)
    return codec


def _codec_named(name: str) -> Codec | None:
    codec = _by_name.get(name)
    if codec is None and (module := name.partition(".")[0]) in _STANDARD:
        import_module(module)
        _load(module)
        codec = _by_name.get(name)
    return codec


def _load(module: str) -> None:
    try:
        codecs = _STANDARD[module](sys.modules[module])
    except AttributeError:  # another thread is just importing it
        return
    with _lock:
        for codec in codecs:
            if codec.name not in _by_name:
                _OWN.add(codec)
                _by_type[codec.cls] = _by_name[codec.name] = codec
