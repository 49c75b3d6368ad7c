"""What strikes inside the queue's own lines: a signal handler or finalizer that uses it, a Ctrl-C that leaves it.

CPython lets these in at few points: as a function begins, after a call, at a jump back. Each of them is tried.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.strike import Strike, striking
from vmscope.looper import MessageQueue, _queue

from .notes import AsyncNote, Note, VirtualClock


@pytest.fixture
def strike() -> Iterator[Strike]:
    codes = {
        member.__code__
        for member in (*vars(MessageQueue).values(), *vars(_queue).values())
        if hasattr(member, "__code__") and member.__module__ == _queue.__name__
    }
    with striking(codes) as strike:
        yield strike


def a_busy_queue() -> tuple[MessageQueue, VirtualClock, list[Note], Callable[[], object]]:
    """A queue, and a use of it that goes through most of its lines."""
    clock = VirtualClock(100.0)
    queue = MessageQueue(clock)
    log: list[Any] = []
    notes = [Note(n, log) for n in range(4)] + [Note(n, log) for n in range(4, 8)] + [AsyncNote(8, log)]

    passing = Note("taken back", log)

    def scenario() -> None:
        queue.put(notes[0])
        queue.put(notes[1])
        queue.put_at(notes[4], 101.0)
        queue.put_at(notes[5], 101.0)
        queue.put_front(notes[6])
        queue.run_due()
        queue.put_at(passing, 300.0)
        queue.peek_when()
        queue.remove(passing)
        token = queue.post_sync_barrier()
        queue.put(notes[2])
        queue.put(notes[8])
        clock.now = 102.0
        queue.run_due()
        queue.remove_sync_barrier(token)
        queue.put_at(notes[7], 101.5)
        queue.put(notes[3])
        queue.run_due()

    return queue, clock, notes, scenario


ACTIONS: dict[str, Callable[[MessageQueue, Note], object]] = {
    "put": lambda queue, note: queue.put(note),
    "put_at": lambda queue, note: queue.put_at(note, 101.0),
    "put_front": lambda queue, note: queue.put_front(note),
    "put and take back": lambda queue, note: (queue.put_at(note, 300.0), queue.remove(note), queue.put(note)),
    "look": lambda queue, note: (repr(queue), queue.peek_when(), queue.put_at(note, 101.0)),
    "look and put in front": lambda queue, note: (queue.put_front(note), queue._snapshot()),
    "quit": lambda queue, note: (queue.put(note), queue.quit()),
    "quit safely": lambda queue, note: (queue.put(note), queue.quit(safely=True)),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_signal_handler_may_use_the_queue_at_any_point_of_its_lines(name, strike):
    at = 0
    while True:
        queue, _, notes, scenario = a_busy_queue()
        extra = Note("extra", notes[0].log)
        struck = strike(scenario, at, lambda queue=queue, extra=extra: ACTIONS[name](queue, extra))
        if not struck:
            break
        queue.run_due()
        wrong = [note for note in (*notes, extra) if note.ran + note.dropped != 1]
        if name.startswith("quit"):
            wrong = [note for note in (*notes, extra) if note.ran + note.dropped > 1]
            assert queue.peek_when() is None, f"point {at}"
        assert not wrong, f"point {at}: {wrong}, {notes[0].log}"
        at += 1
    assert at > 200  # the sweep went somewhere


def test_a_ctrl_c_at_any_point_of_a_run_loses_no_item_and_leaves_no_lock_held(strike):
    def interrupt() -> None:
        raise KeyboardInterrupt

    at = 0
    while True:
        queue, clock, notes, _ = a_busy_queue()
        queue.put(notes[0])
        queue.put_at(notes[4], 101.0)
        token = queue.post_sync_barrier()
        queue.put(notes[1])
        queue.put(notes[8])
        queue.put_at(notes[5], 101.0)
        clock.now = 102.0
        hit = False
        try:
            if not strike(queue.run_due, at, interrupt):
                break
        except KeyboardInterrupt:
            hit = True
        assert hit, f"point {at}: swallowed"
        assert is_free(queue._lock), f"point {at}"
        queue._depth = 0  # a strike between _enter and its `try` is the one thing that is not undone
        queue.remove_sync_barrier(token)
        queue.run_due()
        lost = [notes[n] for n in (0, 1, 4, 5, 8) if not notes[n].ran + notes[n].dropped]
        assert not lost, f"point {at}: {lost} of {notes[0].log}"
        twice = [note for note in notes if note.ran > 1]
        assert not twice, f"point {at}: {twice}"
        times = [101.0 if n in (4, 5) else 100.0 for n in notes[0].log if n != 8]
        assert times == sorted(times), f"point {at}: {notes[0].log}"
        at += 1
    assert at > 60


def test_an_item_that_one_ctrl_c_put_back_is_not_put_back_again_by_the_next(strike):
    def interrupt() -> None:
        raise KeyboardInterrupt

    def run(queue: MessageQueue, at: int) -> bool:
        try:
            return strike(queue.run_due, at, interrupt)
        except KeyboardInterrupt:
            return True

    first = second = 0
    while True:
        queue, log = MessageQueue(VirtualClock(100.0)), []
        queue.put(Note("plain", log))
        queue.put_at(Note("timed", log), 99.0)
        if not run(queue, first):
            break
        queue._depth = 0  # as above
        again = bool(queue._inbox) and run(queue, second)
        queue._depth = 0
        queue.run_due()
        ran = sorted(name for name in log if not name.startswith("-"))  # what was struck as it ran is rejected besides
        assert ran == ["plain", "timed"], f"points {first} and {second}: {log}"
        first, second = (first, second + 7) if again else (first + 1, second % 7)  # one in seven, others for each
    assert first > 30


def test_a_ctrl_c_at_any_point_of_a_quit_leaves_nobody_unheard(strike):
    def interrupt() -> None:
        raise KeyboardInterrupt

    at = 0
    while True:
        queue, _, notes, _ = a_busy_queue()
        queue.put(notes[0])
        queue.put_at(notes[4], 101.0)
        queue.put(notes[1])
        try:
            if not strike(queue.quit, at, interrupt):
                break
        except KeyboardInterrupt:
            pass
        assert is_free(queue._lock), f"point {at}"
        queue.close()  # what loop() does as it ends
        lost = [notes[n] for n in (0, 1, 4) if not notes[n].ran + notes[n].dropped]
        assert not lost, f"point {at}: {lost}"
        at += 1
    assert at > 30


def is_free(lock: Any) -> bool:
    got: list[bool] = []

    def attempt() -> None:
        if lock.acquire(blocking=False):
            got.append(True)
            lock.release()

    other = threading.Thread(target=attempt)
    other.start()
    other.join()
    return got == [True]


class Struck(deque[Any]):
    """A Ctrl-C comes right after the pop, once."""

    struck = False

    def popleft(self) -> Any:
        item = super().popleft()
        if not self.struck:
            self.struck = True
            raise KeyboardInterrupt
        return item


def test_an_item_that_was_popped_as_a_ctrl_c_struck_runs_later() -> None:
    queue, log = MessageQueue(), list[Any]()
    queue._inbox = Struck()
    for n in range(2):
        queue.put(Note(n, log))

    with pytest.raises(KeyboardInterrupt):
        queue.run_due()
    assert log == []
    queue.run_due()

    assert log == [0, 1]


def test_an_item_that_was_popped_to_be_rejected_as_a_ctrl_c_struck_still_hears() -> None:
    queue, log = MessageQueue(), list[Any]()
    queue._doomed = Struck()
    for n in range(2):
        queue.put(Note(n, log))

    with pytest.raises(KeyboardInterrupt):
        queue.quit()

    assert log == ["-0", "-1"]


def test_a_ctrl_c_in_a_rejection_waits_until_all_have_heard() -> None:
    queue, log = MessageQueue(), list[Any]()

    class Interrupted(Note):
        def rejected(self) -> None:
            super().rejected()
            raise KeyboardInterrupt

    queue.put(Interrupted("struck", log))
    queue.put(Note("other", log))

    with pytest.raises(KeyboardInterrupt):
        queue.quit()

    assert log == ["-struck", "-other"]


def test_an_interrupt_is_raised_between_two_items_and_costs_none() -> None:
    queue, log = MessageQueue(), list[Any]()
    queue.put(Note(0, log, queue.interrupt))
    queue.put(Note(1, log))

    with pytest.raises(KeyboardInterrupt):
        queue.run_due()
    assert log == [0]
    queue.run_due()

    assert log == [0, 1]
