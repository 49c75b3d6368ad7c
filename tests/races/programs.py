"""Small threaded programs, one a race: what they yield runs at once, what stands after it must hold in every order."""

from __future__ import annotations

import time
from typing import Any

from vmscope import (
    CancellationException,
    CompletableDeferred,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineScope,
    CoroutineStart,
    Dispatchers,
    EmptyCoroutineContext,
    Handler,
    IllegalStateError,
    Job,
    Looper,
    MessageQueue,
    RejectedExecutionError,
    SupervisorJob,
    ViewModel,
    ViewModelProvider,
    ViewModelStore,
    as_dispatcher,
    await_all,
    await_cancellation,
    coroutine_scope,
    delay,
    launch,
    run_blocking,
    suspend_cancellable_coroutine,
    suspend_coroutine,
    with_context,
    with_timeout_or_none,
)
from vmscope._errors import suppressed_of
from vmscope.coroutines import _pool
from vmscope.coroutines._dispatcher import LimitedDispatcher, Once
from vmscope.coroutines._job import CANCELLING, COMPLETING, mend
from vmscope.coroutines._pool import Pool
from vmscope.coroutines._timer import shared_timers
from vmscope.looper import _message


def at_once() -> bool:
    """Whether nobody has waited for time to pass: the clock of a run stands still while anybody can run."""
    return time.monotonic() == 1000.0


# ---- view models


def the_first_look_at_a_scope():
    screen, seen = ViewModel(), []

    def look():
        seen.append(screen.view_model_scope)

    yield look, look
    assert seen[0] is seen[1] is screen.view_model_scope


def three_first_looks_at_a_scope():
    screen, seen = ViewModel(), []

    def look():
        seen.append(screen.view_model_scope)

    yield look, look, look
    assert seen == [screen.view_model_scope] * 3


def the_first_look_at_a_scope_of_one_without_init():
    class Screen(ViewModel):
        def __init__(self):
            """Forgets super().__init__()."""

    screen, seen = Screen(), []

    def look():
        seen.append(screen.view_model_scope)

    yield look, look
    assert seen[0] is seen[1] is screen.view_model_scope


def the_first_look_at_a_scope_against_clear():
    screen, seen = ViewModel(), []

    def look():
        seen.append(screen.view_model_scope)

    def clear():
        screen.clear()
        assert not screen.view_model_scope.is_active

    yield look, clear
    assert seen == [screen.view_model_scope]
    assert not seen[0].is_active


def two_looks_against_clear():
    screen, seen = ViewModel(), []

    def look():
        seen.append(screen.view_model_scope)

    yield look, look, screen.clear
    assert seen[0] is seen[1]
    assert not seen[0].is_active


def a_closeable_against_clear():
    screen, closed = ViewModel(), []

    def add():
        screen.add_closeable(lambda: closed.append("plain"))
        screen.add_closeable("key", lambda: closed.append("keyed"))

    yield add, screen.clear
    assert sorted(closed) == ["keyed", "plain"]


def a_scope_is_given_against_the_first_look():
    screen, seen = ViewModel.__new__(ViewModel), []

    def give():
        try:
            screen.__init__(CoroutineScope(Job() + Dispatchers.Unconfined))
        except IllegalStateError:
            pass

    yield give, lambda: seen.append(screen.view_model_scope)
    assert seen[0] is screen.view_model_scope


def the_first_look_at_the_failures():
    screen, seen = ViewModel(), [ViewModel().failures]  # which imports the flows, once for all orders

    def look():
        seen.append(screen.failures)

    yield look, look
    assert seen[1] is seen[2] is screen.failures


def two_clears():
    cleared, raised = [], []

    class Screen(ViewModel):
        def on_cleared(self):
            cleared.append(self.view_model_scope.is_active)

    def fails():
        cleared.append("first")
        raise ValueError("slip")

    def clear():
        try:
            screen.clear()
        except ExceptionGroup as group:
            raised.append(group)

    screen = Screen()
    screen.add_closeable(fails)
    screen.add_closeable(lambda: cleared.append("second"))
    yield clear, clear
    assert cleared == ["first", "second", False]
    assert [str(error) for group in raised for error in group.exceptions] == ["slip"]


def a_launch_against_clear():
    screen, ran = ViewModel(), []
    scope = screen.view_model_scope + Dispatchers.Unconfined

    def begin():
        scope.launch(await_cancellation).invoke_on_completion(ran.append)

    yield begin, screen.clear
    assert [type(cause) for cause in ran] == [CancellationException]
    assert not list(scope.coroutine_context[Job].children)


def a_store_put_against_clear():
    store, screen = ViewModelStore(), ViewModel()

    def put():
        store.put("screen", screen)

    yield put, store.clear
    assert screen.is_cleared == (store.get("screen") is None)


def two_puts_under_one_key():
    store, screens = ViewModelStore(), [ViewModel(), ViewModel()]

    def first():
        store.put("screen", screens[0])

    def second():
        store.put("screen", screens[1])

    yield first, second
    assert [screen for screen in screens if not screen.is_cleared] == [store.get("screen")]


