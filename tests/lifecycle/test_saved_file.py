"""The file of a saved state: whole or not at all, whatever happens while it is written or to what was written."""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import sys
import threading
from typing import Any
from zlib import crc32

import pytest

from tests.processes import POSIX, ROOT
from vmscope.lifecycle import SavedStateFileError, SavedStateRegistry, _saved_file

STATE = {"screen": {"query": "tram", "rows": [1, 2.5, None, "Ω"], "at": (1, {2})}}


def saving(state: dict[str, Any]) -> SavedStateRegistry:
    """A registry that saves this."""
    registry = SavedStateRegistry()
    registry.restore(state)
    return registry


def written(path: pathlib.Path, state: dict[str, Any] | None = None) -> bytes:
    saving(STATE if state is None else state).save_to(path)
    return path.read_bytes()


def read(path: pathlib.Path) -> dict[str, Any]:
    registry = SavedStateRegistry()
    registry.restore_from(path)
    return registry.save()


def with_sum(body: bytes) -> bytes:
    """A file with this state, as if we had written it."""
    return b'{"format":"vmscope saved state","version":1,"crc32":"%08x","state":%s}\n' % (crc32(body), body)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "state.json"


def test_what_is_written_is_read_and_the_file_is_json(path: pathlib.Path) -> None:
    """V18."""
    data = written(path)

    assert read(path) == STATE
    assert json.loads(data)["state"]["screen"]["query"] == "tram"
    assert data.isascii()
    assert os.listdir(path.parent) == ["state.json"]


def test_where_there_is_not_even_a_folder_the_state_is_empty(tmp_path: pathlib.Path) -> None:
    """V18: it is the first start; the save says what is missing."""
    assert read(tmp_path / "not there" / "state.json") == {}


def test_where_there_is_no_file_the_state_is_empty(path: pathlib.Path) -> None:
    registry = SavedStateRegistry()

    assert registry.restore_from(path) is False
    assert registry.is_restored
    assert registry.save() == {}
    assert written(path)
    assert SavedStateRegistry().restore_from(str(path)) is True


# ---- damage


def refused(path: pathlib.Path, data: bytes) -> str:
    """Restore a file of these bytes; it is refused, and the state is empty. Returns the message."""
    path.write_bytes(data)
    registry = SavedStateRegistry()
    with pytest.raises(SavedStateFileError) as caught:
        registry.restore_from(path)
    assert registry.is_restored
    assert registry.consume_restored_state("screen") is None
    assert registry.save() == {}
    assert path.read_bytes() == data, "a file that is refused is left as it is"
    assert caught.value.path == str(path)
    message = str(caught.value)
    assert str(path) in message
    return message


def test_a_file_that_was_cut_short_anywhere_is_refused(path: pathlib.Path) -> None:
    """V18."""
    data = written(path)

    for length in range(len(data)):
        assert "move it away or delete it to begin anew" in refused(path, data[:length]).lower()


def test_a_file_with_one_byte_changed_anywhere_is_refused(path: pathlib.Path) -> None:
    """V18."""
    data = written(path)

    for index, byte in enumerate(data):
        refused(path, data[:index] + bytes([byte ^ 1 << index % 8]) + data[index + 1 :])


def test_a_file_with_something_added_or_taken_out_is_refused(path: pathlib.Path) -> None:
    data = written(path)

    for changed in (data + b"\n", data + data, b"\n" + data, data.replace(b"\n", b"\r\n"), data[:-9] + data[-8:]):
        refused(path, changed)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty, so it is no saved state"),
        (b"{}", r"is not a saved state, it begins with b'\{\}'"),
        (b'{"name": "x", "version": 1}', "is not a saved state"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 1000, "is not a saved state"),
        (with_sum(b"{}").replace(b":1,", b":2,"), "of version 2, and only version 1"),
        (with_sum(b"{"), "no JSON"),
        (with_sum(b"[" * 100_000), "no JSON|parts by key|recursion"),
        (with_sum(b"[1]"), "has a list for its state"),
        (with_sum(b'{"$":"dict","v":[[1,2]]}'), "has a dict for its state"),
        (with_sum(b'{"a":{"$":"of.another.Program","v":1}}'), "cannot be restored: .*'of.another.Program'.*import"),
        (with_sum(b'{"a":1,"b":{"$":"datetime.date","v":"soon"}}'), "a saved 'datetime.date' could not be made again"),
    ],
)  # fmt: skip
def test_a_foreign_file_is_refused_and_the_message_says_what_it_is(
    path: pathlib.Path, data: bytes, message: str
) -> None:
    """V18."""
    refused(path, data)
    with pytest.raises(SavedStateFileError, match=message):
        SavedStateRegistry().restore_from(path)


