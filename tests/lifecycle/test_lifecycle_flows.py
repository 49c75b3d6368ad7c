"""What hangs on a lifecycle: its scope, its state and events as flows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.lifecycle.owners import Owner
from tests.steer import beside, held_elsewhere
from vmscope import (
    CoroutineDispatcher,
    CoroutineScope,
    Dispatchers,
    IllegalStateError,
    Job,
    await_cancellation,
    run_blocking,
)
from vmscope.lifecycle import Event, Lifecycle, LifecycleOwner, State, _lifecycle_scope, lifecycle_scope

if TYPE_CHECKING:
    from tests.virtual_main import VMain


# ---- Y6: the scope


def test_the_scope_is_one_and_supervises_on_main_immediate(main: VMain) -> None:
    """Y6."""
    owner = Owner(State.CREATED, enforced=True)
    scope = owner.lifecycle.scope
    other = scope.launch(await_cancellation)

    scope.async_(lambda: 1 / 0)

    assert lifecycle_scope(owner) is owner.lifecycle.scope is scope
    assert scope.lifecycle is owner.lifecycle
    assert scope.coroutine_context[CoroutineDispatcher] is Dispatchers.Main.immediate
    assert other.is_active, "a child fails alone"


def test_the_scope_is_cancelled_on_destroy_and_not_before(main: VMain) -> None:
    """Y6."""
    owner = Owner(State.RESUMED, enforced=True)
    job = owner.lifecycle.scope.launch(await_cancellation)

    owner.lifecycle.handle_event(Event.ON_STOP)
    assert job.is_active
    owner.lifecycle.handle_event(Event.ON_DESTROY)

    assert job.is_cancelled
    assert "its lifecycle was destroyed" in job.get_cancellation_exception().__notes__
    assert owner.lifecycle.scope.launch(await_cancellation).is_cancelled


def test_the_scope_of_what_is_destroyed_is_born_cancelled(main: VMain) -> None:
    """Y6."""
    owner = Owner(State.CREATED, enforced=True)
    owner.lifecycle.current_state = State.DESTROYED

    assert not owner.lifecycle.scope.is_active


def test_a_scope_that_another_thread_asks_for_follows_from_the_main_threads_next_turn(main: VMain) -> None:
    """Y6."""
    owner = Owner(State.CREATED, enforced=True)
    scopes: list[CoroutineScope] = []

    thread = threading.Thread(target=lambda: scopes.append(owner.lifecycle.scope))
    thread.start()
    thread.join()
    assert owner.lifecycle.observer_count == 0
    main.drain()
    owner.lifecycle.current_state = State.DESTROYED

    assert not scopes[0].is_active


def test_a_scope_whose_lifecycle_is_destroyed_before_that_turn_is_cancelled_in_it(main: VMain) -> None:
    """Y6."""
    owner = Owner(State.CREATED, enforced=True)
    scopes: list[CoroutineScope] = []

    thread = threading.Thread(target=lambda: scopes.append(owner.lifecycle.scope))
    thread.start()
    thread.join()
    owner.lifecycle.current_state = State.DESTROYED
    main.drain()

    assert not scopes[0].is_active


def test_64_threads_ask_for_the_scope_and_one_is_made(main: VMain) -> None:
    """Y6."""
    owner = Owner(State.CREATED, enforced=True)
    gate = threading.Barrier(64)
    scopes: list[CoroutineScope] = []

    def ask() -> None:
        gate.wait()
        scopes.append(owner.lifecycle.scope)

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    main.drain()

    assert len(scopes) == 64
    assert len(set(map(id, scopes))) == 1
    assert owner.lifecycle.observer_count == 1, "one scope follows, once"


def test_a_scope_that_another_thread_makes_meanwhile_is_the_one(
    main: VMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y6: and it follows the lifecycle once."""
    monkeypatch.setattr(_lifecycle_scope, "_guard", _lifecycle_scope._guard)
    owner, others = Owner(State.STARTED, enforced=True), []
    lock = beside(_lifecycle_scope, lambda: others.append(owner.lifecycle.scope), taken=1, name="_guard")

    scope = owner.lifecycle.scope
    main.drain()

    assert lock.met
    assert others == [scope]
    assert owner.lifecycle.observer_count == 1


