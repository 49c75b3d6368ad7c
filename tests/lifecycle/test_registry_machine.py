"""The registry against a model, with observers that add, remove and move from inside what they are told.

The model holds for each observer when it came, whether it is still there, and the state that it was told of last. From
these alone follows what may be told next, and by whom: that is checked at each single call.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.lifecycle.owners import Owner
from vmscope.lifecycle import Event, LifecycleOwner, State

LIMIT = 30  # observers that may ever be there: scripts add more


class Act(NamedTuple):
    """What an observer does when it is told of `at`; one that it adds does `inner`."""

    at: Event
    kind: str
    index: int
    state: State
    inner: list[Act]


def acts(inner: st.SearchStrategy[list[Act]]) -> st.SearchStrategy[list[Act]]:
    act = st.builds(
        Act,
        st.sampled_from([Event.ON_CREATE, Event.ON_START, Event.ON_RESUME, Event.ON_PAUSE, Event.ON_STOP]),
        st.sampled_from(["add", "remove", "remove itself", "add instead of itself", "move"]),
        st.integers(0, 5),
        st.sampled_from([State.CREATED, State.STARTED, State.RESUMED, State.DESTROYED]),
        inner,
    )
    return st.lists(act, max_size=3)


ACTS = acts(acts(st.just([])))


class Watched:
    """An observer with its place in the model; each of its acts is done once."""

    def __init__(self, machine: RegistryMachine, number: int, acts: list[Act]) -> None:
        self.machine = machine
        self.number = number
        self.acts = list(acts)
        self.state = State.INITIALIZED
        self.there = True

    def on_state_changed(self, owner: LifecycleOwner, event: Event) -> None:
        self.machine.told(self, event)


class RegistryMachine(RuleBasedStateMachine):
    @initialize(several=st.lists(ACTS, min_size=2, max_size=4))
    def begin(self, several: list[list[Act]]) -> None:
        self.owner = Owner()
        self.observers: list[Watched] = []
        self.state = State.INITIALIZED  # that was asked for last
        self.limits: list[State] = []  # of the events that are being told of, outermost first
        self.log: list[tuple[int, Event]] = []
        for each in several:
            self.add(each)

    # ---- the model

    def present(self) -> list[Watched]:
        return [each for each in self.observers if each.there]

    def told(self, who: Watched, event: Event) -> None:
        assert who.there, "told after its removal"
        up = Event.up_from(who.state) is event
        assert up or Event.down_from(who.state) is event, f"{event} does not follow on {who.state}"
        assert up == (who.state < self.state), f"{event} leads away from {self.state}"
        place = self.present().index(who)
        if up:
            assert all(each.state >= event.target_state for each in self.present()[:place]), "overtook one before it"
            assert not self.limits or event.target_state <= self.limits[-1], "went beyond what its parent is told of"
        else:
            newer = [each.state for each in self.present()[place + 1 :] if each.state is not State.INITIALIZED]
            assert all(state <= event.target_state for state in newer), "left one above it"
            assert not self.limits, "down is gone from the outermost call alone"
        self.log.append((who.number, event))
        before, who.state = who.state, event.target_state if not up else who.state
        self.limits.append(before if up else event.target_state)
        for act in [each for each in who.acts if each.at is event]:
            who.acts.remove(act)
            self.do(who, act)
        self.limits.pop()
        who.state = event.target_state

    def do(self, who: Watched, act: Act) -> None:
        if act.kind == "remove" and self.present():
            self.remove(self.present()[act.index % len(self.present())])
        if act.kind in ("remove itself", "add instead of itself") and who.there:
            self.remove(who)
        if act.kind in ("add", "add instead of itself"):
            self.add(act.inner)
        if act.kind == "move":
            self.move(act.state)

    def add(self, acts: list[Act]) -> None:
        if len(self.observers) == LIMIT:
            return
        new = Watched(self, len(self.observers), acts)
        if self.state is State.DESTROYED:
            new.state = State.DESTROYED
        self.observers.append(new)
        self.owner.lifecycle.add_observer(new)
        limit = min([self.state, *self.limits[-1:], *(each.state for each in self.present() if each is not new)])
        assert not new.there or new.state >= limit or self.state is State.DESTROYED, "not brought up far enough"

    def remove(self, who: Watched) -> None:
        who.there = False
        self.owner.lifecycle.remove_observer(who)

    def move(self, state: State) -> None:
        if self.state is State.DESTROYED or (self.state is State.INITIALIZED and state is State.DESTROYED):
            return  # refused, which has tests of its own
        self.state = state
        self.owner.lifecycle.current_state = state

    # ---- what happens to it

    @rule(acts=ACTS)
    def an_observer_comes(self, acts: list[Act]) -> None:
        self.add(acts)

    @precondition(lambda self: self.present())
    @rule(data=st.data())
    def an_observer_goes(self, data: st.DataObject) -> None:
        self.remove(data.draw(st.sampled_from(self.present())))

    @rule(state=st.sampled_from([State.CREATED, State.STARTED, State.RESUMED]))
    def it_moves(self, state: State) -> None:
        plain = not any(each.acts for each in self.observers)
        expected = self.calls(state)
        self.log.clear()
        self.move(state)
        if plain:
            assert self.log == expected

    @precondition(lambda self: self.state >= State.CREATED)
    @rule()
    def it_is_destroyed(self) -> None:
        self.move(State.DESTROYED)

    def calls(self, state: State) -> list[tuple[int, Event]]:
        """What a move calls, in which order, where no observer acts."""
        if self.state is State.DESTROYED:
            return []
        present = self.present()
        steps: list[tuple[int, Event]] = []
        for who in present if state > self.state else reversed(present):
            at = who.state
            while at is not state:
                event = Event.up_from(at) if at < state else Event.down_from(at)
                assert event is not None
                steps.append((who.number, event))
                at = event.target_state
        return steps

    @invariant()
    def all_are_where_the_registry_is(self) -> None:
        assert self.owner.lifecycle.current_state is self.state
        assert self.owner.lifecycle.current_state_flow.value is self.state
        if self.state is State.DESTROYED:  # who was told of nothing has nothing to end
            assert {each.state for each in self.present()} <= {State.DESTROYED, State.INITIALIZED}
        else:
            assert {each.state for each in self.present()} <= {self.state}
            assert self.owner.lifecycle.observer_count == len(self.present())


RegistryMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=8)
TestRegistry = RegistryMachine.TestCase
