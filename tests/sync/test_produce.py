"""produce, actor, ticker (rows H10 to H12)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CancelScope,
    CoroutineExceptionHandler,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    IllegalStateError,
    SupervisorJob,
    await_cancellation,
    coroutine_scope,
    current_job,
    delay,
    launch,
    run_blocking,
    supervisor_scope,
    with_context,
    yield_,
)
from vmscope.sync import (
    ActorScope,
    Channel,
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    ProducerScope,
    TickerMode,
    actor,
    await_close,
    produce,
    ticker,
)

Body = Generator[Any, Any, None]
PATIENCE = 10.0


class Broken(Exception):
    pass


# -- H10


def test_the_channel_of_produce_is_closed_when_the_block_and_its_children_are_done() -> None:
    async def main() -> list[int]:
        async def block(producer: ProducerScope[int], first: int) -> None:
            async def child() -> None:
                await yield_()
                await producer.send(first + 1)

            launch(child)
            await producer.send(first)

        return [x async for x in produce(block, 5)]

    assert run_blocking(main) == [5, 6]


def test_the_failure_of_a_producer_comes_after_what_it_has_sent() -> None:
    def main() -> Body:
        def supervised() -> Body:
            async def block(producer: ProducerScope[int]) -> None:
                await producer.send(1)
                raise Broken("why")

            channel = produce(block, capacity=2)
            yield from yield_()
            assert (yield from channel.receive()) == 1
            with pytest.raises(Broken, match="why"):
                yield from channel.receive()

        yield from supervisor_scope(supervised)

    run_blocking(main)


def test_a_failure_that_no_receiver_can_see_goes_to_the_handler() -> None:
    reported: list[BaseException] = []
    handler = CoroutineExceptionHandler(lambda _, error: reported.append(error))

    def main() -> Body:
        def supervised() -> Body:
            def block(producer: ProducerScope[int]) -> None:
                producer.close()
                raise Broken("late")

            channel = produce(block, context=handler)
            yield from channel.job.join()
            with pytest.raises(ClosedReceiveChannelError):
                yield from channel.receive()

        yield from supervisor_scope(supervised)

    run_blocking(main)

    assert [str(error) for error in reported] == ["late"]


def test_cancelling_the_channel_cancels_the_producer_and_the_first_reason_stays() -> None:
    seen: list[object] = []

    def main() -> Body:
        def block(producer: ProducerScope[int]) -> Body:
            try:
                yield from producer.send(1)
                yield from producer.send(2)
            except CancellationException as cancelled:
                seen.append(cancelled.message)
                raise

        channel = produce(block)
        assert (yield from channel.receive()) == 1
        channel.cancel("one")
        channel.cancel("two")
        yield from channel.job.join()
        seen.append(channel.job.is_cancelled)

    run_blocking(main)

    assert seen == ["one", True]


def test_cancelling_the_job_of_a_producer_cancels_its_channel() -> None:
    """H10: with what it holds; nobody receives half of what there was."""

    async def block(producer: ProducerScope[int]) -> None:
        await producer.send(1)
        await producer.send(2)

    def main() -> Body:
        channel = produce(block, capacity=1)
        yield from yield_()
        channel.job.cancel("enough")
        with pytest.raises(CancellationException, match="enough"):
            yield from channel.receive()

    run_blocking(main)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_leaves_a_producer_through_the_loop(end: type[BaseException]) -> None:
    """H10: it is no cause for a receiver to handle, also where no parent takes it."""
    reported: list[object] = []
    handler = CoroutineExceptionHandler(lambda _, error: reported.append(error))

    def block(producer: ProducerScope[int]) -> None:
        raise end("now")

    with VMain() as main:
        scope = CoroutineScope(Dispatchers.Main + SupervisorJob() + handler)
        produce(scope, block)
        with pytest.raises(end, match="now"):
            main.drain()

    assert reported == []


def test_a_callback_on_a_plain_thread_sends_with_the_scope_of_the_producer() -> None:
    """H10, H13: it waits there until the element is taken."""

    async def block(producer: ProducerScope[int]) -> None:
        await with_context(Dispatchers.IO, producer.send_blocking, 1, PATIENCE)

    async def main() -> list[int]:
        return [element async for element in produce(block)]

    assert run_blocking(main) == [1]


def test_produce_in_a_cancelled_scope_gives_a_closed_channel() -> None:
    def main() -> Body:
        scope = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)
        scope.cancel("dead")
        channel = produce(scope, lambda producer: producer.send(1))
        with pytest.raises(CancellationException, match="dead"):
            yield from channel.receive()

    run_blocking(main)


@pytest.mark.parametrize("end", ["close", "cancel"])
def test_await_close_waits_for_the_end_of_the_channel_and_then_calls_its_block(end: str) -> None:
    seen: list[str] = []

    def main() -> Body:
        def block(producer: ProducerScope[int]) -> Body:
            yield from await_close(lambda: seen.append("unregistered"))
            seen.append("after")

        channel = produce(block)
        yield from yield_()
        assert seen == []
        channel.close() if end == "close" else channel.cancel()
        yield from channel.job.join()

    run_blocking(main)

    assert seen == (["unregistered", "after"] if end == "close" else ["unregistered"])


def test_await_close_elsewhere_or_twice_is_refused() -> None:
    refused: list[str] = []

    def tried(call: Callable[[], Any]) -> Body:
        try:
            yield from call()
        except IllegalStateError as error:
            refused.append(str(error))

    def main() -> Body:
        def block(producer: ProducerScope[int]) -> Body:
            yield from coroutine_scope(tried, producer.await_close)
            producer.invoke_on_close(lambda _: None)
            yield from tried(await_close)

        yield from tried(await_close)
        channel = produce(block)
        yield from channel.job.join()

    run_blocking(main)

    assert refused[:2] == ["await_close() can only be invoked from the producer context"] * 2
    assert refused[2].startswith("Another handler is already registered")


def test_await_close_of_another_producer_is_refused() -> None:
    """H10: it would end with this one's channel, and not with the one that it names."""

    def main() -> Body:
        scopes: list[ProducerScope[int]] = []

        def first(producer: ProducerScope[int]) -> Body:
            scopes.append(producer)
            yield from producer.await_close()

        def second(producer: ProducerScope[int]) -> Body:
            with pytest.raises(IllegalStateError, match="producer context"):
                yield from scopes[0].await_close()

        channel = produce(first)
        yield from yield_()
        yield from produce(second).job.join()
        channel.close()

    run_blocking(main)


