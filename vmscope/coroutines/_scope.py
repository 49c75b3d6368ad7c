"""CoroutineScope: where coroutines are launched, and whose job they belong to; `coroutine_scope` and its twin.

`CoroutineScope.launch` with the completion in `Coroutine._finish` is one of the three hot paths.
Locks: none of its own.
Counterpart: kotlinx.coroutines.CoroutineScope, launch, async.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple, cast, overload

from .._errors import CancellationException, IllegalStateError
from ._context import CoroutineContext, CoroutineName, EmptyCoroutineContext, checked_context
from ._coroutine import (
    Coroutine,
    DeferredCoroutine,
    Env,
    StandaloneCoroutine,
    current,
    needed,
    running_job,
)
from ._frame import FrameWait, ScopeCoroutine, SupervisorCoroutine, close_frame, in_frame, make_frame
from ._here import drain_in_place, had_begun, here
from ._job import ACTIVE, NEW, Job, NonCancellable, SupervisorJob, cancellation
from ._main import Main
from ._slots import CONFLATE, DROP, LATEST, LATEST_AFTER, QUEUE, is_taken, slot_of, take_turn
from ._suspend import ATOMIC, Call, ReadyBlock, Suspending, call, check_block

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Self

    from ._deferred import Deferred

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class CoroutineStart(Enum):
    """When the body of a coroutine begins.

    Kotlin: CoroutineStart.
    """

    DEFAULT = "default"  #: By its dispatcher, soon. Cancelled before that, it never begins.
    LAZY = "lazy"  #: When `start`, `join` or `await_` asks for it. Until then its parent waits for it.
    ATOMIC = "atomic"  #: By its dispatcher, and even if cancelled before; the first suspension then sees it.
    UNDISPATCHED = "undispatched"  #: Here and now, up to the first suspension, even if cancelled.


# bound once: a member through its class costs 65 ns a look-up, a module name 9 (timeit, 3.11)
_DEFAULT, _LAZY, _ATOMIC, _UNDISPATCHED = CoroutineStart
#: For `launch_in` alone: not yet; who launches it will dispatch it.
HELD: Any = object()
_OTHER_STARTS = (_LAZY, _ATOMIC, _UNDISPATCHED, HELD)


class CoroutineScope:
    """Where coroutines are launched: a context whose Job is the parent of them all.

    Args:
        context: Elements joined with `+`. Without a Job it gets one, which the first failing child cancels; for
            children that fail alone add a SupervisorJob. Without a dispatcher, coroutines run on Dispatchers.Default.

    A `with` block cancels it on exit; an `async with` block, in a coroutine, also waits until it has ended.
    Derived classes may define `coroutine_context` themselves.
    Threads: any.
    Kotlin: CoroutineScope.
    """

    __slots__ = ("__dict__", "__weakref__", "_context", "_env", "_job")
    _context: CoroutineContext
    _env: Env
    _job: Job | None

    def __init__(self, context: CoroutineContext = EmptyCoroutineContext) -> None:
        checked_context(context, "CoroutineScope(...)")
        if context.get(Job) is None:
            context = context + Job()
        self._hold(context)

    def _hold(self, context: CoroutineContext) -> None:
        """Look everything up that a launch needs, once."""
        self._context = context
        self._job = context.get(Job)
        self._env = Env(context.minus_key(Job))

    def __getattr__(self, name: str) -> Any:
        # A class with a coroutine_context of its own never called __init__: its context is looked at for each launch.
        if type(self).coroutine_context is not CoroutineScope.coroutine_context:
            if name == "_job":
                return self.coroutine_context.get(Job)
            if name == "_env":
                return Env(self.coroutine_context.minus_key(Job))
        elif name == "_context" and self._job is not None:  # one of `scope_in`, and somebody asks for its context
            self._context = self._job.coroutine_context
            return self._context
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def coroutine_context(self) -> CoroutineContext:
        """What its coroutines inherit."""
        return self._context

    @property
    def is_active(self) -> bool:
        """True until its job is cancelled or has ended; always, where it has no job."""
        job = self._job
        return job is None or job.is_active

    def ensure_active(self) -> None:
        """Raise the cancellation where the scope is not active.

        Raises:
            CancellationException: It was cancelled.
        """
        job = self._job
        if job is not None:
            job.ensure_active()

    def cancel(self, message: str | CancellationException | None = None, cause: BaseException | None = None) -> None:
        """Cancel its job with all coroutines; what is launched later is cancelled at once, and its block not called.

        Args:
            message: Why, in words; or a CancellationException, which is then the one that everybody sees.
            cause: What led to it.

        Raises:
            IllegalStateError: It has no job.

        Threads: any.
        """
        job = self._job
        if job is None:
            raise IllegalStateError(f"Scope cannot be cancelled because it does not have a job: {self!r}")
        job.cancel(message, cause)

    @overload
    def launch(
        self, block: Callable[[*Ts], object], *args: *Ts, context: CoroutineContext | None = None,
        start: CoroutineStart = CoroutineStart.DEFAULT, name: str | None = None,
    ) -> Job: ...  # fmt: skip
    @overload
    def launch(
        self, block: ReadyBlock[object], *,
        context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT,
        name: str | None = None,
    ) -> Job: ...  # fmt: skip
    def launch(  # type: ignore[misc]  # mypy fits no variadic and ready block into one
        self, block: Callable[[*Ts], Any] | ReadyBlock[Any],
        *args: *Ts, context: CoroutineContext | None = None, start: CoroutineStart = _DEFAULT,
        name: str | None = None,
    ) -> Job:  # fmt: skip
        """Start a coroutine; returns at once with its Job.

        Args:
            block: A coroutine function, a generator function or a plain function, called with `args` when the coroutine
                begins; or a generator or coroutine that is ready.
            args: For `block`.
            context: Added to the scope's: a dispatcher, a name, a handler. No Job: the parent is the scope's.
            start: When it begins.
            name: Short for `context=CoroutineName(name)`.

        Raises:
            TypeError: `block` is none of these.
            ValueError: `context` holds a Job.

        Its result is ignored. Its failure cancels the parent, or, under a supervisor, goes to the
        CoroutineExceptionHandler. Cancelled before it begins, `block` is never called.
        Threads: any.
        Kotlin: launch.
        """
        return launch_in(StandaloneCoroutine, self._job, self._env, block, args, context, start, name)

    @overload
    def async_(
        self, block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts,
        context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT,
        name: str | None = None,
    ) -> Deferred[T]: ...  # fmt: skip
    @overload
    def async_(
        self, block: Callable[[*Ts], Awaitable[T]], *args: *Ts,
        context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT,
        name: str | None = None,
    ) -> Deferred[T]: ...  # fmt: skip
    @overload
    def async_(
        self, block: Callable[[*Ts], T], *args: *Ts,
        context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT,
        name: str | None = None,
    ) -> Deferred[T]: ...  # fmt: skip
    @overload
    def async_(
        self, block: ReadyBlock[T], *,
        context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT,
        name: str | None = None,
    ) -> Deferred[T]: ...  # fmt: skip
    def async_(  # type: ignore[misc]  # mypy fits no variadic and ready block into one
        self, block: Callable[[*Ts], Any] | ReadyBlock[Any],
        *args: *Ts, context: CoroutineContext | None = None, start: CoroutineStart = _DEFAULT,
        name: str | None = None,
    ) -> Deferred[Any]:  # fmt: skip
        """Start a coroutine whose result is awaited: `yield from deferred.await_()`. Arguments as for `launch`.

        Its failure is raised by `await_`, and cancels the parent as well, unless that supervises. No handler is asked.
        Kotlin: async.
        """
        return launch_in(  # type: ignore[return-value]
            DeferredCoroutine, self._job, self._env, block, args, context, start, name
        )

    def launch_latest(
        self, block: Callable[[*Ts], object], *args: *Ts, slot: str | None = None, join: bool = False,
        context: CoroutineContext | None = None, name: str | None = None,
    ) -> Job:  # fmt: skip
        """Start a coroutine in a slot, and cancel the one that is at work there: the newest counts.

        Args:
            block: As for `launch`, but no ready generator or coroutine; called with `args`.
            args: For `block`.
            slot: A name. By default the slot is the function's own: of a method, that of the object; whatever the
                arguments. Two functions do not cancel each other.
            join: Begin only when the old one has ended, its `finally` included. By default it begins at once, and what
                the old one does to clean up may come after its first steps.
            context: As for `launch`.
            name: As for `launch`.

        Raises:
            TypeError: `block` is no function, or a lambda without a `slot`; or a function inside a function, of which
                another one, made by another call, is at work.

        What it superseded delivers nothing: the answer of a blocking call on Dispatchers.IO is dropped when it comes.
        A slot belongs to the job of the scope: views of one scope share it.
        Threads: any.
        Kotlin: none; by hand, `job?.cancel(); job = launch { ... }`.
        """
        job = self._launch_in_slot(
            "launch_latest()", LATEST_AFTER if join else LATEST, block, args, slot, context, name
        )
        assert job is not None
        return job

    def launch_dropping(
        self, block: Callable[[*Ts], object], *args: *Ts, slot: str | None = None,
        context: CoroutineContext | None = None, name: str | None = None,
    ) -> Job | None:  # fmt: skip
        """Start a coroutine in a slot, unless one is at work there: a second press of a button does nothing.

        Returns:
            None where it was dropped: `block` is never called then.

        Arguments as for `launch_latest`.
        """
        return self._launch_in_slot("launch_dropping()", DROP, block, args, slot, context, name)

    def launch_queued(
        self, block: Callable[[*Ts], object], *args: *Ts, slot: str | None = None,
        context: CoroutineContext | None = None, name: str | None = None,
    ) -> Job:  # fmt: skip
        """Start a coroutine in a slot when those that came before have ended: one after another, none is lost.

        Arguments as for `launch_latest`. One that fails or is cancelled lets the next one begin.
        """
        job = self._launch_in_slot("launch_queued()", QUEUE, block, args, slot, context, name)
        assert job is not None
        return job

    def launch_conflated(
        self, block: Callable[[*Ts], object], *args: *Ts, slot: str | None = None,
        context: CoroutineContext | None = None, name: str | None = None,
    ) -> Job:  # fmt: skip
        """Start a coroutine in a slot when the one at work has ended; of those that wait meanwhile, only the newest.

        Arguments as for `launch_latest`. One whose place is taken by a newer one ends cancelled, never begun.
        """
        job = self._launch_in_slot("launch_conflated()", CONFLATE, block, args, slot, context, name)
        assert job is not None
        return job

    def _launch_in_slot(
        self, where: str, policy: int, block: Any, args: tuple[Any, ...], slot: str | None,
        context: CoroutineContext | None, name: str | None,
    ) -> Job | None:  # fmt: skip
        owner = self._job
        key = slot_of(owner, block, slot, where)
        if policy == DROP and is_taken(owner, key):
            return None
        job = launch_in(StandaloneCoroutine, owner, self._env, block, args, context, HELD, name)
        return job if take_turn(owner, key, job, policy) else None

    @overload
    def future(
        self, block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts,
        context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT,
        name: str | None = None,
    ) -> Future[T]: ...  # fmt: skip
    @overload
    def future(
        self, block: Callable[[*Ts], Awaitable[T]], *args: *Ts,
        context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT,
        name: str | None = None,
    ) -> Future[T]: ...  # fmt: skip
    @overload
    def future(
        self, block: Callable[[*Ts], T], *args: *Ts,
        context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT,
        name: str | None = None,
    ) -> Future[T]: ...  # fmt: skip
    @overload
    def future(
        self, block: ReadyBlock[T], *,
        context: CoroutineContext | None = None, start: CoroutineStart = CoroutineStart.DEFAULT,
        name: str | None = None,
    ) -> Future[T]: ...  # fmt: skip
    def future(  # type: ignore[misc]  # mypy fits no variadic and ready block into one
        self, block: Callable[[*Ts], Any] | ReadyBlock[Any],
        *args: *Ts, context: CoroutineContext | None = None, start: CoroutineStart = _DEFAULT,
        name: str | None = None,
    ) -> Future[Any]:  # fmt: skip
        """Start a coroutine for code that wants a `concurrent.futures.Future` of it. Arguments as for `launch`.

        The future is what `async_(...).as_future()` gives: done when all clean-up is, and `cancel()` cancels the
        coroutine.
        Kotlin: CoroutineScope.future.
        """
        deferred = launch_in(DeferredCoroutine, self._job, self._env, block, args, context, start, name)
        return cast("Deferred[Any]", deferred).as_future()

    def __add__(self, context: CoroutineContext) -> CoroutineScope:
        """Return a view with `context` added; without a Job in `context`, it shares the job of this scope."""
        if not isinstance(context, CoroutineContext):
            return NotImplemented
        return scope_of(self.coroutine_context + context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel("the with block of the scope is over")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel("the async with block of the scope is over")
        job = self._job
        assert job is not None  # cancel() refuses a scope without one
        await non_cancellable_join(job)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(coroutine_context={self.coroutine_context!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} cannot be pickled or copied: its coroutines belong to this process. Make a new one")


def scope_of(context: CoroutineContext) -> CoroutineScope:
    """Return a scope of exactly `context`: where it has no Job, none is added."""
    scope = object.__new__(CoroutineScope)
    scope._hold(context)
    return scope


def scope_in(job: Coroutine | ScopeCoroutine) -> CoroutineScope:
    """Return the scope of what runs as `job`, which has looked up already what a launch needs: 1.3 us less (3.11)."""
    scope = object.__new__(CoroutineScope)
    scope._job = job
    scope._env = job._env
    return scope


def launch_in(
    kind: type[Coroutine], parent: Job | None, env: Env, block: Any, args: tuple[Any, ...],
    context: CoroutineContext | None, start: CoroutineStart, name: str | None,
) -> Coroutine:  # fmt: skip
    """Make a coroutine of `kind` and start it. Hot; the plain start is `Coroutine._resume` longhand."""
    if not callable(block):
        check_block(block, args)
    if context is not None or name is not None:
        env = _added(env, context, name)
    elif env.elements is not None:
        env = env.for_child()
    coroutine = kind()
    if start is not _DEFAULT:
        _start_otherwise(coroutine, parent, env, block, args, start)
        return coroutine
    try:
        coroutine._init_coroutine(parent, env, ACTIVE, block, args)
        if env.dispatcher._dispatch_if_needed(coroutine):
            return coroutine
        local = here.loop
        if local.active:
            local.waiting.append(coroutine)
            return coroutine
    except BaseException as fault:  # noqa: BLE001  (a dispatcher of a user's own; or out of nowhere, in lines of ours)
        coroutine._start_failed(fault)
        return coroutine
    local.active = True
    coroutine._due = False
    try:
        if coroutine._state == ACTIVE:
            coroutine._start()
        else:
            coroutine._begin()
    except BaseException as failure:  # noqa: BLE001  (in lines of ours: the coroutine fails with it)
        coroutine._broke(failure)
    finally:
        try:
            if local.waiting:
                drain_in_place(local)
        finally:
            local.active = False
    return coroutine


def _start_otherwise(
    coroutine: Coroutine, parent: Job | None, env: Env, block: Any, args: tuple[Any, ...], start: CoroutineStart
) -> None:
    if start not in _OTHER_STARTS:
        raise TypeError(f"start takes a CoroutineStart, got {start!r}")
    try:
        coroutine._init_coroutine(parent, env, NEW if start is _LAZY else ACTIVE, block, args)
        if start is _ATOMIC:
            coroutine._resume(None, None, ATOMIC, None)
    except BaseException as fault:
        if had_begun(fault):  # another's step
            raise
        coroutine._start_failed(fault)
    if start is _UNDISPATCHED:
        coroutine._due = False
        try:
            coroutine._start()
        except BaseException as failure:  # noqa: BLE001  (as in `launch_in`)
            coroutine._broke(failure)


def _added(env: Env, context: CoroutineContext | None, name: str | None) -> Env:
    """Return `env` with what one launch adds to it."""
    if context is None:
        return env.for_child(CoroutineName(cast("str", name)))
    checked_context(context, "context=")
    job = context.get(Job)
    if job is not None:
        raise ValueError(
            f"{job!r} in the context of launch or async_: it would take the coroutine out of the scope's tree. "
            "Write (scope + job).launch(...) for a coroutine of another job, scope.launch(...) for one of this scope, "
            "with_context(NonCancellable, ...) for clean-up, supervisor_scope(...) for children that fail alone"
        )
    return env.for_child(context if name is None else context + CoroutineName(name))


def MainScope() -> CoroutineScope:  # noqa: N802  (Kotlin's noun)
    """Make a scope for a screen: a SupervisorJob and Dispatchers.Main. Cancel it when the screen goes.

    Kotlin: MainScope.
    """
    return CoroutineScope(SupervisorJob() + Main)


class _GlobalScope(CoroutineScope):
    """No job: nobody cancels what is launched here, nobody waits for it, and it does not keep the process alive.

    A delicate thing, for what lives as long as the program; nearly always another scope is right.
    Kotlin: GlobalScope, marked @DelicateCoroutinesApi.
    """

    __slots__ = ()

    def __init__(self) -> None:
        self._hold(EmptyCoroutineContext)

    def __repr__(self) -> str:
        return "GlobalScope"


GlobalScope: CoroutineScope = _GlobalScope()


# -- blocks inside a coroutine


class ScopeBlock(Call[T]):
    """`coroutine_scope(...)`: with a block a suspending call, without one an `async with` that gives the scope."""

    __slots__ = ("_coroutine", "_frame", "_outer")

    def __init__(self, name: str, kind: type[ScopeCoroutine], block: Any, args: tuple[Any, ...]) -> None:
        if not callable(block) and block is not None:
            check_block(block, args, f"{name}()")
        self._begun = False
        self._called = name
        self._function: Any = in_frame if block is not None else _no_block
        self._args = (kind, block, args)

    async def __aenter__(self) -> CoroutineScope:
        self._begin()  # before the refusal: it was not dropped, and must not warn of that as well
        if self._args[1] is not None:
            raise TypeError(f"async with {self._called}(...) takes no block: its body is the block")
        coroutine = needed(f"async with {self._called}()")
        self._coroutine = coroutine
        self._outer = outer = coroutine._frame
        self._frame = frame = self._new_frame()
        try:
            frame._init_frame(outer, outer._env)
            coroutine._frame = frame
            scope = scope_in(frame)
        except BaseException as struck:  # there is no block that would end it
            coroutine._frame = outer
            frame._end_again(struck)
            raise
        return scope

    def _new_frame(self) -> ScopeCoroutine:
        kind: type[ScopeCoroutine] = self._args[0]
        return kind()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        frame = self._frame
        try:
            self._coroutine._frame = self._outer
            if isinstance(error, GeneratorExit):
                close_frame(frame)
                return None
            over = frame._end_body(None, error)
        except BaseException as struck:  # as in `in_frame`
            frame._end_again(struck)
            raise
        if not over:
            await FrameWait(frame)
        final = frame._cause
        if final is not None and final is not error:
            raise final
        return None


def _no_block(*_: Any) -> NoReturn:
    raise TypeError("coroutine_scope() and supervisor_scope() take a block, or stand in `async with`")


@overload
def coroutine_scope() -> ScopeBlock[None]: ...
@overload
def coroutine_scope(block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts) -> ScopeBlock[T]: ...
@overload
def coroutine_scope(block: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> ScopeBlock[T]: ...
@overload
def coroutine_scope(block: Callable[[*Ts], T], *args: *Ts) -> ScopeBlock[T]: ...
def coroutine_scope(block: Callable[[*Ts], Any] | None = None, *args: *Ts) -> ScopeBlock[Any]:
    """Run `block` in a scope of its own and wait for all that is launched in it: `launch(...)` inside belongs to it.

    Args:
        block: Called with `args`; without one, stand in `async with coroutine_scope() as scope:`.

    Returns:
        The value of the block, once its children have ended.

    Raises:
        BaseException: The first failure of the block or of a child; the others are cancelled first.

    Cancellation: cancels the block and its children; waits for them.
    Threads: called in a coroutine.
    Kotlin: coroutineScope.
    """
    return ScopeBlock("coroutine_scope", ScopeCoroutine, block, args)


@overload
def supervisor_scope() -> ScopeBlock[None]: ...
@overload
def supervisor_scope(block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts) -> ScopeBlock[T]: ...
@overload
def supervisor_scope(block: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> ScopeBlock[T]: ...
@overload
def supervisor_scope(block: Callable[[*Ts], T], *args: *Ts) -> ScopeBlock[T]: ...
def supervisor_scope(block: Callable[[*Ts], Any] | None = None, *args: *Ts) -> ScopeBlock[Any]:
    """Like `coroutine_scope`, with children that fail alone, each to its handler.

    The block itself is not supervised: what it raises cancels the children and is raised here.
    Kotlin: supervisorScope.
    """
    return ScopeBlock("supervisor_scope", SupervisorCoroutine, block, args)


def non_cancellable_join(job: Job) -> Suspending[None]:
    """Wait for `job` whatever happens to the caller."""
    return call("join", _join_shielded, job)


def _join_shielded(job: Job) -> Generator[Any, Any, None]:
    coroutine = needed("join")
    frame = make_frame(ScopeCoroutine, NonCancellable, coroutine._frame._env)
    yield from in_frame(frame, job.join, ())


# -- what is there without naming it: the running coroutine


def home(what: str) -> Coroutine | ScopeCoroutine:
    """Return the job that `what`, written without a scope, acts on: the running coroutine or the innermost scope in it.

    Raises:
        IllegalStateError: Called outside a coroutine.
    """
    coroutine = current.get()
    if coroutine is not None:
        frame: Any = coroutine._frame
        if frame is coroutine or type(frame) is ScopeCoroutine:  # nearly always; without two calls, 0.1 us (3.11)
            return frame
    found: Coroutine | ScopeCoroutine = needed(what)._frame._home
    return found


def current_job() -> Job:
    """Return the Job of the running coroutine, or of the innermost scope block in it.

    Raises:
        IllegalStateError: Called outside a coroutine.

    Kotlin: currentCoroutineContext().job.
    """
    return home("current_job()")


def current_context() -> CoroutineContext:
    """Return the context of the running coroutine, or of the innermost scope block in it.

    Raises:
        IllegalStateError: Called outside a coroutine.

    Kotlin: currentCoroutineContext().
    """
    return home("current_context()").coroutine_context


def current_scope() -> CoroutineScope:
    """Return the scope of the running coroutine, or of the innermost scope block in it.

    Raises:
        IllegalStateError: Called outside a coroutine.

    Kotlin: the receiver `this` of a block.
    """
    return scope_in(home("current_scope()"))


def is_active() -> bool:
    """Say whether the running coroutine is active. Also in plain functions that run for it; outside one, True.

    Kotlin: isActive.
    """
    job = running_job()
    return job is None or job.is_active


def ensure_active() -> None:
    """Raise the cancellation of the running coroutine, if it was cancelled. Also in plain functions that run for it.

    Raises:
        CancellationException: It was cancelled.

    Kotlin: ensureActive.
    """
    job = running_job()
    if job is not None:
        job.ensure_active()


def cancel(message: str | CancellationException | None = None, cause: BaseException | None = None) -> None:
    """Cancel the running coroutine, or the innermost scope block in it.

    Raises:
        IllegalStateError: Called outside a coroutine.

    Kotlin: cancel() on the receiver.
    """
    job = home("cancel()")
    job.cancel(cancellation(job, message, cause))
