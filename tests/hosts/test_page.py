"""docs/hosts.md keeps its word: a block that needs a toolkit runs on it. (Plain `python` is run with all pages.)"""

from __future__ import annotations

import pytest

from ..blocks import Block, blocks
from .conftest import NEEDS, Toolkits

OF_TOOLKITS = blocks("docs/hosts.md", "py")


@pytest.mark.parametrize("block", OF_TOOLKITS, ids=[str(block.mark) for block in OF_TOOLKITS])
def test_the_block_of_a_toolkit_prints_what_it_says(toolkits: Toolkits, block: Block) -> None:
    assert block.mark in NEEDS

    code, printed = toolkits.ask(block.mark, block.code)

    assert (code, printed.splitlines()) == (0, block.printed)


def test_each_toolkit_has_its_block() -> None:
    assert {block.mark for block in OF_TOOLKITS} == {"tk", "PySide6", "textual", "glib", "wx"}
