"""Tests of flows, against flows that are as small as can be."""

from __future__ import annotations

import pytest

from tests.steer import beside
from vmscope import Dispatchers, await_cancellation, delay, launch, suspend, with_context
from vmscope.coroutines._timer import shared_timers
from vmscope.flow import MutableStateFlow
from vmscope.testing import FlowTest, UnconfinedTestDispatcher, record_values, run_test, test_flow


class Cold:
    """A flow of values, a second apart; an exception among them is raised."""

    def __init__(self, *values, then_waits=False, on=None):
        self.values, self.then_waits, self.on = values, then_waits, on

    @suspend
    def collect(self, collector):
        for value in self.values:
            yield from delay(1)
            if isinstance(value, BaseException):
                raise value
            if self.on is not None:
                yield from with_context(self.on, collector, value)
            else:
                collector(value)
        if self.then_waits:
            yield from await_cancellation()


class Open:
    """A flow that emits what `put` is given, wherever that is called."""

    @suspend
    def collect(self, collector):
        self.put = collector
        yield from await_cancellation()


class State:
    """A conflating state flow: a collector sees the value of the moment in which it runs."""

    def __init__(self, value):
        self._value, self._watchers = value, []

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, value):
        for watch in tuple(self._watchers):
            watch(value)
        self._value = value

    def watch_assignments(self, watch):
        watchers = self._watchers
        watchers.append(watch)

        class Handle:
            def dispose(self):
                watchers.remove(watch)

        return Handle()


def test_items_come_one_by_one_and_then_the_end():
    def body(scope):
        with test_flow(Cold("a", "b")) as events:
            assert (yield from events.await_item()) == "a"
            assert (yield from events.await_item()) == "b"
            yield from events.await_complete()

    run_test(body)


def test_async_with_joins_the_collector():
    async def body(scope):
        async with test_flow(Cold("a", then_waits=True)) as events:
            assert await events.await_item() == "a"
        assert not list(scope._body.children)

    run_test(body)


def test_a_block_gets_the_test_of_the_flow():
    def check(events, more):
        value = yield from events.await_item()
        yield from events.cancel_and_ignore_remaining()
        return value + more

    def body(scope):
        return (yield from test_flow(Cold(1, 2), check, 10))

    assert run_test(body) == 11


def test_an_error_of_the_flow_is_an_event():
    def body(scope):
        with test_flow(Cold("a", ValueError("broken"))) as events:
            yield from events.skip_items(1)
            assert str((yield from events.await_error())) == "broken"

    run_test(body)


def test_what_was_not_consumed_fails_the_test():
    def body(scope):
        with test_flow(Cold("a", "b"), name="names"):
            yield from delay(5)

    with pytest.raises(AssertionError, match="names: unconsumed events: item 'a', item 'b', complete"):
        run_test(body)


def test_a_failure_in_the_block_is_not_covered_by_what_was_left():
    def body(scope):
        with test_flow(Cold("a")):
            yield from delay(5)
            raise KeyError("mine")

    with pytest.raises(KeyError):
        run_test(body)


def test_what_remains_can_be_given_up_or_taken():
    def body(scope):
        with test_flow(Cold("a", "b", then_waits=True)) as events:
            yield from delay(5)
            yield from events.cancel_and_ignore_remaining()
        with test_flow(Cold("a", then_waits=True)) as events:
            yield from delay(5)
            return [str(event) for event in (yield from events.cancel_and_consume_remaining())]

    assert run_test(body) == ["item 'a'"]


def test_no_events_can_be_expected():
    def body(scope):
        with test_flow(Cold("a")) as events:
            events.expect_no_events()
            yield from delay(5)
            events.expect_no_events()

    with pytest.raises(AssertionError, match="expected no events, found item 'a', complete"):
        run_test(body)


def test_the_most_recent_item_drops_those_before_it():
    def body(scope):
        with test_flow(Cold(1, 2, 3)) as events:
            yield from delay(2.5)
            assert events.expect_most_recent_item() == 2
            assert (yield from events.await_item()) == 3
            yield from events.await_complete()
            with pytest.raises(AssertionError, match="found nothing"):
                events.expect_most_recent_item()

    run_test(body)


