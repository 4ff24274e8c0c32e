"""Clients that go away: work for them stops, streamed or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

EVENTS = "text/event-stream"
"""Media type of server-sent events."""

Result = TypeVar("Result")


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """Awaits `work`, but cancels it once the client is gone.

    Args:
        receive: the request's channel, its body read.
        work: what the client waits for.

    Raises:
        ClientDisconnect: the client went away first.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        await cancel_all(task, watch)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def cancel_all(*tasks: asyncio.Future[Any]) -> None:
    """Cancels the tasks and waits until they have ended; what they raise is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class StreamedResponse(Response):
    """A body that comes in chunks and ends with the client: when it leaves, and when it takes too long over a chunk.

    Args:
        chunks: of the body; closed with it.
        on_close: called once, however the stream ends.
        send_timeout_s: the longest time that one chunk may wait for the reader.
        on_stall: called before `on_close` where the stream ends because a chunk waited longer than that.
        media_type: of the body.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        on_close: Callable[[], None],
        *,
        send_timeout_s: float,
        on_stall: Callable[[], None] | None = None,
        media_type: str = EVENTS,
    ) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["content-length"]
        self._chunks = chunks
        self._on_close = on_close
        self._on_stall = on_stall
        self._send_timeout_s = send_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the chunks."""
        try:
            await unless_disconnected(receive, self._write(send))
        except TimeoutError:
            if self._on_stall is not None:
                self._on_stall()
        except (ClientDisconnect, OSError):
            return
        finally:
            self._on_close()
            await self._chunks.aclose()

    async def _write(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await self._send(send, start)
        async for chunk in self._chunks:
            await self._send(send, {"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, message: dict[str, Any]) -> None:
        async with asyncio.timeout(self._send_timeout_s):
            await send(message)
