"""MessageQueue by itself: order, taking back, dying, idling."""

from __future__ import annotations

import functools
import gc
import math
import signal
import threading
import weakref

import pytest

from vmscope import IllegalStateError
from vmscope._primitives import FIRST_WAIT, WAIT_GROWTH
from vmscope.looper import Handler, Looper, MessageQueue, _queue

from .notes import AsyncNote, Note, VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


@pytest.fixture
def queue(clock: VirtualClock) -> MessageQueue:
    return MessageQueue(clock)


def test_a_timed_item_runs_before_one_put_later_and_due_later(queue, clock):
    log = []
    queue.put_at(Note("timed", log), 101.0)
    clock.now = 102.0
    queue.put(Note("now", log))

    queue.run_due()

    assert log == ["timed", "now"]


def test_on_a_tie_the_item_put_first_runs_first(queue, clock):
    log = []
    queue.put_at(Note("ahead of time", log), 101.0)
    clock.now = 101.0
    queue.put(Note("at that time", log))
    clock.now = 102.0
    queue.put_at(Note("after that time", log), 101.0)

    queue.run_due()

    assert log == ["ahead of time", "at that time", "after that time"]


def test_of_items_put_in_front_the_latest_runs_first(queue):
    log = []
    queue.put(Note("plain", log))
    queue.put_front(Note("first in front", log))
    queue.put_at(Note("second in front", log), 0)

    queue.run_due()

    assert log == ["second in front", "first in front", "plain"]


@pytest.mark.parametrize("when", [math.nan, -math.nan])
def test_a_time_that_is_no_number_is_refused(queue, when):
    with pytest.raises(ValueError, match="a time must be a number of seconds"):
        queue.put_at(Note("n", []), when)


def test_a_delay_too_short_for_the_clock_to_show_goes_behind_what_was_put_before(queue):
    log = []
    queue.put(Note("first", log))
    queue.put_after(Note("second", log), 1e-20)

    queue.run_due()

    assert log == ["first", "second"]


def test_what_is_due_in_infinity_stays_until_it_is_removed(queue, clock):
    log = []
    note = Note("never", log)
    queue.put_at(note, math.inf)
    clock.now = 1e300

    assert queue.run_due() is None
    assert queue.peek_when() == math.inf

    queue.remove(note)
    assert queue.peek_when() is None
    assert log == []


def test_a_removed_item_is_not_kept_alive(queue):
    notes = [Note(n, []) for n in range(10)]
    for note in notes:
        queue.put_at(note, 1_000.0)
    queue.run_due()
    gone = weakref.ref(notes[3])

    queue.remove(notes[3])
    del notes[3], note
    gc.collect()

    assert gone() is None


def test_an_item_that_is_removed_while_the_consumer_sleeps_is_not_kept_until_it_wakes(queue):
    far = Note("sleeps until then", [])
    queue.put_at(far, 1_000.0)
    queue.run_due()  # from here on nobody takes: what is due later wakes no sleeper
    notes = [Note(n, []) for n in range(5_000)]
    gone = [weakref.ref(note) for note in notes]
    for note in notes:
        queue.put_at(note, 2_000.0)
        queue.remove(note)
    del notes, note

    gc.collect()

    assert [known for known in gone if known() is not None] == []
    assert len(queue._timed) == 0
    assert queue.peek_when() == 1_000.0


def test_removed_items_never_outnumber_the_live_by_more_than_a_thousand(queue):
    notes = [Note(n, []) for n in range(5_000)]
    for note in notes:
        queue.put_at(note, 1_000.0 + note.name)
    queue.run_due()

    most = 0
    for live, note in reversed(list(enumerate(notes))):
        queue.remove(note)
        most = max(most, len(queue._heap) - 2 * live)

    assert most <= 1_000
    assert queue.peek_when() is None


def test_many_that_are_taken_back_are_cleaned_up_a_few_times_and_never_shown(queue, monkeypatch):
    notes = [Note(n, []) for n in range(500)]
    for note in notes:
        queue.put_at(note, 1_000.0 + note.name)
    compact, compacted = MessageQueue._compact_locked, []

    def counting(queue):
        compacted.append(len(queue._heap))
        compact(queue)

    monkeypatch.setattr(MessageQueue, "_compact_locked", counting)
    queue.run_due()
    for live in range(400, 100, -1):
        queue.remove(notes[live])
        assert repr(queue) == f"<MessageQueue at rest, {99 + live} pending>"

    assert len(compacted) <= 3


def test_what_was_found_and_put_anew_since_is_not_taken_back(queue, clock):
    log = []
    note = Note("again", log)
    queue.put_at(note, 101.0)
    found = queue._entries()
    queue.remove(note)
    queue.put_at(note, 102.0)

    queue._remove_entries(found)

    clock.now = 103.0
    queue.run_due()
    assert log == ["again"]


