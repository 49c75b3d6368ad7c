"""What is Tk's own: close buttons, variables, and what becomes of an application that dies on the wrong thread. U2."""

from __future__ import annotations

import textwrap

import pytest

from .conftest import Toolkits

HEAD = """
import gc, signal, sys, threading, tkinter, warnings, weakref
from vmscope import *
from vmscope.flow import MutableStateFlow
from vmscope.hosts import bind_value, on_event, run_modal, tk
signal.signal(signal.SIGINT, signal.default_int_handler)
root = tkinter.Tk()
root.update()
"""


def run(toolkits: Toolkits, program: str) -> str:
    return toolkits.printed("tk", HEAD, program)


def test_the_close_button_closes_the_host_before_the_window_goes(toolkits: Toolkits) -> None:
    """U2"""
    printed = run(
        toolkits,
        """
        host = tk.install(root)
        async def work():
            try:
                await await_cancellation()
            finally:
                print("window", root.winfo_exists())
        host.scope.launch(work)
        root.after(5, lambda: root.tk.eval(root.protocol("WM_DELETE_WINDOW")))
        root.mainloop()
        print(host.is_closed, host.handler.post(print))
        """,
    )

    assert printed.split() == ["window", "1", "True", "False"]


def test_a_handler_of_the_close_button_stays_the_programs_own(toolkits: Toolkits) -> None:
    """U2: it may refuse."""
    printed = run(
        toolkits,
        """
        answers = [False, True]
        def really():
            print("asked", host.is_closed)
            if answers.pop(0):
                root.destroy()
        root.protocol("WM_DELETE_WINDOW", really)
        host = tk.install(root)
        for ms in (5, 10):
            root.after(ms, lambda: root.tk.eval(root.protocol("WM_DELETE_WINDOW")))
        root.mainloop()
        print(host.is_closed)
        """,
    )

    assert printed.splitlines() == ["asked False", "asked False", "True"]


def test_destroy_called_by_tcl_itself_is_noticed_too(toolkits: Toolkits) -> None:
    """U2, U4"""
    printed = run(
        toolkits,
        """
        host = tk.install(root)
        inner = tkinter.Frame(root)
        label = tkinter.Label(inner)
        owner, other = host.bind(inner), host.bind(label)
        root.after(5, lambda: root.tk.eval(f"destroy {inner}"))
        root.after(10, lambda: print(owner.is_destroyed, other.is_destroyed, host.is_closed))
        root.after(15, lambda: root.tk.eval("destroy ."))
        root.mainloop()
        print(host.is_closed)
        """,
    )

    assert printed.splitlines() == ["True True False", "True"]


def test_a_worker_that_destroys_a_window_is_refused_and_the_window_still_tells_of_its_end(toolkits: Toolkits) -> None:
    """U4"""
    printed = run(
        toolkits,
        """
        from tests.hosts.player import refused
        host = tk.install(root)
        window = tkinter.Toplevel(root)
        owner = host.bind(window)
        async def work():
            for thing in window, root:
                await with_context(Dispatchers.IO, refused, thing.destroy)
            print(owner.is_destroyed, host.is_closed)
            host.handler.post(window.destroy)
            await yield_()
            print(owner.is_destroyed)
            host.end()
        host.scope.launch(work)
        host.run()
        """,
    )

    refusal = "IllegalStateError host.handler.post(...)"
    assert printed.splitlines() == [refusal, refusal, "False False", "True"]


def test_a_window_may_have_several_owners_and_destroys_of_its_own(toolkits: Toolkits) -> None:
    """U4"""
    printed = run(
        toolkits,
        """
        class Window(tkinter.Toplevel):
            def destroy(self):
                print("its own", one.is_destroyed, two.is_destroyed)
                super().destroy()
        host = tk.install(root)
        window = Window(root)
        one, two = host.bind(window), host.bind(window)
        root.after(5, window.destroy)
        root.after(10, root.destroy)
        root.mainloop()
        print(sorted(name for name in vars(window) if "destroy" in name or "vmscope" in name))
        """,
    )

    assert printed.splitlines() == ["its own True True", "[]"]


