"""Dispatchers: which thread, in what order, and what a dispatcher that refuses does to a coroutine (rows D1-D19)."""

from __future__ import annotations

import gc
import itertools
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.steer import struck
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    EmptyCoroutineContext,
    GlobalScope,
    Handler,
    HandlerThread,
    IllegalStateError,
    Job,
    Looper,
    RejectedExecutionError,
    SupervisorJob,
    as_dispatcher,
    await_cancellation,
    check_main,
    current_scope,
    delay,
    ensure_active,
    join_all,
    launch,
    main_thread,
    new_fixed_thread_pool_context,
    new_single_thread_context,
    register_main_factory,
    run_blocking,
    suspend_cancellable_coroutine,
    with_context,
    with_timeout_or_none,
    worker_thread,
    yield_,
)
from vmscope._primitives import Bell
from vmscope.coroutines import _dispatcher, _main, _pool, _timer
from vmscope.coroutines._dispatcher import LimitedDispatcher
from vmscope.looper import MessageQueue
from vmscope.sync import Channel

OnMain = Callable[..., Any]


class QueueDispatcher(CoroutineDispatcher):
    """Runs when it is told to; refuses when it is `closed`, breaks when it is `broken`."""

    def __init__(self) -> None:
        self.queue: list[Any] = []
        self.closed = False
        self.broken: BaseException | None = None

    def dispatch(self, context: Any, block: Any) -> None:
        if self.closed:
            raise RejectedExecutionError("closed")
        if self.broken is not None:
            raise self.broken
        self.queue.append(block)

    def run_all(self) -> None:
        while self.queue:
            self.queue.pop(0).run()


@pytest.fixture
def log() -> list[str]:
    return []


def here() -> str:
    return threading.current_thread().name


def most_at_once(dispatcher: CoroutineDispatcher, tasks: int, expected: int) -> int:
    """Start `tasks` on `dispatcher` that wait for each other until `expected` are there; how many were, at most."""
    lock = threading.Lock()
    count = 0
    highest = 0
    all_there = threading.Event()

    def task() -> None:
        nonlocal count, highest
        with lock:
            count += 1
            highest = max(highest, count)
            if count >= expected:
                all_there.set()
        assert all_there.wait(10), f"{highest} of {expected} at once"
        with lock:
            count -= 1

    async def body() -> None:
        jobs = [launch(task, context=dispatcher) for _ in range(tasks)]
        await join_all(*jobs)

    run_blocking(body)
    return highest


# ---- D1, D2, D3: Default and IO


def test_default_runs_as_many_at_once_as_there_are_processors_and_at_least_two() -> None:
    """D1"""
    limit = max(2, os.cpu_count() or 2)

    assert most_at_once(Dispatchers.Default, 3 * limit, limit) == limit


def test_io_runs_64_at_once_or_as_many_as_there_are_processors() -> None:
    """D2"""
    limit = max(64, os.cpu_count() or 2)

    assert most_at_once(Dispatchers.IO, limit + 20, limit) == limit


def test_default_and_io_have_daemon_threads_of_one_pool() -> None:
    """D1, D2: each takes the thread that the other left."""

    async def body() -> tuple[threading.Thread, threading.Thread]:
        one = await with_context(Dispatchers.Default, threading.current_thread)
        return one, await with_context(Dispatchers.IO, threading.current_thread)

    one, other = run_blocking(body)

    assert one.daemon
    assert other.daemon
    assert one.name.startswith("vmscope-worker-")
    assert other.name.startswith("vmscope-worker-")


def test_a_view_of_io_has_a_limit_of_its_own_beyond_that_of_io() -> None:
    """D3"""
    view = Dispatchers.IO.limited_parallelism(100, "docs")

    assert most_at_once(view, 120, 100) == 100
    assert repr(view) == "docs"


# ---- D4, D5, D6, D7: Main


def test_main_posts_every_time(main: VMain, scope: CoroutineScope) -> None:
    """D4: also from its own thread."""
    log: list[str] = []

    scope.launch(log.append, "body")
    assert log == []
    main.run_current()

    assert log == ["body"]
    assert Dispatchers.Main.is_dispatch_needed(EmptyCoroutineContext) is True


def test_a_barrier_does_not_hold_coroutines_back(main: VMain, scope: CoroutineScope) -> None:
    """D4: they are asynchronous messages."""
    log: list[str] = []
    token = main.looper.queue.post_sync_barrier()
    Handler(main.looper).post(lambda: log.append("plain message"))

    scope.launch(log.append, "coroutine")
    main.looper.pump()
    assert log == ["coroutine"]

    main.looper.queue.remove_sync_barrier(token)
    main.run_current()
    assert log == ["coroutine", "plain message"]


def test_the_first_use_without_a_main_looper_raises_with_a_hint() -> None:
    """D4"""
    with pytest.raises(IllegalStateError, match="prepare_main"):
        CoroutineScope(Dispatchers.Main).launch(delay, 1)


def test_a_yield_without_a_main_looper_fails_the_coroutine_with_a_hint(uncaught: list[BaseException]) -> None:
    """D4, D15, D16: as with each dispatcher that cannot take a later step, it cleans up elsewhere."""
    cleaned = threading.Event()

    def body() -> Generator[Any, Any, None]:
        try:
            yield from yield_()
        finally:
            cleaned.set()

    job = CoroutineScope(Dispatchers.Main).launch(body, start=CoroutineStart.UNDISPATCHED)
    run_blocking(job.join)

    assert cleaned.is_set()
    assert "prepare_main" in str(uncaught.pop())


def test_a_delay_without_a_main_looper_raises_with_a_hint() -> None:
    """D4, D14"""
    caught: list[str] = []

    def body() -> Generator[Any, Any, None]:
        try:
            yield from delay(1)
        except IllegalStateError as error:
            caught.append(str(error))

    CoroutineScope(Dispatchers.Main).launch(body, start=CoroutineStart.UNDISPATCHED)

    assert len(caught) == 1
    assert "prepare_main" in caught[0]