def test_an_item_taken_back_may_be_put_again_at_once_and_runs_once(queue, clock):
    log = []
    note = Note("again", log)
    queue.put_at(note, 101.0)
    queue.run_due()
    queue.remove(note)
    queue.put_at(note, 102.0)

    clock.now = 101.5
    queue.run_due()
    assert log == []

    clock.now = 103.0
    queue.run_due()
    assert log == ["again"]


def test_a_budget_of_nothing_runs_one_item_and_says_that_work_is_left(queue):
    log = []
    for name in "abc":
        queue.put(Note(name, log))

    assert queue.run_due(0.0) == 0.0
    assert log == ["a"]
    assert queue.run_due() is None
    assert log == ["a", "b", "c"]


def test_a_queue_that_quits_safely_says_that_work_is_left(queue):
    for name in "ab":
        queue.put(Note(name, []))
    queue.quit(safely=True)

    assert queue.run_due(0.0) == 0.0
    assert queue.run_due() is None


@pytest.mark.parametrize("by", ["run_due", "run_until"])
def test_what_ends_the_outer_loop_while_an_item_runs_one_of_its_own_ends_it_before_the_next_item(queue, by):
    log = []

    def nest():
        queue.put(Note("ends it", log, queue.wake))
        queue.put(Note("inner", log))
        if by == "run_due":
            queue.run_due()
        else:
            queue.run_until(lambda: "inner" in log)
        queue.put(Note("next", log))

    queue.put(Note("nests", log, nest))
    queue.run_until(lambda: "ends it" in log, told=True)

    assert log == ["nests", "ends it", "inner"]


def test_an_item_that_puts_itself_for_ever_starves_neither_timers_nor_quit():
    queue = MessageQueue()
    log = []
    eager = Note("again", [])
    eager.then = lambda: queue.put(eager)
    queue.put(eager)
    queue.put_at(Note("timer", log, queue.quit), queue.clock() + 0.01)

    queue.run_until()

    assert log == ["timer"]
    assert eager.dropped == 1


def test_quit_rejects_what_is_pending_and_refuses_what_comes(queue):
    log = []
    queue.put(Note("due", log))
    queue.put_at(Note("later", log), 101.0)

    queue.quit()
    late = Note("late", log)

    assert log == ["-due", "-later"]
    assert (queue.put(late), queue.put_at(late, 200.0), queue.put_front(late)) == (False, False, False)
    assert late.dropped == 0


def test_what_was_rejected_is_not_kept_by_the_queue(queue):
    notes = [Note("due", []), Note("later", [])]
    queue.put(notes[0])
    queue.put_at(notes[1], 101.0)
    gone = [weakref.ref(note) for note in notes]

    queue.quit()
    del notes
    gc.collect()

    assert [note() for note in gone] == [None, None]


def test_quit_safely_runs_what_is_due_and_rejects_the_rest(queue):
    log = []
    queue.put(Note("due", log, lambda: queue.quit(safely=True)))
    queue.put(Note("due, too", log))
    queue.put_at(Note("later", log), 101.0)

    queue.run_until()

    assert log == ["due", "due, too", "-later"]


def test_after_quit_safely_what_was_due_at_a_time_runs_and_what_was_due_later_does_not(queue, clock):
    log = []
    for when in (103.0, 101.0, 102.0):
        queue.put_at(Note(when, log), when)
    clock.now = 102.0

    queue.put_front(Note("quits", log, lambda: queue.quit(safely=True)))
    queue.run_due()

    assert log == ["quits", 101.0, 102.0, "-103.0"]


def test_a_safe_quit_between_two_runs_leaves_what_was_due_to_the_next(queue, clock):
    log = []
    for when in (103.0, 101.0, 102.0):
        queue.put_at(Note(when, log), when)
    clock.now = 102.0

    queue.quit(safely=True)
    assert log == ["-103.0"]

    queue.run_due()
    assert log == ["-103.0", 101.0, 102.0]


@pytest.mark.parametrize("by", ["run_due", "run_until"])
def test_a_loop_in_an_item_leaves_what_is_due_at_a_safe_quit_to_the_loop_around_it(queue, by):
    log = []

    def nest():
        queue.quit(safely=True)
        if by == "run_due":
            queue.run_due(0.0)
        else:
            queue.run_until(lambda: "in the inner loop" in log)

    for name, then in (("nests", nest), ("in the inner loop", None), ("in the outer loop", None)):
        queue.put(Note(name, log, then))
    queue.run_due()

    assert log == ["nests", "in the inner loop", "in the outer loop"]


