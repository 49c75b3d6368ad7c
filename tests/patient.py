"""For a program under test: have its end wait for an hour, wherever it waits for half a second or two.

Such a program ends in time only if nothing holds its end up: no coroutine and no worker that is waited for until the
time is up. However slow the machine is, that is seen; and the seconds need not be counted.
"""

from __future__ import annotations

from vmscope import _at_exit
from vmscope.coroutines import _pool
from vmscope.hosts import Host
from vmscope.hosts.asyncio import AsyncioHost

HOUR = 3600.0


def be_patient() -> None:
    _at_exit.GRACE = _pool.CANCELLED_GRACE = HOUR
    for ending in (Host.close, Host.end, AsyncioHost.aclose):
        ending.__defaults__ = (HOUR,)
