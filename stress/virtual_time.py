"""Does the virtual clock of a test ever move while work that the test has sent to real threads is in flight?

Interleavings aimed at, one a turn, drawn by lot:
  hop      with_context to IO and back: the look between the end of the block and the dispatch back
  join     a child on Default: the look between the end of the child and the resumption of who joins it
  solo     a Deferred on a thread of its own
  outside  a Deferred of a scope that the test does not know, alone and in fours: it ends before its tree is locked
  family   a scope whose children are all elsewhere: the look as the last child ends
  nested   a job outside whose only child is on another dispatcher
  chain    one job outside wakes another that the test waits for
  shield   a hop inside a hop, shielded: a tree that none leads to

A round is a test of forty turns; in each turn a coroutine waits for one virtual second, and must never wake.

    python -m stress virtual_time --seconds 60
"""

from __future__ import annotations

import random
import sys
from collections.abc import Generator
from typing import Any

from vmscope import (
    CompletableDeferred,
    CoroutineScope,
    Dispatchers,
    SupervisorJob,
    async_,
    await_all,
    coroutine_scope,
    delay,
    launch,
    new_single_thread_context,
    non_cancellable,
    with_context,
)
from vmscope.testing import TestScope, run_test

from ._soak import Soak, run

TURNS = 40


class Test:
    """One test with many turns."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.solo = new_single_thread_context("stress-solo")
        self.outside = CoroutineScope(SupervisorJob() + Dispatchers.IO)

    def spin(self) -> None:
        for _ in range(self.random.randrange(200)):
            pass

    def hop(self) -> Generator[Any, Any, None]:
        yield from with_context(Dispatchers.IO, self.spin)

    def join(self) -> Generator[Any, Any, None]:
        yield from launch(self.spin, context=Dispatchers.Default).join()

    def alone(self) -> Generator[Any, Any, None]:
        yield from async_(self.spin, context=self.solo).await_()

    def out(self) -> Generator[Any, Any, None]:
        yield from self.outside.async_(self.spin).await_()
        yield from await_all(*[self.outside.async_(self.spin) for _ in range(4)])

    def family(self) -> Generator[Any, Any, None]:
        def parents() -> None:
            for _ in range(3):
                launch(self.spin, context=Dispatchers.IO)

        yield from coroutine_scope(parents)

    def nested(self) -> Generator[Any, Any, None]:
        yield from self.outside.launch(lambda: launch(self.spin, context=Dispatchers.Default)).join()

    def chain(self) -> Generator[Any, Any, None]:
        gate: CompletableDeferred[None] = CompletableDeferred()
        self.outside.launch(lambda: gate.complete(self.spin()))
        yield from self.outside.launch(gate.await_).join()

    def shield(self) -> Generator[Any, Any, None]:
        yield from non_cancellable(with_context, Dispatchers.IO, lambda: with_context(Dispatchers.Default, self.spin))

    def body(self, scope: TestScope) -> Generator[Any, Any, None]:
        kinds = (self.hop, self.join, self.alone, self.out, self.family, self.nested, self.chain, self.shield)
        for _ in range(TURNS):
            guard = scope.background_scope.launch(delay, 1.0)
            kind = self.random.choice(kinds)
            yield from kind()
            assert scope.current_time == 0, f"the clock moved in a turn of {kind.__name__!r}"
            guard.cancel()

    def run(self) -> None:
        try:
            run_test(self.body, timeout=30.0)
        finally:
            self.outside.cancel()
            self.solo.close()


class VirtualTime(Soak):
    kinds = ("test",)

    def test(self) -> None:
        Test(self.random.randrange(1 << 30)).run()


if __name__ == "__main__":
    sys.exit(run(VirtualTime, __doc__))
