"""Reads a request body within limits of size and time, and parses it as strict JSON or as a form."""

from __future__ import annotations

import asyncio

import orjson
from starlette.requests import ClientDisconnect, Request

from omni_audio.serving.errors import ApiError, invalid_value, request_too_large
from omni_audio.serving.multipart import Form, parse_multipart

REQUEST_PART = "request"
"""The part of a form that holds what would else be the JSON body."""

DRAIN_TIMEOUT_S = 5.0
"""For how long the rest of a refused body is read and dropped: the client gets to read the refusal."""


async def read_json(request: Request, *, limit_bytes: int, timeout_s: float) -> object:
    """Reads and parses the body.

    Args:
        request: the request whose body was not read yet.
        limit_bytes: the largest body that is taken.
        timeout_s: the longest time that the client may take to send it.

    Raises:
        ApiError: 400 for what is not JSON, 408 for a late body, 413 for a large one, 415 for another type.
        ClientDisconnect: the client went away.
    """
    media_type = _media_type(request)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise _unsupported_type(media_type, "application/json")
    return _parsed_json(await _read(request, limit_bytes, timeout_s), "The body")


async def read_json_with_parts(
    request: Request, *, limit_bytes: int, timeout_s: float
) -> tuple[object, dict[str, bytes]]:
    """Reads a JSON body, or a form whose part `request` is JSON and whose other parts are files.

    Arguments as of read_json().

    Returns:
        What the JSON says, and the bytes of the files by the names of their parts.

    Raises:
        ApiError: as of read_json(); 400 for a broken form, one without `request` or with another field, or two files of
            one name.
        ClientDisconnect: the client went away.
    """
    media_type = _media_type(request)
    if media_type != "multipart/form-data":
        payload = await read_json(request, limit_bytes=limit_bytes, timeout_s=timeout_s)
        return payload, {}
    body = await _read(request, limit_bytes, timeout_s)
    form = parse_multipart(body, request.headers["content-type"], max_field_bytes=limit_bytes)
    for name in form.fields.keys() - {REQUEST_PART}:
        message = (
            f"Invalid '{name[:80]}': a field beside '{REQUEST_PART}'. Send sound as a file, with a filename."
        )
        raise invalid_value(name[:80], message)
    if REQUEST_PART in form.files:
        content: str | bytes = form.file(REQUEST_PART).data
    else:
        content = form.text(REQUEST_PART) or ""
    payload = _parsed_json(content, f"The part '{REQUEST_PART}'")
    return payload, {name: form.file(name).data for name in form.files if name != REQUEST_PART}


def _parsed_json(content: str | bytes, what: str) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"{what} is not valid JSON: {error}.", code="invalid_json") from None


async def read_form(request: Request, *, limit_bytes: int, timeout_s: float) -> Form:
    """Reads the body and takes it apart as multipart/form-data; arguments as of read_json().

    Raises:
        ApiError: 400 for a broken form, 408 for a late body, 413 for a large one, 415 for another type.
        ClientDisconnect: the client went away.
    """
    media_type = _media_type(request)
    if media_type != "multipart/form-data":
        raise _unsupported_type(media_type, "multipart/form-data")
    body = await _read(request, limit_bytes, timeout_s)
    return parse_multipart(body, request.headers["content-type"])


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _unsupported_type(media_type: str, wanted: str) -> ApiError:
    message = f"Unsupported content-type {media_type[:80]!r}. Send {wanted}."
    return ApiError(415, message, code="unsupported_media_type")


async def _read(request: Request, limit_bytes: int, timeout_s: float) -> bytes:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(
            415,
            "Compressed bodies are not taken. Send it without content-encoding.",
            code="unsupported_media_type",
        )
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared[:20]) > limit_bytes:
        await drain(request)
        raise request_too_large(limit_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit_bytes:
                    break
    except TimeoutError:
        message = f"The body did not arrive within {timeout_s:g} s. Send it faster, or send less."
        raise ApiError(408, message, code="timeout") from None
    if len(body) > limit_bytes:
        body.clear()
        await drain(request)
        raise request_too_large(limit_bytes)
    return bytes(body)


async def drain(request: Request) -> None:
    """Reads and drops what is left of an unread body for a short while, so that the refusal can be read."""
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while True:
                message = await request.receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except (TimeoutError, ClientDisconnect):
        return
