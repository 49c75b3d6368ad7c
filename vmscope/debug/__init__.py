"""Seeing what runs: the job tree as text, and where each coroutine waits."""

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

__all__ = (
    "CoroutineInfo",
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
