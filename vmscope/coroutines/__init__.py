"""Coroutines with structured concurrency: jobs, scopes, dispatchers, cancellation. kotlinx.coroutines.

The way in is `_job.py` (states and the tree), then `_suspend.py` (one yield), then `_coroutine.py` (the step).
"""

from ._builders import (
    async_,
    await_all,
    check_cancelled,
    join_all,
    launch,
    non_cancellable,
    run_blocking,
    run_blocking_io,
    run_catching,
    run_main,
    with_context,
)
from ._cancel_scope import CancelScope, current_deadline, current_time
from ._context import (
    ContextElement,
    CopyableThreadContextElement,
    CoroutineContext,
    CoroutineName,
    EmptyCoroutineContext,
    ThreadContextElement,
    as_context_element,
)
from ._deferred import CompletableDeferred, Deferred
from ._dispatcher import CoroutineDispatcher
from ._dispatchers import (
    Dispatchers,
    as_dispatcher,
    check_main,
    main_thread,
    new_fixed_thread_pool_context,
    new_single_thread_context,
    worker_thread,
)
from ._exceptions import CoroutineExceptionHandler, add_global_exception_handler
from ._handlers import DisposableHandle
from ._job import CompletableJob, Job, NonCancellable, SupervisorJob
from ._main import register_main_factory
from ._scope import (
    CoroutineScope,
    CoroutineStart,
    GlobalScope,
    MainScope,
    cancel,
    coroutine_scope,
    current_context,
    current_job,
    current_scope,
    ensure_active,
    is_active,
    supervisor_scope,
)
from ._suspend import CancellableContinuation, Suspending, suspend, suspend_cancellable_coroutine, suspend_coroutine
from ._time import await_cancellation, delay, with_timeout, with_timeout_or_none, yield_

__all__ = (
    "add_global_exception_handler",
    "as_context_element",
    "as_dispatcher",
    "async_",
    "await_all",
    "await_cancellation",
    "cancel",
    "CancellableContinuation",
    "check_cancelled",
    "check_main",
    "CancelScope",
    "CompletableDeferred",
    "CompletableJob",
    "ContextElement",
    "coroutine_scope",
    "CopyableThreadContextElement",
    "CoroutineContext",
    "CoroutineDispatcher",
    "CoroutineExceptionHandler",
    "CoroutineName",
    "CoroutineScope",
    "CoroutineStart",
    "current_context",
    "current_deadline",
    "current_job",
    "current_scope",
    "current_time",
    "Deferred",
    "delay",
    "Dispatchers",
    "DisposableHandle",
    "EmptyCoroutineContext",
    "ensure_active",
    "GlobalScope",
    "is_active",
    "Job",
    "join_all",
    "launch",
    "main_thread",
    "MainScope",
    "new_fixed_thread_pool_context",
    "new_single_thread_context",
    "non_cancellable",
    "NonCancellable",
    "register_main_factory",
    "run_blocking",
    "run_blocking_io",
    "run_catching",
    "run_main",
    "supervisor_scope",
    "SupervisorJob",
    "suspend",
    "suspend_cancellable_coroutine",
    "suspend_coroutine",
    "Suspending",
    "ThreadContextElement",
    "with_context",
    "with_timeout",
    "with_timeout_or_none",
    "worker_thread",
    "yield_",
)
