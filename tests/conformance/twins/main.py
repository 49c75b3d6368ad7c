"""Dispatchers.Main and Main.immediate on a virtual looper: what is posted, what runs in place."""

from __future__ import annotations

import threading
import time

from vmscope.flow import MutableStateFlow

from ..harness import *


def throw(exception):
    raise exception


@scenario("main.launch_is_posted")
def launch_is_posted(tr):
    with with_main() as m:
        m.post(lambda: tr.t("posted 1"))
        CoroutineScope(m.main).launch(tr.t, "coroutine")
        m.post(lambda: tr.t("posted 2"))
        tr.t("returned")


@scenario("main.immediate_nested_from_plain_code")
def immediate_nested_from_plain_code(tr):
    def outer():
        tr.t("outer 1")
        launch(tr.t, "inner")
        tr.t("outer 2")

    with with_main() as m:
        CoroutineScope(m.immediate).launch(outer)
        tr.t("returned")


@scenario("main.immediate_nested_after_dispatch")
def immediate_nested_after_dispatch(tr):
    def outer():
        yield from yield_()
        tr.t("outer 1")
        launch(tr.t, "inner")
        tr.t("outer 2")

    with with_main() as m:
        CoroutineScope(m.immediate).launch(outer)


@scenario("main.immediate_nested_in_posted_runnable")
def immediate_nested_in_posted_runnable(tr):
    with with_main() as m:

        def runnable():
            tr.t("runnable 1")
            CoroutineScope(m.immediate).launch(tr.t, "coroutine")
            tr.t("runnable 2")

        m.post(runnable)


@scenario("main.immediate_nested_inside_main_coroutine")
def immediate_nested_inside_main_coroutine(tr):
    with with_main() as m:

        def outer():
            tr.t("outer 1")
            launch(tr.t, "inner", context=m.immediate)
            tr.t("outer 2")

        CoroutineScope(m.main).launch(outer)


@scenario("main.immediate_nested_two_levels_after_dispatch")
def immediate_nested_two_levels_after_dispatch(tr):
    with with_main() as m:

        def inner():
            tr.t("inner 1")
            launch(tr.t, "innermost")
            tr.t("inner 2")

        def outer():
            tr.t("outer 1")
            launch(inner, context=m.immediate)
            tr.t("outer 2")

        CoroutineScope(m.main).launch(outer)


@scenario("main.immediate_from_other_thread_is_posted")
def immediate_from_other_thread_is_posted(tr):
    with with_main() as m:

        def coroutine():
            tr.t(f"on main {show(threading.current_thread() is m.thread)}")

        def other():
            CoroutineScope(m.immediate).launch(coroutine)
            tr.t("launched")

        thread0(other)
        tr.t(f"pending {m.pending}")


@scenario("main.yield_order_two_coroutines")
def yield_order_two_coroutines(tr):
    def turns(name):
        for i in range(3):
            tr.t(f"{name}{i}")
            yield from yield_()

    with with_main() as m:
        s = CoroutineScope(m.main)
        s.launch(turns, "a")
        s.launch(turns, "b")


@scenario("main.yield_order_two_immediate")
def yield_order_two_immediate(tr):
    def turns(name):
        for i in range(3):
            tr.t(f"{name}{i}")
            yield from yield_()

    with with_main() as m:
        s = CoroutineScope(m.immediate)
        s.launch(turns, "a")
        s.launch(turns, "b")
        tr.t("launched")


@scenario("main.cancel_suspended_immediate_in_place")
def cancel_suspended_immediate_in_place(tr):
    def waiter():
        try:
            yield from await_cancellation()
        finally:
            tr.t("finally")

    with with_main() as m:
        j = CoroutineScope(m.immediate).launch(waiter)
        tr.t("cancel")
        j.cancel()
        tr.t(f"cancelled {st(j)}")


@scenario("main.cancel_suspended_main_posted")
def cancel_suspended_main_posted(tr):
    def waiter():
        try:
            yield from await_cancellation()
        finally:
            tr.t("finally")

    with with_main() as m:
        j = CoroutineScope(m.main).launch(waiter)
        m.run_current()
        tr.t("cancel")
        j.cancel()
        tr.t(f"cancelled {st(j)}")


