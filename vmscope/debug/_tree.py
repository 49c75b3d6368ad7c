"""The tree: jobs as text, each with its state, its dispatcher and the line where it waits.

One picture for the demo, for hang reports and for failing tests. What it reads of a coroutine it reads while that
cannot be resumed: a continuation is claimed under the lock of the tree, so while that is held a suspended generator
stays suspended. The frames of one that runs are not looked at: on a free-threaded build they change under the reader.

Locks: takes the lock of one tree at a time, to read; nobody's code runs under it.
Counterpart: kotlinx.coroutines.debug.DebugProbes, printJob, printScope, dumpCoroutines.
"""

from __future__ import annotations

import gc
import sys
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..coroutines._coroutine import Coroutine, record_creation
from ..coroutines._deferred import unread
from ..coroutines._frame import ScopeCoroutine
from ..coroutines._job import COMPLETED, NEW, Job
from ..coroutines._origin import Place, is_library, origins
from ..coroutines._scope import CoroutineScope
from ..coroutines._suspend import SUSPENDED_PHASE

if TYPE_CHECKING:
    from typing import TextIO

    from ..coroutines._context import CoroutineContext

_MOST_LINKS = 1_000  # of a chain of generators: a longer one is a runaway recursion


class CoroutineInfo(NamedTuple):
    """What is known of a coroutine at one moment.

    Attributes:
        job: The coroutine.
        state: "created", "running", "dispatched" (its next step waits for a thread), "suspended", or "completing" (it
            waits for its children).
        waits_in: What it is suspended in, `delay` or `join` say; "" where it is not.
        stack: Where it waits, outermost first, the library's own lines left out; empty where it is not suspended.
        context: What it was launched with.
        created: The lines that led to its launch, outermost first; empty unless `record_creation_stacks` was on then.
    """

    job: Job
    state: str
    waits_in: str
    stack: tuple[Place, ...]
    context: CoroutineContext
    created: tuple[Place, ...]


def coroutine_info(job: Job) -> CoroutineInfo | None:
    """Return where the coroutine `job` stands; None where it is no coroutine, or has ended. Threads: any."""
    if not isinstance(job, Coroutine):
        return None
    with job._lock:
        if job._state >= COMPLETED:
            return None
        state, waits_in, stack = _standing(job)
    return CoroutineInfo(job, state, waits_in, stack, job.coroutine_context, origins.of(job))


def _standing(job: Coroutine) -> tuple[str, str, tuple[Place, ...]]:
    if job._state == NEW:
        return "created", "", ()
    wait = _wait_of(job)
    if wait is not None:
        return "suspended", wait, _stack(job._generator)
    if job._due:
        return "dispatched", "", ()
    over = job._generator is None and job._block is None
    return "completing" if over else "running", "", ()


def _wait_of(coroutine: Coroutine) -> str | None:
    """What it is suspended in, where that holds as long as the lock of its tree is held."""
    frame = coroutine._frame
    if frame is None:  # its body is over
        return None
    if frame._lock is not coroutine._lock:  # shielded by NonCancellable: a tree of its own
        with frame._lock:
            return _wait_in(coroutine, frame)
    return _wait_in(coroutine, frame)


def _wait_in(coroutine: Coroutine, frame: Any) -> str | None:
    waiter = frame._waiter
    if waiter is not None and waiter._phase == SUSPENDED_PHASE:
        name: str = waiter._name()
        return name
    for child in frame.children:
        if isinstance(child, ScopeCoroutine) and child._waits is not None and child._waits._coroutine is coroutine:
            return "its children"
    return None


def suspension_stack(job: Job) -> tuple[Place, ...]:
    """Return the lines where a suspended coroutine waits, outermost first, the library's own left out.

    Empty for one that is not suspended. Threads: any.
    """
    info = coroutine_info(job)
    return () if info is None else info.stack


def _stack(generator: Any) -> tuple[Place, ...]:
    """Follow what waits for what, from the body inwards."""
    places = []
    for _ in range(_MOST_LINKS):
        if isinstance(generator, GeneratorType):
            frame, code, inner = generator.gi_frame, generator.gi_code, generator.gi_yieldfrom
        elif isinstance(generator, CoroutineType):
            frame, code, inner = generator.cr_frame, generator.cr_code, generator.cr_await
        else:
            # `yield from coroutine` goes through an object without attributes that refers to the coroutine alone
            inside = [
                thing for thing in gc.get_referents(generator) if isinstance(thing, (GeneratorType, CoroutineType))
            ]
            if len(inside) != 1:
                break
            generator = inside[0]
            continue
        if frame is not None and not is_library(code):
            places.append(Place(code.co_filename, frame.f_lineno or code.co_firstlineno, code.co_qualname))
        generator = inner
    return tuple(places)


