"""CoroutineContext: what a coroutine runs with, a map of elements by key, joined with `+`.

An element is itself a context of one entry. A key is a class: `context[Job]`, `context[CoroutineName]`. The class that
derives straight from ContextElement is the key of all that derive from it.
Immutable, so no locks.
Counterpart: kotlin.coroutines.CoroutineContext.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

E = TypeVar("E", bound="ContextElement")


class CoroutineContext:
    """Elements by key. Join two with `+`: on the same key the right one wins.

    Threads: any; it never changes.
    Kotlin: CoroutineContext; `get` is also written `context[Key]`, and None where the key is absent.
    """

    __slots__ = ()

    def get(self, key: type[E]) -> E | None:
        """Return the element under `key`, None where there is none."""
        return self._entries().get(key)  # type: ignore[return-value]

    def __getitem__(self, key: type[E]) -> E | None:
        return self._entries().get(key)  # type: ignore[return-value]

    def __contains__(self, key: type[ContextElement]) -> bool:
        return key in self._entries()

    def __iter__(self) -> Iterator[ContextElement]:
        return iter(tuple(self._entries().values()))

    def __len__(self) -> int:
        return len(self._entries())

    def __bool__(self) -> bool:
        return True  # an empty context is a context: `context or default` would drop it

    def __add__(self, other: CoroutineContext) -> CoroutineContext:
        if not isinstance(other, CoroutineContext):
            return NotImplemented
        return join(self, other)

    def minus_key(self, key: type[ContextElement]) -> CoroutineContext:
        """Return this context without what stands under `key`."""
        elements = self._entries()
        if key not in elements:
            return self
        return _of({k: e for k, e in elements.items() if k is not key})

    def _entries(self) -> dict[type, ContextElement]:
        raise NotImplementedError

    def __copy__(self) -> CoroutineContext:
        return self

    def __deepcopy__(self, memo: object) -> CoroutineContext:
        return self


class ContextElement(CoroutineContext):
    """Base of what stands in a context. A class that derives straight from it is a key of its own.

    Kotlin: CoroutineContext.Element.
    """

    __slots__ = ()
    key: ClassVar[type]
    _stands_last: ClassVar[bool] = False  # a dispatcher is the last element of each context

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if ContextElement in cls.__bases__ and "key" not in cls.__dict__:
            cls.key = cls

    def _entries(self) -> dict[type, ContextElement]:
        return {self.key: self}


class _Joined(CoroutineContext):
    """Two elements or more, or none."""

    __slots__ = ("_map",)

    def __init__(self, elements: dict[type, ContextElement]) -> None:
        self._map = elements

    def _entries(self) -> dict[type, ContextElement]:
        return self._map

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Joined) and self._map == other._map

    def __hash__(self) -> int:
        return hash(frozenset(self._map))

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self))}]" if self._map else "EmptyCoroutineContext"


#: The context without elements; `a + EmptyCoroutineContext` is `a`.
EmptyCoroutineContext: CoroutineContext = _Joined({})


def join(left: CoroutineContext, right: CoroutineContext) -> CoroutineContext:
    """Return both as one; on the same key `right` wins."""
    if right is EmptyCoroutineContext:
        return left
    if left is EmptyCoroutineContext:
        return right
    added = right._entries()
    entries = {key: element for key, element in left._entries().items() if key not in added}
    entries.update(added)
    for key, element in entries.items():
        if element._stands_last and len(entries) > 1:
            del entries[key]
            entries[key] = element
            break
    return _of(entries)


def _of(elements: dict[type, ContextElement]) -> CoroutineContext:
    if not elements:
        return EmptyCoroutineContext
    if len(elements) == 1:
        return next(iter(elements.values()))
    return _Joined(elements)


def checked_context(context: object, where: str) -> CoroutineContext:
    """Return `context` when it is one.

    Raises:
        TypeError: It is something else; `where` names the call.
    """
    if not isinstance(context, CoroutineContext):
        raise TypeError(
            f"{where} takes a CoroutineContext (a dispatcher, a job, a name, or several joined with +), got {context!r}"
        )
    return context


class CoroutineName(ContextElement):
    """The name of a coroutine: shown in its repr, in dumps, and on its uncaught failures.

    Kotlin: CoroutineName.
    """

    __slots__ = ("name",)
    name: str

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"CoroutineName takes a string, got {name!r}")
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CoroutineName) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"CoroutineName({self.name!r})"


class ThreadContextElement(ContextElement):
    """Something of the running thread that a coroutine takes along: set before each step, put back after it.

    Args:
        update: Called on the thread before a step; what it returns is handed to `restore`.
        restore: Called on the same thread after the step, also where the step raised.

    A derived class is a key of its own, so that several kinds can stand in one context.
    Kotlin: ThreadContextElement.
    """

    __slots__ = ("_restore", "_update")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "key" not in cls.__dict__:
            cls.key = cls  # each kind stands beside the others

    def __init__(self, update: Callable[[], Any], restore: Callable[[Any], object]) -> None:
        self._update = update
        self._restore = restore

    def update(self) -> Any:
        """Set the thread up for a step; the answer goes to `restore`."""
        return self._update()

    def restore(self, old: Any) -> None:
        """Put back what `update` replaced."""
        self._restore(old)


class CopyableThreadContextElement(ThreadContextElement):
    """One that each coroutine has a copy of, so that what a child changes in it does not reach its parent.

    Derive from it and define `copy_for_child`; `merge_for_child` where `with_context` or a launch brings another under
    the same key.
    Kotlin: CopyableThreadContextElement.
    """

    __slots__ = ()

    def copy_for_child(self) -> CopyableThreadContextElement:
        """Return what a coroutine that is launched gets. Called on the launching thread."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a child gets: define copy_for_child()")

    def merge_for_child(self, overwriting: ContextElement) -> ContextElement:
        """Return what holds where `overwriting` is added under the same key; that one, if not defined otherwise."""
        return overwriting


