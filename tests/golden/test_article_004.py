"""Article 004, "Constructing a coroutine scope"."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import (
    CancellationException,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineName,
    CoroutineScope,
    Dispatchers,
    EmptyCoroutineContext,
    Job,
    SupervisorJob,
    ViewModel,
    await_cancellation,
    coroutine_scope,
    current_job,
    current_scope,
    delay,
    is_active,
    run_blocking,
)

if TYPE_CHECKING:
    from tests.virtual_main import VMain


class Boom(Exception):
    pass


def test_4_1_a_class_can_be_a_scope_and_then_anybody_can_cancel_it(main: VMain) -> None:
    log: list[str] = []

    class Some(CoroutineScope):
        def on_start(self) -> None:
            self.launch(log.append, "started")

    some = Some(Dispatchers.Main.immediate + Job())

    some.on_start()
    some.cancel()  # the danger: the whole of it, by accident
    some.on_start()
    main.drain()

    assert log == ["started"]


def test_4_2_a_scope_in_an_attribute_keeps_cancel_out_of_the_class_itself(main: VMain) -> None:
    log: list[str] = []

    class Some:
        def __init__(self) -> None:
            self.scope = CoroutineScope(Dispatchers.Main.immediate)

        def on_start(self) -> None:
            self.scope.launch(log.append, "started")

    some = Some()
    some.on_start()

    assert log == ["started"]
    assert not hasattr(some, "cancel")
    some.scope.cancel()


def test_4_3_a_scope_adds_a_job_where_the_context_has_none_and_shows_its_context() -> None:
    job = Job()

    added = CoroutineScope(CoroutineName("n"))
    given = CoroutineScope(job)

    assert isinstance(added.coroutine_context[Job], Job)
    assert given.coroutine_context[Job] is job
    assert repr(given) == f"CoroutineScope(coroutine_context={given.coroutine_context!r})"


def test_4_4_the_fake_constructor_is_called_like_a_class_and_gives_a_scope() -> None:
    assert isinstance(CoroutineScope(EmptyCoroutineContext), CoroutineScope)
    assert CoroutineScope().is_active


def test_4_5_a_scope_from_a_suspending_function_binds_what_it_starts_to_the_caller(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()

    def child() -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            log.append("child cancelled")

    def body() -> Iterator[Any]:
        log.append(f"under the caller: {current_job() is caller[0]}")
        yield from coroutine_scope(lambda: current_scope().launch(child))

    caller: list[Job] = []

    def start() -> Iterator[Any]:
        caller.append(current_job())
        yield from body()

    model.view_model_scope.launch(start)
    model.clear()

    assert log == ["under the caller: True", "child cancelled"]


class CacheRefreshService:
    def __init__(self, log: list[str], background_scope: CoroutineScope) -> None:
        self.log = log
        self.background_scope = background_scope

    def refresh(self) -> None:
        self.background_scope.launch(self._refresh)

    def _refresh(self) -> Iterator[Any]:
        yield from delay(1)
        self.log.append("users")
        yield from delay(1)
        self.log.append("news")


def test_4_6_a_service_works_in_the_background_scope_it_is_given(main: VMain) -> None:
    log: list[str] = []
    scope = CoroutineScope(Dispatchers.Main + SupervisorJob())
    service = CacheRefreshService(log, scope)

    service.refresh()
    main.advance(1)
    assert log == ["users"]
    scope.cancel()
    main.drain()

    assert log == ["users"], "whoever owns the scope ends it"


def test_4_7_a_loop_that_retries_on_every_exception_still_ends_when_it_is_cancelled(main: VMain) -> None:
    log: list[str] = []
    attempts = 0
    scope = CoroutineScope(Dispatchers.Main.immediate + SupervisorJob())

    def sync() -> Iterator[Any]:
        nonlocal attempts
        while is_active():
            try:
                attempts += 1
                if attempts % 2:
                    raise Boom("server down")
                log.append(f"synced at {main.now:g}")
                yield from delay(10)
            except Exception:  # noqa: BLE001  (the retry of the article catches everything)
                yield from delay(1)

    job = scope.launch(sync)
    main.advance(25)
    scope.cancel()
    main.drain()

    assert log == ["synced at 1", "synced at 12", "synced at 23"]
    assert job.is_completed
    assert attempts == 6


def test_4_8_a_scope_of_dispatcher_supervisor_and_handler_reports_and_goes_on() -> None:
    letters: list[str] = []
    handler = CoroutineExceptionHandler(lambda context, failure: letters.append(str(failure)))
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Default + handler)

    def fail() -> None:
        raise Boom("dead letter")

    def body() -> Iterator[Any]:
        yield from scope.launch(fail).join()
        yield from scope.launch(letters.append, "next").join()

    run_blocking(body)

    assert letters == ["dead letter", "next"]
    assert scope.is_active
    scope.cancel()


def test_4_10_a_limited_view_of_io_runs_at_most_n_at_once_and_views_do_not_share_the_limit() -> None:
    three, other = Dispatchers.IO.limited_parallelism(3), Dispatchers.IO.limited_parallelism(2)
    lock = threading.Lock()
    now: dict[str, int] = {"three": 0, "other": 0}
    most: dict[str, int] = {"three": 0, "other": 0}
    full = threading.Barrier(5)  # three of the one view and two of the other block at the same time

    def work(view: str, meets: bool) -> None:
        with lock:
            now[view] += 1
            most[view] = max(most[view], now[view])
        if meets:
            full.wait(10)
        with lock:
            now[view] -= 1

    def body() -> Iterator[Any]:
        scope = CoroutineScope(SupervisorJob())
        jobs = [scope.launch(work, "three", n < 3, context=three) for n in range(12)]
        jobs += [scope.launch(work, "other", n < 2, context=other) for n in range(8)]
        for job in jobs:
            yield from job.join()

    run_blocking(body)

    assert most == {"three": 3, "other": 2}


class BaseViewModel(ViewModel):
    """The article's own scope in a base class. Its failures go to a list: what it emits to is another room."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        handler = CoroutineExceptionHandler(lambda context, failure: self.failures.append(str(failure)))
        self.scope = CoroutineScope(Dispatchers.Main.immediate + SupervisorJob() + handler)

    def on_cleared(self) -> None:
        job = self.scope.coroutine_context[Job]
        assert job is not None
        job.cancel_children()


