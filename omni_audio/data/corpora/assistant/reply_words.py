"""Pieces of spoken answers that the replies of several tools share."""

import random
from typing import Any, Final

from omni_audio.data.corpora.assistant.clock_words import spoken_when
from omni_audio.data.corpora.assistant.slots import Arguments
from omni_audio.data.corpora.commands_slots import pick_stably

Result = dict[str, Any]


Reply = tuple[Result, str]


Source = random.Random


OK: Final = {"ok": True}


BY_MODE = {
    "car": " by car",
    "bike": " by bike",
    "foot": " on foot",
    "bus": " by bus",
    "train": " by train",
}


def on_day(arguments: Arguments) -> str:
    """The day of a call as it follows a verb, with a blank before it; empty without one."""
    return f" {spoken_when(arguments['day'])}" if "day" in arguments else ""


def for_label(arguments: Arguments) -> str:
    """The label of a call as it stands before a noun, with a blank behind it; empty without one."""
    return f"{arguments['label']} " if "label" in arguments else ""


def said_of(arguments: Arguments, *wordings: str) -> str:
    """One of the wordings; the same for the same arguments."""
    return pick_stably(wordings, *arguments.items())


def person(name: str) -> str:
    """A contact as the assistant says it: "my mom" is "your mom"."""
    return f"your{name[2:]}" if name.startswith("my ") else name


def your_place(place: str) -> str:
    """A place as the assistant says it."""
    return place.replace("my ", "your ")
