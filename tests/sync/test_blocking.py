"""The primitives from plain threads (rows H13 and H19): the same line, the same order, an end instead of a hang."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.steer import until
from vmscope import Dispatchers, IllegalStateError, launch, run_blocking, with_context, yield_
from vmscope.sync import (
    Barrier,
    BrokenBarrierError,
    CapacityLimiter,
    Channel,
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    Condition,
    CountDownLatch,
    Event,
    Mutex,
    ReadWriteMutex,
    Semaphore,
    _line,
)
from vmscope.sync._line import Parked

Body = Generator[Any, Any, None]
PATIENCE = 10.0


class Threads:
    """Runs functions on threads of their own and tells how each ended."""

    def __init__(self) -> None:
        self.started: list[threading.Thread] = []
        self.outcomes: dict[str, object] = {}

    def run(self, name: str, function: Callable[..., object], *args: Any) -> None:
        def body() -> None:
            try:
                self.outcomes[name] = function(*args)
            except BaseException as error:  # noqa: BLE001  (it is what the test looks at)
                self.outcomes[name] = error

        thread = threading.Thread(target=body, name=name)
        self.started.append(thread)
        thread.start()

    def join(self) -> dict[str, object]:
        for thread in self.started:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{thread.name} hangs"
        return self.outcomes


def test_a_thread_and_a_coroutine_meet_in_a_channel() -> None:
    channel: Channel[int] = Channel()
    back: Channel[int] = Channel()
    threads = Threads()

    def echo() -> int:
        count = 0
        while True:
            try:
                back.send_blocking(channel.receive_blocking(PATIENCE) * 2, PATIENCE)
            except ClosedReceiveChannelError:
                return count
            count += 1

    def main() -> Generator[Any, Any, list[int]]:
        found = []
        for n in range(20):
            yield from channel.send(n)
            found.append((yield from back.receive()))
        channel.close()
        return found

    threads.run("echo", echo)
    found = run_blocking(main)

    assert found == [n * 2 for n in range(20)]
    assert threads.join() == {"echo": 20}


def test_threads_and_coroutines_stand_in_one_line() -> None:
    channel: Channel[int] = Channel()
    threads = Threads()
    got: list[int] = []

    def main() -> Body:
        def receive() -> Body:
            got.append((yield from channel.receive()))

        first = launch(receive)
        yield from yield_()
        threads.run("second", channel.receive_blocking, PATIENCE)
        until(lambda: channel.statistics().receivers == 2)
        third = launch(receive)
        yield from yield_()
        for n in (1, 2, 3):
            yield from channel.send(n)
        yield from first.join()
        yield from third.join()

    run_blocking(main)

    assert threads.join() == {"second": 2}
    assert got == [1, 3]


def test_a_thread_that_waits_ends_with_the_close_and_with_the_cancellation() -> None:
    receiving: Channel[int] = Channel()
    sending: Channel[int] = Channel()
    threads = Threads()
    threads.run("receive", receiving.receive_blocking)
    threads.run("send", sending.send_blocking, 1)
    until(lambda: receiving.statistics().receivers + sending.statistics().senders == 2)

    receiving.close()
    sending.cancel("enough")

    outcomes = threads.join()
    assert isinstance(outcomes["receive"], ClosedReceiveChannelError)
    assert str(outcomes["send"]) == "enough"


def test_a_send_that_timed_out_was_not_sent_and_its_element_goes_to_the_hook() -> None:
    lost: list[int] = []
    channel: Channel[int] = Channel(on_undelivered=lost.append)

    with pytest.raises(TimeoutError, match="send_blocking"):
        channel.send_blocking(1, timeout=0)
    with pytest.raises(TimeoutError):
        channel.receive_blocking(timeout=0)

    assert lost == [1]
    assert channel.statistics()[2:4] == (0, 0)


def test_a_blocking_send_to_a_closed_channel_raises() -> None:
    channel: Channel[int] = Channel()
    channel.close()

    with pytest.raises(ClosedSendChannelError):
        channel.send_blocking(1)


@pytest.mark.parametrize(("timeout", "error"), [("1", TypeError), (True, TypeError), (float("nan"), ValueError)])
def test_what_is_no_timeout_is_refused(timeout: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="timeout"):
        Channel[int]().receive_blocking(timeout)


def test_a_blocking_send_with_room_does_not_wait() -> None:
    """H13"""
    channel: Channel[int] = Channel(1)

    channel.send_blocking(1, timeout=0)

    assert channel.receive_blocking(timeout=0) == 1


def test_ctrl_c_takes_a_thread_out_of_the_line() -> None:
    """H13: what comes later is for the others."""
    channel: Channel[int] = Channel()
    threads = Threads()

    def interrupt() -> None:
        until(lambda: channel.statistics().receivers == 1)
        _thread.interrupt_main()

    threads.run("interrupt", interrupt)
    with pytest.raises(KeyboardInterrupt):
        channel.receive_blocking(PATIENCE)

    threads.join()
    assert channel.statistics().receivers == 0
    assert channel.try_send(1).is_failure


def sleeping(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object], end: BaseException | None) -> None:
    """Let a sleep end as its time is up, or with `end`, after something came `meanwhile`: in the same moment."""

    class Slept(Parked):
        __slots__ = ()

        def sleep(self, seconds: float) -> bool:
            meanwhile()
            if end is not None:
                raise end
            return False

    monkeypatch.setattr(_line, "Parked", Slept)


def test_an_element_that_comes_in_the_moment_of_a_ctrl_c_goes_to_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """H13, H7"""
    lost: list[int] = []
    channel: Channel[int] = Channel(on_undelivered=lost.append)
    sleeping(monkeypatch, lambda: channel.try_send(7), KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        channel.receive_blocking()

    assert lost == [7]


def test_a_close_in_the_moment_of_a_ctrl_c_is_no_element(monkeypatch: pytest.MonkeyPatch) -> None:
    """H13: the interrupt is what is raised, and no hook is told."""
    lost: list[object] = []
    channel: Channel[int] = Channel(on_undelivered=lost.append)
    sleeping(monkeypatch, channel.close, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        channel.receive_blocking()

    assert lost == []


def test_what_comes_as_the_time_is_up_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """H13: an element, a lock; the answer is what happened, not what the clock says."""
    channel: Channel[int] = Channel()
    sleeping(monkeypatch, lambda: channel.try_send(7), None)
    assert channel.receive_blocking(0.1) == 7

    mutex = Mutex(locked=True)
    sleeping(monkeypatch, mutex.unlock, None)
    assert mutex.acquire_blocking(0.1)
    assert mutex.is_locked


LOCKS: list[Callable[[], Any]] = [
    Mutex,
    lambda: Semaphore(1),
    lambda: CapacityLimiter(1),
    lambda: ReadWriteMutex().write,
    Condition,
]


@pytest.mark.parametrize("make", LOCKS)
def test_a_lock_held_by_a_coroutine_keeps_a_thread_out_until_it_is_given_back(make: Callable[[], Any]) -> None:
    lock = make()
    inside: list[str] = []
    threads = Threads()

    def work() -> None:
        with lock.blocking(PATIENCE):
            inside.append("thread")

    async def main() -> None:
        async with lock:
            threads.run("thread", work)
            entered = lock.acquire_blocking
            assert not await with_context(Dispatchers.IO, lambda: _other_thread(lambda: entered(timeout=0)))
            inside.append("coroutine")

    run_blocking(main)

    threads.join()
    assert inside == ["coroutine", "thread"]
    assert lock.acquire_blocking(timeout=0)


def _other_thread(function: Callable[[], object]) -> object:
    threads = Threads()
    threads.run("other", function)
    return threads.join()["other"]


def test_many_threads_and_coroutines_exclude_each_other() -> None:
    mutex = Mutex()
    count = [0]
    threads = Threads()

    def add() -> None:
        for _ in range(100):
            with mutex.blocking():
                seen = count[0]
                count[0] = seen + 1

    async def also() -> None:
        for _ in range(100):
            async with mutex:
                seen = count[0]
                await yield_()
                count[0] = seen + 1

    def main() -> Body:
        for n in range(3):
            threads.run(f"t{n}", add)
        jobs = [launch(also, context=Dispatchers.Default) for _ in range(3)]
        for job in jobs:
            yield from job.join()

    run_blocking(main)

    threads.join()
    assert count == [600]
    assert not mutex.is_locked


def test_blocking_raises_where_its_time_is_up() -> None:
    mutex = Mutex(locked=True)

    with pytest.raises(TimeoutError), mutex.blocking(timeout=0):
        raise AssertionError("entered")

    mutex.unlock()
    assert not mutex.is_locked


def test_threads_wait_for_an_event_and_a_latch() -> None:
    event, latch = Event(), CountDownLatch(2)
    threads = Threads()
    threads.run("event", event.wait_blocking, PATIENCE)
    threads.run("latch", latch.wait_blocking, PATIENCE)
    assert not event.wait_blocking(timeout=0)

    event.set()
    latch.count_down()
    latch.count_down()

    assert threads.join() == {"event": True, "latch": True}
    assert event.wait_blocking(timeout=0)


def test_threads_and_a_coroutine_meet_at_a_barrier() -> None:
    barrier = Barrier(3)
    threads = Threads()

    def main() -> Generator[Any, Any, int]:
        for n in range(2):
            threads.run(f"t{n}", barrier.wait_blocking, PATIENCE)
        until(lambda: barrier.statistics().waiting == 2)
        return (yield from barrier.wait())

    mine = run_blocking(main)

    assert mine == 2
    assert sorted(threads.join().values()) == [0, 1]  # type: ignore[type-var]


def test_an_aborted_barrier_lets_a_thread_go() -> None:
    barrier = Barrier(2)
    threads = Threads()
    threads.run("waits", barrier.wait_blocking)
    until(lambda: barrier.statistics().waiting == 1)

    barrier.abort()

    assert isinstance(threads.join()["waits"], BrokenBarrierError)


def test_a_thread_waits_on_a_condition_with_its_mutex_given_back() -> None:
    condition = Condition()
    ready: list[int] = []
    threads = Threads()

    def wait() -> list[int]:
        with condition.blocking(PATIENCE):
            while not ready:
                assert condition.wait_blocking(PATIENCE)
            assert condition.mutex.is_locked
            return ready

    async def main() -> None:
        threads.run("waits", wait)
        await with_context(Dispatchers.IO, lambda: until(lambda: condition.statistics().waiting == 1))
        async with condition:
            ready.append(1)
            condition.notify()

    run_blocking(main)

    assert threads.join() == {"waits": [1]}
    with condition.blocking(timeout=0):
        assert not condition.wait_blocking(timeout=0)
    with pytest.raises(IllegalStateError, match="lock its mutex"):
        condition.wait_blocking()
    with condition.blocking(timeout=0):
        with pytest.raises(TypeError, match="timeout"):
            condition.wait_blocking("1")  # type: ignore[arg-type]
        assert condition.mutex.is_locked, "it was never given back"
