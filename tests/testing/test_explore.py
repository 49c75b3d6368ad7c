"""The explorer finds the races that it is for, says in which order, and finds nothing where nothing is."""

from __future__ import annotations

import _thread
import dis
import gc
import queue
import select
import sys
import threading
import time

import pytest

from vmscope import Dispatchers, EmptyCoroutineContext, GlobalScope, HandlerThread, run_blocking, with_context
from vmscope.testing import ScheduleError, _explore_locks, explore
from vmscope.testing._explore_places import places_of

TOTAL = 0


def a_counter(locked):
    class Counter:
        value = 0
        lock = threading.Lock()

    def program():
        Counter.value, Counter.lock = 0, threading.Lock()

        def count():
            Counter.value += 1

        def count_locked():
            with Counter.lock:
                Counter.value += 1

        yield (count_locked, count_locked) if locked else (count, count)
        assert Counter.value == 2

    return program


def test_a_lost_update_is_found():
    with pytest.raises(ScheduleError) as found:
        explore(a_counter(locked=False))

    assert found.value.kind == "check"
    assert "Counter.value += 1" in str(found.value)


def test_with_a_lock_all_orders_are_run_and_none_goes_wrong():
    explored = explore(a_counter(locked=True))

    assert explored.complete
    assert explored.by_preemptions[0] == 2
    assert "all" in repr(explored)


def a_late_check():
    box = []

    def put():
        if not box:
            box.append(1)

    yield put, put, put
    assert box == [1]


def test_the_order_that_is_shown_runs_again_from_its_token():
    with pytest.raises(ScheduleError) as first:
        explore(a_late_check)
    tokens = set()
    for _ in range(20):
        with pytest.raises(ScheduleError) as again:
            explore(a_late_check, replay=first.value.token)
        tokens.add((again.value.token, tuple(again.value.steps)))

    assert tokens == {(first.value.token, tuple(first.value.steps))}


def test_the_order_reads_as_a_list_of_who_ran_and_where_each_was_stopped():
    with pytest.raises(ScheduleError) as found:
        explore(a_late_check)

    text = str(found.value)

    assert f"replay={found.value.token!r}" in text
    assert "stopped before" in text
    assert "box.append(1)" in text


def test_a_token_that_is_none_is_refused():
    with pytest.raises(ValueError, match="a token looks like"):
        explore(a_late_check, replay="first one, then the other")


def an_update_that_is_seen_half():
    state, bad = {"a": 0, "b": 0}, []

    def write():
        state["a"] = 1
        state["b"] = 1
        state["a"] = 0

    def look():
        if state["a"] == 1 and state["b"] == 0:
            time.sleep(0)
            if state["b"] == 1:
                bad.append(dict(state))

    yield write, look
    assert not bad


def test_with_too_few_preemptions_it_is_not_found_and_random_orders_find_it():
    explore(an_update_that_is_seen_half, preemptions=0, random=0)

    with pytest.raises(ScheduleError):
        explore(an_update_that_is_seen_half, preemptions=0, most=1, random=300)


def test_the_same_seed_makes_the_same_choices():
    def orders(seed):
        with pytest.raises(ScheduleError) as found:
            explore(an_update_that_is_seen_half, preemptions=0, most=1, random=500, seed=seed)
        return found.value.schedules, found.value.token

    assert orders("x") == orders("x")
    assert len({orders(seed) for seed in range(4)}) > 1


def two_locks():
    first, second = threading.Lock(), threading.RLock()

    def one():
        with first, second:
            pass

    def other():
        with second, first:
            pass

    yield one, other


def test_a_deadlock_says_who_waits_for_what_and_who_has_it():
    with pytest.raises(ScheduleError, match=r"one waits for lock .* which other has") as found:
        explore(two_locks)

    assert found.value.kind == "deadlock"


def test_a_wait_that_nobody_ends_is_a_deadlock():
    def program():
        event = threading.Event()
        yield event.wait, lambda: None

    with pytest.raises(ScheduleError) as found:
        explore(program)

    assert found.value.kind == "deadlock"