@pytest.fixture
def own_factories(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone after it."""
    monkeypatch.setattr(_main, "_main", _main._Main())
    return None


@pytest.mark.usefixtures("own_factories")
def test_the_factory_of_the_highest_priority_makes_main_on_first_use() -> None:
    """D4"""
    made: list[str] = []
    queue = QueueDispatcher()

    def factory(name: str) -> QueueDispatcher:
        made.append(name)
        return queue

    register_main_factory(lambda: factory("low"), priority=1)
    register_main_factory(lambda: factory("high"), priority=5)
    register_main_factory(lambda: factory("late"), priority=5)
    assert made == []
    ran: list[int] = []

    CoroutineScope(Dispatchers.Main).launch(ran.append, 1)
    CoroutineScope(Dispatchers.Main).launch(ran.append, 2)
    queue.run_all()

    assert made == ["high"]
    assert ran == [1, 2]


@pytest.mark.usefixtures("own_factories")
def test_a_factory_has_to_make_a_dispatcher(uncaught: list[BaseException]) -> None:
    """D4: the launch raises it, and the coroutine fails with it."""
    register_main_factory(lambda: "no dispatcher")  # type: ignore[arg-type, return-value]

    with pytest.raises(TypeError, match="made 'no dispatcher', which is no CoroutineDispatcher"):
        CoroutineScope(Dispatchers.Main).launch(print)

    assert isinstance(uncaught.pop(), TypeError)


@pytest.mark.usefixtures("own_factories")
def test_of_two_threads_that_use_main_first_one_makes_it() -> None:
    """D4: the second factory's dispatcher is let go of; all go to the first."""
    made: list[QueueDispatcher] = []

    def factory() -> QueueDispatcher:
        if not made:
            made.append(QueueDispatcher())
            other = threading.Thread(target=CoroutineScope(Dispatchers.Main).launch, args=(int,))
            other.start()
            other.join(10)
            return made[0]
        made.append(QueueDispatcher())
        return made[1]

    register_main_factory(factory)
    CoroutineScope(Dispatchers.Main).launch(int)

    assert [len(each.queue) for each in made] == [0, 2]


@pytest.mark.parametrize("asks", ["_needs_dispatch", "_dispatch", "_dispatch_yield", "_timers"])
def test_main_is_the_looper_again_for_who_asks_as_a_test_puts_it_back(main: VMain, asks: str) -> None:
    """D4: `reset_main` on another thread, between the look at what is set and its use."""
    ui = Dispatchers.Main.limited_parallelism(1, "ui")
    ran: list[int] = []
    scope = CoroutineScope(ui + SupervisorJob())
    stands_in = QueueDispatcher()
    _main._main.delegate = stands_in
    calls = {"_needs_dispatch": 1, "_dispatch": 2}
    waits = {"_dispatch_yield": yield_, "_timers": partial(delay, 1)}

    def body() -> Generator[Any, Any, None]:
        with struck(type(Dispatchers.Main)._delegate, put_back) as met:
            yield from waits[asks]()
        assert met
        ran.append(1)

    def put_back() -> None:
        _main._main.delegate = None

    delegate = Dispatchers.Main._delegate
    try:
        if asks in waits:
            CoroutineScope(Dispatchers.Main + SupervisorJob()).launch(body, start=CoroutineStart.UNDISPATCHED)
        else:
            with struck(type(Dispatchers.Main)._delegate, put_back, count=calls[asks]) as met:
                scope.launch(ran.append, 1)
            assert met
    finally:
        put_back()
    main.drain()

    assert delegate() is None
    assert (ran, stands_in.queue) == ([1], [])


def test_yield_on_main_goes_by_what_stands_behind_it(main: VMain, seen: list[BaseException]) -> None:
    """D4, D16: a dispatcher that a test has set; none at all, which fails it; a looper that has quit."""
    log: list[str] = []
    stands_in = QueueDispatcher()
    handler = CoroutineExceptionHandler(lambda _context, failure: seen.append(failure))
    scope = CoroutineScope(Dispatchers.Main.immediate + SupervisorJob() + handler)

    def body(name: str, before: Callable[[], object] = lambda: None) -> Generator[Any, Any, None]:
        before()
        try:
            yield from yield_()
            log.append(name)
        except CancellationException:
            log.append(f"{name}: cancelled")
            raise

    _main._main.delegate = stands_in
    try:
        scope.launch(body, "set")
        stands_in.queue.pop().run()
        assert log == []
        stands_in.queue.pop().run()
    finally:
        _main._main.delegate = None
    assert log == ["set"]

    # One after the other: each cleans up on a thread of IO.
    job = scope.launch(body, "no main", lambda: Looper.set_main_for_test(None))
    Looper.set_main_for_test(main.looper)
    run_blocking(job.join)
    run_blocking(scope.launch(body, "quit", main.looper.quit).join)

    assert log == ["set", "no main: cancelled", "quit: cancelled"]
    assert [type(failure).__name__ for failure in seen] == ["MissingMainError"]


def test_a_view_of_main_with_a_name_is_main(main: VMain) -> None:
    """D11, D13, D17: its posts, its timers, its tasks, and the thread that must not block on it."""
    ui = Dispatchers.Main.limited_parallelism(1, "ui")
    log: list[float] = []

    def body() -> Generator[Any, Any, None]:
        yield from delay(2)
        log.append(main.now)

    CoroutineScope(ui).launch(body)
    future: Future[int] = ui.as_executor().submit(divmod, 7, 2)
    blocked = CoroutineScope(ui).future(lambda: 7)
    with pytest.raises(IllegalStateError):
        blocked.result()
    main.drain()

    assert log == [2]
    assert future.result(0) == (3, 1)
    assert blocked.result(0) == 7
    main.looper.quit()
    late = CoroutineScope(ui).launch(print)
    run_blocking(late.join)
    assert late.is_cancelled
    Looper.set_main_for_test(None)
    with pytest.raises(IllegalStateError, match="prepare_main"):
        ui._dispatch(None)


def test_on_the_only_thread_of_a_view_nobody_waits_for_the_view() -> None:
    """D11: it could never come to it. On a dispatcher of a user's own nobody can know."""
    seen: list[object] = []
    with new_single_thread_context("solo") as solo:
        view = solo.limited_parallelism(1, "view")
        own = QueueDispatcher()

        def body() -> None:
            with pytest.raises(IllegalStateError):
                CoroutineScope(view).future(lambda: 7).result()
            with pytest.raises(TimeoutError):
                CoroutineScope(own).future(lambda: 7).result(0.001)
            seen.append("asked")

        run_blocking(body, context=solo)

    assert seen == ["asked"]


def test_what_a_strangers_task_is_not_told_when_its_looper_dies(main: VMain) -> None:
    """D13: one that has no `rejected` is dropped without a word."""
    ran: list[int] = []

    class Task:
        def run(self) -> None:
            ran.append(1)

    Dispatchers.Main.dispatch(EmptyCoroutineContext, Task())
    main.looper.quit()
    main.run_current()

    assert ran == []


def test_immediate_starts_in_place_exactly_on_the_main_loopers_thread(main: VMain, scope: CoroutineScope) -> None:
    """D5"""
    immediate = Dispatchers.Main.immediate
    log: list[tuple[str, str]] = []

    scope.launch(lambda: log.append(("on main", here())), context=immediate)
    assert log == [("on main", here())]

    thread = threading.Thread(
        target=lambda: scope.launch(lambda: log.append(("from elsewhere", here())), context=immediate)
    )
    thread.start()
    thread.join()
    assert len(log) == 1

    main.run_current()
    assert log[1] == ("from elsewhere", here())
    assert immediate.is_dispatch_needed(EmptyCoroutineContext) is False


def test_yield_and_a_direct_dispatch_post_on_immediate_too(main: VMain, scope: CoroutineScope) -> None:
    """D5"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        log.append("begun")
        yield from yield_()
        log.append("after yield")

    class Block:
        def run(self) -> None:
            log.append("dispatched")

    scope.launch(body, context=Dispatchers.Main.immediate)
    Dispatchers.Main.immediate.dispatch(EmptyCoroutineContext, Block())
    assert log == ["begun"]

    main.run_current()
    assert log == ["begun", "after yield", "dispatched"]


def test_what_is_started_in_place_while_another_runs_waits_for_it(main: VMain, scope: CoroutineScope) -> None:
    """D6: 1 3 2, and by the same FIFO for Unconfined and every immediate dispatcher."""
    log: list[str] = []

    def outer() -> None:
        log.append("1")
        launch(log.append, "2", context=Dispatchers.Unconfined)
        launch(log.append, "2b", context=as_dispatcher(Handler(main.looper)).immediate)
        log.append("3")

    scope.launch(outer, context=Dispatchers.Main.immediate)

    assert log == ["1", "3", "2", "2b"]


def test_under_plain_main_an_inner_immediate_start_is_in_place(main: VMain, scope: CoroutineScope) -> None:
    """D6: 1 2 3, for no in-place loop is going on."""
    log: list[str] = []

    def outer() -> None:
        log.append("1")
        launch(log.append, "2", context=Dispatchers.Main.immediate)
        log.append("3")

    scope.launch(outer)
    main.run_current()

    assert log == ["1", "2", "3"]


@pytest.mark.parametrize("dispatcher", [Dispatchers.Main.immediate, Dispatchers.Unconfined], ids=repr)
def test_100000_nested_starts_in_place_do_not_grow_the_stack(main: VMain, dispatcher: CoroutineDispatcher) -> None:
    """D7, F39"""
    scope = CoroutineScope(SupervisorJob() + dispatcher)
    reached: list[int] = []

    def body(level: int) -> None:
        if level:
            scope.launch(body, level - 1)
        else:
            reached.append(level)

    scope.launch(body, 100_000)

    assert reached == [0]


# ---- D8: delay on Main


def test_a_delay_on_main_is_one_message_that_cancelling_takes_back(main: VMain, scope: CoroutineScope) -> None:
    """D8"""
    resumed: list[str] = []

    def body() -> Generator[Any, Any, None]:
        yield from delay(5)
        resumed.append(here())

    first, second = scope.launch(body), scope.launch(body)
    main.run_current()
    assert main.looper.queue.peek_when() == 5

    first.cancel()
    before = main.dispatches
    main.drain()

    assert resumed == [here()]
    assert main.now == 5
    assert main.dispatches - before == 2, "the cancelled one's clean-up, and one message for the delay"

    third = scope.launch(body)
    main.run_current()
    third.cancel()
    main.run_current()
    assert main.looper.queue.peek_when() is None
    assert second.is_completed


# ---- D9: a queue that is closed


def test_a_coroutine_whose_looper_has_quit_is_cancelled_and_cleans_up_on_io(seen: list[BaseException]) -> None:
    """D9, F49, appendix B 24"""
    log: list[Any] = []
    reached = threading.Event()
    ended = threading.Event()

    def body() -> Generator[Any, Any, None]:
        reached.set()
        try:
            yield from await_cancellation()
        except CancellationException as cancelled:
            log.append(str(cancelled))
            raise
        finally:
            log.append(here().startswith("vmscope-worker-"))

    with HandlerThread("ui") as thread:
        scope = CoroutineScope(SupervisorJob() + as_dispatcher(thread.handler))
        job = scope.launch(body)
        assert reached.wait(10)
        job.invoke_on_completion(lambda _: ended.set())
    job.cancel("the end")  # its resumption is refused by the queue
    assert ended.wait(10)

    assert log == ["the end", True]


def test_a_launch_on_a_looper_that_has_quit_is_cancelled_with_a_message_that_says_so(main: VMain) -> None:
    """D9"""
    main.looper.quit()
    ran: list[int] = []
    ended = threading.Event()

    job = CoroutineScope(Dispatchers.Main).launch(ran.append, 1)
    job.invoke_on_completion(lambda _: ended.set())
    assert ended.wait(10)

    assert job.is_cancelled
    assert "rejected" in str(job.get_cancellation_exception())
    assert ran == []


def test_what_is_queued_when_the_looper_quits_is_cancelled(main: VMain, scope: CoroutineScope) -> None:
    """D9, F3, F49"""
    ran: list[int] = []
    ended = threading.Event()
    job = scope.launch(ran.append, 1)
    job.invoke_on_completion(lambda _: ended.set())

    main.looper.quit()
    assert ended.wait(10)

    assert job.is_cancelled
    assert ran == []


def test_a_resumption_that_the_looper_drops_as_it_quits_cleans_up_on_io_and_wakes_who_waits(
    main: VMain, scope: CoroutineScope
) -> None:
    """D9, F3: it had begun, and what it was resumed with stood in the queue."""
    log: list[Any] = []
    gate = Job()

    def body() -> Generator[Any, Any, None]:
        try:
            yield from gate.join()
            log.append("went on")
        finally:
            log.append(here().startswith("vmscope-worker-"))

    job = scope.launch(body)
    main.run_current()
    gate.complete()
    main.looper.quit()
    run_blocking(job.join)

    assert log == [True]
    assert job.is_cancelled


def test_a_closed_executor_cancels_the_coroutine_and_lets_it_clean_up() -> None:
    """D9, D13, F49: also where shutdown(cancel_futures=True) dropped what was queued."""
    log: list[str] = []
    busy, blocked, ended = threading.Event(), threading.Event(), threading.Event()

    def waits() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            log.append("cleaned up")

    def blocks() -> None:
        busy.set()
        blocked.wait(10)

    executor = ThreadPoolExecutor(1)
    scope = CoroutineScope(SupervisorJob() + as_dispatcher(executor))
    waiting = scope.launch(waits)
    scope.launch(blocks)
    assert busy.wait(10)  # else the thread comes to what is queued before that is dropped
    queued = scope.launch(log.append, "never")
    executor.shutdown(wait=False, cancel_futures=True)
    waiting.cancel()
    waiting.invoke_on_completion(lambda _: ended.set())
    blocked.set()
    assert ended.wait(10)
    late = scope.launch(log.append, "never")

    async def joins() -> None:
        await join_all(queued, late)

    run_blocking(joins)
    assert log == ["cleaned up"]
    assert queued.is_cancelled
    assert late.is_cancelled


# ---- D10: Unconfined


def test_unconfined_runs_in_the_caller_then_where_it_is_resumed(main: VMain) -> None:
    """D10"""
    gate = Job()
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        log.append(here())
        yield from gate.join()
        log.append(here())

    CoroutineScope(Dispatchers.Unconfined).launch(body)
    thread = threading.Thread(target=gate.cancel, name="resumer")
    thread.start()
    thread.join()

    assert log == [threading.current_thread().name, "resumer"]


def test_unconfined_has_no_threads_to_limit_and_nowhere_to_dispatch() -> None:
    """D10"""
    with pytest.raises(NotImplementedError, match="Unconfined"):
        Dispatchers.Unconfined.limited_parallelism(1)
    with pytest.raises(NotImplementedError, match="yield_"):
        Dispatchers.Unconfined.dispatch(EmptyCoroutineContext, None)  # type: ignore[arg-type]


# ---- D11: views


def test_a_view_runs_at_most_its_limit_at_once() -> None:
    """D11"""
    assert most_at_once(Dispatchers.IO.limited_parallelism(3), 30, 3) == 3


def test_a_view_of_one_runs_its_tasks_one_after_the_other_in_order() -> None:
    """D11"""
    view = Dispatchers.IO.limited_parallelism(1)
    log: list[int] = []

    async def body() -> None:
        await join_all(*(launch(log.append, number, context=view) for number in range(200)))

    run_blocking(body)

    assert log == list(range(200))


def test_a_view_of_one_is_no_mutex_across_a_suspension() -> None:
    """D11, appendix B 20"""
    queue = QueueDispatcher()
    view = queue.limited_parallelism(1)
    log: list[str] = []

    def body(name: str) -> Generator[Any, Any, None]:
        log.append(f"{name} begins")
        yield from yield_()
        log.append(f"{name} ends")

    scope = CoroutineScope(view)
    scope.launch(body, "a")
    scope.launch(body, "b")
    queue.run_all()

    assert log == ["a begins", "b begins", "a ends", "b ends"]


def test_a_view_gives_its_worker_back_every_16_tasks() -> None:
    """D11: others of the parent come in between."""
    queue = QueueDispatcher()
    view = queue.limited_parallelism(1)
    log: list[str] = []
    for number in range(40):
        CoroutineScope(view).launch(log.append, f"view {number}")
    CoroutineScope(queue).launch(log.append, "other")

    queue.run_all()

    assert log.index("other") == 16
    assert len(log) == 41


class Task:
    """A task of a stranger's: runs once, or is told that it does not."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    def run(self) -> None:
        self.log.append(f"{self.name} runs")

    def rejected(self) -> None:
        self.log.append(f"{self.name} is refused")


def test_what_a_view_has_refused_does_not_stay_in_its_queue(log: list[str]) -> None:
    """The putter was told, by an error; so nobody runs it later."""
    queue = QueueDispatcher()
    view = queue.limited_parallelism(1)
    queue.closed = True
    with pytest.raises(RejectedExecutionError):
        view.dispatch(EmptyCoroutineContext, Task("a", log))
    job = CoroutineScope(view).launch(log.append, "launched")
    assert job.is_cancelled

    queue.closed = False
    view.dispatch(EmptyCoroutineContext, Task("b", log))
    queue.run_all()

    assert log == ["b runs"]


def test_who_counted_on_the_worker_of_another_is_refused_with_it(log: list[str]) -> None:
    """A view is full as soon as a worker is asked for: what was put meanwhile has none of its own."""

    class Late(QueueDispatcher):
        def dispatch(self, context: Any, block: Any) -> None:
            view.dispatch(context, Task("b", log))
            view.dispatch(context, plain)
            raise RejectedExecutionError("closed")

    class Plain:
        """Cannot be told: runs on the thread that learns it."""

        def run(self) -> None:
            log.append("plain runs")

    plain = Plain()
    view = Late().limited_parallelism(1)
    with pytest.raises(RejectedExecutionError):
        view.dispatch(EmptyCoroutineContext, Task("a", log))

    assert log == ["b is refused", "plain runs"]


def test_what_a_worker_has_taken_is_not_refused_as_well(log: list[str]) -> None:
    """Another worker has it by the time that the parent refuses a second one."""
    queue = QueueDispatcher()

    class Late(QueueDispatcher):
        def dispatch(self, context: Any, block: Any) -> None:
            if not queue.queue:
                queue.dispatch(context, block)
                return
            queue.run_all()
            raise RejectedExecutionError("closed")

    view = Late().limited_parallelism(2)
    view.dispatch(EmptyCoroutineContext, Task("a", log))
    view.dispatch(EmptyCoroutineContext, Task("b", log))

    assert log == ["a runs", "b runs"]


def test_what_waits_behind_a_worker_that_runs_is_taken_back_alone(log: list[str]) -> None:
    queue = QueueDispatcher()
    view = queue.limited_parallelism(2)
    view.dispatch(EmptyCoroutineContext, Task("a", log))
    queue.broken = ValueError("not now")
    with pytest.raises(ValueError, match="not now"):
        view.dispatch(EmptyCoroutineContext, Task("b", log))
    queue.run_all()

    assert log == ["a runs"]


def test_a_worker_that_cannot_hand_over_works_on_and_the_view_is_closed_until_its_queue_is_empty(
    log: list[str],
) -> None:
    """D11, D18"""
    queue = QueueDispatcher()
    view = queue.limited_parallelism(1)

    class Last(Task):
        def run(self) -> None:
            with pytest.raises(RejectedExecutionError, match="closed"):
                view.dispatch(EmptyCoroutineContext, Task("late", log))
            super().run()

    for number in range(39):
        view.dispatch(EmptyCoroutineContext, Task(f"{number}", log))
    view.dispatch(EmptyCoroutineContext, Last("last", log))
    queue.closed = True
    queue.run_all()
    assert log == [*(f"{number} runs" for number in range(39)), "last runs"]

    queue.closed = False
    for name in ("again", "once more"):
        view.dispatch(EmptyCoroutineContext, Task(name, log))
    queue.run_all()
    assert log[40:] == ["again runs", "once more runs"]


def test_a_worker_that_the_executor_drops_takes_what_waits_for_it_along() -> None:
    """D14: shutdown(cancel_futures=True) with a view in between."""
    executor = ThreadPoolExecutor(1)
    gate = threading.Event()
    executor.submit(gate.wait)
    view = as_dispatcher(executor).limited_parallelism(1).limited_parallelism(1, "inner")
    jobs = [CoroutineScope(view).launch(int) for _ in range(3)]
    executor.shutdown(wait=False, cancel_futures=True)
    gate.set()

    for job in jobs:
        run_blocking(job.join)
    assert all(job.is_cancelled for job in jobs)


def test_who_yields_on_a_dispatcher_that_was_closed_is_cancelled_and_cleans_up(
    uncaught: list[BaseException], log: list[str]
) -> None:
    """D18: as with every other suspension, and no failure that somebody would have to handle."""
    queue = QueueDispatcher()

    def body() -> Generator[Any, Any, None]:
        queue.closed = True
        try:
            yield from yield_()
        finally:
            log.append(here())

    job = CoroutineScope(Job() + queue).launch(body)
    queue.run_all()
    run_blocking(job.join)

    assert job.is_cancelled
    assert "rejected" in str(job.get_cancellation_exception())
    assert log[0].startswith("vmscope-worker")


def test_those_who_yield_for_ever_end_with_their_pool() -> None:
    """D18: more of them than the view lets run at once, so that they keep each other's worker busy."""
    pool = new_fixed_thread_pool_context(2, "crew")
    ended: list[int] = []

    def body(number: int) -> Generator[Any, Any, None]:
        try:
            while True:
                yield from yield_()
        finally:
            ended.append(number)

    scope = CoroutineScope(SupervisorJob() + pool.limited_parallelism(1))
    jobs = [scope.launch(body, number) for number in range(5)]
    pool.close()
    for job in jobs:
        run_blocking(job.join)
    assert pool.join(10)

    assert all(job.is_cancelled for job in jobs)


def test_a_view_as_wide_as_its_parent_may_be_the_parent() -> None:
    """D11"""
    view = Dispatchers.Default.limited_parallelism(2)

    assert view.limited_parallelism(2) is view
    assert view.limited_parallelism(99) is view
    assert view.limited_parallelism(1) is not view
    assert repr(view.limited_parallelism(99, "database")) == "database"


@pytest.mark.parametrize("meanwhile", ["a worker takes it", "another thread changes the queue"])
def test_a_task_for_a_closed_view_is_its_workers_or_refused_and_never_both(meanwhile: str) -> None:
    """D9, D11: the view's parent was closed, and a worker is still at it."""
    view = QueueDispatcher().limited_parallelism(1)
    assert isinstance(view, LimitedDispatcher)
    task, taken = Named([]), list[Any]()

    class Shared(deque[Any]):
        disturbed = False

        def remove(self, wanted: Any) -> None:
            if meanwhile == "a worker takes it":
                taken.append(self.popleft())
            elif not self.disturbed:
                self.disturbed = True
                raise IndexError("deque mutated during remove()")
            super().remove(wanted)

    view._queue = Shared()
    view._running, view._closed = 1, True
    if meanwhile == "a worker takes it":
        view.dispatch(EmptyCoroutineContext, task)
        assert taken == [task]
    else:
        with pytest.raises(RejectedExecutionError, match="was closed"):
            view.dispatch(EmptyCoroutineContext, task)
    assert not view._queue


def test_a_task_that_fails_as_it_is_refused_does_not_keep_it_from_the_next(uncaught: list[BaseException]) -> None:
    """D9, D11: the parent drops the worker, and with it all that waited for it."""
    own = QueueDispatcher()
    view = own.limited_parallelism(1)
    told: list[str] = []

    class Refused(Named):
        def rejected(self) -> None:
            told.append("refused")
            raise LookupError("slip")

    for _ in range(2):
        view.dispatch(EmptyCoroutineContext, Refused([]))
    own.queue[0].rejected()

    assert told == ["refused"] * 2
    assert [str(uncaught.pop()) for _ in range(2)] == ["slip"] * 2


def test_a_task_that_comes_as_the_worker_of_a_view_leaves_is_run() -> None:
    """D11: it was queued after the worker's last look, and its putter saw the place taken."""
    own = QueueDispatcher()
    view = own.limited_parallelism(1)
    log: list[str] = []

    class Window:
        """The view's lock; as the worker asks for it to leave, another task is queued."""

        def __enter__(self) -> None:
            if log == ["first runs"]:
                log.append("put")
                view.dispatch(EmptyCoroutineContext, Task("second", log))

        def __exit__(self, *_: object) -> None:
            """Nobody else is here."""

    assert isinstance(view, LimitedDispatcher)
    view.dispatch(EmptyCoroutineContext, Task("first", log))
    view._lock = Window()  # type: ignore[assignment]
    own.run_all()

    assert log == ["first runs", "put", "second runs"]


def test_a_worker_that_gave_its_place_to_another_runs_no_more() -> None:
    """D11: a signal handler dispatches as the worker leaves; the place is that of the worker it asked for."""
    own = QueueDispatcher()
    view = own.limited_parallelism(1)
    log: list[str] = []

    class Struck(deque[Any]):
        def __len__(self) -> int:
            if log == ["first runs"]:
                log.append("struck")
                view.dispatch(EmptyCoroutineContext, Task("second", log))
            return super().__len__()

    assert isinstance(view, LimitedDispatcher)
    view._queue = Struck()
    view.dispatch(EmptyCoroutineContext, Task("first", log))
    own.queue.pop(0).run()

    assert log == ["first runs", "struck"]
    own.run_all()
    assert log == ["first runs", "struck", "second runs"]


def test_a_task_that_has_run_is_not_kept_by_its_thread(log: list[str]) -> None:
    """F42, D11"""
    own = QueueDispatcher()
    task = Task("task", log)
    gone = weakref.ref(task)
    own.limited_parallelism(1).dispatch(EmptyCoroutineContext, task)
    own.run_all()

    del task
    gc.collect()

    assert log == ["task runs"]
    assert gone() is None


def test_a_view_of_main_is_main(main: VMain) -> None:
    """D11"""
    assert Dispatchers.Main.limited_parallelism(1) is Dispatchers.Main
    assert Dispatchers.Main.immediate.limited_parallelism(3) is Dispatchers.Main.immediate
    assert repr(Dispatchers.Main.limited_parallelism(1, "ui")) == "ui"


def test_a_named_view_of_main_does_all_that_main_does(main: VMain) -> None:
    """D11, D4, D5"""
    ui = Dispatchers.Main.limited_parallelism(1, "ui")
    at_once = Dispatchers.Main.immediate.limited_parallelism(1, "at once")
    log: list[Any] = []
    scope = CoroutineScope(Job())

    def body(name: str) -> Generator[Any, Any, None]:
        log.append(name)
        yield from delay(2)
        log.append((name, main.now))

    def start() -> None:
        for view in (ui, at_once):
            scope.launch(body, repr(view), context=view)
        log.append("launched")
        view.dispatch(EmptyCoroutineContext, Posted())

    class Posted:
        def run(self) -> None:
            log.append("posted")

    main.post(start)
    main.drain()
    main.advance(2)

    assert log == ["at once", "launched", "ui", "posted", ("at once", 2), ("ui", 2)]
    assert ui.is_dispatch_needed(EmptyCoroutineContext)
    assert not at_once.is_dispatch_needed(EmptyCoroutineContext)
    with pytest.raises(IllegalStateError, match="which is the one that runs ui: it would wait for itself"):
        scope.async_(delay, 1, context=ui).as_future().result()


def test_a_worker_that_its_parent_does_not_take_costs_its_view_no_place() -> None:
    """D11, F50"""
    parent = QueueDispatcher()
    view = parent.limited_parallelism(1)
    log: list[str] = []

    parent.broken = LookupError("slip")
    with pytest.raises(LookupError, match="slip"):
        view.dispatch(EmptyCoroutineContext, Task("refused", log))
    parent.broken = None
    view.dispatch(EmptyCoroutineContext, Task("taken", log))
    parent.run_all()

    assert "taken runs" in log


@pytest.mark.parametrize("parallelism", [True, 1.5, "2"], ids=repr)
@pytest.mark.parametrize("dispatcher", [Dispatchers.IO, QueueDispatcher().limited_parallelism(2)], ids=["IO", "a view"])
def test_a_parallelism_that_is_no_whole_number_is_refused(dispatcher: CoroutineDispatcher, parallelism: Any) -> None:
    """D11"""
    with pytest.raises(TypeError, match="parallelism"):
        dispatcher.limited_parallelism(parallelism)


def test_a_task_that_raises_costs_its_view_no_place(uncaught: list[BaseException]) -> None:
    """D11, F52"""
    view = Dispatchers.IO.limited_parallelism(1)
    done = threading.Event()

    class Raises:
        def run(self) -> None:
            raise LookupError

    class Sets:
        def run(self) -> None:
            done.set()

    view.dispatch(EmptyCoroutineContext, Raises())
    view.dispatch(EmptyCoroutineContext, Sets())

    assert done.wait(10)
    assert [type(error) for error in uncaught] == [LookupError]
    uncaught.clear()


# ---- D12: threads of one's own


def test_a_single_thread_context_has_one_daemon_thread_of_its_name() -> None:
    """D12"""
    with new_single_thread_context("solo") as solo:

        async def body() -> set[threading.Thread]:
            return {await with_context(solo, threading.current_thread) for _ in range(3)}

        (thread,) = run_blocking(body)

    assert thread.name == "solo"
    assert thread.daemon
    assert solo.join(10)
    assert not thread.is_alive()


def test_a_join_waits_for_a_thread_that_has_left_the_pool_but_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """D12: `join` says True when none is alive."""
    gate, left = threading.Event(), threading.Event()
    serve = _pool._Crew._serve

    def slow_to_end(crew: Any) -> None:
        serve(crew)
        left.set()
        gate.wait(10)

    monkeypatch.setattr(_pool._Crew, "_serve", slow_to_end)
    solo = new_single_thread_context("solo")
    thread = run_blocking(threading.current_thread, context=solo)
    solo.close()
    left.wait(10)

    assert not solo.join(0)
    gate.set()
    assert solo.join(10)
    assert not thread.is_alive()


def test_the_threads_of_a_fixed_pool_are_numbered() -> None:
    """D12"""
    with new_fixed_thread_pool_context(3, "crew") as crew:
        assert most_at_once(crew, 9, 3) == 3
        assert run_blocking(here, context=crew) in {"crew-1", "crew-2", "crew-3"}


def test_a_closed_pool_runs_what_is_queued_and_refuses_the_rest() -> None:
    """D12"""
    pool = new_single_thread_context("solo")
    gate = threading.Event()
    log: list[str] = []
    scope = CoroutineScope(SupervisorJob() + pool)
    scope.launch(gate.wait, 10)
    scope.launch(log.append, "queued")

    pool.close()
    pool.close()
    late = scope.launch(log.append, "late")
    gate.set()
    assert pool.join(10)
    run_blocking(late.join)

    assert log == ["queued"]
    assert late.is_cancelled
    with pytest.raises(RejectedExecutionError, match="closed"):
        pool.dispatch(EmptyCoroutineContext, None)  # type: ignore[arg-type]


# ---- D13: executors


def test_an_executor_is_a_dispatcher_and_comes_back_as_itself() -> None:
    """D13"""
    with ThreadPoolExecutor(1, thread_name_prefix="pool") as executor:
        dispatcher = as_dispatcher(executor)

        assert run_blocking(here, context=dispatcher).startswith("pool")
        assert dispatcher.as_executor() is executor

        async def body() -> str:
            await delay(0.001)  # by the shared timer thread, and back on the executor
            return here()

        assert run_blocking(body, context=dispatcher).startswith("pool")
        dispatcher.close()
        with pytest.raises(RuntimeError, match="shutdown"):
            executor.submit(print)


def test_an_executors_dispatcher_runs_any_task_and_shuts_the_executor_at_the_end_of_its_block() -> None:
    """D13"""
    ran = threading.Event()

    class Task:
        def run(self) -> None:
            ran.set()

    with as_dispatcher(ThreadPoolExecutor(1)) as dispatcher:
        dispatcher.dispatch(EmptyCoroutineContext, Task())
        assert ran.wait(10)

    with pytest.raises(RuntimeError, match="shutdown"):
        dispatcher.executor.submit(print)


def test_a_coroutine_that_an_executor_ran_and_then_cancels_has_run() -> None:
    """D13, D15: the future that says so comes too late."""

    class Late(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            fn(*args, **kwargs)
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    with Late(1) as executor:
        assert CoroutineScope(as_dispatcher(executor)).async_(lambda: 7).get_completed() == 7


def test_tasks_of_a_dispatcher_that_runs_in_place_run_in_place_and_cancelled_ones_not_at_all(main: VMain) -> None:
    """D13"""
    log: list[str] = []
    assert Dispatchers.Unconfined.as_executor().submit(log.append, "here").done()

    future = Dispatchers.Main.as_executor().submit(log.append, "cancelled")
    future.cancel()
    main.run_current()

    assert log == ["here"]


def test_a_dispatcher_is_an_executor_and_comes_back_as_itself(main: VMain) -> None:
    """D13"""
    executor = Dispatchers.Main.as_executor()

    good: Future[int] = executor.submit(divmod, 7, 2)
    bad: Future[int] = executor.submit(divmod, 7, 0)
    assert not good.done()
    main.run_current()

    assert good.result(0) == (3, 1)
    assert isinstance(bad.exception(0), ZeroDivisionError)
    assert as_dispatcher(executor) is Dispatchers.Main
    executor.shutdown()
    with pytest.raises(RejectedExecutionError):
        executor.submit(divmod, 7, 2)


# ---- D14: handlers


def test_handler_dispatchers_are_equal_by_handler_and_immediacy(main: VMain) -> None:
    """D14"""
    handler, other = Handler(main.looper), Handler(main.looper)

    assert as_dispatcher(handler) == as_dispatcher(handler, "name")
    assert hash(as_dispatcher(handler)) == hash(as_dispatcher(handler, "name"))
    assert as_dispatcher(handler) != as_dispatcher(other)
    assert as_dispatcher(handler) != as_dispatcher(handler).immediate
    assert as_dispatcher(handler).immediate == as_dispatcher(handler).immediate
    assert repr(as_dispatcher(handler, "ui").immediate) == "ui.immediate"


def test_a_handler_dispatcher_runs_on_its_loopers_thread() -> None:
    """D14"""
    with HandlerThread("ui") as thread:
        assert run_blocking(here, context=as_dispatcher(thread.handler)) == "ui"


# ---- D15: one's own


def test_a_dispatcher_of_ones_own_needs_dispatch_alone() -> None:
    """D15"""
    queue = QueueDispatcher()
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        log.append("first")
        yield from yield_()
        log.append("second")

    CoroutineScope(queue).launch(body)
    assert log == []
    queue.run_all()

    assert log == ["first", "second"]


def test_is_dispatch_needed_false_runs_in_place() -> None:
    """D15"""

    class InPlace(QueueDispatcher):
        def is_dispatch_needed(self, context: Any) -> bool:
            assert context[Job] is not None
            return False

    ran: list[int] = []
    CoroutineScope(InPlace()).launch(ran.append, 1)

    assert ran == [1]


def test_a_dispatcher_without_dispatch_says_what_to_write() -> None:
    """D15"""

    class Empty(CoroutineDispatcher):
        pass

    with pytest.raises(NotImplementedError, match=r"define dispatch\(context, block\)"):
        CoroutineScope(SupervisorJob() + Empty() + CoroutineExceptionHandler(lambda *_: None)).launch(print)


@pytest.mark.parametrize("waits_for", ["a job", "a receiver"])
def test_a_dispatch_that_raises_fails_the_coroutine_which_then_cleans_up(
    seen: list[BaseException], waits_for: str
) -> None:
    """D15, F50"""
    error = LookupError("broken")
    queue = QueueDispatcher()
    log: list[str] = []
    gate, ended = Job(), threading.Event()
    channel: Channel[int] = Channel()

    def body() -> Generator[Any, Any, None]:
        try:
            yield from gate.join() if waits_for == "a job" else channel.send(1)
        finally:
            log.append("finally")

    handler = CoroutineExceptionHandler(lambda _context, failure: seen.append(failure))
    job = CoroutineScope(SupervisorJob() + queue + handler).launch(body)
    queue.run_all()
    job.invoke_on_completion(lambda _: ended.set())
    queue.broken = error
    gate.complete()
    channel.try_receive()
    assert ended.wait(10)

    assert log == ["finally"]
    assert seen == [error]
    assert job.is_cancelled


@pytest.mark.parametrize("builder", ["launch", "async_"])
def test_a_dispatch_that_raises_at_the_launch_is_raised_there_and_fails_the_coroutine(
    seen: list[BaseException], builder: str
) -> None:
    """D15, F50: its block never runs, and the scope waits for nobody."""
    queue = QueueDispatcher()
    queue.broken = LookupError("broken")
    log: list[str] = []
    handler = CoroutineExceptionHandler(lambda _context, failure: seen.append(failure))
    parent = Job()

    with pytest.raises(LookupError, match="broken"):
        getattr(CoroutineScope(parent + queue + handler), builder)(log.append, "never")

    assert parent.is_cancelled
    assert parent.is_completed
    assert seen == ([queue.broken] if builder == "launch" else [])
    assert log == []


def test_a_ctrl_c_in_a_launch_whose_dispatcher_has_taken_the_coroutine_cancels_it() -> None:
    """F52: it runs on another thread by then, and ends there."""
    began, ended = threading.Event(), threading.Event()
    log: list[str] = []

    class Struck(CoroutineDispatcher):
        struck = False

        def dispatch(self, context: Any, block: Any) -> None:
            threading.Thread(target=block.run).start()
            if not self.struck:
                self.struck = True
                assert began.wait(10)
                raise KeyboardInterrupt

    def body() -> Generator[Any, Any, None]:
        try:
            began.set()
            yield from await_cancellation()
        except CancellationException as cancelled:
            log.append(str(cancelled))
            raise
        finally:
            ended.set()

    scope = CoroutineScope(SupervisorJob() + Struck())
    with pytest.raises(KeyboardInterrupt):
        scope.launch(body)

    assert ended.wait(10)
    assert log == ["KeyboardInterrupt in its launch"]


# ---- D16: yield_


def test_yield_goes_behind_what_is_queued(main: VMain, scope: CoroutineScope) -> None:
    """D16"""
    log: list[str] = []

    def body(name: str) -> Generator[Any, Any, None]:
        for turn in range(2):
            log.append(f"{name}{turn}")
            yield from yield_()

    scope.launch(body, "a")
    scope.launch(body, "b")
    main.run_current()

    assert log == ["a0", "b0", "a1", "b1"]


@pytest.mark.parametrize("dispatcher", [Dispatchers.Main, Dispatchers.Unconfined], ids=repr)
def test_yield_always_looks_at_the_cancellation(main: VMain, dispatcher: CoroutineDispatcher) -> None:
    """D16"""
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        current_scope().cancel("enough")
        try:
            yield from yield_()
        except CancellationException as cancelled:
            log.append(str(cancelled))

    CoroutineScope(SupervisorJob() + dispatcher).launch(body)
    main.run_current()

    assert log == ["enough"]


def test_yield_on_unconfined_does_not_suspend_where_nothing_waits(main: VMain) -> None:
    """D16: where something does, it goes first."""
    log: list[str] = []
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)

    def alone() -> Generator[Any, Any, None]:
        log.append("1")
        yield from yield_()
        log.append("2")

    def with_another() -> Generator[Any, Any, None]:
        launch(log.append, "other")
        yield from yield_()
        log.append("after other")

    scope.launch(alone)
    log.append("3")
    scope.launch(with_another)

    assert log == ["1", "2", "3", "other", "after other"]


# ---- D17: the timer thread


def test_one_timer_thread_serves_thousands_and_runs_no_users_code() -> None:
    """D17: on Unconfined, what a timer resumes goes on a worker."""
    names: set[str] = set()
    timer_threads: set[str] = set()

    def waits(number: int) -> Generator[Any, Any, None]:
        yield from delay(number % 7 / 10_000)
        names.add(here())

    async def body() -> None:
        await join_all(*(launch(waits, number, context=Dispatchers.Unconfined) for number in range(2_000)))
        timer_threads.update(
            thread.name for thread in threading.enumerate() if thread.name.startswith("vmscope-timer")
        )

    run_blocking(body, context=Dispatchers.Default)

    assert timer_threads == {"vmscope-timer"}
    assert {name.rsplit("-", 1)[0] for name in names} == {"vmscope-worker"}
    assert _timer.shared_timers() is _timer.shared_timers()


# ---- D18: shutdown


def test_shutdown_waits_and_reports_what_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """D18: tried on a pool of its own, for the process has but one."""
    pool = _pool.Pool("tried")
    monkeypatch.setattr(_pool, "pool", pool)
    started, gate = threading.Event(), threading.Event()

    class Stuck:
        def run(self) -> None:
            started.set()
            assert gate.wait(10)

    pool.dispatch(EmptyCoroutineContext, Stuck())
    assert started.wait(10)

    (report,) = Dispatchers.shutdown(timeout=0)
    assert report.startswith("tried-1 still runs:\n")
    assert "gate.wait(10)" in report
    with pytest.raises(RejectedExecutionError):
        pool.dispatch(EmptyCoroutineContext, Stuck())

    gate.set()
    assert Dispatchers.shutdown(timeout=10) == []


def test_who_waits_for_a_pool_is_asked_about_what_a_view_of_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """D18, F42: whether it is worth it depends on the task, not on the view's worker."""
    pool = _pool.Pool("tried")
    monkeypatch.setattr(_pool, "pool", pool)
    started, gate = threading.Event(), threading.Event()
    task, asked = Named([]), list[Any]()
    task.run = lambda: (started.set(), gate.wait(10))  # type: ignore[method-assign]

    pool.limited_parallelism(1).dispatch(EmptyCoroutineContext, task)
    assert started.wait(10)
    pool._crew.join(10, asked.append)
    gate.set()

    assert asked == [task]
    assert Dispatchers.shutdown(timeout=10) == []


# ---- D19: guards


def test_check_main_passes_on_the_main_thread_and_names_any_other(main: VMain) -> None:
    """D19"""
    check_main()
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            check_main("set_text()")
        except IllegalStateError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere, name="worker")
    thread.start()
    thread.join()

    assert "set_text() was called on thread 'worker'" in str(caught[0])
    assert repr(threading.current_thread().name) in str(caught[0])


