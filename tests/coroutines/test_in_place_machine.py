"""The loop that starts and resumes in place, against a small model of the reference's: who goes first on one thread.

The model is what kotlinx.coroutines does, without jobs, locks or values: a flag, a FIFO, and the queue of the main
thread. A start or a resumption that needs no dispatch runs now, and then all that gathered in the FIFO meanwhile; or,
where something runs in place already, it goes into the FIFO. `with_context` is a start whose caller waits for the end:
where that comes before the start has returned, it goes on as if it had never waited, else it is resumed like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from itertools import count
from typing import Any

from hypothesis import example, given, settings, strategies as st

from tests.virtual_main import VMain
from vmscope import (
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    Job,
    SupervisorJob,
    suspend_cancellable_coroutine,
    with_context,
    yield_,
)

DISPATCHERS = {"main": Dispatchers.Main, "immediate": Dispatchers.Main.immediate, "unconfined": Dispatchers.Unconfined}
GATES = 2

#: A body: words to write down, and acts. `("launch", dispatcher, undispatched, body)`, `("with", dispatcher, body)`,
#: `("yield",)`, `("wait", gate)` and `("open", gate)`, which resumes the one that has waited longest.
Body = list[Any]


class Block:
    """In the model: a body at work, and where it runs."""

    def __init__(self, body: Body, dispatcher: str) -> None:
        self.acts = iter(body)
        self.dispatcher = dispatcher


class Task:
    """In the model: a coroutine, as the stack of the blocks that it is in."""

    def __init__(self, body: Body, dispatcher: str) -> None:
        self.blocks = [Block(body, dispatcher)]

    @property
    def dispatcher(self) -> str:
        return self.blocks[-1].dispatcher


class Inner(Task):
    """In the model: the block of a with_context that changes the dispatcher."""

    def __init__(self, caller: Task, block: Block) -> None:
        self.blocks = [block]
        self.caller = caller
        self.left = self.over = False


class Model:
    """One thread: what it wrote down, what stands in its queue, and what runs in place."""

    def __init__(self) -> None:
        self.log: list[int] = []
        self.posted: deque[Callable[[], None]] = deque()
        self.in_place = False
        self.fifo: deque[Callable[[], None]] = deque()
        self.gates: list[deque[Task]] = [deque() for _ in range(GATES)]

    def start(self, task: Task) -> None:
        """Start or resume it by its dispatcher."""
        if task.dispatcher == "main":
            self.posted.append(lambda: self.run(task))
        elif self.in_place:
            self.fifo.append(lambda: self.run(task))
        else:
            self.in_place = True
            self.run(task)
            while self.fifo:
                self.fifo.popleft()()
            self.in_place = False

    def run(self, task: Task) -> None:
        """Do what it does until it waits or ends."""
        while True:
            block = task.blocks[-1]
            act = next(block.acts, None)
            if act is None:
                task.blocks.pop()
                if not task.blocks:
                    self.end(task)
                    return
            elif isinstance(act, int):
                self.log.append(act)
            elif self.waits(task, *act):
                return

    def waits(self, task: Task, act: str, *given_: Any) -> bool:
        if act == "wait":
            self.gates[given_[0]].append(task)
            return True
        if act == "yield":
            if task.dispatcher == "unconfined":
                if not self.fifo:
                    return False
                self.fifo.append(lambda: self.run(task))
            else:
                self.posted.append(lambda: self.run(task))
            return True
        if act == "with":
            return self.enter(task, *given_)
        self.do(act, *given_)
        return False

    def do(self, act: str, *given_: Any) -> None:
        if act == "launch":
            dispatcher, undispatched, body = given_
            task = Task(body, dispatcher)
            if undispatched:
                self.run(task)
            else:
                self.start(task)
        elif self.gates[given_[0]]:
            self.start(self.gates[given_[0]].popleft())

    def enter(self, task: Task, dispatcher: str, body: Body) -> bool:
        """True: the caller waits."""
        block = Block(body, dispatcher)
        if dispatcher == task.dispatcher:
            task.blocks.append(block)
            return False
        inner = Inner(task, block)
        self.start(inner)
        inner.left = True  # from here on its end resumes the caller
        return not inner.over

    def end(self, task: Task) -> None:
        """A coroutine is over, or a block that a caller waits for."""
        if isinstance(task, Inner):
            task.over = True
            if task.left:
                self.start(task.caller)


def in_model(program: Body) -> list[int]:
    """What the model writes down."""
    thread = Model()
    for act in program:
        if isinstance(act, int):
            thread.log.append(act)
        else:
            thread.do(*act)
    while thread.posted or any(thread.gates):
        while thread.posted:
            thread.posted.popleft()()
        for gate in range(GATES):
            thread.do("open", gate)
    return thread.log


def in_library(program: Body) -> list[int]:
    """What the library's coroutines write down."""
    log: list[int] = []
    gates: list[deque[Any]] = [deque() for _ in range(GATES)]

    def body(acts: Body) -> Generator[Any, Any, None]:
        for act in acts:
            if isinstance(act, int):
                log.append(act)
            elif act[0] == "yield":
                yield from yield_()
            elif act[0] == "wait":
                yield from suspend_cancellable_coroutine(gates[act[1]].append)
            elif act[0] == "with":
                yield from with_context(DISPATCHERS[act[1]], body, act[2])
            else:
                do(*act)

    def do(act: str, *given_: Any) -> None:
        if act == "launch":
            dispatcher, undispatched, acts = given_
            start = CoroutineStart.UNDISPATCHED if undispatched else CoroutineStart.DEFAULT
            scope.launch(body, acts, context=DISPATCHERS[dispatcher], start=start)
        elif gates[given_[0]]:
            gates[given_[0]].popleft().resume(None)

    with VMain() as main:
        scope = CoroutineScope(SupervisorJob())
        for act in program:
            if isinstance(act, int):
                log.append(act)
            else:
                do(*act)
        while main.step() or any(gates):
            main.run_current()
            for gate in range(GATES):
                do("open", gate)
        assert not list(scope.coroutine_context[Job].children)  # type: ignore[index]
    return log


