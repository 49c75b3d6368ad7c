"""What the primitives of this room raise beside the exceptions of the package.

Counterpart: kotlinx.coroutines.channels.ClosedSendChannelException and its kin.
"""

from __future__ import annotations

from .._errors import IllegalStateError


class ClosedSendChannelError(IllegalStateError):
    """An element was sent to a channel that was closed without a cause: its producers are done.

    Kotlin: ClosedSendChannelException.
    """

    __module__ = "vmscope.sync"


class ClosedReceiveChannelError(LookupError):
    """An element was asked of a channel that was closed without a cause and has none left.

    Kotlin: ClosedReceiveChannelException, which is a NoSuchElementException.
    """

    __module__ = "vmscope.sync"


class UndeliveredElementError(RuntimeError):
    """The `on_undelivered` hook of a channel raised; `__cause__` is what it raised. The element is lost all the same.

    Kotlin: UndeliveredElementException.
    """

    __module__ = "vmscope.sync"


class BrokenBarrierError(IllegalStateError):
    """The barrier was aborted, or is aborted while somebody waits at it.

    Python: threading.BrokenBarrierError.
    """

    __module__ = "vmscope.sync"
