"""The two test dispatchers, and Dispatchers.Main in tests."""

from __future__ import annotations

import threading

import pytest

from vmscope import (
    CoroutineScope,
    Dispatchers,
    Handler,
    IllegalStateError,
    Job,
    Looper,
    MainScope,
    as_dispatcher,
    async_,
    current_context,
    delay,
    launch,
    run_blocking,
    with_context,
    yield_,
)
from vmscope._primitives import Bell
from vmscope.coroutines._dispatcher import CoroutineDispatcher
from vmscope.coroutines._main import _main
from vmscope.testing import (
    StandardTestDispatcher,
    TestScheduler,
    TestScope,
    UnconfinedTestDispatcher,
    main_dispatcher,
    reset_main,
    run_test,
    set_main,
)
from vmscope.testing._main import MainForTest


class Slow(CoroutineDispatcher):
    """Keeps whoever dispatches inside until it is told."""

    def __init__(self):
        self.inside, self.go_on = threading.Event(), threading.Event()

    def dispatch(self, context, block):
        self.inside.set()
        self.go_on.wait(10)
        block.run()


def test_standard_queues_even_the_first_step():
    order = []
    scope = TestScope(StandardTestDispatcher())

    scope.launch(order.append, "launched")
    order.append("returned")
    scope.run_current()

    assert order == ["returned", "launched"]


def test_unconfined_starts_in_place_and_its_delays_are_virtual():
    order = []
    scope = TestScope(UnconfinedTestDispatcher())

    def body():
        order.append("began")
        yield from delay(10)
        order.append(scope.current_time)

    scope.launch(body)
    order.append("returned")
    scope.advance_until_idle()

    assert order == ["began", "returned", 10.0]


def test_unconfined_defers_what_is_launched_in_what_it_started():
    order = []

    def outer():
        launch(order.append, "inner")
        order.append("outer goes on")

    TestScope(UnconfinedTestDispatcher()).launch(outer)

    assert order == ["outer goes on", "inner"]


def test_yield_on_unconfined_lets_what_waits_in_place_go_first():
    order = []

    def outer():
        launch(order.append, "inner")
        yield from yield_()
        order.append("outer")

    TestScope(UnconfinedTestDispatcher()).launch(outer)

    assert order == ["inner", "outer"]


def test_a_limited_view_of_a_test_dispatcher_is_on_the_same_time():
    def body(scope):
        view = StandardTestDispatcher(scope.scheduler).limited_parallelism(1, "one at a time")
        yield from with_context(view, delay, 3)
        return scope.current_time, repr(view).partition("[")[0]

    assert run_test(body) == (3.0, "one at a time")


def test_a_strangers_block_can_be_dispatched():
    class Block:
        ran = False

        def run(self):
            self.ran = True

    scheduler, block = TestScheduler(), Block()

    StandardTestDispatcher(scheduler).dispatch(TestScope(scheduler).coroutine_context, block)
    scheduler.run_current()

    assert block.ran


def test_with_a_main_dispatcher_everything_shares_its_scheduler():
    with main_dispatcher(StandardTestDispatcher()) as main:
        assert StandardTestDispatcher().scheduler is main.scheduler
        assert UnconfinedTestDispatcher().scheduler is main.scheduler
        assert TestScope().scheduler is main.scheduler
        assert run_test(lambda scope: scope.scheduler is main.scheduler)
        assert StandardTestDispatcher(TestScheduler()).scheduler is not main.scheduler


def test_main_immediate_over_standard_queues():
    order = []
    with main_dispatcher(StandardTestDispatcher()) as main:
        CoroutineScope(Dispatchers.Main.immediate).launch(order.append, "launched")
        order.append("returned")
        main.scheduler.run_current()

    assert order == ["returned", "launched"]


def test_main_over_unconfined_starts_in_place():
    order = []
    with main_dispatcher() as main:
        MainScope().launch(order.append, "launched")
        order.append("returned")

    assert isinstance(main, UnconfinedTestDispatcher)
    assert order == ["launched", "returned"]


def test_a_delay_on_main_is_virtual():
    with main_dispatcher(StandardTestDispatcher()) as main:
        job = MainScope().launch(delay, 1000)
        main.scheduler.advance_until_idle()
        assert job.is_completed
        assert main.scheduler.current_time == 1000