@scenario("main.cancel_scope_many_immediate")
def cancel_scope_many_immediate(tr):
    def waiter(i):
        try:
            yield from await_cancellation()
        finally:
            tr.t(f"finally {i}")

    with with_main() as m:
        s = CoroutineScope(m.immediate + SupervisorJob())
        for i in range(3):
            s.launch(waiter, i)
        tr.t("cancel")
        s.cancel()
        tr.t("cancelled")


@scenario("main.undispatched")
def undispatched(tr):
    def body():
        tr.t("1")
        yield from yield_()
        tr.t("2")

    with with_main() as m:
        m.post(lambda: tr.t("posted"))
        CoroutineScope(m.main).launch(body, start=CoroutineStart.UNDISPATCHED)
        tr.t("returned")


@scenario("main.withcontext_default_then_immediate_chain")
def withcontext_default_then_immediate_chain(tr):
    m = install_main()

    def work():
        time.sleep(0.02)
        return 21 * 2

    async def body():
        tr.t("a")
        v = await with_context(Dispatchers.Default, work)
        tr.t(f"{v} on main {show(threading.current_thread() is m.thread)}")

    j = CoroutineScope(m.immediate).launch(body)
    tr.t("returned")
    m.run_until(lambda: j.is_completed)
    tr.t(f"dispatches {m.dispatches}")


@scenario("main.immediate_properties")
def immediate_properties(tr):
    m = install_main()
    tr.t(m.immediate.immediate is m.immediate)
    tr.t(m.main.is_dispatch_needed(EmptyCoroutineContext))
    tr.t(m.immediate.is_dispatch_needed(EmptyCoroutineContext))
    thread0(lambda: tr.t(m.immediate.is_dispatch_needed(EmptyCoroutineContext)))


@scenario("main.quit_looper_cancels")
def quit_looper_cancels(tr):
    m = install_main()
    m.quit()
    j = CoroutineScope(m.main).launch(tr.t, "never")
    run_blocking(j.join)
    tr.t(st(j))
    tr.t(d(j.get_cancellation_exception()))


@scenario("main.exception_in_immediate_launch")
def exception_in_immediate_launch(tr):
    with with_main() as m:
        s = CoroutineScope(m.immediate + SupervisorJob() + tr.ceh())
        s.launch(throw, Boom())
        tr.t("launch returned")
        s.launch(tr.t, "scope alive")


@scenario("main.two_coroutines_shared_state")
def two_coroutines_shared_state(tr):
    with with_main() as m:
        x = 0
        s = CoroutineScope(m.main)

        def add():
            nonlocal x
            for _ in range(10):
                v = x
                x = v + 1
                yield from yield_()

        for _ in range(10):
            s.launch(add)
        m.drain()
        tr.t(x)


@scenario("main.join_completed_from_immediate_no_dispatch")
def join_completed_from_immediate_no_dispatch(tr):
    with with_main() as m:

        def body():
            a = async_(lambda: 1, context=m.immediate)
            n = m.dispatches
            yield from a.join()
            yield from a.await_()
            tr.t(f"dispatches {m.dispatches - n}")

        CoroutineScope(m.main).launch(body)


@scenario("main.launch_order_mixed_start")
def launch_order_mixed_start(tr):
    with with_main() as m:

        def message():
            s = CoroutineScope(m.main)
            s.launch(tr.t, "default")
            s.launch(tr.t, "undispatched", start=CoroutineStart.UNDISPATCHED)
            lazy = s.launch(tr.t, "lazy", start=CoroutineStart.LAZY)
            s.launch(tr.t, "immediate", context=m.immediate)
            lazy.start()
            s.launch(tr.t, "default 2")
            tr.t("end of message")

        m.post(message)


@scenario("main.ceh_called_on_main")
def ceh_called_on_main(tr):
    with with_main() as m:

        def handler(_, e):
            tr.t(f"handler {d(e)} main {show(threading.current_thread() is m.thread)} now {m.now}")

        def body():
            yield from delay(5)
            raise Boom()

        CoroutineScope(m.main + SupervisorJob() + CoroutineExceptionHandler(handler)).launch(body)


