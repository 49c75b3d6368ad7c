"""with_context: where its block runs, what it costs, what becomes of its value when the caller was cancelled."""

from __future__ import annotations

import time

from ..harness import *


def nothing():
    """An empty block."""


@scenario("withcontext.result")
def result(tr):
    def main():
        tr.t((yield from with_context(CoroutineName("x"), lambda: 5)))
        tr.t((yield from with_context(Dispatchers.Default, lambda: 6)))

    run_blocking(main)


@scenario("withcontext.exception")
def exception(tr):
    def main():
        def fail(message):
            raise Boom(message)

        yield from tr.try_t("same", with_context, CoroutineName("x"), fail, "1")
        yield from tr.try_t("other", with_context, Dispatchers.Default, fail, "2")
        tr.t(is_active())

    run_blocking(main)


@scenario("withcontext.main_to_immediate")
def main_to_immediate(tr):
    with with_main() as m:

        def body():
            m.post(lambda: tr.t("posted"))
            yield from with_context(m.immediate, lambda: tr.t("in"))
            tr.t("after")

        CoroutineScope(m.main).launch(body)


@scenario("withcontext.main_to_immediate_suspending")
def main_to_immediate_suspending(tr):
    with with_main() as m:

        async def block():
            tr.t("in")
            await yield_()
            m.post(lambda: tr.t("posted before return"))
            tr.t("in end")

        async def body():
            await with_context(m.immediate, block)
            tr.t("after")

        CoroutineScope(m.main).launch(body)


@scenario("withcontext.dispatch_count")
def dispatch_count(tr):
    with with_main() as m:

        def n(label, block, *args):
            before = m.dispatches
            yield from block(*args)
            tr.t(f"{label} {m.dispatches - before}")

        def launches():
            launch(nothing)

        def body():
            yield from n("name", with_context, CoroutineName("x"), nothing)
            yield from n("Main", with_context, m.main, nothing)
            yield from n("Main suspending", with_context, m.main, yield_)
            yield from n("immediate", with_context, m.immediate, nothing)
            yield from n("immediate suspending (yield)", with_context, m.immediate, yield_)
            yield from n("NonCancellable", with_context, NonCancellable, nothing)
            yield from n("Unconfined", with_context, Dispatchers.Unconfined, nothing)
            yield from n("coroutineScope", coroutine_scope, nothing)
            yield from n("coroutineScope+launch", coroutine_scope, launches)
            yield from n("withTimeout", with_timeout, 100, nothing)

        CoroutineScope(m.main).launch(body)


@scenario("withcontext.default_and_back")
def default_and_back(tr):
    m = install_main()

    def block():
        time.sleep(ms(20))  # the scenario's own: the caller has suspended by the time the block ends
        tr.t(f"default on main {threading.current_thread() is m.thread}")

    def body():
        tr.t(f"main {threading.current_thread() is m.thread}")
        yield from with_context(Dispatchers.Default, block)
        tr.t(f"back {threading.current_thread() is m.thread}")

    j = CoroutineScope(m.main).launch(body)
    m.run_until(lambda: j.is_completed)
    tr.t(m.dispatches)


@scenario("withcontext.fast_block_returns_without_suspending")
def fast_block_returns_without_suspending(tr):
    class Eager(CoroutineDispatcher):
        def dispatch(self, context, block):
            thread0(block.run)

    with with_main() as m:
        eager = Eager()

        def body():
            m.post(lambda: tr.t("posted"))
            n = m.dispatches
            tr.t((yield from with_context(eager, lambda: f"other thread {threading.current_thread() is not m.thread}")))
            tr.t(f"main {threading.current_thread() is m.thread} dispatches {m.dispatches - n}")

        CoroutineScope(m.main).launch(body)


@scenario("withcontext.child_failure")
def child_failure(tr):
    def main():
        def fail():
            raise Boom

        def block():
            launch(fail)
            try:
                yield from await_cancellation()
            except CancellationException as e:
                tr.t(f"block {chain(e)}")
                raise

        yield from tr.try_t("wc", with_context, CoroutineName("x"), block)
        tr.t(is_active())

    run_blocking(main)


