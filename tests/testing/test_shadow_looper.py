"""A main looper that stands still until the test lets it go on."""

from __future__ import annotations

import pytest

from vmscope import (
    CoroutineScope,
    Dispatchers,
    Handler,
    HandlerThread,
    IllegalStateError,
    Job,
    Looper,
    ViewModel,
    delay,
)
from vmscope.testing import ShadowLooper, run_test


@pytest.fixture
def shadow():
    with ShadowLooper() as made:
        yield made


def test_nothing_runs_by_itself(shadow):
    ran = []
    handler = Handler(shadow.looper)
    handler.post(lambda: ran.append("now"))
    handler.post_delayed(lambda: ran.append("later"), 5)

    assert not shadow.is_idle
    assert ran == []

    shadow.idle()
    assert ran == ["now"]
    assert shadow.is_idle
    assert shadow.next_scheduled_time == 5
    assert shadow.current_time == 0


def test_idle_for_runs_what_falls_due_the_end_included(shadow):
    ran = []
    handler = Handler(shadow.looper)
    for seconds in (1, 2, 3):
        handler.post_delayed(lambda s=seconds: ran.append((s, shadow.current_time)), seconds)

    shadow.idle_for(2)

    assert ran == [(1, 1), (2, 2)]
    assert shadow.current_time == 2


def test_its_clock_measures_what_it_was_moved(shadow):
    clock = shadow.clock
    began = clock()

    shadow.idle_for(2.5)

    assert clock() - began == 2.5


def test_idle_runs_what_is_due_as_the_looper_quits_safely(shadow):
    ran = []
    handler = Handler(shadow.looper)
    handler.post(lambda: (ran.append("quits"), shadow.looper.quit_safely()))
    handler.post(lambda: ran.append("due"))
    handler.post(lambda: ran.append("due, too"))
    handler.post_delayed(lambda: ran.append("later"), 5)

    shadow.idle_for(10)

    assert ran == ["quits", "due", "due, too"]


def test_run_to_next_task_goes_to_its_time_and_runs_all_of_that_time(shadow):
    ran = []
    handler = Handler(shadow.looper)
    handler.post_delayed(lambda: ran.append("a"), 3)
    handler.post_delayed(lambda: ran.append("b"), 3)
    handler.post_delayed(lambda: ran.append("c"), 4)

    shadow.run_to_next_task()

    assert ran == ["a", "b"]
    assert shadow.current_time == 3


def test_run_to_end_of_tasks_stops_at_the_last_one_there_was(shadow):
    ran = []
    handler = Handler(shadow.looper)

    def repeat():
        ran.append(shadow.current_time)
        handler.post_delayed(repeat, 2)

    handler.post_delayed(repeat, 1)
    handler.post_delayed(lambda: ran.append("last"), 6)
    assert shadow.last_scheduled_time == 6

    shadow.run_to_end_of_tasks()

    assert ran == [1, 3, 5, "last"]
    assert shadow.current_time == 6


def test_one_task_at_a_time(shadow):
    ran = []
    handler = Handler(shadow.looper)
    handler.post(lambda: ran.append("a"))
    handler.post_delayed(lambda: ran.append("b"), 7)

    assert shadow.run_one_task()
    assert ran == ["a"]
    assert shadow.run_one_task()
    assert ran == ["a", "b"]
    assert shadow.current_time == 7
    assert not shadow.run_one_task()
    assert shadow.next_scheduled_time is None
    shadow.run_to_next_task()
    shadow.run_to_end_of_tasks()
    assert shadow.current_time == 7


def test_main_and_view_models_use_it(shadow):
    seen = []

    class Feed(ViewModel):
        def load(self):
            self.view_model_scope.launch(self.steps)

        def steps(self):
            seen.append("began")
            yield from delay(3)
            seen.append("done")

    feed = Feed()
    CoroutineScope(Job() + Dispatchers.Main).launch(feed.load)
    assert seen == []
    shadow.idle()
    assert seen == ["began"]
    shadow.idle_for(3)
    assert seen == ["began", "done"]


def test_a_looper_of_this_thread_can_be_stepped():
    looper = Looper.prepare()
    clock = looper.queue.clock
    ran = []

    with ShadowLooper(looper) as shadow:
        Handler(looper).post_delayed(lambda: ran.append("ran"), 3600)
        shadow.idle_for(3600)

    assert ran == ["ran"]
    assert looper.queue.clock is clock
    looper.quit()


def test_what_was_there_before_is_there_again():
    looper = Looper.prepare_main()
    with ShadowLooper() as shadow:
        assert Looper.get_main() is shadow.looper
        assert Looper.my_looper() is shadow.looper

    assert Looper.get_main() is looper
    assert Looper.my_looper() is looper


def test_a_coroutine_that_waits_for_the_paused_looper_does_not_hold_virtual_time(shadow):
    seen = []

    def body(scope):
        job = CoroutineScope(Job() + Dispatchers.Main).launch(seen.append, "on main")
        scope.launch(job.join)
        yield from delay(1)
        shadow.idle()
        yield from job.join()

    run_test(body, timeout=5)

    assert seen == ["on main"]


def test_a_looper_of_another_thread_is_refused():
    thread = HandlerThread("other")
    thread.start()
    try:
        with pytest.raises(IllegalStateError, match="TestLooperManager"):
            ShadowLooper(thread.looper)
    finally:
        thread.quit()
        thread.join()


def test_time_does_not_go_back(shadow):
    with pytest.raises(ValueError, match="idle_for"):
        shadow.idle_for(-1)
