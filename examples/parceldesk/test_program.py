"""The parts that the view models do not see, in earnest: the server, the store, the repository; and the program itself.

Real sockets and real threads, so nothing here counts on how long anything takes.
"""

from __future__ import annotations

import html
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import IO, Any

import pytest

from examples.parceldesk.__main__ import main
from examples.parceldesk.depot import PIECE, Depot
from examples.parceldesk.hashing import CHUNK, PoolHasher, fnv1a
from examples.parceldesk.model import Progress, ServiceError
from examples.parceldesk.repository import DeskRepository
from examples.parceldesk.server import ParcelServer, mood
from examples.parceldesk.store import Store
from examples.parceldesk.trace import Recorder
from vmscope import Handler, Looper, coroutine_scope, launch, run_blocking, run_blocking_io, run_main

ROOT = pathlib.Path(__file__).parent.parent.parent
SIZE = 5 * PIECE + 1000  # bytes of a small archive


class Server(ParcelServer):
    """Tells when it was asked for something, and when somebody has hung up."""

    def __init__(self, slowest: float) -> None:
        self.was_asked, self.was_left = threading.Event(), threading.Event()
        super().__init__(Depot(archive=SIZE), slowest=slowest)

    def take(self, address: str) -> tuple[float, bool]:
        self.was_asked.set()
        return super().take(address)

    def note_hang_up(self, address: str) -> None:
        super().note_hang_up(address)
        self.was_left.set()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(slowest=0.0) as made:
        yield made


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    return Store(str(tmp_path / "desk.sqlite"))


def test_what_was_found_once_is_found_without_the_server(server, store):
    repository = DeskRepository(server.url, store)

    found = run_blocking(repository.search, "paris delivered")
    server.close()
    again = run_blocking(repository.search, "delivered PARIS")

    assert {parcel.number for parcel in found.parcels} == {p.number for p in server.depot.find("paris delivered")}
    assert found.parcels
    assert (set(again.parcels), again.offline) == (set(found.parcels), True)


def test_a_parcel_comes_over_the_wire_as_the_depot_has_it(server, store):
    repository, depot = DeskRepository(server.url, store), server.depot
    number = next(iter(depot.parcels))

    assert run_blocking(repository.route, number) == tuple(depot.route(number))
    assert run_blocking(repository.history, number) == tuple(depot.history(number))
    with pytest.raises(ServiceError, match="there is no 'PD 0'"):
        run_blocking(repository.route, "PD 0")


def test_three_photos_of_ten_fail_and_the_same_ones_with_the_same_seed(server, store):
    addresses = {number: f"/parcels/{number.replace(' ', '%20')}/photo" for number in server.depot.parcels}
    failing = {number for number, address in addresses.items() if mood(1, address, 1)[1]}

    assert 90 <= len(failing) <= 150
    for number in list(addresses)[:8]:
        try:
            came = run_blocking(DeskRepository(server.url, store).photo, number) == server.depot.photo(number)
        except ServiceError:
            came = False
        assert came is (number not in failing)


def test_a_cancelled_request_ends_at_once_and_the_server_sees_it(store):
    with Server(slowest=3600.0) as server:
        repository = DeskRepository(server.url, store, patience=3600.0)

        async def leave() -> None:
            async with coroutine_scope():
                asking = launch(repository.search, "par")
                assert await run_blocking_io(server.was_asked.wait, 20)
                await asking.cancel_and_join()  # without hanging up this would take an hour

        run_blocking(leave)
        assert server.was_left.wait(20)
        assert server.hung_up == ["/parcels?q=par"]
    assert store.find("") == (), "what nobody waits for is not remembered either"


def test_the_archive_goes_on_after_a_stop_and_is_right_in_the_end(server, store):
    repository = DeskRepository(server.url, store)

    first = run_blocking(lambda: repository.download().take(2).to_list())
    kept, checksum = store.archive()
    rest = run_blocking(lambda: repository.download().to_list())

    assert first[-1].state == "running"
    assert kept.state == "stopped"
    assert first[-1].received <= kept.received < SIZE
    assert checksum == server.depot.archive_checksum(kept.received)
    assert rest[0].received > kept.received
    assert rest[-1] == Progress(SIZE, SIZE, "complete and right")
    assert run_blocking(repository.archive) == rest[-1]


def test_a_damaged_archive_is_found_out(server, store):
    store.save_archive(Progress(PIECE, SIZE, "stopped"), 12345)

    last = run_blocking(lambda: DeskRepository(server.url, store).download().last())

    assert last.state == "complete, but damaged"


def test_a_file_that_is_none_is_told_of(server, tmp_path):
    (tmp_path / "desk.sqlite").write_text("a letter, and no database, " * 100)

    with pytest.raises(ServiceError, match=r"desk\.sqlite cannot be used \(file is not a database\)"):
        run_blocking(DeskRepository(server.url, Store(str(tmp_path / "desk.sqlite"))).search, "")


def test_a_part_has_the_same_hash_wherever_it_is_computed():
    hasher = PoolHasher(size=CHUNK + 5)
    expected = fnv1a(3, CHUNK + 5)

    with closing(hasher):
        assert run_blocking(hasher.hash_part, "threads", 3) == expected
        assert run_blocking(hasher.hash_part, "processes", 3) == expected
    assert fnv1a(ord("a"), 1) == 0xAF63DC4C8601EC8C, "as everywhere else, for the text 'a'"


# ---- the program, without a display


