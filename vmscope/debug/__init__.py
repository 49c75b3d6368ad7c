"""Seeing what runs: the job tree as text, where each coroutine waits, and what blocks a looper."""

from ..coroutines._origin import Place
from ._tree import (
    CoroutineInfo,
    coroutine_info,
    dump_coroutines,
    dump_scope,
    job_tree,
    live_coroutines,
    record_creation_stacks,
    report_unread_failures,
    suspension_stack,
)
from ._watchdog import BlockReport, LooperWatch

__all__ = (
    "BlockReport",
    "CoroutineInfo",
    "LooperWatch",
    "Place",
    "coroutine_info",
    "dump_coroutines",
    "dump_scope",
    "job_tree",
    "live_coroutines",
    "record_creation_stacks",
    "report_unread_failures",
    "suspension_stack",
)
