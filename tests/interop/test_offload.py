"""offload: on real engines, whatever they do to results, exceptions and cancellations."""

from __future__ import annotations

import os
import pathlib
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from tests.interop import work
from tests.interop.conftest import Engine, Gate
from tests.virtual_main import VMain
from vmscope import (
    CoroutineScope,
    Job,
)
from vmscope.interop import OffloadError, RemoteError, cancel_token, offload

Outcome = Callable[..., Any]
variable: ContextVar[str] = ContextVar("variable", default="unset")


# ---- outcomes


def test_a_call_is_made_on_the_engine_and_its_result_comes_back(engine: Engine, outcome: Outcome) -> None:
    async def body() -> tuple[int, int]:
        return await offload(engine.executor, work.double, 21), await offload(engine.executor, work.process)

    doubled, process = outcome(body)

    assert doubled == 42
    assert (process != os.getpid()) == (engine.name not in ("threads", "interpreters"))


def test_an_ordinary_exception_is_raised_as_it_was(engine: Engine, outcome: Outcome) -> None:
    async def body() -> None:
        with pytest.raises(LookupError, match="no such row") as caught:
            await offload(engine.executor, work.fail, "no such row")
        told = "".join(getattr(caught.value, "__notes__", ()))
        frames = [entry.name for entry in caught.traceback]
        assert ("in fail" in told) if engine.is_elsewhere else ("fail" in frames)

    outcome(body)


@pytest.mark.parametrize(
    ("function", "type_name", "message"),
    [
        (work.fail_with_two, "tests.interop.work.TwoArgumentsError", "404: no such row"),
        (work.fail_unprintably, "tests.interop.work.UnprintableError", "(its text cannot be made: RuntimeError)"),
        (work.leave, "SystemExit", "7"),
    ],
)
def test_an_exception_that_cannot_come_back_comes_in_words_and_the_pool_lives(
    engine: Engine, outcome: Outcome, function: Callable[[], object], type_name: str, message: str
) -> None:
    if not engine.is_elsewhere:
        pytest.skip("a thread raises the very object")

    async def body() -> int:
        with pytest.raises(RemoteError) as caught:
            await offload(engine.executor, function)
        error = caught.value
        assert (error.type_name, error.message) == (type_name, message)
        assert function.__name__ in error.traceback_text
        assert function.__name__ in "".join(error.__notes__)
        return await offload(engine.executor, work.double, 2)

    assert outcome(body) == 4


def test_a_result_that_cannot_be_pickled_is_an_error_and_the_pool_lives(engine: Engine, outcome: Outcome) -> None:
    async def body() -> int:
        if engine.is_elsewhere:
            with pytest.raises(OffloadError, match=r"give_a_lock returned a _thread\.lock, which cannot be pickled"):
                await offload(engine.executor, work.give_a_lock)
            with pytest.raises(OffloadError, match="its result cannot be unpickled in this process: RuntimeError"):
                await offload(engine.executor, work.give_here_only)
        else:
            assert (await offload(engine.executor, work.give_a_lock)) is not None
        return await offload(engine.executor, work.double, 3)

    assert outcome(body) == 6


def test_an_argument_that_does_not_arrive_is_an_error_and_the_pool_lives(engine: Engine, outcome: Outcome) -> None:
    async def body() -> int:
        if engine.is_elsewhere:
            with pytest.raises(OffloadError, match="fail was not called: the worker could not unpickle it"):
                await offload(engine.executor, work.fail, work.HereOnly())
            with pytest.raises(OffloadError, match=r"argument 1 of double, a _thread\.lock, cannot be pickled"):
                await offload(engine.executor, work.double, threading.Lock())
            with pytest.raises(OffloadError, match=r"argument 1 of double, .* belongs to this process"):
                await offload(engine.executor, work.double, Job())
        return await offload(engine.executor, work.double, 4)

    assert outcome(body) == 8


