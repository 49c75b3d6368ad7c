"""Does everything that a looper was given come to an end, when the looper quits under fire?

Interleavings aimed at, one kind a round in turn (a looper each):
  post      three threads post while a fourth quits, at once or safely: what was refused never runs, what ran ran once
  safely    what a thread has posted before it quits safely itself runs, whatever the others do
  launch    coroutines are launched while the looper quits: each ends, and who has begun cleans up
  waiting   coroutines wait in delays and for each other when the looper quits: each is cancelled and cleans up
  call      three threads wait for an answer of the looper as it quits: an answer or a refusal, and no hang

    python -m stress quit_storm --seconds 60
"""

from __future__ import annotations

import sys

from vmscope import (
    CompletableDeferred,
    CoroutineScope,
    HandlerThread,
    Job,
    RejectedExecutionError,
    as_dispatcher,
    delay,
    run_blocking,
)

from ._soak import Soak, run

EACH = 8


class QuitStorm(Soak):
    kinds = ("post", "safely", "launch", "waiting", "call")

    def _looper(self) -> HandlerThread:
        thread = HandlerThread("soak-quits")
        thread.start()
        self.thread = thread
        thread.handler  # noqa: B018  (there from now on, also when the looper has gone)
        return thread

    def state(self) -> str:
        return f"{self.thread!r} {self.thread._looper!r}\n{super().state()}"

    def _quit(self, thread: HandlerThread) -> None:
        self.spin(500)
        (thread.quit if self.random.random() < 0.5 else thread.quit_safely)()

    def post(self) -> None:
        thread = self._looper()
        ran: list[object] = []
        refused: list[object] = []

        def storm(who: int) -> None:
            for n in range(EACH):
                if not thread.handler.post(lambda at=(who, n): ran.append(at)):
                    refused.append((who, n))

        self.at_once(*(lambda who=who: storm(who) for who in range(3)), lambda: self._quit(thread))
        thread.join()
        assert len(ran) == len(set(ran)), ran
        assert not set(ran) & set(refused), (ran, refused)
        for who in range(3):
            mine = [n for by, n in ran if by == who]  # type: ignore[misc]
            assert mine == sorted(mine), ran

    def safely(self) -> None:
        thread = self._looper()
        ran: list[int] = []
        first = CompletableDeferred[None]()

        def storm() -> None:
            for n in range(EACH):
                if not thread.handler.post(lambda n=n: ran.append(n)):
                    return
            first.complete()
            thread.quit_safely()

        def noise() -> None:
            for _ in range(EACH):
                thread.handler.post(lambda: None)

        self.at_once(noise, storm, noise)
        thread.join()
        assert ran == list(range(EACH)), ran

    def launch(self) -> None:
        thread = self._looper()
        scope = CoroutineScope(Job() + as_dispatcher(thread.handler))
        began: list[int] = []
        cleaned: list[int] = []
        jobs: list[Job] = []

        def body(n: int):
            began.append(n)
            try:
                yield from delay(1e-4)
            finally:
                cleaned.append(n)

        def storm(who: int) -> None:
            for n in range(EACH):
                jobs.append(scope.launch(body, who * EACH + n))

        self.at_once(lambda: storm(0), lambda: self._quit(thread), lambda: storm(1))
        for job in jobs:
            run_blocking(job.join)
        thread.join()
        assert sorted(began) == sorted(cleaned), (began, cleaned)
        assert len(began) == len(set(began))

    def waiting(self) -> None:
        thread = self._looper()
        scope = CoroutineScope(Job() + as_dispatcher(thread.handler))
        gate: CompletableDeferred[None] = CompletableDeferred()
        cleaned: list[int] = []
        ready: CompletableDeferred[None] = CompletableDeferred()

        def body(n: int):
            try:
                if n == EACH - 1:
                    ready.complete()
                if n % 2:
                    yield from delay(60.0)
                else:
                    yield from gate.await_()
            finally:
                cleaned.append(n)

        jobs = [scope.launch(body, n) for n in range(EACH)]
        run_blocking(ready.await_)
        self.at_once(thread.quit, gate.complete)
        for job in jobs:
            run_blocking(job.join)
        assert sorted(cleaned) == list(range(EACH)), cleaned
        thread.join()

    def call(self) -> None:
        thread = self._looper()
        answers: list[object] = []

        def ask() -> None:
            try:
                answers.append(thread.handler.call(lambda: 1))
            except RejectedExecutionError:
                answers.append(None)

        self.at_once(ask, ask, ask, lambda: self._quit(thread))
        thread.join()
        assert len(answers) == 3
        assert set(answers) <= {1, None}


if __name__ == "__main__":
    sys.exit(run(QuitStorm, __doc__))
