"""Function schemas (OpenAI style) of the tools of the assistant domain, and the area that each belongs to.

Arguments are normalised: times "HH:MM" on the 24-hour clock (a bare "seven" of the morning is "07:00"), days as they
are said ("tomorrow", "monday") or "MM-DD", durations in seconds, names and titles as written in small letters. What is
not said is not in a call.
"""

from typing import Any, Final

from omni_audio.data.corpora.assistant.clock_words import DAY_PATTERN
from omni_audio.data.corpora.commands_tools import ROOMS, function_schema

COLORS: Final = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "white", "warm white")
GENRES: Final = (
    "jazz", "rock", "pop", "classical", "folk", "blues", "soul", "country", "reggae", "techno", "ambient", "opera",
)  # fmt: skip
MODES: Final = ("car", "bike", "foot", "bus", "train")
MUSIC_ACTIONS: Final = ("pause", "resume", "next", "previous", "stop")
OPERATIONS: Final = ("add", "subtract", "multiply", "divide")
MEASURES: Final = {
    "length": ("kilometers", "miles", "meters", "feet", "centimeters", "inches"),
    "mass": ("kilograms", "pounds", "grams", "ounces"),
    "volume": ("liters", "gallons", "cups", "milliliters"),
    "duration": ("hours", "minutes", "days", "weeks"),
}
UNIT_FACTORS: Final = {
    "kilometers": 1000.0, "miles": 1609.344, "meters": 1.0, "feet": 0.3048, "centimeters": 0.01, "inches": 0.0254,
    "kilograms": 1000.0, "pounds": 453.59237, "grams": 1.0, "ounces": 28.349523125,
    "liters": 1000.0, "gallons": 3785.411784, "cups": 236.5882365, "milliliters": 1.0,
    "hours": 60.0, "minutes": 1.0, "days": 1440.0, "weeks": 10080.0,
}  # fmt: skip
"""Each unit in meters, grams, milliliters or minutes. Source: NIST SP 811, US customary units; all are exact."""
UNITS: Final = tuple(unit for units in MEASURES.values() for unit in units)

_TIME = {
    "type": "string",
    "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
    "description": "HH:MM, 24-hour clock.",
}
_DAY = {
    "type": "string",
    "pattern": DAY_PATTERN,
    "description": "today, tomorrow, a weekday, or MM-DD; as said, not resolved.",
}
_ROOM = {"type": "string", "enum": list(ROOMS), "description": "Which room."}
_MODE = {"type": "string", "enum": list(MODES), "description": "How to travel."}
_PHONE = {"type": "string", "pattern": "^[0-9]{4,10}$", "description": "Digits only."}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": description}


def _integer(low: int, high: int, description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, "description": description}


def _one_of(values: tuple[str, ...], description: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values), "description": description}


_SECONDS = _integer(1, 86_400, "Duration in seconds.")
_NUMBER = {"type": "number", "description": "A number."}

