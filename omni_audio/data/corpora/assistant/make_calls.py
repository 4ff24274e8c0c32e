"""Items with calls in one turn: one call, two calls, spelled words, self-repairs."""

import random
from typing import Final

from omni_audio.data.corpora.assistant.instructions import Answer
from omni_audio.data.corpora.assistant.item import Turn
from omni_audio.data.corpora.assistant.parts import (
    TOOL_WORDINGS,
    Draft,
    ends_openly,
    fill_request,
    make_call,
    offer,
    polite,
    turn_with_call,
)
from omni_audio.data.corpora.assistant.replies import reply_to
from omni_audio.data.corpora.assistant.slots import SLOTS, draw_other, fill, pick, with_articles
from omni_audio.data.corpora.assistant.tools import AREA_OF_TOOL, TOOL_NAMES
from omni_audio.data.corpora.assistant.wordings import Template
from omni_audio.data.corpora.assistant.wordings_later import JOINED, REPAIRS, SPELLED, SPELLED_TOOLS

QUERY_TOOLS: Final = (
    "get_time", "get_date", "check_timer", "list_reminders", "get_weather", "get_temperature", "read_messages",
    "list_events", "get_travel_time", "read_list", "convert_units", "calculate",
)  # fmt: skip
"""Tools whose result is what the user wants to hear."""
ACTION_TOOLS: Final = tuple(tool for tool in TOOL_NAMES if tool not in QUERY_TOOLS)
_FEW_WORDINGS = ("control_music", "change_volume", "read_list", "cancel_timer")
_WEIGHTED_ACTIONS = tuple(t for t in ACTION_TOOLS for _ in range(1 if t in _FEW_WORDINGS else 3))
_WEIGHTED_QUERIES = tuple(t for t in QUERY_TOOLS for _ in range(1 if t in _FEW_WORDINGS else 3))
_REPAIRABLE = (
    "clock", "duration", "city", "name", "room", "percent", "degrees", "color", "genre", "place", "song", "day", "item",
)  # fmt: skip


def _repair_slot(name: str) -> str:
    """A repaired time is drawn with its half of the day, so that it has one reading."""
    return "clock" if name == "time" else name


def _repairable(split: str) -> tuple[tuple[str, Template, str], ...]:
    return tuple(
        (tool, template, slot)
        for tool in TOOL_NAMES
        for template in TOOL_WORDINGS[tool][split]
        for slot in template.slots
        if _repair_slot(slot) in _REPAIRABLE and template.slots.count(slot) == 1
    )


_REPAIRABLE_IN = {split: _repairable(split) for split in ("train", "dev", "test")}
_IMPERATIVES = {
    split: tuple(
        (tool, templates)
        for tool in ACTION_TOOLS
        if (templates := tuple(t for t in TOOL_WORDINGS[tool][split] if t.imperative))
    )
    for split in ("train", "dev", "test")
}
_OPEN_ENDED = ("send_message", "set_reminder")  # what follows them would be part of the message or the task


def _single(tool: str, split: str, rng: random.Random) -> Draft:
    request = fill_request(tool, pick(TOOL_WORDINGS[tool][split], rng), split, rng)
    user = polite(request.text, request.template, rng)
    return Draft(
        AREA_OF_TOOL[tool],
        (request.template.template_id,),
        request.values,
        offer((tool,), TOOL_NAMES, rng),
        (turn_with_call(user, request.call, split, rng),),
    )


def make_tool_call(split: str, rng: random.Random) -> Draft:
    """A request that a tool carries out."""
    return _single(pick(_WEIGHTED_ACTIONS, rng), split, rng)


def make_tool_answer(split: str, rng: random.Random) -> Draft:
    """A question that the result of a tool answers."""
    return _single(pick(_WEIGHTED_QUERIES, rng), split, rng)


def make_two_calls(split: str, rng: random.Random) -> Draft:
    """Two requests of different areas in one sentence."""
    tool, templates = pick(_IMPERATIVES[split], rng)
    while tool in _OPEN_ENDED:
        tool, templates = pick(_IMPERATIVES[split], rng)
    second_tool, second_templates = pick(_IMPERATIVES[split], rng)
    while AREA_OF_TOOL[second_tool] == AREA_OF_TOOL[tool]:
        second_tool, second_templates = pick(_IMPERATIVES[split], rng)
    first = fill_request(tool, pick(templates, rng), split, rng)
    second = fill_request(second_tool, pick(second_templates, rng), split, rng)
    joined = pick(JOINED["joined"][split], rng)
    text = fill(joined, split, rng, {"first": first.text, "second": second.text}).text
    replies = [reply_to(r.call.name, r.call.arguments, rng, split) for r in (first, second)]
    turn = Turn(
        user=polite(text, first.template, rng, with_suffix=not ends_openly(second.template))
        if joined.text.startswith("{first}")
        else text,
        calls=(first.call, second.call),
        results=(replies[0][0], replies[1][0]),
        answer=Answer(f"{replies[0][1]} {replies[1][1]}"),
    )
    return Draft(
        AREA_OF_TOOL[tool],
        (first.template.template_id, second.template.template_id, joined.template_id),
        (*first.values, *second.values),
        offer((tool, second_tool), TOOL_NAMES, rng),
        (turn,),
    )


def make_spelled(split: str, rng: random.Random) -> Draft:
    """A request that spells a name or a word."""
    group = pick(tuple(SPELLED_TOOLS), rng)
    tool = SPELLED_TOOLS[group]
    template = pick(SPELLED[group][split], rng)
    wanted = "word" if group in ("spelled-song", "spelled-item") else "name"
    word = SLOTS["word" if wanted == "word" else "first_name"].draw(rng, split, {})[0]
    given = {"word": word, "first_name": word, "letters": " ".join(word)}
    filled = fill(template, split, rng, given)
    arguments = {**filled.arguments, "name": word, "song": word, "items": [word]}
    slot = "word" if wanted == "word" else "first_name"
    return Draft(
        AREA_OF_TOOL[tool],
        (template.template_id,),
        (*((name, words) for name, words in filled.values if name not in given), (slot, word)),
        offer((tool,), TOOL_NAMES, rng),
        (turn_with_call(polite(filled.text, template, rng), make_call(tool, arguments), split, rng),),
    )


def make_self_repair(split: str, rng: random.Random) -> Draft:
    """A request in which the user says a wrong value, then the right one; the call has the right one."""
    tool, template, name = pick(_REPAIRABLE_IN[split], rng)
    slot = _repair_slot(name)
    repair = pick(REPAIRS["repair"][split], rng)
    wrong_words, wrong = SLOTS[slot].draw(rng, split, {})
    words, value = draw_other(slot, wrong, split, rng, {})
    said = fill(repair, split, rng, {"old": wrong_words, "value": words}).text
    filled = fill(template, split, rng, {name: said})
    arguments = {**filled.arguments, SLOTS[slot].argument or "": value}
    call = make_call(tool, arguments)
    text = with_articles(filled.text) if "a {" in template.text else filled.text
    others = tuple((other, text) for other, text in filled.values if other != name)
    return Draft(
        AREA_OF_TOOL[tool],
        (template.template_id, repair.template_id),
        (*others, (slot, wrong_words), (slot, words)),
        offer((tool,), TOOL_NAMES, rng),
        (turn_with_call(polite(text, template, rng), call, split, rng),),
    )
