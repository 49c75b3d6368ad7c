"""The twins, one file a group, each in both spellings.

`load()` imports every file beside this one and gives, for each scenario, the twin as written and, where that differs,
the twin whose generators were rewritten into `async def` and the other way round.
"""

from __future__ import annotations

import ast
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import harness

HERE = Path(__file__).parent
AS_WRITTEN, SWAPPED = "as_written", "swapped"


class _Own(ast.NodeVisitor):
    """What a function itself does, apart from the functions inside it."""

    def __init__(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.suspends = False
        self.async_statements = False
        self.yields = False
        for statement in function.body:
            self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        pass

    visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self.suspends = True
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        self.suspends = True
        self.generic_visit(node)

    def visit_Yield(self, node: ast.Yield) -> None:
        self.yields = True

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        self.async_statements = True
        self.generic_visit(node)

    visit_AsyncFor = visit_AsyncWith  # type: ignore[assignment]


def _as(kind: type[ast.AST], node: ast.AST) -> ast.AST:
    return ast.copy_location(kind(**{name: getattr(node, name, None) for name in node._fields}), node)


class _Swap(ast.NodeTransformer):
    """Generators become `async def`, `async def` becomes a generator marked @suspend."""

    def __init__(self) -> None:
        self.count = 0
        self.inside: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        own = _Own(node)
        swap = own.suspends and not own.yields
        self.inside.append("async" if swap else "plain")
        self.generic_visit(node)
        self.inside.pop()
        if not swap:
            return node
        self.count += 1
        node.decorator_list = [one for one in node.decorator_list if getattr(one, "id", "") != "suspend"]
        return _as(ast.AsyncFunctionDef, node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        own = _Own(node)
        swap = own.suspends and not own.async_statements
        self.inside.append("generator" if swap else "async, kept")
        self.generic_visit(node)
        self.inside.pop()
        if not swap:
            return node
        self.count += 1
        node.decorator_list.append(ast.copy_location(ast.Name("suspend", ast.Load()), node))
        return _as(ast.FunctionDef, node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.Await(node.value), node) if self.inside[-1] == "async" else node

    def visit_Await(self, node: ast.Await) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.YieldFrom(node.value), node) if self.inside[-1] == "generator" else node


def swapped(name: str, path: Path) -> dict[str, Any]:
    """The namespace of the module at `path`, run with both spellings exchanged."""
    tree = _Swap().visit(ast.parse(path.read_text(encoding="utf-8")))
    module = ModuleType(f"{name}_{SWAPPED}")
    module.__file__, module.__package__ = str(path), name.rpartition(".")[0]
    sys.modules[module.__name__] = module
    exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), module.__dict__)
    return module.__dict__


def _swaps(path: Path) -> set[str]:
    """The scenarios in whose twin there is something to exchange."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            swap = _Swap()
            swap.visit(node)
            for decorator in node.decorator_list:
                if swap.count and isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "scenario":
                    found.add(ast.literal_eval(decorator.args[0]))
    return found


def load() -> dict[str, dict[str, harness.Twin]]:
    """Return {scenario: {spelling: twin}}."""
    twins: dict[str, dict[str, harness.Twin]] = {}
    for info in pkgutil.iter_modules([str(HERE)]):
        name, path = f"{__name__}.{info.name}", HERE / f"{info.name}.py"
        harness.taken()
        __import__(name)
        written = harness.taken()
        swapped(name, path)
        other = harness.taken()
        both = _swaps(path)
        for one, twin in written.items():
            assert one not in twins, f"two twins of {one}"
            twins[one] = {AS_WRITTEN: twin}
            if one in both:
                twins[one][SWAPPED] = other[one]
    return twins
