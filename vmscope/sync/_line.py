"""Lines: who waits for a primitive, in the order they came; one algorithm for coroutines and for plain threads.

A primitive has one lock, its state, and a Line of those who wait. What a caller asks for is a Wait: `_try_locked` does
it at once, or answers WAITING; then it stands in the line until somebody takes it out and hands it what it waits for.

                    _try_locked                       taken out of the line
    called ------------------------> done      +----------------------------------> granted -> resumed
       |  WAITING                              |                                       |
       +----------> suspended, in the line ----+  cancelled, or its time is up         | cancelled before it ran:
                                               +----------------------------> left     v `_give_back`

A plain thread waits by the same steps: `block` begins the Wait with a Parked thread in place of a coroutine.

Invariants
    I1  who takes a Wait out of its line, under the lock, is the one that resumes it, after the lock: who grants it what
        it waits for, or who cancels it. It comes to stand there once its generator is at rest.
    I2  a Wait that is cancelled too late for that is not resumed twice: as it arrives, what it was granted is given
        back, a permit or a lock to the next in line, an element to the hook of its channel. Nothing goes to the dead.
    I3  whoever waits came before those who come now: a free primitive has an empty line.
Locks
    The lock of the primitive (a reentrant one: a finalizer may come back to it) guards its state, its Lines and
    `_queued` of those in them. Under it neither callers' code nor another lock; select alone takes several, in one
    order, and under them no other.
Counterpart: kotlinx.coroutines.internal.ConcurrentLinkedList and Waiter, without their segments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from math import inf, isnan
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar, cast

from .._primitives import FREE_THREADED, Lock, RLock, wait_in_turns
from .._thrown import own
from ..coroutines._context import EmptyCoroutineContext
from ..coroutines._coroutine import current, needed
from ..coroutines._job import ACTIVE, COMPLETING
from ..coroutines._suspend import (
    CANCELLABLE,
    CANCELLED_PHASE,
    RESUMED,
    SUSPENDED,
    SUSPENDED_PHASE,
    Call,
    Continuation,
    Suspending,
    check_block,
    iterate,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..coroutines._context import CoroutineContext

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Word:
    """A value that is told by identity, and shows its name."""

    __slots__ = ("_word",)

    def __init__(self, word: str) -> None:
        self._word = word

    def __repr__(self) -> str:
        return self._word


#: The answer of `_try_locked` when there is nothing to be had yet.
WAITING: Any = Word("WAITING")


class Line:
    """Those who wait, first come first served. Leaving is a mark, swept out later: no search however long the line."""

    __slots__ = ("_gone", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._gone = 0  # how many in there have left

    def add(self, wait: Any) -> None:
        """Put `wait` last."""
        wait._queued = True
        self._waiting.append(wait)

    def take(self) -> Any:
        """Take out the first who is still to be had, None where nobody is."""
        waiting = self._waiting
        while waiting:
            try:
                wait = waiting.popleft()
            except IndexError:  # a finalizer was here between the look and the step
                return None
            if not wait._queued:
                self._gone -= 1
                continue
            wait._queued = False
            if wait._select is None or wait._win():
                return wait
        return None

    def take_all(self, most: float = inf) -> list[Any]:
        """Take out everybody, in order; no more than `most`."""
        found: list[Any] = []
        while len(found) < most and (wait := self.take()) is not None:
            found.append(wait)
        return found

    def first(self) -> Any:
        """Return the first who is still there, without taking it; None where nobody is. One of a select may be past."""
        for wait in self._waiting:
            if wait._queued:
                return wait
        return None

    def remove(self, wait: Any) -> bool:
        """Let `wait` leave. False: it has been taken out, or was never in."""
        if not wait._queued:
            return False
        wait._queued = False
        self._gone += 1
        if self._gone > 32 and self._gone * 2 > len(self._waiting):
            kept = [one for one in self._waiting if one._queued]
            self._waiting.clear()
            self._waiting.extend(kept)
            self._gone = 0
        return True

    def __bool__(self) -> bool:
        return len(self._waiting) > self._gone

    def __len__(self) -> int:
        return max(0, len(self._waiting) - self._gone)


class Decided(Continuation[T_co]):
    """A continuation of which another lock than that of the tree decides who resumes it; `_claim` takes that one.

    So its job is told of it without a lock, where there is the GIL.
    """

    __slots__ = ()

    # A cancellation is not missed: the starter runs W1 then W2, who cancels changes the state, then looks at `_waiter`,
    # both under the lock of the tree. Whichever comes second sees the other; where both do, `_claim` decides. Nor does
    # a mark stay behind in the list of the job: who resumes runs G1 then G2, `Job._add_locked` sets the mark first and
    # looks at `_waiter` second. The GIL runs them in one order; without it W1, and G1 with G2, take the lock. Two turns
    # of the lock for each wait are 0.3 us of 3 (3.11).
    def _on(self, coroutine: Any) -> Any:
        """The generator is at rest: let the job know. Returns that; the caller looks whether it is active (W2)."""
        self._coroutine = coroutine
        self._frame = frame = coroutine._frame
        self._mark = None
        self._phase = SUSPENDED_PHASE
        if FREE_THREADED:  # pragma: no cover - builds without the GIL
            with frame._lock:
                frame._waiter = self
        else:
            frame._waiter = self  # W1 be there
        return frame

    def _off(self) -> None:
        """It waits no more: the job is to forget it."""
        self._phase = RESUMED
        frame = self._frame
        if FREE_THREADED:  # pragma: no cover - builds without the GIL
            with frame._lock:
                frame._waiter = None
                if self._mark is not None:
                    self._drop_mark_locked()
        else:
            frame._waiter = None  # G1 leave
            if self._mark is not None:  # G2 then look
                with frame._lock:
                    self._drop_mark_locked()

    def _drop_mark_locked(self) -> None:
        self._frame._nodes.pop(self._mark, None)
        self._mark = None

    def _claim(self, phase: int = RESUMED) -> bool:
        raise NotImplementedError


class Wait(Decided[T]):
    """One call of a suspending function of a primitive, its `_home`, in whose `_line` it stands while it waits."""

    __slots__ = ("_home", "_queued", "_value")
    _select: ClassVar[Any] = None  # a clause of a select has one
    _home: Any
    _queued: bool
    _value: Any  # what it was granted, until it arrives

    def __init__(self, home: Any) -> None:
        self._begun = False
        self._home = home
        self._queued = False

    def __iter__(self) -> Generator[Any, Any, T]:
        if self._begun:
            self._begin()
        self._begun = True
        answer: Any = self._enter(None)  # here and not in `_start`: what need not wait costs no turn of the step
        if answer is not WAITING:
            return cast("T", answer)
        if current.get() is None:
            needed(f"{self._name()}()")  # raises: nobody would resume it
        return cast("T", (yield self))

    __await__ = __iter__

    def _enter(self, waiter: Any) -> Any:
        """Do it, if it can be done now, and return the value of the call; else answer WAITING."""
        with self._home._lock:
            answer = self._try_locked()
        return answer if answer is WAITING else self._done(answer, waiter)

    def _start(self, coroutine: Any) -> object:
        """The generator is at rest: do it after all, or stand in the line."""
        self._coroutine = coroutine  # `_on` longhand, 0.04 us (3.11)
        self._frame = frame = coroutine._frame
        self._mark = None
        self._phase = SUSPENDED_PHASE
        if FREE_THREADED:  # pragma: no cover - builds without the GIL
            with frame._lock:
                frame._waiter = self
        else:
            frame._waiter = self  # W1 be there
        try:
            with self._home._lock:
                answer = self._stand_locked()
        except BaseException:
            self._off()
            raise
        if answer is not WAITING:
            self._off()
            return self._done(answer, coroutine)
        if not ACTIVE <= frame._state <= COMPLETING:  # W2 then look
            self._cancelled_by(frame)  # as in the reference, it hears so by a dispatch
        return SUSPENDED

    def _stands(self) -> bool:
        return self._queued

    def _stand_locked(self) -> Any:
        """Do it, if it can be done now; else stand in the line, and answer WAITING."""
        answer = self._try_locked()
        if answer is WAITING:
            self._line_locked().add(self)
        return answer

    # -- what the kinds of waits differ in

    def _try_locked(self) -> Any:
        """Do it, if it can be done now; else answer WAITING."""
        return self._home._try_locked()

    def _line_locked(self) -> Line:
        """Where to stand."""
        line: Line = self._home._line
        return line

    def _done(self, answer: Any, waiter: Any) -> Any:
        """`_try_locked` did it: do what follows without the lock, and return the value of the call.

        `waiter`: the thread, or the coroutine at rest, for which it was done; None for the running coroutine.
        """
        return answer

    def _give_back(self, value: Any) -> None:
        """`value` was granted to somebody who was cancelled: see that it is not lost."""

    def _came_to_nothing(self) -> None:
        """It ends, cancelled, and was granted nothing."""

    # -- how it ends: by who takes it out of the line, under the lock of the primitive

    def _grant(self, value: Any) -> None:
        """Hand over what it waits for. Called by who took it out of the line, without the lock."""
        self._settle(value, value)

    def _settle(self, value: Any, answer: Any) -> None:
        """It was granted `value`, which the call gives as `answer`."""
        self._value = value
        self._off()
        self._coroutine._resume(answer, None, CANCELLABLE, self)

    def _fail(self, error: BaseException) -> None:
        """Let the call raise `error`. Called as `_grant` is."""
        self._off()
        self._coroutine._resume(None, error, CANCELLABLE, None)

    def _lost(self, cause: BaseException) -> None:
        """It was granted something, and cancelled before that arrived."""
        self._give_back(self._value)

    def _claim(self, phase: int = RESUMED) -> bool:
        """Take it out of the line, to resume it. False: somebody else did."""
        home = self._home
        with home._lock:
            mine = self._line_locked().remove(self)
        if mine:
            self._off()
        return mine

    def _take_back(self, cause: BaseException) -> None:
        """It was claimed for a cancellation."""
        self._came_to_nothing()


class Parked:
    """A thread that waits, in the place of a coroutine: to the one who grants there is no difference."""

    __slots__ = ("__weakref__", "_bell", "_lock", "_waiter", "error", "value")
    _state = ACTIVE
    is_completed = True  # as who throws an exception: the thread throws it, and says so itself
    coroutine_context: CoroutineContext = EmptyCoroutineContext

    value: Any
    error: BaseException | None

    def __init__(self) -> None:
        self._lock = RLock()
        self._waiter: Any = None
        self._bell = Lock()
        self._bell.acquire()

    @property
    def _frame(self) -> Parked:
        return self

    def _resume(self, value: object, error: BaseException | None, mode: int, cont: object) -> None:
        self.value = value
        self.error = error
        self._bell.release()

    def _go_on(self) -> None:
        self._resume(None, None, CANCELLABLE, None)

    def sleep(self, seconds: float) -> bool:
        """Sleep until resumed. False: `seconds` are over."""
        return wait_in_turns(self._ring, seconds)

    def _ring(self, seconds: float | None) -> bool:
        return self._bell.acquire(timeout=-1 if seconds is None else seconds)


def block(wait: Wait[T], timeout: float | None, where: str) -> T:
    """Do on a plain thread what a coroutine would do with `yield from wait`.

    Raises:
        TimeoutError: The time was up; nothing was done.
    """
    wait._begun = True
    seconds = checked_timeout(timeout, where)
    thread = Parked()
    answer: Any = wait._enter(thread)
    if answer is WAITING:
        answer = wait._start(thread)
    if answer is not SUSPENDED:
        return answer  # type: ignore[no-any-return]
    try:
        rung = thread.sleep(seconds)
    except BaseException as interrupt:  # Ctrl-C: leave the line; what was granted meanwhile goes on
        if wait._claim(CANCELLED_PHASE):
            wait._take_back(interrupt)
        else:
            thread._bell.acquire()
            if thread.error is None:
                wait._lost(interrupt)
        raise
    if not rung:
        if wait._claim(CANCELLED_PHASE):
            timed_out = TimeoutError(f"{where}: {seconds:g} s are over")
            wait._take_back(timed_out)
            raise timed_out
        thread._bell.acquire()  # granted in the last moment
    if thread.error is not None:
        raise own(thread.error)
    return thread.value  # type: ignore[no-any-return]


def checked_timeout(timeout: object, where: str) -> float:
    """Return the seconds that `timeout` says; None is for ever.

    Raises:
        TypeError, ValueError: It is no number of seconds.
    """
    if timeout is None:
        return inf
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"{where} takes timeout= in seconds, or None, got {timeout!r}")
    if isnan(timeout):
        raise ValueError(f"{where} takes timeout= in seconds, or None, got nan")
    return max(0.0, timeout)


def checked_count(value: object, what: str, least: int) -> int:
    """Return `value`.

    Raises:
        TypeError, ValueError: It is no whole number from `least` up.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{what} must be at least {least}, got {value!r}")
    return value


