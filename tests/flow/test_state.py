"""StateFlow and the flows that are derived from one."""

from __future__ import annotations

import itertools
import threading
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from tests.steer import beside
from tests.virtual_main import VMain
from vmscope import (
    CoroutineScope,
    Dispatchers,
    IllegalStateError,
    Job,
    SupervisorJob,
    VmScopeWarning,
    delay,
    run_blocking,
    yield_,
)
from vmscope.flow import (
    FlowCollector,
    MutableSharedFlow,
    MutableStateFlow,
    SharingStarted,
    StateFlow,
    combine_states,
    flow_of,
)

from .runs import Boom, end_scopes, run, scope_on_main

if TYPE_CHECKING:
    pass


def collecting(flow: Any, log: list[Any], immediate: bool = False) -> Job:
    """Collect `flow` into `log` on the main looper."""
    return scope_on_main(immediate).launch(flow.collect, log.append)


def test_f24_a_collector_gets_the_newest_and_then_what_it_is_able_to_see(main: VMain) -> None:
    state = MutableStateFlow(0)
    log: list[int] = []
    collecting(state, log)
    main.drain()

    state.value = 1
    state.value = 2
    main.drain()
    state.value = 3
    state.value = 2
    main.drain()

    assert log == [0, 2], "2, 3, 2 in one turn is no change"


def test_f24_an_equal_value_is_ignored_and_the_old_object_stays(main: VMain) -> None:
    first, second = (1, 2), (1, 2)
    state = MutableStateFlow(first)
    log: list[Any] = []
    collecting(state, log, immediate=True)

    state.value = second

    assert state.value is first
    assert log == [first]


def test_f24_a_value_without_an_answer_to_equality_can_be_set() -> None:
    class Array:
        def __eq__(self, other: object) -> Any:
            class Several:
                def __bool__(self) -> bool:
                    raise ValueError("ambiguous")

            return Several()

        __hash__ = None  # type: ignore[assignment]

    first, second = Array(), Array()
    state = MutableStateFlow(first)

    state.value = second

    assert state.value is second


def test_f24_the_equality_of_a_value_may_use_the_flow_itself() -> None:
    class Nosy:
        def __eq__(self, other: object) -> bool:
            state.update(lambda value: value)
            return False

        __hash__ = None  # type: ignore[assignment]

    state: MutableStateFlow[Any] = MutableStateFlow(None)
    state.value = Nosy()
    last = Nosy()

    state.value = last

    assert state.value is last


def test_f24_the_replay_of_a_state_cannot_be_reset() -> None:
    state = MutableStateFlow(1)

    assert state.replay_cache == (1,)
    with pytest.raises(NotImplementedError, match="always has a value"):
        state.reset_replay_cache()


def test_f25_compare_and_set_goes_by_equality() -> None:
    first = (1,)
    state = MutableStateFlow(first)

    assert not state.compare_and_set((2,), (3,))
    assert state.compare_and_set((1,), (1,))
    assert state.value is first
    assert state.compare_and_set((1,), (2,))
    assert state.value == (2,)


