"""GLib's loop as the main one: `host = install(loop)`, then `host.run()`. GTK 3 and 4 run it.

`GLib.idle_add` may be called on any thread. The sources are given the priority of other events, not that of idleness,
or a busy program would never come to them; each is used once and says so, or GLib would call it for ever. Only what is
left of a pump waits at the priority of idleness, which comes after drawing: beside workers that compute, the main
thread waits so long for the GIL that a timer of a millisecond is always due when GLib looks.
Counterpart: none in Android; there the system's loop is a Looper.
"""

from __future__ import annotations

from importlib import import_module
from math import ceil
from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError
from .._primitives import current_thread, main_thread
from ._host import Host

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._owner import ViewOwner

__all__ = ("GLibHost", "install")

# Milliseconds that what is left of a pump waits for GLib to be idle, which others may keep it from ever being.
_LONGEST_TURN = 50


class GLibHost(Host):
    """The main looper under a GLib main loop."""

    def __init__(self, loop: Any, glib: Any) -> None:
        super().__init__()
        self._loop: Any = loop
        self._glib = glib
        self._timer = 0
        self._idle = 0
        self._offered = 0
        self._begin()

    def _wake(self) -> None:
        self._soon(self._pump)

    def _soon(self, call: Callable[[], object]) -> int:
        number: int = self._glib.idle_add(_once, call, priority=self._glib.PRIORITY_DEFAULT)
        return number

    def _call_later(self, seconds: float) -> None:
        self._forget_timers()
        glib = self._glib
        self._timer = glib.timeout_add(ceil(seconds * 1000) or _LONGEST_TURN, _once, self._on_timer)
        if not seconds:
            self._idle = glib.idle_add(_once, self._on_idle, priority=glib.PRIORITY_DEFAULT_IDLE)

    def _on_timer(self) -> None:
        self._timer = 0
        self._forget_timers()
        self._pump_by_timer()

    def _on_idle(self) -> None:
        self._idle = 0
        self._forget_timers()
        self._pump_by_timer()

    def _forget_timers(self) -> None:
        for source in (self._timer, self._idle):
            if source:
                self._glib.source_remove(source)
        self._timer = self._idle = 0

    def _offer(self) -> None:
        self._withdraw()  # that of a pump around this one: this one sees to it
        self._offered = self._soon(self._on_offer)

    def _on_offer(self) -> None:
        self._offered = 0
        self._pump()

    def _withdraw(self) -> None:
        if self._offered:
            self._glib.source_remove(self._offered)
            self._offered = 0

    def _run_loop(self) -> Any:
        return None if self._loop is None else self._loop.run()  # None: closed before it began to run

    def _loop_ender(self) -> Callable[[], object]:
        end: Callable[[], object] = self._loop.quit
        return end

    def _release(self) -> None:
        self._withdraw()
        self._forget_timers()
        self._loop = None

    def _watch_destroy(self, widget: Any, owner: ViewOwner) -> None:
        try:
            widget.connect("destroy", owner._widget_gone)
        except (AttributeError, TypeError):
            raise TypeError(f"bind {widget!r}: a GTK widget, with a signal 'destroy', is needed") from None


def _once(call: Callable[[], object]) -> bool:
    call()
    return False  # GLib.SOURCE_REMOVE


def install(loop: Any) -> GLibHost:
    """Make GLib's default main context drive the main looper of this thread.

        loop = GLib.MainLoop()
        host = install(loop)
        ...
        host.run()

    Args:
        loop: A GLib.MainLoop, or a Gio.Application or Gtk.Application: anything of GLib's with run() and quit().
    Returns:
        The host. It closes at the end of `host.run()`, or when the process ends.
    Raises:
        TypeError: It has no run() and quit().
        IllegalStateError: There is a main looper that is in use; or this is not the thread that runs the loop, as far
            as can be known.

    Threads: the one that runs the loop. That is the main one; another one installs the host in a callback of the loop,
        or calls `GLib.MainContext.default().acquire()` first.
    """
    if not callable(getattr(loop, "run", None)) or not callable(getattr(loop, "quit", None)):
        raise TypeError(f"install the GLib host on {loop!r}: a GLib.MainLoop or an application is needed")
    glib = import_module("gi.repository.GLib")  # whoever has made the loop has it
    here = current_thread()
    tried = f"install the GLib host on {loop!r} on {here.name!r}"
    context = glib.MainContext.default()
    if not context.is_owner():
        if not context.acquire():
            raise IllegalStateError(f"{tried}: another thread runs GLib's default main context; install the host there")
        context.release()
        if here is not main_thread():  # it would take a main looper that nobody ever runs
            why = "it does not run GLib's default main context; install the host on the main thread"
            raise IllegalStateError(f"{tried}: {why}, or after GLib.MainContext.default().acquire() here")
    return GLibHost(loop, glib)
