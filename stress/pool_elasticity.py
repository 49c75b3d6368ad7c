"""Does a pool whose threads come and go run every task once, within its limits, and end its threads?

Interleavings aimed at, one kind a round in turn:
  brink     a task arrives as the last idle thread gives up waiting: it is taken, or another thread is made
  burst     bursts from three threads upon an idle pool: enough threads, none too many counted
  limits    limited_parallelism: the worker hands over as its queue runs empty; never more at once than the limit
  hops      coroutines change between Default and IO and back: each comes back, once
  shut      a pool is closed while three threads put: a task is run, or refused to its putter

    python -m stress pool_elasticity --seconds 60
"""

from __future__ import annotations

import sys
import threading
from queue import SimpleQueue
from typing import Any

from vmscope import (
    Dispatchers,
    EmptyCoroutineContext,
    RejectedExecutionError,
    coroutine_scope,
    launch,
    new_fixed_thread_pool_context,
    run_blocking,
    with_context,
)
from vmscope.coroutines._pool import Pool

from ._soak import Soak, run

BRINK = 2e-4  # seconds that a thread of the pool waits: about as long as the next task takes to come


class Task:
    """What a dispatcher runs."""

    def __init__(self, function: Any) -> None:
        self.run = function


class PoolElasticity(Soak):
    kinds = ("brink", "burst", "limits", "hops", "shut")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.pool = Pool("soak-pool", keep_alive=BRINK)
        self.done: SimpleQueue[int] = SimpleQueue()

    def state(self) -> str:
        crew = self.pool._crew
        counts = f"{crew._queued} queued, {crew._waiting} waiting, {crew._count} threads"
        return f"{self.pool!r}: {counts}\n{super().state()}"

    def _put(self, count: int, pool: Any) -> None:
        for n in range(count):
            pool.dispatch(EmptyCoroutineContext, Task(lambda n=n: self.done.put(n)))

    def _wait(self, count: int) -> None:
        for _ in range(count):
            self.done.get()
        assert self.done.empty(), "a task ran twice"

    def brink(self) -> None:
        for _ in range(5):
            self._put(1, self.pool)
            self._wait(1)
            threading.Event().wait(BRINK * self.random.uniform(0.5, 1.2))  # to strike the moment, not to be in time

    def burst(self) -> None:
        self.at_once(*3 * (lambda: self._put(10, self.pool),))
        self._wait(30)

    def limits(self) -> None:
        view = self.pool.limited_parallelism(2)
        lock, inside, most = threading.Lock(), 0, 0

        def work() -> None:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            self.spin(100)
            with lock:
                inside -= 1
            self.done.put(0)

        def put() -> None:
            for _ in range(8):
                view.dispatch(EmptyCoroutineContext, Task(work))

        self.at_once(put, put, put)
        self._wait(24)
        assert most <= 2, f"{most} at once"

    def hops(self) -> None:
        back: list[int] = []

        def hop(n: int):
            for where in (Dispatchers.IO, Dispatchers.Default):
                yield from with_context(where, self.spin, 50)
            back.append(n)

        def all_of_them() -> None:
            for n in range(8):
                launch(hop, n)

        run_blocking(coroutine_scope, all_of_them, context=Dispatchers.Default)
        assert sorted(back) == list(range(8)), back

    def shut(self) -> None:
        pool = new_fixed_thread_pool_context(2, "soak-shut")
        taken = [0, 0, 0]

        def put(who: int) -> None:
            for _ in range(10):
                try:
                    pool.dispatch(EmptyCoroutineContext, Task(lambda: self.done.put(0)))
                except RejectedExecutionError:
                    return
                taken[who] += 1

        self.at_once(*(lambda who=who: put(who) for who in range(3)), pool.close)
        assert pool.join(), "closed, and its threads do not end"
        self._wait(sum(taken))

    def close(self) -> None:
        assert self.pool.is_at_rest() or self.pool._crew._count, self.state()
        self.pool.shut()
        assert not self.pool.join(30.0), "threads are left"


if __name__ == "__main__":
    sys.exit(run(PoolElasticity, __doc__))
