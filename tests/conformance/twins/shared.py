"""SharedFlow."""

from __future__ import annotations

from vmscope.flow import MutableSharedFlow
from vmscope.sync import BufferOverflow

from ..harness import *


def collecting(tr, f, text):
    """A block that traces what it collects."""
    return lambda: f.collect(lambda x: tr.t(text.replace("it", str(x))))


@scenario("shared.no_replay_no_subscriber")
def no_replay_no_subscriber(tr):
    def main():
        f = MutableSharedFlow()
        yield from f.emit(1)
        tr.t(f.try_emit(2))
        j = launch(collecting(tr, f, "got it"))
        yield from yield_()
        yield from f.emit(3)
        yield from yield_()
        j.cancel()

    run_blocking(main)


@scenario("shared.emit_waits_for_subscribers")
def emit_waits_for_subscribers(tr):
    def main():
        f = MutableSharedFlow()

        def slow(x):
            tr.t(f"got {x}")
            yield from delay(ms(20))
            tr.t(f"processed {x}")

        j = launch(lambda: f.collect(slow))
        yield from yield_()
        yield from f.emit(1)
        tr.t("emitted 1")
        yield from f.emit(2)
        tr.t("emitted 2")
        j.cancel()

    run_blocking(main)


@scenario("shared.try_emit_no_buffer")
def try_emit_no_buffer(tr):
    def main():
        f = MutableSharedFlow()
        tr.t(f.try_emit(0))
        j = launch(collecting(tr, f, "got it"))
        yield from yield_()
        tr.t(f.try_emit(1))
        yield from yield_()
        j.cancel()

    run_blocking(main)


@scenario("shared.replay")
def replay(tr):
    def main():
        f = MutableSharedFlow(replay=2)
        for i in range(1, 5):
            yield from f.emit(i)
        tr.t(list(f.replay_cache))
        j = launch(collecting(tr, f, "got it"))
        yield from yield_()
        yield from f.emit(5)
        yield from yield_()
        j.cancel()
        tr.t(list(f.replay_cache))

    run_blocking(main)


@scenario("shared.reset_replay_cache")
def reset_replay_cache(tr):
    def main():
        f = MutableSharedFlow(replay=3)
        yield from f.emit(1)
        yield from f.emit(2)

        def old(x):
            tr.t(f"old got {x}")
            yield from yield_()

        j = launch(lambda: f.collect(old))
        yield from yield_()
        f.reset_replay_cache()
        tr.t(list(f.replay_cache))
        k = launch(collecting(tr, f, "new got it"))
        yield from yield_()
        yield from f.emit(3)
        for _ in range(4):
            yield from yield_()
        j.cancel()
        k.cancel()

    run_blocking(main)


@scenario("shared.drop_oldest")
def drop_oldest(tr):
    def main():
        f = MutableSharedFlow(extra_buffer=2, on_overflow=BufferOverflow.DROP_OLDEST)
        j = launch(collecting(tr, f, "got it"))
        yield from yield_()
        for i in range(1, 6):
            tr.t(f.try_emit(i))
        yield from yield_()
        j.cancel()

    run_blocking(main)


@scenario("shared.drop_oldest_replay_cache")
def drop_oldest_replay_cache(tr):
    def main():
        f = MutableSharedFlow(replay=1, on_overflow=BufferOverflow.DROP_OLDEST)
        f.try_emit(0)
        j = launch(collecting(tr, f, "got it"))
        yield from yield_()
        f.try_emit(1)
        f.try_emit(1)
        f.try_emit(2)
        yield from yield_()
        f.try_emit(2)
        yield from yield_()
        j.cancel()

    run_blocking(main)


@scenario("shared.invalid_params")
def invalid_params(tr):
    tr.try_now("replay", MutableSharedFlow, -1)
    tr.try_now("extra", MutableSharedFlow, 0, -1)
    tr.try_now("overflow", MutableSharedFlow, 0, 0, BufferOverflow.DROP_OLDEST)


