"""How the desk looks under Tk: two looks, each a size, an arrangement and a palette for ttk's theme "clam"."""

from __future__ import annotations

from tkinter import Misc, ttk
from typing import NamedTuple


class Look(NamedTuple):
    """A look. `wide`: the open parcel stands beside the list, and not below it."""

    wide: bool
    size: str
    bar: str
    page: str
    card: str
    line: str
    ink: str
    faint: str
    accent: str
    pressed: str
    bad: str
    good: str
    chosen: str


DAY = Look(
    wide=True, size="1120x700", bar="#1f3a5f", page="#eef1f5", card="#ffffff", line="#d5dbe3", ink="#1d2733",
    faint="#66727f", accent="#2f6fb0", pressed="#255a90", bad="#b3372f", good="#2c7a4b", chosen="#d9e7f6",
)  # fmt: skip
NIGHT = Look(
    wide=False, size="720x960", bar="#11161d", page="#1b222b", card="#242d38", line="#36424f", ink="#e4e9ef",
    faint="#97a4b2", accent="#3f87cc", pressed="#316ca6", bad="#ef8f7f", good="#7fcf9f", chosen="#34506d",
)  # fmt: skip

SMALL = ("DejaVu Sans", 9)
PLAIN = ("DejaVu Sans", 10)
STRONG = ("DejaVu Sans", 10, "bold")
TITLE = ("DejaVu Sans", 14, "bold")
FIXED = ("DejaVu Sans Mono", 9)


def dress(widget: Misc, look: Look) -> None:
    """Make the styles of `look` those of the application of `widget`."""
    style = ttk.Style(widget)
    style.theme_use("clam")
    style.configure(
        ".", background=look.page, foreground=look.ink, font=PLAIN, bordercolor=look.line, lightcolor=look.card,
        darkcolor=look.line, troughcolor=look.page, fieldbackground=look.card, insertcolor=look.ink,
        focuscolor=look.accent, selectbackground=look.chosen, selectforeground=look.ink,
    )  # fmt: skip
    style.configure("Bar.TFrame", background=look.bar)
    style.configure("Bar.TLabel", background=look.bar, foreground="#ffffff", font=TITLE)
    style.configure("Card.TFrame", background=look.card, bordercolor=look.line, relief="solid", borderwidth=1)
    style.configure("Inside.TFrame", background=look.card)
    for name, ink, font in (
        ("Card", look.ink, PLAIN), ("Strong", look.ink, STRONG), ("Title", look.ink, TITLE),
        ("Faint", look.faint, SMALL),
        ("Off", look.faint, PLAIN),
        ("Bad", look.bad, PLAIN), ("Good", look.good, PLAIN), ("Accent", look.accent, STRONG),
    ):  # fmt: skip
        style.configure(f"{name}.TLabel", background=look.card, foreground=ink, font=font)
    style.configure("Note.TLabel", background=look.page, foreground=look.faint, font=SMALL)
    for name, back, hot, ink, line in (
        ("TButton", look.card, look.chosen, look.ink, look.line),
        ("Main.TButton", look.accent, look.pressed, "#ffffff", look.accent),
        ("Bar.TButton", look.bar, look.accent, "#ffffff", "#7188a3"),
    ):
        style.configure(name, background=back, foreground=ink, bordercolor=line, lightcolor=back, darkcolor=back,
                        padding=(12, 5), width=9)  # fmt: skip
        hover = [("pressed", hot), ("active", hot)]
        style.map(name, background=hover, lightcolor=hover, darkcolor=hover, bordercolor=[("active", line)])
    style.configure("TEntry", padding=6, lightcolor=look.card, bordercolor=look.line, foreground=look.ink)
    style.map("TEntry", bordercolor=[("focus", look.accent)], lightcolor=[("focus", look.accent)])
    style.configure("Treeview", background=look.card, fieldbackground=look.card, foreground=look.ink, rowheight=27,
                    bordercolor=look.line, lightcolor=look.card, darkcolor=look.card)  # fmt: skip
    style.map("Treeview", background=[("selected", look.chosen)], foreground=[("selected", look.ink)])
    style.configure("Treeview.Heading", background=look.page, foreground=look.faint, font=SMALL, relief="flat",
                    padding=5)  # fmt: skip
    style.map("Treeview.Heading", background=[("active", look.page)])
    style.configure("TNotebook", background=look.page, bordercolor=look.page, lightcolor=look.page, darkcolor=look.page)
    style.configure("TNotebook.Tab", background=look.page, foreground=look.faint, padding=(16, 7),
                    bordercolor=look.line)  # fmt: skip
    style.map("TNotebook.Tab", background=[("selected", look.card)], foreground=[("selected", look.ink)],
              padding=[("selected", (16, 7))], lightcolor=[("", look.page)], bordercolor=[("", look.line)])  # fmt: skip
    style.configure("Horizontal.TProgressbar", background=look.accent, troughcolor=look.line, bordercolor=look.line,
                    lightcolor=look.accent, darkcolor=look.accent, thickness=12)  # fmt: skip
    style.configure("TScrollbar", background=look.line, troughcolor=look.page, bordercolor=look.page,
                    arrowcolor=look.faint, lightcolor=look.line, darkcolor=look.line, gripcount=0)  # fmt: skip
