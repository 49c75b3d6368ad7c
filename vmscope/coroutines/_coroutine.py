"""Coroutine: one object that is job, continuation and scope at once; the step that runs it; the frames inside it.

A coroutine drives one generator. The blocks that run inside it, `coroutine_scope`, `with_context`, `with_timeout`, are
frames: jobs of their own whose body is part of the same generator. `_frame` is the innermost: what is launched becomes
its child, its cancellation ends the wait of the moment. `with_context` moves the whole generator to another dispatcher
and back.

Who may touch the generator: whoever took the arrow out of a continuation's Suspended, or dispatched the first step.
There is one at a time, so a step needs no lock; `_due` says that a step is owed, and one that is not owed is refused.

Invariants
    I1  between two steps exactly one party owns the coroutine: a continuation, a queue with `_due` set, or a frame that
        waits for its children.
    I2  each step runs in `_context`, the coroutine's own copy of the contextvars of its launch.
Locks: the states are those of Job. The coroutine that is the root of a tree makes the lock of the tree.
Counterpart: kotlinx.coroutines.AbstractCoroutine, DispatchedContinuation, ScopeCoroutine.
"""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context
from gc import get_referents
from types import CoroutineType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar
from warnings import warn

from .._errors import (
    CancellationException,
    DeferredCancelledError,
    IllegalStateError,
    MissingMainError,
    RejectedExecutionError,
    VmScopeWarning,
)
from .._primitives import DEBUG, RLock, report_uncaught
from .._thrown import own, running
from ..looper._looper import Looper
from ._context import CoroutineContext, CoroutineName, EmptyCoroutineContext, ThreadContextElement, join_for
from ._deferred import Deferred, unread
from ._dispatcher import CoroutineDispatcher
from ._exceptions import handle_coroutine_exception
from ._here import dealt_with, drain_in_place, here
from ._job import (
    ACTIVE,
    CANCELLED,
    CANCELLING,
    CHILD,
    COMPLETED,
    COMPLETING,
    SEALED,
    Job,
    Join,
    NonCancellable,
    WaitingParent,
    announce_end,
    attach,
    cancel_tree,
)
from ._origin import origins
from ._pool import IO, Default, pool
from ._suspend import ATOMIC, CANCELLABLE, LOADED, RESUMED, RETURNING, SUSPENDED, Suspending, Suspension, iterate

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

T = TypeVar("T")

_TOO_OFTEN = 1_000

#: What a coroutine is told whose dispatcher takes nothing any more.
REJECTED = "The task was rejected"

#: The coroutine that runs here; set once in the context of each, so that a step costs nothing for it.
current: ContextVar[Coroutine | None] = running


def running_job() -> Job | None:
    """Return the innermost job that the calling code runs for, None where there is none."""
    coroutine = current.get()
    return None if coroutine is None else coroutine._frame or coroutine


def needed(what: str) -> Coroutine:
    """Return the running coroutine.

    Raises:
        IllegalStateError: There is none; `what` was called from plain code.
    """
    coroutine = current.get()
    if coroutine is None or coroutine._frame is None:
        state = "outside a coroutine" if coroutine is None else f"for {coroutine!r}, whose body is over"
        raise IllegalStateError(
            f"{what} was called {state}: call it in a block given to launch, run_blocking or run_main"
        )
    return coroutine


class Env:
    """What the coroutines of a scope share: looked up once, not once a launch. Never changes.

    Attributes:
        context: All elements but the Job.
        dispatcher: Where they run; Default, where the context names none.
        elements: What is set on a thread for each step; None for nothing.
    """

    __slots__ = ("context", "dispatcher", "elements", "last")

    def __init__(self, context: CoroutineContext, dispatcher: CoroutineDispatcher | None = None) -> None:
        self.last: tuple[CoroutineContext, Env] | None = None  # what was added last, without a Job; with the answer
        self.context = context
        self.dispatcher: CoroutineDispatcher = context.get(CoroutineDispatcher) or dispatcher or Default
        self.elements = thread_elements(context)

    def for_child(self, context: CoroutineContext = EmptyCoroutineContext) -> Env:
        """Return what a coroutine that is launched with `context` gets: copies of what is copied for each."""
        return Env(join_for(self.context, context, child=True), self.dispatcher)

    def plus(self, context: CoroutineContext) -> Env:
        """Return this one with the elements of `context`; a Job in it is left out."""
        last = self.last
        if last is not None and last[0] is context:
            return last[1]
        env = Env(join_for(self.context, context, child=False).minus_key(Job), self.dispatcher)
        if env.elements is None and Job not in context:  # with_context(Dispatchers.IO, ...), again and again
            self.last = (context, env)
        return env

    def of(self, job: Job) -> CoroutineContext:
        """Return the context that code sees: what was given, a dispatcher in any case, and `job`."""
        context = self.context
        return (context if CoroutineDispatcher in context else context + self.dispatcher) + job


