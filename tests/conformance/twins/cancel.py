"""Cancellation: who is cancelled with what, when it is noticed, and what it waits for."""

from __future__ import annotations

from ..harness import *


@scenario("cancel.default_message")
def default_message(tr):
    def main():
        def body():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(chain(e))
                raise

        j = launch(body)
        yield from yield_()
        j.cancel()
        yield from j.join()

    run_blocking(main)


@scenario("cancel.scope_without_job")
def scope_without_job(tr):
    class Jobless(CoroutineScope):
        def __init__(self):
            pass

        @property
        def coroutine_context(self):
            return EmptyCoroutineContext

    s = Jobless()
    try:
        s.cancel()
    except IllegalStateError as e:
        tr.t(str(e).partition(": ")[0])


@scenario("cancel.is_cooperative")
def is_cooperative(tr):
    def main():
        def body():
            current_job().cancel()
            n = 0
            for _ in range(1000):
                n += 1
            tr.t(f"counted {n} active={is_active()}")
            yield from yield_()
            tr.t("never")

        j = launch(body)
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("cancel.loop_checks_isactive")
def loop_checks_isactive(tr):
    def main():
        def body():
            n = 0
            while is_active():
                n += 1
                if n == 3:
                    current_job().cancel()
            tr.t(f"n={n}")

        j = launch(body)
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("cancel.ensure_active_same_instance")
def ensure_active_same_instance(tr):
    def main():
        ce = CancellationException("x")

        def body():
            current_job().cancel(ce)
            try:
                ensure_active()
            except CancellationException as e:
                tr.t(f"ensureActive {e is ce}")
            try:
                yield from yield_()
            except CancellationException as e:
                tr.t(f"yield {e is ce}")
            try:
                yield from delay(ms(5))
            except CancellationException as e:
                tr.t(f"delay {e is ce}")
            try:
                yield from suspend_cancellable_coroutine(lambda cont: None)
            except CancellationException as e:
                tr.t(f"scc {e is ce}")

        yield from launch(body).join()

    run_blocking(main)


@scenario("cancel.suspension_in_finally_throws_again")
def suspension_in_finally_throws_again(tr):
    def main():
        def body():
            try:
                yield from await_cancellation()
            finally:
                tr.t("finally")
                yield from tr.try_t("delay", delay, ms(1))
                yield from tr.try_t("yield", yield_)
                tr.t("end of finally")

        j = launch(body)
        yield from yield_()
        yield from j.cancel_and_join()

    run_blocking(main)


@scenario("cancel.swallowed_loop_spins")
def swallowed_loop_spins(tr):
    def main():
        def body():
            for i in range(3):
                try:
                    yield from delay(1)
                    tr.t("no")
                except CancellationException as e:
                    tr.t(f"{i} {d(e)}")
            tr.t("loop over")

        j = launch(body)
        yield from yield_()
        j.cancel(CancellationException("c"))
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("cancel.await_cancelled_deferred_kills_caller_silently")
def await_cancelled_deferred_kills_caller_silently(tr):
    def main():
        cd = CompletableDeferred()
        cd.cancel()
        s = CoroutineScope(current_context() + SupervisorJob() + tr.ceh())

        def body():
            tr.t(f"before {is_active()}")
            yield from b_await(cd)
            tr.t("never")

        j = s.launch(body)
        yield from j.join()
        tr.t(st(j))
        tr.t(f"scope {s.is_active}")

    run_blocking(main)


@scenario("cancel.child_awaits_cancelled_sibling")
def child_awaits_cancelled_sibling(tr):
    def main():
        def parent():
            def waiter():
                yield from b_await(a)

            a = async_(await_cancellation)
            w = launch(waiter)
            yield from yield_()
            a.cancel()
            yield from w.join()
            tr.t(f"w {st(w)} me {is_active()}")

        p = launch(parent)
        yield from p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("cancel.cancel_and_join_waits")
def cancel_and_join_waits(tr):
    def main():
        def body():
            try:
                yield from await_cancellation()
            finally:
                yield from with_context(NonCancellable, delay, ms(20))
                tr.t("cleaned")

        j = launch(body)
        yield from yield_()
        yield from j.cancel_and_join()
        tr.t("after")

    run_blocking(main)


