"""What the tools for tests say of themselves, in messages and in a debugger."""

from __future__ import annotations

import pytest

from vmscope.lifecycle import State
from vmscope.testing import ShadowLooper, TestLifecycleOwner, TestScope, run_test


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
