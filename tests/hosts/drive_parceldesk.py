"""Drives the program of examples/parceldesk as its user would, under Tk or Qt, and prints what it sees, as JSON.

    python -m tests.hosts.drive_parceldesk tk FILE [FOLDER PICTURE]      PySide6 and PyQt6 in place of tk: no picture

It is the program itself, from its `main` on: only that the class of its desk has one more coroutine at work, and that
its end waits for whatever holds it up, for an hour. FILE is
its SQLite file, FOLDER that of an Xvfb's -fbdir, PICTURE what to save the window as.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from examples.parceldesk import __main__ as program
from examples.parceldesk.depot import Depot
from examples.parceldesk.model import Progress
from examples.parceldesk.server import ParcelServer, mood
from examples.parceldesk.store import Store
from examples.parceldesk.trace import recorder
from vmscope import with_timeout
from vmscope.hosts import await_frame

from ..patient import HOUR, be_patient
from .screen import read_screen

SEED = "1"
PATIENCE = 20.0  # seconds for one wait
EARLIER = 41_943_040  # bytes of the archive that an earlier run is to have fetched
DEPOT = Depot(SEED)
FOUND = DEPOT.find("par")
FIRST, COUNTED = FOUND[0].number, f"{len(FOUND)} parcels"
servers: list[ParcelServer] = []


class Server(ParcelServer):
    """Keeps those waiting who ask for the first parcel: it is left while it loads, however slow this machine is."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        servers.append(self)

    def take(self, address: str) -> tuple[float, bool]:
        seconds, fails = super().take(address)
        return (3600.0 if quote(FIRST) in address else seconds), fails


def tell(**seen: object) -> None:
    print(json.dumps(seen), flush=True)


async def until(condition: Callable[[], object]) -> None:
    """Wait, with the window alive, until something holds."""

    async def wait() -> None:
        while not condition():
            await await_frame()

    await with_timeout(PATIENCE, wait)


def chosen_rows() -> Iterator[int]:
    """The rows in the list whose photo fails, and then does not; of parcels with a history to be looked at."""
    for row, parcel in enumerate(FOUND):
        address = f"/parcels/{quote(parcel.number)}/photo"
        fails, fails_again = (mood(SEED, address, number)[1] for number in (1, 2))
        if row and len(DEPOT.history(parcel.number)) > 3 and fails and not fails_again:
            yield row


def asked(part: str) -> int:
    return sum(times for address, times in servers[0].asked.items() if part in address)


# ---- Tk


