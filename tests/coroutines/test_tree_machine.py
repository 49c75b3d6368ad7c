"""Random trees of jobs and coroutines against a model that is plainly right: who is cancelled, who fails, who waits for
whom, and which failure reaches the handler how often.

The model knows no locks, no lists of causes and no order: a failure climbs until somebody supervises, a cancellation
falls down all the way, a parent ends when its body and all its children have.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from vmscope import (
    CancellationException,
    CompletableDeferred,
    CompletableJob,
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    Job,
    NonCancellable,
    SupervisorJob,
    with_context,
)

KINDS = ("launch", "async_", "job", "supervisor")


class Model:
    """One job as it should be."""

    def __init__(self, kind: str, parent: Model | None, stubborn: bool, told: list[BaseException]) -> None:
        self.kind = kind
        self.parent = parent
        self.stubborn = stubborn and kind in ("launch", "async_")
        self.children: list[Model] = []
        self.body_over = False
        self.cause: BaseException | None = None
        self.is_over = False
        self.told = told
        self.depth = 0 if parent is None else parent.depth + 1
        above, self.handles = parent, kind in ("launch", "async_")
        while above is not None and not self.handles:
            self.handles, above = above.handles, above.parent
        if parent is not None:
            if parent.is_over or parent.cause is not None:  # it never begins
                self.body_over = self.is_over = True
                self.cause = CancellationException("too late")
            else:
                parent.children.append(self)

    def state(self) -> tuple[bool, bool, bool]:
        return not self.is_over and self.cause is None, self.cause is not None, self.is_over

    def cancel(self, cause: BaseException, raised: bool = False) -> None:
        if self.is_over or self.cause is not None:
            return
        self.cause = cause
        for child in list(self.children):
            child.cancel(CancellationException("from above"))
        parent = self.parent
        if not isinstance(cause, CancellationException) and parent is not None and parent.kind != "supervisor":
            parent.cancel(cause)
        if raised or not self.stubborn:
            self.body_over = True
        self.end()

    def end(self) -> None:
        if self.is_over or not self.body_over or self.children:
            return
        self.is_over = True
        parent = self.parent
        if self.kind == "launch" and not (self.cause is None or isinstance(self.cause, CancellationException)):
            if parent is None or parent.kind == "supervisor" or not parent.handles:
                self.told.append(self.cause)
        if parent is not None and self in parent.children:
            parent.children.remove(self)
            parent.end()

    def finish(self) -> None:
        if not self.body_over and self.cause is None:
            self.body_over = True
            self.end()

    def fail(self, failure: BaseException) -> None:
        if not self.body_over and self.cause is None:
            self.cancel(failure, raised=True)

    def release(self) -> None:
        self.stubborn = False
        if self.cause is not None:
            self.body_over = True
            self.end()


class Real:
    """The same job in the library."""

    def __init__(self, kind: str, parent: Job | None, stubborn: bool, spelling: str, handler: Any) -> None:
        self.gate: CompletableDeferred[None] = CompletableDeferred()
        self.released = Job()
        self.stubborn = stubborn
        self.job: Any
        if kind == "job":
            self.job = Job(parent)
        elif kind == "supervisor":
            self.job = SupervisorJob(parent)
        else:
            assert parent is not None
            scope = CoroutineScope(parent + Dispatchers.Unconfined + handler)
            body: Callable[[], object] = self.generator if spelling == "generator" else self.native
            self.job = getattr(scope, kind)(body)

    def generator(self) -> Generator[Any, Any, None]:
        try:
            yield from self.gate.await_()
        except CancellationException:
            if self.stubborn:
                yield from with_context(NonCancellable, self.released.join)
            raise

    async def native(self) -> None:
        try:
            await self.gate.await_()
        except CancellationException:
            if self.stubborn:
                await with_context(NonCancellable, self.released.join)
            raise

    def finish(self) -> None:
        if isinstance(self.job, CompletableJob):
            self.job.complete()
        else:
            self.gate.complete(None)

    def fail(self, failure: BaseException) -> None:
        if isinstance(self.job, CompletableJob):
            self.job.complete_exceptionally(failure)
        else:
            self.gate.complete_exceptionally(failure)


class Failure(Exception):
    pass


def grow(least: int) -> Any:
    """Acts on a tree: most add a job, as a rule below one of the last three, so that it becomes deep."""
    add = st.tuples(
        st.just("add"), st.sampled_from(KINDS), st.booleans() | st.just(False), st.integers(0, 2) | st.integers(0, 30)
    )
    act = st.tuples(st.sampled_from(("finish", "fail", "cancel", "release")), st.integers(0, 30))
    return st.lists(add | add | act, min_size=least, max_size=40)


def play(acts: list[tuple[Any, ...]], spelling: str, root: str) -> int:
    """Do the acts to both, compare them after each; return how deep the tree was."""
    told: list[BaseException] = []
    expected: list[BaseException] = []
    handler = CoroutineExceptionHandler(lambda _, failure: told.append(failure))
    models = [Model(root, None, False, expected)]
    reals = [Real(root, None, False, spelling, handler)]
    for number, (act, *given_) in enumerate(acts):
        if act == "add":
            kind, stubborn, back = given_
            above = max(0, len(models) - 1 - back)
            model = Model(kind, models[above], stubborn, expected)
            real = Real(kind, reals[above].job, model.stubborn, spelling, handler)
            models.append(model)
            reals.append(real)
        else:
            model, real = (each[given_[0] % len(each)] for each in (models, reals))
            failure = Failure(number)
            if act == "cancel":
                model.cancel(CancellationException("by hand"))
                real.job.cancel()
            elif act == "fail":
                model.fail(failure)
                real.fail(failure)
            elif act == "finish":
                model.finish()
                real.finish()
            else:
                model.release()
                real.released.complete()
        states = [(each.job.is_active, each.job.is_cancelled, each.job.is_completed) for each in reals]
        assert states == [each.state() for each in models], f"after {act} {given_}"
        assert told == expected, f"after {act} {given_}"
    for real in reals:
        real.released.complete()
        real.job.cancel()
    assert all(real.job.is_completed for real in reals)
    return max(model.depth for model in models)


@pytest.mark.parametrize("spelling", ["generator", "async def"])
@pytest.mark.parametrize("root", ["job", "supervisor"])
def test_a_tree_does_what_the_model_does(spelling: str, root: str) -> None:
    """J1 to J9, E1 to E6, F1: at every depth, and several trees of six and more among them."""
    depths: list[int] = []

    @settings(max_examples=150)
    @given(grow(8))
    @example([("add", "launch", False, 0)] * 7 + [("fail", 7)])
    @example([("add", "supervisor", False, 0), ("add", "launch", True, 0)] * 4 + [("fail", 8), ("cancel", 0)])
    def run(acts: list[tuple[Any, ...]]) -> None:
        depths.append(play(acts, spelling, root))

    run()
    assert max(depths) >= 6
