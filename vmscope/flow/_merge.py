"""Several flows at once: merge, flat_map_merge, the latest family, concurrent map, exhaust; combine and zip.

Counterpart: kotlinx.coroutines.flow.internal.Merge, Combine.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .._errors import CancellationException, DeferredCancelledError
from ..coroutines._context import CoroutineContext, EmptyCoroutineContext
from ..coroutines._coroutine import DeferredCoroutine, StandaloneCoroutine, needed
from ..coroutines._frame import InnerBlock, ScopeCoroutine, in_frame, new_frame
from ..coroutines._job import Job, cancel_tree
from ..coroutines._scope import CoroutineStart, launch_in
from ..coroutines._suspend import suspend
from ..coroutines._time import yield_
from ..sync._channel import CLOSED, BufferOverflow, Channel
from ..sync._semaphore import Semaphore
from ._channels import ChannelRun, produce_into, sends_to
from ._emit import NOTHING, Emit, FlowAborted, FlowCollector, Run, left_of, run_now, then

if TYPE_CHECKING:
    from ..sync._produce import ProducerScope

Left = Iterator[Any] | None
_SUSPEND = BufferOverflow.SUSPEND


class ChildCancelled(CancellationException):
    """A block that a newer value has superseded: cancels that block alone."""

    __module__ = "vmscope.flow"

    def __init__(self) -> None:
        super().__init__("Child of the scoped flow was cancelled")


class FlowCoroutine(InnerBlock):
    """The block of an operator that runs several coroutines: one that ends cancelled ends them all.

    Kotlin: FlowCoroutine.
    """

    __slots__ = ()

    def _child_cancelled(self, cause: BaseException) -> bool:
        return isinstance(cause, ChildCancelled) or cancel_tree(self, cause)


def scoped(block: Callable[..., Generator[Any, Any, Any]], *args: Any) -> Generator[Any, Any, Any]:
    """Run `block` in a scope of its own."""
    return in_frame(new_frame(FlowCoroutine, needed("collect")), block, args)


def launch_here(block: Callable[..., object], *args: Any) -> Job:
    """Start a child of the innermost block that runs here."""
    frame = needed("a flow")._frame
    return launch_in(StandaloneCoroutine, frame, frame._env, block, args, None, CoroutineStart.DEFAULT, None)


class _AroundRun(ChannelRun):
    """A run through a channel that is made of others."""

    __slots__ = ("_given",)

    def __init__(
        self,
        given: tuple[Any, ...],
        context: CoroutineContext = EmptyCoroutineContext,
        capacity: int = Channel.BUFFERED,
        overflow: BufferOverflow = _SUSPEND,
    ) -> None:
        super().__init__(context, capacity, overflow)
        self._given = given

    def with_config(self, context: CoroutineContext, capacity: int, overflow: BufferOverflow) -> ChannelRun:
        return type(self)(self._given, context, capacity, overflow)


class MergeRun(_AroundRun):
    """merge(*flows): each in a coroutine of its own."""

    __slots__ = ()
    start = CoroutineStart.DEFAULT

    def send_all(self, producer: ProducerScope[Any]) -> Generator[Any, Any, None]:
        emit = sends_to(producer.channel)
        for run in self._given:
            producer.launch(run, emit)
        return
        yield


class FlattenRun(_AroundRun):
    """flatten_merge: the flows that are values of another one, `concurrency` of them at a time."""

    __slots__ = ()
    start = CoroutineStart.DEFAULT

    def send_all(self, producer: ProducerScope[Any]) -> Generator[Any, Any, None]:
        run, concurrency = self._given
        semaphore = Semaphore(concurrency)
        emit = sends_to(producer.channel)
        frame = needed("collect")._frame

        def inside(inner: Any) -> Generator[Any, Any, None]:
            try:
                yield from inner._run(emit)
            finally:
                semaphore.release()

        def each(inner: Any) -> Left:
            frame.ensure_active()
            if semaphore.try_acquire():
                producer.launch(inside, inner)
                return None
            return later(inner)

        def later(inner: Any) -> Generator[Any, Any, None]:
            yield from semaphore.acquire()
            producer.launch(inside, inner)

        return run(each)  # type: ignore[no-any-return]


class LatestRun(_AroundRun):
    """transform_latest: the block of a value is cancelled, and waited for, when the next value comes."""

    __slots__ = ()

    def send_all(self, producer: ProducerScope[Any]) -> Generator[Any, Any, None]:
        run, block = self._given
        scope = new_frame(ScopeCoroutine, needed("collect"))  # a block that ends cancelled ends alone
        yield from in_frame(scope, self._latest, (run, block, sends_to(producer.channel)))

    def _latest(self, run: Run, block: Any, emit: Emit) -> Generator[Any, Any, None]:
        previous: Job | None = None
        frame = needed("collect")._frame  # not the one of the moment: that is a flow's further up, while it emits

        def begin(value: Any) -> None:
            nonlocal previous
            previous = launch_in(
                StandaloneCoroutine, frame, frame._env, block, (emit, value), None, CoroutineStart.UNDISPATCHED, None
            )

        def each(value: Any) -> Left:
            if previous is not None:
                return supersede(previous, value)
            begin(value)
            return None

        def supersede(job: Job, value: Any) -> Generator[Any, Any, None]:
            job.cancel(ChildCancelled())
            yield from job.join()
            begin(value)

        return run(each)


def latest_of_transform(block: Callable[[FlowCollector[Any], Any], object]) -> Callable[[Emit, Any], Any]:
    """Return what LatestRun runs for transform_latest."""
    return lambda emit, value: block(FlowCollector(emit), value)


def latest_of_map(function: Callable[[Any], Any]) -> Callable[[Emit, Any], Any]:
    """Return what LatestRun runs for map_latest."""

    def block(emit: Emit, value: Any) -> Generator[Any, Any, None]:
        wait = emit((yield from run_now(function(value))))
        if wait is not None:
            yield from wait

    return block


def latest_of_flows(function: Callable[[Any], Any]) -> Callable[[Emit, Any], Any]:
    """Return what LatestRun runs for flat_map_latest."""

    def block(emit: Emit, value: Any) -> Generator[Any, Any, None]:
        inner = yield from run_now(function(value))
        yield from inner._run(emit)

    return block


class FirstRun(_AroundRun):
    """flat_map_first: values that come while the flow of an earlier one runs are dropped."""

    __slots__ = ()

    def send_all(self, producer: ProducerScope[Any]) -> Generator[Any, Any, None]:
        run, function = self._given
        emit = sends_to(producer.channel)
        block = latest_of_flows(function)
        running: Job | None = None

        def each(value: Any) -> None:
            nonlocal running
            if running is None or running.is_completed:
                running = producer.launch(block, emit, value)

        return run(each)  # type: ignore[no-any-return]


def mapped_concurrently(run: Run, concurrency: int, function: Callable[[Any], Any]) -> Run:
    """Call `function` for up to `concurrency` values at once, and hand the results on in the order of the values."""
    check_concurrency(concurrency)

    def start(emit: Emit) -> Generator[Any, Any, None]:
        return scoped(both, emit)

    def both(emit: Emit) -> Generator[Any, Any, None]:
        room = Semaphore(concurrency)
        answers = produce_into(None, begin_all, room, capacity=Channel.UNLIMITED)
        while True:
            deferred = yield from answers._next()
            if deferred is CLOSED:
                return
            value = yield from deferred.await_()
            room.release()
            wait = emit(value)
            if wait is not None:
                yield from wait

    def begin_all(producer: ProducerScope[Any], room: Semaphore) -> Generator[Any, Any, None]:
        frame = needed("a flow")._frame

        def begin(value: Any) -> None:
            producer.channel.try_send(
                launch_in(DeferredCoroutine, frame, frame._env, function, (value,), None, CoroutineStart.DEFAULT, None)
            )

        def each(value: Any) -> Left:
            if not room.try_acquire():
                return later(value)
            begin(value)
            return None

        def later(value: Any) -> Generator[Any, Any, None]:
            yield from room.acquire()
            begin(value)

        return run(each)

    return start


def check_concurrency(concurrency: object) -> None:
    """Refuse what is no number of flows at once."""
    if isinstance(concurrency, bool) or not isinstance(concurrency, int):
        raise TypeError(f"concurrency must be a whole number, got {concurrency!r}")
    if concurrency < 1:
        raise ValueError(f"Expected positive concurrency level, but had {concurrency}")


# -- combine


def combined(runs: tuple[Run, ...], block: Callable[[Emit, list[Any]], Left]) -> Run:
    """Call `block(emit, values)` with the newest value of each, once each has one, and then after each change."""

    def start(emit: Emit) -> Generator[Any, Any, None]:
        return scoped(combine, emit)

    def combine(emit: Emit) -> Generator[Any, Any, None]:
        size = len(runs)
        if not size:
            return
        channel: Channel[Any] = Channel(size)
        left = [None] * size  # pop() is one step on every build: the last source finds it empty
        for index, run in enumerate(runs):
            launch_here(send, run, index, channel, left)
        latest = [NOTHING] * size
        missing = size
        seen_in = [0] * size
        epoch = 0
        while True:
            epoch += 1
            update: Any = yield from channel._next()
            if update is CLOSED:
                return
            while True:  # take what is there already, up to the second value of one source
                index, value = update
                if latest[index] is NOTHING:
                    missing -= 1
                latest[index] = value
                if seen_in[index] == epoch:
                    break
                seen_in[index] = epoch
                more = channel.try_receive()
                if not more.is_success:
                    break
                update = more.get_or_none()
            if not missing:
                wait = block(emit, list(latest))
                if wait is not None:
                    yield from wait

    def send(run: Run, index: int, channel: Channel[Any], left: list[None]) -> Generator[Any, Any, None]:
        def each(value: Any) -> Generator[Any, Any, None]:
            yield from channel.send((index, value))
            yield from yield_()  # each source gets its turn

        try:
            yield from run(each)
        finally:
            left.pop()
            if not left:
                channel.close()

    return start


def of_values(function: Callable[..., Any]) -> Callable[[Emit, list[Any]], Left]:
    """Return the block of combine: hand on what `function` makes of the values."""
    return lambda emit, values: then(function(*values), emit)


def of_collector(function: Callable[..., object]) -> Callable[[Emit, list[Any]], Left]:
    """Return the block of combine_transform: `function` emits what it likes."""
    return lambda emit, values: left_of(function(FlowCollector(emit), *values))


# -- zip


def zipped(first: Run, second: Run, function: Callable[[Any, Any], Any]) -> Run:
    """Pair the values of two flows; the end of the shorter one ends the other."""

    def start(emit: Emit) -> Generator[Any, Any, None]:
        return in_frame(new_frame(InnerBlock, needed("collect")), pair, (emit,))

    def pair(emit: Emit) -> Generator[Any, Any, None]:
        coroutine = needed("collect")
        outer = coroutine._frame
        other = produce_into(None, lambda producer: second(sends_to(producer.channel)))
        # A job of its own, nobody's child: the first flow ends when the other has, which a cancellation ends as well.
        frame = InnerBlock()
        frame._init_frame(None, outer._env)
        frame._home = outer._home
        abort = FlowAborted(frame)
        other.invoke_on_close(lambda _: frame.cancel(abort) if frame.is_active else None)

        def each(value: Any) -> Generator[Any, Any, None]:
            inner = coroutine._frame
            coroutine._frame = outer  # the other's end cancels what waits above, not what deals with a pair
            try:
                partner = yield from other._next()
                if partner is CLOSED:
                    raise abort
                wait = then(function(value, partner), emit)
                if wait is not None:
                    yield from wait
            finally:
                coroutine._frame = inner

        try:
            coroutine._frame = frame
            yield from first(each)
        except FlowAborted as aborted:
            if aborted.owner is not frame:
                raise
        finally:
            coroutine._frame = outer
            other.cancel()

    return start


@suspend
def race(*blocks: Callable[[], Any]) -> Generator[Any, Any, Any]:
    """Run all blocks at once, and give the result of the first that ends; the others are cancelled and waited for.

    Raises:
        BaseException: What the first one ended with, where that is a failure; or what one of the others raised as it
            cleaned up.
        DeferredCancelledError: The first one ended cancelled, while the caller was not.

    Kotlin: none; a select over onAwait there.
    """
    return (yield from _race(blocks, False))


@suspend
def race_success(*blocks: Callable[[], Any]) -> Generator[Any, Any, Any]:
    """The same, passing over blocks that fail or end cancelled, as long as one is left.

    Raises:
        ExceptionGroup: All have failed.
    """
    return (yield from _race(blocks, True))


def _race(blocks: tuple[Callable[[], Any], ...], only_success: bool) -> Generator[Any, Any, Any]:
    if not blocks:
        raise ValueError("race takes at least one block")
    return (yield from in_frame(new_frame(InnerBlock, needed("race")), _first_of, (blocks, only_success)))


def _first_of(blocks: tuple[Callable[[], Any], ...], only_success: bool) -> Generator[Any, Any, Any]:
    results: Channel[tuple[bool, Any]] = Channel(Channel.UNLIMITED)
    race_job = needed("race")._frame
    told: set[Job] = set()

    def tell(job: Job, succeeded: bool, value: Any) -> None:
        if job not in told:
            told.add(job)
            results.try_send((succeeded, value))

    def run(block: Callable[[], Any]) -> Generator[Any, Any, None]:
        mine = needed("race")
        try:
            value = yield from run_now(block())
        except Exception as failure:
            if not (race_job if only_success else mine).is_active:
                raise  # of its clean-up: nobody reads the results any more
            tell(mine, False, failure)
        else:
            tell(mine, True, value)

    def ended(job: Job, cause: BaseException | None) -> None:
        if isinstance(cause, CancellationException):  # where that is the end of the race, nobody reads it
            error = DeferredCancelledError(f"{job!r} of a race had been cancelled: {cause.reason}")
            error.__cause__ = cause
            tell(job, False, error)

    jobs = [launch_here(run, block) for block in blocks]
    failures: list[Exception] = []
    try:
        for job in jobs:
            job.invoke_on_completion(partial(ended, job))
        while True:
            succeeded, value = yield from results.receive()
            if succeeded:
                return value
            if not only_success:
                raise value
            failures.append(value)
            if len(failures) == len(blocks):
                raise ExceptionGroup("all blocks of race_success failed", failures)
    finally:
        for job in jobs:
            job.cancel(ChildCancelled())
