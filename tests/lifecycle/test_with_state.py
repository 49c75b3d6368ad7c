"""with_state and its kin: a function called at the moment a state has come, or an end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.lifecycle.owners import Owner
from vmscope import CoroutineScope, Dispatchers, Job, RejectedExecutionError, delay
from vmscope.lifecycle import (
    Event,
    LifecycleDestroyedException,
    LifecycleRegistry,
    State,
    with_created,
    with_resumed,
    with_started,
    with_state,
)
from vmscope.testing import StandardTestDispatcher, main_dispatcher

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def waiting(log: list[Any], call: Callable[[], Any], dispatcher: Any = None) -> Job:
    """A coroutine that notes what `call()` gives or raises."""

    def body() -> Iterator[Any]:
        try:
            log.append((yield from call()))
        except BaseException as failure:
            log.append(type(failure).__name__)
            raise

    return CoroutineScope(dispatcher or Dispatchers.Main.immediate).launch(body)


@pytest.mark.parametrize(
    ("function", "state"), [(with_created, State.CREATED), (with_started, State.STARTED), (with_resumed, State.RESUMED)]
)
def test_the_function_is_called_when_the_state_comes_and_its_value_given(
    main: VMain, function: Any, state: State
) -> None:
    """Y10."""
    owner, log = Owner(enforced=True), []
    job = waiting(log, lambda: function(owner, lambda: owner.lifecycle.current_state))

    for step in (State.CREATED, State.STARTED, State.RESUMED):
        assert job.is_completed is (step > state)
        owner.lifecycle.current_state = step

    assert log == [state]
    assert owner.lifecycle.observer_count == 0


def test_where_the_state_is_there_the_function_is_called_at_once(main: VMain) -> None:
    """Y10."""
    owner, log = Owner(State.RESUMED, enforced=True), []

    waiting(log, lambda: with_state(owner.lifecycle, State.STARTED, "a{}".format, 1))

    assert log == ["a1"]
    assert main.dispatches == 0


def test_from_another_thread_the_function_is_called_on_the_main_one(main: VMain) -> None:
    """Y10."""
    owner, log = Owner(State.STARTED, enforced=True), []

    job = waiting(log, lambda: with_started(owner, main.looper.is_current_thread), Dispatchers.Default)
    main.run_until(lambda: job.is_completed)

    assert log == [True]


@pytest.mark.parametrize("destroyed_before", [True, False])
def test_an_end_before_the_state_is_a_cancellation_of_a_class_of_its_own(main: VMain, destroyed_before: bool) -> None:
    """Y10."""
    owner, log = Owner(State.CREATED, enforced=True), []
    if destroyed_before:
        owner.lifecycle.handle_event(Event.ON_DESTROY)
    job = waiting(log, lambda: with_started(owner, log.append, "called"))
    if not destroyed_before:
        owner.lifecycle.handle_event(Event.ON_DESTROY)

    assert log == ["LifecycleDestroyedException"]
    assert job.is_cancelled
    assert isinstance(job.get_cancellation_exception(), LifecycleDestroyedException)


def test_an_end_on_the_way_to_the_main_thread_is_not_waited_for_in_vain(main: VMain) -> None:
    """Y10: the observer comes to a lifecycle that will never tell it anything."""
    owner, log = Owner(State.CREATED, enforced=True), []
    job = waiting(log, lambda: with_started(owner, log.append, "called"), Dispatchers.Default)
    main.run_until(lambda: main.looper.queue.peek_when() is not None or job.is_completed)

    owner.lifecycle.handle_event(Event.ON_DESTROY)
    main.run_until(lambda: job.is_completed)

    assert log == ["LifecycleDestroyedException"]


def test_a_wait_that_is_cancelled_on_the_way_to_the_main_thread_observes_nothing(main: VMain) -> None:
    """Y10"""
    owner, log = Owner(State.CREATED, enforced=True), []
    job = waiting(log, lambda: with_started(owner, log.append, "called"), Dispatchers.Default)
    main.run_until(lambda: main.looper.queue.peek_when() is not None or job.is_completed)
    assert owner.lifecycle.observer_count == 0

    job.cancel()
    main.run_until(lambda: job.is_completed)
    main.drain()
    owner.lifecycle.current_state = State.STARTED

    assert log == ["CancellationException"]
    assert owner.lifecycle.observer_count == 0


def test_a_lifecycle_that_cannot_be_observed_is_no_reason_to_wait_for_ever(
    main: VMain, uncaught: list[BaseException]
) -> None:
    """Y10: what stood in the way is raised to who waits."""

    class Closed(LifecycleRegistry):
        def add_observer(self, observer: Any) -> None:
            raise LookupError("closed")

    class Window:
        def __init__(self) -> None:
            self.lifecycle = Closed(self)

    owner, log = Window(), []
    for dispatcher in (Dispatchers.Main.immediate, Dispatchers.Default):
        job = waiting(log, lambda: with_started(owner, log.append, "called"), dispatcher)
        main.run_until(lambda job=job: job.is_completed)

    assert log == ["LookupError"] * 2
    assert [str(uncaught.pop()) for _ in log] == ["closed", "closed"]


def test_observers_that_fail_at_what_the_function_does_do_not_take_its_value_away(
    main: VMain, uncaught: list[BaseException]
) -> None:
    """Y10, Y2: the function has moved the lifecycle on; who failed at that is reported where it was moved."""
    owner, log = Owner(State.STARTED, enforced=True), []

    class Failing:
        def on_resume(self, owner: Any) -> None:
            raise LookupError("on_resume")

    def move() -> str:
        owner.lifecycle.current_state = State.RESUMED
        return "moved"

    owner.lifecycle.add_observer(Failing())
    job = waiting(log, lambda: with_started(owner, move), Dispatchers.Default)
    main.run_until(lambda: job.is_completed)

    assert log == ["moved"]
    failure = uncaught.pop()
    assert isinstance(failure, ExceptionGroup)
    assert "observers of" in str(failure)


def test_a_cancelled_wait_leaves_no_observer_and_calls_nothing(main: VMain) -> None:
    """Y10."""
    owner, log = Owner(State.CREATED, enforced=True), []
    job = waiting(log, lambda: with_started(owner, log.append, "called"))

    job.cancel()
    assert owner.lifecycle.observer_count == 0
    owner.lifecycle.current_state = State.STARTED

    assert log == ["CancellationException"]


def test_a_wait_that_another_thread_has_cancelled_calls_nothing_before_it_is_taken_back(main: VMain) -> None:
    """Y10: the observer is removed in the main thread's next turn; the state comes before that."""
    owner, log = Owner(State.CREATED, enforced=True), []
    job = waiting(log, lambda: with_started(owner, log.append, "called"), Dispatchers.Default)
    main.run_until(lambda: owner.lifecycle.observer_count)

    thread = threading.Thread(target=job.cancel)
    thread.start()
    thread.join()
    owner.lifecycle.current_state = State.STARTED
    main.run_until(lambda: job.is_completed)
    main.drain()

    assert log == ["CancellationException"]
    assert owner.lifecycle.observer_count == 0


