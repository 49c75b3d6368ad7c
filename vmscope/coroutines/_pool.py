"""The pool: elastic daemon threads that Default and IO share, as views with limits of their own.

One queue of tasks, any number of threads. A thread that finds nothing waits a while and then ends. Because both
dispatchers are views of it, a coroutine that goes from Default to IO is taken up by whichever thread is free.

Invariants
    I1  a task that was put is run by a thread of the pool, or refused where there is none and the system gives none.
    I2  `_queued` tasks wait for `_waiting` threads (those about to start count as waiting). A thread that has taken a
        task takes itself and the task off both counts together: however late it does, no task is left without a thread.
    I3  the end of the process waits for no task that somebody has waited for before, in vain: a window that has closed
        over a hung worker, `Dispatchers.shutdown`.
Locks
    `_lock` of a crew guards its `_queued`, `_waiting`, `_count`, `_starting`, `_threads`, `_shut`. A leaf; reentrant,
    because a finalizer may put a task.
Counterpart: kotlinx.coroutines.scheduling.CoroutineScheduler, without its stealing.
"""

from __future__ import annotations

import atexit
import os
from math import inf
from time import monotonic
from typing import TYPE_CHECKING
from weakref import ref

from .._at_exit import WORKERS, Wait
from .._errors import RejectedExecutionError
from .._primitives import (
    Bell,
    Empty,
    RLock,
    SimpleQueue,
    Thread,
    after_fork,
    current_thread,
    is_going_down,
    start_thread,
)
from ._context import CoroutineContext, EmptyCoroutineContext
from ._dispatcher import CoroutineDispatcher, LimitedDispatcher, Runnable, refuse
from ._exceptions import report_globally
from ._here import here
from ._timer import run_in_place_by, start_no_more

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._here import InPlaceLoop

#: Seconds that a thread without work stays.
KEEP_ALIVE = 30.0
#: Seconds that the end of the process waits for coroutines that were cancelled: to clean up, but not for a call that
#: hangs.
CANCELLED_GRACE = 0.5
#: Seconds that `join` waits for a thread that was started and has not come yet.
ARRIVAL_GRACE = 1.0


