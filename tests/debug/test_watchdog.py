"""The watchdog of a looper: what it tells of a dispatch that takes too long, when, and that nothing else comes of it.

Most tests look for the watch by hand, out of the message that moves the clock: with `by_hand` its thread never starts.
"""

from __future__ import annotations

import _thread
import functools
import gc
import logging
import operator
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.looper.notes import VirtualClock
from tests.processes import POSIX, run
from tests.races.faults import Fault
from tests.strike import striking
from vmscope import (
    CompletableDeferred,
    CoroutineScope,
    Dispatchers,
    Handler,
    HandlerThread,
    IllegalStateError,
    Job,
    Looper,
    Message,
    VmScopeWarning,
    as_dispatcher,
    delay,
    launch,
    run_blocking,
)
from vmscope._primitives import FREE_THREADED
from vmscope.debug import BlockReport, LooperWatch, _stacks, _watchdog
from vmscope.debug._stacks import thread_stack
from vmscope.testing import ScheduleError, explore

Slow = Callable[[], None]
LIMIT = 0.1
PATIENCE = 10.0  # seconds after which a test that waits for another thread fails


@pytest.fixture
def stack_known() -> None:
    """Where `faulthandler` is asked: it tells of the hundred youngest threads, and others may have left more."""
    if not _stacks.WALKS and _thread._count() >= 99:
        pytest.skip("a hundred younger threads hide the stack of this one")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


@pytest.fixture
def looper(clock: VirtualClock) -> Iterator[Looper]:
    made = Looper.create_for_test(clock)
    yield made
    made.quit()


@pytest.fixture
def handler(looper: Looper) -> Handler:
    return Handler(looper)


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watchdog, "start_thread", lambda target, name: None)


@pytest.fixture
def reports() -> list[BlockReport]:
    return []


@pytest.fixture
def watch(by_hand: None, looper: Looper, reports: list[BlockReport]) -> Iterator[LooperWatch]:
    with looper.watch(LIMIT, reports.append) as made:
        yield made


@pytest.fixture
def slow(clock: VirtualClock, watch: LooperWatch) -> Slow:
    """What takes 0.2 s of the clock, and is looked at then."""

    def slow() -> None:
        clock.now += 0.2
        watch._look()

    return slow


def ended(watch: LooperWatch) -> bool:
    """Whether the thread of `watch` has ended, waited for."""
    thread = watch._thread
    assert thread is not None
    thread.join(PATIENCE)
    return not thread.is_alive()


# ---- on a thread of its own


def test_a_blocked_looper_is_told_of_while_it_is_blocked(reports: list[BlockReport]) -> None:
    """G9, F53: only what is told lets it go on."""
    told = threading.Event()

    def on_block(report: BlockReport) -> None:
        reports.append(report)
        told.set()

    def blocks() -> None:
        assert told.wait(PATIENCE)

    with HandlerThread("screen") as thread, thread.looper.watch(0.01, on_block):
        thread.handler.call(blocks)
        thread.handler.call(lambda: None)

    (report,) = reports
    assert report.thread == "screen"
    assert report.message == f"{blocks.__qualname__} for Handler(screen)"
    assert report.seconds >= 0.01
    assert report.place is not None
    assert report.place.file == threading.__file__
    assert "in blocks\n" in report.stack or f"in {blocks.__qualname__}\n" in report.stack
    assert "assert told.wait(PATIENCE)" in report.stack


def test_a_callback_that_raises_is_reported_and_the_next_stall_is_told_of(uncaught: list[BaseException]) -> None:
    """F53"""
    told = threading.Event()

    def on_block(report: BlockReport) -> None:
        told.set()
        raise LookupError(report.message)

    def blocks() -> None:
        assert told.wait(PATIENCE)
        told.clear()

    with HandlerThread("screen") as thread:
        with thread.looper.watch(0.01, on_block) as watch:
            thread.handler.call(blocks)
            thread.handler.call(blocks)
        assert ended(watch)  # before the failures are counted

    assert [type(error) for error in uncaught] == [LookupError, LookupError]
    uncaught.clear()


