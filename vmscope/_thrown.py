"""One exception object is thrown in one place at a time, where threads run without the GIL.

Whoever throws an exception writes to the object: its traceback grows on the way out. The free-threaded 3.13 does so
without a lock, and two threads that throw one object at once free its traceback twice: the process dies of it later,
anywhere. But one cancellation ends a whole tree, and one failure is told to all who await it. So there what a coroutine
is throwing is thrown by any other as a twin. With the GIL nothing of this happens: everybody is given the one object.

Locks: `_lock` guards the mark that `own` leaves in the dict of an exception. Nobody's code runs under it.
Counterpart: none; kotlinx.coroutines copies exceptions as well, for their stack traces (`recoverStackTrace`).
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakValueDictionary

from ._errors import CancellationException
from ._primitives import FREE_THREADED, RLock, Thread, after_fork, current_thread

if TYPE_CHECKING:
    from types import TracebackType

E = TypeVar("E", bound=BaseException)

#: In the dict of an exception: the id of who throws it. An id, so that the exception can still be pickled.
_MARK = "_vmscope_thrown_by"
#: In the dict of a twin: what it stands for.
_ORIGINAL = "_vmscope_twin_of"

#: The coroutine that runs here; set once in the context of each. Under the name `current` in the room of coroutines.
running: ContextVar[Any] = ContextVar("current", default=None)

_lock = RLock()  # re-entrant: a finalizer may throw in the middle of `own`
_parties: WeakValueDictionary[int, Any] = WeakValueDictionary()


def own(error: E, party: Any = None) -> E:
    """Return `error` for `party` to throw: itself, unless another is throwing it; then a twin.

    Args:
        error: What several may throw.
        party: A coroutine; None for the one that runs here, or else the thread. It throws `error` until it has ended.
    """
    return _own(error, party or running.get() or current_thread()) if FREE_THREADED else error


def traceback_of(error: BaseException, party: Any) -> TracebackType | None:
    """Return where `error` was raised; None where another than `party` is throwing it just now."""
    return _traceback_of(error, party) if FREE_THREADED else error.__traceback__


def _own(error: E, party: Any) -> E:
    with _lock:
        if not _is_thrown_by_another_locked(error, party):
            _parties[id(party)] = party
            error.__dict__[_MARK] = id(party)
            return error
    return twin(error)


def _traceback_of(error: BaseException, party: Any) -> TracebackType | None:
    with _lock:  # nobody begins to throw it meanwhile
        return None if _is_thrown_by_another_locked(error, party) else error.__traceback__


def _is_thrown_by_another_locked(error: BaseException, party: Any) -> bool:
    thrower = _parties.get(error.__dict__.get(_MARK, 0))
    if thrower is None or thrower is party:
        return False
    if isinstance(thrower, Thread):  # this one has thrown it before the coroutine that it runs now does
        return thrower is not current_thread() and thrower.is_alive()
    return not thrower.is_completed


def twin(error: E) -> E:
    """Return another object of the same kind that says the same, without a traceback.

    `__init__` is not called where it is Python code: it may want other arguments, or count its calls. What cannot be
    made anew, for a `__new__` of its own perhaps, is its own twin.
    """
    kind = type(error)
    try:
        recipe: Any = error.__reduce__()
        made, arguments, *state = recipe
        other: Any = kind.__new__(made, *arguments)
        if type(kind.__init__) is type(BaseException.__init__):
            kind.__init__(other, *arguments)  # of C, as in an OSError: it sets what `__new__` does not
        if state and state[0]:
            other.__setstate__(state[0])
    except Exception:  # noqa: BLE001  (code of a user's own; the error itself is better than none)
        return error
    if other.__class__ is not kind:
        return error
    other.__cause__ = error.__cause__
    other.__suppress_context__ = error.__suppress_context__
    other.__dict__.pop(_MARK, None)
    other.__dict__[_ORIGINAL] = original(error)
    if isinstance(error, CancellationException):  # it leaves its job out of what is pickled
        cast("CancellationException", other)._job = error._job
    return other


def original(error: BaseException) -> BaseException:
    """Return what `error` stands for: itself, but for a twin."""
    found: BaseException = error.__dict__.get(_ORIGINAL, error)
    return found


def _after_fork() -> None:
    """Another thread of the parent may have had the lock."""
    global _lock
    _lock = RLock()


after_fork(_after_fork)
