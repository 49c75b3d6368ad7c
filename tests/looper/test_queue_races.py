"""Each window of MessageQueue, entered on purpose: falling asleep, quitting, taking back."""

from __future__ import annotations

import threading

import pytest

from tests.steer import before
from vmscope.looper import Handler, Looper, MessageQueue

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
@pytest.mark.parametrize("waiting", [False, True], ids=["empty", "with a timer"])
def test_what_is_put_while_the_consumer_falls_asleep_wakes_it(function, mark, put, waiting):
    queue, log = MessageQueue(), []
    if waiting:
        queue.put_at(Note("far off", log), queue.clock() + 3_600)
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
def test_what_is_put_at_the_end_of_a_pump_calls_the_host(mark, put):
    queue, log, calls = MessageQueue(), [], []
    queue.set_host(lambda: calls.append("wake"))
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
