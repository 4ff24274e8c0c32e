"""Slot values of the spoken-command domain: fills a template and derives its tool call and answers."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from omni_audio.checks import NotAllowedError
from omni_audio.data.corpora.commands_small_talk import TOPICS
from omni_audio.data.corpora.commands_tools import DAYS, ROOMS

ArgumentValue = str | int | float | bool | list[str]


class CorpusError(NotAllowedError):
    """A corpus cannot be made as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of one tool with typed JSON arguments."""

    name: str
    arguments: dict[str, ArgumentValue]


class Filled(NamedTuple):
    """A template with its slots filled, and what follows from the slots."""

    request: str
    answer: str
    plain_answer: str
    tool_call: ToolCall | None
    tool_result: str | None


LABELS: Final = ("pasta", "tea", "egg", "pizza", "laundry", "bread", "rice", "coffee")
CITIES: Final = (
    "paris", "london", "berlin", "rome", "madrid", "dublin", "boston", "chicago", "denver", "tokyo", "sydney",
    "oslo", "vienna", "cairo", "lisbon", "toronto",
)  # fmt: skip
DURATIONS: Final = (
    *((value, "seconds") for value in (10, 15, 20, 30, 40, 45, 50, 90)),
    *((value, "minutes") for value in (*range(1, 21), 25, 30, 35, 40, 45, 50, 55, 60)),
    *((value, "hours") for value in (1, 2, 3, 4, 5, 6, 8, 12)),
)
LABEL_MINUTES: Final = (2, 3, 4, 5, 8, 10, 12, 15, 20, 25, 30, 45)
PERCENTS: Final = tuple(range(10, 101, 10))
CONDITION_DEGREES: Final = {
    "sunny": range(10, 33),
    "cloudy": range(4, 27),
    "rainy": range(5, 23),
    "windy": range(4, 23),
    "foggy": range(2, 15),
    "snowy": range(4),
}
AMOUNTS: Final = (
    ("", 1), ("a bit", 1), ("a little", 1), ("by one", 1), ("by two", 2), ("by three", 3), ("by four", 4),
    ("by five", 5),
)  # fmt: skip

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def spell(number: int) -> str:
    """Spells an integer of 0..199 in English words.

    Raises:
        CorpusError: outside the range.
    """
    if not 0 <= number < 200:
        raise CorpusError("number", number, "0..199", "spell a smaller number")
    if number >= 100:
        rest = number - 100
        return "one hundred" + (f" {spell(rest)}" if rest else "")
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f" {_ONES[ones]}" if ones else "")


def stable_digest(text: str) -> str:
    """SHA-256 of a text in hex; the same on every machine and in every process."""
    return hashlib.sha256(text.encode()).hexdigest()


def pick_stably(wordings: tuple[str, ...], *key: object) -> str:
    """Picks a wording by a stable digest of the key: the same on every machine and in every process."""
    return wordings[int(stable_digest("|".join(map(str, key)))[:8], 16) % len(wordings)]


def _spoken_unit(value: int, unit: str) -> str:
    return unit[:-1] if value == 1 else unit


def _with_articles(text: str) -> str:
    """Turns "a eight" into "an eight"; the slot values make the article."""
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def _set_timer(text: str, rng: random.Random) -> Filled:
    label = rng.choice(LABELS) if "{label}" in text else ""
    value, unit = (rng.choice(LABEL_MINUTES), "minutes") if label else rng.choice(DURATIONS)
    number = spell(value)
    duration = f"{number} {_spoken_unit(value, unit)}"
    if value == 1:
        text = text.replace("{duration} are", "{duration} is").replace("{duration} have", "{duration} has")
    request = _with_articles(text.format(duration=duration, compound=f"{number} {unit[:-1]}", label=label))
    arguments: dict[str, ArgumentValue] = {"value": value, "unit": unit}
    if label:
        arguments["label"] = label
        wordings = ("okay, {label} timer for {duration}.", "the {label} timer is set for {duration}.")
    else:
        wordings = ("okay, {duration}, starting now.", "your timer is set for {duration}.")
    answer = pick_stably(wordings, "set_timer", value, unit, label).format(duration=duration, label=label)
    plain = pick_stably(
        ("sorry, i can not set timers here.", "sorry, i have no timer right now."), "timer", unit, label
    )
    return Filled(request, answer, plain, ToolCall(name="set_timer", arguments=arguments), "ok")


def _cancel_timer(text: str, rng: random.Random) -> Filled:
    label = rng.choice(LABELS) if "{label}" in text else ""
    arguments: dict[str, ArgumentValue] = {"label": label} if label else {}
    if label:
        wordings = ("okay, the {label} timer is cancelled.", "okay, i stopped the {label} timer.")
        answer = pick_stably(wordings, "cancel_timer", label).format(label=label)
    else:
        answer = "okay, your timer is cancelled."
    plain = "sorry, i can not stop timers here."
    return Filled(
        text.format(label=label), answer, plain, ToolCall(name="cancel_timer", arguments=arguments), "ok"
    )


def _set_light(text: str, rng: random.Random) -> Filled:
    room, state = rng.choice(ROOMS), rng.choice(("on", "off"))
    wordings = ("okay, the {room} light is {state}.", "the {room} light is now {state}.")
    answer = pick_stably(wordings, "set_light", room, state).format(room=room, state=state)
    plain = pick_stably(
        ("sorry, i can not reach the lights.", "sorry, i can not switch lights here."), "light", room
    )
    call = ToolCall(name="set_light", arguments={"room": room, "state": state})
    return Filled(text.format(room=room, state=state), answer, plain, call, "ok")


def _set_brightness(text: str, rng: random.Random) -> Filled:
    room, brightness = rng.choice(ROOMS), rng.choice(PERCENTS)
    percent = f"{spell(brightness)} percent"
    wordings = ("okay, the {room} light is at {percent}.", "the {room} light is now at {percent}.")
    answer = pick_stably(wordings, "set_brightness", room, brightness).format(room=room, percent=percent)
    plain = pick_stably(
        ("sorry, i can not reach the lights.", "sorry, i can not dim lights here."), "dim", room
    )
    call = ToolCall(name="set_light", arguments={"room": room, "brightness": brightness})
    return Filled(text.format(room=room, percent=percent), answer, plain, call, "ok")


def _get_weather(text: str, rng: random.Random) -> Filled:
    city, day = rng.choice(CITIES), rng.choice(DAYS)
    condition = rng.choice(tuple(CONDITION_DEGREES))
    degrees = rng.choice(CONDITION_DEGREES[condition])
    said_day = day if day in ("today", "tomorrow") else f"on {day}"
    request = text.format(city=city, day=said_day)
    temperature = f"{spell(degrees)} {'degree' if degrees == 1 else 'degrees'}"
    lead = "it is" if day == "today" else "it will be"
    answer = f"{lead} {condition}, {temperature}."
    plain = pick_stably(
        ("sorry, i can not look up the weather.", "sorry, i do not know the weather."), "weather", city
    )
    call = ToolCall(name="get_weather", arguments={"city": city, "day": day})
    return Filled(request, answer, plain, call, f"{condition} {degrees}")


def _set_volume(text: str, rng: random.Random) -> Filled:
    level = rng.randint(0, 10)
    wordings = ("okay, the volume is at {level}.", "the volume is now {level}.")
    answer = pick_stably(wordings, "set_volume", level).format(level=spell(level))
    plain = "sorry, i can not set the volume."
    call = ToolCall(name="set_volume", arguments={"level": level})
    return Filled(text.format(level=spell(level)), answer, plain, call, "ok")


def _change_volume(text: str, rng: random.Random) -> Filled:
    direction = rng.choice(("up", "down"))
    amount, steps = rng.choice(AMOUNTS)
    louder, raise_ = ("louder", "raise") if direction == "up" else ("quieter", "lower")
    slots = {"direction": direction, "amount": amount, "louder": louder, "raise": raise_}
    wordings = ("okay, volume {direction} by {steps}.", "okay, the volume goes {direction} by {steps}.")
    if steps == 1:
        wordings = ("okay, a little {louder}.",)
    answer = pick_stably(wordings, "change_volume", direction, steps).format(steps=spell(steps), **slots)
    plain = "sorry, i can not change the volume."
    call = ToolCall(name="change_volume", arguments={"direction": direction, "steps": steps})
    return Filled(text.format(**slots), answer, plain, call, "ok")


def _arithmetic(text: str, rng: random.Random) -> Filled:
    sign = "plus" if "{plus}" in text else rng.choice(("plus", "minus", "times"))
    left, right = rng.randint(1, 10), rng.randint(1, 10)
    if sign == "minus" and left < right:
        left, right = right, left
    result = {"plus": left + right, "minus": left - right, "times": left * right}[sign]
    question = f"{spell(left)} {sign} {spell(right)}"
    request = text.format(sum=question, plus=f"{spell(left)} and {spell(right)}")
    answer = f"{question} is {spell(result)}."
    return Filled(request, answer, answer, None, None)


def _small_talk(topic: str, text: str, rng: random.Random) -> Filled:
    slot = rng.choice(tuple(TOPICS[topic].answers))
    answer = TOPICS[topic].answers[slot]
    return Filled(_with_articles(text.format(slot=slot)), answer, answer, None, None)


_FILLERS: Final[dict[str, Callable[[str, random.Random], Filled]]] = {
    "set_timer": _set_timer,
    "cancel_timer": _cancel_timer,
    "set_light": _set_light,
    "set_brightness": _set_brightness,
    "get_weather": _get_weather,
    "set_volume": _set_volume,
    "change_volume": _change_volume,
    "arithmetic": _arithmetic,
}


def fill_intent(intent: str, topic: str, text: str, rng: random.Random) -> Filled:
    """Fills one template.

    Args:
        intent: the intent of the template.
        topic: the small-talk topic, "" for the other intents.
        text: the template.
        rng: source of the slot values and of the tool result.
    """
    if intent == "small_talk":
        return _small_talk(topic, text, rng)
    return _FILLERS[intent](text, rng)