def test_check_main_without_a_main_looper_says_so() -> None:
    """D19"""
    assert Looper.get_main() is None
    with pytest.raises(IllegalStateError, match="no main looper"):
        check_main()


def test_functions_are_marked_for_the_main_thread_and_for_workers(main: VMain) -> None:
    """D19"""

    @main_thread
    def view(number: int) -> int:
        """Draw it."""
        return number

    @worker_thread
    def fetch(number: int) -> int:
        return number

    assert view(1) == 1
    assert view.__doc__ == "Draw it."
    with pytest.raises(IllegalStateError, match="fetch"):
        fetch(1)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(fetch, 2).result() == 2
        with pytest.raises(IllegalStateError, match="view"):
            pool.submit(view, 2).result()


# ---- F51: no thread to be had


def refuse_threads(*_: object, **__: object) -> None:
    """What the system does that has no thread left."""
    raise RuntimeError("can't start new thread")


def test_where_the_system_gives_no_thread_and_none_is_there_the_work_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F51: it is cancelled with the reason, and cleans up here; once there are threads again, all is as before."""
    pool = _pool.Pool("tried", keep_alive=0.0)
    view = pool.limited_parallelism(1)
    scope = CoroutineScope(SupervisorJob() + view)
    log: list[str] = []

    def body() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            log.append("cleaned up")

    waits = scope.launch(body)
    while waits._waiter is None or pool._crew._count:
        pass
    with monkeypatch.context() as patched:
        patched.setattr(_pool, "start_thread", refuse_threads)
        with pytest.raises(RejectedExecutionError, match=r"Named.* gives no thread \(can't start new thread"):
            pool.dispatch(EmptyCoroutineContext, Named(log))
        never = scope.launch(log.append, "never")
        waits.cancel()
        run_blocking(waits.join)

    assert log == ["cleaned up"]
    assert never.is_cancelled
    reason = never.get_cancellation_exception().__cause__
    assert isinstance(reason, RejectedExecutionError)
    assert "gives no thread" in str(reason)

    done = threading.Event()
    scope.launch(log.append, "again").invoke_on_completion(lambda _: done.set())
    assert done.wait(10), "it has recovered, and the view has its place back"
    assert log == ["cleaned up", "again"]
    pool.shut()
    assert pool.join(10) == []


def test_as_the_interpreter_goes_down_work_that_gets_no_thread_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """F12"""
    pool = _pool.Pool("late")
    log: list[str] = []
    monkeypatch.setattr(_pool, "start_thread", refuse_threads)
    monkeypatch.setattr(_pool, "is_going_down", lambda: True)

    pool.dispatch(EmptyCoroutineContext, Named(log))

    assert log == [here()]
    assert pool.is_at_rest()


class Named:
    """A task that writes down its thread, or raises."""

    def __init__(self, log: list[str], failure: BaseException | None = None) -> None:
        self.log = log
        self.failure = failure

    def run(self) -> None:
        self.log.append(here())
        if self.failure is not None:
            raise self.failure


def test_where_there_is_no_further_thread_those_that_are_there_come_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """F51: late, and not on the caller's thread."""
    pool = _pool.Pool("busy")
    gate, log = threading.Event(), list[str]()

    class Waits(Named):
        def run(self) -> None:
            assert gate.wait(10)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    pool.dispatch(EmptyCoroutineContext, Waits(log))
    with monkeypatch.context() as patched:
        patched.setattr(_pool, "start_thread", refuse)
        pool.dispatch(EmptyCoroutineContext, Named(log))
    assert log == []
    gate.set()
    pool.shut()

    assert pool.join(10) == []
    assert log == ["busy-1"]


