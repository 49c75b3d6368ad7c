"""Tk's loop as the main one: `host = install(root)`, then `host.run()` or `root.mainloop()`.

A worker never calls Tk: it writes a byte to a socket that Tk watches. Where Tk cannot watch one (Windows) it is polled,
quickly while there is work and 20 times a second while there is none.
Invariants
    T1  what is left of a pump waits until Tk has come to its idle calls, with which it draws, and for a timer after
        that. A timer alone does not do: beside workers that compute the main thread waits so long for the GIL that a
        timer of a millisecond is always due when Tk looks, as `after(0)` and a descriptor that is ready always are.
    T2  a pump calls as little as can be that lets other threads have the GIL, as a Tcl command and a socket do: each
        time the main thread waits for it again, 5 ms for each worker that computes. `_tkinter`'s own timers do not.
    T3  the owner of a widget is told before the widget goes: by its close button, by `destroy()`, of it or of one
        around it, and at the latest by Tk's own <Destroy>.
Counterpart: none in Android; there the system's loop is a Looper.
"""

from __future__ import annotations

import sys
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

from .._errors import IllegalStateError, call_quietly
from .._primitives import current_thread, get_ident, report_uncaught
from ._bell import Bell
from ._host import Host
from ._values import bind_value, reader_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from tkinter import Tk

    from ..flow._state import MutableStateFlow
    from ._owner import ViewOwner

__all__ = ("TkHost", "install")

T = TypeVar("T")

# Milliseconds between two looks where Tk must poll: 1 ms costs 6 % of a processor, 16 ms 0.6 %, 50 ms 0.4 % (Linux).
_SHORTEST_POLL, _LONGEST_POLL = 1, 50
_READABLE = 2  # tkinter.READABLE; this file does not import tkinter, the program has
# Milliseconds that what is left of a pump waits for Tk to be idle, which others may keep it from ever being.
_LONGEST_TURN = 50


class TkHost(Host):
    """The main looper under a Tk main loop."""

    def __init__(self, root: Tk, poll: bool) -> None:
        super().__init__()
        self._root: Tk | None = root
        self._tk: Any = root.tk
        self._timer: Any = None
        self._offered: Any = None
        self._idle_command: str = root.register(self._on_idle)
        self._idle: str | None = None
        self._bell: Bell | None = None
        self._rung = False
        self._poll_ms = _SHORTEST_POLL
        self._poller: Any = None
        if poll:
            self._poll()
        else:
            self._bell = Bell()
            self._tk.createfilehandler(self._bell, _READABLE, self._heard)
        _before_destroy(root, self._on_root_gone)
        self._begin()

    @property
    def root(self) -> Tk:
        """The application, as given.

        Raises:
            IllegalStateError: The host has been closed.
        """
        if self._root is None:
            raise IllegalStateError(f"ask {self!r} for its root: it has let go of it")
        return self._root

    def _wake(self) -> None:
        if self._bell is None:
            self._rung = True
        else:
            self._bell.ring()

    def _heard(self, *_: object) -> None:
        """Called by Tk while there is something in the bell."""
        assert self._bell is not None
        self._bell.silence()
        self._pump()

    def _poll(self) -> None:
        """Called by Tk every now and then; also what lets Python see a signal."""
        rung, self._rung = self._rung, False
        self._poll_ms = _SHORTEST_POLL if rung else min(self._poll_ms * 2, _LONGEST_POLL)
        self._poller = self._tk.createtimerhandler(self._poll_ms, self._poll)
        if rung:  # after that: a dialog in the pump is polled, too
            self._pump()

    def _offer(self) -> None:
        self._withdraw()
        self._offered = self._tk.createtimerhandler(1, self._pump)

    def _withdraw(self) -> None:
        _stop(self._offered)

    def _call_later(self, seconds: float) -> None:
        if seconds > 0.0:
            self._set_timer(max(1, ceil(seconds * 1000)))
            return
        self._set_timer(_LONGEST_TURN)
        if self._idle is None:
            self._idle = self._tk.call("after", "idle", self._idle_command)

    def _on_idle(self) -> None:
        """Called by Tk once all is drawn (T1). `update_idletasks()` in somebody's callback comes here, too: no pump."""
        self._idle = None
        self._set_timer(1)

    def _set_timer(self, milliseconds: int) -> None:
        _stop(self._timer)
        self._timer = self._tk.createtimerhandler(milliseconds, self._pump_by_timer)

    def _wakeup_fd(self) -> int:
        return -1 if self._bell is None else self._bell.sending_fileno()

    def _run_loop(self) -> None:
        if self._root is not None:  # else the program was closed before it began to run
            self._root.mainloop()

    def _loop_ender(self) -> Callable[[], object]:
        root = self.root

        def end() -> None:
            if _exists(root):
                root.destroy()  # not quit(): that leaves a dialog's own loop running

        return end

    def _on_root_gone(self) -> None:
        call_quietly(report_uncaught, self.close)

    def _release(self) -> None:
        if self._bell is not None:
            self._tk.deletefilehandler(self._bell)
        for timer in (self._timer, self._offered, self._poller):
            _stop(timer)
        if _exists(self.root):
            if self._idle is not None:
                self._tk.call("after", "cancel", self._idle)
            self.root.deletecommand(self._idle_command)
        self._root = self._tk = None

    def _watch_destroy(self, widget: Any, owner: ViewOwner) -> None:
        if not hasattr(widget, "winfo_exists") or not hasattr(widget, "_w"):
            raise TypeError(f"bind {widget!r}: a Tk widget or window is needed")
        if not _exists(widget):
            raise IllegalStateError(f"bind {widget!r}: it has been destroyed; make a new one")
        owner.on_destroy(_before_destroy(widget, owner.destroy))

    def bind_variable(self, state: MutableStateFlow[T], variable: Any, owner: ViewOwner) -> None:
        """Keep a Tk variable and a state flow at the same value, as long as the owner's widget is there.

        Args:
            state: Its value goes into the variable first. It holds what the variable does; but an int or a float may be
                shown as text, and what is typed becomes an int or a float again.
            variable: A StringVar, IntVar, DoubleVar or BooleanVar. What cannot be read as what the flow holds, an entry
                that is empty perhaps, leaves the flow as it is.
            owner: Of the widget that shows it.
        Raises:
            TypeError: This is no variable, or not one for what the flow holds; or no owner, or no mutable flow.
        """
        if not callable(getattr(variable, "trace_add", None)):
            raise TypeError(
                f"bind_variable({state!r}, {variable!r}): a StringVar, IntVar, DoubleVar or BooleanVar is needed"
            )
        names = (kind.__name__ for kind in type(variable).__mro__)
        held = next((_HELD[name] for name in names if name in _HELD), str)  # to Tcl all is text
        bind_value(
            state, variable.set, owner,
            getter=reader_for(state, held, variable.get, "bind_variable", variable),
            changes=lambda changed: _trace(variable, changed),
        )  # fmt: skip


