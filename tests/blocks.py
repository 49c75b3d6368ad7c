"""The blocks of code on a page, and a run of a page's Python as one program.

    python -W error -m tests.blocks docs/tutorial.md

Fences
    python          goes on with the names of the blocks before it on the page
    python alone    has names of its own
    text            right after a python block: what that prints, line for line
`# prints: ...` in a block promises a line, too. A block prints what is promised, in that order, and nothing else.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import re
import sys
import traceback
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent

_FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<mark>\w+))?\n(?P<code>.*?)^```$", re.S | re.M)
_PROMISE = re.compile(r"# prints: (.*)")


class Block(NamedTuple):
    """One fenced block.

    Attributes:
        line: The line of the page that the fence stands on.
        printed: What it promises to print.
    """

    language: str
    mark: str | None
    code: str
    line: int
    printed: list[str]


def pages() -> list[str]:
    """The pages whose Python is run: the README and all of docs/."""
    return ["README.md", *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))]


def blocks(page: str, language: str) -> list[Block]:
    """Return the blocks of `page` in `language`, in order."""
    return [block for block in blocks_of((ROOT / page).read_text(encoding="utf-8")) if block.language == language]


def blocks_of(text: str) -> list[Block]:
    """Return all blocks of a page with this text, in order."""
    found: list[Block] = []
    end = 0
    for fence in _FENCE.finditer(text):
        language, mark, code = fence.group("language", "mark", "code")
        if language == "text" and found and found[-1].language == "python" and not text[end : fence.start()].strip():
            found[-1].printed.extend(code.splitlines())
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(language, mark, code, line, _PROMISE.findall(code)))
        end = fence.end()
    return found


def run(page: str, text: str) -> list[str]:
    """Run the Python of a page with this text; return what went wrong, nothing where nothing did.

    A block that raises is the last one that is run.
    """
    wrong: list[str] = []
    shared: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(text):
        if block.language != "python":
            continue
        names: dict[str, object] = {"__name__": "__main__"} if block.mark == "alone" else shared
        out = io.StringIO()
        try:
            code = compile("\n" * block.line + block.code, page, "exec")  # so that a traceback gives the page's lines
            with contextlib.redirect_stdout(out):
                exec(code, names)
        except BaseException:  # noqa: BLE001  (shown to whoever runs the page)
            wrong.append(f"{page}:{block.line}: raised\n{traceback.format_exc()}")
            return wrong
        printed = out.getvalue().splitlines()
        if printed != block.printed:
            wrong.append(f"{page}:{block.line}: promised {block.printed!r}\n{' ' * len(page)}    printed {printed!r}")
    return wrong


if __name__ == "__main__":
    failures = run(sys.argv[1], (ROOT / sys.argv[1]).read_text(encoding="utf-8"))
    print("\n".join(failures))
    sys.exit(bool(failures))
