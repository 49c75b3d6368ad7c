"""Trials of mutants inside one run of pytest: all tests are collected once, and each trial is a fork of that process.

In the fork the mutant's functions get their new code, as a seeded fault of the race tests does (tests/races/faults.py),
and the tests that have run its lines before run again, until one fails. What a trial breaks, breaks with its process.
Which tests those are is recorded once, per test, by sys.monitoring: it sees all threads and stays out of the way of the
tests that trace for themselves.

A test counts as hung after `_GRACE` seconds and many times what it took when it was recorded. What runs as the module
is imported cannot be put in so; such a mutant is tried in a process that imports it (`ImportWith`). So is one that no
test was seen to reach: it runs at an import, too, or other files go by it. The tests of its own file are tried then.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import json
import os
import random
import resource
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from .mutants import Mutant, Source

_GRACE = 4.0
_TIMES = 30.0
_FURTHER = 50.0  # a test of another room is tried as if it took so many times as long
_MEMORY = 4 << 30
_ITERABLE_COROUTINE = 0x100  # what @suspend adds to a function's flags

#: A test: how long it took, and the lines that it ran, by file.
Recorded = dict[str, tuple[float, dict[str, list[int]]]]


class Outcome:
    """What came of a mutant: "killed", "hung" or "survived"; by which test; how many were tried."""

    def __init__(self, what: str, by: str = "", tried: int = 0, of: int = 0) -> None:
        self.what = what
        self.by = by
        self.tried = tried
        self.of = of

    @property
    def lives(self) -> bool:
        return self.what in ("survived", "unreached")


class Trials:
    """The plugin: in place of running the tests it has `work(self)` done."""

    def __init__(self, sources: list[Source], work: Callable[[Trials], None]) -> None:
        self.sources = {source.name: source for source in sources}
        self.work = work
        self.recorded: Recorded = {}
        self.killers: Counter[tuple[str, str]] = Counter()  # (function, test): what killed here before comes first
        self._pipe = -1
        self._items: dict[str, pytest.Item] = {}
        self._plain: dict[str, dict[tuple[str, int], CodeType]] = {}

    # -- hooks

    def pytest_sessionstart(self) -> None:
        import hypothesis  # not before pytest has taken it up as a plugin

        # A failing example is not made smaller: that it fails is all that is asked here.
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("trial", deadline=None, phases=phases, database=None, derandomize=True)
        hypothesis.settings.load_profile("trial")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        gc.unfreeze()  # Hypothesis asks the collector who keeps its source of chance, and warns where it sees nobody
        self.work(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._pipe >= 0 and report.failed:
            self._tell("failed", report.nodeid)
            os._exit(0)

    # -- recording

    def record(self, say: Callable[[str], None], save: Callable[[], object]) -> None:
        """Run the tests that have no record yet, in a fork, each with its time and lines."""
        missing = [item for name, item in self._items.items() if name not in self.recorded]
        left_out: set[str] = set()
        while missing:
            say(f"recording {len(missing)} tests")
            ended = None
            for words in self._forked(missing, recording=True):
                if words[0] == "ran":
                    self.recorded[words[1]] = (words[2], words[3])
                    if len(self.recorded) % 500 == 0:
                        save()
                ended = words
            assert ended is not None
            if ended[0] in ("failed", "hung"):  # without any mutant: it can say nothing about one
                say(f"left out, {ended[0]} without a mutant: {ended[1]}")
                left_out.add(ended[1])
            missing = [item for item in missing if item.nodeid not in self.recorded.keys() | left_out]
            save()

    def _record(self, items: list[pytest.Item]) -> None:
        functions = [each for source in self.sources.values() for each in _functions(source)]
        codes = {code for each in functions for code in _all(each.__code__)}
        lines: dict[CodeType, set[int]] = {}
        monitoring = sys.monitoring

        def line(code: CodeType, number: int) -> object:
            lines.setdefault(code, set()).add(number)
            return monitoring.DISABLE

        tool = monitoring.COVERAGE_ID
        monitoring.use_tool_id(tool, "trial")
        monitoring.register_callback(tool, monitoring.events.LINE, line)
        for code in codes:
            monitoring.set_local_events(tool, code, monitoring.events.LINE)
        names = {str(source.path): name for name, source in self.sources.items()}
        for item, following in zip(items, [*items[1:], None], strict=True):
            lines.clear()
            monitoring.restart_events()
            began = time.perf_counter()
            self._tell("begins", item.nodeid)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            ran: dict[str, set[int]] = {}
            for code, numbers in lines.copy().items():
                ran.setdefault(names[code.co_filename], set()).update(numbers)
            took = time.perf_counter() - began
            self._tell("ran", item.nodeid, round(took, 4), {name: sorted(each) for name, each in ran.items()})

    # -- one mutant

    def reaching(self, mutant: Mutant) -> list[str]:
        """The tests that have run its lines, or what uses them."""
        lines = set(mutant.lines)
        if mutant.function is None:
            lines = mutant.source.uses(mutant.lines)
        name = mutant.source.name
        return [
            test
            for test, (_, ran) in self.recorded.items()
            if test in self._items and not lines.isdisjoint(ran.get(name, ()))
        ]

    def in_order(self, mutant: Mutant, tests: Iterable[str], patience: float) -> tuple[list[str], int]:
        """The tests to try in order: what killed near by, then the quick ones and those of its own room."""
        near = _near(mutant.source.name)
        found = []
        for test in tests:
            took, _ = self.recorded[test]
            found.append((-self.killers[mutant.where, test], took if near(test) else _FURTHER * took, took, test))
        found.sort()
        chosen: list[str] = []
        for *_, took, test in found:
            if took > patience and chosen:
                continue
            patience -= took
            chosen.append(test)
        return chosen, len(found)

    def attempt(self, mutant: Mutant, patience: float) -> Outcome:
        reaching = self.reaching(mutant)
        near = _near(mutant.source.name)
        tests, among = self.in_order(mutant, reaching or filter(near, self.recorded.keys() & self._items), patience)
        try:
            mutant.compiled()
        except SyntaxError as error:
            return Outcome("killed", f"no program: {error.msg}")
        told = self._forked_with(mutant, tests) if reaching and mutant.function is not None else ("cannot", "")
        if told[0] == "cannot":
            told = _imported_with(mutant, tests)
        outcome = Outcome(*told, len(tests), among)
        if outcome.by:
            self.killers[mutant.where, outcome.by] += 1
        return outcome

    def _forked_with(self, mutant: Mutant, tests: list[str]) -> tuple[str, str]:
        told = ["begins", "its process ended"]
        for words in self._forked([self._items[test] for test in tests], mutant):
            told = words
        what, by = (*told, "")[:2]
        return {"failed": "killed", "begins": "killed"}.get(what, what), by

    def _plant(self, mutant: Mutant) -> bool:
        source = mutant.source
        if source.name not in self._plain:
            self._plain[source.name] = _by_place(source.compiled())
        plain, changed = self._plain[source.name], _by_place(mutant.compiled())
        planted = False
        for function in _functions(source):
            code = function.__code__
            place = code.co_qualname, code.co_firstlineno
            if place in changed and changed[place] != plain[place]:
                flags = changed[place].co_flags | code.co_flags & _ITERABLE_COROUTINE
                try:
                    function.__code__ = changed[place].replace(co_flags=flags)
                except ValueError:  # it captures other names than before
                    return False
                planted = True
        return planted

    # -- the fork

    def _forked(
        self, items: list[pytest.Item], mutant: Mutant | None = None, *, recording: bool = False
    ) -> Iterator[list[Any]]:
        """Run `items` in a fork and yield what it tells, a list a line; the last says how it ended."""
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(reading)
            self._pipe = writing
            try:
                self._in_fork(items, mutant, recording)
            finally:
                os._exit(1)
        os.close(writing)
        last: list[Any] = ["begins", ""]
        try:
            with open(reading, "rb", buffering=0) as pipe:
                rest = b""
                while True:
                    usual = self.recorded.get(last[1], (20.0,))[0] if last[0] == "begins" else 1.0
                    if not select.select([pipe], [], [], _GRACE + _TIMES * usual)[0]:
                        yield ["hung", last[1]]
                        return
                    some = pipe.read(1 << 20)
                    if not some:
                        break
                    *told, rest = (rest + some).split(b"\n")
                    for each in told:
                        last = json.loads(each)
                        yield last
        finally:
            try:
                os.killpg(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.waitpid(process, 0)

    def _in_fork(self, items: list[pytest.Item], mutant: Mutant | None, recording: bool) -> None:
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        random.seed(1)
        if recording:
            self._record(items)
        else:
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            if mutant is not None and not self._plant(mutant):
                self._tell("cannot")
                os._exit(0)
            for item, following in zip(items, [*items[1:], None], strict=True):
                self._tell("begins", item.nodeid)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        self._tell("survived")
        os._exit(0)

    def _tell(self, *words: Any) -> None:
        left = json.dumps(words).encode() + b"\n"
        while left:
            left = left[os.write(self._pipe, left) :]


def _near(name: str) -> Callable[[str], bool]:
    room, file = name.removesuffix(".py").split("/")
    folder, stem = f"tests/{room}/", f"test_{file.strip('_')}"
    return lambda test: test.startswith((folder + stem, "tests/races/"))


def _functions(source: Source) -> list[FunctionType]:
    """Every function there is whose code stands in that file."""
    # Here and not before: pytest's own hook is to rewrite a part of the package as that is imported.
    from vmscope.testing._explore_places import known_functions

    path = sys.modules[source.module].__file__
    return [each for each in known_functions() if each.__code__.co_filename == path]


def _all(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _all(each)


def _by_place(module: CodeType) -> dict[tuple[str, int], CodeType]:
    return {(code.co_qualname, code.co_firstlineno): code for code in _all(module)}


class ImportWith(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module of the package with a mutant in it."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.mutant.source.module:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=str(self.mutant.source.path))

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self.mutant.source.path)
        exec(self.mutant.compiled(), vars(module))


def _imported_with(mutant: Mutant, tests: list[str]) -> tuple[str, str]:
    """Try a mutant of what runs at import, in a new process."""
    command = [sys.executable, "-m", f"{__package__}.trial", json.dumps(mutant.key)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate("\n".join(tests), timeout=120)
    except subprocess.TimeoutExpired:
        return "hung", "at import or after"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    if process.returncode == 0:
        return "survived", ""
    failed = [line.split()[1] for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return "killed", failed[0] if failed else "at import"


def _main() -> int:
    """Run the tests on stdin with the mutant that the argument names."""
    key = tuple(json.loads(sys.argv[1]))
    mutant = next(each for each in Source(key[0]).mutants() if each.key == key)
    sys.meta_path.insert(0, ImportWith(mutant))
    tests = sys.stdin.read().splitlines()
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]))


if __name__ == "__main__":
    sys.exit(_main())