def test_reset_main_puts_back_what_was_there():
    looper = Looper.prepare_main()
    set_main(StandardTestDispatcher())
    inner = UnconfinedTestDispatcher()
    set_main(inner)
    assert _main.delegate.wrapped is inner

    reset_main()
    assert isinstance(_main.delegate.wrapped, StandardTestDispatcher)
    reset_main()
    assert _main.delegate is None

    ran = []
    CoroutineScope(Dispatchers.Main).launch(ran.append, 1)
    looper.pump()
    assert ran == [1]


def test_a_dispatcher_of_a_looper_may_be_main_and_keeps_its_immediate():
    looper = Looper.prepare()
    set_main(as_dispatcher(Handler(looper)))
    ran = []
    CoroutineScope(Dispatchers.Main.immediate).launch(ran.append, "in place")
    assert ran == ["in place"]
    CoroutineScope(Dispatchers.Main).launch(ran.append, "posted")
    assert ran == ["in place"]
    looper.pump()
    reset_main()

    assert ran == ["in place", "posted"]


def test_a_delay_on_a_main_without_timers_of_its_own_comes_back_to_it():
    set_main(Dispatchers.IO.limited_parallelism(1))

    def body():
        yield from delay(0.001)
        return threading.current_thread().name

    try:
        name = run_blocking(lambda: CoroutineScope(Dispatchers.Main).async_(body).await_())
    finally:
        reset_main()

    assert name.startswith("vmscope-worker")


# ---- misuse


def test_reset_main_without_set_main_is_refused():
    with pytest.raises(IllegalStateError, match="main_dispatcher"):
        reset_main()


def test_set_main_takes_a_dispatcher():
    with pytest.raises(TypeError, match="takes a dispatcher"):
        set_main(TestScheduler())


def test_main_cannot_stand_behind_itself():
    with pytest.raises(ValueError, match=r"not Dispatchers\.Main itself"):
        set_main(Dispatchers.Main.immediate)


def test_the_real_unconfined_is_no_main():
    with pytest.raises(ValueError, match="UnconfinedTestDispatcher"):
        set_main(Dispatchers.Unconfined)


def test_a_switch_while_another_thread_uses_main_is_found_out():
    slow = Slow()
    set_main(slow)
    thread = threading.Thread(target=lambda: CoroutineScope(Job() + Dispatchers.Main).launch(list))
    thread.start()
    slow.inside.wait(10)

    with pytest.raises(IllegalStateError, match="while a test switches it"):
        reset_main()

    slow.go_on.set()
    thread.join()


def test_a_worker_that_is_about_to_leave_main_may_leave_it_as_it_is_switched():
    inside, go_on = threading.Event(), threading.Event()

    class Left(Bell):
        def wait(self, seconds=None):
            go_on.set()
            return super().wait(seconds)

    class Slow(CoroutineDispatcher):
        def dispatch(self, context, block):
            block.run()
            inside.set()
            go_on.wait(10)

    set_main(Slow())
    _main.delegate._left = Left()
    thread = threading.Thread(target=lambda: CoroutineScope(Job() + Dispatchers.Main).launch(list))
    thread.start()
    inside.wait(10)

    reset_main()

    assert go_on.is_set()
    thread.join()


def test_main_of_a_test_that_is_over_is_no_main_any_more(uncaught):
    set_main(StandardTestDispatcher())
    old = _main.delegate
    assert isinstance(old, MainForTest)
    reset_main()

    with pytest.raises(IllegalStateError, match="a coroutine of a test outlives"):
        CoroutineScope(old).launch(list)
    uncaught.clear()


def test_a_scheduler_must_be_one():
    with pytest.raises(TypeError, match="takes a TestScheduler"):
        StandardTestDispatcher("clock")


def test_a_coroutine_of_main_is_shown_with_its_dispatcher():
    with main_dispatcher() as main:
        shown = MainScope().async_(lambda: current_context()[CoroutineDispatcher])
        assert shown.get_completed() is Dispatchers.Main
        assert repr(main).startswith("UnconfinedTestDispatcher[scheduler=TestScheduler@")
        assert async_ is not None