@scenario("withcontext.caller_cancelled_inside")
def caller_cancelled_inside(tr):
    def main():
        def block():
            try:
                yield from await_cancellation()
            finally:
                tr.t(f"block finally {is_active()}")

        def body():
            try:
                yield from with_context(CoroutineName("x"), block)
            except CancellationException as e:
                tr.t(f"caller {d(e)}")
                raise

        j = launch(body)
        yield from yield_()
        j.cancel("c")
        yield from j.join()

    run_blocking(main)


@scenario("withcontext.result_lost_on_dispatch_back")
def result_lost_on_dispatch_back(tr):
    with with_main() as m:
        other = VMain()

        def block():
            tr.t("computed")
            return "value"

        def body():
            yield from tr.try_t("wc", with_context, other.main, block)

        j = CoroutineScope(m.main).launch(body)
        m.run_current()
        other.run_current()
        tr.t(f"pending back {m.pending}")
        j.cancel("c")
        m.drain()
        tr.t(st(j))


@scenario("withcontext.noncancellable_value_kept_when_caller_cancelled")
def noncancellable_value_kept_when_caller_cancelled(tr):
    def main():
        def block():
            yield from yield_()
            return "value"

        def body():
            yield from tr.try_t("nc", with_context, NonCancellable, block)
            tr.t(f"active {is_active()}")

        j = launch(body)
        yield from yield_()
        j.cancel()
        yield from j.join()

    run_blocking(main)


@scenario("withcontext.noncancellable_with_children_value_lost")
def noncancellable_with_children_value_lost(tr):
    async def main():
        async def child():
            await yield_()
            await yield_()
            tr.t("child end")

        def block():
            launch(child)
            return "value"

        async def body():
            await tr.try_t("nc", with_context, NonCancellable, block)

        j = launch(body)
        await yield_()
        j.cancel("c")
        await j.join()

    run_blocking(main)


@scenario("withcontext.noncancellable_scope_inside")
def noncancellable_scope_inside(tr):
    def main():
        def child():
            yield from yield_()
            yield from yield_()
            tr.t("child end")

        def block():
            launch(child)
            return "value"

        def body():
            yield from tr.try_t("nc", with_context, NonCancellable, coroutine_scope, block)

        j = launch(body)
        yield from yield_()
        j.cancel("c")
        yield from j.join()

    run_blocking(main)


@scenario("withcontext.new_job_cancelled_caller_active")
def new_job_cancelled_caller_active(tr):
    def main():
        own = Job()

        def body():
            yield from tr.try_t("wc", with_context, own, await_cancellation)
            tr.t(f"caller {is_active()}")

        launch(body)
        yield from yield_()
        own.cancel("own")

    run_blocking(main)


@scenario("withcontext.block_failure_does_not_cancel_given_job")
def block_failure_does_not_cancel_given_job(tr):
    def main():
        own = Job()

        def fail():
            raise Boom

        yield from tr.try_t("wc", with_context, own, fail)
        tr.t(st(own))

    run_blocking(main)


@scenario("withcontext.immediate_10000_switching")
def immediate_10000_switching(tr):
    with with_main() as m:

        def body():
            n = 0

            def block():
                nonlocal n
                yield from yield_()
                n += 1

            for _ in range(10_000):
                yield from with_context(m.immediate, block)
            tr.t(n)

        CoroutineScope(m.main).launch(body)


@scenario("withcontext.ce_thrown_in_block")
def ce_thrown_in_block(tr):
    def main():
        def block():
            raise CancellationException("mine")

        yield from tr.try_t("wc", with_context, CoroutineName("x"), block)
        tr.t(is_active())

    run_blocking(main)


@scenario("withcontext.supervisor_inside")
def supervisor_inside(tr):
    async def main():
        def fail():
            raise Boom

        async def block():
            a = async_(fail)
            try:
                await a.await_()
            except Boom:
                tr.t("caught")
            return "value"

        await tr.try_t("wc", with_context, CoroutineName("x"), block)

    run_blocking(main)


@scenario("withcontext.unconfined_block")
def unconfined_block(tr):
    with with_main() as m:

        def body():
            m.post(lambda: tr.t("posted"))
            yield from with_context(Dispatchers.Unconfined, lambda: tr.t("in"))
            tr.t("after")

        CoroutineScope(m.main).launch(body)


