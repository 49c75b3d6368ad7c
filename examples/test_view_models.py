"""Thirty tests of view models: minutes of waiting, in less than a second, without a sleep.

    python -m pytest examples/test_view_models.py

Above the tests stands what is tested: three view models as a program would have them, with a search that waits until
the typing stops, a download that is tried again, a session that ends by itself. Time in the tests is virtual. Where
vmscope is installed, its pytest plugin has the fixture at their beginning already, as `main_dispatcher`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vmscope import Dispatchers, Job, MainScope, ViewModel, delay, ensure_active, with_context, with_timeout
from vmscope.testing import StandardTestDispatcher, UncompletedCoroutinesError, main_dispatcher, run_test

# ---- the program


class Search(ViewModel):
    """Searches when the typing has stopped for 0.3 s. An old answer never comes after a newer one."""

    def __init__(self, find: Callable[[str], list[str]]) -> None:
        super().__init__()
        self.results: list[str] = []
        self.busy = False
        self.error: str | None = None
        self._find = find

    def typed(self, text: str) -> None:
        self.view_model_scope.launch_latest(self._search, text)

    def _search(self, text: str) -> Iterator[Any]:
        yield from delay(0.3)
        self.busy, self.error = True, None
        try:
            self.results = yield from with_context(Dispatchers.IO, self._find, text)
        except OSError as error:
            self.error = str(error)
        finally:
            self.busy = False


class Download(ViewModel):
    """Fetches parts, one after another; each is tried three times, with growing pauses, for 60 s at most."""

    def __init__(self, fetch: Callable[[int], bytes], parts: int = 3) -> None:
        super().__init__()
        self.done = 0
        self.tries = 0
        self.state = "new"
        self._fetch = fetch
        self._parts = parts
        self.job: Job | None = None

    def start(self) -> None:
        if self.job is None or self.job.is_completed:
            self.job = self.view_model_scope.launch(self._run, name="download")

    def stop(self) -> None:
        if self.job is not None:
            self.job.cancel("stopped by the user")

    async def _run(self) -> None:
        self.state = "running"
        try:
            await with_timeout(60, self._all)
        except TimeoutError:
            self.state = "too slow"
        except OSError as error:
            self.state = f"failed: {error}"
        else:
            self.state = "complete"
        finally:
            if self.state == "running":
                self.state = "stopped"

    async def _all(self) -> None:
        for part in range(self.done, self._parts):
            await self._part(part)
            self.done += 1

    async def _part(self, part: int) -> None:
        for attempt in range(3):
            self.tries += 1
            try:
                await with_context(Dispatchers.IO, self._fetch, part)
                return
            except OSError:
                if attempt == 2:
                    raise
                await delay(2.0**attempt)


class Session(ViewModel):
    """Logs out after 15 minutes without activity, with a warning in the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.state = "active"
        self.left = 900
        self._ticks = self.view_model_scope.launch(self._tick, name="tick")

    def touched(self) -> None:
        if self.state != "logged out":
            self.state, self.left = "active", 900

    def _tick(self) -> Iterator[Any]:
        while self.left:
            yield from delay(1)
            self.left -= 1
            if self.left == 60:
                self.state = "warned"
        self.state = "logged out"

    def on_cleared(self) -> None:
        self.state += ", closed"


# ---- the tests


@pytest.fixture
def main() -> Iterator[Any]:
    """Dispatchers.Main of a test: coroutines start in place, view models are cleared and joined at the end."""
    with main_dispatcher() as dispatcher:
        yield dispatcher


@pytest.fixture
def time(main: Any) -> Any:
    return main.scheduler


def names(text: str) -> list[str]:
    return [f"{text}ton", f"{text}ville"]


def broken(_: object) -> Any:
    raise OSError("no network")


# search


def test_a_new_search_is_empty(main):
    search = Search(names)

    assert (search.results, search.busy, search.error) == ([], False, None)


def test_nothing_is_searched_while_one_types(time):
    search = Search(broken)

    search.typed("a")
    time.advance_time_by(0.3)

    assert search.error is None


def test_the_search_begins_when_the_typing_has_stopped(time):
    search = Search(names)

    search.typed("a")
    time.advance_until_idle()

    assert search.results == ["aton", "aville"]
    assert time.current_time == 0.3


def test_each_letter_begins_the_wait_anew(time):
    asked = []
    search = Search(lambda text: asked.append(text) or names(text))

    for text in ("a", "ab", "abc"):
        search.typed(text)
        time.advance_time_by(0.2)
    time.advance_until_idle()

    assert asked == ["abc"]
    assert search.results == ["abcton", "abcville"]


def test_an_old_answer_does_not_come_after_a_newer_one(time):
    search = Search(names)

    search.typed("old")
    time.advance_time_by(0.31)
    search.typed("new")
    time.advance_until_idle()

    assert search.results == ["newton", "newville"]


def test_a_failure_is_shown(time):
    search = Search(broken)

    search.typed("a")
    time.advance_until_idle()

    assert search.error == "no network"
    assert not search.busy


def test_the_next_search_clears_the_failure(time):
    search = Search(lambda text: names(text) if text == "good" else broken(text))

    search.typed("bad")
    time.advance_until_idle()
    search.typed("good")
    time.advance_until_idle()

    assert search.error is None
    assert search.results == ["goodton", "goodville"]


