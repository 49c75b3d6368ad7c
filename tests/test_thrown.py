"""One exception object is thrown by one at a time where there is no GIL: who gets it, who a twin, what a twin says.

The bookkeeping is the same on every interpreter and is tested on all; that the library asks for it is seen without the
GIL only. Before it did, the first test of that part found one object in all coroutines, and the interpreter died in
about one run of twelve seconds out of five.
"""

from __future__ import annotations

import gc
import pickle
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from vmscope import (
    CancellationException,
    CompletableDeferred,
    CoroutineScope,
    Deferred,
    Dispatchers,
    Job,
    SupervisorJob,
    await_cancellation,
    coroutine_scope,
    run_blocking,
)
from vmscope._errors import TimeoutCancellationException
from vmscope._primitives import FREE_THREADED
from vmscope._thrown import _own, _traceback_of, original, own, traceback_of, twin
from vmscope.interop import await_future
from vmscope.sync import Channel

without_gil = pytest.mark.skipif(not FREE_THREADED, reason="with the GIL everybody is given the one object")


class Party:
    """Who throws."""

    is_completed = False


class Odd(Exception):
    """An exception whose `__init__` wants other arguments than it hands on."""

    made = 0

    def __init__(self, code: int, *, where: str) -> None:
        super().__init__(f"{code} at {where}")
        self.code = code
        self.where = where
        Odd.made += 1


class Slotted(CancellationException):
    __slots__ = ("extra",)


class Stubborn(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("not to be copied")


class Alien(Exception):
    def __reduce__(self) -> Any:
        return OSError, (1, "another kind")


# -- what a twin says


def test_a_twin_is_of_the_same_kind_and_says_the_same() -> None:
    error = LookupError("no", 3)
    error.__cause__ = ValueError()
    error.note = "kept"  # type: ignore[attr-defined]
    try:
        raise error
    except LookupError:
        pass

    other: Any = twin(error)

    assert other is not error and type(other) is LookupError
    assert (other.args, other.note, other.__cause__) == (("no", 3), "kept", error.__cause__)
    assert other.__traceback__ is None
    assert error.__traceback__ is not None


def test_a_twin_of_what_has_its_state_in_c_has_that_too() -> None:
    missing, text = FileNotFoundError(2, "gone", "here.txt"), UnicodeDecodeError("ascii", b"\xff", 0, 1, "bad")

    assert (twin(missing).errno, twin(missing).filename, str(twin(missing))) == (2, "here.txt", str(missing))
    assert str(twin(text)) == str(text)


def test_a_twin_is_made_without_a_call_of_a_constructor_in_python() -> None:
    error, made = Odd(7, where="gate"), Odd.made

    other = twin(error)

    assert (str(other), other.code, other.where, Odd.made) == ("7 at gate", 7, "gate", made)


def test_a_twin_of_a_cancellation_knows_the_job_and_the_source() -> None:
    job, cause = Job(), ValueError()
    plain = CancellationException("enough", cause, job=job, source="clear")
    timeout = TimeoutCancellationException("late", job=job, seconds=2.5)
    slotted = Slotted("enough")
    slotted.extra = [1]  # type: ignore[attr-defined]

    other = twin(plain)

    assert (other.message, other.args, other.job, other.source) == ("enough", ("enough",), job, "clear")
    assert other.__cause__ is cause
    assert (twin(timeout).seconds, twin(timeout).job) == (2.5, job)
    assert type(twin(slotted)) is Slotted


class Wide(Exception):
    def __reduce__(self) -> Any:
        return Narrow, ("another kind",)


class Narrow(Wide):
    pass


@pytest.mark.parametrize(
    "error", [Stubborn("a"), Alien("b"), Wide("c")], ids=["refuses", "becomes another", "becomes one of its kind"]
)
def test_what_cannot_be_made_anew_is_its_own_twin(error: Exception) -> None:
    assert twin(error) is error


def test_a_twin_of_a_twin_stands_for_the_first() -> None:
    error = LookupError()

    assert original(twin(twin(error))) is error
    assert original(error) is error


# -- who throws the object


def test_who_comes_first_throws_the_object_and_others_a_twin() -> None:
    error, first, second = LookupError("no"), Party(), Party()

    assert _own(error, first) is error
    assert original(_own(error, second)) is error is not _own(error, second)
    assert _own(error, first) is error, "it may throw it again"


def test_who_has_ended_throws_no_more() -> None:
    error, first, second = LookupError("no"), Party(), Party()
    _own(error, first)

    first.is_completed = True

    assert _own(error, second) is error
    assert _own(error, first) is not error


def test_who_is_gone_throws_no_more() -> None:
    error, first = LookupError("no"), Party()
    _own(error, first)

    del first
    gc.collect()

    assert _own(error, Party()) is error


def test_a_coroutine_throws_what_its_thread_has_thrown_before() -> None:
    error, party = LookupError("no"), Party()

    assert _own(error, threading.current_thread()) is _own(error, party) is error


def test_a_thread_throws_until_it_has_ended() -> None:
    error = LookupError("no")
    go = threading.Event()
    claimed = threading.Event()

    def throw() -> None:
        _own(error, threading.current_thread())
        claimed.set()
        go.wait()

    thread = threading.Thread(target=throw)
    thread.start()
    claimed.wait()
    during = _own(error, threading.current_thread())
    go.set()
    thread.join()

    assert during is not error
    assert _own(error, threading.current_thread()) is error


def test_the_traceback_is_not_read_while_another_throws() -> None:
    error, first = LookupError("no"), Party()
    try:
        raise error
    except LookupError:
        pass
    _own(error, first)

    assert _traceback_of(error, Party()) is None
    assert _traceback_of(error, first) is error.__traceback__ is not None


def test_what_was_thrown_can_still_be_pickled() -> None:
    error, party = LookupError("no"), Party()
    _own(error, party)

    assert pickle.loads(pickle.dumps(error)).args == ("no",)
    assert pickle.loads(pickle.dumps(_own(error, Party()))).args == ("no",)


@pytest.mark.skipif(FREE_THREADED, reason="there it matters who throws")
def test_with_the_gil_everybody_throws_the_object() -> None:
    error, party = LookupError(), Party()

    assert own(error, party) is own(error) is error
    assert not error.__dict__
    assert traceback_of(error, party) is error.__traceback__


# -- the library asks

COUNT = 4


def caught_at_once(block: Any, end: Any) -> list[BaseException]:
    """What COUNT coroutines on threads of their own catch of `block`, none out of its handler yet; `end` ends it."""
    caught: list[BaseException] = []
    here, on = threading.Barrier(COUNT + 1), threading.Barrier(COUNT)

    def body() -> Any:
        here.wait()
        try:
            yield from block()
        except BaseException as error:
            caught.append(error)
            on.wait()  # nobody leaves before everybody has caught
            raise

    scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)
    jobs = [scope.async_(body) for _ in range(COUNT)]
    here.wait()
    end(scope)
    for job in jobs:
        run_blocking(job.join)
    return caught


