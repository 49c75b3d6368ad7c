"""Cold flows: how they are written, what a collector sees, who is told of which failure."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import (
    CancellationException,
    CoroutineName,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    EmptyCoroutineContext,
    IllegalStateError,
    Job,
    NonCancellable,
    SupervisorJob,
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
    FlowIterator,
    as_flow,
    callback_flow,
    channel_flow,
    consume_as_flow,
    empty_flow,
    flow,
    flow_of,
    receive_as_flow,
)
from vmscope.flow._emit import FlowAborted
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


def test_f2_a_flow_is_made_of_a_flow_and_of_a_channel(main: VMain) -> None:
    """F2: the flow itself; a channel that those who collect share."""
    values = flow_of(1, 2)
    channel: Channel[int] = Channel(2)
    for element in (3, 4):
        channel.try_send(element)

    shared = as_flow(channel)

    assert as_flow(values) is values
    assert [run(main, shared.first), run(main, shared.first)] == [3, 4]
    assert not channel.is_closed_for_receive


@pytest.mark.parametrize("answer", [None, 5, "text"])
def test_f1_a_block_that_has_nothing_to_run_is_an_empty_flow(main: VMain, answer: object) -> None:
    """F1: a plain function that returned; what it returned is no value of the flow."""
    assert run(main, flow(lambda collector: answer).to_list) == []


class Numbers:
    """An object that is called like a function."""

    async def __call__(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


class Emits:
    def __call__(self, collector: FlowCollector[int], count: int) -> Any:
        for number in range(count):
            yield from collector.emit(number)


@pytest.mark.parametrize(
    "block", [partial(by_async_generator, 3), partial(Numbers(), 3), partial(partial(by_generator), count=3)]
)
def test_f1_a_block_may_be_a_partial_or_an_object_that_is_called(main: VMain, block: Any) -> None:
    """F1: an async generator is known for one through both."""
    assert run(main, flow(block).to_list) == [0, 1, 2]


def test_f1_an_object_that_is_called_may_emit(main: VMain) -> None:
    """F1"""
    assert run(main, flow(Emits(), 3).to_list) == [0, 1, 2]
    with pytest.raises(TypeError):
        run(main, flow(type, 1, 2).to_list)  # type: ignore[call-overload]


def test_f1_an_emission_is_awaited_once(main: VMain) -> None:
    """F1: the value is handed on once."""

    @flow
    def body(collector: FlowCollector[int]) -> Any:
        emission = collector.emit(1)
        yield from emission
        with pytest.raises(IllegalStateError, match=r"emit\(\) was awaited twice"):
            yield from emission

    assert run(main, body.to_list) == [1]


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


@pytest.mark.parametrize("made", [lambda: NonCancellable, Job, SupervisorJob])
def test_f4_emitting_under_another_job_is_refused_as_it_would_make_the_collector_one_that_is_not_cancelled(
    main: VMain, made: Callable[[], Job]
) -> None:
    def elsewhere(collector: FlowCollector[int]) -> Any:
        yield from with_context(made(), coroutine_scope, collector.emit, 1)

    with pytest.raises(IllegalStateError, match="Emission from another coroutine is detected"):
        run(main, flow(elsewhere).collect)


def test_f4_who_collects_under_a_job_of_its_own_may_emit_there(main: VMain) -> None:
    @flow
    def body(collector: FlowCollector[int]) -> Any:
        yield from collector.emit(1)
        yield from coroutine_scope(collector.emit, 2)

    assert run(main, with_context, NonCancellable, body.to_list) == [1, 2]


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


@pytest.mark.parametrize("inside", [False, True], ids=["in the block", "in a scope in it"])
def test_f5_a_block_that_swallows_its_cancellation_and_emits_again_is_told_of_that_once_more(
    main: VMain, inside: bool
) -> None:
    """F5, X2: not that it broke a rule of flows, which the failed emission before it did not."""
    raised: list[BaseException] = []

    def again(collector: FlowCollector[int]) -> Any:
        for value in (1, 2, 3):
            try:
                yield from collector.emit(value)
            except BaseException as error:  # noqa: BLE001  (what a block should not do)
                raised.append(error)

    def body(collector: FlowCollector[int]) -> Any:
        yield from coroutine_scope(again, collector) if inside else again(collector)

    with pytest.raises(TimeoutError):
        run(main, with_timeout, 1, flow(body).collect, lambda _: delay(5))

    assert len(raised) == 3
    assert all(isinstance(error, CancellationException) for error in raised), raised


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


def test_f5_a_flow_that_fails_cleaning_up_after_its_collector_is_told_with_both(main: VMain) -> None:
    """F5: neither failure is lost, and neither is caught: the collector's own must reach it."""

    def body(ending: BaseException) -> Flow[int]:
        @flow
        def one(collector: FlowCollector[int]) -> Any:
            try:
                yield from collector.emit(1)
            finally:
                raise ending

        return one

    def fail(value: int) -> None:
        raise Boom("below")

    caught: list[BaseException] = []
    with pytest.raises(Boom, match="in finally") as raised:
        run(main, body(Boom("in finally")).catch(caught.append).collect, fail)
    assert [str(one) for one in raised.value.suppressed] == ["below"]  # type: ignore[attr-defined]

    with pytest.raises(Boom, match="below") as raised:
        run(main, body(CancellationException("in finally")).catch(caught.append).collect, fail)
    assert [str(one) for one in raised.value.suppressed] == ["in finally"]  # type: ignore[attr-defined]
    assert caught == []


