"""Does a process end, in time and in silence, wherever its threads and coroutines happen to be?

Each round is a process that starts a random handful of works (see `Works`), lets them run for a random time, and ends
in one of the ways of `ENDINGS`. Aimed at: the end of the main thread while pool threads, timers, loopers and the
program's own threads are between any two steps; threads that are asked for while the interpreter goes down; suspended
coroutines that nobody but the interpreter's teardown collects; Ctrl-C at any point of all that.

    python -m stress exit_storm --seconds 60 [--rounds N] [--seed N] [--at-once N] [--only N]

Prints rounds and rate, and the slowest end. A process that does not end, ends with another code, or says anything that
it was not to say ends it with 1; `--only N` runs the process of that seed alone. POSIX only. On a free-threaded build a
hang with no line of Python under it, which is the interpreter's own (3.13t, once in some hundred ends), is only told.
"""

from __future__ import annotations

import argparse
import atexit
import concurrent.futures
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from vmscope import (
    CoroutineScope,
    Dispatchers,
    HandlerThread,
    Job,
    Looper,
    SupervisorJob,
    ViewModel,
    ViewModelStore,
    as_dispatcher,
    await_cancellation,
    delay,
    new_fixed_thread_pool_context,
    run_blocking,
    run_main,
    with_context,
    yield_,
)
from vmscope._primitives import FREE_THREADED
from vmscope.flow import MutableSharedFlow, MutableStateFlow

#: Seconds that a process may take from its end, or the Ctrl-C, to its very end: the grace, and much for a busy machine.
PATIENCE = 60.0


class Works:
    """What a process may be at when it ends. All of it is kept alive, or dropped, as chance has it."""

    def __init__(self, chance: random.Random) -> None:
        self.random = chance
        self.kept: list[object] = []
        self.scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    def _keep(self, made: object) -> None:
        if self.random.random() < 0.7:
            self.kept.append(made)

    def posting(self) -> None:
        """Two loopers that post to each other for ever."""
        one, other = HandlerThread("one"), HandlerThread("other")
        one.start()
        other.start()

        first, second = one.handler, other.handler

        def there() -> None:
            second.post(back)

        def back() -> None:
            first.post(there)

        for _ in range(4):
            first.post(there)
        self._keep((one, other))

    def computing(self) -> None:
        """Coroutines on Default that yield at every turn."""

        def turn() -> Any:
            while True:
                yield from yield_()

        for _ in range(4):
            self._keep(self.scope.launch(turn))

    def hopping(self) -> None:
        """Coroutines that go from Default to IO and back."""

        def turn() -> Any:
            while True:
                yield from with_context(Dispatchers.IO, int)

        for _ in range(4):
            self._keep(self.scope.launch(turn))

    def sleeping(self) -> None:
        """Delays of all lengths, with something to clean up."""

        def turn(seconds: float) -> Any:
            try:
                while True:
                    yield from delay(seconds)
            finally:
                yield from with_context(Dispatchers.IO, int)

        for seconds in (1e-4, 1e-3, 1e-2, 60.0):
            self._keep(self.scope.launch(turn, seconds))

    async def _wait(self) -> None:
        try:
            await await_cancellation()
        finally:
            self.kept.append(1)

    def waiting(self) -> None:
        """Coroutines that only the teardown collects, some of them with nothing else that knows of them."""
        for _ in range(4):
            self._keep(CoroutineScope(Job() + Dispatchers.Unconfined).launch(self._wait))

    def stuck(self) -> None:
        """A call on IO that does not come back."""
        self._keep(self.scope.launch(time.sleep, 3600.0, context=Dispatchers.IO))

    def flowing(self) -> None:
        """Hot flows with collectors on several threads."""
        state = MutableStateFlow(0)
        events: MutableSharedFlow[int] = MutableSharedFlow(extra_buffer=8)

        def produce() -> Any:
            while True:
                state.update(lambda n: n + 1)
                yield from events.emit(state.value)
                yield from delay(1e-4)

        self._keep(self.scope.launch(produce))
        self._keep(self.scope.launch(lambda: state.collect(lambda value: None)))
        self._keep(self.scope.launch(lambda: events.collect(lambda value: None), context=Dispatchers.IO))

    def launching(self) -> None:
        """A thread of the program's own, a daemon, that launches as fast as it can."""

        def storm() -> None:
            over = sys.is_finalizing
            try:
                while True:
                    self.scope.launch(int)
                    time.sleep(0)
            except BaseException:
                if not over():  # else it runs while the modules are emptied under it, and anything may be raised
                    raise

        threading.Thread(target=storm, daemon=True).start()

    def blocking(self) -> None:
        """A daemon thread in run_blocking."""
        threading.Thread(target=lambda: run_blocking(lambda: delay(3600.0)), daemon=True).start()

    def owned(self) -> None:
        """A pool of the program's own that nobody closes, and an executor that is a dispatcher."""
        pool = new_fixed_thread_pool_context(2, "owned")
        executor = as_dispatcher(concurrent.futures.ThreadPoolExecutor(2))

        def turn() -> Any:
            for _ in range(1000):
                yield from with_context(pool, int)
                yield from with_context(executor, int)

        self._keep((pool, executor, self.scope.launch(turn)))

    def late(self) -> None:
        """Launches and posts at exit, in a finalizer, and while the teardown drops what is left."""
        thread = HandlerThread("late")
        thread.start()
        scope, handler = self.scope, thread.handler

        class Late:
            def __del__(self) -> None:
                try:
                    scope.launch(int)
                    handler.post(int)
                except (TypeError, AttributeError):
                    pass  # so late that the names in modules are None

        self.kept.append(Late())
        sys.modules["late"] = Late()  # type: ignore[assignment]  # goes when the modules go
        atexit.register(lambda: scope.launch(time.sleep, 0.01, context=Dispatchers.IO))

    def modelling(self) -> None:
        """View models that nobody clears, one of them with work of its own."""

        store = ViewModelStore()
        model = ViewModel()
        store.put("model", model)
        if Looper.get_main() is not None:
            model.view_model_scope.launch(self._wait)
        self._keep(store)
        if self.random.random() < 0.5:
            store.clear()


