"""CancelScope and deadlines as values (rows X14, X15)."""

from __future__ import annotations

import gc
from collections.abc import Generator
from math import inf
from typing import Any

import pytest

from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CancelScope,
    CoroutineScope,
    Dispatchers,
    GlobalScope,
    IllegalStateError,
    Job,
    NonCancellable,
    SupervisorJob,
    await_cancellation,
    coroutine_scope,
    current_deadline,
    current_job,
    current_time,
    delay,
    ensure_active,
    launch,
    suspend_cancellable_coroutine,
    with_context,
    with_timeout,
)

Body = Generator[Any, Any, None]


@pytest.fixture
def scope(main: VMain) -> CoroutineScope:
    return CoroutineScope(SupervisorJob() + Dispatchers.Main)


def test_a_cancelled_block_is_left_and_the_code_behind_it_runs_on(main: VMain, scope: CoroutineScope) -> None:
    log: list[object] = []
    block = CancelScope()

    def body() -> Body:
        with block:
            try:
                yield from delay(10)
                log.append("not reached")
            finally:
                log.append(main.now)
        yield from delay(1)
        log.append((block.cancelled_caught, main.now))

    job = scope.launch(body)
    main.post_delayed(3, block.cancel)
    main.drain()

    assert log == [3, (True, 4)]
    assert not job.is_cancelled


def test_the_deadline_cancels_the_block_and_may_be_moved_while_it_runs(main: VMain, scope: CoroutineScope) -> None:
    log: list[float] = []

    async def body() -> None:
        async with CancelScope(deadline=5) as block:
            main.post_delayed(4, lambda: setattr(block, "deadline", 8))
            await await_cancellation()
        log.append(main.now)

    scope.launch(body)
    main.drain()

    assert log == [8]


def test_a_block_that_ends_in_time_leaves_no_timer(main: VMain, scope: CoroutineScope) -> None:
    def body() -> Body:
        with CancelScope(deadline=100) as block:
            yield from delay(1)
        assert not block.cancel_called

    scope.launch(body)
    main.drain()

    assert main.now == 1


def test_it_swallows_its_own_cancellation_only(main: VMain, scope: CoroutineScope) -> None:
    log: list[object] = []
    outer, inner = CancelScope(), CancelScope()

    def body() -> Body:
        with outer:
            with inner:
                yield from await_cancellation()
            log.append("not reached")
        log.append((inner.cancelled_caught, outer.cancelled_caught))

    scope.launch(body)
    main.post_delayed(1, outer.cancel)
    main.drain()

    assert log == [(False, True)]


def test_the_cancellation_of_the_coroutine_passes_through(main: VMain, scope: CoroutineScope) -> None:
    block = CancelScope()

    def body() -> Body:
        with block:
            yield from await_cancellation()
        raise AssertionError("the coroutine was cancelled")

    job = scope.launch(body)
    main.post_delayed(1, job.cancel)
    main.drain()

    assert job.is_cancelled
    assert not block.cancelled_caught


def test_a_failure_passes_through(main: VMain, scope: CoroutineScope) -> None:
    log: list[str] = []

    def body() -> Body:
        try:
            with CancelScope():
                yield from delay(1)
                raise ValueError("boom")
        except ValueError as failure:
            log.append(str(failure))

    scope.launch(body)
    main.drain()

    assert log == ["boom"]


def test_what_is_launched_inside_belongs_to_the_coroutine(main: VMain, scope: CoroutineScope) -> None:
    log: list[object] = []

    def child() -> Body:
        yield from delay(2)
        log.append("child")

    def body() -> Body:
        own = current_job()
        with CancelScope(deadline=1):
            assert current_job() is own
            assert launch(child).parent is own
            yield from await_cancellation()
        log.append("left")

    scope.launch(body)
    main.drain()

    assert log == ["left", "child"]


def test_a_scope_block_inside_is_cancelled_with_its_children(main: VMain, scope: CoroutineScope) -> None:
    log: list[object] = []

    def family() -> None:
        launch(await_cancellation).invoke_on_completion(lambda cause: log.append(type(cause)))

    def body() -> Body:
        with CancelScope(deadline=1):
            yield from coroutine_scope(family)
        log.append(main.now)

    scope.launch(body)
    main.drain()

    assert log == [CancellationException, 1]


def test_cancelled_before_it_begins_it_is_left_at_the_first_suspension(main: VMain, scope: CoroutineScope) -> None:
    log: list[str] = []

    def body() -> Body:
        with CancelScope() as block:
            block.cancel("not wanted")
            log.append("runs")
            try:
                ensure_active()
            except CancellationException as cause:
                log.append(str(cause))
                raise
            yield from delay(1)
        log.append("left")

    scope.launch(body)
    main.drain()

    assert log == ["runs", "not wanted", "left"]


