"""run_test: how a test is spelled, what fails it, what it leaves behind, and what is no test."""

from __future__ import annotations

import inspect
import signal
import threading
import unittest
from contextvars import ContextVar

import pytest

from tests.steer import struck
from vmscope import (
    CancellationException,
    CompletableDeferred,
    CoroutineExceptionHandler,
    CoroutineName,
    CoroutineScope,
    Dispatchers,
    IllegalStateError,
    Job,
    NonCancellable,
    SupervisorJob,
    add_global_exception_handler,
    await_cancellation,
    current_context,
    delay,
    launch,
    run_blocking,
    suspend,
    with_context,
    yield_,
)
from vmscope.testing import (
    LeakedFailureError,
    StandardTestDispatcher,
    TestScheduler,
    TestScope,
    UncompletedCoroutinesError,
    _scope as scope_room,
    run_test,
)
from vmscope.testing._events import EventQueue


class Boom(Exception):
    pass


def fail(message="boom"):
    raise Boom(message)


# ---- spellings


def test_a_block_is_a_generator_an_async_def_or_plain_and_gives_its_value():
    def generator(scope, more):
        yield from delay(1)
        return scope.current_time + more

    async def native(scope, more):
        await delay(1)
        return scope.current_time + more

    def plain(scope, more):
        return scope.current_time + more

    assert run_test(generator, 10) == 11
    assert run_test(native, 10) == 11
    assert run_test(plain, 10) == 10


def test_a_ready_block_runs_too():
    async def native():
        await delay(2)
        return "done"

    assert run_test(native()) == "done"


RAN = []


@run_test
def test_a_generator_is_a_test_with_a_bare_decorator(scope):
    yield from delay(1)
    assert scope.current_time == 1


@run_test
async def test_an_async_def_is_a_test_with_a_bare_decorator(scope):
    await delay(1)
    assert scope.current_time == 1


@run_test(timeout=5.0)
async def test_a_decorator_takes_arguments_and_leaves_the_fixtures_to_pytest(scope, tmp_path, number=3):  # noqa: PT028
    await delay(1)
    assert tmp_path.is_dir()
    assert number == 3


class TestMethods:
    @run_test
    def test_a_method_has_self_before_the_scope(self, scope, tmp_path):
        yield from delay(1)
        assert isinstance(self, TestMethods)
        assert scope.current_time == 1
        assert tmp_path.is_dir()


def test_a_decorated_test_is_run_by_unittest():
    class Case(unittest.TestCase):
        @run_test
        async def test_it(self, scope):
            await delay(1)
            self.assertEqual(scope.current_time, 1)  # noqa: PT009  (a test of unittest)

        @run_test
        def test_failing(self, scope):
            yield from delay(1)
            self.fail("on purpose")

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)

    assert result.testsRun == 2
    assert result.errors == []
    assert ["on purpose" in text for _, text in result.failures] == [True]


def test_a_plain_call_below_a_definition_is_no_decoration():
    def body(scope):
        return "ran"

    assert run_test(body) == "ran"
    assert run_test(lambda scope: "ran") == "ran"


@run_test
@suspend
def test_a_marked_generator_can_be_decorated(scope):
    yield from delay(1)
    assert scope.current_time == 1


def test_a_plain_call_in_a_later_input_of_a_prompt_is_no_decoration():
    names = {"run_test": run_test}
    exec(compile("def body(scope):\n    return 'ran'\n", "<stdin>", "single"), names)
    exec(compile("answer = run_test(body)\n", "<stdin>", "single"), names)

    assert names["answer"] == "ran"


def test_a_decorated_function_without_a_scope_is_refused():
    with pytest.raises(TypeError, match="first parameter is to be the TestScope"):

        @run_test
        def no_scope():
            pass


def test_a_decorated_function_may_take_whatever_there_is():
    seen = []

    def test(*given):
        seen.append(given)

    decorated = run_test(timeout=5)(test)
    decorated("a fixture")

    (scope, fixture), = seen
    assert isinstance(scope, TestScope)
    assert fixture == "a fixture"
    assert str(inspect.signature(decorated)) == "(*given)"


def test_context_variables_of_the_caller_are_seen():
    variable = ContextVar("variable", default="unset")
    scope = TestScope()
    variable.set("set")

    assert scope.run_test(lambda _: variable.get()) == "set"


# ---- what fails a test


def test_a_failing_child_fails_the_test_and_cancels_the_body():
    seen = []

    def body(scope):
        launch(fail)
        try:
            yield from await_cancellation()
        except CancellationException:
            seen.append("cancelled")
            raise

    with pytest.raises(Boom):
        run_test(body)

    assert seen == ["cancelled"]


