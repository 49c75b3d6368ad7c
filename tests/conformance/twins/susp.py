"""suspend_cancellable_coroutine and suspend_coroutine: who may resume, what a cancellation does to the value."""

from __future__ import annotations

from ..harness import *

# The continuation that Kotlin's `lateinit var c` holds is `c[0]` here: `suspend_cancellable_coroutine(c.append)`.
# Kotlin's onCancellation gets the cause, too; here it gets the value alone, and the cause is asked of the job.


@scenario("susp.resume_value")
def resume_value(tr):
    def main():
        c = []

        def body():
            tr.t((yield from suspend_cancellable_coroutine(c.append)))

        j = launch(body)
        yield from yield_()
        tr.t(f"active {c[0].is_active} completed {c[0].is_completed} cancelled {c[0].is_cancelled}")
        c[0].resume(5, lambda v: tr.t("onCancellation"))
        tr.t(f"active {c[0].is_active} completed {c[0].is_completed} cancelled {c[0].is_cancelled}")
        yield from j.join()

    run_blocking(main)


@scenario("susp.resume_twice_throws")
def resume_twice_throws(tr):
    def main():
        c = []

        def body():
            tr.t((yield from suspend_cancellable_coroutine(c.append)))

        j = launch(body)
        yield from yield_()
        c[0].resume(1)
        tr.try_now("second", c[0].resume, 2)
        tr.try_now("exc", c[0].resume_with_exception, Boom())
        yield from j.join()

    run_blocking(main)


@scenario("susp.resume_after_cancel_ignored")
def resume_after_cancel_ignored(tr):
    def main():
        c = []
        j = launch(tr.try_t, "scc", suspend_cancellable_coroutine, c.append)
        yield from yield_()
        j.cancel("x")
        tr.try_now("first", c[0].resume, 1)
        tr.try_now("second", c[0].resume, 2)
        yield from j.join()

    run_blocking(main)


@scenario("susp.resume_with_exception_after_cancel")
def resume_with_exception_after_cancel(tr):
    async def main():
        c = []

        async def body():
            await tr.try_t("scc", suspend_cancellable_coroutine, c.append)

        j = CoroutineScope(current_context() + SupervisorJob() + tr.ceh()).launch(body)
        await yield_()
        j.cancel("x")
        c[0].resume_with_exception(Boom())
        await j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("susp.invoke_on_cancellation_not_on_resume")
def invoke_on_cancellation_not_on_resume(tr):
    def main():
        c = []

        def keep(cont):
            c.append(cont)
            cont.invoke_on_cancellation(lambda cause: tr.t("ioc"))

        def body(label):
            yield from tr.try_t(label, suspend_cancellable_coroutine, keep)

        j = launch(body, "a")
        yield from yield_()
        c[-1].resume(1)
        yield from j.join()
        k = launch(body, "b")
        yield from yield_()
        c[-1].resume_with_exception(Boom())
        yield from k.join()

    run_blocking(main)


@scenario("susp.invoke_on_cancellation_after_cancel")
def invoke_on_cancellation_after_cancel(tr):
    def main():
        def block(c):
            c.cancel(Boom("mine"))
            c.invoke_on_cancellation(lambda cause: tr.t(f"ioc {d(cause)}"))
            tr.t("block end")

        def body():
            yield from tr.try_t("scc", suspend_cancellable_coroutine, block)

        j = launch(body)
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("susp.invoke_on_cancellation_after_resume")
def invoke_on_cancellation_after_resume(tr):
    def main():
        def block(c):
            c.resume(1)
            c.invoke_on_cancellation(lambda cause: tr.t("ioc"))

        tr.t((yield from suspend_cancellable_coroutine(block)))

    run_blocking(main)


@scenario("susp.invoke_on_cancellation_throws")
def invoke_on_cancellation_throws(tr):
    def main():
        def broken(cause):
            raise IllegalStateError("ioc broke")

        def body():
            yield from suspend_cancellable_coroutine(lambda c: c.invoke_on_cancellation(broken))

        j = CoroutineScope(current_context() + SupervisorJob() + tr.ceh()).launch(body)
        yield from yield_()
        j.cancel("x")
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("susp.cont_cancel_default")
def cont_cancel_default(tr):
    def main():
        c = []

        def body():
            try:
                yield from suspend_cancellable_coroutine(c.append)
            except CancellationException as e:
                tr.t(e.message.partition(" ")[0] + " ... " + e.message.rpartition("was")[2])
            tr.t(f"active {is_active()}")

        j = launch(body)
        yield from yield_()
        c[0].cancel()
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("susp.block_runs_even_if_already_cancelled")
def block_runs_even_if_already_cancelled(tr):
    def main():
        def block(c):
            tr.t(f"block active={c.is_active} cancelled={c.is_cancelled}")
            c.invoke_on_cancellation(lambda cause: tr.t(f"ioc {d(cause)}"))

        def body():
            current_job().cancel("x")
            yield from tr.try_t("scc", suspend_cancellable_coroutine, block)

        yield from launch(body).join()

    run_blocking(main)


