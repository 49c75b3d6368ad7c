"""examples/notes.py as its user runs it: stopped in every way there is, and started again."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.blocks import blocks
from tests.processes import POSIX, ROOT


class Notes:
    """A run of the program."""

    def __init__(self, path: pathlib.Path) -> None:
        # A shell that starts a job in the background has it ignore Ctrl-C, and its children inherit that.
        ignored_or_not = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "examples/notes.py", str(path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
            )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, ignored_or_not)

    def type(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, line: str) -> list[str]:
        """Read what it prints, up to this line."""
        assert self.process.stdout
        seen: list[str] = []
        for printed in self.process.stdout:
            seen.append(printed.rstrip("\n"))
            if seen[-1] == line:
                return seen
        raise AssertionError(f"it ended without {line!r}: {seen}")

    def end(self) -> list[str]:
        """Close its input, and read the rest."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        rest = self.process.stdout.read()  # not communicate(): that would miss what `until` has read ahead
        self.process.wait(timeout=20)
        return rest.splitlines()


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Callable[[], Notes]]:
    started: list[Notes] = []

    def begin() -> Notes:
        started.append(Notes(tmp_path / "notes.json"))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.end()
        assert each.process.stdout
        each.process.stdout.close()


def test_the_page_shows_the_program_as_it_is() -> None:
    source = (ROOT / "examples/notes.py").read_text(encoding="utf-8")
    quoted = [block.code for block in blocks("docs/saved_state.md", "text") if block.code.startswith("    async def")]

    assert len(quoted) == 1
    assert quoted[0] in source


def texts(lines: list[str]) -> list[str]:
    return [line.split("  ")[-1] for line in lines if line.startswith("  ")]


@POSIX
def test_the_notes_survive_kill_9_and_every_other_end(start: Callable[[], Notes]) -> None:
    """V18: what it has told to be saved is there, however it ended."""
    for number, how in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)):
        notes = start()
        seen = notes.until(f"saved {number}")
        assert seen[0] == f"start {number + 1}"
        assert texts(seen) == [f"note {before}" for before in range(number)]
        notes.type(f"note {number}")
        notes.until(f"saved {number + 1}")
        notes.process.send_signal(how)
        assert notes.process.wait(timeout=20) == (0 if how == signal.SIGINT else -how)


def test_an_end_saves_what_was_done_last_and_the_search_comes_back(start: Callable[[], Notes]) -> None:
    first = start()
    for line in ("milk", "bread", "more milk", "/drop 1", "/find milk", "/nothing", "/quit"):
        first.type(line)
    seen = first.end()
    second = start()
    second.type("/find")

    assert first.process.returncode == 0
    assert seen[-1] == "bye"
    assert "'/nothing' is nothing that can be done here: /find word, /drop number, /quit" in seen
    again = second.until("all 2:")
    assert "1 of 2 with 'milk':" in again
    assert texts(again) == ["more milk"]
    assert texts(second.end()) == ["bread", "more milk"]


def test_a_damaged_file_is_put_aside_and_told(start: Callable[[], Notes], tmp_path: pathlib.Path) -> None:
    first = start()
    first.type("milk")
    first.end()
    path = tmp_path / "notes.json"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"milk", b"silk"))

    second = start()
    seen = second.until("all 0:")

    assert "is damaged or cut short" in seen[0]
    assert (tmp_path / "notes.json.damaged").read_bytes() == data.replace(b"milk", b"silk")
    assert seen[-2:] == ["start 1", "all 0:"]
