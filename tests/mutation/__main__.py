"""Mutation testing: what slip in the core would no test see?

    python -m tests.mutation --seconds 600           # goes on where the last call stopped; Python 3.12 or later
    python -m tests.mutation --survivors --patience 60    # try again what has survived, with more of its tests

Mutants (see mutants.py) are tried in an order that has nothing to do with where they stand: those tried so far are an
even sample at any time. One that no test kills has to be explained in explained.txt; else the exit is 1. Results are
kept in .mutation/ and count as long as the function they are about stays as it is.
"""

from __future__ import annotations

import argparse
import collections
import difflib
import json
import os
import pathlib
import sys
import time
import zlib
from collections.abc import Callable

import pytest

from .mutants import FILES, ROOT, Mutant, Source
from .trial import Outcome, Recorded, Trials

KEPT = ROOT / ".mutation"
EXPLAINED = pathlib.Path(__file__).with_name("explained.txt")
# They look at the text of the package, count its instructions or plant slips of their own.
LEFT_OUT = [
    "test_speed", "test_layers", "test_docs", "test_stress", "test_import", "test_face", "test_faults", "test_readme",
    "test_demo", "mutation", "typing",
]  # fmt: skip

Key = tuple[str, str, str, str]


def explained(text: str) -> dict[Key, str]:
    """Read explained.txt: [file function], a line - and a line + for each mutant, and the reason."""
    found: dict[Key, str] = {}
    for block in f"\n{text}".split("\n[")[1:]:
        head, *lines = block.splitlines()
        file, _, where = head.rstrip("]").partition(" ")
        reason = " ".join(line.strip() for line in lines if not line.startswith(("- ", "+ ", "#"))).strip()
        pairs = [line[2:] for line in lines if line.startswith(("- ", "+ "))]
        for before, after in zip(pairs[::2], pairs[1::2], strict=True):
            found[file, where, before, after] = reason
    return found


class Book:
    """The results so far, on the disk."""

    def __init__(self) -> None:
        KEPT.mkdir(exist_ok=True)
        self.path = KEPT / "outcomes.jsonl"
        self.outcomes: dict[tuple[Key, int], Outcome] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                key, digest, *outcome = json.loads(line)
                self.outcomes[tuple(key), digest] = Outcome(*outcome)

    def of(self, mutant: Mutant) -> Outcome | None:
        return self.outcomes.get((mutant.key, mutant.digest))

    def note(self, mutant: Mutant, outcome: Outcome) -> None:
        self.outcomes[mutant.key, mutant.digest] = outcome
        line = [mutant.key, mutant.digest, outcome.what, outcome.by, outcome.tried, outcome.of]
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class Record:
    """Which tests run which lines, on the disk; with the text it was made from, so that it outlives changes of that."""

    def __init__(self, sources: list[Source]) -> None:
        self.path = KEPT / "recorded.json"
        self.texts = {source.name: source.path.read_text(encoding="utf-8") for source in sources}
        self.tests: Recorded = {}
        if self.path.exists():
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            moved = {name: _moved(kept["texts"][name], text) for name, text in self.texts.items()}
            for test, (took, ran) in kept["tests"].items():
                self.tests[test] = took, {name: sorted(moved[name](lines)) for name, lines in ran.items()}

    def save(self) -> None:
        self.path.write_text(json.dumps({"texts": self.texts, "tests": self.tests}), encoding="utf-8")


def _moved(before: str, after: str) -> Callable[[list[int]], set[int]]:
    """Where lines of one text stand in another. A line that is new counts as run with the one before it."""
    places: dict[int, set[int]] = collections.defaultdict(set)
    if before == after:
        return set
    last, following = 0, {}
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    for block in matcher.get_matching_blocks():
        following.update({block.b + n + 1: block.a + n + 1 for n in range(block.size)})
    for line in range(1, after.count("\n") + 1):
        last = following.get(line, last)
        places[last].add(line)
    return lambda lines: {new for line in lines for new in places[line]}


