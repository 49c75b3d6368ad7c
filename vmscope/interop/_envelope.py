"""The envelope around an offloaded call: whatever the function returns or raises, the pool survives it.

A Task is what is submitted. Called in the process that made it, as threads do, it keeps the outcome itself, as the
very objects. Pickled, it becomes a Letter: bytes, a token and a name, which any engine can send. The Letter unpickles
the call, runs it and pickles the outcome, all where it runs, and answers with plain strings and bytes.

Invariants
    I1  neither raises, and a Letter's answer can always be pickled: what an engine has to handle cannot break it.
    I2  once the outcome of a Task can be seen, its thread keeps neither function nor arguments nor outcome alive.
Counterpart: none; a JVM serialises less eagerly.
"""

from __future__ import annotations

import pickle
import sys
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, cast

from .._errors import CancellationException
from ..coroutines._coroutine import current
from ._errors import OffloadError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._token import FileToken, JobToken

#: What a Letter answers with, in the first place of a tuple.
VALUE, RAISED, UNREADABLE, UNSENDABLE = "value", "raised", "unreadable", "unsendable"
_PROTOCOL = 5  # of every Python that this library runs on: the two sides may differ


class Task:
    """A call, to be made by an engine.

    Attributes:
        name: Of the function; engines show it.
        token: Of the job that it is made for.
        is_done: Whether it was called in this process; then `take()` has the outcome.
        why_not_sent: What kept it from being pickled; engines wrap that, each in its own way.
    """

    __slots__ = (
        "_call", "_context", "_error", "_uses_cloudpickle", "_value", "is_done", "name", "token", "why_not_sent",
    )  # fmt: skip

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], token: JobToken, uses_cloudpickle: bool
    ) -> None:
        self._call: tuple[Callable[..., Any], tuple[Any, ...]] | None = (function, args)
        self._context: Context | None = copy_context()
        self._value: Any = None
        self._error: BaseException | None = None
        self.is_done = False
        self.why_not_sent: str | None = None
        self.name = name_of(function)
        self.token = token
        self._uses_cloudpickle = uses_cloudpickle

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self) -> None:
        call, self._call = self._call, None
        context, self._context = self._context, None
        if call is None or context is None:  # an engine that tries twice
            return
        try:
            self.token.ensure_active()
            self._value = context.run(call[0], *call[1])
        except BaseException as failure:  # noqa: BLE001  (the outcome, whatever it is)
            self._error = _without_first_frame(failure)
        self.is_done = True

    def take(self) -> Any:
        """Give the outcome, once: return the value or raise the error, and keep neither."""
        value, self._value = self._value, None
        error, self._error = self._error, None
        if error is None:
            return value
        try:
            raise error
        finally:
            del error  # its traceback holds this frame

    def __reduce__(self) -> tuple[Any, ...]:
        if self._call is None:
            raise OffloadError(f"{self.name} was called here already and cannot be sent on")
        function, args = self._call
        try:
            payload = _dumps((function, args), self._uses_cloudpickle)
        except BaseException as failure:
            self.why_not_sent = _why_not_sent(function, args, failure, self._uses_cloudpickle)
            raise OffloadError(self.why_not_sent) from failure
        return Letter, (payload, self.token, self.name)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"


class Letter:
    """A call that came out of another process, or out of another interpreter of this one."""

    __slots__ = ("_payload", "_token", "name")

    def __init__(self, payload: bytes, token: FileToken, name: str) -> None:
        self._payload = payload
        self._token = token
        self.name = name

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self) -> tuple[Any, ...]:
        context = copy_context()
        context.run(current.set, cast("Any", self._token))
        return context.run(self._make_the_call)

    def _make_the_call(self) -> tuple[Any, ...]:
        try:
            function, args = pickle.loads(self._payload)
        except BaseException as failure:  # noqa: BLE001  (a pool's worker would die of it)
            return UNREADABLE, _told(failure)
        try:
            self._token.ensure_active()
            value = function(*args)
        except BaseException as failure:  # noqa: BLE001  (the outcome, whatever it is)
            return _raised(_without_first_frame(failure))
        try:
            return VALUE, _dumps(value)
        except BaseException as failure:  # noqa: BLE001  (a pool's worker would die of it)
            return UNSENDABLE, _type_name(value), _told(failure)

    def __reduce__(self) -> tuple[Any, ...]:
        return Letter, (self._payload, self._token, self.name)

    def __repr__(self) -> str:
        return f"<Letter {self.name}>"


