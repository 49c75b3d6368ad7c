"""Can a post be lost between a looper's last look and its sleep?

Interleavings aimed at, one kind a round in turn:
  answer   a post right after the last one was answered: before the looper says that it sleeps, or just after
  pause    a post after a short spin of random length: between announcement and look, or into the sleep
  timer    a post while a timed message is about to fall due: as the sleep ends by itself
  brief    a timed message that falls due as the sleep for it begins, with nothing else to end that
  crowd    posts of several threads at once: one of them wakes, all have to run
  notice   a post from a finalizer that runs on the looper's own thread, as it goes round to sleep

    python -m stress lost_wakeup --seconds 60
"""

from __future__ import annotations

import sys
import threading

from vmscope import Handler, HandlerThread, uptime

from ._soak import Soak, run

CROWD = 3


class OnDrop:
    """Posts when the last reference to it goes."""

    def __init__(self, handler: Handler, answered: threading.Semaphore) -> None:
        self._handler = handler
        self._answered = answered

    def __del__(self) -> None:
        self._handler.post(self._answered.release)


class LostWakeup(Soak):
    kinds = ("answer", "pause", "timer", "brief", "crowd", "notice")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.looper = HandlerThread("stress-looper")
        self.looper.start()
        self.handler = self.looper.handler
        self.answered = threading.Semaphore(0)

    def state(self) -> str:
        return f"looper {self.looper.looper!r}, next due {self.looper.looper.queue.peek_when()}"

    def _wait(self, answers: int) -> None:
        for _ in range(answers):
            self.answered.acquire()

    def _post(self) -> None:
        self.handler.post(self.answered.release)

    def answer(self) -> None:
        self._post()
        self._wait(1)

    def pause(self) -> None:
        self.spin(2_000)
        self._post()
        self._wait(1)

    def timer(self) -> None:
        self.handler.post_at_time(self.answered.release, uptime() + self.random.random() * 2e-4)
        self.spin(4_000)
        self._post()
        self._wait(2)

    def brief(self) -> None:
        self.handler.post(self._nap)
        self._wait(20)

    def _nap(self) -> None:
        # Woken for nothing, the looper looks again and sleeps for the rest. That is the wait which a SimpleQueue sleeps
        # through on some versions, see `vmscope._primitives.Bell`: every run of ten seconds hung, within 2,400 rounds.
        for _ in range(20):
            self.looper.looper.queue.wake()
            self.handler.post_at_time(self.answered.release, uptime() + self.random.random() * 2e-3)

    def crowd(self) -> None:
        self.at_once(*CROWD * (self._post,))
        self._wait(CROWD)

    def notice(self) -> None:
        self.handler.post(self._drop)
        self._wait(1)

    def _drop(self) -> None:
        # Made and dropped on one thread: on a free-threaded build the last reference to an object of another thread
        # goes only when that one gets round to it, and ours would be waiting for the answer.
        OnDrop(self.handler, self.answered)

    def close(self) -> None:
        self.looper.quit()
        self.looper.join()


if __name__ == "__main__":
    sys.exit(run(LostWakeup, __doc__))
