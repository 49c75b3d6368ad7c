"""Flows run on a main looper with a virtual clock; what still runs there at the end of a test is cancelled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.virtual_main import VMain

from .runs import end_scopes


@pytest.fixture
def main() -> Iterator[VMain]:
    """A VMain for the test, gone after it."""
    with VMain() as made:
        yield made
        end_scopes(made)
