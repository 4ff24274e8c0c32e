"""What stands around Ray Serve's own answers: its proxies refuse in plain text, clients expect error objects."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omni_audio.serving.errors import ApiError, overloaded, server_error

REQUEST_ID = b"x-request-id"


def proxy_middlewares() -> list[Middleware]:
    """What Ray Serve calls in each HTTP proxy."""
    return [Middleware(ErrorObjectMiddleware)]


class ErrorObjectMiddleware:
    """Turns refusals in plain text into error objects, and leaves one x-request-id: the app's, where there is one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_replaced = False

        async def send_object(message: Message) -> None:
            nonlocal is_replaced
            if message["type"] == "http.response.start":
                message = {**message, "headers": _with_one_request_id(message.get("headers", []))}
                is_replaced = _is_plain_refusal(message)
                if is_replaced:
                    await _send_refusal(message, scope, receive, send)
            if not is_replaced:
                await send(message)

        await self._app(scope, receive, send_object)


def _is_plain_refusal(start: Message) -> bool:
    media_type = Headers(raw=start["headers"]).get("content-type", "text/plain")
    return start["status"] >= 400 and media_type.startswith("text/plain")


async def _send_refusal(start: Message, scope: Scope, receive: Receive, send: Send) -> None:
    error = _error_of(start["status"])
    headers = error.headers()
    if request_id := Headers(raw=start["headers"]).get("x-request-id"):
        headers["x-request-id"] = request_id
    await JSONResponse(error.body(), error.status, headers)(scope, receive, send)


def _error_of(status: int) -> ApiError:
    if status == 503:
        return overloaded()
    if status == 408:
        return ApiError(408, "The request took too long. Try again, or ask for less.", code="timeout")
    if status >= 500:
        return server_error()
    return ApiError(
        status, "The request is not served here. Check the method and the path.", code="not_found"
    )


def _with_one_request_id(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    ids = [pair for pair in headers if pair[0].lower() == REQUEST_ID]
    ids.sort(key=lambda pair: not pair[1].startswith(b"req_"))
    return [*(pair for pair in headers if pair[0].lower() != REQUEST_ID), *ids[:1]]