def test_4_15_a_scope_on_main_immediate_with_supervisor_and_handler_ends_with_the_view_model(main: VMain) -> None:
    model = BaseViewModel()
    log: list[str] = []

    def fail() -> None:
        log.append("in place")
        raise Boom("shown to the user")

    model.scope.launch(fail)
    log.append("launch returned")
    waiting = model.scope.launch(await_cancellation)
    model.clear()

    assert log == ["in place", "launch returned"]
    assert model.failures == ["shown to the user"]
    assert waiting.is_cancelled


def test_4_15_the_scope_of_every_view_model_does_the_same_without_a_line_in_the_class(main: VMain) -> None:
    failures: list[str] = []
    model = ViewModel()
    model.exception_handler = lambda context, failure: failures.append(str(failure))

    def fail() -> None:
        raise Boom("shown to the user")

    assert model.view_model_scope.coroutine_context[CoroutineDispatcher] is Dispatchers.Main.immediate
    model.view_model_scope.launch(fail)
    waiting = model.view_model_scope.launch(await_cancellation)
    model.clear()

    assert failures == ["shown to the user"]
    assert waiting.is_cancelled


def test_4_17_cancel_children_in_on_cleared_leaves_the_scope_open(main: VMain) -> None:
    log: list[str] = []
    model = BaseViewModel()
    first = model.scope.launch(await_cancellation)

    model.clear()
    model.scope.launch(log.append, "runs in a dead view model")

    assert first.is_cancelled
    assert log == ["runs in a dead view model"]
    model.scope.cancel()


def test_4_17_the_scope_of_the_view_model_itself_is_cancelled_for_good(main: VMain) -> None:
    log: list[str] = []
    model = BaseViewModel()
    model.view_model_scope.launch(await_cancellation)

    model.clear()
    job = model.view_model_scope.launch(log.append, "never")
    main.drain()

    assert log == []
    assert job.is_cancelled
    with pytest.raises(CancellationException, match="Job was cancelled"):
        model.view_model_scope.ensure_active()
