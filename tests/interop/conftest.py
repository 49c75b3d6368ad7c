"""A main looper in virtual time, a scope on it, and the engines: each started once for all tests, on this machine only.

An engine whose package is not installed, or not there for this interpreter, skips its tests and says so.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from tests.interop import work
from tests.virtual_main import VMain, main
from vmscope import CoroutineExceptionHandler, CoroutineScope, Dispatchers, SupervisorJob

__all__ = ["main"]


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
def outcome(main: VMain, scope: CoroutineScope) -> Callable[..., Any]:
    """`outcome(block, *args)`: run it as a coroutine on Main, and give what it gives or raise what it raises."""

    def run(block: Callable[..., Any], *args: Any) -> Any:
        deferred = scope.async_(block, *args)
        main.run_until(lambda: deferred.is_completed, timeout=30.0)
        return deferred.get_completed()

    return run


class Engine(NamedTuple):
    """Something to offload to.

    Attributes:
        workers: How many calls it makes at once.
        is_elsewhere: Whether what it calls has to be pickled.
        is_honest: Whether its futures say they are cancelled only where nothing runs.
    """

    name: str
    executor: Any
    workers: int
    is_elsewhere: bool
    is_honest: bool


@contextmanager
def threads() -> Iterator[Engine]:
    with ThreadPoolExecutor(1) as pool:
        yield Engine("threads", pool, 1, is_elsewhere=False, is_honest=True)


@contextmanager
def interpreters() -> Iterator[Engine]:
    if sys.version_info < (3, 14):
        pytest.skip("InterpreterPoolExecutor came with Python 3.14")
    from concurrent.futures import InterpreterPoolExecutor

    with InterpreterPoolExecutor(1) as pool:
        yield Engine("interpreters", pool, 1, is_elsewhere=True, is_honest=True)


def new_process_pool() -> ProcessPoolExecutor:
    """One process, not forked from this one, which has threads."""
    way = "forkserver" if os.name == "posix" else "spawn"
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(way))


@contextmanager
def processes() -> Iterator[Engine]:
    with new_process_pool() as pool:
        yield Engine("processes", pool, 1, is_elsewhere=True, is_honest=True)


@contextmanager
def loky() -> Iterator[Engine]:
    package = pytest.importorskip("loky", reason="loky is not installed: pip install vmscope[engines]")
    pool = package.ProcessPoolExecutor(1)
    try:
        yield Engine("loky", pool, 1, is_elsewhere=True, is_honest=True)
    finally:
        pool.shutdown(wait=True)


@contextmanager
def dask() -> Iterator[Engine]:
    package = pytest.importorskip(
        "distributed", "2024.8", reason="distributed is not installed: pip install vmscope[engines]"
    )
    import dask

    settings = {
        "distributed.scheduler.allowed-failures": 0,  # a call that kills its worker is not tried on the next
        "distributed.admin.log-length": 0,
        "distributed.worker.daemon": True,
    }
    with dask.config.set(settings):
        cluster = package.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL + 1,
        )  # fmt: skip
        with cluster, package.Client(cluster) as client:
            yield Engine("dask", client.get_executor(pure=False), 2, is_elsewhere=True, is_honest=False)


ENGINES = {"threads": threads, "interpreters": interpreters, "processes": processes, "loky": loky, "dask": dask}


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine there is, warm: its workers are up."""
    with ENGINES[request.param]() as started:
        for call in [started.executor.submit(work.process) for _ in range(started.workers)]:
            call.result(60)
        yield started


class Gate:
    """Keeps workers busy: what is offloaded meanwhile waits in the queue. Made of files, to reach any process."""

    def __init__(self, folder: pathlib.Path, engine: Engine) -> None:
        self.folder = folder
        self.path = folder / "gate"
        self.engine = engine

    def args(self, number: int) -> tuple[pathlib.Path, ...]:
        """For `work.until_there`, so that it keeps a worker until `open()`."""
        return self.path, self.folder / f"started {number}", self.folder / f"ended {number}"

    def open(self) -> None:
        self.path.touch()


@pytest.fixture
def gate(tmp_path: pathlib.Path, engine: Engine) -> Iterator[Gate]:
    """Closed; open after the test in any case, or the engine would never be free again."""
    made = Gate(tmp_path, engine)
    yield made
    made.open()
