"""Channels, select, and locks, for coroutines and plain threads alike. kotlinx.coroutines.channels, .selects, .sync."""

from ._barrier import Barrier
from ._channel import (
    BufferOverflow,
    Channel,
    ChannelIterator,
    ChannelResult,
    ChannelStatistics,
    ReceiveChannel,
    SendChannel,
)
from ._condition import Condition
from ._errors import BrokenBarrierError, ClosedReceiveChannelError, ClosedSendChannelError, UndeliveredElementError
from ._event import CountDownLatch, Event
from ._limiter import CapacityLimiter, LimiterStatistics
from ._line import LineStatistics, with_held
from ._mutex import Mutex, with_lock
from ._produce import (
    ActorChannel,
    ActorScope,
    ProducedChannel,
    ProducerScope,
    TickerMode,
    actor,
    await_close,
    produce,
    ticker,
)
from ._rw import ReadWriteMutex, ReadWriteSide, ReadWriteStatistics
from ._select import SelectBuilder, select, select_unbiased, while_select
from ._semaphore import Semaphore, with_permit

__all__ = (
    "ActorChannel",
    "ActorScope",
    "Barrier",
    "BrokenBarrierError",
    "BufferOverflow",
    "CapacityLimiter",
    "Channel",
    "ChannelIterator",
    "ChannelResult",
    "ChannelStatistics",
    "ClosedReceiveChannelError",
    "ClosedSendChannelError",
    "Condition",
    "CountDownLatch",
    "Event",
    "LimiterStatistics",
    "LineStatistics",
    "Mutex",
    "ProducedChannel",
    "ProducerScope",
    "ReadWriteMutex",
    "ReadWriteSide",
    "ReadWriteStatistics",
    "ReceiveChannel",
    "SelectBuilder",
    "Semaphore",
    "SendChannel",
    "TickerMode",
    "UndeliveredElementError",
    "actor",
    "await_close",
    "produce",
    "select",
    "select_unbiased",
    "ticker",
    "while_select",
    "with_held",
    "with_lock",
    "with_permit",
)
