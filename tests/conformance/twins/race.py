"""Two threads at one job: whatever the order, the count is right."""

from __future__ import annotations

import sys

from vmscope.flow import MutableSharedFlow

from ..harness import *


def race(rounds, make, first, second, check):
    """Run `first(x)` and `second(x)` at the same time on two threads, then `check(x)`; `rounds` times, x = make()."""
    gate = threading.Barrier(3)
    x = None

    def run(side):
        for _ in range(rounds):
            gate.wait()
            side(x)
            gate.wait()

    threads = [threading.Thread(target=run, args=(side,), daemon=True) for side in (first, second)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for _ in range(rounds):
            x = make()
            gate.wait()
            gate.wait()
            check(x)
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)


class Counter:
    """An AtomicInteger."""

    def __init__(self):
        self.value = 0
        self.lock = threading.Lock()

    def increment(self):
        with self.lock:
            self.value += 1
            return self.value


@scenario("race.complete_vs_cancel")
def complete_vs_cancel(tr):
    bad = 0
    r = [False]

    def complete(deferred):
        r[0] = deferred.complete(1)

    def check(deferred):
        nonlocal bad
        if r[0] == deferred.is_cancelled:
            bad += 1

    race(2000, CompletableDeferred, complete, lambda deferred: deferred.cancel(), check)
    tr.t(f"violations {bad}")


@scenario("race.handler_registered_while_completing")
def handler_registered_while_completing(tr):
    bad = 0
    n = Counter()

    def make():
        n.value = 0
        return Job()

    def check(_job):
        nonlocal bad
        if n.value != 1:
            bad += 1

    race(2000, make, lambda j: j.complete(), lambda j: j.invoke_on_completion(lambda cause: n.increment()), check)
    tr.t(f"violations {bad}")


@scenario("race.resume_vs_cancel")
def resume_vs_cancel(tr):
    bad = 0
    got, lost = Counter(), Counter()
    c = [None]

    def keep(cont):
        c[0] = cont

    def body():
        try:
            yield from suspend_cancellable_coroutine(keep)
            got.increment()
        except CancellationException:
            pass

    def make():
        got.value = lost.value = 0
        return GlobalScope.launch(body, context=Dispatchers.Unconfined)

    def check(job):
        nonlocal bad
        run_blocking(job.join)
        if got.value + lost.value != 1:
            bad += 1

    race(1000, make, lambda _job: c[0].resume(1, lambda value: lost.increment()), lambda job: job.cancel(), check)
    tr.t(f"violations {bad}")


@scenario("race.attach_vs_cancel")
def attach_vs_cancel(tr):
    bad = 0
    child = None

    def attach(parent):
        nonlocal child
        child = CoroutineScope(parent + Dispatchers.Default).launch(await_cancellation)

    def check(parent):
        nonlocal bad

        def main():
            yield from parent.join()
            yield from child.join()

        run_blocking(main)
        if not child.is_cancelled:
            bad += 1

    race(1000, Job, attach, lambda parent: parent.cancel(), check)
    tr.t(f"violations {bad}")


@scenario("race.two_children_fail")
def two_children_fail(tr):
    bad = total = 0
    pool = new_fixed_thread_pool_context(2, "pair")
    for _ in range(200):
        calls = Counter()
        b = threading.Barrier(2)
        seen = None

        def handler(_context, exception, calls=calls):
            nonlocal seen
            calls.increment()
            seen = exception

        def child(message, b=b):
            b.wait()
            raise Boom(message)

        def parent(child=child):
            launch(child, "1")
            launch(child, "2")

        j = CoroutineScope(pool + SupervisorJob() + CoroutineExceptionHandler(handler)).launch(parent)
        run_blocking(j.join)
        if calls.value != 1 or sum(isinstance(one, Boom) for one in getattr(seen, "suppressed", ())) != 1:
            bad += 1
        total += 1
    pool.close()
    tr.t(f"rounds {total} violations {bad}")


@scenario("race.structured_join")
def structured_join(tr):
    def main():
        n = Counter()

        def innermost():
            yield from yield_()
            n.increment()

        def inner():
            for _ in range(3):
                launch(innermost)

        def outer():
            for _ in range(10):
                launch(inner)

        def block():
            for _ in range(10):
                launch(outer)

        yield from coroutine_scope(block)
        tr.t(n.value)

    run_blocking(main, context=Dispatchers.Default)


@scenario("race.lazy_start_once")
def lazy_start_once(tr):
    bad = 0
    runs = Counter()
    a = [False, False]

    def make():
        runs.value = 0
        return GlobalScope.launch(runs.increment, context=Dispatchers.Unconfined, start=CoroutineStart.LAZY)

    def first(job):
        a[0] = job.start()

    def second(job):
        a[1] = job.start()

    def check(job):
        nonlocal bad
        run_blocking(job.join)
        if a[0] == a[1] or runs.value != 1:
            bad += 1

    race(1000, make, first, second, check)
    tr.t(f"violations {bad}")


@scenario("race.join_from_many")
def join_from_many(tr):
    async def main():
        j = launch(delay, ms(10))
        n = Counter()

        async def joiner():
            await j.join()
            n.increment()

        await join_all(*[launch(joiner) for _ in range(50)])
        tr.t(n.value)

    run_blocking(main, context=Dispatchers.Default)


@scenario("race.sharedflow_all_values")
def sharedflow_all_values(tr):
    def main():
        f = MutableSharedFlow(extra_buffer=4)
        subscribers = [async_(lambda: f.take(500).to_list(), context=Dispatchers.Default) for _ in range(2)]
        yield from f.subscription_count.first(lambda count: count == 2)
        for i in range(500):
            yield from f.emit(i)
        for subscriber in subscribers:
            tr.t((yield from subscriber.await_()) == list(range(500)))

    run_blocking(main)
