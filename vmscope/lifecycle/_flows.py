"""Between flows and this room: a flow that is collected while a lifecycle is up, a flow as LiveData, and the reverse.

The methods `Flow.flow_with_lifecycle`, `Flow.as_live_data` and `LiveData.as_flow` lead here; loaded with the first.
Locks: none.
Counterpart: androidx.lifecycle.flowWithLifecycle, asLiveData, asFlow.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

from ..coroutines._builders import with_context
from ..coroutines._main import Main
from ..flow._builders import callback_flow
from ..flow._hot import StateFlow
from ._lifecycle import Lifecycle, LifecycleOwner, lifecycle_of
from ._live_data_builder import live_data
from ._main_thread import is_main_thread, run_on_main
from ._repeat import repeat_on_lifecycle
from ._states import State, checked_state

if TYPE_CHECKING:
    from ..coroutines._context import CoroutineContext
    from ..flow._flow import Flow
    from ..sync._produce import ProducerScope
    from ._live_data import LiveData

T = TypeVar("T")


def flow_while(flow: Flow[T], of: Lifecycle | LifecycleOwner, state: State) -> Flow[T]:
    """Return `flow`, collected while `of` is in `state` or above."""
    lifecycle = lifecycle_of(of, "flow_with_lifecycle()")
    if checked_state(state, "flow_with_lifecycle()") is State.INITIALIZED:
        raise ValueError("flow_with_lifecycle cannot start with the INITIALIZED state: use CREATED or above")
    return callback_flow(_send_while, flow, lifecycle, state)


def _send_while(
    producer: ProducerScope[T], flow: Flow[T], lifecycle: Lifecycle, state: State
) -> Generator[Any, Any, None]:
    yield from repeat_on_lifecycle(lifecycle, state, flow.collect, producer.send)
    producer.close()


def live_data_of(flow: Flow[T], timeout: float, context: CoroutineContext) -> LiveData[T]:
    """Return a LiveData of the values of `flow`."""
    live: LiveData[T] = live_data(lambda scope: flow.collect(scope.emit), timeout, context)
    if isinstance(flow, StateFlow):
        if is_main_thread():
            live._set_value(flow.value)
        else:
            live._post_value(flow.value)
    return live


def values_of(live: LiveData[T]) -> Flow[T]:
    """Return a flow of the values of `live`."""
    return callback_flow(_send_values, live).conflate()


def _send_values(producer: ProducerScope[T], live: LiveData[T]) -> Generator[Any, Any, None]:
    def send(value: T) -> None:
        producer.try_send(value)

    try:
        yield from with_context(Main.immediate, live.observe_forever, send)
        yield from producer.await_close()
    finally:  # also where the cancellation came on the way back from Main: it observes by then
        run_on_main(lambda: live.remove_observer(send))
