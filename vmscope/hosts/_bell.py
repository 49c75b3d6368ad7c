"""The bell of a toolkit that can watch a descriptor: a byte in a socket pair. Nothing of the toolkit is called to ring.

Signal handlers may ring, and Python's own one does: the sending end is also what `signal.set_wakeup_fd` is given.
Locks: none.
Counterpart: the eventfd of Android's native Looper.
"""

from __future__ import annotations

import socket


class Bell:
    """Rung from anywhere; heard by the toolkit's loop, which watches `fileno()`."""

    def __init__(self) -> None:
        self._hear, self._say = socket.socketpair()
        self._hear.setblocking(False)
        self._say.setblocking(False)

    def fileno(self) -> int:
        """The end that becomes readable."""
        return self._hear.fileno()

    def sending_fileno(self) -> int:
        """The end that the interpreter may write to when a signal comes."""
        return self._say.fileno()

    def ring(self) -> None:
        """Any thread, any point; never blocks."""
        try:
            self._say.send(b"\0")
        except OSError:  # full: it will be heard anyway
            pass

    def silence(self) -> None:
        """Take back what has been rung. Before one looks at what there is to do, so that no ring is lost."""
        try:
            self._hear.recv(4096)
        except OSError:
            pass

    # Not when the host closes: a thread that has just been told to ring would write to a number that is somebody
    # else's by then. The last who knows the bell closes it.
    def __del__(self) -> None:
        self._hear.close()
        self._say.close()
