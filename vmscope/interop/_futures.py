"""Futures of `concurrent.futures` and coroutines, both ways.

Loaded where one of these is asked for: `concurrent.futures` is slow to import, and most programs need none of it.
Locks: none of its own; a future has its lock, and a job that of its tree. Neither is held while the other is called.
Counterpart: kotlinx.coroutines.future (jdk8): CompletableFuture.await, asDeferred, CoroutineScope.future.
"""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from .._errors import CancellationException, IllegalStateError
from .._primitives import Bell, current_thread, main_thread, wait_in_turns
from .._thrown import own
from ..coroutines._deferred import CompletableDeferred, Deferred, unread
from ..coroutines._dispatcher import CoroutineDispatcher
from ..coroutines._suspend import Suspending, call, suspend_cancellable_coroutine
from ._outside import cancelled_elsewhere

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..coroutines._suspend import CancellableContinuation

T = TypeVar("T")


# -- a future for a coroutine


def await_future(future: Future[T]) -> Suspending[T]:
    """Suspend until `future` is done, and give its result.

    Args:
        future: Of `concurrent.futures`, or shaped like one: whoever completes it may do so on any thread.

    Raises:
        BaseException: What the future failed with, the same object.
        DeferredCancelledError: The future was cancelled, while the caller was not.
        CancellationException: The caller was cancelled; the future was asked to cancel, and is not waited for.
        TypeError: It is no future, or one of asyncio.

    Cancellation: prompt; `future.cancel()` is called. To wait on that others share: `as_deferred(future).await_()`.
    Threads: called in a coroutine.
    Kotlin: CompletionStage.await.
    """
    _checked_future(future, "await_future()")
    return call("await_future", _await_future, future)


def _await_future(future: Future[T]) -> Generator[Any, Any, T]:
    if not future.done():
        yield from suspend_cancellable_coroutine(_Waiting(future).begin)
    error = failure_of(future)
    if error is None:
        return future.result()
    try:
        raise own(error)
    finally:
        del error  # its traceback holds this frame


class _Waiting:
    """A coroutine that waits for a future; lets go of it when it is cancelled, however long the future still takes."""

    __slots__ = ("_continuation", "_future")

    def __init__(self, future: Future[Any]) -> None:
        self._future = future
        self._continuation: CancellableContinuation[None] | None = None

    def begin(self, continuation: CancellableContinuation[None]) -> None:
        """Register with the future, and for a cancellation."""
        self._continuation = continuation
        continuation.invoke_on_cancellation(self._give_up)
        self._future.add_done_callback(self._over)

    def _over(self, future: object) -> None:
        continuation, self._continuation = self._continuation, None
        if continuation is not None:
            continuation.try_resume()

    def _give_up(self, cause: BaseException | None) -> None:
        self._continuation = None
        request_cancel(self._future)


def as_deferred(future: Future[T]) -> Deferred[T]:
    """Return a Deferred that ends as `future` does: many may await it, and it may stand in `await_all` and `select`.

    Cancelling the Deferred asks the future to cancel, and does not wait for it. Its failure cancels nobody.

    Threads: any.
    Kotlin: CompletionStage.asDeferred.
    """
    _checked_future(future, "as_deferred()")
    deferred: CompletableDeferred[T] = CompletableDeferred()

    def over(done: Future[T]) -> None:
        try:
            failure = failure_of(done)
            if failure is None:
                deferred.complete(done.result())
                return
        except BaseException as fault:  # noqa: BLE001  (what only looks like a future; whoever awaits must not hang)
            failure = fault
        cause = failure.__cause__ if done.cancelled() else failure
        deferred.complete_exceptionally(cause if isinstance(cause, CancellationException) else failure)

    def ended(cause: BaseException | None) -> None:
        if cause is not None and not future.done():
            request_cancel(future)

    deferred.invoke_on_completion(ended)
    future.add_done_callback(over)
    return deferred


