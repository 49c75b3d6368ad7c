"""The tree of jobs as text, the dump of all coroutines, and the lines where they wait (rows G1, G2, G4)."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.virtual_main import VMain
from vmscope import (
    CompletableDeferred,
    CoroutineExceptionHandler,
    CoroutineName,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    GlobalScope,
    Job,
    SupervisorJob,
    await_all,
    await_cancellation,
    coroutine_scope,
    delay,
    launch,
    non_cancellable,
    suspend_cancellable_coroutine,
    with_context,
)
from vmscope.debug import (
    CoroutineInfo,
    coroutine_info,
    dump_coroutines,
    dump_scope,
    job_tree,
    live_coroutines,
    record_creation_stacks,
    suspension_stack,
)
from vmscope.debug._tree import _MOST_LINKS
from vmscope.flow import EventFlow, MutableSharedFlow, MutableStateFlow
from vmscope.sync import (
    Barrier,
    CapacityLimiter,
    Channel,
    Condition,
    Event,
    Mutex,
    ReadWriteMutex,
    Semaphore,
    select,
    with_held,
)


@pytest.fixture
def scope(main: VMain) -> CoroutineScope:
    return CoroutineScope(SupervisorJob() + Dispatchers.Main)


def waits() -> Generator[Any, Any, None]:
    yield from await_cancellation()


async def outer() -> None:
    await middle()


async def middle() -> None:
    await coroutine_scope(waits)


def line(function: Any, offset: int) -> str:
    """How a place in `function` is shown."""
    return f"test_tree.py:{function.__code__.co_firstlineno + offset} in {function.__qualname__}"


# ---- G1


def test_the_tree_shows_name_state_dispatcher_and_the_line_of_the_suspension(
    main: VMain, scope: CoroutineScope
) -> None:
    """G1: children in the order they came."""

    def parent() -> Generator[Any, Any, None]:
        launch(waits, name="first")
        launch(waits, name="second", start=CoroutineStart.LAZY)
        yield from delay(5)

    job = scope.launch(parent, name="load")
    main.run_current()

    inner = line(waits, 1)
    assert job_tree(scope).splitlines() == [
        "SupervisorJob active",
        f"└─ StandaloneCoroutine 'load' active, Dispatchers.Main, suspended in delay at {line(parent, 3)}",
        f"   ├─ StandaloneCoroutine 'first' active, Dispatchers.Main, suspended in await_cancellation at {inner}",
        "   └─ StandaloneCoroutine 'second' new, Dispatchers.Main, created",
    ]
    job.cancel()
    main.drain()


def test_a_tree_that_is_2000_deep_is_printed_without_recursion(main: VMain) -> None:
    """G1, F38"""
    jobs = [Job()]
    for _ in range(2_000):
        jobs.append(Job(jobs[-1]))

    assert len(job_tree(jobs[0]).splitlines()) == 2_001
    jobs[0].cancel()


def test_the_tree_of_a_scope_without_a_job_says_so() -> None:
    """G1"""
    assert "no job" in job_tree(GlobalScope)


@pytest.mark.parametrize("thing", [None, 42, CoroutineName("a")], ids=repr)
def test_the_tree_of_what_is_neither_job_nor_scope_is_refused(thing: Any) -> None:
    """G1"""
    with pytest.raises(TypeError, match="Job or a CoroutineScope"):
        job_tree(thing)


def test_dump_scope_prints_the_tree(main: VMain, scope: CoroutineScope, capsys: pytest.CaptureFixture[str]) -> None:
    """G1: to a file, or to standard error."""
    out = io.StringIO()

    dump_scope(scope, out)
    dump_scope(scope)

    assert out.getvalue() == capsys.readouterr().err == job_tree(scope) + "\n"


def test_the_tree_is_printed_from_any_thread_while_the_coroutines_run(main: VMain, scope: CoroutineScope) -> None:
    """G1"""
    stop = threading.Event()
    trees: list[str] = []

    def looks() -> None:
        while not stop.is_set():
            trees.append(job_tree(scope))

    def body() -> Generator[Any, Any, None]:
        for _ in range(200):
            launch(delay, 1)
            yield from delay(1)

    thread = threading.Thread(target=looks)
    thread.start()
    job = scope.launch(body)
    main.drain()
    stop.set()
    thread.join()

    assert job.is_completed
    assert not job.is_cancelled
    assert trees


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_the_tree_is_printed_from_a_signal_handler(main: VMain, scope: CoroutineScope) -> None:
    """G1: wherever it interrupts."""
    trees: list[str] = []
    previous = signal.signal(signal.SIGUSR1, lambda *_: trees.append(job_tree(scope)))

    def body() -> Generator[Any, Any, None]:
        for _ in range(50):
            launch(delay, 1)
            os.kill(os.getpid(), signal.SIGUSR1)
            yield from delay(1)

    try:
        job = scope.launch(body)
        main.drain()
    finally:
        signal.signal(signal.SIGUSR1, previous)

    assert not job.is_cancelled
    assert len(trees) == 50


# ---- G2


def test_each_coroutine_is_created_running_dispatched_or_suspended(main: VMain, scope: CoroutineScope) -> None:
    """G2"""
    states: list[Any] = []

    def body() -> Generator[Any, Any, None]:
        states.append(coroutine_info(job))
        yield from delay(1)

    def state() -> str | None:
        info = coroutine_info(job)
        return None if info is None else info.state

    job = scope.launch(body, start=CoroutineStart.LAZY)
    assert state() == "created"
    job.start()
    assert state() == "dispatched"
    main.run_current()
    assert states[0].state == "running"
    assert state() == "suspended"
    main.drain()
    assert state() is None
    assert coroutine_info(Job()) is None


def test_a_coroutine_that_runs_elsewhere_just_now_is_shown_with_where(main: VMain, scope: CoroutineScope) -> None:
    """G1, G2: its own dispatcher first."""
    entered, leave = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        assert leave.wait(10)

    job = scope.launch(with_context, Dispatchers.IO, block)
    main.run_current()
    assert entered.wait(10)

    shown = job_tree(job)

    leave.set()
    main.run_until(lambda: job.is_completed)
    assert shown.splitlines()[0] == "StandaloneCoroutine active, Dispatchers.Main, running on Dispatchers.IO"


def test_the_dump_has_every_coroutine_that_has_not_ended(main: VMain, scope: CoroutineScope) -> None:
    """G2"""
    gc.collect()
    before = {info.job for info in live_coroutines()}
    jobs = {scope.launch(waits, name="one"), GlobalScope.launch(waits, context=Dispatchers.Main, name="two")}
    ended = scope.launch(lambda: None)
    main.run_current()

    assert ended.is_completed
    assert {info.job for info in live_coroutines()} - before == jobs
    out = io.StringIO()
    dump_coroutines(out)
    assert "'one' active" in out.getvalue()
    assert "'two' active" in out.getvalue()
    for job in jobs:
        job.cancel()
    main.drain()


def acquired_twice(limiter: CapacityLimiter) -> Generator[Any, Any, None]:
    yield from limiter.acquire(object())
    yield from limiter.acquire()


def test_a_coroutine_is_named_with_what_it_waits_in(main: VMain, scope: CoroutineScope) -> None:
    """G2"""
    gate = Job()
    hot: MutableSharedFlow[int] = MutableSharedFlow()
    full: MutableSharedFlow[int] = MutableSharedFlow()
    condition, sides = Condition(), ReadWriteMutex()
    sides.write.try_lock()
    scope.launch(full.collect, lambda _: await_cancellation())
    scope.launch(full.emit, 0)
    cases: dict[str, Any] = {
        "delay": lambda: delay(5),
        "join": gate.join,
        "await_": lambda: CompletableDeferred().await_(),
        "await_all": lambda: await_all(CompletableDeferred()),
        "suspend_cancellable_coroutine": lambda: suspend_cancellable_coroutine(lambda _: None),
        "its children": lambda: coroutine_scope(lambda: launch(gate.join)),
        "send": lambda: Channel[int]().send(1),
        "receive": lambda: Channel[int]().receive(),
        "receive_catching": lambda: Channel[int]().receive_catching(),
        "has_next": lambda: Channel[int]().iterator().has_next(),
        "select": lambda: select(lambda s: s.on_join(gate)),
        "lock": Mutex(locked=True).lock,
        "lock of a ReadWriteMutex": sides.read.lock,
        "acquire": Semaphore(1, 1).acquire,
        "acquire of a limiter": lambda: acquired_twice(CapacityLimiter(1)),
        "wait": Event().wait,
        "wait at a barrier": Barrier(2).wait,
        "wait in a condition": lambda: with_held(condition, condition.wait),
        "collect": hot.collect,
        "collect a state": MutableStateFlow(1).collect,
        "collect events": EventFlow[int]().collect,
        "emit": lambda: full.emit(1),
    }
    main.run_current()
    jobs = {name: scope.launch(block) for name, block in cases.items()}
    main.run_current()

    infos = {name: coroutine_info(job) for name, job in jobs.items()}

    words = {name: name if name == "its children" else name.split()[0] for name in cases}
    assert {name: info and info.waits_in for name, info in infos.items()} == words
    scope.cancel()
    main.drain()


# ---- G4


def test_the_stack_of_a_suspended_coroutine_goes_through_all_spellings_to_the_innermost_line(
    main: VMain, scope: CoroutineScope
) -> None:
    """G4: the library's own lines left out."""
    job = scope.launch(outer)
    main.run_current()

    stack = suspension_stack(job)

    assert [place.function for place in stack] == ["outer", "middle", "waits"]
    assert [place.line for place in stack] == [
        function.__code__.co_firstlineno + 1 for function in (outer, middle, waits)
    ]
    assert all(place.file == __file__ for place in stack)
    job.cancel()
    main.drain()
    assert suspension_stack(job) == ()


