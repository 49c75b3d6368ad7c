"""LifecycleRegistry: who is told what, in which order, also where observers move the lifecycle and each other."""

from __future__ import annotations

import functools
import gc
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.lifecycle.owners import Noting, Owner
from vmscope import IllegalStateError
from vmscope.lifecycle import (
    DefaultLifecycleObserver,
    Event,
    Lifecycle,
    LifecycleEventObserver,
    LifecycleOwner,
    LifecycleRegistry,
    State,
)
from vmscope.testing import StandardTestDispatcher, UnconfinedTestDispatcher, main_dispatcher

if TYPE_CHECKING:
    from tests.virtual_main import VMain

D, I, C, S, R = State  # noqa: E741
UP = (Event.ON_CREATE, Event.ON_START, Event.ON_RESUME)


# ---- Y1: states and events


def test_states_stand_in_order() -> None:
    """Y1."""
    assert [state.name for state in sorted(State)] == ["DESTROYED", "INITIALIZED", "CREATED", "STARTED", "RESUMED"]
    assert S.is_at_least(C)
    assert S.is_at_least(S)
    assert not S.is_at_least(R)


@pytest.mark.parametrize(
    ("function", "answers"),
    [
        (Event.up_from, [None, "on_create", "on_start", "on_resume", None]),
        (Event.up_to, [None, None, "on_create", "on_start", "on_resume"]),
        (Event.down_from, [None, None, "on_destroy", "on_stop", "on_pause"]),
        (Event.down_to, ["on_destroy", None, "on_stop", "on_pause", None]),
    ],
)
def test_the_event_between_two_states_or_none(function: Callable[[State], Event | None], answers: list[Any]) -> None:
    """Y1."""
    assert [event and event.value for event in map(function, State)] == answers


def test_each_of_the_six_events_has_its_target() -> None:
    """Y1."""
    assert [event.target_state for event in Event] == [C, S, R, S, C, D]


# ---- Y2: moves


def both(log: list[str], **acts: Any) -> tuple[Noting, Noting]:
    return Noting("a", log, acts.get("a")), Noting("b", log, acts.get("b"))


def test_up_in_the_order_of_coming_and_down_in_the_reverse_one_step_by_step() -> None:
    """Y2."""
    owner, log = Owner(), []
    for observer in both(log):
        owner.lifecycle.add_observer(observer)

    owner.lifecycle.current_state = S
    owner.lifecycle.handle_event(Event.ON_DESTROY)

    assert log == [
        "a create", "a start", "b create", "b start",
        "b stop", "b destroy", "a stop", "a destroy",
    ]  # fmt: skip
    assert owner.lifecycle.current_state is D
    assert owner.lifecycle.observer_count == 0


def test_the_same_state_again_is_no_event() -> None:
    """Y2."""
    owner, log = Owner(), []
    owner.lifecycle.add_observer(Noting("a", log))

    owner.lifecycle.handle_event(Event.ON_CREATE)
    owner.lifecycle.handle_event(Event.ON_CREATE)

    assert log == ["a create"]


def test_from_initialized_straight_to_destroyed_is_refused_and_changes_nothing() -> None:
    """Y2."""
    owner = Owner()

    with pytest.raises(IllegalStateError, match=r"must be at least CREATED to move to DESTROYED, but was INITIALIZED"):
        owner.lifecycle.handle_event(Event.ON_DESTROY)

    assert owner.lifecycle.current_state is I


@pytest.mark.parametrize("state", [C, S, R])
def test_nothing_leads_out_of_destroyed(state: State) -> None:
    """Y2."""
    owner = Owner(C)
    owner.lifecycle.current_state = D

    with pytest.raises(IllegalStateError, match=f"cannot move to {state.name}: make a new owner"):
        owner.lifecycle.current_state = state

    assert owner.lifecycle.current_state is D


def test_nothing_leads_back_to_initialized() -> None:
    owner = Owner(C)

    with pytest.raises(IllegalStateError, match="cannot move back to INITIALIZED"):
        owner.lifecycle.current_state = I


def test_what_is_no_state_or_event_is_refused() -> None:
    owner = Owner()

    with pytest.raises(TypeError, match=r"handle_event\(\) takes an Event, Event.ON_START say, got 'on_start'"):
        owner.lifecycle.handle_event("on_start")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"takes a State, State.STARTED say, got 3"):
        owner.lifecycle.current_state = 3  # type: ignore[assignment]


def test_a_move_by_an_observer_waits_until_that_has_returned_and_then_reaches_all() -> None:
    """Y2: a is told that it started before b is told that it was created: the second pass begins anew."""
    owner, log = Owner(), []

    def start() -> None:
        owner.lifecycle.handle_event(Event.ON_START)
        log.append("a returns")

    for observer in both(log, a={Event.ON_CREATE: start}):
        owner.lifecycle.add_observer(observer)
    owner.lifecycle.handle_event(Event.ON_CREATE)

    assert log == ["a create", "a returns", "a start", "b create", "b start"]