@scenario("susp.resume_in_block_of_cancelled")
def resume_in_block_of_cancelled(tr):
    async def main():
        async def body():
            current_job().cancel("x")
            await tr.try_t("scc", suspend_cancellable_coroutine, lambda c: c.resume(1))

        await launch(body).join()

    run_blocking(main)


@scenario("susp.cancelled_after_resume_in_block")
def cancelled_after_resume_in_block(tr):
    def main():
        def block(c):
            c.resume(1)
            current_job().cancel("late")

        def body():
            yield from tr.try_t("scc", suspend_cancellable_coroutine, block)

        yield from launch(body).join()

    run_blocking(main)


@scenario("susp.prompt_cancellation_calls_oncancellation")
def prompt_cancellation_calls_oncancellation(tr):
    def main():
        c = []

        def body():
            yield from tr.try_t("scc", suspend_cancellable_coroutine, c.append)

        j = launch(body)
        yield from yield_()
        c[0].resume("resource", lambda v: tr.t(f"onCancellation {v} {d(j.get_cancellation_exception())}"))
        tr.t("resumed")
        j.cancel("x")
        tr.t("cancelled")
        yield from j.join()

    run_blocking(main)


@scenario("susp.resume_after_cancel_calls_oncancellation")
def resume_after_cancel_calls_oncancellation(tr):
    def main():
        c = []

        def body():
            yield from tr.try_t("scc", suspend_cancellable_coroutine, c.append)

        j = launch(body)
        yield from yield_()
        j.cancel("x")
        c[0].resume("resource", lambda v: tr.t(f"onCancellation {v} {d(j.get_cancellation_exception())}"))
        tr.t("resumed")
        yield from j.join()

    run_blocking(main)


@scenario("susp.resume_oncancellation_not_called_normally")
def resume_oncancellation_not_called_normally(tr):
    async def main():
        c = []

        async def body():
            await tr.try_t("scc", suspend_cancellable_coroutine, c.append)

        j = launch(body)
        await yield_()
        c[0].resume("v", lambda v: tr.t("onCancellation"))
        await j.join()

    run_blocking(main)


@scenario("susp.suspendcoroutine_not_cancellable")
def suspendcoroutine_not_cancellable(tr):
    def main():
        c = []

        def body():
            tr.t((yield from suspend_coroutine(c.append)))
            tr.t(f"active {is_active()}")
            yield from tr.try_t("yield", yield_)

        j = launch(body)
        yield from yield_()
        j.cancel("x")
        yield from yield_()
        tr.t(f"still {st(j)}")
        c[0].resume(9)
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("susp.suspendcoroutine_resume_then_cancel_before_dispatch")
def suspendcoroutine_resume_then_cancel_before_dispatch(tr):
    def main():
        c = []

        def body():
            yield from tr.try_t("sc", suspend_coroutine, c.append)
            tr.t(f"active {is_active()}")

        j = launch(body)
        yield from yield_()
        c[0].resume(9)
        j.cancel("x")
        yield from j.join()

    run_blocking(main)


@scenario("susp.continuation_context")
def continuation_context(tr):
    def main():
        def block(c):
            tr.t(c.context[CoroutineName])
            tr.t(c.context[Job] is current_job())
            c.resume()

        yield from launch(suspend_cancellable_coroutine, block, context=CoroutineName("n")).join()

    run_blocking(main)


@scenario("susp.cancellation_of_continuation_does_not_cancel_job")
def cancellation_of_continuation_does_not_cancel_job(tr):
    def main():
        c = []

        def body():
            yield from suspend_cancellable_coroutine(c.append)

        def parent():
            k = launch(body)
            yield from k.join()
            tr.t(f"k {st(k)} parent {is_active()}")

        p = launch(parent)
        yield from yield_()
        yield from yield_()
        c[0].cancel(CancellationException("only cont"))
        yield from p.join()

    run_blocking(main)


@scenario("susp.invoke_on_cancellation_runs_on_cancelling_thread")
def invoke_on_cancellation_runs_on_cancelling_thread(tr):
    def main():
        home = threading.current_thread()

        def block(c):
            c.invoke_on_cancellation(lambda cause: tr.t(f"on home {threading.current_thread() is home}"))

        def body():
            yield from suspend_cancellable_coroutine(block)

        j = launch(body)
        yield from yield_()
        thread0(j.cancel)
        yield from j.join()

    run_blocking(main)


