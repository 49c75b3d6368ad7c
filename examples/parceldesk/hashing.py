"""Work for a processor: a hash in pure Python, which holds the GIL all the time, on threads or on processes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from vmscope import Dispatchers, check_cancelled, with_context
from vmscope.interop import offload

PART = 4_000_000  # bytes
CHUNK = 65_536


def fnv1a(seed: int, size: int) -> int:
    """Return the FNV-1a hash of `size` made-up bytes. Asks now and then whether it is still wanted."""
    value = 0xCBF29CE484222325
    block = bytes((seed + 7 * n) & 0xFF for n in range(CHUNK))
    for start in range(0, size, CHUNK):
        check_cancelled()
        for byte in block[: size - start]:
            value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


class PoolHasher:
    """Hashes on `Dispatchers.Default`, in threads, or in processes, which are started when they are first needed."""

    def __init__(self, size: int = PART) -> None:
        self._size = size
        self._pool: ProcessPoolExecutor | None = None

    async def hash_part(self, where: str, part: int) -> int:
        if where == "threads":
            return await with_context(Dispatchers.Default, fnv1a, part, self._size)
        if self._pool is None:  # Main only comes here: no two at once
            self._pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        return await offload(self._pool, fnv1a, part, self._size)

    def close(self) -> None:
        """Let the processes go. What still runs there has been told that it is not wanted."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
