"""Races of what stands on the core: slots, channels, locks, flows. Read like `programs.py`."""

from __future__ import annotations

from typing import Any

from vmscope import (
    CancellationException,
    CompletableDeferred,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    Job,
    MessageQueue,
    run_blocking,
)
from vmscope.flow import MutableSharedFlow, MutableStateFlow
from vmscope.sync import Channel, Mutex, Semaphore, select

from .programs import OnQueue


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


def the_first_in_line_is_cancelled_against_unlock():
    mutex, entered = Mutex(True), []

    def body(number):
        yield from mutex.lock()
        entered.append(number)
        mutex.unlock()

    queue = MessageQueue()
    scope = CoroutineScope(OnQueue(queue))
    first, second = scope.launch(body, 1), scope.launch(body, 2)
    queue.run_due()
    yield mutex.unlock, first.cancel
    queue.run_due()
    assert first.is_completed
    assert second.is_completed
    assert entered in ([2], [1, 2])
    assert not mutex.is_locked


def send_against_close_against_cancel():
    lost: list[Any] = []
    channel: Channel[Any] = Channel(on_undelivered=lost.append)
    job = _unconfined().launch(channel.send, "element")
    got: list[Any] = []

    def receive():
        result = channel.try_receive()
        if result.is_success:
            got.append(result.get_or_raise())

    yield receive, channel.close, job.cancel
    assert job.is_completed
    assert got + lost == ["element"]
    assert channel.is_closed_for_receive


def a_send_that_begins_against_close_against_cancel_of_the_channel():
    lost: list[Any] = []
    channel: Channel[Any] = Channel(1, on_undelivered=lost.append)
    said: list[bool] = []

    def send():
        said.append(channel.try_send("element").is_success)

    yield send, channel.close, channel.cancel
    assert lost == ["element"] * said.count(True)
    assert channel.statistics().buffered == 0


def a_send_after_close_is_refused():
    channel: Channel[Any] = Channel(2)
    closed: list[bool] = []
    said: list[tuple[bool, bool]] = []

    def send():
        known = bool(closed)
        said.append((known, channel.try_send("element").is_success))

    def close():
        channel.close()
        closed.append(True)

    yield send, close
    assert said != [(True, True)]
    assert len(run_blocking(channel.to_list)) == said[0][1]


def send_against_receive():
    channel: Channel[Any] = Channel()
    got = []

    def send():
        run_blocking(channel.send, "element")

    def receive():
        got.append(run_blocking(channel.receive))

    yield send, receive
    assert got == ["element"]


def receive_against_cancel_of_the_sender():
    lost: list[Any] = []
    channel: Channel[Any] = Channel(on_undelivered=lost.append)
    got: list[Any] = []
    job = _unconfined().launch(channel.send, "element")
    scope = _unconfined()

    def body():
        got.append((yield from channel.receive()))

    def receive():
        scope.launch(body)

    yield receive, job.cancel
    assert job.is_completed
    assert got + lost == ["element"]
    scope.cancel()


def two_sends_for_one_place():
    channel: Channel[Any] = Channel(1)
    scope = _unconfined()

    def send():
        scope.launch(channel.send, "element")

    yield send, send
    statistics = channel.statistics()
    assert (statistics.buffered, statistics.senders) == (1, 1)
    scope.cancel()


def receive_against_cancel_of_the_one_that_begins_to_wait():
    channel: Channel[Any] = Channel()
    job = _unconfined().launch(channel.receive, start=CoroutineStart.LAZY)
    yield job.start, job.cancel
    assert job.is_completed
    assert not channel.statistics().receivers


def a_child_comes_against_a_send_to_its_parent():
    channel: Channel[Any] = Channel()
    gate = CompletableDeferred[None]()

    def body():
        yield from channel.receive()
        yield from gate.await_()

    job = _unconfined().launch(body)

    def attach():
        Job(job).complete()

    def send():
        channel.try_send("element")

    yield attach, send
    assert not [node for node in job._nodes or () if not isinstance(node, Job) and node.continuation is not job._waiter]
    gate.complete()
    assert job.is_completed


def send_for_room_against_receive():
    channel: Channel[Any] = Channel(1)
    channel.try_send(1)
    got: list[Any] = []

    def send():
        run_blocking(channel.send, 2)

    def receive():
        got.append(run_blocking(channel.receive))

    yield send, receive  # nobody receives the second: there has to be room for it
    assert got == [1]
    assert channel.try_receive().get_or_none() == 2


def select_for_room_against_receive():
    channel: Channel[Any] = Channel(1)
    channel.try_send(1)
    got: list[Any] = []

    def send():
        run_blocking(select, lambda builder: builder.on_send(channel, 2))

    def receive():
        got.append(run_blocking(channel.receive))

    yield send, receive
    assert got == [1]
    assert channel.try_receive().get_or_none() == 2


def send_against_a_sender_that_waits_against_receive():
    channel: Channel[Any] = Channel(1)
    channel.try_send(1)
    got: list[Any] = []
    _unconfined().launch(channel.send, 2)

    def send():
        channel.try_send(3)

    def receive():
        got.append(run_blocking(channel.receive))

    yield send, receive
    while (result := channel.try_receive()).is_success:
        got.append(result.get_or_raise())
    assert got == [1, 2]


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

    queue = MessageQueue()
    job = CoroutineScope(OnQueue(queue)).launch(body)
    queue.run_due()

    def send():
        ended.append(channel.try_send("element").is_success)

    yield send, job.cancel
    queue.run_due()
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


