"""on_event: a coroutine for each click, as a callback that a toolkit can be given.

Invariants
    E1  nothing raised leaves the callback: PyQt ends the process over an exception in a slot.
    E2  the callback takes as many of the toolkit's arguments as the function does, and drops the rest.
Counterpart: `setOnClickListener { scope.launch { ... } }`, with a policy for a click while the last one still runs.
"""

from __future__ import annotations

from functools import partial, wraps
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .._primitives import report_uncaught
from ..coroutines._dispatchers import check_main
from ..coroutines._scope import CoroutineScope

if TYPE_CHECKING:
    from collections.abc import Callable

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
        A decorator. The callback returns None, raises nothing, and drops what arguments the function does not take; one
        that is built in does not say, and gets all.
    Raises:
        ValueError: There is no such policy.
        TypeError: This is no scope, or what is decorated no function.

    Threads: the callback, the main one.
    Android: a click listener that launches.
    """
    if policy not in POLICIES:
        raise ValueError(f"on_event(policy={policy!r}): one of {', '.join(map(repr, POLICIES))} is needed")

    if not isinstance(scope, CoroutineScope):
        raise TypeError(
            f"on_event({scope!r}): a CoroutineScope is needed, for its coroutines to run in; a window's is owner.scope"
        )

    def decorate(function: Callable[..., Any]) -> Callable[..., None]:
        if not callable(function):
            raise TypeError(f"on_event(...) of {function!r}: a function is needed, which is called at each event")
        launch = _launcher(scope, policy, function)

        names = _by_position(function)
        taken = None if names is None else len(names)

        @wraps(function)
        def on_event_callback(*args: Any) -> None:
            try:
                check_main(f"the callback {function!r}")
                launch(*args[:taken])
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


def _by_position(function: Any) -> tuple[str, ...] | None:
    """The names of the arguments that `function` takes by position; None: any number of them, or it does not say.

    `inspect.signature` would be slow to load, looks up annotations, and believes a wrapper to take what it wraps.
    """
    if isinstance(function, partial):
        names = _but_the_first(len(function.args), _by_position(function.func))
        given = function.keywords
        return names and tuple(takewhile(lambda name: name not in given, names))
    if hasattr(function, "__func__"):
        return _but_the_first(1, _by_position(function.__func__))
    code = getattr(function, "__code__", None)
    if code is None:
        call = type(function).__call__
        return _but_the_first(1, _by_position(call)) if hasattr(call, "__code__") else None
    takes_any = 0x04  # CO_VARARGS
    if not code.co_flags & takes_any:
        return tuple(code.co_varnames[: code.co_argcount])
    return _by_position(function.__wrapped__) if hasattr(function, "__wrapped__") else None


def _but_the_first(number: int, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else names[number:]
