"""How values travel: what a flow is to its operators, the collector that a flow's block emits to, the private abort.

Inside the room a flow is a `Run`: a generator function that takes an `Emit` and hands it one value after another. An
`Emit` is a plain function. It answers None when the value has been dealt with, which is nearly always, or what there is
left to run, for the caller to `yield from`. So an operator is one function around another: a chain of ten costs ten
calls an element, no generator for each stage and no suspension that nobody asked for.

Invariants
    I1  one emission at a time: an Emit is not called before what the last one answered has run to its end.
    I2  what an Emit raises leaves the Run; a block of a user's that holds it back and emits again is refused.
Locks: none; a collection belongs to one coroutine.
Counterpart: kotlinx.coroutines.flow.internal.SafeCollector, AbortFlowException.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from .._errors import CancellationException, IllegalStateError
from ..coroutines._coroutine import current, needed
from ..coroutines._job import ACTIVE, COMPLETING
from ..coroutines._suspend import DONE, Suspending, call, iterate
from ..sync._channel import CLOSED, ReceiveChannel

if TYPE_CHECKING:
    from ..coroutines._coroutine import Coroutine

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

#: Deals with one value: None when that is done, or what is left to `yield from`.
Emit: TypeAlias = Callable[[Any], "Iterator[Any] | None"]
#: A flow, inside: hands its values to the Emit.
Run: TypeAlias = Callable[[Emit], Generator[Any, Any, None]]

#: Nothing at all where None is a value.
NOTHING: Any = object()
#: What is a plain value beyond doubt: the answer of a block that needs no further look.
PLAIN = frozenset({bool, int, str, float, type(None), tuple, list, dict, bytes})


class NoSuchElementError(LookupError):
    """A flow that was asked for an element ended without one.

    Kotlin: NoSuchElementException.
    """

    __module__ = "vmscope.flow"


class FlowAborted(CancellationException):
    """No more elements are needed: what `take` and `first` raise into the flow above them.

    Seen by a flow's `finally` only. It is stopped by the one who raised it, told by identity.
    """

    __module__ = "vmscope.flow"

    def __init__(self, owner: object) -> None:
        super().__init__("Flow was aborted, no more elements needed")
        self.owner = owner


def left_of(answer: object) -> Iterator[Any] | None:
    """Return what is left to run of a block that answered `answer`; None where that is a plain value."""
    if type(answer) in PLAIN:
        return None
    return iterate(answer)


def emit_to(block: Callable[[Any], object]) -> Emit:
    """Return the Emit that calls `block` with each value: a block, plain or suspending."""

    def emit(value: Any) -> Iterator[Any] | None:
        answer = block(value)
        return None if answer is None or type(answer) in PLAIN else iterate(answer)

    return emit


def ignore(value: object) -> None:
    """Deal with a value by doing nothing."""


def then(answer: object, go: Callable[[Any], Iterator[Any] | None]) -> Iterator[Any] | None:
    """Call `go` with what a block's `answer` comes to: now, or when it has been run."""
    if type(answer) in PLAIN:
        return go(answer)
    left = iterate(answer)
    return go(answer) if left is None else _then(left, go)


def _then(left: Generator[Any, Any, Any], go: Callable[[Any], Iterator[Any] | None]) -> Generator[Any, Any, None]:
    wait = go((yield from left))
    if wait is not None:
        yield from wait


def run_now(answer: Any) -> Generator[Any, Any, Any]:
    """Run what a block answered, where there is something to run; its value."""
    left = None if type(answer) in PLAIN else iterate(answer)
    return answer if left is None else (yield from left)


def aborted_here(owner: object) -> None:
    """Look whether the coroutine is still active, after its own abort: it may have been cancelled before that."""
    needed("a flow")._frame.ensure_active()


# -- what a block emits to


