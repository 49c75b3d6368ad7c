"""A body may be spelled in every way that Python has: plain, generator, async def, marked, or ready made; all mix.

Each block of `SPELLINGS` notes its argument and gives the double of it; those that can suspend do so on the way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vmscope import (
    CompletableDeferred,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    EmptyCoroutineContext,
    Job,
    Looper,
    cancel,
    coroutine_scope,
    current_scope,
    is_active,
    join_all,
    non_cancellable,
    run_blocking,
    run_main,
    supervisor_scope,
    suspend,
    with_context,
    with_timeout,
    with_timeout_or_none,
    yield_,
)

Seen = list[int]


def plain(seen: Seen, number: int) -> int:
    seen.append(number)
    return 2 * number


def generator(seen: Seen, number: int) -> Generator[Any, Any, int]:
    yield from yield_()
    seen.append(number)
    return 2 * number


async def coroutine(seen: Seen, number: int) -> int:
    await yield_()
    seen.append(number)
    return 2 * number


@suspend
def marked(seen: Seen, number: int) -> Generator[Any, Any, int]:
    yield from yield_()
    seen.append(number)
    return 2 * number


class Doubler:
    """Blocks that are found on an object, or are one."""

    def as_generator(self, seen: Seen, number: int) -> Generator[Any, Any, int]:
        return generator(seen, number)

    async def as_coroutine(self, seen: Seen, number: int) -> int:
        return await coroutine(seen, number)

    async def __call__(self, seen: Seen, number: int) -> int:
        return await coroutine(seen, number)


# What stands where a block stands: the block and its arguments.
SPELLINGS: dict[str, Callable[[Seen, int], tuple[Any, ...]]] = {
    "plain function": lambda seen, number: (plain, seen, number),
    "generator function": lambda seen, number: (generator, seen, number),
    "async def": lambda seen, number: (coroutine, seen, number),
    "@suspend": lambda seen, number: (marked, seen, number),
    "lambda of a generator": lambda seen, number: (lambda: generator(seen, number),),
    "lambda of a suspending call": lambda seen, number: (
        lambda: with_context(EmptyCoroutineContext, plain, seen, number),
    ),
    "method": lambda seen, number: (Doubler().as_generator, seen, number),
    "async method": lambda seen, number: (Doubler().as_coroutine, seen, number),
    "callable object": lambda seen, number: (Doubler(), seen, number),
    "partial": lambda seen, number: (functools.partial(coroutine, seen), number),
    "ready generator": lambda seen, number: (generator(seen, number),),
    "ready coroutine": lambda seen, number: (coroutine(seen, number),),
    "ready @suspend generator": lambda seen, number: (marked(seen, number),),
}
spellings = pytest.mark.parametrize("block", SPELLINGS.values(), ids=SPELLINGS.keys())

# What takes a block and gives its value to the caller, who waits for it.
BUILDERS: dict[str, Callable[..., Any]] = {
    "with_context": functools.partial(with_context, EmptyCoroutineContext),
    "with_context IO": functools.partial(with_context, Dispatchers.IO),
    "coroutine_scope": coroutine_scope,
    "supervisor_scope": supervisor_scope,
    "with_timeout": functools.partial(with_timeout, 60),
    "with_timeout_or_none": functools.partial(with_timeout_or_none, 60),
    "non_cancellable": non_cancellable,
}
builders = pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS.keys())


def by_yield_from(function: Callable[..., Any], *args: Any) -> Any:
    def body() -> Generator[Any, Any, Any]:
        return (yield from function(*args))

    return run_blocking(body)


def by_await(function: Callable[..., Any], *args: Any) -> Any:
    async def body() -> Any:
        return await function(*args)

    return run_blocking(body)


callers = pytest.mark.parametrize("call", [by_yield_from, by_await])


@callers
@builders
@spellings
def test_a_suspending_builder_takes_a_block_in_every_spelling(
    call: Callable[..., Any], builder: Callable[..., Any], block: Callable[[Seen, int], tuple[Any, ...]]
) -> None:
    seen: Seen = []

    value = call(builder, *block(seen, 21))

    assert (value, seen) == (42, [21])


@spellings
def test_run_blocking_takes_a_block_in_every_spelling(block: Callable[[Seen, int], tuple[Any, ...]]) -> None:
    seen: Seen = []

    assert run_blocking(*block(seen, 21)) == 42
    assert seen == [21]


@spellings
def test_run_main_takes_a_block_in_every_spelling(block: Callable[[Seen, int], tuple[Any, ...]]) -> None:
    seen: Seen = []

    before = Looper.get_main()
    with ThreadPoolExecutor(1) as main_thread:  # one of its own, which takes its looper along when it ends
        value = main_thread.submit(run_main, *block(seen, 21)).result()
    Looper.set_main_for_test(before)

    assert (value, seen) == (42, [21])


@pytest.mark.parametrize("start", list(CoroutineStart))
@spellings
def test_launch_takes_a_block_in_every_spelling(
    block: Callable[[Seen, int], tuple[Any, ...]], start: CoroutineStart
) -> None:
    seen: Seen = []

    async def body() -> bool:
        job = current_scope().launch(*block(seen, 21), start=start)
        await job.join()
        return job.is_completed and not job.is_cancelled

    assert run_blocking(body) is True
    assert seen == [21]


@pytest.mark.parametrize("start", list(CoroutineStart))
@spellings
def test_async_takes_a_block_in_every_spelling(
    block: Callable[[Seen, int], tuple[Any, ...]], start: CoroutineStart
) -> None:
    seen: Seen = []

    def body() -> Generator[Any, Any, Any]:
        deferred = current_scope().async_(*block(seen, 21), start=start)
        return (yield from deferred.await_())

    assert run_blocking(body) == 42
    assert seen == [21]


@callers
def test_join_and_await_are_called_both_ways(call: Callable[..., Any]) -> None:
    done = Job()
    done.complete()
    value = CompletableDeferred(7)

    assert call(done.join) is None
    assert call(value.await_) == 7
    assert call(join_all, done, value) is None


def test_a_scope_is_a_block_of_async_with() -> None:
    seen: Seen = []

    async def body() -> bool:
        async with coroutine_scope() as scope:
            job = scope.launch(generator, seen, 1)
        async with supervisor_scope() as scope:
            scope.launch(coroutine, seen, 2)
        async with with_timeout(60):
            await marked(seen, 3)
        return job.is_completed

    assert run_blocking(body) is True
    assert seen == [1, 2, 3]


# ---- one inside the other


async def outer_async(path: list[str]) -> int:
    try:
        return await middle_marked(path)
    finally:
        path.append("outer")


@suspend
def middle_marked(path: list[str]) -> Generator[Any, Any, int]:
    try:
        # A marked generator may do that with an `async def`; type checkers do not know it.
        return int((yield from inner_async(path)))  # type: ignore[misc]
    finally:
        path.append("middle")


async def inner_async(path: list[str]) -> int:
    try:
        return await with_context(EmptyCoroutineContext, innermost_generator, path)
    finally:
        path.append("inner")


def innermost_generator(path: list[str]) -> Generator[Any, Any, int]:
    try:
        yield from yield_()
        if not path:
            return 5
        raise LookupError(path.pop())
    finally:
        path.append("innermost")


@callers
def test_a_value_comes_up_through_all_spellings(call: Callable[..., Any]) -> None:
    path: list[str] = []

    assert call(outer_async if call is by_await else middle_marked, path) == 5


def test_an_exception_comes_up_through_all_spellings() -> None:
    path = ["told"]

    with pytest.raises(LookupError, match="told"):
        run_blocking(outer_async, path)

    assert path == ["innermost", "inner", "middle", "outer"]


def test_a_cancellation_cleans_up_through_all_spellings_from_the_inside() -> None:
    path: list[str] = []

    async def body() -> bool:
        job = current_scope().launch(outer_async, path, start=CoroutineStart.UNDISPATCHED)  # waits in yield_()
        await job.cancel_and_join()
        return job.is_cancelled

    assert run_blocking(body) is True
    assert path == ["innermost", "inner", "middle", "outer"]


def test_a_block_that_is_a_plain_function_of_a_coroutine_acts_on_it() -> None:
    def body() -> tuple[bool, bool]:
        before = is_active()
        cancel("enough")
        return before, is_active()

    async def outer() -> tuple[bool, bool]:
        answers: list[tuple[bool, bool]] = []
        async with coroutine_scope() as scope:
            await scope.launch(lambda: answers.append(body())).join()
        return answers[0]

    assert run_blocking(outer) == (True, False)


def test_a_scope_outside_any_coroutine_launches_every_spelling() -> None:
    seen: Seen = []
    scope = CoroutineScope(Dispatchers.Unconfined)

    for number, block in enumerate(SPELLINGS.values()):
        run_blocking(scope.launch(*block(seen, number)).join)

    assert seen == list(range(len(SPELLINGS)))
    scope.cancel()


@pytest.mark.parametrize("function", [plain, coroutine, 42, len])
def test_suspend_marks_generator_functions_and_nothing_else(function: Any) -> None:
    with pytest.raises(TypeError, match="generator function"):
        suspend(function)
