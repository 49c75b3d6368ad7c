"""One face for the toolkits, so that one scenario can be played on all of them. Used in a process of its own."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

from vmscope.hosts import Host


class Kit:
    """What a scenario needs of a toolkit.

    Attributes:
        has_windows: There are widgets to bind.
        has_dialogs: Its loop can be run inside one of its callbacks.
        hears_ctrl_c: The host deals with Ctrl-C, and not the loop.
        ends_unseen: Its own loop may end without a word to the host, so that `host.run()` is to be used.
    """

    has_windows = has_dialogs = hears_ctrl_c = True
    ends_unseen = False

    def install(self) -> Host:
        """Make the application, or take the one there is, and install the host on it."""
        raise NotImplementedError

    def run(self, host: Host) -> Any:
        return host.run()

    def window(self, parent: Any = None) -> Any:
        """Make a window, or something inside `parent`."""
        raise NotImplementedError

    def destroy(self, widget: Any) -> None:
        """Have it gone soon, as a program would."""
        raise NotImplementedError

    def is_there(self, widget: Any) -> bool:
        raise NotImplementedError

    def later(self, seconds: float, fn: Callable[[], object]) -> None:
        """Have the toolkit itself call `fn`."""
        raise NotImplementedError

    def redraws(self, fn: Callable[[], bool]) -> None:
        """Call `fn` each time the toolkit comes to what it draws with, as long as it answers true."""
        raise NotImplementedError

    def dialog(self) -> tuple[Callable[[], str], Callable[[], object]]:
        """Return what shows a dialog and runs its loop until it is closed, and what closes it."""
        raise NotImplementedError

    def close_program(self) -> None:
        """As the user who closes the last window."""
        raise NotImplementedError


class TkKit(Kit):
    poll: bool | None = None

    def install(self) -> Host:
        from vmscope.hosts import tk

        self.tkinter = importlib.import_module("tkinter")
        self.root = self.tkinter.Tk()
        self.root.update()
        return tk.install(self.root, poll=self.poll)

    def window(self, parent: Any = None) -> Any:
        return self.tkinter.Toplevel(self.root) if parent is None else self.tkinter.Label(parent)

    def destroy(self, widget: Any) -> None:
        widget.destroy()

    def is_there(self, widget: Any) -> bool:
        try:
            return bool(widget.winfo_exists())
        except self.tkinter.TclError:  # not even the application is
            return False

    def later(self, seconds: float, fn: Callable[[], object]) -> None:
        self.root.after(int(seconds * 1000), fn)

    def redraws(self, fn: Callable[[], bool]) -> None:
        self.root.after_idle(lambda: fn() and self.root.after(1, self.redraws, fn))

    def dialog(self) -> tuple[Callable[[], str], Callable[[], object]]:
        window = self.tkinter.Toplevel(self.root)

        def show() -> str:
            window.wait_window()
            return "answer"

        return show, window.destroy

    def close_program(self) -> None:
        command = self.root.protocol("WM_DELETE_WINDOW")
        self.root.tk.eval(command)


class TkPollKit(TkKit):
    poll = True


class QtKit(Kit):
    binding = ""

    def install(self) -> Host:
        from vmscope.hosts import qt

        self.core = importlib.import_module(f"{self.binding}.QtCore")
        self.widgets = importlib.import_module(f"{self.binding}.QtWidgets")
        self.app = self.widgets.QApplication.instance() or self.widgets.QApplication([])
        self.app.setQuitOnLastWindowClosed(False)
        return qt.install(self.app)

    def window(self, parent: Any = None) -> Any:
        made = self.widgets.QWidget(parent)
        if parent is None:
            made.show()
        return made

    def destroy(self, widget: Any) -> None:
        widget.deleteLater()

    def is_there(self, widget: Any) -> bool:
        try:
            widget.objectName()
        except RuntimeError:
            return False
        return True

    def later(self, seconds: float, fn: Callable[[], object]) -> None:
        self.core.QTimer.singleShot(int(seconds * 1000), fn)

    def redraws(self, fn: Callable[[], bool]) -> None:
        class Canvas(self.widgets.QWidget):  # type: ignore[misc, name-defined]
            def paintEvent(self, event: Any) -> None:  # noqa: N802
                if fn():
                    self.update()

        self.canvas = Canvas()
        self.canvas.show()

    def dialog(self) -> tuple[Callable[[], str], Callable[[], object]]:
        dialog = self.widgets.QDialog()

        def show() -> str:
            dialog.exec()
            return "answer"

        return show, dialog.reject

    def close_program(self) -> None:
        self.app.quit()


class PySide6Kit(QtKit):
    binding = "PySide6"


class PyQt6Kit(QtKit):
    binding = "PyQt6"


class GLibKit(Kit):
    has_windows = False
    ends_unseen = True

    def install(self) -> Host:
        from vmscope.hosts import glib

        self.glib = importlib.import_module("gi.repository.GLib")
        self.loop = self.glib.MainLoop()
        return glib.install(self.loop)

    def later(self, seconds: float, fn: Callable[[], object]) -> None:
        self.glib.timeout_add(int(seconds * 1000), lambda: bool(fn() and False))

    def redraws(self, fn: Callable[[], bool]) -> None:
        self.glib.idle_add(fn, priority=120)  # GDK_PRIORITY_REDRAW

    def dialog(self) -> tuple[Callable[[], str], Callable[[], object]]:
        loop = self.glib.MainLoop()

        def show() -> str:
            loop.run()
            return "answer"

        return show, loop.quit

    def close_program(self) -> None:
        self.loop.quit()


class WxKit(Kit):
    ends_unseen = True

    def install(self) -> Host:
        from vmscope.hosts import wx as host

        self.wx = importlib.import_module("wx")
        self.app = self.wx.GetApp() or self.wx.App()
        self.frame = self.wx.Frame(None)
        self.frame.Show()
        return host.install(self.app)

    def window(self, parent: Any = None) -> Any:
        if parent is not None:
            return self.wx.Panel(parent)
        frame = self.wx.Frame(None)
        frame.Show()
        return frame

    def destroy(self, widget: Any) -> None:
        widget.Destroy()

    def is_there(self, widget: Any) -> bool:
        return bool(widget)

    def later(self, seconds: float, fn: Callable[[], object]) -> None:
        self.wx.CallLater(max(1, int(seconds * 1000)), fn)

    def redraws(self, fn: Callable[[], bool]) -> None:
        def idle(event: Any) -> None:
            if fn():
                event.RequestMore()
            else:
                self.app.Unbind(self.wx.EVT_IDLE, handler=idle)

        self.app.Bind(self.wx.EVT_IDLE, idle)

    def dialog(self) -> tuple[Callable[[], str], Callable[[], object]]:
        dialog = self.wx.Dialog(self.frame)

        def show() -> str:
            dialog.ShowModal()
            dialog.Destroy()
            return "answer"

        return show, lambda: dialog.EndModal(self.wx.ID_CANCEL)

    def close_program(self) -> None:
        for window in self.wx.GetTopLevelWindows():
            window.Close()


class AsyncioKit(Kit):
    has_windows = has_dialogs = hears_ctrl_c = False
    ends_unseen = True

    def install(self) -> Host:
        from vmscope.hosts import asyncio as host

        async def here() -> Host:
            return host.install()

        self.loop = asyncio.new_event_loop()
        return self.loop.run_until_complete(here())

    def run(self, host: Host) -> None:
        try:
            self.loop.run_forever()
        finally:
            host.close()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
        if host.exception is not None:
            raise host.exception

    def later(self, seconds: float, fn: Callable[[], object]) -> None:
        self.loop.call_later(seconds, fn)

    def redraws(self, fn: Callable[[], bool]) -> None:
        self.loop.call_soon(lambda: fn() and self.redraws(fn))

    def close_program(self) -> None:
        self.loop.stop()


KITS: dict[str, type[Kit]] = {
    "asyncio": AsyncioKit, "tk": TkKit, "tk-poll": TkPollKit, "PySide6": PySide6Kit, "PyQt6": PyQt6Kit,
    "glib": GLibKit, "wx": WxKit,
}  # fmt: skip