def test_a_coroutine_that_is_not_suspended_has_no_stack(main: VMain, scope: CoroutineScope) -> None:
    """G4"""
    lazy = scope.launch(waits, start=CoroutineStart.LAZY)

    assert suspension_stack(lazy) == ()
    assert suspension_stack(Job()) == ()
    lazy.cancel()


def test_a_coroutine_in_another_context_shows_where_it_waits(main: VMain, scope: CoroutineScope) -> None:
    """G4"""

    async def body() -> None:
        await with_context(CoroutineName("inner"), waits)

    job = scope.launch(body)
    main.run_current()

    assert [place.function.rsplit(".", 1)[-1] for place in suspension_stack(job)] == ["body", "waits"]
    job.cancel()
    main.drain()


def test_a_coroutine_that_cleans_up_shielded_shows_where_it_waits(main: VMain, scope: CoroutineScope) -> None:
    """G4: that block is a tree of its own."""

    def body() -> Generator[Any, Any, None]:
        yield from non_cancellable(delay, 5)

    job = scope.launch(body)
    main.run_current()

    info = coroutine_info(job)
    assert info is not None
    assert (info.state, info.waits_in, str(info.stack[-1])) == ("suspended", "delay", line(body, 1))
    main.drain()


def test_the_stack_goes_on_where_a_generator_awaits_by_hand(main: VMain, scope: CoroutineScope) -> None:
    """G4: through the object that stands between the two."""

    def body() -> Generator[Any, Any, None]:
        yield from outer().__await__()

    job = scope.launch(body)
    main.run_current()

    names = [place.function.rsplit(".", 1)[-1] for place in suspension_stack(job)]
    assert names == ["body", "outer", "middle", "waits"]
    job.cancel()
    main.drain()


