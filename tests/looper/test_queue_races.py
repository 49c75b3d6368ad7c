"""Each window of MessageQueue, entered on purpose: falling asleep, quitting, taking back."""

from __future__ import annotations

import threading
from collections import deque

import pytest

from tests.steer import before, beside, struck
from vmscope.looper import Handler, Looper, MessageQueue, _queue

from .notes import AsyncNote, Note, VirtualClock

SLEEP = MessageQueue._sleep
ASLEEP = [(SLEEP, "S1"), (SLEEP, "S2"), (MessageQueue._rest, "S3"), (SLEEP, "S4")]
NAMES = [mark for _, mark in ASLEEP]
PUTS = {
    "put": lambda queue, note: queue.put(note),
    "put_at": lambda queue, note: queue.put_at(note, queue.clock() + 0.01),
    "put_at the past": lambda queue, note: queue.put_at(note, queue.clock() - 1.0),
    "put_front": lambda queue, note: queue.put_front(note),
}


def in_a_thread(run):
    """Run it in a thread with five seconds to end; say whether it did."""
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


@pytest.mark.parametrize(("function", "mark"), ASLEEP, ids=NAMES)
@pytest.mark.parametrize("put", PUTS)
@pytest.mark.parametrize("queue_is", ["empty", "with a timer", "watched"])
def test_what_is_put_while_the_consumer_falls_asleep_wakes_it(function, mark, put, queue_is):
    queue, log = MessageQueue(), []
    if queue_is == "with a timer":
        queue.put_at(Note("far off", log), queue.clock() + 3_600)
    elif queue_is == "watched":
        queue.set_watch(lambda item: item.run())
    note = Note("put", log)

    with before(function, mark, lambda: PUTS[put](queue, note)) as met:
        ended = in_a_thread(lambda: queue.run_until(lambda: log))

    assert met
    assert ended, f"{queue!r} sleeps over what was put before {mark}"
    assert log == ["put"]


@pytest.mark.parametrize(("function", "mark"), ASLEEP, ids=NAMES)
@pytest.mark.parametrize("safely", [False, True])
def test_a_quit_while_the_consumer_falls_asleep_ends_its_loop(function, mark, safely):
    queue, log = MessageQueue(), []
    queue.put_at(Note("far off", log), queue.clock() + 3_600)

    with before(function, mark, lambda: queue.quit(safely=safely)) as met:
        ended = in_a_thread(queue.run_until)

    assert met
    assert ended
    assert log == ["-far off"]


@pytest.mark.parametrize(("function", "mark"), ASLEEP, ids=NAMES)
def test_a_wake_while_the_consumer_falls_asleep_makes_it_ask_again(function, mark):
    queue, done = MessageQueue(), []

    with before(function, mark, lambda: (done.append(True), queue.wake())) as met:
        ended = in_a_thread(lambda: queue.run_until(lambda: done))

    assert met
    assert ended


@pytest.mark.parametrize(("function", "mark"), ASLEEP, ids=NAMES)
@pytest.mark.parametrize("how", ["remove the barrier", "put something asynchronous"])
def test_behind_a_barrier_the_consumer_does_not_sleep_over_what_frees_it(function, mark, how):
    queue, log = MessageQueue(), []
    token = queue.post_sync_barrier()
    queue.put(Note("behind", log))
    actions = {
        "remove the barrier": lambda: queue.remove_sync_barrier(token),
        "put something asynchronous": lambda: queue.put(AsyncNote("passes", log)),
    }

    with before(function, mark, actions[how]) as met:
        ended = in_a_thread(lambda: queue.run_until(lambda: log))

    assert met
    assert ended
    assert log == ["behind" if how == "remove the barrier" else "passes"]


@pytest.mark.parametrize("mark", ["S1,", "S3"])
@pytest.mark.parametrize("put", PUTS)
@pytest.mark.parametrize("last", ["waited for nothing", "waited for what was taken back"])
def test_what_is_put_at_the_end_of_a_pump_calls_the_host(mark, put, last):
    queue, log, calls = MessageQueue(), [], []
    queue.set_host(lambda: calls.append("wake"))
    if last == "waited for what was taken back":
        soon = Note("taken back", log)
        queue.put_at(soon, queue.clock() + 0.005)
        queue.run_due()
        queue.remove(soon)
        calls.clear()
    function = MessageQueue._rest if mark == "S3" else MessageQueue._announce_rest

    with before(function, mark, lambda: PUTS[put](queue, Note("put", log)), here=True) as met:
        seconds = queue.run_due()

    assert met
    assert calls or seconds is not None  # None would say that there is nothing to come back for


PUT_MARKS = [(MessageQueue.put, "P1"), (MessageQueue.put, "P2"), (MessageQueue.put, "P3")]
PUT_MARKS += [(MessageQueue._put_timed, "P1"), (MessageQueue._put_timed, "P2"), (MessageQueue._put_timed, "P3")]