#: To `_step`: the generator is to be run; it has not yielded anything yet.
RUN: Any = object()
#: In place of a wait: the generator has ended.
OVER: Any = object()
#: To `_step`: what the generator has yielded gave its value at once.
GIVEN: Any = object()


#: The methods of a coroutine that run with every resumption. Copies of those of a launch cost it 3 % on 3.14.
_HOT = ("run", "_resume", "_go_on", "_owe", "_run_loaded")


def _copied(function: FunctionType) -> FunctionType:
    copy = FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, function.__defaults__
    )
    copy.__qualname__ = function.__qualname__
    copy.__doc__ = function.__doc__
    return copy


class Coroutine(Job):
    """What launch, async_ and run_blocking make. Users see it as a Job."""

    __slots__ = (
        "_args", "_block", "_cont", "_context", "_dispatcher", "_due", "_elements", "_env", "_error", "_frame",
        "_generator", "_mode", "_result", "_straight", "when",
    )  # fmt: skip
    if TYPE_CHECKING:

        def __new__(cls) -> Self: ...

    else:
        __init__ = object.__init__  # made as `kind()`, without a call; see `_init_coroutine`
    asynchronous = True  # as an item of a message queue: barriers do not hold coroutines back
    _handles = True

    _env: Env  # of its launch
    _dispatcher: CoroutineDispatcher  # of the innermost frame, as `_elements`
    _elements: tuple[ThreadContextElement, ...] | None
    _frame: Any  # the innermost frame, itself at first; None once the body is over, or it would keep itself alive
    _block: Any  # what is called when it begins, with `_args`; None from then on
    _args: Any
    _generator: Any  # what it drives; None before the start and after the end
    _context: Context
    _result: Any  # what the step that is owed goes on with: this, or `_error`
    _error: BaseException | None
    _cont: Any  # the continuation that wants to hear if the value is lost
    when: float  # as an item of a message queue

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give each kind hot methods of its own, with the same code.

        The interpreter keeps with each attribute in the code how it was found in an object of one class; where two
        kinds take turns it searches each time. 0.1 us of the 2.3 of a send and a receive (3.11).
        """
        super().__init_subclass__(**kwargs)
        for name in _HOT:
            setattr(cls, name, _copied(getattr(cls, name)))

    def _init_coroutine(self, parent: Job | None, env: Env, state: int, block: Any, args: tuple[Any, ...]) -> None:
        """Set the fields, and attach to `parent`. Longhand, with Job's part and the plain case of `attach` in it.

        0.5 us of the 1.7 of a launch in place (3.11).
        """
        self._env = env
        self._dispatcher = env.dispatcher
        self._elements = env.elements
        self._frame = self
        self._block = block
        self._args = args
        self._generator = None
        self._context = copy_context()
        self._mode = RETURNING
        self._due = True
        self._state = state
        self._nodes = self._waiter = self._cause = self._others = self._pending = self._parent = self._value = None
        if parent is None or parent is NonCancellable:
            self._lock = RLock()
            return
        self._lock = lock = parent._lock
        with lock:
            nodes = parent._nodes
            if nodes is None:
                nodes = {}  # before the look: on 3.11 making it may run the collector, and a finalizer end the parent
                if parent._nodes is None:  # pragma: no branch - struck as the dict is made: tests/races/test_sweeps.py
                    parent._nodes = nodes
            if parent._state == ACTIVE and parent._waiter is None and parent._nodes is nodes:
                nodes[self] = None
                self._parent = parent
                return
        attach(self, parent)

    @property
    def coroutine_context(self) -> CoroutineContext:
        """Everything it was launched with, its dispatcher and itself as the Job."""
        return self._env.of(self)

    def _on_start(self) -> None:
        if self._block is not None:  # else it has begun, and this is asked a second time, for something had broken off
            self._resume(None, None, RETURNING, None)

    def _title(self) -> str:
        name = self._env.context.get(CoroutineName)
        return f"{type(self).__name__} {name.name!r}" if name is not None else type(self).__name__

    def _handler_failed(self, error: BaseException) -> None:
        handle_coroutine_exception(self.coroutine_context, error)

    def _after_completion(self) -> None:
        """Cancelled before it was ever started: let go of what it would have run."""
        block = self._block
        if block is not None:
            self._due = False  # where its launch was broken off, for want of stack perhaps, it may stand in a queue
            self._block = self._args = self._frame = None
            if not callable(block):
                block.close()

    # -- resumption: from any thread, by whoever owns the coroutine

    def _resume(self, value: object, error: BaseException | None, mode: int, cont: Any) -> None:
        """Go on with `value` or `error`, on the dispatcher. After this only the new owner may touch the coroutine.

        What it raises struck before anything was done; or after it was, with somebody else's step.
        """
        if value is None and error is None and cont is None:
            self._mode = mode
        else:  # `_owe` longhand: where a call of it breaks off, nobody knows what has been done
            self._result = value
            self._error = error
            self._mode = mode | LOADED
            self._cont = cont
        self._due = True
        try:
            if self._dispatcher._dispatch_if_needed(self):
                return
            local = here.loop
            if local.active:
                local.waiting.append(self)
                return
        except BaseException as fault:  # noqa: BLE001  (a dispatcher of a user's own)
            self._dispatch_failed(fault)
            return
        if not self._due:
            return  # a dispatcher of a user's own has run it, and says that it was not needed
        local.active = True
        self._due = False
        try:
            self._deliver()
        except BaseException as failure:  # noqa: BLE001  (in lines of ours)
            self._broke(failure)
        finally:
            try:
                if local.waiting:
                    drain_in_place(local)
            finally:
                local.active = False

    def _go_on(self) -> None:
        """As `_resume(None, None, CANCELLABLE, None)`, what most waits come to: 0.04 us less (3.11)."""
        self._mode = CANCELLABLE
        self._due = True
        try:
            if self._dispatcher._dispatch_if_needed(self):
                return
            local = here.loop
            if local.active:
                local.waiting.append(self)
                return
        except BaseException as fault:  # noqa: BLE001  (as above)
            self._dispatch_failed(fault)
            return
        if not self._due:
            return
        local.active = True
        self._due = False
        try:
            self._deliver()
        except BaseException as failure:  # noqa: BLE001  (as above)
            self._broke(failure)
        finally:
            try:
                if local.waiting:
                    drain_in_place(local)
            finally:
                local.active = False

    def _owe(self, value: object, error: BaseException | None, mode: int, cont: Any) -> None:
        """Note what the next step goes on with."""
        self._result = value
        self._error = error
        self._mode = mode | LOADED
        self._cont = cont
        self._due = True

    def _start_failed(self, fault: BaseException) -> None:
        """The dispatcher refused the first step: one that was closed cancels it; a fault fails it, and is raised."""
        if isinstance(fault, RejectedExecutionError):
            self.rejected(fault)
            return
        if getattr(self, "_lock", None) is None:  # it broke off before it belonged to anybody
            raise fault
        block = self._block
        if block is None:  # it has begun: a Ctrl-C struck here after the dispatcher had taken it
            cancel_tree(self, CancellationException(f"{type(fault).__name__} in its launch", fault, job=self))
            raise fault
        self._due = False
        self._block = self._args = None
        if not callable(block):
            block.close()
        self._finish(
            None, CancellationException(str(fault), fault, job=self) if isinstance(fault, MissingMainError) else fault
        )
        raise fault

    def _dispatch_failed(self, fault: BaseException) -> None:
        """The dispatcher refused a later step: fail the job, and let it clean up on IO."""
        if isinstance(fault, RejectedExecutionError):
            self.rejected(fault)
            return
        frame = self._frame
        if frame is None:  # its body is over: this struck after the dispatcher had taken it
            pass_on(fault)
            return
        cancel_tree(frame, fault)
        self._run_elsewhere()  # nothing, where it was taken

    def rejected(self, why: RejectedExecutionError | None = None) -> None:
        """The queue that held it died, or refused it: cancel the job, and let it clean up on IO."""
        frame = self._frame
        if frame is None:
            return
        cancel_tree(frame, CancellationException(REJECTED, why, job=frame, source="cancel"))
        self._run_elsewhere()

    def _run_elsewhere(self) -> None:
        if pool.is_shut():  # not asked again: two threads would hand each other's work back and forth, ever deeper
            self.run()
            return
        try:
            IO._dispatch(self)
        except BaseException:  # noqa: BLE001  (refused as well: better here than never)
            self.run()

    def run(self) -> None:
        """Run the step that is owed: it was dispatched, or waited in the in-place FIFO. Hot; longhand.

        The plain step, which goes on with None and waits again, is here in one piece: 0.1 us of the 0.7 of a `yield_`
        less than through `_step` (3.11).
        """
        try:
            if not self._due:
                return
            self._due = False
            generator = self._generator
            if generator is None:
                if self._state == ACTIVE:
                    self._start()
                else:
                    self._begin()
                return
            if self._mode >= LOADED:
                self._run_loaded(self._frame, self._mode)
                return
            if self._frame._state > COMPLETING:
                self._step(None, self._frame.get_cancellation_exception())
                return
            if self._elements is not None:
                self._step(None, None)
                return
            self._straight = False
            try:
                if type(generator) is not GeneratorType:
                    wait = self._context.run(generator.send, None)
                elif type(self) is StandaloneCoroutine:  # its value is nobody's: the end makes no StopIteration
                    wait = self._context.run(next, generator, OVER)
                    if wait is OVER:
                        self._finish(None, None)
                        return
                else:
                    wait = self._context.run(next, generator)
            except StopIteration as stop:
                self._finish(stop.value, None)
                return
            except BaseException as failure:  # noqa: BLE001  (whatever ends the body is the job's outcome)
                self._failed(failure)
                return
            try:
                value = wait._start(self) if wait._begun else _refuse(wait)
            except BaseException as raised:  # noqa: BLE001  (raised at the suspension point)
                error = _raised_by(self, wait, raised)
                if error is not None:
                    self._step(None, error)
                return
            if value is not SUSPENDED:
                self._step(value, None, GIVEN)
        except BaseException as failure:  # noqa: BLE001  (in the lines above, and below them)
            self._broke(failure)

    def _run_loaded(self, frame: Any, mode: int) -> None:
        """Run the step that is owed and goes on with a value, an error or a continuation that wants to hear of it."""
        value, error, cont = self._result, self._error, self._cont
        self._result = self._error = self._cont = None
        if frame._state > COMPLETING and mode != LOADED:  # LOADED alone is ATOMIC
            if error is None:
                error = frame.get_cancellation_exception()
                if cont is not None:
                    cont._lost(error)
            elif type(error) is DeferredCancelledError:
                error = error.__cause__  # the caller is cancelled as well: then it is a cancellation
        self._step(value, error)

    def _deliver(self) -> None:
        """Run the step that was owed, in place: the job's end wins over whatever a block came back with."""
        if self._generator is None:
            self._begin()
            return
        value = error = None
        if self._mode >= LOADED:
            value, error = self._result, self._error
            self._result = self._error = self._cont = None
        if self._mode & RETURNING and self._frame._state > COMPLETING:
            error = self._frame.get_cancellation_exception()
        self._step(value, error)

    # -- where a step broke off in lines of ours

    def _failed(self, failure: BaseException) -> None:
        """The body ended with `failure`; or it never saw it, that came of lines of ours beside the call of it."""
        if self._frame is None:
            raise failure  # it has ended well: this came of telling so
        generator = self._generator
        if generator is None or _is_over(generator) or _is_running(generator) or self._value is not None:
            self._finish(None, _without_driver(failure))
        else:
            self._value = failure  # free till the end. A context that cannot be entered refuses this step as well: once
            self._step(None, _without_driver(failure))

    def _broke(self, failure: BaseException) -> None:
        """A step that had begun raised `failure`, not the body: go on with it, or end, if that is left to do.

        Raises:
            BaseException: `failure`, where there is nothing left to do with it.
        """
        generator = self._generator
        if self._frame is None:
            self._end_again(failure)
        elif generator is None or _is_over(generator):
            self._finish(None, failure)
            return
        elif not _is_running(generator):  # else this step is one inside it
            wait = _awaited_by(generator)
            if not isinstance(wait, Suspension) or not wait._is_kept(self):
                self._step(None, failure)
                return
        raise failure

    def _go_on_again(
        self, wait: Suspension[Any], value: object, error: BaseException | None, mode: int, cont: Any
    ) -> None:
        """Who has claimed `wait` failed to resume the coroutine: do it, unless it was done."""
        generator = self._generator
        if generator is not None and not _is_running(generator) and _awaited_by(generator) is wait:
            self._resume(value, error, mode, cont)

    # -- the first step

    def _begin(self) -> None:
        """Begin, unless it was cancelled before; an ATOMIC start begins all the same."""
        if ACTIVE <= self._state <= COMPLETING or self._mode in (ATOMIC, ATOMIC | LOADED):
            self._start()
            return
        block, self._block, self._args = self._block, None, None
        if not callable(block):
            block.close()  # a ready coroutine that never ran would warn
        self._finish(None, own(self.get_cancellation_exception(), self))

    def _start(self) -> None:
        """Call the block and run to its first suspension."""
        block, args = self._block, self._args
        self._block = self._args = None
        self._straight = False
        try:
            if self._elements is None:
                wait = self._context.run(_call_block, self, block, args)
            else:
                wait = self._call_with_elements(block, args)
        except StopIteration as stop:
            self._finish(None, _stopped(stop))
        except BaseException as failure:  # noqa: BLE001  (whatever ends the body is the job's outcome)
            self._failed(failure)
        else:
            if self._generator is None:
                self._finish(wait, None)
            else:
                self._step(None, None, wait)

    def _call_with_elements(self, block: Any, args: Any) -> object:
        elements = self._elements
        assert elements is not None
        olds = update_all(elements)
        try:
            return self._context.run(_call_block, self, block, args)
        finally:
            restore_all(elements, olds)

    def _in_context(self, function: Callable[[Any], object], argument: object) -> object:
        return self._context.run(function, argument)

    # -- the step

    def _step(self, value: Any, error: BaseException | None, wait: Any = RUN) -> None:
        """Run to the next suspension that waits, or to the end. Hot; longhand.

        `wait`: RUN; or what the generator has yielded already, which is to begin; or GIVEN: it has, and gave `value`.
        """
        generator = self._generator
        held: Held | None = None  # a hop in place made this step the one that runs the in-place loop of its thread
        swallowed = 0
        if wait is RUN:
            self._straight = False
        try:
            while True:
                if wait is RUN:
                    try:
                        if self._elements is not None:
                            wait = self._step_with_elements(value, error)
                        elif error is None:
                            wait = self._context.run(generator.send, value)
                        else:
                            wait = self._context.run(generator.throw, own(error, self))
                    except StopIteration as stop:
                        self._finish(stop.value, None)
                        break
                    except CancellationException as cancellation:  # its traceback is dropped in any case
                        self._finish(None, cancellation)
                        break
                    except BaseException as failure:  # noqa: BLE001  (whatever ends the body is the job's outcome)
                        self._failed(failure)
                        break
                if wait is not GIVEN:
                    try:
                        value = wait._start(self) if wait._begun else _refuse(wait)
                    except BaseException as raised:  # noqa: BLE001  (raised at the suspension point)
                        value, error, wait = None, _raised_by(self, wait, raised), RUN
                        if error is None:
                            break
                        if isinstance(error, CancellationException):
                            swallowed += 1
                            if swallowed > _TOO_OFTEN:
                                self._give_up(error)
                                break
                        continue
                    if value is SUSPENDED:
                        if held is None:
                            return
                        try:
                            early = _leave_in_place(held)
                        except BaseException as failure:  # noqa: BLE001  (another's: this one may be elsewhere by now)
                            here.loop.active = False
                            pass_on(failure)
                            early = _left_early(held)
                        held = None
                        if early is None:
                            return
                        value, error, wait = early.value, early.error, RUN
                        continue
                error = None
                wait = RUN
                if type(value) is Held:
                    here.loop.active = True
                    held = value
                    value, error = held.value, held.error
                elif value is RELEASE:
                    value = None
                    assert held is not None  # a block that has not suspended since its Hop is still in that step
                    _leave_in_place(held)
                    held = None
            if held is not None:
                _leave_in_place(held)
        except BaseException:
            if held is not None:
                _leave_in_place(held)
            raise

    def _give_up(self, cancellation: CancellationException) -> None:
        """The body catches its cancellation and waits again, again and again: close it, or it spins for ever."""
        warn(
            f"{self!r} caught its cancellation {_TOO_OFTEN} times in a row and went on waiting, so it was closed: "
            "let a CancellationException pass, and clean up in `finally`",
            VmScopeWarning,
            stacklevel=1,
        )
        try:
            self._context.run(self._generator.close)
        except BaseException as failure:  # noqa: BLE001  (it even refuses to be closed)
            report_uncaught(failure)
        self._finish(None, cancellation)

    def _step_with_elements(self, value: Any, error: BaseException | None) -> Any:
        generator, elements = self._generator, self._elements
        assert elements is not None
        olds = update_all(elements)
        try:
            if error is None:
                return self._context.run(generator.send, value)
            return self._context.run(generator.throw, own(error, self))
        finally:
            restore_all(elements, olds)

    def _finish(self, value: Any, error: BaseException | None) -> None:
        """The body is over. The plain case is longhand, half of all there is to do: no failure, no children left.

        At most one waits for the end; where that is the parent or a join, it is 1 us less than the general way (3.11).
        """
        self._generator = self._frame = None
        self._context = None  # type: ignore[assignment]  # what it kept alive must be gone before anybody learns of the end
        if error is None:
            before, after = ACTIVE, COMPLETED
        elif isinstance(error, CancellationException):
            error.__traceback__ = None  # one object is thrown in many places: it must pin no frames
            if DEBUG and self._state == ACTIVE:
                _warn(f"{self!r} ends cancelled by {error!r}, which its body raised though nobody had cancelled it")
            before, after = CANCELLING, CANCELLED
        else:
            before = after = -1  # a failure goes the general way
        end: Any = None  # whose end is to be told, its state, and to whom; or the wait for this one, taken already
        told: Any = None
        kind: Any
        plain = True
        try:
            with self._lock:
                nodes = self._nodes
                if self._state == before and (not nodes or len(nodes) == 1):
                    if nodes:
                        (told,) = nodes
                        kind = type(told)
                        plain = kind is WaitingParent or kind is Join or told._kind != CHILD
                    parent = self._parent
                    if plain and (error is None or self._ends_plainly(error, parent)):
                        if parent is not None:
                            # It is None where a signal handler strikes inside `attach`.
                            if parent._nodes is not None:  # pragma: no branch - tests/races/test_sweeps.py, unmeasured
                                parent._nodes.pop(self, None)
                            self._parent = None
                        self._value = value
                        self._nodes = None
                        self._state = after
                        if told is None:
                            return
                        # In the same move: it goes on to the next child, or ends. `kind` is set with `told`.
                        if kind is WaitingParent:  # pyright: ignore[reportPossiblyUnboundVariable]
                            state, others = told.parent._end_locked()
                            if state < SEALED:
                                return
                            end = (told.parent, state, others)
                        elif kind is not Join or told._frame._lock is not self._lock:  # pyright: ignore[reportPossiblyUnboundVariable]
                            end = (self, COMPLETED, [told])
                        elif told._claim_locked():
                            end = told
                        else:
                            return  # it was cancelled meanwhile
            if end is None:
                if self._end_body(value, error) is None:
                    raise IllegalStateError(f"{self!r} ended twice")
            elif end is told:
                end._coroutine._go_on()
            else:
                announce_end(*end)
        except BaseException as struck:
            if self._state >= COMPLETED and told is not None:
                if kind is Join:  # pyright: ignore[reportPossiblyUnboundVariable]
                    told._resume_again(struck, RESUMED)
                else:
                    announce_end(self, COMPLETED, [told])
            raise

    def _ends_plainly(self, cancellation: BaseException, parent: Job | None) -> bool:
        """Whether the one it was cancelled with is all there is to tell, and the parent takes it for what it is."""
        return (
            cancellation is self._cause
            and not self._others
            and (parent is None or type(parent)._child_cancelled is Job._child_cancelled)
        )