def test_what_the_standard_library_makes_of_locks_is_under_control():
    def program():
        inbox, seen, gate = queue.Queue(1), [], threading.Barrier(2)

        def put():
            gate.wait()
            inbox.put("a")
            inbox.put("b")

        def take():
            gate.wait()
            seen.extend((inbox.get(), inbox.get()))

        yield put, take
        assert seen == ["a", "b"]

    explored = explore(program, most=300, random=20)

    assert explored.schedules > 10


def test_threads_that_are_started_on_the_way_take_part():
    def program():
        log = []

        def inner():
            log.append(threading.current_thread().name)

        def start():
            thread = threading.Thread(target=inner, name="inner")
            thread.start()
            thread.join()
            assert not thread.is_alive()
            log.append("joined")

        yield start, start
        assert sorted(log) == ["inner", "inner", "joined", "joined"]
        assert log[0] == "inner"

    assert explore(program, most=300).schedules > 5


def test_time_stands_still_while_anybody_can_run_and_then_jumps():
    def program():
        log = []

        def late():
            time.sleep(3_600)
            log.append("late")

        def early():
            time.sleep(1)
            log.append("early")

        before = time.monotonic()
        yield late, early
        assert log == ["early", "late"]
        assert time.monotonic() - before == 3_600

    assert explore(program).complete


def test_a_timeout_comes_early_only_where_that_is_asked_for():
    def program():
        event, got = threading.Event(), []

        def wait():
            got.append(event.wait(10))

        yield wait, event.set
        assert got == [True]

    assert explore(program).complete
    with pytest.raises(ScheduleError):
        explore(program, any_time=True)


def test_an_exception_in_a_thread_is_told_with_the_thread():
    def program():
        def fail():
            raise ValueError("it broke")

        yield fail, lambda: None

    with pytest.raises(
        ScheduleError, match=r"exception: ValueError: it broke \(test_explore.py:\d+\), in fail"
    ) as found:
        explore(program)

    assert isinstance(found.value.__cause__, ValueError)


def test_threads_that_go_round_for_ever_are_told_of():
    def program():
        flags = []

        def spin():
            while not flags:
                pass

        yield spin, lambda: flags.append(1)

    with pytest.raises(ScheduleError, match="more than 500 points") as found:
        explore(program, steps=500)

    assert found.value.kind == "endless"


def test_a_wait_for_what_is_not_under_control_is_told_of():
    real = threading.Lock()
    real.acquire()

    def program():
        yield real.acquire, lambda: None

    try:
        with pytest.raises(ScheduleError, match="came to no point") as found:
            explore(program, stall=0.2)
    finally:
        real.release()

    assert found.value.kind == "blind"


def test_a_program_that_changes_from_run_to_run_is_told_of():
    runs = []

    def program():
        runs.append(1)
        box = []

        def often():
            for _ in range(len(runs) % 3):
                box.append(1)

        yield often, often

    with pytest.raises(ScheduleError) as found:
        explore(program)

    assert found.value.kind == "unsteady"


@pytest.mark.parametrize(
    "program",
    [lambda: None, lambda: (yield None), lambda: (yield 1, 2)],
    ids=["no generator", "nothing", "no functions"],
)
def test_what_is_no_program_is_refused(program):
    with pytest.raises(ScheduleError, match="TypeError"):
        explore(program)


def test_a_lock_that_stands_in_a_global_is_exchanged_and_put_back():
    module = sys.modules[__name__]
    module.GUARD = guard = threading.Lock()  # type: ignore[attr-defined]

    def program():
        global TOTAL
        TOTAL = 0

        def add():
            global TOTAL
            with module.GUARD:  # type: ignore[attr-defined]
                TOTAL += 1

        yield add, add
        assert TOTAL == 2

    assert explore(program).complete
    assert module.GUARD is guard  # type: ignore[attr-defined]


def test_everything_is_as_before_afterwards():
    before = threading.Lock, threading.Thread.start, time.monotonic, threading.excepthook, queue.SimpleQueue

    with pytest.raises(ScheduleError):
        explore(two_locks)

    after = threading.Lock, threading.Thread.start, time.monotonic, threading.excepthook, queue.SimpleQueue
    assert before == after
    assert run_blocking(with_context, Dispatchers.IO, lambda: "the pool works") == "the pool works"


