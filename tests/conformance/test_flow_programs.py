"""Each random flow gives here the trace that it gave on the reference: generators and `async def`.

Not among them: a policy that drops below `merge` or `flat_map_merge`, which the reference does not heed, and timeouts,
which fail here and cancel there (design, difference 2).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from . import flow_programs, harness, twins

HERE = Path(__file__).parent
RECORDED = [json.loads(line) for line in (HERE / "flow_programs.jsonl").read_text(encoding="utf-8").splitlines()]
SPELLINGS = {
    "generators": flow_programs.execute,
    "async_def": twins.swapped(flow_programs.__name__, HERE / "flow_programs.py")["execute"],
}


@pytest.mark.usefixtures("standing_timers")
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("recorded", RECORDED, ids=[one["id"] for one in RECORDED])
def test_a_flow_gives_the_trace_of_the_reference(recorded: dict[str, Any], spelling: str) -> None:
    actual = harness.trace_of(recorded["id"], lambda tr: SPELLINGS[spelling](recorded["program"], tr))

    difference = harness.differences(recorded["trace"], actual)
    assert not difference, f"{json.dumps(recorded['program'])}\n{difference}"
