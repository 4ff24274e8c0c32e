"""Reads a request body within limits of size and time, and parses it as strict JSON or as a form."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import orjson
from starlette.requests import ClientDisconnect, Request

from omni_audio.serving.errors import ApiError, invalid_value, overloaded, request_too_large
from omni_audio.serving.multipart import MAX_FIELD_BYTES, Form, parse_multipart

REQUEST_PART = "request"
"""The part of a form that holds what would else be the JSON body."""

MAX_JSON_VALUES = 2**17
"""Of a body, counted by its commas before it is parsed: a value of two bytes takes a hundred in memory."""

DRAIN_TIMEOUT_S = 5.0
"""For how long the rest of a refused body is read and dropped: the client gets to read the refusal."""


class BodyRoom:
    """What one body may take: of its own limits, and of the room that all bodies share.

    Args:
        bodies: all of them.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.num_bytes = 0

    @property
    def limit_bytes(self) -> int:
        """The largest body that is taken."""
        return self._bodies.limit_bytes

    @property
    def timeout_s(self) -> float:
        """The longest time that the client may take to send it."""
        return self._bodies.timeout_s

    def take(self, num_bytes: int) -> bool:
        """Counts bytes that have come; False if all bodies together are then more than may be held."""
        self.num_bytes += num_bytes
        self._bodies.held_bytes += num_bytes
        return self._bodies.held_bytes <= self._bodies.total_limit_bytes

    def give_back(self) -> None:
        """Counts nothing of it any more."""
        self._bodies.held_bytes -= self.num_bytes
        self.num_bytes = 0


class Bodies:
    """The bodies that are held in memory at once; use it from the event loop.

    Args:
        limit_bytes: of one of them.
        total_limit_bytes: of all together.
        timeout_s: the longest time that one may take to arrive.
    """

    def __init__(self, *, limit_bytes: int, total_limit_bytes: int, timeout_s: float) -> None:
        self.limit_bytes, self.total_limit_bytes, self.timeout_s = limit_bytes, total_limit_bytes, timeout_s
        self.held_bytes = 0

    @contextlib.contextmanager
    def room(self) -> Iterator[BodyRoom]:
        """Room for one body, until the end of the block."""
        room = BodyRoom(self)
        try:
            yield room
        finally:
            room.give_back()


async def read_json(request: Request, room: BodyRoom) -> object:
    """Reads and parses the body.

    Args:
        request: the request whose body was not read yet.
        room: that it may take.

    Raises:
        ApiError: 400 for what is not JSON, 408 for a late body, 413 for a large one, 415 for another type, 503 where
            all bodies together are too large.
        ClientDisconnect: the client went away.
    """
    media_type = _media_type(request)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise _unsupported_type(media_type, "application/json")
    return _parsed_json(await _read(request, room), "The body")


async def read_json_with_parts(request: Request, room: BodyRoom) -> tuple[object, dict[str, bytes]]:
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
        return await read_json(request, room), {}
    body = await _read(request, room)
    form = await _parsed_form(body, request, max_field_bytes=room.limit_bytes)
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
    num_commas = content.count(",") if isinstance(content, str) else content.count(b",")
    if num_commas > MAX_JSON_VALUES:
        message = (
            f"{what} has {num_commas} commas; allowed: {MAX_JSON_VALUES}. Send fewer values, or less text."
        )
        raise ApiError(400, message, code="too_many_values")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"{what} is not valid JSON: {error}.", code="invalid_json") from None


async def read_form(request: Request, room: BodyRoom) -> Form:
    """Reads the body and takes it apart as multipart/form-data; arguments as of read_json().

    Raises:
        ApiError: 400 for a broken form; 408, 413, 415 and 503 as of read_json().
        ClientDisconnect: the client went away.
    """
    media_type = _media_type(request)
    if media_type != "multipart/form-data":
        raise _unsupported_type(media_type, "multipart/form-data")
    body = await _read(request, room)
    return await _parsed_form(body, request)


async def _parsed_form(body: bytes, request: Request, max_field_bytes: int = MAX_FIELD_BYTES) -> Form:
    """Parses beside the event loop: the largest form takes a tenth of a second."""
    return await asyncio.to_thread(parse_multipart, body, request.headers["content-type"], max_field_bytes)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _unsupported_type(media_type: str, wanted: str) -> ApiError:
    message = f"Unsupported content-type {media_type[:80]!r}. Send {wanted}."
    return ApiError(415, message, code="unsupported_media_type")


async def _read(request: Request, room: BodyRoom) -> bytes:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(
            415,
            "Compressed bodies are not taken. Send it without content-encoding.",
            code="unsupported_media_type",
        )
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared[:20]) > room.limit_bytes:
        await drain(request)
        raise request_too_large(room.limit_bytes)
    body, has_room = bytearray(), True
    try:
        async with asyncio.timeout(room.timeout_s):
            async for chunk in request.stream():
                has_room = room.take(len(chunk))
                body += chunk
                if not has_room or len(body) > room.limit_bytes:
                    break
    except TimeoutError:
        message = f"The body did not arrive within {room.timeout_s:g} s. Send it faster, or send less."
        raise ApiError(408, message, code="timeout") from None
    if not has_room or len(body) > room.limit_bytes:
        body.clear()
        room.give_back()
        await drain(request)
        raise request_too_large(room.limit_bytes) if has_room else overloaded()
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
