"""The view models in virtual time: seconds and minutes of a user's day, without a sleep, a server or a window.

    python -m pytest examples/parceldesk

In place of the repository stands one that answers when it is told to. No dispatcher is replaced but Main: the view
models know no other.
"""

from __future__ import annotations

import ast
import pathlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from examples.parceldesk import view_models
from examples.parceldesk.model import Entry, Found, Pane, Parcel, Progress, ServiceError, Stop
from examples.parceldesk.view_models import (
    LOG_LINES,
    PARTS,
    DeskViewModel,
    DetailViewModel,
    DownloadViewModel,
    HashViewModel,
    SearchViewModel,
)
from vmscope import ViewModelProvider, ViewModelStore, delay
from vmscope.flow import Flow, flow
from vmscope.testing import main_dispatcher, record_values

PARCEL = Parcel("PD 1", "Ada Berg", "Paris", "in transit")
OTHER = Parcel("PD 2", "Emil Dahl", "Riga", "delivered")
MEGABYTE = 1_000_000


class FakeRepository:
    """Answers after as many seconds as `takes` says, one by default; fails where `fails` has a text for it."""

    def __init__(self) -> None:
        self.takes: dict[str, float] = {}
        self.fails: dict[str, str] = {}
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.kept = Progress()

    async def _answer(self, question: str) -> None:
        self.asked.append(question)
        await delay(self.takes.get(question, 1.0))
        if question in self.fails:
            raise ServiceError(self.fails[question])
        self.answered.append(question)

    async def search(self, text: str) -> Found:
        await self._answer(text)
        return Found((PARCEL, OTHER) if not text else (Parcel("PD 3", text, "Paris", "announced"),))

    async def route(self, number: str) -> tuple[Stop, ...]:
        await self._answer(f"route {number}")
        return (Stop("Paris", "20 Nov", True),)

    async def photo(self, number: str) -> bytes:
        await self._answer(f"photo {number}")
        return b"P6"

    async def history(self, number: str) -> tuple[Entry, ...]:
        await self._answer(f"history {number}")
        return (Entry("20 Nov", "scanned"),)

    async def archive(self) -> Progress:
        await self._answer("archive")
        return self.kept

    def download(self) -> Flow[Progress]:
        return flow(self._download)

    async def _download(self) -> AsyncGenerator[Progress, None]:
        progress = Progress(self.kept.received, 10 * MEGABYTE, "running")
        try:
            while progress.received < progress.total:
                await self._answer(f"megabyte {progress.received // MEGABYTE}")
                progress = progress._replace(received=progress.received + MEGABYTE)
                yield progress
            progress = progress._replace(state="complete and right")
        finally:
            self.kept = progress
        yield progress


