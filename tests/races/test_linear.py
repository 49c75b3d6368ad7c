"""Job, CompletableDeferred, MessageQueue and ViewModelStore answer as if their calls came one after another.

Random programs of two and three threads, in many orders under the explorer and then on real threads, against models of
a few lines. More of them, for an occasional run: `VMSCOPE_ORDERS=20 pytest tests/races/test_linear.py`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vmscope import (
    CancellationException,
    CompletableDeferred,
    DeferredCancelledError,
    IllegalStateError,
    Job,
    MessageQueue,
    ViewModel,
    ViewModelStore,
    run_blocking,
)
from vmscope.testing import ScheduleError, explore

from .faults import DEFERRED, FAULTS, JOB, MODEL, QUEUE, STORE, SUSPEND
from .linear import WAITS, Call, History, explained, programs
from .test_races import MORE

ACTIVE, COMPLETING, ENDING, TOLD, COMPLETED, CANCELLED = (
    "Active", "Completing", "is being cancelled", "all were told", "Completed", "Cancelled"
)  # fmt: skip


class JobModel:
    """State: (what the parent is, its children, those of them that are about to have ended).

    A cancellation shows first, and ends the job when the children have been told; a child ends first, and its parent
    hears of it second. `(ENDING, who)` is being told by that call.
    """

    start = (ACTIVE, frozenset[int](), frozenset[int]())
    second = frozenset({"cancel", "end", "attach"})

    def call(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> tuple[Any, Any]:
        what, children, leaving = state
        lives = what in (ACTIVE, COMPLETING)
        if name == "complete":
            return self._settled(COMPLETING if what == ACTIVE else what, children, leaving), what == ACTIVE
        if name == "cancel":
            return ((ENDING, me) if lives else what, children, leaving), None
        if name == "attach":  # one that comes late is cancelled where it attaches
            child = {arguments[0]}
            late = not lives and what not in (COMPLETED, CANCELLED)
            return (what, children | child if lives else children, leaving | child if late else leaving), None
        if name == "end":
            child = {arguments[0]} & children
            return (what, children - child, leaving | child), None
        ended = what in (COMPLETED, CANCELLED)
        answers = {"is_active": lives, "is_cancelled": not lives and what != COMPLETED, "is_completed": ended}
        return state, answers[name]

    def then(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> Any:
        what, children, leaving = state
        if name == "cancel":
            return self._settled(TOLD, frozenset(), leaving) if what == (ENDING, me) else state
        return self._settled(what, children, leaving - {*arguments})

    def _settled(self, what: Any, children: frozenset[int], leaving: frozenset[int]) -> Any:
        if not children and not leaving:
            what = {COMPLETING: COMPLETED, TOLD: CANCELLED}.get(what, what)
        return what, children, leaving


class JobTrial:
    """A parent; each thread ends the children that it attached itself."""

    model = JobModel()
    watch = (JOB,)
    choices = [("complete",), ("cancel",), ("attach",), ("attach",), ("end",), ("is_active",), ("is_cancelled",),
               ("is_completed",)]  # fmt: skip
    fault = "the end in two moves: a cancel comes between"

    def __init__(self) -> None:
        self.job = Job()
        self.told: list[BaseException | None] = []
        self.job.invoke_on_completion(self.told.append)
        self.children: dict[int, list[Any]] = {}
        self.numbers: dict[int, list[int]] = {}

    def arguments(self, thread: int, name: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
        numbers = self.numbers.setdefault(thread, [])
        if name == "attach":
            numbers.append(10 * thread + len(numbers))
            return (numbers[-1],)
        return (numbers[len(self.children.get(thread, [])) - 1] if numbers else -1,) if name == "end" else given

    def call(self, thread: int, name: str, arguments: tuple[Any, ...]) -> Any:
        mine = self.children.setdefault(thread, [])
        if name == "attach":
            mine.append(Job(self.job))
            return None
        if name == "end":
            if mine:
                mine[-1].complete()
            return None
        if name in ("complete", "cancel"):
            return getattr(self.job, name)()
        return getattr(self.job, name)

    def accepts(self, state: Any) -> bool:
        what, children, _ = state
        alive = [child for mine in self.children.values() for child in mine if child.is_active]
        return (
            (what in (COMPLETED, CANCELLED)) == self.job.is_completed
            and (what == CANCELLED) == self.job.is_cancelled
            and len(children) == len(alive) == sum(1 for _ in self.job.children)
            and len(self.told) == self.job.is_completed
        )


class DeferredModel:
    """State: (what it is, the outcome, who ends it). A failure or cancellation shows first, and ends it second."""

    start = (ACTIVE, None, -1)
    second = frozenset({"fail", "cancel"})

    def call(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> tuple[Any, Any]:
        what, outcome, _ = state
        first = what == ACTIVE
        if name == "complete":
            return (COMPLETED, *arguments, me) if first else state, first
        if name == "fail":
            return (ENDING, *arguments, me) if first else state, first
        if name == "cancel":
            return (ENDING, "cancelled", me) if first else state, None
        return state, outcome if what == COMPLETED else "not yet" if name == "look" else WAITS

    def then(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> Any:
        what, outcome, by = state
        return (COMPLETED, outcome, by) if what == ENDING and by == me else state


class DeferredTrial:
    """Completed, failed, cancelled, asked and awaited. The first thread never waits, and cancels in the end."""

    model = DeferredModel()
    watch = (JOB, DEFERRED, SUSPEND)
    choices = [("complete", 1), ("complete", 2), ("fail", "a"), ("cancel",), ("look",), ("await",)]
    fault = "the body ends without the lock"

    def __init__(self) -> None:
        self.deferred: CompletableDeferred[int] = CompletableDeferred()

    def arguments(self, thread: int, name: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return given

    def call(self, thread: int, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "complete":
            return self.deferred.complete(*arguments)
        if name == "fail":
            return self.deferred.complete_exceptionally(ValueError(*arguments))
        if name == "cancel":
            return self.deferred.cancel()
        try:
            return self.deferred.get_completed() if name == "look" else run_blocking(self.deferred.await_)
        except IllegalStateError:
            return "not yet"
        except ValueError as failure:
            return failure.args[0]
        except (CancellationException, DeferredCancelledError):
            return "cancelled"

    def accepts(self, state: Any) -> bool:
        return state[0] == COMPLETED and self.deferred.is_completed


class Named:
    """An item with a name."""

    asynchronous = False
    when = 0.0

    def __init__(self, name: Any) -> None:
        self.name = name
        self.dropped = 0

    def run(self) -> None:
        raise AssertionError("the queue of a trial is only taken from")

    def rejected(self) -> None:
        self.dropped += 1


class QueueModel:
    """State: (what waits, who has quit, what was dropped)."""

    start = ((), False, frozenset[int]())
    second = frozenset[str]()

    def call(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> tuple[Any, Any]:
        waiting, quit_, dropped = state
        if name in ("put", "front"):
            if quit_:
                return state, False
            item = arguments[0]
            return (((*waiting, item) if name == "put" else (item, *waiting)), quit_, dropped), True
        if name == "take":
            return ((waiting[1:], quit_, dropped), waiting[0]) if waiting else (state, None)
        if name == "pending":
            return state, bool(waiting)
        if quit_ or name == "quit_safely":  # all of it is due: a safe quit leaves it
            return (waiting, True, dropped), None
        return ((), True, dropped | {*waiting}), None

    def then(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> Any:
        raise AssertionError(f"{name} is one moment")


class _Either:
    """An answer that any model's is as good as."""

    def __ne__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        return "either"


