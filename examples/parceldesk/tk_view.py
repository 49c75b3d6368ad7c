"""The desk under Tk: a window around the view models, and how it is made anew while they go on.

Only the widgets are here. A window that goes takes its bindings along, by its owner; the view models stay in the host's
store. Tk frees variables and pictures on the thread that lets go of them last: so what has such a thing lets go of it
before it ends, here, instead of leaving that to the collector on some thread.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from tkinter import Label, PhotoImage, StringVar, TclError, Text, Tk, Toplevel, ttk
from typing import Any

from vmscope import Dispatchers, ViewModelProvider, ViewModelProviderFactory, delay, with_context
from vmscope.hosts import ViewOwner, bind_value, on_event, tk

from .model import Entry, Pane, Parcel, Progress, Stop
from .tk_look import DAY, FIXED, NIGHT, Look, dress
from .trace import jobs, recorder
from .view_models import (
    DeskViewModel,
    DetailViewModel,
    DownloadViewModel,
    Hashing,
    HashViewModel,
    Results,
    SearchViewModel,
)

COLUMNS = (("number", "Number", 132), ("recipient", "Recipient", 138), ("city", "City", 72), ("status", "Status", 118))
JOBS_EVERY = 0.5  # seconds
LONGEST_END = 0.9  # seconds that the download has, when the window is closed, to write down how far it is


def run(factory: ViewModelProviderFactory) -> None:
    """Show the desk until its window is closed."""
    try:
        root = Tk(className="Parceldesk")
    except TclError as failure:
        raise SystemExit(f"Tk can open no window here: {failure}. Without one: --headless") from None
    root.withdraw()  # it only holds the application: the window that is seen comes and goes
    desk = TkDesk(root, factory)
    try:
        desk.host.run()
    finally:
        del desk, root
        gc.collect()  # what is left of widgets in circles goes here, and not on a worker


class TkDesk:
    """The program under Tk: one window at a time, each made anew around the same view models.

    Args:
        root: The application.
        factory: Makes the view models.
    """

    def __init__(self, root: Tk, factory: ViewModelProviderFactory) -> None:
        self.host = tk.install(root)
        self.models = ViewModelProvider(self.host, factory)
        self.text = StringVar(root)  # outlives the windows, as the text in it does
        self.window = DeskWindow(self, DAY)

    def rotate(self) -> None:
        """Destroy the window and make another one, of the other look. What runs goes on."""
        look, tab, beside = self.window.look, self.window.tab, self.window.top.winfo_geometry().partition("+")[2]
        self.window.top.destroy()
        self.window = DeskWindow(self, NIGHT if look is DAY else DAY, tab, beside)


class DeskWindow:
    """One window. Its widgets are attributes where somebody looks for them."""

    def __init__(self, desk: TkDesk, look: Look, tab: int = 0, at: str = "40+40") -> None:
        self.look = look
        self.top = Toplevel(desk.host.root, background=look.page)
        self.owner = desk.host.bind(self.top, desk.host.view_model_store)
        self._host = desk.host
        self.search = desk.models[SearchViewModel]
        self.desk = desk.models[DeskViewModel]
        self.archive = desk.models[DownloadViewModel]
        self.hashing = desk.models[HashViewModel]
        self.detail: DetailPanel | None = None
        dress(self.top, look)
        self.top.title("Parcel Desk")
        self.top.geometry(f"{look.size}+{at}")
        self.top.protocol("WM_DELETE_WINDOW", lambda: desk.host.end(LONGEST_END))
        self.top.bind("<F12>", lambda event: self.show_jobs())

        self._build_bar(desk)
        self._build_foot()
        self.book = ttk.Notebook(self.top)
        self.book.pack(fill="both", expand=True, padx=14, pady=(10, 0))
        self._build_parcels(desk)
        self._build_processor()
        self.book.select(tab)  # type: ignore[no-untyped-call]
        self.book.bind("<<NotebookTabChanged>>", lambda event: self._follow_frames())
        self._follow_frames()

        bind_value(self.search.results, self._show_results, self.owner)
        bind_value(self.desk.detail, self._show_detail, self.owner)
        bind_value(self.desk.log, self._show_log, self.owner)
        bind_value(self.archive.progress, self._show_progress, self.owner)
        bind_value(self.hashing.hashing, self._show_hashing, self.owner)
        self.entry.focus_set()
        self.entry.icursor("end")

    @property
    def tab(self) -> int:
        return int(self.book.index("current"))  # type: ignore[no-untyped-call]

    # ---- the widgets

    def _build_bar(self, desk: TkDesk) -> None:
        bar = ttk.Frame(self.top, style="Bar.TFrame", padding=(18, 10))
        bar.pack(fill="x")
        ttk.Label(bar, text="Parcel Desk", style="Bar.TLabel").pack(side="left")
        # posted: a button that destroys itself in its own command is asking for trouble
        rotate = lambda: desk.host.handler.post(desk.rotate)  # noqa: E731
        self.rotate = ttk.Button(bar, text="Rotate", style="Bar.TButton", command=rotate)
        self.rotate.pack(side="right")
        self.jobs = ttk.Button(bar, text="Jobs  F12", style="Bar.TButton", command=self.show_jobs)
        self.jobs.pack(side="right", padx=8)

    def _build_foot(self) -> None:
        foot = ttk.Frame(self.top, padding=(14, 10, 14, 12))
        foot.pack(fill="x", side="bottom")
        card = ttk.Frame(foot, style="Card.TFrame", padding=(14, 9))
        card.pack(fill="x")
        ttk.Label(card, text="Archive 2025", style="Strong.TLabel").pack(side="left")
        self.archive_button = ttk.Button(card, text="Download", style="Main.TButton", command=self.archive.toggle)
        self.archive_button.pack(side="right")
        self.archive_text = ttk.Label(card, style="Card.TLabel", width=26, anchor="e")
        self.archive_text.pack(side="right", padx=12)
        self.bar = ttk.Progressbar(card, maximum=1.0)
        self.bar.pack(side="left", fill="x", expand=True, padx=(14, 0))
        self.log = ttk.Label(foot, style="Note.TLabel", font=FIXED, anchor="w", justify="left")
        self.log.pack(fill="x", pady=(9, 0))

    def _build_parcels(self, desk: TkDesk) -> None:
        page = ttk.Frame(self.book, style="Inside.TFrame", padding=14)
        self.book.add(page, text="Parcels")
        wide = self.look.wide
        page.columnconfigure(0, weight=1, uniform="half")
        if wide:
            page.columnconfigure(1, weight=1, uniform="half")
            page.rowconfigure(0, weight=1)
        else:
            page.rowconfigure(0, weight=1)
            page.rowconfigure(1, minsize=430)
        find = ttk.Frame(page, style="Inside.TFrame")
        find.grid(row=0, column=0, sticky="nsew", padx=(0, 7) if wide else 0, pady=0 if wide else (0, 7))
        line = ttk.Frame(find, style="Inside.TFrame")
        line.pack(fill="x", pady=(0, 10))
        ttk.Label(line, text="Find", style="Strong.TLabel").pack(side="left", padx=(0, 10))
        self.note = ttk.Label(line, style="Faint.TLabel", width=17, anchor="e")
        self.note.pack(side="right")
        self.entry = ttk.Entry(line, textvariable=desk.text)
        self.entry.pack(side="left", fill="x", expand=True)
        desk.host.bind_variable(self.search.text, desk.text, self.owner)
        self.list = ttk.Treeview(find, columns=[name for name, *_ in COLUMNS], show="headings", height=5)
        for name, title, width in COLUMNS:
            self.list.heading(name, text=title, anchor="w")
            self.list.column(name, width=width, minwidth=60, anchor="w")
        self.list.tag_configure("delivered", foreground=self.look.good)
        self.list.tag_configure("announced", foreground=self.look.faint)
        scroll = ttk.Scrollbar(find, command=self.list.yview)
        self.list.configure(yscrollcommand=scroll.set)
        scroll.pack(side="right", fill="y")
        self.list.pack(fill="both", expand=True)
        self.list.bind("<<TreeviewSelect>>", lambda event: self._open_selected())
        self.place = ttk.Frame(page, style="Card.TFrame", padding=1)
        self.place.grid(row=0 if wide else 1, column=1 if wide else 0, sticky="nsew", padx=(7, 0) if wide else 0,
                        pady=0 if wide else (7, 0))  # fmt: skip
        self.place.pack_propagate(False)
        self.hint = ttk.Label(self.place, text="Choose a parcel from the list", style="Faint.TLabel")
        self.hint.place(relx=0.5, rely=0.5, anchor="center")

    def _build_processor(self) -> None:
        page = ttk.Frame(self.book, style="Inside.TFrame", padding=28)
        self.book.add(page, text="Processor")
        ttk.Label(page, text="A hash in pure Python, which holds the GIL", style="Title.TLabel").pack(anchor="w")
        told = "Threads take the interpreter away from the window, again and again. Processes have one of their own."
        ttk.Label(page, style="Faint.TLabel", text=told, wraplength=620).pack(anchor="w", pady=(4, 20))
        line = ttk.Frame(page, style="Inside.TFrame")
        line.pack(anchor="w")
        self.hash_in: dict[str, ttk.Button] = {}
        for where in ("threads", "processes"):
            button = ttk.Button(line, text=f"Hash in {where}", width=18, command=partial(self.hashing.run, where))
            button.pack(side="left", padx=(0, 10))
            self.hash_in[where] = button
        self.hashed = ttk.Label(page, style="Card.TLabel")
        self.hashed.pack(anchor="w", pady=(22, 6))
        self.hash_bar = ttk.Progressbar(page, maximum=1.0)
        self.hash_bar.pack(fill="x")
        self.frames = ttk.Label(page, style="Accent.TLabel")
        self.frames.pack(anchor="w", pady=(22, 0))

    # ---- what the user does

    def _open_selected(self) -> None:
        chosen = self.list.selection()
        if chosen:  # an empty one comes when the rows are made anew
            self.desk.open(Parcel(*map(str, self.list.item(chosen[0], "values"))))

    def back(self) -> None:
        """Leave the parcel that is open."""
        self.desk.back()
        self.list.selection_set(())

    def show_jobs(self) -> None:
        """Open a window that shows what runs."""
        JobsWindow(self._host, self.top, self.look)

    # ---- what the view models say

    def _show_results(self, results: Results) -> None:
        self.note.configure(text=results.note)
        if results.busy:
            return
        self.list.delete(*self.list.get_children())
        for parcel in results.parcels:
            self.list.insert("", "end", values=parcel, tags=(parcel.status,))

    def _show_detail(self, detail: DetailViewModel | None) -> None:
        if self.detail is not None:
            self.detail.frame.destroy()
        self.detail = None if detail is None else DetailPanel(self._host, self.place, detail, self.look, self.back)

    def _show_log(self, lines: tuple[str, ...]) -> None:
        self.log.configure(text="\n".join(("", "", *lines)[-2:]))

    def _show_progress(self, progress: Progress) -> None:
        self.bar.configure(value=progress.fraction)
        self.archive_text.configure(text=str(progress))
        self.archive_button.configure(text="Stop" if progress.state == "running" else "Download")

    def _show_hashing(self, hashing: Hashing) -> None:
        self.hashed.configure(text=str(hashing))
        self.hash_bar.configure(value=hashing.fraction)

    def _follow_frames(self) -> None:
        """Count frames while that page can be seen: nobody collects them otherwise."""
        self.owner.scope.launch_latest(self._show_frames, self.tab == 1)

    async def _show_frames(self, visible: bool) -> None:
        if visible:
            await self.hashing.frames.collect(lambda frames: self.frames.configure(text=str(frames)))


class DetailPanel:
    """The open parcel, in three parts."""

    def __init__(
        self, host: tk.TkHost, parent: ttk.Frame, detail: DetailViewModel, look: Look, back: Callable[[], object]
    ) -> None:
        parcel = detail.parcel
        self.frame = ttk.Frame(parent, style="Inside.TFrame", padding=(16, 12))
        self.frame.pack(fill="both", expand=True)
        owner = host.bind(self.frame)
        self.frame.columnconfigure((0, 1), weight=1, uniform="half")
        self.frame.rowconfigure(2, weight=1)
        head = ttk.Frame(self.frame, style="Inside.TFrame")
        head.grid(row=0, column=0, columnspan=2, sticky="ew", pady=(0, 12))
        self.back = ttk.Button(head, text="Back", command=back)
        self.back.pack(side="right", anchor="n")
        self.title = ttk.Label(head, text=f"{parcel.recipient}, {parcel.city}", style="Title.TLabel")
        self.title.pack(anchor="w")
        ttk.Label(head, text=f"{parcel.number}   {parcel.status}", style="Faint.TLabel").pack(anchor="w", pady=(3, 0))
        self.route = Part(self.frame, owner, "Route", detail.route, _show_route, lambda: detail.load("route"))
        self.photo = Part(self.frame, owner, "Photo", detail.photo, _show_photo, lambda: detail.load("photo"))
        self.history = Part(self.frame, owner, "History", detail.history, _show_history, lambda: detail.load("history"))
        self.route.frame.grid(row=1, column=0, sticky="new", padx=(0, 8))
        self.photo.frame.grid(row=1, column=1, sticky="new", padx=(8, 0))
        self.history.frame.grid(row=2, column=0, columnspan=2, sticky="new", pady=(16, 0))


class Part:
    """A part of the open parcel: loading, filled, or an error with a button that tries again."""

    def __init__(
        self, parent: ttk.Frame, owner: ViewOwner, title: str, state: Any, fill: Callable[[Part, Any], object],
        retry: Callable[[], object],
    ) -> None:  # fmt: skip
        self.frame = ttk.Frame(parent, style="Inside.TFrame")
        ttk.Label(self.frame, text=title, style="Accent.TLabel").pack(anchor="w", pady=(0, 6))
        self.body: ttk.Frame | None = None
        self.picture: PhotoImage | None = None
        self.retry: ttk.Button | None = None
        self._fill = fill
        self._load_again = retry
        bind_value(state, self._show, owner)
        owner.on_destroy(self._let_go)

    def lines(self) -> list[str]:
        """What can be read in it."""
        found: list[str] = []
        left: list[Any] = [] if self.body is None else [self.body]
        while left:
            widget = left.pop(0)
            left = [*widget.winfo_children(), *left]
            if isinstance(widget, ttk.Label) and widget.cget("text"):
                found.append(str(widget.cget("text")))
        return found

    def line(self, text: str, style: str = "Card", right: str = "") -> None:
        """Add a line, with something at its right end perhaps."""
        row = ttk.Frame(self.body, style="Inside.TFrame")
        row.pack(fill="x", pady=2)
        ttk.Label(row, text=text, style=f"{style}.TLabel").pack(side="left")
        if right:
            ttk.Label(row, text=right, style="Faint.TLabel").pack(side="right")

    def show_picture(self, data: bytes) -> None:
        self.picture = PhotoImage(master=self.frame, data=data, format="PPM")
        Label(self.body, image=self.picture, borderwidth=0).pack(anchor="w")

    def _show(self, pane: Pane[Any]) -> None:
        self._let_go()
        self.body = ttk.Frame(self.frame, style="Inside.TFrame")
        self.body.pack(fill="both", expand=True)
        if pane.error is not None:
            self.line("Could not be loaded:", "Strong")
            ttk.Label(self.body, text=pane.error, style="Bad.TLabel", wraplength=190).pack(anchor="w")
            self.retry = ttk.Button(self.body, text="Retry", command=self._load_again)
            self.retry.pack(anchor="w", pady=(8, 0))
        elif pane.value is None:
            self.line("loading...", "Faint")
        else:
            self._fill(self, pane.value)

    def _let_go(self) -> None:
        """Of the widgets first: one that shows a picture keeps its name."""
        if self.body is not None:
            self.body.destroy()
        self.body = self.picture = self.retry = None


def _show_route(part: Part, stops: tuple[Stop, ...]) -> None:
    for stop in stops:
        part.line(f"{'●' if stop.reached else '○'}  {stop.place}", "Card" if stop.reached else "Off", stop.time)


def _show_photo(part: Part, data: bytes) -> None:
    part.show_picture(data)


def _show_history(part: Part, entries: tuple[Entry, ...]) -> None:
    for entry in entries[:6]:
        part.line(entry.text, right=entry.time)


class JobsWindow:
    """What runs now, and where it waits, for as long as the window is open."""

    def __init__(self, host: tk.TkHost, parent: Toplevel, look: Look) -> None:
        self.top = Toplevel(parent, background=look.card)
        self.top.title("Jobs")
        self.top.geometry("900x420")
        self.text = Text(
            self.top, font=FIXED, background=look.card, foreground=look.ink, borderwidth=0, padx=14, pady=12,
            wrap="none",
        )  # fmt: skip
        self.save = ttk.Button(self.top, text="Save a trace and a report", style="Bar.TButton")
        self.save.pack(side="bottom", anchor="e", padx=14, pady=8)
        self.text.pack(fill="both", expand=True)
        scope = host.bind(self.top).scope
        self.save.configure(command=on_event(scope, "drop")(self._save))
        scope.launch(self._follow, name="jobs window")

    async def _save(self) -> None:
        paths = await with_context(Dispatchers.IO, recorder.save)
        self.top.title(f"Jobs: saved {' and '.join(paths)}")

    async def _follow(self) -> None:
        while True:
            tree = await with_context(Dispatchers.Default, jobs)  # it asks the collector, and that takes a while
            at = self.text.yview()[0]
            self.text.replace("1.0", "end", tree)
            self.text.yview_moveto(at)
            await delay(JOBS_EVERY)
