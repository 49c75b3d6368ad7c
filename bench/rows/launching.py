"""Starting coroutines, and the blocks inside them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

from vmscope import (
    CoroutineName,
    CoroutineScope,
    Dispatchers,
    Handler,
    SupervisorJob,
    coroutine_scope,
    launch,
    suspend_coroutine,
    with_context,
)

from .._row import Row, clock, empty, empty_async, nothing, wall_clock
from .._systems import ASYNCIO, BARE, EAGER, TRIO, VMSCOPE, VMSCOPE_ASYNC

#: So many are launched in one message: what a callback does, not a flood.
BURST = 100


# -- in place, from a plain message


def _in_messages(burst, times):
    """Run `burst()` in `times` plain messages of the main looper; the sum of its answers."""
    handler = Handler()
    total = 0.0
    for _ in range(times):
        total += yield from suspend_coroutine(lambda rest: handler.post(lambda: rest.resume(burst())))
    return total


def launch_in_place(block, number):
    return _launch(block, number // BURST, BURST)


def launch_flood(block, number):
    return _launch(block, 1, number)


def _launch(block, messages, each):
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)

    def burst() -> float:
        begin = clock()
        for _ in range(each):
            scope.launch(block)
        return clock() - begin

    return _in_messages(burst, messages)


async def launch_asyncio(number: int) -> float:
    return await _create(number // BURST, BURST)


async def launch_flood_asyncio(number: int) -> float:
    return await _create(1, number)


async def _create(callbacks: int, each: int) -> float:
    loop = asyncio.get_running_loop()
    total = 0.0

    def burst(done: asyncio.Future[float]) -> None:
        begin = clock()
        for _ in range(each):
            task = loop.create_task(empty_async())
        if task.done():
            done.set_result(clock() - begin)
        else:  # the last one ends last
            task.add_done_callback(lambda _: done.set_result(clock() - begin))

    for _ in range(callbacks):
        done = loop.create_future()
        loop.call_soon(burst, done)
        total += await done
    return total


def submit(number: int) -> float:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(nothing).result()
        begin = clock()
        for _ in range(number // BURST):
            for _ in range(BURST):
                last = pool.submit(nothing)
            last.result()
        return clock() - begin


def _percentile(times: list[float]) -> float:
    times.sort()
    return times[len(times) * 99 // 100] * 1e6


def launch_in_place_p99(block, number):
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    times: list[float] = []

    def burst() -> float:
        for _ in range(BURST):
            begin = wall_clock()
            scope.launch(block)
            times.append(wall_clock() - begin)
        return 0.0

    yield from _in_messages(burst, number // BURST)
    return _percentile(times)


async def eager_p99(number: int) -> float:
    loop = asyncio.get_running_loop()
    times: list[float] = []

    def burst(done: asyncio.Future[None]) -> None:
        for _ in range(BURST):
            begin = wall_clock()
            task = loop.create_task(empty_async())
            times.append(wall_clock() - begin)
        assert task.done()  # it ran in place
        done.set_result(None)

    for _ in range(number // BURST):
        done = loop.create_future()
        loop.call_soon(burst, done)
        await done
    return _percentile(times)


# -- in a scope


def spawn(number):
    def children() -> None:
        for _ in range(number):
            launch(empty)

    begin = clock()
    yield from coroutine_scope(children)
    return clock() - begin


async def spawn_async(number: int) -> float:
    begin = clock()
    async with coroutine_scope() as scope:
        for _ in range(number):
            scope.launch(empty_async)
    return clock() - begin


async def spawn_asyncio(number: int) -> float:
    begin = clock()
    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(empty_async())
    return clock() - begin


async def spawn_trio(number: int) -> float:
    import trio

    begin = clock()
    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(empty_async)
    return clock() - begin


def spawn_bare(number: int) -> float:
    begin = clock()
    with ThreadPoolExecutor(1) as pool:
        for _ in range(number):
            pool.submit(nothing)
    return clock() - begin


# -- one after the other


def launch_and_join(number):
    begin = clock()
    for _ in range(number):
        yield from launch(empty).join()
    return clock() - begin


async def launch_and_join_async(number: int) -> float:
    begin = clock()
    for _ in range(number):
        await launch(empty_async).join()
    return clock() - begin


async def create_and_await(number: int) -> float:
    begin = clock()
    for _ in range(number):
        await asyncio.create_task(empty_async())
    return clock() - begin


async def nursery_for_one(number: int) -> float:
    import trio

    begin = clock()
    for _ in range(number):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(empty_async)
    return clock() - begin


def submit_and_wait(number: int) -> float:
    with ThreadPoolExecutor(1) as pool:
        begin = clock()
        for _ in range(number):
            pool.submit(nothing).result()
        return clock() - begin


# -- blocks


def contexts(number):
    name = CoroutineName("bench")
    begin = clock()
    for _ in range(number):
        yield from with_context(name, nothing)
    return clock() - begin


async def contexts_async(number: int) -> float:
    name = CoroutineName("bench")
    begin = clock()
    for _ in range(number):
        await with_context(name, nothing)
    return clock() - begin


def contexts_bare(number: int) -> float:
    begin = clock()
    for _ in range(number):
        copy_context().run(nothing)
    return clock() - begin


def blocks(number):
    begin = clock()
    for _ in range(number):
        yield from coroutine_scope(empty)
    return clock() - begin


async def blocks_async(number: int) -> float:
    begin = clock()
    for _ in range(number):
        async with coroutine_scope():
            pass
    return clock() - begin


async def task_groups(number: int) -> float:
    begin = clock()
    for _ in range(number):
        async with asyncio.TaskGroup():
            pass
    return clock() - begin


async def nurseries(number: int) -> float:
    import trio

    begin = clock()
    for _ in range(number):
        async with trio.open_nursery():
            pass
    return clock() - begin


_in_place: dict[str, Any] = {
    VMSCOPE: partial(launch_in_place, empty), VMSCOPE_ASYNC: partial(launch_in_place, empty_async),
    ASYNCIO: launch_asyncio, BARE: submit,
}  # fmt: skip
_in_place_p99: dict[str, Any] = {
    VMSCOPE: partial(launch_in_place_p99, empty), VMSCOPE_ASYNC: partial(launch_in_place_p99, empty_async),
    EAGER: eager_p99,
}  # fmt: skip

ROWS = (
    Row(
        "launch", "launch in place and complete, 100 from one message", 50_000, 5_000, _in_place,
        aims={"asyncio": 0.5, "eager": 1.0, "uvloop": 1.0},
    ),
    Row(
        "launch_flood", "launch in place and complete, {number:,} from one message", 50_000, 10_000,
        {
            VMSCOPE: partial(launch_flood, empty), VMSCOPE_ASYNC: partial(launch_flood, empty_async),
            ASYNCIO: launch_flood_asyncio,
        },
        aims={"asyncio": 0.5, "eager": 1.0, "uvloop": 1.0},
    ),
    Row("launch_p99", "launch in place: the slowest of a hundred", 50_000, 5_000, _in_place_p99, "us p99", {}),
    Row(
        "spawn", "spawn in a scope and complete, {number:,} at once", 50_000, 10_000,
        {VMSCOPE: spawn, VMSCOPE_ASYNC: spawn_async, ASYNCIO: spawn_asyncio, TRIO: spawn_trio, BARE: spawn_bare},
    ),
    Row(
        "launch_join", "launch and join, one after the other", 30_000, 3_000,
        {
            VMSCOPE: launch_and_join, VMSCOPE_ASYNC: launch_and_join_async, ASYNCIO: create_and_await,
            TRIO: nursery_for_one, BARE: submit_and_wait,
        },
    ),
    Row(
        "with_context", "with_context without dispatch (bare: Context.run)", 30_000, 3_000,
        {VMSCOPE: contexts, VMSCOPE_ASYNC: contexts_async, BARE: contexts_bare}, aims={},
    ),
    Row(
        "scope_block", "an empty coroutine_scope, TaskGroup, nursery", 30_000, 3_000,
        {VMSCOPE: blocks, VMSCOPE_ASYNC: blocks_async, ASYNCIO: task_groups, TRIO: nurseries},
    ),
)  # fmt: skip