class _Crew:
    """The threads of a pool, their tasks and their counts: one thing, so that a thread counts itself where it belongs.

    After a fork, or in an exploration, the pool gets another crew; the threads of the old one never touch it.
    """

    __slots__ = (
        "_arrived", "_count", "_given_up", "_keep_alive", "_lock", "_made", "_most", "_name", "_queued", "_shut",
        "_starting", "_tasks", "_threads", "_waiting", "_was_joined",
    )  # fmt: skip

    def __init__(self, name: str, most: int | None, keep_alive: float | None) -> None:
        self._name = name
        self._most = most
        self._keep_alive = keep_alive
        self._lock = RLock()
        self._tasks: SimpleQueue[Runnable | None] = SimpleQueue()
        self._threads: dict[Thread, InPlaceLoop] = {}
        self._given_up: list[ref[Any]] = []
        self._was_joined = False
        self._made = 0
        self._count = 0
        self._starting = 0  # of these, how many have not come yet: they are not in `_threads`
        self._arrived = Bell()  # wakes `join`
        self._queued = 0
        self._waiting = 0
        self._shut = False

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Have a thread run `block`.

        Raises:
            RejectedExecutionError: The pool was shut; or it has no thread, and the system gives none.
        """
        if self._shut:  # without the lock: at the end of the process a thread that was stopped may keep it for ever
            raise self._closed(block)
        with self._lock:
            if self._shut:
                raise self._closed(block)
            self._queued += 1
            self._tasks.put(block)
            if self._queued <= self._waiting or (self._most is not None and self._count >= self._most):
                return
            self._waiting += 1
            self._count += 1
            self._starting += 1
            self._made += 1
            name = self._name if self._most == 1 else f"{self._name}-{self._made}"
        self._add_thread(name, block)

    def _closed(self, block: Runnable) -> RejectedExecutionError:
        return RejectedExecutionError(f"dispatch {block!r} on {self!r}: it was closed")

    def _add_thread(self, name: str, block: Runnable) -> None:
        try:
            start_thread(self._serve, name)
        except (RuntimeError, MemoryError) as fault:  # no thread to be had, or the interpreter is going down
            with self._lock:
                self._waiting -= 1
                self._count -= 1
                self._arrive_locked()
                if self._count:
                    return  # those that are there will come to it
                left = self._take_all_locked()
            self._without_thread(left, block, fault)

    def _take_all_locked(self) -> list[Runnable]:
        """Take what is queued, where no thread will come for it. Who puts next starts one, or is refused."""
        left: list[Runnable] = []
        while True:
            try:
                task = self._tasks.get_nowait()
            except Empty:
                return left
            self._queued -= 1
            if task is not None:
                left.append(task)

    def _without_thread(self, left: list[Runnable], block: Runnable, fault: BaseException) -> None:
        """Refuse what is `left`, of which `block` is the caller's. As the process ends, run it: better here than never.

        Not on the caller's thread otherwise: it may be the one of a window, and the work a call that blocks.
        """
        if self._shut or is_going_down():
            for task in left:
                _run(task)
            return
        for task in left:
            if task is not block:
                refuse(task)
        if any(task is block for task in left):  # else a thread that came and went has run it
            raise RejectedExecutionError(
                f"dispatch {block!r} on {self!r}: the system gives no thread ({fault}), and none is there to wait for"
            ) from fault

    def _arrive_locked(self) -> None:
        """A thread that was to start is there, or will not come."""
        self._starting -= 1
        if self._shut:  # else nobody is in `join`, and who comes later finds it counted
            self._arrived.ring()

    def _serve(self) -> None:
        me, seat = current_thread(), here.loop
        with self._lock:
            self._threads[me] = seat
            self._arrive_locked()
        try:
            while True:
                task = self._take()
                if task is None:
                    return
                seat.task = task
                _run(task)
                seat.task = None
                del task  # a thread that waits must not keep what it ran alive
                with self._lock:
                    self._waiting += 1
        finally:
            with self._lock:
                self._count -= 1
                if not self._shut:  # else `join` waits for its very end, which comes a little later
                    self._threads.pop(me, None)

    def _take(self) -> Runnable | None:
        """Wait for a task. None: the thread is to end. The thread counts as waiting until this returns."""
        while True:
            try:
                # Before Python 3.13 this may miss its time, see `Bell`: then the thread waits on, as one without work.
                task = self._tasks.get(timeout=self._keep_alive)
            except Empty:
                with self._lock:
                    if self._queued < self._waiting:
                        self._waiting -= 1
                        return None
                continue  # as many tasks as waiting threads: one is on its way
            with self._lock:
                self._waiting -= 1
                self._queued -= 1
            return task

    def shut(self) -> None:
        """Refuse further tasks; what is queued is still run. Does not wait."""
        with self._lock:
            if self._shut:
                return
            self._shut = True
            for _ in range(self._count):  # one for each thread, behind the tasks that are queued
                self._queued += 1
                self._tasks.put(None)

    def join(self, seconds: float | None, is_worth_it: Callable[[Any], bool] = lambda task: True) -> list[Thread]:
        """Wait for the threads of a pool that was shut; return those that still run.

        Args:
            seconds: For all of them; None waits as long as it takes.
            is_worth_it: Asked about what a thread runs, None where that is nothing: whether to wait for its end.
        """
        deadline = inf if seconds is None else monotonic() + seconds
        patience = min(deadline, monotonic() + ARRIVAL_GRACE)
        while True:
            with self._lock:
                threads = list(self._threads.items())
                starting = self._starting
            if starting and (rest := patience - monotonic()) > 0:
                self._await_arrival(rest)
                continue
            left = [(thread, seat) for thread, seat in threads if thread.is_alive() and thread is not current_thread()]
            waited_for = [thread for thread, seat in left if is_worth_it(seat.task)]
            if not waited_for or monotonic() >= deadline:
                return [thread for thread, _ in left]
            for thread in waited_for:
                thread.join(None if deadline == inf else max(0.0, deadline - monotonic()))

    def _await_arrival(self, seconds: float) -> None:
        """Wait until one of the threads that were started is there, or will not come."""
        if self._arrived.wait(seconds) and not self._starting:
            self._arrived.ring()  # it was the last one, and another thread may wait in `join`, too

    def give_up_cancelled(self) -> None:
        """Note what is cancelled and still runs: the end waits for what its thread runs next, and not for this."""
        with self._lock:
            running = [seat.task for seat in self._threads.values()]
        self._given_up = [ref(task) for task in running if _is_cancelled(task)]

    def join_at_exit(self) -> None:
        """Wait for the threads of a pool that was shut, for each as long as what it runs is worth it."""
        if self._was_joined:  # by the program itself
            return
        given_up = [task for known in self._given_up if (task := known()) is not None]
        with self._lock:
            running = [seat.task for seat in self._threads.values()]
        # Those that are cancelled by now. Who is so later, by the end itself, has the rest of the time to clean up.
        cancelled = [task for task in running if _is_cancelled(task)]
        with Wait(WORKERS) as wait:
            self.join(min(CANCELLED_GRACE, wait.left()), lambda task: all(task is not lost for lost in given_up))
            self.join(wait.left(), lambda task: all(task is not lost for lost in cancelled))

    def __repr__(self) -> str:
        return f"<Pool {self._name!r}, {self._count} threads>"


class Pool(CoroutineDispatcher):
    """Threads on demand, as many as there are tasks at once.

    Args:
        name: Threads are called `name-1`, `name-2`..., a single one `name`.
        most: Never more threads than this; None for no bound of its own.
        keep_alive: Seconds that a thread without work stays; None for ever.
    """

    __slots__ = ("_crew", "_made_with")

    def __init__(self, name: str, most: int | None = None, keep_alive: float | None = KEEP_ALIVE) -> None:
        self._made_with = (name, most, keep_alive)
        self._reset()

    def _reset(self) -> None:
        self._crew = _Crew(*self._made_with)

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Have a thread run `block`.

        Raises:
            RejectedExecutionError: The pool was shut; or it has no thread, and the system gives none.
        """
        self._crew.dispatch(context, block)

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return True

    def _dispatch(self, coroutine: Any) -> None:
        self._crew.dispatch(EmptyCoroutineContext, coroutine)

    def shut(self) -> None:
        """Refuse further tasks; what is queued is still run. Does not wait."""
        self._crew.shut()

    def join(self, seconds: float | None) -> list[Thread]:
        """Wait for the threads of a pool that was shut; return those that still run."""
        return self._crew.join(seconds)

    def give_up_cancelled(self) -> None:
        """Spare what is cancelled and still runs a second wait at the end: the caller has waited for it, in vain."""
        self._crew.give_up_cancelled()

    def is_shut(self) -> bool:
        """Whether it takes no more. One look without the lock: it is not opened again; who looks early is refused."""
        return self._crew._shut

    def is_only_thread(self) -> bool:
        """Whether the calling thread is the one thread that it may have."""
        crew = self._crew
        return crew._most == 1 and current_thread() in crew._threads

    def is_at_rest(self) -> bool:
        """Whether no task is queued and no thread runs one."""
        crew = self._crew
        return not crew._queued and crew._waiting == crew._count

    def __repr__(self) -> str:
        return repr(self._crew)


