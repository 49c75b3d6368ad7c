"""coroutine_scope and supervisor_scope: what they wait for, what they raise, whom they cancel."""

from __future__ import annotations

from ..harness import *


@scenario("scope.result")
def result(tr):
    def main():
        def child():
            yield from delay(ms(20))
            tr.t("child")

        def cs():
            launch(child)
            tr.t("body")
            return "cs"

        def ss():
            launch(child)
            tr.t("body")
            return "ss"

        tr.t((yield from coroutine_scope(cs)))
        tr.t((yield from supervisor_scope(ss)))

    run_blocking(main)


@scenario("scope.body_failure_cancels_children")
def body_failure_cancels_children(tr):
    def main():
        def child():
            try:
                yield from await_cancellation()
            finally:
                tr.t("child finally")

        def block():
            launch(child)
            yield from yield_()
            raise Boom

        yield from tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.child_failure_cancels_body")
def child_failure_cancels_body(tr):
    async def main():
        def fail():
            raise Boom

        async def block():
            launch(fail)
            try:
                await await_cancellation()
            except CancellationException as e:
                tr.t(f"body {chain(e)}")
                raise

        await tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.child_failure_after_body_end")
def child_failure_after_body_end(tr):
    def main():
        def child():
            yield from delay(ms(20))
            raise Boom

        def block():
            launch(child)
            tr.t("body end")
            return "value"

        yield from tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.body_swallows_and_returns")
def body_swallows_and_returns(tr):
    def main():
        def fail():
            raise Boom

        def block():
            launch(fail)
            try:
                yield from await_cancellation()
            except CancellationException:
                pass
            return "value"

        yield from tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.child_ce_does_not_fail")
def child_ce_does_not_fail(tr):
    async def main():
        def child():
            raise CancellationException("x")

        async def block():
            launch(child)
            await delay(ms(10))
            return "value"

        await tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.nested_failure_propagates_by_throw")
def nested_failure_propagates_by_throw(tr):
    def main():
        def outer_child():
            yield from delay(ms(20))
            tr.t("outer child alive")

        def fail():
            raise Boom

        def inner():
            launch(fail)

        def outer():
            launch(outer_child)
            try:
                yield from coroutine_scope(inner)
            except Boom:
                tr.t("caught inner")
            return "outer value"

        yield from tr.try_t("outer", coroutine_scope, outer)

    run_blocking(main)


@scenario("scope.supervisor_siblings")
def supervisor_siblings(tr):
    def main():
        def fail():
            raise Boom

        def sibling():
            yield from delay(ms(20))
            tr.t("sibling")

        def block():
            launch(fail, context=tr.ceh())
            launch(sibling)
            yield from yield_()
            tr.t(f"body {is_active()}")

        yield from supervisor_scope(block)

    run_blocking(main)


@scenario("scope.supervisor_cancel_from_outside")
def supervisor_cancel_from_outside(tr):
    def main():
        def child():
            try:
                yield from await_cancellation()
            finally:
                tr.t("child")

        def block():
            launch(child)
            try:
                yield from await_cancellation()
            finally:
                tr.t("body")

        j = launch(supervisor_scope, block)
        yield from yield_()
        yield from yield_()
        yield from j.cancel_and_join()
        tr.t(st(j))

    run_blocking(main)


@scenario("scope.outer_cancel_waits_for_children")
def outer_cancel_waits_for_children(tr):
    async def main():
        async def child():
            try:
                await await_cancellation()
            finally:
                await with_context(NonCancellable, delay, ms(20))
                tr.t("cleanup")

        def block():
            launch(child)

        async def body():
            try:
                await coroutine_scope(block)
            except CancellationException:
                tr.t("scope threw")
                raise

        j = launch(body)
        await yield_()
        await yield_()
        await j.cancel_and_join()

    run_blocking(main)


@scenario("scope.async_gather")
def async_gather(tr):
    def main():
        def waits():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(f"a {chain(e)}")
                raise

        def fails():
            yield from yield_()
            raise Boom("b")

        def block():
            a = async_(waits)
            b = async_(fails)
            yield from b_await(a)
            yield from b_await(b)

        yield from tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.supervisor_async_gather")
def supervisor_async_gather(tr):
    def main():
        def fails():
            yield from yield_()
            raise Boom("a")

        def waits():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(f"b {chain(e)}")
                raise

        def block():
            a = async_(fails)
            b = async_(waits)
            return (yield from a.await_()) + (yield from b.await_())

        yield from tr.try_t("ss", supervisor_scope, block)

    run_blocking(main)