def test_after_a_fork_a_scope_is_made_whoever_was_making_one(main: VMain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Y6: the thread that held the lock is not there in the child."""
    monkeypatch.setattr(_lifecycle_scope, "_guard", _lifecycle_scope._guard)

    with held_elsewhere(_lifecycle_scope._guard):
        _lifecycle_scope._after_fork()
        assert Owner(State.STARTED, enforced=True).lifecycle.scope.is_active


def test_without_a_main_thread_there_is_no_scope() -> None:
    with pytest.raises(IllegalStateError, match=r"scope of a lifecycle runs on Dispatchers.Main, and there is no"):
        Owner().lifecycle.scope


def test_what_has_no_lifecycle_is_refused() -> None:
    with pytest.raises(TypeError, match=r"lifecycle_scope\(\) takes a Lifecycle, or an owner whose `lifecycle` is one"):
        lifecycle_scope("window")  # type: ignore[arg-type]


# ---- Y5: flows


def test_the_state_flow_has_the_state_of_now_and_changes_when_all_have_been_told(main: VMain) -> None:
    """Y5."""
    owner = Owner(enforced=True)
    states = owner.lifecycle.current_state_flow
    seen: list[Any] = []
    owner.lifecycle.add_observer(lambda _owner, event: seen.append((event, states.value)))
    job = CoroutineScope(Dispatchers.Main.immediate).launch(states.collect, seen.append)

    owner.lifecycle.current_state = State.STARTED

    assert seen == [
        State.INITIALIZED,
        (Event.ON_CREATE, State.INITIALIZED), (Event.ON_START, State.INITIALIZED),
        State.STARTED,
    ]  # fmt: skip
    assert not hasattr(states, "emit"), "read only"
    job.cancel()


def test_the_state_flow_of_a_lifecycle_of_a_users_own_follows_its_events(main: VMain) -> None:
    """Y5: the abstract class needs no more than an observer."""

    class Mirror(Lifecycle):
        def __init__(self, of: Lifecycle) -> None:
            self.of = of

        @property
        def current_state(self) -> State:
            return self.of.current_state

        def add_observer(self, observer: Any) -> None:
            self.of.add_observer(observer)

        def remove_observer(self, observer: Any) -> None:
            self.of.remove_observer(observer)

    owner = Owner(State.CREATED, enforced=True)
    mirror = Mirror(owner.lifecycle)
    states = mirror.current_state_flow

    owner.lifecycle.current_state = State.RESUMED

    assert states.value is mirror.current_state_flow.value is State.RESUMED
    assert owner.lifecycle.observer_count == 1


def test_the_event_flow_begins_with_what_led_to_now_and_ends_after_destroy(main: VMain) -> None:
    """Y5."""
    owner = Owner(State.STARTED, enforced=True)
    seen: list[Event] = []
    job = CoroutineScope(Dispatchers.Main.immediate).launch(owner.lifecycle.event_flow.collect, seen.append)

    main.run_current()
    owner.lifecycle.current_state = State.DESTROYED
    main.run_current()

    assert seen == [Event.ON_CREATE, Event.ON_START, Event.ON_STOP, Event.ON_DESTROY]
    assert job.is_completed
    assert not job.is_cancelled


def test_the_event_flow_of_what_is_destroyed_ends_at_once(main: VMain) -> None:
    """Y5: nobody waits for an event that cannot come."""
    owner = Owner(State.CREATED, enforced=True)
    owner.lifecycle.current_state = State.DESTROYED

    job = CoroutineScope(Dispatchers.Main.immediate).launch(owner.lifecycle.event_flow.collect)
    main.run_current()

    assert job.is_completed


def test_who_collects_events_no_more_observes_no_more_also_from_another_thread(main: VMain) -> None:
    """Y5."""
    owner = Owner(State.STARTED, enforced=True)
    first: list[Any] = []
    job: Job = CoroutineScope(Dispatchers.Default).launch(lambda: owner.lifecycle.event_flow.first(), name="first")
    job.invoke_on_completion(first.append)

    main.run_until(lambda: job.is_completed)
    main.run_until(lambda: owner.lifecycle.observer_count == 0)

    assert first == [None]


def test_an_owner_is_whatever_has_a_lifecycle() -> None:
    assert isinstance(Owner(), LifecycleOwner)
    assert not isinstance(object(), LifecycleOwner)
    assert run_blocking(lambda: Owner().lifecycle.current_state) is State.INITIALIZED
