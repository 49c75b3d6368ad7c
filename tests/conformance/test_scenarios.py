"""Each recorded scenario is traced here line for line, in both spellings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from . import harness, twins
from .deviations import DEVIATIONS, WAITING


def _read(file: str) -> dict[str, dict[str, Any]]:
    lines = (Path(__file__).parent / file).read_text(encoding="utf-8").splitlines()
    return {one["id"]: one for one in map(json.loads, lines)}


GIVEN = _read("scenarios.jsonl")
ASKED = _read("asked.jsonl")  # questions of our own, answered by the reference in the same way
RECORDED = GIVEN | ASKED
TWINS = twins.load()
EACH = [(name, spelling) for name, both in TWINS.items() for spelling in both]


@pytest.mark.parametrize(("name", "spelling"), EACH)
def test_a_twin_traces_what_the_reference_traced(name: str, spelling: str) -> None:
    expected = DEVIATIONS[name].trace if name in DEVIATIONS else RECORDED[name]["trace"]

    actual = harness.trace_of(name, TWINS[name][spelling])

    difference = harness.differences(expected, actual)
    assert not difference, f"{RECORDED[name]['what']}\n{difference}"


def test_every_scenario_has_a_twin() -> None:
    assert not set(GIVEN) & set(ASKED)
    assert set(TWINS) | WAITING == set(RECORDED)
    assert not set(TWINS) & WAITING


def test_few_scenarios_deviate_and_each_differs_from_the_record() -> None:
    assert set(DEVIATIONS) <= set(RECORDED)
    assert len(DEVIATIONS) * 20 <= len(GIVEN)
    assert [
        name for name, (_, trace) in DEVIATIONS.items() if not harness.differences(RECORDED[name]["trace"], trace)
    ] == []
