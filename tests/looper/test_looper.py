"""Looper: one a thread, the main one, running, ending, what is uncaught, hosts, watching."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import weakref
from weakref import WeakSet

import pytest

from vmscope import IllegalStateError
from vmscope.looper import Handler, HandlerThread, Looper, Message, MessageQueue, _handler_thread, _looper
from vmscope.looper._queue import live_queues

from .notes import Note, VirtualClock


@pytest.fixture
def clock():
    return VirtualClock(100.0)


@pytest.fixture
def looper(clock):
    """A looper of this thread that pump() runs; no main one."""
    before = Looper.get_main()
    Looper.set_main_for_test(None)
    made = Looper.create_for_test(clock)
    yield made
    made.quit()
    Looper.set_main_for_test(before)


@pytest.fixture
def handler(looper):
    return Handler(looper)


def in_a_thread(run):
    """What `run()` returned or raised on a new thread."""
    outcome = []

    def body() -> None:
        try:
            outcome.append(run())
        except BaseException as error:  # noqa: BLE001  (the test looks at it)
            outcome.append(error)

    thread = threading.Thread(target=body, name="elsewhere")
    thread.start()
    thread.join(5)
    return outcome[0]


# ---- making and finding


def test_a_thread_is_given_one_looper():
    def twice():
        Looper.prepare()
        Looper.prepare()

    error = in_a_thread(twice)

    assert isinstance(error, IllegalStateError)
    assert "prepare a looper on 'elsewhere': it has <Looper 'elsewhere' prepared> already" in str(error)


def test_a_looper_that_has_quit_makes_room_for_the_next():
    def again():
        first = Looper.prepare()
        first.quit()
        return Looper.prepare() is not first

    assert in_a_thread(again) is True


def test_loop_wants_a_prepared_thread():
    error = in_a_thread(Looper.loop)

    assert isinstance(error, IllegalStateError)
    assert "call Looper.prepare() first" in str(error)


def test_another_threads_looper_is_not_run_here(looper):
    with HandlerThread("ui") as ui:
        with pytest.raises(IllegalStateError, match=r"'ui'.* on 'MainThread', whose looper is .*: post to it instead"):
            ui.looper.loop()


def test_a_thread_without_a_looper_finds_none():
    assert in_a_thread(Looper.my_looper) is None


def test_a_looper_knows_its_thread_from_any_thread(looper):
    assert looper.thread is threading.current_thread()
    assert looper.is_current_thread()
    assert in_a_thread(looper.is_current_thread) is False


def test_there_is_one_main_looper_and_any_thread_finds_it(looper):
    def make():
        return Looper.prepare_main()

    main = in_a_thread(make)

    assert Looper.get_main() is main
    assert isinstance(in_a_thread(make), IllegalStateError)
    main.quit()
    assert in_a_thread(make) is not main


# ---- ending


def test_loop_returns_when_the_looper_quits_and_nothing_is_left():
    log = []

    def run():
        looper = Looper.prepare()
        handler = Handler(looper)
        handler.post(looper.quit)
        handler.post(lambda: log.append("dropped"))
        return Looper.loop(), looper.queue.peek_when(), handler.post(print)

    assert in_a_thread(run) == (None, None, False)
    assert log == []


def test_quit_safely_before_the_loop_begins_leaves_it_what_is_due():
    log = []

    def run():
        looper = Looper.prepare()
        handler = Handler(looper)
        handler.post(lambda: log.append("due"))
        handler.post_delayed(lambda: log.append("later"), 60)
        looper.quit_safely()
        return Looper.loop()

    assert in_a_thread(run) is None
    assert log == ["due"]


def test_a_loop_inside_a_message_warns_runs_and_ends_with_the_quit(caplog):
    log = []

    def run():
        looper = Looper.prepare()
        handler = Handler(looper)

        def inner():
            handler.post(lambda: log.append("in the inner loop"))
            handler.post(looper.quit)
            Looper.loop()
            log.append("back")

        handler.post(inner)
        Looper.loop()

    with caplog.at_level(logging.WARNING, "vmscope"):
        in_a_thread(run)

    assert log == ["in the inner loop", "back"]
    assert "a loop in the loop" in caplog.text


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_leaves_the_main_threads_loop_and_rejects_the_rest(kind):
    looper = Looper.create_for_test()
    log = []

    def end():
        raise kind("enough")

    Handler(looper).post(end)
    looper.queue.put(Note("left", log))

    with pytest.raises(kind, match="enough"):
        Looper.loop()

    assert log == ["-left"]
    assert isinstance(looper.exception, kind)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_quits_another_threads_looper_and_is_reported(kind, uncaught):
    log = []

    def run():
        looper = Looper.prepare()

        def end():
            raise kind("enough")

        Handler(looper).post(end)
        looper.queue.put(Note("left", log))
        Looper.loop()
        return looper.exception

    assert isinstance(in_a_thread(run), kind)
    assert isinstance(uncaught.pop(), kind)
    assert log == ["-left"]


def test_a_looper_that_ended_by_a_failure_keeps_it():
    kept = []

    def run():
        looper = Looper.prepare()
        kept.append(looper)
        looper.on_uncaught = lambda message, error: False
        Handler(looper).post(lambda: 1 / 0)
        Looper.loop()

    error = in_a_thread(run)

    assert kept[0].exception is error


def test_an_ended_threads_looper_is_not_taken_for_that_of_the_thread_that_got_its_number():
    loopers = [in_a_thread(Looper.prepare) for _ in range(5)]

    assert not any(in_a_thread(lambda: any(looper.is_current_thread() for looper in loopers)) for _ in range(5))


def test_the_main_looper_may_quit_and_quitting_again_changes_nothing():
    """F5: against Android, where it may not; a desktop program ends so."""
    log = []

    def run():
        main = Looper.prepare_main()
        handler = Handler(main)
        handler.post(lambda: (main.quit(), main.quit(), main.quit_safely(), log.append("finished")))
        handler.post(lambda: log.append("never"))
        Looper.loop()
        main.quit()
        return Looper.loop(), main.exception, handler.post(print)

    assert in_a_thread(run) == (None, None, False)
    assert log == ["finished"]


# ---- uncaught


def test_a_message_that_raises_is_reported_once_and_the_next_runs(looper, handler, uncaught):
    log = []
    handler.post(lambda: 1 / 0)
    handler.post(lambda: log.append("next"))

    looper.pump()

    assert [type(error) for error in uncaught] == [ZeroDivisionError]
    uncaught.clear()
    assert log == ["next"]


def test_after_the_report_nothing_of_the_failed_message_is_kept(looper, handler, uncaught):
    class Big:
        pass

    def fail():
        big = Big()
        refs.append(weakref.ref(big))
        raise OSError

    refs = []
    handler.post(fail)
    looper.pump()
    uncaught.clear()
    gc.collect()

    assert refs[0]() is None


def test_a_loop_that_goes_on_keeps_nothing_of_a_failed_message_and_needs_no_collector():
    """F1: what its frame held is gone before the next message runs, and as the loop falls asleep."""
    alive = []

    def run():
        looper = Looper.prepare()
        looper.on_uncaught = lambda message, error: True
        handler = Handler(looper)

        def fail():
            held = Note("held", [])
            refs.append(weakref.ref(held))
            raise OSError(held)

        refs = []
        handler.post(fail)
        handler.post(lambda: alive.append(refs[0]()))
        handler.post(fail)
        looper.queue.add_idle_handler(lambda: (alive.append(refs[1]()), looper.quit()))
        Looper.loop()

    gc.disable()
    try:
        in_a_thread(run)
    finally:
        gc.enable()

    assert alive == [None, None]


def test_on_uncaught_may_see_to_a_failure(looper, handler):
    seen = []
    looper.on_uncaught = lambda message, error: seen.append((message.target, type(error))) or True

    handler.post(lambda: 1 / 0)
    looper.pump()

    assert seen == [(handler, ZeroDivisionError)]


def test_on_uncaught_may_stop_the_loop_in_order_and_raise():
    log = []

    def run():
        looper = Looper.prepare()
        looper.on_uncaught = lambda message, error: False
        Handler(looper).post(lambda: 1 / 0)
        looper.queue.put(Note("left", log))
        Looper.loop()

    assert isinstance(in_a_thread(run), ZeroDivisionError)
    assert log == ["-left"]


def test_on_uncaught_may_raise_something_of_its_own():
    def decide(message, error):
        raise RuntimeError("worse") from error

    def run():
        looper = Looper.prepare()
        looper.on_uncaught = decide
        Handler(looper).post(lambda: 1 / 0)
        Looper.loop()

    error = in_a_thread(run)

    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_a_failure_that_leaves_an_inner_loop_is_decided_once():
    decided = []

    def run():
        looper = Looper.prepare()
        handler = Handler(looper)
        looper.on_uncaught = lambda message, error: decided.append(error) is not None
        handler.post(lambda: (handler.post(lambda: 1 / 0), looper.queue.run_until(lambda: False)))
        Looper.loop()

    assert isinstance(in_a_thread(run), ZeroDivisionError)
    assert len(decided) == 1


# ---- pump and hosts


def test_pump_runs_what_is_due_and_tells_when_to_come_again(looper, handler, clock):
    log = []
    handler.post(lambda: log.append("now"))
    handler.post_delayed(lambda: log.append("later"), 2.5)

    assert looper.pump() == 2.5
    assert log == ["now"]

    clock.now += 2.5
    assert looper.pump() is None
    assert log == ["now", "later"]


def test_pump_is_for_the_loopers_own_thread(looper):
    error = in_a_thread(looper.pump)

    assert isinstance(error, IllegalStateError)
    assert "only its own thread may" in str(error)


@pytest.mark.parametrize(("budget", "error"), [("4 ms", TypeError), ([], TypeError), (float("nan"), ValueError)])
def test_a_budget_that_is_no_number_of_seconds_is_refused_and_the_looper_lives(looper, handler, budget, error):
    log = []
    handler.post(lambda: log.append("ran"))

    with pytest.raises(error, match="budget of pump\\(\\) must be a number of seconds, got "):
        looper.pump(budget)

    assert log == []
    looper.pump(0)
    assert log == ["ran"]
    assert handler.post(print)
    looper.pump(0.004)


def test_a_pump_that_is_struck_ends_the_looper_in_order(looper, handler):
    def interrupt():
        raise KeyboardInterrupt

    log = []
    handler.post(interrupt)
    looper.queue.put(Note("left", log))

    with pytest.raises(KeyboardInterrupt):
        looper.pump()

    assert log == ["-left"]
    assert handler.post(print) is False


def test_a_host_with_a_timer_is_told_when_to_pump(looper, handler, clock):
    calls = []
    looper.attach_host(lambda: calls.append("wake"), lambda seconds: calls.append(seconds))
    handler.post_delayed(lambda: None, 3.0)
    assert calls == ["wake"]

    looper.pump()
    assert calls == ["wake", 3.0]

    handler.post_delayed(lambda: None, 1.0)
    assert calls == ["wake", 3.0, "wake"]


def test_a_host_is_woken_again_where_the_budget_left_work(looper, handler):
    calls = []
    looper.attach_host(lambda: calls.append("wake"))
    handler.post(lambda: None)
    handler.post(lambda: None)
    calls.clear()

    assert looper.pump(0.0) == 0.0
    assert calls == ["wake"]


def test_after_the_host_has_gone_the_looper_loops_by_itself():
    def run():
        looper = Looper.prepare()
        looper.attach_host(lambda: None)
        looper.detach_host()
        Handler(looper).post_delayed(looper.quit, 0.001)
        return Looper.loop()

    assert in_a_thread(run) is None


# ---- watching


def test_message_logging_prints_one_line_before_and_one_after(looper, handler):
    lines = []
    looper.set_message_logging(lines.append)

    def work():
        lines.append("work")

    handler.post(work)
    handler.send_empty_message(7)
    looper.pump()
    looper.set_message_logging(None)
    handler.post(work)
    looper.pump()

    kinds = [line.split(" ")[0] for line in lines]
    assert kinds == [">>>>>", "work", "<<<<<", ">>>>>", "<<<<<", "work"]
    assert "work" in lines[0]
    assert lines[3].endswith(": 7")


def test_an_observer_sees_what_runs_and_first_of_all_what_raises(looper, handler, uncaught):
    seen = []

    class Observer:
        def message_dispatch_starting(self):
            seen.append("starting")
            return len(seen)

        def message_dispatched(self, token, message):
            seen.append(("dispatched", token))

        def dispatching_threw(self, token, message, exception):
            assert not uncaught
            seen.append(("threw", token, message.target, type(exception)))

    nobodys = MessageQueue()  # without a looper: there is nothing to observe
    Looper.set_observer(Observer())
    assert nobodys in live_queues()
    try:
        handler.post(lambda: None)
        handler.post(lambda: 1 / 0)
        looper.pump()
    finally:
        Looper.set_observer(None)
    uncaught.clear()
    handler.post(lambda: None)
    looper.pump()

    assert seen == ["starting", ("dispatched", 1), "starting", ("threw", 3, handler, ZeroDivisionError)]


def test_slow_dispatch_is_logged(looper, handler, clock, caplog):
    def slow():
        clock.now += 0.3

    looper.set_slow_log_thresholds(dispatch=0.2)
    handler.post(slow)
    handler.post(lambda: None)
    with caplog.at_level(logging.WARNING, "vmscope"):
        looper.pump()

    assert len(caplog.records) == 1
    assert "slow dispatch: 0.300 s" in caplog.text


def test_slow_delivery_is_logged_once_until_the_looper_has_caught_up(looper, handler, clock, caplog):
    looper.set_slow_log_thresholds(delivery=0.2)
    handler.post(lambda: None)
    handler.post(lambda: None)
    clock.now += 0.5
    with caplog.at_level(logging.WARNING, "vmscope"):
        looper.pump()
        handler.post(lambda: None)
        looper.pump()
        handler.post(lambda: None)
        looper.pump()

    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2
    assert "0.500 s late" in texts[0]
    assert "has caught up" in texts[1]


def test_a_dump_shows_what_is_pending_and_when(looper, handler, clock):
    lines = []
    other = Handler(looper)
    handler.post_delayed(test_a_dump_shows_what_is_pending_and_when, 2.0)
    other.send_message(Message(what=5, obj="x"))

    looper.dump(lines.append, "> ")
    assert lines[0].startswith("> <Looper ")
    assert "due in 0.000 s: <Message" in lines[1]
    assert "what=5 obj='x'" in lines[1]
    assert "due in 2.000 s" in lines[2]
    assert "test_a_dump_shows" in lines[2]
    assert lines[3] == ">   (2 pending, polling=False, quitting=False, barrier=False)"

    lines.clear()
    other.dump(lines.append)
    assert len(lines) == 3


# ---- HandlerThread


def test_a_handler_thread_has_a_looper_while_it_is_alive():
    thread = HandlerThread("worker")
    assert thread.looper is None
    assert thread.quit() is False
    assert thread.quit_safely() is False
    with pytest.raises(IllegalStateError, match="ask 'worker' for its handler: it is not alive"):
        _ = thread.handler

    thread.start()
    assert thread.looper.thread is thread
    assert thread.handler is thread.handler
    assert thread.daemon

    assert thread.quit() is True
    thread.join(5)
    assert thread.looper is None


def test_leaving_a_handler_threads_block_runs_what_is_due_and_joins():
    log = []
    with HandlerThread("worker") as thread:
        thread.handler.post(lambda: log.append(threading.current_thread()))

    assert log == [thread]
    assert not thread.is_alive()


def test_on_looper_prepared_comes_before_the_first_message():
    log = []

    class Prepared(HandlerThread):
        def on_looper_prepared(self):
            Handler().post(lambda: log.append("message"))
            log.append("prepared")

    with Prepared("worker") as thread:
        thread.handler.call(lambda: None)

    assert log == ["prepared", "message"]


def test_a_preparation_that_fails_leaves_nothing_pending(uncaught):
    log = []

    class Failing(HandlerThread):
        def on_looper_prepared(self):
            Looper.my_looper().queue.put(Note("left", log))
            raise OSError("no disk")

    thread = Failing("worker")
    thread.start()
    thread.join(5)

    assert log == ["-left"]
    assert str(uncaught.pop()) == "no disk"


def test_where_daemon_threads_are_refused_a_handler_thread_is_an_ordinary_one(monkeypatch):
    """A sub-interpreter has no daemon threads."""
    make = threading.Thread.__init__

    def refuse(thread, *, daemon, **more):
        if daemon:
            raise RuntimeError("daemon threads are disabled in this (sub)interpreter")
        make(thread, daemon=daemon, **more)

    monkeypatch.setattr(threading.Thread, "__init__", refuse)
    with HandlerThread("ui") as ui:
        assert not ui.daemon
        assert ui.handler.call(threading.current_thread) is ui


def test_who_asks_a_thread_that_begins_for_its_looper_waits_for_it():
    class Slow(HandlerThread):
        def run(self):
            assert go_on.wait(5)
            super().run()

    class Enters:
        """The lock that says when it is asked for: frames of a thread that runs cannot be read without the GIL."""

        def __init__(self, lock):
            self.lock = lock
            self.release = lock.release

        def __enter__(self):
            go_on.set()
            self.lock.acquire()

        def __exit__(self, *exc_info):
            self.lock.release()

    go_on, asked = threading.Event(), []
    ui = Slow("ui")
    ui.start()
    ui._not_ready = Enters(ui._not_ready)
    other = threading.Thread(target=lambda: asked.append(ui.looper))
    other.start()
    other.join(5)
    ui.quit()
    ui.join(5)

    assert asked[0].thread is ui


def test_a_handler_thread_does_not_wait_for_itself():
    """Its block is left on its own thread: it quits, and joins nobody."""
    ui = HandlerThread("ui")
    ui.start()
    ui.handler.post(lambda: ui.__exit__(None, None, None))
    ui.join(5)

    assert not ui.is_alive()


def test_at_the_end_of_the_process_a_handler_thread_does_not_wait_for_itself(monkeypatch):
    ui, other = HandlerThread("ui"), HandlerThread("other")
    monkeypatch.setattr(_handler_thread, "_running", WeakSet([ui, other]))
    for thread in (ui, other):
        thread.start()
    ui.handler.post(_handler_thread._quit_all)
    for thread in (ui, other):
        thread.join(5)

    assert not ui.is_alive()
    assert not other.is_alive()


# ---- Ctrl-C, as the looper of this thread sees it


def test_one_that_comes_with_the_last_message_is_raised_by_run_until(looper, handler):
    handler.post(looper.queue.interrupt)
    done = []
    handler.post(lambda: done.append("not before the interrupt"))

    with pytest.raises(KeyboardInterrupt):
        looper.run_until(lambda: not looper.queue._snapshot() or looper.queue._interrupted)
    assert done == []
    looper.pump()
    assert done == ["not before the interrupt"]


def test_a_handler_of_ctrl_c_that_a_message_installs_stays(looper, handler):
    def mine(number, frame):
        """Do nothing."""

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        handler.post(lambda: signal.signal(signal.SIGINT, mine))
        looper.run_until(looper.queue.is_idle)
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_signals_are_not_its_business_a_looper_runs_without(looper, handler, monkeypatch):
    """A sub-interpreter, which may install no handlers."""

    def refuse(number, handler):
        raise ValueError("signal only works in main thread of the main interpreter")

    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)
    monkeypatch.setattr(signal, "signal", refuse)
    ran = []
    handler.post(lambda: ran.append(1))

    looper.run_until(lambda: ran)

    assert ran == [1]


def test_after_a_fork_the_child_has_no_looper(looper, monkeypatch):
    """F45: as it is done there; with what is this process's own put back."""
    Looper.set_main_for_test(looper)
    for name in ("_local", "_registry", "_main"):
        monkeypatch.setattr(_looper, name, getattr(_looper, name))

    _looper._after_fork()

    assert Looper.my_looper() is None
    assert Looper.get_main() is None


def test_what_is_no_message_is_logged_as_it_shows_itself(looper, handler, uncaught):
    """Coroutines and barriers stand in the queue, too; what raises is logged as begun."""
    lines = []
    looper.set_message_logging(lines.append)

    class Item:
        asynchronous = False

        def run(self):
            raise LookupError("slip")

        def rejected(self):
            """It had its turn."""

        def __repr__(self):
            return "<Item>"

    looper.queue.put(Item())
    looper.pump()
    token = looper.queue.post_sync_barrier()
    looper.dump(lines.append)

    assert lines[0] == ">>>>> Dispatching to <Item>"
    assert any(line.endswith(f"<barrier {token}>") for line in lines)
    assert str(uncaught.pop()) == "slip"
