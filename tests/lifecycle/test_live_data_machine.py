"""LiveData against a model, with observers that set values, come, go and move owners while they are told.

Each value that is set is the next whole number. So the model needs three facts for each observer: whether it is there,
whose lifecycle it follows, and the number that it was told of last.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.lifecycle.owners import Owner
from tests.virtual_main import VMain
from vmscope.lifecycle import MutableLiveData, State

OWNERS = 3
ACTS = 25  # done from inside observers in one run: enough to meet each other, few enough to end
UP = (State.STARTED, State.RESUMED)


class Act(NamedTuple):
    """What an observer does when it is told of a value; each of its acts is done once."""

    kind: str
    index: int
    state: State


ACT = st.builds(
    Act,
    st.sampled_from(["set", "set", "add", "remove", "remove itself", "move"]),
    st.integers(0, 5),
    st.sampled_from([State.CREATED, State.STARTED, State.RESUMED]),
)


class Watched:
    """An observer with its place in the model. `owner` is None for one who observes for ever."""

    def __init__(self, machine: LiveDataMachine, owner: int | None, acts: list[Act]) -> None:
        self.machine = machine
        self.owner = owner
        self.acts = list(acts)
        self.there = True
        self.told = -1

    def on_value(self, value: int) -> None:
        self.machine.told(self, value)


class Live(MutableLiveData[int]):
    def __init__(self, log: list[bool]) -> None:
        super().__init__()
        self.log = log

    def on_active(self) -> None:
        self.log.append(True)

    def on_inactive(self) -> None:
        self.log.append(False)


class LiveDataMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.main = VMain()
        self.main.__enter__()
        self.activity: list[bool] = []
        self.live = Live(self.activity)
        self.owners = [Owner(State.CREATED) for _ in range(OWNERS)]
        self.observers: list[Watched] = []
        self.value = -1  # none yet
        self.done = 0

    def teardown(self) -> None:
        self.main.__exit__(None, None, None)

    # ---- the model

    def present(self) -> list[Watched]:
        return [each for each in self.observers if each.there]

    def is_up(self, who: Watched) -> bool:
        return who.owner is None or self.owners[who.owner].lifecycle.current_state in UP

    def told(self, who: Watched, value: int) -> None:
        assert who.there, "told after its removal"
        assert self.is_up(who), "told while its owner is below STARTED"
        assert value == self.value, "told of an old value"
        assert value > who.told, "told twice"
        who.told = value
        acts, who.acts = who.acts, []
        for act in acts:
            if self.done < ACTS:
                self.done += 1
                self.do(who, act)

    def do(self, who: Watched, act: Act) -> None:
        if act.kind == "set":
            self.set()
        elif act.kind == "add":
            self.add(act.index if act.index < OWNERS else None, [])
        elif act.kind == "remove" and self.present():
            self.remove(self.present()[act.index % len(self.present())])
        elif act.kind == "remove itself" and who.there:
            self.remove(who)
        elif act.kind == "move":
            self.move(act.index % OWNERS, act.state)

    def set(self) -> None:
        self.value += 1
        self.live.value = self.value

    def add(self, owner: int | None, acts: list[Act]) -> None:
        new = Watched(self, owner, acts)
        self.observers.append(new)
        if owner is None:
            self.live.observe_forever(new.on_value)
        else:
            new.there = self.owners[owner].lifecycle.current_state is not State.DESTROYED
            self.live.observe(self.owners[owner], new.on_value)

    def remove(self, who: Watched) -> None:
        who.there = False
        self.live.remove_observer(who.on_value)

    def move(self, owner: int, state: State) -> None:
        if self.owners[owner].lifecycle.current_state is not State.DESTROYED:
            self.owners[owner].lifecycle.current_state = state

    # ---- what happens to it

    @rule(owner=st.none() | st.integers(0, OWNERS - 1), acts=st.lists(ACT, max_size=3))
    def an_observer_comes(self, owner: int | None, acts: list[Act]) -> None:
        self.add(owner, acts)

    @precondition(lambda self: self.present())
    @rule(data=st.data())
    def an_observer_goes(self, data: st.DataObject) -> None:
        self.remove(data.draw(st.sampled_from(self.present())))

    @rule()
    def a_value_is_set(self) -> None:
        self.set()

    @rule()
    def two_values_are_posted(self) -> None:
        self.live.post_value(self.value + 1)
        self.live.post_value(self.value + 2)
        self.value += 2
        self.main.run_current()

    @rule(owner=st.integers(0, OWNERS - 1), state=st.sampled_from([State.CREATED, State.STARTED, State.RESUMED]))
    def an_owner_moves(self, owner: int, state: State) -> None:
        self.move(owner, state)

    @rule(owner=st.integers(0, OWNERS - 1))
    def an_owner_is_destroyed(self, owner: int) -> None:
        for each in self.present():
            if each.owner == owner:
                each.there = False
        self.move(owner, State.DESTROYED)

    @invariant()
    def whoever_is_up_knows_the_newest_value(self) -> None:
        assert all(each.told == self.value for each in self.present() if self.is_up(each))

    @invariant()
    def it_is_active_while_anybody_who_is_up_observes(self) -> None:
        up = any(self.is_up(each) for each in self.present())
        assert self.live.has_active_observers is up
        assert self.live.has_observers is bool(self.present())
        assert self.activity == [number % 2 == 0 for number in range(len(self.activity))], "they take turns"
        assert (len(self.activity) % 2 == 1) is up


LiveDataMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=12)
TestLiveData = LiveDataMachine.TestCase
