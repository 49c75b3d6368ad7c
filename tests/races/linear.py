"""Is what several threads saw of one object explained by some order of their calls, one after another?

A call takes effect at one moment between its beginning and its end; some in two moments, the second without an answer.
An order of these moments that a sequential model answers in the same way explains what was seen. All orders are tried:
three threads with three calls have few (the search of Wing and Gong, with a memory of what led nowhere).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from typing import Any, Protocol

#: A model's answer to a call that cannot take effect in this state: it would wait.
WAITS: Any = object()


class Call:
    """One call: who made it, what it was, what it answered, and when it began and ended, as places in one log."""

    def __init__(self, thread: int, name: str, arguments: tuple[Any, ...]) -> None:
        self.thread = thread
        self.name = name
        self.arguments = arguments
        self.answer: Any = None
        self.began = self.ended = 1 << 60

    def __repr__(self) -> str:
        return f"{self.thread}: {self.name}{self.arguments!r} -> {self.answer!r} [{self.began}, {self.ended}]"


class Model(Protocol):
    """The object, one call at a time.

    `call(state, name, arguments, me)` gives the state after the call and its answer; `me` names the call. `second` has
    the names of the calls with a second moment, `then(state, name, arguments, me)` is the state
    after that.
    """

    start: Hashable
    second: frozenset[str]

    def call(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> tuple[Hashable, Any]: ...
    def then(self, state: Any, name: str, arguments: tuple[Any, ...], me: int) -> Hashable: ...


class History:
    """What was called, by all threads. Each entry of the log is one step on every build."""

    def __init__(self) -> None:
        self._log: list[tuple[Call, bool]] = []

    def begin(self, thread: int, name: str, *arguments: Any) -> Call:
        call = Call(thread, name, arguments)
        self._log.append((call, True))
        return call

    def end(self, call: Call, answer: Any) -> None:
        call.answer = answer
        self._log.append((call, False))

    def calls(self) -> list[Call]:
        """All calls, with their times. A call that has not ended goes on for ever."""
        for place, (call, begins) in enumerate(self._log):
            if begins:
                call.began = place
            else:
                call.ended = place
        return [call for call, begins in self._log if begins]


def explained(calls: list[Call], model: Model, accepts: Callable[[Any], bool] = lambda state: True) -> bool:
    """Whether some order of `calls` gives these answers, and a last state that `accepts`."""
    moments = [2 if call.name in model.second else 1 for call in calls]
    nowhere: set[Hashable] = set()

    def search(done: tuple[int, ...], state: Hashable) -> bool:
        if (done, state) in nowhere:
            return False
        open_calls = [n for n, count in enumerate(done) if count < moments[n]]
        if not open_calls:
            return accepts(state)
        first_end = min(calls[n].ended for n in open_calls)
        for n in open_calls:
            call = calls[n]
            if call.began > first_end:
                continue  # somebody's call was over before this one began
            if done[n]:
                after = model.then(state, call.name, call.arguments, n)
            else:
                after, answer = model.call(state, call.name, call.arguments, n)
                if answer is WAITS or answer != call.answer:
                    continue
            if search((*done[:n], done[n] + 1, *done[n + 1 :]), after):
                return True
        nowhere.add((done, state))
        return False

    return search((0,) * len(calls), model.start)


def programs(choices: list[tuple[Any, ...]], seed: int, count: int) -> list[list[list[tuple[Any, ...]]]]:
    """Random programs: a list of calls for each of two or three threads."""
    random = Random(seed)
    return [
        [[random.choice(choices) for _ in range(random.choice((2, 2, 3)))] for _ in range(random.choice((2, 2, 3)))]
        for _ in range(count)
    ]