def test_a_window_keeps_no_owner_that_was_ended_by_hand(toolkits: Toolkits) -> None:
    """U4: and tells the others all the same."""
    printed = run(
        toolkits,
        """
        host = tk.install(root)
        stays = host.bind(root)
        owners = []
        for _ in range(5):
            owner = host.bind(root)
            owners.append(weakref.ref(owner))
            owner.destroy()
        del owner
        gc.collect()
        print(sum(owner() is not None for owner in owners))
        stays.on_destroy(lambda: print("told"))
        root.destroy()
        """,
    )

    assert printed.splitlines() == ["0", "told"]


def test_an_application_that_has_ended_is_let_go_of_where_it_ended(toolkits: Toolkits) -> None:
    """U2: neither a worker that knows the host, nor the collector on some thread, is the last to let go of it."""
    printed = run(
        toolkits,
        """
        gc.disable()
        host = tk.install(root)
        owner = host.bind(tkinter.Frame(root))
        state = MutableStateFlow("")
        host.bind_variable(state, tkinter.StringVar(root), owner)
        weakref.finalize(root, lambda: print(threading.current_thread() is threading.main_thread()))
        root.after(5, root.destroy)
        root.mainloop()
        del root
        print("let go")
        del state, host, owner
        """,
    )

    assert printed.splitlines() == ["True", "let go"]


def test_a_variable_and_a_state_flow_follow_one_another(toolkits: Toolkits) -> None:
    """U9"""
    printed = run(
        toolkits,
        """
        host = tk.install(root)
        entry = tkinter.Entry(root)
        owner = host.bind(entry)
        text, number = tkinter.StringVar(root), tkinter.IntVar(root)
        name, count = MutableStateFlow("first"), MutableStateFlow(1)
        host.bind_variable(name, text, owner)
        host.bind_variable(count, number, owner)
        sets = []
        text.trace_add("write", lambda *_: sets.append(text.get()))
        async def work():
            print(text.get(), number.get())
            text.set("typed"); print(name.value)
            name.value = "by the program"; await yield_(); await yield_(); print(text.get())
            root.setvar(str(number), "not a number"); print(count.value)
            number.set(5); print(count.value)
            print(sets)
            entry.destroy()
            name.value = "too late"; text.set("later still")
            await yield_()
            print(text.get(), name.value)
            root.after(1, root.destroy)
        host.scope.launch(work)
        root.mainloop()
        """,
    )

    assert printed.splitlines() == [
        "first 1", "typed", "by the program", "1", "5", "['typed', 'by the program']", "later still too late",
    ]  # fmt: skip


def test_what_is_typed_becomes_what_the_state_flow_holds(toolkits: Toolkits) -> None:
    """U9: an int stays an int, in an entry; half a number leaves it as it is."""
    printed = run(
        toolkits,
        """
        import enum
        class Size(enum.Enum):
            SMALL = "small"
        class Name(str, enum.Enum):
            A = "a"
            B = "b"
        host = tk.install(root)
        owner = host.bind(root)
        async def typed(value, kind, *texts):
            state, variable = MutableStateFlow(value), kind(root)
            host.bind_variable(state, variable, owner)
            await yield_()
            seen = [str(variable.get())]
            for text in texts:
                root.setvar(str(variable), text)
                seen.append(repr(state.value))
            print(*seen)
        async def work():
            await typed(5, tkinter.StringVar, "6", "six", "", "7")
            await typed(5, tkinter.Variable, "6")
            await typed(0.5, tkinter.StringVar, "0.", "-", "2")
            await typed("5", tkinter.StringVar, "6")
            await typed(5, tkinter.IntVar, "6")
            await typed(True, tkinter.IntVar, 0, 1)
            await typed(Name.A, tkinter.StringVar, "b", "c")
            host.end()
        host.scope.launch(work)
        host.run()
        """,
    )

    assert printed.splitlines() == [
        "5 6 6 6 7", "5 6", "0.5 0.0 0.0 2.0", "5 '6'", "5 6", "1 False True", "a <Name.B: 'b'> <Name.B: 'b'>",
    ]  # fmt: skip


