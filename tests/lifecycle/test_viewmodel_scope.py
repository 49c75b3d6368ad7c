"""view_model_scope: one for ever, made at the first access, dead after clear."""

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
    IllegalStateError,
    Job,
    NonCancellable,
    SupervisorJob,
    ViewModel,
    ViewModelStore,
    await_cancellation,
    current_context,
    delay,
    run_blocking,
    with_context,
    yield_,
)
from vmscope.lifecycle import _viewmodel

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def test_it_holds_a_supervisor_job_and_main_immediate(main: VMain) -> None:
    context = ViewModel().view_model_scope.coroutine_context

    assert repr(context[CoroutineDispatcher]) == "Dispatchers.Main.immediate"
    assert context[CoroutineDispatcher] is Dispatchers.Main.immediate
    assert type(context[Job]) is type(SupervisorJob())
    assert len(context) == 2


def test_it_is_the_same_one_before_and_after_clear(main: VMain) -> None:
    model = ViewModel()
    scope = model.view_model_scope

    model.clear()

    assert model.view_model_scope.coroutine_context == scope.coroutine_context
    assert not scope.is_active


def test_asked_for_first_after_clear_it_is_one_cancelled_scope_ever_after(main: VMain) -> None:
    model = ViewModel()
    model.clear()

    scope = model.view_model_scope

    assert scope is model.view_model_scope
    assert not scope.is_active


def test_a_launch_after_clear_gives_a_cancelled_job_whose_body_never_runs(main: VMain) -> None:
    model = ViewModel()
    model.clear()
    ran: list[int] = []

    job = model.view_model_scope.launch(lambda: ran.append(1))
    main.drain()

    assert job.is_cancelled
    assert job.is_completed
    assert not ran


def test_clear_closes_the_scope_at_the_place_of_its_first_access(main: VMain) -> None:
    log: list[str] = []

    class Model(ViewModel):
        def on_cleared(self) -> None:
            log.append(f"on_cleared scope active {self.view_model_scope.is_active}")

    def wait() -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            log.append("scope cancelled")

    model = Model()
    model.add_closeable(lambda: log.append("plain"))
    model.add_closeable("k1", lambda: log.append("k1"))
    model.view_model_scope.launch(wait)
    model.add_closeable("k2", lambda: log.append("k2"))

    model.clear()

    assert log == ["k1", "scope cancelled", "k2", "plain", "on_cleared scope active False"]


def test_the_cancellation_says_that_it_was_a_clear_and_of_what(main: VMain) -> None:
    class Feed(ViewModel):
        pass

    seen: list[CancellationException] = []

    def wait() -> Iterator[Any]:
        try:
            yield from await_cancellation()
        except CancellationException as cancellation:
            seen.append(cancellation)
            raise

    model = Feed()
    model.view_model_scope.launch(wait)
    model.clear()

    assert [each.source for each in seen] == ["clear"]
    assert str(seen[0]) == "Job was cancelled"
    assert any("Feed was cleared" in note for note in seen[0].__notes__)
    assert seen[0].job is model.view_model_scope.coroutine_context[Job]


def test_clear_inside_a_coroutine_of_the_scope_lets_it_go_on_to_its_next_suspension(main: VMain) -> None:
    model = ViewModel()
    log: list[str] = []

    def body() -> Iterator[Any]:
        model.clear()
        log.append("after")
        yield from yield_()
        log.append("never")

    job = model.view_model_scope.launch(body)
    main.drain()

    assert log == ["after"]
    assert job.is_cancelled


def test_a_launch_in_the_constructor_runs_in_place_before_the_rest_of_it(main: VMain) -> None:
    class Model(ViewModel):
        field = "unset"

        def __init__(self) -> None:
            self.seen = ""
            self.view_model_scope.launch(self.look)
            self.field = "set"

        def look(self) -> None:
            self.seen = self.field

    model = Model()

    assert (model.seen, model.field) == ("unset", "set")


