"""Article 000, "ViewModel VS Coroutine Scope": what it promises holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import ViewModel, ViewModelProvider, ViewModelStore, delay

if TYPE_CHECKING:
    from tests.virtual_main import VMain


class Profile(ViewModel):
    def __init__(self) -> None:
        self.printed: list[str] = []

    def load(self) -> None:
        self.view_model_scope.launch(self._wait)

    def load_too(self) -> None:
        self.view_model_scope.launch(self._wait_too)

    def _wait(self) -> Iterator[Any]:
        yield from delay(10)
        self.printed.append("Done")

    async def _wait_too(self) -> None:
        await delay(10)
        self.printed.append("Done")


class Screen:
    def __init__(self) -> None:
        self.view_model_store = ViewModelStore()

    def close(self) -> None:
        self.view_model_store.clear()


@pytest.mark.parametrize("load", [Profile.load, Profile.load_too])
def test_0_6_who_leaves_at_5_s_of_a_10_s_delay_never_sees_done(main: VMain, load: Any) -> None:
    screen = Screen()
    profile = ViewModelProvider(screen)[Profile]
    load(profile)

    main.advance(5)
    screen.close()
    main.drain()

    assert profile.printed == []
    assert not profile.view_model_scope.is_active
    assert main.now == 5, "the delay was taken back: nothing is left to wait for"


@pytest.mark.parametrize("load", [Profile.load, Profile.load_too])
def test_0_6_who_stays_sees_it_at_10_s(main: VMain, load: Any) -> None:
    profile = ViewModelProvider(Screen())[Profile]
    load(profile)

    main.drain()

    assert profile.printed == ["Done"]
    assert main.now == 10
    profile.clear()
