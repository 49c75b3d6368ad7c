"""run_test and its kin: virtual time, what fails a test, what it waits for. A Kotlin millisecond is a second here."""

from __future__ import annotations

import threading

from vmscope.flow import MutableStateFlow, SharingStarted, flow
from vmscope.testing import (
    StandardTestDispatcher,
    TestScheduler,
    TestScope,
    UncompletedCoroutinesError,
    UnconfinedTestDispatcher,
    reset_main,
    run_test,
    set_main,
)

from ..harness import *


def throw(exception):
    raise exception


def after(seconds, function, *args):
    yield from delay(seconds)
    function(*args)


@scenario("test.virtual_time_skips_delays")
def virtual_time_skips_delays(tr):
    def body(test):
        tr.t(test.current_time)
        yield from delay(1_000_000)
        tr.t(test.current_time)

    run_test(body)


@scenario("test.advance_time_by_boundary")
def advance_time_by_boundary(tr):
    def body(test):
        launch(after, 10, tr.t, "due at 10")
        test.run_current()
        test.advance_time_by(10)
        tr.t(f"clock {show(test.current_time)}")
        test.run_current()
        tr.t("end")

    run_test(body)


@scenario("test.advance_time_by_runs_earlier")
def advance_time_by_runs_earlier(tr):
    def body(test):
        def twice():
            yield from delay(5)
            tr.t(f"5 at {show(test.current_time)}")
            yield from delay(5)
            tr.t(f"10 at {show(test.current_time)}")

        def once():
            yield from delay(7)
            tr.t(f"7 at {show(test.current_time)}")

        launch(twice)
        launch(once)
        test.run_current()
        test.advance_time_by(8)
        tr.t(f"clock {show(test.current_time)}")
        test.advance_time_by(3)
        tr.t(f"clock {show(test.current_time)}")

    run_test(body)


@scenario("test.advance_time_by_negative")
def advance_time_by_negative(tr):
    def body(test):
        tr.try_now("neg", test.advance_time_by, -1)
        test.advance_time_by(0)
        tr.t(test.current_time)

    run_test(body)


@scenario("test.advance_until_idle")
def advance_until_idle(tr):
    def body(test):
        launch(after, 30, tr.t, "30")
        launch(after, 10, tr.t, "10")
        test.advance_until_idle()
        tr.t(test.current_time)

    run_test(body)


@scenario("test.same_time_fifo")
def same_time_fifo(tr):
    def body(test):
        for i in range(3):
            launch(after, 10, tr.t, f"c{i}")

    run_test(body)


@scenario("test.unconfined_nested_order")
def unconfined_nested_order(tr):
    def outer():
        tr.t("a1")
        launch(tr.t, "b")
        tr.t("a2")

    s = TestScope(UnconfinedTestDispatcher())
    s.launch(outer)
    tr.t("end")


@scenario("test.unconfined_runtest_body_nested")
def unconfined_runtest_body_nested(tr):
    def child():
        tr.t("child")
        launch(tr.t, "grandchild")
        tr.t("child end")

    def body(test):
        tr.t("body 1")
        launch(child)
        tr.t("body 2")

    run_test(body, context=UnconfinedTestDispatcher())


@scenario("test.background_failure")
def background_failure(tr):
    def body(test):
        test.background_scope.launch(throw, Boom("bg"))
        yield from delay(10)
        tr.t("body end")

    tr.try_now("runTest", run_test, body)


@scenario("test.background_sibling_isolated")
def background_sibling_isolated(tr):
    def body(test):
        test.background_scope.launch(throw, Boom("bg"))
        b = test.background_scope.launch(await_cancellation)
        yield from delay(10)
        tr.t(f"sibling {st(b)}")

    tr.try_now("runTest", run_test, body)


@scenario("test.child_failure")
def child_failure(tr):
    def body(test):
        launch(throw, Boom("child"))
        tr.t("body")

    tr.try_now("runTest", run_test, body)


@scenario("test.child_failure_cancels_body")
def child_failure_cancels_body(tr):
    def body(test):
        launch(after, 10, throw, Boom("child"))
        try:
            yield from delay(1000)
        except CE as e:
            tr.t(f"body {d(e)} at {show(test.current_time)}")
            raise

    tr.try_now("runTest", run_test, body)


@scenario("test.uncaught_in_other_scope")
def uncaught_in_other_scope(tr):
    def body(test):
        CoroutineScope(Job() + StandardTestDispatcher(test.scheduler)).launch(throw, Boom("elsewhere"))
        test.run_current()
        tr.t("body goes on")

    try:
        run_test(body)
    except BaseException as e:  # noqa: BLE001  (it is what is recorded)
        tr.t(chain(e))