@pytest.mark.parametrize("given", [(), (3,), (CoroutineScope(),)])
@pytest.mark.parametrize("builder", [produce, actor])
def test_a_builder_without_a_function_is_refused(builder: Callable[..., object], given: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="takes a function"):
        builder(*given)


# -- H11


def test_an_actor_takes_one_message_at_a_time_and_ends_with_the_close() -> None:
    seen: list[object] = []

    async def block(mailbox: Any) -> None:
        async for message in mailbox:
            seen.append(("begin", message))
            await yield_()
            seen.append(("end", message))
        seen.append("over")

    def main() -> Body:
        box = actor(block, capacity=Channel.UNLIMITED)
        for n in range(2):
            yield from box.send(n)
        box.close()
        yield from box.job.join()
        with pytest.raises(ClosedSendChannelError):
            yield from box.send(3)

    run_blocking(main)

    assert seen == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1), "over"]


def test_an_actor_receives_in_all_ways_that_a_channel_has() -> None:
    """H11"""
    seen: list[object] = []

    def block(mailbox: ActorScope[int]) -> Body:
        seen.append((yield from mailbox.receive_catching()).get_or_none())
        seen.append(mailbox.try_receive().get_or_none())
        seen.append((mailbox.is_empty, mailbox.is_closed_for_receive))
        seen.append((yield from with_context(Dispatchers.IO, mailbox.receive_blocking, PATIENCE)))
        seen.append((mailbox.is_empty, mailbox.is_closed_for_receive))

    def main() -> Body:
        box = actor(block, capacity=3)
        for element in (1, 2, 3):
            box.try_send(element)
        box.close()
        yield from box.job.join()

    run_blocking(main)

    assert seen == [1, 2, (False, False), 3, (False, True)]


def test_nobody_waits_for_an_actor_that_is_gone() -> None:
    reported: list[BaseException] = []
    handler = CoroutineExceptionHandler(lambda _, error: reported.append(error))

    async def fail(mailbox: Any) -> None:
        await mailbox.receive()
        raise Broken("actor")

    def main() -> Body:
        def supervised() -> Body:
            broken = actor(fail, context=handler)
            over = actor(lambda mailbox: mailbox.receive())
            for box, text in ((broken, "ActorCoroutine was cancelled"), (over, "Channel was cancelled")):
                yield from box.send(1)
                yield from box.job.join()
                with pytest.raises(CancellationException, match=text):
                    yield from box.send(2)

        yield from supervisor_scope(supervised)

    run_blocking(main)

    assert [str(error) for error in reported] == ["actor"]


def test_a_lazy_actor_begins_with_its_first_message() -> None:
    seen: list[object] = []

    async def block(mailbox: Any) -> None:
        seen.append("begin")
        seen.extend([message async for message in mailbox])

    def main() -> Body:
        box = actor(block, start=CoroutineStart.LAZY)
        yield from yield_()
        assert seen == []
        yield from box.send(1)
        box.close()
        yield from box.job.join()

    run_blocking(main)

    assert seen == ["begin", 1]