@scenario("main.limited_parallelism_of_main")
def limited_parallelism_of_main(tr):
    with with_main() as m:
        limited = m.main.limited_parallelism(1)
        tr.t(f"same {show(limited is m.main)}")
        s = CoroutineScope(m.main)
        s.launch(tr.t, "a")
        s.launch(tr.t, "b", context=limited)
        s.launch(tr.t, "c")


@scenario("main.immediate_children_in_coroutinescope")
def immediate_children_in_coroutinescope(tr):
    def inner():
        launch(tr.t, "a")
        launch(tr.t, "b")
        tr.t("scope body end")

    def body():
        yield from coroutine_scope(inner)
        tr.t("after scope")

    with with_main() as m:
        CoroutineScope(m.immediate).launch(body)
        tr.t("returned")


@scenario("main.immediate_children_in_coroutinescope_dispatched")
def immediate_children_in_coroutinescope_dispatched(tr):
    def inner():
        launch(tr.t, "a")
        launch(tr.t, "b")
        tr.t("scope body end")

    def body():
        yield from yield_()
        yield from coroutine_scope(inner)
        tr.t("after scope")

    with with_main() as m:
        CoroutineScope(m.immediate).launch(body)
        tr.t("returned")


@scenario("main.immediate_cancel_children_from_child")
def immediate_cancel_children_from_child(tr):
    def waiter():
        try:
            yield from await_cancellation()
        finally:
            tr.t("a finally")

    with with_main() as m:
        s = CoroutineScope(m.immediate)
        a = s.launch(waiter)

        def canceller():
            yield from yield_()
            tr.t("cancel")
            a.cancel()
            tr.t(f"after cancel {st(a)}")

        s.launch(canceller)


@scenario("main.main_scope_failure_order")
def main_scope_failure_order(tr):
    def sibling():
        try:
            yield from await_cancellation()
        finally:
            tr.t("sibling finally")

    def failing():
        try:
            yield from delay(10)
            raise Boom()
        finally:
            tr.t("failing finally")

    def parent():
        launch(sibling)
        launch(failing)
        try:
            yield from await_cancellation()
        finally:
            tr.t("parent finally")

    with with_main() as m:
        j = CoroutineScope(m.main + SupervisorJob() + tr.ceh()).launch(parent)
        j.invoke_on_completion(lambda e: tr.t(f"parent complete {d(e)}"))


@scenario("main.await_resume_inside_completion")
def await_resume_inside_completion(tr):
    with with_main() as m:
        s = CoroutineScope(m.immediate)

        async def work():
            await delay(10)
            tr.t("async end")
            return 1

        a = s.async_(work)

        async def waiter():
            tr.t(f"waiter got {await a.await_()}")

        a.invoke_on_completion(lambda _: tr.t("handler 1"))
        s.launch(waiter)
        a.invoke_on_completion(lambda _: tr.t("handler 2"))


@scenario("main.cancelled_caller_gets_scope_failure_on_main")
def cancelled_caller_gets_scope_failure_on_main(tr):
    def child():
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 10)
            raise Boom("cleanup")

    def inner():
        launch(child)

    def caller():
        try:
            yield from coroutine_scope(inner)
        except BaseException as e:
            tr.t(f"scope threw {d(e)}")
            raise

    with with_main() as m:
        j = CoroutineScope(m.main + SupervisorJob() + tr.ceh()).launch(caller)
        m.run_current()
        j.cancel("c")
        m.drain()
        tr.t(chain(j.get_cancellation_exception()))


@scenario("main.cancelled_caller_gets_scope_failure_on_immediate_queued")
def cancelled_caller_gets_scope_failure_on_immediate_queued(tr):
    def child():
        try:
            yield from await_cancellation()
        finally:
            raise Boom("cleanup")

    def inner():
        launch(child)

    def caller():
        try:
            yield from coroutine_scope(inner)
        except BaseException as e:
            tr.t(f"scope threw {d(e)}")
            raise

    with with_main() as m:
        j = CoroutineScope(m.immediate + SupervisorJob() + tr.ceh()).launch(caller)
        m.run_current()
        j.cancel("c")
        m.drain()
        tr.t(chain(j.get_cancellation_exception()))


