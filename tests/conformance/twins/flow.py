"""Cold flows: builders, operators, terminals, buffers, several flows at once."""

from __future__ import annotations

from vmscope.flow import (
    MutableSharedFlow,
    MutableStateFlow,
    as_flow,
    callback_flow,
    channel_flow,
    combine,
    consume_as_flow,
    empty_flow,
    flow,
    flow_of,
    merge,
    receive_as_flow,
)
from vmscope.sync import Channel

from ..bridges import of_reference
from ..harness import *


class ForeignDispatcher(CoroutineDispatcher):
    """Another dispatcher on the same looper."""

    def __init__(self, m):
        self.m = m

    def dispatch(self, context, block):
        self.m.post(block.run)


def first_line(e):
    return str(e).splitlines()[0].strip()


@scenario("flow.cold")
def cold(tr):
    def main():
        def body(c):
            tr.t("start")
            yield from c.emit(1)
            yield from c.emit(2)
            tr.t("done")

        f = flow(body)
        tr.t("created")
        yield from f.collect(lambda x: tr.t(f"a{x}"))
        yield from f.collect(lambda x: tr.t(f"b{x}"))

    run_blocking(main)


@scenario("flow.sequential_emit_collect")
def sequential_emit_collect(tr):
    def main():
        def body(c):
            tr.t("e1")
            yield from c.emit(1)
            tr.t("e2")
            yield from c.emit(2)
            tr.t("end")

        yield from flow(body).collect(lambda x: tr.t(f"c{x}"))

    run_blocking(main)


@scenario("flow.builders")
def builders(tr):
    def main():
        tr.t((yield from flow_of(1, 2, 3).to_list()))
        tr.t((yield from as_flow(["a", "b"]).to_list()))
        tr.t((yield from empty_flow().to_list()))
        tr.t((yield from as_flow(range(1, 4)).to_list()))

        def body(c):
            yield from c.emit_all(flow_of(1, 2))
            yield from c.emit(3)

        tr.t((yield from flow(body).to_list()))
        tr.t((yield from flow_of(9).single()))

    run_blocking(main)


@scenario("flow.map_filter_interleave")
def map_filter_interleave(tr):
    def main():
        def keep(x):
            tr.t(f"filter {x}")
            return x != 2

        def times(x):
            tr.t(f"map {x}")
            return x * 10

        yield from as_flow(range(1, 4)).filter(keep).map(times).collect(lambda x: tr.t(f"got {x}"))

    run_blocking(main)


@scenario("flow.operators_basic")
def operators_basic(tr):
    def main():
        f = as_flow(range(1, 6))

        def odd(c, x):
            if x % 2 == 1:
                yield from c.emit(x)
                yield from c.emit(-x)

        def up_to_two(c, x):
            yield from c.emit(x)
            return x < 2

        tr.t((yield from f.transform(odd).to_list()))
        tr.t((yield from f.take(2).to_list()))
        tr.t((yield from f.drop(3).to_list()))
        tr.t((yield from f.take_while(lambda x: x < 3).to_list()))
        tr.t((yield from f.drop_while(lambda x: x < 3).to_list()))
        tr.t((yield from f.with_index().map(lambda it: f"{it.index}:{it.value}").to_list()))
        tr.t((yield from f.filter_not(lambda x: x == 1).to_list()))
        tr.t((yield from flow_of(1, None, 2).filter_not_none().to_list()))
        tr.t((yield from f.map_not_none(lambda x: x if x > 3 else None).to_list()))
        tr.t((yield from f.running_reduce(lambda a, b: a + b).to_list()))
        tr.t((yield from f.scan(10, lambda a, b: a + b).to_list()))
        tr.t((yield from f.running_fold(0, lambda a, b: a + b).to_list()))
        tr.t((yield from f.chunked(2).to_list()))
        tr.t((yield from flow_of(1, "a", 2).filter_is_instance(int).to_list()))
        tr.t((yield from f.transform_while(up_to_two).to_list()))

    run_blocking(main)


