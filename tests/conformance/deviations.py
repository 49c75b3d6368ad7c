"""Scenarios that cannot hold here: why, and what we do instead, which is asserted like a recorded trace.

The reason is the number of a deviation in section 3 of the design, or the fact of Python that forbids it. No more than
one in twenty of the scenarios may stand here; a test counts.
"""

from __future__ import annotations

from typing import NamedTuple


class Deviation(NamedTuple):
    """One scenario that is answered differently on purpose; its twin traces `trace`."""

    reason: str  # "deviation 6: ..." or "Python: ..."
    trace: list[str]


DEVIATIONS: dict[str, Deviation] = {
    "job.context_without_job": Deviation(
        "Python: no extension methods on a context stand for its job's; `context[Job]` is asked, and may be None",
        ["true", "job !! AttributeError('NoneType' object has no attribute 'cancel')", "element null"],
    ),
    "delay.duration_rounding": Deviation(
        "Python: seconds are floats everywhere (design, section 2); nothing is rounded up to whole milliseconds",
        ["1e-06", "1e-06", "1.500001"],
    ),
    "vm.clear_twice": Deviation(
        "deviation 12: a second `clear()` does nothing",
        ["close r", "onCleared", "again"],
    ),
}

#: Scenarios of the core groups that collect a flow or use a channel: their twins come with those rooms.
WAITING: frozenset[str] = frozenset(
    {
    }
)
