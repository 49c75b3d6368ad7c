"""Handler and Message: what is posted, sent, taken back, asked and waited for."""

from __future__ import annotations

import concurrent.futures
import functools
import math
import threading

import pytest

from vmscope import IllegalStateError, uptime
from vmscope._errors import RejectedExecutionError
from vmscope.looper import Handler, HandlerThread, Looper, Message, TestLooperManager, _message
from vmscope.looper._handler import _Waited

from .notes import VirtualClock


@pytest.fixture
def clock():
    return VirtualClock(100.0)


@pytest.fixture
def looper(clock):
    made = Looper.create_for_test(clock)
    yield made
    made.quit()


@pytest.fixture
def handler(looper):
    return Handler(looper)


@pytest.fixture
def worker():
    with HandlerThread("worker") as thread:
        yield thread


class Listening(Handler):
    """Keeps what arrives."""

    def __init__(self, looper=None, **more):
        super().__init__(looper, **more)
        self.heard = []

    def handle_message(self, message):
        self.heard.append((message.what, message.arg1, message.obj))


# ---- binding and dispatch


def test_a_message_knows_when_it_was_due_as_it_is_handled():
    clock, seen = VirtualClock(100.0), []
    looper = Looper.create_for_test(clock)
    handler = Handler(looper, lambda message: seen.append((message.what, message.when)) or True)
    handler.send_message_at_time(Message(1), 101.0)
    handler.send_message(Message(2))
    clock.now = 105.0

    looper.pump()

    assert seen == [(2, 100.0), (1, 101.0)]


def test_a_handler_is_bound_to_the_threads_looper(looper):
    assert Handler().looper is looper


def test_a_handler_wants_a_looper():
    errors = []

    def make():
        try:
            Handler()
        except IllegalStateError as error:
            errors.append(str(error))

    thread = threading.Thread(target=make, name="bare")
    thread.start()
    thread.join()

    assert errors[0].startswith("make a Handler on 'bare', which has no looper: call Looper.prepare() first")


@pytest.mark.parametrize(("content", "heard"), [(True, ["callback"]), (False, ["callback", "handler"])])
def test_a_message_goes_to_the_callback_and_if_that_is_not_content_to_the_handler(looper, content, heard):
    log = []

    class Speaking(Handler):
        def handle_message(self, message):
            log.append("handler")

    Speaking(looper, lambda message: log.append("callback") or content).send_empty_message(1)
    looper.pump()

    assert log == heard


def test_a_messages_own_callback_is_the_only_one_called(looper):
    log = []
    handler = Listening(looper, callback=lambda message: log.append("handler's"))
    handler.send_message(Message(callback=lambda: log.append("own")))
    looper.pump()

    assert log == ["own"]
    assert handler.heard == []


def test_a_dispatch_of_the_subclass_sees_posted_callables_too(looper):
    log = []

    class Wrapping(Handler):
        def dispatch_message(self, message):
            log.append("before")
            super().dispatch_message(message)
            log.append("after")

    Wrapping(looper).post(lambda: log.append("post"))
    looper.pump()

    assert log == ["before", "post", "after"]


# ---- posting


def test_posts_run_in_the_order_of_their_time(handler, looper, clock):
    log = []
    handler.post_delayed(lambda: log.append("delayed"), 2.0)
    handler.post_at_time(lambda: log.append("at time"), 101.0)
    handler.post(lambda: log.append("now"))
    handler.post_delayed(lambda: log.append("negative"), -5.0)
    handler.post_at_front_of_queue(lambda: log.append("front"))
    handler.post_at_front_of_queue(lambda: log.append("front of the front"))

    clock.now = 103.0
    looper.pump()

    assert log == ["front of the front", "front", "now", "negative", "at time", "delayed"]


@pytest.mark.parametrize(
    "post",
    [
        lambda handler: handler.post(print),
        lambda handler: handler.post_delayed(print, 1.0),
        lambda handler: handler.post_at_time(print, 1.0),
        lambda handler: handler.post_at_front_of_queue(print),
        lambda handler: handler.send_empty_message(1),
        lambda handler: handler.send_empty_message_delayed(1, 1.0),
        lambda handler: handler.send_empty_message_at_time(1, 1.0),
        lambda handler: handler.send_message(Message(1)),
        lambda handler: handler.send_message_at_front_of_queue(Message(1)),
        lambda handler: handler.send_message_delayed(Message(1), 1.0),
        lambda handler: handler.send_message_at_time(Message(1), 1.0),
    ],
)
def test_posting_is_answered_true_by_a_live_looper_and_false_by_one_that_quit(handler, looper, post):
    assert post(handler) is True
    looper.quit()
    assert post(handler) is False


