"""What all hosts share, on a toolkit that the test itself is: each of its moments can be met."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vmscope import (
    Dispatchers,
    IllegalStateError,
    Looper,
    MainScope,
    NonCancellable,
    ViewModel,
    ViewModelProvider,
    ViewModelStore,
    await_cancellation,
    delay,
    launch,
    run_blocking,
    with_context,
    yield_,
)
from vmscope.flow import MutableStateFlow
from vmscope.hosts import Host, ViewOwner, bind_value, run_modal
from vmscope.hosts._bell import Bell
from vmscope.hosts._owner import job_of
from vmscope.lifecycle import Event, LifecycleOwner, State

from .. import processes


class Drum(Host):
    """A toolkit that does nothing by itself: `beat` is one turn of its loop."""

    def __init__(self, wakeup_fd: int = -1) -> None:
        super().__init__()
        self.rung = False
        self.offered = False
        self.wakeup_fd = wakeup_fd
        self.asked: list[float] = []
        self.at_the_end: Callable[[], object] = lambda: None
        self._begin()

    def _wake(self) -> None:
        self.rung = True

    def _offer(self) -> None:
        self.offered = True

    def _withdraw(self) -> None:
        self.at_the_end()
        self.offered = False

    def _call_later(self, seconds: float) -> None:
        self.asked.append(seconds)

    def _wakeup_fd(self) -> int:
        return self.wakeup_fd

    def _release(self) -> None:
        pass

    def _loop_ender(self) -> Callable[[], object]:
        return lambda: None

    def _watch_destroy(self, widget: Any, owner: ViewOwner) -> None:
        widget.append(owner.destroy)

    def beat(self) -> None:
        """Pump until nobody asks for it."""
        while self.rung or self.offered or 0.0 in self.asked:
            self.rung = self.offered = False
            self.asked.clear()
            self._armed = None
            self._pump()


@pytest.fixture
def host() -> Any:
    with Drum() as made:
        yield made


def test_who_rings_just_before_the_pump_is_over_is_not_lost(host: Drum) -> None:
    """U1: the ring comes after the queue's last look."""
    log: list[str] = []

    def ring() -> None:
        host.at_the_end = lambda: None
        thread = threading.Thread(target=host.handler.post, args=(lambda: log.append("heard"),))
        thread.start()
        thread.join()

    host.handler.post(lambda: log.append("first"))
    host.at_the_end = ring
    host.beat()

    assert log == ["first", "heard"]


def test_a_timer_is_asked_for_only_where_none_comes_sooner(host: Drum) -> None:
    """U1"""
    host._pump()
    host.handler.post_delayed(lambda: None, 50.0)
    host._pump()
    host.handler.post_delayed(lambda: None, 100.0)
    host._pump()
    host.handler.post_delayed(lambda: None, 10.0)
    host._pump()

    assert host.asked == pytest.approx([50.0, 10.0], abs=5.0)


def test_a_program_may_be_closed_by_a_coroutine_of_its_own(host: Drum) -> None:
    """U2: close() does not wait for who has called it, and that one still cleans up on Main."""
    log: list[object] = []

    async def neighbour() -> None:
        try:
            await await_cancellation()
        finally:
            await with_context(NonCancellable, yield_)
            log.append("the neighbour is done")

    async def ends() -> None:
        launch(neighbour)
        await yield_()
        try:
            log.append(host.close(60.0))
            await await_cancellation()
        finally:
            log.append(threading.current_thread() is threading.main_thread())

    host.scope.launch(ends)
    host.beat()

    assert log == ["the neighbour is done", True, True]


def test_posts_are_refused_from_the_moment_that_it_closes_and_clean_up_still_comes_back(host: Drum) -> None:
    """U2: a worker that posts without end hears of it, and is waited for."""
    log: list[object] = []
    there = threading.Event()

    def posts() -> None:
        while host.handler.post(lambda: None):
            there.set()

    async def work() -> None:
        try:
            await with_context(Dispatchers.IO, posts)
        finally:
            await with_context(NonCancellable, delay, 0.001)
            log.append((threading.current_thread() is threading.main_thread(), host.handler.post(lambda: None)))

    host.scope.launch(work)
    host._pump()
    there.wait(10)

    assert host.close(60.0) is True
    assert log == [(True, False)]


