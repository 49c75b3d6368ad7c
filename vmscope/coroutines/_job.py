"""Job: the tree of work, its states, cancellation down and completion up.

                                      wait for children
    +-----+ start  +--------+ body over +------------+ last child gone  +-----------+
    | New | -----> | Active | --------> | Completing | ---------------> | Completed |
    +-----+        +--------+           +------------+                  +-----------+
       | cancel        | cancel, failure       | cancel, failure
       |               v                       v
       |          +------------+ body over +-----------+ last child gone +--------+ told +-----------+
       +--------->| Cancelling | --------> | Finishing | --------------> | Sealed | ---> | Cancelled |
                  +------------+           +-----------+                 +--------+      +-----------+

Seen from outside, Finishing and Sealed are called Cancelling too. A New job that is cancelled, and a CompletableJob,
whose body is the word `complete()`, go to Finishing at once.

Invariants
    I1  a child in `_nodes` is not final; a final job has no parent, and only those nodes that it has still to tell.
    I2  a job is final only when it has no children; one that is Cancelling has told all children that it has.
    I3  `_cause` is the first exception while the job ends, and the one it ended with once it is Cancelled.
    I4  each node is told of the end exactly once; handlers and children stand in one list, told in the order they came.
    I5  a move that is broken off, for want of memory or stack or by a Ctrl-C, can be done again from its beginning: who
        has been told does nothing. `mend` does so where one was; nothing of it costs a move that goes well.
Locks
    `_lock`, one for a whole tree, taken over from the parent; guards `_state`, `_nodes`, `_waiter`, `_cause`,
    `_others`, `_pending`, `_parent` of all its jobs. Reentrant, because a finalizer may cancel while its own thread is
    in here: each move is one assignment of `_state`, made last. A leaf: nobody's code runs under it. What a move brings
    about is collected and done after it, with an explicit stack, so that depth costs memory and not recursion.
Counterpart: kotlinx.coroutines.JobSupport.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol
from warnings import warn

from .._errors import (
    CancellationException,
    CompletionHandlerError,
    IllegalStateError,
    TimeoutCancellationException,
    VmScopeWarning,
    add_suppressed,
)
from .._primitives import DEBUG, RLock
from .._thrown import original, own, traceback_of
from ._context import ContextElement, CoroutineContext
from ._handlers import DisposableHandle
from ._suspend import (
    CANCELLED_PHASE,
    SUSPENDED,
    SUSPENDED_PHASE,
    Continuation,
    call,
    mend_torn,
    tell_witnesses,
    torn,
    witnesses,
)

if TYPE_CHECKING:
    from ._suspend import Suspending

NEW, ACTIVE, COMPLETING, CANCELLING, FINISHING, SEALED, COMPLETED, CANCELLED = range(8)
_WORDS = ("New", "Active", "Completing", "Cancelling", "Cancelling", "Cancelling", "Completed", "Cancelled")

# What a node in the list of a job is.
CHILD, ON_CANCELLING, ON_COMPLETION, WAITING_PARENT, WAITER = range(5)

#: Nobody is to be told. Not to be changed.
_NOBODY: list[Any] = []

# What an attempt to cancel led to.
_TOO_LATE, _ALREADY, _STARTED, _ENDED = range(4)


class Node(Protocol):
    """What stands in the list of a job: a child, a handler, somebody who waits."""

    _kind: Any

    def _fire(self, job: Job, cause: BaseException | None) -> None: ...


class Job(ContextElement):
    """A piece of work that can be cancelled, awaited, and has children. `Job(parent)` makes one that `complete()` ends.

    Args:
        parent: The job whose child it becomes; None stands alone. A failing child cancels this job and its other
            children; a SupervisorJob takes no notice.

    States: `is_active`, `is_completed`, `is_cancelled`; drawn in the header of this file.
    Threads: everything here may be called from any thread.
    Kotlin: Job; `Job()` the function is `Job()` the class.
    """

    __slots__ = (
        "__weakref__", "_cause", "_handles", "_lock", "_nodes", "_others", "_parent", "_pending", "_slots", "_state",
        "_value", "_waiter",
    )  # fmt: skip
    _slots: dict[Any, Any]  # see _slots.py: not there before the first launch into one
    key: ClassVar[type]
    _kind = CHILD
    _scoped = False  # a block that rethrows what it ends with, and so never cancels its parent
    _supervises = False  # children fail alone
    _handles: bool  # somebody up there reports a child's failure
    _ends_on_cancel = False  # no body to wait for

    # Not `__new__`: a class that has one is made the slow way, and all below it: 0.05 us more for each launch (3.11).
    if TYPE_CHECKING:

        def __new__(cls, parent: Job | None = None) -> CompletableJob: ...

    else:

        def __init__(self, parent: Job | None = None) -> None:
            self.__class__ = CompletableJob
            CompletableJob.__init__(self, parent)

    def _init_job(self, parent: Job | None, state: int) -> None:
        """Set up the fields and attach. `parent` None: a tree of its own."""
        self._state = state
        self._nodes: dict[Node, None] | None = None
        self._waiter: Continuation[Any] | None = None
        self._cause: BaseException | None = None
        self._others: list[BaseException] | None = None
        self._pending: tuple[Iterator[Node], WaitingParent] | None = None
        self._parent: Job | None = None
        self._value: Any = None
        if parent is None or parent is NonCancellable:
            self._lock = RLock()
        else:
            attach(self, parent)

    # -- what there is to see

    @property
    def is_active(self) -> bool:
        """True while it runs or waits for its children, and nobody has cancelled it."""
        return ACTIVE <= self._state <= COMPLETING

    @property
    def is_completed(self) -> bool:
        """True once it and all its children have ended, in whatever way."""
        return self._state >= COMPLETED

    @property
    def is_cancelled(self) -> bool:
        """True from the moment it was cancelled or failed."""
        return self._state >= CANCELLING and self._state != COMPLETED

    @property
    def _home(self) -> Job:
        """The job that coroutines launched in this block are children of."""
        return self

    @property
    def state_name(self) -> str:
        """The state in Kotlin's word: New, Active, Completing, Cancelling, Cancelled or Completed."""
        return _WORDS[self._state]

    @property
    def parent(self) -> Job | None:
        """The job it is a child of; None for a root, and once it has ended."""
        return self._parent

    @property
    def children(self) -> Iterator[Job]:
        """The children that have not ended, oldest first, as they are now."""
        with self._lock:
            nodes = list(self._nodes or ())
        return iter([node for node in nodes if isinstance(node, Job)])

    @property
    def coroutine_context(self) -> CoroutineContext:
        """The context that failures in this job are told with; for a coroutine, its whole context."""
        return self

    def __repr__(self) -> str:
        count = sum(1 for _ in self.children)
        family = f", {count} child{'' if count == 1 else 'ren'}" if count else ""
        return f"<{self._title()} {self.state_name.lower()}{family}>"

    def _title(self) -> str:
        return type(self).__name__

    def __add__(self, other: CoroutineContext) -> CoroutineContext:
        if isinstance(other, Job):
            raise TypeError(
                f"{self!r} + {other!r}: a context holds one Job, the left one would be lost; "
                "use Job(parent) to make one the child of the other"
            )
        return ContextElement.__add__(self, other)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} cannot be pickled or copied: it belongs to this process. Send its result instead")

    def __copy__(self) -> NoReturn:
        self.__reduce__()

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__reduce__()

    # -- what callers do

    def start(self) -> bool:
        """Start a lazy job.

        Returns:
            True for the one call that started it; False where it had started, or had ended before.
        """
        mine = False
        try:
            with self._lock:
                if self._state != NEW:
                    return False
                self._state = ACTIVE
                mine = True
            self._on_start()
        except BaseException:
            if mine:
                torn.append((self._on_start, ()))  # which does nothing where it has begun
            mend_torn()
            raise
        return True

    def cancel(self, message: str | CancellationException | None = None, cause: BaseException | None = None) -> None:
        """Cancel it with all its children; returns at once, they end by themselves.

        Args:
            message: Why, in words; or a CancellationException, which is then the one that everybody sees.
            cause: What led to it, shown behind the message.

        The first cause stays. Cancelling what is cancelled or has ended does nothing.
        """
        cancel_tree(self, cancellation(self, message, cause))

    def cancel_children(
        self, message: str | CancellationException | None = None, cause: BaseException | None = None
    ) -> None:
        """Cancel the children that it has now; the job itself stays active and takes new ones."""
        for child in self.children:
            cancel_tree(child, cancellation(child, message, cause))

    def ensure_active(self) -> None:
        """Raise the cancellation where the job is not active.

        Raises:
            CancellationException: It was cancelled, or has ended.
        """
        self._ensure_active(None)

    def _ensure_active(self, coroutine: Any) -> None:
        """As `ensure_active`, between two steps of `coroutine`."""
        if not ACTIVE <= self._state <= COMPLETING:
            raise own(self.get_cancellation_exception(), coroutine).with_traceback(None)

    def get_cancellation_exception(self) -> CancellationException:
        """Return why it was cancelled: the very object given to `cancel`, or one made for a failure.

        Raises:
            IllegalStateError: It is new or active.
        """
        state = self._state
        if state < CANCELLING:
            raise IllegalStateError(f"Job is still new or active: {self!r}")
        if state == COMPLETED:
            return CancellationException(f"{type(self).__name__} has completed normally", job=self)
        cause = self._cause
        if isinstance(cause, CancellationException):
            return cause
        ending = "is cancelling" if state < COMPLETED else "was cancelled"
        return CancellationException(f"{type(self).__name__} {ending}", cause, job=self, source="child")

    def invoke_on_completion(
        self, handler: Callable[[BaseException | None], object], on_cancelling: bool = False
    ) -> DisposableHandle:
        """Call `handler(cause)` once when the job ends; at once, here, where it has ended.

        Args:
            handler: Gets None for success, the CancellationException, or the failure. Runs on the thread that ends the
                job and must be quick. What it raises is reported as a CompletionHandlerError and changes nothing.
            on_cancelling: Call it when the job begins to be cancelled, if that comes first.

        Returns:
            A handle whose `dispose()` takes the handler away.

        Kotlin: invokeOnCompletion(onCancelling = ...).
        """
        if not callable(handler):
            raise TypeError(f"invoke_on_completion takes a function of one argument, got {handler!r}")
        node = DisposableHandle(self, handler, ON_CANCELLING if on_cancelling else ON_COMPLETION)
        if not self._add_node(node):
            node._fire(self, self._cause)
        return node

    def join(self) -> Suspending[None]:
        """Suspend until the job and its children have ended, in whatever way. Starts a lazy one.

        Raises:
            CancellationException: The *caller* was cancelled, even where the job had ended before.

        In the job's own body it waits to be cancelled; in debug mode it warns of that.
        Cancellation: prompt. Threads: called in a coroutine.
        """
        return Join(self)

    def cancel_and_join(self, message: str | CancellationException | None = None) -> Suspending[None]:
        """Cancel the job, then suspend until it has ended."""
        return call("cancel_and_join", self._cancel_and_join, message)

    def _cancel_and_join(self, message: str | CancellationException | None) -> Generator[Any, Any, None]:
        self.cancel(message)
        yield from self.join()

    # -- what kinds of jobs differ in

    def _on_start(self) -> None:
        """It moved from New to Active: a lazy coroutine begins."""

    def _handle_failure(self, failure: BaseException) -> bool:
        """Nobody above takes `failure`: report it, or say False and keep it."""
        return False

    def _after_completion(self) -> None:
        """It is final and everybody has been told."""

    def _handler_failed(self, error: BaseException) -> BaseException | None:
        """A completion handler raised: report it, or return it, to be raised to whoever ended the job."""
        return error

    def _child_cancelled(self, cause: BaseException) -> bool:
        """A child ends with `cause`. True: it is taken care of; False: the child reports it."""
        if isinstance(cause, CancellationException):
            return True
        if self._supervises and not isinstance(cause, (KeyboardInterrupt, SystemExit)):
            return False
        return cancel_tree(self, cause) and self._handles

    # -- the list

    def _add_node(self, node: Node) -> bool:
        """Put a handler or waiter into the list. False: too late, the caller fires it now."""
        with self._lock:
            state = self._state
            if state >= COMPLETED:
                return False
            if node._kind == ON_CANCELLING and state >= CANCELLING:
                return False
            self._add_locked(node)
            if self._state == state:
                return True
            # A finalizer or signal handler moved the job on as the node was added. It bears to be told twice.
            if self._nodes is not None:
                self._nodes.pop(node, None)
        return self._add_node(node)

    def _add_locked(self, node: Node) -> None:
        waiter = self._waiter
        if waiter is not None and waiter._mark is None:
            # The one who waits here came before `node`, and is told before it: the scope that is cancelled resumes
            # its body first. While it is alone it costs no entry.
            mark = _WaiterMark(waiter)
            self._put_locked(mark)
            waiter._mark = mark  # second: where a failure out of nowhere comes between, it is told twice, not never
            if self._waiter is not waiter and self._nodes is not None:  # a Wait of sync leaves without this lock:
                self._nodes.pop(mark, None)  # it leaves first and looks for its mark second, here it is the reverse
        self._put_locked(node)

    def _put_locked(self, node: Node) -> None:
        nodes = self._nodes
        if nodes is None:
            first = {node: None}  # the collector may run as it is made, and a finalizer come here first (3.11)
            nodes = self._nodes
            if nodes is None:  # pragma: no branch - struck as the dict is made: tests/races/test_sweeps.py
                self._nodes = first
                return
        nodes[node] = None

    def _remove_node(self, node: Node) -> None:
        with self._lock:
            nodes = self._nodes  # once: where the job has told its end it goes, without the lock
            if nodes is not None:
                nodes.pop(node, None)

    def _fire(self, job: Job, cause: BaseException | None) -> None:
        """As a node in its parent's list: children are cancelled by `cancel_tree` itself."""

    # -- the moves

    def _add_cause_locked(self, cause: BaseException) -> None:
        """Collect an exception."""
        if self._cause is None:
            self._cause = cause
        elif cause is not self._cause:
            if self._others is None:
                self._others = [cause]
            elif cause is not self._others[-1]:
                self._others.append(cause)

    def _begin_cancel(self, cause: BaseException) -> int:
        """Move towards Cancelled because of `cause`; the answer says what is to be done after the lock."""
        with self._lock:
            state = self._state
            if state >= SEALED:
                return _TOO_LATE
            self._add_cause_locked(cause)
            if state == NEW or (state == ACTIVE and self._ends_on_cancel):
                self._state = FINISHING
                return _ENDED
            if state >= CANCELLING:  # not `_cause`: a failure out of nowhere may have come between that and the state
                return _ALREADY
            self._state = FINISHING if state == COMPLETING else CANCELLING
            return _STARTED

    def _end_body(self, value: Any, error: BaseException | None) -> bool | None:
        """The body is over, with `error` or `value`. True: final now; False: waits for children; None: had ended."""
        try:
            first = False
            nodes = _NOBODY
            with self._lock:
                state = self._state
                plain = state == ACTIVE and error is None and not self._nodes
                if plain:  # nobody is left and nobody waits: a fifth of an empty coroutine_scope less (3.11)
                    self._value = value
                    parent = self._parent
                    if parent is not None:
                        if parent._nodes is not None:  # pragma: no branch - as in `Coroutine._finish`
                            parent._nodes.pop(self, None)
                        self._parent = None  # in this order, as in `_leave_locked`
                    self._nodes = None
                    self._state = COMPLETED
                else:
                    if state >= COMPLETED or state in (COMPLETING, FINISHING, SEALED):
                        return None
                    self._value = value
                    if error is not None:
                        self._add_cause_locked(error)
                        first = state < CANCELLING  # not whether there was no cause yet: as in `_begin_cancel`
                    self._state = COMPLETING if self._cause is None else FINISHING
                    if not first:  # in one move with the end itself: nobody cancels what has said that it is complete
                        state, nodes = self._end_locked()
            if plain:
                self._after_completion()
                return True
            if first:
                assert error is not None
                _cascade(self, error, False)
                return complete_tree(self)
            if DEBUG and state < SEALED:
                self._warn_of_unstarted()
            return announce_end(self, state, nodes)
        except BaseException:  # a failure out of nowhere
            torn.append((_seal_again, (self,)))
            torn.append((_mend_once, (self,)))
            mend_torn()
            raise

    def _end_again(self, struck: BaseException) -> None:
        """`_end_body` was broken off, or did not even begin: do what it has left undone."""
        if getattr(self, "_lock", None) is None:
            return  # nor did it come to belong to anybody
        if self._state in (ACTIVE, CANCELLING):
            self._end_body(None, struck)
        else:
            mend(self)

    def _warn_of_unstarted(self) -> None:
        for child in self.children:
            if child._state == NEW:
                warn(
                    f"{self!r} waits for its lazy child {child!r}, which nobody has started: it waits for ever unless "
                    "start(), join() or await_() is called",
                    VmScopeWarning,
                    stacklevel=4,
                )

    def _end_locked(self) -> tuple[int, list[Node]]:
        """Wait for the next child, or seal the end. Says which: the new state, and who is to be told.

        The next one is the oldest that is still there. Each is looked at once, however many there are.
        """
        while True:
            pending = self._pending
            if pending is None:
                if self._state >= SEALED:
                    return self._owed_locked()
                if not self._nodes:
                    break
                # A copy first, in one step: a finalizer or a signal handler may attach or end a child in between.
                nodes = list(self._nodes)
                waiting = [node for node in nodes if node._kind == CHILD]
                if not waiting:
                    break
                self._pending = pending = (iter(waiting), WaitingParent(self))
            for node in pending[0]:
                if node._parent is self:  # type: ignore[attr-defined]  # a child, as all in here
                    node._put_locked(pending[1])  # type: ignore[attr-defined]
                    return self._state, _NOBODY
            self._pending = None
        if self._cause is not None:
            self._state = SEALED
            return SEALED, _NOBODY
        nodes = self._leave_locked()
        self._state = COMPLETED
        return COMPLETED, nodes

    def _owed_locked(self) -> tuple[int, list[Node]]:
        """As `_end_locked`, asked a second time, for something had broken off: whom the end has still to be told."""
        if self._state >= COMPLETED and self._nodes is None:
            return FINISHING, _NOBODY
        return self._state, list(self._nodes or ())

    def _leave_locked(self) -> list[Node]:
        """Take the job off its parent and hand out its list, which goes when all in it have been told."""
        parent = self._parent
        if parent is not None:
            if parent._nodes is not None:
                parent._nodes.pop(self, None)
            self._parent = None  # not before: whom a failure cuts off here would be waited for, and no child of it
        return [] if self._nodes is None else list(self._nodes)

    def _seal(self) -> list[Node]:
        """Decide what it ended with, tell it upwards or to the handler, then be final. Says who is to be told.

        Begun again where it was broken off.
        """
        with self._lock:
            if self._state > SEALED:
                return list(self._nodes or ())
            assert self._state == SEALED and self._cause is not None
            exceptions = [self._cause, *(self._others or ())]
            final = _final_cause(exceptions)
        seen = {id(original(final))}
        for other in exceptions:
            if id(original(other)) not in seen and not isinstance(other, CancellationException):
                seen.add(id(original(other)))
                add_suppressed(final, other)
        if not _tell_parent(self, final):
            self._handle_failure(final)
        with self._lock:
            # Where it was raised: each rethrow starts from here and adds no lines for ever. A cancellation, one object
            # in many places, must pin no frames.
            self._value = None if isinstance(final, CancellationException) else traceback_of(final, _thrower(self))
            self._others = None
            nodes = self._leave_locked()
            self._cause = final  # not before: until here those who ask are told the first one, as in Kotlin
            self._state = CANCELLED
        return nodes


