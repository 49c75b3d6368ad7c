"""What goes on after a clear: clean-up that suspends, and the waiting for all that a clear has left behind.

A clear has one Job, its *ending*: a SupervisorJob without a parent, so that no cancellation reaches it. Its children
are the clean-up and a mark for each job that is still on its way; it is complete when the clear has returned and they
have ended. To wait for a clear is to join its ending, however many ask and whenever.
Invariants
    C1  an ending can be found, by `Endings.unended()` or at the ViewModel, from the moment that the clear has begun.
    C2  a clean-up that has begun is kept alive by this module until it ends: nobody else need know of it any more.
Locks
    `Endings._lock` guards its set. A leaf; it may be taken under the lock of a store.
Counterpart: none; AndroidX leaves such work to a scope of the application.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

from .._errors import CancellationException, RejectedExecutionError, TimeoutCancellationException, add_suppressed
from .._primitives import RLock, after_fork
from ..coroutines._context import CoroutineName
from ..coroutines._coroutine import REJECTED, needed
from ..coroutines._dispatchers import Dispatchers
from ..coroutines._frame import in_frame
from ..coroutines._job import Job, NonCancellable, SupervisorJob
from ..coroutines._main import Main, has_main
from ..coroutines._scope import scope_of
from ..coroutines._suspend import Suspending, call
from ..coroutines._time import checked_seconds, timeout_frame
from ..looper._looper import Looper

if TYPE_CHECKING:
    from ..coroutines._dispatcher import CoroutineDispatcher
    from ..coroutines._exceptions import CoroutineExceptionHandler
    from ..coroutines._job import CompletableJob

# The clean-ups that run, by the Job of their clear (C2). Adding and discarding are one step on every build.
_running: set[Job] = set()
after_fork(_running.clear)


class Endings:
    """The clears of one store that are not over yet."""

    __slots__ = ("_jobs", "_lock")

    def __init__(self) -> None:
        self._lock = RLock()
        self._jobs: set[Job] = set()

    def begin(self) -> CompletableJob:
        """A clear begins: return its ending."""
        ending = SupervisorJob()
        with self._lock:
            self._jobs.add(ending)
        return ending

    def returned(self, ending: CompletableJob, left: Iterable[Job]) -> None:
        """The clear has returned, and left these behind."""
        ending.invoke_on_completion(lambda cause: self._forget(ending))
        seal(ending, left)

    def _forget(self, ending: Job) -> None:
        with self._lock:
            self._jobs.discard(ending)

    def unended(self) -> tuple[Job, ...]:
        """Return the endings that are not complete."""
        with self._lock:
            return tuple(self._jobs)


def endings_of(closeable: object) -> tuple[Job, ...]:
    """Return what the close of a store, or of the like, has left behind; nothing for anything else."""
    endings = getattr(closeable, "_endings", None)
    return endings.unended() if isinstance(endings, Endings) else ()


def seal(ending: CompletableJob, left: Iterable[Job]) -> None:
    """Let `ending` be complete as soon as all of `left`, and its own children, have ended."""
    for job in left:
        if not job.is_completed and job is not NonCancellable:
            mark = Job(ending)
            try:
                job.invoke_on_completion(lambda cause, mark=mark: mark.complete())  # type: ignore[misc]
            except BaseException:  # in lines of ours: the next clear marks it once more
                mark.complete()
                raise
    ending.complete()


def start_clean_up(
    ending: CompletableJob,
    what: str,
    block: Callable[[], Any],
    seconds: float,
    handler: CoroutineExceptionHandler,
) -> None:
    """Run `block` below `ending`, for `seconds` at most; what it raises goes to `handler`."""
    _running.add(ending)
    ending.invoke_on_completion(lambda cause: _running.discard(ending))
    scope = scope_of(ending + _dispatcher() + handler + CoroutineName(f"{what}.on_cleared_async"))
    scope.launch(_timed, what, block, seconds)


def _dispatcher() -> CoroutineDispatcher:
    if not has_main():
        return Dispatchers.Default
    looper = Looper.get_main()
    if looper is not None and looper.queue.is_quitting and Main._delegate() is None:
        return Dispatchers.Default  # the program is on its way out: Main runs nothing any more
    return Main.immediate


def _timed(what: str, block: Callable[[], Any], seconds: float) -> Generator[Any, Any, None]:
    # with_timeout longhand: a TimeoutError of the block's own must not be taken for ours
    limit = checked_seconds(seconds, f"{what}.cleanup_timeout")
    if limit <= 0:
        raise TimeoutError(f"on_cleared_async() of {what} was not run: its cleanup_timeout is {seconds!r}")
    frame = timeout_frame(needed("on_cleared_async"), limit)
    try:
        yield from in_frame(frame, block, ())
    except TimeoutCancellationException as timeout:
        if frame.timed_out(timeout):
            raise TimeoutError(
                f"on_cleared_async() of {what} did not end within {limit:g} s (its cleanup_timeout) and was cancelled"
            ) from timeout
        raise
    except CancellationException as cancellation:
        if cancellation.message == REJECTED:  # what a dispatcher that is gone says: not to be lost
            raise RejectedExecutionError(
                f"on_cleared_async() of {what} was cut short, its dispatcher is gone: let the program await "
                "clear_and_join() before its main looper quits"
            ) from cancellation
        raise


def clear_and_join(clear: Callable[[], object], unended: Callable[[], Iterable[Job]]) -> Suspending[None]:
    """Return the suspending call that clears, waits, and then raises what the clear raised."""
    return call("clear_and_join", _clear_and_join, clear, unended)


def _clear_and_join(clear: Callable[[], object], unended: Callable[[], Iterable[Job]]) -> Generator[Any, Any, None]:
    failure: BaseException | None = None
    try:
        clear()
    except BaseExceptionGroup as group:
        failure = group
    try:
        for job in unended():
            yield from job.join()
        if failure is not None:
            raise failure
    except CancellationException as cancellation:
        if failure is not None:
            add_suppressed(cancellation, failure)
        raise
    finally:
        failure = None  # its traceback holds this frame


def nothing() -> Suspending[None]:
    """Return what an `on_cleared_async` that nobody has overridden gives to a `super()` call."""
    return call("on_cleared_async", _nothing)


def _nothing() -> Generator[Any, Any, None]:
    yield from ()
