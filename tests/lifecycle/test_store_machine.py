"""The store and its provider against a model that is plainly right: a dict of keys, and a count for each ViewModel."""

from __future__ import annotations

from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vmscope import ViewModel, ViewModelProvider, ViewModelStore

KEYS = st.sampled_from(["a", "b"])


class Counted(ViewModel):
    made: list[Counted] = []

    def __init__(self) -> None:
        self.cleared = 0
        Counted.made.append(self)

    def on_cleared(self) -> None:
        self.cleared += 1


class Feed(Counted):
    pass


class SubFeed(Feed):
    pass


class Other(Counted):
    pass


CLASSES = st.sampled_from([Feed, SubFeed, Other])


class StoreMachine(RuleBasedStateMachine):
    """Model: `kept`, what the store must hold; all that was ever made and is not kept was cleared once."""

    def __init__(self) -> None:
        super().__init__()
        Counted.made = []
        self.store = ViewModelStore()
        self.kept: dict[str, Counted] = {}

    @rule(key=KEYS, cls=CLASSES)
    def ask(self, key: str, cls: Any) -> None:
        got = ViewModelProvider(self.store).get(cls, key)

        if isinstance(self.kept.get(key), cls):
            assert got is self.kept[key]
        else:
            assert type(got) is cls
            assert got is Counted.made[-1]
        self.kept[key] = got

    @rule(key=KEYS, cls=CLASSES)
    def put(self, key: str, cls: Any) -> None:
        self.kept[key] = cls()
        self.store.put(key, self.kept[key])

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        assert self.store.get(key) is self.kept.get(key)

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.kept = {}

    @invariant()
    def nothing_lives_outside_the_store(self) -> None:
        assert self.store.keys() == set(self.kept)
        living = set(map(id, self.kept.values()))
        assert [one.cleared for one in Counted.made] == [0 if id(one) in living else 1 for one in Counted.made]


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
