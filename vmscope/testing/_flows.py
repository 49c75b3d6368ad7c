"""Tests of flows: what a flow emits, one event after another; and every value that a StateFlow was given.

Written against two small protocols, so that it tests whatever has a `collect`.

Locks
    `_lock` of a FlowTest guards its events. A leaf.
Counterpart: Turbine. `record_values` has none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

from .._errors import CancellationException
from .._primitives import RLock
from ..coroutines._context import CoroutineName
from ..coroutines._coroutine import current, needed
from ..coroutines._dispatcher import Unconfined
from ..coroutines._scope import CoroutineStart, scope_of
from ..coroutines._suspend import (
    CANCELLABLE,
    SUSPENDED,
    SUSPENDED_PHASE,
    Continuation,
    Suspending,
    call,
    check_block,
    iterate,
)
from ..coroutines._time import checked_seconds
from ..coroutines._timer import shared_timers
from ._checks import fail
from ._dispatchers import UnconfinedTestDispatcher
from ._scheduler import TestScheduler

if TYPE_CHECKING:
    from types import TracebackType

    from ..coroutines._context import CoroutineContext
    from ..coroutines._job import Job

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: Real seconds that `await_item` and its kin wait.
WAIT = 3.0


class Collectable(Protocol[T_co]):
    """What can be tested: a flow."""

    def collect(self, collector: Callable[[Any], object], /) -> Suspending[Any]:
        """Call `collector(value)` for each value, suspend in between; return or raise when the flow has ended."""
        ...


class Event(NamedTuple):
    """One thing that a flow did: "item" with its value, "error" with the exception, or "complete"."""

    kind: str
    value: Any = None

    def __str__(self) -> str:
        return self.kind if self.kind == "complete" else f"{self.kind} {self.value!r}"


class _EventWait(Continuation[Event]):
    """The wait for the next event."""

    __slots__ = ("_test", "_timer")

    def __init__(self, test: FlowTest[Any]) -> None:
        self._begun = False
        self._test = test
        self._timer = _Limit(self)

    def _name(self) -> str:
        return "a flow's next event"

    def _start(self, coroutine: Any) -> object:
        test = self._test
        with test._lock:
            if test._events:
                return test._events.popleft()
        self._suspend(coroutine)
        with test._lock:
            if not test._events:
                test._waiting = self
                queue = shared_timers()
                queue.put_at(self._timer, queue.clock() + test._wait)
                if self._phase != SUSPENDED_PHASE:  # cancelled meanwhile, by another thread
                    queue.remove(self._timer)
                return SUSPENDED
            event = test._events.popleft() if self._claim() else None
        return SUSPENDED if event is None else event

    def _stands(self) -> bool:
        return self._test._waiting is self

    def _take_back(self, cause: BaseException) -> None:
        with self._test._lock:
            self._test._waiting = None
        shared_timers().remove(self._timer)


class _Limit:
    """The end of the real time of one wait."""

    __slots__ = ("_wait", "when")
    asynchronous = True
    when: float

    def __init__(self, wait: _EventWait) -> None:
        self._wait = wait

    def run(self) -> None:
        """Nothing has come."""
        test = self._wait._test
        with test._lock:
            if test._waiting is self._wait:
                test._waiting = None
        fail(self._wait, AssertionError(f"{test.name}: no event came within {test._wait:g} s"))

    def rejected(self) -> None:
        """The process ends."""


class FlowTest(Generic[T]):
    """What a flow emits while the test looks: made by `test_flow`. Each event must be consumed, or the test fails.

    Threads: the flow may emit on any; the rest belongs to the test.
    Turbine: ReceiveTurbine.
    """

    def __init__(self, flow: Collectable[T], timeout: float = WAIT, name: str = "the flow") -> None:
        if not callable(getattr(flow, "collect", None)):
            raise TypeError(f"test_flow() takes a flow, something with collect(), got {flow!r}")
        if not checked_seconds(timeout, "test_flow(timeout=...)") > 0:
            raise ValueError(f"test_flow(timeout=...) takes more than 0 seconds, got {timeout!r}")
        self.name = name
        self._flow = flow
        self._wait = timeout
        self._lock = RLock()
        self._events: deque[Event] = deque()
        self._waiting: _EventWait | None = None
        self._job: Job | None = None
        self._ignores = False

    # ---- what the flow did

    def await_item(self) -> Suspending[T]:
        """Wait for a value and give it.

        Raises:
            AssertionError: Something else came, or nothing in time.
        """
        return call("await_item", self._await, "item")

    def await_error(self) -> Suspending[BaseException]:
        """Wait for the flow to fail, and give its exception."""
        return call("await_error", self._await, "error")

    def await_complete(self) -> Suspending[None]:
        """Wait for the flow to end."""
        return call("await_complete", self._await, "complete")

    def await_event(self) -> Suspending[Event]:
        """Wait for whatever comes next."""
        return _EventWait(self)

    def skip_items(self, count: int) -> Suspending[None]:
        """Wait for `count` values and drop them."""
        if count < 0:
            raise ValueError(f"skip_items() takes 0 or more, got {count!r}")
        return call("skip_items", self._skip, count)

    def expect_no_events(self) -> None:
        """Fail if something has come that was not consumed."""
        with self._lock:
            events = list(self._events)
        if events:
            raise AssertionError(f"{self.name}: expected no events, found {_listed(events)}")

    def expect_item(self) -> T:
        """Give the value that has come already; fail if none has."""
        return self._expect("item")  # type: ignore[no-any-return]

    def expect_most_recent_item(self) -> T:
        """Give the last value that has come, and drop those before it.

        Raises:
            AssertionError: None has come.
            BaseException: What the flow failed with.
        """
        with self._lock:
            events = list(self._events)
            items = [event for event in events if event.kind == "item"]
            errors = [event for event in events if event.kind == "error"]
            self._events = deque(event for event in events if event.kind == "complete")
        if errors:
            raise errors[0].value
        if not items:
            raise AssertionError(f"{self.name}: expected an item, found {_listed(events)}")
        value: T = items[-1].value
        return value

    def cancel_and_ignore_remaining(self) -> Suspending[None]:
        """Stop collecting, and let be what was not consumed."""
        self._ignores = True
        return call("cancel_and_ignore_remaining", self._cancel)

    def cancel_and_consume_remaining(self) -> Suspending[list[Event]]:
        """Stop collecting, and give what was not consumed."""
        return call("cancel_and_consume_remaining", self._consume)

    def ensure_all_consumed(self) -> None:
        """Fail if there are events that nobody consumed."""
        with self._lock:
            events, self._events = list(self._events), deque()
        if events and not self._ignores:
            raise AssertionError(
                f"{self.name}: unconsumed events: {_listed(events)}. Await them, or call cancel_and_ignore_remaining()"
            )

    # ---- inside

    def _await(self, kind: str) -> Generator[Any, Any, Any]:
        event = yield from _EventWait(self)
        return self._checked(event, kind)

    def _skip(self, count: int) -> Generator[Any, Any, None]:
        for _ in range(count):
            yield from self._await("item")

    def _expect(self, kind: str) -> Any:
        with self._lock:
            event = self._events.popleft() if self._events else None
        if event is None:
            raise AssertionError(f"{self.name}: expected {kind}, found nothing")
        return self._checked(event, kind)

    def _checked(self, event: Event, kind: str) -> Any:
        if event.kind == kind:
            return event.value
        error = AssertionError(f"{self.name}: expected {kind}, found {event}")
        if event.kind == "error":
            error.__cause__ = event.value
        raise error

    def _cancel(self) -> Generator[Any, Any, None]:
        if self._job is not None:
            yield from self._job.cancel_and_join("the test of the flow is over")

    def _consume(self) -> Generator[Any, Any, list[Event]]:
        yield from self._cancel()
        with self._lock:
            events, self._events = list(self._events), deque()
        return events

    def _put(self, event: Event) -> None:
        with self._lock:
            waiter, self._waiting = self._waiting, None
            if waiter is None or not waiter._claim():
                waiter = None
                self._events.append(event)
        if waiter is not None:
            shared_timers().remove(waiter._timer)
            waiter._coroutine._resume(event, None, CANCELLABLE, None)

    def _take(self, value: Any) -> None:
        self._put(Event("item", value))

    def _collect(self) -> Generator[Any, Any, None]:
        try:
            yield from self._flow.collect(self._take)
        except (CancellationException, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001  (it is what the test wants to see)
            self._put(Event("error", error))
        else:
            self._put(Event("complete"))

    def __enter__(self) -> FlowTest[T]:
        context: CoroutineContext = needed("with test_flow(...)")._frame.coroutine_context
        scheduler = context.get(TestScheduler)
        dispatcher = Unconfined if scheduler is None else UnconfinedTestDispatcher(scheduler)
        self._job = scope_of(context).launch(
            self._collect, context=dispatcher + CoroutineName(self.name), start=CoroutineStart.UNDISPATCHED
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._job is not None
        self._job.cancel("the test of the flow is over")
        if error is None:
            self.ensure_all_consumed()

    async def __aenter__(self) -> FlowTest[T]:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._job is not None
        if error is None:
            await call("cancel", self._cancel)
        self.__exit__(kind, error, trace)


def _listed(events: list[Event]) -> str:
    return ", ".join(map(str, events)) or "nothing"


class _TestFlow(FlowTest[T], Suspending[Any]):
    """`test_flow(...)`: with a block a suspending call, without one a `with` block."""

    _begun = True  # nothing is lost where neither is used

    def __init__(self, flow: Collectable[T], block: Any, args: tuple[Any, ...], timeout: float, name: str) -> None:
        super().__init__(flow, timeout, name)
        self._block = block
        self._args = args

    def __iter__(self) -> Generator[Any, Any, Any]:
        if self._block is None:
            raise TypeError("test_flow(flow) takes a block, or stands in `with`")
        with self:
            value = self._block(self, *self._args)
            body = None if value is None else iterate(value)
            if body is not None:
                value = yield from body
            yield from self._cancel()
        return value

    __await__ = __iter__


def test_flow(
    flow: Collectable[Any],
    block: Callable[..., Any] | None = None,  # noqa: PT028  (no test, for all its name)
    *args: Any,
    timeout: float = WAIT,  # noqa: PT028
    name: str = "the flow",  # noqa: PT028
) -> Any:
    """Collect `flow`, and look at what it emits, event by event.

        with test_flow(feed.items) as events:               # in a coroutine of either spelling
            assert (yield from events.await_item()) == ()

        yield from test_flow(feed.items, check)             # or with a block, which gets the FlowTest first

    The collector runs in place wherever the flow emits, so that a StateFlow's values are not conflated. It stops at the
    end of the block. Several may be open at once.

    Args:
        flow: What is collected.
        block: Called with the FlowTest and `args`.
        timeout: Real seconds that each wait may take.
        name: For messages.

    Raises:
        AssertionError: Something else came than was awaited, nothing came in time, or events are left at the end.

    Threads: called in a coroutine.
    Turbine: Flow.test.
    """
    if block is not None:
        check_block(block, args, "test_flow()")
    return _TestFlow(flow, block, args, timeout, name)


test_flow.__test__ = False  # type: ignore[attr-defined]  # pytest: no test


class Assignable(Protocol):
    """What else `record_values` can record: something that tells of its assignments."""

    def watch_assignments(self, watch: Callable[[Any], object], /) -> Any:
        """Have `watch(value)` called in each assignment, on the assigning thread; answer with what has a dispose()."""
        ...

    @property
    def value(self) -> Any:
        """The value it has."""
        ...


class Recorded(list[Any]):
    """The values of a StateFlow, oldest first, beginning with the one it had; `writers` has who assigned each.

    Also a context manager, which stops recording.
    """

    def __init__(self, first: Any) -> None:
        super().__init__([first])
        self.writers: list[str | None] = [None]
        self._stop: Callable[[], object] | None = None

    def stop(self) -> None:
        """Record no more."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def _take(self, value: Any) -> None:
        self.append(value)
        self.writers.append(_writer())

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def record_values(state_flow: Any) -> Recorded:
    """Return a list that grows with each new value of a StateFlow: those too that no collector would ever see.

    It hooks the assignment itself, so nothing is conflated; setting an equal value changes nothing, and is not there.

    Args:
        state_flow: A MutableStateFlow, its read-only view, or what has `watch_assignments` (see `Assignable`).

    Raises:
        TypeError: `state_flow` is something else: a flow that is computed has no assignments, collect that.
    """
    hook = getattr(state_flow, "watch_assignments", None)
    if callable(hook):
        recorded = Recorded(state_flow.value)
        handle: Any = hook(recorded._take)
        recorded._stop = handle.dispose
        return recorded
    flow = _assigned_behind(state_flow)
    if flow is None:
        raise TypeError(
            f"record_values() takes a MutableStateFlow or its read-only view, got {state_flow!r}: collect anything else"
        )
    with flow._lock:
        recorded = Recorded(flow._value)
        if type(flow) not in _recording.values():
            flow.__class__ = _recording_kind(type(flow))
        _recorders.setdefault(flow, []).append(recorded)

    def stop() -> None:
        with flow._lock:
            kept = _recorders.get(flow, [])
            kept[:] = [each for each in kept if each is not recorded]
            if not kept:
                _recorders.pop(flow, None)
                flow.__class__ = type(flow).__bases__[0]

    recorded._stop = stop
    return recorded


