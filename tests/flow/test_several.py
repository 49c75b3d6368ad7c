"""Several flows, several coroutines, and the clock."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from vmscope import (
    CancellationException,
    CancelScope,
    CompletableDeferred,
    CoroutineDispatcher,
    CoroutineExceptionHandler,
    CoroutineName,
    CoroutineScope,
    CoroutineStart,
    DeferredCancelledError,
    Dispatchers,
    Job,
    NonCancellable,
    RejectedExecutionError,
    SupervisorJob,
    await_cancellation,
    coroutine_scope,
    current_context,
    current_job,
    current_scope,
    delay,
    launch,
    run_blocking,
    supervisor_scope,
    with_context,
    yield_,
)
from vmscope._errors import suppressed_of
from vmscope.flow import (
    SingleFlight,
    as_flow,
    callback_flow,
    combine,
    combine_transform,
    empty_flow,
    flow,
    flow_of,
    lazy_async,
    merge,
    race,
    race_success,
    zip_flows,
)
from vmscope.sync import BufferOverflow, Channel, ProducerScope

from .runs import Boom, failing, run, ticking, timed

if TYPE_CHECKING:
    from tests.virtual_main import VMain


def test_f9_merged_flows_run_at_once_and_each_to_its_end(main: VMain) -> None:
    log: list[Any] = []

    run(main, timed, main, merge(ticking((1, "a1"), (2, "a2")), ticking((2, "b1"))), log)

    assert log == [(1, "a1"), (2, "b1"), (3, "a2")]


def test_f9_flat_map_merge_runs_so_many_at_once(main: VMain) -> None:
    log: list[Any] = []

    run(main, timed, main, flow_of(1, 2, 3).flat_map_merge(lambda n: ticking((10, n)), 2), log)

    assert log == [(10, 1), (10, 2), (20, 3)]


def test_f9_flat_map_latest_ends_the_old_flow_before_the_new_one_begins(main: VMain) -> None:
    log: list[Any] = []

    def inner(number: int) -> Any:
        @flow
        def body(collector: Any) -> Any:
            try:
                yield from collector.emit(number)
                yield from await_cancellation()
            finally:
                log.append(f"end of {number}")

        return body if number < 3 else flow_of(3)

    run(main, ticking((0, 1), (5, 2), (5, 3)).flat_map_latest(inner).collect, log.append)

    assert log == [1, "end of 1", 2, "end of 2", 3]


def test_f10_a_new_value_cancels_the_block_that_still_runs(main: VMain) -> None:
    log: list[Any] = []

    def slow(number: int) -> Any:
        yield from delay(10)
        log.append(number)

    run(main, ticking((0, 1), (5, 2), (20, 3)).collect_latest(slow).__iter__)

    assert log == [2, 3]
    assert run(main, ticking((0, 1), (5, 2)).map_latest(lambda n: n).to_list) == [1, 2]


def test_f10_a_new_value_waits_until_the_block_that_it_cancels_has_cleaned_up(main: VMain) -> None:
    log: list[Any] = []

    def slow(number: int) -> Any:
        log.append((main.now, f"{number} begins"))
        try:
            yield from delay(10)
        finally:
            yield from with_context(NonCancellable, delay, 3)
            log.append((main.now, f"{number} is done"))

    run(main, ticking((0, 1), (5, 2)).collect_latest(slow).__iter__)

    assert log == [(0, "1 begins"), (8, "1 is done"), (8, "2 begins"), (21, "2 is done")]


def test_f11_zip_ends_with_the_shorter_and_ends_the_other(main: VMain) -> None:
    log: list[str] = []

    @flow
    def endless(collector: Any) -> Any:
        try:
            number = 0
            while True:
                yield from collector.emit(number)
                number += 1
                yield from delay(1)
        finally:
            log.append("ended")

    assert run(main, endless.zip_with(flow_of("a", "b")).to_list) == [(0, "a"), (1, "b")]
    assert run(main, flow_of("a", "b").zip_with(endless).to_list) == [("a", 0), ("b", 1)]
    assert log == ["ended", "ended"]
    three = zip_flows(flow_of(1, 2), flow_of("a", "b"), flow_of(True, False), fn=lambda *values: values)
    assert run(main, three.to_list) == [(1, "a", True), (2, "b", False)]


def test_f11_combine_waits_for_all_and_then_follows_each(main: VMain) -> None:
    log: list[Any] = []

    run(
        main, timed, main, combine(ticking((1, 1), (4, 2)), ticking((2, "a"), (1, "b")), fn=lambda n, s: f"{n}{s}"), log
    )

    assert log == [(2, "1a"), (3, "1b"), (5, "2b")]
    assert run(main, combine(flow_of(1), empty_flow()).to_list) == []
    assert run(main, combine(flow_of(1), flow_of(2), flow_of(3)).to_list) == [(1, 2, 3)]
    emitted = combine_transform(flow_of(1), flow_of(2), fn=lambda c, a, b: c.emit_all(flow_of(a, b)))
    assert run(main, emitted.to_list) == [1, 2]


def test_f11_combine_of_flows_that_are_all_there_skips_no_second_value_of_one(main: VMain) -> None:
    """F11: what waits is taken up to the second value of one source. The lists are those of the reference."""

    def slow(log: list[str]) -> Any:
        def each(value: str) -> Any:
            log.append(value)
            yield from delay(10)

        return each

    for other, expected in ((flow_of("a"), "1a 3a 5a 6a"), (as_flow("123"), "11 32 53 63")):
        log: list[str] = []
        run(main, combine(as_flow(range(1, 7)), other, fn=lambda n, s: f"{n}{s}").collect, slow(log))
        assert log == expected.split()


def test_f11_combine_of_no_flows_is_empty(main: VMain) -> None:
    """F11"""
    assert run(main, combine_transform(fn=lambda collector: collector.emit(1)).to_list) == []


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_f11_zip_takes_any_number_of_flows(main: VMain, count: int) -> None:
    """F11: tuples, or what a function makes of as many values."""
    flows = [as_flow(range(n, n + 2)) for n in range(count)]

    assert run(main, zip_flows(*flows).to_list) == [tuple(range(count)), tuple(range(1, count + 1))]
    assert run(main, zip_flows(*flows, fn=lambda *values: sum(values)).to_list) == [
        sum(range(count)), sum(range(1, count + 1)),
    ]  # fmt: skip


def test_a_failure_of_one_ends_the_others(main: VMain) -> None:
    log: list[str] = []

    @flow
    def waiting(collector: Any) -> Any:
        try:
            yield from await_cancellation()
        finally:
            log.append("ended")

    late = failing().on_start(lambda: delay(1))
    for several in (merge(late, waiting), combine(late, waiting), flow_of(late, waiting).flatten_merge()):
        with pytest.raises(Boom):
            run(main, several.collect)
    assert log == ["ended"] * 3


def test_f14_neighbouring_buffers_are_one_channel(main: VMain) -> None:
    def ahead(change: Any) -> int:
        emitted = []

        @flow
        def body(collector: Any) -> Any:
            for number in range(100):
                emitted.append(number)
                yield from collector.emit(number)

        job = CoroutineScope(Dispatchers.Main).launch(change(body).collect, lambda _: await_cancellation())
        main.drain()
        job.cancel()
        main.drain()
        return len(emitted)

    assert ahead(lambda f: f.buffer(1)) == 3, "one is taken, one buffered, one waits"
    assert ahead(lambda f: f.buffer(1).buffer(2)) == ahead(lambda f: f.buffer(3)) == 5
    assert ahead(lambda f: f.buffer(9).buffer(0, BufferOverflow.DROP_OLDEST)) == 100
    assert ahead(lambda f: f.conflate()) == 100
    assert ahead(lambda f: f.buffer(Channel.UNLIMITED)) == 100
    assert ahead(lambda f: f.buffer()) == 66
    assert ahead(lambda f: f.buffer().buffer(3)) == ahead(lambda f: f.buffer(3).buffer()) == 5
    assert ahead(lambda f: f.flow_on(CoroutineName("a")).buffer(3)) == 5
    assert ahead(lambda f: f.buffer(3).flow_on(CoroutineName("a"))) == 5


def test_f14_a_failure_above_overtakes_what_is_in_the_buffer(main: VMain) -> None:
    log: list[int] = []

    with pytest.raises(Boom):
        run(main, failing(1, 2, 3).buffer().collect, log.append)
    assert log == []


def test_f15_debounce_lets_a_value_through_once_it_is_quiet_and_the_last_at_the_end(main: VMain) -> None:
    log: list[Any] = []

    run(main, timed, main, ticking((0, 1), (3, 2), (9, 3), (1, 4)).debounce(5), log)

    assert log == [(8, 2), (13, 4)]


@pytest.mark.parametrize("change", [lambda f: f.debounce(5), lambda f: f.sample(5), lambda f: f.timeout(5)])
def test_f15_a_failure_above_passes_what_watches_the_clock(main: VMain, change: Any) -> None:
    """F15: of the flow itself, or the cause that a callback has closed it with."""

    def calls_back(producer: ProducerScope[int]) -> Any:
        producer.close(Boom("above"))
        yield from producer.await_close()

    for source in (failing(1), callback_flow(calls_back)):
        with pytest.raises(Boom, match="above"):
            run(main, change(source).collect)


def test_f15_debounce_may_ask_each_value_how_long(main: VMain) -> None:
    """F15: none at all, a while, or something that is no time."""
    log: list[Any] = []

    run(main, timed, main, ticking((1, 0), (1, 5), (9, 2)).debounce(float), log)
    assert log == [(1, 0), (7, 5), (11, 2)]

    with pytest.raises(ValueError, match="not be negative"):
        run(main, flow_of(1).debounce(lambda value: -1.0).collect)


def test_f15_a_timeout_that_was_kept_ends_with_the_flow(main: VMain) -> None:
    """F15"""
    log: list[Any] = []

    run(main, timed, main, ticking((1, 1), (3, 2)).timeout(5), log)

    assert log == [(1, 1), (4, 2)]
    assert main.now == 4


def test_f15_sample_takes_the_newest_each_period_and_drops_the_last(main: VMain) -> None:
    log: list[Any] = []

    run(main, timed, main, ticking((1, 1), (1, 2), (6, 3), (3, 4)).sample(5), log)

    assert log == [(5, 2), (10, 3)]


def test_f15_timeout_fails_where_a_value_is_late_and_catch_sees_it(main: VMain) -> None:
    log: list[Any] = []
    guarded = ticking((1, 1), (9, 2)).timeout(5).catch(lambda failure: log.append(type(failure)))

    run(main, timed, main, guarded, log)

    assert log == [(1, 1), TimeoutError]
    with pytest.raises(TimeoutError):
        run(main, flow_of(1).timeout(0).collect)


@pytest.mark.parametrize(
    ("leading", "trailing", "expected"),
    [
        (True, False, [(0, 1), (11, 4)]),
        (False, True, [(10, 3), (20, 5)]),
        (True, True, [(0, 1), (10, 3), (20, 5)]),
    ],
)
def test_throttle_lets_one_value_through_a_window(
    main: VMain, leading: bool, trailing: bool, expected: list[Any]
) -> None:
    log: list[Any] = []
    above = ticking((0, 1), (3, 2), (3, 3), (5, 4), (3, 5))

    run(main, timed, main, above.on_completion(lambda _: delay(50)).throttle(10, leading, trailing), log)

    assert log == expected


@pytest.mark.parametrize(
    ("leading", "trailing", "expected"),
    [
        (True, False, [(0, 1), (30, 4), (60, 6)]),
        (False, True, [(10, 3), (40, 5), (70, 6)]),
        (True, True, [(0, 1), (30, 5), (60, 6)]),
    ],
)
def test_throttle_judges_a_value_by_when_it_came_however_busy_the_collector_is(
    main: VMain, leading: bool, trailing: bool, expected: list[Any]
) -> None:
    """Rank 17: what came within the window is not stored up for a collector that takes longer than that."""
    log: list[Any] = []
    above = ticking((0, 1), (3, 2), (3, 3), (14, 4), (5, 5), (25, 6))

    def slow(value: int) -> Any:
        log.append((main.now, value))
        yield from delay(30)

    run(main, above.on_completion(lambda _: delay(50)).throttle(10, leading, trailing).collect, slow)

    assert log == expected


def test_throttle_ends_a_window_though_the_next_value_is_there_by_then(main: VMain) -> None:
    """So that a source which never rests, on another thread, cannot keep a window open for ever."""
    log: list[Any] = []

    @flow
    def above(collector: Any) -> Any:
        yield from collector.emit(0)
        yield from delay(3)
        yield from collector.emit(3)
        main.now = 12  # the thread of the collector was busy
        yield from collector.emit(12)
        yield from delay(50)

    run(main, timed, main, above.throttle(10, trailing=True), log)

    assert log == [(0, 0), (12, 3), (22, 12)]


def test_flat_map_first_drops_what_comes_while_it_is_busy(main: VMain) -> None:
    busy = ticking((0, 1), (3, 2), (10, 3)).flat_map_first(lambda n: ticking((5, n)))

    assert run(main, busy.to_list) == [1, 3]


@pytest.mark.parametrize("ordered", [True, False])
def test_concurrent_map_does_not_run_ahead_of_a_slow_collector(main: VMain, ordered: bool) -> None:
    called = taken = ahead = 0

    def work(number: int) -> int:
        nonlocal called
        called += 1
        return number

    def slow(number: int) -> Any:
        nonlocal taken, ahead
        taken += 1
        yield from delay(5)
        ahead = max(ahead, called - taken)

    run(main, as_flow(range(20)).map_concurrent(2, work, ordered).collect, slow)

    assert (taken, ahead) == (20, 2)


def test_concurrent_map_keeps_the_order_and_the_limit(main: VMain) -> None:
    running = 0
    most = 0

    def work(number: int) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        yield from delay(10 - number)
        running -= 1
        return number

    assert run(main, as_flow(range(6)).map_concurrent(3, work).to_list) == [0, 1, 2, 3, 4, 5]
    assert most == 3
    unordered = as_flow(range(3)).map_concurrent(3, work, ordered=False)
    assert run(main, unordered.to_list) == [2, 1, 0]
    log: list[Any] = []

    def slow(number: int) -> Any:
        yield from delay(20)
        log.append(number)

    run(main, unordered.buffer(0).collect, slow)
    assert log == [2, 1, 0], "none is lost where there is no room for it"


def test_chunks_by_time_by_size_and_by_what_waits(main: VMain) -> None:
    above = ticking((0, 1), (1, 2), (1, 3), (9, 4), (1, 5))
    log: list[Any] = []

    run(main, timed, main, above.chunked(within=5), log)
    assert log == [(5, [1, 2, 3]), (12, [4, 5])]
    assert run(main, above.chunked(2, within=5).to_list) == [[1, 2], [3], [4, 5]]

    def slow(chunk: list[int]) -> Any:
        yield from delay(1.6)
        log.append(chunk)

    log.clear()
    run(main, ticking(*[(1, n) for n in range(5)]).chunked(within=0).collect, slow)
    assert log == [[0], [1], [2, 3], [4]]


def test_race_gives_the_first_and_ends_the_others(main: VMain) -> None:
    log: list[Any] = []

    def after(seconds: float, answer: Any) -> Any:
        def block() -> Any:
            try:
                yield from delay(seconds)
            finally:
                log.append(answer)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return block

    assert run(main, race, after(5, "slow"), after(1, "fast")) == "fast"
    assert log == ["fast", "slow"], "the loser has cleaned up when the answer is there"
    with pytest.raises(Boom):
        run(main, race, after(1, Boom("first")), after(2, "second"))
    assert run(main, race_success, after(1, Boom("first")), after(2, "second")) == "second"
    with pytest.raises(ExceptionGroup) as all_failed:
        run(main, race_success, after(1, Boom("1")), after(2, Boom("2")))
    assert [str(failure) for failure in all_failed.value.exceptions] == ["1", "2"]


def unclean() -> Any:
    """A block that fails as it cleans up."""
    try:
        yield from delay(10)
    finally:
        raise Boom("clean-up")


def test_a_race_tells_of_a_loser_that_failed_as_it_cleaned_up(main: VMain) -> None:
    """Rank 19: what a scope with two children does. Who wants the first success passes over those that fail."""

    def winner() -> Any:
        yield from delay(1)
        return "won"

    def first_failure() -> Any:
        yield from delay(1)
        raise Boom("first")

    with pytest.raises(Boom, match="clean-up"):
        run(main, race, winner, unclean)
    with pytest.raises(Boom, match="first") as both:
        run(main, race, first_failure, unclean)
    assert [str(failure) for failure in suppressed_of(both.value)] == ["clean-up"]
    assert run(main, race_success, winner, unclean) == "won"


@pytest.mark.parametrize("kind", [race, race_success])
def test_a_race_that_is_cancelled_tells_of_a_block_that_failed_as_it_cleaned_up(main: VMain, kind: Any) -> None:
    scope = CoroutineScope(Dispatchers.Main + SupervisorJob())
    deferred = scope.async_(kind, unclean)
    main.advance(1)
    deferred.cancel()
    main.drain()

    with pytest.raises(Boom, match="clean-up"):
        deferred.get_completed()


def raising_a_cancellation() -> Any:
    raise CancellationException("mine")
    yield


def cancelling_itself() -> Any:
    current_job().cancel("mine")
    yield from delay(1)


def cancelling_itself_and_failing() -> Any:
    current_job().cancel("mine")
    raise Boom("mine")
    yield


def cancelled_before_it_begins() -> Any:
    pytest.fail("it has been cancelled")


@pytest.mark.parametrize("cancelled", [raising_a_cancellation, cancelling_itself, cancelled_before_it_begins])
def test_a_block_of_a_race_that_ends_cancelled_does_not_end_a_caller_who_is_not(main: VMain, cancelled: Any) -> None:
    """Ranks 4 and 19."""

    def other() -> Any:
        yield from delay(2)
        return "other"

    def answer(kind: Any, *blocks: Any) -> Any:
        return run(main, racing, kind, *blocks)

    def racing(kind: Any, *blocks: Any) -> Any:
        me = current_job()
        if cancelled is cancelled_before_it_begins:
            main.post(lambda: [job.cancel("mine") for race_job in me.children for job in [*race_job.children][:1]])
        return (yield from kind(*blocks))

    assert answer(race_success, cancelled, other) == "other"
    with pytest.raises(DeferredCancelledError, match="mine"):
        answer(race, cancelled, other)
    with pytest.raises(ExceptionGroup) as all_failed:
        answer(race_success, cancelled)
    assert [type(failure) for failure in all_failed.value.exceptions] == [DeferredCancelledError]


def test_a_block_of_a_race_that_cancels_itself_and_fails_is_one_failure(main: VMain) -> None:
    def other() -> Any:
        yield from delay(2)
        return "other"

    assert run(main, race_success, cancelling_itself_and_failing, other) == "other"
    with pytest.raises(Boom, match="mine"):
        run(main, race, cancelling_itself_and_failing, other)


def test_a_race_needs_somebody_to_run(main: VMain) -> None:
    for started in (race, race_success):
        with pytest.raises(ValueError, match="at least one block"):
            run(main, started)


class Closable(CoroutineDispatcher):
    """Default, until it is `closed`."""

    closed = False

    def dispatch(self, context: Any, block: Any) -> None:
        if self.closed:
            raise RejectedExecutionError("closed")
        Dispatchers.Default.dispatch(context, block)


@pytest.mark.parametrize("retry", [True, False])
def test_a_lazy_value_whose_dispatcher_is_closed_is_begun_anew_by_another_who_waits(retry: bool) -> None:
    dispatcher = Closable()
    begun, closed = CompletableDeferred[None](), CompletableDeferred[None]()
    runs: list[Any] = []

    async def compute() -> int:
        runs.append(current_context().get(CoroutineDispatcher))
        begun.complete(None)
        await closed.await_()
        return len(runs)

    value = lazy_async(compute, retry=retry)

    async def body() -> int:
        first = CoroutineScope(dispatcher).async_(value.await_)
        await begun.await_()
        while not closed._nodes:  # until the computation stands there: before, it would go on without a dispatch
            await yield_()
        second = current_scope().async_(value.await_, start=CoroutineStart.UNDISPATCHED)
        dispatcher.closed = True
        closed.complete(None)
        with pytest.raises(DeferredCancelledError):
            await first.await_()
        return await second.await_()

    assert run_blocking(body) == 2
    assert runs[0] is dispatcher
    assert runs[1] is not dispatcher


def test_a_lazy_value_whose_computation_cancels_itself_is_told_to_be_cancelled(main: VMain) -> None:
    async def compute() -> None:
        raise CancellationException("no more")

    with pytest.raises(DeferredCancelledError, match="no more"):
        run(main, lazy_async(compute).await_)


def test_a_lazy_value_that_is_asked_for_on_a_closed_dispatcher_is_not_begun_again_and_again() -> None:
    dispatcher = Closable()
    dispatcher.closed = True
    asking = CoroutineScope(dispatcher).async_(lazy_async(lambda: 1).await_, start=CoroutineStart.UNDISPATCHED)

    with pytest.raises(DeferredCancelledError, match="rejected"):
        run_blocking(asking.await_)


def test_a_lazy_value_can_be_asked_whether_it_is_there_and_forgotten(main: VMain) -> None:
    begun: list[int] = []

    def compute() -> Any:
        number = len(begun)
        begun.append(number)
        yield from delay(5)
        return number

    value = lazy_async(compute)
    asking = CoroutineScope(Dispatchers.Main).async_(value.await_)
    main.run_current()
    assert not value.is_completed
    value.reset()
    assert run(main, value.await_) == 1
    assert asking.get_completed() == 0, "who waited then gets what it waited for"
    assert value.is_completed
    value.reset()
    assert not value.is_completed


def test_a_single_flight_computes_a_key_once_for_all_who_ask_meanwhile(main: VMain) -> None:
    begun: list[str] = []

    def load(key: str) -> Any:
        begun.append(key)
        yield from delay(5)
        return key.upper()

    for keep, expected in ((True, "a b b"), (False, "a b a b")):
        begun.clear()
        flights: SingleFlight[str, str] = SingleFlight(load, keep=keep)
        scope = CoroutineScope(Dispatchers.Main)
        asking = [scope.async_(flights.get, key) for key in "aba"]
        main.drain()
        assert [one.get_completed() for one in asking] == ["A", "B", "A"]
        assert begun == ["a", "b"]

        assert run(main, flights.get, "a") == "A"
        flights.forget("b")
        flights.forget("never asked for")
        assert run(main, flights.get, "b") == "B"
        assert begun == expected.split()


class Asking:
    """A key that is no other's, whose comparison asks the flights from another thread."""

    def __init__(self, flights: Any, answers: list[Any]) -> None:
        self._flights = flights
        self._answers = answers

    def __hash__(self) -> int:
        other = threading.Thread(target=self._flights().forget, args=("other",), daemon=True)
        other.start()
        other.join(10)
        self._answers.append(other.is_alive())
        return 1

    def __eq__(self, other: object) -> bool:
        return hash(self) == 0


