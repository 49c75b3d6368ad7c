"""A test that hangs: what runs and where it stands, coroutines and threads; and a limit in real time that says so.

Locks: none of its own.
Counterpart: kotlinx.coroutines.debug.junit, CoroutinesTimeout.
"""

from __future__ import annotations

import functools
import io
import math
import signal
import sys
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .._primitives import Event, current_thread, get_ident, live_threads, main_thread, start_thread
from ..coroutines._time import checked_seconds
from ..debug._stacks import as_text, thread_stack
from ..debug._tree import dump_coroutines

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


def dump() -> str:
    """Return which coroutines are alive and where each of them waits."""
    text = io.StringIO()
    dump_coroutines(text)
    return text.getvalue().rstrip()


def dump_threads() -> str:
    """Return the stack of each thread."""
    parts = []
    for thread in live_threads():
        stack = as_text(thread_stack(thread.ident or 0).places).rstrip()
        parts.append(f"thread {thread.name!r}:\n{stack or '  (unknown)'}")
    return "\n".join(parts)


class HangError(AssertionError):
    """A test took longer than its `coroutines_timeout`. The message has the dump."""

    __module__ = "vmscope.testing"


class coroutines_timeout:  # noqa: N801  (used as a function)
    """A limit in real time for whatever stands below it: a context manager and a decorator.

    On expiry all coroutines and all threads are dumped to standard error. On the main thread HangError is raised as
    well, also out of a blocking call; another thread cannot be interrupted, and goes on.

    Args:
        seconds: The limit.
        on_expiry: Told the text of the dump, instead of standard error.

    Kotlin: CoroutinesTimeout, the rule of kotlinx-coroutines-debug.
    """

    def __init__(self, seconds: float, on_expiry: Callable[[str], object] | None = None) -> None:
        if not checked_seconds(seconds, "coroutines_timeout()") > 0:
            raise ValueError(f"coroutines_timeout() takes more than 0 seconds, got {seconds!r}")
        self._seconds = seconds
        self._tell = on_expiry
        self._over = Event()
        self._report = ""
        self._handler: Any = None

    def __enter__(self) -> coroutines_timeout:
        self._over = Event()
        self._report = ""
        self._watched = get_ident()
        self._interrupts = current_thread() is main_thread()
        if self._interrupts:
            try:
                self._handler = signal.signal(signal.SIGINT, self._on_signal)
            except ValueError:  # a sub-interpreter: signals are not its business
                self._interrupts = False
        over = self._over
        self._watcher = None if self._seconds == math.inf else start_thread(lambda: self._watch(over), "vmscope-hang")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        try:
            if self._watcher is not None:
                self._watcher.join()  # while its signal still comes to us
        finally:
            if self._interrupts:
                signal.signal(signal.SIGINT, self._handler)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Limit each call of `function`."""

        @functools.wraps(function)
        def limited(*args: P.args, **kwargs: P.kwargs) -> T:
            with coroutines_timeout(self._seconds, self._tell):
                return function(*args, **kwargs)

        return limited

    def _watch(self, over: Event) -> None:
        if over.wait(self._seconds):
            return
        report = f"after {self._seconds:g} s the test is still running\n{dump()}\n{dump_threads()}"
        if self._tell is None:
            print(report, file=sys.stderr, flush=True)  # noqa: T201  (what it is for)
        else:
            self._tell(report)
        if self._interrupts and not over.is_set():
            self._report = report
            _interrupt(self._watched)

    def _on_signal(self, number: int, frame: Any) -> None:
        report, self._report = self._report, ""
        if report:
            raise HangError(report)
        if callable(self._handler):
            self._handler(number, frame)


def _interrupt(thread: int) -> None:
    kill = getattr(signal, "pthread_kill", None)
    if kill is not None:
        kill(thread, signal.SIGINT)  # wakes it out of a blocking call, too
    else:
        signal.raise_signal(signal.SIGINT)
