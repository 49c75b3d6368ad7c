"""What is GLib's own: sources that come once, at the right priority, and loops that end without a word. U3."""

from __future__ import annotations

from .conftest import Toolkits

HEAD = """
import threading
from gi.repository import GLib, GObject
from vmscope import *
from vmscope.hosts import glib, run_modal
loop = GLib.MainLoop()
"""


def run(toolkits: Toolkits, program: str) -> list[str]:
    return toolkits.printed("glib", HEAD, program).splitlines()


def test_what_is_no_loop_and_no_widget_is_refused(toolkits: Toolkits) -> None:
    """U3, U4"""
    printed = run(
        toolkits,
        """
        from tests.hosts.player import refused
        refused(glib.install, 5)
        host = glib.install(loop)
        refused(host.bind, GObject.Object())
        host.close()
        print(host.run())
        """,
    )

    assert printed == [
        "TypeError a GLib.MainLoop or an application is needed",
        "TypeError a GTK widget, with a signal 'destroy', is needed",
        "None",
    ]


def test_a_thread_that_does_not_run_the_loop_is_refused_and_takes_no_main_looper(toolkits: Toolkits) -> None:
    """U3: whether another one does, or nobody yet."""
    printed = run(
        toolkits,
        """
        from tests.hosts.player import refused
        before = Looper.get_main()
        context = GLib.MainContext.default()
        def on_a_worker(call):
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()
        def install():
            on_a_worker(lambda: refused(glib.install, loop))
            print(Looper.get_main() is before)
        install()
        context.acquire()
        install()
        context.release()
        def run_here():
            context.acquire()
            host = glib.install(loop)
            host.handler.post(host.end)
            host.run()
            context.release()
            print("ran")
        on_a_worker(run_here)
        glib.install(loop).close()
        """,
    )

    here = "it does not run GLib's default main context; install the host on the main thread"
    assert printed == [
        f"IllegalStateError {here}, or after GLib.MainContext.default().acquire() here",
        "True",
        "IllegalStateError another thread runs GLib's default main context; install the host there",
        "True",
        "ran",
    ]


def test_a_widget_that_is_destroyed_ends_its_owner(toolkits: Toolkits) -> None:
    """U4: by GTK's signal, of whatever has one."""
    printed = run(
        toolkits,
        """
        class Widget(GObject.Object):
            destroy = GObject.Signal("destroy")
        host = glib.install(loop)
        widget = Widget()
        owner = host.bind(widget)
        owner.on_destroy(lambda: print("over"))
        widget.emit("destroy")
        host.close()
        """,
    )

    assert printed == ["over"]


def test_a_program_that_never_lets_glib_be_idle_does_not_stop_the_looper(toolkits: Toolkits) -> None:
    """U3: what is left of a pump does not wait for the drawing for ever."""
    printed = run(
        toolkits,
        """
        host = glib.install(loop)
        host.budget = 0.0
        GLib.idle_add(lambda: not host.is_closed, priority=GLib.PRIORITY_DEFAULT)
        def count(left):
            print(left)
            host.handler.post(lambda: count(left - 1) if left else host.end())
        count(3)
        host.run()
        """,
    )

    assert printed == ["3", "2", "1", "0"]


def test_no_source_is_left_behind_by_a_host_that_was_closed_in_the_middle_of_its_work(toolkits: Toolkits) -> None:
    """U3"""
    printed = run(
        toolkits,
        """
        host = glib.install(loop)
        host.budget = 0.0
        for number in range(3):
            host.handler.post(lambda number=number: print(number))
        host.handler.post(lambda: print("never"))
        turns = GLib.MainContext.default()
        while not host._idle:
            turns.iteration(True)
        host.close()
        print(host._idle, host._timer, host._offered)
        while turns.iteration(False):
            pass
        """,
    )

    assert printed == ["0", "0 0 0"]
