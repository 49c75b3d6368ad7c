"""Locks, queues, threads and time under the control of a run, and their exchange for the real ones.

Condition, Event, Semaphore, Barrier and queue.Queue are the standard library's own: they are made of what is exchanged
here, so they are controlled as well. A lock that was made before the run is not; in a module that takes part it is
exchanged where it stands as a global.
"""

from __future__ import annotations

import _thread
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..coroutines import _job, _pool, _timer
from ..looper import _looper
from . import _explore_run as runs
from ._explore_places import Place
from ._explore_run import Run, Task, controlled

if TYPE_CHECKING:
    from types import ModuleType

_real: dict[str, Any] = {
    "Lock": threading.Lock, "RLock": threading.RLock, "allocate_lock": _thread.allocate_lock,
    "SimpleQueue": queue.SimpleQueue, "monotonic": time.monotonic, "sleep": time.sleep,
    "start": threading.Thread.start, "join": threading.Thread.join, "is_alive": threading.Thread.is_alive,
}  # fmt: skip
_places: dict[tuple[str, Any], Place] = {}
_made_outside = 0  # since the run before


def _place(verb: str, label: object) -> Place:
    key = (verb, label)
    place = _places.get(key)
    if place is None:
        place = _places[key] = Place(key, True)
    return place


def _label() -> tuple[int, int]:
    """Name what is being made after its maker: the same in every run, whatever the others do meanwhile."""
    global _made_outside
    run = controlled()
    if run is None:
        _made_outside += 1
        return (-1, _made_outside)
    task = run.current
    task.made += 1
    return (task.number, task.made)


def _outside(what: object) -> RuntimeError:
    """Refuse a thread that would have to wait and is not under control: nobody could tell it when to go on."""
    if runs.running is None:
        return RuntimeError(f"wait for {what!r}: it was made in an exploration, which is over, so nobody is left")
    here = threading.current_thread().name
    return RuntimeError(
        f"wait for {what!r} on {here!r}, which is no thread of the program that is explored: "
        "have other threads at rest meanwhile, or start this one in the program"
    )


class _Controlled:
    """What is made is under control; but the real thing where a thread from outside makes it for itself meanwhile."""

    _make_real: Any

    def __new__(cls) -> Any:
        if runs.running is not None and controlled() is None:
            return cls._make_real()
        return super().__new__(cls)

    def __init__(self) -> None:
        self._waiting = 0
        self._label = _label()

    def _wait(self, run: Run, ready: Callable[[], bool], block: bool, timeout: float | None) -> bool:
        """Have the running thread wait until `ready()`. False: it was not to wait, or its time was up."""
        until = None if timeout is None else run.now + timeout
        while not ready():
            if not block:
                return False
            self._waiting += 1
            try:
                if not run.wait(ready, until, repr(self)):
                    return False
            finally:
                self._waiting -= 1
        return True


class ControlledLock(_Controlled):
    """threading.Lock."""

    _make_real: Any = _thread.allocate_lock

    def __init__(self) -> None:
        super().__init__()
        self._owner: object = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        run, owner = controlled(), self._owner
        if run is None:
            if owner is None or (isinstance(owner, Task) and owner.over):  # its holder was abandoned with the run
                self._owner = _thread.get_ident()
                return True
            if blocking:
                raise _outside(self)
            return False
        run.operation(_place("lock", self._label))
        if self._owner is not None:
            if not self._wait(run, lambda: self._owner is None, blocking, timeout if timeout >= 0 else None):
                return False
        self._owner = task = run.current
        task.held |= {self._label}
        if self._waiting:
            run.look_round()
        return True

    def release(self) -> None:
        run, owner = runs.running, self._owner
        if run is not None and run.over:
            self._owner = None
            return
        if owner is None:
            raise RuntimeError("release unlocked lock")
        self._owner = None
        if isinstance(owner, Task):
            owner.held -= {self._label}
            if run is not None:
                run.operation_done()
                if self._waiting:
                    run.look_round()

    def locked(self) -> bool:
        return self._owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._owner = None

    def __repr__(self) -> str:
        return f"lock {self._label[0]}.{self._label[1]}" + (f", which {self._owner} has" if self._owner else "")


