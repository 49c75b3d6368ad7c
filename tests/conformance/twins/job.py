"""Job: its states, its causes, joining, and the CompletableDeferred."""

from __future__ import annotations

from ..harness import *


@scenario("job.new_job_is_active")
def new_job_is_active(tr):
    j = Job()
    tr.t(st(j))
    tr.t(f"children={len(list(j.children))}")
    tr.t(f"parent={j.parent}")


@scenario("job.complete_returns_true_once")
def complete_returns_true_once(tr):
    j = Job()
    tr.t(j.complete())
    tr.t(st(j))
    tr.t(j.complete())
    tr.t(j.complete_exceptionally(Boom()))
    tr.t(st(j))


@scenario("job.complete_exceptionally")
def complete_exceptionally(tr):
    j = Job()
    tr.t(j.complete_exceptionally(Boom()))
    tr.t(st(j))
    tr.t(chain(j.get_cancellation_exception()))
    tr.t(j.complete())


@scenario("job.cancel_empty_job_completes_at_once")
def cancel_empty_job_completes_at_once(tr):
    j = Job()
    j.cancel()
    tr.t(st(j))
    tr.t(j.complete())
    tr.t(chain(j.get_cancellation_exception()))


@scenario("job.cancel_after_complete_is_noop")
def cancel_after_complete_is_noop(tr):
    j = Job()
    j.complete()
    j.cancel()
    tr.t(st(j))
    tr.try_now("getCancellationException", lambda: d(j.get_cancellation_exception()))


@scenario("job.states_of_launch")
def states_of_launch(tr):
    async def child():
        await delay(ms(30))
        tr.t("child end")

    def body():
        tr.t(f"body {st(current_job())} {sn(current_job())}")
        launch(child)
        tr.t("body end")

    def main():
        j = launch(body)
        tr.t(f"before {st(j)} {sn(j)}")
        yield from yield_()
        tr.t(f"waiting {st(j)} {sn(j)}")
        yield from j.join()
        tr.t(f"after {st(j)} {sn(j)}")

    run_blocking(main)


@scenario("job.states_cancelled_while_running")
def states_cancelled_while_running(tr):
    def body():
        try:
            yield from await_cancellation()
        finally:
            tr.t(f"finally {st(current_job())} {sn(current_job())}")

    async def main():
        j = launch(body)
        await yield_()
        tr.t(f"before {st(j)}")
        j.cancel()
        tr.t(f"after cancel {st(j)} {sn(j)}")
        await j.join()
        tr.t(f"end {st(j)} {sn(j)}")

    run_blocking(main)


@scenario("job.states_failed_waiting_for_child")
def states_failed_waiting_for_child(tr):
    def cleanup():
        yield from delay(ms(30))
        tr.t("child done")

    def child():
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, cleanup)

    async def body():
        launch(child)
        await yield_()
        raise Boom

    def main():
        scope = CoroutineScope(current_context() + SupervisorJob() + tr.ceh())
        j = scope.launch(body)
        yield from yield_()
        yield from yield_()
        yield from yield_()
        tr.t(f"waiting {st(j)} {sn(j)}")
        yield from j.join()
        tr.t(f"end {st(j)}")

    run_blocking(main)


@scenario("job.join_starts_lazy")
def join_starts_lazy(tr):
    def main():
        j = launch(lambda: tr.t("body"), start=CoroutineStart.LAZY)
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("job.cancel_lazy_before_start")
def cancel_lazy_before_start(tr):
    def main():
        j = launch(lambda: tr.t("body"), start=CoroutineStart.LAZY)
        j.invoke_on_completion(lambda cause: tr.t(f"completion {d(cause)}"))
        j.cancel()
        tr.t(st(j))
        tr.t(j.start())
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("job.lazy_child_keeps_coroutineScope_open")
def lazy_child_keeps_coroutine_scope_open(tr):
    def inner():
        launch(lambda: tr.t("body"), start=CoroutineStart.LAZY)
        tr.t("scope body end")

    def timed():
        yield from coroutine_scope(inner)
        return "returned"

    def main():
        r = yield from with_timeout_or_none(ms(40), timed)
        tr.t(r)

    run_blocking(main)


