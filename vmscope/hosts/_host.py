"""Host: a toolkit's own loop drives the main looper. What all of them share; a file for each toolkit has the rest.

The order, the delays and the barriers are those of the one message queue. A toolkit gives four things: `_wake`, which
may be called on any thread and in a signal handler, and calls nothing of the toolkit that is not made for that;
`_call_later`, on the host's thread; a loop that can be run and ended; and something to give back at the end.

    open -> closing -> closed
             |          '-> nothing is taken any more; what is left is rejected, and its clean-up runs on IO
             '-> posts are refused, scopes cancelled, stores cleared; what these still do on Main runs, for a time
Invariants
    H1  nothing raised leaves a call by the toolkit: it is kept in `exception`, and the toolkit's loop is ended.
    H2  a pump takes `budget` seconds at most, one message at least; what is left waits until the toolkit had its turn.
    H3  close() waits for nobody who could be waiting for it: it runs the queue meanwhile, and only for so long.
    H4  a host that is closed refers to nothing of the toolkit's.
    H5  what was bound to a widget is over before the widget is, and nothing of it runs later.
Locks: none. All but `_wake` happens on one thread.
Counterpart: the main thread of an Android application, which the system's own loop drives.
"""

from __future__ import annotations

import atexit
import signal
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._at_exit import HOSTS, Wait
from .._errors import IllegalStateError, call_quietly
from .._primitives import LONGEST_WAIT, Event, after_fork, current_thread, get_ident, main_thread, report_uncaught
from ..coroutines._coroutine import running_job
from ..coroutines._here import InPlaceLoop, drain_in_place, here
from ..coroutines._job import SupervisorJob
from ..coroutines._main import Main
from ..coroutines._pool import pool
from ..coroutines._scope import CoroutineScope
from ..lifecycle._cleanup import endings_of
from ..lifecycle._store import ViewModelStore
from ..looper._handler import Handler
from ..looper._looper import Looper
from ._owner import ViewOwner, job_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..coroutines._job import Job

#: Seconds of work after which the toolkit has its turn: a quarter of a frame.
BUDGET = 0.004
#: Seconds that timers of toolkits count in: one that would come sooner by less is not worth a new one.
_GRAIN = 0.001
#: Seconds that `close()` waits for what it has cancelled.
PATIENCE = 0.5


