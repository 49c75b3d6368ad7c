"""run_blocking: the loop of the blocked thread, order, failures, nesting."""

from __future__ import annotations

import threading
import time

from ..harness import *


def throw(exception):
    raise exception


@scenario("runblocking.launch_order")
def launch_order(tr):
    def body():
        for i in range(3):
            launch(tr.t, f"c{i}")
        tr.t("body")
        yield from yield_()
        tr.t("body 2")
        launch(tr.t, "late")
        tr.t("body end")

    run_blocking(body)


@scenario("runblocking.child_failure")
def child_failure(tr):
    def body():
        launch(throw, Boom())
        try:
            yield from delay(1000)
        except CancellationException as e:
            tr.t(f"body {chain(e)}")
            raise

    tr.try_now("rb", run_blocking, body)


@scenario("runblocking.nested_inner_without_suspension")
def nested_inner_without_suspension(tr):
    def body():
        launch(tr.t, "outer child")
        run_blocking(tr.t, "inner body")
        tr.t("outer body")

    run_blocking(body)


@scenario("runblocking.inside_unconfined")
def inside_unconfined(tr):
    def inner():
        launch(tr.t, "rb child")
        tr.t("rb body")

    def outer():
        tr.t("u1")
        run_blocking(inner)
        tr.t("u2")

    GlobalScope.launch(outer, context=Dispatchers.Unconfined)


@scenario("runblocking.parent_job_cancel_from_child")
def parent_job_cancel_from_child(tr):
    def body():
        me = current_job()
        launch(me.cancel, "by child")
        yield from await_cancellation()

    tr.try_now("rb", run_blocking, body)


@scenario("runblocking.dispatcher")
def on_default(tr):
    home = threading.current_thread()

    def body():
        tr.t(f"home {show(threading.current_thread() is home)}")

    run_blocking(body, context=Dispatchers.Default)
    tr.t("back")


@scenario("runblocking.unconfined")
def on_unconfined(tr):
    home = threading.current_thread()

    def body():
        tr.t(f"home {show(threading.current_thread() is home)}")
        launch(tr.t, "child")
        tr.t("body end")

    run_blocking(body, context=Dispatchers.Unconfined)


@scenario("runblocking.resumed_from_other_thread")
def resumed_from_other_thread(tr):
    home = threading.current_thread()

    def body():
        cd = CompletableDeferred()

        def other():
            time.sleep(0.02)
            cd.complete(None)

        threading.Thread(target=other).start()
        yield from cd.await_()
        tr.t(threading.current_thread() is home)

    run_blocking(body)


@scenario("runblocking.yield_fairness")
def yield_fairness(tr):
    def turns(name, n):
        for i in range(n):
            tr.t(f"{name}{i}")
            yield from yield_()

    def body():
        launch(turns, "a", 2)
        launch(turns, "b", 2)
        yield from turns("m", 3)

    run_blocking(body)


@scenario("runblocking.delayed_vs_queued")
def delayed_vs_queued(tr):
    def late():
        yield from delay(0.001)
        tr.t("delayed")

    def body():
        launch(late)
        yield from yield_()
        time.sleep(0.02)
        launch(tr.t, "queued")
        tr.t("body")

    run_blocking(body)


@scenario("runblocking.parent_job_not_failed")
def parent_job_not_failed(tr):
    p = Job()

    def body():
        launch(throw, Boom("c"))

    tr.try_now("rb", lambda: run_blocking(throw, Boom(), context=p))
    tr.t(st(p))
    tr.try_now("rb child", lambda: run_blocking(body, context=p))
    tr.t(st(p))


# -- asked of the reference by us


@scenario("runblocking.nested_same_thread")
def nested_same_thread(tr):
    def outer_child():
        tr.t("outer child")
        yield from yield_()
        tr.t("outer child 2")

    def inner():
        launch(tr.t, "inner child")
        tr.t("inner body")
        yield from yield_()
        tr.t("inner body 2")

    def outer():
        launch(outer_child)
        run_blocking(inner)
        tr.t("outer body")

    run_blocking(outer)


@scenario("runblocking.returns_value_and_waits")
def returns_value_and_waits(tr):
    def child():
        yield from delay(ms(10))
        tr.t("child")

    def body():
        launch(child)
        return 5

    tr.t(run_blocking(body))


@scenario("runblocking.global_delay_survives")
def global_delay_survives(tr):
    def stays():
        tr.t("g1")
        yield from delay(ms(10))
        tr.t("g2")

    def body():
        dispatcher = current_context()[CoroutineDispatcher]
        it = GlobalScope.launch(stays, context=dispatcher)
        tr.t("body")
        return it

    j = run_blocking(body)
    tr.t("end")
    while not j.is_completed:
        time.sleep(0.001)
    tr.t(st(j))


@scenario("runblocking.inside_launch_of_runblocking")
def inside_launch_of_runblocking(tr):
    def inner():
        yield from delay(ms(5))
        tr.t("in")
        return 3

    def first():
        tr.t("a")
        x = run_blocking(inner)
        tr.t(f"x {x}")

    def body():
        launch(first)
        launch(tr.t, "b")
        tr.t("body")

    run_blocking(body)


@scenario("runblocking.exception_in_body_cancels_children")
def exception_in_body_cancels_children(tr):
    def child():
        try:
            yield from await_cancellation()
        except CancellationException as e:
            tr.t(chain(e))
            raise

    def body():
        launch(child)
        yield from yield_()
        raise Boom()

    tr.try_now("rb", run_blocking, body)


@scenario("runblocking.cancel_scope_in_body")
def cancel_scope_in_body(tr):
    def first():
        cancel("me")
        tr.t("still")
        return 5

    def second():
        cancel("me")
        yield from yield_()
        return 5

    tr.try_now("rb", run_blocking, first)
    tr.try_now("rb2", run_blocking, second)


@scenario("runblocking.cancelled_job_given")
def cancelled_job_given(tr):
    p = Job()
    p.cancel("gone")
    tr.try_now("rb", lambda: run_blocking(tr.t, "never", context=p))


@scenario("runblocking.given_job_cancelled_meanwhile")
def given_job_cancelled_meanwhile(tr):
    p = Job()

    def body():
        launch(p.cancel, "now")
        yield from await_cancellation()

    tr.try_now("rb", lambda: run_blocking(body, context=p))
    tr.t(st(p))


@scenario("runblocking.name_and_state")
def name_and_state(tr):
    def child():
        tr.t(current_context()[CoroutineName])

    def body():
        tr.t(current_context()[CoroutineName])
        tr.t(st(current_job()))
        launch(child)

    run_blocking(body, context=CoroutineName("n"))
