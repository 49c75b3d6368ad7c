"""Races of what stands on the core: channels, locks, flows. Read like `programs.py`."""

from __future__ import annotations

from typing import Any

from vmscope import CancellationException, CoroutineScope, Dispatchers, Job, run_blocking
from vmscope.flow import MutableSharedFlow, MutableStateFlow
from vmscope.sync import Channel, Mutex, Semaphore, select


def _unconfined() -> CoroutineScope:
    return CoroutineScope(Dispatchers.Unconfined)


def two_coroutines_take_one_mutex():
    mutex, log = Mutex(), []

    def body():
        yield from mutex.lock()
        log.append("in")
        log.append("out")
        mutex.unlock()

    def take():
        run_blocking(body)

    yield take, take
    assert log == ["in", "out"] * 2
    assert not mutex.is_locked


def unlock_against_cancel_of_the_one_that_waits():
    mutex, ended = Mutex(True), []

    def body():
        yield from mutex.lock()
        ended.append("held")
        mutex.unlock()

    job = _unconfined().launch(body)
    yield mutex.unlock, job.cancel
    assert job.is_completed
    assert not mutex.is_locked
    assert ended in ([], ["held"])


def release_against_two_that_wait():
    permits, held = Semaphore(1, 1), []

    def body():
        yield from permits.acquire()
        held.append(permits.available_permits)
        permits.release()

    scope = _unconfined()
    scope.launch(body)
    scope.launch(body)
    yield permits.release, scope.cancel
    assert permits.available_permits == 1
    assert scope.coroutine_context[Job].is_completed


def send_against_receive():
    channel: Channel[Any] = Channel()
    got = []

    def send():
        run_blocking(channel.send, "element")

    def receive():
        got.append(run_blocking(channel.receive))

    yield send, receive
    assert got == ["element"]


def two_sends_against_two_receives():
    channel: Channel[Any] = Channel(1)
    got: list[Any] = []

    def send():
        run_blocking(channel.send, "element")

    def receive():
        got.append(run_blocking(channel.receive))

    yield send, receive, send, receive
    assert got == ["element"] * 2


def send_against_close():
    channel: Channel[Any] = Channel(1)
    said = []

    def send():
        said.append(channel.try_send("element").is_success)

    yield send, channel.close
    result = channel.try_receive()
    assert result.is_success == said[0]
    assert channel.is_closed_for_send


def receive_against_close():
    channel: Channel[Any] = Channel()
    said = []

    def receive():
        said.append(run_blocking(channel.receive_catching).is_closed)

    yield receive, channel.close
    assert said == [True]


def what_is_sent_is_received_or_undelivered():
    lost: list[Any] = []
    channel: Channel[Any] = Channel(on_undelivered=lost.append)
    got: list[Any] = []
    ended: list[Any] = []

    def body():
        got.append((yield from channel.receive()))

    job = _unconfined().launch(body)

    def send():
        ended.append(channel.try_send("element").is_success)

    yield send, job.cancel
    assert job.is_completed
    assert len(got) + len(lost) == ended.count(True)


def select_takes_one_of_two():
    first: Channel[Any] = Channel()
    second: Channel[Any] = Channel()
    got = []

    def body():
        def clauses(builder):
            builder.on_receive(first, got.append)
            builder.on_receive(second, got.append)

        yield from select(clauses)

    job = _unconfined().launch(body)
    said = []

    def send():
        said.append(first.try_send(1).is_success)

    def send_too():
        said.append(second.try_send(2).is_success)

    yield send, send_too
    assert sorted(said) == [False, True]
    assert len(got) == 1
    assert job.is_completed


def two_updates_of_a_state_flow():
    flow = MutableStateFlow(0)

    def update():
        flow.update(lambda value: value + 1)

    yield update, update
    assert flow.value == 2


def a_collector_sees_the_last_value():
    flow = MutableStateFlow(0)
    seen: list[int] = []
    job = _unconfined().launch(flow.collect, seen.append)

    def first():
        flow.value = 1

    def second():
        flow.value = 2

    yield first, second
    assert seen[-1] == flow.value
    job.cancel()
    assert job.is_completed


def a_collector_comes_against_a_new_value():
    flow = MutableStateFlow(0)
    seen: list[int] = []
    scope = _unconfined()

    def collect():
        scope.launch(flow.collect, seen.append)

    def change():
        flow.value = 1

    yield collect, change
    assert seen in ([0, 1], [1])
    scope.cancel()


def emit_against_cancel_of_the_collector():
    flow: Any = MutableSharedFlow()
    seen: list[int] = []
    job = _unconfined().launch(flow.collect, seen.append)

    def emit():
        run_blocking(flow.emit, 1)

    yield emit, job.cancel
    assert job.is_completed
    assert seen in ([], [1])
    assert isinstance(job.get_cancellation_exception(), CancellationException)
