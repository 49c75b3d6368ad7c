"""What is asyncio's own: a loop that others run, and may close. U3."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from vmscope import (
    CancellationException,
    Dispatchers,
    IllegalStateError,
    NonCancellable,
    await_cancellation,
    delay,
    with_context,
    yield_,
)
from vmscope.hosts import asyncio as host_of_asyncio
from vmscope.interop import await_asyncio

from .. import processes
from .conftest import Toolkits


def on_main() -> bool:
    return threading.current_thread() is threading.main_thread()


async def what_was_launched(host: host_of_asyncio.AsyncioHost) -> None:
    """Wait until all that was launched on Main before this has begun: messages run in their order."""
    come = asyncio.Event()
    host.handler.post(come.set)
    await come.wait()


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
        await what_was_launched(host)
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
        await what_was_launched(host)
        log.append(await host.aclose(5.0))
        log.append(await host.aclose())

    asyncio.run(program())

    assert log == ["cleaned up", True, True]


async def cleans_up(clean: Callable[[], object]) -> None:
    """Until it is cancelled, and then for as long as `clean` takes."""
    try:
        await await_cancellation()
    finally:
        await with_context(NonCancellable, clean)


def launch_hung(host: host_of_asyncio.AsyncioHost, free: threading.Event) -> threading.Event:
    """Have something clean up until `free`, on a worker; the event of its end, which may come after all else."""
    over = threading.Event()
    job = host.scope.launch(cleans_up, lambda: with_context(Dispatchers.IO, free.wait))
    job.invoke_on_completion(lambda cause: over.set())
    return over


def test_the_end_of_the_block_waits_for_clean_up_that_takes_time_and_many_turns() -> None:
    """U2, U3: on Main, as close() does."""
    log: list[object] = []

    async def put_away() -> None:
        await delay(0.002)
        log.append(("put away", on_main()))

    async def many_turns() -> None:
        for _ in range(50):
            await yield_()
        log.append(("turned", on_main()))

    async def program() -> None:
        async with host_of_asyncio.install() as host:
            host.budget = 0.0
            for clean in many_turns, many_turns, put_away:
                host.scope.launch(cleans_up, clean)
            await what_was_launched(host)
        log.append("after the block")

    asyncio.run(program())

    assert log[-1] == "after the block"
    assert log.count(("turned", True)) == 2
    assert log.count(("put away", True)) == 1


def test_aclose_is_for_a_task_of_the_hosts_own_loop() -> None:
    """U3: anywhere else nothing has ended."""
    told: list[str] = []

    async def tries(host: host_of_asyncio.AsyncioHost) -> None:
        try:
            await host.aclose()
        except IllegalStateError as refusal:
            told.append(str(refusal))

    async def program() -> None:
        async with host_of_asyncio.install() as host:
            await asyncio.to_thread(asyncio.run, tries(host))
            ours = host.scope.launch(tries, host)
            while not ours.is_completed:
                await asyncio.sleep(0)
            for seconds in (-1.0, float("nan")):
                with pytest.raises(ValueError, match="the seconds to wait must be >= 0"):
                    await host.aclose(seconds)
            assert not host.is_closed

    asyncio.run(program())

    elsewhere, in_a_coroutine = told
    assert "it belongs to 'MainThread'; post it there: host.handler.post(host.end)" in elsewhere
    assert "await it in one, or call host.close()" in in_a_coroutine


@pytest.mark.parametrize("first", ["time", "close", "the work", "cancelled"])
def test_all_that_wait_for_the_same_end_are_told_the_same(first: str) -> None:
    """U3: whatever comes first, of several the shortest time."""
    answers: list[object] = []

    async def program() -> None:
        host = host_of_asyncio.install()
        free = threading.Event()
        over = launch_hung(host, free)
        await what_was_launched(host)
        waiting = [asyncio.create_task(host.aclose(seconds)) for seconds in (60.0, float("inf"))]
        await asyncio.sleep(0)
        if first == "time":
            answers.append(await host.aclose(0.001))
        elif first == "close":
            answers.append(host.close(0.001))
        elif first == "the work":
            free.set()
            answers.append(await host.aclose())
        else:
            waiting.pop().cancel()
            await asyncio.sleep(0)
            assert not waiting[0].done()
            free.set()
        answers.extend(await asyncio.gather(*waiting))
        answers.append(host.close())
        answers.append(await host.aclose())
        free.set()
        assert over.wait(10)

    asyncio.run(program())

    assert set(answers) == {first in ("the work", "cancelled")}


def test_clean_up_that_waits_for_asyncio_is_waited_for_at_the_end_of_asyncio_run() -> None:
    """U3: without a block, too."""
    log: list[object] = []

    async def put_away() -> None:
        await await_asyncio(asyncio.sleep(0.002))
        log.append(("put away", on_main()))

    async def program() -> None:
        host = host_of_asyncio.install()
        host.scope.launch(cleans_up, put_away)
        await what_was_launched(host)

    asyncio.run(program())

    assert log == [("put away", True)]


# ---- end(), and what ends the host by itself


def end(host: host_of_asyncio.AsyncioHost) -> None:
    host.end()


def end_later(host: host_of_asyncio.AsyncioHost) -> None:
    host.handler.post_delayed(host.end, 0.001)


def quit_later(host: host_of_asyncio.AsyncioHost) -> None:
    host.handler.post_delayed(host.looper.quit, 0.001)


@pytest.mark.parametrize("ends", [end, end_later, quit_later])
def test_the_end_of_the_host_ends_the_block_and_the_program_goes_on_after_it(
    ends: Callable[[host_of_asyncio.AsyncioHost], None],
) -> None:
    """U3: under asyncio.run(), which takes a loop that is stopped for an error."""
    log: list[object] = []

    async def program() -> str:
        async with host_of_asyncio.install() as host:
            ends(host)
            try:
                await asyncio.Event().wait()
            finally:
                log.append(host.is_closed)
        task = asyncio.current_task()
        assert task is not None
        log.append(task.cancelling())
        await asyncio.sleep(0)
        return "done"

    assert asyncio.run(program()) == "done"
    assert log == [True, 0]


def test_end_lets_asyncio_go_on_while_what_it_ends_cleans_up() -> None:
    """U3: posts are refused at once; and the block may end by itself meanwhile."""
    log: list[object] = []

    async def put_away() -> None:
        await await_asyncio(asyncio.sleep(0.002))
        log.append("put away")

    async def program() -> None:
        async with host_of_asyncio.install() as host:
            host.scope.launch(cleans_up, put_away)
            await what_was_launched(host)
            log.append(host.end(float("inf")))
            log.append(host.handler.post(print))
            log.append(host.end())
        log.append(host.end())
        log.append(host.close())

    asyncio.run(program())

    assert log == [False, False, False, "put away", True, True]


def test_end_gives_up_after_its_time_though_the_block_does_not_end() -> None:
    """U2, U3"""
    left: list[bool] = []

    async def program() -> None:
        async with host_of_asyncio.install() as host:
            free = threading.Event()
            over = launch_hung(host, free)
            await what_was_launched(host)
            host.end(0.001)
            while "closed" not in repr(host):
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    pass  # a body that does not want to end
            free.set()
            assert over.wait(10)
        left.append(host.close())

    asyncio.run(program())

    assert left == [False]


def test_who_cancels_the_blocks_task_is_not_taken_for_the_end_of_the_host() -> None:
    """U3"""

    async def program() -> None:
        async with host_of_asyncio.install() as host:
            host.handler.post(host.end)
            task = asyncio.current_task()
            assert task is not None
            try:
                await asyncio.Event().wait()
            finally:
                asyncio.get_running_loop().call_soon(task.cancel)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(program())


@pytest.mark.parametrize("failure", [SystemExit(7), LookupError("no such row")], ids=repr)
@pytest.mark.parametrize("when", ["at work", "cleaning up"])
def test_what_ends_the_host_leaves_the_block(failure: BaseException, when: str) -> None:
    """U3: as it leaves `run()` of the other hosts."""
    log: list[object] = []
    over = threading.Event()

    def fail() -> None:
        raise failure

    async def put_away() -> None:
        await delay(0.001)
        log.append("put away")

    async def program() -> None:
        async with host_of_asyncio.install() as host:
            host.looper.on_uncaught = lambda message, failure: False
            job = host.scope.launch(cleans_up, put_away)
            job.invoke_on_completion(lambda cause: over.set())
            await what_was_launched(host)
            if when == "at work":
                host.handler.post(fail)
                await asyncio.Event().wait()
            host.loop.call_soon(host._stop, failure)

    with pytest.raises(type(failure)) as seen:
        asyncio.run(program())

    assert over.wait(10)
    assert seen.value is failure
    assert seen.value.__suppress_context__
    assert log == ["put away"] or when == "cleaning up"


def test_without_a_block_the_end_of_the_host_cancels_the_task_that_has_installed_it() -> None:
    """U3"""
    log: list[object] = []

    async def program() -> None:
        host = host_of_asyncio.install()
        host.handler.post(host.end)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cancelled:
            log.append(str(cancelled))
            raise

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(program())

    assert log == ["<vmscope.hosts.asyncio.AsyncioHost closed> has ended"]


def test_a_failure_while_aclose_waits_ends_the_wait_and_then_asyncio_run() -> None:
    """U3"""
    answers: list[object] = []
    over: list[threading.Event] = []
    free = threading.Event()

    async def program() -> None:
        host = host_of_asyncio.install()
        over.append(launch_hung(host, free))
        await what_was_launched(host)
        host.loop.call_soon(host._stop, SystemExit(3))
        answers.append(await host.aclose(60.0))
        await asyncio.Event().wait()

    with pytest.raises(SystemExit, match="3"):
        asyncio.run(program())
    free.set()

    assert over[0].wait(10)
    assert answers == [False]


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
    from vmscope import _at_exit
    from vmscope.coroutines import _pool
    from vmscope.hosts import asyncio as host_of_asyncio
    _at_exit.GRACE = _pool.CANCELLED_GRACE = 3600.0
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
