"""From thread to thread: there and back, one way, and work that two threads share."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue

from vmscope import CompletableDeferred, Dispatchers, Handler, coroutine_scope, launch, with_context
from vmscope._primitives import FREE_THREADED

from .._row import Row, nothing, wall_clock
from .._systems import ASYNCIO, BARE, TRIO, VMSCOPE, VMSCOPE_ASYNC


def hops(number):
    yield from with_context(Dispatchers.IO, nothing)  # its thread is there then; so in all of them
    begin = wall_clock()
    for _ in range(number):
        yield from with_context(Dispatchers.IO, nothing)
    return wall_clock() - begin


async def hops_async(number: int) -> float:
    await with_context(Dispatchers.IO, nothing)
    begin = wall_clock()
    for _ in range(number):
        await with_context(Dispatchers.IO, nothing)
    return wall_clock() - begin


async def hops_asyncio(number: int) -> float:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, nothing)
    begin = wall_clock()
    for _ in range(number):
        await loop.run_in_executor(None, nothing)
    return wall_clock() - begin


async def hops_trio(number: int) -> float:
    import trio

    await trio.to_thread.run_sync(nothing)
    begin = wall_clock()
    for _ in range(number):
        await trio.to_thread.run_sync(nothing)
    return wall_clock() - begin


def hand_offs(number: int) -> float:
    """The least that two threads can do: a queue there and a queue back."""
    there: SimpleQueue = SimpleQueue()
    back: SimpleQueue = SimpleQueue()

    def serve() -> None:
        while (task := there.get()) is not None:
            back.put(task())

    threading.Thread(target=serve).start()
    begin = wall_clock()
    for _ in range(number):
        there.put(nothing)
        back.get()
    taken = wall_clock() - begin
    there.put(None)
    return taken


# -- posts from another thread: the clock runs from the first post to the run of the last


def _poster(post, number: int) -> None:
    for _ in range(number):
        post(nothing)


def posts(number):
    done: CompletableDeferred[float] = CompletableDeferred()
    handler = Handler()
    begin = wall_clock()

    def work() -> None:
        _poster(handler.post, number - 1)
        handler.post(lambda: done.complete(wall_clock() - begin))

    threading.Thread(target=work).start()
    return (yield from done.await_())


async def posts_asyncio(number: int) -> float:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    begin = wall_clock()

    def work() -> None:
        _poster(loop.call_soon_threadsafe, number - 1)
        loop.call_soon_threadsafe(lambda: done.set_result(wall_clock() - begin))

    threading.Thread(target=work).start()
    return await done


async def posts_trio(number: int) -> float:
    import trio

    token = trio.lowlevel.current_trio_token()
    done = trio.Event()
    begin = wall_clock()

    def work() -> None:
        _poster(token.run_sync_soon, number - 1)
        token.run_sync_soon(done.set)

    threading.Thread(target=work).start()
    await done.wait()
    return wall_clock() - begin


def posts_bare(number: int) -> float:
    tasks: SimpleQueue = SimpleQueue()
    begin = wall_clock()

    def work() -> None:
        _poster(tasks.put, number)
        tasks.put(None)

    threading.Thread(target=work).start()
    while (task := tasks.get()) is not None:
        task()
    return wall_clock() - begin


# -- work for processors


def _work() -> int:
    total = 0
    for i in range(200_000):
        total += i * i % 7
    return total


def cpu(workers, number):
    view = Dispatchers.Default.limited_parallelism(workers)

    def all_of_it() -> None:
        for _ in range(number):
            launch(_work, context=view)

    begin = wall_clock()
    yield from coroutine_scope(all_of_it)
    return wall_clock() - begin


def cpu_bare(workers: int, number: int) -> float:
    begin = wall_clock()
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(number):
            pool.submit(_work)
    return wall_clock() - begin


ROWS = (
    Row(
        "hop", "to another thread and back, with_context(IO) (bare: two queues)", 20_000, 1_000,
        {VMSCOPE: hops, VMSCOPE_ASYNC: hops_async, ASYNCIO: hops_asyncio, TRIO: hops_trio, BARE: hand_offs},
        aims={"asyncio": 0.5, "uvloop": 1.0, "bare": 1.3},
    ),
    Row(
        "post", "post from another thread", 100_000, 10_000,
        {VMSCOPE: posts, ASYNCIO: posts_asyncio, TRIO: posts_trio, BARE: posts_bare},
    ),
)  # fmt: skip
if FREE_THREADED:  # with the GIL two workers are as fast as one
    ROWS += tuple(
        Row(
            f"cpu_{workers}", f"CPU work on Dispatchers.Default, {workers} worker{'s' * (workers > 1)}", 40, 8,
            {VMSCOPE: partial(cpu, workers), BARE: partial(cpu_bare, workers)}, aims={},
        )
        for workers in (1, 2)
    )  # fmt: skip
