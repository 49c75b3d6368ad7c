"""Looper: one a thread; it runs what its queue holds until it is told to quit. And the main one.

    prepare -> loop: run, sleep, run... -> quit or quit_safely -> loop returns; what was left is rejected
    A host's loop (Tk, Qt, asyncio) calls `pump` in place of `loop`; the queue, its order and its delays are the same.
Invariants
    I1  A thread has one looper at a time; only one that has quit makes room for another.
    I2  However the outermost loop() ends, its queue is quit and nothing is left in it.
Locks
    `_registry` guards which looper is the main one. A leaf.
Counterpart: android.os.Looper. Unlike there the main looper may quit, for a desktop program ends; and a runnable that
raises is reported and the loop goes on, unless `on_uncaught` says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .._clock import Clock, as_seconds, uptime
from .._errors import IllegalStateError
from .._primitives import RLock, ThreadLocal, after_fork, current_thread, get_ident, main_thread, report_uncaught
from ._message import Message
from ._queue import MessageQueue, live_queues

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._primitives import Thread
    from ..debug._watchdog import BlockReport, Dispatches, LooperWatch


class LooperObserver(Protocol):
    """Sees every dispatch of every looper: see `Looper.set_observer`."""

    def message_dispatch_starting(self) -> Any:
        """Return a token that the other two are given."""

    def message_dispatched(self, token: Any, message: Any) -> object:
        """`message` has run."""

    def dispatching_threw(self, token: Any, message: Any, exception: BaseException) -> object:
        """`message` has raised; called before anybody else hears of it."""


class _of_class_or_own:  # noqa: N801  (a decorator)
    """A method for `Looper.loop()`, Android's spelling, which also notices `other.loop()` and can refuse it."""

    def __init__(self, function: Callable[[Looper | None], None]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, looper: Looper | None, owner: type[Looper]) -> Callable[[], None]:
        return lambda: self._function(looper)


class _Local(ThreadLocal):
    looper: Looper | None = None


_local = _Local()
_registry = RLock()
_main: Looper | None = None
_observer: LooperObserver | None = None


