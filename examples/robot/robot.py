"""The robot: it drives to and fro between the walls, and stands still when it sees nothing.

Three loops, each on a thread of its own, and nothing is shared: what one knows it posts to another.

    sensors    measure, post the distance to main, again in 20 ms
    main       decide, post the speed to motors; show how it stands; stop if no distance comes
    motors     drive
"""

from __future__ import annotations

from collections.abc import Callable

from vmscope import Handler, HandlerThread

from .world import LENGTH, World

MEASURE_EVERY = 0.02  # seconds
SHOW_EVERY = 0.1
BLIND_AFTER = 0.25
KEEP_AWAY = 0.5  # metres from either wall
CRUISE = 1.5  # metres a second


class Robot:
    """Made, started and stopped on the main looper's thread.

    Args:
        world: The hardware.
        show: Called with a line of text, on the main thread.
    """

    def __init__(self, world: World, show: Callable[[str], object]) -> None:
        self._world = world
        self._show = show
        self._main = Handler()
        self._sensors = HandlerThread("sensors")
        self._motors = HandlerThread("motors")
        self._speed = 0.0
        self._distance = float("nan")
        self._measured_times = 0

    def start(self) -> None:
        """Begin. The main looper is to be run after this."""
        self._sensors.start()
        self._motors.start()
        self._sensors.handler.post(self._measure)
        self._main.post_delayed(self._be_blind, BLIND_AFTER)
        self._main.post(self._show_status)

    def stop(self, timeout: float = 2.0) -> bool:
        """Stand still, and end both threads. False: one of them hangs, and is left to the end of the process.

        Threads: the main one, after its loop; the main looper may have quit.
        """
        self._sensors.quit()  # what it has pending is of no use any more
        self._motors.handler.post(lambda: self._world.drive(0.0))
        self._motors.quit_safely()  # what is due is still done: the line above
        for thread in (self._motors, self._sensors):
            thread.join(timeout)
        return not (self._motors.is_alive() or self._sensors.is_alive())

    # ---- on the sensors' thread

    def _measure(self) -> None:
        distance = self._world.measure()  # blocks, and holds up nobody else
        self._main.post(lambda: self._on_distance(distance))
        self._sensors.handler.post_delayed(self._measure, MEASURE_EVERY)

    # ---- on the main thread

    def _on_distance(self, distance: float) -> None:
        self._distance = distance
        self._measured_times += 1
        self._main.remove_callbacks(self._be_blind)
        self._main.post_delayed(self._be_blind, BLIND_AFTER)
        self._go(next_speed(self._speed, distance))

    def _be_blind(self) -> None:
        self._distance = float("nan")
        self._go(0.0)

    def _go(self, speed: float) -> None:
        if speed != self._speed:
            self._speed = speed
            self._motors.handler.post(lambda: self._world.drive(speed))

    def _show_status(self) -> None:
        self._show(f"wall {self._distance:5.2f} m   speed {self._speed:+.1f} m/s   {self._measured_times} measured")
        self._main.post_delayed(self._show_status, SHOW_EVERY)


def next_speed(speed: float, distance: float) -> float:
    """The speed to go on with, `distance` metres before the wall ahead: it turns before either wall."""
    if distance < KEEP_AWAY:
        return -CRUISE
    if distance > LENGTH - KEEP_AWAY:
        return CRUISE
    return speed or CRUISE
