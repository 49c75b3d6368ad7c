"""The desk under asyncio: the lines of text_view.py, with asyncio's loop as the main looper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from vmscope import ViewModelProviderFactory
from vmscope.hosts import asyncio as host_of_asyncio
from vmscope.interop import as_asyncio

from .text_view import converse, typed_lines


async def run(factory: ViewModelProviderFactory, write: Callable[[str], object]) -> None:
    """Show the desk until the input ends; asyncio's own tasks go on beside it.

    Args:
        factory: Makes the view models.
        write: Takes a line.
    """
    async with host_of_asyncio.install() as host:
        beating = asyncio.create_task(_beat(write))  # asyncio's: it may use all that asyncio has
        talk = host.scope.async_(converse, factory, host.view_model_store, write, typed_lines, name="converse")
        try:
            await as_asyncio(talk)
        finally:
            beating.cancel()


async def _beat(write: Callable[[str], object]) -> None:
    while True:
        await asyncio.sleep(10)
        write(f"~ asyncio is awake, with {len(asyncio.all_tasks())} tasks")
