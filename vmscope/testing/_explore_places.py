"""Places: the bytecodes at which a thread may be stopped, and the tracing that tells when a thread comes to one.

A place is a bytecode that another thread can see or be seen by: it looks at an attribute, a global, a captured variable
or the inside of a container, or it calls something. Everything between two places is the thread's own business.

What a place touches is known by its name alone (`.state`, whichever object it belongs to), so two places that share a
name may or may not share memory; the search takes it that they do. What C code changes (setattr, `__dict__`) has no
name: a call is taken to write to every container, except to the few builtins and methods that are known better.

Python 3.11 tells through sys.settrace, later ones through sys.monitoring, which costs nothing elsewhere.
"""

from __future__ import annotations

import dis
import gc
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CellType

#: All containers together: which one a bytecode works on cannot be told.
INSIDE = ("item", "")

_ATTRIBUTES = {"LOAD_ATTR": False, "LOAD_METHOD": False, "STORE_ATTR": True, "DELETE_ATTR": True}
_GLOBALS = {"LOAD_GLOBAL": False, "LOAD_NAME": False, "LOAD_FROM_DICT_OR_GLOBALS": False, "STORE_GLOBAL": True,
            "DELETE_GLOBAL": True, "STORE_NAME": True, "DELETE_NAME": True}  # fmt: skip
_CELLS = {"LOAD_DEREF": False, "LOAD_CLASSDEREF": False, "LOAD_FROM_DICT_OR_DEREF": False, "STORE_DEREF": True,
          "DELETE_DEREF": True}  # fmt: skip
_INSIDE = {"BINARY_SUBSCR": False, "BINARY_SLICE": False, "CONTAINS_OP": False, "FOR_ITER": False, "GET_ITER": False,
           "LIST_EXTEND": False, "SET_UPDATE": False, "DICT_UPDATE": False, "DICT_MERGE": False,
           "UNPACK_SEQUENCE": False, "STORE_SUBSCR": True, "DELETE_SUBSCR": True, "STORE_SLICE": True}  # fmt: skip
_CALLS = {"CALL", "CALL_KW", "CALL_FUNCTION_EX", "BEFORE_WITH"}
_TRUTH = ("TO_BOOL", "UNARY_NOT", "POP_JUMP_", "JUMP_IF_")
_SILENT = {"CACHE", "EXTENDED_ARG", "PRECALL", "NOP", "NOT_TAKEN"}

# Called by these names, a function or method of the builtins changes no container that others have; of the second
# kind it looks into one.
_HARMLESS = {"isinstance", "issubclass", "callable", "cast", "type", "id", "super", "get_ident", "repr", "str"}
_LOOKS = {"len", "list", "tuple", "dict", "set", "frozenset", "sorted", "iter", "min", "max", "any", "all", "sum",
          "copy", "get", "items", "keys", "values", "index", "count"}  # fmt: skip


class Place:
    """One bytecode, or one operation on a lock or queue.

    Attributes:
        touches: The name of what it looks at or changes: (kind, name).
        writes: Whether it may change it.
        calls: It is a call.
        inner: It was seen to call Python code that is watched itself: the places in there are the ones that count.
    """

    __slots__ = ("calls", "code", "inner", "line", "touches", "writes")

    def __init__(
        self, touches: tuple[str, Any], writes: bool, calls: bool = False, code: CodeType | None = None, line: int = 0
    ) -> None:
        self.touches = touches
        self.writes = writes
        self.calls = calls
        self.code = code
        self.line = line
        self.inner = False

    def __repr__(self) -> str:
        if self.code is None:
            return "{} {}".format(*self.touches)
        path, (kind, name) = self.code.co_filename, self.touches
        source = linecache.getline(path, self.line).strip().partition("  # ")[0]
        what = "its call" if self.calls else f"its {kind} {name}".strip()
        return f"{os.path.basename(path)}:{self.line}  {source}   <- {what}"


def places_of(code: CodeType) -> dict[int, Place]:
    """Return the places in `code`, by the offset of their bytecode."""
    found: dict[int, Place] = {}
    called: list[str] = []  # the names of the calls that are being prepared, innermost last
    previous = ""
    line = code.co_firstlineno
    lines = dict(dis.findlinestarts(code))
    for step in dis.get_instructions(code):
        line = lines.get(step.offset) or line
        if step.opname in _SILENT:
            continue
        effect = _effect(step, previous, called)
        if effect is not None:
            found[step.offset] = Place(*effect, step.opname in _CALLS, code, line)
        previous = step.opname
    return found


