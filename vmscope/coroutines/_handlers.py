"""Completion handlers: what `invoke_on_completion` registers, and how deep they may call each other.

A handler that ends a job calls that job's handlers inside itself. From some depth on they wait for the outermost one of
their thread, so that a chain of any length needs no stack.

Locks: none; each thread counts its own depth.
Counterpart: kotlinx.coroutines.DisposableHandle, InvokeOnCompletion.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .._errors import CompletionHandlerError
from .._primitives import ThreadLocal, report_uncaught

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._job import Job


class DisposableHandle:
    """Undoes a registration: `dispose()`.

    Kotlin: DisposableHandle.
    """

    __slots__ = ("_function", "_job", "_kind")

    def __init__(self, job: Job, function: Callable[[BaseException | None], object], kind: int) -> None:
        self._job: Job | None = job
        self._function: Callable[[BaseException | None], object] | None = function
        self._kind = kind

    def dispose(self) -> None:
        """Take the handler away, if it has not been called. Threads: any."""
        job, self._job = self._job, None
        if job is not None:
            job._remove_node(self)

    def _fire(self, job: Job, cause: BaseException | None) -> None:
        _call_handler(self, job, cause)


#: A handler that ends a job whose handler ends a job...: so many are called one inside the other, the rest after.
_DEEPEST = 40


class _Nesting(ThreadLocal):
    def __init__(self) -> None:
        self.depth = 0
        self.later: deque[tuple[DisposableHandle, Job, BaseException | None]] = deque()


_nesting = _Nesting()


def _call_handler(node: DisposableHandle, job: Job, cause: BaseException | None) -> None:
    """Call a completion handler; where they nest too deep, leave it to the outermost one on this thread."""
    local = _nesting
    if local.depth >= _DEEPEST:
        local.later.append((node, job, cause))
        return
    local.depth += 1
    try:
        function = node._function
        if function is not None:  # on_cancelling ones are told of the end, too, and all again where telling broke off
            node._function = node._job = None  # now: what strikes before does not lose it, and it is never called twice
            function(cause)
    finally:  # also where it raised: nobody else would call the rest
        try:
            if local.depth == 1 and local.later:
                _call_later(local)
        except BaseException:  # in lines of ours
            _call_later(local)
            raise
        finally:
            local.depth -= 1


def _call_later(local: _Nesting) -> None:
    later = local.later
    while later:
        node, job, cause = later[0]
        function = node._function  # before the next line: what strikes here is no failure of the handler's
        try:
            if function is not None:
                node._function = node._job = None
                function(cause)
        except BaseException as raised:  # noqa: BLE001  (the job it belongs to has told its end long ago)
            error = CompletionHandlerError(f"Exception in completion handler of {job!r}")
            error.__cause__ = raised
            if job._handler_failed(error) is not None:
                report_uncaught(error)
        later.popleft()  # last: what strikes before loses none
