"""The virtual clock: what moves it, what runs when it moves, and in which order."""

from __future__ import annotations

import math
import threading
import time

import pytest

from tests.steer import struck
from vmscope import CompletableDeferred, CoroutineScope, Dispatchers, IllegalStateError, delay, launch
from vmscope.testing import (
    StandardTestDispatcher,
    TestScheduler,
    TestScope,
    UncompletedCoroutinesError,
    _scheduler as scheduler_room,
    run_test,
)
from vmscope.testing._events import EventQueue


def repeating(seconds):
    while True:
        yield from delay(seconds)


def test_delays_take_no_real_time():
    began = time.monotonic()

    run_test(lambda scope: delay(1_000_000.0))

    assert time.monotonic() - began < 50  # a limit against sleeping, not a measurement


def test_the_clock_measures_virtual_durations():
    def body(scope):
        began = scope.scheduler.clock()
        yield from delay(2.5)
        return scope.scheduler.clock() - began

    assert run_test(body) == 2.5


def test_advance_time_by_runs_what_is_due_strictly_before_its_end():
    scheduler, ran = TestScheduler(), []
    scope = CoroutineScope(StandardTestDispatcher(scheduler))
    for seconds in (0.5, 1.0, 1.5):
        scope.launch(lambda s: (yield from delay(s)) or ran.append((s, scheduler.current_time)), seconds)

    scheduler.advance_time_by(1.0)
    assert ran == [(0.5, 0.5)]
    assert scheduler.current_time == 1.0

    scheduler.run_current()
    assert ran == [(0.5, 0.5), (1.0, 1.0)]


def test_advancing_by_nothing_runs_nothing():
    scope = TestScope()
    ran = []
    scope.launch(ran.append, 1)

    scope.advance_time_by(0)

    assert ran == []


def test_what_is_due_at_one_time_runs_in_the_order_of_its_coming():
    scheduler, ran = TestScheduler(), []
    one, other = (CoroutineScope(StandardTestDispatcher(scheduler)) for _ in range(2))

    def after(seconds, name):
        yield from delay(seconds)
        ran.append(name)

    one.launch(after, 2, "a")
    other.launch(after, 2, "b")
    one.launch(after, 1, "c")
    scheduler.advance_until_idle()

    assert ran == ["c", "a", "b"]


def test_run_current_leaves_the_clock_alone():
    scope = TestScope()
    ran = []

    def nested():
        launch(ran.append, "inner")
        yield from delay(1)
        ran.append("late")

    scope.launch(nested)
    scope.run_current()

    assert ran == ["inner"]
    assert scope.current_time == 0


def test_a_delay_that_was_cancelled_does_not_move_the_clock():
    scope = TestScope()
    job = scope.launch(delay, 1000)
    scope.run_current()

    job.cancel()
    scope.advance_until_idle()

    assert scope.current_time == 0


def test_background_work_does_not_drive_advance_until_idle():
    def body(scope):
        scope.background_scope.launch(repeating, 1)
        scope.launch(delay, 2.5)
        scope.advance_until_idle()
        return scope.current_time

    assert run_test(body) == 2.5


@pytest.mark.parametrize("call", [lambda s: s.advance_time_by(-1), lambda s: s.advance_until_idle(limit=-1)])
def test_a_negative_time_is_refused(call):
    with pytest.raises(ValueError, match="-1"):
        call(TestScheduler())


def test_an_endless_producer_is_found_out_by_steps_and_named():
    scope = TestScope()
    scope.launch(repeating, 1, name="poller")

    told = r"50 tasks(.|\n)*'poller'(.|\n)*launched at test_scheduler.py:\d+"
    with pytest.raises(IllegalStateError, match=told) as hit:
        scope.advance_until_idle(steps=50)

    assert "background_scope" in str(hit.value)
    scope.cancel()


def test_an_endless_producer_is_found_out_by_virtual_time():
    scope = TestScope()
    scope.launch(repeating, 1, name="poller")

    with pytest.raises(IllegalStateError, match=r"until 10 s(.|\n)*'poller'"):
        scope.advance_until_idle(limit=10)

    assert scope.current_time == 10
    scope.cancel()


