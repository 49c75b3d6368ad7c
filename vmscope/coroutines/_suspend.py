"""Suspension: the bare `yield` of the package, and the continuation that is resumed once, from any thread.

A suspending function returns an object that `yield from` and `await` take alike. What reaches the coroutine through the
yield is that object (hot waits yield themselves). It knows how to begin the wait: `_start(coroutine)` answers with a
value at once, raises, or registers a resumption and answers SUSPENDED. From then on the coroutine belongs to whoever
resumes it.

    +-----------+ block is over  +-----------+ resume  +---------+
    | Undecided | -------------> | Suspended | ------> | Resumed |
    +-----------+                +-----------+         +---------+
          |  resume: the value is given back without suspending
          |  cancel                    | cancel        +-----------+ one resume, ignored +---------+
          +----------------------------+-------------> | Cancelled | ------------------> | Ignored |
                                                       +-----------+                     +---------+
Invariants
    I1  one arrow out of Undecided or Suspended is taken, by one thread: that one resumes the coroutine.
    I2  a cancellable wait stands in `_waiter` of its job exactly while it is Undecided or Suspended.
Locks
    `_phase` and the `_waiter` of the job are guarded by the lock of the job's tree. Nothing else runs under it. Waits
    of which another lock decides (`Decided`, in sync) set them without it where there is the GIL, and say why.
Counterpart: kotlinx.coroutines.CancellableContinuationImpl.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine as AnyCoroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypeVar, cast
from warnings import warn

from .._errors import CancellationException, CompletionHandlerError, IllegalStateError, VmScopeWarning
from .._primitives import report_uncaught
from .._thrown import own
from ._context import EmptyCoroutineContext
from ._exceptions import handle_coroutine_exception
from ._here import had_begun

if TYPE_CHECKING:
    from ._context import CoroutineContext

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")

#: A block that is made already: it takes no arguments, and runs once.
ReadyBlock: TypeAlias = Generator[Any, Any, T] | AnyCoroutine[Any, Any, T]

# Of the states of a job, which _job.py has: that imports this file.
_ACTIVE, _COMPLETING, _COMPLETED = 1, 2, 6

UNDECIDED, SUSPENDED_PHASE, RESUMED, CANCELLED_PHASE, IGNORED = range(5)

# How a resumption is delivered.
ATOMIC = 0  # whatever has happened meanwhile
CANCELLABLE = 1  # when it was dispatched and its job is not active any more, the cancellation wins over a value
RETURNING = 2  # like CANCELLABLE; and where it is delivered in place, over a failure as well
LOADED = 4  # added to these: there is a value, an error or a continuation; without it nothing is looked at


class _Suspended:
    __slots__ = ()

    def __repr__(self) -> str:
        return "SUSPENDED"


#: The answer of `_start` when the coroutine now waits.
SUSPENDED = _Suspended()


def _nothing() -> Generator[Any, Any, None]:
    return
    yield


#: What `yield from` takes and is through with at once: a generator that has ended, the same one for everybody.
DONE: Generator[Any, Any, None] = _nothing()
next(DONE, None)


#: What was broken off by a failure in lines of ours, and is to be done again: functions, with their arguments. Noted
#: before it is tried: where there is no memory or stack to try it, the next cancellation does.
torn: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()


def mend_torn() -> None:
    """Do again what was broken off, here or in another thread. All bears that: who has been told does nothing.

    Threads: whichever broke off does so at once; where that fails as well, the next one that cancels what is cancelled
    already. It may be any, as any may end a job and so call its handlers: what belongs to a thread goes there by its
    dispatcher. No entry is done by two at a time, as one of them takes it out of the deque; it stands in no lock.
    """
    for _ in range(len(torn)):
        try:
            function, arguments = torn.popleft()
        except IndexError:  # another thread mends, too
            return
        try:
            function(*arguments)
        except Exception as failure:  # noqa: BLE001  (of a handler's, say: its job has ended, the rest is still due)
            if isinstance(failure, (MemoryError, RecursionError)):
                torn.append((function, arguments))
                return
            report_uncaught(failure)
        except BaseException:  # a Ctrl-C
            torn.append((function, arguments))
            raise


def resume_again(
    struck: BaseException, wait: Any, value: object, error: BaseException | None, mode: int, cont: Any
) -> None:
    """Who has claimed `wait` failed to resume its coroutine, by `struck`: do that now, unless its step had begun."""
    if not had_begun(struck):
        torn.append((wait._coroutine._go_on_again, (wait, value, error, mode, cont)))
    mend_torn()


class Suspending(Generic[T_co]):
    """What a suspending function returns: `yield from` it in a generator, `await` it in an `async def`.

    Nothing happens before that; one that is dropped warns.
    """

    __slots__ = ("_begun",)

    def __iter__(self) -> Generator[Any, Any, T_co]:
        raise NotImplementedError

    def __await__(self) -> Generator[Any, Any, T_co]:
        raise NotImplementedError

    def _name(self) -> str:
        return type(self).__name__

    def _begin(self) -> None:
        if self._begun:
            name = self._name()
            raise IllegalStateError(f"the result of one call of {name}() was awaited twice: call {name}() again")
        self._begun: bool = True

    def __del__(self) -> None:
        try:
            if self._begun:
                return
        except AttributeError:  # its constructor refused the arguments
            return
        name = self._name()
        warn(
            f"{name}(...) was called and its result dropped, so nothing was done: "
            f"write `yield from {name}(...)` or `await {name}(...)`",
            VmScopeWarning,
            stacklevel=2,
        )


class Suspension(Suspending[T_co]):
    """A wait that begins where it is awaited."""

    __slots__ = ()

    def __iter__(self) -> Generator[Any, Any, T_co]:
        if self._begun:
            self._begin()
        self._begun = True
        return (yield self)  # type: ignore[no-any-return]  # a cast() would cost 0.04 us of each wait (3.11)

    if not TYPE_CHECKING:  # pragma: no branch - false for a type checker alone
        __await__ = __iter__  # its type is that of the base

    def _start(self, coroutine: Any) -> object:
        """Begin the wait of `coroutine`, whose step is over. Answer with a value, raise, or answer SUSPENDED."""
        raise NotImplementedError

    def _leave(self, coroutine: Any, raised: BaseException) -> bool:
        """`_start` raised: forget what it may have registered. False: it was resumed, the coroutine is another's."""
        return not coroutine._due

    def _is_kept(self, coroutine: Any) -> bool:
        """Whether `coroutine`, at rest in this wait, is to be resumed by another: `_start` has registered it."""
        return False


