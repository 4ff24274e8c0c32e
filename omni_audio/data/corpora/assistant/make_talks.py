"""Items of several turns: corrections, missing arguments, and talk that goes on from a call."""

import random
from typing import Any, Final, NamedTuple

from omni_audio.data.corpora.assistant.instructions import Answer
from omni_audio.data.corpora.assistant.item import Turn
from omni_audio.data.corpora.assistant.parts import (
    REQUIRED,
    Draft,
    fill_request,
    make_call,
    offer,
    polite,
    templates_with,
    turn_with_call,
)
from omni_audio.data.corpora.assistant.slots import Arguments, draw_other, fill, pick, said_again
from omni_audio.data.corpora.assistant.tools import AREA_OF_TOOL, TOOL_NAMES
from omni_audio.data.corpora.assistant.wordings import Template
from omni_audio.data.corpora.assistant.wordings_follow import (
    QUESTION_WORDINGS,
    QUESTIONS,
    RELATION_WORDINGS,
    RELATIONS,
    THANKS,
    THANKS_ANSWERS,
    Relation,
)
from omni_audio.data.corpora.assistant.wordings_later import ANSWERS, CHANGES, CORRECTIONS
from omni_audio.data.corpora.commands_slots import pick_stably


class Change(NamedTuple):
    """An argument that a later turn may change: its slot there, and the form in which it is said."""

    tool: str
    argument: str
    slot: str
    form: str


CORRECTABLE: Final = (
    Change("set_alarm", "time", "clock", "at"),
    Change("cancel_alarm", "time", "clock", "at"),
    Change("set_reminder", "time", "clock", "at"),
    Change("create_event", "time", "clock", "at"),
    Change("set_alarm", "day", "when", "when"),
    Change("set_reminder", "day", "when", "when"),
    Change("create_event", "day", "when", "when"),
    Change("get_weather", "day", "when", "when"),
    Change("set_timer", "seconds", "duration", "plain"),
    Change("get_weather", "city", "city", "in"),
    Change("get_time", "city", "city", "in"),
    Change("set_light", "room", "the_room", "in"),
    Change("set_brightness", "room", "the_room", "in"),
    Change("set_light_color", "room", "the_room", "in"),
    Change("set_temperature", "room", "the_room", "in"),
    Change("set_brightness", "percent", "percents", "plain"),
    Change("set_volume", "percent", "percents", "plain"),
    Change("set_light_color", "color", "color", "plain"),
    Change("set_temperature", "temperature", "degrees_said", "plain"),
    Change("play_song", "song", "song", "plain"),
    Change("play_genre", "genre", "genre", "plain"),
    Change("send_message", "name", "name", "to"),
    Change("call_contact", "name", "name", "plain"),
    Change("call_number", "phone", "phone", "plain"),
    Change("add_contact", "phone", "phone", "plain"),
    Change("navigate", "place", "place", "plain"),
    Change("get_travel_time", "place", "place", "plain"),
    Change("remove_from_list", "item", "item", "plain"),
    Change("convert_units", "to_unit", "to_unit", "plain"),
)
VARIABLE: Final = (
    Change("get_weather", "city", "city", "in"),
    Change("get_weather", "day", "when", "plain"),
    Change("get_time", "city", "city", "plain"),
    Change("get_travel_time", "mode", "mode", "by"),
    Change("get_travel_time", "place", "place", "plain"),
    Change("list_events", "day", "when", "plain"),
    Change("list_reminders", "day", "when", "plain"),
    Change("get_date", "day", "on_day", "plain"),
    Change("convert_units", "to_unit", "to_unit", "plain"),
    Change("get_temperature", "room", "the_room", "in"),
    Change("add_to_list", "items", "items", "plain"),
    Change("read_messages", "name", "name", "plain"),
)
_GIVEN: Final[dict[str, tuple[str, str]]] = {
    "time": ("clock", "at"),
    "seconds": ("duration", "plain"),
    "city": ("city", "in"),
    "song": ("song", "plain"),
    "percent": ("percents", "plain"),
    "color": ("color", "plain"),
    "temperature": ("degrees_said", "plain"),
    "room": ("the_room", "in"),
    "name": ("name", "to"),
    "text": ("message", "say"),
    "phone": ("phone", "plain"),
    "day": ("when", "when"),
    "title": ("event", "plain"),
    "place": ("place", "plain"),
    "items": ("items", "plain"),
    "item": ("item", "plain"),
    "to_unit": ("to_unit", "plain"),
}
"""Slot and form in which a missing argument is given."""


def _openers(changes: tuple[Change, ...]) -> dict[Change, dict[str, tuple[Template, ...]]]:
    """Wordings that say the argument and leave no doubt of the unit when it changes."""
    return {
        change: {
            split: tuple(t for t in templates if "unit" not in t.fixed)
            for split, templates in templates_with(change.tool, (change.argument,)).items()
        }
        for change in changes
    }


_CORRECTED = _openers(CORRECTABLE)
_VARIED = _openers(VARIABLE)


def _needed(relation: Relation) -> tuple[str, ...]:
    return tuple(
        before
        for before, after in relation.taken.items()
        if after in REQUIRED[relation.after] and before != "result"
    )


_STARTS = tuple((relation, templates_with(relation.before, _needed(relation))) for relation in RELATIONS)


def _changed_turn(
    change: Change, form: Template, before: Arguments, split: str, rng: random.Random
) -> tuple[Turn, tuple[str, str]]:
    """The turn in which an argument of the call before takes another value, and slot and words of the value."""
    words, value = draw_other(change.slot, before[change.argument], split, rng, before)
    given = {"value": words, "old": said_again(change.argument, before[change.argument])}
    user = fill(form, split, rng, given).text
    call = make_call(change.tool, {**before, change.argument: value})
    return turn_with_call(user, call, split, rng, changed=change.argument), (change.slot, words)


