"""What the tests of the hosts need of the machine: toolkits, interpreters that have them, a display."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator

import pytest

from ..processes import ROOT

PATIENCE = 60.0  # seconds for all the scenarios of one toolkit

#: What a toolkit is imported by, and whether it needs a display.
NEEDS = {
    "asyncio": ("asyncio", False),
    "tk": ("tkinter", True),
    "tk-poll": ("tkinter", True),
    "PySide6": ("PySide6.QtWidgets", False),
    "PyQt6": ("PyQt6.QtWidgets", False),
    "glib": ("gi.repository.GLib", False),
    "wx": ("wx", True),
    "textual": ("textual.app", False),
}
#: Where Debian has them, they belong to its own Python.
SYSTEM_PYTHON = "/usr/bin/python3"


@functools.cache
def interpreter_with(module: str) -> str | None:
    """The interpreter of the tests, else the system's, if it can import `module` and is new enough."""
    look = f"import sys, {module}; sys.exit(sys.version_info < (3, 11))"
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    for python in (sys.executable, SYSTEM_PYTHON):
        try:
            done = subprocess.run([python, "-c", look], capture_output=True, env=environment, timeout=30, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return python
    return None


@pytest.fixture(scope="session")
def screen_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder with the picture that the virtual display has in its memory, see screen.py."""
    return tmp_path_factory.mktemp("screen")


@pytest.fixture(scope="session")
def display(screen_folder: pathlib.Path) -> Iterator[str | None]:
    """The name of a virtual display that was started for these tests; None where there is no Xvfb."""
    server = shutil.which("Xvfb")
    if server is None:
        yield None
        return
    ours, theirs = os.pipe()
    # -noreset: it would begin anew whenever the last window goes, and refuse whoever comes meanwhile
    command = [
        server, "-displayfd", str(theirs), "-screen", "0", "1280x1024x24", "-fbdir", str(screen_folder),
        "-nolisten", "tcp", "-noreset",
    ]  # fmt: skip
    process = subprocess.Popen(command, pass_fds=[theirs], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(theirs)
    with open(ours) as told:
        number = told.readline().strip()
    try:
        yield f":{number}" if number else None
    finally:
        process.terminate()
        process.wait(10)


#: Warnings of what could be ours are errors; toolkits have a few of their own.
STRICT = ("-W", "error", "-W", "ignore::ImportWarning", "-W", "ignore::DeprecationWarning")


#: Set where coverage measures all processes: an interpreter that has coverage starts it by itself then.
MEASURED = "COVERAGE_PROCESS_CONFIG"


def measured_by_ours() -> dict[str, str]:
    """What has the system's interpreter, which has no coverage, measured by the coverage of the tests."""
    spec = importlib.util.find_spec("coverage")
    assert spec is not None
    assert spec.origin is not None
    here = os.path.join(os.path.dirname(__file__), "measured")
    return {"COVERAGE_HOME": os.path.dirname(os.path.dirname(spec.origin)), "PYTHONPATH": f"{ROOT}{os.pathsep}{here}"}


class Toolkits:
    """Starts programs on a toolkit, or skips the test that asks for what this machine does not have."""

    def __init__(self, display: str | None) -> None:
        self._display = display
        self._players: dict[str, subprocess.Popen[bytes]] = {}
        self._played: dict[str, tuple[subprocess.Popen[bytes], tempfile._TemporaryFileWrapper[bytes]]] = {}

    def lack(self, kit: str) -> str | None:
        """Say what is missing for `kit`."""
        module, needs_display = NEEDS[kit]
        if interpreter_with(module) is None:
            return f"{module} cannot be imported, neither here nor by {SYSTEM_PYTHON}"
        if needs_display and self._display is None:
            return "there is no Xvfb"
        return None

    def start(
        self, kit: str, *arguments: str, out: object = subprocess.PIPE, into: object = None
    ) -> subprocess.Popen[bytes]:
        """Start `python ARGUMENTS` with what `kit` needs, from the folder of the project."""
        missing = self.lack(kit)
        if missing is not None:
            pytest.skip(f"{kit}: {missing}")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen", "NO_AT_BRIDGE": "1"}
        if self._display is not None:
            environment["DISPLAY"] = self._display
        python = interpreter_with(NEEDS[kit][0])
        assert python is not None
        if python == SYSTEM_PYTHON and MEASURED in environment:
            environment |= measured_by_ours()
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [python, *STRICT, *arguments],
            stdin=into, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=ROOT,
        )  # fmt: skip

    def ask(self, kit: str, program: str) -> tuple[int, str]:
        """Run a program in the process that `kit` has for such; its exit code, and what it has printed."""
        player = self._players.get(kit)
        if player is None or player.poll() is not None:
            player = self.start(kit, "-m", "tests.hosts.player", into=subprocess.PIPE)
            self._players[kit] = player
        assert player.stdin is not None
        assert player.stdout is not None
        player.stdin.write(json.dumps(program).encode() + b"\n")
        player.stdin.flush()
        before = ""
        while answer := player.stdout.readline():
            if answer.startswith(b"["):
                code, printed = json.loads(answer)
                return code, before + printed
            before += answer.decode(errors="replace")  # what the toolkit itself has to say
        return player.wait(), before

    def printed(self, kit: str, head: str, program: str) -> str:
        """Ask `kit` to run `program` after `head`; what it has printed, once it has ended well."""
        code, printed = self.ask(kit, head + textwrap.dedent(program))
        assert code == 0, printed
        return printed

    def run(self, kit: str, *arguments: str) -> tuple[int, str]:
        """Run a program on `kit` in a process of its own; its exit code, and what it has printed."""
        process = self.start(kit, *arguments)
        return _ended(process), process.communicate()[0].decode(errors="replace")

    def play(self, kits: list[str]) -> None:
        """Start all scenarios of each of `kits`, where that can be had: one process for a toolkit."""
        for kit in kits:
            if kit not in self._played and self.lack(kit) is None:
                out = tempfile.TemporaryFile()  # noqa: SIM115  (closed by end())
                self._played[kit] = (self.start(kit, "-m", "tests.hosts.scenarios", kit, out=out), out)

    def outcome(self, kit: str) -> tuple[int, str]:
        """What the scenarios of `kit` have printed."""
        missing = self.lack(kit)
        if missing is not None:
            pytest.skip(f"{kit}: {missing}")
        self.play([kit])
        process, out = self._played[kit]
        code = _ended(process)
        out.seek(0)
        return code, out.read().decode(errors="replace")

    def end(self) -> None:
        for player in self._players.values():
            player.communicate()
        for process, out in self._played.values():
            _ended(process)
            out.close()


def _ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@pytest.fixture(scope="session")
def toolkits(display: str | None) -> Iterator[Toolkits]:
    """The toolkits of this machine."""
    made = Toolkits(display)
    yield made
    made.end()
