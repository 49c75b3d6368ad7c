"""run_on: a blocking call from any thread into a scope. `handler.call`, for one function, is tested with the looper."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from tests.coroutines.test_process import run
from tests.virtual_main import VMain
from vmscope import (
    CancellationException,
    CoroutineScope,
    DeferredCancelledError,
    Dispatchers,
    HandlerThread,
    IllegalStateError,
    Job,
    SupervisorJob,
    as_dispatcher,
    await_cancellation,
    delay,
    join_all,
    non_cancellable,
    run_blocking,
    run_blocking_io,
    with_context,
)
from vmscope.interop import run_on

Outcome = Callable[..., Any]


def from_a_thread(main: VMain, call: Callable[[], Any]) -> Future[Any]:
    """Make `call` on a thread of its own while the main looper runs, and give what came of it."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as failure:  # noqa: BLE001  (for the test to look at)
            future.set_exception(failure)

    thread = threading.Thread(target=run)
    thread.start()
    main.run_until(lambda: not thread.is_alive())
    thread.join()
    return future


def test_a_thread_calls_into_a_scope_and_gets_the_value(main: VMain, scope: CoroutineScope) -> None:
    """I4"""
    here = threading.get_ident()

    async def native(value: int) -> tuple[int, bool]:
        await delay(1.0)
        return value, threading.get_ident() == here

    def generated(value: int) -> Generator[Any, Any, int]:
        yield from delay(1.0)
        return value

    assert from_a_thread(main, lambda: run_on(scope, native, 7)).result() == (7, True)
    assert from_a_thread(main, lambda: run_on(scope, generated, 8)).result() == 8
    assert from_a_thread(main, lambda: run_on(scope, divmod, 7, 2)).result() == (3, 1)


def test_the_failure_is_the_callers_and_not_the_scopes(main: VMain) -> None:
    """I4"""
    scope = CoroutineScope(Job() + Dispatchers.Main)
    errors: list[Exception] = [LookupError("no such row"), TimeoutError("its own"), CancelledError("its own")]

    async def body(error: Exception) -> None:
        raise error

    for error in errors:
        assert from_a_thread(main, lambda error=error: run_on(scope, body, error)).exception() is error
    assert scope.is_active


def test_the_end_of_the_scope_ends_the_call(main: VMain, scope: CoroutineScope) -> None:
    """I4: with an Exception, for the thread was not cancelled."""
    main.post_delayed(2.0, scope.cancel)

    failure = from_a_thread(main, lambda: run_on(scope, await_cancellation)).exception()
    late = from_a_thread(main, lambda: run_on(scope, await_cancellation)).exception()

    assert isinstance(failure, DeferredCancelledError)
    assert isinstance(late, DeferredCancelledError)


def test_the_own_thread_of_the_scope_is_refused(main: VMain, scope: CoroutineScope) -> None:
    """I4: it would wait for itself."""
    with pytest.raises(IllegalStateError, match=r"it would wait for itself for ever\. Await it in a coroutine"):
        run_on(scope, delay, 1.0)
    with pytest.raises(IllegalStateError, match="itself"):
        run_on(scope + Dispatchers.Main.immediate, delay, 1.0)

    with HandlerThread("other") as other:
        elsewhere = CoroutineScope(as_dispatcher(other.handler))
        with pytest.raises(IllegalStateError, match="itself"):
            other.handler.call(lambda: run_on(elsewhere, delay, 1.0))
        assert run_on(elsewhere, threading.get_ident) == other.looper.thread.ident


def test_inside_a_private_loop_its_own_scope_is_refused() -> None:
    """I4"""

    async def body() -> None:
        from vmscope import current_scope

        with pytest.raises(IllegalStateError, match="itself"):
            run_on(current_scope(), delay, 1.0)

    run_blocking(body)


def test_the_call_gives_up_when_its_time_is_up() -> None:
    """I4: real seconds, of the thread that waits; the coroutine, which has begun by then, is cancelled."""
    log: list[str] = []

    async def body() -> None:
        try:
            await await_cancellation()
        except CancellationException as cancellation:
            log.append(str(cancellation))
            raise

    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 seconds"):
        run_on(CoroutineScope(Dispatchers.Unconfined + Job()), body, timeout=0.01)

    assert log == ["run_on() waited 0.01 seconds for it, in vain"]


def test_a_cancellation_passes_through_a_thread_into_its_call(main: VMain, scope: CoroutineScope) -> None:
    """I4: a coroutine calls blocking code, which calls a coroutine; the first is cancelled, and waits for all of it."""
    log: list[str] = []
    begun = threading.Event()

    async def inner() -> None:
        begun.set()
        try:
            await await_cancellation()
        finally:
            await non_cancellable(delay, 1.0)
            log.append("inner")

    def blocking() -> None:
        try:
            run_on(scope, inner)
        except CancellationException:
            log.append("thread")
            raise

    job = scope.launch(run_blocking_io, blocking)
    main.run_until(begun.is_set)
    job.cancel()
    main.run_until(lambda: job.is_completed)

    assert log == ["inner", "thread"]
    assert job.state_name == "Cancelled"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_ends_the_wait_and_cancels_the_coroutine() -> None:
    """I4, I7"""
    code, out, err = run("""
        from vmscope.interop import run_on
        over = threading.Event()
        async def body():
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await await_cancellation()
            finally:
                over.set()
        with HandlerThread("other") as other:
            try:
                run_on(CoroutineScope(as_dispatcher(other.handler)), body)
            except KeyboardInterrupt:
                print("interrupted;", "cancelled" if over.wait(10) else "still there")
    """)

    assert (code, out, err) == (0, "interrupted; cancelled\n", "")


def test_a_worker_asks_the_main_thread(outcome: Outcome, scope: CoroutineScope) -> None:
    """I4"""
    here = threading.get_ident()

    def blocking() -> bool:
        return run_on(scope, threading.get_ident) == here

    assert outcome(with_context, Dispatchers.IO, blocking)


def test_bad_input_is_refused(scope: CoroutineScope) -> None:
    """I4"""
    with pytest.raises(TypeError, match="takes the scope to run in first"):
        run_on(delay, 1.0)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"run_on\(\) takes a block"):
        run_on(scope, 7)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="timeout"):
        run_on(scope, delay, 1.0, timeout=float("nan"))


def test_what_ends_the_process_is_raised_to_the_caller_of_run_on_and_told_to_nobody_else(
    uncaught: list[BaseException],
) -> None:
    def stop() -> None:
        raise SystemExit(3)

    scope = CoroutineScope(Dispatchers.Default + SupervisorJob())

    with pytest.raises(SystemExit, match="3"):
        run_on(scope, stop)

    run_blocking(lambda: join_all(*scope.coroutine_context[Job].children))
    assert uncaught == []
    assert scope.is_active
