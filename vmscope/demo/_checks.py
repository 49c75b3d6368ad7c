"""What has to be true at the end of the story. The demo's exit code is what this file says."""

from __future__ import annotations

from typing import NamedTuple

from ._screen import CLEAN_UPS, FEED_FIRST, NEVER_PRINTED, PANES, ServiceError


class Check(NamedTuple):
    """One expectation: what is claimed, whether it held, and what was seen."""

    claim: str
    holds: bool
    seen: str


class Evidence(NamedTuple):
    """What the story saw on its way, counted at the moment that matters."""

    begun_at_once: list[str]  # coroutines that ran on the main thread before load() returned
    filled: dict[str, int]  # what the screen showed when the four loads had ended
    in_database: dict[str, int]
    failures: list[tuple[str, BaseException]]  # what reached the handler
    wrong_threads: list[str]
    loading: int  # the job of the slow load, with those below it
    active_before: int
    cancelled_after: int
    scope_is_active: bool
    reader_lost: bool


def examine(seen: Evidence, lines: list[str]) -> list[Check]:
    """Hold the evidence and the lines of the timeline against what was to happen."""
    cleaned = [line for line in lines if line in CLEAN_UPS]
    return [
        Check(
            "four loads began at once, in the call of launch",
            seen.begun_at_once == list(PANES),
            ", ".join(seen.begun_at_once),
        ),
        Check(
            "one failed and the other three filled in",
            seen.filled == {**seen.in_database, "feed": FEED_FIRST},
            ", ".join(f"{seen.filled[pane]} {pane}" for pane in PANES if pane in seen.filled),
        ),
        Check(
            "the failure reached the handler, once",
            [(name, type(failure)) for name, failure in seen.failures] == [("notifications", ServiceError)],
            ", ".join(f"{name}: {type(failure).__name__}" for name, failure in seen.failures) or "nothing",
        ),
        Check(
            "the main thread alone touched the screen",
            not seen.wrong_threads,
            ", ".join(seen.wrong_threads) or "no other",
        ),
        Check(
            "the screen was left while the slow one was loading",
            seen.loading > 0 and seen.active_before == seen.loading,
            f"{seen.active_before} of {seen.loading} jobs active",
        ),
        Check(
            "that cancelled all of them",
            seen.cancelled_after == seen.loading and not seen.scope_is_active,
            f"{seen.cancelled_after} of {seen.loading} cancelled",
        ),
        Check("each cleaned up behind itself", sorted(cleaned) == sorted(CLEAN_UPS), f"{len(cleaned)} finally lines"),
        Check(
            "the server saw the connection close", seen.reader_lost, "hung up on" if seen.reader_lost else "it did not"
        ),
        Check(
            "the line that must not print did not",
            not any(NEVER_PRINTED in line for line in lines),
            f"no {NEVER_PRINTED!r}" if not any(NEVER_PRINTED in line for line in lines) else f"{NEVER_PRINTED!r}",
        ),
    ]
