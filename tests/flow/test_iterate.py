"""`async for` over a flow from blocks that end, or are cancelled, between two values. The plain loops: test_cold.py."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import (
    CancellationException,
    CancelScope,
    Dispatchers,
    IllegalStateError,
    Job,
    NonCancellable,
    VmScopeWarning,
    await_cancellation,
    coroutine_scope,
    current_job,
    delay,
    with_context,
    with_timeout,
)
from vmscope.flow import Flow, FlowCollector, FlowIterator, MutableSharedFlow, MutableStateFlow, channel_flow, flow

from .runs import Boom, run, scope_on_main, ticking

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def replayed() -> Flow[Any]:
    shared: MutableSharedFlow[int] = MutableSharedFlow(replay=2)
    shared.try_emit(1)
    shared.try_emit(2)
    return shared


def counted() -> Flow[Any]:
    state = MutableStateFlow(1)

    def set_next(value: int) -> None:
        state.value = 2

    return state.on_each(set_next)


def generated() -> Flow[Any]:
    @flow
    async def values() -> AsyncIterator[int]:
        yield 1
        await delay(1)
        yield 2

    return values


def sent() -> Flow[Any]:
    @channel_flow
    async def values(producer: Any) -> None:
        await producer.send(1)
        await delay(1)
        await producer.send(2)

    return values


TWO: dict[str, Callable[[], Flow[Any]]] = {
    "shared": replayed,
    "state": counted,
    "async generator": generated,
    "block": lambda: ticking((0, 1), (1, 2)),
    "channel_flow": sent,
    "buffer": lambda: replayed().map(lambda value: value).buffer(2),
    "flow_on": lambda: ticking((0, 1), (1, 2)).flow_on(Dispatchers.Main),
}
SILENT = {name: TWO[name] for name in ("shared", "state")} | {
    "block": lambda: ticking((0, 1), (0, 2), (100, 3)),
    "buffer": lambda: replayed().buffer(2),
    "flow_on": lambda: replayed().flow_on(Dispatchers.Main),
}


@pytest.mark.parametrize("kind", TWO)
def test_f19_each_value_may_be_asked_for_in_a_timeout_of_its_own(main: VMain, kind: str) -> None:
    """F19: the block that the first one was asked in has ended, and the flow has not."""

    async def body() -> list[int]:
        got = []
        async with TWO[kind]().as_async_iterator() as values:
            for _ in range(2):
                async with with_timeout(3):
                    got.append(await anext(values))
                await delay(5)
        return got

    assert run(main, body) == [1, 2]


@pytest.mark.parametrize("first", ["outside", "inside"])
@pytest.mark.parametrize("kind", SILENT)
def test_f19_a_timeout_ends_the_wait_for_the_next_value_and_the_flow(main: VMain, kind: str, first: str) -> None:
    """F19: wherever the flow was begun."""

    async def body() -> list[Any]:
        values = SILENT[kind]().as_async_iterator()
        if first == "outside":
            assert await anext(values) == 1
        else:
            async with with_timeout(3):
                assert await anext(values) == 1
        assert await anext(values) == 2
        with pytest.raises(TimeoutError):
            async with with_timeout(3):
                await anext(values)
        return [main.now, await anext(values, "over"), current_job().is_active]

    assert run(main, body) == [3, "over", True]


def test_f19_a_block_that_was_cancelled_ends_a_flow_that_never_waits(main: VMain) -> None:
    """F18, F19: its emissions look at the block that asks."""

    @flow
    def endless(collector: FlowCollector[int]) -> Any:
        while True:
            yield from collector.emit(1)

    async def body() -> int:
        taken = 0
        values = endless.as_async_iterator()
        with CancelScope() as scope:
            async for _ in values:
                taken += 1
                if taken == 3:
                    scope.cancel()
                assert taken < 10
        return taken

    assert run(main, body) == 3


def test_f19_a_cancelled_coroutine_ends_what_its_resting_iterator_runs(main: VMain) -> None:
    """F19: the flow above a channel has a coroutine of its own."""
    log: list[Any] = []
    kept: list[Any] = []

    async def body() -> None:
        kept.append(ahead(log).as_async_iterator())
        async with with_timeout(3):
            assert await anext(kept[0]) == 1
        await await_cancellation()

    job = scope_on_main().launch(body)
    main.drain()
    job.cancel()
    main.drain()

    assert log == ["ended"]
    assert job.is_completed


def ahead(log: list[Any]) -> Flow[Any]:
    """A flow whose source runs ahead, and says when it has ended."""

    @flow
    async def source(collector: FlowCollector[int]) -> None:
        try:
            await collector.emit(1)
            await await_cancellation()
        finally:
            log.append("ended")

    return source.buffer(2)


def test_f19_a_coroutine_does_not_wait_for_an_iterator_that_somebody_keeps(main: VMain) -> None:
    """F19: what it runs ends with the coroutine."""
    log: list[Any] = []
    kept: list[Any] = []

    async def body() -> str:
        kept.append(ahead(log).as_async_iterator())
        return f"got {await anext(kept[0])}"

    assert run(main, body) == "got 1"
    assert log == ["ended"]


def test_f19_an_iterator_refuses_to_be_asked_in_another_context(main: VMain) -> None:
    """F4, F19: the flow would run there; it is none the worse for it."""

    async def body() -> list[int]:
        values = ticking((0, 1), (0, 2)).as_async_iterator()
        got = [await anext(values)]
        with pytest.raises(IllegalStateError, match=r"asked in .*flow_on"):
            await with_context(Dispatchers.Unconfined, lambda: anext(values))
        return [*got, await anext(values)]

    assert run(main, body) == [1, 2]
    gc.collect()  # while there is a main looper: it is closed there
    main.drain()


def test_f19_an_iterator_begun_where_nothing_is_cancelled_stays_there(main: VMain) -> None:
    """F19: in a clean-up a loop goes through; asked after that block it says what is wrong."""
    log: list[Any] = []

    async def clean_up() -> None:
        async with coroutine_scope():
            async for value in ticking((1, 1), (1, 2)):
                log.append(value)
        values = ticking((1, 3), (1, 4)).as_async_iterator()
        log.append(await anext(values))
        log.append(values)

    async def body() -> None:
        try:
            await await_cancellation()
        finally:
            await with_context(NonCancellable, clean_up)
            with pytest.raises(IllegalStateError, match="asked after that block"):
                await anext(log[-1])

    job = scope_on_main().launch(body)
    main.drain()
    job.cancel()
    main.drain()

    assert log[:3] == [1, 2, 3]
    assert isinstance(log[3], FlowIterator)
    assert job.is_completed
    log.clear()
    gc.collect()  # while there is a main looper: it is closed there
    main.drain()


@pytest.mark.parametrize("kind", ["block", "buffer"])
def test_f19_what_a_loop_raises_in_a_cancelled_block_is_not_replaced(main: VMain, kind: str) -> None:
    """F19: closing the iterator, whose flow is cancelled with the block, adds no cancellation of its own."""

    async def body() -> None:
        with CancelScope() as scope:
            async with TWO[kind]().as_async_iterator() as values:
                await anext(values)
                scope.cancel()
                raise Boom

    with pytest.raises(Boom):
        run(main, body)


def test_f19_a_flow_that_is_dropped_leaves_the_coroutine_in_its_block(main: VMain) -> None:
    """F19: closed in a coroutine of its own, at once and later, it puts back no frame of the one it was begun in."""
    log: list[Any] = []

    @flow
    async def source(collector: FlowCollector[int]) -> None:
        async with coroutine_scope():
            try:
                await collector.emit(1)
            finally:
                await with_context(NonCancellable, clean_up)

    async def clean_up() -> None:
        await delay(1)
        log.append(main.now)

    async def in_scope(each: Flow[Any]) -> None:
        values = each.as_async_iterator()
        async with with_timeout(30):
            await anext(values)
        async with with_timeout(5), coroutine_scope():
            inside: Job = current_job()
            del values
            gc.collect()
            assert current_job() is inside
            await delay(2)
            assert current_job() is inside
            await await_cancellation()

    for each in (source, source.buffer(2)):
        with pytest.raises(TimeoutError):
            run(main, in_scope, each)

    assert log == [1, 6]


def test_f19_a_flow_that_keeps_another_coroutine_from_its_end_is_closed_with_that(main: VMain) -> None:
    """F19, X2: its clean-up swallows every cancellation of who closes it; the first one stays in its block."""
    log: list[Any] = []

    @flow
    async def source(collector: FlowCollector[int]) -> None:
        try:
            async with coroutine_scope():
                await collector.emit(1)
        finally:
            try:
                while True:
                    with suppress(CancellationException):
                        await delay(1)
            finally:
                log.append("closed")

    async def body() -> None:
        values = source.as_async_iterator()
        await anext(values)
        async with coroutine_scope() as scope:
            inside = current_job()
            closing = scope.launch(values.aclose)
            await delay(0.5)
            closing.cancel()
            with pytest.warns(VmScopeWarning, match="caught its cancellation 1000 times"):
                await closing.join()
            assert log == ["closed"]
            assert current_job() is inside

    run(main, body)


def test_f19_a_flow_that_another_coroutine_closes_leaves_the_first_in_its_block(main: VMain) -> None:
    """F19: `aclose` may be called from where the values are not asked for."""
    log: list[Any] = []

    @flow
    async def source(collector: FlowCollector[int]) -> None:
        try:
            async with coroutine_scope():
                await collector.emit(1)
        finally:
            await delay(1)
            log.append("closed")

    async def body() -> None:
        values = source.as_async_iterator()
        await anext(values)
        async with coroutine_scope() as scope:
            inside = current_job()
            scope.launch(values.aclose)
            await delay(0.5)
            assert current_job() is inside

    run(main, body)
    assert log == ["closed"]