def test_the_children_are_cancelled_in_the_order_of_their_launch_and_the_scope_ends_last(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()
    job = model.view_model_scope.coroutine_context[Job]
    assert job is not None
    job.invoke_on_completion(lambda cause: log.append(f"scope {cause}"))

    def wait(name: str) -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            log.append(name)

    for name in "abc":
        model.view_model_scope.launch(wait, name)
    model.clear()

    assert log == ["a", "b", "c", "scope Job was cancelled"]


def test_a_result_that_is_ready_after_clear_is_not_delivered(main: VMain) -> None:
    model = ViewModel()
    started, gate = threading.Event(), threading.Event()
    log: list[object] = []

    def fetch() -> str:
        started.set()
        assert gate.wait(10)
        return "data"

    def load() -> Iterator[Any]:
        try:
            log.append((yield from with_context(Dispatchers.IO, fetch)))
        except CancellationException as cancellation:
            log.append(str(cancellation))
            raise

    job = model.view_model_scope.launch(load)
    main.run_until(started.is_set)
    model.clear()
    gate.set()
    main.run_until(lambda: job.is_completed)

    assert log == ["Job was cancelled"]


# ---- an injected scope


def test_an_injected_scope_is_used_as_it_is_and_cancelled_on_clear() -> None:
    job = Job()
    scope = CoroutineScope(Dispatchers.Unconfined + job + CoroutineName("custom"))

    model = ViewModel(scope)

    assert model.view_model_scope.coroutine_context == scope.coroutine_context
    model.clear()
    assert job.is_cancelled
    assert model.view_model_scope.coroutine_context == scope.coroutine_context


def test_an_injected_scope_of_others_outlives_the_view_model() -> None:
    scope = CoroutineScope(Job())

    model = ViewModel(scope, own=False)
    model.clear()

    assert scope.is_active
    assert model.view_model_scope.coroutine_context == scope.coroutine_context
    scope.cancel()


def test_an_injected_scope_without_a_job_is_not_cancelled() -> None:
    class Bare(CoroutineScope):
        coroutine_context = Dispatchers.Unconfined

        def __init__(self) -> None:
            pass

    model = ViewModel(Bare())
    job = model.view_model_scope.launch(await_cancellation)
    model.clear()

    assert job.is_active
    job.cancel()


def test_a_scope_that_comes_after_the_first_access_is_refused() -> None:
    class Late(ViewModel):
        def __init__(self) -> None:
            self.view_model_scope
            super().__init__(CoroutineScope(Job()))

    with pytest.raises(IllegalStateError, match="after its view_model_scope was read"):
        Late()


def test_what_is_no_scope_is_refused() -> None:
    for wrong in (Dispatchers.Default, Job(), 3):
        with pytest.raises(TypeError, match="CoroutineScope or None"):
            ViewModel(wrong)  # type: ignore[arg-type]


# ---- no main thread


def test_without_a_main_thread_it_has_no_dispatcher_and_launches_run_on_default() -> None:
    model = ViewModel()
    seen: list[object] = []

    def body() -> Iterator[Any]:
        seen.append(threading.current_thread())
        yield from delay(0)

    def wait() -> Iterator[Any]:
        yield from model.view_model_scope.launch(body).join()

    assert model.view_model_scope.coroutine_context[CoroutineDispatcher] is None
    run_blocking(wait)
    assert seen
    assert seen != [threading.current_thread()]
    model.clear()


# ---- races


def test_a_clear_that_comes_while_the_scope_is_being_made_leaves_it_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ViewModel()
    monkeypatch.setattr(_viewmodel, "has_main", lambda: (model.clear(), False)[1])

    scope = model.view_model_scope

    assert not scope.is_active
    assert scope is model.view_model_scope


def test_another_thread_that_is_faster_makes_the_one_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ViewModel()
    faster: list[CoroutineScope] = []

    def look() -> bool:
        monkeypatch.setattr(_viewmodel, "has_main", lambda: False)
        faster.extend(_at_once([lambda: model.view_model_scope]))
        return False

    monkeypatch.setattr(_viewmodel, "has_main", look)

    assert model.view_model_scope is faster[0]
    model.clear()


def test_threads_that_ask_at_once_get_one_scope(main: VMain) -> None:
    for _ in range(20):
        model = ViewModel()
        got = _at_once([lambda model=model: model.view_model_scope] * 8)
        assert len({id(scope) for scope in got}) == 1


def test_a_scope_that_is_there_is_found_without_a_lock() -> None:
    """V1, F45: though another thread has the view model's lock, and keeps it."""
    model = ViewModel()
    scope = model.view_model_scope

    with _viewmodel._inside(model).lock:
        assert _at_once([lambda: model.view_model_scope]) == [scope]
    model.clear()


def test_a_scope_that_is_asked_for_during_a_clear_is_dead_after_it(main: VMain) -> None:
    for _ in range(50):
        model = ViewModel()
        got = _at_once([lambda model=model: model.view_model_scope] * 3 + [model.clear])
        assert len({id(scope) for scope in got if scope is not None}) == 1
        assert not model.view_model_scope.is_active


def _at_once(calls: list[Any]) -> list[Any]:
    gate = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int) -> None:
        gate.wait()
        results[index] = calls[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# ---- failures


class Boom(Exception):
    pass


def fail() -> None:
    raise Boom("boom")


def test_a_failure_reaches_the_handler_of_the_view_model_and_the_scope_lives_on(main: VMain) -> None:
    seen: list[BaseException] = []
    model = ViewModel()
    model.view_model_scope
    model.exception_handler = lambda context, failure: seen.append(failure)

    model.view_model_scope.launch(fail)

    assert [str(each) for each in seen] == ["boom"]
    assert model.view_model_scope.is_active


def test_the_handler_may_be_a_method_or_a_coroutine_exception_handler(main: VMain) -> None:
    seen: list[str] = []

    class Model(ViewModel):
        def exception_handler(self, context: object, failure: BaseException) -> None:  # type: ignore[override]
            seen.append(f"method {failure}")

    Model().view_model_scope.launch(fail)
    other = ViewModel()
    other.exception_handler = CoroutineExceptionHandler(lambda context, failure: seen.append(f"element {failure}"))
    other.view_model_scope.launch(fail)

    assert seen == ["method boom", "element boom"]


def test_the_default_is_asked_where_the_view_model_has_none(main: VMain, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[BaseException] = []
    model = ViewModel()
    model.view_model_scope
    monkeypatch.setattr(ViewModel, "default_exception_handler", lambda context, failure: seen.append(failure))

    model.view_model_scope.launch(fail)

    assert len(seen) == 1


def test_with_no_handler_a_failure_goes_to_the_hook_of_threads(main: VMain, uncaught: list[BaseException]) -> None:
    model = ViewModel()

    model.view_model_scope.launch(fail)

    assert [str(uncaught.pop())] == ["boom"]
    assert model.view_model_scope.is_active


def test_a_view_of_the_scope_keeps_the_handler(main: VMain) -> None:
    seen: list[BaseException] = []
    model = ViewModel()
    model.exception_handler = lambda context, failure: seen.append(failure)

    (model.view_model_scope + CoroutineName("view")).launch(fail)

    assert len(seen) == 1
    assert model.view_model_scope.is_active


def test_a_handler_that_outlives_its_view_model_reports_to_nobody_of_it(
    main: VMain, uncaught: list[BaseException]
) -> None:
    """V20: somebody has kept it, for a scope of his own."""
    kept: list[CoroutineExceptionHandler] = []
    seen: list[BaseException] = []
    model = ViewModel()
    model.exception_handler = lambda context, failure: seen.append(failure)
    model.view_model_scope.launch(lambda: kept.append(current_context()[CoroutineExceptionHandler]))
    model.clear()
    main.drain()

    CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate + kept[0]).launch(fail)

    assert [str(uncaught.pop())] == ["boom"]
    assert seen == []
    assert repr(kept[0]) == "the ViewModel's exception handler"


def test_only_a_context_can_be_added_to_the_scope(main: VMain) -> None:
    """V1"""
    with pytest.raises(TypeError):
        ViewModel().view_model_scope + 3  # type: ignore[operator]


def test_a_finalizer_that_asks_while_the_scope_is_made_gets_the_one_that_stays(
    main: VMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V1: it runs on the same thread, so the lock lets it in."""
    model, asked = ViewModel(), []
    make = _viewmodel.ViewModelScope

    def interrupted(*arguments: Any) -> Any:
        made = make(*arguments)
        if not asked:
            asked.append(None)
            asked[0] = model.view_model_scope
        return made

    monkeypatch.setattr(_viewmodel, "ViewModelScope", interrupted)

    assert model.view_model_scope is asked[0]
    assert model.view_model_scope.is_active


def test_a_handler_of_the_launch_goes_before(main: VMain) -> None:
    seen: list[str] = []
    model = ViewModel()
    model.exception_handler = lambda context, failure: seen.append("model")

    model.view_model_scope.launch(
        fail, context=CoroutineExceptionHandler(lambda context, failure: seen.append("launch"))
    )

    assert seen == ["launch"]


def test_a_handler_never_sees_a_cancellation_or_a_failed_async(main: VMain) -> None:
    seen: list[BaseException] = []
    model = ViewModel()
    model.exception_handler = lambda context, failure: seen.append(failure)

    model.view_model_scope.launch(await_cancellation)
    model.view_model_scope.async_(fail)
    model.clear()

    assert not seen


def test_a_failure_of_the_cleanup_after_clear_still_reaches_the_handler(main: VMain) -> None:
    seen: list[BaseException] = []
    model = ViewModel()
    model.exception_handler = lambda context, failure: seen.append(failure)

    def body() -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 10)
            raise Boom("cleanup")

    model.view_model_scope.launch(body)
    model.clear()
    main.drain()

    assert [str(each) for each in seen] == ["cleanup"]


def test_a_cleanup_that_fails_after_the_view_model_was_let_go_reaches_its_handler(main: VMain) -> None:
    seen: list[str] = []

    def body() -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 10)
            raise Boom("cleanup")

    with ViewModelStore(exception_handler=lambda context, failure: seen.append(f"store {failure}")) as store:
        store.put("k", ViewModel())
        model = store.get("k")
        assert model is not None
        model.view_model_scope.launch(body)
        del model
    main.drain()

    assert seen == ["store cleanup"]


def test_the_handler_of_an_injected_scope_is_its_own() -> None:
    seen: list[str] = []
    scope = CoroutineScope(
        Dispatchers.Unconfined + SupervisorJob() + CoroutineExceptionHandler(lambda c, e: seen.append("scope"))
    )
    model = ViewModel(scope)
    model.exception_handler = lambda context, failure: seen.append("model")

    model.view_model_scope.launch(fail)
    model.clear()

    assert seen == ["scope"]


def test_the_handler_of_a_scope_shows_what_it_is_where_the_scope_is_added_to():
    scope = ViewModel().view_model_scope

    assert "the ViewModel's exception handler" in repr((scope + CoroutineName("named")).coroutine_context)
    with pytest.raises(TypeError, match="unsupported operand"):
        scope + 42
