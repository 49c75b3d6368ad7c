"""Frames: blocks inside a coroutine that are jobs of their own, and how the coroutine moves between dispatchers.

`coroutine_scope`, `with_context` and `with_timeout` run their block in the generator of the coroutine that calls them,
with a job of its own as the innermost frame. Entering and leaving is done between two steps, by what is yielded here:
so the block itself may be plain, blocking, a generator or an `async def`, and its traceback is one.

Locks: the lock of the tree guards `_waits` and `_early`.
Counterpart: kotlinx.coroutines.ScopeCoroutine, DispatchedCoroutine, UndispatchedCoroutine.
"""

from __future__ import annotations

from collections.abc import Generator
from types import GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar

from .._errors import CancellationException
from .._primitives import RLock
from .._thrown import own
from ._context import CoroutineName
from ._coroutine import LEFT, RELEASE, Coroutine, Early, Env, Held, current, needed, pass_on
from ._exceptions import handle_coroutine_exception
from ._here import here
from ._job import ACTIVE, COMPLETED, Job, NonCancellable, attach, cancel_tree
from ._suspend import CANCELLED_PHASE, RETURNING, SUSPENDED, Suspension, iterate, resume_again

if TYPE_CHECKING:
    from typing import Self

    from ._context import CoroutineContext, ThreadContextElement

F = TypeVar("F", bound="ScopeCoroutine")


class ScopeCoroutine(Job):
    """A block inside a coroutine, `coroutine_scope` and its kin: a job whose body is part of its generator.

    Its failure is raised where the block was called and cancels nobody else.
    Kotlin: ScopeCoroutine.
    """

    __slots__ = ("_early", "_env", "_waits")
    if TYPE_CHECKING:

        def __new__(cls) -> Self: ...

    else:
        __init__ = object.__init__  # made as `kind()`, without a call; see `_init_frame`
    _scoped = True
    _handles = True
    _early: Any  # in with_context, while the caller dispatches: None, or what the block left for it; else LEFT

    def _init_frame(self, parent: Job | None, env: Env) -> None:
        """Enter it: from here on it is a child of `parent`, and its block is to end it, whatever strikes."""
        self._env = env
        self._early = LEFT
        self._waits: FrameWait | None = None  # for its children, once its block is over
        self._state = ACTIVE
        self._nodes = self._waiter = self._cause = self._others = self._pending = self._parent = self._value = None
        if parent is None or parent is NonCancellable:
            self._lock = RLock()
            return
        self._lock = lock = parent._lock
        with lock:  # the plain case of `attach` longhand, as in `Coroutine._init_coroutine`: 0.2 us less (3.11)
            nodes = parent._nodes
            if nodes is None:
                nodes = {}  # before the look, as there
                if parent._nodes is None:  # pragma: no branch - struck as the dict is made: tests/races/test_sweeps.py
                    parent._nodes = nodes
            if parent._state == ACTIVE and parent._waiter is None and parent._nodes is nodes:
                nodes[self] = None
                self._parent = parent
                return
        attach(self, parent)

    @property
    def coroutine_context(self) -> CoroutineContext:
        """The context inside the block."""
        return self._env.of(self)

    def _title(self) -> str:
        name = self._env.context.get(CoroutineName)
        outer = getattr(self._parent, "_env", None)
        if name is None or (outer is not None and outer.context.get(CoroutineName) == name):
            return type(self).__name__
        return f"{type(self).__name__} {name.name!r}"

    def _handler_failed(self, error: BaseException) -> None:
        handle_coroutine_exception(self.coroutine_context, error)

    def _leave_early(self) -> Early | None:
        """The caller has dispatched: take what the block has left for it; from now on it comes back by a dispatch."""
        with self._lock:
            early: Early | None = self._early
            self._early = LEFT
        return early

    def _after_completion(self) -> None:
        wait = self._waits
        if wait is not None:
            error = self._cause
            value = self._value if error is None else None
            self._waits = None
            try:
                wait._coroutine._resume(value, error, RETURNING, None)
            except BaseException as struck:
                resume_again(struck, wait, value, error, RETURNING, None)
                raise

    def _came_too_late(self, error: BaseException) -> bool:
        """Say whether `error` is no reason to lose the value of a block that never suspended."""
        return False


