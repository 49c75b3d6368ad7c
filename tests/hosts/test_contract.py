"""The contract that all hosts keep, on real toolkits: U1 to U5, U8 and U9; what it says is in `scenarios.py`.

A toolkit's scenarios run one after the other in one process, the toolkits side by side.
"""

from __future__ import annotations

import re

import pytest

from .conftest import Toolkits
from .kits import KITS
from .scenarios import of_kit


@pytest.mark.parametrize(("kit", "scenario"), [(kit, name) for kit in KITS for name in of_kit(KITS[kit])])
def test_on_each_toolkit(request: pytest.FixtureRequest, toolkits: Toolkits, kit: str, scenario: str) -> None:
    asked = [item.callspec.params["kit"] for item in request.session.items if _is_one_of_these(item)]
    toolkits.play(list(dict.fromkeys(asked)))

    code, printed = toolkits.outcome(kit)

    found = re.search(rf"^{scenario} (ok|failed)$(.*?)(?=^\w+ (?:ok|failed)$|\Z)", printed, re.S | re.M)
    assert found, f"{scenario} did not come to its end, the process ended with {code}:\n{printed}"
    assert found[1] == "ok", found[2]


def test_a_scenario_that_fails_is_seen(toolkits: Toolkits) -> None:
    program = "from tests.hosts import scenarios as s; s.SCENARIOS['x'] = lambda kit: 1 / 0; s.play(None, 'x')"
    code, printed = toolkits.run("asyncio", "-c", program)

    assert code == 0
    assert printed.startswith("x failed")
    assert "ZeroDivisionError" in printed


def _is_one_of_these(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and item.originalname == test_on_each_toolkit.__name__
