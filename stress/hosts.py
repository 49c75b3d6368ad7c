"""Does a window that is destroyed under fire ever leave a thread behind, and what does a host cost?

Interleavings aimed at
  hammer   threads post, at once and timed, while the application is destroyed at a random moment, by the toolkit or by
           the host; also with a window bound, which is cleared under fire. In a process of its own for each few rounds:
           some toolkits abort it when something of theirs is let go of on the wrong thread.
Figures
  idle     processor time of a loop that has nothing to do
  latency  from a post on a thread to its call, beside the toolkit's own way
  flood    redraws in a second while messages never end; then beside two threads that compute
  exit     from the order to close until the process has ended, while a worker hangs

    python -m stress hosts --seconds 60             # asyncio
    xvfb-run -a python -m stress hosts tk --seconds 60 [--seed N]

Toolkits: asyncio, tk, tk-poll, PySide6, PyQt6 (with QT_QPA_PLATFORM=offscreen), glib, wx. Prints the figures; a thread
that hangs, a process that aborts or does not end makes it end with 1.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.hosts.kits import KITS, Kit
from vmscope import Dispatchers, ViewModel, ViewModelProvider, delay, is_active, with_context

ROUNDS = 10  # of the hammer in one process
PATIENCE = 300.0  # seconds for one process: a round on a starved machine is slow, and no hang


# ---- in a process of its own


def hammer(kit: Kit, seed: float) -> int:
    """Play some rounds; return how many threads hung."""
    chance = random.Random(seed)
    hung = 0
    sys.setswitchinterval(1e-5)  # more orders of things; and a toolkit that waits 5 ms for the GIL plays few rounds
    for _ in range(ROUNDS):
        host = kit.install()
        model: ViewModel | None = None
        if kit.has_windows:
            window = kit.window()
            model = ViewModelProvider(host.bind(window)).get(ViewModel)
            kit.later(chance.random() * 0.02, lambda window=window: kit.destroy(window))

            async def touch(window: Any = window) -> None:
                while True:
                    await delay(0.0005)
                    assert kit.is_there(window)

            model.view_model_scope.launch(touch)

        def fire(host: Any = host) -> None:
            while host.handler.post(nothing) and host.handler.post_delayed(nothing, 0.001):
                pass

        def fire_while_wanted(host: Any = host) -> None:
            while host.handler.post(nothing) and is_active():
                pass

        def work(host: Any = host, fire: Callable[[], object] = fire_while_wanted) -> None:
            host.scope.launch(lambda: with_context(Dispatchers.IO, fire))

        threads = [threading.Thread(target=fire, daemon=True) for _ in range(2)]
        kit.later(0.0, lambda threads=threads, work=work: [work(), *(thread.start() for thread in threads)])
        by_toolkit = chance.random() < 0.5 and not kit.ends_unseen
        kit.later(0.01 + chance.random() * 0.03, kit.close_program if by_toolkit else host.end)
        kit.run(host)
        for thread in threads:
            if thread.ident is not None:
                thread.join(5)
                hung += thread.is_alive()
        assert model is None or model.is_cleared
    print(f"hung {hung}")
    return hung


def idle(kit: Kit, seconds: float) -> None:
    host = kit.install()
    began: list[float] = []
    kit.later(0.2, lambda: began.append(time.process_time()))
    kit.later(0.2 + seconds, lambda: (began.append(time.process_time()), host.end()))
    kit.run(host)
    print(f"{(began[1] - began[0]) / seconds * 100:.2f} %")


def latency(kit: Kit, number: float) -> None:
    posts = int(number)
    host = kit.install()
    ways: dict[str, Callable[[Callable[[], object]], object]] = {"host": host.handler.post, "bare": bare(kit)}
    seen: dict[str, list[float]] = {name: [] for name in ways}

    def shoot() -> None:
        for name, post in ways.items():
            for _ in range(posts):
                time.sleep(0.001 + random.random() * 0.002)
                at = time.perf_counter()
                post(lambda at=at, name=name: seen[name].append(time.perf_counter() - at))
            while len(seen[name]) < posts:
                time.sleep(0.01)
        host.handler.post(host.end)

    shooter = threading.Thread(target=shoot, daemon=True)
    kit.later(0.1, lambda: shooter.start())  # not the method itself: Qt would keep no reference to the thread
    kit.run(host)
    for name, times in seen.items():
        times.sort()
        print(f"{name} p50 {times[posts // 2] * 1e6:.0f} p99 {times[posts * 99 // 100] * 1e6:.0f} us", end="  ")
    print()


def bare(kit: Kit) -> Callable[[Callable[[], object]], object]:
    """The toolkit's own way from a thread to its loop, as its users know it."""
    here: Any = kit
    if hasattr(here, "tkinter"):
        waiting: list[Callable[[], object]] = []
        here.root.bind("<<Posted>>", lambda event: waiting.pop(0)())
        return lambda fn: (waiting.append(fn), here.root.event_generate("<<Posted>>", when="tail"))
    if hasattr(here, "binding"):
        signal = here.core.Signal if here.binding == "PySide6" else here.core.pyqtSignal

        class Courier(here.core.QObject):  # type: ignore[misc, name-defined]
            posted = signal(object)

            def call(self, fn: Callable[[], object]) -> None:
                fn()

        here.courier = Courier()
        here.courier.posted.connect(here.courier.call, here.core.Qt.ConnectionType.QueuedConnection)
        return lambda fn: here.courier.posted.emit(fn)
    if hasattr(here, "glib"):
        return lambda fn: here.glib.idle_add(lambda: bool(fn() and False))
    if hasattr(here, "wx"):
        return lambda fn: here.wx.CallAfter(fn)
    return lambda fn: here.loop.call_soon_threadsafe(fn)


