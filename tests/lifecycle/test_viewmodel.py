"""ViewModel: closeables, clearing, and what does not depend on a main thread."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from vmscope import CancellationException, CoroutineScope, Dispatchers, Job, ViewModel, await_cancellation
from vmscope.lifecycle import _viewmodel


class Res:
    """Writes down that it was closed."""

    def __init__(self, log: list[str], name: str, failure: BaseException | None = None) -> None:
        self.log = log
        self.name = name
        self.failure = failure

    def close(self) -> None:
        self.log.append(f"close {self.name}")
        if self.failure is not None:
            raise self.failure


class Logged(ViewModel):
    """Forgets super().__init__() and logs on_cleared."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def on_cleared(self) -> None:
        self.log.append("on_cleared")


@pytest.fixture
def log() -> list[str]:
    return []


def test_keyed_ones_are_closed_first_then_plain_ones_then_on_cleared_is_called(log: list[str]) -> None:
    class Model(ViewModel):
        def on_cleared(self) -> None:
            log.append("on_cleared")

    model = Model(None, Res(log, "ctor1"), Res(log, "ctor2"))
    model.add_closeable(Res(log, "plain"))
    model.add_closeable("k1", Res(log, "k1"))
    model.add_closeable("k2", Res(log, "k2"))

    model.clear()

    assert log == ["close k1", "close k2", "close ctor1", "close ctor2", "close plain", "on_cleared"]


def test_a_second_clear_does_nothing(log: list[str]) -> None:
    model = Logged(log)
    model.add_closeable(Res(log, "one"))

    model.clear()
    model.clear()

    assert log == ["close one", "on_cleared"]
    assert model.is_cleared


def test_a_clear_from_within_the_clear_does_nothing(log: list[str]) -> None:
    model = Logged(log)
    model.add_closeable(model.clear)
    model.add_closeable(Res(log, "one"))

    model.clear()

    assert log == ["close one", "on_cleared"]


def test_a_keyed_one_that_is_replaced_is_closed(log: list[str]) -> None:
    model = ViewModel()
    new, same = Res(log, "new"), Res(log, "same")

    model.add_closeable("k", Res(log, "old"))
    model.add_closeable("k", new)
    model.add_closeable("s", same)
    model.add_closeable("s", same)  # as in AndroidX: closed though it stays

    assert model.get_closeable("k") is new
    assert model.get_closeable("none") is None
    log.append("clear")
    model.clear()
    assert log == ["close old", "close same", "clear", "close new", "close same"]


def test_the_same_plain_one_is_closed_once(log: list[str]) -> None:
    model = ViewModel()
    one = Res(log, "one")

    model.add_closeable(one)
    model.add_closeable(one)
    model.add_closeable(one.close)  # a bound method: another object at each look
    model.add_closeable(one.close)
    model.clear()

    assert log == ["close one", "close one"]


def test_equal_closeables_are_two_and_may_be_unhashable(log: list[str]) -> None:
    class Equal(Res):
        def __eq__(self, other: object) -> bool:
            raise AssertionError("nobody asks")

    model = ViewModel()
    model.add_closeable(Equal(log, "one"))
    model.add_closeable(Equal(log, "two"))
    model.clear()

    assert log == ["close one", "close two"]


def test_what_is_added_after_clear_is_closed_at_once_and_not_kept(log: list[str]) -> None:
    model = ViewModel()
    model.add_closeable("k", Res(log, "early"))
    model.clear()
    early = model.get_closeable("k")

    model.add_closeable(Res(log, "plain"))
    model.add_closeable("k", Res(log, "keyed"))
    model.add_closeable("new", Res(log, "new"))

    assert log == ["close early", "close plain", "close keyed", "close new"]
    assert model.get_closeable("k") is early
    assert model.get_closeable("new") is None


def test_close_exit_and_call_are_all_ways_to_be_closed(log: list[str]) -> None:
    class Manager:
        def __enter__(self) -> Manager:
            return self

        def __exit__(self, *raised: object) -> None:
            log.append(f"exit {raised}")

    model = ViewModel()
    buffer = io.StringIO()
    scope = CoroutineScope(Job())

    model.add_closeable(buffer)
    model.add_closeable(buffer.close)
    model.add_closeable(Manager().__enter__())
    model.add_closeable(lambda: log.append("called"))
    model.add_closeable(scope)
    model.clear()

    assert buffer.closed
    assert log == ["exit (None, None, None)", "called"]
    assert not scope.is_active


@pytest.mark.parametrize("thing", [42, None, "text", object()])
def test_what_cannot_be_closed_is_refused_when_it_is_added(thing: Any) -> None:
    with pytest.raises(TypeError, match="cannot be closed"):
        ViewModel().add_closeable(thing)
    with pytest.raises(TypeError, match="cannot be closed"):
        ViewModel().add_closeable("k", thing)


def test_a_key_is_a_string(log: list[str]) -> None:
    with pytest.raises(TypeError, match="string as the key"):
        ViewModel().add_closeable(3, Res(log, "r"))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="got 3 arguments"):
        ViewModel().add_closeable("k", Res(log, "r"), 3)  # type: ignore[call-overload]


