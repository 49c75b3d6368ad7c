"""Questions of our own, of every group of the core, that were asked of the reference beside the recorded scenarios."""

from __future__ import annotations

from ..harness import *


def throw(exception):
    raise exception


def cleanup_throws(exception):
    try:
        yield from await_cancellation()
    finally:
        raise exception


@scenario("cancel.coroutinescope_entered_when_cancelled")
def coroutinescope_entered_when_cancelled(tr):
    def body():
        tr.t("body")
        launch(tr.t, "child never")
        yield from yield_()
        tr.t("never")

    def supervised():
        tr.t("sup body")
        return 1

    def main():
        current_job().cancel("c")
        yield from tr.try_t("scope", coroutine_scope, body)
        yield from tr.try_t("sup", supervisor_scope, supervised)

    with with_main() as m:
        CoroutineScope(m.main).launch(main)


@scenario("cancel.noncancellable_with_children_then_more")
def noncancellable_with_children_then_more(tr):
    def child():
        yield from delay(5)
        tr.t("child done")

    def shielded():
        launch(child)
        tr.t("nc body")

    def main():
        try:
            yield from await_cancellation()
        finally:
            try:
                yield from with_context(NonCancellable, shielded)
                tr.t("MORE")
            except BaseException as e:
                tr.t(f"after {chain(e)}")
                raise

    with with_main() as m:
        j = CoroutineScope(m.main).launch(main)
        m.run_current()
        j.cancel("c")
        m.drain()
        tr.t(st(j))


@scenario("cancel.noncancellable_coroutinescope_then_more")
def noncancellable_coroutinescope_then_more(tr):
    def child():
        yield from delay(5)
        tr.t("child done")

    def inner():
        launch(child)

    def shielded():
        yield from coroutine_scope(inner)
        tr.t("nc body")

    def main():
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, shielded)
            tr.t("MORE")

    with with_main() as m:
        j = CoroutineScope(m.main).launch(main)
        m.run_current()
        j.cancel("c")
        m.drain()
        tr.t(st(j))


@scenario("cancel.withcontext_entered_when_cancelled")
def withcontext_entered_when_cancelled(tr):
    def runs(text, value):
        tr.t(text)
        yield from yield_()
        return value

    def main():
        current_job().cancel("c")
        yield from tr.try_t("name", with_context, CoroutineName("x"), tr.t, "never")
        yield from tr.try_t("other", with_context, Dispatchers.Unconfined, tr.t, "never")
        yield from tr.try_t("nc", with_context, NonCancellable, runs, "runs", 3)
        yield from tr.try_t("job", with_context, Job(), runs, "runs in job", 4)

    with with_main() as m:
        CoroutineScope(m.main).launch(main)


@scenario("completion.late_handler_throws")
def late_handler_throws(tr):
    def handler(e):
        tr.t(f"late {d(e)}")
        raise IllegalStateError("late broke")

    j = Job()
    j.complete()
    try:
        j.invoke_on_completion(handler)
    except IllegalStateError as e:
        tr.t(f"threw {chain(e)}")
    tr.t(st(j))


@scenario("completion.order_children_handlers")
def order_children_handlers(tr):
    def child():
        try:
            yield from await_cancellation()
        finally:
            tr.t("c finally")

    with with_main() as m:
        p = CoroutineScope(m.main).launch(await_cancellation)
        m.run_current()
        p.invoke_on_completion(lambda _: tr.t("h1"), on_cancelling=True)
        CoroutineScope(m.immediate + p).launch(child)
        p.invoke_on_completion(lambda _: tr.t("h2"), on_cancelling=True)
        p.invoke_on_completion(lambda _: tr.t("done"))
        p.cancel()
        tr.t("cancelled")


@scenario("completion.dispose_own")
def dispose_own(tr):
    j = Job()
    h = j.invoke_on_completion(lambda _: tr.t("never"))
    j.invoke_on_completion(lambda _: tr.t("yes"))
    h.dispose()
    h.dispose()
    j.complete()
    tr.t("end")


