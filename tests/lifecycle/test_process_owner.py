"""The lifecycle of the whole program, made of those of its windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lifecycle.owners import Noting, Owner
from vmscope.lifecycle import Event, ProcessLifecycleOwner, State

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def program(log: list[str]) -> ProcessLifecycleOwner:
    owner = ProcessLifecycleOwner()
    owner.lifecycle.add_observer(Noting("program", log))
    return owner


def test_the_program_comes_up_with_its_first_window_and_goes_down_a_moment_after_its_last(main: VMain) -> None:
    """Y12."""
    log: list[str] = []
    process, window = program(log), Owner(enforced=True)
    process.watch(window)
    window.lifecycle.current_state = State.RESUMED
    assert log == ["program create", "program start", "program resume"]

    window.lifecycle.current_state = State.DESTROYED
    main.advance(0.69)
    assert len(log) == 3
    main.advance(0.02)

    assert log[3:] == ["program pause", "program stop"]
    assert process.lifecycle.current_state is State.CREATED, "never destroyed"


def test_another_window_in_time_is_no_event_for_the_program(main: VMain) -> None:
    """Y12."""
    log: list[str] = []
    process, first, second = program(log), Owner(State.RESUMED, enforced=True), Owner(enforced=True)
    process.watch(first)
    process.watch(second)

    first.lifecycle.current_state = State.DESTROYED
    main.advance(0.5)
    second.lifecycle.current_state = State.RESUMED
    main.advance(5)

    assert log == ["program create", "program start", "program resume"]


def test_a_window_behind_another_program_pauses_and_does_not_stop_it(main: VMain) -> None:
    """Y12."""
    log: list[str] = []
    process, window = program(log), Owner(State.RESUMED, enforced=True)
    process.watch(window)

    window.lifecycle.handle_event(Event.ON_PAUSE)
    main.advance(1)
    assert log[3:] == ["program pause"]
    window.lifecycle.handle_event(Event.ON_STOP)
    assert log[4:] == ["program stop"], "at once: the pause is over and told"
    window.lifecycle.handle_event(Event.ON_RESUME)

    assert log[5:] == ["program start", "program resume"]


def test_a_program_with_two_windows_in_front_pauses_with_the_last_of_them(main: VMain) -> None:
    """Y12"""
    log: list[str] = []
    process, first, second = program(log), Owner(State.RESUMED, enforced=True), Owner(State.RESUMED, enforced=True)
    process.watch(first)
    process.watch(second)
    assert log == ["program create", "program start", "program resume"]
    assert repr(process) == "<ProcessLifecycleOwner, 2 started, 2 resumed>"

    first.lifecycle.current_state = State.DESTROYED
    main.advance(5)
    assert len(log) == 3
    second.lifecycle.current_state = State.DESTROYED
    main.advance(5)

    assert log[3:] == ["program pause", "program stop"]


def test_there_is_one_for_the_program() -> None:
    """Y12."""
    assert ProcessLifecycleOwner.get() is ProcessLifecycleOwner.get()
