"""on_event: a coroutine for each click, as a callback that a toolkit can be given.

Invariants
    E1  nothing raised leaves the callback: PyQt ends the process over an exception in a slot.
    E2  the callback takes as many of the toolkit's arguments as the function does, and drops the rest.
Counterpart: `setOnClickListener { scope.launch { ... } }`, with a policy for a click while the last one still runs.
"""

from __future__ import annotations

from collections import deque
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .._primitives import report_uncaught
from ..coroutines._dispatchers import check_main

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..coroutines._job import Job
    from ..coroutines._scope import CoroutineScope

Policy: TypeAlias = Literal["latest", "drop", "queue", "conflate", "all"]
POLICIES = ("latest", "drop", "queue", "conflate", "all")


def on_event(scope: CoroutineScope, policy: Policy = "latest") -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Make a callback for a button of a function that suspends: each event launches it in `scope`.

        @on_event(owner.scope, policy="drop")
        async def save(): ...

        tkinter.Button(root, command=save)        # button.clicked.connect(save) in Qt

    Args:
        scope: Where its coroutines run: they end with it. What fails goes the way of all coroutines of the scope.
        policy: What an event does while the coroutine of the last one still runs. "latest" cancels that one and waits
            for its end; "drop" does nothing; "queue" runs after it; "conflate" runs after it, the latest event only;
            "all" runs beside it. Each decorated function counts for itself.
    Returns:
        A decorator. The callback returns None, raises nothing, and drops what arguments the function does not take.
    Raises:
        ValueError: There is no such policy.

    Threads: the callback, the main one.
    Android: a click listener that launches.
    """
    if policy not in POLICIES:
        raise ValueError(f"on_event(policy={policy!r}): one of {', '.join(map(repr, POLICIES))} is needed")

    def decorate(function: Callable[..., Any]) -> Callable[..., None]:
        slot = _Slot(scope, policy, function)

        @wraps(function)
        def on_event_callback(*args: Any) -> None:
            try:
                check_main(f"the callback {function!r}")
                slot.take(args[: _taken(function, len(args))])
            except BaseException as failure:  # noqa: BLE001  (E1)
                report_uncaught(failure)

        return on_event_callback

    return decorate


class _Slot:
    """The coroutine of one callback that runs, and the events that wait for its end. All on the main thread."""

    def __init__(self, scope: CoroutineScope, policy: Policy, function: Callable[..., Any]) -> None:
        self._scope = scope
        self._policy = policy
        self._function = function
        self._running: Job | None = None
        self._waiting: deque[tuple[Any, ...]] = deque()

    def take(self, args: tuple[Any, ...]) -> None:
        running = self._running
        if self._policy == "all" or running is None or running.is_completed:
            self._launch(args)
        elif self._policy != "drop":
            if self._policy != "queue":
                self._waiting.clear()
            self._waiting.append(args)
            if self._policy == "latest":
                running.cancel(f"a newer event of {self._function!r}")

    def _launch(self, args: tuple[Any, ...]) -> None:
        name = getattr(self._function, "__qualname__", None)
        job = self._running = self._scope.launch(self._function, *args, name=name)
        if self._policy not in ("all", "drop"):
            job.invoke_on_completion(lambda cause: self._scope.launch(self._next, job))

    def _next(self, job: Job) -> None:
        """Take up what waited for the end of `job`, on the scope's own dispatcher."""
        if self._running is job:
            self._running = None
            if self._waiting:
                self._launch(self._waiting.popleft())


def _taken(function: Callable[..., Any], given: int) -> int:
    """How many of `given` arguments `function` takes by position."""
    bound = int(getattr(function, "__self__", None) is not None)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    takes_any = 0x04  # CO_VARARGS
    if code is None or code.co_flags & takes_any:
        return given
    return min(given, int(code.co_argcount) - bound)