def test_work_that_ends_within_the_limit_is_no_producer():
    scope = TestScope()
    scope.launch(delay, 10)

    scope.advance_until_idle(limit=10, steps=2)

    assert scope.current_time == 10


def test_twenty_thousand_sleepers_wake_in_their_order():
    woken = []

    def sleeper(seconds):
        yield from delay(seconds)
        woken.append(seconds)

    def body(scope):
        for number in range(20_000):
            launch(sleeper, float(number * 7919 % 20_000))

    run_test(body)

    assert woken == sorted(woken)


def test_moving_time_in_a_coroutine_runs_the_others():
    ran = []

    def body(scope):
        def inner():
            yield from delay(10)
            ran.append(scope.current_time)

        def outer():
            launch(inner)
            scope.advance_until_idle()
            ran.append("after")

        launch(outer)

    run_test(body)

    assert ran == [10.0, "after"]


def test_a_strangers_block_that_is_still_to_run_is_named():
    class Repainting:
        def __repr__(self):
            return "<repainting>"

        def run(self):
            dispatcher.dispatch(scope.coroutine_context, self)

    scope = TestScope()
    dispatcher = StandardTestDispatcher(scope.scheduler)
    dispatcher.dispatch(scope.coroutine_context, Repainting())

    with pytest.raises(IllegalStateError, match=r"5 tasks(.|\n)*<repainting>"):
        scope.advance_until_idle(steps=5)


def test_work_that_does_not_come_back_is_given_up_in_the_end(monkeypatch):
    monkeypatch.setattr(scheduler_room, "PATIENCE", 0.0)
    scheduler, go_on = TestScheduler(), threading.Event()
    job = CoroutineScope(StandardTestDispatcher(scheduler)).launch(go_on.wait, 20, context=Dispatchers.IO, name="slow")
    scheduler.watch(job)

    with pytest.raises(UncompletedCoroutinesError, match=r"virtual time stands still(.|\n)*'slow'"):
        scheduler.advance_time_by(1)

    assert scheduler.current_time == 0
    go_on.set()


def test_background_work_runs_that_what_is_in_flight_waits_for():
    go_on = threading.Event()

    def body(scope):
        job = launch(go_on.wait, 20, context=Dispatchers.IO)
        scope.background_scope.launch(go_on.set)
        scope.advance_until_idle()
        return job.is_completed, scope.current_time

    assert run_test(body) == (True, 0)


def test_what_comes_as_a_look_finds_nothing_in_flight_is_run_too():
    gate, ran = CompletableDeferred(), []

    def complete():
        thread = threading.Thread(target=gate.complete)
        thread.start()
        thread.join()

    scope = TestScope()
    scope.launch(lambda: (yield from gate.await_()) or ran.append("came"))
    scope.run_current()
    with struck(scheduler_room.in_flight, complete, at="return") as met:
        scope.advance_until_idle()

    assert met
    assert ran == ["came"]


# ---- the queue by itself


class Item:
    """What can stand in the queue."""


def test_a_time_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="a time must be a number of seconds"):
        EventQueue().put_at(Item(), math.nan)


def test_what_is_put_for_never_is_not_waited_for():
    queue, item = EventQueue(), Item()
    queue.put_at(item, 1.0)

    assert queue.put_at(item, math.inf)

    assert queue.next_when() == math.inf
    assert queue.foreground == 0
    assert queue.pending() == []


def test_what_was_taken_back_does_not_pile_up():
    queue = EventQueue()
    items = [Item() for _ in range(1000)]
    for number, item in enumerate(items):
        queue.put_at(item, float(number))

    for item in items[:-2]:
        queue.remove(item)

    assert len(queue._heap) <= 65
    assert [queue.take(math.inf) for _ in range(3)] == [*items[-2:], None]


def test_there_is_no_wait_where_something_is_due():
    asked = []
    queue = EventQueue()
    queue.put(Item())

    queue.wait(math.inf, lambda: asked.append("asked"))

    assert asked == []


@pytest.mark.parametrize(("seconds", "made_true"), [(0, False), (math.inf, True)])
def test_there_is_no_wait_without_time_or_where_it_is_true_by_now(seconds, made_true):
    queue = EventQueue()

    queue.wait(seconds, lambda: made_true)

    assert not queue._asleep
