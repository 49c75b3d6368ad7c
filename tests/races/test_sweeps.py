"""What strikes inside our own lines, where something can: post, cancel, launch and clear, from within each.

A signal handler or a finalizer uses the very objects that its thread is in the middle of changing (F6, F7). All must
come to its end, once. In the default suite one point in a few is tried, other ones for each pair; all of them with
`VMSCOPE_ORDERS=20 pytest tests/races/test_sweeps.py`.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.strike import Strike, collecting_points, striking
from vmscope import (
    CoroutineScope,
    Dispatchers,
    Handler,
    Job,
    Looper,
    SupervisorJob,
    ViewModel,
    as_dispatcher,
    await_cancellation,
    coroutine_scope,
    launch,
)
from vmscope.testing._explore_places import codes_in

from .test_races import MORE

MANY_POINTS, FEW_POINTS = max(1, int(25 / MORE)), max(1, int(5 / max(MORE, 1)))
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


@pytest.mark.parametrize("within", CALLS)
def test_a_failure_out_of_nowhere_leaves_no_lock_held_and_the_rest_of_the_process_in_order(
    within, strike, uncaught, monkeypatch
):
    """F52. What was being told when it struck may stay untold: see docs/faults.md. All else goes on."""
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)  # where it strikes a finalizer

    def no_memory() -> None:
        raise MemoryError("swept")

    at = stride = 1  # each of them: one alone once sent a loop round for ever
    while True:
        world, other = World(), World()
        try:
            if not strike(getattr(world, within), at, no_memory):
                break
        except Exception:  # noqa: BLE001  (whatever the broken call raises is for its caller)
            pass
        assert is_free(world.root._lock), f"point {at} of {within}"
        assert is_free(world.looper.queue._lock), f"point {at} of {within}"
        other.launch()
        other.post()
        assert other.jobs[0].is_active, f"point {at} of {within}: nothing starts in place on this thread any more"
        other.check()
        at += stride
    assert at >= stride
    del world, other
    gc.collect()
    uncaught.clear()
