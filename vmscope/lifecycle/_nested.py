"""ViewModelStoreProvider: child stores under a store, one for a tab, a dialog, an item, kept while somebody uses it.

    tabs = ViewModelStoreProvider(window)
    with tabs.acquire_token("chat 7") as chat:
        feed = ViewModelProvider(chat)[Feed]

The children of a store live in a ViewModel there. So they stay when their owner is made anew around the same store,
and go when the store is cleared.
Invariants
    N1  a key has one child at a time, from its first token to its last or to the clear of the parent.
    N2  a child that goes is closed: what comes to it later is cleared at once, and cannot be forgotten there.
    N3  once the parent is cleared no child is made: an `acquire_token` comes before the clear, or is refused.
Locks
    `_Children._lock` guards the children, who holds them, and which tokens are closed. Stores are cleared outside it.
    Keys are hashed and compared under it; no other code of a caller runs there, and of locks only that of `_endings`.
Counterpart: androidx.lifecycle.viewmodel.ViewModelStoreProvider.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from .._errors import IllegalStateError
from .._primitives import RLock
from ._cleanup import Endings
from ._extras import CreationExtras
from ._provider import ViewModelProvider
from ._store import ViewModelStore, store_of
from ._viewmodel import HandlerSlot, ViewModel, clear_all

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ._provider import ViewModelProviderFactory
    from ._store import ViewModelStoreOwner

_HOLDER_KEY = "vmscope.ViewModelStoreProvider"


class _Hold:
    """What is held until it is closed."""

    __slots__ = ("_children", "_closed")

    def __init__(self, children: _Children) -> None:
        self._children = children
        self._closed = False

    def close(self) -> None:
        """Release it. A second call does nothing.

        Raises:
            ExceptionGroup: The clear of what went with it failed; it is released all the same.

        Threads: any.
        """
        self._children.close_once(self)

    def _release_locked(self) -> list[_Child]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Keeping(_Hold):
    """All children of a parent are kept until `close()`, or the end of the `with` block."""

    __slots__ = ()

    def _release_locked(self) -> list[_Child]:
        return self._children.unkeep_locked()

    def __repr__(self) -> str:
        return f"<keep() of a ViewModelStoreProvider, {'closed' if self._closed else 'held'}>"


class ViewModelStoreProvider:
    """Gives child stores: each is kept while somebody holds a token of it, and goes with its parent at the latest.

    A provider keeps nothing itself: another one for the same parent, made for a window that was rebuilt, finds the
    same children.

    Args:
        parent: Whatever has a `view_model_store`, or a ViewModelStore itself; a token of another child will do.
        factory: Makes ViewModels for `ViewModelProvider(token)`. Without one, the
            `default_view_model_provider_factory` of the parent where it has that.
        extras: Told to the factory. Without it, the `default_view_model_creation_extras` of the parent where it has
            that.

    A failure in a ViewModel of a child finds the exception handler of the child's store, then that of the parent's.
    Threads: any, for everything here. ViewModels are cleared on the calling thread.
    AndroidX: ViewModelStoreProvider. There the last token lets a child go only after a `clearKey`, and children that
        are held outlive the clear of their parent.
    """

    __slots__ = ("_children", "_extras", "_factory", "_store")

    class ReferenceToken(_Hold):
        """A hold on a child store, and its owner for a ViewModelProvider. With the last `close()` the child is cleared.

        Attributes:
            key: Of the child.
            view_model_store: The child. Once it has gone it stays as it is: what comes is cleared at once.

        AndroidX: ViewModelStoreProvider.ReferenceToken, and the owner that getOrCreateOwner gives, in one.
        """

        __slots__ = (
            "_child",
            "default_view_model_creation_extras",
            "default_view_model_provider_factory",
            "key",
            "view_model_store",
        )

        def __init__(
            self,
            children: _Children,
            key: Hashable,
            child: _Child,
            factory: ViewModelProviderFactory | None,
            extras: CreationExtras,
        ) -> None:
            super().__init__(children)
            self._child = child
            self.key: Hashable = key
            self.view_model_store: ViewModelStore = child.store
            self.default_view_model_provider_factory: ViewModelProviderFactory | None = factory
            self.default_view_model_creation_extras: CreationExtras = extras

        def _release_locked(self) -> list[_Child]:
            return self._children.release_locked(self._child)

        def __repr__(self) -> str:
            return f"<ReferenceToken of {self.key!r}, {'closed' if self._closed else 'held'}>"

    def __init__(
        self,
        parent: ViewModelStoreOwner | ViewModelStore,
        factory: ViewModelProviderFactory | None = None,
        extras: CreationExtras | None = None,
    ) -> None:
        self._store = store_of(parent)
        self._factory: ViewModelProviderFactory | None = factory or getattr(
            parent, "default_view_model_provider_factory", None
        )
        if extras is None:
            extras = getattr(parent, "default_view_model_creation_extras", None)
        self._extras = CreationExtras(extras)
        self._children = ViewModelProvider(self._store).get(_Holder, _HOLDER_KEY).children

    def acquire_token(self, key: Hashable) -> ViewModelStoreProvider.ReferenceToken:
        """Return a token of the child under `key`, which is made now if it is not there yet.

        Args:
            key: Which child: a string, a number, an enum, a tuple of them.

        Raises:
            IllegalStateError: The parent was cleared. A child made now would never be cleared, so there is none; a
                new provider begins anew, where the store is used again.
        """
        child = self._children.acquire(key, self._store)
        return self.ReferenceToken(self._children, key, child, self._factory, self._extras)

    def keep(self) -> Keeping:
        """Keep all children, also those whose last token is released, until this is closed.

            with tabs.keep():
                ...                             # take the window down, its tokens too, and build it anew

        Those that nobody has a token of at the end go then. AndroidX: a token of ProviderMarkerKey.
        """
        self._children.keep()
        return Keeping(self._children)

    def keys(self) -> frozenset[Hashable]:
        """Return the keys of the children that are there now."""
        return self._children.keys()

    def __repr__(self) -> str:
        return f"<ViewModelStoreProvider of {len(self.keys())} under {self._store!r}>"


# ---- inside


class _Child:
    """A child store, and how many tokens hold it."""

    __slots__ = ("holders", "key", "store")

    def __init__(self, key: Hashable, store: ViewModelStore) -> None:
        self.holders: int = 0
        self.key: Hashable = key
        self.store: ViewModelStore = store


class _Children:
    """The children of one parent, until it is cleared."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._by_key: dict[Hashable, _Child] = {}
        self._keepers = 0
        self._closed = False
        self._endings = Endings()

    def acquire(self, key: Hashable, parent: ViewModelStore) -> _Child:
        store = ViewModelStore()
        store._handlers = HandlerSlot(None, outer=parent._handlers)
        with self._lock:
            if not self._closed:
                child = self._by_key.setdefault(key, _Child(key, store))
                child.holders += 1
                return child
        raise IllegalStateError(
            f"a token for {key!r} was asked for, but the store around it was cleared: nobody would ever clear a child "
            "that is made now. Make a new ViewModelStoreProvider where that store is used again"
        )

    def keep(self) -> None:
        with self._lock:
            self._keepers += 1

    def keys(self) -> frozenset[Hashable]:
        with self._lock:
            return frozenset(self._by_key)

    def close_once(self, hold: _Hold) -> None:
        """Close a token or a keeping, if it is not closed; let go what nobody holds then."""
        self._let_go("the last token was released", lambda: [] if hold._closed else self._closed_locked(hold))

    def _closed_locked(self, hold: _Hold) -> list[_Child]:
        hold._closed = True
        return hold._release_locked()

    def release_locked(self, child: _Child) -> list[_Child]:
        child.holders -= 1
        return self._unheld_locked([child])

    def unkeep_locked(self) -> list[_Child]:
        self._keepers -= 1
        return self._unheld_locked(list(self._by_key.values()))

    def _unheld_locked(self, children: list[_Child]) -> list[_Child]:
        if self._keepers or self._closed:  # closed: the clear of the parent has them all
            return []
        gone = [child for child in children if not child.holders]
        for child in gone:
            del self._by_key[child.key]
        return gone

    def close(self) -> None:
        """The parent is cleared: all children go, whoever holds them."""
        self._let_go("the store around them was cleared", self._all_locked)

    def _all_locked(self) -> list[_Child]:
        self._closed = True
        gone = list(self._by_key.values())
        self._by_key = {}
        return gone

    def _let_go(self, why: str, choose_locked: Callable[[], list[_Child]]) -> None:
        """Clear the children that `choose_locked` has taken out, in the order in which they came."""
        with self._lock:
            gone = choose_locked()
            ending = self._endings.begin() if gone else None
        if ending is None:
            return
        try:
            clear_all(f"clear of child stores ({why})", [child.store._close for child in gone])
        finally:
            self._endings.returned(ending, (job for child in gone for job in child.store._endings.unended()))


class _Holder(ViewModel):
    """Keeps the children of the store that it stands in, as long as that keeps its ViewModels."""

    def __init__(self) -> None:
        super().__init__()
        self.children = _Children()
        self.add_closeable("children", self.children)
