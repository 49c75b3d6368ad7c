"""Clean-up that suspends: on_cleared_async, its time limit, and clear_and_join."""

from __future__ import annotations

import gc
import math
import threading
import weakref
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import (
    CancellationException,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    Job,
    NonCancellable,
    SupervisorJob,
    ViewModel,
    ViewModelStore,
    await_cancellation,
    current_context,
    delay,
    launch,
    run_blocking,
    suspend_cancellable_coroutine,
    with_context,
    with_timeout,
)
from vmscope.lifecycle import _cleanup

if TYPE_CHECKING:
    from tests.virtual_main import VMain


class Boom(Exception):
    pass


class Saving(ViewModel):
    """Takes `seconds` to save."""

    def __init__(self, log: list[str], seconds: float = 2.0, name: str = "save") -> None:
        self.log = log
        self.seconds = seconds
        self.name = name
        self.told: list[BaseException] = []
        self.exception_handler = lambda context, failure: self.told.append(failure)

    def on_cleared(self) -> None:
        self.log.append(f"{self.name} on_cleared")

    def on_cleared_async(self) -> Generator[Any, Any, None]:
        self.log.append(f"{self.name} begins")
        try:
            yield from delay(self.seconds)
        except CancellationException:
            self.log.append(f"{self.name} cut short")
            raise
        self.log.append(f"{self.name} done")


@pytest.fixture
def log() -> list[str]:
    return []


# ---- on_cleared_async


def test_it_runs_after_on_cleared_and_outlives_the_clear(main: VMain, log: list[str]) -> None:
    Saving(log).clear()

    assert log == ["save on_cleared", "save begins"]
    main.advance(2)
    assert log[2:] == ["save done"]


def test_an_async_def_will_do(main: VMain, log: list[str]) -> None:
    class Model(ViewModel):
        async def on_cleared_async(self) -> None:
            await delay(1)
            log.append(repr(current_context()[CoroutineDispatcher]))

    Model().clear()
    main.drain()

    assert log == ["Dispatchers.Main.immediate"]


def test_a_clear_on_another_thread_runs_it_on_main(main: VMain, log: list[str]) -> None:
    class Model(ViewModel):
        def on_cleared_async(self) -> None:
            log.append(threading.current_thread().name)

    thread = threading.Thread(target=Model().clear)
    thread.start()
    thread.join()
    assert not log
    main.drain()

    assert log == [threading.current_thread().name]


def test_without_a_main_thread_it_runs_on_default() -> None:
    seen: list[object] = []

    class Model(ViewModel):
        async def on_cleared_async(self) -> None:
            seen.append(current_context()[CoroutineDispatcher])

    model = Model()
    run_blocking(model.clear_and_join)

    assert seen == [Dispatchers.Default]


def test_with_a_main_looper_that_has_quit_it_runs_on_default(main: VMain) -> None:
    seen: list[object] = []

    class Model(ViewModel):
        async def on_cleared_async(self) -> None:
            seen.append(current_context()[CoroutineDispatcher])

    main.looper.quit()
    run_blocking(Model().clear_and_join)

    assert seen == [Dispatchers.Default]


def test_one_that_is_cut_short_by_the_end_of_main_is_reported(main: VMain, log: list[str]) -> None:
    model = Saving(log, 2)
    model.clear()
    told = threading.Event()

    def tell(context: object, failure: BaseException) -> None:
        model.told.append(failure)
        told.set()

    model.exception_handler = tell

    main.looper.quit()

    assert told.wait(10)
    assert "cut short" in str(model.told.pop())


def test_a_clear_twice_starts_it_once(main: VMain, log: list[str]) -> None:
    model = Saving(log)
    model.clear()
    model.clear()
    main.drain()

    assert log == ["save on_cleared", "save begins", "save done"]


def test_nothing_is_started_where_nothing_is_overridden(main: VMain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cleanup, "_timed", None)
    ViewModel().clear()

    assert not _cleanup._running
    assert main.dispatches == 0


def test_a_mixin_may_call_super_where_nobody_else_cleans_up(main: VMain, log: list[str]) -> None:
    class Model(ViewModel):
        def on_cleared_async(self) -> Generator[Any, Any, None]:
            yield from super().on_cleared_async()
            log.append("mine")

    Model().clear()

    assert log == ["mine"]


