"""Mutants: small slips in a source file, one at a time, made in its syntax tree so that every line stays where it is.

    a comparison is turned, or moved by its edge        a condition is negated, or loses one of its parts
    True, False and numbers are others                  + and -, * and /, | and &, min and max, any and all swap
    a statement is dropped, a return gives None         break and continue swap
    `with lock:` goes, its block stays                  what a handler catches goes on

`and` for `or` is not among them: each part of a condition is left out in turn, which is harder to see. Left alone are
annotations, texts, asserts, what only a type checker sees, what raises because it can never be reached, and what a
module does outside classes and functions: it names marks, whose values mean nothing, and sizes.

A mutant is known by its function, the text of its statement before and after, and a number where these occur again: so
it keeps its name when lines move.
"""

from __future__ import annotations

import ast
import copy
import pathlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]
FILES = (
    "looper/_queue.py", "looper/_item.py", "coroutines/_job.py", "coroutines/_handlers.py", "coroutines/_suspend.py",
    "coroutines/_dispatcher.py", "lifecycle/_viewmodel.py",
)  # fmt: skip

_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_SWAPPED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_RENAMED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Put = Callable[[ast.AST], None]  # puts another node in the place of one


class Mutant:
    """One slip. `key` names it, `lines` are those of its statement, `function` is None for what runs at import."""

    def __init__(self, source: Source, where: str, function: _Function | None, statement: ast.stmt,
                 old: ast.AST, new: ast.AST, put: _Put) -> None:  # fmt: skip
        self.source = source
        self.where = where
        self.function = function
        self.lines = _lines(statement)
        self._old, self._new, self._put = old, new, put
        self.before = _text(statement)
        put(new)
        self.after = _text(new if old is statement else statement)
        put(old)
        self.number = 1
        self._about = function or statement

    @property
    def digest(self) -> int:
        """Of the text of its function: what came of it holds as long as that stays."""
        return zlib.crc32(ast.unparse(self._about).encode())

    @property
    def key(self) -> tuple[str, str, str, str]:
        number = f" #{self.number}" if self.number > 1 else ""
        return self.source.name, self.where + number, self.before, self.after

    def __str__(self) -> str:
        file, where, before, after = self.key
        return f"[{file} {where}]\n- {before}\n+ {after}\n"

    def compiled(self) -> CodeType:
        """The module with the slip in it. Raises SyntaxError where that is none."""
        self._put(self._new)
        try:
            return self.source.compiled()
        finally:
            self._put(self._old)


