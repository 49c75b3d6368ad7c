"""with_timeout and with_timeout_or_none: whose timeout it is, and what an overrun block is worth.

A timeout leaves its block as TimeoutError (deviation 2); the bridges make it the cancellation again that it is in the
reference. Inside the block it is one here, too.
"""

from __future__ import annotations

import time

from vmscope._errors import TimeoutCancellationException

from ..harness import *


@scenario("timeout.throws")
def throws(tr):
    def main():
        try:
            yield from b_with_timeout(ms(20), await_cancellation)
        except TimeoutCancellationException as e:
            tr.t(f"{d(e)} isCE {isinstance(e, CancellationException)}")
        tr.t(is_active())

    run_blocking(main)


@scenario("timeout.or_null")
def or_null(tr):
    def main():
        tr.t((yield from with_timeout_or_none(ms(20), await_cancellation)))

    run_blocking(main)


@scenario("timeout.zero_and_negative")
def zero_and_negative(tr):
    def main():
        def never():
            tr.t("never")

        yield from tr.try_t("0", b_with_timeout, 0, never)
        yield from tr.try_t("-1", b_with_timeout, ms(-1), never)
        yield from tr.try_t("null 0", with_timeout_or_none, 0, never)
        yield from tr.try_t("null -5", with_timeout_or_none, ms(-5), never)

    run_blocking(main)


@scenario("timeout.blocking_block_overruns_and_returns")
def blocking_block_overruns_and_returns(tr):
    def main():
        def block():
            time.sleep(ms(60))  # the scenario's own: the block overruns by blocking the thread
            return "value"

        yield from tr.try_t("withTimeout", with_timeout, ms(20), block)
        yield from tr.try_t("orNull", with_timeout_or_none, ms(20), block)

    run_blocking(main)


@scenario("timeout.nested_inner_first")
def nested_inner_first(tr):
    with with_main() as m:

        def outer():
            i = yield from with_timeout_or_none(20, await_cancellation)
            tr.t(f"inner {i} at {m.now}")
            return "outer"

        def body():
            r = yield from with_timeout_or_none(100, outer)
            tr.t(r)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.nested_outer_first")
def nested_outer_first(tr):
    with with_main() as m:

        async def outer():
            i = await with_timeout_or_none(100, await_cancellation)
            tr.t(f"inner returned {i}")
            return "outer value"

        async def body():
            r = await with_timeout_or_none(20, outer)
            tr.t(f"outer {r} at {m.now}")

        CoroutineScope(m.main).launch(body)


@scenario("timeout.inner_throwing_inside_outer_ornull")
def inner_throwing_inside_outer_ornull(tr):
    with with_main() as m:

        def body():
            yield from tr.try_t("outer", b_with_timeout_or_none, 100, b_with_timeout, 20, await_cancellation)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.in_launch_cancels_quietly")
def in_launch_cancels_quietly(tr):
    with with_main() as m:
        s = CoroutineScope(m.main + Job() + tr.ceh())

        def sibling():
            yield from delay(50)
            tr.t("sibling alive")

        j = s.launch(b_with_timeout, 20, await_cancellation)
        s.launch(sibling)
        m.drain()
        tr.t(st(j))
        tr.t(s.is_active)
        tr.t(d(j.get_cancellation_exception()))


@scenario("timeout.in_async")
def in_async(tr):
    with with_main() as m:

        def body():
            a = async_(b_with_timeout, 20, await_cancellation)
            yield from tr.try_t("await", b_await, a)
            tr.t(is_active())

        CoroutineScope(m.main).launch(body)


@scenario("timeout.in_runblocking_root")
def in_runblocking_root(tr):
    tr.try_now("rb", run_blocking, b_with_timeout, ms(20), await_cancellation)