class WaitingParent:
    """In the list of a child: its parent, whose body is over, waits for it."""

    __slots__ = ("parent",)
    _kind = WAITING_PARENT

    def __init__(self, parent: Job) -> None:
        self.parent = parent

    def _fire(self, job: Job, cause: BaseException | None) -> None:
        raise AssertionError("not called")  # pragma: no cover - `announce_end` goes on with the parent itself


class _WaiterMark:
    """In the list of a job: where in the order its suspended body stands."""

    __slots__ = ("continuation",)
    _kind = WAITER

    def __init__(self, continuation: Continuation[Any]) -> None:
        self.continuation = continuation

    def _fire(self, job: Job, cause: BaseException | None) -> None:
        """Nothing on completion: a body that waits is not over."""


class CompletableJob(Job):
    """A job without a body, ended by `complete()`: what `Job()` and `SupervisorJob()` make.

    Kotlin: CompletableJob.
    """

    __slots__ = ()
    _ends_on_cancel = True

    def __init__(self, parent: Job | None = None) -> None:
        if parent is not None and not isinstance(parent, Job):
            raise TypeError(f"{type(self).__name__} takes a parent Job or None, got {parent!r}")
        self._init_job(parent, ACTIVE)
        self._handles = parent is not None and self._parent is parent and parent._handles

    def complete(self) -> bool:
        """End it as soon as its children have ended.

        Returns:
            True for the first call that decides; False where it was complete or cancelled.
        """
        return self._end_body(None, None) is not None

    def complete_exceptionally(self, exception: BaseException) -> bool:
        """End it with a failure: children are cancelled, the parent told.

        Returns:
            True for the first call that decides.
        """
        _checked_exception(exception, "complete_exceptionally")
        return self._end_body(None, exception) is not None


