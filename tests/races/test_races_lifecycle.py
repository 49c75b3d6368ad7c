"""The races of lifecycles and LiveData, in every order that fits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from vmscope.testing import explore

from . import lifecycle_programs
from .test_races import MORE

PROGRAMS: dict[str, Callable[[], Any]] = {
    name: value
    for name, value in vars(lifecycle_programs).items()
    if getattr(value, "__module__", "") == lifecycle_programs.__name__
}
SCOPES = ("_repeat", "_with_state", "_lifecycle_scope", "_main_thread", "_registry")


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_holds_in_every_order(name: str) -> None:
    files = ("_live_data",) if "post" in name else SCOPES
    watched = [sys.modules[f"vmscope.lifecycle.{file}"] for file in files]

    explored = explore(PROGRAMS[name], watch=watched, most=int(60 * MORE), random=int(10 * MORE))

    assert explored.schedules >= 3 or explored.complete
