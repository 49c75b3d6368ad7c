"""Can a post be lost between a looper's last look and its sleep?

Interleavings aimed at, one kind a round in turn:
  answer   a post right after the last one was answered: before the looper says that it sleeps, or just after
  pause    a post after a short spin of random length: between announcement and look, or into the sleep
  timer    a post while a timed message is about to fall due: as the sleep ends by itself
  crowd    posts of several threads at once: one of them wakes, all have to run
  notice   a post from a finalizer that runs on the looper's own thread, as it goes round to sleep

    python -m stress.lost_wakeup --seconds 60 [--rounds N] [--seed N]

Prints rounds of each kind. A post that is not answered within --patience seconds ends it with 1 and the state.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time

from vmscope import Handler, HandlerThread, uptime

CROWD = 3


class OnDrop:
    """Posts when the last reference to it goes."""

    def __init__(self, handler: Handler, answered: threading.Semaphore) -> None:
        self._handler = handler
        self._answered = answered

    def __del__(self) -> None:
        self._handler.post(self._answered.release)


class Rounds:
    """One looper thread under fire; each method is a kind of round and says how many answers it is owed."""

    def __init__(self, seed: int) -> None:
        self.looper = HandlerThread("stress-looper")
        self.looper.start()
        self.handler = self.looper.handler
        self.answered = threading.Semaphore(0)
        self.random = random.Random(seed)
        self._gate = threading.Barrier(CROWD + 1)
        for number in range(CROWD):
            threading.Thread(target=self._be_in_the_crowd, name=f"stress-{number}", daemon=True).start()

    def _be_in_the_crowd(self) -> None:
        while True:
            self._gate.wait()
            self.handler.post(self.answered.release)

    def _spin(self, at_most: int) -> None:
        for _ in range(self.random.randrange(at_most)):
            pass

    def answer(self) -> int:
        self.handler.post(self.answered.release)
        return 1

    def pause(self) -> int:
        self._spin(2_000)
        self.handler.post(self.answered.release)
        return 1

    def timer(self) -> int:
        self.handler.post_at_time(self.answered.release, uptime() + self.random.random() * 2e-4)
        self._spin(4_000)
        self.handler.post(self.answered.release)
        return 2

    def crowd(self) -> int:
        self._gate.wait()
        return CROWD

    def notice(self) -> int:
        self.handler.post(self._drop)
        return 1

    def _drop(self) -> None:
        # Made and dropped on one thread: on a free-threaded build the last reference to an object of another thread
        # goes only when that one gets round to it, and ours would be waiting for the answer.
        OnDrop(self.handler, self.answered)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=10_000_000, help="stop after so many, whatever the time")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds until a post counts as lost")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # a switch is asked for at nearly every bytecode
    try:
        rounds = Rounds(args.seed)
        kinds = (rounds.answer, rounds.pause, rounds.timer, rounds.crowd, rounds.notice)
        done = dict.fromkeys((kind.__name__ for kind in kinds), 0)
        number, end = 0, time.monotonic() + args.seconds
        while number < args.rounds and time.monotonic() < end:
            kind = kinds[number % len(kinds)]
            for _ in range(kind()):
                if not rounds.answered.acquire(timeout=args.patience):
                    print(f"lost_wakeup: round {number} ({kind.__name__}, seed {args.seed}) was never answered")
                    print(f"  looper {rounds.looper.looper!r}, next due {rounds.looper.looper.queue.peek_when()}")
                    return 1
            number += 1
            done[kind.__name__] += 1
        rounds.looper.quit()
        rounds.looper.join(args.patience)
        if rounds.looper.is_alive():
            print("lost_wakeup: quit() did not end the looper")
            return 1
    finally:
        sys.setswitchinterval(usual)
    print(f"lost_wakeup: {number} rounds, none lost: " + ", ".join(f"{n} {kind}" for kind, n in done.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
