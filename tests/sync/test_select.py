"""select and its variants (rows H14, H15)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from functools import partial
from math import inf
from typing import Any

import pytest

from tests.steer import beside
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CompletableDeferred,
    CoroutineDispatcher,
    CoroutineScope,
    CoroutineStart,
    Deferred,
    DeferredCancelledError,
    Dispatchers,
    HandlerThread,
    IllegalStateError,
    Job,
    SupervisorJob,
    as_dispatcher,
    async_,
    await_cancellation,
    current_context,
    current_job,
    delay,
    launch,
    run_blocking,
    yield_,
)
from vmscope.looper import MessageQueue
from vmscope.sync import (
    Channel,
    ClosedReceiveChannelError,
    Mutex,
    ProducerScope,
    SelectBuilder,
    produce,
    select,
    select_unbiased,
    while_select,
)

Body = Generator[Any, Any, None]


class Broken(Exception):
    pass


def test_exactly_one_clause_wins_and_the_losers_keep_what_they_have() -> None:
    a: Channel[int] = Channel(1)
    b: Channel[int] = Channel(1)
    full: Channel[int] = Channel(1)

    def main() -> Generator[Any, Any, object]:
        a.try_send(1)
        b.try_send(2)
        full.try_send(3)
        return (
            yield from select(
                lambda s: (s.on_send(full, 4), s.on_receive(a, lambda x: ("a", x)), s.on_receive(b, lambda x: ("b", x)))
            )
        )

    assert run_blocking(main) == ("a", 1)
    assert b.try_receive().get_or_none() == 2
    assert full.statistics()[:3] == (1, 1, 0)


def test_what_a_losing_clause_would_have_sent_goes_to_the_hook() -> None:
    lost: list[int] = []
    full: Channel[int] = Channel(on_undelivered=lost.append)

    def main() -> Body:
        ready: Channel[int] = Channel(1)
        ready.try_send(0)
        yield from select(lambda s: (s.on_receive(ready), s.on_send(full, 1)))
        ready.try_send(0)
        yield from select(lambda s: (s.on_send(full, 2), s.on_receive(ready)))
        job = launch(select, lambda s: s.on_send(full, 3))
        yield from yield_()
        job.cancel()

    run_blocking(main)

    assert lost == [2, 3]


def test_join_await_lock_and_timeout_are_clauses_too() -> None:
    with VMain() as main:
        seen: list[object] = []

        def body() -> Body:
            job = launch(delay, 5)
            answer = async_(lambda: 42)
            mutex = Mutex(locked=True)
            seen.append((yield from select(lambda s: (s.on_join(job, lambda: "join"), s.on_timeout(9)))))
            seen.append((yield from select(lambda s: s.on_await(answer))))
            seen.append((yield from select(lambda s: (s.on_lock(mutex), s.on_timeout(2, lambda: "timeout")))))
            mutex.unlock()
            seen.append((yield from select(lambda s: s.on_lock(mutex, lambda: mutex.holds_lock("me"), owner="me"))))
            seen.append((yield from select(lambda s: (s.on_timeout(0, lambda: "now"), s.on_lock(mutex)))))
            with pytest.raises(IllegalStateError, match="already locked"):
                yield from select(lambda s: s.on_lock(mutex, owner="me"))

        CoroutineScope(Dispatchers.Main).launch(body)
        main.advance(100)

    assert seen == ["join", 42, "timeout", True, "now"]
    assert main.now == 100


def test_the_timer_of_a_losing_timeout_is_taken_back() -> None:
    with VMain() as main:

        def body() -> Body:
            channel: Channel[int] = Channel()
            launch(channel.send, 1)
            yield from select(lambda s: (s.on_timeout(1000), s.on_receive(channel)))

        CoroutineScope(Dispatchers.Main).launch(body)
        main.advance(1)

        assert main.looper.queue.peek_when() is None


def test_a_failure_is_raised_by_the_select_and_a_block_may_suspend() -> None:
    def main() -> Generator[Any, Any, int]:
        failed: CompletableDeferred[int] = CompletableDeferred()
        failed.complete_exceptionally(Broken("why"))
        with pytest.raises(Broken, match="why"):
            yield from select(lambda s: s.on_await(failed))
        cancelled: CompletableDeferred[int] = CompletableDeferred()
        cancelled.cancel()
        with pytest.raises(DeferredCancelledError):
            yield from select(lambda s: s.on_await(cancelled))
        closed: Channel[int] = Channel()
        closed.close()
        with pytest.raises(ClosedReceiveChannelError):
            yield from select(lambda s: s.on_receive(closed))
        ready: Channel[int] = Channel(1)
        ready.try_send(1)

        async def later(x: int) -> int:
            await yield_()
            return x + 1

        found: int = yield from select(lambda s: s.on_receive(ready, later))
        return found

    assert run_blocking(main) == 2


def test_a_lazy_job_is_started_by_being_asked_and_not_by_being_declared() -> None:
    def main() -> Body:
        ready: Channel[int] = Channel(1)
        ready.try_send(1)
        lazy = async_(lambda: 5, start=CoroutineStart.LAZY)

        first = yield from select(lambda s: (s.on_receive(ready), s.on_await(lazy)))
        asleep = not lazy.is_active
        second = yield from select(lambda s: (s.on_await(lazy), s.on_receive(ready)))

        assert (first, asleep, second) == (1, True, 5)

    run_blocking(main)


def test_an_element_for_a_select_that_was_cancelled_before_it_ran_goes_to_the_hook() -> None:
    lost: list[int] = []
    mutex = Mutex(locked=True)

    def main() -> Body:
        channel: Channel[int] = Channel(on_undelivered=lost.append)
        job = launch(select, lambda s: (s.on_receive(channel), s.on_timeout(100)))
        locking = launch(select, lambda s: s.on_lock(mutex))
        yield from yield_()
        assert channel.try_send(1).is_success
        mutex.unlock()
        job.cancel()
        locking.cancel()

    run_blocking(main)

    assert lost == [1]
    assert not mutex.is_locked


def test_a_ready_clause_wins_in_a_cancelled_coroutine_and_a_waiting_one_raises() -> None:
    seen: list[object] = []

    def body() -> Body:
        channel: Channel[int] = Channel(1)
        channel.try_send(1)
        current_job().cancel("gone")
        seen.append((yield from select(lambda s: s.on_receive(channel))))
        try:
            yield from select(lambda s: s.on_receive(channel))
        except CancellationException as cancelled:
            seen.append(cancelled.message)
        seen.append(channel.statistics().receivers)

    def main() -> Body:
        yield from launch(body).join()

    run_blocking(main)

    assert seen == [1, "gone", 0]


def test_two_selects_meet_and_two_that_look_both_ways_do_not_meet_themselves() -> None:
    def main() -> Body:
        a: Channel[int] = Channel()
        b: Channel[int] = Channel()
        got: list[object] = []

        def one() -> Body:
            got.append((yield from select(lambda s: (s.on_send(a, 1, lambda: "sent a"), s.on_receive(b)))))

        def two() -> Body:
            got.append((yield from select(lambda s: (s.on_send(b, 2, lambda: "sent b"), s.on_receive(a)))))

        first, second = launch(one), launch(two)
        yield from first.join()
        yield from second.join()
        assert got in (["sent a", 1], [1, "sent a"], [2, "sent b"], ["sent b", 2])
        assert (a.statistics()[2:4], b.statistics()[2:4]) == ((0, 0), (0, 0))

    run_blocking(main)


def test_select_unbiased_starves_nobody_and_while_select_ends_with_false() -> None:
    def main() -> Body:
        a: Channel[str] = Channel(200)
        b: Channel[str] = Channel(200)
        for _ in range(200):
            a.try_send("a")
            b.try_send("b")
        winners = set()
        for _ in range(200):
            winners.add((yield from select_unbiased(lambda s: (s.on_receive(a), s.on_receive(b)))))
        assert winners == {"a", "b"}

        numbers: Channel[int] = Channel(5)
        for n in range(5):
            numbers.try_send(n)
        seen: list[int] = []

        def until_three(n: int) -> bool:
            seen.append(n)
            return n < 3

        yield from while_select(lambda s: s.on_receive(numbers, until_three))
        assert seen == [0, 1, 2, 3]

    run_blocking(main)


def test_what_select_cannot_wait_for_is_refused() -> None:
    def suspends(s: Any) -> Generator[Any, Any, None]:
        yield from yield_()

    def main() -> Body:
        channel: Channel[int] = Channel()
        with pytest.raises(TypeError, match="on_receive"):
            yield from select(lambda s: s.on_receive(3))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="function"):
            yield from select(lambda s: s.on_receive(channel, 3))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="suspends"):
            yield from select(suspends)
        with pytest.raises(IllegalStateError, match="same object"):
            yield from select(lambda s: (s.on_receive(channel), s.on_receive(channel)))
        assert channel.statistics().receivers == 0
        with pytest.raises(TypeError, match="builder"):
            select(3)  # type: ignore[arg-type]

    run_blocking(main)


def test_a_select_without_clauses_waits_to_be_cancelled() -> None:
    def main() -> Body:
        job = launch(select, lambda s: None)
        yield from yield_()
        assert job.is_active
        job.cancel()
        yield from job.join()

    run_blocking(main)


def test_selects_on_many_threads_lose_no_element_and_take_none_twice() -> None:
    a: Channel[int] = Channel()
    b: Channel[int] = Channel()
    got: list[int] = []
    guard = threading.Lock()
    count = 200

    def consumer() -> Body:
        while True:
            result = yield from select_unbiased(lambda s: (s.on_receive_catching(a), s.on_receive_catching(b)))
            if result.is_closed:
                return
            with guard:
                got.append(result.get_or_none())

    def either(n: int, s: SelectBuilder) -> None:
        s.on_send(a, n).on_send(b, n)

    def producer(start: int) -> Body:
        for n in range(start, start + count):
            yield from select(partial(either, n))

    def main() -> Body:
        consumers = [launch(consumer, context=Dispatchers.Default) for _ in range(3)]
        producers = [launch(producer, k * count, context=Dispatchers.Default) for k in range(3)]
        for job in producers:
            yield from job.join()
        a.close()
        b.close()
        for job in consumers:
            yield from job.join()

    run_blocking(main)

    assert sorted(got) == list(range(3 * count))


# -- what other threads do while it comes to stand in its lines (H14): each window entered on purpose


def selecting(*clauses: Callable[[SelectBuilder], object]) -> Any:
    return select(lambda s: [clause(s) for clause in clauses])


@pytest.mark.parametrize("released", [1, 2], ids=["before it stands in line", "before it hears of the end"])
def test_a_job_that_ends_while_a_select_asks_the_others_wins(released: int) -> None:
    job: CompletableDeferred[int] = CompletableDeferred()
    channel: Channel[int] = Channel()
    lock = beside(channel, lambda: job.complete(5), released=released)

    assert run_blocking(selecting, lambda s: s.on_await(job), lambda s: s.on_receive(channel)) == 5
    assert lock.met
    assert channel.statistics().receivers == 0


def test_an_element_that_comes_after_its_clause_was_asked_is_taken() -> None:
    channel: Channel[int] = Channel(1)
    lock = beside(channel, lambda: channel.try_send(5), released=1)

    assert run_blocking(selecting, lambda s: s.on_receive(channel), lambda s: s.on_timeout(100)) == 5
    assert lock.met


def test_who_wins_while_a_select_still_registers_leaves_nothing_behind() -> None:
    """The job is not told later, and no timer is left."""
    job = Job()
    channel: Channel[int] = Channel()

    with VMain() as main:
        scope = CoroutineScope(Dispatchers.Main + SupervisorJob())
        lock = beside(channel, lambda: channel.try_send(5), released=2)
        found = scope.async_(
            selecting, lambda s: s.on_receive(channel), lambda s: s.on_join(job), lambda s: s.on_timeout(100)
        )
        main.advance(0)

        assert lock.met
        assert found.get_completed() == 5
        assert main.looper.queue.peek_when() is None
        assert not job._nodes
        scope.cancel()


def test_a_select_that_another_thread_cancels_while_it_still_registers_leaves_nothing_behind() -> None:
    """Who cancelled it has had all clauses leave: one that comes later leaves by itself."""
    job = Job()
    channel: Channel[int] = Channel()

    with VMain() as main:
        found = CoroutineScope(Dispatchers.Main).launch(
            selecting, lambda s: s.on_receive(channel), lambda s: s.on_join(job), lambda s: s.on_timeout(100)
        )
        lock = beside(channel, found.cancel, released=2)
        main.advance(0)

        assert lock.met
        assert found.is_cancelled
        assert main.looper.queue.peek_when() is None
        assert not job._nodes


def held_up(scope: CoroutineScope, lost: list[int], channel: Channel[int], clause: str) -> Job:
    """A select that waits to receive, or to send a 9."""
    add: dict[str, Callable[[SelectBuilder], object]] = {
        "receive": lambda s: s.on_receive(channel, lost.append),
        "send": lambda s: s.on_send(channel, 9, lambda: lost.append(-9)),
    }
    return scope.launch(selecting, add[clause])


@pytest.mark.parametrize("window", [{"taken": 2}, {"released": 2}], ids=str)
def test_an_element_for_a_select_that_another_thread_cancels_meanwhile_goes_to_the_hook(window: dict[str, int]) -> None:
    lost: list[int] = []
    channel: Channel[int] = Channel(1, on_undelivered=lost.append)
    got: list[int] = []

    with VMain() as main:
        job = held_up(CoroutineScope(Dispatchers.Main), got, channel, "receive")

        def meanwhile() -> None:
            if "taken" in window:
                channel.try_send(1)
            job.cancel()

        first = beside(channel, lambda: "released" in window and channel.try_send(1), released=1)
        second = beside(channel, meanwhile, **window)
        main.advance(0)
        channel.cancel()

    assert (first.met, second.met) == (True, True)
    assert (lost, got) == ([1], [])


@pytest.mark.parametrize("clause", ["receive", "send"])
def test_a_select_that_is_cancelled_as_it_is_handed_something_tells_the_hook_only_what_is_lost(clause: str) -> None:
    """H7, H14: what a select had sent was received; what it was to receive was not."""
    lost: list[int] = []
    got: list[int] = []
    channel: Channel[int] = Channel(on_undelivered=lost.append)

    with VMain() as main:
        job = held_up(CoroutineScope(Dispatchers.Main), got, channel, clause)
        main.advance(0)
        lock = beside(channel, job.cancel, released=1)
        if clause == "receive":
            assert channel.try_send(1).is_success
        else:
            assert channel.try_receive().get_or_raise() == 9
        main.advance(0)

    assert lock.met
    assert got == []
    assert lost == ([1] if clause == "receive" else [])


def test_a_select_that_is_cancelled_as_its_channel_is_tells_the_hook_once() -> None:
    """H6, H7: by the channel, which has dropped the element."""
    lost: list[int] = []
    channel: Channel[int] = Channel(on_undelivered=lost.append)

    with VMain() as main:
        job = held_up(CoroutineScope(Dispatchers.Main), [], channel, "send")
        main.advance(0)
        lock = beside(channel, job.cancel, released=1)
        channel.cancel()
        main.advance(0)

    assert lock.met
    assert lost == [9]


@pytest.mark.parametrize("window", [{"taken": 2}, {"released": 2}], ids=str)
def test_what_a_cancelled_select_would_have_sent_is_sent_or_told_and_not_both(window: dict[str, int]) -> None:
    """H7, H14: cancelled while the receiver, who came after the select had asked, is about to get it."""
    lost: list[int] = []
    channel: Channel[int] = Channel(1, on_undelivered=lost.append)
    channel.try_send(0)

    with VMain() as main:
        job = held_up(CoroutineScope(Dispatchers.Main), [], channel, "send")
        room = beside(channel, channel.try_receive, released=1)
        lock = beside(channel, job.cancel, **window)
        main.advance(0)

    assert (room.met, lock.met) == (True, True)
    there = channel.try_receive().get_or_none()
    assert [*lost, *([] if there is None else [there])] == [9]


# -- timeouts (H14)


def test_a_timeout_without_end_never_wins_and_takes_no_timer() -> None:
    with VMain() as main:
        scope = CoroutineScope(Dispatchers.Main)
        job = scope.launch(selecting, lambda s: s.on_timeout(inf))
        main.advance(10_000)

        assert job.is_active
        assert main.looper.queue.peek_when() is None
        scope.cancel()
        main.advance(0)


@pytest.mark.parametrize("quit_first", [True, False])
def test_a_select_that_waits_for_the_time_of_a_looper_that_quits_ends_cancelled(quit_first: bool) -> None:
    """Also where the looper has quit already as the select comes to wait; its `finally` runs elsewhere."""
    ended: list[str] = []
    thread = HandlerThread("short-lived")
    thread.start()
    asleep = threading.Event()

    def body() -> Body:
        try:
            if quit_first:
                thread.quit()
                asleep.set()
            else:
                thread.handler.post(asleep.set)
            yield from selecting(lambda s: s.on_timeout(100))
        except CancellationException as cancelled:
            ended.append(str(cancelled))
            raise

    job = CoroutineScope(as_dispatcher(thread.handler)).launch(body)
    assert asleep.wait(10)
    thread.quit()
    run_blocking(job.join)
    thread.join(10)

    assert len(ended) == 1
    assert "rejected" in ended[0]


def test_a_select_that_has_been_served_does_not_end_with_the_timer_that_it_no_longer_needs() -> None:
    """The looper quits between the two: the element is lost with the coroutine, and told to the hook, once."""
    lost: list[int] = []
    channel: Channel[int] = Channel(on_undelivered=lost.append)
    thread = HandlerThread("short-lived")
    thread.start()

    def serve() -> None:
        channel.try_send(5)
        thread.quit()

    job = CoroutineScope(as_dispatcher(thread.handler)).launch(
        selecting, lambda s: s.on_receive(channel), lambda s: s.on_timeout(100)
    )
    thread.handler.post(serve)
    run_blocking(job.join)
    thread.join(10)

    assert job.is_cancelled
    assert lost == [5]


class TwoClocks(CoroutineDispatcher):
    """Runs on the main looper, and counts in one queue of timers after another."""

    def __init__(self, *queues: MessageQueue) -> None:
        self.queues = list(queues)

    def dispatch(self, context: Any, block: Any) -> None:
        Dispatchers.Main.dispatch(context, block)

    def _timers(self) -> MessageQueue:
        return self.queues.pop(0) if len(self.queues) > 1 else self.queues[0]


def test_a_select_for_which_no_clock_is_left_ends_cancelled() -> None:
    first, second = MessageQueue(), MessageQueue()
    with VMain() as main:
        job = CoroutineScope(TwoClocks(first, second)).launch(selecting, lambda s: s.on_timeout(100))
        main.advance(0)
        second.quit()
        first.quit()
        run_blocking(job.join)

    assert "rejected" in str(job.get_cancellation_exception())


def test_a_select_counts_on_where_its_dispatcher_has_another_clock_by_then() -> None:
    """The loop of a run_blocking is over; what was launched there beside it goes on on Default."""
    left: list[Deferred[str]] = []

    def main() -> Body:
        scope = CoroutineScope(current_context()[CoroutineDispatcher] + SupervisorJob())
        left.append(scope.async_(selecting, lambda s: s.on_timeout(0.01, lambda: "the time is up")))
        yield from yield_()

    run_blocking(main)

    assert run_blocking(left[0].await_) == "the time is up"


def test_a_timeout_of_a_select_that_was_refused_ends_for_nobody() -> None:
    """As in the reference, where its time runs from the moment that it is named."""

    def body() -> Body:
        channel: Channel[int] = Channel()
        with pytest.raises(IllegalStateError, match="same object"):
            yield from selecting(
                lambda s: s.on_timeout(100), lambda s: s.on_receive(channel), lambda s: s.on_receive(channel)
            )

    with VMain() as main:
        job = CoroutineScope(Dispatchers.Main).launch(body)
        main.advance(0)
        assert job.is_completed
        main.drain()
        assert main.now == 100


def test_of_two_that_come_in_one_turn_the_first_wins() -> None:
    job = Job()
    channel: Channel[int] = Channel()

    with VMain() as main:
        found = CoroutineScope(Dispatchers.Main).async_(
            selecting, lambda s: s.on_join(job, lambda: "ended"), lambda s: s.on_receive(channel)
        )
        main.advance(0)
        channel.try_send(5)
        job.complete()
        main.advance(0)

    assert found.get_completed() == 5


def test_a_select_takes_the_scope_of_a_producer_for_its_channel() -> None:
    """H14: inside `produce`, sending is a clause, too."""

    def block(producer: ProducerScope[int]) -> Body:
        yield from select(lambda s: s.on_send(producer, 5))

    async def main() -> list[int]:
        return [element async for element in produce(block)]

    assert run_blocking(main) == [5]


def test_a_select_that_is_cancelled_leaves_no_trace() -> None:
    def main() -> Body:
        channel: Channel[int] = Channel()
        mutex = Mutex(locked=True)
        forever = launch(await_cancellation)
        job = launch(select, lambda s: (s.on_receive(channel), s.on_lock(mutex), s.on_join(forever)))
        yield from yield_()
        job.cancel()
        yield from job.join()
        assert channel.statistics().receivers == mutex.statistics().waiting == 0
        assert not channel.try_send(1).is_success
        forever.cancel()

    run_blocking(main)
