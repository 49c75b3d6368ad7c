"""The hot paths stay short: how many bytecode instructions of ours one operation takes, and what a sleeper holds.

Counted, not timed: the same on a busy machine as on an idle one. The programs are those of `bench/`, where the times
are. A bound is an eighth above the highest count of any interpreter: it lets a line in and stops a slip that costs
everybody. Where a path gets shorter, bring its bound down; where it has to be longer, say in the commit what for.
"""

from __future__ import annotations

import gc
import os
import sys
from types import FrameType
from typing import Any

import pytest

import vmscope
from bench._row import Row
from bench._systems import VMSCOPE, VMSCOPE_ASYNC
from bench.rows import channels, flows, launching, memory, timing, yielding
from tests import processes
from vmscope import run_main
from vmscope.coroutines._builders import BlockingCoroutine
from vmscope.coroutines._coroutine import Coroutine, DeferredCoroutine, StandaloneCoroutine

OURS = os.path.dirname(vmscope.__file__) + os.sep
ROWS: dict[str, Row] = {
    row.name: row for family in (launching, yielding, timing, channels, flows, memory) for row in family.ROWS
}


class _Counter:
    """A trace function that counts the instructions run in the files of the package."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "opcode":
            self.count += 1
        return self._step


def instructions(program: Any, number: int) -> int:
    """Count what `program(number)` runs of ours, in this thread."""
    counter = _Counter()
    before = sys.gettrace()
    gc.disable()  # the finalizers of what other tests have left are not this one's
    sys.settrace(counter)
    try:
        run_main(program, number)
    finally:
        sys.settrace(before)
        gc.enable()
    return counter.count


#: For each row of `bench/`: instructions for one operation, in either spelling.
BOUNDS = {
    "launch": 459, "spawn": 656, "launch_join": 1_004, "with_context": 452, "scope_block": 391,
    "yield_1": 238, "cancels": 1_565, "timers": 346, "ping_pong": 1_239, "stream": 196,
    "state_1": 979, "state_100": 59_727, "shared_10": 2_023, "chain_10": 376,
}  # fmt: skip
#: Operations in the shorter of the two runs that are compared, where 20 will not do.
FEW = {"launch": launching.BURST, "timers": 200, "cancels": 100, "state_100": 2}
CASES = [
    (name, spelling) for name in BOUNDS for spelling in (VMSCOPE, VMSCOPE_ASYNC) if spelling in ROWS[name].programs
]


@pytest.mark.parametrize(("name", "spelling"), CASES)
def test_an_operation_takes_few_instructions(name: str, spelling: str) -> None:
    program, bound, few = ROWS[name].programs[spelling], BOUNDS[name], FEW.get(name, 20)

    instructions(program, few)  # what is done once, is done then
    each = (instructions(program, 3 * few) - instructions(program, few)) / (2 * few)

    assert each <= bound, f"{each:.0f} instructions for one operation, at most {bound} are allowed"
    assert each > bound / 3, f"{each:.0f} instructions: far fewer than {bound}, the bound is to be brought down"


def bytes_of_each(program: Any) -> float:
    """Measure what one more of what `program` makes holds, without what is made once and for all."""
    few, many = 250, 750
    run_main(program, many)  # what is done once, is done then
    return float((many * run_main(program, many) - few * run_main(program, few)) / (many - few))


def test_each_kind_of_coroutine_is_resumed_by_code_of_its_own() -> None:
    kinds = [Coroutine, StandaloneCoroutine, DeferredCoroutine, BlockingCoroutine]

    codes = [getattr(kind, name).__code__ for kind in kinds for name in ("run", "_resume", "_go_on")]

    assert len({id(code) for code in codes}) == len(codes)  # what the interpreter has learnt lies with the code
    assert len(set(codes)) == 3


@pytest.mark.parametrize(
    ("row", "spelling", "most"),
    [("memory_coroutine", VMSCOPE, 1536), ("memory_coroutine", VMSCOPE_ASYNC, 1536), ("memory_timer", VMSCOPE, 320)],
)
def test_what_waits_holds_few_bytes(row: str, spelling: str, most: float) -> None:
    """In a process of its own: what the threads of other tests allocate meanwhile would count as well."""
    program = f"""
        from tests.test_speed import ROWS, bytes_of_each
        print(bytes_of_each(ROWS[{row!r}].programs[{spelling!r}]))
    """

    code, out, err = processes.run(program)

    assert (code, err) == (0, "")
    assert most / 2 < float(out) <= most
