"""SharingStarted: when the coroutine behind `share_in` and `state_in` runs.

Counterpart: kotlinx.coroutines.flow.SharingStarted.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from ..coroutines._time import checked_seconds, delay
from ._builders import flow, flow_of

if TYPE_CHECKING:
    from ._emit import FlowCollector
    from ._flow import Flow
    from ._hot import StateFlow


class SharingCommand(Enum):
    """What a policy says next.

    Kotlin: SharingCommand.
    """

    START = "start"  #: Run the flow.
    STOP = "stop"  #: Cancel it; the replay stays.
    STOP_AND_RESET_REPLAY_CACHE = "stop_and_reset"  #: Cancel it, and empty the replay; a state gets its initial value.


class SharingStarted:
    """When a shared flow runs. Derive from it and write `commands` for a policy of your own.

    Attributes:
        EAGERLY: At once, and to the end of the scope.
        LAZILY: From the first collector on, and to the end of the scope.

    Kotlin: SharingStarted.
    """

    __slots__ = ()
    EAGERLY: ClassVar[SharingStarted]
    LAZILY: ClassVar[SharingStarted]

    def commands(self, subscription_count: StateFlow[int]) -> Flow[SharingCommand]:
        """Return the flow of commands, given how many collect; a command that is repeated is ignored."""
        raise NotImplementedError(f"{type(self).__name__} does not say when to start: define commands(count)")

    @staticmethod
    def WHILE_SUBSCRIBED(stop_timeout: float = 0.0, replay_expiration: float = inf) -> SharingStarted:  # noqa: N802
        """Return the policy that runs the flow while somebody collects.

        Args:
            stop_timeout: Seconds that it runs on after the last one has left; 5 let a screen be rebuilt.
            replay_expiration: Seconds after that until the replay is emptied, or the state gets its initial value.

        Raises:
            ValueError: A negative time.
        """
        return _WhileSubscribed(stop_timeout, replay_expiration)


class _Eagerly(SharingStarted):
    __slots__ = ()

    def commands(self, subscription_count: StateFlow[int]) -> Flow[SharingCommand]:
        return flow_of(SharingCommand.START)

    def __repr__(self) -> str:
        return "SharingStarted.EAGERLY"


class _Lazily(SharingStarted):
    __slots__ = ()

    def commands(self, subscription_count: StateFlow[int]) -> Flow[SharingCommand]:
        def wait(collector: FlowCollector[SharingCommand]) -> Generator[Any, Any, None]:
            yield from subscription_count.first(lambda count: count > 0)
            yield from collector.emit(SharingCommand.START)

        return flow(wait)

    def __repr__(self) -> str:
        return "SharingStarted.LAZILY"


class _WhileSubscribed(SharingStarted):
    __slots__ = ("_expiration", "_timeout")

    def __init__(self, timeout: float, expiration: float) -> None:
        for seconds, name in ((timeout, "stop_timeout"), (expiration, "replay_expiration")):
            if checked_seconds(seconds, f"WHILE_SUBSCRIBED({name}=...)") < 0:
                raise ValueError(f"{name} cannot be negative, got {seconds!r}")
        self._timeout = timeout
        self._expiration = expiration

    def commands(self, subscription_count: StateFlow[int]) -> Flow[SharingCommand]:
        def follow(collector: FlowCollector[SharingCommand], count: int) -> Generator[Any, Any, None]:
            if count > 0:
                yield from collector.emit(SharingCommand.START)
                return
            yield from delay(self._timeout)
            if self._expiration > 0:
                yield from collector.emit(SharingCommand.STOP)
                yield from delay(self._expiration)
            yield from collector.emit(SharingCommand.STOP_AND_RESET_REPLAY_CACHE)

        commands: Flow[SharingCommand] = subscription_count.transform_latest(follow)
        return commands.drop_while(lambda command: command is not SharingCommand.START).distinct_until_changed()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _WhileSubscribed):
            return NotImplemented
        return (self._timeout, self._expiration) == (other._timeout, other._expiration)

    def __hash__(self) -> int:
        return hash((self._timeout, self._expiration))

    def __repr__(self) -> str:
        return f"SharingStarted.WHILE_SUBSCRIBED({self._timeout!r}, {self._expiration!r})"


SharingStarted.EAGERLY = _Eagerly()
SharingStarted.LAZILY = _Lazily()
