"""Waiting for what goes on outside the tree: it is asked to stop when the coroutine is cancelled, and waited for.

Locks: none of its own.
Counterpart: kotlinx.coroutines, withContext around a foreign call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._errors import CancellationException, DeferredCancelledError
from ..coroutines._coroutine import needed
from ..coroutines._suspend import suspend_coroutine

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..coroutines._suspend import CancellableContinuation


def until_over(
    begin: Callable[[Callable[[object], object]], object], stop: Callable[[], object]
) -> Generator[Any, Any, None]:
    """Wait until what `begin(callback)` registers with has called back, whatever happens to the coroutine.

    Args:
        begin: Its callback takes one argument, and may be called at once, once, from any thread.
        stop: Called once, on the cancelling thread, where the coroutine is cancelled meanwhile; the wait goes on.
    """
    job = needed("the wait for something outside")._frame
    handles: list[Any] = []

    def register(continuation: CancellableContinuation[None]) -> None:
        begin(lambda _over: continuation.try_resume())
        handles.append(job.invoke_on_completion(lambda _cause: stop(), on_cancelling=True))

    try:
        yield from suspend_coroutine(register)
    finally:
        for handle in handles:
            handle.dispose()


def cancelled_elsewhere(what: str, cause: BaseException | None) -> DeferredCancelledError:
    """Return what awaiting `what` raises, which was cancelled while the caller was not."""
    if not isinstance(cause, CancellationException):
        cause = CancellationException(f"{what} was cancelled", cause)
    error = DeferredCancelledError(f"{what} was awaited and had been cancelled: {cause.reason}")
    error.__cause__ = cause
    return error
