"""The tree of jobs: who is whose child, what goes down, what goes up, in which order."""

from __future__ import annotations

from ..harness import *


def boom():
    raise Boom


@scenario("tree.explicit_job_in_context_becomes_parent")
def explicit_job_in_context_becomes_parent(tr):
    def main():
        p = Job()

        def body():
            tr.t(f"parent is p {current_job().parent is p}")
            tr.t(f"own job differs {current_job() is not p}")

        j = b_launch(current_scope(), p, body)
        tr.t(list(p.children) == [j])
        tr.t(len(list(current_job().children)))
        yield from j.join()

    run_blocking(main)


@scenario("tree.launch_new_job_breaks_parenting")
def launch_new_job_breaks_parenting(tr):
    jobs = {}

    def inner():
        try:
            yield from delay(ms(60))
            tr.t("inner end")
        finally:
            tr.t(f"inner finally active={is_active()}")

    def body():
        jobs["inner"] = b_launch(current_scope(), Job(), inner)

    def main():
        outer = launch(body)
        yield from outer.join()
        tr.t(f"outer done {st(outer)} inner {st(jobs['inner'])}")
        outer.cancel()
        tr.t(f"inner {st(jobs['inner'])}")
        yield from jobs["inner"].join()

    run_blocking(main)


@scenario("tree.withcontext_supervisorjob_pitfall")
def withcontext_supervisorjob_pitfall(tr):
    async def failing():
        await delay(ms(20))
        raise Boom

    async def surviving():
        try:
            await delay(ms(200))
            tr.t("survived")
        except CE as e:
            tr.t(f"sibling {chain(e)}")

    def body():
        launch(failing)
        launch(surviving)

    async def main():
        await tr.try_t("withContext", with_context, SupervisorJob(), body)

    run_blocking(main)


@scenario("tree.scope_with_supervisorjob_supervises")
def scope_with_supervisorjob_supervises(tr):
    def failing():
        yield from delay(ms(20))
        raise Boom

    def surviving():
        yield from delay(ms(60))
        tr.t("b survived")

    def main():
        s = CoroutineScope(current_context() + SupervisorJob() + tr.ceh())
        a = s.launch(failing)
        b = s.launch(surviving)
        yield from join_all(a, b)
        tr.t(st(s.coroutine_context[Job]))
        tr.t(st(a))
        tr.t(st(b))

    run_blocking(main)


@scenario("tree.scope_with_job_dies")
def scope_with_job_dies(tr):
    def main():
        s = CoroutineScope(current_context() + Job() + tr.ceh())
        yield from s.launch(boom).join()
        tr.t(f"scope active {s.is_active}")
        n = s.launch(lambda: tr.t("never"))
        yield from n.join()
        tr.t(st(n))
        tr.t(chain(n.get_cancellation_exception()))

    run_blocking(main)


@scenario("tree.cancel_cascade_message")
def cancel_cascade_message(tr):
    async def main():
        ce = CE("bye")

        async def leaf():
            try:
                await await_cancellation()
            except CE as e:
                tr.t(f"leaf {chain(e)} same={e is ce}")
                raise

        def middle():
            launch(leaf)

        def top():
            launch(middle)

        p = launch(top)
        await yield_()
        await yield_()
        await yield_()
        p.cancel(ce)
        await p.join()

    run_blocking(main)


@scenario("tree.failure_cascade_message")
def failure_cascade_message(tr):
    def main():
        b = Boom()

        def sibling():
            try:
                yield from await_cancellation()
            except CE as e:
                tr.t(f"sibling {chain(e)} cause same={e.__cause__ is b}")
                raise

        def failing():
            yield from yield_()
            raise b

        def body():
            launch(sibling)
            launch(failing)
            try:
                yield from await_cancellation()
            except CE as e:
                tr.t(f"parent body {chain(e)}")
                raise

        p = CoroutineScope(current_context() + SupervisorJob() + tr.ceh()).launch(body)
        yield from p.join()
        tr.t(chain(p.get_cancellation_exception()))

    run_blocking(main)


@scenario("tree.failure_cascade_message_deep")
def failure_cascade_message_deep(tr):
    def nephew():
        try:
            yield from await_cancellation()
        except CE as e:
            tr.t(f"nephew {chain(e)}")
            raise

    def middle():
        launch(nephew)

    async def failing():
        await yield_()
        await yield_()
        raise Boom

    def body():
        launch(middle)
        launch(failing)

    async def main():
        p = CoroutineScope(current_context() + SupervisorJob() + tr.ceh()).launch(body)
        await p.join()

    run_blocking(main)