def read(name: str, answer: tuple[Any, ...]) -> Any:
    """Return the value that a Letter answered with, or raise what the function raised.

    Raises:
        RemoteError: It raised what cannot be raised here.
        OffloadError: There is no outcome: the call could not be read there, or the outcome not be sent or read.
    """
    kind, *rest = answer
    if kind == VALUE:
        try:
            return pickle.loads(rest[0])
        except BaseException as failure:
            raise OffloadError(
                f"{name} returned, and its result cannot be unpickled in this process: {_told(failure)}. "
                "Return what both sides can import"
            ) from failure
    if kind == RAISED:
        raise _original(*rest)
    if kind == UNREADABLE:
        raise OffloadError(
            f"{name} was not called: the worker could not unpickle it or its arguments: {rest[0]}. Offload a function "
            "at the top of a module that the worker can import, with arguments that it can rebuild"
        )
    raise OffloadError(
        f"{name} returned a {rest[0]}, which cannot be pickled and sent back: {rest[1]}. Return plain data; what can "
        "only live in one place, as a file or a connection, is opened where it is used"
    )


def name_of(function: object) -> str:
    """What messages call it."""
    name: str = getattr(function, "__qualname__", None) or repr(function)
    return name


# -- exceptions


def _without_first_frame(failure: BaseException) -> BaseException:
    """Drop the line of this file from the traceback: it tells nothing, and keeps the call alive."""
    traceback = failure.__traceback__
    return failure if traceback is None else failure.with_traceback(traceback.tb_next)


def _raised(failure: BaseException) -> tuple[Any, ...]:
    """Answer with what is known of `failure` in words, and itself where it comes out of a pickle as it went in."""
    data = None
    try:
        sent = _dumps(failure)
        back = pickle.loads(sent)
        if type(back) is type(failure) and str(back) == str(failure):
            data = sent
    except BaseException:  # noqa: BLE001  (code of the exception's own; the words are sent)
        pass
    return RAISED, _type_name(failure), _message(failure), _traceback_text(failure), data


def _original(type_name: str, message: str, traceback_text: str, data: bytes | None) -> BaseException:
    if data is not None:
        try:
            failure = pickle.loads(data)
        except BaseException:  # noqa: BLE001  (a class that only the other side has)
            failure = None
        # what ends a program ended a call there, and must not end the program here
        if isinstance(failure, (Exception, CancellationException)):
            failure.add_note(f"It was raised by an offloaded call, where it ran:\n{traceback_text}")
            return failure
    remote = RemoteError(type_name, message, traceback_text)
    remote.add_note(f"It was raised by an offloaded call, where it ran:\n{traceback_text}")
    return remote


def _told(failure: BaseException) -> str:
    return f"{_type_name(failure)}: {_message(failure)}"


def _type_name(thing: object) -> str:
    kind = type(thing)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(failure: BaseException) -> str:
    try:
        return str(failure)
    except BaseException as worse:  # noqa: BLE001  (code of the exception's own)
        return f"(its text cannot be made: {type(worse).__name__})"


def _traceback_text(failure: BaseException) -> str:
    import traceback  # loaded where something failed

    try:
        return "".join(traceback.format_exception(failure))
    except BaseException as worse:  # noqa: BLE001  (code of the exception's own)
        return f"(its traceback cannot be made: {type(worse).__name__})\n"


# -- pickling


def _dumps(thing: object, cloudpickle_first: bool = False) -> bytes:
    """Pickle `thing`, or raise the first failure. An engine that brings cloudpickle has it at both ends."""
    cloudpickle: Any = sys.modules.get("cloudpickle")
    picklers = [pickle.dumps] if cloudpickle is None else [pickle.dumps, cloudpickle.dumps]
    if cloudpickle_first:
        picklers.reverse()
    failed: BaseException | None = None
    for dumps in picklers:
        try:
            return dumps(thing, protocol=_PROTOCOL)
        except Exception as failure:  # noqa: BLE001  (code of the thing's own; the first failure is raised below)
            failed = failed or failure
    assert failed is not None
    raise failed


def _why_not_sent(
    function: Callable[..., Any], args: tuple[Any, ...], failure: BaseException, cloudpickle_first: bool
) -> str:
    """Name the part of the call that cannot be pickled, and what to do about it."""
    name = name_of(function)
    advice = "offload a function at the top of a module, not a lambda, a method of a live object or an inner function"
    for place, part in enumerate((function, *args)):
        try:
            _dumps(part, cloudpickle_first)
        except BaseException as reason:  # noqa: BLE001  (code of the part's own)
            if place:
                advice = "send plain data, and open files, connections and windows where they are used"
            what = f"argument {place} of {name}, a {_type_name(part)}," if place else name
            return f"{what} cannot be pickled, so the call cannot be sent to another process: {_told(reason)}; {advice}"
    return f"the call of {name} cannot be pickled, so it cannot be sent to another process: {_told(failure)}; {advice}"
