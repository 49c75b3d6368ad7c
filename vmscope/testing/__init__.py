"""Tests without sleeping: virtual time, a main dispatcher for tests, a guard for ViewModels, checks of flows."""

from ._charge import LeakedFailureError, UncompletedCoroutinesError
from ._checks import Sequencer, assert_no_suspension, assert_suspends, wait_until_idle
from ._dispatchers import StandardTestDispatcher, TestDispatcher, UnconfinedTestDispatcher
from ._explore import Exploration, ScheduleError, explore
from ._flows import FlowTest, Recorded, record_values, test_flow
from ._guard import ViewModelGuard, ViewModelTest, main_dispatcher
from ._hang import HangError, coroutines_timeout
from ._lifecycle_owner import TestLifecycleOwner
from ._main import reset_main, set_main
from ._scenario import ViewModelScenario
from ._scheduler import TestScheduler
from ._scope import TestScope, run_test
from ._shadow import ShadowLooper

__all__ = (
    "Exploration",
    "FlowTest",
    "HangError",
    "LeakedFailureError",
    "Recorded",
    "ScheduleError",
    "Sequencer",
    "ShadowLooper",
    "StandardTestDispatcher",
    "TestDispatcher",
    "TestLifecycleOwner",
    "TestScheduler",
    "TestScope",
    "UncompletedCoroutinesError",
    "UnconfinedTestDispatcher",
    "ViewModelGuard",
    "ViewModelScenario",
    "ViewModelTest",
    "assert_no_suspension",
    "assert_suspends",
    "coroutines_timeout",
    "explore",
    "main_dispatcher",
    "record_values",
    "reset_main",
    "run_test",
    "set_main",
    "test_flow",
    "wait_until_idle",
)
