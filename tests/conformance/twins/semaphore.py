"""Semaphore: permits, order, cancellation."""

from __future__ import annotations

from vmscope.sync import Semaphore, with_permit

from ..harness import *


@scenario("semaphore.permits")
def permits(tr):
    def main():
        s = Semaphore(2)
        tr.t(s.available_permits)
        yield from s.acquire()
        tr.t(s.try_acquire())
        tr.t(s.try_acquire())
        tr.t(s.available_permits)
        s.release()
        tr.t(s.available_permits)

    run_blocking(main)


@scenario("semaphore.release_too_much")
def release_too_much(tr):
    s = Semaphore(2)
    tr.try_now("release", s.release)


@scenario("semaphore.fifo")
def fifo(tr):
    def main():
        s = Semaphore(1, 1)
        for i in range(3):

            def body(i=i):
                yield from s.acquire()
                tr.t(f"w{i}")
                s.release()

            launch(body)
        yield from yield_()
        s.release()

    run_blocking(main)


@scenario("semaphore.with_permit_exception")
def with_permit_exception(tr):
    def main():
        s = Semaphore(1)

        def failing():
            raise Boom

        yield from tr.try_t("wp", with_permit, s, failing)
        tr.t(s.available_permits)
        j = launch(lambda: with_permit(s, await_cancellation))
        yield from yield_()
        tr.t(s.available_permits)
        yield from j.cancel_and_join()
        tr.t(s.available_permits)

    run_blocking(main)


@scenario("semaphore.limits_concurrency")
def limits_concurrency(tr):
    with with_main() as m:
        s = Semaphore(2)
        n = [0, 0]
        sc = CoroutineScope(m.main)
        for i in range(5):

            def body(i=i):
                n[0] += 1
                n[1] = max(n)
                yield from delay(10)
                n[0] -= 1
                tr.t(f"done {i} at {m.now}")

            sc.launch(lambda body=body: with_permit(s, body))
        m.drain()
        tr.t(f"max {n[1]}")


@scenario("semaphore.prompt_cancellation")
def prompt_cancellation(tr):
    def main():
        s = Semaphore(1, 1)
        a = launch(tr.try_t, "a", s.acquire)
        yield from yield_()
        s.release()
        tr.t(s.available_permits)
        a.cancel("a")
        yield from a.join()
        tr.t(s.available_permits)

    run_blocking(main)
