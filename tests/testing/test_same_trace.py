"""Random programs of jobs on virtual time: the same program writes the same trace, each time and in each spelling.

Beside that: what began has ended, nobody ends before his children, and time never goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from vmscope import (
    CancellationException,
    CoroutineExceptionHandler,
    CoroutineStart,
    Job,
    async_,
    cancel,
    coroutine_scope,
    current_job,
    delay,
    launch,
    supervisor_scope,
    with_timeout_or_none,
    yield_,
)
from vmscope.testing import StandardTestDispatcher, TestScope, UnconfinedTestDispatcher, run_test

#: A body is a list of acts: `("delay", seconds)`, `("yield",)`, `("launch", builder, start, body)`, `("fail",)`,
#: `("scope", kind, body)`, `("timeout", seconds, body)`, `("join", back)`, `("cancel", back)`, `("cancel myself",)`.
#: `back` counts from the child that was launched last.
Body = list[tuple[Any, ...]]
Line = tuple[Any, ...]


class Failure(Exception):
    """What a body fails with."""


class Program:
    """One run: what it writes down, and who is whose child."""

    def __init__(self, scope: TestScope) -> None:
        self.scope = scope
        self.trace: list[Line] = []
        self.numbers = count(1)
        self.parents: dict[int, int] = {}

    def write(self, *words: Any) -> None:
        self.trace.append((self.scope.current_time, *words))

    def begin(self, parent: int) -> int:
        number = next(self.numbers)
        self.parents[number] = parent
        return number

    def end(self, number: int, kind: str) -> Callable[[BaseException | None], None]:
        return lambda cause: self.write("over", number, kind, type(cause).__name__)

    @contextmanager
    def noted(self, number: int) -> Iterator[None]:
        """Around a body: how it begins and ends."""
        self.write("begin", number)
        try:
            yield
        except (Failure, CancellationException) as failure:
            self.write("raises", number, str(failure))
            raise
        finally:
            self.write("leaves", number)

    # -- the one thing that both spellings do by themselves is to wait

    def at_once(self, number: int, children: list[Job], act: str, *given_: Any) -> None:
        if act == "launch":
            builder, start, body = given_
            child = self.begin(number)
            job = (launch if builder == "launch" else async_)(self.spelled, child, body, start=start)
            job.invoke_on_completion(self.end(child, builder))
            children.append(job)
        elif act == "cancel" and children:
            children[max(0, len(children) - 1 - given_[0])].cancel(f"by {number}")
        elif act == "cancel myself":
            cancel(f"by myself, {number}")
        elif act == "fail":
            raise Failure(number)

    def wait(self, number: int, children: list[Job], act: str, *given_: Any) -> Any:
        """What is to be awaited for an act; None: it is done at once."""
        if act == "delay":
            return delay(given_[0])
        if act == "yield":
            return yield_()
        if act == "join":
            return children[max(0, len(children) - 1 - given_[0])].join() if children else None
        if act == "scope":
            kind = coroutine_scope if given_[0] == "scope" else supervisor_scope
            return kind(self.spelled, number, given_[1])
        if act == "timeout":
            return with_timeout_or_none(given_[0], self.spelled, number, given_[1])
        self.at_once(number, children, act, *given_)
        return None

    spelled: Callable[[int, Body], Any]


class InGenerators(Program):
    def spelled(self, number: int, body: Body) -> Generator[Any, Any, None]:
        children: list[Job] = []
        with self.noted(number):
            for act in body:
                wait = self.wait(number, children, *act)
                if wait is not None:
                    yield from wait
                self.write(act[0], number)


class InAsyncDef(Program):
    async def spelled(self, number: int, body: Body) -> None:
        children: list[Job] = []
        with self.noted(number):
            for act in body:
                wait = self.wait(number, children, *act)
                if wait is not None:
                    await wait
                self.write(act[0], number)


def run(spelling: type[Program], body: Body, unconfined: bool) -> tuple[list[Line], dict[int, int]]:
    """Run the program on a virtual clock of its own; its trace."""
    programs: list[Program] = []

    def main(scope: TestScope) -> Generator[Any, Any, None]:
        program = spelling(scope)
        programs.append(program)
        dispatcher = (UnconfinedTestDispatcher if unconfined else StandardTestDispatcher)(scope.scheduler)
        handler = CoroutineExceptionHandler(lambda _, failure: program.write("handler", str(failure)))
        number = program.begin(0)

        def root() -> None:
            job = launch(program.spelled, number, body, context=dispatcher + handler)
            job.invoke_on_completion(program.end(number, "root"))

        yield from supervisor_scope(root)
        program.write("all over", str(current_job().is_active))

    run_test(main)
    return programs[0].trace, programs[0].parents


TIMES = st.sampled_from([0, 1, 1, 2, 3])
STARTS = st.sampled_from([CoroutineStart.DEFAULT] * 3 + [CoroutineStart.UNDISPATCHED, CoroutineStart.ATOMIC])
SIMPLE = st.one_of(
    st.tuples(st.just("delay"), TIMES), st.tuples(st.just("yield")), st.tuples(st.just("join"), st.integers(0, 1)),
    st.tuples(st.just("cancel"), st.integers(0, 1)),
)  # fmt: skip
ENDS = st.sampled_from([(), (), (), (), (("fail",),), (("cancel myself",), ("delay", 1))])


def bodies(inner: Any) -> Any:
    nested = (
        st.tuples(st.just("launch"), st.sampled_from(["launch", "launch", "async_"]), STARTS, inner)
        | st.tuples(st.just("scope"), st.sampled_from(["scope", "supervisor"]), inner)
        | st.tuples(st.just("timeout"), TIMES, inner)
    )
    return st.builds(lambda acts, end: [*acts, *end], st.lists(nested | nested | SIMPLE, max_size=4), ENDS)


FIVE_WAIT = [("launch", "launch", CoroutineStart.DEFAULT, [("delay", 3)]) for _ in range(4)] + [("delay", 3)]
BODIES = st.recursive(st.lists(SIMPLE, max_size=2), bodies, max_leaves=10)


@pytest.mark.parametrize("unconfined", [False, True], ids=["standard", "unconfined"])
def test_a_program_writes_the_same_trace_each_time_and_in_each_spelling(unconfined: bool) -> None:
    """T1, T5, B15, J8: order on virtual time is a matter of the program alone."""

    @settings(max_examples=30)
    @given(bodies(BODIES))
    @example([("launch", "launch", CoroutineStart.DEFAULT, [("delay", 1)]) for _ in range(9)])
    @example([("launch", "launch", CoroutineStart.DEFAULT, FIVE_WAIT), ("delay", 1), ("cancel", 0)])
    def check(body: Body) -> None:
        trace, parents = run(InGenerators, body, unconfined)

        assert run(InGenerators, body, unconfined)[0] == trace
        assert run(InAsyncDef, body, unconfined)[0] == trace
        times = [line[0] for line in trace]
        assert times == sorted(times)
        over = [line[2] for line in trace if line[1] == "over"]
        assert sorted(over) == sorted(parents)
        assert all(over.index(child) < over.index(parent) for child, parent in parents.items() if parent)
        begun, left = ([line[2] for line in trace if line[1] == word] for word in ("begin", "leaves"))
        assert sorted(begun) == sorted(left)

    check()
