"""VMain: the shadow main looper of `vmscope.testing`, with what the suite needs beside it.

    with VMain() as main:
        ViewModel().view_model_scope.launch(work)
        main.advance(5)

Messages run when the test says so, on the thread of the test, by (when due, order of posting). Other threads may post
meanwhile; `run_until` waits for them on a bell that the queue rings, in real time and within a bound.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vmscope import Handler
from vmscope._primitives import Bell
from vmscope.testing import ShadowLooper


class VMain(ShadowLooper):
    """The main looper of the calling thread, on a virtual clock, until `close` or the end of the `with`.

    Attributes:
        now: Virtual seconds; starts at 0.
        dispatches: How many items of the queue ran, counted as each begins.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dispatches = 0
        self._bell = Bell()
        self._thread = threading.current_thread()
        self._handler = Handler(self.looper)
        self.looper.attach_host(self._bell.ring)

    def __enter__(self) -> VMain:
        return self

    @property
    def now(self) -> float:
        return self._now

    @now.setter
    def now(self, seconds: float) -> None:
        self._now = seconds

    # ---- posting, from any thread

    def post(self, function: Callable[[], object]) -> bool:
        """Have `function` run after what is due by now."""
        return self._handler.post(function)

    def post_delayed(self, seconds: float, function: Callable[[], object]) -> bool:
        """Have `function` run `seconds` of virtual time from now."""
        return self._handler.post_delayed(function, seconds)

    # ---- running, on the thread of the test

    def step(self) -> bool:
        """Run the one item that is due first; False where none is due."""
        assert threading.current_thread() is self._thread, "a VMain runs on the thread that made it"
        if self.is_idle:
            return False
        self.dispatches += 1
        self.looper.pump(0.0)  # a budget that is used up by the first item
        return True

    def idle(self) -> None:
        while self.step():
            pass

    run_current = idle

    def drain(self) -> None:
        """Run everything, jumping the clock from one item to the next, until the queue is empty."""
        self.idle()
        while (due := self.next_scheduled_time) is not None and due != math.inf:
            self._now = max(self._now, due)
            self.idle()

    advance = ShadowLooper.idle_for

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
            due = self.next_scheduled_time
            if due is not None and due != math.inf:
                self._now = max(self._now, due)
                continue
            left = deadline - time.monotonic()
            assert left > 0, f"not so within {timeout} seconds: {condition}"
            self._bell.wait(min(left, 0.02))  # bounded: a condition may come true without a message


@pytest.fixture
def main() -> Iterator[VMain]:
    """A VMain for the test, gone after it."""
    with VMain() as made:
        yield made