class Looper:
    """The message loop of a thread. Made by `Looper.prepare`, found by `Looper.my_looper`.

    Attributes:
        queue: What it runs.
        thread: Whose it is.
        exception: What ended it, where it did not quit of its own accord.
        on_uncaught: Called as `on_uncaught(message, exception)` on the looper's thread when a message raised. True:
            seen to, the loop goes on. False, or an exception of its own: the loop stops in order and raises. None:
            the failure is reported to `threading.excepthook` and the loop goes on.

    Threads: `quit`, `quit_safely`, `is_current_thread`, `dump`, `queue` and `thread` from any; `pump` from its own.
    Android: Looper.
    """

    def __init__(self, clock: Clock = uptime) -> None:
        self.queue: MessageQueue = MessageQueue(clock)
        self.thread: Thread = current_thread()
        self.exception: BaseException | None = None
        self.on_uncaught: Callable[[Any, BaseException], object] | None = None
        self._ident = get_ident()
        self._looping = False
        self._printer: Callable[[str], object] | None = None
        self._slow_dispatch: float | None = None
        self._slow_delivery: float | None = None
        self._is_late = False
        self._dispatches: Dispatches | None = None  # notes each dispatch, for those who `watch`
        self._call_later: Callable[[float], object] | None = None
        self.queue._on_uncaught = self._uncaught  # noqa: SLF001
        self._set_watch()

    def __repr__(self) -> str:
        main = "main " if self is _main else ""
        state = "looping" if self._looping else "prepared"
        return f"<Looper {main}{self.thread.name!r} {'quit' if self.queue.is_quitting else state}>"

    # ---- making and finding one

    @staticmethod
    def prepare(clock: Clock = uptime) -> Looper:
        """Give this thread a looper, and return it. `Looper.loop()` runs it.

        Args:
            clock: What its delays go by.
        Raises:
            IllegalStateError: The thread has one already. (One that has quit makes room for the next.)

        Android: Looper.prepare.
        """
        present = _local.looper
        if present is not None and not (present.queue.is_quitting and not present._looping):
            raise IllegalStateError(
                f"prepare a looper on {current_thread().name!r}: it has {present!r} already; use that, or quit it first"
            )
        looper = _local.looper = Looper(clock)
        return looper

    @staticmethod
    def prepare_main(clock: Clock = uptime) -> Looper:
        """Give this thread a looper and make it the main one, which `Dispatchers.Main` posts to.

        Raises:
            IllegalStateError: There is a main looper that has not quit, or this thread has a looper.

        Android: Looper.prepareMainLooper.
        """
        global _main
        with _registry:
            if _main is not None and not _main.queue.is_quitting:
                raise IllegalStateError(
                    f"prepare a main looper on {current_thread().name!r}: {_main!r} is it already; a process has one"
                )
            _main = Looper.prepare(clock)
            return _main

    @staticmethod
    def my_looper() -> Looper | None:
        """Return this thread's looper, None where it was never prepared."""
        return _local.looper

    @staticmethod
    def get_main() -> Looper | None:
        """Return the main looper, None before there is one. Threads: any."""
        return _main

    @staticmethod
    def set_main_for_test(looper: Looper | None) -> None:
        """Make `looper` the main one, whatever was; None: there is none. For tests only."""
        global _main
        with _registry:
            _main = looper

    @staticmethod
    def create_for_test(clock: Clock = uptime) -> Looper:
        """Give this thread a new looper in place of the one it has, and return it. For tests only: `pump` runs it."""
        looper = _local.looper = Looper(clock)
        return looper

    def is_current_thread(self) -> bool:
        """Whether the caller runs on the looper's thread. Threads: any."""
        # the second look is for the number alone: a thread that has ended leaves it to another one
        return self._ident == get_ident() and self.thread is current_thread()

    # ---- running

    @_of_class_or_own
    def loop(asked: Looper | None) -> None:  # noqa: N805  (None: it was called on the class)
        """Run this thread's looper until it quits: `Looper.loop()`.

        Called again out of a message, it warns and runs a loop inside the loop; a quit ends both.

        Raises:
            IllegalStateError: The thread has no looper; or it is called on the looper of another thread.
            KeyboardInterrupt: Ctrl-C, on the main thread: between two messages, so that none is cut in half. A second
                one strikes at once. What is left in the queue has been rejected.
            BaseException: What a message raised, where `on_uncaught` refused to see to it.

        Android: Looper.loop, where a message that raises ends the process.
        """
        looper = _local.looper
        if looper is None:
            here = current_thread().name
            raise IllegalStateError(f"loop() on {here!r}, which has no looper: call Looper.prepare() first")
        if asked is not None and asked is not looper:
            here = current_thread().name
            raise IllegalStateError(f"loop() of {asked!r} on {here!r}, whose looper is {looper!r}: post to it instead")
        if looper._looping:
            _log().warning("loop() inside a message of %r: a loop in the loop; return to the outer one instead", looper)
            looper.queue.run_until()
            return
        try:
            looper.run_until()
        except BaseException as error:
            looper.exception = error
            raise
        finally:
            looper.queue.close()

    def run_until(self, done: Callable[[], object] | None = None, *, told: bool = False) -> None:
        """Run as `loop` does until `done()` is true or the looper quits; unlike there it has not quit after the former.

        Args:
            done: Asked after each message.
            told: Whoever makes it true wakes the queue: then it is not.

        Raises:
            KeyboardInterrupt: Ctrl-C; the looper may be run again, for what is to be cleaned up.

        Threads: its own.
        """
        self._looping = True
        restore = take_ctrl_c(self.queue)
        try:
            self.queue.run_until(done, told=told)
        finally:
            self._looping = False
            restore()
        if self.queue.take_interrupt():  # it came with the last message
            raise KeyboardInterrupt

    @property
    def is_running(self) -> bool:
        """True while `loop` runs it. Threads: any."""
        return self._looping

    def pump(self, budget: float | None = None) -> float | None:
        """Run what is due, and return. For a host whose loop drives this one, and for tests.

        Args:
            budget: Seconds after which no other message is begun; None runs all that is due, and what that posts.
        Returns:
            Seconds to the next timed message, 0.0 where work is left, None where nothing is pending. A host that has
            given `call_later` need not look at it.
        Raises:
            IllegalStateError: This is not the looper's thread.
            TypeError, ValueError: `budget` is no number, or not a number.
            BaseException: As `loop`; the looper has quit then.
        """
        if self._ident != get_ident():
            raise IllegalStateError(
                f"pump {self!r} on {current_thread().name!r}: only its own thread may; post to it instead"
            )
        if budget is not None:
            budget = as_seconds("the budget of pump()", budget)
        try:
            seconds = self.queue.run_due(budget)
        except BaseException:
            self.queue.close()
            raise
        call_later = self._call_later  # read once: the host may leave meanwhile
        if seconds == 0.0:
            self.queue._call_host()  # noqa: SLF001
        elif seconds is not None and call_later is not None:
            call_later(seconds)
        return seconds

    def attach_host(self, wake: Callable[[], object], call_later: Callable[[float], object] | None = None) -> None:
        """Let another loop drive this looper: it calls `pump` on this looper's thread soon after each `wake()`.

        Args:
            wake: Called on any thread, and in signal handlers and finalizers, when there is something to pump; also at
                the end of a pump that left work. Once until the next pump.
            call_later: Called at the end of a pump with the seconds to the next timed message, on this looper's thread.
                The host then pumps at that time; an older such request is superseded. None: the host uses what `pump`
                returns.

        Threads: any.
        """
        self._call_later = call_later
        self.queue.set_host(wake)

    def detach_host(self) -> None:
        """End what `attach_host` began: `loop` may run the looper again. Threads: any."""
        self._call_later = None
        self.queue.set_host(None)

    def quit(self) -> None:
        """End the loop after the message that runs now. All that is pending is dropped: `rejected()`, not run.

        The first call of `quit` or `quit_safely` counts.

        Threads: any, at any point.
        Android: Looper.quit, which the main looper refuses.
        """
        self.queue.quit()

    def quit_safely(self) -> None:
        """End the loop after the messages that are due now; later ones are dropped, new ones refused. See `quit`."""
        self.queue.quit(safely=self.thread.is_alive())

    def _uncaught(self, item: Any, error: BaseException) -> bool:
        """Decide on what an item raised. True: the loop goes on."""
        if error is self.exception:  # out of an inner loop, where it was decided
            return False
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.exception = error
            if self is _main or self.thread is main_thread():
                return False
            self.queue.quit()
            report_uncaught(error)
            return True
        decide = self.on_uncaught
        if decide is None:
            report_uncaught(error)
            return True
        if decide(item, error):
            return True
        self.exception = error
        return False

    # ---- watching

    def set_message_logging(self, printer: Callable[[str], object] | None) -> None:
        """Have `printer` called with a line before and one after each dispatch; None switches it off. Threads: any."""
        self._printer = printer
        self._set_watch()

    def set_slow_log_thresholds(self, dispatch: float | None = None, delivery: float | None = None) -> None:
        """Log a warning for messages that run long or start late.

        Args:
            dispatch: Seconds from which a run is logged; None: never.
            delivery: Seconds of lateness from which a start is logged. After one such line the looper keeps silent
                until a message starts at most 10 ms late; then one line says that it has caught up. None: never.

        Threads: any.
        """
        self._slow_dispatch = dispatch
        self._slow_delivery = delivery
        self._set_watch()

    @staticmethod
    def set_observer(observer: LooperObserver | None) -> None:
        """Let `observer` see every dispatch of every looper; None: nobody does, and it costs nothing. Threads: any."""
        global _observer
        _observer = observer
        for queue in live_queues():
            looper = getattr(queue._on_uncaught, "__self__", None)  # noqa: SLF001
            if isinstance(looper, Looper):
                looper._set_watch()

    def watch(self, limit: float = 0.1, on_block: Callable[[BlockReport], object] | None = None) -> LooperWatch:
        """Tell of each dispatch that takes too long, while it does so: which one, where it stands, how long by now.

        A thread looks after the looper; it sleeps while the looper does. A dispatch costs a microsecond more meanwhile.
        Where a loop runs in the loop, as under a dialog, what counts is the time since that did something.

        Args:
            limit: Seconds, by the looper's clock, that a dispatch may take. A machine that many share, as in CI, may
                keep a thread waiting for 0.1 s without its doing: take more there.
            on_block: Called once for each such dispatch, as `on_block(report)`, on the thread that watches. What it
                raises goes to `threading.excepthook`. None: the report is logged as a warning to "vmscope.looper", and
                a second line tells when the looper goes on.
        Returns:
            A handle: `dispose()` ends it, and so does leaving its `with` block, or the looper's quitting.
        Raises:
            IllegalStateError: The looper has quit.
            TypeError, ValueError: `limit` is no number of seconds above 0.
            RuntimeError: The system gives no thread.

        Threads: any. A looper may be watched several times, for several limits.
        Android: none in an app; the system's own Watchdog and its ANR traces, and StrictMode.
        """
        from ..debug._watchdog import LooperWatch

        return LooperWatch(self, limit, on_block)

    def _set_watch(self) -> None:
        with self.queue._lock:  # noqa: SLF001  (else who decided first, on another thread, may set it last)
            logged = self._printer is not None or _observer is not None
            if logged or self._slow_dispatch is not None or self._slow_delivery is not None:
                self.queue.set_watch(self._run_watched)
            else:
                self.queue.set_watch(self._run_noted())

    def _run_noted(self) -> Callable[[Any], None] | None:
        """How an item is run for those who `watch`; None where nobody does."""
        dispatches = self._dispatches
        return dispatches.run if dispatches is not None and dispatches.watches else None

    def _run_watched(self, item: Any) -> None:
        printer, observer = self._printer, _observer
        clock = self.queue.clock
        began = clock()
        what = _describe(item)
        limit = self._slow_delivery  # read once, as the one below: another thread may take it back
        if limit is not None:
            self._note_delivery(began - item.when if item.when else 0.0, limit, what)
        if printer is not None:
            printer(f">>>>> Dispatching to {what}")
        token = observer.message_dispatch_starting() if observer is not None else None
        run_noted = self._run_noted()
        try:
            if run_noted is None:
                item.run()
            else:
                run_noted(item)
        except BaseException as error:
            if observer is not None:
                observer.dispatching_threw(token, item, error)
            raise
        if observer is not None:
            observer.message_dispatched(token, item)
        if printer is not None:
            printer(f"<<<<< Finished to {what}")
        limit = self._slow_dispatch
        if limit is not None and clock() - began >= limit:
            _log().warning("slow dispatch: %.3f s on %r: %s", clock() - began, self.thread.name, what)

    def _note_delivery(self, late: float, limit: float, what: str) -> None:
        if self._is_late:
            if late <= 0.010:
                self._is_late = False
                _log().warning("slow delivery: %r has caught up", self.thread.name)
        elif late >= limit:
            self._is_late = True
            _log().warning("slow delivery: %.3f s late on %r: %s", late, self.thread.name, what)

    def dump(self, printer: Callable[[str], object] = print, prefix: str = "", *, handler: Any = None) -> None:
        """Print the state, and each pending message with the seconds till it is due; of one handler only, if given.

        Threads: any.
        """
        queue = self.queue
        now = queue.clock()
        printer(f"{prefix}{self!r}")
        pending = [item for item in queue._snapshot() if handler is None or getattr(item, "target", None) is handler]  # noqa: SLF001
        for number, item in enumerate(pending):
            printer(f"{prefix}  message {number}: due in {item.when - now:.3f} s: {item!r}")
        printer(
            f"{prefix}  ({len(pending)} pending, polling={queue.is_polling()}, quitting={queue.is_quitting}, "
            f"barrier={queue.is_blocked_on_barrier})"
        )