def make_frame(kind: type[F], parent: Job | None, env: Env) -> F:
    """Make a frame of `kind`, for `in_frame` to enter: one that is lost before that is nobody's child."""
    frame = kind()
    frame._parent = parent
    frame._env = env
    return frame


class SupervisorCoroutine(ScopeCoroutine):
    """The block of supervisor_scope."""

    __slots__ = ()
    _supervises = True


class InnerBlock(ScopeCoroutine):
    """A block that is no scope: it can be cancelled and waits for its own, what is launched in it belongs around it."""

    __slots__ = ("_home",)
    _home: Any

    def _init_frame(self, parent: Job | None, env: Env) -> None:
        super()._init_frame(parent, env)
        self._home = self if parent is None else parent._home


class FrameWait(Suspension[Any]):
    """The block of a frame is over; its children are not. The outcome of the frame is what this gives or raises."""

    __slots__ = ("_coroutine", "_frame")
    _coroutine: Coroutine

    def __init__(self, frame: ScopeCoroutine) -> None:
        self._begun = False
        self._frame = frame

    def _start(self, coroutine: Any) -> object:
        frame = self._frame
        with frame._lock:
            if frame._state < COMPLETED:
                self._coroutine = coroutine
                frame._waits = self
                return SUSPENDED
        if frame._cause is not None:
            raise own(frame._cause, coroutine)
        return frame._value

    def _leave(self, coroutine: Any, raised: BaseException) -> bool:
        frame = self._frame
        with frame._lock:
            if frame._waits is self and frame._state < COMPLETED:
                frame._waits = None
                return True
        return not hasattr(self, "_coroutine")  # else its end is told, or has been

    def _is_kept(self, coroutine: Any) -> bool:
        return self._frame._waits is self


class _Move(Suspension[Any]):
    """Between two steps, with the generator at rest: change what the steps run with, then go on."""

    __slots__ = ("_elements",)

    def __init__(self, elements: tuple[ThreadContextElement, ...] | None) -> None:
        self._begun = False
        self._elements = elements

    def _start(self, coroutine: Any) -> object:
        coroutine._elements = self._elements
        return None


class Switch(_Move):
    """Go on here with other elements on the thread."""

    __slots__ = ()


class Hop(_Move):
    """Go on under the dispatcher that was just set: how `with_context` enters another. True: it is in place.

    The block may be over before the dispatcher's `dispatch` has returned. Then the caller goes on as if it had never
    suspended: whoever comes second, the caller or HopBack, finds what the other left under the lock.
    """

    __slots__ = ("_frame",)

    def __init__(self, elements: tuple[ThreadContextElement, ...] | None, frame: ScopeCoroutine) -> None:
        self._begun = False
        self._elements = elements
        self._frame = frame

    def _start(self, coroutine: Any) -> object:
        frame = self._frame
        if not here.loop.active and not coroutine._dispatcher._needs_dispatch(coroutine):
            if not frame.is_active:
                raise own(frame.get_cancellation_exception(), coroutine).with_traceback(None)
            coroutine._elements = self._elements
            frame._early = None
            return Held(True, None, frame)
        coroutine._elements = self._elements
        frame._early = None
        coroutine._resume(None, None, RETURNING, None)
        try:
            early = frame._leave_early()
        except BaseException as failure:  # noqa: BLE001  (the coroutine is over there by now)
            pass_on(failure)
            early = frame._leave_early()
        if early is None:
            return SUSPENDED
        if early.error is not None:
            raise own(early.error, coroutine)
        return early.value

    def _leave(self, coroutine: Any, raised: BaseException) -> bool:
        self._frame._leave_early()
        return True


class HopBack(_Move):
    """Go on under the dispatcher that was just put back, with the outcome of the block of `frame`."""

    __slots__ = ("_frame", "_value")

    def __init__(self, elements: tuple[ThreadContextElement, ...] | None, frame: ScopeCoroutine, value: Any) -> None:
        self._begun = False
        self._elements = elements
        self._frame = frame
        self._value = value

    def _start(self, coroutine: Any) -> object:
        frame = self._frame
        error = frame._cause
        coroutine._elements = self._elements
        with frame._lock:
            if frame._early is None:
                frame._early = Early(self._value, error)
                return SUSPENDED
        if here.loop.active or coroutine._dispatcher._needs_dispatch(coroutine):
            coroutine._resume(self._value, error, RETURNING, None)
            return SUSPENDED
        caller = coroutine._frame
        return Held(self._value, error if caller.is_active else caller.get_cancellation_exception(), None)


