"""Who is told of a failure: handlers, their order, what is suppressed, what is silent."""

from __future__ import annotations

import threading

from ..harness import *


def throw(exception):
    raise exception


def suspend_then_throw(exception):
    yield from yield_()
    raise exception


def cleanup_throws(exception):
    try:
        yield from await_cancellation()
    finally:
        raise exception


def supervised(tr, name="CEH"):
    """Kotlin: CoroutineScope(coroutineContext + SupervisorJob() + ceh(name))."""
    return CoroutineScope(current_context() + SupervisorJob() + tr.ceh(name))


@scenario("ceh.root_launch_once")
def root_launch_once(tr):
    def main():
        j = CoroutineScope(current_context() + Job() + tr.ceh()).launch(throw, Boom())
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("ceh.child_handler_ignored")
def child_handler_ignored(tr):
    def root():
        launch(throw, Boom(), context=tr.ceh("CHILD"))

    def main():
        yield from supervised(tr, "ROOT").launch(root).join()

    run_blocking(main)


@scenario("ceh.child_handler_ignored_and_root_has_none")
def child_handler_ignored_and_root_has_none(tr):
    def root():
        launch(throw, Boom(), context=tr.ceh("CHILD"))

    def main():
        yield from CoroutineScope(current_context() + SupervisorJob()).launch(root).join()

    run_blocking(main)


@scenario("ceh.supervisor_direct_child_handler_used")
def supervisor_direct_child_handler_used(tr):
    def inner():
        launch(throw, Boom(), context=tr.ceh("CHILD"))

    def main():
        yield from supervisor_scope(inner)
        tr.t("alive")

    run_blocking(main)


@scenario("ceh.last_handler_wins")
def last_handler_wins(tr):
    def inner():
        launch(throw, Boom(), context=tr.ceh("one") + tr.ceh("two"))

    def main():
        yield from supervisor_scope(inner)

    run_blocking(main)


@scenario("ceh.handler_in_coroutinescope_not_used")
def handler_in_coroutinescope_not_used(tr):
    def inner():
        launch(throw, Boom(), context=tr.ceh("IN"))

    async def root():
        try:
            await coroutine_scope(inner)
        except Boom as e:
            tr.t(f"caught {d(e)}")

    async def main():
        s = supervised(tr, "ROOT")
        await s.launch(root).join()

    run_blocking(main)


@scenario("ceh.handler_in_withcontext_not_used")
def handler_in_withcontext_not_used(tr):
    def child_fails():
        launch(throw, Boom("c"))
        yield from await_cancellation()

    def main():
        yield from tr.try_t("withContext", with_context, tr.ceh("WC"), throw, Boom())
        yield from tr.try_t("withContext child", with_context, tr.ceh("WC"), child_fails)

    run_blocking(main)


@scenario("ceh.handler_in_runblocking_not_used")
def handler_in_runblocking_not_used(tr):
    def child_fails():
        launch(throw, Boom("child"))
        yield from await_cancellation()

    tr.try_now("body", lambda: run_blocking(throw, Boom("body"), context=tr.ceh()))
    tr.try_now("child", lambda: run_blocking(child_fails, context=tr.ceh()))


@scenario("ceh.async_root_never_reports")
def async_root_never_reports(tr):
    def main():
        s = supervised(tr)
        a = s.async_(throw, Boom())
        yield from a.join()
        tr.t(st(a))
        yield from tr.try_t("await", a.await_)
        yield from tr.try_t("again", a.await_)

    run_blocking(main)


@scenario("ceh.async_never_awaited_is_silent")
def async_never_awaited_is_silent(tr):
    def inner():
        async_(throw, Boom(), context=tr.ceh())

    def main():
        yield from supervisor_scope(inner)
        tr.t("silent")

    run_blocking(main)