def test_dispose_ends_a_watch_that_sleeps_and_one_that_waits_for_the_limit() -> None:
    """G9"""
    with HandlerThread("screen") as thread:
        asleep = thread.looper.watch(60)
        asleep.dispose()
        assert ended(asleep)
        waiting = thread.looper.watch(60)

        def block() -> None:
            while not waiting._bell._silent.locked():  # until its thread has heard of this dispatch
                time.sleep(0)
            waiting.dispose()
            assert ended(waiting)

        thread.handler.call(block)
        waiting.dispose()

    assert repr(waiting) == "<LooperWatch of 'screen', limit 60 s, disposed>"


@pytest.mark.parametrize("end", [Looper.quit, Looper.quit_safely])
def test_a_watch_ends_with_its_looper(end: Callable[[Looper], None]) -> None:
    """G9: whoever keeps the handle."""
    before = list(gc.callbacks)
    thread = HandlerThread("screen")
    thread.start()
    looper = thread.looper
    assert looper is not None
    watch = looper.watch(60)

    end(looper)
    thread.join(PATIENCE)

    assert ended(watch)
    assert watch not in _watchdog._live
    assert gc.callbacks == before


def test_a_looper_that_quits_as_its_watch_begins_ends_that(monkeypatch: pytest.MonkeyPatch, looper: Looper) -> None:
    """G9"""

    def quits_first(target: Callable[[], object], name: str) -> Any:
        looper.quit()
        return start(target, name)

    start = _watchdog.start_thread
    monkeypatch.setattr(_watchdog, "start_thread", quits_first)

    assert ended(looper.watch(60))
    assert looper.queue._watch is None


# ---- what counts


def test_a_dispatch_is_told_of_once_when_its_limit_is_up(
    looper: Looper, handler: Handler, clock: VirtualClock, watch: LooperWatch, reports: list[BlockReport]
) -> None:
    """G9: and looked for again when that may be so, not before."""
    waits: list[float | None] = []

    def slow() -> None:
        waits.append(watch._look())
        clock.now += 0.06
        waits.append(watch._look())
        assert not reports
        clock.now += 0.06
        waits.append(watch._look())
        clock.now += 5.0
        waits.append(watch._look())

    handler.post(slow)
    looper.pump()

    assert waits == pytest.approx([0.1, 0.04, 0.1, 0.1])
    assert [report.seconds for report in reports] == pytest.approx([0.12])
    assert watch._look() is None


def test_each_stall_is_told_of(
    looper: Looper, handler: Handler, slow: Slow, reports: list[BlockReport]
) -> None:
    """G9"""

    for _ in range(3):
        handler.post(slow)
    looper.pump()

    assert [report.seconds for report in reports] == pytest.approx([0.2] * 3)


def test_several_watches_of_a_looper_have_each_its_own_limit(
    looper: Looper, handler: Handler, clock: VirtualClock, watch: LooperWatch, reports: list[BlockReport]
) -> None:
    """G9"""
    late: list[BlockReport] = []

    def slow() -> None:
        for _ in range(4):
            clock.now += 0.2
            watch._look()
            other._look()

    with looper.watch(0.5, late.append) as other:
        handler.post(slow)
        looper.pump()
    handler.post(slow)
    looper.pump()

    assert [report.seconds for report in reports] == pytest.approx([0.2, 0.2])
    assert [report.seconds for report in late] == pytest.approx([0.6])


def test_a_dispatch_inside_a_dispatch_is_its_own_and_the_outer_one_goes_on_anew(
    looper: Looper, handler: Handler, clock: VirtualClock, watch: LooperWatch, reports: list[BlockReport]
) -> None:
    """G9: a loop in the loop, as run_blocking makes one."""

    def outer() -> None:
        clock.now += 0.08
        looper.pump()
        watch._look()  # 0.08 before and 0.08 in there: nothing was held up for longer
        assert not reports
        clock.now += 0.3
        watch._look()
        looper.pump()  # nothing there

    def inner() -> None:
        watch._look()
        clock.now += 0.08
        watch._look()

    handler.post(outer)
    handler.post(inner)
    looper.pump()

    (report,) = reports
    assert (report.message.split()[0], report.seconds) == (outer.__qualname__, pytest.approx(0.3))
    assert watch._look() is None


