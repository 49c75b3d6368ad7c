"""The time that the end of the process takes: one for all rooms. What they do with it: test_process.py of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vmscope import _at_exit
from vmscope._at_exit import GRACE, HOSTS, KEPT, LOOPERS, TIMERS, WATCHES, WORKERS, Wait

ROOMS = (HOSTS, WATCHES, WORKERS, TIMERS, LOOPERS)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(_at_exit, "monotonic", clock)
    yield clock
    _at_exit._forget()


def stuck(room: int, clock: Clock) -> float:
    """What a room waits whose threads do not end."""
    began = clock.now
    with Wait(room) as wait:
        while wait.left() > 0.0:
            clock.now += 0.001
    return clock.now - began


@pytest.mark.parametrize("first", ROOMS)
def test_where_everything_is_stuck_all_rooms_together_wait_for_the_grace_and_none_goes_without(
    first: int, clock: Clock
) -> None:
    """F11"""
    waits = [stuck(room, clock) for room in ROOMS if room <= first]

    assert sum(waits) == pytest.approx(GRACE, abs=0.01)
    assert min(waits) == pytest.approx(KEPT if len(waits) > 1 else GRACE, abs=0.01)


def test_what_a_room_does_not_need_the_next_ones_have(clock: Clock) -> None:
    """F11"""
    with Wait(WORKERS):
        clock.now += 0.3

    assert stuck(LOOPERS, clock) == pytest.approx(GRACE - 0.3, abs=0.01)


def test_what_the_program_does_in_between_takes_nothing_from_those_that_follow(clock: Clock) -> None:
    """F11: an `atexit` function of its own."""
    with Wait(HOSTS):
        clock.now += 0.1
    clock.now += 60.0

    assert stuck(WORKERS, clock) == pytest.approx(GRACE - 0.1 - WORKERS * KEPT, abs=0.01)