def test_a_pool_that_is_closed_while_it_gets_no_thread_runs_what_it_has_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """F51, D12"""
    pool = _pool.Pool("closing")
    log: list[str] = []

    def refuse(*_: object, **__: object) -> None:
        pool.shut()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_pool, "start_thread", refuse)
    pool.dispatch(EmptyCoroutineContext, Named(log))

    assert log == [here()]
    assert pool.is_at_rest()


def test_a_thread_without_work_ends_when_its_patience_does_and_another_comes() -> None:
    """D3"""
    pool = _pool.Pool("short", keep_alive=0.0)
    log: list[str] = []

    for _ in range(2):
        pool.dispatch(EmptyCoroutineContext, Named(log))
        while pool._crew._count:
            pass
    pool.shut()

    assert pool.join(10) == []
    assert log == ["short-1", "short-2"]


def test_a_thread_whose_patience_ends_as_a_task_comes_takes_it() -> None:
    """D3: the task was put after the wait had ended, and counts on this thread."""
    pool = _pool.Pool("late", keep_alive=None)
    log: list[str] = []
    began, go_on = threading.Event(), threading.Event()

    class Late(_pool.SimpleQueue):  # type: ignore[type-arg]
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            if not began.is_set():
                began.set()
                assert go_on.wait(10)
                raise _pool.Empty
            return super().get(block, timeout)

    crew = pool._crew
    pool.dispatch(EmptyCoroutineContext, Named(log))
    while not pool.is_at_rest():
        pass
    crew._tasks, waits_in = Late(), crew._tasks
    waits_in.put(Named(log))  # it goes round once more, and comes to the other queue
    with crew._lock:
        crew._queued += 1
    assert began.wait(10)
    pool.dispatch(EmptyCoroutineContext, Named(log))
    go_on.set()
    pool.shut()

    assert pool.join(10) == []
    assert log == ["late-1"] * 3


