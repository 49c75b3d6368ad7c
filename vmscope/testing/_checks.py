"""Small things to say about order: who waits until nothing runs, whether a block suspended, whose turn it is.

Locks
    `_guard` of a Sequencer guards its fields. A leaf.
Counterpart: trio.testing: wait_all_tasks_blocked, assert_checkpoints, Sequencer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, overload

from .._errors import IllegalStateError
from .._primitives import RLock
from ..coroutines._suspend import (
    CANCELLABLE,
    SUSPENDED,
    Call,
    Continuation,
    Suspending,
    Suspension,
    call,
    check_block,
    iterate,
)
from ..coroutines._time import checked_seconds
from ._scheduler import TestScheduler

if TYPE_CHECKING:
    from types import TracebackType

    from ..coroutines._context import CoroutineContext

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


# ---- quiescence


class _IdleWait(Continuation[None]):
    """The wait of `wait_until_idle`; the scheduler ends it."""

    __slots__ = ("_scheduler", "cushion")

    def __init__(self, cushion: float) -> None:
        self._begun = False
        self.cushion = cushion

    def _name(self) -> str:
        return "wait_until_idle"

    def _start(self, coroutine: Any) -> object:
        context: CoroutineContext = coroutine._frame._env.context
        scheduler = context.get(TestScheduler) or getattr(coroutine._dispatcher, "scheduler", None)
        if scheduler is None:
            raise IllegalStateError("wait_until_idle() outside of a test: call it in the block of run_test")
        self._scheduler: TestScheduler = scheduler
        self._suspend(coroutine)
        scheduler._idle[self] = None
        scheduler._queue.ring()
        return SUSPENDED

    def _stands(self) -> bool:
        return self in self._scheduler._idle

    def _take_back(self, cause: BaseException) -> None:
        self._scheduler._idle.pop(self, None)


def wait_until_idle(cushion: float = 0.0) -> Suspending[None]:
    """Suspend until nothing but the caller can run: nothing is due now, nothing is in flight on real threads.

    The virtual clock does not move. Of several callers the one with the least cushion goes on first.

    Args:
        cushion: Real seconds in which nothing may have come up either.

    Cancellation: prompt. Threads: called in a coroutine of a test.
    Trio: wait_all_tasks_blocked.
    """
    if checked_seconds(cushion, "wait_until_idle()") < 0:
        raise ValueError(f"wait_until_idle() takes a cushion of 0 seconds or more, got {cushion!r}")
    return _IdleWait(cushion)


def fail(wait: Continuation[Any], error: BaseException) -> None:
    """Let `wait` raise, unless it is over."""
    if wait._claim():
        wait._coroutine._resume(None, error, CANCELLABLE, None)


# ---- did it suspend?


class _Probe(Suspension[Any]):
    """A wait, and the note that it was a real one."""

    __slots__ = ("_notes", "_wait")

    def __init__(self, wait: Any, notes: list[str]) -> None:
        self._begun = False
        self._wait = wait
        self._notes = notes

    def _name(self) -> str:
        name: str = self._wait._name()
        return name

    def _start(self, coroutine: Any) -> object:
        answer = self._wait._start(coroutine)
        if answer is SUSPENDED:
            self._notes.append(self._name())
        return answer


def _probed(block: Any, args: tuple[Any, ...], notes: list[str]) -> Generator[Any, Any, Any]:
    value = block(*args) if callable(block) else block
    generator = None if value is None else iterate(value)
    if generator is None:
        return value
    step: Callable[[Any], Any] = generator.send
    given: Any = None
    while True:
        try:
            wait = step(given)
        except StopIteration as stop:
            return stop.value
        try:
            given = yield (_probe(wait, notes) if isinstance(wait, Suspension) else wait)
            step = generator.send
        except BaseException as error:  # noqa: BLE001  (what comes in goes in)
            step, given = generator.throw, error


def _probe(wait: Any, notes: list[str]) -> Any:
    probe = _Probe(wait, notes)
    probe._begun = True
    return probe


def _did(block: Any, args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    notes: list[str] = []
    value = yield from _probed(block, args, notes)
    if not notes:
        raise AssertionError(f"{_title(block)} was to suspend, and ran through")
    return value


def _did_not(block: Any, args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    notes: list[str] = []
    value = yield from _probed(block, args, notes)
    if notes:
        raise AssertionError(f"{_title(block)} was not to suspend, and did, in {', '.join(notes)}")
    return value


def _title(block: Any) -> str:
    return f"{getattr(block, '__qualname__', None) or getattr(block, '__name__', block)}"


@overload
def assert_suspends(block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts) -> Suspending[T]: ...
@overload
def assert_suspends(block: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> Suspending[T]: ...
@overload
def assert_suspends(block: Callable[[*Ts], T], *args: *Ts) -> Suspending[T]: ...
def assert_suspends(block: Callable[[*Ts], Any], *args: *Ts) -> Suspending[Any]:
    """Run `block`, give its value, and fail if it never suspended: if nothing else could run meanwhile.

    Raises:
        AssertionError: It ran through.

    Trio: assert_checkpoints.
    """
    check_block(block, args, "assert_suspends()")
    return Call("assert_suspends", _did, (block, args))


@overload
def assert_no_suspension(block: Callable[[*Ts], Generator[Any, Any, T]], *args: *Ts) -> Suspending[T]: ...
@overload
def assert_no_suspension(block: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> Suspending[T]: ...
@overload
def assert_no_suspension(block: Callable[[*Ts], T], *args: *Ts) -> Suspending[T]: ...
def assert_no_suspension(block: Callable[[*Ts], Any], *args: *Ts) -> Suspending[Any]:
    """Run `block`, give its value, and fail if it suspended; the message says in what.

    Raises:
        AssertionError: It suspended.

    Trio: assert_no_checkpoints.
    """
    check_block(block, args, "assert_no_suspension()")
    return Call("assert_no_suspension", _did_not, (block, args))


# ---- turns


class _TurnWait(Continuation[Any]):
    __slots__ = ("_number", "_sequencer")

    def __init__(self, sequencer: Sequencer, number: int) -> None:
        self._begun = False
        self._sequencer = sequencer
        self._number = number

    def _name(self) -> str:
        return f"turn {self._number}"

    def _start(self, coroutine: Any) -> object:
        sequencer = self._sequencer
        with sequencer._guard:
            if sequencer._broken is not None:
                raise IllegalStateError(sequencer._broken)
            if sequencer._next == self._number:
                return None
            if sequencer._next > self._number:
                raise _used(self._number)
        self._suspend(coroutine)
        with sequencer._guard:
            if sequencer._next != self._number:
                sequencer._waiting[self._number] = self
                return SUSPENDED
        return None if self._claim() else SUSPENDED

    def _stands(self) -> bool:
        return self._sequencer._waiting.get(self._number) is self

    def _take_back(self, cause: BaseException) -> None:
        self._sequencer._break(self._number)


def _used(number: int) -> IllegalStateError:
    return IllegalStateError(f"turn {number} of the sequencer was used already: a number is good once")


class Turn:
    """One turn: leave it with `with` or `async with`."""

    __slots__ = ("_number", "_sequencer")

    def __init__(self, sequencer: Sequencer, number: int) -> None:
        self._sequencer = sequencer
        self._number = number

    def __enter__(self) -> None:
        if self._sequencer._next != self._number:
            raise IllegalStateError(f"it is not the turn of {self._number}: write `with (yield from seq.turn(...)):`")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sequencer._advance(self._number)

    async def __aenter__(self) -> None:
        await _TurnWait(self._sequencer, self._number)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sequencer._advance(self._number)


class Sequencer:
    """Brings pieces of several coroutines into one order: each piece has a number, and waits for its turn.

        seq = Sequencer()
        async with seq(0): ...                     # in an async def
        with (yield from seq.turn(1)): ...         # in a generator

    A number is used once. When one that waits is cancelled, those after it fail.

    Threads: any.
    Trio: Sequencer.
    """

    def __init__(self) -> None:
        self._guard = RLock()
        self._next = 0
        self._taken: set[int] = set()
        self._waiting: dict[int, _TurnWait] = {}
        self._broken: str | None = None

    def __call__(self, number: int) -> Turn:
        """Return the turn `number`, for `async with`.

        Raises:
            IllegalStateError: The number was used.
        """
        with self._guard:
            if number in self._taken:
                raise _used(number)
            self._taken.add(number)
        return Turn(self, number)

    def turn(self, number: int) -> Suspending[Turn]:
        """Wait for turn `number`: `with (yield from seq.turn(0)):`."""
        return call("turn", self._turn, number)

    def _turn(self, number: int) -> Generator[Any, Any, Turn]:
        turn = self(number)
        yield from _TurnWait(self, number)
        return turn

    def _advance(self, number: int) -> None:
        with self._guard:
            if self._next == number:
                self._next += 1
            waiter = self._waiting.pop(self._next, None)
        if waiter is not None:
            waiter._resume(None)

    def _break(self, number: int) -> None:
        with self._guard:
            self._waiting.pop(number, None)
            if self._broken is None:
                self._broken = f"the coroutine with turn {number} of the sequencer was cancelled: no later turn comes"
            waiting, self._waiting = list(self._waiting.values()), {}
        for waiter in waiting:
            fail(waiter, IllegalStateError(self._broken))
