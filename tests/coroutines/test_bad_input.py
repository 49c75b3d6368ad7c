"""Bad input is refused at once, where it is given, with an error that names it and says what to do instead."""

from __future__ import annotations

import asyncio
import functools
import pickle
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vmscope import (
    CancellableContinuation,
    CancellationException,
    CoroutineExceptionHandler,
    CoroutineScope,
    Dispatchers,
    EmptyCoroutineContext,
    Handler,
    HandlerThread,
    IllegalStateError,
    Job,
    Looper,
    Message,
    NonCancellable,
    SupervisorJob,
    VmScopeWarning,
    add_global_exception_handler,
    as_dispatcher,
    coroutine_scope,
    current_context,
    current_job,
    current_scope,
    delay,
    join_all,
    launch,
    new_fixed_thread_pool_context,
    register_main_factory,
    run_blocking,
    run_blocking_io,
    run_main,
    supervisor_scope,
    suspend_cancellable_coroutine,
    suspend_coroutine,
    with_context,
    with_timeout,
    with_timeout_or_none,
    yield_,
)


def nothing() -> None:
    """Do it."""


async def an_async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.fixture
def no_main() -> Iterator[None]:
    """No main looper, as in a program that never made one."""
    before = Looper.get_main()
    Looper.set_main_for_test(None)
    yield
    Looper.set_main_for_test(before)