@scenario("cancel.context_cancel_vs_scope")
def context_cancel_vs_scope(tr):
    def main():
        def body():
            current_context()[Job].cancel(CancellationException("ctx"))
            yield from tr.try_t("yield", yield_)

        j = launch(body)
        yield from j.join()
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("cancel.cancel_in_completion_handler_of_child")
def cancel_in_completion_handler_of_child(tr):
    def main():
        def nothing():
            pass

        def waits():
            try:
                yield from await_cancellation()
            finally:
                tr.t("b finally")

        def a_done(cause):
            tr.t("a done")
            b.cancel()

        a = launch(nothing)
        b = launch(waits)
        a.invoke_on_completion(a_done)
        yield from join_all(a, b)
        tr.t(st(b))

    run_blocking(main)


@scenario("cancel.thrown_ce_becomes_cause")
def thrown_ce_becomes_cause(tr):
    def main():
        ce = CancellationException("own")

        def body():
            raise ce

        j = launch(body)
        j.invoke_on_completion(lambda cause: tr.t(cause is ce))
        yield from j.join()
        tr.t(j.get_cancellation_exception() is ce)

    run_blocking(main)


@scenario("cancel.async_thrown_ce")
def async_thrown_ce(tr):
    def main():
        ce = CancellationException("own")

        def body():
            raise ce

        a = async_(body)
        try:
            yield from b_await(a)
        except CancellationException as e:
            tr.t(e is ce)
        tr.t(f"me {is_active()}")

    run_blocking(main)


@scenario("cancel.cancelled_while_dispatched_to_resume")
def cancelled_while_dispatched_to_resume(tr):
    def main():
        cd = CompletableDeferred()

        def body():
            yield from tr.try_t("await", cd.await_)

        j = launch(body)
        yield from yield_()
        cd.complete(1)
        j.cancel(CancellationException("c"))
        yield from j.join()

    run_blocking(main)


@scenario("cancel.resume_wins_if_ran")
def resume_wins_if_ran(tr):
    def main():
        cd = CompletableDeferred()

        def body():
            yield from tr.try_t("await", cd.await_)
            yield from tr.try_t("then", await_cancellation)

        j = launch(body)
        yield from yield_()
        cd.complete(1)
        yield from yield_()
        j.cancel(CancellationException("c"))
        yield from j.join()

    run_blocking(main)


@scenario("cancel.yield_in_cancelled_before_dispatch")
def yield_in_cancelled_before_dispatch(tr):
    def main():
        def body():
            yield from tr.try_t("yield", yield_)

        j = launch(body)
        yield from yield_()
        j.cancel(CancellationException("c"))
        yield from j.join()

    run_blocking(main)


@scenario("cancel.scope_cancels_itself_inside")
def scope_cancels_itself_inside(tr):
    def main():
        def block():
            cancel(CancellationException("inner"))
            tr.t(f"after cancel {is_active()}")
            return 1

        yield from tr.try_t("scope", coroutine_scope, block)
        tr.t(f"caller {is_active()}")
        yield from yield_()
        tr.t("goes on")

    run_blocking(main)


@scenario("cancel.uncaught_inner_scope_cancel_ends_caller_silently")
def uncaught_inner_scope_cancel_ends_caller_silently(tr):
    def main():
        def inner():
            cancel()
            yield from yield_()

        def body():
            yield from coroutine_scope(inner)
            tr.t("never")

        j = CoroutineScope(current_context() + SupervisorJob() + tr.ceh()).launch(body)
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("cancel.cancel_lazy_await_from_waiter")
def cancel_lazy_await_from_waiter(tr):
    def main():
        def waiter():
            yield from tr.try_t("await", b_await, a)
            tr.t(f"waiter {is_active()}")

        a = async_(await_cancellation)
        w = launch(waiter)
        yield from yield_()
        yield from yield_()
        a.cancel(CancellationException("a"))
        yield from w.join()

    run_blocking(main)


@scenario("cancel.distinguish_own_and_foreign")
def distinguish_own_and_foreign(tr):
    def main():
        cd = CompletableDeferred()
        cd.cancel(CancellationException("foreign"))

        def body():
            try:
                yield from b_await(cd)
            except CancellationException:
                tr.try_now("ensureActive", ensure_active)

        yield from launch(body).join()

    run_blocking(main)