@pytest.mark.parametrize("fn", [None, 42, "print()", [].append(1)])
def test_what_cannot_be_called_cannot_be_posted(handler, fn):
    for post in (
        handler.post,
        lambda f: handler.post_delayed(f, 1.0),
        lambda f: handler.post_at_time(f, 1.0),
        handler.post_at_front_of_queue,
        handler.call,
        handler.run_with_scissors,
    ):
        with pytest.raises(TypeError, match="cannot be called; give the function, not the result"):
            post(fn)


@pytest.mark.parametrize("delay", [math.inf, 1e300, 10**400])
def test_a_delay_may_be_huge(handler, looper, clock, delay):
    assert handler.post_delayed(print, delay)
    clock.now = 1e15

    looper.pump()

    assert handler.has_callbacks(print)


@pytest.mark.parametrize("delay", [math.inf, 1e300, -math.inf, -1.0])
def test_a_looper_that_waits_for_a_time_no_system_can_wait_for_hears_what_comes(worker, delay):
    """F14: a lock waits for 9e9 seconds at the most; a time that has gone by is now."""
    ran = []
    worker.handler.post_delayed(lambda: ran.append(delay), delay)
    while not worker.looper.queue.is_polling():
        pass

    assert worker.handler.call(lambda: 42) == 42
    assert ran == ([delay] if delay < 0 else [])


@pytest.mark.parametrize(
    ("delay", "error"),
    [(math.nan, ValueError), ("1", TypeError), (None, TypeError), (b"1", TypeError), ([], TypeError), (1j, TypeError)],
)
def test_a_delay_has_to_be_a_number(handler, delay, error):
    for post in (
        lambda: handler.post_delayed(print, delay),
        lambda: handler.post_at_time(print, delay),
        lambda: handler.send_message_delayed(Message(), delay),
    ):
        with pytest.raises(error, match="must be a number of seconds, got"):
            post()
    assert not handler.has_messages_or_callbacks()


def test_a_message_whose_delay_was_refused_is_not_in_use(handler):
    message = Message(1)
    with pytest.raises(ValueError, match="delay"):
        handler.send_message_delayed(message, math.nan)

    assert handler.send_message(message)


# ---- messages


def test_a_message_carries_its_fields(looper):
    handler = Listening(looper)
    handler.send_message(handler.obtain_message(7, 8, 9, "obj"))
    handler.obtain_message(1).send_to_target()
    looper.pump()

    assert handler.heard == [(7, 8, "obj"), (1, 0, None)]


def test_the_looper_recycles_a_dispatched_message_and_clears_it(handler, looper):
    message = Message(7, 8, 9, "obj", reply_to="me")
    message.data["k"] = "v"
    handler.send_message(message)
    assert message.is_in_use

    looper.pump()

    assert (message.what, message.arg1, message.arg2, message.obj, message.reply_to) == (0, 0, 0, None, None)
    assert message.target is None
    assert message.data == {}
    assert not message.is_in_use
    assert Message.obtain() is message


def test_a_message_in_use_is_neither_sent_nor_recycled_again(handler, looper):
    message = Message(1)
    handler.send_message(message)

    with pytest.raises(IllegalStateError, match="it is in use"):
        handler.send_message(message)
    with pytest.raises(IllegalStateError, match="still in use"):
        message.recycle()


def test_what_is_recycled_while_somebody_looks_through_the_queue_is_not_given_out_again(handler, looper):
    aside = Message.obtain(obj="aside")

    class Taken:
        def __call__(self):
            pass

        def rejected(self):
            aside.recycle()

    taken = Taken()
    handler.post(taken)

    handler.remove_callbacks(taken)

    assert aside.obj is None
    assert all(pooled is not aside for pooled in _message.pool)
    aside.recycle()
    assert any(pooled is aside for pooled in _message.pool)


def test_a_message_without_a_target_cannot_be_sent_to_it():
    with pytest.raises(ValueError, match="it has none"):
        Message(1).send_to_target()


def test_a_message_without_a_target_in_the_queue_goes_to_nobody_and_is_recycled(handler, looper):
    log = []
    looper.queue.put(Message(1, obj="dropped"))
    handler.post(lambda: log.append("the next one"))

    looper.pump()

    assert log == ["the next one"]
    assert Message.obtain().obj is None


