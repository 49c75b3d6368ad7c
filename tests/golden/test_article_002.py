"""Article 002, "Under the hood": its claims, and what is true where it errs.

"Messages" are items that the main queue ran.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vmscope import (
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineName,
    CoroutineScope,
    Dispatchers,
    EmptyCoroutineContext,
    HandlerThread,
    Job,
    Looper,
    SupervisorJob,
    ViewModel,
    await_cancellation,
    current_context,
    current_job,
    delay,
    ensure_active,
    launch,
    run_blocking,
    with_context,
    yield_,
)

if TYPE_CHECKING:
    from tests.virtual_main import VMain


class Boom(Exception):
    pass


def depth() -> int:
    """How many frames are on the stack of this thread."""
    frame, count = sys._getframe(), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


# ---- one scope


def test_2_1_64_threads_ask_for_the_scope_and_one_is_made(main: VMain) -> None:
    model = ViewModel()
    gate = threading.Barrier(64)
    got: list[CoroutineScope] = []

    def ask() -> None:
        gate.wait()
        got.append(model.view_model_scope)

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == 64
    assert all(scope is model.view_model_scope for scope in got)
    model.clear()
    assert not got[0].is_active


def test_2_3_without_a_main_thread_launches_run_on_default() -> None:
    model = ViewModel()
    seen: list[CoroutineDispatcher | None] = []

    def work() -> None:
        seen.append(current_context()[CoroutineDispatcher])
        seen.append(None if threading.current_thread() is threading.main_thread() else Dispatchers.Default)

    run_blocking(model.view_model_scope.launch(work).join)

    assert model.view_model_scope.coroutine_context[CoroutineDispatcher] is None
    assert seen == [Dispatchers.Default, Dispatchers.Default]
    model.clear()


# ---- when Main and Main.immediate post


def test_2_9_with_context_main_posts_nothing_in_a_coroutine_that_is_on_main(main: VMain) -> None:
    scope = CoroutineScope(Dispatchers.Main)

    def body() -> Iterator[Any]:
        before = main.dispatches
        yield from with_context(Dispatchers.Main, lambda: None)
        log.append(main.dispatches - before)

    log: list[int] = []
    scope.launch(body)
    main.drain()

    assert log == [0]
    assert main.dispatches == 1, "the start"


def test_2_9_with_context_main_posts_in_a_coroutine_that_is_on_immediate(main: VMain) -> None:
    model = ViewModel()
    log: list[str] = []

    def body() -> Iterator[Any]:
        yield from with_context(Dispatchers.Main, log.append, "block")
        log.append("back")

    model.view_model_scope.launch(body)
    assert log == [], "posted, although this is the main thread"
    main.drain()

    assert log == ["block", "back"]
    assert main.dispatches == 1, "the block; the return to immediate is in place"


def test_2_10_a_launch_in_the_scope_of_a_view_model_posts_nothing_on_the_main_thread(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()

    model.view_model_scope.launch(log.append, "immediate")

    assert log == ["immediate"]
    main.drain()
    assert main.dispatches == 0


def test_2_10_a_launch_on_plain_main_is_posted_and_runs_after_what_waits_already(main: VMain) -> None:
    log: list[str] = []
    main.post(lambda: log.append("waited before"))

    CoroutineScope(Dispatchers.Main).launch(log.append, "main")
    log.append("launch returned")
    main.drain()

    assert log == ["launch returned", "waited before", "main"]
    assert main.dispatches == 2


def test_2_11_the_test_is_in_is_dispatch_needed_and_dispatch_itself_always_posts(main: VMain) -> None:
    log: list[str] = []

    class Block:
        def run(self) -> None:
            log.append("run")

    assert not Dispatchers.Main.immediate.is_dispatch_needed(EmptyCoroutineContext)
    assert Dispatchers.Main.is_dispatch_needed(EmptyCoroutineContext)
    Dispatchers.Main.immediate.dispatch(EmptyCoroutineContext, Block())

    assert log == []
    main.drain()
    assert log == ["run"]
    assert main.dispatches == 1


def test_2_11_a_yield_on_immediate_goes_through_the_queue(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()
    main.post(lambda: log.append("message"))

    def body() -> Iterator[Any]:
        log.append("before")
        yield from yield_()
        log.append("after")

    model.view_model_scope.launch(body)
    main.drain()

    assert log == ["before", "message", "after"]
    assert main.dispatches == 2


def test_2_12_immediate_runs_in_place_where_the_looper_of_the_thread_is_the_main_one_only(main: VMain) -> None:
    immediate = Dispatchers.Main.immediate
    answers: dict[str, tuple[bool, bool]] = {}

    def ask(where: str) -> None:
        answers[where] = (Looper.my_looper() is None, immediate.is_dispatch_needed(EmptyCoroutineContext))

    ask("main")
    bare = threading.Thread(target=ask, args=("bare",))
    bare.start()
    bare.join()
    asked = threading.Event()
    with HandlerThread("other") as other:
        other.handler.post(lambda: (ask("other"), asked.set()))
        assert asked.wait(10)

    assert answers == {"main": (False, False), "bare": (True, True), "other": (False, True)}


# ---- the stack


def test_2_14_ten_thousand_times_with_context_immediate_leave_the_stack_flat_and_post_nothing(main: VMain) -> None:
    model = ViewModel()
    depths: set[int] = set()

    def body() -> Iterator[Any]:
        for _ in range(10_000):
            yield from with_context(Dispatchers.Main.immediate, lambda: depths.add(depth()))

    job = model.view_model_scope.launch(body)

    assert job.is_completed, "it never left the stack of its launch"
    assert len(depths) == 1
    assert main.dispatches == 0


def test_2_14_a_hundred_thousand_nested_immediate_launches_leave_the_stack_flat(main: VMain) -> None:
    model = ViewModel()
    scope = model.view_model_scope
    deepest = 0
    ran = 0

    def nest(left: int) -> None:
        nonlocal deepest, ran
        ran += 1
        if left % 1_000 == 0:
            deepest = max(deepest, depth())
        if left:
            scope.launch(nest, left - 1)

    scope.launch(nest, 100_000)

    assert ran == 100_001
    assert deepest < depth() + 20
    assert main.dispatches == 0


def test_2_18_a_delay_on_main_is_one_delayed_message_and_goes_on_in_it(main: VMain) -> None:
    model = ViewModel()
    log: list[tuple[float, int]] = []

    def body() -> Iterator[Any]:
        yield from delay(1)
        log.append((main.now, main.dispatches))

    model.view_model_scope.launch(body)
    main.advance(0.999)
    assert main.dispatches == 0
    main.drain()

    assert log == [(1.0, 1)], "resumed while the first message runs: nothing was posted after it"
    assert main.dispatches == 1


# ---- the cascade


def test_2_21_clear_reaches_each_coroutine_at_its_next_suspension_and_those_not_started_never_run(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()
    scope = model.view_model_scope

    def suspended() -> Iterator[Any]:
        try:
            yield from delay(10)
        finally:
            log.append("suspended: cleaned up")

    def busy() -> Iterator[Any]:
        yield from delay(1)
        scope.launch(log.append, "not started: ran", context=Dispatchers.Main)
        model.clear()
        log.append("busy: goes on")
        try:
            yield from delay(10)
        finally:
            log.append("busy: cleaned up")

    jobs = [scope.launch(suspended), scope.launch(busy)]
    main.drain()

    assert log == ["suspended: cleaned up", "busy: goes on", "busy: cleaned up"]
    assert all(job.is_completed and job.is_cancelled for job in jobs)
    assert main.now == 1, "no timer is left"


# ---- from the click to the end


class User(ViewModel):
    """The article's UserViewModel; `shown` stands for what its LiveData was set to."""

    def __init__(self, main: VMain, trace: list[str]) -> None:
        self.trace = trace
        self.shown: list[str] = []
        self.fetching = threading.Event()
        self.answer = threading.Event()
        self._main = main

    def load(self, user: str) -> Job:
        return self.view_model_scope.launch(self._load, user)

    def _load(self, user: str) -> Iterator[Any]:
        self.trace.append(f"load {user} on {self._where()}, messages {self._main.dispatches}")
        try:
            answer = yield from with_context(Dispatchers.IO, self._fetch, user)
            self.trace.append(f"{answer} on {self._where()}, messages {self._main.dispatches}")
            self.shown.append(answer)
        finally:
            self.trace.append(f"{user} is over")

    def _fetch(self, user: str) -> str:
        self.fetching.set()
        assert self.answer.wait(10)
        self.answer.clear()
        self.trace.append(f"fetched {user} on {self._where()}")
        return f"data of {user}"

    def _where(self) -> str:
        return "main" if Looper.my_looper() is self._main.looper else "a worker"

    def on_cleared(self) -> None:
        self.trace.append(f"on_cleared, scope active {self.view_model_scope.is_active}")


