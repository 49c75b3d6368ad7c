"""The scope of a lifecycle: for work that ends when its owner is destroyed.

Invariants
    S1  one scope for a lifecycle, whoever asks first.
    S2  it is cancelled when the lifecycle is destroyed, and born so where that has happened.
Locks
    `_guard` guards the making of a scope: an empty job and the scope are made under it, nothing of a caller's runs.
Counterpart: androidx.lifecycle.LifecycleCoroutineScope, lifecycleScope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import CancellationException, MissingMainError
from .._primitives import RLock, after_fork
from ..coroutines._job import Job, SupervisorJob
from ..coroutines._main import Main, has_main
from ..coroutines._scope import CoroutineScope
from ._main_thread import run_on_main
from ._states import State

if TYPE_CHECKING:
    from ._lifecycle import Lifecycle, LifecycleOwner
    from ._states import Event

_guard = RLock()


def _after_fork() -> None:
    global _guard
    _guard = RLock()


after_fork(_after_fork)


class LifecycleCoroutineScope(CoroutineScope):
    """The scope of a lifecycle: a SupervisorJob on Dispatchers.Main.immediate, cancelled when that is destroyed.

    AndroidX: LifecycleCoroutineScope; its launchWhenCreated and kin, deprecated there, are `repeat_on_lifecycle` and
    `with_state` here.
    """

    __slots__ = ("lifecycle",)

    def __init__(self, lifecycle: Lifecycle) -> None:
        super().__init__(SupervisorJob() + Main.immediate)
        self.lifecycle: Lifecycle = lifecycle

    def _register(self) -> None:
        """Follow the lifecycle, from the main thread on."""
        if self.lifecycle.current_state is State.DESTROYED:
            self._end()
        else:
            run_on_main(self._follow)

    def _follow(self) -> None:
        self.lifecycle.add_observer(self._on_event)
        if self.lifecycle.current_state is State.DESTROYED:  # on the way here; nobody will be told of it any more
            self._end()

    def _on_event(self, owner: LifecycleOwner, event: Event) -> None:
        if self.lifecycle.current_state is State.DESTROYED:
            self.lifecycle.remove_observer(self._on_event)
            self._end()

    def _end(self) -> None:
        job = self.coroutine_context.get(Job)
        assert job is not None
        why = CancellationException("Job was cancelled", job=job, source="clear")
        why.add_note("its lifecycle was destroyed")
        job.cancel(why)


def scope_of_lifecycle(lifecycle: Lifecycle) -> LifecycleCoroutineScope:
    """Return the scope of `lifecycle`, made at the first call.

    Raises:
        MissingMainError: There is no main thread for it to run on.
    """
    scope = lifecycle._scope  # without the lock: None, or the one there will ever be
    if scope is not None:
        return scope
    if not has_main():
        raise MissingMainError(
            "the scope of a lifecycle runs on Dispatchers.Main, and there is no main looper: call "
            "Looper.prepare_main() first, or run the program with run_main(...); in a test, set one"
        )
    with _guard:
        made = lifecycle._scope
        if made is None:
            made = scope = lifecycle._scope = LifecycleCoroutineScope(lifecycle)
    if made is scope:
        made._register()
    return made