def test_where_another_thread_takes_the_last_one_of_the_pool_a_new_one_is_made(looper, monkeypatch):
    class Emptied:
        """Has one when it is looked at, and none when it is taken."""

        def __len__(self):
            return 1

        def pop(self):
            raise IndexError("pop from an empty deque")

        def append(self, message):
            pass

    monkeypatch.setattr(_message, "pool", Emptied())
    log = []

    assert Handler(looper).send_message(Message.obtain(callback=lambda: log.append("ran")))
    looper.pump()

    assert log == ["ran"]


def test_a_messages_data_may_be_given_whole(handler):
    message = handler.obtain_message(1)
    message.data = {"name": "value"}

    assert message.data == {"name": "value"}
    message.data = None
    assert message.data == {}


def test_a_message_shows_what_it_is(looper):
    handler = Handler.create_async(looper)
    message = Message(7, 1, 2, "thing", target=handler, asynchronous=True)

    assert handler.is_asynchronous
    assert repr(message) == "<Message what=7 arg1=1 arg2=2 obj='thing' target=Handler(MainThread) asynchronous>"
    assert not Handler(looper).is_asynchronous


def test_a_message_that_has_run_is_not_dropped_as_well(handler, looper):
    """The queue says so once more of what raised; one that had its turn does nothing."""
    told = []

    class Post:
        def __call__(self):
            pass

        def rejected(self):
            told.append("rejected")

    message = Message.obtain(handler, callback=Post())
    handler.send_message(message)
    looper.pump()
    message.rejected()

    assert told == []


def test_the_pool_keeps_fifty():
    for message in [Message() for _ in range(80)]:
        message.recycle()

    assert len(_message.pool) == 50


def test_a_copied_message_has_its_own_data(handler):
    first = Message(1, 2, 3, "obj", target=handler)
    first.data["k"] = 1
    second = Message()
    second.copy_from(first)
    second.data["k"] = 2

    assert (second.what, second.arg1, second.arg2, second.obj, second.target) == (1, 2, 3, "obj", None)
    assert first.data == {"k": 1}


def test_a_refused_message_is_recycled(handler, looper):
    looper.quit()
    message = Message(5)

    assert handler.send_message(message) is False
    assert message.what == 0
    assert not message.is_in_use


# ---- taking back


def test_remove_callbacks_finds_a_bound_method_by_equality(handler, looper):
    class Screen:
        shown = 0

        def show(self):
            self.shown += 1

    screen = Screen()
    handler.post(screen.show)
    handler.post_delayed(screen.show, 5.0)
    assert handler.has_callbacks(screen.show)

    handler.remove_callbacks(screen.show)

    assert not handler.has_callbacks(screen.show)
    looper.pump()
    assert screen.shown == 0


def test_remove_callbacks_takes_back_all_and_only_this_handlers(handler, looper):
    log = []
    fn = functools.partial(log.append, "ran")
    other = Handler(looper)
    handler.post(fn)
    handler.post(fn)
    other.post(fn)

    handler.remove_callbacks(fn)
    looper.pump()

    assert log == ["ran"]


def test_what_was_taken_back_in_great_number_does_not_stay_in_the_queue(handler, looper):
    for number in range(1000):
        handler.post_delayed(print if number % 100 else repr, 3_600.0 + number)
    looper.pump()

    handler.remove_callbacks(print)

    assert len(looper.queue._heap) == 10


def test_taking_back_what_is_due_does_not_bring_forward_what_is_not(handler, looper, clock):
    log = []
    handler.post_delayed(functools.partial(log.append, "later"), 5.0)
    handler.post(print)

    handler.remove_callbacks(print)
    looper.pump()

    assert log == []


def test_a_token_groups_posts(handler, looper, clock):
    log = []
    token, other = object(), object()
    fn = functools.partial(log.append, "ran")
    handler.post_delayed(fn, 1.0, token)
    handler.post_delayed(fn, 1.0, other)
    handler.post_at_time(fn, 101.0, token)

    handler.remove_callbacks(fn, token)
    assert handler.has_callbacks(fn)
    handler.remove_callbacks_and_messages(other)
    clock.now = 110.0
    looper.pump()

    assert log == []


