"""What a process does to coroutines: exit with work pending, fork, Ctrl-C; each in a process of its own."""

from __future__ import annotations

import sys
import sysconfig

import pytest

from tests.processes import POSIX, run

# ---- exit (I8, D18, F11, F12)

PENDING = {
    "a delay on Default": "GlobalScope.launch(delay, 3600)",
    "a delay on Unconfined": "GlobalScope.launch(delay, 3600, context=Dispatchers.Unconfined)",
    "an endless wait": "GlobalScope.launch(await_cancellation)",
    "an idle pool": "run_blocking(with_context(Dispatchers.IO, int))",
    "short work on IO": "GlobalScope.launch(time.sleep, 0.05, context=Dispatchers.IO)",
    "queued work": "[GlobalScope.launch(time.sleep, 0.001, context=Dispatchers.IO) for _ in range(200)]",
    "a pool of its own": "GlobalScope.launch(delay, 3600, context=new_fixed_thread_pool_context(3, 'crew'))",
    "a looper thread": (
        "t = HandlerThread('ui'); t.start(); GlobalScope.launch(delay, 9, context=as_dispatcher(t.handler))"
    ),
    "a main looper that never ran": "Looper.prepare_main(); MainScope().launch(delay, 9)",
    "an abandoned coroutine": "GlobalScope.launch(await_cancellation, context=Dispatchers.Unconfined)",
    "those who yield for ever": (
        "def turn():\n while True: yield from yield_()\n"
        "for _ in range(9): GlobalScope.launch(turn)"
    ),
    "those who hop for ever": (
        "def turn():\n while True: yield from with_context(Dispatchers.IO, int)\n"
        "for _ in range(9): GlobalScope.launch(turn)"
    ),
    "a lazy coroutine": "j = GlobalScope.launch(print, start=CoroutineStart.LAZY)",
}


@pytest.mark.parametrize("what", PENDING)
def test_a_process_ends_quietly_whatever_is_pending(what: str) -> None:
    """I8, F11, J20"""
    assert run(PENDING[what]) == (0, "", "")


#: Of programs: a call that hangs, and tells when it has begun.
STUCK = """
        from vmscope import _at_exit
        from vmscope.coroutines import _pool
        started = threading.Event()
        def stuck():
            started.set()
            threading.Event().wait()
"""


def test_work_that_is_stuck_holds_the_process_no_longer_than_the_grace() -> None:
    """I8, D18, F11"""
    code, out, err = run(STUCK + """
        _at_exit.GRACE = 0.1
        GlobalScope.launch(stuck, context=Dispatchers.IO)
        started.wait()
        print("main is over")
    """)

    assert (code, out, err) == (0, "main is over\n", "")


def test_a_worker_and_a_looper_that_are_both_stuck_hold_no_process() -> None:
    """I8, F11"""
    code, out, err = run(STUCK + """
        _at_exit.GRACE = 0.1
        GlobalScope.launch(stuck, context=Dispatchers.IO)
        started.wait()
        thread = HandlerThread("stuck", daemon=True); thread.start()
        blocks = threading.Event()
        thread.handler.post(lambda: (blocks.set(), threading.Event().wait()))
        blocks.wait()
        print("main is over")
    """)

    assert (code, out, err) == (0, "main is over\n", "")


def test_what_the_pool_refuses_for_good_runs_where_it_is_refused() -> None:
    """I8, F11: IO is not asked as well, for it is the same pool."""
    code, out, err = run("""
        from vmscope.coroutines._dispatcher import LimitedDispatcher
        Dispatchers.shutdown()
        put = LimitedDispatcher._put
        LimitedDispatcher._put = lambda self, task: (print("asked", self), put(self, task))[1]
        job = GlobalScope.launch(print, "ran", context=Dispatchers.Default)
        print(job.is_cancelled, job.is_completed)
    """)

    assert (code, out, err) == (0, "asked Dispatchers.Default\nTrue True\n", "")


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["before the pool is told", "after it"])
def test_who_first_waits_for_a_time_while_the_process_ends_is_cancelled(pause: float) -> None:
    """F12: no timer thread can be had any more, from 3.12 on, and that is no failure of the coroutine's."""
    code, out, err = run(f"""
        import atexit
        ended = threading.Event()
        atexit.register(ended.wait, 0.2 if {pause} == 0.0 else 0.0)  # runs before the pool is told
        def body():
            while threading.main_thread().is_alive():
                pass
            time.sleep({pause})
            try:
                yield from delay(3600)
            finally:
                print(current_job().is_cancelled, flush=True)
                ended.set()
        GlobalScope.launch(body, context=Dispatchers.IO)
    """)

    assert (code, out, err) == (0, "True\n", "")


