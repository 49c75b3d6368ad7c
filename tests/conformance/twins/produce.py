"""produce: the coroutine and its channel end together."""

from __future__ import annotations

from vmscope.sync import await_close, produce

from ..harness import *


@scenario("produce.cancelled_by_consumer")
def cancelled_by_consumer(tr):
    def main():
        def block(producer):
            try:
                i = 0
                while True:
                    yield from producer.send(i)
                    i += 1
            except CancellationException as e:
                tr.t(f"producer {d(e)}")
                raise
            finally:
                tr.t("finally")

        p = produce(block)
        tr.t((yield from p.receive()))
        tr.t((yield from p.receive()))
        p.cancel()
        yield from yield_()
        tr.t(f"scope {is_active()}")

    run_blocking(main)


@scenario("produce.consume_take")
def consume_take(tr):
    def main():
        def block(producer):
            try:
                for i in range(10):
                    yield from producer.send(i)
            finally:
                tr.t("producer finally")

        p = produce(block, capacity=0)

        def two():
            first = yield from p.receive()
            return first + (yield from p.receive())

        v = yield from p.consume(two)
        tr.t(v)
        yield from yield_()
        tr.t("end")

    run_blocking(main)


@scenario("produce.failure_closes_with_cause")
def failure_closes_with_cause(tr):
    def main():
        def supervised():
            def block(producer):
                yield from producer.send(1)
                yield from producer.send(2)
                raise Boom("p")

            p = produce(block, capacity=2)
            yield from yield_()
            tr.t((yield from p.receive()))
            tr.t((yield from p.receive()))
            yield from tr.try_t("receive", p.receive)

        yield from supervisor_scope(supervised)

    run_blocking(main)


@scenario("produce.cancelled_scope_closes")
def cancelled_scope_closes(tr):
    def main():
        s = CoroutineScope(current_context() + Job())

        def block(producer):
            yield from producer.send(1)
            yield from await_cancellation()

        p = produce(s, block)
        tr.t((yield from p.receive()))
        yield from yield_()
        s.cancel("stop")
        yield from yield_()
        yield from tr.try_t("receive", p.receive)
        tr.t(p.is_closed_for_receive)

    run_blocking(main)


@scenario("produce.await_close")
def await_close_(tr):
    def main():
        def block(producer):
            yield from producer.send(1)
            yield from await_close(lambda: tr.t("closed block"))

        p = produce(block)
        tr.t((yield from p.receive()))
        p.cancel()
        yield from yield_()
        tr.t("end")

    run_blocking(main)
