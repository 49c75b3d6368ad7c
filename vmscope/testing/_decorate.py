"""run_test as a decorator: told from a plain call, and made a test that pytest and unittest can call.

Locks: none.
Counterpart: none.
"""

from __future__ import annotations

import functools
import inspect  # noqa: TID251  (tests are run by those who have loaded it long ago)
import sys
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def decorates(block: Any) -> bool:
    """Say whether run_test was called as `@run_test` over the definition of `block`, and not as `run_test(block)`.

    A decorator is called on a line of the very definition that it stands over, by the code that has the definition in
    it. A plain call stands on a later line, for a definition ends before it; or in a later input of a prompt.
    """
    code = getattr(inspect.unwrap(block) if callable(block) else block, "__code__", None)
    if code is None or code.co_name == "<lambda>":
        return False
    caller = sys._getframe(2)
    defined = (code.co_qualname, code.co_firstlineno)  # not the object: @suspend makes another one
    if not any(
        isinstance(const, CodeType) and (const.co_qualname, const.co_firstlineno) == defined
        for const in caller.f_code.co_consts
    ):
        return False
    last = max((line for _, _, line in code.co_lines() if line is not None), default=code.co_firstlineno)
    return bool(code.co_firstlineno <= caller.f_lineno <= last)


def decorated(block: Callable[..., Any], run: Callable[[Callable[..., Any]], Any]) -> Callable[..., None]:
    """Return `block` as a test: its parameters without the scope, its value dropped."""
    if not callable(block):
        raise TypeError(f"@run_test stands over a function, got {block!r}")
    where = getattr(block, "__qualname__", "").rpartition(".")[0]
    is_method = bool(where) and not where.endswith("<locals>")
    at = 1 if is_method else 0
    signature = inspect.signature(block)
    parameters = list(signature.parameters.values())
    if len(parameters) <= at or parameters[at].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    ):
        raise TypeError(f"@run_test over {block!r}: its {'second' if at else 'first'} parameter is to be the TestScope")

    @functools.wraps(block)
    def test(*args: Any, **kwargs: Any) -> None:
        @functools.wraps(block)
        def body(scope: Any) -> Any:
            return block(*args[:at], scope, *args[at:], **kwargs)

        run(body)

    if parameters[at].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[at]
    test.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return test
