"""The watchdog: which dispatch of a looper takes too long, told while it does, with the stack of the looper's thread.

The looper notes what it begins; a thread, one for each watch, looks whether that has not ended in time. So a callback
that takes its own time holds up no other watch, and a looper that nobody watches has nothing to do with all this.

    asleep --(a dispatch begins)--> looking, again when the limit of what runs is up --(nothing runs)--> asleep
    asleep, looking --(dispose; the looper has quit)--> over
Invariants
    I1  While a dispatch runs, the thread of each watch is awake or has a token in its bell.
    I2  A dispatch is told of once by each watch. What runs in it, by a loop in the loop, is a dispatch of its own, and
        when that has ended the outer one counts as begun anew.
        While a loop in there sleeps, as a dialog's does, it is woken once in a limit: one that has gone is not.
    I3  The thread keeps nothing of a dispatch that has ended: it must not be the last to let go of a callback.
Locks
    `_guard`, re-entrant since a signal handler may quit a looper, guards `_live`, `Dispatches.watches` and the users of
    the collector's clock. Nobody's code runs under it. A dispatch takes no lock.
Counterpart: none in an Android app; com.android.server.Watchdog and the ANR traces of the system.
"""

from __future__ import annotations

import atexit
import gc
from collections import deque
from functools import partial
from math import inf
from time import monotonic
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from .._at_exit import WATCHES, join_all
from .._clock import as_seconds
from .._errors import IllegalStateError, call_quietly
from .._primitives import (
    LONGEST_WAIT,
    Bell,
    RLock,
    Thread,
    after_fork,
    report_uncaught,
    start_thread,
)
from ..coroutines._coroutine import Coroutine
from ..coroutines._suspend import Continuation
from ..looper._looper import Looper, _log
from ..looper._message import Message
from ..looper._queue import _BEHIND_BARRIER
from ._stacks import as_text, thread_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..coroutines._origin import Place
    from ..looper._queue import MessageQueue

#: A clock that stands still just before a limit must not keep the thread spinning.
_SHORTEST_WAIT = 0.001

_LOOPERS = Looper.__module__.rpartition(".")[0] + "."

_guard = RLock()
_live: dict[LooperWatch, None] = {}


class BlockReport(NamedTuple):
    """A dispatch that has taken longer than its limit, seen while it ran. `str(report)` is what is logged.

    Attributes:
        thread: The name of the looper's thread.
        message: What is dispatched: the callable that was posted and its handler, or the coroutine that is resumed.
        coroutine: The innermost coroutine that runs, with its name; "" where none does. On a build without the GIL, and
            before 3.11.9, the one that is resumed by the message: one that was started inside it is not seen.
        seconds: For how long by now.
        gc_seconds: How many of them, by the machine's clock, the process has spent in the garbage collector.
        place: The innermost line outside the library; None where the stack is not known.
        stack: The whole stack, as a traceback shows it; "" where it is not known: on such a build, in a process where a
            hundred younger threads live.
    """

    thread: str
    message: str
    coroutine: str
    seconds: float
    gc_seconds: float
    place: Place | None
    stack: str

    def __str__(self) -> str:
        parts = [f"{self.thread!r} is blocked, for {self.seconds:.3f} s by now: {self.message}"]
        if self.coroutine and self.coroutine != self.message:
            parts.append(f"in {self.coroutine}")
        if self.gc_seconds:
            parts.append(f"{self.gc_seconds:.3f} s of it in the garbage collector")
        if self.place is not None:
            parts.append(f"at {self.place}")
        return ", ".join(parts) + (f"\n{self.stack.rstrip()}" if self.stack else "")


class _CollectorClock:
    """Seconds that the process has spent in the garbage collector, counted while somebody watches.

    There is one collection at a time, and its thread alone writes here. With the GIL it stops every other one, too.
    """

    def __init__(self) -> None:
        self.users = 0
        self.seconds = 0.0
        self._began: float | None = None

    def begin_locked(self) -> None:
        self.users += 1
        if self.users == 1:
            gc.callbacks.append(self._on_collection)

    def end_locked(self) -> None:
        self.users -= 1
        if not self.users:
            gc.callbacks.remove(self._on_collection)
            self._began = None

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        began = self._began  # read once: the last watch may be disposed of meanwhile
        if phase == "start":
            self._began = monotonic()
        elif began is not None:  # else the counting began amid a collection
            self.seconds += monotonic() - began
            self._began = None

    def read(self) -> float:
        """Return the seconds, those of a collection that goes on included."""
        began = self._began
        return self.seconds if began is None else self.seconds + monotonic() - began


_collector = _CollectorClock()


class _Dispatch:
    """One run of an item, or what of it follows a loop in the loop."""

    __slots__ = ("began", "ended", "gc_before", "item", "told")

    def __init__(self, item: Any, began: float) -> None:
        self.item = item  # None once it is over (I3)
        self.began = began
        self.gc_before = _collector.seconds
        self.told = False  # somebody was told of it, and wants to know when it ended
        self.ended: float | None = None


