"""select: who wins, what losers leave behind, closed channels, timeouts."""

from __future__ import annotations

from vmscope.sync import Channel, produce, select

from ..harness import *


@scenario("select.first_ready_wins")
def first_ready_wins(tr):
    with with_main() as m:

        def main():
            def after(time, value):
                yield from delay(time)
                return value

            a = async_(after, 20, "a")
            b = async_(after, 10, "b")
            tr.t((yield from select(lambda s: (s.on_await(a), s.on_await(b)))))
            yield from a.join()

        CoroutineScope(m.main).launch(main)


@scenario("select.on_timeout")
def on_timeout(tr):
    with with_main() as m:

        def main():
            c = Channel(1)

            def got(x):
                return f"got {x}"

            tr.t((yield from select(lambda s: (s.on_receive(c, got), s.on_timeout(20, lambda: f"timeout at {m.now}")))))
            yield from c.send(5)
            tr.t((yield from select(lambda s: (s.on_receive(c, got), s.on_timeout(0, lambda: "zero")))))
            tr.t((yield from select(lambda s: (s.on_timeout(0, lambda: "zero"), s.on_receive(c, got)))))
            tr.t((yield from select(lambda s: (s.on_timeout(-1, lambda: "negative"), s.on_receive(c, got)))))

        CoroutineScope(m.main).launch(main)


@scenario("select.on_send")
def on_send(tr):
    def main():
        a, b = Channel(), Channel()

        def receiver():
            tr.t(f"b got {(yield from b.receive())}")

        j = launch(receiver)
        yield from yield_()
        tr.t(
            (yield from select(lambda s: (s.on_send(a, 1, lambda: "sent to a"), s.on_send(b, 2, lambda: "sent to b"))))
        )
        yield from j.join()

    run_blocking(main)


@scenario("select.on_join")
def on_join(tr):
    def main():
        def supervised():
            a = launch(await_cancellation)

            def failing():
                raise Boom

            b = launch(failing, context=tr.ceh())
            yield from yield_()
            tr.t((yield from select(lambda s: (s.on_join(a, lambda: "a"), s.on_join(b, lambda: f"b {st(b)}")))))
            a.cancel()
            tr.t((yield from select(lambda s: s.on_join(a, lambda: f"a {st(a)}"))))

        yield from supervisor_scope(supervised)

    run_blocking(main)


@scenario("select.on_await_failure")
def on_await_failure(tr):
    def main():
        def supervised():
            def failing():
                raise Boom

            a = async_(failing)
            yield from tr.try_t("select", select, lambda s: s.on_await(a, lambda _: "v"))

        yield from supervisor_scope(supervised)

    run_blocking(main)


@scenario("select.on_receive_closed")
def on_receive_closed(tr):
    def main():
        c = Channel()
        c.close()
        yield from tr.try_t("onReceive", select, lambda s: s.on_receive(c))
        tr.t((yield from select(lambda s: s.on_receive_catching(c, lambda result: result.is_closed))))
        yield from tr.try_t("onSend", select, lambda s: s.on_send(c, 1, lambda: "sent"))

    run_blocking(main)


@scenario("select.loser_not_consumed")
def loser_not_consumed(tr):
    def main():
        a, b = Channel(1), Channel(1)

        def selecting():
            tr.t(
                (yield from select(lambda s: (s.on_receive(a, lambda x: f"a{x}"), s.on_receive(b, lambda x: f"b{x}"))))
            )

        j = launch(selecting)
        yield from yield_()
        yield from b.send(2)
        yield from a.send(1)
        yield from j.join()
        tr.t(f"a still has {a.try_receive().get_or_none()}")
        c = Channel()

        def receiver():
            tr.t(f"c receiver got {(yield from c.receive())}")

        r = launch(receiver)
        tr.t(
            (
                yield from select(
                    lambda s: (s.on_receive_catching(a, lambda _: "never"), s.on_timeout(ms(5), lambda: "timeout"))
                )
            )
        )
        yield from c.send(9)
        yield from r.join()

    run_blocking(main)


