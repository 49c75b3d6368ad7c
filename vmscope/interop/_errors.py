"""What goes wrong with a call that was sent away.

Counterpart: none; `concurrent.futures.process.BrokenProcessPool` is what most of these would be without the envelope.
"""

from __future__ import annotations


class OffloadError(RuntimeError):
    """An offloaded call could not be sent, or its outcome could not come back. The pool is as good as before.

    The message says which, what stood in the way, and what to do. `__cause__` is the error behind it, where that arose
    in this process.
    """

    __module__ = "vmscope.interop"


class RemoteError(OffloadError):
    """An offloaded function raised what cannot be raised here: it does not survive pickling, or would end the program.

    Attributes:
        type_name: The class of the original, with its module.
        message: Its text.
        traceback_text: Its traceback, as Python prints it.
    """

    __module__ = "vmscope.interop"

    def __init__(self, type_name: str, message: str, traceback_text: str) -> None:
        super().__init__(type_name, message, traceback_text)
        self.type_name = type_name
        self.message = message
        self.traceback_text = traceback_text

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}"
