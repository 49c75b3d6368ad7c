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
