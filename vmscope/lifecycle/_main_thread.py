"""Which thread is the main one for lifecycles and LiveData, and how to get there.

That of the main looper, where there is one. A toolkit's dispatcher behind Dispatchers.Main knows its thread. One that a
test has put there has none of its own: then any thread is taken for the main one, as AndroidX does on the desktop.
Locks: none.
Counterpart: androidx.arch.core.executor.ArchTaskExecutor, and MainDispatcherChecker of lifecycle-runtime.
"""

from __future__ import annotations

from collections.abc import Callable

from .._errors import IllegalStateError, RejectedExecutionError
from .._primitives import current_thread
from ..coroutines._context import EmptyCoroutineContext
from ..coroutines._main import Main, _main, has_main
from ..looper._looper import Looper


def is_main_thread() -> bool:
    """Say whether the calling thread is the main one."""
    looper = Looper.get_main()
    if looper is not None and looper.is_current_thread():
        return True
    if Main._delegate() is None:
        return False
    made_by_a_factory = bool(_main.factories)  # a toolkit's: it knows its thread
    return not made_by_a_factory or not Main.immediate.is_dispatch_needed(EmptyCoroutineContext)


def check_main_thread(what: str, instead: str) -> None:
    """Refuse to go on anywhere but on the main thread.

    Raises:
        IllegalStateError: The calling thread is another, or there is no main thread. `instead` says what to do.
    """
    if is_main_thread():
        return
    looper = Looper.get_main()
    where = "there is no main looper" if looper is None else f"the main thread is {looper.thread.name!r}"
    raise IllegalStateError(f"{what} was called on thread {current_thread().name!r}, and {where}: {instead}")


class _Task:
    """A function for the queue of the main thread."""

    __slots__ = ("_function", "_refused")

    def __init__(self, function: Callable[[], object], refused: Callable[[], object]) -> None:
        self._function = function
        self._refused = refused

    def run(self) -> None:
        """Its turn."""
        self._function()

    def rejected(self) -> None:
        """The queue died with it."""
        self._refused()


def post_to_main(function: Callable[[], object], refused: Callable[[], object]) -> None:
    """Have `function` called on the main thread, in a turn of its own; call `refused` where the main looper has quit.

    A test's dispatcher that runs all in place does so here, too.

    Raises:
        IllegalStateError: There is no main thread.
    """
    if not Main.is_dispatch_needed(EmptyCoroutineContext):
        function()
        return
    try:
        Main.dispatch(EmptyCoroutineContext, _Task(function, refused))
    except RejectedExecutionError:
        refused()


def run_on_main(function: Callable[[], object]) -> None:
    """Call `function` here where this is the main thread, else post it; where that is gone, drop it."""
    if is_main_thread():
        function()
    elif has_main():
        post_to_main(function, lambda: None)