def test_a_lazy_actor_begins_with_a_message_from_a_plain_thread() -> None:
    """H11, H13: which would wait for ever for one that sleeps."""
    seen: list[int] = []

    def block(mailbox: ActorScope[int]) -> Body:
        seen.append((yield from mailbox.receive()))

    def main() -> Body:
        box = actor(block, start=CoroutineStart.LAZY)
        yield from with_context(Dispatchers.IO, box.send_blocking, 1, PATIENCE)
        yield from box.job.join()

    run_blocking(main)

    assert seen == [1]


def test_a_conflated_actor_serves_a_button_with_one_press_remembered() -> None:
    seen: list[int] = []

    with VMain() as main:

        async def block(mailbox: Any) -> None:
            async for press in mailbox:
                seen.append(press)
                await delay(10)

        button = actor(CoroutineScope(Dispatchers.Main), block, capacity=Channel.CONFLATED)
        main.advance(0)
        for press in range(5):
            button.try_send(press)
            main.advance(1)
        main.advance(100)
        button.job.cancel()
        main.advance(1)

    assert seen == [0, 4]


# -- H12


@pytest.mark.parametrize(
    ("mode", "busy", "expected"),
    [
        (TickerMode.FIXED_PERIOD, 25, [10, 20, 45, 50, 60]),  # that of 30 waited, that of 40 is missed
        (TickerMode.FIXED_PERIOD, 45, [10, 20, 65, 70, 80]),  # those of 40, 50 and 60 are
        (TickerMode.FIXED_DELAY, 25, [10, 20, 45, 55, 65]),
    ],
)
def test_a_ticker_keeps_its_period_or_its_delay(mode: TickerMode, busy: int, expected: list[int]) -> None:
    seen: list[float] = []

    with VMain() as main:

        def body() -> Body:
            ticks = ticker(10, mode=mode)
            for n in range(5):
                yield from ticks.receive()
                seen.append(main.now)
                if n == 1:
                    yield from delay(busy)
            ticks.cancel()

        CoroutineScope(Dispatchers.Main).launch(body)
        main.advance(200)

    assert seen == expected


def test_a_ticker_begins_when_it_was_told_to() -> None:
    seen: list[float] = []

    with VMain() as main:
        scope = CoroutineScope(Dispatchers.Main)
        ticks = ticker(10, initial_delay=0, scope=scope)

        def body() -> Body:
            for _ in range(2):
                yield from ticks.receive()
                seen.append(main.now)
            scope.cancel()

        scope.launch(body)
        main.advance(200)

    assert seen == [0, 10]


def test_a_ticker_refuses_times_below_zero() -> None:
    with pytest.raises(ValueError, match="-1"):
        ticker(-1)
    with pytest.raises(ValueError, match="initial"):
        ticker(1, -1)
    with pytest.raises(TypeError, match="TickerMode"):
        ticker(1, mode="fast")  # type: ignore[arg-type]


def test_a_producer_that_hangs_is_cancelled_with_its_scope() -> None:
    def main() -> Body:
        def scoped() -> Body:
            channel = produce(lambda producer: await_cancellation())
            yield from yield_()
            channel.cancel()

        yield from coroutine_scope(scoped)

    run_blocking(main)


# -- in a block that is no scope


@pytest.mark.parametrize(
    "start",
    [
        lambda: produce(lambda _: await_cancellation()),
        lambda: actor(lambda _: await_cancellation()),
        lambda: ticker(1.0),
    ],
    ids=["produce", "actor", "ticker"],
)
def test_what_is_started_in_a_cancel_scope_belongs_to_the_coroutine(start: Callable[[], Any]) -> None:
    seen: list[Any] = []

    async def body() -> None:
        with CancelScope() as block:
            channel = start()
            block.cancel()
        seen.append((channel.job.parent is current_job(), channel.job.is_active))
        channel.cancel()

    with VMain() as main:
        CoroutineScope(Dispatchers.Main).launch(body)
        main.drain()

    assert seen == [(True, True)]


def test_await_close_waits_in_a_cancel_scope_too() -> None:
    log: list[str] = []

    async def block(producer: ProducerScope[int]) -> None:
        with CancelScope():
            await producer.send(1)
            await producer.await_close(lambda: log.append("unregistered"))

    async def body() -> None:
        channel = produce(block)
        log.append(f"got {await channel.receive()}")
        channel.cancel()

    with VMain() as main:
        CoroutineScope(Dispatchers.Main).launch(body)
        main.drain()

    assert log == ["got 1", "unregistered"]
