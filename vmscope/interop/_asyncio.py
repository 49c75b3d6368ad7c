"""asyncio both ways: an awaitable of a loop in our coroutines, a job of ours in its tasks, and a loop as dispatcher.

asyncio itself is loaded where one of these is used: it is slow to import. Nothing of a loop is touched but from its own
thread, save `call_soon_threadsafe`.

A loop that is closed drops its queue without a word, and one that is being closed may take a call after that and never
make it. So each call is an _Errand that is run or, when its last reference goes, reported as lost (on a free-threaded
build that may be no sooner than the next garbage collection); and who has sent one looks afterwards whether the loop
is closed. The closer marks the loop C1 and empties the queue C2; the sender puts S1 and looks S2. Where S1 comes before
C2, the errand goes with the queue; else S2 comes after C1, and the sender takes it back. On a free-threaded build the
deque's own lock orders S1 and C2, and with them the rest. A task that has begun leaves an errand among the timers of
its loop: one that is closed under it drops that, too.

Locks: none of its own. What a _Visit knows is written on the loop's thread only, but for `_wanted`, which falls once,
and `_callback`, a list from which one thread takes one item.
Counterpart: none in Kotlin; trio-asyncio has the same two directions.
"""

from __future__ import annotations

from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import ref

from .._errors import CancellationException, IllegalStateError, RejectedExecutionError
from ..coroutines._coroutine import current, needed
from ..coroutines._deferred import Deferred
from ..coroutines._dispatcher import CoroutineDispatcher, Runnable
from ..coroutines._job import Job
from ..coroutines._suspend import Suspending, call
from ._outside import cancelled_elsewhere, until_over

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, TimerHandle
    from collections.abc import Awaitable, Callable, Generator

    from ..coroutines._context import CoroutineContext

T = TypeVar("T")

_LONG = 86_400.0  # seconds, as long as asyncio sleeps at most


def _nothing() -> None:
    """Who does not ask is not told."""


# -- asyncio in a coroutine of ours


def await_asyncio(awaitable: Awaitable[T], loop: AbstractEventLoop | None = None) -> Suspending[T]:
    """Suspend until `awaitable` has ended on an asyncio loop, and give its result.

    Args:
        awaitable: A coroutine of asyncio's, which becomes a task of `loop`; or a task or future of that loop.
        loop: The loop, running, on this thread or another. May be left out for a task or future, which knows its own,
            and on the thread of the running loop.

    Raises:
        BaseException: What it raised, the same object.
        DeferredCancelledError: It was cancelled, or its loop closed under it, while the caller was not cancelled.
        IllegalStateError: The loop is closed, or does not run.
        TypeError: It is nothing that asyncio awaits, or `loop` is no loop.

    Cancellation: it is cancelled on its loop, and waited for until it has cleaned up.
    Threads: called in a coroutine, which goes on under its own dispatcher. Context variables are those of the caller.
    Kotlin: none.
    """
    import asyncio

    if isinstance(awaitable, (Suspending, Job)):
        raise TypeError(f"await_asyncio() was given {awaitable!r}, which is vmscope's: await it without")
    if not hasattr(awaitable, "__await__"):
        raise TypeError(f"await_asyncio() takes what asyncio awaits, a coroutine, task or future; got {awaitable!r}")
    if loop is None:
        loop = awaitable.get_loop() if asyncio.isfuture(awaitable) else _running_loop()
    if loop is None:
        _dispose(awaitable)
        raise IllegalStateError(
            f"await_asyncio({awaitable!r}) without a loop, on a thread where none runs: await_asyncio(..., loop)"
        )
    if not _is_loop(loop):
        _dispose(awaitable)
        raise TypeError(f"await_asyncio({awaitable!r}, loop) takes an event loop of asyncio, got {loop!r}")
    return call("await_asyncio", _await_asyncio, awaitable, loop)


def _await_asyncio(awaitable: Awaitable[T], loop: AbstractEventLoop) -> Generator[Any, Any, T]:
    job = needed("await_asyncio")._frame
    try:
        job.ensure_active()
        if not loop.is_running():  # what is sent there would wait for ever
            state = "is closed" if loop.is_closed() else "does not run"
            raise IllegalStateError(f"await_asyncio({awaitable!r}) on {loop!r}: the loop {state}")
    except BaseException:
        _dispose(awaitable)
        raise
    visit = _Visit(awaitable, loop)
    yield from until_over(visit.begin, visit.stop)
    error = visit.error
    if isinstance(error, asyncio_cancelled()):
        job.ensure_active()
        raise cancelled_elsewhere("what asyncio ran", error)
    if error is None:
        job.ensure_active()
        value: T = visit.value
        return value
    try:
        raise error
    finally:
        del error, visit  # its traceback holds this frame


