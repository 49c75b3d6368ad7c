"""`async for` over a flow: the flow hands a value over and rests until the next one is asked for.

No channel and no second coroutine: what the flow waits for, the coroutine of the loop waits for, and a value that
arrives is told from a wait by its type. A loop that is left early closes the flow in its own coroutine: at once, where
nothing in the flow's clean-up suspends, else in a child of that coroutine.

The flow runs in a frame of its own, below the coroutine: not below the block that asks first, a timeout around one
value say, which may have ended when the next one is asked for. The block that asks ends the flow if it is cancelled
meanwhile. The coroutine does not wait for an iterator that nobody closes; it ends what that runs beside itself.

`_relay` has the one bare `yield` beside that of the suspensions: it passes on what the flow waits for.
Locks: none; one coroutine uses an iterator.
Counterpart: none; kotlinx.coroutines has produceIn, and a channel's iterator.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._errors import CancellationException, IllegalStateError
from .._thrown import original, own
from ..coroutines._coroutine import StandaloneCoroutine, current, needed
from ..coroutines._frame import InnerBlock, in_frame
from ..coroutines._job import ACTIVE, COMPLETING, ON_CANCELLING, Job, cancel_tree, cause_from
from ..coroutines._scope import CoroutineStart, launch_in
from ..coroutines._suspend import call, suspend
from ._emit import Emit, FlowAborted, Run

if TYPE_CHECKING:
    from types import TracebackType

    from ..coroutines._coroutine import Env

T_co = TypeVar("T_co", covariant=True)


class _Handed:
    """What the flow yields when it has handed a value over."""

    __slots__ = ()


_HANDED = _Handed()
_ONCE = (_HANDED,)


def _hands_to(values: list[Any]) -> Emit:
    """Return the Emit of an iterator. It must not know the iterator: one that is dropped is to be gone at once."""

    def emit(value: Any) -> Iterator[Any]:
        values.append(value)
        return iter(_ONCE)  # what yields once, and is no generator

    return emit


def _relay(wait: Any) -> Generator[Any, Any, Any]:
    return (yield wait)


class _Frame(InnerBlock):
    """Where the flow of an iterator runs. Its job is told of the end like a handler, and does not wait for it."""

    __slots__ = ()
    _kind = ON_CANCELLING

    def _init_frame(self, parent: Job | None, env: Env) -> None:
        """In `in_frame`: nothing more. It was entered as it was made, for it is driven from inside it."""

    def _fire(self, job: Job, cause: BaseException | None) -> None:
        if job.is_cancelled:
            _end(self, job)
        else:  # the flow rests, and cleans up when the iterator is closed: what it launched runs no longer than its job
            self.cancel_children("the coroutine of a flow's iterator has ended")


def _home_of(coroutine: Any) -> Any:
    """Return the outermost job that the running code can be cancelled by: the coroutine, or a block that hides that."""
    home = coroutine._frame
    while home is not coroutine:
        above = home._parent
        if above is not coroutine and (above is None or not above._scoped):
            break
        home = above
    return home


class FlowIterator(Generic[T_co]):
    """Goes through a flow: `async for value in flow`. An `async with` block closes it at its end.

    It may be begun and asked in blocks that end in between: `async with with_timeout(3): await anext(values)`. A block
    that is cancelled while it waits for a value, by its timeout say, ends the flow with that.
    Threads: the coroutine that began it.
    """

    __slots__ = (
        "__weakref__", "_asking", "_below", "_coroutine", "_frame", "_generator", "_home", "_inner", "_run", "_values",
    )  # fmt: skip

    def __init__(self, run: Run) -> None:
        self._run: Run | None = run
        self._generator: Any = None
        self._coroutine: Any = None
        self._asking: Any = None  # the block that it was asked in last, found right
        self._below = False  # that is below `_home`: its cancellation does not reach the flow by itself
        self._home: Any = None  # the job above `_frame`, which the flow runs in
        self._frame: Any = None
        self._inner: Any = None  # `_frame`, or the block in it that the flow rests in
        self._values: list[Any] = []

    def __aiter__(self) -> FlowIterator[T_co]:
        return self

    @suspend
    def __anext__(self) -> Generator[Any, Any, T_co]:
        """Give the next value.

        Raises:
            StopAsyncIteration: The flow has ended.
        """
        coroutine = needed("async for over a flow")
        if self._run is not None:
            self._begin(coroutine)
        elif self._generator is None:
            raise StopAsyncIteration
        elif coroutine is not self._coroutine or coroutine._frame is not self._asking:
            self._check(coroutine)
        if (yield from self._drive(coroutine, None)):
            return self._values.pop()  # type: ignore[no-any-return]  # a name for it costs as much as the call
        raise StopAsyncIteration

    def _begin(self, coroutine: Any) -> None:
        run, self._run = self._run, None
        self._coroutine = coroutine
        self._asking = asking = coroutine._frame
        self._home = home = _home_of(coroutine)
        self._below = asking is not home
        self._inner = self._frame = frame = _Frame()
        InnerBlock._init_frame(frame, home, asking._env)
        self._generator = in_frame(frame, run, (_hands_to(self._values),))

    def _check(self, coroutine: Any) -> None:
        """Raise what is wrong about asking here; note where it is."""
        asking = coroutine._frame
        if coroutine is not self._coroutine:
            raise IllegalStateError(
                f"the iterator of a flow was begun in {self._coroutine!r} and asked in {coroutine!r}: "
                "share the flow with share_in(...), or send its values through a channel"
            )
        if self._home.is_completed:
            raise IllegalStateError(
                f"the iterator of a flow was begun in {self._home!r} and asked after that block: begin it in the "
                "block that asks, or in the coroutine"
            )
        env, begun = asking._env, self._frame._env
        if env is not begun and (env.dispatcher != begun.dispatcher or env.context != begun.context):
            raise IllegalStateError(
                f"the iterator of a flow was begun in {begun.of(self._home)!r} and asked in "
                f"{env.of(asking)!r}: a flow runs in the context of its collector. Ask outside of "
                "with_context(...), or use flow_on(...)"
            )
        self._asking = asking
        self._below = asking is not self._home

    @suspend
    def aclose(self) -> Generator[Any, Any, None]:
        """End the flow, with its clean-up; nothing where it has ended."""
        yield from self._aclose(None)

    def _aclose(self, failure: BaseException | None) -> Generator[Any, Any, None]:
        self._run = None
        if self._generator is not None:
            coroutine = needed("aclose()")
            if coroutine is not self._coroutine:
                self._generator = _Elsewhere(self._generator, self._coroutine, coroutine)
            asked, self._asking = self._asking, coroutine._frame
            self._below = self._asking is not self._home
            yield from self._close(coroutine, asked, failure)

    def _close(self, coroutine: Any, asked: Any, failure: BaseException | None) -> Generator[Any, Any, None]:
        """End the flow: no more is needed; or, as far as that is known, the last value's block did not end well."""
        cancelled = [job for job in (self._frame, asked, self._asking) if job.is_cancelled]
        end: CancellationException
        if cancelled:
            end = cancelled[0].get_cancellation_exception()
        elif failure is not None:
            end = CancellationException("the block of a flow's iterator failed", failure)
        else:
            end = FlowAborted(self)
        try:
            once_more = yield from self._drive(coroutine, own(end, coroutine))
            if once_more:
                raise IllegalStateError("a flow that was left early emitted once more: let what `emit` raises pass")
        except CancellationException as ended:
            if original(ended) is not original(end) and self._asking.is_active:
                raise  # else it is that, or the block has a reason of its own to end, or comes with a failure

    def _drive(self, coroutine: Any, error: BaseException | None) -> Generator[Any, Any, bool]:
        """Run the flow until it hands a value over. False: it has ended."""
        generator, self._generator = self._generator, None  # whatever ends it, it is over; put back where it rests
        asking = self._asking
        if self._below and not ACTIVE <= asking._state <= COMPLETING:
            _end(self._frame, asking)
        coroutine._frame = self._inner
        link: Any = None
        answer: Any = None
        try:
            while True:
                try:
                    wait = generator.send(answer) if error is None else generator.throw(error)
                except StopIteration:
                    return False
                if wait is _HANDED:
                    self._inner = coroutine._frame
                    self._generator = generator
                    return True
                if self._below and link is None:  # not before: most flows have the next value at hand
                    link = asking.invoke_on_completion(partial(_end, self._frame, asking), on_cancelling=True)
                answer = error = None
                try:
                    answer = yield from _relay(wait)
                except GeneratorExit:
                    generator.close()
                    raise
                except BaseException as raised:  # noqa: BLE001  (raised at the suspension point, inside the flow)
                    error = raised
        finally:
            coroutine._frame = asking
            if link is not None:
                link.dispose()

    async def __aenter__(self) -> FlowIterator[T_co]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await call("aclose", self._aclose, error)

    def __del__(self) -> None:
        try:
            generator, coroutine = self._generator, self._coroutine
        except AttributeError:
            return
        if generator is None:
            return
        frame = coroutine._frame
        parts = (coroutine, self._frame, self._asking, generator, self._inner)
        if current.get() is coroutine and frame is not None:
            home = frame._home
            launch_in(
                StandaloneCoroutine, home, home._env, _close_left, parts, None, CoroutineStart.UNDISPATCHED, None
            )
        else:  # the loop's coroutine is gone, or this runs in another: where the flow belongs, nothing runs any more
            launch_in(
                StandaloneCoroutine, None, coroutine._env, _close_left, parts, None, CoroutineStart.DEFAULT, None
            )


