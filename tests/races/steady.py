"""explore, for programs that hold: once more where the machine, and not the program, has come in between."""

from __future__ import annotations

from typing import Any

from vmscope.testing import ScheduleError, explore


def explore_steadily(program: Any, **how: Any) -> Any:
    """As `explore`. A search that was unsteady has found nothing; it is begun again, up to ten times.

    A program that is unsteady of itself is so each time. On a busy machine without the GIL it also comes from what the
    process does beside the program: the collector, a thread of an earlier run that ends.
    """
    for _ in range(9):
        try:
            return explore(program, **how)
        except ScheduleError as found:
            if found.kind != "unsteady":
                raise
    return explore(program, **how)
