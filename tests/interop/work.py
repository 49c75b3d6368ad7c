"""What the tests send away. It has to be importable wherever it is called, so it stands here and not in a test."""

from __future__ import annotations

import os
import pathlib
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from vmscope import check_cancelled, is_active
from vmscope.interop import CancelToken

PATIENCE = 15.0  # seconds


class TwoArgumentsError(Exception):
    """As many programs have one: what it gives its base is not what it takes. It does not come out of a pickle."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class UnprintableError(Exception):
    """Not even its text can be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __reduce__(self) -> NoReturn:
        raise RuntimeError("no pickle")


class HereOnly:
    """Pickles well, and raises where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return _explode, ()


def _explode() -> NoReturn:
    raise RuntimeError("this cannot be rebuilt")


def process() -> int:
    return os.getpid()


def double(number: int) -> int:
    return number * 2


def fail(text: str) -> NoReturn:
    raise LookupError(text)


def fail_with_two() -> NoReturn:
    raise TwoArgumentsError(404, "no such row")


def fail_unprintably() -> NoReturn:
    raise UnprintableError


def give_a_lock() -> object:
    return threading.Lock()


def give_here_only() -> object:
    return HereOnly()


def leave() -> NoReturn:
    sys.exit(7)


def die() -> NoReturn:
    os._exit(3)


def sign(path: pathlib.Path) -> None:
    path.touch()


def wait_while(condition: Callable[[], bool]) -> None:
    """Wait as long as it is true, within a bound: a test that fails must not keep a worker, and with it the run."""
    deadline = time.monotonic() + PATIENCE
    while condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still so after {PATIENCE} seconds")
        time.sleep(0.002)


def until_there(path: pathlib.Path, started: pathlib.Path, ended: pathlib.Path) -> str:
    """Run until somebody makes `path`, however unwanted meanwhile."""
    started.touch()
    wait_while(lambda: not path.exists())
    ended.touch()
    return "ended"


def until_unwanted(started: pathlib.Path, told: pathlib.Path) -> None:
    """Run until the caller is cancelled, and say so."""
    started.touch()
    wait_while(is_active)
    told.touch()
    check_cancelled()


def until_token_says(token: CancelToken, started: pathlib.Path, told: pathlib.Path) -> None:
    """The same, with a token, in a thread that knows nothing else."""

    def watch() -> None:
        started.touch()
        wait_while(lambda: not token.is_cancelled)
        told.touch()

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    token.ensure_active()
