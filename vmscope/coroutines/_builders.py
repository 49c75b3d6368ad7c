"""Builders: launch and async_ in the running coroutine, with_context, and the ways in from plain code.

Locks: none of its own.
Counterpart: kotlinx.coroutines.Builders, Await, NonCancellable's uses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar, TypeVarTuple, cast, overload
from warnings import warn

from .._errors import CancellationException, IllegalStateError, VmScopeWarning
from .._primitives import current_thread
from .._thrown import own
from ..looper._looper import Looper, take_ctrl_c
from ..looper._queue import MessageQueue
from ._context import CoroutineContext, EmptyCoroutineContext, checked_context
from ._coroutine import (
    Coroutine,
    DeferredCoroutine,
    Env,
    StandaloneCoroutine,
    needed,
    running_job,
)
from ._deferred import Deferred, awaited_error
from ._dispatcher import CoroutineDispatcher, Runnable
from ._frame import FrameWait, Hop, HopBack, Release, ScopeCoroutine, Switch, in_frame, outcome, run_block
from ._held import HeldLooper
from ._here import here
from ._job import ACTIVE, CANCELLED, COMPLETED, COMPLETING, ON_COMPLETION, Job, NonCancellable, warn_of_own_end
from ._main import Main, Posted
from ._pool import IO, Default
from ._scope import CoroutineStart, home, launch_in
from ._suspend import (
    CANCELLABLE,
    RESUMED,
    RETURNING,
    SUSPENDED,
    Call,
    Continuation,
    ReadyBlock,
    Suspending,
    call,
    check_block,
    iterate,
    tell_witnesses,
    witnesses,
)
from ._time import checked_seconds, with_timeout_or_none

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@overload
def launch(
    block: Callable[[*Ts], object], *args: *Ts, context: CoroutineContext | None = None,
    start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> Job: ...  # fmt: skip
@overload
def launch(
    block: ReadyBlock[object], *,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> Job: ...  # fmt: skip
def launch(  # type: ignore[misc]  # mypy fits no variadic and ready block into one
    block: Callable[[*Ts], Any] | ReadyBlock[Any], *args: *Ts, context: CoroutineContext | None = None,
    start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> Job:  # fmt: skip
    """Start a child of the running coroutine, or of the innermost scope block in it. See `CoroutineScope.launch`.

    Raises:
        IllegalStateError: Called outside a coroutine: there it is `scope.launch(...)`.
    """
    parent = home("launch() without a scope")
    return launch_in(StandaloneCoroutine, parent, parent._env, block, args, context, start, name)


@overload
def async_(
    block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> Deferred[T]: ...  # fmt: skip
@overload
def async_(
    block: Callable[[*Ts], Awaitable[T]], *args: *Ts,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> Deferred[T]: ...  # fmt: skip
@overload
def async_(
    block: Callable[[*Ts], T], *args: *Ts,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> Deferred[T]: ...  # fmt: skip
@overload
def async_(
    block: ReadyBlock[T], *,
    context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> Deferred[T]: ...  # fmt: skip
def async_(  # type: ignore[misc]  # mypy fits no variadic and ready block into one
    block: Callable[[*Ts], Any] | ReadyBlock[Any], *args: *Ts, context: CoroutineContext | None = None,
    start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
) -> Deferred[Any]:  # fmt: skip
    """Start a child with a result, as `launch` does. See `CoroutineScope.async_`.

    Raises:
        IllegalStateError: Called outside a coroutine: there it is `scope.async_(...)`.
    """
    parent = home("async_() without a scope")
    return launch_in(  # type: ignore[return-value]
        DeferredCoroutine, parent, parent._env, block, args, context, start, name
    )


# -- with_context


@overload
def with_context(
    context: CoroutineContext, block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts
) -> Suspending[T]: ...
@overload
def with_context(context: CoroutineContext, block: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> Suspending[T]: ...
@overload
def with_context(context: CoroutineContext, block: Callable[[*Ts], T], *args: *Ts) -> Suspending[T]: ...
def with_context(context: CoroutineContext, block: Callable[[*Ts], Any], *args: *Ts) -> Suspending[Any]:
    """Run `block` in another context, on another dispatcher say, and come back with its value.

    Args:
        context: Added to the present one. NonCancellable shields clean-up from a cancellation that has come already.
        block: Called with `args`; a plain blocking function is what Dispatchers.IO is for.

    Returns:
        The value of the block, once its children have ended.

    Raises:
        BaseException: What the block raised.
        CancellationException: The caller was cancelled before, then the block is not called; or meanwhile, then its
            value is dropped when it comes back from another dispatcher.

    On the same dispatcher the block runs in place, without a dispatch.
    Threads: called in a coroutine; goes on under the caller's dispatcher.
    Kotlin: withContext.
    """
    checked_context(context, "with_context()")
    if not callable(block):
        check_block(block, args, "with_context()")
    return Call("with_context", _with_context, (context, block, args))


def _with_context(context: CoroutineContext, block: Any, args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    """Return the generator that does it, rather than be one around it: see `in_frame`."""
    coroutine = needed("with_context")
    outer = coroutine._frame
    known = outer._env.last
    if known is not None and known[0] is context:
        parent, env = outer, known[1]
    else:
        parent, env = context.get(Job) or outer, outer._env.plus(context)
    if not ACTIVE <= parent._state <= COMPLETING:
        parent.ensure_active()
    frame = ScopeCoroutine()
    frame._parent = parent
    frame._env = env
    new, old = env.dispatcher, coroutine._dispatcher
    if new is not old and new != old:
        return _elsewhere(coroutine, frame, block, args)
    if env.elements is None and coroutine._elements is None:
        return in_frame(frame, block, args)
    return _with_elements(coroutine, env.elements, frame, block, args)


def _with_elements(
    coroutine: Coroutine, elements: Any, frame: ScopeCoroutine, block: Any, args: tuple[Any, ...]
) -> Generator[Any, Any, Any]:
    """The same dispatcher, other elements on the thread."""
    olds = coroutine._elements
    yield from Switch(elements)
    try:
        value = yield from in_frame(frame, block, args)
    except GeneratorExit:
        raise
    except BaseException:
        yield from Switch(olds)
        raise
    yield from Switch(olds)
    return value


def _elsewhere(
    coroutine: Coroutine, frame: ScopeCoroutine, block: Any, args: tuple[Any, ...]
) -> Generator[Any, Any, Any]:
    """Move the coroutine to the dispatcher of `frame`, run the block there, and move back."""
    old, outer, elements = coroutine._dispatcher, coroutine._frame, coroutine._elements
    outer_straight = coroutine._straight
    straight = False
    try:
        frame._init_frame(frame._parent, frame._env)
        coroutine._frame = frame
        coroutine._dispatcher = frame._env.dispatcher
        try:
            in_place = yield from Hop(frame._env.elements, frame)
        except GeneratorExit:
            raise
        except BaseException as cancelled:  # noqa: BLE001  (before it began)
            value, error = None, cast("BaseException | None", cancelled)
        else:
            coroutine._straight = in_place is True
            value, error = yield from run_block(frame, block, args)
            straight = coroutine._straight
        final = frame._end_body(value, error)
        if straight:  # it ends before what was started in place meanwhile runs
            yield from Release(elements)
            final = final or frame.is_completed
    except GeneratorExit:
        raise
    except BaseException as struck:  # as in `in_frame`
        frame._end_again(struck)
        raise
    finally:
        coroutine._frame = outer
        coroutine._dispatcher = old
        coroutine._straight = straight and outer_straight
    if not final:
        if coroutine._elements is not elements:
            yield from Switch(elements)
        return (yield from FrameWait(frame))
    if straight:  # it never left its step: no dispatch back, and no look at the cancellation
        return outcome(frame, value, error, straight)
    return (yield from HopBack(elements, frame, value))


@overload
def non_cancellable(
    block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts, timeout: float | None = None
) -> Suspending[T | None]: ...
@overload
def non_cancellable(
    block: Callable[[*Ts], Awaitable[T]], *args: *Ts, timeout: float | None = None
) -> Suspending[T | None]: ...
@overload
def non_cancellable(block: Callable[[*Ts], T], *args: *Ts, timeout: float | None = None) -> Suspending[T | None]: ...
def non_cancellable(block: Callable[[*Ts], Any], *args: *Ts, timeout: float | None = None) -> Suspending[Any]:
    """Run clean-up that suspends, though the coroutine has been cancelled; for `timeout` seconds at most.

    Args:
        block: Called with `args`.
        timeout: Seconds; None for as long as it takes.

    Returns:
        The value of the block; None where the time was up.

    Cancellation: not seen inside; seen again right after.
    Kotlin: withContext(NonCancellable), with a timeout inside.
    """
    if timeout is None:
        return with_context(NonCancellable, block, *args)
    seconds = checked_seconds(timeout, "non_cancellable(timeout=...)")
    return Call("non_cancellable", _shielded, (block, args, seconds))


def _shielded(block: Any, args: tuple[Any, ...], seconds: float) -> Generator[Any, Any, Any]:
    return (yield from with_context(NonCancellable, with_timeout_or_none, seconds, block, *args))


# -- waiting for several


def join_all(*jobs: Job) -> Suspending[None]:
    """Suspend until all `jobs` have ended, in whatever way.

    Raises:
        CancellationException: The caller was cancelled.

    Kotlin: joinAll.
    """
    for job in jobs:
        if not isinstance(job, Job):
            raise TypeError(f"join_all takes jobs, got {job!r}: write join_all(*jobs) for a list")
    return Call("join_all", _join_all, jobs)


def _join_all(*jobs: Job) -> Generator[Any, Any, None]:
    for job in jobs:
        yield from job.join()


def await_all(*deferreds: Deferred[T]) -> Suspending[list[T]]:
    """Suspend until all have a result; give the list of them.

    Raises:
        BaseException: What the first one that failed, failed with, as soon as it does. The others go on.
        DeferredCancelledError: One of them had been cancelled.
        CancellationException: The caller was cancelled, even where all had ended before.

    Starts lazy ones. Without any, gives an empty list.
    Kotlin: awaitAll.
    """
    for deferred in deferreds:
        if not isinstance(deferred, Deferred):
            raise TypeError(f"await_all takes deferreds, got {deferred!r}: write await_all(*deferreds) for a list")
    return call("await_all", _await_all, *deferreds)


def _await_all(*deferreds: Deferred[T]) -> Generator[Any, Any, list[T]]:
    if not deferreds:
        return []
    yield from _AwaitAll(deferreds)
    return [deferred.get_completed() for deferred in deferreds]


class _AwaitAll(Continuation[None]):
    """The wait of await_all: one node in the list of each of them."""

    __slots__ = ("_jobs", "_left")
    _kind = ON_COMPLETION

    def __init__(self, deferreds: tuple[Deferred[Any], ...]) -> None:
        self._begun = False
        self._jobs = tuple(dict.fromkeys(deferreds))
        self._left = set(self._jobs)  # guarded by the lock of the frame

    def _name(self) -> str:
        return "await_all"

    def _start(self, coroutine: Any) -> object:
        for job in self._jobs:
            job.start()
            if job is coroutine:
                warn_of_own_end(f"await {job!r}")
        self._suspend(coroutine)
        for job in self._jobs:
            if job._add_node(self) or not self._decides(job):
                continue
            if not self._claim():
                break
            self._drop()
            if job._cause is not None:
                raise awaited_error(job, self._coroutine)
            return None
        if witnesses:
            tell_witnesses()
        return SUSPENDED

    def _decides(self, job: Deferred[Any]) -> bool:
        """Note that `job` has ended, and say whether that ends the wait: as the last one, or as a failure."""
        with self._frame._lock:
            self._left.discard(job)
            return not self._left or job._cause is not None

    def _fire(self, job: Job, cause: BaseException | None) -> None:
        awaited = cast("Deferred[Any]", job)
        try:
            if self._decides(awaited) and self._claim():
                self._drop()
                error = None if cause is None else awaited_error(awaited, self._coroutine)
                self._coroutine._resume(None, error, CANCELLABLE, None)
        except BaseException as struck:
            if self._decides(awaited):
                error = None if cause is None else awaited_error(awaited, self._coroutine)
                self._resume_again(struck, RESUMED, None, error)
            raise

    def _drop(self) -> None:
        for job in self._jobs:
            job._remove_node(self)

    def _take_back(self, cause: BaseException) -> None:
        self._drop()


# -- the ways in from plain code


class BlockingLoop(CoroutineDispatcher):
    """The private loop of a run_blocking: its coroutines run on the thread that waits, once that is gone on Default.

    Kotlin: BlockingEventLoop.
    """

    __slots__ = ("_queue",)

    def __init__(self, queue: MessageQueue) -> None:
        self._queue = queue

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Queue `block` for the thread that waits."""
        if not self._queue.put(Posted(block)):
            Default.dispatch(context, block)

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return True

    def _dispatch(self, coroutine: Any) -> None:
        if not self._queue.put(coroutine):
            Default._dispatch(coroutine)

    @property
    def _resumes_timers_in_place(self) -> bool:  # type: ignore[override]  # it changes when the loop ends
        return not self._queue.is_quitting

    def _timers(self) -> MessageQueue:
        return super()._timers() if self._queue.is_quitting else self._queue

    def _needs_this_thread(self) -> bool:
        return here.loop.events is self._queue and not self._queue.is_quitting

    def __repr__(self) -> str:
        return f"<BlockingLoop {id(self):#x}>"