@pytest.mark.parametrize("frozen", [True, False])
def test_what_the_collector_leaves_alone_is_explored_and_left_so(frozen):
    """No list of the collector's shows it, nor a name in a module."""
    count = eval(compile("lambda seen: seen.update(count=seen['count'] + 1)", __file__, "eval"))

    def program():
        seen = {"count": 0}
        yield lambda: count(seen), lambda: count(seen)
        assert seen["count"] == 2

    usual = gc.get_freeze_count() > 0
    (gc.freeze if frozen else gc.unfreeze)()
    try:
        with pytest.raises(ScheduleError):
            explore(program)
        assert (gc.get_freeze_count() > 0) is frozen
    finally:
        (gc.freeze if usual else gc.unfreeze)()


def test_no_thread_is_left():
    before = set(threading.enumerate())  # no count of them: those of other tests may end meanwhile

    with pytest.raises(ScheduleError):
        explore(two_locks)

    assert set(threading.enumerate()) <= before


def test_a_view_model_of_a_user_is_explored_with_its_threads():
    def program():
        log = []

        def work():
            def body():
                log.append((yield from with_context(Dispatchers.IO, lambda: "from IO")))

            run_blocking(body)

        def beside():
            thread = HandlerThread("beside")
            thread.start()
            thread.handler.post(lambda: log.append("posted"))
            thread.quit_safely()
            thread.join()

        yield work, beside
        assert sorted(log) == ["from IO", "posted"]

    assert explore(program, most=60, random=10).schedules >= 60


def once(*bodies):
    """Run the bodies in the default order, each on a thread of the program."""

    def program():
        yield bodies

    explore(program, preemptions=0, most=1, random=0)


def test_a_lock_does_what_the_real_one_does():
    def body():
        lock = threading.Lock()
        assert not lock.locked()
        assert lock.acquire()
        assert lock.locked()
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=5)
        assert time.monotonic() == before + 5
        lock.release()
        with pytest.raises(RuntimeError, match="release unlocked lock"):
            lock.release()

    before = 1000.0
    once(body)


def test_a_lock_that_is_entered_again_by_its_thread_does_what_the_real_one_does():
    def body():
        lock, told = threading.RLock(), []
        with lock, lock:
            assert lock.locked()

            def other():
                told.append(lock.acquire(blocking=False))
                with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
                    lock.release()

            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        assert told == [False]
        assert not lock.locked()

    once(body)


def test_a_condition_on_a_lock_that_was_entered_twice_lets_go_of_it_whole():
    def program():
        condition, log = threading.Condition(threading.RLock()), []

        def wait():
            with condition, condition:
                while not log:
                    condition.wait()
                log.append("woken")

        def wake():
            with condition:
                log.append("there")
                condition.notify()

        yield wait, wake
        assert log == ["there", "woken"]

    assert explore(program, most=100, random=10).schedules > 2


def test_a_queue_does_what_the_real_one_does():
    def body():
        inbox: queue.SimpleQueue[int] = queue.SimpleQueue()
        assert inbox.empty()
        with pytest.raises(queue.Empty):
            inbox.get_nowait()
        with pytest.raises(queue.Empty):
            inbox.get(timeout=5)
        inbox.put_nowait(1)
        inbox.put(2)
        assert inbox.qsize() == 2
        assert [inbox.get(), inbox.get(timeout=5)] == [1, 2]
        assert queue.SimpleQueue[int]

    once(body)


def test_two_that_wait_for_one_queue_get_an_item_each():
    def program():
        inbox, got = queue.SimpleQueue(), []

        def take():
            got.append(inbox.get())

        def put():
            inbox.put("a")
            inbox.put("b")

        yield take, take, put
        assert sorted(got) == ["a", "b"]

    assert explore(program, most=200, random=20).schedules > 5


def test_a_thread_is_started_once_and_does_not_wait_for_itself():
    def body():
        thread = threading.Thread(target=lambda: time.sleep(5))
        assert not thread.is_alive()
        thread.start()
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
        with pytest.raises(RuntimeError, match="cannot join current thread"):
            threading.current_thread().join()
        thread.join(1)
        assert thread.is_alive()
        thread.join()
        thread.join()
        assert not thread.is_alive()

    once(body)