def refused_on_a_worker(call: Callable[[], object]) -> str:
    """What a worker that calls this is told."""
    told: list[str] = []

    def work() -> None:
        try:
            call()
        except IllegalStateError as refusal:
            told.append(str(refusal))

    thread = threading.Thread(target=work, name="a worker")
    thread.start()
    thread.join()
    (words,) = told
    return words


def refused_here(call: Callable[[], object]) -> str:
    """What this thread is told."""
    with pytest.raises(IllegalStateError) as told:
        call()
    return str(told.value)


def test_a_second_host_is_told_which_one_is_there_and_what_to_do(host: Drum) -> None:
    """U1: on the same thread and on another one."""
    for name, told in ("MainThread", refused_here(Drum)), ("a worker", refused_on_a_worker(Drum)):
        assert told.startswith(f"install {Drum.__module__}.Drum on {name!r}: {host!r} is installed on 'MainThread'")
        assert told.endswith("use that, or call its close() there first")


def test_what_else_uses_the_main_looper_is_named_in_the_refusal_of_a_host() -> None:
    """U1"""
    Looper.prepare()
    assert "which is not the main one; quit that" in refused_here(Drum)
    own = Looper.my_looper()
    assert own is not None
    own.quit()

    looper = Looper.prepare_main()
    assert "is the main looper, and a process has one; install the host on its thread" in refused_on_a_worker(Drum)
    looper.attach_host(lambda: None)
    assert "call detach_host() first" in refused_here(Drum)
    looper.detach_host()
    told: list[str] = []
    looper.queue.put(Once(lambda: told.append(refused_here(Drum))))
    looper.run_until(lambda: told)
    assert "is run by Looper.loop(); leave that out" in told[0]

    with Drum() as host:  # with none of these in the way it takes the looper that is there
        assert host.looper is looper


class Once:
    """An item of a queue."""

    when = 0.0
    asynchronous = True

    def __init__(self, run: Callable[[], object]) -> None:
        self.run = run

    def rejected(self) -> None: ...


def test_a_host_is_run_by_the_thread_that_has_installed_it(host: Drum) -> None:
    """U1"""
    told = refused_on_a_worker(host.run)

    assert told == f"run {host!r} on 'a worker': it was installed on 'MainThread'; do both on one thread"
    assert not host.is_closed


@pytest.mark.parametrize("name", ["close", "end"])
def test_the_end_is_for_the_hosts_own_thread_and_a_worker_that_tries_ends_nothing(host: Drum, name: str) -> None:
    """U1, U2: above all not the toolkit's loop, by a call of the toolkit's on the wrong thread."""
    ended: list[str] = []
    host._loop_ender = lambda: lambda: ended.append("the loop")  # type: ignore[method-assign]
    call = getattr(host, name)

    told = refused_on_a_worker(call)

    assert told.startswith(f"{name} {host!r} on 'a worker': it belongs to 'MainThread'; post it there: ")
    assert "host.handler.post(host.end)" in told
    for seconds in (float("nan"), -1.0):
        with pytest.raises(ValueError, match="the seconds to wait must be >= 0"):
            call(seconds)
    assert ended == []
    assert host.handler.post(host.end)  # what the worker was told to do
    host.beat()
    assert ended == ["the loop"]


def test_an_owner_is_ended_by_the_hosts_own_thread(host: Drum) -> None:
    """U4: a worker is refused, and nothing has ended; a toolkit that tells of the end on a worker is heard there."""
    ended: list[bool] = []
    for told in "owner.post(owner.destroy)", "":
        owner = host.bind([])
        owner.on_destroy(lambda: ended.append(threading.current_thread() is threading.main_thread()))
        if told:
            assert told in refused_on_a_worker(owner.destroy)
            assert owner.lifecycle.current_state is State.RESUMED
            owner.post(owner.destroy)
        else:
            thread = threading.Thread(target=owner._widget_gone)
            thread.start()
            thread.join()
        assert not owner.is_destroyed
        host.beat()
        assert owner.is_destroyed

    assert ended == [True, True]


