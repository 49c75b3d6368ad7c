"""ViewModelProvider: finds a ViewModel in the store of an owner, or has a factory make it, once.

    feed = ViewModelProvider(window)[Feed]

Three parts: the provider, the factories, and `view_models`, a descriptor that asks the provider at the first read.
No locks here: the claim of a key, by which one thread makes and the others wait, belongs to the store, and no factory
runs under a lock.
Counterpart: androidx.lifecycle.ViewModelProvider, viewModelFactory, and the delegate `by viewModels()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, get_type_hints, overload

from .._errors import IllegalStateError
from ._extras import VIEW_MODEL_KEY, CreationExtras, MutableCreationExtras
from ._saved_handles import create_saved_state_handle, with_saved_state
from ._saved_state import SavedStateHandle
from ._store import store_of
from ._viewmodel import ViewModel

if TYPE_CHECKING:
    from typing import TypeAlias

    from ._store import ViewModelStore, ViewModelStoreOwner

VM = TypeVar("VM", bound=ViewModel)

Initializer: TypeAlias = "Callable[[CreationExtras], VM] | Callable[[], VM]"


class ViewModelProviderFactory(Protocol):
    """Makes ViewModels for a provider.

    AndroidX: ViewModelProvider.Factory.
    """

    def create(self, cls: type[VM], extras: CreationExtras, /) -> VM:
        """Return a new `cls`. Called once for a key, on the thread that asked, under no lock."""
        ...


class ViewModelProvider:
    """Gives the ViewModels of an owner: the one in its store, else a new one that is then kept there.

    Args:
        owner: Whatever has a `view_model_store`, or a ViewModelStore itself.
        factory: Makes what is missing. Without one, the `default_view_model_provider_factory` of the owner where it
            has that, else the constructor: it must need no arguments, or the CreationExtras alone, or a
            SavedStateHandle alone (told by its annotation, or by the name `saved_state_handle`).
        extras: Told to the factory, together with VIEW_MODEL_KEY. Without it, the
            `default_view_model_creation_extras` of the owner where it has that. Where the owner has a
            `saved_state_registry`, also what `create_saved_state_handle` needs.

    Threads: any. Of several threads that ask for the same key one makes the ViewModel, the others wait for it.
    AndroidX: ViewModelProvider.
    """

    __slots__ = ("_extras", "_factory", "_store")

    def __init__(
        self,
        owner: ViewModelStoreOwner | ViewModelStore,
        factory: ViewModelProviderFactory | None = None,
        extras: CreationExtras | None = None,
    ) -> None:
        self._store = store_of(owner)
        self._factory: ViewModelProviderFactory = (
            factory or getattr(owner, "default_view_model_provider_factory", None) or _DEFAULT_FACTORY
        )
        if extras is None:
            extras = getattr(owner, "default_view_model_creation_extras", None)
        self._extras = with_saved_state(owner, CreationExtras(extras))

    def __getitem__(self, cls: type[VM]) -> VM:
        return self.get(cls)

    def get(self, cls: type[VM], key: str | None = None) -> VM:
        """Return the `cls` of this owner, made now if it is not there yet.

        Args:
            cls: A class of ViewModel.
            key: Where it stands in the store, for an owner with several of one class. By default the qualified name
                of the class says it.
        Raises:
            ValueError: The class is local to a function and no key was given: two of them could share a name.
            IllegalStateError: The factory, while it made this one, asked for it again.
            TypeError: Not a class of ViewModel, or the factory cannot make it. What the factory raises goes through.

        A ViewModel of another class under the key is replaced, and cleared.
        """
        if not _is_view_model_class(cls):
            raise TypeError(f"a ViewModelProvider gives ViewModels: it takes a class of them, got {cls!r}")
        place = _default_key(cls) if key is None else key
        kept = self._store.get(place)
        return kept if isinstance(kept, cls) else self._make(cls, place)

    def _make(self, cls: type[VM], key: str) -> VM:
        extras = MutableCreationExtras(self._extras)
        extras[VIEW_MODEL_KEY] = key

        def make() -> VM:
            made = self._factory.create(cls, extras)
            if not isinstance(made, cls):
                raise TypeError(f"asked for a {cls.__qualname__}, the factory {self._factory!r} made {made!r}")
            return made

        return self._store._get_or_make(key, cls, make)


def _is_view_model_class(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, ViewModel)


def _default_key(cls: type) -> str:
    if "<locals>" in cls.__qualname__:
        raise ValueError(
            f"{cls.__qualname__} is local to a function, so its name may not be its own: "
            f'give a key, .get({cls.__name__}, key="...")'
        )
    return f"default_key:{cls.__module__}.{cls.__qualname__}"


# ---- factories


class _DefaultFactory:
    """Calls the constructor: without arguments, or with the extras or a SavedStateHandle where it asks for one."""

    __slots__ = ()

    def create(self, cls: type[VM], extras: CreationExtras, /) -> VM:
        constructor = cast("Any", cls).__init__
        needed = _needed_arguments(constructor, skip=1)
        if not needed:
            return cls()
        if len(needed) == 1 and _wants(constructor, needed[0], CreationExtras, "extras"):
            return cast("Callable[[CreationExtras], VM]", cls)(extras)
        if len(needed) == 1 and _wants(constructor, needed[0], SavedStateHandle, "saved_state_handle"):
            return cast("Callable[[SavedStateHandle], VM]", cls)(create_saved_state_handle(extras))
        raise TypeError(
            f"{cls.__qualname__} cannot be made without a factory: its constructor needs {', '.join(needed)}. "
            f"Give one: ViewModelProvider(owner, view_model_factory({{{cls.__name__}: lambda extras: ...}}))"
        )

    def __repr__(self) -> str:
        return "the default factory"


_DEFAULT_FACTORY = _DefaultFactory()


class InitializerFactory:
    """A factory made of one function for each class; `view_model_factory` gives one."""

    __slots__ = ("_initializers",)

    def __init__(self) -> None:
        self._initializers: dict[type[ViewModel], Callable[..., ViewModel]] = {}

    @overload
    def register(  # type: ignore[overload-overlap]  # a class is a function, too: it is taken for a class
        self, cls: type[VM], /
    ) -> Callable[[Initializer[VM]], Initializer[VM]]: ...
    @overload
    def register(self, cls: type[VM], initializer: Initializer[VM], /) -> Initializer[VM]: ...
    @overload
    def register(self, initializer: Initializer[VM], /) -> Initializer[VM]: ...
    def register(self, first: Any, initializer: Any = None, /) -> Any:
        """Have `cls` made by a function of the extras, or of nothing. Three spellings:

            @factory.register               # the class is the annotated result
            def make_feed(extras: CreationExtras) -> Feed: ...

            @factory.register(Feed)
            def make_feed(extras): ...

            factory.register(Feed, make_feed)

        Raises:
            ValueError: The class has its function already.
            TypeError: Not a class of ViewModel, or not a function.
        """
        if not isinstance(first, type):
            self._add(_made_by(first), first)
            return first
        if initializer is not None:
            self._add(first, initializer)
            return initializer

        def decorate(function: Callable[..., ViewModel]) -> Callable[..., ViewModel]:
            self._add(first, function)
            return function

        return decorate

    def _add(self, cls: Any, initializer: Any) -> None:
        if not _is_view_model_class(cls):
            raise TypeError(f"a ViewModel factory makes ViewModels, got {cls!r} to make")
        if not callable(initializer):
            raise TypeError(f"{cls.__qualname__} is made by calling something, got {initializer!r}")
        added = cast("Callable[..., ViewModel]", initializer)
        if self._initializers.setdefault(cls, added) is not added:
            raise ValueError(f"{cls.__qualname__} is registered already, with {self._initializers[cls]!r}")

    def create(self, cls: type[VM], extras: CreationExtras, /) -> VM:
        """Return what the function of `cls` makes.

        Raises:
            ValueError: No function was registered for `cls`.
        """
        initializer = self._initializers.get(cls)
        if initializer is None:
            known = ", ".join(each.__qualname__ for each in self._initializers) or "nothing"
            raise ValueError(f"this factory cannot make {cls.__qualname__}: it makes {known}. Register it")
        return cast("VM", initializer(extras) if _takes_argument(initializer) else initializer())

    def __repr__(self) -> str:
        return f"<view_model_factory of {', '.join(cls.__qualname__ for cls in self._initializers) or 'nothing'}>"


def view_model_factory(initializers: Mapping[type[Any], Initializer[Any]] | None = None) -> InitializerFactory:
    """Return a factory that makes each class by a function of its own.

        view_model_factory({Feed: lambda extras: Feed(repository)})

    Args:
        initializers: A function for each class, called with the CreationExtras, or with nothing where it takes
            nothing. More can be added with `register`.

    AndroidX: viewModelFactory and initializer.
    """
    factory = InitializerFactory()
    for cls, initializer in (initializers or {}).items():
        factory.register(cls, initializer)
    return factory


def _made_by(initializer: object) -> object:
    try:
        return get_type_hints(initializer)["return"]
    except (KeyError, NameError, TypeError) as failure:
        raise TypeError(
            f"which class {initializer!r} makes is not told by the annotation of its result: "
            "spell it @factory.register(TheClass)"
        ) from failure


def _needed_arguments(function: Any, skip: int) -> list[str]:
    """Return the names of the arguments that a call must give, the first `skip` left out; [] where it does not tell."""
    # The code object tells it without `inspect`, which costs more to import than this whole package.
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    positional = code.co_varnames[: code.co_argcount]
    needed = list(positional[skip : len(positional) - len(function.__defaults__ or ())])
    by_name = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return needed + [name for name in by_name if name not in (function.__kwdefaults__ or {})]


def _wants(function: Any, name: str, cls: type, usual_name: str) -> bool:
    """Say whether the argument `name` asks for a `cls`, by its annotation or by its name."""
    noted = _annotation(function, name)
    return name == usual_name or noted is cls or noted == cls.__name__


def _annotation(function: Any, name: str) -> Any:
    try:
        return getattr(function, "__annotations__", {}).get(name)
    except NameError:  # pragma: no cover - on 3.14 and later, where they are evaluated here
        # A name may have been imported for type checkers alone.
        from importlib import import_module

        library = import_module("annotationlib")
        return library.get_annotations(function, format=library.Format.STRING).get(name)


def _takes_argument(function: Any) -> bool:
    if isinstance(function, type):
        return bool(_needed_arguments(cast("Any", function).__init__, skip=1))
    bound = getattr(function, "__self__", None) is not None
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    takes_any = 0x04  # CO_VARARGS
    return code is None or code.co_argcount > int(bound) or bool(code.co_flags & takes_any)


# ---- the delegate


class ViewModelDelegate(Generic[VM]):
    """A ViewModel as an attribute of its owner's class; `view_models` gives one."""

    # Without __set__, so that what stands in the instance's own dictionary wins: the second read costs nothing, and a
    # test can put a double there.

    def __init__(
        self,
        cls: type[VM],
        key: str | None,
        factory: ViewModelProviderFactory | None,
        extras: CreationExtras | None,
    ) -> None:
        self._cls = cls
        self._key = key
        self._factory = factory
        self._extras = extras
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, owner_type: type, /) -> ViewModelDelegate[VM]: ...
    @overload
    def __get__(self, owner: Any, owner_type: type | None = None, /) -> VM: ...
    def __get__(self, owner: Any, owner_type: type | None = None, /) -> ViewModelDelegate[VM] | VM:
        if owner is None:
            return self
        if getattr(owner, "view_model_store", None) is None:
            raise IllegalStateError(
                f"{type(owner).__qualname__}.{self._name} was read before its owner has a view_model_store: "
                "set that first, or read the ViewModel later"
            )
        view_model = ViewModelProvider(owner, self._factory, self._extras).get(self._cls, self._key)
        own = getattr(owner, "__dict__", None)
        if self._name and own is not None:
            view_model = own.setdefault(self._name, view_model)
        return view_model

    def __repr__(self) -> str:
        return f"view_models({self._cls.__qualname__})"


def view_models(
    cls: type[VM],
    *,
    key: str | None = None,
    factory: ViewModelProviderFactory | None = None,
    extras: CreationExtras | None = None,
) -> ViewModelDelegate[VM]:
    """Declare a ViewModel on the class of its owner; it is made at the first read and then stays the same.

        class Window:
            feed = view_models(Feed)

            def __init__(self):
                self.view_model_store = ViewModelStore()

    Args:
        cls: The class of the ViewModel.
        key: Where it stands in the store, as in `ViewModelProvider.get`.
        factory: Makes it, as in `ViewModelProvider`.
        extras: Told to the factory.

    Reading it before the owner has its store raises IllegalStateError.
    AndroidX: `by viewModels()`.
    """
    return ViewModelDelegate(cls, key, factory, extras)
