"""The README's commands are one a block, and first the demo, then the tests. Its Python is run by test_docs."""

from __future__ import annotations

from .blocks import blocks


def test_the_first_two_commands_are_the_demo_and_the_tests() -> None:
    commands = [block.code.strip() for block in blocks("README.md", "bash")[:2]]

    assert commands[0] == "python3 -m vmscope demo"
    assert "python3 -m pytest" in commands[1]
    assert all("\n" not in command for command in commands)