def test_it_starts_though_a_close_and_on_cleared_failed(main: VMain, log: list[str]) -> None:
    class Model(Saving):
        def on_cleared(self) -> None:
            raise Boom

    model = Model(log)
    model.add_closeable(lambda: 1 / 0)

    with pytest.raises(ExceptionGroup):
        model.clear()
    main.drain()

    assert log == ["save begins", "save done"]


def test_what_it_launches_is_waited_for(main: VMain, log: list[str]) -> None:
    class Model(Saving):
        def on_cleared_async(self) -> Generator[Any, Any, None]:
            launch(super().on_cleared_async)
            yield from ()

    job = CoroutineScope(Dispatchers.Unconfined).launch(Model(log, 3).clear_and_join)
    main.advance(2)
    assert job.is_active
    main.advance(1)

    assert log[-1] == "save done"
    assert job.is_completed


def test_it_is_kept_alive_while_nobody_else_knows_it(main: VMain, log: list[str]) -> None:
    waiting: list[Any] = []

    class Model(ViewModel):
        async def on_cleared_async(self) -> None:
            try:
                await suspend_cancellable_coroutine(lambda cont: waiting.append(type(cont)))  # kept by nobody
            finally:
                log.append("end")

    Model.cleanup_timeout = math.inf
    Model().clear()
    gc.collect()

    assert waiting
    assert not log
    (ending,) = _cleanup._running
    ending.cancel()
    main.drain()
    assert log == ["end"]
    assert not _cleanup._running


def test_a_view_model_is_garbage_after_its_clean_up(main: VMain, log: list[str]) -> None:
    model = Saving(log)
    gone = weakref.ref(model)
    model.clear()
    del model
    main.drain()
    gc.collect()

    assert gone() is None
    assert not _cleanup._running


# ---- the time limit and failures


def test_after_its_time_it_is_cancelled_and_a_timeout_names_the_view_model(main: VMain, log: list[str]) -> None:
    model = Saving(log, 100)
    model.clear()

    main.advance(4.9)
    assert not model.told
    main.advance(0.1)

    assert log[-1] == "save cut short"
    failure = model.told.pop()
    assert type(failure) is TimeoutError
    assert str(failure).startswith("on_cleared_async() of Saving did not end within 5 s")


def test_the_limit_is_an_attribute_and_may_be_infinite(main: VMain, log: list[str]) -> None:
    endless, short = Saving(log, 1e6, "endless"), Saving(log, 10, "short")
    endless.cleanup_timeout = math.inf
    short.cleanup_timeout = 1
    endless.clear()
    short.clear()
    main.drain()

    assert "endless done" in log
    assert "short cut short" in log
    assert not endless.told
    assert len(short.told) == 1


@pytest.mark.parametrize(("limit", "kind"), [(0, TimeoutError), (math.nan, ValueError), ("5", TypeError)])
def test_a_limit_that_leaves_no_time_or_is_none_is_a_failure(
    main: VMain, log: list[str], limit: Any, kind: type[Exception]
) -> None:
    model = Saving(log)
    model.cleanup_timeout = limit
    model.clear()
    main.drain()

    assert log == ["save on_cleared"]
    assert [type(each) for each in model.told] == [kind]
    assert "Saving" in str(model.told[0])


def test_a_timeout_of_its_own_is_not_taken_for_the_limit(main: VMain, log: list[str]) -> None:
    class Model(Saving):
        def on_cleared_async(self) -> Generator[Any, Any, None]:
            yield from with_timeout(1, delay, 2)

    model = Model(log)
    model.clear()
    main.drain()

    assert "cleanup_timeout" not in str(model.told[0])


def test_the_inside_of_a_timeout_of_its_own_is_not_taken_for_the_limit(main: VMain, log: list[str]) -> None:
    """V7: a cancellation that it raises itself is one, and no failure to tell."""

    class Model(Saving):
        def on_cleared_async(self) -> Generator[Any, Any, None]:
            kept: list[BaseException] = []

            def inside() -> Generator[Any, Any, None]:
                try:
                    yield from delay(2)
                except CancellationException as timeout:
                    kept.append(timeout)
                    raise

            try:
                yield from with_timeout(1, inside)
            except TimeoutError:
                self.log.append(f"raises a {type(kept[0]).__name__}")
                raise kept[0] from None

    model = Model(log)
    model.clear()
    main.drain()

    assert log == ["save on_cleared", "raises a TimeoutCancellationException"]
    assert model.told == []


