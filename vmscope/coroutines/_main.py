"""Dispatchers.Main and the dispatchers made of a Handler: coroutines on a message queue.

Plain Main posts always. The immediate one starts and resumes in place exactly when the calling thread is the looper's.
A delay is one delayed message of that queue, and goes on in that very message.
Locks: `_guard` guards the list of factories and the dispatcher made by one. Held over nobody's code.
Counterpart: kotlinx.coroutines.android.HandlerContext, MainDispatcherFactory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._errors import MissingMainError, RejectedExecutionError
from .._primitives import RLock, get_ident
from ..looper import _looper as main_room
from ..looper._looper import Looper
from ._dispatcher import CoroutineDispatcher, NamedDispatcher, Runnable, check_parallelism

if TYPE_CHECKING:
    from ..looper._handler import Handler
    from ..looper._queue import MessageQueue
    from ._context import CoroutineContext


class LooperDispatcher(CoroutineDispatcher):
    """What Main and handler dispatchers share: all they do, they do on the queue of a looper."""

    __slots__ = ("_immediate",)
    _immediate: bool
    _resumes_timers_in_place = True

    def _looper(self) -> Looper:
        raise NotImplementedError

    @property
    def immediate(self) -> CoroutineDispatcher:
        """The same, starting and resuming in place where the calling thread is the looper's."""
        raise NotImplementedError

    def is_dispatch_needed(self, context: CoroutineContext) -> bool:
        return not self._immediate or self._looper()._ident != get_ident()

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Post `block`; always, also on the immediate one.

        Raises:
            RejectedExecutionError: The looper has quit.
        """
        if not self._looper().queue.put(Posted(block)):
            raise RejectedExecutionError(f"The task was rejected: the looper of {self!r} has quit")

    def limited_parallelism(self, parallelism: int, name: str | None = None) -> CoroutineDispatcher:
        """Return this dispatcher: one thread is the least there can be. With a name, the same under that name."""
        check_parallelism(parallelism)
        return self if name is None else NamedDispatcher(self, name)

    def _needs_dispatch(self, coroutine: Any) -> bool:
        return not self._immediate or self._looper()._ident != get_ident()

    def _dispatch(self, coroutine: Any) -> None:
        if not self._looper().queue.put(coroutine):
            coroutine.rejected()

    def _timers(self) -> MessageQueue:
        return self._looper().queue

    def _needs_this_thread(self) -> bool:
        return self._looper().is_current_thread()


class Posted:
    """A stranger's task as an item of the queue."""

    __slots__ = ("_block", "when")
    asynchronous = True
    when: float

    def __init__(self, block: Runnable) -> None:
        self._block = block

    def run(self) -> None:
        """Run it."""
        self._block.run()

    def rejected(self) -> None:
        """The queue died with it."""
        rejected = getattr(self._block, "rejected", None)
        if rejected is not None:
            rejected()


class HandlerDispatcher(LooperDispatcher):
    """A Handler as a dispatcher: equal to another of the same handler and the same immediacy.

    Kotlin: Handler.asCoroutineDispatcher.
    """

    __slots__ = ("_handler", "_name")

    def __init__(self, handler: Handler, name: str | None = None, immediate: bool = False) -> None:
        self._handler = handler
        self._name = name
        self._immediate = immediate

    def _looper(self) -> Looper:
        return self._handler.looper

    @property
    def immediate(self) -> HandlerDispatcher:
        """The same handler, without a message where the calling thread is its looper's."""
        return self if self._immediate else HandlerDispatcher(self._handler, self._name, immediate=True)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, HandlerDispatcher)
            and other._handler is self._handler
            and other._immediate == self._immediate
        )

    def __hash__(self) -> int:
        return hash((id(self._handler), self._immediate))

    def __repr__(self) -> str:
        name = self._name or repr(self._handler)
        return f"{name}.immediate" if self._immediate else name


