"""offload: on real engines, whatever they do to results, exceptions and cancellations."""

from __future__ import annotations

import functools
import gc
import os
import pathlib
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from tests.coroutines.test_process import run
from tests.interop import work
from tests.interop.conftest import Engine, Gate, new_process_pool
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CoroutineScope,
    DeferredCancelledError,
    Dispatchers,
    HandlerThread,
    IllegalStateError,
    Job,
    RejectedExecutionError,
)
from vmscope.interop import OffloadError, RemoteError, _offload, cancel_token, offload
from vmscope.interop._envelope import Task
from vmscope.interop._token import JobToken
from vmscope.testing import explore

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


# ---- what an engine says, and what it does


def test_what_the_cancel_of_each_engine_claims(engine: Engine, main: VMain, gate: Gate) -> None:
    """Why offload believes some and does not ask others."""
    running = [engine.executor.submit(work.until_there, *gate.args(number)) for number in range(engine.workers)]
    for number in range(engine.workers):
        main.run_until(gate.args(number)[1].exists)
    queued = [engine.executor.submit(work.double, number) for number in range(6)]
    if engine.name in ("processes", "loky"):  # they hand some on to the worker before it is free: those claim to run
        main.run_until(queued[0].running)

    of_running = running[0].cancel()
    of_queued = [queued[0].cancel(), queued[-1].cancel()]
    gate.open()
    main.run_until(gate.args(0)[2].exists)  # in any case it went on to its end

    assert of_running == (not engine.is_honest)
    assert of_queued == [engine.name not in ("processes", "loky"), True]


def test_an_executor_that_was_shut_refuses(outcome: Outcome) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()

    async def body() -> None:
        with pytest.raises(RejectedExecutionError, match=r"offload double to .*: it takes no calls: cannot schedule"):
            await offload(pool, work.double, 1)

    outcome(body)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork as POSIX has it")
def test_a_forked_child_is_refused_the_executor_of_its_parent() -> None:
    """Its threads are not there: the call would wait for ever. One of its own will do."""
    code, out, err = run("""
        from concurrent.futures import ThreadPoolExecutor
        from vmscope.interop import offload
        pool = ThreadPoolExecutor(1)
        async def body(pool):
            try:
                return await offload(pool, divmod, 7, 2)
            except RejectedExecutionError as refusal:
                return "refused" if "make an executor in this process" in str(refusal) else str(refusal)
        print(run_blocking(body, pool), flush=True)
        child = os.fork()
        if child == 0:
            print(run_blocking(body, pool), run_blocking(body, ThreadPoolExecutor(1)), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(run_blocking(body, pool))
    """)

    assert (code, out.splitlines(), err) == (0, ["(3, 1)", "refused (3, 1)", "(3, 1)"], "")


def test_a_call_that_the_engine_drops_is_no_cancelled_caller(main: VMain, scope: CoroutineScope) -> None:
    pool = ThreadPoolExecutor(1)
    busy, open_gate = threading.Event(), threading.Event()
    pool.submit(lambda: busy.set() or open_gate.wait(10))
    main.run_until(busy.is_set)

    async def body() -> str:
        with pytest.raises(DeferredCancelledError, match="the offloaded call of double was awaited"):
            await offload(pool, work.double, 1)
        return "goes on"

    deferred = scope.async_(body)
    main.run_until(lambda: pool._work_queue.qsize() == 1)
    pool.shutdown(wait=False, cancel_futures=True)
    main.run_until(lambda: deferred.is_completed)
    open_gate.set()

    assert deferred.get_completed() == "goes on"


class Strange:
    """An engine that keeps what it is given; the test plays its part."""

    def __init__(self) -> None:
        self.futures: list[StrangeFuture] = []
        self.calls: list[Callable[[], object]] = []

    def submit(self, fn: Callable[[], object], /) -> StrangeFuture:
        self.calls.append(fn)
        self.futures.append(StrangeFuture())
        return self.futures[-1]


class StrangeFuture(Future[Any]):
    answer: Any = NotImplementedError("cancel")
    was_asked = False

    def cancel(self) -> bool:
        try:
            if isinstance(self.answer, BaseException):
                raise self.answer
            return super().cancel() if self.answer == "cancelled" else bool(self.answer)
        finally:
            self.was_asked = True


