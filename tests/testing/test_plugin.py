"""The pytest plugin, seen from a suite that uses it: a process of its own, the entry point not needed."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

SUITE = """
    import pytest
    from vmscope import Dispatchers, NonCancellable, ViewModel, await_cancellation, delay, launch, with_context
    from vmscope.testing import StandardTestDispatcher, run_test

    class Feed(ViewModel):
        state = "idle"

        def load(self, stubborn=False):
            self.job = self.view_model_scope.launch(self.steps, stubborn, name="steps")

        def steps(self, stubborn):
            self.state = "loading"
            yield from delay(3)
            self.state = "done"
            if stubborn:
                yield from with_context(NonCancellable, await_cancellation)

    made = []
"""


def environment_without(beginnings: str | tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(beginnings)}


def run_suite(folder: pathlib.Path, body: str, *options: str, conftest: str = "", python: tuple[str, ...] = ()) -> str:
    """Run a suite with the plugin; answer with what pytest printed."""
    dedent = lambda text: "\n".join(line.removeprefix("    ") for line in text.splitlines())  # noqa: E731
    (folder / "test_suite.py").write_text(dedent(SUITE) + "\n" + dedent(body), encoding="utf-8")
    (folder / "conftest.py").write_text('pytest_plugins = ["pytest_vmscope"]\n' + dedent(conftest), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
    without = ("PYTEST", "COV") if "coverage" in python else "PYTEST"
    environment = {**environment_without(without), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *python, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-ra", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_the_fixtures_test_view_models_and_blame_the_one_that_leaks(tmp_path):
    out = run_suite(
        tmp_path,
        """
    def test_load(main_dispatcher, view_models):
        feed = Feed()
        feed.load()
        assert feed.state == "loading"
        main_dispatcher.scheduler.advance_time_by(3)
        main_dispatcher.scheduler.run_current()
        assert feed.state == "done"
        assert list(view_models) == [feed]
        made.append(feed)

    def test_the_one_before_was_cleared():
        assert made[0].is_cleared

    def test_leaks(main_dispatcher):
        Feed().load(stubborn=True)
        main_dispatcher.scheduler.advance_time_by(4)

    def test_after_the_leak(main_dispatcher, test_scope):
        def body(scope):
            assert scope is test_scope and scope.scheduler is main_dispatcher.scheduler
            feed = Feed()
            feed.load()
            yield from delay(4)
            assert feed.state == "done"

        test_scope.run_test(body)

    def test_scope_alone(test_scope):
        seen = []
        test_scope.launch(lambda: (yield from delay(5)) or seen.append(test_scope.current_time))
        test_scope.advance_until_idle()
        assert seen == [5]

    @run_test
    async def test_decorated(scope, main_dispatcher):
        feed = Feed()
        feed.load()
        await delay(4)
        assert feed.state == "done"
""",
    )

    assert "6 passed, 1 error" in out, out
    assert "ERROR test_suite.py::test_leaks" in out
    assert "'steps'" in out
    assert "launched at test_suite.py:" in out
    assert "in Feed.load" in out


def test_a_test_that_hangs_is_failed_with_coroutines_and_threads(tmp_path):
    out = run_suite(
        tmp_path,
        """
    import threading

    @pytest.mark.coroutines_timeout(0.2)
    def test_hangs(main_dispatcher):
        Feed().load()
        threading.Event().wait(30)

    def test_next():
        pass
""",
    )

    assert "1 failed, 1 passed" in out, out
    assert "HangError: after 0.2 s the test is still running" in out
    assert "'steps'" in out
    assert "thread 'MainThread'" in out
    assert "threading.Event().wait(30)" in out


def test_the_limit_holds_for_the_whole_suite_from_an_option(tmp_path):
    body = """
    import threading

    def test_hangs():
        threading.Event().wait(30)

    @pytest.mark.coroutines_timeout(20)
    def test_has_a_limit_of_its_own():
        threading.Event().wait(0.3)
"""

    out = run_suite(tmp_path, body, "--coroutines-timeout", "0.1")

    assert "1 failed, 1 passed" in out, out


def test_a_limit_that_is_no_number_is_refused(tmp_path):
    out = run_suite(tmp_path, "    def test_it(): pass\n", "--coroutines-timeout", "soon")

    assert "coroutines_timeout takes a number of seconds, got 'soon'" in out, out


def test_a_mark_says_how_many_seconds_and_no_more(tmp_path):
    body = """
    @pytest.mark.coroutines_timeout
    def test_none(): pass

    @pytest.mark.coroutines_timeout(True)
    def test_a_flag(): pass

    @pytest.mark.coroutines_timeout(1, seconds=2)
    def test_two(): pass
"""

    out = run_suite(tmp_path, body)

    assert "3 failed" in out, out
    for name in ("none", "a_flag", "two"):
        assert f"test_suite.py::test_{name}: write @pytest.mark.coroutines_timeout(seconds)" in out


def test_nothing_of_the_package_is_loaded_before_a_test_uses_it(tmp_path):
    out = run_suite(
        tmp_path,
        "",
        "other.py",
        conftest="""
    import sys

    def pytest_runtest_setup(item):
        assert not any(name.split(".")[0] == "vmscope" for name in sys.modules)
""",
    )
    assert "file or directory not found" in out

    (tmp_path / "other.py").write_text("def test_it(): pass\n", encoding="utf-8")
    out = run_suite(
        tmp_path,
        "",
        "other.py",
        conftest="""
    import sys

    def pytest_runtest_setup(item):
        assert not any(name.split(".")[0] == "vmscope" for name in sys.modules)
""",
    )
    assert "1 passed" in out, out


def test_the_plugin_works_beside_a_copy_of_the_package_under_another_name(tmp_path):
    vendored = tmp_path / "app" / "_vendor"
    vendored.mkdir(parents=True)
    (tmp_path / "app" / "__init__.py").touch()
    (vendored / "__init__.py").touch()
    for name in ("vmscope", "pytest_vmscope.py"):
        (vendored / name).symlink_to(ROOT / name)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["app._vendor.pytest_vmscope"]\n', encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it(main_dispatcher, test_scope):\n"
        "    assert type(main_dispatcher).__module__ == 'app._vendor.vmscope.testing._dispatchers'\n"
        "    assert 'vmscope' not in sys.modules\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(tmp_path)}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_it.py"]

    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_coverage_sees_the_lines_that_are_run_while_modules_are_loaded(tmp_path):
    pytest.importorskip("coverage")
    out = run_suite(tmp_path, "    def test_it(main_dispatcher): pass\n")
    assert "1 passed" in out, out

    run_suite(
        tmp_path,
        "    def test_it(main_dispatcher): pass\n",
        python=("-m", "coverage", "run", f"--source={ROOT / 'vmscope' / 'testing'}"),
    )
    report = subprocess.run(
        [sys.executable, "-m", "coverage", "report", "--include=*/_guard.py"],
        cwd=tmp_path,
        env=environment_without("COV"),  # a report takes up whatever a measurement of this very run has left so far
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    line = next(line for line in report.stdout.splitlines() if "_guard.py" in line)
    assert int(line.split()[-1].rstrip("%")) > 50, report.stdout  # its definitions alone are more than half of it
