"""TestLifecycleOwner: what a test has in place of a screen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.virtual_main import main
from vmscope import CoroutineScope, Dispatchers, await_cancellation
from vmscope.lifecycle import Event, LifecycleOwner, MutableLiveData, State, repeat_on_lifecycle
from vmscope.testing import (
    StandardTestDispatcher,
    TestLifecycleOwner,
    UnconfinedTestDispatcher,
    main_dispatcher,
    run_test,
)

if TYPE_CHECKING:
    from tests.virtual_main import VMain

__all__ = ["main"]


def test_it_is_started_at_first_or_where_the_test_says() -> None:
    """Y12, T19."""
    assert TestLifecycleOwner().current_state is State.STARTED
    assert TestLifecycleOwner(State.INITIALIZED).lifecycle.current_state is State.INITIALIZED
    assert isinstance(TestLifecycleOwner(), LifecycleOwner)


def test_it_is_moved_by_state_and_by_event_and_the_observers_have_been_told() -> None:
    """Y12, T19."""
    owner, seen = TestLifecycleOwner(State.CREATED), []
    owner.lifecycle.add_observer(lambda _owner, event: seen.append(event))
    assert owner.observer_count == 1

    owner.current_state = State.STARTED
    owner.handle_event(Event.ON_RESUME)

    assert seen == [Event.ON_CREATE, Event.ON_START, Event.ON_RESUME]


@pytest.mark.parametrize("kind", [StandardTestDispatcher, UnconfinedTestDispatcher])
def test_with_a_test_dispatcher_as_main_it_is_moved_at_once(kind: type[Any]) -> None:
    """Y12, T19: the reference waits for ever under a Standard one."""
    seen: list[Any] = []
    with main_dispatcher(kind()) as dispatcher:
        owner, live = TestLifecycleOwner(), MutableLiveData(1)
        live.observe(owner, seen.append)
        owner.current_state = State.CREATED
        live.value = 2
        owner.current_state = State.STARTED
        assert seen == [1, 2]
        given = TestLifecycleOwner(dispatcher=dispatcher)
        given.current_state = State.RESUMED

    assert given.current_state is State.RESUMED


def test_from_another_thread_it_is_moved_on_the_main_one_and_waited_for(main: VMain) -> None:
    """Y12, T19."""
    owner, threads = TestLifecycleOwner(State.CREATED), []
    owner.lifecycle.add_observer(lambda _owner, event: threads.append((event, threading.current_thread())))
    threads.clear()
    seen_after: list[int] = []

    def move() -> None:
        owner.current_state = State.STARTED
        seen_after.append(len(threads))

    worker = threading.Thread(target=move)
    worker.start()
    main.run_until(lambda: seen_after)
    worker.join()

    assert threads == [(Event.ON_START, threading.current_thread())]
    assert seen_after == [1]


def test_in_a_coroutine_it_is_moved_without_blocking(main: VMain) -> None:
    """Y12, T19."""
    owner = TestLifecycleOwner(State.CREATED)
    job = CoroutineScope(Dispatchers.Default).launch(lambda: owner.set_current_state(State.RESUMED))

    main.run_until(lambda: job.is_completed)

    assert owner.current_state is State.RESUMED


def test_a_flow_is_followed_with_it_in_virtual_time() -> None:
    """T19."""
    log: list[str] = []

    def block() -> Iterator[Any]:
        log.append("begins")
        try:
            yield from await_cancellation()
        finally:
            log.append("ends")

    def body(scope: Any) -> None:
        owner = TestLifecycleOwner()
        job = scope.launch(lambda: repeat_on_lifecycle(owner, State.STARTED, block))
        scope.run_current()
        owner.current_state = State.CREATED
        scope.run_current()
        owner.current_state = State.DESTROYED
        scope.run_current()
        assert job.is_completed

    with main_dispatcher(StandardTestDispatcher()):
        run_test(body)

    assert log == ["begins", "ends"]


def test_what_is_no_dispatcher_or_state_is_refused() -> None:
    with pytest.raises(TypeError, match=r"TestLifecycleOwner\(\) takes a dispatcher, got 7"):
        TestLifecycleOwner(dispatcher=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"TestLifecycleOwner\(\) takes a State"):
        TestLifecycleOwner("started")  # type: ignore[arg-type]