class MainDispatcher(LooperDispatcher):
    """Dispatchers.Main: the main looper of the moment, or what a registered factory made, or a test has set.

    Kotlin: MainCoroutineDispatcher.
    """

    __slots__ = ("_other",)

    def __init__(self, immediate: MainDispatcher | None = None) -> None:
        self._immediate = immediate is None
        self._other = immediate

    @property
    def immediate(self) -> MainDispatcher:
        """Starts and resumes in place where the calling thread is the main one."""
        return self._other or self

    @property
    def _resumes_timers_in_place(self) -> bool:  # type: ignore[override]  # what stands behind Main decides
        if _main.delegate is None and not _main.factories:
            return True
        delegate = self._delegate()
        return True if delegate is None else delegate._resumes_timers_in_place

    def is_dispatch_needed(self, context: CoroutineContext) -> bool:
        delegate = self._delegate()
        return super().is_dispatch_needed(context) if delegate is None else delegate.is_dispatch_needed(context)

    def dispatch(self, context: CoroutineContext, block: Runnable) -> None:
        """Post `block` to the main looper.

        Raises:
            IllegalStateError: There is no main looper.
            RejectedExecutionError: It has quit.
        """
        delegate = self._delegate()
        if delegate is None:
            super().dispatch(context, block)
        else:
            delegate.dispatch(context, block)

    def _needs_dispatch(self, coroutine: Any) -> bool:
        if _main.delegate is not None or _main.factories:
            delegate = self._delegate()
            if delegate is not None:
                return delegate._needs_dispatch(coroutine)
        looper = main_room._main  # what Looper.get_main() returns: a call costs 40 ns, this 15 (3.11)
        if looper is None:
            raise _missing()
        return not self._immediate or looper._ident != get_ident()

    def _dispatch(self, coroutine: Any) -> None:
        if _main.delegate is not None or _main.factories:
            delegate = self._delegate()
            if delegate is not None:
                delegate._dispatch(coroutine)
                return
        looper = main_room._main
        if looper is None:
            raise _missing()
        if not looper.queue.put(coroutine):
            coroutine.rejected()

    def _dispatch_if_needed(self, coroutine: Any) -> bool:
        # The two above in one: 0.05 us of a launch or a resumption (3.11).
        if _main.delegate is not None or _main.factories:
            return super()._dispatch_if_needed(coroutine)
        looper = main_room._main
        if looper is None:
            raise _missing()
        if self._immediate and looper._ident == get_ident():
            return False
        if not looper.queue.put(coroutine):
            coroutine.rejected()
        return True

    def _dispatch_yield(self, coroutine: Any) -> bool:
        if _main.delegate is not None or _main.factories:
            delegate = self._delegate()
            if delegate is not None:
                return delegate._dispatch_yield(coroutine)
        looper = main_room._main
        if looper is None:
            raise _missing()
        if not looper.queue.put(coroutine):
            coroutine.rejected()
        return True

    def _timers(self) -> MessageQueue:
        if _main.delegate is not None or _main.factories:
            delegate = self._delegate()
            if delegate is not None:
                return delegate._timers()
        looper = main_room._main
        if looper is None:
            raise _missing()
        return looper.queue

    def _needs_this_thread(self) -> bool:
        delegate = self._delegate()
        return super()._needs_this_thread() if delegate is None else delegate._needs_this_thread()

    def _looper(self) -> Looper:
        looper = Looper.get_main()
        if looper is None:
            raise _missing()
        return looper

    def _delegate(self) -> CoroutineDispatcher | None:
        made = _main.delegate
        if made is None and _main.factories:
            made = _main.make()
        if made is None or not self._immediate:
            return made
        immediate: CoroutineDispatcher = getattr(made, "immediate", made)
        return immediate

    def __repr__(self) -> str:
        return "Dispatchers.Main.immediate" if self._immediate else "Dispatchers.Main"


def _missing() -> MissingMainError:
    return MissingMainError(
        "Dispatchers.Main was used, and there is no main looper: call Looper.prepare_main() on the thread that is to "
        "be the main one, or run the program with run_main(...); in a test, set one"
    )


class _Main:
    """What stands behind Dispatchers.Main instead of the main looper, if anything."""

    def __init__(self) -> None:
        self.delegate: CoroutineDispatcher | None = None
        self.factories: tuple[tuple[int, Callable[[], CoroutineDispatcher]], ...] = ()
        self.guard = RLock()

    def make(self) -> CoroutineDispatcher:
        """Ask the factory of the highest priority, the one registered first among equals."""
        _, factory = max(self.factories, key=lambda entry: entry[0])
        made = factory()
        if not isinstance(made, CoroutineDispatcher):
            raise TypeError(f"the main dispatcher factory {factory!r} made {made!r}, which is no CoroutineDispatcher")
        with self.guard:
            if self.delegate is None:
                self.delegate = made
            return self.delegate


_main = _Main()


def register_main_factory(factory: Callable[[], CoroutineDispatcher], priority: int = 1) -> None:
    """Have `factory()` make the dispatcher behind Dispatchers.Main when it is first used.

    Args:
        factory: Called once, from the first use; its result may have an `immediate`.
        priority: The highest wins. Without any factory, Main is the main looper.

    Threads: any, before the first use.
    Kotlin: MainDispatcherFactory.
    """
    if not callable(factory):
        raise TypeError(f"register_main_factory takes a function that makes a dispatcher, got {factory!r}")
    with _main.guard:
        _main.factories = (*_main.factories, (priority, factory))


def has_main() -> bool:
    """Say whether Dispatchers.Main can be used now."""
    return Looper.get_main() is not None or _main.delegate is not None or bool(_main.factories)


_immediate = MainDispatcher()
Main = MainDispatcher(_immediate)