@pytest.mark.parametrize("dispatcher", ["Default", "Unconfined"])
def test_who_waits_for_a_time_at_exit_is_cancelled_and_cleans_up(dispatcher: str) -> None:
    """F11: the end waits for that; a timer thread that is stopped within a step would keep a lock for ever."""
    code, out, err = run(f"""
        def body():
            try:
                yield from delay(3600)
            finally:
                time.sleep(0.1)
                print("cleaned up", flush=True)
        GlobalScope.launch(body, context=Dispatchers.{dispatcher})
        run_blocking(with_context(Dispatchers.Default, yield_))
        print("main is over", flush=True)
    """)

    assert (code, out, err) == (0, "main is over\ncleaned up\n", "")


def test_work_that_runs_at_exit_may_finish() -> None:
    """I8, D18"""
    code, out, err = run("""
        started = threading.Event()
        def saves():
            started.set()
            time.sleep(0.1)
            print("saved", flush=True)
        GlobalScope.launch(saves, context=Dispatchers.IO)
        started.wait()
    """)

    assert (code, out, err) == (0, "saved\n", "")


# Of the two waits at the end one is of an hour in each of these: a process that ends has not made it.


def test_a_call_that_was_abandoned_and_hangs_gets_the_short_grace_of_what_is_cancelled() -> None:
    """I8, X17"""
    code, out, err = run(STUCK + """
        _at_exit.GRACE, _pool.CANCELLED_GRACE = 3600.0, 0.01
        async def body():
            call = launch(lambda: run_blocking_io(stuck, abandon_on_cancel=True))
            await run_blocking_io(started.wait)
            await call.cancel_and_join()
        run_blocking(body)
        print("main is over")
    """)

    assert (code, out, err) == (0, "main is over\n", "")


def test_a_cancelled_call_has_a_moment_to_clean_up() -> None:
    """I8, D18"""
    code, out, err = run("""
        from vmscope.coroutines import _pool
        _pool.CANCELLED_GRACE = 3600.0
        there = threading.Event()
        def hears():
            there.set()
            while is_active():
                time.sleep(0.001)
            time.sleep(0.05)
            print("saved", flush=True)
        job = GlobalScope.launch(hears, context=Dispatchers.IO)
        there.wait()
        job.cancel()
    """)

    assert (code, out, err) == (0, "saved\n", "")


def test_what_a_cancelled_coroutine_must_not_be_stopped_in_has_the_whole_grace() -> None:
    """I8, D18: NonCancellable."""
    code, out, err = run("""
        from vmscope import _at_exit
        from vmscope.coroutines import _pool
        _at_exit.GRACE, _pool.CANCELLED_GRACE = 3600.0, 0.0
        began, there = threading.Event(), threading.Event()
        def saves():
            there.set()
            time.sleep(0.05)
            print("saved", flush=True)
        async def body():
            try:
                began.set()
                await await_cancellation()
            finally:
                await with_context(NonCancellable + Dispatchers.IO, saves)
        job = GlobalScope.launch(body)
        began.wait()  # else it may be cancelled before it begins
        job.cancel()
        there.wait()
    """)

    assert (code, out, err) == (0, "saved\n", "")


