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

        watch = _Watch(self._wx, widget, owner.destroy)
        watch.begin()
        owner.on_destroy(watch.end)


_ENDING = "_vmscope_ending"


class _Watch:
    """What tells an owner of the end of its window, or of what that stands in: it is known to the endings of all."""

    def __init__(self, wx: Any, window: Any, gone: Callable[[], object]) -> None:
        self.gone = gone
        self._wx = wx
        self._window = window
        self._endings: list[_Ending] = []

    def begin(self) -> None:
        above = self._window
        while above is not None:
            ending = getattr(above, _ENDING, None)
            if ending is None:
                ending = _Ending(self._wx, above)
                setattr(above, _ENDING, ending)
            ending.tell[self] = None
            self._endings.append(ending)
            above = above.GetParent()

    def end(self) -> None:
        for ending in self._endings:
            ending.tell.pop(self, None)
        self._endings.clear()


class _Ending:
    """The end of one window: whom to tell of it.

    wx tells of it when the Python object of the window is of no use any more. A call of `Destroy()` is noticed before:
    this stands in its place, once for all who watch, and for as long as there is the window.
    """

    def __init__(self, wx: Any, window: Any) -> None:
        self.tell: dict[_Watch, None] = {}
        self._number = window.GetId()
        self._destroy, self._reparent = window.Destroy, window.Reparent
        window.Destroy, window.Reparent = self.destroy, self.reparent
        window.Bind(wx.EVT_WINDOW_DESTROY, self._on_destroy)

    def destroy(self) -> object:
        self._come()
        return self._destroy()

    def reparent(self, parent: Any) -> object:
        """What stands in this window ends with other windows from now on."""
        moved = tuple(self.tell)
        for watch in moved:
            watch.end()
        try:
            return self._reparent(parent)
        finally:
            for watch in moved:
                watch.begin()

    def _on_destroy(self, event: Any) -> None:
        event.Skip()
        if event.GetId() == self._number:  # else of a part of it
            call_quietly(report_uncaught, self._come)

    def _come(self) -> None:
        for watch in tuple(self.tell):
            watch.gone()


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
