"""`python -m bench [--quick] [--rows a,b] [--systems a,b] [--json FILE]`; `python -m bench growth`: see growth.py."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ._machine import describe, in_words
from ._measure import families, measure
from ._systems import SYSTEMS, VMSCOPE, missing
from ._table import as_json, foot, head, line


def _names(text: str, known: list[str], what: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"bench: no {what} called {', '.join(unknown)}; there are: {', '.join(known)}")
    return names


def main(argv: list[str]) -> int:
    """Measure, print, write; 1 where something failed."""
    if argv[:1] == ["growth"]:
        from . import growth

        return growth.main(argv[1:])
    parser = argparse.ArgumentParser(prog="python -m bench", description="The same work on vmscope and on its peers.")
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer operations, fewer rounds")
    parser.add_argument("--rows", help="only these, by name, with commas")
    parser.add_argument("--systems", help=f"only these beside {VMSCOPE}, with commas")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to FILE, each round's figures too")
    args = parser.parse_args(argv)

    every = [row.name for _, rows in families(None) for row in rows]
    names = set(_names(args.rows, every, "row")) if args.rows else None
    wanted = {VMSCOPE, *_names(args.systems, list(SYSTEMS), "system")} if args.systems else set(SYSTEMS)
    for system in SYSTEMS:
        reason = missing(system) if system in wanted else None
        if reason is not None:
            print(reason)
            wanted.discard(system)
    systems = [system for system in SYSTEMS if system in wanted]
    about = describe()
    print(in_words(about))
    print(head(systems))
    rounds = {"seconds": 0.8, "least": 2, "most": 5} if args.quick else {"seconds": 4.0, "least": 3, "most": 9}
    results = []
    for result in measure(systems, names, quick=args.quick, **rounds):
        results.append(result)
        print(line(result, systems), flush=True)
    print(foot(results, systems))
    if args.json:
        args.json.write_text(json.dumps(as_json(results, about), indent=1) + "\n", encoding="utf-8")
    return 1 if any(result.failures for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