class SupervisorJob(CompletableJob):
    """A job whose children fail alone: a failure cancels neither it nor its other children.

    Args:
        parent: The job whose child it becomes. When that fails or is cancelled, this one and all its children are.

    Kotlin: SupervisorJob.
    """

    __slots__ = ()
    _supervises = True


class _NonCancellable(Job):
    """Always active, never cancelled: for clean-up that must suspend, `with_context(NonCancellable, block)`."""

    __slots__ = ()
    key = Job
    _ends_on_cancel = True  # so that `cancel_tree` asks `_begin_cancel`

    def __init__(self) -> None:
        self._handles = True
        self._init_job(None, ACTIVE)

    def cancel(self, message: object = None, cause: BaseException | None = None) -> None:
        """Do nothing."""

    def _begin_cancel(self, cause: BaseException) -> int:
        return _TOO_LATE

    def _add_node(self, node: Node) -> bool:
        return True  # it never ends: nobody is ever told

    def join(self) -> NoReturn:
        """Refused: it never ends.

        Raises:
            IllegalStateError: Always.
        """
        raise IllegalStateError("join() on NonCancellable, which never ends: join the job that you wait for")

    def __repr__(self) -> str:
        return "NonCancellable"

    def __reduce__(self) -> str:  # type: ignore[override]
        return "NonCancellable"

    def __copy__(self) -> Job:  # type: ignore[override]
        return self

    def __deepcopy__(self, memo: object) -> Job:  # type: ignore[override]
        return self