class Dispatches:
    """What a looper is at: a stack, for a loop in the loop has dispatches inside a dispatch."""

    def __init__(self, looper: Looper) -> None:
        self.running: deque[_Dispatch] = deque()
        self.watches: tuple[LooperWatch, ...] = ()
        self._clock = looper.queue.clock

    # No dispatch is missed. The looper runs A1 then A2, the thread of a watch W1 then W2 (in `_rest`). Whichever of A1
    # and W1 comes second, its thread's look comes later still and sees the other's write: the looper rings or the
    # thread stays awake. With the GIL all threads agree on one order of the four. Without it, A1 and the `rotate(0)`
    # after W1 both take the deque's own lock, and who takes it second sees all that the first did before.
    # The append is the first call inside the `try`: a Ctrl-C comes after it or before the `try`, and none is left over.
    def run(self, item: Any) -> None:
        """Run an item of the queue, noted: 0.9 us more than without (3.11), 0.5 of it the queue's way to a watch."""
        running = self.running
        dispatch = _Dispatch(item, self._clock())
        try:
            running.append(dispatch)  # A1 note, then look
            for watch in self.watches:
                if watch._asleep:  # A2
                    watch._ring()
            item.run()
        finally:
            self._end(running.pop())
            if running:
                self._begin_anew()

    def _end(self, dispatch: _Dispatch) -> None:
        dispatch.item = None
        if dispatch.told:
            dispatch.ended = self._clock()

    def _begin_anew(self) -> None:
        """A dispatch inside another one is over: the looper was not blocked, and the outer one goes on from here."""
        outer = self.running[-1]
        self.running[-1] = _Dispatch(outer.item, self._clock())
        self._end(outer)

    def current(self) -> _Dispatch | None:
        """Return the innermost one. Threads: any."""
        try:
            return self.running[-1]
        except IndexError:
            return None


class _UntilQuit:
    """Stands in the looper's queue, due never: the queue that dies rejects it, and so the watch hears of the end."""

    __slots__ = ("_watch", "when")
    asynchronous = False
    when: float

    def __init__(self, watch: LooperWatch) -> None:
        self._watch = watch

    def run(self) -> None:
        """Never due."""

    def rejected(self) -> None:
        self._watch.dispose()

    def __repr__(self) -> str:
        return repr(self._watch)


