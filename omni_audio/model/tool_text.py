"""How tools and their calls stand in a sequence, as text."""

import json
from typing import Any


def tools_text(tools: list[str]) -> str:
    """How offered tools stand in the system segment."""
    return "tools: " + " ".join(tools)


def tool_call_text(name: str, arguments: dict[str, Any]) -> str:
    """How a tool call stands in the sequence: compact JSON, name first."""
    return json.dumps({"name": name, "arguments": arguments}, separators=(",", ":"))