def test_a_pool_that_is_closed_as_it_is_asked_takes_nothing() -> None:
    """D12: after the look without the lock, and before the one with it."""
    pool = _pool.Pool("closing")

    class Window:
        def __enter__(self) -> None:
            pool._crew._shut = True

        def __exit__(self, *_: object) -> None:
            """Nobody else is here."""

    pool._crew._lock = Window()  # type: ignore[assignment]

    with pytest.raises(RejectedExecutionError, match="it was closed"):
        pool.dispatch(EmptyCoroutineContext, Named([]))
    assert pool.is_at_rest()


def test_a_thread_of_the_pool_does_not_wait_for_itself(uncaught: list[BaseException]) -> None:
    """D12, D18; and what a stranger's task raises costs the pool no thread."""
    pool = _pool.Pool("solo", most=1)
    left: list[object] = []

    class Joins:
        def run(self) -> None:
            pool.shut()
            left.append(pool.join(10))

    pool.dispatch(EmptyCoroutineContext, Named([], LookupError("slip")))
    assert repr(pool) == "<Pool 'solo', 1 threads>"
    pool.dispatch(EmptyCoroutineContext, Joins())
    while not left:
        pass

    assert left == [[]]
    assert pool.join(10) == []
    assert str(uncaught.pop()) == "slip"


