"""select: wait for several things at once, and do one of them.

    build the clauses -> ask each in order -> [none is ready] suspend -> stand in all lines -> the first one wins
                            | one is ready                                                        |
                            +--------------> the losers leave <- resumed <------------------------+

A select has one ticket. Whoever would hand it something takes the ticket first; without it, its clause is passed over.

Invariants
    I1  the ticket is taken once: by the clause that wins, or by the cancellation.
    I2  while a select looks for a partner it stands in no line, so a partner's ticket is the only one there is to take.
    I3  it comes to stand in all its lines in one move, with their locks held, after it has found them all not ready.
Locks
    Those of its channels and mutexes, all at once, in the order of their addresses; none is taken under another
    anywhere else. The ticket is a list of one: `pop` is one step on every build.
Counterpart: kotlinx.coroutines.selects.SelectImplementation, which registers one by one, and again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf
from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError
from .._primitives import FREE_THREADED
from ..coroutines._coroutine import needed
from ..coroutines._deferred import Deferred, awaited_error
from ..coroutines._job import CANCELLED, COMPLETED, NEW, ON_COMPLETION, Job
from ..coroutines._suspend import CANCELLABLE, SUSPENDED, SUSPENDED_PHASE, Call, Continuation, Suspending, iterate
from ..coroutines._time import checked_seconds
from ._channel import CLOSED, Channel, ChannelResult, ReceiveChannel, SendChannel
from ._line import WAITING, Line, run_inline
from ._mutex import Mutex

if TYPE_CHECKING:
    from ..coroutines._coroutine import Coroutine
    from ..looper._queue import MessageQueue


class _Clause:
    """One of the things that a select waits for."""

    __slots__ = ("_block", "_select", "what")
    _select: _Select

    def __init__(self, what: Any, block: Callable[..., Any] | None) -> None:
        if block is not None and not callable(block):
            raise TypeError(f"a clause of select takes a function, got {block!r}")
        self.what = what  # no two clauses of one select may wait for the same
        self._block = block

    def ready(self) -> Any:
        """Do it, if it can be done now; else answer WAITING."""
        raise NotImplementedError

    def enrol(self) -> None:
        """Wait for it, beside the lines."""

    def leave(self) -> None:
        """Another one has won, or nobody: it was asked, and comes to nothing."""

    def give_back(self, raw: Any) -> None:
        """It had won, and the select was cancelled before it ran."""

    def outcome(self, raw: Any) -> Any:
        """Return what the block gets, as a tuple, or raise."""
        return ()

    def win(self, raw: Any) -> None:
        """It has happened, outside of all lines."""
        if self._select.take_ticket():
            self._select.won(self, raw)


class _Lined(_Clause):
    """A clause that stands in the line of a primitive; to the others in it, a Wait like theirs."""

    __slots__ = ("_queued",)
    _queued: bool

    def ready(self) -> Any:
        with self.what._lock:
            answer = self.try_locked()
        return answer if answer is WAITING else self.done(answer)

    def try_locked(self) -> Any:
        """Do it, if it can be done now; else answer WAITING. The lock of `what` is held."""
        raise NotImplementedError

    def line_locked(self) -> Line:
        """Where to stand."""
        raise NotImplementedError

    def look_again(self) -> None:
        """It stands in its line: see to what others do without the lock."""

    def done(self, answer: Any) -> Any:
        """`try_locked` did it: do what follows without the lock; the raw outcome."""
        return answer

    def leave(self) -> None:
        with self.what._lock:
            self.line_locked().remove(self)

    # as those see it who take it out of the line

    def _win(self) -> bool:
        select = self._select
        if not select.take_ticket():
            return False
        select.handed = self
        return True

    def _grant(self, value: Any) -> None:
        self._select.won(self, value)

    def _shut(self) -> None:
        self._select.won(self, CLOSED)


class _OnReceive(_Lined):
    __slots__ = ()
    what: Channel[Any]

    def try_locked(self) -> Any:
        answer = self.what._take_locked()
        return WAITING if answer[0] is WAITING else answer

    def line_locked(self) -> Line:
        return self.what._receivers

    def done(self, answer: Any) -> Any:
        element, sender = answer
        if sender is not None:
            sender._grant(None)
        return element

    def give_back(self, raw: Any) -> None:
        if raw is not CLOSED:
            self.what._report_in(self._select.coroutine.coroutine_context, raw)

    def outcome(self, raw: Any) -> Any:
        if raw is CLOSED:
            raise self.what._receive_error()
        return (raw,)


class _OnReceiveCatching(_OnReceive):
    __slots__ = ()

    def outcome(self, raw: Any) -> Any:
        if raw is CLOSED:
            return (ChannelResult("closed", None, self.what._cause),)
        return (ChannelResult("success", raw),)


class _OnSend(_Lined):
    __slots__ = ("_element",)
    what: Channel[Any]

    def __init__(self, channel: Channel[Any], element: Any, block: Callable[..., Any] | None) -> None:
        super().__init__(channel, block)
        self._element = element

    def try_locked(self) -> Any:
        return self.what._put_locked(self._element)

    def line_locked(self) -> Line:
        return self.what._senders

    def look_again(self) -> None:
        channel = self.what
        if FREE_THREADED:  # pragma: no cover - builds without the GIL
            channel._buffer.rotate(0)
        if len(channel._buffer) < channel._room:  # S2, as a send does it
            channel._let_in()

    def done(self, answer: Any) -> Any:
        if answer is CLOSED:
            self._report()
            return CLOSED
        if answer is not None:
            self.what._was_put(self._element, answer)
        return None

    def leave(self) -> None:
        super().leave()
        if self._select.handed is not self:  # else its element has gone to a receiver, or with the channel
            self._report()

    def _report(self) -> None:
        self.what._report_in(self._select.coroutine.coroutine_context, self._element)

    def outcome(self, raw: Any) -> Any:
        if raw is CLOSED:
            raise self.what._send_error()
        return ()


class _OnLock(_Lined):
    __slots__ = ("_owner",)
    what: Mutex

    def __init__(self, mutex: Mutex, owner: object, block: Callable[..., Any] | None) -> None:
        super().__init__(mutex, block)
        self._owner = owner

    def try_locked(self) -> Any:
        return self.what._try_locked(self._owner)

    def line_locked(self) -> Line:
        return self.what._line

    def give_back(self, raw: Any) -> None:
        self.what.unlock()


class _OnJoin(_Clause):
    """Also a node in the list of the job."""

    __slots__ = ()
    _kind = ON_COMPLETION
    what: Job

    def ready(self) -> Any:
        job = self.what
        if job._state == NEW and job.start():
            return WAITING  # it may be over by now; but it was not when it was asked
        return None if job._state >= COMPLETED else WAITING

    def enrol(self) -> None:
        if not self.what._add_node(self):
            self.win(None)
        elif not self._select.ticket:  # another one has won meanwhile, and has not seen this
            self.leave()

    def leave(self) -> None:
        self.what._remove_node(self)

    def _fire(self, job: Job, cause: BaseException | None) -> None:
        self.win(None)


class _OnAwait(_OnJoin):
    __slots__ = ()

    def outcome(self, raw: Any) -> Any:
        job = self.what
        if job._state == CANCELLED:
            assert isinstance(job, Deferred)
            raise awaited_error(job, self._select.coroutine)
        return (job._value,)


class _OnTimeout(_Clause):
    """Also the item in the queue of timers."""

    __slots__ = ("_queue", "_seconds", "when")
    asynchronous = True
    _queue: MessageQueue | None
    when: float

    def __init__(self, seconds: float, block: Callable[..., Any] | None) -> None:
        super().__init__(self, block)
        self._seconds = seconds
        self._queue = None

    def ready(self) -> Any:
        return None if self._seconds <= 0 else WAITING

    def enrol(self) -> None:
        if self._seconds == inf:
            return
        self._queue = queue = self._select.coroutine._dispatcher._timers()
        if not queue.put_at(self, queue.clock() + self._seconds):
            self.rejected()
        elif not self._select.ticket:
            self.leave()

    def leave(self) -> None:
        if self._queue is not None:
            self._queue.remove(self)

    def run(self) -> None:
        """The time is up."""
        self.win(None)

    def rejected(self) -> None:
        """The queue of timers died: wait on in the one that the dispatcher has now, or end cancelled with it."""
        select, old = self._select, self._queue
        queue = select.coroutine._dispatcher._timers()
        if old is not None and queue is not old:
            left = self.when - old.clock()
            self._queue = queue
            if queue.put_at(self, queue.clock() + left):
                return
        if select.take_ticket() and select._claim():
            select.coroutine._owe(None, None, CANCELLABLE, None)
            select.coroutine.rejected()


class SelectBuilder:
    """Collects the clauses of one select. Each takes a block, which is called with what the clause gives if it wins.

    The block may suspend; its value is that of the select. Without one, what the clause gives is. Each clause returns
    the builder, so that they can be written in a tuple or in a chain.
    Kotlin: SelectBuilder.
    """

    __slots__ = ("_clauses",)

    def __init__(self) -> None:
        self._clauses: list[_Clause] = []

    def _with(self, clause: _Clause) -> SelectBuilder:
        self._clauses.append(clause)
        return self

    def on_join(self, job: Job, block: Callable[[], Any] | None = None) -> SelectBuilder:
        """Win when `job` has ended, in whatever way. Starts a lazy one."""
        return self._with(_OnJoin(_checked(job, Job, "on_join"), block))

    def on_await(self, deferred: Deferred[Any], block: Callable[[Any], Any] | None = None) -> SelectBuilder:
        """Win when `deferred` has ended; its failure is raised by the select. Starts a lazy one."""
        return self._with(_OnAwait(_checked(deferred, Deferred, "on_await"), block))

    def on_receive(self, channel: ReceiveChannel[Any], block: Callable[[Any], Any] | None = None) -> SelectBuilder:
        """Win with the next element; a closed channel wins, too, and raises as `receive` does."""
        return self._with(_OnReceive(_checked(channel, Channel, "on_receive"), block))

    def on_receive_catching(
        self, channel: ReceiveChannel[Any], block: Callable[[ChannelResult[Any]], Any] | None = None
    ) -> SelectBuilder:
        """Win with the ChannelResult of the next element, or of the closed channel."""
        return self._with(_OnReceiveCatching(_checked(channel, Channel, "on_receive_catching"), block))

    def on_send(self, channel: SendChannel[Any], element: Any, block: Callable[[], Any] | None = None) -> SelectBuilder:
        """Win when `channel` takes `element`; a closed one wins, too, and raises as `send` does.

        Where it loses, the element goes to the hook of the channel.
        """
        return self._with(_OnSend(_checked(channel, Channel, "on_send"), element, block))

    def on_timeout(self, seconds: float, block: Callable[[], Any] | None = None) -> SelectBuilder:
        """Win when nothing else has for `seconds`; zero or less is ready when its turn comes."""
        return self._with(_OnTimeout(checked_seconds(seconds, "on_timeout()"), block))

    def on_lock(self, mutex: Mutex, block: Callable[[], Any] | None = None, *, owner: object = None) -> SelectBuilder:
        """Win when the lock could be taken, and hold it then.

        Raises:
            IllegalStateError: By the select: it is held for this very `owner`.
        """
        return self._with(_OnLock(_checked(mutex, Mutex, "on_lock"), owner, block))


def _checked(thing: Any, kind: type, clause: str) -> Any:
    if isinstance(thing, kind):
        return thing
    channel = getattr(thing, "channel", None)  # the scope of a producer or an actor has one
    if isinstance(channel, kind):
        return channel
    raise TypeError(f"{clause}() takes a {kind.__name__} of vmscope, got {thing!r}")


class _Select(Continuation[Any]):
    """The wait of `select`: a clause and its raw outcome are what it gives."""

    __slots__ = ("_asked", "_clauses", "_enrolled", "_outcome", "coroutine", "handed", "ticket")
    coroutine: Coroutine
    handed: _Clause | None  # who was taken out of its line, or need not stand there; set under the lock of that line

    def __init__(self, clauses: list[_Clause]) -> None:
        self._begun = False
        self._clauses = clauses
        self._asked = 0  # how many clauses were asked: one that was not has no part in it
        self._enrolled = False  # it stands in all lines, and waits for all else
        self._outcome: Any = None
        self.ticket = [None]
        self.handed = None
        for clause in clauses:
            clause._select = self
            if isinstance(clause, _Lined):
                clause._queued = False

    def _name(self) -> str:
        return "select"

    def _start(self, coroutine: Any) -> object:
        self.coroutine = coroutine
        try:
            for clause in self._clauses:
                self._refuse_twice(clause)
                raw = clause.ready()
                if raw is not WAITING:
                    return clause, raw
                self._asked += 1
            self._suspend(coroutine)
        except BaseException:
            self.leave()
            raise
        for clause in self._clauses:
            if isinstance(clause, _OnJoin) and clause.what._state >= COMPLETED:  # since it was asked
                return (clause, None) if self._claim() else SUSPENDED
        return self._stand_in_lines()

    def _refuse_twice(self, clause: _Clause) -> None:
        asked = self._clauses[: self._asked]
        if any(other.what is clause.what for other in asked):
            self.leave()
            self._asked = 0
            for other in asked:
                if isinstance(other, _OnTimeout):  # its time runs already in the reference, and ends for nobody
                    other.enrol()
            self.take_ticket()
            raise IllegalStateError(f"Cannot use select clauses on the same object: {clause.what!r}")

    def _stand_in_lines(self) -> object:
        lined = [clause for clause in self._clauses if isinstance(clause, _Lined)]
        locks = sorted((clause.what._lock for clause in lined), key=id)
        winner: _Lined | None = None
        answer = None
        for lock in locks:
            lock.acquire()
        try:
            if self._phase != SUSPENDED_PHASE:  # cancelled by another thread, which has had all clauses leave
                return SUSPENDED
            for clause in lined:
                answer = clause.try_locked()
                if answer is not WAITING:
                    winner = self.handed = clause
                    break
            else:
                for clause in lined:
                    clause.line_locked().add(clause)
        finally:
            for lock in locks:
                lock.release()
        if winner is not None:
            mine = self._claim()  # else cancelled by another thread meanwhile
            raw = winner.done(answer)  # in any case: the other side is owed it
            if mine:
                return winner, raw
            winner.give_back(raw)
            return SUSPENDED
        for clause in lined:
            clause.look_again()
        for other in self._clauses:
            other.enrol()
        self._enrolled = True
        return SUSPENDED

    def _stands(self) -> bool:
        return self._enrolled and bool(self.ticket)

    # -- for whoever hands it something, or cancels it

    def take_ticket(self) -> bool:
        """Win it, for one clause. True for the first."""
        try:
            self.ticket.pop()
        except IndexError:
            return False
        return True

    def won(self, clause: _Clause, raw: Any) -> None:
        """Go on with `clause`, whose ticket was taken."""
        self._outcome = (clause, raw)
        if self._claim():
            self._coroutine._resume(self._outcome, None, CANCELLABLE, self)
        else:
            clause.give_back(raw)

    def leave(self, winner: _Clause | None = None) -> None:
        """Let all clauses that were asked leave, but `winner`."""
        for clause in self._clauses[: self._asked]:
            if clause is not winner:
                clause.leave()

    def _lost(self, cause: BaseException) -> None:
        clause, raw = self._outcome
        clause.give_back(raw)
        self.leave(clause)

    def _take_back(self, cause: BaseException) -> None:
        self.take_ticket()
        self.leave()


def _selecting(build: Callable[[SelectBuilder], object], mix: bool) -> Generator[Any, Any, Any]:
    needed("select()")
    builder = SelectBuilder()
    made = build(builder)
    if iterate(made) is not None:
        raise TypeError(f"select() takes a plain function that names the clauses, got {build!r}, which suspends")
    clauses = builder._clauses
    if mix:
        from random import shuffle

        shuffle(clauses)
    wait = _Select(clauses)
    clause, raw = yield from wait
    wait.leave(clause)
    given = clause.outcome(raw)
    block = clause._block
    if block is None:
        return given[0] if given else None
    return (yield from run_inline(block, given))


def _while_selecting(build: Callable[[SelectBuilder], object]) -> Generator[Any, Any, None]:
    while (yield from _selecting(build, mix=False)):
        pass


def _checked_build(build: Any, where: str) -> None:
    if not callable(build):
        raise TypeError(f"{where} takes a function of the builder that names the clauses, got {build!r}")


def select(build: Callable[[SelectBuilder], object]) -> Suspending[Any]:
    """Wait for the first of several things, and do only that one.

        yield from select(lambda s: (
            s.on_await(answer, show),
            s.on_receive(commands, obey),
            s.on_timeout(1.0, lambda: print("still waiting")),
        ))

    Args:
        build: Called once with the builder, to name the clauses. Their order decides where several are ready.

    Returns:
        The value of the winner's block; without a block, what the clause gives.

    Raises:
        BaseException: What the block raised, the failure of what was awaited, or the cause of a closed channel.
        IllegalStateError: Two clauses wait for the same thing.

    Nothing happens to what the losers wait for: no element is taken, none is sent, no lock is held.
    Cancellation: prompt; not looked at where a clause is ready.
    Threads: called in a coroutine.
    Kotlin: select.
    """
    _checked_build(build, "select()")
    return Call("select", _selecting, (build, False))


def select_unbiased(build: Callable[[SelectBuilder], object]) -> Suspending[Any]:
    """Like `select`, in an order that chance decides: among clauses that are always ready none starves.

    Kotlin: selectUnbiased.
    """
    _checked_build(build, "select_unbiased()")
    return Call("select_unbiased", _selecting, (build, True))


def while_select(build: Callable[[SelectBuilder], object]) -> Suspending[None]:
    """Select again and again, until the value of a select is false.

    Kotlin: whileSelect.
    """
    _checked_build(build, "while_select()")
    return Call("while_select", _while_selecting, (build,))