class Held:
    """What a hop in place answers the step: go on with this; the in-place loop is ours until the coroutine suspends.

    `frame`: the block that was entered by it, None for a way back.
    """

    __slots__ = ("error", "frame", "value")

    def __init__(self, value: Any, error: BaseException | None, frame: Any) -> None:
        self.value = value
        self.error = error
        self.frame = frame


RELEASE = object()


class Early:
    """The outcome of a block that was over before its caller had left."""

    __slots__ = ("error", "value")

    def __init__(self, value: Any, error: BaseException | None) -> None:
        self.value = value
        self.error = error


#: In place of an outcome: the caller has left.
LEFT: Any = object()


def _leave_in_place(held: Held) -> Early | None:
    """Run what was started in place since `held` was. The outcome of its block, where that has ended meanwhile."""
    local = here.loop
    try:
        drain_in_place(local)
    finally:
        local.active = False
    return _left_early(held)


def _left_early(held: Held) -> Early | None:
    return None if held.frame is None else held.frame._leave_early()


def _call_block(coroutine: Coroutine, block: Any, args: tuple[Any, ...]) -> object:
    """Call the block; where that makes a generator, take its first step: one entry into the context for both.

    Returns what it waits for; or, with `_generator` None, its value. Where nobody asks for the value, the end makes no
    StopIteration: 0.3 us of 1.6 (3.11).
    """
    current.set(coroutine)
    value: Any = block(*args) if callable(block) else block
    kind = type(value)
    if kind is not GeneratorType and kind is not CoroutineType:
        generator: Any = None if value is None else iterate(value)  # in here: an `__await__` is code of the block's
        if generator is None:
            return value
        value = generator
    elif type(coroutine) is StandaloneCoroutine:
        coroutine._generator = value
        wait = next(value if kind is GeneratorType else value.__await__(), OVER)
        if wait is OVER:
            coroutine._generator = None
            return None
        return wait
    coroutine._generator = value
    try:
        return value.send(None)
    except StopIteration as stop:
        coroutine._generator = None
        return stop.value


