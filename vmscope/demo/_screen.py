"""The program of the demo, written as a user would: a repository, a ViewModel, and a screen that shows what it says.

The repository blocks and belongs on Dispatchers.IO. The ViewModel lives on the main thread and never blocks it. The
screen is the owner: what it keeps in its store ends with it. Half of this is written as generators and half as
`async def`; the two call each other freely.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from .. import (
    CoroutineExceptionHandler,
    CoroutineName,
    Dispatchers,
    ViewModel,
    ViewModelProvider,
    ViewModelStore,
    coroutine_scope,
    delay,
    ensure_active,
    launch,
    suspend,
    with_context,
)
from .._primitives import current_thread, main_thread
from ..lifecycle import view_model_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .. import CoroutineContext, Job
    from ._timeline import Timeline

Row: TypeAlias = list[Any]

#: The four parts of the dashboard, each with the page that it is loaded from.
PANES = {"users": "/users", "notifications": "/notifications", "messages": "/messages", "feed": "/feed?count=8"}
FEED_FIRST = 8  # posts
OLDER = "/feed?count=400"
BEGINS = "launched"
NEVER_PRINTED = "all 400 older posts are here"  # the screen is left long before
CLEAN_UPS = (
    "finally: the connection is closed",
    "finally: the counter is taken away",
    "finally: the spinner is taken away",
)


class ServiceError(Exception):
    """The service answered, but not with what was asked for."""


class Repository:
    """Asks the service. Each call blocks until the answer is there: call it on Dispatchers.IO."""

    def __init__(self, url: str, timeline: Timeline) -> None:
        self._url = url
        self._timeline = timeline
        # 127.0.0.1 is never asked through a proxy, whatever the environment says.
        self._opener = build_opener(ProxyHandler({}))

    def fetch(self, page: str) -> list[Row]:
        """Return the rows of a page.

        Raises:
            ServiceError: The service answered with an error.
        """
        self._timeline.note(f"asks for {page}")
        return list(self._answer(page))

    def follow(self, page: str, each: Callable[[Row], object]) -> None:
        """Hand the rows of a slow page to `each` as they come; hang up as soon as the coroutine is cancelled."""
        self._timeline.note(f"asks for {page}")
        rows = self._answer(page)
        try:
            for row in rows:
                ensure_active()  # works in a plain function, too: it asks the coroutine that this thread works for
                each(row)
        finally:
            rows.close()
            self._timeline.note(CLEAN_UPS[0], "gone")

    def _answer(self, page: str) -> Generator[Row, None, None]:
        try:
            with self._opener.open(self._url + page, timeout=5.0) as answer:
                for line in answer:
                    yield json.loads(line)
        except HTTPError as refusal:
            with refusal:
                told = json.loads(refusal.read())
            raise ServiceError(f"{page} answered {refusal.code}: {told}") from None


class Dashboard(ViewModel):
    """What the screen shows, and the coroutines that fetch it.

    Attributes:
        rows: What has been loaded, by pane. Its `feed` grows while older posts come in.
        failures: What reached the handler: the coroutine's name and the exception.
    """

    def __init__(self, repository: Repository, screen: Screen, timeline: Timeline) -> None:
        super().__init__()
        self.rows: dict[str, list[Row]] = {}
        self.handled: list[tuple[str, BaseException]] = []
        self._repository = repository
        self._screen = screen
        self._timeline = timeline
        self._handler = CoroutineExceptionHandler(self._failed)

    def load(self) -> list[Job]:
        """Start the four loads and return at once."""
        return [
            self.view_model_scope.launch(self._fill, pane, page, context=self._handler, name=pane)
            for pane, page in PANES.items()
        ]

    def load_older(self) -> Job:
        """Start to append older posts to the feed and return at once."""
        return self.view_model_scope.launch(self._append_older, context=self._handler, name="older posts")

    def on_cleared(self) -> None:
        state = "still active" if self.view_model_scope.is_active else "cancelled already"
        self._timeline.note(f"on_cleared: the scope is {state}", "gone")

    async def _fill(self, pane: str, page: str) -> None:
        self._timeline.note(f"{BEGINS}, shows a spinner for {pane}")
        rows = await with_context(Dispatchers.IO, self._repository.fetch, page)
        self._show(pane, rows)  # on the main thread again

    @suspend
    def _append_older(self) -> Generator[Any, Any, None]:
        try:
            yield from coroutine_scope(self._download_and_count)
            self._timeline.note(NEVER_PRINTED, "bad")
        finally:
            self._timeline.note(CLEAN_UPS[2], "gone")

    @suspend
    def _download_and_count(self) -> Generator[Any, Any, None]:
        counter = launch(self._count, name="counter")
        feed = self.rows["feed"]  # the worker appends, the main thread only counts: append is one step on every build
        yield from with_context(Dispatchers.IO + CoroutineName("download"), self._repository.follow, OLDER, feed.append)
        counter.cancel()

    async def _count(self) -> None:
        try:
            while True:
                await delay(0.1)
                self._show("feed", self.rows["feed"])
        finally:
            self._timeline.note(CLEAN_UPS[1], "gone")

    def _show(self, pane: str, rows: list[Row]) -> None:
        self.rows[pane] = rows
        self._screen.show(pane, len(rows))

    def _failed(self, context: CoroutineContext, failure: BaseException) -> None:
        name = context[CoroutineName]
        self.handled.append((name.name if name else "?", failure))
        self._timeline.note(f"handler: {type(failure).__name__}: {failure}", "bad", context)


class Screen:
    """What the user sees, and the owner of the store that the ViewModel lives in.

    Attributes:
        view_model_store: Cleared when the screen is left, which ends all that the ViewModel has started.
        shown: How many rows each pane shows.
        wrong_threads: The names of threads other than the main one that touched the screen. None may.
    """

    def __init__(self, repository: Repository, timeline: Timeline) -> None:
        self.view_model_store = ViewModelStore()
        self.shown: dict[str, int] = {}
        self.wrong_threads: list[str] = []
        self._repository = repository
        self._timeline = timeline

    def open(self) -> Dashboard:
        """Return the ViewModel of this screen, the same one however often it is asked for."""
        factory = view_model_factory({Dashboard: lambda extras: Dashboard(self._repository, self, self._timeline)})
        return ViewModelProvider(self, factory)[Dashboard]

    def show(self, pane: str, count: int) -> None:
        """Show that a pane has so many rows. On the main thread only."""
        here = current_thread()
        if here is not main_thread():
            self.wrong_threads.append(here.name)
        self.shown[pane] = count
        self._timeline.note(f"the screen shows {count} {'posts' if pane == 'feed' else pane}", "good")

    def leave(self) -> None:
        """Close the screen for good."""
        self.view_model_store.clear()