@scenario("ceh.async_child_fails_parent_launch")
def async_child_fails_parent_launch(tr):
    async def root():
        a = async_(suspend_then_throw, Boom())
        try:
            await a.await_()
        except Boom as e:
            tr.t(f"caught {d(e)} active={is_active()}")
        await tr.try_t("then yield", yield_)

    async def main():
        await supervised(tr).launch(root).join()

    run_blocking(main)


@scenario("ceh.async_in_coroutinescope_fails_scope_without_await")
def async_in_coroutinescope_fails_scope_without_await(tr):
    def inner():
        async_(throw, Boom())
        tr.t("body end")
        return 1

    def main():
        yield from tr.try_t("scope", coroutine_scope, inner)

    run_blocking(main)


@scenario("ceh.cancellation_never_reported")
def cancellation_never_reported(tr):
    def times_out():
        yield from b_with_timeout(ms(5), await_cancellation)

    def main():
        s = supervised(tr)
        yield from s.launch(throw, CancellationException("x")).join()
        it = s.launch(await_cancellation)
        yield from yield_()
        it.cancel()
        yield from it.join()
        yield from s.launch(times_out).join()
        tr.t("nothing reported")

    run_blocking(main)


@scenario("ceh.root_throws_ce_with_cause")
def root_throws_ce_with_cause(tr):
    def main():
        j = supervised(tr).launch(throw, CancellationException("x", Boom()))
        yield from j.join()
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("ceh.exception_after_cancel_is_reported")
def exception_after_cancel_is_reported(tr):
    def main():
        j = supervised(tr).launch(cleanup_throws, Boom("cleanup"))
        j.invoke_on_completion(lambda e: tr.t(f"completion {chain(e)}"))
        yield from yield_()
        j.cancel(CancellationException("c"))
        yield from j.join()
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("ceh.child_exception_after_parent_cancel_reported_by_root")
def child_exception_after_parent_cancel_reported_by_root(tr):
    def root():
        launch(cleanup_throws, Boom("cleanup"))

    def main():
        p = supervised(tr).launch(root)
        p.invoke_on_completion(lambda e: tr.t(f"completion {chain(e)}"))
        yield from yield_()
        yield from yield_()
        p.cancel(CancellationException("c"))
        yield from p.join()

    run_blocking(main)


@scenario("ceh.async_child_exception_after_cancel_fails_parent")
def async_child_exception_after_cancel_fails_parent(tr):
    def inner():
        a = async_(cleanup_throws, Boom("cleanup"))
        yield from yield_()
        a.cancel()
        yield from a.join()
        tr.t(f"scope active {is_active()}")

    def main():
        yield from tr.try_t("scope", coroutine_scope, inner)

    run_blocking(main)


@scenario("ceh.aggregation_parent_and_child")
def aggregation_parent_and_child(tr):
    def root():
        launch(cleanup_throws, Boom("child"))
        yield from yield_()
        raise Boom("body")

    def main():
        yield from supervised(tr).launch(root).join()

    run_blocking(main)


@scenario("ceh.aggregation_skips_ce")
def aggregation_skips_ce(tr):
    def root():
        launch(cleanup_throws, CancellationException("other"))
        launch(suspend_then_throw, Boom("first"))

    def main():
        yield from supervised(tr).launch(root).join()

    run_blocking(main)


@scenario("ceh.aggregation_same_instance_once")
def aggregation_same_instance_once(tr):
    def main():
        b = Boom("same")

        def root():
            launch(cleanup_throws, b)
            launch(suspend_then_throw, b)

        yield from supervised(tr).launch(root).join()

    run_blocking(main)


@scenario("ceh.handler_called_after_children_done")
def handler_called_after_children_done(tr):
    async def slow():
        await delay(ms(30))
        tr.t("slow cleanup done")

    async def cleans_up():
        try:
            await await_cancellation()
        finally:
            await with_context(NonCancellable, slow)

    async def throws():
        await yield_()
        tr.t("throw")
        raise Boom()

    def root():
        launch(cleans_up)
        launch(throws)

    async def main():
        await supervised(tr).launch(root).join()

    run_blocking(main)