class Call(Suspending[T_co]):
    """A suspending function that is made of others: a generator function and its arguments."""

    __slots__ = ("_args", "_called", "_function")

    def __init__(self, name: str, function: Callable[..., Generator[Any, Any, T_co]], args: tuple[Any, ...]) -> None:
        self._begun = False
        self._called = name
        self._function = function
        self._args = args

    def __iter__(self) -> Generator[Any, Any, T_co]:
        if self._begun:
            self._begin()
        self._begun = True
        return self._function(*self._args)

    if not TYPE_CHECKING:  # pragma: no branch - false for a type checker alone
        __await__ = __iter__

    def _name(self) -> str:
        return self._called


def call(name: str, function: Callable[P, Generator[Any, Any, T]], *args: P.args, **_: P.kwargs) -> Suspending[T]:
    """Return the suspending call of `function(*args)`, known to users as `name`."""
    return Call(name, function, args)


def suspend(function: Callable[P, Generator[Any, Any, T]]) -> Callable[P, Suspending[T]]:
    """Mark a generator function as suspending: callers may `yield from` it and `await` it alike.

    An unmarked generator can be `yield from`ed in generators and given as a block; only `await` needs the mark.

    Raises:
        TypeError: `function` is no generator function.

    Kotlin: the modifier suspend.
    """
    code = getattr(function, "__code__", None)
    if code is None or not code.co_flags & 0x20:  # inspect.CO_GENERATOR, without loading inspect
        raise TypeError(
            f"@suspend marks a generator function, got {function!r}: an `async def` needs no mark, "
            "and a function without `yield from` does not suspend"
        )
    return cast("Callable[P, Suspending[T]]", types.coroutine(function))