@scenario("delay.zero_in_cancelled")
def zero_in_cancelled(tr):
    def main():
        current_job().cancel("c")
        yield from tr.try_t("zero", delay, 0)
        yield from tr.try_t("negative", delay, -1)
        yield from tr.try_t("one", delay, 1)

    with with_main() as m:
        CoroutineScope(m.main).launch(main)


def _attach(tr, p, m):
    j = CoroutineScope(m.main + p).launch(tr.t, "never")
    tr.t(st(j))
    m.drain()
    return j


@scenario("job.attach_to_completed")
def attach_to_completed(tr):
    with with_main() as m:
        p = Job()
        p.complete()
        j = _attach(tr, p, m)
        tr.t(st(j))
        tr.t(chain(j.get_cancellation_exception()))
        tr.t(st(p))
        k = Job(p)
        tr.t(st(k))
        tr.t(chain(k.get_cancellation_exception()))


@scenario("job.attach_to_cancelled")
def attach_to_cancelled(tr):
    with with_main() as m:
        p = Job()
        p.cancel("gone")
        j = _attach(tr, p, m)
        tr.t(chain(j.get_cancellation_exception()))
        k = Job(p)
        tr.t(st(k))
        tr.t(chain(k.get_cancellation_exception()))


@scenario("job.attach_to_failed")
def attach_to_failed(tr):
    with with_main() as m:
        p = Job()
        p.complete_exceptionally(Boom())
        k = Job(p)
        tr.t(st(k))
        tr.t(chain(k.get_cancellation_exception()))
        j = CoroutineScope(m.main + p).launch(tr.t, "never")
        m.drain()
        tr.t(chain(j.get_cancellation_exception()))


@scenario("job.await_complete_in_cancelled")
def await_complete_in_cancelled(tr):
    a, f = CompletableDeferred(5), CompletableDeferred()
    f.complete_exceptionally(Boom())

    def main():
        current_job().cancel("c")
        yield from tr.try_t("await", a.await_)
        yield from tr.try_t("failed", f.await_)
        yield from tr.try_t("join", a.join)

    with with_main() as m:
        CoroutineScope(m.main).launch(main)


@scenario("job.value_ignored_when_cancelled")
def value_ignored_when_cancelled(tr):
    def swallows():
        try:
            yield from await_cancellation()
        except CancellationException:
            tr.t("swallowed")
            return 5

    with with_main() as m:
        a = CoroutineScope(m.main).async_(swallows)
        m.run_current()
        a.cancel("c")
        m.drain()
        tr.t(st(a))
        tr.try_now("get", a.get_completed)
        tr.t(d(a.get_completion_exception_or_none()))


@scenario("job.cancelled_after_last_suspension")
def cancelled_after_last_suspension(tr):
    def main():
        yield from yield_()
        current_job().cancel("late")
        tr.t("end")
        return 5

    with with_main() as m:
        a = CoroutineScope(m.main).async_(main)
        a.invoke_on_completion(lambda e: tr.t(f"completion {d(e)}"))
        m.drain()
        tr.t(st(a))


@scenario("job.supervisor_complete_exceptionally_fails_parent")
def supervisor_complete_exceptionally_fails_parent(tr):
    p = Job()
    s = SupervisorJob(p)
    tr.t(s.complete_exceptionally(Boom()))
    tr.t(st(s))
    tr.t(st(p))
    tr.t(chain(p.get_cancellation_exception()))


@scenario("job.parent_after_completion")
def parent_after_completion(tr):
    p = Job()
    c = Job(p)
    tr.t(c.parent is p)
    c.complete()
    tr.t(c.parent)
    k = Job(p)
    k.cancel()
    tr.t(k.parent)
    tr.t(len(list(p.children)))


