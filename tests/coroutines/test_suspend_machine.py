"""Continuations and deferreds against what they should be: one outcome each, no value lost, each hook told once.

Who resumes does it on the main thread and what he gives travels through the queue of Main, so between the two there is
always room for a cancellation, a timeout or another resume.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CompletableDeferred,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineScope,
    CoroutineStart,
    DeferredCancelledError,
    Dispatchers,
    IllegalStateError,
    Job,
    NonCancellable,
    SupervisorJob,
    suspend_cancellable_coroutine,
    suspend_coroutine,
    with_context,
    with_timeout,
)

TIME = 5  # seconds of each timeout


class Failure(Exception):
    """What a test resumes with."""


def told(cause: BaseException | None) -> str:
    """A cause in one word, the same for the model."""
    if cause is None:
        return "none"
    if isinstance(cause, CancellationException) and str(cause).startswith("Timed out"):
        return "timeout"
    return str(cause)


class Waits:
    """Model: where the one wait is, who is on his way to it, and by when.

    `phase` is waiting, resumed, cancelled or ignored; what travels is `(value, word of the failure or None, when)`;
    `over` says why the block around the wait is cancelled, where it is.
    """

    def __init__(self) -> None:
        self.main = VMain()
        self.log: list[Any] = []
        self.expected: list[Any] = []
        handler = CoroutineExceptionHandler(lambda _, failure: None)
        self.scope = CoroutineScope(SupervisorJob() + Dispatchers.Main + handler)
        self.count = 0
        self.job: Job | None = None

    # -- one wait after another

    def wait(self, cancellable: bool, timed: bool, early: str) -> None:
        if self.job is not None and not self.job.is_completed:
            return
        self.cont: Any = None
        self.cancellable = cancellable
        self.phase = "waiting"
        self.travels: tuple[object, str | None, float] | None = None
        self.hook_for_value: str | None = None
        self.hooked = False
        self.cause_for_hook = "none"
        self.over: str | None = None
        self.deadline = self.main.now + TIME if timed else None
        suspend: Callable[..., Any] = suspend_cancellable_coroutine if cancellable else suspend_coroutine

        def block(cont: Any) -> None:
            self.cont = cont
            if early == "resume":
                cont.resume("early")
            elif early == "cancel":
                cont.cancel()
            elif early == "raise":
                raise Failure("early")

        def inside() -> Generator[Any, Any, None]:
            try:
                self.log.append(("value", (yield from suspend(block))))
            except (CancellationException, Failure) as failure:
                self.log.append(("raised", told(failure)))
                raise

        def body() -> Generator[Any, Any, None]:
            if timed:
                yield from with_timeout(TIME, inside)
            else:
                yield from inside()

        self.job = self.scope.launch(body)
        self.job.invoke_on_completion(lambda _: self.log.append("ended"))
        self.main.run_current()
        if early:
            self.phase = {"resume": "resumed", "cancel": "cancelled", "raise": "ignored"}[early]
            outcomes = {
                "resume": ("value", "early"), "cancel": ("raised", "Continuation was cancelled normally"),
                "raise": ("raised", "early"),
            }  # fmt: skip
            self.expected += [outcomes[early], "ended"]

    # -- what comes to it

    def arrives(self, value: object, failure: str | None) -> None:
        self.travels = (value, failure, self.main.now)

    def resume(self, by: str, hooked: bool) -> None:
        self.count += 1
        name = f"value {self.count}"
        hook = (lambda value: self.log.append(("lost", value))) if hooked else None
        if by == "try_resume":
            assert self.cont.try_resume(name, hook) is (self.phase == "waiting")
        elif self.phase in ("resumed", "ignored"):
            with pytest.raises(IllegalStateError, match="Already resumed"):
                self.cont.resume(name, hook) if by == "resume" else self.cont.resume_with_exception(Failure(name))
        elif by == "resume":
            self.cont.resume(name, hook)
        else:
            self.cont.resume_with_exception(Failure(name))
        if self.phase == "waiting":
            self.phase = "resumed"
            failed = by == "resume_with_exception"
            self.hook_for_value = name if hooked and not failed else None
            self.arrives(None if failed else name, name if failed else None)
        elif self.phase == "cancelled" and by != "try_resume":
            self.phase = "ignored"
            if hooked and by == "resume":
                self.expected.append(("lost", name))

    def cancelled(self, cause: str, hook_hears: str) -> None:
        """The wait ends: a hook that is there hears at once."""
        self.phase = "cancelled"
        self.cause_for_hook = hook_hears
        if self.hooked:
            self.expected.append(("hook", hook_hears))
        self.arrives(None, cause)

    def cancel_the_wait(self, why: bool) -> None:
        cause = CancellationException("by hand") if why else None
        assert self.cont.cancel(cause) is (self.phase == "waiting")
        if self.phase == "waiting":
            self.cancelled("by hand" if why else "Continuation was cancelled normally", told(cause))

    def cancel_the_job(self) -> None:
        assert self.job is not None
        first = not (self.job.is_cancelled or self.job.is_completed)
        self.job.cancel("the job")
        if first:
            if self.phase == "waiting" and self.cancellable:
                self.cancelled("the job", "the job")
            self.over = self.over or "the job"

    def hook(self) -> None:
        def hook(cause: BaseException | None) -> None:
            self.log.append(("hook", told(cause)))

        if self.hooked:
            with pytest.raises(IllegalStateError, match="multiple handlers"):
                self.cont.invoke_on_cancellation(hook)
            return
        self.hooked = True
        if self.phase in ("cancelled", "ignored"):
            self.expected.append(("hook", self.cause_for_hook))
        self.cont.invoke_on_cancellation(hook)

    def time_passes(self, seconds: float) -> None:
        self.main.now += seconds

    def run(self) -> None:
        self.main.run_current()
        deadline, there = self.deadline, self.phase == "waiting" or self.travels is not None
        if deadline is not None and there and deadline <= self.main.now and not self.over:
            if self.travels is None or self.travels[2] >= deadline:  # the timer was put before what came at its time
                if self.phase == "waiting" and self.cancellable:
                    self.cancelled("timeout", "timeout")
                self.over = "timeout"
        if self.travels is not None:
            self.deliver()

    def deliver(self) -> None:
        assert self.travels is not None
        (value, failure, _), self.travels = self.travels, None
        if failure is None and self.over and self.cancellable:
            if self.hooked:
                self.expected.append(("hook", self.over))
            if self.hook_for_value is not None:
                self.expected.append(("lost", self.hook_for_value))
            self.expected.append(("raised", self.over))
        elif failure is None:
            self.expected.append(("value", value))
        else:
            self.expected.append(("raised", failure))
        self.expected.append("ended")

    def check(self) -> None:
        """All happened that should and nothing else, and it says where it is."""
        assert self.log == self.expected
        expected = (self.phase == "waiting", self.phase != "waiting", self.phase in ("cancelled", "ignored"))
        assert (self.cont.is_active, self.cont.is_completed, self.cont.is_cancelled) == expected


def play(model: Any, acts: list[tuple[Any, ...]]) -> None:
    """Do the acts to the library and the model; compare them after each."""
    try:
        for name, *given_ in acts:
            getattr(model, name)(*given_)
            model.check()
    finally:
        model.main.close()


def weighed(*acts: tuple[int, tuple[Any, ...]]) -> Any:
    """Lists of acts, each as often as its weight says."""
    return st.lists(st.sampled_from([act for weight, act in acts for _ in range(weight)]), min_size=12, max_size=30)


WAITS = weighed(
    (6, ("wait", True, False, "")), (6, ("wait", True, True, "")), (2, ("wait", False, False, "")),
    (2, ("wait", False, True, "")), *[(1, ("wait", True, True, early)) for early in ("resume", "cancel", "raise")],
    (6, ("resume", "resume", True)), (2, ("resume", "resume", False)), (2, ("resume", "try_resume", True)),
    (2, ("resume", "resume_with_exception", False)), (1, ("cancel_the_wait", False)), (2, ("cancel_the_wait", True)),
    (4, ("cancel_the_job",)), (6, ("hook",)), (6, ("run",)), *[(2, ("time_passes", seconds)) for seconds in (1, 4, 5)],
)  # fmt: skip


@settings(max_examples=60)
@given(WAITS)
@example([("wait", True, False, ""), ("hook",), ("resume", "resume", True), ("cancel_the_job",), ("run",)])
@example([("wait", True, True, ""), ("hook",), ("time_passes", 5), ("resume", "resume", True), ("run",)])
def test_a_wait_has_one_outcome_and_each_hook_is_told_once(acts: list[tuple[Any, ...]]) -> None:
    """P1 to P5, X4, X13: resumed, cancelled, timed out and hooked in any order."""
    play(Waits(), [("wait", True, False, ""), *acts])


class Child:
    """A child of the deferred; a stubborn one goes on when it is cancelled, until it is told to end."""

    def __init__(self, parent: Job, stubborn: bool) -> None:
        self.stubborn = stubborn
        self.gate: CompletableDeferred[None] = CompletableDeferred()
        self.job: Job
        if not stubborn:
            self.job = Job(parent)
        else:
            scope = CoroutineScope(parent + Dispatchers.Unconfined)
            self.job = scope.launch(self.body, start=CoroutineStart.UNDISPATCHED)

    def body(self) -> Generator[Any, Any, None]:
        yield from with_context(NonCancellable, self.gate.await_)

    def end(self, failure: Failure | None) -> None:
        ends: Any = self.gate if self.stubborn else self.job
        if failure is None:
            ends.complete()
        else:
            ends.complete_exceptionally(failure)


class Awaited:
    """Model: what the deferred is about to end with, the children it waits for, and what travels to each who awaits it.

    An outcome is a value, the word of a failure, or the reason of a cancellation.
    """

    def __init__(self) -> None:
        self.main = VMain()
        self.deferred: CompletableDeferred[str] = CompletableDeferred()
        self.children: list[Child] = []
        self.outcome: tuple[str, str] | None = None
        self.is_over = False
        self.first: tuple[str, str] | None = None  # of the outcomes that are no value
        self.listeners = 0
        self.ends: list[tuple[int, str]] = []
        self.ends_expected: list[tuple[int, str]] = []
        self.awaiters: list[Job] = []
        self.heard: list[list[str]] = []
        self.waiting: set[int] = set()
        self.travels: dict[int, str] = {}
        self.cancelled: set[int] = set()
        self.expected: list[list[str]] = []
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"number {self.count}"

    # -- those who await it

    def await_it(self, on_main: bool) -> None:
        number = len(self.awaiters)
        heard: list[str] = []

        def body() -> Generator[Any, Any, None]:
            try:
                heard.append((yield from self.deferred.await_()))
            except (DeferredCancelledError, CancellationException, Failure) as failure:
                reason = failure.__cause__ if isinstance(failure, DeferredCancelledError) else failure
                heard.append(f"{type(failure).__name__}: {reason}")
                raise

        handler = CoroutineExceptionHandler(lambda _, failure: None)
        dispatcher = Dispatchers.Main if on_main else Dispatchers.Unconfined
        self.heard.append(heard)
        self.expected.append([])
        self.awaiters.append(CoroutineScope(SupervisorJob() + dispatcher + handler).launch(body))
        self.main.run_current()
        self.run()
        if self.is_over:
            self.expected[number].append(self.as_heard(number))
        else:
            self.waiting.add(number)

    def as_heard(self, number: int) -> str:
        """What it ended with; before the end, the first that it is ending with, also where a worse one came later."""
        assert self.outcome is not None
        kind, word = self.outcome if self.is_over or self.first is None else self.first
        if kind == "CancellationException" and number not in self.cancelled:
            kind = "DeferredCancelledError"
        return word if kind == "value" else f"{kind}: {word}"

    def cancel_one_who_awaits(self, number: int) -> None:
        number = len(self.awaiters) - 1 - number
        if number < 0 or self.awaiters[number].is_completed:
            return
        self.awaiters[number].cancel(f"awaiter {number}")
        if number in self.cancelled:
            return
        self.cancelled.add(number)
        if number in self.waiting:
            self.waiting.remove(number)
            if self.outcome is not None and self.outcome[0] != "value":  # the reason rather than the consequence
                self.arrives(number, self.as_heard(number))
            else:
                self.arrives(number, f"CancellationException: awaiter {number}")
        elif number in self.travels:
            kind, _, word = self.travels[number].partition(": ")
            if not word:  # a value
                self.travels[number] = f"CancellationException: awaiter {number}"
            elif kind == "DeferredCancelledError":
                self.travels[number] = f"CancellationException: {word}"

    def arrives(self, number: int, what: str) -> None:
        self.travels[number] = what
        if self.awaiters[number] in self.in_place():
            self.expected[number].append(self.travels.pop(number))

    def in_place(self) -> list[Job]:
        return [job for job in self.awaiters if job.coroutine_context[CoroutineDispatcher] is Dispatchers.Unconfined]

    def run(self) -> None:
        self.main.run_current()
        for number, what in self.travels.items():
            self.expected[number].append(what)
        self.travels.clear()

    # -- its end

    def decides(self, kind: str, word: str) -> None:
        """The first counts; but while children are left, a cancellation wins over a value and a failure over both."""
        ranks = ["value", "CancellationException", "Failure"]
        if self.is_over:
            return
        if self.outcome is None or ranks.index(kind) > ranks.index(self.outcome[0]):
            self.outcome = kind, word
        if kind != "value":
            self.first = self.first or (kind, word)
            self.children = [child for child in self.children if child.stubborn]
        self.end()

    def is_cancelled(self) -> bool:
        return self.outcome is not None and self.outcome[0] != "value"

    def end(self) -> None:
        if self.outcome is None or self.children or self.is_over:
            return
        self.is_over = True
        self.ends_expected += [(number, self.end_as_told()) for number in range(self.listeners)]
        for number in sorted(self.waiting):
            self.arrives(number, self.as_heard(number))
        self.waiting.clear()

    def complete(self) -> None:
        word = self.name()
        assert self.deferred.complete(word) is (self.outcome is None)
        if self.outcome is None:
            self.decides("value", word)

    def complete_exceptionally(self) -> None:
        word = self.name()
        assert self.deferred.complete_exceptionally(Failure(word)) is (self.outcome is None)
        if self.outcome is None:
            self.decides("Failure", word)

    def cancel(self) -> None:
        word = self.name()
        self.deferred.cancel(word)
        self.decides("CancellationException", word)

    def have_a_child(self, stubborn: bool) -> None:
        if stubborn and self.is_over:
            return
        child = Child(self.deferred, stubborn)
        assert child.job.is_completed is (self.is_over or (self.is_cancelled() and not stubborn))
        if not child.job.is_completed:
            self.children.append(child)

    def end_a_child(self, first: bool, fails: bool) -> None:
        if not self.children:
            return
        child = self.children.pop(0 if first else -1)
        word = self.name()
        child.end(Failure(word) if fails else None)
        if fails:
            self.decides("Failure", word)
        else:
            self.end()

    def listen(self) -> None:
        number, self.listeners = self.listeners, self.listeners + 1
        self.deferred.invoke_on_completion(
            lambda cause: self.ends.append((number, "none" if cause is None else str(cause)))
        )
        if self.is_over:
            self.ends_expected.append((number, self.end_as_told()))

    def end_as_told(self) -> str:
        assert self.outcome is not None
        return "none" if self.outcome[0] == "value" else self.outcome[1]

    def check(self) -> None:
        """Each heard what he should and once, and it says where it is."""
        assert self.heard == self.expected
        assert self.ends == self.ends_expected
        assert self.deferred.is_completed is self.is_over
        if self.is_over and self.outcome is not None and self.outcome[0] == "value":
            assert self.deferred.get_completed() == self.outcome[1]


AWAITED = weighed(
    (5, ("await_it", True)), (3, ("await_it", False)), *[(2, ("cancel_one_who_awaits", back)) for back in range(3)],
    (3, ("run",)), (3, ("have_a_child", False)), (3, ("have_a_child", True)),
    (2, ("end_a_child", True, False)), (2, ("end_a_child", False, False)),
    (1, ("end_a_child", True, True)), (2, ("listen",)), (2, ("complete",)), (1, ("complete_exceptionally",)),
    (1, ("cancel",)),
)  # fmt: skip


@settings(max_examples=60)
@given(AWAITED)
@example([("await_it", True), ("cancel",), ("cancel_one_who_awaits", 0), ("run",)])
@example([("await_it", True), ("complete",), ("cancel_one_who_awaits", 0), ("run",)])
@example([("have_a_child", True), ("await_it", True), ("cancel",), ("cancel_one_who_awaits", 0), ("run",)])
@example([("have_a_child", True), ("cancel",), ("end_a_child", True, True), ("await_it", False)])
@example(
    [
        ("await_it", True), ("have_a_child", True), ("have_a_child", True), ("cancel",), ("end_a_child", True, True),
        ("cancel_one_who_awaits", 0), ("await_it", True),
    ]
)
def test_a_deferred_has_one_outcome_and_each_who_awaits_it_hears_it_once(acts: list[tuple[Any, ...]]) -> None:
    """B5, B7, X4, difference 4: ended in each way, while it has children, by several who await it, some cancelled."""
    play(Awaited(), acts)
