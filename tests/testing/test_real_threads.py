"""Virtual time and real threads: the clock stands while work that the test sent away is not back.

The threads here wait for the test, never for time: a gate is opened by the test, or by the work itself.
"""

from __future__ import annotations

import threading
import time

import pytest

from vmscope import (
    CompletableDeferred,
    CoroutineScope,
    Dispatchers,
    IllegalStateError,
    Job,
    async_,
    await_all,
    await_cancellation,
    current_job,
    delay,
    launch,
    new_single_thread_context,
    non_cancellable,
    with_context,
    with_timeout,
    with_timeout_or_none,
    yield_,
)
from vmscope.testing import (
    StandardTestDispatcher,
    TestScheduler,
    UnconfinedTestDispatcher,
    main_dispatcher,
    run_test,
    wait_until_idle,
)


def blocked_for_a_moment():
    """What a blocking call does: the thread sleeps, and the test must not take that for idleness."""
    time.sleep(0.02)  # the real thread is the subject
    return "answer"


def test_time_stands_still_during_a_blocking_call():
    def body(scope):
        def ticker():
            for _ in range(100):
                yield from delay(1)

        launch(ticker)
        yield from yield_()
        answer = yield from with_timeout(50, with_context, Dispatchers.IO, blocked_for_a_moment)
        return answer, scope.current_time

    assert run_test(body) == ("answer", 0.0)


@pytest.mark.parametrize("dispatcher", [Dispatchers.IO, Dispatchers.Default, Dispatchers.IO.limited_parallelism(1)])
def test_a_child_on_real_threads_holds_the_clock_until_it_is_joined(dispatcher):
    def body(scope):
        job = launch(blocked_for_a_moment, context=dispatcher)
        timed_out = yield from with_timeout_or_none(1, job.join)
        return job.is_completed, timed_out, scope.current_time

    assert run_test(body) == (True, None, 0.0)


def test_an_executor_of_ones_own_holds_the_clock():
    def body(scope):
        with new_single_thread_context("solo") as solo:
            return (yield from with_timeout(1, with_context, solo, blocked_for_a_moment)), scope.current_time

    assert run_test(body) == ("answer", 0.0)


def test_a_real_delay_elsewhere_is_work_in_flight():
    def body(scope):
        yield from with_timeout(10, with_context, Dispatchers.Default, delay, 0.02)
        return scope.current_time

    assert run_test(body) == 0.0


def test_work_in_a_scope_outside_of_the_test_is_in_flight_while_the_test_waits_for_it():
    outside = CoroutineScope(Dispatchers.IO)

    def body(scope):
        first, second = outside.async_(blocked_for_a_moment), outside.async_(blocked_for_a_moment)
        yield from with_timeout(1, await_all, first, second)
        yield from with_timeout(1, outside.async_(blocked_for_a_moment).await_)
        return scope.current_time

    assert run_test(body) == 0.0
    outside.cancel()


def test_a_wait_on_a_real_thread_for_what_virtual_time_brings_does_not_hold_the_clock():
    def body(scope):
        gate = CompletableDeferred()
        launch(lambda: (yield from delay(5)) or gate.complete("opened"))
        return (yield from with_context(Dispatchers.IO, gate.await_)), scope.current_time

    assert run_test(body) == ("opened", 5.0)


def test_work_that_nobody_waits_for_is_waited_for_by_advance_until_idle():
    ended = []

    def body(scope):
        launch(lambda: ended.append(blocked_for_a_moment()), context=Dispatchers.IO)
        scope.advance_until_idle()
        return list(ended)

    assert run_test(body) == ["answer"]


def test_a_view_model_style_scope_on_main_is_in_flight_too():
    shown = []

    def load():
        shown.append((yield from with_context(Dispatchers.IO, blocked_for_a_moment)))
        yield from delay(3)
        shown.append("later")

    with main_dispatcher(StandardTestDispatcher()) as main:
        screen = CoroutineScope(Job() + Dispatchers.Main)
        screen.launch(load)
        main.scheduler.advance_time_by(1)
        assert shown == ["answer"]
        main.scheduler.advance_until_idle()

    assert shown == ["answer", "later"]
    assert main.scheduler.current_time == 3