def test_another_event_than_the_awaited_one_fails_with_what_came():
    def body(scope):
        with test_flow(Cold(ValueError("broken"))) as events:
            yield from events.await_item()

    with pytest.raises(AssertionError, match="expected item, found error") as hit:
        run_test(body)

    assert isinstance(hit.value.__cause__, ValueError)


def test_nothing_within_the_real_time_of_a_wait_fails():
    def body(scope):
        with test_flow(Cold(then_waits=True), timeout=0.02, name="silent") as events:
            yield from events.await_item()

    with pytest.raises(AssertionError, match=r"silent: no event came within 0.02 s"):
        run_test(body)


def test_whatever_comes_next_can_be_awaited():
    def body(scope):
        with test_flow(Cold("a", ValueError("broken"))) as events:
            first = yield from events.await_event()
            second = yield from events.await_event()
            return str(first), second.kind

    assert run_test(body) == ("item 'a'", "error")


def test_what_has_come_already_is_taken_without_a_wait():
    def body(scope):
        with test_flow(Cold("a", "b")) as events:
            with pytest.raises(AssertionError, match="expected item, found nothing"):
                events.expect_item()
            yield from delay(1.5)
            assert events.expect_item() == "a"
            yield from delay(1)
            assert events.expect_item() == "b"
            with pytest.raises(AssertionError, match="expected item, found complete"):
                events.expect_item()

    run_test(body)


def test_the_most_recent_item_of_a_flow_that_failed_is_its_failure():
    def body(scope):
        with test_flow(Cold("a", ValueError("broken"))) as events:
            yield from delay(5)
            events.expect_most_recent_item()

    with pytest.raises(ValueError, match="broken"):
        run_test(body)


def test_a_failure_in_an_async_with_block_is_not_covered_by_what_was_left():
    async def body(scope):
        async with test_flow(Cold("a", then_waits=True)):
            await delay(5)
            raise KeyError("mine")

    with pytest.raises(KeyError):
        run_test(body)


def test_a_plain_function_looks_at_what_has_come_at_once():
    def body(scope):
        value = yield from test_flow(MutableStateFlow("now"), lambda events: events.expect_item())
        nothing = yield from test_flow(MutableStateFlow("now"), lambda events: events.expect_item() and None)
        return value, nothing

    assert run_test(body) == ("now", None)


def test_a_test_of_a_flow_without_a_block_stands_in_with():
    with pytest.raises(TypeError, match="takes a block, or stands in `with`"):
        run_test(lambda scope: test_flow(Cold("a")))


def test_what_remains_of_a_flow_that_was_never_collected_is_nothing():
    assert run_test(lambda scope: FlowTest(Cold("a")).cancel_and_consume_remaining()) == []


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_wait_takes_some_time(timeout):
    with pytest.raises(ValueError, match="test_flow"):
        test_flow(Cold(), timeout=timeout)


def test_waiting_for_an_item_lets_virtual_time_go_on():
    def body(scope):
        with test_flow(Cold("late"), timeout=5) as events:
            yield from delay(0.5)
            yield from events.await_item()
            yield from events.await_complete()
            return scope.current_time

    assert run_test(body) == 1.0


def test_what_comes_as_somebody_begins_to_wait_for_it_is_not_missed():
    flow = Open()

    def body(scope):
        with test_flow(flow) as events:
            lock = beside(events, lambda: flow.put("between"), released=1)  # between the two looks of who waits
            assert (yield from events.await_item()) == "between"
            return lock.met

    assert run_test(body)


def test_a_wait_that_is_cancelled_takes_no_event_and_leaves_no_limit_behind():
    flow = Open()

    def body(scope):
        with test_flow(flow) as events:
            job = launch(events.await_item)
            scope.run_current()
            limit = events._waiting._timer
            assert limit in shared_timers()._snapshot()

            yield from job.cancel_and_join()
            assert limit not in shared_timers()._snapshot()
            flow.put("kept")

            assert (yield from events.await_item()) == "kept"

    run_test(body)


@pytest.mark.parametrize("point", [{"released": 1}, {"taken": 2}])
def test_a_wait_that_is_cancelled_as_it_begins_takes_no_event_and_leaves_no_limit_behind(point):
    flow = Open()

    def body(scope):
        with test_flow(flow) as events:
            job = launch(events.await_item)
            lock = beside(events, job.cancel, **point)
            yield from job.join()
            assert lock.met
            assert job.is_cancelled
            assert not any(type(item).__name__ == "_Limit" for item in shared_timers()._snapshot())
            flow.put("kept")

            assert (yield from events.await_item()) == "kept"

    run_test(body)