def test_a_thread_of_an_earlier_order_has_ended():
    left = []

    def program():
        for thread in left[-1:]:
            thread.join()
            assert not thread.is_alive()

        def body():
            left.append(threading.Thread(target=int))
            left[-1].start()

        yield body, lambda: None

    assert explore(program).schedules > 1


def a_timeout_against_its_event():
    event, got = threading.Event(), []
    yield (lambda: got.append(event.wait(10))), event.set
    assert got == [True]


def test_where_nothing_is_watched_a_thread_is_stopped_at_locks_queues_and_threads_alone():
    def rounds():
        lock = threading.Lock()

        def spin():
            while True:
                with lock:
                    pass

        yield spin, spin

    with pytest.raises(ScheduleError, match="more than 100 points"):
        explore(rounds, watch=[dis], steps=100)
    with pytest.raises(ScheduleError, match="nobody can run"):
        explore(two_locks, watch=[dis])
    with pytest.raises(ScheduleError, match="nobody can run"):
        explore(two_locks, watch=[dis], preemptions=0, most=1, random=100)
    with pytest.raises(ScheduleError):
        explore(a_timeout_against_its_event, watch=[dis], preemptions=0, most=1, random=100, any_time=True)


def test_a_token_of_another_program_is_told_of():
    with pytest.raises(ScheduleError, match="thread 9 can run in one run and cannot in another") as found:
        explore(two_locks, watch=[dis], replay="1>9")

    assert found.value.kind == "unsteady"


def test_the_default_order_can_be_run_alone():
    assert explore(a_late_check, replay="default").schedules == 1


def test_what_cleans_up_after_a_fault_neither_waits_nor_fails():
    class Last:
        def __del__(self):
            raise ValueError("from the finalizer")

    def program():
        first, second, inbox = threading.Lock(), threading.RLock(), queue.SimpleQueue()

        def hold():
            with second:
                first.acquire()
                try:
                    first.acquire()
                finally:
                    second.release()
                    with pytest.raises(BaseException, match=r"^$"):
                        inbox.get()
                    threading.excepthook(threading.ExceptHookArgs((ValueError, ValueError("late"), None, None)))
                    Last()
                    raise ValueError("later still")

        yield hold, inbox.get

    with pytest.raises(ScheduleError) as found:
        explore(program)

    assert found.value.kind == "deadlock"


def test_what_a_program_leaves_behind_is_free_and_has_nobody_to_wait_for():
    left = []

    def program():
        lock, entered, inbox, event = threading.Lock(), threading.RLock(), queue.SimpleQueue(), threading.Event()
        other = threading.Lock()
        left.extend((lock, entered, inbox, other))

        def holds():
            lock.acquire()
            entered.acquire()
            other.acquire()
            event.wait()

        yield (holds,)

    with pytest.raises(ScheduleError, match="deadlock"):
        explore(program)
    lock, entered, inbox, other = left[:4]

    assert lock.acquire()  # its holder was given up
    with pytest.raises(RuntimeError, match="made in an exploration, which is over"):
        lock.acquire()
    lock.release()
    with entered:
        assert entered.acquire()
        entered.release()
    with pytest.raises(RuntimeError, match="made in an exploration, which is over"):
        inbox.get()
    inbox.put(1)
    assert inbox.get() == 1
    other.release()
    assert repr(entered).startswith("lock 0.")
    lock.acquire(blocking=False)
    lock._at_fork_reinit()
    assert not lock.locked()


def test_a_single_function_need_not_be_a_tuple():
    def program():
        done = []
        yield lambda: done.append(1)
        assert done

    assert explore(program).complete


def test_a_program_that_yields_twice_is_refused():
    def program():
        yield lambda: None
        yield lambda: None

    with pytest.raises(ScheduleError, match="the program yields once"):
        explore(program)


def test_one_exploration_at_a_time():
    def program():
        yield lambda: explore(a_late_check)

    with pytest.raises(ScheduleError, match="an exploration is going on in this process already"):
        explore(program)


