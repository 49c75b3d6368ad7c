"""Failures of deferreds that nobody awaited (row E14)."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes import run
from tests.virtual_main import VMain
from vmscope import CoroutineScope, Dispatchers, SupervisorJob
from vmscope.debug import report_unread_failures


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_value))
    report_unread_failures()
    yield seen
    report_unread_failures(False)


def fail() -> None:
    raise ValueError("boom")


def test_a_failure_that_nobody_awaited_is_told_when_its_deferred_goes(main: VMain, told: list[BaseException]) -> None:
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)

    scope.async_(fail)
    main.drain()
    gc.collect()  # a failure refers to the frames it came through, and they to the coroutine

    assert [str(failure) for failure in told] == ["boom"]
    assert "whose failure nobody awaited" in told[0].__notes__[0]


def test_a_failure_that_was_read_is_not(main: VMain, told: list[BaseException]) -> None:
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)

    asked = scope.async_(fail)
    main.drain()
    assert str(asked.get_completion_exception_or_none()) == "boom"
    del asked
    gc.collect()

    assert told == []


def test_it_is_silent_unless_asked_for(main: VMain, told: list[BaseException]) -> None:
    report_unread_failures(False)
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)

    scope.async_(fail)
    main.drain()
    gc.collect()

    assert told == []


def test_failures_left_at_the_end_of_the_process_are_told_once_each() -> None:
    """E14: also where each was the only one at its time."""
    code, out, err = run("""
        import atexit, gc
        from vmscope.debug import report_unread_failures
        registered = []
        register, atexit.register = atexit.register, lambda function, *args: registered.append(function)
        threading.excepthook = lambda args: print("told", args.exc_value)
        report_unread_failures()
        def fail(number):
            raise ValueError(number)
        for number in range(3):
            deferred = GlobalScope.async_(fail, number, context=Dispatchers.Unconfined)
            deferred.get_completion_exception_or_none()
            del deferred
            gc.collect()
        deferred = GlobalScope.async_(fail, "the last", context=Dispatchers.Unconfined)
        for function in registered:
            function()
        print(len(registered))
    """)

    assert (code, out, err) == (0, "told the last\n1\n", "")
