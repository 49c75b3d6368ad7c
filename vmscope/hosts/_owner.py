"""ViewOwner: what belongs to one widget or window, and is over before the widget is.

Invariants
    O1  from the moment `destroy()` has begun nothing of it is called any more: no post, no binding, no coroutine but
        for its clean-up.
Locks: none. All but `post` and `is_destroyed` happens on the host's thread.
Counterpart: androidx.activity.ComponentActivity, as the owner of view models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import call_quietly
from .._primitives import report_uncaught
from ..coroutines._job import Job, SupervisorJob
from ..coroutines._main import Main
from ..coroutines._scope import CoroutineScope
from ..lifecycle._cleanup import endings_of
from ..lifecycle._registry import LifecycleRegistry
from ..lifecycle._states import Event, State
from ..lifecycle._store import ViewModelStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._host import Host


class ViewOwner:
    """What belongs to one widget or window: view models, coroutines, posts. Over before the widget is.

    Attributes:
        scope: Coroutines on `Dispatchers.Main.immediate` under a SupervisorJob, cancelled when the widget goes.
        view_model_store: Cleared when the widget goes; one that was given to `bind` is kept.
        lifecycle: RESUMED from the beginning; DESTROYED, before all else, when the widget goes. Who knows when the
            window is hidden moves it: `owner.lifecycle.current_state = State.CREATED`.

    Threads: the host's; `post` and `is_destroyed` from any.
    Android: a ComponentActivity, as ViewModelStoreOwner and LifecycleOwner.
    """

    def __init__(self, host: Host, store: ViewModelStore | None) -> None:
        self.scope: CoroutineScope = CoroutineScope(SupervisorJob() + Main.immediate)
        self.view_model_store: ViewModelStore = ViewModelStore() if store is None else store
        self._keeps_store = store is not None
        self.lifecycle: LifecycleRegistry = LifecycleRegistry(self)
        self.lifecycle.current_state = State.RESUMED
        self._host = host
        self._destroyed = False
        self._ends: list[Callable[[], object]] = []

    @property
    def is_destroyed(self) -> bool:
        """Whether the widget is gone, or about to go. Threads: any."""
        return self._destroyed

    def post(self, fn: Callable[[], object]) -> bool:
        """Have `fn()` called on the host's thread, unless the widget goes first.

        Returns:
            False: the widget is gone, or the host closed.

        Threads: any, at any point.
        """
        return not self._destroyed and self._host.handler.post_delayed(self._guarded(fn), 0.0, self)

    def _guarded(self, fn: Callable[[], object]) -> Callable[[], object]:
        return lambda: None if self._destroyed else fn()

    def on_destroy(self, fn: Callable[[], object]) -> None:
        """Have `fn()` called when the widget goes, while it is still there; at once where it is gone."""
        if self._destroyed:
            fn()
        else:
            self._ends.append(fn)

    def destroy(self) -> None:
        """End it, as the destruction of the widget does. What fails of that is reported. Once is enough.

        Raises:
            IllegalStateError: This is not the host's thread; nothing has ended.
        """
        self._host._check_thread(f"destroy {self!r} of {self._host!r}", "owner.post(owner.destroy)")
        if self._destroyed:
            return
        self._destroyed = True
        call_quietly(report_uncaught, self.lifecycle.handle_event, Event.ON_DESTROY)
        self._host.handler.remove_callbacks_and_messages(self)
        if not self._keeps_store:
            call_quietly(report_uncaught, self.view_model_store.clear)
        call_quietly(report_uncaught, self.scope.cancel, "its widget was destroyed")
        ends, self._ends = self._ends, []
        for end in ends:
            call_quietly(report_uncaught, end)
        left = () if self._keeps_store else endings_of(self.view_model_store)
        self._host._let_go(self, [job_of(self.scope), *left])

    def _widget_gone(self, *_: object) -> None:
        """For a toolkit that tells of the end of the widget wherever that was let go of. Raises nothing."""
        if self._host.looper.is_current_thread():
            call_quietly(report_uncaught, self.destroy)
        else:
            self.post(self.destroy)  # refused: it has ended, or the host has, and all that was bound with that

    def __repr__(self) -> str:
        return f"<ViewOwner {'destroyed' if self._destroyed else 'alive'}>"


def job_of(scope: CoroutineScope) -> Job:
    """Return the Job of a scope that has one."""
    job = scope.coroutine_context[Job]
    assert job is not None
    return job
