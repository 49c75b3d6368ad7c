"""What the main thread did, and when: for Perfetto (or chrome://tracing), and as a page that any browser opens offline.

The looper tells an observer of each message before and after it has run. The last ones are kept; `save` writes them
out, with the tree of the jobs as they are at that moment.
"""

from __future__ import annotations

import json
import os
import pathlib
import threading
import time
from collections import deque
from collections.abc import Callable
from html import escape
from io import StringIO
from typing import Any, NamedTuple

from vmscope.debug import dump_coroutines

KEPT = 20_000
SLOWEST = 20
WIDTH, HEIGHT = 1000, 60
PLAIN, FAILED = "#2f6f8f", "#b3261e"


class Run(NamedTuple):
    """One message that has run. Times in seconds."""

    name: str
    thread: int
    began: float
    took: float
    failed: bool


class Recorder:
    """An observer of loopers that keeps what they have run.

    `_lock` guards `runs`: without the GIL a deque cannot be copied while another thread appends to it.
    """

    def __init__(self, folder: str = ".", clock: Callable[[], float] = time.monotonic) -> None:
        self.runs: deque[Run] = deque(maxlen=KEPT)
        self.folder = folder
        self._lock = threading.Lock()
        self._clock = clock

    def message_dispatch_starting(self) -> float:
        return self._clock()

    def message_dispatched(self, token: float, message: Any) -> None:
        self._note(token, message, failed=False)

    def dispatching_threw(self, token: float, message: Any, exception: BaseException) -> None:
        self._note(token, message, failed=True)

    def _note(self, began: float, message: Any, *, failed: bool) -> None:
        run = Run(_name(message), threading.get_ident(), began, self._clock() - began, failed)
        with self._lock:
            self.runs.append(run)

    def save(self) -> list[str]:
        """Write parceldesk-trace.json and parceldesk-report.html; return their paths. Blocks: for Dispatchers.IO."""
        with self._lock:
            runs = list(self.runs)
        texts = {"parceldesk-trace.json": _trace(runs), "parceldesk-report.html": _report(runs, jobs())}
        paths = [pathlib.Path(self.folder, name).resolve() for name in texts]
        for path, text in zip(paths, texts.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        return [str(path) for path in paths]


recorder = Recorder()


def jobs() -> str:
    """Return what runs now, as trees of jobs."""
    out = StringIO()
    dump_coroutines(out)
    return out.getvalue().rstrip()


def _name(message: Any) -> str:
    """A coroutine by its own name, `<StandaloneCoroutine 'download' active>` say; all else by its type."""
    kind = type(message).__name__
    return kind if "Coroutine" not in kind else repr(message).strip("<>").rpartition(" ")[0]


def _trace(runs: list[Run]) -> str:
    """Chrome's trace format, in microseconds."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    process = os.getpid()
    threads = [
        {"ph": "M", "name": "thread_name", "pid": process, "tid": ident, "args": {"name": names.get(ident, str(ident))}}
        for ident in dict.fromkeys(run.thread for run in runs)
    ]
    slices = [
        {
            "ph": "X", "name": run.name, "cat": "failed" if run.failed else "message", "pid": process,
            "tid": run.thread, "ts": run.began * 1e6, "dur": run.took * 1e6,
        }
        for run in runs
    ]  # fmt: skip
    return json.dumps({"traceEvents": [*threads, *slices], "displayTimeUnit": "ms"})


def _report(runs: list[Run], tree: str) -> str:
    first = min((run.began for run in runs), default=0.0)
    last = max((run.began + run.took for run in runs), default=0.0)
    scale = WIDTH / ((last - first) or 1.0)
    bars = "".join(
        f'<rect x="{(run.began - first) * scale:.2f}" width="{max(run.took * scale, 0.5):.2f}" height="{HEIGHT}" '
        f'fill="{FAILED if run.failed else PLAIN}"><title>{escape(run.name)}: {run.took * 1e3:.3f} ms</title></rect>'
        for run in runs
    )
    slowest = "".join(
        f"<tr><td>{run.took * 1e3:.3f} ms<td>{run.began - first:.3f} s<td>{escape(run.name)}"
        for run in sorted(runs, key=lambda run: -run.took)[:SLOWEST]
    )
    return (
        '<!doctype html><meta charset="utf-8"><title>Parcel Desk</title>'
        "<style>body{font:14px sans-serif;margin:2em}pre,table{font:12px monospace}td{padding-right:2em}</style>"
        f"<h1>Parcel Desk: {len(runs)} messages in {last - first:.3f} s</h1>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" height="{HEIGHT}">{bars}</svg>'
        f"<h2>The slowest</h2><table><tr><th>took<th>began<th>what{slowest}</table>"
        f"<h2>What runs now</h2><pre>{escape(tree)}</pre>\n"
    )