class QueueTrial:
    """Any thread puts and quits; the first one takes."""

    model = QueueModel()
    watch = (QUEUE,)
    choices = [("put",), ("put",), ("front",), ("take",), ("take",), ("pending",), ("quit",), ("quit_safely",)]
    fault = "a put does not look whether the queue quit meanwhile"

    def __init__(self) -> None:
        self.queue = MessageQueue(lambda: 1.0)
        self.items: dict[Any, Named] = {}
        self.made: dict[int, int] = {}
        self.begun: list[int] = []  # puts
        self.ended: list[int] = []

    def arguments(self, thread: int, name: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
        if name not in ("put", "front"):
            return given
        self.made[thread] = number = self.made.get(thread, 0) + 1
        self.items[10 * thread + number] = Named(10 * thread + number)
        return (10 * thread + number,)

    def call(self, thread: int, name: str, arguments: tuple[Any, ...]) -> Any:
        if name in ("put", "front"):
            self.begun.append(thread)
            taken = (self.queue.put if name == "put" else self.queue.put_front)(self.items[arguments[0]])
            self.ended.append(thread)
            return taken
        if name == "pending":
            ended = len(self.ended)
            seen = self.queue.peek_when() is not None
            # Who looks while a put is under way may see an item that goes again, since the queue quits: the put says
            # False, and the item was neither run nor dropped.
            return _Either() if seen and ended < len(self.begun) else seen
        if name == "take":
            item = self.queue.next(timeout=0)
            return None if item is None else item.name  # type: ignore[attr-defined]
        return self.queue.quit(safely=name == "quit_safely")

    def accepts(self, state: Any) -> bool:
        waiting, _, dropped = state
        return [item.name for item in self.queue._snapshot()] == [*waiting] and {
            name: item.dropped for name, item in self.items.items() if item.dropped
        } == dict.fromkeys(dropped, 1)


class StoreModel:
    """State: the map, as pairs in the order of their keys."""

    start = ()
    second = frozenset[str]()

    def call(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> tuple[Any, Any]:
        kept = dict(state)
        if name == "put":
            key, model = arguments
            return tuple(sorted({**kept, key: model}.items())), None
        if name == "clear":
            return (), None
        if name == "get":
            return state, kept.get(*arguments)
        return state, frozenset(kept)

    def then(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> Any:
        raise AssertionError(f"{name} is one moment")


class StoreTrial:
    """Two keys; what is not kept in the end was cleared, once."""

    model = StoreModel()
    watch = (STORE, MODEL)
    choices = [("put", "a"), ("put", "a"), ("put", "b"), ("get", "a"), ("get", "b"), ("keys",), ("clear",)]
    fault = "store put without the lock"

    def __init__(self) -> None:
        self.store = ViewModelStore()
        self.models: dict[int, Any] = {}

    def arguments(self, thread: int, name: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
        if name != "put":
            return given
        number = 10 * thread
        while number in self.models:  # no walk over all of them: other threads add theirs
            number += 1
        self.models[number] = Counted(number)
        return (*given, number)

    def call(self, thread: int, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "put":
            return self.store.put(arguments[0], self.models[arguments[1]])
        found = getattr(self.store, name)(*arguments)
        return found.number if isinstance(found, Counted) else found

    def accepts(self, state: Any) -> bool:
        kept = {*dict(state).values()}
        return all(model.cleared == (number not in kept) for number, model in self.models.items())


class Counted(ViewModel):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.cleared = 0

    def on_cleared(self) -> None:
        self.cleared += 1


TRIALS: list[Any] = [JobTrial, DeferredTrial, QueueTrial, StoreTrial]


def at_work(trial: Any, program: list[list[tuple[Any, ...]]]) -> tuple[History, list[Callable[[], None]]]:
    """The program's threads, each to run its calls on `trial`."""
    history = History()

    def body(thread: int, calls: list[tuple[Any, ...]]) -> Callable[[], None]:
        def run() -> None:
            for name, *given in calls:
                call = history.begin(thread, name, *trial.arguments(thread, name, tuple(given)))
                history.end(call, trial.call(thread, name, call.arguments))

        return run

    return history, [body(thread, calls) for thread, calls in enumerate(program)]


def fitted(kind: Any, program: list[list[tuple[Any, ...]]]) -> list[list[tuple[Any, ...]]]:
    """What a trial asks of its programs: one thread takes; who awaits is woken by another in the end."""
    first, *others = program
    if kind is QueueTrial:
        others = [[call if call != ("take",) else ("put",) for call in calls] for calls in others]
        first = [*first, ("take",)]
    if kind is DeferredTrial:
        first = [*(call if call != ("await",) else ("look",) for call in first), ("cancel",)]
    return [first, *others]


def check(trial: Any, history: History) -> None:
    calls = history.calls()
    assert explained(calls, trial.model, trial.accepts), "no order explains it:\n" + "\n".join(map(repr, calls))


def as_program(kind: Any, program: list[list[tuple[Any, ...]]]) -> Callable[[], Iterator[Any]]:
    """As the explorer wants it."""

    def run() -> Iterator[Any]:
        trial = kind()
        history, bodies = at_work(trial, program)
        yield bodies
        check(trial, history)

    return run


@pytest.mark.parametrize("kind", TRIALS, ids=lambda kind: kind.__name__)
def test_random_programs_are_explained_in_every_order_that_was_tried(kind):
    """F4, F32, F46."""
    watch = [sys.modules[f"vmscope.{name}"] for name in kind.watch]

    for number, program in enumerate(programs(kind.choices, 1, int(25 * MORE))):
        explore(as_program(kind, fitted(kind, program)), watch=watch, most=20, random=6, seed=number)


@pytest.mark.parametrize("kind", TRIALS, ids=lambda kind: kind.__name__)
def test_random_programs_are_explained_on_real_threads(kind):
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for program in programs(kind.choices, 2, int(150 * MORE)):
            trial = kind()
            history, bodies = at_work(trial, fitted(kind, program))
            threads = [threading.Thread(target=body) for body in bodies]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            check(trial, history)
    finally:
        sys.setswitchinterval(usual)


@pytest.mark.parametrize("kind", TRIALS, ids=lambda kind: kind.__name__)
def test_a_planted_fault_is_not_explained(kind):
    fault = next(each for each in FAULTS if each.name == kind.fault)
    watch = [sys.modules[f"vmscope.{name}"] for name in kind.watch]

    with fault.planted(), pytest.raises(ScheduleError):
        for number, program in enumerate(programs(kind.choices, 1, 60)):
            explore(as_program(kind, fitted(kind, program)), watch=watch, most=200, random=30, seed=number)


def _calls(*told: tuple[int, str, tuple[Any, ...], Any, int, int]) -> list[Call]:
    calls = []
    for thread, name, arguments, answer, began, ended in told:
        call = Call(thread, name, arguments)
        call.answer, call.began, call.ended = answer, began, ended
        calls.append(call)
    return calls


def test_the_search_knows_what_no_order_explains():
    put, late = (0, "put", ("a", 1), None, 0, 3), (1, "get", ("a",), None, 4, 5)
    stale = (1, "get", ("a",), None, 1, 2)

    assert not explained(_calls(put, late), StoreModel())  # the put was over
    assert explained(_calls(put, stale), StoreModel())  # they overlap
    assert not explained(_calls((0, "await", (), 1, 0, 1)), DeferredModel())  # nobody has completed it
    assert not explained(_calls(put), StoreModel(), lambda state: state == ())
