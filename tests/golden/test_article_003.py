"""Article 003, "SupervisorScope vs viewModelScope": what is true of its claims, many of which err."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import (
    CancellationException,
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    Job,
    SupervisorJob,
    ViewModel,
    add_global_exception_handler,
    async_,
    await_cancellation,
    current_scope,
    delay,
    launch,
    run_blocking,
    supervisor_scope,
)

if TYPE_CHECKING:
    from tests.virtual_main import VMain


class Boom(Exception):
    pass


def fail(message: str = "boom", after: float = 0.0) -> Iterator[Any]:
    yield from delay(after)
    raise Boom(message)


def noting(log: list[str], name: str) -> CoroutineExceptionHandler:
    return CoroutineExceptionHandler(lambda context, failure: log.append(f"{name} got {failure}"))


# ---- supervisor_scope


def test_3_1_a_supervisor_scope_isolates_its_children(main: VMain) -> None:
    log: list[str] = []

    def child(name: str) -> Iterator[Any]:
        yield from delay(2)
        log.append(name)

    def block() -> None:
        scope = current_scope()
        scope.launch(child, "one")
        scope.launch(fail, "two", 1, context=noting(log, "handler"))
        scope.launch(child, "three")

    def body() -> Iterator[Any]:
        yield from supervisor_scope(block)
        log.append("scope over")

    job = ViewModel().view_model_scope.launch(body)
    main.drain()

    assert log == ["handler got two", "one", "three", "scope over"]
    assert not job.is_cancelled


def test_3_2_the_own_code_of_the_block_runs_before_its_children_that_are_queued() -> None:
    log: list[str] = []

    def task_1() -> None:
        log.append("Task 1")
        raise Boom("this will only cancel Task 1")

    def block() -> None:
        launch(task_1, context=noting(log, "handler"))
        launch(log.append, "Task 2")
        log.append("Task 3")

    run_blocking(supervisor_scope, block)

    assert log == ["Task 3", "Task 1", "handler got this will only cancel Task 1", "Task 2"]


def test_3_3_cancelling_the_supervisor_scope_cancels_all_its_children(main: VMain) -> None:
    log: list[str] = []

    def child(name: str) -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            log.append(name)

    def block() -> Iterator[Any]:
        scope = current_scope()
        scope.launch(child, "one")
        scope.launch(child, "two")
        yield from delay(1)
        scope.cancel()

    def body() -> Iterator[Any]:
        try:
            yield from supervisor_scope(block)
        except CancellationException:
            log.append("scope over")

    ViewModel().view_model_scope.launch(body)
    main.drain()

    assert log == ["one", "two", "scope over"]


# ---- three tasks in a view model


class Tasks(ViewModel):
    """The article's demo, with its 500, 1000 and 700 ms."""

    def __init__(self, main: VMain) -> None:
        self.lines: list[tuple[int, str]] = []
        self._main = main

    def start(self) -> None:
        self.view_model_scope.launch(self._work, "Task 1", 0.5)
        self.view_model_scope.launch(self._fail)
        self.view_model_scope.launch(self._work, "Task 3", 0.7)

    def start_too(self) -> None:
        self.view_model_scope.launch(self._work_too, "Task 1", 0.5)
        self.view_model_scope.launch(self._fail)
        self.view_model_scope.launch(self._work_too, "Task 3", 0.7)

    def _print(self, line: str) -> None:
        self.lines.append((round(self._main.now * 1000), line))

    def _work(self, name: str, pause: float) -> Iterator[Any]:
        self._print(f"{name} started")
        for turn in range(1, 6):
            self._print(f"{name} is working... {turn}")
            yield from delay(pause)
        self._print(f"{name} completed")

    async def _work_too(self, name: str, pause: float) -> None:
        self._print(f"{name} started")
        for turn in range(1, 6):
            self._print(f"{name} is working... {turn}")
            await delay(pause)
        self._print(f"{name} completed")

    def _fail(self) -> Iterator[Any]:
        try:
            self._print("Task 2 started")
            yield from delay(1)
            raise Boom("Simulated error in Task 2")
        except Exception as failure:  # noqa: BLE001  (the article's own)
            self._print(f"Task 2 failed with exception: {failure}")


@pytest.mark.parametrize("start", [Tasks.start, Tasks.start_too])
def test_3_11_the_three_tasks_print_in_exactly_this_order(main: VMain, start: Any) -> None:
    model = Tasks(main)

    start(model)
    main.drain()

    assert model.lines == [
        (0, "Task 1 started"),
        (0, "Task 1 is working... 1"),
        (0, "Task 2 started"),
        (0, "Task 3 started"),
        (0, "Task 3 is working... 1"),
        (500, "Task 1 is working... 2"),
        (700, "Task 3 is working... 2"),
        (1000, "Task 2 failed with exception: Simulated error in Task 2"),
        (1000, "Task 1 is working... 3"),
        (1400, "Task 3 is working... 3"),
        (1500, "Task 1 is working... 4"),
        (2000, "Task 1 is working... 5"),
        (2100, "Task 3 is working... 4"),
        (2500, "Task 1 completed"),
        (2800, "Task 3 is working... 5"),
        (3500, "Task 3 completed"),
    ]


# ---- uncaught failures in the scope of a view model


