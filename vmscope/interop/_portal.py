"""The portal: a blocking call from any thread into the world of coroutines.

Locks: none of its own.
Counterpart: anyio.from_thread.BlockingPortal; runBlocking(scope.coroutineContext) in Kotlin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import CancelledError
from typing import Any, TypeVar, TypeVarTuple, cast, overload

from ..coroutines._coroutine import DeferredCoroutine, running_job
from ..coroutines._scope import CoroutineScope, CoroutineStart, launch_in
from ..coroutines._suspend import ReadyBlock, check_block
from ..coroutines._time import checked_seconds
from ._futures import JobFuture, refuse_own_thread
from ._outside import cancelled_elsewhere

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@overload
def run_on(
    scope: CoroutineScope, block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts, timeout: float | None = None
) -> T: ...
@overload
def run_on(
    scope: CoroutineScope, block: Callable[[*Ts], Awaitable[T]], *args: *Ts, timeout: float | None = None
) -> T: ...
@overload
def run_on(scope: CoroutineScope, block: Callable[[*Ts], T], *args: *Ts, timeout: float | None = None) -> T: ...
@overload
def run_on(scope: CoroutineScope, block: ReadyBlock[T], *, timeout: float | None = None) -> T: ...
def run_on(  # type: ignore[misc]  # mypy fits no variadic and ready block into one
    scope: CoroutineScope, block: Callable[[*Ts], Any] | ReadyBlock[Any], *args: *Ts, timeout: float | None = None
) -> Any:
    """Run `block` as a coroutine of `scope`, on its dispatcher, and block this thread until it has ended.

    Args:
        scope: Whose child it becomes; the scope's end cancels it. Its failure is this call's, and not the scope's.
        block: As for `launch`.
        timeout: Seconds to wait; None waits as long as it takes. When they are up the coroutine is cancelled, and
            cleans up without being waited for.

    Returns:
        The value of the block, once its children have ended.

    Raises:
        BaseException: What the block failed with, the same object.
        DeferredCancelledError: It was cancelled, with the scope for instance.
        TimeoutError: The time was up.
        IllegalStateError: This thread is the one that has to run it.

    Cancellation: where this thread works for a coroutine, its cancellation cancels the block and is raised here.
    Threads: any but the one of the scope's dispatcher. Threads of a pool that all wait for that pool wait for ever.
    Kotlin: runBlocking(scope.coroutineContext); for one function on a looper, `handler.call(fn)` does.
    """
    if not isinstance(scope, CoroutineScope):
        raise TypeError(f"run_on() takes the scope to run in first, got {scope!r}")
    check_block(block, args, "run_on()")
    seconds = None if timeout is None else checked_seconds(timeout, "run_on(timeout=...)")
    env = scope._env
    refuse_own_thread(env.dispatcher, f"run_on() for {block!r}")
    caller = running_job()
    visit = cast(
        "_Visit", launch_in(_Visit, scope._job, env, block, args, None, CoroutineStart.LAZY, None)
    )
    future: JobFuture[Any] = JobFuture(visit, None)
    handle = None if caller is None else caller.invoke_on_completion(
        lambda cause: None if cause is None else visit.cancel("the thread that waits for it is not to", cause),
        on_cancelling=True,
    )
    try:
        visit.start()  # not before: a Ctrl-C that comes once it runs is to cancel it
        return future.result(seconds)
    except CancelledError:
        if not future.cancelled():
            raise  # the block's own
        if caller is not None:
            caller.ensure_active()
        raise cancelled_elsewhere("the block of run_on()", visit.get_cancellation_exception()) from None
    except TimeoutError:
        if future.done():
            raise  # the block's own
        visit.cancel(f"run_on() waited {seconds:g} seconds for it, in vain")
        raise TimeoutError(f"run_on() for {block!r} in {scope!r}: no answer within {seconds:g} seconds") from None
    except BaseException:
        if not future.done():  # Ctrl-C: nobody waits any more
            visit.cancel("the thread that waited for it was interrupted")
        raise
    finally:
        if handle is not None:
            handle.dispose()


class _Visit(DeferredCoroutine[Any]):
    """Made by run_on: its outcome is the caller's, and cancels nobody."""

    __slots__ = ()
    _scoped = True