def test_what_a_barrier_held_back_is_pending_once_after_a_safe_quit(queue):
    log = []
    token = queue.post_sync_barrier()
    queue.put(Note("held", log))
    queue.run_due()

    queue.quit(safely=True)

    assert repr(queue) == "<MessageQueue quitting, 1 pending>"
    queue.remove_sync_barrier(token)
    queue.run_due()
    assert log == ["held"]


def test_a_loop_in_an_item_is_not_told_to_wait_for_what_a_safe_quit_will_drop(queue):
    rests = []

    def quit_and_nest():
        queue.quit(safely=True)
        rests.extend((queue.run_due(), queue.peek_when()))

    queue.put_at(Note("later", []), 100.5)
    queue.put(Note("nests", [], quit_and_nest))
    queue.run_due()

    assert rests == [None, None]


def test_a_loop_that_ends_before_what_was_due_at_a_safe_quit_has_run_rejects_it(queue):
    log = []
    queue.put(Note("quits", log, lambda: queue.quit(safely=True)))
    queue.put(Note("due", log))

    queue.run_until(lambda: log)

    assert log == ["quits", "-due"]


def test_a_quit_after_a_safe_one_drops_no_more(queue):
    log = []
    queue.put(Note("due", log))
    queue.quit(safely=True)
    queue.quit()

    queue.run_until()

    assert log == ["due"]


def test_while_a_queue_quits_safely_only_what_is_due_counts_as_pending(queue):
    shown = []

    def quit_and_show():
        queue.quit(safely=True)
        shown.append(repr(queue))

    queue.put(Note("quits", [], quit_and_show))
    queue.put(Note("due", []))
    queue.put_at(Note("later", []), 101.0)
    queue.run_due()

    assert shown == ["<MessageQueue quitting, 1 pending>"]


def test_the_item_that_quits_the_queue_finishes_and_no_other_begins(queue):
    log = []
    queue.put(Note("quits", log, lambda: (queue.quit(), log.append("finished"))))
    queue.put(Note("next", log))

    queue.run_until()

    assert log == ["quits", "finished", "-next"]


def test_what_an_item_puts_while_it_is_rejected_is_refused(queue):
    class Stubborn(Note):
        def rejected(self) -> None:
            super().rejected()
            assert not queue.put(Note("more", self.log))

    log = []
    queue.put(Stubborn("stubborn", log))
    queue.put(Note("other", log))

    queue.quit()

    assert log == ["-stubborn", "-other"]


def test_a_rejection_that_fails_is_reported_and_the_others_still_hear(queue, uncaught):
    class Failing(Note):
        def rejected(self) -> None:
            raise OSError("no")

    log = []
    queue.put(Failing("failing", log))
    queue.put(Note("other", log))

    queue.quit()

    assert log == ["-other"]
    assert isinstance(uncaught.pop(), OSError)


@pytest.mark.parametrize("kind", [OSError, IndexError])
def test_an_item_that_raises_is_reported_once_and_the_next_one_runs(queue, uncaught, kind):
    def fail() -> None:
        raise kind("no")

    log = []
    failing = Note("failing", log, fail)
    queue.put(failing)
    queue.put(Note("next", log))

    queue.run_due()

    assert [str(error) for error in uncaught] == ["no"]
    uncaught.clear()
    assert log == ["failing", "-failing", "next"]  # told that it is over, as run() cannot be trusted to have noticed


def test_an_item_whose_run_is_no_python_function_and_raises_is_reported_as_well(queue, uncaught):
    broken, log = Note("broken", []), []
    broken.run = {}.popitem
    queue.put(broken)
    queue.put(Note("next", log))

    queue.run_due()

    assert isinstance(uncaught.pop(), KeyError)
    assert (broken.dropped, log) == (1, ["next"])


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_leaves_the_queue_in_order(queue, kind):
    def end() -> None:
        raise kind

    log = []
    queue.put(Note("ends", log, end))
    queue.put(Note("next", log))

    with pytest.raises(kind):
        queue.run_due()
    queue.run_due()

    assert log == ["ends", "-ends", "next"]


def test_a_loop_in_an_item_runs_the_items_after_it(queue):
    log = []

    def inner() -> None:
        queue.run_until(lambda: "second" in log)
        log.append("inner done")

    queue.put(Note("first", log, inner))
    queue.put(Note("second", log))
    queue.put(Note("third", log))

    queue.run_due()

    assert log == ["first", "second", "inner done", "third"]


