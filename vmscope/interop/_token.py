"""Cancel tokens: what blocking code can ask, wherever it runs, whether its result is still wanted.

In the process of the job a token asks the job. Pickled, it becomes the path of a file that is there once the job was
cancelled: nothing is written for a call that is not cancelled, and a process on another machine finds no file.

Locks: `_guard` guards the one folder of the process. While it is held the folder is made; nobody's code runs.
Counterpart: trio.from_thread.check_cancelled; Kotlin interrupts the thread instead.
"""

from __future__ import annotations

import atexit
import os
from itertools import count
from typing import TYPE_CHECKING, Any

from .._errors import CancellationException, IllegalStateError
from .._primitives import RLock
from .._thrown import own
from ..coroutines._coroutine import running_job

if TYPE_CHECKING:
    from ..coroutines._job import Job


class CancelToken:
    """Tells blocking code whether the coroutine that it works for was cancelled. Made by `cancel_token()`.

    May be handed to other threads, and pickled to other processes of this machine; on another one it never says yes.
    Threads: any.
    """

    __slots__ = ()

    @property
    def is_cancelled(self) -> bool:
        """True from the moment the coroutine was cancelled or failed."""
        raise NotImplementedError

    def ensure_active(self) -> None:
        """Raise the cancellation, if there is one: let it pass, after the clean-up in `finally`.

        Raises:
            CancellationException: The result is not wanted any more.
        """
        raise NotImplementedError


class JobToken(CancelToken):
    """A token in the process of its job."""

    __slots__ = ("_flags", "_job")

    def __init__(self, job: Job) -> None:
        self._job = job
        self._flags: list[_Flag] = []

    @property
    def is_cancelled(self) -> bool:
        return self._job.is_cancelled

    def ensure_active(self) -> None:
        if self._job.is_cancelled:
            raise own(self._job.get_cancellation_exception())

    def lower(self) -> None:
        """Whoever has it pickled has ended: take the files away."""
        while self._flags:
            self._flags.pop().lower()

    def __reduce__(self) -> tuple[Any, ...]:
        flag = _Flag(self._job)
        self._flags.append(flag)
        return FileToken, (flag.path,)

    def __repr__(self) -> str:
        return f"<CancelToken of {self._job!r}>"


class FileToken(CancelToken):
    """A token in another process. It stands there for the coroutine: `check_cancelled()` and its kin ask it."""

    __slots__ = ("_path",)
    _frame = None  # no block runs in this process: `launch` and the like refuse

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def is_cancelled(self) -> bool:
        return os.path.exists(self._path)

    @property
    def is_active(self) -> bool:
        """The question of `is_active()`."""
        return not self.is_cancelled

    def ensure_active(self) -> None:
        if self.is_cancelled:
            raise CancellationException("the coroutine that offloaded this call was cancelled", source="cancel")

    def __reduce__(self) -> tuple[Any, ...]:
        return FileToken, (self._path,)

    def __repr__(self) -> str:
        return "<CancelToken of a coroutine in another process>"


def cancel_token() -> CancelToken:
    """Return the token of the running coroutine, to be handed to blocking code and asked there.

    In a function called by `offload`, in whatever process, it is that of the coroutine that offloaded. Where the
    function asks in its own thread, `check_cancelled()` does without a token.

    Raises:
        IllegalStateError: Called outside a coroutine, and outside what runs for one.

    Kotlin: none; blocking code is interrupted there.
    """
    job: Any = running_job()
    if job is None:
        raise IllegalStateError("cancel_token() was called outside a coroutine: there is nobody to cancel")
    return job if isinstance(job, CancelToken) else JobToken(job)


class _Flag:
    """A file that is there once a job was cancelled."""

    __slots__ = ("_handle", "path")

    def __init__(self, job: Job) -> None:
        self.path = os.path.join(_folder(), str(next(_numbers)))
        self._handle = job.invoke_on_completion(self._raise, on_cancelling=True)

    def _raise(self, cause: BaseException | None) -> None:
        if cause is not None:
            try:
                with open(self.path, "x"):
                    pass
            except OSError:  # no room, or the folder has gone with the process: then nobody is told
                pass

    def lower(self) -> None:
        self._handle.dispose()
        try:
            os.unlink(self.path)
        except OSError:  # it was not cancelled
            pass


_numbers = count(1)
_guard = RLock()
_made: tuple[int, str] | None = None


def _folder() -> str:
    """The folder of this process; a forked child makes its own."""
    global _made
    with _guard:
        if _made is None or _made[0] != os.getpid():
            import tempfile  # slow to load, and few programs come here

            _made = (os.getpid(), tempfile.mkdtemp(prefix="vmscope-"))
            atexit.register(_remove, *_made)
        return _made[1]


def _remove(process: int, folder: str) -> None:
    if os.getpid() == process:  # pragma: no branch - the end of a forked child: tests/interop/test_blocking.py
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