@scenario("susp.ioc_called_when_parent_fails")
def ioc_called_when_parent_fails(tr):
    async def main():
        def register(c):
            c.invoke_on_cancellation(lambda cause: tr.t(f"ioc {chain(cause)}"))

        async def waits():
            await suspend_cancellable_coroutine(register)

        async def fails():
            await yield_()
            raise Boom

        def block():
            launch(waits)
            launch(fails)

        await tr.try_t("scope", coroutine_scope, block)

    run_blocking(main)


@scenario("susp.tryresume_loser")
def tryresume_loser(tr):
    def main():
        c = []

        def body():
            tr.t((yield from suspend_cancellable_coroutine(c.append)))

        j = launch(body)
        yield from yield_()
        if c[0].is_active:
            c[0].resume(1)
        tr.t(f"second may resume {c[0].is_active}")
        yield from j.join()

    run_blocking(main)


# -- asked of the reference by us


def fail(message="boom"):
    """`throw Boom(message)`."""
    raise Boom(message)


@scenario("susp.second_handler")
def susp_second_handler(tr):
    def main():
        c = []

        def keep(cont):
            c.append(cont)
            cont.invoke_on_cancellation(lambda cause: tr.t("first"))

        j = launch(tr.try_t, "scc", suspend_cancellable_coroutine, keep)
        yield from yield_()
        try:
            c[0].invoke_on_cancellation(lambda cause: tr.t("second"))
        except IllegalStateError as e:
            tr.t("ISE " + str(e).partition(",")[0])
        j.cancel("x")
        yield from j.join()

    run_blocking(main)


@scenario("susp.resume_then_cancelled_in_block_order")
def susp_resume_then_cancelled_in_block_order(tr):
    def main():
        def block(c):
            c.invoke_on_cancellation(lambda cause: tr.t(f"ioc {d(cause)}"))
            c.resume(1, lambda v: tr.t(f"onC {v} {d(c.context[Job].get_cancellation_exception())}"))
            current_job().cancel("late")
            tr.t("block end")

        yield from launch(tr.try_t, "scc", suspend_cancellable_coroutine, block).join()

    run_blocking(main)


@scenario("susp.suspendcoroutine_in_cancelled")
def susp_suspendcoroutine_in_cancelled(tr):
    def main():
        def body():
            current_job().cancel("x")
            yield from tr.try_t("sc", suspend_coroutine, lambda c: c.resume(3))
            yield from tr.try_t("sc2", suspend_coroutine, lambda c: c.resume_with_exception(Boom()))

        yield from launch(body).join()

    run_blocking(main)


@scenario("susp.block_throws")
def susp_block_throws(tr):
    def main():
        def second(c):
            c.resume(1)
            raise Boom("c")

        def body():
            yield from tr.try_t("scc", suspend_cancellable_coroutine, lambda c: fail("b"))
            yield from tr.try_t("scc2", suspend_cancellable_coroutine, second)
            yield from tr.try_t("y", yield_)

        yield from launch(body).join()

    run_blocking(main)


@scenario("susp.cancel_after_resume")
def susp_cancel_after_resume(tr):
    def main():
        c = []
        j = launch(tr.try_t, "scc", suspend_cancellable_coroutine, c.append)
        yield from yield_()
        c[0].resume(1)
        tr.t(c[0].cancel(Boom()))
        yield from j.join()
        tr.t(c[0].cancel())
        tr.t(f"{c[0].is_active} {c[0].is_completed} {c[0].is_cancelled}")

    run_blocking(main)


@scenario("susp.cancel_twice")
def susp_cancel_twice(tr):
    def main():
        c = []
        j = launch(tr.try_t, "scc", suspend_cancellable_coroutine, c.append)
        yield from yield_()
        tr.t(c[0].cancel(Boom("1")))
        tr.t(c[0].cancel(Boom("2")))
        tr.t(f"{c[0].is_active} {c[0].is_completed} {c[0].is_cancelled}")
        yield from j.join()

    run_blocking(main)


@scenario("susp.resume_unconfined_in_place")
def susp_resume_unconfined_in_place(tr):
    def main():
        c = []
        j = launch(tr.try_t, "scc", suspend_cancellable_coroutine, c.append, context=Dispatchers.Unconfined)
        tr.t("suspended")
        c[0].resume(1)
        tr.t(f"resumed {st(j)}")

    run_blocking(main)


