"""Races of lifecycles and LiveData, which live on the main thread and are used from others. Read like `programs.py`."""

from __future__ import annotations

from typing import Any

from tests.lifecycle.owners import Owner
from vmscope import (
    CompletableDeferred,
    CoroutineScope,
    Dispatchers,
    Looper,
    await_cancellation,
    non_cancellable,
    run_blocking,
    run_main,
    yield_,
)
from vmscope.lifecycle import MutableLiveData, State, repeat_on_lifecycle, with_started


def a_block_is_repeated_on_another_thread():
    inside, most = [], []
    begun: list[Any] = [CompletableDeferred(), CompletableDeferred()]

    def block():
        inside.append("here")
        begun[len(most)].complete(None)
        most.append(len(inside))
        try:
            yield from await_cancellation()
        finally:
            yield from non_cancellable(yield_)
            inside.pop()

    def script():
        owner = Owner(State.STARTED, enforced=True)
        job = CoroutineScope(Dispatchers.Default).launch(lambda: repeat_on_lifecycle(owner, State.STARTED, block))
        yield from begun[0].await_()
        owner.lifecycle.current_state = State.CREATED
        owner.lifecycle.current_state = State.STARTED
        yield from begun[1].await_()
        owner.lifecycle.current_state = State.DESTROYED
        yield from job.join()

    def main():
        run_main(script)

    yield (main,)
    assert most == [1, 1]
    assert not inside


def a_repetition_is_cancelled_while_its_lifecycle_ends():
    began, left = CompletableDeferred(), []

    def block():
        left.append("begun")
        try:
            yield from await_cancellation()
        finally:
            left.pop()

    def script():
        owner = Owner(State.STARTED, enforced=True)
        scope = CoroutineScope(Dispatchers.Default)
        job = scope.launch(lambda: repeat_on_lifecycle(owner, State.STARTED, block))
        began.complete(scope)
        yield from yield_()
        owner.lifecycle.current_state = State.DESTROYED
        yield from job.join()
        left.extend(["observer"] * owner.lifecycle.observer_count)

    def main():
        run_main(script)

    def cancel():
        run_blocking(began.await_).cancel()

    yield main, cancel
    assert left == []


def two_threads_post_values():
    live: MutableLiveData[Any] = MutableLiveData(0)
    seen: list[Any] = []
    looper = Looper.prepare_main()
    live.observe_forever(seen.append)

    yield lambda: live.post_value(1), lambda: live.post_value(2)
    looper.pump(1.0)
    assert seen in ([0, 1], [0, 2])
    live.post_value(3)
    looper.pump(1.0)
    assert seen[-1] == live.value == 3, "a post after all that is set, too"


def a_post_against_the_turn_of_another():
    live: MutableLiveData[Any] = MutableLiveData(0)
    ready: Any = CompletableDeferred()
    posted: Any = CompletableDeferred()
    seen: list[Any] = []

    def script():
        live.observe_forever(seen.append)
        live.post_value(1)
        ready.complete(None)
        yield from posted.await_()
        yield from yield_()

    def main():
        run_main(script)

    def post():
        run_blocking(ready.await_)
        live.post_value(2)
        posted.complete(None)

    yield main, post
    assert seen in ([0, 1, 2], [0, 2])


def a_scope_is_asked_for_while_its_lifecycle_ends():
    ready: Any = CompletableDeferred()
    asked: Any = CompletableDeferred()

    def script():
        owner = Owner(State.CREATED, enforced=True)
        ready.complete(owner)
        yield from yield_()
        owner.lifecycle.current_state = State.DESTROYED
        scope = yield from asked.await_()
        yield from yield_()
        asked_for.append(scope)

    asked_for: list[CoroutineScope] = []

    def main():
        run_main(script)

    def ask():
        asked.complete(run_blocking(ready.await_).lifecycle.scope)

    yield main, ask
    assert not asked_for[0].is_active


def a_state_is_waited_for_while_its_lifecycle_ends():
    ready: Any = CompletableDeferred()
    said: list[str] = []

    def script():
        owner = Owner(State.CREATED, enforced=True)
        ready.complete(owner)
        yield from yield_()
        owner.lifecycle.current_state = State.DESTROYED
        job = CoroutineScope(Dispatchers.Default).launch(with_started, owner, said.append, "called")
        yield from job.join()

    def main():
        run_main(script)

    yield (main,)
    assert said == []