@scenario("job.strings")
def strings(tr):
    j = Job()
    tr.t(sn(j))
    j.cancel()
    tr.t(sn(j))
    k = Job()
    k.complete()
    tr.t(sn(k))

    def body():
        launch(delay, 5)

    with with_main() as m:
        lazy = CoroutineScope(m.main).launch(body, start=CoroutineStart.LAZY)
        tr.t(sn(lazy))
        lazy.start()
        tr.t(sn(lazy))
        m.run_current()
        tr.t(sn(lazy))
        lazy.cancel()
        tr.t(sn(lazy))
        m.drain()
        tr.t(sn(lazy))


@scenario("job.cancellation_exception_of_cancelled")
def cancellation_exception_of_cancelled(tr):
    with with_main() as m:
        j = CoroutineScope(m.main).launch(await_cancellation)
        j.cancel("c")
        tr.t(d(j.get_cancellation_exception()))
        tr.t(j.get_cancellation_exception() is j.get_cancellation_exception())
        m.drain()
        tr.t(d(j.get_cancellation_exception()))


@scenario("start.each_in_cancelled_scope")
def each_in_cancelled_scope(tr):
    def body(k):
        tr.t(f"{k.name} body active={show(is_active())}")
        yield from yield_()
        tr.t(f"{k.name} never")

    with with_main() as m:
        s = CoroutineScope(m.main + Job())
        s.cancel("gone")
        for k in (CoroutineStart.DEFAULT, CoroutineStart.LAZY, CoroutineStart.ATOMIC, CoroutineStart.UNDISPATCHED):
            j = s.launch(body, k, start=k)
            tr.t(f"{k.name} {st(j)}")
            if k is CoroutineStart.LAZY:
                tr.t(j.start())
            m.drain()
            tr.t(f"{k.name} {st(j)} {d(j.get_cancellation_exception())}")


@scenario("start.each_cancelled_before_dispatch")
def each_cancelled_before_dispatch(tr):
    def body(k):
        tr.t(f"{k.name} body")
        try:
            yield from yield_()
            tr.t(f"{k.name} never")
        finally:
            tr.t(f"{k.name} finally")

    with with_main() as m:
        s = CoroutineScope(m.main)
        for k in (CoroutineStart.DEFAULT, CoroutineStart.LAZY, CoroutineStart.ATOMIC, CoroutineStart.UNDISPATCHED):
            j = CoroutineScope(s.coroutine_context).launch(body, k, start=k)
            j.cancel("c")
            tr.t(f"{k.name} {st(j)}")
            m.drain()
            tr.t(f"{k.name} {st(j)}")


@scenario("start.lazy_join_await_cancel")
def lazy_join_await_cancel(tr):
    def value():
        tr.t("a")
        return 1

    with with_main() as m:
        s = CoroutineScope(m.main)
        a = s.async_(value, start=CoroutineStart.LAZY)
        b = s.launch(tr.t, "b", start=CoroutineStart.LAZY)
        c = s.launch(tr.t, "c", start=CoroutineStart.LAZY)

        async def main():
            await b.join()
            tr.t("joined b")
            tr.t(f"got {await a.await_()}")
            await c.cancel_and_join()
            tr.t(st(c))
            tr.t(c.start())

        s.launch(main)


@scenario("susp.cont_cancel_any_throwable")
def cont_cancel_any_throwable(tr):
    with with_main() as m:

        def block(c):
            def message():
                tr.t(f"cancel {show(c.cancel(Boom('x')))}")
                tr.t(f"again {show(c.cancel(Boom('y')))}")
                tr.t(f"{show(c.is_active)} {show(c.is_completed)} {show(c.is_cancelled)}")

            m.post(message)

        def main():
            yield from tr.try_t("susp", suspend_cancellable_coroutine, block)
            tr.t(f"active {show(is_active())}")
            yield from yield_()
            tr.t("goes on")

        CoroutineScope(m.main).launch(main)


