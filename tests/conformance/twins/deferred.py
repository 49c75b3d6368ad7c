"""Deferred: awaiting one, awaiting several, failing and being cancelled while somebody waits."""

from __future__ import annotations

from ..harness import *


def boom():
    raise Boom


@scenario("deferred.await_all_order")
def await_all_order(tr):
    def after(milliseconds, value):
        yield from delay(ms(milliseconds))
        return value

    def main():
        a = async_(after, 40, "a")
        b = async_(after, 10, "b")
        tr.t((yield from await_all(a, b)))
        tr.t((yield from await_all(*[b, a])))

    run_blocking(main)


@scenario("deferred.sequential_await_not_fail_fast")
def sequential_await_not_fail_fast(tr):
    async def slowly():
        await delay(ms(40))
        tr.t("slow end")
        return 1

    async def badly():
        await delay(ms(10))
        raise Boom

    async def one_by_one(*deferreds):
        values = []
        for deferred in deferreds:
            values.append(await deferred.await_())
        return values

    async def supervised():
        slow = async_(slowly)
        bad = async_(badly)
        await tr.try_t("map", one_by_one, slow, bad)

    async def main():
        await supervisor_scope(supervised)

    run_blocking(main)


@scenario("deferred.await_all_empty")
def await_all_empty(tr):
    def main():
        tr.t((yield from await_all()))
        yield from join_all()
        tr.t("ok")

    run_blocking(main)


@scenario("deferred.await_all_cancelled_caller")
def await_all_cancelled_caller(tr):
    def main():
        def body():
            yield from delay(ms(40))
            tr.t("a end")
            return 1

        a = async_(body)

        def waiter():
            yield from tr.try_t("awaitAll", await_all, a)

        w = launch(waiter)
        yield from yield_()
        w.cancel("w")
        yield from w.join()
        tr.t(st(a))
        yield from a.join()

    run_blocking(main)


@scenario("deferred.two_waiters_order")
def two_waiters_order(tr):
    async def main():
        c = CompletableDeferred()

        async def waiter(i):
            await c.await_()
            tr.t(f"w{i}")

        for i in range(3):
            launch(waiter, i)
        await yield_()
        c.complete(1)

    run_blocking(main)


@scenario("deferred.cancelled_waiter_others_ok")
def cancelled_waiter_others_ok(tr):
    def main():
        c = CompletableDeferred()

        def waiter(name):
            yield from tr.try_t(name, c.await_)

        w1 = launch(waiter, "w1")
        w2 = launch(waiter, "w2")
        yield from yield_()
        w1.cancel("w1")
        yield from yield_()
        tr.t(st(c))
        c.complete(3)
        yield from w2.join()

    run_blocking(main)


@scenario("deferred.await_when_parent_cancelled_by_it")
def await_when_parent_cancelled_by_it(tr):
    def failing():
        yield from yield_()
        raise Boom

    def body():
        a = async_(failing)
        try:
            yield from a.await_()
        except BaseException as e:
            tr.t(f"await threw {chain(e)}")
            raise

    def main():
        yield from tr.try_t("scope", coroutine_scope, body)

    run_blocking(main)


@scenario("deferred.await_sibling_waiter_in_failing_scope")
def await_sibling_waiter_in_failing_scope(tr):
    async def failing():
        await yield_()
        await yield_()
        raise Boom

    def body():
        a = async_(failing)

        async def sibling():
            try:
                await a.await_()
            except BaseException as e:
                tr.t(f"sibling await threw {chain(e)}")
                raise

        launch(sibling)

    async def main():
        await tr.try_t("scope", coroutine_scope, body)

    run_blocking(main)


@scenario("deferred.async_in_supervisor_failure_delivered_on_await")
def async_in_supervisor_failure_delivered_on_await(tr):
    def two():
        yield from delay(ms(10))
        return 2

    def supervised():
        a = async_(boom)
        b = async_(two)
        yield from a.join()
        tr.t("a failed quietly")
        tr.t((yield from b.await_()))
        yield from tr.try_t("a", a.await_)

    def main():
        yield from supervisor_scope(supervised)

    run_blocking(main)


@scenario("deferred.exception_deferred_cancel_parent")
def exception_deferred_cancel_parent(tr):
    def child():
        try:
            yield from await_cancellation()
        finally:
            raise Boom("child")

    def body():
        launch(child)
        yield from yield_()
        raise Boom("body")

    def supervised():
        a = async_(body)
        yield from a.join()
        tr.t(chain(a.get_completion_exception_or_none()))

    def main():
        yield from supervisor_scope(supervised)

    run_blocking(main)


@scenario("deferred.null_value")
def null_value(tr):
    async def main():
        a = async_(lambda: None)
        tr.t(await a.await_())
        tr.t(a.get_completed())

    run_blocking(main)


@scenario("deferred.await_unconfined_order")
def await_unconfined_order(tr):
    c = CompletableDeferred()

    def waiter(i):
        tr.t(f"w{i} {(yield from c.await_())}")

    for i in range(2):
        GlobalScope.launch(waiter, i, context=Dispatchers.Unconfined)
    tr.t("completing")
    c.complete(5)
    tr.t("completed")


@scenario("deferred.cancel_awaited_async")
def cancel_awaited_async(tr):
    def main():
        a = async_(await_cancellation)
        launch(lambda: a.cancel("stop"))
        yield from tr.try_t("await", b_await, a)
        tr.t(f"me {is_active()}")

    run_blocking(main)


@scenario("deferred.await_all_starts_lazy_together")
def await_all_starts_lazy_together(tr):
    def main():
        def steps(n):
            tr.t(f"{n} start")
            yield from yield_()
            tr.t(f"{n} end")

        def lz(n):
            return async_(steps, n, start=CoroutineStart.LAZY)

        yield from await_all(lz("a"), lz("b"))
        yield from join_all(lz("c"), lz("d"))

    run_blocking(main)


@scenario("deferred.await_all_first_failure_in_time")
def await_all_first_failure_in_time(tr):
    with with_main() as m:

        def failing(seconds, message):
            yield from delay(seconds)
            raise Boom(message)

        def supervised():
            a = async_(failing, 20, "late")
            b = async_(failing, 10, "early")
            yield from tr.try_t("all", await_all, a, b)
            tr.t(m.now)

        def body():
            yield from supervisor_scope(supervised)

        CoroutineScope(m.main).launch(body)