def test_a_coroutine_that_hops_back_and_forth_keeps_its_place_in_time():
    def body(scope):
        places = []
        for _ in range(20):
            places.append((yield from with_context(Dispatchers.IO, threading.get_ident)))
            yield from delay(1)
        return len(places), threading.get_ident() in places, scope.current_time

    assert run_test(body) == (20, False, 20.0)


def test_an_unconfined_coroutine_that_goes_on_on_a_real_thread_holds_the_clock():
    def body(scope):
        def there():
            yield from with_context(Dispatchers.IO, blocked_for_a_moment)
            blocked_for_a_moment()  # on the thread of IO: nothing brought it back
            return scope.current_time

        return (yield from with_timeout(1, async_(there).await_))

    assert run_test(body, context=UnconfinedTestDispatcher()) == 0.0


def test_shielded_children_do_not_hold_the_clock_by_their_waiting():
    def body(scope):
        def clean_up():
            launch(delay, 2)
            yield from delay(1)

        yield from non_cancellable(clean_up)
        return scope.current_time

    assert run_test(body) == 2.0


def test_a_coroutine_that_waits_on_the_stack_does_not_hold_the_clock():
    ran = []

    def body(scope):
        def inner():
            scope.advance_time_by(5)
            ran.append(scope.current_time)

        def outer():
            launch(ran.append, "queued behind the one that runs in place")
            launch(inner)  # waits in the in-place queue until this one suspends
            scope.advance_time_by(5)
            ran.append(scope.current_time)
            yield from delay(1)

        launch(outer)

    run_test(body, context=UnconfinedTestDispatcher(), timeout=5)

    assert 5.0 in ran
    assert 10.0 in ran


def test_many_tasks_on_real_threads_come_back_before_the_clock_moves():
    def body(scope):
        done = yield from await_all(
            *[async_(with_context, Dispatchers.IO, threading.get_ident) for _ in range(200)],
            *[async_(threading.get_ident, context=Dispatchers.Default) for _ in range(200)],
        )
        return len(done), scope.current_time

    def with_ticker(scope):
        ticker = launch(lambda: (yield from delay(1)) or (yield from await_cancellation()))
        answer = yield from body(scope)
        ticker.cancel()
        return answer

    assert run_test(with_ticker) == (400, 0.0)


def test_time_may_not_be_moved_on_a_real_thread():
    def body(scope):
        yield from with_context(Dispatchers.IO, scope.advance_time_by, 1)

    with pytest.raises(IllegalStateError, match="on the thread of the test"):
        run_test(body)


def test_wait_until_idle_waits_for_real_threads_and_not_for_time():
    ended = []

    def body(scope):
        launch(lambda: ended.append(blocked_for_a_moment()), context=Dispatchers.IO)
        launch(lambda: ended.append("child"))
        launch(lambda: (yield from delay(1)) or ended.append("late"))
        yield from wait_until_idle()
        return sorted(ended), scope.current_time

    assert run_test(body) == (["answer", "child"], 0.0)


def test_the_real_clock_is_untouched():
    before = time.monotonic, time.sleep, time.time

    def body(scope):
        yield from delay(10)
        return (time.monotonic, time.sleep, time.time), current_job().is_active

    assert run_test(body) == (before, True)


def test_a_scheduler_without_a_test_waits_for_real_threads_as_well():
    scheduler, shown = TestScheduler(), []
    scope = CoroutineScope(StandardTestDispatcher(scheduler))
    scope.launch(lambda: shown.append((yield from with_context(Dispatchers.IO, blocked_for_a_moment))))

    scheduler.advance_time_by(1)

    assert shown == ["answer"]
