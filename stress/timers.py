"""Do timers fall due once and in order, where they are set and taken back by the thousand at about the time they end?

Interleavings aimed at, one kind a round in turn:
  retract   posts due in a moment are taken back by another thread as they fall due: run or removed, and not both
  order     posts for a handful of times from three threads: they run by time, and of one time in the order of posting
  timeout   a delay against a timeout of the same length, many at once on Default: one of the two, and all end
  cancel    delays on the shared timer are cancelled as they end
  nearer    an earlier time is set while the timer's thread falls asleep until a later one

    python -m stress timers --seconds 60
"""

from __future__ import annotations

import sys
import time
from queue import SimpleQueue

from vmscope import (
    CoroutineScope,
    Dispatchers,
    HandlerThread,
    Job,
    await_all,
    coroutine_scope,
    delay,
    run_blocking,
    uptime,
    with_timeout_or_none,
)

from ._soak import Soak, run

SHORT = 5e-4


class Timers(Soak):
    kinds = ("retract", "order", "timeout", "cancel", "nearer")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.thread = HandlerThread("soak-timers")
        self.thread.start()
        self.handler = self.thread.handler

    def state(self) -> str:
        return f"{self.thread.looper!r}, next due {self.thread.looper.queue.peek_when()}\n{super().state()}"

    def _flush(self) -> None:
        """Wait until all that is due by now has run."""
        self.handler.call(lambda: None)

    def retract(self) -> None:
        ran: list[int] = []
        posts = [lambda n=n: ran.append(n) for n in range(8)]
        left: list[int] = []
        until = uptime() + SHORT

        def post() -> None:
            for each in posts:
                assert self.handler.post_at_time(each, until)

        def take_back() -> None:
            self.spin(2_000)
            for n, each in enumerate(posts):
                self.handler.remove_callbacks(each)
                left.append(n)

        self.at_once(post, take_back)
        while self.handler.has_messages_or_callbacks():
            self._flush()
        self._flush()
        assert len(ran) == len(set(ran)), ran
        assert ran == sorted(ran), ran
        assert not self.handler.has_messages_or_callbacks()

    def order(self) -> None:
        times = [uptime() + n * SHORT / 4 for n in range(4)]
        ran: list[tuple[float, int, int]] = []
        done: SimpleQueue[None] = SimpleQueue()

        def post(who: int) -> None:
            for number in range(8):
                when = self.random.choice(times)
                self.handler.post_at_time(lambda at=(when, who, number): (ran.append(at), done.put(None)), when)

        self.at_once(*(lambda who=who: post(who) for who in range(3)))
        for _ in range(3 * 8):
            done.get()
        for who in range(3):
            mine = [(when, number) for when, poster, number in ran if poster == who]
            late = [when for when, _ in mine if when < times[0]]
            assert not late
            for when in times:
                numbers = [number for at, number in mine if at == when]
                assert numbers == sorted(numbers), (who, mine)

    def timeout(self) -> None:
        def wait(seconds: float):
            yield from delay(seconds)
            return "slept"

        def all_of_them():
            scope_of_all = [
                CoroutineScope(Dispatchers.Default).async_(with_timeout_or_none, limit, wait, seconds)
                for limit, seconds in 8 * [(SHORT, SHORT), (SHORT / 2, SHORT), (SHORT, SHORT / 2)]
            ]
            return (yield from await_all(*scope_of_all))

        outcomes = run_blocking(coroutine_scope, all_of_them)
        assert set(outcomes) <= {None, "slept"}, outcomes

    def cancel(self) -> None:
        scope = CoroutineScope(Job() + Dispatchers.Default)
        jobs = [scope.launch(delay, self.random.random() * SHORT) for _ in range(16)]

        def cancel() -> None:
            for job in jobs:
                self.spin(200)
                job.cancel()

        self.at_once(cancel)
        for job in jobs:
            run_blocking(job.join)
        scope.cancel()

    def nearer(self) -> None:
        long = CoroutineScope(Dispatchers.Default).launch(delay, 60.0)
        began = time.monotonic()

        def short() -> None:
            self.spin(400)
            run_blocking(CoroutineScope(Dispatchers.Default).launch(delay, SHORT).join)

        self.at_once(short, short)
        assert time.monotonic() - began < 30, "a delay waited for a longer one"
        long.cancel()

    def close(self) -> None:
        assert self.thread.looper.queue.peek_when() is None
        self.thread.quit()
        self.thread.join()


if __name__ == "__main__":
    sys.exit(run(Timers, __doc__))