@scenario("job.complete_parent_waits_for_children")
def complete_parent_waits_for_children(tr):
    def child():
        yield from delay(ms(30))
        tr.t("child end")

    def main():
        p = Job()
        c = b_launch(current_scope(), p, child)
        p.invoke_on_completion(lambda cause: tr.t(f"parent completion {d(cause)}"))
        tr.t(p.complete())
        tr.t(f"{st(p)} {sn(p)}")
        tr.t(p.complete())
        yield from c.join()
        yield from p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("job.completing_still_accepts_children")
def completing_still_accepts_children(tr):
    async def child(milliseconds, line):
        await delay(ms(milliseconds))
        tr.t(line)

    async def main():
        p = Job()
        b_launch(current_scope(), p, child, 30, "first end")
        p.complete()
        b_launch(current_scope(), p, child, 60, "second end")
        await p.join()
        tr.t(f"joined {st(p)}")

    run_blocking(main)


@scenario("job.complete_exceptionally_while_completing")
def complete_exceptionally_while_completing(tr):
    def child():
        yield from delay(ms(20))
        tr.t("child end")

    def main():
        p = Job()
        b_launch(current_scope(), p, child)
        p.complete()
        tr.t(p.complete_exceptionally(Boom()))
        yield from p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("job.cancel_while_completing")
def cancel_while_completing(tr):
    def child():
        try:
            yield from await_cancellation()
        finally:
            tr.t("child finally")

    def main():
        p = Job()
        c = b_launch(current_scope(), p, child)
        yield from yield_()
        p.complete()
        p.cancel(CE("late"))
        tr.t(f"parent {st(p)} child {st(c)}")
        yield from p.join()
        tr.t(f"parent {st(p)} {chain(p.get_cancellation_exception())}")

    run_blocking(main)


@scenario("job.launch_cancelled_while_completing")
def launch_cancelled_while_completing(tr):
    def body():
        launch(await_cancellation)
        return "value"

    def main():
        dfd = async_(body)
        yield from yield_()
        yield from yield_()
        dfd.cancel(CE("late"))
        yield from dfd.join()
        tr.t(st(dfd))
        yield from tr.try_t("await", b_await, dfd)

    run_blocking(main)


@scenario("job.child_failure_while_completing")
def child_failure_while_completing(tr):
    async def child():
        await delay(ms(20))
        raise Boom

    def body():
        launch(child)
        return "value"

    async def supervised():
        dfd = async_(body)
        await tr.try_t("await", dfd.await_)
        tr.t(st(dfd))

    async def main():
        await supervisor_scope(supervised)

    run_blocking(main)


@scenario("job.await_waits_for_children")
def await_waits_for_children(tr):
    def child():
        yield from delay(ms(30))
        tr.t("child end")

    def body():
        launch(child)
        tr.t("body end")
        return 1

    def main():
        dfd = async_(body)
        tr.t((yield from dfd.await_()))

    run_blocking(main)


@scenario("job.cancel_first_cause_wins")
def cancel_first_cause_wins(tr):
    def body():
        try:
            yield from await_cancellation()
        except CE as e:
            tr.t(f"caught {d(e)}")
            raise

    def main():
        j = launch(body)
        yield from yield_()
        j.cancel(CE("one"))
        j.cancel(CE("two"))
        yield from j.join()
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("job.tostring_states")
def tostring_states(tr):
    async def cleanup():
        await yield_()
        await yield_()

    async def child():
        try:
            await await_cancellation()
        finally:
            await with_context(NonCancellable, cleanup)

    async def empty_finally():
        try:
            await await_cancellation()
        finally:
            pass

    async def main():
        j = launch(lambda: launch(child) and None, start=CoroutineStart.LAZY)
        tr.t(sn(j))
        j.start()
        tr.t(sn(j))
        await yield_()
        await yield_()
        tr.t(sn(j))
        j.cancel()
        tr.t(sn(j))
        await j.join()
        tr.t(sn(j))
        k = launch(lambda: None)
        await k.join()
        tr.t(sn(k))
        a = async_(empty_finally)
        await yield_()
        a.cancel()
        tr.t(sn(a))
        await a.join()
        tr.t(sn(a))

    run_blocking(main)