def test_a_dialog_that_waits_for_its_user_is_no_stall_and_what_comes_after_it_may_be_one(
    looper: Looper, handler: Handler, clock: VirtualClock, watch: LooperWatch, reports: list[BlockReport]
) -> None:
    """G9: the toolkit's loop runs in a message, and sleeps there."""
    woken: list[None] = []
    looper.attach_host(lambda: woken.append(None))

    def dialog() -> None:
        woken.clear()
        looper.pump()  # as the toolkit has it pumped; nothing is left to do
        for _ in range(3):
            clock.now += 5.0
            assert watch._look() == LIMIT
            assert woken.pop() is None
            looper.pump()
        watch._look()
        clock.now += 0.05  # and now nobody pumps
        assert watch._look() == pytest.approx(0.05)
        clock.now += 0.2
        watch._look()

    handler.post(dialog)
    looper.pump()

    assert [report.seconds for report in reports] == pytest.approx([0.25])


def test_run_blocking_in_a_message_is_a_stall(reports: list[BlockReport]) -> None:
    """G9: the looper runs nothing else until it returns, asleep or not."""
    told: CompletableDeferred[None] = CompletableDeferred()

    def on_block(report: BlockReport) -> None:
        reports.append(report)
        told.complete(None)

    def outer() -> None:
        with pytest.warns(VmScopeWarning, match="run_blocking in a message"):
            run_blocking(told.await_)

    with HandlerThread("screen") as thread, thread.looper.watch(0.01, on_block):
        thread.handler.call(outer)

    assert [report.message for report in reports] == [f"{outer.__qualname__} for Handler(screen)"]


# ---- what is told


