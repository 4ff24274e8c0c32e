"""Names that the server answers to: a name that a page rebinds to this machine's address is none of them.

A page of evil.example may let its own name lead to 127.0.0.1 once it is loaded; the browser then takes this server for
the page's own site. Its `Host` is all that tells. Where keys are asked for, such a page has none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from omni_audio.serving.body import drain
from omni_audio.serving.errors import ApiError
from omni_audio.serving.settings import ANY_HOST

_LOCALHOST = "localhost"


class HostMiddleware:
    """Refuses requests to another name than those it knows, with 421. Plain ASGI.

    Addresses, localhost and requests that name no host, which no browser sends, are served.

    Args:
        app: what answers.
        names: further names, small letters; ANY_HOST for all.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or self._is_known(Headers(scope=scope).get("host")):
            await self._app(scope, receive, send)
            return
        await drain(Request(scope, receive))
        refusal = ApiError(
            421,
            "This server asks for no key and does not know itself by this Host. Add it to server.allowed_hosts, "
            "set keys, or ask by address.",
            code="unknown_host",
        )
        await JSONResponse(refusal.body(), refusal.status)(scope, receive, send)

    def _is_known(self, host: str | None) -> bool:
        if host is None or ANY_HOST in self._names:
            return True
        try:
            name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
        except ValueError:
            return False
        if name == _LOCALHOST or name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