def test_3_12_an_uncaught_failure_leaves_the_scope_active_and_the_siblings_running(
    main: VMain, uncaught: list[BaseException]
) -> None:
    log: list[str] = []
    model = ViewModel()

    def sibling() -> Iterator[Any]:
        yield from delay(2)
        log.append("sibling done")

    failing = model.view_model_scope.launch(fail, "task", 1)
    other = model.view_model_scope.launch(sibling)
    main.drain()

    assert failing.is_cancelled
    assert not other.is_cancelled
    assert log == ["sibling done"]
    assert model.view_model_scope.is_active
    assert str(uncaught.pop()) == "task"


def test_3_13_no_default_handler_stands_in_the_context_and_the_global_ones_go_before_the_thread(
    main: VMain, uncaught: list[BaseException]
) -> None:
    log: list[str] = []
    model = ViewModel()
    handle = add_global_exception_handler(lambda context, failure: log.append(f"global got {failure}"))

    try:
        model.view_model_scope.launch(fail, "one")
        main.drain()
    finally:
        handle.dispose()
    model.view_model_scope.launch(fail, "two")
    main.drain()

    assert log == ["global got one"]
    assert str(uncaught.pop()) == "two"


def test_3_14_only_clear_or_cancel_ends_the_scope_never_a_failure(main: VMain) -> None:
    model = ViewModel()
    model.exception_handler = lambda context, failure: None
    waiting = model.view_model_scope.launch(await_cancellation)

    for number in range(10):
        model.view_model_scope.launch(fail, f"failure {number}")
    main.drain()
    assert waiting.is_active
    model.clear()

    assert waiting.is_cancelled
    assert not model.view_model_scope.is_active


def test_3_15_a_handler_changes_nothing_of_who_is_cancelled(main: VMain) -> None:
    log: list[str] = []
    scope = CoroutineScope(Dispatchers.Main.immediate + Job())

    sibling = scope.launch(await_cancellation)
    scope.launch(fail, "task", 1, context=noting(log, "handler"))
    main.drain()

    assert log == ["handler got task"]
    assert sibling.is_cancelled
    assert not scope.is_active


def test_3_16_in_a_supervisor_scope_the_handler_of_a_child_is_asked(main: VMain) -> None:
    log: list[str] = []

    def block() -> None:
        launch(fail, "one", 1, context=noting(log, "first"))
        launch(fail, "two", 2, context=noting(log, "second"))

    ViewModel().view_model_scope.launch(supervisor_scope, block)
    main.drain()

    assert log == ["first got one", "second got two"]


def test_3_17_a_handler_given_to_a_launch_in_the_scope_is_asked(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()

    model.view_model_scope.launch(fail, "Test exception", context=noting(log, "Caught exception:"))
    main.drain()

    assert log == ["Caught exception: got Test exception"]


def test_3_18_a_handler_of_a_nested_launch_or_of_an_async_is_not_asked(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()

    def outer() -> None:
        launch(fail, "nested", context=noting(log, "inner"))

    model.view_model_scope.launch(outer, context=noting(log, "outer"))
    main.drain()
    deferred = model.view_model_scope.async_(fail, "async", context=noting(log, "async"))
    main.drain()

    assert log == ["outer got nested"]
    assert str(deferred.get_completion_exception_or_none()) == "async"


def test_3_19_the_hook_of_threads_gets_what_no_handler_takes(main: VMain, uncaught: list[BaseException]) -> None:
    ViewModel().view_model_scope.launch(fail, "task", name="loader")
    main.drain()

    failure = uncaught.pop()
    assert str(failure) == "task"
    assert any("loader" in note for note in failure.__notes__)


def test_3_20_under_a_supervisor_launch_goes_to_the_handler_and_async_to_await(main: VMain) -> None:
    log: list[str] = []
    scope = CoroutineScope(Dispatchers.Main.immediate + SupervisorJob() + noting(log, "handler"))

    scope.launch(fail, "launched")
    deferred = scope.async_(fail, "awaited")

    def caller() -> Iterator[Any]:
        try:
            yield from deferred.await_()
        except Boom as failure:
            log.append(f"await raised {failure}")

    scope.launch(caller)
    main.drain()

    assert log == ["handler got launched", "await raised awaited"]
    scope.cancel()


def test_3_21_a_supervisor_job_with_a_parent_ends_with_it_and_that_of_a_view_model_has_none(main: VMain) -> None:
    parent = Job()
    scope = CoroutineScope(Dispatchers.Main.immediate + SupervisorJob(parent))
    child = scope.launch(await_cancellation)

    parent.complete_exceptionally(Boom("parent"))
    main.drain()

    assert child.is_cancelled
    assert not scope.is_active
    job = ViewModel().view_model_scope.coroutine_context[Job]
    assert job is not None
    assert job.parent is None


def test_3_22_a_failure_of_the_supervisor_block_itself_cancels_the_children_and_is_rethrown(main: VMain) -> None:
    log: list[str] = []

    def child() -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            log.append("child cancelled")

    def block() -> Iterator[Any]:
        launch(child)
        async_(child)
        yield from delay(1)
        raise Boom("block")

    def body() -> Iterator[Any]:
        try:
            yield from supervisor_scope(block)
        except Boom as failure:
            log.append(f"rethrown {failure}")

    ViewModel().view_model_scope.launch(body)
    main.drain()

    assert log == ["child cancelled", "child cancelled", "rethrown block"]