@pytest.mark.usefixtures("stack_known")
def test_the_default_is_a_line_in_the_log_with_the_stack_and_one_when_it_is_over(
    by_hand: None, looper: Looper, handler: Handler, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """G9, F53"""

    def slow() -> None:
        clock.now += 0.2
        watch._look()
        clock.now += 0.5

    with looper.watch() as watch, caplog.at_level(logging.WARNING, "vmscope"):
        handler.post(slow)
        looper.pump()
        clock.now += 60.0
        watch._look()
        watch._look()

    first, second = (record.getMessage() for record in caplog.records)
    assert "is blocked, for 0.200 s by now: " in first
    assert "watch._look()" in first
    assert second == f"{threading.current_thread().name!r} goes on, after 0.700 s"
    assert {record.name for record in caplog.records} == {"vmscope.looper"}


@pytest.mark.usefixtures("stack_known")
def test_the_line_is_the_innermost_one_that_is_not_the_librarys(
    looper: Looper, handler: Handler, slow: Slow, reports: list[BlockReport]
) -> None:
    """G9"""

    handler.post(slow)
    looper.pump()

    place = reports[0].place
    assert place is not None
    assert (place.file, place.line) == (__file__, slow.__code__.co_firstlineno + 2)
    assert place.function in (slow.__qualname__, "slow")


@pytest.mark.usefixtures("stack_known")
def test_a_stall_without_a_line_of_the_program_has_no_place(
    looper: Looper, handler: Handler, clock: VirtualClock, watch: LooperWatch, reports: list[BlockReport]
) -> None:
    """G9: what called the looper is no answer."""
    steps = [functools.partial(setattr, clock, "now", 200.0), watch._look]

    handler.post(functools.partial(list, map(operator.call, steps)))
    looper.pump()

    assert (reports[0].message.split()[0], reports[0].place) == ("list", None)
    assert "looper.pump()" in reports[0].stack


MESSAGES: dict[str, tuple[Callable[[Handler, Any], object], str]] = {
    "a method": (lambda handler, body: handler.post(Holder(body).method), "Holder.method for Handler("),
    "a partial": (lambda handler, body: handler.post(functools.partial(Holder(body).method)), "Holder.method for Han"),
    "an object": (lambda handler, body: handler.post(Holder(body)), "Holder for Handler("),
    "an executor": (lambda handler, body: handler.as_executor().submit(Holder.method, Holder(body)), "Holder.method f"),
    "a number": (lambda handler, body: Reader(handler.looper, body).send_message(Message(7)), "what=7 for Reader("),
    "no message": (lambda handler, body: handler.looper.queue.put(Item(body)), "Item"),
}


class Holder:
    def __init__(self, body: Callable[[], None]) -> None:
        self._body = body

    def method(self) -> None:
        self._body()

    def __call__(self) -> None:
        self._body()

    def __repr__(self) -> str:
        raise AssertionError("asked on the thread of the watch")


class Reader(Handler):
    def __init__(self, looper: Looper, body: Callable[[], None]) -> None:
        super().__init__(looper)
        self._body = body

    def handle_message(self, message: Message) -> None:
        self._body()


class Item:
    asynchronous = False
    when = 0.0

    def __init__(self, body: Callable[[], None]) -> None:
        self.run = body

    def rejected(self) -> None:
        """Not told here."""


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_message_is_named_without_a_repr_of_the_users(
    kind: str, looper: Looper, handler: Handler, slow: Slow, reports: list[BlockReport]
) -> None:
    """G9"""
    put, words = MESSAGES[kind]

    put(handler, slow)
    looper.pump()

    assert reports[0].message.startswith(words)
    assert reports[0].coroutine == ""


@pytest.mark.parametrize("spelling", ["dispatched", "after a delay", "in place", "a function of C"])
def test_the_innermost_coroutine_is_named(
    spelling: str,
    looper: Looper,
    handler: Handler,
    clock: VirtualClock,
    watch: LooperWatch,
    reports: list[BlockReport],
) -> None:
    """G9: where the frames are not walked, the one that the message resumes."""

    def slow() -> None:
        clock.now += 0.2
        watch._look()

    def late() -> Any:
        yield from delay(1.0)
        slow()

    def outer() -> None:
        launch(slow, context=Dispatchers.Unconfined, name="inner")

    def of_c() -> None:
        clock.now += 0.2
        launch((watch._look() for _ in [0]).__next__, context=Dispatchers.Unconfined, name="inner")

    scope = CoroutineScope(Job() + as_dispatcher(handler))
    block, message, found = {
        "dispatched": (slow, "StandaloneCoroutine 'outer'", "outer"),
        "after a delay": (late, "delay of StandaloneCoroutine 'outer'", "outer"),
        "in place": (outer, "StandaloneCoroutine 'outer'", "inner"),
        "a function of C": (of_c, "StandaloneCoroutine 'outer'", "inner"),
    }[spelling]
    scope.launch(block, name="outer")
    looper.pump()
    clock.now += 1.0
    looper.pump()

    assert reports[0].message == message
    assert reports[0].coroutine == f"StandaloneCoroutine {found if _stacks.WALKS else 'outer'!r}"


def test_the_garbage_collector_is_told_apart(
    looper: Looper, handler: Handler, clock: VirtualClock, watch: LooperWatch, reports: list[BlockReport]
) -> None:
    """G9: what it took in this dispatch, not before."""

    def slow(collects: bool) -> None:
        if collects:
            gc.collect()
        clock.now += 0.2
        watch._look()

    gc.disable()
    try:
        handler.post(lambda: slow(True))
        handler.post(lambda: slow(False))
        looper.pump()
    finally:
        gc.enable()

    assert reports[0].gc_seconds > 0
    assert f"{reports[0].gc_seconds:.3f} s of it in the garbage collector" in str(reports[0])
    assert reports[1].gc_seconds == 0
    assert "in the garbage collector" not in str(reports[1]._replace(stack=""))


def test_a_collection_that_goes_on_counts_and_one_that_had_begun_before_does_not() -> None:
    """G9"""
    collector = _watchdog._CollectorClock()

    collector._on_collection("stop", {})
    assert collector.read() == 0.0
    collector._on_collection("start", {})
    began = collector._began
    assert began is not None
    collector._began = began - 2.0

    assert collector.read() >= 2.0
    collector._on_collection("stop", {})
    assert collector.read() == collector.seconds >= 2.0


def test_a_watch_that_is_disposed_of_as_a_collection_ends_does_not_break_its_callback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G9: the last one, by another thread."""
    collector = _watchdog._CollectorClock()
    collector.begin_locked()
    collector._on_collection("start", {})
    plain = time.monotonic

    def ends_as_it_is_asked() -> float:
        monkeypatch.setattr(_watchdog, "monotonic", plain)
        collector.end_locked()
        return plain()

    monkeypatch.setattr(_watchdog, "monotonic", ends_as_it_is_asked)
    collector._on_collection("stop", {})

    assert collector.users == 0
    assert collector._began is None


def test_nothing_is_kept_of_a_dispatch_that_is_over(
    looper: Looper, handler: Handler, clock: VirtualClock, watch: LooperWatch, slow: Slow, reports: list[BlockReport]
) -> None:
    """G9: the thread of the watch would be the last to let go of a callback, and what that holds may be a widget."""

    item = Item(slow)
    gone = weakref.ref(item)
    looper.queue.put(item)
    del item
    looper.pump()

    assert reports
    assert gone() is None


def test_what_ends_while_it_is_looked_at_is_not_told_of(
    monkeypatch: pytest.MonkeyPatch,
    looper: Looper,
    handler: Handler,
    slow: Slow,
    reports: list[BlockReport],
) -> None:
    """G9: the stack may be the next one's."""

    def stack_of_another(*arguments: Any) -> Any:
        looper.pump()  # another dispatch begins and ends meanwhile
        return thread_stack(*arguments)

    monkeypatch.setattr(_watchdog, "thread_stack", stack_of_another)
    handler.post(slow)
    handler.post(lambda: None)
    looper.pump()

    assert not reports


# ---- what a dispatch leaves behind


def test_a_message_that_raises_leaves_nothing_noted(
    looper: Looper, handler: Handler, watch: LooperWatch, uncaught: list[BaseException]
) -> None:
    """G9"""
    handler.post(lambda: 1 / 0)
    looper.pump()

    assert isinstance(uncaught.pop(), ZeroDivisionError)
    assert watch._look() is None


@pytest.mark.usefixtures("by_hand")
def test_a_ctrl_c_at_any_point_of_a_dispatch_leaves_nothing_noted() -> None:
    """G9: or the watch would take the looper for blocked, for ever."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    def pumps() -> None:
        try:
            looper.pump()
        except KeyboardInterrupt:
            looper.quit()

    at, points = 0, True
    with striking([_watchdog.Dispatches.run.__code__, _watchdog.Dispatches._end.__code__]) as strike:
        while points:
            looper = Looper.create_for_test()
            watch = looper.watch()
            watch._asleep = True
            Handler(looper).post(lambda: None)
            points = strike(pumps, at, interrupt)
            assert watch._look() is None
            watch.dispose()
            looper.quit()
            at += 1

    assert at > 5


# ---- switching on and off


def test_a_looper_that_nobody_watches_runs_its_messages_plainly(looper: Looper, by_hand: None) -> None:
    """G9: no hook, and nothing on the collector."""
    before = list(gc.callbacks)
    first, second = looper.watch(), looper.watch()
    assert looper.queue._watch is not None

    first.dispose()
    first.dispose()
    assert looper.queue._watch is not None
    second.dispose()

    assert looper.queue._watch is None
    assert gc.callbacks == before
    assert looper.queue.peek_when() is None


def test_logging_and_watching_go_together(
    looper: Looper, handler: Handler, slow: Slow, reports: list[BlockReport]
) -> None:
    """G9"""
    lines: list[str] = []

    looper.set_message_logging(lines.append)
    handler.post(slow)
    looper.pump()
    looper.set_message_logging(None)
    handler.post(slow)
    looper.pump()

    assert len(lines) == len(reports) == 2


def test_a_watch_shows_in_the_dump_and_hinders_nobody_who_asks_for_work(looper: Looper, watch: LooperWatch) -> None:
    """G9"""
    lines: list[str] = []

    looper.dump(lines.append)

    assert any("<LooperWatch of" in line for line in lines)
    assert looper.pump() is None
    assert looper.queue.is_idle()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((0,), ValueError, "more than 0 seconds, got 0"),
        ((float("nan"),), ValueError, "a number of seconds"),
        (("soon",), TypeError, "the limit of watch.. must be a number"),
        ((1, 5), TypeError, "a function of the report as on_block, got 5"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    looper: Looper, arguments: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    """G9"""
    with pytest.raises(error, match=words):
        looper.watch(*arguments)
    assert looper.queue._watch is None


def test_a_looper_that_has_quit_is_not_watched(looper: Looper) -> None:
    """G9"""
    looper.quit()

    with pytest.raises(IllegalStateError, match=r"watch <Looper .* quit>: it has quit"):
        looper.watch()


def test_where_the_system_gives_no_thread_nothing_is_left_behind(
    looper: Looper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G9"""

    def refuses(target: object, name: str) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_watchdog, "start_thread", refuses)
    with pytest.raises(RuntimeError, match="new thread"):
        looper.watch()

    assert looper.queue._watch is None
    assert not looper.queue._snapshot()


