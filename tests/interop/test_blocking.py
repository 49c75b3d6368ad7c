"""Blocking work for a coroutine: what crosses over to its thread and back, and events of strangers as single awaits."""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import threading
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any

import pytest

from tests import processes
from tests.virtual_main import VMain
from vmscope import (
    CancellableContinuation,
    CancellationException,
    CoroutineScope,
    cancel,
    check_cancelled,
    delay,
    ensure_active,
    is_active,
    run_blocking_io,
    suspend_cancellable_coroutine,
    with_timeout,
)
from vmscope.flow import callback_flow
from vmscope.interop import CancelToken, _token, cancel_token
from vmscope.sync import CapacityLimiter

Outcome = Callable[..., Any]
variable: ContextVar[str] = ContextVar("variable", default="unset")


# ---- I5: threads from coroutines


def test_context_variables_go_to_the_thread(outcome: Outcome) -> None:
    """I5, J23"""

    async def body() -> str:
        variable.set("here")
        return await run_blocking_io(variable.get)

    assert outcome(body) == "here"
    assert variable.get() == "unset"


def test_a_limiter_bounds_how_many_block_at_once(main: VMain, scope: CoroutineScope) -> None:
    """I5"""
    limiter = CapacityLimiter(2)
    gate = threading.Event()
    started: list[int] = []

    def blocking(number: int) -> None:
        started.append(number)
        assert gate.wait(10)

    async def body(number: int) -> None:
        async with limiter:
            await run_blocking_io(blocking, number)

    jobs = [scope.launch(body, number) for number in range(4)]
    main.run_until(lambda: len(started) == 2 and limiter.statistics().waiting == 2)
    gate.set()
    main.run_until(lambda: all(job.is_completed for job in jobs))

    assert sorted(started) == [0, 1, 2, 3]


def test_an_exception_of_the_thread_arrives_with_its_frames(outcome: Outcome) -> None:
    """I5"""
    error = LookupError("no such row")

    def deep_inside() -> None:
        raise error

    def blocking() -> None:
        deep_inside()

    async def body() -> list[str]:
        with pytest.raises(LookupError) as caught:
            await run_blocking_io(blocking)
        assert caught.value is error
        return [entry.name for entry in caught.traceback]

    assert outcome(body)[-2:] == ["blocking", "deep_inside"]


# ---- X17: cancel tokens


def test_a_token_tells_a_thread_that_knows_nothing_else(main: VMain, scope: CoroutineScope) -> None:
    """X17"""
    tokens: list[CancelToken] = []
    raised: list[CancellationException] = []
    noticed = threading.Event()

    def stranger(token: CancelToken) -> None:
        assert noticed.wait(10)
        try:
            token.ensure_active()
        except CancellationException as cancellation:
            raised.append(cancellation)

    def blocking(token: CancelToken) -> None:
        thread = threading.Thread(target=stranger, args=(token,))
        thread.start()
        tokens.append(token)
        thread.join()

    async def body() -> None:
        await run_blocking_io(blocking, cancel_token())

    job = scope.launch(body)
    main.run_until(lambda: bool(tokens))
    assert not tokens[0].is_cancelled
    tokens[0].ensure_active()
    job.cancel("enough")
    assert tokens[0].is_cancelled
    noticed.set()
    main.run_until(lambda: job.is_completed)

    assert [str(cancellation) for cancellation in raised] == ["enough"]


def test_a_token_belongs_to_the_innermost_block(main: VMain, outcome: Outcome) -> None:
    """X17: a timeout of it is a cancellation, too."""
    tokens: list[CancelToken] = []

    async def inner() -> None:
        tokens.append(cancel_token())
        await delay(10.0)

    async def body() -> tuple[bool, bool]:
        outer = cancel_token()
        with pytest.raises(TimeoutError):
            await with_timeout(1.0, inner)
        return tokens[0].is_cancelled, outer.is_cancelled

    assert outcome(body) == (True, False)


