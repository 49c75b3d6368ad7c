"""`async for` over a flow: the flow hands a value over and rests until the next one is asked for.

No channel and no second coroutine: what the flow waits for, the coroutine of the loop waits for, and a value that
arrives is told from a wait by its type. A loop that is left early closes the flow in its own coroutine: at once, where
nothing in the flow's clean-up suspends, else in a child of that coroutine.

`_relay` has the one bare `yield` beside that of the suspensions: it passes on what the flow waits for.
Locks: none; one coroutine uses an iterator.
Counterpart: none; kotlinx.coroutines has produceIn, and a channel's iterator.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._errors import IllegalStateError
from ..coroutines._coroutine import StandaloneCoroutine, current, needed
from ..coroutines._scope import CoroutineStart, launch_in
from ..coroutines._suspend import suspend
from ._emit import Emit, FlowAborted, Run

if TYPE_CHECKING:
    from types import TracebackType

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


class FlowIterator(Generic[T_co]):
    """Goes through a flow: `async for value in flow`. An `async with` block closes it at its end.

    Threads: the coroutine that began it.
    """

    __slots__ = ("__weakref__", "_coroutine", "_generator", "_inner", "_run", "_values")

    def __init__(self, run: Run) -> None:
        self._run: Run | None = run
        self._generator: Any = None
        self._coroutine: Any = None
        self._inner: Any = None  # the block of the flow's that it rests in, where that is not the loop's own
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
            self._coroutine = coroutine
            self._generator = self._run(_hands_to(self._values))
            self._run = None
        elif self._generator is None:
            raise StopAsyncIteration
        elif coroutine is not self._coroutine:
            raise IllegalStateError(
                f"the iterator of a flow was begun in {self._coroutine!r} and asked in {coroutine!r}: "
                "share the flow with share_in(...), or send its values through a channel"
            )
        handed = yield from self._drive(coroutine, None)
        if not handed:
            raise StopAsyncIteration
        value: T_co = self._values.pop()
        return value

    @suspend
    def aclose(self) -> Generator[Any, Any, None]:
        """End the flow, with its clean-up; nothing where it has ended."""
        self._run = None
        if self._generator is not None:
            yield from self._close(needed("aclose()"))

    def _close(self, coroutine: Any) -> Generator[Any, Any, None]:
        try:
            once_more = yield from self._drive(coroutine, FlowAborted(self))
            if once_more:
                raise IllegalStateError("a flow that was left early emitted once more: let what `emit` raises pass")
        except FlowAborted as aborted:
            if aborted.owner is not self:
                raise

    def _drive(self, coroutine: Any, error: BaseException | None) -> Generator[Any, Any, bool]:
        """Run the flow until it hands a value over. False: it has ended."""
        generator, self._generator = self._generator, None  # whatever ends it, it is over; put back where it rests
        outer = coroutine._frame
        if self._inner is not None:
            coroutine._frame, self._inner = self._inner, None
        answer: Any = None
        while True:
            try:
                wait = generator.send(answer) if error is None else generator.throw(error)
            except StopIteration:
                return False
            if wait is _HANDED:
                break
            answer = error = None
            try:
                answer = yield from _relay(wait)
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as raised:  # noqa: BLE001  (raised at the suspension point, inside the flow)
                error = raised
        if coroutine._frame is not outer:
            self._inner, coroutine._frame = coroutine._frame, outer
        self._generator = generator
        return True

    async def __aenter__(self) -> FlowIterator[T_co]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        try:
            generator, coroutine = self._generator, self._coroutine
        except AttributeError:
            return
        if generator is None:
            return
        frame = coroutine._frame
        if current.get() is coroutine and frame is not None:
            home = frame._home
            launch_in(
                StandaloneCoroutine, home, home._env, _close_left, (generator, self._inner), None,
                CoroutineStart.UNDISPATCHED, None,
            )  # fmt: skip
        else:  # the loop's coroutine is gone, or this runs in another: where the flow belongs, nothing runs any more
            env = coroutine._env
            launch_in(
                StandaloneCoroutine, None, env, _close_left, (generator, self._inner), None, CoroutineStart.DEFAULT,
                None,
            )  # fmt: skip


def _close_left(generator: Any, inner: Any) -> Generator[Any, Any, None]:
    left: FlowIterator[Any] = FlowIterator(generator)
    left._run = None
    left._generator = generator
    left._inner = inner
    yield from left._close(needed("aclose()"))
