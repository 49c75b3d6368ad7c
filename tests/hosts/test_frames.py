"""U7: frames, in virtual time."""

from __future__ import annotations

import pytest

from vmscope import CoroutineScope, Dispatchers, Looper, current_time, delay, launch
from vmscope.hosts import animate, await_frame
from vmscope.testing import TestScope, run_test

from ..looper.notes import VirtualClock


def test_all_who_wait_for_a_frame_get_the_same_moment() -> None:
    """U7"""

    async def program(test: TestScope) -> list[float]:
        frames: list[float] = []

        async def waits(seconds: float) -> None:
            await delay(seconds)
            frames.append(await await_frame())

        await delay(1.0)
        jobs = [launch(waits, seconds) for seconds in (0.001, 0.004, 0.012)]
        for job in jobs:
            await job.join()
        return frames

    assert run_test(program) == [61 / 60] * 3


def test_frames_follow_one_another_and_none_lies_in_the_future() -> None:
    """U7"""

    async def program(test: TestScope) -> None:
        last = -1.0
        for _ in range(100):
            frame = await await_frame(10)
            assert frame > last
            assert frame <= current_time() + 1e-9
            last = frame
        assert last == pytest.approx(10.0)

    run_test(program)


def test_frames_that_a_busy_thread_has_missed_are_left_out() -> None:
    """U7"""
    clock = VirtualClock(1.0)
    looper = Looper.prepare_main(clock)
    frames: list[float] = []

    async def waits() -> None:
        while True:
            frames.append(await await_frame(10))

    CoroutineScope(Dispatchers.Main).launch(waits)
    looper.pump()
    for moment in (1.1, 1.75, 1.8):
        clock.now = moment
        looper.pump()

    assert frames == pytest.approx([1.1, 1.7, 1.8])


def test_an_animation_begins_at_0_and_ends_at_exactly_1() -> None:
    """U7"""

    async def program(test: TestScope) -> list[float]:
        steps: list[float] = []
        await animate(0.5, steps.append, rate=10)
        return steps

    steps = run_test(program)

    assert steps[0] == 0.0
    assert steps[-1] == 1.0
    assert steps == sorted(steps)
    assert len(steps) == 6


def test_an_animation_of_no_length_is_its_end() -> None:
    """U7"""

    async def program(test: TestScope) -> list[float]:
        steps: list[float] = []
        await animate(0.0, steps.append)
        return steps

    assert run_test(program) == [1.0]


def test_a_cancelled_animation_stops_where_it_is() -> None:
    """U7"""

    async def program(test: TestScope) -> list[float]:
        steps: list[float] = []
        job = launch(lambda: animate(10.0, steps.append, rate=10))
        await delay(0.25)
        job.cancel()
        await delay(1.0)
        return steps

    assert run_test(program) == pytest.approx([0.0, 0.01, 0.02])


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    """U7"""
    with pytest.raises(ValueError, match="frames in a second must be more than 0"):
        await_frame(rate)
    with pytest.raises(ValueError, match="frames in a second must be more than 0"):
        animate(1.0, print, rate)


def test_an_animation_of_nan_seconds_is_refused() -> None:
    """U7"""
    with pytest.raises(ValueError, match="the seconds must be a number"):
        animate(float("nan"), print)