def test_a_single_flight_compares_keys_without_its_lock(main: VMain) -> None:
    waiting: list[bool] = []
    flights: SingleFlight[Any, Any] = SingleFlight(lambda key: key)
    keys = [Asking(lambda: flights, waiting) for _ in range(2)]

    for key in (*keys, *keys):
        assert run(main, flights.get, key) is key
    flights.forget(keys[0])

    assert not any(waiting)
    assert [kept for bucket in flights._flights.values() for kept, _ in bucket] == [keys[1]]


def test_a_key_that_comes_while_another_is_compared_is_not_lost(main: VMain) -> None:
    class Key:
        met: list[object] = []

        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            if not self.met:
                self.met.append(other)
                assert run(main, flights.get, third) is third
            return self is other

    flights: SingleFlight[Any, Any] = SingleFlight(lambda key: key)
    first, second, third = Key(), Key(), Key()

    for key in (first, second):
        assert run(main, flights.get, key) is key

    assert first.met
    assert [kept for bucket in flights._flights.values() for kept, _ in bucket] == [first, third, second]


def test_a_flight_that_nobody_waits_for_any_more_is_cancelled_and_one_that_failed_begun_anew(main: VMain) -> None:
    log: list[str] = []

    def load(key: int) -> Any:
        log.append("begun")
        try:
            yield from delay(5)
        finally:
            log.append("ended")
        raise Boom(str(key))

    flights: SingleFlight[int, str] = SingleFlight(load)
    asking = CoroutineScope(Dispatchers.Main).async_(flights.get, 1)
    main.run_current()
    asking.cancel()
    main.run_current()
    assert log == ["begun", "ended"]

    for _ in range(2):
        with pytest.raises(Boom, match="1"):
            run(main, flights.get, 1)
    assert log == ["begun", "ended"] * 3


