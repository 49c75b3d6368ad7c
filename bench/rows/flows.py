"""Flows: a state that is watched, events for several listeners, and a chain of ten operators.

asyncio and trio have nothing of the kind. Beside a StateFlow stands a Condition with a value, beside a SharedFlow a
queue for each listener, beside the chain ten async generators one around the other: what is written there by hand.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from vmscope import coroutine_scope, current_job, launch, yield_
from vmscope.flow import MutableSharedFlow, MutableStateFlow, as_flow

from .._row import Row, clock
from .._systems import ASYNCIO, BARE, RX, TRIO, VMSCOPE, VMSCOPE_ASYNC

ROOM = 64
LISTENERS = 10
OPERATORS = 10


# -- state: each value is seen by each collector before the next is set


def state(collectors, number):
    source = MutableStateFlow(0)
    seen = [0]

    def collect():
        yield from source.collect(see)

    def see(_value: int) -> None:
        seen[0] += 1

    def body():
        for _ in range(collectors):
            launch(collect)
        yield from yield_()
        begin = clock()
        for i in range(1, number + 1):
            source.value = i
            yield from yield_()
        taken = clock() - begin
        current_job().cancel_children()
        assert seen[0] == collectors * (number + 1), seen
        return taken

    return (yield from coroutine_scope(body))


async def state_async(collectors: int, number: int) -> float:
    source = MutableStateFlow(0)
    seen = 0

    async def collect() -> None:
        nonlocal seen
        async for _ in source:
            seen += 1

    async with coroutine_scope() as scope:
        for _ in range(collectors):
            scope.launch(collect)
        await yield_()
        begin = clock()
        for i in range(1, number + 1):
            source.value = i
            await yield_()
        taken = clock() - begin
        current_job().cancel_children()
    assert seen == collectors * (number + 1), seen
    return taken


async def state_asyncio(collectors: int, number: int) -> float:
    changed = asyncio.Condition()
    value = 0
    seen = 0
    all_saw = asyncio.Event()

    async def collect() -> None:
        nonlocal seen
        last = -1
        while last < number:
            async with changed:
                while value == last:
                    await changed.wait()
                last = value
            seen += 1
            if seen == collectors * (last + 1):
                all_saw.set()

    async with asyncio.TaskGroup() as group:
        for _ in range(collectors):
            group.create_task(collect())
        await all_saw.wait()
        begin = clock()
        for i in range(1, number + 1):
            all_saw.clear()
            async with changed:
                value = i
                changed.notify_all()
            await all_saw.wait()
        return clock() - begin


async def state_trio(collectors: int, number: int) -> float:
    import trio

    changed = trio.Condition()
    value = 0
    seen = 0
    all_saw = trio.Event()

    async def collect() -> None:
        nonlocal seen
        last = -1
        while last < number:
            async with changed:
                while value == last:
                    await changed.wait()
                last = value
            seen += 1
            if seen == collectors * (last + 1):
                all_saw.set()

    async with trio.open_nursery() as nursery:
        for _ in range(collectors):
            nursery.start_soon(collect)
        await all_saw.wait()
        begin = clock()
        for i in range(1, number + 1):
            all_saw = trio.Event()
            async with changed:
                value = i
                changed.notify_all()
            await all_saw.wait()
        return clock() - begin


def state_rx(collectors: int, number: int) -> float:
    """Its subscribers are called in place, by the one who sets: no coroutine waits and none is woken."""
    from reactivex.subject import BehaviorSubject

    source: Any = BehaviorSubject(0)
    seen = [0]

    def see(_value: int) -> None:
        seen[0] += 1

    for _ in range(collectors):
        source.subscribe(see)
    begin = clock()
    for i in range(1, number + 1):
        source.on_next(i)
    taken = clock() - begin
    assert seen[0] == collectors * (number + 1)
    return taken


# -- events


def events(number):
    source = MutableSharedFlow(extra_buffer=ROOM)
    seen = [0]

    def see(_value: int) -> None:
        seen[0] += 1

    def collect():
        yield from source.take(number).collect(see)

    def body():
        with_all = [launch(collect) for _ in range(LISTENERS)]
        yield from yield_()
        begin = clock()
        for i in range(number):
            yield from source.emit(i)
        for job in with_all:
            yield from job.join()
        taken = clock() - begin
        assert seen[0] == LISTENERS * number
        return taken

    return (yield from coroutine_scope(body))


async def events_async(number: int) -> float:
    source = MutableSharedFlow(extra_buffer=ROOM)
    seen = 0

    async def collect() -> None:
        nonlocal seen
        async for _ in source.take(number):
            seen += 1

    async with coroutine_scope() as scope:
        jobs = [scope.launch(collect) for _ in range(LISTENERS)]
        await yield_()
        begin = clock()
        for i in range(number):
            await source.emit(i)
        for job in jobs:
            await job.join()
        taken = clock() - begin
    assert seen == LISTENERS * number
    return taken


async def events_asyncio(number: int) -> float:
    queues: list[asyncio.Queue[int]] = [asyncio.Queue(ROOM) for _ in range(LISTENERS)]

    async def collect(queue: asyncio.Queue[int]) -> None:
        for _ in range(number):
            await queue.get()

    begin = clock()
    async with asyncio.TaskGroup() as group:
        for queue in queues:
            group.create_task(collect(queue))
        await asyncio.sleep(0)
        begin = clock()
        for i in range(number):
            for queue in queues:
                await queue.put(i)
    return clock() - begin


async def events_trio(number: int) -> float:
    import trio

    pairs = [trio.open_memory_channel[int](ROOM) for _ in range(LISTENERS)]

    async def collect(receiver: Any) -> None:
        for _ in range(number):
            await receiver.receive()

    async with trio.open_nursery() as nursery:
        for _, receiver in pairs:
            nursery.start_soon(collect, receiver)
        await trio.lowlevel.checkpoint()
        begin = clock()
        for i in range(number):
            for sender, _ in pairs:
                await sender.send(i)
    return clock() - begin


def events_rx(number: int) -> float:
    """Called in place, as in `state_rx`."""
    from reactivex import operators
    from reactivex.subject import Subject

    source: Any = Subject()
    seen = [0]

    def see(_value: int) -> None:
        seen[0] += 1

    for _ in range(LISTENERS):
        source.pipe(operators.take(number)).subscribe(see)
    begin = clock()
    for i in range(number):
        source.on_next(i)
    taken = clock() - begin
    assert seen[0] == LISTENERS * number
    return taken


# -- ten operators: five that map, five that filter and let all pass


def _plus_one(value: int) -> int:
    return value + 1


def _is_whole(value: int) -> bool:
    return value >= 0


def chain(number):
    last = [0]

    def see(value: int) -> None:
        last[0] = value

    flow = as_flow(range(number))
    for _ in range(OPERATORS // 2):
        flow = flow.map(_plus_one).filter(_is_whole)
    begin = clock()
    yield from flow.collect(see)
    taken = clock() - begin
    assert last[0] == number - 1 + OPERATORS // 2
    return taken


async def chain_async(number: int) -> float:
    flow = as_flow(range(number))
    for _ in range(OPERATORS // 2):
        flow = flow.map(_plus_one).filter(_is_whole)
    begin = clock()
    async for last in flow:  # noqa: B007  (it is looked at after the loop)
        pass
    taken = clock() - begin
    assert last == number - 1 + OPERATORS // 2
    return taken


async def _of_range(number: int) -> Any:
    for i in range(number):
        yield i


async def _mapped(source: Any) -> Any:
    async for value in source:
        yield _plus_one(value)


async def _filtered(source: Any) -> Any:
    async for value in source:
        if _is_whole(value):
            yield value


async def chain_of_async_generators(number: int) -> float:
    source = _of_range(number)
    for _ in range(OPERATORS // 2):
        source = _filtered(_mapped(source))
    begin = clock()
    async for last in source:  # noqa: B007  (it is looked at after the loop)
        pass
    taken = clock() - begin
    assert last == number - 1 + OPERATORS // 2
    return taken


def chain_of_generators(number: int) -> float:
    source: Any = iter(range(number))
    for _ in range(OPERATORS // 2):
        source = _plain_filtered(_plain_mapped(source))
    begin = clock()
    for last in source:  # noqa: B007  (it is looked at after the loop)
        pass
    taken = clock() - begin
    assert last == number - 1 + OPERATORS // 2
    return taken


def _plain_mapped(source: Any) -> Any:
    for value in source:
        yield _plus_one(value)


def _plain_filtered(source: Any) -> Any:
    for value in source:
        if _is_whole(value):
            yield value


def chain_rx(number: int) -> float:
    import reactivex
    from reactivex import operators

    last = [0]

    def see(value: int) -> None:
        last[0] = value

    pair = (operators.map(_plus_one), operators.filter(_is_whole))
    source = reactivex.from_iterable(range(number)).pipe(*pair * (OPERATORS // 2))
    begin = clock()
    source.subscribe(see)
    taken = clock() - begin
    assert last[0] == number - 1 + OPERATORS // 2
    return taken


def _states(collectors: int) -> dict[str, Any]:
    return {
        VMSCOPE: partial(state, collectors), VMSCOPE_ASYNC: partial(state_async, collectors),
        ASYNCIO: partial(state_asyncio, collectors), TRIO: partial(state_trio, collectors),
        RX: partial(state_rx, collectors),
    }  # fmt: skip


ROWS = (
    Row("state_1", "StateFlow set and seen by 1 collector", 20_000, 1_500, _states(1)),
    Row("state_100", "StateFlow set and seen by 100 collectors", 400, 40, _states(100)),
    Row(
        "shared_10", f"SharedFlow, one event for {LISTENERS} collectors", 5_000, 500,
        {VMSCOPE: events, VMSCOPE_ASYNC: events_async, ASYNCIO: events_asyncio, TRIO: events_trio, RX: events_rx},
    ),
    Row(
        "chain_10", "one element through ten operators (async generators)", 20_000, 2_000,
        {
            VMSCOPE: chain, VMSCOPE_ASYNC: chain_async, ASYNCIO: chain_of_async_generators,
            TRIO: chain_of_async_generators, RX: chain_rx, BARE: chain_of_generators,
        },
    ),
)  # fmt: skip
