"""with_state and its kin: call a function at a moment at which a lifecycle is in a state or above it.

The function is called by the observer that is told of the state, so nothing can come between the two.
Locks: none.
Counterpart: androidx.lifecycle.withStateAtLeast, withCreated, withStarted, withResumed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar, TypeVarTuple

from .._errors import CancellationException, RejectedExecutionError
from ..coroutines._context import EmptyCoroutineContext
from ..coroutines._main import Main
from ..coroutines._suspend import Call, CancellableContinuation, Suspending, iterate, suspend_cancellable_coroutine
from ._lifecycle import Lifecycle, LifecycleOwner, lifecycle_of
from ._main_thread import post_to_main, run_on_main
from ._states import Event, State, checked_state

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class LifecycleDestroyedException(CancellationException):
    """The lifecycle was destroyed before it came to the state that was waited for.

    A cancellation: a coroutine that lets it pass ends without a failure.

    AndroidX: LifecycleDestroyedException.
    """

    __module__ = "vmscope.lifecycle"


def with_state(
    of: Lifecycle | LifecycleOwner, state: State, block: Callable[[*Ts], T], *args: *Ts
) -> Suspending[T]:
    """Call `block` on the main thread as soon as the lifecycle is in `state` or above, and give its value.

    At once, without suspending, where it is there already and this is the main thread.

    Args:
        of: The lifecycle, or its owner.
        state: CREATED, STARTED or RESUMED.
        block: A plain function, called with `args`; while it runs the state does not change under it.
    Raises:
        ValueError: `state` is below CREATED.
        TypeError: `block` suspends: `repeat_on_lifecycle` is for that.
        LifecycleDestroyedException: The lifecycle was destroyed first. A CancellationException.
        BaseException: What `block` raised.

    Cancellation: prompt; the block is not called any more.
    Threads: called in a coroutine on any.
    AndroidX: withStateAtLeast; there it hangs where the lifecycle is destroyed on the way to the main thread.
    """
    if checked_state(state, "with_state()") < State.CREATED:
        raise ValueError(f"with_state() waits for CREATED or above, got {state.name}")
    return _with_state("with_state", of, state, block, args)


def with_created(of: Lifecycle | LifecycleOwner, block: Callable[[*Ts], T], *args: *Ts) -> Suspending[T]:
    """Call `block` once the lifecycle is CREATED or above. See `with_state`.

    AndroidX: withCreated.
    """
    return _with_state("with_created", of, State.CREATED, block, args)


def with_started(of: Lifecycle | LifecycleOwner, block: Callable[[*Ts], T], *args: *Ts) -> Suspending[T]:
    """Call `block` once the lifecycle is STARTED or above. See `with_state`.

    AndroidX: withStarted.
    """
    return _with_state("with_started", of, State.STARTED, block, args)


def with_resumed(of: Lifecycle | LifecycleOwner, block: Callable[[*Ts], T], *args: *Ts) -> Suspending[T]:
    """Call `block` once the lifecycle is RESUMED. See `with_state`.

    AndroidX: withResumed.
    """
    return _with_state("with_resumed", of, State.RESUMED, block, args)


def _with_state(name: str, of: Any, state: State, block: Any, args: tuple[Any, ...]) -> Suspending[Any]:
    lifecycle = lifecycle_of(of, f"{name}()")
    if not callable(block):
        raise TypeError(f"{name}() takes a plain function with its arguments, got {block!r}")
    return Call(name, _at_state, (name, lifecycle, state, block, args))


def _at_state(
    name: str, lifecycle: Lifecycle, state: State, block: Any, args: tuple[Any, ...]
) -> Generator[Any, Any, Any]:
    def called() -> Any:
        value = block(*args)
        body = iterate(value)
        if body is not None:
            if isinstance(value, Suspending):
                value._begun = True  # what is raised here says it: no warning besides that it was dropped
            body.close()
            raise TypeError(f"{name}() calls a plain function, and {block!r} suspends: use repeat_on_lifecycle(...)")
        return value

    away = Main.immediate.is_dispatch_needed(EmptyCoroutineContext)
    if not away:
        if lifecycle.current_state is State.DESTROYED:
            raise _destroyed(lifecycle)
        if lifecycle.current_state >= state:
            return called()
    return (yield from suspend_cancellable_coroutine(_Waiting(lifecycle, state, called, away).begin))


class _Waiting:
    """Observes until the state has come, or the end."""

    __slots__ = ("_away", "_called", "_cont", "_lifecycle", "_up")
    _cont: CancellableContinuation[Any]

    def __init__(self, lifecycle: Lifecycle, state: State, called: Callable[[], Any], away: bool) -> None:
        self._lifecycle = lifecycle
        self._up = Event.up_to(state)
        self._called = called
        self._away = away

    def begin(self, cont: CancellableContinuation[Any]) -> None:
        """Observe, from the main thread on."""
        self._cont = cont
        cont.invoke_on_cancellation(lambda cause: run_on_main(self._leave))
        if self._away:
            post_to_main(self._enter, self._refused)
        else:
            self._enter()

    def _enter(self) -> None:
        if not self._cont.is_active:  # cancelled on the way here
            return
        try:
            self._lifecycle.add_observer(self._on_event)
        except BaseException as failure:
            if not self._cont.is_active:  # it has its answer: it is others that failed, moved by what was called
                raise
            # raised here it would leave the caller waiting for ever
            self._cont.resume_with_exception(failure)
            return
        if self._lifecycle.current_state is State.DESTROYED and self._cont.is_active:  # nobody will be told of it
            self._cont.resume_with_exception(_destroyed(self._lifecycle))

    def _on_event(self, owner: LifecycleOwner, event: Event) -> None:
        if not self._cont.is_active:  # cancelled on another thread, which has posted the removal
            return
        if event is self._up:
            self._leave()
            try:
                value = self._called()
            except BaseException as failure:  # noqa: BLE001  (it belongs to the caller)
                self._cont.resume_with_exception(failure)
            else:
                self._cont.resume(value)
        elif event is Event.ON_DESTROY:
            self._leave()
            self._cont.resume_with_exception(_destroyed(self._lifecycle))

    def _leave(self) -> None:
        self._lifecycle.remove_observer(self._on_event)

    def _refused(self) -> None:
        if self._cont.is_active:
            self._cont.resume_with_exception(
                RejectedExecutionError(f"the main looper has quit, so the state of {self._lifecycle!r} is not followed")
            )


def _destroyed(lifecycle: Lifecycle) -> LifecycleDestroyedException:
    return LifecycleDestroyedException(f"{lifecycle!r} was destroyed before it came to the state that was waited for")
