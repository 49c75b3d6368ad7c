"""Letting others run: one coroutine that yields, and a hundred that take turns."""

from __future__ import annotations

import asyncio
from functools import partial

from vmscope import coroutine_scope, launch, yield_

from .._row import Row, clock
from .._systems import ASYNCIO, TRIO, VMSCOPE, VMSCOPE_ASYNC


def turns(number):
    for _ in range(number):
        yield from yield_()


async def turns_async(number: int) -> None:
    for _ in range(number):
        await yield_()


def yields(crowd, number):
    def children() -> None:
        for _ in range(crowd):
            launch(turns, number // crowd)

    begin = clock()
    yield from coroutine_scope(children)
    return clock() - begin


async def yields_async(crowd: int, number: int) -> float:
    begin = clock()
    async with coroutine_scope() as scope:
        for _ in range(crowd):
            scope.launch(turns_async, number // crowd)
    return clock() - begin


async def turns_asyncio(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def yields_asyncio(crowd: int, number: int) -> float:
    begin = clock()
    async with asyncio.TaskGroup() as group:
        for _ in range(crowd):
            group.create_task(turns_asyncio(number // crowd))
    return clock() - begin


async def turns_trio(number: int) -> None:
    from trio.lowlevel import checkpoint

    for _ in range(number):
        await checkpoint()


async def yields_trio(crowd: int, number: int) -> float:
    import trio

    begin = clock()
    async with trio.open_nursery() as nursery:
        for _ in range(crowd):
            nursery.start_soon(turns_trio, number // crowd)
    return clock() - begin


def _programs(crowd: int) -> dict:
    return {
        VMSCOPE: partial(yields, crowd), VMSCOPE_ASYNC: partial(yields_async, crowd),
        ASYNCIO: partial(yields_asyncio, crowd), TRIO: partial(yields_trio, crowd),
    }  # fmt: skip


ROWS = (
    Row("yield_1", "yield, 1 coroutine", 100_000, 10_000, _programs(1)),
    Row("yield_100", "yield, 100 coroutines in turn", 100_000, 10_000, _programs(100)),
)
