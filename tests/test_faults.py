"""The table of faults in docs/faults.md: each row has a test that is there; and the rows that had none elsewhere."""

from __future__ import annotations

import ast
import pathlib
import random
import re
import subprocess
import sys

import pytest

from vmscope import MessageQueue, coroutine_scope, current_job
from vmscope.testing import run_test

ROOT = pathlib.Path(__file__).parent.parent
ROW = re.compile(r"^\| F(\d+) \| (.*?) \| (.*) \| (.*?) \|$", re.M)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
TABLE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def functions_of(path: str) -> set[str]:
    where = ROOT / path if path.startswith("stress/") else ROOT / "tests" / path
    tree = ast.parse(where.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_table_has_every_row_once():
    assert [int(row[1]) for row in ROW.finditer(TABLE)] == list(range(1, 57))


@pytest.mark.parametrize("row", list(ROW.finditer(TABLE)), ids=lambda row: f"F{row[1]}")
def test_each_row_is_held_by_tests_that_are_there(row):
    named = NAMED.findall(row[4])

    assert named, row[0]
    for path, function in named:
        assert function in functions_of(path), f"F{row[1]}: no {function} in {path}"
        assert path.startswith(("stress/", "races/programs")) or function.startswith("test_")


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


def test_a_job_that_joins_itself_waits_until_it_is_cancelled():
    """F40."""
    seen = []

    def joins_itself():
        seen.append(current_job())
        yield from current_job().join()

    def test(scope):
        job = scope.launch(coroutine_scope, joins_itself)
        scope.run_current()
        assert job.is_active
        job.cancel()
        yield from job.join()
        assert job.is_cancelled

    run_test(test)
    assert seen[0].is_completed


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
