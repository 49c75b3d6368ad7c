"""The package as a stranger's program meets it: what its import loads, and the folder under another name."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
NEVER = {"asyncio", "inspect", "dataclasses", "concurrent", "logging", "multiprocessing", "tkinter"}

LOADED = """
import json, os, sys
sys.path.insert(0, {root!r})
before = set(sys.modules)
import vmscope
home = os.path.dirname(os.__file__)
for name in set(sys.modules) - before:
    known = name.split(".")[0] in sys.stdlib_module_names
    origin = "" if known else str(sys.modules[name].__spec__.origin)
    known = known or (origin.startswith(home) and "-packages" not in origin)  # _sysconfigdata...
    print(name, "standard" if known else "foreign")
"""

PROGRAM = """
from other._vendor import vmscope as v
from other._vendor.vmscope import Dispatchers, ViewModel, delay, run_main, with_context

class Screen(ViewModel):
    pass

async def main():
    screen = Screen()
    job = screen.view_model_scope.launch(delay, 3600)
    print(await with_context(Dispatchers.IO, lambda: "fetched"))
    screen.clear()
    await job.join()
    print("cancelled" if job.is_cancelled else "not cancelled")

run_main(main)
"""


def run(code: str, *, cwd: pathlib.Path) -> str:
    """What `code` prints in an interpreter of its own that takes nothing from environment, user site or checkout."""
    command = [sys.executable, "-I", "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The modules that `import vmscope` adds to a bare interpreter, each standard or foreign."""
    lines = run(LOADED.format(root=str(ROOT)), cwd=tmp_path_factory.mktemp("elsewhere")).splitlines()
    return dict(line.split() for line in lines)


def test_the_import_loads_the_standard_library_only(loaded: dict[str, str]) -> None:
    assert {name.split(".")[0] for name, kind in loaded.items() if kind == "foreign"} == {"vmscope"}


def test_the_import_loads_nothing_that_is_slow_to_load(loaded: dict[str, str]) -> None:
    assert not {name for name in loaded if name.split(".")[0] in NEVER}


def test_the_import_loads_no_room_that_users_import_by_name(loaded: dict[str, str]) -> None:
    assert not {name for name in loaded if name.startswith(("vmscope.hosts", "vmscope.testing", "vmscope.demo"))}


@pytest.fixture
def vendored(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder in which the package lives as `other._vendor.vmscope`, and nowhere else."""
    home = tmp_path / "other" / "_vendor"
    shutil.copytree(ROOT / "vmscope", home / "vmscope", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "other" / "__init__.py").touch()
    (home / "__init__.py").touch()
    return tmp_path


def test_the_folder_works_under_another_name(vendored: pathlib.Path) -> None:
    start = f"import sys; sys.path.insert(0, {str(vendored)!r})\n"
    end = "\nassert 'vmscope' not in sys.modules"

    assert run(start + PROGRAM + end, cwd=vendored).split() == ["fetched", "cancelled"]


def test_the_demo_runs_under_another_name(vendored: pathlib.Path) -> None:
    start = f"import sys; sys.path.insert(0, {str(vendored)!r}); sys.argv = ['demo', 'demo', '--json']\n"
    act = "import runpy; runpy.run_module('other._vendor.vmscope', run_name='__main__', alter_sys=False)"

    assert json.loads(run(start + act, cwd=vendored))


def test_two_copies_live_in_one_process(vendored: pathlib.Path) -> None:
    start = f"import sys; sys.path[:0] = [{str(vendored)!r}, {str(ROOT)!r}]\n"
    act = """
import vmscope as one
from other._vendor import vmscope as two
assert one.Looper is not two.Looper
for copy in (one, two):
    print(copy.run_blocking(copy.with_context, copy.Dispatchers.IO, lambda: "answered"))
"""
    assert run(start + act, cwd=vendored).split() == ["answered", "answered"]
