"""Programs in a fresh interpreter, for what a process does to the library and what only a process can show."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parent.parent
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and fork as POSIX has them")

# A shell that starts a job in the background has it ignore Ctrl-C, and its children inherit that.
HEAD = """\
import os, signal, sys, threading, time
from {module} import *
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def run(program: str, *, module: str = "vmscope", timeout: float = 20) -> tuple[int, str, str]:
    """Run `program`, which has all names of `module`; its exit code, output and errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c",
         HEAD.format(module=module) + textwrap.dedent(program)],
        capture_output=True, text=True, timeout=timeout, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
