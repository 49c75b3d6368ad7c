"""Handler: posts callables and messages to one looper, and gets the messages back on that looper's thread.

Its searches (remove and has) take a copy of what is pending, ask `==` of the caller's objects outside every lock, and
mark what they found; the producer's path never waits for one.
Counterpart: android.os.Handler.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from .._clock import as_seconds
from .._errors import IllegalStateError, RejectedExecutionError
from .._primitives import Bell, current_thread, wait_in_turns
from ._item import in_order
from ._looper import Looper
from ._message import Message, posted, removing

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")


class Handler:
    """The way to a looper's thread, from any thread.

    A post or send answers True when the queue has taken it. That does not promise that it will run: the looper may
    quit before. It answers False, and never raises, when the looper has quit.

    Args:
        looper: Whose thread; None: the calling thread's.
        callback: Asked before `handle_message` with each message; a true answer is the last word.
        asynchronous: All that goes through this handler overtakes barriers.
    Raises:
        IllegalStateError: No looper was given and the calling thread has none.

    Attributes:
        looper: As given, for life.

    Threads: any, for all but what is called back; posting also in signal handlers, finalizers and weakref callbacks.
    Android: Handler.
    """

    _dispatches_itself = False  # a subclass has its own dispatch_message, which must see posted callables too

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._dispatches_itself = cls.dispatch_message is not Handler.dispatch_message

    def __init__(
        self,
        looper: Looper | None = None,
        callback: Callable[[Message], object] | None = None,
        *,
        asynchronous: bool = False,
    ) -> None:
        if looper is None:
            looper = Looper.my_looper()
            if looper is None:
                raise IllegalStateError(
                    f"make a Handler on {current_thread().name!r}, which has no looper: "
                    "call Looper.prepare() first, or name the looper: Handler(looper)"
                )
        self.looper = looper
        self._queue = looper.queue
        self._callback = callback
        self._asynchronous = asynchronous

    @classmethod
    def create_async(cls, looper: Looper, callback: Callable[[Message], object] | None = None) -> Handler:
        """Return a handler whose messages overtake barriers."""
        return cls(looper, callback, asynchronous=True)

    @property
    def name(self) -> str:
        """The class and the looper's thread, for logs."""
        return f"{type(self).__name__}({self.looper.thread.name})"

    @property
    def is_asynchronous(self) -> bool:
        """Whether its messages overtake barriers."""
        return self._asynchronous

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.looper.thread.name!r}>"

    # ---- what arrives

    def handle_message(self, message: Message) -> None:
        """Take a message that has no callback of its own. For subclasses; does nothing here."""

    def dispatch_message(self, message: Message) -> None:
        """Give the message to its own callback; else to the handler's, and if that is not content, to `handle_message`.

        A subclass that has its own sees posted callables, too.
        """
        if message.callback is not None:
            message.callback()
        elif self._callback is None or not self._callback(message):
            self.handle_message(message)

    # ---- posting callables

    def post(self, fn: Callable[[], object]) -> bool:
        """Have `fn()` called on the looper's thread, after what was posted before.

        Returns:
            True: the queue has it. False: the looper has quit.
        Raises:
            TypeError: `fn` cannot be called.

        Threads: any, at any point.
        """
        if not callable(fn):
            raise _not_callable("post", fn, self)
        message = posted(fn, self, self._asynchronous)
        return self._queue.put(message) or self._refused(message)

    def post_delayed(self, fn: Callable[[], object], delay: float, token: object = None) -> bool:
        """Have `fn()` called after `delay` seconds.

        Args:
            fn: Called without arguments.
            delay: Negative counts as 0; `math.inf` stays pending until it is removed.
            token: Groups posts: `remove_callbacks(fn, token)`, `remove_callbacks_and_messages(token)`.
        Returns:
            As `post`.
        Raises:
            TypeError: `fn` cannot be called, or `delay` is no number.
            ValueError: `delay` is NaN.

        Threads: any, at any point.
        """
        if not callable(fn):
            raise _not_callable("post", fn, self)
        seconds = delay if type(delay) is float and delay == delay else as_seconds("delay", delay)
        message = posted(fn, self, self._asynchronous, token)
        queue = self._queue
        return (queue.put_after(message, seconds) if seconds > 0 else queue.put(message)) or self._refused(message)

    def post_at_time(self, fn: Callable[[], object], when: float, token: object = None) -> bool:
        """Have `fn()` called once the looper's clock (`uptime()` by default) reads `when`. Else as `post_delayed`."""
        if not callable(fn):
            raise _not_callable("post", fn, self)
        seconds = as_seconds("time", when)
        message = posted(fn, self, self._asynchronous, token)
        return self._queue.put_at(message, seconds) or self._refused(message)

    def post_at_front_of_queue(self, fn: Callable[[], object]) -> bool:
        """Have `fn()` called before all that has not begun, the latest such post first. It can starve the others."""
        if not callable(fn):
            raise _not_callable("post", fn, self)
        message = posted(fn, self, self._asynchronous)
        return self._queue.put_front(message) or self._refused(message)

    # ---- sending messages

    def obtain_message(self, what: int = 0, arg1: int = 0, arg2: int = 0, obj: Any = None) -> Message:
        """Return a message for this handler, from the pool where it has one. `message.send_to_target()` sends it."""
        return Message.obtain(self, what, arg1, arg2, obj)

    def send_message(self, message: Message) -> bool:
        """Send `message`, to be dispatched after what was sent before. It belongs to the queue then.

        Returns:
            True: the queue has it. False: the looper has quit, and the message has been recycled.
        Raises:
            IllegalStateError: It is in use: it was sent before.

        Threads: any, at any point.
        """
        self._claim(message)
        return self._queue.put(message) or self._refused(message)

    def send_message_delayed(self, message: Message, delay: float) -> bool:
        """Send `message`, to be dispatched after `delay` seconds. As `send_message`; the delay as in `post_delayed`."""
        return self._send_delayed(message, delay)

    def send_message_at_time(self, message: Message, when: float) -> bool:
        """Send `message`, to be dispatched once the looper's clock reads `when`. As `send_message`."""
        return self._send_at(message, when)

    def send_message_at_front_of_queue(self, message: Message) -> bool:
        """Send `message` in front of all that has not begun, the latest such first. As `send_message`."""
        return self._send_front(message)

    def send_empty_message(self, what: int) -> bool:
        """Send a message that says `what` and no more."""
        return self.send_message(Message.obtain(self, what))

    def send_empty_message_delayed(self, what: int, delay: float) -> bool:
        """Send a message that says `what`, after `delay` seconds."""
        return self._send_delayed(Message.obtain(self, what), delay)

    def send_empty_message_at_time(self, what: int, when: float) -> bool:
        """Send a message that says `what`, once the looper's clock reads `when`."""
        return self._send_at(Message.obtain(self, what), when)

    def execute_or_send_message(self, message: Message) -> bool:
        """Dispatch `message` at once on the looper's own thread; from another thread, send it."""
        if not self.looper.is_current_thread():
            return self.send_message(message)
        message.target = self
        self.dispatch_message(message)
        return True

    def _claim(self, message: Message) -> None:
        if message._in_use:
            raise IllegalStateError(
                f"send {message!r} to {self!r}: it is in use, sent before and not dispatched; obtain another one"
            )
        message._in_use = True
        message.target = self
        if self._asynchronous:
            message.asynchronous = True

    def _send_delayed(self, message: Message, delay: float) -> bool:
        seconds = as_seconds("delay", delay)
        self._claim(message)
        queue = self._queue
        return (queue.put_after(message, seconds) if seconds > 0 else queue.put(message)) or self._refused(message)

    def _send_at(self, message: Message, when: float) -> bool:
        seconds = as_seconds("time", when)
        self._claim(message)
        return self._queue.put_at(message, seconds) or self._refused(message)

    def _send_front(self, message: Message) -> bool:
        self._claim(message)
        return self._queue.put_front(message) or self._refused(message)

    def _refused(self, message: Message) -> bool:
        message._clear()
        return False

    # ---- taking back

    def remove_callbacks(self, fn: Callable[[], object], token: object = None) -> None:
        """Take back every pending post of `fn` by this handler; with a token, of that token. Compares `fn` with `==`.

        What runs now is not stopped.

        Threads: any.
        """
        self._remove(_post_of(fn, token))

    def remove_messages(self, what: int, obj: object = None) -> None:
        """Take back this handler's pending messages that say `what`; with an object, that carry this very object."""
        self._remove(lambda message: _says(message, what) and (obj is None or message.obj is obj))

    def remove_equal_messages(self, what: int, obj: object = None) -> None:
        """Take back this handler's pending messages that say `what`; with an object, that carry an equal one."""
        self._remove(lambda message: _says(message, what) and (obj is None or bool(message.obj == obj)))

    def remove_callbacks_and_messages(self, token: object = None) -> None:
        """Take back all that is pending of this handler; with a token, what carries this very object."""
        self._remove(lambda message: token is None or message.obj is token)

    def remove_callbacks_and_equal_messages(self, token: object = None) -> None:
        """Take back all that is pending of this handler; with a token, what carries an equal object."""
        self._remove(lambda message: token is None or bool(message.obj == token))

    def has_callbacks(self, fn: Callable[[], object], token: object = None) -> bool:
        """Whether a post of `fn` by this handler is pending. Threads: any."""
        return bool(self._find(_post_of(fn, token)))

    def has_messages(self, what: int, obj: object = None) -> bool:
        """Whether a message of this handler that says `what` is pending; with an object, one with this very object."""
        return bool(self._find(lambda message: _says(message, what) and (obj is None or message.obj is obj)))

    def has_equal_messages(self, what: int, obj: object = None) -> bool:
        """Whether a message of this handler that says `what` is pending; with an object, one with an equal one."""
        return bool(self._find(lambda message: _says(message, what) and (obj is None or bool(message.obj == obj))))

    def has_messages_or_callbacks(self) -> bool:
        """Whether anything of this handler is pending. Threads: any."""
        return bool(self._find(lambda message: True))

    def _find(self, matches: Callable[[Message], bool]) -> list[tuple[float, int, Message]]:
        """Return the entries of the queue that hold a message of this handler that matches, in no order."""
        removing.append(None)  # until pop(): what we look at is not recycled into something else (I1 of _message.py)
        try:
            return [
                entry
                for entry in self._queue._entries()
                if isinstance(message := entry[2], Message)
                and message.target is self
                and not message._removed
                and matches(message)
            ]
        finally:
            removing.pop()

    def _remove(self, matches: Callable[[Message], bool]) -> None:
        removing.append(None)
        try:
            found = self._find(matches)
            told: list[tuple[float, int, Any]] = []
            for when, seq, message in found:
                message._removed = True  # where it is due already, its run() sees this, and leaves the callback there
                tell = getattr(message.callback, "rejected", None)
                if tell is not None:
                    told.append((when, seq, tell))
            self._queue._remove_entries(found)
            told.sort(key=in_order)
            for _, _, tell in told:
                tell()
        finally:
            removing.pop()

    # ---- waiting for an answer

    def run_with_scissors(self, fn: Callable[[], object], timeout: float = 0.0) -> bool:
        """Have `fn()` called on the looper's thread and wait until it has been; on that thread, call it here.

        Args:
            fn: Called without arguments. What it raises goes the way of all posts, not to the caller: see `call`.
            timeout: Seconds to wait; 0 waits as long as it takes. When they are up, `fn` stays posted.
        Returns:
            True: it was called. False: the looper has quit, or the time was up.
        Raises:
            ValueError: `timeout` is negative.
        """
        if not timeout >= 0:
            raise ValueError(f"timeout must be >= 0 seconds (0 waits as long as it takes), got {timeout!r}")
        if not callable(fn):
            raise _not_callable("run", fn, self)
        if self.looper.is_current_thread():
            fn()
            return True
        waited = _Waited(fn, keep=False)
        return self.post(waited) and waited.wait(timeout or inf) is not None and waited.done

    def call(self, fn: Callable[[], T], timeout: float | None = None) -> T:
        """Call `fn()` on the looper's thread and return what it returns, or raise what it raises.

        Args:
            fn: Called without arguments; on the looper's own thread at once.
            timeout: Seconds to wait at most. When they are up, `fn` is taken back; where it runs already, it goes on.
        Raises:
            TimeoutError: It did not end in time.
            RejectedExecutionError: The looper has quit, or quit meanwhile.

        Threads: any. Two threads that call each other so wait for ever: post, where you can.
        """
        if not callable(fn):
            raise _not_callable("call", fn, self)
        seconds = inf if timeout is None else as_seconds("timeout", timeout)
        if self.looper.is_current_thread():
            return fn()
        waited = _Waited(fn, keep=True)
        if not self.post(waited):
            raise RejectedExecutionError(f"call {fn!r} on {self.looper!r}: it has quit")
        if waited.wait(seconds) is None:
            self.remove_callbacks(waited)
            raise TimeoutError(f"call {fn!r} on {self.looper!r}: no answer within {timeout} seconds")
        if not waited.done:
            raise RejectedExecutionError(f"call {fn!r} on {self.looper!r}: it quit before, or the call was removed")
        if waited.error is None:
            return waited.value  # type: ignore[no-any-return]
        try:
            raise waited.error
        finally:
            del waited  # the error's traceback holds this frame, which would hold the error

    def as_executor(self) -> Executor:
        """Return an executor of `concurrent.futures` that runs what is submitted on the looper's thread.

        `submit` raises RejectedExecutionError when the looper has quit; a future whose looper quits is cancelled.
        `shutdown` refuses what comes later; it does not quit the looper.
        """
        from ._executor import HandlerExecutor

        return HandlerExecutor(self)

    def dump(self, printer: Callable[[str], object] = print, prefix: str = "") -> None:
        """Print what of this handler is pending. Threads: any."""
        self.looper.dump(printer, prefix, handler=self)


