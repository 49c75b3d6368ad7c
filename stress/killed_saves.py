"""Does a process that is killed while it saves its state leave a file that is whole, and no more than one save old?

Each round is a process, forked, that saves as fast as it can from two threads, acknowledges each save through a pipe,
and is killed by SIGKILL after a random time. Aimed at: as it opens, writes, syncs, renames or syncs the folder, or
between two saves. Then the file is restored: it must be what one save wrote, not older than the last acknowledged one,
with nothing left beside it.

    python -m stress killed_saves --seconds 60 [--rounds N] [--seed N] [--size N]

Prints rounds and saves. A file that is refused, too old, or not alone ends it with 1. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import random
import select
import signal
import sys
import tempfile
import threading
import time
from typing import NoReturn

from vmscope.lifecycle import SavedStateRegistry


def save_for_ever(path: pathlib.Path, first: int, size: int, writer: int) -> NoReturn:
    """The process that is killed."""
    registry = SavedStateRegistry()
    registry.restore(None)
    lock = threading.Lock()
    newest = first

    def provide() -> dict[str, object]:
        with lock:
            number = newest
        return {"number": number, "rows": [number] * size}

    def work() -> None:
        nonlocal newest
        while True:
            with lock:
                newest += 1
                mine = newest
            registry.save_to(path)
            os.write(writer, b"%d\n" % mine)

    registry.register_saved_state_provider("state", provide)
    threading.Thread(target=work, daemon=True).start()
    work()
    os._exit(2)


def killed(path: pathlib.Path, first: int, size: int, seconds: float) -> list[int]:
    """Start one, kill it after `seconds`; return the numbers that it has acknowledged."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            save_for_ever(path, first, size, writer)
        finally:
            os._exit(2)
    os.close(writer)
    told = b""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and select.select([reader], [], [], left)[0]:
        told += os.read(reader, 65536)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(reader, 65536):
        told += more
    os.close(reader)
    return [int(line) for line in told.split()]


def restored(path: pathlib.Path, size: int) -> int:
    """Return the number in the file, after all that can be asked of it."""
    registry = SavedStateRegistry()
    registry.restore_from(path)
    state = registry.consume_restored_state("state")
    number: int = 0 if state is None else state["number"]
    if state is not None and state["rows"] != [number] * size:
        raise ValueError(f"half of one save and half of another: {number}")
    beside = sorted(each for each in os.listdir(path.parent) if each != path.name)
    if beside:
        raise ValueError(f"left beside it: {beside}")
    return number


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--size", type=int, default=2000, help="numbers in the state")
    args = parser.parse_args(argv)
    chance = random.Random(args.seed)
    number = saves = last = 0
    end = time.monotonic() + args.seconds
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "state.json"
        while number < args.rounds and time.monotonic() < end:
            told = killed(path, last, args.size, chance.random() * 0.05)
            saves += len(told)
            owed = max(told, default=last)
            try:
                found = restored(path, args.size)
            except (ValueError, OSError) as failure:
                print(f"killed_saves: round {number} (seed {args.seed}): {failure}")
                return 1
            if found < owed:
                print(f"killed_saves: round {number} (seed {args.seed}): {owed} was acknowledged, {found} is there")
                return 1
            last = found
            number += 1
    print(f"killed_saves: {number} processes killed, {saves} saves acknowledged, none lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
