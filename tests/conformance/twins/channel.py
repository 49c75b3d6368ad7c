"""Channel: capacities, order, closing and cancelling, what is not delivered."""

from __future__ import annotations

from vmscope.sync import BufferOverflow, Channel, produce

from ..harness import *


def res(result):
    """A ChannelResult as Kotlin prints it; the value of a send is Unit there."""
    if result.is_success:
        value = result.get_or_none()
        return f"Value({'kotlin.Unit' if value is None else value})"
    cause = result.exception_or_none()
    return f"Closed({name(cause)})" if result.is_closed else "Value(Failed)"


def name(cause):
    """An exception as Kotlin prints it."""
    packages = {"ClosedSendChannelException": "kotlinx.coroutines.channels", "Boom": "oracle"}
    return show(cause) if cause is None else f"{packages[rules.name_of(cause)]}.{show(cause)}"


@scenario("channel.try_send_receive_results")
def try_send_receive_results(tr):
    c = Channel(1)
    tr.t(res(c.try_receive()))
    tr.t(res(c.try_send(1)))
    tr.t(res(c.try_send(2)))
    tr.t(res(c.try_receive()))
    c.close()
    tr.t(res(c.try_send(3)))
    tr.t(res(c.try_receive()))
    e = Channel(1)
    e.close(Boom("why"))
    tr.t(res(e.try_send(1)))
    tr.t(str(e.try_receive().exception_or_none()))


@scenario("channel.result_api")
def result_api(tr):
    c = Channel(1)
    f = c.try_receive()
    tr.t(
        f"{show(f.is_success)} {show(f.is_failure)} {show(f.is_closed)} "
        f"{show(f.get_or_none())} {show(f.exception_or_none())}"
    )
    tr.try_now("f", f.get_or_raise)
    c.try_send(7)
    s = c.try_receive()
    tr.t(f"{show(s.is_success)} {show(s.is_failure)} {show(s.is_closed)} {show(s.get_or_none())}")
    tr.t(s.get_or_raise())
    c.close()
    k = c.try_receive()
    tr.t(
        f"{show(k.is_success)} {show(k.is_failure)} {show(k.is_closed)} "
        f"{show(k.get_or_none())} {show(k.exception_or_none())}"
    )
    tr.try_now("k", k.get_or_raise)
    sc = c.try_send(1)
    tr.try_now("send closed", sc.get_or_raise)
    tr.t(name(sc.exception_or_none()))


@scenario("channel.conflated")
def conflated(tr):
    def main():
        c = Channel(Channel.CONFLATED)
        for i in range(1, 6):
            tr.t(c.try_send(i).is_success)
        tr.t((yield from c.receive()))
        tr.t(c.try_receive().is_failure)

    run_blocking(main)


@scenario("channel.conflated_with_waiting_receiver")
def conflated_with_waiting_receiver(tr):
    def main():
        c = Channel(Channel.CONFLATED)

        def receiver():
            tr.t(f"got {(yield from c.receive())}")
            tr.t(f"got {(yield from c.receive())}")

        j = launch(receiver)
        yield from yield_()
        yield from c.send(1)
        yield from c.send(2)
        yield from c.send(3)
        yield from j.join()

    run_blocking(main)


@scenario("channel.drop_oldest")
def drop_oldest(tr):
    def main():
        c = Channel(2, BufferOverflow.DROP_OLDEST)
        for i in range(1, 6):
            yield from c.send(i)
        c.close()
        tr.t((yield from c.to_list()))

    run_blocking(main)


@scenario("channel.capacity_args")
def capacity_args(tr):
    tr.try_now("neg", Channel, -7)
    tr.try_now("conflated+drop", Channel, Channel.CONFLATED, BufferOverflow.DROP_LATEST)
    c = Channel(0, BufferOverflow.DROP_OLDEST)
    c.try_send(1)
    c.try_send(2)
    tr.t(c.try_receive().get_or_none())
    b = Channel(Channel.BUFFERED)
    n = 0
    while b.try_send(n).is_success:
        n += 1
    tr.t(f"BUFFERED capacity {n}")


@scenario("channel.close_with_cause")
def close_with_cause(tr):
    def main():
        c = Channel(3)
        yield from c.send(1)
        c.close(Boom("why"))
        tr.t((yield from c.receive()))
        yield from tr.try_t("receive", c.receive)
        yield from tr.try_t("send", c.send, 1)
        tr.t(str((yield from c.receive_catching()).exception_or_none()))

        async def iterate():
            async for x in c:
                tr.t(x)

        yield from tr.try_t("iterate", iterate)

    run_blocking(main)


