"""The service that the dashboard asks: a real http.server over a real SQLite file, on a port that was free.

    GET /users                all at once
    GET /messages             all at once
    GET /notifications        500: the table was never migrated, SQLite itself refuses the query
    GET /feed?count=N         post by post, slowly; the server goes on until it is told to stop or the reader is gone

An answer is lines of JSON, a row each. One thread accepts, each request has its own, and each request its own
connection to the file: nothing is shared but two events that are set once. `close()` returns when all threads have
ended and the file is deleted.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from .._primitives import Event, current_thread, start_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._timeline import Timeline

#: Seconds between two posts of the feed. Ten fill the pane in a moment; four hundred would take twelve seconds.
PAUSE = 0.03

_SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE messages (id INTEGER PRIMARY KEY, sender TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE notifications (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE posts (id INTEGER PRIMARY KEY, author TEXT NOT NULL, body TEXT NOT NULL);
"""
_QUERIES = {
    "/users": "SELECT id, name FROM users ORDER BY name",
    "/messages": "SELECT id, sender, body FROM messages ORDER BY id DESC",
    # read_at came with a migration that this file never saw: the 500 is SQLite's, not ours.
    "/notifications": "SELECT id, body FROM notifications WHERE read_at IS NULL",
}
_NAMES = ("Ada", "Barbara", "Edsger", "Frances", "Grace", "Katherine", "Radia")


class Service:
    """The server with its file. A context manager: leaving it stops the threads and deletes the file.

    Attributes:
        url: Where it listens, `http://127.0.0.1:PORT`.
        closing: Set when the service ends: a feed that is being sent stops at its next post.
        reader_lost: Set when a reader of the feed has hung up before its end.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.closing, self.reader_lost = Event(), Event()
        self._folder = TemporaryDirectory(prefix="vmscope-demo-")
        self.path = Path(self._folder.name, "dashboard.sqlite")
        _fill(self.path)
        self._http = _Server(self)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = start_thread(self._serve, "http-accept")
        timeline.note(f"server listens on {self.url.removeprefix('http://')}, tables in {self.path.name}")

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop accepting, end the requests that are open, delete the file. Blocks until all that has happened."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()  # joins the threads of the requests
        self._thread.join()
        self._folder.cleanup()

    def rows_in(self, table: str) -> int:
        """Ask the file, past the server, how many rows a table has."""
        with closing(sqlite3.connect(self.path)) as database:
            return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def _serve(self) -> None:
        self._http.serve_forever(poll_interval=0.05)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # only threads that are not daemons are joined by server_close()

    def __init__(self, service: Service) -> None:
        self.service = service
        self.numbers = count(1)
        super().__init__(("127.0.0.1", 0), _Request)


class _Request(BaseHTTPRequestHandler):
    def setup(self) -> None:
        server = cast("_Server", self.server)
        self._service = server.service
        current_thread().name = f"http-{next(server.numbers)}"
        super().setup()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        try:
            with closing(sqlite3.connect(self._service.path)) as database:
                if address.path == "/feed":
                    self._trickle(database, int(parse_qs(address.query)["count"][0]))
                else:
                    self._rows(database.execute(_QUERIES[address.path]).fetchall())
        except sqlite3.Error as failure:
            self._refuse(500, str(failure))
        except KeyError:
            self._refuse(404, "no such page")

    def _rows(self, rows: list[Any]) -> None:
        self._note(f"200, {len(rows)} rows")
        self._head(200)
        self.wfile.write(b"".join(map(_line, rows)))

    def _refuse(self, status: int, reason: str) -> None:
        self._note(f"{status}, {reason}", "bad")
        self._head(status)
        self.wfile.write(_line(reason))

    def _trickle(self, database: sqlite3.Connection, number: int) -> None:
        self._head(200)
        sent = 0
        try:
            for post in _posts(database, number):
                if self._service.closing.wait(PAUSE):
                    break
                self.wfile.write(_line(post))
                sent += 1
        except ConnectionError:
            self._note(f"hung up on, {sent} of {number} posts sent", "gone")
            self._service.reader_lost.set()
            return
        self._note(f"200, {sent} rows, one by one")

    def _head(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()

    def _note(self, told: str, mood: str = "") -> None:
        self._service.timeline.note(f"GET {self.path}: {told}", mood)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing on stderr: the timeline tells it."""


def _line(content: Any) -> bytes:
    return json.dumps(content).encode() + b"\n"


def _posts(database: sqlite3.Connection, number: int) -> Iterator[Any]:
    return iter(database.execute("SELECT id, author, body FROM posts ORDER BY id DESC LIMIT ?", (number,)))


def _fill(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_SCHEMA)
        database.executemany("INSERT INTO users (name) VALUES (?)", [(name,) for name in _NAMES])
        database.executemany(
            "INSERT INTO messages (sender, body) VALUES (?, ?)",
            [(name, f"Greetings from {name}") for name in _NAMES[:5]],
        )
        database.execute("INSERT INTO notifications (body) VALUES ('Your parcel is here')")
        database.executemany(
            "INSERT INTO posts (author, body) VALUES (?, ?)",
            [(_NAMES[number % len(_NAMES)], f"Post number {number}") for number in range(1, 401)],
        )