def _describe(item: Any) -> str:
    """What of a message a log line says; taken before the run, which clears it."""
    if isinstance(item, Message):
        return f"{item.target!r} {item.callback!r}: {item.what}"
    return repr(item)


def _log() -> Any:
    import logging  # only here: it takes longer to import than the rest of the room

    return logging.getLogger("vmscope.looper")


def take_ctrl_c(queue: MessageQueue) -> Callable[[], None]:
    """On the main thread, let the first Ctrl-C wait for the end of the message that runs; return how to undo it.

    Only where Python's own handler is installed: another one is somebody's decision.
    """
    if current_thread() is not main_thread():
        return _nothing
    import signal

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return _nothing

    def on_ctrl_c(signum: int, frame: Any) -> None:
        if queue._interrupted:  # noqa: SLF001  (the second one, or a message that does not end)
            raise KeyboardInterrupt
        queue.interrupt()

    try:
        signal.signal(signal.SIGINT, on_ctrl_c)
    except ValueError:  # a sub-interpreter: signals are not its business
        return _nothing

    def restore() -> None:
        if signal.getsignal(signal.SIGINT) is on_ctrl_c:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    return restore


def _nothing() -> None:
    pass


def _after_fork() -> None:
    global _local, _registry, _main
    _local = _Local()
    _registry = RLock()
    _main = None


after_fork(_after_fork)