class BlockingCoroutine(Coroutine):
    """Made by run_blocking and run_main: its outcome is theirs, and cancels nobody."""

    __slots__ = ("_wake",)
    _wake: Callable[[], object]  # wakes that thread
    _scoped = True

    def _finish(self, value: Any, error: BaseException | None) -> None:
        super()._finish(value, error)
        self._after_completion()

    def _after_completion(self) -> None:
        if self._state >= COMPLETED:
            self._wake()


@overload
def run_blocking(
    block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts, context: CoroutineContext = EmptyCoroutineContext
) -> T: ...
@overload
def run_blocking(
    block: Callable[[*Ts], Awaitable[T]], *args: *Ts, context: CoroutineContext = EmptyCoroutineContext
) -> T: ...
@overload
def run_blocking(block: Callable[[*Ts], T], *args: *Ts, context: CoroutineContext = EmptyCoroutineContext) -> T: ...
@overload
def run_blocking(
    block: ReadyBlock[T],
    *,
    context: CoroutineContext = EmptyCoroutineContext,
) -> T: ...
def run_blocking(  # type: ignore[misc]  # mypy fits no variadic and ready block into one
    block: Callable[[*Ts], Any] | ReadyBlock[Any],
    *args: *Ts,
    context: CoroutineContext = EmptyCoroutineContext,
) -> Any:
    """Run a coroutine and block this thread until it and its children have ended; return its value.

    Args:
        block: As for `launch`.
        context: Without a dispatcher the coroutine runs on this very thread, in a loop of its own that nested calls
            share; with one, it runs there and this thread only waits. A Job in it becomes the parent.

    Raises:
        BaseException: What the block failed with.
        KeyboardInterrupt: Ctrl-C: the coroutine was cancelled, and has cleaned up. A second one is at once.

    Called on the thread of a looper that runs, it keeps the looper from running until it returns, and warns. A block
    that would have to wait for what only that looper can run, fails: IllegalStateError "it would deadlock".
    Threads: any, for plain code; inside a coroutine await instead.
    Kotlin: runBlocking.
    """
    checked_context(context, "run_blocking(context=...)")
    check_block(block, args, "run_blocking()")
    shared = here.loop.events
    looper = Looper.my_looper()
    if looper is not None and looper.is_running and shared is None:
        warn(
            f"run_blocking in a message of {looper!r}: its thread runs nothing else until this returns, and never does "
            "if the block waits for it; launch a coroutine instead",
            VmScopeWarning,
            stacklevel=2,
        )
    queue = MessageQueue() if shared is None else shared
    if CoroutineDispatcher not in context:
        context = context + BlockingLoop(queue)
    coroutine = _blocking(block, args, context, queue.wake)
    here.loop.events = queue
    restore = take_ctrl_c(queue)
    held = None if looper is None else HeldLooper(looper, coroutine, queue)
    try:
        coroutine._resume(None, None, RETURNING, None)
        _run_to_end(coroutine, queue.run_until, None if held is None else held.look)
    finally:
        if held is not None:
            held.let_go()
        if shared is None:  # what else was queued here and is due, still runs; what comes later runs on IO, cancelled
            queue.quit(safely=True)
            queue.run_until()
        here.loop.events = shared
        restore()
    return _value_of(coroutine)