def two_owners_ask_for_one_view_model():
    store, made, given = ViewModelStore(), [], []

    class Screen(ViewModel):
        def __init__(self):
            made.append(self)

    def ask():
        given.append(ViewModelProvider(store).get(Screen, key="screen"))

    yield ask, ask
    assert given == [made[0], made[0]]


def a_view_model_is_made_while_the_store_is_cleared():
    store, log, made = ViewModelStore(), [], []

    class Screen(ViewModel):
        def __init__(self):
            log.append("making")
            made.append(self)

    def ask():
        ViewModelProvider(store).get(Screen, key="screen")
        log.append("made")

    def clear():
        log.append("clear")
        store.clear()
        log.append("cleared")

    yield ask, clear
    assert made[0].is_cleared == (not store.keys())
    if log == ["making", "clear", "cleared", "made"]:
        assert made[0].is_cleared


# ---- jobs


def a_child_attaches_against_cancel():
    parent, children = Job(), []

    def attach():
        children.append(Job(parent))

    def cancel():
        parent.cancel("closing")

    yield attach, cancel
    assert children[0].is_cancelled
    assert children[0].is_completed
    assert str(children[0].get_cancellation_exception()) == "closing"
    assert parent.is_completed


def a_child_attaches_against_the_failure_of_another():
    parent = CompletableDeferred()
    failing, failure, children = CompletableDeferred(parent=parent), ValueError("slip"), []

    def attach():
        children.append(Job(parent))

    def fail():
        failing.complete_exceptionally(failure)

    yield attach, fail
    assert children[0].is_cancelled
    assert children[0].is_completed
    assert children[0].get_cancellation_exception().__cause__ is failure
    assert parent.is_completed


def a_coroutine_attaches_against_cancel():
    scope, ran = CoroutineScope(Dispatchers.Unconfined), []

    def attach():
        scope.launch(await_cancellation).invoke_on_completion(ran.append)

    yield attach, scope.cancel
    assert len(ran) == 1
    assert scope.coroutine_context[Job].is_completed


def a_child_attaches_against_completion():
    parent, children = Job(), []

    def attach():
        children.append(Job(parent))

    yield attach, parent.complete
    child = children[0]
    assert child.is_active != parent.is_completed
    child.complete()
    assert parent.is_completed


def the_last_child_ends_with_its_parent():
    parent, told = Job(), []
    child = Job(parent)
    parent.invoke_on_completion(lambda cause: told.append(child.is_completed))
    yield child.complete, parent.complete
    assert parent.is_completed
    assert told == [True]


def a_completion_that_broke_off_is_mended_as_the_last_child_ends():
    parent, told = Job(), []
    child = Job(parent)
    parent.invoke_on_completion(lambda cause: told.append(child.is_completed))
    parent._state = COMPLETING  # and nothing else came of its `complete()`
    yield lambda: mend(parent), child.complete
    assert parent.is_completed
    assert told == [True]


def a_cancellation_that_broke_off_is_mended_as_its_wait_is_resumed():
    kept = []
    job = CoroutineScope(Dispatchers.Unconfined).launch(suspend_cancellable_coroutine, kept.append)
    job._cause = CancellationException("it broke off")
    job._state = CANCELLING  # and nothing else came of its `cancel()`

    yield lambda: mend(job), lambda: kept[0].try_resume(None)
    assert job.is_completed


def two_last_children_end_with_their_parent():
    parent, told = Job(), []
    first, second = Job(parent), Job(parent)
    parent.invoke_on_completion(told.append)
    yield first.complete, second.complete, parent.complete
    assert parent.is_completed
    assert told == [None]


def a_child_fails_while_its_parent_completes():
    parent, told, failure = Job(), [], ValueError("child")
    child = CompletableDeferred(parent=parent)
    parent.invoke_on_completion(told.append)

    def fail():
        child.complete_exceptionally(failure)

    yield fail, parent.complete
    assert told == [failure]


def two_children_fail():
    first, second = ValueError("first"), ValueError("second")
    told: list[Any] = []
    parent = CompletableDeferred()
    one, other = CompletableDeferred(parent=parent), CompletableDeferred(parent=parent)
    keep = Job(parent)
    parent.invoke_on_completion(told.append)

    def fail():
        one.complete_exceptionally(first)

    def fail_too():
        other.complete_exceptionally(second)

    yield fail, fail_too
    assert len(told) == 1
    assert told[0] in (first, second)
    assert keep.is_cancelled


