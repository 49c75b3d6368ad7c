"""The context: elements by key, what children inherit, what a thread carries for a coroutine (rows J1-J3, J21-J23)."""

from __future__ import annotations

import contextvars
import copy
import gc
import threading
from collections.abc import Callable, Generator
from typing import Any, cast

import pytest

from tests.virtual_main import VMain
from vmscope import (
    CompletableDeferred,
    ContextElement,
    CopyableThreadContextElement,
    CoroutineContext,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineName,
    CoroutineScope,
    Dispatchers,
    EmptyCoroutineContext,
    GlobalScope,
    Job,
    SupervisorJob,
    ThreadContextElement,
    as_context_element,
    async_,
    await_cancellation,
    coroutine_scope,
    current_context,
    current_job,
    current_scope,
    delay,
    launch,
    new_single_thread_context,
    run_blocking,
    run_blocking_io,
    suspend_cancellable_coroutine,
    with_context,
    with_timeout,
    yield_,
)

OnMain = Callable[..., Any]


class Tag(ContextElement):
    """An element of a user's own."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Tag({self.text!r})"


class LoudTag(Tag):
    __slots__ = ()


# ---- J1: the algebra


def test_on_one_key_the_right_hand_wins_and_the_rest_is_joined() -> None:
    """J1"""
    context = CoroutineName("a") + Tag("x") + CoroutineName("b")

    assert context[CoroutineName] == CoroutineName("b")
    assert repr(context[Tag]) == "Tag('x')"
    assert len(context) == 2


def test_an_element_is_a_context_of_one_entry() -> None:
    """J1"""
    tag = Tag("x")

    assert isinstance(tag, CoroutineContext)
    assert tag[Tag] is tag
    assert tag.get(CoroutineName) is None
    assert list(tag) == [tag]
    assert Tag in tag
    assert CoroutineName not in tag


def test_the_empty_context_is_neutral() -> None:
    """J1"""
    tag = Tag("x")

    assert tag + EmptyCoroutineContext is tag
    assert EmptyCoroutineContext + tag is tag
    assert len(EmptyCoroutineContext) == 0
    assert EmptyCoroutineContext[Tag] is None
    assert EmptyCoroutineContext, "it is a context: `context or default` must not drop it"


def test_minus_key_gives_a_context_without_it_and_leaves_the_old_one() -> None:
    """J1"""
    both = CoroutineName("a") + Tag("x")

    assert both.minus_key(CoroutineName)[CoroutineName] is None
    assert both.minus_key(CoroutineName).minus_key(Tag) is EmptyCoroutineContext
    assert both.minus_key(Job) is both
    assert len(both) == 2, "immutable"


def test_a_derived_element_stands_under_the_key_of_its_base() -> None:
    """J1"""
    context = Tag("x") + LoudTag("y")

    assert len(context) == 1
    assert repr(context[Tag]) == "Tag('y')"


def test_iteration_keeps_the_order_with_the_dispatcher_last() -> None:
    """J1"""
    context = Dispatchers.Default + CoroutineName("a") + Tag("x")

    assert list(context) == [CoroutineName("a"), context[Tag], Dispatchers.Default]


def test_contexts_of_equal_elements_are_equal() -> None:
    """J1"""
    tag = Tag("x")

    assert CoroutineName("a") + tag == CoroutineName("a") + tag
    assert len({CoroutineName("a"), CoroutineName("a"), CoroutineName("b")}) == 2
    assert hash(CoroutineName("a") + tag) == hash(tag + CoroutineName("a"))
    assert CoroutineName("a") + tag != CoroutineName("b") + tag


def test_an_element_that_does_not_say_how_it_is_shown_is_shown_by_its_class() -> None:
    class Plain(ContextElement):
        pass

    context = Plain() + CoroutineName("load")

    assert "Plain object at" in repr(context[Plain])
    assert repr(context) == f"[{context[Plain]!r}, CoroutineName('load')]"


@pytest.mark.parametrize("thing", [1, "name", None], ids=repr)
def test_only_contexts_are_joined(thing: Any) -> None:
    """J1"""
    with pytest.raises(TypeError):
        CoroutineName("a") + thing


def test_a_copy_of_a_context_is_the_context() -> None:
    """F44: it never changes, and the dispatchers in it are those of this process."""
    context = CoroutineName("a") + Dispatchers.IO

    assert copy.copy(context) is context
    assert copy.deepcopy(context) is context
    assert copy.deepcopy(EmptyCoroutineContext) is EmptyCoroutineContext
    assert copy.deepcopy(Dispatchers.Main) is Dispatchers.Main


# ---- J2: what a child inherits


def test_a_child_has_the_elements_of_its_scope_its_own_on_top_and_a_job_of_its_own(on_main: OnMain) -> None:
    """J2"""
    handler = CoroutineExceptionHandler(lambda _context, _error: None)

    async def body() -> tuple[CoroutineContext, Job]:
        async with coroutine_scope() as scope:
            wide = scope + CoroutineName("outer") + handler + Tag("outer")
            child = wide.async_(current_context, context=Tag("own"))
            return await child.await_(), child

    context, child = on_main(body)

    assert context[CoroutineName] == CoroutineName("outer")
    assert context[CoroutineExceptionHandler] is handler
    assert repr(context[Tag]) == "Tag('own')"
    assert context[Job] is child


def test_the_job_of_the_scope_is_the_parent(main: VMain) -> None:
    """J2"""
    job = SupervisorJob()
    scope = CoroutineScope(job + Dispatchers.Main)

    child = scope.launch(delay, 1)

    assert child.parent is job
    assert list(job.children) == [child]
    main.drain()


def test_default_is_added_where_no_dispatcher_is_named() -> None:
    """J2"""
    deferred = CoroutineScope(CoroutineName("a")).async_(current_context)

    async def body() -> CoroutineContext:
        return await deferred.await_()

    assert run_blocking(body)[CoroutineDispatcher] is Dispatchers.Default


# ---- J3: names


def test_a_name_shows_in_the_repr_and_is_inherited(main: VMain) -> None:
    """J3"""
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)

    named = scope.launch(delay, 1, name="load")
    child = (scope + CoroutineName("outer")).launch(delay, 1)

    assert repr(named) == "<StandaloneCoroutine 'load' active>"
    assert repr(child) == "<StandaloneCoroutine 'outer' active>"
    main.drain()
    assert repr(named) == "<StandaloneCoroutine 'load' completed>"


def test_name_is_short_for_a_coroutine_name_and_wins_over_the_context(on_main: OnMain) -> None:
    """J3"""

    async def body() -> Any:
        child = current_scope().async_(current_context, context=CoroutineName("long"), name="short")
        return (await child.await_())[CoroutineName]

    assert on_main(body) == CoroutineName("short")


def test_a_timeout_names_the_coroutine(on_main: OnMain) -> None:
    """J3"""

    async def body() -> str:
        with pytest.raises(TimeoutError) as timeout:
            await with_context(CoroutineName("load"), with_timeout, 2, delay, 5)
        return str(timeout.value)

    assert on_main(body) == "Timed out waiting for 2 s in 'load'"


@pytest.mark.parametrize("name", [None, 1], ids=repr)
def test_a_name_that_is_no_string_is_refused(name: Any) -> None:
    """J3"""
    with pytest.raises(TypeError, match=repr(name)):
        CoroutineName(name)


# ---- J21: the running coroutine


def test_context_job_and_name_are_there_without_the_scope_also_in_plain_functions(on_main: OnMain) -> None:
    """J21"""

    def deep() -> tuple[Any, Any, Any]:
        context = current_context()
        return context[CoroutineName], context[Job], current_job()

    async def body() -> None:
        job = current_job()
        async with coroutine_scope() as scope:
            child = scope.async_(deep, name="load")
            name, of_context, of_call = await child.await_()
            assert name == CoroutineName("load")
            assert of_context is of_call is child
            assert current_job() is scope.coroutine_context[Job], "in a scope block it is the block's"
        assert current_job() is job

    on_main(body)


# ---- J22: thread-context elements


class Recorder(ThreadContextElement):
    """Notes what is done to the thread, and on which one."""

    __slots__ = ("log",)

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        super().__init__(self._set, self._back)

    def _set(self) -> str:
        self.log.append(("update", threading.current_thread().name))
        return "old"

    def _back(self, old: str) -> None:
        self.log.append(("restore", old, threading.current_thread().name))


def test_an_element_is_set_for_each_step_and_put_back_after_it(main: VMain) -> None:
    """J22"""
    log: list[Any] = []
    me = threading.current_thread().name

    def body() -> Generator[Any, Any, None]:
        log.append("first")
        yield from delay(1)
        log.append("second")

    CoroutineScope(SupervisorJob() + Dispatchers.Main + Recorder(log)).launch(body)
    main.drain()

    update, restore = ("update", me), ("restore", "old", me)
    begun = log.index("first")
    assert log[begun - 1 :] == [update, "first", restore, update, "second", restore]


def test_an_element_is_put_back_where_the_step_raised(main: VMain) -> None:
    """J22, F54"""
    local = threading.local()
    local.user = "outside"
    scope = CoroutineScope(
        SupervisorJob() + Dispatchers.Main + CoroutineExceptionHandler(lambda _context, _error: None)
    )
    seen: list[str] = []

    def plain() -> None:
        seen.append(local.user)
        raise LookupError

    def generator() -> Generator[Any, Any, None]:
        yield from yield_()
        plain()

    scope.launch(plain, context=as_context_element(local, "inside", "user"))
    scope.launch(generator, context=as_context_element(local, "inside", "user"))
    main.drain()

    assert seen == ["inside", "inside"]
    assert local.user == "outside"


def test_a_thread_local_follows_the_coroutine_onto_other_threads(main: VMain) -> None:
    """J22: also into the plain function that runs on IO, and only there."""
    local = threading.local()
    seen: list[Any] = []

    async def body() -> None:
        seen.append(local.value)
        seen.append(await with_context(Dispatchers.IO, lambda: local.value))
        seen.append(await with_context(as_context_element(local, "inner"), lambda: local.value))
        seen.append(local.value)

    job = CoroutineScope(SupervisorJob() + Dispatchers.Main + as_context_element(local, "request 7")).launch(body)
    main.run_until(lambda: job.is_completed)

    assert seen == ["request 7", "request 7", "inner", "request 7"]
    assert not hasattr(local, "value"), "the thread is as it was"
    with new_single_thread_context("solo") as solo:

        async def look() -> bool:
            await with_context(solo + as_context_element(local, "x"), lambda: None)
            return await with_context(solo, lambda: hasattr(local, "value"))

        assert run_blocking(look) is False


def test_two_elements_of_one_local_share_a_key_and_those_of_two_do_not() -> None:
    """J22"""
    one, two = threading.local(), threading.local()

    assert len(as_context_element(one, 1) + as_context_element(one, 2)) == 1
    assert len(as_context_element(one, 1) + as_context_element(one, 1, "other")) == 2
    assert len(as_context_element(one, 1) + as_context_element(two, 1)) == 2


# ---- J23: contextvars

request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


def test_a_coroutine_sees_the_contextvars_of_its_launch(main: VMain) -> None:
    """J23, F30"""
    seen: list[str] = []
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)

    def launch_with(value: str) -> None:
        request.set(value)
        scope.launch(lambda: seen.append(request.get()))

    contextvars.copy_context().run(launch_with, "at launch")
    main.drain()

    assert seen == ["at launch"]


@pytest.mark.parametrize("dispatcher", [Dispatchers.Main, Dispatchers.Unconfined], ids=repr)
def test_a_change_in_a_child_does_not_leak_to_its_parent(main: VMain, dispatcher: CoroutineDispatcher) -> None:
    """J23, F30: nor into the context of the thread that runs it."""
    seen: list[str] = []

    def child() -> Generator[Any, Any, None]:
        request.set("child")
        yield from yield_()
        seen.append(request.get())

    def parent() -> Generator[Any, Any, None]:
        request.set("parent")
        yield from current_scope().launch(child).join()
        seen.append(request.get())

    CoroutineScope(SupervisorJob() + dispatcher).launch(parent)
    main.drain()

    assert seen == ["child", "parent"]
    assert request.get() == "none"


def test_a_hop_to_another_thread_carries_the_contextvars() -> None:
    """J23"""

    async def body() -> tuple[str, str]:
        request.set("here")
        return await with_context(Dispatchers.IO, request.get), await run_blocking_io(request.get)

    assert run_blocking(body) == ("here", "here")


def test_a_start_in_place_within_another_enters_a_context_of_its_own() -> None:
    """F30: "cannot enter context" never happens, however coroutines start each other."""
    scope = CoroutineScope(Dispatchers.Unconfined)
    seen: list[str] = []

    def body(depth: int) -> None:
        seen.append(request.get())
        request.set(f"depth {depth}")
        if depth < 3:
            scope.launch(body, depth + 1)

    scope.launch(body, 0)

    assert seen == ["none", "depth 0", "depth 1", "depth 2"]


@pytest.mark.parametrize("name", ["Unconfined", "Main.immediate"])
def test_a_coroutine_that_resumes_the_one_that_resumed_it_enters_no_context_twice(main: VMain, name: str) -> None:
    """F30: each resumes the other in the middle of its own step, in place."""
    dispatcher = Dispatchers.Unconfined if name == "Unconfined" else Dispatchers.Main.immediate
    scope = CoroutineScope(SupervisorJob() + dispatcher)
    gates: list[CompletableDeferred[None]] = [CompletableDeferred() for _ in range(6)]
    seen: list[str] = []

    def body(who: str, mine: int) -> Generator[Any, Any, None]:
        request.set(who)
        while mine < len(gates):
            yield from gates[mine].await_()
            seen.append(request.get())
            if mine + 1 < len(gates):
                gates[mine + 1].complete(None)
            seen.append(request.get())
            mine += 2

    jobs = [scope.launch(body, "even", 0), scope.launch(body, "odd", 1)]
    gates[0].complete(None)

    assert seen == ["even", "even", "odd", "odd"] * 3
    assert [job.is_completed and not job.is_cancelled for job in jobs] == [True, True]
    assert request.get() == "none"


def value_of(local: Any) -> Any:
    return getattr(local, "value", None)


def test_a_block_under_an_element_that_raises_gives_the_thread_back_as_it_was(main: VMain, on_main: OnMain) -> None:
    """J22: with_context on the same dispatcher."""
    local = threading.local()

    def fails() -> Generator[Any, Any, None]:
        yield from delay(1)
        raise LookupError(value_of(local))

    async def body() -> Any:
        with pytest.raises(LookupError, match="inner"):
            await with_context(as_context_element(local, "inner"), fails)
        return value_of(local)

    assert on_main(body) is None


def test_a_failure_reaches_a_step_with_its_elements_set(main: VMain, scope: CoroutineScope) -> None:
    """J22: what is raised at a suspension point is a step like any."""
    local = threading.local()
    seen: list[Any] = []
    gate: CompletableDeferred[None] = CompletableDeferred()

    async def body() -> None:
        try:
            await gate.await_()
        except LookupError:
            seen.append(local.value)

    scope.launch(body, context=as_context_element(local, "set"))
    main.run_current()
    gate.complete_exceptionally(LookupError())
    main.run_current()

    assert seen == ["set"]


def test_the_caller_has_its_own_elements_again_after_it_waited_for_a_blocks_children(on_main: OnMain) -> None:
    """J22: on another dispatcher, whose block leaves a child."""
    local = threading.local()
    seen: list[Any] = []

    async def block() -> None:
        await yield_()
        seen.append(local.value)
        launch(delay, 1)

    async def body() -> None:
        await with_context(Dispatchers.Main.immediate + as_context_element(local, "inner"), block)
        seen.append(value_of(local))

    on_main(body)

    assert seen == ["inner", None]


@pytest.mark.parametrize("waits_in", ["the block", "the hop"])
def test_a_coroutine_that_is_dropped_inside_with_context_closes_quietly(waits_in: str) -> None:
    """P7, J22: its `finally` runs, and nothing is awaited any more."""
    log: list[str] = []

    class Dropping(CoroutineDispatcher):
        def dispatch(self, context: CoroutineContext, block: Any) -> None:
            """Where nobody will find it."""

    def block() -> Generator[Any, Any, None]:
        yield from suspend_cancellable_coroutine(lambda _: None)

    def body() -> Generator[Any, Any, None]:
        element = as_context_element(threading.local(), "x")
        try:
            yield from with_context(element if waits_in == "the block" else Dropping(), block)
        finally:
            log.append("finally")

    GlobalScope.launch(body, context=Dispatchers.Unconfined)
    gc.collect()

    assert log == ["finally"]


class Log(CopyableThreadContextElement):
    """J22: a list that each coroutine has a copy of."""

    __slots__ = ("_lines",)

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lambda: None, lambda old: None)
        self._lines = lines

    @property
    def lines(self) -> list[str]:
        return self._lines

    def copy_for_child(self) -> Log:
        return Log([*self.lines, "copied"])

    def merge_for_child(self, overwriting: ContextElement) -> Log:
        assert isinstance(overwriting, Log)
        return Log([*self.lines, "and", *overwriting.lines])


def seen() -> list[str]:
    log = current_context()[Log]
    assert log is not None
    return log.lines


def test_a_copyable_element_is_copied_for_each_child_and_merged_by_with_context(main: VMain) -> None:
    """J22: as the reference's foldCopies."""
    told: list[tuple[str, list[str]]] = []

    async def body() -> None:
        told.append(("child", seen()))
        told.append(("in place", await with_context(CoroutineName("x"), seen)))
        told.append(("merged", await with_context(Log(["b"]), seen)))
        told.append(("grandchild", await async_(seen).await_()))
        told.append(("child still", seen()))

    CoroutineScope(Dispatchers.Main + Log(["a"])).launch(body)
    main.drain()

    assert told == [
        ("child", ["a", "copied"]),
        ("in place", ["a", "copied"]),
        ("merged", ["a", "copied", "and", "b"]),
        ("grandchild", ["a", "copied", "copied"]),
        ("child still", ["a", "copied"]),
    ]