def test_f12_a_hook_at_the_end_that_fails_has_what_ended_the_flow_as_suppressed(main: VMain) -> None:
    """F12"""

    def hook(cause: BaseException | None) -> None:
        raise Boom(f"after {cause}")

    with pytest.raises(Boom, match="after above") as raised:
        run(main, failing().on_completion(hook).collect)
    assert [str(one) for one in raised.value.suppressed] == ["above"]  # type: ignore[attr-defined]


def test_f12_after_a_failure_the_hook_at_the_end_cannot_emit(main: VMain) -> None:
    """F12: neither a value nor all of another flow; what it gets is the failure."""
    log: list[object] = []

    @suspend
    def hook(collector: FlowCollector[int], cause: BaseException | None) -> Any:
        for emission in (lambda: collector.emit(1), lambda: collector.emit_all(flow_of(1))):
            try:
                yield from emission()
            except Boom as raised:
                log.append(raised is cause)
        log.append("over")

    with pytest.raises(Boom, match="above"):
        run(main, failing().on_completion(hook).collect, log.append)
    assert log == [True, True, "over"]


def test_f12_a_hook_may_take_any_number_of_arguments(main: VMain) -> None:
    """F12: then it gets the collector, too."""
    log: list[int] = []

    def hook(*arguments: Any) -> Any:
        log.append(len(arguments))
        yield from arguments[0].emit(2)

    assert run(main, flow_of(1).on_completion(hook).to_list) == [1, 2]
    assert log == [2]


@pytest.mark.parametrize("source", ["generator", "async generator", "async generator that awaits as it ends"])
def test_f1_a_collector_that_is_forgotten_goes_without_a_word(main: VMain, source: str) -> None:
    """F1: nothing can be awaited then, so hooks are not run; a `finally` is, up to where it would wait."""
    log: list[str] = []

    def generator(collector: FlowCollector[int]) -> Any:
        try:
            yield from await_cancellation()
        finally:
            log.append("finally")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            log.append("finally")
            if source.endswith("ends"):
                await delay(1)
                log.append("not reached")

    values: Flow[int] = flow(generator) if source == "generator" else flow(numbers)
    hooked = values.on_completion(lambda cause: log.append("completed"))
    job = CoroutineScope(Dispatchers.Unconfined).launch(hooked.collect, lambda value: await_cancellation())
    assert job.is_active
    del job, hooked, values
    gc.collect()

    assert log == ["finally"]


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


def test_f13_a_back_off_gives_up_after_so_many_and_for_other_failures(main: VMain) -> None:
    """F13: what it raises is the failure itself."""
    begun: list[float] = []

    def tried(**options: Any) -> list[float]:
        begun.clear()
        start = main.now
        source = failing().on_start(lambda: begun.append(main.now - start))
        with pytest.raises(Boom, match="above"):
            run(main, source.retry_backoff(2, 1.0, jitter=0.0, **options).collect)
        return begun

    assert tried() == [0, 1, 3]
    assert tried(on=OSError) == [0]


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


