"""The frame of a soak: rounds on real threads until the time is up, a watch on hangs, and one line of figures.

    class Look(Soak):
        def first(self): ...                # a kind of round: arrange, `at_once` the threads, assert
        kinds = ("first",)

    if __name__ == "__main__":
        sys.exit(run(Look, __doc__))

The kinds take turns. A soak ends with 1, its state and the stacks of all threads when a round raises, when something
dies unseen in a thread or a finalizer, and when a round has not ended after --patience seconds.
Threads: the rounds run on the main thread; the bodies given to `at_once` on threads that last as long as the soak.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import os
import random
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ClassVar

from vmscope.debug import dump_coroutines

Body = Callable[[], object]


class Soak:
    """Base of a script: `kinds` names the methods that are rounds; `close` gives up what the soak holds."""

    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._workers: list[SimpleQueue[tuple[Body, threading.Barrier]]] = []
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def at_once(self, *bodies: Body) -> None:
        """Run them at once, each on a thread of its own; raise what one of them raised, when all have ended."""
        while len(self._workers) < len(bodies):
            self._workers.append(SimpleQueue())
            name, given = f"soak-{len(self._workers)}", self._workers[-1]
            threading.Thread(target=self._work, args=(given,), name=name, daemon=True).start()
        gate = threading.Barrier(len(bodies))
        for given, body in zip(self._workers, bodies):  # noqa: B905  (there may be more workers)
            given.put((body, gate))
        failures = [failure for _ in bodies if (failure := self._ended.get()) is not None]
        if failures:
            raise failures[0]

    def _work(self, given: SimpleQueue[tuple[Body, threading.Barrier]]) -> None:
        while True:
            body, gate = given.get()
            failure: BaseException | None = None
            try:
                gate.wait()
                self.spin(60)  # the gate lets them go one after the other, always in much the same distance
                body()
            except BaseException as raised:  # noqa: BLE001  (raised to the one who waits for it)
                failure = raised
            body = gate = None  # type: ignore[assignment]  # a thread that waits must keep nothing alive
            self._ended.put(failure)

    def spin(self, at_most: int) -> None:
        """Lose some time, of random length."""
        for _ in range(int(self.random.random() * at_most)):
            pass

    def state(self) -> str:
        """Say what there is, where a round went wrong."""
        text = io.StringIO()
        dump_coroutines(text)
        return text.getvalue()

    def close(self) -> None:
        """The rounds are over: end what the soak has started, and make a last check."""


class _Watch:
    """Ends the process when a round takes too long: a hang is what most of these races would end in."""

    def __init__(self, patience: float, tell: Callable[[str], None]) -> None:
        self.beats = 0  # one each round
        self._patience = patience
        self._tell = tell
        self._over = threading.Event()
        threading.Thread(target=self._look, name="soak-watch", daemon=True).start()

    def _look(self) -> None:
        seen, since = -1, time.monotonic()
        while not self._over.wait(self._patience / 8):
            # For a process in which no Python thread can run any more, this one neither.
            faulthandler.dump_traceback_later(3 * self._patience, exit=True)
            now = time.monotonic()
            if self.beats != seen:
                seen, since = self.beats, now
            elif now - since > self._patience:
                self._tell(f"hangs: the round has not ended after {self._patience:g} s")
                os._exit(1)  # nothing that waits for the threads would come to an end

    def end(self) -> None:
        """The rounds are over."""
        self._over.set()
        faulthandler.cancel_dump_traceback_later()


def _told(soak: Soak, what: str, failure: BaseException | None = None) -> None:
    """Print what went wrong, the state and all stacks."""
    print(what, flush=True)
    if failure is not None:
        traceback.print_exception(failure, file=sys.stdout)
    try:
        print(soak.state(), flush=True)
    except Exception as second:  # noqa: BLE001  (the stacks are still to be told)
        print(f"no state: {second!r}", flush=True)
    sys.stdout.flush()
    faulthandler.dump_traceback(sys.__stdout__, all_threads=True)  # type: ignore[arg-type]


def run(kind: type[Soak], doc: str | None, argv: list[str] | None = None) -> int:
    """Run a soak as a program: read the arguments, go round, print the figures. The answer is the exit code."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=sys.maxsize, help="stop after so many, whatever the time")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds until a round counts as hung")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--interval", type=float, default=1e-6, help="the switch interval, in seconds")
    parser.add_argument("--kinds", nargs="*", metavar="KIND", help=f"only these, of {', '.join(kind.kinds)}")
    args = parser.parse_args(argv)

    name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    kinds = tuple(args.kinds or kind.kinds)
    done = dict.fromkeys(kinds, 0)
    unseen: list[Any] = []
    threading.excepthook = sys.unraisablehook = unseen.append
    usual = sys.getswitchinterval()
    sys.setswitchinterval(args.interval)  # a switch is asked for at nearly every bytecode
    soak = kind(args.seed)

    def tell(what: str, failure: BaseException | None = None) -> None:
        sys.setswitchinterval(usual)
        at = f"{name}: round {watch.beats} ({kinds[watch.beats % len(kinds)]}, seed {args.seed}) "
        _told(soak, at + what, failure)

    watch = _Watch(args.patience, tell)
    began = time.monotonic()
    try:
        while watch.beats < args.rounds and time.monotonic() - began < args.seconds:
            turn = kinds[watch.beats % len(kinds)]
            getattr(soak, turn)()
            if unseen:
                raise _seen(unseen[0])
            done[turn] += 1
            watch.beats += 1
        soak.close()
        if unseen:
            raise _seen(unseen[0])
    except BaseException as failure:  # noqa: BLE001  (shown, with the state; then it is the exit code)
        tell("went wrong", failure)
        return 1
    finally:
        watch.end()
        sys.setswitchinterval(usual)
    seconds = time.monotonic() - began
    each = ", ".join(f"{count:,} {turn}" for turn, count in done.items())
    print(f"{name}: {watch.beats:,} rounds, {watch.beats / seconds:,.0f} a second: {each} (seed {args.seed})")
    return 0


def _seen(death: Any) -> AssertionError:
    """What reached one of the hooks, as a failure of the round."""
    error = AssertionError(f"died unseen: {death.exc_value!r}")
    error.__cause__ = death.exc_value
    return error