class LineStatistics(NamedTuple):
    """What `statistics()` of a primitive tells at one moment.

    Attributes:
        waiting: How many wait, coroutines and threads.
        held: How many permits, places or locks are taken.
        owner: Who holds it, where that is known.
    """

    waiting: int
    held: int = 0
    owner: object = None


class Held:
    """What is entered and left again: `async with`, `with_...(block)`, `with ....blocking():`. A mixin."""

    __slots__ = ()

    def _entry(self) -> Wait[Any]:
        """Return the wait that enters."""
        raise NotImplementedError

    def _leave(self) -> None:
        """Leave it."""
        raise NotImplementedError

    async def __aenter__(self) -> None:
        await self._entry()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def acquire_blocking(self, timeout: float | None = None) -> bool:
        """Enter it on a plain thread, which sleeps until it is its turn.

        Returns:
            False where `timeout` seconds were over before; None waits for ever.

        Threads: any but one that runs coroutines: they would wait with it.
        """
        try:
            block(self._entry(), timeout, "acquire_blocking()")
        except TimeoutError:
            return False
        return True

    def blocking(self, timeout: float | None = None) -> Blocking:
        """Return what a plain thread enters by `with`: `with mutex.blocking():`.

        Raises:
            TimeoutError: On entering, where `timeout` seconds were over.
        """
        return Blocking(self, timeout)


