"""The clock: what a queue, a delay and a timeout read.

A clock is any callable that returns seconds and never goes back. Everything that waits has one handed to it,
so that a test gives its own and no module is ever patched.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]


def uptime() -> float:
    """Return seconds of the machine's steady clock; its zero means nothing.

    Threads: any.
    Android: SystemClock.uptimeMillis, which counts milliseconds.
    """
    return monotonic()
