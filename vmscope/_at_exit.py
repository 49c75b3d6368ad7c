"""The time that the end of the process may take: one for all rooms together.

Each room has an `atexit` of its own, which tells its threads to end and waits for them. They run in this order: hosts,
watches, workers, timers, loopers. Part of the time is kept for those that come later: a looper runs what is due though
a worker is stuck, and where both are stuck the process waits no longer for it. What the program's own `atexit`
functions take, between those, is not counted.

Threads: the one that ends the interpreter.
Counterpart: none; the JVM waits for no daemon thread.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from ._primitives import after_fork, current_thread

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from ._primitives import Thread

#: Seconds for all rooms.
GRACE = 2.0
#: Seconds of it that are kept for each room that comes later.
KEPT = 0.2

HOSTS, WATCHES, WORKERS, TIMERS, LOOPERS = range(4, -1, -1)  # how many come later

_waited = 0.0


class Wait:
    """What one room waits, in a `with`; `left()` says how much longer."""

    __slots__ = ("_began", "_seconds")

    def __init__(self, room: int) -> None:
        self._seconds = max(KEPT, GRACE - _waited - room * KEPT)

    def __enter__(self) -> Self:
        self._began = monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        global _waited
        _waited += monotonic() - self._began

    def left(self) -> float:
        """Return how many seconds the room may still wait."""
        return max(0.0, self._began + self._seconds - monotonic())


def join_all(room: int, threads: Iterable[Thread]) -> None:
    """Wait for the threads of a room, but for this one, which have been told to end."""
    with Wait(room) as wait:
        for thread in threads:
            if thread is not current_thread():
                thread.join(wait.left())


def _forget() -> None:
    global _waited
    _waited = 0.0


after_fork(_forget)
