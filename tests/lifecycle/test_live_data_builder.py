"""live_data, and LiveData to and from flows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.lifecycle.owners import Owner
from vmscope import (
    CancellationException,
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    Job,
    Looper,
    await_cancellation,
    delay,
    with_context,
)
from vmscope.flow import MutableStateFlow, flow, flow_of
from vmscope.lifecycle import LiveData, LiveDataScope, MutableLiveData, State, live_data

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def counting(log: list[Any]) -> Any:
    """A block that emits a number each second, from where the last run had come to."""

    def block(scope: LiveDataScope[int]) -> Iterator[Any]:
        log.append("begins")
        number = scope.latest_value or 0
        try:
            while True:
                number += 1
                yield from scope.emit(number)
                yield from delay(1)
        finally:
            log.append("ends")

    return block


def observed(live: LiveData[Any], log: list[Any]) -> Owner:
    owner = Owner(State.STARTED)
    live.observe(owner, log.append)
    return owner


# ---- W8


def test_the_block_begins_with_the_first_active_observer_and_emits(main: VMain) -> None:
    """W8."""
    log: list[Any] = []

    @live_data
    def answers(scope: LiveDataScope[str]) -> Iterator[Any]:
        yield from scope.emit("cached")
        yield from scope.emit((yield from with_context(Dispatchers.IO, lambda: "fetched")))

    main.drain()
    assert answers.value is None, "nobody looks, nothing runs"
    observed(answers, log)
    main.run_until(lambda: len(log) == 2)

    assert log == ["cached", "fetched"]


def test_inactive_it_goes_on_for_the_timeout_and_is_cancelled_then(main: VMain) -> None:
    """W8."""
    log: list[Any] = []
    owner = observed(live_data(counting(log)), log)

    owner.lifecycle.current_state = State.CREATED
    main.advance(4.5)
    assert log == ["begins", 1], "it runs, and who is stopped is not told"
    main.advance(0.5)

    assert log == ["begins", 1, "ends"]


def test_active_again_in_time_it_was_never_interrupted(main: VMain) -> None:
    """W8."""
    log: list[Any] = []
    owner = observed(live_data(counting(log)), log)

    owner.lifecycle.current_state = State.CREATED
    main.advance(4.5)
    owner.lifecycle.current_state = State.STARTED
    main.advance(5)

    assert log[:3] == ["begins", 1, 5]
    assert "ends" not in log


def test_active_again_after_the_timeout_it_runs_anew_and_may_go_on_from_its_latest_value(main: VMain) -> None:
    """W8."""
    log: list[Any] = []
    owner = observed(live_data(counting(log), 2), log)

    owner.lifecycle.current_state = State.CREATED
    main.advance(10)
    owner.lifecycle.current_state = State.STARTED

    assert log == ["begins", 1, "ends", "begins", 3], "2 was the value when nobody looked; 3 came before it was told"


def test_a_block_that_is_over_is_not_run_again(main: VMain) -> None:
    """W8."""
    log: list[Any] = []
    owner = observed(live_data(lambda scope: log.append("runs"), 0), log)

    for _ in range(2):
        owner.lifecycle.current_state = State.CREATED
        main.drain()
        owner.lifecycle.current_state = State.STARTED

    assert log == ["runs"]


def test_a_block_that_failed_or_cancelled_itself_runs_anew_for_who_comes_after_the_timeout(main: VMain) -> None:
    """W8: as the code of the reference does, not as its documentation says."""
    log: list[Any] = []

    def block(scope: LiveDataScope[Any]) -> None:
        log.append("runs")
        raise CancellationException("enough") if len(log) > 1 else ZeroDivisionError

    handler = CoroutineExceptionHandler(lambda _, failure: log.append(type(failure).__name__))
    owner = observed(live_data(block, 2, handler), log)
    owner.lifecycle.current_state = State.CREATED
    main.advance(1)
    owner.lifecycle.current_state = State.STARTED
    assert log == ["runs", "ZeroDivisionError"], "in time: the run of before counts"
    for _ in range(2):
        owner.lifecycle.current_state = State.CREATED
        main.advance(2)
        owner.lifecycle.current_state = State.STARTED

    assert log == ["runs", "ZeroDivisionError", "runs", "runs"]


def test_a_source_is_followed_until_something_else_is_emitted(main: VMain) -> None:
    """W8."""
    log: list[Any] = []
    one, other = MutableLiveData("one"), MutableLiveData("other")

    def block(scope: LiveDataScope[str]) -> Iterator[Any]:
        yield from scope.emit_source(one)
        yield from delay(1)
        log.append(f"latest {scope.latest_value}")
        yield from scope.emit_source(other)
        yield from delay(1)
        yield from scope.emit("a value")

    observed(live_data(block), log)
    one.value = "one again"
    main.advance(1)
    one.value = "unheard"
    main.advance(1)
    other.value = "unheard"

    assert log == ["one", "one again", "latest one again", "other", "a value"]
    assert not one.has_observers
    assert not other.has_observers


def test_an_emitted_source_can_be_disposed_of_on_any_thread(main: VMain) -> None:
    """W8."""
    log: list[Any] = []
    source = MutableLiveData(1)

    def block(scope: LiveDataScope[int]) -> Iterator[Any]:
        followed = yield from scope.emit_source(source)
        yield from with_context(Dispatchers.IO, followed.dispose)

    observed(live_data(block), log)
    main.run_until(lambda: not source.has_observers)
    source.value = 2

    assert log == [1]


def test_an_emitted_source_is_disposed_of_once_and_without_a_main_thread_never(main: VMain) -> None:
    """W8: what follows it is gone with the main thread."""
    source, kept, log = MutableLiveData(1), [], []

    @live_data
    def follows(scope: LiveDataScope[int]) -> Iterator[Any]:
        kept.append((yield from scope.emit_source(source)))

    observed(follows, log)
    kept[0].dispose()
    kept[0].dispose()
    source.value = 2
    assert log == [1]
    assert not source.has_observers

    Looper.set_main_for_test(None)
    kept[0].dispose()


def test_what_a_cancelled_block_emits_is_ignored(main: VMain) -> None:
    """W8: its clean-up does not speak any more."""
    log: list[Any] = []

    def block(scope: LiveDataScope[str]) -> Iterator[Any]:
        try:
            yield from await_cancellation()
        finally:
            try:
                yield from scope.emit("last words")
            except CancellationException:
                log.append("refused")

    live = live_data(block, 0)
    owner = observed(live, log)
    owner.lifecycle.current_state = State.CREATED

    assert log == ["refused"]
    assert live.value is None


def test_a_job_in_the_context_ends_the_block_with_it_and_is_not_ended_by_it(main: VMain) -> None:
    """W8."""
    log: list[Any] = []
    job = Job()
    owner = observed(live_data(counting(log), 0, job), log)

    owner.lifecycle.current_state = State.CREATED
    assert job.is_active
    owner.lifecycle.current_state = State.STARTED
    job.cancel()

    assert log == ["begins", 1, "ends", "begins", 2, "ends"]


def test_with_no_end_to_the_timeout_it_is_never_cancelled(main: VMain) -> None:
    """W8."""
    log: list[Any] = []
    owner = observed(live_data(counting(log), math.inf), log)

    owner.lifecycle.current_state = State.CREATED
    main.advance(1_000)

    assert log == ["begins", 1]


def test_what_is_no_block_no_time_or_no_live_data_is_refused(main: VMain) -> None:
    with pytest.raises(TypeError, match=r"live_data\(\) takes a function of a LiveDataScope, got 7"):
        live_data(7)  # type: ignore[arg-type]
    with pytest.raises((TypeError, ValueError), match=r"live_data\(timeout=...\)"):
        live_data(lambda scope: None, math.nan)
    log: list[Any] = []
    handler = CoroutineExceptionHandler(lambda _, failure: log.append(str(failure)))
    live_data(lambda scope: scope.emit_source(7), context=handler).observe_forever(log.append)  # type: ignore[arg-type]

    assert log == ["emit_source() takes a LiveData, got 7: emit(...) takes a value"]


# ---- W9


def test_a_flow_as_live_data_is_collected_while_it_is_observed(main: VMain) -> None:
    """W9."""
    log: list[Any] = []

    @flow
    def ticks(collector: Any) -> Iterator[Any]:
        log.append("collected")
        for number in range(3):
            yield from collector.emit(number)
            yield from delay(2)

    live = ticks.as_live_data(timeout=1)
    assert log == []
    owner = observed(live, log)
    owner.lifecycle.current_state = State.CREATED
    main.advance(1)
    owner.lifecycle.current_state = State.STARTED
    main.advance(10)
    owner.lifecycle.current_state = State.CREATED
    main.advance(10)
    owner.lifecycle.current_state = State.STARTED

    assert log == ["collected", 0, "collected", 0, 1, 2], "once it is over it is not collected again"


def test_a_state_flow_as_live_data_has_its_value_from_the_start(main: VMain) -> None:
    """W9."""
    assert MutableStateFlow("now").as_live_data().value == "now"
    assert flow_of("later").as_live_data().value is None


def test_a_state_flow_made_live_data_on_another_thread_has_its_value_after_the_main_threads_turn(main: VMain) -> None:
    """W9."""
    made: list[LiveData[str]] = []
    job = CoroutineScope(Dispatchers.Default).launch(lambda: made.append(MutableStateFlow("now").as_live_data()))
    main.run_until(lambda: job.is_completed)
    main.drain()

    assert made[0].value == "now"


def test_live_data_as_a_flow_begins_with_the_value_of_now_and_is_active_while_it_is_collected(main: VMain) -> None:
    """W9."""
    live, seen = MutableLiveData(1), []
    values = live.as_flow()
    assert not live.has_observers

    job = CoroutineScope(Dispatchers.Main.immediate).launch(values.collect, seen.append)
    main.run_current()
    live.value = 2
    main.run_current()
    job.cancel()
    main.run_current()

    assert seen == [1, 2]
    assert not live.has_observers


def test_a_slow_collector_gets_the_newest_value(main: VMain) -> None:
    """W9: conflated."""
    live, seen = MutableLiveData(0), []

    def slow(value: int) -> Iterator[Any]:
        seen.append(value)
        yield from delay(1)

    job = CoroutineScope(Dispatchers.Main.immediate).launch(live.as_flow().collect, slow)
    main.run_current()
    for value in range(1, 6):
        live.value = value
    main.advance(5)

    assert seen == [0, 5]
    job.cancel()
    main.run_current()


def test_live_data_is_collected_from_any_thread_and_observed_on_main(main: VMain) -> None:
    """W9."""
    live, seen = MutableLiveData(1), []
    job = CoroutineScope(Dispatchers.Default).launch(live.as_flow().take(2).collect, seen.append)
    main.run_until(lambda: seen)
    live.value = 2
    main.run_until(lambda: job.is_completed and not live.has_observers)

    assert seen == [1, 2]


def test_a_collection_that_is_cancelled_on_its_way_from_main_leaves_no_observer(main: VMain) -> None:
    """W9: cancelled between the observing and the news of it."""
    live = MutableLiveData(1)
    scope = CoroutineScope(Dispatchers.Default)
    live.on_active = scope.cancel  # type: ignore[method-assign]

    job = scope.launch(live.as_flow().collect)
    main.run_until(lambda: job.is_completed)
    main.drain()

    assert not live.has_observers


def test_there_and_back(main: VMain) -> None:
    """W9: LiveData tells each value that is set, so the one that was there, too, when it is collected again."""
    state, seen = MutableStateFlow(1), []
    live = state.as_live_data(timeout=0).as_flow().as_live_data(timeout=0)
    live.observe_forever(seen.append)
    main.run_current()
    state.value = 2
    main.run_current()
    live.remove_observer(seen.append)
    main.drain()

    assert seen == [1, 1, 2]
    assert state.subscription_count.value == 0
