"""Tool calls on their way out: the model's JSON text is believed only if it is exact."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from omni_audio.serving.errors import ApiError, server_error


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
        raw: `{"name": ..., "arguments": {...}}`, nothing more.
        offered: names of the tools in the request.

    Raises:
        ApiError: 500 invalid_tool_call: no guess is made at what the model may have meant.
    """
    try:
        call = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise _invalid("its text is not JSON") from None
    if not isinstance(call, dict) or set(call) != {"name", "arguments"}:
        raise _invalid("it is not an object of name and arguments")
    if not isinstance(call["name"], str) or call["name"] not in offered:
        raise _invalid("it names a tool that was not offered")
    if not isinstance(call["arguments"], dict):
        raise _invalid("its arguments are not an object")
    arguments = orjson.dumps(call["arguments"]).decode()
    return MadeCall(f"call_{secrets.token_hex(12)}", call["name"], arguments)


def _invalid(reason: str) -> ApiError:
    return server_error(f"The model made an invalid tool call: {reason}. Try again.", "invalid_tool_call")
