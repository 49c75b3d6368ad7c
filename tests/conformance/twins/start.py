"""CoroutineStart: when a body begins, and what a cancellation before that does."""

from __future__ import annotations

from ..harness import *


@scenario("start.default_is_dispatched")
def default_is_dispatched(tr):
    def main():
        launch(lambda: tr.t("body"))
        tr.t("after launch")

    run_blocking(main)


@scenario("start.undispatched_async_result")
def undispatched_async_result(tr):
    def main():
        a = async_(lambda: 7, start=CoroutineStart.UNDISPATCHED)
        tr.t(st(a))
        tr.t(a.get_completed())

    run_blocking(main)


@scenario("start.default_in_cancelled_scope")
def default_in_cancelled_scope(tr):
    def main():
        s = CoroutineScope(current_context() + Job())
        s.cancel()
        j = s.launch(lambda: tr.t("body"))
        tr.t(st(j))
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("start.undispatched_in_cancelled_scope")
def undispatched_in_cancelled_scope(tr):
    def body():
        tr.t(f"body {is_active()}")
        yield from tr.try_t("delay", delay, ms(1))
        tr.t("tail")

    def main():
        s = CoroutineScope(current_context() + Job())
        s.cancel()
        j = s.launch(body, start=CoroutineStart.UNDISPATCHED)
        tr.t(f"launched {st(j)}")
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("start.unconfined_in_cancelled_scope")
def unconfined_in_cancelled_scope(tr):
    def main():
        s = CoroutineScope(current_context() + Job())
        s.cancel()
        j = s.launch(lambda: tr.t("body"), context=Dispatchers.Unconfined)
        tr.t(st(j))
        start = CoroutineStart.UNDISPATCHED
        k = s.launch(lambda: tr.t("undispatched body"), context=Dispatchers.Unconfined, start=start)
        tr.t(st(k))
        a = s.launch(lambda: tr.t("atomic body"), context=Dispatchers.Unconfined, start=CoroutineStart.ATOMIC)
        tr.t(st(a))

    run_blocking(main)


@scenario("start.lazy_in_cancelled_scope")
def lazy_in_cancelled_scope(tr):
    async def main():
        s = CoroutineScope(current_context() + Job())
        s.cancel()
        j = s.launch(lambda: tr.t("body"), start=CoroutineStart.LAZY)
        tr.t(st(j))
        tr.t(j.start())
        await j.join()

    run_blocking(main)


@scenario("start.default_cancelled_before_dispatch")
def default_cancelled_before_dispatch(tr):
    async def main():
        j = launch(lambda: tr.t("body"))
        j.invoke_on_completion(lambda _: tr.t("completion"))
        j.cancel()
        tr.t(st(j))
        await yield_()
        tr.t(st(j))

    run_blocking(main)


@scenario("start.atomic_cancelled_before_dispatch")
def atomic_cancelled_before_dispatch(tr):
    def body():
        tr.t(f"body {is_active()}")
        try:
            yield from delay(ms(10))
            tr.t("no")
        finally:
            tr.t("finally")

    def main():
        j = launch(body, start=CoroutineStart.ATOMIC)
        j.cancel()
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("start.lazy_children_of_scope_cancelled_when_body_fails")
def lazy_children_of_scope_cancelled_when_body_fails(tr):
    def body():
        lazy = launch(lambda: tr.t("never"), start=CoroutineStart.LAZY)
        lazy.invoke_on_completion(lambda cause: tr.t(f"lazy {chain(cause)}"))
        raise Boom

    def main():
        yield from tr.try_t("scope", coroutine_scope, body)

    run_blocking(main)


@scenario("start.lazy_async_pair_sequential_await")
def lazy_async_pair_sequential_await(tr):
    def steps(name, value):
        tr.t(f"{name}1")
        yield from yield_()
        tr.t(f"{name}2")
        return value

    def main():
        a = async_(steps, "a", 1, start=CoroutineStart.LAZY)
        b = async_(steps, "b", 2, start=CoroutineStart.LAZY)
        first = yield from a.await_()
        tr.t(first + (yield from b.await_()))
        c = async_(steps, "c", 1, start=CoroutineStart.LAZY)
        d = async_(steps, "d", 2, start=CoroutineStart.LAZY)
        c.start()
        d.start()
        first = yield from c.await_()
        tr.t(first + (yield from d.await_()))

    run_blocking(main)


@scenario("start.lazy_start_dispatches")
def lazy_start_dispatches(tr):
    async def main():
        j = launch(lambda: tr.t("body"), start=CoroutineStart.LAZY)
        j.start()
        tr.t("started")
        await j.join()

    run_blocking(main)


@scenario("start.undispatched_nested")
def undispatched_nested(tr):
    def b():
        tr.t("b1")
        yield from yield_()
        tr.t("b2")

    def a():
        tr.t("a1")
        launch(b, start=CoroutineStart.UNDISPATCHED)
        tr.t("a2")
        yield from yield_()
        tr.t("a3")

    def main():
        launch(a, start=CoroutineStart.UNDISPATCHED)
        tr.t("main")

    run_blocking(main)


@scenario("start.undispatched_failure_in_coroutinescope")
def undispatched_failure_in_coroutinescope(tr):
    def fail():
        raise Boom

    def body():
        launch(fail, start=CoroutineStart.UNDISPATCHED)
        tr.t(f"after launch {is_active()}")
        return 1

    async def main():
        await tr.try_t("scope", coroutine_scope, body)

    run_blocking(main)


@scenario("start.undispatched_context_dispatcher_after_suspension")
def undispatched_context_dispatcher_after_suspension(tr):
    def name():
        return threading.current_thread().name.split(" ")[0]

    def body():
        tr.t(f"first on {name()}")
        yield from yield_()
        tr.t(f"then on {name()}")

    def main():
        with new_single_thread_context("other") as ctx:
            yield from launch(body, context=ctx, start=CoroutineStart.UNDISPATCHED).join()

    run_blocking(main)
