"""Does each of many launches, from many threads into one scope, begin once or not at all, and end?

Interleavings aimed at, one kind a round in turn:
  join      four threads launch and join their own while the others attach and detach in the same tree
  ordered   launches onto one looper from three threads: each thread's own run in the order of its launches
  cancel    the scope is cancelled in the middle: what began cleans up, what had not begun never does, all end
  spread    a coroutine launches others that launch others, on three dispatchers: the root waits for all
  results   async_ from three threads, awaited by two others

    python -m stress launch_storm --seconds 60
"""

from __future__ import annotations

import sys

from vmscope import (
    CoroutineScope,
    Deferred,
    Dispatchers,
    HandlerThread,
    Job,
    as_dispatcher,
    await_all,
    await_cancellation,
    launch,
    run_blocking,
    yield_,
)

from ._soak import Soak, run

EACH = 10


class LaunchStorm(Soak):
    kinds = ("join", "ordered", "cancel", "spread", "results")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.thread = HandlerThread("soak-looper")
        self.thread.start()
        self.on_looper = as_dispatcher(self.thread.handler)

    def _scope(self) -> CoroutineScope:
        return CoroutineScope(Job() + Dispatchers.Default)

    def _end(self, scope: CoroutineScope) -> None:
        job = scope.coroutine_context[Job]
        assert not list(job.children), f"left: {list(job.children)}"
        job.complete()
        assert job.is_completed

    def join(self) -> None:
        scope, ran = self._scope(), []

        def body(n: int):
            yield from yield_()
            ran.append(n)

        def storm() -> None:
            for n in range(EACH):
                run_blocking(scope.launch(body, n).join)

        self.at_once(storm, storm, storm, storm)
        assert len(ran) == 4 * EACH
        self._end(scope)

    def ordered(self) -> None:
        scope = CoroutineScope(Job() + self.on_looper)
        ran: list[tuple[int, int]] = []

        def storm(who: int) -> None:
            for n in range(EACH):
                scope.launch(ran.append, (who, n))

        self.at_once(*(lambda who=who: storm(who) for who in range(3)))
        scope.coroutine_context[Job].complete()
        run_blocking(scope.coroutine_context[Job].join)
        for who in range(3):
            assert [n for by, n in ran if by == who] == list(range(EACH)), ran

    def cancel(self) -> None:
        scope = self._scope()
        began, cleaned = [], []
        jobs: list[Job] = []

        def body(n: int):
            began.append(n)
            try:
                yield from await_cancellation()
            finally:
                cleaned.append(n)

        def storm(who: int) -> None:
            for n in range(EACH):
                jobs.append(scope.launch(body, who * EACH + n))

        self.at_once(lambda: storm(0), scope.cancel, lambda: storm(1), lambda: storm(2))
        for job in jobs:
            run_blocking(job.join)
        assert len(jobs) == 3 * EACH
        assert sorted(began) == sorted(cleaned), (began, cleaned)

    def spread(self) -> None:
        scope, ran = self._scope(), []
        places = (Dispatchers.Default, Dispatchers.IO, self.on_looper)

        def body(depth: int) -> None:
            ran.append(depth)
            if depth:
                for place in places:
                    launch(body, depth - 1, context=place)

        self.at_once(*2 * (lambda: scope.launch(body, 3),))
        scope.coroutine_context[Job].complete()
        run_blocking(scope.coroutine_context[Job].join)
        assert len(ran) == 2 * (1 + 3 + 9 + 27), len(ran)

    def results(self) -> None:
        scope = self._scope()
        deferreds: list[Deferred[int]] = []

        def square(n: int) -> int:
            return n * n

        def storm() -> None:
            for n in range(EACH):
                deferreds.append(scope.async_(square, n))

        self.at_once(storm, storm, storm)
        sums: list[int] = []

        def collect() -> None:
            sums.append(sum(run_blocking(await_all, *deferreds)))

        self.at_once(collect, collect)
        assert sums == 2 * [3 * sum(n * n for n in range(EACH))], sums
        self._end(scope)

    def close(self) -> None:
        self.thread.quit()
        self.thread.join()


if __name__ == "__main__":
    sys.exit(run(LaunchStorm, __doc__))
