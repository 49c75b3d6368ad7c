"""The public face: what `face.txt` records is what a user gets, and each name explains itself.

Changed on purpose? `python -m tests.test_face > tests/face.txt`, and the change of the face stands in the diff.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import pathlib
import pkgutil
import types
from collections.abc import Callable, Iterator
from typing import ForwardRef, get_overloads

import pytest

import vmscope

RECORDED = pathlib.Path(__file__).with_name("face.txt")
NOT_FOR_IMPORT = ("vmscope.demo",)  # a program, not a library
IN_ROOMS = ("vmscope.hosts.",)  # where each file is a name of its own: a program imports the one it needs
MODULES = ["vmscope"] + [
    found.name
    for found in pkgutil.walk_packages(vmscope.__path__, "vmscope.")
    if not any(part.startswith("_") for part in found.name.split("."))
    and not found.name.startswith(NOT_FOR_IMPORT)
    and (found.name.count(".") == 1 or found.name.startswith(IN_ROOMS))
]


def public() -> Iterator[tuple[str, object]]:
    """Yield each name and its thing once: from the top where it stands there, else from its room."""
    seen: set[int] = set()
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            if id(thing) not in seen:
                seen.add(id(thing))
                yield f"{module_name}.{name}", thing


def default_of(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return value.__qualname__
    shown = repr(value)
    return "..." if " at 0x" in shown else shown


def signature_of(thing: object) -> str:
    """The signature, spelled alike on every Python: annotations as they stand in the source."""
    parts: list[str] = []
    try:
        signature = inspect.signature(thing)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(...)"
    previous = None
    for parameter in signature.parameters.values():
        if previous is parameter.POSITIONAL_ONLY and parameter.kind is not parameter.POSITIONAL_ONLY:
            parts.append("/")
        after_star = previous in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        if parameter.kind is parameter.KEYWORD_ONLY and not after_star:
            parts.append("*")
        text = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "") + parameter.name
        if parameter.annotation is not parameter.empty:
            text += f": {annotation_of(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {default_of(parameter.default)}"
        parts.append(text)
        previous = parameter.kind
    if previous is inspect.Parameter.POSITIONAL_ONLY:
        parts.append("/")
    result = signature.return_annotation
    return f"({', '.join(parts)})" + ("" if result is signature.empty else f" -> {annotation_of(result)}")


def annotation_of(annotation: object) -> str:
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def signatures_of(thing: Callable[..., object]) -> list[str]:
    """Each overload, or the one signature there is."""
    return [signature_of(one) for one in get_overloads(thing)] or [signature_of(thing)]


def members(cls: type, recorded: set[type]) -> Iterator[str]:
    """Yield a line for each public member that no other recorded class has given already."""
    for attribute in sorted(name for name in dir(cls) if not name.startswith("_")):
        owner = next((base for base in cls.__mro__ if attribute in vars(base)), None)
        if owner is None or not owner.__module__.startswith("vmscope") or (owner is not cls and owner in recorded):
            continue  # of the standard library, or recorded where it belongs
        member = vars(owner)[attribute]
        inner = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if hasattr(inner, "__get__") and not callable(inner):  # a property, a slot, a descriptor of ours
            yield f".{attribute}"
        elif isinstance(inner, type):
            yield f".{attribute}: class"
        elif callable(inner):
            kind = {staticmethod: "  [static]", classmethod: "  [class]"}.get(type(member), "")
            yield from (f".{attribute}{signature}{kind}" for signature in signatures_of(inner))
        elif isinstance(cls, enum.EnumMeta) and isinstance(member, cls):
            yield f".{attribute} = {member.value!r}"
        else:
            yield f".{attribute}: {type(member).__name__}"


def face() -> Iterator[str]:
    everything = list(public())
    recorded = {thing for _, thing in everything if isinstance(thing, type)}
    for name, thing in everything:
        if isinstance(thing, type):
            bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
            signature = "" if issubclass(thing, enum.Enum) else signature_of(thing)
            yield f"class {name}{signature}" + (f"  [{bases}]" if bases else "")
            yield from (f"    {line}" for line in members(thing, recorded))
        elif callable(thing):
            yield from (f"{name}{signature}" for signature in signatures_of(thing))
        else:
            yield f"{name}: {type(thing).__name__}"


def test_the_face_is_the_recorded_one() -> None:
    recorded = RECORDED.read_text(encoding="utf-8").splitlines()

    assert list(face()) == recorded, "meant? python -m tests.test_face > tests/face.txt"


@pytest.mark.parametrize("module_name", MODULES)
def test_all_names_what_is_there_and_nothing_twice(module_name: str) -> None:
    module = importlib.import_module(module_name)

    assert len(set(module.__all__)) == len(module.__all__)
    assert not [name for name in module.__all__ if not hasattr(module, name)]


@pytest.mark.parametrize(("name", "thing"), [pytest.param(*pair, id=pair[0]) for pair in public()])
def test_every_public_name_has_a_docstring(name: str, thing: object) -> None:
    if isinstance(thing, type) or callable(thing):
        own = thing.__doc__
        assert own, f"{name} does not say what it is for"


if __name__ == "__main__":
    print("\n".join(face()))