@scenario("ceh.order_handler_completion_cancelling")
def order_handler_completion_cancelling(tr):
    def main():
        j = supervised(tr).launch(throw, Boom(), start=CoroutineStart.LAZY)
        j.invoke_on_completion(lambda _: tr.t("completion 1"))
        j.invoke_on_completion(lambda _: tr.t(f"cancelling {st(j)}"), on_cancelling=True)
        j.invoke_on_completion(lambda _: tr.t(f"completion 2 {st(j)}"))
        yield from j.join()
        tr.t("joined")

    run_blocking(main)


@scenario("ceh.handler_context_is_root_of_failure")
def handler_context_is_root_of_failure(tr):
    def top():
        launch(throw, Boom(), context=CoroutineName("leaf"))

    def main():
        h = CoroutineExceptionHandler(lambda c, _: tr.t(f"name={c[CoroutineName].name}"))
        s = CoroutineScope(current_context() + SupervisorJob() + h)
        yield from s.launch(top, context=CoroutineName("top")).join()

    run_blocking(main)


@scenario("ceh.handler_throws")
def handler_throws(tr):
    def handler(_, e):
        tr.t(f"handler {d(e)}")
        raise IllegalStateError("in handler")

    def main():
        h = CoroutineExceptionHandler(handler)
        j = CoroutineScope(current_context() + SupervisorJob() + h).launch(throw, Boom())
        yield from j.join()
        tr.t(st(j))
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("ceh.plain_job_children_each_report")
def plain_job_children_each_report(tr):
    def main():
        j = Job()
        s = CoroutineScope(current_context() + j + tr.ceh())
        s.launch(cleanup_throws, Boom("second"))
        s.launch(suspend_then_throw, Boom("first"))
        yield from j.join()
        tr.t(st(j))
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("ceh.supervisor_children_each_report")
def supervisor_children_each_report(tr):
    def main():
        s = supervised(tr)
        yield from join_all(s.launch(throw, Boom("1")), s.launch(throw, Boom("2")))

    run_blocking(main)


@scenario("ceh.job_chain_to_coroutine_handles")
def job_chain_to_coroutine_handles(tr):
    def root():
        j = Job(current_job())
        b_launch(current_scope(), j + tr.ceh("CHILD"), throw, Boom())

    def main():
        yield from supervised(tr, "ROOT").launch(root).join()

    run_blocking(main)


@scenario("ceh.supervisorscope_child_failure_is_not_thrown")
def supervisorscope_child_failure_is_not_thrown(tr):
    def inner():
        launch(throw, Boom(), context=tr.ceh())
        return "value"

    def main():
        yield from tr.try_t("scope", supervisor_scope, inner)

    run_blocking(main)


@scenario("ceh.error_types_treated_alike")
def error_types_treated_alike(tr):
    def inner():
        launch(throw, AssertionError("assert"), context=tr.ceh())

    def main():
        yield from supervisor_scope(inner)
        tr.t("alive")

    run_blocking(main)


@scenario("ceh.failure_before_first_suspension_undispatched")
def failure_before_first_suspension_undispatched(tr):
    def inner():
        j = launch(throw, Boom(), context=tr.ceh(), start=CoroutineStart.UNDISPATCHED)
        tr.t(f"launch returned {st(j)}")

    def main():
        yield from supervisor_scope(inner)

    run_blocking(main)


