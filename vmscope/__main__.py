"""The command line: `python3 -m vmscope` says what there is, `python3 -m vmscope demo` shows it."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

_OVERVIEW = """\
vmscope: a main thread with a timed queue, coroutines that end together, ViewModels that end with their screen.

commands:
  python3 -m {package} demo           a dashboard loads, half fails and is left: timeline, job tree, cost of a launch
  python3 -m {package} demo --json    the same as one JSON object

in a program:
  from {package} import Dispatchers, ViewModel, run_main, with_context

documentation:
  README.md                       what it is for, and twenty lines that run
  docs/                           beside the package: design.md is the way through the rooms
  python3 -m pydoc {package}.NAME   what a name does, what it raises, which thread may call it
"""


class _Parser(argparse.ArgumentParser):
    def format_help(self) -> str:
        return _OVERVIEW.format(package=_package())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 where the demo did not go as told, 2 for a wrong call."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "demo":
            return _demo(wants_json=chosen.json)
        parser.print_help()
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; what is still in the buffer has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0


def _package() -> str:
    return __package__ or "vmscope"


def _parser() -> argparse.ArgumentParser:
    program = f"python3 -m {_package()}"
    parser = _Parser(prog=program, usage=f"{program} [command]")
    commands = parser.add_subparsers(dest="command", metavar="command", parser_class=argparse.ArgumentParser)
    demo = commands.add_parser(
        "demo",
        prog=f"{program} demo",
        description="Load a dashboard from a server of its own and leave it half-way; print what happened. "
        "Exit code 1: something did not go as it has to, and the last lines say what.",
    )
    demo.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    return parser


def _demo(*, wants_json: bool) -> int:
    from .demo import Palette, as_json, as_text, tell  # noqa: PLC0415  (its server and its database load with it only)

    if wants_json:
        import json  # noqa: PLC0415

        story = tell()
        print(json.dumps(as_json(story), indent=2), flush=True)
        return 0 if story.as_told else 1
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a terminal that cannot draw the tree's lines still shows the rest
    palette = Palette.of(stream)
    story = tell(stream, palette)
    stream.write(as_text(story, palette))
    stream.flush()
    return 0 if story.as_told else 1


if __name__ == "__main__":
    sys.exit(main())