class Host:
    """The main looper under a toolkit's loop: what `install` of `vmscope.hosts.tk`, `.qt` and the others returns.

    Also an owner of ViewModels, for those that live as long as the program, and a context manager that closes.

    Attributes:
        looper: The main looper. `Dispatchers.Main` and handlers work as under `Looper.loop()`.
        handler: A handler of it.
        scope: For work of the program as a whole; cancelled by `close()`.
        view_model_store: For view models of the program as a whole, those of a window that is rebuilt among them;
            cleared by `close()`.
        exception: What has ended the loop: a KeyboardInterrupt, a SystemExit, what `Looper.on_uncaught` refused. None
            again, once `run()` has raised it.
        budget: Seconds of messages after which the toolkit has its turn.

    Threads: the thread that made it, for all but `handler.post` and what else the looper allows from any.
    Android: the ActivityThread, in a way.
    """

    def __init__(self) -> None:
        self.looper: Looper = _main_looper_here(f"install {type(self).__module__}.{type(self).__name__}")
        self.handler: Handler = Handler(self.looper)
        self.scope: CoroutineScope = CoroutineScope(SupervisorJob() + Main)
        self.view_model_store: ViewModelStore = ViewModelStore()
        self.exception: BaseException | None = None
        self.budget: float = BUDGET
        self._queue = self.looper.queue
        self._owners: dict[ViewOwner, None] = {}
        self._leaving: set[Job] = set()
        self._closing = False
        self._closed = False
        self._is_clean = False
        self._interrupted = False
        self._at_exit: Event | None = None  # whom the end of the process waits by
        self._armed: float | None = None  # when the pump that was asked for will come
        self._undo_ctrl_c: Callable[[], object] = _nothing

    def _begin(self) -> None:
        """The toolkit's part is ready: from here on a post calls `_wake`."""
        global _current
        _current = self
        atexit.register(self._close_at_exit)
        self._undo_ctrl_c = self._take_ctrl_c()
        self._queue.set_host(self._wake)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "closing" if self._closing else "open"
        return f"<{type(self).__module__}.{type(self).__name__} {state}>"

    # ---- what a toolkit gives

    def _wake(self) -> None:
        """Have `_pump` called soon. Any thread, signal handlers, finalizers; never blocks."""
        raise NotImplementedError

    def _call_later(self, seconds: float) -> None:
        """Have `_pump_by_timer` called after `seconds`, in place of an older such request.

        0.0: once the toolkit has had its turn, redraws included.
        """
        raise NotImplementedError

    def _offer(self) -> None:
        """Have `_pump` called if the toolkit's loop runs before `_withdraw`, in a dialog: nobody else would wake it."""
        raise NotImplementedError

    def _withdraw(self) -> None:
        """Take the offer back: a pump is over. A wake-up that is on its way comes all the same."""
        raise NotImplementedError

    def _run_loop(self) -> Any:
        """Run the toolkit's loop until it ends."""
        raise NotImplementedError

    def _loop_ender(self) -> Callable[[], object]:
        """Return what has the toolkit's loop return, also out of a dialog; it works after `_release`."""
        raise NotImplementedError

    def _release(self) -> None:
        """Give back what was taken of the toolkit, which may be gone already, and forget it.

        A worker that knows the host may be the last who does: what it then lets go of must be nothing of the toolkit's.
        Tk aborts the process over an application that dies on another thread.
        """
        raise NotImplementedError

    def _wakeup_fd(self) -> int:
        """A descriptor whose bytes make the toolkit call Python; -1: its loop hears signals by itself."""
        return -1

    # ---- running

    def run(self) -> Any:
        """Run the toolkit's loop until it ends, then close.

        The toolkit's own call does as well. This one also raises what has ended the loop.

        Returns:
            What the toolkit's call returns.
        Raises:
            IllegalStateError: This is not the host's thread.
            KeyboardInterrupt: Ctrl-C. The scopes have been cancelled, and have cleaned up.
            BaseException: What a message ended the loop with; see `exception`.
        """
        if self.looper._ident != get_ident():
            here, home = current_thread().name, self.looper.thread.name
            raise IllegalStateError(f"run {self!r} on {here!r}: it was installed on {home!r}; do both on one thread")
        try:
            result = self._run_loop()
        finally:
            self.close()
        failure = self._take_failure()
        try:
            if failure is not None:
                raise failure
        finally:
            failure = None  # a failure, what it came through, and the host in that: no circle (H4)
        return result

    def _take_failure(self) -> BaseException | None:
        """Return what has ended the loop, for who raises it."""
        failure, self.exception = self.exception, None
        return failure

    def _pump(self, *_: object) -> None:
        """Called by the toolkit: run what is due, within the budget, and say when to come again."""
        if self._closed:
            return
        try:
            seconds = self._run_due()
            if self._closed:  # by what has run: it ends the loop, too, if that is to end
                return
            if self._interrupted:
                raise KeyboardInterrupt
            if seconds is not None:
                self._arm(seconds)
            elif self._queue.is_quitting:  # the main looper was told to, and what was due has run: the program ends
                self.end()
        except BaseException as failure:  # noqa: BLE001  (H1)
            self._stop(failure)

    def _run_due(self) -> float | None:
        if self._interrupted:
            return 0.0
        self._offer()  # a message may run a dialog, whose loop is to pump meanwhile
        seconds = self._run_as_nobody()
        if self._closed:
            return None
        self._withdraw()
        return seconds

    def _run_as_nobody(self) -> float | None:
        if running_job() is None:
            return self._queue.run_due(self.budget)
        # A coroutine runs a dialog's loop in the middle of its step, and that loop has called us. What runs now is not
        # the coroutine's child, and must not wait in the FIFO of what runs in place until the dialog ends. That FIFO is
        # left to the coroutine for good: what the dialog's own buttons start must not wait there either.
        outer, here.loop = here.loop, InPlaceLoop()
        here.loop.events = outer.events
        return Context().run(self._run_nested, outer)

    def _run_nested(self, outer: InPlaceLoop) -> float | None:
        drain_in_place(outer)
        return self._queue.run_due(self.budget)

    def _arm(self, seconds: float) -> None:
        """Ask for a pump after `seconds`, unless one is on its way that comes sooner: that one will ask again."""
        when = monotonic() + min(seconds, LONGEST_WAIT)
        if self._armed is None or when < self._armed - _GRAIN:
            self._armed = when
            self._call_later(min(seconds, LONGEST_WAIT))

    def _pump_by_timer(self, *_: object) -> None:
        """Called by the toolkit for a `_call_later`."""
        self._armed = None
        self._pump()

    def _stop(self, failure: BaseException) -> None:
        """End the program's loop, after what `close` does."""
        if self.exception is None:
            self.exception = failure
            if isinstance(failure, (KeyboardInterrupt, SystemExit)):
                failure.__traceback__ = None  # it would tell nothing, and keep the toolkit's frames (H4)
        failure = None  # type: ignore[assignment]  # as in run()
        call_quietly(report_uncaught, self.end)

    # ---- Ctrl-C

    def _take_ctrl_c(self) -> Callable[[], object]:
        """Have a Ctrl-C close the program, also while the toolkit sleeps; return how to undo it.

        Only where Python's own handler is installed: another one is somebody's decision, as is a wake-up descriptor. A
        sub-interpreter, to which signals are no business, sees another one, too: that of the main interpreter.
        """
        here = current_thread() is main_thread()
        if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return _nothing
        signal.signal(signal.SIGINT, self._on_ctrl_c)
        ours = self._wakeup_fd()
        theirs = -1 if ours < 0 else signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        if theirs != -1:
            signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)

        def undo() -> None:
            if signal.getsignal(signal.SIGINT) == self._on_ctrl_c:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            if ours >= 0 and theirs == -1:
                last = signal.set_wakeup_fd(-1)
                if last not in (ours, -1):
                    signal.set_wakeup_fd(last, warn_on_full_buffer=False)

        return undo

    def _on_ctrl_c(self, signum: int, frame: Any) -> None:
        if self._interrupted:  # the second one, or a callback that does not end
            raise KeyboardInterrupt
        self._interrupted = True
        self._wake()

    # ---- the end

    @property
    def is_closed(self) -> bool:
        """Whether `close()` has begun. Threads: any."""
        return self._closing

    def close(self, timeout: float = PATIENCE) -> bool:
        """End all that runs on Main. The window's close button does this, and so does the end of the process.

        From now on posts answer False. What was bound is destroyed, `view_model_store` cleared, `scope` cancelled. What
        these still do on Main, their `finally` above all, is run here, for `timeout` seconds at most. What has not
        ended by then goes on, cancelled, on IO, where it must not touch a widget.

        Args:
            timeout: Seconds. Worker threads that are busy are waited for no longer than that, nor once more when the
                process ends.
        Returns:
            True: all had ended in time. False: something is left, and cancelled. A second call does nothing, and
            answers what the first one did.
        Raises:
            IllegalStateError: This is not the host's thread.
            ValueError: `timeout` is negative or not a number.
        """
        self._check_close("close", timeout)
        if self._closing:
            return self._is_clean
        deadline = monotonic() + timeout
        jobs: list[Job] = []
        try:
            jobs = self._cancel_all()
            self._run_until_ended(jobs, deadline)
        finally:
            self._finish(jobs)
        return self._is_clean

    def _check_close(self, name: str, timeout: float) -> None:
        if not timeout >= 0:
            raise ValueError(f"{name}({timeout!r}) of {self!r}: the seconds to wait must be >= 0")
        self._check_thread(f"{name} {self!r}", "host.handler.post(host.end) closes it, and ends the loop")

    def _check_thread(self, tried: str, instead: str) -> None:
        if self.looper._ident != get_ident():
            here, home = current_thread().name, self.looper.thread.name
            raise IllegalStateError(f"{tried} on {here!r}: it belongs to {home!r}; post it there: {instead}")

    def _cancel_all(self) -> list[Job]:
        """Refuse posts and cancel what the host knows of; return what may go on for a while and is waited for."""
        self._closing = True
        self._queue.refuse_messages()
        for owner in tuple(self._owners):
            owner.destroy()
        call_quietly(report_uncaught, self.view_model_store.clear)
        self.scope.cancel(f"{self!r}")
        return _without_the_caller([job_of(self.scope), *endings_of(self.view_model_store), *self._leaving])

    def _run_until_ended(self, jobs: list[Job], deadline: float) -> None:
        queue = self._queue
        queue.put_after(_Alarm(), max(0.0, deadline - monotonic()))
        for job in jobs:
            job.invoke_on_completion(lambda cause: queue.wake())
        try:
            queue.run_until(lambda: _all_ended(jobs) or monotonic() >= deadline)
        except BaseException as failure:  # noqa: BLE001  (a second Ctrl-C: then at once)
            if self.exception is None:
                self.exception = failure

    def _close_at_exit(self) -> None:
        with Wait(HOSTS) as wait:
            if self.looper.is_current_thread():
                self.close()
            else:
                self._have_it_closed(min(2 * PATIENCE, wait.left()))

    def _have_it_closed(self, seconds: float) -> None:
        """On another thread than the main one, which is a daemon then: ask it to end, and wait for it."""
        over = Event()

        def end() -> None:
            call_quietly(report_uncaught, self.end)
            self._at_exit = over
            if self._closed:  # else it closes while its loop goes on
                over.set()

        if self.handler.post(end):
            over.wait(seconds)
        if not self._closed:  # its loop does not run, or is held up: what is left cleans up on IO
            self.scope.cancel(f"{self!r}, and the process ends")
            self._queue.close()

    def _finish(self, jobs: list[Job]) -> None:
        global _current
        self._is_clean = _all_ended(jobs)
        if not self._is_clean:
            pool.give_up_cancelled()  # or the process, which ends now, would wait once more for a worker that hangs
        self._closed = True
        self._queue.set_host(None)
        call_quietly(report_uncaught, self._queue.close)
        call_quietly(report_uncaught, self._undo_ctrl_c)
        call_quietly(report_uncaught, self._release)
        atexit.unregister(self._close_at_exit)
        if _current is self:
            _current = None
        if self._at_exit is not None:
            self._at_exit.set()

    def end(self, timeout: float = PATIENCE) -> bool:
        """Close, then end the toolkit's loop: the program is over. Without effect where the host has been closed.

        Args:
            timeout: As for `close`.
        Returns:
            As `close`.
        Raises:
            IllegalStateError: This is not the host's thread: a worker says `host.handler.post(host.end)`.
            ValueError: As for `close`.
        """
        self._check_close("end", timeout)  # before the next step: what ends the loop is for its own thread only
        if self._closing:
            return self._is_clean
        ender = self._loop_ender()
        try:
            return self.close(timeout)
        finally:
            ender()

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- widgets

    def bind(self, widget: Any, store: ViewModelStore | None = None) -> ViewOwner:
        """Give a widget or window an owner of view models and coroutines, which ends before the widget does.

        Args:
            widget: Of this toolkit. When it is destroyed, by whomever, its owner is destroyed first.
            store: Kept when the widget goes, for a window that will be rebuilt: `host.view_model_store`, or one of
                yours. None: a store of its own, cleared with the widget.
        Returns:
            The owner; another one at each call.
        Raises:
            IllegalStateError: The host has been closed, or this is not its thread.
            TypeError: This is no widget of the toolkit, or `store` no store.

        Android: an Activity or Fragment, as the owner of its view models.
        """
        if self._closing or self.looper._ident != get_ident():
            why = "it has been closed" if self._closing else f"this is {current_thread().name!r}, not its thread"
            raise IllegalStateError(f"bind {widget!r} to {self!r}: {why}")
        if store is not None and not isinstance(store, ViewModelStore):
            raise TypeError(f"bind {widget!r} with {store!r}: a ViewModelStore is needed, as host.view_model_store is")
        owner = ViewOwner(self, store)
        self._watch_destroy(widget, owner)
        self._owners[owner] = None
        return owner

    def _watch_destroy(self, widget: Any, owner: ViewOwner) -> None:
        """Have `owner.destroy` called before `widget` is gone."""
        raise TypeError(f"bind {widget!r}: {type(self).__module__} has no widgets; keep a ViewModelStore and clear it")

    def _let_go(self, owner: ViewOwner, left: list[Job]) -> None:
        self._owners.pop(owner, None)
        for job in left:
            if not job.is_completed:
                self._leaving.add(job)
                job.invoke_on_completion(lambda cause, job=job: self._leaving.discard(job))  # type: ignore[misc]


