"""Each random program gives here the trace that it gave on the reference, by generators and by `async def`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from . import harness, programs, twins

HERE = Path(__file__).parent
#: `programs_own` was made while this library was written, and run on the reference in the same way: waits by hand, jobs
#: without a coroutine, handlers that raise, and each program that once differed.
FILES = ("programs.jsonl", "programs_own.jsonl")
RECORDED = [json.loads(line) for name in FILES for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
SWAPPED = twins.swapped(programs.__name__, HERE / "programs.py")
SPELLINGS = {"generators": programs.execute, "async_def": SWAPPED["execute"]}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("recorded", RECORDED, ids=[one["id"] for one in RECORDED])
def test_a_program_gives_the_trace_of_the_reference(recorded: dict[str, Any], spelling: str) -> None:
    if programs.MutableStateFlow is None and programs.needs_flows(recorded["program"]["events"]):
        pytest.skip("uses a flow, and the room of the flows is not built yet")

    actual = harness.trace_of(recorded["id"], lambda tr: SPELLINGS[spelling](recorded["program"], tr))

    difference = harness.differences(recorded["trace"], actual)
    assert not difference, f"{json.dumps(recorded['program'])}\n{difference}"
