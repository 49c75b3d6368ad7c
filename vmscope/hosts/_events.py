"""on_event: a coroutine for each click, as a callback that a toolkit can be given.

Invariants
    E1  nothing raised leaves the callback: PyQt ends the process over an exception in a slot.
    E2  the callback takes as many of the toolkit's arguments as the function does, and drops the rest.
Counterpart: `setOnClickListener { scope.launch { ... } }`, with a policy for a click while the last one still runs.
"""

from __future__ import annotations

from functools import partial, wraps
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .._primitives import report_uncaught
from ..coroutines._dispatchers import check_main

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..coroutines._scope import CoroutineScope

Policy: TypeAlias = Literal["latest", "drop", "queue", "conflate", "all"]
POLICIES = ("latest", "drop", "queue", "conflate", "all")

_numbers = count(1)  # of the slots


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
        launch = _launcher(scope, policy, function)

        @wraps(function)
        def on_event_callback(*args: Any) -> None:
            try:
                check_main(f"the callback {function!r}")
                launch(*args[: _taken(function, len(args))])
            except BaseException as failure:  # noqa: BLE001  (E1)
                report_uncaught(failure)

        return on_event_callback

    return decorate


def _launcher(scope: CoroutineScope, policy: Policy, function: Callable[..., Any]) -> Callable[..., object]:
    """Return what launches `function` as the policy says, in a slot of its own."""
    name = getattr(function, "__qualname__", None)
    if policy == "all":
        return partial(scope.launch, function, name=name)
    slot: dict[str, Any] = {"slot": f"on_event {next(_numbers)}", "name": name}
    if policy == "latest":
        return partial(scope.launch_latest, function, join=True, **slot)
    if policy == "drop":
        return partial(scope.launch_dropping, function, **slot)
    return partial(scope.launch_queued if policy == "queue" else scope.launch_conflated, function, **slot)


def _taken(function: Callable[..., Any], given: int) -> int:
    """How many of `given` arguments `function` takes by position."""
    bound = int(getattr(function, "__self__", None) is not None)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    takes_any = 0x04  # CO_VARARGS
    if code is None or code.co_flags & takes_any:
        return given
    return min(given, int(code.co_argcount) - bound)