@scenario("tree.completion_order_bottom_up")
def completion_order_bottom_up(tr):
    def middle():
        launch(await_cancellation).invoke_on_completion(lambda _: tr.t("leaf"))
        yield from await_cancellation()

    def root():
        launch(middle).invoke_on_completion(lambda _: tr.t("middle"))
        yield from await_cancellation()

    def main():
        p = launch(root)
        p.invoke_on_completion(lambda _: tr.t("root"))
        yield from yield_()
        yield from yield_()
        yield from yield_()
        p.cancel()
        yield from p.join()

    run_blocking(main)


@scenario("tree.cancelling_handler_vs_children_order")
def cancelling_handler_vs_children_order(tr):
    def main():
        p = Job()
        p.invoke_on_completion(lambda _: tr.t("h1"), on_cancelling=True)
        first = b_launch(current_scope(), p, await_cancellation)
        first.invoke_on_completion(lambda _: tr.t("child1"), on_cancelling=True)
        p.invoke_on_completion(lambda _: tr.t("h2"), on_cancelling=True)
        second = b_launch(current_scope(), p, await_cancellation)
        second.invoke_on_completion(lambda _: tr.t("child2"), on_cancelling=True)
        p.invoke_on_completion(lambda _: tr.t("h3"), on_cancelling=True)
        yield from yield_()
        p.cancel()
        tr.t("returned")
        yield from p.join()

    run_blocking(main)


@scenario("tree.child_throwing_ce_keeps_parent")
def child_throwing_ce_keeps_parent(tr):
    def mine():
        raise CE("mine")

    async def body():
        a = launch(mine)
        await a.join()
        tr.t(f"a {st(a)} {chain(a.get_cancellation_exception())}")
        tr.t(f"me {is_active()}")

    async def main():
        p = launch(body)
        await p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("tree.child_throwing_ce_with_cause_keeps_parent")
def child_throwing_ce_with_cause_keeps_parent(tr):
    def mine():
        raise CE("mine", Boom())

    def body():
        yield from launch(mine).join()
        tr.t(f"me {is_active()}")

    def main():
        p = launch(body, context=tr.ceh())
        yield from p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("tree.custom_ce_subclass")
def custom_ce_subclass(tr):
    class MyCE(CancellationException):
        def __init__(self):
            super().__init__("my")

    def mine():
        raise MyCE

    def body():
        a = launch(mine)
        yield from a.join()
        tr.t(f"me {is_active()} {type(a.get_cancellation_exception()).__name__}")

    def main():
        p = launch(body, context=tr.ceh())
        yield from p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("tree.siblings_cancelled_before_failed_child_completes")
def siblings_cancelled_before_failed_child_completes(tr):
    def failing():
        yield from yield_()
        raise Boom

    def body():
        me = current_job()
        sib = launch(await_cancellation)
        sib.invoke_on_completion(lambda _: tr.t("sibling cancelling"), on_cancelling=True)
        f = launch(failing)
        f.invoke_on_completion(lambda _: tr.t("failed child cancelling"), on_cancelling=True)
        f.invoke_on_completion(lambda _: tr.t(f"failed child completion, parent {st(me)}"))
        sib.invoke_on_completion(lambda _: tr.t("sibling completion"))

    def main():
        s = CoroutineScope(current_context() + SupervisorJob() + tr.ceh())
        p = s.launch(body)
        p.invoke_on_completion(lambda _: tr.t("parent cancelling"), on_cancelling=True)
        yield from p.join()

    run_blocking(main)


@scenario("tree.parent_waits_noncancellable_child")
def parent_waits_noncancellable_child(tr):
    async def cleanup():
        await delay(ms(30))
        tr.t("cleanup")

    async def child():
        try:
            await await_cancellation()
        finally:
            await with_context(NonCancellable, cleanup)

    def body():
        launch(child)

    async def main():
        p = launch(body)
        await yield_()
        await yield_()
        p.cancel()
        tr.t(st(p))
        await p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("tree.cancel_children_with_cause")
def cancel_children_with_cause(tr):
    def main():
        s = CoroutineScope(current_context() + Job())
        ce = CE("kids")

        def child(i):
            try:
                yield from await_cancellation()
            except CE as e:
                tr.t(f"{i} {e is ce}")
                raise

        js = [s.launch(child, i) for i in range(2)]
        yield from yield_()
        s.coroutine_context[Job].cancel_children(ce)
        yield from join_all(*js)

    run_blocking(main)


