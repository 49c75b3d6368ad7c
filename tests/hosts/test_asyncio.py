"""What is asyncio's own: a loop that others run, and may close. U3."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from vmscope import CancellationException, Dispatchers, IllegalStateError, await_cancellation, delay, with_context
from vmscope.hosts import asyncio as host_of_asyncio

from .. import processes
from .conftest import Toolkits


def on_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def test_asyncio_and_the_coroutines_on_main_take_turns() -> None:
    """U3"""
    log: list[object] = []

    async def program() -> None:
        async with host_of_asyncio.install() as host:
            done = asyncio.Event()

            async def ours() -> None:
                log.append(await with_context(Dispatchers.IO, on_main))
                await delay(0.001)
                log.append("ours")
                done.set()

            host.scope.launch(ours)
            await done.wait()
            log.append("theirs")

    asyncio.run(program())

    assert log == [False, "ours", "theirs"]


def test_the_end_of_asyncio_run_closes_the_host() -> None:
    """U3"""
    log: list[object] = []

    async def work() -> None:
        try:
            await await_cancellation()
        finally:
            log.append(("cleaned up", on_main()))

    async def program() -> host_of_asyncio.AsyncioHost:
        host = host_of_asyncio.install()
        host.scope.launch(work)
        await asyncio.sleep(0.001)
        return host

    host = asyncio.run(program())

    assert log == [("cleaned up", True)]
    assert host.is_closed
    assert host.handler.post(print) is False


def test_a_loop_that_is_closed_over_its_head_refuses_posts() -> None:
    """U3: and cancels what stood in the queue."""
    loop = asyncio.new_event_loop()

    async def here() -> host_of_asyncio.AsyncioHost:
        return host_of_asyncio.install()

    host = loop.run_until_complete(here())
    loop.close()
    ended: list[BaseException | None] = []
    over = threading.Event()

    job = host.scope.launch(await_cancellation)
    job.invoke_on_completion(lambda cause: (ended.append(cause), over.set()))

    assert host.handler.post(print) is False
    assert over.wait(10)
    assert isinstance(ended[0], CancellationException)
    host.close()


def test_aclose_lets_asyncio_go_on_while_it_waits() -> None:
    """U3: what is cancelled may wait for something of asyncio's to clean up."""
    log: list[object] = []

    async def program() -> None:
        host = host_of_asyncio.install()
        free = threading.Event()

        def hold() -> None:
            free.wait(10)

        async def work() -> None:
            try:
                await with_context(Dispatchers.IO, hold)
            finally:
                log.append("cleaned up")

        host.scope.launch(work)
        asyncio.get_running_loop().call_later(0.005, free.set)
        await asyncio.sleep(0.001)
        log.append(await host.aclose(5.0))
        log.append(await host.aclose())

    asyncio.run(program())

    assert log == ["cleaned up", True, True]


def test_aclose_gives_up_after_its_time_and_when_it_is_cancelled() -> None:
    """U3"""
    answers: list[object] = []

    async def program(cancelled: bool) -> None:
        host = host_of_asyncio.install()
        free, there, over = threading.Event(), threading.Event(), threading.Event()

        def hang() -> None:
            there.set()
            free.wait(10)

        job = host.scope.launch(lambda: with_context(Dispatchers.IO, hang))
        job.invoke_on_completion(lambda cause: over.set())
        while not there.is_set():
            await asyncio.sleep(0)
        closing = asyncio.ensure_future(host.aclose(0.005 if not cancelled else 60.0))
        if cancelled:
            await asyncio.sleep(0)
            closing.cancel()
        answers.append((await asyncio.gather(closing, return_exceptions=True))[0])
        answers.append(host.handler.post(print))
        free.set()
        assert over.wait(10)

    asyncio.run(program(cancelled=False))
    asyncio.run(program(cancelled=True))

    assert answers[:2] == [False, False]
    assert isinstance(answers[2], asyncio.CancelledError)
    assert answers[3] is False