class ControlledRLock(ControlledLock):
    """threading.RLock."""

    _make_real: Any = _thread.RLock

    def __init__(self) -> None:
        super().__init__()
        self._thread = 0
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        here = _thread.get_ident()
        if self._thread == here and self._owner is not None:
            self._depth += 1
            if runs.running is not None:
                runs.running.operation_done()
            return True
        if not super().acquire(blocking, timeout):
            return False
        self._thread, self._depth = here, 1
        return True

    def release(self) -> None:
        run = runs.running
        if self._thread != _thread.get_ident():
            if run is not None and run.over:
                return
            raise RuntimeError("cannot release un-acquired lock")
        self._depth -= 1
        if not self._depth:
            self._thread = 0
            super().release()
        elif run is not None:
            run.operation_done()

    def _release_save(self) -> tuple[int, int]:
        state = self._thread, self._depth
        self._thread = self._depth = 0
        super().release()
        return state

    def _acquire_restore(self, state: tuple[int, int]) -> None:
        super().acquire()
        self._thread, self._depth = state

    def _is_owned(self) -> bool:
        return self._thread == _thread.get_ident()


class ControlledSimpleQueue(_Controlled):
    """queue.SimpleQueue: a put is one step and never waits."""

    _make_real: Any = queue.SimpleQueue

    def __init__(self) -> None:
        super().__init__()
        self._items: deque[Any] = deque()

    __class_getitem__ = classmethod(lambda cls, _: cls)

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        run = controlled()
        if run is not None:
            run.operation(_place("queue", self._label))
        self._items.append(item)
        if self._waiting and runs.running is not None:
            runs.running.look_round()

    put_nowait = put

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        run = controlled()
        if run is not None:
            run.operation(_place("queue", self._label))
            if not self._items and not self._wait(run, lambda: bool(self._items), block, timeout):
                raise queue.Empty
        elif not self._items:
            if block:  # also with a timeout: who came back at once would ask again, and go round for ever
                raise _outside(self)
            raise queue.Empty
        item = self._items.popleft()
        if self._waiting and runs.running is not None:
            runs.running.look_round()
        return item

    def get_nowait(self) -> Any:
        return self.get(False)

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"an item in queue {self._label[0]}.{self._label[1]}"


def _start(self: threading.Thread) -> None:
    run = controlled()
    if run is None:
        _real["start"](self)
        return
    if self in run.by_thread:
        raise RuntimeError("threads can only be started once")
    run.operation(_place("thread", "start"))
    runs.mark_started(self)
    run.add(self, body=False)


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    run = controlled()
    other = None if run is None else run.by_thread.get(self)
    if run is None or other is None:
        if not hasattr(self, "_explored"):  # else it was a thread of a run that is over
            _real["join"](self, timeout)
        return
    if other is run.current:
        raise RuntimeError("cannot join current thread")
    run.operation(_place("thread", other.number))
    if not other.over:
        run.wait(lambda: other.over, None if timeout is None else run.now + timeout, f"the end of {other}")


def _is_alive(self: threading.Thread) -> bool:
    run = runs.running
    other = None if run is None else run.by_thread.get(self)
    if other is not None:
        return not other.over
    return not hasattr(self, "_explored") and _real["is_alive"](self)


def _sleep(seconds: float) -> None:
    run = controlled()
    if run is None:
        _real["sleep"](seconds)
        return
    run.operation(_place("time", "sleep"))
    run.wait(lambda: False, run.now + seconds, "its sleep to end")


def _monotonic() -> float:
    run = controlled()
    return float(_real["monotonic"]()) if run is None else 1000.0 + run.now