@scenario("tree.child_cancels_parent")
def child_cancels_parent(tr):
    def child():
        current_job().parent.cancel(CE("from child"))
        tr.t(f"child {is_active()}")
        yield from tr.try_t("yield", yield_)

    def body():
        launch(child)

    def main():
        p = launch(body)
        yield from p.join()
        tr.t(chain(p.get_cancellation_exception()))

    run_blocking(main)


@scenario("tree.child_cancels_scope_function")
def child_cancels_scope_function(tr):
    async def main():
        s = CoroutineScope(current_context() + Job())

        async def body():
            s.cancel("all")
            tr.t(f"still here {is_active()}")
            await tr.try_t("delay", delay, ms(1))

        j = s.launch(body)
        await j.join()
        tr.t(f"{st(j)} scope {s.is_active}")

    run_blocking(main)


@scenario("tree.attach_while_cancelling")
def attach_while_cancelling(tr):
    def body():
        try:
            yield from await_cancellation()
        finally:
            c = launch(lambda: tr.t("never"))
            tr.t(f"child {st(c)}")
            c.invoke_on_completion(lambda cause: tr.t(f"child completion {chain(cause)}"))

    def main():
        p = launch(body)
        yield from yield_()
        p.cancel(CE("why"))
        yield from p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("tree.launch_noncancellable_not_a_child")
def launch_noncancellable_not_a_child(tr):
    jobs = {}

    def detached():
        tr.t("runs")
        yield from delay(ms(30))
        tr.t("done")

    def body():
        try:
            yield from await_cancellation()
        finally:
            jobs["n"] = b_launch(current_scope(), NonCancellable, detached)

    def main():
        p = launch(body)
        yield from yield_()
        p.cancel()
        yield from p.join()
        tr.t(f"parent done, nc {st(jobs['n'])}")
        yield from jobs["n"].join()

    run_blocking(main)


@scenario("tree.async_and_launch_are_both_children")
def async_and_launch_are_both_children(tr):
    async def child():
        await delay(ms(20))
        tr.t("async end")

    def body():
        async_(child)

    async def main():
        p = launch(body)
        await p.join()
        tr.t("joined")

    run_blocking(main)


@scenario("tree.coroutine_scope_builder_uses_same_job")
def coroutine_scope_builder_uses_same_job(tr):
    def child():
        yield from delay(ms(20))
        tr.t("via scope")

    def first():
        s = CoroutineScope(current_context())
        tr.t(s.coroutine_context[Job] is current_job())
        s.launch(child)

    def second():
        CoroutineScope(current_context()).cancel()
        tr.t(is_active())

    def main():
        p = launch(first)
        yield from p.join()
        q = launch(second)
        yield from q.join()
        tr.t(st(q))

    run_blocking(main)


@scenario("tree.supervisor_inside_parent")
def supervisor_inside_parent(tr):
    def main():
        p = Job()
        sup = SupervisorJob(p)
        a = b_launch(current_scope(), sup + tr.ceh(), boom)
        yield from a.join()
        tr.t(f"sup {st(sup)} parent {st(p)}")
        b = b_launch(current_scope(), sup, await_cancellation)
        yield from yield_()
        p.cancel()
        yield from b.join()
        tr.t(f"sup {st(sup)} parent {st(p)}")

    run_blocking(main)


@scenario("tree.supervisor_parent_completion_needs_complete")
def supervisor_parent_completion_needs_complete(tr):
    def inner():
        s = SupervisorJob(current_job())
        b_launch(current_scope(), s, lambda: None)

    def timed():
        yield from coroutine_scope(inner)
        return "done"

    def main():
        r = yield from with_timeout_or_none(ms(40), timed)
        tr.t(r)

    run_blocking(main)


@scenario("tree.nested_supervisors")
def nested_supervisors(tr):
    async def later(milliseconds, line):
        await delay(ms(milliseconds))
        tr.t(line)

    async def failing():
        await delay(ms(10))
        raise Boom

    def inner():
        launch(failing, context=tr.ceh("inner"))
        launch(later, 40, "inner sibling alive")

    async def outer():
        launch(later, 60, "outer child alive")
        await supervisor_scope(inner)
        tr.t("inner scope done")

    async def main():
        await supervisor_scope(outer)
        tr.t("outer scope done")

    run_blocking(main)