def join_for(left: CoroutineContext, right: CoroutineContext, *, child: bool) -> CoroutineContext:
    """Return both as one, with copyable elements copied and merged; `child`: for a coroutine that is launched."""
    ours, added = left._entries(), right._entries()
    if not any(isinstance(element, CopyableThreadContextElement) for element in (*ours.values(), *added.values())):
        return join(left, right)
    added = dict(added)
    for key, element in ours.items():
        if isinstance(element, CopyableThreadContextElement):
            if key in added:
                added[key] = element.merge_for_child(added[key])
            elif child:
                added[key] = element.copy_for_child()
    for key, element in added.items():
        if key not in ours and isinstance(element, CopyableThreadContextElement):
            added[key] = element.copy_for_child()
    return join(left, _of(added))


def as_context_element(local: Any, value: object, attribute: str = "value") -> ThreadContextElement:
    """Return an element under which `local.attribute` is `value` wherever the coroutine runs.

    Args:
        local: A `threading.local`.
        value: What the coroutine sees.
        attribute: Which attribute of `local`.

    Kotlin: ThreadLocal.asContextElement.
    """
    absent = object()

    class Local(ThreadContextElement):
        __slots__ = ()
        key = _local_key(local, attribute)

    def update() -> object:
        old = getattr(local, attribute, absent)
        setattr(local, attribute, value)
        return old

    def restore(old: object) -> None:
        if old is absent:
            delattr(local, attribute)
        else:
            setattr(local, attribute, old)

    return Local(update, restore)


_local_keys: dict[tuple[int, str], tuple[object, type]] = {}


def _local_key(local: object, attribute: str) -> type:
    # The entry keeps `local` alive, so that its id is not given to another: as many entries as the program has locals.
    found = _local_keys.setdefault((id(local), attribute), (local, type("LocalKey", (), {})))
    return found[1]
