"""The demo: a dashboard that loads, half fails and is left, told as a timeline. `python3 -m vmscope demo`."""

from __future__ import annotations

from ._report import as_json, as_text
from ._story import Story, tell
from ._timeline import Palette

__all__ = ["Palette", "Story", "as_json", "as_text", "tell"]
