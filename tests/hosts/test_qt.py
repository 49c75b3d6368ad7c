"""What is Qt's own: two bindings, slots that must not raise, objects that are gone. U3."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from ..processes import ROOT
from .conftest import Toolkits

HEAD = """
import importlib, os, signal, sys, threading
binding = {binding!r}
core, widgets = (importlib.import_module(f"{{binding}}.{{name}}") for name in ("QtCore", "QtWidgets"))
from vmscope import *
from vmscope.flow import MutableStateFlow
from vmscope.hosts import bind_value, on_event, qt
signal.signal(signal.SIGINT, signal.default_int_handler)
later = core.QTimer.singleShot
app = widgets.QApplication.instance() or widgets.QApplication([])
app.setQuitOnLastWindowClosed(False)
"""

pytestmark = pytest.mark.parametrize("binding", ["PySide6", "PyQt6"])


def run(toolkits: Toolkits, binding: str, program: str) -> tuple[int, str]:
    return toolkits.ask(binding, HEAD.format(binding=binding) + textwrap.dedent(program))


def test_quit_closes_the_host_while_the_windows_are_there(toolkits: Toolkits, binding: str) -> None:
    """U3"""
    code, printed = run(
        toolkits, binding,
        """
        host = qt.install(app)
        window = widgets.QWidget()
        window.show()
        async def work():
            try:
                await await_cancellation()
            finally:
                print("window", window.isWindow(), threading.current_thread() is threading.main_thread())
        host.bind(window).scope.launch(work)
        later(5, app.quit)
        app.exec()
        print(host.is_closed, host.handler.post(print))
        """,
    )  # fmt: skip

    assert (code, printed.splitlines()) == (0, ["window True True", "True False"])


def test_a_window_that_is_deleted_when_closed_ends_its_owner_first(toolkits: Toolkits, binding: str) -> None:
    """U4"""
    code, printed = run(
        toolkits, binding,
        """
        host = qt.install(app)
        window = widgets.QMainWindow()
        window.setAttribute(core.Qt.WidgetAttribute.WA_DeleteOnClose)
        kept = widgets.QWidget()
        for name, widget in (("window", window), ("kept", kept)):
            widget.show()
            host.bind(widget).on_destroy(lambda name=name, widget=widget: print(name, widget.isVisible()))
        later(2, kept.close)
        later(5, window.close)
        later(10, lambda: (print("the end"), app.exit(0)))
        app.exec()
        """,
    )  # fmt: skip

    assert (code, printed.splitlines()) == (0, ["window True", "the end", "kept False"])


def test_a_property_and_a_state_flow_follow_one_another(toolkits: Toolkits, binding: str) -> None:
    """U9"""
    code, printed = run(
        toolkits, binding,
        """
        host = qt.install(app)
        window = widgets.QWidget()
        edit = widgets.QLineEdit(window)
        owner = host.bind(window)
        name = MutableStateFlow("first")
        host.bind_property(name, edit, "text", owner)
        changes = []
        edit.textChanged.connect(changes.append)
        async def work():
            print(edit.text())
            edit.setText("typed"); print(name.value)
            name.value = "by the program"; await yield_(); await yield_(); print(edit.text(), changes)
            window.deleteLater()
            await delay(0.005)
            name.value = "too late"
            await delay(0.005)
            app.quit()
        host.scope.launch(work)
        for bad in ("nothing", "x"):
            try:
                host.bind_property(name, edit, bad, owner)
            except ValueError as refusal:
                print(str(refusal).rpartition(": it ")[2])
        app.exec()
        """,
    )  # fmt: skip

    why = "use bind_value with its own signal"
    assert (code, printed.splitlines()) == (0, [
        f"is not there; {why}", f"does not tell when it changes; {why}",
        "first", "typed", "by the program ['typed', 'by the program']",
    ])  # fmt: skip


def test_what_is_typed_becomes_what_the_state_flow_holds(toolkits: Toolkits, binding: str) -> None:
    """U9: an int stays an int, in a line of text; and what a property cannot hold is refused."""
    code, printed = run(
        toolkits, binding,
        """
        from tests.hosts.player import refused
        host = qt.install(app)
        owner = host.bind(widgets.QWidget())
        edit, spin = widgets.QLineEdit(), widgets.QSpinBox()
        age = MutableStateFlow(5)
        host.bind_property(age, edit, "text", owner)
        refused(host.bind_property, MutableStateFlow("x"), spin, "value", owner)
        refused(host.bind_property, MutableStateFlow(None), edit, "text", owner)
        refused(host.bind_property, MutableStateFlow("x"), "no widget", "text", owner)
        refused(host.bind_property, "x", edit, "text", owner)
        async def work():
            await yield_()
            seen = [edit.text()]
            for text in ("6", "six", "7"):
                edit.setText(text)
                seen.append(age.value)
            print(seen)
            app.quit()
        host.scope.launch(work)
        app.exec()
        """,
    )  # fmt: skip

    other = "take one of the same kind, or bind_value() with a getter and changes of your own"
    assert (code, printed.splitlines()) == (0, [
        f"TypeError the flow holds a str, and this int; {other}",
        f"TypeError the flow holds a NoneType, and this str; {other}",
        f"TypeError a QObject of {binding}.QtCore is needed",
        "TypeError a MutableStateFlow is needed, to take over what the user makes of it",
        "['5', 6, 6, 7]",
    ])  # fmt: skip


def test_a_slot_of_ours_that_fails_does_not_end_the_process(toolkits: Toolkits, binding: str) -> None:
    """U5: PyQt ends it over any exception in a slot."""
    code, printed = run(
        toolkits, binding,
        """
        reported = []
        def report(args):
            reported.append(str(args.exc_value))
            if len(reported) == 2:
                app.quit()
        threading.excepthook = report
        host = qt.install(app)
        button = widgets.QPushButton()
        @on_event(host.scope)
        async def clicked():
            raise ValueError("clicked")
        button.clicked.connect(clicked)
        def broken():
            raise ValueError("posted")
        later(2, lambda: (button.click(), host.handler.post(broken)))
        print(host.run(), sorted(reported))
        """,
    )  # fmt: skip

    assert (code, printed.splitlines()) == (0, ["0 ['clicked', 'posted']"])


def test_ctrl_c_under_qts_own_call_gives_the_exit_code_of_an_interrupted_program(
    toolkits: Toolkits, binding: str
) -> None:
    """U3"""
    code, printed = run(
        toolkits, binding,
        """
        host = qt.install(app)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        sys.exit(app.exec())
        """,
    )  # fmt: skip

    assert (code, printed) == (130, "")


def test_the_binding_is_the_one_of_the_application(toolkits: Toolkits, binding: str) -> None:
    """U3: nothing else is imported; and what is no application is refused."""
    code, printed = run(
        toolkits, binding,
        """
        host = qt.install(app)
        print([name for name in ("PySide6", "PyQt6", "PySide2", "PyQt5") if name in sys.modules] == [binding])
        for bad in (5, core.QObject()):
            try:
                qt.install(bad)
            except TypeError as refusal:
                print(str(refusal).rpartition(": ")[2])
        later(0, app.quit)
        app.exec()
        """,
    )  # fmt: skip

    needed = "a QCoreApplication of PySide6 or PyQt6 is needed"
    assert (code, printed.splitlines()) == (0, ["True", needed, needed])


def test_without_any_toolkit_the_hosts_can_be_imported(binding: str) -> None:
    """U3: none is loaded by it."""
    program = (
        "import sys; from vmscope.hosts import asyncio, glib, qt, tk, wx; "
        f"print([name for name in ({binding!r}, 'tkinter', 'gi', 'wx') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.stdout.strip() == "[]", done.stderr


def test_a_part_that_was_put_elsewhere_does_not_end_with_where_it_was(toolkits: Toolkits, binding: str) -> None:
    """U4: but with where it is now."""
    code, printed = run(
        toolkits, binding,
        """
        host = qt.install(app)
        first, second = widgets.QWidget(), widgets.QWidget()
        part = widgets.QWidget(first)
        owner = host.bind(part)
        owner.on_destroy(lambda: print("over", part.isEnabled(), second.isEnabled()))
        part.setParent(second)
        later(1, first.deleteLater)
        later(10, lambda: print(owner.is_destroyed))
        later(11, second.deleteLater)
        later(20, app.quit)
        app.exec()
        """,
    )  # fmt: skip

    assert (code, printed.splitlines()) == (0, ["False", "over True True"])


def test_a_property_of_a_kind_of_qts_own_is_taken_as_it_is(toolkits: Toolkits, binding: str) -> None:
    """U9: there is nothing to keep an int or a text, and the flow may hold nothing yet."""
    code, printed = run(
        toolkits, binding,
        """
        host = qt.install(app)
        window = widgets.QWidget()
        edit = widgets.QKeySequenceEdit(window)
        keys = MutableStateFlow(None)
        host.bind_property(keys, edit, "keySequence", host.bind(window))
        edit.setKeySequence("Ctrl+K")
        print(type(keys.value).__name__, keys.value.toString())
        later(5, app.quit)
        app.exec()
        """,
    )  # fmt: skip

    assert (code, printed.splitlines()) == (0, ["QKeySequence Ctrl+K"])


def test_a_widget_that_is_deleted_without_a_word_is_let_go_of(toolkits: Toolkits, binding: str) -> None:
    """U4: by its binding's own function, which sends no event before; what is above it goes on."""
    code, printed = run(
        toolkits, binding,
        """
        delete = importlib.import_module("shiboken6" if binding == "PySide6" else "PyQt6.sip").delete
        host = qt.install(app)
        window = widgets.QWidget()
        part = widgets.QWidget(window)
        owner, above = host.bind(part), host.bind(window)
        async def load():
            try:
                await await_cancellation()
            finally:
                print("stopped")
        owner.scope.launch(load)
        delete(part)
        print(owner.is_destroyed, above.is_destroyed)
        later(5, window.deleteLater)
        later(10, lambda: (print(above.is_destroyed), app.quit()))
        app.exec()
        """,
    )  # fmt: skip

    assert (code, printed.splitlines()) == (0, ["stopped", "True False", "True"])