class Join(Continuation[None]):
    """The wait of `join`: a node in the list of the job it waits for."""

    __slots__ = ("_job",)
    _kind = ON_COMPLETION

    def __init__(self, job: Job) -> None:
        self._begun = False
        self._job: Job | None = job

    def _name(self) -> str:
        return "join"

    def _start(self, coroutine: Any) -> object:
        job = self._job
        assert job is not None
        if job._state == NEW:
            job.start()
        if job._state >= COMPLETED:
            coroutine._frame._ensure_active(coroutine)
            return None
        if job is coroutine or job is coroutine._frame:
            warn_of_own_end(f"join {job!r}")
        if not self._suspend_for(coroutine, job):
            return None
        if witnesses:
            tell_witnesses()
        return SUSPENDED

    def _fire(self, job: Job, cause: BaseException | None) -> None:
        self._job = None
        self._resume(None)

    def _take_back(self, cause: BaseException) -> None:
        job, self._job = self._job, None
        if job is not None:
            job._remove_node(self)


def warn_of_own_end(what: str) -> None:
    """In debug mode, say that a coroutine waits for what ends only after its own body, or its innermost block, has.

    It waits all the same, until it is cancelled: so does the reference, and a hundred recorded programs do it.
    """
    if DEBUG:
        warn(
            f"{what} in its own body: it waits for itself, until it is cancelled. A scope waits for its children "
            "without being told; to wait to be cancelled, use await_cancellation()",
            VmScopeWarning,
            stacklevel=3,
        )