def test_a_queue_is_run_by_one_thread_at_a_time(queue):
    refused = []

    def intrude() -> None:
        with pytest.raises(IllegalStateError, match="does already; put to it instead"):
            queue.run_due()
        refused.append(True)

    def hand_over() -> None:
        other = threading.Thread(target=intrude)
        other.start()
        other.join()

    queue.put(Note("runs", [], hand_over))
    queue.run_due()

    assert refused == [True]


def test_run_until_asks_again_when_it_is_woken():
    queue = MessageQueue()
    done = []
    other = threading.Thread(target=lambda: (done.append(True), queue.wake()))
    queue.put(Note("starts", [], other.start))

    queue.run_until(lambda: done)
    other.join()

    assert done == [True]


def test_a_sleeper_is_not_woken_for_what_is_due_later_than_its_next_item():
    queue = MessageQueue()
    asleep = threading.Event()
    looks = []
    queue.add_idle_handler(lambda: asleep.set())
    queue.put_at(Note("soon", []), queue.clock() + 3_600)
    thread = threading.Thread(target=lambda: queue.run_until(lambda: looks.append(1)))
    thread.start()
    asleep.wait(5)
    while not (queue.is_polling() and queue._sleep_until < math.inf):  # announced, and it is known until when
        pass
    before = len(looks)

    queue.put_at(Note("later", []), queue.clock() + 7_200)
    assert queue.is_polling()
    assert len(looks) == before

    queue.quit()
    thread.join()


def test_a_queue_that_has_slept_until_its_next_item_polls_no_more():
    queue, shown = MessageQueue(), []
    queue.put_at(Note("timer", [], lambda: shown.append((queue.is_polling(), repr(queue)))), queue.clock() + 0.005)

    queue.run_until(lambda: shown)

    assert shown == [(False, "<MessageQueue running, 0 pending>")]


def test_of_a_queue_that_is_gone_nothing_is_known_any_more():
    queue = MessageQueue()
    known = [each for each in _queue._live if each() is queue]

    del queue
    gc.collect()

    assert len(known) == 1
    assert known[0] not in _queue._live


def test_an_empty_queue_pins_nothing_that_has_run(queue, clock):
    plain, timed = Note("plain", []), Note("timed", [])
    gone = weakref.ref(plain), weakref.ref(timed)
    queue.put(plain)
    queue.put_at(timed, 101.0)
    clock.now = 102.0

    queue.run_due()
    del plain, timed
    gc.collect()

    assert [ref() for ref in gone] == [None, None]


# ---- barriers


def test_a_barrier_holds_back_what_follows_and_lets_asynchronous_items_pass(queue):
    log = []
    queue.put(Note("before", log))
    token = queue.post_sync_barrier()
    queue.put(Note("behind", log))
    queue.put(AsyncNote("passes", log))

    queue.run_due()
    assert log == ["before", "passes"]
    assert queue.is_blocked_on_barrier

    queue.remove_sync_barrier(token)
    queue.run_due()
    assert log == ["before", "passes", "behind"]


def test_a_barrier_for_a_time_holds_back_what_comes_after_that_time(queue, clock):
    log = []
    token = queue.post_sync_barrier(101.0)
    queue.put(Note("now", log))
    queue.put_at(Note("before it", log), 100.5)
    queue.put_at(Note("after it", log), 101.5)
    clock.now = 102.0

    queue.run_due()
    assert log == ["now", "before it"]

    queue.remove_sync_barrier(token)
    queue.run_due()
    assert log == ["now", "before it", "after it"]


def test_what_a_barrier_held_back_goes_before_what_is_due_later(queue, clock):
    log = []
    token = queue.post_sync_barrier()
    for when in (110.0, 101.0, 103.0, 102.0):
        queue.put_at(Note(when, log), when)
    clock.now = 105.0
    queue.run_due()
    assert log == []

    queue.remove_sync_barrier(token)
    queue.run_due()
    assert log == [101.0, 102.0, 103.0]


def test_what_is_taken_back_behind_a_barrier_is_not_pending_any_more(queue, clock):
    note = Note("held back", [])
    token = queue.post_sync_barrier()
    queue.put_at(note, 101.0)
    clock.now = 102.0
    queue.run_due()
    assert queue.peek_when() == 101.0

    queue.remove(note)
    assert queue.peek_when() is None
    queue.remove_sync_barrier(token)
    queue.run_due()
    assert note.ran == 0


def test_a_barrier_that_was_removed_before_its_time_holds_back_nothing(queue, clock):
    log = []
    queue.remove_sync_barrier(queue.post_sync_barrier(101.0))
    assert queue.peek_when() is None
    queue.put_at(Note("after it", log), 101.5)
    clock.now = 102.0

    queue.run_due()

    assert log == ["after it"]
    assert not queue.is_blocked_on_barrier


