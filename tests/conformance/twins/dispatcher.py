"""Dispatchers and what they promise: limits, names, threads, closing."""

from __future__ import annotations

import threading
import time

from ..harness import *


@scenario("dispatcher.limited_parallelism_1_no_race")
def limited_parallelism_1_no_race(tr):
    def body():
        x = 0

        def add():
            nonlocal x
            for _ in range(50):
                x += 1
                yield from yield_()

        def many():
            for _ in range(20):
                launch(add)

        yield from with_context(Dispatchers.Default.limited_parallelism(1), many)
        tr.t(x)

    run_blocking(body)


@scenario("dispatcher.limited_parallelism_cap")
def limited_parallelism_cap(tr):
    def body():
        lock = threading.Lock()
        n = most = 0
        d2 = Dispatchers.IO.limited_parallelism(2)

        def task():
            nonlocal n, most
            with lock:
                n += 1
                most = max(most, n)
            time.sleep(0.015)
            with lock:
                n -= 1

        yield from join_all(*[launch(task, context=d2) for _ in range(8)])
        tr.t(f"max {most}")

    run_blocking(body)


@scenario("dispatcher.limited_parallelism_name")
def limited_parallelism_name(tr):
    tr.t(str(Dispatchers.Default.limited_parallelism(1, "db")))


@scenario("dispatcher.limited_parallelism_suspension_frees_slot")
def limited_parallelism_suspension_frees_slot(tr):
    async def body():
        d1 = Dispatchers.Default.limited_parallelism(1)
        cd = CompletableDeferred()

        async def first():
            tr.t("a waits")
            await cd.await_()
            tr.t("a got it")

        def second():
            tr.t("b runs")
            cd.complete(None)
            tr.t("b end")

        a = launch(first, context=d1)
        await launch(second, context=d1).join()
        await a.join()

    run_blocking(body)


@scenario("dispatcher.io_many_blocking")
def io_many_blocking(tr):
    def body():
        barrier = threading.Barrier(32)  # a latch of 32: each counts down and waits for the others
        left = 32
        lock = threading.Lock()

        def task():
            nonlocal left
            with lock:
                left -= 1
            barrier.wait(5)

        yield from join_all(*[launch(task, context=Dispatchers.IO) for _ in range(32)])
        tr.t(left)

    run_blocking(body)


@scenario("dispatcher.io_default_threads_shared")
def io_default_threads_shared(tr):
    def body():
        yield from with_context(Dispatchers.IO, lambda: tr.t(current_context()[CoroutineDispatcher]))
        tr.t(current_context()[CoroutineDispatcher])

    run_blocking(body, context=Dispatchers.Default)


@scenario("dispatcher.single_thread_context")
def single_thread_context(tr):
    def body():
        c = new_single_thread_context("solo")
        names = set()

        def task():
            names.add(threading.current_thread().name.split(" ")[0])
            yield from yield_()
            names.add(threading.current_thread().name.split(" ")[0])

        yield from join_all(*[launch(task, context=c) for _ in range(5)])
        tr.t(list(names))
        c.close()

    run_blocking(body)


@scenario("dispatcher.closed_executor")
def closed_executor(tr):
    def body():
        c = new_single_thread_context("solo2")
        c.close()
        j = CoroutineScope(SupervisorJob() + c + tr.ceh()).launch(tr.t, "never")
        yield from j.join()
        tr.t(st(j))
        tr.t(d(j.get_cancellation_exception()))

    run_blocking(body)


@scenario("dispatcher.closed_executor_while_suspended")
def closed_executor_while_suspended(tr):
    def body():
        c = new_single_thread_context("solo3")
        cd = CompletableDeferred()

        def waiter():
            try:
                yield from cd.await_()
                tr.t("never")
            except CancellationException as e:
                tr.t(f"resumed with {e.message}")

        j = CoroutineScope(SupervisorJob() + c).launch(waiter)
        while list(j.children) or not j.is_active:
            yield from yield_()
        yield from delay(0.03)
        c.close()
        cd.complete(None)
        yield from j.join()
        tr.t(st(j))

    run_blocking(body)