def test_what_an_owner_is_told_at_the_end_is_told_once_and_its_failures_are_reported(
    host: Drum, uncaught: list[BaseException]
) -> None:
    """U4"""
    widget: list[Callable[[], object]] = []
    owner = host.bind(widget)
    log: list[str] = []

    def fails() -> None:
        raise ValueError("at the end")

    owner.on_destroy(fails)
    owner.on_destroy(lambda: log.append("told"))
    for _ in range(2):
        widget[0]()
    owner.on_destroy(lambda: log.append("at once"))

    assert log == ["told", "at once"]
    assert str(uncaught.pop()) == "at the end"
    assert repr(owner) == "<ViewOwner destroyed>"


def test_an_owner_has_a_lifecycle_that_ends_before_all_else(host: Drum) -> None:
    """U4: it is a LifecycleOwner."""
    owner = host.bind([])
    model = ViewModelProvider(owner).get(ViewModel)
    log: list[object] = []

    class Observer:
        def on_state_changed(self, owner: Any, event: Event) -> None:
            log.append((event, model.is_cleared))

    owner.lifecycle.add_observer(Observer())
    assert isinstance(owner, LifecycleOwner)
    assert owner.lifecycle.current_state == State.RESUMED

    owner.destroy()

    assert owner.lifecycle.current_state == State.DESTROYED
    assert log[-1] == (Event.ON_DESTROY, False)
    assert model.is_cleared


def test_a_binding_that_is_cancelled_lets_go_of_its_view(host: Drum) -> None:
    """U9"""
    owner = host.bind([])
    state = MutableStateFlow(1)
    view = {"value": 0}
    connected: list[Callable[[], object]] = []

    def connect(changed: Callable[[], object]) -> Callable[[], object]:
        connected.append(changed)
        return connected.clear

    job = bind_value(
        state, lambda value: view.update(value=value), owner, getter=lambda: view["value"], changes=connect
    )
    host.beat()
    assert view == {"value": 1}
    view["value"] = 2
    connected[0]()
    assert state.value == 2

    job.cancel()
    host.beat()
    state.value = 3
    host.beat()

    assert view == {"value": 2}
    assert connected == []


def test_a_setter_that_fails_is_reported_and_the_binding_goes_on(host: Drum, uncaught: list[BaseException]) -> None:
    """U9"""
    state = MutableStateFlow("bad")
    shown: list[str] = []

    def show(value: str) -> None:
        if value == "bad":
            raise ValueError(value)
        shown.append(value)

    bind_value(state, show, host.bind([]))
    host.beat()
    state.value = "good"
    host.beat()

    assert shown == ["good"]
    assert str(uncaught.pop()) == "bad"


def test_what_a_dialog_raises_is_raised_to_who_has_asked(host: Drum) -> None:
    """U8"""
    seen: list[str] = []

    def dialog() -> None:
        raise ValueError("no display")

    async def ask() -> None:
        try:
            await run_modal(dialog)
        except ValueError as failure:
            seen.append(str(failure))

    host.scope.launch(ask)
    host.beat()

    assert seen == ["no display"]


def test_a_dialog_that_was_cancelled_before_it_opened_is_not_shown(host: Drum) -> None:
    """U8"""
    shown: list[int] = []

    async def ask() -> None:
        await run_modal(shown.append, 1)

    job = host.scope.launch(ask)
    host.handler.post(lambda: job.cancel())
    host.beat()

    assert job.is_cancelled
    assert shown == []


def test_a_dialog_needs_a_host_and_a_function(host: Drum, uncaught: list[BaseException]) -> None:
    """U8"""
    seen: list[str] = []

    async def ask() -> None:
        try:
            await run_modal(print)
        except RuntimeError as refusal:
            seen.append(str(refusal))

    async def elsewhere() -> None:
        await with_context(Dispatchers.IO, ask)

    job = host.scope.launch(elsewhere)
    over = threading.Event()
    job.invoke_on_completion(lambda cause: over.set())
    host.handler.post(lambda: None)
    while not over.is_set():
        host.beat()

    assert "run_modal() was called on thread" in seen[0]
    with pytest.raises(TypeError, match="takes a function with its arguments"):
        run_modal(5)  # type: ignore[arg-type]