@pytest.mark.parametrize(("view", "toolkit"), [([], "tkinter"), (["--qt"], "PySide6"), (["--qt", "PyQt6"], "PyQt6")])
def test_a_toolkit_that_is_not_there_is_told_of(view, toolkit, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, toolkit, None)
    monkeypatch.delitem(sys.modules, "examples.parceldesk.tk_view", raising=False)

    assert main(view) == 2
    told = capsys.readouterr().err
    assert toolkit in told
    assert told.endswith("Without a window: --headless\n")


@pytest.mark.parametrize("seconds", ["-3", "nan", "inf", "soon"])
def test_a_time_that_no_answer_can_take_is_refused(seconds, capsys):
    with pytest.raises(SystemExit) as refused:
        main(["--headless", "--slowest", seconds])

    assert refused.value.code == 2
    assert f"argument --slowest: {seconds!r}: seconds are needed, 0 or more" in capsys.readouterr().err


class Talk:
    """A program that is talked to line by line."""

    def __init__(self, *arguments: str) -> None:
        # a shell that starts a job in the background has it ignore Ctrl-C, and its children inherit that
        start = (
            "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from tests.patient import be_patient; be_patient(); "
            "runpy.run_module('examples.parceldesk', run_name='__main__', alter_sys=True)"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", start, *arguments], cwd=ROOT, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in: IO[str] = self.process.stdin
        self._out: IO[str] = self.process.stdout

    def say(self, line: str) -> None:
        self._in.write(line + "\n")
        self._in.flush()

    def hear(self, part: str) -> str:
        """Read until a line with `part` comes; return it."""
        before = []
        for line in self._out:
            if part in line:
                return line.rstrip("\n")
            before.append(line)
        raise AssertionError(f"{part!r} never came, but {''.join(before)}{self.process.communicate()[1]}")

    def end(self) -> tuple[int, str]:
        """Wait for its end; the exit code, and what it had to complain of."""
        begin = time.monotonic()
        try:
            errors = self.process.communicate(timeout=30)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"something holds up the end: {self.process.communicate()}") from None
        print(f"from the last order to the end of the process: {time.monotonic() - begin:.2f} s")
        return self.process.returncode, errors


@pytest.mark.parametrize(
    ("view", "leave", "code"),
    [
        ("--headless", "quit", 0),
        pytest.param(
            "--asyncio", "Ctrl-C", 130, marks=pytest.mark.skipif(os.name != "posix", reason="a Ctrl-C as POSIX has it")
        ),
    ],
)
def test_the_program_ends_in_the_middle_of_a_download(tmp_path, view, leave, code):
    file = tmp_path / "desk.sqlite"
    talk = Talk(view, "--slowest", "0.02", "--data", str(file))
    talk.hear("all: 40 parcels")
    found = Depot().find("par")
    talk.say("find par")
    talk.hear(f"par: {len(found)} parcels")
    assert talk.hear("  1  PD").endswith(f"Paris       {found[0].status}")
    talk.say("open 1")
    talk.hear(f"* opened {found[0].number}")
    talk.hear("  history: ")
    talk.say("rotate")
    assert talk.hear("  1  PD").endswith(f"{found[0].recipient:20}"), "narrow now, around the same view models"
    talk.say("archive")
    talk.hear("archive: running")
    while not file_of(file, "SELECT received FROM archive")[0]:
        talk.say("jobs")
        assert "'download' active" in talk.hear("'download'")
    talk.say("save")
    trace, report = (pathlib.Path(talk.hear("saved ").removeprefix("saved ")) for _ in range(2))
    if leave == "Ctrl-C":
        talk.process.send_signal(signal.SIGINT)
    else:
        talk.say(leave)

    assert talk.end() == (code, ""), "and it waited for nobody until a time was up"
    received, state, checksum = file_of(file, "SELECT received, state, checksum FROM archive")
    assert file_of(file, "PRAGMA integrity_check") == ("ok",)
    assert state == "stopped"
    assert checksum == Depot().archive_checksum(received)
    assert (trace.parent, report.parent) == (tmp_path, tmp_path)
    events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    assert [event["args"]["name"] for event in events if event["ph"] == "M"] == ["MainThread"]
    assert any("'download'" in event["name"] for event in events if event["ph"] == "X")
    assert "'download' active" in html.unescape(report.read_text(encoding="utf-8"))


def test_a_trace_has_each_message_with_its_time_and_a_report_opens_without_a_network(tmp_path):
    now = [10.0]
    recorder = Recorder(str(tmp_path), clock=lambda: now[0])

    def takes(seconds):
        now[0] += seconds

    def fails():
        takes(0.25)
        raise OSError("no network")

    async def body():
        Looper.get_main().on_uncaught = lambda message, error: isinstance(error, OSError)
        Handler(Looper.get_main()).post(fails)
        await launch(takes, 0.5, name="load <all>").join()

    Looper.set_observer(recorder)
    try:
        run_main(body)
    finally:
        Looper.set_observer(None)
    trace, report = (pathlib.Path(path).read_text(encoding="utf-8") for path in recorder.save())

    slices = [event for event in json.loads(trace)["traceEvents"] if event["ph"] == "X"]
    (load,) = (event for event in slices if "load <all>" in event["name"])
    (failed,) = (event for event in slices if event["cat"] == "failed")
    assert (failed["ts"], failed["dur"]) == (10e6, 0.25e6)
    assert (load["ts"], load["dur"]) == (10.25e6, 0.5e6)
    assert "load &lt;all&gt;" in report
    assert "500.000 ms<td>0.250 s" in report
    assert not re.search("(src|href)=|//", report)


def file_of(path: pathlib.Path, query: str) -> tuple[Any, ...]:
    with closing(sqlite3.connect(path)) as database:
        row: tuple[Any, ...] = database.execute(query).fetchone()
        return row