def four_children_fail():
    failures = [ValueError(number) for number in range(4)]
    told: list[Any] = []
    scope = CoroutineScope(Dispatchers.Unconfined + CoroutineExceptionHandler(lambda _, error: told.append(error)))
    gates = [CompletableDeferred() for _ in range(3)]

    def fails(number):
        yield from gates[number].await_()
        raise failures[number]

    def fails_in_its_cleanup():
        try:
            yield from await_cancellation()
        finally:
            raise failures[3]

    def family():
        for number in range(3):
            launch(fails, number)
        launch(fails_in_its_cleanup)

    job = scope.launch(family)
    yield tuple(gate.complete for gate in gates)
    assert job.is_completed
    assert len(told) == 1
    later = suppressed_of(told[0])
    # A child that the first failure met while it waited was cancelled, and has none of its own.
    assert failures[3] in later
    assert len({id(error) for error in (told[0], *later)}) == 1 + len(later)
    assert {told[0], *later} <= set(failures)


def two_cancels():
    job, told = Job(), []
    causes = [CancellationException("a"), CancellationException("b")]
    job.invoke_on_completion(told.append)
    job.invoke_on_completion(told.append, on_cancelling=True)

    def first():
        job.cancel(causes[0])

    def second():
        job.cancel(causes[1])

    yield first, second
    assert len(told) == 2
    assert told[0] is told[1] is job.get_cancellation_exception()


def complete_against_cancel():
    job, said = Job(), []

    def complete():
        said.append(job.complete())

    yield complete, job.cancel
    assert said == [not job.is_cancelled]
    assert job.is_completed


def complete_against_cancel_of_one_that_is_watched():
    job, said, told = Job(), [], []
    job.invoke_on_completion(told.append)

    def complete():
        said.append(job.complete())

    yield complete, job.cancel
    assert said == [not job.is_cancelled]
    assert [cause is None for cause in told] == said


def two_completions():
    deferred, said = CompletableDeferred(), []

    def first():
        said.append(deferred.complete(1))

    def second():
        said.append(deferred.complete(2))

    yield first, second
    assert sorted(said) == [False, True]


def a_handler_comes_against_the_end():
    job, told = Job(), []

    def add():
        job.invoke_on_completion(told.append)

    yield add, job.complete
    assert told == [None]


def a_cancelling_handler_comes_against_cancel():
    kept, told = [], []
    job = CoroutineScope(Dispatchers.Unconfined).launch(suspend_coroutine(kept.append))  # goes on when it is cancelled

    def add():
        job.invoke_on_completion(told.append, on_cancelling=True)

    yield add, job.cancel
    assert len(told) == 1
    assert not job.is_completed
    kept[0].resume()
    assert len(told) == 1


def a_handler_is_disposed_against_the_end():
    job, told = Job(), []
    handle = job.invoke_on_completion(told.append)
    yield handle.dispose, job.complete
    assert len(told) <= 1
    assert job.is_completed


def a_lazy_job_is_started_twice():
    ran, said = [], []
    scope = CoroutineScope(Dispatchers.Unconfined)
    job = scope.launch(lambda: ran.append("body"), start=CoroutineStart.LAZY)

    def start():
        said.append(job.start())

    yield start, start
    assert sorted(said) == [False, True]
    assert ran == ["body"]


def a_lazy_job_is_started_against_cancel():
    ran = []
    scope = CoroutineScope(Dispatchers.Unconfined)
    job = scope.launch(lambda: ran.append("body"), start=CoroutineStart.LAZY)
    yield job.start, job.cancel
    assert job.is_completed
    assert ran or job.is_cancelled


def a_supervised_child_fails_against_cancel_of_its_sister():
    supervisor, told = SupervisorJob(), []
    handler = CoroutineExceptionHandler(lambda context, error: told.append(error))
    scope = CoroutineScope(supervisor + Dispatchers.Unconfined + handler)
    gate = CompletableDeferred()

    def wait_and_fail():
        yield from gate.await_()
        raise ValueError("child")

    scope.launch(wait_and_fail)
    sister = scope.launch(await_cancellation)
    yield gate.complete, sister.cancel
    assert [str(error) for error in told] == ["child"]
    assert supervisor.is_active
    assert sister.is_completed


# ---- waiting for jobs


def complete_against_await():
    deferred, got = CompletableDeferred(), []

    def wait():
        got.append(run_blocking(deferred.await_))

    def complete():
        deferred.complete(5)

    yield wait, complete
    assert got == [5]
    assert at_once()


def join_against_completion():
    job = Job()

    def wait():
        run_blocking(job.join)
        assert job.is_completed

    yield wait, job.complete
    assert at_once()


def join_of_a_sibling_against_its_end():
    root = Job()
    sibling = Job(root)

    def wait():
        run_blocking(sibling.join, context=root)
        assert sibling.is_completed

    yield wait, sibling.complete
    assert at_once()


def a_join_ends_against_cancel_of_its_coroutine():
    job = Job()
    waiting = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined).launch(job.join)

    yield job.complete, waiting.cancel
    assert waiting.is_completed


def a_scope_block_begins_against_cancel():
    never, ended = Job(), []
    scope = CoroutineScope(Dispatchers.Unconfined)

    def begin():
        scope.launch(coroutine_scope, never.join).invoke_on_completion(ended.append)

    yield begin, scope.cancel
    assert len(ended) == 1