@scenario("cancel.cancel_during_noncancellable_delay")
def cancel_during_noncancellable_delay(tr):
    def main():
        def timer():
            yield from delay(ms(40))
            tr.t("timer")

        def body():
            yield from with_context(NonCancellable, delay, ms(80))
            tr.t("nc delay done")

        order = launch(timer)
        j = launch(body)
        yield from yield_()
        j.cancel()
        yield from join_all(j, order)

    run_blocking(main)


@scenario("cancel.cancel_wakes_delay_immediately")
def cancel_wakes_delay_immediately(tr):
    def main():
        def body():
            try:
                yield from delay(60)
            except CancellationException as e:
                tr.t(f"woken {d(e)}")

        j = launch(body)
        yield from yield_()
        j.cancel()
        yield from j.join()
        tr.t("joined")

    run_blocking(main)


@scenario("cancel.await_cancellation")
def await_cancellation_never_returns(tr):
    def main():
        def body():
            yield from tr.try_t("aw", await_cancellation)

        j = launch(body)
        yield from yield_()
        j.cancel("x")
        yield from j.join()

    run_blocking(main)


@scenario("cancel.cancel_from_other_thread")
def cancel_from_other_thread(tr):
    def main():
        home = threading.current_thread()

        def body():
            try:
                yield from await_cancellation()
            finally:
                tr.t(f"home thread {threading.current_thread() is home}")

        j = launch(body)
        yield from yield_()
        thread0(j.cancel)
        yield from j.join()

    run_blocking(main)


@scenario("cancel.sibling_cancelled_before_it_ran")
def sibling_cancelled_before_it_ran(tr):
    def main():
        def fails():
            raise Boom()

        def block():
            launch(fails)
            launch(lambda: tr.t("never"))
            return 1

        yield from tr.try_t("scope", coroutine_scope, block)

    run_blocking(main)


@scenario("cancel.parent_cancelled_before_children_dispatched")
def parent_cancelled_before_children_dispatched(tr):
    def main():
        def parent():
            launch(lambda: tr.t("never"))
            current_job().cancel()

        p = launch(parent)
        yield from p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("cancel.failed_job_cancellation_exception_new_each_time")
def failed_job_cancellation_exception_new_each_time(tr):
    j = Job()
    j.complete_exceptionally(Boom())
    tr.t(j.get_cancellation_exception() is j.get_cancellation_exception())
    tr.t(j.get_cancellation_exception().__cause__ is j.get_cancellation_exception().__cause__)


@scenario("cancel.cancelled_then_body_throws_plain_exception_before_suspension")
def cancelled_then_body_throws_plain_exception_before_suspension(tr):
    def main():
        def body():
            current_job().cancel("first")
            raise Boom("then")

        j = CoroutineScope(current_context() + SupervisorJob() + tr.ceh()).launch(body)
        yield from j.join()
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("cancel.failure_after_timeout_of_child")
def failure_after_timeout_of_child(tr):
    def times_out():
        yield from b_with_timeout(5, await_cancellation)

    def fails():
        yield from delay(10)
        raise Boom("real")

    def body():
        launch(times_out)
        launch(fails)

    with with_main() as m:
        CoroutineScope(m.main + SupervisorJob() + tr.ceh()).launch(body)


# -- asked of the reference by us


def waits(tr, line):
    """`try { awaitCancellation() } finally { t(line) }`."""
    try:
        yield from await_cancellation()
    finally:
        tr.t(line)