def test_a_newcomer_that_moves_down_while_it_is_brought_up_never_sees_the_higher_state() -> None:
    """Y2."""
    owner, log = Owner(R), []

    def end() -> None:
        for event in (Event.ON_PAUSE, Event.ON_STOP, Event.ON_DESTROY):
            owner.lifecycle.handle_event(event)

    owner.lifecycle.add_observer(Noting("a", log, {Event.ON_START: end}))

    assert log == ["a create", "a start", "a stop", "a destroy"]


def test_one_that_was_told_of_nothing_when_another_ended_it_all_is_told_nothing() -> None:
    """Y2: nothing leads down from INITIALIZED; the reference gives up there."""
    owner, log = Owner(), []
    for observer in both(log, a={Event.ON_CREATE: lambda: owner.lifecycle.handle_event(Event.ON_DESTROY)}):
        owner.lifecycle.add_observer(observer)

    owner.lifecycle.handle_event(Event.ON_CREATE)

    assert log == ["a create", "a destroy"]
    assert owner.lifecycle.current_state is D


def test_a_change_of_direction_on_the_way_down() -> None:
    """Y2: the newcomer is held below the one before it, which is on its way down and up again."""
    owner, log = Owner(R), []

    def resume() -> None:
        owner.lifecycle.handle_event(Event.ON_RESUME)
        owner.lifecycle.add_observer(Noting("b", log))

    owner.lifecycle.add_observer(Noting("a", log, {Event.ON_PAUSE: resume}))
    log.clear()
    owner.lifecycle.handle_event(Event.ON_PAUSE)

    assert log == ["a pause", "b create", "b start", "a resume", "b resume"]


def test_what_an_observer_raises_keeps_no_other_from_its_events_and_is_raised_after_them() -> None:
    """Y2, Y3: no observer is left behind, and the registry works on."""
    owner, log = Owner(), []

    def fail() -> None:
        raise ZeroDivisionError(f"in {log[-1]}")

    for observer in both(log, a={Event.ON_CREATE: fail, Event.ON_START: fail}):
        owner.lifecycle.add_observer(observer)
    with pytest.raises(ExceptionGroup, match=r"observers of <LifecycleRegistry started, of a Owner> failed") as raised:
        owner.lifecycle.current_state = S

    assert [str(failure) for failure in raised.value.exceptions] == ["in a create", "in a start"]
    assert log == ["a create", "a start", "b create", "b start"]
    owner.lifecycle.current_state = C
    assert log[4:] == ["b stop", "a stop"]


def test_a_ctrl_c_in_an_observer_leaves_at_once_and_the_next_move_catches_up() -> None:
    owner, log = Owner(), []

    def interrupt() -> None:
        raise KeyboardInterrupt

    for observer in both(log, a={Event.ON_CREATE: interrupt}):
        owner.lifecycle.add_observer(observer)
    with pytest.raises(KeyboardInterrupt):
        owner.lifecycle.current_state = C
    assert log == ["a create"]

    owner.lifecycle.current_state = S

    assert log == ["a create", "a start", "b create", "b start"]


# ---- Y3: coming and going


@pytest.mark.parametrize(("state", "told"), [(I, 0), (C, 1), (S, 2), (R, 3)])
def test_a_late_observer_is_told_of_all_that_led_to_the_state_of_now(state: State, told: int) -> None:
    """Y3."""
    owner, seen = Owner(state), []

    owner.lifecycle.add_observer(lambda _owner, event: seen.append(event))

    assert seen == list(UP[:told])


def test_one_that_comes_to_a_destroyed_lifecycle_is_told_nothing() -> None:
    """Y3."""
    owner, log = Owner(C), []
    owner.lifecycle.current_state = D

    owner.lifecycle.add_observer(Noting("a", log))

    assert log == []


def test_a_removal_sends_no_events_that_lead_down() -> None:
    """Y3."""
    owner, log = Owner(R), []
    observer = Noting("a", log)
    owner.lifecycle.add_observer(observer)
    log.clear()

    owner.lifecycle.remove_observer(observer)
    owner.lifecycle.remove_observer(observer)
    owner.lifecycle.current_state = D

    assert log == []


def test_one_that_is_removed_during_an_event_is_not_told_of_it() -> None:
    """Y3."""
    owner, log = Owner(), []
    b = Noting("b", log)
    a = Noting("a", log, {Event.ON_CREATE: lambda: owner.lifecycle.remove_observer(b)})
    for observer in (a, b):
        owner.lifecycle.add_observer(observer)

    owner.lifecycle.current_state = C

    assert log == ["a create"]


