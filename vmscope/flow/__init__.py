"""Flows: values over time, cold and hot. kotlinx.coroutines.flow.

The way in is `_emit.py` (how a value travels), then `_flow.py` (what there is), then `_state.py` and `_shared.py`.
"""

from ._builders import (
    as_flow,
    callback_flow,
    channel_flow,
    combine,
    combine_transform,
    consume_as_flow,
    empty_flow,
    flow,
    flow_of,
    merge,
    receive_as_flow,
    zip_flows,
)
from ._derived import combine_states
from ._emit import FlowCollector, NoSuchElementError
from ._events import EventFlow
from ._flow import Flow
from ._hot import SharedFlow, StateFlow
from ._iterate import FlowIterator
from ._lazy import LazyAsync, SingleFlight, lazy_async
from ._merge import race, race_success
from ._operators import IndexedValue
from ._shared import MutableSharedFlow
from ._started import SharingCommand, SharingStarted
from ._state import MutableStateFlow

__all__ = (
    "as_flow",
    "callback_flow",
    "channel_flow",
    "combine",
    "combine_states",
    "combine_transform",
    "consume_as_flow",
    "empty_flow",
    "EventFlow",
    "Flow",
    "flow",
    "flow_of",
    "FlowCollector",
    "FlowIterator",
    "IndexedValue",
    "lazy_async",
    "LazyAsync",
    "merge",
    "MutableSharedFlow",
    "MutableStateFlow",
    "NoSuchElementError",
    "race",
    "race_success",
    "receive_as_flow",
    "SharedFlow",
    "SharingCommand",
    "SharingStarted",
    "SingleFlight",
    "StateFlow",
    "zip_flows",
)