def test_a_failure_takes_the_way_of_the_view_model_to_the_store(main: VMain) -> None:
    seen: list[str] = []

    class Model(ViewModel):
        def on_cleared_async(self) -> None:
            raise Boom("late")

    store = ViewModelStore(exception_handler=lambda context, failure: seen.append(str(failure)))
    store.put("k", Model())
    store.clear()

    assert seen == ["late"]


def test_with_no_handler_it_goes_to_the_hook_of_threads(main: VMain, uncaught: list[BaseException]) -> None:
    class Model(ViewModel):
        def on_cleared_async(self) -> None:
            raise Boom("late")

    Model().clear()

    failure = uncaught.pop()
    assert str(failure) == "late"
    assert any("Model.on_cleared_async" in note for note in failure.__notes__)


def test_the_handler_of_an_injected_scope_is_told(main: VMain, log: list[str]) -> None:
    handler = CoroutineExceptionHandler(lambda context, failure: log.append(str(failure)))

    class Model(ViewModel):
        def on_cleared_async(self) -> None:
            raise Boom("late")

    Model(CoroutineScope(SupervisorJob() + handler)).clear()

    assert log == ["late"]


# ---- clear_and_join


def in_scope(block: Any) -> Job:
    return CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate).launch(block)


def slow_end(log: list[str], seconds: float) -> Generator[Any, Any, None]:
    try:
        yield from await_cancellation()
    finally:
        yield from with_context(NonCancellable, delay, seconds)
        log.append(f"coroutine ended after {seconds}")


def test_clear_and_join_waits_for_the_coroutines_and_for_the_clean_up(main: VMain, log: list[str]) -> None:
    model = Saving(log, 1)
    model.view_model_scope.launch(slow_end, log, 2)

    job = in_scope(model.clear_and_join)

    main.advance(1)
    assert "save done" in log
    assert job.is_active
    main.advance(1)
    assert log[-1] == "coroutine ended after 2"
    assert job.is_completed


def test_a_clear_that_leaves_nothing_behind_is_not_waited_for(main: VMain) -> None:
    model = ViewModel()
    model.view_model_scope.launch(await_cancellation)

    assert in_scope(model.clear_and_join).is_completed


def test_from_two_coroutines_both_wait_for_the_one_clean_up(main: VMain, log: list[str]) -> None:
    model = Saving(log, 3)

    first, second = in_scope(model.clear_and_join), in_scope(model.clear_and_join)
    main.advance(2)
    assert first.is_active
    assert second.is_active
    main.advance(1)

    assert first.is_completed
    assert second.is_completed
    assert log == ["save on_cleared", "save begins", "save done"]


