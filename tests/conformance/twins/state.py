"""StateFlow."""

from __future__ import annotations

from vmscope.flow import MutableStateFlow

from ..harness import *


@scenario("state.value_and_collect")
def value_and_collect(tr):
    def main():
        f = MutableStateFlow(0)
        j = launch(lambda: f.collect(lambda x: tr.t(f"got {x}")))
        yield from yield_()
        f.value = 1
        yield from yield_()
        f.value = 2
        yield from yield_()
        j.cancel()

    run_blocking(main)


@scenario("state.compare_and_set")
def compare_and_set(tr):
    f = MutableStateFlow(1)
    tr.t(f.compare_and_set(0, 5))
    tr.t(f.compare_and_set(1, 2))
    tr.t(f.value)
    tr.t(f.compare_and_set(2, 2))
    tr.t(f.value)


@scenario("state.update_functions")
def update_functions(tr):
    f = MutableStateFlow(1)
    f.update(lambda x: x + 1)
    tr.t(f.value)
    tr.t(f.update_and_get(lambda x: x * 10))
    tr.t(f.get_and_update(lambda x: x + 1))
    tr.t(f.value)


@scenario("state.never_completes")
def never_completes(tr):
    def main():
        f = MutableStateFlow(0)
        tr.t((yield from with_timeout_or_none(ms(20), f.collect, lambda x: tr.t(f"got {x}"))))

        def set_three():
            f.value = 3

        launch(set_three)
        tr.t((yield from f.first(lambda x: x > 2)))
        tr.t((yield from f.take(1).to_list()))

    run_blocking(main)


@scenario("state.null_value")
def null_value(tr):
    def main():
        f = MutableStateFlow(None)
        tr.t(f.value)
        tr.t((yield from f.first()))
        f.value = 1
        tr.t(f.value)
        f.value = None
        tr.t(f.value)
        tr.t(f.compare_and_set(None, 2))

    run_blocking(main)


@scenario("state.shared_api")
def shared_api(tr):
    def main():
        f = MutableStateFlow(0)
        tr.t(f.try_emit(4))
        tr.t(f.value)
        yield from f.emit(5)
        tr.t(list(f.replay_cache))
        try:
            f.reset_replay_cache()
        except NotImplementedError:
            tr.t("Unsupported")

    run_blocking(main)


@scenario("state.two_collectors_order")
def two_collectors_order(tr):
    def main():
        f = MutableStateFlow(0)

        def collector(i):
            return lambda: f.collect(lambda x: tr.t(f"c{i} got {x}"))

        jobs = [launch(collector(i)) for i in range(3)]
        yield from yield_()
        f.value = 1
        yield from yield_()
        for job in jobs:
            job.cancel()

    run_blocking(main)


@scenario("state.late_collector")
def late_collector(tr):
    def main():
        f = MutableStateFlow(0)
        f.value = 1
        f.value = 2
        tr.t((yield from f.first()))

    run_blocking(main)


@scenario("state.distinct_noop")
def distinct_noop(tr):
    f = MutableStateFlow(1)
    tr.t(f.distinct_until_changed() is f)
    tr.t(f.conflate() is f)


@scenario("state.set_from_collector")
def set_from_collector(tr):
    def main():
        f = MutableStateFlow(0)

        def step(x):
            tr.t(f"got {x}")
            if x < 3:
                f.value = x + 1

        j = launch(lambda: f.collect(step))
        for _ in range(3):
            yield from yield_()
        j.cancel()

    run_blocking(main)


@scenario("state.first_collector_cancelled_in_block")
def first_collector_cancelled_in_block(tr):
    def main():
        f = MutableStateFlow(0)

        def end(x):
            tr.t(f"got {x}")
            current_job().cancel()

        j = launch(lambda: f.collect(end))
        yield from j.join()
        tr.t(st(j))

    run_blocking(main)


@scenario("state.collector_exception")
def collector_exception(tr):
    def main():
        f = MutableStateFlow(0)
        s = CoroutineScope(current_context() + SupervisorJob() + tr.ceh())

        def failing(x):
            if x == 1:
                raise Boom

        s.launch(lambda: f.collect(failing))
        s.launch(lambda: f.collect(lambda x: tr.t(f"b {x}")))
        yield from yield_()
        f.value = 1
        yield from yield_()
        f.value = 2
        yield from yield_()
        s.cancel()

    run_blocking(main)


@scenario("state.undispatched_value_visible")
def undispatched_value_visible(tr):
    def main():
        f = MutableStateFlow(0)
        j = launch(f.collect)
        yield from yield_()
        f.value = 9
        tr.t(f.value)
        j.cancel()

    run_blocking(main)


@scenario("state.concurrent_updates")
def concurrent_updates(tr):
    def main():
        f = MutableStateFlow(0)

        def add():
            for _ in range(1000):
                f.update(lambda x: x + 1)

        yield from join_all(*[launch(add, context=Dispatchers.Default) for _ in range(4)])
        tr.t(f.value)

    run_blocking(main)


@scenario("state.first_is_prompt")
def first_is_prompt(tr):
    def main():
        launch(tr.t, "other")
        tr.t((yield from MutableStateFlow(3).first()))
        tr.t("no dispatch")

    run_blocking(main)


@scenario("state.drop_1")
def drop_1(tr):
    def main():
        f = MutableStateFlow(0)
        j = launch(lambda: f.drop(1).collect(lambda x: tr.t(f"got {x}")))
        yield from yield_()
        f.value = 1
        yield from yield_()
        j.cancel()

    run_blocking(main)
