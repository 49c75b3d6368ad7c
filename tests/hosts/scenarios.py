"""The contract of a host, as scenarios on a real toolkit.

    python -m tests.hosts.scenarios tk [NAME...]

Plays each scenario in this one process, an application after the other, and prints `NAME ok` or `NAME failed` with a
traceback. A scenario that hangs ends the process with the stacks of its threads. `test_contract.py` reads the lines.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from vmscope import (
    CoroutineScope,
    Dispatchers,
    IllegalStateError,
    NonCancellable,
    ViewModel,
    ViewModelProvider,
    await_cancellation,
    delay,
    with_context,
    yield_,
)
from vmscope.flow import MutableStateFlow
from vmscope.hosts import Host, bind_value, on_event, run_modal

from .kits import KITS, Kit

SCENARIOS: dict[str, Callable[[Kit], None]] = {}
NEEDED: dict[str, tuple[str, ...]] = {}
HANGS = 20.0  # seconds after which a scenario has hung
uncaught: list[BaseException] = []


def scenario(*needs: str) -> Callable[[Callable[[Kit], None]], Callable[[Kit], None]]:
    """Have it played on the kits for which each of `needs` is true."""

    def decorate(function: Callable[[Kit], None]) -> Callable[[Kit], None]:
        SCENARIOS[function.__name__] = function
        NEEDED[function.__name__] = needs
        return function

    return decorate


def of_kit(kit: type[Kit]) -> list[str]:
    """The scenarios that this toolkit can play."""
    return [name for name in SCENARIOS if all(getattr(kit, need) for need in NEEDED[name])]


@contextlib.contextmanager
def refused(kind: type[BaseException], words: str) -> Iterator[None]:
    """The block raises this, and says so."""
    try:
        yield
    except kind as refusal:
        if words not in str(refusal):
            raise
    else:
        raise AssertionError(f"no {kind.__name__}")


def main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class Model(ViewModel):
    """Notes on which thread it was cleared."""

    def __init__(self) -> None:
        super().__init__()
        self.cleared: list[bool] = []

    def on_cleared(self) -> None:
        self.cleared.append(main_thread())


def in_a_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


# ---- U1, U2, U3: one queue, woken from anywhere


@scenario()
def posts_of_a_thread_run_on_the_hosts_thread_in_their_order(kit: Kit) -> None:
    host, log = kit.install(), []

    def work() -> None:
        for number in range(200):
            assert host.handler.post(lambda number=number: log.append((number, main_thread())))
        host.handler.post(host.end)

    kit.later(0.005, lambda: in_a_thread(work))
    kit.run(host)

    assert log == [(number, True) for number in range(200)]


@scenario()
def an_idle_loop_wakes_for_a_delay_and_for_an_answer_from_a_worker(kit: Kit) -> None:
    host, log = kit.install(), []

    async def work() -> None:
        await delay(0.005)
        log.append(("delay", main_thread()))
        log.append((await with_context(Dispatchers.IO, main_thread), main_thread()))
        host.handler.post_delayed(lambda: log.append("taken back"), 0.002)
        host.handler.remove_callbacks_and_messages()
        await delay(0.005)
        host.end()

    host.scope.launch(work)
    kit.run(host)

    assert log == [("delay", True), (False, True)]


@scenario()
def a_flood_of_posts_lets_redraws_through(kit: Kit) -> None:
    host = kit.install()
    counts = {"posts": 0, "redraws": 0, "pumps": 0}
    pumped = host._run_due

    def pump() -> float | None:
        counts["pumps"] += 1
        return pumped()

    host._run_due = pump  # type: ignore[method-assign]

    def flood() -> None:
        counts["posts"] += 1
        host.handler.post(flood)

    def redraw() -> bool:
        counts["redraws"] += 1
        if counts["redraws"] == 25:
            host.end()
        return counts["redraws"] < 25

    flood()
    kit.later(0.005, lambda: kit.redraws(redraw))
    kit.run(host)

    assert counts["redraws"] == 25, counts
    # each pump lets the toolkit have its turn: at 4 ms a pump that is more than 50 redraws in a second
    assert counts["pumps"] <= 4 * counts["redraws"], counts
    assert counts["posts"] > counts["pumps"], counts


@scenario()
def a_toolkit_whose_thread_waits_for_the_interpreter_after_each_pump_still_draws(kit: Kit) -> None:
    """As beside workers that compute: whatever a timer was set to, it is due when the toolkit looks again."""
    host = kit.install()
    host.budget = 0.0
    counts = {"posts": 0, "redraws": 0}
    arm = host._call_later

    def arm_and_wait(seconds: float) -> None:
        arm(seconds)
        time.sleep(0.002)

    host._call_later = arm_and_wait  # type: ignore[method-assign]

    def flood() -> None:
        counts["posts"] += 1
        if counts["posts"] == 40:
            host.end()
        host.handler.post(flood)

    def redraw() -> bool:
        counts["redraws"] += 1
        return not host.is_closed

    kit.redraws(redraw)
    flood()
    kit.run(host)

    assert counts["redraws"] >= 10, counts


@scenario()
def posts_answer_false_after_close_and_the_thread_goes_on(kit: Kit) -> None:
    host, answers = kit.install(), []
    kit.later(0.005, host.end)
    kit.run(host)

    thread = in_a_thread(lambda: answers.append((host.handler.post(print), host.handler.post_delayed(print, 0.01))))
    thread.join(5)

    assert answers == [(False, False)]
    assert host.is_closed
    assert host.close() is True


@scenario()
def a_worker_that_ends_the_program_is_refused_and_its_post_ends_it(kit: Kit) -> None:
    host, log = kit.install(), []

    def work() -> None:
        with refused(IllegalStateError, "post it there: host.handler.post(host.end)"):
            host.end()
        log.append(host.is_closed)
        host.handler.post(host.end)

    threads = []
    kit.later(0.005, lambda: threads.append(in_a_thread(work)))
    kit.run(host)
    threads[0].join(5)

    assert log == [False]
    assert not threads[0].is_alive()


@scenario()
def only_one_host_at_a_time_and_another_after_it_has_closed(kit: Kit) -> None:
    host = kit.install()
    with refused(IllegalStateError, f"{host!r} is installed on 'MainThread', and a process has one host at a time"):
        Host()
    kit.later(0.002, host.end)
    kit.run(host)

    again = kit.install()
    kit.later(0.002, again.end)
    kit.run(again)


# ---- requirement 3: exceptions


@scenario()
def an_exception_of_a_post_is_reported_and_the_loop_goes_on(kit: Kit) -> None:
    host, log = kit.install(), []

    def fail() -> None:
        raise ValueError("of a post")

    async def fails() -> None:
        await delay(0.002)
        raise ValueError("of a coroutine")

    host.handler.post(fail)
    host.handler.post(lambda: log.append("next"))
    host.scope.launch(fails).invoke_on_completion(lambda cause: host.handler.post(host.end))
    kit.run(host)

    assert log == ["next"]
    assert [str(uncaught.pop(0)), str(uncaught.pop(0))] == ["of a post", "of a coroutine"]
    assert host.exception is None


@scenario()
def a_system_exit_in_a_post_ends_the_loop_and_leaves_run(kit: Kit) -> None:
    host, log = kit.install(), []

    async def work() -> None:
        try:
            await await_cancellation()
        finally:
            log.append(main_thread())

    host.scope.launch(work)
    host.handler.post_delayed(lambda: sys.exit(7), 0.005)
    try:
        kit.run(host)
    except SystemExit as stop:
        log.append(stop.code)

    assert log == [True, 7]


@scenario()
def a_looper_that_is_told_to_quit_ends_the_loop(kit: Kit) -> None:
    host = kit.install()
    kit.later(0.005, lambda: in_a_thread(host.looper.quit))
    kit.run(host)

    assert host.is_closed


# ---- requirement 19


@scenario("hears_ctrl_c")
def ctrl_c_ends_an_idle_program_after_its_cleanup(kit: Kit) -> None:
    host, log = kit.install(), []

    async def work() -> None:
        try:
            await await_cancellation()
        finally:
            await with_context(NonCancellable, yield_)
            log.append(("cleaned up", main_thread()))

    host.scope.launch(work)
    kit.later(0.005, lambda: threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start())
    try:
        kit.run(host)
    except KeyboardInterrupt:
        log.append("interrupted")

    assert log == [("cleaned up", True), "interrupted"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.set_wakeup_fd(-1) == -1


# ---- requirement 4


@scenario()
def what_a_worker_was_given_goes_on_the_hosts_thread(kit: Kit) -> None:
    host, where = kit.install(), []

    class Thing:
        pass

    async def work() -> None:
        for _ in range(50):
            thing = Thing()
            weakref.finalize(thing, lambda: where.append(main_thread()))
            await with_context(Dispatchers.IO, lambda given: id(given), thing)
            del thing
        assert where == [True] * 50, where
        for _ in range(50):
            thing = Thing()
            weakref.finalize(thing, lambda: where.append(main_thread()))
            try:
                await with_context(Dispatchers.IO, broken, thing)
            except ValueError:
                pass
            del thing
        host.end()

    def broken(given: object) -> None:
        raise ValueError(id(given))

    gc.disable()
    host.scope.launch(work)
    kit.run(host)
    gc.collect()  # a failure that was caught and the frames it came through hold one another
    gc.enable()

    assert where.count(True) > 50
    assert where.count(False) == 0


# ---- closing


@scenario()
def close_ends_what_runs_while_a_worker_posts_without_end(kit: Kit) -> None:
    host, log = kit.install(), []
    posted = threading.Event()

    def worker() -> None:
        while host.handler.post(lambda: None):
            posted.set()
        log.append("refused")

    async def work() -> None:
        try:
            await with_context(Dispatchers.IO, posted.wait)
            host.end()
            await await_cancellation()
        finally:
            log.append(("cleaned up", main_thread()))

    thread = in_a_thread(worker)
    host.scope.launch(work)
    kit.run(host)
    thread.join(5)

    assert sorted(map(str, log)) == ["('cleaned up', True)", "refused"]


@scenario()
def close_waits_for_a_hung_worker_no_longer_than_it_is_told(kit: Kit) -> None:
    host, log = kit.install(), []
    hung, there = threading.Event(), threading.Event()

    def hang() -> None:
        there.set()
        hung.wait()

    async def work() -> None:
        try:
            await with_context(Dispatchers.IO, hang)
        finally:
            log.append(main_thread())

    host.scope.launch(work)
    kit.later(0.0, lambda: in_a_thread(lambda: there.wait() and host.handler.post(end)))

    def end() -> None:
        log.append(host.end(0.02))

    kit.run(host)
    assert log == [False]
    hung.set()


@scenario()
def the_end_that_the_user_gives_it_closes_the_host(kit: Kit) -> None:
    host, log = kit.install(), []

    async def work() -> None:
        kit.later(0.0, kit.close_program)
        try:
            await await_cancellation()
        finally:
            log.append(main_thread())

    host.scope.launch(work)
    model = ViewModelProvider(host).get(Model)
    if kit.ends_unseen:
        kit.run(host)
    else:
        host._run_loop()  # the toolkit's own call

    assert log == [True]
    assert model.cleared == [True]
    assert host.is_closed


@scenario()
def ending_under_fire_hangs_no_worker(kit: Kit) -> None:
    for _ in range(2):
        host = kit.install()
        gone = threading.Barrier(3)

        def hammer(host: Host = host, gone: threading.Barrier = gone) -> None:
            while host.handler.post(lambda: None) and host.handler.post_delayed(lambda: None, 0.001):
                pass
            gone.wait(10)

        threads = [in_a_thread(hammer), in_a_thread(hammer)]
        kit.later(0.01, host.end)
        kit.run(host)
        gone.wait(10)
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive()


# ---- U4: windows


@scenario("has_windows")
def a_window_that_goes_takes_its_view_models_and_coroutines_along(kit: Kit) -> None:
    host, log = kit.install(), []
    window = kit.window()
    owner = host.bind(window)
    model = ViewModelProvider(owner).get(Model)

    async def work() -> None:
        try:
            while True:
                await delay(0.001)
                assert kit.is_there(window)
        finally:
            log.append(("cleaned up", kit.is_there(window), main_thread()))

    def post_and_destroy() -> None:
        owner.post(lambda: log.append("too late"))
        owner.on_destroy(lambda: log.append(("destroyed", kit.is_there(window))))
        kit.destroy(window)
        # tk destroys at once; the others in a while
        owner.post(lambda: log.append("too late") if owner.is_destroyed else None)

    owner.scope.launch(work)
    model.view_model_scope.launch(work)
    kit.later(0.01, post_and_destroy)
    owner.on_destroy(lambda: kit.later(0.02, host.end))
    kit.run(host)

    log = [entry for entry in log if entry != "too late" or owner.is_destroyed]
    assert log.count(("cleaned up", True, True)) == 2, log
    assert log.count(("destroyed", True)) == 1, log
    assert model.cleared == [True]
    assert owner.is_destroyed
    assert owner.post(print) is False
    assert not kit.is_there(window)


@scenario("has_windows")
def what_stands_in_a_window_goes_with_it(kit: Kit) -> None:
    host = kit.install()
    window = kit.window()
    inner = kit.window(window)
    seen = []
    model = ViewModelProvider(host.bind(inner)).get(Model)
    host.bind(inner).on_destroy(lambda: seen.append(kit.is_there(inner)))
    kit.later(0.002, lambda: kit.destroy(window))
    kit.later(0.03, host.end)
    kit.run(host)

    assert model.cleared == [True]
    assert seen == [True]


@scenario("has_windows")
def a_window_that_is_rebuilt_finds_its_view_model_at_work(kit: Kit) -> None:
    host, log = kit.install(), []
    first = kit.window()
    owner = host.bind(first, host.view_model_store)
    model = ViewModelProvider(owner).get(Model)

    async def download() -> None:
        while "rebuilt" not in log:
            await delay(0.001)
        log.append("downloaded")
        kit.later(0.0, host.end)

    def rebuild() -> None:
        assert owner.is_destroyed
        log.append("rebuilt")
        assert ViewModelProvider(host.bind(kit.window(), host.view_model_store)).get(Model) is model
        assert model.cleared == []

    model.view_model_scope.launch(download)
    owner.on_destroy(lambda: kit.later(0.001, rebuild))
    kit.later(0.002, lambda: kit.destroy(first))
    kit.run(host)

    assert log == ["rebuilt", "downloaded"]
    assert model.cleared == [True]


@scenario()
def binding_what_is_no_widget_or_too_late_is_refused(kit: Kit) -> None:
    host = kit.install()
    with refused(TypeError, "bind <object object"):
        host.bind(object())
    kit.later(0.002, host.end)
    kit.run(host)
    with refused(IllegalStateError, "it has been closed"):
        host.bind(object())


# ---- U5, U9: slots and values


@scenario()
def a_callback_launches_its_coroutine_and_the_latest_wins(kit: Kit) -> None:
    host, log = kit.install(), []

    @on_event(host.scope)
    async def search(text: str) -> None:
        if text == "a":
            kit.later(0.0, lambda: (search("b"), search("c")))
        try:
            await delay(0.01)
            log.append(text)
        except BaseException as end:
            log.append(type(end).__name__)
            raise
        host.end()

    kit.later(0.001, lambda: search("a", "an argument that it does not take"))
    kit.run(host)

    assert log == ["CancellationException", "c"]


@scenario("has_windows")
def a_state_flow_is_shown_until_the_window_goes(kit: Kit) -> None:
    host, shown = kit.install(), []
    state = MutableStateFlow(0)
    window = kit.window()
    owner = host.bind(window)
    bind_value(state, lambda value: shown.append((value, kit.is_there(window))), owner)

    def change() -> None:
        for value in (1, 1, 2):
            state.value = value

    kit.later(0.002, change)
    kit.later(0.015, lambda: kit.destroy(window))
    owner.on_destroy(lambda: (setattr(state, "value", 3), kit.later(0.01, host.end)))
    kit.run(host)

    assert shown in ([(0, True), (2, True)], [(0, True), (1, True), (2, True)])


# ---- U8: dialogs


@scenario("has_dialogs")
def while_a_dialog_is_open_the_rest_goes_on(kit: Kit) -> None:
    host, log = kit.install(), []
    turns: list[int] = []

    async def ticker() -> None:
        while True:
            await delay(0.001)
            turns.append(0)

    async def closer(close: Callable[[], object]) -> None:
        seen = len(turns)
        while len(turns) < seen + 3:
            await delay(0.001)
        await with_context(Dispatchers.IO, lambda: None)  # a wake-up from outside, too
        close()

    async def ask() -> None:
        show, close = kit.dialog()
        host.scope.launch(closer, close)
        log.append(await run_modal(show))
        show, close = kit.dialog()
        host.scope.launch(closer, close)
        log.append(f"{show()}, asked in the middle of a step")
        host.end()

    host.scope.launch(ticker)
    host.scope.launch(ask)
    kit.run(host)

    assert log == ["answer", "answer, asked in the middle of a step"]


@scenario("has_dialogs")
def a_dialog_of_a_coroutine_that_runs_in_place_holds_up_nobody(kit: Kit) -> None:
    host, log = kit.install(), []
    scope = CoroutineScope(Dispatchers.Main.immediate)

    async def closer(close: Callable[[], object]) -> None:
        log.append("started")
        await delay(0.001)
        log.append("goes on")
        kit.later(0.0, lambda: scope.launch(late, close))

    async def late(close: Callable[[], object]) -> None:
        log.append("started by the dialog")
        await delay(0.001)
        close()

    async def ask() -> None:
        show, close = kit.dialog()
        scope.launch(closer, close)
        log.append(show())
        kit.later(0.0, host.end)

    kit.later(0.002, lambda: scope.launch(ask))
    kit.later(0.004, lambda: host.handler.post(lambda: None))
    kit.run(host)

    assert log == ["started", "goes on", "started by the dialog", "answer"]


@scenario("has_dialogs")
def a_dialog_is_dismissed_when_who_asks_is_cancelled(kit: Kit) -> None:
    host, log = kit.install(), []
    show, close = kit.dialog()

    def dismiss() -> None:
        log.append("dismissed")
        close()

    def shown() -> str:
        answer = show()
        log.append("closed")
        host.end()
        return answer

    async def ask() -> None:
        try:
            await run_modal(shown, dismiss=dismiss)
        finally:
            log.append("cancelled")

    async def cancel(job: Any) -> None:
        await delay(0.01)
        job.cancel()

    host.scope.launch(cancel, host.scope.launch(ask))
    kit.run(host)

    assert sorted(log) == ["cancelled", "closed", "dismissed"]


def play(kit: Kit, name: str) -> None:
    faulthandler.dump_traceback_later(HANGS, exit=True)
    try:
        SCENARIOS[name](kit)
        if uncaught:
            raise AssertionError(f"nobody expected these: {uncaught!r}")
    except BaseException:  # noqa: BLE001  (told to whoever has started this)
        print(f"{name} failed")
        print("".join(f"  {line}\n" for line in traceback.format_exc().splitlines()), flush=True)
        uncaught.clear()
    else:
        print(f"{name} ok", flush=True)
    finally:
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    threading.excepthook = lambda args: uncaught.append(args.exc_value or SystemExit())
    sys.excepthook = lambda kind, error, trace: uncaught.append(error)  # where PyQt reports a slot's
    # a shell that starts a job in the background has it ignore Ctrl-C, and its children inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    toolkit = KITS[sys.argv[1]]()
    for chosen in sys.argv[2:] or of_kit(KITS[sys.argv[1]]):
        play(toolkit, chosen)