def numbered(program: Body) -> Body:
    """The same with a number for each word, and one at the begin and the end of each body."""
    numbers = count(1)

    def number(acts: Body) -> Body:
        words: Body = []
        for act in acts:
            if act == 0:
                words.append(next(numbers))
            elif isinstance(act[-1], list):
                words.append((*act[:-1], number([0, *act[-1], 0])))
            else:
                words.append(act)
        return words

    return number(program)


KIND = st.sampled_from(["main", "immediate", "immediate", "unconfined", "unconfined"])
GATE = st.sampled_from(range(GATES))
WAITS = st.tuples(st.just("yield")) | st.tuples(st.just("wait"), GATE)
SIMPLE = st.just(0) | st.tuples(st.just("open"), GATE)
BODY = st.recursive(
    st.lists(SIMPLE | WAITS, max_size=3),
    lambda body: st.lists(
        SIMPLE | WAITS | st.tuples(st.just("with"), KIND, body)
        | st.tuples(st.just("launch"), KIND, st.sampled_from([False, False, True]), body),
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip
PROGRAM = st.lists(
    SIMPLE | st.tuples(st.just("launch"), KIND, st.sampled_from([False, False, True]), BODY), min_size=1, max_size=4
).map(numbered)


#: It is over before who called it has left.
OPENED_AT_ONCE = [("launch", "unconfined", False, [("open", 0)]), ("wait", 0)]


@settings(max_examples=60)
@given(PROGRAM)
@example(numbered([("launch", "immediate", False, [("launch", "unconfined", False, [])])]))
@example(numbered([("launch", "main", False, [("with", "immediate", [("launch", "unconfined", False, [])])])]))
@example(numbered([("launch", "main", False, [("with", "unconfined", OPENED_AT_ONCE)]), ("launch", "main", False, [])]))
def test_what_runs_in_place_runs_in_the_order_of_the_reference(program: Body) -> None:
    """D5, D6, D10, D16, B9, B10: nested starts, resumptions, hops and turns of three dispatchers on one thread."""
    assert in_library(program) == in_model(program), program
