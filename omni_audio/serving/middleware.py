"""Headers of every answer, and a last catch: exceptions reach the client as error objects only."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_audio.serving.errors import server_error

logger = logging.getLogger(__name__)


ADDED_HEADERS = "omni_audio.added_headers"
"""Key of the scope under which stands a list; what is put there makes further headers when the answer begins."""


def new_request_id() -> str:
    """What an answer is known by in the log."""
    return f"req_{secrets.token_hex(16)}"


class RequestHeadersMiddleware:
    """Adds x-request-id, openai-processing-ms and what the route asks for; turns what nobody caught into a 500.

    Plain ASGI on purpose: wrappers that put a queue in between hide disconnects.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start_s = time.monotonic()
        request_id = new_request_id()
        has_started = False
        makers: list[Callable[[], Mapping[str, str]]] = []
        scope[ADDED_HEADERS] = makers

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                elapsed_ms = int((time.monotonic() - start_s) * 1000)
                added = [
                    (b"x-request-id", request_id.encode()),
                    (b"openai-processing-ms", str(elapsed_ms).encode()),
                ]
                for make_headers in makers:
                    added += [(name.encode(), value.encode()) for name, value in make_headers().items()]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            logger.exception("request %s failed", request_id)
            if has_started:
                raise
            response = JSONResponse(server_error().body(), status_code=500)
            await response(scope, receive, send_with_headers)