@scenario("job.cancellation_messages_by_type")
def cancellation_messages_by_type(tr):
    def cancelled():
        cancel()
        yield from yield_()

    def supervised():
        jobs = [
            ("launch", launch(await_cancellation)),
            ("lazy", launch(await_cancellation, start=CoroutineStart.LAZY)),
            ("async", async_(await_cancellation)),
            ("Job", Job()),
            ("SupervisorJob", SupervisorJob()),
            ("CompletableDeferred", CompletableDeferred()),
        ]
        yield from yield_()
        for n, j in jobs:
            j.cancel()
            yield from j.join()
            tr.t(f"{n}: {d(j.get_cancellation_exception())}")
        yield from tr.try_t("coroutineScope", coroutine_scope, cancelled)
        yield from tr.try_t("supervisorScope", supervisor_scope, cancelled)
        yield from tr.try_t("withContext name", with_context, CoroutineName("x"), cancelled)
        yield from tr.try_t("withContext dispatcher", with_context, Dispatchers.Unconfined, cancelled)
        yield from tr.try_t("withTimeout", b_with_timeout, ms(1000), cancelled)

    def main():
        yield from supervisor_scope(supervised)

    run_blocking(main)


def boom():
    raise Boom


@scenario("job.join_completed_and_failed_is_silent")
def join_completed_and_failed_is_silent(tr):
    def supervised():
        j = launch(boom, context=tr.ceh())
        yield from j.join()
        tr.t(f"joined {st(j)}")
        yield from j.join()
        tr.t("again")

    def main():
        yield from supervisor_scope(supervised)

    run_blocking(main)


@scenario("job.join_in_cancelled_caller_throws_even_if_target_complete")
def join_in_cancelled_caller_throws_even_if_target_complete(tr):
    def main():
        done = Job()
        done.complete()

        def body():
            current_job().cancel(CE("me"))
            yield from tr.try_t("join", done.join)

        yield from launch(body).join()

    run_blocking(main)


@scenario("job.cancel_and_join_self")
def cancel_and_join_self(tr):
    async def body():
        await tr.try_t("self", current_job().cancel_and_join)
        tr.t("after")

    async def main():
        j = launch(body)
        await j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("job.join_all")
def join_all_(tr):
    def failing():
        yield from delay(ms(10))
        raise Boom

    def other():
        yield from delay(ms(30))
        tr.t("b")

    def supervised():
        a = launch(failing, context=tr.ceh())
        b = launch(other)
        yield from join_all(a, b)
        tr.t(f"joined {st(a)} | {st(b)}")
        yield from join_all(*[a, b])
        tr.t("again")

    def main():
        yield from supervisor_scope(supervised)

    run_blocking(main)


@scenario("job.context_without_job")
def context_without_job(tr):
    c = EmptyCoroutineContext
    tr.t(c[Job] is None)
    tr.try_now("job", lambda: c[Job].cancel())
    tr.t(f"element {c[Job]}")


@scenario("job.global_scope")
def global_scope(tr):
    tr.t(GlobalScope.is_active)
    tr.t(GlobalScope.coroutine_context[Job])
    try:
        GlobalScope.cancel()
    except IllegalStateError as e:
        tr.t(f"ISE {str(e).split(':')[0]}")
    tr.try_now("ensureActive", GlobalScope.ensure_active)