class Release(_Move):
    """The block that was entered in place is over: run what was started in place meanwhile, then go on."""

    __slots__ = ()

    def _start(self, coroutine: Any) -> object:
        coroutine._elements = self._elements
        return RELEASE


def in_frame(
    frame: Any, block: Any, args: tuple[Any, ...]
) -> Generator[Any, Any, Any]:
    """Run `block` in a frame, the innermost of the running coroutine; its outcome, once its children have ended.

    One generator, with `run_block` and `outcome` in it longhand: each one more costs 0.1 us, and 0.04 us again with
    every step in the block (3.11).

    Args:
        frame: The frame, of `make_frame`; or the kind of one to be made here, in the context of the one around it.
        block: What runs in it, with `args`.
    """
    coroutine = current.get()
    if coroutine is None or coroutine._frame is None:
        coroutine = needed("a suspending function")
    outer = coroutine._frame
    outer_straight = coroutine._straight
    error: BaseException | None = None
    try:
        if type(frame) is type:  # 0.02 us less than isinstance() (3.11)
            frame = frame()
            frame._init_frame(outer, outer._env)
        else:
            frame._init_frame(frame._parent, frame._env)
        coroutine._frame = frame
        coroutine._straight = True
        try:
            value = block(*args) if callable(block) else block
            if value is not None:
                body = value if type(value) is GeneratorType else iterate(value)
                if body is not None:
                    value = yield from body
        except GeneratorExit:  # the generator is closed, not the block cancelled: nothing may be awaited any more
            close_frame(frame)
            raise
        except BaseException as raised:  # noqa: BLE001  (whatever ends the block is its outcome)
            value, error = None, raised
        final = frame._end_body(value, error)
    except GeneratorExit:
        raise
    except BaseException as struck:  # in lines of ours: the block is over, and so is the frame
        if type(frame) is not type:
            frame._end_again(struck)
        raise
    finally:
        straight = coroutine._straight
        coroutine._straight = straight and outer_straight
        coroutine._frame = outer
    if not final:
        return (yield from FrameWait(frame))
    if frame._cause is None:
        return value
    return outcome(frame, value, error, straight)


def run_block(
    frame: ScopeCoroutine, block: Any, args: tuple[Any, ...]
) -> Generator[Any, Any, tuple[Any, BaseException | None]]:
    """Run `block` to its end: its value, or what it raised."""
    try:
        value = block(*args) if callable(block) else block
        body = None if value is None else iterate(value)
        if body is not None:
            value = yield from body
    except GeneratorExit:  # the generator is closed, not the block cancelled: nothing may be awaited any more
        close_frame(frame)
        raise
    except BaseException as raised:  # noqa: BLE001  (whatever ends the block is its outcome)
        return None, raised
    return value, None


def close_frame(frame: ScopeCoroutine) -> None:
    """The generator is being closed, because nobody refers to it any more: end what was launched in the block."""
    waiter = frame._waiter
    if waiter is not None and waiter._claim(CANCELLED_PHASE):  # or the cancellation would resume the closing generator
        waiter._take_back(CancellationException("the coroutine was closed", job=frame))
    cancel_tree(frame, CancellationException("the coroutine was closed", job=frame))


def outcome(frame: ScopeCoroutine, value: Any, raised: BaseException | None, straight: bool) -> Any:
    """Return the value of a frame that has ended, or raise what it ended with.

    `straight`: the block never suspended. Then its own timeout came too late to be seen by it.
    """
    error = frame._cause
    if error is None:
        return value
    if straight and frame._came_too_late(error):
        error = raised
        if error is None:
            return value
    raise own(error)


def new_frame(kind: type[F], coroutine: Coroutine) -> F:
    """Make a frame below the innermost one of `coroutine`, in the same context."""
    frame = kind()
    frame._parent = outer = coroutine._frame
    frame._env = outer._env
    return frame
