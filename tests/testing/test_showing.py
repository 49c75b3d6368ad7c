"""What the tools for tests say of themselves, in messages and in a debugger."""

from __future__ import annotations

import pytest

from tests.testing.test_flows import Cold
from vmscope import launch
from vmscope.coroutines._main import _main
from vmscope.debug._tree import describe
from vmscope.lifecycle import State
from vmscope.testing import (
    Sequencer,
    ShadowLooper,
    TestLifecycleOwner,
    TestScope,
    main_dispatcher,
    run_test,
    test_flow,
    wait_until_idle,
)


def test_a_shadow_looper_shows_its_looper_and_its_time():
    with ShadowLooper() as shadow:
        shadow.idle_for(2.5)

        assert repr(shadow).startswith("<ShadowLooper of <Looper")
        assert repr(shadow).endswith(" at 2.5 s>")


def test_a_lifecycle_owner_shows_its_state():
    assert repr(TestLifecycleOwner(State.CREATED)) == "<TestLifecycleOwner created>"


def test_a_test_scope_shows_its_time():
    with TestScope() as scope:
        assert repr(scope).startswith("<TestScope at 0 s, ")


def test_what_is_no_function_is_not_made_a_test():
    with pytest.raises(TypeError, match="@run_test stands over a function, got 5"):
        run_test(timeout=1)(5)


def test_background_work_is_told_by_its_context():
    with TestScope() as scope:
        assert "BackgroundWork" in repr(scope.background_scope.coroutine_context)
        assert "BackgroundWork" not in repr(scope.coroutine_context)


def test_what_stands_behind_main_shows_as_what_it_is():
    with main_dispatcher() as main:
        assert repr(_main.delegate) == repr(main)


def test_who_waits_with_a_tool_for_tests_is_shown_with_what_he_waits_for():
    def body(scope):
        sequencer = Sequencer()
        with test_flow(Cold(then_waits=True)) as events:
            waiting = [
                launch(wait_until_idle, 5.0),
                launch(lambda: (yield from sequencer.turn(3))),
                launch(events.await_event),
            ]
            scope.run_current()
            shown = [describe(job) for job in waiting]
            for job in waiting:
                yield from job.cancel_and_join()
        return shown

    idle, turn, event = run_test(body)

    assert "in wait_until_idle" in idle
    assert "in turn 3" in turn
    assert "in a flow's next event" in event
