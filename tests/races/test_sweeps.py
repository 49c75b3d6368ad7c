"""What strikes inside our own lines, where something can: post, cancel, launch and clear, from within each.

A signal handler or a finalizer uses the very objects that its thread is in the middle of changing (F6, F7). All must
come to its end, once. In the default suite one point in a few is tried, other ones for each pair; all of them with
`VMSCOPE_ORDERS=20 pytest tests/races/test_sweeps.py`.
"""

from __future__ import annotations

import gc
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

import pytest

import vmscope
from tests.strike import Strike, collecting_points, striking
from vmscope import (
    CancelScope,
    CompletableDeferred,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    Handler,
    Job,
    Looper,
    SupervisorJob,
    ViewModel,
    as_dispatcher,
    await_all,
    await_cancellation,
    coroutine_scope,
    launch,
    non_cancellable,
    supervisor_scope,
    suspend_cancellable_coroutine,
    with_context,
    with_timeout,
    yield_,
)
from vmscope.debug import dump_coroutines
from vmscope.testing._explore_places import codes_in

from .test_races import MORE

MANY_POINTS, FEW_POINTS = max(1, int(25 / MORE)), max(1, int(5 / max(MORE, 1)))
OURS = os.path.dirname(vmscope.__file__) + os.sep
FILES = frozenset(
    str(module.__file__)
    for name, module in sys.modules.items()
    if name.startswith(("vmscope.coroutines._", "vmscope.looper._", "vmscope.lifecycle._"))
)


@pytest.fixture(scope="module")
def strike() -> Iterator[Strike]:
    with striking(codes_in(FILES), collecting_points) as strike:
        yield strike


class World:
    """A view model with a tree of coroutines, a looper, somebody outside who waits; and what may be done with them."""

    def __init__(self) -> None:
        self.looper = Looper.create_for_test(lambda: 1.0)
        self.handler = Handler(self.looper)
        self.log: list[str] = []
        self.began: list[int] = []
        self.ended: list[int] = []
        self.posted = 0
        self.ran: list[int] = []
        self.jobs: list[Job] = []
        self.told: list[object] = []
        self.handlers = 0
        self.model = ViewModel(CoroutineScope(SupervisorJob() + Dispatchers.Unconfined))
        self.model.on_cleared = lambda: self.log.append("on_cleared")  # type: ignore[method-assign]
        self.model.add_closeable(lambda: self.log.append("closed"))
        self.scope = self.model.view_model_scope
        self.root = self.scope.coroutine_context[Job]
        self.queued = CoroutineScope(self.root + as_dispatcher(self.handler))
        self.outside = CoroutineScope(Dispatchers.Unconfined)
        self.scope.launch(self._parent)
        self.outside.launch(self._joins)

    def _body(self):
        number = len(self.began)
        self.began.append(number)
        try:
            yield from await_cancellation()
        finally:
            self.ended.append(number)

    def _parent(self):
        launch(self._body)
        yield from coroutine_scope(self._body)

    def _joins(self):
        yield from self.root.join()
        self.log.append("joined")

    def _post(self, post: Callable[[Callable[[], object]], bool]) -> None:
        self.posted += 1
        number = self.posted
        assert post(lambda: self.ran.append(number))

    def post(self) -> None:
        self._post(self.handler.post)
        self._post(lambda fn: self.handler.post_delayed(fn, 0.0))
        self._post(self.handler.post_at_front_of_queue)

    def cancel(self) -> None:
        self.root.cancel()

    def launch(self) -> None:
        self.jobs.append(self.scope.launch(self._body))

    def launch_queued(self) -> None:
        self.jobs.append(self.queued.launch(self._body))

    def clear(self) -> None:
        self.model.clear()

    def attach(self) -> None:
        self.jobs.append(Job(self.root))

    def join(self) -> None:
        self.jobs.append(self.outside.launch(self.root.join))

    def handle(self) -> None:
        for early in (False, True):
            self.handlers += 1
            self.root.invoke_on_completion(lambda _, e=early: self.told.append(e or self.root.is_completed), early)

    def check(self) -> None:
        """Bring it to its end: everything has happened, and once."""
        assert is_free(self.root._lock)
        assert is_free(self.looper.queue._lock)
        self.looper.pump()
        self.model.clear()
        self.looper.pump()
        assert self.root.is_completed, repr(self.root)
        assert sorted(self.began) == sorted(self.ended), (self.began, self.ended)
        assert sorted(self.ran) == list(range(1, self.posted + 1)), self.ran
        assert all(job.is_completed for job in self.jobs), self.jobs
        assert len(self.told) == self.handlers, f"{self.handlers} handlers, told {self.told}"
        assert all(self.told), "a handler of the end was told before it"
        assert sorted(self.log) == ["closed", "joined", "on_cleared"], self.log