def test_a_ring_is_heard_however_often_it_was_rung_and_silence_may_come_first() -> None:
    """U1: neither end ever blocks or raises."""
    bell = Bell()

    def is_rung() -> bool:
        with socket.socket(fileno=os.dup(bell.fileno())) as hear:
            try:
                return bool(hear.recv(1, socket.MSG_PEEK))
            except BlockingIOError:
                return False

    bell.silence()
    assert not is_rung()
    for _ in range(20_000):  # more than a socket takes
        bell.ring()
    assert is_rung()
    while is_rung():
        bell.silence()
    bell.ring()
    assert is_rung()


# ---- what ends a program, and in what order


def test_a_failure_that_the_looper_is_told_to_stop_for_ends_the_program_and_leaves_run(host: Drum) -> None:
    """U1: `Looper.on_uncaught`"""
    host.looper.on_uncaught = lambda message, failure: False
    host._run_loop = host.beat  # type: ignore[method-assign]

    def fail() -> None:
        raise LookupError("no such row")

    host.handler.post(fail)
    with pytest.raises(LookupError, match="no such row"):
        host.run()

    assert host.is_closed
    assert host.exception is None
    assert host.end() is True  # it has been


def interrupts_twice(host: Host, over: threading.Event) -> None:
    """On a worker: the second one comes when the first was heard; then it does not end before `over`."""
    os.kill(os.getpid(), signal.SIGINT)
    while not host._interrupted:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
    over.wait(10)


async def interrupted_twice_as_it_cleans_up(host: Host, over: threading.Event) -> None:
    try:
        await await_cancellation()
    finally:
        await with_context(NonCancellable + Dispatchers.IO, interrupts_twice, host, over)


def test_a_second_ctrl_c_ends_the_wait_for_what_cleans_up_and_is_told_first(host: Drum) -> None:
    """U2"""
    log: list[object] = []
    over = threading.Event()

    def ends() -> None:
        log.append(host.close(60.0))
        raise SystemExit(3)

    job = host.scope.launch(interrupted_twice_as_it_cleans_up, host, over)
    host.handler.post(ends)
    host.beat()

    assert log == [False]
    assert isinstance(host.exception, KeyboardInterrupt)
    over.set()
    run_blocking(job.join)


def test_a_second_ctrl_c_while_it_closes_after_a_failure_leaves_that_failure(host: Drum) -> None:
    """U2"""
    host.looper.on_uncaught = lambda message, failure: False
    over = threading.Event()

    def fail() -> None:
        raise LookupError("first")

    job = host.scope.launch(interrupted_twice_as_it_cleans_up, host, over)
    host.handler.post(fail)
    host.beat()

    assert repr(host.exception) == "LookupError('first')"
    over.set()
    run_blocking(job.join)


@pytest.fixture
def usual_ctrl_c() -> Iterator[None]:
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(-1)


@pytest.mark.usefixtures("usual_ctrl_c")
def test_who_deals_with_ctrl_c_already_goes_on_doing_so() -> None:
    """U2"""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with Drum():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.usefixtures("usual_ctrl_c")
def test_what_others_have_put_in_its_place_since_is_not_taken_away_at_the_end() -> None:
    """U2: neither the handler of Ctrl-C nor the descriptor that it wakes."""
    ours, theirs = Bell(), Bell()
    with Drum(ours.sending_fileno()):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(theirs.sending_fileno())

    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.set_wakeup_fd(-1) == theirs.sending_fileno()


def test_a_looper_that_quits_safely_runs_what_is_due_however_little_time_a_pump_has(host: Drum) -> None:
    """U1, L5: the loop ends after it."""
    ended: list[str] = []
    log: list[str] = []
    host.budget = 0.0
    host.end = lambda: ended.append(log[-1])  # type: ignore[method-assign]
    host.handler.post(host.looper.quit_safely)
    for name in ("due", "due, too"):
        host.handler.post(lambda name=name: log.append(name))
    host.beat()

    assert log == ["due", "due, too"]
    assert ended == ["due, too"]