def test_the_nearest_deadline_can_be_read(main: VMain, scope: CoroutineScope) -> None:
    log: list[float] = []

    def inner() -> Body:
        log.append(current_deadline())
        with CancelScope(deadline=current_time() + 2):
            log.append(current_deadline())
        yield from delay(0)

    def body() -> Body:
        log.append(current_deadline())
        yield from delay(1)
        with CancelScope(deadline=9):
            yield from with_timeout(5, inner)

    scope.launch(body)
    main.drain()

    assert log == [inf, 6, 3]


def test_a_scope_serves_one_block_and_needs_a_coroutine(main: VMain, scope: CoroutineScope) -> None:
    errors: list[str] = []

    def body() -> Body:
        block = CancelScope()
        with block:
            yield from delay(0)
        with pytest.raises(IllegalStateError, match="entered twice") as caught, block:
            pass
        errors.append(str(caught.value))

    scope.launch(body)
    main.drain()

    assert len(errors) == 1
    with pytest.raises(IllegalStateError, match="outside a coroutine"), CancelScope():
        pass
    with pytest.raises(ValueError, match="nan"):
        CancelScope(deadline=float("nan"))


def test_a_deadline_that_another_thread_sets_while_the_block_ends_is_no_cancellation_later(
    main: VMain, scope: CoroutineScope
) -> None:
    class Late(CancelScope):
        def _arm(self) -> None:
            if self.deadline == 5:  # the setter has seen the block run; now it ends, and only then the timer is put
                gate.complete()
                main.run_current()
            super()._arm()

    gate, block = Job(), Late()

    def body() -> Body:
        with block:
            yield from gate.join()

    scope.launch(body)
    main.run_current()
    block.deadline = 5
    main.drain()

    assert (main.now, block.cancel_called) == (0, False)


def test_cancelled_before_it_is_entered_it_ends_at_the_first_suspension(main: VMain, scope: CoroutineScope) -> None:
    log: list[str] = []

    def body() -> Body:
        block = CancelScope()
        block.cancel("first")
        block.cancel("second")
        with block:
            log.append("runs")
            try:
                yield from delay(1)
            except CancellationException as cause:
                log.append(str(cause))
                raise
        log.append(f"left {block.cancelled_caught}")

    scope.launch(body)
    main.drain()

    assert log == ["runs", "first", "left True"]


def test_a_deadline_set_before_the_block_begins_is_its_deadline(main: VMain, scope: CoroutineScope) -> None:
    block = CancelScope()
    block.deadline = 3
    ended: list[float] = []

    def body() -> Body:
        with block:
            yield from await_cancellation()
        ended.append(main.now)

    scope.launch(body)
    main.drain()

    assert ended == [3]


def test_a_deadline_that_was_moved_as_it_came_is_no_cancellation(main: VMain, scope: CoroutineScope) -> None:
    """The timer is out of the queue and about to run; another thread has set a later deadline."""
    block = CancelScope(deadline=1)

    def body() -> Body:
        with block:
            yield from delay(5)

    job = scope.launch(body)
    main.run_current()
    timer = block._timer
    assert timer is not None
    block.deadline = 9
    timer.run()

    assert not block.cancel_called
    main.drain()
    assert (main.now, job.is_cancelled, block.cancel_called) == (5, False, False)


def test_a_block_whose_coroutine_is_dropped_closes_quietly() -> None:
    """P7: what nobody can resume is closed; nothing in it is cancelled, let alone awaited."""
    log: list[object] = []

    def body() -> Body:
        block = CancelScope()
        try:
            with block:
                yield from suspend_cancellable_coroutine(lambda _: None)
        except CancellationException:
            log.append("cancelled")
        finally:
            log.append(f"finally, {block.cancelled_caught}")

    GlobalScope.launch(body, context=Dispatchers.Unconfined)
    gc.collect()

    assert log == ["finally, False"]


def test_a_deadline_around_a_shielded_block_is_not_its_own(main: VMain, scope: CoroutineScope) -> None:
    seen: list[float] = []

    def clean_up() -> Body:
        seen.append(current_deadline())
        yield from delay(0)

    def body() -> Body:
        with CancelScope(deadline=4):
            yield from with_context(NonCancellable, clean_up)

    scope.launch(body)
    main.drain()

    assert seen == [inf]


def test_a_scope_shows_its_state(main: VMain, scope: CoroutineScope) -> None:
    seen: list[str] = []
    block = CancelScope(deadline=7)

    def body() -> Body:
        with block:
            seen.append(repr(block))
            block.cancel()
            seen.append(repr(block))
            yield from delay(1)
        seen.append(repr(block))
        with CancelScope() as in_time:
            yield from delay(1)
        seen.append(repr(in_time))

    seen.append(repr(block))
    scope.launch(body)
    main.drain()

    states = ["not entered", "active", "cancelling", "cancelled"]
    assert seen == [f"<CancelScope {state}, deadline 7>" for state in states] + ["<CancelScope over, deadline inf>"]
