"""What stands in a message queue: any object that can `run()`; the barriers among them; the order of their entries.

Locks: none; the lock of the queue guards `key` of a barrier.
Counterpart: android.os.Message as MessageQueue sees it, its sync barriers.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ._queue import MessageQueue

#: The key by which entries (when, seq, item) are sorted: two items themselves are never compared.
in_order = itemgetter(0, 1)


class Item(Protocol):
    """What may stand in a queue.

    `when` belongs to the queue while the item is in it. `run()` is called on the consumer's thread. `rejected()` is
    called instead when the queue dies with the item in it, and once more after a `run()` that raised, where it has to
    do nothing if the item had its turn. An `asynchronous` item overtakes barriers. An item does not define `==`.
    """

    when: float
    asynchronous: bool

    def run(self) -> None: ...
    def rejected(self) -> None: ...


class Barrier:
    """Holds back what comes after it, except asynchronous items. It stands in the queue like an item."""

    __slots__ = ("key", "queue", "removed", "token", "when")
    asynchronous = False
    when: float
    key: tuple[float, int]  # its place, once it is at the head: (when, seq)

    def __init__(self, queue: MessageQueue, token: int) -> None:
        self.queue = queue
        self.token = token
        self.removed = False

    def run(self) -> None:
        self.queue._stall(self)  # noqa: SLF001

    def rejected(self) -> None:
        self.removed = True

    def __repr__(self) -> str:
        return f"<barrier {self.token}>"