def check_one_each(caught: list[BaseException]) -> None:
    assert len(caught) == COUNT
    assert len({id(error) for error in caught}) == COUNT
    assert len({id(original(error)) for error in caught}) == 1


@without_gil
def test_each_coroutine_of_a_cancelled_scope_throws_an_object_of_its_own() -> None:
    check_one_each(caught_at_once(await_cancellation, lambda scope: scope.cancel("enough")))


@without_gil
def test_each_coroutine_that_awaits_a_failure_throws_an_object_of_its_own() -> None:
    failing: CompletableDeferred[None] = CompletableDeferred()

    check_one_each(caught_at_once(failing.await_, lambda _scope: failing.complete_exceptionally(LookupError("no"))))
    check_one_each(caught_at_once(failing.await_, lambda _scope: None))  # it is there already


@without_gil
def test_each_receiver_of_a_channel_that_failed_throws_an_object_of_its_own() -> None:
    channel: Channel[int] = Channel()

    check_one_each(caught_at_once(channel.receive, lambda _scope: channel.close(LookupError("no"))))
    check_one_each(caught_at_once(channel.receive, lambda _scope: None))


@without_gil
def test_each_coroutine_that_waits_for_one_future_throws_an_object_of_its_own() -> None:
    future: Future[None] = Future()

    check_one_each(caught_at_once(lambda: await_future(future), lambda _scope: future.set_exception(LookupError("no"))))
    check_one_each(caught_at_once(lambda: await_future(future), lambda _scope: None))


@without_gil
def test_code_on_another_thread_that_asks_whether_a_job_is_active_throws_an_object_of_its_own() -> None:
    asked: list[BaseException] = []

    def ask() -> None:
        with pytest.raises(CancellationException, match="enough") as raised:
            job.ensure_active()
        asked.append(raised.value)

    def body() -> Any:
        try:
            yield from await_cancellation()
        except CancellationException as cancelled:
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
            asked.append(cancelled)
            raise

    job = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined).launch(body)
    cause = CancellationException("enough")
    job.cancel(cause)

    elsewhere, here = asked
    assert here is cause is original(elsewhere) is not elsewhere


@without_gil
def test_a_twin_is_not_told_as_a_failure_beside_its_original() -> None:
    error = LookupError("no")
    gate = threading.Barrier(2)

    def fail() -> None:
        raise error

    def awaits(failing: Deferred[None]) -> Any:
        try:
            yield from failing.await_()
        except LookupError:
            gate.wait()
            gate.wait()
            raise

    async def body() -> None:
        async with coroutine_scope() as scope:
            failing = CoroutineScope(SupervisorJob() + Dispatchers.IO).async_(fail)
            for _ in range(2):
                scope.launch(awaits, failing, context=Dispatchers.IO)

    with pytest.raises(LookupError) as raised:
        run_blocking(body)

    assert original(raised.value) is error
    assert not getattr(raised.value, "suppressed", ())
