"""What one waiting coroutine and one pending timer hold, with everything that belongs to it."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

from vmscope import Handler, coroutine_scope, current_job, launch, yield_

from .._row import Row, nothing
from .._systems import ASYNCIO, TRIO, VMSCOPE, VMSCOPE_ASYNC
from .timing import LONG, sleep, sleep_async, sleep_asyncio, sleep_trio


class _Growth:
    """Bytes that Python's allocators have handed out since it was made: exact, the same in each run."""

    def __init__(self) -> None:
        gc.collect()
        tracemalloc.start()
        self._before = tracemalloc.get_traced_memory()[0]

    def end(self) -> int:
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - self._before
        tracemalloc.stop()
        return grown


def sleepers(number):
    def children():
        growth = _Growth()
        for _ in range(number):
            launch(sleep, LONG)
        yield from yield_()
        yield from yield_()  # one turn for their start, one for their timers
        grown = growth.end()
        current_job().cancel_children()
        return grown / number

    return (yield from coroutine_scope(children))


async def sleepers_async(number: int) -> float:
    async with coroutine_scope() as scope:
        growth = _Growth()
        for _ in range(number):
            scope.launch(sleep_async, LONG)
        await yield_()
        await yield_()
        grown = growth.end()
        current_job().cancel_children()
    return grown / number


async def sleepers_asyncio(number: int) -> float:
    growth = _Growth()
    tasks = set()
    for _ in range(number):
        task = asyncio.create_task(sleep_asyncio(LONG))
        tasks.add(task)  # asyncio asks for it: its own references are weak
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    grown = growth.end()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return grown / number


async def sleepers_trio(number: int) -> float:
    import trio

    async with trio.open_nursery() as nursery:
        growth = _Growth()
        for _ in range(number):
            nursery.start_soon(sleep_trio, LONG)
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        grown = growth.end()
        nursery.cancel_scope.cancel()
    return grown / number


def timers(number):
    handler = Handler()
    growth = _Growth()
    for i in range(number):
        handler.post_delayed(nothing, LONG + i)
    yield from yield_()
    grown = growth.end()
    handler.remove_callbacks(nothing)
    return grown / number


async def timers_asyncio(number: int) -> float:
    loop = asyncio.get_running_loop()
    growth = _Growth()
    handles = [loop.call_later(LONG + i, nothing) for i in range(number)]
    await asyncio.sleep(0)
    grown = growth.end()
    for handle in handles:
        handle.cancel()
    return grown / number


ROWS = (
    Row(
        "memory_coroutine", "memory of a coroutine in delay", 10_000, 2_000,
        {VMSCOPE: sleepers, VMSCOPE_ASYNC: sleepers_async, ASYNCIO: sleepers_asyncio, TRIO: sleepers_trio},
        "bytes", {},
    ),
    Row(
        "memory_timer", "memory of a pending timer", 10_000, 2_000,
        {VMSCOPE: timers, ASYNCIO: timers_asyncio}, "bytes", {},
    ),
)  # fmt: skip