def _end(frame: _Frame, asking: Job, cause: BaseException | None = None) -> None:
    """End the flow in `frame`: the block that asks for a value of it is cancelled."""
    cancel_tree(frame, cause_from(asking))


class _Elsewhere:
    """A flow that is closed in another coroutine than it was begun in.

    A block of the flow's that ends puts back the frame of the one that it was begun in. It is to be that of the other
    one: the first one is somewhere else by now.
    """

    __slots__ = ("_begun", "_coroutine", "_generator")

    def __init__(self, generator: Any, begun: Any, coroutine: Any) -> None:
        self._generator = generator
        self._begun = begun
        self._coroutine = coroutine

    def send(self, answer: Any) -> Any:
        return self._run(self._generator.send, answer)

    def throw(self, error: BaseException) -> Any:
        return self._run(self._generator.throw, error)

    def close(self) -> None:
        self._run(self._generator.close)

    def _run(self, step: Callable[..., Any], *args: Any) -> Any:
        begun = self._begun
        before = begun._frame
        try:
            return step(*args)
        finally:
            if begun._frame is not before:
                begun._frame, self._coroutine._frame = before, begun._frame


def _close_left(begun: Any, frame: _Frame, asked: Any, generator: Any, inner: Any) -> Generator[Any, Any, None]:
    coroutine = needed("aclose()")
    left: FlowIterator[Any] = FlowIterator(generator)
    left._run = None
    left._coroutine = begun
    left._asking = left._home = coroutine._frame
    left._frame = frame
    left._generator = _Elsewhere(generator, begun, coroutine)
    left._inner = inner
    yield from left._close(coroutine, asked, None)
