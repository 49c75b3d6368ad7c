"""VMSCOPE_DEBUG=1: warnings of what is allowed and nearly always a slip (the debug clauses of rows B2, X5, P7)."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent

SLIPS = {
    "a lazy child that nobody started": (
        """
        async def family():
            job = launch(print, start=CoroutineStart.LAZY)
            current_scope().launch(int).invoke_on_completion(lambda _: Handler(Looper.get_main()).post(job.start))
        run_main(coroutine_scope, family)
        """,
        "which nobody has started",
    ),
    "a cancellation that the body made itself": (
        """
        def quiet():
            raise CancellationException("mine")
        async def body():
            await launch(quiet).join()
        run_main(body)
        """,
        "though nobody had cancelled it",
    ),
    "a coroutine that nobody can resume": (
        """
        import gc
        GlobalScope.launch(await_cancellation, context=Dispatchers.Unconfined, name="forgotten")
        gc.collect()
        """,
        "'forgotten' active> was collected while it waited",
    ),
}


def run(program: str, debug: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from vmscope import *\n" + textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "VMSCOPE_DEBUG": debug},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return done.stderr


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_warns_in_debug_mode_and_only_there(slip: str) -> None:
    program, words = SLIPS[slip]

    assert words in run(program, "1")
    assert run(program, "0") == ""