def press(widget: Any, x: int = -1, y: int = -1) -> None:
    """Click, as Tk's own bindings see it."""
    widget.update_idletasks()
    place = {"x": widget.winfo_width() // 2 if x < 0 else x, "y": widget.winfo_height() // 2 if y < 0 else y}
    for event in ("<Enter>", "<ButtonPress-1>", "<ButtonRelease-1>"):
        widget.event_generate(event, **place)


async def strike(widget: Any, *keys: str) -> None:
    """Type into a widget, in one turn. Keys go to whoever has the focus, and without a window manager nobody has it."""
    widget.focus_force()
    await until(lambda: widget.focus_get() is widget)
    for key in keys:
        widget.event_generate("<KeyPress>", keysym=key)


def press_row(window: Any, row: int) -> None:
    item = window.list.get_children()[row]
    window.list.see(item)
    window.list.update_idletasks()
    x, y, _, height = window.list.bbox(item)
    press(window.list, x + 5, y + height // 2)


async def drive_tk(desk: Any, folder: str = "", picture: str = "") -> None:
    window = desk.window
    await until(lambda: window.list.get_children() and window.entry.winfo_viewable())
    await strike(window.entry, "p", "a", "r")
    await until(lambda: window.note.cget("text") == COUNTED)
    cities = {window.list.item(item, "values")[2] for item in window.list.get_children()}
    tell(typed=window.entry.get(), rows=len(window.list.get_children()), cities=sorted(cities), asked=[
        address for address in servers[0].asked if "q=" in address
    ])  # fmt: skip

    press_row(window, 0)
    await until(lambda: window.detail and servers[0].asked.total() == 5)  # two searches, three parts
    press(window.detail.back)
    await until(lambda: "left" in window.log.cget("text") and len(servers[0].hung_up) == 3)
    tell(back=window.log.cget("text").splitlines()[-1], detail=window.detail, hung_up=len(servers[0].hung_up))

    press(window.archive_button)
    press_row(window, next(chosen_rows()))
    await until(lambda: window.detail and window.detail.photo.retry and window.detail.photo.retry.winfo_viewable())
    await until(lambda: window.detail.route.lines()[1:] and window.detail.history.lines()[1:])
    await until(lambda: window.bar["value"] > EARLIER / 2e9)
    detail, first = window.detail, window.bar["value"]
    tell(route=len(detail.route.lines()), photo=detail.photo.lines(), history=len(detail.history.lines()),
         button=window.archive_button.cget("text"))  # fmt: skip
    if folder:
        take_picture(window, folder, picture)

    press(detail.photo.retry)
    await until(lambda: detail.photo.picture)
    title = detail.title.cget("text")
    press(window.rotate)
    await until(lambda: desk.window is not window and desk.window.detail and desk.window.detail.photo.picture)
    old, window = window, desk.window
    at_first = window.bar["value"]
    await until(lambda: window.bar["value"] > at_first)
    tell(rotated=window.look is not old.look, gone=not old.top.winfo_exists(), text=window.entry.get(),
         rows=len(window.list.get_children()), same=window.detail.title.cget("text") == title,
         goes_on=at_first >= first, photos=asked("/photo"), downloads=asked("/archive"))  # fmt: skip

    await strike(window.entry, "F12")
    await until(lambda: jobs_text(window))
    tell(jobs="'download' active" in jobs_text(window))
    jobs_window = next(child for child in window.top.winfo_children() if child.winfo_class() == "Toplevel")
    press(next(child for child in jobs_window.winfo_children() if child.winfo_class() == "TButton"))
    await until(lambda: "saved" in jobs_window.title())
    tell(saved=sorted(os.listdir(recorder.folder)))
    tell(closing=True)
    window.top.tk.eval(window.top.protocol("WM_DELETE_WINDOW"))


def jobs_text(window: Any) -> str:
    for child in window.top.winfo_children():
        if child.winfo_class() == "Toplevel":
            return str(child.winfo_children()[0].get("1.0", "end")).strip()
    return ""


def take_picture(window: Any, folder: str, picture: str) -> None:
    window.top.update()
    window.top.winfo_pointerxy()  # the server answers this when it has drawn all before
    top, look = window.top, window.look
    place = top.winfo_rootx(), top.winfo_rooty(), top.winfo_width(), top.winfo_height()
    seen = read_screen(pathlib.Path(folder), *place)
    seen.save(pathlib.Path(picture))
    wanted = (look.bar, look.accent, look.card, look.chosen)  # areas: letters have all shades between two colours
    tell(size=[seen.width, seen.height], missing=sorted(set(wanted) - seen.colours()))


# ---- Qt


async def drive_qt(desk: Any) -> None:
    window = desk.window
    await until(lambda: window.list.count())
    for key in "par":
        window.entry.insert(key)
    await until(lambda: window.note.text() == COUNTED)
    tell(typed=window.entry.text(), rows=window.list.count())
    window.list.itemClicked.emit(window.list.item(0))
    await until(lambda: servers[0].asked.total() == 5)
    window.back.click()
    await until(lambda: "left" in window.log.text())
    tell(back=window.log.text().splitlines()[-1], title=window.title.text())
    window.archive_button.click()
    window.list.itemClicked.emit(window.list.item(next(chosen_rows())))
    photo, route = window.parts["photo"], window.parts["route"]
    await until(lambda: photo.retry.isVisible() and "loading" not in route.label.text())
    tell(photo=photo.label.text(), route=len(route.label.text().splitlines()), button=window.archive_button.text())
    photo.retry.click()
    await until(lambda: not photo.label.pixmap().isNull())
    window.rotate.click()
    old, window = window, desk.window
    at_first = window.bar.value()
    await until(lambda: window.bar.value() > at_first and not window.parts["photo"].label.pixmap().isNull())
    tell(rotated=window is not old and window.wide != old.wide, text=window.entry.text(), rows=window.list.count(),
         photos=asked("/photo"), downloads=asked("/archive"))  # fmt: skip
    tell(closing=True)
    window.top.close()


def main() -> int:
    kit, file, *picture = sys.argv[1:]
    if not pathlib.Path(file).exists():
        Store(file).save_archive(Progress(EARLIER, 2_000_000_000, "stopped"), DEPOT.archive_checksum(EARLIER))
    program.ParcelServer = Server  # type: ignore[misc]
    be_patient()
    if kit == "tk":
        from examples.parceldesk import tk_view as view

        kind: Any = view.TkDesk
        view.LONGEST_END = HOUR
        view.TkDesk = driven(kind, drive_tk, *picture)  # type: ignore[misc]
        arguments: list[str] = []
    else:
        from examples.parceldesk import qt_view

        qt_view.LONGEST_END = HOUR
        qt_view.QtDesk = driven(qt_view.QtDesk, drive_qt)  # type: ignore[misc]
        arguments = ["--qt", kit]
    return program.main([*arguments, "--seed", SEED, "--slowest", "0.1", "--data", file])


def driven(kind: Any, drive: Any, *arguments: str) -> Any:
    """Return the class `kind`, whose objects are driven as soon as their loop runs."""

    class Driven(kind):  # type: ignore[misc]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.host.scope.launch(self.be_used, name="the user")

        async def be_used(self) -> None:
            try:
                await drive(self, *arguments)
            except Exception:  # noqa: BLE001  (whatever it is, the program must end with it)
                traceback.print_exc()
                raise SystemExit(1) from None

    return Driven


if __name__ == "__main__":
    sys.exit(main())