@scenario("main.cancelled_caller_withcontext_failure_immediate_vs_main")
def cancelled_caller_withcontext_failure_immediate_vs_main(tr):
    def caller(context, error, label):
        try:
            yield from with_context(context, throw, error)
        except BaseException as e:
            tr.t(f"{label} threw {d(e)}")
            raise

    with with_main() as m:
        for n, dsp in (("Main", m.main), ("immediate", m.immediate)):
            other = ManualDispatcher()
            j = CoroutineScope(dsp + SupervisorJob() + tr.ceh(f"CEH-{n}")).launch(caller, other, Boom(n), n)
            m.run_current()
            j.cancel("c")
            other.run_all()
            m.drain()
            k = CoroutineScope(dsp + SupervisorJob() + tr.ceh(f"CEH-{n}")).launch(
                caller, other + NonCancellable, Boom(f"{n} nc"), f"{n} nc"
            )
            m.run_current()
            k.cancel("c")
            other.run_all()
            m.drain()


@scenario("main.await_failure_for_cancelled_immediate_waiter")
def await_failure_for_cancelled_immediate_waiter(tr):
    def waiter(label, deferred):
        yield from tr.try_t(label, deferred.await_)

    with with_main() as m:
        s = CoroutineScope(m.immediate + SupervisorJob())
        a = CompletableDeferred()
        w = s.launch(waiter, "fail then cancel", a)
        a.complete_exceptionally(Boom("a"))
        w.cancel("c")
        b = CompletableDeferred()
        x = s.launch(waiter, "cancel then fail", b)
        x.cancel("c")
        b.complete_exceptionally(Boom("b"))
        e = CompletableDeferred()
        y = CoroutineScope(m.main + SupervisorJob()).launch(waiter, "main fail then cancel", e)
        m.run_current()
        e.complete_exceptionally(Boom("e"))
        y.cancel("c")
        m.drain()


# -- asked of the reference by us


@scenario("main.timeout_while_main_is_busy")
def timeout_while_main_is_busy(tr):
    with with_main() as m:

        def slow():
            try:
                yield from delay(50)
            finally:
                tr.t(f"cleanup at {m.now}")

        def timed():
            yield from tr.try_t("timeout", b_with_timeout, 20, slow)
            tr.t(f"after at {m.now}")

        def other():
            yield from delay(20)
            tr.t(f"other at {m.now}")

        s = CoroutineScope(m.main)
        s.launch(timed)
        s.launch(other)


def _three_waiters(tr, s, cd):
    def waiter(i):
        yield from cd.await_()
        tr.t(f"w{i} 1")
        launch(tr.t, f"w{i} child")
        tr.t(f"w{i} 2")

    for i in range(3):
        s.launch(waiter, i)


@scenario("main.resume_order_of_several_waiters")
def resume_order_of_several_waiters(tr):
    with with_main() as m:
        s = CoroutineScope(m.immediate)
        cd = CompletableDeferred()
        _three_waiters(tr, s, cd)
        tr.t("complete")
        cd.complete(1)
        tr.t("completed")


@scenario("main.resume_order_of_several_waiters_in_loop")
def resume_order_of_several_waiters_in_loop(tr):
    with with_main() as m:
        s = CoroutineScope(m.immediate)
        cd = CompletableDeferred()
        _three_waiters(tr, s, cd)

        def completer():
            tr.t("complete")
            cd.complete(1)
            tr.t("completed")

        s.launch(completer)
        tr.t("end")


@scenario("main.cancel_child_with_nested_immediate")
def cancel_child_with_nested_immediate(tr):
    def waiter(name):
        try:
            yield from await_cancellation()
        finally:
            tr.t(f"{name} finally")

    def parent():
        launch(waiter, "child")
        yield from waiter("parent")

    with with_main() as m:
        s = CoroutineScope(m.immediate + SupervisorJob())
        p = s.launch(parent)
        tr.t("cancel")
        p.cancel()
        tr.t(f"cancelled {st(p)}")


