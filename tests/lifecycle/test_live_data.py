"""LiveData: who is told of which value, when; activity; values set by those who are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.lifecycle.owners import Owner
from tests.virtual_main import VMain
from vmscope import IllegalStateError
from vmscope.lifecycle import Event, LiveData, MutableLiveData, State
from vmscope.testing import UnconfinedTestDispatcher, main_dispatcher


class Counting(MutableLiveData[Any]):
    """Notes when it becomes active and inactive."""

    def __init__(self, *value: Any) -> None:
        super().__init__(*value)
        self.log: list[str] = []

    def on_active(self) -> None:
        self.log.append("active")

    def on_inactive(self) -> None:
        self.log.append("inactive")


# ---- W1: set and post


def elsewhere(function: Callable[[], object]) -> list[BaseException]:
    """Call it on another thread, and give what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except IllegalStateError as refusal:
            raised.append(refusal)

    thread = threading.Thread(target=run, name="elsewhere")
    thread.start()
    thread.join()
    return raised


def test_a_value_is_set_on_the_main_thread_only(main: VMain) -> None:
    """W1."""
    live = MutableLiveData(1)

    [refusal] = elsewhere(lambda: setattr(live, "value", 2))

    assert "value = ... of <MutableLiveData 1, 0 observers, 0 active> was called on thread 'elsewhere'" in str(refusal)
    assert "use post_value(...)" in str(refusal)
    assert live.value == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda live: live.observe(Owner(), print),
        lambda live: live.observe_forever(print),
        lambda live: live.remove_observer(print),
        lambda live: live.remove_observers(Owner()),
    ],
)
def test_it_is_observed_on_the_main_thread_only(main: VMain, act: Callable[[Any], object]) -> None:
    """W2, W3."""
    assert elsewhere(lambda: act(MutableLiveData(1)))


def test_of_several_posts_before_the_main_threads_turn_the_last_one_is_set(main: VMain) -> None:
    """W1."""
    live, seen = MutableLiveData(0), []
    live.observe_forever(seen.append)

    for value in (1, 2):
        live.post_value(value)
    assert not elsewhere(lambda: live.post_value(3))
    assert (live.value, seen) == (0, [0]), "not before its turn, on the main thread either"
    main.drain()
    live.post_value(4)
    main.drain()

    assert seen == [0, 3, 4]


def test_a_value_that_is_set_after_a_post_is_overtaken_by_it(main: VMain) -> None:
    """W1: the order of the main thread, not of the calls."""
    live, seen = MutableLiveData("first"), []
    live.observe_forever(seen.append)

    live.post_value("posted")
    live.value = "set"
    main.drain()

    assert seen == ["first", "set", "posted"]


def test_a_post_to_a_looper_that_has_quit_is_dropped_and_a_later_one_arrives(main: VMain) -> None:
    """W1: a LiveData may outlive a main looper."""
    live = MutableLiveData(0)
    live.post_value(1)
    main.looper.quit()
    live.post_value(2)
    with VMain() as again:
        live.post_value(3)
        again.drain()

        assert live.value == 3


def test_a_post_without_a_main_thread_is_refused_and_holds_up_no_later_one() -> None:
    """W1."""
    live = MutableLiveData(0)
    with pytest.raises(IllegalStateError, match="there is no main looper"):
        live.post_value(1)
    with VMain() as later:
        live.post_value(2)
        later.drain()

    assert live.value == 2


def test_with_a_test_dispatcher_as_main_a_post_is_there_at_once() -> None:
    """W1."""
    with main_dispatcher(UnconfinedTestDispatcher()):
        live = MutableLiveData(0)
        live.post_value(1)

    assert live.value == 1


def test_before_a_value_is_set_there_is_none() -> None:
    """W1."""
    live: LiveData[int] = LiveData()

    assert live.value is None
    assert not live.is_initialized
    assert LiveData(None).is_initialized
    with pytest.raises(AttributeError):
        live.value = 1  # type: ignore[misc]


# ---- W2: observe


def test_an_observer_is_told_while_its_owner_is_started_and_of_the_newest_at_its_return(main: VMain) -> None:
    """W2."""
    owner, live, seen = Owner(State.CREATED), MutableLiveData(1), []
    live.observe(owner, seen.append)
    live.value = 2
    assert seen == []

    owner.lifecycle.current_state = State.STARTED
    assert seen == [2]
    live.value = 3
    owner.lifecycle.current_state = State.CREATED
    live.value = 4
    live.value = 5
    owner.lifecycle.current_state = State.RESUMED

    assert seen == [2, 3, 5]


