"""Is anything of ours left behind by what has ended, however it ended?

Aimed at: each way to end, one kind a round in turn, a hundred each. The count of our objects must stay as it was. What
they were part of lives on, as it does in a program: a scope, a looper, a store, the shared timer; else it would go with
all that was forgotten in it.
  cancelled   launched onto a looper and cancelled before, while and after it runs
  failed      fails, alone and with its parent
  timed_out   a timeout that strikes, one that does not, a delay taken back
  cleared     view models with scopes, closeables and coroutines, cleared by their store
  hopped      hops to IO and back, awaited from outside

What is counted is what the collector finds of types of ours after it has run, every 20 rounds.

    python -m stress leaks --seconds 60
"""

from __future__ import annotations

import gc
import sys
from collections import Counter

from vmscope import (
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    HandlerThread,
    SupervisorJob,
    ViewModel,
    ViewModelStore,
    as_dispatcher,
    await_cancellation,
    coroutine_scope,
    delay,
    join_all,
    launch,
    run_blocking,
    with_context,
    with_timeout_or_none,
)

from ._soak import Soak, run

MANY = 100
EVERY = 20


def ours() -> Counter[str]:
    """How many objects of the package's types there are, by type."""
    gc.collect()
    return Counter(
        kind.__qualname__ for each in gc.get_objects() if (kind := type(each)).__module__.startswith("vmscope.")
    )


class Leaks(Soak):
    kinds = ("cancelled", "failed", "timed_out", "cleared", "hopped")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.thread = HandlerThread("soak-leaks")
        self.thread.start()
        self.on_looper = as_dispatcher(self.thread.handler)
        self.lasting = SupervisorJob()
        self.store = ViewModelStore()
        self.rounds = 0
        self.first: Counter[str] | None = None

    def _count(self) -> None:
        self.rounds += 1
        if self.rounds % EVERY:
            return
        self.thread.handler.call(lambda: None)
        now = ours()
        if self.first is None:
            self.first = now  # what is made once and kept has been made: pools, threads, messages for another use
            return
        # A pool may have grown by a few in the meantime. What leaks, leaks a hundred each round.
        more = {name: count - self.first[name] for name, count in now.items() if count > self.first[name] + MANY // 2}
        assert not more, f"left behind after {self.rounds} rounds: {more}"

    def cancelled(self) -> None:
        scope = CoroutineScope(self.lasting + self.on_looper)
        jobs = []
        for n in range(MANY):
            jobs.append(scope.launch(await_cancellation))
            if n % 3 == 0:
                self.spin(100)
            jobs[-1].cancel()
        run_blocking(join_all, *jobs)
        del jobs
        self._count()

    def failed(self) -> None:
        def fail() -> None:
            raise ValueError("leaks")

        def family():
            launch(await_cancellation)
            launch(fail)
            yield from await_cancellation()

        handler = CoroutineExceptionHandler(lambda context, failure: None)
        scope = CoroutineScope(self.lasting + Dispatchers.Default + handler)
        jobs = [scope.launch(body) for body in (fail, family) for _ in range(MANY // 4)]
        run_blocking(join_all, *jobs)
        del jobs
        self._count()

    def timed_out(self) -> None:
        def turns():
            for n in range(MANY):
                yield from with_timeout_or_none(0.0 if n % 2 else 60.0, delay, 60.0 if n % 2 else 0.0)

        run_blocking(turns)
        run_blocking(turns, context=Dispatchers.Default)
        self._count()

    def cleared(self) -> None:
        for n in range(MANY):
            model = ViewModel()
            model.add_closeable(lambda: None)
            model.view_model_scope.launch(await_cancellation, context=self.on_looper)
            self.store.put(f"{n % 10}", model)
        run_blocking(self.store.clear_and_join)
        self._count()

    def hopped(self) -> None:
        def hop():
            yield from with_context(Dispatchers.IO, lambda: None)

        def turns() -> None:
            for _ in range(MANY):
                launch(hop)

        run_blocking(coroutine_scope, turns, context=Dispatchers.Default)
        self._count()

    def close(self) -> None:
        assert not [*self.lasting.children]
        self.thread.quit()
        self.thread.join()


if __name__ == "__main__":
    sys.exit(run(Leaks, __doc__))
