"""The pytest plugin of vmscope: fixtures for tests on virtual time, and a limit for tests that hang.

pip installs it beside the package, and pytest finds it by its entry point. A program that carries the folder with it
copies this file as well, and says so in its conftest.py: `pytest_plugins = ["pytest_vmscope"]`, or with the
dotted name that it has there.

Nothing of vmscope is imported before a test uses it: a coverage measurement misses what is imported while pytest
starts.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vmscope.testing import TestDispatcher, TestScope, ViewModelGuard

MARKER = "coroutines_timeout"


def _testing() -> Any:
    """Import `vmscope.testing` from where this file lies: beside the package, whatever that is called."""
    above = f"{__package__}." if __package__ else ""
    return importlib.import_module(f"{above}vmscope.testing")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the limit for the whole suite, as an option and in the configuration file."""
    text = "seconds that a test may take; then coroutines and threads are dumped, and the test fails"
    parser.addini(MARKER, text, default="")
    parser.getgroup("vmscope").addoption("--coroutines-timeout", default="", metavar="SECONDS", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(seconds): fail the test after so many real seconds, with a dump of all coroutines and threads; "
        "on a class or a module for each test in it, in the configuration file for all",
    )


def _limit(item: pytest.Item) -> float | None:
    marker = item.get_closest_marker(MARKER)
    if marker is not None:
        if len(marker.args) != 1 or marker.kwargs or isinstance(marker.args[0], bool):
            raise pytest.UsageError(f"{item.nodeid}: write @pytest.mark.{MARKER}(seconds)")
        given = marker.args[0]
    else:
        given = item.config.getoption("--coroutines-timeout") or item.config.getini(MARKER)
    if given in ("", None):
        return None
    try:
        return float(given)
    except (TypeError, ValueError):
        raise pytest.UsageError(f"{MARKER} takes a number of seconds, got {given!r}") from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the test, where a limit is set."""
    seconds = _limit(item)
    if seconds is None:
        return (yield)
    with _testing().coroutines_timeout(seconds):
        return (yield)


@pytest.fixture
def _vmscope_main(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The guard of the test: what is behind Dispatchers.Main, and which ViewModels there are."""
    guard = _testing().main_dispatcher(name=request.node.nodeid)
    with guard as dispatcher:
        guard.dispatcher = dispatcher
        yield guard


@pytest.fixture
def main_dispatcher(_vmscope_main: Any) -> TestDispatcher:
    """An UnconfinedTestDispatcher behind Dispatchers.Main. After the test its ViewModels are cleared and joined.

    A coroutine that outlives the test fails it, and is named with the line that launched it.
    """
    dispatcher: TestDispatcher = _vmscope_main.dispatcher
    return dispatcher


@pytest.fixture
def view_models(_vmscope_main: Any) -> ViewModelGuard:
    """The ViewModels made in this test so far, which `main_dispatcher` clears after it. `add(view_model)` adds one."""
    guard: ViewModelGuard = _vmscope_main.view_models
    return guard


@pytest.fixture
def test_scope(request: pytest.FixtureRequest) -> Iterator[TestScope]:
    """A TestScope for the test: `test_scope.run_test(block)`, or launch in it and move its time.

    It has the scheduler of `main_dispatcher`, where the test uses that, too.
    """
    if "main_dispatcher" in request.fixturenames or "view_models" in request.fixturenames:
        request.getfixturevalue("_vmscope_main")
    with _testing().TestScope() as scope:
        yield scope
