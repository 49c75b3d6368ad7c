"""Article 002, "Under the hood": the view model that shows a user through LiveData, and windows that come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.lifecycle.owners import Owner
from vmscope import CoroutineScope, Dispatchers, ViewModel, ViewModelProvider, ViewModelStore, delay, with_context
from vmscope.lifecycle import LiveData, MutableLiveData, State

if TYPE_CHECKING:
    from tests.virtual_main import VMain
    from vmscope import Job


class UserViewModel(ViewModel):
    """As in the article, with the repository's answer left open; `catches` is what its `except` names."""

    def __init__(self, get_user: Callable[[str], Any], catches: type[BaseException] = Exception) -> None:
        super().__init__()
        self._user_data: MutableLiveData[str] = MutableLiveData()
        self.handled: list[str] = []
        self._get_user = get_user
        self._catches = catches

    @property
    def user_data(self) -> LiveData[str]:
        return self._user_data

    def load_user(self, name: str) -> Job:
        return self.view_model_scope.launch(self._load, name)

    def _load(self, name: str) -> Iterator[Any]:
        try:
            user = yield from self._get_user(name)
            self._user_data.value = user
        except self._catches as failure:
            self.handle_error(failure)

    def handle_error(self, failure: BaseException) -> None:
        alive = "cleared" if self.is_cleared else "alive"
        self.handled.append(f"{type(failure).__name__}, {alive}")


def slow(name: str) -> Iterator[Any]:
    yield from delay(1)
    return f"data of {name}"


def broken(name: str) -> Iterator[Any]:
    yield from delay(1)
    raise ConnectionError(name)


# ---- 2.22


def test_2_22_the_user_is_shown_to_a_window_that_is_up(main: VMain) -> None:
    model, window, shown = UserViewModel(slow), Owner(State.STARTED, enforced=True), []
    model.user_data.observe(window, shown.append)

    model.load_user("ann")
    main.advance(1)

    assert shown == ["data of ann"]
    model.clear()


def test_2_22_an_answer_on_a_worker_is_set_on_main_and_off_main_it_would_be_refused(main: VMain) -> None:
    """The article's `_userData.value = user` is right because the coroutine is back on Main by then."""

    def on_a_worker(name: str) -> Iterator[Any]:
        return (yield from with_context(Dispatchers.IO, lambda: f"{name} from {threading.current_thread().name}"))

    def off_main(name: str) -> Iterator[Any]:
        yield from with_context(Dispatchers.IO, lambda: setattr(model._user_data, "value", name))

    model = UserViewModel(on_a_worker)
    job = model.load_user("ann")
    main.run_until(lambda: job.is_completed)
    assert model.user_data.value is not None
    assert model.user_data.value.startswith("ann from ")
    assert "MainThread" not in model.user_data.value

    model._get_user = off_main
    job = model.load_user("bob")
    main.run_until(lambda: job.is_completed)
    assert model.handled == ["IllegalStateError, alive"]
    model.clear()


def test_2_22_a_failure_is_handled(main: VMain) -> None:
    model = UserViewModel(broken)

    model.load_user("ann")
    main.advance(1)

    assert model.handled == ["ConnectionError, alive"]
    assert model.user_data.value is None
    model.clear()


def test_2_22_a_cancellation_is_no_exception_here_and_no_error_is_handled_in_a_cleared_view_model(main: VMain) -> None:
    model = UserViewModel(slow)

    job = model.load_user("ann")
    model.clear()
    main.drain()

    assert job.is_cancelled
    assert model.handled == []
    assert model.user_data.value is None


def test_2_22_as_the_article_has_it_the_error_would_be_handled_in_a_dead_view_model(main: VMain) -> None:
    """In Kotlin a cancellation is an Exception; here one has to ask for it."""
    model = UserViewModel(slow, catches=BaseException)

    model.load_user("ann")
    model.clear()

    assert model.handled == ["CancellationException, cleared"]


# ---- 2.24


class Window:
    """One of the windows that a rotation makes, around the store that stays."""

    def __init__(self, store: ViewModelStore, shown: list[str]) -> None:
        self.view_model_store = store
        self.owner = Owner(State.RESUMED, enforced=True)
        self.model = ViewModelProvider(self)[Screen]
        self.model.user.observe(self.owner, shown.append)

    def destroy(self) -> None:
        self.owner.lifecycle.current_state = State.DESTROYED


class Screen(ViewModel):
    def __init__(self) -> None:
        super().__init__()
        self.user = MutableLiveData("ann")


def test_2_24_rapid_rotation_asks_for_the_scope_on_one_thread_and_needs_no_lock(main: VMain) -> None:
    """Each window is another one; view model and scope are the same; each window is told of the user once."""
    store, shown = ViewModelStore(), []
    models, scopes = set(), set()
    for _ in range(50):
        window = Window(store, shown)
        models.add(window.model)
        scopes.add(window.model.view_model_scope)
        window.destroy()

    assert len(models) == len(scopes) == 1
    assert shown == ["ann"] * 50
    assert not window.model.user.has_observers, "no window is kept"
    store.clear()
    assert not scopes.pop().is_active


def test_2_24_tests_with_several_threads_are_what_the_lock_is_for(main: VMain) -> None:
    """64 threads ask for the scope while the main thread clears the view model: one scope, and it ends cancelled."""
    model = Screen()
    gate = threading.Barrier(65)
    scopes: list[CoroutineScope] = []

    def ask() -> None:
        gate.wait()
        scopes.append(model.view_model_scope)

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    gate.wait()
    model.clear()
    for thread in threads:
        thread.join()

    assert len(scopes) == 64
    assert len(set(map(id, scopes))) == 1
    assert not scopes[0].is_active


@pytest.mark.parametrize("state", [State.CREATED, State.STARTED])
def test_2_24_an_answer_that_comes_between_two_windows_is_shown_by_the_next_one(main: VMain, state: State) -> None:
    """What rotation does need: a value that waits for whoever looks next."""
    store, shown = ViewModelStore(), []
    first = Window(store, shown)
    first.owner.lifecycle.current_state = state
    first.destroy()
    first.model.user.value = "bob"

    Window(store, shown).destroy()

    assert shown == ["ann", "bob"]
    store.clear()
