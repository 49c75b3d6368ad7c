"""What is wx's own: an application that may be gone, dialogs that must be ended, events that rise. U3."""

from __future__ import annotations

import textwrap

from .conftest import Toolkits

HEAD = """
import gc, threading, weakref
import wx
from vmscope import *
from vmscope.hosts import run_modal, wx as host_of_wx
app = wx.GetApp() or wx.App()
"""


def run(toolkits: Toolkits, program: str) -> list[str]:
    return toolkits.printed("wx", HEAD, program).splitlines()


def test_what_is_no_application_and_no_window_is_refused(toolkits: Toolkits) -> None:
    """U3, U4"""
    printed = run(
        toolkits,
        """
        from tests.hosts.player import refused
        refused(host_of_wx.install, 5)
        host = host_of_wx.install(app)
        refused(host.bind, 5)
        host.close()
        print(host.run())
        """,
    )

    assert printed == ["TypeError a wx.App is needed", "TypeError a wx.Window is needed", "None"]


def test_a_thread_that_has_not_made_the_application_is_refused_and_takes_no_main_looper(toolkits: Toolkits) -> None:
    """U3"""
    printed = run(
        toolkits,
        """
        from tests.hosts.player import refused
        before = Looper.get_main()
        thread = threading.Thread(target=refused, args=(host_of_wx.install, app))
        thread.start()
        thread.join()
        print(Looper.get_main() is before)
        """,
    )

    refusal = "IllegalStateError that was made on another thread; install the host there"
    assert printed == [refusal, "True"]


def test_the_end_of_a_program_closes_its_dialogs_first(toolkits: Toolkits) -> None:
    """U8"""
    printed = run(
        toolkits,
        """
        host = host_of_wx.install(app)
        frame = wx.Frame(None)
        frame.Show()
        dialog = wx.Dialog(frame)
        def ask():
            wx.CallLater(20, host.end)
            print(dialog.ShowModal() == wx.ID_CANCEL)
        host.handler.post(ask)
        host.run()
        dialog.Destroy()
        frame.Destroy()
        """,
    )

    assert printed == ["True"]


def test_a_window_does_not_take_the_end_of_a_part_of_it_for_its_own(toolkits: Toolkits) -> None:
    """U4: wx tells those around a window as well."""
    printed = run(
        toolkits,
        """
        host = host_of_wx.install(app)
        frame = wx.Frame(None)
        panel = wx.Panel(frame)
        part = wx.Button(panel)
        frame.Show()
        owner = host.bind(panel)
        wx.CallLater(5, part.Destroy)
        wx.CallLater(20, lambda: (print(owner.is_destroyed), panel.Destroy(), print(owner.is_destroyed), host.end()))
        host.run()
        frame.Destroy()
        """,
    )

    assert printed == ["False", "True"]


def test_a_window_goes_however_many_parts_of_it_have_come_and_gone(toolkits: Toolkits) -> None:
    """U4: and keeps nothing of them, nor of owners that were ended by hand."""
    printed = run(
        toolkits,
        """
        host = host_of_wx.install(app)
        frame, other = wx.Frame(None), wx.Frame(None)  # with the last one the loop would end
        owners = []
        def churn():
            for number in range(1000):
                panel = wx.Panel(frame)
                owner = host.bind(panel)
                owners.append(weakref.ref(owner))
                panel.Destroy() if number % 2 else owner.destroy()
            by_hand = host.bind(frame)
            owners.append(weakref.ref(by_hand))
            by_hand.destroy()
            del owner, by_hand
            gc.collect()
            print(sum(owner() is not None for owner in owners))
            wx.CallLater(5, lambda: (print(bool(frame)), other.Destroy(), host.end()))
            print(frame.Destroy())
        host.handler.post(churn)
        host.run()
        """,
    )

    assert printed == ["0", "True", "False"]


def test_a_part_that_was_put_elsewhere_ends_with_where_it_is_now(toolkits: Toolkits) -> None:
    """U4"""
    printed = run(
        toolkits,
        """
        host = host_of_wx.install(app)
        first, second = wx.Frame(None), wx.Frame(None)
        part = wx.Panel(first)
        owner = host.bind(part)
        owner.on_destroy(lambda: print("over", bool(part), bool(second)))
        part.Reparent(second)
        wx.CallLater(5, first.Destroy)
        wx.CallLater(20, lambda: (print(owner.is_destroyed), second.Destroy()))
        wx.CallLater(30, host.end)
        host.run()
        """,
    )

    assert printed == ["False", "over True True"]


def test_a_host_whose_application_is_gone_cancels_what_is_launched_and_refuses_posts(toolkits: Toolkits) -> None:
    """U3: in a process of its own, which has no application any more."""
    program = HEAD + textwrap.dedent(
        """
        host = host_of_wx.install(app)
        frame = wx.Frame(None)
        frame.Show()
        wx.CallLater(5, frame.Destroy)
        app.MainLoop()
        app.Destroy()
        job = host.scope.launch(await_cancellation)
        run_blocking(job.join)
        print(job.state_name, host.handler.post(print), host.close())
        """
    )
    code, printed = toolkits.run("wx", "-c", program)

    assert (code, printed.splitlines()) == (0, ["Cancelled False True"])