@pytest.mark.parametrize("first_removed", ["the earlier", "the later", "the later, and then put again"])
def test_a_barrier_that_is_put_before_one_that_stands_does_not_do_away_with_it(queue, clock, first_removed):
    log: list[object] = []
    later = queue.post_sync_barrier()
    queue.put(Note("behind", log))
    queue.run_due()
    earlier = queue.post_sync_barrier(clock.now - 1.0)
    queue.put_at(Note("between", log), clock.now - 0.5)
    queue.run_due()
    assert log == []

    if first_removed == "the earlier":
        queue.remove_sync_barrier(earlier)
        queue.run_due()
        assert log == ["between"]
        queue.remove_sync_barrier(later)
    else:
        queue.remove_sync_barrier(later)
        if first_removed == "the later, and then put again":
            later = queue.post_sync_barrier(clock.now - 0.75)
            queue.run_due()
        assert log == []
        queue.remove_sync_barrier(earlier)
        queue.run_due()
        if first_removed == "the later, and then put again":
            assert log == []
            queue.remove_sync_barrier(later)
    queue.run_due()

    assert log == ["between", "behind"]
    assert queue.peek_when() is None


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside an item"])
def test_a_barrier_that_was_removed_before_its_time_is_not_pending_any_more(queue, beside):
    token = queue.post_sync_barrier(101.0)
    if beside:
        queue.put(Note("due", []))

    queue.remove_sync_barrier(token)
    queue.run_due()

    assert queue.peek_when() is None
    assert queue.run_due() is None


def test_a_barrier_that_was_removed_before_it_was_taken_up_is_run_past_in_its_turn(queue):
    log = []
    queue.put(Note("first", log))
    token = queue.post_sync_barrier()
    queue.put(Note("second", log))

    queue.remove_sync_barrier(token)
    queue.run_due()

    assert log == ["first", "second"]
    assert queue._dead == 0


def test_a_queue_shows_what_it_does(queue, clock):
    shown = []
    queue.set_host(lambda: None)
    at_rest = repr(MessageQueue(clock))
    queue.put(Note("running", [], lambda: shown.append(repr(queue))))
    queue.run_due()
    polling = repr(queue)
    queue.quit()

    assert [at_rest, *shown, polling, repr(queue)] == [
        "<MessageQueue at rest, 0 pending>",
        "<MessageQueue running, 0 pending>",
        "<MessageQueue polling, 0 pending>",
        "<MessageQueue quitting, 0 pending>",
    ]


def test_behind_a_barrier_the_time_of_what_is_held_back_says_nothing(queue):
    queue.post_sync_barrier()
    queue.run_due()
    queue.put_at(Note("held back", []), 105.0)
    taken_back = AsyncNote("taken back", [])
    queue.put_at(taken_back, 106.0)
    queue.put_at(AsyncNote("passes", []), 107.0)
    for number in range(100):  # so many that what is taken back stays among them
        queue.put_at(Note(number, []), 200.0)
    assert queue.run_due() == 6.0
    queue.remove(taken_back)

    assert queue.run_due() == 7.0


def test_a_barrier_token_is_good_once(queue):
    token = queue.post_sync_barrier()
    queue.remove_sync_barrier(token)

    with pytest.raises(IllegalStateError, match=f"remove barrier {token}"):
        queue.remove_sync_barrier(token)
    with pytest.raises(IllegalStateError, match="never posted here"):
        queue.remove_sync_barrier(99)


def test_a_queue_is_not_blocked_on_a_barrier_that_was_removed(queue):
    token = queue.post_sync_barrier()
    queue.run_due()
    assert queue.is_blocked_on_barrier

    queue.remove_sync_barrier(token)

    assert not queue.is_blocked_on_barrier


def test_a_queue_is_not_blocked_on_a_barrier_while_something_asynchronous_is_due(queue, clock):
    queue.post_sync_barrier()
    queue.run_due()
    assert queue.is_blocked_on_barrier

    queue.put_at(AsyncNote("passes", []), 101.0)
    assert queue.is_blocked_on_barrier
    clock.now = 101.0
    assert not queue.is_blocked_on_barrier


def test_of_what_a_barrier_holds_back_the_earliest_time_is_told(queue, clock):
    queue.post_sync_barrier()
    for now in (100.0, 105.0):
        clock.now = now
        queue.put(Note(now, []))
    queue.run_due()

    assert queue.peek_when() == 100.0


def test_removing_a_barrier_wakes_the_loop_that_it_blocked():
    queue = MessageQueue()
    log = []
    token = queue.post_sync_barrier()
    queue.put(Note("behind", log, queue.quit))
    thread = threading.Thread(target=queue.run_until)
    thread.start()
    while not (queue.is_polling() and queue.is_blocked_on_barrier):
        pass

    queue.remove_sync_barrier(token)
    thread.join(5)

    assert log == ["behind"]