@scenario("susp.value_lost_handlers")
def value_lost_handlers(tr):
    k = None

    def block(c):
        nonlocal k
        k = c
        c.invoke_on_cancellation(lambda e: tr.t(f"ioc {d(e)}"))

    def main():
        yield from tr.try_t("susp", suspend_cancellable_coroutine, block)

    with with_main() as m:
        j = CoroutineScope(m.main).launch(main)
        m.run_current()
        k.resume(5, lambda value: tr.t(f"onCancellation {d(j.get_cancellation_exception())} {value}"))
        tr.t("resumed")
        j.cancel("c")
        tr.t("cancelled")
        m.drain()


@scenario("susp.resume_after_completed")
def resume_after_completed(tr):
    k = None

    def block(c):
        nonlocal k
        k = c

    def main():
        tr.t((yield from suspend_cancellable_coroutine(block)))

    with with_main() as m:
        CoroutineScope(m.main).launch(main)
        m.run_current()
        k.resume(1)
        try:
            k.resume(2)
        except IllegalStateError:
            tr.t("second refused")
        m.drain()
        try:
            k.resume(3)
        except IllegalStateError:
            tr.t("third refused")


@scenario("susp.resume_in_block")
def resume_in_block(tr):
    with with_main() as m:

        def main():
            tr.t((yield from suspend_cancellable_coroutine(lambda c: c.resume(1))))
            yield from tr.try_t("e", suspend_cancellable_coroutine, lambda c: c.resume_with_exception(Boom()))
            yield from tr.try_t("throws in block", suspend_cancellable_coroutine, lambda c: throw(Boom("block")))
            tr.t(f"dispatches {m.dispatches}")

        CoroutineScope(m.main).launch(main)


@scenario("susp.resume_from_other_thread")
def resume_from_other_thread(tr):
    m = install_main()

    def main():
        v = yield from suspend_cancellable_coroutine(lambda c: thread0(lambda: c.resume(7)))
        tr.t(f"{v} main {show(threading.current_thread() is m.thread)}")

    j = CoroutineScope(m.main).launch(main)
    m.drain()
    tr.t(st(j))
    tr.t(f"dispatches {m.dispatches}")


@scenario("timeout.blocking_overrun")
def blocking_overrun(tr):
    with with_main() as m:

        def first():
            m.advance(10)
            tr.t(f"active {show(is_active())}")
            return 7

        def second():
            m.advance(10)
            return 8

        def third():
            m.advance(10)
            launch(tr.t, "never")
            return 9

        def main():
            yield from tr.try_t("timeout", b_with_timeout, 5, first)
            yield from tr.try_t("ornull", b_with_timeout_or_none, 5, second)
            yield from tr.try_t("launch in", b_with_timeout, 5, third)

        CoroutineScope(m.main).launch(main)


@scenario("timeout.fails_after_timeout")
def fails_after_timeout(tr):
    def main():
        yield from tr.try_t("ornull", b_with_timeout_or_none, 5, cleanup_throws, Boom("cleanup"))
        yield from tr.try_t("timeout", b_with_timeout, 5, cleanup_throws, Boom("cleanup 2"))

    with with_main() as m:
        CoroutineScope(m.main).launch(main)


@scenario("timeout.delay_same_time")
def delay_same_time(tr):
    def in_time(seconds):
        yield from delay(seconds)
        return "in time"

    def main():
        yield from tr.try_t("equal", b_with_timeout_or_none, 20, in_time, 20)
        yield from tr.try_t("less", b_with_timeout_or_none, 20, in_time, 19)

    with with_main() as m:
        CoroutineScope(m.main).launch(main)


@scenario("timeout.nested_equal_ornull")
def nested_equal_ornull(tr):
    with with_main() as m:

        def innermost():
            yield from delay(50)
            return "x"

        def outer():
            r = yield from b_with_timeout_or_none(10, innermost)
            tr.t(f"inner {show(r)} active {show(is_active())}")
            return "y"

        def main():
            yield from tr.try_t("outer", b_with_timeout_or_none, 10, outer)
            tr.t(f"at {m.now}")

        CoroutineScope(m.main).launch(main)


