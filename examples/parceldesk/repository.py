"""The repository: asks the server, remembers in the store. Blocks on Dispatchers.IO, and hangs up when cancelled.

Cancelling a coroutine does not wake a thread that reads from a socket. Shutting the socket does: so a search that a
newer letter has made useless, or a screen that is left, costs the server nothing more, and no thread waits on.
"""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPHandler, ProxyHandler, Request, build_opener

from vmscope import Dispatchers, current_job, ensure_active, with_context
from vmscope.flow import Flow, FlowCollector, flow

from .depot import PIECE
from .model import Entry, Found, Parcel, Progress, ServiceError, Stop
from .store import Store

SAVE_EVERY = 16 * PIECE  # bytes of the archive


class DeskRepository:
    """Parcels from a server, and from the store where that does not answer.

    Args:
        url: Of the server.
        store: Remembers.
        patience: Seconds without a byte, after which the server is given up.
    """

    def __init__(self, url: str, store: Store, patience: float = 10.0) -> None:
        self._url = url
        self._patience = patience
        self._store = store

    async def search(self, text: str) -> Found:
        return await with_context(Dispatchers.IO, self._search, text)

    async def route(self, number: str) -> tuple[Stop, ...]:
        rows = await with_context(Dispatchers.IO, self._json, f"/parcels/{quote(number)}/route")
        return tuple(Stop(*row) for row in rows)

    async def history(self, number: str) -> tuple[Entry, ...]:
        rows = await with_context(Dispatchers.IO, self._json, f"/parcels/{quote(number)}/history")
        return tuple(Entry(*row) for row in rows)

    async def photo(self, number: str) -> bytes:
        return await with_context(Dispatchers.IO, self._read, f"/parcels/{quote(number)}/photo")

    async def archive(self) -> Progress:
        """How far it had come when it was last at work."""
        return (await with_context(Dispatchers.IO, self._store.archive))[0]

    def download(self) -> Flow[Progress]:
        """Fetch the archive and check it; goes on where the last attempt stopped, whatever stopped it."""
        return flow(self._download).flow_on(Dispatchers.IO).conflate()

    # ---- on IO

    def _search(self, text: str) -> Found:
        try:
            parcels = tuple(Parcel(*row) for row in self._json(f"/parcels?q={quote(text)}"))
        except ServiceError:
            return Found(self._store.find(text), offline=True)
        ensure_active()  # what nobody waits for any more is not written down
        self._store.remember(parcels)
        return Found(parcels)

    def _download(self, collector: FlowCollector[Progress]) -> Generator[Any, Any, None]:
        progress, checksum = self._store.archive()
        if progress.total and progress.received == progress.total:
            progress, checksum = Progress(), 0  # it was complete: from the beginning
        saved = progress.received
        try:
            with self._open("/archive", progress.received) as answer:
                total = progress.received + int(answer.headers["Content-Length"])
                progress = Progress(progress.received, total, "running")
                while piece := answer.read(PIECE):
                    checksum = zlib.crc32(piece, checksum)
                    progress = progress._replace(received=progress.received + len(piece))
                    if progress.received - saved >= SAVE_EVERY:
                        self._store.save_archive(progress, checksum)
                        saved = progress.received
                    yield from collector.emit(progress)  # a cancellation comes here, at the latest
            right = self._json(f"/archive/checksum?bytes={progress.total}") == checksum
            progress = progress._replace(state="complete and right" if right else "complete, but damaged")
        finally:  # closed, cancelled, cut off: what is here is written down, and whole
            if progress.state == "running":
                progress = progress._replace(state="stopped")
            self._store.save_archive(progress, checksum)
        yield from collector.emit(progress)

    def _json(self, path: str) -> Any:
        return json.loads(self._read(path))

    def _read(self, path: str) -> bytes:
        with self._open(path) as answer:
            return answer.read()

    @contextmanager
    def _open(self, path: str, start: int = 0) -> Iterator[HTTPResponse]:
        line = _Line()
        request = Request(self._url + path, headers={"Range": f"bytes={start}-"} if start else {})
        opener = build_opener(ProxyHandler({}), line)  # a server on this machine is asked without a proxy
        watch = current_job().invoke_on_completion(line.hang_up, on_cancelling=True)
        try:
            with opener.open(request, timeout=self._patience) as answer:
                yield answer
        except HTTPError as refusal:
            with refusal:
                raise ServiceError(refusal.read().decode()) from None
        except (OSError, HTTPException) as failure:
            ensure_active()  # it was we who hung up: then the cancellation is what there is to tell
            raise ServiceError(f"the server cannot be reached ({failure})") from failure
        finally:
            watch.dispose()


class _Line(HTTPHandler):
    """urllib's way to a server, for one request, with a way to end it from another thread."""

    def __init__(self) -> None:
        super().__init__()
        self._socket: socket.socket | None = None
        self._is_over = False

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._connection, req)

    def _connection(self, host: str, **options: Any) -> HTTPConnection:
        connection = HTTPConnection(host, **options)
        connection.connect()
        self._socket = connection.sock
        if self._is_over:  # written by hang_up() before it looked at `_socket`: one of the two sees the other
            connection.close()
            raise ConnectionAbortedError("cancelled while it was being dialled")
        return connection

    def hang_up(self, cause: BaseException | None) -> None:
        """Wake whoever reads. Threads: any; never blocks."""
        self._is_over = True
        line = self._socket
        if cause is not None and line is not None:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is over already
                pass
