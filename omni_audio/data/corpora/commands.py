"""A small spoken-command domain: deterministic requests, tool calls, tool results and spoken answers.

Slot values and politeness words are shared by the splits; templates (core wordings) are disjoint, see
`commands_templates`. An answer is a function of the intent, its slots and the tool result: where an intent
has several answer wordings, a stable digest of those (hashlib, never `hash()`) picks one, so that the number
of unique answer texts stays small and every machine produces the same text.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from omni_audio.data.corpora.commands_slots import (
    ArgumentValue,
    CorpusError,
    ToolCall,
    fill_intent,
    stable_digest,
)
from omni_audio.data.corpora.commands_small_talk import TOPICS
from omni_audio.data.corpora.commands_templates import (
    DO_PREFIXES,
    DO_SUFFIXES,
    SAY_PREFIXES,
    SAY_SUFFIXES,
    SPLITS,
    TEMPLATES,
)
from omni_audio.data.corpora.commands_tools import TOOLS

__all__ = [
    "DOMAINS", "INTENTS", "TOOLS", "ArgumentValue", "CommandItem", "CorpusError", "Template", "ToolCall",
    "domain_digest", "generate_items", "templates_of",
]  # fmt: skip

DOMAIN_OF_INTENT = {
    "set_timer": "timers",
    "cancel_timer": "timers",
    "set_light": "lights",
    "set_brightness": "lights",
    "get_weather": "weather",
    "set_volume": "volume",
    "change_volume": "volume",
    "arithmetic": "arithmetic",
    "small_talk": "small_talk",
}
INTENTS = tuple(DOMAIN_OF_INTENT)
DOMAINS = tuple(dict.fromkeys(DOMAIN_OF_INTENT.values()))

_GREETINGS = {"hello", "goodbye", "good", "thank", "thanks", "nice"}
_MAX_REQUEST_WORDS = 14
_MAX_TRIES = 4000


class Template(NamedTuple):
    """One core wording; `topic` is "" except in small talk, `imperative` tells which politeness words fit."""

    template_id: str
    intent: str
    topic: str
    split: str
    text: str
    imperative: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandItem:
    """One request with everything that the assistant should do and say.

    Attributes:
        item_id: `<split>-<number>`.
        domain: one of `DOMAINS`.
        template_id: the core wording; disjoint between the splits.
        split: "train", "dev" or "test".
        request: the spoken request: lower case, no digits, no punctuation.
        answer: the spoken answer when the tools are offered; lower case, numbers spelled, only `, . ?`.
        plain_answer: the spoken answer when no tools are offered.
        tool_call: the call to make, None where the domain has no tool.
        tool_result: the text that the tool gives back, None without a call.
    """

    item_id: str
    domain: str
    template_id: str
    split: str
    request: str
    answer: str
    plain_answer: str
    tool_call: ToolCall | None
    tool_result: str | None


def _collect_templates() -> dict[str, dict[str, list[Template]]]:
    """Numbers every wording: intent -> split -> templates."""
    table: dict[str, dict[str, list[Template]]] = {i: {s: [] for s in SPLITS} for i in INTENTS}
    for intent, by_split in TEMPLATES.items():
        for split, words in by_split.items():
            for imperative, texts in ((True, words.do), (False, words.say)):
                for text in texts:
                    found = table[intent][split]
                    found.append(
                        Template(f"{intent}-{split}-{len(found):02d}", intent, "", split, text, imperative)
                    )
    for topic, spec in TOPICS.items():
        for split, words in spec.templates.items():
            number = 0
            for imperative, texts in ((True, words.do), (False, words.say)):
                for text in texts:
                    name = f"small_talk-{topic}-{split}-{number:02d}"
                    table["small_talk"][split].append(
                        Template(name, "small_talk", topic, split, text, imperative)
                    )
                    number += 1
    return table


_TABLE = _collect_templates()


def templates_of(intent: str, split: str) -> list[Template]:
    """Templates of one intent in one split.

    Raises:
        CorpusError: if the intent or the split is unknown.
    """
    if intent not in _TABLE:
        raise CorpusError("intent", intent, f"one of {INTENTS}", "use a known intent")
    _check_split(split)
    return list(_TABLE[intent][split])


def domain_digest() -> str:
    """Digest of all templates and answers, so that a changed domain is never mistaken for a built corpus."""
    polite = (DO_PREFIXES, DO_SUFFIXES, SAY_PREFIXES, SAY_SUFFIXES)
    sample = [(i.request, i.answer, i.plain_answer) for i in generate_items(2 * len(INTENTS), "train", 0)]
    answers = [(topic, spec.answers) for topic, spec in TOPICS.items()]
    return stable_digest(repr((_TABLE, polite, TOOLS, answers, sample)))[:16]


def generate_items(num_items: int, split: str, seed: int) -> list[CommandItem]:
    """Makes `num_items` items, balanced over the intents and unique in their request.

    Args:
        num_items: how many; a shorter list is the beginning of a longer one, so that corpora of several
            sizes nest.
        split: "train", "dev" or "test"; only templates of that split are used.
        seed: any integer; the same arguments give the same list on every machine.

    Raises:
        CorpusError: if `num_items` < 0, the split is unknown, or the domain has too few different requests.
    """
    _check_split(split)
    if num_items < 0:
        raise CorpusError("num_items", num_items, ">= 0", "ask for a non-negative number of items")
    rng = random.Random(int(stable_digest(f"{seed}|{split}")[:16], 16))
    seen: set[str] = set()
    drafts = [_draw_unique(INTENTS[i % len(INTENTS)], split, rng, seen) for i in range(num_items)]
    return [_numbered(draft, f"{split}-{index:06d}") for index, draft in enumerate(drafts)]


class _Draft(NamedTuple):
    template: Template
    request: str
    answer: str
    plain_answer: str
    tool_call: ToolCall | None
    tool_result: str | None


def _draw_unique(intent: str, split: str, rng: random.Random, seen: set[str]) -> _Draft:
    """Draws requests of the intent until one is new and short enough."""
    for _ in range(_MAX_TRIES):
        draft = _draw(intent, split, rng)
        if draft.request not in seen and draft.request.count(" ") < _MAX_REQUEST_WORDS:
            seen.add(draft.request)
            return draft
    allowed = f"at most about {len(seen)} items of split {split!r}"
    raise CorpusError(
        "num_items", f"> {len(seen)}", allowed, f"ask for fewer items: intent {intent!r} is used up"
    )


def _draw(intent: str, split: str, rng: random.Random) -> _Draft:
    templates = _TABLE[intent][split]
    if intent == "small_talk":  # topics are drawn evenly, then their wordings
        topic = rng.choice(list(TOPICS))
        templates = [t for t in templates if t.topic == topic]
    template = rng.choice(templates)
    filled = fill_intent(template.intent, template.topic, template.text, rng)
    request = _polite(filled.request, template, rng)
    return _Draft(template, request, filled.answer, filled.plain_answer, filled.tool_call, filled.tool_result)


def _polite(text: str, template: Template, rng: random.Random) -> str:
    """Puts politeness words around a wording; never the same word twice."""
    prefix = rng.choice(DO_PREFIXES if template.imperative else SAY_PREFIXES)
    suffix = rng.choice(DO_SUFFIXES if template.imperative else SAY_SUFFIXES)
    if not template.imperative and text.split()[0] in _GREETINGS:
        prefix = ""
    if not template.imperative and template.topic and suffix == "please":  # "i am bored please" says nobody
        suffix = ""
    used = set(f"{prefix} {text}".split())
    if used & set(suffix.split()):
        suffix = ""
    if prefix == "now" and "now" in text.split():
        prefix = ""
    return " ".join(f"{prefix} {text} {suffix}".split())


def _numbered(draft: _Draft, item_id: str) -> CommandItem:
    return CommandItem(
        item_id=item_id,
        domain=DOMAIN_OF_INTENT[draft.template.intent],
        template_id=draft.template.template_id,
        split=draft.template.split,
        request=draft.request,
        answer=draft.answer,
        plain_answer=draft.plain_answer,
        tool_call=draft.tool_call,
        tool_result=draft.tool_result,
    )


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise CorpusError("split", split, f"one of {SPLITS}", "use a known split")
