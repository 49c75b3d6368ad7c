"""ViewModelStoreProvider: children by key, tokens, and the clear of the parent."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import (
    CoroutineScope,
    CreationExtras,
    CreationExtrasKey,
    Dispatchers,
    IllegalStateError,
    ViewModel,
    ViewModelProvider,
    ViewModelStore,
    ViewModelStoreOwner,
    ViewModelStoreProvider,
    delay,
    view_model_factory,
    view_models,
)

if TYPE_CHECKING:
    from tests.virtual_main import VMain


class Feed(ViewModel):
    pass


@pytest.fixture
def parent() -> ViewModelStore:
    return ViewModelStore()


def feed_of(token: ViewModelStoreOwner) -> Feed:
    return ViewModelProvider(token)[Feed]


def test_the_tokens_of_one_key_have_one_store_and_another_key_another(parent: ViewModelStore) -> None:
    tabs = ViewModelStoreProvider(parent)
    first, second, other = tabs.acquire_token("a"), tabs.acquire_token("a"), tabs.acquire_token(("b", 2))

    assert first.view_model_store is second.view_model_store
    assert first.view_model_store is not other.view_model_store
    assert feed_of(first) is feed_of(second)
    assert feed_of(first) is not feed_of(other)
    assert tabs.keys() == {"a", ("b", 2)}


def test_the_last_token_to_be_closed_clears_the_child(parent: ViewModelStore) -> None:
    tabs = ViewModelStoreProvider(parent)
    first, second = tabs.acquire_token("a"), tabs.acquire_token("a")
    feed = feed_of(first)

    first.close()
    assert not feed.is_cleared
    second.close()

    assert feed.is_cleared
    assert not tabs.keys()


def test_a_token_closed_twice_counts_once(parent: ViewModelStore) -> None:
    tabs = ViewModelStoreProvider(parent)
    first, second = tabs.acquire_token("a"), tabs.acquire_token("a")
    feed = feed_of(second)

    first.close()
    first.close()

    assert not feed.is_cleared
    second.close()
    assert feed.is_cleared


def test_a_token_is_a_context_manager(parent: ViewModelStore) -> None:
    with ViewModelStoreProvider(parent).acquire_token("a") as token:
        feed = feed_of(token)
        assert not feed.is_cleared
    assert feed.is_cleared


def test_after_the_last_token_the_key_begins_anew(parent: ViewModelStore) -> None:
    tabs = ViewModelStoreProvider(parent)
    with tabs.acquire_token("a") as old:
        before = feed_of(old)
    after = feed_of(tabs.acquire_token("a"))

    assert after is not before
    assert not after.is_cleared


def test_what_comes_to_a_child_that_has_gone_is_cleared_at_once(parent: ViewModelStore) -> None:
    token = ViewModelStoreProvider(parent).acquire_token("a")
    token.close()
    put = Feed()

    token.view_model_store.put("k", put)

    assert put.is_cleared
    assert feed_of(token).is_cleared
    assert not token.view_model_store.keys()


def test_the_clear_of_the_parent_clears_all_children_whoever_holds_them(parent: ViewModelStore) -> None:
    tabs = ViewModelStoreProvider(parent)
    tokens = [tabs.acquire_token(key) for key in "ab"]
    feeds = [feed_of(token) for token in tokens]

    parent.clear()

    assert all(feed.is_cleared for feed in feeds)
    for token in tokens:
        token.close()


def test_a_token_asked_for_after_the_clear_of_the_parent_is_refused(parent: ViewModelStore) -> None:
    tabs = ViewModelStoreProvider(parent)
    parent.clear()

    with pytest.raises(IllegalStateError, match="a token for 'a' was asked for, but the store around it was cleared"):
        tabs.acquire_token("a")


def test_a_new_provider_begins_anew_where_the_parent_is_used_again(parent: ViewModelStore) -> None:
    old = ViewModelStoreProvider(parent).acquire_token("a")
    parent.clear()
    feed = feed_of(ViewModelStoreProvider(parent).acquire_token("a"))

    old.close()

    assert not feed.is_cleared
    parent.clear()
    assert feed.is_cleared


def test_the_children_stay_when_their_owner_is_made_anew() -> None:
    class Window:
        def __init__(self, store: ViewModelStore) -> None:
            self.view_model_store = store

    store = ViewModelStore()
    held = ViewModelStoreProvider(Window(store)).acquire_token("a")
    feed = feed_of(held)

    again = ViewModelStoreProvider(Window(store)).acquire_token("a")
    held.close()

    assert feed_of(again) is feed
    assert not feed.is_cleared


def test_while_all_is_kept_a_child_outlives_its_last_token(parent: ViewModelStore) -> None:
    tabs = ViewModelStoreProvider(parent)
    stays, goes = tabs.acquire_token("stays"), tabs.acquire_token("goes")
    feeds = feed_of(stays), feed_of(goes)

    with tabs.keep() as keeping:
        stays.close()
        goes.close()
        again = ViewModelStoreProvider(parent).acquire_token("stays")
        assert not any(feed.is_cleared for feed in feeds)
    keeping.close()

    assert feed_of(again) is feeds[0]
    assert [feed.is_cleared for feed in feeds] == [False, True]


def test_the_clear_of_the_parent_also_takes_what_is_kept(parent: ViewModelStore) -> None:
    tabs = ViewModelStoreProvider(parent)
    with tabs.keep():
        with tabs.acquire_token("a") as token:
            feed = feed_of(token)
        assert not feed.is_cleared
        parent.clear()
        assert feed.is_cleared


def test_children_have_children(parent: ViewModelStore) -> None:
    outer = ViewModelStoreProvider(parent).acquire_token("window")
    inner = ViewModelStoreProvider(outer).acquire_token("dialog")
    feed = feed_of(inner)

    outer.close()

    assert feed.is_cleared
    with pytest.raises(IllegalStateError, match="was cleared"):
        ViewModelStoreProvider(outer).acquire_token("dialog")


def test_a_token_is_an_owner_with_the_factory_and_the_extras_of_the_parent() -> None:
    USER = CreationExtrasKey[int]("user")  # noqa: N806

    class Page(ViewModel):
        def __init__(self, user: int | None) -> None:
            self.user = user

    class Window:
        view_model_store = ViewModelStore()
        default_view_model_provider_factory = view_model_factory({Page: lambda extras: Page(extras[USER])})
        default_view_model_creation_extras = CreationExtras({USER: 7})

    token = ViewModelStoreProvider(Window()).acquire_token("a")
    own = ViewModelStoreProvider(Window(), extras=CreationExtras({USER: 8})).acquire_token("b")

    assert isinstance(token, ViewModelStoreOwner)
    assert ViewModelProvider(token).get(Page, "page").user == 7
    assert ViewModelProvider(own).get(Page, "page").user == 8


def test_view_models_finds_them_through_a_token(parent: ViewModelStore) -> None:
    class Tab:
        feed = view_models(Feed)

        def __init__(self, token: ViewModelStoreOwner) -> None:
            self.view_model_store = token.view_model_store

    tabs = ViewModelStoreProvider(parent)

    assert Tab(tabs.acquire_token("a")).feed is Tab(tabs.acquire_token("a")).feed


def test_a_failure_finds_the_handler_of_the_child_then_of_the_parent(main: VMain, parent: ViewModelStore) -> None:
    seen: list[str] = []

    def fail() -> None:
        raise OSError("boom")

    token = ViewModelStoreProvider(ViewModelStoreProvider(parent).acquire_token("outer")).acquire_token("inner")
    scope = feed_of(token).view_model_scope
    parent.exception_handler = lambda context, failure: seen.append(f"parent {failure}")
    scope.launch(fail)
    token.view_model_store.exception_handler = lambda context, failure: seen.append(f"child {failure}")
    scope.launch(fail)

    assert seen == ["parent boom", "child boom"]


def test_a_clear_that_fails_still_clears_the_other_children(parent: ViewModelStore) -> None:
    class Bad(ViewModel):
        def on_cleared(self) -> None:
            raise OSError("bad")

    tabs = ViewModelStoreProvider(parent)
    tabs.acquire_token("bad").view_model_store.put("k", Bad())
    feed = feed_of(tabs.acquire_token("good"))

    with pytest.raises(ExceptionGroup) as raised:
        parent.clear()

    assert raised.group_contains(OSError, match="bad")
    assert feed.is_cleared


def test_a_token_whose_close_failed_is_closed(parent: ViewModelStore) -> None:
    class Bad(ViewModel):
        def on_cleared(self) -> None:
            raise OSError("bad")

    tabs = ViewModelStoreProvider(parent)
    token = tabs.acquire_token("bad")
    token.view_model_store.put("k", Bad())

    with pytest.raises(ExceptionGroup):
        token.close()
    token.close()

    assert not tabs.keys()
    assert repr(token) == "<ReferenceToken of 'bad', closed>"


def test_clear_and_join_of_the_parent_waits_for_the_children(main: VMain, parent: ViewModelStore) -> None:
    log: list[str] = []

    class Saving(ViewModel):
        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        def on_cleared_async(self) -> Generator[Any, Any, None]:
            yield from delay(self.seconds)
            log.append(f"saved after {self.seconds}")

    tabs = ViewModelStoreProvider(parent)
    held, released = tabs.acquire_token("held"), tabs.acquire_token("released")
    held.view_model_store.put("k", Saving(1))
    released.view_model_store.put("k", Saving(2))
    released.close()

    job = CoroutineScope(Dispatchers.Main.immediate).launch(parent.clear_and_join)
    main.advance(1)
    assert job.is_active
    main.advance(1)

    assert log == ["saved after 1", "saved after 2"]
    assert job.is_completed


def test_what_owns_no_store_is_refused() -> None:
    with pytest.raises(TypeError, match="owns no ViewModels"):
        ViewModelStoreProvider(object())  # type: ignore[arg-type]


def test_the_reprs_show_the_state(parent: ViewModelStore) -> None:
    tabs = ViewModelStoreProvider(parent)
    token, keeping = tabs.acquire_token("a"), tabs.keep()
    token.close()

    assert repr(tabs) == "<ViewModelStoreProvider of 1 under <ViewModelStore of 1>>"
    assert repr(keeping) == "<keep() of a ViewModelStoreProvider, held>"
    keeping.close()
    assert repr(keeping) == "<keep() of a ViewModelStoreProvider, closed>"


def test_threads_that_acquire_and_close_while_the_parent_is_cleared_leave_nothing_alive(
    parent: ViewModelStore,
) -> None:
    made: list[Feed] = []
    tabs = ViewModelStoreProvider(parent)
    gate = threading.Barrier(5)
    half = threading.Event()

    def use(number: int) -> None:
        gate.wait()
        for index in range(100):
            if index == 50:
                half.set()
            try:
                token = tabs.acquire_token(index % 3)
            except IllegalStateError:
                return
            feed = feed_of(token)
            assert not feed.is_cleared or half.is_set()
            made.append(feed)
            if index % 2:
                token.close()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    gate.wait()
    half.wait(10)
    parent.clear()
    for thread in threads:
        thread.join()

    assert made
    assert all(feed.is_cleared for feed in made)


def test_a_child_is_cleared_once_by_two_threads_that_close_the_last_tokens(parent: ViewModelStore) -> None:
    cleared: list[int] = []

    class Counting(ViewModel):
        def on_cleared(self) -> None:
            cleared.append(1)

    for _ in range(20):
        cleared.clear()
        tabs = ViewModelStoreProvider(parent)
        tokens = [tabs.acquire_token("a") for _ in range(2)]
        tokens[0].view_model_store.put("k", Counting())
        gate = threading.Barrier(4)

        def close(token: ViewModelStoreProvider.ReferenceToken, gate: threading.Barrier = gate) -> None:
            gate.wait()
            token.close()

        threads = [threading.Thread(target=close, args=(token,)) for token in [*tokens, *tokens]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert cleared == [1]
        assert not tabs.keys()