class FakeHasher:
    """Takes as many seconds for a part as its number."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.fails = False

    async def hash_part(self, where: str, part: int) -> int:
        self.begun.append(f"{where} {part}")
        await delay(part)
        if self.fails and part == 3:
            raise MemoryError("no room")
        return 1 << part


@pytest.fixture
def time() -> Iterator[Any]:
    """The clock of Dispatchers.Main; view models are cleared and joined at the end."""
    with main_dispatcher() as main:
        yield main.scheduler


@pytest.fixture
def repository() -> FakeRepository:
    return FakeRepository()


# ---- search


@pytest.fixture
def search(time: Any, repository: FakeRepository) -> SearchViewModel:
    """One that has shown all parcels already."""
    made = SearchViewModel(repository)
    time.advance_until_idle()
    repository.asked.clear()
    repository.answered.clear()
    return made


def recipients(search: SearchViewModel) -> list[str]:
    return [parcel.recipient for parcel in search.results.value.parcels]


def test_the_list_is_filled_before_anything_is_typed(search):
    assert recipients(search) == ["Ada Berg", "Emil Dahl"]
    assert search.results.value.note == "2 parcels"


def test_nothing_is_asked_while_one_types(time, search, repository):
    for text in ("p", "pa", "par"):
        search.text.value = text
        time.advance_time_by(0.2)

    assert repository.asked == []


def test_the_last_text_is_asked_for_when_the_typing_pauses(time, search, repository):
    for text in ("p", "pa", "par"):
        search.text.value = text
        time.advance_time_by(0.2)
    time.advance_until_idle()

    assert repository.asked == ["par"]
    assert recipients(search) == ["par"]


def test_a_slow_answer_never_comes_after_a_newer_one(time, search, repository):
    repository.takes = {"pari": 1.5, "paris": 0.05}

    search.text.value = "pari"
    time.advance_time_by(0.5)
    search.text.value = "paris"
    time.advance_until_idle()

    assert repository.asked == ["pari", "paris"]
    assert repository.answered == ["paris"], "the older question was cancelled, not only its answer dropped"
    assert recipients(search) == ["paris"]


def test_every_result_that_was_shown_belongs_to_the_text_it_says(time, search, repository):
    shown = record_values(search.results)
    for number, text in enumerate(("a", "ab", "abc", "abcd")):
        repository.takes[text] = 1.5 - 0.4 * number
        search.text.value = text
        time.advance_time_by(0.4)
    time.advance_until_idle()

    done = [results for results in shown if not results.busy and results.text]
    assert [results.text for results in done] == ["abcd"]
    assert all(parcel.recipient == results.text for results in done for parcel in results.parcels)


def test_while_a_search_runs_the_list_stays_and_says_so(time, search):
    search.text.value = "par"
    time.advance_time_by(0.5)

    assert search.results.value.busy
    assert search.results.value.note == "searching..."
    assert recipients(search) == ["Ada Berg", "Emil Dahl"]


def test_a_blank_more_or_less_is_no_new_search(time, search, repository):
    search.text.value = "par"
    time.advance_until_idle()
    search.text.value = "par "
    time.advance_until_idle()

    assert repository.asked == ["par"]


def test_to_type_and_take_back_asks_nothing_new(time, search, repository):
    search.text.value = "p"
    time.advance_time_by(0.1)
    search.text.value = ""
    time.advance_until_idle()

    assert "p" not in repository.asked
    assert recipients(search) == ["Ada Berg", "Emil Dahl"]


def test_a_search_that_fails_says_why_and_the_next_one_works(time, search, repository):
    repository.fails["x"] = "no network"

    search.text.value = "x"
    time.advance_until_idle()
    failed = search.results.value
    search.text.value = "y"
    time.advance_until_idle()

    assert (failed.note, failed.busy) == ("no network", False)
    assert [parcel.recipient for parcel in failed.parcels] == ["Ada Berg", "Emil Dahl"]
    assert recipients(search) == ["y"]


def test_a_search_ends_with_the_program(time, search, repository):
    search.text.value = "par"
    time.advance_time_by(0.5)
    search.clear()
    time.advance_until_idle()

    assert repository.asked == ["par"]
    assert repository.answered == []


# ---- a parcel


def test_the_three_parts_load_at_once(time, repository):
    detail = DetailViewModel(repository, PARCEL)

    assert detail.loading == 3
    assert repository.asked == ["route PD 1", "photo PD 1", "history PD 1"]
    time.advance_until_idle()
    assert time.current_time == 1.0
    assert detail.loading == 0


def test_a_part_is_shown_as_soon_as_it_is_there(time, repository):
    repository.takes = {"route PD 1": 0.1, "photo PD 1": 9.0}
    detail = DetailViewModel(repository, PARCEL)

    time.advance_time_by(0.2)

    assert detail.route.value == Pane((Stop("Paris", "20 Nov", True),))
    assert detail.photo.value.is_loading
    assert detail.history.value.is_loading


def test_a_part_that_fails_leaves_the_others_alone(time, repository):
    repository.takes["photo PD 1"] = 0.1
    repository.fails["photo PD 1"] = "the photo store does not answer"
    detail = DetailViewModel(repository, PARCEL)

    time.advance_until_idle()

    assert detail.photo.value == Pane(error="the photo store does not answer")
    assert detail.route.value.value is not None
    assert detail.history.value.value is not None


def test_a_failure_that_nobody_has_thought_of_is_shown_too(time, repository):
    repository.route = lambda number: 1 / 0
    detail = DetailViewModel(repository, PARCEL)

    time.advance_until_idle()

    assert detail.route.value.error == "ZeroDivisionError('division by zero')"
    assert detail.history.value.value is not None


def test_retry_loads_that_part_alone(time, repository):
    repository.fails["photo PD 1"] = "no"
    detail = DetailViewModel(repository, PARCEL)
    time.advance_until_idle()
    repository.fails.clear()
    repository.asked.clear()

    detail.load("photo")
    assert detail.photo.value.is_loading
    time.advance_until_idle()

    assert repository.asked == ["photo PD 1"]
    assert detail.photo.value == Pane(b"P6")


def test_an_impatient_retry_replaces_the_one_before(time, repository):
    detail = DetailViewModel(repository, PARCEL)
    time.advance_time_by(0.5)

    detail.load("photo")
    detail.load("photo")
    time.advance_until_idle()

    assert repository.answered.count("photo PD 1") == 1
    assert detail.photo.value == Pane(b"P6")


# ---- the desk


@pytest.fixture
def desk(time: Any, repository: FakeRepository) -> DeskViewModel:
    return DeskViewModel(repository)


def test_back_cancels_all_that_loads_and_says_how_much(time, desk, repository):
    desk.open(PARCEL)
    detail = desk.detail.value
    time.advance_time_by(0.5)
    desk.back()
    time.advance_until_idle()

    assert desk.detail.value is None
    assert detail.is_cleared
    assert repository.answered == []
    assert detail.route.value.is_loading, "nothing was delivered into a screen that has gone"
    assert desk.log.value[-1] == "left PD 1: cancelled 3 jobs, 0 callbacks delivered"


def test_back_counts_only_what_was_still_under_way(time, desk, repository):
    repository.takes = {"route PD 1": 0.1, "history PD 1": 0.1}
    desk.open(PARCEL)
    time.advance_time_by(0.5)
    desk.back()
    time.advance_until_idle()

    assert desk.log.value[-1] == "left PD 1: cancelled 1 job, 0 callbacks delivered"


def test_back_after_all_has_come_cancels_nothing(time, desk):
    desk.open(PARCEL)
    time.advance_until_idle()
    desk.back()
    time.advance_until_idle()

    assert desk.log.value[-1] == "left PD 1: cancelled 0 jobs, 0 callbacks delivered"


def test_back_without_an_open_parcel_does_nothing(time, desk):
    desk.back()
    time.advance_until_idle()

    assert desk.log.value == ()


def test_another_parcel_takes_the_place_of_the_one_that_loads(time, desk, repository):
    desk.open(PARCEL)
    time.advance_time_by(0.5)
    desk.open(OTHER)
    time.advance_until_idle()

    assert desk.detail.value.parcel is OTHER
    assert {question.partition(" ")[2] for question in repository.answered} == {"PD 2"}


def test_the_program_takes_the_open_parcel_along(time, desk):
    desk.open(PARCEL)
    detail = desk.detail.value

    desk.clear()

    assert detail.is_cleared
    assert not detail.view_model_scope.is_active


def test_the_log_keeps_the_newest_lines(time, desk):
    for number in range(LOG_LINES + 5):
        desk.note(str(number))

    assert (desk.log.value[0], desk.log.value[-1], len(desk.log.value)) == ("5", str(LOG_LINES + 4), LOG_LINES)


# ---- the archive


@pytest.fixture
def archive(time: Any, repository: FakeRepository) -> DownloadViewModel:
    made = DownloadViewModel(repository)
    time.advance_until_idle()
    return made


def test_a_download_tells_how_far_it_is(time, archive):
    archive.toggle()
    time.advance_time_by(3.5)

    assert archive.progress.value == Progress(3 * MEGABYTE, 10 * MEGABYTE, "running")
    assert str(archive.progress.value) == "3 of 10 MB, running"
    assert archive.progress.value.fraction == 0.3


def test_a_download_comes_to_its_end(time, archive):
    archive.toggle()
    time.advance_until_idle()

    assert archive.progress.value == Progress(10 * MEGABYTE, 10 * MEGABYTE, "complete and right")


def test_a_download_that_is_stopped_goes_on_where_it_was(time, archive, repository):
    archive.toggle()
    time.advance_time_by(3.5)
    archive.toggle()
    time.advance_time_by(60)
    stopped = archive.progress.value
    repository.asked.clear()
    archive.toggle()
    time.advance_until_idle()

    assert stopped == Progress(3 * MEGABYTE, 10 * MEGABYTE, "stopped")
    assert repository.asked[0] == "megabyte 3"
    assert archive.progress.value.state == "complete and right"


def test_a_download_that_fails_says_why_and_can_be_started_again(time, archive, repository):
    repository.fails["megabyte 5"] = "cut off"
    archive.toggle()
    time.advance_until_idle()
    failed = archive.progress.value
    repository.fails.clear()
    archive.toggle()
    time.advance_until_idle()

    assert failed == Progress(5 * MEGABYTE, 10 * MEGABYTE, "failed: cut off")
    assert archive.progress.value.state == "complete and right"


def test_what_an_earlier_run_has_left_is_shown(time, repository):
    repository.kept = Progress(4 * MEGABYTE, 10 * MEGABYTE, "stopped")
    archive = DownloadViewModel(repository)
    time.advance_until_idle()

    assert archive.progress.value == repository.kept


def test_a_download_that_is_started_at_once_is_not_overwritten_by_what_was_left(time, repository):
    repository.kept = Progress(4 * MEGABYTE, 10 * MEGABYTE, "stopped")
    repository.takes["archive"] = 2.5
    archive = DownloadViewModel(repository)
    archive.toggle()
    seen = record_values(archive.progress)
    time.advance_time_by(3.5)

    assert {progress.state for progress in seen} == {"running"}
    assert archive.progress.value.received == 7 * MEGABYTE


def test_a_download_ends_with_the_program_and_has_written_down_where(time, archive, repository):
    archive.toggle()
    time.advance_time_by(3.5)
    archive.clear()
    time.advance_until_idle()

    assert repository.kept.received == 3 * MEGABYTE
    assert archive.progress.value.state == "stopped"


def test_a_window_that_is_made_anew_finds_the_download_at_work(time, repository):
    store, factory = ViewModelStore(), view_models.view_models(repository, FakeHasher())
    before = ViewModelProvider(store, factory)[DownloadViewModel]
    before.toggle()
    time.advance_time_by(3.5)

    after = ViewModelProvider(store, factory)[DownloadViewModel]
    time.advance_time_by(2)

    assert after is before
    assert after.progress.value.received >= 5 * MEGABYTE
    store.clear()


# ---- the processor


def test_parts_are_hashed_side_by_side(time):
    hashing = HashViewModel(FakeHasher())
    seen = record_values(hashing.hashing)

    hashing.run("threads")
    time.advance_until_idle()

    assert time.current_time == PARTS - 1
    assert [each.done for each in seen] == [0, 0, *range(1, PARTS + 1), PARTS]
    assert hashing.hashing.value.outcome == f"{2**PARTS - 1:016x}"


def test_a_second_run_takes_the_place_of_the_first(time):
    hasher = FakeHasher()
    hashing = HashViewModel(hasher)

    hashing.run("threads")
    time.advance_time_by(2.5)
    hashing.run("processes")
    time.advance_until_idle()

    assert hashing.hashing.value.where == "processes"
    assert hashing.hashing.value.done == PARTS
    assert time.current_time == 2.5 + PARTS - 1


def test_a_part_that_fails_ends_the_others_and_says_so(time):
    hasher = FakeHasher()
    hasher.fails = True
    hashing = HashViewModel(hasher)

    hashing.run("processes")
    time.advance_until_idle()
    failed = str(hashing.hashing.value)
    hasher.fails = False
    hashing.run("processes")
    time.advance_until_idle()

    assert failed == "in processes: 3 of 6 parts, failed: MemoryError('no room')"
    assert hashing.hashing.value.done == PARTS


def test_frames_are_counted_while_somebody_looks(time):
    hashing = HashViewModel(FakeHasher())
    time.advance_time_by(60)
    assert hashing.frames.value.per_second == 0.0

    looking = hashing.view_model_scope.launch(hashing.frames.collect, lambda frames: None)
    time.advance_time_by(2)
    looking.cancel()

    assert str(hashing.frames.value) == "60 frames/s, longest pause 17 ms"
    time.advance_until_idle()  # comes to an end: nobody counts any more


# ---- the file itself


def test_the_view_models_know_no_toolkit_no_thread_and_no_socket():
    tree = ast.parse(pathlib.Path(view_models.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    plain = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]

    assert modules == {"__future__", "collections.abc", "typing", "vmscope", "vmscope.flow", "vmscope.hosts", "model"}
    assert plain == []
