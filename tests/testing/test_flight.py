"""What is in flight: looked at from another thread, before each line of ours that the thread at work comes to.

A look that says "nothing" where somebody is about to go on lets virtual time jump over what he does.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path

import pytest

from tests.steer import beside, held_elsewhere
from vmscope import (
    CompletableDeferred,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    Job,
    async_,
    await_all,
    coroutine_scope,
    current_job,
    delay,
    launch,
    non_cancellable,
)
from vmscope.coroutines import _job
from vmscope.coroutines._suspend import Continuation
from vmscope.flow import EventFlow, MutableSharedFlow, MutableStateFlow, _events
from vmscope.sync import Channel, Condition, Mutex, _select, select
from vmscope.testing import (
    Sequencer,
    StandardTestDispatcher,
    TestScheduler,
    UnconfinedTestDispatcher,
    _checks,
    wait_until_idle,
)
from vmscope.testing._flight import UNKNOWN, in_flight

HOME = _job.__file__.removesuffix("_job.py")
ROOMS = (HOME, str(Path(_select.__file__).parent), str(Path(_events.__file__).parent), _checks.__file__)
NOBODY = frozenset()


class World:
    """A scheduler, a scope on it, and a gate that another thread opens."""

    def __init__(self) -> None:
        self.scheduler = TestScheduler()
        self.scope = CoroutineScope(Job() + StandardTestDispatcher(self.scheduler))
        self.gate = CompletableDeferred()
        self.seen: list[object] = []

    def launch(self, block, *args):
        """Launch on the scheduler, and let all that is due run."""
        job = self.scope.launch(block, *args)
        self.scheduler.run_current()
        return job

    def look(self, *jobs: Job) -> object:
        return in_flight(jobs or self.scheduler.known(), self.scheduler._queue, NOBODY)[0]

    def look_before_each_line_of(self, action: Callable[[], object], while_true: Callable[[], bool]) -> None:
        """Do `action` on another thread, and look from here while `while_true()` and nothing has come back."""

        def on_line(frame, event, arg):
            if event == "line" and while_true() and not self.scheduler._queue.has_due():
                looking = threading.Thread(target=lambda: self.seen.append(self.look()))
                looking.start()
                looking.join()
            return on_line

        traced(action, on_line, (HOME,))


def traced(action: Callable[[], object], on_line: Callable[..., object], rooms: tuple[str, ...]) -> None:
    """Do `action` on another thread, with `on_line` as the tracer of all functions in `rooms`."""

    def work():
        sys.settrace(lambda frame, event, arg: on_line if frame.f_code.co_filename.startswith(rooms) else None)
        try:
            action()
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def joins(world):
    def body():
        yield from world.gate.join()

    return world.launch(body), world.gate


def awaits(world):
    def body():
        yield from world.gate.await_()

    return world.launch(body), world.gate


def awaits_all(world):
    other = CompletableDeferred()
    other.complete()

    def body():
        yield from await_all(world.gate, async_(delay, 0), other)

    return world.launch(body), world.gate


def waits_for_the_children_of_a_block(world):
    inside = []

    def block():
        inside.append(Job(current_job()))

    def body():
        yield from coroutine_scope(block)

    job = world.launch(body)
    world.gate = inside[0]
    return job, world.gate


def waits_for_its_children(world):
    def body():
        world.gate = Job(current_job())

    return world.launch(body), world.gate


def waits_for_its_turn(world):
    first = Job()

    async def turn(seconds):
        if not seconds:
            await first.join()

    world.scheduler.watch(world.scope.coroutine_context[Job])  # as run_test does with its own
    world.scope.launch_queued(turn, 0, context=UnconfinedTestDispatcher(world.scheduler))  # ends where `first` does
    second = world.scope.launch_queued(turn, 1)
    world.scheduler.run_current()
    return second, first


def is_the_child_of_a_job_that_waits(world):
    def body():
        world.gate = Job(between)

    between = Job(world.scope.coroutine_context[Job])
    world.launch(body)
    between.complete()
    waits = world.launch(between.join)
    return waits, world.gate


@pytest.mark.parametrize(
    "waits",
    [
        joins,
        awaits,
        awaits_all,
        waits_for_the_children_of_a_block,
        waits_for_its_children,
        is_the_child_of_a_job_that_waits,
        waits_for_its_turn,
    ],
)
def test_from_the_end_of_a_job_on_who_waits_for_it_is_in_flight_until_he_is_back(waits):
    world = World()
    job, gate = waits(world)
    assert world.look() is None

    world.look_before_each_line_of(gate.complete, lambda: gate.is_completed and not job.is_completed)

    assert world.seen, "nobody looked"
    assert None not in world.seen, world.seen
    world.scheduler.advance_until_idle()
    assert job.is_completed


class Beginning:
    """A wait that a coroutine of the test begins on another thread, and what happens as that enters `at`."""

    def __init__(
        self, wait: Callable[[], object], meanwhile: Callable[[], object] = list, at: object = Continuation._start
    ) -> None:
        self.wait = wait
        self.meanwhile = meanwhile
        self.at = at.__name__


def a_delay():
    return Beginning(lambda: delay(5))


def a_timeout_of_select():
    return Beginning(lambda: select(lambda s: s.on_timeout(5)))


def a_receive():
    channel = Channel(1)
    return Beginning(channel.receive, lambda: channel.try_send(1))


def a_send():
    channel = Channel(1)
    channel.try_send(1)
    return Beginning(lambda: channel.send(2), channel.try_receive)


def a_select():
    channel = Channel(1)
    return Beginning(
        lambda: select(lambda s: s.on_receive(channel)), lambda: channel.try_send(1), at=_select._Select._stand_in_lines
    )


def a_lock():
    mutex = Mutex()
    mutex.try_lock()
    return Beginning(mutex.lock, mutex.unlock)


def a_notice():
    """The mutex is given back once the wait stands; then it is another's turn, which the same thread sees to."""
    condition = Condition()

    async def other():
        await condition.mutex.lock()
        await delay(5)

    async def block():
        async with condition:
            launch(other)
            await condition.wait()

    return Beginning(lambda: coroutine_scope(block))