@scenario("withcontext.noncooperative_block_holds_caller")
def noncooperative_block_holds_caller(tr):
    with with_main() as m:

        def block():
            yield from with_context(NonCancellable, delay, 50)
            tr.t(f"block end at {m.now}")

        def body():
            try:
                yield from with_context(CoroutineName("x"), block)
            except CancellationException:
                tr.t(f"caller at {m.now}")
                raise

        j = CoroutineScope(m.main).launch(body)
        m.advance(10)
        j.cancel()
        tr.t(f"cancelled at {m.now}")
        m.drain()
        tr.t(st(j))


@scenario("withcontext.cancel_before_block_dispatched")
def cancel_before_block_dispatched(tr):
    with with_main() as m:
        other = ManualDispatcher()

        def body():
            yield from tr.try_t("wc", with_context, other, lambda: tr.t("never"))

        j = CoroutineScope(m.main).launch(body)
        m.run_current()
        j.cancel("c")
        m.run_current()
        tr.t(f"still waiting {st(j)}")
        other.run_all()
        tr.t(f"processed, pending {m.pending}")
        m.drain()
        tr.t(st(j))


@scenario("withcontext.exception_on_dispatch_back_of_cancelled_caller")
def exception_on_dispatch_back_of_cancelled_caller(tr):
    with with_main() as m:
        other = ManualDispatcher()

        def fail():
            raise Boom("kept")

        def body():
            yield from tr.try_t("wc", with_context, other, fail)

        j = CoroutineScope(m.main + tr.ceh()).launch(body)
        m.run_current()
        other.run_all()
        j.cancel("c")
        m.drain()
        tr.t(st(j))


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


@scenario("withcontext.in_cancelled_caller")
def withcontext_in_cancelled_caller(tr):
    def main():
        def never():
            tr.t("never")

        def runs():
            tr.t(f"nc runs {is_active()}")
            yield from yield_()
            return 3

        def body():
            current_job().cancel("c")
            yield from tr.try_t("name", with_context, CoroutineName("x"), never)
            yield from tr.try_t("nc", with_context, NonCancellable, runs)
            yield from tr.try_t("def", with_context, Dispatchers.Default, never)

        yield from launch(body).join()

    run_blocking(main)


@scenario("withcontext.cancelled_job_given")
def withcontext_cancelled_job_given(tr):
    def main():
        own = Job()
        own.cancel("own")

        def never():
            tr.t("never")

        def body():
            yield from tr.try_t("wc", with_context, own, never)
            yield from tr.try_t("wc2", with_context, own + Dispatchers.Default, never)
            tr.t(is_active())

        yield from launch(body).join()

    run_blocking(main)


@scenario("withcontext.completed_job_given")
def withcontext_completed_job_given(tr):
    def main():
        own = Job()
        own.complete()

        def body():
            yield from tr.try_t("wc", with_context, own, lambda: tr.t("never"))
            tr.t(is_active())

        yield from launch(body).join()

    run_blocking(main)


@scenario("withcontext.handler_not_called")
def withcontext_handler_not_called(tr):
    def main():
        def block():
            launch(fail)
            yield from delay(1)

        yield from tr.try_t("wc", with_context, tr.ceh(), block)

    run_blocking(main)


@scenario("withcontext.supervisorjob_child_fails")
def withcontext_supervisorjob_child_fails(tr):
    def main():
        def block():
            launch(fail)
            yield from yield_()
            tr.t(f"after {is_active()}")
            return 1

        yield from tr.try_t("wc", with_context, SupervisorJob(), block)
        tr.t(is_active())

    run_blocking(main)


@scenario("withcontext.nc_other_dispatcher_value")
def withcontext_nc_other_dispatcher_value(tr):
    with with_main() as m:
        other = ManualDispatcher()

        def block():
            tr.t(f"in {is_active()}")
            return "v"

        def body():
            yield from tr.try_t("wc", with_context, NonCancellable + other, block)
            tr.t(f"end {is_active()}")

        j = CoroutineScope(m.main).launch(body)
        m.run_current()
        j.cancel("c")
        m.run_current()
        other.run_all()
        m.drain()
        tr.t(st(j))


