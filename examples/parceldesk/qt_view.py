"""The desk under Qt: another window around the same view models. PySide6 or PyQt6, whichever is asked for."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from vmscope import ViewModelProvider, ViewModelProviderFactory
from vmscope.hosts import ViewOwner, bind_value, qt

from .model import Pane, Progress
from .view_models import (
    DeskViewModel,
    DetailViewModel,
    DownloadViewModel,
    HashViewModel,
    Results,
    SearchViewModel,
)

LONGEST_END = 0.9  # seconds that the download has, when the window is closed, to write down how far it is


def run(factory: ViewModelProviderFactory, binding: str) -> int:
    """Show the desk until its window is closed.

    Args:
        factory: Makes the view models.
        binding: "PySide6" or "PyQt6". By its name, and not by trying which is there: tools that make one file of a
            program collect what they find imported, and must not find both.
    Returns:
        What Qt's loop returns.
    """
    desk = QtDesk(factory, binding)
    return int(desk.host.run())


class QtDesk:
    """The program under Qt: one window at a time, made anew around the same view models."""

    def __init__(self, factory: ViewModelProviderFactory, binding: str) -> None:
        self.widgets: Any = import_module(f"{binding}.QtWidgets")
        self.gui: Any = import_module(f"{binding}.QtGui")
        self.core: Any = import_module(f"{binding}.QtCore")
        self.app: Any = self.widgets.QApplication.instance() or self.widgets.QApplication(["parceldesk"])
        self.app.setQuitOnLastWindowClosed(False)  # there is none for a moment while it is made anew
        self.host = qt.install(self.app)
        self.models = ViewModelProvider(self.host, factory)
        self.window = QtWindow(self, wide=True)

    def rotate(self) -> None:
        """Delete the window and make another one. What runs goes on."""
        old, self.window = self.window, QtWindow(self, not self.window.wide)
        old.top.deleteLater()


class QtWindow:
    """One window."""

    def __init__(self, desk: QtDesk, wide: bool) -> None:
        self.wide = wide
        self.search = desk.models[SearchViewModel]
        self.desk = desk.models[DeskViewModel]
        self.archive = desk.models[DownloadViewModel]
        self.hashing = desk.models[HashViewModel]
        self._of = desk
        widgets = desk.widgets
        self.top = _closing(desk)()
        self.top.setWindowTitle("Parcel Desk")
        self.top.resize(1000 if wide else 620, 620 if wide else 820)
        self.owner: ViewOwner = desk.host.bind(self.top, desk.host.view_model_store)
        page = widgets.QVBoxLayout(self.top)

        self.entry = widgets.QLineEdit(self.search.text.value)
        self.entry.setPlaceholderText("Find a parcel")
        self.note = widgets.QLabel()
        self.rotate = self._button("Rotate", desk.rotate)
        page.addLayout(self._row(self.entry, self.note, self.rotate))
        self.list = widgets.QListWidget()
        self.list.itemClicked.connect(lambda item: self._open(self.list.row(item)))
        self.parts = {name: Part(self, name) for name in ("route", "photo", "history")}
        self.title = widgets.QLabel()
        self.back = self._button("Back", self.desk.back)
        detail = widgets.QVBoxLayout()
        detail.addLayout(self._row(self.title, self.back))
        for part in self.parts.values():
            detail.addLayout(self._row(part.label, part.retry))
        detail.addStretch()
        middle = widgets.QHBoxLayout() if wide else widgets.QVBoxLayout()
        middle.addWidget(self.list, 1)
        middle.addLayout(detail, 1)
        page.addLayout(middle, 1)
        self.bar = widgets.QProgressBar()
        self.bar.setRange(0, 1000)
        self.archive_text = widgets.QLabel()
        self.archive_button = self._button("Download", self.archive.toggle)
        page.addLayout(self._row(self.bar, self.archive_text, self.archive_button))
        places = ("threads", "processes")
        hashes = [self._button(f"Hash in {where}", partial(self.hashing.run, where)) for where in places]
        self.hashed, self.frames, self.log = widgets.QLabel(), widgets.QLabel(), widgets.QLabel()
        page.addLayout(self._row(self.hashed, *hashes, self.frames))
        page.addWidget(self.log)

        desk.host.bind_property(self.search.text, self.entry, "text", self.owner)
        bind_value(self.search.results, self._show_results, self.owner)
        bind_value(self.desk.detail, self._show_detail, self.owner)
        bind_value(self.desk.log, lambda lines: self.log.setText("\n".join(lines[-2:])), self.owner)
        bind_value(self.archive.progress, self._show_progress, self.owner)
        bind_value(self.hashing.hashing, lambda hashing: self.hashed.setText(str(hashing)), self.owner)
        bind_value(self.hashing.frames, lambda frames: self.frames.setText(str(frames)), self.owner)
        self.top.show()

    def _button(self, text: str, command: Any) -> Any:
        button = self._of.widgets.QPushButton(text)
        button.clicked.connect(lambda *_: command())
        return button

    def _row(self, first: Any, *rest: Any) -> Any:
        row = self._of.widgets.QHBoxLayout()
        row.addWidget(first, 1)
        for widget in rest:
            row.addWidget(widget)
        return row

    def _open(self, row: int) -> None:
        self.desk.open(self.search.results.value.parcels[row])

    def _show_results(self, results: Results) -> None:
        self.note.setText(results.note)
        if not results.busy:
            self.list.clear()
            self.list.addItems([f"{p.number}   {p.recipient}, {p.city}: {p.status}" for p in results.parcels])

    def _show_detail(self, detail: DetailViewModel | None) -> None:
        self.title.setText("" if detail is None else f"{detail.parcel.recipient}, {detail.parcel.city}")
        for part in self.parts.values():
            part.follow(detail)

    def _show_progress(self, progress: Progress) -> None:
        self.bar.setValue(round(progress.fraction * 1000))
        self.archive_text.setText(str(progress))
        self.archive_button.setText("Stop" if progress.state == "running" else "Download")


class Part:
    """A part of the open parcel: its text or picture, and a button that tries again where it failed."""

    def __init__(self, window: QtWindow, name: str) -> None:
        self.label = window._of.widgets.QLabel()
        self.retry = window._button("Retry", self._load_again)
        self._window = window
        self._name = name
        self._detail: DetailViewModel | None = None
        self._binding: Any = None

    def follow(self, detail: DetailViewModel | None) -> None:
        """Show it of this parcel from now on."""
        if self._binding is not None:
            self._binding.cancel()
        self._detail, self._binding = detail, None
        self._show(Pane(""))
        if detail is not None:
            states: dict[str, Any] = {"route": detail.route, "photo": detail.photo, "history": detail.history}
            self._binding = bind_value(states[self._name], self._show, self._window.owner)

    def _load_again(self) -> None:
        if self._detail is not None:
            self._detail.load(self._name)

    def _show(self, pane: Pane[Any]) -> None:
        self.retry.setVisible(pane.error is not None)
        if isinstance(pane.value, bytes):
            picture = self._window._of.gui.QPixmap()
            picture.loadFromData(pane.value)
            self.label.setPixmap(picture)
        elif pane.value is not None:
            self.label.setText("\n".join("   ".join(map(str, row[:2])) for row in pane.value))
        else:
            self.label.setText(pane.error or f"{self._name}: loading...")


def _closing(desk: QtDesk) -> Any:
    """Return the class of windows: closing one ends the program."""

    class Top(desk.widgets.QWidget):  # type: ignore[name-defined, misc]
        def closeEvent(self, event: Any) -> None:  # noqa: N802
            event.accept()
            desk.host.end(LONGEST_END)

    return Top
