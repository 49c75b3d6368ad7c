"""Qt's loop as the main one: `host = install(app)`, then `host.run()` or `app.exec()`. PySide6 and PyQt6.

The binding is taken from the application that is given: no binding is imported by guess, which would break the tools
that build one program of one binding. A worker never calls Qt: it writes a byte to a socket that Qt watches; so nothing
is posted to an object that may be gone.
Invariants
    Q1  nothing of ours raises in a slot: PyQt ends the process over it.
    Q2  the notifier and the timer belong to the application's thread and live as long as the host, not with a window.
Counterpart: none in Android; there the system's loop is a Looper.
"""

from __future__ import annotations

import sys
from importlib import import_module
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

from .._errors import IllegalStateError, call_quietly
from .._primitives import report_uncaught
from ._bell import Bell
from ._host import Host
from ._values import bind_value, reader_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..flow._state import MutableStateFlow
    from ._owner import ViewOwner

__all__ = ("QtHost", "install")

T = TypeVar("T")

# What `app.exec()` returns after a Ctrl-C, as a shell tells it of any program.
_INTERRUPTED = 130


class QtHost(Host):
    """The main looper under a Qt event loop."""

    def __init__(self, app: Any, core: Any) -> None:
        super().__init__()
        self._app: Any = app
        self._core = core
        self._bell = Bell()
        self._notifier: Any = core.QSocketNotifier(self._bell.fileno(), core.QSocketNotifier.Type.Read)
        self._notifier.activated.connect(self._heard)
        self._timer: Any = self._timer_for(self._pump_by_timer)
        self._nested: Any = self._timer_for(self._pump)
        app.aboutToQuit.connect(self._on_about_to_quit)
        self._begin()

    def _wake(self) -> None:
        self._bell.ring()

    def _heard(self, *_: object) -> None:
        """Called by Qt while there is something in the bell."""
        self._bell.silence()
        self._pump()

    def _timer_for(self, call: Callable[[], object]) -> Any:
        timer = self._core.QTimer()
        timer.setSingleShot(True)
        timer.setTimerType(self._core.Qt.TimerType.PreciseTimer)
        timer.timeout.connect(call)
        return timer

    # Not the bell: a socket lets other threads have the GIL, and the main thread would wait for it twice in each pump.
    def _offer(self) -> None:
        self._nested.start(1)

    def _withdraw(self) -> None:
        self._nested.stop()

    def _call_later(self, seconds: float) -> None:
        # Not 0 where work is left: on some platforms a timer of 0 comes before what is to be painted.
        self._timer.start(max(1, ceil(seconds * 1000)))

    def _wakeup_fd(self) -> int:
        return self._bell.sending_fileno()

    def _run_loop(self) -> Any:
        return None if self._app is None else self._app.exec()  # None: closed before it began to run

    def _loop_ender(self) -> Callable[[], object]:
        # exit() and not quit(): that asks windows whether they like to close. It ends the loops of dialogs, too.
        app = self._app
        stopped = isinstance(self.exception, KeyboardInterrupt)
        return lambda: app.exit(_INTERRUPTED if stopped else 1 if self.exception is not None else 0)

    def _on_about_to_quit(self) -> None:
        call_quietly(report_uncaught, self.close)

    def _release(self) -> None:
        app, notifier, timers = self._app, self._notifier, (self._timer, self._nested)
        self._app = self._notifier = self._timer = self._nested = None
        if _is_alive(app):
            notifier.setEnabled(False)
            for timer in timers:
                timer.stop()
            app.aboutToQuit.disconnect(self._on_about_to_quit)

    def _watch_destroy(self, widget: Any, owner: ViewOwner) -> None:
        if not isinstance(widget, self._core.QObject):
            raise TypeError(f"bind {widget!r}: a QObject of {self._core.__name__} is needed")
        if not _is_alive(widget):
            # its repr is gone with it
            raise IllegalStateError(f"bind a {type(widget).__name__}: Qt has deleted it; make a new one")
        watcher = _watcher_class(self._core)(widget, owner.destroy)
        watcher.watch()
        widget.destroyed.connect(owner._widget_gone)  # Q1
        owner.on_destroy(watcher.forget)  # which keeps it alive: Qt does not

    def bind_property(self, state: MutableStateFlow[T], widget: Any, name: str, owner: ViewOwner) -> None:
        """Keep a Qt property and a state flow at the same value, as long as the owner's widget is there.

        Args:
            state: Its value goes into the property first. It holds what the property does; but an int or a float may be
                shown as text, and what is typed becomes an int or a float again, or leaves the flow as it is.
            widget: A QObject.
            name: Of a property that tells when it changes: "text" of a QLineEdit, "value" of a QSlider.
            owner: Of the window that shows it.
        Raises:
            ValueError: There is no such property, or it does not tell when it changes.
            TypeError: This is no QObject, or its property not one for what the flow holds; or no owner, or no mutable
                flow.
        """
        if not isinstance(widget, self._core.QObject):
            raise TypeError(f"bind property {name!r} of {widget!r}: a QObject of {self._core.__name__} is needed")
        meta = widget.metaObject()
        found = meta.property(meta.indexOfProperty(name))
        if not found.isValid() or not found.hasNotifySignal():
            why = "does not tell when it changes" if found.isValid() else "is not there"
            raise ValueError(f"bind property {name!r} of {widget!r}: it {why}; use bind_value with its own signal")
        changed = getattr(widget, bytes(found.notifySignal().name()).decode())

        def connect(call: Callable[[], object]) -> Callable[[], object]:
            slot = lambda *_: call()  # noqa: E731  (one object, which disconnect() finds again)
            changed.connect(slot)
            return lambda: changed.disconnect(slot) if _is_alive(widget) else None

        def read() -> Any:
            return widget.property(name)

        bind_value(
            state, lambda value: widget.setProperty(name, value), owner,
            getter=reader_for(state, type(read()), read, "bind_property", widget), changes=connect,
        )  # fmt: skip