class Exchange:
    """Puts the controlled kinds in the place of the real ones while it is open.

    Args:
        modules: Whose globals are looked through; `threading`, `queue`, `time` and this package besides.
    """

    def __init__(self, modules: list[ModuleType]) -> None:
        package, explorer = __name__.partition(".")[0], __name__.removesuffix("_locks")
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] == package and not name.startswith(explorer) and module is not None:
                modules = [*modules, module]
        self._modules = dict.fromkeys([threading, queue, time, *modules])
        self._saved: list[tuple[Any, str, Any]] = []
        self._made_before: list[tuple[Any, str, type]] = []

    def _keep(self, holder: Any, *names: str) -> None:
        """Have what stands there now stand there again afterwards."""
        self._saved += [(holder, name, getattr(holder, name)) for name in names]

    def _set(self, holder: Any, name: str, value: object) -> None:
        self._keep(holder, name)
        setattr(holder, name, value)

    def __enter__(self) -> Exchange:
        self._let_the_pool_rest()
        kinds = {
            id(_real["Lock"]): ControlledLock, id(_real["allocate_lock"]): ControlledLock,
            id(_real["RLock"]): ControlledRLock, id(_thread.RLock): ControlledRLock,
            id(_real["SimpleQueue"]): ControlledSimpleQueue, id(_real["monotonic"]): _monotonic,
            id(_real["sleep"]): _sleep,
        }  # fmt: skip
        made = {
            type(_thread.allocate_lock()): ControlledLock, _thread.RLock: ControlledRLock,
            _real["SimpleQueue"]: ControlledSimpleQueue,
        }  # fmt: skip
        for module in self._modules:
            for name, value in list(vars(module).items()):
                if id(value) in kinds:
                    self._set(module, name, kinds[id(value)])
                elif type(value) in made and module not in (threading, queue):
                    self._keep(module, name)
                    self._made_before.append((module, name, made[type(value)]))
        for name, method in (("start", _start), ("join", _join), ("is_alive", _is_alive)):
            self._set(threading.Thread, name, method)
        self._set(threading, "excepthook", self._on_uncaught)
        self._unraisable = sys.unraisablehook
        self._set(sys, "unraisablehook", self._on_unraisable)
        self._save_package()
        return self

    def __exit__(self, *_: object) -> None:
        while self._saved:
            setattr(*self._saved.pop())

    def renew(self) -> None:
        """Before each run: locks that stand in globals, and what a process has one of, are as new."""
        global _made_outside
        _made_outside = 0
        for holder, name, kind in self._made_before:
            setattr(holder, name, kind())
        _pool._after_fork()
        _timer._forget()
        _looper._main = None
        _job.NonCancellable._lock = ControlledRLock()  # type: ignore[assignment]

    def _let_the_pool_rest(self) -> None:
        """Wait, a second at most, until the threads of the shared pool have given up the places of their last tasks.

        One that does so later takes itself off the count of the exploration, and stays for ever on the one kept here.
        """
        for _ in range(1000):
            if _pool.pool.is_at_rest() and not (_pool.Default._running or _pool.IO._running):
                return
            _real["sleep"](0.001)

    def _save_package(self) -> None:
        for shared in (_pool.pool, _pool.Default, _pool.IO):
            names = {name for kind in type(shared).__mro__ for name in getattr(kind, "__slots__", ())} - {"__weakref__"}
            self._keep(shared, *[name for name in names if hasattr(shared, name)])
        self._keep(_timer, "_timers", "_thread")
        self._keep(_looper, "_main")
        self._keep(_job.NonCancellable, "_lock")

    @staticmethod
    def _on_uncaught(told: Any) -> None:
        run = runs.running
        if run is not None and not run.over:
            run.fail("uncaught", f"{told.exc_value!r} reached threading.excepthook, on {told.thread}", told.exc_value)

    def _on_unraisable(self, told: Any) -> None:
        run = runs.running
        if run is not None and not run.over:  # else it is what was given up that complains
            self._unraisable(told)