def _is_running(generator: Any) -> bool:
    return bool(getattr(generator, "gi_running", False) or getattr(generator, "cr_running", False))


def _is_over(generator: Any) -> bool:
    if type(generator) is not GeneratorType and type(generator) is not CoroutineType:
        return True  # those of a compiler are asked for nothing: some show a frame when they have long ended
    return getattr(generator, "gi_frame", None) is None and getattr(generator, "cr_frame", None) is None


def _awaited_by(generator: Any) -> object:
    """Return what a generator at rest waits for."""
    inner = generator
    while inner is not None:
        generator = inner
        inner = getattr(generator, "gi_yieldfrom", None) or getattr(generator, "cr_await", None)
        if inner is not None and type(inner).__name__ == "coroutine_wrapper":  # of an `async def` in a block
            (inner,) = get_referents(inner)
    frame = getattr(generator, "gi_frame", None)
    if frame is not None and frame.f_code is Suspension.__iter__.__code__:
        return frame.f_locals["self"]
    return generator


def _without_driver(failure: BaseException) -> BaseException:
    """Drop the first lines of its traceback, those of this file: they tell nothing, and keep the coroutine alive."""
    traceback = failure.__traceback__
    while traceback is not None and traceback.tb_frame.f_globals is _here_globals:
        traceback = traceback.tb_next
    failure.__traceback__ = traceback
    return failure