class InPlace(CoroutineDispatcher):
    """Never asks to be dispatched to; counts what is dispatched all the same."""

    def __init__(self):
        self.n = 0

    def is_dispatch_needed(self, context):
        return False

    def dispatch(self, context, block):
        self.n += 1
        block.run()


@scenario("dispatcher.isdispatchneeded_false_custom")
def isdispatchneeded_false_custom(tr):
    disp = InPlace()

    def body():
        tr.t("in place")
        yield from with_context(CoroutineName("x"), lambda: None)
        tr.t(f"dispatches {disp.n}")
        yield from yield_()
        tr.t(f"after yield {disp.n}")

    GlobalScope.launch(body, context=disp)
    tr.t("end")


@scenario("dispatcher.default_runs_parallel")
def default_runs_parallel(tr):
    def body():
        b = threading.Barrier(2)

        def task():
            b.wait(5)
            return True

        js = [async_(task, context=Dispatchers.Default) for _ in range(2)]
        tr.t((yield from await_all(*js)))

    run_blocking(body)


@scenario("dispatcher.asexecutor")
def asexecutor(tr):
    m = ManualDispatcher()
    m.as_executor().submit(tr.t, "ran")
    tr.t(f"queued {len(m.q)}")
    m.run_all()


# -- asked of the reference by us


class Broken(CoroutineDispatcher):
    """Its dispatch raises, from the moment that it is told to; before, it runs in the caller."""

    def __init__(self, broken=True):
        self.broken = broken

    def dispatch(self, context, block):
        if self.broken:
            raise Boom("dispatch")
        block.run()


@scenario("dispatcher.dispatch_throws")
def dispatch_throws(tr):
    s = CoroutineScope(SupervisorJob() + Broken() + tr.ceh())
    try:
        j = s.launch(tr.t, "never")
        tr.t(f"returned {st(j)}")
    except Boom as e:
        tr.t(f"launch threw {chain(e)}")
    tr.t(len(list(s.coroutine_context[Job].children)))


@scenario("dispatcher.manual_order")
def manual_order(tr):
    def first():
        tr.t("a")
        launch(tr.t, "a child")
        yield from yield_()
        tr.t("a2")

    def second():
        tr.t("b")
        yield from yield_()
        tr.t("b2")

    m = ManualDispatcher()
    s = CoroutineScope(m)
    s.launch(first)
    s.launch(second, start=CoroutineStart.UNDISPATCHED)
    tr.t(f"queued {len(m.q)}")
    m.run_all()


@scenario("dispatcher.limited_view_of_manual")
def limited_view_of_manual(tr):
    def twice(name):
        tr.t(name)
        yield from yield_()
        tr.t(f"{name}2")

    m = ManualDispatcher()
    s = CoroutineScope(m.limited_parallelism(1))
    s.launch(twice, "a")
    s.launch(twice, "b")
    tr.t(f"queued {len(m.q)}")
    m.run_all()
    tr.t(f"queued {len(m.q)}")


@scenario("dispatcher.plus_and_key")
def plus_and_key(tr):
    m, n = ManualDispatcher("M1"), ManualDispatcher("M2")
    c = m + CoroutineName("x") + n
    tr.t(c[CoroutineDispatcher])
    tr.t(c.minus_key(CoroutineDispatcher)[CoroutineDispatcher])


@scenario("dispatcher.default_when_none")
def default_when_none(tr):
    def here():
        tr.t(current_context()[CoroutineDispatcher])

    def second():
        yield from with_context(CoroutineName("a"), here)
        launch(here)

    def main():
        yield from CoroutineScope(Job()).launch(here).join()
        yield from CoroutineScope(Job()).launch(second).join()

    run_blocking(main)