_watchers: dict[str, type[Any]] = {}


def _watcher_class(core: Any) -> type[Any]:
    """Return the class of event filters for a binding: a subclass of its QObject, made once."""
    known = _watchers.get(core.__name__)
    if known is not None:
        return known
    kinds = core.QEvent.Type
    deferred_delete, close, parent_change = kinds.DeferredDelete, kinds.Close, kinds.ParentChange
    on_close = core.Qt.WidgetAttribute.WA_DeleteOnClose

    class Watcher(core.QObject):  # type: ignore[misc]
        """Tells before a widget is deleted by deleteLater(), or closed for good, or what it stands in is.

        What Qt deletes takes its children along without a word to them before: so it looks at all above, too, and at
        others once one of them is put elsewhere. Those where it was are no longer heard, and forget it with its end:
        Qt does not always tell before it moves a widget.
        """

        def __init__(self, widget: Any, gone: Callable[[], object]) -> None:
            super().__init__()
            self._widget = widget
            self._gone = gone

        def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802  (Qt's name)
            kind = event.type()
            if kind == deferred_delete or (kind == close and _goes_with_close(watched, on_close)):
                call_quietly(report_uncaught, self._look, watched)  # Q1
            elif kind == parent_change:
                call_quietly(report_uncaught, self.watch)
            return False

        def _look(self, watched: Any) -> None:
            if any(above is watched for above in _upwards(self._widget)):
                self._gone()

        def watch(self) -> None:
            for above in _upwards(self._widget):
                above.installEventFilter(self)  # once, however often it is told to

        def forget(self) -> None:
            if _is_alive(self._widget):
                for above in _upwards(self._widget):
                    above.removeEventFilter(self)

    _watchers[core.__name__] = Watcher
    return Watcher


def _upwards(widget: Any) -> Iterator[Any]:
    """Give `widget`, what it stands in, what that stands in, and so on."""
    while widget is not None:
        yield widget
        widget = widget.parent()


def _goes_with_close(widget: Any, on_close: Any) -> bool:
    return hasattr(widget, "testAttribute") and bool(widget.testAttribute(on_close))


def _is_alive(thing: Any) -> bool:
    """Whether Qt still has what the Python object stands for."""
    try:
        thing.objectName()
    except RuntimeError:
        return False
    return True


def _core_of(app: object) -> Any:
    """Return the QtCore that `app` is of, which has been imported by whoever made it; None: it is of no known one."""
    for cls in type(app).__mro__:
        binding, _, module = cls.__module__.partition(".")
        if module.startswith("Qt") and binding in ("PySide6", "PyQt6"):
            core = sys.modules.get(f"{binding}.QtCore") or import_module(f"{binding}.QtCore")
            return core if isinstance(app, core.QCoreApplication) else None
    return None


def install(app: Any) -> QtHost:
    """Make Qt's event loop drive the main looper of this thread.

        app = QApplication([])
        host = install(app)
        ...
        sys.exit(host.run())

    Args:
        app: A QApplication, QGuiApplication or QCoreApplication, of PySide6 or PyQt6.
    Returns:
        The host. It closes when the application is about to quit.
    Raises:
        TypeError: This is no application of a known binding.
        IllegalStateError: There is a main looper that is in use, or this is not the application's thread.

    Threads: the one that made `app`.
    """
    core = _core_of(app)
    if core is None:
        raise TypeError(f"install the Qt host on {app!r}: a QCoreApplication of PySide6 or PyQt6 is needed")
    if app.thread() != core.QThread.currentThread():
        raise IllegalStateError(f"install the Qt host on {app!r}: this is not its thread; call it where that was made")
    return QtHost(app, core)
