"""Enter a race's window on purpose: run something when a thread is about to execute a marked line.

No stress run meets a window of two lines often: 3.11 changes threads at calls and jumps only, and what it hides for
millions of rounds another version shows. A mark is a comment in the source, `# S1 announce`: its first word.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType


def line_of(function: Callable[..., Any], mark: str) -> int:
    """Return the number of the one line of `function` whose comment begins with the word `mark`."""
    lines, first = inspect.getsourcelines(function)
    found = [first + n for n, text in enumerate(lines) if text.partition("# ")[2].split()[:1] == [mark]]
    assert len(found) == 1, f"{function.__qualname__} has {len(found)} lines marked {mark!r}, not one"
    return found[0]


@contextmanager
def before(
    function: Callable[..., Any], mark: str, action: Callable[[], object], *, here: bool = False
) -> Iterator[list[int]]:
    """While the block runs, run `action` once, before the marked line is executed.

    By any thread that starts inside the block, and by this one with `here`. The action runs in a thread of its own and
    has ended when the line goes on. Yields a list that is empty until the line has been met.
    """
    code, line = function.__code__, line_of(function, mark)  # type: ignore[attr-defined]
    met: list[int] = []

    def on_line(frame: FrameType, event: str, arg: object) -> Any:
        if event == "line" and frame.f_lineno == line and not met:
            met.append(line)
            other = threading.Thread(target=action, name=f"steered to {mark}", daemon=True)
            other.start()
            other.join(5)
            assert not other.is_alive(), f"what was to run before {mark} waits for the thread that it stopped"
        return on_line

    def on_call(frame: FrameType, event: str, arg: object) -> Any:
        return on_line if frame.f_code is code else None

    threading.settrace(on_call)
    if here:
        previous = sys.gettrace()
        sys.settrace(on_call)
    try:
        yield met
    finally:
        if here:
            sys.settrace(previous)
        threading.settrace(None)  # type: ignore[arg-type]
