"""set_main: another dispatcher behind Dispatchers.Main, for as long as a test needs it.

What is set stands behind a wrapper that counts who is inside. So a coroutine that uses Main on another thread while it
is being switched is found out, instead of running on a dispatcher that is gone.

Locks
    `_guard` guards `_stack` and the counts of the wrappers. A leaf.
Counterpart: kotlinx.coroutines.test.TestMainDispatcher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .._errors import IllegalStateError
from .._primitives import Bell, RLock, Thread, current_thread
from ..coroutines._dispatcher import CoroutineDispatcher, Unconfined
from ..coroutines._main import MainDispatcher, _main

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..coroutines._context import CoroutineContext
    from ..coroutines._dispatcher import Runnable
    from ..looper._queue import MessageQueue

T = TypeVar("T")

#: Seconds of real time for a thread that is in a call of Main as it is switched.
PATIENCE = 0.5

_guard = RLock()
_stack: list[CoroutineDispatcher | None] = []  # what stood behind Main before each set_main


class MainForTest(CoroutineDispatcher):
    """What stands behind Dispatchers.Main: the dispatcher that was set, and who uses it now."""

    __slots__ = ("_inside", "_left", "_of", "_retired", "wrapped")

    def __init__(self, wrapped: CoroutineDispatcher, of: MainForTest | None = None) -> None:
        self.wrapped = wrapped
        self._of = of or self
        self._inside: list[Thread] = []  # the threads in a call of it
        self._left = Bell()  # rung by each that leaves while it retires
        self._retired = False

    @property
    def immediate(self) -> MainForTest:
        """The same for Main.immediate: a test dispatcher has no other."""
        return MainForTest(getattr(self.wrapped, "immediate", self.wrapped), self._of)

    @property
    def _resumes_timers_in_place(self) -> bool:  # type: ignore[override]  # that of the dispatcher behind it
        return self.wrapped._resumes_timers_in_place

    def _call(self, function: Callable[..., T], *args: Any) -> T:
        of = self._of
        thread = current_thread()
        if of._retired:
            raise _concurrent(thread)
        of._inside.append(thread)
        try:
            return function(*args)
        finally:
            of._inside.remove(thread)
            if of._retired:
                of._left.ring()

    def is_dispatch_needed(self, context: CoroutineContext) -> bool:
        return self._call(self.wrapped.is_dispatch_needed, context)

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Hand `block` to the dispatcher behind it."""
        self._call(self.wrapped.dispatch, context, block)

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return self._call(self.wrapped._needs_dispatch, coroutine)

    def _dispatch(self, coroutine: Any) -> None:
        self._call(self.wrapped._dispatch, coroutine)

    def _dispatch_yield(self, coroutine: Any) -> bool:
        return self._call(self.wrapped._dispatch_yield, coroutine)

    def _timers(self) -> MessageQueue:
        return self._call(self.wrapped._timers)

    def retire(self) -> None:
        """It goes: from now on its use is a race.

        A worker that has handed its coroutine over may not be back from the call when that has run already: it is
        given a moment to come out.

        Raises:
            IllegalStateError: Another thread is using it, and does not come to an end.
        """
        self._retired = True
        while others := [thread for thread in list(self._inside) if thread is not current_thread()]:
            if not self._left.wait(PATIENCE):
                raise _concurrent(others[0])

    def __repr__(self) -> str:
        return repr(self.wrapped)


def _concurrent(thread: Thread) -> IllegalStateError:
    return IllegalStateError(
        f"Dispatchers.Main is used on thread {thread.name!r} while a test switches it: a coroutine of a test outlives "
        "it. Clear the ViewModels, cancel the scopes and join them before reset_main(); main_dispatcher() does"
    )


def set_main(dispatcher: CoroutineDispatcher) -> None:
    """Put `dispatcher` behind Dispatchers.Main, until `reset_main()`.

    A test dispatcher brings its scheduler along: those made later without one share it, and `run_test` too.
    Main.immediate over a StandardTestDispatcher queues all the same.

    Raises:
        TypeError: It is no dispatcher.
        ValueError: It is Dispatchers.Main itself, or Dispatchers.Unconfined, which has no thread to be the main one.
        IllegalStateError: A coroutine uses Main on another thread at this moment.

    Prefer `with main_dispatcher():`, which also ends what the ViewModels of the test have launched.
    Kotlin: Dispatchers.setMain.
    """
    if not isinstance(dispatcher, CoroutineDispatcher):
        raise TypeError(f"set_main() takes a dispatcher, got {dispatcher!r}")
    if isinstance(dispatcher, (MainDispatcher, MainForTest)):
        raise ValueError("set_main() takes what is to stand behind Dispatchers.Main, not Dispatchers.Main itself")
    if dispatcher is Unconfined:
        raise ValueError(
            "set_main(Dispatchers.Unconfined): it runs coroutines on whatever thread resumes them, so nothing is the "
            "main thread; use UnconfinedTestDispatcher(), which has a clock as well"
        )
    with _guard:
        _stack.append(_main.delegate)
        _switch(MainForTest(dispatcher))


def reset_main() -> None:
    """Put back what stood behind Dispatchers.Main before the last `set_main()`.

    Raises:
        IllegalStateError: Nothing was set; or a coroutine uses Main on another thread at this moment.

    Kotlin: Dispatchers.resetMain, which may be called without a setMain.
    """
    with _guard:
        if not _stack:
            raise IllegalStateError(
                "reset_main() without set_main(): nothing to put back. Call it once for each set_main(), or write "
                "`with main_dispatcher():`"
            )
        _switch(_stack.pop())


def _switch(new: CoroutineDispatcher | None) -> None:
    old, _main.delegate = _main.delegate, new
    if isinstance(new, MainForTest):
        new._retired = False
    if isinstance(old, MainForTest):
        old.retire()