# -- moves that run through a tree: each is a loop over an explicit stack


def attach(child: Job, parent: Job) -> None:
    """Make `child` one of `parent`; where that is being cancelled, or has ended, the child is cancelled at once."""
    if parent._state == NEW:
        parent.start()
    child._lock = lock = parent._lock
    with lock:
        state = parent._state
        if state < SEALED:
            child._parent = parent
            parent._add_locked(child)
            if parent._state != state or child._state >= COMPLETED:
                state = _moved_on_locked(child, parent)
        if state <= COMPLETING:
            return
        cause = cause_from(parent)
    cancel_tree(child, cause)


def _moved_on_locked(child: Job, parent: Job) -> int:
    """A finalizer or signal handler moved one of them on as the child was added: the state that the child finds now."""
    state = parent._state
    if state >= SEALED or child._state >= COMPLETED:
        if parent._nodes is not None:
            parent._nodes.pop(child, None)
        child._parent = None
    return state


def cause_from(parent: Job) -> CancellationException:
    """Return what the children of `parent`, which is cancelled or has ended, are cancelled with."""
    cause = parent._cause
    if isinstance(cause, CancellationException):
        return cause
    return CancellationException(f"Parent job is {_WORDS[parent._state]}", cause, job=parent, source="parent")


def cancellation(
    job: Job, message: str | CancellationException | None, cause: BaseException | None = None
) -> CancellationException:
    """Return the exception of a `cancel(message, cause)` call.

    Raises:
        TypeError: `message` is neither text nor a CancellationException, or `cause` is no exception.
    """
    if isinstance(message, CancellationException):
        return message
    if message is None:
        if cause is None:
            return CancellationException(f"{type(job).__name__} was cancelled", job=job, source="cancel")
        message = str(cause)
    elif not isinstance(message, str):
        raise TypeError(f"cancel() takes text or a CancellationException, got {message!r}: pass a failure as cause=")
    if cause is not None:
        _checked_exception(cause, "cancel(cause=...)")
    return CancellationException(message, cause, job=job, source="cancel")


