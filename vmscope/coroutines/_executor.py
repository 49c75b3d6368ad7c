"""Executors as dispatchers, dispatchers as executors, and threads of one's own.

Loaded where one of these is asked for: `concurrent.futures` is slow to import, and most programs need none of it.
Counterpart: kotlinx.coroutines.asCoroutineDispatcher, asExecutor, newSingleThreadContext.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from .._errors import RejectedExecutionError
from ._context import CoroutineContext, EmptyCoroutineContext
from ._dispatcher import CoroutineDispatcher, Once, Runnable

P = ParamSpec("P")
T = TypeVar("T")


class ExecutorDispatcher(CoroutineDispatcher):
    """A `concurrent.futures.Executor` as a dispatcher; `close()` shuts it, and it is a context manager.

    Kotlin: ExecutorCoroutineDispatcher.
    """

    __slots__ = ("_executor",)

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @property
    def executor(self) -> Executor:
        """The executor behind it."""
        return self._executor

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Submit `block`.

        Raises:
            RejectedExecutionError: The executor was shut.
        """
        try:
            future = self._executor.submit(block.run)
        except RuntimeError as refusal:
            raise RejectedExecutionError(f"The task was rejected: {self!r} was closed") from refusal
        rejected = getattr(block, "rejected", None)
        if rejected is not None:
            future.add_done_callback(lambda done: rejected() if done.cancelled() else None)

    def _dispatch(self, coroutine: Any) -> None:
        self.dispatch(EmptyCoroutineContext, _Rejectable(coroutine))

    def close(self) -> None:
        """Shut the executor; what it was given is still run. Later dispatches cancel their coroutine."""
        self._executor.shutdown(wait=False)

    def as_executor(self) -> Executor:
        """Return the executor behind it."""
        return self._executor

    def __enter__(self) -> ExecutorDispatcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"as_dispatcher({self._executor!r})"


class _Rejectable(Once):
    """A coroutine in an executor's queue: when that is emptied by shutdown(cancel_futures=True), it still ends."""

    __slots__ = ()

    def rejected(self) -> None:
        """The executor dropped it."""
        try:
            coroutine = self._coroutine.pop()
        except IndexError:
            return
        coroutine.rejected()


class DispatcherExecutor(Executor):
    """A dispatcher as an executor: `submit` gives a future.

    Kotlin: asExecutor, whose execute gives nothing back.
    """

    def __init__(self, dispatcher: CoroutineDispatcher) -> None:
        self._dispatcher = dispatcher
        self._shut = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `fn(*args, **kwargs)` called on the dispatcher.

        Raises:
            RejectedExecutionError: `shutdown` was called, or the dispatcher was closed.
        """
        if self._shut:
            raise RejectedExecutionError(f"submit {fn!r} to {self!r} after its shutdown()")
        task = _FutureTask(fn, args, kwargs)
        if self._dispatcher.is_dispatch_needed(EmptyCoroutineContext):
            self._dispatcher.dispatch(EmptyCoroutineContext, task)
        else:
            task.run()
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse further tasks; the dispatcher goes on. Does not wait: the threads are the dispatcher's."""
        self._shut = True

    def __repr__(self) -> str:
        return f"{self._dispatcher!r}.as_executor()"


class _FutureTask:
    __slots__ = ("_args", "_fn", "_kwargs", "future")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._fn: Callable[..., Any] | None = fn
        self._args = args
        self._kwargs = kwargs
        self.future: Future[Any] = Future()

    def run(self) -> None:
        """Call the function and settle the future."""
        fn, self._fn = self._fn, None
        if fn is None or not self.future.set_running_or_notify_cancel():
            return
        try:
            result = fn(*self._args, **self._kwargs)
        except BaseException as failure:  # noqa: BLE001  (a future carries whatever was raised)
            self.future.set_exception(failure)
        else:
            self.future.set_result(result)
