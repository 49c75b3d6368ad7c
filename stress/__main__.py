"""Run one script of this folder, or all of them with a table at the end.

    python -m stress NAME [--seconds N] [more for it: --help]
    python -m stress all --seconds 60            # that many in all, shared out; each script in a process of its own

Ends with 1 when a script did, or was ended by a signal.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
#: What a script may take beyond its time before it counts as hung: longer than the patience of its own watch.
PATIENCE = 240.0


def one(name: str, arguments: list[str]) -> int:
    """Run a script with these arguments; the answer is its exit code."""
    return subprocess.run([sys.executable, "-m", f"stress.{name}", *arguments], cwd=FOLDER.parent).returncode


def everything(seconds: float) -> int:
    """Run all scripts, each for its share of the time, and print the table."""
    share = seconds / len(NAMES)
    rows = []
    for name in NAMES:
        began = time.monotonic()
        command = [sys.executable, "-m", f"stress.{name}", "--seconds", f"{share:.2f}"]
        try:
            ended = subprocess.run(
                command, cwd=FOLDER.parent, capture_output=True, text=True, timeout=share + PATIENCE, check=False
            )
            code, output, errors = ended.returncode, ended.stdout, ended.stderr
        except subprocess.TimeoutExpired as hung:
            code, output, errors = 1, _text(hung.stdout), _text(hung.stderr) + f"{name}: no end, killed\n"
        if code or errors:
            print(output + errors, flush=True)
        found = re.search(r"([\d,]+) rounds, ([\d,]+) a second", output)
        result = "good" if code == 0 else f"exit {code}"
        rows.append((name, result, *(found.groups() if found else ("", "")), f"{time.monotonic() - began:.1f}"))
    version = sys.version.split()[0] + ("" if getattr(sys, "_is_gil_enabled", lambda: True)() else "t")
    print(f"{'script':16} {'result':>8} {'rounds':>10} {'a second':>10} {'seconds':>8}   ({version})")
    for name, result, rounds, rate, took in rows:
        print(f"{name:16} {result:>8} {rounds:>10} {rate:>10} {took:>8}")
    failed = sum(row[1] != "good" for row in rows)
    print(f"{len(rows) - failed} of {len(rows)} scripts good")
    return 1 if failed else 0


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def main(argv: list[str]) -> int:
    if argv[:1] == ["all"] and argv[1:2] in ([], ["--seconds"]) and len(argv) in (1, 3):
        return everything(float(argv[2]) if argv[2:] else 60.0)
    if argv and argv[0] in NAMES:
        return one(argv[0], argv[1:])
    print(f"{(__doc__ or '').strip()}\n\nNAME is one of {', '.join(NAMES)}")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