def test_a_failure_in_an_unrelated_scope_fails_the_test_at_its_end_and_names_it():
    ended = []

    def body(scope):
        other = CoroutineScope(Job() + StandardTestDispatcher(scope.scheduler))
        other.launch(fail, name="loader")
        yield from delay(1)
        ended.append(scope.current_time)

    with pytest.raises(Boom) as hit:
        run_test(body)

    assert ended == [1]
    note = hit.value.__notes__[0]
    assert "'loader', launched at test_run_test.py:" in note
    assert "test_a_failure_in_an_unrelated_scope" in note


def test_further_failures_are_suppressed_in_the_first():
    def body(scope):
        other = CoroutineScope(SupervisorJob() + StandardTestDispatcher(scope.scheduler))
        other.launch(fail, "one")
        other.launch(fail, "two")
        yield from delay(1)
        fail("body")

    with pytest.raises(Boom, match="body") as hit:
        run_test(body)

    assert [str(other) for other in hit.value.suppressed] == ["one", "two"]


def test_a_failure_on_a_real_thread_is_charged_to_the_test_too():
    def body(scope):
        yield from CoroutineScope(Dispatchers.IO).launch(fail).join()

    with pytest.raises(Boom):
        run_test(body)


def test_a_failure_with_a_handler_of_its_own_fails_nothing():
    seen = []

    def body(scope):
        handler = CoroutineExceptionHandler(lambda context, error: seen.append(str(error)))
        other = CoroutineScope(SupervisorJob() + StandardTestDispatcher(scope.scheduler) + handler)
        yield from other.launch(fail).join()

    run_test(body)

    assert seen == ["boom"]


def test_while_a_coroutine_outlives_its_test_the_failures_of_others_go_where_they_went(uncaught):
    left = CoroutineScope(SupervisorJob() + StandardTestDispatcher(TestScheduler()))

    run_test(lambda scope: left.launch(await_cancellation))
    elsewhere = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)
    seen = []
    handle = add_global_exception_handler(lambda context, failure: seen.append(str(failure)))
    elsewhere.launch(fail, "one")
    handle.dispose()
    elsewhere.launch(fail, "two", name="late")
    left.cancel()

    assert seen == ["one"]
    (failure,) = uncaught
    assert str(failure) == "two"
    assert failure.__notes__ == ["in coroutine 'late'"]
    uncaught.clear()


def test_a_failure_after_its_test_was_over_names_the_test_that_leaked():
    scheduler = TestScheduler()

    def leaking(scope):
        late = CoroutineScope(SupervisorJob() + StandardTestDispatcher(scheduler))
        late.launch(lambda: (yield from delay(1)) or fail("too late"), name="sleeper")

    run_test(leaking)
    scheduler.advance_until_idle()

    with pytest.raises(LeakedFailureError, match=r"test_a_failure_after.*'sleeper'.*too late") as hit:
        run_test(lambda scope: None)
    assert isinstance(hit.value.__cause__, Boom)
    run_test(lambda scope: None)  # said once


def test_outside_of_tests_failures_go_their_usual_way(uncaught):
    run_test(lambda scope: None)

    run_blocking(lambda: CoroutineScope(Dispatchers.Default).launch(fail).join())

    assert isinstance(uncaught.pop(), Boom)


def test_what_fails_outside_of_tests_while_one_is_outlived_goes_its_usual_way_with_its_name(uncaught):
    scheduler, left = TestScheduler(), []

    def leaking(scope):
        left.append(CoroutineScope(StandardTestDispatcher(scheduler)).launch(await_cancellation))
        scheduler.run_current()

    run_test(leaking)

    run_blocking(lambda: CoroutineScope(Dispatchers.Default).launch(fail, name="stranger").join())

    assert uncaught.pop().__notes__ == ["in coroutine 'stranger'"]
    left[0].cancel()
    scheduler.run_current()
    run_test(lambda scope: None)  # nobody is outlived any more: the tests hear no more of what fails outside


def test_a_global_handler_of_the_program_still_hears():
    seen = []
    handle = add_global_exception_handler(lambda context, error: seen.append(str(error)))

    def body(scope):
        yield from CoroutineScope(SupervisorJob() + StandardTestDispatcher(scope.scheduler)).launch(fail).join()

    with pytest.raises(Boom):
        run_test(body)
    handle.dispose()

    assert seen == ["boom"]


