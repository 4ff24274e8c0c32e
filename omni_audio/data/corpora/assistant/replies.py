"""What tools give back, and the spoken answers that follow: an answer depends on the call and its result only.

Wordings of answers are shared by the splits; the values that a result brings (messages, events, things) are those of
the split. `pick_stably` chooses among wordings, so that the same call and result give the same answer on every machine.
"""

import random
from collections.abc import Callable
from typing import Any, Final

from omni_audio.data.corpora.assistant.clock_words import (
    DAYS_IN_MONTH,
    spoken_day,
    spoken_duration,
    spoken_time,
    spoken_when,
)
from omni_audio.data.corpora.assistant.number_words import (
    join_words,
    spell_decimal,
    spell_digits,
    spell_number,
)
from omni_audio.data.corpora.assistant.slots import OPERATION_WORDS, Arguments, pick, with_article
from omni_audio.data.corpora.assistant.values import OPEN_VALUES
from omni_audio.data.corpora.commands_slots import CONDITION_DEGREES, CorpusError, pick_stably

Result = dict[str, Any]
Reply = tuple[Result, str]
Source = random.Random

_OK: Final = {"ok": True}
_TO_BASE = {
    "kilometers": 1000.0, "miles": 1609.344, "meters": 1.0, "feet": 0.3048, "centimeters": 0.01, "inches": 0.0254,
    "kilograms": 1000.0, "pounds": 453.59237, "grams": 1.0, "ounces": 28.349523125,
    "liters": 1000.0, "gallons": 3785.411784, "cups": 236.5882365, "milliliters": 1.0,
    "hours": 60.0, "minutes": 1.0, "days": 1440.0, "weeks": 10080.0,
}  # fmt: skip
"""Factors of NIST SP 811 (US customary units); feet, pounds and gallons exactly."""
_ONE_UNIT = {"feet": "foot", "inches": "inch"}
_CONDITIONS = tuple(CONDITION_DEGREES)
_MINUTES = tuple(range(3, 90))


def _on_day(arguments: Arguments) -> str:
    return f" {spoken_when(arguments['day'])}" if "day" in arguments else ""


def _for_label(arguments: Arguments) -> str:
    return f"{arguments['label']} " if "label" in arguments else ""


def _said(arguments: Arguments, *wordings: str) -> str:
    return pick_stably(wordings, *arguments.items())


def _draw_time(rng: Source) -> str:
    return f"{7 + int(rng.random() * 15):02d}:{pick((0, 0, 15, 30, 45), rng):02d}"