@scenario("flow.terminal_errors")
def terminal_errors(tr):
    async def main():
        await tr.try_t("first", empty_flow().first)
        await tr.try_t("first pred", flow_of(1).first, lambda x: x > 1)
        await tr.try_t("last", empty_flow().last)
        await tr.try_t("reduce", empty_flow().reduce, lambda a, b: a + b)
        await tr.try_t("single empty", empty_flow().single)
        await tr.try_t("single many", flow_of(1, 2).single)
        await tr.try_t("singleOrNull many", flow_of(1, 2).single_or_none)
        await tr.try_t("singleOrNull empty", empty_flow().single_or_none)
        await tr.try_t("firstOrNull", empty_flow().first_or_none)

    run_blocking(main)


@scenario("flow.take_cancels_upstream")
def take_cancels_upstream(tr):
    def main():
        def body(c):
            try:
                yield from c.emit(1)
                tr.t("after 1")
                yield from c.emit(2)
                tr.t("after 2")
                yield from c.emit(3)
            except BaseException as e:
                tr.t(f"upstream saw CE {show(isinstance(e, CE))}")
                raise
            finally:
                tr.t("finally")

        tr.t((yield from flow(body).take(2).to_list()))

    run_blocking(main)


@scenario("flow.take_invalid")
def take_invalid(tr):
    tr.try_now("take0", flow_of(1).take, 0)
    tr.try_now("take-1", flow_of(1).take, -1)
    tr.try_now("drop-1", flow_of(1).drop, -1)


@scenario("flow.exception_in_builder")
def exception_in_builder(tr):
    def main():
        def body(c):
            yield from c.emit(1)
            raise Boom("builder")

        yield from tr.try_t("collect", flow(body).collect, lambda x: tr.t(f"got {x}"))

    run_blocking(main)


@scenario("flow.catch_ignores_cancellation_of_collector")
def catch_ignores_cancellation_of_collector(tr):
    def main():
        def body(c):
            yield from c.emit(1)
            yield from await_cancellation()

        def own(c):
            raise CE("own")

        def recover(c, e):
            tr.t(f"caught {d(e)}")
            yield from c.emit(5)

        def collect():
            yield from flow(body).catch(lambda e: tr.t(f"caught {d(e)}")).collect(lambda x: tr.t(f"got {x}"))

        j = launch(collect)
        yield from yield_()
        yield from j.cancel_and_join()
        tr.t(st(j))
        tr.t((yield from flow(own).catch(recover).to_list()))

    run_blocking(main)


@scenario("flow.oncompletion_causes")
def oncompletion_causes(tr):
    def main():
        def fail(c):
            raise Boom

        def down(x):
            raise Boom("d")

        def endless(c):
            yield from c.emit(1)
            yield from await_cancellation()

        def say_take(e):
            tr.t(f"take downstream {'null' if e is None else show(isinstance(e, CE))}")

        def collect():
            yield from flow(endless).on_completion(lambda e: tr.t(f"cancel {d(e)}")).collect()

        yield from flow_of(1).on_completion(lambda e: tr.t(f"ok {d(e)}")).collect()
        yield from tr.try_t("fail", flow(fail).on_completion(lambda e: tr.t(f"fail {d(e)}")).collect)
        yield from flow_of(1, 2).on_completion(say_take).take(1).collect()
        yield from tr.try_t(
            "down", flow_of(1).on_completion(lambda e: tr.t(f"downstream failure {d(e)}")).collect, down
        )
        j = launch(collect)
        yield from yield_()
        j.cancel("c")
        yield from j.join()

    run_blocking(main)


