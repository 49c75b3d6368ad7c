"""Notes in a terminal that are all there again after the program was stopped, however it was stopped.

    python examples/notes.py [FILE]             (by default notes.json, in the folder where you are)

A line that you type is a note. `/find word` shows the notes with that word, `/find` all of them; `/drop 2` drops the
second of all; `/quit` ends, and so do Ctrl-D and Ctrl-C. Kill it with `kill -9` where it says "saved", start it again,
and it goes on there: with the notes, and with the word that it was looking for.

What makes it so: `Notes` keeps its state in a SavedStateHandle, and `Program` saves whenever that state has changed.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import datetime
from threading import Thread

from vmscope import (
    Dispatchers,
    ViewModel,
    ViewModelStore,
    coroutine_scope,
    launch,
    run_main,
    view_models,
    with_context,
)
from vmscope.flow import MutableStateFlow, combine_states
from vmscope.lifecycle import SavedStateFileError, SavedStateHandle, SavedStateRegistry, register_saved_type, saved
from vmscope.sync import Channel


@dataclass(frozen=True)
class Note:
    text: str
    at: datetime


register_saved_type(Note, "note")  # a name of its own: as `__main__.Note` nothing but this very program could read it


class Notes(ViewModel):
    """The notes, and the word that is looked for."""

    starts = saved("starts", 0)

    def __init__(self, state: SavedStateHandle) -> None:
        super().__init__()
        self.state = state
        self.all: MutableStateFlow[tuple[Note, ...]] = state.get_mutable_state_flow("all", ())
        self.word = state.get_mutable_state_flow("word", "")
        self.shown = combine_states(self.all, self.word, fn=self._matching)

    @staticmethod
    def _matching(notes: tuple[Note, ...], word: str) -> tuple[Note, ...]:
        return tuple(note for note in notes if word in note.text)

    def add(self, text: str) -> None:
        self.all.update(lambda notes: (*notes, Note(text, datetime.now())))

    def drop(self, number: int) -> None:
        self.all.update(lambda notes: notes[: number - 1] + notes[number:])


class Program:
    """Owns the ViewModel and the file: what comes back, what is saved, and when."""

    notes = view_models(Notes)

    def __init__(self, path: str) -> None:
        self.path = path
        self.view_model_store = ViewModelStore()
        self.saved_state_registry = SavedStateRegistry()
        try:
            self.saved_state_registry.restore_from(path)
        except SavedStateFileError as error:
            os.replace(path, f"{path}.damaged")  # kept for whoever can mend it; the next save would replace it
            say(f"{error}\nit is {path}.damaged now, and this is a new beginning")

    async def run(self) -> None:
        self.notes.starts += 1
        say(f"start {self.notes.starts}")
        async with coroutine_scope():
            saving = launch(self._save_what_changes)
            self._show()
            async for line in typed_lines():
                if line == "/quit":
                    break
                self._obey(line)
            saving.cancel()
        await with_context(Dispatchers.IO, self.saved_state_registry.save_to, self.path)
        self.view_model_store.clear()  # after the save: what was cleared is saved no more
        say("bye")

    async def _save_what_changes(self) -> None:
        everything = combine_states(self.notes.all, self.notes.word, fn=lambda *state: state)
        await everything.collect(self._save)

    async def _save(self, state: object) -> None:
        # While the disk is slow, states are skipped and never the last one: a StateFlow gives the newest.
        await with_context(Dispatchers.IO, self.saved_state_registry.save_to, self.path)
        say(f"saved {len(self.notes.all.value)}")

    def _obey(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        if command == "/find":
            self.notes.word.value = rest
        elif command == "/drop" and rest.isdigit() and 0 < int(rest) <= len(self.notes.all.value):
            self.notes.drop(int(rest))
        elif line.startswith("/"):
            say(f"{line!r} is nothing that can be done here: /find word, /drop number, /quit")
        elif line:
            self.notes.add(line)
        self._show()

    def _show(self) -> None:
        shown, word = self.notes.shown.value, self.notes.word.value
        say(f"{len(shown)} of {len(self.notes.all.value)} with {word!r}:" if word else f"all {len(shown)}:")
        for note in shown:
            say(f"  {note.at:%d.%m. %H:%M}  {note.text}")


def typed_lines() -> Channel[str]:
    """What is typed, line by line, until Ctrl-D."""
    lines = Channel[str](Channel.UNLIMITED)

    def read() -> None:
        for line in sys.stdin:
            lines.try_send(line.strip())
        lines.close()

    # A thread that may be left behind: none can be woken that waits for a key, and Ctrl-C is not to wait for one.
    Thread(target=read, name="keyboard", daemon=True).start()
    return lines


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        run_main(Program(sys.argv[1] if len(sys.argv) > 1 else "notes.json").run)
    except KeyboardInterrupt:
        pass
