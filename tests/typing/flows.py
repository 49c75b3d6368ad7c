"""What the two type checkers make of flows. Never run, as `inference.py`."""

# pyright: strict

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any, assert_type

from vmscope import CoroutineScope, delay
from vmscope.flow import (
    Flow,
    FlowCollector,
    MutableSharedFlow,
    MutableStateFlow,
    SharedFlow,
    SharingStarted,
    StateFlow,
    as_flow,
    channel_flow,
    combine,
    flow,
    flow_of,
    merge,
)
from vmscope.sync import ProducerScope


def gen(c: FlowCollector[int]) -> Generator[Any, Any, None]:
    yield from c.emit(1)


async def native(c: FlowCollector[str], times: int) -> None:
    await c.emit("a" * times)


async def values() -> AsyncGenerator[bytes, None]:
    yield b"1"


async def slow(x: int) -> str:
    await delay(1)
    return str(x)


def slow_gen(x: int) -> Generator[Any, Any, str]:
    yield from delay(1)
    return str(x)


def joined(a: int, b: str) -> str:
    return b * a


assert_type(flow(gen), Flow[int])
assert_type(flow(native, 2), Flow[str])
assert_type(flow(values), Flow[bytes])
f = flow_of(1, 2)
assert_type(f, Flow[int])
assert_type(f.map(lambda x: str(x)), Flow[str])
assert_type(f.map(slow), Flow[str])
assert_type(f.map(slow_gen), Flow[str])
assert_type(f.filter(lambda x: x > 1), Flow[int])
assert_type(f.flat_map_latest(lambda x: flow_of(str(x))), Flow[str])
assert_type(f.map_latest(slow), Flow[str])
assert_type(f.scan("", lambda a, x: a + str(x)), Flow[str])
assert_type(f.zip_with(flow_of("a")), Flow[tuple[int, str]])
assert_type(f.zip_with(flow_of("a"), lambda a, b: (b, a)), Flow[tuple[str, int]])
assert_type(combine(f, flow_of("a"), fn=joined), Flow[str])
assert_type(combine(f, flow_of("a")), Flow[tuple[int, str]])
assert_type(merge(f, f), Flow[int])
assert_type(as_flow([1.0]), Flow[float])
assert_type(as_flow(range(3)), Flow[int])
assert_type(f.chunked(2), Flow[list[int]])
assert_type(f.with_index().map(lambda i: i.value), Flow[int])
assert_type(flow_of(1, None).filter_not_none(), Flow[int])


def producer(p: ProducerScope[int]) -> Generator[Any, Any, None]:
    yield from p.send(1)


assert_type(channel_flow(producer), Flow[int])
state = MutableStateFlow(0)
assert_type(state, MutableStateFlow[int])
assert_type(state.value, int)
state.value = 3
state.update(lambda n: n + 1)
assert_type(state.as_state_flow(), StateFlow[int])
shared: MutableSharedFlow[str] = MutableSharedFlow(1)
assert_type(shared.as_shared_flow(), SharedFlow[str])


async def run(scope: CoroutineScope) -> None:
    assert_type(await f.to_list(), list[int])
    assert_type(await f.first(), int)
    assert_type(await f.first_or_none(), int | None)
    assert_type(await f.fold("", lambda a, x: a + str(x)), str)
    assert_type(f.state_in(scope, SharingStarted.EAGERLY, 0), StateFlow[int])
    assert_type(await f.state_in(scope), StateFlow[int])
    assert_type(f.share_in(scope, SharingStarted.LAZILY), SharedFlow[int])
    async for x in f:
        assert_type(x, int)
    assert_type(await f.group_by(lambda x: x % 2), dict[int, list[int]])