def test_2_23_the_full_trace_from_the_click_to_the_cleared_view_model(main: VMain) -> None:
    trace: list[str] = []
    model = User(main, trace)

    main.post(lambda: (trace.append("click"), model.load("ann"), trace.append("click over")))
    main.run_current()
    model.answer.set()
    main.run_until(lambda: model.shown)
    model.fetching.clear()
    second = model.load("bob")
    assert model.fetching.wait(10)
    trace.append("navigate away")
    model.clear()
    assert second.is_cancelled
    model.answer.set()
    main.run_until(lambda: second.is_completed)
    after = model.load("eve")
    main.drain()

    assert after.is_cancelled
    assert model.shown == ["data of ann"]
    assert trace == [
        "click",
        "load ann on main, messages 1",
        "click over",
        "fetched ann on a worker",
        "data of ann on main, messages 2",
        "ann is over",
        "load bob on main, messages 2",
        "navigate away",
        "on_cleared, scope active False",
        "fetched bob on a worker",
        "bob is over",
    ]


# ---- supervision


def test_2_26_a_dashboard_with_a_handler_shows_what_did_not_fail(main: VMain) -> None:
    shown: list[str] = []
    failures: list[str] = []

    class Dashboard(ViewModel):
        def load(self) -> None:
            for part in ("profile", "notifications", "messages", "feed"):
                self.view_model_scope.launch(self._load, part)

        def _load(self, part: str) -> Iterator[Any]:
            yield from delay(1)
            if part == "notifications":
                raise Boom("500")
            yield from delay(1)
            shown.append(part)

    board = Dashboard()
    board.exception_handler = lambda context, failure: failures.append(str(failure))
    board.load()
    main.drain()

    assert shown == ["profile", "messages", "feed"]
    assert failures == ["500"]
    assert board.view_model_scope.is_active


