"""The limit in real time for a test that hangs."""

from __future__ import annotations

import itertools
import math
import signal
import sys
import threading

import pytest

from vmscope import CoroutineScope, Dispatchers, Job, await_cancellation
from vmscope.debug import _stacks
from vmscope.testing import HangError, _hang, coroutines_timeout


@pytest.fixture(autouse=True)
def ctrl_c_as_python_has_it():
    """A shell that starts a job in the background has it ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_blocking_call_is_interrupted_with_a_dump(capsys):
    scope = CoroutineScope(Job() + Dispatchers.Unconfined)
    scope.launch(await_cancellation, name="stuck")

    with pytest.raises(HangError) as hit:
        with coroutines_timeout(0.05):
            threading.Event().wait(20)

    scope.cancel()
    text = str(hit.value)
    assert text.startswith("after 0.05 s the test is still running\n")
    assert "'stuck' active" in text
    assert "thread 'MainThread'" in text
    assert text in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_ends_in_time_is_left_alone():
    seen = []

    @coroutines_timeout(20, on_expiry=seen.append)
    def quick():
        return "done"

    assert quick() == "done"
    assert seen == []


def test_on_another_thread_there_is_a_dump_and_nothing_is_interrupted():
    told = threading.Event()
    seen = []

    def tell(text):
        seen.append(text)
        told.set()

    def work():
        with coroutines_timeout(0.02, on_expiry=tell):
            told.wait(20)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()

    assert "thread 'worker'" in seen[0]


def test_ctrl_c_is_passed_on():
    with pytest.raises(KeyboardInterrupt):
        with coroutines_timeout(20):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_that_was_ignored_before_is_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with coroutines_timeout(20):
        signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_limit_without_an_end_watches_nothing():
    before = set(threading.enumerate())

    with coroutines_timeout(math.inf):
        assert set(threading.enumerate()) <= before


def test_where_signals_are_not_ours_there_is_a_dump_and_nothing_is_interrupted(monkeypatch):
    monkeypatch.setattr(_hang, "main_thread", threading.current_thread)  # as in a sub-interpreter: signal() refuses
    told = threading.Event()
    went_on = []

    def work():
        with coroutines_timeout(0.02, on_expiry=lambda text: told.set()):
            went_on.append(told.wait(20))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert went_on == [True]


def test_a_loop_is_interrupted_where_threads_cannot_be_sent_signals(monkeypatch):
    monkeypatch.delattr(signal, "pthread_kill")  # as on Windows

    with pytest.raises(HangError):
        with coroutines_timeout(0.02, on_expiry=lambda text: None):
            for _ in itertools.count():
                pass


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_limit_is_more_than_nothing(seconds):
    with pytest.raises(ValueError, match="coroutines_timeout"):
        coroutines_timeout(seconds)


@pytest.mark.skipif(_stacks.WALKS, reason="here the frames of a thread can be read while it runs")
def test_nobody_reads_the_frames_of_a_thread_that_runs_where_that_does_harm(monkeypatch):
    """Without the GIL they are freed under the reader: the process died of it within seconds."""

    def refuse():
        raise AssertionError

    monkeypatch.setattr(sys, "_current_frames", refuse)

    def youngest() -> None:  # older ones may stand behind a hundred that others have left, and are not shown then
        texts.append(_hang.dump_threads())

    texts: list[str] = []
    thread = threading.Thread(target=youngest)
    thread.start()
    thread.join()

    assert "in youngest" in texts[0]
