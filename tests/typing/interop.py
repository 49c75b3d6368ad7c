"""What the two type checkers make of the ways in and out. Never run, as `inference.py`."""

# pyright: strict

from __future__ import annotations

import asyncio
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, assert_type

from vmscope import CoroutineDispatcher, CoroutineScope, Deferred, Job, delay, run_blocking_io
from vmscope.interop import (
    CancelToken,
    as_asyncio,
    as_deferred,
    asyncio_dispatcher,
    await_asyncio,
    await_future,
    cancel_token,
    offload,
    run_on,
)


def blocking(word: str) -> list[str]:
    return [word]


async def native(number: int) -> str:
    await delay(0.1)
    return str(number)


def unmarked(number: int) -> Generator[Any, Any, bytes]:
    yield from delay(0.1)
    return bytes(number)


async def theirs() -> float:
    await asyncio.sleep(1)
    return 1.0


async def ours(loop: asyncio.AbstractEventLoop, future: Future[int], pool: ProcessPoolExecutor) -> None:
    assert_type(await await_future(future), int)
    assert_type(as_deferred(future), Deferred[int])
    assert_type(await await_asyncio(theirs(), loop), float)
    assert_type(await await_asyncio(loop.create_task(theirs())), float)
    assert_type(await offload(pool, blocking, "a"), list[str])
    assert_type(await offload(ThreadPoolExecutor(), divmod, 7, 2, abandon_on_cancel=True), tuple[int, int])
    assert_type(await run_blocking_io(blocking, "a"), list[str])
    assert_type(cancel_token(), CancelToken)


async def in_asyncio(deferred: Deferred[str], job: Job) -> None:
    assert_type(await as_asyncio(deferred), str)
    await as_asyncio(job)
    assert_type(asyncio_dispatcher(), CoroutineDispatcher)


def outside(scope: CoroutineScope, deferred: Deferred[str]) -> None:
    assert_type(deferred.as_future(), Future[str])
    assert_type(scope.future(native, 1), Future[str])
    assert_type(scope.future(unmarked, 1), Future[bytes])
    assert_type(scope.future(blocking, "a"), Future[list[str]])
    assert_type(run_on(scope, native, 1), str)
    assert_type(run_on(scope, unmarked, 1, timeout=1.0), bytes)
    assert_type(run_on(scope, blocking, "a"), list[str])


def refused(scope: CoroutineScope, pool: ProcessPoolExecutor) -> None:
    offload(pool, blocking, 1)  # type: ignore[arg-type]
    offload(blocking, "a")  # type: ignore[arg-type]
    run_on(scope, native, "one")  # type: ignore[arg-type]
    scope.future(blocking)  # type: ignore[call-arg, arg-type]
