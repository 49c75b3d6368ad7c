"""CancelScope: a block, not a coroutine, that can be cancelled from anywhere; deadlines as values.

The block is a frame of its coroutine, so a cancellation reaches what it waits for, and nothing else. It is no parent:
what is launched inside belongs to the coroutine or scope block around it, for a `with` block cannot wait for children.

Threads: the coroutine enters and leaves, any thread may cancel and move the deadline, without a lock: of two timers
    put at once the one in `_timer` counts.
Counterpart: trio.CancelScope; Kotlin has none.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from .._errors import CancellationException, IllegalStateError
from .._thrown import original
from ._coroutine import needed
from ._frame import InnerBlock, ScopeCoroutine, close_frame
from ._job import Job, cancel_tree
from ._time import TimeoutCoroutine, checked_seconds

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ..looper._queue import MessageQueue
    from ._coroutine import Coroutine


class _CancelFrame(InnerBlock):
    """The block of a CancelScope."""

    __slots__ = ("_scope",)
    _scope: CancelScope


class CancelScope:
    """A block that can be cancelled: `with CancelScope() as scope:` in a coroutine, `scope.cancel()` from anywhere.

    Args:
        deadline: Cancels the block when the dispatcher's clock reads this; see `current_time()`. `math.inf`: never.

    Attributes:
        cancel_called: True once it was cancelled, also where the block ended before it noticed.
        cancelled_caught: True once the block was left by its own cancellation, which is then over: the code behind the
            block runs on. A cancellation of the coroutine, or of a scope around this one, passes through.

    One scope serves one block. What is launched inside is not cancelled by it.
    Threads: `cancel` and `deadline` from any.
    trio: CancelScope.
    """

    def __init__(self, deadline: float = inf) -> None:
        self._deadline = checked_seconds(deadline, "CancelScope(deadline=...)")
        self._frame: _CancelFrame | None = None
        self._coroutine: Coroutine | None = None
        self._outer: Any = None
        self._queue: MessageQueue | None = None
        self._timer: _Deadline | None = None
        self._own: CancellationException | None = None
        self.cancelled_caught: bool = False

    @property
    def cancel_called(self) -> bool:
        """Whether it was cancelled, also where the block ended before it noticed."""
        return self._own is not None

    @property
    def deadline(self) -> float:
        """When the block is cancelled, by the clock of its dispatcher; may be set while it runs."""
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self._deadline = checked_seconds(deadline, "deadline")
        frame = self._frame
        if frame is not None and not frame.is_completed:
            self._arm()
            if frame.is_completed:  # meanwhile: `__exit__` may have looked before there was this timer
                self._disarm()

    def cancel(self, message: str | None = None) -> None:
        """Cancel the block; before it begins, it is cancelled at its first suspension. A second call does nothing."""
        if self._own is None:
            self._own = CancellationException(message or "CancelScope was cancelled", source="cancel")
        frame = self._frame
        if frame is not None:
            cancel_tree(frame, self._own)

    def __enter__(self) -> Self:
        if self._frame is not None:
            raise IllegalStateError("a CancelScope was entered twice: make one for each block")
        coroutine = needed("with CancelScope()")
        self._outer = outer = coroutine._frame
        frame = _CancelFrame()
        frame._scope = self
        self._coroutine = coroutine
        self._queue = coroutine._dispatcher._timers()
        try:
            frame._init_frame(outer, outer._env)
            self._frame = coroutine._frame = frame
            self._arm()
            if self._own is not None:
                cancel_tree(frame, self._own)
        except BaseException as struck:  # there is no block that would end it
            coroutine._frame = outer
            frame._end_again(struck)
            self._disarm()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        frame, coroutine = self._frame, self._coroutine
        assert frame is not None and coroutine is not None
        coroutine._frame = self._outer
        if isinstance(error, GeneratorExit):
            close_frame(frame)
            self._disarm()
            return False
        try:
            frame._end_body(None, error)
        except BaseException as struck:  # as in `in_frame`
            frame._end_again(struck)
            raise
        finally:
            self._disarm()  # not before: who sets the deadline looks whether the block has ended after he put the timer
        self.cancelled_caught = error is not None and original(error) is self._own
        return self.cancelled_caught

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return self.__exit__(kind, error, trace)

    def _arm(self) -> None:
        self._disarm()
        if self._deadline != inf:
            assert self._queue is not None
            self._timer = timer = _Deadline(self)
            self._queue.put_at(timer, self._deadline)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            assert self._queue is not None
            self._queue.remove(timer)

    def __repr__(self) -> str:
        if self._frame is None:
            state = "not entered"
        elif self.cancelled_caught:
            state = "cancelled"
        else:
            state = "over" if self._frame.is_completed else "active" if self._own is None else "cancelling"
        return f"<CancelScope {state}, deadline {self._deadline}>"


class _Deadline:
    """The deadline of a scope, in the queue of timers."""

    __slots__ = ("_scope", "when")
    asynchronous = True
    when: float

    def __init__(self, scope: CancelScope) -> None:
        self._scope = scope

    def run(self) -> None:
        """The time has come, unless it was moved meanwhile."""
        if self._scope._timer is self:
            self._scope.cancel("the deadline of a CancelScope has passed")

    def rejected(self) -> None:
        """The queue died: what waits in the block is told itself."""


def current_deadline() -> float:
    """Return the nearest deadline that the running code is under, of CancelScopes and timeouts; `math.inf` for none.

    In seconds of `current_time()`.

    Raises:
        IllegalStateError: Called outside a coroutine.

    trio: current_effective_deadline.
    """
    nearest = inf
    job: Job | None = needed("current_deadline()")._frame
    while job is not None:
        if isinstance(job, _CancelFrame):
            nearest = min(nearest, job._scope.deadline)
        elif isinstance(job, TimeoutCoroutine):
            nearest = min(nearest, job.deadline)
        if not isinstance(job, ScopeCoroutine):
            break  # the coroutine itself: a deadline of its parent is not its own
        job = job._parent
    return nearest


def current_time() -> float:
    """Return the time of the clock that the running coroutine's delays and deadlines go by, in seconds.

    Raises:
        IllegalStateError: Called outside a coroutine.

    Threads: called in a coroutine. trio: current_time.
    """
    return needed("current_time()")._dispatcher._timers().clock()