class Blocking:
    """`with primitive.blocking():` on a plain thread."""

    __slots__ = ("_held", "_timeout")

    def __init__(self, held: Held, timeout: float | None) -> None:
        self._held = held
        self._timeout = timeout

    def __enter__(self) -> None:
        block(self._held._entry(), self._timeout, "blocking()")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held._leave()


def with_held(held: Held, body: Callable[..., Any], *args: Any) -> Suspending[Any]:
    """Enter `held`, run the block `body(*args)`, and leave, however the block ended: `async with held` for generators.

    Args:
        held: What `async with` takes: a Mutex, Semaphore, Condition, CapacityLimiter, or a side of a ReadWriteMutex.

    Returns:
        The value of the block.
    """
    return within("with_held", held, body, args)


def within(name: str, held: Held, body: Any, args: tuple[Any, ...]) -> Suspending[Any]:
    """Return the suspending call that enters `held`, runs the block `body`, and leaves."""
    check_block(body, args, f"{name}()")
    return Call(name, _within, (held, body, args))


def _within(held: Held, body: Any, args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    yield from held._entry()
    try:
        return (yield from run_inline(body, args))
    finally:
        held._leave()


def run_inline(body: Any, args: tuple[Any, ...]) -> Generator[Any, Any, Any]:
    """Run a block to its end, as a part of the caller."""
    value = body(*args) if callable(body) else body
    inner = None if value is None else iterate(value)
    return value if inner is None else (yield from inner)