def test_what_the_function_raises_is_raised_to_who_waits(main: VMain) -> None:
    """Y10."""
    owner, log = Owner(State.CREATED, enforced=True), []

    def body() -> Iterator[Any]:
        try:
            yield from with_started(owner, lambda: 1 // 0)
        except ZeroDivisionError:
            log.append("caught")

    CoroutineScope(Dispatchers.Main.immediate).launch(body)
    owner.lifecycle.current_state = State.STARTED

    assert log == ["caught"]
    assert owner.lifecycle.current_state is State.STARTED


def test_when_the_main_looper_has_quit_the_wait_ends(main: VMain) -> None:
    """Y10: nothing hangs."""
    owner, log = Owner(State.CREATED, enforced=True), []
    main.looper.quit()

    def body() -> Iterator[Any]:
        try:
            yield from with_started(owner, log.append, "called")
        except RejectedExecutionError as failure:
            log.append(str(failure))

    job = CoroutineScope(Dispatchers.Default).launch(body)
    main.run_until(lambda: job.is_completed)

    assert log == [
        "the main looper has quit, so the state of <LifecycleRegistry created, of a Owner> is not followed",
    ]


def test_a_wait_that_is_cancelled_as_the_main_looper_quits_ends_once(main: VMain) -> None:
    """Y10"""
    owner, log = Owner(State.CREATED, enforced=True), []
    job = waiting(log, lambda: with_started(owner, log.append, "called"), Dispatchers.Default)
    main.run_until(lambda: main.looper.queue.peek_when() is not None or job.is_completed)

    job.cancel()
    main.looper.quit()
    main.run_until(lambda: job.is_completed)

    assert log == ["CancellationException"]


def test_with_a_dispatcher_that_queues_all_it_is_looked_at_in_its_turn() -> None:
    """Y10."""
    log: list[Any] = []
    with main_dispatcher(StandardTestDispatcher()) as dispatcher:
        owner = Owner(State.STARTED, enforced=True)
        waiting(log, lambda: with_started(owner, lambda: "called"))
        assert log == []
        dispatcher.scheduler.advance_until_idle()

    assert log == ["called"]


def test_a_state_below_created_and_a_function_that_suspends_are_refused(main: VMain) -> None:
    """Y10."""
    owner, log = Owner(State.STARTED, enforced=True), []
    with pytest.raises(ValueError, match=r"with_state\(\) waits for CREATED or above, got INITIALIZED"):
        with_state(owner, State.INITIALIZED, log.append, 1)
    with pytest.raises(TypeError, match=r"with_started\(\) takes a plain function with its arguments, got 7"):
        with_started(owner, 7)  # type: ignore[arg-type]

    def body(function: Any) -> Iterator[Any]:
        try:
            yield from with_started(owner, function, 1)
        except TypeError as failure:
            log.append(str(failure))

    async def coroutine(seconds: float) -> None:
        await delay(seconds)

    def generator(seconds: float) -> Iterator[Any]:
        yield from delay(seconds)

    for function in (delay, coroutine, generator):
        CoroutineScope(Dispatchers.Main.immediate).launch(body, function)

        assert "with_started() calls a plain function" in log[-1]
        assert "suspends: use repeat_on_lifecycle(...)" in log[-1]
    assert len(log) == 3
