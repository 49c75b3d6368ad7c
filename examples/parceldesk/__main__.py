"""python -m examples.parceldesk: the server, the store and the view models, under the view that is asked for."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from tempfile import TemporaryDirectory

from vmscope import Looper, ViewModelProviderFactory, ViewModelStore, run_main

from .depot import Depot
from .hashing import PoolHasher
from .repository import DeskRepository
from .server import ParcelServer
from .store import Store
from .trace import recorder
from .view_models import view_models

TOOLKITS = ("tkinter", "_tkinter", "PySide6", "PyQt6")


def main(arguments: list[str] | None = None) -> int:
    """Run the program; its exit code. Each view is imported only if it is the one that is asked for."""
    asked = _parser().parse_args(arguments)
    with ExitStack() as stack:
        path = asked.data or os.path.join(
            stack.enter_context(TemporaryDirectory(prefix="parceldesk-", ignore_cleanup_errors=True)), "desk.sqlite"
        )
        server = stack.enter_context(ParcelServer(Depot(asked.seed), asked.seed, asked.slowest))
        if asked.data:
            recorder.folder = os.path.dirname(os.path.abspath(asked.data))
        Looper.set_observer(recorder)
        stack.callback(Looper.set_observer, None)
        hasher = PoolHasher()
        stack.callback(hasher.close)
        factory = view_models(DeskRepository(server.url, Store(path)), hasher)
        try:
            return _show(asked, factory)
        except KeyboardInterrupt:  # by now all is cancelled, and has cleaned up
            return 130
        except ImportError as missing:
            if missing.name is None or missing.name.partition(".")[0] not in TOOLKITS:
                raise
            print(f"Its window needs what is not there: {missing}. Without a window: --headless", file=sys.stderr)
            return 2


def _show(asked: argparse.Namespace, factory: ViewModelProviderFactory) -> int:
    if asked.headless:
        from .text_view import converse, typed_lines

        run_main(converse, factory, ViewModelStore(), _write, typed_lines)
    elif asked.asyncio:
        import asyncio

        from . import asyncio_view

        asyncio.run(asyncio_view.run(factory, _write))
    elif asked.qt:
        from . import qt_view

        return qt_view.run(factory, asked.qt)
    else:
        from . import tk_view

        tk_view.run(factory)
    return 0


def _write(line: str) -> None:
    print(line, flush=True)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: seconds are needed, 0 or more")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.parceldesk", description="A shipment tracker, under Tk.")
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--headless", action="store_true", help="lines of text on a bare looper; type help")
    view.add_argument("--asyncio", action="store_true", help="lines of text on asyncio's loop")
    view.add_argument("--qt", nargs="?", const="PySide6", choices=("PySide6", "PyQt6"), help="a window of Qt")
    parser.add_argument("--seed", default="1", help="another seed, other parcels and moods of the server")
    parser.add_argument("--slowest", type=_seconds, default=1.5, metavar="SECONDS", help="longest time for an answer")
    parser.add_argument("--data", metavar="FILE", help="keep the desk's SQLite file there, and find it again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
