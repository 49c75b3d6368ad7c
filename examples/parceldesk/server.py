"""The bundled server: a real http.server on a port that was free, slow and unreliable on purpose.

    GET /parcels?q=TEXT              the parcels that fit, as JSON
    GET /parcels/NUMBER/route        its way
    GET /parcels/NUMBER/history      what has happened to it
    GET /parcels/NUMBER/photo        a picture, as PPM; three times of ten 503
    GET /archive                     two gigabytes, 25 MB a second; Range: bytes=N- begins there
    GET /archive/checksum?bytes=N    the CRC-32 of the first N of them

Each answer takes from 50 ms to 1.5 s. How long, and whether it fails, depends on the seed, the address and how often
that was asked for: so two runs with one seed are alike, whatever order the requests come in. Whoever hangs up is
noticed while the answer is still being waited for, and gets none.
"""

from __future__ import annotations

import json
import select
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

from .depot import PIECE, Depot

FAILS = 0.3  # of the photos
RATE = 25_000_000  # bytes of the archive in a second


class ParcelServer:
    """The server and its threads. A context manager: leaving it ends them.

    Args:
        depot: What it serves.
        seed: Of its moods.
        slowest: Seconds that an answer takes at most.

    Attributes:
        url: Where it listens.
        asked: How often each address was asked for.
        hung_up: The addresses whose reader went before the answer was complete.
    """

    def __init__(self, depot: Depot, seed: object = 1, slowest: float = 1.5) -> None:
        self.depot = depot
        self.asked: Counter[str] = Counter()
        self.hung_up: list[str] = []
        self._seed = seed
        self._slowest = slowest
        self._lock = threading.Lock()  # guards `asked` and `hung_up`
        self._http = _Http(self)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Requests that are under way end with their readers."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def take(self, address: str) -> tuple[float, bool]:
        """Count a request; return the seconds that its answer takes, and whether it will fail where that can be."""
        with self._lock:
            self.asked[address] += 1
            share, fails = mood(self._seed, address, self.asked[address])
        shortest = min(0.05, self._slowest)
        return shortest + share * (self._slowest - shortest), fails

    def note_hang_up(self, address: str) -> None:
        with self._lock:
            self.hung_up.append(address)


def mood(seed: object, address: str, number: int) -> tuple[float, bool]:
    """Return how slow, from 0 to 1, the answer to the `number`th request for an address is, and whether it may fail."""
    random = Random(f"{seed} {address} {number}")
    return random.random(), random.random() < FAILS


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: ParcelServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of readers that hang up: `hung_up` has them."""


class _Request(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        owner = cast("_Http", self.server).owner
        try:
            self._answer(owner)
        except ConnectionError:
            owner.note_hang_up(self.path)

    def _answer(self, owner: ParcelServer) -> None:
        seconds, fails = owner.take(self.path)
        if self.path == "/archive":
            self._trickle(owner.depot)
            return
        self._wait(seconds)
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        try:
            match unquote(address.path).split("/")[1:]:
                case ["parcels"]:
                    self._send_json(owner.depot.find(query.get("q", [""])[0]))
                case ["parcels", number, "route"]:
                    self._send_json(owner.depot.route(number))
                case ["parcels", number, "history"]:
                    self._send_json(owner.depot.history(number))
                case ["parcels", _, "photo"] if fails:
                    self._refuse(503, "the photo store does not answer")
                case ["parcels", number, "photo"]:
                    self._send(200, owner.depot.photo(number), "image/x-portable-pixmap")
                case ["archive", "checksum"]:
                    self._send_json(owner.depot.archive_checksum(int(query["bytes"][0])))
                case _:
                    self._refuse(404, "there is no such page")
        except KeyError as unknown:
            self._refuse(404, f"there is no {unknown}")

    def _wait(self, seconds: float) -> None:
        """Take one's time. The reader has asked all it will: what comes from there now is its end."""
        gone, _, _ = select.select([self.connection], [], [], seconds)
        if gone:
            raise ConnectionAbortedError(self.path)

    def _trickle(self, depot: Depot) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self._head(206 if start else 200, depot.archive - start, "application/octet-stream")
        while start < depot.archive:
            self._wait(PIECE / RATE)
            piece = depot.archive_piece(start)
            self.wfile.write(piece)
            start += len(piece)

    def _send_json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), "application/json")

    def _refuse(self, status: int, reason: str) -> None:
        self._send(status, reason.encode(), "text/plain")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self._head(status, len(content), kind)
        self.wfile.write(content)

    def _head(self, status: int, length: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing on stderr."""