def _blocking(
    block: Any, args: tuple[Any, ...], context: CoroutineContext, wake: Callable[[], object]
) -> BlockingCoroutine:
    coroutine = BlockingCoroutine()
    coroutine._wake = wake
    coroutine._init_coroutine(context.get(Job), Env(context.minus_key(Job)), ACTIVE, block, args)
    return coroutine


def _run_to_end(
    coroutine: BlockingCoroutine, run_until: Callable[..., None], is_over: Callable[[], bool] | None = None
) -> None:
    done = is_over or (lambda: coroutine._state >= COMPLETED)
    try:
        run_until(done, told=True)
    except (KeyboardInterrupt, SystemExit) as stop:
        coroutine.cancel(f"{type(stop).__name__} stopped the program", stop)
        run_until(done, told=True)
        raise


def _value_of(coroutine: Coroutine) -> Any:
    if coroutine._state == CANCELLED:
        error = coroutine._cause
        assert error is not None
        raise own(error).with_traceback(coroutine._value)
    return coroutine._value


@overload
def run_main(block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts) -> T: ...
@overload
def run_main(block: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T: ...
@overload
def run_main(block: Callable[[*Ts], T], *args: *Ts) -> T: ...
@overload
def run_main(block: ReadyBlock[T]) -> T: ...
def run_main(block: Callable[[*Ts], Any] | ReadyBlock[Any], *args: *Ts) -> Any:
    """Make this thread the main looper, run the block as a coroutine on Dispatchers.Main, and return its value.

    The looper runs until the coroutine and its children have ended; what is still pending then is dropped.

    Args:
        block: As for `launch`.

    Raises:
        IllegalStateError: Another thread's looper is the main one, or this one is running already.
        BaseException: What the block failed with.
        KeyboardInterrupt: Ctrl-C: the coroutine was cancelled, and has cleaned up. A second one is at once.

    Kotlin: none; a program's main looper is the system's there.
    """
    check_block(block, args, "run_main()")
    looper = _main_looper_here()
    coroutine = _blocking(block, args, Main, looper.queue.wake)
    try:
        coroutine._resume(None, None, RETURNING, None)
        _run_to_end(coroutine, looper.run_until)
    finally:
        looper.quit()
    return _value_of(coroutine)


def _main_looper_here() -> Looper:
    looper = Looper.get_main()
    if looper is None or looper.queue.is_quitting:
        return Looper.prepare_main()
    if not looper.is_current_thread() or looper.is_running:
        state = (
            "is running it already: launch the block in a scope" if looper.is_current_thread() else "is not this one"
        )
        raise IllegalStateError(
            f"run_main on thread {current_thread().name!r}: the main looper {looper!r} is there, and its thread {state}"
        )
    return looper


# -- blocking calls


def run_blocking_io(function: Callable[[*Ts], T], *args: *Ts, abandon_on_cancel: bool = False) -> Suspending[T]:
    """Call a blocking function on Dispatchers.IO and give its result.

    Args:
        function: Called with `args`. It may ask `is_active()` or `ensure_active()` whether it is still wanted.
        abandon_on_cancel: When the caller is cancelled, do not wait for the function; what it returns is dropped, what
            it raises is reported. By default the caller waits: no thread can be interrupted.

    Raises:
        BaseException: What the function raised.

    Kotlin: runInterruptible, which the JVM can interrupt.
    """
    if not callable(function):
        raise TypeError(f"run_blocking_io() takes a function with its arguments, got {function!r}")
    if not abandon_on_cancel:
        return with_context(IO, function, *args)
    return Call("run_blocking_io", abandonable, ("run_blocking_io", function, args))


def abandonable(what: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    """Call `function` on IO for the running coroutine, which does not wait for it any more once it is cancelled."""
    coroutine = needed(what)
    env = coroutine._frame._env.plus(IO)
    task = cast(
        "Deferred[Any]", launch_in(DeferredCoroutine, None, env, function, args, None, CoroutineStart.DEFAULT, None)
    )
    try:
        return (yield from task.await_())
    except CancellationException:
        task.cancel("its caller was cancelled")
        raise


def check_cancelled() -> None:
    """In a blocking function that runs for a coroutine: raise its cancellation, if there is one. As `ensure_active`."""
    job = running_job()
    if job is not None:
        job.ensure_active()


@overload
def run_catching(
    block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts
) -> Suspending[T | Exception]: ...
@overload
def run_catching(block: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> Suspending[T | Exception]: ...
@overload
def run_catching(block: Callable[[*Ts], T], *args: *Ts) -> T | Exception: ...
def run_catching(block: Callable[[*Ts], Any], *args: *Ts) -> Any:
    """Call `block`; give its value, or the Exception that it raised. A cancellation passes through.

    Args:
        block: A plain function, whose outcome is returned at once; or one that suspends: `yield from` the answer.
        args: For `block`.

    Cancellation: passes through, as does a KeyboardInterrupt.
    Kotlin: runCatching, which swallows cancellations.
    """
    try:
        value = block(*args)
    except Exception as failure:  # noqa: BLE001  (what it is for)
        return failure
    body = None if value is None else iterate(value)
    return value if body is None else Call("run_catching", _catching, (body,))


def _catching(body: Generator[Any, Any, T]) -> Generator[Any, Any, T | Exception]:
    try:
        return (yield from body)
    except Exception as failure:  # noqa: BLE001  (what it is for)
        return failure
