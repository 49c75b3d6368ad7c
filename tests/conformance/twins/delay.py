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