def test_at_its_return_an_observer_is_not_told_again_of_what_it_knows(main: VMain) -> None:
    """W2."""
    owner, live, seen = Owner(State.STARTED), MutableLiveData(1), []
    live.observe(owner, seen.append)

    owner.lifecycle.current_state = State.CREATED
    owner.lifecycle.current_state = State.STARTED

    assert seen == [1]


def test_without_a_value_nobody_is_told_and_none_is_a_value(main: VMain) -> None:
    """W2."""
    owner, live, seen = Owner(State.STARTED), MutableLiveData[Any](), []
    live.observe(owner, seen.append)
    assert seen == []

    live.value = None

    assert seen == [None]


def test_with_the_owner_the_observer_goes(main: VMain) -> None:
    """W2."""
    owner, live, seen = Owner(State.STARTED), Counting(1), []
    live.observe(owner, seen.append)

    owner.lifecycle.current_state = State.DESTROYED
    live.value = 2

    assert seen == [1]
    assert not live.has_observers
    assert live.log == ["active", "inactive"]


def test_a_destroyed_owner_is_ignored(main: VMain) -> None:
    """W2."""
    owner, live = Owner(State.CREATED), MutableLiveData(1)
    owner.lifecycle.current_state = State.DESTROYED

    live.observe(owner, print)

    assert not live.has_observers


def test_the_same_observer_for_another_owner_is_refused_and_for_the_same_one_is_one(main: VMain) -> None:
    """W2, W3: two looks at a bound method are one observer."""
    one, other, live, seen = Owner(State.STARTED), Owner(State.STARTED), MutableLiveData(1), []
    live.observe(one, seen.append)
    live.observe(one, seen.append)

    with pytest.raises(ValueError, match="Cannot add the same observer with different lifecycles"):
        live.observe(other, seen.append)
    with pytest.raises(ValueError, match=r"observes .* already, for <LifecycleRegistry started"):
        live.observe_forever(seen.append)
    live.value = 2
    live.remove_observer(seen.append)
    live.observe_forever(seen.append)
    live.observe_forever(seen.append)
    with pytest.raises(ValueError, match="already, for ever"):
        live.observe(one, seen.append)

    assert seen == [1, 2, 2]


def test_what_is_no_function_or_no_owner_is_refused(main: VMain) -> None:
    live = MutableLiveData(1)
    with pytest.raises(TypeError, match=r"observe\(\) takes a function of the value, got 7"):
        live.observe(Owner(), 7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"observe\(\) takes a Lifecycle, or an owner"):
        live.observe("window", print)  # type: ignore[arg-type]


# ---- W3: for ever, and removal


def test_one_who_observes_for_ever_does_so_until_removed(main: VMain) -> None:
    """W3."""
    live, seen = MutableLiveData(1), []
    live.observe_forever(seen.append)
    live.value = 2

    live.remove_observer(seen.append)
    live.remove_observer(seen.append)
    live.value = 3

    assert seen == [1, 2]


def test_all_that_observe_for_an_owner_are_removed_together(main: VMain) -> None:
    """W3."""
    one, other, live, seen = Owner(State.STARTED), Owner(State.STARTED), MutableLiveData[str](), []
    live.observe(one, lambda value: seen.append(f"one {value}"))
    live.observe(one, lambda value: seen.append(f"one again {value}"))
    live.observe(other, lambda value: seen.append(f"other {value}"))

    live.remove_observers(one)
    live.value = "x"

    assert seen == ["other x"]
    assert one.lifecycle.observer_count == 0


# ---- W4: activity


def test_it_is_active_from_the_first_active_observer_to_the_last(main: VMain) -> None:
    """W4."""
    one, other, live = Owner(State.STARTED), Owner(State.CREATED), Counting()
    live.observe(other, lambda value: None)
    assert (live.has_observers, live.has_active_observers, live.log) == (True, False, [])

    live.observe(one, lambda value: None)
    other.lifecycle.current_state = State.STARTED
    one.lifecycle.current_state = State.DESTROYED
    assert live.log == ["active"]
    other.lifecycle.current_state = State.CREATED

    assert live.log == ["active", "inactive"]
    assert (live.has_observers, live.has_active_observers) == (True, False)


def test_each_value_is_told_also_an_equal_one(main: VMain) -> None:
    """W4."""
    live, seen = MutableLiveData(1), []
    live.observe_forever(seen.append)

    live.value = 1
    live.value = 1

    assert seen == [1, 1, 1]