def is_free(lock: Any) -> bool:
    got: list[bool] = []

    def attempt() -> None:
        if lock.acquire(timeout=10):  # a worker that is at it just now is gone by then
            got.append(True)
            lock.release()

    other = threading.Thread(target=attempt)
    other.start()
    other.join()
    return bool(got)


CALLS = ("post", "cancel", "launch", "launch_queued", "clear")
ALSO = ("attach", "join", "handle")


def points(within: str, offset: int) -> tuple[int, int]:
    """The first point to try in that call, and how far it is to the next."""
    stride = MANY_POINTS if within in ("cancel", "clear") else FEW_POINTS
    return offset % stride, stride


@pytest.mark.parametrize("within", CALLS + ALSO)
@pytest.mark.parametrize("struck_by", CALLS)
def test_a_signal_handler_or_finalizer_may_do_it_at_any_point_of_it(within, struck_by, strike):
    """F6, F7."""
    at, stride = points(within, 3 * CALLS.index(struck_by) + len(within))
    while True:
        world = World()
        if not strike(getattr(world, within), at, getattr(world, struck_by)):
            break
        try:
            world.check()
        except AssertionError as wrong:
            raise AssertionError(f"{struck_by} at point {at} of {within}: {wrong}") from None
        at += stride
    assert at >= stride  # the sweep went somewhere


@pytest.mark.parametrize("within", ["launch", "launch_queued", "cancel", "join"])
def test_a_signal_handler_may_dump_all_coroutines_at_any_point_of_it(within, strike):
    """F6: also where it meets one that is half made."""
    at, stride = points(within, len(within))
    while True:
        world = World()
        out = io.StringIO()
        if not strike(getattr(world, within), at, lambda out=out: dump_coroutines(out)):
            break
        assert within == "cancel" or "suspended in await_cancellation" in out.getvalue()
        assert "coroutine" in out.getvalue()
        world.check()
        at += stride
    assert at >= stride