def _effect(step: dis.Instruction, previous: str, called: list[str]) -> tuple[tuple[str, Any], bool] | None:
    name, argument = step.opname, step.argval
    if name in _CALLS:
        callee = called.pop() if called and name != "BEFORE_WITH" else ""
        if callee in _HARMLESS:
            return None
        return INSIDE, callee not in _LOOKS
    if name == "PUSH_NULL" and not previous.startswith("LOAD"):
        called.append("")
    if "NULL" in step.argrepr or name == "LOAD_METHOD":
        called.append(str(argument))
    if name in _ATTRIBUTES:
        return ("attribute", argument), _ATTRIBUTES[name]
    if name in _GLOBALS:
        return ("global", argument), _GLOBALS[name]
    if name in _CELLS:
        return ("captured", argument), _CELLS[name]
    if name in _INSIDE:
        return INSIDE, _INSIDE[name]
    if name == "BINARY_OP" and step.argrepr == "[]":  # 3.14
        return INSIDE, False
    if name.startswith(_TRUTH) and "NONE" not in name and previous.startswith("LOAD_"):
        return INSIDE, False  # the truth of a container is its length
    return None


_frozen: list[Any] = []  # filled where the program has frozen what there was; this, too, then


def is_frozen() -> bool:
    """Whether the program keeps objects from the collector. Who asks freezes all, as everybody in here does.

    They are counted only where that may have changed: it takes 0.1 s for a million.
    """
    if not _frozen or any(each is _frozen for each in gc.get_objects()):
        _frozen[:] = [True] if gc.get_freeze_count() else []
    return bool(_frozen)


def known_functions() -> list[FunctionType]:
    """Return every function that the collector knows, also what a program has frozen: that is in no list of it."""
    was_frozen = is_frozen()
    gc.unfreeze()
    found = [each for each in gc.get_objects() if type(each) is FunctionType]
    if was_frozen:
        gc.freeze()
    return found


#: Of each file what was found so far, by id. Without a lock: a process has one exploration at a time.
_known: dict[str, dict[int, CodeType]] = {}


def codes_in(files: frozenset[str], *roots: Callable[..., Any]) -> Iterator[CodeType]:
    """Yield every code object of a function that was written in `files`, inner functions too.

    All functions are looked through (0.3 s where a million objects are) only where one that is at hand, in a module or
    from `roots`, is new, for there may be others. What was found once is watched even where nothing calls it any more.
    """
    at_hand: list[Any] = [*roots]
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) in files:
            at_hand += list(vars(module).values())
    new = files - _known.keys()
    if new or any(id(code) not in _known[code.co_filename] for code in _reached_from(list(at_hand), files)):
        for file in new:
            _known[file] = {}
        # 3.13t hides from the collector the functions that were there when the first thread began.
        for code in _reached_from(at_hand + known_functions(), files):
            _known[code.co_filename][id(code)] = code
    for file in files:
        yield from _known[file].values()


def _reached_from(stack: list[Any], files: frozenset[str]) -> Iterator[CodeType]:
    seen: set[int] = set()
    while stack:
        each = stack.pop()
        if isinstance(each, CodeType):
            if id(each) not in seen and each.co_filename in files:
                seen.add(id(each))
                stack += each.co_consts
                yield each
        elif isinstance(each, FunctionType):
            stack.append(each.__code__)
            if each.__closure__ and id(each) not in seen:
                seen.add(id(each))
                stack += _captured(each.__closure__)
        elif isinstance(each, property):
            stack += (each.fget, each.fset, each.fdel)
        elif isinstance(each, (classmethod, staticmethod)):
            stack.append(each.__func__)
        elif isinstance(each, type) and id(each) not in seen:
            seen.add(id(each))
            stack += list(vars(each).values())


def _captured(closure: tuple[CellType, ...]) -> Iterator[Any]:
    for cell in closure:
        try:
            yield cell.cell_contents
        except ValueError:  # it has no value yet
            pass


