"""Have something strike at a chosen bytecode: a signal handler, a finalizer, a Ctrl-C.

CPython lets handlers and a Ctrl-C in at few points, the open ones: as a function begins, after a call, at a jump back.
A finalizer comes there, too; on 3.11 the collector also runs at whatever bytecode makes an object.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import get_ident
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType, FrameType

#: `strike(scenario, at, action)` runs `scenario`, with `action` called once, at the point number `at`.
#: False: there are not so many.
Strike = Callable[[Callable[[], object], int, Callable[[], object]], bool]
Points = Callable[["CodeType"], "set[int]"]

_OPENING = ("CALL", "JUMP_BACKWARD", "RESUME")
_WITHIN_AWAIT = 2  # a RESUME in a `yield from` or an `await` lets nothing in: what waits inside goes first
_MAKING = ("BUILD_", "LIST_", "LOAD_ATTR", "BINARY_OP", "MAKE_FUNCTION", "GET_ITER", "FOR_ITER")
_open: dict[CodeType, set[int]] = {}
_collecting: dict[CodeType, set[int]] = {}


def open_points(code: CodeType) -> set[int]:
    """The offsets of the instructions before which an interruption may come."""
    if code not in _open:
        points, after = set(), True
        for instruction in dis.get_instructions(code):
            if after:
                points.add(instruction.offset)
            after = instruction.opname.startswith(_OPENING)
            if instruction.opname == "RESUME" and (instruction.arg or 0) & 3 >= _WITHIN_AWAIT:
                after = False
            if instruction.opname == "JUMP_BACKWARD_NO_INTERRUPT":  # what its name says: how a handler joins the rest
                after = False
            elif instruction.opname.startswith("JUMP_BACKWARD"):
                if _guard(code, instruction.argval) == _guard(code, instruction.argval - 2):
                    points.add(instruction.argval)
                after = False
        _open[code] = points
    return _open[code]


def _guard(code: CodeType, offset: int) -> int | None:
    """Where the handler lies that an exception at `offset` goes to.

    What strikes a jump back goes where one of the instruction before its target does: 3.12 leaves an `except` by such a
    jump, into the `finally` of the same `try`. What is raised at the target itself would pass that by, as nothing can.
    """
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    return next((entry.target for entry in entries if entry.start <= offset < entry.end), None)


def collecting_points(code: CodeType) -> set[int]:
    """The offsets of the instructions at which a finalizer may run: the open ones, and those that make an object."""
    if code not in _collecting:
        making = {step.offset for step in dis.get_instructions(code) if step.opname.startswith(_MAKING)}
        _collecting[code] = open_points(code) | (making if sys.version_info < (3, 12) else set())
    return _collecting[code]


@contextmanager
def striking(codes: Iterable[CodeType], points: Points = open_points) -> Iterator[Strike]:
    """Yield a `strike` for the points in `codes`."""
    codes = list(codes)
    known = {id(code): points(code) for code in codes}  # by id: code is slow to hash
    at_instruction: Callable[[], None] | None = None

    def instruction(code: CodeType, offset: int) -> Any:
        if offset not in known[id(code)]:
            return DISABLE
        counts = at_instruction  # once: it goes while workers are still at it, and what failed here would end them
        if counts is not None:
            counts()
        return None

    def strike(scenario: Callable[[], object], at: int, action: Callable[[], object]) -> bool:
        nonlocal at_instruction
        seen, mine = 0, get_ident()

        def count() -> None:
            nonlocal seen
            if seen <= at and get_ident() == mine:  # others that run now, workers say, would shift the points
                seen += 1
                if seen == at + 1:
                    action()

        at_instruction = count
        try:
            with _tracing(known, instruction):
                scenario()
        finally:
            at_instruction = None
        return seen > at

    with _monitoring(codes, instruction):
        yield strike


if sys.version_info >= (3, 12):  # the other way loses the first events of each code there
    DISABLE: Any = sys.monitoring.DISABLE

    @contextmanager
    def _monitoring(codes: list[CodeType], instruction: Callable[[CodeType, int], Any]) -> Iterator[None]:
        """Have `instruction(code, offset)` called before each instruction of `codes`."""
        tool, events = 4, sys.monitoring.events
        sys.monitoring.use_tool_id(tool, "strike")
        sys.monitoring.register_callback(tool, events.INSTRUCTION, instruction)
        for code in codes:
            sys.monitoring.set_local_events(tool, code, events.INSTRUCTION)
        try:
            yield
        finally:
            for code in codes:
                sys.monitoring.set_local_events(tool, code, 0)
            sys.monitoring.register_callback(tool, events.INSTRUCTION, None)
            sys.monitoring.free_tool_id(tool)
            sys.monitoring.restart_events()

    def _tracing(known: dict[int, Any], instruction: Callable[[CodeType, int], Any]) -> AbstractContextManager[None]:
        return nullcontext()

else:
    DISABLE = None

    def _monitoring(
        codes: list[CodeType], instruction: Callable[[CodeType, int], Any]
    ) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def _tracing(known: dict[int, Any], instruction: Callable[[CodeType, int], Any]) -> Iterator[None]:
        """Have `instruction(code, offset)` called before each instruction of what is known, on this thread."""

        def on_opcode(frame: FrameType, event: str, arg: object) -> Any:
            if event == "opcode":
                instruction(frame.f_code, frame.f_lasti)
            return on_opcode

        def on_call(frame: FrameType, event: str, arg: object) -> Any:
            if id(frame.f_code) not in known:
                return None
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            return on_opcode

        previous = sys.gettrace()
        sys.settrace(on_call)
        try:
            yield
        finally:
            sys.settrace(previous)
