"""Parts that the makers of all kinds of items share: politeness, offered tools, turns with a call."""

import random
from typing import Any, Final, NamedTuple

from omni_audio.data.corpora.assistant.instructions import Answer
from omni_audio.data.corpora.assistant.item import Turn
from omni_audio.data.corpora.assistant.replies import reply_to
from omni_audio.data.corpora.assistant.slots import SLOTS, Arguments, fill, pick
from omni_audio.data.corpora.assistant.tools import ASSISTANT_TOOLS, TOOL_NAMES
from omni_audio.data.corpora.assistant.wordings import (
    POLITE_AFTER_DO,
    POLITE_AFTER_SAY,
    POLITE_BEFORE_DO,
    POLITE_BEFORE_SAY,
    Template,
    Wordings,
)
from omni_audio.data.corpora.assistant.wordings_clock import CLOCK_WORDINGS
from omni_audio.data.corpora.assistant.wordings_home import HOME_WORDINGS
from omni_audio.data.corpora.assistant.wordings_people import PEOPLE_WORDINGS
from omni_audio.data.corpora.assistant.wordings_world import WORLD_WORDINGS
from omni_audio.data.corpora.commands_slots import ToolCall

MAX_OFFERED: Final = 8
TOOL_WORDINGS: Final[dict[str, Wordings]] = {
    tool: {**CLOCK_WORDINGS, **HOME_WORDINGS, **PEOPLE_WORDINGS, **WORLD_WORDINGS}[tool]
    for tool in TOOL_NAMES
}
"""Requests for one call each, by tool."""
_ORDER = {name: tuple(schema["parameters"]["properties"]) for name, schema in ASSISTANT_TOOLS.items()}
REQUIRED: Final = {name: tuple(schema["parameters"]["required"]) for name, schema in ASSISTANT_TOOLS.items()}


class Draft(NamedTuple):
    """An item without its number; the fields are those of `AssistantItem`."""

    area: str
    template_ids: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    tools: tuple[str, ...]
    turns: tuple[Turn, ...]
    system: str = ""


class Request(NamedTuple):
    """A filled request for one call."""

    template: Template
    text: str
    call: ToolCall
    values: tuple[tuple[str, str], ...]


def make_call(tool: str, arguments: dict[str, Any]) -> ToolCall:
    """A call with its arguments in the order of the schema; values that are no arguments are left out."""
    return ToolCall(
        name=tool, arguments={name: arguments[name] for name in _ORDER[tool] if name in arguments}
    )


def fill_request(tool: str, template: Template, split: str, rng: random.Random) -> Request:
    """Fills a wording of a tool."""
    filled = fill(template, split, rng)
    return Request(template, filled.text, make_call(tool, filled.arguments), filled.values)


def ends_openly(template: Template) -> bool:
    """Whether a wording ends in a message or a task, of which further words would be part."""
    return template.text.endswith(("{message}", "{task}"))


def polite(text: str, template: Template, rng: random.Random, *, with_suffix: bool = True) -> str:
    """Puts politeness words or a hesitation around a wording; no word of theirs stands in it already.

    Args:
        text: the filled wording.
        template: tells whether it is an imperative.
        rng: of the choice.
        with_suffix: whether words may follow; "i'm tired please" says nobody.
    """
    if template.imperative:
        before, after = pick(POLITE_BEFORE_DO, rng), pick(POLITE_AFTER_DO, rng)
    else:
        before, after = pick(POLITE_BEFORE_SAY, rng), pick(POLITE_AFTER_SAY, rng)
    after = after if with_suffix and not ends_openly(template) else ""
    if not before and not after:
        return text
    words = set(text.split())
    if before and not words.isdisjoint(before.split()):
        before = ""
    if after and not (words.isdisjoint(after.split()) and set(before.split()).isdisjoint(after.split())):
        after = ""
    text = f"{before} {text}" if before else text
    return f"{text} {after}" if after else text


def offer(due: tuple[str, ...], pool: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """The due tools among others of a pool, in any order, at most `MAX_OFFERED` or as many as are due."""
    free = MAX_OFFERED - len(due)
    others = rng.sample(pool, int(rng.random() * (free + 1))) if free > 0 else []
    offered = [*due, *(tool for tool in others if tool not in due)]
    rng.shuffle(offered)
    return tuple(offered)


def turn_with_call(
    user: str,
    call: ToolCall,
    split: str,
    rng: random.Random,
    *,
    before: Arguments | None = None,
    changed: str = "",
) -> Turn:
    """A turn with one call, its result and its answer."""
    result, answer = reply_to(call.name, call.arguments, rng, split, before)
    return Turn(user=user, calls=(call,), results=(result,), answer=Answer(answer), changed=changed)


def templates_with(
    tool: str, arguments: tuple[str, ...], without: tuple[str, ...] = ()
) -> dict[str, tuple[Template, ...]]:
    """Wordings of a tool by split whose slots decide all of these arguments, and none of the others."""

    def decided(template: Template) -> set[str | None]:
        return {SLOTS[name].argument for name in template.slots}

    return {
        split: tuple(
            template
            for template in templates
            if set(arguments) <= decided(template) and decided(template).isdisjoint(without)
        )
        for split, templates in TOOL_WORDINGS[tool].items()
    }
