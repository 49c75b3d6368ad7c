"""Scopes: what is launched where, and what a scope that is over does with it (rows J17-J20)."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CoroutineContext,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineName,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    EmptyCoroutineContext,
    GlobalScope,
    IllegalStateError,
    Job,
    MainScope,
    NonCancellable,
    SupervisorJob,
    await_cancellation,
    current_scope,
    delay,
    with_context,
)

OnMain = Callable[..., Any]
ROOT = pathlib.Path(__file__).parent.parent.parent


# ---- J17: the object


def test_a_scope_without_a_job_gets_one() -> None:
    """J17"""
    scope = CoroutineScope(CoroutineName("a"))

    job = scope.coroutine_context[Job]
    assert job is not None
    assert job.is_active
    assert job.parent is None
    assert CoroutineScope().coroutine_context[Job] is not CoroutineScope().coroutine_context[Job]


def test_a_scope_keeps_the_job_that_it_is_given() -> None:
    """J17"""
    job = SupervisorJob()

    assert CoroutineScope(job).coroutine_context[Job] is job


def test_the_repr_shows_the_context() -> None:
    """J17"""
    scope = CoroutineScope(Job() + CoroutineName("a"))

    assert repr(scope) == f"CoroutineScope(coroutine_context={scope.coroutine_context!r})"
    assert "CoroutineName('a')" in repr(scope)


def test_a_class_with_a_context_of_its_own_is_a_scope(main: VMain) -> None:
    """J17: it need not call `super().__init__()`."""

    class Screen(CoroutineScope):
        def __init__(self) -> None:
            self.job = SupervisorJob()

        @property
        def coroutine_context(self) -> CoroutineContext:
            return self.job + Dispatchers.Main

    screen = Screen()
    ran: list[int] = []
    launched = screen.launch(ran.append, 1)

    assert launched.parent is screen.job
    assert (screen + CoroutineName("view")).coroutine_context[Job] is screen.job
    main.run_current()
    assert ran == [1]
    with pytest.raises(AttributeError, match="'Screen' object has no attribute 'title'"):
        screen.title  # type: ignore[attr-defined]
    screen.cancel("left")
    assert not screen.is_active
    assert str(screen.job.get_cancellation_exception()) == "left"


def test_a_with_block_cancels_the_scope_on_exit(main: VMain) -> None:
    """J17"""
    with CoroutineScope(Dispatchers.Main) as scope:
        job = scope.launch(await_cancellation)
        main.run_current()

    assert not scope.is_active
    main.run_current()
    assert job.is_completed


def test_a_with_block_that_raises_cancels_the_scope_and_lets_it_pass() -> None:
    """J17"""
    with pytest.raises(LookupError):
        with CoroutineScope() as scope:
            raise LookupError

    assert not scope.is_active


def test_an_async_with_block_waits_until_the_scope_has_ended(main: VMain, on_main: OnMain) -> None:
    """J17: also where the one who waits is cancelled."""
    log: list[str] = []

    def slow_to_end() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 3)
            log.append(f"cleaned up at {main.now:g}")

    async def body() -> None:
        async with CoroutineScope(Dispatchers.Main) as scope:
            scope.launch(slow_to_end)
            await delay(1)
        log.append(f"out at {main.now:g}")

    async def cancelled() -> None:
        job = current_scope().launch(body)
        await delay(0.5)
        await job.cancel_and_join()

    on_main(body)
    assert log == ["cleaned up at 4", "out at 4"]

    log.clear()
    on_main(cancelled)
    assert log == ["cleaned up at 7.5"]


@pytest.mark.parametrize("thing", [None, 42, "Main"], ids=repr)
def test_a_scope_of_what_is_no_context_is_refused(thing: Any) -> None:
    """J17"""
    with pytest.raises(TypeError, match="CoroutineContext"):
        CoroutineScope(thing)


# ---- J18: views


def test_a_view_shares_the_job(main: VMain) -> None:
    """J18"""
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    view = scope + CoroutineName("view") + Dispatchers.Unconfined

    assert view.coroutine_context[Job] is scope.coroutine_context[Job]
    assert view.coroutine_context[CoroutineDispatcher] is Dispatchers.Unconfined
    assert scope.coroutine_context[CoroutineName] is None, "the scope stays as it was"

    view.cancel()
    assert not scope.is_active


def test_a_view_with_another_job_is_a_scope_of_that(main: VMain) -> None:
    """J18, J16: `(scope + job).launch()` is the way to another parent."""
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    other = Job()

    job = (scope + other).launch(delay, 1)

    assert job.parent is other
    main.drain()


def test_only_a_context_is_added_to_a_scope() -> None:
    """J18"""
    with pytest.raises(TypeError):
        CoroutineScope() + 1  # type: ignore[operator]


# ---- J19: what a scope does


def test_ensure_active_raises_what_the_scope_was_cancelled_with() -> None:
    """J19"""
    scope = CoroutineScope()
    scope.ensure_active()
    assert scope.is_active

    scope.cancel("closed", LookupError("why"))

    assert not scope.is_active
    with pytest.raises(CancellationException, match="closed") as cancelled:
        scope.ensure_active()
    assert isinstance(cancelled.value.__cause__, LookupError)


def test_cancel_on_a_scope_without_a_job_is_refused() -> None:
    """J19"""
    with pytest.raises(IllegalStateError, match="does not have a job"):
        GlobalScope.cancel()


@pytest.mark.parametrize("start", list(CoroutineStart), ids=lambda start: start.name)
@pytest.mark.parametrize("builder", ["launch", "async_"])
def test_what_is_launched_after_the_cancel_is_cancelled(main: VMain, builder: str, start: CoroutineStart) -> None:
    """J19: and its body does not start, unless the start says that it does in any case."""
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    scope.cancel("closed")
    ran: list[int] = []

    job = getattr(scope, builder)(ran.append, 1, start=start)
    assert job.is_cancelled
    main.drain()

    assert ran == ([1] if start in (CoroutineStart.ATOMIC, CoroutineStart.UNDISPATCHED) else [])
    assert job.is_completed
    assert str(job.get_cancellation_exception()) == "closed"


def test_a_failed_child_ends_a_plain_scope_for_good(main: VMain) -> None:
    """J19, E1"""
    seen: list[BaseException] = []
    scope = CoroutineScope(Dispatchers.Main + CoroutineExceptionHandler(lambda _context, error: seen.append(error)))

    scope.launch(lambda: 1 / 0)
    main.drain()

    assert not scope.is_active
    assert scope.launch(delay, 1).is_cancelled
    assert [type(error) for error in seen] == [ZeroDivisionError]


# ---- J20: MainScope, GlobalScope


def test_main_scope_is_a_supervisor_job_on_main(main: VMain) -> None:
    """J20"""
    context = MainScope().coroutine_context

    assert isinstance(context[Job], SupervisorJob)
    assert context[CoroutineDispatcher] is Dispatchers.Main
    assert len(context) == 2


def test_global_scope_has_no_job_and_is_always_active() -> None:
    """J20"""
    assert GlobalScope.coroutine_context is EmptyCoroutineContext
    assert GlobalScope.is_active
    GlobalScope.ensure_active()
    job = GlobalScope.launch(await_cancellation, context=Dispatchers.Unconfined)
    assert job.parent is None
    job.cancel()
    assert "delicate" in (GlobalScope.__doc__ or "")


def test_what_runs_in_global_scope_does_not_keep_the_process_alive() -> None:
    """J20, D18, F11"""
    program = "from vmscope import *; GlobalScope.launch(delay, 3600); GlobalScope.launch(await_cancellation)"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False, cwd=ROOT
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
