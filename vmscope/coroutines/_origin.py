"""Origins: the lines of the program that launched a coroutine, kept where that is asked for.

Locks: `Origins._lock`, re-entrant since a coroutine may be collected inside, guards the table. A leaf.
Counterpart: kotlinx.coroutines.debug.DebugProbes.enableCreationStackTraces.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from .._primitives import RLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_DEMO = os.path.join(_PACKAGE, "demo") + os.sep  # a program like a user's own: its lines are shown
_MOST_PLACES = 50  # of a stack: the innermost tell where it was


class Place(NamedTuple):
    """A line that waits, or launches."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line} in {self.function}"


def is_library(code: CodeType) -> bool:
    """Say whether `code` is the library's own, and so hidden."""
    return is_library_file(code.co_filename)


def is_library_file(file: str) -> bool:
    """Say whether the code in `file` is the library's own."""
    name = os.path.abspath(file)
    return name.startswith(_PACKAGE) and not name.startswith(_DEMO)


def callers() -> Iterator[Place]:
    """Yield the lines of the program that led to this call, innermost first."""
    frame = sys._getframe(1)
    while frame is not None:
        if not is_library(frame.f_code):
            yield Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
        frame = frame.f_back  # type: ignore[assignment]


class Origins:
    """Where the coroutines were launched that began while it was asked for."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._of: WeakKeyDictionary[Any, tuple[Place, ...]] = WeakKeyDictionary()

    def note(self, job: Any) -> None:
        """`job` is being launched, here."""
        places = [place for place, _ in zip(callers(), range(_MOST_PLACES), strict=False)]
        with self._lock:
            self._of[job] = tuple(reversed(places))

    def of(self, job: Any) -> tuple[Place, ...]:
        """Return the lines that led to the launch of `job`, outermost first; empty where they were not kept."""
        with self._lock:
            places = self._of.get(job, ())
        return places  # noqa: RET504  (as in `Continuation._claim`)


origins = Origins()
