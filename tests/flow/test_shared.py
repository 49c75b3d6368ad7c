"""SharedFlow, sharing, and events."""

from __future__ import annotations

import gc
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from tests.steer import beside, struck
from tests.virtual_main import VMain
from vmscope import (
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    IllegalStateError,
    Job,
    SupervisorJob,
    VmScopeWarning,
    await_cancellation,
    coroutine_scope,
    delay,
    run_blocking,
    with_timeout,
    yield_,
)
from vmscope.coroutines._suspend import Continuation
from vmscope.flow import (
    EventFlow,
    Flow,
    MutableSharedFlow,
    NoSuchElementError,
    SharedFlow,
    SharingCommand,
    SharingStarted,
    as_flow,
    empty_flow,
    flow_of,
)
from vmscope.flow._shared import _Emitter
from vmscope.sync import BufferOverflow

from .runs import Boom, collecting, end_scopes, failing, run, scope_on_main, ticking

if TYPE_CHECKING:
    pass


def emitting(flow: Any, *values: Any, log: list[Any] | None = None) -> Job:
    def body() -> Any:
        for value in values:
            yield from flow.emit(value)
            if log is not None:
                log.append(f"emitted {value}")

    return scope_on_main().launch(body)


def test_f20_the_slowest_collector_decides_when_emit_goes_on(main: VMain) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow()
    log: list[Any] = []

    def slow(value: int) -> Any:
        yield from delay(5)
        log.append((main.now, value))

    collecting(shared, slow)
    collecting(shared, lambda value: None)
    main.drain()
    emitting(shared, 1, 2, log=log)
    main.drain()

    assert log == ["emitted 1", (5, 1), "emitted 2", (10, 2)]


def test_f20_without_collectors_nothing_waits_and_the_replay_is_kept(main: VMain) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow(replay=2, extra_buffer=1)
    log: list[int] = []

    run(main, as_flow(range(5)).collect, shared.emit)
    collecting(shared, log.append)
    main.drain()

    assert shared.replay_cache == (3, 4)
    assert log == [3, 4]
    shared.reset_replay_cache()
    assert shared.replay_cache == ()


@pytest.mark.parametrize(
    ("overflow", "expected"),
    [(BufferOverflow.DROP_OLDEST, [3, 4]), (BufferOverflow.DROP_LATEST, [0, 1])],
)
def test_f20_a_policy_drops_instead_of_waiting(main: VMain, overflow: BufferOverflow, expected: list[int]) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow(extra_buffer=2, on_overflow=overflow)
    log: list[int] = []
    collecting(shared, log.append)
    main.drain()

    assert [shared.try_emit(number) for number in range(5)] == [True] * 5
    main.drain()

    assert log == expected