@scenario("main.cancel_scope_many_immediate_from_coroutine")
def cancel_scope_many_immediate_from_coroutine(tr):
    def waiter(i):
        try:
            yield from await_cancellation()
        finally:
            tr.t(f"finally {i}")

    with with_main() as m:
        s = CoroutineScope(m.immediate + SupervisorJob())
        other = CoroutineScope(m.immediate)
        for i in range(3):
            s.launch(waiter, i)

        def canceller():
            tr.t("cancel")
            s.cancel()
            tr.t("cancelled")

        other.launch(canceller)
        tr.t("end")


@scenario("main.immediate_and_unconfined_share_loop")
def immediate_and_unconfined_share_loop(tr):
    with with_main() as m:

        def unconfined():
            tr.t("unc")
            launch(tr.t, "imm inner", context=m.immediate)
            tr.t("unc 2")

        def first():
            tr.t("imm 1")
            launch(unconfined, context=Dispatchers.Unconfined)
            tr.t("imm 2")

        def second():
            tr.t("u 1")
            launch(tr.t, "imm in u", context=m.immediate)
            tr.t("u 2")

        CoroutineScope(m.immediate).launch(first)
        tr.t("returned")
        CoroutineScope(Dispatchers.Unconfined).launch(second)
        tr.t("end")


@scenario("main.cancelled_caller_loses_scope_failure_on_immediate")
def cancelled_caller_loses_scope_failure_on_immediate(tr):
    def child():
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, delay, 10)
            raise Boom("cleanup")

    def inner():
        launch(child)

    def caller():
        try:
            yield from coroutine_scope(inner)
        except BaseException as e:
            tr.t(f"scope threw {d(e)}")
            raise

    with with_main() as m:
        j = CoroutineScope(m.immediate + SupervisorJob() + tr.ceh()).launch(caller)
        m.run_current()
        j.cancel("c")
        m.drain()
        tr.t(chain(j.get_cancellation_exception()))


@scenario("main.yield_on_immediate_posts")
def yield_on_immediate_posts(tr):
    with with_main() as m:

        def body():
            tr.t("a")
            yield from yield_()
            tr.t("b")
            m.post(lambda: tr.t("posted 3"))
            yield from yield_()
            tr.t("c")

        m.post(lambda: tr.t("posted 1"))
        CoroutineScope(m.immediate).launch(body)
        m.post(lambda: tr.t("posted 2"))
        tr.t("end")


@scenario("main.delay_order_with_posts")
def delay_order_with_posts(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)

        def first():
            yield from delay(10)
            tr.t(f"d1 at {m.now}")
            launch(tr.t, "child of d1")
            yield from yield_()
            tr.t("d1 again")

        def waits(seconds, name):
            yield from delay(seconds)
            tr.t(f"{name} at {m.now}")

        s.launch(first)
        m.post_delayed(10, lambda: tr.t(f"posted at {m.now}"))
        s.launch(waits, 10, "d2")
        s.launch(waits, 0, "zero")
        s.launch(waits, -5, "negative")
        tr.t("end")


@scenario("main.delay_cancel_removes_message")
def delay_cancel_removes_message(tr):
    with with_main() as m:

        def body():
            try:
                yield from delay(1000)
            finally:
                tr.t(f"finally at {m.now}")

        j = CoroutineScope(m.immediate).launch(body)
        tr.t(f"pending {m.pending}")
        m.advance(5)
        j.cancel()
        tr.t(f"pending {m.pending}")
        m.drain()
        tr.t(f"clock {m.now}")


@scenario("main.withcontext_immediate_in_immediate")
def withcontext_immediate_in_immediate(tr):
    with with_main() as m:

        def body():
            tr.t("a")
            yield from with_context(m.main, lambda: tr.t(f"main {m.dispatches}"))
            tr.t(f"b {m.dispatches}")
            yield from with_context(Dispatchers.Unconfined, tr.t, "unc")
            tr.t(f"c {m.dispatches}")

        CoroutineScope(m.immediate).launch(body)
        tr.t("end")