class Wide(World):
    """A world in which more can break off: a body that waits for a job, one for a callback, one on the looper..."""

    def __init__(self) -> None:
        super().__init__()
        self.woken: list[str] = []
        self.gate = Job()
        self.theirs = Job()
        self.continuation: Any = None
        self.scope.launch(self._waits, self.gate.join)
        self.scope.launch(self._waits, lambda: suspend_cancellable_coroutine(self._keep))
        self.lone = self.scope.launch(self._body)
        self.queued.launch(self._body)
        self.looper.pump()
        self.handle()
        self.joiners = [self.outside.launch(self._wakes, job) for job in (self.root, self.lone)]
        self.queued.launch(self._body)  # for `pump`
        self.handler.post(lambda: self.ran.append(0))

    def _keep(self, continuation: object) -> None:
        self.continuation = continuation

    def _waits(self, wait):
        number = len(self.began)
        self.began.append(number)
        try:
            yield from wait()
        finally:
            self.ended.append(number)

    def _wakes(self, job):
        try:
            yield from job.join()
        finally:
            self.woken.append("root" if job is self.root else "lone")

    def _joins(self):
        yield from ()  # `_wakes` does, and tells so however it ends

    def handle(self) -> None:
        for early in (False, True):
            self.root.invoke_on_completion(lambda _, e=early: self.told.append(e or self.root.is_completed), early)
            self.handlers += 1

    def complete(self) -> None:
        self.gate.complete()

    def resume(self) -> None:
        self.continuation.resume()

    def cancel_wait(self) -> None:
        self.continuation.cancel()

    def cancel_one(self) -> None:
        self.lone.cancel()

    def block(self) -> None:
        self.jobs.append(self.scope.launch(self._parent))

    async def _in_blocks(self):
        async with coroutine_scope(), with_timeout(9):
            with CancelScope(1e9):
                launch(self._body).cancel()
        async with supervisor_scope():
            await await_cancellation()

    def withs(self) -> None:
        self.jobs.append(self.scope.launch(self._in_blocks))

    def move(self) -> None:
        there = as_dispatcher(self.handler)
        self.jobs.append(self.scope.launch(self._waits, lambda: with_context(there, self._body)))

    def visit(self) -> None:
        """A block in somebody else's job, here and on the looper; its end is not theirs."""
        for context in (self.theirs, self.theirs + as_dispatcher(self.handler)):
            self.jobs.append(self.scope.launch(with_context, context, lambda: None))
        self.looper.pump()

    def await_one(self) -> None:
        def awaits(wait):
            yield from wait

        deferred = CompletableDeferred()
        for wait in (deferred.await_(), await_all(deferred, deferred)):
            self.jobs.append(self.scope.launch(awaits, wait))
        deferred.complete(1)

    def sibling(self) -> None:
        job = self.queued.launch(self._body)
        self.looper.pump()
        self.jobs += [job, self.scope.launch(self._waits, job.join)]
        job.cancel()
        self.looper.pump()

    def fail(self) -> None:
        def fails():
            launch(self._body)
            raise LookupError("a body's")

        self.jobs.append(self.scope.launch(fails))

    def fail_in_a_scope(self) -> None:
        def fails():
            launch(self._body)
            raise LookupError("a block's")

        self.jobs.append(self.scope.launch(self._waits, lambda: self._caught(coroutine_scope(fails))))

    async def _fails_in_a_with(self):
        async with coroutine_scope():
            launch(self._body)
            raise LookupError("a block's")

    def fail_in_a_with(self) -> None:
        self.jobs.append(self.scope.launch(self._waits, lambda: self._caught(self._fails_in_a_with().__await__())))

    def _caught(self, wait):
        try:
            yield from wait
        except LookupError:
            pass

    def fail_awaited(self) -> None:
        def fails():
            launch(self._body)
            raise LookupError("a body's")

        deferred = self.scope.async_(fails)
        self.jobs += [deferred, self.scope.launch(self._waits, lambda: self._caught(deferred.await_()))]

    def complete_exceptionally(self) -> None:
        deferred = CompletableDeferred(self.root)
        self.jobs += [deferred, self.scope.launch(self._waits, lambda: self._caught(deferred.await_()))]
        deferred.complete_exceptionally(LookupError("a deferred's"))

    def start(self) -> None:
        job = self.scope.launch(self._body, start=CoroutineStart.LAZY)
        self.jobs.append(job)
        job.start()

    def join_unstarted(self) -> None:
        job = self.scope.launch(lambda: None, start=CoroutineStart.LAZY)
        self.jobs += [job, self.scope.launch(self._waits, job.join)]

    def launch_atomic(self) -> None:
        job = self.queued.launch(lambda: None, start=CoroutineStart.ATOMIC)
        self.jobs.append(job)
        job.cancel()
        self.looper.pump()

    def launch_undispatched(self) -> None:
        self.jobs.append(self.queued.launch(self._body, start=CoroutineStart.UNDISPATCHED))

    def launch_cancelled(self) -> None:
        ended = self.scope.launch(await_cancellation)
        ended.cancel()
        self.jobs.append((self.scope + ended).launch(self._body))

    def clean_up(self) -> None:
        def cleans_up():
            yield from yield_()
            yield from with_context(as_dispatcher(self.handler), yield_)

        def body():
            try:
                yield from await_cancellation()
            finally:
                yield from non_cancellable(cleans_up)

        job = self.scope.launch(body)
        self.jobs.append(job)
        job.cancel()
        self.looper.pump()

    def pump(self) -> None:
        self.looper.pump()

    def check_after(self, again: Callable[[], None]) -> None:
        """A call has broken off; `again`, one more cancel or clear, brings the tree to its end, and nobody is lost."""
        assert is_free(self.root._lock)
        assert is_free(self.looper.queue._lock)
        self._pump_all()
        again()
        self._pump_all()
        self.model.clear()  # closes, where that was not what broke off
        for job in (self.root, *self.joiners):  # a coroutine whose dispatch broke off cleans up on IO
            ended = threading.Event()
            job.invoke_on_completion(lambda _, ended=ended: ended.set())  # type: ignore[misc]
            for _ in range(1_000):
                self._pump_all()  # IO may have cancelled what is to clean up here
                if ended.wait(0.01):
                    break
        assert self.root.is_completed, repr(self.root)
        self.theirs.complete()
        assert self.theirs.is_completed, f"somebody else's job: {self.theirs!r}"
        assert sorted(self.began) == sorted(self.ended), f"began {self.began}, cleaned up {self.ended}"
        assert all(job.is_completed for job in self.jobs), self.jobs
        assert sorted(self.woken) == ["lone", "root"], f"of those who join, {self.woken} woke"
        assert self.told.count(True) == len(self.told) >= self.handlers, f"{self.handlers} handlers, told {self.told}"
        assert sorted(self.log) == ["closed", "on_cleared"], self.log
        assert len(set(self.ran)) == len(self.ran), f"run twice: {self.ran}"

    def _pump_all(self) -> None:
        while True:
            try:
                self.looper.pump()
                return
            except KeyboardInterrupt:  # what a coroutine ended with leaves through its loop
                continue