def test_f17_a_channel_that_was_consumed_to_its_end_is_not_collected_again(main: VMain) -> None:
    """F17"""
    channel: Channel[int] = Channel(1)
    channel.try_send(1)
    channel.close()
    values = consume_as_flow(channel)

    assert run(main, values.to_list) == [1]
    with pytest.raises(IllegalStateError, match="just once"):
        run(main, values.to_list)


def test_f17_emit_all_of_what_is_neither_flow_nor_channel_is_refused(main: VMain) -> None:
    """F17"""
    with pytest.raises(TypeError, match="a flow or a channel, got 3"):
        run(main, flow(lambda collector: collector.emit_all(3)).collect)


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


def test_f19_a_loop_whose_flow_is_over_stays_over(main: VMain) -> None:
    """F19: asked again it says so again, and closing it does nothing."""

    async def body() -> list[object]:
        values = flow_of(1).as_async_iterator()
        seen: list[object] = [value async for value in values]
        seen += [value async for value in values]
        await values.aclose()
        return seen

    assert run(main, body) == [1]


def test_f19_an_iterator_belongs_to_the_coroutine_that_began_it(main: VMain) -> None:
    """F19: the flow runs in that one, so another one cannot ask for the next value."""

    async def body() -> None:
        values = flow_of(1, 2).as_async_iterator()
        assert await anext(values) == 1

        async def other() -> None:
            with pytest.raises(IllegalStateError, match="begun in"):
                await anext(values)

        await launch(other).join()
        assert await anext(values) == 2
        await values.aclose()

    run(main, body)


def test_f19_a_cancellation_reaches_the_flow_where_it_waits(main: VMain) -> None:
    """F19: as what its own wait raises, so that its clean-up runs in its place."""
    log: list[Any] = []

    @flow
    def values(collector: FlowCollector[int]) -> Any:
        try:
            yield from delay(100)
        except CancellationException as cancelled:
            log.append(cancelled.message)
            raise
        finally:
            log.append(current_job())

    async def body() -> None:
        async for _ in values:
            log.append("a value")

    job = CoroutineScope(Dispatchers.Main).launch(body)
    main.run_current()
    job.cancel("enough")
    main.drain()

    assert log == ["enough", job]


def test_f19_a_loop_that_is_forgotten_while_its_flow_waits_closes_it(main: VMain) -> None:
    """F19: without a word; the `finally` of the flow runs."""
    log: list[str] = []

    @flow
    def values(collector: FlowCollector[int]) -> Any:
        try:
            yield from await_cancellation()
        finally:
            log.append("finally")

    async def body() -> None:
        async for _ in values:
            log.append("a value")

    CoroutineScope(Dispatchers.Unconfined).launch(body)
    gc.collect()

    assert log == ["finally"]


@pytest.mark.parametrize("more", [(), (2,)])
def test_f19_a_flow_that_swallows_its_end_and_emits_once_more_is_told(main: VMain, more: tuple[int, ...]) -> None:
    """F19, F5: one that just ends is closed, whatever it did with the abort."""

    def swallows(collector: FlowCollector[int]) -> Any:
        try:
            yield from collector.emit(1)
        except BaseException:  # noqa: BLE001
            pass

    async def body() -> str:
        async with flow_of(*more).on_start(swallows).as_async_iterator() as values:
            assert await anext(values) == 1
        return "closed"

    if more:
        with pytest.raises(IllegalStateError, match="emitted once more"):
            run(main, body)
    else:
        assert run(main, body) == "closed"
    for _ in range(1 + len(more)):  # what is left is closed where there is a main looper, once for each value
        gc.collect()
        main.drain()


def test_f19_the_abort_of_another_flow_is_not_taken_for_the_end_of_the_loop(main: VMain) -> None:
    """F19, F5: told by identity."""
    other = FlowAborted(object())

    @flow
    def values(collector: FlowCollector[int]) -> Any:
        try:
            yield from collector.emit(1)
        finally:
            raise other

    async def body() -> None:
        async with values.as_async_iterator() as iterator:
            await anext(iterator)

    with pytest.raises(FlowAborted) as raised:
        run(main, body)
    assert raised.value is other
    del raised
    gc.collect()  # what is left of it is closed where there is a main looper
    main.drain()