@scenario("flow.oncompletion_emit")
def oncompletion_emit(tr):
    def main():
        out = []

        def fails(c):
            yield from c.emit(1)
            raise Boom

        def down(x):
            tr.t(f"got {x}")
            raise Boom("d")

        def emit_and_tell(c, e):
            yield from c.emit(2)
            tr.t("emitted")

        tr.t((yield from flow_of(1).on_completion(lambda c, e: c.emit(2)).to_list()))
        yield from tr.try_t("x", flow(fails).on_completion(lambda c, e: c.emit(9)).collect, out.append)
        tr.t(out)
        yield from tr.try_t("emit after downstream failure", flow_of(1).on_completion(emit_and_tell).collect, down)

    run_blocking(main)


@scenario("flow.oncompletion_then_catch_order")
def oncompletion_then_catch_order(tr):
    def main():
        def fail(c):
            raise Boom

        above = flow(fail).on_completion(lambda e: tr.t(f"above {d(e)}"))
        yield from above.catch(lambda e: tr.t("catch")).on_completion(lambda e: tr.t(f"below {d(e)}")).collect()

    run_blocking(main)


@scenario("flow.retry")
def retry(tr):
    def main():
        n = k = 0

        def first(c):
            nonlocal n
            n += 1
            yield from c.emit(n)
            raise Boom(f"{n}")

        def second(c):
            nonlocal k
            k += 1
            yield from c.emit(k)
            raise Boom("retry me") if k == 1 else IllegalStateError("not me")

        yield from tr.try_t("retry2", flow(first).retry(2).collect, lambda x: tr.t(f"got {x}"))
        again = flow(second).retry(5, lambda e: isinstance(e, Boom))
        yield from tr.try_t("pred", again.collect, lambda x: tr.t(f"got {x}"))

    run_blocking(main)


@scenario("flow.retry_when")
def retry_when(tr):
    with with_main() as m:

        def body():
            n = 0

            def attempt(c):
                nonlocal n
                n += 1
                if n < 4:
                    raise Boom(f"{n}")
                yield from c.emit(f"ok at {m.now}")

            def again(c, e, attempt):
                yield from c.emit(f"attempt {attempt} {e}")
                yield from delay(10 * (attempt + 1))
                return True

            tr.t((yield from flow(attempt).retry_when(again).to_list()))

        CoroutineScope(m.main).launch(body)


@scenario("flow.context_preservation_violation")
def context_preservation_violation(tr):
    def main():
        def body(c):
            yield from with_context(Dispatchers.Default, c.emit, 1)

        try:
            yield from flow(body).collect(lambda x: tr.t(f"got {x}"))
        except IllegalStateError as e:
            tr.t(first_line(e))

    run_blocking(main)


@scenario("flow.concurrent_emit_violation")
def concurrent_emit_violation(tr):
    def main():
        def body(c):
            yield from coroutine_scope(lambda: launch(c.emit, 1))

        try:
            yield from flow(body).collect(lambda x: tr.t(f"got {x}"))
        except IllegalStateError as e:
            tr.t(first_line(e))

    run_blocking(main)


@scenario("flow.emit_in_finally_violation")
def emit_in_finally_violation(tr):
    def main():
        def body(c):
            try:
                yield from c.emit(1)
            finally:
                yield from c.emit(2)

        def down(x):
            tr.t(f"got {x}")
            raise Boom("down")

        try:
            yield from flow(body).collect(down)
        except BaseException as e:  # noqa: BLE001
            tr.t(f"{rules.name_of(e)}: {first_line(e)}")

    run_blocking(main)


@scenario("flow.flowon_context")
def flowon_context(tr):
    def name():
        return current_context()[CoroutineName].name

    def main():
        def body(c):
            tr.t(f"up {name()}")
            yield from c.emit(1)

        def step(label):
            def same(x):
                tr.t(f"{label} {name()}")
                return x

            return same

        above = flow(body).map(step("map1")).flow_on(CoroutineName("up"))
        yield from above.map(step("map2")).collect(lambda x: tr.t(f"collect {name()}"))

    run_blocking(main, context=CoroutineName("down"))


