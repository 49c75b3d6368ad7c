"""Where a deviation of design section 3 stands between, these turn ours into the reference's.

So the rest of the trace is still compared. Each is a few lines and hides one deviation, whose number it names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import vmscope
from vmscope import CoroutineScope, CoroutineStart, DeferredCancelledError, suspend
from vmscope._errors import TimeoutCancellationException

__all__ = ["b_async", "b_await", "b_await_all", "b_launch", "b_now", "b_with_timeout", "b_with_timeout_or_none"]


def of_reference(exception: BaseException) -> BaseException:
    """The cancellation that the reference would have thrown in place of `exception`."""
    cause = exception.__cause__
    if isinstance(cause, vmscope.CancellationException):
        return cause
    return TimeoutCancellationException(str(exception)) if isinstance(exception, TimeoutError) else exception


@suspend
def _as_reference(waiting: Any) -> Any:
    try:
        return (yield from waiting)
    except (DeferredCancelledError, TimeoutError) as exception:
        cancellation = of_reference(exception)
    raise cancellation


def b_await(deferred: Any) -> Any:
    """`deferred.await_()`, raising the cancellation of the awaited one itself (4)."""
    return _as_reference(deferred.await_())


def b_await_all(*deferreds: Any) -> Any:
    """`await_all(...)`, likewise (4)."""
    return _as_reference(vmscope.await_all(*deferreds))


def b_now(function: Callable[[], Any]) -> Any:
    """`deferred.get_completed()`, raising the cancellation of the cancelled one itself (4)."""
    try:
        return function()
    except DeferredCancelledError as exception:
        cancellation = of_reference(exception)
    raise cancellation


def b_with_timeout(seconds: float, block: Callable[..., Any], *args: Any) -> Any:
    """`with_timeout(...)` that raises the cancellation which the timeout is in the reference (2)."""
    return _as_reference(vmscope.with_timeout(seconds, block, *args))


def b_with_timeout_or_none(seconds: float, block: Callable[..., Any], *args: Any) -> Any:
    """`with_timeout_or_none(...)`, likewise, for a timeout that is not its own (2)."""
    return _as_reference(vmscope.with_timeout_or_none(seconds, block, *args))


def b_launch(
    scope: CoroutineScope,
    context: Any,
    block: Callable[..., Any],
    *args: Any,
    start: CoroutineStart = CoroutineStart.DEFAULT,
) -> Any:
    """`scope.launch(context, start) { }` where the context may have a Job, spelled as the ValueError says (6)."""
    return (scope + context).launch(block, *args, start=start)


def b_async(
    scope: CoroutineScope,
    context: Any,
    block: Callable[..., Any],
    *args: Any,
    start: CoroutineStart = CoroutineStart.DEFAULT,
) -> Any:
    """`scope.async(context, start) { }`, likewise (6)."""
    return (scope + context).async_(block, *args, start=start)
