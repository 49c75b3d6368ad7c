"""Where a failure goes that nobody rethrows: the context's handler, the global ones, then the thread's hook.

Counterpart: kotlinx.coroutines.CoroutineExceptionHandler and handleCoroutineException.
Locks: none but `_guard`, under which the tuple of global handlers is replaced: a reader sees the old one or the new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .._errors import add_suppressed
from .._primitives import RLock, report_uncaught
from ._context import ContextElement, CoroutineName

if TYPE_CHECKING:
    from ._context import CoroutineContext

Handler: TypeAlias = "Callable[[CoroutineContext, BaseException], object]"


class CoroutineExceptionHandler(ContextElement):
    """Sees the failure of a `launch` that can pass it to nobody: a root one, or one under a supervisor.

    It is told what already happened and can neither prevent nor undo it. On a nested child it is not asked, for
    `async_` never, and a cancellation is not a failure.

    Args:
        handler: Called as `handler(context, exception)` once, after all children have ended, on the thread that
            finished the job, before `join` returns.

    Kotlin: CoroutineExceptionHandler.
    """

    __slots__ = ("_handler",)

    def __init__(self, handler: Handler) -> None:
        if not callable(handler):
            raise TypeError(f"CoroutineExceptionHandler takes a function of (context, exception), got {handler!r}")
        self._handler = handler

    def handle_exception(self, context: CoroutineContext, exception: BaseException) -> None:
        """Tell the handler. Called by the library."""
        self._handler(context, exception)

    def __repr__(self) -> str:
        return f"CoroutineExceptionHandler({self._handler!r})"


_global_handlers: tuple[Handler, ...] = ()
_guard = RLock()  # guards the replacement of `_global_handlers`; a leaf


class GlobalHandle:
    """Takes a global handler away again."""

    __slots__ = ("_handler",)

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def dispose(self) -> None:
        """Remove the handler. A second call does nothing. Threads: any."""
        global _global_handlers
        with _guard:
            kept = list(_global_handlers)
            if self._handler in kept:
                kept.remove(self._handler)
            _global_handlers = tuple(kept)


def add_global_exception_handler(handler: Handler) -> GlobalHandle:
    """Have `handler(context, exception)` told of every failure that no handler of a context took.

    Returns:
        A handle whose `dispose()` takes it away again.

    While one is registered, `threading.excepthook` is not called, unless each of them returns NotImplemented: that
    it is no business of his.
    Threads: any.
    Kotlin: the service interface CoroutineExceptionHandler, found by ServiceLoader.
    """
    global _global_handlers
    if not callable(handler):
        raise TypeError(f"add_global_exception_handler takes a function of (context, exception), got {handler!r}")
    with _guard:
        _global_handlers = (*_global_handlers, handler)
    return GlobalHandle(handler)


def handle_coroutine_exception(context: CoroutineContext, exception: BaseException) -> None:
    """Take a failure to the handler of `context`, else along the global route. Never raises."""
    handler = context.get(CoroutineExceptionHandler)
    if handler is None:
        report_globally(context, exception)
        return
    try:
        handler.handle_exception(context, exception)
    except BaseException as second:  # noqa: BLE001  (whatever a handler raises, both failures must be seen)
        report_globally(context, _handler_failed(exception, second))


def _handler_failed(first: BaseException, second: BaseException) -> BaseException:
    if first is second:
        return first
    wrapped = RuntimeError("Exception while trying to handle coroutine exception")
    wrapped.__cause__ = second
    add_suppressed(wrapped, first)
    return wrapped


def report_globally(context: CoroutineContext, exception: BaseException) -> None:
    """The route of last resort: global handlers, else `threading.excepthook`, with the coroutine's name noted on it."""
    taken = False
    for handler in _global_handlers:
        try:
            taken |= handler(context, exception) is not NotImplemented
        except BaseException as second:  # noqa: BLE001  (the next handler is still owed its call)
            report_uncaught(_handler_failed(exception, second))
            taken = True
    if taken:
        return
    name = context.get(CoroutineName)
    if name is not None:
        exception.add_note(f"in coroutine {name.name!r}")
    report_uncaught(exception)
