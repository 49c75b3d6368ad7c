"""Coroutines are tested on a main looper with a virtual clock, or on no dispatcher at all (Unconfined)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.virtual_main import VMain, main
from vmscope import (
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    SupervisorJob,
    add_global_exception_handler,
)

__all__ = ["main", "on_main"]


@pytest.fixture
def on_main(main: VMain) -> Callable[..., Any]:
    """`on_main(block, *args)`: run it as a coroutine on Dispatchers.Main in virtual time, and give its outcome."""

    def run(block: Callable[..., Any], *args: Any) -> Any:
        deferred = CoroutineScope(SupervisorJob() + Dispatchers.Main).async_(block, *args)
        main.drain()
        return deferred.get_completed()

    return run


@pytest.fixture
def seen() -> list[BaseException]:
    """What the handler of `scope` was told."""
    return []


@pytest.fixture
def scope(main: VMain, seen: list[BaseException]) -> CoroutineScope:
    """Children fail alone, on Main, into `seen`."""
    handler = CoroutineExceptionHandler(lambda _context, error: seen.append(error))
    return CoroutineScope(SupervisorJob() + Dispatchers.Main + handler)


@pytest.fixture
def reported() -> Iterator[list[BaseException]]:
    """What took the global route."""
    seen: list[BaseException] = []
    handle = add_global_exception_handler(lambda _context, error: seen.append(error))
    yield seen
    handle.dispose()
