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
            "article": {
                "main": _rounded(CLAIMED.main, 3),
                "immediate": _rounded(CLAIMED.immediate, 3),
                "ratio": _rounded(CLAIMED.ratio, 2),
            },
        },
        "checks": [{"claim": check.claim, "holds": check.holds, "seen": check.seen} for check in story.checks],
    }


def _numbers(table: Table) -> dict[str, Any]:
    return {
        "main": _rounded(table.main, 3),
        "immediate": _rounded(table.immediate, 3),
        "immediate_to_the_first_line": _rounded(table.begins_in_place, 3),
        "ratio": _rounded(table.ratio, 2),
    }


def _rounded(figures: Figures, digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in figures._asdict().items()}


def _table(table: Table, palette: Palette) -> str:
    rows = [
        palette.paint(f"{'':<42}{'mean':>7}{'':<9}{'p99':>7}{'':<9}{'1000 launches':>14}", "faint"),
        _row("Dispatchers.Main            body begins", table.main, CLAIMED.main),
        _row("Dispatchers.Main.immediate  body begins", table.begins_in_place, None),
        _row("Dispatchers.Main.immediate  is complete", table.immediate, CLAIMED.immediate),
        _row("Main waits so many times longer to begin", table.ratio, CLAIMED.ratio),
    ]
    return "\n".join(rows)


def _row(title: str, measured: Figures, claimed: Figures | None) -> str:
    claims = ["" if claimed is None else f"({claim:,.0f})" for claim in claimed or measured]
    cells = [
        f"{figure:>{width},.1f} {claim:<8}" for figure, claim, width in zip(measured, claims, (7, 7, 14), strict=True)
    ]
    return f"{title:<42}{''.join(cells)}".rstrip()


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