class Tracing:
    """Base of the two ways to know where a thread is.

    Args:
        program: Whose own functions belong to it, where no module has them.
        files: Whose code is watched.
        reached: Called with the place, on the thread, before the bytecode runs.
        entered: Called with the name of a watched function that begins or goes on.
    """

    def __init__(
        self,
        program: Callable[..., Any],
        files: frozenset[str],
        reached: Callable[[Place], None],
        entered: Callable[[str], None],
    ) -> None:
        self.program = program
        self.files = files
        self.reached = reached
        self.entered = entered

    def open(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End."""

    def begin_thread(self) -> None:
        """Called on each thread that is to be watched, at its start."""

    def end_thread(self) -> None:
        """Called on it at its end."""


class TraceFunction(Tracing):  # pragma: no cover - Python 3.11, whose coverage sees nothing inside a trace function
    """By sys.settrace, with opcode events: Python 3.11."""

    def open(self) -> None:
        """Begin."""
        self._tracers: dict[int, tuple[CodeType, Callable[..., Any]]] = {}  # by id: code is slow to hash

    def begin_thread(self) -> None:
        """Called on each thread that is to be watched, at its start."""
        sys.settrace(self._on_call)

    def end_thread(self) -> None:
        """Called on it at its end."""
        sys.settrace(None)

    def _on_call(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if code.co_filename not in self.files:
            return None
        self.entered(code.co_name)
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        known = self._tracers.get(id(code))
        if known is None:
            known = self._tracers[id(code)] = (code, self._tracer(places_of(code)))
        return known[1]

    def _tracer(self, places: dict[int, Place]) -> Callable[..., Any]:
        get, reached = places.get, self.reached

        def on_opcode(frame: FrameType, event: str, argument: object) -> Any:
            if event == "opcode":
                place = get(frame.f_lasti)
                if place is not None:
                    reached(place)
            return on_opcode

        return on_opcode


class Monitoring(Tracing):
    """By sys.monitoring: Python 3.12 and later."""

    _TOOLS = (4, 3)  # those that nobody has a claim to

    def open(self) -> None:
        """Take a tool's number and switch the events on in every code object of the files."""
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        events, off, reached, entered = monitoring.events, monitoring.DISABLE, self.reached, self.entered
        self._tool = next((each for each in self._TOOLS if monitoring.get_tool(each) is None), self._TOOLS[0])
        monitoring.use_tool_id(self._tool, "vmscope.testing.explore")
        self._codes = list(codes_in(self.files, self.program))
        known: dict[int, tuple[CodeType, list[Place | None]]] = {}  # by id; the places by the number of the instruction
        last: tuple[CodeType | None, list[Place | None]] = (None, [])

        def on_instruction(code: CodeType, offset: int) -> Any:  # pragma: no cover - nothing counts in here
            # Most instructions come after one of the same function. A look into a dictionary takes its lock on 3.13t,
            # and runs of a small program took twice as long with two such looks for each instruction.
            # One pair, taken once: a thread from outside may be at work in watched code, too.
            nonlocal last
            pair = last
            if pair[0] is not code:
                if id(code) not in known:
                    found = places_of(code)
                    known[id(code)] = (code, [found.get(each) for each in range(0, len(code.co_code), 2)])
                last = pair = known[id(code)]
            place = pair[1][offset >> 1]
            if place is None:
                return off
            reached(place)
            return None

        def on_start(code: CodeType, offset: int) -> None:  # pragma: no cover - nor in here
            entered(code.co_name)

        self._callbacks: dict[int, Callable[[CodeType, int], Any]] = {
            events.INSTRUCTION: on_instruction, events.PY_START: on_start, events.PY_RESUME: on_start,
        }  # fmt: skip
        for event, callback in self._callbacks.items():
            monitoring.register_callback(self._tool, event, callback)
        for code in self._codes:
            monitoring.set_local_events(self._tool, code, sum(self._callbacks))
        monitoring.restart_events()

    def close(self) -> None:
        """Switch them off again."""
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        for code in self._codes:
            monitoring.set_local_events(self._tool, code, 0)
        for event in self._callbacks:
            monitoring.register_callback(self._tool, event, None)
        monitoring.free_tool_id(self._tool)


def make_tracing(
    program: Callable[..., Any],
    files: frozenset[str],
    reached: Callable[[Place], None],
    entered: Callable[[str], None],
) -> Tracing:
    """Return the way that this Python has."""
    return (Monitoring if hasattr(sys, "monitoring") else TraceFunction)(program, files, reached, entered)