class FlowCollector(Generic[T_contra]):
    """Where a flow's block emits to: `yield from collector.emit(value)`, or `await` in an `async def`.

    Emits in the coroutine that collects and in its context: `flow_on` changes the context of what stands above it.
    Kotlin: FlowCollector.
    """

    __slots__ = ("_coroutine", "_emit", "_failed", "_frame")
    _failed: type[BaseException] | None  # what an emission has raised; the class alone, or it would keep itself alive

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._coroutine: Coroutine = needed("collect")
        self._frame = self._coroutine._frame
        self._failed = None

    def emit(self, value: T_contra) -> Suspending[None]:
        """Hand `value` to whoever collects; returns when that has dealt with it.

        Raises:
            IllegalStateError: Called from another coroutine or in another context than the collector's, or after an
                emission that has failed.
            CancellationException: The coroutine was cancelled, also where the emission would not have to wait.
        """
        return _Emission(self, value)

    def emit_all(self, source: Any) -> Suspending[None]:
        """Hand on all values of another flow, or of a channel until that is closed. A channel is cancelled after it."""
        return call("emit_all", self._emit_all, source)

    def _emit_all(self, source: Any) -> Generator[Any, Any, None]:
        if hasattr(source, "_run"):
            yield from source._run(self._checked)
        elif isinstance(source, ReceiveChannel):
            yield from consume(source, self._checked)
        else:
            raise TypeError(f"emit_all takes a flow or a channel, got {source!r}")

    def _checked(self, value: Any) -> Iterator[Any] | None:
        """Emit `value` if that is allowed here. Hot."""
        coroutine = self._coroutine
        frame = coroutine._frame
        if frame is not self._frame or current.get() is not coroutine or self._failed is not None:
            self._refuse(value)
        if not ACTIVE <= frame._state <= COMPLETING:
            frame.ensure_active()
        try:
            wait = self._emit(value)
        except BaseException as failure:
            self._failed = type(failure)
            raise
        return None if wait is None else self._watched(wait)

    def _watched(self, wait: Iterator[Any]) -> Generator[Any, Any, None]:
        try:
            yield from wait
        except BaseException as failure:
            self._failed = type(failure)
            raise

    def _refuse(self, value: object) -> None:
        """Raise what is wrong about emitting `value` here. Nothing, in a scope or a timeout inside the block."""
        here = current.get()
        coroutine = self._coroutine
        job = None if here is None else here._frame
        if here is not coroutine or job is None:
            raise IllegalStateError(
                "Flow invariant is violated:\n"
                f"the flow was collected in {self._frame!r}, and {value!r} was emitted in {job or 'no coroutine'!r}: "
                "a flow emits in the coroutine that collects it; channel_flow takes values from any coroutine or thread"
            )
        env, collected = job._env, self._frame._env
        if env is not collected and (env.dispatcher != collected.dispatcher or env.context != collected.context):
            raise IllegalStateError(
                "Flow invariant is violated:\n"
                f"the flow was collected in {collected.of(self._frame)!r}, and {value!r} was emitted in "
                f"{env.of(job)!r}: a flow emits in the context of its collector. Use flow_on(...) instead of "
                "with_context(...) around the emission"
            )
        if not ACTIVE <= job._state <= COMPLETING:
            job.ensure_active()
        home, frame = self._frame, job
        while frame is not home:  # scopes and timeouts make no difference
            if frame is None or not frame._scoped:
                raise IllegalStateError(
                    "Flow invariant is violated:\n"
                    f"Emission from another coroutine is detected: the flow was collected in {home!r}, and "
                    f"{value!r} was emitted in {job!r} of {frame or 'no job'}, which is not cancelled with the "
                    "collector. Do not emit in with_context(NonCancellable, ...), nor with a job of your own"
                )
            frame = frame._parent
        if self._failed is not None:
            raise IllegalStateError(
                "Flow exception transparency is violated:\n"
                f"an emission raised {self._failed.__name__}, and {value!r} was emitted after it. What a collector "
                "raises must leave the flow: do not emit in `except` or `finally`, use catch(...) or on_completion(...)"
            )


class _Emission(Suspending[None]):
    """One call of `emit`."""

    __slots__ = ("_collector", "_value")

    def __init__(self, collector: FlowCollector[Any], value: Any) -> None:
        self._begun = False
        self._collector = collector
        self._value = value

    def __iter__(self) -> Generator[Any, Any, None]:
        if self._begun:
            self._begin()
        self._begun = True
        wait: Any = self._collector._checked(self._value)
        return DONE if wait is None else wait

    __await__ = __iter__

    def _name(self) -> str:
        return "emit"


class FailedCollector(FlowCollector[Any]):
    """What `on_completion` gives its block after a failure: an emission raises that failure again."""

    __slots__ = ("_failure",)

    def __init__(self, failure: BaseException) -> None:
        super().__init__(ignore)
        self._failure = failure

    def _checked(self, value: Any) -> Iterator[Any] | None:
        raise self._failure

    def _emit_all(self, source: Any) -> Generator[Any, Any, None]:
        raise self._failure
        yield


def consume(channel: ReceiveChannel[Any], emit: Emit) -> Generator[Any, Any, None]:
    """Hand on what a channel receives until it is closed; then, and where anything else ends it, cancel the channel."""
    try:
        yield from receive_into(channel, emit)
    except CancellationException as cancellation:
        channel.cancel(cancellation)
        raise
    except BaseException as failure:
        channel.cancel("Channel was consumed, consumer had failed", failure)
        raise
    channel.cancel()


def receive_into(channel: ReceiveChannel[Any], emit: Emit) -> Generator[Any, Any, None]:
    """Hand on what a channel receives until it is closed.

    Raises:
        BaseException: What the channel was closed with.
    """
    while True:
        element = yield from channel._next()
        if element is CLOSED:
            return
        wait = emit(element)
        if wait is not None:
            yield from wait


# -- what a block of a user's takes


def takes_collector(block: Callable[..., object], others: int, where: str) -> bool:
    """Say whether `block` wants a collector before its `others` arguments: told by how many it needs."""
    if not callable(block):
        raise TypeError(f"{where} takes a function, got {block!r}")
    code = getattr(block, "__code__", None)
    bound = getattr(block, "__self__", None) is not None
    if code is None:
        return False
    if code.co_flags & 0x04:  # *args
        return True
    needs = code.co_argcount - len(getattr(block, "__defaults__", None) or ()) - bound
    return bool(needs > others)


def block_for(block: Callable[..., object], where: str, others: int = 0) -> Callable[..., Generator[Any, Any, Any]]:
    """Return what runs `block`, with a collector of the Emit it gets first where `block` takes one."""
    wants = takes_collector(block, others, where)
    return lambda emit, *args: run_now(block(FlowCollector(emit), *args) if wants else block(*args))


def is_async_generator_function(block: Any) -> bool:
    """Say whether calling `block` gives an async generator, without calling it."""
    while not hasattr(block, "__code__"):
        inner = getattr(block, "func", None)  # functools.partial
        if inner is None:
            inner = type(block).__call__
            if not hasattr(inner, "__code__"):
                return False
        block = inner
    return bool(block.__code__.co_flags & 0x200)  # inspect.CO_ASYNC_GENERATOR, without loading inspect