@scenario("job.coroutine_scope_factory_adds_job")
def coroutine_scope_factory_adds_job(tr):
    s = CoroutineScope(EmptyCoroutineContext)
    tr.t(s.coroutine_context[Job] is not None)
    tr.t(sn(s.coroutine_context[Job]))
    tr.t(s.is_active)
    j = SupervisorJob()
    tr.t(CoroutineScope(j).coroutine_context[Job] is j)
    s.cancel()
    tr.t(s.is_active)
    tr.try_now("ensureActive", s.ensure_active)


@scenario("job.main_scope")
def main_scope(tr):
    with with_main() as m:
        s = MainScope()
        tr.t(type(s.coroutine_context[Job]).__name__)
        tr.t(s.coroutine_context[CoroutineDispatcher])
        s.launch(lambda: tr.t("a"))
        tr.t(f"posted {m.pending}")
        m.drain()
        s.cancel()


@scenario("job.children_order_and_removal")
def children_order_and_removal(tr):
    def main():
        p = Job()
        times = (30, 60, 900)  # the last one, 90 where it was recorded, is cancelled, however slow the machine is
        js = [b_launch(current_scope(), p + CoroutineName(f"c{i}"), delay, ms(t)) for i, t in enumerate(times, 1)]

        def names():
            return [f"c{js.index(c) + 1}" for c in p.children]

        tr.t(names())
        js[1].cancel()
        yield from js[1].join()
        tr.t(names())
        yield from js[0].join()
        tr.t(names())
        p.cancel()
        yield from p.join()
        tr.t(names())

    run_blocking(main)


@scenario("job.job_with_parent_not_completed_by_children")
def job_with_parent_not_completed_by_children(tr):
    def first():
        j = Job(current_job())
        b_launch(current_scope(), j, lambda: tr.t("child"))

    def second():
        j = Job(current_job())
        b_launch(current_scope(), j, lambda: tr.t("child2"))
        j.complete()

    def timed(block):
        yield from coroutine_scope(block)
        return "returned"

    def main():
        r = yield from with_timeout_or_none(ms(40), timed, first)
        tr.t(r)
        r2 = yield from with_timeout_or_none(ms(400), timed, second)
        tr.t(r2)

    run_blocking(main)


@scenario("job.start_on_running_returns_false")
def start_on_running_returns_false(tr):
    def main():
        j = launch(lambda: tr.t("body"))
        tr.t(j.start())
        yield from j.join()

    run_blocking(main)


@scenario("job.isactive_in_scope_vs_job")
def isactive_in_scope_vs_job(tr):
    def body():
        tr.t(is_active())
        current_job().cancel()
        tr.t(is_active())
        tr.t(current_context()[Job].is_active)
        tr.try_now("ensureActive", ensure_active)

    def main():
        yield from launch(body).join()

    run_blocking(main)


@scenario("job.attach_to_failed_parent")
def attach_to_failed_parent(tr):
    def main():
        p = Job()
        p.complete_exceptionally(Boom("p"))
        c = b_launch(current_scope(), p, lambda: tr.t("body"))
        c.invoke_on_completion(lambda cause: tr.t(f"completion {chain(cause)}"))
        yield from c.join()
        tr.t(st(c))

    run_blocking(main)


@scenario("job.attach_job_to_cancelled_parent")
def attach_job_to_cancelled_parent(tr):
    def main():
        p = Job()
        p.cancel()
        tr.t(st(Job(p)))
        tr.t(st(SupervisorJob(p)))
        cd = CompletableDeferred(parent=p)
        tr.t(st(cd))
        tr.t(cd.complete(3))
        a = b_async(current_scope(), p, lambda: 1)
        tr.t(f"async {st(a)}")
        yield from tr.try_t("await", b_await, a)
        lz = b_async(current_scope(), p, lambda: 1, start=CoroutineStart.LAZY)
        tr.t(f"lazy {st(lz)}")

    run_blocking(main)