@pytest.mark.parametrize(("function", "mark"), PUT_MARKS, ids=[f"{f.__name__} {m}" for f, m in PUT_MARKS])
@pytest.mark.parametrize("safely", [False, True])
@pytest.mark.parametrize("driven", ["by nobody", "by a sleeping loop"])
def test_a_put_that_meets_a_quit_is_refused_or_taken_and_never_both(function, mark, safely, driven):
    queue, log = MessageQueue(), []
    note = Note("put", log)
    thread = threading.Thread(target=queue.run_until, daemon=True)
    if driven == "by a sleeping loop":
        thread.start()
        while not queue.is_polling():
            pass

    def quit_and_wait() -> None:
        queue.quit(safely=safely)
        if driven == "by a sleeping loop":
            thread.join(5)

    with before(function, mark, quit_and_wait, here=True) as met:
        taken = queue.put(note) if function is MessageQueue.put else queue.put_at(note, queue.clock() + 60)

    assert met
    if driven == "by nobody":
        queue.run_until()  # what a safe quit leaves to the loop
    assert note.ran + note.dropped == taken, (taken, log)


def test_an_item_that_is_put_again_while_its_last_putter_sees_the_quit_is_refused():
    # The first putter has put the item, sees the quit, and is about to take it out again. It has run meanwhile. Were it
    # taken a second time now, the first would take out that stay, and say that it was not run.
    queue, log, said = MessageQueue(VirtualClock(100.0)), [], []
    note, put_again, first_is_over = Note("put", log), threading.Event(), threading.Event()

    class Inbox(deque):
        def append(self, item):
            super().append(item)
            if threading.current_thread() is second:
                put_again.set()
                first_is_over.wait(5)
            else:
                queue.quit(safely=True)

        def remove(self, item):
            if threading.current_thread() is not second:
                queue.run_due()
                second.start()
                assert put_again.wait(5)
            super().remove(item)

    def put_once_more():
        said.append(queue.put(note))
        put_again.set()

    second = threading.Thread(target=put_once_more, daemon=True)
    queue._inbox = Inbox()
    first = queue.put(note)
    first_is_over.set()
    second.join(5)

    assert (first, said) == (True, [False])
    assert log == ["put"]


def test_questions_are_answered_while_others_put_and_the_consumer_runs():
    queue, log = MessageQueue(), []
    rounds = 2_000
    first = Note("first", log)

    def put_many() -> None:
        for n in range(rounds):
            queue.put(Note(n, log))

    release = threading.Event()
    consumer = threading.Thread(target=queue.run_until)
    putters = [threading.Thread(target=put_many) for _ in range(2)]
    queue.put(Note("holds the consumer", [], release.wait))
    consumer.start()
    while queue._snapshot():
        pass
    queue.put(first)
    for putter in putters:
        putter.start()
    missed = sum(first not in queue._snapshot() for _ in range(20))
    release.set()
    while any(putter.is_alive() for putter in putters):
        queue.peek_when()
        repr(queue)
    queue.quit(safely=True)
    consumer.join(10)

    assert missed == 0
    assert len(log) == 2 * rounds + 1
    assert not consumer.is_alive()


def test_an_item_that_its_putter_takes_back_does_not_cost_another_one_its_run():
    # The consumer looks at the head of the inbox; the putter of that item sees the queue quit and takes it out; the
    # consumer pops. What it pops is the next item, and that one must run or be rejected.
    queue, log = MessageQueue(), []
    back, other = Note("taken back", log), Note("other", log)
    queue.put(back)
    queue.put(other)

    def take_back() -> None:
        queue.quit()
        assert not queue._stays(back)

    with before(MessageQueue._drain, "D1", take_back, here=True) as met:
        queue.run_due()

    assert met
    assert (back.ran, back.dropped) == (0, 0)
    assert other.ran + other.dropped == 1


def test_a_message_that_runs_while_it_is_searched_for_is_not_confused_with_its_next_life():
    # remove_callbacks asks == of the caller's object, outside all locks. Should the message run meanwhile, return to
    # the pool and be posted again, the mark meant for its first life must not fall on its second.
    looper = Looper.create_for_test(VirtualClock())
    handler, log = Handler(looper), []

    class Post:
        def __init__(self) -> None:
            self.asked = False

        def __call__(self) -> None:
            log.append("first")

        def __eq__(self, other: object) -> bool:
            if not self.asked:
                self.asked = True
                looper.pump()
                for _ in range(3):
                    handler.post(lambda: log.append("later"))
            return self is other

        __hash__ = None

    post = Post()
    handler.post(post)
    handler.remove_callbacks(post)
    looper.pump()

    assert log == ["first", "later", "later", "later"]


