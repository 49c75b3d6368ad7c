"""What a process does to loopers: signals, finalizers, Ctrl-C, fork, exit; in a process of its own where it must be."""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from contextlib import contextmanager
from itertools import count

import pytest

from tests.processes import POSIX, run
from vmscope import CompletableDeferred, HandlerThread, MessageQueue, uptime

from .notes import Note

# ---- signals and finalizers


@POSIX
def test_a_signal_handler_wakes_the_loop_that_it_interrupts():
    queue, log = MessageQueue(), []
    previous = signal.signal(signal.SIGUSR1, lambda *_: queue.put(Note("from the handler", log)))
    queue.add_idle_handler(lambda: threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR1)).start())
    try:
        queue.run_until(lambda: log)
    finally:
        signal.signal(signal.SIGUSR1, previous)

    assert log == ["from the handler"]


@contextmanager
def a_handler_that_outlasts(seconds, rescue):
    """Have a signal strike the main thread within `seconds`, whose handler returns after them. Yields their end.

    A wait that has no end fails the test after five seconds: `rescue` lets it go on.
    """
    end, struck, rescued, main = uptime() + seconds, [], [], threading.main_thread().ident

    def outlast(*_: object) -> None:
        struck.append(uptime() < end)
        while uptime() < end + 0.01:
            pass

    def give_up() -> None:
        rescued.append(True)
        rescue()

    previous = signal.signal(signal.SIGUSR1, outlast)
    timers = [threading.Timer(seconds / 4, signal.pthread_kill, (main, signal.SIGUSR1)), threading.Timer(5, give_up)]
    for timer in timers:
        timer.start()
    try:
        yield end
    finally:
        timers[0].join()
        timers[1].cancel()
        signal.signal(signal.SIGUSR1, previous)
    assert struck == [True]
    assert not rescued


@POSIX
def test_a_loop_wakes_for_a_timer_though_a_signal_handler_was_running_when_that_fell_due():
    """F6: before Python 3.13 the wait for a SimpleQueue has no end then."""
    queue, log = MessageQueue(), []
    with a_handler_that_outlasts(0.4, queue.wake) as end:
        queue.put_at(Note("timer", log), end)
        queue.run_until(lambda: log)

    assert log == ["timer"]


@POSIX
@pytest.mark.parametrize("what", ["call", "future"])
def test_a_wait_of_the_main_thread_ends_in_time_though_a_signal_handler_took_longer(what):
    """F6"""
    go_on, deferred = threading.Event(), CompletableDeferred()
    future = deferred.as_future()

    def let_go_on() -> None:
        go_on.set()
        deferred.complete(1)

    with HandlerThread("busy") as thread:
        thread.handler.post(go_on.wait)
        try:
            with a_handler_that_outlasts(0.4, let_go_on), pytest.raises(TimeoutError):
                if what == "call":
                    thread.handler.call(print, timeout=0.4)
                else:
                    future.result(0.4)
        finally:
            let_go_on()


@POSIX
def test_a_storm_of_signals_that_put_loses_nothing():
    queue, log, sent, numbers = MessageQueue(), [], [], count()

    def on_signal(*_: object) -> None:
        number = next(numbers)  # one step: the next signal may come inside this handler
        sent.append(number)
        queue.put(Note(number, log))
        queue.put_at(Note(number, log), queue.clock() + 0.0001)

    previous = signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0002)
    busy = Note("busy", [])
    busy.then = lambda: len(sent) < 300 and queue.put_at(busy, queue.clock() + 0.0001)
    queue.put(busy)
    try:
        queue.run_until(lambda: len(sent) >= 300)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    queue.run_until(lambda: len(log) >= 2 * len(sent))

    assert sorted(log) == sorted([*sent, *sent])