@scenario("flow.flowon_dispatcher_buffers")
def flowon_dispatcher_buffers(tr):
    with with_main() as m:

        def body(c):
            for i in range(1, 4):
                tr.t(f"emit {i} at {m.now}")
                yield from c.emit(i)

        def slow(x):
            tr.t(f"got {x} at {m.now}")
            yield from delay(10)

        def collect():
            yield from flow(body).flow_on(ForeignDispatcher(m)).collect(slow)

        CoroutineScope(m.main).launch(collect)


@scenario("flow.buffer")
def buffer(tr):
    with with_main() as m:

        def body(c):
            for i in range(1, 5):
                yield from c.emit(i)
                tr.t(f"emitted {i} at {m.now}")

        def slow(x):
            tr.t(f"got {x} at {m.now}")
            yield from delay(10)

        def collect():
            yield from flow(body).buffer(1).collect(slow)

        CoroutineScope(m.main).launch(collect)


@scenario("flow.collect_latest_no_suspension")
def collect_latest_no_suspension(tr):
    def main():
        def suspending(x):
            tr.t(f"pre {x}")
            yield from yield_()
            tr.t(f"post {x}")

        yield from flow_of(1, 2, 3).collect_latest(lambda x: tr.t(f"block {x}"))
        yield from flow_of(1, 2, 3).collect_latest(suspending)

    run_blocking(main)


@scenario("flow.map_latest_transform_latest")
def map_latest_transform_latest(tr):
    with with_main() as m:

        def body():
            def source(c):
                yield from c.emit(1)
                yield from delay(10)
                yield from c.emit(2)
                yield from delay(50)
                yield from c.emit(3)

            def times(x):
                yield from delay(20)
                return x * 10

            def both(c, x):
                yield from c.emit(f"s{x}")
                yield from delay(20)
                yield from c.emit(f"e{x}")

            tr.t((yield from flow(source).map_latest(times).to_list()))
            tr.t((yield from flow(source).transform_latest(both).to_list()))

        CoroutineScope(m.main).launch(body)


def inner_flow(v, first, second):
    def body(c):
        yield from c.emit(f"{v} {first}")
        yield from delay(10)
        yield from c.emit(f"{v} {second}")

    return flow(body)


@scenario("flow.flatmap_concat")
def flatmap_concat(tr):
    with with_main() as m:

        def body():
            f = flow_of(1, 2).flat_map_concat(lambda v: inner_flow(v, "a", "b"))
            yield from f.collect(lambda x: tr.t(f"{x} at {m.now}"))

        CoroutineScope(m.main).launch(body)


@scenario("flow.flatmap_merge")
def flatmap_merge(tr):
    with with_main() as m:

        def body():
            f = flow_of(1, 2, 3).flat_map_merge(lambda v: inner_flow(v, "a", "b"))
            yield from f.collect(lambda x: tr.t(f"{x} at {m.now}"))
            g = flow_of(1, 2, 3).flat_map_merge(lambda v: inner_flow(v, "x", "y"), 2)
            yield from g.collect(lambda x: tr.t(f"{x} at {m.now}"))

        CoroutineScope(m.main).launch(body)


@scenario("flow.zip")
def zip_(tr):
    with with_main() as m:

        def other(c):
            try:
                yield from c.emit("a")
                yield from c.emit("b")
                yield from await_cancellation()
            finally:
                tr.t("b finally")

        def body():
            f = flow_of(1, 2, 3).zip_with(flow(other), lambda a, b: f"{a}{b}")
            tr.t((yield from f.take(2).to_list()))
            g = as_flow(range(1, 4)).zip_with(flow_of("x", "y"), lambda a, b: f"{a}{b}")
            tr.t((yield from g.to_list()))

        CoroutineScope(m.main).launch(body)


