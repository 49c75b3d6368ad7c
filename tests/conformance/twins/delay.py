"""delay: on which message it ends, and who comes first."""

from __future__ import annotations

import math

from ..harness import *


@scenario("delay.zero_does_not_suspend")
def zero_does_not_suspend(tr):
    def main():
        launch(lambda: tr.t("other"))
        yield from delay(0)
        yield from delay(ms(-5))
        tr.t("not yielded")
        yield from yield_()
        tr.t("yielded")

    run_blocking(main)


@scenario("delay.infinite")
def infinite(tr):
    def main():
        tr.t((yield from with_timeout_or_none(ms(20), delay, math.inf)))

    run_blocking(main)


@scenario("delay.duration_rounding")
def duration_rounding(tr):
    with with_main() as m:

        def body():
            yield from delay(0.000_001)  # a nanosecond, where a second of the virtual clock stands for a millisecond
            tr.t(m.now)
            yield from delay(0)
            tr.t(m.now)
            yield from delay(1.5)
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("delay.on_main_is_a_posted_message")
def on_main_is_a_posted_message(tr):
    with with_main() as m:
        m.post_delayed(20, lambda: tr.t("posted before"))

        def body():
            yield from delay(20)
            tr.t("delay end")

        CoroutineScope(m.immediate).launch(body)
        m.post_delayed(20, lambda: tr.t("posted after"))


@scenario("delay.in_runblocking_real")
def in_runblocking_real(tr):
    def main():
        async def after(milliseconds):
            await delay(ms(milliseconds))
            tr.t(milliseconds)

        launch(after, 120)
        launch(after, 20)
        launch(after, 60)

    run_blocking(main)


@scenario("delay.sequential_adds_up")
def sequential_adds_up(tr):
    with with_main() as m:

        def body():
            for _ in range(5):
                yield from delay(10)
            tr.t(m.now)

        CoroutineScope(m.main).launch(body)


@scenario("delay.resume_runs_undispatched_on_main")
def resume_runs_undispatched_on_main(tr):
    with with_main() as m:

        def body():
            yield from delay(10)
            tr.t(f"resumed; dispatches {m.dispatches}")
            m.post(lambda: tr.t("posted"))
            tr.t("still first")

        CoroutineScope(m.main).launch(body)


@scenario("delay.cancelled_at_same_instant")
def cancelled_at_same_instant(tr):
    with with_main() as m:

        def cancel_j():
            tr.t("cancel")
            j.cancel()

        def a():
            yield from tr.try_t("a", delay, 20)

        def b():
            yield from tr.try_t("b", delay, 20)
            yield from tr.try_t("b then", yield_)

        def cancel_k():
            tr.t("cancel k")
            k.cancel()

        m.post_delayed(20, cancel_j)
        j = CoroutineScope(m.immediate).launch(a)
        m.drain()
        k = CoroutineScope(m.immediate).launch(b)
        m.post_delayed(20, cancel_k)


@scenario("delay.timeout_and_delay_chain")
def timeout_and_delay_chain(tr):
    with with_main() as m:

        async def block():
            for step in range(5):
                await delay(10)
                tr.t(f"step {step} at {m.now}")

        async def body():
            tr.t(await with_timeout_or_none(25, block))
            tr.t(f"at {m.now}")

        CoroutineScope(m.main).launch(body)


@scenario("delay.cancel_and_immediate_relaunch")
def cancel_and_immediate_relaunch(tr):
    with with_main() as m:
        s = CoroutineScope(m.immediate)
        j = None

        def body():
            yield from delay(20)
            tr.t(f"fired at {m.now}")

        def poke():
            nonlocal j
            if j is not None:
                j.cancel()
            j = s.launch(body)

        poke()
        m.advance(15)
        poke()
        m.advance(15)
        poke()
        m.drain()


# -- asked of the reference by us


@scenario("delay.ties_between_coroutines")
def delay_ties(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)

        def twice(name):
            yield from delay(10)
            tr.t(f"{name}1")
            yield from delay(10)
            tr.t(f"{name}2")

        def once():
            yield from delay(20)
            tr.t("b")

        s.launch(twice, "a")
        s.launch(once)
        s.launch(twice, "c", context=m.immediate)


@scenario("delay.unconfined_resumes_elsewhere")
def delay_unconfined_resumes_elsewhere(tr):
    def main():
        home = threading.current_thread()

        def body():
            tr.t(threading.current_thread() is home)
            yield from delay(ms(5))
            tr.t(threading.current_thread() is home)

        yield from launch(body, context=Dispatchers.Unconfined).join()

    run_blocking(main)


@scenario("delay.cancel_removes_message")
def delay_cancel_removes_message(tr):
    with with_main() as m:
        j = CoroutineScope(m.main).launch(delay, 1000)
        m.run_current()
        tr.t(m.pending)
        j.cancel()
        tr.t(m.pending)
        m.drain()
        tr.t(f"{m.now} {st(j)}")


@scenario("delay.noncancellable_and_cancel")
def delay_noncancellable_and_cancel(tr):
    with with_main() as m:

        def block():
            yield from delay(30)
            tr.t(f"nc {m.now}")

        def body():
            yield from with_context(NonCancellable, block)
            yield from tr.try_t("d", delay, 10)

        j = CoroutineScope(m.main).launch(body)
        m.advance(5)
        j.cancel("c")
        tr.t(m.pending)
        m.drain()
        tr.t(m.now)


@scenario("delay.immediate_resume_nested_launch")
def delay_immediate_resume_nested_launch(tr):
    with with_main() as m:

        def body():
            yield from delay(10)
            launch(lambda: tr.t("nested"))
            tr.t("after launch")
            yield from yield_()
            tr.t("after yield")

        CoroutineScope(m.immediate).launch(body)


@scenario("delay.in_cancelled")
def delay_in_cancelled(tr):
    def main():
        def body():
            current_job().cancel("c")
            yield from tr.try_t("0", delay, 0)
            yield from tr.try_t("-1", delay, ms(-1))
            yield from tr.try_t("1", delay, ms(1))
            yield from tr.try_t("max", delay, float("inf"))

        yield from launch(body).join()

    run_blocking(main)


@scenario("delay.many_equal_fifo")
def delay_many_equal_fifo(tr):
    with with_main() as m:
        s = CoroutineScope(m.main)

        def body(i):
            yield from delay(10 - i % 2)
            tr.t(f"{i} at {m.now}")

        for i in range(4):
            s.launch(body, i)


@scenario("delay.main_vs_immediate_queue")
def delay_main_vs_immediate_queue(tr):
    with with_main() as m:

        def child():
            tr.t("imm in place")
            yield from delay(0)
            yield from yield_()
            tr.t("imm after yield")

        def body():
            launch(child, context=m.immediate)
            tr.t("body")
            yield from delay(1)
            tr.t("end")

        CoroutineScope(m.main).launch(body)