def test_a_stack_without_end_is_cut(main: VMain, scope: CoroutineScope) -> None:
    """G4: the outer part is shown."""

    def body(depth: int) -> Generator[Any, Any, None]:
        if depth:
            yield from body(depth - 1)
        else:
            yield from waits()

    job = scope.launch(body, _MOST_LINKS + 10)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 2 * _MOST_LINKS)
    try:
        main.run_current()
        stack = suspension_stack(job)
        job.cancel()
        main.drain()
    finally:
        sys.setrecursionlimit(limit)

    assert len(stack) == _MOST_LINKS
    assert {place.line for place in stack} == {body.__code__.co_firstlineno + 2}


# ---- where it was launched


@pytest.fixture
def recorded() -> Iterator[None]:
    record_creation_stacks()
    yield
    record_creation_stacks(False)


@pytest.mark.usefixtures("recorded")
def test_the_lines_that_led_to_a_launch_are_kept_where_that_is_asked_for(main: VMain, scope: CoroutineScope) -> None:
    """G2"""
    made: list[Job] = []

    def parent() -> None:
        made.append(launch(waits, name="inner"))

    outermost = scope.launch(parent)
    main.run_current()
    record_creation_stacks(False)
    later = scope.launch(waits)
    main.run_current()

    inner = coroutine_info(made[0])
    outer = coroutine_info(outermost)
    unknown = coroutine_info(later)
    assert inner is not None and outer is not None and unknown is not None
    assert str(inner.created[-1]) == line(parent, 1)
    assert outer.created[-1].function == main_test(outer)
    assert inner.created[0] == outer.created[0]  # how the test itself was called
    assert unknown.created == ()
    assert inner.context[CoroutineName] == CoroutineName("inner")
    assert job_tree(made[0]).endswith(f", launched at {line(parent, 1)}")


def main_test(info: CoroutineInfo) -> str:
    return next(place.function for place in reversed(info.created) if place.function.startswith("test_"))


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("way", ["launch", "async_"])
def test_a_failure_says_where_its_coroutine_was_launched(main: VMain, way: str) -> None:
    """E10"""
    seen: list[BaseException] = []

    def fail() -> None:
        raise LookupError("boom")

    scope = CoroutineScope(
        SupervisorJob() + Dispatchers.Main + CoroutineExceptionHandler(lambda _, error: seen.append(error))
    )
    job = getattr(scope, way)(fail, name="load")
    main.drain()
    if way == "async_":
        seen.append(job.get_completion_exception_or_none())

    (note,) = seen[0].__notes__
    assert "'load' was launched at test_tree.py:" in note
