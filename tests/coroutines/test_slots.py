"""At most one of a kind (row U6, rank 7): launch_latest, launch_dropping, launch_queued, launch_conflated."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Generator
from functools import partial, wraps
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.steer import struck
from tests.virtual_main import VMain
from vmscope import (
    CoroutineExceptionHandler,
    CoroutineName,
    CoroutineScope,
    Dispatchers,
    GlobalScope,
    Job,
    SupervisorJob,
    ViewModel,
    coroutine_scope,
    current_scope,
    current_time,
    delay,
    new_single_thread_context,
    non_cancellable,
    run_blocking,
    with_context,
    yield_,
)
from vmscope._errors import MissingMainError
from vmscope.coroutines import _slots
from vmscope.coroutines._slots import Turn
from vmscope.testing import StandardTestDispatcher, run_test

Body = Generator[Any, Any, None]


class Screen:
    """What takes a while and says so."""

    def __init__(self, main: VMain) -> None:
        self.log: list[Any] = []
        self._main = main

    def work(self, what: str, seconds: float = 1.0) -> Body:
        self.log.append((self._main.now, f"{what} begins"))
        try:
            yield from delay(seconds)
            self.log.append((self._main.now, f"{what} is done"))
        finally:
            self.log.append((self._main.now, f"{what} leaves"))

    def other_work(self, what: str) -> Body:
        yield from self.work(what)

    def said(self, word: str) -> list[str]:
        return [line.split()[0] for _, line in self.log if line.endswith(word)]


@pytest.fixture
def screen(main: VMain) -> Screen:
    return Screen(main)


# -- U6: the policies


def test_u6_the_latest_cancels_the_one_before(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    first = scope.launch_latest(screen.work, "a")
    main.advance(0.5)
    second = scope.launch_latest(screen.work, "b")
    main.drain()

    assert screen.log == [
        (0, "a begins"), (0.5, "a leaves"), (0.5, "b begins"), (1.5, "b is done"), (1.5, "b leaves"),
    ]  # fmt: skip
    assert first.is_cancelled
    assert "superseded" in str(first.get_cancellation_exception())
    assert not second.is_cancelled


def test_u6_the_latest_waits_for_the_clean_up_of_the_one_before_where_told_to(
    main: VMain, scope: CoroutineScope
) -> None:
    log: list[Any] = []

    def slow(what: str) -> Body:
        log.append((main.now, f"{what} begins"))
        try:
            yield from delay(10)
        finally:
            yield from non_cancellable(delay, 2)
            log.append((main.now, f"{what} left"))

    scope.launch_latest(slow, "a", join=True)
    main.advance(1)
    scope.launch_latest(slow, "b", join=True)
    main.advance(1)
    scope.launch_latest(slow, "c", join=True)
    main.drain()

    assert log == [(0, "a begins"), (3, "a left"), (3, "c begins"), (15, "c left")]


def test_u6_what_comes_meanwhile_is_dropped(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    assert scope.launch_dropping(screen.work, "a") is not None
    main.advance(0.5)
    assert scope.launch_dropping(screen.work, "b") is None
    main.advance(0.5)
    assert scope.launch_dropping(screen.work, "c") is not None
    main.drain()

    assert screen.said("done") == ["a", "c"]
    assert screen.said("begins") == ["a", "c"]


def test_u6_queued_ones_run_one_after_another(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    for what in "abc":
        scope.launch_queued(screen.work, what)
    main.drain()

    assert screen.log == [
        (when + after, f"{what} {does}")
        for when, what in enumerate("abc")
        for after, does in ((0, "begins"), (1, "is done"), (1, "leaves"))
    ]


def test_u6_of_those_that_wait_the_newest_is_kept(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    jobs = [scope.launch_conflated(screen.work, what) for what in "abcd"]
    main.drain()

    assert screen.said("done") == ["a", "d"]
    assert screen.said("begins") == ["a", "d"]
    assert [job.is_cancelled for job in jobs] == [False, True, True, False]


# -- rank 7: whose slot it is


def test_rank7_each_function_has_a_slot_of_its_own(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    other = Screen(main)

    scope.launch_latest(screen.work, "a")
    scope.launch_latest(screen.other_work, "b")
    scope.launch_latest(other.work, "c")
    main.drain()

    assert screen.said("done") == ["a", "b"]
    assert other.said("done") == ["c"]


def test_rank7_arguments_and_partials_make_no_other_slot(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    scope.launch_latest(screen.work, "a")
    scope.launch_latest(partial(screen.work, "b"), 2)
    scope.launch_latest(partial(partial(screen.work, seconds=3), "c"))
    main.drain()

    assert screen.said("done") == ["c"]


def test_rank7_a_named_slot_is_shared_by_functions(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    scope.launch_latest(screen.work, "a", slot="screen")
    scope.launch_latest(screen.other_work, "b", slot="screen")
    scope.launch_latest(screen.work, "c")
    main.drain()

    assert screen.said("done") == ["b", "c"]


def test_rank7_an_object_that_is_called_has_a_slot_of_its_own(main: VMain, scope: CoroutineScope) -> None:
    class Load:
        __hash__ = None  # type: ignore[assignment]

        def __init__(self) -> None:
            self.done: list[str] = []

        def __eq__(self, other: object) -> bool:
            return True

        async def __call__(self, what: str) -> None:
            await delay(1)
            self.done.append(what)

    one, other = Load(), Load()
    for what in "ab":
        scope.launch_latest(one, what)
        scope.launch_latest(other, what)
    main.drain()

    assert (one.done, other.done) == (["b"], ["b"])


def test_u6_a_function_that_is_made_once_in_a_call_has_a_slot_of_its_own(main: VMain, scope: CoroutineScope) -> None:
    log: list[str] = []

    def decorated(function: Any) -> Any:
        @wraps(function)
        async def work(key: str) -> None:
            await delay(1)
            log.append(f"{function.__name__} {key}")

        return work

    @decorated
    def load() -> None: ...

    @decorated
    def save() -> None: ...

    for key in "ab":
        scope.launch_latest(load, key)
        scope.launch_latest(save, key)
    main.drain()

    assert log == ["load b", "save b"]


def test_views_of_a_scope_share_its_slots_and_other_scopes_do_not(
    main: VMain, scope: CoroutineScope, screen: Screen
) -> None:
    scope.launch_latest(screen.work, "a")
    (scope + CoroutineName("view")).launch_latest(screen.work, "b")
    CoroutineScope(Dispatchers.Main).launch_latest(screen.work, "c")
    main.drain()

    assert screen.said("done") == ["b", "c"]


def test_a_scope_block_of_a_coroutine_has_slots_too(on_main: Callable[..., Any], screen: Screen) -> None:
    async def block() -> None:
        current_scope().launch_latest(screen.work, "a")
        current_scope().launch_latest(screen.work, "b")

    on_main(coroutine_scope, block)

    assert screen.said("done") == ["b"]


def test_a_view_model_and_the_global_scope_have_slots(main: VMain, screen: Screen) -> None:
    model = ViewModel()

    for what in "ab":
        model.view_model_scope.launch_latest(screen.work, what)
        GlobalScope.launch_latest(screen.work, what.upper(), context=Dispatchers.Main)
    main.drain()

    assert screen.said("done") == ["b", "B"]


# -- how a turn ends


@pytest.mark.parametrize("policy", ["launch_queued", "launch_conflated"])
def test_one_that_fails_lets_the_next_one_begin(
    main: VMain, scope: CoroutineScope, seen: list[BaseException], policy: str
) -> None:
    def work(what: str) -> Body:
        yield from delay(1)
        if what == "a":
            raise ValueError(what)
        done.append(what)

    done: list[str] = []
    getattr(scope, policy)(work, "a")
    getattr(scope, policy)(work, "b")
    main.drain()

    assert [type(error) for error in seen] == [ValueError]
    assert done == ["b"]


def test_one_that_is_cancelled_while_it_waits_ends_at_once_and_is_passed_over(
    main: VMain, scope: CoroutineScope, screen: Screen
) -> None:
    jobs = [scope.launch_queued(screen.work, what) for what in "abc"]
    main.advance(0.5)
    jobs[1].cancel()
    main.advance(0)

    assert jobs[1].is_completed
    main.drain()
    assert screen.said("begins") == ["a", "c"]
    assert main.now == 2


def test_the_wait_for_one_in_the_queue_does_not_start_it(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    scope.launch_queued(screen.work, "a")
    job = scope.launch_queued(screen.work, "b")
    scope.launch(job.join)
    main.drain()

    assert screen.log[3] == (1, "b begins")


def test_children_belong_to_the_turn(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    def family(what: str) -> None:
        current_scope().launch(screen.work, what)

    scope.launch_queued(family, "a")
    scope.launch_queued(family, "b")
    main.drain()

    assert screen.log[3] == (1, "b begins")


def test_a_cancelled_scope_ends_all_in_its_slots(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    jobs = [scope.launch_queued(screen.work, what) for what in "abc"]
    main.advance(0.5)
    scope.cancel()
    late = scope.launch_latest(screen.work, "d")
    main.drain()

    assert screen.log == [(0, "a begins"), (0.5, "a leaves")]
    assert all(job.is_completed for job in [*jobs, late])
    assert scope.coroutine_context[Job].is_completed


def test_one_may_supersede_itself(main: VMain, scope: CoroutineScope) -> None:
    log: list[int] = []

    async def again(count: int) -> None:
        log.append(count)
        if count:
            scope.launch_latest(again, count - 1)
        await delay(1)
        log.append(-count)

    scope.launch_latest(again, 3)
    main.drain()

    assert log == [3, 2, 1, 0, 0]


@pytest.mark.parametrize("scope", [current_scope, ViewModel, lambda: GlobalScope], ids=["block", "model", "global"])
@pytest.mark.parametrize("launch", ["launch_queued", "launch_conflated", "launch_latest"])
def test_in_virtual_time_nobody_is_waited_for_who_waits_for_his_turn(launch: str, scope: Callable[[], Any]) -> None:
    ended: list[tuple[str, float]] = []

    async def work(name: str) -> None:
        try:
            await delay(1)
        finally:
            await non_cancellable(delay, 1)
            ended.append((name, current_time()))

    async def body(test: Any) -> None:
        made = scope()
        owner = made.view_model_scope if isinstance(made, ViewModel) else made
        rest: dict[str, Any] = {"context": StandardTestDispatcher(test.scheduler)}
        if launch == "launch_latest":
            rest["join"] = True
        getattr(owner, launch)(work, "one", **rest)
        await delay(0.5)
        getattr(owner, launch)(work, "two", **rest)
        await delay(10)

    run_test(body)

    first = 1.5 if launch == "launch_latest" else 2.0
    assert ended == [("one", first), ("two", first + 2)]


def test_an_idle_slot_keeps_nothing_alive(main: VMain, scope: CoroutineScope) -> None:
    screen = Screen(main)
    scope.launch_latest(screen.work, "a")
    scope.launch_queued(screen.work, "b")
    main.drain()
    gone = weakref.ref(screen)

    del screen
    gc.collect()
    assert gone() is None


def test_a_long_queue_of_what_runs_in_place_needs_no_stack() -> None:
    scope = CoroutineScope(Dispatchers.Unconfined)
    gate: Any = Job()
    ran: list[int] = []

    async def work(number: int) -> None:
        if not number:
            await gate.join()
        ran.append(number)

    for number in range(5_000):
        scope.launch_queued(work, number)
    gate.cancel()

    assert ran == list(range(5_000))


def test_what_cannot_be_dispatched_is_refused_as_by_launch_and_takes_no_slot() -> None:
    scope = CoroutineScope(Dispatchers.Main + SupervisorJob())

    for _ in range(2):
        with pytest.raises(MissingMainError):
            scope.launch_dropping(print)


def test_one_that_its_dispatcher_refuses_ends_cancelled_and_leaves_its_slot() -> None:
    """As for any launch: a pool that was closed cancels it."""
    with new_single_thread_context("solo") as solo:
        scope = CoroutineScope(solo + SupervisorJob())
    solo.join(10)

    for _ in range(2):
        job = scope.launch_dropping(print)
        assert job is not None
        run_blocking(job.join)
        assert job.is_cancelled


def test_of_two_that_find_the_slot_free_one_is_dropped(main: VMain, scope: CoroutineScope, screen: Screen) -> None:
    """U6: both have looked before either is in it."""
    with struck(_slots.take_turn, lambda: scope.launch_dropping(screen.work, "other")) as met:
        job = scope.launch_dropping(screen.work, "this")
    main.drain()

    assert met
    assert job is None
    assert screen.said("done") == ["other"]


# -- against a model


POLICIES = ["launch_latest", "launch_dropping", "launch_queued", "launch_conflated"]


@given(
    st.sampled_from(POLICIES),
    st.booleans(),
    st.lists(
        st.tuples(st.sampled_from(["press", "press", "finish", "cancel", "step", "step"]), st.integers(0, 9)),
        min_size=12, max_size=40,
    ),
)
def test_whatever_happens_one_is_at_work_and_the_policy_says_who_follows(
    policy: str, joins: bool, acts: list[tuple[str, int]]
) -> None:
    with VMain() as main:
        wrong: list[BaseException] = []
        handler = CoroutineExceptionHandler(lambda _, failure: wrong.append(failure))
        scope = CoroutineScope(Dispatchers.Main + SupervisorJob() + handler)
        options = {"join": True} if policy == "launch_latest" and joins else {}
        overlaps = policy == "launch_latest" and not joins
        jobs: dict[int, Job] = {}
        begun: list[int] = []
        inside: set[int] = set()
        done: set[int] = set()
        gates: dict[int, Any] = {}

        def work(number: int) -> Body:
            begun.append(number)
            inside.add(number)
            assert len([one for one in inside if not jobs[one].is_cancelled]) == 1
            if not overlaps:
                assert inside == {number}
            gates[number] = Job()
            try:
                yield from gates[number].join()
                done.add(number)
            finally:
                yield from non_cancellable(yield_)
                inside.discard(number)

        def press(number: int) -> None:
            idle = all(job.is_completed for job in jobs.values())
            job = getattr(scope, policy)(work, number, **options)
            assert (job is None) == (policy == "launch_dropping" and not idle)
            if job is not None:
                jobs[number] = job
            going = [other for other in jobs.values() if other.is_active]
            assert len(going) <= {"launch_queued": len(jobs), "launch_conflated": 2}.get(policy, 1)

        by_hand: set[int] = set()
        for number, (act, which) in enumerate(acts):
            if act == "press":
                press(number)
            elif act == "finish" and inside:
                gates[max(inside)].cancel()
            elif act == "cancel" and jobs:
                victim = list(jobs)[which % len(jobs)]
                if not jobs[victim].is_completed:
                    by_hand.add(victim)
                jobs[victim].cancel()
            elif act == "step":
                main.step()
        main.drain()
        while inside:
            gates[max(inside)].cancel()
            main.drain()

        assert not wrong
        assert begun == sorted(begun)
        assert all(job.is_completed for job in jobs.values())
        for number, job in jobs.items():
            assert number in done or job.is_cancelled
        if policy in ("launch_queued", "launch_dropping"):  # nobody is cancelled but by hand
            assert {number for number, job in jobs.items() if job.is_cancelled} <= by_hand
        elif jobs:  # the last one is superseded by nobody
            assert max(jobs) in done or max(jobs) in by_hand
        press(1_000)
        main.run_current()
        assert begun[-1] == 1_000, "the slot is free again"
        scope.cancel()
        main.drain()


# -- bad input


@pytest.mark.parametrize("policy", POLICIES)
def test_u6_a_function_that_a_call_makes_anew_is_refused_while_an_earlier_one_is_at_work(
    main: VMain, scope: CoroutineScope, policy: str
) -> None:
    """It would have a slot of its own each time, so that it would never be taken: as with a lambda."""
    log: list[str] = []

    def on_key(key: str) -> Any:
        async def load() -> None:
            await delay(1)
            log.append(key)

        return getattr(scope, policy)(load)

    on_key("a")
    main.advance(0.5)
    with pytest.raises(TypeError, match=r"on_key\.<locals>\.load, another function of which is at work.*slot="):
        on_key("b")
    main.drain()
    on_key("c")
    main.drain()

    assert log == ["a", "c"]


@pytest.mark.parametrize("policy", POLICIES)
def test_what_has_no_slot_of_its_own_is_refused(scope: CoroutineScope, policy: str) -> None:
    launch = getattr(scope, policy)
    ready = Screen.work(None, "a")  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="lambda, which is another function each time"):
        launch(lambda: None)
    with pytest.raises(TypeError, match=r"takes a function with its arguments, got <generator"):
        launch(ready)
    with pytest.raises(TypeError, match=r"name of a slot as slot=, got 3"):
        launch(print, slot=3)
    assert launch(lambda: None, slot="named") is not None


# -- threads


def test_rank7_a_superseded_thread_job_delivers_nothing(main: VMain, scope: CoroutineScope) -> None:
    gates = {what: threading.Event() for what in "abc"}
    began: list[str] = []
    came_back: list[str] = []
    shown: list[str] = []

    def fetch(what: str) -> str:
        began.append(what)
        assert gates[what].wait(10)
        came_back.append(what)
        return what

    def search(what: str) -> Body:
        shown.append((yield from with_context(Dispatchers.IO, fetch, what)))

    jobs = []
    for what in "abc":
        jobs.append(scope.launch_latest(search, what))
        main.run_until(lambda what=what: what in began)  # type: ignore[misc]
    gates["c"].set()
    main.run_until(lambda: jobs[2].is_completed)
    for what in "ab":  # the answers of those that were superseded come after that of the newest
        gates[what].set()
    main.run_until(lambda: all(job.is_completed for job in jobs))

    assert sorted(came_back) == ["a", "b", "c"]
    assert shown == ["c"]


@pytest.mark.parametrize("policy", ["launch_queued", "launch_latest"])
def test_from_many_threads_there_is_never_more_than_one_at_a_time(policy: str) -> None:
    scope = CoroutineScope(Dispatchers.Default + SupervisorJob())
    inside: list[None] = []
    most: list[int] = []

    def work() -> None:
        inside.append(None)
        most.append(len(inside))
        inside.pop()

    def press() -> None:
        for _ in range(50):
            getattr(scope, policy)(work, **({"join": True} if policy == "launch_latest" else {}))

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job: Any = scope.coroutine_context[Job]
    job.complete()
    run_blocking(job.join)

    assert set(most) == {1}
    if policy == "launch_queued":
        assert len(most) == 200


def test_who_comes_before_the_handlers_of_the_last_one_have_said_that_it_ended_is_not_dropped() -> None:
    """U6: who has joined it may launch the next one at once."""
    scope = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)
    ran: list[int] = []

    with struck(Turn.ended, lambda: scope.launch_dropping(ran.append, 2)) as met:
        scope.launch_dropping(ran.append, 1)

    assert met
    assert ran == [1, 2]
    scope.launch_dropping(ran.append, 3)
    assert ran == [1, 2, 3]