@scenario("scope.supervisor_body_waits_failing_children")
def supervisor_body_waits_failing_children(tr):
    async def main():
        def fail():
            raise Boom

        async def slow():
            await delay(ms(20))
            tr.t("slow done")

        def block():
            launch(fail, context=tr.ceh())
            launch(slow)

        await supervisor_scope(block)
        tr.t("returned")

    run_blocking(main)


@scenario("scope.return_from_lambda_exception_order")
def return_from_lambda_exception_order(tr):
    def main():
        def child():
            try:
                yield from await_cancellation()
            finally:
                raise Boom("E2")

        def block():
            launch(child)
            yield from yield_()
            raise Boom("E1")

        try:
            yield from coroutine_scope(block)
        except Boom as e:
            tr.t(chain(e))

    run_blocking(main)


@scenario("scope.caller_cancelled_and_child_fails")
def caller_cancelled_and_child_fails(tr):
    def main():
        def child():
            try:
                yield from await_cancellation()
            finally:
                raise Boom("cleanup")

        def block():
            launch(child)

        def body():
            try:
                yield from coroutine_scope(block)
            except BaseException as e:
                tr.t(f"scope threw {chain(e)}")
                raise

        j = CoroutineScope(current_context() + SupervisorJob() + tr.ceh()).launch(body)
        yield from yield_()
        yield from yield_()
        j.cancel("c")
        yield from j.join()

    run_blocking(main)


@scenario("scope.deep_recursion")
def deep_recursion(tr):
    def f(n):
        def inner():
            return (yield from f(n - 1)) + 1

        return 0 if n == 0 else (yield from coroutine_scope(inner))

    def main():
        tr.t((yield from f(50)))

    run_blocking(main)


@scenario("scope.launch_then_throw_undispatched_child_never_runs")
def launch_then_throw_undispatched_child_never_runs(tr):
    def main():
        def block():
            launch(lambda: tr.t("never"))
            raise Boom

        yield from tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.child_failure_seen_at_next_suspension")
def child_failure_seen_at_next_suspension(tr):
    async def main():
        def fail():
            raise Boom

        async def block():
            launch(fail)
            tr.t(is_active())
            await yield_()
            tr.t("unreached")

        await tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


# -- asked of the reference by us


def waits(tr, line):
    """`try { awaitCancellation() } finally { t(line) }`."""
    try:
        yield from await_cancellation()
    finally:
        tr.t(line)


def fail(message="boom"):
    """`throw Boom(message)`."""
    raise Boom(message)


@scenario("scope.leaked_scope")
def scope_leaked_scope(tr):
    def main():
        kept = []

        def block():
            kept.append(current_scope())
            tr.t(is_active())

        yield from coroutine_scope(block)
        s = kept[0]
        tr.t(st(s.coroutine_context[Job]))
        j = s.launch(lambda: tr.t("never"))
        tr.t(st(j))
        yield from j.join()
        tr.t(chain(j.get_cancellation_exception()))

    run_blocking(main)


@scenario("scope.supervisor_body_fails_children_fail")
def scope_supervisor_body_fails_children_fail(tr):
    def main():
        def child():
            try:
                yield from await_cancellation()
            finally:
                raise Boom("child")

        def block():
            launch(child, context=tr.ceh())
            yield from yield_()
            raise Boom("body")

        try:
            yield from supervisor_scope(block)
        except Boom as e:
            tr.t(chain(e))

    run_blocking(main)


@scenario("scope.in_cancelled_caller")
def scope_in_cancelled_caller(tr):
    def main():
        def one():
            tr.t(f"in {is_active()}")
            return 1

        def two():
            tr.t(f"in {is_active()}")
            yield from yield_()
            return 1

        def three():
            launch(lambda: tr.t("never"))
            return 1

        def body():
            current_job().cancel("c")
            yield from tr.try_t("cs", coroutine_scope, one)
            yield from tr.try_t("ss", supervisor_scope, two)
            yield from tr.try_t("child", coroutine_scope, three)

        yield from launch(body).join()

    run_blocking(main)


@scenario("scope.cancel_children_inside")
def scope_cancel_children_inside(tr):
    def main():
        def block():
            launch(waits, tr, "a")
            launch(waits, tr, "b")
            yield from yield_()
            current_context()[Job].cancel_children(CancellationException("kids"))
            tr.t(f"body {is_active()}")
            return "v"

        yield from tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.failure_in_nested_scope_of_supervisor")
def scope_failure_in_nested_scope_of_supervisor(tr):
    def main():
        def inner():
            launch(fail, "deep")
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(chain(e))
                raise

        def block():
            j = launch(coroutine_scope, inner, context=tr.ceh())
            yield from j.join()
            tr.t(f"{st(j)} {is_active()}")

        yield from supervisor_scope(block)

    run_blocking(main)