def test_results_stay_when_a_search_fails(time):
    search = Search(lambda text: names(text) if text == "good" else broken(text))

    search.typed("good")
    time.advance_until_idle()
    search.typed("bad")
    time.advance_until_idle()

    assert search.results == ["goodton", "goodville"]


def test_a_search_ends_with_its_screen(time):
    search = Search(broken)

    search.typed("a")
    search.clear()
    time.advance_until_idle()

    assert search.error is None
    assert time.current_time == 0


def test_typing_after_the_end_does_nothing(time):
    search = Search(names)

    search.clear()
    search.typed("a")
    time.advance_until_idle()

    assert search.results == []


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.29])
def test_a_pause_shorter_than_the_wait_is_none(time, pause):
    asked = []
    search = Search(lambda text: asked.append(text) or [])

    search.typed("a")
    time.advance_time_by(pause)
    search.typed("b")
    time.advance_until_idle()

    assert asked == ["b"]


# download


def test_a_download_is_running_at_once(main):
    with main_dispatcher(StandardTestDispatcher()) as standard:
        download = Download(lambda part: b"")
        download.start()
        assert download.state == "new"
        standard.scheduler.run_current()
        assert download.state == "running"


def test_a_download_fetches_all_parts_in_order(time):
    asked = []
    download = Download(lambda part: asked.append(part) or b"")

    download.start()
    time.advance_until_idle()

    assert (download.state, download.done, asked) == ("complete", 3, [0, 1, 2])


def test_a_part_that_fails_once_is_tried_again_after_a_second(time):
    failures = [OSError("once")]
    download = Download(lambda part: broken(failures.pop()) if failures else b"")

    download.start()
    time.advance_until_idle()

    assert (download.state, download.tries, time.current_time) == ("complete", 4, 1.0)


def test_a_part_that_fails_three_times_ends_the_download(time):
    download = Download(broken)

    download.start()
    time.advance_until_idle()

    assert (download.state, download.tries, time.current_time) == ("failed: no network", 3, 3.0)


def test_a_download_goes_on_where_it_stood(time):
    works = [False]
    download = Download(lambda part: b"" if part == 0 or works[0] else broken(part))

    download.start()
    time.advance_until_idle()
    assert (download.state, download.done) == ("failed: no network", 1)
    works[0] = True
    download.start()
    time.advance_until_idle()

    assert (download.state, download.done) == ("complete", 3)


def test_a_second_start_is_none(time):
    download = Download(lambda part: b"")

    download.start()
    download.start()
    time.advance_until_idle()

    assert download.tries == 3


def test_a_stopped_download_says_so(time):
    download = Download(broken)

    download.start()
    time.advance_time_by(0.5)
    download.stop()
    time.run_current()

    assert download.state == "stopped"


def test_a_stopped_download_can_be_started_again(time):
    works = [False]
    download = Download(lambda part: b"" if works[0] else broken(part))

    download.start()
    time.advance_time_by(0.5)
    download.stop()
    works[0] = True
    download.start()
    time.advance_until_idle()

    assert download.state == "complete"


def test_a_download_that_takes_too_long_is_given_up(time):
    download = Download(lambda part: b"" if part % 2 else broken(part), parts=100)
    download._part = lambda part: delay(7)

    download.start()
    time.advance_until_idle()

    assert (download.state, download.done, time.current_time) == ("too slow", 8, 60.0)


def test_a_download_ends_with_its_screen(time):
    download = Download(broken)

    download.start()
    time.advance_time_by(0.5)
    download.clear()
    time.run_current()

    assert download.job.is_completed


# session


def test_a_session_is_active_at_first(main):
    assert Session().state == "active"


def test_a_session_warns_in_its_last_minute(time):
    session = Session()

    time.advance_time_by(840)
    assert session.state == "active"
    time.run_current()
    assert session.state == "warned"


def test_a_session_logs_out_after_fifteen_minutes(time):
    session = Session()

    time.advance_until_idle()

    assert session.state == "logged out"
    assert time.current_time == 900


def test_activity_keeps_a_session(time):
    session = Session()

    for _ in range(10):
        time.advance_time_by(600)
        session.touched()

    assert session.state == "active"
    assert time.current_time == 6000


def test_activity_takes_the_warning_back(time):
    session = Session()

    time.advance_time_by(850)
    session.touched()

    assert session.state == "active"


def test_activity_does_not_wake_a_session_that_is_over(time):
    session = Session()

    time.advance_until_idle()
    session.touched()

    assert session.state == "logged out"


@run_test
def test_a_session_in_a_test_with_a_body_of_its_own(scope, main):
    session = Session()
    yield from delay(860)
    ensure_active()
    assert session.state == "warned"
    assert scope.current_time == 860


def test_a_session_is_cleared_with_its_test():
    with main_dispatcher() as dispatcher:
        session = Session()
        dispatcher.scheduler.advance_time_by(1.5)

    assert session.state == "active, closed"
    assert not session.view_model_scope.is_active


def test_a_coroutine_that_outlives_its_test_is_named():
    class Leaking(Session):
        def _tick(self):
            try:
                yield from super()._tick()
            finally:
                yield from with_context(Dispatchers.Default, lambda: None)

    with main_dispatcher():
        Leaking()  # cancelled, it still cleans up: no leak

    with pytest.raises(UncompletedCoroutinesError, match="'forgotten'"):
        with main_dispatcher():
            MainScope().launch(delay, 5, name="forgotten")
