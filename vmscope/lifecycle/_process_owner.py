"""ProcessLifecycleOwner: the lifecycle of the whole program, made of those of its windows.

It is STARTED and RESUMED as long as one of the lifecycles that it watches is. Down it goes a moment later, so that a
window which is closed and another which is opened in its place are no event for the program.
Locks: none; it belongs to the main thread.
Counterpart: androidx.lifecycle.ProcessLifecycleOwner, which watches all activities.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from .._primitives import after_fork
from ..coroutines._main import Main
from ..coroutines._scope import GlobalScope
from ..coroutines._time import delay
from ._lifecycle import Lifecycle, LifecycleOwner, lifecycle_of
from ._registry import LifecycleRegistry
from ._states import Event, State

if TYPE_CHECKING:
    from ..coroutines._job import Job


class ProcessLifecycleOwner:
    """The program as an owner: a service that polls only while any window is in use observes its `lifecycle`.

    `ProcessLifecycleOwner.get()` is the one of the program; each window is told to it with `watch`. It is CREATED from
    the first `watch` on, and never destroyed. ON_START and ON_RESUME come with the first window that does; ON_PAUSE and
    ON_STOP `TIMEOUT` seconds after the last one.

    Attributes:
        TIMEOUT: Seconds between the last window's pause and the program's.

    Threads: the main one; `get()` any.
    AndroidX: ProcessLifecycleOwner.
    """

    TIMEOUT = 0.7

    def __init__(self) -> None:
        self._registry = LifecycleRegistry(self)
        self._started = 0
        self._resumed = 0
        self._pause_sent = True
        self._stop_sent = True
        self._pausing: Job | None = None

    @staticmethod
    def get() -> ProcessLifecycleOwner:
        """Return the one of the program."""
        owner = _owners.get("process")
        if owner is None:
            owner = _owners.setdefault("process", ProcessLifecycleOwner())  # one step on every build
        return owner

    @property
    def lifecycle(self) -> Lifecycle:
        """The lifecycle of the program."""
        return self._registry

    def watch(self, of: Lifecycle | LifecycleOwner) -> None:
        """Count a window in, until its lifecycle is destroyed."""
        lifecycle = lifecycle_of(of, "ProcessLifecycleOwner.watch()")
        if self._registry.current_state is State.INITIALIZED:
            self._registry.handle_event(Event.ON_CREATE)
        lifecycle.add_observer(self._on_event)

    def _on_event(self, owner: LifecycleOwner, event: Event) -> None:
        if event is Event.ON_START:
            self._started += 1
            if self._started == 1 and self._stop_sent:
                self._stop_sent = False
                self._registry.handle_event(Event.ON_START)
        elif event is Event.ON_RESUME:
            self._resumed += 1
            if self._resumed == 1:
                self._resume()
        elif event is Event.ON_PAUSE:
            self._resumed -= 1
            if self._resumed == 0:
                self._pausing = GlobalScope.launch(self._pause_later, context=Main.immediate)
        elif event is Event.ON_STOP:
            self._started -= 1
            self._stop_if_unused()

    def _resume(self) -> None:
        if self._pause_sent:
            self._pause_sent = False
            self._registry.handle_event(Event.ON_RESUME)
        else:
            assert self._pausing is not None, "all have paused since the program was resumed"
            self._pausing.cancel("a window was resumed in time")
            self._pausing = None

    def _pause_later(self) -> Generator[Any, Any, None]:
        yield from delay(self.TIMEOUT)  # cancelled by a window that is resumed meanwhile, up to the last moment
        self._pause_sent = True
        self._registry.handle_event(Event.ON_PAUSE)
        self._stop_if_unused()

    def _stop_if_unused(self) -> None:
        if self._started == 0 and self._pause_sent:
            self._stop_sent = True
            self._registry.handle_event(Event.ON_STOP)

    def __repr__(self) -> str:
        return f"<ProcessLifecycleOwner, {self._started} started, {self._resumed} resumed>"


_owners: dict[str, ProcessLifecycleOwner] = {}
after_fork(_owners.clear)