def failure_of(future: Future[Any]) -> BaseException | None:
    """Return what the awaiter of a future that is done is to see; None where that has a result."""
    if future.cancelled():
        return cancelled_elsewhere("the future", CancelledError())
    error = future.exception()
    return cancelled_elsewhere("the work of the future", error) if isinstance(error, CancellationException) else error


def request_cancel(future: Any) -> None:
    """Ask a future to cancel. What it answers proves nothing: some engines refuse, some raise, some only say yes."""
    try:
        future.cancel()
    except Exception:  # noqa: BLE001  (an engine that cannot cancel at all raises NotImplementedError)
        pass


def _checked_future(future: object, where: str) -> None:
    if hasattr(future, "_asyncio_future_blocking"):  # what asyncio.isfuture() looks for, without loading asyncio
        raise TypeError(f"{where} takes a future of concurrent.futures, got {future!r}: use await_asyncio(future)")
    if not callable(getattr(future, "add_done_callback", None)) or not callable(getattr(future, "result", None)):
        raise TypeError(f"{where} takes a future of concurrent.futures, got {future!r}")


# -- a coroutine as a future


class JobFuture(Future[T]):
    """A future that ends as a Deferred does, not before: when it is done, all clean-up is. Made by `as_future()`."""

    def __init__(self, deferred: Deferred[T], dispatcher: CoroutineDispatcher | None) -> None:
        super().__init__()
        self._deferred = deferred
        self._dispatcher = dispatcher
        self._ended = Bell()  # for the main thread, see `_wait`
        deferred.start()
        deferred.invoke_on_completion(self._end)

    def cancel(self) -> bool:
        """Cancel the coroutine.

        Returns:
            True: it was cancelled; the future is done, and `cancelled()`, once it has cleaned up. False: it had ended.
        """
        if not self.done():
            self._deferred.cancel("its future was cancelled")
            return self._deferred.is_cancelled
        return self.cancelled()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result and return it.

        Args:
            timeout: Seconds to wait; None waits as long as it takes.

        Raises:
            IllegalStateError: The calling thread is the one that has to run the coroutine: it would wait for itself.
        """
        return super().result(self._wait(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end and return the failure, None after success. As `result`."""
        return super().exception(self._wait(timeout))

    def _wait(self, timeout: float | None) -> float | None:
        """Refuse a wait for oneself; on the main thread, wait. What is left of `timeout` is the caller's.

        That wait takes no lock of the future: a Ctrl-C that strikes just behind the step that takes it would leave it
        taken, and who ends the future waiting for it for ever.
        """
        if timeout == 0 or self._deferred.is_completed:  # then it is done, or will be in a moment
            return timeout
        refuse_own_thread(self._dispatcher, f"wait for the future of {self._deferred!r}")
        if current_thread() is not main_thread():
            return timeout
        return timeout if wait_in_turns(self._look, inf if timeout is None else timeout) else 0

    def _look(self, seconds: float | None) -> bool:
        if not self._ended.wait(seconds):
            return self._deferred.is_completed  # a Ctrl-C may have struck earlier, between what follows here
        self._ended.ring()
        return True

    def _end(self, cause: BaseException | None) -> None:
        try:
            if cause is None:
                self.set_result(self._deferred.get_completed())
                return
            unread.read(self._deferred)  # the future has it now
            if isinstance(cause, CancellationException):
                super().cancel()
                self.set_running_or_notify_cancel()
            else:
                self.set_exception(cause)
        finally:
            self._ended.ring()


def future_of(deferred: Deferred[T]) -> Future[T]:
    """Return `deferred` as a future; see `Deferred.as_future`."""
    return JobFuture(deferred, deferred.coroutine_context.get(CoroutineDispatcher))


def refuse_own_thread(dispatcher: CoroutineDispatcher | None, what: str) -> None:
    """Refuse to block a thread for what only this thread can run.

    Raises:
        IllegalStateError: It is.
    """
    if dispatcher is not None and dispatcher._needs_this_thread():
        raise IllegalStateError(
            f"{what} on thread {current_thread().name!r}, which is the one that runs {dispatcher!r}: it would wait for "
            "itself for ever. Await it in a coroutine, or launch one that goes on with the result"
        )