class _Alarm:
    """Ends the sleep of a queue that is run until a time. Not a message: those are refused by then."""

    __slots__ = ("when",)
    asynchronous = True
    when: float

    def run(self) -> None:
        """Nothing: that it came is enough."""

    rejected = run


_current: Host | None = None


def _main_looper_here(tried: str) -> Looper:
    """Return this thread's main looper, if it has been prepared and nobody runs it; else prepare it."""
    looper, own = Looper.get_main(), Looper.my_looper()
    why = ""
    if looper is not None and not looper.queue.is_quitting:
        why = _in_the_way(looper)
        if not why:
            return looper
    elif own is not None and (own.is_running or not own.queue.is_quitting):
        why = f"this thread has {own!r}, which is not the main one; quit that, or install the host on another thread"
    if why:
        raise IllegalStateError(f"{tried} on {current_thread().name!r}: {why}")
    return Looper.prepare_main()


def _in_the_way(looper: Looper) -> str:
    """Say why no host can drive this main looper, and what is to be done; "" where one can."""
    if _current is not None and _current.looper is looper:
        where = f"is installed on {looper.thread.name!r}, and a process has one host at a time"
        return f"{_current!r} {where}; use that, or call its close() there first"
    if not looper.is_current_thread():
        return f"{looper!r} is the main looper, and a process has one; install the host on its thread, or quit it first"
    if looper.is_running:
        return f"{looper!r} is run by Looper.loop(); leave that out, the toolkit's loop takes its place"
    if looper.queue._host is not None:
        return f"{looper!r} is driven by what was given to attach_host(); call detach_host() first"
    return ""


def _without_the_caller(jobs: list[Job]) -> list[Job]:
    """Return whom of `jobs` to wait for: not the coroutine that has called `close`, and not what contains that."""
    callers: set[Job] = set()
    link = running_job()
    while link is not None:
        callers.add(link)
        link = link.parent
    found: list[Job] = []
    left = jobs.copy()
    while left:
        job = left.pop()
        if job in callers:
            left.extend(job.children)
        else:
            found.append(job)
    return found


def _all_ended(jobs: list[Job]) -> bool:
    return all(job.is_completed for job in jobs)


def _nothing() -> None:
    pass


def _after_fork() -> None:
    """The child has the parent's window in its memory only: it must not touch it, at its exit above all."""
    global _current
    host, _current = _current, None
    if host is not None:
        host._closing = host._closed = True
        atexit.unregister(host._close_at_exit)


after_fork(_after_fork)