class _Waited:
    """A callable that somebody waits for; stands in the queue as a message's callback."""

    __slots__ = ("_fn", "_keep", "_over", "done", "error", "value")

    def __init__(self, fn: Callable[[], object], *, keep: bool) -> None:
        self._fn = fn
        self._keep = keep  # the outcome is the waiter's; else a failure goes the way of all posts
        self._over = Bell()
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self.value = self._fn()
        except BaseException as error:
            self.error = error
            if not self._keep or isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
        finally:
            self.done = True
            self._over.ring()

    def rejected(self) -> None:
        self._over.ring()

    def wait(self, seconds: float) -> bool | None:
        """Wait until it has run or was dropped; None: the time is up."""
        return self.done if wait_in_turns(self._over.wait, seconds) else None

    def __repr__(self) -> str:
        return repr(self._fn)


def _post_of(fn: object, token: object) -> Callable[[Message], bool]:
    def matches(message: Message) -> bool:
        callback = message.callback
        if callback is None or (token is not None and message.obj is not token):
            return False
        return bool(callback == fn)

    return matches


def _says(message: Message, what: int) -> bool:
    return message.callback is None and message.what == what


def _not_callable(verb: str, fn: object, handler: Handler) -> TypeError:
    return TypeError(f"{verb} {fn!r} to {handler!r}: it cannot be called; give the function, not the result of a call")
