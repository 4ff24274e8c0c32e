"""Pages of other sites: their requests are refused, unless their origin is allowed.

A browser sends forms and plain text to any server that it reaches, this machine's own included, and asks nobody first
(only what is no "simple request" is asked about). It says where the page came from: `Origin`, `Sec-Fetch-Site` (Fetch
Standard, https://fetch.spec.whatwg.org). Other clients send neither and are not concerned.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from omni_audio.serving.body import drain
from omni_audio.serving.errors import ApiError
from omni_audio.serving.middleware import ADDED_HEADERS
from omni_audio.serving.settings import ANY_ORIGIN

_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = (None, "same-origin", "none")
_EXPOSED = (
    "x-request-id, openai-processing-ms, retry-after, x-ratelimit-limit-requests, x-ratelimit-limit-tokens, "
    "x-ratelimit-remaining-requests, x-ratelimit-remaining-tokens, x-ratelimit-reset-requests, "
    "x-ratelimit-reset-tokens"
)
_PREFLIGHT_HEADERS = {
    "access-control-allow-methods": "GET, POST",
    "access-control-max-age": "600",
}


class CrossSiteMiddleware:
    """Refuses what pages of other sites ask for, with 403; answers the preflights of allowed ones. Plain ASGI.

    It stands inside RequestHeadersMiddleware, which adds the headers that let an allowed page read every answer.

    Args:
        app: what answers.
        allowed_origins: as of ServerConfig.
    """

    def __init__(self, app: ASGIApp, allowed_origins: Sequence[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if origin is not None and (origin in self._allowed or ANY_ORIGIN in self._allowed):
            scope[ADDED_HEADERS].append(partial(_readable_by, origin))
            if is_preflight:
                asked = headers.get("access-control-request-headers", "")
                allowed = {**_PREFLIGHT_HEADERS, "access-control-allow-headers": asked}
                await Response(status_code=204, headers=allowed)(scope, receive, send)
                return
        elif _is_of_another_site(headers) and (is_preflight or scope["method"] not in _READING_METHODS):
            await drain(Request(scope, receive))
            refusal = _refusal(origin)
            await JSONResponse(refusal.body(), refusal.status)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_of_another_site(headers: Headers) -> bool:
    """Whether a browser says so. The scheme is not compared: a proxy may have taken TLS off."""
    if headers.get("sec-fetch-site") not in _OWN_SITES:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    except ValueError:  # such as "http://[", which is no origin
        return True


def _readable_by(origin: str) -> dict[str, str]:
    return {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": _EXPOSED,
        "vary": "Origin",
    }


def _refusal(origin: str | None) -> ApiError:
    name = "another site" if origin is None else repr(origin[:200])
    message = (
        f"Pages of {name} may not use this server. Add their origin to server.allowed_origins to let them."
    )
    return ApiError(403, message, code="cross_site_request")
