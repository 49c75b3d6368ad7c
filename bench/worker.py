"""One system in a process of its own: `python -m bench.worker SYSTEM FAMILY`, started by `bench`.

It reads requests from standard input, one JSON object a line, {"row": name, "number": n}, and answers each with a line:
{"figure": ...} or {"failed": "..."}. It ends with its input.
"""

from __future__ import annotations

import gc
import json
import sys
import traceback
from importlib import import_module

from ._systems import program_of, run


def main() -> int:
    system, family = sys.argv[1:]
    rows = {row.name: row for row in import_module(f".rows.{family}", __package__).ROWS}
    answers, sys.stdout = sys.stdout, sys.stderr  # what a program prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        row, number = rows[request["row"]], request["number"]
        program = program_of(system, row.programs)
        assert program is not None, f"{row.name} was asked of {system}, which has no program for it"
        gc.collect()  # what the last one left is not this one's
        try:
            answer = {"figure": row.figure(run(system, program, number), number)}
        except Exception:  # noqa: BLE001  (told to the parent, which goes on with the rest)
            answer = {"failed": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