class _Visit:
    """One awaitable on a loop, seen from elsewhere.

    Attributes:
        value, error: The outcome, once it has called back.
    """

    __slots__ = ("_awaitable", "_callback", "_context", "_guard", "_loop", "_task", "_wanted", "error", "value")

    def __init__(self, awaitable: Awaitable[Any], loop: AbstractEventLoop) -> None:
        self._awaitable: Awaitable[Any] | None = awaitable
        self._loop = loop
        self._context: Context | None = copy_context()
        self._context.run(current.set, None)  # the task is no coroutine of ours: delay() and the like do not work in it
        self._wanted = True
        self._task: Future[Any] | None = None
        self._guard: Callable[[], TimerHandle | None] = _nothing
        self._callback: list[Callable[[object], object]] = []
        self.value: Any = None
        self.error: BaseException | None = None

    def begin(self, callback: Callable[[object], object]) -> None:
        """Send it to the loop.

        Raises:
            IllegalStateError: The loop was closed meanwhile.
        """
        self._callback.append(callback)
        try:
            _Errand(self._start, self._lost).send(self._loop)
        except RuntimeError as closed:
            _dispose(self._awaitable)
            raise IllegalStateError(f"await_asyncio() on {self._loop!r}: {closed}") from closed

    def stop(self) -> None:
        """Cancel it. Whichever comes second, this or the start, sees the other: both end in the queue of the loop."""
        self._wanted = False
        try:
            _Errand(self._cancel, self._lost).send(self._loop)
        except RuntimeError:  # the loop is closed
            self._lost()

    def _lost(self) -> None:
        """The loop is closed: nothing of it will ever run again."""
        awaitable, self._awaitable = self._awaitable, None
        _dispose(awaitable)
        self._end(asyncio_cancelled()("its loop was closed"))

    # on the loop's thread

    def _start(self) -> None:
        import asyncio

        awaitable, self._awaitable = self._awaitable, None
        context, self._context = self._context, None
        assert awaitable is not None  # else it was lost, and so was this errand
        assert context is not None
        if not self._wanted:
            if asyncio.isfuture(awaitable):
                awaitable.cancel()
            _dispose(awaitable)
            self._end(asyncio.CancelledError())
            return
        try:
            self._task = context.run(lambda: asyncio.ensure_future(awaitable, loop=self._loop))
        except BaseException as refusal:  # noqa: BLE001  (of another loop, say: the caller is told)
            self._end(refusal)
            return
        self._task.add_done_callback(self._ended)
        self._notice_the_end()

    def _notice_the_end(self) -> None:
        """Leave an errand in the loop that it drops when it is closed: a task that is left behind says nothing."""
        timer = self._loop.call_later(_LONG, _Errand(self._notice_the_end, self._lost).run)
        try:
            self._guard = ref(timer)
        except TypeError:  # a loop of another make: its end will not be noticed
            self._guard = lambda: timer

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: Future[Any]) -> None:
        if task.cancelled():
            self._end(asyncio_cancelled()())
        else:
            error = task.exception()
            if error is None:
                self.value = task.result()
            self._end(error)
        guard = self._guard()
        if guard is not None:
            guard.cancel()  # its errand is lost: after the end that says nothing

    def _end(self, error: BaseException | None) -> None:
        try:
            callback = self._callback.pop()
        except IndexError:  # it has ended
            return
        self._task = None
        self.error = error
        callback(self)


class _Errand:
    """A call that a loop is to make: it is run, or reported as lost. See the header."""

    __slots__ = ("_todo",)

    def __init__(self, run: Callable[[], object], lost: Callable[[], object]) -> None:
        self._todo = [(run, lost)]  # taken by one

    def send(self, loop: AbstractEventLoop) -> None:
        """Put it into the queue of `loop`.

        Raises:
            RuntimeError: The loop is closed; it is neither run nor reported.
        """
        try:
            loop.call_soon_threadsafe(self.run)  # S1
        except RuntimeError:
            self._todo.clear()
            raise
        if loop.is_closed() and self._todo:  # S2
            self._drop()

    def run(self) -> None:
        """On the loop's thread."""
        try:
            run, _ = self._todo.pop()
        except IndexError:
            return
        run()

    def _drop(self) -> None:
        try:
            _, lost = self._todo.pop()
        except IndexError:
            return
        lost()

    __del__ = _drop