@scenario("test.two_uncaught_suppressed")
def two_uncaught_suppressed(tr):
    def body(test):
        s = CoroutineScope(SupervisorJob() + StandardTestDispatcher(test.scheduler))
        s.launch(throw, Boom("one"))
        s.launch(throw, Boom("two"))
        test.run_current()

    try:
        run_test(body)
    except BaseException as e:  # noqa: BLE001  (it is what is recorded)
        tr.t(chain(e))


@scenario("test.async_unawaited_failure")
def async_unawaited_failure(tr):
    def child(test):
        async_(throw, Boom("async"))

    def supervised(test):
        CoroutineScope(current_context().minus_key(Job) + SupervisorJob()).async_(throw, Boom("async"))
        test.run_current()
        tr.t("body end")

    tr.try_now("child", run_test, child)
    tr.try_now("supervised", run_test, supervised)


@scenario("test.timeout_child_hangs")
def timeout_child_hangs(tr):
    def body(test):
        launch(await_cancellation)
        tr.t("body end")

    try:
        run_test(body, timeout=ms(60))
    except UncompletedCoroutinesError as e:
        tr.t(f"{type(e).__name__}: {str(e).partition(':')[0].splitlines()[0]}")


@scenario("test.virtual_timeout_not_real")
def virtual_timeout_not_real(tr):
    def value():
        yield from delay(10)
        return "v"

    def body(test):
        yield from tr.try_t("wt", b_with_timeout, 1000, delay, 2000)
        tr.t(test.current_time)
        tr.t((yield from with_timeout_or_none(50, value)))
        tr.t(test.current_time)

    run_test(body)


@scenario("test.default_dispatcher_real_time")
def default_dispatcher_real_time(tr):
    def body(test):
        yield from with_context(Dispatchers.Default, delay, ms(20))
        tr.t(test.current_time)

    run_test(body)


@scenario("test.run_test_twice")
def run_test_twice(tr):
    s = TestScope()
    s.run_test(lambda test: tr.t("first"))
    tr.try_now("second", s.run_test, lambda test: None)


@scenario("test.nested_run_test")
def nested_run_test(tr):
    def body(test):
        run_test(lambda inner: None)

    try:
        run_test(body)
    except BaseException as e:  # noqa: BLE001  (it is what is recorded)
        tr.t(rules.name_of(e))


@scenario("test.set_main_shares_scheduler")
def set_main_shares_scheduler(tr):
    d = StandardTestDispatcher()

    def body(test):
        def on_main():
            yield from delay(50)
            tr.t(f"main at {show(test.current_time)}")

        tr.t(test.scheduler is d.scheduler)
        tr.t(StandardTestDispatcher().scheduler is d.scheduler)
        launch(on_main, context=Dispatchers.Main)
        test.advance_until_idle()
        tr.t(test.current_time)

    set_main(d)
    try:
        run_test(body)
    finally:
        reset_main()


@scenario("test.set_main_standard_immediate")
def set_main_standard_immediate(tr):
    def body(test):
        CoroutineScope(Dispatchers.Main.immediate).launch(tr.t, "coroutine")
        tr.t("launched")
        test.run_current()

    set_main(StandardTestDispatcher())
    try:
        run_test(body)
    finally:
        reset_main()


@scenario("test.different_schedulers_rejected")
def different_schedulers_rejected(tr):
    tr.try_now("TestScope", lambda: TestScope(StandardTestDispatcher(TestScheduler()) + TestScheduler()))
    tr.try_now("bad dispatcher", lambda: TestScope(Dispatchers.Default))


@scenario("test.scheduler_standalone")
def scheduler_standalone(tr):
    def body():
        yield from delay(10)
        tr.t("10")
        yield from delay(10)
        tr.t("20")

    sch = TestScheduler()
    s = CoroutineScope(StandardTestDispatcher(sch))
    s.launch(body)
    tr.t(sch.current_time)
    sch.run_current()
    sch.advance_time_by(15)
    tr.t(sch.current_time)
    sch.advance_until_idle()
    tr.t(sch.current_time)


@scenario("test.test_time_source")
def test_time_source(tr):
    def body(test):
        m = test.scheduler.clock()
        yield from delay(1)
        tr.t(f"{test.scheduler.clock() - m:g}s")

    run_test(body)


@scenario("test.cancelled_delay_does_not_advance")
def cancelled_delay_does_not_advance(tr):
    def body(test):
        j = launch(delay, 1000)
        test.run_current()
        j.cancel()
        test.advance_until_idle()
        tr.t(test.current_time)

    run_test(body)


@scenario("test.runtest_context_dispatcher")
def runtest_context_dispatcher(tr):
    def body(test):
        tr.t(repr(current_context()[CoroutineDispatcher]).partition("[")[0])
        tr.t(current_context()[TestScheduler] is test.scheduler)

    run_test(body)


@scenario("test.body_cancellation_exception")
def body_cancellation_exception(tr):
    tr.try_now("rt", run_test, lambda test: throw(CE("body ce")))