@scenario("scope.job_states_inside")
def scope_job_states_inside(tr):
    def main():
        root = current_context()[Job]

        def block():
            me = current_context()[Job]
            tr.t(st(me))
            tr.t(me.parent is root)

            def child():
                tr.t(f"child of scope {current_context()[Job].parent is me} {sn(me)}")

            launch(child)

        yield from coroutine_scope(block)

    run_blocking(main)


@scenario("scope.value_then_child_cancelled_scope")
def scope_value_then_child_cancelled_scope(tr):
    with with_main() as m:

        def child():
            try:
                yield from delay(100)
            finally:
                tr.t(f"child {m.now}")

        def block():
            launch(child)
            return "v"

        def body():
            yield from tr.try_t("cs", coroutine_scope, block)
            tr.t(is_active())

        j = CoroutineScope(m.main).launch(body)
        m.advance(10)
        j.cancel("c")
        m.drain()
        tr.t(st(j))


@scenario("scope.two_children_fail")
def scope_two_children_fail(tr):
    def main():
        def block():
            launch(fail, "1")
            launch(fail, "2", start=CoroutineStart.ATOMIC)

        try:
            yield from coroutine_scope(block)
        except Boom as e:
            tr.t(chain(e))

    run_blocking(main)


@scenario("scope.nested_supervisor_uncaught")
def scope_nested_supervisor_uncaught(tr):
    def main():
        def block():
            launch(fail, "u")

        def body():
            yield from supervisor_scope(block)
            tr.t("after")

        j = CoroutineScope(SupervisorJob() + current_context().minus_key(Job)).launch(body)
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("scope.async_never_awaited")
def scope_async_never_awaited(tr):
    def main():
        def block(message):
            async_(fail, message)
            yield from delay(ms(10))
            return "v"

        yield from tr.try_t("cs", coroutine_scope, block, "a")
        yield from tr.try_t("ss", supervisor_scope, block, "b")

    run_blocking(main)


@scenario("scope.same_instance_fails_twice")
def scope_same_instance_fails_twice(tr):
    def main():
        b = Boom()

        def child():
            try:
                yield from await_cancellation()
            finally:
                raise b

        def block():
            launch(child)
            yield from yield_()
            raise b

        try:
            yield from coroutine_scope(block)
        except Boom as e:
            tr.t(chain(e))

    run_blocking(main)


@scenario("scope.ce_with_cause_from_child")
def scope_ce_with_cause_from_child(tr):
    def main():
        def child():
            raise CancellationException("c", Boom("inner"))

        def block():
            j = launch(child)
            yield from j.join()
            tr.t(chain(j.get_cancellation_exception()))
            return "v"

        yield from tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.body_throws_ce")
def scope_body_throws_ce(tr):
    def main():
        def child():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(f"child {chain(e)}")
                raise

        def block():
            launch(child)
            yield from yield_()
            raise CancellationException("body")

        yield from tr.try_t("cs", coroutine_scope, block)
        tr.t(is_active())

    run_blocking(main)


@scenario("scope.nested_failures_suppress")
def scope_nested_failures_suppress(tr):
    def main():
        def deep():
            try:
                yield from await_cancellation()
            finally:
                raise Boom("deep")

        def inner():
            launch(deep)
            yield from await_cancellation()

        def child():
            try:
                yield from coroutine_scope(inner)
            finally:
                tr.t("mid")

        def block():
            launch(child)
            yield from yield_()
            yield from yield_()
            raise Boom("top")

        try:
            yield from coroutine_scope(block)
        except Boom as e:
            tr.t(chain(e))

    run_blocking(main)


@scenario("scope.supervisor_in_coroutine_scope")
def scope_supervisor_in_coroutine_scope(tr):
    def main():
        def supervised():
            launch(fail, "1", context=tr.ceh("in"))
            yield from yield_()

        def block():
            yield from supervisor_scope(supervised)
            launch(lambda: tr.t("second"))
            return "v"

        yield from tr.try_t("cs", coroutine_scope, block)

    run_blocking(main)


@scenario("scope.failing_child_while_body_in_noncancellable")
def scope_failing_child_while_body_in_noncancellable(tr):
    with with_main() as m:

        def child():
            yield from delay(5)
            raise Boom

        def block():
            launch(child)
            yield from with_context(NonCancellable, delay, 20)
            tr.t(f"nc at {m.now} {is_active()}")
            yield from yield_()
            tr.t("never")

        def body():
            yield from tr.try_t("cs", coroutine_scope, block)
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)
