"""The states of a lifecycle and the events between them.

                    +-------------+
                    | Initialized |
                    +-------------+
                          | on_create
                          v
    +-----------+   +---------+
    | Destroyed |<--| Created |
    +-----------+   +---------+
       on_destroy     |     ^
             on_start v     | on_stop
                    +---------+
                    | Started |
                    +---------+
                      |     ^
            on_resume v     | on_pause
                    +---------+
                    | Resumed |
                    +---------+

One step at a time, up or down; Destroyed is the end.
Counterpart: androidx.lifecycle.Lifecycle.State, Lifecycle.Event.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class State(IntEnum):
    """Where a lifecycle stands. States compare: `State.CREATED < State.RESUMED`.

    AndroidX: Lifecycle.State.
    """

    DESTROYED = 0  #: Gone for good; nothing follows.
    INITIALIZED = 1  #: Made, and nothing has happened yet.
    CREATED = 2  #: There, and not to be seen.
    STARTED = 3  #: To be seen.
    RESUMED = 4  #: In front, and in use.

    def is_at_least(self, state: State) -> bool:
        """Say whether this is `state` or above it."""
        return self >= state


class Event(Enum):
    """A step of a lifecycle from one state to the next.

    AndroidX: Lifecycle.Event; its ON_ANY, a mark for annotations, has no use here.
    """

    ON_CREATE = "on_create"
    ON_START = "on_start"
    ON_RESUME = "on_resume"
    ON_PAUSE = "on_pause"
    ON_STOP = "on_stop"
    ON_DESTROY = "on_destroy"

    @property
    def target_state(self) -> State:
        """The state that the event leads to."""
        return _TARGETS[self]

    @staticmethod
    def up_from(state: State) -> Event | None:
        """Return the event that leads up out of `state`; None out of RESUMED and DESTROYED."""
        return _UP_TO.get(State(state + 1)) if State.INITIALIZED <= state < State.RESUMED else None

    @staticmethod
    def up_to(state: State) -> Event | None:
        """Return the event that leads up into `state`; None into INITIALIZED and DESTROYED."""
        return _UP_TO.get(state)

    @staticmethod
    def down_from(state: State) -> Event | None:
        """Return the event that leads down out of `state`; None out of INITIALIZED and DESTROYED."""
        return _DOWN_FROM.get(state)

    @staticmethod
    def down_to(state: State) -> Event | None:
        """Return the event that leads down into `state`; None into INITIALIZED and RESUMED."""
        return _DOWN_TO.get(state)


_UP_TO = {State.CREATED: Event.ON_CREATE, State.STARTED: Event.ON_START, State.RESUMED: Event.ON_RESUME}
_DOWN_FROM = {State.CREATED: Event.ON_DESTROY, State.STARTED: Event.ON_STOP, State.RESUMED: Event.ON_PAUSE}
_DOWN_TO = {State.DESTROYED: Event.ON_DESTROY, State.CREATED: Event.ON_STOP, State.STARTED: Event.ON_PAUSE}
_TARGETS = {event: state for table in (_UP_TO, _DOWN_TO) for state, event in table.items()}


def checked_state(state: State, what: str) -> State:
    """Refuse what is no state.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(state, State):
        raise TypeError(f"{what} takes a State, State.STARTED say, got {state!r}")
    return state
