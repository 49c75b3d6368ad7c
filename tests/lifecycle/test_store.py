"""ViewModelStore: keys, replacement, clearing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.steer import held_elsewhere
from vmscope import ViewModel, ViewModelStore, ViewModelStoreOwner
from vmscope.lifecycle import _store

if TYPE_CHECKING:
    from tests.virtual_main import VMain


class Model(ViewModel):
    def __init__(self, log: list[str], name: str, failure: BaseException | None = None) -> None:
        self.log = log
        self.name = name
        self.failure = failure

    def on_cleared(self) -> None:
        self.log.append(self.name)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def log() -> list[str]:
    return []


def test_put_under_a_taken_key_clears_the_old_one(log: list[str]) -> None:
    store = ViewModelStore()
    first, second = Model(log, "first"), Model(log, "second")

    store.put("k", first)
    store.put("k", second)

    assert log == ["first"]
    assert store.get("k") is second
    assert store.get("none") is None
    assert store.keys() == {"k"}


def test_put_of_the_same_one_again_clears_it_as_in_androidx(log: list[str]) -> None:
    store = ViewModelStore()
    model = Model(log, "same")

    store.put("k", model)
    store.put("k", model)

    assert log == ["same"]
    assert store.get("k") is model


def test_clear_clears_all_in_order_and_the_store_can_be_used_again(log: list[str]) -> None:
    store = ViewModelStore()
    for name in "abc":
        store.put(name, Model(log, name))

    store.clear()
    store.clear()

    assert log == ["a", "b", "c"]
    assert not store.keys()
    store.put("d", Model(log, "d"))
    assert store.keys() == {"d"}


def test_a_view_model_that_clears_itself_in_its_own_way_may_stand_in_it() -> None:
    class Own(ViewModel):
        def clear(self) -> None:
            cleared.append(self)

    cleared: list[ViewModel] = []
    store, own = ViewModelStore(), Own()
    store.put("own", own)
    assert own.view_model_scope.is_active

    store.clear()

    assert cleared == [own]
    own.view_model_scope.cancel()


def test_a_clear_that_fails_still_clears_the_others(log: list[str]) -> None:
    store = ViewModelStore()
    store.put("a", Model(log, "a", OSError("a")))
    store.put("b", Model(log, "b"))

    with pytest.raises(ExceptionGroup) as raised:
        store.clear()

    assert log == ["a", "b"]
    assert not store.keys()
    leaf = raised.value.exceptions[0]
    assert isinstance(leaf, ExceptionGroup)
    assert isinstance(leaf.exceptions[0], OSError)


def test_a_replacement_whose_old_one_fails_to_clear_is_in_place_all_the_same(log: list[str]) -> None:
    store = ViewModelStore()
    store.put("a", Model(log, "old", OSError()))
    new = Model(log, "new")

    with pytest.raises(ExceptionGroup):
        store.put("a", new)

    assert store.get("a") is new


def test_as_a_context_manager_it_is_cleared_at_the_end(log: list[str]) -> None:
    with ViewModelStore() as store:
        store.put("a", Model(log, "a"))
        assert not log
    assert log == ["a"]


def test_put_takes_a_string_and_a_view_model() -> None:
    with pytest.raises(TypeError, match="a string and a ViewModel"):
        ViewModelStore().put(1, ViewModel())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a string and a ViewModel"):
        ViewModelStore().put("k", object())  # type: ignore[arg-type]


def test_an_owner_is_anything_with_a_store() -> None:
    class Window:
        def __init__(self) -> None:
            self.view_model_store = ViewModelStore()

    owner: ViewModelStoreOwner = Window()

    assert isinstance(owner, ViewModelStoreOwner)
    assert not isinstance(object(), ViewModelStoreOwner)


def test_the_handler_of_the_store_is_asked_when_a_failure_happens(main: VMain) -> None:
    seen: list[str] = []

    def fail() -> None:
        raise OSError("boom")

    store = ViewModelStore()
    quiet, own = ViewModel(), ViewModel()
    quiet.view_model_scope
    own.exception_handler = lambda context, failure: seen.append(f"own {failure}")
    store.put("quiet", quiet)
    store.put("own", own)
    store.exception_handler = lambda context, failure: seen.append(f"store {failure}")

    quiet.view_model_scope.launch(fail)
    own.view_model_scope.launch(fail)

    assert seen == ["store boom", "own boom"]
    assert store.exception_handler is not None
    store.clear()


def test_a_failure_that_no_store_has_a_handler_for_goes_to_the_default(
    main: VMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V20"""
    seen: list[str] = []

    def fail() -> None:
        raise OSError("boom")

    monkeypatch.setattr(ViewModel, "default_exception_handler", lambda context, failure: seen.append(str(failure)))
    with ViewModelStore() as store:
        model = ViewModel()
        store.put("model", model)
        model.view_model_scope.launch(fail)

    assert seen == ["boom"]


def test_after_a_fork_a_store_is_used_whoever_held_its_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """V10: the thread that held them is not there in the child."""
    monkeypatch.setattr(_store, "_waiting_lock", _store._waiting_lock)
    monkeypatch.setattr(_store, "_waiting", {7: object()})

    with held_elsewhere(_store._waiting_lock):
        _store._after_fork()
        assert _store._waiting == {}
        assert _store._waiting_lock.acquire(blocking=False)
        _store._waiting_lock.release()


def test_many_threads_put_and_clear_and_every_view_model_is_cleared_once() -> None:
    log: list[str] = []
    store = ViewModelStore()
    gate = threading.Barrier(5)

    def put(number: int) -> None:
        gate.wait()
        for index in range(40):
            store.put(f"k{index % 3}", Model(log, f"{number}.{index}"))

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    gate.wait()
    for _ in range(10):
        store.clear()
    for thread in threads:
        thread.join()
    store.clear()

    assert sorted(log) == sorted(f"{number}.{index}" for number in range(4) for index in range(40))
