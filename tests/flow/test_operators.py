"""Operators and terminals, beside what a list would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CoroutineName,
    CoroutineScope,
    Job,
    current_job,
    delay,
    suspend,
    yield_,
)
from vmscope.flow import (
    Flow,
    MutableSharedFlow,
    MutableStateFlow,
    NoSuchElementError,
    SharingStarted,
    SingleFlight,
    as_flow,
    callback_flow,
    channel_flow,
    combine_states,
    empty_flow,
    flow_of,
    lazy_async,
    zip_flows,
)
from vmscope.sync import BufferOverflow, Channel

from .runs import run, scope_on_main

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = (3, 1, 4, 1, 5)


@suspend
def plus_one(value: int) -> Any:
    yield from yield_()
    return value + 1


async def is_odd(value: int) -> bool:
    await yield_()
    return value % 2 == 1


@pytest.mark.parametrize(
    ("operate", "expected"),
    [
        (lambda f: f.map(lambda n: n + 1), [4, 2, 5, 2, 6]),
        (lambda f: f.map(plus_one), [4, 2, 5, 2, 6]),
        (lambda f: f.map_not_none(lambda n: n if n > 2 else None), [3, 4, 5]),
        (lambda f: f.filter(is_odd), [3, 1, 1, 5]),
        (lambda f: f.filter_not(is_odd), [4]),
        (lambda f: f.filter_is_instance(str), []),
        (lambda f: f.transform(lambda c, n: c.emit_all(flow_of(n, -n))), [3, -3, 1, -1, 4, -4, 1, -1, 5, -5]),
        (lambda f: f.with_index(), [(0, 3), (1, 1), (2, 4), (3, 1), (4, 5)]),
        (lambda f: f.scan(0, lambda a, n: a + n), [0, 3, 4, 8, 9, 14]),
        (lambda f: f.running_reduce(lambda a, n: a + n), [3, 4, 8, 9, 14]),
        (lambda f: f.chunked(2), [[3, 1], [4, 1], [5]]),
        (lambda f: f.take(2), [3, 1]),
        (lambda f: f.take(9), [3, 1, 4, 1, 5]),
        (lambda f: f.take_while(lambda n: n < 4), [3, 1]),
        (lambda f: f.take_while(is_odd).map(plus_one), [4, 2]),
        (lambda f: f.drop(3), [1, 5]),
        (lambda f: f.drop_while(lambda n: n < 4), [4, 1, 5]),
        (lambda f: f.distinct_until_changed_by(lambda n: n > 2), [3, 1, 4, 1, 5]),
        (lambda f: f.distinct_until_changed(lambda old, new: new < old), [3, 4, 5]),
        (lambda f: f.flat_map_concat(lambda n: flow_of(n, n)), [3, 3, 1, 1, 4, 4, 1, 1, 5, 5]),
        (lambda f: f.conflate(), [3, 5]),  # the first has a taker, the last is the newest
        (lambda f: f.buffer(1), [3, 1, 4, 1, 5]),
        (lambda f: f.map_concurrent(2, plus_one), [4, 2, 5, 2, 6]),
        (lambda f: f.filter_concurrent(3, is_odd), [3, 1, 1, 5]),
    ],
)
def test_f6_to_f9_an_operator_gives_what_a_list_would(
    main: VMain, operate: Callable[[Flow[int]], Flow[Any]], expected: list[Any]
) -> None:
    assert run(main, operate(as_flow(VALUES)).to_list) == expected


class Box:
    """A value that is neither plain nor a block, and false where it holds nothing."""

    def __init__(self, held: int) -> None:
        self.held = held

    def __bool__(self) -> bool:
        return bool(self.held)


def number(value: int | Box) -> int:
    return value.held if isinstance(value, Box) else value


@suspend
def boxed(value: int | Box) -> Any:
    yield from yield_()
    return Box(number(value))


#: Of a stage: what it does to a flow, and to a list.
STAGES: dict[str, tuple[Callable[[Flow[Any]], Flow[Any]], Callable[[list[Any]], list[Any]]]] = {
    "map": (lambda f: f.map(lambda v: number(v) + 1), lambda all_: [number(v) + 1 for v in all_]),
    "map to an object": (lambda f: f.map(lambda v: Box(number(v))), lambda all_: [Box(number(v)) for v in all_]),
    "map that suspends": (lambda f: f.map(boxed), lambda all_: [Box(number(v)) for v in all_]),
    "filter by a bool": (lambda f: f.filter(lambda v: number(v) > 1), lambda all_: [v for v in all_ if number(v) > 1]),
    "filter by an object": (lambda f: f.filter(lambda v: Box(number(v))), lambda all_: [v for v in all_ if number(v)]),
    "filter that suspends": (lambda f: f.filter(boxed), lambda all_: [v for v in all_ if number(v)]),
    "filter_not": (lambda f: f.filter_not(lambda v: number(v) % 3), lambda vs: [v for v in vs if not number(v) % 3]),
    "on_each": (lambda f: f.on_each(lambda v: False), lambda all_: all_),
    "on_each that suspends": (lambda f: f.on_each(boxed), lambda all_: all_),
    "map_not_none": (
        lambda f: f.map_not_none(lambda v: number(v) or None), lambda all_: [number(v) for v in all_ if number(v)],
    ),
}  # fmt: skip


NAMES = st.sampled_from(sorted(STAGES))


@given(st.lists(NAMES, max_size=5), NAMES, NAMES)
def test_f6_stages_in_a_row_do_what_each_of_them_does(before: list[str], one: str, other: str) -> None:
    flow, model = as_flow(range(5)), [*range(5)]
    for name in before:
        flow, model = STAGES[name][0](flow), STAGES[name][1](model)

    with VMain() as main:
        for name in (one, other):  # two that go on from one flow
            found = run(main, STAGES[name][0](flow).to_list)
            assert [number(value) for value in found] == [number(value) for value in STAGES[name][1](model)]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda f: f.first(), 3),
        (lambda f: f.first(is_odd), 3),
        (lambda f: f.first_or_none(lambda n: n > 9), None),
        (lambda f: f.last(), 5),
        (lambda f: f.single_or_none(), None),
        (lambda f: f.to_set(), {1, 3, 4, 5}),
        (lambda f: f.count(), 5),
        (lambda f: f.count(is_odd), 4),
        (lambda f: f.reduce(lambda a, n: a * n), 60),
        (lambda f: f.fold(1, lambda a, n: a + n), 15),
        (lambda f: f.any_(is_odd), True),
        (lambda f: f.all_(is_odd), False),
        (lambda f: f.none_(lambda n: n > 9), True),
        (lambda f: f.associate(lambda n: (n, -n)), {3: -3, 1: -1, 4: -4, 5: -5}),
        (lambda f: f.associate_by(str), {"3": 3, "1": 1, "4": 4, "5": 5}),
        (lambda f: f.associate_with(str), {3: "3", 1: "1", 4: "4", 5: "5"}),
        (lambda f: f.group_by(lambda n: n % 2), {1: [3, 1, 1, 5], 0: [4]}),
        (lambda f: f.group_by(lambda n: n % 2, str), {1: ["3", "1", "1", "5"], 0: ["4"]}),
    ],
)
def test_f16_a_terminal_gives_one_answer(main: VMain, ask: Callable[[Flow[int]], Any], expected: Any) -> None:
    assert run(main, ask, as_flow(VALUES)) == expected


@pytest.mark.parametrize("name", ["first", "last", "single"])
def test_f16_nothing_to_give_is_told(main: VMain, name: str) -> None:
    with pytest.raises(NoSuchElementError):
        run(main, getattr(empty_flow(), name))
    if name != "single":
        assert run(main, getattr(empty_flow(), f"{name}_or_none")) is None


def test_f16_more_than_one_is_not_single(main: VMain) -> None:
    with pytest.raises(ValueError, match="more than one"):
        run(main, flow_of(1, 2).single)
    assert run(main, flow_of(None).single) is None


def test_f16_an_empty_flow_cannot_be_reduced(main: VMain) -> None:
    with pytest.raises(NoSuchElementError, match="can't be reduced"):
        run(main, empty_flow().reduce, lambda a, b: a)
    assert run(main, empty_flow().fold, 7, lambda a, b: a) == 7


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: flow_of(1).take(0), ValueError),
        (lambda: flow_of(1).take(-1), ValueError),
        (lambda: flow_of(1).take("1"), TypeError),
        (lambda: flow_of(1).drop(-1), ValueError),
        (lambda: flow_of(1).chunked(0), ValueError),
        (lambda: flow_of(1).chunked(), ValueError),
        (lambda: flow_of(1).buffer(-7), ValueError),
        (lambda: flow_of(1).flat_map_merge(lambda n: flow_of(n), 0), ValueError),
        (lambda: flow_of(1).map_concurrent(0, str), ValueError),
        (lambda: flow_of(1).sample(0), ValueError),
        (lambda: flow_of(1).debounce(-1), ValueError),
        (lambda: flow_of(1).throttle(0), ValueError),
        (lambda: flow_of(1).throttle(1, leading=False), ValueError),
        (lambda: flow_of(1).map(3), TypeError),
        (lambda: flow_of(1).flow_on(3), TypeError),
        (lambda: flow_of(1).zip_with([1]), TypeError),
        (lambda: flow_of(1).collect(3), TypeError),
        (lambda: flow_of(1).catch(3), TypeError),
        (lambda: flow_of(1).chunked("2"), TypeError),
        (lambda: flow_of(1).chunked(0, within=1), ValueError),
        (lambda: flow_of(1).chunked("2", within=1), TypeError),
        (lambda: flow_of(1).chunked(within=-1), ValueError),
        (lambda: flow_of(1).flat_map_merge(lambda n: flow_of(n), "2"), TypeError),
        (lambda: flow_of(1).retry("3"), TypeError),
        (lambda: flow_of(1).buffer(1.5), TypeError),
        (lambda: flow_of(1).buffer(1, "drop"), TypeError),
        (lambda: flow_of(1).buffer(Channel.CONFLATED, BufferOverflow.DROP_LATEST), ValueError),
        (lambda: channel_flow(3), TypeError),
        (lambda: callback_flow(3), TypeError),
        (lambda: zip_flows(flow_of(1)), TypeError),
        (lambda: MutableStateFlow(1).map_state(3), TypeError),
        (lambda: combine_states(fn=print), ValueError),
        (lambda: MutableSharedFlow(1.5), TypeError),
        (lambda: MutableSharedFlow(1, 1, "drop"), TypeError),
        (lambda: MutableSharedFlow().fail("no exception"), TypeError),
        (lambda: flow_of(1).share_in(CoroutineScope(Job()), "lazily"), TypeError),
        (lambda: flow_of(1).share_in(Job(), SharingStarted.LAZILY), TypeError),
        (lambda: lazy_async(3), TypeError),
        (lambda: SingleFlight(3), TypeError),
    ],
)
def test_f7_bad_arguments_are_refused_at_once(make: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_f7_what_ends_a_flow_further_below_passes_a_take_while(main: VMain) -> None:
    """F5: an abort is stopped by the one that raised it."""
    assert run(main, as_flow(range(9)).take_while(lambda n: n < 5).first) == 0


def test_f8_values_that_cannot_tell_whether_they_are_equal_are_not(main: VMain) -> None:
    """F8: an array of several numbers, say."""

    class Array:
        def __eq__(self, other: object) -> Any:
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    first, second = Array(), Array()

    seen = run(main, flow_of(first, first, second).distinct_until_changed().to_list)

    assert [id(one) for one in seen] == [id(first), id(second)]


def test_f16_collect_indexed_counts_the_values(main: VMain) -> None:
    """F16: the block may suspend."""
    log: list[Any] = []

    def slow(index: int, value: str) -> Any:
        yield from delay(1)
        log.append((index, value, main.now))

    run(main, flow_of("a", "b").collect_indexed, slow)
    run(main, flow_of("c").collect_indexed, lambda index, value: log.append((index, value)))

    assert log == [(0, "a", 1), (1, "b", 2), (0, "c")]


def test_f18_cancellable_hands_on_what_there_is_until_the_cancellation(main: VMain) -> None:
    """F18"""
    log: list[int] = []

    def collect() -> Any:
        def each(value: int) -> None:
            log.append(value)
            if value == 2:
                current_job().cancel()

        yield from as_flow(range(9)).cancellable().collect(each)

    job = scope_on_main().launch(collect)
    main.drain()

    assert job.is_cancelled
    assert log == [0, 1, 2]


SLOWLY: dict[str, Callable[[Flow[int]], Flow[Any]]] = {
    "map_latest": lambda values: values.map_latest(lambda value: value),
    "map_concurrent": lambda values: values.map_concurrent(2, lambda value: value),
    "flat_map_concat": lambda values: values.flat_map_concat(flow_of),
    "as_flow of a function": lambda values: as_flow(lambda: 1),
    "chunked": lambda values: values.chunked(2).map(lambda chunk: chunk[0]),
    "flow_on a name": lambda values: values.flow_on(CoroutineName("above")),
    "buffer": lambda values: values.buffer(0),
}


@pytest.mark.parametrize("change", SLOWLY.values(), ids=SLOWLY)
def test_f1_an_operator_waits_for_a_collector_that_suspends(
    main: VMain, change: Callable[[Flow[int]], Flow[Any]]
) -> None:
    """F1: also for its last value."""
    log: list[Any] = []

    def slow(value: int) -> Any:
        yield from delay(5)
        log.append((value, main.now))

    run(main, change(flow_of(1)).collect, slow)

    assert log == [(1, 5)]


def test_f7_take_ends_the_flow_above_after_the_last_one_is_delivered(main: VMain) -> None:
    from vmscope.flow import flow

    log: list[Any] = []

    @flow
    def body(collector: Any) -> Any:
        try:
            yield from collector.emit(1)
            log.append("between")
            yield from collector.emit(2)
            log.append("never")
        except CancellationException:
            log.append("ended")
            raise

    def deliver(value: int) -> Any:
        yield from delay(1)
        log.append(value)

    run(main, body.take(2).collect, deliver)

    assert log == [1, "between", 2, "ended"]


@given(
    values=st.lists(st.integers(0, 5)),
    count=st.integers(1, 4),
    chain=st.lists(st.sampled_from(["map", "filter", "drop", "take", "distinct", "scan", "chunk"]), max_size=5),
)
def test_a_chain_of_operators_gives_what_lists_would(values: list[int], count: int, chain: list[str]) -> None:
    flow, expected = as_flow(values), list(values)
    for name in chain:
        flow, expected = STEPS[name](flow, expected, count)

    with VMain() as main:
        assert run(main, flow.to_list) == expected


def scanned(values: list[Any]) -> list[Any]:
    sums = [0]
    for value in values:
        sums.append(sums[-1] + hash(str(value)) % 7)
    return sums


STEPS: dict[str, Any] = {
    "map": lambda f, xs, n: (f.map(lambda x: (x, n)), [(x, n) for x in xs]),
    "filter": lambda f, xs, n: (f.filter(lambda x: hash(str(x)) % 2), [x for x in xs if hash(str(x)) % 2]),
    "drop": lambda f, xs, n: (f.drop(n), xs[n:]),
    "take": lambda f, xs, n: (f.take(n), xs[:n]),
    "distinct": lambda f, xs, n: (
        f.distinct_until_changed(),
        [x for i, x in enumerate(xs) if i == 0 or xs[i - 1] != x],
    ),
    "scan": lambda f, xs, n: (f.scan(0, lambda a, x: a + hash(str(x)) % 7), scanned(xs)),
    "chunk": lambda f, xs, n: (f.chunked(n), [xs[i : i + n] for i in range(0, len(xs), n)]),
}
