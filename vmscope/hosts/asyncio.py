"""asyncio's loop as the main one: `async with install():` inside it. Textual, and what else runs asyncio, has one, too.

The loop's own rules hold: `call_soon_threadsafe` wakes it, Ctrl-C is what `asyncio.run` makes of it, and the host
closes when `asyncio.run` shuts the loop's asynchronous generators, if nobody has closed it before.
Counterpart: Dispatchers.Main of a platform whose loop is somebody else's.
"""

from __future__ import annotations

import asyncio  # noqa: TID251  (the host that serves it; loaded with it already)
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError
from ._host import PATIENCE, Host

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

__all__ = ("AsyncioHost", "install")


class AsyncioHost(Host):
    """The main looper under an asyncio loop, of that loop's thread. Also an `async with` block, which closes.

    Attributes:
        loop: The loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop: asyncio.AbstractEventLoop = loop
        self._timer: asyncio.TimerHandle | None = None
        # A callback would run in the context of whoever posts, a coroutine of ours perhaps; the pump is nobody's.
        self._context = copy_context()
        self._watcher = self._close_with_the_loop()
        self._begin()
        try:
            self._watcher.__anext__().send(None)  # from here on the loop knows it
        except StopIteration:
            pass

    async def _close_with_the_loop(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self.close()

    def _wake(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self._pump, context=self._context)
        except RuntimeError:  # the loop was closed over our head: nobody will ever run what is posted
            self._queue.quit()

    def _call_later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._pump_by_timer, context=self._context)

    def _offer(self) -> None:
        """Nothing: asyncio runs no loop inside a callback."""

    def _withdraw(self) -> None:
        """Nothing; a wake-up that is on its way comes too much."""

    def _take_ctrl_c(self) -> Callable[[], object]:
        return lambda: None  # asyncio.run cancels its main task, which ends the loop, which closes the host

    def run(self) -> Any:
        """Not here.

        Raises:
            IllegalStateError: Always: `asyncio.run` runs the loop, or whatever else has made it.
        """
        raise IllegalStateError(f"run() on {self!r}: asyncio runs its loop itself; await what the program waits for")

    def _loop_ender(self) -> Callable[[], object]:
        return self._end_loop

    def _end_loop(self) -> None:
        failure = self.exception
        if isinstance(failure, (KeyboardInterrupt, SystemExit)):
            # asyncio lets these two, and no others, end run_forever() and asyncio.run()
            self.loop.call_soon(_raise, failure)
            return
        if failure is not None:
            self.loop.call_exception_handler({"message": "a message ended the main looper", "exception": failure})
        self.loop.stop()

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def aclose(self, timeout: float = PATIENCE) -> bool:
        """As `close`, and asyncio's loop goes on while it waits.

        Args:
            timeout: Seconds.
        Returns:
            As `close`.
        """
        if self._closing:
            return self._is_clean
        jobs = self._cancel_all()
        ended = asyncio.Event()
        for job in jobs:
            job.invoke_on_completion(lambda cause: self._tell(ended))
        deadline = monotonic() + timeout
        while not all(job.is_completed for job in jobs) and (left := deadline - monotonic()) > 0:
            ended.clear()
            try:
                await asyncio.wait_for(ended.wait(), None if left == float("inf") else left)
            except TimeoutError:
                break
            except asyncio.CancelledError:
                self._finish(jobs)
                raise
        self._finish(jobs)
        return self._is_clean

    def _tell(self, ended: asyncio.Event) -> None:
        try:
            self.loop.call_soon_threadsafe(ended.set)
        except RuntimeError:  # the loop is closed by now, and nobody waits any more
            pass

    async def __aenter__(self) -> AsyncioHost:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _raise(failure: BaseException) -> None:
    raise failure


def install(loop: asyncio.AbstractEventLoop | None = None) -> AsyncioHost:
    """Make the running asyncio loop drive the main looper of this thread.

        async def main():
            async with install():
                ...

    Args:
        loop: The running loop; None finds it.
    Returns:
        The host. It closes at the end of `async with`, by `close()`, or with the loop at the end of `asyncio.run`.
    Raises:
        IllegalStateError: No loop runs on this thread, or `loop` is another one; or there is a main looper already.

    Threads: the loop's. In Textual: in `on_mount`.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is None or (loop is not None and loop is not running):
        what = "no asyncio loop runs on this thread" if running is None else f"{loop!r} is not the one that runs here"
        raise IllegalStateError(f"install the asyncio host: {what}; call install() in a coroutine of that loop")
    return AsyncioHost(running)
