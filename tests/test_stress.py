"""The frame of the soaks in stress/: what goes wrong in a round is told, with state and stacks, and the exit is 1."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parent.parent
NAMES = sorted(path.stem for path in (ROOT / "stress").glob("*.py") if not path.stem.startswith("_"))

SOAK = """
import sys, threading
from stress._soak import Soak, run

class Trial(Soak):
    kinds = ("{kind}",)
    rounds = 0

    def state(self):
        return "the state"

    def good(self):
        self.at_once(lambda: self.spin(10), lambda: self.spin(10))

    def fails(self):
        def body():
            self.rounds += 1
            assert self.rounds < 3, "lost one"
        self.at_once(body, lambda: None)

    def dies_in_a_thread(self):
        def die():
            raise ValueError("nobody looks")
        thread = threading.Thread(target=die)
        thread.start()
        thread.join()

    def hangs(self):
        def never(): threading.Event().wait()
        self.at_once(never, lambda: None)

sys.exit(run(Trial, "a trial", {arguments!r}))
"""


def soak(kind: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent(SOAK).format(kind=kind, arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_soak_ends_by_itself_and_tells_rounds_and_rate():
    ended = soak("good", "--rounds", "50", "--seconds", "60")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("trial: 50 rounds, ")
    assert "a second: 50 good (seed 1)" in ended.stdout


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("fails", ["trial: round 2 (fails, seed 1) went wrong", "lost one", "in body"]),
        ("dies_in_a_thread", ["trial: round 0 (dies_in_a_thread, seed 1) went wrong", "nobody looks"]),
        ("hangs", ["trial: round 0 (hangs, seed 1) hangs: the round has not ended after 0.3 s", "in never"]),
    ],
)
def test_what_goes_wrong_ends_a_soak_with_one_its_state_and_all_stacks(kind, told):
    ended = soak(kind, "--seconds", "60", "--patience", "0.3")

    assert ended.returncode == 1
    for text in (*told, "the state", "(most recent call first)"):
        assert text in ended.stdout, ended.stdout + ended.stderr


# Faults that a round of the soak cannot miss; races are shown red by hand, see stress/README.md.
PLANTED = {
    "isolation": (
        "jobs", "coroutines._job",
        "        return None\n    outcome = parent._begin_cancel(cause)",
        "        pass\n    outcome = parent._begin_cancel(cause)",
        "assert supervisor.is_active",
    ),
    "timers": (
        "order", "looper._queue",
        "-self._seq if rank == _FRONT else rank + self._seq", "-self._seq if rank == _FRONT else rank - self._seq",
        "assert numbers == sorted(numbers)",
    ),
    "leaks": (
        "timed_out", "looper._queue",
        "            item.when = inf  # its entry is dead (I4)\n            self._dead += 1",
        "            self._dead += 1",
        "left behind after 40 rounds",
    ),
}  # fmt: skip

PLANT = """
import sys
from stress._soak import run
from stress.{name} import {kind}
from tests.races.faults import Fault

with Fault("planted", {where!r}, {old!r}, {new!r}, "").planted():
    sys.exit(run({kind}, None, ["--kinds", {turn!r}, "--seconds", "60", "--rounds", "100"]))
"""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_turns_the_soak_red(name):
    turn, where, old, new, told = PLANTED[name]
    code = PLANT.format(name=name, kind=name.capitalize(), turn=turn, where=where, old=old, new=new)

    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 1, ended.stderr
    assert told in ended.stdout


def test_each_script_names_its_interleavings_and_stands_in_the_table():
    table = (ROOT / "stress" / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        script = (ROOT / "stress" / f"{name}.py").read_text(encoding="utf-8")
        assert f"`{name}`" in table, name
        assert "imed at" in script.partition('"""\n')[0], name
        assert f"python -m stress {name}" in script, name


def test_an_unknown_name_is_told_the_known_ones():
    ended = subprocess.run(
        [sys.executable, "-m", "stress", "nothing"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 2
    assert ", ".join(NAMES) in ended.stdout