@pytest.mark.parametrize("place", [
    "page.setParent(window)",
    "widgets.QVBoxLayout(window).addWidget(page)",
    "box = widgets.QWidget(); page.setParent(box); box.setParent(window)",
    "window = widgets.QMainWindow(); window.setCentralWidget(page)",
    "window = widgets.QTabWidget(); window.addTab(page, 'page')",
])  # fmt: skip
def test_a_page_that_is_bound_when_it_is_made_ends_before_the_window_that_it_is_put_into(
    toolkits: Toolkits, binding: str, place: str
) -> None:
    """U4"""
    code, printed = run(
        toolkits, binding,
        f"""
        host = qt.install(app)
        class Page(widgets.QWidget):
            def __init__(self):
                super().__init__()
                host.bind(self).scope.launch(self.load)
            async def load(self):
                try:
                    await await_cancellation()
                finally:
                    self.setToolTip("stopped")
                    print(self.toolTip())
        page, window = Page(), widgets.QWidget()
        {place}
        later(1, window.deleteLater)
        later(10, lambda: (print("the end"), app.quit()))
        app.exec()
        """,
    )  # fmt: skip

    assert (code, printed.splitlines()) == (0, ["stopped", "the end"])


def test_what_qt_has_deleted_is_refused_and_does_not_keep_the_host_from_closing(
    toolkits: Toolkits, binding: str
) -> None:
    """U3, U4: in a process of its own, whose application is gone in the end."""
    program = HEAD.format(binding=binding) + textwrap.dedent(
        """
        delete = importlib.import_module("shiboken6" if binding == "PySide6" else "PyQt6.sip").delete
        from tests.hosts.player import refused
        thread = threading.Thread(target=refused, args=(qt.install, app))
        thread.start()
        thread.join()
        host = qt.install(app)
        widget = widgets.QWidget()
        delete(widget)
        refused(host.bind, widget)
        delete(app)
        print(host.close(), host.handler.post(print), flush=True)
        os._exit(0)   # what Qt does at the end without its application is not asked here
        """
    )
    code, printed = toolkits.run(binding, "-c", program)

    assert (code, printed.splitlines()) == (0, [
        "IllegalStateError this is not its thread; call it where that was made",
        "IllegalStateError Qt has deleted it; make a new one",
        "True False",
    ])  # fmt: skip