def test_what_dies_unseen_in_a_thread_of_the_program_is_told_of():
    def program():
        def body():
            threading.excepthook(threading.ExceptHookArgs((ValueError, ValueError("unseen"), None, None)))

        yield body, lambda: None

    with pytest.raises(ScheduleError, match=r"uncaught: ValueError\('unseen'\) reached threading.excepthook"):
        explore(program)


def test_what_a_finalizer_in_the_program_raises_goes_where_it_always_goes(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_value))

    class Last:
        def __del__(self):
            raise ValueError("from the finalizer")

    once(lambda: Last() and None)

    assert [str(each) for each in told] == ["from the finalizer"]


def test_the_collector_stays_off_where_it_was_off():
    gc.disable()
    try:
        once(lambda: None)
        assert not gc.isenabled()
    finally:
        gc.enable()


def from_outside(act):
    """Explore a program while a thread that is none of its own does `act(lock, inbox)`; tell what that raised."""
    told, gate = [], _thread.allocate_lock()
    gate.acquire()

    def program():
        lock, inbox = threading.Lock(), queue.SimpleQueue()

        def outside():
            try:
                act(lock, inbox)
            except BaseException as failure:  # noqa: BLE001
                told.append(failure)
            finally:
                gate.release()

        def inside():
            with lock:
                _thread.start_new_thread(outside, ())
                gate.acquire()

        yield (inside,)

    explore(program)
    return told


@pytest.mark.parametrize(
    "act",
    [lambda lock, inbox: inbox.get(), lambda lock, inbox: inbox.get(timeout=60), lambda lock, inbox: lock.acquire()],
    ids=["get", "get with a timeout", "acquire"],
)
def test_a_thread_from_outside_that_would_wait_for_what_is_under_control_is_refused(act):
    (refused,) = from_outside(act)

    assert isinstance(refused, RuntimeError)
    assert "which is no thread of the program that is explored: have other threads at rest" in str(refused)


def test_a_thread_from_outside_may_put_and_take_what_is_there():
    taken = []

    def act(lock, inbox):
        before = time.monotonic()
        time.sleep(0)
        assert time.monotonic() >= before
        inbox.put("from outside")
        taken.append((inbox.get(), inbox.empty(), lock.acquire(blocking=False)))
        with pytest.raises(queue.Empty):
            inbox.get_nowait()

    assert from_outside(act) == []
    assert taken == [("from outside", True, False)]


def test_what_a_thread_from_outside_makes_for_itself_is_real():
    ran = []

    def act(lock, inbox):
        mine, answers = threading.RLock(), queue.SimpleQueue()
        thread = threading.Thread(target=lambda: answers.put("answered"))
        with mine:
            thread.start()
            ran.append(answers.get(timeout=60))
        thread.join()
        assert not thread.is_alive()
        assert threading.Event().wait(0) is False

    assert from_outside(act) == []
    assert ran == ["answered"]


def test_a_worker_that_is_about_to_be_done_is_waited_for():
    """Else it gives its place up in the exploration, and keeps for ever the one that is put back after it."""
    began = threading.Event()

    class Work:
        def run(self):
            began.set()
            time.sleep(0.02)

    Dispatchers.IO.dispatch(EmptyCoroutineContext, Work())
    began.wait()

    explore(two_that_do_nothing)

    assert Dispatchers.IO._running == 0


def test_a_worker_that_stays_at_work_is_not_waited_for_without_an_end(monkeypatch):
    began, go_on = threading.Event(), threading.Event()
    naps = []

    class Work:
        def run(self):
            began.set()
            go_on.wait(20)

    Dispatchers.IO.dispatch(EmptyCoroutineContext, Work())
    began.wait()
    monkeypatch.setitem(_explore_locks._real, "sleep", naps.append)

    explored = explore(two_that_do_nothing)
    go_on.set()

    assert explored.complete
    assert sum(naps) == pytest.approx(1)


def two_that_do_nothing():
    yield int, int


