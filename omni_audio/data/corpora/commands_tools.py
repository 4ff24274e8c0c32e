"""Function schemas (OpenAI style) of the tools of the spoken-command domain."""

from typing import Any, Final

ROOMS: Final = ("kitchen", "bedroom", "bathroom", "living room", "hall", "garden", "garage", "office")
DAYS: Final = (
    "today", "tomorrow", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
UNITS: Final = ("seconds", "minutes", "hours")


def function_schema(
    name: str, description: str, properties: dict[str, Any], required: list[str]
) -> dict[str, Any]:
    """The schema of one function; other arguments than its properties are not allowed."""
    return {
        "name": name,
        "description": description,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
    }


TOOLS: Final[dict[str, dict[str, Any]]] = {
    "set_timer": function_schema(
        "set_timer",
        "Start a timer.",
        {
            "value": {"type": "integer", "minimum": 1, "description": "How many units."},
            "unit": {"type": "string", "enum": list(UNITS)},
            "label": {"type": "string", "description": "What the timer is for."},
        },
        ["value", "unit"],
    ),
    "cancel_timer": function_schema(
        "cancel_timer",
        "Stop a running timer.",
        {"label": {"type": "string", "description": "What the timer was for."}},
        [],
    ),
    "set_light": function_schema(
        "set_light",
        "Switch or dim the light of a room.",
        {
            "room": {"type": "string", "enum": list(ROOMS)},
            "state": {"type": "string", "enum": ["on", "off"]},
            "brightness": {"type": "integer", "minimum": 0, "maximum": 100, "description": "Percent."},
        },
        ["room"],
    ),
    "get_weather": function_schema(
        "get_weather",
        "Look up the weather of a city.",
        {"city": {"type": "string"}, "day": {"type": "string", "enum": list(DAYS)}},
        ["city", "day"],
    ),
    "set_volume": function_schema(
        "set_volume",
        "Set the volume.",
        {"level": {"type": "integer", "minimum": 0, "maximum": 10}},
        ["level"],
    ),
    "change_volume": function_schema(
        "change_volume",
        "Make the sound louder or quieter.",
        {
            "direction": {"type": "string", "enum": ["up", "down"]},
            "steps": {"type": "integer", "minimum": 1, "maximum": 10},
        },
        ["direction", "steps"],
    ),
}
