"""Slots: at most one coroutine of a kind at a time in a scope; what happens to those that come meanwhile.

A slot has the one whose turn it is, and those who wait. One who waits is a coroutine that is not dispatched yet: its
block is not called before its turn comes; where it is cancelled first, it is dispatched to end, and is called never.

    what comes meanwhile
        latest      cancels the one at work and those who wait; with `join` it begins when that one has ended
        drop        goes at once
        queue       waits behind the others
        conflate    waits, in the place of the one that waited

Invariants
    I1  a coroutine is begun once: by its turn or by its cancellation, whichever takes its ticket.
    I2  a slot is in the table of its scope as long as it is somebody's turn: an idle one is forgotten, with its key.
    I3  who waits in a slot has somebody before it, whose end will look for it.
Locks
    That of the tree of the scope guards the table and the slots. A key is a string, a function, a method or a _Local,
    so that no `==` of a user's runs under it.
Counterpart: none; Kotlin's guides launch an actor for each button, Textual has exclusive workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from ._job import Job
from ._suspend import RETURNING

LATEST, LATEST_AFTER, DROP, QUEUE, CONFLATE = range(5)

_SUPERSEDED = "a later launch of its slot has superseded it"
#: Has the slots of what is launched without a job, in GlobalScope.
nobody = Job()


class _Slot:
    """What is at work under one key, and what waits for that to end."""

    __slots__ = ("current", "waiting")

    def __init__(self) -> None:
        self.current: Turn | None = None
        self.waiting: deque[Turn] = deque()

    def is_free_locked(self) -> bool:
        """Nobody is at work or waits. Who joined the last one may come before its handlers have told of its end."""
        return self.current is None or (not self.waiting and bool(self.current.job.is_completed))

    def next_locked(self) -> Turn | None:
        """Make the first who waits the one whose turn it is."""
        self.current = None  # first: a finalizer that comes in between must not wait for one that has gone
        if self.waiting:
            self.current = self.waiting.popleft()
        return self.current


class _Local:
    """The key of a function that was made in a call: equal for all that its `def` makes."""

    __slots__ = ("_made_by", "function")

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        code = function.__code__
        self._made_by = str(function.__qualname__), code.co_filename, code.co_firstlineno

    def __eq__(self, other: object) -> bool:
        return type(other) is _Local and self._made_by == other._made_by

    def __hash__(self) -> int:
        return hash(self._made_by)


class Turn:
    """The turn of one coroutine, `job`, in the slot `key` of the scope whose job is `owner`."""

    __slots__ = ("_owner", "_slot", "_ticket", "job", "key")

    def __init__(self, owner: Job, key: Hashable, slot: _Slot, job: Any) -> None:
        self._owner = owner
        self.key = key
        self._slot = slot
        self._ticket = [None]  # pop() is one step on every build
        self.job = job

    def begin(self) -> None:
        """Dispatch the coroutine, unless somebody has."""
        try:
            self._ticket.pop()
        except IndexError:
            return
        job = self.job
        try:
            if job._dispatcher._needs_dispatch(job):
                job._dispatcher._dispatch(job)
                return
        except BaseException as fault:  # noqa: BLE001  (as for any launch: raised, or the job cancelled)
            job._start_failed(fault)
            return
        job._resume(None, None, RETURNING, None)

    def cancelled(self, cause: BaseException | None) -> None:
        """It was cancelled: one who waits goes, and ends."""
        self._leave()
        self.begin()

    def ended(self, cause: BaseException | None) -> None:
        """It has ended: the next one begins."""
        slot, following = self._slot, None
        with self._owner._lock:
            if slot.current is self:
                following = slot.next_locked()
                if following is None and self._owner._slots.get(self.key) is slot:
                    del self._owner._slots[self.key]
        if following is not None:
            following.begin()

    def _leave(self) -> None:
        with self._owner._lock:
            try:
                self._slot.waiting.remove(self)
            except ValueError:
                pass  # it is at work, or was left out


def is_taken(scope_job: Job | None, key: Hashable) -> bool:
    """Say whether something is at work in the slot, or waits for its turn."""
    owner = scope_job or nobody
    with owner._lock:
        slot = getattr(owner, "_slots", {}).get(key)
        return slot is not None and not slot.is_free_locked()


def take_turn(scope_job: Job | None, key: Hashable, job: Any, policy: int) -> bool:
    """Let `job`, a coroutine of the scope that is not dispatched, begin when the policy says. False: never, it ends."""
    owner = scope_job or nobody
    fresh = _Slot()
    superseded: list[Turn] = []
    begins = dropped = False
    with owner._lock:
        slots: dict[Hashable, _Slot] | None = getattr(owner, "_slots", None)
        if slots is None:
            owner._slots = slots = {}
        slot = slots.setdefault(key, fresh)
        turn = Turn(owner, key, slot, job)
        current, waiting = slot.current, slot.waiting
        if current is None or slot.is_free_locked():
            slot.current = turn
            begins = True
        elif policy == DROP:
            dropped = True
        else:
            if policy in (LATEST, LATEST_AFTER):
                superseded.append(current)
            if policy != QUEUE:
                superseded.extend(waiting)
                waiting.clear()
            if policy == LATEST:
                slot.current = turn
                begins = True
            else:
                waiting.append(turn)
    job.invoke_on_completion(turn.ended)
    job.invoke_on_completion(turn.cancelled, on_cancelling=True)  # also where it was cancelled before this
    for old in superseded:
        old.job.cancel(_SUPERSEDED)
    if dropped:
        job.cancel("its slot is taken")
    elif begins:
        turn.begin()
    return not dropped


def waiting_locked(scope_job: Job) -> list[Any]:
    """Return the coroutines of a scope that wait in its slots for somebody who has not ended."""
    slots: dict[Hashable, _Slot] = getattr(scope_job, "_slots", None) or {}
    taken = [slot for slot in slots.values() if slot.current is not None and not slot.current.job.is_completed]
    return [turn.job for slot in taken for turn in slot.waiting]


def slot_of(scope_job: Job | None, block: Callable[..., object], slot: object, where: str) -> Hashable:
    """Return the key of the slot: its name, or the function's own.

    Raises:
        TypeError: `block` is no function, or one that is another one each time; or `slot` is no name.
    """
    if not callable(block):
        raise TypeError(f"{where} takes a function with its arguments, got {block!r}")
    if slot is not None:
        if not isinstance(slot, str):
            raise TypeError(f"{where} takes the name of a slot as slot=, got {slot!r}")
        return str(slot)
    function: Any = block
    while isinstance(function, partial):
        function = function.func
    if isinstance(function, FunctionType) and function.__name__ == "<lambda>":
        raise TypeError(
            f"{where} got a lambda, which is another function each time, so its slot would never be taken: pass the "
            'function with its arguments, or name the slot, slot="search" say'
        )
    if isinstance(function, FunctionType) and "<locals>" in function.__qualname__:
        return _local_key(scope_job or nobody, function, where)
    if isinstance(function, (FunctionType, MethodType, BuiltinFunctionType)):
        return function
    return id(function), type(function)  # by identity; the coroutine keeps it alive


def _local_key(owner: Job, function: FunctionType, where: str) -> Hashable:
    """Return the key of a function that was made in a call, and refuse it where another call's is at work.

    Whether the two are meant as one, only their author knows: what is made anew for each press of a key is, what is
    made once for each row of a table is not.
    """
    key = _Local(function)
    with owner._lock:
        slot: _Slot | None = getattr(owner, "_slots", {}).get(key)
        at_work: Any = None if slot is None or slot.is_free_locked() else slot.current
    if at_work is not None and at_work.key.function is not function:
        raise TypeError(
            f"{where} got {function.__qualname__}, another function of which is at work: a `def` inside a function is "
            "another one each time, with a slot of its own, so nothing would ever be taken. Define it outside and pass "
            'the arguments, or name the slot, slot="search" say'
        )
    return key