def make_correction(split: str, rng: random.Random) -> Draft:
    """A request and its correction: the call again with one argument changed."""
    change = pick(CORRECTABLE, rng)
    request = fill_request(change.tool, pick(_CORRECTED[change][split], rng), split, rng)
    form = pick(CORRECTIONS[f"correct-{change.form}"][split], rng)
    turn, value = _changed_turn(change, form, request.call.arguments, split, rng)
    user = polite(request.text, request.template, rng)
    return Draft(
        AREA_OF_TOOL[change.tool],
        (request.template.template_id, form.template_id),
        (*request.values, value),
        offer((change.tool,), TOOL_NAMES, rng),
        (turn_with_call(user, request.call, split, rng), turn),
    )


def make_missing_argument(split: str, rng: random.Random) -> Draft:
    """A request that lacks a required argument; in most, the user then gives it."""
    question = pick(QUESTIONS, rng)
    template = pick(QUESTION_WORDINGS[f"missing-{question.tool}-{question.argument}"][split], rng)
    filled = fill(template, split, rng)
    asked = Turn(
        user=polite(filled.text, template, rng),
        answer=Answer(question.question),
        asks_for=question.argument,
        wanted=question.tool,
    )
    template_ids, values, turns = (template.template_id,), filled.values, (asked,)
    if rng.random() < 0.8:
        slot, form_name = _GIVEN[question.argument]
        form = pick(ANSWERS[f"give-{form_name}"][split], rng)
        words, value = draw_other(slot, None, split, rng, filled.arguments)
        call = make_call(question.tool, {**filled.arguments, question.argument: value})
        user = fill(form, split, rng, {"value": words}).text
        turns = (asked, turn_with_call(user, call, split, rng))
        template_ids, values = (*template_ids, form.template_id), (*values, (slot, words))
    return Draft(
        AREA_OF_TOOL[question.tool], template_ids, values, offer((question.tool,), TOOL_NAMES, rng), turns
    )


def _went_well(turn: Turn) -> bool:
    """Whether talk can go on from the result: nothing failed, and messages were there."""
    result = turn.results[-1]
    return result.get("ok", True) and result.get("messages") != []


def _thanks(split: str, rng: random.Random) -> tuple[Turn, str]:
    template = pick(THANKS["thanks"][split], rng)
    answer = pick_stably(THANKS_ANSWERS, template.text)
    return Turn(user=template.text, answer=Answer(answer)), template.template_id


class _Talk(NamedTuple):
    """A talk as far as it went."""

    template_ids: list[str]
    values: list[tuple[str, str]]
    turns: list[Turn]


def _open_talk(tool: str, templates: tuple[Template, ...], split: str, rng: random.Random) -> _Talk:
    while True:
        request = fill_request(tool, pick(templates, rng), split, rng)
        user = polite(request.text, request.template, rng)
        turn = turn_with_call(user, request.call, split, rng)
        if _went_well(turn):
            return _Talk([request.template.template_id], list(request.values), [turn])


def _vary(talk: _Talk, change: Change, split: str, rng: random.Random) -> None:
    form = pick(CHANGES[f"vary-{change.form}"][split], rng)
    turn, value = _changed_turn(change, form, talk.turns[-1].calls[-1].arguments, split, rng)
    unmarked = Turn(user=turn.user, calls=turn.calls, results=turn.results, answer=turn.answer)
    talk.turns.append(unmarked)
    talk.template_ids.append(form.template_id)
    talk.values.append(value)


def _relate(talk: _Talk, relation: Relation, split: str, rng: random.Random) -> None:
    template = pick(RELATION_WORDINGS[f"then-{relation.before}-{relation.after}"][split], rng)
    filled = fill(template, split, rng)
    turn = talk.turns[-1]
    known: dict[str, Any] = {**turn.calls[-1].arguments, "result": turn.results[-1].get("value")}
    taken = {after: known[before] for before, after in relation.taken.items() if before in known}
    call = make_call(relation.after, {**taken, **filled.arguments})
    talk.turns.append(turn_with_call(filled.text, call, split, rng, before=known))
    talk.template_ids.append(template.template_id)
    talk.values.extend(filled.values)


def make_dialogue(split: str, rng: random.Random) -> Draft:
    """Two to four turns: a request, then what follows from it, and at times thanks."""
    if rng.random() < 0.45:
        change = pick(VARIABLE, rng)
        talk = _open_talk(change.tool, _VARIED[change][split], split, rng)
        _vary(talk, change, split, rng)
        if rng.random() < 0.4:
            _vary(talk, change, split, rng)
    else:
        relation, templates = pick(_STARTS, rng)
        talk = _open_talk(relation.before, templates[split], split, rng)
        _relate(talk, relation, split, rng)
        following = [other for other in RELATIONS if other.before == relation.after]
        if following and rng.random() < 0.5 and _went_well(talk.turns[-1]):
            _relate(talk, pick(tuple(following), rng), split, rng)
    if rng.random() < 0.3:
        turn, template_id = _thanks(split, rng)
        talk.turns.append(turn)
        talk.template_ids.append(template_id)
    due = tuple(dict.fromkeys(call.name for turn in talk.turns for call in turn.calls))
    return Draft(
        AREA_OF_TOOL[due[0]],
        tuple(talk.template_ids),
        tuple(talk.values),
        offer(due, TOOL_NAMES, rng),
        tuple(talk.turns),
    )
