"""The ground: message loops, as android.os has them."""

from ._fd import EVENT_ERROR, EVENT_INPUT, EVENT_OUTPUT
from ._handler import Handler
from ._handler_thread import HandlerThread
from ._looper import Looper, LooperObserver
from ._message import Message
from ._queue import MessageQueue
from ._test_looper import TestLooperManager

__all__ = (
    "EVENT_ERROR", "EVENT_INPUT", "EVENT_OUTPUT", "Handler", "HandlerThread", "Looper", "LooperObserver", "Message",
    "MessageQueue", "TestLooperManager",
)  # fmt: skip