def iterate(value: object) -> Generator[Any, Any, Any] | None:
    """Return what `yield from` runs for the result of a block; None where the result is a plain value."""
    kind = type(value)
    if kind is types.GeneratorType:
        return value  # type: ignore[return-value]
    if kind is types.CoroutineType or isinstance(value, Suspending):
        return value.__await__()  # type: ignore[attr-defined, no-any-return]
    if kind is types.AsyncGeneratorType:
        raise TypeError(f"{value!r} is an async generator: it yields values to `async for` and is no block")
    if hasattr(value, "send") and hasattr(value, "throw") and hasattr(value, "close"):
        # compiled generators and coroutines have types of their own
        is_coroutine = hasattr(value, "__await__")
        return cast("Generator[Any, Any, Any]", cast("Awaitable[Any]", value).__await__() if is_coroutine else value)
    return None


def check_block(block: object, args: tuple[Any, ...], where: str = "a coroutine") -> None:
    """Refuse what is no block: a callable, or a ready generator or coroutine that has not begun and needs no arguments.

    Raises:
        TypeError: It is none; the message says what was given to `where`.
    """
    if callable(block):
        return
    if isinstance(block, types.GeneratorType):
        begun, over = block.gi_running, block.gi_frame is None
    elif isinstance(block, types.CoroutineType):
        begun, over = block.cr_running, block.cr_frame is None
    elif isinstance(block, Suspending) or (hasattr(block, "send") and hasattr(block, "throw")):
        begun = over = False
    else:
        raise TypeError(
            f"{where} takes a block: a function, generator function or coroutine function with its arguments, "
            f"or a ready generator or coroutine; got {block!r}"
        )
    if begun or over:
        raise TypeError(f"{where} takes a block that has not begun: {block!r} {'is over' if over else 'is running'}")
    if args:
        raise TypeError(f"{where} got arguments {args!r} with the ready block {block!r}: it has its arguments already")


#: Called whenever a coroutine begins to wait for a job. Hardly ever is there one: see `HeldLooper`. No lock guards it:
#: `append`, `remove` and `tuple(...)` are one step each, with the GIL or the list's own lock.
witnesses: list[Callable[[], object]] = []


def tell_witnesses() -> None:
    """Tell each that a coroutine waits for a job from now on."""
    for witness in tuple(witnesses):
        witness()