class Plain(CopyableThreadContextElement):
    """Says only what a child gets."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__(lambda: None, lambda old: None)
        self.name = name

    def copy_for_child(self) -> Plain:
        return Plain(f"copy of {self.name}")


def test_a_copyable_element_that_is_added_is_copied_too_and_the_right_one_holds(main: VMain) -> None:
    """J22: on the same key the right-hand one wins, where nothing else is said."""
    names: list[str] = []

    def look() -> None:
        element = current_context()[Plain]
        assert element is not None
        names.append(element.name)

    async def body() -> None:
        look()
        await with_context(Plain("right"), look)

    CoroutineScope(Dispatchers.Main).launch(body, context=Plain("added"))
    main.drain()

    assert names == ["copy of added", "right"]


class Ready:
    """Awaitable; remembers where its wait began."""

    def __init__(self, seen: list[Any]) -> None:
        self._seen = seen

    def send(self, value: Any) -> Any:
        raise NotImplementedError

    throw = close = send

    def __await__(self) -> Any:
        self._seen.append((request.get(), current_job()))
        return delay(0).__await__()


@pytest.mark.parametrize("element", [EmptyCoroutineContext, as_context_element(threading.local(), 1)])
def test_the_wait_of_an_awaitable_block_begins_in_the_coroutine(
    on_main: Callable[..., Any], element: CoroutineContext
) -> None:
    seen: list[Any] = []

    def body() -> Any:
        request.set("at launch")
        job = launch(lambda: Ready(seen), context=element)
        request.set("later")
        yield from job.join()
        return job

    job = on_main(body)

    assert seen == [("at launch", job)]


def test_a_context_that_cannot_be_entered_fails_its_coroutine(main: VMain) -> None:
    """F30, F52: somebody has it entered already. That is told once, and is not tried for ever."""
    failures: list[BaseException] = []
    told = CoroutineExceptionHandler(lambda _, failure: failures.append(failure))
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Main + told)
    job = scope.launch(await_cancellation)
    other = scope.launch(yield_)
    cast("Any", other)._context.run(main.drain)
    main.drain()

    assert other.is_cancelled
    assert [str(failure).split(":")[0] for failure in failures] == ["cannot enter context"]
    assert job.is_active
    job.cancel()
    cast("Any", job)._context.run(main.drain)

    assert job.is_completed