def test_a_lazy_value_is_computed_once_for_all_who_ask(main: VMain) -> None:
    begun: list[float] = []

    def compute() -> Any:
        begun.append(main.now)
        yield from delay(5)
        return "value"

    value = lazy_async(compute)
    scope = CoroutineScope(Dispatchers.Main)
    first, second = scope.async_(value.await_), scope.async_(value.await_)
    main.run_current()
    first.cancel()
    main.drain()

    assert second.get_completed() == "value"
    assert run(main, value.await_) == "value"
    assert begun == [0]


def test_a_lazy_value_that_nobody_waits_for_any_more_is_cancelled_and_begun_anew(main: VMain) -> None:
    log: list[str] = []

    def compute() -> Any:
        try:
            yield from delay(5)
        finally:
            log.append("ended")
        return "value"

    value = lazy_async(compute)
    asking = CoroutineScope(Dispatchers.Main).async_(value.await_)
    main.run_current()
    asking.cancel()
    main.run_current()

    assert log == ["ended"]
    assert run(main, value.await_) == "value"


def test_a_lazy_value_that_failed_is_tried_again_unless_told_otherwise(main: VMain) -> None:
    begun: list[int] = []

    def compute() -> Any:
        begun.append(1)
        yield from yield_()
        raise Boom("no")

    for retry, expected in ((True, 2), (False, 1)):
        begun.clear()
        value = lazy_async(compute, retry=retry)
        for _ in range(2):
            with pytest.raises(Boom):
                run(main, value.await_)
        assert len(begun) == expected


