"""An answer that is sent while it is made, from the moment that its first piece is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from omni_audio.serving.disconnect import EVENTS, StreamedResponse
from omni_audio.serving.service import ChatService
from omni_audio.serving.stream import Stream

First = TypeVar("First")


async def streamed_answer(
    service: ChatService,
    streams: Sequence[Stream],
    first: Awaitable[First],
    chunks_after: Callable[[First], AsyncGenerator[bytes, None]],
    media_type: str = EVENTS,
) -> StreamedResponse:
    """Waits for the first piece, so that what fails before is a plain error with its own status.

    Args:
        service: whose slots the streams hold; they are freed however this ends.
        streams: what is sent.
        first: gives the first piece.
        chunks_after: makes the body, given the first piece.
        media_type: of the body.
    """

    def drop_slow_reader() -> None:
        for stream in streams:
            service.drop_slow_reader(stream)

    is_handed_over = False
    try:
        response = StreamedResponse(
            chunks_after(await first),
            on_close=lambda: service.cancel(streams),
            send_timeout_s=service.config.send_timeout_s,
            on_stall=drop_slow_reader,
            media_type=media_type,
        )
        is_handed_over = True
        return response
    finally:
        if not is_handed_over:
            service.cancel(streams)