def on_a_new_thread(function: Callable[..., object], *args: object) -> object:
    """Call `function` on a thread that has no looper, and ends; return what it returns, raise what it raises."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


# ---- blocks


NO_BLOCKS = [42, None, "work", [nothing], Job()]


@pytest.mark.parametrize("thing", NO_BLOCKS, ids=lambda thing: type(thing).__name__)
@pytest.mark.parametrize("builder", ["launch", "async_"])
def test_what_is_no_block_is_refused_by_the_builders(builder: str, thing: Any) -> None:
    job = SupervisorJob()
    scope = CoroutineScope(job + Dispatchers.Unconfined)

    with pytest.raises(TypeError, match=r"block|callable|function") as refusal:
        getattr(scope, builder)(thing)

    assert repr(thing) in str(refusal.value)
    assert not list(job.children), "nothing was started"
    assert scope.is_active


@pytest.mark.parametrize("thing", NO_BLOCKS, ids=lambda thing: type(thing).__name__)
@pytest.mark.parametrize(
    "builder",
    [
        functools.partial(with_context, EmptyCoroutineContext),
        coroutine_scope,
        supervisor_scope,
        functools.partial(with_timeout, 60),
        functools.partial(with_timeout_or_none, 60),
    ],
    ids=["with_context", "coroutine_scope", "supervisor_scope", "with_timeout", "with_timeout_or_none"],
)
def test_what_is_no_block_is_refused_by_the_suspending_builders(builder: Callable[..., Any], thing: Any) -> None:
    async def body() -> None:
        with pytest.raises(TypeError, match=r"block|callable|function") as refusal:
            await builder(thing)
        assert thing is None or repr(thing) in str(refusal.value)

    run_blocking(body)


@pytest.mark.usefixtures("no_main")
@pytest.mark.parametrize("thing", NO_BLOCKS, ids=lambda thing: type(thing).__name__)
@pytest.mark.parametrize("runner", [run_blocking, run_main])
def test_what_is_no_block_is_refused_by_those_who_run_one(runner: Callable[..., Any], thing: Any) -> None:
    with pytest.raises(TypeError, match=r"block|callable|function") as refusal:
        on_a_new_thread(runner, thing)

    assert repr(thing) in str(refusal.value)


def test_an_async_generator_is_no_block() -> None:
    with pytest.raises(TypeError, match="async generator"):
        run_blocking(an_async_generator)


def test_arguments_beside_a_ready_made_coroutine_are_refused() -> None:
    async def body() -> None:
        """Do nothing."""

    made = body()
    with pytest.raises(TypeError, match="argument"):
        run_blocking(made, 1)  # type: ignore[call-overload]
    made.close()


# ---- what launch is given


@pytest.mark.parametrize(
    "job", [Job(), SupervisorJob(), NonCancellable], ids=["Job", "SupervisorJob", "NonCancellable"]
)
@pytest.mark.parametrize("builder", ["launch", "async_"])
def test_a_job_in_the_context_of_a_builder_is_refused_with_the_right_spelling(builder: str, job: Any) -> None:
    scope = CoroutineScope(Dispatchers.Unconfined)

    with pytest.raises(ValueError, match=r"\+"):
        getattr(scope, builder)(nothing, context=job)
    with pytest.raises(ValueError, match=r"\+"):
        getattr(scope, builder)(nothing, context=Dispatchers.Default + job)


@pytest.mark.parametrize("context", [42, "Main", nothing], ids=lambda thing: type(thing).__name__)
def test_a_context_that_is_none_is_refused(context: Any) -> None:
    scope = CoroutineScope(Dispatchers.Unconfined)

    with pytest.raises(TypeError, match="context"):
        scope.launch(nothing, context=context)


@pytest.mark.parametrize("number", [0, -1])
def test_a_parallelism_below_one_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=str(number)):
        Dispatchers.IO.limited_parallelism(number)
    with pytest.raises(ValueError, match=str(number)):
        Dispatchers.Default.limited_parallelism(number)
    with pytest.raises(ValueError, match=str(number)):
        new_fixed_thread_pool_context(number, "pool")


# ---- what a coroutine waits for


@pytest.mark.parametrize("suspending", [suspend_coroutine, suspend_cancellable_coroutine])
def test_a_second_resume_is_refused(suspending: Callable[..., Any]) -> None:
    kept: list[Any] = []

    def block(continuation: Any) -> None:
        kept.append(continuation)
        continuation.resume(1)
        with pytest.raises(IllegalStateError, match=r"(?i)already resumed"):
            continuation.resume(2)
        with pytest.raises(IllegalStateError, match=r"(?i)already resumed"):
            continuation.resume_with_exception(LookupError())

    assert run_blocking(suspending, block) == 1
    with pytest.raises(IllegalStateError, match=r"(?i)already resumed"):
        kept[0].resume(3)


def test_a_second_resume_after_the_suspension_is_refused() -> None:
    kept: list[Any] = []

    async def body() -> Any:
        job = current_scope().async_(suspend_cancellable_coroutine, kept.append)
        await yield_()
        kept[0].resume(1)
        with pytest.raises(IllegalStateError, match=r"(?i)already resumed"):
            kept[0].resume(2)
        return await job.await_()

    assert run_blocking(body) == 1


@pytest.mark.parametrize("block", [42, None])
@pytest.mark.parametrize("suspending", [suspend_coroutine, suspend_cancellable_coroutine])
def test_what_cannot_take_a_continuation_is_refused(suspending: Callable[..., Any], block: Any) -> None:
    with pytest.raises(TypeError, match="continuation"):
        suspending(block)


def test_an_asyncio_sleep_is_refused_at_its_yield_with_what_to_use_instead() -> None:
    async def body() -> str:
        with pytest.raises(TypeError, match="delay"):
            await asyncio.sleep(0)
        await yield_()
        return "the coroutine goes on"

    assert run_blocking(body) == "the coroutine goes on"


def test_an_asyncio_future_is_refused_at_its_yield_with_what_to_use_instead() -> None:
    loop = asyncio.new_event_loop()
    future = loop.create_future()

    async def body() -> None:
        await future

    with pytest.raises(TypeError, match=r"(?i)asyncio"):
        run_blocking(body)
    future.cancel()
    loop.close()


@pytest.mark.parametrize("value", [None, 42, "text", [1]], ids=repr)
def test_a_bare_yield_is_refused(value: Any) -> None:
    def body() -> Generator[Any, Any, None]:
        yield value

    with pytest.raises(TypeError, match=r"write `yield from yield_\(\)` or|Use delay\(\) for sleep\(\), with_context"):
        run_blocking(body)
    assert run_blocking(lambda: "the next one runs") == "the next one runs"


def test_a_suspending_call_that_is_yielded_is_refused_with_the_right_spelling() -> None:
    def body() -> Generator[Any, Any, None]:
        yield delay(1)

    with pytest.raises(TypeError, match="yield from"):
        run_blocking(body)


def test_a_generator_that_is_yielded_is_refused_with_the_right_spelling() -> None:
    def inner() -> Generator[Any, Any, None]:
        yield from delay(1)

    def body() -> Generator[Any, Any, None]:
        yield inner()

    with pytest.raises(TypeError, match="yield from"):
        run_blocking(body)


def test_a_refused_yield_can_be_caught_where_it_stands() -> None:
    def body() -> Generator[Any, Any, str]:
        try:
            yield 42
        except TypeError:
            yield from yield_()
            return "caught"
        return "not refused"

    assert run_blocking(body) == "caught"


DROPPED: dict[str, Callable[[], object]] = {
    "delay": lambda: delay(1),
    "yield_": yield_,
    "with_context": lambda: with_context(Dispatchers.IO, nothing),
    "coroutine_scope": lambda: coroutine_scope(nothing),
    "supervisor_scope": lambda: supervisor_scope(nothing),
    "with_timeout": lambda: with_timeout(1, nothing),
    "with_timeout_or_none": lambda: with_timeout_or_none(1, nothing),
    "join_all": lambda: join_all(Job()),
    "join": lambda: Job().join(),
    "suspend_coroutine": lambda: suspend_coroutine(nothing),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("name", "function"), DROPPED.items(), ids=DROPPED.keys())
def test_a_suspending_call_that_is_dropped_warns_and_says_how_to_write_it(
    name: str, function: Callable[[], object]
) -> None:
    with pytest.warns(VmScopeWarning, match=rf"{name}\(.*(yield from|await)") as warned:
        function()
    assert [warning.filename for warning in warned] == [__file__]  # the line that dropped it


@pytest.mark.parametrize("call", [yield_, functools.partial(with_context, Dispatchers.Default, nothing)])
def test_a_suspending_call_that_is_awaited_twice_is_refused(call: Callable[[], Any]) -> None:
    async def body() -> None:
        once = call()
        await once
        with pytest.raises(IllegalStateError, match="twice"):
            await once

    run_blocking(body)


# ---- where there is no coroutine


@pytest.mark.parametrize("block", [coroutine_scope, supervisor_scope])
def test_a_scope_block_does_not_begin_outside_of_a_coroutine(block: Callable[..., Any]) -> None:
    with pytest.raises(IllegalStateError, match="outside a coroutine"):
        list(block(nothing))


@pytest.mark.parametrize("function", [current_job, current_context, current_scope, functools.partial(launch, nothing)])
def test_the_running_coroutine_is_not_asked_for_outside_of_one(function: Callable[[], object]) -> None:
    with pytest.raises(IllegalStateError, match="coroutine"):
        function()


# ---- loopers


@pytest.mark.usefixtures("no_main")
@pytest.mark.parametrize("dispatcher", ["Main", "Main.immediate"])
def test_main_without_a_main_looper_says_how_to_get_one(dispatcher: str) -> None:
    chosen = Dispatchers.Main.immediate if dispatcher == "Main.immediate" else Dispatchers.Main

    with pytest.raises(IllegalStateError, match=r"run_main|prepare_main"):
        run_blocking(with_context, chosen, nothing)


@pytest.mark.usefixtures("no_main")
def test_launch_on_main_without_a_main_looper_raises_at_the_call() -> None:
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)

    with pytest.raises(IllegalStateError, match=r"run_main|prepare_main"):
        scope.launch(nothing)


def test_loop_without_prepare_says_to_prepare() -> None:
    with pytest.raises(RuntimeError, match="prepare"):
        on_a_new_thread(Looper.loop)


def test_another_threads_looper_is_not_run_here() -> None:
    with HandlerThread("other") as other:
        looper = other.looper
        assert looper is not None

        with pytest.raises(RuntimeError, match="only its own thread"):
            looper.pump()
        with pytest.raises(RuntimeError, match="looper"):
            on_a_new_thread(looper.loop)


def test_a_handler_without_a_looper_names_the_thread() -> None:
    with pytest.raises(RuntimeError, match=r"(?i)looper"):
        on_a_new_thread(Handler)


def test_a_second_looper_for_one_thread_is_refused() -> None:
    def twice() -> None:
        Looper.prepare()
        Looper.prepare()

    with pytest.raises(RuntimeError, match=r"already|one"):
        on_a_new_thread(twice)


def test_a_message_that_is_in_use_is_not_sent_again() -> None:
    with HandlerThread("other") as other:
        handler = other.handler
        message = Message(what=1)
        assert handler.send_message_delayed(message, 3600) is True

        with pytest.raises(IllegalStateError, match="in use"):
            handler.send_message(message)


def test_a_post_after_quit_is_answered_with_false() -> None:
    other = HandlerThread("other")
    other.start()
    handler = other.handler
    other.quit()
    other.join()

    assert handler.post(nothing) is False
    assert handler.post_delayed(nothing, 1) is False
    assert handler.send_message(Message(what=1)) is False


@pytest.mark.parametrize("thing", [42, None, "work"], ids=repr)
def test_a_post_of_what_cannot_be_called_is_refused(thing: Any) -> None:
    with HandlerThread("other") as other, pytest.raises(TypeError, match="call"):
        other.handler.post(thing)


REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "join_all of a list": (lambda: join_all([Job()]), TypeError, r"join_all\(\*jobs\)"),  # type: ignore[arg-type]
    "run_blocking_io": (lambda: run_blocking_io(7), TypeError, "takes a function with its arguments"),  # type: ignore[arg-type]
    "a pool's name": (lambda: new_fixed_thread_pool_context(1, 7), TypeError, "must be a string"),  # type: ignore[arg-type]
    "as_dispatcher": (lambda: as_dispatcher(7), TypeError, "takes a Handler or a"),  # type: ignore[call-overload]
    "handler": (lambda: CoroutineExceptionHandler(7), TypeError, r"\(context, exception\)"),  # type: ignore[arg-type]
    "global handler": (lambda: add_global_exception_handler(7), TypeError, r"\(context, exception\)"),  # type: ignore[arg-type]
    "main factory": (lambda: register_main_factory(7), TypeError, "makes a dispatcher"),  # type: ignore[arg-type]
    "a pickled dispatcher": (lambda: pickle.dumps(Dispatchers.IO), TypeError, "belong to this process"),
}


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_what_makes_no_sense_is_refused_at_the_call(
    call: Callable[[], object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_a_continuation_is_resumed_with_an_exception_and_told_by_a_function() -> None:
    def block(cont: CancellableContinuation[int]) -> None:
        with pytest.raises(TypeError, match="takes an exception"):
            cont.resume_with_exception("failed")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="takes a function of the cause"):
            cont.invoke_on_cancellation("handler")  # type: ignore[arg-type]
        cont.resume(7)

    async def body() -> int:
        return await suspend_cancellable_coroutine(block)

    assert run_blocking(body) == 7


def test_an_attribute_error_of_a_suspension_is_the_callers_own() -> None:
    """It is not taken for a thing that cannot be awaited."""

    async def body() -> None:
        await suspend_cancellable_coroutine(lambda cont: cont.resumes(7))  # type: ignore[attr-defined]

    with pytest.raises(AttributeError, match="resumes"):
        run_blocking(body)


def test_a_suspending_call_that_is_yielded_again_is_refused_with_the_right_spelling() -> None:
    def body() -> Generator[Any, Any, None]:
        wait = join_all()
        yield from wait
        yield wait

    with pytest.raises(TypeError, match=r"write `yield from join_all\(\.\.\.\)`"):
        run_blocking(body)


def test_a_block_that_is_over_is_refused() -> None:
    def body() -> Generator[Any, Any, None]:
        yield from yield_()

    over = body()
    run_blocking(over)

    with pytest.raises(TypeError, match="is over"):
        run_blocking(over)


def test_async_with_takes_no_block() -> None:
    async def body() -> None:
        async with coroutine_scope(nothing):
            raise AssertionError

    with pytest.raises(TypeError, match="its body is the block"):
        run_blocking(body)


def test_cancel_takes_a_message_or_a_cancellation_and_nothing_else() -> None:
    job = Job()

    with pytest.raises(TypeError):
        job.cancel(LookupError())  # type: ignore[arg-type]

    job.cancel(CancellationException("this one"))
    assert job.is_cancelled


def test_a_ready_block_that_has_begun_is_refused() -> None:
    scope = CoroutineScope(Dispatchers.Unconfined)
    told: list[str] = []

    def body() -> Generator[Any, Any, None]:
        with pytest.raises(TypeError, match=r"has not begun: <generator .* is running"):
            scope.launch(ready)
        told.append("running")
        yield from yield_()

    async def coroutine() -> None:
        with pytest.raises(TypeError, match=r"has not begun: <coroutine .* is running"):
            scope.launch(awaiting)
        told.append("running")

    ready, awaiting = body(), coroutine()
    scope.launch(ready)
    scope.launch(awaiting)

    for over in (ready, awaiting):
        with pytest.raises(TypeError, match=r"a block that has not begun: .* is over"):
            scope.launch(over)
    assert told == ["running", "running"]


def test_a_continuation_takes_exceptions_and_functions_and_nothing_else() -> None:
    held: list[Any] = []
    CoroutineScope(Dispatchers.Unconfined).launch(suspend_cancellable_coroutine, held.append)

    with pytest.raises(TypeError, match="resume_with_exception takes an exception, got 'no'"):
        held[0].resume_with_exception("no")
    with pytest.raises(TypeError, match="invoke_on_cancellation takes a function of the cause, got 42"):
        held[0].invoke_on_cancellation(42)

    assert held[0].is_active


def test_a_dispatcher_is_not_pickled() -> None:
    with pytest.raises(TypeError, match=r"Dispatchers\.Default cannot be pickled: its threads belong to this process"):
        pickle.dumps(Dispatchers.Default)


def test_an_idle_handler_that_cannot_be_called_is_refused() -> None:
    queue = Looper.create_for_test().queue

    with pytest.raises(TypeError, match="add 42 as an idle handler: it cannot be called"):
        queue.add_idle_handler(42)  # type: ignore[arg-type]
