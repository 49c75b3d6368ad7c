"""The robot: as a program that is interrupted, and its parts.

    python -m pytest examples/robot
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from examples.robot.robot import CRUISE, KEEP_AWAY, Robot, next_speed
from examples.robot.world import LENGTH, World
from vmscope import Looper

ROOT = pathlib.Path(__file__).parent.parent.parent
WITH_CTRL_C = (  # a shell that starts a job in the background has it ignore Ctrl-C, and its children inherit that
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('examples.robot', run_name='__main__')"
)


@pytest.mark.skipif(os.name != "posix", reason="a Ctrl-C as POSIX has it")
def test_ctrl_c_stops_the_motors_and_ends_every_thread() -> None:
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WITH_CTRL_C],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert program.stdout is not None
    lines = [program.stdout.readline() for _ in range(4)]
    program.send_signal(signal.SIGINT)
    rest, _ = program.communicate(timeout=20)

    assert all(line.startswith("wall ") for line in lines)
    assert "speed +1.5 m/s" in lines[-1]
    assert rest.splitlines()[-1] == "speed +0.0 m/s, all threads have ended"
    assert "Traceback" not in rest
    assert program.returncode == 0


def test_it_turns_before_either_wall_and_else_goes_on() -> None:
    assert next_speed(0.0, LENGTH / 2) == CRUISE
    assert next_speed(CRUISE, KEEP_AWAY - 0.01) == -CRUISE
    assert next_speed(-CRUISE, LENGTH / 2) == -CRUISE
    assert next_speed(-CRUISE, LENGTH - KEEP_AWAY + 0.01) == CRUISE


def test_the_cart_moves_with_its_time_and_stops_at_a_wall() -> None:
    now = [0.0]
    world = World(lambda: now[0], latency=0.0)

    world.drive(1.0)
    now[0] = 0.5
    assert world.measure() == LENGTH / 2 - 0.5
    now[0] = 60.0
    assert world.measure() == 0.0


class Dark(World):
    """Its range finder answers once, and then hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.told: list[float] = []
        self._answers = [LENGTH / 2]

    def measure(self) -> float:
        if not self._answers:
            self.free.wait(20)
        return self._answers.pop() if self._answers else LENGTH / 2

    def drive(self, speed: float) -> None:
        super().drive(speed)
        self.told.append(speed)
        if speed == 0.0:
            looper.quit()


looper: Looper


def test_it_stands_still_when_it_sees_nothing() -> None:
    global looper
    looper = Looper.prepare_main()
    world = Dark()
    robot = Robot(world, lambda line: None)

    robot.start()
    Looper.loop()
    hung = robot.stop(0.0)
    world.free.set()

    assert world.told[:2] == [CRUISE, 0.0]
    assert hung is False
    assert robot.stop() is True