def _checked_exception(exception: object, where: str) -> None:
    if not isinstance(exception, BaseException):
        raise TypeError(f"{where} takes an exception, got {exception!r}")


def _thrower(job: Job) -> Job:
    """Return who throws what the body of `job` raises: itself, or for a block the coroutine that it is a part of."""
    while job._scoped and job._parent is not None:
        job = job._parent
    return job


def cancel_tree(job: Job, cause: BaseException) -> bool:
    """Cancel `job` and all below it; a failure goes up as well. False: it was too late, nothing was cancelled."""
    waiter = None
    claimed = False
    try:
        if isinstance(cause, CancellationException) and not job._ends_on_cancel:
            with job._lock:
                # The plain case in one move, with the wait of its body: nobody else is to be told, and a cancellation
                # does not go up. 0.5 us less than with a turn of the lock for each (3.11).
                plain = job._state == ACTIVE and not job._nodes and job._cause is None
                if plain:
                    waiter = job._waiter
                    job._cause = cause
                    claimed = waiter is not None and waiter._ends_plainly and waiter._phase == SUSPENDED_PHASE
                    if claimed:
                        job._waiter = None  # it is alone, so it has no mark in the list
                        waiter._phase = CANCELLED_PHASE  # type: ignore[union-attr]
                    job._state = CANCELLING
            if plain:
                if waiter is not None:
                    if claimed:
                        waiter._end_cancelled(cause)
                    else:
                        waiter._cancelled_by(job)
                return True
        outcome = job._begin_cancel(cause)
        if outcome >= _STARTED:
            _cascade(job, cause, outcome == _ENDED)
        elif torn:
            mend_torn()
        return outcome != _TOO_LATE
    except BaseException as struck:  # a failure out of nowhere
        if claimed:
            waiter._resume_again(struck, CANCELLED_PHASE, None, cause)  # type: ignore[union-attr]
        torn.append((_mend_once, (job,)))
        mend_torn()
        raise