@scenario("timeout.swallowed_value")
def swallowed_value(tr):
    def swallows():
        try:
            yield from delay(50)
        except CancellationException as e:
            tr.t(f"swallowed {d(e)}")
        return "value"

    def main():
        yield from tr.try_t("ornull", b_with_timeout_or_none, 10, swallows)

    with with_main() as m:
        CoroutineScope(m.main).launch(main)


@scenario("timeout.ornull_with_null_and_children")
def ornull_with_null_and_children(tr):
    with with_main() as m:

        def child():
            try:
                yield from delay(50)
            finally:
                tr.t(f"child finally at {m.now}")

        def outlived():
            launch(child)
            return "v"

        def fails():
            yield from delay(1)
            raise Boom()

        def failing():
            launch(fails)
            yield from delay(5)
            return "v"

        def main():
            yield from tr.try_t("null value", b_with_timeout_or_none, 10, lambda: None)
            yield from tr.try_t("child outlives", b_with_timeout_or_none, 10, outlived)
            yield from tr.try_t("child fails", b_with_timeout_or_none, 10, failing)

        CoroutineScope(m.main).launch(main)


@scenario("timeout.cancelled_from_outside")
def cancelled_from_outside(tr):
    def main():
        yield from tr.try_t("ornull", b_with_timeout_or_none, 10, delay, 50)
        tr.t(f"never reached? {show(is_active())}")

    with with_main() as m:
        j = CoroutineScope(m.main).launch(main)
        m.advance(5)
        j.cancel("out")
        m.drain()


@scenario("tree.launch_nc_failure_is_root")
def launch_nc_failure_is_root(tr):
    def main():
        b_launch(current_scope(), NonCancellable, throw, Boom("nc"))
        yield from yield_()
        tr.t(f"p goes on {show(is_active())}")

    with with_main() as m:
        p = CoroutineScope(m.main + SupervisorJob() + tr.ceh("P")).launch(main)
        m.drain()
        tr.t(st(p))


@scenario("tree.launch_under_fresh_supervisor")
def launch_under_fresh_supervisor(tr):
    def middle():
        launch(throw, Boom("leaf"))
        yield from await_cancellation()

    def main():
        j = b_launch(current_scope(), SupervisorJob(), middle)
        yield from j.join()
        tr.t(f"p goes on {show(is_active())} {st(j)}")

    with with_main() as m:
        p = CoroutineScope(m.main + SupervisorJob() + tr.ceh("P")).launch(main)
        m.drain()
        tr.t(st(p))


@scenario("tree.cancel_messages_by_level")
def cancel_messages_by_level(tr):
    def waits(name):
        try:
            yield from await_cancellation()
        except CancellationException as e:
            tr.t(f"{name} {chain(e)}")
            raise

    def first():
        launch(waits, "c")
        yield from waits("p")

    def second():
        launch(waits, "qc")
        yield from delay(5)
        raise Boom()

    with with_main() as m:
        s = CoroutineScope(m.immediate + SupervisorJob() + tr.ceh())
        p = s.launch(first)
        q = s.launch(second)
        q.invoke_on_completion(lambda e: tr.t(f"q {chain(e)}"))
        p.cancel()
        m.drain()


@scenario("withcontext.imm_to_main_and_back")
def imm_to_main_and_back(tr):
    with with_main() as m:

        def block():
            tr.t(f"b {m.dispatches}")
            yield from yield_()
            tr.t("b2")

        def main():
            tr.t("a")
            yield from with_context(m.main, block)
            tr.t(f"c {m.dispatches}")
            yield from with_context(m.immediate, tr.t, "d")
            tr.t(f"e {m.dispatches}")

        CoroutineScope(m.immediate).launch(main)
        tr.t("end")