@pytest.mark.parametrize(
    "below",
    [
        lambda values: values,
        lambda values: values.buffer(3),
        lambda values: values.flow_on(Dispatchers.Unconfined),
        lambda values: values.combine_with(flow_of(0), lambda value, _: value),
        lambda values: merge(values, empty_flow()),
        lambda values: values.zip_with(flow_of(0), lambda value, _: value),
        lambda values: values.flat_map_latest(flow_of),
        lambda values: values.debounce(0.5),
        lambda values: values.buffer(3).map(lambda value: value),
        lambda values: values.map_concurrent(2, lambda value: value),
    ],
    ids=["plain", "buffer", "flow_on", "combine", "merge", "zip", "flat_map_latest", "debounce", "map", "concurrent"],
)
def test_what_a_collector_launches_belongs_to_the_scope_around_the_collection(main: VMain, below: Any) -> None:
    log: list[Any] = []

    async def child() -> None:
        await delay(5)
        log.append("child")

    async def block() -> None:
        around = current_job()

        def each(value: int) -> None:
            launch(child)
            log.append((value, current_job() is around, current_scope().coroutine_context[Job] is around))

        await below(flow_of(1)).collect(each)
        log.append("collected")

    async def both() -> None:
        await coroutine_scope(block)
        log.append("over")

    CoroutineScope(Dispatchers.Main).launch(both)
    main.drain()

    assert log == [(1, True, True), "collected", "child", "over"]


