"""What stands around the system's threads and queues: a refused thread, a wait in turns, a failing report."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from vmscope import _primitives
from vmscope._primitives import report_uncaught, snapshot, start_thread, wait_in_turns


def test_where_daemon_threads_are_refused_an_ordinary_one_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sub-interpreter has no daemon threads."""

    class Plain(threading.Thread):
        def __init__(self, *, daemon: bool, **more: Any) -> None:
            if daemon:
                raise RuntimeError("daemon threads are disabled in this (sub)interpreter")
            super().__init__(daemon=daemon, **more)

    monkeypatch.setattr(_primitives, "Thread", Plain)
    ran: list[tuple[str, bool]] = []

    def work() -> None:
        ran.append((threading.current_thread().name, threading.current_thread().daemon))

    start_thread(work, "worker").join(5)

    assert ran == [("worker", False)]


def test_a_system_without_threads_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_primitives, "Thread", Refused)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        start_thread(print, "worker")


def test_the_main_thread_waits_in_turns_that_grow_and_any_other_once() -> None:
    """A Ctrl-C that did not end the system's wait is late by no more than the wait so far."""
    asked: list[float | None] = []

    def wait(seconds: float | None) -> bool:
        asked.append(seconds)
        return len(asked) == 4 or seconds is None

    assert wait_in_turns(wait)
    growth = _primitives.WAIT_GROWTH
    assert asked == [0.125 * growth**n for n in range(4)]

    asked.clear()
    other = threading.Thread(target=wait_in_turns, args=(wait,))
    other.start()
    other.join(5)
    assert asked == [None]


def test_a_wait_with_an_end_ends() -> None:
    asked: list[float | None] = []

    assert not wait_in_turns(lambda seconds: bool(asked.append(seconds)), 0.0)
    assert asked == [0.0]


def test_a_copy_that_another_thread_disturbs_is_taken_anew() -> None:
    class Disturbed(deque[int]):
        left = 2

        def __iter__(self) -> Iterator[int]:
            if self.left:
                self.left -= 1
                raise RuntimeError("deque mutated during iteration")
            return super().__iter__()

    assert snapshot(Disturbed([1, 2, 3])) == [1, 2, 3]


def test_a_hook_that_raises_is_told_of_and_nothing_is_raised_where_that_fails_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[object] = []

    def hook(args: Any) -> None:
        told.append(args.exc_value)
        raise LookupError("in the hook")

    def last_hook(kind: object, failure: BaseException, trace: object) -> None:
        told.append(str(failure))
        raise OSError("nobody is left")

    monkeypatch.setattr(threading, "excepthook", hook)
    monkeypatch.setattr(sys, "excepthook", last_hook)
    failure = ValueError("first")

    report_uncaught(failure)

    assert told == [failure, "in the hook"]