def two_joins_against_cancel():
    job = Job()

    def wait():
        run_blocking(job.join)
        assert job.is_completed

    yield wait, wait, job.cancel
    assert at_once()


def a_wait_begins_against_cancel_of_its_job():
    never, ended = Job(), []
    scope = CoroutineScope(Dispatchers.Unconfined)

    def begin():
        scope.launch(never.join).invoke_on_completion(ended.append)

    yield begin, scope.cancel
    assert len(ended) == 1


def a_handler_comes_as_a_cancelled_job_ends():
    job, ended = Job(), []

    yield job.cancel, lambda: job.invoke_on_completion(ended.append)
    assert len(ended) == 1


def a_handler_comes_behind_one_that_waits_against_cancel():
    never, ended = Job(), []
    job = CoroutineScope(Dispatchers.Unconfined).launch(never.join, start=CoroutineStart.LAZY)
    job.invoke_on_completion(lambda cause: None)
    job.start()

    yield job.cancel, lambda: job.invoke_on_completion(ended.append)
    assert len(ended) == 1


def a_continuation_begins_against_cancel_of_its_job():
    ended = []
    scope = CoroutineScope(Dispatchers.Unconfined)

    def begin():
        scope.launch(suspend_cancellable_coroutine, lambda _: None).invoke_on_completion(ended.append)

    yield begin, scope.cancel
    assert len(ended) == 1


def await_all_against_completions():
    first, second, got = CompletableDeferred(), CompletableDeferred(), []

    def wait():
        got.append(run_blocking(await_all, first, second))

    def complete():
        first.complete(1)

    def complete_too():
        second.complete(2)

    yield wait, complete, complete_too
    assert got == [[1, 2]]
    assert at_once()


def await_against_cancel_of_the_caller():
    deferred, ended = CompletableDeferred(), []
    scope = CoroutineScope(Dispatchers.Unconfined)

    def wait():
        try:
            ended.append((yield from deferred.await_()))
        except CancellationException:
            ended.append("cancelled")
            raise

    job = scope.launch(wait)

    def complete():
        deferred.complete(5)

    yield complete, job.cancel
    assert ended in ([5], ["cancelled"])
    assert job.is_completed


# ---- continuations


def _wait_once(kept, ended):
    try:
        ended.append((yield from suspend_cancellable_coroutine(kept.append)))
    except CancellationException:
        ended.append("cancelled")


def resume_against_cancel():
    kept: list[Any] = []
    ended: list[Any] = []
    said: list[bool] = []
    lost: list[Any] = []
    job = CoroutineScope(Dispatchers.Unconfined).launch(_wait_once, kept, ended)

    def resume():
        said.append(kept[0].try_resume("value", lost.append))

    yield resume, job.cancel
    assert ended == (["value"] if said == [True] else ["cancelled"])
    assert not lost
    assert job.is_completed


def resume_against_resume():
    kept: list[Any] = []
    ended: list[Any] = []
    said: list[bool] = []
    CoroutineScope(Dispatchers.Unconfined).launch(_wait_once, kept, ended)

    def one():
        said.append(kept[0].try_resume("one"))

    def other():
        said.append(kept[0].try_resume("other"))

    yield one, other
    assert sorted(said) == [False, True]
    assert len(ended) == 1


def resume_against_cancel_against_a_cancel_of_the_wait():
    kept: list[Any] = []
    ended: list[Any] = []
    job = CoroutineScope(Dispatchers.Unconfined).launch(_wait_once, kept, ended)

    def resume():
        kept[0].try_resume("value")

    def cancel_wait():
        kept[0].cancel()

    yield resume, job.cancel, cancel_wait
    assert ended in (["value"], ["cancelled"])
    assert job.is_completed


def a_resume_comes_before_the_block_is_over():
    ended: list[Any] = []
    kept: list[Any] = []
    told = CompletableDeferred()

    def hand_out(continuation):
        kept.append(continuation)
        told.complete()

    def wait():
        ended.append((yield from suspend_cancellable_coroutine(hand_out)))

    def begin():
        CoroutineScope(Dispatchers.Unconfined).launch(wait)

    def resume():
        run_blocking(told.join)
        kept[0].resume("value")

    yield begin, resume
    assert ended == ["value"]


def a_cancellation_handler_comes_against_cancel():
    kept: list[Any] = []
    told: list[Any] = []
    job = CoroutineScope(Dispatchers.Unconfined).launch(_wait_once, kept, [])

    def add():
        kept[0].invoke_on_cancellation(told.append)

    yield add, job.cancel
    assert len(told) == 1


def a_value_that_is_resumed_and_lost_is_given_back():
    kept: list[Any] = []
    ended: list[Any] = []
    lost: list[Any] = []
    queue = MessageQueue()
    scope = CoroutineScope(OnQueue(queue))
    job = scope.launch(_wait_once, kept, ended)
    queue.run_due()

    def resume():
        kept[0].resume("value", lost.append)

    yield resume, job.cancel
    queue.run_due()
    assert ended in (["value"], ["cancelled"])
    assert lost == ([] if ended == ["value"] else ["value"])


