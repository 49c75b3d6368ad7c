"""Dispatchers.Unconfined: the in-place loop, one per thread."""

from __future__ import annotations

import threading

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