def _get_time(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    time = f"{int(rng.random() * 24):02d}:{int(rng.random() * 60):02d}"
    place = f" in {a['city']}" if "city" in a else ""
    return {"time": time}, f"it's {spoken_time(time)}{place}."


def _get_date(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    month = int(rng.random() * 12) + 1
    date = f"{month:02d}-{int(rng.random() * DAYS_IN_MONTH[month - 1]) + 1:02d}"
    return {"date": date}, f"{spoken_day(a['day'])} is {spoken_day(date)}."


def _set_alarm(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    time, day = spoken_time(a["time"]), _on_day(a)
    label = f" for {a['label']}" if "label" in a else ""
    label = label.replace(" my ", " your ")
    answer = _said(
        a,
        f"okay, your alarm{label} is set for {time}{day}.",
        f"done, i'll wake you at {time}{day}.",
        f"alright, {time}{day}.",
    )
    return _OK, answer


def _cancel_alarm(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    time = spoken_time(a["time"])
    if not before and rng.random() < 0.1:
        return {"ok": False, "error": "not_found"}, f"there's no alarm at {time}."
    return _OK, _said(a, f"okay, the alarm at {time} is off.", f"i've cancelled the alarm at {time}.")


def _set_timer(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    duration, label = spoken_duration(a["seconds"]), _for_label(a)
    answer = _said(
        a,
        f"okay, {duration}, starting now.",
        f"your {label}timer is set for {duration}.",
        f"{duration} for the {label}timer, and counting.",
    )
    return _OK, answer


def _cancel_timer(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    label = _for_label(a)
    if not before and rng.random() < 0.1:
        return {"ok": False, "error": "not_found"}, f"there's no {label}timer running."
    return _OK, _said(a, f"okay, the {label}timer is cancelled.", f"i've stopped the {label}timer.")


def _check_timer(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    left = 1 + int(rng.random() * before.get("seconds", 3600))
    left = left if left < 60 else left // 60 * 60
    return {"seconds_left": left}, f"there's {spoken_duration(left)} left on the {_for_label(a)}timer."


def _set_reminder(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    task = a["task"].replace("my ", "your ")
    when = f"at {spoken_time(a['time'])}{_on_day(a)}"
    return _OK, _said(a, f"okay, i'll remind you to {task} {when}.", f"done, i'll remind you {when}.")


def _list_reminders(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    tasks = _some(OPEN_VALUES["task"][split], rng, 2)
    if not tasks:
        return {"reminders": []}, f"you have no reminders {spoken_when(a['day'])}."
    reminders = sorted(({"time": _draw_time(rng), "task": task} for task in tasks), key=_by_time)
    said = [f"{r['task'].replace('my ', 'your ')} at {spoken_time(r['time'])}" for r in reminders]
    return {"reminders": reminders}, f"{spoken_when(a['day'])} you have to {join_words(said)}."


def _by_time(entry: dict[str, str]) -> str:
    return entry["time"]


def _some(values: tuple[str, ...], rng: Source, most: int) -> list[str]:
    """None in one of six cases, else up to `most` values."""
    number = int(rng.random() * 6 * most)
    return rng.sample(values, number % most + 1) if number >= most else []


def _get_weather(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    condition = pick(_CONDITIONS, rng)
    degrees = rng.choice(CONDITION_DEGREES[condition])
    lead = "it's" if a.get("day", "today") == "today" else "it'll be"
    unit = "degree" if degrees == 1 else "degrees"
    answer = _said(
        a,
        f"{lead} {condition} in {a['city']}{_on_day(a)}, {spell_number(degrees)} {unit}.",
        f"in {a['city']} {lead} {condition}{_on_day(a)}, with {spell_number(degrees)} {unit}.",
    )
    return {"condition": condition, "degrees_celsius": degrees}, answer


def _play_song(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    by = f" by {a['artist']}" if "artist" in a else ""
    if not before and rng.random() < 0.08:
        return {"ok": False, "error": "not_found"}, f"sorry, i couldn't find {a['song']}{by}."
    return _OK, _said(a, f"okay, here's {a['song']}{by}.", f"playing {a['song']}{by}.")


def _play_genre(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    return _OK, _said(a, f"okay, some {a['genre']} coming up.", f"here's some {a['genre']} for you.")


_ACTION_ANSWERS = {
    "pause": "okay, paused.",
    "resume": "okay, going on.",
    "next": "okay, next one.",
    "previous": "okay, one back.",
    "stop": "okay, the music's off.",
}


def _control_music(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    if not before and rng.random() < 0.08:
        return {"ok": False, "error": "nothing_plays"}, "nothing is playing right now."
    return _OK, _ACTION_ANSWERS[a["action"]]


def _set_volume(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    percent = spell_number(a["percent"])
    return _OK, _said(a, f"okay, the volume is at {percent} percent.", f"volume's at {percent} percent now.")


def _change_volume(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    return _OK, "okay, a bit louder." if a["direction"] == "up" else "okay, a bit quieter."


def _set_light(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    room, state = a["room"], a["state"]
    return _OK, _said(a, f"okay, the {room} light is {state}.", f"the light in the {room} is {state} now.")


def _set_brightness(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    percent = f"{spell_number(a['percent'])} percent"
    room = a["room"]
    return _OK, _said(a, f"okay, the {room} light is at {percent}.", f"{percent} in the {room}, done.")


def _set_light_color(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    room, color = a["room"], a["color"]
    return _OK, _said(a, f"okay, the {room} light is {color}.", f"{color} light in the {room}, there you go.")


def _set_temperature(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    degrees = f"{spell_decimal(a['temperature'])} degrees" + (f" {a['unit']}" if "unit" in a else "")
    place = f" in the {a['room']}" if "room" in a else ""
    return _OK, _said(a, f"okay, i've set it to {degrees}{place}.", f"{degrees}{place}, done.")


def _get_temperature(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    degrees = 12 + int(rng.random() * 30) / 2
    return {"degrees_celsius": degrees}, f"it's {spell_decimal(degrees)} degrees in the {a['room']}."


def _person(name: str) -> str:
    return f"your{name[2:]}" if name.startswith("my ") else name


def _send_message(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    name = _person(a["name"])
    return _OK, _said(a, f"okay, i've sent that to {name}.", f"done, {name} has your message.")


def _read_messages(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    texts = _some(OPEN_VALUES["message"][split], rng, 2)
    if not texts:
        source = f" from {_person(a['name'])}" if "name" in a else ""
        return {"messages": []}, f"there's nothing new{source}."
    names = [a["name"]] * len(texts) if "name" in a else rng.sample(OPEN_VALUES["name"][split], len(texts))
    messages = [{"name": name, "text": text} for name, text in zip(names, texts, strict=True)]
    if "name" in a:
        return {"messages": messages}, f"{_person(a['name'])} wrote, {', and, '.join(texts)}."
    said = [f"{_person(name)} wrote, {text}" for name, text in zip(names, texts, strict=True)]
    return {"messages": messages}, f"{', and '.join(said)}."


def _call_contact(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    name = _person(a["name"])
    if not before and rng.random() < 0.08:
        return {"ok": False, "error": "not_found"}, f"i can't find {name} in your contacts."
    return _OK, _said(a, f"okay, calling {name}.", f"calling {name} now.")


def _call_number(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    return _OK, f"okay, calling {spell_digits(a['phone'])}."


def _add_contact(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    return _OK, f"okay, i've saved {a['name']} with {spell_digits(a['phone'])}."


def _create_event(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    at = f" at {spoken_time(a['time'])}" if "time" in a else ""
    return _OK, _said(
        a,
        f"okay, {with_article(a['title'])} {spoken_when(a['day'])}{at}.",
        f"done, i've put {with_article(a['title'])} in your calendar {spoken_when(a['day'])}{at}.",
    )


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


def _cancel_event(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    if rng.random() < 0.08:
        return {"ok": False, "error": "not_found"}, f"i can't find the {a['title']} in your calendar."
    return _OK, f"okay, the {a['title']} is cancelled."


_BY_MODE = {
    "car": " by car",
    "bike": " by bike",
    "foot": " on foot",
    "bus": " by bus",
    "train": " by train",
}


def _navigate(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    way = f"{_your(a['place'])}{_BY_MODE.get(a.get('mode', ''), '')}"
    return _OK, _said(a, f"okay, let's go to {way}.", f"starting directions to {way}.")


def _your(place: str) -> str:
    return place.replace("my ", "your ")


def _get_travel_time(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    minutes = pick(_MINUTES, rng)
    way = f"{_your(a['place'])}{_BY_MODE.get(a.get('mode', ''), '')}"
    return {"minutes": minutes}, f"it takes {spoken_duration(60 * minutes)} to {way}."


def _add_to_list(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    items = join_words(a["items"])
    return _OK, _said(a, f"okay, i've added {items}.", f"{items}, got it.")


def _remove_from_list(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    if rng.random() < 0.1:
        return {"ok": False, "error": "not_found"}, f"i didn't find {a['item']} on the list."
    return _OK, _said(a, f"okay, no more {a['item']} on the list.", f"i've taken {a['item']} off the list.")


def _read_list(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    added = before.get("items", [])
    items = [item for item in _some(OPEN_VALUES["item"][split], rng, 3) if item not in added] + added
    if not items:
        return {"items": []}, "the shopping list is empty."
    return {"items": items}, f"on the list you have {join_words(items)}."


def _number(value: float) -> tuple[float, bool]:
    """The value with at most two places, whole ones as integers, and whether that changed it."""
    rounded = round(value, 2)
    whole = int(rounded) if rounded == int(rounded) else rounded
    return whole, abs(rounded - value) > 1e-9


def _convert_units(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    exact = a["value"] * _TO_BASE[a["from_unit"]] / _TO_BASE[a["to_unit"]]
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


def _calculate(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    value, is_rounded = _number(compute(a["left"], a["operation"], a["right"]))
    question = f"{spell_decimal(a['left'])} {OPERATION_WORDS[a['operation']]} {spell_decimal(a['right'])}"
    return {"value": value}, f"{question} is {'about ' if is_rounded else ''}{spell_decimal(value)}."


_REPLIES: Final[dict[str, Callable[[Arguments, Source, str, Arguments], Reply]]] = {
    "get_time": _get_time,
    "get_date": _get_date,
    "set_alarm": _set_alarm,
    "cancel_alarm": _cancel_alarm,
    "set_timer": _set_timer,
    "cancel_timer": _cancel_timer,
    "check_timer": _check_timer,
    "set_reminder": _set_reminder,
    "list_reminders": _list_reminders,
    "get_weather": _get_weather,
    "play_song": _play_song,
    "play_genre": _play_genre,
    "control_music": _control_music,
    "set_volume": _set_volume,
    "change_volume": _change_volume,
    "set_light": _set_light,
    "set_brightness": _set_brightness,
    "set_light_color": _set_light_color,
    "set_temperature": _set_temperature,
    "get_temperature": _get_temperature,
    "send_message": _send_message,
    "read_messages": _read_messages,
    "call_contact": _call_contact,
    "call_number": _call_number,
    "add_contact": _add_contact,
    "create_event": _create_event,
    "list_events": _list_events,
    "cancel_event": _cancel_event,
    "navigate": _navigate,
    "get_travel_time": _get_travel_time,
    "add_to_list": _add_to_list,
    "remove_from_list": _remove_from_list,
    "read_list": _read_list,
    "convert_units": _convert_units,
    "calculate": _calculate,
}

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
