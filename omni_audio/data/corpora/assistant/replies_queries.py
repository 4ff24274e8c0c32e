"""What tools give back that are asked something, and the spoken answers."""

from collections.abc import Callable
from typing import Final

from omni_audio.data.corpora.assistant.clock_words import (
    DAYS_IN_MONTH,
    spoken_day,
    spoken_duration,
    spoken_time,
    spoken_when,
)
from omni_audio.data.corpora.assistant.number_words import join_words, spell_decimal, spell_number
from omni_audio.data.corpora.assistant.reply_words import (
    BY_MODE,
    Reply,
    Source,
    for_label,
    on_day,
    person,
    said_of,
    your_place,
)
from omni_audio.data.corpora.assistant.slots import OPERATION_WORDS, Arguments, pick, with_article
from omni_audio.data.corpora.assistant.tools import UNIT_FACTORS
from omni_audio.data.corpora.assistant.values import OPEN_VALUES
from omni_audio.data.corpora.commands_slots import CONDITION_DEGREES

_ONE_UNIT = {"feet": "foot", "inches": "inch"}


_CONDITIONS = tuple(CONDITION_DEGREES)


_MINUTES = tuple(range(3, 90))


def _draw_time(rng: Source) -> str:
    return f"{7 + int(rng.random() * 15):02d}:{pick((0, 0, 15, 30, 45), rng):02d}"


def _by_time(entry: dict[str, str]) -> str:
    return entry["time"]


def _some(values: tuple[str, ...], rng: Source, most: int) -> list[str]:
    """None in one of six cases, else up to `most` values."""
    number = int(rng.random() * 6 * most)
    return rng.sample(values, number % most + 1) if number >= most else []


def _number(value: float) -> tuple[float, bool]:
    """The value with at most two places, whole ones as integers, and whether that changed it."""
    rounded = round(value, 2)
    whole = int(rounded) if rounded == int(rounded) else rounded
    return whole, abs(rounded - value) > 1e-9


def compute(left: float, operation: str, right: float) -> float:
    """The exact result of a calculation.

    Raises:
        ZeroDivisionError: division by 0.
    """
    if operation == "add":
        return left + right
    if operation == "subtract":
        return left - right
    return left * right if operation == "multiply" else left / right


