"""Dispatchers.Unconfined: the in-place loop, one per thread."""

from __future__ import annotations

import threading

from vmscope.flow import MutableStateFlow

from ..harness import *


@scenario("unconfined.nested_in_runblocking")
def nested_in_runblocking(tr):
    def first():
        tr.t("a1")
        launch(tr.t, "b", context=Dispatchers.Unconfined)
        tr.t("a2")

    def body():
        launch(first, context=Dispatchers.Unconfined)
        tr.t("rb")

    run_blocking(body)


@scenario("unconfined.resume_from_plain_code_inline")
def resume_from_plain_code_inline(tr):
    cd = CompletableDeferred()

    def waiter():
        tr.t("waiting")
        yield from cd.await_()
        tr.t("resumed")

    GlobalScope.launch(waiter, context=Dispatchers.Unconfined)
    tr.t("before")
    cd.complete(1)
    tr.t("after")


@scenario("unconfined.resume_chain_order")
def resume_chain_order(tr):
    a, b = CompletableDeferred(), CompletableDeferred()

    def w1():
        yield from a.await_()
        tr.t("w1 a")
        b.complete(1)
        tr.t("w1 end")

    def w2():
        yield from b.await_()
        tr.t("w2 b")

    def w3():
        yield from a.await_()
        tr.t("w3 a")

    GlobalScope.launch(w1, context=Dispatchers.Unconfined)
    GlobalScope.launch(w2, context=Dispatchers.Unconfined)
    GlobalScope.launch(w3, context=Dispatchers.Unconfined)
    tr.t("go")
    a.complete(1)
    tr.t("end")


@scenario("unconfined.resumes_on_resumer_thread")
def resumes_on_resumer_thread(tr):
    def body():
        home = threading.current_thread()
        cd = CompletableDeferred()

        def waiter():
            tr.t(f"home {show(threading.current_thread() is home)}")
            yield from cd.await_()
            tr.t(f"home {show(threading.current_thread() is home)}")

        j = launch(waiter, context=Dispatchers.Unconfined)
        thread0(lambda: cd.complete(1))
        yield from j.join()
        tr.t(f"joiner home {show(threading.current_thread() is home)}")

    run_blocking(body)


@scenario("unconfined.dispatch_directly_throws")
def dispatch_directly_throws(tr):
    tr.t(Dispatchers.Unconfined.is_dispatch_needed(EmptyCoroutineContext))
    try:
        Dispatchers.Unconfined.dispatch(EmptyCoroutineContext, None)
    except BaseException as e:  # noqa: BLE001  (Kotlin: Throwable)
        tr.t(rules.name_of(e))


@scenario("unconfined.undispatched_nested_is_in_place")
def undispatched_nested_is_in_place(tr):
    def outer():
        tr.t("a1")
        launch(tr.t, "b", start=CoroutineStart.UNDISPATCHED)
        tr.t("a2")

    GlobalScope.launch(outer, context=Dispatchers.Unconfined)


@scenario("unconfined.cancel_from_inside_loop")
def cancel_from_inside_loop(tr):
    def waiter():
        try:
            yield from await_cancellation()
        finally:
            tr.t("finally")

    j = GlobalScope.launch(waiter, context=Dispatchers.Unconfined)

    def canceller():
        tr.t("cancelling")
        j.cancel()
        tr.t(f"cancelled {st(j)}")

    GlobalScope.launch(canceller, context=Dispatchers.Unconfined)
    tr.t(f"end {st(j)}")


@scenario("unconfined.loop_10000_yields")
def loop_10000_yields(tr):
    n = 0

    def turns():
        nonlocal n
        for _ in range(10_000):
            n += 1
            yield from yield_()

    def outer():
        for _ in range(2):
            launch(turns)

    GlobalScope.launch(outer, context=Dispatchers.Unconfined)
    tr.t(n)


@scenario("unconfined.chain_10000_completions")
def chain_10000_completions(tr):
    ds = [CompletableDeferred() for _ in range(10_001)]

    def link(i):
        yield from ds[i].await_()
        ds[i + 1].complete(1)

    for i in range(10_000):
        GlobalScope.launch(link, i, context=Dispatchers.Unconfined)
    ds[0].complete(1)
    tr.t(ds[10_000].is_completed)


@scenario("unconfined.event_loop_inside_runblocking_resume")
def event_loop_inside_runblocking_resume(tr):
    def body():
        cd = CompletableDeferred()

        def waiter():
            yield from cd.await_()
            tr.t("waiter")

        launch(waiter, context=Dispatchers.Unconfined)
        tr.t("before")
        cd.complete(None)
        tr.t("after")

    run_blocking(body)


@scenario("unconfined.cancelled_caller_gets_scope_failure")
def cancelled_caller_gets_scope_failure(tr):
    def child():
        try:
            yield from await_cancellation()
        finally:
            raise Boom("cleanup")

    def inner():
        launch(child)

    def caller():
        try:
            yield from coroutine_scope(inner)
        except BaseException as e:
            tr.t(f"scope threw {d(e)}")
            raise

    j = CoroutineScope(Dispatchers.Unconfined + SupervisorJob() + tr.ceh()).launch(caller)
    j.cancel("c")
    tr.t(chain(j.get_cancellation_exception()))