_here_globals = globals()


def _stopped(stop: StopIteration) -> RuntimeError:
    error = RuntimeError("the block raised StopIteration: that ends a generator and is no failure to pass on")
    error.__cause__ = stop
    return error


def _refuse(wait: Any) -> object:
    name = wait._name()
    wait._begun = True
    raise TypeError(f"`yield {name}(...)`: write `yield from {name}(...)`, in an async def `await {name}(...)`")


def _raised_by(coroutine: Coroutine, wait: object, raised: BaseException) -> BaseException | None:
    """Return what the body is to see where the beginning of `wait` raised; None: the coroutine is another's already."""
    if isinstance(wait, Suspension) and not wait._leave(coroutine, raised):
        pass_on(raised)
        return None
    return _foreign(wait, raised) if isinstance(raised, AttributeError) else _without_driver(raised)


def _foreign(wait: object, missing: AttributeError) -> BaseException:
    if isinstance(wait, Suspension):
        return missing  # an AttributeError of a wait of ours
    if isinstance(wait, Suspending):
        try:
            _refuse(wait)
        except TypeError as refusal:
            return refusal
    if isinstance(wait, (GeneratorType, CoroutineType)):
        name = wait.__name__
        wait.close()
        return TypeError(f"`yield {name}(...)`: write `yield from {name}(...)`, in an async def `await {name}(...)`")
    if wait is None:
        return TypeError(
            "a bare `yield` suspends for nothing that is known: write `yield from yield_()` or `yield from delay(s)`"
        )
    kind = type(wait)
    return TypeError(
        f"a coroutine of vmscope waited for {wait!r}, of {kind.__module__}: what another library awaits cannot be "
        "awaited here. Use delay() for sleep(), with_context(Dispatchers.IO, ...) for a blocking call, "
        "suspend_cancellable_coroutine() for a callback, await_asyncio() of vmscope.interop for what is asyncio's"
    )