@scenario("tree.coroutinescope_inside_supervisor_child")
def coroutinescope_inside_supervisor_child(tr):
    def inner():
        launch(boom)
        yield from await_cancellation()

    def first():
        yield from tr.try_t("inner", coroutine_scope, inner)
        tr.t(f"a continues active={is_active()}")

    def second():
        yield from delay(ms(20))
        tr.t("b alive")

    def supervised():
        a = launch(first, context=tr.ceh("A"))
        b = launch(second)
        yield from join_all(a, b)
        tr.t(f"{st(a)} | {st(b)}")

    def main():
        yield from supervisor_scope(supervised)

    run_blocking(main)


@scenario("tree.job_in_async_parent")
def job_in_async_parent(tr):
    async def body():
        launch(boom)
        await await_cancellation()

    async def supervised():
        a = async_(body, context=tr.ceh())
        await tr.try_t("await", a.await_)
        tr.t(st(a))

    async def main():
        await supervisor_scope(supervised)

    run_blocking(main)


@scenario("tree.many_children_first_failure_wins")
def many_children_first_failure_wins(tr):
    def second():
        try:
            yield from await_cancellation()
        finally:
            raise Boom("second")

    def first():
        yield from yield_()
        raise Boom("first")

    def body():
        launch(second)
        launch(first)

    def main():
        s = CoroutineScope(current_context() + SupervisorJob() + tr.ceh())
        yield from s.launch(body).join()

    run_blocking(main)


@scenario("tree.cancel_completed_child_no_effect")
def cancel_completed_child_no_effect(tr):
    def body():
        c = launch(lambda: None)
        yield from c.join()
        c.cancel()
        tr.t(f"c {st(c)} me {is_active()}")

    def main():
        p = launch(body)
        yield from p.join()
        tr.t(st(p))

    run_blocking(main)


@scenario("tree.sequential_scope_reuse_after_child_ce")
def sequential_scope_reuse_after_child_ce(tr):
    def cancelled():
        raise CE

    async def main():
        s = CoroutineScope(current_context() + Job())
        await s.launch(cancelled).join()
        tr.t(s.is_active)
        await s.launch(lambda: tr.t("next")).join()

    run_blocking(main)


@scenario("tree.job_factory_child_failure_cancels_job")
def job_factory_child_failure_cancels_job(tr):
    def main():
        j = Job()
        yield from b_launch(current_scope(), j + tr.ceh("J"), boom).join()
        tr.t(st(j))
        s = SupervisorJob()
        yield from b_launch(current_scope(), s + tr.ceh("S"), boom).join()
        tr.t(st(s))

    run_blocking(main)


@scenario("tree.cancel_middle")
def cancel_middle(tr):
    jobs = {}

    def leaf():
        try:
            yield from await_cancellation()
        finally:
            tr.t("leaf")

    def mid():
        launch(leaf)
        try:
            yield from await_cancellation()
        finally:
            tr.t("mid")

    def other():
        yield from delay(ms(30))
        tr.t("other end")

    def body():
        jobs["mid"] = launch(mid)
        launch(other)

    def main():
        root = launch(body)
        yield from yield_()
        yield from yield_()
        yield from yield_()
        jobs["mid"].cancel()
        yield from root.join()
        tr.t(st(root))

    run_blocking(main)


@scenario("tree.completing_parent_and_failing_last_child")
def completing_parent_and_failing_last_child(tr):
    with with_main() as m:

        def failing():
            yield from delay(10)
            raise Boom

        def mid():
            launch(failing)
            tr.t("mid body end")

        def uncle():
            try:
                yield from await_cancellation()
            finally:
                tr.t(f"uncle cancelled at {m.now}")

        def body():
            launch(mid)
            launch(uncle)

        CoroutineScope(m.main + SupervisorJob() + tr.ceh()).launch(body)


@scenario("tree.supervisor_child_of_failed_scope")
def supervisor_child_of_failed_scope(tr):
    def child():
        try:
            yield from await_cancellation()
        except CE as e:
            tr.t(chain(e))
            raise

    def main():
        p = Job()
        sup = SupervisorJob(p)
        k = b_launch(current_scope(), sup, child)
        yield from yield_()
        p.complete_exceptionally(Boom("p"))
        tr.t(f"p {st(p)}")
        p.cancel()
        tr.t(f"p {st(p)} sup {st(sup)}")
        sup.complete()
        yield from k.cancel_and_join()
        yield from p.join()
        tr.t(f"p {st(p)}")

    run_blocking(main)
