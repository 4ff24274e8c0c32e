"""Tool calls on their way out and back in: their JSON text is believed only if it is exact, and is kept as it is."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from omni_audio.serving.errors import ApiError, server_error

_BEFORE_NAME, _BEFORE_ARGUMENTS = '{"name":', ',"arguments":'
_OPENING = re.compile(r'\{"name":"([^"\\]*)","arguments":')
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
class CallStart:
    """A call of an offered tool begins; its arguments follow."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallDelta:
    """Some more letters, at least one, of the arguments of the newest call."""

    arguments: str


CallPiece: TypeAlias = CallStart | CallDelta


class GrowingCall:
    """A call that the model is making: its name once that is whole, then its arguments letter by letter.

    The last letter that came is held back, since it may be the brace that closes the call and is no argument.

    Args:
        offered: names of the tools in the request.
    """

    def __init__(self, offered: Collection[str]) -> None:
        self._offered = offered
        self._raw = ""
        self._num_given: int | None = None
        """Letters that were given or are no arguments; None until the name is whole."""

    def feed(self, text: str) -> list[CallPiece]:
        """What further letters complete.

        Raises:
            ApiError: 500 invalid_tool_call: the call names a tool that was not offered.
        """
        self._raw += text
        made: list[CallPiece] = []
        if self._num_given is None:
            opening = _OPENING.match(self._raw)
            if opening is None:
                return made
            name = opening[1]
            _check_name(name, self._offered)
            made.append(CallStart(f"call_{secrets.token_hex(12)}", name))
            self._num_given = opening.end()
        return made + self._given_up_to(len(self._raw) - 1)

    def finish(self) -> list[CallPiece]:
        """What was held back of a call that the model has ended.

        Raises:
            ApiError: 500 invalid_tool_call: its text is not `{"name":...,"arguments":{...}}`, in this order,
                without blanks outside strings and with nothing behind it.
        """
        _check_call(self._raw, self._offered)
        return self._given_up_to(len(self._raw) - 1)

    def cut(self) -> list[CallPiece]:
        """What was held back of a call that a limit has ended, whole or not."""
        try:
            return self.finish()
        except ApiError:
            return self._given_up_to(len(self._raw))

    def _given_up_to(self, end: int) -> list[CallPiece]:
        if self._num_given is None or self._num_given >= end:
            return []
        start, self._num_given = self._num_given, end
        return [CallDelta(self._raw[start:end])]


def _check_call(raw: str, offered: Collection[str]) -> None:
    """Raises ApiError unless the text is a whole call: no guess is made at what the model may have meant."""
    try:
        name, name_end = _JSON.raw_decode(raw, len(_BEFORE_NAME))
        start = name_end + len(_BEFORE_ARGUMENTS)
        arguments, end = _JSON.raw_decode(raw, start)
    except (ValueError, RecursionError):
        raise _invalid("its text is not JSON") from None
    if (raw[:start], raw[end:]) != (f'{_BEFORE_NAME}"{name}"{_BEFORE_ARGUMENTS}', "}"):
        raise _invalid("it is not an object of name and arguments")
    _check_name(name, offered)
    if not isinstance(arguments, dict):
        raise _invalid("its arguments are not an object")


def _check_name(name: str, offered: Collection[str]) -> None:
    if name not in offered:
        raise _invalid("it names a tool that was not offered")


def _invalid(reason: str) -> ApiError:
    return server_error(f"The model made an invalid tool call: {reason}. Try again.", "invalid_tool_call")
