"""The stack of another thread, taken while it runs on, as places; and the coroutine that it is in.

The frames are walked where that can be done: nothing moves between two of our lines unless the GIL is handed over, and
then a frame that has gone is still an object. Without the GIL a frame that its thread leaves meanwhile is freed under
the reader, and the process dies (3.13: within seconds, where functions come and go). On 3.11 before 3.11.9 a collection
inside `sys._current_frames` may stop all threads for ever (gh-106883; stress/blocked.py met it within seconds). There
`faulthandler` is asked, which makes no objects, stops all threads where there is no GIL (3.13.2 on) and writes plain
text: of the hundred youngest threads, and of no coroutine.

All that is needed is loaded with this file: a thread that is blocked may hold the lock of an import.
Locks: none.
Counterpart: java.lang.Thread.getStackTrace.
"""

from __future__ import annotations

import re
import sys
import traceback
from faulthandler import dump_traceback
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .._primitives import FREE_THREADED
from ..coroutines import _coroutine
from ..coroutines._coroutine import Coroutine
from ..coroutines._origin import Place, is_library, is_library_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

_LINE = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)$')


#: Whether frames of other threads may be looked at.
WALKS = not FREE_THREADED and sys.version_info >= (3, 11, 9)


class ThreadStack(NamedTuple):
    """Where a thread is.

    Attributes:
        places: Its lines, outermost first; empty where they cannot be had.
        place: The innermost line outside the library; None where there is none.
        coroutine: The innermost one whose body is on the stack; None where the frames are not walked.
    """

    places: tuple[Place, ...]
    place: Place | None
    coroutine: Coroutine | None


def thread_stack(ident: int, within: CodeType | None = None) -> ThreadStack:
    """Return the stack of the thread with this `ident`.

    Args:
        within: The code of a function on the stack: what is further out has no say in `place` and `coroutine`.
    """
    return _walk(ident, within) if WALKS else _told(ident, within)


def as_text(places: Iterable[Place]) -> str:
    """Return the places as a traceback shows them, outermost first, with the text of each line."""
    return "".join(traceback.format_list([(file, line, function, None) for file, line, function in places]))


def _walk(ident: int, within: CodeType | None) -> ThreadStack:
    places: list[Place] = []
    innermost = coroutine = None
    looking = True
    frame = sys._current_frames().get(ident)
    while frame is not None:
        code = frame.f_code
        place = Place(code.co_filename, frame.f_lineno or code.co_firstlineno, code.co_qualname)
        places.append(place)
        looking = looking and code is not within
        if looking and innermost is None and not is_library(code):
            innermost = place
        if looking and coroutine is None and code.co_filename == _coroutine.__file__:
            coroutine = _driven_by(frame, innermost is None)
        frame = frame.f_back
    return ThreadStack(tuple(reversed(places)), innermost, coroutine)


def _driven_by(frame: Any, at_work: bool) -> Coroutine | None:
    """Return the coroutine whose body is further in than `frame`, a call of a function of `_coroutine`.

    Args:
        at_work: Nothing but the library is further in: the coroutine is about to be resumed or has just been, and no
            line of its body runs, unless that is a function without lines, one of C.
    """
    if frame.f_code is _coroutine._call_block.__code__:
        return cast("Coroutine", frame.f_locals["coroutine"])
    about = None if at_work else frame.f_locals.get("self")
    return about if isinstance(about, Coroutine) else None


def _told(ident: int, within: CodeType | None) -> ThreadStack:
    with TemporaryFile() as file:  # not a pipe: nobody could read from it while the threads stand still
        dump_traceback(file)
        file.seek(0)
        places = _parse(file.read().decode("utf-8", "replace"), ident)
    innermost = None
    for place in places:
        if within is not None and place.function == within.co_name and place.file == within.co_filename:
            innermost = None
        elif not is_library_file(place.file):
            innermost = place
    return ThreadStack(places, innermost, None)


def _parse(text: str, ident: int) -> tuple[Place, ...]:
    """Return the places of one thread in what `faulthandler` has written, which has the innermost first."""
    head = re.compile(rf"^(Current thread|Thread) 0x0*{ident:x}\b")
    places: list[Place] = []
    mine = False
    for line in text.splitlines():
        if not line.startswith(" "):
            mine = head.match(line) is not None
        elif mine and (found := _LINE.match(line)) is not None:
            places.append(Place(found["file"], int(found["line"]), found["function"]))
    return tuple(reversed(places))
