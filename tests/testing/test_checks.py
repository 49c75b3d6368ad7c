"""Quiescence, checkpoints, turns."""

from __future__ import annotations

import threading

import pytest

from tests.steer import beside, struck
from vmscope import (
    CompletableDeferred,
    Dispatchers,
    IllegalStateError,
    await_cancellation,
    coroutine_scope,
    delay,
    launch,
    run_blocking,
    with_context,
    yield_,
)
from vmscope.testing import (
    Sequencer,
    TestScheduler,
    TestScope,
    UnconfinedTestDispatcher,
    assert_no_suspension,
    assert_suspends,
    run_test,
    wait_until_idle,
)
from vmscope.testing._checks import _probed, _TurnWait
from vmscope.testing._events import EventQueue


def elsewhere(action):
    """Do `action` on another thread, and wait for that."""
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


def test_wait_until_idle_lets_everybody_else_come_to_rest():
    order = []

    def body(scope):
        def busy():
            for number in range(3):
                order.append(number)
                yield from yield_()

        launch(busy)
        yield from wait_until_idle()
        order.append("idle")
        return scope.current_time

    assert run_test(body) == 0
    assert order == [0, 1, 2, "idle"]


def test_of_several_who_wait_the_least_cushion_goes_first():
    order = []

    async def waiting(cushion):
        await wait_until_idle(cushion)
        order.append(cushion)

    async def body(scope):
        launch(waiting, 0.002)
        launch(waiting, 0.001)
        await scope.wait_until_idle()
        order.append(0)

    run_test(body)

    assert order == [0, 0.001, 0.002]


def test_who_waits_for_idleness_can_be_cancelled():
    def body(scope):
        job = launch(wait_until_idle, 5.0)
        yield from yield_()
        yield from job.cancel_and_join()
        return scope.scheduler._idle

    assert not run_test(body, context=UnconfinedTestDispatcher())


@pytest.mark.parametrize("point", [TestScheduler._wake_idle, EventQueue.wait])
def test_who_waits_for_idleness_can_be_cancelled_on_another_thread_as_he_is_to_be_woken(point):
    ended = []

    def waits():
        try:
            yield from wait_until_idle(0.001)
        finally:
            ended.append(threading.current_thread().name)

    with TestScope(UnconfinedTestDispatcher()) as scope:
        job = scope.launch(waits)
        late = scope.launch(delay, 1)
        with struck(point, lambda: elsewhere(job.cancel)) as met:
            scope.advance_until_idle()

        assert met
        assert job.is_cancelled
        assert len(ended) == 1
        assert late.is_completed
        assert scope.current_time == 1


def test_what_comes_within_the_cushion_runs_before_who_waits():
    order = []
    gate = CompletableDeferred()

    def first():
        yield from gate.await_()
        order.append("came")
        yield from yield_()
        order.append("went on")

    def body(scope):
        launch(first)
        yield from wait_until_idle()
        with struck(EventQueue.wait, lambda: elsewhere(gate.complete)) as met:
            yield from wait_until_idle(0.001)
        order.append("idle")
        return met

    assert run_test(body)
    assert order == ["came", "went on", "idle"]


def test_wait_until_idle_outside_of_a_test_is_refused():
    with pytest.raises(IllegalStateError, match="outside of a test"):
        run_blocking(wait_until_idle)
    with pytest.raises(ValueError, match="cushion"):
        wait_until_idle(-1)


def test_a_block_that_suspends_is_told_from_one_that_does_not():
    async def native():
        await delay(1)
        return "native"

    def body(scope):
        assert (yield from assert_suspends(delay, 1)) is None
        assert (yield from assert_suspends(native)) == "native"
        assert (yield from assert_no_suspension(delay, 0)) is None
        assert (yield from assert_no_suspension(lambda: "plain")) == "plain"
        assert (yield from assert_no_suspension(coroutine_scope, lambda: "scoped")) == "scoped"
        assert (yield from assert_suspends(with_context, Dispatchers.IO, lambda: "io")) == "io"
        gate = CompletableDeferred("there")
        assert (yield from assert_no_suspension(gate.await_)) == "there"

    run_test(body)


def test_a_block_that_ran_through_fails_the_one_assertion():
    with pytest.raises(AssertionError, match="delay was to suspend, and ran through"):
        run_test(lambda scope: assert_suspends(delay, 0))