def test_active_and_inactive_take_turns_whoever_comes_and_goes_meanwhile(main: VMain) -> None:
    """W4: one hook is over before the next begins."""
    log: list[str] = []

    def observer(value: object) -> None:
        pass

    class Nested(MutableLiveData[int]):
        def on_active(self) -> None:
            log.append("active begins")
            self.remove_observer(observer)
            log.append("active ends")

        def on_inactive(self) -> None:
            log.append("inactive")

    Nested().observe_forever(observer)

    assert log == ["active begins", "active ends", "inactive"]


# ---- W5: re-entrancy


def test_a_value_that_is_set_by_an_observer_ends_the_round_and_nobody_sees_old_after_new(main: VMain) -> None:
    """W5, F30."""
    live, log = MutableLiveData(0), []

    def first(value: int) -> None:
        log.append(f"first {value}")
        if value == 1:
            live.value = 2
            log.append("set")

    live.observe_forever(first)
    live.observe_forever(lambda value: log.append(f"second {value}"))
    log.clear()
    live.value = 1

    assert log == ["first 1", "set", "first 2", "second 2"]


def test_a_chain_of_values_set_in_observers_does_not_grow_the_stack(main: VMain) -> None:
    """W5."""
    live, seen = MutableLiveData(0), []

    def count(value: int) -> None:
        seen.append(value)
        if value < 5_000:
            live.value = value + 1

    live.observe_forever(count)

    assert seen == list(range(5_001))


def test_an_observer_that_comes_during_a_round_is_told_once(main: VMain) -> None:
    """W5."""
    live, log = MutableLiveData[int](), []

    def late(value: int) -> None:
        log.append(f"late {value}")

    def first(value: int) -> None:
        log.append(f"first {value}")
        live.observe_forever(late)

    live.observe_forever(first)
    live.observe_forever(lambda value: log.append(f"second {value}"))
    live.value = 1

    assert log == ["first 1", "second 1", "late 1"]


def test_an_observer_that_is_removed_during_a_round_is_not_told(main: VMain) -> None:
    """W5."""
    live, log = MutableLiveData[int](), []

    def second(value: int) -> None:
        log.append("second")

    live.observe_forever(lambda value: live.remove_observer(second))
    live.observe_forever(second)
    live.value = 1

    assert log == []


def test_one_whose_owner_was_stopped_in_the_round_is_not_told_before_its_event_has_come(main: VMain) -> None:
    """W2, W5: the lifecycle has moved, its observers have not all been told."""
    owner, live, log = Owner(State.STARTED), MutableLiveData[int](), []
    live.observe(owner, log.append)

    def stop(_owner: object, event: Event) -> None:
        if event is Event.ON_STOP:
            live.value = 1  # this observer stands behind the LiveData's, and goes down first

    owner.lifecycle.add_observer(stop)
    owner.lifecycle.current_state = State.CREATED
    assert log == []
    owner.lifecycle.current_state = State.STARTED

    assert log == [1]


def test_an_owner_that_is_moved_by_the_observer_of_a_value_ends_consistent(main: VMain) -> None:
    """W2, W5."""
    owner, live, log = Owner(State.STARTED), Counting(), []

    def show(value: int) -> None:
        log.append(value)
        owner.lifecycle.current_state = State.CREATED

    live.observe(owner, show)
    live.value = 1
    live.value = 2
    owner.lifecycle.current_state = State.STARTED

    assert log == [1, 2]
    assert live.log == ["active", "inactive"] * 2
    assert not live.has_active_observers


def test_one_that_removes_itself_and_moves_its_owner_up_is_not_told_or_counted_any_more(main: VMain) -> None:
    """W2, W4: the reference makes it active again, for ever."""
    owner, live, log = Owner(State.CREATED), Counting(1), []

    def show(value: int) -> None:
        log.append(value)
        live.value = 2
        live.remove_observer(show)
        owner.lifecycle.current_state = State.RESUMED

    live.observe(owner, show)
    owner.lifecycle.current_state = State.STARTED
    live.value = 3

    assert log == [1]
    assert not live.has_active_observers
    assert live.log == ["active", "inactive"]


def test_what_an_observer_raises_keeps_no_other_from_the_value_and_is_raised_after_it(main: VMain) -> None:
    """W2."""
    live, seen = MutableLiveData[int](), []
    live.observe_forever(lambda value: 1 // value)
    live.observe_forever(seen.append)

    with pytest.raises(ExceptionGroup, match=r"observers of <MutableLiveData 0, 2 observers, 2 active> failed"):
        live.value = 0
    live.value = 1

    assert seen == [0, 1]
