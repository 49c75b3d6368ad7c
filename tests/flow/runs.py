"""How the tests of this room run a coroutine on the virtual clock, and what they collect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.virtual_main import VMain
from vmscope import CoroutineScope, Dispatchers, Job, SupervisorJob, delay
from vmscope.flow import Flow, FlowCollector, flow

#: Made by `scope_on_main`, ended with the test.
_scopes: list[CoroutineScope] = []


class Boom(Exception):
    """A plain failure."""


def run(main: VMain, block: Callable[..., Any], *args: Any) -> Any:
    """Run `block` on the main looper to its end and return its value; what it raised is raised."""
    scope = CoroutineScope(Dispatchers.Main + SupervisorJob())
    job = scope.async_(block, *args)
    main.drain()
    assert job.is_completed, f"still waiting: {job!r}"
    return job.get_completed()


def scope_on_main(immediate: bool = False) -> CoroutineScope:
    """A scope that is cancelled when the test is over: what collects a hot flow would wait for ever."""
    scope = CoroutineScope((Dispatchers.Main.immediate if immediate else Dispatchers.Main) + SupervisorJob())
    _scopes.append(scope)
    return scope


def end_scopes(main: VMain) -> None:
    """Cancel what `scope_on_main` has made, and let it clean up as long as there is a main looper."""
    while _scopes:
        _scopes.pop().cancel()
    main.drain()


def collecting(flow: Any, block: Callable[[Any], object], immediate: bool = False) -> Job:
    """Collect `flow` on the main looper, beside the test."""
    return scope_on_main(immediate).launch(flow.collect, block)


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
