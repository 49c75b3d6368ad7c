"""Mutex: order, hand-over, owners, cancellation."""

from __future__ import annotations

from vmscope.sync import Mutex, with_lock

from ..harness import *


@scenario("mutex.fifo")
def fifo(tr):
    def main():
        m = Mutex()
        yield from m.lock()
        for i in range(4):

            def body(i=i):
                yield from with_lock(m, tr.t, f"w{i}")

            launch(body)
        yield from yield_()
        tr.t("unlock")
        m.unlock()

    run_blocking(main)


@scenario("mutex.handoff")
def handoff(tr):
    def main():
        m = Mutex()
        yield from m.lock()

        def waiter():
            yield from m.lock()
            tr.t("waiter has it")

        launch(waiter)
        yield from yield_()
        m.unlock()
        tr.t(f"tryLock {m.try_lock()} locked {m.is_locked}")

    run_blocking(main)


@scenario("mutex.initially_locked")
def initially_locked(tr):
    m = Mutex(True)
    tr.t(m.is_locked)
    tr.t(m.try_lock())
    m.unlock()
    tr.t(m.is_locked)


@scenario("mutex.unlock_unlocked")
def unlock_unlocked(tr):
    m = Mutex()
    tr.try_now("unlock", m.unlock)


@scenario("mutex.not_reentrant")
def not_reentrant(tr):
    def main():
        m = Mutex()
        me = "me"
        yield from m.lock(me)
        yield from tr.try_t("lock", m.lock, me)
        tr.try_now("tryLock", m.try_lock, me)
        m.unlock(me)
        yield from m.lock()

        def again():
            yield from m.lock()
            return "again"

        tr.t((yield from with_timeout_or_none(ms(20), again)))
        tr.t(m.is_locked)

    run_blocking(main)


@scenario("mutex.withlock_releases_on_exception")
def withlock_releases_on_exception(tr):
    def main():
        m = Mutex()

        def failing():
            raise Boom

        yield from tr.try_t("wl", with_lock, m, failing)
        tr.t(m.is_locked)
        tr.t((yield from with_lock(m, lambda: 5)))

    run_blocking(main)


@scenario("mutex.cancel_waiter")
def cancel_waiter(tr):
    def main():
        m = Mutex()
        yield from m.lock()
        a = launch(tr.try_t, "a", m.lock)
        b = launch(tr.try_t, "b", m.lock)
        yield from yield_()
        a.cancel("a")
        yield from yield_()
        m.unlock()
        yield from b.join()
        tr.t(m.is_locked)

    run_blocking(main)


@scenario("mutex.prompt_cancellation_releases")
def prompt_cancellation_releases(tr):
    def main():
        m = Mutex()
        yield from m.lock()
        a = launch(tr.try_t, "a", m.lock)
        yield from yield_()
        m.unlock()
        tr.t(f"locked {m.is_locked}")
        a.cancel("a")
        yield from a.join()
        tr.t(f"locked {m.is_locked}")

    run_blocking(main)


@scenario("mutex.lock_in_cancelled_coroutine")
def lock_in_cancelled_coroutine(tr):
    def main():
        m = Mutex()

        def body():
            current_job().cancel("c")
            yield from tr.try_t("free", m.lock)
            tr.t(m.is_locked)
            yield from tr.try_t("held", m.lock)

        yield from launch(body).join()

    run_blocking(main)


@scenario("mutex.critical_section_across_suspension")
def critical_section_across_suspension(tr):
    def main():
        m = Mutex()
        x = [0]

        def section():
            v = x[0]
            yield from yield_()
            x[0] = v + 1

        def body():
            for _ in range(4):
                yield from with_lock(m, section)

        yield from join_all(*[launch(body) for _ in range(5)])
        tr.t(x[0])

    run_blocking(main)


@scenario("mutex.with_lock_cancelled_while_waiting_then_reacquire")
def with_lock_cancelled_while_waiting_then_reacquire(tr):
    def main():
        m = Mutex(True)
        j = launch(lambda: with_lock(m, tr.t, "never"))
        yield from yield_()
        yield from j.cancel_and_join()
        m.unlock()
        tr.t(m.try_lock())

    run_blocking(main)
