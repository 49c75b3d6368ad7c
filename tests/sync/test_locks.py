"""Mutex, Semaphore and the other primitives (rows H16, H17, H18, H20)."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pytest

from tests.steer import beside, struck
from vmscope import (
    CancellationException,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    IllegalStateError,
    Job,
    current_job,
    launch,
    run_blocking,
    yield_,
)
from vmscope.sync import (
    Barrier,
    BrokenBarrierError,
    CapacityLimiter,
    Condition,
    CountDownLatch,
    Event,
    Mutex,
    ReadWriteMutex,
    Semaphore,
    _limiter,
    with_held,
    with_lock,
    with_permit,
)
from vmscope.sync._line import Wait

Body = Generator[Any, Any, None]


class Broken(Exception):
    pass


def noting(seen: list[Any], name: object, call: Callable[[], Any]) -> Job:
    """Launch what makes `call` and then notes `name`."""

    def body() -> Body:
        yield from call()
        seen.append(name)

    return launch(body)


# -- H16: Mutex


def test_a_mutex_goes_from_hand_to_hand_in_the_order_of_asking() -> None:
    def main() -> Body:
        mutex = Mutex(locked=True)
        seen: list[Any] = []
        for n in range(4):
            noting(seen, n, mutex.lock)
        yield from yield_()
        for _ in range(4):
            mutex.unlock()
            assert not mutex.try_lock()
            yield from yield_()
        mutex.unlock()
        assert (seen, mutex.is_locked) == ([0, 1, 2, 3], False)

    run_blocking(main)


def test_a_mutex_refuses_the_same_owner_twice_and_another_owner_to_unlock() -> None:
    mutex, me, you = Mutex(), object(), object()

    assert mutex.try_lock(me)
    assert mutex.holds_lock(me)
    assert not mutex.holds_lock(you)
    assert not mutex.try_lock(you)
    with pytest.raises(IllegalStateError, match="already locked by the specified owner"):
        mutex.try_lock(me)
    with pytest.raises(IllegalStateError, match="is expected"):
        mutex.unlock(you)
    mutex.unlock()
    with pytest.raises(IllegalStateError, match="not locked"):
        mutex.unlock()


def test_a_waiter_that_was_cancelled_leaves_the_line_and_one_that_was_granted_passes_it_on() -> None:
    def main() -> Body:
        mutex = Mutex(locked=True)
        seen: list[Any] = []
        left = noting(seen, "left", mutex.lock)
        granted = noting(seen, "granted", mutex.lock)
        noting(seen, "next", mutex.lock)
        yield from yield_()
        left.cancel()
        mutex.unlock()
        granted.cancel()
        yield from granted.join()
        yield from yield_()
        assert (seen, mutex.is_locked) == (["next"], True)

    run_blocking(main)


def test_with_lock_gives_back_whatever_happens_and_async_with_is_the_same() -> None:
    mutex = Mutex()

    def fail() -> None:
        raise Broken

    async def main() -> None:
        assert await with_lock(mutex, lambda: 5) == 5
        with pytest.raises(Broken):
            await with_lock(mutex, fail, owner="me")
        async with mutex:
            assert mutex.is_locked
        assert not mutex.is_locked

    run_blocking(main)


def test_a_mutex_may_be_unlocked_by_another_coroutine() -> None:
    def main() -> Body:
        mutex = Mutex()
        yield from mutex.lock()
        launch(mutex.unlock)
        yield from mutex.lock()

    run_blocking(main)


# -- H17: Semaphore


@pytest.mark.parametrize(("arguments", "text"), [((0,), "at least 1"), ((1, 2), "0..1"), ((1, -1), "0..1")])
def test_a_semaphore_refuses_numbers_that_make_no_sense(arguments: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Semaphore(*arguments)


def test_a_semaphore_lets_in_as_many_as_it_has_permits_first_come_first_served() -> None:
    def main() -> Body:
        semaphore = Semaphore(2, acquired=1)
        seen: list[Any] = []
        for n in range(3):
            noting(seen, n, semaphore.acquire)
        yield from yield_()
        assert seen == [0]
        semaphore.release()
        assert (semaphore.available_permits, semaphore.try_acquire()) == (0, False)
        yield from yield_()
        semaphore.release()
        yield from yield_()
        assert seen == [0, 1, 2]

    run_blocking(main)


def test_a_permit_granted_to_one_who_was_cancelled_goes_back_and_none_can_be_made() -> None:
    def main() -> Body:
        semaphore = Semaphore(1, acquired=1)
        job = launch(semaphore.acquire)
        yield from yield_()
        semaphore.release()
        job.cancel()
        yield from job.join()
        assert semaphore.available_permits == 1
        with pytest.raises(IllegalStateError, match="cannot be greater than 1"):
            semaphore.release()
        assert (yield from with_permit(semaphore, lambda: semaphore.available_permits)) == 0

    run_blocking(main)


@pytest.mark.parametrize("permits", ["1", True, 1.0])
def test_a_semaphore_counts_in_whole_numbers(permits: Any) -> None:
    """H17"""
    with pytest.raises(TypeError, match="whole numbers"):
        Semaphore(permits)


# -- H16 to H18: what all have in common


CALLS: dict[str, Callable[[], tuple[str, Callable[[], Any]]]] = {
    "mutex": lambda: ("lock", Mutex().lock),
    "semaphore": lambda: ("acquire", Semaphore(2).acquire),
    "event": lambda: ("wait", _set(Event()).wait),
    "barrier": lambda: ("wait", Barrier(1).wait),
    "limiter": lambda: ("acquire", CapacityLimiter(1).acquire),
    "read lock": lambda: ("lock", ReadWriteMutex().read.lock),
}


def _set(event: Event) -> Event:
    event.set()
    return event


@pytest.mark.parametrize("made", CALLS.values(), ids=CALLS)
def test_a_call_that_is_awaited_twice_is_refused_by_its_name(made: Callable[[], tuple[str, Any]]) -> None:
    name, call = made()
    wait = call()

    def main() -> Body:
        yield from wait
        with pytest.raises(IllegalStateError, match=rf"{name}\(\) was awaited twice"):
            yield from wait

    run_blocking(main)


def test_a_lock_that_is_waited_for_outside_a_coroutine_is_refused_by_its_name() -> None:
    mutex = Mutex(locked=True)

    with pytest.raises(IllegalStateError, match=r"lock\(\) was called outside a coroutine"):
        next(iter(mutex.lock()))

    assert mutex.statistics().waiting == 0


HELD: dict[str, tuple[Callable[[], Any], Callable[[Any], bool]]] = {
    "mutex": (Mutex, lambda lock: lock.try_lock()),
    "semaphore": (lambda: Semaphore(1), lambda lock: lock.try_acquire()),
    "limiter": (lambda: CapacityLimiter(1), lambda lock: lock.try_acquire()),
    "read lock": (lambda: ReadWriteMutex().read, lambda lock: lock.try_lock()),
    "write lock": (lambda: ReadWriteMutex().write, lambda lock: lock.try_lock()),
}


@pytest.mark.parametrize(("make", "free"), HELD.values(), ids=HELD)
def test_what_is_granted_to_one_who_was_cancelled_is_free_again(
    make: Callable[[], Any], free: Callable[[Any], bool]
) -> None:
    """H16 to H18: nothing is held by the dead."""

    def main() -> Body:
        lock = make()
        other = lock._of.write if hasattr(lock, "_of") else lock  # who holds the write lock keeps out both
        other.acquire_blocking()
        job = launch(with_held, lock, lambda: None)
        yield from yield_()
        other._leave()
        job.cancel()
        yield from job.join()
        assert free(lock)

    run_blocking(main)


# -- H18


def test_an_event_lets_all_go_now_and_later_until_it_is_cleared() -> None:
    def main() -> Body:
        event = Event()
        seen: list[Any] = []
        noting(seen, 1, event.wait)
        noting(seen, 2, event.wait)
        yield from yield_()
        event.set()
        yield from event.wait()
        yield from yield_()
        assert (seen, event.is_set) == ([1, 2], True)
        event.clear()
        waiting = noting(seen, 3, event.wait)
        yield from yield_()
        assert seen == [1, 2]
        waiting.cancel()

    run_blocking(main)


def test_a_latch_opens_with_the_last_count_and_stays_open() -> None:
    def main() -> Body:
        latch = CountDownLatch(2)
        seen: list[Any] = []
        noting(seen, 1, latch.wait)
        yield from yield_()
        latch.count_down()
        yield from yield_()
        assert (seen, latch.count) == ([], 1)
        latch.count_down()
        latch.count_down()
        yield from latch.wait()
        yield from yield_()
        assert (seen, latch.count) == ([1], 0)

    run_blocking(main)


def test_a_condition_wakes_as_many_as_are_notified_each_with_the_mutex() -> None:
    def main() -> Body:
        condition = Condition()
        seen: list[Any] = []

        def body(n: int) -> Body:
            def inside() -> Body:
                yield from condition.wait()
                assert condition.mutex.is_locked
                seen.append(n)

            yield from with_held(condition, inside)

        for n in range(3):
            launch(body, n)
        yield from yield_()
        assert condition.statistics().waiting == 3
        yield from with_held(condition, condition.notify)
        for _ in range(3):
            yield from yield_()
        assert seen == [0]
        yield from with_held(condition, condition.notify_all)
        for _ in range(6):
            yield from yield_()
        assert (seen, condition.mutex.is_locked) == ([0, 1, 2], False)

    run_blocking(main)


def test_wait_for_waits_until_it_is_true_and_needs_the_mutex() -> None:
    async def main() -> None:
        condition, state = Condition(), [0]

        async def body() -> None:
            async with condition:
                await condition.wait_for(lambda: state[0] == 2)
                state.append(state[0])

        job = launch(body)
        await yield_()
        for _ in range(2):
            async with condition:
                state[0] += 1
                condition.notify_all()
            await yield_()
            await yield_()
        await job.join()
        assert state == [2, 2]
        with pytest.raises(IllegalStateError, match="lock its mutex"):
            await condition.wait()
        with pytest.raises(IllegalStateError, match="lock its mutex"):
            condition.notify()

    run_blocking(main)


def test_who_is_cancelled_in_a_condition_holds_the_mutex_and_passes_a_notice_on() -> None:
    def main() -> Body:
        condition = Condition()
        seen: list[Any] = []

        async def body(name: str) -> None:
            async with condition:
                try:
                    await condition.wait()
                    seen.append(name)
                except CancellationException:
                    seen.append((name, "cancelled", condition.mutex.is_locked))
                    raise

        left, notified, _ = launch(body, "left"), launch(body, "notified"), launch(body, "next")
        yield from yield_()
        left.cancel()
        yield from left.join()
        yield from with_held(condition, condition.notify)
        notified.cancel()
        yield from notified.join()
        for _ in range(4):
            yield from yield_()
        assert sorted(map(str, seen)) == ["('left', 'cancelled', True)", "('notified', 'cancelled', True)", "next"]
        assert not condition.mutex.is_locked

    run_blocking(main)


@pytest.mark.parametrize(
    ("make", "text"),
    [(lambda: Condition(3), "Mutex"), (lambda: Condition().wait_for(3), "wait_for")],  # type: ignore[arg-type]
)
def test_a_condition_refuses_what_is_no_mutex_or_predicate(make: Callable[[], object], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        make()


def test_who_was_cancelled_before_it_could_wait_still_holds_the_mutex() -> None:
    """H18: its `finally` may rely on that, and gives it back once."""

    def main() -> Body:
        condition = Condition()
        held: list[bool] = []

        def inside() -> Body:
            current_job().cancel()
            try:
                yield from condition.wait()
            finally:
                held.append(condition.mutex.is_locked)

        yield from launch(with_held, condition, inside).join()
        assert (held, condition.mutex.is_locked, condition.statistics().waiting) == ([True], False, 0)

    run_blocking(main)


def test_a_notice_for_one_who_is_cancelled_is_kept_for_nobody() -> None:
    """H18: who waits later waits for the next one."""

    def main() -> Body:
        condition = Condition()
        only = launch(with_held, condition, condition.wait)
        yield from yield_()
        yield from with_held(condition, condition.notify)
        only.cancel()
        yield from only.join()
        later = launch(with_held, condition, condition.wait)
        yield from yield_()
        assert (later.is_active, condition.statistics().waiting) == (True, 1)
        later.cancel()

    run_blocking(main)


@pytest.mark.parametrize("spelling", ["with_held", "async with"])
def test_a_coroutine_that_is_forgotten_in_a_condition_goes_without_a_word(spelling: str) -> None:
    """H18: its generator is closed where nothing may be awaited; its `finally` has the mutex if that is free."""
    mutex = Mutex()
    held: list[bool] = []

    def wait(condition: Condition) -> Body:
        try:
            yield from condition.wait()
        finally:
            held.append(mutex.is_locked)

    def generator(condition: Condition) -> Body:
        yield from with_held(condition, wait, condition)

    async def coroutine(condition: Condition) -> None:
        async with condition:
            try:
                await condition.wait()
            finally:
                held.append(mutex.is_locked)

    body = generator if spelling == "with_held" else coroutine
    CoroutineScope(Dispatchers.Unconfined).launch(body, Condition(mutex))
    gc.collect()

    assert held == [True]
    assert not mutex.is_locked


def test_a_wait_outside_a_coroutine_is_refused_by_its_name() -> None:
    """H18: and the mutex is held as before."""
    condition = Condition()
    assert condition.mutex.try_lock()

    with pytest.raises(IllegalStateError, match=r"wait\(\) was called outside a coroutine"):
        next(iter(condition.wait()))

    assert condition.mutex.is_locked
    assert condition.statistics().waiting == 0


def test_a_barrier_tells_how_many_it_takes() -> None:
    assert Barrier(3).parties == 3
    with pytest.raises(TypeError, match="parties must be a whole number"):
        Barrier("3")  # type: ignore[arg-type]


def test_a_barrier_lets_all_go_with_the_last_and_begins_anew() -> None:
    def main() -> Body:
        barrier = Barrier(3)
        seen: list[Any] = []

        def body() -> Body:
            for _ in range(2):
                seen.append((yield from barrier.wait()))

        gone = launch(barrier.wait)
        yield from yield_()
        gone.cancel()
        jobs = [launch(body) for _ in range(3)]
        for job in jobs:
            yield from job.join()
        assert sorted(seen) == [0, 0, 1, 1, 2, 2]

    run_blocking(main)


def test_an_aborted_barrier_refuses_until_it_is_reset() -> None:
    def main() -> Body:
        barrier = Barrier(2)
        errors: list[Any] = []

        def body() -> Body:
            try:
                yield from barrier.wait()
            except BrokenBarrierError as broken:
                errors.append(broken)

        launch(body)
        yield from yield_()
        barrier.abort()
        assert barrier.is_broken
        yield from body()
        yield from yield_()
        assert len(errors) == 2
        barrier.reset()
        launch(barrier.wait)
        assert (yield from barrier.wait()) in (0, 1)

    run_blocking(main)


def test_a_limiter_lends_one_token_to_one_borrower_and_grows_while_in_use() -> None:
    def main() -> Body:
        limiter = CapacityLimiter(1)
        seen: list[Any] = []
        a, b, c = object(), object(), object()
        yield from limiter.acquire(a)
        with pytest.raises(IllegalStateError, match="one token"):
            yield from limiter.acquire(a)
        with pytest.raises(IllegalStateError, match="no token"):
            limiter.release(b)
        for name, borrower in (("b", b), ("c", c)):
            noting(seen, name, partial(limiter.acquire, borrower))
        yield from yield_()
        limiter.total_tokens = 2
        assert limiter.total_tokens == 2
        yield from yield_()
        assert (seen, limiter.borrowed_tokens, limiter.available_tokens) == (["b"], 2, 0)
        limiter.total_tokens = 1
        limiter.release(a)
        yield from yield_()
        assert seen == ["b"]
        limiter.release(b)
        yield from yield_()
        assert (seen, limiter.statistics().borrowers) == (["b", "c"], (c,))

    run_blocking(main)


def test_a_borrower_who_waits_for_a_token_cannot_ask_for_a_second_h18() -> None:
    def main() -> Body:
        limiter = CapacityLimiter(1)
        a, b = object(), object()
        seen: list[Any] = []
        yield from limiter.acquire(a)
        waits = noting(seen, "b", partial(limiter.acquire, b))
        yield from yield_()
        with pytest.raises(IllegalStateError, match="waits for a token of this limiter already: one borrower, one"):
            yield from limiter.acquire(b)
        with pytest.raises(IllegalStateError, match="waits for a token"):
            limiter.try_acquire(b)
        waits.cancel()
        again = noting(seen, "b again", partial(limiter.acquire, b))  # who was cancelled does not wait any more
        yield from yield_()
        limiter.release(a)
        yield from again.join()
        assert (seen, limiter.statistics()) == (["b again"], (0, 1, 1, (b,)))
        limiter.release(b)
        assert (limiter.borrowed_tokens, limiter._asking) == (0, {})

    run_blocking(main)


def test_a_token_that_comes_free_as_its_borrower_begins_to_wait_is_lent_at_once_h18() -> None:
    limiter = CapacityLimiter(1)
    a, b = object(), object()
    assert limiter.try_acquire(a)

    with struck(Wait._start, lambda: limiter.release(a)) as met:
        run_blocking(limiter.acquire, b)

    assert met
    assert (limiter.statistics().borrowers, limiter._asking) == ((b,), {})


def test_a_borrower_who_asks_anew_before_his_cancelled_wait_is_forgotten_waits_h18() -> None:
    def main() -> Body:
        limiter = CapacityLimiter(1)
        b = object()
        assert limiter.try_acquire()
        waits = launch(limiter.acquire, b)
        yield from yield_()
        again: list[Job] = []

        def ask() -> None:
            again.append(CoroutineScope(Job()).launch(limiter.acquire, b, start=CoroutineStart.UNDISPATCHED))

        with struck(_limiter._Borrow._came_to_nothing, ask) as met:
            waits.cancel()
        assert met
        with pytest.raises(IllegalStateError, match="waits for a token"):
            limiter.try_acquire(b)
        limiter.release()
        yield from again[0].join()
        assert limiter.statistics().borrowers == (b,)

    run_blocking(main)


def test_the_borrower_is_the_running_coroutine_unless_one_is_named() -> None:
    limiter = CapacityLimiter(2)

    async def main() -> None:
        async with limiter:
            with pytest.raises(IllegalStateError, match="one token"):
                await limiter.acquire()
            assert limiter.borrowed_tokens == 1

    run_blocking(main)

    assert limiter.borrowed_tokens == 0
    with limiter.blocking(), pytest.raises(IllegalStateError):
        limiter.try_acquire()
    with pytest.raises(ValueError, match="total_tokens"):
        CapacityLimiter(0)


def test_readers_share_writers_do_not_and_nobody_is_overtaken() -> None:
    def main() -> Body:
        rw = ReadWriteMutex()
        seen: list[Any] = []
        yield from rw.read.lock()
        assert rw.read.try_lock()
        noting(seen, "writer", rw.write.lock)
        noting(seen, "reader 1", rw.read.lock)
        noting(seen, "reader 2", rw.read.lock)
        yield from yield_()
        assert not rw.read.try_lock()
        rw.read.unlock()
        rw.read.unlock()
        yield from yield_()
        assert (seen, tuple(rw.statistics())) == (["writer"], (2, 0, True))
        rw.write.unlock()
        yield from yield_()
        assert (seen, tuple(rw.statistics())) == (["writer", "reader 1", "reader 2"], (0, 2, False))
        for _ in range(2):
            rw.read.unlock()
        for side in (rw.read, rw.write):
            with pytest.raises(IllegalStateError, match="not locked for"):
                side.unlock()

    run_blocking(main)


def test_readers_behind_a_writer_that_was_cancelled_go_in() -> None:
    def main() -> Body:
        rw = ReadWriteMutex()
        seen: list[Any] = []
        yield from rw.read.lock()
        writer = launch(rw.write.lock)
        noting(seen, "reader", rw.read.lock)
        yield from yield_()
        writer.cancel()
        yield from yield_()
        assert (seen, rw.read.is_locked, rw.write.is_locked) == (["reader"], True, False)

    run_blocking(main)


# -- H20


def test_statistics_say_how_many_wait_and_what_is_held() -> None:
    def main() -> Body:
        me = object()
        mutex, semaphore, event, latch = Mutex(), Semaphore(3, 2), Event(), CountDownLatch(4)
        mutex.try_lock(me)
        job = launch(mutex.lock)
        yield from yield_()
        assert tuple(mutex.statistics()) == (1, 1, me)
        assert tuple(semaphore.statistics()) == (0, 2, None)
        assert tuple(event.statistics()) == (0, 0, None)
        assert tuple(latch.statistics()) == (0, 4, None)
        job.cancel()

    run_blocking(main)


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (lambda: Mutex(True), "<Mutex locked, 0 waiting>"),
        (lambda: Semaphore(2, 1), "<Semaphore 1 of 2 available, 0 waiting>"),
        (Event, "<Event not set, 0 waiting>"),
        (lambda: CountDownLatch(2), "<CountDownLatch 2 to go, 0 waiting>"),
        (Condition, "<Condition 0 waiting, <Mutex free, 0 waiting>>"),
        (lambda: Barrier(2), "<Barrier 0 of 2 here>"),
        (lambda: CapacityLimiter(2), "<CapacityLimiter 0 of 2 borrowed, 0 waiting>"),
        (ReadWriteMutex, "<ReadWriteMutex 0 reading, 0 waiting>"),
        (lambda: ReadWriteMutex().read, "<read lock of <ReadWriteMutex 0 reading, 0 waiting>>"),
        (lambda: ReadWriteMutex().write, "<write lock of <ReadWriteMutex 0 reading, 0 waiting>>"),
    ],
)
def test_a_repr_shows_the_state(made: Callable[[], object], shown: str) -> None:
    assert repr(made()) == shown


def test_a_lock_that_its_owner_is_given_before_he_waits_is_refused_and_he_goes_on() -> None:
    """H16: another thread takes it for the same owner between the look and the suspension."""
    mutex, owner = Mutex(), object()
    mutex.try_lock()

    def hand_over() -> None:
        mutex.unlock()
        mutex.try_lock(owner)

    def main() -> Body:
        lock = beside(mutex, hand_over, released=1)
        with pytest.raises(IllegalStateError, match="already locked by the specified owner"):
            yield from mutex.lock(owner)
        assert lock.met
        assert current_job()._waiter is None  # type: ignore[attr-defined]
        mutex.unlock(owner)
        yield from mutex.lock(owner)

    run_blocking(main)

    assert mutex.holds_lock(owner)