def _is_cancelled(task: Any) -> bool:
    """Whether what a thread runs is a coroutine whose innermost block has been cancelled."""
    frame = getattr(task, "_frame", None)  # of a coroutine, while its body is not over
    return frame is not None and bool(frame.is_cancelled)


def _run(task: Runnable) -> None:
    try:
        task.run()
    except BaseException as failure:  # noqa: BLE001  (the thread serves others as well)
        report_globally(EmptyCoroutineContext, failure)


class DefaultDispatcher(LimitedDispatcher):
    """Dispatchers.Default: as many at once as there are processors, at least 2. For work that does not block."""

    __slots__ = ()

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return True

    def __repr__(self) -> str:
        return "Dispatchers.Default"


class IODispatcher(LimitedDispatcher):
    """Dispatchers.IO: 64 at once, for calls that block. A limited view of it has a limit of its own, beyond 64."""

    __slots__ = ()

    def limited_parallelism(self, parallelism: int, name: str | None = None) -> CoroutineDispatcher:
        """Return a view with `parallelism` threads of its own, not taken from the 64."""
        return pool.limited_parallelism(parallelism, name)

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return True

    def __repr__(self) -> str:
        return "Dispatchers.IO"


CPU_COUNT = max(2, os.cpu_count() or 2)
IO_LIMIT = max(64, CPU_COUNT)

pool = Pool("vmscope-worker")
run_in_place_by(lambda task: pool.dispatch(EmptyCoroutineContext, task))
Default: LimitedDispatcher = DefaultDispatcher(pool, CPU_COUNT)
IO: LimitedDispatcher = IODispatcher(pool, IO_LIMIT)


def shut_and_join(seconds: float | None) -> list[Thread]:
    """Refuse further work on Default and IO and wait for what runs; return the threads that still run then.

    The end of the process waits for these no more.
    """
    pool.shut()
    left = pool.join(seconds)
    pool._crew._was_joined = True
    return left


def _after_fork() -> None:
    for dispatcher in (Default, IO):
        dispatcher.__init__(dispatcher.parent, dispatcher.limit)  # type: ignore[misc]  # locks and counts of threads that are gone
    pool._reset()


def _exit() -> None:
    start_no_more()
    pool.shut()
    pool._crew.join_at_exit()


after_fork(_after_fork)
atexit.register(_exit)