@scenario("timeout.in_coroutinescope_body")
def in_coroutinescope_body(tr):
    with with_main() as m:

        def child():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(f"child {chain(e)}")
                raise

        def block():
            launch(child)
            yield from b_with_timeout(20, await_cancellation)

        def body():
            yield from tr.try_t("cs", coroutine_scope, block)
            tr.t(is_active())

        CoroutineScope(m.main).launch(body)


@scenario("timeout.noncancellable_inside")
def noncancellable_inside(tr):
    with with_main() as m:

        def inner():
            yield from delay(50)
            tr.t("nc end")

        def block():
            yield from with_context(NonCancellable, inner)
            return "value"

        def body():
            yield from tr.try_t("to", b_with_timeout, 20, block)
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.noncancellable_outside")
def noncancellable_outside(tr):
    with with_main() as m:

        async def inner():
            await tr.try_t("to", b_with_timeout, 20, await_cancellation)

        async def body():
            await with_context(NonCancellable, inner)
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.caller_cancelled_inside")
def caller_cancelled_inside(tr):
    with with_main() as m:

        def body():
            yield from tr.try_t("orNull", with_timeout_or_none, 100, await_cancellation)

        j = CoroutineScope(m.main).launch(body)
        m.run_current()
        j.cancel("c")
        m.drain()
        tr.t(f"clock {m.now}")


@scenario("timeout.exception_in_block")
def exception_in_block(tr):
    with with_main() as m:

        def block():
            yield from delay(10)
            raise Boom

        def body():
            yield from tr.try_t("to", with_timeout, 1000, block)

        CoroutineScope(m.main).launch(body)
        m.drain()
        tr.t(f"clock {m.now} pending {m.pending}")


@scenario("timeout.manual_timeout_exception_catch")
def manual_timeout_exception_catch(tr):
    with with_main() as m:

        def block():
            try:
                yield from await_cancellation()
            except TimeoutCancellationException:
                tr.t("inside")
                yield from tr.try_t("yield after", yield_)
                raise

        def body():
            try:
                yield from b_with_timeout(20, block)
            except TimeoutCancellationException as e:
                tr.t(f"outside {d(e)}")
            tr.t(f"continues {is_active()}")

        CoroutineScope(m.main).launch(body)


@scenario("timeout.delay_just_before")
def delay_just_before(tr):
    with with_main() as m:

        async def block():
            await delay(20)
            return "value"

        async def body():
            await tr.try_t("to", with_timeout, 21, block)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.in_cancelled_caller")
def in_cancelled_caller(tr):
    def main():
        def block():
            tr.t(f"block {is_active()}")
            yield from yield_()
            tr.t("never")

        def body():
            current_job().cancel("c")
            yield from tr.try_t("to", with_timeout, ms(50), block)
            yield from tr.try_t("zero", b_with_timeout, 0, lambda: None)

        yield from launch(body).join()

    run_blocking(main)


@scenario("timeout.exception_is_thrown_into_body_by_child_await")
def exception_is_thrown_into_body_by_child_await(tr):
    with with_main() as m:

        def block():
            a = async_(b_with_timeout, 20, await_cancellation)
            yield from b_await(a)

        def body():
            yield from tr.try_t("orNull", b_with_timeout_or_none, 100, block)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.resource_lost_at_deadline")
def resource_lost_at_deadline(tr):
    with with_main() as m:

        def block():
            yield from with_context(NonCancellable, delay, 30)
            tr.t("resource made")
            return "resource"

        def body():
            r = yield from with_timeout_or_none(20, block)
            tr.t(f"got {r}")

        CoroutineScope(m.main).launch(body)


@scenario("timeout.message_values")
def message_values(tr):
    def main():
        yield from tr.try_t("7", b_with_timeout, ms(7), await_cancellation)
        yield from tr.try_t("12ms", b_with_timeout, ms(12), await_cancellation)

    run_blocking(main)


