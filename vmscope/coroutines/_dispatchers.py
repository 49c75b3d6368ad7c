"""Dispatchers: the five that everybody uses, threads of one's own, and guards for code that belongs on one thread.

Counterpart: kotlinx.coroutines.Dispatchers, newSingleThreadContext, asCoroutineDispatcher; androidx @MainThread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from .._errors import IllegalStateError
from .._primitives import current_thread
from ..looper._handler import Handler
from ..looper._looper import Looper
from ._dispatcher import CoroutineDispatcher, Runnable, Unconfined, check_parallelism
from ._main import HandlerDispatcher, Main, MainDispatcher
from ._pool import IO, Default, Pool, shut_and_join

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ._context import CoroutineContext
    from ._executor import ExecutorDispatcher

P = ParamSpec("P")
T = TypeVar("T")


class Dispatchers:
    """Where coroutines run: `Main` (and `Main.immediate`), `Default`, `IO`, `Unconfined`.

    Kotlin: Dispatchers.
    """

    #: The main looper's thread; every start and resumption is posted. `Main.immediate` does without where it is there.
    Main: MainDispatcher = Main
    #: As many threads as processors, at least 2: for work that does not block.
    Default: CoroutineDispatcher = Default
    #: Up to 64 threads: for calls that block. Shares its threads with Default.
    IO: CoroutineDispatcher = IO
    #: The calling thread up to the first suspension, then the one that resumes.
    Unconfined: CoroutineDispatcher = Unconfined

    @staticmethod
    def shutdown(timeout: float | None = None) -> list[str]:
        """Let Default and IO take no more work, and wait for what runs there.

        Args:
            timeout: Seconds to wait; None waits as long as it takes.

        Returns:
            For each thread that still runs then, its name and where it stands; empty when all have ended.

        What is launched there afterwards is cancelled. For the end of a program; the process does it by itself, within
        two seconds, where it is not called. Of these two a coroutine that was cancelled has half a second.
        Kotlin: Dispatchers.shutdown.
        """
        stuck = shut_and_join(timeout)
        if not stuck:
            return []
        from ..debug._stacks import as_text, thread_stack  # on 3.14 it loads dataclasses

        return [
            f"{thread.name} still runs:\n{as_text(thread_stack(thread.ident or 0).places) or '  (unknown)'}"
            for thread in stuck
        ]


class ThreadPoolDispatcher(CoroutineDispatcher):
    """Threads of its own, closed by `close()`; a context manager.

    Kotlin: ExecutorCoroutineDispatcher as made by newFixedThreadPoolContext.
    """

    __slots__ = ("_name", "_pool")

    def __init__(self, threads: int, name: str) -> None:
        self._name = name
        self._pool = Pool(name, most=threads, keep_alive=None)

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Have one of the threads run `block`.

        Raises:
            RejectedExecutionError: It was closed.
        """
        self._pool.dispatch(context, block)

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return True

    def _dispatch(self, coroutine: Any) -> None:
        self._pool._dispatch(coroutine)

    def _needs_this_thread(self) -> bool:
        return self._pool.is_only_thread()

    def close(self) -> None:
        """Take no more work; what is queued is still run, then the threads end. Does not wait.

        What is dispatched later is cancelled, and its clean-up runs on IO.
        """
        self._pool.shut()

    def join(self, timeout: float | None = None) -> bool:
        """After `close()`: wait up to `timeout` seconds for the threads to end. True: they have."""
        return not self._pool.join(timeout)

    def __enter__(self) -> ThreadPoolDispatcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return self._name


def new_single_thread_context(name: str) -> ThreadPoolDispatcher:
    """Make a dispatcher with one thread of its own, called `name`; `close()` ends it.

    Kotlin: newSingleThreadContext.
    """
    return new_fixed_thread_pool_context(1, name)


def new_fixed_thread_pool_context(threads: int, name: str) -> ThreadPoolDispatcher:
    """Make a dispatcher with up to `threads` daemon threads of its own, `name-1`, `name-2`...; `close()` ends them.

    Raises:
        ValueError: `threads` is less than 1.

    Kotlin: newFixedThreadPoolContext.
    """
    check_parallelism(threads)
    if not isinstance(name, str):
        raise TypeError(f"the name of a thread pool must be a string, got {name!r}")
    return ThreadPoolDispatcher(threads, name)


@overload
def as_dispatcher(source: Handler, name: str | None = None) -> HandlerDispatcher: ...
@overload
def as_dispatcher(source: Executor, name: str | None = None) -> ExecutorDispatcher: ...
def as_dispatcher(source: Handler | Executor, name: str | None = None) -> CoroutineDispatcher:
    """Return a Handler, or a `concurrent.futures.Executor`, as a dispatcher.

    Args:
        source: What runs the coroutines. Closing an executor's dispatcher shuts the executor.
        name: For the repr of a handler's dispatcher.

    Raises:
        TypeError: `source` is neither.

    Kotlin: asCoroutineDispatcher.
    """
    if isinstance(source, Handler):
        return HandlerDispatcher(source, name)
    if callable(getattr(source, "submit", None)):
        from ._executor import DispatcherExecutor, ExecutorDispatcher

        if isinstance(source, DispatcherExecutor):
            return source._dispatcher
        return ExecutorDispatcher(source)
    raise TypeError(f"as_dispatcher takes a Handler or a concurrent.futures.Executor, got {source!r}")


def check_main(what: str = "this") -> None:
    """Refuse to go on anywhere but on the main thread.

    Raises:
        IllegalStateError: The calling thread is another, or there is no main looper.
    """
    looper = Looper.get_main()
    if looper is None or not looper.is_current_thread():
        where = "there is no main looper" if looper is None else f"the main thread is {looper.thread.name!r}"
        raise IllegalStateError(
            f"{what} was called on thread {current_thread().name!r}, and {where}: "
            "post it to a Handler of the main looper, or use with_context(Dispatchers.Main, ...)"
        )


def main_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Mark a function that belongs on the main thread: called elsewhere it raises IllegalStateError.

    Android: @MainThread, which is only looked at by lint.
    """

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        check_main(f"{function.__qualname__}()")
        return function(*args, **kwargs)

    return checked


def worker_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Mark a function that must not run on the main thread, for it blocks: called there it raises IllegalStateError.

    Android: @WorkerThread.
    """

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        looper = Looper.get_main()
        if looper is not None and looper.is_current_thread():
            raise IllegalStateError(
                f"{function.__qualname__}() blocks and was called on the main thread {current_thread().name!r}: "
                "use with_context(Dispatchers.IO, ...)"
            )
        return function(*args, **kwargs)

    return checked