@scenario("cancel.message_and_cause")
def cancel_message_and_cause(tr):
    def main():
        def body():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(chain(e))
                raise

        j = launch(body)
        yield from yield_()
        j.cancel("msg", Boom("why"))
        yield from j.join()
        j.cancel("second")
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("cancel.twice_first_wins")
def cancel_twice_first_wins(tr):
    def main():
        def body():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(d(e))
                yield from tr.try_t("again", yield_)

        j = launch(body)
        yield from yield_()
        j.cancel("1")
        j.cancel("2")
        yield from j.join()
        tr.t(d(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("cancel.after_completion")
def cancel_after_completion(tr):
    def main():
        j = launch(lambda: None)
        yield from j.join()
        j.cancel("late")
        tr.t(st(j))
        tr.try_now("gce", lambda: d(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("cancel.ensure_active_messages")
def cancel_ensure_active_messages(tr):
    def main():
        j = Job()
        tr.try_now("a", j.ensure_active)
        j.complete()
        tr.try_now("b", j.ensure_active)
        k = Job()
        k.cancel("k")
        tr.try_now("c", k.ensure_active)
        failed = Job()
        failed.complete_exceptionally(Boom())
        try:
            failed.ensure_active()
        except CancellationException as e:
            tr.t(chain(e))

    run_blocking(main)


@scenario("cancel.finally_launches_child")
def cancel_finally_launches_child(tr):
    def main():
        def block():
            launch(lambda: tr.t("nc child"))
            yield from yield_()
            tr.t("nc")

        def body():
            try:
                yield from await_cancellation()
            finally:
                k = launch(lambda: tr.t("never"))
                tr.t(f"k {st(k)}")
                yield from with_context(NonCancellable, block)

        j = launch(body)
        yield from yield_()
        yield from j.cancel_and_join()
        tr.t(st(j))

    run_blocking(main)


@scenario("cancel.order_depth_first")
def cancel_order_depth_first(tr):
    def main():
        def first():
            launch(waits, tr, "1.1")
            yield from waits(tr, "1")

        def root():
            launch(first)
            launch(waits, tr, "2")
            yield from waits(tr, "0")

        j = launch(root)
        yield from yield_()
        yield from yield_()
        yield from yield_()
        yield from j.cancel_and_join()

    run_blocking(main)


@scenario("cancel.async_cancelled_await_states")
def cancel_async_cancelled_await_states(tr):
    def main():
        a = async_(lambda: 1, start=CoroutineStart.LAZY)
        a.cancel("lazy")
        yield from tr.try_t("await", b_await, a)
        tr.t(st(a))
        tr.t(is_active())

    run_blocking(main)


@scenario("cancel.scope_cancel_reason_seen_by_children")
def cancel_scope_cancel_reason_seen_by_children(tr):
    def main():
        s = CoroutineScope(current_context() + Job())

        def told(who):
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(f"{who} {chain(e)}")

        def block():
            launch(told, "b")

        a = s.launch(told, "a")
        b = s.launch(coroutine_scope, block)
        yield from yield_()
        yield from yield_()
        s.cancel("reason", Boom("r"))
        yield from join_all(a, b)
        tr.try_now("new", s.ensure_active)

    run_blocking(main)


@scenario("cancel.failure_cause_seen_by_nested")
def cancel_failure_cause_seen_by_nested(tr):
    def main():
        s = CoroutineScope(current_context().minus_key(Job) + Job() + tr.ceh())

        def deep():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(f"deep {chain(e)}")
                raise

        def block():
            launch(deep)

        def fails():
            yield from yield_()
            yield from yield_()
            raise Boom

        def parent():
            launch(coroutine_scope, block)
            launch(fails)

        p = s.launch(parent)
        yield from p.join()
        tr.t(st(s.coroutine_context[Job]))
        tr.t(chain(p.get_cancellation_exception()))

    run_blocking(main)


@scenario("cancel.noncancellable_nested_scope_cancel_inside")
def cancel_noncancellable_nested_scope_cancel_inside(tr):
    def main():
        def inner():
            cancel("inner")
            yield from yield_()
            return 1

        def block():
            yield from tr.try_t("cs", coroutine_scope, inner)
            tr.t(f"nc {is_active()}")

        def body():
            try:
                yield from await_cancellation()
            finally:
                yield from with_context(NonCancellable, block)

        j = launch(body)
        yield from yield_()
        yield from j.cancel_and_join()

    run_blocking(main)


@scenario("cancel.cancel_while_joining")
def cancel_cancel_while_joining(tr):
    def main():
        a = launch(waits, tr, "a finally")

        def body():
            yield from tr.try_t("join", a.join)
            tr.t(st(a))

        j = launch(body)
        yield from yield_()
        j.cancel("j")
        yield from j.join()
        yield from a.cancel_and_join()

    run_blocking(main)


@scenario("cancel.launch_into_cancelling_parent")
def cancel_launch_into_cancelling_parent(tr):
    def main():
        def body():
            try:
                yield from await_cancellation()
            finally:
                yield from with_context(NonCancellable, delay, ms(20))

        p = launch(body)
        yield from yield_()
        p.cancel("p")
        k = CoroutineScope(current_context() + p).launch(lambda: tr.t("never"))
        k.invoke_on_completion(lambda cause: tr.t(f"k {d(cause)}"))
        yield from k.join()
        yield from p.join()
        tr.t(st(k))

    run_blocking(main)


@scenario("cancel.cancel_children_of_runblocking")
def cancel_cancel_children_of_runblocking(tr):
    def main():
        a = launch(waits, tr, "a")
        yield from yield_()
        current_context()[Job].cancel_children()
        tr.t(f"me {is_active()}")
        yield from a.join()
        tr.t(st(a))

    run_blocking(main)


@scenario("cancel.self_cancel_and_children")
def cancel_self_cancel_and_children(tr):
    def main():
        def kid():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(f"kid {d(e)}")

        def parent():
            launch(kid)
            yield from yield_()
            cancel("self")
            tr.t(f"after {is_active()}")
            yield from tr.try_t("y", yield_)

        p = launch(parent)
        yield from p.join()
        tr.t(d(p.get_cancellation_exception()))

    run_blocking(main)


@scenario("cancel.join_all_and_fail")
def cancel_join_all_and_fail(tr):
    def main():
        def fails():
            yield from delay(ms(10))
            raise Boom("a")

        def block():
            a = launch(fails)
            b = launch(delay, 1)
            yield from join_all(a, b)
            tr.t("never")

        yield from tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("cancel.await_all_fails_fast")
def cancel_await_all_fails_fast(tr):
    def main():
        def slow():
            yield from delay(1)
            return 1

        def fails():
            yield from delay(ms(5))
            raise Boom("b")

        def block():
            a = async_(slow)
            b = async_(fails)
            yield from tr.try_t("awaitAll", await_all, a, b)
            tr.t(f"a {a.is_active}")
            a.cancel()
            return 3

        yield from tr.try_t("ss", supervisor_scope, block)

    run_blocking(main)


@scenario("cancel.parent_cancel_while_child_completing")
def cancel_parent_cancel_while_child_completing(tr):
    def main():
        def child():
            launch(waits, tr, "grandchild")
            tr.t("child body over")

        def parent():
            launch(child)

        p = launch(parent)
        yield from yield_()
        yield from yield_()
        yield from yield_()
        p.cancel("c")
        yield from p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("cancel.invoke_on_completion_cancelling_order")
def cancel_invoke_on_completion_cancelling_order(tr):
    def main():
        j = launch(waits, tr, "body")
        yield from yield_()
        j.invoke_on_completion(lambda cause: tr.t(f"cancelling {d(cause)}"), on_cancelling=True)
        j.invoke_on_completion(lambda cause: tr.t(f"completed {d(cause)}"))
        j.cancel("c")
        tr.t("cancel returned")
        yield from j.join()
        tr.t("joined")

    run_blocking(main)


@scenario("cancel.throw_ce_in_plain_child_of_failing")
def cancel_throw_ce_in_plain_child_of_failing(tr):
    def main():
        def body():
            try:
                yield from delay(1)
            except CancellationException:
                raise CancellationException("other")

        j = launch(body)
        yield from yield_()
        j.cancel("first")
        yield from j.join()
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("cancel.failure_while_cancelling_parent_reports")
def cancel_failure_while_cancelling_parent_reports(tr):
    def main():
        s = CoroutineScope(SupervisorJob() + current_context().minus_key(Job) + tr.ceh())

        def kid():
            try:
                yield from await_cancellation()
            finally:
                raise Boom("k")

        def parent():
            launch(kid)
            yield from await_cancellation()

        p = s.launch(parent)
        yield from yield_()
        yield from yield_()
        p.cancel("c")
        yield from p.join()
        tr.t(chain(p.get_cancellation_exception()))

    run_blocking(main)