@scenario("ceh.nested_handler_of_cancelled_supervisor")
def nested_handler_of_cancelled_supervisor(tr):
    def main():
        s = supervised(tr)
        s.cancel()
        j = s.launch(throw, Boom())
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("ceh.failed_child_reported_even_if_supervisor_cancelled_later")
def failed_child_reported_even_if_supervisor_cancelled_later(tr):
    def main():
        s = supervised(tr)
        j = s.launch(cleanup_throws, Boom("cleanup"))
        yield from yield_()
        s.cancel()
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("ceh.runblocking_child_failure_with_cleanup")
def runblocking_child_failure_with_cleanup(tr):
    async def slow():
        await delay(ms(20))
        tr.t("cleanup")

    async def cleans_up():
        try:
            await await_cancellation()
        finally:
            await with_context(NonCancellable, slow)

    def main():
        launch(cleans_up)
        launch(suspend_then_throw, Boom())

    tr.try_now("rb", run_blocking, main)


@scenario("ceh.coroutinescope_failure_vs_cancellation_of_caller")
def coroutinescope_failure_vs_cancellation_of_caller(tr):
    def inner():
        launch(throw, Boom())
        yield from await_cancellation()

    def caller():
        yield from tr.try_t("scope", coroutine_scope, inner)
        tr.t(f"caller active {is_active()}")
        yield from yield_()
        tr.t("goes on")

    def main():
        yield from launch(caller).join()

    run_blocking(main)


@scenario("ceh.uncaught_error_in_completion_handler")
def uncaught_error_in_completion_handler(tr):
    def broken(name):
        def handler(_):
            tr.t(name)
            raise IllegalStateError(f"{name} broke")

        return handler

    def main():
        j = supervised(tr).launch(lambda: None)
        j.invoke_on_completion(broken("h1"))
        j.invoke_on_completion(broken("h2"))
        j.invoke_on_completion(lambda _: tr.t("h3"))
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("ceh.error_in_completion_handler_of_plain_job")
def error_in_completion_handler_of_plain_job(tr):
    j = Job()
    j.invoke_on_completion(lambda _: throw(IllegalStateError("h broke")))
    try:
        tr.t(j.complete())
    except BaseException as e:  # noqa: BLE001  (Kotlin: Throwable)
        tr.t(f"complete threw {rules.name_of(e)} <- {chain(e.__cause__)}")
    tr.t(st(j))


@scenario("ceh.failure_of_launch_in_runblocking_supervisor")
def failure_of_launch_in_runblocking_supervisor(tr):
    def main():
        b_launch(current_scope(), SupervisorJob() + tr.ceh(), throw, Boom())
        return "rb value"

    r = run_blocking(main)
    tr.t(r)


@scenario("ceh.multiple_roots_of_same_handler")
def multiple_roots_of_same_handler(tr):
    def main():
        h = tr.ceh("H")
        s = CoroutineScope(current_context() + SupervisorJob() + h)
        for i in range(3):
            s.launch(throw, Boom(f"{i}"))
        yield from join_all(*list(s.coroutine_context[Job].children))

    run_blocking(main)


@scenario("ceh.failure_in_noncancellable_section_of_cancelled")
def failure_in_noncancellable_section_of_cancelled(tr):
    def body():
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, throw, Boom("nc"))

    def main():
        j = supervised(tr).launch(body)
        yield from yield_()
        yield from j.cancel_and_join()

    run_blocking(main)


@scenario("ceh.exception_with_cancellation_cause")
def exception_with_cancellation_cause(tr):
    def body():
        try:
            yield from await_cancellation()
        except CancellationException as e:
            raise Boom("wrapped") from e

    def main():
        j = supervised(tr).launch(body)
        yield from yield_()
        j.cancel("c")
        yield from j.join()

    run_blocking(main)


@scenario("ceh.sibling_failure_during_cancel_is_suppressed_not_lost")
def sibling_failure_during_cancel_is_suppressed_not_lost(tr):
    def wraps():
        try:
            yield from await_cancellation()
        except CancellationException as e:
            raise Boom("wrapper") from e

    def root():
        launch(wraps)
        launch(suspend_then_throw, Boom("root"))

    def main():
        yield from supervised(tr).launch(root).join()

    run_blocking(main)