def test_f25_updates_from_many_threads_lose_nothing() -> None:
    state = MutableStateFlow(0)

    def add() -> None:
        for _ in range(500):
            state.update(lambda value: value + 1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert state.value == 2000
    assert state.update_and_get(lambda value: value + 1) == 2001
    assert state.get_and_update(lambda value: value + 1) == 2001
    assert state.value == 2002


@pytest.mark.parametrize(("name", "answer"), [("update_and_get", 110), ("get_and_update", 100), ("update", None)])
def test_f25_an_update_is_made_again_where_another_thread_was_faster(name: str, answer: int | None) -> None:
    """F25: the function is called with the value that is there by then."""
    state = MutableStateFlow(1)
    seen: list[int] = []

    def add_ten(value: int) -> int:
        seen.append(value)
        if len(seen) == 1:
            other = threading.Thread(target=state.try_emit, args=(100,))
            other.start()
            other.join()
        return value + 10

    assert getattr(state, name)(add_ten) == answer
    assert state.value == 110
    assert seen == [1, 100]


def test_f25_a_value_that_comes_between_the_comparison_and_the_step_is_seen() -> None:
    """F24, F25: an update is made anew, a comparison fails, and a plain set comes after it."""
    for act, answer, value in (
        (lambda state: state.update_and_get(lambda old: old + 10), 110, 110),
        (lambda state: state.compare_and_set(1, 2), False, 100),
        (lambda state: state.try_emit(2), True, 2),
    ):
        state = MutableStateFlow(1)
        lock = beside(state, partial(state.try_emit, 100), taken=1)
        assert act(state) == answer
        assert (state.value, lock.met) == (value, True)


def test_f23_on_subscription_of_a_state_emits_before_the_value(main: VMain) -> None:
    """F23: to this collector alone; several hooks in the order in which they were added, as in the reference."""
    state = MutableStateFlow(3)
    log: list[int] = []
    other: list[int] = []
    collecting(state, other)

    def first(collector: FlowCollector[int]) -> Any:
        yield from collector.emit(1)

    def second(collector: FlowCollector[int]) -> Any:
        yield from collector.emit(2)

    observed = state.on_subscription(first).on_subscription(second)
    collecting(observed, log)
    main.drain()

    assert log == [1, 2, 3]
    assert other == [3]
    assert observed.replay_cache == (3,)


def test_f24_a_value_that_is_set_between_a_collectors_look_and_its_sleep_is_seen(main: VMain) -> None:
    """F24: by another thread; the collector does not sleep."""
    state = MutableStateFlow(0)
    log: list[int] = []
    collecting(state, log)
    lock = beside(state, lambda: state.try_emit(1), taken=2)

    main.drain()

    assert lock.met
    assert log == [0, 1]


def test_f24_an_emission_is_awaited_once(main: VMain) -> None:
    """F24"""
    state = MutableStateFlow(0)

    def body() -> Any:
        emission = state.emit(1)
        yield from emission
        state.value = 2
        with pytest.raises(IllegalStateError, match=r"emit\(\) was awaited twice"):
            yield from emission

    run(main, body)

    assert state.value == 2


def test_f24_a_repr_shows_the_value() -> None:
    """F24: of what is set, of what is read only, and of what is derived."""
    state = MutableStateFlow(1)

    assert repr(state) == "<MutableStateFlow 1, 0 collectors>"
    assert repr(state.as_state_flow()) == "<StateFlow 1>"
    assert repr(state.map_state(str)) == "<Derived '1'>"
    assert repr(state.as_shared_flow()) == "<SharedFlow of <MutableStateFlow 1, 0 collectors>>"
    assert repr(state.on_subscription(lambda: None)) == "<Subscribed>"


def test_f26_a_view_can_only_be_read() -> None:
    state = MutableStateFlow(1)

    for view in (state.as_state_flow(), state.as_shared_flow()):
        assert not isinstance(view, MutableStateFlow)
        assert not hasattr(view, "update")
        assert not hasattr(view, "emit")
    with pytest.raises(AttributeError):
        state.as_state_flow().value = 2  # type: ignore[misc]
    with pytest.raises(TypeError, match="MutableStateFlow"):
        StateFlow()


def test_f22_the_subscription_count_is_a_state(main: VMain) -> None:
    state = MutableStateFlow(0)
    counts: list[int] = []
    collecting(state.subscription_count, counts, immediate=True)

    jobs = [collecting(state, []), collecting(state, [])]
    main.drain()
    for job in jobs:
        job.cancel()
    main.drain()

    assert counts == [0, 1, 2, 1, 0]
    assert state.subscription_count.value == 0


def test_f29_operators_that_change_nothing_give_the_state_itself() -> None:
    state = MutableStateFlow(0)

    assert state.conflate() is state
    assert state.distinct_until_changed() is state
    assert state.cancellable() is state
    assert state.flow_on(Dispatchers.Default) is state


def test_f29_what_needs_the_end_of_a_state_is_warned_of() -> None:
    with pytest.warns(VmScopeWarning, match=r"to_list\(\) waits for the end"):
        MutableStateFlow(0).to_list().__iter__()


@pytest.mark.parametrize(
    ("name", "wait"),
    [
        ("catch", lambda flow: flow.catch(lambda failure: None)),
        ("retry", lambda flow: flow.retry(1)),
        ("retry_when", lambda flow: flow.retry_when(lambda failure, attempt: False)),
        ("retry_backoff", lambda flow: flow.retry_backoff(1)),
    ],
)
def test_f29_what_waits_for_a_failure_of_a_state_is_warned_of_and_changes_nothing(name: str, wait: Any) -> None:
    """F29: also of what is shared, whose failure is its scope's; what may fail is guarded without a word."""
    state = MutableStateFlow(0)
    scope = CoroutineScope(Dispatchers.Unconfined)
    shared = state.share_in(scope, SharingStarted.LAZILY)
    for hot in (state, state.as_state_flow(), state.subscription_count, shared):
        with pytest.warns(VmScopeWarning, match=rf"{name}\(\) waits for a failure of <"):
            assert wait(hot) is hot

    told = state.share_in(scope, SharingStarted.LAZILY, propagate_completion=True)
    events: MutableSharedFlow[int] = MutableSharedFlow()
    for may_fail in (state.map_state(str), told, events, events.as_shared_flow()):
        assert wait(may_fail) is not may_fail
    scope.cancel()


def test_f29_a_derived_state_may_fail_and_be_caught(main: VMain) -> None:
    def fails(value: int) -> str:
        raise Boom(f"for {value}")

    derived = MutableStateFlow(0).map_state(fails)
    caught = derived.catch(lambda collector, failure: collector.emit(str(failure)))

    assert run(main, caught.first) == "for 0"


def test_f30_a_collector_may_set_what_it_collects(main: VMain) -> None:
    for immediate in (False, True):
        state = MutableStateFlow(0)
        log: list[int] = []

        def step(value: int, state: Any = state, log: Any = log) -> None:
            log.append(value)
            if value < 2000:
                state.value = value + 1

        scope_on_main(immediate).launch(state.collect, step)
        main.drain()

        assert log == list(range(2001))


def test_f31_a_value_that_was_changed_in_place_and_set_again_warns() -> None:
    state = MutableStateFlow([1])

    state.value.append(2)
    with pytest.warns(VmScopeWarning, match="changed in place"):
        state.value = state.value


def in_place(value: Any) -> Any:
    """Change it and give it back, whatever it is."""
    change, argument = {
        list: ("append", 2), dict: ("update", {1: 2}), set: ("add", 2), bytearray: ("append", 2),
    }[type(value)]  # fmt: skip
    getattr(value, change)(argument)
    return value


def emitting(state: Any, value: Any) -> None:
    run_blocking(state.emit, value)


@pytest.mark.parametrize("first", [[1], {1: 1}, {1}, bytearray(b"1")])
@pytest.mark.parametrize(
    "setting",
    [
        lambda state: state.update(in_place),
        lambda state: state.update_and_get(in_place),
        lambda state: state.get_and_update(in_place),
        lambda state: state.try_emit(in_place(state.value)),
        lambda state: emitting(state, in_place(state.value)),
        lambda state: state.compare_and_set(state.value, in_place(state.value)),
    ],
)
def test_f31_so_does_one_that_is_changed_in_place_by_any_other_way_to_set_it(first: Any, setting: Any) -> None:
    state = MutableStateFlow(copy(first))

    with pytest.warns(VmScopeWarning, match="changed in place") as warned:
        setting(state)

    assert (len(warned), state.value) == (1, in_place(copy(first)))


def test_f31_the_warning_names_the_line_that_sets() -> None:
    state = MutableStateFlow([1])

    def emits() -> Any:
        yield from state.emit(state.value)

    def each() -> None:
        run_blocking(emits)
        state.update(in_place)
        state.try_emit(state.value)
        state.compare_and_set(state.value, state.value)

    with pytest.warns(VmScopeWarning) as warned:
        each()

    assert [warning.filename for warning in warned] == [__file__] * 4


def test_f31_an_update_that_leaves_the_value_as_it_is_or_makes_a_new_one_is_not_warned_of() -> None:
    for value in ([1], {1: 1}, {1}, bytearray(b"1")):
        state: MutableStateFlow[Any] = MutableStateFlow(value)

        state.update(lambda old: old)
        assert state.value is value

        state.update(lambda old: type(old)())
        assert not state.value


def test_collectors_are_told_in_the_order_in_which_they_came_and_places_are_taken_again(main: VMain) -> None:
    state = MutableStateFlow(0)
    log: list[Any] = []
    jobs = {name: scope_on_main().launch(collect_as, state, name, log) for name in "abc"}
    main.drain()
    jobs["b"].cancel()
    main.drain()
    scope_on_main().launch(collect_as, state, "d", log)
    main.drain()
    log.clear()

    state.value = 1
    main.drain()

    assert log == ["a1", "c1", "d1"], "as in the reference: the next place, then those that were left"


def collect_as(state: Any, name: str, log: list[Any]) -> Any:
    yield from state.collect(lambda value: log.append(f"{name}{value}"))


def test_a_derived_state_is_live_without_a_scope(main: VMain) -> None:
    calls: list[int] = []

    def parity(value: int) -> str:
        calls.append(value)
        return "odd" if value % 2 else "even"

    state = MutableStateFlow(0)
    derived = state.map_state(parity)

    assert derived.value == derived.value == "even"
    assert calls == [0], "computed once for one value"
    log: list[str] = []
    collecting(derived, log, immediate=True)
    state.value = 2
    state.value = 3
    assert derived.value == "odd"
    assert log == ["even", "odd"], "distinct"
    assert run(main, derived.first) == "odd"


def test_combined_states_follow_each_and_are_never_stale(main: VMain) -> None:
    first, second = MutableStateFlow(1), MutableStateFlow(10)
    both = combine_states(first, second.map_state(lambda value: value * 2), fn=lambda a, b: a + b)
    log: list[int] = []
    job = collecting(both, log)
    main.drain()

    first.value = 2
    second.value = 20
    assert both.value == 42
    main.drain()
    second.value = 30
    main.drain()
    job.cancel()
    main.drain()

    assert log == [21, 42, 62]
    assert first.subscription_count.value == second.subscription_count.value == 0
    with pytest.raises(TypeError, match="StateFlow"):
        combine_states(flow_of(1), fn=str)  # type: ignore[arg-type]


def test_a_combined_state_is_made_of_one_moment_of_a_state_that_is_set_while_it_is_read() -> None:
    """However deep that one lies: each is looked at once for one value."""
    state = MutableStateFlow(1)
    setting = iter([2, 3])

    def plus(value: int) -> int:
        setter = threading.Thread(target=state.update, args=(lambda old: next(setting, old),))
        setter.start()  # between the look of this one and that of the other
        setter.join()
        return value

    minus = state.as_state_flow().map_state(lambda value: -value)
    inner = combine_states(minus, state, fn=lambda negative, value: (negative, value))
    both = combine_states(state.map_state(plus), inner, fn=lambda value, pair: (value, *pair))

    assert [both.value for _ in range(4)] == [(1, -1, 1), (2, -2, 2), (3, -3, 3), (3, -3, 3)]


def test_a_state_derived_from_a_shared_one_counts_as_a_collector_of_it(main: VMain) -> None:
    scope = CoroutineScope(Dispatchers.Main + SupervisorJob())
    source = flow_of(5).state_in(scope, SharingStarted.WHILE_SUBSCRIBED(), 0)
    log: list[int] = []

    collecting(source.map_state(lambda value: -value), log)
    main.drain()

    assert log == [0, -5]
    scope.cancel()


def test_f24_every_collector_ends_on_the_last_value_and_never_goes_back_whatever_the_threads_do() -> None:
    last = 2000
    for _ in range(5):
        state = MutableStateFlow(0)
        seen: list[list[int]] = [[] for _ in range(3)]

        def collect(log: list[int], state: Any = state) -> Any:
            def each(value: int) -> bool:
                log.append(value)
                return value < last

            yield from state.take_while(each).collect()

        def main(state: Any = state, seen: Any = seen, collect: Any = collect) -> Any:
            from vmscope import async_, await_all

            jobs = [async_(collect, log, context=Dispatchers.Default) for log in seen]
            writers = [threading.Thread(target=raise_to, args=(state, last)) for _ in range(2)]
            for writer in writers:
                writer.start()
            yield from await_all(*jobs)
            for writer in writers:
                writer.join()

        run_blocking(main)

        for log in seen:
            assert log[-1] == last
            assert log == sorted(set(log))


def raise_to(state: MutableStateFlow[int], last: int) -> None:
    while state.value < last:
        state.update(lambda value: min(last, value + 1))


@given(
    acts=st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.integers(0, 3)),
            st.tuples(st.just("run"), st.integers(1, 3)),
            st.tuples(st.just("leave"), st.integers(0, 2)),
            st.tuples(st.just("join"), st.booleans()),
        ),
        min_size=12, max_size=40,
    )
)
def test_f24_what_a_collector_sees_is_a_part_of_the_history_that_ends_on_the_last_value(
    acts: list[tuple[str, Any]],
) -> None:
    with VMain() as main:
        state = MutableStateFlow(0)
        history = [0]
        collectors: list[tuple[Job, list[int], int]] = []
        for act, argument in acts:
            if act == "set":
                state.value = argument
                if argument != history[-1]:
                    history.append(argument)
            elif act == "run":
                for _ in range(argument):
                    main.step()
            elif act == "leave" and collectors:
                collectors[argument % len(collectors)][0].cancel()
            elif act == "join":
                log: list[int] = []
                collectors.append((collecting(state, log, immediate=argument), log, len(history) - 1))
        main.drain()

        for job, log, since in collectors:
            assert is_part_of(log, history[since:])
            assert all(one != other for one, other in itertools.pairwise(log))
            if not job.is_cancelled:
                assert log[-1] == history[-1]
        end_scopes(main)
        assert state.subscription_count.value == 0


def is_part_of(part: list[int], whole: list[int]) -> bool:
    rest = iter(whole)
    return all(any(one == other for other in rest) for one in part)


def test_a_state_set_on_a_thread_reaches_a_collector_on_main(main: VMain) -> None:
    state = MutableStateFlow(0)
    log: list[int] = []
    collecting(state, log, immediate=True)

    thread = threading.Thread(target=setattr, args=(state, "value", 7))
    thread.start()
    main.run_until(lambda: log == [0, 7])
    thread.join()


def test_setting_from_a_suspending_context_is_spelled_emit(main: VMain) -> None:
    state = MutableStateFlow(0)

    def body() -> Any:
        yield from state.emit(3)
        yield from yield_()
        yield from flow_of(4, 5).collect(state.emit)
        yield from delay(1)
        return state.value

    assert run(main, body) == 5
    assert run(main, state.emit, 6) is None
    assert state.value == 6
