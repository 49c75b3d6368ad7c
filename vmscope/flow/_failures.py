"""Beginnings, ends and failures: on_start, on_empty, on_completion, catch, retry.

`catch` takes what comes from above and never what comes from below: each emission is watched, and what it raised is
known by identity when it arrives.
Counterpart: kotlinx.coroutines.flow.Emitters, Errors.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from random import random
from typing import Any

from .._errors import CancellationException, add_suppressed
from .._thrown import original
from ..coroutines._coroutine import needed
from ..coroutines._time import checked_seconds, delay
from ._emit import Emit, FailedCollector, FlowCollector, Run, block_for, run_now, takes_collector

Left = Iterator[Any] | None


def started(run: Run, block: Callable[..., object]) -> Run:
    """Run `block(collector)` before the flow."""
    before = block_for(block, "on_start()")

    def start(emit: Emit) -> Generator[Any, Any, None]:
        yield from before(emit)
        yield from run(emit)

    return start


def if_empty(run: Run, block: Callable[..., object]) -> Run:
    """Run `block(collector)` where the flow ended without a value."""
    instead = block_for(block, "on_empty()")

    def start(emit: Emit) -> Generator[Any, Any, None]:
        empty = True

        def each(value: Any) -> Left:
            nonlocal empty
            empty = False
            return emit(value)

        yield from run(each)
        if empty:
            yield from instead(emit)

    return start


def completed(run: Run, block: Callable[..., object]) -> Run:
    """Run `block(collector, cause)` after the flow, whatever ended it."""
    wants = takes_collector(block, 1, "on_completion()")

    def start(emit: Emit) -> Generator[Any, Any, None]:
        try:
            yield from run(emit)
        except GeneratorExit:
            raise
        except BaseException as cause:
            try:
                yield from run_now(block(FailedCollector(cause), cause) if wants else block(cause))
            except BaseException as failure:
                if failure is not cause:
                    add_suppressed(failure, cause)
                raise
            raise
        yield from run_now(block(FlowCollector(emit), None) if wants else block(None))

    return start


def _failure_above(run: Run, emit: Emit) -> Generator[Any, Any, BaseException | None]:
    """Run the flow; give what failed in it. What comes from below is raised, as is the collector's own cancellation."""
    frame = needed("collect")._frame
    below: BaseException | None = None

    def each(value: Any) -> Left:
        nonlocal below
        try:
            wait = emit(value)
        except BaseException as failure:
            below = failure
            raise
        return None if wait is None else watched(wait)

    def watched(wait: Iterator[Any]) -> Generator[Any, Any, None]:
        nonlocal below
        try:
            yield from wait
        except BaseException as failure:
            below = failure
            raise

    try:
        yield from run(each)
    except (Exception, CancellationException) as failure:
        if failure is below or _is_cancellation_of(frame, failure):
            raise
        if below is None:
            return failure
        if isinstance(failure, CancellationException):
            add_suppressed(below, failure)
            raise below
        add_suppressed(failure, below)
        raise
    finally:
        below = None  # its traceback holds this frame
    return None


def _is_cancellation_of(frame: Any, failure: BaseException) -> bool:
    """Say whether `failure` is what the cancellation of the collector looks like: that, or one made anew for it."""
    if not frame.is_cancelled or not isinstance(failure, CancellationException):
        return False
    cause = frame.get_cancellation_exception()
    return original(failure) is original(cause) or (
        failure.job is frame and failure.message == cause.message and failure.__cause__ is cause.__cause__
    )


def caught(run: Run, block: Callable[..., object]) -> Run:
    """Run `block(collector, failure)` in place of a failure of the flow above."""
    wants = takes_collector(block, 1, "catch()")

    def start(emit: Emit) -> Generator[Any, Any, None]:
        collector: FlowCollector[Any] = FlowCollector(emit)
        failure = yield from _failure_above(run, emit)
        if failure is not None:
            yield from run_now(block(collector, failure) if wants else block(failure))

    return start


def retried_when(run: Run, predicate: Callable[..., Any]) -> Run:
    """Run the flow again as long as `predicate(cause, attempt)` says so."""
    wants = takes_collector(predicate, 2, "retry_when()")

    def start(emit: Emit) -> Generator[Any, Any, None]:
        collector: FlowCollector[Any] = FlowCollector(emit)
        attempt = 0
        while True:
            failure = yield from _failure_above(run, emit)
            if failure is None:
                return
            answer = predicate(collector, failure, attempt) if wants else predicate(failure, attempt)
            if not (yield from run_now(answer)):
                raise failure
            attempt += 1

    return start


def retried(run: Run, retries: float, predicate: Callable[[BaseException], Any] | None) -> Run:
    """Run the flow again after a failure, `retries` times at most."""
    if isinstance(retries, bool) or not isinstance(retries, (int, float)):
        raise TypeError(f"retry() takes a number of retries, got {retries!r}")
    if not retries > 0:
        raise ValueError(f"Expected positive amount of retries, but had {retries}")

    def again(cause: BaseException, attempt: int) -> Any:
        if attempt >= retries:
            return False
        return True if predicate is None else predicate(cause)

    return retried_when(run, again)


def retried_with_backoff(
    run: Run, retries: float, first: float, factor: float, longest: float, jitter: float,
    on: type[BaseException] | tuple[type[BaseException], ...],
) -> Run:  # fmt: skip
    """Run the flow again after a failure, each time after a longer wait."""
    checked_seconds(first, "retry_backoff(first=...)")
    checked_seconds(longest, "retry_backoff(longest=...)")

    def again(cause: BaseException, attempt: int) -> Generator[Any, Any, bool]:
        if attempt >= retries or not isinstance(cause, on):
            return False
        seconds = min(longest, first * factor**attempt)
        yield from delay(seconds * (1 + jitter * (2 * random() - 1)))
        return True

    return retried_when(run, again)