class Arrivals(Bell):
    """What `join` waits on for a worker that was started: opens `gate` once `most` are waiting, and hides no wait."""

    def __init__(self, gate: threading.Event, most: int = 1) -> None:
        super().__init__()
        self.gate = gate
        self.waiting = threading.Barrier(most, action=gate.set)
        self.rang: list[bool] = []

    def wait(self, seconds: float | None = None) -> bool:
        if not self.gate.is_set():
            self.waiting.wait(10)
        self.rang.append(super().wait(10))
        return self.rang[-1]


@pytest.mark.parametrize("joiners", [1, 2])
def test_a_join_waits_for_a_worker_that_was_started_just_now(monkeypatch: pytest.MonkeyPatch, joiners: int) -> None:
    """D12, D18: it has its task, and has not said yet that it is there."""
    gate, log = threading.Event(), list[str]()
    serve = _pool._Crew._serve

    def slow_to_come(crew: Any) -> None:
        assert gate.wait(10)
        serve(crew)

    monkeypatch.setattr(_pool._Crew, "_serve", slow_to_come)
    pool = _pool.Pool("fresh")
    pool._crew._arrived = bell = Arrivals(gate, joiners)
    pool.dispatch(EmptyCoroutineContext, Named(log))
    pool.shut()
    with ThreadPoolExecutor(joiners) as threads:
        left = list(threads.map(lambda _: (pool.join(10), list(log)), range(joiners)))

    assert left == [([], ["fresh-1"])] * joiners
    assert bell.rang == [True] * joiners


