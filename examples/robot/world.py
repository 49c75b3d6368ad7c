"""The robot's hardware, simulated: a cart in a corridor, a range finder that takes its time, a motor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LENGTH = 4.0  # metres from wall to wall


class World:
    """A cart that goes on at the speed it was told last. Its wires may be used from any thread.

    Args:
        clock: Seconds.
        latency: Seconds for which a measurement blocks, as on a serial line.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, latency: float = 0.01) -> None:
        self._clock = clock
        self._latency = latency
        self._lock = threading.Lock()
        self._place = LENGTH / 2
        self._speed = 0.0
        self._since = clock()

    def measure(self) -> float:
        """Return the metres to the wall ahead, a moment later."""
        time.sleep(self._latency)
        with self._lock:
            self._move()
            return LENGTH - self._place

    def drive(self, speed: float) -> None:
        """Go on with `speed` metres a second; negative is backwards."""
        with self._lock:
            self._move()
            self._speed = speed

    @property
    def speed(self) -> float:
        """What the motor was told last."""
        return self._speed

    def _move(self) -> None:
        now = self._clock()
        self._place = min(LENGTH, max(0.0, self._place + self._speed * (now - self._since)))
        self._since = now