def test_finalizers_and_weakref_callbacks_may_put_take_back_and_ask_wherever_they_run():
    with HandlerThread("worker") as thread:
        handler, heard, made = thread.handler, [], 0

        class Last:
            def __init__(self) -> None:
                self.cycle = self

            def __del__(self) -> None:
                handler.remove_callbacks(nobody)
                handler.post_delayed(nobody, 60)
                handler.post(lambda: heard.append(1))

        def nobody() -> None:
            raise AssertionError

        thresholds = gc.get_threshold()
        gc.set_threshold(20)
        try:
            refs = []
            for _ in range(300):
                last = Last()
                refs.append(weakref.ref(last, lambda _: handler.post(lambda: heard.append(1))))
                made += 2
                del last
                handler.post(lambda: [Last() for _ in range(0)])
        finally:
            gc.set_threshold(*thresholds)
        gc.collect()
        handler.call(lambda: None)
        handler.remove_callbacks(nobody)

        assert len(heard) == made


# ---- Ctrl-C


@POSIX
def test_ctrl_c_ends_an_idle_main_loop_in_order():
    code, out, err = run("""
        looper = Looper.prepare_main()
        class Left:
            asynchronous = False
            def run(self): print("ran")
            def rejected(self): print("rejected")
        looper.queue.put_at(Left(), looper.queue.clock() + 60)
        looper.queue.add_idle_handler(lambda: threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start())
        try:
            Looper.loop()
        except KeyboardInterrupt:
            restored = signal.getsignal(signal.SIGINT) is signal.default_int_handler
            print("interrupted", Handler(looper).post(print), restored)
    """)

    assert (code, out) == (0, "rejected\ninterrupted False True\n"), err


@POSIX
def test_a_ctrl_c_that_does_not_end_the_wait_of_the_system_is_heard_all_the_same():
    """As when it strikes just before the wait: here another thread takes the signal, and the main one sleeps on."""
    code, out, err = run("""
        looper = Looper.prepare_main()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # this thread's: the timer's takes it
        try:
            Looper.loop()
        except KeyboardInterrupt:
            print("interrupted")
    """)

    assert (code, out) == (0, "interrupted\n"), err


@POSIX
@pytest.mark.parametrize("wait", [
    "other.handler.call(forever)", "other.handler.run_with_scissors(forever)", "Mutex(locked=True).acquire_blocking()",
])  # fmt: skip
def test_so_it_is_in_a_blocking_call_on_the_main_thread(wait):
    code, out, err = run(f"""
        from vmscope.looper import HandlerThread
        from vmscope.sync import Mutex
        gone = threading.Event()
        def forever():
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            gone.wait()
        with HandlerThread("other") as other:
            if "forever" not in {wait!r}:
                threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            try:
                {wait}
            except KeyboardInterrupt:
                print("interrupted")
            gone.set()
    """)

    assert (code, out) == (0, "interrupted\n"), err


@POSIX
def test_the_first_ctrl_c_waits_for_the_message_and_the_second_does_not():
    """I7"""
    code, out, err = run("""
        looper = Looper.prepare_main()
        def work():
            os.kill(os.getpid(), signal.SIGINT)
            print("not cut in half")
        def stuck():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
            print("never here")
        Handler(looper).post(work)
        try:
            Looper.loop()
        except KeyboardInterrupt:
            print("first")
        looper = Looper.prepare_main()
        Handler(looper).post(stuck)
        try:
            Looper.loop()
        except KeyboardInterrupt:
            print("second")
    """)

    assert (code, out) == (0, "not cut in half\nfirst\nsecond\n"), err


@POSIX
def test_a_ctrl_c_that_comes_with_the_last_message_is_not_lost():
    code, out, err = run("""
        looper = Looper.prepare_main()
        Handler(looper).post(lambda: (looper.quit(), os.kill(os.getpid(), signal.SIGINT)))
        try:
            Looper.loop()
        except KeyboardInterrupt:
            print("interrupted")
    """)

    assert (code, out) == (0, "interrupted\n"), err


