"""Tool calls on their way out and back in: their JSON text is believed only if it is exact, and is kept as it is."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NoReturn

from omni_audio.serving.errors import ApiError, server_error

_BEFORE_NAME, _BEFORE_ARGUMENTS = '{"name":', ',"arguments":'
_STRINGS_AND_BLANKS = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\r\n]+')


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


# Numbers are not read: some are too large or too long for those of Python, and none may change.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_number)


def call_text(name: str, arguments: str) -> str:
    """A call as tool_call_text() writes it in training, from the JSON text of its arguments.

    Blanks go, strings are written in ASCII, numbers stay as they are.

    Args:
        name: of the tool.
        arguments: JSON text of an object.

    Raises:
        ValueError: it is none, or nested deeper than can be read.
    """
    try:
        value = _JSON.decode(arguments)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError("it is not the JSON text of an object that can be read")
    compact = _STRINGS_AND_BLANKS.sub(
        lambda found: json.dumps(json.loads(found[0])) if found[0].startswith('"') else "", arguments
    )
    return f"{_BEFORE_NAME}{json.dumps(name)}{_BEFORE_ARGUMENTS}{compact}}}"


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call that the model made, checked."""

    id: str
    name: str
    arguments: str

    def as_dict(self) -> dict[str, Any]:
        """The call as it stands in an answer's message."""
        return {"id": self.id, "type": "function", "function": self.as_function()}

    def as_function(self) -> dict[str, Any]:
        """Name and arguments alone: all of the call in its deprecated form."""
        return {"name": self.name, "arguments": self.arguments}


def parse_tool_call(raw: str, offered: Collection[str]) -> MadeCall:
    """Checks the model's text.

    Args:
        raw: `{"name":...,"arguments":{...}}`, in this order, without blanks outside strings, nothing more.
        offered: names of the tools in the request.

    Raises:
        ApiError: 500 invalid_tool_call: no guess is made at what the model may have meant.
    """
    try:
        name, name_end = _JSON.raw_decode(raw, len(_BEFORE_NAME))
        start = name_end + len(_BEFORE_ARGUMENTS)
        arguments, end = _JSON.raw_decode(raw, start)
    except (ValueError, RecursionError):
        raise _invalid("its text is not JSON") from None
    if (raw[: len(_BEFORE_NAME)], raw[name_end:start], raw[end:]) != (_BEFORE_NAME, _BEFORE_ARGUMENTS, "}"):
        raise _invalid("it is not an object of name and arguments")
    if not isinstance(name, str) or name not in offered:
        raise _invalid("it names a tool that was not offered")
    if not isinstance(arguments, dict):
        raise _invalid("its arguments are not an object")
    return MadeCall(f"call_{secrets.token_hex(12)}", name, raw[start:end])


def _invalid(reason: str) -> ApiError:
    return server_error(f"The model made an invalid tool call: {reason}. Try again.", "invalid_tool_call")