def mend(job: Job) -> None:
    """A move that began at `job` was broken off by a failure out of nowhere: do what it has left undone, down and up.

    All of it may be done twice: whoever is told takes it once. Where there is no memory or stack for this either, the
    next `cancel()` of what is cancelled already, anywhere, goes on with it.
    """
    torn.append((_mend_once, (job,)))
    mend_torn()


def _mend_once(job: Job) -> None:
    order: list[Job] = []
    stack = [job]
    while stack:
        job = stack.pop()
        order.append(job)
        with job._lock:
            cancelled = CANCELLING <= job._state <= FINISHING
            nodes: list[Any] = [] if job._nodes is None else list(job._nodes)
            waiter = job._waiter
        if cancelled:
            cause = job._cause
            assert cause is not None
            child_cause = cause_from(job)
            if waiter is not None:
                waiter._cancelled_by(job)
            errors: list[BaseException] = []
            for node in nodes:
                if node._kind == CHILD:
                    node._begin_cancel(child_cause)
                elif node._kind == ON_CANCELLING:
                    _fire(node, job, cause, errors)
            _report_handlers(job, errors, [])
        stack += [node for node in nodes if node._kind == CHILD]
    for job in reversed(order):
        with job._lock:
            over = job._state in (COMPLETING, FINISHING) or job._state >= COMPLETED
            state, owed = ACTIVE, _NOBODY
            if over:  # where a child is left, this waits for it and answers so
                state, owed = job._end_locked()
        announce_end(job, state, owed)


class _Visit:
    """One job on the stack of a cascade: whom it still has to tell, and what follows."""

    __slots__ = ("cause", "child_cause", "ends", "errors", "job", "nodes", "told_parent")

    def __init__(self, job: Job, cause: BaseException, ends: bool) -> None:
        with job._lock:
            nodes: list[Any] = [] if job._nodes is None else list(job._nodes)
            waiter = job._waiter
            if waiter is not None and waiter._mark is None:
                nodes.append(_WaiterMark(waiter))
        self.job = job
        self.cause = cause
        self.child_cause: CancellationException | None = None
        self.ends = ends
        self.errors: list[BaseException] = []
        self.nodes = iter(nodes)
        self.told_parent = False


def _cascade(job: Job, cause: BaseException, ends: bool) -> None:
    """Depth first: handlers and children in the order they came, then the parent (for a failure), then the end."""
    raised: list[BaseException] = []
    stack = [_Visit(job, cause, ends)]
    while stack:
        visit = stack[-1]
        deeper = _tell_next(visit)
        if deeper is not None:
            stack.append(deeper)
            continue
        if not visit.told_parent:
            visit.told_parent = True
            _report_handlers(visit.job, visit.errors, raised)
            higher = _tell_parent_of_cancelling(visit)
            if higher is not None:
                stack.append(higher)
                continue
        stack.pop()
        if visit.ends:
            complete_tree(visit.job)
    if raised:
        raise raised[0]


def _tell_next(visit: _Visit) -> _Visit | None:
    for node in visit.nodes:
        kind = node._kind
        if kind == CHILD:
            if visit.child_cause is None:
                visit.child_cause = cause_from(visit.job)
            outcome = node._begin_cancel(visit.child_cause)
            if outcome >= _STARTED:
                return _Visit(node, visit.child_cause, outcome == _ENDED)
        elif kind == WAITER:
            node.continuation._cancelled_by(visit.job)
        elif kind == ON_CANCELLING:
            _fire(node, visit.job, visit.cause, visit.errors)
    return None