def report(mutants: list[Mutant], book: Book, reasons: dict[Key, str]) -> int:
    """Print the score and the survivors; 1 where one is not explained."""
    columns = ("mutants", "killed", "hung", "explained", "left", "not tried", "score")
    print(f"\n{'file':28}" + "".join(f"{column:>10}" for column in columns))
    left: list[tuple[Mutant, Outcome]] = []
    names = list(dict.fromkeys(mutant.source.name for mutant in mutants))
    for name in [*names, "all"]:
        counts: collections.Counter[str] = collections.Counter()
        for mutant in mutants:
            if name not in ("all", mutant.source.name):
                continue
            outcome = book.of(mutant)
            what = "explained" if mutant.key in reasons else outcome.what if outcome else "not tried"
            counts["left" if what in ("survived", "unreached") else what] += 1
            if outcome and name == "all" and what in ("survived", "unreached"):
                left.append((mutant, outcome))
        dead = counts["killed"] + counts["hung"]
        score = f"{100 * dead / (dead + counts['left']):.1f} %" if dead else ""
        figures = "".join(f"{counts[each]:10}" for each in columns[1:-1])
        print(f"{name:28}{counts.total():10}{figures}{score:>10}")
    for mutant, outcome in left:
        tried = f"{outcome.tried} of {outcome.of} tests that reach it"
        print(f"\n{mutant}# {outcome.what}, line {mutant.lines[0]}: {tried}")
    stale = reasons.keys() - {mutant.key for mutant in mutants}
    for key in sorted(stale):
        print("\nexplained, but there is no such mutant any more: [{} {}]\n- {}\n+ {}".format(*key))
    return 1 if left or stale else 0


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="begin no trial after so many (600)")
    parser.add_argument("--patience", type=float, default=8.0, help="seconds of tests to give to each mutant (8)")
    parser.add_argument("--survivors", action="store_true", help="try what has survived again")
    parser.add_argument("--tests", default="", help="only tests that have this in their name")
    parser.add_argument("--record", action="store_true", help="find out anew which tests run which lines")
    parser.add_argument("--report", action="store_true", help="try nothing, print what is known")
    parser.add_argument("--only", default="", help="mutants that have this in their name or text")
    given = parser.parse_args(argv)
    if sys.version_info < (3, 12) and not given.report:
        parser.error("needs sys.monitoring: Python 3.12 or later")
    sources = [Source(name) for name in FILES]
    mutants = [mutant for source in sources for mutant in source.mutants()]
    book, record = Book(), Record(sources)
    reasons = explained(EXPLAINED.read_text(encoding="utf-8"))
    until = time.monotonic() + given.seconds

    def wanted(mutant: Mutant) -> bool:
        outcome = book.of(mutant)
        if mutant.key in reasons or given.only not in str(mutant):
            return False
        return outcome is None if not given.survivors else outcome is not None and outcome.lives

    def say(line: str) -> None:
        print(line, flush=True)

    def work(trials: Trials) -> None:
        if given.record:
            record.tests.clear()
        trials.recorded = record.tests
        trials.record(say, record.save)
        waiting = sorted(filter(wanted, mutants), key=lambda mutant: zlib.crc32(repr(mutant.key).encode()))
        say(f"{len(waiting)} mutants to try")
        for mutant in waiting:
            if time.monotonic() >= until:
                say("the time is up")
                break
            began = time.monotonic()
            outcome = trials.attempt(mutant, given.patience)
            book.note(mutant, outcome)
            took, at = time.monotonic() - began, f"{mutant.source.name}:{mutant.lines[0]}"
            say(f"{took:6.1f} s {outcome.what:9} {at} {outcome.by}")

    if not given.report:
        left_out = [f"--ignore-glob=*/{name}*" for name in LEFT_OUT]
        os.chdir(ROOT)
        options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not seeded and not random_programs"]
        if given.tests:
            options[-1] += f" and {given.tests}"
        pytest.main([*options, *left_out, "tests"], plugins=[Trials(sources, work)])
    return report(mutants, book, reasons)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
