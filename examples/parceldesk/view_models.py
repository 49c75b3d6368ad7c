"""The view models: all that the desk knows and does. One file for every view; it knows no toolkit and no thread.

    SearchViewModel       type, and the last query's answer is what is shown
    DeskViewModel         which parcel is open, and the log
    DetailViewModel       of the open parcel: three parts, each of which may fail for itself
    DownloadViewModel     the archive; goes on while windows come and go
    HashViewModel         work for the processor, and how smoothly frames come meanwhile
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple

from vmscope import (
    CoroutineExceptionHandler,
    Job,
    ViewModel,
    ViewModelProviderFactory,
    async_,
    await_all,
    coroutine_scope,
    view_model_factory,
)
from vmscope.flow import MutableStateFlow, SharingStarted, StateFlow, flow
from vmscope.hosts import await_frame

from .model import Entry, Hasher, Pane, Parcel, Progress, Repository, ServiceError, Stop

TYPING_PAUSE = 0.25  # seconds without a key after which is searched
LOG_LINES = 50
PARTS = 6  # that are hashed


class Results(NamedTuple):
    """What stands below the search box."""

    text: str = ""
    parcels: tuple[Parcel, ...] = ()
    busy: bool = False
    note: str = ""


class SearchViewModel(ViewModel):
    """Searches when the typing pauses. A newer text cancels the search for an older one, and its request with it.

    Attributes:
        text: What was typed; the view sets it.
        results: What to show. While a search runs, what was found before stays.
    """

    def __init__(self, repository: Repository) -> None:
        super().__init__()
        self._repository = repository
        self.text = MutableStateFlow("")
        self.results = MutableStateFlow(Results())
        searches = (
            self.text.map(str.strip)
            .distinct_until_changed()
            .debounce(lambda text: TYPING_PAUSE if text else 0.0)
            .map_latest(self._search)
        )
        self.view_model_scope.launch(searches.collect, name="search")

    async def _search(self, text: str) -> None:
        before = self.results.value.parcels
        self.results.value = Results(text, before, busy=True, note="searching...")
        try:
            found = await self._repository.search(text)
        except ServiceError as failure:  # caught here, so that the search goes on with the next key
            self.results.value = Results(text, before, note=str(failure))
            return
        count = len(found.parcels)
        note = f"{count} parcel{'' if count == 1 else 's'}{', offline' if found.offline else ''}"
        self.results.value = Results(text, found.parcels, note=note)


class DetailViewModel(ViewModel):
    """One parcel. Its three parts load at once; one that fails says so in its place, and can be tried again.

    Attributes:
        parcel: Which.
        route, photo, history: The parts.
        delivered_late: Answers that came after the screen had gone. There are none; the log says so.
    """

    def __init__(self, repository: Repository, parcel: Parcel) -> None:
        super().__init__()
        self.parcel = parcel
        self.route: MutableStateFlow[Pane[tuple[Stop, ...]]] = MutableStateFlow(Pane())
        self.photo: MutableStateFlow[Pane[bytes]] = MutableStateFlow(Pane())
        self.history: MutableStateFlow[Pane[tuple[Entry, ...]]] = MutableStateFlow(Pane())
        self.delivered_late = 0
        self._parts: dict[str, tuple[MutableStateFlow[Any], Callable[[str], Awaitable[Any]]]] = {
            "route": (self.route, repository.route),
            "photo": (self.photo, repository.photo),
            "history": (self.history, repository.history),
        }
        self._jobs: dict[str, Job] = {}
        for name in self._parts:
            self.load(name)

    def load(self, name: str) -> None:
        """Load a part, for the first time or once more: "route", "photo" or "history"."""
        state, fetch = self._parts[name]

        def failed(context: object, failure: BaseException) -> None:
            state.value = Pane(error=str(failure) if isinstance(failure, ServiceError) else repr(failure))

        # The scope of a view model is a supervisor: a child that fails tells its handler, and its siblings go on.
        self._jobs[name] = self.view_model_scope.launch_latest(
            self._load, state, fetch, slot=name, context=CoroutineExceptionHandler(failed), name=f"load {name}"
        )

    async def _load(self, state: MutableStateFlow[Any], fetch: Callable[[str], Awaitable[Any]]) -> None:
        state.value = Pane()
        value = await fetch(self.parcel.number)
        self.delivered_late += self.is_cleared
        state.value = Pane(value)

    @property
    def loading(self) -> int:
        """How many parts are being loaded."""
        return sum(job.is_active for job in self._jobs.values())


class DeskViewModel(ViewModel):
    """What is open, and what has happened.

    Attributes:
        detail: The view model of the open parcel; None: the list alone.
        log: Lines, oldest first.
    """

    def __init__(self, repository: Repository) -> None:
        super().__init__()
        self._repository = repository
        self.detail: MutableStateFlow[DetailViewModel | None] = MutableStateFlow(None)
        self.log: MutableStateFlow[tuple[str, ...]] = MutableStateFlow(())
        self.add_closeable(self._close_detail)

    def open(self, parcel: Parcel) -> None:
        """Show a parcel, in place of the one that was open."""
        self.back()
        self.detail.value = DetailViewModel(self._repository, parcel)
        self.note(f"opened {parcel.number} for {parcel.recipient}")

    def back(self) -> None:
        """Leave the open parcel. Nothing of it comes any more, however far its requests were."""
        detail, self.detail.value = self.detail.value, None
        if detail is not None:
            self.view_model_scope.launch(self._leave, detail, name="leave")

    async def _leave(self, detail: DetailViewModel) -> None:
        loading = detail.loading
        await detail.clear_and_join()  # cleared at once: this starts in place
        jobs = f"{loading} job{'' if loading == 1 else 's'}"
        self.note(f"left {detail.parcel.number}: cancelled {jobs}, {detail.delivered_late} callbacks delivered")

    def note(self, line: str) -> None:
        """Write a line into the log. Threads: any."""
        self.log.update(lambda lines: (*lines, line)[-LOG_LINES:])

    def _close_detail(self) -> None:
        if self.detail.value is not None:
            self.detail.value.clear()


class DownloadViewModel(ViewModel):
    """The archive, two gigabytes, slowly. Belongs to the program: no window that goes takes it along.

    Attributes:
        progress: How far it has come.
    """

    def __init__(self, repository: Repository) -> None:
        super().__init__()
        self._repository = repository
        self.progress = MutableStateFlow(Progress())
        self._job: Job | None = None
        self.view_model_scope.launch(self._look_up, name="look up the archive")

    async def _look_up(self) -> None:
        try:
            earlier = await self._repository.archive()
        except ServiceError as failure:
            self._say(f"failed: {failure}")
        else:
            self.progress.compare_and_set(Progress(), earlier)  # unless it was started meanwhile

    def toggle(self) -> None:
        """Start it, or go on with it; or stop it where it runs."""
        if self._job is not None and self._job.is_active:
            self._job.cancel("stopped by the user")
        else:
            self._job = self.view_model_scope.launch(self._download, name="download")

    async def _download(self) -> None:
        self._say("running")
        try:
            await self._repository.download().collect(self._show)
        except ServiceError as failure:
            self._say(f"failed: {failure}")
        finally:
            if self.progress.value.state == "running":
                self._say("stopped")

    def _show(self, progress: Progress) -> None:
        self.progress.value = progress

    def _say(self, state: str) -> None:
        self.progress.update(lambda progress: progress._replace(state=state))


class Frames(NamedTuple):
    """How smoothly the main thread goes on."""

    per_second: float = 0.0
    longest: float = 0.0  # seconds between two of them

    def __str__(self) -> str:
        return f"{self.per_second:.0f} frames/s, longest pause {self.longest * 1000:.0f} ms"


class Hashing(NamedTuple):
    """How far the hashing has come."""

    where: str = ""
    done: int = 0
    outcome: str = ""

    @property
    def fraction(self) -> float:
        return self.done / PARTS

    def __str__(self) -> str:
        if not self.where:
            return "nothing hashed yet"
        return f"in {self.where}: {self.done} of {PARTS} parts{', ' + self.outcome if self.outcome else ''}"


class HashViewModel(ViewModel):
    """Work that holds the GIL: in threads the frames suffer, in processes they do not.

    Attributes:
        hashing: How far it has come.
        frames: Counted as long as somebody looks.
    """

    def __init__(self, hasher: Hasher) -> None:
        super().__init__()
        self._hasher = hasher
        self.hashing = MutableStateFlow(Hashing())
        self.frames: StateFlow[Frames] = flow(_count_frames).state_in(
            self.view_model_scope, SharingStarted.WHILE_SUBSCRIBED(), Frames()
        )

    def run(self, where: str) -> None:
        """Hash, in "threads" or in "processes"; what runs is cancelled."""
        handler = CoroutineExceptionHandler(lambda context, failure: self._end(f"failed: {failure!r}"))
        self.view_model_scope.launch_latest(
            self._run, where, slot="hash", join=True, context=handler, name=f"hash in {where}"
        )

    async def _run(self, where: str) -> None:
        self.hashing.value = Hashing(where)
        async with coroutine_scope():
            parts = [async_(self._part, where, part) for part in range(PARTS)]
        digest = 0
        for value in await await_all(*parts):
            digest ^= value
        self._end(f"{digest:016x}")

    def _end(self, outcome: str) -> None:
        self.hashing.update(lambda hashing: hashing._replace(outcome=outcome))

    async def _part(self, where: str, part: int) -> int:
        value = await self._hasher.hash_part(where, part)
        self.hashing.update(lambda hashing: hashing._replace(done=hashing.done + 1))
        return value


async def _count_frames() -> AsyncGenerator[Frames, None]:
    last = await await_frame()
    while True:
        began, count, longest = last, 0, 0.0
        while last - began < 0.5:
            now = await await_frame()
            count, longest, last = count + 1, max(longest, now - last), now
        yield Frames(count / (last - began), longest)


def view_models(repository: Repository, hasher: Hasher) -> ViewModelProviderFactory:
    """Return what makes them: for the ViewModelProvider of whatever view there is."""
    return view_model_factory({
        SearchViewModel: lambda: SearchViewModel(repository),
        DeskViewModel: lambda: DeskViewModel(repository),
        DownloadViewModel: lambda: DownloadViewModel(repository),
        HashViewModel: lambda: HashViewModel(hasher),
    })  # fmt: skip