def test_a_program_that_has_waited_for_its_workers_itself_does_not_wait_once_more() -> None:
    """I8, D18: `Dispatchers.shutdown`; its child process, which has a pool of its own, does."""
    code, out, err = run(STUCK + """
        _at_exit.GRACE = _pool.CANCELLED_GRACE = 3600.0
        GlobalScope.launch(stuck, context=Dispatchers.IO)
        started.wait()
        print("stuck" in Dispatchers.shutdown(0.01)[0], flush=True)
        if hasattr(os, "fork"):
            child = os.fork()
            if child == 0:
                GlobalScope.launch(lambda: (time.sleep(0.05), print("saved", flush=True)), context=Dispatchers.IO)
                sys.exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)

    assert (code, out, err) == (0, "True\nsaved\n7\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a process's memory as Linux has it")
def test_in_a_process_that_can_have_no_more_threads_work_is_refused_and_later_done() -> None:
    """F51"""
    code, out, err = run("""
        import resource
        def cleans_up():
            try:
                yield from with_context(Dispatchers.IO, print, "never")
            except CancellationException as refusal:
                print(refusal.__cause__.__class__.__name__, "gives no thread" in str(refusal.__cause__))
                raise
            finally:
                print("cleaned up on", threading.current_thread().name)
        def body():
            return (yield from with_context(Dispatchers.IO, lambda: "done"))
        threading.stack_size(1 << 30)
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (size + (256 << 20), hard))
        try:
            run_blocking(cleans_up)
        except CancellationException:
            print("cancelled")
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        threading.stack_size(0)
        print(run_blocking(body))
    """)

    assert (code, err) == (0, "")
    assert out.splitlines() == ["RejectedExecutionError True", "cleaned up on MainThread", "cancelled", "done"]


def test_a_launch_while_the_interpreter_goes_down_neither_hangs_nor_prints() -> None:
    """F12"""
    code, out, err = run("""
        import atexit
        atexit.register(lambda: GlobalScope.launch(int, context=Dispatchers.IO))
        def again():
            GlobalScope.launch(with_context, Dispatchers.IO, int)
        threading._register_atexit(again)
    """)

    assert (code, out, err) == (0, "", "")


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="a free-threaded interpreter empties every module before it lets go of the program's last objects",
)
def test_a_launch_by_one_of_the_last_objects_of_the_program_neither_hangs_nor_prints() -> None:
    """F12"""
    code, out, err = run("""
        class Late:
            def __del__(self, launch=GlobalScope.launch, delay=delay):  # the module's globals may be gone by then
                launch(delay, 1)
        late = Late()
    """)

    assert (code, out, err) == (0, "", "")


def test_the_exit_code_of_a_system_exit_in_a_coroutine_is_that_of_the_process() -> None:
    """E12"""
    for way in ("run_blocking", "run_main"):
        code, out, err = run(f"""
            async def body():
                try:
                    launch(sys.exit, 3)
                    await await_cancellation()
                finally:
                    print("cleaned up")
            {way}(body)
        """)

        assert (code, out, err) == (3, "cleaned up\n", ""), way


# ---- Ctrl-C (E12, B13, I7)


@POSIX
@pytest.mark.parametrize("way", ["run_blocking", "run_main"])
def test_ctrl_c_cancels_the_tree_lets_it_clean_up_and_is_raised(way: str) -> None:
    """B13, E12, I7"""
    code, out, err = run(f"""
        def body():
            launch(os.kill, os.getpid(), signal.SIGINT, context=Dispatchers.IO)
            try:
                yield from await_cancellation()
            except CancellationException as cancelled:
                yield from with_context(NonCancellable, delay, 0.01)
                print("cleaned up:", cancelled)
                raise
        try:
            {way}(body)
        except KeyboardInterrupt:
            print("raised")
    """)

    assert (code, out, err) == (0, "cleaned up: KeyboardInterrupt stopped the program\nraised\n", "")


# ---- fork (F10)


@POSIX
def test_a_child_process_uses_default_io_delay_and_main_afresh() -> None:
    """I8, F10: forked while the pool and the timer thread are at work."""
    code, out, err = run("""
        def work():
            for _ in range(200):
                yield from with_context(Dispatchers.IO, int)
                yield from delay(0.0001)
        jobs = [GlobalScope.launch(work) for _ in range(4)]
        children = []
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                async def body():
                    assert await with_context(Dispatchers.IO, lambda: 1) == 1
                    assert await with_context(Dispatchers.Default, lambda: 2) == 2
                    await with_context(Dispatchers.Default, delay, 0.001)
                    await with_context(Dispatchers.Unconfined, delay, 0.001)
                    try:
                        await with_context(Dispatchers.IO, with_timeout, 0.001, await_cancellation)
                    except TimeoutError:
                        return 7
                assert run_blocking(body) == 7
                sys.exit(run_main(body))
            children.append(pid)
        print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
        async def rest():
            await join_all(*jobs)
        run_blocking(rest)
        print("the parent goes on")
    """)

    assert (code, out) == (0, "[7, 7, 7, 7, 7]\nthe parent goes on\n"), err


@POSIX
def test_locks_of_trees_that_another_thread_held_at_the_fork_do_not_hang_the_child() -> None:
    """F10"""
    code, out, err = run("""
        scope = CoroutineScope(SupervisorJob() + Dispatchers.Unconfined)
        stop = threading.Event()
        def hammer():
            while not stop.is_set():
                scope.launch(int)
        threads = [threading.Thread(target=hammer) for _ in range(2)]
        for thread in threads: thread.start()
        children = []
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                CoroutineScope(Dispatchers.Unconfined).launch(int)
                run_blocking(with_context(Dispatchers.IO, int))
                os._exit(7)
            children.append(pid)
        stop.set()
        for thread in threads: thread.join()
        print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [7] * 10)
    """)

    assert (code, out) == (0, "True\n"), err