@scenario("flow.combine_one_empty")
def combine_one_empty(tr):
    def main():
        tr.t((yield from flow_of(1, 2).combine_with(empty_flow(), lambda a, b: a + b).to_list()))

    run_blocking(main)


@scenario("flow.combine_sync_sources")
def combine_sync_sources(tr):
    def main():
        f = flow_of(1, 2, 3).combine_with(flow_of("a", "b", "c"), lambda x, y: f"{x}{y}")
        tr.t((yield from f.to_list()))

    run_blocking(main)


@scenario("flow.combine_failure")
def combine_failure(tr):
    with with_main() as m:

        def failing(c):
            yield from c.emit(1)
            yield from delay(10)
            raise Boom

        def other(c):
            try:
                yield from c.emit("a")
                yield from await_cancellation()
            finally:
                tr.t("other finally")

        def body():
            f = combine(flow(failing), flow(other), fn=lambda a, b: f"{a}{b}")
            yield from tr.try_t("x", f.collect, tr.t)

        CoroutineScope(m.main).launch(body)


@scenario("flow.merge")
def merge_(tr):
    with with_main() as m:

        def a(c):
            yield from delay(10)
            yield from c.emit("a10")
            yield from delay(20)
            yield from c.emit("a30")

        def b(c):
            yield from delay(20)
            yield from c.emit("b20")

        def failing(c):
            yield from c.emit("1")
            raise Boom

        def waiting(c):
            try:
                yield from await_cancellation()
            finally:
                tr.t("finally")

        def body():
            yield from merge(flow(a), flow(b)).collect(lambda x: tr.t(f"{x} at {m.now}"))
            yield from tr.try_t("x", merge(flow(failing), flow(waiting)).collect, tr.t)

        CoroutineScope(m.main).launch(body)


@scenario("flow.debounce_zero_and_selector")
def debounce_zero_and_selector(tr):
    with with_main() as m:

        def a(c):
            yield from c.emit(1)
            yield from c.emit(2)
            yield from delay(5)
            yield from c.emit(3)

        def b(c):
            yield from c.emit(1)
            yield from delay(10)
            yield from c.emit(2)
            yield from delay(10)
            yield from c.emit(3)

        def body():
            tr.t((yield from flow(a).debounce(0).to_list()))
            f = flow(b).debounce(lambda x: 0 if x == 2 else 20)
            yield from f.collect(lambda x: tr.t(f"{x} at {m.now}"))

        CoroutineScope(m.main).launch(body)


@scenario("flow.distinct_until_changed")
def distinct_until_changed(tr):
    def main():
        tr.t((yield from flow_of(1, 1, 2, 2, 1).distinct_until_changed().to_list()))
        tr.t((yield from flow_of("a", "bb", "cc", "d").distinct_until_changed_by(len).to_list()))
        tr.t((yield from flow_of(1, 2, 4, 3).distinct_until_changed(lambda a, b: b < a).to_list()))

    run_blocking(main)


@scenario("flow.timeout_operator")
def timeout_operator(tr):
    with with_main() as m:

        def source(c):
            yield from c.emit(1)
            yield from delay(10)
            yield from c.emit(2)
            yield from delay(50)
            yield from c.emit(3)

        def body():
            f = flow(source).timeout(20)
            caught = f.catch(lambda e: tr.t(f"caught {rules.name_of(of_reference(e))} at {m.now}"))
            yield from caught.collect(lambda x: tr.t(f"got {x}"))

        CoroutineScope(m.main).launch(body)


@scenario("flow.launch_in")
def launch_in(tr):
    def main():
        def fail(c):
            raise Boom

        s = CoroutineScope(current_context() + SupervisorJob() + tr.ceh())
        j = flow_of(1, 2).on_each(lambda x: tr.t(f"got {x}")).launch_in(s)
        tr.t("launched")
        yield from j.join()
        yield from flow(fail).launch_in(s).join()
        tr.t(s.is_active)

    run_blocking(main)


