"""asyncio's loop as the main one: `async with install():` inside it. Textual, and what else runs asyncio, has one, too.

The loop's own rules hold: `call_soon_threadsafe` wakes it, Ctrl-C is what `asyncio.run` makes of it, and the host
closes when `asyncio.run` shuts the loop's asynchronous generators, if nobody has closed it before. A loop that runs
until a future is done takes a stop for an error: what ends the host cancels the block's task instead.

    open --aclose(), end() in a block--> closing, `_over` is there --all ended, time up--> closed, `_over` is set
      '------close(), end() without one: asyncio stands still, `_over` is never made-------^
Counterpart: Dispatchers.Main of a platform whose loop is somebody else's.
"""

from __future__ import annotations

import asyncio  # noqa: TID251  (the host that serves it; loaded with it already)
from contextvars import copy_context
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError
from ._host import PATIENCE, Host, _all_ended

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from ..coroutines._job import Job

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
        self._jobs: list[Job] = []  # what is waited for while the loop goes on
        self._over: asyncio.Event | None = None  # there as soon as it is; set when that is over
        self._waiting = 0
        self._task = asyncio.current_task(loop)  # whose block it is, or who has installed it
        self._in_block = False
        self._ends_block = False  # end() may still cancel the block
        self._has_ended_block = False
        self._cancels = 0  # that the block's task had been asked for before
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
            await self.aclose()

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

    def end(self, timeout: float = PATIENCE) -> bool:
        """Close, then end the `async with` block: as `Host.end` in all else.

        In a block it does not wait: what the block's task waits for is cancelled, and the end of the block waits, while
        asyncio goes on. Outside of one it waits as `close` does; then the task that has called `install` is cancelled,
        or, where that is over, the loop stopped: `run_forever` returns.

        Args:
            timeout: As for `close`.
        Returns:
            As `close`; in a block, whether all has ended already.
        Raises:
            IllegalStateError: This is not the host's thread: a worker says `host.handler.post(host.end)`.
            ValueError: As for `close`.
        """
        if not self._in_block:
            return super().end(timeout)
        self._check_close("end", timeout)
        if not self._closing:
            self._begin_to_close()
            if timeout != inf:
                self.loop.call_later(timeout, self._stop_waiting)
            self._end_loop()
        return _all_ended(self._jobs)

    def _stop(self, failure: BaseException) -> None:
        closing = self._closing
        super()._stop(failure)
        if closing:  # by what cleans up: as in close(), who says that the program ends is waited for no longer
            self._stop_waiting()
        elif not self._closed:  # the block will wait: the pump that was broken off has not said when to come again
            self._arm(0.0)

    def _end_loop(self) -> None:
        failure = self.exception
        if self._in_block:  # which raises it. Not at once: the caller may be the block's own task, in the middle of it
            self.loop.call_soon(self._end_block)
            return
        if isinstance(failure, (KeyboardInterrupt, SystemExit)):
            # asyncio lets these two, and no others, end run_forever() and asyncio.run()
            self.loop.call_soon(_raise, failure)
            return
        if failure is not None:
            self.loop.call_exception_handler({"message": "a message ended the main looper", "exception": failure})
        if self._task is None or self._task.done():
            self.loop.stop()
        else:  # a loop that runs until that task is done takes a stop for an error
            self._task.cancel(f"{self!r} has ended")

    def _end_block(self) -> None:
        if self._ends_block:
            assert self._task is not None
            self._ends_block = False
            self._has_ended_block = True
            self._task.cancel(f"{self!r} has ended")

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def close(self, timeout: float = PATIENCE) -> bool:
        """As `Host.close`; also in place of an `aclose()` that still waits, which then answers the same."""
        if self._over is None or self._over.is_set() or self._queue._depth:
            return super().close(timeout)
        self._check_close("close", timeout)
        try:
            self._run_until_ended(self._jobs, monotonic() + timeout)
        finally:
            self._stop_waiting()
        return self._is_clean

    async def aclose(self, timeout: float = PATIENCE) -> bool:
        """As `close`, and asyncio's loop goes on while it waits: clean-up may wait for what is asyncio's.

        Args:
            timeout: Seconds. Of several calls at once the shortest time counts.
        Returns:
            As `close`; the same to all that have called it.
        Raises:
            IllegalStateError: This is not a task of the host's loop.
            ValueError: As for `close`.

        Cancellation: prompt. What has not ended then is waited for no longer, unless another call waits.
        """
        self._check_close("aclose", timeout)
        if asyncio.current_task(self.loop) is None:
            where = f"in no task of {self.loop!r}, its loop"
            raise IllegalStateError(f"aclose {self!r} {where}: await it in one, or call host.close(), which waits here")
        if not self._closing:
            self._begin_to_close()
        await self._until_closed(timeout)
        return self._is_clean

    def _begin_to_close(self) -> None:
        self._over = asyncio.Event()
        self._jobs = self._cancel_all()
        for job in self._jobs:
            job.invoke_on_completion(lambda cause: self._tell())
        self._look()

    def _tell(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self._look)
        except RuntimeError:  # the loop is closed by now, and nobody waits any more
            pass

    def _look(self) -> None:
        if _all_ended(self._jobs):
            self._stop_waiting()

    async def _until_closed(self, timeout: float) -> None:
        if self._over is None:  # close() has done it, or is about to
            return
        alarm = self.loop.call_later(timeout, self._stop_waiting) if timeout != inf else None
        self._waiting += 1
        try:
            await self._over.wait()
        finally:
            self._waiting -= 1
            if alarm is not None:
                alarm.cancel()
            if not self._waiting:
                self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._over is None or self._over.is_set():
            return
        self._over.set()
        self._finish(self._jobs)
        if self.exception is not None:  # H1: what cleans up has raised it
            self._end_loop()

    async def __aenter__(self) -> AsyncioHost:
        task = self._task = asyncio.current_task()
        assert task is not None
        self._cancels = task.cancelling()
        self._in_block = self._ends_block = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Close, as `aclose`; then raise what has ended the host, as `run()` of others does. An `end()` ends here."""
        assert self._task is not None
        self._ends_block = False
        is_ours = self._has_ended_block and self._task.uncancel() <= self._cancels
        try:
            if self._closing:
                await self._until_closed(inf)  # end() has said how long
            else:
                await self.aclose()
        finally:
            self._in_block = False
        failure = self._take_failure()
        try:
            if failure is not None:
                raise failure from failure.__cause__  # not "while handling" a cancellation that is only its messenger
        finally:
            failure = None  # as in run()
        return is_ours and isinstance(error, asyncio.CancelledError)


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
