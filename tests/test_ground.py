"""What `vmscope/_primitives.py` says that the package rests on: facts about CPython itself, on this version of it.

Should one of these fail on a new version, the lock-free steps that name it in their comments are to be looked at again.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from vmscope._primitives import Bell, Empty, Lock, RLock, SimpleQueue, snapshot

MANY = 4_000


@pytest.fixture(autouse=True)
def switches_at_every_chance() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def at_once(*bodies: Callable[[], object]) -> None:
    gate = threading.Barrier(len(bodies))

    def go(body: Callable[[], object]) -> None:
        gate.wait()
        body()

    threads = [threading.Thread(target=go, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("end", ["append", "appendleft"])
def test_a_deque_loses_nothing_that_two_threads_append_while_a_third_pops(end):
    items: deque[tuple[int, int]] = deque()
    got: list[tuple[int, int]] = []

    def put(who: int) -> None:
        add = getattr(items, end)
        for n in range(MANY):
            add((who, n))

    def take() -> None:
        while len(got) < 2 * MANY:
            try:
                got.append(items.popleft())
            except IndexError:
                continue

    at_once(lambda: put(1), lambda: put(2), take)

    assert len(set(got)) == 2 * MANY
    if end == "append":
        for who in (1, 2):
            assert [n for by, n in got if by == who] == list(range(MANY))


def test_of_two_who_take_one_item_back_one_gets_it():
    # The putter that sees a quit, and the sweep: `MessageQueue._stays`.
    for _ in range(200):
        item = object()
        items = deque([object(), item])
        won: list[bool] = []

        def take_back(items: deque[object] = items, item: object = item, won: list[bool] = won) -> None:
            try:
                items.remove(item)
            except ValueError:
                return
            won.append(True)

        at_once(take_back, take_back)
        assert won == [True]
        assert len(items) == 1


def test_a_snapshot_is_taken_while_another_thread_changes_the_deque():
    items = deque(range(50))
    over = threading.Event()

    def change() -> None:
        for n in range(MANY):
            items.append(n)
            items.popleft()
        over.set()

    def look() -> None:
        while not over.is_set():
            assert 49 <= len(snapshot(items)) <= 51

    at_once(change, look)


def test_a_simple_queue_loses_nothing_and_keeps_each_putters_order():
    queue: SimpleQueue[tuple[int, int]] = SimpleQueue()
    got: list[tuple[int, int]] = []

    def put(who: int) -> None:
        for n in range(MANY):
            queue.put((who, n))

    at_once(lambda: put(1), lambda: put(2), lambda: got.extend(queue.get() for _ in range(2 * MANY)))

    for who in (1, 2):
        assert [n for by, n in got if by == who] == list(range(MANY))


@pytest.mark.parametrize("call", ["put", "append", "ring"])
def test_a_signal_handler_may_make_the_call_that_it_interrupts(call):
    queue: SimpleQueue[int] = SimpleQueue()
    items: deque[int] = deque()
    bell = Bell()
    struck = heard = 0

    def strike(number: int, frame: object) -> None:
        nonlocal struck
        struck += 1
        queue.put(-1)
        items.append(-1)
        bell.ring()

    before = signal.signal(signal.SIGUSR1, strike) if hasattr(signal, "SIGUSR1") else None
    if before is None:
        pytest.skip("no such signal here")
    over = threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def fire() -> None:
        while not over.is_set():
            signal.pthread_kill(main, signal.SIGUSR1)

    other = threading.Thread(target=fire)
    other.start()
    try:
        for n in range(MANY):
            if call == "put":
                queue.put(n)
            elif call == "append":
                items.append(n)
            else:
                bell.ring()
                heard += bell.wait(10)
    finally:
        over.set()
        other.join()
        signal.signal(signal.SIGUSR1, before)
    mine = [n for n in (items if call == "append" else _all(queue)) if n >= 0]
    assert struck
    assert heard == MANY if call == "ring" else mine == list(range(MANY))


def test_a_lock_that_is_free_refuses_its_release_and_stays_free():
    lock = Lock()

    with pytest.raises(RuntimeError):
        lock.release()
    assert lock.acquire(False)
    assert not lock.acquire(False)


def test_a_lock_that_several_release_is_free_after_the_last():
    """Else a wake-up would be lost, on a build without the GIL."""
    bell = Bell()
    heard = 0
    ended = [False, False]

    def ring(who: int) -> None:
        for _ in range(MANY):
            bell.ring()
        ended[who] = True

    def hear() -> None:
        nonlocal heard
        while not all(ended):
            heard += bell.wait(0)

    at_once(lambda: ring(0), lambda: ring(1), hear)
    while bell.wait(0):  # without the GIL two rings at once may be two
        heard += 1
    assert heard
    bell.ring()

    assert bell.wait(10)
    assert not bell.wait(0)


def _all(queue: SimpleQueue[int]) -> Iterator[int]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


def test_a_finalizer_and_a_weakref_callback_may_put_inside_a_put():
    queue: SimpleQueue[object] = SimpleQueue()

    class Posts:
        def __del__(self) -> None:
            queue.put("finalizer")

    class Cycle:
        def __init__(self) -> None:
            self.me = self

    old = gc.get_threshold()
    gc.set_threshold(5)
    kept: list[weakref.ref[Cycle]] = []
    try:
        for n in range(300):
            cycle = Cycle()
            kept.append(weakref.ref(cycle, lambda dead: queue.put("callback")))
            cycle.posts = Posts()  # type: ignore[attr-defined]
            del cycle
            queue.put([n])  # a list: what is allocated on the way may start the collector
    finally:
        gc.set_threshold(*old)
    gc.collect()

    got = [queue.get_nowait() for _ in range(queue.qsize())]
    assert [each for each in got if isinstance(each, list)] == [[n] for n in range(300)]
    assert got.count("finalizer") == got.count("callback") == 300


def test_a_thread_that_has_the_c_rlock_takes_it_again_and_others_wait():
    lock = RLock()
    assert type(lock).__module__ == "_thread", "the one of C: the one of Python is left by a Ctrl-C in its lines"
    got: list[bool] = []

    class Enters:
        def __del__(self) -> None:
            with lock:
                got.append(True)

    with lock:
        enters = Enters()
        del enters
        refused: list[bool] = []
        at_once(lambda: refused.append(lock.acquire(blocking=False)))

    assert got == [True]
    assert refused == [False]
    assert lock.acquire(blocking=False)
    lock.release()


def test_one_of_two_first_comers_wins_in_setdefault():
    # What a ViewModel has inside is made so: the loser's is dropped.
    for _ in range(200):
        kept: dict[str, object] = {}
        seen: list[object] = []

        def look(kept: dict[str, object] = kept, seen: list[object] = seen) -> None:
            seen.append(kept.setdefault("inside", object()))

        at_once(look, look)
        assert seen[0] is seen[1] is kept["inside"]


def test_of_two_who_pop_a_key_with_a_default_one_gets_the_value():
    # The calls that a channel gives out again: no two callers have the same.
    spare: dict[type, list[int]] = {int: []}
    shared: list[int] = []

    def use() -> None:
        for _ in range(MANY):
            mine = spare.pop(int, None)
            if mine is not None:
                mine.append(0)
                shared.extend(mine[1:])  # what another one has put there who holds it, too
                mine.pop()
                spare[int] = mine

    at_once(use, use, use)

    assert shared == []
    assert spare == {int: []}


def test_a_copy_of_a_dict_is_taken_while_another_thread_changes_it():
    # `live_queues` and the reset after a fork rest on it.
    kept = dict.fromkeys(range(50))
    over = threading.Event()

    def change() -> None:
        for n in range(50, MANY):
            kept[n] = None
            kept.pop(n - 50)
        over.set()

    def look() -> None:
        while not over.is_set():
            assert 49 <= len(kept.copy()) <= 51

    at_once(change, look)
