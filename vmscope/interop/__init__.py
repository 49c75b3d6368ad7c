"""The ways out and in: `concurrent.futures`, asyncio, blocking threads, work for other processes and machines.

Import it by name: `from vmscope.interop import offload`. See docs/interop.md.
"""

from ._asyncio import as_asyncio, asyncio_dispatcher, await_asyncio
from ._errors import OffloadError, RemoteError
from ._futures import as_deferred, await_future
from ._offload import offload
from ._portal import run_on
from ._token import CancelToken, cancel_token

__all__ = (
    "as_asyncio",
    "as_deferred",
    "asyncio_dispatcher",
    "await_asyncio",
    "await_future",
    "cancel_token",
    "CancelToken",
    "offload",
    "OffloadError",
    "RemoteError",
    "run_on",
)
