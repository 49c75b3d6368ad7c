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