@scenario("flow.callback_flow_without_awaitclose")
def callback_flow_without_awaitclose(tr):
    def main():
        try:
            yield from callback_flow(lambda p: p.try_send(1)).collect(lambda x: tr.t(f"got {x}"))
        except IllegalStateError as e:
            tr.t(first_line(e))

    run_blocking(main)


@scenario("flow.callback_flow")
def callback_flow_(tr):
    def main():
        def block(p):
            p.try_send(1)
            p.try_send(2)
            p.try_send(3)
            yield from p.await_close(lambda: tr.t("unregistered"))

        f = callback_flow(block)
        tr.t((yield from f.take(2).to_list()))
        j = launch(lambda: f.collect(lambda x: tr.t(f"got {x}")))
        yield from yield_()
        yield from yield_()
        yield from yield_()
        yield from j.cancel_and_join()

    run_blocking(main)


@scenario("flow.callback_flow_close_cause")
def callback_flow_close_cause(tr):
    def main():
        def failing(p):
            p.try_send(1)
            p.close(Boom("api"))
            yield from p.await_close(lambda: tr.t("unregistered"))

        def ending(p):
            p.try_send(1)
            p.close()
            yield from p.await_close()

        yield from tr.try_t("x", callback_flow(failing).collect, lambda x: tr.t(f"got {x}"))
        tr.t((yield from callback_flow(ending).to_list()))

    run_blocking(main)


@scenario("flow.consume_as_flow_once")
def consume_as_flow_once(tr):
    def main():
        c = Channel(5)
        for i in range(4):
            yield from c.send(i)
        f = receive_as_flow(c)
        tr.t((yield from f.take(2).to_list()))
        tr.t((yield from f.take(1).to_list()))
        tr.t(f"closed {show(c.is_closed_for_receive)}")
        g = consume_as_flow(c)
        tr.t((yield from g.take(1).to_list()))
        tr.t(f"closed {show(c.is_closed_for_receive)}")
        yield from tr.try_t("again", g.to_list)

    run_blocking(main)


@scenario("flow.produce_in")
def produce_in(tr):
    def main():
        c = flow_of(1, 2).produce_in(current_scope())
        tr.t((yield from c.receive()))
        tr.t((yield from c.receive()))
        tr.t((yield from c.receive_catching()).is_closed)

    run_blocking(main)


@scenario("flow.flatmap_merge_failure")
def flatmap_merge_failure(tr):
    with with_main() as m:

        def inner(v):
            def body(c):
                if v == 1:
                    yield from delay(10)
                    raise Boom
                try:
                    yield from await_cancellation()
                finally:
                    tr.t("inner 2 finally")

            return flow(body)

        def body():
            yield from tr.try_t("x", flow_of(1, 2).flat_map_merge(inner).collect, tr.t)

        CoroutineScope(m.main).launch(body)


@scenario("flow.on_each_collect_order")
def on_each_collect_order(tr):
    with with_main() as m:

        def body():
            above = as_flow(range(1, 3)).on_each(lambda x: tr.t(f"up {x}"))
            yield from above.buffer().on_each(lambda x: tr.t(f"down {x}")).collect()

        CoroutineScope(m.main).launch(body)


@scenario("flow.launch_in_cancelled_scope")
def launch_in_cancelled_scope(tr):
    def main():
        def never(c):
            tr.t("never")
            yield from c.emit(1)

        s = CoroutineScope(current_context() + Job())
        s.cancel()
        j = flow(never).launch_in(s)
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("flow.retry_ignores_cancellation")
def retry_ignores_cancellation(tr):
    def main():
        n = 0

        def body(c):
            nonlocal n
            n += 1
            yield from c.emit(n)
            yield from await_cancellation()

        j = launch(lambda: flow(body).retry(5).collect(lambda x: tr.t(f"got {x}")))
        yield from yield_()
        yield from j.cancel_and_join()
        tr.t(f"runs {n}")

    run_blocking(main)


