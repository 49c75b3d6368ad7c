"""share_in and state_in: one run of a flow, in a coroutine of a scope, for all who collect.

A buffer right above takes no channel of its own: its size is that of the shared flow.
Counterpart: kotlinx.coroutines.flow.Share.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .._errors import CancellationException
from ..coroutines._context import CoroutineContext, EmptyCoroutineContext
from ..coroutines._deferred import CompletableDeferred
from ..coroutines._scope import CoroutineScope, CoroutineStart
from ..coroutines._suspend import suspend
from ..sync._channel import BufferOverflow, Channel
from ._channels import OPTIONAL, ChannelRun
from ._emit import NOTHING, Emit, NoSuchElementError, Run, emit_to
from ._hot import SharedFlow, StateFlow, shared_view, state_view
from ._shared import MutableSharedFlow
from ._started import SharingCommand, SharingStarted
from ._state import MutableStateFlow

if TYPE_CHECKING:
    from ..coroutines._job import Job
    from ._flow import Flow

T = TypeVar("T")
_DEFAULT_BUFFER = 64


class _Config(NamedTuple):
    run: Run
    extra: int
    overflow: BufferOverflow
    context: CoroutineContext


def _configured(flow: Flow[Any], replay: int) -> _Config:
    run = flow._fusible()
    extra = max(replay, _DEFAULT_BUFFER) - replay
    above = run.above() if isinstance(run, ChannelRun) else None
    if above is None:
        return _Config(run, extra, BufferOverflow.SUSPEND, EmptyCoroutineContext)
    assert isinstance(run, ChannelRun)
    capacity = run.capacity
    if capacity in (OPTIONAL, Channel.BUFFERED, 0):
        if run.overflow is not BufferOverflow.SUSPEND:
            capacity = 0 if replay else 1
        elif capacity != 0:
            capacity = extra
    return _Config(above, capacity, run.overflow, run.context)


def _launch(
    scope: CoroutineScope, config: _Config, target: Any, started: SharingStarted, initial: Any,
    collect: Callable[[], Generator[Any, Any, None]],
) -> Job:  # fmt: skip
    if not isinstance(started, SharingStarted):
        raise TypeError(f"started takes a SharingStarted, SharingStarted.LAZILY say, got {started!r}")
    if not isinstance(scope, CoroutineScope):
        raise TypeError(f"a flow is shared in a CoroutineScope, got {scope!r}")

    def obey(command: SharingCommand) -> Generator[Any, Any, None] | None:
        if command is SharingCommand.START:
            return collect()
        if command is SharingCommand.STOP_AND_RESET_REPLAY_CACHE:
            if initial is NOTHING:
                target.reset_replay_cache()
            else:
                target.try_emit(initial)
        return None

    def share() -> Generator[Any, Any, None]:
        if started is SharingStarted.EAGERLY:
            yield from collect()
        elif started is SharingStarted.LAZILY:
            yield from target.subscription_count.first(lambda count: count > 0)
            yield from collect()
        else:
            commands = started.commands(target.subscription_count)
            yield from commands.distinct_until_changed().collect_latest(obey)

    start = CoroutineStart.DEFAULT if started is SharingStarted.EAGERLY else CoroutineStart.UNDISPATCHED
    context = None if config.context is EmptyCoroutineContext else config.context
    return scope.launch(share, context=context, start=start)


def share_in(
    flow: Flow[T], scope: CoroutineScope, started: SharingStarted, replay: int, propagate: bool
) -> SharedFlow[T]:
    """See Flow.share_in."""
    config = _configured(flow, replay)
    shared: MutableSharedFlow[T] = MutableSharedFlow(replay, config.extra, config.overflow)
    emit: Emit = emit_to(shared.emit)

    def collect() -> Generator[Any, Any, None]:
        if shared._ended:  # started once more, by a later collector: that one gets the replay, and the end
            return
        try:
            yield from config.run(emit)
        except Exception as failure:
            if propagate:
                shared.fail(failure)
            raise
        if propagate:
            shared.complete()

    job = _launch(scope, config, shared, started, NOTHING, collect)
    return shared_view(shared, job, propagate)


def state_in_now(flow: Flow[T], scope: CoroutineScope, started: SharingStarted, initial: T) -> StateFlow[T]:
    """See Flow.state_in."""
    config = _configured(flow, 1)
    state = MutableStateFlow(initial)

    def put(value: T) -> None:
        state.try_emit(value)

    job = _launch(scope, config, state, started, initial, lambda: config.run(put))
    return state_view(state, job)


@suspend
def state_in(flow: Flow[T], scope: CoroutineScope) -> Generator[Any, Any, StateFlow[T]]:
    """See Flow.state_in."""
    config = _configured(flow, 1)
    result: CompletableDeferred[tuple[StateFlow[T] | None, BaseException | None]] = CompletableDeferred()
    states: list[MutableStateFlow[T]] = []

    def put(value: T) -> None:
        if states:
            states[0].try_emit(value)
            return
        states.append(MutableStateFlow(value))
        result.complete((state_view(states[0], job), None))

    def share() -> Generator[Any, Any, None]:
        try:
            yield from config.run(put)
            if not states:
                result.complete((None, NoSuchElementError("Flow is empty")))
        except BaseException as failure:
            result.complete((None, failure))
            raise

    def told(cause: BaseException | None) -> None:
        """The coroutine has ended: cancelled before it began, perhaps."""
        result.complete((None, cause or CancellationException("the scope of state_in() has ended")))

    context = None if config.context is EmptyCoroutineContext else config.context
    job: Job | None = None
    job = scope.launch(share, context=context)
    job.invoke_on_completion(told)
    state, failure = yield from result.await_()
    if failure is not None:
        raise failure
    assert state is not None
    return state