def cancel_against_resume_against_timeout():
    kept: list[Any] = []
    ended: list[Any] = []

    def body():
        def wait():
            return (yield from suspend_cancellable_coroutine(kept.append))

        try:
            ended.append((yield from with_timeout_or_none(1.0, wait)))
        except CancellationException:
            ended.append("cancelled")

    job = CoroutineScope(Dispatchers.Unconfined).launch(body)

    def resume():
        kept[0].try_resume("value")

    yield resume, job.cancel
    assert len(ended) == 1
    assert ended[0] in ("value", "cancelled", None)
    assert job.is_completed


# ---- message queues and loopers


class OnQueue(CoroutineDispatcher):
    """Runs coroutines when the queue is run."""

    def __init__(self, queue):
        self.queue = queue

    def dispatch(self, context, block):
        self.queue.put(Note(block.run))


class Note:
    """An item of a queue that counts what became of it."""

    asynchronous = False

    def __init__(self, does=lambda: None):
        self.when = 0.0
        self.ran = self.dropped = 0
        self.does = does

    def run(self):
        self.ran += 1
        self.does()

    def rejected(self):
        self.dropped += 1


def put_against_falling_asleep():
    queue, note = MessageQueue(), Note()

    def consume():
        queue.run_until(lambda: note.ran)

    def put():
        queue.put(note)

    yield consume, put
    assert at_once()


def two_puts_against_falling_asleep():
    queue, notes = MessageQueue(), [Note(), Note()]

    def consume():
        queue.run_until(lambda: notes[0].ran + notes[1].ran == 2)

    def put():
        queue.put(notes[0])

    def put_too():
        queue.put_at(notes[1], queue.clock() + 1)

    yield consume, put, put_too
    assert time.monotonic() <= 1001.0


def a_timed_put_against_falling_asleep():
    queue, late, soon = MessageQueue(), Note(), Note()
    queue.put_at(late, queue.clock() + 100)

    def consume():
        queue.run_until(lambda: soon.ran)

    def put():
        queue.put_at(soon, queue.clock() + 1)

    yield consume, put
    assert not late.ran
    assert time.monotonic() <= 1001.0


def a_timed_put_against_a_sleeper_that_woke_for_what_was_taken_back():
    queue, late, gone, soon = MessageQueue(), Note(), Note(), Note()
    queue.put_at(late, queue.clock() + 100)
    queue.put_at(gone, queue.clock() + 1)

    def consume():
        queue.run_until(lambda: soon.ran)

    def put():
        time.sleep(0.5)
        queue.remove(gone)  # nobody wakes the sleeper for that: it will find out
        time.sleep(0.5)
        queue.put_at(soon, queue.clock() + 1)

    yield consume, put
    assert not gone.ran
    assert not late.ran
    assert time.monotonic() <= 1002.0


def a_timed_put_against_a_horizon_that_moves():
    now = [0.0]
    queue = MessageQueue(lambda: now[0])
    order, put = [], []

    class Named:
        asynchronous = False

        def __init__(self, name):
            self.name = name

        def run(self):
            order.append((self.name, bool(put)))

        def rejected(self):
            pass

    queue.put_at(Named("timer at 3"), 3.0)
    queue.run_due()  # it is the horizon now
    for name, now[0] in (("posted at 6", 6.0), ("posted at 8", 8.0)):
        queue.put(Named(name))
    now[0] = 10.0

    def consume():
        queue.run_until(lambda: len(order) == 4)

    def put_before_them():
        queue.put_at(Named("timer at 5"), 5.0)
        put.append(True)

    yield consume, put_before_them
    names = [name for name, _ in order]
    known = next((place for place, (_, was_put) in enumerate(order) if was_put), len(order))
    # The one that runs as the put returns may have been taken before; what comes after it has to wait.
    assert names.index("timer at 5") <= known + 1


def a_wake_against_falling_asleep():
    queue, asked = MessageQueue(), []

    def consume():
        queue.run_until(lambda: asked)

    def wake():
        asked.append(True)
        queue.wake()

    yield consume, wake
    assert at_once()


def a_barrier_is_removed_against_falling_asleep():
    queue, note = MessageQueue(), Note()
    token = queue.post_sync_barrier()
    queue.put(note)

    def consume():
        queue.run_until(lambda: note.ran)

    def remove():
        queue.remove_sync_barrier(token)

    yield consume, remove
    assert at_once()


def a_barrier_is_taken_up_against_puts_and_a_look():
    notes = [Note() for _ in range(4)]
    queue = MessageQueue(lambda: 1.0)
    token = queue.post_sync_barrier()

    def put_and_look():
        for note in notes[:2]:
            queue.put_at(note, 5.0)
        queue.peek_when()

    yield queue.run_due, put_and_look
    for note in notes[2:]:
        queue.put_at(note, 5.0)
    queue.remove_sync_barrier(token)
    assert queue._snapshot() == notes


