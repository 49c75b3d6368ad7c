"""The envelope by itself: what is told of a call that cannot be sent, of an outcome that does not come back."""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from vmscope import Job
from vmscope.interop import OffloadError, RemoteError
from vmscope.interop._envelope import Letter, Task, read
from vmscope.interop._token import JobToken

from . import work


def a_task(function: Callable[..., Any], *args: object, uses_cloudpickle: bool = False) -> Task:
    return Task(function, args, JobToken(Job()), uses_cloudpickle)


def sent(task: Task) -> Letter:
    """What becomes of it on its way to another process."""
    letter = pickle.loads(pickle.dumps(task))
    assert isinstance(letter, Letter)
    return letter


def answered(function: Callable[..., Any], *args: object) -> Any:
    """What a caller gets back from elsewhere."""
    return read("function", pickle.loads(pickle.dumps(sent(a_task(function, *args))())))


@pytest.mark.parametrize("uses_cloudpickle", [False, True])
def test_a_call_is_known_by_the_functions_name_on_its_whole_way(uses_cloudpickle: bool) -> None:
    """An engine shows it in its lists, and may send a letter on to yet another worker."""
    task = a_task(work.double, 4, uses_cloudpickle=uses_cloudpickle)
    letter = sent(task)
    further = pickle.loads(pickle.dumps(letter))

    assert (task.__name__, letter.__name__, further.__name__) == ("double",) * 3
    assert (repr(task), repr(letter)) == ("<Task double>", "<Letter double>")
    assert read("double", further()) == 8


def test_a_call_that_was_made_here_is_not_sent_on() -> None:
    task = a_task(work.double, 4)
    task()

    with pytest.raises(OffloadError, match="double was called here already and cannot be sent on"):
        pickle.dumps(task)


class Moody:
    """Can be pickled, though not the first time."""

    def __init__(self) -> None:
        self.refusals = 1

    def __reduce__(self) -> tuple[Any, ...]:
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("not now")
        return int, ()


def test_a_call_that_cannot_be_sent_though_each_of_its_parts_can_says_what_it_died_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "cloudpickle", raising=False)  # it would ask once more, and be answered
    with pytest.raises(OffloadError, match=r"the call of double cannot be pickled, .*: RuntimeError: not now; offload"):
        pickle.dumps(a_task(work.double, Moody()))


class ComesBackAsAnotherError(Exception):
    """What it is pickled as is not what it was."""

    def __reduce__(self) -> tuple[Any, ...]:
        return LookupError, ("something else",)


def raise_another() -> None:
    raise ComesBackAsAnotherError("the one")


def test_an_exception_that_comes_back_as_another_one_comes_in_words() -> None:
    with pytest.raises(RemoteError) as caught:
        answered(raise_another)

    assert str(caught.value) == f"{__name__}.ComesBackAsAnotherError: the one"


def test_an_exception_of_a_class_that_is_not_there_comes_in_words() -> None:
    """A module of the worker's own: it can be pickled and read there, and not here."""
    only_there = types.ModuleType("only_there")
    exec("class GoneError(Exception): pass\ndef fail(): raise GoneError('away')", only_there.__dict__)
    sys.modules["only_there"] = only_there
    try:
        answer = sent(a_task(only_there.fail))()
    finally:
        del sys.modules["only_there"]

    with pytest.raises(RemoteError) as caught:
        read("fail", answer)

    assert (caught.value.type_name, caught.value.message) == ("only_there.GoneError", "away")
    assert "in fail" in caught.value.traceback_text


class WithoutTracebackError(Exception):
    """Not even its traceback can be made."""

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no cause")

    def __reduce__(self) -> tuple[Any, ...]:
        raise RuntimeError("no pickle")


def raise_without_traceback() -> None:
    raise WithoutTracebackError("the one")


def test_an_exception_whose_traceback_cannot_be_made_comes_without() -> None:
    with pytest.raises(RemoteError) as caught:
        answered(raise_without_traceback)

    assert caught.value.message == "the one"
    assert caught.value.traceback_text == "(its traceback cannot be made: RuntimeError)\n"