def thread_elements(context: CoroutineContext) -> tuple[ThreadContextElement, ...] | None:
    """Return what `context` sets on a thread for each step; None where that is nothing."""
    if len(context) < 2 and not isinstance(context, ThreadContextElement):
        return None
    return tuple(element for element in context if isinstance(element, ThreadContextElement)) or None


def update_all(elements: tuple[ThreadContextElement, ...]) -> list[Any]:
    """Set the thread up; the answer is for `restore_all`."""
    return [element.update() for element in elements]


def restore_all(elements: tuple[ThreadContextElement, ...], olds: list[Any]) -> None:
    """Put back what `update_all` replaced, last first."""
    for element, old in zip(reversed(elements), reversed(olds), strict=True):
        element.restore(old)


def note_origin(coroutine: Coroutine, failure: BaseException) -> None:
    """Add to `failure` where the coroutine that failed with it was launched, if that is known."""
    places = origins.of(coroutine)
    if places:
        failure.add_note(f"{coroutine._title()} was launched at {places[-1]}")


class StandaloneCoroutine(Coroutine):
    """Made by launch: its value is ignored, its failure goes to the parent or to the handler."""

    __slots__ = ()

    def _handle_failure(self, failure: BaseException) -> bool:
        if isinstance(failure, (KeyboardInterrupt, SystemExit)):
            escape(failure)
        else:
            note_origin(self, failure)
            handle_coroutine_exception(self.coroutine_context, failure)
        return True


