"""What holds in every test: a warning is an error, nothing dies unseen in a thread, no thread is left behind.

pytest turns what reaches `threading.excepthook` and `sys.unraisablehook` into warnings, which pyproject makes errors. A
test that expects such a death takes the fixture `uncaught` and empties it.
"""

from __future__ import annotations

import gc
import io
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator

import hypothesis
import pytest

from vmscope import Looper
from vmscope._primitives import FREE_THREADED
from vmscope.looper import _looper

hypothesis.settings.register_profile("vmscope", deadline=None)  # how fast an example runs is no test
hypothesis.settings.load_profile("vmscope")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's `&` leaves it so, and the tests send Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

PATIENCE = 5.0  # seconds that a thread which was told to end may still take


def pytest_collection_finish() -> None:
    """Have no collection look at what has been imported and collected: that was a third of the time of all tests.

    Not without the GIL, where each collection goes through all of it even so.
    """
    if not FREE_THREADED:
        gc.collect()
        gc.freeze()


@pytest.fixture
def uncaught(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """What reached `threading.excepthook` in this test, oldest first; the test pops each one it expected."""
    seen: list[BaseException] = []

    def take(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            seen.append(args.exc_value)

    monkeypatch.setattr(threading, "excepthook", take)
    yield seen
    assert not seen, f"nobody expected these: {seen!r}"


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    """Every thread that holds the process open and began in the test has ended with it."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + PATIENCE
    left = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    for thread in left:
        thread.join(max(0.0, deadline - time.monotonic()))
    alive = [thread.name for thread in left if thread.is_alive()]
    assert not alive, f"left behind: {', '.join(alive)}"


@pytest.fixture(autouse=True)
def every_test_begins_without_a_looper() -> Iterator[None]:
    """The thread of the tests has no looper, and there is no main one: as in a program that has just begun."""
    yield
    _looper._local.looper = None
    Looper.set_main_for_test(None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows which coroutines were alive, and where each of them waits."""
    report = yield
    debug = sys.modules.get("vmscope.debug")
    if report.failed and debug is not None:
        dump = io.StringIO()
        try:
            debug.dump_coroutines(dump)
            report.sections.append(("coroutines", dump.getvalue() or "none"))
        except Exception as failure:  # noqa: BLE001  (the failure to report on is the test's)
            report.sections.append(("coroutines", f"no dump: {failure!r}"))
    return report
