"""What the programs share."""

from __future__ import annotations

import pytest

from vmscope import MessageQueue
from vmscope.coroutines import _timer


@pytest.fixture
def standing_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is delayed on Unconfined waits for ever.

    It would wait for seconds of the machine, which no recorded trace does, and go on in the middle of a later test.
    """
    monkeypatch.setattr(_timer, "_timers", MessageQueue())
