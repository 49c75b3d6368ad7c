"""ViewModelProvider, factories, and the attribute that makes its ViewModel at the first read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from vmscope import (
    VIEW_MODEL_KEY,
    CreationExtras,
    CreationExtrasKey,
    IllegalStateError,
    ViewModel,
    ViewModelProvider,
    ViewModelStore,
    view_model_factory,
    view_models,
)

VM = TypeVar("VM", bound=ViewModel)
USER: CreationExtrasKey[int] = CreationExtrasKey("user")


class Feed(ViewModel):
    pass


class SubFeed(Feed):
    pass


class Other(ViewModel):
    pass


class Needy(ViewModel):
    def __init__(self, repository: object, *, limit: int, page: int = 1) -> None:
        self.repository = repository


class Told(ViewModel):
    def __init__(self, extras: CreationExtras) -> None:
        self.extras = extras


class Annotated(ViewModel):
    def __init__(self, given: CreationExtras, size: int = 3) -> None:
        self.given = given


class Window:
    def __init__(self) -> None:
        self.view_model_store = ViewModelStore()


class Counting:
    """A factory that counts, and makes what a function says."""

    def __init__(self, make: Callable[[type[Any]], Any] = lambda cls: cls()) -> None:
        self.calls = 0
        self.make = make

    def create(self, cls: type[VM], extras: CreationExtras, /) -> VM:
        self.calls += 1
        made: VM = self.make(cls)
        return made


@pytest.fixture
def window() -> Window:
    return Window()


def test_the_second_asking_gives_the_same_one(window: Window) -> None:
    factory = Counting()

    feed = ViewModelProvider(window, factory)[Feed]

    assert type(feed) is Feed
    assert ViewModelProvider(window)[Feed] is feed
    assert ViewModelProvider(window, factory).get(Feed) is feed
    assert ViewModelProvider(window.view_model_store).get(Feed) is feed
    assert factory.calls == 1


def test_another_key_gives_another_one(window: Window) -> None:
    provider = ViewModelProvider(window)

    assert provider.get(Feed, "a") is not provider.get(Feed, "b")
    assert provider.get(Feed, "a") is provider.get(Feed, "a")
    assert window.view_model_store.keys() == {"a", "b"}


def test_the_default_key_has_the_qualified_name_in_it(window: Window) -> None:
    ViewModelProvider(window)[Feed]

    (key,) = window.view_model_store.keys()

    assert key.endswith(f"{Feed.__module__}.Feed")


def test_a_local_class_needs_a_key(window: Window) -> None:
    class Local(ViewModel):
        pass

    with pytest.raises(ValueError, match=r"local to a function.*give a key"):
        ViewModelProvider(window)[Local]
    assert type(ViewModelProvider(window).get(Local, "local")) is Local


def test_one_of_a_subclass_is_good_enough(window: Window) -> None:
    sub = ViewModelProvider(window).get(SubFeed, "k")

    assert ViewModelProvider(window).get(Feed, "k") is sub


def test_one_of_another_class_is_replaced_and_cleared(window: Window) -> None:
    provider = ViewModelProvider(window)
    old = provider.get(Feed, "k")

    new = provider.get(Other, "k")

    assert type(new) is Other
    assert window.view_model_store.get("k") is new
    assert old.is_cleared


def test_only_classes_of_view_models_can_be_asked_for(window: Window) -> None:
    for wrong in (int, "Feed", Feed()):
        with pytest.raises(TypeError, match="class of them"):
            ViewModelProvider(window).get(wrong)  # type: ignore[type-var]


def test_the_owner_must_have_a_store() -> None:
    with pytest.raises(TypeError, match="owns no ViewModels"):
        ViewModelProvider(object())  # type: ignore[arg-type]


# ---- factories


def test_the_default_factory_calls_a_constructor_that_needs_nothing_or_the_extras(window: Window) -> None:
    provider = ViewModelProvider(window, extras=CreationExtras({USER: 7}))

    assert type(provider[Feed]) is Feed
    assert provider[Told].extras[USER] == 7
    assert provider[Annotated].given[USER] == 7


def test_a_constructor_that_does_not_tell_what_it_needs_is_called_without_anything(window: Window) -> None:
    """V11: one that is written in C, say."""

    class Rows(list[int], ViewModel):
        pass

    made = ViewModelProvider(window).get(Rows, key="rows")

    assert made == []
    assert made.view_model_scope is ViewModelProvider(window).get(Rows, key="rows").view_model_scope


def test_the_default_factory_says_what_a_constructor_needs_and_what_to_do(window: Window) -> None:
    with pytest.raises(TypeError, match=r"Needy cannot be made .*repository, limit.*view_model_factory"):
        ViewModelProvider(window)[Needy]
    assert not window.view_model_store.keys()


def test_the_key_is_told_while_it_is_made_and_the_given_extras_do_not_change(window: Window) -> None:
    given = CreationExtras({USER: 7})

    told = ViewModelProvider(window, extras=given).get(Told, "mine")

    assert told.extras[VIEW_MODEL_KEY] == "mine"
    assert VIEW_MODEL_KEY not in given


def test_an_owner_may_bring_its_own_factory_and_extras() -> None:
    class Screen(Window):
        default_view_model_provider_factory = view_model_factory({Needy: lambda extras: Needy(extras[USER], limit=1)})
        default_view_model_creation_extras = CreationExtras({USER: 9})

    assert ViewModelProvider(Screen())[Needy].repository == 9


def test_each_class_has_its_own_function_with_the_extras_or_without(window: Window) -> None:
    factory = view_model_factory(
        {Needy: lambda extras: Needy(extras[USER], limit=1), Feed: lambda: SubFeed(), Other: Other}
    )

    provider = ViewModelProvider(window, factory, CreationExtras({USER: 3}))

    assert provider[Needy].repository == 3
    assert type(provider[Feed]) is SubFeed
    assert type(provider[Other]) is Other


def test_functions_can_be_registered_in_three_spellings(window: Window) -> None:
    factory = view_model_factory()

    @factory.register
    def make_feed(extras: CreationExtras) -> Feed:
        return Feed()

    @factory.register(Needy)
    def make_needy(extras: CreationExtras) -> Needy:
        return Needy("repository", limit=2)

    factory.register(Other, lambda extras: Other())
    provider = ViewModelProvider(window, factory)

    assert type(provider[Feed]) is Feed
    assert provider[Needy].repository == "repository"
    assert type(provider[Other]) is Other
    assert repr(factory) == "<view_model_factory of Feed, Needy, Other>"


def test_a_class_is_registered_once() -> None:
    factory = view_model_factory({Feed: lambda extras: Feed()})

    with pytest.raises(ValueError, match="Feed is registered already"):
        factory.register(Feed, lambda extras: Feed())


def test_a_class_that_is_not_registered_is_refused_by_name(window: Window) -> None:
    with pytest.raises(ValueError, match="cannot make Other: it makes Feed"):
        ViewModelProvider(window, view_model_factory({Feed: Feed}))[Other]


def test_what_cannot_be_registered_says_why() -> None:
    factory = view_model_factory()

    with pytest.raises(TypeError, match=r"spell it @factory.register\(TheClass\)"):
        factory.register(lambda extras: Feed())
    with pytest.raises(TypeError, match="makes ViewModels, got <class 'int'>"):
        factory.register(int, lambda extras: 3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="calling something"):
        factory.register(Feed, 3)  # type: ignore[call-overload]


def test_a_factory_that_makes_something_else_is_told_so(window: Window) -> None:
    with pytest.raises(TypeError, match=r"asked for a Feed, the factory .* made <.*Other"):
        ViewModelProvider(window, Counting(lambda cls: Other()))[Feed]

    class Odd(ViewModel):
        def __new__(cls) -> Any:
            return 7

    with pytest.raises(TypeError, match=r"asked for a .*Odd, the factory the default factory made 7"):
        ViewModelProvider(window).get(Odd, key="odd")
    assert not window.view_model_store.keys()


# ---- threads


def test_threads_that_ask_at_once_get_one_and_the_factory_runs_once(window: Window) -> None:
    gate = threading.Barrier(8)
    factory = Counting()
    got: list[Feed] = []

    def ask() -> None:
        gate.wait()
        got.append(ViewModelProvider(window, factory)[Feed])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert factory.calls == 1
    assert len(got) == 8
    assert len(set(map(id, got))) == 1


def test_a_slow_factory_holds_up_no_other_key(window: Window) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(cls: type[Any]) -> Any:
        begun.set()
        assert go_on.wait(10)
        return cls()

    thread = threading.Thread(target=lambda: ViewModelProvider(window, Counting(slowly))[Feed])
    thread.start()
    assert begun.wait(10)

    other = ViewModelProvider(window)[Other]

    assert thread.is_alive()
    go_on.set()
    thread.join()
    assert type(other) is Other


def test_one_who_waited_tries_for_himself_where_the_first_failed(window: Window) -> None:
    begun, go_on = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def fail(cls: type[Any]) -> Any:
        begun.set()
        assert go_on.wait(10)
        raise OSError("no network")

    def first() -> None:
        with pytest.raises(OSError) as raised:
            ViewModelProvider(window, Counting(fail))[Feed]
        failures.append(raised.value)

    got: list[Feed] = []
    one = threading.Thread(target=first)
    one.start()
    assert begun.wait(10)
    two = threading.Thread(target=lambda: got.append(ViewModelProvider(window)[Feed]))
    two.start()
    go_on.set()
    one.join()
    two.join()

    assert len(failures) == 1
    assert got == [window.view_model_store.get(next(iter(window.view_model_store.keys())))]


def test_a_factory_that_asks_for_what_it_makes_is_told_so(window: Window) -> None:
    provider: ViewModelProvider

    def again(cls: type[Any]) -> Any:
        return provider[cls]

    provider = ViewModelProvider(window, Counting(again))

    with pytest.raises(IllegalStateError, match="its factory asked for it again"):
        provider[Feed]


def test_two_factories_that_ask_for_each_other_on_two_threads_do_not_wait_for_ever(window: Window) -> None:
    gate = threading.Barrier(2)
    outcomes: list[str] = []

    def asking(for_another: type[ViewModel]) -> Counting:
        def make(cls: type[Any]) -> Any:
            if not gate.broken:
                gate.wait(10)
            ViewModelProvider(window)[for_another]
            return cls()

        return Counting(make)

    def ask(cls: type[ViewModel], other: type[ViewModel]) -> None:
        try:
            ViewModelProvider(window, asking(other))[cls]
        except IllegalStateError:
            outcomes.append("refused")
        else:
            outcomes.append("made")

    threads = [threading.Thread(target=ask, args=pair) for pair in ((Feed, Other), (Other, Feed))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["made", "refused"]


def test_what_is_being_made_while_the_store_is_cleared_is_cleared_too(window: Window) -> None:
    def clear_meanwhile(cls: type[Any]) -> Any:
        made = cls()
        window.view_model_store.clear()
        return made

    feed = ViewModelProvider(window, Counting(clear_meanwhile))[Feed]

    assert feed.is_cleared
    assert not feed.view_model_scope.is_active
    assert not window.view_model_store.keys()


# ---- the attribute


class Screen:
    feed = view_models(Feed)
    same = view_models(Feed)
    keyed = view_models(Feed, key="mine")
    needy = view_models(
        Needy,
        factory=view_model_factory({Needy: lambda extras: Needy(extras[USER], limit=1)}),
        extras=CreationExtras({USER: 5}),
    )

    def __init__(self, store: ViewModelStore | None = None) -> None:
        self.early: Feed | None = None
        self.view_model_store = store


def test_an_attribute_makes_its_view_model_at_the_first_read_and_keeps_it() -> None:
    store = ViewModelStore()
    screen = Screen(store)
    assert not store.keys()

    feed = screen.feed

    assert type(feed) is Feed
    assert screen.feed is feed
    assert screen.same is feed
    assert screen.keyed is not feed
    assert screen.needy.repository == 5
    assert store.get("mine") is screen.keyed


def test_a_rebuilt_owner_with_the_same_store_finds_the_same_one() -> None:
    store = ViewModelStore()

    assert Screen(store).feed is Screen(store).feed


def test_reading_it_before_the_owner_has_its_store_is_refused() -> None:
    class Early:
        feed = view_models(Feed)

    with pytest.raises(IllegalStateError, match=r"Early.feed was read before its owner has a view_model_store"):
        Early().feed
    with pytest.raises(IllegalStateError, match=r"Screen.feed was read before"):
        Screen().feed


def test_an_owner_with_slots_finds_it_in_the_store_each_time() -> None:
    class Slotted:
        __slots__ = ("view_model_store",)
        feed = view_models(Feed)

        def __init__(self) -> None:
            self.view_model_store = ViewModelStore()

    owner = Slotted()

    assert owner.feed is owner.feed


def test_on_the_class_it_is_the_declaration_itself() -> None:
    assert repr(Screen.feed) == "view_models(Feed)"