def asyncio_cancelled() -> type[BaseException]:
    """asyncio's own cancellation."""
    import asyncio

    return asyncio.CancelledError


def _running_loop() -> AbstractEventLoop | None:
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _is_loop(loop: object) -> bool:
    import asyncio

    return isinstance(loop, asyncio.AbstractEventLoop)


def _dispose(awaitable: Any) -> None:
    """Close a coroutine that will never run: it would warn."""
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()


# -- a job of ours in asyncio


@overload
async def as_asyncio(job: Deferred[T]) -> T: ...  # type: ignore[overload-overlap]  # a Deferred is a Job
@overload
async def as_asyncio(job: Job) -> None: ...
async def as_asyncio(job: Job) -> Any:
    """In a task of asyncio: wait until `job` has ended. Of a Deferred, give the result. Starts a lazy one.

    Raises:
        BaseException: What the Deferred failed with, the same object. A Job's failure is not raised, as with `join()`.
        DeferredCancelledError: The Deferred was cancelled, while the task was not.
        asyncio.CancelledError: The task was cancelled.

    Cancellation: of the task cancels the job, and waits until it has cleaned up; a second one does not wait. A task
    that is cancelled before it begins touches nothing. Where others need the job, `asyncio.shield(as_asyncio(job))`.
    Threads: the job may run anywhere.
    Kotlin: none.
    """
    if not isinstance(job, Job):
        raise TypeError(f"as_asyncio() takes a Job or Deferred, got {job!r}: launch the block in a scope first")
    job.start()
    try:
        await _end_of(job)
    except asyncio_cancelled():
        job.cancel("the asyncio task that awaited it was cancelled")
        await _end_of(job)
        raise
    if not isinstance(job, Deferred):
        return None
    error = job.get_completion_exception_or_none()
    if isinstance(error, CancellationException):
        raise cancelled_elsewhere(repr(job), error)
    del error
    return job.get_completed()


async def _end_of(job: Job) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    over: Future[None] = loop.create_future()

    def tell(cause: BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(_settle, over)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass

    handle = job.invoke_on_completion(tell)
    try:
        await over
    finally:
        handle.dispose()


def _settle(over: Future[None]) -> None:
    if not over.done():
        over.set_result(None)


# -- a loop as dispatcher


class AsyncioDispatcher(CoroutineDispatcher):
    """Coroutines on the thread of an asyncio loop, between its own callbacks. Made by `asyncio_dispatcher(loop)`."""

    __slots__ = ("_loop",)

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Have the loop run `block`.

        Raises:
            RejectedExecutionError: The loop is closed.
        """
        self._send(block.run, getattr(block, "rejected", _nothing))

    def _dispatch(self, coroutine: Any) -> None:
        self._send(coroutine.run, coroutine.rejected)

    def _send(self, run: Callable[[], object], rejected: Callable[[], object]) -> None:
        try:
            _Errand(run, rejected).send(self._loop)
        except RuntimeError as closed:
            raise RejectedExecutionError(f"The task was rejected: {closed} ({self!r})") from closed

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return True

    def _needs_this_thread(self) -> bool:
        return _running_loop() is self._loop

    def __repr__(self) -> str:
        return f"asyncio_dispatcher({self._loop!r})"


def asyncio_dispatcher(loop: AbstractEventLoop | None = None) -> CoroutineDispatcher:
    """Return a dispatcher whose coroutines run on the thread of `loop`.

    Args:
        loop: The running one by default. A loop that does not run keeps what is sent to it until it does; closed, it
            cancels it, and the clean-up runs on IO.

    Raises:
        IllegalStateError: None was given, and none runs on this thread.
        TypeError: This is no loop.

    Coroutines on it are vmscope's: they wait with `delay`, and for what is asyncio's with `await_asyncio`.
    Kotlin: asCoroutineDispatcher.
    """
    found = _running_loop() if loop is None else loop
    if found is None:
        raise IllegalStateError("asyncio_dispatcher() without a loop, on a thread where none runs: give it the loop")
    if not _is_loop(found):
        raise TypeError(f"asyncio_dispatcher() takes an event loop of asyncio, got {loop!r}")
    return AsyncioDispatcher(found)