def describe(job: Job) -> str:
    """Return one job in one line: what it is, its state, its dispatcher, where it waits. Never names relatives."""
    parts = [f"{job._title()} {job.state_name.lower()}"]
    if isinstance(job, (Coroutine, ScopeCoroutine)):
        parts.append(repr(job._env.dispatcher))
    info = coroutine_info(job)
    if info is not None:
        if info.state == "suspended":
            where = f" at {info.stack[-1]}" if info.stack else ""
            parts.append(f"suspended in {info.waits_in}{where}")
        else:
            parts.append(info.state)
            if info.state == "running" and isinstance(job, Coroutine) and job._dispatcher is not job._env.dispatcher:
                parts[-1] += f" on {job._dispatcher!r}"
        if info.created:
            parts.append(f"launched at {info.created[-1]}")
    return ", ".join(parts)


def job_tree(root: Job | CoroutineScope) -> str:
    """Return the tree of jobs below a job or a scope as text, a line each, children in the order they came.

    A snapshot job by job: what moves meanwhile may be seen before or after. The format is for people and may change.

    Threads: any, a signal handler too.
    Kotlin: DebugProbes.jobToString, scopeToString.
    """
    job = _job_of(root)
    if job is None:
        return f"{root!r} has no job, and so no tree"
    lines = []
    stack: list[tuple[Job, str, str]] = [(job, "", "")]
    while stack:
        current, head, rest = stack.pop()
        lines.append(head + describe(current))
        children = list(current.children)
        for index in range(len(children) - 1, -1, -1):
            last = index == len(children) - 1
            stack.append((children[index], rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  ")))
    return "\n".join(lines)


def _job_of(root: Job | CoroutineScope) -> Job | None:
    if isinstance(root, Job):
        return root
    if isinstance(root, CoroutineScope):
        return root.coroutine_context.get(Job)
    raise TypeError(f"job_tree takes a Job or a CoroutineScope, got {root!r}")


def dump_scope(root: Job | CoroutineScope, file: TextIO | None = None) -> None:
    """Print `job_tree(root)` to `file`, standard error by default."""
    print(job_tree(root), file=sys.stderr if file is None else file)


def live_coroutines() -> list[CoroutineInfo]:
    """Return every coroutine of the process that has not ended. Slow: it asks the garbage collector.

    That does not know what the program has kept from it with `gc.freeze()`.
    Threads: any, a signal handler too.
    """
    coroutines = (thing for thing in gc.get_objects() if isinstance(thing, Coroutine))
    # The lock is what a launch sets last: without it, another thread is about to launch this one, or this thread is.
    infos = (coroutine_info(each) for each in coroutines if hasattr(each, "_lock"))
    return [info for info in infos if info is not None]


def record_creation_stacks(on: bool = True) -> None:
    """Keep where each coroutine is launched, from now on: for `CoroutineInfo.created`, dumps and reports of failures.

    The environment variable VMSCOPE_DEBUG=1 switches it on from the start; `on=False` switches it off. A launch takes
    several times as long with it, and none longer without.
    Threads: any.
    Kotlin: DebugProbes.enableCreationStackTraces.
    """
    record_creation(on)


def report_unread_failures(on: bool = True) -> None:
    """Have the failure of a Deferred that nobody awaited reported to `threading.excepthook` when the Deferred goes.

    For failures that no parent takes: of a root `async_`, or one under a supervisor. At the latest at the end of the
    process. The environment variable VMSCOPE_DEBUG=1 switches it on from the start; `on=False` switches it off.
    Threads: any.
    """
    unread.watched = on


def dump_coroutines(file: TextIO | None = None) -> None:
    """Print the trees of all coroutines of the process that have not ended, to standard error by default.

    As `live_coroutines`, it does not see what was kept from the garbage collector with `gc.freeze()`.
    Threads: any, a signal handler too.
    Kotlin: DebugProbes.dumpCoroutines.
    """
    out = sys.stderr if file is None else file
    infos = live_coroutines()
    roots: dict[Job, None] = {}
    for info in infos:
        root = info.job
        while (parent := root.parent) is not None:
            root = parent
        roots[root] = None
    print(
        f"{len(infos)} coroutine{'' if len(infos) == 1 else 's'} in {len(roots)} tree{'' if len(roots) == 1 else 's'}",
        file=out,
    )
    for root in roots:
        print(job_tree(root), file=out)