def _look_against_a_take(look):
    notes = [Note() for _ in range(4)]
    queue = MessageQueue(lambda: 1.0)
    for note in notes[:2]:
        queue.put_at(note, 5.0)

    yield queue.run_due, lambda: look(queue)
    for note in notes[2:]:
        queue.put_at(note, 5.0)
    assert queue._snapshot() == notes


def a_look_at_the_next_time_against_a_take():
    yield from _look_against_a_take(lambda queue: queue.peek_when())


def a_look_at_all_that_is_pending_against_a_take():
    yield from _look_against_a_take(repr)


def two_idle_handlers_come():
    queue, asked = MessageQueue(), []

    yield lambda: queue.add_idle_handler(lambda: asked.append(1)), lambda: queue.add_idle_handler(
        lambda: asked.append(2)
    )
    queue.run_due()
    assert sorted(asked) == [1, 2]


def an_idle_handler_goes_as_another_comes():
    queue, asked = MessageQueue(), []

    def goes():
        asked.append("gone")

    queue.add_idle_handler(goes)
    yield lambda: queue.remove_idle_handler(goes), lambda: queue.add_idle_handler(lambda: asked.append("came"))
    queue.run_due()
    assert asked == ["came"]


def an_idle_handler_has_had_enough_as_another_comes():
    queue, asked = MessageQueue(), []
    queue.add_idle_handler(lambda: asked.append("once"))

    yield queue.run_due, lambda: queue.add_idle_handler(lambda: asked.append("came"))
    queue.put(Note())
    queue.run_due()
    assert sorted(asked) in (["came", "once"], ["came", "came", "once"])
    assert not queue._idle_handlers


def two_would_run_one_queue():
    queue, inside, most, refused = MessageQueue(), [], [], []

    class Runs(Note):
        def run(self):
            inside.append(self)
            most.append(len(inside))
            inside.pop()

    for _ in range(2):
        queue.put(Runs())

    def run():
        try:
            queue.run_due()
        except IllegalStateError:
            refused.append(True)

    yield run, run
    assert most == [1, 1]
    assert not queue._depth
    assert len(refused) < 2


def one_in_front_and_a_later_one_against_a_take():
    queue, front, later, taken = MessageQueue(), Note(), Note(), []

    def put():
        queue.put_front(front)
        queue.put(later)

    def take():
        taken.append(queue.next(timeout=0))

    yield put, take
    assert taken[0] is not later


def put_against_quit():
    queue, note, said = MessageQueue(), Note(), []

    def put():
        said.append(queue.put(note))

    yield put, queue.quit
    queue.run_until()
    assert said == [note.ran + note.dropped == 1]
    assert note.ran + note.dropped <= 1


def put_against_quit_of_an_idle_queue():
    queue, note, said = MessageQueue(), Note(), []

    def put():
        said.append(queue.put(note))

    yield put, queue.quit
    assert said == [note.dropped == 1]


def put_against_quit_against_a_loop():
    queue, note, said = MessageQueue(), Note(), []

    def put():
        said.append(queue.put(note))

    def safely():
        queue.quit(safely=True)

    yield queue.run_until, put, safely
    assert at_once()
    assert said == [note.ran + note.dropped == 1]
    assert note.ran + note.dropped <= 1


def a_timed_put_against_quit():
    queue, note, said = MessageQueue(), Note(), []

    def put():
        said.append(queue.put_at(note, queue.clock() + 5))

    yield put, queue.quit
    assert said == [note.dropped == 1]


def a_timed_put_against_quit_against_a_loop():
    queue, note, said = MessageQueue(), Note(), []

    def put():
        said.append(queue.put_at(note, queue.clock() + 5))

    yield queue.run_until, put, queue.quit
    assert at_once()
    assert said == [note.ran + note.dropped == 1]
    assert note.ran + note.dropped <= 1


def remove_against_a_loop():
    queue, note, last = MessageQueue(), Note(), Note()
    queue.put_at(note, queue.clock())
    queue.put_at(last, queue.clock() + 1)

    def consume():
        queue.run_until(lambda: last.ran)

    def remove():
        queue.remove(note)

    yield consume, remove
    assert note.ran <= 1


def two_threads_prepare_the_main_looper():
    said: list[Any] = []

    def prepare():
        try:
            said.append(Looper.prepare_main())
        except RuntimeError:
            said.append(None)

    yield prepare, prepare
    assert sorted(looper is None for looper in said) == [False, True]
    assert Looper.get_main() in said


def a_launch_on_main_against_quit():
    ended, ready = [], CompletableDeferred()

    def main():
        looper = Looper.prepare_main()
        ready.complete(looper)
        Looper.loop()

    def begin():
        looper = run_blocking(ready.await_)
        job = CoroutineScope(Dispatchers.Main).launch(delay, 1.0)
        job.invoke_on_completion(ended.append)
        looper.quit_safely()

    yield main, begin
    assert len(ended) == 1


