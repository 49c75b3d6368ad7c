"""The clock: what a queue, a delay and a timeout read.

A clock is any callable that returns seconds and never goes back. Everything that waits has one handed to it,
so that a test gives its own and no module is ever patched.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]


def uptime() -> float:
    """Return seconds of the machine's steady clock; its zero means nothing.

    Threads: any.
    Android: SystemClock.uptimeMillis, which counts milliseconds.
    """
    return monotonic()


def as_seconds(name: str, value: object) -> float:
    """Return `value`, which `name` was given, as float seconds.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN.
    """
    if type(value) is not float:
        if not hasattr(type(value), "__float__") and not hasattr(type(value), "__index__"):
            raise TypeError(f"{name} must be a number of seconds, got {value!r}")
        try:
            value = float(value)  # type: ignore[arg-type]
        except OverflowError:  # an int beyond all floats
            value = inf if value > 0 else -inf  # type: ignore[operator]
    if value != value:
        raise ValueError(f"{name} must be a number of seconds, got {value!r}")
    return value