def test_a_lambda_goes_where_the_engine_brings_cloudpickle(engine: Engine, outcome: Outcome) -> None:
    async def body() -> int:
        if engine.name in ("processes", "interpreters"):
            with pytest.raises(OffloadError, match=r"<lambda> cannot be pickled, .* at the top of a module"):
                await offload(engine.executor, lambda: give.secret)
            return 5
        return await offload(engine.executor, lambda: 5)

    give = work.HereOnly()
    assert outcome(body) == 5


# ---- cancellation


def test_a_function_that_asks_is_told_and_waited_for(
    engine: Engine, main: VMain, scope: CoroutineScope, tmp_path: pathlib.Path
) -> None:
    """X17"""
    started, told = tmp_path / "started", tmp_path / "told"

    job = scope.launch(offload, engine.executor, work.until_unwanted, started, told)
    main.run_until(started.exists)
    job.cancel()
    main.run_until(lambda: job.is_completed)

    assert told.exists()
    assert job.state_name == "Cancelled"


def test_a_token_tells_threads_of_the_function_too(
    engine: Engine, main: VMain, scope: CoroutineScope, tmp_path: pathlib.Path
) -> None:
    """X17"""
    started, told = tmp_path / "started", tmp_path / "told"

    async def body() -> None:
        await offload(engine.executor, work.until_token_says, cancel_token(), started, told)

    job = scope.launch(body)
    main.run_until(started.exists)
    job.cancel()
    main.run_until(lambda: job.is_completed)

    assert told.exists()


def test_a_call_that_runs_is_waited_for_whatever_the_engine_claims(
    engine: Engine, main: VMain, scope: CoroutineScope, gate: Gate
) -> None:
    _, started, ended = gate.args(1)

    job = scope.launch(offload, engine.executor, work.until_there, *gate.args(1))
    main.run_until(started.exists)
    job.cancel()
    main.run_current()
    assert not job.is_completed
    gate.open()
    main.run_until(lambda: job.is_completed)

    assert ended.exists()
    assert job.state_name == "Cancelled"


def test_a_call_that_runs_may_be_abandoned_and_the_pool_lives(
    engine: Engine, main: VMain, scope: CoroutineScope, gate: Gate, outcome: Outcome
) -> None:
    _, started, ended = gate.args(1)

    async def body() -> None:
        await offload(engine.executor, work.until_there, *gate.args(1), abandon_on_cancel=True)

    job = scope.launch(body)
    main.run_until(started.exists)
    job.cancel()
    main.run_until(lambda: job.is_completed)
    assert not ended.exists()
    gate.open()

    assert outcome(offload, engine.executor, work.double, 5) == 10
    main.run_until(ended.exists)


@pytest.mark.parametrize("abandon", [False, True])
def test_a_call_that_is_cancelled_in_the_queue_is_never_made(
    engine: Engine, main: VMain, scope: CoroutineScope, gate: Gate, tmp_path: pathlib.Path, abandon: bool
) -> None:
    async def queued(number: int) -> None:
        await offload(engine.executor, work.sign, tmp_path / f"made {number}", abandon_on_cancel=abandon)

    busy = [
        scope.launch(offload, engine.executor, work.until_there, *gate.args(number)) for number in range(engine.workers)
    ]
    for number in range(engine.workers):
        main.run_until(gate.args(number)[1].exists)
    submitted = len(launched(scope))
    waiting = [scope.launch(queued, number) for number in range(3)]
    main.run_until(lambda: len(launched(scope)) == submitted + 3)
    for job in waiting:
        job.cancel()
    if abandon or engine.name in ("threads", "interpreters"):
        main.run_until(lambda: all(job.is_completed for job in waiting))
        assert not any(job.is_completed for job in busy)
    gate.open()
    main.run_until(lambda: all(job.is_completed for job in [*busy, *waiting]))
    last = scope.launch(offload, engine.executor, work.double, 1)
    main.run_until(lambda: last.is_completed)

    assert {job.state_name for job in waiting} == {"Cancelled"}
    assert not list(tmp_path.glob("made *"))


def launched(scope: CoroutineScope) -> list[Job]:
    job = scope.coroutine_context[Job]
    assert job is not None
    return list(job.children)
