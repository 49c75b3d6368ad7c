"""Toolkits whose loop drives the main looper. Import the one you have: `from vmscope.hosts import tk`, and install it.

`tk`, `qt`, `asyncio`, `glib` and `wx` load no toolkit themselves.
"""

from ._events import on_event
from ._frames import animate, await_frame
from ._host import Host
from ._modal import run_modal
from ._owner import ViewOwner
from ._values import bind_value

__all__ = ("Host", "ViewOwner", "animate", "await_frame", "bind_value", "on_event", "run_modal")
