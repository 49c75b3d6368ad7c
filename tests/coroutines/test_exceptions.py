"""Failures: upward, under supervision, to handlers, several at once, and those that end the program (rows E1-E12)."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CompletionHandlerError,
    CoroutineContext,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineName,
    CoroutineScope,
    Dispatchers,
    GlobalScope,
    Handler,
    Job,
    Looper,
    NonCancellable,
    SupervisorJob,
    add_global_exception_handler,
    as_group,
    async_,
    await_cancellation,
    coroutine_scope,
    current_context,
    current_job,
    delay,
    launch,
    run_blocking,
    run_main,
    supervisor_scope,
    with_context,
    with_timeout,
    yield_,
)
from vmscope._errors import add_suppressed, suppressed_of

OnMain = Callable[..., Any]


def fail(error: BaseException) -> None:
    raise error


def fail_after(seconds: float, error: BaseException) -> Generator[Any, Any, None]:
    yield from delay(seconds)
    raise error


def fail_in_finally(error: BaseException) -> Generator[Any, Any, None]:
    try:
        yield from await_cancellation()
    finally:
        raise error


# ---- E1, E2: up the tree


def test_a_failure_cancels_the_parent_and_the_siblings_and_goes_up_as_the_same_object(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """E1"""
    error = LookupError()
    log: list[str] = []

    def sibling() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 2)
            log.append(f"sibling over at {main.now:g}")

    def middle() -> None:
        launch(sibling)
        launch(fail_after, 1, error)

    def parent() -> None:
        launch(middle)

    job = scope.launch(parent)
    job.invoke_on_completion(lambda cause: log.append(f"parent over at {main.now:g}: {cause is error}"))
    main.drain()

    assert log == ["sibling over at 3", "parent over at 3: True"]
    assert seen == [error]


def test_children_of_a_supervisor_fail_alone(main: VMain, scope: CoroutineScope, seen: list[BaseException]) -> None:
    """E2"""
    first, second = LookupError(), KeyError()

    scope.launch(fail, first)
    sibling = scope.launch(delay, 5)
    scope.launch(fail, second)
    main.advance(1)

    assert scope.is_active
    assert sibling.is_active
    assert seen == [first, second]
    main.drain()


# ---- E3, E4: the handler


def test_the_handler_of_a_nested_child_is_not_asked(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """E3"""
    error = LookupError()
    nested: list[Any] = []

    def parent() -> None:
        launch(fail, error, context=CoroutineExceptionHandler(lambda _context, failure: nested.append(failure)))

    scope.launch(parent)
    main.drain()

    assert nested == []
    assert seen == [error]


def test_the_handler_cannot_prevent_the_cancellation(main: VMain) -> None:
    """E3"""
    calm = CoroutineScope(Dispatchers.Main + CoroutineExceptionHandler(lambda *_: None))

    calm.launch(fail, LookupError())
    main.drain()

    assert not calm.is_active


def test_the_handler_is_told_once_with_the_context_when_all_children_have_ended_and_before_join_returns(
    main: VMain, on_main: OnMain
) -> None:
    """E4"""
    log: list[Any] = []
    error = LookupError()

    def handle(context: CoroutineContext, failure: BaseException) -> None:
        log.append(("handler", context[CoroutineName], failure, main.now, threading.current_thread()))

    def child() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 2)

    async def body() -> None:
        launch(child)
        await delay(1)
        raise error

    async def joins() -> None:
        job = CoroutineScope(Dispatchers.Main + CoroutineExceptionHandler(handle)).launch(body, name="load")
        await job.join()
        log.append("joined")

    on_main(joins)

    assert log == [("handler", CoroutineName("load"), error, 3, threading.current_thread()), "joined"]


def test_a_handler_shows_its_function() -> None:
    """E3"""
    assert repr(CoroutineExceptionHandler(print)) == f"CoroutineExceptionHandler({print!r})"


def test_the_handler_is_never_told_of_a_cancellation(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """E4"""
    job = scope.launch(await_cancellation)
    main.run_current()
    job.cancel("closed", LookupError("a failure as the cause"))
    main.drain()

    assert seen == []


# ---- E5, E6: where it goes else


def test_a_handler_that_raises_is_reported_with_both_failures(main: VMain, reported: list[BaseException]) -> None:
    """E5, F36"""
    first, second = LookupError("first"), KeyError("second")
    scope = CoroutineScope(Dispatchers.Main + CoroutineExceptionHandler(lambda *_: fail(second)))

    scope.launch(fail, first)
    main.drain()

    (error,) = reported
    assert isinstance(error, RuntimeError)
    assert error.__cause__ is second
    assert suppressed_of(error) == (first,)


def test_a_handler_that_raises_the_failure_on_is_reported_once(main: VMain, reported: list[BaseException]) -> None:
    """E5"""
    error = LookupError()

    def rethrow(_context: object, failure: BaseException) -> None:
        raise failure

    CoroutineScope(Dispatchers.Main + CoroutineExceptionHandler(rethrow)).launch(fail, error)
    main.drain()

    assert reported == [error]


def test_without_a_handler_the_global_ones_are_told_each_once(main: VMain) -> None:
    """E6"""
    error = LookupError()
    log: list[Any] = []
    handles = [
        add_global_exception_handler(lambda context, failure: log.append((context[CoroutineName], failure)))
        for _ in range(2)
    ]

    CoroutineScope(Dispatchers.Main).launch(fail, error, name="load")
    main.drain()
    for handle in handles:
        handle.dispose()
        handle.dispose()

    assert log == [(CoroutineName("load"), error)] * 2


def test_a_global_handler_that_raises_does_not_stop_the_next(main: VMain, uncaught: list[BaseException]) -> None:
    """E6, F36"""
    error, slip = LookupError(), KeyError("slip")
    log: list[BaseException] = []
    handles = [
        add_global_exception_handler(lambda _context, _error: fail(slip)),
        add_global_exception_handler(lambda _context, failure: log.append(failure)),
    ]

    CoroutineScope(Dispatchers.Main).launch(fail, error)
    main.drain()
    for handle in handles:
        handle.dispose()

    assert log == [error]
    assert [failure.__cause__ for failure in uncaught] == [slip]
    uncaught.clear()


def test_without_any_it_goes_to_the_threads_hook_with_the_name_noted(
    main: VMain, uncaught: list[BaseException]
) -> None:
    """E6, difference 8: and the looper lives on."""
    error = LookupError("no such row")
    ran: list[int] = []

    CoroutineScope(Dispatchers.Main).launch(fail, error, name="load")
    CoroutineScope(Dispatchers.Main).launch(ran.append, 1)
    main.drain()

    assert uncaught == [error]
    assert error.__notes__ == ["in coroutine 'load'"]
    assert ran == [1]
    uncaught.clear()


# ---- E7: several failures


def test_the_first_failure_is_the_one_and_later_ones_are_attached_once_each(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """E7, F24, difference 9"""
    first, second, third = LookupError("first"), KeyError("second"), ValueError("third")

    def family() -> None:
        launch(fail_in_finally, second)
        launch(fail_in_finally, third)
        launch(fail_in_finally, second)
        launch(fail_after, 1, first)

    scope.launch(family)
    main.drain()

    assert seen == [first]
    assert set(suppressed_of(first)) == {second, third}
    assert len(suppressed_of(first)) == 2
    shown = "".join(traceback.format_exception(first))
    assert "suppressed: KeyError: 'second'" in shown
    assert "suppressed: ValueError: third" in shown


def test_a_failure_and_those_suppressed_in_it_are_a_group_where_that_is_asked_for() -> None:
    """E7"""
    first, second, third = LookupError("first"), KeyError("second"), ValueError("third")
    add_suppressed(second, third)
    add_suppressed(first, second)

    group = as_group(first)
    with pytest.raises(ExceptionGroup) as found:
        raise group
    keys, rest = group.split(lambda error: error is second)

    assert found.value.exceptions[0] is first
    assert keys is not None and rest is not None
    inner = group.exceptions[1]
    assert isinstance(inner, ExceptionGroup)
    assert inner.exceptions == (second, third)
    assert as_group(CancellationException("away")).exceptions[0].args == ("away",)
    with pytest.raises(TypeError, match=r"as_group\(\) takes an exception, got 'text'"):
        as_group("text")  # type: ignore[arg-type]


def test_the_same_object_from_two_children_is_not_attached_to_itself(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """E7"""
    error = LookupError()

    def family() -> None:
        launch(fail_in_finally, error)
        launch(fail_after, 1, error)

    scope.launch(family)
    main.drain()

    assert seen == [error]
    assert suppressed_of(error) == ()


def test_cancellations_are_not_attached(main: VMain, scope: CoroutineScope, seen: list[BaseException]) -> None:
    """E7"""
    error = LookupError()

    def family() -> None:
        launch(fail_in_finally, CancellationException("mine"))
        launch(await_cancellation)
        launch(fail_after, 1, error)

    scope.launch(family)
    main.drain()

    assert seen == [error]
    assert suppressed_of(error) == ()


# ---- E8, E9: where try/except works


SCOPES: dict[str, Callable[[Any, Any], Any]] = {
    "coroutine_scope": coroutine_scope,
    "supervisor_scope": supervisor_scope,
    "with_context": lambda block, *args: with_context(CoroutineName("inner"), block, *args),
    "with_timeout": lambda block, *args: with_timeout(60, block, *args),
}


@pytest.mark.parametrize("name", SCOPES)
def test_what_a_scope_function_raises_can_be_caught_around_it(
    main: VMain, scope: CoroutineScope, seen: list[BaseException], name: str
) -> None:
    """E8"""
    error = LookupError()
    log: list[Any] = []

    async def body() -> None:
        try:
            await SCOPES[name](fail_after, 1, error)  # type: ignore[call-arg]
        except LookupError as raised:
            log.append(raised)
        await yield_()
        log.append(current_job().is_active)

    scope.launch(body)
    main.drain()

    assert log == [error, True]
    assert seen == []


def test_try_around_launch_catches_nothing_and_around_await_does_not_save_the_parent(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """E9, appendix B 21"""
    first, second = LookupError(), KeyError()
    log: list[str] = []

    async def launches() -> None:
        try:
            launch(fail, first)
        except LookupError:
            log.append("caught around launch")
        await delay(1)
        log.append("never")

    async def awaits() -> None:
        try:
            await async_(fail, second).await_()
        except KeyError:
            log.append("caught around await")
        await delay(1)
        log.append("never")

    scope.launch(launches)
    scope.launch(awaits)
    main.drain()

    assert log == ["caught around await"]
    assert seen == [first, second]


# ---- E10: the trace


def functions(error: BaseException) -> list[str]:
    return [line.name for line in traceback.extract_tb(error.__traceback__)]


def test_a_rethrown_failure_shows_where_it_was_raised_and_who_waited(scope: CoroutineScope, on_main: OnMain) -> None:
    """E10"""

    def deepest() -> None:
        raise LookupError

    async def load() -> None:
        await with_context(CoroutineName("inner"), deepest)

    async def awaiting() -> None:
        await scope.async_(load).await_()

    with pytest.raises(LookupError) as raised:
        on_main(awaiting)

    names = functions(raised.value)
    assert names.index("awaiting") < names.index("load") < names.index("deepest")


@pytest.mark.parametrize("how", ["await", "get_completed"])
def test_a_failed_deferred_that_is_asked_100_times_keeps_its_traceback_as_long_as_it_was(
    main: VMain, scope: CoroutineScope, on_main: OnMain, how: str
) -> None:
    """E10, F43"""
    deferred = scope.async_(fail_after, 1, LookupError())
    main.drain()

    async def body() -> list[int]:
        lengths = []
        for _ in range(100):
            try:
                if how == "await":
                    await deferred.await_()
                else:
                    deferred.get_completed()
            except LookupError as error:
                lengths.append(len(functions(error)))
        return lengths

    lengths = on_main(body)
    assert len(lengths) == 100
    assert len(set(lengths)) == 1


# ---- E11: completion handlers


def test_what_a_completion_handler_raises_does_not_change_the_outcome(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """E11"""
    slip = KeyError("slip")

    good = scope.async_(delay, 1)
    good.invoke_on_completion(lambda _: fail(slip))
    main.drain()

    assert good.get_completed() is None
    assert [type(error) for error in seen] == [CompletionHandlerError]
    assert seen[0].__cause__ is slip


def test_a_job_without_a_body_raises_it_to_whoever_ends_the_job() -> None:
    """E11: there is no context whose handler could take it."""
    job = Job()
    job.invoke_on_completion(lambda _: fail(KeyError("slip")))

    with pytest.raises(CompletionHandlerError):
        job.complete()

    assert job.is_completed
    assert not job.is_cancelled


def test_what_a_handler_on_cancelling_raises_is_raised_to_whoever_cancels_when_all_have_been_told() -> None:
    """E11, J10"""
    job = Job()
    told: list[object] = []
    job.invoke_on_completion(lambda _: fail(KeyError("slip")), on_cancelling=True)
    job.invoke_on_completion(told.append, on_cancelling=True)
    child = Job(job)

    with pytest.raises(CompletionHandlerError):
        job.cancel("enough")

    assert [str(each) for each in told] == ["enough"]
    assert child.is_cancelled
    assert job.is_completed


# ---- E12: what ends the program

STOPS = [KeyboardInterrupt, SystemExit]


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("where", ["body", "child", "grandchild of a supervisor", "on another thread"])
def test_it_cancels_up_to_the_root_leaves_through_run_blocking_and_reaches_no_handler(
    reported: list[BaseException], stop: type[BaseException], where: str
) -> None:
    """E12, F25, difference 7"""
    error = stop()
    seen: list[BaseException] = []
    log: list[str] = []
    handler = CoroutineExceptionHandler(lambda _context, failure: seen.append(failure))

    def sibling() -> Generator[Any, Any, None]:
        try:
            yield from await_cancellation()
        finally:
            log.append("sibling cleaned up")

    async def supervised() -> None:
        async with supervisor_scope():
            launch(coroutine_scope, launch, fail, error)
            await await_cancellation()

    async def body() -> None:
        launch(sibling)
        await yield_()
        if where == "body":
            raise error
        elif where == "child":
            launch(fail, error)
        elif where == "on another thread":
            await with_context(Dispatchers.IO, fail, error)
        else:
            await supervised()
        await await_cancellation()

    with pytest.raises(stop) as raised:
        run_blocking(body, context=handler)

    assert raised.value is error
    assert log == ["sibling cleaned up"]
    assert seen == []
    assert reported == []


@pytest.mark.parametrize("stop", STOPS)
def test_it_leaves_through_run_main(reported: list[BaseException], stop: type[BaseException]) -> None:
    """E12"""
    error = stop()

    async def body() -> None:
        launch(fail, error)
        await await_cancellation()

    with pytest.raises(stop) as raised:
        run_main(body)

    assert raised.value is error
    assert reported == []


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("supervised", [False, True])
def test_it_leaves_through_loop_whatever_scope_it_was_raised_in(
    reported: list[BaseException], stop: type[BaseException], supervised: bool
) -> None:
    """E12, F2"""
    error = stop()
    seen: list[BaseException] = []
    looper = Looper.prepare_main()
    handler = CoroutineExceptionHandler(lambda _context, failure: seen.append(failure))
    scope = CoroutineScope((SupervisorJob() if supervised else Job()) + Dispatchers.Main + handler)
    sibling = scope.launch(await_cancellation)
    scope.launch(fail, error)
    Handler(looper).post_delayed(looper.quit, 10)

    with pytest.raises(stop) as raised:
        Looper.loop()

    assert raised.value is error
    assert seen == []
    assert reported == []
    assert sibling.is_cancelled


@pytest.mark.parametrize("stop", STOPS)
def test_joiners_wake_before_it_leaves(stop: type[BaseException]) -> None:
    """F25: the job completes with it first."""
    error = stop()
    log: list[Any] = []
    scope = CoroutineScope(SupervisorJob())

    async def body() -> None:
        dispatcher = current_context()[CoroutineDispatcher]
        assert dispatcher is not None
        job = (scope + dispatcher).launch(fail, error)
        job.invoke_on_completion(log.append)
        await await_cancellation()

    with pytest.raises(stop):
        run_blocking(body)

    assert log[0] is error


def test_an_async_that_nobody_awaits_does_not_hide_it() -> None:
    """E12"""
    error = KeyboardInterrupt()

    async def body() -> None:
        async with supervisor_scope():
            async_(fail, error)
            await delay(0.001)
        await await_cancellation()

    with pytest.raises(KeyboardInterrupt) as raised:
        run_blocking(body)

    assert raised.value is error


@pytest.mark.parametrize("builder", ["launch", "async_"])
@pytest.mark.parametrize("stop", STOPS)
def test_where_no_loop_runs_it_is_reported(
    uncaught: list[BaseException], stop: type[BaseException], builder: str
) -> None:
    """E12: nobody is there through whom it could leave."""
    error = stop()

    getattr(CoroutineScope(Dispatchers.Unconfined), builder)(fail, error)

    assert uncaught.pop() is error


def test_a_completion_handler_of_a_scope_block_that_raises_is_told_to_the_handler(
    main: VMain, scope: CoroutineScope, seen: list[BaseException]
) -> None:
    """E11"""
    slip = KeyError("slip")

    def block() -> str:
        current_job().invoke_on_completion(lambda _: fail(slip))
        return "value"

    deferred = scope.async_(coroutine_scope, block)
    main.drain()

    assert deferred.get_completed() == "value"
    assert [error.__cause__ for error in seen] == [slip]


def test_a_thread_hook_that_raises_keeps_no_job_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """E6: `threading.excepthook` is a user's own; what it raises goes to `sys.excepthook`, and the job ends."""
    told: list[BaseException] = []

    def broken(_: object) -> None:
        raise LookupError("the hook is broken")

    def fail() -> None:
        raise ValueError("boom")

    def body() -> Generator[Any, Any, Job]:
        job = GlobalScope.launch(fail)
        yield from job.join()
        return job

    monkeypatch.setattr(threading, "excepthook", broken)
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: told.append(error))
    job = run_blocking(body)

    assert job.is_completed
    assert [str(error) for error in told] == ["the hook is broken"]
