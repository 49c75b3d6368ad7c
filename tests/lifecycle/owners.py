"""Owners with a lifecycle, and observers that note what they are told and act on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vmscope.lifecycle import Event, LifecycleOwner, LifecycleRegistry, State


class Owner:
    """An owner of a lifecycle that does not mind the thread; `enforced` ones do."""

    def __init__(self, state: State = State.INITIALIZED, *, enforced: bool = False) -> None:
        self.lifecycle = LifecycleRegistry(self) if enforced else LifecycleRegistry.create_unsafe(self)
        if state is not State.INITIALIZED:
            self.lifecycle.current_state = state


class Noting:
    """An observer that notes `name event`, and then does what `acts` has for that event."""

    def __init__(
        self, name: str, log: list[str], acts: Mapping[Event, Callable[[], object]] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.acts = acts or {}

    def on_state_changed(self, owner: LifecycleOwner, event: Event) -> None:
        self.log.append(f"{self.name} {event.value.removeprefix('on_')}")
        act = self.acts.get(event)
        if act is not None:
            act()