NAMES = sorted(name for name in vars(Works) if not name.startswith("_"))


def _returns(end: Callable[[], None]) -> None:
    end()


def _leaves(end: Callable[[], None]) -> None:
    end()
    sys.exit(3)


def _raises(end: Callable[[], None]) -> None:
    end()
    raise ValueError("meant to")


def _quits(end: Callable[[], None]) -> None:
    looper = Looper.prepare_main()
    threading.Thread(target=lambda: (end(), looper.quit()), daemon=True).start()
    Looper.loop()


def _runs_main(end: Callable[[], None]) -> None:
    def main() -> Any:
        end()
        yield from delay(0.001)

    run_main(main)


def _interrupted(end: Callable[[], None]) -> None:
    looper = Looper.prepare_main()
    threading.Thread(target=lambda: (end(), os.kill(os.getpid(), signal.SIGINT)), daemon=True).start()
    Looper.loop()
    del looper


#: Way to end -> (what does it, the exit code that is right, the last line that may be said).
ENDINGS: dict[str, tuple[Callable[[Callable[[], None]], None], int, str]] = {
    "returns": (_returns, 0, ""),
    "leaves": (_leaves, 3, ""),
    "raises": (_raises, 1, "ValueError: meant to"),
    "quits": (_quits, 0, ""),
    "runs_main": (_runs_main, 0, ""),
    "interrupted": (_interrupted, -signal.SIGINT, "KeyboardInterrupt"),
}


def chosen(seed: int) -> tuple[random.Random, str, list[str]]:
    """What the process of this seed does: its ending and its works."""
    chance = random.Random(seed)
    ending, names = chance.choice(sorted(ENDINGS)), chance.sample(NAMES, chance.randint(1, 5))
    if "launching" in names and "late" in names:
        # A thread of the program's own, stopped for ever in the middle of a launch, keeps a lock; a finalizer of the
        # teardown that launches waits for it. No library can help that: see F12 in docs/faults.md.
        names.remove("late")
    return chance, ending, names


def be_the_process(seed: int) -> None:
    """Start the works, and end."""
    chance, ending, names = chosen(seed)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.setswitchinterval(chance.choice((1e-6, 1e-4, 5e-3)))
    pause = chance.random() ** 3 * 0.05

    def end() -> None:
        works = Works(chance)
        threading.main_thread().works = works  # type: ignore[attr-defined]  # until the teardown
        for name in names:
            getattr(works, name)()
        time.sleep(pause)
        print("ends", time.monotonic(), flush=True)

    ENDINGS[ending][0](end)


def one(seed: int) -> tuple[str, float]:
    """Run the process of this seed; what was wrong with it, or nothing, and how long its end took."""
    _, ending, names = chosen(seed)
    _, right, allowed = ENDINGS[ending]
    command = [sys.executable, "-X", "faulthandler", "-m", "stress.exit_storm", "--only", str(seed)]
    what = f"the process of seed {seed} ({ending}; {', '.join(names)})"
    process = subprocess.Popen(
        command, cwd=pathlib.Path(__file__).parent.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # faulthandler tells all stacks
        _, errors = process.communicate()
        if FREE_THREADED and "<no Python frame>" in errors:
            print(f"exit_storm: {what} hangs in the end of the interpreter itself", flush=True)
            return "", PATIENCE
        return f"{what} does not end:\n{errors}", PATIENCE
    took = time.monotonic() - float(output.split()[1]) if output.startswith("ends") else 0.0
    said = errors.strip().splitlines()
    expected = not said if not allowed else bool(said) and said[-1] == allowed and said[0].startswith("Traceback")
    if process.returncode != right or not expected or errors.count("Traceback") > 1 or "Exception ignored" in errors:
        return f"{what} ended with {process.returncode} instead of {right}, and said:\n{output}{errors}", took
    return "", took


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--at-once", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--only", type=int, help="be the process of this seed")
    args = parser.parse_args(argv)
    if args.only is not None:
        be_the_process(args.only)
        return 0
    began = time.monotonic()
    done = 0
    slowest = 0.0
    wrong = ""
    seeds = iter(range(args.seed, args.seed + args.rounds))
    lock = threading.Lock()

    def go_on() -> None:
        nonlocal done, slowest, wrong
        while not wrong and time.monotonic() - began < args.seconds:
            with lock:
                seed = next(seeds, None)
            if seed is None:
                return
            fault, took = one(seed)
            with lock:
                done += 1
                slowest = max(slowest, took)
                wrong = wrong or fault

    threads = [threading.Thread(target=go_on) for _ in range(args.at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        print(f"exit_storm: {wrong}")
        return 1
    rate = done / (time.monotonic() - began)
    print(f"exit_storm: {done:,} rounds, {rate:,.0f} a second, the slowest end took {slowest:.1f} s (seed {args.seed})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
