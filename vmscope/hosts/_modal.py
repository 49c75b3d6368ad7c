"""run_modal: a dialog that runs the toolkit's own loop, called by a coroutine that is suspended meanwhile.

The call is made by a message, not in the middle of the coroutine's step: so the coroutine can be cancelled, and what
else runs on the thread is neither its child nor held up by it.
Counterpart: none; Android's dialogs do not have a loop of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from .._errors import IllegalStateError, call_quietly
from .._primitives import report_uncaught
from ..coroutines._dispatchers import check_main
from ..coroutines._suspend import Suspending, suspend_cancellable_coroutine
from . import _host

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..coroutines._suspend import CancellableContinuation

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run_modal(
    fn: Callable[[*Ts], T], *args: *Ts, dismiss: Callable[[], object] | None = None
) -> Suspending[T]:
    """Call `fn(*args)`, which shows a dialog and runs the toolkit's loop until that is closed; give what it returns.

    Other coroutines and handlers go on meanwhile. Of two such calls at once the later dialog is inside the earlier one,
    which does not return before it: that is the toolkit's way.

    Args:
        fn: Called on the main thread: `dialog.exec`, `messagebox.askyesno`, a function with `wait_window`.
        dismiss: Called on the main thread when the coroutine is cancelled while the dialog is open: `dialog.reject`,
            `window.destroy`. Without it the dialog stays until the user closes it, and its answer is dropped.
    Returns:
        What `fn` returned.
    Raises:
        BaseException: What `fn` raised.
        IllegalStateError: The main looper has no host, or this is not the main thread.

    Cancellation: prompt; see `dismiss`.
    Threads: called in a coroutine on Main.
    Kotlin: suspendCancellableCoroutine around a dialog.
    """
    if not callable(fn):
        raise TypeError(f"run_modal() takes a function with its arguments, got {fn!r}")
    return suspend_cancellable_coroutine(lambda continuation: _show(continuation, fn, args, dismiss))


def _show(
    continuation: CancellableContinuation[Any], fn: Callable[..., Any], args: tuple[Any, ...], dismiss: Any
) -> None:
    check_main("run_modal()")
    host = _host._current
    if host is None:
        raise IllegalStateError("run_modal(): the main looper has no host, so no toolkit's loop can run inside it")
    dialog = _Dialog(continuation, fn, args, dismiss)
    continuation.invoke_on_cancellation(lambda cause: _dismiss(host, dialog))
    if not host.handler.post(dialog.show):
        raise IllegalStateError(f"run_modal(): {host!r}; its loop is about to end")


def _dismiss(host: _host.Host, dialog: _Dialog) -> None:
    if host.looper.is_current_thread():  # a host that closes cancels here, and takes no posts any more
        dialog.dismiss()
    else:
        host.handler.post(dialog.dismiss)


class _Dialog:
    """One call: not begun, open, over. Over, it refers to nothing any more: it is in a circle with its continuation."""

    def __init__(
        self, continuation: CancellableContinuation[Any], fn: Any, args: tuple[Any, ...], dismiss: Any
    ) -> None:
        self._continuation: CancellableContinuation[Any] | None = continuation
        self._call: tuple[Any, tuple[Any, ...]] | None = (fn, args)
        self._dismiss = dismiss
        self._open = False

    def show(self) -> None:
        continuation, call = self._continuation, self._call
        assert continuation is not None
        assert call is not None
        try:
            if continuation.is_active:  # else cancelled before it was shown
                self._open = True
                self._answer(continuation, *call)
        finally:
            self._open = False
            self._continuation = self._call = self._dismiss = None

    def _answer(self, continuation: CancellableContinuation[Any], fn: Any, args: tuple[Any, ...]) -> None:
        try:
            answer = fn(*args)
        except (KeyboardInterrupt, SystemExit):
            raise  # not the dialog's: the program is to end
        except BaseException as failure:  # noqa: BLE001  (the coroutine's to deal with)
            if continuation.is_active:
                continuation.resume_with_exception(failure)
            else:
                report_uncaught(failure)
        else:
            continuation.try_resume(answer)

    def dismiss(self) -> None:
        if self._open and self._dismiss is not None:
            call_quietly(report_uncaught, self._dismiss)