@pytest.mark.parametrize("when", ["before it was sent", "after it was sent", "never"])
def test_a_pickled_token_is_told_as_well(main: VMain, scope: CoroutineScope, when: str) -> None:
    """X17: by a file, which is there only once there is something to tell."""
    sent: list[bytes] = []

    async def body() -> None:
        if when == "before it was sent":
            cancel()
        sent.append(pickle.dumps(cancel_token()))
        await delay(1.0)

    job = scope.launch(body)
    main.run_current()
    received: CancelToken = pickle.loads(pickle.dumps(pickle.loads(sent[0])))
    assert received.is_cancelled == (when == "before it was sent")
    if when == "after it was sent":
        received.ensure_active()
        job.cancel()
    main.drain()

    assert received.is_cancelled == (when != "never")
    if when != "never":
        with pytest.raises(CancellationException, match="the coroutine that offloaded this call was cancelled"):
            received.ensure_active()
    assert "in another process" in repr(received)


def test_a_token_that_nobody_can_be_told_by_any_more_says_no(
    main: VMain, scope: CoroutineScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X17: the folder for its file has gone, as at the end of the process; the cancellation goes on."""
    monkeypatch.setattr(_token, "_made", None)
    sent: list[bytes] = []

    async def body() -> None:
        token = cancel_token()
        assert repr(token).startswith("<CancelToken of <")
        sent.append(pickle.dumps(token))
        await delay(1.0)

    job = scope.launch(body)
    main.run_current()
    shutil.rmtree(_token._folder())
    job.cancel()
    main.drain()

    assert job.is_cancelled
    assert not pickle.loads(sent[0]).is_cancelled


@processes.POSIX
def test_the_folder_of_the_tokens_goes_with_its_process_and_not_with_a_child() -> None:
    """X17"""
    code, out, err = processes.run("""
        from vmscope.interop import _token
        folder = _token._folder()
        child = os.fork()
        if child == 0:
            sys.exit(0)
        os.waitpid(child, 0)
        print(os.path.isdir(folder), folder)
    """)

    there, _, folder = out.strip().partition(" ")
    assert (code, there, err) == (0, "True", "")
    assert not os.path.exists(folder)


# ---- I6: events of strangers


class Button:
    """Has listeners, as toolkits have them."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[str], object]] = []

    def press(self, key: str) -> None:
        for listener in list(self.listeners):
            listener(key)


def test_one_event_is_one_await_and_the_listener_goes_in_any_case(main: VMain, scope: CoroutineScope) -> None:
    """I6"""
    button = Button()

    def pressed() -> Any:
        def register(continuation: CancellableContinuation[str]) -> None:
            def listener(key: str) -> None:
                button.listeners.remove(listener)
                continuation.resume(key)

            button.listeners.append(listener)
            continuation.invoke_on_cancellation(lambda _cause: button.listeners.remove(listener))

        return suspend_cancellable_coroutine(register)

    deferred = scope.async_(pressed)
    waiting = scope.launch(pressed)
    main.run_current()
    waiting.cancel()
    main.post(lambda: button.press("x"))
    main.drain()

    assert deferred.get_completed() == "x"
    assert not button.listeners


def test_many_events_are_a_flow_and_the_listener_goes_with_the_collector(main: VMain, outcome: Outcome) -> None:
    """I6"""
    button = Button()

    @callback_flow
    async def presses(channel: Any) -> None:
        button.listeners.append(channel.try_send)
        await channel.await_close(button.listeners.clear)

    main.post_delayed(1.0, lambda: [button.press(key) for key in "abc"])

    def body() -> Generator[Any, Any, list[str]]:
        return (yield from presses.take(2).to_list())

    assert outcome(body) == ["a", "b"]
    assert not button.listeners


# ---- what is foreign, without the bridge


def test_what_is_asyncios_is_refused_with_the_way_out(outcome: Outcome) -> None:
    """I3"""

    async def body() -> None:
        loop = asyncio.new_event_loop()
        try:
            with pytest.raises(TypeError, match=r"await_asyncio\(\) of vmscope\.interop for what is asyncio's"):
                await loop.create_future()
        finally:
            loop.close()

    outcome(body)


def test_outside_of_everything_there_is_nobody_to_cancel() -> None:
    """X17"""
    assert is_active()
    ensure_active()
    check_cancelled()
