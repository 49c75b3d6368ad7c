"""The systems that are measured, and how each runs one measurement. Each lives in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

VMSCOPE = "vmscope"  # generators, its native spelling
VMSCOPE_ASYNC = "vmscope async"  # the same, spelled `async def`
ASYNCIO = "asyncio"
EAGER = "eager"  # asyncio with eager tasks
UVLOOP = "uvloop"
TRIO = "trio"
RX = "reactivex"
BARE = "bare"  # threads, pools and queues of the standard library, or plain generators

SYSTEMS = (VMSCOPE, VMSCOPE_ASYNC, ASYNCIO, EAGER, UVLOOP, TRIO, RX, BARE)

# asyncio's programs are run by three systems.
_OF_ASYNCIO = (ASYNCIO, EAGER, UVLOOP)


def program_of(system: str, programs: dict[str, Callable[[int], Any]]) -> Callable[[int], Any] | None:
    """Return what `system` runs of the programs of a row: its own, or asyncio's. None: it cannot do that work."""
    return programs.get(system) or (programs.get(ASYNCIO) if system in _OF_ASYNCIO else None)


def missing(system: str) -> str | None:
    """Return why `system` cannot be measured here, with what to do about it; None where it can."""
    if system in (UVLOOP, TRIO, RX) and find_spec(system) is None:
        return f"{system} is not installed, its column is left out: pip install 'vmscope[bench]'"
    if system == EAGER and sys.version_info < (3, 12):
        return "asyncio has eager tasks from Python 3.12 on, their column is left out"
    return None


def run(system: str, program: Callable[[int], Any], number: int) -> float:
    """Run `program(number)` under `system`; it says itself how long its `number` operations took, or how much."""
    if system in (VMSCOPE, VMSCOPE_ASYNC):
        from vmscope import run_main

        return run_main(program, number)
    if system == TRIO:
        import trio

        return trio.run(program, number)
    if system in _OF_ASYNCIO:
        return _run_asyncio(system, program, number)
    return program(number)


def _run_asyncio(system: str, program: Callable[[int], Any], number: int) -> float:
    import asyncio

    factory = None
    if system == UVLOOP:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        if system == EAGER:
            runner.get_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        return runner.run(program(number))
