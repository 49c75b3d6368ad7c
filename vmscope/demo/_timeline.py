"""The timeline: what happened, when, on which thread and in which coroutine, written down as it happens.

One list of events, in the order of their times; a line is printed the moment its event is noted, if anybody looks.
Locks
    `_lock` makes taking the time, keeping the event and printing it one step, so that no line is older than the
    one above it. A leaf: nothing but the write of one string happens under it.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, NamedTuple

from .. import CoroutineName, IllegalStateError, current_context, uptime
from .._primitives import Lock, current_thread

if TYPE_CHECKING:
    from .. import CoroutineContext

_HEADER = f"{'ms':>8}  {'thread':<16}  {'coroutine':<14}  event"


class Event(NamedTuple):
    """One line of the timeline. `mood` is "", "good", "bad", "gone" or "step": how it is coloured, nothing else."""

    ms: float
    thread: str
    coroutine: str
    text: str
    mood: str


class Palette:
    """Colours for a terminal, and nothing at all for a file, a pipe or somebody who has set NO_COLOR."""

    _CODES = {"good": "32", "bad": "31", "gone": "33", "step": "1", "faint": "2"}

    def __init__(self, colourful: bool) -> None:
        self._colourful = colourful

    @classmethod
    def of(cls, stream: IO[str]) -> Palette:
        """Look at the stream and at the environment (no-color.org: any value of NO_COLOR but the empty one)."""
        return cls(stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb")

    def paint(self, text: str, mood: str) -> str:
        """Return the text in the colour of the mood; unchanged where there is none."""
        code = self._CODES.get(mood)
        return f"\x1b[{code}m{text}\x1b[0m" if self._colourful and code else text


class Timeline:
    """Collects events; prints each as one aligned line when it has a stream.

    Threads: `note` may be called on any, in a coroutine or outside.
    """

    def __init__(self, stream: IO[str] | None = None, palette: Palette | None = None) -> None:
        self.events: list[Event] = []
        self._stream = stream
        self._palette = palette or Palette(False)
        self._start = uptime()
        self._lock = Lock()
        self._print(self._palette.paint(_HEADER, "faint") + "\n")

    @property
    def seconds(self) -> float:
        """How long ago the timeline began."""
        return uptime() - self._start

    def note(self, text: str, mood: str = "", context: CoroutineContext | None = None) -> None:
        """Write down what happens now, on this thread, in the coroutine that runs here, or the one of `context`."""
        thread, coroutine = current_thread().name, _coroutine(context)
        with self._lock:
            event = Event(round(self.seconds * 1000, 1), thread, coroutine, text, mood)
            self.events.append(event)
            self._print(self._line(event))

    def _print(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(line)
            self._stream.flush()
        except BrokenPipeError:  # `| head` has seen enough: the story goes on unseen, no coroutine fails because of it
            self._stream = None

    def _line(self, event: Event) -> str:
        paint = self._palette.paint
        time = paint(f"{event.ms:>8.1f}", "faint")
        return f"{time}  {event.thread:<16}  {event.coroutine or '-':<14}  {paint(event.text, event.mood)}\n"


def _coroutine(context: CoroutineContext | None) -> str:
    try:
        name = (context or current_context())[CoroutineName]
    except IllegalStateError:  # no coroutine runs here: a plain message, or a thread of the server
        return ""
    return "" if name is None else name.name
