"""What the two type checkers make of a user's program. Never run: `mypy` and `pyright` read it.

A line that must be refused carries an ignore, and an ignore that is not needed is an error itself.
"""

# pyright: strict

from __future__ import annotations

from collections.abc import Generator
from typing import Any, assert_type

from vmscope import (
    CompletableDeferred,
    CoroutineContext,
    CoroutineDispatcher,
    CoroutineName,
    CoroutineScope,
    Deferred,
    Dispatchers,
    Handler,
    HandlerThread,
    Job,
    Looper,
    ViewModel,
    ViewModelProvider,
    ViewModelStore,
    async_,
    await_all,
    coroutine_scope,
    current_job,
    delay,
    join_all,
    launch,
    run_blocking,
    run_main,
    supervisor_scope,
    suspend,
    with_context,
    with_timeout,
    with_timeout_or_none,
)


def blocking(word: str, times: int = 1) -> list[str]:
    return [word] * times


async def native(number: int) -> str:
    await delay(0.1)
    return str(number)


@suspend
def generated(number: int) -> Generator[Any, Any, str]:
    yield from delay(0.1)
    return str(number)


def unmarked(number: int) -> Generator[Any, Any, str]:
    yield from delay(0.1)
    return str(number)


class Feed(ViewModel):
    def refresh(self) -> None:
        assert_type(self.view_model_scope, CoroutineScope)
        assert_type(self.view_model_scope.launch(self._load, 1), Job)
        assert_type(self.view_model_scope.async_(self._load, 1), Deferred[bytes])

    async def _load(self, number: int) -> bytes:
        return (await with_context(Dispatchers.IO, blocking, "a"))[number].encode()


async def awaited(scope: CoroutineScope, answer: CompletableDeferred[int]) -> None:
    assert_type(await native(1), str)
    assert_type(await generated(1), str)
    assert_type(await with_context(Dispatchers.IO, blocking, "a"), list[str])
    assert_type(await with_context(Dispatchers.Default, native, 1), str)
    assert_type(await with_context(Dispatchers.Default, generated, 1), str)
    assert_type(await with_context(Dispatchers.Default, unmarked, 1), str)
    assert_type(await coroutine_scope(native, 1), str)
    assert_type(await supervisor_scope(unmarked, 1), str)
    assert_type(await with_timeout(1.0, native, 1), str)
    assert_type(await with_timeout_or_none(1.0, native, 1), str | None)
    assert_type(await answer.await_(), int)
    assert_type(await scope.async_(native, 1).await_(), str)
    assert_type(await scope.async_(blocking, "a", 2).await_(), list[str])
    assert_type(await async_(generated, 1).await_(), str)
    assert_type(await await_all(async_(native, 1), async_(native, 2)), list[str])
    assert_type(await delay(1), None)
    await join_all(launch(native, 1), launch(blocking, "a"))
    async with coroutine_scope() as inner:
        assert_type(inner, CoroutineScope)
    async with with_timeout(1.0):
        pass


def yielded(answer: CompletableDeferred[int]) -> Generator[Any, Any, None]:
    assert_type((yield from generated(1)), str)
    assert_type((yield from unmarked(1)), str)
    assert_type((yield from with_context(Dispatchers.IO, blocking, "a")), list[str])
    assert_type((yield from with_timeout_or_none(1.0, unmarked, 1)), str | None)
    assert_type((yield from answer.await_()), int)
    assert_type((yield from coroutine_scope(unmarked, 1)), str)


def outside(context: CoroutineContext, looper: Looper) -> None:
    assert_type(run_blocking(native, 1), str)
    assert_type(run_main(generated, 1), str)
    assert_type(context[Job], Job | None)
    assert_type(context[CoroutineName], CoroutineName | None)
    assert_type(Dispatchers.IO + CoroutineName("a"), CoroutineContext)
    main: CoroutineDispatcher = Dispatchers.Main.immediate
    assert_type(main.limited_parallelism(1), CoroutineDispatcher)
    assert_type(CompletableDeferred(1), CompletableDeferred[int])
    assert_type(current_job(), Job)
    assert_type(Handler(looper).post(lambda: None), bool)
    assert_type(HandlerThread("a").looper, Looper | None)
    assert_type(ViewModelProvider(ViewModelStore())[Feed], Feed)


def at_most_one(scope: CoroutineScope) -> None:
    assert_type(scope.launch_latest(native, 1, join=True), Job)
    assert_type(scope.launch_dropping(blocking, "a", slot="a"), Job | None)
    assert_type(scope.launch_queued(unmarked, 1), Job)
    assert_type(scope.launch_conflated(generated, 1), Job)
    scope.launch_latest(native, "one")  # type: ignore[arg-type]


def refused(scope: CoroutineScope) -> None:
    scope.launch(native, "one")  # type: ignore[arg-type]
    scope.async_(blocking)  # type: ignore[call-arg, arg-type]
    scope.launch(native)  # type: ignore[arg-type, call-arg]
