"""Terminals: what runs a flow in the calling coroutine and makes one result of it.

Counterpart: kotlinx.coroutines.flow.Collect, Reduce, Count, Collection.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from ._emit import NOTHING, NoSuchElementError, Run, emit_to, ignore, left_of, then
from ._operators import until

Left = Iterator[Any] | None


def collected(run: Run, block: Callable[[Any], object] | None) -> Generator[Any, Any, None]:
    """Run the flow; `block(value)` deals with each value."""
    return run(ignore if block is None else emit_to(block))  # itself no generator, which each value would go through


def collected_indexed(run: Run, block: Callable[[int, Any], object]) -> Generator[Any, Any, None]:
    """Run the flow; `block(index, value)` deals with each value."""
    index = -1

    def each(value: Any) -> Left:
        nonlocal index
        index += 1
        return left_of(block(index, value))

    yield from run(each)


def to_list(run: Run) -> Generator[Any, Any, list[Any]]:
    """All values in a list."""
    found: list[Any] = []
    yield from run(found.append)
    return found


def to_set(run: Run) -> Generator[Any, Any, set[Any]]:
    """All values in a set."""
    found: set[Any] = set()
    yield from run(found.add)
    return found


def first(run: Run, predicate: Callable[[Any], Any] | None, default: Any) -> Generator[Any, Any, Any]:
    """The first value that fits, and the end of the flow; `default` where there is none, an error for NOTHING."""
    found = NOTHING

    def each(value: Any, stop: Callable[[], Left]) -> Left:
        def decide(fits: Any) -> Left:
            nonlocal found
            if not fits:
                return None
            found = value
            return stop()

        return decide(True) if predicate is None else then(predicate(value), decide)

    yield from until(run, each)
    if found is not NOTHING:
        return found
    if default is NOTHING:
        raise NoSuchElementError(
            "Expected at least one element" + ("" if predicate is None else " matching the predicate")
        )
    return default


def last(run: Run, default: Any) -> Generator[Any, Any, Any]:
    """The last value."""
    found = NOTHING

    def each(value: Any) -> None:
        nonlocal found
        found = value

    yield from run(each)
    if found is not NOTHING:
        return found
    if default is NOTHING:
        raise NoSuchElementError("Expected at least one element")
    return default


def single(run: Run) -> Generator[Any, Any, Any]:
    """The one value there is."""
    found = NOTHING

    def each(value: Any) -> None:
        nonlocal found
        if found is not NOTHING:
            raise ValueError("Flow has more than one element")
        found = value

    yield from run(each)
    if found is NOTHING:
        raise NoSuchElementError("Flow is empty")
    return found


def single_or_none(run: Run) -> Generator[Any, Any, Any]:
    """The one value there is; None where there is none, or more."""
    found = NOTHING

    def each(value: Any, stop: Callable[[], Left]) -> Left:
        nonlocal found
        if found is NOTHING:
            found = value
            return None
        found = NOTHING
        return stop()

    yield from until(run, each)
    return None if found is NOTHING else found


def folded(run: Run, initial: Any, operation: Callable[[Any, Any], Any]) -> Generator[Any, Any, Any]:
    """What `operation(last, value)` has made of `initial` in the end. NOTHING: the first value is the beginning."""
    accumulated = initial

    def keep(value: Any) -> None:
        nonlocal accumulated
        accumulated = value

    def each(value: Any) -> Left:
        if accumulated is not NOTHING:
            return then(operation(accumulated, value), keep)
        keep(value)
        return None

    yield from run(each)
    if accumulated is NOTHING:
        raise NoSuchElementError("Empty flow can't be reduced")
    return accumulated


def counted(run: Run, predicate: Callable[[Any], Any] | None) -> Generator[Any, Any, int]:
    """How many values fit."""
    count = 0

    def add(fits: Any) -> None:
        nonlocal count
        if fits:
            count += 1

    def each(value: Any) -> Left:
        if predicate is not None:
            return then(predicate(value), add)
        add(True)
        return None

    yield from run(each)
    return count


def found(run: Run, predicate: Callable[[Any], Any], wanted: bool, answer: bool) -> Generator[Any, Any, bool]:
    """`answer`, as soon as the predicate says `wanted` of a value; the opposite at the end."""
    result = not answer

    def each(value: Any, stop: Callable[[], Left]) -> Left:
        def decide(fits: Any) -> Left:
            nonlocal result
            if bool(fits) is not wanted:
                return None
            result = answer
            return stop()

        return then(predicate(value), decide)

    yield from until(run, each)
    return result


def associated(
    run: Run, key: Callable[[Any], Any] | None, value_of: Callable[[Any], Any] | None, pair: bool = False
) -> Generator[Any, Any, dict[Any, Any]]:
    """A dict with an entry for each value; of the same key, the last one stays."""
    made: dict[Any, Any] = {}

    def each(value: Any) -> Left:
        if pair:
            assert key is not None
            return then(key(value), lambda both: made.__setitem__(*both))
        return _keyed(value, key, value_of, made.__setitem__)

    yield from run(each)
    return made


def grouped(
    run: Run, key: Callable[[Any], Any], value_of: Callable[[Any], Any] | None
) -> Generator[Any, Any, dict[Any, list[Any]]]:
    """A dict of lists: the values of each key."""
    made: dict[Any, list[Any]] = {}

    def each(value: Any) -> Left:
        return _keyed(value, key, value_of, lambda k, v: made.setdefault(k, []).append(v))

    yield from run(each)
    return made


def _keyed(
    value: Any,
    key: Callable[[Any], Any] | None,
    value_of: Callable[[Any], Any] | None,
    put: Callable[[Any, Any], None],
) -> Left:
    def with_key(k: Any) -> Left:
        if value_of is not None:
            return then(value_of(value), lambda v: put(k, v))
        put(k, value)
        return None

    return with_key(value) if key is None else then(key(value), with_key)
