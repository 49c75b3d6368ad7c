"""explore, for programs that hold: once more where the machine, and not the program, has come in between."""

from __future__ import annotations

from typing import Any

from vmscope.testing import ScheduleError, explore


def explore_steadily(program: Any, **how: Any) -> Any:
    """As `explore`. A search that was unsteady has found nothing; it is begun again, once.

    A program that is unsteady of itself is so again. On a busy machine without the GIL it also comes, one search in
    some hundred, from what the process does beside the program: the collector, a thread of an earlier run that ends.
    """
    try:
        return explore(program, **how)
    except ScheduleError as found:
        if found.kind != "unsteady":
            raise
    return explore(program, **how)
