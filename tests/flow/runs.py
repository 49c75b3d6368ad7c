"""How the tests of this room run a coroutine on the virtual clock, and what they collect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.virtual_main import VMain
from vmscope import CoroutineScope, Dispatchers, SupervisorJob, delay
from vmscope.flow import Flow, FlowCollector, flow


class Boom(Exception):
    """A plain failure."""


def run(main: VMain, block: Callable[..., Any], *args: Any) -> Any:
    """Run `block` on the main looper to its end and return its value; what it raised is raised."""
    scope = CoroutineScope(Dispatchers.Main + SupervisorJob())
    job = scope.async_(block, *args)
    main.drain()
    assert job.is_completed, f"still waiting: {job!r}"
    return job.get_completed()


def ticking(*pairs: tuple[float, Any]) -> Flow[Any]:
    """A flow that waits and emits, pair after pair."""

    @flow
    def body(collector: FlowCollector[Any]) -> Any:
        for seconds, value in pairs:
            yield from delay(seconds)
            yield from collector.emit(value)

    return body


def timed(main: VMain, flow: Flow[Any], log: list[Any]) -> Any:
    """Collect `flow` into `log`, each value with its time."""
    return flow.collect(lambda value: log.append((main.now, value)))


def failing(*values: Any) -> Flow[Any]:
    """A flow that emits `values` and fails."""

    @flow
    def body(collector: FlowCollector[Any]) -> Any:
        for value in values:
            yield from collector.emit(value)
        raise Boom("above")

    return body