@scenario("channel.cancel_semantics")
def cancel_semantics(tr):
    def main():
        c = Channel(3)
        yield from c.send(1)
        c.cancel()
        yield from tr.try_t("receive", c.receive)
        yield from tr.try_t("send", c.send, 1)
        tr.t(f"forSend {c.is_closed_for_send} forReceive {c.is_closed_for_receive}")
        e = Channel(3)
        yield from e.send(1)
        e.cancel(CancellationException("mine"))
        yield from tr.try_t("receive2", e.receive)

    run_blocking(main)


@scenario("channel.cancel_wakes_senders")
def cancel_wakes_senders(tr):
    def main():
        c = Channel()

        def sender():
            yield from tr.try_t("send", c.send, 1)
            tr.t(f"sender active {is_active()}")

        j = launch(sender)
        yield from yield_()
        c.cancel()
        yield from j.join()

    run_blocking(main)


@scenario("channel.prompt_cancellation_loses_element")
def prompt_cancellation_loses_element(tr):
    def main():
        c = Channel(on_undelivered=lambda x: tr.t(f"undelivered {x}"))
        j = launch(tr.try_t, "receive", c.receive)
        yield from yield_()
        tr.t(f"trySend {c.try_send(9).is_success}")
        j.cancel("x")
        yield from j.join()
        tr.t(c.try_receive().is_failure)

    run_blocking(main)


@scenario("channel.undelivered_on_cancel")
def undelivered_on_cancel(tr):
    def main():
        c = Channel(3, on_undelivered=lambda x: tr.t(f"undelivered {x}"))
        yield from c.send(1)
        yield from c.send(2)
        c.cancel()
        yield from tr.try_t("send", c.send, 3)
        k = Channel(Channel.CONFLATED, on_undelivered=lambda x: tr.t(f"conflated away {x}"))
        yield from k.send(1)
        yield from k.send(2)
        tr.t((yield from k.receive()))
        o = Channel(1, BufferOverflow.DROP_LATEST, lambda x: tr.t(f"dropped {x}"))
        yield from o.send(1)
        yield from o.send(2)
        tr.t((yield from o.receive()))
        r = Channel(1, on_undelivered=lambda x: tr.t(f"trySend-undelivered {x}"))
        r.try_send(1)
        tr.t(r.try_send(2).is_success)

    run_blocking(main)


@scenario("channel.fan_out_fifo")
def fan_out_fifo(tr):
    def main():
        c = Channel()
        for i in range(3):

            def receiver(i=i):
                tr.t(f"r{i} got {(yield from c.receive())}")

            launch(receiver)
        yield from yield_()
        for x in range(1, 4):
            yield from c.send(x)

    run_blocking(main)


@scenario("channel.fan_out_loop")
def fan_out_loop(tr):
    def main():
        c = Channel()
        for i in range(2):

            def receiver(i=i):
                elements = c.iterator()
                while (yield from elements.has_next()):
                    tr.t(f"r{i} got {elements.next()}")
                    yield from yield_()

            launch(receiver)
        for x in range(1, 7):
            yield from c.send(x)
        c.close()

    run_blocking(main)


@scenario("channel.fan_in_fifo")
def fan_in_fifo(tr):
    def main():
        c = Channel()
        for i in range(3):
            launch(lambda i=i: c.send(i))
        yield from yield_()
        for _ in range(3):
            tr.t((yield from c.receive()))

    run_blocking(main)


@scenario("channel.iterator_semantics")
def iterator_semantics(tr):
    def main():
        c = Channel(3)
        yield from c.send(1)
        yield from c.send(2)
        c.close()
        it = c.iterator()
        tr.try_now("next first", it.next)
        tr.t((yield from it.has_next()))
        tr.t((yield from it.has_next()))
        tr.t(it.next())
        tr.t((yield from it.has_next()))
        tr.t(it.next())
        tr.t((yield from it.has_next()))

    run_blocking(main)


@scenario("channel.invoke_on_close")
def invoke_on_close(tr):
    c = Channel()
    c.invoke_on_close(lambda e: tr.t(f"closed {d(e)}"))
    try:
        c.invoke_on_close(lambda e: None)
    except IllegalStateError as e:
        tr.t(f"second ISE {str(e).partition(':')[0]}")
    c.close(Boom())
    tr.try_now("third", c.invoke_on_close, lambda e: None)
    e = Channel()
    e.close()
    e.invoke_on_close(lambda e: tr.t(f"late {d(e)}"))


@scenario("channel.is_empty")
def is_empty(tr):
    c = Channel(2)
    tr.t(c.is_empty)
    c.try_send(1)
    tr.t(c.is_empty)
    c.close()
    tr.t(f"{c.is_empty} {c.is_closed_for_receive}")
    c.try_receive()
    tr.t(f"{c.is_empty} {c.is_closed_for_receive}")


