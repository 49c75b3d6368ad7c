"""Textual, whose asyncio loop is Main: a real app without a terminal. U3."""

from __future__ import annotations

from .conftest import Toolkits

HEAD = """
import asyncio, threading, time
from textual.app import App
from textual.screen import Screen
from textual.widgets import Input, Label
from vmscope import *
from vmscope.flow import MutableStateFlow
from vmscope.hosts.asyncio import install
log = []

def on_main():
    return threading.current_thread() is threading.main_thread()

class HostedApp(App):
    def on_mount(self):
        self.host = install()
        self.over = asyncio.Event()
        self.begin()

    async def on_exit_app(self):
        log.append(("closed in time", await self.host.aclose(60.0)))

    async def play(self, *keys):
        async with self.run_test() as pilot:
            await pilot.press(*keys)
            await asyncio.wait_for(self.over.wait(), 20)
            self.exit()
            await pilot.pause()
        log.append(("posts", self.host.handler.post(print)))
"""


def run(toolkits: Toolkits, program: str) -> list[str]:
    return toolkits.printed("textual", HEAD, program).splitlines()


def test_posts_of_a_thread_change_widgets_on_the_apps_own_thread(toolkits: Toolkits) -> None:
    """U3"""
    printed = run(
        toolkits,
        """
        class Desk(HostedApp):
            def compose(self):
                yield Label("nothing")
            def begin(self):
                threading.Thread(target=self.work).start()
            def work(self):
                for text in "one", "two":
                    self.host.handler.post(lambda text=text: self.show(text))
                self.host.handler.post_delayed(self.over.set, 0.001)
            def show(self, text):
                label = self.query_one(Label)
                label.update(text)
                log.append((str(label.render()), on_main()))
        asyncio.run(Desk().play())
        print(*log, sep="\\n")
        """,
    )

    assert printed == ["('one', True)", "('two', True)", "('closed in time', True)", "('posts', False)"]


def test_of_what_is_typed_the_last_answer_is_shown_whatever_the_server_does(toolkits: Toolkits) -> None:
    """U3: search as you type, in a view model; a label that the end of the app still finds."""
    printed = run(
        toolkits,
        """
        def server(word):   # has nothing to say to a word that is not finished, as long as somebody wants to hear
            while word != "paris" and is_active():
                time.sleep(0.001)
            return f"found {word}"

        class Search(ViewModel):
            def __init__(self):
                super().__init__()
                self.query = MutableStateFlow("")
                self.found = self.query.map_latest(self.look_up)
            async def look_up(self, word):
                return await with_context(Dispatchers.IO, server, word) if word else "nothing"

        class Desk(HostedApp):
            def compose(self):
                yield Input()
                yield Label()
            def begin(self):
                self.search = ViewModelProvider(self.host).get(Search)
                self.search.view_model_scope.launch(self.show)
            def on_input_changed(self, event):
                self.search.query.value = event.value
            async def show(self):
                label = self.query_one(Label)
                def update(text):
                    label.update(text)
                    log.append((text, on_main()))
                    if text == "found paris":
                        self.over.set()
                try:
                    await self.search.found.collect(update)
                finally:
                    label.update("good-bye")
                    log.append((str(label.render()), label.is_running))
        app = Desk()
        asyncio.run(app.play(*"paris"))
        print(*log, app.search.is_cleared, sep="\\n")
        """,
    )

    assert printed == [
        "('nothing', True)", "('found paris', True)", "('good-bye', True)", "('closed in time', True)",
        "('posts', False)", "True",
    ]  # fmt: skip


def test_a_screen_that_is_left_while_it_loads_is_told_nothing_any_more(toolkits: Toolkits) -> None:
    """U3, U4: its coroutines end before its widgets do."""
    printed = run(
        toolkits,
        """
        answered = threading.Event()

        class Detail(Screen):
            BINDINGS = [("b", "back", "Back")]
            def compose(self):
                yield Label("loading")
            def on_mount(self):
                self.store = ViewModelStore()
                self.model = ViewModelProvider(self.store).get(ViewModel)
                self.model.view_model_scope.launch(self.load)
            async def load(self):
                label = self.query_one(Label)
                try:
                    label.update(await run_blocking_io(answered.wait, abandon_on_cancel=True))
                    log.append("told")
                finally:
                    log.append(("left", label.is_running))
            async def action_back(self):
                self.store.clear()
                await self.app.pop_screen()
                answered.set()
                self.app.host.handler.post(self.app.over.set)

        class Desk(HostedApp):
            def begin(self):
                self.push_screen(Detail())
        asyncio.run(Desk().play("b"))
        print(*log, sep="\\n")
        """,
    )

    assert printed == ["('left', True)", "('closed in time', True)", "('posts', False)"]