@scenario("timeout.repeated_in_loop")
def repeated_in_loop(tr):
    with with_main() as m:

        def body():
            for i in range(3):
                nothing = yield from with_timeout_or_none(10, await_cancellation)
                tr.t(f"{i} {nothing} at {m.now}")

        CoroutineScope(m.main).launch(body)


# -- asked of the reference by us


def cleans_slowly(tr, m):
    """`try { awaitCancellation() } finally { withContext(NonCancellable) { delay(50) }; t("cleaned ${m.now}") }`."""
    try:
        yield from await_cancellation()
    finally:
        yield from with_context(NonCancellable, delay, 50)
        tr.t(f"cleaned {m.now}")


@scenario("timeout.children_count")
def timeout_children_count(tr):
    with with_main() as m:

        def child():
            try:
                yield from delay(50)
                tr.t("no")
            finally:
                tr.t(f"child finally at {m.now}")

        def block():
            launch(child)
            return "body"

        def body():
            yield from tr.try_t("to", b_with_timeout, 20, block)
            tr.t(f"at {m.now}")

        CoroutineScope(m.main).launch(body)


@scenario("timeout.child_fails")
def timeout_child_fails(tr):
    with with_main() as m:

        def child():
            yield from delay(10)
            raise Boom

        def block():
            launch(child)
            yield from await_cancellation()

        def body():
            yield from tr.try_t("to", with_timeout_or_none, 20, block)
            tr.t(f"at {m.now} {is_active()}")

        CoroutineScope(m.main).launch(body)


@scenario("timeout.child_cleanup_throws")
def timeout_child_cleanup_throws(tr):
    with with_main() as m:

        def child():
            try:
                yield from await_cancellation()
            finally:
                raise Boom("cleanup")

        def block():
            launch(child)
            yield from await_cancellation()

        def body():
            yield from tr.try_t("to", with_timeout_or_none, 20, block)
            tr.t(f"at {m.now} {is_active()}")

        CoroutineScope(m.main).launch(body)


@scenario("timeout.null_value")
def timeout_null_value(tr):
    with with_main() as m:

        def body():
            tr.t((yield from with_timeout_or_none(20, lambda: None)))
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.own_ce")
def timeout_own_ce(tr):
    with with_main() as m:

        def own():
            yield from delay(1)
            raise CancellationException("own")

        def itself():
            current_context()[Job].cancel(CancellationException("self"))
            yield from yield_()
            return 1

        def body():
            yield from tr.try_t("to", with_timeout_or_none, 20, own)
            tr.t(is_active())
            yield from tr.try_t("self", with_timeout_or_none, 20, itself)
            tr.t(is_active())
            m.post(lambda: tr.t(f"p {m.pending}"))

        CoroutineScope(m.main).launch(body)


@scenario("timeout.infinite")
def timeout_infinite(tr):
    with with_main() as m:

        def block():
            yield from delay(7)
            return "v"

        def body():
            tr.t((yield from with_timeout(float("inf"), block)))
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.equal_siblings")
def timeout_equal_siblings(tr):
    with with_main() as m:

        def late():
            yield from delay(20)
            return 1

        def a():
            tr.t(f"a {(yield from with_timeout_or_none(20, await_cancellation))} {m.now}")

        def b():
            yield from delay(20)
            tr.t(f"b {m.now}")

        def c():
            tr.t(f"c {(yield from with_timeout_or_none(20, late))}")

        def body():
            launch(a)
            launch(b)
            launch(c)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.in_child_joined")
def timeout_in_child_joined(tr):
    with with_main() as m:

        def body():
            j = launch(b_with_timeout, 10, await_cancellation)
            yield from j.join()
            tr.t(f"{st(j)} {is_active()} {chain(j.get_cancellation_exception())}")

        CoroutineScope(m.main + tr.ceh()).launch(body)