def flood(kit: Kit, seconds: float, beside: float = 0.0) -> None:
    host = kit.install()
    counts = [0, 0]

    def compute() -> None:
        while not host.is_closed:
            pass

    def post() -> None:
        counts[0] += 1
        host.handler.post(post)

    def redraw() -> bool:
        counts[1] += 1
        return not host.is_closed

    post()
    kit.redraws(redraw)
    for _ in range(int(beside)):
        threading.Thread(target=compute, daemon=True).start()
    began, used = time.perf_counter(), time.process_time()
    host.handler.post_delayed(host.end, seconds)
    kit.run(host)
    took, used = time.perf_counter() - began, time.process_time() - used
    rates = f"{counts[1] / took:.0f} redraws/s, {counts[0] / took / 1000:.0f} thousand messages/s"
    print(f"{rates}, beside {beside:.0f} that compute, on {used / took:.0%} of a processor")


def leave(kit: Kit) -> None:
    """End while a worker hangs, and a coroutine waits for it. The parent takes the time."""
    host = kit.install()
    host.scope.launch(lambda: with_context(Dispatchers.IO, time.sleep, 3600))
    kit.later(0.2, lambda: (print(f"at {time.time()}", flush=True), host.end()))
    kit.run(host)


def nothing() -> None:
    pass


PARTS: dict[str, Callable[..., object]] = {
    "hammer": hammer, "idle": idle, "latency": latency, "flood": flood, "leave": leave,
}  # fmt: skip


# ---- the parent


def child(toolkit: str, part: str, *arguments: object) -> tuple[int | None, str]:
    """Run one part in a process of its own: its exit code, None where it did not end, and what it has printed."""
    command = [sys.executable, "-m", "stress.hosts", toolkit, "--part", part, *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as late:
        return None, repr(late)
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def main(argv: list[str] | None = None) -> int:
    """Run it; see the header."""
    parser = argparse.ArgumentParser(prog="stress.hosts", description=__doc__)
    parser.add_argument("toolkit", nargs="?", choices=KITS, default="asyncio")
    parser.add_argument("--seconds", type=float, default=10.0, help="for the hammer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.part:
        part, *arguments = options.part
        return 1 if PARTS[part](KITS[options.toolkit](), *map(float, arguments)) else 0

    failed = False
    began = time.monotonic()
    deadline = began + options.seconds
    rounds = 0
    seed = options.seed
    while time.monotonic() < deadline and not failed:
        code, printed = child(options.toolkit, "hammer", seed)
        if code != 0:
            failed = True
            print(f"hammer: seed {seed}: exit {code}\n{printed}")
        seed += 1
        rounds += ROUNDS
    outcome = "FAILED" if failed else "no thread hung, no process aborted"
    rate = rounds / (time.monotonic() - began)
    print(f"{options.toolkit} on {sys.version.split()[0]}: {rounds:,} rounds, {rate:,.0f} a second: hammer, {outcome}")

    for part, *arguments in (("idle", 2.0), ("latency", 500), ("flood", 1.0), ("flood", 1.0, 2)):
        code, printed = child(options.toolkit, part, *arguments)
        failed = failed or code != 0
        print(f"  {part}: {printed.strip()}")
    code, printed = child(options.toolkit, "leave")
    took = time.time() - float(printed.rpartition("at ")[2] or "nan") if code == 0 else float("nan")
    failed = failed or code != 0
    print(f"  exit: {took:.2f} s" if code == 0 else f"  exit: FAILED, {code}\n{printed}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