def _tell_parent_of_cancelling(visit: _Visit) -> _Visit | None:
    """Kotlin's tentative cancellation: a failure cancels the parent when it happens, not when the child has ended."""
    job, cause = visit.job, visit.cause
    parent = job._parent
    if parent is None or job._scoped or isinstance(cause, CancellationException):
        return None
    if parent._supervises and not isinstance(cause, (KeyboardInterrupt, SystemExit)):
        return None
    outcome = parent._begin_cancel(cause)
    return _Visit(parent, cause, outcome == _ENDED) if outcome >= _STARTED else None


def complete_tree(job: Job) -> bool:
    """End `job`, whose body is over, if no child is left; then the parents that waited for it. True: `job` is final."""
    try:
        with job._lock:
            state, nodes = job._end_locked()
        return announce_end(job, state, nodes)
    except BaseException:
        _seal_again(job)
        raise


def _seal_again(job: Job) -> None:
    """A move of this thread that may have sealed the end of `job` was broken off: go on from there."""
    if job._state == SEALED:
        announce_end(job, SEALED, _NOBODY)


def announce_end(job: Job, state: int, nodes: list[Node]) -> bool:
    """Tell those who wait for `job`, then go on with parents that it was the last child of. False: it has not ended."""
    raised: list[BaseException] = []
    if state == SEALED:
        try:
            nodes = job._seal()
        except BaseException as struck:  # noqa: BLE001  (as below)
            raised.append(struck)
            nodes = job._seal()
    elif state < COMPLETED:
        return False
    stack: list[tuple[Job, Iterator[Node], list[BaseException]]] = [(job, iter(nodes), [])]
    try:
        _announce(stack, raised)
    except BaseException as struck:  # noqa: BLE001  (out of nowhere: the others are owed their call even so)
        for n, (ending, _, errors) in enumerate(stack):
            stack[n] = (ending, iter(list(ending._nodes or ())), errors)
        _announce(stack, raised)
        raised.insert(0, struck)
    if raised:
        raise raised[0]
    return True


def _announce(stack: list[tuple[Job, Iterator[Node], list[BaseException]]], raised: list[BaseException]) -> None:
    """Tell all on `stack`, the last one first, and those whose end that brings about."""
    while stack:
        ending, waiting, errors = stack[-1]
        for node in waiting:
            if isinstance(node, WaitingParent):
                parent = node.parent
                with parent._lock:
                    state, nodes = parent._end_locked()
                if state >= SEALED:
                    stack.append((parent, iter(parent._seal() if state == SEALED else nodes), []))
                    break
            else:
                _fire(node, ending, ending._cause, errors)
        else:
            _report_handlers(ending, errors, raised)
            ending._after_completion()
            ending._nodes = None
            stack.pop()


def _fire(node: Node, job: Job, cause: BaseException | None, errors: list[BaseException]) -> None:
    try:
        try:
            node._fire(job, cause)
        except BaseException:
            node._fire(job, cause)  # in lines of ours perhaps, before it was told: who was told does nothing now
            raise
    except BaseException as raised:  # noqa: BLE001  (every other handler is still owed its call)
        if errors:
            add_suppressed(errors[0], raised)
            return
        error = CompletionHandlerError(f"Exception in completion handler of {job!r}")
        error.__cause__ = raised
        errors.append(error)


def _report_handlers(job: Job, errors: list[BaseException], raised: list[BaseException]) -> None:
    """The handlers of `job` have been called: see to the one failure they made. What nobody takes is to be raised."""
    if errors:
        unreported = job._handler_failed(errors.pop())
        if unreported is not None:
            raised.append(unreported)


def _tell_parent(job: Job, cause: BaseException) -> bool:
    """Offer the final exception upwards. True: nobody needs to report it."""
    if job._scoped:
        return True
    harmless = isinstance(cause, CancellationException)
    parent = job._parent
    if parent is None:
        return harmless
    return parent._child_cancelled(cause) or harmless


def _final_cause(exceptions: list[BaseException]) -> BaseException:
    """The first that is no cancellation; else the first, but another's timeout before one's own."""
    for exception in exceptions:
        if not isinstance(exception, CancellationException):
            return exception
    first = exceptions[0]
    if isinstance(first, TimeoutCancellationException):
        for exception in exceptions:
            if exception is not first and isinstance(exception, TimeoutCancellationException):
                return exception
    return first


NonCancellable: Job = _NonCancellable()