@scenario("ceh.await_rethrow_same_exception_once")
def await_rethrow_same_exception_once(tr):
    async def root():
        a = async_(suspend_then_throw, Boom())
        await a.await_()

    async def main():
        await supervised(tr).launch(root).join()

    run_blocking(main)


# -- asked of the reference by us


@scenario("ceh.launch_under_completable_deferred_parent")
def launch_under_completable_deferred_parent(tr):
    def main():
        cd = CompletableDeferred()
        j = CoroutineScope(current_context() + cd + tr.ceh()).launch(throw, Boom())
        yield from j.join()
        tr.t(st(cd))
        yield from tr.try_t("await", cd.await_)

    run_blocking(main)


@scenario("ceh.async_with_failing_launch_child_root")
def async_with_failing_launch_child_root(tr):
    def root():
        launch(throw, Boom())
        return 1

    def main():
        a = supervised(tr).async_(root)
        yield from a.join()
        yield from tr.try_t("await", a.await_)

    run_blocking(main)


@scenario("ceh.job_under_supervisor_child_reports_itself")
def job_under_supervisor_child_reports_itself(tr):
    def main():
        s = SupervisorJob()
        j = Job(s)
        child = CoroutineScope(current_context() + j + tr.ceh()).launch(throw, Boom())
        yield from child.join()
        tr.t(st(j))
        tr.t(st(s))

    run_blocking(main)


@scenario("ceh.job_state_in_handler")
def job_state_in_handler(tr):
    def main():
        j = None

        def handler(context, _):
            tr.t(f"same {show(context[Job] is j)} {st(j)} {sn(j)}")

        h = CoroutineExceptionHandler(handler)
        j = CoroutineScope(current_context() + SupervisorJob() + h).launch(throw, Boom())
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("ceh.async_exception_after_cancel")
def async_exception_after_cancel(tr):
    def main():
        a = supervised(tr).async_(cleanup_throws, Boom("cleanup"))
        yield from yield_()
        a.cancel("c")
        yield from a.join()
        yield from tr.try_t("await", a.await_)
        tr.t(chain(a.get_completion_exception_or_none()))

    run_blocking(main)


@scenario("ceh.aggregation_cancel_then_two_failures")
def aggregation_cancel_then_two_failures(tr):
    def root():
        launch(cleanup_throws, Boom("1"))
        launch(cleanup_throws, Boom("2"))
        yield from cleanup_throws(Boom("body"))

    def main():
        p = supervised(tr).launch(root)
        p.invoke_on_completion(lambda e: tr.t(f"completion {chain(e)}"))
        yield from yield_()
        yield from yield_()
        p.cancel("c")
        yield from p.join()

    run_blocking(main)


@scenario("ceh.aggregation_nested_levels")
def aggregation_nested_levels(tr):
    def middle():
        launch(cleanup_throws, Boom("deep"))
        yield from cleanup_throws(Boom("mid"))

    def last():
        yield from yield_()
        yield from yield_()
        raise Boom("first")

    def root():
        launch(middle)
        launch(last)

    def main():
        yield from supervised(tr).launch(root).join()

    run_blocking(main)


@scenario("ceh.plain_job_parent_two_levels")
def plain_job_parent_two_levels(tr):
    def main():
        top = Job()
        mid = Job(top)
        child = CoroutineScope(current_context() + mid + tr.ceh()).launch(throw, Boom())
        yield from child.join()
        tr.t(st(mid))
        tr.t(st(top))
        tr.t(chain(top.get_cancellation_exception()))

    run_blocking(main)


@scenario("ceh.supervisorscope_in_launch_handler_inherited")
def supervisorscope_in_launch_handler_inherited(tr):
    def inner():
        launch(throw, Boom("1"))
        launch(throw, Boom("2"), context=tr.ceh("OWN"))

    def root():
        yield from supervisor_scope(inner)
        tr.t("after")

    def main():
        yield from supervised(tr, "ROOT").launch(root).join()

    run_blocking(main)


