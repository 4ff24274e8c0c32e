"""Counts every answer by route and status."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_audio.serving.metrics import ServerMetrics

UNKNOWN_ROUTE = "unknown"
"""Stands for all paths that lead nowhere, so that they cannot fill the memory."""


class RequestCountMiddleware:
    """Counts a request when its status goes out. Plain ASGI, so that disconnects stay visible.

    Args:
        app: what answers.
        metrics: where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
                self._metrics.request_answered(route, message["status"])
            await send(message)

        await self._app(scope, receive, send_counted)
