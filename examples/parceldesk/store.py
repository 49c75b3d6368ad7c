"""What the desk keeps in its SQLite file: the parcels it has seen, and how far the archive has come.

A connection for each use, so that any thread may use it; what is written, is written in one transaction or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from .model import Parcel, Progress, ServiceError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS parcels (number TEXT PRIMARY KEY, recipient TEXT, city TEXT, status TEXT);
CREATE TABLE IF NOT EXISTS archive (id INTEGER PRIMARY KEY CHECK (id = 1), received INTEGER, total INTEGER, state TEXT,
    checksum INTEGER);
INSERT OR IGNORE INTO archive VALUES (1, 0, 0, 'not begun', 0);
"""


class Store:
    """The file. All calls block: on the main thread none of them is to be made.

    Args:
        path: Made where it is not there.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._has_tables = False  # several threads may find it so at once: the schema may be carried out again

    def remember(self, parcels: Iterable[Parcel]) -> None:
        with self._transaction() as database:
            database.executemany("INSERT OR REPLACE INTO parcels VALUES (?, ?, ?, ?)", parcels)

    def find(self, text: str, most: int = 40) -> tuple[Parcel, ...]:
        """Return the remembered parcels with all words of `text` in them."""
        words = text.lower().split()
        rest = "number || ' ' || recipient || ' ' || city || ' ' || status"
        condition = " AND ".join([f"instr(lower({rest}), ?)"] * len(words)) or "1"
        with self._transaction() as database:
            rows = database.execute(f"SELECT * FROM parcels WHERE {condition} ORDER BY number LIMIT {most}", words)
            return tuple(Parcel(*row) for row in rows)

    def archive(self) -> tuple[Progress, int]:
        """Return how far the archive has come, and the CRC-32 of what was received."""
        with self._transaction() as database:
            *progress, checksum = database.execute(
                "SELECT received, total, state, checksum FROM archive"
            ).fetchone()
            return Progress(*progress), checksum

    def save_archive(self, progress: Progress, checksum: int) -> None:
        with self._transaction() as database:
            database.execute(
                "UPDATE archive SET received = ?, total = ?, state = ?, checksum = ?", (*progress, checksum)
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path)) as database, database:
                if not self._has_tables:
                    database.executescript(_SCHEMA)
                    self._has_tables = True
                yield database
        except sqlite3.Error as failure:
            raise ServiceError(f"the desk's own file {self._path} cannot be used ({failure})") from failure