def test_a_block_that_suspended_fails_the_other_and_says_in_what():
    with pytest.raises(AssertionError, match="delay was not to suspend, and did, in delay"):
        run_test(lambda scope: assert_no_suspension(delay, 1))


def test_what_a_watched_block_raises_and_its_cancellation_pass_through():
    seen = []

    def failing():
        yield from delay(1)
        raise KeyError("mine")

    def waiting():
        try:
            yield from await_cancellation()
        finally:
            seen.append("cleaned up")

    def body(scope):
        with pytest.raises(KeyError):
            yield from assert_suspends(failing)
        job = launch(assert_suspends, waiting)
        yield from yield_()
        yield from job.cancel_and_join()

    run_test(body)

    assert seen == ["cleaned up"]


def test_a_watched_block_that_is_given_up_is_closed():
    seen = []

    def waiting():
        try:
            yield from await_cancellation()
        except GeneratorExit:
            seen.append("closed")
            raise

    steps = iter(_probed(waiting, (), []))
    next(steps)
    steps.close()

    assert seen == ["closed"]


def test_a_sequencer_brings_coroutines_into_one_order():
    order = []
    seq = Sequencer()

    def generator():
        with (yield from seq.turn(1)):
            order.append(1)
        with (yield from seq.turn(3)):
            order.append(3)

    async def native():
        async with seq(0):
            order.append(0)
        async with seq(2):
            order.append(2)

    def body(scope):
        launch(generator)
        launch(native)

    run_test(body)

    assert order == [0, 1, 2, 3]


def test_a_number_of_a_sequencer_is_good_once():
    seq = Sequencer()
    seq(0)

    with pytest.raises(IllegalStateError, match="good once"):
        seq(0)


def test_who_waits_behind_a_cancelled_turn_fails():
    def body(scope):
        seq = Sequencer()

        async def waiting(number):
            async with seq(number):
                pass

        waits = launch(waiting, 1)
        later = scope.background_scope.async_(waiting, 2)
        yield from yield_()
        waits.cancel()
        yield from wait_until_idle()
        with pytest.raises(IllegalStateError, match="turn 1"):
            yield from later.await_()
        with pytest.raises(IllegalStateError, match="turn 1"):
            yield from seq.turn(3)

    run_test(body)


def test_of_two_turns_cancelled_at_once_each_is_cancelled_and_the_first_is_named():
    def body(scope):
        seq = Sequencer()

        def waiting(number):
            with (yield from seq.turn(number)):
                pass

        one, two = launch(waiting, 1), launch(waiting, 2)
        yield from wait_until_idle()
        with struck(_TurnWait._take_back, two.cancel) as met:  # as the other is about to say that it is gone
            one.cancel()
        yield from one.join()
        yield from two.join()
        with pytest.raises(IllegalStateError, match="with turn 2 of the sequencer was cancelled"):
            yield from seq.turn(3)
        return met, one.is_cancelled, two.is_cancelled

    met, *cancelled = run_test(body)

    assert met
    assert cancelled == [True, True]


def test_a_turn_that_comes_as_somebody_begins_to_wait_for_it_is_not_missed():
    def body(scope):
        seq = Sequencer()

        def leave():
            with seq(0):
                pass

        lock = beside(seq, leave, released=2, name="_guard")  # between the two looks of who begins to wait
        with (yield from seq.turn(1)):
            assert lock.met
        with (yield from seq.turn(2)):
            return "went on"

    assert run_test(body) == "went on"


def test_a_turn_is_not_taken_before_its_time():
    with pytest.raises(IllegalStateError, match="not the turn of 1"):
        with Sequencer()(1):
            pass


def test_a_turn_that_is_over_is_not_waited_for():
    async def body(scope):
        seq = Sequencer()
        turn = seq(0)
        async with turn:
            pass
        with pytest.raises(IllegalStateError, match="turn 0 of the sequencer was used already"):
            async with turn:
                pass

    run_test(body, timeout=5)


def test_a_turn_that_is_left_twice_ends_once():
    def body(scope):
        seq = Sequencer()
        turn = yield from seq.turn(0)
        with turn, turn:
            pass
        later = launch(lambda: (yield from seq.turn(2)))
        yield from wait_until_idle()
        assert later.is_active  # it is the turn of 1
        later.cancel()

    run_test(body)
