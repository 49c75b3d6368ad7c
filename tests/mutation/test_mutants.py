"""The mutants themselves, and the list of those that are explained. Trying them is `python -m tests.mutation`."""

from __future__ import annotations

import pathlib
import textwrap

import pytest

from .__main__ import EXPLAINED, LEFT_OUT, explained
from .mutants import FILES, ROOT, Source


def mutants(text: str) -> list[tuple[str, str, str]]:
    source = Source("a_file.py", textwrap.dedent(text))
    return [mutant.key[1:] for mutant in source.mutants()]


def afters(body: str) -> list[str]:
    """What becomes of a function's one statement."""
    return [after for _, _, after in mutants(f"def f(self, a, b, c):\n    {body}\n")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return a < b", ["return None", "return a <= b"]),
        ("return a is not b", ["return None", "return a is b"]),
        (
            "self.a = a and b and not c",
            ["pass", "self.a = b and (not c)", "self.a = a and (not c)", "self.a = a and b", "self.a = a and b and c"],
        ),
        ("if self.a: a()", ["if not self.a:", "pass"]),
        ("self.a += 1", ["pass", "self.a += 2"]),
        ("self.a = max(a + b, 'c' + c)", ["pass", "self.a = min(a + b, 'c' + c)", "self.a = max(a - b, 'c' + c)"]),
        ("while True: break", ["while False:", "continue"]),
        ("with self.lock: pass", ["if True:"]),
        ("raise ValueError(f'{a + b}')", ["pass"]),
        ("return [a for a in b if a]", ["return None", "return [a for a in b if True]"]),
        ("assert a < b", []),
        ("'A text.'", []),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)  # fmt: skip
def test_each_slip_is_made_once(body, expected):
    assert afters(body) == expected


def test_a_handler_goes_on_with_what_it_caught():
    text = """
    def f(a):
        try:
            a()
        except ValueError as error:
            print(error)
    """

    assert ("f", "except ValueError as error: print(error)", "except ValueError as error: raise") in mutants(text)


def test_what_only_a_checker_sees_what_is_never_reached_and_a_modules_own_lines_are_left_alone():
    text = """
    SIZE = 64
    if TYPE_CHECKING:
        import a
    class C:
        a: Callable[[int], 1]
        def f(self) -> "bool | 1":
            raise NotImplementedError
        def g(self):
            return cast("list[1]", None)
    """

    assert [after for *_, after in mutants(text)] == ["return None"]


def test_slips_in_lines_that_are_alike_are_numbered():
    text = """
    def f(a):
        a()
        a()
    """

    assert [where for where, *_ in mutants(text)] == ["f", "f #2"]


def test_a_mutant_is_compiled_in_its_place_and_the_source_stays_as_it_is():
    source = Source("a_file.py", "def f(a, b):\n    return a - b\n")
    for mutant in source.mutants():
        names: dict = {}
        exec(mutant.compiled(), names)
        assert names["f"](5, 3) == {"return None": None, "return a + b": 8}[mutant.after]
    names = {}
    exec(source.compiled(), names)

    assert names["f"](5, 3) == 2


def test_each_explanation_is_of_a_mutant_that_there_is_and_says_why():
    known = {mutant.key for name in FILES for mutant in Source(name).mutants()}
    reasons = explained(EXPLAINED.read_text(encoding="utf-8"))

    assert [key for key in reasons if key not in known] == []
    assert [key for key, reason in reasons.items() if len(reason) < 10] == []


def test_what_is_left_out_is_there():
    files = [path.stem for path in pathlib.Path(ROOT, "tests").rglob("*")]

    assert [name for name in LEFT_OUT if name not in files] == []
