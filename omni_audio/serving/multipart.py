"""A multipart form out of a body in memory: nothing goes to disk, and nothing outgrows the body."""

from __future__ import annotations

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from omni_audio.serving.errors import ApiError, invalid_value

MAX_PARTS = 64
MAX_PADDING = 64
"""Blanks that may follow a boundary; some software sends a few, and the parser looks at each by itself."""

MAX_FIELD_BYTES = 64 * 2**10
"""Of a part that is not a file, where a reader does not say otherwise."""


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file part: its name as the client gave it, perhaps "", and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """Parts by name, in the order in which they came."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[FormFile]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The value of a field; None where it is missing or empty.

        Raises:
            ApiError: 400, it is there twice, or it is a file.
        """
        if name in self.files:
            raise invalid_value(name, f"Invalid '{name}': it is a file. Send it as a field without filename.")
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise invalid_value(name, f"Invalid '{name}': it is there {len(values)} times. Send it once.")
        return values[0] or None if values else None

    def file(self, name: str) -> FormFile:
        """The file of a name.

        Raises:
            ApiError: 400, it is missing, there twice, or not a file.
        """
        files = self.files.get(name, [])
        if name in self.fields or len(files) > 1:
            message = f"Invalid '{name}': expected one file. Send one part of that name, with a filename."
            raise invalid_value(name, message)
        if not files:
            message = f"Missing '{name}': no part has that name. Send the file's bytes with a filename."
            raise invalid_value(name, message, "missing_required_parameter")
        return files[0]


def parse_multipart(body: bytes, content_type: str, max_field_bytes: int = MAX_FIELD_BYTES) -> Form:
    """Takes a form apart.

    Args:
        body: all of it.
        content_type: the header, which names the boundary.
        max_field_bytes: of a part that is not a file.

    Raises:
        ApiError: 400, the body is no whole form, or has more parts or longer fields than are taken.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise _broken("content-type names no boundary")
    # Counted before it is parsed: the parser's time goes with boundaries and the blanks behind them, not with bytes.
    delimiter = b"\r\n--" + boundary
    if body.count(delimiter) > MAX_PARTS:
        raise _broken(f"it has more than {MAX_PARTS} parts")
    _require_little_padding(body, delimiter)
    collector = _Collector(max_field_bytes)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": collector.begin,
                "on_header_field": collector.header_name,
                "on_header_value": collector.header_value,
                "on_header_end": collector.header_end,
                "on_part_data": collector.content,
                "on_part_end": collector.end,
                "on_end": collector.finish,
            },
        )
        parser.write(body)
    except FormParserError as error:
        raise _broken(str(error)[:200]) from None
    if not collector.is_whole:
        raise _broken("it ends before its last boundary")
    return collector.form


def _require_little_padding(body: bytes, delimiter: bytes) -> None:
    """Raises ApiError 400 where more than MAX_PADDING blanks follow a boundary; there is a bounded number of these."""
    place = body.find(delimiter)
    while place >= 0:
        place += len(delimiter)
        padding = body[place : place + MAX_PADDING + 1]
        if len(padding) > MAX_PADDING and not padding.strip(b" \t"):
            raise _broken(f"more than {MAX_PADDING} blanks follow a boundary")
        place = body.find(delimiter, place)


class _Collector:
    """Gathers parts from the parser's calls."""

    def __init__(self, max_field_bytes: int) -> None:
        self._max_field_bytes = max_field_bytes
        self.form = Form()
        self.is_whole = False
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._content = bytearray()

    def begin(self) -> None:
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._content = bytearray()

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def content(self, data: bytes, start: int, end: int) -> None:
        self._content += memoryview(data)[start:end]

    def end(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if b"name" not in options:
            raise _broken("a part has no name")
        name = _text(options[b"name"], "the name of a part")
        if b"filename" in options:
            filename = options[b"filename"].decode("utf-8", "replace")
            self.form.files.setdefault(name, []).append(FormFile(filename, bytes(self._content)))
        else:
            if len(self._content) > self._max_field_bytes:
                reason = f"longer than {self._max_field_bytes} bytes. Shorten it; a file needs a filename."
                raise invalid_value(name[:80], f"Invalid '{name[:80]}': {reason}")
            self.form.fields.setdefault(name, []).append(_text(self._content, f"'{name[:80]}'"))
        self._content = bytearray()

    def finish(self) -> None:
        self.is_whole = True


def _text(data: bytes | bytearray, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _broken(f"{what} is not UTF-8") from None


def _broken(reason: str) -> ApiError:
    message = f"The body is not a multipart form that is taken: {reason}. Let an HTTP library make it."
    return ApiError(400, message, code="invalid_multipart")
