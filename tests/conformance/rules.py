"""The rules that make a recorded line and ours comparable, each with its reason. All else must be equal.

`comparable(line)` is applied to both sides. A rule may drop what only names an implementation; never a value, an order,
a time, or a text that the scenario's author wrote.
"""

from __future__ import annotations

import re
from typing import Any

#: Exceptions that are the same thing under another name: Kotlin's on the right, since that is what was recorded.
EXCEPTION_NAMES = {
    "IllegalStateError": "IllegalStateException",  # ours; Python's habit is ...Error
    "ClosedSendChannelError": "ClosedSendChannelException",  # ours; likewise
    "ClosedReceiveChannelError": "ClosedReceiveChannelException",  # ours; likewise
    "CompletionHandlerError": "CompletionHandlerException",  # ours; likewise
    "NoSuchElementError": "NoSuchElementException",  # ours; likewise
    "ValueError": "IllegalArgumentException",  # Python's name for a bad argument
    "RuntimeError": "RuntimeException",  # Python's name
    "NotImplementedError": "UnsupportedOperationException",  # Python's name
}

_JOB_CLASS = r"\w*(?:Coroutine|Frame|JobImpl|Job|Deferred|DeferredImpl|TestScopeImpl)"

#: (pattern, replacement), in order, each under its reason.
PATTERNS: list[tuple[re.Pattern[str], str]] = [
    # JobCancellationException and ChildCancelledException are internal subclasses; we have the public class alone.
    (re.compile(r"\b(?:JobCancellationException|ChildCancelledException)\b"), "CancellationException"),
    # "StandaloneCoroutine was cancelled": the first word names an implementation class, ours have other names.
    (re.compile(rf"\b{_JOB_CLASS}\b(?= (?:was cancelled|is cancelling|has completed normally))"), "*"),
    # The name of a class alone: JobImpl there is Job here.
    (re.compile(r"\b(\w*Job)Impl\b"), r"\1"),
    # The object that a refused call was made on stands after a colon: an implementation's repr, on both sides.
    (re.compile(r": (?:<[^<>]*>|\w+\{\w+\}@ID|capacity=\d+,data=\[[^]]*\])(?=\))"), ""),
    # Python's repr of an element quotes a string.
    (re.compile(r"\bCoroutineName\('([^']*)'\)"), r"CoroutineName(\1)"),
    # What a continuation was resumed with again: an object of the JVM library there; ours says what to do after it.
    (re.compile(r"(?<=Already resumed, but proposed with update ).*(?=\)$)"), "*"),
    # A continuation names itself there.
    (re.compile(r"\bContinuation \S.*?\}@ID was cancelled normally"), "Continuation was cancelled normally"),
    # A message that names the function.
    (re.compile(r"\binvokeOnCancellation handler\b"), "invoke_on_cancellation handler"),
    # A message that names the argument.
    (re.compile(r"\bresume onCancellation handler\b"), "resume on_cancellation handler"),
    # The message of a virtual timeout names the test library, and what to write instead.
    (re.compile(r"\bTimed out after .* of _virtual_ .*(?=\)$)"), "Timed out, virtually"),
    # A duration is in milliseconds there and in seconds here.
    (re.compile(r"(?<=by a negative delay: )(-\d+)(?:ms| s)"), r"\1"),
    # A message that names the function.
    (re.compile(r"`runTest`"), "`run_test`"),
    # The name of the scheduler's class, and which one it is.
    (
        re.compile(r"\b(?:kotlinx\.coroutines\.test\.TestCoroutineScheduler|TestScheduler)@(?:ID|0x[0-9a-f]+)"),
        "TestScheduler",
    ),
    (re.compile(r"\bTestCoroutineScheduler\b"), "TestScheduler"),
    # What follows the reference's message is the advice that each error of ours ends with.
    (re.compile(r"(?<=linked to another scheduler were passed)\..*(?=\)$)"), ""),
    (re.compile(r"(?<=Dispatcher must implement TestDispatcher: Dispatchers\.Default)\..*(?=\)$)"), ""),
    (re.compile(r"(?<=can be performed during one test)\..*(?=\)$)"), ""),
    # The message of a timeout gives milliseconds there and seconds here; which timeout it was is told by the trace.
    (re.compile(r"\bTimed out (?:after|waiting for)[^()]*"), "Timed out"),
    # Messages that name a method or an argument of a channel.
    (re.compile(r"`has_next\(\)`"), "`hasNext()`"),
    (re.compile(r"'get_or_raise'"), "'getOrThrow'"),
    (re.compile(r"non-default on_overflow"), "non-default onBufferOverflow"),
    # Unit and null are one value, None, in Python.
    (re.compile(r"(-> (?:ok )?)Unit$"), r"\1null"),
    # Python spells the three constants with a capital.
    (re.compile(r"\bTrue\b"), "true"),
    (re.compile(r"\bFalse\b"), "false"),
    (re.compile(r"\bNone\b"), "null"),
]


def comparable(line: str) -> str:
    """Return `line` without what only names an implementation."""
    for pattern, replacement in PATTERNS:
        line = pattern.sub(replacement, line)
    return line


def name_of(exception: BaseException) -> str:
    """The simple name of the exception's class, in Kotlin's spelling where it is the same thing."""
    name = type(exception).__name__
    return EXCEPTION_NAMES.get(name, name)


def show(value: Any) -> str:
    """How Kotlin prints `value`: null, true, [a, b], {k=v}, (a, b) for a pair; whole floats are its milliseconds."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (list, set, frozenset)):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(show, value)) + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{show(key)}={show(item)}" for key, item in value.items()) + "}"
    if isinstance(value, BaseException):
        return f"{name_of(value)}: {value}"
    return str(value)
