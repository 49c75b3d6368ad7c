"""U5: callbacks that launch, each policy in virtual time."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

import pytest

from vmscope import CoroutineScope, Dispatchers, Looper, SupervisorJob, delay, suspend
from vmscope.hosts import on_event
from vmscope.hosts._events import POLICIES

from ..looper.notes import VirtualClock


class Screen:
    """A main looper on a virtual clock, and a scope on it."""

    def __repr__(self) -> str:
        return "<Screen>"

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.looper = Looper.prepare_main(self.clock)
        self.scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
        self.log: list[Any] = []

    def run(self, until: float) -> None:
        while True:
            seconds = self.looper.pump()
            if seconds is None or self.clock.now + seconds > until:
                self.clock.now = until
                return
            self.clock.now += seconds

    async def work(self, name: str) -> None:
        try:
            await delay(1.0)
            self.log.append(name)
        except BaseException as end:
            self.log.append(f"{name}: {type(end).__name__}")
            raise


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.mark.parametrize(
    ("policy", "log"),
    [
        ("latest", ["a: CancellationException", "c"]),
        ("drop", ["a"]),
        ("queue", ["a", "b", "c"]),
        ("conflate", ["a", "c"]),
        ("all", ["a", "b", "c"]),
    ],
)
def test_what_an_event_does_while_the_last_one_still_runs(screen: Screen, policy: Any, log: list[str]) -> None:
    """U5"""
    clicked = on_event(screen.scope, policy)(screen.work)

    clicked("a")
    screen.run(0.5)
    clicked("b")
    clicked("c")
    screen.run(10.0)

    assert screen.log == log
    clicked("later")
    screen.run(20.0)
    assert screen.log == [*log, "later"]


def test_each_decorated_function_counts_for_itself(screen: Screen) -> None:
    """U5"""
    on_event(screen.scope)(screen.work)("a")
    on_event(screen.scope)(screen.work)("b")
    screen.run(5.0)

    assert screen.log == ["a", "b"]


def test_a_callback_gives_as_many_arguments_as_the_function_takes(screen: Screen) -> None:
    """U5"""
    on_event(screen.scope)(lambda: screen.log.append(()))("event", 2)
    on_event(screen.scope)(lambda one: screen.log.append((one,)))("event", 2)
    on_event(screen.scope)(lambda *all: screen.log.append(all))("event", 2)
    on_event(screen.scope)(screen.log.append)("built in")
    screen.run(1.0)

    assert screen.log == [(), ("event",), ("event", 2), "built in"]


def logged(function: Any) -> Any:
    """A decorator as others write them."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Loader:
    """Callable, and with methods of each kind."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log

    async def __call__(self, one: Any) -> None:
        self.log.append((one,))

    async def load(self) -> None:
        self.log.append(())

    @logged
    async def load_logged(self, one: Any) -> None:
        self.log.append((one,))

    @suspend
    def load_by_generator(self) -> Any:
        yield from delay(0)
        self.log.append(())


def _by_hand(log: list[Any], first: Any, second: Any = "default", *, word: str = "") -> None:
    log.append((first, second, word))


@pytest.mark.parametrize(
    ("make", "called_with"),
    [
        (lambda log: partial(Loader(log).load), ()),
        (lambda log: partial(Loader(log), 3), (3,)),
        (lambda log: partial(_by_hand, log), ("event", 2, "")),
        (lambda log: partial(_by_hand, log, "given"), ("given", "event", "")),
        (lambda log: partial(_by_hand, log, word="w"), ("event", 2, "w")),
        (lambda log: partial(_by_hand, log, second="given"), ("event", "given", "")),
        (lambda log: partial(_by_hand, first="given", log=log), ("given", "default", "")),
        (lambda log: logged(lambda: log.append(())), ()),
        (lambda log: logged(logged(partial(_by_hand, log, 1, 2))), (1, 2, "")),
        (lambda log: logged(Loader(log).load), ()),
        (lambda log: partial(logged(Loader(log).load)), ()),
        (lambda log: wraps(Loader(log).load)(lambda event: log.append((event,))), ("event",)),
        (lambda log: Loader(log), ("event",)),
        (lambda log: Loader(log).load, ()),
        (lambda log: Loader(log).load_logged, ("event",)),
        (lambda log: Loader(log).load_by_generator, ()),
        (lambda log: lambda *, word="": log.append(word), ""),
    ],
)
def test_what_stands_around_a_function_takes_as_many_arguments_as_that(
    screen: Screen, make: Any, called_with: Any
) -> None:
    """U5: a partial, a wrapper, an object that can be called."""
    on_event(screen.scope)(make(screen.log))("event", 2)
    screen.run(1.0)

    assert screen.log == [called_with]


def test_a_callback_raises_nothing_and_reports_what_is_wrong(screen: Screen, uncaught: list[BaseException]) -> None:
    """U5"""

    def broken() -> None:
        raise ValueError("in the callback")

    assert on_event(screen.scope)(broken)() is None  # type: ignore[func-returns-value]
    assert on_event(screen.scope)(screen.work)() is None  # type: ignore[func-returns-value]  # an argument is missing
    screen.run(1.0)

    assert str(uncaught.pop(0)) == "in the callback"
    assert "missing 1 required positional argument" in str(uncaught.pop(0))


def test_a_callback_off_the_main_thread_is_reported_and_launches_nothing(
    screen: Screen, uncaught: list[BaseException]
) -> None:
    """U5"""
    import threading

    clicked = on_event(screen.scope)(screen.work)
    thread = threading.Thread(target=clicked, args=("a",))
    thread.start()
    thread.join()
    screen.run(5.0)

    assert screen.log == []
    assert "was called on thread" in str(uncaught.pop())


def test_nothing_is_launched_once_the_scope_has_ended(screen: Screen) -> None:
    """U5"""
    clicked = on_event(screen.scope, "queue")(screen.work)
    clicked("a")
    clicked("b")
    screen.run(0.5)

    screen.scope.cancel()
    clicked("c")
    screen.run(5.0)

    assert screen.log == ["a: CancellationException"]


def test_an_unknown_policy_is_refused(screen: Screen) -> None:
    """U5"""
    with pytest.raises(ValueError, match=f"policy='newest'.*{POLICIES[0]}"):
        on_event(screen.scope, "newest")  # type: ignore[arg-type]


def test_what_is_no_scope_and_no_function_is_refused(screen: Screen) -> None:
    """U5: at the call, and not at the first click."""
    with pytest.raises(TypeError, match=r"on_event\(<Screen>\): .* CoroutineScope .*owner\.scope"):
        on_event(screen)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"on_event\(\.\.\.\) of 3: a function is needed"):
        on_event(screen.scope)(3)  # type: ignore[arg-type]