def test_the_failure_of_what_a_collector_launched_is_one_of_the_scope_around_the_collection(main: VMain) -> None:
    log: list[Any] = []

    async def fail() -> None:
        raise Boom("below")

    async def each(value: int) -> None:
        launch(fail)
        try:
            await delay(5)
        finally:
            log.append("left")

    async def block() -> None:
        await supervisor_scope(flow_of(1).buffer(3).collect, each)

    seen: list[BaseException] = []
    handler = CoroutineExceptionHandler(lambda _, failure: seen.append(failure))
    job = CoroutineScope(Dispatchers.Main + handler).launch(block)
    main.drain()

    assert log == ["left"]
    assert [type(failure) for failure in seen] == [Boom]
    assert not job.is_cancelled


def test_a_loop_over_a_flow_that_is_left_in_a_cancel_scope_closes_the_flow_in_the_coroutine(main: VMain) -> None:
    log: list[Any] = []

    @flow
    async def slow(collector: Any) -> None:
        try:
            await collector.emit(1)
        finally:
            await delay(3)
            log.append("closed")

    async def block() -> None:
        with CancelScope() as scope:
            async for value in slow:
                log.append(value)
                break
            scope.cancel()
        log.append("left")

    job = CoroutineScope(Dispatchers.Main).launch(block)
    main.drain()

    assert log == [1, "left", "closed"]
    assert job.is_completed
