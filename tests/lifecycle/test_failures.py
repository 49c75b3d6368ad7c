"""`ViewModel.failures` (row V20): failures as a flow that delivers."""

from __future__ import annotations

import pytest

from tests.steer import beside
from tests.virtual_main import VMain
from vmscope import ViewModel, await_cancellation
from vmscope.lifecycle import _viewmodel


def fail(text: str) -> None:
    raise ValueError(text)


def test_a_failure_waits_for_its_collector_and_reaches_it_once(main: VMain) -> None:
    model, seen = ViewModel(), []
    failures = model.failures

    model.view_model_scope.launch(fail, "before")
    model.view_model_scope.launch(failures.collect, lambda failure: seen.append(str(failure)))
    model.view_model_scope.launch(fail, "after")
    main.drain()

    assert seen == ["before", "after"]
    assert model.failures is failures
    model.clear()
    main.drain()


def test_threads_that_look_at_once_see_one_flow(main: VMain) -> None:
    """V20"""
    model, others = ViewModel(), []
    lock = beside(_viewmodel._inside(model), lambda: others.append(model.failures), taken=1, name="lock")

    assert model.failures is model.failures
    assert lock.met
    assert others == [model.failures]


def test_the_class_has_no_failures() -> None:
    """V20"""
    with pytest.raises(AttributeError, match="not to its class"):
        ViewModel.failures


def test_the_handler_is_told_as_well(main: VMain) -> None:
    model, told = ViewModel(), []
    model.exception_handler = lambda _, failure: told.append(str(failure))

    failures = model.failures
    model.view_model_scope.launch(fail, "boom")
    main.drain()

    assert told == ["boom"]
    assert [str(failure) for failure in failures.pending] == ["boom"]


def test_a_cancellation_is_no_failure(main: VMain) -> None:
    model = ViewModel()
    failures = model.failures

    model.view_model_scope.launch(await_cancellation)
    model.clear()
    main.drain()

    assert failures.pending == ()