@pytest.mark.parametrize("abandon", [False, True])
@pytest.mark.parametrize("answer", [True, False, "cancelled", NotImplementedError("cancel")])
def test_whatever_cancel_answers_the_outcome_is_the_same(
    main: VMain, scope: CoroutineScope, seen: list[BaseException], answer: Any, abandon: bool
) -> None:
    """A caller that waits, waits for the end; one that abandons is free at once; both are cancelled, and no failure."""
    engine = Strange()

    async def body() -> None:
        await offload(engine, work.double, 1, abandon_on_cancel=abandon)

    job = scope.launch(body)
    main.run_until(lambda: bool(engine.futures))
    engine.futures[0].answer = answer
    job.cancel()
    if abandon:
        main.run_until(lambda: job.is_completed)
        main.run_until(lambda: engine.futures[0].was_asked)  # on another thread
    else:
        main.run_current()
        assert not job.is_completed
        assert not engine.futures[0].was_asked  # some would forget it then
    if not engine.futures[0].cancelled():
        engine.calls[0]()
        engine.futures[0].set_result(None)
    main.run_until(lambda: job.is_completed)

    assert job.state_name == "Cancelled"
    assert not seen


def test_an_engine_that_answers_without_calling_is_an_error(main: VMain, scope: CoroutineScope) -> None:
    engine = Strange()
    deferred = scope.async_(offload, engine, work.double, 1)

    main.run_until(lambda: bool(engine.futures))
    engine.futures[0].set_result("done")
    main.run_until(lambda: deferred.is_completed)

    failure = deferred.get_completion_exception_or_none()
    assert isinstance(failure, OffloadError)
    assert "answered 'done' for double without having called it" in str(failure)


def test_a_call_that_an_engine_drops_of_its_own_accord_is_no_cancelled_caller(
    main: VMain, scope: CoroutineScope
) -> None:
    """One that is not known to tell the truth: what it has dropped may still run."""
    engine = Strange()
    deferred = scope.async_(offload, engine, work.double, 1)

    main.run_until(lambda: bool(engine.futures))
    engine.futures[0].answer = "cancelled"
    engine.futures[0].cancel()
    main.run_until(lambda: deferred.is_completed)

    assert isinstance(deferred.get_completion_exception_or_none(), DeferredCancelledError)


def test_an_engine_that_breaks_with_one_error_for_all_notes_it_once(main: VMain, scope: CoroutineScope) -> None:
    engine = Strange()
    broken = BrokenExecutor("a worker died")
    calls = [scope.async_(offload, engine, work.double, number) for number in range(2)]

    main.run_until(lambda: len(engine.futures) == 2)
    for future in engine.futures:
        future.set_exception(broken)
    main.run_until(lambda: all(call.is_completed for call in calls))

    assert [call.get_completion_exception_or_none() for call in calls] == [broken, broken]
    assert len(broken.__notes__) == 1


def test_two_threads_that_have_one_error_note_it_once() -> None:
    """Without the GIL, and with it on a bad day."""

    def program() -> Iterator[Any]:
        broken = BrokenExecutor("a worker died")
        task = Task(work.double, (1,), JobToken(Job()), False)
        note = functools.partial(_offload._of_the_engine, broken, "the engine", task)
        yield note, note
        assert len(broken.__notes__) == 1

    assert explore(program, watch=[_offload]).complete


class Unhashable(Strange):
    __hash__ = None  # type: ignore[assignment]


def test_an_engine_that_cannot_be_told_from_others_will_do(main: VMain, scope: CoroutineScope) -> None:
    """It is not remembered, so that a forked child is not refused it: that is all."""
    engine = Unhashable()
    deferred = scope.async_(offload, engine, work.double, 2)

    main.run_until(lambda: bool(engine.futures))
    engine.calls[0]()
    engine.futures[0].set_result(None)
    main.run_until(lambda: deferred.is_completed)

    assert deferred.get_completed() == 4


