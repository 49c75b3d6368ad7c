"""Descriptors beside messages: the bell of a queue that also has files and sockets to watch.

Such a queue sleeps in a selector. A ring is one byte in a socket pair, which a signal handler may send as well.
Locks
    `_lock` guards the table of listeners. The selector itself is the consumer's alone: others change the table, ring,
    and the consumer brings the selector up to date before it sleeps.
Counterpart: android.os.MessageQueue.addOnFileDescriptorEventListener.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._primitives import RLock, report_uncaught

if TYPE_CHECKING:
    from collections.abc import Callable

#: There is something to read, or the other side has closed, or failed: reading tells.
EVENT_INPUT = 1
#: There is room to write.
EVENT_OUTPUT = 2
#: An error; comes with the others, and is not told apart from them.
EVENT_ERROR = 4


class FdPoller:
    """Has the face of the plain `Bell`, and calls listeners."""

    def __init__(self) -> None:
        import selectors  # only here: few queues have descriptors
        import socket

        self._lock = RLock()
        self._wanted: dict[int, tuple[int, Callable[[Any, int], int | None], Any]] = {}
        self._stale = True
        self._selector = selectors.DefaultSelector()
        self._known: dict[int, object] = {}  # the entry of `_wanted` that the selector goes by
        self._hear, self._say = socket.socketpair()
        self._hear.setblocking(False)
        self._say.setblocking(False)
        assert (selectors.EVENT_READ, selectors.EVENT_WRITE) == (EVENT_INPUT, EVENT_OUTPUT)
        self._selector.register(self._hear, EVENT_INPUT)
        self._ready: list[tuple[int, int]] = []

    # ---- any thread

    def ring(self) -> None:
        try:
            self._say.send(b"\0")
        except OSError:  # full: the sleeper wakes anyway; closed: there is none
            pass

    def listen(self, fd: Any, events: int, listener: Callable[[Any, int], int | None]) -> None:
        number = fd if isinstance(fd, int) else fd.fileno()
        if number < 0:
            raise ValueError(f"listen to {fd!r}: it is closed, or no descriptor")
        if events & ~(EVENT_INPUT | EVENT_OUTPUT | EVENT_ERROR):
            raise ValueError(f"listen to {fd!r} for {events!r}: only EVENT_INPUT, EVENT_OUTPUT, EVENT_ERROR make sense")
        with self._lock:
            if events:
                self._wanted[number] = (events, listener, fd)
            else:
                self._wanted.pop(number, None)
            self._stale = True

    def forget(self, fd: Any) -> None:
        with self._lock:
            for number in [known for known, entry in self._wanted.items() if known == fd or entry[2] is fd]:
                self._wanted.pop(number, None)
            self._stale = True

    # ---- the consumer

    def wait(self, seconds: float | None = None) -> bool:
        return self._select(seconds)

    def poll(self) -> None:
        """Call the listeners of what is ready, without waiting for more."""
        if not self._ready:
            self._select(0)
        ready, self._ready = self._ready, []
        for number, events in ready:
            with self._lock:
                entry = self._wanted.get(number)
            if entry is None:
                continue
            wanted, listener, fd = entry
            events = events & wanted or wanted & EVENT_ERROR
            if not events:
                continue
            try:
                answer = listener(fd, events)
            except Exception as failure:  # noqa: BLE001  (reported; a KeyboardInterrupt goes on)
                report_uncaught(failure)
                answer = 0
            if answer is not None and answer != wanted:
                with self._lock:
                    if self._wanted.get(number) is entry:  # else it was replaced meanwhile
                        self.listen(fd if answer else number, answer, listener)

    def _select(self, timeout: float | None) -> bool:
        if self._stale:
            self._update()
        found = False
        for key, mask in self._selector.select(timeout):
            found = True
            if key.fileobj is self._hear:
                try:
                    self._hear.recv(4096)
                except OSError:
                    pass
            else:
                self._ready.append((key.fd, mask))  # the selector's bits are ours: 1 to read, 2 to write
        return found

    def _update(self) -> None:
        with self._lock:
            self._stale = False
            wanted = self._wanted.copy()
        # Compared by identity: a number that was closed, opened anew and listened to again is another descriptor.
        for number in [known for known, entry in self._known.items() if entry is not wanted.get(known)]:
            del self._known[number]
            try:
                self._selector.unregister(number)
            except (KeyError, ValueError, OSError):  # pragma: no cover - epoll drops what was closed by itself
                pass
        for number, entry in wanted.items():
            if number not in self._known:
                try:
                    self._selector.register(number, entry[0] & (EVENT_INPUT | EVENT_OUTPUT) or EVENT_INPUT)
                except (ValueError, OSError) as failure:  # closed in the meantime
                    report_uncaught(failure)
                    self.forget(number)
                else:
                    self._known[number] = entry

    def close(self) -> None:
        self._selector.close()
        self._hear.close()
        self._say.close()

    def __del__(self) -> None:
        self.close()
