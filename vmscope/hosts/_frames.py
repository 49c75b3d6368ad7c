"""Frames: a grid of moments for what moves on the screen.

Toolkits here do not tell when the display refreshes. The grid is that of the dispatcher's clock, the same for everybody
who waits, so what moves together is moved in the same turn; in a test it is virtual time.
Counterpart: kotlinx.coroutines.android.awaitFrame, androidx.compose.animation.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any

from ..coroutines._cancel_scope import current_time
from ..coroutines._suspend import Suspending, call
from ..coroutines._time import delay

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

#: Frames in a second, where nothing else is said.
RATE = 60.0


def await_frame(rate: float = RATE) -> Suspending[float]:
    """Suspend until the next frame; give its time in seconds, the same to all who have waited for it.

    Args:
        rate: Frames in a second. All who ask for the same rate have the same frames.
    Returns:
        The frame's moment on the dispatcher's clock. It never lies in the future; after a time when the thread was
        busy it is the latest one: frames that were missed are left out, not made up for.
    Raises:
        ValueError: `rate` is not above 0.

    Cancellation: prompt.
    Threads: called in a coroutine.
    Kotlin: awaitFrame, which gives nanoseconds.
    """
    return call("await_frame", _await_frame, _checked(rate))


def _await_frame(rate: float) -> Generator[Any, Any, float]:
    now = current_time()
    number = floor(now * rate) + 1
    yield from delay(number / rate - now)
    return max(number, floor(current_time() * rate)) / rate


def animate(seconds: float, step: Callable[[float], object], rate: float = RATE) -> Suspending[None]:
    """Call `step(fraction)` at each frame for `seconds`: from 0.0 at once, to 1.0 at the end.

    Args:
        seconds: How long; 0 or less calls `step(1.0)` only.
        step: Called on the coroutine's thread with a number that grows from 0.0 to 1.0; the last is exactly 1.0.
        rate: Frames in a second.
    Raises:
        ValueError: `rate` is not above 0, or `seconds` is not a number.
        BaseException: What `step` raised.

    Cancellation: prompt; the last step is then not made.
    Threads: called in a coroutine, on Main as a rule.
    Android: ValueAnimator.ofFloat(0f, 1f).
    """
    if seconds != seconds:
        raise ValueError(f"animate({seconds!r}): the seconds must be a number")
    return call("animate", _animate, seconds, step, _checked(rate))


def _animate(seconds: float, step: Callable[[float], object], rate: float) -> Generator[Any, Any, None]:
    if seconds > 0:
        began = now = current_time()
        while now - began < seconds:
            step((now - began) / seconds)
            now = max(now, (yield from await_frame(rate)))
    step(1.0)


def _checked(rate: float) -> float:
    if not rate > 0:
        raise ValueError(f"frames in a second must be more than 0, got {rate!r}")
    return rate
