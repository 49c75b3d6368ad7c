"""Flows run on a main looper with a virtual clock."""

from __future__ import annotations

from tests.virtual_main import main

__all__ = ["main"]
