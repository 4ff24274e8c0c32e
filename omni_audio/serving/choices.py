"""Several answers to one request: their pieces as they come, each with the index of its choice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import TypeAlias

from omni_audio.serving.disconnect import cancel_all
from omni_audio.serving.pieces import AnswerPiece

NumberedPiece: TypeAlias = tuple[int, AnswerPiece]
"""A piece behind the index of its choice."""


async def numbered_pieces(
    sources: Sequence[AsyncGenerator[AnswerPiece, None]],
) -> AsyncGenerator[NumberedPiece, None]:
    """Reads all choices at once, so that none waits for another; closes them, however the reading ends.

    A reader that takes no more pieces holds all of them back, up to the limits of their streams.

    Raises:
        StreamFailedError, ApiError: as of answer_pieces(), of the first choice that fails.
    """
    ready: asyncio.Queue[NumberedPiece | Exception | None] = asyncio.Queue(maxsize=1)

    async def read(index: int, source: AsyncGenerator[AnswerPiece, None]) -> None:
        end: Exception | None = None
        try:
            async with contextlib.aclosing(source):
                async for piece in source:
                    await ready.put((index, piece))
        except Exception as error:
            end = error
        await ready.put(end)

    tasks = [asyncio.ensure_future(read(index, source)) for index, source in enumerate(sources)]
    num_open = len(tasks)
    try:
        while num_open > 0:
            item = await ready.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                num_open -= 1
            else:
                yield item
    finally:
        await cancel_all(*tasks)
