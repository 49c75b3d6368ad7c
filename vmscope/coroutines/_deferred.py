"""Deferred: a job with a result.

Counterpart: kotlinx.coroutines.Deferred and CompletableDeferred.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from weakref import WeakSet

from .._errors import CancellationException, DeferredCancelledError, IllegalStateError
from .._primitives import DEBUG, RLock, report_uncaught
from .._thrown import own
from ._job import CANCELLED, COMPLETED, NEW, ON_COMPLETION, CompletableJob, Job, warn_of_own_end
from ._suspend import CANCELLABLE, RESUMED, SUSPENDED, Continuation, Suspending, tell_witnesses, witnesses

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_UNSET: Any = object()


class _Unread:
    """Kept by a deferred that failed, until somebody reads the failure; goes with it, and then tells."""

    __slots__ = ("__weakref__", "_failure", "_name")

    def __init__(self, name: str, failure: BaseException) -> None:
        self._name = name
        self._failure: BaseException | None = failure

    def take(self) -> None:
        """It was read, or is told now: once."""
        self._failure = None

    def tell(self) -> None:
        """Report the failure, unless it was read."""
        failure, self._failure = self._failure, None
        if failure is not None:
            failure.add_note(f"of {self._name}, whose failure nobody awaited")
            report_uncaught(failure)

    __del__ = tell


class UnreadFailures:
    """Failures of deferreds that nobody has read and no parent has taken, told of when the deferred goes, if asked for.

    Attributes:
        watched: Whether they are; from the start where the environment has VMSCOPE_DEBUG.

    Locks: `_lock`, re-entrant, guards `_kept` and `_registered`; a finalizer may come in between.
    """

    def __init__(self) -> None:
        self.watched = DEBUG
        self._lock = RLock()
        self._kept: WeakSet[_Unread] = WeakSet()  # for the end of the process
        self._registered = False

    def note(self, job: Any, failure: BaseException) -> None:
        """`job` failed, and nobody but who awaits it will hear."""
        if self.watched:
            job._pending = kept = _Unread(repr(job), failure)  # a slot that is free once the children have ended
            with self._lock:
                self._kept.add(kept)
                first, self._registered = not self._registered, True
            if first:
                atexit.register(self._tell_all)

    def read(self, job: Any) -> None:
        """Somebody was given the outcome of `job`."""
        if isinstance(job._pending, _Unread):
            job._pending.take()

    def _tell_all(self) -> None:
        with self._lock:
            left = list(self._kept)
        for kept in left:
            kept.tell()


unread = UnreadFailures()


class Deferred(Job, Generic[T_co]):
    """A job with a result, made by `async_`: `await_()` gives it.

    Its failure still fails the parent, unless that supervises, also where nobody awaits it.
    Kotlin: Deferred.
    """

    __slots__ = ()

    def await_(self) -> Suspending[T_co]:
        """Suspend until it has ended, and give its result. Starts a lazy one.

        Raises:
            BaseException: What it failed with, the same object each time; without the GIL a twin of it, while another
                coroutine throws it.
            DeferredCancelledError: It was cancelled, while the caller was not.
            CancellationException: The caller was cancelled.

        Cancellation: prompt; a result that is there already is given without a look at it.
        Threads: called in a coroutine.
        Kotlin: await.
        """
        return _Await(self)

    def get_completed(self) -> T_co:
        """Return the result.

        Raises:
            IllegalStateError: It has not ended.
            BaseException: What it failed with.
        """
        error = self.get_completion_exception_or_none()
        if error is not None:
            raise own(error).with_traceback(self._value)
        return self._value  # type: ignore[no-any-return]

    def get_completion_exception_or_none(self) -> BaseException | None:
        """Return what it failed or was cancelled with, None after success.

        Raises:
            IllegalStateError: It has not ended.
        """
        if self._state < COMPLETED:
            raise IllegalStateError(f"This job has not completed yet: {self!r}")
        if self._cause is not None:
            unread.read(self)
        return self._cause

    def as_future(self) -> Future[T_co]:
        """Return a `concurrent.futures.Future` that ends as this does. Starts a lazy one.

        `future.cancel()` cancels this; the future is done, and cancelled, once that has cleaned up. What waits for the
        future must not be the thread that has to run the coroutine: there `result()` raises IllegalStateError.
        Threads: any.
        Kotlin: Deferred.asCompletableFuture, which is done at once when it is cancelled.
        """
        from ..interop._futures import future_of

        return future_of(self)


class CompletableDeferred(CompletableJob, Deferred[T]):
    """A Deferred that `complete(value)` ends: a result handed from anywhere to those who await it.

    Args:
        value: Where given, it is complete from the start.
        parent: The job whose child it becomes.

    Threads: any.
    Kotlin: CompletableDeferred.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __new__(cls, value: T = _UNSET, parent: Job | None = None) -> CompletableDeferred[T]: ...

    def __init__(self, value: T = _UNSET, parent: Job | None = None) -> None:
        super().__init__(parent)
        self._handles = True  # it keeps the failure of a child for those who await it
        if value is not _UNSET:
            self.complete(value)

    def complete(self, value: T = cast("Any", None)) -> bool:
        """End it with `value`, once its children have ended.

        Returns:
            True for the first call that decides.
        """
        return self._end_body(value, None) is not None

    def complete_with(self, function: Callable[[], T]) -> bool:
        """End it with what `function` returns or raises.

        Returns:
            True for the first call that decides; `function` is called in any case.

        Kotlin: completeWith, which takes a Result.
        """
        try:
            value = function()
        except BaseException as failure:  # noqa: BLE001  (the failure is the outcome)
            return self.complete_exceptionally(failure)
        return self.complete(value)


