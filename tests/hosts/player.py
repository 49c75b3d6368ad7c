"""Runs programs, one after the other, in the one process that a toolkit needs: each line of the input is one, as JSON.

The answer to each is a line with its exit code and what it has printed.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import sys
import threading
import traceback
from collections.abc import Callable

HANGS = 30.0  # seconds after which a program has hung


def play(program: str) -> tuple[int, str]:
    printed = io.StringIO()
    threading.excepthook = threading.__excepthook__
    faulthandler.dump_traceback_later(HANGS, exit=True)
    code = 0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            exec(compile(program, "program", "exec"), {"__name__": "__main__"})
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        except BaseException:  # noqa: BLE001  (told to whoever has sent it)
            traceback.print_exc()
            code = 1
    faulthandler.cancel_dump_traceback_later()
    return code, printed.getvalue()


def refused(function: Callable[..., object], *args: object) -> None:
    """For the programs: print how `function(*args)` is refused, and the end of what it says."""
    try:
        function(*args)
    except Exception as refusal:  # noqa: BLE001  (the test says which it is to be)
        print(type(refusal).__name__, str(refusal).rpartition(": ")[2])


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(play(json.loads(line))), flush=True)