def test_where_a_looper_was_told_to_quit_the_next_host_may_come_before_the_last_one_closes(host: Drum) -> None:
    """U1: and then it is the next one that dialogs are shown by."""
    host.looper.quit()
    shown: list[str] = []
    with Drum() as following:
        host.close()
        following.scope.launch(lambda: run_modal(shown.append, "a dialog"))
        following.beat()

    assert shown == ["a dialog"]


#: A program with a coroutine under a host on the thread `home`: it says whether it cleans up there.
AT_EXIT = """
    import asyncio
    from vmscope.hosts import asyncio as host_of_asyncio
    async def work():
        try:
            there.set()
            await await_cancellation()
        finally:
            print("cleaned up", threading.current_thread() is home, flush=True)
    async def install():
        host_of_asyncio.install().scope.launch(work)
    def run():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(install())
        loop.call_later(0.01, loop.stop) if home is threading.main_thread() else None
        loop.run_forever()
    there = threading.Event()
"""


def test_the_end_of_the_process_closes_a_host_whose_loop_has_just_stopped() -> None:
    """U2, I8"""
    program = AT_EXIT + """
    home = threading.main_thread()
    run()
    """
    code, out, err = processes.run(program)

    assert (code, out) == (0, "cleaned up True\n"), err


def test_the_end_of_the_process_closes_a_host_on_another_thread_there() -> None:
    """U2, I8: on its own thread."""
    program = AT_EXIT + """
    home = threading.Thread(target=run, daemon=True)
    home.start()
    there.wait()
    """
    code, out, err = processes.run(program)

    assert (code, out) == (0, "cleaned up True\n"), err


def test_the_end_of_the_process_waits_for_a_block_on_another_thread() -> None:
    """U2, I8: whose clean-up takes some turns of its loop."""
    program = AT_EXIT + """
    async def put_away():
        await delay(0.002)
        print("put away", threading.current_thread() is home, flush=True)
    async def clean():
        try:
            there.set()
            await await_cancellation()
        finally:
            await with_context(NonCancellable, put_away)
    async def block():
        async with host_of_asyncio.install() as host:
            host.scope.launch(clean)
            await asyncio.Event().wait()
    home = threading.Thread(target=asyncio.run, args=(block(),), daemon=True)
    home.start()
    there.wait()
    """
    code, out, err = processes.run(program)

    assert (code, out) == (0, "put away True\n"), err


@processes.POSIX
def test_a_child_has_no_host_whether_its_parent_has_one_or_not() -> None:
    """I8"""
    code, out, err = processes.run("""
        from vmscope.hosts import Host, _host
        class Quiet(Host):
            def __init__(self):
                super().__init__()
                self._begin()
            def _wake(self): ...
            def _release(self): ...
        for make in (lambda: None), Quiet:
            host = make()
            child = os.fork()
            if child == 0:
                os._exit(7 if _host._current is None and Looper.get_main() is None else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), _host._current is host)
    """)

    assert (code, out, err) == (0, "7 True\n7 True\n", "")


@pytest.mark.parametrize("told", ["nothing", "to quit"])
def test_the_end_of_the_process_cancels_what_runs_under_a_host_whose_thread_is_held_up(told: str) -> None:
    """U2, I8: it cleans up, and not on the host's thread.

    That is on IO; on 3.12, which starts no thread once its end has begun, on the thread that ends the process.
    """
    program = AT_EXIT + f"""
    from vmscope.hosts import _host
    _host.PATIENCE = 0.01
    home = threading.Thread(target=run, daemon=True)
    home.start()
    there.wait()
    held_up = threading.Event()
    Handler(Looper.get_main()).post(lambda: (held_up.set(), threading.Event().wait()))
    held_up.wait()
    if {told == "to quit"}:
        Looper.get_main().quit()
    """
    code, out, err = processes.run(program)

    assert (code, out) == (0, "cleaned up False\n"), err


# ---- bindings and dialogs, where something is missing or comes late