def a_state():
    state = MutableStateFlow(0)
    return Beginning(lambda: state.first(bool), lambda: setattr(state, "value", 1))


def a_shared_value():
    flow = MutableSharedFlow(replay=1)
    return Beginning(flow.first, lambda: flow.try_emit(1))


def an_emit():
    flow = MutableSharedFlow(extra_buffer=1)
    # It takes the first value at once, and no other: one that runs on a worker may make room at any time.
    slow = CoroutineScope(Job() + Dispatchers.Unconfined).launch(flow.collect, lambda _: delay(inf))
    while flow.try_emit(1):
        pass

    def makes_room():
        elsewhere = threading.Thread(target=slow.cancel)  # here it would wait for the step that this thread is in
        elsewhere.start()
        elsewhere.join()

    return Beginning(lambda: flow.emit(2), makes_room)


def an_event():
    flow = EventFlow()
    return Beginning(flow.first, lambda: flow.send(1))


def a_turn():
    sequencer = Sequencer()

    async def second():
        async with sequencer(1):
            pass

    async def first():
        async with sequencer(0):
            pass

    meanwhile = partial(CoroutineScope(Job()).launch, first, start=CoroutineStart.UNDISPATCHED)
    return Beginning(second, meanwhile, at=Continuation._suspend)


def idleness():
    return Beginning(wait_until_idle)


@pytest.mark.parametrize(
    "begin",
    [
        a_delay, a_timeout_of_select, a_receive, a_send, a_select, a_lock, a_notice, a_state, a_shared_value, an_emit,
        an_event, a_turn, idleness,
    ],
)  # fmt: skip
def test_a_wait_that_begins_on_another_thread_is_in_flight_until_nothing_changes_there_by_itself(begin):
    """Whenever a look finds nothing, all is as it will be when that thread has left."""
    world, beginning = World(), begin()
    log, looks, met = [], [], []

    async def body():
        log.append("begun")
        await beginning.wait()
        log.append("over")

    def on_line(frame, event, arg):
        if log:
            if frame.f_code.co_name == beginning.at and not met:
                met.append(frame)
                beginning.meanwhile()
            looking = threading.Thread(target=lambda: looks.append((world.look(), now())))
            looking.start()
            looking.join()
        return on_line

    def now():
        return len(log), len(world.scheduler._queue._entries), len(world.scheduler._idle)

    scope = world.scope + UnconfinedTestDispatcher(world.scheduler)
    traced(lambda: scope.launch(body), on_line, ROOMS)

    assert met, "it never came there"
    assert looks[0][0] is not None
    assert looks[-1] == (None, now())
    assert {state for found, state in looks if found is None} == {now()}
    scope.cancel()


def test_where_somebody_is_at_work_in_a_tree_nothing_is_known():
    world = World()
    job = world.launch(delay, 1)

    with held_elsewhere(job._lock):
        assert world.look() is UNKNOWN

    assert world.look() is None


def test_who_waits_for_a_job_that_ends_as_the_look_comes_to_it_is_in_flight():
    world, ended = World(), threading.Event()
    world.gate.invoke_on_completion(lambda cause: ended.set())  # told before who waits: for him the tree is needed
    job = world.launch(world.gate.await_)
    ending = threading.Thread(target=world.gate.complete)

    def end():
        ending.start()
        ended.wait(10)

    lock = beside(world.gate, end, taken=1)
    found = world.look()
    ending.join()

    assert lock.met
    assert found is job


def test_what_ends_before_the_look_comes_to_it_is_not_in_flight():
    world = World()
    ended = world.launch(list)
    assert ended.is_completed

    assert world.look(ended, world.launch(delay, 1)) is None


def test_who_waits_for_room_is_not_in_flight():
    world, flow = World(), MutableSharedFlow(extra_buffer=1)
    world.launch(flow.collect, lambda _: delay(1))
    assert flow.try_emit(1)
    world.scheduler.run_current()  # else it would take that one next, and make room
    while flow.try_emit(1):
        pass
    emitter = world.launch(flow.emit, 2)

    assert world.look(emitter) is None
    assert emitter.is_active, "it found room"


def test_a_lazy_coroutine_is_not_in_flight():
    world = World()
    world.scope.launch(delay, 1, start=CoroutineStart.LAZY)
    world.launch(delay, 1)

    assert world.look() is None


def test_in_which_order_the_coroutines_are_known_makes_no_difference():
    world = World()
    inside = []

    def shielded():
        inside.append(launch(delay, 2))
        yield from delay(1)

    job = world.launch(non_cancellable, shielded)
    (child,) = inside
    assert child._lock is not job._lock

    assert world.look(job, child) is None
    assert world.look(child, job) is None
