"""SavedStateRegistry: where the parts of a program hand in what should outlive the process, and get it back.

    registry = SavedStateRegistry()
    registry.restore_from("state.json")             # nothing there at the first start
    ...
    registry.save_to("state.json")                  # at the end, and whenever something worth keeping has changed

Each part has a key: it takes what was restored under it, once, and registers a provider that gives what to save.
Invariants
    R1  what was restored and nobody has taken is saved again, so a part that was not used this time loses nothing.
    R2  a restore takes all of a state or nothing.
    R3  of two `save_to` at a time the file keeps the one that began later; it has all that was there when either began.
Locks
    `_lock` guards the providers, the restored state and the tickets. A leaf; providers are called outside it.
    `_writing` is held while a file is written, so that R3 holds; `_lock` is taken inside it, and no provider is called.
Counterpart: androidx.savedstate.SavedStateRegistry with its controller; the file is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike, fsdecode
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

from .._errors import IllegalStateError
from .._primitives import RLock
from ._codec import decode, encode
from ._saved_file import SavedStateFileError, read_state, remove_leftovers, write_state

SavedStateProvider: TypeAlias = "Callable[[], object]"


def checked_key(key: object, what: str) -> str:
    """Return `key` as a plain string.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(key, str):
        raise TypeError(f"{what} is kept by a string as its key, got {key!r}")
    return key if type(key) is str else str.__str__(key)  # a StrEnum's own __eq__ is not to run under a lock