@scenario("susp.resume_with_ce")
def susp_resume_with_ce(tr):
    def main():
        c = []
        j = launch(suspend_cancellable_coroutine, c.append)
        yield from yield_()
        c[0].resume_with_exception(CancellationException("r"))
        yield from j.join()
        tr.t(st(j))
        tr.t(d(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("susp.unconfined_cancel_in_place")
def susp_unconfined_cancel_in_place(tr):
    def main():
        def body():
            try:
                yield from suspend_cancellable_coroutine(lambda c: c.invoke_on_cancellation(lambda cause: tr.t("ioc")))
            finally:
                tr.t(f"finally {is_active()}")

        j = launch(body, context=Dispatchers.Unconfined)
        tr.t("suspended")
        j.cancel()
        tr.t(f"cancelled {st(j)}")

    run_blocking(main)


@scenario("susp.exception_resumed_then_cancelled")
def susp_exception_resumed_then_cancelled(tr):
    def main():
        c = []

        def keep(cont):
            c.append(cont)
            cont.invoke_on_cancellation(lambda cause: tr.t("ioc"))

        s = CoroutineScope(current_context() + SupervisorJob() + tr.ceh())
        j = s.launch(tr.try_t, "scc", suspend_cancellable_coroutine, keep)
        yield from yield_()
        c[0].resume_with_exception(Boom())
        j.cancel("x")
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("susp.oncancellation_throws")
def susp_oncancellation_throws(tr):
    def main():
        c = []

        def broken(_value):
            raise IllegalStateError("onc")

        s = CoroutineScope(current_context() + SupervisorJob() + tr.ceh())
        j = s.launch(suspend_cancellable_coroutine, c.append)
        yield from yield_()
        c[0].resume(1, broken)
        j.cancel("x")
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("susp.resumed_before_cancel_then_double")
def susp_resumed_before_cancel_then_double(tr):
    def main():
        c = []
        j = launch(tr.try_t, "scc", suspend_cancellable_coroutine, c.append)
        yield from yield_()
        c[0].resume(1)
        j.cancel("x")
        tr.try_now("again", c[0].resume, 2)
        yield from j.join()

    run_blocking(main)


@scenario("susp.default_dispatcher_thread")
def susp_default_dispatcher_thread(tr):
    def main():
        c = []
        home = threading.current_thread()

        def body():
            yield from tr.try_t("scc", suspend_cancellable_coroutine, c.append)
            tr.t(threading.current_thread() is home)

        j = launch(body)
        yield from yield_()
        thread0(lambda: c[0].resume(1))
        yield from j.join()

    run_blocking(main)


@scenario("susp.ioc_gets_timeout")
def susp_ioc_gets_timeout(tr):
    with with_main() as m:

        def register(c):
            c.invoke_on_cancellation(lambda cause: tr.t(f"ioc {d(cause)}"))

        CoroutineScope(m.main).launch(tr.try_t, "to", b_with_timeout, 10, suspend_cancellable_coroutine, register)


@scenario("susp.join_in_noncancellable")
def susp_join_in_noncancellable(tr):
    def main():
        def child():
            yield from delay(ms(10))
            tr.t("a")

        def block():
            yield from a.join()
            tr.t("joined")

        def body():
            try:
                yield from await_cancellation()
            finally:
                yield from with_context(NonCancellable, block)

        a = launch(child)
        j = launch(body)
        yield from yield_()
        yield from j.cancel_and_join()

    run_blocking(main)


@scenario("susp.resume_in_block_of_unconfined")
def susp_resume_in_block_of_unconfined(tr):
    def main():
        async def body():
            tr.t(await suspend_cancellable_coroutine(lambda c: c.resume(1)))
            tr.t(await suspend_coroutine(lambda c: c.resume(2)))

        launch(body, context=Dispatchers.Unconfined)
        tr.t("after")

    run_blocking(main)


@scenario("susp.failure_resumed_in_cancelled_block")
def susp_failure_resumed_in_cancelled_block(tr):
    def main():
        def body():
            current_job().cancel("x")
            yield from tr.try_t("scc", suspend_cancellable_coroutine, lambda c: c.resume_with_exception(Boom()))

        yield from launch(body).join()

    run_blocking(main)


@scenario("susp.cancel_in_block")
def susp_cancel_in_block(tr):
    def main():
        def block(c):
            tr.t(c.cancel(Boom("1")))
            tr.try_now("resume", c.resume, 1)
            tr.try_now("again", c.resume, 2)

        yield from launch(tr.try_t, "scc", suspend_cancellable_coroutine, block).join()

    run_blocking(main)


@scenario("susp.exception_after_cancel_in_block")
def susp_exception_after_cancel_in_block(tr):
    def main():
        def block(c):
            c.context[Job].cancel("x")
            tr.t(f"{c.is_active} {c.is_cancelled}")
            raise Boom("block")

        yield from launch(tr.try_t, "scc", suspend_cancellable_coroutine, block).join()

    run_blocking(main)