def test_behind_a_barrier_only_an_asynchronous_item_wakes_the_sleeper():
    queue = MessageQueue()
    log = []
    queue.post_sync_barrier()
    thread = threading.Thread(target=queue.run_until)
    thread.start()
    while not (queue.is_polling() and queue.is_blocked_on_barrier):
        pass

    queue.put(Note("held", log))
    assert queue.is_polling()
    queue.put(AsyncNote("passes", log, queue.quit))
    thread.join(5)

    assert log == ["passes", "-held"]


def test_behind_a_barrier_a_host_is_called_for_what_stands_before_it_and_not_for_what_is_to_come(queue):
    log, calls = [], []
    queue.post_sync_barrier()
    queue.set_host(lambda: calls.append("wake"))
    queue.run_due()
    calls.clear()

    queue.put_at(Note("held", log), 101.0)
    assert calls == []
    queue.put_front(Note("first", log))
    assert calls == ["wake"]
    queue.run_due()
    assert log == ["first"]


# ---- idle handlers


def test_an_idle_handler_runs_before_each_sleep_that_follows_an_item(queue, clock):
    log = []

    def idle():
        log.append("idle")
        clock.now += 1.0
        return True

    queue.add_idle_handler(idle)
    queue.put(Note("first", log))
    queue.put_at(Note("second", log), 101.0)
    queue.put_at(Note("third", log, queue.quit), 102.0)

    queue.run_until()

    assert log == ["first", "idle", "second", "idle", "third"]


def test_an_idle_handler_is_not_called_again_for_a_wake_up_without_an_item():
    queue, log, asked = MessageQueue(), [], []
    queue.add_idle_handler(lambda: log.append("idle") or True)
    thread = threading.Thread(target=lambda: queue.run_until(lambda: asked.append(1)))
    thread.start()
    for _ in range(3):
        while not queue.is_polling():
            pass
        before = len(asked)
        queue.wake()
        while len(asked) == before:
            pass
    queue.quit()
    thread.join(5)

    assert log == ["idle"]


def test_an_idle_handler_is_not_called_while_a_budget_leaves_work(queue):
    log = []
    queue.add_idle_handler(lambda: log.append("idle"))
    for name in "ab":
        queue.put(Note(name, log))

    queue.run_due(0.0)
    assert log == ["a"]
    queue.run_due()
    assert log == ["a", "b", "idle"]


def test_an_idle_handler_that_comes_while_the_queue_sleeps_is_called_before_it_sleeps_on():
    queue, log = MessageQueue(), []
    thread = threading.Thread(target=queue.run_until)
    thread.start()
    while not queue.is_polling():
        pass

    queue.add_idle_handler(lambda: (log.append("idle"), queue.quit()))
    queue.wake()
    thread.join(5)
    queue.quit()

    assert log == ["idle"]


def test_an_idle_handler_that_answers_false_or_raises_is_removed(queue, uncaught):
    calls = []
    queue.add_idle_handler(lambda: calls.append("once"))
    queue.add_idle_handler(lambda: 1 / 0)

    for _ in range(2):
        queue.put(Note("n", []))
        queue.run_due()

    assert calls == ["once"]
    assert isinstance(uncaught.pop(), ZeroDivisionError)


def test_an_idle_handler_that_answers_false_is_called_once(queue):
    asked = []
    queue.add_idle_handler(lambda: asked.append("once"))
    queue.add_idle_handler(lambda: asked.append("stays") or True)
    for _ in range(2):
        queue.put(Note("turn", []))
        queue.run_due()

    assert asked == ["once", "stays", "stays"]


def test_an_idle_handler_is_not_called_for_a_queue_that_quits(queue):
    log = []
    queue.add_idle_handler(lambda: log.append("idle"))
    queue.put(Note("quits", log, queue.quit))

    queue.run_due()

    assert log == ["quits"]


def test_what_an_idle_handler_puts_runs_without_a_sleep(queue):
    log = []
    queue.add_idle_handler(lambda: queue.put(Note("from idleness", log)) and None)

    queue.run_until(lambda: log)

    assert log == ["from idleness"]


def test_what_an_idle_handler_puts_runs_in_the_same_pump(queue):
    log = []
    queue.add_idle_handler(lambda: queue.put(Note("put", log)))

    queue.run_due()

    assert log == ["put"]


def test_no_idle_handler_is_called_as_a_loop_ends(queue):
    log = []
    queue.add_idle_handler(lambda: log.append("idle"))
    queue.put(Note("ends it", log, queue.wake))

    queue.run_until(lambda: log, told=True)

    assert log == ["ends it"]