# ---- the step without a lock


def a_dispatch_begins_as_the_watch_falls_asleep() -> Iterator[Any]:
    told = threading.Event()

    def loops() -> None:
        looper = Looper.create_for_test()
        watch = looper.watch(LIMIT, lambda report: told.set())
        handler = Handler(looper)
        handler.post(lambda: None)
        handler.post(told.wait)  # without end, where nobody tells
        looper.pump()
        watch.dispose()

    yield loops, lambda: None
    assert told.is_set()


def a_watch_begins_as_a_dispatch_does() -> Iterator[Any]:
    told, ready, made = threading.Event(), threading.Event(), []

    def loops() -> None:
        looper = Looper.create_for_test()
        looper._dispatches = dispatches = _watchdog.Dispatches(looper)
        looper.queue.set_watch(dispatches.run)  # noted already, as for another watch
        Handler(looper).post(told.wait)
        made.append(looper)
        ready.set()
        looper.pump()
        looper.quit()

    def begins() -> None:
        ready.wait()
        made[0].watch(LIMIT, lambda report: told.set())

    yield loops, begins
    assert told.is_set()


def two_loopers_and_their_watches_end() -> Iterator[Any]:
    def loops() -> None:
        looper = Looper.create_for_test()
        watch = looper.watch(LIMIT)
        looper.quit()
        watch.dispose()

    yield loops, loops
    assert not _watchdog._live
    assert _watchdog._collector._on_collection not in gc.callbacks