def test_2_26_without_a_handler_the_failure_reaches_the_last_resort_of_the_thread(
    main: VMain, uncaught: list[BaseException]
) -> None:
    shown: list[str] = []
    model = ViewModel()

    def notifications() -> Iterator[Any]:
        yield from delay(1)
        raise Boom("500")

    def feed() -> Iterator[Any]:
        yield from delay(2)
        shown.append("feed")

    model.view_model_scope.launch(notifications)
    model.view_model_scope.launch(feed)
    main.drain()

    assert shown == ["feed"]
    assert [str(uncaught.pop()) for _ in list(uncaught)] == ["500"]


def test_2_28_a_scope_given_to_the_constructor_is_used_and_cancelled_on_clear(main: VMain) -> None:
    custom = CoroutineScope(Dispatchers.Unconfined + SupervisorJob() + CoroutineName("custom"))
    names: list[object] = []

    model = ViewModel(custom)
    model.view_model_scope.launch(lambda: names.append(current_context()[CoroutineName]))

    assert names == [CoroutineName("custom")]
    assert model.view_model_scope.coroutine_context == custom.coroutine_context
    model.clear()
    assert not custom.is_active


def test_2_30_a_parent_does_not_complete_before_its_children(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()

    def child(seconds: float) -> Iterator[Any]:
        yield from delay(seconds)
        log.append(f"child {seconds}")

    def parent() -> None:
        launch(child, 2)
        launch(child, 1)
        log.append("body over")

    job = model.view_model_scope.launch(parent)
    job.invoke_on_completion(lambda cause: log.append("parent complete"))
    assert job.is_active
    main.drain()

    assert log == ["body over", "child 1", "child 2", "parent complete"]


def test_2_31_cancelling_the_parent_cancels_every_child(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()

    def child(name: str) -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            log.append(name)

    def parent() -> None:
        launch(child, "child 1")
        launch(child, "child 2")

    job = model.view_model_scope.launch(parent)
    job.cancel()
    main.drain()

    assert log == ["child 1", "child 2"]
    assert job.is_completed
    assert model.view_model_scope.is_active


def test_2_32_an_inner_launch_that_fails_cancels_its_sibling_and_the_outer_one(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()
    model.exception_handler = lambda context, failure: log.append(f"handler {failure}")

    def first() -> Iterator[Any]:
        yield from delay(1)
        raise Boom("first")

    def second() -> Iterator[Any]:
        try:
            yield from delay(2)
            log.append("never")
        finally:
            log.append("second cancelled")

    def outer() -> None:
        launch(first)
        launch(second)

    job = model.view_model_scope.launch(outer)
    bystander = model.view_model_scope.launch(delay, 3)
    main.drain()

    assert log == ["second cancelled", "handler first"]
    assert job.is_cancelled
    assert not bystander.is_cancelled, "only the direct children of the scope are isolated from each other"
    assert model.view_model_scope.is_active


def test_2_36_after_with_context_io_the_coroutine_is_back_on_the_main_thread(main: VMain) -> None:
    model = ViewModel()
    where: list[object] = []

    def fetch() -> str:
        ensure_active()
        where.append(Looper.my_looper())
        return "data"

    def load() -> Iterator[Any]:
        where.append(Looper.my_looper())
        data = yield from with_context(Dispatchers.IO, fetch)
        where.append(Looper.my_looper())
        where.append((data, current_context()[CoroutineDispatcher]))

    job = model.view_model_scope.launch(load)
    main.run_until(lambda: job.is_completed)

    assert where == [main.looper, None, main.looper, ("data", Dispatchers.Main.immediate)]


def test_2_38_the_children_of_the_scope_can_be_listed(main: VMain) -> None:
    model = ViewModel()
    jobs = [model.view_model_scope.launch(await_cancellation, name=name) for name in "ab"]
    job = model.view_model_scope.coroutine_context[Job]
    assert job is not None

    assert list(job.children) == jobs
    model.clear()
    assert list(job.children) == []


def test_2_37_a_broad_except_does_not_swallow_the_cancellation(main: VMain) -> None:
    log: list[str] = []
    model = ViewModel()

    def body() -> Iterator[Any]:
        try:
            yield from delay(10)
        except Exception:  # noqa: BLE001
            log.append("handle_error in a dead view model")

    job = model.view_model_scope.launch(body, context=CoroutineExceptionHandler(lambda c, e: log.append("handler")))
    model.clear()

    assert job.is_cancelled
    assert log == []


def test_2_30_the_job_of_the_outer_launch_is_the_parent_of_the_inner_ones(main: VMain) -> None:
    model = ViewModel()
    parents: list[object] = []

    def parent() -> None:
        parents.append(current_job())
        parents.append(launch(await_cancellation).parent)

    job = model.view_model_scope.launch(parent)

    assert parents == [job, job]
    model.clear()