def test_an_item_that_lives_again_is_not_taken_back_by_the_putter_of_its_last_life():
    """F4. It runs, is recycled and put by another, before its first putter asks whether the queue has quit."""
    queue, log = MessageQueue(), []
    note = Note("item", log)
    put_again, go_on = threading.Event(), threading.Event()

    def another_life():
        assert queue.put(note)
        queue.quit()
        put_again.set()
        assert go_on.wait(5)

    consumer = threading.Thread(target=queue.run_until, daemon=True)

    def consume():
        assert queue.put(Note("then", log, another_life))
        consumer.start()
        assert put_again.wait(5)

    with before(MessageQueue.put, "P3", consume, here=True) as met:
        kept = queue.put(note)
    go_on.set()
    consumer.join(5)

    assert met
    assert kept
    assert (note.ran, note.dropped) == (1, 1), log


# ---- between two lines of one thread: what another does there is done by a part of the queue that was exchanged


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_timed_put_that_meets_a_quit_is_refused_or_rejected(when):
    queue, log = MessageQueue(), []

    class Struck(deque):
        def append(self, entry):
            if when == "before":
                queue.quit()
            super().append(entry)
            queue.quit()

    queue._timed = Struck()
    note = Note("put", log)
    taken = queue.put_at(note, queue.clock() + 60)

    assert (taken, log) == ((False, []) if when == "before" else (True, ["-put"]))


def test_what_is_put_for_a_time_while_the_consumer_looks_is_seen_in_that_look():
    clock = VirtualClock(100.0)
    queue, log = MessageQueue(clock), []
    queue.put_at(Note("first", log), 101.0)
    clock.now = 102.0

    with struck(MessageQueue._sort_in_locked, lambda: queue.put_at(Note("earlier", log), 100.5), at="return") as met:
        queue.run_due()

    assert met
    assert log == ["earlier", "first"]


def test_the_last_item_may_go_back_to_its_putter_as_the_consumer_takes_it():
    # Between the look at the head of the inbox and the pop, its putter sees the queue quit.
    queue, log = MessageQueue(), []

    class Back(Note):
        @property
        def when(self):
            if not queue.is_quitting:
                queue.quit()
                assert not queue._stays(self)
            return self.float

        @when.setter
        def when(self, value):
            self.float = value

    queue.put(Back("taken back", log))
    queue.run_due()

    assert log == []


@pytest.mark.parametrize("look", ["__getitem__", "popleft"])
def test_so_it_may_where_the_consumer_takes_the_long_way(look):
    queue, log = MessageQueue(), []

    class Struck(deque):
        """Its last item goes as the consumer reaches for it."""

        def reach(self, *given):
            self.clear()
            return getattr(super(), look)(*given)

    setattr(Struck, look, Struck.reach)
    queue._inbox = Struck()
    queue.put(Note("taken back", log))
    queue._attention = True
    queue.run_due()

    assert log == []
    assert not queue._lock._is_owned()


def test_an_item_that_goes_back_as_the_queue_quits_is_not_rejected_as_well():
    queue, log = MessageQueue(), []
    back, other = Note("taken back", log), Note("other", log)
    queue.put(back)
    queue.put(other)

    with struck(MessageQueue._pending_locked, lambda: queue._stays(back), at="return") as met:
        queue.quit()

    assert met
    assert log == ["-other"]


def test_two_who_sweep_the_queue_tell_each_item_once():
    queue, log = MessageQueue(), []

    class Shared(deque):
        """Another thread takes the last one as this one looks at it."""

        def __getitem__(self, index):
            if len(self) == 1:
                self.popleft().rejected()
            return super().__getitem__(index)

    queue._doomed = Shared()
    queue.put(Note("first", log))
    queue.put(Note("second", log))
    queue.quit()

    assert log == ["-first", "-second"]


def test_a_compaction_that_a_finalizer_comes_into_is_left_to_the_next(monkeypatch):
    queue, log = MessageQueue(), []
    notes = [Note(n, log) for n in range(3)]
    for note in notes:
        queue.put_at(note, queue.clock() + 60)
    queue.peek_when()

    def heapify(entries):
        monkeypatch.undo()
        queue.remove(notes[2])
        _queue.heapify(entries)

    monkeypatch.setattr(_queue, "heapify", heapify)
    queue.remove(notes[0])

    assert queue._snapshot() == [notes[1]]
    queue.quit()
    assert log == ["-1"]


def test_a_look_inside_the_sorting_in_sorts_nothing_twice(monkeypatch):
    clock = VirtualClock(100.0)
    queue, log = MessageQueue(clock), []
    for n in range(2):
        queue.put_at(Note(n, log), 101.0)

    def push(heap, entry):
        monkeypatch.undo()
        _queue.heappush(heap, entry)
        queue._snapshot()

    monkeypatch.setattr(_queue, "heappush", push)
    clock.now = 101.0
    queue.run_due()

    assert log == [0, 1]


def test_what_runs_as_it_is_about_to_be_taken_back_is_not_counted_as_taken_back():
    clock, log = VirtualClock(1.0), []
    queue = MessageQueue(clock)
    queue.put_at(Note("ran", log), 2.0)
    queue.run_due()
    entries = queue._entries()
    clock.now = 3.0
    lock = beside(queue, queue.run_due, taken=1)

    queue._remove_entries(entries)

    assert lock.met
    assert log == ["ran"]
    assert queue._dead == 0