def test_remove_messages_by_number_and_object(looper):
    handler = Listening(looper)
    one, two = [1], [1]
    for obj in (one, two, None):
        handler.send_message(Message(3, obj=obj))
    handler.send_message(Message(4))
    handler.post(lambda: handler.heard.append("post"))

    assert handler.has_messages(3, one)
    assert not handler.has_messages(3, [1])
    assert handler.has_equal_messages(3, [1])
    handler.remove_messages(3, one)
    assert handler.has_messages(3, two)
    handler.remove_equal_messages(3, [1])
    looper.pump()
    assert handler.heard == [(3, 0, None), (4, 0, None), "post"]


def test_remove_messages_without_an_object_matches_any(looper):
    handler = Listening(looper)
    handler.send_message(Message(3, obj="x"))
    handler.send_empty_message_delayed(3, 1.0)

    handler.remove_messages(3)

    assert not handler.has_messages_or_callbacks()


def test_remove_everything_takes_this_handlers_only(handler, looper):
    log = []
    other = Handler(looper)
    handler.post(lambda: log.append("mine"))
    handler.send_empty_message_delayed(1, 1.0)
    other.post(lambda: log.append("other's"))

    handler.remove_callbacks_and_messages(None)
    assert not handler.has_messages_or_callbacks()
    looper.pump()

    assert log == ["other's"]


def test_remove_everything_with_a_token_takes_what_carries_this_object_or_an_equal_one(looper):
    """L18"""
    handler = Listening(looper)
    token, twin = [1], [1]
    for obj in (token, twin, [2]):
        handler.send_message(Message(3, obj=obj))
        handler.post_delayed(print, 0.0, token=obj)

    handler.remove_callbacks_and_messages(token)
    assert handler.has_messages(3, twin)
    assert handler.has_callbacks(print, twin)
    assert not handler.has_messages(3, token)
    handler.remove_callbacks_and_equal_messages(token)
    assert not handler.has_equal_messages(3, [1])
    assert not handler.has_callbacks(print, twin)
    assert handler.has_equal_messages(3, [2])
    handler.remove_callbacks_and_equal_messages()
    assert not handler.has_messages_or_callbacks()


def test_uptime_is_the_clock_that_handlers_go_by_and_does_not_go_back():
    """L7"""
    before = uptime()
    heard = []
    looper = Looper.prepare()
    handler = Handler(looper)
    handler.post_at_time(lambda: heard.append("due"), uptime())
    handler.post_at_time(lambda: heard.append("later"), uptime() + 3_600)
    looper.pump()
    looper.quit()

    assert heard == ["due"]
    assert uptime() >= before


def test_what_runs_now_is_neither_pending_nor_stopped(handler, looper):
    log = []

    def run():
        handler.remove_callbacks(run)
        log.append(handler.has_callbacks(run))

    handler.post(run)
    looper.pump()

    assert log == [False]


def test_what_is_taken_back_lets_go_of_what_it_holds(handler, looper):
    import gc
    import weakref

    class Screen:
        def show(self):
            pass

    screen = Screen()
    gone = weakref.ref(screen)
    handler.post_delayed(screen.show, 3_600.0)
    looper.pump()

    handler.remove_callbacks(screen.show)
    del screen
    gc.collect()

    assert gone() is None


# ---- waiting


def test_call_gives_the_value_from_the_loopers_thread(worker):
    assert worker.handler.call(threading.current_thread) is worker


def test_call_raises_what_the_function_raised(worker):
    def fail():
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        worker.handler.call(fail)


def test_what_is_called_shows_as_itself_in_a_dump(handler, looper):
    lines = []
    other = threading.Thread(target=lambda: handler.run_with_scissors(print))
    other.start()
    while handler.has_messages_or_callbacks() is False:
        pass
    looper.dump(lines.append)
    looper.pump()
    other.join(5)

    assert any(repr(print) in line for line in lines)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_raised_to_the_caller_and_ends_the_looper(worker, uncaught, stop):
    def fail():
        raise stop("now")

    with pytest.raises(stop, match="now"):
        worker.handler.call(fail)
    worker.join(5)

    assert not worker.is_alive()
    assert isinstance(uncaught.pop(), stop)


def test_call_on_the_loopers_own_thread_runs_in_place(worker):
    assert worker.handler.call(lambda: worker.handler.call(lambda: 42)) == 42


def test_a_call_that_times_out_is_taken_back(worker):
    release = threading.Event()
    log = []
    worker.handler.post(release.wait)

    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 seconds"):
        worker.handler.call(lambda: log.append("ran"), timeout=0.01)
    release.set()
    worker.handler.call(lambda: None)

    assert log == []