def test_removing_an_idle_handler_finds_it_by_equality(queue):
    class Handlers:
        calls = 0

        def idle(self) -> bool:
            self.calls += 1
            return True

    handlers, others = Handlers(), Handlers()
    queue.add_idle_handler(others.idle)
    queue.add_idle_handler(handlers.idle)
    queue.remove_idle_handler(handlers.idle)

    queue.run_due()

    assert (handlers.calls, others.calls) == (0, 1)


def test_a_queue_is_idle_while_nothing_is_due(queue, clock):
    queue.put_at(Note("later", []), 101.0)
    assert queue.is_idle()

    clock.now = 101.0
    assert not queue.is_idle()


# ---- a host


def test_a_host_is_called_once_for_many_puts_and_again_after_a_run(queue):
    calls = []
    queue.set_host(lambda: calls.append("wake"))
    for n in range(3):
        queue.put(Note(n, []))
    assert calls == ["wake"]

    queue.run_due()
    queue.put(Note("next", []))

    assert calls == ["wake", "wake"]


def test_a_host_is_asked_for_the_rest_when_a_loop_of_ours_has_ended(queue):
    log, calls = [], []
    queue.set_host(lambda: calls.append("wake"))
    queue.put(Note("first", log, calls.clear))
    queue.put(Note("second", log))

    queue.run_until(lambda: log)

    assert (log, calls) == (["first"], ["wake"])


def test_a_host_that_comes_while_an_item_runs_is_called_when_that_is_over(queue):
    log, calls = [], []
    queue.put(Note("first", log, lambda: queue.set_host(lambda: calls.append("wake"))))
    queue.put(Note("second", log, lambda: log.append(len(calls))))

    queue.run_due()
    assert (log, calls) == (["first", "second", 0], [])
    queue.put(Note("third", log))

    assert calls == ["wake"]


def test_a_host_is_called_for_what_was_put_before_it_came(queue):
    calls = []
    queue.put(Note("early", []))

    queue.set_host(lambda: calls.append("wake"))

    assert calls == ["wake"]


def test_a_queue_whose_host_has_left_sleeps_no_more(queue):
    queue.set_host(lambda: None)
    queue.run_due()
    assert queue.is_polling()

    queue.set_host(None)

    assert not queue.is_polling()


def test_a_host_is_not_called_for_what_is_due_after_its_next_pump(queue):
    calls = []
    queue.put_at(Note("soon", []), 101.0)
    queue.set_host(lambda: calls.append("wake"))
    assert queue.run_due() == 1.0
    calls.clear()

    for when in (101.0, 102.0):
        queue.put_at(Note("later", []), when)
    assert calls == []
    queue.put_at(Note("earlier", []), 100.5)
    assert calls == ["wake"]


def test_a_queue_that_refuses_messages_takes_what_else_there_is(queue):
    """For a host that closes: handlers are refused, and coroutines that clean up still come back."""
    log = []
    handler = Handler(Looper.create_for_test())
    handler._queue = queue
    assert handler.post(lambda: log.append("before"))

    queue.refuse_messages()

    assert not handler.post(lambda: log.append("post"))
    assert not handler.post_delayed(lambda: log.append("delayed"), 1.0)
    assert not handler.post_at_front_of_queue(lambda: log.append("front"))
    assert queue.put(Note("note", log))
    assert queue.put_at(Note("timed", log), 100.0)
    assert queue.put_front(Note("front", log))
    queue.run_due()
    assert log == ["front", "before", "note", "timed"]
    queue.quit()
    assert not queue.put(Note("late", log))
    assert not queue.put_at(Note("late", log), 200.0)
    assert not queue.put_front(Note("late", log))


def test_a_host_is_called_while_an_item_runs_the_loop_of_a_dialog(queue):
    """An item that runs the host's own loop, in which the host pumps again: that loop sleeps, and is to be woken."""
    log, calls = [], []
    queue.set_host(lambda: calls.append("wake"))

    def dialog() -> None:
        assert queue.run_due() is None
        calls.clear()
        queue.put(Note("inside", log))
        assert calls == ["wake"]
        queue.run_due()
        queue.put_at(Note("later", log), 101.0)
        assert queue.run_due() == 1.0

    queue.put(Note("dialog", log, dialog))
    queue.run_due()

    assert log == ["dialog", "inside"]
    calls.clear()
    queue.put(Note("after", log))
    assert calls == ["wake"]


def test_a_host_that_raises_is_reported_and_the_put_stands(queue, uncaught):
    def closed() -> None:
        raise RuntimeError("the loop is closed")

    queue.set_host(closed)

    assert queue.put(Note("n", []))
    assert str(uncaught.pop()) == "the loop is closed"