@scenario("withcontext.job_argument")
def job_argument(tr):
    other = Job()

    def block():
        tr.t(current_job().parent is other)
        yield from await_cancellation()

    def main():
        yield from tr.try_t("wc", with_context, other, block)
        tr.t(f"after {show(is_active())}")

    with with_main() as m:
        j = CoroutineScope(m.main + SupervisorJob() + tr.ceh()).launch(main)
        m.run_current()
        other.cancel("o")
        m.drain()
        tr.t(st(j))


@scenario("deferred.completable_parent_and_cancel")
def completable_parent_and_cancel(tr):
    p = Job()
    cd = CompletableDeferred(parent=p)
    tr.t(len(list(p.children)))
    cd.complete_exceptionally(Boom())
    tr.t(st(p))
    q = Job()
    ce = CompletableDeferred(parent=q)
    q.cancel("q")
    tr.t(st(ce))
    tr.t(d(ce.get_completion_exception_or_none()))
    tr.t(ce.complete(1))


@scenario("deferred.get_completed_states")
def get_completed_states(tr):
    cd = CompletableDeferred()
    tr.try_now("active", cd.get_completed)
    tr.try_now("active e", cd.get_completion_exception_or_none)
    cd.complete(3)
    tr.try_now("done", cd.get_completed)
    tr.try_now("done e", cd.get_completion_exception_or_none)
    f = CompletableDeferred()
    f.complete_exceptionally(Boom())
    tr.try_now("failed", f.get_completed)
    tr.try_now("failed e", lambda: d(f.get_completion_exception_or_none()))


@scenario("deferred.await_all_first_failure")
def await_all_first_failure(tr):
    with with_main() as m:

        def main():
            a, b, c = CompletableDeferred(), CompletableDeferred(), CompletableDeferred(3)
            m.post_delayed(5, lambda: b.complete_exceptionally(Boom("b")))
            m.post_delayed(10, lambda: a.complete(1))
            yield from tr.try_t("all", await_all, a, b, c)
            tr.t(f"at {m.now}")
            yield from tr.try_t("none", await_all)

        CoroutineScope(m.main + SupervisorJob()).launch(main)


@scenario("scope.nested_cancel_inner")
def nested_cancel_inner(tr):
    def never():
        yield from delay(5)
        tr.t("never")

    def inner():
        launch(never)
        cancel("inner cancelled")
        tr.t("still")
        yield from yield_()
        tr.t("never")

    def main():
        yield from tr.try_t("inner", coroutine_scope, inner)
        tr.t(f"outer {show(is_active())}")

    with with_main() as m:
        CoroutineScope(m.main).launch(main)


@scenario("scope.supervisor_body_fails")
def supervisor_body_fails(tr):
    def child():
        try:
            yield from await_cancellation()
        except CancellationException as e:
            tr.t(chain(e))
            raise

    def inner():
        launch(child)
        yield from yield_()
        raise Boom()

    def main():
        yield from tr.try_t("sup", supervisor_scope, inner)
        tr.t(f"outer {show(is_active())}")

    with with_main() as m:
        CoroutineScope(m.main).launch(main)


@scenario("scope.waits_for_grandchildren")
def waits_for_grandchildren(tr):
    with with_main() as m:

        def grandchild():
            yield from delay(10)
            tr.t(f"grandchild at {m.now}")

        def child():
            launch(grandchild)
            tr.t("child")

        def inner():
            launch(child)
            return "v"

        def main():
            yield from tr.try_t("scope", coroutine_scope, inner)
            tr.t(f"at {m.now}")

        CoroutineScope(m.main).launch(main)


@scenario("ctx.inherit_and_override")
def inherit_and_override(tr):
    def name():
        tr.t(current_context()[CoroutineName])

    def block():
        name()
        launch(name)

    def child():
        name()
        yield from with_context(CoroutineName("w"), block)
        name()

    def main():
        name()
        launch(child, context=CoroutineName("c"))
        yield from coroutine_scope(name)

    with with_main() as m:
        CoroutineScope(m.main + CoroutineName("s")).launch(main)