@scenario("withcontext.immediate_from_immediate")
def withcontext_immediate_from_immediate(tr):
    with with_main() as m:

        def body():
            n = m.dispatches
            yield from with_context(m.immediate, yield_)
            tr.t(m.dispatches - n)
            yield from with_context(m.main, lambda: tr.t("main"))
            tr.t(m.dispatches - n)
            m.post(lambda: tr.t("posted"))
            yield from with_context(m.main, delay, 5)
            tr.t(f"{m.dispatches - n} at {m.now}")

        CoroutineScope(m.immediate).launch(body)


@scenario("withcontext.exception_identity")
def withcontext_exception_identity(tr):
    def main():
        b = Boom()

        def block():
            raise b

        try:
            yield from with_context(Dispatchers.Default, block)
        except Boom as e:
            tr.t(e is b)
        try:
            yield from with_context(CoroutineName("n"), block)
        except Boom as e:
            tr.t(e is b)

    run_blocking(main)


@scenario("withcontext.child_outlives_block")
def withcontext_child_outlives_block(tr):
    with with_main() as m:

        def child():
            yield from delay(10)
            tr.t(f"child at {m.now}")

        def block():
            launch(child)
            tr.t("body end")
            return "v"

        def body():
            tr.t((yield from with_context(CoroutineName("x"), block)))
            tr.t(f"at {m.now}")

        CoroutineScope(m.main).launch(body)


@scenario("withcontext.other_child_outlives_then_cancel")
def withcontext_other_child_outlives_then_cancel(tr):
    with with_main() as m:
        other = ManualDispatcher()

        def block():
            launch(waits, tr, "child finally")
            tr.t("body end")
            return "v"

        j = CoroutineScope(m.main).launch(tr.try_t, "wc", with_context, other, block)
        m.run_current()
        other.run_all()
        j.cancel("c")
        tr.t(st(j))
        other.run_all()
        m.drain()
        tr.t(st(j))


@scenario("withcontext.cancel_inside_block")
def withcontext_cancel_inside_block(tr):
    def main():
        def one():
            current_context()[Job].cancel(CancellationException("in"))
            tr.t(f"a {is_active()}")
            return 5

        def two():
            cancel("in2")
            return 5

        yield from tr.try_t("wc", with_context, CoroutineName("x"), one)
        tr.t(f"caller {is_active()}")
        yield from tr.try_t("wc2", with_context, Dispatchers.Default, two)
        tr.t(f"caller {is_active()}")

    run_blocking(main)


@scenario("withcontext.name_inherited")
def withcontext_name_inherited(tr):
    def main():
        def name():
            tr.t(current_context()[CoroutineName])

        def block():
            launch(name)
            yield from coroutine_scope(name)

        yield from with_context(CoroutineName("x"), block)
        name()

    run_blocking(main)


@scenario("withcontext.nc_child_fails")
def withcontext_nc_child_fails(tr):
    def main():
        def block():
            launch(fail)
            try:
                yield from delay(1)
            except CancellationException as e:
                tr.t(chain(e))
                raise

        yield from tr.try_t("nc", with_context, NonCancellable, block)
        tr.t(is_active())

    run_blocking(main)


@scenario("withcontext.nc_in_nc")
def withcontext_nc_in_nc(tr):
    def main():
        def inner():
            yield from yield_()
            tr.t(f"in {is_active()}")

        def outer():
            yield from with_context(NonCancellable, inner)
            yield from yield_()
            tr.t(f"out {is_active()}")

        def body():
            yield from with_context(NonCancellable, outer)
            yield from tr.try_t("y", yield_)

        j = launch(body)
        yield from yield_()
        j.cancel("c")
        yield from j.join()

    run_blocking(main)


@scenario("withcontext.job_and_name_inside")
def withcontext_job_and_name_inside(tr):
    def main():
        outer = current_job()

        def innermost():
            tr.t(current_context()[CoroutineName])
            tr.t(current_job().parent.parent is outer)

        def block():
            tr.t(current_job() is outer)
            tr.t(current_job().parent is outer)
            yield from with_context(Dispatchers.Default, innermost)

        yield from with_context(CoroutineName("a"), block)

    run_blocking(main)


