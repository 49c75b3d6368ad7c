"""The races of what stands on the core, in every order that fits: channels, locks, flows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from vmscope.testing import explore

from . import more_programs
from .test_races import MORE

PROGRAMS: dict[str, Callable[[], Any]] = {
    name: value
    for name, value in vars(more_programs).items()
    if getattr(value, "__module__", "") == more_programs.__name__ and not name.startswith("_")
}
WATCHED = [module for name, module in sys.modules.items() if name.startswith(("vmscope.sync._", "vmscope.flow._"))]


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_holds_in_every_order(name: str) -> None:
    explored = explore(PROGRAMS[name], watch=WATCHED, most=int(80 * MORE), random=int(15 * MORE))

    assert explored.schedules >= 3 or explored.complete
