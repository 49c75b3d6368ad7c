"""Every exception of the package: what it means, who raises it, what to do.

Cancellation is a BaseException, so that `except Exception` cannot swallow it. What a caller did wrong is an
IllegalStateError, a ValueError or a TypeError; what is gone is told by a return value where Android tells it so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable


class CancellationException(BaseException):
    """The coroutine, or the job it belongs to, was cancelled: clean up and let it pass.

    Raised at a suspension point, or by `ensure_active()`. A body that ends with it is cancelled, not failed.

    Args:
        message: Why, in words.
        cause: What led to it; kept as `__cause__` and shown in the traceback.

    Attributes:
        message: As given.
        job: The job that was cancelled, where known and still there: a job and its cancellation do not keep each other.
        source: Who did it: "cancel", "parent", "child", "timeout", "clear", or "" where unknown.

    Kotlin: CancellationException, which is an Exception there (design, difference 1).
    """

    __module__ = "vmscope"
    # No dict for each: where many are cancelled at once, the collector looks through all that their causes are made of.
    __slots__ = ("_job", "message", "source")
    message: str | None
    source: str

    def __init__(
        self, message: str | None = None, cause: BaseException | None = None, *, job: Any = None, source: str = ""
    ) -> None:
        if len(self.args) != (message is not None):  # else they are as they should be
            super().__init__(*(() if message is None else (message,)))
        self.message = message
        self.__cause__ = cause
        self._job = None if job is None else ref(job)
        self.source = source

    @property
    def job(self) -> Any:
        """The job that was cancelled, None where it is not known or is gone."""
        return None if self._job is None else self._job()

    def __reduce__(self) -> tuple[Any, ...]:
        state = {"message": self.message, "source": self.source, "_job": None}  # the job stays in its process
        return type(self), self.args, {**self.__dict__, **state}

    @property
    def reason(self) -> str:
        """The message, with the causes behind it: `cleared, because Parent job is Cancelling`."""
        parts: list[str] = []
        link: BaseException | None = self
        while link is not None and len(parts) < 10:
            parts.append(str(link) or type(link).__name__)
            link = link.__cause__
        return ", because ".join(parts)


class TimeoutCancellationException(CancellationException):
    """The time of a `with_timeout` block is up; seen inside that block only, TimeoutError leaves it.

    Attributes:
        job: The block whose time is up: an enclosing block tells its own timeout from another's by it.
        seconds: The time that was given.
    """

    __module__ = "vmscope"

    def __init__(self, message: str, *, job: Any = None, seconds: float = 0.0) -> None:
        super().__init__(message, job=job, source="timeout")
        self.seconds = seconds


class DeferredCancelledError(Exception):
    """A Deferred that was awaited had been cancelled, while the caller itself was not.

    Catch it like any failure, or cancel the caller with it. `__cause__` is the cancellation.

    Kotlin: none; there the CancellationException of the awaited one ends the caller silently (design, difference 4).
    """

    __module__ = "vmscope"


class IllegalStateError(RuntimeError):
    """The call does not fit the state that the object is in; the message names both.

    Kotlin: IllegalStateException.
    """

    __module__ = "vmscope"


class MissingMainError(IllegalStateError):
    """Dispatchers.Main was used while there is no main thread: raised by the call that used it, told to no handler."""

    __module__ = "vmscope"


class CompletionHandlerError(RuntimeError):
    """A handler given to `invoke_on_completion` raised; `__cause__` is what it raised. The job is not changed by it.

    Kotlin: CompletionHandlerException.
    """

    __module__ = "vmscope"


class RejectedExecutionError(RuntimeError):
    """An executor made from a dispatcher or a handler was given work after it had closed.

    Java: RejectedExecutionException.
    """

    __module__ = "vmscope"


class VmScopeWarning(RuntimeWarning):
    """Something that is allowed and nearly always a slip, as a suspending call that nobody awaits."""

    __module__ = "vmscope"


def add_suppressed(primary: BaseException, other: BaseException) -> None:
    """Attach a secondary failure to the first: to its `suppressed` tuple, and as a note that a traceback shows."""
    primary.suppressed = (*suppressed_of(primary), other)  # type: ignore[attr-defined]
    primary.add_note(f"suppressed: {type(other).__name__}: {other}")


def suppressed_of(exception: BaseException) -> tuple[BaseException, ...]:
    """Return the failures that came after `exception` in the same family, oldest first."""
    found: tuple[BaseException, ...] = getattr(exception, "suppressed", ())
    return found


def as_group(exception: BaseException) -> BaseExceptionGroup[BaseException]:
    """Return a failure and those suppressed in it as one group, for `except*` and for who logs each of them.

    Args:
        exception: What `await_`, a handler or a block of yours was given; a cancellation is a group of its own as well.

    Returns:
        The failure itself, then what came after it, oldest first; one that has suppressed others is a group in turn.

    Raises:
        TypeError: It is no exception.

    Threads: any. Kotlin: Throwable.suppressed, which is no group.
    """
    if not isinstance(exception, BaseException):
        raise TypeError(f"as_group() takes an exception, got {exception!r}")
    later = [as_group(each) if suppressed_of(each) else each for each in suppressed_of(exception)]
    return BaseExceptionGroup(str(exception) or type(exception).__name__, [exception, *later])


def call_quietly(report: Callable[[BaseException], object], function: Callable[..., object], *args: object) -> None:
    """Call `function`; hand what it raises to `report`. For callbacks that must not stop the ones after them."""
    try:
        function(*args)
    except BaseException as failure:  # noqa: BLE001  (whatever it is, the next callback still has to run)
        report(failure)
