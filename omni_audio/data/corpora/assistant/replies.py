"""What tools give back, and the spoken answers that follow: an answer depends on the call and its result only.

Wordings of answers are shared by the splits; the values that a result brings (messages, events, things) are those of
the split. `pick_stably` chooses among wordings, so that the same call and result give the same answer on every machine.
"""

import random
from typing import Final

from omni_audio.data.corpora.assistant.replies_actions import ACTION_REPLIES
from omni_audio.data.corpora.assistant.replies_queries import QUERY_REPLIES
from omni_audio.data.corpora.assistant.reply_words import Reply
from omni_audio.data.corpora.assistant.slots import Arguments
from omni_audio.data.corpora.commands_slots import CorpusError

_REPLIES: Final = {**ACTION_REPLIES, **QUERY_REPLIES}
CANNOT: Final[dict[str, str]] = {
    "time": "tell the time or the date",
    "alarms": "set or cancel alarms",
    "timers": "use timers",
    "reminders": "handle reminders",
    "weather": "look up the weather",
    "music": "play music",
    "volume": "change the volume",
    "lights": "control the lights",
    "heating": "control the heating",
    "messages": "send or read messages",
    "calls": "make calls or store contacts",
    "calendar": "use the calendar",
    "navigation": "give directions",
    "shopping": "use the shopping list",
    "units": "convert units",
    "arithmetic": "calculate that",
}
"""What an answer says that it cannot do, by the area of the tool that is not offered."""


def reply_to(
    tool: str, arguments: Arguments, rng: random.Random, split: str, before: Arguments | None = None
) -> Reply:
    """What a tool gives back for a call, and the spoken answer.

    Args:
        tool: its name.
        arguments: of the call.
        rng: of what the result brings.
        split: whose values a result may hold.
        before: arguments of the call before in the same talk, where this one goes on from it.

    Raises:
        CorpusError: no tool of that name.
    """
    if tool not in _REPLIES:
        raise CorpusError("tool", tool, f"one of {tuple(_REPLIES)}", "use a known tool")
    return _REPLIES[tool](arguments, rng, split, before or {})
