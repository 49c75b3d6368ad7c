"""ViewModelStore: keeps ViewModels by key while what owns it comes and goes; a clear of the store clears them all.

Invariants
    S1  a ViewModel leaves the store only cleared: by clear(), a put under its key, or one of another class made there.
    S2  one construction at a time for a key, whatever provider asked; other keys are not held up by it.
    S3  what was being made while the store was cleared is cleared with it.
    S4  a store that is closed, as that of a child can be, keeps nothing: what comes is cleared at once.
    S5  a ViewModel that leaves is in the map, or its clear is in `_endings`, until nothing of it goes on any more.
Locks
    `ViewModelStore._lock` guards the map, the claims, the generation and `_closed`. `_waiting_lock` guards who waits
    for whose construction, over all stores, and is only taken alone. Nothing of a caller's runs under them; below the
    former comes the lock of `_endings`, and no other.
Counterpart: androidx.lifecycle.ViewModelStore; the claims are ours, there all of this happens on the main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from .._errors import IllegalStateError
from .._primitives import Event, RLock, after_fork, get_ident, wait_in_turns
from ._cleanup import Endings, clear_and_join
from ._viewmodel import HandlerSlot, ViewModel, adopt, clear_all, unended

if TYPE_CHECKING:
    from types import TracebackType

    from ..coroutines._job import CompletableJob
    from ..coroutines._suspend import Suspending
    from ._viewmodel import ExceptionHandler

VM = TypeVar("VM", bound=ViewModel)


class ViewModelStore:
    """ViewModels by key, kept until `clear()`.

    Whoever shows a screen keeps the store for as long as the screen may come back (a rebuilt window is the same
    screen), and clears it when it is gone for good. It can be used again after that. As a context manager it is
    cleared at the end of the block.

    Args:
        exception_handler: Called as `handler(context, exception)` for a failure in the scope of one of its
            ViewModels that has no handler of its own. It is looked up when the failure happens: set it any time.

    Threads: any, for all methods. ViewModels are cleared on the calling thread.
    AndroidX: ViewModelStore; it has no exception handler.
    """

    def __init__(self, *, exception_handler: ExceptionHandler | None = None) -> None:
        self._lock = RLock()
        self._view_models: dict[str, ViewModel] = {}
        self._claims: dict[str, Claim] = {}
        self._generation = 0
        self._closed = False
        self._endings = Endings()
        self._handlers = HandlerSlot(exception_handler)

    @property
    def exception_handler(self) -> ExceptionHandler | None:
        """Told of failures that no ViewModel of this store has a handler for; None hands them on to the default."""
        return self._handlers.handler

    @exception_handler.setter
    def exception_handler(self, handler: ExceptionHandler | None) -> None:
        self._handlers.handler = handler

    def put(self, key: str, view_model: ViewModel) -> None:
        """Keep `view_model` under `key`; the one that stood there is cleared, even if it is the same.

        Raises:
            TypeError: Not a string, or not a ViewModel.
            ExceptionGroup: The clear of the old one failed; the new one is in its place all the same.
        """
        if not isinstance(key, str):
            raise TypeError(f"put takes a string and a ViewModel, got {key!r} for the string")
        if not isinstance(view_model, ViewModel):
            raise TypeError(f"put takes a string and a ViewModel, got {view_model!r} for the ViewModel")
        adopt(view_model, self._handlers)
        with self._lock:
            if self._closed:
                old: ViewModel | None = view_model
            else:
                old = self._view_models.get(key)
                self._view_models[key] = view_model
            ending = self._endings.begin() if old is not None else None
        if old is not None and ending is not None:
            self._clear_gone(old, ending)

    def get(self, key: str) -> ViewModel | None:
        """Return the ViewModel under `key`, None where there is none."""
        return self._view_models.get(key)

    def keys(self) -> frozenset[str]:
        """Return the keys in use now."""
        with self._lock:
            return frozenset(self._view_models)

    def clear(self) -> None:
        """Clear every ViewModel, in the order in which they came, and forget them.

        Raises:
            ExceptionGroup: What the clears raised, after all were called.
        """
        self._clear(close=False)

    def clear_and_join(self) -> Suspending[None]:
        """Clear it, then wait until nothing goes on in what has left it: no coroutines, and no clean-up.

        Waited for is also what left by an earlier `clear()`, or by a `put` under its key; a second call waits, too.

        Raises:
            ExceptionGroup: What `clear()` raised, once the waiting is over.
            CancellationException: The caller was cancelled, which does not touch the clean-up.

        Threads: called in a coroutine, as `ViewModel.clear_and_join`.
        """
        return clear_and_join(self.clear, self._endings.unended)

    def _close(self) -> None:
        """Clear it, for good (S4)."""
        self._clear(close=True)

    def _clear(self, *, close: bool) -> None:
        with self._lock:
            leaving = list(self._view_models.values())
            self._view_models = {}
            self._generation += 1
            self._closed = self._closed or close
            ending = self._endings.begin() if leaving else None
        if ending is None:
            return
        try:
            clear_all(f"clear() of {self!r}", [view_model.clear for view_model in leaving])
        finally:
            self._endings.returned(ending, (job for view_model in leaving for job in unended(view_model)))

    def _clear_gone(self, view_model: ViewModel, ending: CompletableJob) -> None:
        try:
            view_model.clear()
        finally:
            self._endings.returned(ending, unended(view_model))

    def __enter__(self) -> ViewModelStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def __repr__(self) -> str:
        return f"<ViewModelStore of {len(self._view_models)}>"

    # ---- for providers

    def _get_or_make(self, key: str, cls: type[VM], make: Callable[[], VM]) -> VM:
        """Return the `cls` under `key`, made now, under no lock, if it is not there yet."""
        claim = Claim(key)
        try:  # from before the claim on: a Ctrl-C must not leave it behind
            kept = self.claim(claim, cls)
            if kept is not None:
                return kept  # another thread made it meanwhile
            made = make()
            self.deliver(claim, made)
            return made
        except BaseException:
            self.give_up(claim)
            raise

    def claim(self, claim: Claim, cls: type[VM]) -> VM | None:
        """Return the ViewModel of class `cls` under the key; None: `claim` is now the right to make it.

        Waits while another thread makes one. Internal: a claim is ended by `deliver` or `give_up`.
        """
        while True:
            with self._lock:
                kept = self._view_models.get(claim.key)
                if isinstance(kept, cls):
                    return kept
                theirs = self._claims.get(claim.key)
                if theirs is None:
                    claim.generation = self._generation
                    self._claims[claim.key] = claim
                    return None
            theirs.wait()

    def deliver(self, claim: Claim, view_model: ViewModel) -> None:
        """End a claim with what was made."""
        adopt(view_model, self._handlers)
        with self._lock:
            too_late = self._closed or claim.generation != self._generation
            if too_late:
                gone: ViewModel | None = view_model  # S3: it counts as made just before the clear
            else:
                gone = self._view_models.get(claim.key)
                self._view_models[claim.key] = view_model
            ending = self._endings.begin() if gone is not None else None
            self._end_locked(claim)
        claim.done.set()
        if gone is not None and ending is not None:
            self._clear_gone(gone, ending)

    def give_up(self, claim: Claim) -> None:
        """End a claim with nothing, if it has not ended: who waits for it tries for itself."""
        with self._lock:
            self._end_locked(claim)
        claim.done.set()

    def _end_locked(self, claim: Claim) -> None:
        if self._claims.get(claim.key) is claim:
            del self._claims[claim.key]


class Claim:
    """The right of one thread to make the ViewModel of one key."""

    __slots__ = ("done", "generation", "key", "thread")

    def __init__(self, key: str) -> None:
        self.key: str = key
        self.generation: int = 0
        self.thread: int = get_ident()
        self.done: Event = Event()

    def wait(self) -> None:
        """Wait for the end of another's construction.

        Raises:
            IllegalStateError: It would wait for itself, perhaps by way of other threads.
        """
        here = get_ident()
        with _waiting_lock:
            link: Claim | None = self
            while link is not None:
                if link.thread == here:
                    raise IllegalStateError(
                        f"the ViewModel under {self.key!r} is being made, and its factory asked for it again "
                        "(perhaps by way of another ViewModel): break the circle"
                    )
                link = _waiting.get(link.thread)
            _waiting[here] = self
        try:
            wait_in_turns(self.done.wait)
        finally:
            with _waiting_lock:
                _waiting.pop(here, None)


_waiting: dict[int, Claim] = {}
_waiting_lock = RLock()


def _after_fork() -> None:
    global _waiting_lock
    _waiting_lock = RLock()
    _waiting.clear()


after_fork(_after_fork)


@runtime_checkable
class ViewModelStoreOwner(Protocol):
    """Anything with a `view_model_store`: a window, a session, an app.

    It keeps the store while it is rebuilt and clears it when it is gone for good.

    AndroidX: ViewModelStoreOwner.
    """

    @property
    def view_model_store(self) -> ViewModelStore:
        """The store, the same one each time."""
        ...


def store_of(owner: object) -> ViewModelStore:
    """Return the store of `owner`, or `owner` where it is one.

    Raises:
        TypeError: It has none.
    """
    store = owner if isinstance(owner, ViewModelStore) else getattr(owner, "view_model_store", None)
    if not isinstance(store, ViewModelStore):
        raise TypeError(f"{owner!r} owns no ViewModels: its view_model_store is {store!r}, a ViewModelStore is needed")
    return store