@scenario("select.cancelled_while_waiting")
def cancelled_while_waiting(tr):
    def main():
        c = Channel()
        j = launch(tr.try_t, "select", select, lambda s: s.on_receive(c))
        yield from yield_()
        j.cancel("x")
        yield from j.join()
        tr.t(f"send finds receiver {c.try_send(1).is_success}")

    run_blocking(main)


@scenario("select.block_throws")
def block_throws(tr):
    def main():
        c = Channel(1)
        yield from c.send(1)

        def failing(x):
            raise Boom

        yield from tr.try_t("select", select, lambda s: s.on_receive(c, failing))

    run_blocking(main)


@scenario("select.exception_in_builder")
def exception_in_builder(tr):
    def main():
        c = Channel(1)
        yield from c.send(1)

        def build(s):
            raise Boom("builder")

        yield from tr.try_t("select", select, build)
        tr.t(c.try_receive().get_or_none())

    run_blocking(main)


@scenario("select.loop_until_closed")
def loop_until_closed(tr):
    def main():
        def sending(producer, *elements):
            for element in elements:
                yield from producer.send(element)

        open_ = {"a": produce(sending, "a1", "a2"), "b": produce(sending, "b1")}

        def build(s):
            for key, channel in open_.items():

                def each(result, key=key):
                    if result.is_closed:
                        tr.t(f"{key} closed")
                        del open_[key]
                    else:
                        tr.t(result.get_or_none())

                s.on_receive_catching(channel, each)

        while open_:
            yield from select(build)

    run_blocking(main)


@scenario("select.bias_starves")
def bias_starves(tr):
    def main():
        a, b = Channel(10), Channel(10)
        for i in range(3):
            yield from a.send(i)
            yield from b.send(i)
        for _ in range(6):
            tr.t(
                (yield from select(lambda s: (s.on_receive(a, lambda x: f"a{x}"), s.on_receive(b, lambda x: f"b{x}"))))
            )

    run_blocking(main)


@scenario("select.in_cancelled_coroutine")
def in_cancelled_coroutine(tr):
    def main():
        c = Channel(1)
        yield from c.send(1)

        def body():
            current_job().cancel("x")
            yield from tr.try_t("ready", select, lambda s: s.on_receive(c, lambda x: f"got {x}"))
            yield from tr.try_t("waiting", select, lambda s: s.on_receive(c, lambda x: f"got {x}"))

        yield from launch(body).join()

    run_blocking(main)


@scenario("select.two_selects_meet")
def two_selects_meet(tr):
    def main():
        c = Channel()

        def sending():
            tr.t((yield from select(lambda s: s.on_send(c, 4, lambda: "sent"))))

        def receiving():
            tr.t((yield from select(lambda s: s.on_receive(c, lambda x: f"received {x}"))))

        launch(sending)
        launch(receiving)

    run_blocking(main)


@scenario("select.timeout_duration")
def timeout_duration(tr):
    with with_main() as m:

        def main():
            tr.t((yield from select(lambda s: (s.on_timeout(30, lambda: "30"), s.on_timeout(10, lambda: "10")))))
            tr.t(m.now)

        CoroutineScope(m.main).launch(main)


@scenario("select.registers_in_order_and_stops_at_first_ready")
def registers_in_order_and_stops_at_first_ready(tr):
    def main():
        a, b = Channel(1), Channel(1)
        yield from a.send(1)
        yield from b.send(2)

        def build(s):
            s.on_receive(a, lambda x: f"a{x}")
            tr.t("second clause declared")
            s.on_receive(b, lambda x: f"b{x}")

        tr.t((yield from select(build)))
        tr.t(f"b still {b.try_receive().get_or_none()}")

    run_blocking(main)


@scenario("select.empty")
def empty(tr):
    def main():
        tr.t((yield from with_timeout_or_none(ms(20), select, lambda s: None)))

    run_blocking(main)


@scenario("select.same_clause_twice")
def same_clause_twice(tr):
    def main():
        c = Channel(2)
        yield from c.send(1)
        yield from c.send(2)
        tr.t(
            (
                yield from select(
                    lambda s: (s.on_receive(c, lambda x: f"first {x}"), s.on_receive(c, lambda x: f"second {x}"))
                )
            )
        )
        tr.t(c.try_receive().get_or_none())

    run_blocking(main)