@pytest.mark.parametrize(
    ("arguments", "text"),
    [((-1,), "replay"), ((0, -1), "extra"), ((0, 0, BufferOverflow.DROP_OLDEST), "must be positive")],
)
def test_f20_bad_sizes_are_refused(arguments: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MutableSharedFlow(*arguments)


def test_f21_try_emit_fails_only_where_it_would_have_to_wait(main: VMain) -> None:
    bare: MutableSharedFlow[int] = MutableSharedFlow()
    roomy: MutableSharedFlow[int] = MutableSharedFlow(extra_buffer=1)

    assert bare.try_emit(1)
    assert roomy.try_emit(1)
    for shared in (bare, roomy):
        collecting(shared, lambda _: await_cancellation())
    main.drain()

    assert not bare.try_emit(1), "somebody is there, and there is no buffer"
    assert [roomy.try_emit(2), roomy.try_emit(3)] == [True, False]
    main.drain()
    assert [roomy.try_emit(4), roomy.try_emit(5)] == [True, False]


def test_f22_the_count_follows_those_who_collect(main: VMain) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow()
    counts: list[int] = []
    collecting(shared.subscription_count, counts.append)
    main.drain()

    job = collecting(shared, print, immediate=True)
    job.cancel()
    main.drain()

    assert counts == [0, 1, 0], "each change is told, also in one turn"


def test_f23_on_subscription_runs_once_registered_and_emits_to_this_one_alone(main: VMain) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow(extra_buffer=5)
    first: list[int] = []
    second: list[int] = []

    def subscribed(collector: Any) -> Any:
        assert shared.try_emit(1)
        yield from collector.emit(-1)

    collecting(shared, first.append)
    main.drain()
    collecting(shared.on_subscription(subscribed), second.append)
    main.drain()

    assert (first, second) == ([1], [-1, 1])


def test_f26_a_view_can_only_be_read() -> None:
    view = MutableSharedFlow[int]().as_shared_flow()

    assert not isinstance(view, MutableSharedFlow)
    assert not hasattr(view, "try_emit")
    with pytest.raises(TypeError, match="MutableSharedFlow"):
        SharedFlow()


def test_an_emitter_that_is_cancelled_takes_its_value_back(main: VMain) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow(extra_buffer=1)
    log: list[int] = []

    def slow(value: int) -> Any:
        yield from delay(5)
        log.append(value)

    collecting(shared, slow)
    main.drain()
    emitting(shared, 1, 2)
    main.run_current()
    late = emitting(shared, 3)
    emitting(shared, 4)
    main.run_current()
    late.cancel()
    main.drain()

    assert log == [1, 2, 4]


def test_an_emission_queued_behind_a_cancelled_one_is_not_lost(main: VMain) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow()
    fast: list[int] = []
    slow: list[int] = []

    def slowly(value: int) -> Any:
        slow.append(value)
        yield from delay(5)

    collecting(shared, fast.append)
    collecting(shared, slowly)
    main.drain()
    emitting(shared, 1)
    main.run_current()
    second = emitting(shared, 2)
    emitting(shared, 3)
    main.run_current()
    assert (fast, slow) == ([1, 2], [1])
    second.cancel()
    main.drain()

    assert (fast, slow) == ([1, 2, 3], [1, 3])


def test_a_collector_that_leaves_lets_the_emitters_go_on(main: VMain) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow()
    log: list[Any] = []
    stuck = collecting(shared, lambda _: await_cancellation())
    main.drain()
    emitting(shared, 1, 2, 3, log=log)
    main.drain()
    assert log == ["emitted 1"]

    stuck.cancel()
    main.drain()

    assert log == ["emitted 1", "emitted 2", "emitted 3"]


# -- what other threads do between an emitter's steps (F20): each window entered on purpose


def full(capacity: int, gate: Job, log: list[Any]) -> tuple[MutableSharedFlow[int], Job]:
    """A flow with values up to its capacity, and its collector: it rests in the first one until `gate` has ended."""
    shared: MutableSharedFlow[int] = MutableSharedFlow(extra_buffer=capacity)

    def each(value: int) -> Any:
        log.append(value)
        yield from gate.join()

    collector = CoroutineScope(Dispatchers.Unconfined).launch(shared.collect, each)
    run_blocking(shared.emit, 0)
    for _ in range(capacity):
        assert shared.try_emit(0)
    log.clear()
    return shared, collector


def test_f20_an_emitter_that_another_thread_cancels_before_it_stands_in_line_emits_nothing(main: VMain) -> None:
    gate, log = Job(), []  # type: ignore[var-annotated]
    shared, collector = full(1, gate, log)
    job = scope_on_main().launch(shared.emit, 1)
    lock = beside(shared, job.cancel, taken=2)

    main.drain()
    gate.complete()
    collector.cancel()

    assert lock.met
    assert job.is_cancelled
    assert log == [0]


@pytest.mark.parametrize("capacity", [0, 1])
def test_f20_room_that_another_thread_makes_before_the_emitter_waits_is_taken(main: VMain, capacity: int) -> None:
    gate, log = Job(), []  # type: ignore[var-annotated]
    shared, collector = full(capacity, gate, log)
    job = scope_on_main().launch(shared.emit, 1)
    lock = beside(shared, gate.complete, released=1)

    main.drain()

    assert lock.met
    assert job.is_completed
    assert not job.is_cancelled
    assert log == [0] * capacity + [1]
    collector.cancel()


def test_f20_a_collector_that_leaves_as_somebody_emits_takes_the_room_with_it(main: VMain) -> None:
    """Then nobody is there, and nothing is kept."""
    gate, log = Job(), []  # type: ignore[var-annotated]
    shared, collector = full(0, gate, log)
    job = scope_on_main().launch(shared.emit, 1)
    lock = beside(shared, collector.cancel, taken=1)

    main.drain()

    assert lock.met
    assert job.is_completed
    assert shared.subscription_count.value == 0
    assert log == []


def test_f20_an_emitter_that_is_moved_up_and_cancelled_at_once_has_emitted(main: VMain) -> None:
    """The value is in the buffer by then, and all get it, as in the reference."""
    log: list[int] = []
    shared: MutableSharedFlow[int] = MutableSharedFlow(extra_buffer=1)

    def slow(value: int) -> Any:
        log.append(value)
        yield from delay(1)

    collecting(shared, slow)
    main.run_current()
    job = emitting(shared, 1, 2, 3)
    main.run_current()
    lock = beside(shared, job.cancel, released=1)
    main.drain()

    assert lock.met
    assert job.is_cancelled
    assert log == [1, 2, 3]


def test_f20_an_emitter_that_goes_on_and_is_cancelled_in_the_same_moment_has_emitted(main: VMain) -> None:
    """What the canceller has found waiting goes on by itself before it is told."""
    gate, log = Job(), []  # type: ignore[var-annotated]
    shared, collector = full(1, gate, log)
    job = scope_on_main().launch(shared.emit, 1)
    main.drain()
    lock = beside(job, gate.complete, released=2)  # the canceller knows by then who waits, and has not told it

    job.cancel()
    main.drain()

    assert lock.met
    assert job.is_cancelled
    assert log == [0, 1]
    collector.cancel()


def test_f20_an_emitter_that_goes_on_as_it_is_about_to_be_told_of_its_cancellation_is_resumed_once(main: VMain) -> None:
    """The value was taken between the look for who waits and his own; a second resumption would be an error."""
    gate, log = Job(), []  # type: ignore[var-annotated]
    shared, collector = full(1, gate, log)
    job = scope_on_main().launch(shared.emit, 1)
    main.drain()

    def let_in() -> None:
        gate.complete()
        main.drain()

    with struck(_Emitter._cancelled_by, let_in) as met:
        job.cancel()
    main.drain()

    assert met
    assert job.is_cancelled
    assert log == [0, 1]
    collector.cancel()


def test_f20_a_collector_may_cancel_the_emitter_before_the_others_have_the_value(main: VMain) -> None:
    """The emission is taken back from those who have not seen it; the emitter ends cancelled, and once."""
    log: list[Any] = []
    shared: MutableSharedFlow[int] = MutableSharedFlow()
    scope = CoroutineScope(Dispatchers.Unconfined)

    def first(value: int) -> None:
        log.append(("first", value))
        if value == 1:
            job.cancel()

    jobs = [scope.launch(shared.collect, first), scope.launch(shared.collect, lambda value: log.append(value))]
    job = scope_on_main().launch(shared.emit, 1)
    main.drain()
    emitting(shared, 2)
    main.drain()

    assert job.is_cancelled
    assert log == [("first", 1), ("first", 2), 2]
    for each in jobs:
        each.cancel()


def test_f20_a_value_that_comes_between_a_collectors_look_and_its_sleep_is_seen(main: VMain) -> None:
    for shared in (MutableSharedFlow(extra_buffer=1), EventFlow()):
        emit = getattr(shared, "try_emit", None) or shared.send
        lock = beside(shared, partial(emit, 5), released=2)
        assert run(main, shared.first) == 5
        assert lock.met


def test_f20_an_emission_is_awaited_once(main: VMain) -> None:
    """F20"""
    shared: MutableSharedFlow[int] = MutableSharedFlow(replay=3)

    def body() -> Any:
        emission = shared.emit(1)
        yield from emission
        with pytest.raises(IllegalStateError, match=r"emit\(\) was awaited twice"):
            yield from emission

    run(main, body)

    assert shared.replay_cache == (1,)


def test_f26_views_show_the_replay_and_what_they_are_made_of(main: VMain) -> None:
    """F26, F22"""
    shared: MutableSharedFlow[int] = MutableSharedFlow(replay=1)
    shared.try_emit(1)

    view = shared.as_shared_flow()
    observed = view.on_subscription(lambda: None)

    assert view.replay_cache == observed.replay_cache == (1,)
    assert repr(view) == f"<SharedFlow of {shared!r}>"
    assert repr(EventFlow()) == "<EventFlow, 0 collectors, 0 events kept>"


def test_a_collector_that_waits_hears_of_the_end(main: VMain) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow()
    job = collecting(shared, print)
    main.drain()
    assert job.is_active

    shared.complete()
    main.drain()

    assert job.is_completed
    assert not job.is_cancelled


def test_a_hot_flow_can_complete_and_fail(main: VMain) -> None:
    for end, expected in (
        (lambda shared: shared.complete(), None),
        (lambda shared: shared.fail(Boom("over")), "over"),
    ):
        shared: MutableSharedFlow[int] = MutableSharedFlow(replay=1, extra_buffer=3)
        log: list[Any] = []
        collect = shared.catch(lambda failure, log=log: log.append(str(failure)))
        job = collecting(collect, log.append)
        main.drain()
        for number in (1, 2):
            shared.try_emit(number)
        end(shared)
        end(shared)
        main.drain()

        assert log == [1, 2, *([expected] if expected else [])]
        assert job.is_completed
        late: list[int] = []
        collecting(shared.catch(lambda _: None), late.append)
        main.drain()
        assert late == [2], "who comes late gets the replay, and the end"
        with pytest.raises(IllegalStateError, match="complete"):
            shared.try_emit(3)


def test_f29_what_needs_the_end_of_a_shared_flow_is_warned_of(main: VMain) -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow(1)

    with pytest.warns(VmScopeWarning, match=r"count\(\) waits for the end"):
        shared.count().__iter__()
    shared.try_emit(1)
    shared.complete()
    assert run(main, shared.to_list) == [1]


def test_f27_a_shared_flow_is_run_once_for_all(main: VMain) -> None:
    begun: list[int] = []
    source = ticking((1, "a"), (1, "b")).on_start(lambda: begun.append(1))
    scope = CoroutineScope(Dispatchers.Main)
    shared = source.share_in(scope, SharingStarted.LAZILY, replay=1)
    logs: list[list[str]] = [[], []]

    for log in logs:
        collecting(shared, log.append)
    main.drain()
    late: list[str] = []
    collecting(shared, late.append)
    main.drain()

    assert logs == [["a", "b"]] * 2
    assert late == ["b"]
    assert begun == [1]
    scope.cancel()


def test_f27_a_failure_goes_to_the_scope_and_collectors_hear_no_more(main: VMain) -> None:
    told: list[BaseException] = []
    handler = CoroutineExceptionHandler(lambda _, failure: told.append(failure))
    scope = CoroutineScope(Dispatchers.Main + SupervisorJob() + handler)
    log: list[int] = []
    job = collecting(failing(1).share_in(scope, SharingStarted.LAZILY), log.append)

    main.drain()

    assert (log, [str(failure) for failure in told], job.is_active) == ([1], ["above"], True)
    job.cancel()


def test_f27_the_end_reaches_the_collectors_where_that_is_wanted(main: VMain) -> None:
    scope = CoroutineScope(Dispatchers.Main)

    shared = flow_of(1, 2).share_in(scope, SharingStarted.LAZILY, propagate_completion=True)

    assert run(main, shared.to_list) == [1, 2]
    scope.cancel()


def test_f27_a_flow_that_has_ended_for_all_is_not_started_again(main: VMain) -> None:
    """F27, F28: a later collector gets the replay and the end, and the scope goes on."""
    scope = CoroutineScope(Dispatchers.Main)
    runs: list[int] = []
    source = ticking((0, 1), (1, 2)).on_start(lambda: runs.append(1))
    shared = source.share_in(scope, SharingStarted.WHILE_SUBSCRIBED(), replay=1, propagate_completion=True)

    assert run(main, shared.to_list) == [1, 2]
    assert run(main, shared.to_list) == [2]
    main.drain()
    assert runs == [1]
    assert scope.is_active
    scope.cancel()


def test_f27_a_failure_reaches_the_collectors_where_that_is_wanted(main: VMain) -> None:
    """F27: and the scope, as always."""
    told: list[BaseException] = []
    handler = CoroutineExceptionHandler(lambda _, failure: told.append(failure))
    scope = CoroutineScope(Dispatchers.Main + SupervisorJob() + handler)

    shared = failing(1).share_in(scope, SharingStarted.LAZILY, propagate_completion=True)

    log: list[int] = []
    with pytest.raises(Boom, match="above"):
        run(main, shared.collect, log.append)
    assert log == [1]
    assert [str(failure) for failure in told] == ["above"]


@pytest.mark.parametrize(("replay", "room"), [(0, 64), (10, 64), (64, 64), (100, 100)])
@pytest.mark.parametrize("change", [lambda flow: flow, lambda flow: flow.buffer()], ids=["plain", "buffer"])
def test_f27_the_replay_is_a_part_of_the_room_that_a_shared_flow_has(
    main: VMain, change: Any, replay: int, room: int
) -> None:
    """F27: 64 values in all, or a larger replay; beside that one is in the collector's hands, and one waits."""
    emitted: list[int] = []
    source = change(as_flow(range(300)).on_each(emitted.append))
    shared = source.share_in(scope_on_main(), SharingStarted.LAZILY, replay)

    collecting(shared, lambda _: await_cancellation())
    main.drain()

    assert len(emitted) == room + 2


def test_f22_a_replay_that_is_emptied_keeps_nothing_that_all_have_taken(main: VMain) -> None:
    """F22: also what a collector has taken in one go, which nobody has counted yet."""
    shared: MutableSharedFlow[int] = MutableSharedFlow(replay=3)
    log: list[str] = []

    def reset_at_last(value: int) -> None:
        if value == 3:
            shared.reset_replay_cache()
            log.append(repr(shared))

    for value in (1, 2, 3):
        shared.try_emit(value)
    collecting(shared, reset_at_last)
    main.drain()

    assert log == ["<MutableSharedFlow, 1 collectors, 0 values>"]


def test_f27_a_flow_without_a_buffer_is_shared_without_one(main: VMain) -> None:
    """F27, F14: each value waits for the slowest collector; otherwise there is room for 64."""
    for change, expected in ((lambda f: f.buffer(0), 2), (lambda f: f, 66)):
        emitted: list[int] = []
        source = as_flow(range(100)).on_each(emitted.append)
        scope = CoroutineScope(Dispatchers.Main)
        shared = change(source).share_in(scope, SharingStarted.LAZILY)
        collecting(shared, lambda _: await_cancellation())
        main.drain()
        assert len(emitted) == expected
        scope.cancel()


def test_f28_a_shared_flow_forgets_its_replay_where_its_policy_says_so(main: VMain) -> None:
    """F28: with no time given, as soon as the last one has left."""
    scope = CoroutineScope(Dispatchers.Main)
    policy = SharingStarted.WHILE_SUBSCRIBED(1, replay_expiration=0)
    shared = ticking((0, "a"), (50, "b")).share_in(scope, policy, replay=1)

    job = collecting(shared, lambda _: None)
    main.advance(5)
    assert shared.replay_cache == ("a",)
    job.cancel()
    main.advance(0.5)
    assert shared.replay_cache == ("a",)
    main.advance(1)

    assert shared.replay_cache == ()
    scope.cancel()


def test_f27_the_suspending_state_waits_for_the_first_value(main: VMain) -> None:
    told: list[BaseException] = []
    handler = CoroutineExceptionHandler(lambda _, failure: told.append(failure))
    scope = CoroutineScope(Dispatchers.Main + SupervisorJob() + handler)

    state = run(main, ticking((5, 1), (5, 2)).state_in, scope)

    assert state.value == 2
    with pytest.raises(NoSuchElementError):
        run(main, empty_flow().state_in, scope)
    with pytest.raises(Boom):
        run(main, failing().state_in, scope)
    assert [str(failure) for failure in told] == ["above"]
    with pytest.raises(TypeError, match="initial"):
        flow_of(1).state_in(scope, SharingStarted.LAZILY)  # type: ignore[call-overload]


def test_f28_while_subscribed_stops_a_while_after_the_last_one_left(main: VMain) -> None:
    log: list[Any] = []

    def endless() -> Flow[int]:
        return ticking(*[(1, number) for number in range(100)]).on_start(lambda: log.append(("begun", main.now)))

    scope = CoroutineScope(Dispatchers.Main)
    source = endless().on_completion(lambda _: log.append(("ended", main.now)))
    state = source.state_in(scope, SharingStarted.WHILE_SUBSCRIBED(5, replay_expiration=3), -1)

    first = collecting(state, lambda _: None)
    main.advance(10)
    first.cancel()
    main.advance(4)
    second = collecting(state, lambda _: None)
    main.advance(1)
    second.cancel()
    main.advance(5)
    kept = state.value
    main.advance(10)

    assert log == [("begun", 0), ("ended", 20)]
    assert kept >= 0
    assert state.value == -1
    scope.cancel()
    main.drain()


def test_f28_leaving_and_coming_in_one_turn_begins_anew_where_nothing_is_waited_for(main: VMain) -> None:
    begun: list[float] = []
    scope = CoroutineScope(Dispatchers.Main)
    source = ticking((0, 1), (50, 2)).on_start(lambda: begun.append(main.now))
    shared = source.share_in(scope, SharingStarted.WHILE_SUBSCRIBED())
    first = collecting(shared, lambda _: None)
    main.advance(5)

    first.cancel()
    collecting(shared, lambda _: None)
    main.advance(5)

    assert begun == [0, 5]
    scope.cancel()
    main.drain()


def test_f28_the_commands_of_the_policies(main: VMain) -> None:
    start, stop, reset = SharingCommand
    counts: MutableSharedFlow[int] = MutableSharedFlow(replay=1, extra_buffer=9)
    seen: list[Any] = []
    policy = SharingStarted.WHILE_SUBSCRIBED(2, 3)
    collecting(policy.commands(counts), lambda command: seen.append((main.now, command)))  # type: ignore[arg-type]

    for seconds, count in ((0, 0), (10, 1), (1, 2), (1, 0), (1, 1), (1, 0)):
        main.advance(seconds)
        counts.try_emit(count)
    main.advance(20)

    assert seen == [(10, start), (16, stop), (19, reset)]
    assert run(main, SharingStarted.EAGERLY.commands(counts).to_list) == [start]  # type: ignore[arg-type]
    lazily: list[SharingCommand] = []
    collecting(SharingStarted.LAZILY.commands(counts), lazily.append)  # type: ignore[arg-type]
    counts.try_emit(0)
    main.drain()
    assert lazily == []
    for count in (1, 0, 1):
        counts.try_emit(count)
    main.drain()
    assert lazily == [start], "once, for the first who comes"
    with pytest.raises(ValueError, match="negative"):
        SharingStarted.WHILE_SUBSCRIBED(-1)


def test_f28_policies_with_the_same_times_are_equal_and_show_what_they_are() -> None:
    """F28"""
    made = SharingStarted.WHILE_SUBSCRIBED

    assert made(5) == made(5)
    assert made(5) not in (made(6), made(5, 0), SharingStarted.LAZILY, 5)
    assert len({made(5), made(5), made(6)}) == 2
    assert [repr(one) for one in (SharingStarted.EAGERLY, SharingStarted.LAZILY, made(5, 0))] == [
        "SharingStarted.EAGERLY", "SharingStarted.LAZILY", "SharingStarted.WHILE_SUBSCRIBED(5, 0)",
    ]  # fmt: skip


def test_f28_a_policy_of_ones_own(main: VMain) -> None:
    class Twice(SharingStarted):
        def commands(self, subscription_count: Any) -> Flow[SharingCommand]:
            return ticking((0, SharingCommand.START), (5, SharingCommand.STOP), (5, SharingCommand.START))

    begun: list[float] = []
    scope = CoroutineScope(Dispatchers.Main)
    flow_of(1).on_start(lambda: begun.append(main.now)).share_in(scope, Twice())

    main.drain()

    assert begun == [0, 10]
    scope.cancel()


def test_a_shared_flow_gives_each_thread_all_values_in_order() -> None:
    shared: MutableSharedFlow[int] = MutableSharedFlow(extra_buffer=4)
    logs: list[list[int]] = [[], []]

    def drain(log: list[int]) -> None:
        log.extend(shared.take(300).iterate_blocking())

    threads = [threading.Thread(target=drain, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()

    def emit() -> Any:
        yield from shared.subscription_count.first(lambda count: count == 2)
        for number in range(300):
            yield from shared.emit(number)

    run_blocking(emit)
    for thread in threads:
        thread.join()

    assert logs == [list(range(300))] * 2


@given(
    replay=st.integers(0, 2),
    extra=st.integers(0, 2),
    acts=st.lists(
        st.one_of(
            st.tuples(st.just("emit"), st.just(0)),
            st.tuples(st.just("try"), st.just(0)),
            st.tuples(st.just("run"), st.integers(1, 3)),
            st.tuples(st.just("time"), st.integers(1, 3)),
            st.tuples(st.just("join"), st.integers(0, 3)),
            st.tuples(st.just("leave"), st.integers(0, 3)),
            st.tuples(st.just("give up"), st.integers(0, 3)),
        ),
        min_size=12, max_size=40,
    ),
)
def test_f20_slow_and_leaving_collectors_miss_nothing_and_hold_nobody_for_ever(
    replay: int, extra: int, acts: list[tuple[str, int]]
) -> None:
    with VMain() as main:
        shared: MutableSharedFlow[int] = MutableSharedFlow(replay, extra)
        collectors: list[tuple[Job, list[int]]] = []
        emitters: dict[int, Job] = {}
        number = 0
        for act, argument in acts:
            if act == "emit":
                number += 1
                emitters[number] = emitting(shared, number)
            elif act == "try":
                number += 1
                shared.try_emit(number)
            elif act == "run":
                for _ in range(argument):
                    main.step()
            elif act == "time":
                main.advance(argument)
            elif act == "join":
                log: list[int] = []

                def slowly(value: int, log: Any = log, seconds: int = argument) -> Any:
                    log.append(value)
                    yield from delay(seconds)

                collectors.append((collecting(shared, slowly), log))
            elif act == "leave" and collectors:
                collectors[argument % len(collectors)][0].cancel()
            elif act == "give up" and emitters:
                list(emitters.values())[argument % len(emitters)].cancel()
        main.drain()

        assert all(job.is_completed for job in emitters.values()), "an emitter waits for nobody"
        # an emission that is given up may have reached some and not others, as in the reference
        emitted = [value for value in range(number + 1) if value not in emitters or not emitters[value].is_cancelled]
        staying = [[value for value in log if value in emitted] for job, log in collectors if job.is_active]
        for one in staying:
            for other in staying:
                shorter, longer = sorted((one, other), key=len)
                assert not shorter or longer[-len(shorter) :] == shorter, "from its first value on, each gets them all"
        for _, log in collectors:
            assert len(set(log)) == len(log)
        end_scopes(main)
        assert shared.subscription_count.value == 0


@given(
    replay=st.integers(0, 2),
    extra=st.integers(1, 2),
    overflow=st.sampled_from([BufferOverflow.DROP_OLDEST, BufferOverflow.DROP_LATEST]),
    acts=st.lists(
        st.tuples(st.sampled_from(["emit", "emit", "step", "join", "leave"]), st.integers(0, 3)),
        min_size=12,
        max_size=40,
    ),
)
def test_f20_a_policy_that_drops_lets_nobody_wait_and_nobody_go_back(
    replay: int, extra: int, overflow: BufferOverflow, acts: list[tuple[str, int]]
) -> None:
    with VMain() as main:
        shared: MutableSharedFlow[int] = MutableSharedFlow(replay, extra, overflow)
        collectors: list[tuple[Job, list[int], int]] = []
        emitted = 0
        for act, argument in acts:
            if act == "emit":
                emitted += 1
                assert shared.try_emit(emitted)
            elif act == "step":
                main.step()
            elif act == "join":
                log: list[int] = []
                collectors.append((collecting(shared, log.append), log, emitted))
            elif act == "leave" and collectors:
                collectors[argument % len(collectors)][0].cancel()
        main.drain()
        emitted += 1
        shared.try_emit(emitted)
        main.drain()

        for job, log, before in collectors:
            assert log == sorted(set(log))
            if overflow is BufferOverflow.DROP_OLDEST:  # else the replay may be older than what was dropped
                assert not log or log[0] > before - replay
            if job.is_active:
                assert log[-1] == emitted, "one that has caught up gets what comes then"
        end_scopes(main)


@given(
    acknowledge=st.booleans(),
    acts=st.lists(
        st.tuples(st.sampled_from(["send", "step", "step", "join", "join", "leave"]), st.integers(0, 3)),
        min_size=12,
        max_size=40,
    ),
)
def test_each_event_is_begun_by_one_collector_and_none_is_lost(acknowledge: bool, acts: list[tuple[str, int]]) -> None:
    with VMain() as main:
        events: EventFlow[int] = EventFlow(acknowledge=acknowledge)
        begun: list[int] = []
        done: list[int] = []
        collectors: list[Job] = []

        def deal(event: int) -> Any:
            begun.append(event)
            yield from yield_()
            done.append(event)

        for number, (act, argument) in enumerate(acts):
            if act == "send":
                events.send(number)
            elif act == "step":
                main.step()
            elif act == "join":
                collectors.append(collecting(events, deal))
            elif act == "leave" and collectors:
                collectors[argument % len(collectors)].cancel()
        main.drain()
        if not any(job.is_active for job in collectors):
            collectors.append(collecting(events, deal))
            main.drain()

        sent = [number for number, (act, _) in enumerate(acts) if act == "send"]
        assert events.pending == ()
        assert set(begun) == set(sent)
        if acknowledge:  # given again to the next one, where the one who had it left in the middle
            assert sorted(done) == sent
        else:
            assert sorted(begun) == sent
        end_scopes(main)


def test_events_wait_for_somebody_and_are_dealt_with_once(main: VMain) -> None:
    events: EventFlow[str] = EventFlow()
    log: list[Any] = []
    events.send("before")
    assert events.pending == ("before",)

    first = collecting(events, lambda event: log.append(("first", event)))
    main.drain()
    second = collecting(events, lambda event: log.append(("second", event)))
    main.drain()
    events.send("live")
    main.drain()
    first.cancel()
    second.cancel()
    main.drain()
    events.send("nobody there")

    assert log == [("first", "before"), ("first", "live")]
    assert events.pending == ("nobody there",)


def test_an_event_on_its_way_to_a_collector_that_is_cancelled_goes_to_the_next(main: VMain) -> None:
    events: EventFlow[int] = EventFlow()
    log: list[Any] = []
    first = collecting(events, lambda event: log.append(("first", event)))
    collecting(events, lambda event: log.append(("second", event)))
    main.drain()

    events.send(1)
    first.cancel()
    main.drain()

    assert log == [("second", 1)]


def test_events_to_all_go_to_each_and_wait_for_the_first(main: VMain) -> None:
    events: EventFlow[int] = EventFlow(to_all=True)
    logs: list[list[int]] = [[], []]
    events.send(1)
    jobs = [collecting(events, log.append) for log in logs]
    main.drain()
    events.send(2)
    main.drain()
    for job in jobs:
        job.cancel()
    main.drain()
    events.send(3)
    collecting(events, logs[1].append)
    main.drain()

    assert logs == [[1, 2], [2, 3]]


def test_an_event_that_must_be_acknowledged_is_given_again(main: VMain) -> None:
    events: EventFlow[int] = EventFlow(acknowledge=True)
    log: list[Any] = []

    def slow(event: int) -> Any:
        log.append(f"begun {event}")
        yield from delay(5)
        log.append(f"done {event}")

    events.send(1)
    events.send(2)
    first = collecting(events, slow)
    main.advance(6)
    first.cancel()
    main.drain()
    assert events.pending == (2,)
    collecting(events, slow)
    main.drain()

    assert log == ["begun 1", "done 1", "begun 2", "begun 2", "done 2"]


@pytest.mark.parametrize("way", ["first", "take", "async for"])
def test_an_event_after_which_no_more_are_asked_for_was_dealt_with(main: VMain, way: str) -> None:
    events: EventFlow[str] = EventFlow(acknowledge=True)

    async def one() -> list[str]:
        got: list[str] = []
        if way == "first":
            got.append(await events.first())
        elif way == "take":
            await events.take(1).collect(got.append)
        else:
            async for event in events:
                got.append(event)
                break
        return got

    events.send("a")
    events.send("b")

    assert [run(main, one), run(main, one), events.pending] == [["a"], ["b"], ()]


@pytest.mark.parametrize(
    ("ends", "closes"),
    [("cancelled", False), ("timeout", False), ("cancelled", True), ("timeout", True), ("failure", True)],
)
def test_an_event_in_the_hands_of_a_loop_that_is_ended_is_given_again(main: VMain, ends: str, closes: bool) -> None:
    """Also where the loop is closed by an `async with`."""
    events: EventFlow[str] = EventFlow(acknowledge=True)
    events.send("a")

    async def deal(event: str) -> None:
        if ends == "failure":
            raise Boom
        await await_cancellation()

    async def loop() -> None:
        if closes:
            async with events.as_async_iterator() as each:
                async for event in each:
                    await deal(event)
        else:
            async for event in events:
                await deal(event)

    async def body() -> None:
        with suppress(TimeoutError, Boom):
            if ends == "timeout":
                async with with_timeout(3):
                    await loop()
            else:
                await coroutine_scope(loop)

    job = scope_on_main().launch(body)
    main.drain()
    if ends == "cancelled":
        job.cancel()
    main.drain()
    gc.collect()
    main.drain()

    assert job.is_completed
    assert events.pending == ("a",)


def test_an_event_to_all_that_one_has_not_finished_is_given_to_the_next(main: VMain) -> None:
    events: EventFlow[str] = EventFlow(to_all=True, acknowledge=True)
    log: list[Any] = []

    def slow(event: str) -> Any:
        yield from delay(5)

    slow_ones = [collecting(events, slow) for _ in range(2)]
    fast = collecting(events, lambda event: log.append(("fast", event)))
    main.drain()
    events.send("x")
    events.send("y")
    main.advance(1)
    slow_ones[0].cancel()
    main.advance(0)
    assert events.pending == ("x",)
    fast.cancel()
    main.advance(0)
    slow_ones[1].cancel()  # the last one, with the same event in its hands and the other one not begun
    main.advance(0)
    assert events.pending == ("x", "y")
    for name in ("next", "later"):
        collecting(events, lambda event, name=name: log.append((name, event)))
    main.drain()

    assert log == [("fast", "x"), ("fast", "y"), ("next", "x"), ("next", "y")]
    assert events.pending == ()


def test_an_event_for_a_collector_that_is_cancelled_as_it_begins_to_wait_is_kept(main: VMain) -> None:
    events: EventFlow[int] = EventFlow()
    log: list[Any] = []
    job = collecting(events, log.append)

    with struck(Continuation._suspend, lambda: (events.send(1), job.cancel()), at="return") as met:
        main.run_current()

    assert met
    assert job.is_completed
    assert (log, events.pending) == ([], (1,))
