"""TestLooperManager: holds a looper still and hands its messages to a test, one by one.

Counterpart: android.os.TestLooperManager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from .._errors import IllegalStateError
from .._primitives import SimpleQueue
from ._handler import Handler

if TYPE_CHECKING:
    from types import TracebackType

    from ._item import Item
    from ._looper import Looper

_held: WeakSet[Looper] = WeakSet()


class TestLooperManager:
    """Takes over `looper`: its thread runs nothing by itself until `release`; the test takes and executes.

    On the looper's own thread nothing has to be held: the test is what runs there. Also a context manager, which
    releases.

    Args:
        looper: Whose messages.
    Raises:
        IllegalStateError: Another manager has it, or it has quit.

    Threads: the test's.
    Android: TestLooperManager.
    """

    __test__ = False  # pytest: no test class

    def __init__(self, looper: Looper) -> None:
        if looper in _held:
            raise IllegalStateError(f"take over {looper!r}: another manager has it; release that one first")
        self.looper = looper
        self._queue = looper.queue
        self._orders: SimpleQueue[Any] = SimpleQueue()
        self._released = False
        if not looper.is_current_thread():
            holding: SimpleQueue[bool] = SimpleQueue()
            hold = _Hold(self._orders, holding)
            if not Handler.create_async(looper).post_at_front_of_queue(hold) or not holding.get():
                raise IllegalStateError(f"take over {looper!r}: it has quit")
        _held.add(looper)

    def next(self, timeout: float | None = None) -> Item | None:
        """Take the next message that is due; wait for one. None: the looper has quit, or `timeout` seconds are up.

        Give it to `execute`, or `recycle` it.
        """
        self._check()
        return self._queue.next(timeout)

    def poll(self) -> Item | None:
        """Take the next message that is due now; None where none is."""
        self._check()
        return self._queue.next(0.0)

    def peek_when(self) -> float | None:
        """Return when the earliest pending message is due; None: nothing is pending."""
        self._check()
        return self._queue.peek_when()

    def is_blocked_on_barrier(self) -> bool:
        """Whether a barrier holds back what is due."""
        self._check()
        return self._queue.is_blocked_on_barrier

    def execute(self, item: Item) -> None:
        """Run a message on the looper's thread, wait for its end, and raise here what it raised."""
        self._check()
        if self.looper.is_current_thread():
            item.run()
            return
        answer: SimpleQueue[BaseException | None] = SimpleQueue()
        self._orders.put((item, answer))
        error = answer.get()
        if error is not None:
            raise error

    def release(self) -> None:
        """Let the looper run by itself again. A second call does nothing."""
        if not self._released:
            self._released = True
            _held.discard(self.looper)
            self._orders.put(None)

    def _check(self) -> None:
        if self._released:
            raise IllegalStateError(f"use a manager of {self.looper!r} after its release: make a new one")

    def __enter__(self) -> TestLooperManager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class _Hold:
    """Runs on the looper's thread for as long as it is held, and executes what the test sends."""

    def __init__(self, orders: SimpleQueue[Any], holding: SimpleQueue[bool]) -> None:
        self._orders = orders
        self._holding = holding

    def __call__(self) -> None:
        self._holding.put(True)
        while (order := self._orders.get()) is not None:
            item, answer = order
            error: BaseException | None = None
            try:
                item.run()
            except BaseException as failure:  # noqa: BLE001  (the test raises it)
                error = failure
            answer.put(error)
            order = item = error = None

    def rejected(self) -> None:
        self._holding.put(False)
