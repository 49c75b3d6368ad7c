"""Channels and locks against models that are plainly right: random acts of many coroutines under one hand-run queue.

The model of a channel is a few lists: what each sender was told was sent, what receivers got, what the hook was told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

from hypothesis import given, settings, strategies as st

from vmscope import CoroutineContext, CoroutineDispatcher, CoroutineScope, Job, SupervisorJob
from vmscope.sync import (
    BufferOverflow,
    Channel,
    ClosedSendChannelError,
    Mutex,
    Semaphore,
    select,
    with_lock,
    with_permit,
)

Body = Generator[Any, Any, None]


class ByHand(CoroutineDispatcher):
    """Queues what is dispatched; a test runs it, one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: deque[Any] = deque()

    def dispatch(self, context: CoroutineContext, block: Any) -> None:
        self.queue.append(block)

    def step(self) -> None:
        if self.queue:
            self.queue.popleft().run()

    def drain(self) -> None:
        while self.queue:
            self.step()


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["send", "receive", "select send", "select receive", "try send", "try receive", "cancel one"] * 3
            + ["step"] * 8
            + ["drain", "close"]
        ),
        st.integers(0, 7),
    ),
    min_size=12, max_size=60,
)
CAPACITIES = st.sampled_from(
    [
        (0, BufferOverflow.SUSPEND),
        (1, BufferOverflow.SUSPEND),
        (3, BufferOverflow.SUSPEND),
        (Channel.UNLIMITED, BufferOverflow.SUSPEND),
        (Channel.CONFLATED, BufferOverflow.SUSPEND),
        (2, BufferOverflow.DROP_OLDEST),
    ]
)


class ChannelRun:
    """One channel, its users, and what became of each element."""

    def __init__(self, capacity: int, overflow: BufferOverflow) -> None:
        self.dispatcher = ByHand()
        self.scope = CoroutineScope(self.dispatcher + SupervisorJob())
        self.lost: list[tuple[int, int]] = []
        self.channel: Channel[tuple[int, int]] = Channel(capacity, overflow, self.lost.append)
        self.unsent: Channel[tuple[int, int]] = Channel()  # nobody sends into it
        self.unread: Channel[tuple[int, int]] = Channel()  # nobody receives from it
        self.jobs: list[Job] = []
        self.offered: list[tuple[int, int]] = []
        self.kept: list[tuple[int, int]] = []  # those that a try_send could not place: still the caller's
        self.got: list[tuple[int, int]] = []
        self.began: set[tuple[int, int]] = set()

    def element(self, sender: int) -> tuple[int, int]:
        element = (sender, len(self.offered))
        self.offered.append(element)
        return element

    def act(self, what: str, who: int) -> None:
        channel = self.channel
        if what == "send":
            self.launch(self.sending, self.element(who))
        elif what == "select send":
            self.launch(self.selecting_to_send, self.element(who))
        elif what == "receive":
            self.launch(self.receiving)
        elif what == "select receive":
            self.launch(self.selecting)
        elif what == "try send":
            element = self.element(who)
            if not channel.try_send(element).is_success:
                self.kept.append(element)
        elif what == "try receive":
            result = channel.try_receive()
            if result.is_success:
                self.got.append(result.get_or_raise())
        elif what == "cancel one" and self.jobs:
            self.jobs[who % len(self.jobs)].cancel()
        elif what == "step":
            self.dispatcher.step()
        elif what == "drain":
            self.dispatcher.drain()
        elif what == "close" and who == 0:
            channel.close()

    def launch(self, block: Callable[..., Any], *args: Any) -> None:
        job = self.scope.launch(block, *args)
        self.jobs.append(job)
        if args:
            job.invoke_on_completion(lambda _: self.never_began(args[0]))

    def never_began(self, element: tuple[int, int]) -> None:
        """A sender that was cancelled before its first step never asked the channel: its element is still its own."""
        if element not in self.began:
            self.kept.append(element)

    def sending(self, element: tuple[int, int]) -> Body:
        self.began.add(element)
        with suppress(ClosedSendChannelError):
            yield from self.channel.send(element)

    def selecting_to_send(self, element: tuple[int, int]) -> Body:
        self.began.add(element)
        with suppress(ClosedSendChannelError):
            yield from select(lambda s: s.on_receive(self.unsent).on_send(self.channel, element))

    def receiving(self) -> Body:
        result = yield from self.channel.receive_catching()
        if result.is_success:
            self.got.append(result.get_or_raise())

    def selecting(self) -> Body:
        result = yield from select(lambda s: s.on_send(self.unread, (0, 0)).on_receive_catching(self.channel))
        if result.is_success:
            self.got.append(result.get_or_raise())

    def end(self) -> None:
        self.dispatcher.drain()
        self.channel.cancel()
        self.scope.cancel()
        self.dispatcher.drain()