BROKEN = ("post", "cancel", "launch", "launch_queued", "clear", "attach", "join", "handle", "complete", "resume")
BROKEN_ALSO = ("cancel_one", "cancel_wait", "block", "withs", "move", "visit", "await_one", "sibling", "fail", "pump")
BROKEN_TOO = (
    "fail_in_a_scope", "fail_in_a_with", "fail_awaited", "complete_exceptionally", "start", "join_unstarted",
    "launch_atomic", "launch_undispatched", "launch_cancelled", "clean_up",
)  # fmt: skip


def failing_stride(within: str) -> int:
    if within == "post":
        return 1  # one alone once sent a loop round for ever
    many = {"cancel": 90, "clear": 90, "withs": 60, "visit": 60}
    many |= dict.fromkeys(("cancel_one", "block", "move", "pump", "await_one", "sibling", "fail", *BROKEN_TOO), 40)
    return max(1, int(many.get(within, 12) / MORE))


def is_kept(struck: list[BaseException]) -> bool:
    """Whether something else knows the failure: a job that failed with it, say. What is about to go does not count."""
    known = [each for each in gc.get_referrers(struck[0]) if each is not struck]
    return any(not isinstance(each, (FrameType, TracebackType)) for each in known)


@pytest.mark.parametrize("error", [MemoryError, RecursionError, KeyboardInterrupt])
@pytest.mark.parametrize("within", BROKEN + BROKEN_ALSO + BROKEN_TOO)
def test_a_failure_out_of_nowhere_loses_nobody_and_a_later_cancel_ends_the_tree(
    within, error, strike, uncaught, monkeypatch
):
    """F52: no lock left held, no joiner lost, state is old or new; the rest of the process does not notice.

    And it does not get lost itself: it is raised, reported, or kept as the failure of whom it struck.
    """
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(True))  # where it strikes a finalizer
    where: list[str] = []
    struck: list[BaseException] = []

    def fail() -> None:
        frame = sys._getframe(1)
        while not frame.f_code.co_filename.startswith(OURS):
            assert frame.f_back is not None
            frame = frame.f_back
        where[:] = [f"{frame.f_code.co_qualname}, line {frame.f_lineno}"]
        struck[:] = [error("swept")]
        raise struck[0]

    stride = failing_stride(within)
    at = first = 5 * len(error.__name__) % min(stride, 12)  # the shortest call has forty points
    while True:
        other, world = World(), Wide()  # the looper of the second is that of the thread, and raises what leaves
        again = (world.root.cancel, world.model.clear)[at % 2]
        try:
            if not strike(getattr(world, within), at, fail):
                break
        except BaseException as raised:  # whatever the broken call raises is for its caller
            if not where:
                raise
            raised.__traceback__ = None
            told.append(raised)
        struck[0].__traceback__ = None
        try:
            assert told or uncaught or is_kept(struck), "nobody is told of it"
            # Before an `__exit__` has come to end its block, which nobody else does: so it is with every `with`.
            if not where[0].split(",")[0].endswith("exit__"):
                world.check_after(again)
            other.launch()
            other.post()
            assert other.jobs[0].is_active, "nothing starts in place on this thread any more"
            other.check()
        except AssertionError as wrong:
            raise AssertionError(f"struck at point {at} of {within}, in {where[0]}: {wrong}") from None
        told.clear()
        uncaught.clear()
        at += stride
    assert at > first
    del world, other
    uncaught.clear()
    gc.collect()
