"""ViewModel: what a screen knows and does, with a scope for its work that ends when it is cleared.

Invariants
    V1  one scope for a ViewModel, for ever, whoever asks first and when.
    V2  once `clear()` has returned nobody sees a live scope or an unclosed closeable of it, also not by a call that
        raced with the clear: whether it is cleared is asked under the lock that the closeables are kept under.
    V3  everything is closed once and `on_cleared` is called once, whatever fails; then `on_cleared_async` is started.
Locks
    `_Inside.lock` guards `cleared`, `ended`, `scope`, `keyed` and `unkeyed`. Nothing a caller brings runs under it:
    closeables are closed, handlers called and Dispatchers.Main looked up outside. Only empty Jobs and the scope are
    made under it, and the lock of such a Job's tree taken. `scope` is read without it: it goes from None to the one
    object, once.
Counterpart: androidx.lifecycle.ViewModel, and ViewModelImpl for closing order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import BuiltinMethodType, MethodType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol, TypeAlias, cast, overload

from .._errors import CancellationException, IllegalStateError
from .._primitives import RLock
from ..coroutines._context import CoroutineContext, EmptyCoroutineContext
from ..coroutines._exceptions import CoroutineExceptionHandler, report_globally
from ..coroutines._job import Job, SupervisorJob
from ..coroutines._main import Main, has_main
from ..coroutines._scope import CoroutineScope, scope_of
from ._cleanup import clear_and_join, endings_of, nothing, seal, start_clean_up

if TYPE_CHECKING:
    from types import TracebackType

    from ..coroutines._job import CompletableJob
    from ..coroutines._suspend import Suspending
    from ..flow._events import EventFlow

#: What is told of failures: a function of (context, exception), or a CoroutineExceptionHandler.
ExceptionHandler: TypeAlias = "Callable[[CoroutineContext, BaseException], object] | CoroutineExceptionHandler"


class SupportsClose(Protocol):
    """Has a `close()`."""

    def close(self) -> object: ...


class SupportsExit(Protocol):
    """An entered context manager."""

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None, /
    ) -> object: ...


Closeable: TypeAlias = "SupportsClose | SupportsExit | CoroutineScope | Callable[[], object]"

# The scope stands among the keyed closeables, at the place of its first access, as it does in AndroidX.
_SCOPE_KEY = "vmscope.view_model_scope"


class HandlerSlot:
    """The exception handler of a store, shared with its ViewModels, which do not keep the store itself alive."""

    __slots__ = ("handler", "outer")

    def __init__(self, handler: ExceptionHandler | None, outer: HandlerSlot | None = None) -> None:
        self.handler = handler
        self.outer = outer  # of the store around it

    def find(self) -> ExceptionHandler | None:
        """Return the handler of the store, or of the nearest one around it that has any."""
        slot: HandlerSlot | None = self
        while slot is not None:
            if slot.handler is not None:
                return slot.handler
            slot = slot.outer
        return None


class _Inside:
    """What the library keeps for a ViewModel: one object, so that a subclass shares one name with it and no more."""

    __slots__ = (
        "broken", "cleared", "ended", "ends", "failures", "handlers", "keyed", "leaving", "lock", "own", "scope",
        "unkeyed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.lock = RLock()
        self.cleared = False
        self.broken = False  # the clear was broken off by a failure in lines of ours: the next one goes on with it
        self.leaving: list[tuple[str, Any]] = []  # what it closes, under its key
        self.ends: list[Callable[[], object]] | None = None  # what it has still to call, last first
        self.failures: EventFlow[BaseException] | None = None
        self.ended: CompletableJob | None = None  # from the clear on: complete when nothing goes on any more
        self.scope: CoroutineScope | None = None
        self.own = True
        self.keyed: dict[str, Any] = {}
        self.unkeyed: dict[object, Any] = {}  # by what makes it the same one again
        self.handlers: HandlerSlot | None = None


class _Failures:
    """`ViewModel.failures`. Not a property, so that a subclass may have an attribute of that name for itself."""

    def __get__(self, view_model: ViewModel | None, owner: type) -> EventFlow[BaseException]:
        """The failures of the scope as a flow, kept while nobody collects: each one goes to one collector, once.

        Made at the first look. From then on a failure that nothing else takes is sent here, and to a handler, if there
        is one; without one it is not reported elsewhere. A cancellation is never sent. An injected scope with a handler
        of its own does not send.
        """
        if view_model is None:
            raise AttributeError("failures belong to a ViewModel, not to its class")
        inside = _inside(view_model)
        flow = inside.failures
        if flow is None:
            from ..flow._events import EventFlow  # here: most programs collect no failures, and import no flows

            with inside.lock:
                flow = inside.failures
                if flow is None:
                    flow = inside.failures = EventFlow()
        return flow


class ViewModel:
    """What a screen knows and does. Work launched in its `view_model_scope` is cancelled when it is cleared.

    Whoever owns it, mostly a ViewModelStore, calls `clear()` when the screen is gone for good. A subclass that does
    not call `super().__init__()` works all the same.

    Args:
        scope: Its context, with its own dispatcher, handler and job, is that of `view_model_scope`, instead of one made
            at the first access.
        closeables: Closed with the ViewModel; see `add_closeable`.
        own: Whether `clear()` cancels `scope`. False for a scope that others use, too.

    Raises:
        IllegalStateError: A scope is given after `view_model_scope` was read.

    Attributes:
        exception_handler: Called as `handler(context, exception)` for a failure of the scope that nothing else takes.
            Set it any time, or define it as a method: it is looked up when the failure happens. None hands it on to
            the store's, then to `default_exception_handler`, then to the route of every coroutine, which ends at
            `threading.excepthook`. A cancellation is never a failure. An injected scope has the handler of its own
            context instead.
        default_exception_handler: The same for all ViewModels: `ViewModel.default_exception_handler = report`.
        failures: The failures of the scope as an EventFlow, kept while nobody collects. Made at the first look; from
            then on a failure that nothing else takes is sent here and to the handler, if there is one.
        cleanup_timeout: How many seconds `on_cleared_async` may take; `math.inf` for as long as it likes.

    Threads: any, for everything here; `clear()` closes on the calling thread.
    AndroidX: ViewModel.
    """

    exception_handler: ExceptionHandler | None = None
    default_exception_handler: ClassVar[ExceptionHandler | None] = None
    failures: _Failures = _Failures()
    cleanup_timeout: float = 5.0

    def __init__(self, scope: CoroutineScope | None = None, *closeables: Closeable, own: bool = True) -> None:
        inside = _inside(self)
        if scope is not None:
            if not isinstance(scope, CoroutineScope):
                raise TypeError(f"a ViewModel takes a CoroutineScope or None, got {scope!r}")
            view = scope_of(scope.coroutine_context)  # a scope of its own on the same job, as in AndroidX
            with inside.lock:
                taken = inside.scope
                if taken is None:
                    inside.own = own
                    inside.keyed[_SCOPE_KEY] = view
                    inside.scope = view
            if taken is not None:
                raise IllegalStateError(
                    f"{_name(self)} was given a scope after its view_model_scope was read: "
                    "call super().__init__(scope) before anything is launched"
                )
        for closeable in closeables:
            self.add_closeable(closeable)

    @property
    def view_model_scope(self) -> CoroutineScope:
        """The scope for its work: a SupervisorJob on Dispatchers.Main.immediate, cancelled by `clear()`.

        Made at the first access. Where there is no main thread, coroutines run on Dispatchers.Default. After `clear()`
        it is the same scope, cancelled: what is launched there never runs.

        Kotlin: viewModelScope; asked for first after clear(), that one is another one each time.
        """
        inside = _inside(self)
        scope = inside.scope  # without the lock: None, or the one there will ever be
        return _make_scope(self, inside) if scope is None else scope

    @property
    def is_cleared(self) -> bool:
        """Whether `clear()` was called."""
        return _inside(self).cleared

    @overload
    def add_closeable(self, closeable: Closeable, /) -> None: ...
    @overload
    def add_closeable(self, key: str, closeable: Closeable, /) -> None: ...
    def add_closeable(self, *args: Any) -> None:
        """Have something closed when the ViewModel is cleared; at once, here, where that has happened.

        Args:
            key: `get_closeable(key)` finds it again. What stood under the key is closed.
            closeable: Has a `close()`, is a context manager that was entered, a CoroutineScope (which is cancelled),
                or is a function to call. Without a key the same one is kept once.
        Raises:
            TypeError: It is none of these.
        """
        if len(args) not in (1, 2):
            raise TypeError(f"add_closeable takes a closeable, or a key and a closeable, got {len(args)} arguments")
        closeable = args[-1]
        _closing(closeable)
        inside = _inside(self)
        if len(args) == 1:
            same = _identity(closeable)
            with inside.lock:
                late = inside.cleared
                if not late:
                    inside.unkeyed.setdefault(same, closeable)
            if late:
                _closing(closeable)()
            return
        key = args[0]
        if not isinstance(key, str):
            raise TypeError(f"add_closeable(key, closeable) takes a string as the key, got {key!r}")
        if key == _SCOPE_KEY:
            raise ValueError(f"{key!r} is the key of view_model_scope: give a scope to the constructor instead")
        with inside.lock:
            if inside.cleared:
                leaving = closeable
            else:
                leaving = inside.keyed.get(key)
                inside.keyed[key] = closeable
        if leaving is not None:
            _closing(leaving)()

    def get_closeable(self, key: str) -> Any:
        """Return what was added under `key`, closed or not; None where nothing was."""
        return _inside(self).keyed.get(key)

    def clear(self) -> None:
        """End it: close what it has, then call `on_cleared()`. A second call, at whatever time, does nothing at all.

        Closed are first those with a key, among them the scope, then those without, each in the order in which they
        came. So the scope is cancelled by the time `on_cleared` is called. Last, `on_cleared_async` is started.

        Raises:
            ExceptionGroup: What a close or `on_cleared` raised; all were called before (a BaseExceptionGroup, where
                one of them is no Exception).

        Threads: any; whoever owns the ViewModel calls it, on the main thread as a rule.
        AndroidX: ViewModel.clear, which stops at the first failure and calls onCleared again the second time.
        """
        inside = _inside(self)
        try:
            with inside.lock:
                if inside.cleared and not inside.broken:
                    return
                if not inside.cleared:
                    ended = SupervisorJob()
                    inside.leaving = [*inside.keyed.items(), *(("", each) for each in inside.unkeyed.values())]
                    inside.ended = ended
                    inside.unkeyed = {}  # the keyed ones stay, so that they are found, closed, and not made again
                    inside.cleared = True
                inside.broken = False
            self._close(inside)
        except BaseExceptionGroup:
            raise
        except BaseException:
            inside.broken = inside.cleared
            raise

    def _close(self, inside: _Inside) -> None:
        """Close all, or what a clear that was broken off has left."""
        ended, leaving = inside.ended, inside.leaving
        assert ended is not None
        if inside.ends is None:
            ends = [*(self._end_of(key, each) for key, each in leaving), self.on_cleared]
            if _cleans_up(self):
                ends.append(lambda: _start_clean_up(self, ended))
            ends.reverse()
            inside.ends = ends
        try:
            call_all(f"clear() of {_name(self)}", inside.ends)
        except BaseException:
            for key, each in leaving:  # once more: it may not have come to that
                if isinstance(each, CoroutineScope) and (key != _SCOPE_KEY or inside.own):
                    _cancel_cleared(self, each)
            raise
        finally:
            seal(ended, (job for key, each in leaving for job in _left_behind(inside, key, each)))
        inside.leaving = []

    def clear_and_join(self) -> Suspending[None]:
        """Clear it, then wait until its coroutines have ended and its clean-up is over. A second call waits, too.

        Waited for are the coroutines of the scopes that the clear has cancelled, `view_model_scope` among them unless
        `own` is False, and `on_cleared_async`.

        Raises:
            ExceptionGroup: What `clear()` raised, once the waiting is over. Not what the clean-up raised.
            CancellationException: The caller was cancelled, which does not touch the clean-up. It may well be a
                coroutine of the ViewModel itself.

        Threads: called in a coroutine of whoever owns the ViewModel. Main must be free to run, so no `run_blocking`
            there.
        """
        return clear_and_join(self.clear, lambda: unended(self))

    def _end_of(self, key: str, closeable: Any) -> Callable[[], object]:
        if key != _SCOPE_KEY:
            return _closing(closeable)
        return (lambda: _cancel_cleared(self, closeable)) if _inside(self).own else (lambda: None)

    def on_cleared(self) -> None:
        """Called once by `clear()`, after everything was closed: override it."""

    def on_cleared_async(self) -> Any:
        """Clean-up that suspends, a last save perhaps: override it, as a generator or an `async def`.

        `clear()` starts it after `on_cleared()`, and does not wait for it: `clear_and_join()` does. It runs on
        Dispatchers.Main.immediate, where there is no main thread on Dispatchers.Default, in a coroutine of its own that
        outlives the ViewModel, for `cleanup_timeout` seconds at most. Then it is cancelled, and a TimeoutError goes
        where its failures go: to the exception handler of the ViewModel. `view_model_scope` is cancelled by then;
        `launch` and `async_` inside are children of the clean-up.
        """
        return nothing()

    def __reduce_ex__(self, protocol: Any, /) -> NoReturn:
        raise TypeError(
            f"{_name(self)} cannot be pickled or copied: its scope belongs to this process. "
            "Keep what should last in a plain object, and make a new ViewModel from that"
        )


# ---- inside

#: Told of each ViewModel the first time that it is used: the guard of a test keeps track of them.
watch: Callable[[ViewModel], object] | None = None


def _inside(view_model: ViewModel) -> _Inside:
    """Return what the library keeps for `view_model`, made at the first call: its __init__ may not have run."""
    # In the instance's dictionary, not in a slot or by setattr: a slot forbids a second base with a layout of its own
    # (QObject), and setattr may be the user's. setdefault is one step on every build.
    own = view_model.__dict__
    try:
        return cast("_Inside", own["_vmscope_inside"])
    except KeyError:
        inside = cast("_Inside", own.setdefault("_vmscope_inside", _Inside()))
        if watch is not None:
            watch(view_model)
        return inside


def _name(view_model: ViewModel) -> str:
    return type(view_model).__qualname__


def _cleans_up(view_model: ViewModel) -> bool:
    return getattr(view_model.on_cleared_async, "__func__", None) is not ViewModel.on_cleared_async


def _start_clean_up(view_model: ViewModel, ended: CompletableJob) -> None:
    scope = _inside(view_model).scope
    handler = None if scope is None else scope.coroutine_context.get(CoroutineExceptionHandler)
    if handler is None:
        handler = late = _LateHandler(view_model)
        ended.invoke_on_completion(late.forget)
    start_clean_up(ended, _name(view_model), view_model.on_cleared_async, view_model.cleanup_timeout, handler)


def _left_behind(inside: _Inside, key: str, closeable: Any) -> tuple[Job, ...]:
    """Return what may go on though `closeable` was closed."""
    if not isinstance(closeable, CoroutineScope):
        return endings_of(closeable)
    if key == _SCOPE_KEY and not inside.own:
        return ()
    job = closeable.coroutine_context.get(Job)
    return () if job is None else (job,)


def unended(view_model: ViewModel) -> tuple[Job, ...]:
    """Return the Job that is complete when nothing of a cleared ViewModel goes on any more; nothing, where it is so."""
    ended = _inside(view_model).ended
    return () if ended is None or ended.is_completed else (ended,)


def adopt(view_model: ViewModel, handlers: HandlerSlot) -> None:
    """Let failures in the scope of `view_model` find the handler of the store that it stands in."""
    _inside(view_model).handlers = handlers


def clear_all(what: str, ends: Iterable[Callable[[], object]]) -> None:
    """Call every one of `ends`, then raise what they raised as one group."""
    call_all(what, [*ends][::-1])


def call_all(what: str, ends: list[Callable[[], object]]) -> None:
    """As `clear_all`, last first, and each is taken out of `ends` as it is called."""
    failures: list[BaseException] = []
    while ends:
        try:
            end = ends[-1]
            del ends[-1]
            end()
        except BaseException as failure:  # noqa: BLE001  (whatever one raises, the others are still owed their call)
            failures.append(failure)
    if failures:
        raise BaseExceptionGroup(f"{what} failed", failures)


# ---- the scope


class _LateHandler(CoroutineExceptionHandler):
    """Looks for the handler to call when a failure happens: the ViewModel's, its store's, the default, nobody's.

    It keeps the ViewModel, because a clean-up may fail after whoever owned that has let go of it. The circle
    (ViewModel, scope, handler, ViewModel) is cut when the job of the scope has ended and nothing can fail any more.
    """

    __slots__ = ("_view_model",)

    def __init__(self, view_model: ViewModel) -> None:
        self._view_model: ViewModel | None = view_model

    def handle_exception(self, context: CoroutineContext, exception: BaseException) -> None:
        """Tell the handler of the moment."""
        handler = self._find()
        view_model = self._view_model
        flow = None if view_model is None else _inside(view_model).failures
        if flow is not None:
            flow.send(exception)
        if handler is None:
            if flow is None:
                report_globally(context, exception)
        elif isinstance(handler, CoroutineExceptionHandler):
            handler.handle_exception(context, exception)
        else:
            handler(context, exception)

    def _find(self) -> ExceptionHandler | None:
        view_model = self._view_model
        if view_model is None:
            return None
        handler = view_model.exception_handler
        if handler is None:
            handlers = _inside(view_model).handlers
            handler = None if handlers is None else handlers.find()
        # Looked up on the class: on an instance a function would become a method.
        return type(view_model).default_exception_handler if handler is None else handler

    def forget(self, cause: BaseException | None) -> None:
        """The job of the scope has ended."""
        self._view_model = None

    def __repr__(self) -> str:
        return "the ViewModel's exception handler"


class ViewModelScope(CoroutineScope):
    """What a ViewModel makes for itself: its coroutines have the handler that looks for the one to call.

    The handler is in what they inherit, not in the context of the scope itself, which holds a job and a dispatcher and
    nothing else, as in Kotlin: no handler is *set* there.
    """

    __slots__ = ()

    def __init__(self, view_model: ViewModel, dispatcher: CoroutineContext) -> None:
        job = SupervisorJob()
        super().__init__(job + dispatcher)
        handler = _LateHandler(view_model)
        job.invoke_on_completion(handler.forget)
        self._env = self._env.plus(handler)

    def __add__(self, context: CoroutineContext) -> CoroutineScope:
        if not isinstance(context, CoroutineContext):
            return NotImplemented
        return scope_of(self._env.context + self.coroutine_context + context)


def _make_scope(view_model: ViewModel, inside: _Inside) -> CoroutineScope:
    # No main thread: a program without a screen, a plain unit test. What a factory of Main's does, it does out here.
    dispatcher = Main.immediate if has_main() else EmptyCoroutineContext
    with inside.lock:
        if inside.scope is None:
            scope = ViewModelScope(view_model, dispatcher)
            if inside.cleared:
                _cancel_cleared(view_model, scope)
            if inside.scope is None:  # a finalizer on this thread may have come first: the lock lets it in
                inside.keyed[_SCOPE_KEY] = scope
                inside.scope = scope
        return inside.scope


def _cancel_cleared(view_model: ViewModel, scope: CoroutineScope) -> None:
    job = scope.coroutine_context.get(Job)
    if job is None:
        return  # a scope of the user's own making, without a job: nothing to cancel, as in Kotlin
    # The words are Kotlin's; what was cleared stands in the note, in tracebacks.
    why = CancellationException("Job was cancelled", job=job, source="clear")
    why.add_note(f"{_name(view_model)} was cleared")
    job.cancel(why)


# ---- closing


def _closing(closeable: Any) -> Callable[[], object]:
    """Return the call that closes `closeable`.

    Raises:
        TypeError: It cannot be closed.
    """
    if isinstance(closeable, CoroutineScope):
        return closeable.cancel  # not its __exit__: that waits
    close = getattr(closeable, "close", None)
    if callable(close):
        return cast("Callable[[], object]", close)
    leave = getattr(closeable, "__exit__", None)
    if callable(leave):
        return lambda: leave(None, None, None)
    if callable(closeable):
        return cast("Callable[[], object]", closeable)
    raise TypeError(f"{closeable!r} cannot be closed: a close(), a context manager or a function is needed")


def _identity(closeable: Any) -> object:
    """Return what two looks at one closeable have in common: a bound method is another object at each look."""
    # Not the closeable itself as a key: its __eq__ and __hash__ are the user's, and would run under our lock.
    if isinstance(closeable, MethodType):
        return id(closeable.__self__), id(closeable.__func__)
    if isinstance(closeable, BuiltinMethodType):
        return id(closeable.__self__), closeable.__name__
    return id(closeable)