class _Escape:
    """In a message queue: raises what must leave its loop."""

    __slots__ = ("_error", "when")
    asynchronous = True

    when: float

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def run(self) -> None:
        """Raise it, out of the loop that runs this."""
        raise self._error

    def rejected(self) -> None:
        """The loop has ended anyway."""


def escape(error: BaseException) -> None:
    """Let a KeyboardInterrupt or SystemExit, which no job took, leave through the loop that this thread runs."""
    queue = here.loop.events
    if queue is None:
        looper = Looper.my_looper() or Looper.get_main()
        queue = None if looper is None else looper.queue
    if queue is None or not queue.put(_Escape(error)):
        report_uncaught(error)


def pass_on(failure: BaseException) -> None:
    """Take `failure` out of a step that it does not belong to: through the loop of this thread, or report it."""
    if isinstance(failure, (KeyboardInterrupt, SystemExit)):
        escape(failure)
    else:
        report_uncaught(failure)


class DeferredCoroutine(Coroutine, Deferred[T]):
    """Made by async_: its outcome is kept for those who await it."""

    __slots__ = ()

    def _handle_failure(self, failure: BaseException) -> bool:
        if isinstance(failure, (KeyboardInterrupt, SystemExit)):
            escape(failure)
        else:
            note_origin(self, failure)
            unread.note(self, failure)
        return False


def _warn(message: str) -> None:
    warn(message, VmScopeWarning, stacklevel=3)


def _collected(coroutine: Coroutine) -> None:
    if coroutine._state < COMPLETED and coroutine._generator is not None:
        _warn(f"{coroutine!r} was collected while it waited: nobody could resume it any more. Its `finally` has run")


dealt_with.add(Coroutine._broke.__code__)
_init_plain = Coroutine._init_coroutine


def _init_and_note(
    self: Coroutine, parent: Job | None, env: Env, state: int, block: Any, args: tuple[Any, ...]
) -> None:
    origins.note(self)
    _init_plain(self, parent, env, state, block, args)


def record_creation(on: bool) -> None:
    """Keep from now on where each coroutine is launched, or no more. Exchanged, so that it costs nothing while off."""
    Coroutine._init_coroutine = _init_and_note if on else _init_plain  # type: ignore[method-assign]


if DEBUG:  # otherwise no coroutine pays for a finalizer
    Coroutine.__del__ = _collected  # type: ignore[attr-defined]
    record_creation(True)
