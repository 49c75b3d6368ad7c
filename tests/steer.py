"""Enter a race's window on purpose: run something when a thread is about to execute a marked line.

No stress run meets a window of two lines often: 3.11 changes threads at calls and jumps only, and what it hides for
millions of rounds another version shows. A mark is a comment in the source, `# S1 announce`: its first word.
Where the window lies beside a lock no mark is needed: `beside` puts a lock in its place that lets another thread in.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vmscope._primitives import Bell

if TYPE_CHECKING:
    from types import FrameType


def line_of(function: Callable[..., Any], mark: str) -> int:
    """Return the number of the one line of `function` whose comment begins with the word `mark`."""
    lines, first = inspect.getsourcelines(function)
    found = [first + n for n, text in enumerate(lines) if text.partition("# ")[2].split()[:1] == [mark]]
    assert len(found) == 1, f"{function.__qualname__} has {len(found)} lines marked {mark!r}, not one"
    return found[0]


@contextmanager
def before(
    function: Callable[..., Any], mark: str, action: Callable[[], object], *, here: bool = False
) -> Iterator[list[int]]:
    """While the block runs, run `action` once, before the marked line is executed.

    By any thread that starts inside the block, and by this one with `here`. The action runs in a thread of its own and
    has ended when the line goes on. Yields a list that is empty until the line has been met.
    """
    code, line = function.__code__, line_of(function, mark)  # type: ignore[attr-defined]
    met: list[int] = []

    def on_line(frame: FrameType, event: str, arg: object) -> Any:
        if event == "line" and frame.f_lineno == line and not met:
            met.append(line)
            other = threading.Thread(target=action, name=f"steered to {mark}", daemon=True)
            other.start()
            other.join(5)
            assert not other.is_alive(), f"what was to run before {mark} waits for the thread that it stopped"
        return on_line

    def on_call(frame: FrameType, event: str, arg: object) -> Any:
        return on_line if frame.f_code is code else None

    ahead = threading.gettrace()  # what measures the suite, perhaps
    threading.settrace(on_call)
    if here:
        previous = sys.gettrace()
        sys.settrace(on_call)
    try:
        yield met
    finally:
        if here:
            sys.settrace(previous)
        threading.settrace(ahead)  # type: ignore[arg-type]


class _Beside:
    """See `beside`."""

    def __init__(self, lock: Any, action: Callable[[], object], taken: int, released: int) -> None:
        self._lock = lock
        self._action = action
        self._taken = taken
        self._released = released
        self._depth = 0
        self._thread = threading.current_thread()
        self.met = False

    def _let_in(self) -> None:
        self._taken = self._released = 0
        self.met = True
        other = threading.Thread(target=self._action, name="beside a lock", daemon=True)
        other.start()
        other.join(5)
        assert not other.is_alive(), "what was to run beside the lock waits for the thread that it stopped"

    def acquire(self, blocking: bool = True) -> bool:
        if threading.current_thread() is self._thread:
            self._taken -= 1
            if self._taken == 0:
                self._let_in()
        taken: bool = self._lock.acquire(blocking)
        self._depth += taken
        return taken

    def release(self) -> None:
        self._depth -= 1
        depth = self._depth
        self._lock.release()
        if depth == 0 and threading.current_thread() is self._thread:
            self._released -= 1
            if self._released == 0:
                self._let_in()

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()


def beside(
    home: Any, action: Callable[[], object], *, taken: int = 0, released: int = 0, name: str = "_lock"
) -> _Beside:
    """Run `action` once, when this thread is about to take the lock of `home`, or has released it, for the n-th time.

    The lock is the attribute `name`. The number is given as `taken` or as `released`. The action runs in a thread of
    its own and has ended when the thread at the lock goes on. The answer's `met` says whether it came to that.
    """
    lock = _Beside(getattr(home, name), action, taken, released)
    setattr(home, name, lock)
    return lock


class _RobbedDeque(deque[Any]):
    """See `robbed`."""

    action: Callable[[], object] | None

    def popleft(self) -> Any:
        action, self.action = self.action, None
        if action is not None:
            other = threading.Thread(target=action, name="faster", daemon=True)
            other.start()
            other.join(5)
            assert not other.is_alive(), "what was to be faster waits for the thread that it stopped"
        return super().popleft()


def robbed(items: deque[Any], action: Callable[[], object]) -> Any:
    """Return a copy of `items` that runs `action` once, just before its next `popleft()` takes something.

    The action runs in a thread of its own. The answer's `action` is None once it has.
    """
    copy = _RobbedDeque(items, items.maxlen)
    copy.action = action
    return copy


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread to come as far, within a bound."""
    tick = threading.Event()
    for _ in range(10_000):
        if condition():
            return
        tick.wait(0.001)
    raise AssertionError("the other thread did not come as far")


@contextmanager
def held_elsewhere(lock: Any) -> Iterator[None]:
    """While the block runs, another thread holds `lock`: what a fork finds, whose child has no such thread.

    The child may leave the block, too. So its end is told by a bell: an Event has a lock in it, which the other thread
    may hold at the fork just as it begins to wait, and the child would wait for that for ever.
    """
    held, leave = Bell(), Bell()

    def hold() -> None:
        with lock:
            held.ring()
            assert leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    try:
        yield
    finally:
        leave.ring()
        thread.join()


@contextmanager
def struck(
    function: Callable[..., Any], action: Callable[[], object], *, at: str = "call", count: int = 1
) -> Iterator[list[int]]:
    """While the block runs, call `action` once, on this thread, as `function` begins; with `at="return"`, as it ends.

    Where it begins more than once, the `count`-th time.
    So a signal handler or a finalizer comes in, and what another thread does between two lines looks the same from
    here. What the action raises is raised there. Yields a list that is empty until the point has been met.
    """
    code = function.__code__  # type: ignore[attr-defined]
    met: list[int] = []

    def on_event(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        if event == at and frame.f_code is code and not met:
            count -= 1
            if not count:
                met.append(frame.f_lineno)
                action()

    previous = sys.getprofile()
    sys.setprofile(on_event)
    try:
        yield met
    finally:
        sys.setprofile(previous)