@scenario("ceh.noncancellable_child_failure")
def noncancellable_child_failure(tr):
    def inner():
        launch(throw, Boom())

    async def shielded():
        await tr.try_t("scope", coroutine_scope, inner)

    async def root():
        await with_context(NonCancellable, shielded)
        tr.t(f"after {show(is_active())}")

    def main():
        yield from supervised(tr).launch(root).join()

    run_blocking(main)


@scenario("ceh.handler_is_called_on_completing_thread")
def handler_is_called_on_completing_thread(tr):
    def fails_elsewhere():
        yield from with_context(Dispatchers.Default, throw, Boom())

    def main():
        here = threading.current_thread()
        h = CoroutineExceptionHandler(lambda *_: tr.t(f"here {show(threading.current_thread() is here)}"))
        yield from CoroutineScope(current_context() + SupervisorJob() + h).launch(fails_elsewhere).join()
        yield from CoroutineScope(SupervisorJob() + Dispatchers.Default + h).launch(throw, Boom()).join()

    run_blocking(main)


@scenario("ceh.cancel_with_cause")
def cancel_with_cause(tr):
    def body():
        try:
            yield from await_cancellation()
        except CancellationException as e:
            tr.t(chain(e))
            raise

    def main():
        j = supervised(tr).launch(body)
        yield from yield_()
        j.cancel("c", Boom("cause"))
        yield from j.join()
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("ceh.scope_fails_with_two_children_suppressed")
def scope_fails_with_two_children_suppressed(tr):
    def inner():
        launch(cleanup_throws, Boom("second"))
        launch(suspend_then_throw, Boom("first"))

    def main():
        try:
            yield from coroutine_scope(inner)
        except Boom as e:
            tr.t(chain(e))

    run_blocking(main)


@scenario("ceh.suppressed_same_through_levels")
def suppressed_same_through_levels(tr):
    def innermost():
        launch(cleanup_throws, Boom("in"))

    def child():
        try:
            yield from coroutine_scope(innermost)
        except BaseException as e:
            tr.t(f"inner {chain(e)}")
            raise

    def outer():
        launch(child)
        yield from yield_()
        yield from yield_()
        raise Boom("out")

    def main():
        try:
            yield from coroutine_scope(outer)
        except Boom as e:
            tr.t(chain(e))

    run_blocking(main)


@scenario("ceh.handler_throws_ce")
def handler_throws_ce(tr):
    def main():
        h = CoroutineExceptionHandler(lambda *_: throw(CancellationException("h")))
        j = CoroutineScope(current_context() + SupervisorJob() + h).launch(throw, Boom())
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("ceh.handler_rethrows_same")
def handler_rethrows_same(tr):
    def main():
        h = CoroutineExceptionHandler(lambda _, e: throw(e))
        j = CoroutineScope(current_context() + SupervisorJob() + h).launch(throw, Boom())
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("ceh.launch_in_handler")
def launch_in_handler(tr):
    def main():
        s0 = current_scope()

        def handler(*_):
            tr.t("handler")
            s0.launch(tr.t, "from handler")

        h = CoroutineExceptionHandler(handler)
        yield from CoroutineScope(current_context() + SupervisorJob() + h).launch(throw, Boom()).join()
        tr.t("joined")

    run_blocking(main)


@scenario("ceh.oncancelling_handler_throws")
def oncancelling_handler_throws(tr):
    def broken(_):
        tr.t("h1")
        raise IllegalStateError("broke")

    def main():
        j = supervised(tr).launch(await_cancellation)
        j.invoke_on_completion(broken, on_cancelling=True)
        j.invoke_on_completion(lambda _: tr.t("h2"), on_cancelling=True)
        yield from yield_()
        tr.try_now("cancel", j.cancel)
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)
