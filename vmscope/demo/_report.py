"""The demo's pages: the story as text for a person, or as one object for a program."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from ._table import CLAIMED

if TYPE_CHECKING:
    from ._story import Story
    from ._table import Figures, Table
    from ._timeline import Palette


def as_text(story: Story, palette: Palette) -> str:
    """Return all that comes below the timeline, which was printed as it happened."""
    parts = [
        _title("The job tree, just before the screen was left", palette),
        story.job_tree.rstrip("\n"),
        _title("What a launch costs here, in microseconds (in brackets: what article 002 says)", palette),
        _table(story.table, palette),
        _title("What had to happen", palette),
        *(_check(check.claim, check.holds, check.seen, palette) for check in story.checks),
        "",
        _verdict(story, palette),
    ]
    return "\n".join(parts) + "\n"


def as_json(story: Story) -> dict[str, Any]:
    """Return the same for a program: a dict of plain values."""
    return {
        "ok": story.as_told,
        "seconds": round(story.seconds, 3),
        "python": platform.python_version(),
        "timeline": [
            {"ms": event.ms, "thread": event.thread, "coroutine": event.coroutine or None, "event": event.text}
            for event in story.events
        ],
        "job_tree": story.job_tree,
        "table": {
            "unit": "microseconds",
            "measured": _numbers(story.table),
            "article": _numbers(CLAIMED),
        },
        "checks": [{"claim": check.claim, "holds": check.holds, "seen": check.seen} for check in story.checks],
    }


def _numbers(table: Table) -> dict[str, Any]:
    return {
        "main": {name: round(value, 3) for name, value in table.main._asdict().items()},
        "immediate": {name: round(value, 3) for name, value in table.immediate._asdict().items()},
        "ratio": {name: round(value, 2) for name, value in table.ratio._asdict().items()},
    }


def _table(table: Table, palette: Palette) -> str:
    rows = [
        palette.paint(f"{'':<28}{'mean':>8}{'':<10}{'p99':>8}{'':<10}{'1000 launches':>14}", "faint"),
        _row("Dispatchers.Main", table.main, CLAIMED.main, "{:,.1f}"),
        _row("Dispatchers.Main.immediate", table.immediate, CLAIMED.immediate, "{:,.1f}"),
        _row("times cheaper in place", table.ratio, CLAIMED.ratio, "{:,.1f}"),
    ]
    return "\n".join(rows)


def _row(title: str, measured: Figures, claimed: Figures, form: str) -> str:
    cells = [
        f"{form.format(ours):>{width}} {f'({theirs:,.0f})':<{9 if width < 14 else 12}}"
        for ours, theirs, width in zip(measured, claimed, (8, 8, 14), strict=True)
    ]
    return f"{title:<28}{''.join(cells)}".rstrip()


def _title(text: str, palette: Palette) -> str:
    return "\n" + palette.paint(text, "step")


def _check(claim: str, holds: bool, seen: str, palette: Palette) -> str:
    mark = palette.paint(" yes", "good") if holds else palette.paint("  NO", "bad")
    return f"{mark}  {claim:<52}  {palette.paint(seen, 'faint')}"


def _verdict(story: Story, palette: Palette) -> str:
    failed = sum(not check.holds for check in story.checks)
    if failed:
        return palette.paint(f"{failed} of {len(story.checks)} expectations failed.", "bad")
    return palette.paint(f"All {len(story.checks)} hold. It took {story.seconds:.1f} seconds.", "good")