def test_tests_on_two_threads_are_charged_each_its_own():
    outcomes = {}

    def test(name):
        def body(scope):
            other = CoroutineScope(SupervisorJob() + StandardTestDispatcher(scope.scheduler))
            yield from other.launch(fail, name).join()

        try:
            run_test(body)
        except Boom as error:
            outcomes[name] = str(error)

    threads = [threading.Thread(target=test, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == {"one": "one", "two": "two", "three": "three"}


def leak(scheduler, message):
    """A test that passes, and leaves a coroutine behind that fails a second later."""

    def leaking(scope):
        late = CoroutineScope(SupervisorJob() + StandardTestDispatcher(scheduler))
        late.launch(lambda: (yield from delay(1)) or fail(message), name="sleeper")

    run_test(leaking)


def test_a_failure_of_an_earlier_test_that_comes_during_this_one_fails_it_beside_its_own():
    scheduler = TestScheduler()
    leak(scheduler, "too late")

    def body(scope):
        scheduler.advance_until_idle()
        fail("my own")

    with pytest.raises(Boom, match="my own") as hit:
        run_test(body)

    (late,) = hit.value.suppressed
    assert isinstance(late, LeakedFailureError)
    assert str(late.__cause__) == "too late"


def test_a_failure_is_charged_to_the_block_where_no_runner_gives_a_name(monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")

    def nameless(scope):
        yield from CoroutineScope(StandardTestDispatcher(scope.scheduler)).launch(fail).join()

    with pytest.raises(Boom) as hit:
        run_test(nameless)

    assert hit.value.__notes__[0].endswith("charged to " + nameless.__qualname__)


def test_a_ctrl_c_in_between_ends_the_test_in_order():
    seen = []

    def body(scope):
        scope.background_scope.launch(waiting, "background")
        yield from waiting("body")

    def waiting(name):
        try:
            yield from await_cancellation()
        finally:
            seen.append(name)

    with struck(EventQueue.wait, lambda: signal.default_int_handler(signal.SIGINT, None)) as met:
        with pytest.raises(KeyboardInterrupt):
            run_test(body)

    assert met
    assert seen == ["body", "background"]
    assert run_test(lambda scope: "the next one") == "the next one"


# ---- background


def test_background_work_is_cancelled_when_the_body_is_over_and_cleans_up():
    seen = []

    def forever(scope):
        try:
            while True:
                yield from delay(1)
        finally:
            seen.append(scope.current_time)

    def body(scope):
        scope.background_scope.launch(forever, scope)
        yield from delay(2.5)

    run_test(body)

    assert seen == [2.5]


def test_a_failure_in_the_background_fails_the_test_and_spares_its_siblings():
    def body(scope):
        scope.background_scope.launch(fail, "bg")
        sibling = scope.background_scope.launch(await_cancellation)
        yield from delay(1)
        assert sibling.is_active

    with pytest.raises(Boom, match="bg"):
        run_test(body)


# ---- the limit in real time


def test_at_its_limit_a_test_fails_with_what_hangs_and_where():
    def waits_here():
        yield from await_cancellation()

    def body(scope):
        launch(waits_here, name="stuck")

    with pytest.raises(UncompletedCoroutinesError) as hit:
        run_test(body, timeout=0.1)

    text = str(hit.value)
    assert text.startswith("After waiting for 100ms, there were active child jobs")
    assert "background_scope" in text
    assert "StandaloneCoroutine 'stuck' active" in text
    assert "test_run_test.py" in text.partition("coroutines in")[2]


def test_at_its_limit_a_body_that_waits_is_cancelled_and_cleans_up():
    seen = []

    def body(scope):
        try:
            yield from await_cancellation()
        finally:
            seen.append("cleaned up")

    with pytest.raises(UncompletedCoroutinesError, match="the test body did not run to completion"):
        run_test(body, timeout=0.1)

    assert seen == ["cleaned up"]


def let_end(gate, scope):
    """Let what waits for `gate` end after all: while it lives, the tests hear of what fails outside of them."""
    gate.complete()
    scope.advance_until_idle()
    run_test(lambda _: None)


def test_what_refuses_to_end_at_the_limit_does_not_hang_the_suite(monkeypatch):
    monkeypatch.setattr(scope_room, "GRACE", 0.03)

    gate, scopes = CompletableDeferred(), []

    def body(scope):
        scopes.append(scope)
        yield from with_context(NonCancellable, gate.await_)

    with pytest.raises(UncompletedCoroutinesError) as hit:
        run_test(body, timeout=0.1)

    assert "did not end within" in hit.value.__notes__[0]
    let_end(gate, scopes[0])


def test_a_child_that_was_cancelled_and_does_not_end_is_named_at_the_limit(monkeypatch):
    monkeypatch.setattr(scope_room, "GRACE", 0.03)

    gate, scopes = CompletableDeferred(), []

    def body(scope):
        scopes.append(scope)
        child = launch(with_context, NonCancellable, gate.await_, name="stubborn")
        yield from yield_()
        child.cancel()

    with pytest.raises(UncompletedCoroutinesError, match=r"there were child jobs: .*'stubborn' cancelling"):
        run_test(body, timeout=0.1)

    let_end(gate, scopes[0])


def test_what_ends_as_the_limit_strikes_was_too_slow_and_nothing_else():
    left = []

    def body(scope):
        left.append(Job(scope._body))

    with struck(scope_room._what_hangs, lambda: left[0].complete()) as met:
        with pytest.raises(UncompletedCoroutinesError, match="the test completed, but only after the timeout") as hit:
            run_test(body, timeout=0.1)

    assert met
    assert hit.value.__cause__ is None


def test_the_default_limit_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv(scope_room.TIMEOUT_VARIABLE, "2.5")
    assert scope_room._default_timeout() == 2.5

    monkeypatch.setenv(scope_room.TIMEOUT_VARIABLE, "soon")
    with pytest.raises(ValueError, match="VMSCOPE_RUN_TEST_TIMEOUT='soon'"):
        scope_room._default_timeout()


# ---- the scope


def test_the_scope_brings_its_scheduler_and_a_queueing_dispatcher():
    def body(scope):
        context = current_context()
        assert context[TestScheduler] is scope.scheduler
        assert repr(context[CoroutineName]) == "CoroutineName('named')"
        order = []
        launch(order.append, "launched")
        order.append("went on")
        yield from delay(0.1)
        return order

    assert run_test(body, context=CoroutineName("named")) == ["went on", "launched"]


def test_a_scope_without_a_test_body_is_a_context_manager():
    seen = []
    with TestScope() as scope:
        scope.launch(lambda: (yield from delay(1)) or seen.append("ran"))
        scope.launch(await_cancellation)
        scope.advance_until_idle()

    assert seen == ["ran"]
    assert not scope.is_active


def test_a_failure_in_a_scope_without_a_body_is_raised_at_its_end():
    with pytest.raises(Boom):
        with TestScope() as scope:
            scope.launch(fail)
            scope.run_current()


# ---- misuse


def test_a_scope_is_entered_once():
    with TestScope() as scope:
        with pytest.raises(IllegalStateError, match="which was entered before"):
            with scope:
                pass
        assert scope.is_active


def test_a_test_in_a_test_is_refused():
    with pytest.raises(IllegalStateError, match="coroutine_scope"):
        run_test(lambda scope: run_test(lambda inner: None))
    run_test(lambda scope: None)  # and leaves nothing behind


def test_a_scope_runs_one_test():
    scope = TestScope()
    scope.run_test(lambda _: None)

    with pytest.raises(IllegalStateError, match="Make a TestScope for each"):
        scope.run_test(lambda _: None)


def test_an_exception_handler_is_refused():
    with pytest.raises(ValueError, match="CoroutineExceptionHandler was passed to TestScope"):
        TestScope(CoroutineExceptionHandler(print))


def test_a_dispatcher_that_is_not_for_tests_is_refused():
    with pytest.raises(ValueError, match=r"must implement TestDispatcher: Dispatchers\.IO"):
        TestScope(Dispatchers.IO)


def test_two_schedulers_in_one_scope_are_refused():
    with pytest.raises(ValueError, match="linked to another scheduler"):
        TestScope(StandardTestDispatcher() + TestScheduler())


def test_two_schedulers_in_one_test_are_refused_where_they_meet():
    def body(scope):
        yield from with_context(StandardTestDispatcher(), delay, 1)

    with pytest.raises(IllegalStateError, match=r"StandardTestDispatcher\(scope.scheduler\)"):
        run_test(body)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_limit_must_be_more_than_nothing(timeout):
    with pytest.raises(ValueError, match="timeout"):
        run_test(lambda scope: None, timeout=timeout)


@pytest.mark.parametrize("block", [3, "text", None.__class__])
def test_what_is_no_block_is_refused(block):
    if block is type(None):
        with pytest.raises(TypeError):
            run_test(block, 1, 2, 3)
    else:
        with pytest.raises(TypeError, match="block"):
            run_test(block)