# ---- pools and dispatchers


class Task:
    """What a dispatcher runs; says how many of them ran at once."""

    def __init__(self, log):
        self.log = log

    def run(self):
        self.log.append("in")
        self.log.append("out")


class Tell:
    """A block of a dispatcher that tells whether it ran or was refused."""

    def __init__(self, told, name):
        self.told = told
        self.name = name

    def run(self):
        self.told.append((self.name, "ran"))

    def rejected(self):
        self.told.append((self.name, "refused"))


def two_tasks_on_a_pool():
    pool, log = Pool("worker", keep_alive=1.0), []

    def put():
        pool.dispatch(EmptyCoroutineContext, Task(log))

    yield put, put
    assert log.count("out") == 2
    assert pool.is_at_rest()


def a_task_comes_as_the_last_thread_goes():
    pool, log = Pool("worker", keep_alive=1.0), []
    pool.dispatch(EmptyCoroutineContext, Task(log))

    def put():
        pool.dispatch(EmptyCoroutineContext, Task(log))

    def put_too():
        pool.dispatch(EmptyCoroutineContext, Task(log))

    yield put, put_too
    assert log.count("out") == 3
    assert pool.is_at_rest()


def a_task_comes_as_the_pool_is_shut():
    pool, log, said = Pool("worker", keep_alive=1.0), [], []

    def put():
        try:
            pool.dispatch(EmptyCoroutineContext, Task(log))
            said.append(True)
        except RuntimeError:
            said.append(False)

    yield put, pool.shut
    assert said == [bool(log)]
    assert not pool.join(10)


def two_tasks_where_the_system_gives_no_thread():
    pool, told, refusals = Pool("worker", keep_alive=1.0), [], [1, 2]

    def start_refused_twice(target, name):
        try:
            refusals.pop()
        except IndexError:
            return start_thread(target, name)
        raise RuntimeError("can't start new thread")

    def put(name):
        try:
            pool.dispatch(EmptyCoroutineContext, Tell(told, name))
        except RejectedExecutionError:
            told.append((name, "refused"))

    start_thread, _pool.start_thread = _pool.start_thread, start_refused_twice
    try:
        yield lambda: put("a"), lambda: [put("b"), put("c")]
    finally:
        _pool.start_thread = start_thread
    assert sorted(name for name, _ in told) == ["a", "b", "c"], told
    assert pool.is_at_rest()
    pool.shut()
    assert not pool.join(10)


def a_looper_is_held_by_a_block_that_waits_for_it():
    """F41: whenever what it waits for comes to the looper's queue."""
    gate, said = CompletableDeferred(), []

    def blocks():
        looper = Looper.prepare()
        awaited = CoroutineScope(as_dispatcher(Handler(looper))).launch(gate.await_)
        looper.pump()
        try:
            run_blocking(awaited.join)
        except IllegalStateError as refusal:
            said.append("would deadlock" in str(refusal))
        looper.pump()
        said.append(awaited.is_completed)

    yield blocks, gate.complete
    assert said in ([True], [True, True]), said


def a_looper_is_held_by_a_block_whose_child_waits_for_it():
    """F41: the child begins to wait on another thread, after what it waits for has come to the looper's queue."""
    said = []

    def blocks():
        looper = Looper.prepare()
        awaited = CoroutineScope(as_dispatcher(Handler(looper))).async_(int)
        pool = Pool("worker", keep_alive=1.0)
        try:
            run_blocking(with_context, pool, awaited.await_)
        except IllegalStateError as refusal:
            said.append("would deadlock" in str(refusal))
        looper.pump()
        said.append(awaited.is_completed)

    yield blocks, lambda: None
    assert said == [True, True], said


def a_looper_is_held_in_a_message_and_let_go():
    """It has the host that it had, none, and does not count as asleep."""
    gate, after = CompletableDeferred(), []

    def blocks():
        looper = Looper.prepare()

        def holds():
            run_blocking(gate.await_)
            after.append((looper.queue.is_polling(), looper.queue._host))

        Handler(looper).post(holds)
        looper.pump()

    yield blocks, lambda: gate.complete(None)
    assert after == [(False, None)], after


def a_host_leaves_against_a_put():
    """It is called by then, or the loop that follows runs what was put."""
    queue, told = MessageQueue(), []
    item = Note(lambda: told.append("run"))
    queue.set_host(lambda: told.append("called"))
    queue.run_due()

    def leaves():
        queue.set_host(None)
        queue.run_due()

    yield leaves, lambda: queue.put(item)
    queue.run_due()
    assert told.count("run") == 1, told
    assert told.count("called") <= 1, told


def a_host_leaves_against_a_pump():
    """It is told of the time of the next message, or of nothing."""
    made, told = [], []

    def pumps():
        looper = Looper.prepare()
        looper.attach_host(lambda: None, told.append)
        Handler(looper).post_delayed(int, 5.0)
        made.append(looper)
        looper.pump()

    def leaves():
        for looper in made:
            looper.detach_host()

    yield pumps, leaves
    assert told in ([], [5.0]), told