def test_a_limit_that_strikes_as_its_event_comes_ends_no_other_wait():
    flow = Open()

    def body(scope):
        with test_flow(flow) as events:
            job = launch(events.await_item)
            scope.run_current()
            limit = events._waiting._timer
            flow.put("in time")
            yield from job.join()
            again = launch(events.await_item)
            scope.run_current()

            limit.run()  # the thread of the timers had it in hand
            flow.put("to the next")
            yield from again.join()
            return job.is_cancelled, again.is_cancelled

    assert run_test(body) == (False, False)


def test_a_collector_that_is_given_up_tells_nothing():
    test = FlowTest(Open())
    steps = test._collect()
    next(steps)

    steps.close()

    test.ensure_all_consumed()


def test_several_flows_at_once():
    def body(scope):
        with test_flow(Cold(1)) as one, test_flow(Cold(2)) as two:
            assert (yield from two.await_item()) == 2
            assert (yield from one.await_item()) == 1
            yield from one.await_complete()
            yield from two.await_complete()

    run_test(body)


def test_a_flow_may_emit_on_a_real_thread():
    def body(scope):
        with test_flow(Cold(1, 2, on=Dispatchers.IO)) as events:
            assert (yield from events.await_item()) == 1
            assert (yield from events.await_item()) == 2
            yield from events.await_complete()

    run_test(body)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: test_flow([1, 2]), "with collect"),
        (lambda: test_flow(Cold(), 3), "block"),
        (lambda: record_values(Cold()), "MutableStateFlow"),
    ],
)
def test_what_is_no_flow_is_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="skip_items"):
        FlowTest(Cold()).skip_items(-1)


def test_every_assignment_is_recorded_with_its_writer():
    state = State("start")

    def body(scope):
        recorded = record_values(state)

        def load():
            state.value = "loading"
            state.value = "done"  # no collector would see the one before

        launch(load, name="load")
        yield from delay(1)
        recorded.stop()
        state.value = "not any more"
        return recorded

    recorded = run_test(body)

    assert recorded == ["start", "loading", "done"]
    assert recorded.writers == [None, "load", "load"]


def test_a_recording_ends_with_its_with_block():
    state = State(0)

    with record_values(state) as recorded:
        state.value = 0
        state.value = 1
    state.value = 2
    recorded.stop()  # a second time, without effect

    assert recorded == [0, 0, 1]
    assert recorded.writers == [None, None, None]


def test_every_value_of_a_state_flow_is_recorded():
    state = MutableStateFlow("idle")
    kind = type(state)

    def body(scope):
        def load():
            state.value = "loading"
            state.value = "loading"  # no change
            state.update(lambda old: old + "!")
            state.value = "done"

        with record_values(state) as recorded, record_values(state.as_state_flow()) as again:
            launch(load, name="load")
            with test_flow(state) as events:
                yield from delay(1)
                yield from events.cancel_and_ignore_remaining()
            assert again == recorded
        state.value = "not any more"
        return recorded

    recorded = run_test(body)

    assert recorded == ["idle", "loading", "loading!", "done"]
    assert recorded.writers == [None, "load", "load", "load"]
    assert type(state) is kind
    assert state.value == "not any more"


def test_values_set_by_a_collector_in_place_are_recorded_in_their_order():
    state = MutableStateFlow(0)

    def body(scope):
        def react(value):
            if value == 1:
                state.value = 10
                state.value = 11

        with record_values(state) as recorded:
            scope.background_scope.launch(state.collect, react, context=UnconfinedTestDispatcher(scope.scheduler))
            state.value = 1
            state.value = 2
            yield from delay(1)
        return recorded

    assert run_test(body) == [0, 1, 10, 11, 2]


def test_a_state_flow_is_tested_without_conflation():
    state = MutableStateFlow(0)

    def body(scope):
        with test_flow(state) as events:
            state.value = 1
            state.value = 2
            for expected in (0, 1, 2):
                assert (yield from events.await_item()) == expected
            events.expect_no_events()

    run_test(body)
