"""What the checkers infer of lifecycles and LiveData, in the words of a user's program."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, assert_type

from vmscope import suspend
from vmscope.flow import Flow, MutableStateFlow
from vmscope.lifecycle import (
    DefaultLifecycleObserver,
    Event,
    LifecycleOwner,
    LifecycleRegistry,
    LiveData,
    LiveDataScope,
    MediatorLiveData,
    MutableLiveData,
    State,
    lifecycle_scope,
    live_data,
    repeat_on_lifecycle,
    with_started,
)
from vmscope.testing import TestLifecycleOwner


class Window:
    def __init__(self) -> None:
        self.lifecycle = LifecycleRegistry(self)


class Pauses(DefaultLifecycleObserver):
    def on_pause(self, owner: LifecycleOwner) -> None:
        pass


class Notes:
    def on_state_changed(self, owner: LifecycleOwner, event: Event) -> None:
        pass


def observers(window: Window) -> None:
    for observer in (Pauses(), Notes()):
        window.lifecycle.add_observer(observer)
    window.lifecycle.add_observer(lambda owner, event: assert_type(event, Event))
    assert_type(window.lifecycle.current_state_flow.value, State)
    assert_type(window.lifecycle.event_flow, Flow[Event])
    lifecycle_scope(window).launch(print, "launched")


@suspend
def waits(window: Window) -> Generator[Any, Any, int]:
    count = yield from with_started(window, len, "four")
    assert_type(count, int)
    yield from repeat_on_lifecycle(window, State.STARTED, print, "shown")
    return count


async def awaits(window: Window, items: MutableStateFlow[int]) -> None:
    assert_type(await with_started(window, str.upper, "a"), str)
    assert_type(items.flow_with_lifecycle(window), Flow[int])
    assert_type(items.as_live_data(), LiveData[int])


def live(window: Window, number: MutableLiveData[int]) -> None:
    assert_type(number.value, int | None)
    number.value = 1
    number.post_value(2)
    assert_type(number.map(str), LiveData[str])
    assert_type(number.switch_map(lambda value: MutableLiveData(str(value))), LiveData[str])
    assert_type(number.distinct_until_changed(), LiveData[int])
    assert_type(number.as_flow(), Flow[int])
    number.observe(window, lambda value: assert_type(value, int))
    both: MediatorLiveData[str] = MediatorLiveData()
    both.add_source(number, lambda value: both.post_value(str(value)))


def emits(scope: LiveDataScope[int]) -> Generator[Any, Any, None]:
    yield from scope.emit(1)
    assert_type(scope.latest_value, int | None)


def doubles() -> None:
    assert_type(live_data(emits), LiveData[int])
    owner: LifecycleOwner = TestLifecycleOwner()
    print(owner)