def test_with_a_host_quit_safely_leaves_what_is_due_to_the_next_pump(queue):
    log, calls = [], []
    queue.set_host(lambda: calls.append("wake"))
    queue.put(Note("due", log))
    queue.put_at(Note("later", log), 101.0)
    calls.clear()

    queue.quit(safely=True)
    assert (log, calls) == (["-later"], ["wake"])

    queue.run_due()
    assert log == ["-later", "due"]


def test_an_interrupt_comes_between_two_items_and_once(queue):
    log = []
    queue.put(Note("first", log, queue.interrupt))
    queue.put(Note("second", log))

    with pytest.raises(KeyboardInterrupt):
        queue.run_due()
    assert log == ["first"]

    queue.run_due()
    assert log == ["first", "second"]


def test_what_was_handed_out_does_not_come_back_when_an_interrupt_strikes_later(queue):
    note = Note("handed out", [])
    queue.put(note)
    assert queue.next(0) is note
    queue.interrupt()

    with pytest.raises(KeyboardInterrupt):
        queue.run_due()
    queue.run_due()

    assert note.ran == 0


def test_a_ctrl_c_right_after_an_item_is_not_taken_for_its_failure(queue):
    note, before = Note("ran", []), signal.signal(signal.SIGINT, signal.default_int_handler)
    note.run = functools.partial(signal.raise_signal, signal.SIGINT)
    queue.put(note)
    try:
        with pytest.raises(KeyboardInterrupt):
            queue.run_due()
    finally:
        signal.signal(signal.SIGINT, before)

    assert note.dropped == 0


def test_next_waits_for_what_another_thread_puts():
    queue, log = MessageQueue(), []
    note = Note("put", log)

    def put():
        while not queue.is_polling():
            pass
        queue.put(note)

    putter = threading.Thread(target=put)
    putter.start()
    taken = queue.next()
    putter.join()

    assert taken is note
    assert log == []


@pytest.mark.parametrize("by", ["next", "run_until, with a host"])
def test_a_put_wakes_who_sleeps_in_the_queue_itself(by):
    queue, log = MessageQueue(), []
    note = Note("put", log)
    if by == "next":
        consume = lambda: queue.next().run()  # noqa: E731
    else:
        queue.set_host(lambda: None)
        consume = lambda: queue.run_until(lambda: log)  # noqa: E731
    thread = threading.Thread(target=consume, daemon=True)
    thread.start()
    while not queue.is_polling():
        pass
    if by != "next":
        while not queue._depth:
            pass
    queue.put(note)
    thread.join(5)

    assert log == ["put"]


def test_next_gives_up_when_the_queue_quits():
    queue, taken = MessageQueue(), []
    queue.quit()
    taker = threading.Thread(target=lambda: taken.append(queue.next()), daemon=True)
    taker.start()
    taker.join(5)

    assert taken == [None]


def test_next_gives_up_when_its_time_is_up_also_where_something_is_due_later():
    queue = MessageQueue()
    assert queue.next(0.001) is None

    queue.put_at(Note("later", []), queue.clock() + 3_600)
    assert queue.next(0.001) is None


def test_a_wait_on_the_main_thread_is_cut_in_ever_longer_pieces(queue):
    waits = []

    class Bell:
        def wait(self, seconds):
            waits.append(seconds)
            return len(waits) == 5

    queue._bell = Bell()
    queue._sleep()

    assert waits == [FIRST_WAIT * WAIT_GROWTH**n for n in range(5)]


def test_a_barrier_shows_its_token(queue):
    token = queue.post_sync_barrier()

    assert repr(queue._snapshot()) == f"[<barrier {token}>]"
# ---- after a fork, as the child does it


def test_the_childs_copy_of_a_queue_is_dead(queue, monkeypatch):
    """F45, L33: nothing of it runs or is rejected there, and it takes nothing."""
    log, gone = [], MessageQueue()
    known = {weakref.ref(gone): None, weakref.ref(queue): None}
    del gone
    queue.put(Note("put", log))
    queue.put_at(Note("timed", log), queue.clock() + 1)
    queue.set_host(lambda: log.append("host"))
    log.clear()
    monkeypatch.setattr(_queue, "_live", known)

    _queue._after_fork()

    assert queue.is_quitting
    assert queue._snapshot() == []
    assert not queue.put(Note("late", log))
    queue.run_until()
    assert log == []


def test_a_take_waits_until_something_is_due():
    queue, log = MessageQueue(), []
    note = Note("put", log)
    queue.put_at(note, queue.clock() + 0.005)

    assert queue.next(5.0) is note
    assert queue.next(0.001) is None
