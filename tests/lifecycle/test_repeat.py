"""repeat_on_lifecycle and flow_with_lifecycle: begun anew, cancelled, waited for; never twice at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.lifecycle.owners import Owner
from vmscope import (
    CoroutineDispatcher,
    CoroutineScope,
    Dispatchers,
    Job,
    await_cancellation,
    current_context,
    delay,
    launch,
    non_cancellable,
)
from vmscope.flow import MutableStateFlow, flow
from vmscope.lifecycle import Event, State, repeat_on_lifecycle

if TYPE_CHECKING:
    from tests.virtual_main import VMain


class Boom(Exception):
    pass


def noting(log: list[str], tidy: float = 0.0) -> Callable[[], Iterator[Any]]:
    """A block that notes its beginning and its end, which takes `tidy` seconds."""

    def block() -> Iterator[Any]:
        log.append("begins")
        try:
            yield from await_cancellation()
        finally:
            if tidy:
                yield from non_cancellable(delay, tidy)
            log.append("ends")

    return block


def repeating(owner: Owner, state: State, block: Callable[..., Any], *args: Any) -> Job:
    scope = CoroutineScope(Dispatchers.Main.immediate)
    return scope.launch(lambda: repeat_on_lifecycle(owner, state, block, *args))


@pytest.mark.parametrize(
    ("state", "below", "above"),
    [
        (State.CREATED, State.INITIALIZED, State.CREATED),
        (State.STARTED, State.CREATED, State.STARTED),
        (State.RESUMED, State.STARTED, State.RESUMED),
    ],
)
def test_the_block_runs_at_the_state_and_ends_below_it(
    main: VMain, state: State, below: State, above: State
) -> None:
    """Y8."""
    owner, log = Owner(below, enforced=True), []
    job = repeating(owner, state, noting(log))
    assert log == []

    owner.lifecycle.current_state = above
    assert log == ["begins"]
    owner.lifecycle.current_state = State.CREATED if state is not State.CREATED else State.DESTROYED
    assert log == ["begins", "ends"]
    owner.lifecycle.current_state = State.DESTROYED

    assert job.is_completed
    assert not job.is_cancelled


def test_the_block_begins_anew_each_time(main: VMain) -> None:
    """Y8."""
    owner, log = Owner(State.STARTED, enforced=True), []
    repeating(owner, State.STARTED, noting(log))

    for _ in range(3):
        owner.lifecycle.current_state = State.CREATED
        owner.lifecycle.current_state = State.RESUMED
    owner.lifecycle.current_state = State.DESTROYED

    assert log == ["begins", "ends"] * 4


def test_a_block_that_ended_by_itself_runs_again_at_the_next_return_only(main: VMain) -> None:
    """Y8."""
    owner, log = Owner(State.STARTED, enforced=True), []
    repeating(owner, State.STARTED, log.append, "ran")

    owner.lifecycle.current_state = State.RESUMED
    assert log == ["ran"]
    owner.lifecycle.current_state = State.CREATED
    owner.lifecycle.current_state = State.STARTED

    assert log == ["ran", "ran"]
    owner.lifecycle.current_state = State.DESTROYED


def test_the_next_run_waits_until_the_one_before_has_cleaned_up(main: VMain) -> None:
    """Y8: cancelled and awaited."""
    owner, log = Owner(State.STARTED, enforced=True), []
    job = repeating(owner, State.STARTED, noting(log, tidy=2))

    owner.lifecycle.current_state = State.CREATED
    owner.lifecycle.current_state = State.STARTED
    main.advance(1)
    assert log == ["begins"]
    main.advance(1)

    assert log == ["begins", "ends", "begins"]
    owner.lifecycle.current_state = State.DESTROYED
    assert not job.is_completed, "the last run is waited for"
    main.advance(2)
    assert job.is_completed


def test_a_run_that_had_not_begun_when_the_state_was_left_never_begins(main: VMain) -> None:
    """Y8: up, down, up, down while the first one cleans up: none of those between is run late."""
    owner, log = Owner(State.STARTED, enforced=True), []
    repeating(owner, State.STARTED, noting(log, tidy=2))

    for state in (State.CREATED, State.STARTED, State.CREATED, State.STARTED, State.CREATED):
        owner.lifecycle.current_state = state
    main.advance(10)

    assert log == ["begins", "ends"]
    owner.lifecycle.current_state = State.DESTROYED


def test_what_a_block_launches_belongs_to_that_run(main: VMain) -> None:
    """Y8: children are cancelled and awaited, too."""
    owner, log = Owner(State.STARTED, enforced=True), []

    def block() -> None:
        launch(noting(log, tidy=2))

    repeating(owner, State.STARTED, block)
    owner.lifecycle.current_state = State.CREATED
    owner.lifecycle.current_state = State.STARTED
    assert log == ["begins"]
    main.advance(2)

    assert log == ["begins", "ends", "begins"]
    owner.lifecycle.current_state = State.DESTROYED
    main.drain()


def test_a_failure_of_the_block_is_raised_to_the_caller_and_nothing_is_repeated(main: VMain) -> None:
    """Y8."""
    owner, log = Owner(State.CREATED, enforced=True), []

    def block() -> Iterator[Any]:
        log.append("begins")
        yield from delay(1)
        raise Boom

    def body() -> Iterator[Any]:
        try:
            yield from repeat_on_lifecycle(owner, State.STARTED, block)
        except Boom:
            log.append("caught")

    CoroutineScope(Dispatchers.Main.immediate).launch(body)
    owner.lifecycle.current_state = State.STARTED
    main.advance(1)
    owner.lifecycle.current_state = State.CREATED
    owner.lifecycle.current_state = State.STARTED

    assert log == ["begins", "caught"]
    assert owner.lifecycle.observer_count == 0


def test_the_caller_is_cancelled_and_with_it_the_run(main: VMain) -> None:
    """Y8."""
    owner, log = Owner(State.STARTED, enforced=True), []
    job = repeating(owner, State.STARTED, noting(log, tidy=2))

    job.cancel()
    assert owner.lifecycle.observer_count == 0
    owner.lifecycle.current_state = State.CREATED
    owner.lifecycle.current_state = State.STARTED
    main.drain()

    assert log == ["begins", "ends"]
    assert job.is_completed


def test_on_a_destroyed_lifecycle_it_returns_at_once(main: VMain) -> None:
    """Y8."""
    owner, log = Owner(State.CREATED, enforced=True), []
    owner.lifecycle.current_state = State.DESTROYED

    assert repeating(owner, State.STARTED, noting(log)).is_completed
    assert log == []


def test_a_lifecycle_that_ends_on_the_way_to_the_main_thread_is_not_waited_for(main: VMain) -> None:
    """Y8"""
    owner, log = Owner(State.CREATED, enforced=True), []
    scope = CoroutineScope(Dispatchers.Default)
    job = scope.launch(lambda: repeat_on_lifecycle(owner, State.STARTED, noting(log)))
    main.run_until(lambda: main.looper.queue.peek_when() is not None or job.is_completed)

    owner.lifecycle.current_state = State.DESTROYED
    main.run_until(lambda: job.is_completed)

    assert not job.is_cancelled
    assert log == []


def test_for_destroyed_it_runs_nothing_and_returns_with_the_end(main: VMain) -> None:
    """Y8."""
    owner, log = Owner(State.STARTED, enforced=True), []
    job = repeating(owner, State.DESTROYED, noting(log))
    assert not job.is_completed

    owner.lifecycle.current_state = State.DESTROYED

    assert job.is_completed
    assert log == []


def test_initialized_and_what_cannot_be_called_again_are_refused(main: VMain) -> None:
    """Y8."""
    owner = Owner(enforced=True)

    with pytest.raises(ValueError, match="repeat_on_lifecycle cannot start work with the INITIALIZED state"):
        repeat_on_lifecycle(owner, State.INITIALIZED, noting([]))
    with pytest.raises(ValueError, match="flow_with_lifecycle cannot start with the INITIALIZED state"):
        MutableStateFlow(0).flow_with_lifecycle(owner, State.INITIALIZED)
    with pytest.raises(TypeError, match="takes a function with its arguments, to be called again"):
        repeat_on_lifecycle(owner, State.STARTED, noting([])())  # type: ignore[arg-type]


def test_the_block_runs_where_the_caller_does_and_the_lifecycle_is_observed_on_main(main: VMain) -> None:
    """Y8."""
    owner, seen = Owner(State.STARTED, enforced=True), []
    scope = CoroutineScope(Dispatchers.Default)

    def block() -> Iterator[Any]:
        seen.append(current_context()[CoroutineDispatcher])
        yield from await_cancellation()

    job = scope.launch(lambda: repeat_on_lifecycle(owner, State.STARTED, block))
    main.run_until(lambda: seen)
    owner.lifecycle.current_state = State.DESTROYED
    main.run_until(lambda: job.is_completed)

    assert seen == [Dispatchers.Default]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_when_the_main_looper_quits_the_run_ends_and_nothing_hangs(main: VMain, where: str) -> None:
    """Y8: a program that ends with its window open."""
    owner, log = Owner(State.STARTED, enforced=True), []
    scope = CoroutineScope(Dispatchers.Default)
    job = scope.launch(lambda: repeat_on_lifecycle(owner, State.STARTED, noting(log)))
    main.run_until(lambda: log)

    main.looper.quit()
    if where == "here":
        scope.cancel()
    else:
        thread = threading.Thread(target=scope.cancel)
        thread.start()
        thread.join()
    main.run_until(lambda: job.is_completed)

    assert log == ["begins", "ends"]


# ---- Y9, F32


def test_a_flow_is_collected_while_the_lifecycle_is_up_and_anew_each_time(main: VMain) -> None:
    """Y9, F32: the flow above restarts; what stands below goes on, and ends with the lifecycle."""
    owner, log = Owner(State.CREATED, enforced=True), []

    @flow
    def ticks(collector: Any) -> Iterator[Any]:
        log.append("starts")
        try:
            for number in range(100):
                yield from collector.emit(number)
                yield from delay(1)
        finally:
            log.append("stops")

    followed = ticks.flow_with_lifecycle(owner).scan(0, lambda count, _: count + 1)
    job = CoroutineScope(Dispatchers.Main.immediate).launch(followed.collect, log.append)
    main.run_current()
    assert log == [0]

    owner.lifecycle.current_state = State.STARTED
    main.advance(1)
    owner.lifecycle.current_state = State.CREATED
    main.advance(5)
    owner.lifecycle.current_state = State.RESUMED
    main.run_current()
    owner.lifecycle.current_state = State.DESTROYED
    main.run_current()

    assert log == [0, "starts", 1, 2, "stops", "starts", 3, "stops"]
    assert job.is_completed
    assert not job.is_cancelled


def test_a_failure_above_reaches_who_collects(main: VMain) -> None:
    """Y9."""
    owner, log = Owner(State.STARTED, enforced=True), []

    @flow
    def broken(collector: Any) -> Iterator[Any]:
        yield from collector.emit(1)
        raise Boom("above")

    followed = broken.flow_with_lifecycle(owner, State.STARTED).catch(lambda _, failure: log.append(str(failure)))
    CoroutineScope(Dispatchers.Main.immediate).launch(followed.collect, log.append)
    main.run_current()

    assert log == [1, "above"]
    assert owner.lifecycle.observer_count == 0


def test_on_destroyed_the_flow_is_empty(main: VMain) -> None:
    """Y9."""
    owner, log = Owner(State.CREATED, enforced=True), []
    owner.lifecycle.handle_event(Event.ON_DESTROY)

    followed = MutableStateFlow(1).flow_with_lifecycle(owner.lifecycle)
    job = CoroutineScope(Dispatchers.Main.immediate).launch(followed.collect, log.append)
    main.run_current()

    assert job.is_completed
    assert log == []
