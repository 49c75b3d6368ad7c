"""Each random program gives here the trace that it gave on the reference: generators, `async def`, `async with`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vmscope

from . import bridges, harness, programs, twins

HERE = Path(__file__).parent
#: `programs_own` was made while this library was written, and run on the reference in the same way: waits by hand, jobs
#: without a coroutine, handlers that raise, and each program that once differed.
FILES = ("programs.jsonl", "programs_own.jsonl")
RECORDED = [json.loads(line) for name in FILES for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
SWAPPED = twins.swapped(programs.__name__, HERE / "programs.py")


class AsyncWith(SWAPPED["Prog"]):  # type: ignore[misc, name-defined]
    """The interpreter of `async def`, with `async with coroutine_scope()` for `await coroutine_scope(block)`."""

    async def scoped(self, builder: Any, ops: list[Any], who: str) -> None:
        async with builder() as scope:
            await self.run(ops, scope, who)

    async def timed(self, seconds: float, ops: list[Any], who: str) -> None:
        try:
            async with vmscope.with_timeout(seconds) as scope:
                await self.run(ops, scope, who)
            return
        except TimeoutError as timeout:
            cancellation = bridges.of_reference(timeout)
        raise cancellation


SPELLINGS = {
    "generators": programs.execute,
    "async_def": SWAPPED["execute"],
    "async_with": lambda program, tr: SWAPPED["execute"](program, tr, AsyncWith),
}


@pytest.mark.usefixtures("standing_timers")
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("recorded", RECORDED, ids=[one["id"] for one in RECORDED])
def test_a_program_gives_the_trace_of_the_reference(recorded: dict[str, Any], spelling: str) -> None:
    if programs.MutableStateFlow is None and programs.needs_flows(recorded["program"]["events"]):
        pytest.skip("uses a flow, and the room of the flows is not built yet")

    actual = harness.trace_of(recorded["id"], lambda tr: SPELLINGS[spelling](recorded["program"], tr))

    difference = harness.differences(recorded["trace"], actual)
    assert not difference, f"{json.dumps(recorded['program'])}\n{difference}"
