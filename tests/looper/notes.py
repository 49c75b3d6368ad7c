"""What the tests of this room put into queues, and the clock they move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class VirtualClock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Note:
    """An item that writes down what became of it: its name when it has run, `-name` when it was rejected."""

    asynchronous = False

    def __init__(self, name: Any, log: list[Any], then: Callable[[], object] | None = None) -> None:
        self.name = name
        self.log = log
        self.then = then
        self.when = 0.0
        self.ran = 0
        self.dropped = 0

    def run(self) -> None:
        self.ran += 1
        self.log.append(self.name)
        if self.then is not None:
            self.then()

    def rejected(self) -> None:
        self.dropped += 1
        self.log.append(f"-{self.name}")

    def __repr__(self) -> str:
        return f"<Note {self.name}>"


class AsyncNote(Note):
    """A note that overtakes barriers."""

    asynchronous = True
