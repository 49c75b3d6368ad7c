"""python -m examples.robot: the main looper, and a line that says how the robot stands."""

from __future__ import annotations

import sys

from vmscope import Looper

from .robot import Robot
from .world import World


def main() -> int:
    """Run until Ctrl-C."""
    at = "\r" if sys.stdout.isatty() else "\n"
    world = World()
    Looper.prepare_main()
    robot = Robot(world, lambda line: print(line, end=at, flush=True))
    robot.start()
    try:
        Looper.loop()
    except KeyboardInterrupt:  # it comes between two messages: nothing was cut in half
        pass
    ended = robot.stop()
    print(f"\nspeed {world.speed:+.1f} m/s, {'all threads have ended' if ended else 'a thread hangs'}")
    return 0 if ended else 1


if __name__ == "__main__":
    sys.exit(main())
