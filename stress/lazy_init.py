"""Is a thing that is made at the first look made once, whoever looks, and does a clear meanwhile see it?

Interleavings aimed at, one kind a round in turn:
  look       three first looks at one view_model_scope: between the look without the lock and the making under it
  forgotten  the same where __init__ never ran: what the model has inside is made in the race, too
  clear      two first looks while clear() runs: before it marks, between mark and close, after
  closeable  closeables with and without a key come while clear() takes what there is
  provider   three owners ask a store for one view model: one constructs, the others wait for it
  lazy       three threads start one lazy deferred, one of them by awaiting it

    python -m stress lazy_init --seconds 60
"""

from __future__ import annotations

import sys

from vmscope import (
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    Job,
    ViewModel,
    ViewModelProvider,
    ViewModelStore,
    run_blocking,
)

from ._soak import Soak, run


class Forgetful(ViewModel):
    def __init__(self) -> None:
        """Does not call super().__init__()."""


class LazyInit(Soak):
    kinds = ("look", "forgotten", "clear", "closeable", "provider", "lazy")

    def _look_at(self, model: ViewModel) -> None:
        seen: list[CoroutineScope] = []

        def look() -> None:
            seen.append(model.view_model_scope)

        self.at_once(look, look, look)
        assert all(scope is model.view_model_scope for scope in seen), seen
        model.clear()

    def look(self) -> None:
        self._look_at(ViewModel())

    def forgotten(self) -> None:
        self._look_at(Forgetful())

    def clear(self) -> None:
        model = ViewModel()
        seen: list[CoroutineScope] = []

        def look() -> None:
            seen.append(model.view_model_scope)

        def clear() -> None:
            model.clear()
            assert not model.view_model_scope.is_active, "a live scope in a cleared view model"

        self.at_once(look, clear, look)
        assert seen[0] is seen[1] is model.view_model_scope
        assert not seen[0].is_active

    def closeable(self) -> None:
        model = ViewModel()
        closed: list[str] = []

        def add() -> None:
            model.add_closeable(lambda: closed.append("plain"))

        def add_keyed() -> None:
            model.add_closeable("key", lambda: closed.append("keyed"))

        self.at_once(add, model.clear, add_keyed)
        assert sorted(closed) == ["keyed", "plain"], closed

    def provider(self) -> None:
        made: list[ViewModel] = []
        given: list[ViewModel] = []

        class Screen(ViewModel):
            def __init__(self) -> None:
                made.append(self)

        store = ViewModelStore()

        def ask() -> None:
            given.append(ViewModelProvider(store).get(Screen, key="screen"))

        self.at_once(ask, ask, ask)
        assert given == made * 3, (made, given)
        store.clear()

    def lazy(self) -> None:
        scope = CoroutineScope(Job() + Dispatchers.Default)
        ran: list[int] = []
        started: list[bool] = []

        def body() -> int:
            ran.append(1)
            return 7

        deferred = scope.async_(body, start=CoroutineStart.LAZY)

        def start() -> None:
            started.append(deferred.start())

        def wait() -> None:
            assert run_blocking(deferred.await_) == 7

        self.at_once(start, wait, start)
        assert ran == [1]
        assert sum(started) <= 1, started


if __name__ == "__main__":
    sys.exit(run(LazyInit, __doc__))