def test_a_view_that_cannot_be_read_is_shown_the_value_and_gives_none(host: Drum) -> None:
    """U9: half a number, perhaps."""
    owner = host.bind([])
    state = MutableStateFlow(1)
    shown: list[int] = []
    connected: list[Callable[[], object]] = []

    def unreadable() -> int:
        raise ValueError("half a number")

    def connect(changed: Callable[[], object]) -> Callable[[], object]:
        connected.append(changed)
        return lambda: None

    bind_value(state, shown.append, owner, getter=unreadable, changes=connect)
    host.beat()
    connected[0]()
    assert shown == [1]

    owner.destroy()
    connected[0]()  # a view that tells of its change all the same
    assert state.value == 1


def test_changes_of_a_view_that_nobody_can_read_are_refused(host: Drum) -> None:
    """U9"""
    with pytest.raises(ValueError, match="with changes and without a getter"):
        bind_value(MutableStateFlow(1), print, host.bind([]), changes=lambda changed: print)


def test_what_cannot_be_bound_is_refused_at_the_call(host: Drum) -> None:
    """U9: and nothing is launched for it."""
    state, owner = MutableStateFlow(1), host.bind([])
    read_only = state.map_state(str)
    bad: Any = 5

    with pytest.raises(TypeError, match=r"bind_value\(5, \.\.\.\): a StateFlow is needed; flow\.state_in"):
        bind_value(bad, print, owner)
    with pytest.raises(TypeError, match=r"bind_value\(<.*, 5, \.\.\.\): the setter cannot be called"):
        bind_value(state, bad, owner)
    with pytest.raises(TypeError, match=r"bind_value\(<.*, owner=5\): .*host\.bind\(widget\)"):
        bind_value(state, print, bad)
    with pytest.raises(TypeError, match="the getter cannot be called"):
        bind_value(state, print, owner, getter=bad)
    with pytest.raises(TypeError, match="what changes is given cannot be called"):
        bind_value(state, print, owner, getter=int, changes=bad)
    with pytest.raises(TypeError, match="a MutableStateFlow is needed, to take over"):
        bind_value(read_only, print, owner, getter=str, changes=lambda changed: print)
    assert not list(job_of(owner.scope).children)


@pytest.mark.parametrize("store", ["nostore", "the host", ViewModelStore])
def test_a_widget_is_bound_with_nothing_but_a_store(host: Drum, store: Any) -> None:
    """U4"""
    given = host if store == "the host" else store

    with pytest.raises(TypeError, match=r"bind \[\] with .*: a ViewModelStore is needed"):
        host.bind([], given)
    assert not host._owners


def test_a_dialog_without_a_host_or_under_one_that_closes_is_refused(uncaught: list[BaseException]) -> None:
    """U8"""
    seen: list[str] = []

    async def ask() -> None:
        try:
            await await_cancellation()
        finally:
            await with_context(NonCancellable, ask_now)

    async def ask_now() -> None:
        try:
            await run_modal(print)
        except RuntimeError as refusal:
            seen.append(str(refusal))

    looper = Looper.prepare_main()
    MainScope().launch(ask_now)
    looper.pump()
    with Drum() as host:
        host.scope.launch(ask)
        host.beat()

    assert "the main looper has no host" in seen[0]
    assert "its loop is about to end" in seen[1]


def test_a_dialog_of_who_is_cancelled_by_another_thread_is_dismissed_on_the_main_one(
    host: Drum, uncaught: list[BaseException]
) -> None:
    """U8: and what it raises after that is reported, for nobody awaits it."""
    seen: list[object] = []

    def dialog() -> None:
        thread = threading.Thread(target=job.cancel)
        thread.start()
        thread.join()
        host.beat()  # the dialog's own loop
        raise LookupError("closed in the middle of something")

    job = host.scope.launch(
        lambda: run_modal(dialog, dismiss=lambda: seen.append(threading.current_thread() is threading.main_thread()))
    )
    host.beat()

    assert job.is_cancelled
    assert seen == [True]
    assert str(uncaught.pop()) == "closed in the middle of something"


def test_a_dialog_in_which_the_program_is_told_to_end_ends_it(host: Drum) -> None:
    """U8"""

    def dialog() -> None:
        raise SystemExit(5)

    host.scope.launch(lambda: run_modal(dialog))
    host.beat()

    assert host.is_closed
    assert repr(host.exception) == "SystemExit(5)"