def test_a_join_waits_for_each_worker_that_was_started_just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """D12, D18: the second comes after the first one has told that it is there."""
    gates, log = [threading.Event(), threading.Event()], list[str]()
    numbers, waits = itertools.count(), itertools.count()
    serve = _pool._Crew._serve

    def slow_to_come(crew: Any) -> None:
        assert gates[next(numbers)].wait(10)
        serve(crew)

    class OneByOne(Bell):
        def wait(self, seconds: float | None = None) -> bool:
            gates[next(waits)].set()
            return super().wait(10)

    monkeypatch.setattr(_pool._Crew, "_serve", slow_to_come)
    pool = _pool.Pool("fresh")
    pool._crew._arrived = OneByOne()
    pool.dispatch(EmptyCoroutineContext, Named(log))
    pool.dispatch(EmptyCoroutineContext, Named(log))
    pool.shut()

    assert pool.join(10) == []
    assert len(log) == 2
    assert next(waits) == 2


def test_a_join_gives_up_a_worker_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """D12, D18: the system keeps the thread back."""
    gate, log = threading.Event(), list[str]()
    serve = _pool._Crew._serve

    def slow_to_come(crew: Any) -> None:
        assert gate.wait(10)
        serve(crew)

    monkeypatch.setattr(_pool._Crew, "_serve", slow_to_come)
    monkeypatch.setattr(_pool, "ARRIVAL_GRACE", 0.001)
    pool = _pool.Pool("late")
    pool.dispatch(EmptyCoroutineContext, Named(log))
    pool.shut()

    assert pool.join(10) == []
    assert log == []
    gate.set()
    monkeypatch.undo()
    assert pool.join(10) == []
    assert log == ["late-1"]


