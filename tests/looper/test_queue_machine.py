"""MessageQueue against the plainest thing it could be: a list, sorted when asked."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vmscope.looper import MessageQueue

from .notes import AsyncNote, Note, VirtualClock

DELAYS = st.sampled_from([-3.0, -1.0, 0.0, 0.5, 1.0, 1.0, 2.0, float("inf")])  # few values, so that ties happen


class QueueMachine(RuleBasedStateMachine):
    """Model: `waiting`, a list of (when, order, note); `order` counts up, for posts in front it counts down.

    A barrier is an entry like the others; what is due behind the first one waits unless it is asynchronous.
    """

    @initialize(start=st.sampled_from([0.0, 5.0]))
    def begin(self, start: float) -> None:
        self.clock = VirtualClock(start)
        self.queue = MessageQueue(self.clock)
        self.waiting: list[tuple[float, int, object]] = []
        self.order = 0
        self.log: list[object] = []
        self.expected: list[object] = []
        self.gone = False

    def note(self, asynchronous: bool) -> Note:
        self.order += 1
        return (AsyncNote if asynchronous else Note)(self.order, self.log)

    @rule(asynchronous=st.booleans())
    def put(self, asynchronous: bool) -> None:
        note = self.note(asynchronous)
        assert self.queue.put(note) is not self.gone
        if not self.gone:
            self.waiting.append((self.clock.now, self.order, note))

    @rule(delay=DELAYS, asynchronous=st.booleans())
    def put_at(self, delay: float, asynchronous: bool) -> None:
        note, when = self.note(asynchronous), self.clock.now + delay
        if when == 0.0 and delay:
            return  # the front of the queue: put_front has it
        assert self.queue.put_at(note, when) is not self.gone
        if not self.gone:
            self.waiting.append((when, self.order, note))

    @rule(by_time=st.booleans())
    def put_front(self, by_time: bool) -> None:
        note = self.note(False)
        taken = self.queue.put_at(note, 0) if by_time and self.clock.now else self.queue.put_front(note)
        assert taken is not self.gone
        if not self.gone:
            self.waiting.append((0.0, -self.order, note))

    @precondition(lambda self: any(when > self.clock.now for when, _, _ in self.waiting))
    @rule(data=st.data(), again=st.booleans())
    def remove(self, data: st.DataObject, again: bool) -> None:
        timed = [entry for entry in self.waiting if entry[0] > self.clock.now and isinstance(entry[2], Note)]
        if not timed:
            return
        entry = data.draw(st.sampled_from(timed))
        self.waiting.remove(entry)
        note = entry[2]
        assert isinstance(note, Note)
        self.queue.remove(note)
        if again:  # the same object, at once: its old place must be forgotten
            self.order += 1
            assert self.queue.put_at(note, self.clock.now + 0.5) is not self.gone
            if not self.gone:
                self.waiting.append((self.clock.now + 0.5, self.order, note))

    @precondition(lambda self: not self.gone)
    @rule(delay=st.sampled_from([None, -1.0, 1.0]))
    def bar(self, delay: float | None) -> None:
        when = self.clock.now + (delay or 0.0)
        if when == 0.0 and delay:
            return
        self.order += 1
        token = self.queue.post_sync_barrier(None if delay is None else when)
        self.waiting.append((when, self.order, token))

    @rule(data=st.data())
    def unbar(self, data: st.DataObject) -> None:
        barriers = [entry for entry in self.waiting if isinstance(entry[2], int)]
        if barriers and not self.gone:
            entry = data.draw(st.sampled_from(barriers))
            self.waiting.remove(entry)
            assert isinstance(entry[2], int)
            self.queue.remove_sync_barrier(entry[2])

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    def take_one(self) -> bool:
        """The model's run of the next item; False where none is due."""
        stalled = False
        for entry in sorted(self.waiting, key=lambda entry: entry[:2]):
            when, _, note = entry
            if when > self.clock.now:
                return False
            if isinstance(note, int):
                stalled = True
            elif isinstance(note, Note) and (note.asynchronous or not stalled):
                self.waiting.remove(entry)
                self.expected.append(note.name)
                return True
        return False

    @rule()
    def run_one(self) -> None:
        before = len(self.log)
        while self.queue.run_due(0.0) == 0.0 and len(self.log) == before:
            pass  # taking up a barrier is a turn, too
        self.take_one()

    @rule()
    def run_all(self) -> None:
        seconds = self.queue.run_due()
        while self.take_one():
            pass
        if not self.gone and not any(isinstance(note, int) for _, _, note in self.waiting):
            first = min((when for when, _, _ in self.waiting), default=float("inf"))
            assert seconds == (None if first == float("inf") else first - self.clock.now)

    @precondition(lambda self: not self.gone and not any(isinstance(note, int) for _, _, note in self.waiting))
    @rule()
    def quit_safely(self) -> None:
        for when, _, note in sorted(self.waiting, key=lambda entry: entry[:2]):
            if when > self.clock.now and isinstance(note, Note):
                self.expected.append(f"-{note.name}")
        self.waiting = [entry for entry in self.waiting if entry[0] <= self.clock.now]
        self.queue.quit(safely=True)
        self.gone = True
        self.run_all()

    @precondition(lambda self: not self.gone)
    @rule()
    def quit(self) -> None:
        self.queue.quit()
        for _, _, note in sorted(self.waiting, key=lambda entry: entry[:2]):
            if isinstance(note, Note):
                self.expected.append(f"-{note.name}")
        self.waiting = []
        self.gone = True

    @invariant()
    def everything_ran_in_order(self) -> None:
        assert self.log == self.expected

    @invariant()
    def what_is_pending_is_known(self) -> None:
        pending = [item.name for item in self.queue._snapshot() if isinstance(item, Note)]
        in_order = sorted(self.waiting, key=lambda entry: entry[:2])
        model = [note.name for _, _, note in in_order if isinstance(note, Note)]
        assert pending == model

    @invariant()
    def little_garbage_is_kept(self) -> None:
        assert len(self.queue._heap) <= 2 * len(self.waiting) + 64 or self.queue._timed


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