def a_barrier_goes_as_somebody_asks_for_it():
    queue, answers = MessageQueue(), []
    token = queue.post_sync_barrier()
    queue.put(Note())
    queue.run_due()

    def goes():
        queue.remove_sync_barrier(token)
        queue.run_due()

    yield goes, lambda: answers.append(queue.is_blocked_on_barrier)
    assert answers in ([True], [False])


def a_message_is_shown_as_it_is_run():
    _message.pool.clear()  # else it takes one that an earlier run has left, or makes one
    looper, shown = [], []

    def runs():
        mine = Looper.prepare()
        message = Handler(mine).obtain_message(7)
        message.send_to_target()
        looper.append(message)
        mine.pump()

    def shows():
        for message in looper:
            shown.append(repr(message))

    yield runs, shows
    assert all("what=" in text for text in shown), shown


def the_limits_of_slow_messages_are_taken_back_against_a_dispatch():
    """No message fails by it."""
    made, ran = [], []

    def runs():
        looper = Looper.prepare()
        looper.set_slow_log_thresholds(dispatch=1e9, delivery=1e9)
        Handler(looper).post(lambda: ran.append(True))
        made.append(looper)
        looper.pump()

    def takes_back():
        for looper in made:
            looper.set_slow_log_thresholds()

    yield runs, takes_back
    assert ran == [True]


def the_worker_of_a_limited_view_hands_over():
    log = []
    view = LimitedDispatcher(Pool("worker", keep_alive=1.0), 1)

    def put():
        view.dispatch(EmptyCoroutineContext, Task(log))

    yield put, put
    assert log == ["in", "out"] * 2
    assert view._running == 0


def tasks_for_a_view_come_as_its_pool_is_shut():
    pool, told = Pool("worker", keep_alive=1.0), []
    view = LimitedDispatcher(pool, 2)

    def put(name):
        try:
            view.dispatch(EmptyCoroutineContext, Tell(told, name))
        except RejectedExecutionError:
            told.append((name, "refused"))

    yield lambda: [put("a"), put("b")], lambda: put("c"), pool.shut
    assert sorted(name for name, _ in told) == ["a", "b", "c"], told
    assert view._running == 0
    assert not pool.join(10)


def two_puts_that_the_parent_of_a_limited_view_refuses():
    class Refuses(CoroutineDispatcher):
        def dispatch(self, context, block):
            raise LookupError

    view = LimitedDispatcher(Refuses(), 2)

    def put():
        try:
            view.dispatch(EmptyCoroutineContext, Note())
        except LookupError:
            pass

    yield put, put
    assert view._running == 0


def a_limited_view_of_two():
    log, most = [], []
    view = LimitedDispatcher(Pool("worker", keep_alive=1.0), 2)

    class Count:
        def run(self):
            log.append(1)
            most.append(sum(log))
            log.append(-1)

    def put():
        view.dispatch(EmptyCoroutineContext, Count())

    yield put, put, put
    assert len(most) == 3
    assert max(most) <= 2
    assert view._running == 0


def a_stranger_runs_a_coroutine_twice():
    ran = []

    class Body:
        def run(self):
            ran.append(1)

    once = Once(Body())
    yield once.run, once.run
    assert ran == [1]


def the_first_look_at_the_timers():
    seen = []

    def look():
        seen.append(shared_timers())

    yield look, look
    assert seen[0] is seen[1]


def a_hop_against_the_hop_back():
    got = []

    def body():
        got.append((yield from with_context(Dispatchers.IO, lambda: "io")))

    def run():
        run_blocking(body)

    yield (run,)
    assert got == ["io"]
    assert at_once()


def a_hop_against_cancel():
    ended = []
    scope = CoroutineScope(Dispatchers.Default)

    def body():
        try:
            ended.append((yield from with_context(Dispatchers.IO, lambda: "io")))
        except CancellationException:
            ended.append("cancelled")
            raise

    job = scope.launch(body, start=CoroutineStart.LAZY)
    yield job.start, job.cancel
    assert ended in ([], ["io"], ["cancelled"])
    assert job.is_completed


def a_scope_whose_last_child_ends_on_another_thread():
    gate, got = CompletableDeferred(), []

    def body():
        launch(gate.await_, context=Dispatchers.Unconfined)
        return "value"

    def run():
        got.append(run_blocking(coroutine_scope, body))

    yield run, gate.complete
    assert got == ["value"]
    assert at_once()


def children_on_threads_against_cancel():
    began, ended = [], []

    def child(name):
        began.append(name)
        try:
            yield from delay(100.0)
        finally:
            ended.append(name)

    def body():
        launch(child, "one")
        launch(child, "other")

    scope = CoroutineScope(Dispatchers.Default)
    job = scope.launch(coroutine_scope, body)
    yield job.cancel, lambda: run_blocking(job.join)
    assert job.is_completed
    assert sorted(ended) == sorted(began)