def test_a_call_whose_looper_quits_meanwhile_fails(worker, monkeypatch):
    begun, release, waits = threading.Event(), threading.Event(), threading.Event()
    wait = _Waited.wait

    def wait_and_say_so(waited, seconds):
        waits.set()
        return wait(waited, seconds)

    monkeypatch.setattr(_Waited, "wait", wait_and_say_so)

    def hold():
        begun.set()
        release.wait()

    worker.handler.post(hold)
    begun.wait()
    outcome = []

    def call():
        try:
            worker.handler.call(print)
        except RejectedExecutionError as error:
            outcome.append(str(error))

    caller = threading.Thread(target=call)
    caller.start()
    assert waits.wait(10)  # not before: a looper that quits within the post refuses it in other words
    worker.quit()
    release.set()
    caller.join(5)

    assert "it quit before, or the call was removed" in outcome[0]
    with pytest.raises(RejectedExecutionError, match="it has quit"):
        worker.handler.call(print)


def test_a_call_that_is_removed_fails_rather_than_hangs(worker):
    begun, release = threading.Event(), threading.Event()
    worker.handler.post(lambda: (begun.set(), release.wait()))
    begun.wait()
    outcome = []

    def call():
        try:
            worker.handler.call(print)
        except RejectedExecutionError:
            outcome.append("rejected")

    caller = threading.Thread(target=call)
    caller.start()
    while not worker.handler.has_messages_or_callbacks():
        pass
    worker.handler.remove_callbacks_and_messages(None)
    caller.join(5)
    release.set()

    assert outcome == ["rejected"]


def test_run_with_scissors_waits_until_it_has_run(worker):
    log = []

    assert worker.handler.run_with_scissors(lambda: log.append(threading.current_thread())) is True
    assert log == [worker]


def test_run_with_scissors_runs_in_place_on_its_own_thread(handler):
    log = []

    assert handler.run_with_scissors(lambda: log.append("in place")) is True
    assert log == ["in place"]


def test_run_with_scissors_gives_up_and_leaves_it_posted(worker):
    release = threading.Event()
    log = []
    worker.handler.post(release.wait)

    assert worker.handler.run_with_scissors(lambda: log.append("ran"), 0.01) is False
    release.set()
    worker.handler.call(lambda: None)

    assert log == ["ran"]


def test_run_with_scissors_is_false_when_the_looper_quits(worker):
    begun, release = threading.Event(), threading.Event()

    def hold():
        begun.set()
        release.wait()

    worker.handler.post(hold)
    begun.wait()
    outcome = []
    caller = threading.Thread(target=lambda: outcome.append(worker.handler.run_with_scissors(print)))
    caller.start()
    while not worker.handler.has_messages_or_callbacks():
        pass
    worker.quit()
    release.set()
    caller.join(5)

    assert outcome == [False]
    assert worker.handler.run_with_scissors(print) is False


@pytest.mark.parametrize("timeout", [-1.0, math.nan])
def test_run_with_scissors_wants_a_time(handler, timeout):
    with pytest.raises(ValueError, match="timeout must be >= 0 seconds"):
        handler.run_with_scissors(print, timeout)


def test_execute_or_send_dispatches_in_place_on_its_own_thread_and_sends_from_another(worker):
    heard = []
    handler = Handler(worker.looper, lambda message: heard.append((message.what, threading.current_thread())))

    handler.execute_or_send_message(Message(1))
    handler.call(lambda: (handler.execute_or_send_message(Message(2)), heard.append("after")))

    assert heard == [(1, worker), (2, worker), "after"]


# ---- asynchronous


def test_an_asynchronous_handler_overtakes_barriers(looper):
    log = []
    plain, quick = Handler(looper), Handler.create_async(looper)
    token = looper.queue.post_sync_barrier()
    plain.post(lambda: log.append("plain"))
    quick.post(lambda: log.append("quick"))
    plain.send_message(Message(asynchronous=True, callback=lambda: log.append("marked")))
    quick.send_message(Message(callback=lambda: log.append("sent")))

    looper.pump()
    assert log == ["quick", "marked", "sent"]

    looper.queue.remove_sync_barrier(token)
    looper.pump()
    assert log == ["quick", "marked", "sent", "plain"]


# ---- as an executor


