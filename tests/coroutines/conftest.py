"""Coroutines are tested on a main looper with a virtual clock, or on no dispatcher at all (Unconfined)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.virtual_main import VMain, main
from vmscope import CoroutineScope, Dispatchers, SupervisorJob

__all__ = ["main", "on_main"]


@pytest.fixture
def on_main(main: VMain) -> Callable[..., Any]:
    """`on_main(block, *args)`: run it as a coroutine on Dispatchers.Main in virtual time, and give its outcome."""

    def run(block: Callable[..., Any], *args: Any) -> Any:
        deferred = CoroutineScope(SupervisorJob() + Dispatchers.Main).async_(block, *args)
        main.drain()
        return deferred.get_completed()

    return run