@pytest.fixture
def left_over() -> Iterator[None]:
    """What an exploration gave up half-way is forgotten."""
    yield
    _watchdog._after_fork()


ORDERS = 15 if FREE_THREADED else 60


@pytest.mark.usefixtures("left_over")
@pytest.mark.parametrize(
    "program",
    [a_dispatch_begins_as_the_watch_falls_asleep, a_watch_begins_as_a_dispatch_does, two_loopers_and_their_watches_end],
)
def test_it_holds_in_every_order(program: Callable[[], Any]) -> None:
    """G9"""
    assert explore(program, watch=[_watchdog], most=ORDERS, random=ORDERS // 5).schedules > 10


@pytest.mark.usefixtures("left_over")
@pytest.mark.parametrize(
    "fault",
    [
        Fault("looks before it announces", "debug._watchdog",
              "        self._asleep = True  # W1 announce\n        self._dispatches.running.rotate(0)\n"
              "        if self._dispatches.current() is None:  # W2 then look\n",
              "        nothing = self._dispatches.current() is None\n        self._asleep = True\n"
              "        if nothing:\n",
              "a_dispatch_begins_as_the_watch_falls_asleep"),
        Fault("looks whether it sleeps before it notes", "debug._watchdog",
              "            running.append(dispatch)  # A1 note, then look\n            for watch in self.watches:\n"
              "                if watch._asleep:  # A2\n                    watch._ring()\n",
              "            for watch in self.watches:\n                if watch._asleep:  # A2\n"
              "                    watch._ring()\n            running.append(dispatch)\n",
              "a_dispatch_begins_as_the_watch_falls_asleep"),
        Fault("does not look again once it is known", "debug._watchdog",
              "        self._bell.ring()  # what began meanwhile, noted for another watch, has not rung here\n", "",
              "a_watch_begins_as_a_dispatch_does"),
    ],
    ids=lambda fault: fault.name,
)  # fmt: skip
def test_a_seeded_fault_is_found(fault: Fault) -> None:
    """G9: a wake-up that is lost."""
    with fault.planted(), pytest.raises(ScheduleError, match="deadlock"):
        explore(globals()[fault.found_by], watch=[_watchdog], random=300)


# ---- stacks


def test_what_faulthandler_tells_is_what_the_frames_say() -> None:
    """G9: on some builds the former is all there is; here both can be read, for the thread stands still."""
    entered, leave = threading.Event(), threading.Event()

    def stands_still() -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    thread = threading.Thread(target=stands_still)
    thread.start()
    assert entered.wait(PATIENCE)
    assert thread.ident is not None
    try:
        while True:
            told = _stacks._told(thread.ident, stands_still.__code__)
            walked = _stacks._walk(thread.ident, stands_still.__code__)
            if walked == _stacks._walk(thread.ident, stands_still.__code__):  # else it is on its way into the wait
                break
    finally:
        leave.set()
        thread.join()

    def plain(stack: _stacks.ThreadStack) -> list[tuple[str, int, str]]:
        return [(place.file, place.line, place.function.rpartition(".")[2]) for place in stack.places]

    assert plain(told) == plain(walked)
    assert told.place is not None
    assert walked.place is not None
    assert told.place.line == walked.place.line
    assert {"stands_still", "wait"} <= {function for _, _, function in plain(told)}


@pytest.mark.parametrize("take", [_stacks._told, _stacks._walk])
def test_a_thread_that_has_gone_has_no_stack(take: Callable[[int, Any], _stacks.ThreadStack]) -> None:
    """G9"""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert thread.ident is not None

    assert take(thread.ident ^ 0x5A5A, None) == _stacks.ThreadStack((), None, None)


def test_a_report_without_a_stack_says_what_there_is() -> None:
    """G9"""
    report = BlockReport("main", "load for Handler(main)", "", 0.25, 0.0, None, "")

    assert str(report) == "'main' is blocked, for 0.250 s by now: load for Handler(main)"
    assert str(report._replace(coroutine="'loader'")) == f"{report}, in 'loader'"


def test_the_end_of_the_process_ends_a_watch_that_never_had_a_thread(watch: LooperWatch) -> None:
    """G9, F11"""
    _watchdog._exit()

    assert repr(watch).endswith("disposed>")


def test_the_innermost_line_is_one_outside_the_library() -> None:
    """G9: also where nothing but the library is further in."""
    told: list[_stacks.ThreadStack] = []

    class Notes:
        def __repr__(self) -> str:
            told.append(_stacks._told(threading.get_ident(), None))
            return "noted"

    thread = threading.Thread(target=repr, args=[Message(obj=Notes())])  # the youngest: `stack_known` says why
    thread.start()
    thread.join()

    assert told[0].place is not None
    assert "test_watchdog" in told[0].place.file


# ---- processes


@POSIX
def test_a_forked_child_has_no_watch_and_may_have_one_of_its_own() -> None:
    """G9, F53"""
    code, out, err = run("""
        import gc
        from tests.steer import held_elsewhere
        from vmscope.debug import _watchdog
        thread = HandlerThread("screen"); thread.start()
        watch = thread.looper.watch(60)
        def blocks(told):
            assert told.wait(10)
        def one_more():
            told = threading.Event()
            with HandlerThread("other") as other, other.looper.watch(0.01, lambda report: told.set()):
                other.handler.call(lambda: blocks(told))
        with held_elsewhere(_watchdog._guard):
            forked = os.fork()
        if forked == 0:
            assert not gc.callbacks
            one_more()
            assert not gc.callbacks
            watch.dispose()
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]), len(gc.callbacks))
        one_more()
    """)

    assert (code, out) == (0, "7 1\n"), err


@pytest.mark.parametrize(
    ("patience", "callback", "left"),
    [("3600", "entered.set()", "[]"), ("0.05", "(entered.set(), time.sleep(3600))", "['vmscope-watch MainThread']")],
    ids=["all end", "a callback hangs"],
)
def test_the_end_of_the_process_waits_for_the_watches_for_a_while(patience: str, callback: str, left: str) -> None:
    """G9: one sleeps, one waits for its limit, one tells of a stall."""
    code, out, err = run("""
        import atexit
        def alive():
            return [thread.name for thread in threading.enumerate() if "watch" in thread.name]
        atexit.register(lambda: print(alive()))  # before the watch has its own, so it is called after that
        from vmscope import _at_exit
        looper = Looper.prepare_main()
        _at_exit.GRACE = PATIENCE
        entered = threading.Event()
        looper.watch(60)
        looper.watch(0.01, lambda report: CALLBACK)
        other = HandlerThread("other"); other.start()
        other.looper.watch(60)
        Handler(looper).post(lambda: entered.wait(10))
        looper.pump()
        print(entered.is_set(), sorted(alive()))
    """.replace("GRACE = PATIENCE", f"GRACE = {patience}").replace("CALLBACK", callback))

    names = "['vmscope-watch MainThread', 'vmscope-watch MainThread', 'vmscope-watch other']"
    assert (code, out) == (0, f"True {names}\n{left}\n"), err
