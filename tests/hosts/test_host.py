"""What all hosts share, on a toolkit that the test itself is: each of its moments can be met."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from vmscope import (
    Dispatchers,
    NonCancellable,
    ViewModel,
    ViewModelProvider,
    await_cancellation,
    delay,
    launch,
    with_context,
    yield_,
)
from vmscope.flow import MutableStateFlow
from vmscope.hosts import Host, ViewOwner, bind_value, run_modal
from vmscope.lifecycle import Event, LifecycleOwner, State


class Drum(Host):
    """A toolkit that does nothing by itself: `beat` is one turn of its loop."""

    def __init__(self) -> None:
        super().__init__()
        self.rung = False
        self.offered = False
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

    def _release(self) -> None:
        pass

    def _loop_ender(self) -> Callable[[], object]:
        return lambda: None

    def _watch_destroy(self, widget: Any, owner: ViewOwner) -> None:
        widget.append(owner.destroy)

    def beat(self) -> None:
        """Pump until nobody asks for it."""
        while self.rung or 0.0 in self.asked:
            self.rung = False
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


def test_close_is_for_the_hosts_own_thread(host: Drum) -> None:
    """U1"""
    seen: list[str] = []

    def close() -> None:
        try:
            host.close()
        except RuntimeError as refusal:
            seen.append(str(refusal))

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()

    assert "post it there: host.handler.post(host.close)" in seen[0]
    with pytest.raises(ValueError, match="the seconds to wait must be >= 0"):
        host.close(float("nan"))


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