def value_against_value_against_collect():
    flow = MutableStateFlow(0)
    seen: list[int] = []
    scope = _unconfined()

    def collect():
        scope.launch(flow.collect, seen.append)

    def change():
        flow.value = 1

    def change_twice():
        flow.value = 2
        flow.value = 3

    yield collect, change, change_twice
    assert seen[-1] == flow.value in (1, 3)
    assert len(seen) == len(set(seen))  # each value was set once: one that came again would be a step back
    scope.cancel()


def a_collector_of_a_state_begins_to_wait_against_cancel():
    job = _unconfined().launch(MutableStateFlow(0).collect, start=CoroutineStart.LAZY)
    yield job.start, job.cancel
    assert job.is_completed


def a_collector_of_events_begins_to_wait_against_cancel():
    job = _unconfined().launch(MutableSharedFlow[int](1).collect, start=CoroutineStart.LAZY)
    yield job.start, job.cancel
    assert job.is_completed


def value_against_cancel_of_the_collector():
    flow = MutableStateFlow(0)
    ended: list[Any] = []

    def collect():
        try:
            yield from flow.collect()
        finally:
            ended.append(None)

    job = _unconfined().launch(collect)

    def change():
        flow.value = 1

    yield change, job.cancel
    assert job.is_completed
    assert ended == [None]


def emit_against_subscribe():
    flow = MutableSharedFlow[int](replay=1)
    seen: list[int] = []
    scope = _unconfined()

    def collect():
        scope.launch(flow.collect, seen.append)

    def emit():
        run_blocking(flow.emit, 1)

    yield collect, emit
    assert seen == [1]
    assert flow.subscription_count.value == 1
    scope.cancel()
    assert flow.subscription_count.value == 0


def emit_against_a_collector_that_leaves():
    flow = MutableSharedFlow[int]()
    seen: list[int] = []
    slow, gate = [], CompletableDeferred[None]()
    scope = _unconfined()

    def collect_slowly(value):
        slow.append(value)
        yield from gate.await_()

    scope.launch(flow.collect, seen.append)
    job = scope.launch(flow.collect, collect_slowly)

    def emit():
        run_blocking(flow.emit, 1)
        run_blocking(flow.emit, 2)

    yield emit, job.cancel
    assert seen == [1, 2]
    assert slow in ([], [1])
    scope.cancel()


def emit_against_cancel_of_the_emitter():
    flow = MutableSharedFlow[int](extra_buffer=1)
    gate = CompletableDeferred[None]()
    seen: list[int] = []
    scope = _unconfined()

    def collect(value):
        seen.append(value)
        yield from gate.await_()

    scope.launch(flow.collect, collect)
    run_blocking(flow.emit, 1)  # the collector has it
    run_blocking(flow.emit, 2)  # in the buffer
    emitter = scope.launch(flow.emit, 3, start=CoroutineStart.LAZY)
    yield emitter.start, emitter.cancel
    assert emitter.is_completed
    gate.complete()
    assert seen == [1, 2]
    assert flow.try_emit(4)
    assert seen == [1, 2, 4]
    scope.cancel()


def emit_for_room_against_a_batch_that_is_gone_through():
    flow = MutableSharedFlow[int](extra_buffer=3)
    gates = {value: CompletableDeferred[None]() for value in (1, 3, 4)}
    seen: list[int] = []

    def collect(value):
        seen.append(value)
        if value in gates:
            yield from gates[value].await_()

    scope = _unconfined()
    scope.launch(flow.collect, collect)
    for value in (1, 2, 3, 4):
        assert flow.try_emit(value)
    gates[1].complete()  # it gets a batch of three, and stops at the second
    assert flow.try_emit(5)
    assert flow.try_emit(6)

    emitters = []

    def emit():
        emitters.append(scope.launch(flow.emit, 7))

    yield emit, gates[3].complete
    assert emitters[0].is_completed  # there is room once the collector has the fourth, whatever it does with that
    gates[4].complete()
    assert seen == [1, 2, 3, 4, 5, 6, 7]
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


# ---- slots


def launch_queued_against_the_end_of_the_one_at_work():
    scope = _unconfined()
    gate = CompletableDeferred[None]()
    ran: list[int] = []

    async def work(number):
        if not number:
            await gate.await_()
        ran.append(number)

    scope.launch_queued(work, 0)

    def press():
        scope.launch_queued(work, 1)

    yield press, gate.complete
    assert ran == [0, 1]
    scope.cancel()
    assert scope.coroutine_context[Job].is_completed


def launch_dropping_twice():
    scope = _unconfined()
    gate = CompletableDeferred[None]()
    began: list[None] = []

    async def work():
        began.append(None)
        await gate.await_()

    def press():
        scope.launch_dropping(work)

    yield press, press
    assert len(began) == 1
    gate.complete()
    scope.cancel()
    assert scope.coroutine_context[Job].is_completed


def one_that_waits_in_a_slot_is_cancelled_against_its_turn():
    scope = _unconfined()
    gate = CompletableDeferred[None]()
    ran: list[int] = []

    async def work(number):
        if not number:
            await gate.await_()
        ran.append(number)

    scope.launch_queued(work, 0)
    second = scope.launch_queued(work, 1)
    third = scope.launch_queued(work, 2)
    yield gate.complete, second.cancel
    assert ran in ([0, 2], [0, 1, 2])
    assert second.is_completed
    assert third.is_completed


def two_launch_the_latest():
    scope = _unconfined()
    gate = CompletableDeferred[None]()
    done: list[int] = []

    async def work(number):
        await gate.await_()
        done.append(number)

    def press():
        scope.launch_latest(work, 1)

    def press_too():
        scope.launch_latest(work, 2)

    yield press, press_too
    gate.complete()
    assert len(done) == 1
    scope.cancel()
    assert scope.coroutine_context[Job].is_completed