class Continuation(Suspension[T_co]):
    """A wait of one coroutine, resumed once. Base of the library's own waits; users meet CancellableContinuation."""

    __slots__ = ("_coroutine", "_frame", "_mark", "_phase")
    _coroutine: Any  # the Coroutine that waits
    _frame: Any  # the Job whose cancellation ends the wait
    _mark: Any  # where the wait stands in the list of the job, once others came after it
    _ends_plainly = True  # a cancellation of its job may take it in the same move: see `cancel_tree`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._ends_plainly = (
            cls._cancelled_by is Continuation._cancelled_by
            and cls._claim is Continuation._claim  # else it is another lock that decides
            and cls._cancellation_cause is Continuation._cancellation_cause
        )

    def _suspend(self, coroutine: Any) -> None:
        """Register as what `coroutine` waits for.

        Raises:
            CancellationException: Its job is not active.
        """
        frame = coroutine._frame
        self._coroutine = coroutine
        self._frame = frame
        self._mark = None
        with frame._lock:
            if _ACTIVE <= frame._state <= _COMPLETING:
                frame._waiter = self
                self._phase = SUSPENDED_PHASE
                return
        raise own(self._cancellation_cause(frame), coroutine).with_traceback(None)

    def _suspend_for(self, coroutine: Any, job: Any) -> bool:
        """As `_suspend`, and stand in the list of `job`. False: that had ended, and nobody waits.

        Jobs of one tree have one lock: both is one turn of it, where two of them cost 0.15 us more (3.11).
        """
        frame = coroutine._frame
        if job._lock is frame._lock:
            self._coroutine = coroutine
            self._frame = frame
            self._mark = None
            with frame._lock:
                state = job._state
                if state < _COMPLETED and _ACTIVE <= frame._state <= _COMPLETING:
                    self._phase = UNDECIDED  # a finalizer that ends `job` as it is added tells this wait already
                    job._add_locked(self)
                    if job._state == state and frame._state <= _COMPLETING:  # no finalizer came in as it was added
                        frame._waiter = self
                        self._phase = SUSPENDED_PHASE
                        return True
                    job._remove_node(self)
        self._suspend(coroutine)
        return bool(job._add_node(self)) or not self._claim()

    def _claim(self, phase: int = RESUMED) -> bool:
        """Take the one arrow out of Suspended. False: somebody else did."""
        with self._frame._lock:
            mine = self._claim_locked(phase)
        return mine  # noqa: RET504  (what strikes a `return` of a call in the block finds the lock taken: test_sweeps.py)

    def _claim_locked(self, phase: int = RESUMED) -> bool:
        """As `_claim`, with the lock held already: in one move with what it waits for."""
        if self._phase != SUSPENDED_PHASE:
            return False
        frame = self._frame
        self._phase = phase
        frame._waiter = None
        if self._mark is not None:
            frame._nodes.pop(self._mark, None)
            self._mark = None
        return True

    def _resume(self, value: object, in_place: bool = False) -> None:
        """Go on with `value`. `in_place`: with None, here and now, as the right thread is known."""
        try:
            if self._claim():
                if in_place:
                    coroutine = self._coroutine
                    coroutine._mode = CANCELLABLE
                    coroutine._due = True
                    coroutine.run()
                else:
                    self._coroutine._resume(value, None, CANCELLABLE, None)
        except BaseException as struck:
            self._resume_again(struck, RESUMED, value)
            raise

    def _resume_again(
        self, struck: BaseException, phase: int, value: object = None, error: BaseException | None = None
    ) -> None:
        """To take it out of Suspended, into `phase`, and to resume the coroutine broke off: do what is left of that."""
        if self._claim(phase) or self._phase == phase:
            resume_again(struck, self, value, error, CANCELLABLE, None)

    def _is_kept(self, coroutine: Any) -> bool:
        return getattr(self, "_phase", None) == SUSPENDED_PHASE

    def _leave(self, coroutine: Any, raised: BaseException) -> bool:
        if self._is_kept(coroutine):
            if not self._claim(CANCELLED_PHASE):
                return False
            self._take_back(raised)
        return not coroutine._due

    def _stands(self) -> bool:
        """Say whether it stands where who ends it looks for it. Asked of a suspended one, by tests on virtual time.

        Where it does not, a thread is still beginning the wait, or about to end it. Takes no locks: that of the tree is
        held.
        """
        return True

    def _resolve_here(self) -> object:
        """What it waits for has already happened: give None back, unless a cancellation was faster."""
        return None if self._claim() else SUSPENDED

    def _cancelled_by(self, job: Any) -> None:
        """The job was cancelled."""
        cause = self._cancellation_cause(job)
        try:
            if self._claim(CANCELLED_PHASE):
                self._end_cancelled(cause)
        except BaseException as struck:
            self._resume_again(struck, CANCELLED_PHASE, None, cause)
            raise

    def _end_cancelled(self, cause: BaseException) -> None:
        """It was claimed by a cancellation: undo what was begun, and let the coroutine see why."""
        self._take_back(cause)
        self._coroutine._resume(None, cause, CANCELLABLE, None)

    def _cancellation_cause(self, job: Any) -> BaseException:
        cause: BaseException = job.get_cancellation_exception()
        return cause

    def _take_back(self, cause: BaseException) -> None:
        """Undo what `_start` registered."""