def test_an_executor_runs_on_the_loopers_thread(worker):
    executor = worker.handler.as_executor()

    assert isinstance(executor, concurrent.futures.Executor)
    assert executor.submit(threading.current_thread).result(5) is worker
    assert list(executor.map(abs, [-1, -2])) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 / 0).result(5)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_in_the_future_and_ends_the_looper(worker, uncaught, stop):
    def fail():
        raise stop("now")

    future = worker.handler.as_executor().submit(fail)
    worker.join(5)

    assert isinstance(future.exception(5), stop)
    assert not worker.is_alive()
    assert uncaught.pop() is future.exception()


def test_a_task_that_runs_is_not_cancelled_by_a_looper_that_dies(handler, looper):
    """The queue says so of what raised; the future has its outcome."""
    executor = handler.as_executor()
    lines = []
    future = executor.submit(abs, -7)
    (task,) = [entry[2].callback for entry in looper.queue._entries()]
    looper.dump(lines.append)
    looper.pump()
    task.rejected()

    assert any(repr(abs) in line for line in lines)
    assert future.result(0) == 7


def test_an_executor_refuses_after_its_looper_or_itself_was_shut(worker):
    executor = worker.handler.as_executor()
    with worker.handler.as_executor() as shut:
        pass
    with pytest.raises(RejectedExecutionError, match="it was shut down"):
        shut.submit(print)

    worker.quit()
    worker.join(5)
    with pytest.raises(RejectedExecutionError, match="its looper has quit"):
        executor.submit(print)


def test_a_future_is_cancelled_when_the_looper_quits(handler, looper):
    future = handler.as_executor().submit(print)

    looper.quit()

    assert future.cancelled()
    assert concurrent.futures.wait([future], timeout=5).done == {future}


def test_a_cancelled_future_does_not_run(handler, looper):
    log = []
    future = handler.as_executor().submit(log.append, "ran")

    future.cancel()
    looper.pump()

    assert log == []


def test_shutdown_may_cancel_what_has_not_begun(worker):
    release = threading.Event()
    executor = worker.handler.as_executor()
    worker.handler.post(release.wait)
    future = executor.submit(print)

    executor.shutdown(wait=False, cancel_futures=True)
    release.set()

    assert future.cancelled()


# ---- a test's hold on a looper


def test_a_test_takes_a_loopers_messages_one_by_one(worker):
    log = []
    with TestLooperManager(worker.looper) as manager:
        worker.handler.post(lambda: log.append(threading.current_thread()))
        worker.handler.send_empty_message_delayed(5, 3_600)

        message = manager.next()
        assert log == []
        manager.execute(message)
        assert log == [worker]
        assert manager.poll() is None
        assert manager.peek_when() > worker.looper.queue.clock()
        assert not manager.is_blocked_on_barrier()


def test_executing_raises_at_the_test(worker):
    with TestLooperManager(worker.looper) as manager:
        worker.handler.post(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            manager.execute(manager.next())


def test_a_released_looper_runs_by_itself_again(worker):
    manager = TestLooperManager(worker.looper)
    done = threading.Event()
    worker.handler.post(done.set)
    assert not done.is_set()

    manager.release()

    assert done.wait(5)
    with pytest.raises(IllegalStateError, match="after its release"):
        manager.next()


@pytest.mark.parametrize("when", ["before", "as it waits"])
def test_a_looper_that_quits_cannot_be_held(worker, when):
    looper = worker.looper
    if when == "before":
        worker.quit()
        worker.join(5)
    else:
        busy, go_on = threading.Event(), threading.Event()
        worker.handler.post(lambda: (busy.set(), go_on.wait(5), looper.quit()))
        assert busy.wait(5)
        threading.Timer(0.01, go_on.set).start()

    with pytest.raises(IllegalStateError, match="it has quit"):
        TestLooperManager(looper)


def test_a_second_release_does_nothing(worker):
    manager = TestLooperManager(worker.looper)
    manager.release()
    manager.release()

    assert worker.handler.call(lambda: 7) == 7


def test_a_looper_has_one_manager(worker):
    with TestLooperManager(worker.looper):
        with pytest.raises(IllegalStateError, match="another manager has it"):
            TestLooperManager(worker.looper)
    TestLooperManager(worker.looper).release()


def test_a_manager_on_the_loopers_own_thread_executes_in_place(handler, looper):
    log = []
    token = looper.queue.post_sync_barrier()
    handler.post(lambda: log.append("ran"))
    with TestLooperManager(looper) as manager:
        assert manager.poll() is None
        assert manager.is_blocked_on_barrier()
        looper.queue.remove_sync_barrier(token)
        manager.execute(manager.next())

    assert log == ["ran"]
