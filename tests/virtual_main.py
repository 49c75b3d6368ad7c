"""VMain: a main looper for the thread of a test, on a clock that a test moves.

    with VMain() as main:
        ViewModel().view_model_scope.launch(work)
        main.advance(5)

Messages run when the test says so, on the thread of the test, by (when due, order of posting). Time stands still while
they run and jumps from one to the next. Other threads may post meanwhile; `run_until` waits for them on a bell that
the queue rings, in real time and within a bound.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from vmscope import Looper
from vmscope.looper import _looper


class _Call:
    """A posted function as the queue wants it."""

    __slots__ = ("function", "removed", "when")
    asynchronous = False

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
        self.when = 0.0
        self.removed = False

    def run(self) -> None:
        self.function()

    def rejected(self) -> None:
        pass


class VMain:
    """The main looper of the calling thread, on a virtual clock, from `__enter__` to `__exit__`.

    Attributes:
        now: Virtual seconds; starts at 0.
        looper: The looper; `Looper.get_main()` and `Looper.my_looper()` give it.
        dispatches: How many items of the queue ran, counted as each begins.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.dispatches = 0
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._thread = threading.current_thread()

    def __repr__(self) -> str:
        return f"<VMain at {self.now:g} s, {self.dispatches} ran>"

    # ---- coming and going

    def __enter__(self) -> VMain:
        self._thread = threading.current_thread()
        self._main_before = Looper.get_main()
        self._looper_before = Looper.my_looper()
        self.looper = Looper.create_for_test(self.clock)
        Looper.set_main_for_test(self.looper)
        self.looper.attach_host(self._ring)
        return self

    def __exit__(self, *raised: object) -> None:
        self.looper.quit()
        Looper.set_main_for_test(self._main_before)
        _looper._local.looper = self._looper_before  # the library itself has no use for taking a looper away

    def clock(self) -> float:
        return self.now

    def _ring(self) -> None:
        self._bell.put(None)

    # ---- posting, from any thread

    def post(self, function: Callable[[], object]) -> bool:
        """Have `function` run after what is due by now."""
        return bool(self.looper.queue.put(_Call(function)))

    def post_delayed(self, seconds: float, function: Callable[[], object]) -> bool:
        """Have `function` run `seconds` of virtual time from now."""
        return bool(self.looper.queue.put_at(_Call(function), self.now + max(seconds, 0.0)))

    # ---- running, on the thread of the test

    def step(self) -> bool:
        """Run the one item that is due first; False where none is due."""
        assert threading.current_thread() is self._thread, "a VMain runs on the thread that made it"
        due = self._due()
        if due is None or due > self.now:
            return False
        self.dispatches += 1
        self.looper.pump(0.0)  # a budget that is used up by the first item
        return True

    def run_current(self) -> None:
        """Run what is due by now, and what that posts for now."""
        while self.step():
            pass

    def drain(self) -> None:
        """Run everything, jumping the clock from one item to the next, until the queue is empty."""
        self._run_to(math.inf)

    def advance(self, seconds: float) -> None:
        """Run what falls due up to and including now + `seconds`, and leave the clock there."""
        target = self.now + seconds
        self._run_to(target)
        self.now = target

    def run_until(self, condition: Callable[[], Any], timeout: float = 10.0) -> None:
        """Run items, and wait for other threads to post more, until `condition()` is true.

        The clock jumps only where nothing else is left to run.

        Raises:
            AssertionError: Not true within `timeout` seconds of real time.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if self.step():
                continue
            due = self._due()
            if due is not None and due != math.inf:
                self.now = max(self.now, due)
                continue
            left = deadline - time.monotonic()
            assert left > 0, f"not so within {timeout} seconds: {condition}"
            try:
                self._bell.get(timeout=min(left, 0.02))  # bounded: a condition may come true without a message
            except Empty:
                pass

    def _run_to(self, limit: float) -> None:
        while True:
            self.run_current()
            due = self._due()
            if due is None or due > limit or due == math.inf:
                return
            self.now = max(self.now, due)

    def _due(self) -> float | None:
        due: float | None = self.looper.queue.peek_when()
        return due


@pytest.fixture
def main() -> Iterator[VMain]:
    """A VMain for the test, gone after it."""
    with VMain() as made:
        yield made
