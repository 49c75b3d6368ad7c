"""The guard: ViewModels end with their test, and what does not end fails it by name."""

from __future__ import annotations

import gc
import threading
import unittest
import weakref

import pytest

from tests.testing.test_dispatchers import Slow
from vmscope import (
    CompletableDeferred,
    CoroutineScope,
    Dispatchers,
    IllegalStateError,
    Job,
    Looper,
    MainScope,
    NonCancellable,
    SupervisorJob,
    ViewModel,
    await_cancellation,
    delay,
    with_context,
)
from vmscope.coroutines._main import _main
from vmscope.lifecycle import _viewmodel
from vmscope.testing import (
    LeakedFailureError,
    StandardTestDispatcher,
    TestScheduler,
    UncompletedCoroutinesError,
    ViewModelTest,
    main_dispatcher,
    run_test,
)


class Feed(ViewModel):
    """Polls for ever."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.job = self.view_model_scope.launch(self.poll, name="poll")

    def poll(self):
        try:
            while True:
                self.seen.append("polled")
                yield from delay(1)
        finally:
            yield from with_context(NonCancellable, delay, 5)
            self.seen.append("cleaned up")

    def on_cleared(self):
        self.seen.append("cleared")


class Stubborn(ViewModel):
    """Does not let itself be cancelled, and ends after the test."""

    gates = []

    def start(self):
        gate = CompletableDeferred()
        self.gates.append(gate)
        self.view_model_scope.launch(with_context, NonCancellable, gate.await_, name="stubborn")


@pytest.fixture(autouse=True)
def the_stubborn_end():
    yield
    if not Stubborn.gates:
        return
    with main_dispatcher() as main:
        while Stubborn.gates:
            Stubborn.gates.pop().complete()
        main.scheduler.advance_until_idle()


def test_view_models_of_a_test_are_cleared_and_joined_before_main_is_reset():
    behind = []

    class Asking(Feed):
        def on_cleared(self):
            behind.append(_main.delegate is not None)

    with main_dispatcher() as main:
        feed = Asking()
        main.scheduler.advance_time_by(2.5)

    assert feed.is_cleared
    assert feed.job.is_completed
    assert feed.seen == ["polled"] * 3 + ["cleaned up"]
    assert behind == [True]
    assert _main.delegate is None


def test_run_test_clears_the_view_models_of_its_block():
    made = []

    def body(scope):
        made.append(Feed())
        yield from delay(2.5)

    with main_dispatcher():
        run_test(body)
        assert made[0].is_cleared
        assert made[0].seen[-2:] == ["cleared", "cleaned up"]


def test_a_view_model_is_cleared_when_its_test_fails_too():
    made = []

    def body(scope):
        made.append(Feed())
        yield from delay(1)
        raise ValueError("the test's own")

    with main_dispatcher():
        with pytest.raises(ValueError, match="own"):
            run_test(body)

    assert made[0].job.is_completed


def test_a_coroutine_that_outlives_its_test_fails_that_test_by_name_with_where_it_was_launched():
    with pytest.raises(UncompletedCoroutinesError) as hit:
        with main_dispatcher():
            Stubborn().start()

    text = str(hit.value)
    assert text.startswith("tests/testing/test_view_models.py::test_a_coroutine_that_outlives_its_test")
    assert "'stubborn'" in text
    assert "launched at test_view_models.py:" in text
    assert "in Stubborn.start" in text
    assert _main.delegate is None


def test_what_outlives_run_test_is_told_too():
    made = []

    def body(scope):
        made.append(Stubborn())
        made[0].start()

    with main_dispatcher():
        with pytest.raises(UncompletedCoroutinesError, match="'stubborn'"):
            run_test(body)


def test_a_scope_that_nobody_cancels_is_told_and_then_cancelled():
    with pytest.raises(UncompletedCoroutinesError, match=r"'presenter'.*suspended in.*launched at test_view_models.py"):
        with main_dispatcher():
            job = MainScope().launch(await_cancellation, name="presenter")

    assert job.is_completed


def test_a_failure_of_a_leaked_coroutine_is_not_told_twice():
    def leaking():
        try:
            yield from await_cancellation()
        finally:
            raise ValueError("on the way out")

    with pytest.raises(UncompletedCoroutinesError):
        with main_dispatcher():
            MainScope().launch(leaking)

    with main_dispatcher():
        pass


def test_work_on_a_real_thread_is_joined_as_well():
    entered, go_on = threading.Event(), threading.Event()
    ended = []

    class Loader(ViewModel):
        def load(self):
            self.view_model_scope.launch(self.blocking, context=Dispatchers.IO)

        def blocking(self):
            entered.set()
            go_on.wait(10)
            ended.append("load")

        def on_cleared(self):
            go_on.set()

    with main_dispatcher():
        Loader().load()
        entered.wait(10)

    assert ended == ["load"]


def test_work_on_a_real_thread_that_does_not_end_fails_the_test():
    entered, go_on = threading.Event(), threading.Event()

    class Loader(ViewModel):
        def load(self):
            self.view_model_scope.launch(self.blocking, context=Dispatchers.IO, name="load")

        def blocking(self):
            entered.set()
            go_on.wait(10)

    with pytest.raises(UncompletedCoroutinesError, match="'load'"):
        with main_dispatcher(patience=0.03):
            Loader().load()
            entered.wait(10)

    go_on.set()


def test_what_clearing_raises_fails_the_test_and_spares_the_others():
    class Bad(ViewModel):
        def on_cleared(self):
            raise ValueError("while clearing")

    with pytest.raises(ExceptionGroup, match=r"clear\(\) of .*Bad"):
        with main_dispatcher():
            bad, good = Bad(), Feed()

    assert bad.is_cleared
    assert good.is_cleared


def test_a_failure_in_a_view_model_is_charged_to_its_test():
    class Failing(ViewModel):
        def start(self):
            self.view_model_scope.launch(self.fail, name="start")

        def fail(self):
            raise ValueError("boom")

    def body(scope):
        Failing().start()
        yield from delay(1)

    with main_dispatcher(StandardTestDispatcher()):
        with pytest.raises(ValueError, match="boom") as hit:
            run_test(body)

    assert "launched at test_view_models.py" in hit.value.__notes__[0]


def test_a_failure_outside_of_run_test_is_raised_at_the_end():
    def fail():
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        with main_dispatcher():
            CoroutineScope(SupervisorJob() + Dispatchers.Main).launch(fail)


def test_a_failure_that_the_block_raises_too_is_told_once():
    boom = ValueError("boom")

    def fail(error):
        raise error

    with pytest.raises(ValueError, match="boom") as hit:
        with main_dispatcher():
            scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
            scope.launch(fail, boom)
            scope.launch(fail, KeyError("another"))
            raise boom

    assert [repr(other) for other in hit.value.suppressed] == ["KeyError('another')"]


def test_a_failure_of_the_block_alone_is_raised_as_it_is():
    with pytest.raises(ValueError, match="the block's own") as hit:
        with main_dispatcher():
            raise ValueError("the block's own")

    assert not getattr(hit.value, "suppressed", ())


def leak(scheduler):
    """A test that passes, and leaves a coroutine behind that fails a second later."""

    def late():
        yield from delay(1)
        raise ValueError("too late")

    run_test(lambda scope: CoroutineScope(SupervisorJob() + StandardTestDispatcher(scheduler)).launch(late) and None)


def test_a_failure_of_an_earlier_test_does_not_let_the_guard_open_and_leaves_main_alone():
    scheduler = TestScheduler()
    leak(scheduler)
    scheduler.advance_until_idle()

    with pytest.raises(LeakedFailureError, match="too late"):
        with main_dispatcher():
            pytest.fail("it was to be told before")

    assert _main.delegate is None
    with main_dispatcher():  # it is said once
        pass


def test_a_failure_of_an_earlier_test_that_comes_under_the_guard_is_told_at_its_end():
    scheduler = TestScheduler()
    leak(scheduler)

    with pytest.raises(LeakedFailureError, match="too late"):
        with main_dispatcher():
            scheduler.advance_until_idle()


def test_a_main_that_somebody_is_using_at_the_end_fails_the_test():
    slow = Slow()

    with pytest.raises(IllegalStateError, match="while a test switches it"):
        with main_dispatcher(slow):
            thread = threading.Thread(target=lambda: MainScope().launch(list))
            thread.start()
            slow.inside.wait(10)

    assert _main.delegate is None
    slow.go_on.set()
    thread.join()


class OnWorkers(ViewModel):
    """Waits on the threads that stand behind Main, and cleans up there."""

    def start(self, clean_up):
        began = threading.Event()
        self.view_model_scope.launch(self.wait, began, clean_up, name="on workers")
        began.wait(10)
        return self

    def wait(self, began, clean_up):
        began.set()
        try:
            yield from await_cancellation()
        finally:
            yield from with_context(NonCancellable, clean_up)


def test_with_a_main_of_real_threads_the_guard_waits_for_them():
    ended = []

    def clean_up():
        yield from delay(0.001)
        ended.append("ended")

    with main_dispatcher(Dispatchers.IO.limited_parallelism(1), patience=60):
        OnWorkers().start(clean_up)

    assert ended == ["ended"]


def test_with_a_main_of_real_threads_what_nothing_can_end_fails_the_test_at_once():
    gate = CompletableDeferred()

    with pytest.raises(UncompletedCoroutinesError, match="'on workers'"):
        with main_dispatcher(Dispatchers.IO.limited_parallelism(1), patience=float("inf")):
            OnWorkers().start(gate.await_)

    gate.complete()


def test_a_block_on_a_real_thread_that_has_no_code_of_ours_outlives_its_test_from_an_unknown_place():
    entered, go_on = threading.Event(), threading.Event()

    def rows():
        entered.set()
        yield go_on.wait(10)

    class Loader(ViewModel):
        def load(self):
            self.view_model_scope.launch(list, rows(), context=Dispatchers.IO, name="load")

    with pytest.raises(UncompletedCoroutinesError, match=r"'load'.*launched at an unknown place"):
        with main_dispatcher(patience=0.03):
            Loader().load()
            entered.wait(10)

    go_on.set()


def test_a_view_model_made_as_the_last_guard_closes_is_nobodys():
    with main_dispatcher():
        watch = _viewmodel.watch  # another thread has read it

    model = ViewModel()
    watch(model)

    with main_dispatcher():
        pass
    assert not model.is_cleared


def test_a_shared_scope_of_a_view_model_is_left_alone():
    def body(scope):
        class Shared(ViewModel):
            pass

        Shared(scope.background_scope, own=False)
        yield from delay(1)
        return scope.background_scope.is_active

    with main_dispatcher():
        assert run_test(body)


def test_the_guard_keeps_no_view_model_alive():
    with main_dispatcher() as main:
        feed = ViewModel()
        gone = weakref.ref(feed)
        del feed
        gc.collect()
        assert gone() is None
        assert main is not None


def test_without_a_guard_nothing_watches():
    with main_dispatcher():
        assert _viewmodel.watch is not None
    run_test(lambda scope: None)

    assert _viewmodel.watch is None


def test_view_models_without_a_main_dispatcher_are_joined_on_their_real_threads():
    began, ended = threading.Event(), []

    class Plain(ViewModel):
        def start(self):
            self.view_model_scope.launch(self.wait)

        def wait(self):
            began.set()
            try:
                yield from await_cancellation()
            finally:
                ended.append("ended")

    def body(scope):
        assert Looper.get_main() is None
        Plain().start()
        began.wait(10)

    run_test(body)

    assert ended == ["ended"]


def test_the_mixin_does_the_same_for_unittest():
    made = []

    class Case(ViewModelTest, unittest.TestCase):
        def test_good(self):
            made.append(Feed())
            self.main.scheduler.advance_time_by(2.5)
            self.assertEqual(made[0].seen, ["polled"] * 3)  # noqa: PT009  (a test of unittest)
            self.assertEqual(list(self.view_models), made)  # noqa: PT009

        def test_leaking(self):
            Stubborn().start()

    Case.__test__ = True
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)

    assert made[0].job.is_completed
    assert result.testsRun == 2
    assert result.failures == [] or len(result.failures) == 1
    texts = [text for _, text in (*result.failures, *result.errors)]
    assert len(texts) == 1
    assert "'stubborn'" in texts[0]
    assert Job is not None