def test_a_path_that_cannot_be_read_is_an_error_of_the_system_and_the_state_is_empty(tmp_path: pathlib.Path) -> None:
    registry = SavedStateRegistry()

    with pytest.raises(OSError, match=tmp_path.name):
        registry.restore_from(tmp_path)
    assert registry.consume_restored_state("screen") is None


def test_after_a_file_that_was_refused_another_may_be_restored(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path.write_bytes(b"damaged")
    written(tmp_path / "copy.json")
    registry = SavedStateRegistry()

    with pytest.raises(SavedStateFileError):
        registry.restore_from(path)
    registry.restore_from(tmp_path / "copy.json")

    assert registry.consume_restored_state("screen") == STATE["screen"]


# ---- writing


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V18."""
    before = written(path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("write", "fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(OSError, match="No space left"):
                written(path, {"screen": "new"})
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == ["state.json"]


def test_a_write_that_takes_little_at_a_time_is_gone_on_with(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: plain(descriptor, data[:7]))

    written(path)

    assert read(path) == STATE


def test_a_state_that_cannot_be_saved_leaves_the_old_file(path: pathlib.Path) -> None:
    before = written(path)
    registry = SavedStateRegistry()
    registry.restore(None)
    registry.register_saved_state_provider("screen", lambda: {"rows": [object()]})

    with pytest.raises(ValueError, match=r"the state cannot be saved: at \['screen'\]\['rows'\]\[0\] it is a object"):
        registry.save_to(path)

    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        saving(STATE).save_to(tmp_path / "nowhere" / "state.json")


@POSIX
@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_folder_that_cannot_be_written_through_is_no_reason_to_fail(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """V18: one may write to a folder that one may not read; some file systems sync no folders. The state is there."""
    plain, refused = getattr(os, call), []

    def for_files(what: Any, *rest: Any) -> Any:
        if os.path.isdir(what) if call == "open" else stat.S_ISDIR(os.fstat(what).st_mode):
            refused.append(what)
            raise PermissionError(13, "Permission denied")
        return plain(what, *rest)

    monkeypatch.setattr(os, call, for_files)
    written(path)
    monkeypatch.undo()

    assert len(refused) == 1
    assert read(path) == STATE


@POSIX
def test_the_file_is_for_its_user_alone_and_a_link_stays_one(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)

    written(link)

    assert link.is_symlink()
    assert read(path) == STATE
    assert path.stat().st_mode & 0o777 == 0o600


@POSIX
def test_what_killed_processes_left_is_removed_at_the_next_start_and_nothing_else(path: pathlib.Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = path.parent / f".state.json.{gone.pid}-1-0.saving"
    kept = [
        path.parent / name
        for name in (
            f".state.json.{os.getpid()}-1-0.saving",
            ".state.json.x-1-0.saving",
            ".other.json.1-1-0.saving",
            f".state.json.{10**30}-1-0.saving",
        )
    ]
    written(path)
    for each in (left, *kept):
        each.write_bytes(b"half")

    assert read(path) == STATE

    assert not left.exists()
    assert all(each.exists() for each in kept)


# ---- kill -9


KILLED = """
import os, signal, sys, random
from vmscope.lifecycle import SavedStateRegistry, _saved_file

path = sys.argv[1]
plain = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace", "close")}

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def patched(name, before, fatal, counts):
    def call(*args, **options):
        counts[name] = counts.get(name, 0) + 1
        if (name, counts[name]) == fatal and before:
            if name == "write":
                plain["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
            die()
        result = plain[name](*args, **options)
        if (name, counts[name]) == fatal:
            die()
        return result
    return call

def registry_of(number):
    registry = SavedStateRegistry()
    registry.restore({"number": number, "more": ["x" * 50] * 200})
    return registry

def in_child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def read():
    registry = SavedStateRegistry()
    assert registry.restore_from(path)
    state = registry.save()
    assert state["more"] == ["x" * 50] * 200
    left = sorted(name for name in os.listdir(os.path.dirname(path)) if name.startswith("."))
    assert left == [], left
    return state["number"]
"""

AT_EACH_STEP = """
registry_of(0).save_to(path)
now = 0
steps = [("open", 1), ("write", 1), ("fsync", 1), ("close", 1), ("replace", 1), ("open", 2), ("fsync", 2), ("close", 2)]
for fatal in steps:
    for before in (True, False):
        def work():
            counts = {}
            for name in plain:
                setattr(os, name, patched(name, before, fatal, counts))
            registry_of(now + 1).save_to(path)

        assert in_child(work) == -signal.SIGKILL, fatal
        found = read()
        late = fatal == ("replace", 1) and not before or fatal[1] == 2
        print(*fatal, "before" if before else "after", "new" if found == now + 1 else "old" if found == now else "?")
        assert found == (now + 1 if late else now), (fatal, before, found, now)
        now = found
"""

AT_ANY_TIME = """
import select
registry_of(0).save_to(path)
saved = 0
for round in range(30):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            number = saved
            while True:
                number += 1
                registry_of(number).save_to(path)
                plain["write"](writer, b"%d\\n" % number)
        finally:
            os._exit(1)
    os.close(writer)
    acknowledged = b""
    for _ in range(random.randrange(3)):
        acknowledged += os.read(reader, 1000)
    select.select([], [], [], random.random() * 0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(reader, 1000):
        acknowledged += more
    os.close(reader)
    told = [int(line) for line in acknowledged.split()]
    last = told[-1] if told else saved
    found = read()
    assert found in (last, last + 1), (found, last)
    saved = found
print(saved)
"""


def run(program: str, path: pathlib.Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", KILLED + program, str(path)],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@POSIX
def test_a_process_killed_at_any_step_of_a_save_leaves_the_old_state_or_the_new_one(path: pathlib.Path) -> None:
    """V18: before the rename it is the old one, from then on the new one; the rest is removed at the next start."""
    lines = run(AT_EACH_STEP, path).splitlines()

    assert len(lines) == 16
    assert next(line for line in lines if line.endswith("new")) == "replace 1 after new"


@POSIX
def test_a_process_killed_at_any_time_loses_at_most_the_last_save(path: pathlib.Path) -> None:
    """V18: 30 processes that save as fast as they can, each killed."""
    assert int(run(AT_ANY_TIME, path)) > 0


# ---- threads


def test_a_save_that_began_earlier_and_is_written_later_does_not_come_over_a_newer_one(path: pathlib.Path) -> None:
    """V18: a slow provider of the first save lets a whole second one pass."""
    registry = SavedStateRegistry()
    registry.restore(None)
    values = iter(["old", "new"])

    def slow() -> object:
        value = next(values)
        if value == "old":
            other = threading.Thread(target=registry.save_to, args=(path,))
            other.start()
            other.join()
        return value

    registry.register_saved_state_provider("a", slow)

    registry.save_to(path)

    assert read(path) == {"a": "new"}


def test_the_last_of_many_saves_by_many_threads_is_what_stands_there(path: pathlib.Path) -> None:
    """V18: each save has all that was there when it began, and no older one comes over it."""
    registry = SavedStateRegistry()
    registry.restore(None)
    count = [0]
    lock = threading.Lock()
    registry.register_saved_state_provider("count", lambda: count[0])
    late: list[tuple[int, int]] = []

    def work() -> None:
        for _ in range(10):
            with lock:
                count[0] += 1
                mine = count[0]
            registry.save_to(path)
            plain: Any = _saved_file.read_state(str(path))
            if plain["count"] < mine:
                late.append((plain["count"], mine))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not late
    assert read(path)["count"] == 40
    assert os.listdir(path.parent) == ["state.json"]
