"""Channels: there and back between two coroutines, and a stream through a buffer."""

from __future__ import annotations

import asyncio
import threading
from queue import Queue

from vmscope import coroutine_scope, launch
from vmscope.sync import Channel

from .._row import Row, clock
from .._systems import ASYNCIO, BARE, TRIO, VMSCOPE, VMSCOPE_ASYNC

ROOM = 64


def ping_pong(number):
    there, back = Channel(), Channel()

    def answer():
        for _ in range(number):
            yield from back.send((yield from there.receive()))

    def both():
        launch(answer)
        for i in range(number):
            yield from there.send(i)
            yield from back.receive()

    begin = clock()
    yield from coroutine_scope(both)
    return clock() - begin


async def ping_pong_async(number: int) -> float:
    there, back = Channel(), Channel()

    async def answer() -> None:
        for _ in range(number):
            await back.send(await there.receive())

    begin = clock()
    async with coroutine_scope() as scope:
        scope.launch(answer)
        for i in range(number):
            await there.send(i)
            await back.receive()
    return clock() - begin


async def ping_pong_asyncio(number: int) -> float:
    """asyncio has no rendezvous; a queue of one is the nearest."""
    there: asyncio.Queue[int] = asyncio.Queue(1)
    back: asyncio.Queue[int] = asyncio.Queue(1)

    async def answer() -> None:
        for _ in range(number):
            await back.put(await there.get())

    begin = clock()
    async with asyncio.TaskGroup() as group:
        group.create_task(answer())
        for i in range(number):
            await there.put(i)
            await back.get()
    return clock() - begin


async def ping_pong_trio(number: int) -> float:
    import trio

    send_there, get_there = trio.open_memory_channel[int](0)
    send_back, get_back = trio.open_memory_channel[int](0)

    async def answer() -> None:
        for _ in range(number):
            await send_back.send(await get_there.receive())

    begin = clock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        for i in range(number):
            await send_there.send(i)
            await get_back.receive()
    return clock() - begin


# -- one way


def stream(number):
    channel = Channel(ROOM)

    def produce():
        for i in range(number):
            yield from channel.send(i)

    def both():
        launch(produce)
        for _ in range(number):
            yield from channel.receive()

    begin = clock()
    yield from coroutine_scope(both)
    return clock() - begin


async def stream_async(number: int) -> float:
    channel = Channel(ROOM)

    async def produce() -> None:
        for i in range(number):
            await channel.send(i)

    begin = clock()
    async with coroutine_scope() as scope:
        scope.launch(produce)
        for _ in range(number):
            await channel.receive()
    return clock() - begin


async def stream_asyncio(number: int) -> float:
    queue: asyncio.Queue[int] = asyncio.Queue(ROOM)

    async def produce() -> None:
        for i in range(number):
            await queue.put(i)

    begin = clock()
    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        for _ in range(number):
            await queue.get()
    return clock() - begin


async def stream_trio(number: int) -> float:
    import trio

    sender, receiver = trio.open_memory_channel[int](ROOM)

    async def produce() -> None:
        for i in range(number):
            await sender.send(i)

    begin = clock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        for _ in range(number):
            await receiver.receive()
    return clock() - begin


def stream_bare(number: int) -> float:
    queue: Queue[int] = Queue(ROOM)

    def produce() -> None:
        for i in range(number):
            queue.put(i)

    begin = clock()
    threading.Thread(target=produce).start()
    for _ in range(number):
        queue.get()
    return clock() - begin


ROWS = (
    Row(
        "ping_pong", "channel, there and back (asyncio: queues of one)", 20_000, 3_000,
        {VMSCOPE: ping_pong, VMSCOPE_ASYNC: ping_pong_async, ASYNCIO: ping_pong_asyncio, TRIO: ping_pong_trio},
    ),
    Row(
        "stream", f"channel of {ROOM}, one element (bare: queue.Queue)", 50_000, 5_000,
        {
            VMSCOPE: stream, VMSCOPE_ASYNC: stream_async, ASYNCIO: stream_asyncio, TRIO: stream_trio,
            BARE: stream_bare,
        },
    ),
)  # fmt: skip