def test_a_variable_that_cannot_hold_what_the_state_flow_does_is_refused(toolkits: Toolkits) -> None:
    """U9"""
    printed = run(
        toolkits,
        """
        from tests.hosts.player import refused
        host = tk.install(root)
        owner = host.bind(root)
        pairs = (None, "String"), (True, "String"), (5, "Double"), (0.5, "Int"), ("x", "Int"), (1, "Boolean")
        for value, kind in pairs:
            refused(host.bind_variable, MutableStateFlow(value), getattr(tkinter, f"{kind}Var")(root), owner)
        refused(host.bind_variable, MutableStateFlow(""), "x", owner)
        refused(host.bind_variable, "x", tkinter.StringVar(root), owner)
        refused(host.bind_variable, MutableStateFlow("").as_state_flow(), tkinter.StringVar(root), owner)
        refused(host.bind_variable, MutableStateFlow(""), tkinter.StringVar(root), root)
        root.destroy()
        """,
    )

    other = "take one of the same kind, or bind_value() with a getter and changes of your own"
    mutable = "a MutableStateFlow is needed, to take over what the user makes of it"
    assert printed.splitlines() == [
        f"TypeError the flow holds a NoneType, and this str; {other}",
        f"TypeError the flow holds a bool, and this str; {other}",
        f"TypeError the flow holds an int, and this float; {other}",
        f"TypeError the flow holds a float, and this int; {other}",
        f"TypeError the flow holds a str, and this int; {other}",
        f"TypeError the flow holds an int, and this bool; {other}",
        "TypeError a StringVar, IntVar, DoubleVar or BooleanVar is needed",
        f"TypeError {mutable}",
        f"TypeError {mutable}",
        "TypeError what host.bind(widget) returns is needed",
    ]


def test_a_button_starts_its_coroutine_in_the_scope_of_its_window(toolkits: Toolkits) -> None:
    """U5"""
    printed = run(
        toolkits,
        """
        host = tk.install(root)
        window = tkinter.Toplevel(root)
        owner = host.bind(window)
        @on_event(owner.scope, "drop")
        async def save():
            print("saves")
            try:
                await await_cancellation()
            finally:
                print("stops", window.winfo_exists())
        button = tkinter.Button(window, command=save)
        root.after(2, button.invoke)
        root.after(4, button.invoke)
        root.after(6, window.destroy)
        root.after(8, root.destroy)
        root.mainloop()
        """,
    )

    assert printed.splitlines() == ["saves", "stops 1"]


def test_a_thread_that_has_not_made_the_root_is_refused_and_takes_no_main_looper(toolkits: Toolkits) -> None:
    """U2: at once, and whether the root's main loop runs or not."""
    printed = run(
        toolkits,
        """
        from tests.hosts.player import refused
        before = Looper.get_main()
        def install():
            thread = threading.Thread(target=refused, args=(tk.install, root))
            thread.start()
            return thread
        install().join()
        print(Looper.get_main() is before)
        root.after(1, install)
        root.after(20, root.quit)
        root.mainloop()
        print(Looper.get_main() is before)
        tk.install(root).close()
        root.destroy()
        """,
    )

    refusal = "IllegalStateError that was made on another thread; install the host there"
    assert printed.splitlines() == [refusal, "True"] * 2


def test_what_is_no_root_or_has_gone_is_refused(toolkits: Toolkits) -> None:
    """U2"""
    printed = run(
        toolkits,
        """
        from tests.hosts.player import refused
        refused(tk.install, 5)
        refused(tk.install, tkinter.Toplevel(root))
        refused(tk.install, tkinter.Frame(root))
        host = tk.install(root)
        refused(host.bind, 5)
        window = tkinter.Toplevel(root)
        window.destroy()
        refused(host.bind, window)
        threading.Thread(target=refused, args=(host.close,)).start()
        refused(host.close, -1)
        root.destroy()
        refused(tk.install, root)
        refused(lambda: host.root)
        print(host.run())
        """,
    )

    assert sorted(printed.splitlines()) == sorted([
        "TypeError a tkinter.Tk is needed; host.bind() is for what stands in it",
        "TypeError a tkinter.Tk is needed; host.bind() is for what stands in it",
        "TypeError a tkinter.Tk is needed; host.bind() is for what stands in it",
        "TypeError a Tk widget or window is needed",
        "IllegalStateError it has been destroyed; make a new one",
        "IllegalStateError host.handler.post(host.end) closes it, and ends the loop",
        "ValueError the seconds to wait must be >= 0",
        "IllegalStateError it has been destroyed; make a new one",
        "IllegalStateError it has let go of it",
        "None",
    ])  # fmt: skip


@pytest.mark.parametrize("poll", [False, True])
def test_ctrl_c_under_tks_own_call_ends_it_and_raises_nothing_in_its_frames(toolkits: Toolkits, poll: bool) -> None:
    """U2"""
    printed = run(
        toolkits,
        f"""
        import os
        host = tk.install(root, poll={poll})
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        root.mainloop()
        print(repr(host.exception), host.is_closed)
        """,
    )

    assert printed.splitlines() == ["KeyboardInterrupt() True"]