@scenario("shared.slowest_subscriber")
def slowest_subscriber(tr):
    with with_main() as m:
        f = MutableSharedFlow()
        s = CoroutineScope(m.main)

        def slow(x):
            tr.t(f"slow {x} at {m.now}")
            yield from delay(20)

        def emit():
            for i in range(1, 4):
                yield from f.emit(i)
                tr.t(f"emitted {i} at {m.now}")

        a = s.launch(lambda: f.collect(lambda x: tr.t(f"fast {x} at {m.now}")))
        b = s.launch(lambda: f.collect(slow))
        s.launch(emit)
        m.advance(200)
        a.cancel()
        b.cancel()


@scenario("shared.subscriber_cancelled_releases_emitter")
def subscriber_cancelled_releases_emitter(tr):
    def main():
        f = MutableSharedFlow()

        def stuck(x):
            tr.t(f"got {x}")
            yield from await_cancellation()

        def emit():
            yield from f.emit(1)
            tr.t("emitted 1")
            yield from f.emit(2)
            tr.t("emitted 2")

        j = launch(lambda: f.collect(stuck))
        yield from yield_()
        e = launch(emit)
        yield from yield_()
        yield from yield_()
        tr.t(f"emitter waits {show(e.is_active)}")
        j.cancel()
        yield from e.join()

    run_blocking(main)


@scenario("shared.never_completes_take")
def never_completes_take(tr):
    def main():
        f = MutableSharedFlow()

        def two():
            tr.t((yield from f.take(2).to_list()))

        j = launch(two)
        yield from yield_()
        yield from f.emit(1)
        yield from f.emit(2)
        yield from f.emit(3)
        yield from j.join()

    run_blocking(main)


@scenario("shared.collect_in_order_two")
def collect_in_order_two(tr):
    def main():
        f = MutableSharedFlow(extra_buffer=10)
        jobs = [launch(collecting(tr, f, f"s{i} it")) for i in range(2)]
        yield from yield_()
        for x in range(1, 4):
            yield from f.emit(x)
        yield from yield_()
        for job in jobs:
            job.cancel()

    run_blocking(main)


@scenario("shared.emit_without_subscribers_never_suspends")
def emit_without_subscribers_never_suspends(tr):
    def main():
        f = MutableSharedFlow(1)
        for i in range(5):
            yield from f.emit(i)
        tr.t(list(f.replay_cache))
        tr.t(f.try_emit(9))
        tr.t(list(f.replay_cache))

    run_blocking(main)


@scenario("shared.emit_in_cancelled_coroutine")
def emit_in_cancelled_coroutine(tr):
    def main():
        f = MutableSharedFlow(1)

        def body():
            current_job().cancel("c")
            yield from tr.try_t("emit", f.emit, 1)
            tr.t(list(f.replay_cache))

        yield from launch(body).join()

    run_blocking(main)


@scenario("shared.buffered_late_subscriber")
def buffered_late_subscriber(tr):
    def main():
        f = MutableSharedFlow(extra_buffer=5)
        gate = CompletableDeferred()

        def slow(x):
            if x == 1:
                yield from gate.await_()
            tr.t(f"slow {x}")

        j = launch(lambda: f.collect(slow))
        yield from yield_()
        yield from f.emit(1)
        yield from f.emit(2)
        yield from f.emit(3)
        k = launch(collecting(tr, f, "late it"))
        yield from yield_()
        yield from yield_()
        gate.complete(None)
        yield from f.emit(4)
        for _ in range(4):
            yield from yield_()
        j.cancel()
        k.cancel()

    run_blocking(main)


@scenario("shared.unconfined_emit_order")
def unconfined_emit_order(tr):
    async def main():
        f = MutableSharedFlow(extra_buffer=1)
        j = launch(collecting(tr, f, "got it"), context=Dispatchers.Unconfined)
        tr.t("emit")
        f.try_emit(1)
        tr.t("emitted")
        j.cancel()

    run_blocking(main)
