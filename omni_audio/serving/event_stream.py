"""An answer as server-sent events, from the moment that its first piece is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from omni_audio.serving.disconnect import EventStreamResponse
from omni_audio.serving.service import ChatService, OpenAnswer

First = TypeVar("First")


async def event_stream(
    service: ChatService,
    answer: OpenAnswer,
    first: Awaitable[First],
    chunks_after: Callable[[First], AsyncGenerator[bytes, None]],
) -> EventStreamResponse:
    """Waits for the first piece, so that what fails before is a plain error with its own status.

    Args:
        service: whose slot the answer holds; it is freed however this ends.
        answer: what is streamed.
        first: gives the first piece.
        chunks_after: makes the events, given the first piece.
    """
    is_handed_over = False
    try:
        response = EventStreamResponse(
            chunks_after(await first),
            on_close=lambda: service.engine.cancel(answer.stream),
            send_timeout_s=service.config.send_timeout_s,
            on_stall=lambda: service.drop_slow_reader(answer.stream),
        )
        is_handed_over = True
        return response
    finally:
        if not is_handed_over:
            service.engine.cancel(answer.stream)