def test_a_second_ctrl_c_does_not_wait_for_the_first(toolkits: Toolkits) -> None:
    """U2: a callback that does not end."""
    printed = run(
        toolkits,
        """
        import os
        host = tk.install(root)
        def endless():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                pass
        host.handler.post(endless)
        try:
            host.run()
        except KeyboardInterrupt:
            print("interrupted")
        """,
    )

    assert printed.splitlines() == ["interrupted"]


def test_a_wake_up_descriptor_of_somebody_elses_is_left_alone(toolkits: Toolkits) -> None:
    """U2: only one may have it."""
    printed = run(
        toolkits,
        """
        import socket
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno())
        host = tk.install(root)
        root.after(5, root.destroy)
        root.mainloop()
        print(signal.set_wakeup_fd(-1) == theirs.fileno())
        ours.close()
        theirs.close()
        """,
    )

    assert printed.splitlines() == ["True"]


def test_a_child_process_leaves_the_parents_window_alone(toolkits: Toolkits) -> None:
    """U2"""
    program = """
        import os
        warnings.simplefilter("ignore", DeprecationWarning)
        host = tk.install(root)
        host.bind(root).on_destroy(lambda: print("destroyed in", os.getpid() == parent, flush=True))
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            sys.exit(0 if Looper.get_main() is None and host.close() is False else 1)
        print("child", os.waitpid(child, 0)[1], flush=True)
        root.after(5, root.destroy)
        root.mainloop()
    """
    code, printed = toolkits.run("tk", "-c", HEAD + textwrap.dedent(program))

    assert (code, printed.splitlines()) == (0, ["child 0", "destroyed in True"])


def test_a_program_that_never_lets_tk_be_idle_does_not_stop_the_looper(toolkits: Toolkits) -> None:
    """U2: what is left of a pump does not wait for the drawing for ever."""
    printed = run(
        toolkits,
        """
        host = tk.install(root)
        host.budget = 0.0
        root.tk.eval("proc busy {} {after 0 busy}; busy")
        def count(left):
            print(left)
            host.handler.post(lambda: count(left - 1) if left else end())
        def end():
            root.tk.eval("proc busy {} {}")
            host.end()
        count(3)
        host.run()
        """,
    )

    assert printed.split() == ["3", "2", "1", "0"]


def test_a_host_that_is_closed_in_the_middle_of_its_work_leaves_nothing_in_tk(toolkits: Toolkits) -> None:
    """U2: the root lives on, and its loop may be run again, under another host."""
    printed = run(
        toolkits,
        """
        complaints = []
        root.tk.createcommand("bgerror", complaints.append)
        for poll in False, True:
            host = tk.install(root, poll=poll)
            host.budget = 0.0
            for number in range(3):
                host.handler.post(lambda number=number: print(number))
            root.after(0, host.close)
            root.after(100, root.quit)
            root.mainloop()
        print(complaints, root.tk.call("after", "info"))
        root.destroy()
        """,
    )

    assert printed.splitlines()[-1] == "[] ", printed


def test_a_root_that_a_clean_up_destroys_is_not_destroyed_once_more(toolkits: Toolkits) -> None:
    """U2"""
    printed = run(
        toolkits,
        """
        host = tk.install(root)
        async def work():
            root.after(1, host.end)
            try:
                await await_cancellation()
            finally:
                root.destroy()
                print("destroyed")
        host.scope.launch(work)
        host.run()
        print(host.is_closed)
        """,
    )

    assert printed.splitlines() == ["destroyed", "True"]


def test_a_destroy_that_a_program_has_put_into_its_window_is_called_and_stays(toolkits: Toolkits) -> None:
    """U4"""
    printed = run(
        toolkits,
        """
        host = tk.install(root)
        window = tkinter.Toplevel(root)
        def destroy():
            print("the program's own", owner.is_destroyed)
            tkinter.Toplevel.destroy(window)
        window.destroy = destroy
        owner = host.bind(window)
        root.after(1, lambda: (window.destroy(), print(window.destroy is destroy), root.destroy()))
        host.run()
        """,
    )

    assert printed.splitlines() == ["the program's own True", "True"]