@scenario("test.cancel_test_scope")
def cancel_test_scope(tr):
    def body(test):
        cancel("self")
        tr.t(f"after cancel {show(is_active())}")
        yield from yield_()

    tr.try_now("rt", run_test, body)


@scenario("test.runtest_waits_for_default_work")
def runtest_waits_for_default_work(tr):
    ended = threading.Event()

    def on_default():
        ended.wait(10)
        tr.t("default done")

    def body(test):
        launch(on_default, context=Dispatchers.Default)
        tr.t("body end")
        ended.set()

    run_test(body)


@scenario("test.delay_in_unconfined")
def delay_in_unconfined(tr):
    def body(test):
        def a():
            yield from delay(20)
            tr.t(f"a {show(test.current_time)}")

        def b():
            yield from delay(10)
            tr.t(f"b {show(test.current_time)}")

        launch(a)
        launch(b)
        tr.t("body")
        yield from delay(15)
        tr.t(f"body {show(test.current_time)}")

    run_test(body, context=UnconfinedTestDispatcher())


@scenario("test.yield_in_standard")
def yield_in_standard(tr):
    def body(test):
        launch(after, 1, tr.t, "delayed")
        launch(tr.t, "now")
        yield from yield_()
        tr.t(f"after yield at {show(test.current_time)}")

    run_test(body)


@scenario("test.uncaught_handler_given")
def uncaught_handler_given(tr):
    try:
        run_test(lambda test: tr.t("body"), context=tr.ceh())
    except BaseException as e:  # noqa: BLE001  (it is what is recorded)
        tr.t(f"{rules.name_of(e)}: {str(e).splitlines()[0].partition('@')[0][:60]}")


@scenario("test.supervisor_child_failure_with_own_handler")
def supervisor_child_failure_with_own_handler(tr):
    def body(test):
        CoroutineScope(current_context().minus_key(Job) + SupervisorJob() + tr.ceh()).launch(throw, Boom("handled"))
        test.run_current()
        tr.t("body end")

    tr.try_now("rt", run_test, body)


@scenario("test.two_dispatchers_one_scheduler")
def two_dispatchers_one_scheduler(tr):
    def body(test):
        a = StandardTestDispatcher(test.scheduler, "a")
        b = StandardTestDispatcher(test.scheduler, "b")
        launch(tr.t, "1 a", context=a)
        launch(tr.t, "2 b", context=b)
        launch(tr.t, "3 a", context=a)
        test.run_current()

    run_test(body)


@scenario("test.withcontext_between_test_dispatchers")
def withcontext_between_test_dispatchers(tr):
    def body(test):
        b = StandardTestDispatcher(test.scheduler)
        launch(tr.t, "other")
        yield from with_context(b, tr.t, "in b")
        tr.t(f"back at {show(test.current_time)}")

    run_test(body)


@scenario("test.advance_until_idle_reentrant")
def advance_until_idle_reentrant(tr):
    def body(test):
        def inner():
            yield from delay(10)
            tr.t(f"inner {show(test.current_time)}")

        def outer():
            launch(inner)
            test.advance_until_idle()
            tr.t(f"after {show(test.current_time)}")

        launch(outer)

    run_test(body)


@scenario("test.viewmodel_like_with_unconfined")
def viewmodel_like_with_unconfined(tr):
    def body(test):
        s = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
        ui = MutableStateFlow("Idle")

        def load():
            ui.value = "Loading"
            yield from delay(100)
            ui.value = "Done"

        s.launch(load)
        tr.t(ui.value)
        test.advance_until_idle()
        tr.t(f"{ui.value} at {show(test.current_time)}")
        s.cancel()

    set_main(UnconfinedTestDispatcher())
    try:
        run_test(body)
    finally:
        reset_main()


@scenario("test.stateflow_collect_with_unconfined_sees_all")
def stateflow_collect_with_unconfined_sees_all(tr):
    def body(test):
        f = MutableStateFlow(0)
        seen = []
        test.background_scope.launch(f.collect, seen.append, context=UnconfinedTestDispatcher(test.scheduler))
        f.value = 1
        f.value = 2
        tr.t(seen)

    run_test(body)


@scenario("test.advance_in_loop_sharing")
def advance_in_loop_sharing(tr):
    def body(test):
        def upstream(collector):
            tr.t(f"start at {show(test.current_time)}")
            try:
                i = 0
                while True:
                    yield from collector.emit(i)
                    i += 1
                    yield from delay(1000)
            finally:
                tr.t(f"stop at {show(test.current_time)}")

        s = flow(upstream).state_in(test.background_scope, SharingStarted.WHILE_SUBSCRIBED(5000), -1)
        j = launch(s.collect)
        test.advance_time_by(2500)
        j.cancel()
        test.advance_time_by(10_000)
        tr.t(s.value)

    run_test(body)
