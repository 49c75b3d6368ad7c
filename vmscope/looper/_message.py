"""Message: what a handler puts into the queue.

Life: made or obtained -> in use, from the send on -> dispatched, refused or rejected -> recycled, to be obtained again.
What a post makes is not: it is dropped after its one turn.
Invariants
    I1  While somebody looks through a queue for messages to remove (`removing` is not empty), nothing returns to the
        pool: what he found cannot be another message by the time he marks it.
Counterpart: android.os.Message.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .._errors import IllegalStateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._handler import Handler

#: Messages that may be obtained again. A bounded deque: append and pop are one step, and the 51st drops the first.
pool: deque[Message]

#: One token for each search that is under way (I1). A searcher adds his token and then copies the inbox, the consumer
#: pops a message and then looks here: with or without the GIL, a copy that holds the message was seen coming.
removing: deque[None] = deque()


class Message:
    """A note to a handler: small numbers, an object, or a callable to run.

    `Message.obtain()` is the cheaper way to one. A message that was sent belongs to the queue, which clears it after
    the dispatch: neither read it nor send it again then.

    Attributes:
        what: Which kind; the handler's own numbering.
        arg1: A number that goes with it.
        arg2: Another one.
        obj: Anything that goes with it; for a posted callable, its token.
        reply_to: Whom to answer, by agreement of the two.
        target: The handler that gets it.
        callback: Called in place of the handler, where set.
        asynchronous: Overtakes the queue's barriers.
        when: When it is due, in seconds of the queue's clock; set by sending it.

    Android: Message.
    """

    __slots__ = (
        "_data", "_in_use", "_removed", "arg1", "arg2", "asynchronous", "callback", "obj", "reply_to", "target", "what",
        "when",
    )  # fmt: skip
    what: int
    arg1: int
    arg2: int
    asynchronous: bool
    when: float

    def __init__(
        self,
        what: int = 0,
        arg1: int = 0,
        arg2: int = 0,
        obj: Any = None,
        *,
        target: Handler | None = None,
        callback: Callable[[], object] | None = None,
        reply_to: Any = None,
        asynchronous: bool = False,
    ) -> None:
        self.what = what
        self.arg1 = arg1
        self.arg2 = arg2
        self.obj: Any = obj
        self.target: Handler | None = target
        self.callback: Callable[[], object] | None = callback
        self.reply_to: Any = reply_to
        self.asynchronous = asynchronous
        self.when = 0.0
        self._data: dict[str, Any] | None = None
        self._in_use = False
        self._removed = False

    @staticmethod
    def obtain(
        handler: Handler | None = None,
        what: int = 0,
        arg1: int = 0,
        arg2: int = 0,
        obj: Any = None,
        *,
        callback: Callable[[], object] | None = None,
    ) -> Message:
        """Return a message with these fields, from the pool where it has one.

        Threads: any.
        Android: Message.obtain, in all its forms.
        """
        message = obtain()
        message.target = handler
        message.what = what
        message.arg1 = arg1
        message.arg2 = arg2
        message.obj = obj
        message.callback = callback
        return message

    @property
    def data(self) -> dict[str, Any]:
        """More that goes with it, by name; the dict is made when first asked for."""
        data = self._data
        if data is None:
            data = self._data = {}
        return data

    @data.setter
    def data(self, data: dict[str, Any] | None) -> None:
        self._data = data

    @property
    def is_in_use(self) -> bool:
        """Whether it is in a queue or being dispatched."""
        return self._in_use

    def copy_from(self, other: Message) -> None:
        """Take over what `other` says: all but its time, target and callback. `data` is copied, one level deep."""
        self.what = other.what
        self.arg1 = other.arg1
        self.arg2 = other.arg2
        self.obj = other.obj
        self.reply_to = other.reply_to
        self._data = None if other._data is None else dict(other._data)

    def send_to_target(self) -> bool:
        """Send it to its handler. Returns as `Handler.send_message`.

        Raises:
            ValueError: It has no target.
        """
        if self.target is None:
            raise ValueError(f"send {self!r} to its target: it has none; give it a handler first")
        return self.target.send_message(self)

    def recycle(self) -> None:
        """Clear it and return it to the pool; do not touch it any more.

        Raises:
            IllegalStateError: It is in use: the looper recycles it after the dispatch.
        """
        if self._in_use:
            raise IllegalStateError(f"recycle {self!r}: it is still in use; the looper recycles what it has dispatched")
        self._clear()

    def _clear(self) -> None:
        self.what = self.arg1 = self.arg2 = 0
        self.obj = self.target = self.callback = self.reply_to = self._data = None
        self.asynchronous = self._in_use = self._removed = False
        self.when = 0.0
        if not removing:
            pool.append(self)

    # ---- as an item of the queue

    def run(self) -> None:
        """Dispatch it and recycle it. Called by the queue."""
        if self._removed:
            return  # who did that tells the callback
        target = self.target
        if target is not None:
            callback = self.callback
            if callback is None or target._dispatches_itself:  # noqa: SLF001
                target.dispatch_message(self)
            else:
                callback()
        self._clear()

    def rejected(self) -> None:
        """Drop it: the queue died with it, or its run failed. A callback that has a `rejected` method hears of it."""
        if not self._in_use or self._removed:  # whoever removed it tells it
            return
        callback = self.callback
        self._clear()
        if callback is not None:
            tell = getattr(callback, "rejected", None)
            if tell is not None:
                tell()

    def __repr__(self) -> str:
        parts = [f"when={self.when:.6g}"] if self._in_use else []
        callback, target = self.callback, self.target  # read once: its looper may be through with it meanwhile
        if callback is not None:
            parts.append(f"callback={getattr(callback, '__qualname__', None) or repr(callback)}")
        else:
            parts.append(f"what={self.what}")
        parts += [f"{name}={value}" for name in ("arg1", "arg2") if (value := getattr(self, name))]
        if self.obj is not None:
            parts.append(f"obj={self.obj!r}")
        if target is not None:
            parts.append(f"target={target.name}")
        if self.asynchronous:
            parts.append("asynchronous")
        return f"<Message {' '.join(parts)}>"


class Posted(Message):
    """The message of a posted callable: made for one post, dropped after it.

    To make one is as cheap as to clean one for the pool, which a flood of posts empties anyway: a post from another
    thread with its run takes 0.07 us less so, of 0.62 (3.11).
    """

    __slots__ = ()
    if TYPE_CHECKING:

        def __new__(cls) -> Posted: ...

    else:
        __init__ = object.__init__  # `posted` sets the fields

    def _clear(self) -> None:
        self.callback = self.target = self.obj = None
        self._in_use = False


def posted(fn: Callable[[], object], target: Handler, asynchronous: bool, token: object = None) -> Posted:
    """Return the message of a post, in use already."""
    message = Posted()  # without a call of a Python __init__: 0.16 us of 0.23 (3.11)
    message.what = message.arg1 = message.arg2 = 0
    message.obj = token
    message.target = target
    message.callback = fn
    message.reply_to = message._data = None
    message.asynchronous = asynchronous
    message.when = 0.0
    message._in_use = True
    message._removed = False
    return message


pool = deque(maxlen=50)


def obtain() -> Message:
    """Return an empty message, from the pool where it has one: 50 ns instead of 120 (3.11)."""
    try:
        return pool.pop() if pool else Message()
    except IndexError:  # another thread took the last one in between
        return Message()
