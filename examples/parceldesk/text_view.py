"""The desk as lines of text: what --headless shows, on a bare looper, and what --asyncio shows, on asyncio's.

A view like the others: it shows what the view models have, and tells them what was typed. It may be closed and made
anew around the same view models at any time; "rotate" does that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from vmscope import (
    Dispatchers,
    MainScope,
    NonCancellable,
    ViewModelProvider,
    ViewModelProviderFactory,
    ViewModelStore,
    run_blocking_io,
    with_context,
)
from vmscope.flow import Flow, FlowCollector, empty_flow, flow, merge

from .model import Pane, Progress
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

HELP = """\
find TEXT        search; "find" alone shows all       archive    start or stop the download
open 2           open the second parcel of the list   hash threads, hash processes
retry photo      load a part of it once more          jobs       what runs now, and where it waits
back             leave it                             rotate     build this view anew, wide or narrow
quit             so do Ctrl-D and Ctrl-C              save       what ran, for Perfetto and a browser
help             this"""
"""What can be typed."""


class TextView:
    """The view. Made and closed on the main thread.

    Args:
        models: Where the view models are; they stay when the view is closed.
        write: Takes a line.
        wide: Rows with all columns.
    """

    def __init__(self, models: ViewModelProvider, write: Callable[[str], object], wide: bool = True) -> None:
        self._models = models
        self._write = write
        self.wide = wide
        self.scope = MainScope()
        self.search = models[SearchViewModel]
        self.desk = models[DeskViewModel]
        self.archive = models[DownloadViewModel]
        self.hashing = models[HashViewModel]
        self._logged = len(self.desk.log.value)
        self._follow(self.desk.log, self._show_log)
        self._follow(self.search.results.filter(lambda results: results.note and not results.busy), self._show_results)
        self._follow(self.desk.detail.flat_map_latest(_parts_of), self._show_part)
        self._follow(self.archive.progress.filter(_has_begun).distinct_until_changed_by(_tenth), self._show_progress)
        self._follow(self.hashing.hashing.filter(lambda hashing: hashing.where), self._show_hashing)

    def close(self) -> None:
        """Show nothing any more."""
        self.scope.cancel("the view was closed")

    def obey(self, line: str) -> TextView | None:
        """Do what was typed. Return the view to go on with, this one as a rule; None: that was the end."""
        command, _, rest = line.strip().partition(" ")
        detail = self.desk.detail.value
        parcels = self.search.results.value.parcels
        match command, rest:
            case "quit", _:
                return None
            case "find", text:
                self.search.text.value = text
            case "open", number if number.isdigit() and 0 < int(number) <= len(parcels):
                self.desk.open(parcels[int(number) - 1])
            case "retry", ("route" | "photo" | "history") as part if detail is not None:
                detail.load(part)
            case "back", _:
                self.desk.back()
            case "archive", _:
                self.archive.toggle()
            case "hash", ("threads" | "processes") as where:
                self.hashing.run(where)
            case "jobs", _:
                self._write(jobs())
            case "save", _:
                self.scope.launch(self._save, name="save")
            case "rotate", _:
                self.close()
                return TextView(self._models, self._write, not self.wide)
            case "help", _:
                self._write(HELP)
            case _ if line.strip():
                self._write(f"{line.strip()!r} cannot be done now; help says what can")
        return self

    async def _save(self) -> None:
        for path in await with_context(Dispatchers.IO, recorder.save):
            self._write(f"saved {path}")

    # ---- what is shown

    def _follow(self, flow: Flow[Any], show: Callable[[Any], object]) -> None:
        self.scope.launch(flow.collect, show, name=f"show {getattr(show, '__name__', '')}")

    def _show_results(self, results: Results) -> None:
        self._write(f"{results.text or 'all'}: {results.note}")
        for index, parcel in enumerate(results.parcels[:10], 1):
            city, status = f"{parcel.city:10}", parcel.status
            more = f"  {city}  {status}" if self.wide else ""
            self._write(f"{index:3}  {parcel.number}  {parcel.recipient:20}{more}")

    def _show_part(self, part: tuple[str, Pane[Any]]) -> None:
        name, pane = part
        if pane.error is not None:
            self._write(f"  {name}: {pane.error} (retry {name})")
        elif isinstance(pane.value, bytes):
            self._write(f"  {name}: a picture of {len(pane.value):,} bytes")
        elif pane.value is not None:
            self._write(f"  {name}: {'; '.join(' '.join(map(str, row[:2])) for row in pane.value)}")

    def _show_log(self, lines: tuple[str, ...]) -> None:
        for line in lines[self._logged :]:
            self._write(f"* {line}")
        self._logged = len(lines)

    def _show_hashing(self, hashing: Hashing) -> None:
        self._write(f"hash: {hashing}")

    def _show_progress(self, progress: Progress) -> None:
        self._write(f"archive: {progress}")


def _parts_of(detail: DetailViewModel | None) -> Flow[tuple[str, Pane[Any]]]:
    """The parts of the open parcel, each with its name, as they change."""
    if detail is None:
        return empty_flow()
    named = (("route", detail.route), ("photo", detail.photo), ("history", detail.history))
    return merge(*(_named(name, state) for name, state in named))


def _named(name: str, state: Flow[Pane[Any]]) -> Flow[tuple[str, Pane[Any]]]:
    return state.map(lambda pane: (name, pane))


def _has_begun(progress: Progress) -> bool:
    return progress != Progress()


def _tenth(progress: Progress) -> tuple[str, int]:
    return progress.state, int(progress.fraction * 10)


async def converse(
    factory: ViewModelProviderFactory, store: ViewModelStore, write: Callable[[str], object], lines: Flow[str]
) -> None:
    """Show the desk and do what is typed, on the main thread, until that ends; then end the view models.

    Args:
        factory: Makes the view models.
        store: Keeps them; cleared in the end.
        write: Takes a line.
        lines: What is typed.
    """
    view = TextView(ViewModelProvider(store, factory), write)
    try:
        async for line in lines:
            going_on = view.obey(line)
            if going_on is None:
                break
            view = going_on
    finally:
        view.close()
        await with_context(NonCancellable, store.clear_and_join)  # so that each `finally` has run, also after Ctrl-C


@flow
async def typed_lines(collector: FlowCollector[str]) -> None:
    """What is typed, line by line, until Ctrl-D."""
    rest = b""
    # Abandoned at the end, for nothing wakes a thread that waits for a key. In os.read() it holds no lock of sys.stdin,
    # which is closed while it waits.
    while block := await run_blocking_io(os.read, 0, 4096, abandon_on_cancel=True):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            await collector.emit(line.decode(errors="replace"))