@scenario("deferred.lazy_in_place_cancels_who_awaits")
def lazy_in_place_cancels_who_awaits(tr):
    p = CoroutineScope(Dispatchers.Unconfined + Job())

    def lazy():
        p.cancel("c")
        tr.t("body")
        return 5

    a = CoroutineScope(Dispatchers.Unconfined).async_(lazy, start=CoroutineStart.LAZY)

    def waiter():
        yield from tr.try_t("await", a.await_)

    p.launch(waiter, start=CoroutineStart.UNDISPATCHED)
    tr.t(st(a))


@scenario("withcontext.failure_back_in_place_holds_loop")
def failure_back_in_place_holds_loop(tr):
    with with_main() as m:
        s = CoroutineScope(Dispatchers.Unconfined + SupervisorJob())
        cd = CompletableDeferred()

        def waiter():
            yield from cd.await_()
            tr.t("waiter")

        def main():
            try:
                yield from with_context(m.main, throw, Boom())
            except Boom:
                tr.t("caught")
                cd.complete(None)
                tr.t("after complete")

        s.launch(waiter)
        s.launch(main)
        tr.t("end")


@scenario("withcontext.value_back_in_place_holds_loop")
def value_back_in_place_holds_loop(tr):
    with with_main() as m:
        s = CoroutineScope(Dispatchers.Unconfined + SupervisorJob())
        cd = CompletableDeferred()

        def waiter():
            yield from cd.await_()
            tr.t("waiter")

        def main():
            tr.t((yield from with_context(m.main, lambda: 5)))
            cd.complete(None)
            tr.t("after complete")

        s.launch(waiter)
        s.launch(main)
        tr.t("end")


@scenario("withcontext.block_that_waited_in_the_loop_comes_back_at_once")
def block_that_waited_in_the_loop_comes_back_at_once(tr):
    def timed():
        launch(tr.t, "child")
        tr.t("body")

    def block():
        yield from b_with_timeout_or_none(10, timed)
        tr.t("block end")

    with with_main() as m:

        def main():
            yield from with_context(Dispatchers.Unconfined, block)
            tr.t(f"after {m.dispatches}")

        CoroutineScope(m.main).launch(main)
        m.post(lambda: tr.t("posted"))


@scenario("withcontext.nested_hops_in_the_loop")
def nested_hops_in_the_loop(tr):
    with with_main() as m:

        def inner():
            tr.t("imm")
            raise Boom()

        def outer():
            tr.t("unc")
            yield from with_context(m.immediate, inner)

        def main():
            try:
                yield from with_context(Dispatchers.Unconfined, outer)
            except Boom:
                tr.t(f"caught {m.dispatches}")
            CoroutineScope(m.immediate).launch(tr.t, "in place")
            tr.t("after")

        CoroutineScope(m.main).launch(main)
        m.post(lambda: tr.t("posted"))


@scenario("deferred.waiter_sees_first_cause_of_what_fails_later")
def waiter_sees_first_cause_of_what_fails_later(tr):
    with with_main() as m:
        s = CoroutineScope(m.main + Job() + tr.ceh())
        a = s.async_(cleanup_throws, Boom("late"))

        def waiter():
            try:
                yield from a.await_()
            except BaseException as e:
                tr.t(f"await threw {chain(e)}")
                raise

        s.launch(waiter)
        m.run_current()
        a.cancel("first")
        m.drain()
        tr.t(st(s.coroutine_context[Job]))
        tr.t(chain(a.get_completion_exception_or_none()))


@scenario("ceh.cancellation_exception_seen_by_handler")
def cancellation_exception_seen_by_handler(tr):
    def handler(context, e):
        tr.t(f"handler {d(e)} {chain(context[Job].get_cancellation_exception())}")

    with with_main() as m:
        h = CoroutineExceptionHandler(handler)
        j = CoroutineScope(m.main + SupervisorJob() + h).launch(cleanup_throws, Boom("late"))
        m.run_current()
        j.cancel("first")
        m.drain()
        tr.t(chain(j.get_cancellation_exception()))