# -- asked of the reference by us


@scenario("unconfined.two_waiters_in_place_one_loop")
def two_waiters_in_place_one_loop(tr):
    cd = CompletableDeferred()

    def waiter(name):
        yield from cd.await_()
        tr.t(name)
        launch(tr.t, f"{name} child")
        tr.t(f"{name} end")

    GlobalScope.launch(waiter, "w1", context=Dispatchers.Unconfined)
    GlobalScope.launch(waiter, "w2", context=Dispatchers.Unconfined)
    tr.t("go")
    cd.complete(1)
    tr.t("end")


@scenario("unconfined.resume_inside_loop_is_queued")
def resume_inside_loop_is_queued(tr):
    cd = CompletableDeferred()

    def waiter():
        yield from cd.await_()
        tr.t("waiter")

    def completer():
        tr.t("before")
        cd.complete(1)
        tr.t("after")
        yield from yield_()
        tr.t("after yield")

    GlobalScope.launch(waiter, context=Dispatchers.Unconfined)
    GlobalScope.launch(completer, context=Dispatchers.Unconfined)
    tr.t("end")


@scenario("unconfined.yield_alone_is_noop")
def yield_alone_is_noop(tr):
    def body():
        tr.t("a")
        yield from yield_()
        tr.t("b")

    GlobalScope.launch(body, context=Dispatchers.Unconfined)
    tr.t("end")


@scenario("unconfined.yield_lets_queued_run")
def yield_lets_queued_run(tr):
    def first():
        tr.t("c1")
        yield from yield_()
        tr.t("c1 b")

    def body():
        tr.t("a")
        launch(first)
        launch(tr.t, "c2")
        tr.t("a2")
        yield from yield_()
        tr.t("a3")

    GlobalScope.launch(body, context=Dispatchers.Unconfined)
    tr.t("end")


@scenario("unconfined.yield_in_cancelled")
def yield_in_cancelled(tr):
    def body():
        current_job().cancel()
        yield from tr.try_t("yield", yield_)

    GlobalScope.launch(body, context=Dispatchers.Unconfined)
    tr.t("end")


@scenario("unconfined.withcontext_to_unconfined")
def withcontext_to_unconfined(tr):
    def inner():
        tr.t("b")
        launch(tr.t, "c")
        tr.t("d")

    def body():
        tr.t("a")
        yield from with_context(Dispatchers.Unconfined, inner)
        tr.t("e")

    run_blocking(body)


@scenario("unconfined.async_await_nested")
def async_await_nested(tr):
    def first():
        tr.t("async")
        return 1

    async def second():
        tr.t("async b")
        await yield_()
        return 2

    async def body():
        a = async_(first)
        tr.t("before")
        tr.t(f"got {await a.await_()}")
        b = async_(second)
        tr.t(f"got {await b.await_()}")

    GlobalScope.launch(body, context=Dispatchers.Unconfined)
    tr.t("end")


@scenario("unconfined.finally_order_on_cancel_of_parent")
def finally_order_on_cancel_of_parent(tr):
    def waiter(name):
        try:
            yield from await_cancellation()
        finally:
            tr.t(f"{name} finally")

    def parent():
        launch(waiter, "c1")
        launch(waiter, "c2")
        yield from waiter("p")

    p = GlobalScope.launch(parent, context=Dispatchers.Unconfined)
    tr.t("cancel")
    p.cancel()
    tr.t(f"end {st(p)}")


@scenario("unconfined.failure_of_child_in_loop")
def failure_of_child_in_loop(tr):
    def child():
        tr.t("c")
        raise Boom()

    def parent():
        launch(child)
        tr.t("p")
        try:
            yield from yield_()
            tr.t("p2")
        except CancellationException as e:
            tr.t(f"p sees {chain(e)}")
            raise

    CoroutineScope(Dispatchers.Unconfined + SupervisorJob() + tr.ceh()).launch(parent)
    tr.t("end")


@scenario("unconfined.stateflow_set_from_plain_code")
def stateflow_set_from_plain_code(tr):
    f = MutableStateFlow(0)
    j = GlobalScope.launch(lambda: f.collect(lambda x: tr.t(f"c {x}")), context=Dispatchers.Unconfined)
    tr.t("set 1")
    f.value = 1
    tr.t("set 2")
    f.value = 2
    tr.t("end")
    j.cancel()


@scenario("unconfined.stateflow_set_in_collector")
def stateflow_set_in_collector(tr):
    f = MutableStateFlow(0)

    def each(x):
        tr.t(f"c {x}")
        if x == 1:
            f.value = 2
            f.value = 3
            tr.t("set 3")

    j = GlobalScope.launch(lambda: f.collect(each), context=Dispatchers.Unconfined)
    f.value = 1
    tr.t(f"end {f.value}")
    j.cancel()
