"""The file of a saved state: written whole or not at all, and read only if it is what was written.

    {"format":"vmscope saved state","version":1,"crc32":"0a1b2c3d","state":{...}}

It is JSON for whoever wants to look; the layout is fixed to the byte, and the sum is that of the state's bytes.
Invariants
    F1  at the path stands, at every moment, the old file or the new one, also if the process or the machine dies.
    F2  what `read_state` returns is what one `write_state` was given. A file with a byte changed or missing is refused.
No locks: each call has a temporary file of its own.
Counterpart: none; Android's system keeps the Bundle.
"""

from __future__ import annotations

import os
import re
from itertools import count
from zlib import crc32

from .._primitives import get_ident

_VERSION = 1
_START = b'{"format":"vmscope saved state",'
_HEAD = re.compile(_START + rb'"version":(\d{1,9}),"crc32":"([0-9a-f]{8})","state":')
_END = b"}\n"
_SUFFIX = ".saving"
_numbers = count()


class SavedStateFileError(ValueError):
    """A file was to be restored that is no saved state of ours, or a damaged one. Nothing of it was taken.

    Attributes:
        path: The file.

    Move the file away, or delete it, to begin anew.
    """

    __module__ = "vmscope.lifecycle"

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


def write_state(path: str, plain: object) -> None:
    """Put `plain`, which is JSON, into the file at `path`.

    Raises:
        OSError: The system refused; the old file is still there, untouched.
    """
    from json import dumps  # here and below: most programs save nothing

    body = dumps(plain, allow_nan=False, separators=(",", ":")).encode("ascii")
    head = _START + b'"version":%d,"crc32":"%08x","state":' % (_VERSION, crc32(body))
    target = os.path.realpath(path)  # of a link, what it leads to is replaced, not the link
    folder, name = os.path.split(target)
    # By thread and number: neither another saving thread nor another process writes into the same one.
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-{get_ident()}-{next(_numbers)}{_SUFFIX}")
    try:
        _write_through(temporary, head + body + _END)
        os.replace(temporary, target)
    except BaseException:
        _remove(temporary)
        raise
    _write_folder_through(folder)


def _write_through(path: str, data: bytes) -> None:
    """Write a new file, and return when it is on the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)  # for the user alone: nobody knows what a screen keeps
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        # Without this the new name may reach the disk before what it names: after a power cut, an empty file.
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_folder_through(folder: str) -> None:
    """Get the new name on the disk, too, where the system can. Without it a power cut may bring the old file back."""
    if os.name != "posix":  # pragma: no cover - another platform
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # a folder that one may write to and not read
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some file systems have no such thing
    finally:
        os.close(descriptor)


def read_state(path: str) -> object:
    """Return what was written to `path`, None where there is no file.

    Raises:
        SavedStateFileError: It is damaged, cut short, from a newer version, or something else altogether.
        OSError: The system does not let it be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(len(_START))
            if data == _START:  # not a file of some gigabytes that is not ours
                data += file.read()
    except FileNotFoundError:
        return None
    body = _checked_body(path, data)
    from json import loads

    try:
        return loads(body)
    except (ValueError, RecursionError) as failure:  # the sum is right, so somebody has computed it
        raise SavedStateFileError(f"{path} has a state that is no JSON ({failure})", path) from failure


def _checked_body(path: str, data: bytes) -> bytes:
    """Return the bytes of the state in a file, if they are whole."""
    if not data:
        raise SavedStateFileError(f"{path} is empty, so it is no saved state: {_ADVICE}", path)
    if not data.startswith(_START[: len(data)]):
        raise SavedStateFileError(f"{path} is not a saved state, it begins with {data[:20]!r}: {_ADVICE}", path)
    head = _HEAD.match(data)
    if head is None:
        raise SavedStateFileError(f"{path} is damaged in its first line, or cut short there: {_ADVICE}", path)
    version = int(head[1])
    if version != _VERSION:
        raise SavedStateFileError(
            f"{path} is a saved state of version {version}, and only version {_VERSION} can be read here: it was "
            f"written by another release, or damaged. {_ADVICE.capitalize()}",
            path,
        )
    body = data[head.end() : -len(_END)]
    if not data.endswith(_END) or crc32(body) != int(head[2], 16):
        raise SavedStateFileError(
            f"{path} is damaged or cut short, its sum is not that of its contents: {_ADVICE}", path
        )
    return body


_ADVICE = "move it away or delete it to begin anew"


def remove_leftovers(path: str) -> None:
    """Remove the temporary files of processes that were killed while they saved to `path`."""
    folder, name = os.path.split(os.path.realpath(path))
    ours = re.compile(rf"\.{re.escape(name)}\.(\d+)-\d+-\d+{re.escape(_SUFFIX)}")
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for each in names:
        found = ours.fullmatch(each)
        if found is not None and not _is_running(int(found[1])):
            _remove(os.path.join(folder, each))


def _is_running(pid: int) -> bool:
    """Say whether there may be a process of this number: then its file is left alone."""
    if os.name != "posix":  # pragma: no cover - another platform
        return pid == os.getpid()  # signal 0 is no question there, and a file that is open cannot be removed
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
