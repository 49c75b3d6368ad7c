"""The story of the demo: a screen is opened, half of it fails, and it is left while something still loads.

A user opens a dashboard: four panes load, one of them fails and three fill in. The user asks for older posts, which
come slowly, and leaves while they do. At the end `_checks.py` looks at what was seen on the way.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

from .. import CoroutineName, Dispatchers, delay, join_all, run_main, with_context, with_timeout
from .._primitives import current_thread, live_threads
from ..debug import job_tree
from ._checks import Check, Evidence, examine
from ._screen import BEGINS, Repository, Screen
from ._server import Service
from ._table import Table, measure
from ._timeline import Event, Palette, Timeline

if TYPE_CHECKING:
    from pathlib import Path

    from .. import Job
    from .._primitives import Thread

_PATIENCE = 30.0  # seconds; it takes two, on a busy machine ten: one that takes longer has got stuck, and fails


class Story(NamedTuple):
    """What happened: the timeline, the tree at the moment before the screen was left, the table, the checks."""

    events: list[Event]
    job_tree: str
    table: Table
    checks: list[Check]
    seconds: float

    @property
    def as_told(self) -> bool:
        """Whether every expectation held."""
        return all(check.holds for check in self.checks)


def tell(stream: IO[str] | None = None, palette: Palette | None = None) -> Story:
    """Play the story on this thread, which becomes the main looper's; print the timeline as it happens.

    Raises:
        TimeoutError: It got stuck.

    Threads: the main one, once a process.
    """
    before = set(live_threads())
    timeline = Timeline(stream, palette)
    return _weighed(timeline, before, *_played(timeline))


def _played(timeline: Timeline) -> tuple[Path, tuple[str, Table, Evidence]]:
    """Play it with a service of its own; the file of that, which is gone by then, and what was seen."""
    with Service(timeline) as service:
        return service.path, run_main(_in_time, service, timeline)


def _weighed(timeline: Timeline, before: set[Thread], path: Path, seen: tuple[str, Table, Evidence]) -> Story:
    """End what the process still has of it, and check what was seen."""
    tree, table, evidence = seen
    Dispatchers.shutdown(2.0)
    left_over = [thread.name for thread in live_threads() if thread not in before]
    timeline.note("server, workers and file are gone")
    checks = [
        *examine(evidence, [event.text for event in timeline.events]),
        Check("no thread is left", not left_over, ", ".join(left_over) or "none"),
        Check("no file is left", not path.parent.exists(), path.name),
    ]
    return Story(timeline.events, tree, table, checks, timeline.seconds)


async def _in_time(service: Service, timeline: Timeline) -> tuple[str, Table, Evidence]:
    async def user() -> tuple[str, Table, Evidence]:
        return await with_context(CoroutineName("user"), _play, service, timeline)

    return await with_timeout(_PATIENCE, user)


async def _play(service: Service, timeline: Timeline) -> tuple[str, Table, Evidence]:
    screen = Screen(Repository(service.url, timeline), timeline)
    timeline.note("opens the dashboard", "step")
    dashboard = screen.open()
    loads = dashboard.load()
    here = current_thread().name
    begun = [event.coroutine for event in timeline.events if event.text.startswith(BEGINS) and event.thread == here]
    timeline.note("load() has returned, the main thread is free")
    await join_all(*loads)
    filled = dict(screen.shown)

    timeline.note("asks for older posts", "step")
    older = dashboard.load_older()
    while len(dashboard.rows["feed"]) < 2 * filled["feed"]:
        await delay(0.02)
    tree = job_tree(dashboard.view_model_scope)
    loading = _family(older)
    active = sum(job.is_active for job in loading)
    timeline.note("leaves while they come: the store of the screen is cleared", "step")
    screen.leave()
    await join_all(*loading)
    timeline.note("has left, every coroutine of the screen has ended")
    await with_context(Dispatchers.IO, service.reader_lost.wait, 3.0)  # the server has noticed, too

    timeline.note("launches thousands of coroutines, to see what that costs", "step")
    table = await measure()
    evidence = Evidence(
        begun_at_once=begun,
        filled=filled,
        in_database={"users": service.rows_in("users"), "messages": service.rows_in("messages")},
        failures=dashboard.handled,
        wrong_threads=screen.wrong_threads,
        loading=len(loading),
        active_before=active,
        cancelled_after=sum(job.is_cancelled and job.is_completed for job in loading),
        scope_is_active=dashboard.view_model_scope.is_active,
        reader_lost=service.reader_lost.is_set(),
    )
    return tree, table, evidence


def _family(job: Job) -> list[Job]:
    """Return the job and all that stand below it."""
    family = [job]
    for member in family:  # grows while it is walked
        family.extend(member.children)
    return family
