"""The table of faults in docs/faults.md: each row has a test that runs; and the rows that had none elsewhere."""

from __future__ import annotations

import functools
import importlib
import pathlib
import random
import re
import subprocess
import sys

import pytest

from stress.__main__ import NAMES
from stress._soak import Soak
from tests.races import test_races
from vmscope import Deferred, MessageQueue, VmScopeWarning, await_all, coroutine_scope, current_job
from vmscope._primitives import FREE_THREADED
from vmscope.coroutines import _job
from vmscope.testing import run_test

ROOT = pathlib.Path(__file__).parent.parent
ROW = re.compile(r"^\| F(\d+) \| (.*?) \| (.*) \| (.*?) \|$", re.M)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
# Some tests are of one system or build alone. Here none of those that are named is skipped, but these.
EVERYTHING_RUNS = sys.platform == "linux" and sys.version_info >= (3, 14) and not FREE_THREADED
WITHOUT_THE_GIL = {"test_each_coroutine_of_a_cancelled_scope_throws_an_object_of_its_own"}
TABLE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


@functools.cache
def collected(session: pytest.Session, path: str) -> dict[str, bool]:
    """The tests that pytest finds in a file, by the name of their function; and whether any of that name runs here."""
    runs: dict[str, bool] = {}
    for item in pytest.Module.from_parent(session, path=ROOT / "tests" / path).collect():
        if isinstance(item, pytest.Function):
            runs[item.originalname] = runs.get(item.originalname, False) or not never_runs(item)
    return runs


def never_runs(item: pytest.Item) -> bool:
    """Whether it is skipped here, or may fail."""
    marks = [*item.iter_markers("skip"), *item.iter_markers("xfail")]
    return bool(marks) or any(any(mark.args) for mark in item.iter_markers("skipif"))


@functools.cache
def soaked(name: str) -> set[str]:
    """What a script of stress/ does in its turns: the kinds of its rounds, its shapes, its works."""
    assert name in NAMES
    script = importlib.import_module(f"stress.{name}")
    soaks = [each for each in vars(script).values() if isinstance(each, type) and Soak in each.__bases__]
    if soaks:
        return {kind for soak in soaks for kind in soak.kinds}
    return set(script.SHAPES if hasattr(script, "SHAPES") else script.NAMES)


def test_the_table_has_every_row_once():
    assert [int(row[1]) for row in ROW.finditer(TABLE)] == list(range(1, 57))


@pytest.mark.parametrize("row", list(ROW.finditer(TABLE)), ids=lambda row: f"F{row[1]}")
def test_each_row_is_held_by_tests_that_run(row, request):
    named = NAMED.findall(row[4])

    assert named, row[0]
    assert NAMED.sub("", row[4]).strip() == "", "what stands there besides is looked at by nobody"
    for path, function in named:
        if path.startswith("stress/"):
            assert function in soaked(path.removeprefix("stress/").removesuffix(".py")), f"F{row[1]}: {path}"
        elif path == "races/programs.py":
            assert function in test_races.PROGRAMS, f"F{row[1]}"
        else:
            runs = collected(request.session, path)
            assert function in runs, f"F{row[1]}: pytest finds no {function} in {path}"
            here = FREE_THREADED if function in WITHOUT_THE_GIL else EVERYTHING_RUNS
            assert runs[function] or not here, f"F{row[1]}: {function} is never run"


class Item:
    """What a queue holds."""

    asynchronous = False
    when = 0.0

    def __init__(self, run):
        self.run = run

    def rejected(self):
        """Not told here."""


def test_a_jump_of_the_clock_brings_what_is_due_in_order_and_a_step_back_loses_nothing():
    """F13."""
    now, log = 200.0, []
    queue = MessageQueue(lambda: now)
    for number, when in enumerate((205.0, 201.0, 203.0, 201.0)):
        queue.put_at(Item(lambda at=(when, number): log.append(at)), when)

    now = 150.0
    queue.put(Item(lambda: log.append("while it was back")))
    queue.run_due()
    now = 1e9
    queue.run_due()

    assert log == ["while it was back", (201.0, 1), (201.0, 3), (203.0, 2), (205.0, 0)]


def test_no_file_of_the_package_reads_the_clock_on_the_wall():
    """F13: it jumps, and nothing may wait by it."""
    wall = re.compile(r"\btime\.time(_ns)?\b|from time import .*\btime(_ns)?\b|\.(now|today|utcnow)\(|CLOCK_REALTIME")
    found = [
        f"{path.name}: {line.strip()}"
        for path in (ROOT / "vmscope").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if wall.search(line)
    ]

    assert found == []


def test_many_timers_in_any_order_fire_in_theirs():
    """F15: 20,000 here."""
    queue, log = MessageQueue(lambda: 0.0 if not ready else 1e9), []
    ready: list[bool] = []
    times = [float(n) for n in range(1, 20_001)]
    random.Random(1).shuffle(times)
    for when in times:
        queue.put_at(Item(lambda when=when: log.append(when)), when)

    ready.append(True)
    queue.run_due()

    assert log == sorted(times)


def test_a_job_that_joins_itself_waits_until_it_is_cancelled_and_debug_mode_warns(monkeypatch):
    """F40: as in the reference, whose recorded programs do that."""
    monkeypatch.setattr(_job, "DEBUG", True)

    def joins_itself():
        yield from current_job().join()

    def awaits_itself(wait):
        yield from wait(current_job())

    def test(scope):
        blocks = [scope.launch(coroutine_scope, joins_itself), scope.launch(joins_itself)]
        blocks += [scope.async_(awaits_itself, Deferred.await_), scope.async_(awaits_itself, await_all)]
        with pytest.warns(VmScopeWarning) as warned:
            scope.run_current()
        assert [str(each.message).split()[0] for each in warned] == ["join", "join", "await", "await"]
        assert all("in its own body: it waits for itself" in str(each.message) for each in warned)
        for job in blocks:
            assert job.is_active
            job.cancel()
            yield from job.join()
            assert job.is_cancelled

    run_test(test)


INSIDE = """
import sys
sys.path.insert(0, {root!r})
from vmscope import Dispatchers, HandlerThread, run_blocking, with_context
thread = HandlerThread("inside")
thread.start()
assert thread.handler.call(lambda: 42) == 42
thread.quit()
thread.join()
assert run_blocking(lambda: with_context(Dispatchers.IO, lambda: 7)) == 7
assert Dispatchers.shutdown(5.0) == []
"""


def test_a_patched_threading_module_is_refused():
    """F56: as gevent and eventlet leave it."""
    code = "import _thread\ndef get_ident(): return 1\n_thread.get_ident = get_ident\nimport vmscope"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "ImportError: import vmscope with a patched `threading`: <function get_ident" in ended.stderr


@pytest.mark.skipif(sys.version_info < (3, 14), reason="concurrent.interpreters came with 3.14")
def test_a_sub_interpreter_has_loopers_and_pools_that_are_ended_by_hand():
    """F56."""
    code = (
        "from concurrent import interpreters\n"
        "inside = interpreters.create()\n"
        f"inside.exec({INSIDE.format(root=str(ROOT))!r})\n"
        "inside.close()\n"
        "print('closed')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stdout) == (0, "closed\n"), ended.stderr
