"""repeat_on_lifecycle: a block that runs while a lifecycle is in a state or above it, and again each time.

    at or above the state   |---------|         |------|
    the block               |---------| (ended) |------|     begun anew, cancelled, waited for

Invariants
    R1  never two runs of the block at once: each holds the mutex from its first line to the end of its last child.
    R2  no observer and no run is left when the call has ended, however it did.
Locks: none of its own; what it keeps belongs to the main thread.
Counterpart: androidx.lifecycle.repeatOnLifecycle.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from ..coroutines._builders import with_context
from ..coroutines._main import Main
from ..coroutines._scope import coroutine_scope, current_scope
from ..coroutines._suspend import Call, Suspending, suspend_cancellable_coroutine
from ._lifecycle import Lifecycle, LifecycleOwner, lifecycle_of
from ._main_thread import is_main_thread
from ._states import Event, State, checked_state

if TYPE_CHECKING:
    from ..coroutines._job import Job
    from ..coroutines._scope import CoroutineScope
    from ..coroutines._suspend import CancellableContinuation
    from ..sync._mutex import Mutex


def repeat_on_lifecycle(
    of: Lifecycle | LifecycleOwner, state: State, block: Callable[..., object], *args: Any
) -> Suspending[None]:
    """Run `block` whenever the lifecycle is in `state` or above, until it is destroyed.

        @suspend
        def show():
            yield from repeat_on_lifecycle(window, State.STARTED, feed.items.collect, draw)

    On falling below, the block is cancelled; on coming back it is begun anew, once the one before has cleaned up and
    all that it launched has ended.

    Args:
        of: The lifecycle, or its owner.
        state: CREATED, STARTED or RESUMED. With DESTROYED the block never runs, and the call waits for the end.
        block: Called with `args` for each run; a generator function, coroutine function or plain function. `launch`
            inside belongs to that run.
    Returns:
        When the lifecycle is destroyed, and the last run has ended; at once where it is destroyed already.
    Raises:
        ValueError: `state` is INITIALIZED, to which nothing comes back.
        BaseException: What the block failed with; it is not repeated then.

    Cancellation: cancels the run of the moment and waits for it.
    Threads: called in a coroutine on any; the block runs under the caller's dispatcher, the lifecycle is observed on
        the main thread.
    AndroidX: repeatOnLifecycle.
    """
    lifecycle = lifecycle_of(of, "repeat_on_lifecycle()")
    if checked_state(state, "repeat_on_lifecycle()") is State.INITIALIZED:
        raise ValueError("repeat_on_lifecycle cannot start work with the INITIALIZED state: use CREATED or above")
    if not callable(block):
        raise TypeError(f"repeat_on_lifecycle() takes a function with its arguments, to be called again, got {block!r}")
    return Call("repeat_on_lifecycle", _repeat, (lifecycle, state, block, args))


def _repeat(lifecycle: Lifecycle, state: State, block: Any, args: tuple[Any, ...]) -> Generator[Any, Any, None]:
    if lifecycle.current_state is not State.DESTROYED:
        yield from coroutine_scope(_Repetition(lifecycle, state, block, args).run)


class _Repetition:
    """One call of repeat_on_lifecycle."""

    __slots__ = ("_args", "_block", "_ended", "_lifecycle", "_mutex", "_run", "_scope", "_start", "_stop")
    _ended: CancellableContinuation[None]
    _scope: CoroutineScope

    def __init__(self, lifecycle: Lifecycle, state: State, block: Any, args: tuple[Any, ...]) -> None:
        self._lifecycle = lifecycle
        self._start = Event.up_to(state)
        self._stop = Event.down_from(state)
        self._block = block
        self._args = args
        self._run: Job | None = None
        self._mutex = _mutex()

    def run(self) -> Generator[Any, Any, None]:
        """Repeat until the lifecycle is destroyed."""
        self._scope = current_scope()  # before Main is entered: the block runs where the caller does
        yield from with_context(Main.immediate, self._follow)

    def _follow(self) -> Generator[Any, Any, None]:
        if self._lifecycle.current_state is State.DESTROYED:  # since it was asked elsewhere
            return
        try:
            yield from suspend_cancellable_coroutine(self._observe)
        finally:
            self._cancel()
            self._leave()

    def _observe(self, ended: CancellableContinuation[None]) -> None:
        self._ended = ended
        self._lifecycle.add_observer(self._on_event)

    def _leave(self) -> None:
        if is_main_thread():  # else the main looper has quit, and nobody will be told of anything
            self._lifecycle.remove_observer(self._on_event)

    def _on_event(self, owner: LifecycleOwner, event: Event) -> None:
        if event is self._start:
            from ..sync._mutex import with_lock

            self._run = self._scope.launch(with_lock, self._mutex, coroutine_scope, self._block, *self._args)
            return
        if event is self._stop:
            self._cancel()
        if event is Event.ON_DESTROY:
            self._ended.try_resume(None)

    def _cancel(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.cancel("its lifecycle has left the state")


def _mutex() -> Mutex:
    from ..sync._mutex import Mutex  # here: a program that repeats nothing needs no `sync`

    return Mutex()
