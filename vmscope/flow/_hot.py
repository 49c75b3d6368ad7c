"""SharedFlow and StateFlow as those see them who only read: what both kinds have in common, and views of them.

Counterpart: kotlinx.coroutines.flow.SharedFlow, StateFlow, onSubscription, asSharedFlow, asStateFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar
from warnings import warn

from .._errors import VmScopeWarning
from ._emit import Emit, Run, block_for
from ._flow import Flow

if TYPE_CHECKING:
    from ..coroutines._context import CoroutineContext

T_co = TypeVar("T_co", covariant=True)

#: Run by a collector once it is registered, before it gets its first value.
OnSubscription = Callable[[], Generator[Any, Any, None]]


class SharedFlow(Flow[T_co]):
    """A hot flow: it is there whether somebody collects it or not, and all who do get the same values.

    Collecting it does not end by itself: `take`, `first` and a cancellation do.
    Threads: any.
    Kotlin: SharedFlow.
    """

    __slots__ = ()

    def __init__(self) -> None:
        raise TypeError(
            f"{type(self).__name__} is what those see who only read: make a Mutable{type(self).__name__}(...)"
        )

    @property
    def replay_cache(self) -> tuple[T_co, ...]:
        """The values that a new collector gets first, oldest first."""
        raise NotImplementedError

    def on_subscription(self, block: Callable[..., object]) -> SharedFlow[T_co]:
        """Have `block(collector)` run for each collector as soon as it is registered, before its first value.

        What others emit from then on reaches it. What `block` emits goes to this one collector.
        Kotlin: onSubscription.
        """
        view: SharedFlow[T_co] = object.__new__(_Subscribed)
        view._hold(self, block)  # type: ignore[attr-defined]
        return view

    def _run(self, emit: Emit) -> Generator[Any, Any, None]:
        return self._collect(emit, None)

    def _collect(self, emit: Emit, subscribed: OnSubscription | None) -> Generator[Any, Any, None]:
        raise NotImplementedError

    def _never_ends(self) -> bool:
        return True

    def _ending(self, name: str) -> Run:
        """Return the run for `name`, which needs an end of the flow; where there will be none, warn."""
        if self._never_ends():
            warn(
                f"{name}() waits for the end of {self!r}, which has none: limit it first, take(n).{name}() say",
                VmScopeWarning,
                stacklevel=3,
            )
        return self._run

    def _never_fails(self) -> bool:
        return False

    def _failing(self, name: str, run: Run) -> Flow[T_co]:
        """Return the flow of `run`; where there will be no failure, warn, and return this one."""
        if not self._never_fails():
            return super()._failing(name, run)
        warn(
            f"{name}() waits for a failure of {self!r}, which has none: put it above share_in() or state_in(), or "
            "below an operator that may fail",
            VmScopeWarning,
            stacklevel=3,
        )
        return self

    def cancellable(self) -> SharedFlow[T_co]:
        """Itself: it looks for a cancellation before each value anyway."""
        return self

    def flow_on(self, context: CoroutineContext) -> SharedFlow[T_co]:
        """Itself: nothing of it runs in the collector, so there is no context to change."""
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lstrip('_')}>"


class StateFlow(SharedFlow[T_co]):
    """A hot flow that always has a value. Who collects it gets the newest one, then each change it is able to see.

    Kotlin: StateFlow.
    """

    __slots__ = ()

    @property
    def value(self) -> T_co:
        """The value of now."""
        raise NotImplementedError

    @property
    def replay_cache(self) -> tuple[T_co, ...]:
        """The value alone."""
        return (self.value,)

    def _never_fails(self) -> bool:
        return True

    def conflate(self) -> StateFlow[T_co]:
        """Itself: slow collectors skip values anyway."""
        return self

    def distinct_until_changed(self, are_equivalent: Callable[[Any, Any], Any] | None = None) -> Flow[T_co]:
        """Itself: an equal value is no change anyway. With `are_equivalent`, as in Flow."""
        return self if are_equivalent is None else super().distinct_until_changed(are_equivalent)

    def map_state(self, function: Callable[[T_co], Any]) -> StateFlow[Any]:
        """Return a StateFlow of `function(value)`, live: computed when it is read, without a scope and a coroutine.

        Args:
            function: Plain and quick; called again only where the value has become another.

        Who collects it gets distinct values only.
        Kotlin: none; asked for as map for StateFlow.
        """
        from ._derived import derived  # below: it follows those that are set

        return derived((self,), function)

    def _roots(self) -> tuple[Any, ...]:
        """The flows that are set, and that this one shows."""
        raise NotImplementedError(f"{self!r} cannot be followed together with others")

    def _value_at(self, seen: dict[Any, Any]) -> T_co:
        """The value of one moment: of the flows that are set, what `seen` has, where those not in there yet come to."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lstrip('_')} {self.value!r}>"


class _Subscribed(SharedFlow[T_co]):
    """What `on_subscription` returns."""

    __slots__ = ("_block", "_of")

    def _hold(self, of: SharedFlow[T_co], block: Callable[..., object]) -> None:
        self._of = of
        self._block = block_for(block, "on_subscription()")

    @property
    def replay_cache(self) -> tuple[T_co, ...]:
        return self._of.replay_cache

    def _collect(self, emit: Emit, subscribed: OnSubscription | None) -> Generator[Any, Any, None]:
        def both() -> Generator[Any, Any, None]:
            yield from self._block(emit)
            if subscribed is not None:
                yield from subscribed()

        return self._of._collect(emit, both)


class SharedView(SharedFlow[T_co]):
    """Another SharedFlow, to be read only. `job`, where there is one, is the coroutine that feeds it."""

    __slots__ = ("_completes", "_job", "_of")

    @property
    def replay_cache(self) -> tuple[T_co, ...]:
        return self._of.replay_cache

    def _collect(self, emit: Emit, subscribed: OnSubscription | None) -> Generator[Any, Any, None]:
        return self._of._collect(emit, subscribed)

    def _never_ends(self) -> bool:
        return self._of._never_ends() and not self._completes

    def _never_fails(self) -> bool:
        return self._job is not None and not self._completes  # what is shared fails its scope

    def __repr__(self) -> str:
        return f"<SharedFlow of {self._of!r}>"

    _of: SharedFlow[T_co]
    _job: object
    _completes: bool


class StateView(StateFlow[T_co]):
    """Another StateFlow, to be read only."""

    __slots__ = ("_job", "_of")
    _of: StateFlow[T_co]
    _job: object

    @property
    def value(self) -> T_co:
        return self._of.value

    def _collect(self, emit: Emit, subscribed: OnSubscription | None) -> Generator[Any, Any, None]:
        return self._of._collect(emit, subscribed)

    def _roots(self) -> tuple[Any, ...]:
        return self._of._roots()

    def _value_at(self, seen: dict[Any, Any]) -> T_co:
        return self._of._value_at(seen)

    def __repr__(self) -> str:
        return f"<StateFlow {self.value!r}>"


def shared_view(of: SharedFlow[T_co], job: object = None, completes: bool = False) -> SharedFlow[T_co]:
    """Return `of`, to be read only."""
    view: SharedView[T_co] = object.__new__(SharedView)
    view._of, view._job, view._completes = of, job, completes
    return view


def state_view(of: StateFlow[T_co], job: object = None) -> StateFlow[T_co]:
    """Return `of`, to be read only."""
    view: StateView[T_co] = object.__new__(StateView)
    view._of, view._job = of, job
    return view