def _get_time(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    time = f"{int(rng.random() * 24):02d}:{int(rng.random() * 60):02d}"
    place = f" in {a['city']}" if "city" in a else ""
    return {"time": time}, f"it's {spoken_time(time)}{place}."


def _get_date(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    month = int(rng.random() * 12) + 1
    date = f"{month:02d}-{int(rng.random() * DAYS_IN_MONTH[month - 1]) + 1:02d}"
    return {"date": date}, f"{spoken_day(a['day'])} is {spoken_day(date)}."


def _check_timer(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    left = 1 + int(rng.random() * before.get("seconds", 3600))
    left = left if left < 60 else left // 60 * 60
    return {"seconds_left": left}, f"there's {spoken_duration(left)} left on the {for_label(a)}timer."


def _list_reminders(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    tasks = _some(OPEN_VALUES["task"][split], rng, 2)
    if not tasks:
        return {"reminders": []}, f"you have no reminders {spoken_when(a['day'])}."
    reminders = sorted(({"time": _draw_time(rng), "task": task} for task in tasks), key=_by_time)
    said = [f"{r['task'].replace('my ', 'your ')} at {spoken_time(r['time'])}" for r in reminders]
    return {"reminders": reminders}, f"{spoken_when(a['day'])} you have to {join_words(said)}."


def _get_weather(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    condition = pick(_CONDITIONS, rng)
    degrees = rng.choice(CONDITION_DEGREES[condition])
    lead = "it's" if a.get("day", "today") == "today" else "it'll be"
    unit = "degree" if degrees == 1 else "degrees"
    answer = said_of(
        a,
        f"{lead} {condition} in {a['city']}{on_day(a)}, {spell_number(degrees)} {unit}.",
        f"in {a['city']} {lead} {condition}{on_day(a)}, with {spell_number(degrees)} {unit}.",
    )
    return {"condition": condition, "degrees_celsius": degrees}, answer


def _get_temperature(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    degrees = 12 + int(rng.random() * 30) / 2
    return {"degrees_celsius": degrees}, f"it's {spell_decimal(degrees)} degrees in the {a['room']}."


def _read_messages(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    texts = _some(OPEN_VALUES["message"][split], rng, 2)
    if not texts:
        source = f" from {person(a['name'])}" if "name" in a else ""
        return {"messages": []}, f"there's nothing new{source}."
    names = [a["name"]] * len(texts) if "name" in a else rng.sample(OPEN_VALUES["name"][split], len(texts))
    messages = [{"name": name, "text": text} for name, text in zip(names, texts, strict=True)]
    if "name" in a:
        return {"messages": messages}, f"{person(a['name'])} wrote, {', and, '.join(texts)}."
    said = [f"{person(name)} wrote, {text}" for name, text in zip(names, texts, strict=True)]
    return {"messages": messages}, f"{', and '.join(said)}."


def _list_events(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    if before:
        events = [{"time": before.get("time", _draw_time(rng)), "title": before["title"]}]
    else:
        titles = _some(OPEN_VALUES["event"][split], rng, 2)
        events = sorted(({"time": _draw_time(rng), "title": title} for title in titles), key=_by_time)
    if not events:
        return {"events": []}, f"you're free {spoken_when(a['day'])}."
    said = [f"{with_article(event['title'])} at {spoken_time(event['time'])}" for event in events]
    return {"events": events}, f"{spoken_when(a['day'])} you have {join_words(said)}."


def _get_travel_time(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    minutes = pick(_MINUTES, rng)
    way = f"{your_place(a['place'])}{BY_MODE.get(a.get('mode', ''), '')}"
    return {"minutes": minutes}, f"it takes {spoken_duration(60 * minutes)} to {way}."


def _read_list(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    added = before.get("items", [])
    items = [item for item in _some(OPEN_VALUES["item"][split], rng, 3) if item not in added] + added
    if not items:
        return {"items": []}, "the shopping list is empty."
    return {"items": items}, f"on the list you have {join_words(items)}."


def _convert_units(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    exact = a["value"] * UNIT_FACTORS[a["from_unit"]] / UNIT_FACTORS[a["to_unit"]]
    value, is_rounded = _number(exact if exact < 10 else round(exact))
    is_rounded = is_rounded or abs(value - exact) > 1e-9
    about = "about " if is_rounded else ""
    if value == 0:
        return {"value": 0}, f"that's almost no {a['to_unit']} at all."
    result = {"value": value}
    if value > 999_999:
        return result, f"that's more than a million {a['to_unit']}."
    unit = _ONE_UNIT.get(a["to_unit"], a["to_unit"][:-1]) if value == 1 else a["to_unit"]
    quantity = f"{spell_number(a['value'])} {a['from_unit']}"
    return result, f"{quantity} are {about}{spell_decimal(value)} {unit}."


def _calculate(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    value, is_rounded = _number(compute(a["left"], a["operation"], a["right"]))
    question = f"{spell_decimal(a['left'])} {OPERATION_WORDS[a['operation']]} {spell_decimal(a['right'])}"
    return {"value": value}, f"{question} is {'about ' if is_rounded else ''}{spell_decimal(value)}."


QUERY_REPLIES: Final[dict[str, Callable[[Arguments, Source, str, Arguments], Reply]]] = {
    "get_time": _get_time,
    "get_date": _get_date,
    "check_timer": _check_timer,
    "list_reminders": _list_reminders,
    "get_weather": _get_weather,
    "get_temperature": _get_temperature,
    "read_messages": _read_messages,
    "list_events": _list_events,
    "get_travel_time": _get_travel_time,
    "read_list": _read_list,
    "convert_units": _convert_units,
    "calculate": _calculate,
}