class Source:
    """One file of the package: its tree, and the mutants of it."""

    def __init__(self, name: str, text: str | None = None) -> None:
        self.name = name
        self.path = ROOT / "vmscope" / name
        self.module = "vmscope." + name.removesuffix(".py").replace("/", ".")
        self.tree = ast.parse(self.path.read_text(encoding="utf-8") if text is None else text)

    def compiled(self) -> CodeType:
        return compile(self.tree, str(self.path), "exec", dont_inherit=True)

    def mutants(self) -> list[Mutant]:
        seen: Counter[tuple[str, str, str, str]] = Counter()
        found = []
        for mutant in _in_body(self, self.tree, "body", "", None):
            if mutant.before == mutant.after:
                continue
            seen[mutant.key] += 1
            mutant.number = seen[mutant.key]
            found.append(mutant)
        return found

    def uses(self, statement_lines: range) -> set[int]:
        """The lines that use what the statement at these lines assigns; of the head of a function, its own."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.lineno in statement_lines:
                return {*range(node.lineno, (node.end_lineno or 0) + 1)}
        names = {
            target.id
            for node in ast.walk(self.tree)
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.lineno in statement_lines
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            for target in ast.walk(target)
            if isinstance(target, ast.Name)
        }
        return {
            node.lineno
            for node in ast.walk(self.tree)
            if (isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load))
            or (isinstance(node, ast.Attribute) and node.attr in names)
        }


def _lines(statement: ast.stmt) -> range:
    """The lines of a statement; of a compound one, those of its head."""
    body = getattr(statement, "body", None)
    end = body[0].lineno - 1 if body and not isinstance(statement, ast.Try) else statement.end_lineno
    return range(statement.lineno, max(end or 0, statement.lineno) + 1)


def _text(node: ast.AST) -> str:
    """A statement in one line; of a compound one, its head."""
    node = copy.copy(node)
    if isinstance(node, ast.Try):
        return " ".join(f"{ast.unparse(each).splitlines()[0]} {_text(each.body[0])}" for each in node.handlers)
    for block, instead in ("decorator_list", []), ("body", [ast.Pass()]), ("orelse", []):
        if isinstance(getattr(node, block, None), list):
            setattr(node, block, instead)
    text = ast.unparse(node).split("\n    pass")[0]
    return text.replace("\\'", "'").replace('"', "'")  # which quotes it takes depends on the version


def _in_body(source: Source, node: ast.AST, field: str, where: str, function: _Function | None) -> Iterator[Mutant]:
    for index, statement in enumerate(getattr(node, field)):
        put = _into(getattr(node, field), index)
        yield from _in_statement(source, statement, put, where, function)


def _in_statement(
    source: Source, node: ast.stmt, put: _Put, where: str, function: _Function | None
) -> Iterator[Mutant]:
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Assert)) or _is_left_alone(node):
        return
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield from _in_definition(source, node, f"{where}.{node.name}".lstrip("."), function)
        return
    if not where:
        return
    if function is not None:
        for other in _instead_of_statement(node, function):
            yield Mutant(source, where, function, node, node, other, put)
    for old, new, at in _in_fields(node):
        yield Mutant(source, where, function, node, old, new, at)
    for field in ("body", "orelse", "finalbody"):
        if isinstance(getattr(node, field, None), list):
            yield from _in_body(source, node, field, where, function)
    for handler in getattr(node, "handlers", ()):
        first, body = handler.body[0], handler.body
        if function is not None and not isinstance(first, ast.Raise):

            def pass_on(new: Any, at: ast.ExceptHandler = handler, body: list[ast.stmt] = body) -> None:
                at.body = body if new is body[0] else [new]

            yield Mutant(source, where, function, node, first, _at(ast.Raise(), first), pass_on)
        yield from _in_body(source, handler, "body", where, function)


def _in_definition(
    source: Source, node: _Function | ast.ClassDef, where: str, function: _Function | None
) -> Iterator[Mutant]:
    if isinstance(node, ast.ClassDef):
        yield from _in_body(source, node, "body", where, function)
        return
    for defaults in (node.args.defaults, node.args.kw_defaults):
        for index, value in enumerate(defaults):
            if value is not None:
                for old, new, put in _in_expression(value, _into(defaults, index)):
                    yield Mutant(source, where, function, node, old, new, put)
    if not _only_raises(node):
        yield from _in_body(source, node, "body", where, node)


def _into(among: list[Any], index: int) -> _Put:
    return lambda new: among.__setitem__(index, new)


def _is_left_alone(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _only_raises(node: _Function) -> bool:
    """It is abstract, or never reached."""
    last = ast.unparse(node.body[-1])
    return last.startswith(("raise AssertionError", "raise NotImplementedError"))


def _at(new: ast.AST, old: ast.AST) -> ast.AST:
    return ast.fix_missing_locations(ast.copy_location(new, old))


def _instead_of_statement(node: ast.stmt, function: _Function) -> Iterator[ast.stmt]:
    if isinstance(node, ast.Return) and ast.unparse(node) in ("return None", "return True", "return False"):
        return  # to turn the value is the greater slip
    elif isinstance(node, ast.Return) and node.value is not None:
        yield _at(ast.Return(ast.Constant(None)), node)  # type: ignore[misc]
    elif isinstance(node, (ast.Break, ast.Continue)):
        yield _at(ast.Continue() if isinstance(node, ast.Break) else ast.Break(), node)  # type: ignore[misc]
    elif isinstance(node, ast.With) and not any(item.optional_vars for item in node.items):
        yield _at(ast.If(ast.Constant(True), node.body, []), node)  # type: ignore[misc]
    elif isinstance(node, (ast.Expr, ast.Raise, ast.Return, ast.Delete, ast.AugAssign)) or _may_go(node, function):
        yield _at(ast.Pass(), node)  # type: ignore[misc]


def _may_go(node: ast.stmt, function: _Function) -> bool:
    """An assignment without which the function still finds all its names: to an attribute, or to a name once more."""
    if isinstance(node, ast.AnnAssign):
        return node.value is not None and not isinstance(node.target, ast.Name)
    if not isinstance(node, ast.Assign):
        return False
    names = _stored(*node.targets)
    if not names:
        return True
    stored = _stored(function)
    return all(stored[name] > 1 for name in names)


def _stored(*nodes: ast.AST) -> Counter[str]:
    return Counter(
        each.id
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    )


_Change = tuple[ast.AST, ast.AST, _Put]


_LEFT_ALONE = {"annotation", "returns", "decorator_list", "ctx", "targets", "target"}


def _in_fields(node: ast.AST) -> Iterator[_Change]:
    """The changes of the expressions that are parts of `node`."""
    for field, value in ast.iter_fields(node):
        if field in _LEFT_ALONE:
            continue
        if isinstance(value, ast.expr):
            put: _Put = lambda new, field=field: setattr(node, field, new)  # type: ignore[misc]  # noqa: E731
            if field == "test" and isinstance(value, (ast.Name, ast.Attribute, ast.Call, ast.NamedExpr)):
                yield value, _at(ast.UnaryOp(ast.Not(), value), value), put
            yield from _in_expression(value, put)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, ast.expr):
                    if field == "ifs":
                        yield each, _at(ast.Constant(True), each), _into(value, index)
                    yield from _in_expression(each, _into(value, index))
                elif isinstance(each, (ast.keyword, ast.comprehension, ast.withitem)):
                    yield from _in_fields(each)


def _in_expression(node: ast.expr, put: _Put) -> Iterator[_Change]:
    if isinstance(node, ast.JoinedStr):
        return
    for new in _instead_of_expression(node):
        yield node, _at(new, node), put
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "cast":
        yield from _in_expression(node.args[1], _into(node.args, 1))
    else:
        yield from _in_fields(node)


def _instead_of_expression(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            operators = [*node.ops[:index], _FLIPPED[type(operator)](), *node.ops[index + 1 :]]
            yield ast.Compare(node.left, operators, node.comparators)
    elif isinstance(node, ast.BoolOp):
        for index in range(len(node.values)):
            rest = [*node.values[:index], *node.values[index + 1 :]]
            yield ast.BoolOp(node.op, rest) if len(rest) > 1 else copy.copy(rest[0])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield copy.copy(node.operand)
    elif isinstance(node, ast.BinOp) and not (_is_same(node.left) or _is_same(node.right)):
        yield ast.BinOp(node.left, _SWAPPED[type(node.op)](), node.right)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Name) and node.id in _RENAMED:
        yield ast.Name(_RENAMED[node.id], node.ctx)


def _is_same(node: ast.expr) -> bool:
    """What it is added to or subtracted from stays the same; or is text."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and (node.value == 0 or isinstance(node.value, str))
    )