@settings(max_examples=150)
@given(CAPACITIES, ACTS)
def test_each_element_is_received_or_told_to_the_hook_exactly_once(
    kind: tuple[int, BufferOverflow], acts: list[tuple[str, int]]
) -> None:
    run = ChannelRun(*kind)

    for act in acts:
        run.act(*act)
    run.end()

    assert sorted(run.got + run.lost + run.kept) == sorted(run.offered)
    assert tuple(run.channel.statistics())[2:4] == (0, 0)


@settings(max_examples=100)
@given(
    CAPACITIES,
    st.lists(st.tuples(st.sampled_from(["try send", "send", "step", "step"]), st.integers(0, 1)), min_size=8),
)
def test_the_elements_of_one_sender_arrive_in_the_order_it_sent_them(
    kind: tuple[int, BufferOverflow], acts: list[tuple[str, int]]
) -> None:
    run = ChannelRun(*kind)

    async def consume() -> None:
        async for element in run.channel:
            run.got.append(element)

    run.scope.launch(consume)
    for act, sender in acts:
        run.act(act, sender)
        if act == "send":
            run.dispatcher.drain()  # its send has begun before the next one is made
    run.dispatcher.drain()

    for sender in (0, 1):
        own = [number for who, number in run.got if who == sender]
        assert own == sorted(own)
    run.end()


@settings(max_examples=100)
@given(
    st.integers(1, 3),
    st.lists(
        st.tuples(st.sampled_from(["ask", "cancel", "step", "step", "release"]), st.integers(0, 9)),
        min_size=12,
        max_size=60,
    ),
)
def test_who_holds_a_permit_is_never_more_than_there_are_and_the_order_is_that_of_asking(
    permits: int, acts: list[tuple[str, int]]
) -> None:
    dispatcher = ByHand()
    scope = CoroutineScope(dispatcher + SupervisorJob())
    lock: Any = Mutex() if permits == 1 else Semaphore(permits)
    asked: list[int] = []
    entered: list[int] = []
    inside: set[int] = set()
    doors: dict[int, Channel[None]] = {}
    jobs: list[Job] = []

    def body(number: int) -> Body:
        asked.append(number)

        def section() -> Body:
            entered.append(number)
            inside.add(number)
            assert len(inside) <= permits
            later = [other for other in asked[asked.index(number) :] if other not in entered]
            assert lock.statistics().waiting <= len(later)  # nobody who asked before stands in the line any more
            try:
                yield from doors[number].receive_catching()
            finally:
                inside.discard(number)

        yield from (with_lock if permits == 1 else with_permit)(lock, section)

    for act, who in acts:
        if act == "ask":
            doors[len(jobs)] = Channel()
            jobs.append(scope.launch(body, len(jobs)))
        elif act == "cancel" and jobs:
            jobs[who % len(jobs)].cancel()
        elif act == "step":
            dispatcher.step()
        elif act == "release" and inside:
            doors[min(inside)].close()
    for door in doors.values():
        door.close()
    dispatcher.drain()

    if permits == 1:  # of several, one may find a permit while an earlier one, who has his, is still on his way
        assert entered == [number for number in asked if number in entered]
    assert not inside
    assert all(job.is_completed for job in jobs)
    assert lock.statistics()[:2] == (0, 0)