@scenario("timeout.swallow_returns_value")
def timeout_swallow_returns_value(tr):
    with with_main() as m:

        def one():
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(d(e))
            return "v"

        def two():
            try:
                yield from await_cancellation()
            except CancellationException:
                pass
            return "v"

        def body():
            yield from tr.try_t("to", b_with_timeout, 10, one)
            yield from tr.try_t("n", with_timeout_or_none, 10, two)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.caller_cancelled_then_timer")
def timeout_caller_cancelled_then_timer(tr):
    with with_main() as m:
        j = CoroutineScope(m.main).launch(tr.try_t, "to", with_timeout_or_none, 20, cleans_slowly, tr, m)
        m.advance(10)
        j.cancel("c")
        m.drain()
        tr.t(f"{st(j)} {m.now}")


@scenario("timeout.timer_then_caller_cancelled")
def timeout_timer_then_caller_cancelled(tr):
    with with_main() as m:

        def body():
            yield from tr.try_t("to", with_timeout_or_none, 20, cleans_slowly, tr, m)
            tr.t(is_active())

        j = CoroutineScope(m.main).launch(body)
        m.advance(30)
        j.cancel("c")
        m.drain()
        tr.t(f"{st(j)} {m.now}")


@scenario("timeout.withcontext_inside_on_other")
def timeout_withcontext_inside_on_other(tr):
    with with_main() as m:
        other = ManualDispatcher()

        def body():
            tr.t((yield from with_timeout_or_none(20, with_context, other, await_cancellation)))
            tr.t(m.now)

        j = CoroutineScope(m.main).launch(body)
        m.run_current()
        other.run_all()
        m.drain()
        tr.t(f"pending on other {len(other.q)}")
        other.run_all()
        m.drain()
        tr.t(st(j))


@scenario("timeout.inside_withcontext_other_unqueued")
def timeout_inside_withcontext_other_unqueued(tr):
    with with_main() as m:
        other = ManualDispatcher()

        def body():
            tr.t((yield from with_timeout_or_none(20, with_context, other, lambda: tr.t("never"))))
            tr.t(m.now)

        j = CoroutineScope(m.main).launch(body)
        m.drain()
        tr.t(st(j))
        other.run_all()
        m.drain()
        tr.t(st(j))


@scenario("timeout.cause_in_block_chain")
def timeout_cause_in_block_chain(tr):
    with with_main() as m:

        def told(who):
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(f"{who} {chain(e)}")
                raise

        def block():
            launch(told, "child")
            yield from told("body")

        def body():
            try:
                yield from b_with_timeout(5, block)
            except CancellationException as e:
                tr.t(f"out {chain(e)}")

        CoroutineScope(m.main).launch(body)


@scenario("timeout.zero_in_block_runs_nothing_children")
def timeout_zero(tr):
    with with_main() as m:

        def block():
            launch(lambda: tr.t("never"))

        def body():
            j = launch(lambda: tr.t("sibling"))
            yield from tr.try_t("z", b_with_timeout, 0, block)
            tr.t("no yield")
            yield from j.join()

        CoroutineScope(m.main).launch(body)


@scenario("timeout.nested_three")
def timeout_nested_three(tr):
    with with_main() as m:

        def two():
            tr.t((yield from with_timeout_or_none(10, await_cancellation)))
            yield from await_cancellation()

        def one():
            tr.t((yield from with_timeout_or_none(20, two)))
            yield from await_cancellation()

        def body():
            tr.t((yield from with_timeout_or_none(30, one)))
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.outer_over_nc_inner")
def timeout_outer_over_nc_inner(tr):
    with with_main() as m:

        def inner():
            tr.t((yield from with_timeout_or_none(30, await_cancellation)))
            tr.t(m.now)

        def block():
            yield from with_context(NonCancellable, inner)
            return "v"

        def body():
            r = yield from with_timeout_or_none(10, block)
            tr.t(f"{r} {m.now}")

        CoroutineScope(m.main).launch(body)