@scenario("channel.send_in_cancelled_coroutine")
def send_in_cancelled_coroutine(tr):
    def main():
        c = Channel(1)

        def body():
            current_job().cancel("c")
            yield from tr.try_t("send room", c.send, 1)
            yield from tr.try_t("send full", c.send, 2)
            yield from tr.try_t("receive ready", c.receive)
            yield from tr.try_t("receive empty", c.receive)

        yield from launch(body).join()

    run_blocking(main)


@scenario("channel.null_elements")
def null_elements(tr):
    def main():
        c = Channel(2)
        yield from c.send(None)
        c.close()
        r = yield from c.receive_catching()
        tr.t(f"{r.is_success} {r.get_or_none()}")
        k = yield from c.receive_catching()
        tr.t(f"{k.is_success} {k.get_or_none()}")

    run_blocking(main)


@scenario("channel.buffered_sender_resumes")
def buffered_sender_resumes(tr):
    def main():
        c = Channel(1)
        yield from c.send(1)

        def sender(x):
            yield from c.send(x)
            tr.t(f"sent {x}")

        a = launch(sender, 2)
        b = launch(sender, 3)
        yield from yield_()
        tr.t(f"got {(yield from c.receive())}")
        yield from yield_()
        tr.t(f"a done {a.is_completed} b done {b.is_completed}")
        tr.t(f"got {(yield from c.receive())}")
        tr.t(f"got {(yield from c.receive())}")

    run_blocking(main)


@scenario("channel.pipeline_primes")
def pipeline_primes(tr):
    def main():
        def count_from(producer, start):
            x = start
            while True:
                yield from producer.send(x)
                x += 1

        def without(producer, source, prime):
            elements = source.iterator()
            while (yield from elements.has_next()):
                x = elements.next()
                if x % prime != 0:
                    yield from producer.send(x)

        cur = produce(count_from, 2)
        out = []
        for _ in range(6):
            p = yield from cur.receive()
            out.append(p)
            cur = produce(without, cur, p)
        tr.t(out)
        current_job().cancel_children()
        tr.t("cancelled")

    run_blocking(main)


@scenario("channel.send_vs_trysend_on_close_cause_null")
def send_vs_trysend_on_close_cause_null(tr):
    def main():
        c = Channel()
        c.close()
        tr.t((yield from c.receive_catching()).exception_or_none())
        tr.t(name(c.try_send(1).exception_or_none()))
        tr.t(c.try_send(1).is_closed)

    run_blocking(main)


@scenario("channel.receive_order_with_close_in_flight")
def receive_order_with_close_in_flight(tr):
    async def main():
        c = Channel(1)

        async def sender():
            await c.send(1)
            await c.send(2)
            await c.send(3)
            c.close()
            tr.t("closed")

        launch(sender)
        await yield_()
        async for x in c:
            tr.t(f"got {x}")
        tr.t("end")

    run_blocking(main)


@scenario("channel.to_list")
def to_list(tr):
    def main():
        c = Channel(5)
        for i in range(3):
            yield from c.send(i)
        c.close()
        tr.t((yield from c.to_list()))

    run_blocking(main)


@scenario("channel.rendezvous_trysend_to_waiting_receiver")
def rendezvous_trysend_to_waiting_receiver(tr):
    def main():
        c = Channel()

        def receiver():
            tr.t(f"got {(yield from c.receive())}")

        j = launch(receiver)
        yield from yield_()
        tr.t(c.try_send(1).is_success)
        tr.t(c.try_send(2).is_success)
        yield from j.join()

    run_blocking(main)


@scenario("channel.has_next_in_cancelled")
def has_next_in_cancelled(tr):
    def main():
        async def loop():
            async for x in Channel():
                tr.t(x)

        def body():
            current_job().cancel("c")
            yield from tr.try_t("for", loop)

        yield from launch(body).join()

    run_blocking(main)


@scenario("channel.close_inside_receive_loop")
def close_inside_receive_loop(tr):
    def main():
        c = Channel(5)
        for i in range(4):
            yield from c.send(i)
        elements = c.iterator()
        while (yield from elements.has_next()):
            x = elements.next()
            tr.t(x)
            if x == 1:
                c.close()
        tr.t("end")

    run_blocking(main)


@scenario("channel.send_order_direct_handoff")
def send_order_direct_handoff(tr):
    def main():
        c = Channel()

        def receiver():
            tr.t(f"got {(yield from c.receive())}")

        launch(receiver)
        yield from yield_()
        yield from c.send(1)
        tr.t("sender goes on")
        yield from yield_()

    run_blocking(main)


@scenario("main.channel_between_immediate")
def channel_between_immediate(tr):
    with with_main() as m:
        c = Channel()
        s = CoroutineScope(m.immediate)

        async def receiver():
            async for x in c:
                tr.t(f"got {x}")

        async def sender():
            await yield_()
            await c.send(1)
            tr.t("sent 1")
            await c.send(2)
            tr.t("sent 2")
            c.close()

        s.launch(receiver)
        s.launch(sender)