def test_from_two_threads_both_wait_for_the_one_clean_up() -> None:
    for _ in range(20):
        log: list[str] = []
        store = ViewModelStore()
        store.put("k", Saving(log, 0.001))
        gate = threading.Barrier(2)
        seen: list[bool] = []

        def end(store: ViewModelStore = store, log: list[str] = log, gate: Any = gate, seen: Any = seen) -> None:
            gate.wait()
            run_blocking(store.clear_and_join)
            seen.append("save done" in log)

        threads = [threading.Thread(target=end) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert seen == [True, True]
        assert log.count("save begins") == 1


def test_a_second_call_that_comes_while_the_first_clears_waits_for_it(main: VMain, log: list[str]) -> None:
    jobs: list[Job] = []

    class Model(Saving):
        def on_cleared(self) -> None:
            jobs.append(in_scope(store.clear_and_join))
            jobs.append(in_scope(self.clear_and_join))
            assert not any(job.is_completed for job in jobs)

    store = ViewModelStore()
    store.put("k", Model(log, 1))
    store.clear()
    main.run_current()
    assert not any(job.is_completed for job in jobs)
    main.advance(1)

    assert all(job.is_completed for job in jobs)


def test_it_raises_what_clear_raised_after_waiting(main: VMain, log: list[str]) -> None:
    class Model(Saving):
        def on_cleared(self) -> None:
            raise Boom

    def end() -> Generator[Any, Any, None]:
        try:
            yield from model.clear_and_join()
        except ExceptionGroup as group:
            log.append(f"{type(group.exceptions[0]).__name__} at {main.now:g}")

    model = Model(log, 2)
    in_scope(end)
    main.drain()

    assert log == ["save begins", "save done", "Boom at 2"]


def test_a_waiter_that_is_cancelled_leaves_the_clean_up_alone_and_keeps_what_clear_raised(
    main: VMain, log: list[str]
) -> None:
    class Model(Saving):
        def on_cleared(self) -> None:
            raise Boom("in clear")

    seen: list[Any] = []

    def end() -> Generator[Any, Any, None]:
        try:
            yield from model.clear_and_join()
        except CancellationException as cancellation:
            seen.extend(cancellation.suppressed)  # type: ignore[attr-defined]
            raise

    model = Model(log, 2)
    job = in_scope(end)
    main.advance(1)
    job.cancel()
    main.drain()

    assert job.is_cancelled
    assert log == ["save begins", "save done"]
    assert [str(leaf) for group in seen for leaf in group.exceptions] == ["in clear"]


def test_a_coroutine_of_the_view_model_itself_is_cancelled_by_it(main: VMain, log: list[str]) -> None:
    model = Saving(log, 1)
    job = model.view_model_scope.launch(model.clear_and_join)
    main.drain()

    assert job.is_cancelled
    assert log[-1] == "save done"


def test_a_failed_clean_up_ends_the_wait_and_is_not_raised_there(main: VMain, log: list[str]) -> None:
    model = Saving(log, 100)
    job = in_scope(model.clear_and_join)
    main.drain()

    assert job.is_completed
    assert not job.is_cancelled
    assert len(model.told) == 1


def test_a_scope_of_others_is_not_waited_for_and_a_closeable_one_is(main: VMain, log: list[str]) -> None:
    shared = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    mine = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    shared.launch(await_cancellation)
    mine.launch(slow_end, log, 1)
    model = ViewModel(shared, mine, own=False)

    job = in_scope(model.clear_and_join)
    assert job.is_active
    main.advance(1)

    assert job.is_completed
    assert shared.is_active
    shared.cancel()


def test_a_store_that_is_a_closeable_is_waited_for(main: VMain, log: list[str]) -> None:
    inner = ViewModelStore()
    inner.put("k", Saving(log, 1))
    model = ViewModel(None, inner)

    job = in_scope(model.clear_and_join)
    assert job.is_active
    main.advance(1)

    assert job.is_completed


def test_a_scope_that_cannot_be_cancelled_is_not_waited_for(main: VMain) -> None:
    model = ViewModel(CoroutineScope(NonCancellable))

    assert in_scope(model.clear_and_join).is_completed


# ---- a store


def test_a_store_waits_for_all_at_once(main: VMain, log: list[str]) -> None:
    store = ViewModelStore()
    store.put("a", Saving(log, 2, "a"))
    store.put("b", Saving(log, 1, "b"))

    job = in_scope(store.clear_and_join)
    main.advance(1)
    assert job.is_active
    main.advance(1)

    assert job.is_completed
    assert log == ["a on_cleared", "b on_cleared", "a begins", "b begins", "b done", "a done"]
    assert not store._endings.unended()


def test_a_store_waits_for_what_left_it_before(main: VMain, log: list[str]) -> None:
    store = ViewModelStore()
    store.put("k", Saving(log, 2, "replaced"))
    store.put("k", Saving(log, 3, "cleared"))
    store.clear()

    job = in_scope(store.clear_and_join)
    main.advance(2)
    assert job.is_active
    main.advance(1)

    assert job.is_completed
    assert log[-1] == "cleared done"


def test_who_keeps_the_context_of_a_clean_up_keeps_no_view_model(main: VMain) -> None:
    """F42"""
    kept: list[Any] = []

    class Screen(ViewModel):
        async def on_cleared_async(self) -> None:
            kept.append(current_context())

    screen = Screen()
    gone = weakref.ref(screen)
    screen.clear()
    main.drain()
    del screen
    gc.collect()

    assert len(kept) == 1
    assert gone() is None


def test_a_store_raises_what_its_clear_raised_after_waiting(main: VMain, log: list[str]) -> None:
    class Bad(ViewModel):
        def on_cleared(self) -> None:
            raise Boom

    def end() -> Generator[Any, Any, None]:
        with pytest.raises(ExceptionGroup):
            yield from store.clear_and_join()
        log.append(f"raised at {main.now:g}")

    store = ViewModelStore()
    store.put("bad", Bad())
    store.put("good", Saving(log, 2))
    in_scope(end)
    main.drain()

    assert log[-1] == "raised at 2"