@scenario("flow.catch_cannot_catch_own_take")
def catch_cannot_catch_own_take(tr):
    def main():
        def late(c):
            yield from c.emit(1)
            yield from c.emit(2)
            raise Boom("late")

        def early(c):
            yield from c.emit(1)
            raise Boom("early")

        tr.t((yield from flow(late).take(2).catch(lambda c, e: c.emit(-1)).to_list()))
        tr.t((yield from flow(early).take(2).catch(lambda c, e: c.emit(-1)).to_list()))

    run_blocking(main)


@scenario("flow.channel_flow_buffer")
def channel_flow_buffer(tr):
    def main():
        def ahead(change):
            n = 0

            def block(p):
                nonlocal n
                for i in range(100):
                    n += 1
                    yield from p.send(i)

            def stuck(x):
                yield from await_cancellation()

            j = launch(lambda: change(channel_flow(block)).collect(stuck))
            for _ in range(30):
                yield from yield_()
            yield from j.cancel_and_join()
            return n

        tr.t(f"default {(yield from ahead(lambda f: f))}")
        tr.t(f"buffer(0) {(yield from ahead(lambda f: f.buffer(0)))}")
        tr.t(f"buffer(5) {(yield from ahead(lambda f: f.buffer(5)))}")
        tr.t(f"conflate {(yield from ahead(lambda f: f.conflate()))}")

    run_blocking(main)


@scenario("flow.collect_in_cancelled")
def collect_in_cancelled(tr):
    def main():
        def builder(c):
            tr.t("builder runs")
            yield from c.emit(1)

        def body():
            current_job().cancel("c")
            yield from tr.try_t("flowOf", flow_of(1, 2).to_list)
            yield from tr.try_t("flow", flow(builder).to_list)

        yield from launch(body).join()

    run_blocking(main)


@scenario("flow.state_collect_in_cancelled")
def state_collect_in_cancelled(tr):
    def main():
        def body():
            current_job().cancel("c")
            yield from tr.try_t("state", MutableStateFlow(1).collect, lambda x: tr.t(f"got {x}"))
            shared = MutableSharedFlow(1)
            shared.try_emit(1)
            yield from tr.try_t("shared", shared.collect, lambda x: tr.t(f"got {x}"))

        yield from launch(body).join()

    run_blocking(main)


@scenario("flow.take_with_buffer")
def take_with_buffer(tr):
    def main():
        def endless(c):
            try:
                i = 0
                while True:
                    yield from c.emit(i)
                    i += 1
            finally:
                tr.t("producer finally")

        yield from flow(endless).buffer(2).take(3).collect(lambda x: tr.t(f"got {x}"))
        tr.t("end")

    run_blocking(main)


@scenario("flow.flat_map_latest_on_state")
def flat_map_latest_on_state(tr):
    with with_main() as m:
        f = MutableStateFlow(0)

        def inner(v):
            def body(c):
                tr.t(f"start {v}")
                yield from c.emit(v)
                yield from await_cancellation()

            return flow(body)

        def collect():
            yield from f.flat_map_latest(inner).collect(lambda x: tr.t(f"got {x}"))

        j = CoroutineScope(m.main).launch(collect)
        m.run_current()
        f.value = 1
        f.value = 2
        m.run_current()
        j.cancel()


@scenario("flow.zip_unequal_slow")
def zip_unequal_slow(tr):
    with with_main() as m:

        def numbers(c):
            for i in range(1, 4):
                yield from c.emit(i)

        def letters(c):
            yield from delay(10)
            yield from c.emit("a")
            yield from delay(10)
            yield from c.emit("b")

        def body():
            yield from flow(numbers).zip_with(flow(letters), lambda a, b: f"{a}{b} at {m.now}").collect(tr.t)
            tr.t(f"end {m.now}")

        CoroutineScope(m.main).launch(body)
