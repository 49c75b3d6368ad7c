"""Does a store that is used from everywhere at once clear each view model once, and none that it still has?

Interleavings aimed at, one kind a round in turn:
  put       two threads put under the same few keys, a third one clears: who is replaced or swept is cleared, once
  make      two providers ask and construct while a third thread clears: nobody is handed out cleared and kept
  children  models launch as they are put, and are cleared in the middle of it: their coroutines end
  owners    one store for each round dies while it is filled

    python -m stress store_churn --seconds 60
"""

from __future__ import annotations

import sys

from vmscope import (
    Dispatchers,
    Job,
    ViewModel,
    ViewModelProvider,
    ViewModelStore,
    await_cancellation,
    run_blocking,
)

from ._soak import Soak, run

KEYS = ("a", "b")


class Screen(ViewModel):
    """Counts how often it was cleared."""

    def __init__(self) -> None:
        super().__init__()
        self.cleared = 0

    def on_cleared(self) -> None:
        self.cleared += 1


class StoreChurn(Soak):
    kinds = ("put", "make", "children", "owners")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.store = ViewModelStore()

    def state(self) -> str:
        kept = {key: self.store.get(key) for key in sorted(self.store.keys())}
        return f"store {kept}\n{super().state()}"

    def _check(self, store: ViewModelStore, made: list[Screen]) -> None:
        kept = [store.get(key) for key in KEYS]
        for screen in made:
            assert screen.cleared == (screen not in kept), f"{screen} cleared {screen.cleared} times, kept {kept}"

    def _fill(self, store: ViewModelStore, made: list[Screen]) -> None:
        for key in KEYS * 2:
            screen = Screen()
            made.append(screen)
            store.put(key, screen)

    def put(self) -> None:
        made: list[Screen] = []
        self.at_once(lambda: self._fill(self.store, made), self.store.clear, lambda: self._fill(self.store, made))
        self._check(self.store, made)
        self.store.clear()
        assert all(screen.cleared == 1 for screen in made)

    def make(self) -> None:
        made: list[Screen] = []

        class Made(Screen):
            def __init__(self) -> None:
                super().__init__()
                made.append(self)

        def ask() -> None:
            for key in KEYS:
                ViewModelProvider(self.store).get(Made, key=key)

        self.at_once(ask, self.store.clear, ask)
        self._check(self.store, made)
        self.store.clear()
        assert all(screen.cleared == 1 for screen in made)

    def children(self) -> None:
        jobs: list[Job] = []

        def fill() -> None:
            for key in KEYS:
                screen = Screen()
                self.store.put(key, screen)
                jobs.append(screen.view_model_scope.launch(await_cancellation, context=Dispatchers.Default))

        self.at_once(fill, self.store.clear, fill)
        self.store.clear()
        for job in jobs:
            run_blocking(job.join)

    def owners(self) -> None:
        made: list[Screen] = []
        with ViewModelStore() as store:
            self.at_once(lambda: self._fill(store, made), store.clear)
        assert all(screen.cleared == 1 for screen in made)


if __name__ == "__main__":
    sys.exit(run(StoreChurn, __doc__))
