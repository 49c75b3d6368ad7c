"""TestLifecycleOwner: an owner whose lifecycle a test moves, from whatever thread the test runs on.

Locks: none of its own.
Counterpart: androidx.lifecycle.testing.TestLifecycleOwner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..coroutines._builders import run_blocking, with_context
from ..coroutines._context import EmptyCoroutineContext
from ..coroutines._dispatcher import CoroutineDispatcher
from ..coroutines._main import Main, MainDispatcher, has_main
from ..lifecycle._registry import LifecycleRegistry
from ..lifecycle._states import Event, State, checked_state
from ._dispatchers import TestDispatcher, main_test_dispatcher

if TYPE_CHECKING:
    from ..coroutines._suspend import Suspending


class TestLifecycleOwner:
    """Owns a lifecycle for a test.

        owner = TestLifecycleOwner()
        live.observe(owner, seen.append)
        owner.current_state = State.CREATED                 # nothing is seen from here on

    Args:
        initial_state: Where the lifecycle stands at first.
        dispatcher: Where it is moved; by default Dispatchers.Main.immediate. The mover waits for it. A test dispatcher
            has no thread of its own: there, and where there is no main thread, it is moved on the calling thread.

    Threads: any.
    AndroidX: TestLifecycleOwner; with a StandardTestDispatcher as Main, that one waits for ever.
    """

    __test__ = False

    def __init__(self, initial_state: State = State.STARTED, dispatcher: CoroutineDispatcher = Main.immediate) -> None:
        if not isinstance(dispatcher, CoroutineDispatcher):
            raise TypeError(f"TestLifecycleOwner() takes a dispatcher, got {dispatcher!r}")
        self._dispatcher = dispatcher
        self._registry = LifecycleRegistry.create_unsafe(self)
        self._registry.current_state = checked_state(initial_state, "TestLifecycleOwner()")

    @property
    def lifecycle(self) -> LifecycleRegistry:
        """Its lifecycle, which does not mind the thread."""
        return self._registry

    @property
    def current_state(self) -> State:
        """The state of the lifecycle. Set it to move there; the observers have been told when that returns."""
        return self._registry.current_state

    @current_state.setter
    def current_state(self, state: State) -> None:
        self._move(lambda: setattr(self._registry, "current_state", state))

    def handle_event(self, event: Event) -> None:
        """Move to the state that `event` leads to; the observers have been told when it returns.

        AndroidX: handleLifecycleEvent.
        """
        self._move(lambda: self._registry.handle_event(event))

    def set_current_state(self, state: State) -> Suspending[None]:
        """Move to `state`, in a coroutine.

        AndroidX: setCurrentState.
        """
        return with_context(self._dispatcher, lambda: setattr(self._registry, "current_state", state))

    @property
    def observer_count(self) -> int:
        """How many observers the lifecycle has."""
        return self._registry.observer_count

    def _move(self, move: Callable[[], None]) -> None:
        if self._is_here():
            move()
        else:
            run_blocking(move, context=self._dispatcher)

    def _is_here(self) -> bool:
        """Say whether the calling thread is one to move it on."""
        dispatcher = self._dispatcher
        if isinstance(dispatcher, MainDispatcher) and (not has_main() or main_test_dispatcher() is not None):
            return True
        return isinstance(dispatcher, TestDispatcher) or not dispatcher.is_dispatch_needed(EmptyCoroutineContext)

    def __repr__(self) -> str:
        return f"<TestLifecycleOwner {self.current_state.name.lower()}>"
