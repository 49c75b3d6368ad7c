"""The races of what stands on the core, in every order that fits: slots, channels, locks, flows; and shown red."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from vmscope.testing import ScheduleError, explore

from . import more_programs
from .faults import JOB, SUSPEND, Fault
from .more_faults import CHANNEL, FAULTS, LINE, MUTEX, SELECT, SLOTS
from .test_races import MORE

PROGRAMS: dict[str, Callable[[], Any]] = {
    name: value
    for name, value in vars(more_programs).items()
    if getattr(value, "__module__", "") == more_programs.__name__ and not name.startswith("_")
}
WATCHED = [
    module
    for name, module in sys.modules.items()
    if name.startswith(("vmscope.sync._", "vmscope.flow._", f"vmscope.{SLOTS}"))
]
#: Where else a thread has to be stopped for these faults to show.
BESIDE = {"a primitive is asked without its lock": (MUTEX,), "receive without the lock": (LINE,)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_holds_in_every_order(name: str) -> None:
    explored = explore(PROGRAMS[name], watch=WATCHED, most=int(80 * MORE), random=int(15 * MORE))

    assert explored.schedules >= 3 or explored.complete


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_seeded_fault_is_found(fault: Fault) -> None:
    beside = (LINE, CHANNEL) if fault.where == SELECT else BESIDE.get(fault.name, ())
    watch = [sys.modules[f"vmscope.{name}"] for name in (fault.where, SUSPEND, JOB, *beside)]

    with fault.planted(), pytest.raises(ScheduleError):
        explore(PROGRAMS[fault.found_by], watch=watch, random=300)