def test_the_key_of_the_scope_is_not_for_closeables(log: list[str]) -> None:
    """V4, V1: it would close the scope, as what is replaced."""
    model = ViewModel()
    scope = model.view_model_scope

    with pytest.raises(ValueError, match="is the key of view_model_scope"):
        model.add_closeable(_viewmodel._SCOPE_KEY, lambda: None)

    assert scope.is_active
    model.clear()


def test_everything_is_closed_whatever_fails_and_the_failures_come_as_one_group(log: list[str]) -> None:
    class Model(Logged):
        def on_cleared(self) -> None:
            super().on_cleared()
            raise KeyError("c")

    model = Model(log)
    first, second = OSError("a"), ValueError("b")
    model.add_closeable("k", Res(log, "k", first))
    model.add_closeable(Res(log, "one", second))
    model.add_closeable(Res(log, "two"))

    with pytest.raises(ExceptionGroup, match=r"clear\(\) of .*Model failed") as raised:
        model.clear()

    assert log == ["close k", "close one", "close two", "on_cleared"]
    assert raised.value.exceptions[:2] == (first, second)
    assert isinstance(raised.value.exceptions[2], KeyError)
    model.clear()
    assert len(log) == 4


def test_a_failure_that_is_no_exception_makes_it_a_base_exception_group(log: list[str]) -> None:
    model = Logged(log)
    model.add_closeable(Res(log, "one", KeyboardInterrupt()))
    model.add_closeable(Res(log, "two", CancellationException("stop")))

    with pytest.raises(BaseExceptionGroup) as raised:
        model.clear()

    assert not isinstance(raised.value, ExceptionGroup)
    assert log == ["close one", "close two", "on_cleared"]


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_cannot_be_pickled_or_copied(duplicate: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match=r"cannot be pickled or copied.*make a new ViewModel"):
        duplicate(ViewModel())


def test_a_subclass_may_forget_super_init_have_slots_of_its_own_and_rule_its_attributes(log: list[str]) -> None:
    class Strict(ViewModel):
        __slots__ = ("log",)

        def __init__(self) -> None:
            object.__setattr__(self, "log", log)

        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(name)

        def __eq__(self, other: object) -> bool:
            return True

    model = Strict()
    model.add_closeable(Res(log, "one"))
    scope = model.view_model_scope
    model.clear()

    assert log == ["close one"]
    assert scope is model.view_model_scope
    assert not scope.is_active


def test_a_second_base_may_have_a_layout_and_a_new_of_its_own() -> None:
    class Both(ViewModel, int):
        pass

    model = Both.__new__(Both, 5)

    assert model == 5
    assert model.view_model_scope.is_active
    model.clear()


def test_once_it_is_cleared_and_its_coroutines_have_ended_it_is_freed_without_the_collector() -> None:
    gc.disable()
    try:
        model = ViewModel()
        model.add_closeable(lambda: None)
        model.view_model_scope.launch(await_cancellation, context=Dispatchers.Unconfined)
        model.clear()
        gone = weakref.ref(model)
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_a_clear_that_comes_while_something_is_being_added_closes_it_all_the_same(log: list[str]) -> None:
    model = ViewModel()

    class Sly(Res):
        @property
        def close(self) -> Callable[[], None]:  # type: ignore[override]  # looked up before the ViewModel's lock
            model.clear()
            return super().close

    model.add_closeable(Sly(log, "one"))
    model.add_closeable("k", Sly(log, "two"))

    assert log == ["close one", "close two"]


def test_closeables_added_by_many_threads_during_a_clear_are_each_closed_once() -> None:
    closed: list[int] = []
    model = ViewModel()
    gate = threading.Barrier(9)

    def add(first: int) -> None:
        gate.wait()
        for number in range(first, first + 50):
            if number % 2:
                model.add_closeable(f"k{number}", lambda number=number: closed.append(number))
            else:
                model.add_closeable(lambda number=number: closed.append(number))

    threads = [threading.Thread(target=add, args=(n * 100,)) for n in range(8)]
    for thread in threads:
        thread.start()
    gate.wait()
    model.clear()
    for thread in threads:
        thread.join()

    assert sorted(closed) == sorted(n * 100 + i for n in range(8) for i in range(50))


def test_the_key_of_the_scope_is_refused_for_other_closeables():
    with pytest.raises(ValueError, match=r"'vmscope\.view_model_scope' is the key of view_model_scope: give"):
        ViewModel().add_closeable("vmscope.view_model_scope", lambda: None)


def test_failures_belong_to_a_model_and_not_to_its_class():
    with pytest.raises(AttributeError, match="failures belong to a ViewModel, not to its class"):
        ViewModel.failures


def test_methods_of_two_builtin_objects_are_two_closeables() -> None:
    screen, lists = ViewModel(), [[1], [1]]
    for each in lists:
        screen.add_closeable(each.clear)

    screen.clear()

    assert lists == [[], []]


def test_what_was_closed_is_not_kept(log: list[str]) -> None:
    screen, closeable = ViewModel(), Res(log, "held")
    screen.add_closeable(closeable)
    gone = weakref.ref(closeable)

    screen.clear()
    del closeable
    gc.collect()

    assert log == ["close held"]
    assert gone() is None