def test_f19_an_iterator_that_outlives_its_coroutine_closes_the_flow_where_that_ran(main: VMain) -> None:
    """F19: its clean-up runs on the same dispatcher, in a coroutine of its own."""
    log: list[Any] = []
    kept: list[Any] = []

    @flow
    def values(collector: FlowCollector[int]) -> Any:
        try:
            yield from collector.emit(1)
        finally:
            yield from delay(5)
            log.append(("closed", main.now))

    async def body() -> None:
        kept.append(values.as_async_iterator())
        await anext(kept[0])

    run(main, body)
    kept.clear()
    gc.collect()
    main.drain()

    assert log == [("closed", 5)]


def test_f19_an_iterator_that_was_never_made_is_dropped_without_a_word() -> None:
    """F19: its finalizer runs though its constructor has refused."""
    with pytest.raises(TypeError):
        FlowIterator()  # type: ignore[call-arg]
    gc.collect()


def test_f18_an_async_generator_ends_at_the_first_value_after_a_cancellation(main: VMain) -> None:
    """F18: as every flow that emits by a block."""
    log: list[int] = []

    @flow
    async def values() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    async def body() -> None:
        def take(number: int) -> None:
            log.append(number)
            job.cancel()

        await values.collect(take)

    job = CoroutineScope(Dispatchers.Main).launch(body)
    main.drain()

    assert log == [0]


def test_f18_an_operator_that_needs_no_more_looks_for_a_cancellation(main: VMain) -> None:
    """F7, F18: what is below it does not go on in a cancelled coroutine, though nothing has waited."""
    log: list[str] = []

    async def body() -> None:
        def stops(number: int) -> bool:
            job.cancel()
            return False

        await flow_of(1, 2).take_while(stops).collect(lambda number: None)
        log.append("went on")

    job = CoroutineScope(Dispatchers.Main).launch(body)
    main.drain()

    assert log == []
    assert job.is_cancelled


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


def test_f14_a_collector_that_suspends_below_a_flow_on_waits_in_its_own_context(main: VMain) -> None:
    """F14, F4: the name changes above alone, also around a wait, and a cancellation reaches who waits."""
    log: list[Any] = []

    def name() -> str:
        return current_context()[CoroutineName].name

    @flow
    def values(collector: FlowCollector[int]) -> Any:
        for number in (1, 2):
            log.append(f"emits as {name()}")
            yield from collector.emit(number)
        log.append(f"ends as {name()}")

    def slow(number: int) -> Any:
        log.append(f"{number} as {name()}")
        yield from delay(5)
        log.append(f"{number} still as {name()}")

    scope = CoroutineScope(Dispatchers.Main + CoroutineName("below"))
    named = values.flow_on(CoroutineName("above"))
    job = scope.launch(named.collect, slow)
    main.drain()

    assert not job.is_cancelled
    expected = [["emits as above", f"{number} as below", f"{number} still as below"] for number in (1, 2)]
    assert log == [*expected[0], *expected[1], "ends as above"]

    log.clear()
    job = scope.launch(named.collect, slow)
    main.run_current()
    job.cancel()
    main.run_current()
    assert job.is_completed
    assert log == expected[0][:2]


def test_f14_a_flow_on_nothing_runs_in_the_coroutine_of_its_collector(main: VMain) -> None:
    """F14: no coroutine and no buffer comes in between."""
    jobs: list[Job] = []
    values = flow_of(1, 2).on_each(lambda _: jobs.append(current_job()))

    def body() -> Any:
        yield from values.flow_on(EmptyCoroutineContext).collect(lambda _: jobs.append(current_job()))
        return current_job()

    mine = run(main, body)

    assert jobs == [mine] * 4


def test_flow_on_another_dispatcher_runs_the_flow_there() -> None:
    def main() -> Any:
        here = threading.current_thread()
        seen: list[tuple[bool, bool]] = []
        above = flow_of(1).map(lambda _: threading.current_thread() is here).flow_on(Dispatchers.Default)
        yield from above.collect(lambda same: seen.append((same, threading.current_thread() is here)))
        return seen

    assert run_blocking(main) == [(False, True)]