def test_a_thread_from_outside_that_runs_watched_code_does_not_disturb():
    over = []

    def outside():
        while not over:
            short(list(over))
            longer(list(over))

    def program():
        box = []

        def puts():
            for _ in range(20):
                short(box)
                longer(box)

        yield puts, puts
        assert len(box) == 160

    thread = threading.Thread(target=outside)
    thread.start()
    try:
        explored = explore(program, most=10, random=0)
    finally:
        over.append(True)
        thread.join()

    assert explored.schedules == 11


def short(box):
    box.append(1)


def longer(box):
    box.append(1)
    box.append(2)
    box.append(3)


def test_work_on_io_from_outside_is_done_and_its_thread_is_told_of():
    done = []

    def act(lock, inbox):
        before = set(threading.enumerate())
        GlobalScope.launch(done.append, 1, context=Dispatchers.IO)
        for thread in set(threading.enumerate()) - before:
            thread.join()

    with pytest.raises(ScheduleError, match="'vmscope-worker-1', which is no thread of the program") as found:
        from_outside(act)

    assert found.value.kind == "uncaught"
    assert done == [1]


def test_no_bytecode_that_others_can_see_is_unknown():
    # A new version of Python may have a new one. Whatever reads or writes an attribute, a global, a captured variable
    # or an item is to be a place.
    telling = ("ATTR", "GLOBAL", "DEREF", "SUBSCR", "SLICE", "CALL")
    known = """
        LOAD_ATTR STORE_ATTR DELETE_ATTR LOAD_METHOD LOAD_SUPER_ATTR LOAD_GLOBAL STORE_GLOBAL DELETE_GLOBAL LOAD_DEREF
        STORE_DEREF DELETE_DEREF LOAD_CLASSDEREF LOAD_FROM_DICT_OR_DEREF LOAD_FROM_DICT_OR_GLOBALS BINARY_SUBSCR
        STORE_SUBSCR DELETE_SUBSCR BINARY_SLICE STORE_SLICE BUILD_SLICE CALL CALL_KW CALL_FUNCTION_EX CALL_INTRINSIC_1
        CALL_INTRINSIC_2 PRECALL LOAD_SUPER_METHOD SET_FUNCTION_ATTRIBUTE
    """.split()
    found = {
        name
        for name in dis.opmap
        if any(word in name for word in telling) and not name.startswith("INSTRUMENTED") and "ZERO_SUPER" not in name
    }

    assert found <= {*known}


def test_the_places_of_a_function_are_what_others_can_see():
    captured = []

    def sample(box, key):
        with box.lock:
            box.items[key] = len(box.items)
        if captured and isinstance(box, str):
            (lambda: 1)()
            return box[key]
        return [each + 1 for each in (1, 2)]

    told = [place.touches for place in places_of(sample.__code__).values()]

    assert ("attribute", "lock") in told
    assert ("attribute", "items") in told
    assert ("item", "") in told
    assert ("global", "len") in told
    assert ("captured", "captured") in told


class Last:
    """Notes in `places`, at its end, how many steps have been made by then."""

    def __init__(self, places, steps):
        self.places = places
        self.steps = steps

    def __del__(self):
        self.places.append(len(self.steps))


def test_a_thread_that_has_passed_the_baton_on_does_nothing_until_it_is_given_back():
    """Without the GIL, finalizers of what it made ran whenever it came to it, and a run came out another each time."""
    places = []

    def program():
        made, dropped = queue.SimpleQueue(), queue.SimpleQueue()

        def makes():
            for _ in range(20):
                made.put(Last(places, []))
                dropped.get()

        def drops():
            for _ in range(20):
                steps = made.get().steps
                select.select([], [], [], 0.001)  # unseen by the run: the system may let the other thread go on
                steps.append(1)
                dropped.put(True)

        yield makes, drops

    explore(program, replay="default")

    assert places in ([0] * 20, [1] * 20)  # with the GIL at once, else by its maker, when that goes on


def test_of_a_thread_that_has_ended_nothing_is_left_when_another_goes_on():
    places = []

    def program():
        own = threading.local()

        def starts():
            for _ in range(20):
                steps = []

                def ends(steps=steps):
                    own.last = Last(places, steps)

                thread = threading.Thread(target=ends)
                thread.start()
                thread.join()
                for step in range(50):
                    steps.append(step)

        yield starts

    explore(program, replay="default")

    assert places == [0] * 20