def test_one_that_comes_during_an_event_is_brought_to_where_its_parent_was_before() -> None:
    """Y3: c stands behind b, which has not started yet."""
    owner, log = Owner(), []
    c = Noting("c", log)
    for observer in both(log, a={Event.ON_START: lambda: owner.lifecycle.add_observer(c)}):
        owner.lifecycle.add_observer(observer)

    owner.lifecycle.handle_event(Event.ON_CREATE)
    owner.lifecycle.handle_event(Event.ON_START)

    assert log == ["a create", "b create", "a start", "c create", "b start", "c start"]


def test_newcomers_do_not_overtake_a_parent_that_removed_itself() -> None:
    """Y3: nobody stands before b, and still it is not told that it started while a is being told so."""
    owner, log = Owner(R), []

    def leave() -> None:
        owner.lifecycle.remove_observer(a)
        owner.lifecycle.add_observer(Noting("b", log))
        owner.lifecycle.add_observer(Noting("c", log))

    a = Noting("a", log, {Event.ON_START: leave})
    owner.lifecycle.add_observer(a)

    assert log == [
        "a create", "a start", "b create", "c create",
        "b start", "b resume", "c start", "c resume",
    ]  # fmt: skip


def test_a_newcomer_does_not_overtake_the_one_before_it_and_goes_on_where_that_is_removed() -> None:
    """Y3: b, which would hold c back, is removed by c itself."""
    owner, log = Owner(R), []
    b = Noting("b", log)
    c = Noting("c", log, {Event.ON_CREATE: lambda: owner.lifecycle.remove_observer(b)})
    add = owner.lifecycle.add_observer
    add(Noting("a", log, {Event.ON_START: lambda: add(b), Event.ON_RESUME: lambda: add(c)}))

    assert log == ["a create", "a start", "b create", "a resume", "c create", "c start", "c resume"]


def test_on_the_way_down_a_newcomer_is_brought_no_higher_than_where_its_parent_goes() -> None:
    """Y3."""
    owner, log = Owner(S), []
    c = Noting("c", log)
    for observer in both(log, b={Event.ON_STOP: lambda: owner.lifecycle.add_observer(c)}):
        owner.lifecycle.add_observer(observer)
    log.clear()

    owner.lifecycle.handle_event(Event.ON_STOP)
    owner.lifecycle.handle_event(Event.ON_DESTROY)

    assert log == ["b stop", "c create", "a stop", "c destroy", "b destroy", "a destroy"]


def test_all_are_removed_on_the_way_down() -> None:
    """Y3."""
    owner, log = Owner(R), []
    several: list[Noting] = []

    def clear() -> None:
        for each in several:
            owner.lifecycle.remove_observer(each)

    several += [Noting("a", log), Noting("b", log, {Event.ON_STOP: clear}), Noting("c", log)]
    for each in several:
        owner.lifecycle.add_observer(each)
    log.clear()
    owner.lifecycle.current_state = C

    assert log == ["c pause", "c stop", "b pause", "b stop"]
    assert owner.lifecycle.observer_count == 0


def test_an_observer_that_takes_itself_out_and_puts_itself_in_again_is_told_of_nothing_twice() -> None:
    """Y3: as the one it was it is told no more; as the newcomer it begins at the beginning."""
    owner, log = Owner(), []

    def renew() -> None:
        if log.count("a create") == 1:
            owner.lifecycle.remove_observer(a)
            owner.lifecycle.add_observer(a)

    a = Noting("a", log, {Event.ON_CREATE: renew})
    owner.lifecycle.add_observer(a)
    owner.lifecycle.current_state = S

    assert log == ["a create", "a create", "a start"]


def test_the_same_observer_is_told_once_also_where_it_is_a_bound_method() -> None:
    """Y3: two looks at a bound method are two objects, and one observer."""
    owner, log = Owner(), []
    note = Noting("a", log)

    owner.lifecycle.add_observer(note.on_state_changed)
    owner.lifecycle.add_observer(note.on_state_changed)
    owner.lifecycle.current_state = C
    owner.lifecycle.remove_observer(note.on_state_changed)

    assert log == ["a create"]
    assert owner.lifecycle.observer_count == 0


def test_observers_need_not_be_hashable() -> None:
    class Equal(Noting):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    owner, log = Owner(), []
    owner.lifecycle.add_observer(Equal("a", log))
    owner.lifecycle.add_observer(Equal("b", log))
    owner.lifecycle.current_state = C

    assert log == ["a create", "b create"]


# ---- Y3: the main thread


