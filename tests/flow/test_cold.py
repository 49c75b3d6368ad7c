"""Cold flows: how they are written, what a collector sees, who is told of which failure."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import (
    CancellationException,
    CoroutineName,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    IllegalStateError,
    Job,
    VmScopeWarning,
    await_cancellation,
    coroutine_scope,
    current_context,
    current_job,
    delay,
    launch,
    run_blocking,
    suspend,
    with_context,
    with_timeout,
    yield_,
)
from vmscope.flow import (
    Flow,
    FlowCollector,
    as_flow,
    callback_flow,
    channel_flow,
    consume_as_flow,
    empty_flow,
    flow,
    flow_of,
    receive_as_flow,
)
from vmscope.sync import Channel

from .runs import Boom, failing, run

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def by_generator(collector: FlowCollector[int], count: int) -> Any:
    for number in range(count):
        yield from collector.emit(number)
        yield from yield_()


async def by_coroutine(collector: FlowCollector[int], count: int) -> None:
    for number in range(count):
        await collector.emit(number)
        await yield_()


async def by_async_generator(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number
        await yield_()


SPELLINGS = {"generator": by_generator, "coroutine": by_coroutine, "async_generator": by_async_generator}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_flow_is_written_in_three_ways(main: VMain, spelling: str) -> None:
    numbers: Flow[int] = flow(SPELLINGS[spelling], 3)  # type: ignore[arg-type]

    assert run(main, numbers.to_list) == [0, 1, 2]
    assert run(main, numbers.to_list) == [0, 1, 2], "anew for each who collects"


def test_f1_emit_returns_when_the_collector_has_dealt_with_the_value(main: VMain) -> None:
    log: list[str] = []

    @flow
    def body(collector: FlowCollector[int]) -> Any:
        for number in (1, 2):
            yield from collector.emit(number)
            log.append(f"emitted {number}")

    def slow(number: int) -> Any:
        yield from delay(5)
        log.append(f"got {number}")

    run(main, body.collect, slow)

    assert log == ["got 1", "emitted 1", "got 2", "emitted 2"]


def test_f2_flows_of_values_iterables_functions_and_nothing(main: VMain) -> None:
    def generated() -> Any:
        yield 1
        yield 2

    async def one() -> int:
        await yield_()
        return 3

    @suspend
    def marked() -> Any:
        yield from yield_()
        return 4

    for source, expected in (
        (flow_of(1, 2), [1, 2]),
        (as_flow((1, 2)), [1, 2]),
        (as_flow({1: "a"}), [1]),
        (as_flow(generated), [1, 2]),
        (as_flow(lambda: by_async_generator(2)), [0, 1]),
        (as_flow(one), [3]),
        (as_flow(marked), [4]),
        (as_flow(lambda: "plain"), ["plain"]),
        (empty_flow(), []),
    ):
        assert run(main, source.to_list) == expected
        assert run(main, source.to_list) == expected


def test_f2_what_is_no_source_is_refused() -> None:
    with pytest.raises(TypeError, match="as_flow"):
        as_flow(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="flow"):
        flow(3)  # type: ignore[call-overload]


def test_f3_a_channel_flow_takes_values_from_several_coroutines(main: VMain) -> None:
    def block(producer: Any) -> Any:
        def part(name: str) -> Any:
            for number in range(2):
                yield from producer.send(f"{name}{number}")
                yield from yield_()

        producer.launch(part, "a")
        producer.launch(part, "b")
        yield from producer.send("own")

    assert run(main, channel_flow(block).to_list) == ["own", "a0", "b0", "a1", "b1"]


def test_f3_a_callback_flow_registers_for_each_collector_and_unregisters(main: VMain) -> None:
    listeners: list[Any] = []

    @callback_flow
    def readings(producer: Any) -> Any:
        listener = producer.try_send
        listeners.append(listener)
        yield from producer.await_close(lambda: listeners.remove(listener))

    log: list[int] = []
    scope = CoroutineScope(Dispatchers.Main)
    job = scope.launch(readings.collect, log.append)
    main.drain()
    listeners[0](1)
    listeners[0](2)
    main.drain()
    assert log == [1, 2]
    job.cancel()
    main.drain()

    assert listeners == []


def test_f3_a_callback_flow_that_does_not_wait_is_refused(main: VMain) -> None:
    with pytest.raises(IllegalStateError, match="await_close"):
        run(main, callback_flow(lambda producer: None).collect)


def test_f4_an_emission_that_is_launched_is_refused_also_where_it_starts_in_place(main: VMain) -> None:
    at_once: list[str] = []

    @flow
    async def launching(collector: FlowCollector[int]) -> None:
        launch(collector.emit, 1, start=CoroutineStart.UNDISPATCHED)
        await collector.emit(2)

    async def deal(value: int) -> None:
        at_once.append(f"in {value}")
        await delay(1)
        at_once.append(f"out {value}")

    with pytest.raises(IllegalStateError, match="Flow invariant is violated"):
        run(main, launching.collect, deal)
    assert at_once == []


def test_f4_emitting_elsewhere_or_in_another_context_is_refused(main: VMain) -> None:
    def renamed(collector: FlowCollector[int]) -> Any:
        yield from with_context(CoroutineName("other"), collector.emit, 1)

    def launched(collector: FlowCollector[int]) -> Any:
        yield from coroutine_scope(lambda: launch(collector.emit, 1))

    for block in (renamed, launched):
        with pytest.raises(IllegalStateError, match="Flow invariant is violated"):
            run(main, flow(block).collect)


def test_f4_emitting_in_a_scope_or_a_timeout_inside_the_block_is_fine(main: VMain) -> None:
    @flow
    def body(collector: FlowCollector[int]) -> Any:
        yield from with_timeout(5, collector.emit, 1)
        yield from coroutine_scope(collector.emit, 2)

    assert run(main, body.to_list) == [1, 2]


def test_f5_catch_sees_what_comes_from_above(main: VMain) -> None:
    seen: list[str] = []

    def recover(collector: FlowCollector[int], failure: BaseException) -> Any:
        seen.append(str(failure))
        yield from collector.emit(-1)

    assert run(main, failing(1, 2).catch(recover).to_list) == [1, 2, -1]
    assert seen == ["above"]


def test_f5_catch_does_not_see_what_comes_from_below(main: VMain) -> None:
    def below(value: int) -> None:
        raise Boom("below")

    caught = flow_of(1).catch(lambda failure: pytest.fail("it is not from above"))

    with pytest.raises(Boom, match="below"):
        run(main, caught.collect, below)
    with pytest.raises(Boom, match="below"):
        run(main, caught.map(below).to_list)


def test_f5_a_block_that_emits_after_a_failed_emission_is_refused(main: VMain) -> None:
    @flow
    def body(collector: FlowCollector[int]) -> Any:
        try:
            yield from collector.emit(1)
        except Boom:
            yield from collector.emit(2)

    def below(value: int) -> None:
        raise Boom("below")

    with pytest.raises(IllegalStateError, match="Flow exception transparency is violated"):
        run(main, body.collect, below)


def test_f5_an_upstream_that_swallows_the_end_and_emits_again_is_refused(main: VMain) -> None:
    @flow
    def body(collector: FlowCollector[int]) -> Any:
        try:
            yield from collector.emit(1)
        except BaseException:  # noqa: BLE001
            yield from collector.emit(2)

    with pytest.raises(IllegalStateError):
        run(main, body.first)


def test_f5_a_take_inside_a_take_ends_the_right_one(main: VMain) -> None:
    inner = as_flow(range(10)).take(2)
    outer = as_flow(range(10)).flat_map_concat(lambda n: inner.map(lambda k: (n, k))).take(3)

    assert run(main, outer.to_list) == [(0, 0), (0, 1), (1, 0)]


def test_f12_hooks_at_the_start_the_end_and_for_nothing(main: VMain) -> None:
    log: list[Any] = []

    assert run(main, flow_of(2).on_start(lambda c: c.emit(1)).to_list) == [1, 2]
    assert run(main, empty_flow().on_empty(lambda c: c.emit(0)).to_list) == [0]
    assert run(main, flow_of(1).on_empty(lambda c: c.emit(0)).to_list) == [1]
    run(main, flow_of(1).on_completion(log.append).collect)
    run(main, flow_of(1, 2).take(1).on_completion(log.append).collect)
    with pytest.raises(Boom):
        run(main, failing().on_completion(log.append).collect)
    run(main, flow_of(1, 2).on_completion(log.append).first)

    assert log[:2] == [None, None], "a take above is a normal end"
    assert isinstance(log[2], Boom)
    assert isinstance(log[3], CancellationException), "a first below is not"


def test_f13_retry_begins_anew_as_often_as_it_is_told(main: VMain) -> None:
    begun: list[float] = []

    @flow
    def body(collector: FlowCollector[str]) -> Any:
        begun.append(main.now)
        if len(begun) < 4:
            raise Boom(str(len(begun)))
        yield from collector.emit("there")

    assert run(main, body.retry_backoff(5, first=1, factor=3).to_list) == ["there"]
    assert begun == [0, 1, 4, 13]

    begun.clear()
    with pytest.raises(Boom, match="3"):
        run(main, body.retry(2).to_list)
    begun.clear()
    with pytest.raises(Boom, match="1"):
        run(main, body.retry(9, lambda failure: str(failure) != "1").to_list)
    with pytest.raises(ValueError, match="positive amount of retries"):
        body.retry(0)


def test_f16_a_cancellation_of_the_collector_is_neither_caught_nor_retried(main: VMain) -> None:
    log: list[Any] = []
    begun: list[int] = []

    @flow
    def body(collector: FlowCollector[int]) -> Any:
        begun.append(1)
        yield from collector.emit(1)
        yield from await_cancellation()

    guarded = body.retry().catch(lambda failure: log.append("caught"))
    job = CoroutineScope(Dispatchers.Main).launch(guarded.collect)
    main.drain()
    job.cancel()
    main.drain()

    assert (begun, log, job.is_cancelled) == ([1], [], True)


def test_f17_channels_are_shared_or_consumed(main: VMain) -> None:
    channel: Channel[int] = Channel(5)
    for number in range(5):
        channel.try_send(number)

    shared = receive_as_flow(channel)
    assert run(main, shared.take(2).to_list) == [0, 1]
    assert run(main, shared.take(1).to_list) == [2]
    once = consume_as_flow(channel)
    assert run(main, once.first) == 3
    assert channel.is_closed_for_receive
    with pytest.raises(IllegalStateError, match="just once"):
        run(main, once.first)


def test_f17_emit_all_of_a_channel_cancels_it_and_raises_its_cause(main: VMain) -> None:
    channel: Channel[int] = Channel(5)
    channel.try_send(1)
    channel.close(Boom("closed"))
    log: list[int] = []

    with pytest.raises(Boom, match="closed"):
        run(main, flow(lambda collector: collector.emit_all(channel)).collect, log.append)
    assert log == [1]


def test_f18_a_block_looks_for_a_cancellation_at_each_emission_and_an_iterable_does_not(main: VMain) -> None:
    log: list[Any] = []

    def body() -> Any:
        current_job().cancel("enough")
        log.append((yield from flow_of(1, 2).to_list()))
        for source in (flow_of(1, 2).cancellable(), flow(by_generator, 2)):
            try:
                yield from source.collect(log.append)
            except CancellationException as cancellation:
                log.append(cancellation.message)

    CoroutineScope(Dispatchers.Main).launch(body)
    main.drain()

    assert log == [[1, 2], "enough", "enough"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_f19_async_for_goes_through_any_flow(main: VMain, spelling: str) -> None:
    async def body() -> list[int]:
        seen = []
        async for number in flow(SPELLINGS[spelling], 5).map(lambda n: n * 10):  # type: ignore[arg-type]
            await yield_()
            seen.append(number)
        return seen

    assert run(main, body) == [0, 10, 20, 30, 40]


def test_f19_async_for_raises_what_the_flow_raised(main: VMain) -> None:
    log: list[int] = []

    async def body() -> None:
        async for number in failing(1, 2):
            log.append(number)

    with pytest.raises(Boom, match="above"):
        run(main, body)
    assert log == [1, 2]


def test_an_async_generator_that_is_left_early_is_closed_in_its_own_coroutine(main: VMain) -> None:
    log: list[Any] = []

    @flow
    async def numbers() -> Any:
        try:
            for number in range(5):
                yield number
        finally:
            log.append(current_job())
            await delay(1)
            log.append("closed")

    async def body() -> Job:
        assert await numbers.take(2).to_list() == [0, 1]
        return current_job()

    job = run(main, body)

    assert log == [job, "closed"]


def test_a_loop_that_is_left_early_closes_the_flow_before_the_coroutine_ends(main: VMain) -> None:
    log: list[Any] = []

    @flow
    async def numbers() -> Any:
        try:
            for number in range(5):
                yield number
        finally:
            await delay(1)
            log.append(f"closed at {main.now}")

    async def body() -> None:
        async for number in numbers:
            if number == 2:
                break
        log.append(f"left at {main.now}")

    run(main, body)
    gc.collect()

    assert log == ["left at 0.0", "closed at 1.0"]


def test_a_loop_in_async_with_closes_the_flow_at_the_end_of_the_block(main: VMain) -> None:
    log: list[Any] = []

    @flow
    async def numbers(collector: FlowCollector[int]) -> None:
        try:
            for number in range(5):
                await collector.emit(number)
        finally:
            await delay(1)
            log.append("closed")

    async def body() -> None:
        async with numbers.as_async_iterator() as values:
            async for _ in values:
                break
        log.append("left")

    run(main, body)

    assert log == ["closed", "left"]


def test_launches_in_a_loop_belong_to_the_loop_and_not_to_a_block_of_the_flow(main: VMain) -> None:
    log: list[Any] = []

    @flow
    async def numbers(collector: FlowCollector[int]) -> None:
        async with coroutine_scope():
            await collector.emit(1)
        log.append("the flow's scope is over")

    def late() -> Any:
        yield from delay(5)
        log.append("late")

    async def body() -> None:
        async for _ in numbers:
            launch(late)

    run(main, body)

    assert log == ["the flow's scope is over", "late"]


def test_f19_a_plain_thread_goes_through_a_flow() -> None:
    assert list(flow(by_generator, 4).iterate_blocking()) == [0, 1, 2, 3]
    with pytest.raises(Boom):
        list(failing(1).iterate_blocking())


def test_an_emission_that_nobody_awaits_warns(main: VMain) -> None:
    @flow
    def body(collector: FlowCollector[int]) -> Any:
        with pytest.warns(VmScopeWarning, match="emit"):
            collector.emit(1)
        yield from yield_()

    run(main, body.collect)


def test_flow_on_changes_the_context_above_it_only(main: VMain) -> None:
    def name() -> Any:
        found = current_context()[CoroutineName]
        return None if found is None else found.name

    log: list[Any] = []
    above = flow_of(1).on_each(lambda _: log.append(name())).flow_on(CoroutineName("above"))

    run(main, above.on_each(lambda _: log.append(name())).collect)

    assert log == ["above", None]
    with pytest.raises(ValueError, match="cannot contain job"):
        flow_of(1).flow_on(Job())


def test_flow_on_another_dispatcher_runs_the_flow_there() -> None:
    def main() -> Any:
        here = threading.current_thread()
        seen: list[tuple[bool, bool]] = []
        above = flow_of(1).map(lambda _: threading.current_thread() is here).flow_on(Dispatchers.Default)
        yield from above.collect(lambda same: seen.append((same, threading.current_thread() is here)))
        return seen

    assert run_blocking(main) == [(False, True)]