@scenario("job.completable_deferred_basic")
def completable_deferred_basic(tr):
    def main():
        c = CompletableDeferred()
        tr.t(st(c))
        tr.t(c.complete(1))
        tr.t(c.complete(2))
        tr.t(c.complete_exceptionally(Boom()))
        tr.t((yield from c.await_()))
        tr.t(c.get_completed())

    run_blocking(main)


@scenario("job.completable_deferred_exception")
def completable_deferred_exception(tr):
    async def main():
        b = Boom()
        c = CompletableDeferred()
        tr.t(c.complete_exceptionally(b))
        try:
            await c.await_()
        except Boom as e:
            tr.t(e is b)
        try:
            await c.await_()
        except Boom as e:
            tr.t(e is b)
        tr.t(c.get_completion_exception_or_none() is b)
        tr.t(st(c))
        tr.try_now("getCompleted", c.get_completed)

    run_blocking(main)


@scenario("job.completable_deferred_cancel")
def completable_deferred_cancel(tr):
    def main():
        c = CompletableDeferred()
        c.cancel(CE("no"))
        tr.t(st(c))
        tr.t(c.complete(1))
        yield from tr.try_t("await", b_await, c)
        tr.t(f"caller active {is_active()}")

    run_blocking(main)


@scenario("job.completable_deferred_complete_with")
def completable_deferred_complete_with(tr):
    def main():
        a = CompletableDeferred()
        tr.t(a.complete_with(lambda: 4))
        tr.t((yield from a.await_()))
        b = CompletableDeferred()
        tr.t(b.complete_with(boom))
        yield from tr.try_t("b", b.await_)

    run_blocking(main)


@scenario("job.completable_deferred_with_parent")
def completable_deferred_with_parent(tr):
    def main():
        p = Job()
        c = CompletableDeferred(parent=p)
        tr.t(c in list(p.children))
        p.cancel(CE("p"))
        tr.t(st(c))
        yield from tr.try_t("await", b_await, c)

    run_blocking(main)


@scenario("job.deferred_get_completed_states")
def deferred_get_completed_states(tr):
    def one():
        yield from delay(ms(10))
        return 1

    def supervised():
        a = async_(one)
        tr.try_now("getCompleted early", a.get_completed)
        tr.try_now("getEx early", a.get_completion_exception_or_none)
        yield from a.join()
        tr.t(a.get_completed())
        tr.t(a.get_completion_exception_or_none())
        b = async_(boom)
        yield from b.join()
        tr.try_now("failed", b.get_completed)
        tr.t(d(b.get_completion_exception_or_none()))
        c = async_(await_cancellation)
        yield from yield_()
        c.cancel()
        yield from c.join()
        tr.try_now("cancelled", b_now, c.get_completed)
        tr.t(d(c.get_completion_exception_or_none()))

    def main():
        yield from supervisor_scope(supervised)

    run_blocking(main)


@scenario("job.cancel_cause_instance_kept")
def cancel_cause_instance_kept(tr):
    def main():
        ce = CE("x", Boom("inner"))
        j = launch(await_cancellation)
        yield from yield_()
        j.cancel(ce)
        yield from j.join()
        tr.t(j.get_cancellation_exception() is ce)
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("job.cancel_with_message_and_cause_extension")
def cancel_with_message_and_cause_extension(tr):
    async def body():
        try:
            await await_cancellation()
        except CE as e:
            tr.t(chain(e))
            raise

    async def main():
        j = launch(body)
        await yield_()
        j.cancel("msg", Boom("inner"))
        await j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("job.complete_exceptionally_with_active_children")
def complete_exceptionally_with_active_children(tr):
    def child():
        try:
            yield from await_cancellation()
        except CE as e:
            tr.t(chain(e))
            raise

    def main():
        p = Job()
        k = b_launch(current_scope(), p, child)
        yield from yield_()
        tr.t(p.complete_exceptionally(Boom("p")))
        tr.t(f"p {st(p)} k {st(k)}")
        yield from p.join()
        tr.t(f"p {st(p)} k {st(k)}")

    run_blocking(main)