_recorders: WeakKeyDictionary[Any, list[Recorded]] = WeakKeyDictionary()
_recording: dict[type, type] = {}  # what a flow that is recorded is an instance of, for each kind of flow


def _assigned_behind(flow: Any) -> Any:
    """The MutableStateFlow that `flow` is, or is a view of; None for anything else."""
    from ..flow._hot import StateView
    from ..flow._state import MutableStateFlow

    while isinstance(flow, StateView):
        flow = flow._of
    return flow if isinstance(flow, MutableStateFlow) else None


def _recording_kind(kind: Any) -> type:
    """The class of a flow that is recorded: as `kind`, with one more step in each assignment of the value."""
    made = _recording.get(kind)
    if made is None:
        slot: Any = kind._value

        def read(flow: Any) -> Any:
            return slot.__get__(flow, kind)

        def write(flow: Any, value: Any) -> None:  # the flow's lock is held: the order is that of the assignments
            slot.__set__(flow, value)
            for recorded in tuple(_recorders.get(flow, ())):
                recorded._take(value)

        made = type(kind.__name__, (kind,), {"__slots__": (), "__module__": kind.__module__})
        made._value = property(read, write)  # type: ignore[attr-defined]
        _recording[kind] = made
    return made


def _writer() -> str | None:
    """The name of the coroutine that assigns, or its kind; None for plain code."""
    coroutine = current.get()
    if coroutine is None:
        return None
    name = coroutine._env.context.get(CoroutineName)
    return name.name if name is not None else type(coroutine).__name__
