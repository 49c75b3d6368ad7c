"""offload: work for more than one processor, on anything that has a `submit`.

The coroutine goes to IO for as long as that takes, so that neither pickling nor a slow `submit` holds up the caller's
thread; it holds no thread while it waits.
Locks: `_noting`, while an error of an engine is given its note, once.
Counterpart: none; on the JVM threads are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, TypeVarTuple
from weakref import WeakSet

from .._errors import CancellationException, RejectedExecutionError
from .._primitives import RLock, after_fork
from ..coroutines._builders import abandonable, with_context
from ..coroutines._coroutine import needed
from ..coroutines._pool import IO
from ..coroutines._scope import GlobalScope
from ..coroutines._suspend import Call, Suspending
from ._envelope import Task, read
from ._errors import OffloadError
from ._futures import request_cancel
from ._outside import cancelled_elsewhere, until_over
from ._token import JobToken

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Submits(Protocol):
    """Anything Executor-shaped: `submit(fn)` gives what `await_future` takes."""

    def submit(self, fn: Callable[[], Any], /) -> Any:
        """Have `fn()` called, somewhere, and return the future of it."""


def offload(
    executor: Submits, function: Callable[[*Ts], T], *args: *Ts, abandon_on_cancel: bool = False
) -> Suspending[T]:
    """Call `function` on an executor, in another process or on another machine say, and give its result.

    Args:
        executor: Threads, processes, interpreters, loky, dask: anything with `submit`. It stays the caller's to shut.
        function: Called with `args`. For another process, one at the top of a module that can be imported there.
            It may ask `check_cancelled()`, `is_active()` or a `cancel_token()` whether it is still wanted.
        abandon_on_cancel: When the caller is cancelled, do not wait for the call. By default the caller waits until it
            has ended, or is known never to begin: no engine can interrupt it.

    Raises:
        BaseException: What the function raised: in this process the same object, from another an equal one with the
            traceback of that process as a note.
        RemoteError: It raised what cannot be sent here; the message and the traceback are there.
        OffloadError: The call or its result cannot be sent.
        RejectedExecutionError: The executor was shut.
        concurrent.futures.BrokenExecutor: A worker was killed; the pool is gone, and has to be made anew.
        DeferredCancelledError: The executor dropped the call, while the caller was not cancelled.
        TypeError: This is no executor, or no plain function.

    Cancellation: the engine is asked to drop the call, the function is told; then as `abandon_on_cancel` says.
    Threads: called in a coroutine; goes on under the caller's dispatcher, which never pickles nor submits.
    Kotlin: none; withContext(executor.asCoroutineDispatcher()) comes nearest.
    """
    if isinstance(executor, type):  # it has a submit, too
        raise TypeError(f"offload() takes an executor first, got the class {executor.__name__}: make one of it")
    if not callable(getattr(executor, "submit", None)):
        raise TypeError(f"offload() takes an executor first, anything with a submit(function), got {executor!r}")
    if not callable(function):
        raise TypeError(f"offload() takes a function with its arguments, got {function!r}")
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & 0x2A0:  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR of inspect
        raise TypeError(f"offload() takes a plain function, got {function!r}: there is no coroutine there to suspend")
    if abandon_on_cancel:
        return Call("offload", abandonable, ("offload", _offloaded, (executor, function, args, True)))
    return Call("offload", _on_io, (executor, function, args))


def _on_io(executor: Any, function: Any, args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    return (yield from with_context(IO, _offloaded, executor, function, args, _says_only_what_holds(executor)))


def _offloaded(
    executor: Any, function: Callable[..., Any], args: tuple[Any, ...], drops: bool
) -> Generator[Any, Any, Any]:
    """Send the call, wait until it is over, read the answer. `drops`: a cancelled caller has the engine drop it."""
    job = needed("offload")._frame
    token = JobToken(job)
    task = Task(function, args, token, uses_cloudpickle=not _is_of(executor, _STANDARD))
    del function, args  # the task lets go of them before the outcome is seen
    future = _submitted(executor, task)
    is_quick = _says_only_what_holds(executor)

    def stop() -> None:
        if drops and is_quick:
            request_cancel(future)
        elif drops:  # it may ask a server, and the canceller is the main thread perhaps
            GlobalScope.launch(request_cancel, future, context=IO)

    yield from until_over(future.add_done_callback, stop)
    if future.cancelled():  # where that does not prove that nothing runs, the token stands: the function may ask it yet
        if is_quick:
            token.lower()
        job.ensure_active()
        raise cancelled_elsewhere(f"the offloaded call of {task.name}", CancelledError())
    token.lower()
    error = future.exception()
    if error is not None:
        job.ensure_active()
        raise _of_the_engine(error, executor, task) from error.__cause__
    try:
        return _outcome(task, future.result(), executor)
    except CancellationException as cancellation:
        if not job.is_active:
            raise
        raise cancelled_elsewhere(f"the offloaded call of {task.name}", cancellation) from cancellation


def _submitted(executor: Any, task: Task) -> Any:
    if _is_of_the_parent(executor):
        raise RejectedExecutionError(
            f"offload {task.name} to {executor!r} in a forked child: its threads stayed with the parent, and the call "
            "would wait for ever; make an executor in this process"
        )
    try:
        _used.add(executor)
    except TypeError:  # one that cannot be referred to weakly, or hashed: then a fork is not noticed
        pass
    try:
        return executor.submit(task)
    except Exception as failure:
        if isinstance(failure, RuntimeError) and not isinstance(failure, BrokenExecutor) and not task.why_not_sent:
            refusal = f"offload {task.name} to {executor!r}: it takes no calls: {failure}"
            raise RejectedExecutionError(refusal) from failure
        raise _of_the_engine(failure, executor, task) from failure.__cause__


def _is_of_the_parent(executor: object) -> bool:
    try:
        return executor in _of_the_parent
    except TypeError:
        return False


def _outcome(task: Task, answer: object, executor: object) -> Any:
    if task.is_done:
        return task.take()
    if isinstance(answer, tuple):
        return read(task.name, answer)
    raise OffloadError(f"{executor!r} answered {answer!r} for {task.name} without having called it")


def _of_the_engine(error: BaseException, executor: object, task: Task) -> BaseException:
    """Return what to raise: the engine could not have it called. Its own error, with a note that says so."""
    if task.why_not_sent is not None:
        return OffloadError(task.why_not_sent)
    note = f"Not raised by {task.name} but by {executor!r}: a worker died, or cannot import {_PACKAGE}"
    with _noting:  # one object for all calls of a pool that broke, and they come at once
        if note not in vars(error).get("__notes__", ()):
            BaseException.add_note(error, note)
    return error


_used: WeakSet[Any] = WeakSet()  # executors that were given a call in this process
_of_the_parent: WeakSet[Any] = WeakSet()
_noting = RLock()


def _after_fork() -> None:
    global _noting
    _noting = RLock()
    _of_the_parent.update(_used)


after_fork(_after_fork)

_PACKAGE = __name__.rsplit(".", 2)[0]
_STANDARD = {"concurrent.futures.thread", "concurrent.futures.process", "concurrent.futures.interpreter"}
#: Where `Future.cancel()` answers True, and at once, only for a call that will never be made. dask and ipyparallel
#: answer True for one that runs, and forget its future: whoever is to wait for the end must not ask them.
_HONEST = {
    *_STANDARD, "loky.process_executor", "joblib.externals.loky.process_executor",
    f"{_PACKAGE}.looper._executor", f"{_PACKAGE}.coroutines._executor",
}  # fmt: skip


def _says_only_what_holds(executor: object) -> bool:
    return _is_of(executor, _HONEST)


def _is_of(executor: object, modules: set[str]) -> bool:
    return any(kind.__module__ in modules for kind in type(executor).__mro__)
