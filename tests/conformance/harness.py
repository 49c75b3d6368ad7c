"""What the twins are written with: the trace, the descriptions, a main looper under a virtual clock.

How to write a twin
    A twin is the translation of one recorded scenario, in `twins/<group>.py`:

        from ..harness import *

        @scenario("tree.cancel_middle")
        def cancel_middle(tr):
            def main():                             # Kotlin: runBlocking { ... }
                job = launch(child)                 # acts on the running coroutine, as Kotlin's receiver does
                yield from yield_()
                job.cancel()
                yield from job.join()
                tr.t(f"end {st(job)}")
            run_blocking(main)

    Same structure, same calls, a line traced at the same places. `import *` gives vmscope's face and what is below.
    Both spellings: write a block as a generator or as `async def`, whichever; each twin is run twice, as written and
    with every generator turned into `async def` and every `async def` into a generator (`twins/__init__.py` rewrites
    the source). A block that never suspends is a plain function in both. Do not put `yield from` into a lambda.

    tr.t(x)               a line; None, True, [1, 2] are printed as Kotlin prints them; in an f-string show(x) does that
    yield from tr.try_t("label", block, *args)
                          Kotlin's tryT around something that suspends: "label -> result" or "label !! d(e)"
    tr.try_now("label", function, *args)
                          the same around plain code
    d(e), chain(e), st(job), sn(job)
                          an exception, the same with causes and suppressed ones, a job's flags, the name of its state
    tr.ceh("N")           a CoroutineExceptionHandler that traces
    Boom("msg", cause)    a plain failure
    with with_main() as m:
                          Kotlin's withMain { m -> }: the body, then m.drain(). m.main is the dispatcher (Kotlin's m),
                          m.immediate; m.now (an int), m.post(fn), m.post_delayed(seconds, fn), m.drain(),
                          m.run_current(), m.step(), m.advance(seconds), m.run_until(condition), m.pending,
                          m.dispatches, m.thread, m.quit(). Dispatchers.Main is it, too
    m = install_main()    the same without the drain at the end
    thread0(fn)           runs fn on another thread and waits
    ManualDispatcher("n") its queue is run by .run_all()
    ms(30)                30 real milliseconds: delay(ms(30)) under run_blocking. On a VMain, delay(30) is delay(30)
    CE                    short for CancellationException
    coroutineContext[K]   current_context()[K]; coroutineContext.job is current_job()

    `except BaseException as e:` is Kotlin's `catch (e: Throwable)`; a bare `raise` its `throw e`.
    What design section 3 forbids goes through `bridges.py`, which `import *` gives, too: b_await, b_await_all,
    b_with_timeout, b_with_timeout_or_none, b_launch, b_async (take a Job in the context), b_now (get_completed of a
    cancelled one), so that the rest of the trace is still compared.
    A scenario that cannot hold at all has its reason in `deviations.py`, and what its twin traces instead.
"""

from __future__ import annotations

import gc
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import vmscope
from vmscope import *
from vmscope import (
    CancellationException,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    Looper,
    as_dispatcher,
    suspend,
)

from .. import virtual_main
from . import rules
from .bridges import *
from .rules import show

CE = CancellationException
LIMIT = 100.0  # seconds: a scenario that takes longer has hung; a race has taken 10, on a machine under load


class Boom(Exception):
    """A plain failure. Kotlin: the harness's RuntimeException."""

    def __init__(self, message: str = "boom", cause: BaseException | None = None) -> None:
        super().__init__(message)
        self.__cause__ = cause


# ---------------------------------------------------------------- descriptions


def message_of(exception: BaseException) -> str:
    """The first line of its message that is not blank, "null" where there is none."""
    if isinstance(exception, CancellationException):
        text = exception.message
    else:
        text = str(exception) if exception.args else None
    if text is None:
        return "null"
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")


def d(exception: BaseException | None) -> str:
    """`Name(message)`."""
    if exception is None:
        return "null"
    name, message = rules.name_of(exception), message_of(exception)
    if name == "CompletionHandlerException":
        message = re.sub("handler .*", "handler", message)  # the rest names internal nodes, on both sides
    return f"{name}({message})"


def chain(exception: BaseException | None, seen: tuple[BaseException, ...] = ()) -> str:
    """`d`, its suppressed ones, and its causes; cycles are cut."""
    if exception is None:
        return "null"
    if any(exception is one for one in seen):
        return f"(again {d(exception)})"
    text = d(exception)
    suppressed = getattr(exception, "suppressed", ())
    if suppressed:
        text += " suppressed=[" + ", ".join(chain(one, (*seen, exception)) for one in suppressed) + "]"
    cause = exception.__cause__
    if cause is not None and cause is not exception:
        text += " <- " + chain(cause, (*seen, exception))
    return text


def st(job: Any) -> str:
    """The three public flags of a job."""
    return f"active={job.is_active:d} completed={job.is_completed:d} cancelled={job.is_cancelled:d}"


def sn(job: Any) -> str:
    """Kotlin's name of the state: New, Active, Completing, Cancelling, Cancelled, Completed."""
    return str(job.state_name)


def ms(milliseconds: float) -> float:
    """Real milliseconds, for what runs under `run_blocking`."""
    return milliseconds / 1000


# ---------------------------------------------------------------- the trace


