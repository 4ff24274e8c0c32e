"""What tools give back that do something, and the spoken answers."""

from collections.abc import Callable
from typing import Final

from omni_audio.data.corpora.assistant.clock_words import spoken_duration, spoken_time, spoken_when
from omni_audio.data.corpora.assistant.number_words import (
    join_words,
    spell_decimal,
    spell_digits,
    spell_number,
)
from omni_audio.data.corpora.assistant.reply_words import (
    BY_MODE,
    OK,
    Reply,
    Source,
    for_label,
    on_day,
    person,
    said_of,
    your_place,
)
from omni_audio.data.corpora.assistant.slots import Arguments, with_article

_ACTION_ANSWERS = {
    "pause": "okay, paused.",
    "resume": "okay, going on.",
    "next": "okay, next one.",
    "previous": "okay, one back.",
    "stop": "okay, the music's off.",
}


def _set_alarm(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    time, day = spoken_time(a["time"]), on_day(a)
    label = f" for {a['label']}" if "label" in a else ""
    label = label.replace(" my ", " your ")
    answer = said_of(
        a,
        f"okay, your alarm{label} is set for {time}{day}.",
        f"done, i'll wake you at {time}{day}.",
        f"alright, {time}{day}.",
    )
    return OK, answer


def _cancel_alarm(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    time = spoken_time(a["time"])
    if not before and rng.random() < 0.1:
        return {"ok": False, "error": "not_found"}, f"there's no alarm at {time}."
    return OK, said_of(a, f"okay, the alarm at {time} is off.", f"i've cancelled the alarm at {time}.")


def _set_timer(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    duration, label = spoken_duration(a["seconds"]), for_label(a)
    answer = said_of(
        a,
        f"okay, {duration}, starting now.",
        f"your {label}timer is set for {duration}.",
        f"{duration} for the {label}timer, and counting.",
    )
    return OK, answer


def _cancel_timer(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    label = for_label(a)
    if not before and rng.random() < 0.1:
        return {"ok": False, "error": "not_found"}, f"there's no {label}timer running."
    return OK, said_of(a, f"okay, the {label}timer is cancelled.", f"i've stopped the {label}timer.")


def _set_reminder(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    task = a["task"].replace("my ", "your ")
    when = f"at {spoken_time(a['time'])}{on_day(a)}"
    return OK, said_of(a, f"okay, i'll remind you to {task} {when}.", f"done, i'll remind you {when}.")


def _play_song(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    by = f" by {a['artist']}" if "artist" in a else ""
    if not before and rng.random() < 0.08:
        return {"ok": False, "error": "not_found"}, f"sorry, i couldn't find {a['song']}{by}."
    return OK, said_of(a, f"okay, here's {a['song']}{by}.", f"playing {a['song']}{by}.")


def _play_genre(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    return OK, said_of(a, f"okay, some {a['genre']} coming up.", f"here's some {a['genre']} for you.")


def _control_music(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    if not before and rng.random() < 0.08:
        return {"ok": False, "error": "nothing_plays"}, "nothing is playing right now."
    return OK, _ACTION_ANSWERS[a["action"]]


def _set_volume(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    percent = spell_number(a["percent"])
    return OK, said_of(a, f"okay, the volume is at {percent} percent.", f"volume's at {percent} percent now.")


def _change_volume(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    return OK, "okay, a bit louder." if a["direction"] == "up" else "okay, a bit quieter."


def _set_light(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    room, state = a["room"], a["state"]
    return OK, said_of(a, f"okay, the {room} light is {state}.", f"the light in the {room} is {state} now.")


def _set_brightness(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    percent = f"{spell_number(a['percent'])} percent"
    room = a["room"]
    return OK, said_of(a, f"okay, the {room} light is at {percent}.", f"{percent} in the {room}, done.")


def _set_light_color(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    room, color = a["room"], a["color"]
    return OK, said_of(
        a, f"okay, the {room} light is {color}.", f"{color} light in the {room}, there you go."
    )


def _set_temperature(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    degrees = f"{spell_decimal(a['temperature'])} degrees" + (f" {a['unit']}" if "unit" in a else "")
    place = f" in the {a['room']}" if "room" in a else ""
    return OK, said_of(a, f"okay, i've set it to {degrees}{place}.", f"{degrees}{place}, done.")


def _send_message(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    name = person(a["name"])
    return OK, said_of(a, f"okay, i've sent that to {name}.", f"done, {name} has your message.")


def _call_contact(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    name = person(a["name"])
    if not before and rng.random() < 0.08:
        return {"ok": False, "error": "not_found"}, f"i can't find {name} in your contacts."
    return OK, said_of(a, f"okay, calling {name}.", f"calling {name} now.")


def _call_number(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    return OK, f"okay, calling {spell_digits(a['phone'])}."


def _add_contact(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    return OK, f"okay, i've saved {a['name']} with {spell_digits(a['phone'])}."


def _create_event(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    at = f" at {spoken_time(a['time'])}" if "time" in a else ""
    return OK, said_of(
        a,
        f"okay, {with_article(a['title'])} {spoken_when(a['day'])}{at}.",
        f"done, i've put {with_article(a['title'])} in your calendar {spoken_when(a['day'])}{at}.",
    )


def _cancel_event(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    if rng.random() < 0.08:
        return {"ok": False, "error": "not_found"}, f"i can't find the {a['title']} in your calendar."
    return OK, f"okay, the {a['title']} is cancelled."


def _navigate(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    way = f"{your_place(a['place'])}{BY_MODE.get(a.get('mode', ''), '')}"
    return OK, said_of(a, f"okay, let's go to {way}.", f"starting directions to {way}.")


def _add_to_list(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    items = join_words(a["items"])
    return OK, said_of(a, f"okay, i've added {items}.", f"{items}, got it.")


def _remove_from_list(a: Arguments, rng: Source, split: str, before: Arguments) -> Reply:
    if rng.random() < 0.1:
        return {"ok": False, "error": "not_found"}, f"i didn't find {a['item']} on the list."
    return OK, said_of(a, f"okay, no more {a['item']} on the list.", f"i've taken {a['item']} off the list.")


ACTION_REPLIES: Final[dict[str, Callable[[Arguments, Source, str, Arguments], Reply]]] = {
    "set_alarm": _set_alarm,
    "cancel_alarm": _cancel_alarm,
    "set_timer": _set_timer,
    "cancel_timer": _cancel_timer,
    "set_reminder": _set_reminder,
    "play_song": _play_song,
    "play_genre": _play_genre,
    "control_music": _control_music,
    "set_volume": _set_volume,
    "change_volume": _change_volume,
    "set_light": _set_light,
    "set_brightness": _set_brightness,
    "set_light_color": _set_light_color,
    "set_temperature": _set_temperature,
    "send_message": _send_message,
    "call_contact": _call_contact,
    "call_number": _call_number,
    "add_contact": _add_contact,
    "create_event": _create_event,
    "cancel_event": _cancel_event,
    "navigate": _navigate,
    "add_to_list": _add_to_list,
    "remove_from_list": _remove_from_list,
}