@pytest.mark.parametrize("name", ["processes", "loky"])
def test_a_killed_worker_breaks_a_pool_of_processes_and_the_error_says_so(name: str, outcome: Outcome) -> None:
    if name == "loky":
        pool: Any = pytest.importorskip("loky", reason="loky is not installed").ProcessPoolExecutor(1)
    else:
        pool = new_process_pool()

    async def body() -> None:
        for function in (work.die, work.process):  # it stays broken
            with pytest.raises(BrokenExecutor) as caught:
                await offload(pool, function)
            assert f"Not raised by {function.__name__} but by" in "".join(caught.value.__notes__)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # loky tells of the exit code, as a warning
        outcome(body)
    pool.shutdown()


def test_a_killed_worker_of_dask_costs_its_call_only(engine: Engine, outcome: Outcome) -> None:
    if engine.name != "dask":
        pytest.skip("the others break, or are this process")

    async def body() -> int:
        with pytest.raises(Exception, match="die") as caught:
            await offload(engine.executor, work.die)
        assert type(caught.value).__name__ == "KilledWorker"
        assert "Not raised by die but by" in "".join(caught.value.__notes__)
        return await offload(engine.executor, work.double, 6)

    assert outcome(body) == 12


# ---- threads: nothing is pickled


def test_a_thread_raises_the_very_object_with_its_frames(outcome: Outcome) -> None:
    error = work.TwoArgumentsError(404, "no such row")

    def failing() -> None:
        raise error

    async def body(pool: ThreadPoolExecutor) -> list[str]:
        with pytest.raises(work.TwoArgumentsError) as caught:
            await offload(pool, failing)
        assert caught.value is error
        return [entry.name for entry in caught.traceback]

    with ThreadPoolExecutor(1) as pool:
        assert outcome(body, pool)[-1] == "failing"


def test_a_thread_sees_the_context_of_the_caller_and_changes_none(outcome: Outcome) -> None:
    """I5, J23"""

    def there() -> str:
        value = variable.get()
        variable.set("there")
        return value

    async def body(pool: ThreadPoolExecutor) -> tuple[str, str]:
        variable.set("here")
        return await offload(pool, there), variable.get()

    with ThreadPoolExecutor(1) as pool:
        assert outcome(body, pool) == ("here", "here")


@pytest.mark.parametrize("fails", [False, True])
def test_a_task_that_was_called_keeps_nothing_alive(fails: bool) -> None:
    """An engine's thread may hold it a little longer: a window's widget must not die there."""

    class Widget:
        pass

    def there(widget: Widget) -> Widget:
        if fails:
            raise work.TwoArgumentsError(404, "no such row")
        return widget

    given = Widget()
    seen = weakref.ref(given)
    task = Task(there, (given,), JobToken(Job()), uses_cloudpickle=False)
    task()
    try:
        back = task.take()
        assert back is given
        del back
    except work.TwoArgumentsError:
        pass
    del given
    gc.collect()

    assert seen() is None
    assert not task()  # a second try does nothing


def test_a_function_that_ends_with_a_cancellation_of_its_own_is_no_cancelled_caller(outcome: Outcome) -> None:
    def there() -> None:
        raise CancellationException("enough")

    async def body(pool: ThreadPoolExecutor) -> str:
        with pytest.raises(DeferredCancelledError, match="enough"):
            await offload(pool, there)
        return "goes on"

    with ThreadPoolExecutor(1) as pool:
        assert outcome(body, pool) == "goes on"


def test_any_executor_of_ours_will_do(outcome: Outcome) -> None:
    with HandlerThread("other") as other:

        async def body() -> list[int]:
            executors = (other.handler.as_executor(), Dispatchers.Default.as_executor())
            return [await offload(executor, work.double, 2) for executor in executors]

        assert outcome(body) == [4, 4]


# ---- bad input


def test_bad_input_is_refused(outcome: Outcome) -> None:
    async def suspends() -> None: ...

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(TypeError, match=r"an executor first, anything with a submit\(function\), got <function"):
            offload(work.double, 1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="an executor first, got the class ThreadPoolExecutor: make one of it"):
            offload(ThreadPoolExecutor, work.double, 1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="takes a function with its arguments, got 7"):
            offload(pool, 7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"takes a plain function, .* there is no coroutine there to suspend"):
            offload(pool, suspends)
        with pytest.raises(IllegalStateError, match="outside a coroutine"):
            cancel_token()


def launched(scope: CoroutineScope) -> list[Job]:
    job = scope.coroutine_context[Job]
    assert job is not None
    return list(job.children)