# area -> tool -> (description, properties, required)
_AREAS: Final[dict[str, dict[str, tuple[str, dict[str, Any], list[str]]]]] = {
    "time": {
        "get_time": ("Tell the time of day.", {"city": _text("Where; here if absent.")}, []),
        "get_date": ("Tell the date of a day.", {"day": _DAY}, ["day"]),
    },
    "alarms": {
        "set_alarm": (
            "Set an alarm.",
            {"time": _TIME, "day": _DAY, "label": _text("What the alarm is for.")},
            ["time"],
        ),
        "cancel_alarm": ("Cancel an alarm.", {"time": _TIME}, ["time"]),
    },
    "timers": {
        "set_timer": (
            "Start a timer.",
            {"seconds": _SECONDS, "label": _text("What the timer is for.")},
            ["seconds"],
        ),
        "cancel_timer": ("Stop a running timer.", {"label": _text("What the timer was for.")}, []),
        "check_timer": (
            "Tell how long a timer still runs.",
            {"label": _text("What the timer is for.")},
            [],
        ),
    },
    "reminders": {
        "set_reminder": (
            "Remind the user of a task.",
            {"task": _text("What to do, as said."), "time": _TIME, "day": _DAY},
            ["task", "time"],
        ),
        "list_reminders": ("Read the reminders of a day.", {"day": _DAY}, ["day"]),
    },
    "weather": {
        "get_weather": (
            "Look up the weather of a city.",
            {"city": _text("Which city."), "day": _DAY},
            ["city"],
        )
    },
    "music": {
        "play_song": (
            "Play a song.",
            {"song": _text("Title."), "artist": _text("Who plays or sings it.")},
            ["song"],
        ),
        "play_genre": ("Play music of a genre.", {"genre": _one_of(GENRES, "Kind of music.")}, ["genre"]),
        "control_music": (
            "Control the music that plays.",
            {"action": _one_of(MUSIC_ACTIONS, "What to do.")},
            ["action"],
        ),
    },
    "volume": {
        "set_volume": ("Set the volume.", {"percent": _integer(0, 100, "Percent.")}, ["percent"]),
        "change_volume": (
            "Make the sound louder or quieter.",
            {"direction": _one_of(("up", "down"), "Louder is up.")},
            ["direction"],
        ),
    },
    "lights": {
        "set_light": (
            "Switch the light of a room.",
            {"room": _ROOM, "state": _one_of(("on", "off"), "On or off.")},
            ["room", "state"],
        ),
        "set_brightness": (
            "Dim the light of a room.",
            {"room": _ROOM, "percent": _integer(0, 100, "Percent.")},
            ["room", "percent"],
        ),
        "set_light_color": (
            "Set the color of the light of a room.",
            {"room": _ROOM, "color": _one_of(COLORS, "Which color.")},
            ["room", "color"],
        ),
    },
    "heating": {
        "set_temperature": (
            "Set the heating.",
            {
                "temperature": {"type": "number", "minimum": 5, "maximum": 90, "description": "In the unit."},
                "unit": _one_of(("celsius", "fahrenheit"), "Only if said."),
                "room": _ROOM,
            },
            ["temperature"],
        ),
        "get_temperature": ("Tell how warm a room is.", {"room": _ROOM}, ["room"]),
    },
    "messages": {
        "send_message": (
            "Send a text message to a contact.",
            {"name": _text("To whom."), "text": _text("The message, as said.")},
            ["name", "text"],
        ),
        "read_messages": ("Read new messages.", {"name": _text("From whom; all if absent.")}, []),
    },
    "calls": {
        "call_contact": ("Call a contact.", {"name": _text("Whom.")}, ["name"]),
        "call_number": ("Call a number.", {"phone": _PHONE}, ["phone"]),
        "add_contact": (
            "Store a contact.",
            {"name": _text("Name."), "phone": _PHONE},
            ["name", "phone"],
        ),
    },
    "calendar": {
        "create_event": (
            "Put an event into the calendar.",
            {"title": _text("What, as said."), "day": _DAY, "time": _TIME},
            ["title", "day"],
        ),
        "list_events": ("Read the events of a day.", {"day": _DAY}, ["day"]),
        "cancel_event": ("Take an event out of the calendar.", {"title": _text("Which.")}, ["title"]),
    },
    "navigation": {
        "navigate": ("Start directions to a place.", {"place": _text("Where to."), "mode": _MODE}, ["place"]),
        "get_travel_time": (
            "Tell how long the way to a place takes.",
            {"place": _text("Where to."), "mode": _MODE},
            ["place"],
        ),
    },
    "shopping": {
        "add_to_list": (
            "Put things on the shopping list.",
            {
                "items": {
                    "type": "array",
                    "items": _text("One thing."),
                    "minItems": 1,
                    "description": "Things in the order said.",
                }
            },
            ["items"],
        ),
        "remove_from_list": (
            "Take a thing off the shopping list.",
            {"item": _text("Which thing.")},
            ["item"],
        ),
        "read_list": ("Read the shopping list.", {}, []),
    },
    "units": {
        "convert_units": (
            "Convert a quantity to another unit.",
            {
                "value": _NUMBER,
                "from_unit": _one_of(UNITS, "Unit of the value."),
                "to_unit": _one_of(UNITS, "Wanted unit."),
            },
            ["value", "from_unit", "to_unit"],
        )
    },
    "arithmetic": {
        "calculate": (
            "Work out two numbers: left operation right.",
            {
                "left": _NUMBER,
                "operation": _one_of(OPERATIONS, "What to do."),
                "right": _NUMBER,
            },
            ["left", "operation", "right"],
        )
    },
}

ASSISTANT_TOOLS: Final[dict[str, dict[str, Any]]] = {
    name: function_schema(name, *facts) for tools in _AREAS.values() for name, facts in tools.items()
}
AREA_OF_TOOL: Final = {name: area for area, tools in _AREAS.items() for name in tools}
TOOL_NAMES: Final = tuple(ASSISTANT_TOOLS)

# Tools of one family could do each other's work in a pinch: no item offers one of them where another is due and absent.
_FAMILIES: Final = (
    ("alarms", "timers", "reminders", "calendar"),
    ("music", "volume"),
    ("messages", "calls"),
    ("units", "arithmetic"),
)
FAMILY_OF_TOOL: Final = {
    name: next((family for family in _FAMILIES if area in family), (area,))
    for name, area in AREA_OF_TOOL.items()
}
UNRELATED_TOOLS: Final = {
    name: tuple(other for other in TOOL_NAMES if FAMILY_OF_TOOL[other] != FAMILY_OF_TOOL[name])
    for name in TOOL_NAMES
}
