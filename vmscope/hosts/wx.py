"""wxPython's loop as the main one: `host = install(app)`, then `host.run()`.

`wx.CallAfter` may be called on any thread. wx can watch no descriptor, so a thread listens for signals on behalf of its
loop: it sleeps until a Ctrl-C comes, and then calls Python there. What is left of a pump waits for a timer, and twice
as long as the last one came late: beside workers that compute, the main thread waits so long for the GIL that a timer
of a millisecond is always due when wx looks, and comes before what wx draws.
Counterpart: none in Android; there the system's loop is a Looper.
"""

from __future__ import annotations

import signal
import socket
from importlib import import_module
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError, call_quietly
from .._primitives import current_thread, main_thread, report_uncaught, start_thread
from ._host import Host

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._owner import ViewOwner

__all__ = ("WxHost", "install")

# Milliseconds that what is left of a pump waits at most.
_LONGEST_TURN = 50


class WxHost(Host):
    """The main looper under a wx main loop."""

    def __init__(self, app: Any, wx: Any) -> None:
        super().__init__()
        self._app: Any = app
        self._wx = wx
        self._timer: Any = wx.Timer()
        self._timer.Bind(wx.EVT_TIMER, self._on_timer)
        self._due = self._late = 0.0
        self._nested: Any = wx.Timer()
        self._nested.Bind(wx.EVT_TIMER, self._pump)
        self._signals = _SignalListener(self._wake)
        self._begin()

    def _wake(self) -> None:
        try:
            self._wx.CallAfter(self._pump)
        except (AssertionError, RuntimeError):  # the application is gone: nobody will ever run what is posted
            self._queue.quit()

    def _call_later(self, seconds: float) -> None:
        milliseconds = ceil((seconds or 2 * self._late) * 1000)
        milliseconds = max(1, milliseconds if seconds else min(milliseconds, _LONGEST_TURN))
        self._due = monotonic() + milliseconds / 1000
        self._timer.StartOnce(milliseconds)

    def _on_timer(self, event: object) -> None:
        self._late = monotonic() - self._due
        self._pump_by_timer()

    def _offer(self) -> None:
        self._nested.StartOnce(1)

    def _withdraw(self) -> None:
        self._nested.Stop()

    def _take_ctrl_c(self) -> Callable[[], object]:
        # wx.App() has a Ctrl-C end the process on the spot, unless it is told not to. Closing is what it should do.
        if current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return super()._take_ctrl_c()

    def _wakeup_fd(self) -> int:
        return self._signals.fileno()

    def _run_loop(self) -> Any:
        return None if self._app is None else self._app.MainLoop()  # None: closed before it began to run

    def _loop_ender(self) -> Callable[[], object]:
        wx, app = self._wx, self._app

        def end() -> None:
            for window in wx.GetTopLevelWindows():
                if isinstance(window, wx.Dialog) and window.IsModal():
                    window.EndModal(wx.ID_CANCEL)
            leave()

        def leave() -> None:
            loop = app.GetMainLoop()
            if loop is None or loop.IsRunning():
                app.ExitMainLoop()
            else:  # in a dialog's loop, which would be left by this once more, and the main one not
                wx.CallAfter(leave)

        return end

    def _release(self) -> None:
        self._signals.close()
        timers = (self._timer, self._nested)
        self._app = self._timer = self._nested = None
        if self._wx.GetApp() is not None:
            for timer in timers:
                timer.Stop()

    def _watch_destroy(self, widget: Any, owner: ViewOwner) -> None:
        if not isinstance(widget, self._wx.Window):
            raise TypeError(f"bind {widget!r}: a wx.Window is needed")

        # wx tells of the end of a window when its Python object is of no use any more. A call of Destroy(), of it or of
        # what it stands in, is noticed before.
        number = widget.GetId()

        def gone(event: Any) -> None:
            event.Skip()
            if event.GetId() == number:
                call_quietly(report_uncaught, owner.destroy)

        widget.Bind(self._wx.EVT_WINDOW_DESTROY, gone)
        above = widget
        while above is not None:
            above.Destroy = _telling(above.Destroy, owner.destroy)
            above = above.GetParent()


def _telling(destroy: Callable[[], object], gone: Callable[[], object]) -> Callable[[], object]:
    def destroying() -> object:
        gone()
        return destroy()

    return destroying


class _SignalListener:
    """A thread that waits for what the interpreter writes when a signal comes."""

    def __init__(self, tell: Callable[[], object]) -> None:
        hear, self._say = socket.socketpair()
        self._say.setblocking(False)
        start_thread(lambda: _listen(hear, tell), "vmscope-wx-signals")

    def fileno(self) -> int:
        return self._say.fileno()

    def close(self) -> None:
        self._say.close()  # the thread reads the end, and goes


def _listen(hear: socket.socket, tell: Callable[[], object]) -> None:
    with hear:
        while hear.recv(4096):
            tell()


def install(app: Any) -> WxHost:
    """Make wx's main loop drive the main looper of this thread.

        app = wx.App()
        host = install(app)
        ...
        host.run()

    Args:
        app: The wx.App.
    Returns:
        The host. It closes at the end of `host.run()`, or when the process ends.
    Raises:
        TypeError: This is no wx.App.
        IllegalStateError: There is a main looper that is in use, or this is not the thread that has made `app`.

    Threads: the one that made `app`.
    """
    wx = import_module("wx")  # whoever has made the application has it
    if not isinstance(app, wx.App):
        raise TypeError(f"install the wx host on {app!r}: a wx.App is needed")
    if not wx.IsMainThread():
        tried = f"install the wx host on {app!r} on {current_thread().name!r}"
        raise IllegalStateError(f"{tried}: that was made on another thread; install the host there")
    return WxHost(app, wx)