@scenario("withcontext.default_blocking_cancelled")
def withcontext_default_blocking_cancelled(tr):
    def main():
        entered, go_on = threading.Event(), threading.Event()

        def block():
            entered.set()
            go_on.wait(5)
            tr.t(f"ended {is_active()}")
            return "v"

        j = launch(tr.try_t, "wc", with_context, Dispatchers.Default, block)
        yield from with_context(Dispatchers.IO, entered.wait, 5)
        j.cancel("c")
        tr.t("cancelled")
        go_on.set()
        yield from j.join()

    run_blocking(main)


@scenario("withcontext.default_two_children")
def withcontext_default_two_children(tr):
    def main():
        home = threading.current_thread()

        async def block():
            a = async_(lambda: 1)
            b = async_(lambda: 2)
            return await a.await_() + await b.await_()

        def away():
            tr.t(threading.current_thread() is home)

        tr.t((yield from with_context(Dispatchers.Default, block)))
        yield from with_context(Dispatchers.Default, with_context, Dispatchers.IO, away)
        tr.t(threading.current_thread() is home)

    run_blocking(main)


@scenario("withcontext.fails_in_both")
def withcontext_fails_in_both(tr):
    def main():
        def child():
            try:
                yield from await_cancellation()
            finally:
                raise Boom("child")

        def block():
            launch(child, start=CoroutineStart.UNDISPATCHED)
            raise Boom("body")

        try:
            yield from with_context(Dispatchers.Default, block)
        except Boom as e:
            tr.t(chain(e))

    run_blocking(main)


@scenario("withcontext.from_unconfined")
def withcontext_from_unconfined(tr):
    with with_main() as m:

        def body():
            tr.t("0")
            yield from with_context(m.main, lambda: tr.t("main"))
            tr.t("after")
            yield from with_context(m.immediate, lambda: tr.t("imm"))
            tr.t(f"end dispatches {m.dispatches}")

        CoroutineScope(Dispatchers.Unconfined).launch(body)
        tr.t("returned")


@scenario("withcontext.from_immediate_to_manual")
def withcontext_from_immediate_to_manual(tr):
    with with_main() as m:
        o = ManualDispatcher()

        def block():
            tr.t("in")
            return 1

        def body():
            tr.t((yield from with_context(o, block)))
            tr.t(f"after {m.dispatches}")

        j = CoroutineScope(m.immediate).launch(body)
        tr.t("launched")
        o.run_all()
        tr.t(f"ran {st(j)}")


@scenario("withcontext.manual_same_instance")
def withcontext_manual_same_instance(tr):
    def main():
        o = ManualDispatcher()

        def later():
            yield from yield_()
            tr.t("d")

        def body():
            tr.t("a")
            yield from with_context(o, lambda: tr.t("b"))
            tr.t("c")
            yield from with_context(o + CoroutineName("n"), later)
            tr.t("e")

        j = CoroutineScope(o).launch(body)
        tr.t(len(o.q))
        o.run_all()
        tr.t(st(j))

    run_blocking(main)


@scenario("withcontext.cancelled_inside_immediate")
def withcontext_cancelled_inside_immediate(tr):
    with with_main() as m:

        def block():
            current_job().parent.cancel("up")
            tr.t(f"in {is_active()}")
            return "v"

        def body():
            yield from tr.try_t("wc", with_context, m.immediate, block)
            tr.t(f"after {is_active()}")

        j = CoroutineScope(m.main).launch(body)
        m.drain()
        tr.t(st(j))


@scenario("withcontext.cancelled_before_return_same_dispatcher")
def withcontext_cancelled_before_return_same_dispatcher(tr):
    def main():
        def block():
            yield from yield_()
            return "v"

        def body():
            yield from tr.try_t("wc", with_context, CoroutineName("x"), block)
            tr.t(f"after {is_active()}")

        j = launch(body)
        yield from yield_()
        j.cancel("c")
        yield from j.join()

    run_blocking(main)