@POSIX
def test_a_programs_own_handler_of_ctrl_c_is_left_alone():
    code, out, err = run("""
        looper = Looper.prepare_main()
        signal.signal(signal.SIGINT, lambda *_: (print("mine"), looper.quit()))
        Handler(looper).post(lambda: os.kill(os.getpid(), signal.SIGINT))
        Looper.loop()
        print("done")
    """)

    assert (code, out) == (0, "mine\ndone\n"), err


# ---- fork


@POSIX
def test_after_a_fork_the_childs_copies_are_dead_and_a_new_main_looper_works():
    code, out, err = run("""
        main = Looper.prepare_main()
        thread = HandlerThread("worker"); thread.start()
        handler = thread.handler
        busy = threading.Event()
        def hammer():
            while not busy.is_set():
                handler.post(int); handler.post_delayed(int, 5); handler.remove_callbacks(int)
        hammers = [threading.Thread(target=hammer) for _ in range(2)]
        for each in hammers: each.start()
        children = []
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                assert handler.post(print) is False
                assert Handler(main).post(print) is False
                assert Looper.my_looper() is None and Looper.get_main() is None
                mine = Looper.prepare_main()
                Handler(mine).post(mine.quit)
                Looper.loop()
                with HandlerThread("child's own") as own:
                    assert own.handler.call(lambda: 42) == 42
                sys.exit(7)
            children.append(pid)
        busy.set()
        for each in hammers: each.join()
        print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
        print(handler.call(lambda: "the parent goes on"))
    """)

    assert (code, out) == (0, "[7, 7, 7, 7, 7]\nthe parent goes on\n"), err


@POSIX
def test_a_message_that_forks_ends_its_loop_in_the_child():
    code, out, err = run("""
        looper = Looper.prepare_main()
        def fork():
            if os.fork() == 0:
                return
            os.wait()
            print("parent", flush=True)
            Handler(looper).post(looper.quit)
        Handler(looper).post(fork)
        Looper.loop()
        print("out", flush=True)
    """)

    assert (code, out) == (0, "out\nparent\nout\n"), err


# ---- exit


@pytest.mark.parametrize("busy", ["pass", "handler.post(lambda: time.sleep(0.05))", "handler.post_delayed(print, 60)"])
def test_a_process_ends_with_loopers_alive(busy):
    code, out, err = run(f"""
        thread = HandlerThread("worker"); thread.start()
        handler = thread.handler
        {busy}
    """)

    assert (code, out, err) == (0, "", "")


def test_what_is_pending_at_exit_is_rejected():
    code, out, err = run("""
        thread = HandlerThread("worker"); thread.start()
        class Left:
            asynchronous = False
            def run(self): print("ran")
            def rejected(self): print("rejected")
        thread.looper.queue.put_at(Left(), thread.looper.queue.clock() + 60)
    """)

    assert (code, out, err) == (0, "rejected\n", "")


def test_a_stuck_message_does_not_hold_the_process():
    code, out, err = run("""
        from vmscope import _at_exit
        _at_exit.GRACE = 0.05
        thread = HandlerThread("worker"); thread.start()
        started = threading.Event()
        thread.handler.post(lambda: (started.set(), time.sleep(3600)))
        started.wait()
    """)

    assert (code, out, err) == (0, "", "")


def test_system_exit_in_a_main_message_ends_the_process_with_its_code():
    code, _, err = run("""
        looper = Looper.prepare_main()
        Handler(looper).post(lambda: sys.exit(3))
        Looper.loop()
    """)

    assert (code, err) == (3, "")


def test_the_room_loads_nothing_slow():
    program = """
        slow = {"asyncio", "inspect", "dataclasses", "logging", "concurrent", "selectors", "socket"}
        for name in slow & set(sys.modules):
            del sys.modules[name]  # loaded by what measures the process; who needs it loads it anew
        from vmscope import *
        Looper.prepare(); Handler().post(Looper.my_looper().quit); Looper.loop()
        print(sorted(slow & set(sys.modules)))
    """
    code, out, err = run(program, module="builtins")

    assert (code, out) == (0, "[]\n"), err
