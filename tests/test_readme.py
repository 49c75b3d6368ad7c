"""What the README shows is true: its Python runs, its commands are one a block and first the demo, then the tests."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


PROGRAMS = [
    pytest.param(code, id=f"{page}-{number}")
    for page in ["README.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]
    for number, code in enumerate(blocks(page, "python"), 1)
]


@pytest.mark.parametrize("code", PROGRAMS)
def test_the_python_on_the_page_runs_and_prints_what_it_says(code: str) -> None:
    promised = re.findall(r"# prints: (.*)", code)

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for line in promised:
        assert line in done.stdout.splitlines()


def test_the_first_two_commands_are_the_demo_and_the_tests() -> None:
    commands = [block.strip() for block in blocks("README.md", "bash")[:2]]

    assert commands[0] == "python3 -m vmscope demo"
    assert commands[1].endswith("pytest")
    assert all("\n" not in command for command in commands)
