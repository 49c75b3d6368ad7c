"""Each race of the core, run in every order with one preemption, most with two, and random ones; and shown red.

What a program yields and claims stands in `programs.py`; the faults that show that it can fail, in `faults.py`. More
orders, for an occasional run: `VMSCOPE_ORDERS=20 pytest tests/races`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from vmscope.testing import ScheduleError, explore

from . import programs
from .faults import (
    COROUTINE,
    DEFERRED,
    DISPATCHER,
    FAULTS,
    FRAME,
    HELD,
    JOB,
    LOOPER,
    MESSAGE,
    MODEL,
    POOL,
    PROVIDER,
    QUEUE,
    STORE,
    SUSPEND,
    TIMER,
    Fault,
)

# A third by default: the suite is to stay short, and on free-threaded builds a run costs ten times as much.
MORE = float(os.environ.get("VMSCOPE_ORDERS", "0.3"))
PROGRAMS: dict[str, Callable[[], Any]] = {
    name: value
    for name, value in vars(programs).items()
    if getattr(value, "__module__", "") == programs.__name__
    and callable(value)
    and not isinstance(value, type)
    and name != "at_once"
    and not name.startswith("_")
}
WATCHED = [
    sys.modules[f"vmscope.{name}"]
    for name in (
        JOB, SUSPEND, DEFERRED, COROUTINE, FRAME, DISPATCHER, POOL, HELD, TIMER, QUEUE, LOOPER, MODEL, STORE, PROVIDER,
        MESSAGE,
    )
]  # fmt: skip
# In these a wait may end before its time: what they are about is a timeout against the rest.
ANY_TIME = {"cancel_against_resume_against_timeout", "a_task_comes_as_the_last_thread_goes"}
_score: list[str] = []


HOLDS = pytest.mark.filterwarnings("ignore:run_blocking in a message")


@HOLDS
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_holds_in_every_order(name: str) -> None:
    explored = explore(
        PROGRAMS[name], watch=WATCHED, most=int(100 * MORE), random=int(20 * MORE), any_time=name in ANY_TIME
    )

    assert explored.schedules >= 3 or explored.complete


@HOLDS
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_seeded_fault_is_found(fault: Fault) -> None:
    program = PROGRAMS[fault.found_by]
    watch = [sys.modules[f"vmscope.{fault.where}"]]

    with fault.planted():
        with pytest.raises(ScheduleError) as found:
            explore(program, watch=watch, random=300, any_time=fault.found_by in ANY_TIME)
        with pytest.raises(ScheduleError, match=found.value.kind):
            explore(program, watch=watch, replay=found.value.token, any_time=fault.found_by in ANY_TIME)
    _score.append(fault.name)


def test_there_are_forty_faults_and_more() -> None:
    print(f"\nseeded faults found: {len(_score)} of {len(FAULTS)}")  # with -s: the score

    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40
