"""Flow: the class that users see. Each method is one line around a function of the files above it.

Counterpart: kotlinx.coroutines.flow.Flow and its extension functions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from math import inf
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from ..coroutines._context import EmptyCoroutineContext
from ..coroutines._job import SupervisorJob
from ..coroutines._pool import Default
from ..coroutines._scope import CoroutineScope
from ..coroutines._suspend import Call, Suspending
from ..sync._channel import CLOSED, BufferOverflow, Channel, ReceiveChannel
from ..sync._line import block as wait_here
from . import _channels, _failures, _merge, _operators, _terminals, _timed
from ._emit import NOTHING, Emit, FlowCollector, Run, run_now
from ._iterate import FlowIterator

if TYPE_CHECKING:
    from ..coroutines._context import CoroutineContext
    from ..coroutines._dispatcher import CoroutineDispatcher
    from ..coroutines._job import Job
    from ..lifecycle._lifecycle import Lifecycle, LifecycleOwner
    from ..lifecycle._live_data import LiveData
    from ..lifecycle._states import State
    from ._hot import SharedFlow, StateFlow
    from ._operators import IndexedValue
    from ._started import SharingStarted

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R")
K = TypeVar("K")
V = TypeVar("V")
U = TypeVar("U")


class Flow(Generic[T_co]):
    """Values over time, made anew for each who collects them: nothing happens before that.

    Made by `flow`, `flow_of`, `as_flow`, `channel_flow`, `callback_flow`. Operators give a new flow; what suspends
    (`collect`, `first`, `to_list`...) is awaited, and runs the flow in the calling coroutine. The functions that
    operators take may be plain, generator functions or coroutine functions.

    In an `async def` also `async for value in flow:`; left early, the flow is closed in that coroutine.
    Threads: a flow is immutable and may be collected anywhere, also by several at once.
    Kotlin: Flow.
    """

    __slots__ = ("_start",)
    _start: Run

    def __init__(self, start: Run) -> None:
        self._start = start

    def _run(self, emit: Emit) -> Generator[Any, Any, None]:
        return self._start(emit)

    def _failing(self, name: str, run: Run) -> Flow[T_co]:
        """Return the flow of `run`, that of the operator `name`, which waits for a failure."""
        return Flow(run)

    def _ending(self, name: str) -> Run:
        """Return the run for a terminal operator that needs the end of the flow."""
        return self._run

    def _fusible(self) -> Run:
        """Return the run that neighbours may join theirs with: their channels, or their stages."""
        return getattr(self, "_start", self._run)

    # -- terminals

    def collect(self, block: Callable[[T_co], object] | None = None) -> Suspending[None]:
        """Run the flow to its end; `block(value)` deals with each value before the next is made.

        Raises:
            BaseException: What the flow or the block raised.

        Threads: called in a coroutine. Kotlin: collect.
        """
        if block is not None and not callable(block):
            raise TypeError(f"collect() takes a function of a value, got {block!r}")
        return Call("collect", _terminals.collected, (self._run, block))

    def collect_indexed(self, block: Callable[[int, T_co], object]) -> Suspending[None]:
        """Run the flow; `block(index, value)` deals with each value."""
        return Call("collect_indexed", _terminals.collected_indexed, (self._run, block))

    def collect_latest(self, block: Callable[[T_co], object]) -> Suspending[None]:
        """Run the flow; a new value cancels the block of the value before it, if that still runs."""
        return Call("collect_latest", self._latest(_merge.latest_of_map(block)).buffer(0)._collected, ())

    def _collected(self) -> Generator[Any, Any, None]:
        return _terminals.collected(self._run, None)

    def launch_in(self, scope: CoroutineScope) -> Job:
        """Collect it in a coroutine of `scope`; what to do with the values is said by `on_each`."""
        return scope.launch(self._collected)

    def produce_in(self, scope: CoroutineScope) -> ReceiveChannel[T_co]:
        """Collect it in a coroutine of `scope`, into the channel that is returned. Cancel the channel to end it."""
        return _channels.as_channel_run(self._fusible()).produce(scope)

    def first(self, predicate: Callable[[T_co], object] | None = None) -> Suspending[T_co]:
        """Give the first value, or the first that fits, and end the flow.

        Raises:
            NoSuchElementError: There is none.
        """
        return Call("first", _terminals.first, (self._run, predicate, NOTHING))

    def first_or_none(self, predicate: Callable[[T_co], object] | None = None) -> Suspending[T_co | None]:
        """The same, with None where there is none."""
        return Call("first_or_none", _terminals.first, (self._run, predicate, None))

    def last(self) -> Suspending[T_co]:
        """Give the last value.

        Raises:
            NoSuchElementError: There is none.
        """
        return Call("last", _terminals.last, (self._ending("last"), NOTHING))

    def last_or_none(self) -> Suspending[T_co | None]:
        """The same, with None where there is none."""
        return Call("last_or_none", _terminals.last, (self._ending("last_or_none"), None))

    def single(self) -> Suspending[T_co]:
        """Give the only value.

        Raises:
            NoSuchElementError: There is none.
            ValueError: There are more.
        """
        return Call("single", _terminals.single, (self._ending("single"),))

    def single_or_none(self) -> Suspending[T_co | None]:
        """The same, with None where there is none, or more."""
        return Call("single_or_none", _terminals.single_or_none, (self._run,))

    def to_list(self) -> Suspending[list[T_co]]:
        """Give all values in a list."""
        return Call("to_list", _terminals.to_list, (self._ending("to_list"),))

    def to_set(self) -> Suspending[set[T_co]]:
        """Give all values in a set."""
        return Call("to_set", _terminals.to_set, (self._ending("to_set"),))

    def count(self, predicate: Callable[[T_co], object] | None = None) -> Suspending[int]:
        """Count the values, or those that fit."""
        return Call("count", _terminals.counted, (self._ending("count"), predicate))

    @overload
    def fold(self, initial: R, operation: Callable[[R, T_co], Generator[Any, Any, R]]) -> Suspending[R]: ...
    @overload
    def fold(self, initial: R, operation: Callable[[R, T_co], Awaitable[R]]) -> Suspending[R]: ...
    @overload
    def fold(self, initial: R, operation: Callable[[R, T_co], R]) -> Suspending[R]: ...
    def fold(self, initial: Any, operation: Callable[[Any, T_co], Any]) -> Suspending[Any]:
        """Give what `operation(accumulated, value)` makes of `initial`, value after value."""
        return Call("fold", _terminals.folded, (self._ending("fold"), initial, operation))

    def reduce(self, operation: Callable[[Any, T_co], Any]) -> Suspending[T_co]:
        """The same, with the first value as the beginning.

        Raises:
            NoSuchElementError: There is no value.
        """
        return Call("reduce", _terminals.folded, (self._ending("reduce"), NOTHING, operation))

    def any_(self, predicate: Callable[[T_co], object]) -> Suspending[bool]:
        """Say whether a value fits; ends the flow at the first that does."""
        return Call("any_", _terminals.found, (self._run, predicate, True, True))

    def all_(self, predicate: Callable[[T_co], object]) -> Suspending[bool]:
        """Say whether all values fit; ends the flow at the first that does not."""
        return Call("all_", _terminals.found, (self._run, predicate, False, False))

    def none_(self, predicate: Callable[[T_co], object]) -> Suspending[bool]:
        """Say whether no value fits; ends the flow at the first that does."""
        return Call("none_", _terminals.found, (self._run, predicate, True, False))

    def associate(self, pair: Callable[[T_co], tuple[K, V]]) -> Suspending[dict[K, V]]:
        """Give a dict of the pairs `(key, value)` that `pair` makes; of the same key, the last one stays."""
        return Call("associate", _terminals.associated, (self._ending("associate"), pair, None, True))

    def associate_by(self, key: Callable[[T_co], K]) -> Suspending[dict[K, T_co]]:
        """Give a dict of the values by their keys."""
        return Call("associate_by", _terminals.associated, (self._ending("associate_by"), key, None))

    def associate_with(self, value: Callable[[T_co], V]) -> Suspending[dict[T_co, V]]:
        """Give a dict with the values as keys."""
        return Call("associate_with", _terminals.associated, (self._ending("associate_with"), None, value))

    @overload
    def group_by(self, key: Callable[[T_co], K]) -> Suspending[dict[K, list[T_co]]]: ...
    @overload
    def group_by(self, key: Callable[[T_co], K], value: Callable[[T_co], V]) -> Suspending[dict[K, list[V]]]: ...
    def group_by(self, key: Callable[[T_co], Any], value: Callable[[T_co], Any] | None = None) -> Suspending[Any]:
        """Give a dict of lists: the values of each key."""
        return Call("group_by", _terminals.grouped, (self._ending("group_by"), key, value))

    # -- transform and choose

    @overload
    def map(self, function: Callable[[T_co], Generator[Any, Any, R]]) -> Flow[R]: ...
    @overload
    def map(self, function: Callable[[T_co], Awaitable[R]]) -> Flow[R]: ...
    @overload
    def map(self, function: Callable[[T_co], R]) -> Flow[R]: ...
    def map(self, function: Callable[[T_co], Any]) -> Flow[Any]:
        """Hand on `function(value)`."""
        return Flow(_operators.mapped(self._fusible(), _checked(function, "map")))

    @overload
    def map_not_none(self, function: Callable[[T_co], Generator[Any, Any, R | None]]) -> Flow[R]: ...
    @overload
    def map_not_none(self, function: Callable[[T_co], Awaitable[R | None]]) -> Flow[R]: ...
    @overload
    def map_not_none(self, function: Callable[[T_co], R | None]) -> Flow[R]: ...
    def map_not_none(self, function: Callable[[T_co], Any]) -> Flow[Any]:
        """Hand on `function(value)`, unless that is None."""
        return Flow(_operators.mapped_not_none(self._fusible(), _checked(function, "map_not_none")))

    def filter(self, predicate: Callable[[T_co], object]) -> Flow[T_co]:
        """Hand on the values that fit."""
        return Flow(_operators.filtered(self._fusible(), _checked(predicate, "filter")))

    def filter_not(self, predicate: Callable[[T_co], object]) -> Flow[T_co]:
        """Hand on the values that do not fit."""
        return Flow(_operators.filtered(self._fusible(), _checked(predicate, "filter_not"), False))

    def filter_is_instance(self, kind: type[R]) -> Flow[R]:
        """Hand on the values of one class."""
        return Flow(_operators.filtered(self._fusible(), lambda value: isinstance(value, kind)))

    def filter_not_none(self: Flow[R | None]) -> Flow[R]:
        """Hand on the values that are not None."""
        return Flow(_operators.filtered(self._fusible(), lambda value: value is not None))

    def transform(self, block: Callable[[FlowCollector[Any], T_co], object]) -> Flow[Any]:
        """Let `block(collector, value)` emit what it likes for each value."""
        return Flow(_operators.transformed(self._run, _checked(block, "transform")))

    def transform_while(self, block: Callable[[FlowCollector[Any], T_co], object]) -> Flow[Any]:
        """The same, until the block answers with something false: then the flow above is ended."""
        return Flow(_operators.transformed_while(self._run, _checked(block, "transform_while")))

    def on_each(self, block: Callable[[T_co], object]) -> Flow[T_co]:
        """Call `block(value)` before each value is handed on."""
        return Flow(_operators.each_seen(self._fusible(), _checked(block, "on_each")))

    def with_index(self) -> Flow[IndexedValue[T_co]]:
        """Hand on each value with its number, from 0, as a pair `(index, value)`."""
        return Flow(_operators.indexed(self._run))

    @overload
    def scan(self, initial: R, operation: Callable[[R, T_co], Generator[Any, Any, R]]) -> Flow[R]: ...
    @overload
    def scan(self, initial: R, operation: Callable[[R, T_co], Awaitable[R]]) -> Flow[R]: ...
    @overload
    def scan(self, initial: R, operation: Callable[[R, T_co], R]) -> Flow[R]: ...
    def scan(self, initial: Any, operation: Callable[[Any, T_co], Any]) -> Flow[Any]:
        """Hand on `initial`, then each step of `fold`."""
        return Flow(_operators.folded(self._run, initial, _checked(operation, "scan")))

    running_fold = scan  #: Kotlin: runningFold.

    def running_reduce(self, operation: Callable[[Any, T_co], Any]) -> Flow[T_co]:
        """Hand on the first value, then each step of `reduce`."""
        return Flow(_operators.folded(self._run, NOTHING, _checked(operation, "running_reduce")))

    def chunked(self, size: int | None = None, within: float | None = None) -> Flow[list[T_co]]:
        """Hand on lists: of `size` values, or of what came `within` seconds after the first of them, or either.

        Args:
            size: How many; the last list may be shorter. None for any number.
            within: Seconds. Zero makes a list of all that waits at the moment: as small as the collector is fast.

        Raises:
            ValueError: A size below 1, a negative time, or neither is given.

        With `within` the flow above runs ahead in a coroutine of its own.
        Kotlin: chunked, which knows the size alone.
        """
        if within is not None:
            return Flow(_timed.chunked_within(self._run, size, within))
        if size is None:
            raise ValueError("chunked() takes a size, or within= seconds, or both")
        return Flow(_operators.chunked(self._run, size))

    # -- limit, compare

    def take(self, count: int) -> Flow[T_co]:
        """Hand on the first `count` values; then the flow above is ended, its `finally` run.

        Raises:
            ValueError: `count` is not positive.
        """
        return Flow(_operators.taken(self._run, count))

    def take_while(self, predicate: Callable[[T_co], object]) -> Flow[T_co]:
        """Hand values on up to the first that does not fit; then the flow above is ended."""
        return Flow(_operators.taken_while(self._run, _checked(predicate, "take_while")))

    def drop(self, count: int) -> Flow[T_co]:
        """Hand on what comes after the first `count` values.

        Raises:
            ValueError: `count` is negative.
        """
        return Flow(_operators.dropped(self._run, count))

    def drop_while(self, predicate: Callable[[T_co], object]) -> Flow[T_co]:
        """Hand on the first value that does not fit, and all after it."""
        return Flow(_operators.dropped_while(self._run, _checked(predicate, "drop_while")))

    def distinct_until_changed(self, are_equivalent: Callable[[Any, Any], object] | None = None) -> Flow[T_co]:
        """Drop a value that equals the one before it, by `==` or by `are_equivalent(old, new)`."""
        return Flow(_operators.distinct(self._run, None, are_equivalent))

    def distinct_until_changed_by(self, key: Callable[[T_co], object]) -> Flow[T_co]:
        """Drop a value whose key equals that of the one before it."""
        return Flow(_operators.distinct(self._run, _checked(key, "distinct_until_changed_by"), None))

    # -- flatten

    def flat_map_concat(self, function: Callable[[T_co], Flow[R]]) -> Flow[R]:
        """Run the flow that `function(value)` gives, to its end, value after value."""
        return self.map(function).flatten_concat()

    def flat_map_merge(self, function: Callable[[T_co], Flow[R]], concurrency: int = 16) -> Flow[R]:
        """Run the flows that `function(value)` gives, up to `concurrency` at once."""
        return self.map(function).flatten_merge(concurrency)

    def flat_map_latest(self, function: Callable[[T_co], Flow[R]]) -> Flow[R]:
        """Run the flow that `function` gives for the newest value; a new value cancels the one before it."""
        return self._latest(_merge.latest_of_flows(_checked(function, "flat_map_latest")))

    def flat_map_first(self, function: Callable[[T_co], Flow[R]]) -> Flow[R]:
        """Run the flow that `function(value)` gives; values that come meanwhile are dropped.

        Kotlin: none; other libraries call it exhaust.
        """
        return Flow(_merge.FirstRun((self._run, _checked(function, "flat_map_first"))))

    def flatten_concat(self: Flow[Flow[R]]) -> Flow[R]:
        """Run the flows that are the values of this one, one after another."""
        return Flow(_operators.concatenated(self._run))

    def flatten_merge(self: Flow[Flow[R]], concurrency: int = 16) -> Flow[R]:
        """Run the flows that are the values of this one, up to `concurrency` at once."""
        _merge.check_concurrency(concurrency)
        return Flow(_merge.FlattenRun((self._run, concurrency))) if concurrency > 1 else self.flatten_concat()

    # -- latest and concurrent

    def _latest(self, block: Callable[[Emit, Any], Any]) -> Flow[Any]:
        return Flow(_merge.LatestRun((self._run, block)))

    @overload
    def map_latest(self, function: Callable[[T_co], Generator[Any, Any, R]]) -> Flow[R]: ...
    @overload
    def map_latest(self, function: Callable[[T_co], Awaitable[R]]) -> Flow[R]: ...
    @overload
    def map_latest(self, function: Callable[[T_co], R]) -> Flow[R]: ...
    def map_latest(self, function: Callable[[T_co], Any]) -> Flow[Any]:
        """Hand on `function(value)`; a new value cancels the function of the one before it, if that still runs."""
        return self._latest(_merge.latest_of_map(_checked(function, "map_latest")))

    def transform_latest(self, block: Callable[[FlowCollector[Any], T_co], object]) -> Flow[Any]:
        """Let `block(collector, value)` emit; a new value cancels the block of the one before it."""
        return self._latest(_merge.latest_of_transform(_checked(block, "transform_latest")))

    @overload
    def map_concurrent(
        self, concurrency: int, function: Callable[[T_co], Generator[Any, Any, R]], ordered: bool = True
    ) -> Flow[R]: ...
    @overload
    def map_concurrent(
        self, concurrency: int, function: Callable[[T_co], Awaitable[R]], ordered: bool = True
    ) -> Flow[R]: ...
    @overload
    def map_concurrent(self, concurrency: int, function: Callable[[T_co], R], ordered: bool = True) -> Flow[R]: ...
    def map_concurrent(self, concurrency: int, function: Callable[[T_co], Any], ordered: bool = True) -> Flow[Any]:
        """Hand on `function(value)`, calling it for up to `concurrency` values at once.

        Args:
            concurrency: How many run, or wait to be handed on, at most.
            function: What it raises ends the flow, and the others.
            ordered: In the order of the values; or each as soon as it is there.

        Kotlin: none; flatMapMerge, which keeps no order.
        """
        _checked(function, "map_concurrent")
        if ordered:
            return Flow(_merge.mapped_concurrently(self._run, concurrency, function))
        return self.flat_map_merge(_ones(function), concurrency).buffer(0)  # with room in between they would run ahead

    def filter_concurrent(
        self, concurrency: int, predicate: Callable[[T_co], object], ordered: bool = True
    ) -> Flow[T_co]:
        """Hand on the values that fit, asking for up to `concurrency` of them at once."""
        _checked(predicate, "filter_concurrent")

        def verdict(value: Any) -> Generator[Any, Any, tuple[bool, Any]]:
            fits = yield from run_now(predicate(value))
            return bool(fits), value

        judged = self.map_concurrent(concurrency, verdict, ordered)
        return judged.filter(lambda pair: pair[0]).map(lambda pair: pair[1])

    # -- several

    @overload
    def zip_with(self, other: Flow[U]) -> Flow[tuple[T_co, U]]: ...
    @overload
    def zip_with(self, other: Flow[U], function: Callable[[T_co, U], R]) -> Flow[R]: ...
    def zip_with(self, other: Flow[Any], function: Callable[[Any, Any], Any] | None = None) -> Flow[Any]:
        """Pair the values of both; ends with the shorter, and ends the other."""
        return Flow(_merge.zipped(self._run, _checked_flow(other, "zip_with")._run, function or _pair))

    @overload
    def combine_with(self, other: Flow[U]) -> Flow[tuple[T_co, U]]: ...
    @overload
    def combine_with(self, other: Flow[U], function: Callable[[T_co, U], R]) -> Flow[R]: ...
    def combine_with(self, other: Flow[Any], function: Callable[[Any, Any], Any] | None = None) -> Flow[Any]:
        """Hand on `function(newest of this, newest of other)` whenever one of them has a new value. See `combine`."""
        runs = (self._run, _checked_flow(other, "combine_with")._run)
        return Flow(_merge.combined(runs, _merge.of_values(function or _pair)))

    # -- beginnings, ends, failures

    def on_start(self, block: Callable[..., object]) -> Flow[T_co]:
        """Run `block(collector)`, or `block()`, before the flow; it may emit."""
        return Flow(_failures.started(self._run, block))

    def on_empty(self, block: Callable[..., object]) -> Flow[T_co]:
        """Run `block(collector)`, or `block()`, where the flow ends without a value; it may emit."""
        return Flow(_failures.if_empty(self._run, block))

    def on_completion(self, block: Callable[..., object]) -> Flow[T_co]:
        """Run `block(cause)`, or `block(collector, cause)`, when the flow is over, whatever ended it.

        `cause` is None only where the flow above ran to its end: its failure, one of the collector's, a cancellation,
        and a `take` or `first` below that needs no more all arrive as a cause. Without a cause the block may emit.
        """
        return Flow(_failures.completed(self._run, block))

    def catch(self, block: Callable[..., object]) -> Flow[T_co]:
        """Run `block(failure)`, or `block(collector, failure)`, in place of a failure of the flow above; it may emit.

        What comes from below, from the collector or an operator after this one, passes through untouched; so does the
        cancellation of the coroutine that collects.
        """
        return self._failing("catch", _failures.caught(self._run, block))

    def retry(self, retries: float = inf, predicate: Callable[[BaseException], object] | None = None) -> Flow[T_co]:
        """Run the flow above again after a failure, `retries` times at most, as long as `predicate(failure)` says so.

        Raises:
            ValueError: `retries` is not positive.
        """
        return self._failing("retry", _failures.retried(self._run, retries, predicate))

    def retry_when(self, predicate: Callable[..., object]) -> Flow[T_co]:
        """Run the flow above again as long as `predicate(failure, attempt)` says so; attempts count from 0.

        The predicate may suspend, to wait before it answers; as `predicate(collector, failure, attempt)` it may emit.
        """
        return self._failing("retry_when", _failures.retried_when(self._run, predicate))

    def retry_backoff(
        self, retries: float = inf, first: float = 0.1, factor: float = 2.0, longest: float = 30.0,
        jitter: float = 0.0, on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
    ) -> Flow[T_co]:  # fmt: skip
        """Run the flow above again after a failure of the kind `on`, each time after a longer wait.

        Args:
            retries: How often, at most.
            first: Seconds before the first time.
            factor: How much longer each wait is than the one before.
            longest: Seconds that no wait exceeds.
            jitter: How far chance moves each wait: 0.1 by up to a tenth, either way.
            on: Which failures.

        Kotlin: none; retryWhen with a delay.
        """
        run = _failures.retried_with_backoff(self._run, retries, first, factor, longest, jitter, on)
        return self._failing("retry_backoff", run)

    # -- context and buffer

    def flow_on(self, context: CoroutineContext) -> Flow[T_co]:
        """Let everything above run in `context`, on another dispatcher say. What stands below is not touched.

        Another dispatcher means a coroutine of its own, and a buffer of 64 between them: a `buffer` after it sets the
        size.

        Raises:
            ValueError: There is a Job in `context`.
        """
        return Flow(_channels.flowing_on(self._fusible(), context))

    def buffer(
        self, capacity: int = Channel.BUFFERED, on_overflow: BufferOverflow = BufferOverflow.SUSPEND
    ) -> Flow[T_co]:
        """Let the flow above run ahead, in a coroutine of its own, by up to `capacity` values (64 by default).

        A failure above overtakes the values that are still in the buffer.

        Raises:
            ValueError: A negative capacity; or CONFLATED with a policy.
        """
        return Flow(_channels.buffered(self._fusible(), capacity, on_overflow))

    def conflate(self) -> Flow[T_co]:
        """Let the flow above run ahead; a slow collector gets the newest value, and none of those it missed."""
        return self.buffer(Channel.CONFLATED)

    def cancellable(self) -> Flow[T_co]:
        """Look for a cancellation before each value, where the flow itself does not: `as_flow`, `flow_of`."""
        return Flow(_operators.cancellable(self._run))

    # -- time

    def debounce(self, timeout: float | Callable[[T_co], object]) -> Flow[T_co]:
        """Hand a value on once nothing newer has come for `timeout` seconds; the last one at the end of the flow.

        Args:
            timeout: Seconds, or a function that gives them for each value.

        Raises:
            ValueError: It is negative.
        """
        return Flow(_timed.debounced(self._run, timeout))

    def sample(self, period: float) -> Flow[T_co]:
        """Hand on the newest value every `period` seconds, if there is a new one; what came last is dropped at the end.

        Raises:
            ValueError: It is not positive.
        """
        return Flow(_timed.sampled(self._run, period))

    def timeout(self, seconds: float) -> Flow[T_co]:
        """Fail with a TimeoutError where the next value takes longer than `seconds`; `catch` below sees it."""
        return Flow(_timed.timed_out(self._fusible(), seconds))

    def throttle(self, window: float, leading: bool = True, trailing: bool = False) -> Flow[T_co]:
        """Hand on at most one value every `window` seconds.

        Args:
            window: Seconds, from a value that was handed on.
            leading: The first value goes on at once and opens a window.
            trailing: The newest value of a window goes on at its end, and opens the next one.

        Raises:
            ValueError: The window is not positive, or neither end is wanted.

        A value counts by when it came, also where the collector is busy for longer than a window: after that it gets
        the first one that came later than the window, with `trailing` the newest one of all that came meanwhile.
        Kotlin: none; other libraries call it throttleFirst and throttleLatest.
        """
        return Flow(_timed.throttled(self._run, window, leading, trailing))

    # -- share

    def share_in(
        self, scope: CoroutineScope, started: SharingStarted, replay: int = 0, propagate_completion: bool = False
    ) -> SharedFlow[T_co]:
        """Return a SharedFlow that this flow feeds, run once, in a coroutine of `scope`, for all who collect.

        Args:
            scope: Where the coroutine lives; a failure of the flow goes there, and the collectors just hear no more.
            started: When it begins and ends: SharingStarted.EAGERLY, LAZILY, WHILE_SUBSCRIBED(...).
            replay: How many values a new collector gets first.
            propagate_completion: Let the end of this flow, or its failure, end the collectors, too.

        Kotlin: shareIn, which never ends its collectors.
        """
        from ._sharing import share_in

        return share_in(self, scope, started, replay, propagate_completion)

    @overload
    def state_in(self, scope: CoroutineScope) -> Suspending[StateFlow[T_co]]: ...
    @overload
    def state_in(self: Flow[T], scope: CoroutineScope, started: SharingStarted, initial: T) -> StateFlow[T]: ...
    def state_in(self, scope: CoroutineScope, started: Any = None, initial: Any = NOTHING) -> Any:
        """Return a StateFlow that this flow feeds, run once, in a coroutine of `scope`, for all who collect.

        Args:
            scope: Where the coroutine lives; a failure of the flow goes there.
            started: When it begins and ends.
            initial: The value until the first one comes.

        With the scope alone it is a suspending call that waits for the first value.

        Raises:
            NoSuchElementError: By the suspending form, where the flow ended without a value.

        Kotlin: stateIn.
        """
        from ._sharing import state_in, state_in_now

        if started is None and initial is NOTHING:
            return state_in(self, scope)
        if started is None or initial is NOTHING:
            raise TypeError("state_in() takes the scope alone, or scope, started and initial")
        return state_in_now(self, scope, started, initial)

    # -- iteration

    def __aiter__(self) -> FlowIterator[T_co]:
        return FlowIterator(self._run)

    def as_async_iterator(self) -> FlowIterator[T_co]:
        """Return what `async for` goes through; with `async with` around it, it is closed at the end of that block."""
        return FlowIterator(self._run)

    def iterate_blocking(
        self, dispatcher: CoroutineDispatcher = Default, capacity: int = Channel.BUFFERED
    ) -> Iterator[T_co]:
        """Go through the values on a plain thread, which sleeps while there is none: `for x in f.iterate_blocking():`.

        Args:
            dispatcher: Where the flow runs.
            capacity: How far it may run ahead.

        The flow is ended when the loop is left.
        Threads: any but one that runs coroutines: they would wait with it.
        """
        run = _channels.buffered(self._fusible(), capacity, BufferOverflow.SUSPEND)
        channel = _channels.as_channel_run(run).produce(CoroutineScope(dispatcher + SupervisorJob()))
        try:
            while True:
                value = wait_here(cast("Any", channel._next()), None, "iterate_blocking()")
                if value is CLOSED:
                    return
                yield value
        finally:
            channel.cancel()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def flow_with_lifecycle(self, of: Lifecycle | LifecycleOwner, state: State | None = None) -> Flow[T_co]:
        """Collect this flow while a lifecycle is in `state` or above, and anew each time; hand its values on.

        Args:
            of: The lifecycle, or its owner.
            state: CREATED, STARTED or RESUMED; by default STARTED.

        Raises:
            ValueError: `state` is INITIALIZED.

        It ends when the lifecycle is destroyed. What stands above is cancelled below the state; what stands below it
        goes on.
        Threads: collected on any; the lifecycle is observed on the main thread.
        AndroidX: flowWithLifecycle.
        """
        from ..lifecycle._flows import flow_while
        from ..lifecycle._states import State

        return flow_while(self, of, State.STARTED if state is None else state)

    def as_live_data(
        self, timeout: float = 5.0, context: CoroutineContext = EmptyCoroutineContext
    ) -> LiveData[T_co]:
        """Return a LiveData of the values; this flow is collected while that is observed, and `timeout` seconds longer.

        Args:
            timeout: Seconds, as for `live_data`; collected anew for whoever observes later.
            context: Added to Dispatchers.Main.immediate, for the collecting coroutine.

        A StateFlow gives its value at once: on the main thread it is there when this returns, else it is posted. A
        failure of the flow goes to the exception handler of `context`, as for `launch`.
        AndroidX: asLiveData, which counts milliseconds.
        """
        from ..lifecycle._flows import live_data_of

        return live_data_of(self, timeout, context)



def _checked(function: Callable[..., Any], where: str) -> Callable[..., Any]:
    if not callable(function):
        raise TypeError(f"{where}() takes a function, got {function!r}")
    return function


def _checked_flow(flow: Flow[Any], where: str) -> Flow[Any]:
    if not isinstance(flow, Flow):
        raise TypeError(f"{where}() takes a flow, got {flow!r}: as_flow(...) makes one of an iterable")
    return flow


def _pair(*values: Any) -> tuple[Any, ...]:
    return values


def _ones(function: Callable[[Any], Any]) -> Callable[[Any], Flow[Any]]:
    """Return what gives, for a value, the flow of the one value `function(value)`."""

    def one(value: Any) -> Flow[Any]:
        def run(emit: Emit) -> Generator[Any, Any, None]:
            wait = emit((yield from run_now(function(value))))
            if wait is not None:
                yield from wait

        return Flow(run)

    return one