class CancellableContinuation(Continuation[T]):
    """The rest of a suspended coroutine, given to the block of `suspend_cancellable_coroutine`.

    Threads: any, also before the block has returned.
    Kotlin: CancellableContinuation.
    """

    __slots__ = ("_block", "_cancellable", "_error", "_handler", "_on_lost", "_told", "_value")
    _error: BaseException | None

    def __init__(self, block: Callable[[CancellableContinuation[T]], object], cancellable: bool = True) -> None:
        if not callable(block):
            raise TypeError(f"{_suspend_name(cancellable)}() takes a function of the continuation, got {block!r}")
        self._begun = False
        self._block: Any = block
        self._cancellable = cancellable
        self._phase = UNDECIDED
        self._mark = None
        self._value: Any = None
        self._error = None
        self._told: BaseException | None = None  # what the cancellation handler gets
        self._handler: Callable[[Any], object] | None = None
        self._on_lost: Callable[[Any], object] | None = None

    # -- for those who resume

    @property
    def is_active(self) -> bool:
        """True while nobody has resumed or cancelled it."""
        return self._phase <= SUSPENDED_PHASE

    @property
    def is_completed(self) -> bool:
        """True once it was resumed or cancelled."""
        return self._phase > SUSPENDED_PHASE

    @property
    def is_cancelled(self) -> bool:
        """True once it was cancelled."""
        return self._phase >= CANCELLED_PHASE

    @property
    def context(self) -> CoroutineContext:
        """The context of the coroutine that waits."""
        frame = getattr(self, "_frame", None)
        found: CoroutineContext = EmptyCoroutineContext if frame is None else frame.coroutine_context
        return found

    def resume(self, value: T = cast("Any", None), on_cancellation: Callable[[T], object] | None = None) -> None:
        """Let the coroutine go on with `value`, on its dispatcher.

        Args:
            value: What the suspending call gives.
            on_cancellation: Called with `value`, once, where a cancellation keeps it from being delivered.

        Raises:
            IllegalStateError: It was resumed before. After a cancellation the first resume is ignored.
        """
        if not self._settle(value, None, on_cancellation):
            raise IllegalStateError(f"Already resumed, but proposed with update {value!r}")

    def resume_with_exception(self, exception: BaseException) -> None:
        """Let the suspending call raise `exception`.

        Raises:
            IllegalStateError: It was resumed before.
        """
        if not isinstance(exception, BaseException):
            raise TypeError(f"resume_with_exception takes an exception, got {exception!r}")
        if not self._settle(None, exception, None):
            raise IllegalStateError(f"Already resumed, but proposed with update {exception!r}")

    def try_resume(self, value: T = cast("Any", None), on_cancellation: Callable[[T], object] | None = None) -> bool:
        """Resume if nobody has: for races between several who could.

        Returns:
            True for the one call that won; False where it was resumed or cancelled before.
        """
        if self._phase > SUSPENDED_PHASE:
            return False
        return self._settle(value, None, on_cancellation, ignore=False)

    def cancel(self, cause: BaseException | None = None) -> bool:
        """Let the suspending call raise `cause`, a CancellationException by default. The job stays as it is.

        Returns:
            False where it was resumed or cancelled before.
        """
        if cause is None:
            return self._cancel(CancellationException("Continuation was cancelled normally"), None)
        return self._cancel(cause, cause)

    def invoke_on_cancellation(self, handler: Callable[[BaseException | None], object]) -> None:
        """Have `handler(cause)` called when the wait is cancelled: once, on the cancelling thread; now where it was.

        `cause` is None after `cancel()` without one. What the handler raises is reported and changes nothing.

        Raises:
            IllegalStateError: There is one already.
        """
        if not callable(handler):
            raise TypeError(f"invoke_on_cancellation takes a function of the cause, got {handler!r}")
        with self._lock():
            if self._handler is not None:
                raise IllegalStateError(
                    f"It's prohibited to register multiple handlers, tried to register {handler!r}, "
                    f"already has {self._handler!r}"
                )
            self._handler = handler
            if self._phase < CANCELLED_PHASE:
                return
        self._call_handler(handler, self._told)

    def __repr__(self) -> str:
        return (
            f"<CancellableContinuation {('undecided', 'suspended', 'resumed', 'cancelled', 'cancelled')[self._phase]}>"
        )

    # -- how it works

    def _name(self) -> str:
        return _suspend_name(self._cancellable)

    def _lock(self) -> Any:
        return self._frame._lock

    def _start(self, coroutine: Any) -> object:
        self._coroutine = coroutine
        self._frame = frame = coroutine._frame
        block, self._block = self._block, None
        if self._cancellable:
            with frame._lock:
                inactive = not frame.is_active
                if not inactive:
                    frame._waiter = self
            if inactive:  # the block runs all the same, and sees a cancelled continuation
                self._error = self._told = frame.get_cancellation_exception()
                self._phase = CANCELLED_PHASE
        try:
            coroutine._in_context(block, self)
        except BaseException:
            with frame._lock:
                self._leave_locked()
                self._phase = IGNORED
            raise
        with frame._lock:
            if self._phase == UNDECIDED:
                self._phase = SUSPENDED_PHASE
                return SUSPENDED
        if self._error is not None:
            raise own(self._error, coroutine).with_traceback(None)
        if self._cancellable and not frame.is_active:
            cause = frame.get_cancellation_exception()
            self._lost(cause)
            raise own(cause, coroutine).with_traceback(None)
        return self._value

    def _leave_locked(self) -> None:
        frame = self._frame
        if frame._waiter is self:
            frame._waiter = None
            if self._mark is not None:
                frame._nodes.pop(self._mark, None)
                self._mark = None

    def _settle(
        self, value: Any, error: BaseException | None, on_lost: Callable[[Any], object] | None, ignore: bool = True
    ) -> bool:
        phase = IGNORED
        try:
            with self._lock():
                phase = self._phase
                if phase == CANCELLED_PHASE and ignore:
                    self._phase = IGNORED
                elif phase > SUSPENDED_PHASE:
                    return False
                else:
                    self._value = value
                    self._error = error
                    self._on_lost = on_lost
                    self._phase = RESUMED
                    self._leave_locked()
            if phase == CANCELLED_PHASE:
                if on_lost is not None:
                    self._quietly("resume on_cancellation", on_lost, value)
            elif phase == SUSPENDED_PHASE:
                self._coroutine._resume(value, error, CANCELLABLE if self._cancellable else ATOMIC, self)
            return True
        except BaseException as struck:
            if phase == SUSPENDED_PHASE and self._phase == RESUMED:
                resume_again(struck, self, value, error, CANCELLABLE if self._cancellable else ATOMIC, self)
            raise

    def _cancel(self, cause: BaseException, told: BaseException | None) -> bool:
        phase = IGNORED
        try:
            with self._lock():
                phase = self._phase
                if phase > SUSPENDED_PHASE:
                    return False
                self._error = cause
                self._told = told
                # The handler in the same move: one that comes later is called by who brings it, and not twice.
                handler = self._handler
                self._phase = CANCELLED_PHASE
                self._leave_locked()
            self._call_handler(handler, told)
            if phase == SUSPENDED_PHASE:
                self._coroutine._resume(None, cause, CANCELLABLE, None)
            return True
        except BaseException as struck:
            if phase == SUSPENDED_PHASE and self._phase == CANCELLED_PHASE:
                resume_again(struck, self, None, cause, CANCELLABLE, None)
            raise

    def _cancelled_by(self, job: Any) -> None:
        cause = self._cancellation_cause(job)
        self._cancel(cause, cause)

    def _lost(self, cause: BaseException) -> None:
        """The value was resumed with, and the coroutine was cancelled before it arrived."""
        self._call_handler(self._handler, cause)
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            self._quietly("resume on_cancellation", on_lost, self._value)

    def _call_handler(self, handler: Callable[[Any], object] | None, cause: BaseException | None) -> None:
        if handler is not None:
            self._quietly("invoke_on_cancellation", handler, cause)

    def _quietly(self, where: str, function: Callable[[Any], object], argument: object) -> None:
        try:
            function(argument)
        except BaseException as failure:  # noqa: BLE001  (a clean-up hook cannot fail the coroutine it cleans up after)
            error = CompletionHandlerError(f"Exception in {where} handler for {self!r}")
            error.__cause__ = failure
            handle_coroutine_exception(self.context, error)


def _suspend_name(cancellable: bool) -> str:
    return "suspend_cancellable_coroutine" if cancellable else "suspend_coroutine"


def suspend_cancellable_coroutine(block: Callable[[CancellableContinuation[Any]], object]) -> Suspending[Any]:
    """Suspend until the continuation handed to `block` is resumed: the bridge from callbacks.

    Args:
        block: Called at once with the continuation; it may resume it right there or hand it on.

    Returns:
        What `resume` was given.

    Cancellation: prompt; see `invoke_on_cancellation` for the clean-up.
    Threads: called in a coroutine.
    Kotlin: suspendCancellableCoroutine.
    """
    return CancellableContinuation(block)


def suspend_coroutine(block: Callable[[CancellableContinuation[Any]], object]) -> Suspending[Any]:
    """Like `suspend_cancellable_coroutine`, but the wait goes on when the coroutine is cancelled.

    Cancellation: not seen before the next suspension.
    Kotlin: suspendCoroutine.
    """
    return CancellableContinuation(block, cancellable=False)