@scenario("main.failing_sibling_immediate")
def failing_sibling_immediate(tr):
    def sibling():
        try:
            yield from await_cancellation()
        finally:
            tr.t("sibling finally")

    def failing():
        try:
            yield from delay(10)
            raise Boom()
        finally:
            tr.t("failing finally")

    def parent():
        launch(sibling)
        launch(failing)
        try:
            yield from await_cancellation()
        finally:
            tr.t("parent finally")

    with with_main() as m:
        j = CoroutineScope(m.immediate + SupervisorJob() + tr.ceh()).launch(parent)
        j.invoke_on_completion(lambda e: tr.t(f"parent complete {d(e)}"))


@scenario("main.join_order")
def join_order(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)

        def work():
            yield from delay(5)
            tr.t("done")

        j = s.launch(work)

        def joiner(name):
            yield from j.join()
            tr.t(f"joiner {name}")

        s.launch(joiner, "main")
        s.launch(joiner, "imm", context=m.immediate)
        j.invoke_on_completion(lambda _: tr.t("handler"))
        s.launch(joiner, "unc", context=Dispatchers.Unconfined)


@scenario("main.quit_while_suspended")
def quit_while_suspended(tr):
    m = install_main()
    cd = CompletableDeferred()

    def body():
        try:
            yield from cd.await_()
            tr.t("never")
        except CancellationException as e:
            tr.t(f"resumed with {e.message} main {show(threading.current_thread() is m.thread)}")
            raise

    j = CoroutineScope(m.main + SupervisorJob() + tr.ceh()).launch(body)
    m.run_current()
    m.quit()
    cd.complete(None)
    run_blocking(j.join)
    tr.t(st(j))


@scenario("main.async_failure_awaited_on_immediate")
def async_failure_awaited_on_immediate(tr):
    with with_main() as m:
        s = CoroutineScope(m.immediate + SupervisorJob() + tr.ceh())

        def fails():
            yield from delay(5)
            raise Boom("a")

        a = s.async_(fails)

        def catches():
            try:
                yield from a.await_()
            except Boom as e:
                tr.t(f"caught {d(e)} at {m.now}")

        s.launch(catches)
        s.launch(a.await_)


@scenario("main.lazy_await_on_main")
def lazy_await_on_main(tr):
    with with_main() as m:

        def lazy():
            tr.t("lazy body")
            return 5

        async def body():
            a = async_(lazy, start=CoroutineStart.LAZY)
            tr.t("before")
            tr.t(f"got {await a.await_()}")

        CoroutineScope(m.main).launch(body)
        m.post(lambda: tr.t("posted"))


@scenario("main.flow_collect_on_immediate")
def flow_collect_on_immediate(tr):
    with with_main() as m:
        f = MutableStateFlow(0)

        def later():
            f.value = 2
            f.value = 3
            tr.t("set 2,3 done")
            j.cancel()

        j = CoroutineScope(m.immediate).launch(lambda: f.collect(lambda x: tr.t(f"c {x}")))
        tr.t("set 1")
        f.value = 1
        tr.t("set done")
        m.post(later)


@scenario("main.flow_collect_on_main")
def flow_collect_on_main(tr):
    with with_main() as m:
        f = MutableStateFlow(0)
        j = CoroutineScope(m.main).launch(lambda: f.collect(lambda x: tr.t(f"c {x}")))
        m.run_current()
        f.value = 1
        f.value = 2
        tr.t("set done")
        m.run_current()
        j.cancel()


@scenario("main.state_update_from_dispatched_coroutine_in_place")
def state_update_from_dispatched_coroutine_in_place(tr):
    with with_main() as m:
        f = MutableStateFlow(0)
        s = CoroutineScope(m.immediate)
        c = s.launch(lambda: f.collect(lambda x: tr.t(f"c {x}")))

        def setter():
            yield from yield_()
            f.value = 1
            tr.t("set 1")
            f.value = 2
            tr.t("set 2")
            c.cancel()

        s.launch(setter)


@scenario("main.state_update_from_undispatched_coroutine_deferred")
def state_update_from_undispatched_coroutine_deferred(tr):
    with with_main() as m:
        f = MutableStateFlow(0)
        s = CoroutineScope(m.immediate)
        c = s.launch(lambda: f.collect(lambda x: tr.t(f"c {x}")))

        def setter():
            f.value = 1
            tr.t("set 1")
            f.value = 2
            tr.t("set 2")
            yield from yield_()
            c.cancel()

        s.launch(setter)