class SavedStateRegistry:
    """What the parts of a program save, by key.

    Restore it once, before anything asks it: with `restore_from(path)`, or `restore(None)` to begin empty.

    Threads: any, for everything here. Providers are called on the thread that saves.
    AndroidX: SavedStateRegistry and SavedStateRegistryController in one.
    """

    __slots__ = (
        "__weakref__", "_failed", "_is_restored", "_lock", "_providers", "_restored", "_ticket", "_writing", "_written",
    )  # fmt: skip

    def __init__(self) -> None:
        self._lock = RLock()
        self._providers: dict[str, SavedStateProvider] = {}
        self._restored: dict[str, Any] = {}
        self._is_restored = False
        self._failed = False
        self._writing = RLock()
        self._ticket = 0
        self._written: dict[str, int] = {}  # by path: the ticket of what stands there

    # ---- what was restored

    @property
    def is_restored(self) -> bool:
        """Whether it was restored, with a state or with none."""
        return self._is_restored

    def consume_restored_state(self, key: str) -> Any:
        """Return what was restored under `key`, and forget it: None the next time, and where there was nothing.

        Raises:
            IllegalStateError: Nothing was restored yet.

        AndroidX: consumeRestoredStateForKey.
        """
        key = checked_key(key, "a restored state")
        with self._lock:
            if not self._is_restored:
                raise IllegalStateError(
                    f"the restored state of {key!r} was asked for before there is any: call restore_from(path) first, "
                    "or restore(None) to begin empty"
                )
            return self._restored.pop(key, None)

    def restore(self, state: Mapping[str, object] | None) -> None:
        """Begin with what a `save()` has returned, None for nothing.

        Raises:
            IllegalStateError: It was restored already.
            TypeError: Not a mapping with strings as keys.
            ValueError: There is something in it that cannot be saved.

        AndroidX: SavedStateRegistryController.performRestore.
        """
        if state is not None and not isinstance(state, Mapping):
            raise TypeError(f"restore takes what save() has returned, or None, got {state!r}")
        copied = {checked_key(key, "a state"): value for key, value in (state or {}).items()}
        self._begin(decode(encode(copied, "the state to restore")), failed=False)

    def restore_from(self, path: str | PathLike[str]) -> bool:
        """Begin with what the file at `path` has, with nothing where there is no file.

        Temporary files that killed processes have left beside it are removed.

        Returns:
            Whether there was a file.

        Raises:
            SavedStateFileError: The file is damaged, cut short or foreign, or has values of a type that nobody has
                registered. Nothing of it is taken: the registry is restored, and empty. The file is left as it is.
            OSError: It cannot be read; the registry is restored, and empty.
            IllegalStateError: It was restored already. After a restore that failed another one may be tried.

        Threads: any; it blocks while it reads.
        """
        place = fsdecode(path)
        self._check_new()
        try:
            plain = read_state(place)
            state = {} if plain is None else _state_of(place, plain)
        except (OSError, ValueError):
            self._begin({}, failed=True)
            raise
        remove_leftovers(place)
        self._begin(state, failed=False)
        return plain is not None

    def _check_new(self) -> None:
        with self._lock:
            if self._is_restored and not self._failed:
                raise IllegalStateError(
                    f"{self!r} was restored already: what its parts have taken since would be there twice. "
                    "Make a new SavedStateRegistry"
                )

    def _begin(self, state: dict[str, Any], *, failed: bool) -> None:
        with self._lock:
            self._check_new()
            self._restored = state
            self._is_restored = True
            self._failed = failed

    # ---- what is to be saved

    def register_saved_state_provider(self, key: str, provider: SavedStateProvider) -> None:
        """Have `provider()` called at each save; what it returns comes back under `key`.

        Args:
            key: A name that is the same in the next process.
            provider: Returns a value that can be saved, a dict as a rule. None saves nothing.

        Raises:
            ValueError: The key has a provider already.
        """
        key = checked_key(key, "a provider of saved state")
        if not callable(provider):
            raise TypeError(f"the provider of {key!r} is called without arguments, got {provider!r}")
        if self._register_if_new(key, provider) is not provider:
            raise ValueError(f"a provider of saved state is registered for {key!r} already: unregister that one first")

    def _register_if_new(self, key: str, provider: SavedStateProvider) -> SavedStateProvider:
        """Return the provider of `key`, this one where there was none."""
        with self._lock:
            return self._providers.setdefault(key, provider)

    def get_saved_state_provider(self, key: str) -> SavedStateProvider | None:
        """Return the provider that is registered for `key`."""
        return self._providers.get(checked_key(key, "a provider of saved state"))

    def unregister_saved_state_provider(self, key: str) -> None:
        """Call the provider of `key` no more; what it gave is in no later save. Nothing where there is none."""
        with self._lock:
            self._providers.pop(checked_key(key, "a provider of saved state"), None)

    def save(self) -> dict[str, Any]:
        """Return what there is to save now. It shares nothing with what the providers gave.

        Raises:
            ValueError: A provider gave what cannot be saved. What a provider raises goes through.

        AndroidX: SavedStateRegistryController.performSave.
        """
        return cast("dict[str, Any]", decode(self._collect()))

    def save_to(self, path: str | PathLike[str]) -> None:
        """Save to a file, in one step: whoever reads it, whenever the process dies, finds the old state or this one.

        It returns when the state is on the disk. The file can be read by its user alone.

        Raises:
            ValueError: As in `save`; the old file is still there.
            OSError: The system refused; the old file is still there.

        Threads: any; it blocks while it writes: `with_context(Dispatchers.IO, registry.save_to, path)`. Then the
            providers are called on that thread, too.
        """
        place = fsdecode(path)
        with self._lock:
            self._ticket = ticket = self._ticket + 1
        plain = self._collect()
        with self._writing:
            if ticket > self._written.get(place, 0):  # else the file has a state that was collected later than ours
                write_state(place, plain)
                self._written[place] = ticket

    def _collect(self) -> object:
        with self._lock:
            providers = list(self._providers.items())
            state = dict(self._restored)
        for key, provider in providers:
            try:
                value = provider()
            except Exception as failure:
                failure.add_note(f"raised by the provider of saved state under {key!r}: nothing was saved")
                raise
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        return encode(state, "the state")

    def __repr__(self) -> str:
        began = "restored" if self._is_restored else "not restored"
        return f"<SavedStateRegistry of {len(self._providers)}, {began}>"


def _state_of(path: str, plain: object) -> dict[str, Any]:
    try:
        state = decode(plain)
    except (ValueError, RecursionError) as failure:
        raise SavedStateFileError(f"{path} cannot be restored: {failure}", path) from failure
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise SavedStateFileError(f"{path} has a {type(state).__name__} for its state, and not the parts by key", path)
    return state


@runtime_checkable
class SavedStateRegistryOwner(Protocol):
    """Anything with a `saved_state_registry`: a window, a session, an app. Often a ViewModelStoreOwner, too.

    AndroidX: SavedStateRegistryOwner.
    """

    @property
    def saved_state_registry(self) -> SavedStateRegistry:
        """The registry, the same one each time."""
        ...
