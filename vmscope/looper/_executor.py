"""A handler seen as an executor of the standard library. Loaded by `as_executor` only: it imports concurrent.futures.

Counterpart: android.os.HandlerExecutor.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from .._errors import RejectedExecutionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._handler import Handler


class HandlerExecutor(Executor):
    """Runs what is submitted on a looper's thread, one after the other."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._shut = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have `fn(*args, **kwargs)` called on the looper's thread.

        Raises:
            RejectedExecutionError: The looper has quit, or the executor was shut down.
        """
        task = _Task(fn, args, kwargs)
        if self._shut:
            raise RejectedExecutionError(f"submit {fn!r} to {self!r}: it was shut down")
        if not self._handler.post(task):
            raise RejectedExecutionError(f"submit {fn!r} to {self!r}: its looper has quit")
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse what comes from now on; the looper goes on.

        Args:
            wait: Return when all that was submitted has run; on the looper's own thread without effect.
            cancel_futures: Cancel what has not begun.
        """
        self._shut = True
        if cancel_futures:
            self._handler._remove(lambda message: isinstance(message.callback, _Task))  # noqa: SLF001
        if wait and not self._handler.looper.is_current_thread():
            self._handler.run_with_scissors(int)  # runs after all of them

    def __repr__(self) -> str:
        return f"<HandlerExecutor of {self._handler!r}>"


class _Task:
    __slots__ = ("_args", "_fn", "_kwargs", "future")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._fn = fn
        self._args = args
        self._kwargs = kwargs
        self.future: Future[Any] = Future()

    def __call__(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._fn(*self._args, **self._kwargs)
        except BaseException as error:
            self.future.set_exception(error)
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
        else:
            self.future.set_result(result)

    def rejected(self) -> None:
        if self.future.cancel():
            self.future.set_running_or_notify_cancel()

    def __repr__(self) -> str:
        return repr(self._fn)