def test_a_join_does_not_wait_for_a_worker_that_could_not_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """D12, F51: it was refused as another thread had begun to wait."""
    gate, asked, log = threading.Event(), threading.Event(), list[str]()

    def refuse(*_: object, **__: object) -> None:
        asked.set()
        assert gate.wait(10)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_pool, "start_thread", refuse)
    pool = _pool.Pool("refused")
    pool._crew._arrived = bell = Arrivals(gate)
    caller = threading.Thread(target=lambda: pool.dispatch(EmptyCoroutineContext, Named(log)), name="caller")
    caller.start()
    assert asked.wait(10)
    pool.shut()

    assert pool.join(10) == []
    caller.join(10)
    assert bell.rang == [True]
    assert log == ["caller"]


def test_ensure_active_is_seen_by_a_plain_function_on_io(main: VMain, scope: CoroutineScope) -> None:
    """D2, X3"""
    gate, started = threading.Event(), threading.Event()
    log: list[str] = []

    def blocking() -> None:
        started.set()
        assert gate.wait(10)
        try:
            ensure_active()
        except CancellationException as cancelled:
            log.append(str(cancelled))
            raise

    job = scope.launch(with_context, Dispatchers.IO, blocking)
    main.run_until(started.is_set)
    job.cancel("no longer wanted")
    gate.set()
    main.run_until(lambda: job.is_completed)

    assert log == ["no longer wanted"]


# ---- D17: its first use, and what is started on its thread


def test_of_two_who_need_the_timer_thread_first_one_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """D17: the other one finds it there when it gets the lock."""
    made = MessageQueue()

    class Lock:
        def __enter__(self) -> None:
            monkeypatch.setattr(_timer, "_timers", made)

        def __exit__(self, *_: object) -> None:
            """Nobody else is here."""

    monkeypatch.setattr(_timer, "_guard", Lock())
    monkeypatch.setattr(_timer, "_timers", None)
    before = set(threading.enumerate())

    assert _timer.shared_timers() is made
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("ends", [False, True], ids=["alive", "at its end"])
def test_a_timer_thread_that_cannot_be_had_is_a_failure_unless_the_process_ends(
    monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """D17, F51: then who waits for a time is cancelled."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    def gone() -> threading.Thread:
        return threading.Thread()  # never alive

    for name in ("_timers", "_thread"):
        monkeypatch.setattr(_timer, name, None)
    monkeypatch.setattr(_timer, "start_thread", refuse)
    if not ends:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            _timer.shared_timers()
        return
    monkeypatch.setattr(_timer, "main_thread", gone)

    assert _timer.shared_timers().is_quitting


def test_what_a_hook_starts_on_the_timer_thread_finds_nothing_waiting_there() -> None:
    """D16, D17: yield_ on Unconfined goes on at once, for what is started in place goes elsewhere."""
    names: list[str] = []

    def body() -> Generator[Any, Any, None]:
        names.append(here())
        yield from yield_()
        names.append(here())

    def hook(_cause: object) -> None:
        GlobalScope.launch(body, context=Dispatchers.Unconfined, start=CoroutineStart.UNDISPATCHED)

    def waits() -> Generator[Any, Any, None]:
        yield from suspend_cancellable_coroutine(lambda cont: cont.invoke_on_cancellation(hook))

    for power in range(12):  # on a busy machine the first time is up before it waits; then the hook is called by itself
        names.clear()
        run_blocking(with_timeout_or_none, 0.001 * 2**power, waits, context=Dispatchers.Default)
        if names[:1] == ["vmscope-timer"]:
            break

    assert names == ["vmscope-timer"] * 2


def test_a_report_that_fails_costs_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """F51, F52: the worker goes on, with what is queued behind the task that failed."""
    reports: list[BaseException] = []
    done = threading.Event()

    def report(_context: object, failure: BaseException) -> None:
        reports.append(failure)
        if len(reports) == 1:
            raise MemoryError("for the report")

    class Task:
        def __init__(self, function: Callable[[], object]) -> None:
            self.run = function

    def fails() -> None:
        raise LookupError("slip")

    monkeypatch.setattr(_dispatcher, "report_globally", report)
    view = Dispatchers.IO.limited_parallelism(1)
    view.dispatch(EmptyCoroutineContext, Task(fails))
    view.dispatch(EmptyCoroutineContext, Task(done.set))

    assert done.wait(10)
    assert [type(failure) for failure in reports] == [LookupError, MemoryError]