#: What a variable gives, by the name of its class: this file does not import tkinter, the program has.
_HELD: dict[str, type[Any]] = {"StringVar": str, "IntVar": int, "DoubleVar": float, "BooleanVar": bool}


def _stop(timer: Any) -> None:
    if timer is not None:
        timer.deletetimerhandler()  # without effect for one that has come


def _trace(variable: Any, changed: Callable[[], object]) -> Callable[[], object]:
    name = variable.trace_add("write", lambda *_: changed())
    return lambda: variable.trace_remove("write", name)


def _exists(widget: Any) -> bool:
    try:
        return bool(widget.winfo_exists())
    except Exception:  # noqa: BLE001  (a TclError of a tkinter that this file does not import: the application is gone)
        return False


def _before_destroy(widget: Any, gone: Callable[[], object]) -> Callable[[], object]:
    """Call `gone()`, which raises nothing, before `widget` is destroyed (T3). Return how to take that back."""
    ending = widget.__dict__.get(_ENDING)
    if ending is None:
        ending = widget.__dict__[_ENDING] = _Ending(widget)
    tell = ending.tell
    tell[gone] = None
    return lambda: tell.pop(gone, None)


_ENDING = "_vmscope_ending"


class _Ending:
    """The end of one widget: whom to tell of it, and the ways in which it may come.

    It stands in the widget, and refers to it: from the end on it does not, for what is in a circle is collected some
    time later, perhaps on another thread, and Tk aborts the process over an application that dies there.
    """

    def __init__(self, widget: Any) -> None:
        self.tell: dict[Callable[[], object], None] = {}
        self._widget = widget
        self._thread = get_ident()
        self._own = widget.__dict__.get("destroy")
        destroy = widget.destroy
        widget.destroy = _first(self.come, destroy)
        widget.bind("<Destroy>", lambda event: self.come() if event.widget is widget else None, add="+")
        # The close button calls what `destroy` was when the window was made. A handler of the program's own stays as it
        # is: it may ask first, and calls destroy() in the end.
        button = widget.protocol("WM_DELETE_WINDOW") if hasattr(widget, "protocol") else ""
        if button.lstrip("0123456789") == "destroy":
            widget.protocol("WM_DELETE_WINDOW", _first(self.come, lambda: widget.tk.eval(button)))

    def come(self) -> None:
        if get_ident() != self._thread:  # tkinter would have the main loop's thread do it, if that is not busy or over
            tried = f"destroy {self._widget!r} on {current_thread().name!r}"
            raise IllegalStateError(f"{tried}: it belongs to another thread; post it there: host.handler.post(...)")
        widget, self._widget = self._widget, None
        if widget is None:
            return
        del widget.__dict__[_ENDING], widget.__dict__["destroy"]
        if self._own is not None:
            widget.destroy = self._own
        for gone in tuple(self.tell):
            gone()
        self.tell.clear()


def _first(come: Callable[[], object], destroy: Callable[[], object]) -> Callable[[], object]:
    def coming() -> object:
        come()
        return destroy()

    return coming


def install(root: Tk, *, poll: bool | None = None) -> TkHost:
    """Make Tk's main loop drive the main looper of this thread.

        root = tkinter.Tk()
        host = install(root)
        ...
        host.run()

    Args:
        root: The application. Its destruction closes the host; its close button does so first.
        poll: Look every so often instead of watching a socket. None: only where Tk cannot watch one, on Windows.
    Returns:
        The host.
    Raises:
        TypeError: This is no Tk root, a Toplevel perhaps.
        IllegalStateError: There is a main looper that is in use, `root` has been destroyed, or this is not its thread.

    Threads: the one that made `root` and runs its main loop.
    """
    tkinter = sys.modules.get("tkinter")  # whoever has made the application has it
    if tkinter is None or not isinstance(root, tkinter.Tk):
        raise TypeError(
            f"install the Tk host on {root!r}: a tkinter.Tk is needed; host.bind() is for what stands in it"
        )
    try:
        root.tk.eval("")  # refused at once on another thread: winfo_exists() waits there for the main loop to begin
    except RuntimeError:
        tried = f"install the Tk host on {root!r} on {current_thread().name!r}"
        raise IllegalStateError(f"{tried}: that was made on another thread; install the host there") from None
    if not _exists(root):
        raise IllegalStateError(f"install the Tk host on {root!r}: it has been destroyed; make a new one")
    watches = hasattr(root.tk, "createfilehandler") and sys.platform != "win32"
    return TkHost(root, poll=not watches if poll is None else poll)