@pytest.mark.parametrize(
    "act",
    [
        lambda lifecycle: lifecycle.add_observer(lambda owner, event: None),
        lambda lifecycle: lifecycle.remove_observer(lambda owner, event: None),
        lambda lifecycle: lifecycle.handle_event(Event.ON_CREATE),
        lambda lifecycle: setattr(lifecycle, "current_state", C),
        lambda lifecycle: lifecycle.observer_count,
    ],
    ids=["add_observer", "remove_observer", "handle_event", "current_state", "observer_count"],
)
def test_off_the_main_thread_it_is_refused(main: VMain, act: Callable[[Lifecycle], object]) -> None:
    """Y3."""
    owner = Owner(enforced=True)
    act(owner.lifecycle)
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            act(owner.lifecycle)
        except IllegalStateError as refusal:
            raised.append(refusal)

    thread = threading.Thread(target=elsewhere, name="elsewhere")
    thread.start()
    thread.join()

    assert "was called on thread 'elsewhere', and the main thread is 'MainThread'" in str(raised[0])


def test_without_a_main_thread_only_the_unsafe_one_can_be_used() -> None:
    """Y3."""
    with pytest.raises(IllegalStateError, match=r"there is no main looper.*create_unsafe"):
        Owner(enforced=True).lifecycle.handle_event(Event.ON_CREATE)

    assert Owner(C).lifecycle.current_state is C


@pytest.mark.parametrize("kind", [StandardTestDispatcher, UnconfinedTestDispatcher])
def test_with_a_test_dispatcher_as_main_the_thread_of_the_test_is_the_main_one(kind: type[Any]) -> None:
    """Y3."""
    with main_dispatcher(kind()):
        owner = Owner(S, enforced=True)

    assert owner.lifecycle.current_state is S


# ---- Y4: kinds of observers


def test_the_method_for_the_event_is_called_first_and_on_state_changed_after_it() -> None:
    """Y4."""
    owner, log = Owner(), []

    class Both(DefaultLifecycleObserver):
        def on_create(self, owner: LifecycleOwner) -> None:
            log.append(("on_create", owner))

        def on_state_changed(self, owner: LifecycleOwner, event: Event) -> None:
            log.append((event, owner))

    observer = Both()
    assert isinstance(observer, LifecycleEventObserver)
    owner.lifecycle.add_observer(observer)
    owner.lifecycle.current_state = S

    assert log == [("on_create", owner), (Event.ON_CREATE, owner), (Event.ON_START, owner)]


def test_an_object_with_one_method_is_told_of_that_event_alone() -> None:
    """Y4."""
    owner, log = Owner(), []

    class OnlyStop:
        def on_stop(self, owner: object) -> None:
            log.append("stop")

    owner.lifecycle.add_observer(OnlyStop())  # type: ignore[arg-type]
    owner.lifecycle.current_state = R
    owner.lifecycle.current_state = D

    assert log == ["stop"]


def test_each_of_the_six_methods_is_called_for_its_event() -> None:
    """Y4."""
    owner, log = Owner(), []
    observer = type("All", (), {e.value: functools.partialmethod(lambda s, o, n: log.append(n), n=e) for e in Event})()
    owner.lifecycle.add_observer(observer)
    owner.lifecycle.current_state = R
    owner.lifecycle.current_state = D

    assert log == list(Event)


def test_what_can_observe_nothing_is_refused_with_what_is_needed() -> None:
    """Y4."""
    with pytest.raises(TypeError, match=r"7 cannot observe a lifecycle: a method on_create \.\.\. on_destroy or"):
        Owner().lifecycle.add_observer(7)  # type: ignore[arg-type]


# ---- Y7: the owner


def test_the_owner_is_not_kept_and_then_nobody_is_added_and_a_move_raises() -> None:
    """Y7."""
    owner, log = Owner(S), []
    lifecycle = owner.lifecycle
    del owner
    gc.collect()

    lifecycle.add_observer(Noting("a", log))
    with pytest.raises(IllegalStateError, match=r"its owner was collected"):
        lifecycle.current_state = R

    assert log == []
    assert lifecycle.current_state is S


def test_an_owner_that_another_thread_lets_go_of_during_a_move_is_kept_until_all_have_been_told() -> None:
    """Y7, Y2: a move is made wholly, or not at all."""
    log: list[str] = []
    kept = [Owner(C)]
    lifecycle = kept[0].lifecycle
    lifecycle.add_observer(Noting("a", log))
    look = lifecycle._owner

    def looked() -> Any:
        found = look()
        kept.clear()
        return found

    lifecycle._owner = looked  # type: ignore[assignment]
    log.clear()
    lifecycle.current_state = R

    assert log == ["a start", "a resume"]
    assert look() is None


def test_an_owner_that_cannot_be_referred_to_weakly_is_told_so() -> None:
    """Y7."""

    class Slotted:
        __slots__ = ("lifecycle",)

    with pytest.raises(TypeError, match=r"give its class a `__weakref__` slot"):
        LifecycleRegistry(Slotted())