class LooperWatch:
    """Watches a looper until `dispose()`, the end of its `with` block, or the quit of the looper: see `Looper.watch`.

    Threads: any.
    """

    def __init__(
        self, looper: Looper, limit: float = 0.1, on_block: Callable[[BlockReport], object] | None = None
    ) -> None:
        self._looper = looper
        self._limit = as_seconds("the limit of watch()", limit)
        if self._limit <= 0:
            raise ValueError(f"the limit of watch() must be more than 0 seconds, got {limit!r}")
        if on_block is not None and not callable(on_block):
            raise TypeError(f"watch() takes a function of the report as on_block, got {on_block!r}")
        self._on_block = on_block
        self._log = _log()  # now: while the looper is blocked it may hold the lock of an import
        self._clock = looper.queue.clock
        self._dispatches = _dispatches_of(looper)
        self._last: _Dispatch | None = None  # what was told of
        self._awake_since = -inf  # when a loop inside the dispatch was last seen asleep
        self._asleep = False
        self._over = False
        self._bell = Bell()
        self._until_quit = _UntilQuit(self)
        self._thread: Thread | None = None
        self._begin()

    def __repr__(self) -> str:
        state = "disposed" if self._over else "asleep" if self._asleep else "looking"
        return f"<LooperWatch of {self._looper.thread.name!r}, limit {self._limit:g} s, {state}>"

    def dispose(self) -> None:
        """Watch no more. A call of `on_block` that has begun goes on. A second call does nothing."""
        with _guard:
            if self._over:
                return
            self._over = True
            if self in _live:
                self._leave_locked()
        self._bell.ring()
        self._looper.queue.remove(self._until_quit)
        self._looper._set_watch()

    def __enter__(self) -> LooperWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    # ---- beginning and ending

    def _begin(self) -> None:
        queue = self._looper.queue
        if not queue.put_at(self._until_quit, inf):
            raise IllegalStateError(f"watch {self._looper!r}: it has quit; there is nothing to come")
        try:
            self._thread = start_thread(self._serve, f"vmscope-watch {self._looper.thread.name}")
        except RuntimeError:
            queue.remove(self._until_quit)
            raise
        with _guard:
            if self._over:  # it has quit meanwhile
                return
            _live[self] = None
            _collector.begin_locked()
            self._dispatches.watches = (*self._dispatches.watches, self)
        self._bell.ring()  # what began meanwhile, noted for another watch, has not rung here
        self._looper._set_watch()

    def _leave_locked(self) -> None:
        del _live[self]
        _collector.end_locked()
        self._dispatches.watches = tuple(watch for watch in self._dispatches.watches if watch is not self)

    # ---- the thread

    def _serve(self) -> None:
        while not self._over:
            seconds = self._look()
            if seconds is None:
                self._rest()
            else:
                self._bell.wait(max(_SHORTEST_WAIT, min(seconds, LONGEST_WAIT)))

    def _rest(self) -> None:
        """Sleep until a dispatch begins. See `Dispatches.run`."""
        self._asleep = True  # W1 announce
        self._dispatches.running.rotate(0)
        if self._dispatches.current() is None:  # W2 then look
            self._bell.wait()
        self._asleep = False

    def _ring(self) -> None:
        """Wake the thread, whose sleep was seen announced. Called in a dispatch: until that ends it does not again."""
        self._asleep = False  # else each dispatch would ring until the thread has its turn
        self._bell.ring()

    def _look(self) -> float | None:
        """Tell of a dispatch that is over the limit. Return the seconds till the next look; None: nothing runs."""
        dispatch = self._dispatches.current()
        if self._last is not None and self._last is not dispatch:
            self._tell_end(self._last)
            self._last = None
        if dispatch is None:
            return None
        now = self._clock()
        if _sleeps(self._looper.queue):  # a loop inside the dispatch has gone to sleep, a dialog's, say
            self._awake_since = now
            self._looper.queue.wake()  # if it still does, it soon sleeps again; if that is over, nobody does
            return self._limit
        seconds = now - max(dispatch.began, self._awake_since)
        if seconds < self._limit:
            return self._limit - seconds
        if dispatch is not self._last:
            dispatch.told = True
            report = self._report_on(dispatch, seconds)
            if self._dispatches.current() is dispatch and not self._over:  # else what was seen belongs to another one
                self._last = dispatch
                self._tell(report)
        return self._limit

    # ---- telling

    def _report_on(self, dispatch: _Dispatch, seconds: float) -> BlockReport:
        item = dispatch.item
        spent = _collector.read() - dispatch.gc_before
        places, place, coroutine = thread_stack(self._looper._ident, Dispatches.run.__code__)
        coroutine = coroutine or _coroutine_of(item)
        return BlockReport(
            self._looper.thread.name, _describe(item), "" if coroutine is None else coroutine._title(), seconds, spent,
            place, as_text(places),
        )  # fmt: skip

    def _tell(self, report: BlockReport) -> None:
        if self._on_block is None:
            self._log.warning("%s", report)
        else:
            call_quietly(report_uncaught, self._on_block, report)

    def _tell_end(self, dispatch: _Dispatch) -> None:
        if self._on_block is None:
            ended = self._clock() if dispatch.ended is None else dispatch.ended
            self._log.warning("%r goes on, after %.3f s", self._looper.thread.name, ended - dispatch.began)


def _sleeps(queue: MessageQueue) -> bool:
    """Whether a loop of the queue's own sleeps; not where a `run_blocking` only listens to what is put meanwhile."""
    listens = queue._asleep == _BEHIND_BARRIER and queue._barrier is None
    return queue.is_polling() and not listens


def _dispatches_of(looper: Looper) -> Dispatches:
    with _guard:
        if looper._dispatches is None:
            looper._dispatches = Dispatches(looper)
        return looper._dispatches


def _coroutine_of(item: Any) -> Coroutine | None:
    """Return the coroutine that the item has go on, None where it is something else."""
    if isinstance(item, Continuation):
        item = item._coroutine
    return item if isinstance(item, Coroutine) else None


# No `repr` of a user's own: it would run on the thread of the watch, amid what it is to describe.
def _describe(item: Any) -> str:
    coroutine = _coroutine_of(item)
    if coroutine is not None:
        return coroutine._title() if item is coroutine else f"{item._name()} of {coroutine._title()}"
    if not isinstance(item, Message):
        return type(item).__qualname__
    callback, target = item.callback, item.target
    what = f"what={item.what}" if callback is None else _name_of(callback)
    return what if target is None else f"{what} for {target.name}"


def _name_of(function: Any) -> str:
    while True:
        if isinstance(function, partial):
            function = function.func
        elif isinstance(function, MethodType):
            function = function.__func__
        elif type(function).__module__.startswith(_LOOPERS) and hasattr(function, "_fn"):  # a handler's wrapping
            function = function._fn
        elif isinstance(function, (FunctionType, BuiltinFunctionType, type)):
            return function.__qualname__
        else:
            return type(function).__qualname__


def _exit() -> None:
    watches = list(_live)
    for each in watches:
        each.dispose()
    join_all(WATCHES, (each._thread for each in watches if each._thread is not None))


def _after_fork() -> None:
    """The child has neither the loopers nor the threads that look after them."""
    global _guard
    _guard = RLock()
    for each in list(_live):
        each._over = True
        each._asleep = False
        each._leave_locked()


atexit.register(_exit)
after_fork(_after_fork)
