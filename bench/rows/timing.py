"""Timers: sleeping all at once, being cancelled in one's sleep, and a million that are set and taken back."""

from __future__ import annotations

import asyncio
from math import inf

from vmscope import Handler, coroutine_scope, delay, launch, yield_

from .._row import Row, clock, nothing
from .._systems import ASYNCIO, TRIO, VMSCOPE, VMSCOPE_ASYNC

SHORT = 0.001
LONG = 1_000.0


def sleeps(number):
    def children() -> None:
        for _ in range(number):
            launch(sleep, SHORT)

    begin = clock()
    yield from coroutine_scope(children)
    return clock() - begin


def sleep(seconds):
    yield from delay(seconds)


async def sleep_async(seconds: float) -> None:
    await delay(seconds)


async def sleeps_async(number: int) -> float:
    begin = clock()
    async with coroutine_scope() as scope:
        for _ in range(number):
            scope.launch(sleep_async, SHORT)
    return clock() - begin


async def sleep_asyncio(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def sleeps_asyncio(number: int) -> float:
    begin = clock()
    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(sleep_asyncio(SHORT))
    return clock() - begin


async def sleep_trio(seconds: float) -> None:
    import trio

    await trio.sleep(seconds)


async def sleeps_trio(number: int) -> float:
    import trio

    begin = clock()
    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(sleep_trio, SHORT)
    return clock() - begin


# -- all of them sleep; the clock runs from the cancellation to the end of the last


def cancels(number):
    begin = inf

    def children():
        nonlocal begin
        jobs = [launch(sleep, LONG) for _ in range(number)]
        yield from yield_()
        begin = clock()
        for job in jobs:
            job.cancel()

    yield from coroutine_scope(children)
    return clock() - begin


async def cancels_async(number: int) -> float:
    async with coroutine_scope() as scope:
        jobs = [scope.launch(sleep_async, LONG) for _ in range(number)]
        await yield_()
        begin = clock()
        for job in jobs:
            job.cancel()
    return clock() - begin


async def cancels_asyncio(number: int) -> float:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sleep_asyncio(LONG)) for _ in range(number)]
        await asyncio.sleep(0)
        begin = clock()
        for task in tasks:
            task.cancel()
    return clock() - begin


async def cancels_trio(number: int) -> float:
    """trio cancels scopes, not tasks: one for all is the least that it can do."""
    import trio

    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(sleep_trio, LONG)
        await trio.lowlevel.checkpoint()
        begin = clock()
        nursery.cancel_scope.cancel()
    return clock() - begin


# -- plain timers


def timers(number):
    handler = Handler()
    begin = clock()
    for i in range(number):
        handler.post_delayed(nothing, LONG + i % 1000)
    yield from yield_()  # they are in its heap then
    handler.remove_callbacks(nothing)
    yield from yield_()
    return clock() - begin


async def timers_asyncio(number: int) -> float:
    loop = asyncio.get_running_loop()
    begin = clock()
    handles = [loop.call_later(LONG + i % 1000, nothing) for i in range(number)]
    await asyncio.sleep(0)
    for handle in handles:
        handle.cancel()
    await asyncio.sleep(0)
    return clock() - begin


ROWS = (
    Row(
        "sleeps", "timed sleep, {number:,} at once", 50_000, 10_000,
        {VMSCOPE: sleeps, VMSCOPE_ASYNC: sleeps_async, ASYNCIO: sleeps_asyncio, TRIO: sleeps_trio},
    ),
    Row(
        "cancels", "cancel a sleeper, {number:,} of them", 50_000, 10_000,
        {VMSCOPE: cancels, VMSCOPE_ASYNC: cancels_async, ASYNCIO: cancels_asyncio, TRIO: cancels_trio},
    ),
    Row(
        "timers", "set a timer and take it back, {number:,} pending", 1_000_000, 50_000,
        {VMSCOPE: timers, ASYNCIO: timers_asyncio},
    ),
)  # fmt: skip