@scenario("timeout.block_throws_after_timeout")
def timeout_block_throws_after_timeout(tr):
    with with_main() as m:

        def after():
            try:
                yield from await_cancellation()
            except CancellationException:
                raise Boom("after")

        def fin():
            try:
                yield from await_cancellation()
            finally:
                raise Boom("fin")

        def body():
            yield from tr.try_t("n", with_timeout_or_none, 10, after)
            yield from tr.try_t("t", with_timeout, 10, fin)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.child_launch_continues_after_ornull")
def timeout_child_launch_continues_after_ornull(tr):
    with with_main() as m:

        def sibling():
            yield from delay(30)
            tr.t(f"sibling {m.now}")

        def body():
            s = current_scope()

            def block():
                s.launch(sibling)
                yield from await_cancellation()

            tr.t((yield from with_timeout_or_none(10, block)))
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.await_outer_deferred")
def timeout_await_outer_deferred(tr):
    with with_main() as m:

        def seven():
            yield from delay(50)
            return 7

        def body():
            a = async_(seven)
            tr.t((yield from with_timeout_or_none(10, a.await_)))
            tr.t((yield from a.await_()))
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.real_blocking_on_default")
def timeout_real_blocking_on_default(tr):
    def main():
        def block():
            job, over = current_job(), threading.Event()
            job.invoke_on_completion(lambda cause: over.set(), on_cancelling=True)
            over.wait(5)
            tr.t(f"slept {is_active()}")
            return "v"

        yield from tr.try_t("to", b_with_timeout, ms(20), with_context, Dispatchers.Default, block)

    run_blocking(main)


@scenario("timeout.unconfined")
def timeout_unconfined(tr):
    def main():
        def body():
            tr.t((yield from with_timeout_or_none(ms(10), await_cancellation)))
            tr.t(is_active())

        yield from launch(body, context=Dispatchers.Unconfined).join()

    run_blocking(main)


@scenario("timeout.coroutine_scope_cancel_inside")
def timeout_coroutine_scope_cancel_inside(tr):
    with with_main() as m:

        def inner():
            cancel("inner")
            yield from yield_()
            return 1

        def itself():
            cancel("block")
            return 1

        def body():
            yield from tr.try_t("n", with_timeout_or_none, 10, coroutine_scope, inner)
            yield from tr.try_t("self", with_timeout_or_none, 10, itself)
            tr.t(is_active())

        CoroutineScope(m.main).launch(body)


@scenario("timeout.lost_value_when_child_outlives")
def timeout_lost_value_when_child_outlives(tr):
    with with_main() as m:

        def block():
            launch(with_context, NonCancellable, delay, 20)
            return "v"

        def body():
            yield from tr.try_t("n", with_timeout_or_none, 10, block)
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("timeout.equal_to_other_message_order")
def timeout_equal_to_other_message_order(tr):
    with with_main() as m:
        m.post_delayed(10, lambda: tr.t("msg1"))

        def body():
            tr.t((yield from with_timeout_or_none(10, await_cancellation)))

        CoroutineScope(m.immediate).launch(body)
        m.post_delayed(10, lambda: tr.t("msg2"))


@scenario("timeout.caller_cancelled_same_instant")
def timeout_caller_cancelled_same_instant(tr):
    with with_main() as m:

        def body():
            yield from tr.try_t("n", with_timeout_or_none, 10, await_cancellation)
            tr.t(is_active())

        def cancel_it():
            j.cancel("c")
            tr.t("cancelled")

        j = CoroutineScope(m.immediate).launch(body)
        m.post_delayed(10, cancel_it)


@scenario("timeout.caller_cancelled_first_same_instant")
def timeout_caller_cancelled_first_same_instant(tr):
    with with_main() as m:

        def body():
            yield from tr.try_t("n", with_timeout_or_none, 10, await_cancellation)
            tr.t(is_active())

        def cancel_it():
            j.cancel("c")
            tr.t("cancelled")

        m.post_delayed(10, cancel_it)
        j = CoroutineScope(m.immediate).launch(body)
