"""Is a message that blocks its looper ever not told of, and does it hurt to look at a thread that runs?

Interleavings aimed at, one kind a round in turn:
  asleep  the message begins as the watch falls asleep, after some that were over at once
  known   it begins as the watch does, on a looper that another one watches
  moving  it runs on while its stack is taken, through functions that are made and dropped
  leaves  watches end while messages come and go

    python -m stress blocked --seconds 60
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from vmscope import HandlerThread

from ._soak import Soak, run

if TYPE_CHECKING:
    from vmscope.debug import BlockReport, LooperWatch

LIMIT = 1e-4
SOURCE = "def down(n, step):\n    kept = [n] * {}\n    return step(n - 1, step) if n else [each for each in kept]\n"


class Blocked(Soak):
    kinds = ("asleep", "known", "moving", "leaves")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.thread = HandlerThread("stress-looper")
        self.thread.start()
        self.told = threading.Event()
        self.report: BlockReport | None = None
        self.watch = self._watch()

    def _watch(self) -> LooperWatch:
        looper = self.thread.looper
        assert looper is not None
        return looper.watch(LIMIT, self._tell)

    def _tell(self, report: BlockReport) -> None:
        if "block" in report.message:  # else the system has kept the thread waiting in a short one
            self.report = report
            self.told.set()

    def state(self) -> str:
        return f"{self.watch!r}, {self.thread.looper!r}, last told: {self.report}"

    def _block(self) -> None:
        self.told.wait()

    def _block_moving(self) -> None:
        while not self.told.is_set():
            names: dict[str, object] = {}
            exec(SOURCE.format(self.random.randrange(50)), names)
            down = names["down"]
            down(6, down)  # type: ignore[operator]

    def _pass(self) -> None:
        self.spin(200)

    def asleep(self) -> None:
        self.told.clear()
        for _ in range(self.random.randrange(4)):
            self.thread.handler.post(self._pass)
        self.spin(2_000)
        self.thread.handler.call(self._block)

    def known(self) -> None:
        self.told.clear()
        other = self.watch
        self.at_once(lambda: self.thread.handler.call(self._block), lambda: setattr(self, "watch", self._watch()))
        other.dispose()

    def moving(self) -> None:
        self.told.clear()
        self.thread.handler.call(self._block_moving)
        report = self.report
        assert report is not None
        assert report.stack, report

    def leaves(self) -> None:
        def post() -> None:
            for _ in range(20):
                self.thread.handler.post(self._pass)

        self.at_once(post, lambda: self._watch().dispose(), lambda: self._watch().dispose())

    def close(self) -> None:
        self.thread.quit()
        self.thread.join()


if __name__ == "__main__":
    sys.exit(run(Blocked, __doc__))
