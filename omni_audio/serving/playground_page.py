"""The playground at GET /: a page that talks to this server's API, of static files that are read once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response

from omni_audio.audio.units import MAX_SPEED, MIN_SPEED
from omni_audio.serving.service import ChatService

FOLDER: Final = Path(__file__).parent / "playground"
MEDIA_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""Of the page's files, by suffix."""

CONTENT_SECURITY_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
"""Files of this server and nothing else; no inline code, no text that becomes markup, no frames."""

HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
"""Of every file of the page."""


def add_playground(app: FastAPI, service: ChatService) -> None:
    """Adds `GET /` and the page's files to the app; they ask for no key, the API that the page calls does.

    Args:
        app: of the server.
        service: what the page may offer: voices and limits.
    """
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in MEDIA_TYPES}
    options = orjson.dumps(page_options(service))

    @app.get("/")
    async def playground() -> Response:
        return _file("index.html", files)

    @app.get("/playground/options.json")
    async def playground_options() -> Response:
        return Response(options, headers=HEADERS, media_type="application/json")

    @app.get("/playground/{name}")
    async def playground_file(name: str) -> Response:
        return _file(name, files)


def page_options(service: ChatService) -> dict[str, object]:
    """What the page offers, as this server serves it.

    Returns:
        `needs_key`, `voices`, `speed` and `temperature` as [least, most], `max_input_audio_s`.
    """
    limits = service.config.limits
    return {
        "needs_key": len(service.keys) > 0,
        "voices": limits.voices,
        "speed": [MIN_SPEED, MAX_SPEED],
        "temperature": [0, 2],
        "max_input_audio_s": limits.max_input_audio_s,
    }


def _file(name: str, files: dict[str, bytes]) -> Response:
    if name not in files:
        raise HTTPException(404)
    return Response(files[name], headers=HEADERS, media_type=MEDIA_TYPES[Path(name).suffix])