class _Await(Continuation[T]):
    """The wait of `await_`: a node in the list of the Deferred."""

    __slots__ = ("_job",)
    _kind = ON_COMPLETION

    def __init__(self, job: Deferred[T]) -> None:
        self._begun = False
        self._job: Deferred[T] = job

    def _name(self) -> str:
        return "await_"

    def _start(self, coroutine: Any) -> object:
        job = self._job
        frame = coroutine._frame
        if job._state == NEW and job.start():
            # It may have run in place and cancelled its caller: then this is a wait like any other, already cancelled.
            if not frame.is_active:
                raise own(self._cancellation_cause(frame), coroutine)
        if job._state >= COMPLETED:
            return self._outcome(coroutine)
        if job is coroutine:
            warn_of_own_end(f"await {job!r}")
        if not self._suspend_for(coroutine, job):
            return self._outcome(coroutine)
        if witnesses:
            tell_witnesses()
        return SUSPENDED

    def _outcome(self, coroutine: Any) -> T:
        job = self._job
        if job._state != CANCELLED:
            return job._value  # type: ignore[no-any-return]
        raise awaited_error(job, coroutine)

    def _fire(self, job: Job, cause: BaseException | None) -> None:
        try:
            if self._claim():
                error = None if cause is None else awaited_error(self._job, self._coroutine)
                self._coroutine._resume(job._value if cause is None else None, error, CANCELLABLE, None)
        except BaseException as struck:
            error = None if cause is None else awaited_error(self._job, self._coroutine)
            self._resume_again(struck, RESUMED, job._value if cause is None else None, error)
            raise

    def _cancellation_cause(self, job: Job) -> BaseException:
        """What the awaited one is ending with, where it is: the reason rather than the consequence."""
        cause = self._job._cause
        return job.get_cancellation_exception() if cause is None else cause

    def _take_back(self, cause: BaseException) -> None:
        self._job._remove_node(self)


def awaited_error(job: Deferred[Any], coroutine: Any) -> BaseException:
    """What awaiting `job`, which failed or was cancelled, raises in `coroutine`."""
    cause = job._cause
    assert cause is not None
    unread.read(job)
    if not isinstance(cause, CancellationException):
        return own(cause, coroutine).with_traceback(job._value)
    if not coroutine._frame.is_active:
        return own(cause, coroutine).with_traceback(None)
    error = DeferredCancelledError(f"{job!r} was awaited and had been cancelled: {cause.reason}")
    error.__cause__ = cause
    return error
