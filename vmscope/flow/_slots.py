"""Slots: who collects a hot flow, in the order in which they are told.

Locks: guarded by the lock of the flow.
Counterpart: kotlinx.coroutines.flow.internal.AbstractSharedFlow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Slots:
    """A table with a place for each collector; a place that was left is given to a later one.

    The order of the places is the order in which collectors are resumed: the reference's, also after some have left.
    """

    __slots__ = ("_next", "_places", "_table", "count")

    def __init__(self) -> None:
        self.count = 0
        self._table: list[Any] = [None, None]
        self._places: dict[Any, int] = {}
        self._next = 0

    def add(self, slot: Any) -> None:
        """Give `slot` the next free place."""
        table = self._table
        size = len(table)
        if self.count >= size:
            table.extend([None] * size)
            size *= 2
        place = self._next
        while table[place] is not None:
            place = (place + 1) % size
        table[place] = slot
        self._places[slot] = place
        self._next = (place + 1) % size
        self.count += 1

    def remove(self, slot: Any) -> None:
        """Free the place of `slot`."""
        self._table[self._places.pop(slot)] = None
        self.count -= 1
        if not self.count:
            self._next = 0

    def __iter__(self) -> Iterator[Any]:
        return iter([slot for slot in self._table if slot is not None])
