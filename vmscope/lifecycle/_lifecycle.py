"""Lifecycle: what can be observed of something that comes and goes; its owner, and those who observe it.

    on_create ... on_destroy    methods of an observer, each called for its event
    on_state_changed            a method called for each event, after the one for that event
    a function                  called as `function(owner, event)`

Locks: none; a lifecycle belongs to the main thread.
Counterpart: androidx.lifecycle.Lifecycle, LifecycleOwner, DefaultLifecycleObserver, LifecycleEventObserver.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

from ._lifecycle_scope import scope_of_lifecycle
from ._main_thread import run_on_main
from ._states import Event, State

if TYPE_CHECKING:
    from typing import Self

    from ..flow._flow import Flow
    from ..flow._hot import StateFlow
    from ..flow._state import MutableStateFlow
    from ..sync._produce import ProducerScope
    from ._lifecycle_scope import LifecycleCoroutineScope


@runtime_checkable
class LifecycleOwner(Protocol):
    """Anything with a `lifecycle`: a window, a page, a dialog.

    AndroidX: LifecycleOwner.
    """

    @property
    def lifecycle(self) -> Lifecycle:
        """The lifecycle, the same one each time."""
        ...


@runtime_checkable
class LifecycleEventObserver(Protocol):
    """Observes all events with one method.

    AndroidX: LifecycleEventObserver.
    """

    def on_state_changed(self, owner: LifecycleOwner, event: Event, /) -> object:
        """Called for each event, after the method for that event where there is one."""
        ...


class DefaultLifecycleObserver:
    """Observes with a method for each event: override those you need. (To derive from it is for checkers of types.)

    AndroidX: DefaultLifecycleObserver.
    """

    def on_create(self, owner: LifecycleOwner) -> object:
        """Called for ON_CREATE."""

    def on_start(self, owner: LifecycleOwner) -> object:
        """Called for ON_START."""

    def on_resume(self, owner: LifecycleOwner) -> object:
        """Called for ON_RESUME."""

    def on_pause(self, owner: LifecycleOwner) -> object:
        """Called for ON_PAUSE."""

    def on_stop(self, owner: LifecycleOwner) -> object:
        """Called for ON_STOP."""

    def on_destroy(self, owner: LifecycleOwner) -> object:
        """Called for ON_DESTROY."""


#: What may observe a lifecycle.
LifecycleObserver: TypeAlias = (
    "DefaultLifecycleObserver | LifecycleEventObserver | Callable[[LifecycleOwner, Event], object]"
)


class Lifecycle(ABC):
    """What comes and goes, as seen by others: the state it is in, and the events as they happen.

    `LifecycleRegistry` is the one that an owner keeps, and moves.
    Threads: the main one; `current_state` may be read, and `scope` and the flows be asked for, on any.
    AndroidX: Lifecycle.
    """

    __slots__ = ("__weakref__", "_scope", "_state_flow")
    _scope: LifecycleCoroutineScope | None
    _state_flow: MutableStateFlow[State] | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        lifecycle = super().__new__(cls)  # here, so that a subclass need not call our __init__
        lifecycle._scope = None
        lifecycle._state_flow = None
        return lifecycle

    @property
    @abstractmethod
    def current_state(self) -> State:
        """The state it is in. During an event it is the one that was asked for last."""

    @abstractmethod
    def add_observer(self, observer: LifecycleObserver) -> None:
        """Tell `observer` of events from now on, and first of those that led to the state of now."""

    @abstractmethod
    def remove_observer(self, observer: LifecycleObserver) -> None:
        """Tell `observer` no more; also not of an event under way that has not reached it."""

    @property
    def scope(self) -> LifecycleCoroutineScope:
        """The scope for work that ends with it: a SupervisorJob on Dispatchers.Main.immediate, cancelled on destroy.

        One for a lifecycle. Where that is destroyed already, the scope is cancelled from the start.

        Raises:
            MissingMainError: There is no main thread.

        Threads: any. It follows the lifecycle from the main thread, a turn later where another thread asked.
        AndroidX: lifecycleScope, Lifecycle.coroutineScope.
        """
        return scope_of_lifecycle(self)

    @property
    def current_state_flow(self) -> StateFlow[State]:
        """The state as a StateFlow: changed once all observers have been told.

        Threads: the main one at the first look, then any.
        AndroidX: currentStateFlow.
        """
        flow = self._state_flow
        if flow is None:
            from ..flow._state import MutableStateFlow  # here: most programs look at no flow of a lifecycle

            made = flow = self._state_flow = MutableStateFlow(self.current_state)
            self.add_observer(lambda owner, event: setattr(made, "value", event.target_state))
        return flow.as_state_flow()

    @property
    def event_flow(self) -> Flow[Event]:
        """The events as a flow: who collects gets first those that led to the state of now. Ends after ON_DESTROY.

        Collected on a lifecycle that is destroyed already, it ends at once.

        Threads: collected anywhere; it observes on the main thread.
        AndroidX: eventFlow, which does not end where it was destroyed already.
        """
        from ..coroutines._main import Main
        from ..flow._builders import callback_flow

        return callback_flow(self._send_events).flow_on(Main.immediate)

    def _send_events(self, producer: ProducerScope[Event]) -> Generator[Any, Any, None]:
        def send(owner: LifecycleOwner, event: Event) -> None:
            producer.try_send(event)
            if event is Event.ON_DESTROY:
                producer.close()

        self.add_observer(send)
        if self.current_state is State.DESTROYED:
            producer.close()
        yield from producer.await_close(lambda: run_on_main(lambda: self.remove_observer(send)))


def lifecycle_of(of: LifecycleOwner | Lifecycle, what: str) -> Lifecycle:
    """Return the lifecycle of an owner, or the one that was given.

    Raises:
        TypeError: It is neither.
    """
    found = of if isinstance(of, Lifecycle) else getattr(of, "lifecycle", None)
    if not isinstance(found, Lifecycle):
        raise TypeError(f"{what} takes a Lifecycle, or an owner whose `lifecycle` is one, got {of!r}")
    return found


def lifecycle_scope(owner: LifecycleOwner | Lifecycle) -> LifecycleCoroutineScope:
    """Return the scope of an owner's lifecycle: see `Lifecycle.scope`.

    AndroidX: LifecycleOwner.lifecycleScope.
    """
    return lifecycle_of(owner, "lifecycle_scope()").scope


def teller_of(observer: LifecycleObserver) -> Callable[[LifecycleOwner, Event], None]:
    """Return the function that tells `observer` of an event.

    Raises:
        TypeError: It has no method for any event and cannot be called.
    """
    several = any(callable(getattr(observer, event.value, None)) for event in Event)
    one = callable(getattr(observer, "on_state_changed", None))
    if not several and not one:
        if not callable(observer):
            raise TypeError(
                f"{observer!r} cannot observe a lifecycle: a method on_create ... on_destroy or on_state_changed is "
                "needed, or a function of (owner, event)"
            )
        return cast("Callable[[LifecycleOwner, Event], None]", observer)

    def tell(owner: LifecycleOwner, event: Event) -> None:
        for name, arguments in ((event.value, (owner,)), ("on_state_changed", (owner, event))):
            method = getattr(observer, name, None)
            if method is not None:
                method(*arguments)

    return tell