def test_ctrl_c_under_asyncio_run_cleans_up_on_main(toolkits: Toolkits) -> None:
    """U3"""
    program = """
import asyncio, os, signal, threading
from vmscope import await_cancellation
from vmscope.hosts import asyncio as host_of_asyncio
signal.signal(signal.SIGINT, signal.default_int_handler)
async def work():
    try:
        await await_cancellation()
    finally:
        print("cleaned up", threading.current_thread() is threading.main_thread())
async def main():
    async with host_of_asyncio.install() as host:
        host.scope.launch(work)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        await asyncio.Event().wait()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""
    code, printed = toolkits.run("asyncio", "-c", program)

    assert (code, printed.splitlines()) == (0, ["cleaned up True", "interrupted"])


def test_a_pump_runs_in_nobodys_context() -> None:
    """U3: asyncio gives a callback the context of whoever asked for it; a coroutine's, perhaps."""
    from vmscope import current_job

    seen: list[object] = []

    async def program() -> None:
        async with host_of_asyncio.install() as host:
            done = asyncio.Event()

            def look() -> None:
                try:
                    seen.append(current_job())
                except IllegalStateError:
                    seen.append(None)
                done.set()

            host.scope.launch(lambda: host.handler.post(look))
            await done.wait()

    asyncio.run(program())

    assert seen == [None]


def test_there_must_be_a_running_loop_and_it_runs_itself() -> None:
    """U3"""
    with pytest.raises(IllegalStateError, match="no asyncio loop runs on this thread"):
        host_of_asyncio.install()

    async def program() -> None:
        other = asyncio.new_event_loop()
        with pytest.raises(IllegalStateError, match="is not the one that runs here"):
            host_of_asyncio.install(other)
        other.close()
        async with host_of_asyncio.install() as host:
            with pytest.raises(IllegalStateError, match="asyncio runs its loop itself"):
                host.run()
            with pytest.raises(TypeError, match="has no widgets"):
                host.bind(5)

    asyncio.run(program())


HUNG = """
    import asyncio
    from vmscope.coroutines import _pool
    from vmscope.hosts import asyncio as host_of_asyncio
    _pool.EXIT_GRACE = _pool.CANCELLED_GRACE = 3600.0
    one = Dispatchers.IO.limited_parallelism(1)
    hangs, goes_on, begins = threading.Event(), threading.Event(), threading.Event()
    def hang():
        hangs.set()
        goes_on.wait()
    def save():
        begins.set()
        time.sleep(0.05)
        print("saved", flush=True)
    async def main():
        host = host_of_asyncio.install()
        host.scope.launch(lambda: with_context(one, hang))
        while not hangs.is_set():
            await asyncio.sleep(0)
        GlobalScope.launch(save, context=one)
        print(await host.aclose(0.01), flush=True)
    asyncio.run(main())
"""


def test_the_process_does_not_wait_once_more_for_a_worker_that_hung_when_the_host_closed() -> None:
    """U2, I8"""
    assert processes.run(HUNG) == (0, "False\n", "")


def test_what_a_worker_takes_up_that_has_come_back_after_all_is_waited_for() -> None:
    """U2, I8"""
    assert processes.run(HUNG + "    goes_on.set()\n    begins.wait()\n") == (0, "False\nsaved\n", "")


def test_a_failure_that_the_looper_is_told_to_stop_for_reaches_the_loops_own_handler() -> None:
    """U3: and ends `run_forever`."""
    told: list[dict[str, Any]] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: told.append(context))

    async def here() -> host_of_asyncio.AsyncioHost:
        return host_of_asyncio.install()

    def fail() -> None:
        raise LookupError("no such row")

    host = loop.run_until_complete(here())
    host.looper.on_uncaught = lambda message, failure: False
    host.handler.post(fail)
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()

    assert [(context["message"], str(context["exception"])) for context in told] == [
        ("a message ended the main looper", "no such row")
    ]
    assert host.is_closed
