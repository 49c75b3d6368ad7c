"""What the files of this program talk about. Plain values, so that any thread may hold them."""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol, TypeVar

from vmscope.flow import Flow

T = TypeVar("T")


class Parcel(NamedTuple):
    """A row of the list."""

    number: str
    recipient: str
    city: str
    status: str


class Stop(NamedTuple):
    """A place on the way of a parcel."""

    place: str
    time: str
    reached: bool


class Entry(NamedTuple):
    """A line of the history of a parcel."""

    time: str
    text: str


class Found(NamedTuple):
    """The answer to a search. `offline`: the server did not answer, these are remembered from earlier."""

    parcels: tuple[Parcel, ...]
    offline: bool = False


class Pane(NamedTuple, Generic[T]):
    """A part of the detail screen: loading, or with its value, or with what went wrong."""

    value: T | None = None
    error: str | None = None

    @property
    def is_loading(self) -> bool:
        return self.value is None and self.error is None


class Progress(NamedTuple):
    """How far the archive has come. Counted in bytes."""

    received: int = 0
    total: int = 0
    state: str = "not begun"

    @property
    def fraction(self) -> float:
        return self.received / self.total if self.total else 0.0

    def __str__(self) -> str:
        if not self.total:
            return self.state
        return f"{self.received / 1e6:,.0f} of {self.total / 1e6:,.0f} MB, {self.state}"


class ServiceError(Exception):
    """The server did not give what it was asked for. The text is for the user."""


class Repository(Protocol):
    """Where parcels come from. May be called on the main thread: who must block does so elsewhere."""

    async def search(self, text: str) -> Found: ...

    async def route(self, number: str) -> tuple[Stop, ...]: ...

    async def photo(self, number: str) -> bytes: ...

    async def history(self, number: str) -> tuple[Entry, ...]: ...

    async def archive(self) -> Progress: ...

    def download(self) -> Flow[Progress]: ...


class Hasher(Protocol):
    """Where large data is hashed."""

    async def hash_part(self, where: str, part: int) -> int: ...
