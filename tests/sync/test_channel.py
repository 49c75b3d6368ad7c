"""Channel: one test a row of the specification, H1 to H9, H13 and H20."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Any
from weakref import ref

import pytest

from tests.steer import beside, robbed, struck
from vmscope import (
    CancellationException,
    CoroutineExceptionHandler,
    CoroutineScope,
    CoroutineStart,
    IllegalStateError,
    Job,
    SupervisorJob,
    Suspending,
    VmScopeWarning,
    current_job,
    launch,
    run_blocking,
    supervisor_scope,
    yield_,
)
from vmscope.coroutines._job import WAITER
from vmscope.sync import (
    BufferOverflow,
    Channel,
    ChannelResult,
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    Mutex,
    UndeliveredElementError,
)
from vmscope.sync._channel import CLOSED
from vmscope.sync._line import WAITING, Wait

Body = Generator[Any, Any, None]


class Broken(Exception):
    pass


def drained(channel: Channel[int]) -> list[int | None]:
    found = []
    while (result := channel.try_receive()).is_success:
        found.append(result.get_or_none())
    return found


# -- H1, H2


@pytest.mark.parametrize(
    ("capacity", "room"),
    [(Channel.RENDEZVOUS, 0), (3, 3), (Channel.BUFFERED, 64), (Channel.UNLIMITED, 1000)],
)
def test_a_channel_takes_as_many_elements_as_its_capacity_says(capacity: int, room: int) -> None:
    channel: Channel[int] = Channel(capacity)

    taken = [channel.try_send(n).is_success for n in range(1000)]

    assert taken.count(True) == room
    assert drained(channel) == list(range(room))


def test_a_conflated_channel_keeps_the_newest() -> None:
    channel: Channel[int] = Channel(Channel.CONFLATED)

    assert all(channel.try_send(n).is_success for n in range(3))
    assert drained(channel) == [2]


@pytest.mark.parametrize("capacity", [Channel.RENDEZVOUS, Channel.BUFFERED])
def test_an_overflow_that_drops_gives_a_channel_one_place(capacity: int) -> None:
    channel: Channel[int] = Channel(capacity, BufferOverflow.DROP_OLDEST)

    channel.try_send(1)
    channel.try_send(2)

    assert drained(channel) == [2]


@pytest.mark.parametrize(
    ("overflow", "kept", "dropped"),
    [(BufferOverflow.DROP_OLDEST, [2, 3], [0, 1]), (BufferOverflow.DROP_LATEST, [0, 1], [2, 3])],
)
def test_what_an_overflow_drops_goes_to_the_hook(overflow: BufferOverflow, kept: list[int], dropped: list[int]) -> None:
    lost: list[int] = []
    channel: Channel[int] = Channel(2, overflow, lost.append)

    def main() -> Body:
        for n in range(4):
            yield from channel.send(n)

    run_blocking(main)

    assert (drained(channel), lost) == (kept, dropped)


def test_try_send_of_drop_latest_says_success_and_tells_no_hook() -> None:
    lost: list[int] = []
    channel: Channel[int] = Channel(1, BufferOverflow.DROP_LATEST, lost.append)
    channel.try_send(1)

    assert channel.try_send(2).is_success
    assert (drained(channel), lost) == ([1], [])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((-7,), ValueError, "Invalid channel capacity: -7"),
        ((Channel.CONFLATED, BufferOverflow.DROP_LATEST), ValueError, "CONFLATED"),
        ((1.5,), TypeError, "1.5"),
        ((True,), TypeError, "True"),
        ((1, "drop"), TypeError, "BufferOverflow"),
        ((1, BufferOverflow.SUSPEND, 3), TypeError, "on_undelivered"),
    ],
)
def test_a_channel_refuses_what_is_no_capacity_overflow_or_hook(
    arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Channel(*arguments)


# -- H3


def test_a_call_that_is_awaited_twice_is_refused_by_its_name() -> None:
    """H3: the element is sent, or taken, once."""
    channel: Channel[int] = Channel(3)
    calls: dict[str, Any] = {
        "send": channel.send(1),
        "receive": channel.receive(),
        "receive_catching": channel.receive_catching(),
        "has_next": channel._next(),
    }

    def main() -> Body:
        for element in (2, 3):
            channel.try_send(element)
        for name, call in calls.items():
            yield from call
            with pytest.raises(IllegalStateError, match=rf"{name}\(\) was awaited twice"):
                yield from call

    run_blocking(main)


def test_a_sender_that_falls_asleep_passes_by_a_receiver_that_came_and_left_meanwhile() -> None:
    """H1: where that one stood, a mark is still in the line."""
    channel: Channel[int] = Channel()
    got: list[int] = []

    def come_and_leave() -> None:
        CoroutineScope(Job()).launch(channel.receive, start=CoroutineStart.UNDISPATCHED).cancel()
        assert channel._receivers._waiting

    def main() -> Body:
        sender = launch(channel.send, 1)
        with struck(Wait._start, come_and_leave) as met:
            yield from yield_()
        assert met
        assert not sender.is_completed
        got.append((yield from channel.receive()))
        yield from sender.join()

    run_blocking(main)

    assert got == [1]


def test_a_receiver_that_is_granted_an_element_before_it_sleeps_gets_it() -> None:
    """H3: another thread sends between the look into the channel and the suspension."""
    channel: Channel[int] = Channel()
    lock = beside(channel, lambda: channel.try_send(5), released=1)

    assert run_blocking(channel.receive) == 5
    assert lock.met


def test_a_receiver_whose_channel_is_closed_before_it_sleeps_hears_so() -> None:
    """H5: another thread closes it between the look into the channel and the suspension."""
    channel: Channel[int] = Channel()
    lock = beside(channel, lambda: channel.close(Broken("why")), released=1)

    with pytest.raises(Broken, match="why"):
        run_blocking(channel.receive)
    assert lock.met


def test_senders_and_receivers_are_served_in_the_order_they_came() -> None:
    channel: Channel[int] = Channel()
    got: list[tuple[str, int]] = []

    def receiver(name: str) -> Body:
        got.append((name, (yield from channel.receive())))

    def main() -> Body:
        for name in "abc":
            launch(receiver, name)
        yield from yield_()
        for n in range(3):
            yield from channel.send(n)
        yield from yield_()
        for n in range(3, 6):
            launch(channel.send, n)
        yield from yield_()
        for _ in range(3):
            got.append(("main", (yield from channel.receive())))

    run_blocking(main)

    assert got == [("a", 0), ("b", 1), ("c", 2), ("main", 3), ("main", 4), ("main", 5)]


def test_a_send_with_room_and_a_receive_of_what_is_there_do_not_look_at_the_cancellation() -> None:
    channel: Channel[int] = Channel(1)
    seen: list[object] = []

    def body() -> Body:
        current_job().cancel("gone")
        yield from channel.send(1)
        seen.append((yield from channel.receive()))
        try:
            yield from channel.receive()
        except CancellationException as cancelled:
            seen.append(cancelled.message)
            raise

    def main() -> Body:
        yield from launch(body).join()

    run_blocking(main)

    assert seen == [1, "gone"]


# -- H4


def test_the_answers_of_try_send_and_try_receive_are_told_apart() -> None:
    channel: Channel[int | None] = Channel(1)

    empty = channel.try_receive()
    channel.try_send(None)
    full = channel.try_send(1)
    none = channel.try_receive()
    channel.close()
    closed, closed_send = channel.try_receive(), channel.try_send(1)

    assert (empty.is_success, empty.is_failure, empty.is_closed) == (False, True, False)
    assert full == empty
    assert empty != "failed"
    assert len({full, empty, closed, channel.try_receive()}) == 2, "equal ones hash alike"
    assert (none.is_success, none.get_or_none()) == (True, None)
    assert (closed.is_closed, closed.exception_or_none()) == (True, None)
    assert isinstance(closed_send.exception_or_none(), ClosedSendChannelError)
    assert [repr(one) for one in (empty, none, closed)] == [
        "<ChannelResult failed>", "<ChannelResult success None>", "<ChannelResult closed>",
    ]  # fmt: skip


def test_get_or_raise_gives_the_value_or_says_why_there_is_none() -> None:
    channel: Channel[int] = Channel(1)
    failed = channel.try_receive()
    channel.try_send(4)
    cause = Broken("why")

    value = channel.try_receive().get_or_raise()
    channel.close(cause)

    assert value == 4
    with pytest.raises(IllegalStateError, match="failed result"):
        failed.get_or_raise()
    with pytest.raises(Broken) as caught:
        channel.try_receive().get_or_raise()
    assert caught.value is cause
    with pytest.raises(IllegalStateError, match="without a cause"):
        ChannelResult("closed").get_or_raise()


# -- H5, H6


def test_a_closed_channel_still_gives_its_buffer_and_what_suspended_senders_hold() -> None:
    channel: Channel[int] = Channel(1)
    seen: list[object] = []

    def main() -> Body:
        launch(channel.send, 1)
        launch(channel.send, 2)
        yield from yield_()
        seen.append(channel.close())
        seen.append(channel.close())
        seen.append((channel.is_closed_for_send, channel.is_closed_for_receive))
        seen.append((yield from channel.receive()))
        seen.append((yield from channel.receive()))
        seen.append(channel.is_closed_for_receive)
        for call in (channel.receive, lambda: channel.send(3)):
            try:
                yield from call()
            except (ClosedReceiveChannelError, ClosedSendChannelError) as closed:
                seen.append(type(closed).__name__)

    run_blocking(main)

    assert seen == [True, False, (True, False), 1, 2, True, "ClosedReceiveChannelError", "ClosedSendChannelError"]


def test_the_cause_of_a_close_is_raised_itself_and_its_traceback_does_not_grow() -> None:
    channel: Channel[int] = Channel()
    cause = Broken("why")
    channel.close(cause)
    lengths: list[int] = []

    def main() -> Body:
        calls: list[Callable[[], Any]] = [channel.receive, lambda: channel.send(1)]
        for call in calls * 3:
            with pytest.raises(Broken) as caught:
                yield from call()
            assert caught.value is cause
            lengths.append(len(caught.traceback))

    run_blocking(main)

    assert len(lengths) == 6
    assert len(set(lengths[::2])) == len(set(lengths[1::2])) == 1


def test_close_resumes_receivers_that_wait_and_cancel_fails_senders_that_wait() -> None:
    seen: list[str] = []

    def tried(name: str, call: Any) -> Body:
        try:
            yield from call()
        except (ClosedReceiveChannelError, CancellationException) as error:
            seen.append(f"{name} {error}")

    def main() -> Body:
        receiving: Channel[int] = Channel()
        sending: Channel[int] = Channel()
        launch(tried, "receive", receiving.receive)
        launch(tried, "send", lambda: sending.send(1))
        yield from yield_()
        receiving.close()
        sending.cancel("enough")

    run_blocking(main)

    assert seen == ["receive Channel was closed", "send enough"]


def test_cancel_hands_each_element_to_the_hook_once_the_newest_first() -> None:
    lost: list[int] = []
    channel: Channel[int] = Channel(2, on_undelivered=lost.append)

    def sender(n: int) -> Body:
        with pytest.raises(CancellationException):
            yield from channel.send(n)

    def main() -> Body:
        yield from channel.send(1)
        yield from channel.send(2)
        launch(sender, 3)
        launch(sender, 4)
        yield from yield_()
        channel.cancel()
        channel.cancel()

    run_blocking(main)

    assert lost == [4, 3, 2, 1]


@pytest.mark.parametrize("wrong", [3, Broken("x")])
def test_cancel_and_close_refuse_what_is_no_reason(wrong: Any) -> None:
    channel: Channel[int] = Channel()

    with pytest.raises(TypeError):
        channel.cancel(wrong)
    with pytest.raises(TypeError):
        channel.close("text")  # type: ignore[arg-type]


# -- H7


def test_the_element_of_a_receiver_that_was_cancelled_before_it_ran_goes_to_the_hook() -> None:
    lost: list[int] = []
    channel: Channel[int] = Channel(on_undelivered=lost.append)

    def main() -> Body:
        for call in (channel.receive, channel.receive_catching, lambda: channel.iterator().has_next()):
            job = launch(call)
            yield from yield_()
            assert channel.try_send(7).is_success
            job.cancel()
            yield from job.join()

    run_blocking(main)

    assert lost == [7, 7, 7]


def test_the_element_of_a_sender_that_was_cancelled_goes_to_the_hook_unless_it_was_taken() -> None:
    lost: list[int] = []
    channel: Channel[int] = Channel(on_undelivered=lost.append)
    seen: list[object] = []

    def main() -> Body:
        waiting = launch(channel.send, 1)
        taken = launch(channel.send, 2)
        yield from yield_()
        waiting.cancel()
        seen.append(channel.try_receive().get_or_none())
        taken.cancel()
        yield from taken.join()
        seen.append(taken.is_cancelled)

    run_blocking(main)

    assert (seen, lost) == ([2, True], [1])


def test_a_send_to_a_closed_channel_hands_the_element_to_the_hook_and_try_send_does_not() -> None:
    lost: list[int] = []
    channel: Channel[int] = Channel(1, on_undelivered=lost.append)
    channel.close()

    def main() -> Body:
        with pytest.raises(ClosedSendChannelError):
            yield from channel.send(1)
        channel.try_send(2)

    run_blocking(main)

    assert lost == [1]


@pytest.mark.parametrize("receive", ["receive", "receive_catching"])
def test_an_element_for_a_receiver_that_is_cancelled_as_it_is_handed_over_goes_to_the_hook(receive: str) -> None:
    """H7: another thread cancels the receiver after it was taken out of the line, and before it has the element."""
    lost: list[int] = []
    channel: Channel[int] = Channel(on_undelivered=lost.append)

    def main() -> Body:
        job = launch(getattr(channel, receive))
        yield from yield_()
        lock = beside(channel, job.cancel, released=1)
        assert channel.try_send(1).is_success
        assert lock.met
        yield from job.join()

    run_blocking(main)

    assert lost == [1]


def test_a_hook_that_raises_for_what_was_pushed_out_is_told_to_the_sender_whose_element_is_in() -> None:
    """H7: the element that was sent is not lost with the old one."""

    def hook(element: int) -> None:
        raise Broken("hook")

    channel: Channel[int] = Channel(1, BufferOverflow.DROP_OLDEST, hook)
    channel.try_send(1)

    def main() -> Body:
        with pytest.raises(UndeliveredElementError, match="handler for 1"):
            channel.try_send(2)
        with pytest.raises(UndeliveredElementError, match="handler for 2"):
            yield from channel.send(3)

    run_blocking(main)

    assert drained(channel) == [3]


def test_a_hook_that_raises_for_a_send_to_a_closed_channel_has_the_refusal_as_suppressed() -> None:
    """H7"""

    def hook(element: int) -> None:
        raise Broken("hook")

    channel: Channel[int] = Channel(1, on_undelivered=hook)
    channel.close()

    def main() -> Body:
        with pytest.raises(UndeliveredElementError, match="handler for 1") as caught:
            yield from channel.send(1)
        assert [type(one) for one in caught.value.suppressed] == [ClosedSendChannelError]  # type: ignore[attr-defined]

    run_blocking(main)


def test_a_hook_that_raises_is_reported_and_all_other_elements_are_told_all_the_same() -> None:
    told: list[int] = []
    closed: list[BaseException | None] = []

    def hook(element: int) -> None:
        told.append(element)
        raise Broken(str(element))

    channel: Channel[int] = Channel(3, on_undelivered=hook)
    channel.invoke_on_close(closed.append)
    for n in (1, 2):
        channel.try_send(n)

    with pytest.raises(UndeliveredElementError, match="handler for 2") as caught:
        channel.cancel()

    assert told == [2, 1]
    assert str(caught.value.__cause__) == "2"
    assert [str(one) for one in caught.value.suppressed] == ["1"]  # type: ignore[attr-defined]
    assert len(closed) == 1


def test_a_hook_that_raises_for_a_cancelled_coroutine_is_told_to_its_handler() -> None:
    reported: list[str] = []
    handler = CoroutineExceptionHandler(lambda _, error: reported.append(f"{error} <- {error.__cause__}"))

    def hook(element: int) -> None:
        raise Broken("hook")

    def main() -> Body:
        channel: Channel[int] = Channel(on_undelivered=hook)

        def supervised() -> Body:
            job = launch(lambda: channel.send(1), context=handler)
            yield from yield_()
            job.cancel()

        yield from supervisor_scope(supervised)

    run_blocking(main)

    assert reported == ["Exception in undelivered element handler for 1 <- hook"]


# -- H8


def test_async_for_ends_with_a_close_and_raises_its_cause() -> None:
    got: list[int] = []

    async def main() -> None:
        channel: Channel[int] = Channel(3)
        for n in range(3):
            await channel.send(n)
        channel.close(Broken("why"))
        with pytest.raises(Broken):
            async for n in channel:
                got.append(n)
        plain: Channel[int] = Channel(1)
        plain.close()
        async for n in plain:
            got.append(n)

    run_blocking(main)

    assert got == [0, 1, 2]


def test_leaving_a_loop_early_leaves_the_channel_open_and_consume_each_cancels_it() -> None:
    async def main() -> None:
        channel: Channel[int] = Channel(3)
        for n in range(3):
            await channel.send(n)
        async for _ in channel:
            break
        assert not channel.is_closed_for_send

        def refuse(n: int) -> None:
            raise Broken(str(n))

        with pytest.raises(Broken, match="1"):
            await channel.consume_each(refuse)
        with pytest.raises(CancellationException, match="consumer had failed") as caught:
            await channel.receive()
        assert isinstance(caught.value.__cause__, Broken)

    run_blocking(main)


def test_a_consumer_that_is_cancelled_cancels_the_channel_for_the_same_reason() -> None:
    """H8"""
    channel: Channel[int] = Channel()

    def main() -> Body:
        job = launch(channel.consume_each, print)
        yield from yield_()
        job.cancel("enough")
        yield from job.join()

    run_blocking(main)

    with pytest.raises(CancellationException, match="enough"):
        channel.try_send(1).get_or_raise()


def test_consume_each_takes_a_block_that_suspends() -> None:
    got: list[int] = []

    async def slowly(n: int) -> None:
        await yield_()
        got.append(n)

    def main() -> Body:
        channel: Channel[int] = Channel(3)
        for n in range(3):
            channel.try_send(n)
        channel.close()
        yield from channel.consume_each(slowly)

    run_blocking(main)

    assert got == [0, 1, 2]


def test_an_iterator_gives_in_a_generator_what_async_for_gives() -> None:
    got: list[int] = []

    def main() -> Body:
        channel: Channel[int] = Channel(2)
        channel.try_send(1)
        channel.try_send(2)
        channel.close()
        elements = channel.iterator()
        with pytest.raises(IllegalStateError, match="has_next"):
            elements.next()
        while (yield from elements.has_next()):
            got.append(elements.next())
        with pytest.raises(ClosedReceiveChannelError):
            elements.next()

    run_blocking(main)

    assert got == [1, 2]


def test_an_iterator_is_for_async_for_as_well() -> None:
    """H8: the same iterator goes on where it was."""

    async def main() -> list[int]:
        channel: Channel[int] = Channel(3)
        for n in range(3):
            channel.try_send(n)
        channel.close()
        elements = channel.iterator()
        assert await elements.has_next()
        first = elements.next()
        return [first * 10, *[element async for element in elements]]

    assert run_blocking(main) == [0, 1, 2]


def test_receive_catching_tells_a_close_as_a_result() -> None:
    results: list[ChannelResult[int]] = []
    cause = Broken("why")

    def main() -> Body:
        channel: Channel[int] = Channel(1)

        def receive() -> Body:
            results.append((yield from channel.receive_catching()))

        channel.try_send(1)
        yield from receive()
        waiting = launch(receive)
        yield from yield_()
        channel.close(cause)
        yield from waiting.join()
        yield from receive()

    run_blocking(main)

    assert results == [ChannelResult("success", 1), *[ChannelResult("closed", None, cause)] * 2]


# -- H9, H20


def test_invoke_on_close_is_settable_once_and_called_once() -> None:
    calls: list[BaseException | None] = []
    channel: Channel[int] = Channel()
    cause = Broken("why")
    channel.invoke_on_close(calls.append)

    with pytest.raises(IllegalStateError, match="already registered"):
        channel.invoke_on_close(calls.append)
    channel.close(cause)
    channel.close()
    with pytest.raises(IllegalStateError, match="successfully invoked"):
        channel.invoke_on_close(calls.append)

    assert calls == [cause]


def test_what_is_no_function_is_refused_by_invoke_on_close() -> None:
    """H9: and leaves the place for one that is."""
    channel: Channel[int] = Channel()
    calls: list[object] = []

    with pytest.raises(TypeError, match="function of the cause"):
        channel.invoke_on_close(3)  # type: ignore[arg-type]
    channel.invoke_on_close(calls.append)
    channel.close()

    assert calls == [None]


def test_invoke_on_close_of_a_closed_channel_is_called_at_once() -> None:
    calls: list[BaseException | None] = []
    channel: Channel[int] = Channel()
    channel.close()

    channel.invoke_on_close(calls.append)

    assert calls == [None]


def test_is_empty_is_true_of_an_open_channel_with_nothing_in_it() -> None:
    channel: Channel[int] = Channel(1)

    empty = channel.is_empty
    channel.try_send(1)
    filled = channel.is_empty
    channel.try_receive()
    channel.close()

    assert (empty, filled, channel.is_empty) == (True, False, False)


def test_statistics_tell_who_waits_and_change_nothing() -> None:
    channel: Channel[int] = Channel(1)

    def main() -> Body:
        channel.try_send(1)
        jobs = [launch(channel.send, n) for n in (2, 3)]
        yield from yield_()
        assert tuple(channel.statistics()) == (1, 1, 2, 0, False)
        assert channel.statistics() == channel.statistics()
        jobs[0].cancel()
        assert channel.statistics().senders == 1
        assert drained(channel) == [1, 3]

    run_blocking(main)


def test_many_who_leave_a_line_are_swept_out_of_it() -> None:
    channel: Channel[int] = Channel()

    def main() -> Body:
        scope: Job = SupervisorJob()
        jobs = [launch(channel.receive) for _ in range(500)]
        yield from yield_()
        for job in jobs[:499]:
            job.cancel()
        assert channel.statistics().receivers == 1
        assert len(channel._receivers._waiting) < 100
        yield from yield_()
        assert channel.try_send(1).is_success
        scope.cancel()

    run_blocking(main)


def test_a_finalizer_may_empty_a_line_between_the_look_and_the_step() -> None:
    """H3: it runs on the thread that holds the lock, which is reentrant, so it gets in."""
    channel: Channel[int] = Channel()

    class Looked(deque[Any]):
        def __bool__(self) -> bool:
            found = len(self) > 0
            if found and not taken:
                taken.append(None)
                taken[0] = channel._receivers.take()  # as a try_send of the finalizer's does
            return found

    taken: list[Any] = []

    def main() -> Body:
        job = launch(channel.receive)
        yield from yield_()
        channel._receivers._waiting = Looked(channel._receivers._waiting)
        with channel._lock:
            assert channel._receivers.take() is None
        taken[0]._grant(1)
        yield from job.join()

    run_blocking(main)


def test_the_words_of_a_line_show_their_names() -> None:
    """H4: in a dump of what an answer was."""
    assert [repr(WAITING), repr(CLOSED)] == ["WAITING", "CLOSED"]


def test_a_call_that_is_given_out_again_is_a_call_of_its_own() -> None:
    channel: Channel[int] = Channel(2)

    def body() -> Body:
        for call in (channel.send(1), channel.receive(), channel.send(1), channel._next()):
            yield from call
            with pytest.raises(IllegalStateError, match="awaited twice"):
                yield from call
        del call
        yield from channel.send(2)
        with pytest.warns(VmScopeWarning, match=r"send\(\.\.\.\) was called and its result dropped"):
            channel.send(3)
        with pytest.warns(VmScopeWarning, match=r"receive\(\.\.\.\) was called and its result dropped"):
            channel.receive()
        with pytest.warns(VmScopeWarning, match=r"has_next\(\.\.\.\) was called and its result dropped"):
            channel._next()

    run_blocking(body)
    assert drained(channel) == [2]


def test_a_call_that_was_done_keeps_neither_the_channel_nor_the_element_alive() -> None:
    channel: Channel[Broken] = Channel(2)
    element = Broken()
    held = ref(channel), ref(element)

    def body(through: Channel[Broken], sent: Broken) -> Body:
        yield from through.send(sent)
        yield from through.receive()

    run_blocking(body, channel, element)
    del element
    assert held[1]() is None
    del channel
    assert held[0]() is None


@pytest.mark.parametrize("call", [lambda: Channel[int]().send(1), lambda: Channel[int]().receive(), Mutex(True).lock])
def test_a_wait_outside_of_a_coroutine_is_refused(call: Callable[[], Suspending[Any]]) -> None:
    with pytest.raises(IllegalStateError, match="outside a coroutine"):
        list(call())


# -- what is done without the lock: another thread gets the last one between the look and the step


def test_an_element_that_is_received_as_it_would_be_pushed_out_is_not_lost() -> None:
    channel: Channel[int] = Channel(1, BufferOverflow.DROP_OLDEST)
    channel.try_send(1)
    got: list[int] = []
    buffer = channel._buffer = robbed(channel._buffer, lambda: got.append(run_blocking(channel.receive)))

    assert channel.try_send(2).is_success

    assert buffer.action is None
    assert got == [1]
    assert drained(channel) == [2]


def test_an_element_that_another_gets_just_before_is_received_once() -> None:
    channel: Channel[int] = Channel(1)
    channel.try_send(1)
    got: list[int] = []
    buffer = channel._buffer = robbed(channel._buffer, lambda: got.append(run_blocking(channel.receive)))

    assert channel.try_receive().is_failure

    assert buffer.action is None
    assert got == [1]


def test_an_element_that_is_received_as_its_channel_is_cancelled_is_not_undelivered() -> None:
    lost: list[int] = []
    got: list[int] = []
    channel: Channel[int] = Channel(1, on_undelivered=lost.append)
    channel.try_send(1)

    def receive() -> None:
        got.append(channel._buffer.popleft())  # as `receive` does it, that saw the channel open

    buffer = channel._buffer = robbed(channel._buffer, receive)
    channel.cancel()

    assert buffer.action is None
    assert got == [1]
    assert lost == []


def test_two_that_iterate_at_once_wait_each_by_himself() -> None:
    channel: Channel[int] = Channel(4)
    got: list[int] = []

    async def one() -> None:
        async for element in channel:
            got.append(element)
            return

    def main() -> Body:
        calls = [channel._next(), channel._next()]
        for element in (1, 2, 3):
            channel.try_send(element)
        for call in calls:
            got.append((yield from call))
        yield from launch(one).join()

    run_blocking(main)

    assert got == [1, 2, 3]


def test_a_signal_handler_that_sends_to_who_waits_as_his_end_begins_to_be_watched_leaves_no_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """H3: it runs on the thread that holds the lock of the job, which is reentrant, so it gets in."""
    put = Job._put_locked
    struck: list[object] = []

    def put_struck(job: Job, node: Any) -> None:
        if not struck:
            struck.append(node)
            assert channel.try_send(1).is_success
        put(job, node)

    channel: Channel[int] = Channel()
    got: list[int] = []
    told: list[object] = []

    def main() -> Body:
        def receiver() -> Body:
            got.append((yield from channel.receive()))
            got.append((yield from channel.receive()))

        job = launch(receiver)
        yield from yield_()
        monkeypatch.setattr(Job, "_put_locked", put_struck)
        job.invoke_on_completion(told.append)
        monkeypatch.undo()
        assert struck
        yield from yield_()
        assert len(job._nodes) == 1  # what was added, and nothing else
        channel.try_send(2)
        yield from job.join()

    run_blocking(main)

    assert got == [1, 2]
    assert told == [None]


def test_who_loses_the_last_element_to_another_waits_for_the_next() -> None:
    channel: Channel[int] = Channel(1)
    channel.try_send(1)
    got: list[int] = []
    buffer = channel._buffer = robbed(channel._buffer, lambda: got.append(run_blocking(channel.receive)))

    def main() -> Body:
        launch(channel.send, 2)
        got.append((yield from channel.receive()))

    run_blocking(main)

    assert buffer.action is None
    assert got == [1, 2]


def test_a_sender_waits_where_only_cancelled_receivers_stand_in_the_line() -> None:
    channel: Channel[int] = Channel()
    order: list[object] = []

    def sender() -> Body:
        yield from channel.send(1)
        order.append("sent")

    def main() -> Body:
        receivers = [launch(channel.receive) for _ in range(3)]
        yield from yield_()
        for receiver in receivers:
            receiver.cancel()
        job = launch(sender)
        yield from yield_()
        order.append("receives")
        order.append((yield from channel.receive()))
        yield from job.join()

    run_blocking(main)

    assert order == ["receives", 1, "sent"]


def test_a_sender_whose_end_begins_to_be_watched_as_it_waits_leaves_no_mark_behind() -> None:
    channel: Channel[int] = Channel()
    told: list[object] = []

    def sender() -> Body:
        yield from channel.send(1)
        yield from channel.send(2)

    def main() -> Body:
        job = launch(sender)
        yield from yield_()
        job.invoke_on_completion(told.append)
        assert (yield from channel.receive()) == 1
        yield from yield_()
        marks = [node for node in job._nodes or () if node._kind == WAITER]
        assert len(marks) <= 1  # of the wait that is, and none of the one that was
        assert (yield from channel.receive()) == 2
        yield from job.join()
        assert job._nodes is None

    run_blocking(main)

    assert told == [None]