class Tr:
    """The recorder that a twin gets."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.closed = False

    def t(self, line: Any) -> None:
        """Add a line."""
        if not self.closed:
            self.lines.append(show(line))

    def ceh(self, name: str = "CEH") -> Any:
        """A CoroutineExceptionHandler that records what it got."""
        return CoroutineExceptionHandler(lambda _context, exception: self.t(f"{name} got {chain(exception)}"))

    @suspend
    def try_t(self, label: str, block: Callable[..., Any], *args: Any) -> Any:
        """Run the block, which may suspend, and record how it ended."""
        try:
            result = block(*args)
            if hasattr(result, "__await__") or hasattr(result, "send"):
                result = yield from result
        except GeneratorExit:
            raise
        except BaseException as exception:  # noqa: BLE001  (it is what is recorded)
            self.t(f"{label} !! {d(exception)}")
        else:
            self.t(f"{label} -> {show(result)}")

    def try_now(self, label: str, function: Callable[..., Any], *args: Any) -> None:
        """Call the plain function and record how it ended."""
        try:
            result = function(*args)
        except BaseException as exception:  # noqa: BLE001  (it is what is recorded)
            self.t(f"{label} !! {d(exception)}")
        else:
            self.t(f"{label} -> {show(result)}")


# ---------------------------------------------------------------- loopers, threads, dispatchers


class _CountingQueue(MessageQueue):
    """The queue of a VMain: it knows how often a coroutine was dispatched to it."""

    __slots__ = ()

    def put(self, item: Any) -> bool:
        if isinstance(item, Job):  # a coroutine stands in the queue itself
            self.clock.__self__.dispatched += 1  # type: ignore[attr-defined]
        return super().put(item)


class VMain(virtual_main.VMain):
    """The main looper of this thread as the recorded scenarios have it: a dispatcher and a looper in one.

    Attributes:
        main, immediate: The dispatchers.
        dispatches: How often a coroutine was dispatched to them.
        now: Virtual seconds, which are the milliseconds of the reference; an int where they are whole.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dispatched = 0
        self.looper.queue.__class__ = _CountingQueue
        self.thread = threading.current_thread()
        self.main: Any = as_dispatcher(vmscope.Handler(self.looper), name="Main")
        self.immediate = self.main.immediate

    @property
    def now(self) -> Any:
        return int(self._now) if self._now.is_integer() else self._now

    @now.setter
    def now(self, seconds: float) -> None:
        self._now = float(seconds)

    @property
    def dispatches(self) -> int:
        return self.dispatched

    @dispatches.setter
    def dispatches(self, ran: int) -> None:
        """The base counts what ran."""

    @property
    def pending(self) -> int:
        """How many messages wait."""
        lines: list[str] = []
        self.looper.dump(lines.append)
        return sum(line.lstrip().startswith("message ") for line in lines)

    def quit(self) -> None:
        """Let the looper quit."""
        self.looper.quit()


def install_main() -> VMain:
    """A fresh looper on the calling thread, behind Dispatchers.Main."""
    return VMain()


@contextmanager
def with_main() -> Iterator[VMain]:
    """A fresh looper on the calling thread; the body queues work, then everything is drained."""
    m = install_main()
    yield m
    m.drain()


def thread0(function: Callable[[], object]) -> None:
    """Run `function` on another thread and wait for that thread."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


class ManualDispatcher(CoroutineDispatcher):
    """A dispatcher whose queue is run by hand."""

    def __init__(self, name: str = "Manual") -> None:
        super().__init__()
        self.name = name
        self.q: deque[Any] = deque()

    def dispatch(self, context: Any, block: Any) -> None:
        self.q.append(block)

    def run_all(self) -> None:
        while self.q:
            self.q.popleft().run()

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


# ---------------------------------------------------------------- registry and runner

Twin = Callable[[Tr], None]
_registered: dict[str, Twin] = {}


def scenario(name: str) -> Callable[[Twin], Twin]:
    """Register the decorated function as the twin of the recorded scenario `name`."""

    def register(twin: Twin) -> Twin:
        assert name not in _registered, f"two twins of {name}"
        _registered[name] = twin
        return twin

    return register


def taken() -> dict[str, Twin]:
    """The twins registered since the last call."""
    found = dict(_registered)
    _registered.clear()
    return found


def trace_of(name: str, twin: Twin, limit: float = LIMIT) -> list[str]:
    """Run the twin on a thread of its own and return its lines; HUNG is added after `limit` seconds."""
    tr = Tr(name)
    before = threading.excepthook

    def body() -> None:
        try:
            twin(tr)
        except BaseException as exception:  # noqa: BLE001  (it is what is recorded)
            tr.t(f"ESCAPED {chain(exception)}")
            tr.escaped = exception  # type: ignore[attr-defined]  # for who looks into a failing twin

    threading.excepthook = lambda hook: tr.t(f"UNCAUGHT {chain(hook.exc_value)}")
    gc.disable()  # a collection closes what earlier scenarios left suspended, and their `finally` would run in this one
    try:
        thread = threading.Thread(target=body, name="scenario", daemon=True)
        thread.start()
        thread.join(limit)
        if thread.is_alive():
            tr.t("HUNG")
        tr.closed = True
        Looper.set_main_for_test(None)
        return tr.lines
    finally:
        gc.enable()
        threading.excepthook = before


def differences(expected: list[str], actual: list[str]) -> str:
    """Empty if equal; else both side by side."""
    left, right = list(map(rules.comparable, expected)), list(map(rules.comparable, actual))
    if left == right:
        return ""
    length = max(len(left), len(right))
    left += ["<end>"] * (length - len(left))
    right += ["<end>"] * (length - len(right))
    return "\n".join(
        f"{'  ' if one == other else '!='} {one:60} | {other}" for one, other in zip(left, right, strict=True)
    )


__all__ = [name for name in dir() if not name.startswith("_") and name not in ("annotations", "gc", "re")]
