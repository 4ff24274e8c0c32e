"""Scores of replies to items of the assistant domain: calls, schemas, abstention, compliance with instructions.

Each turn is scored by itself, asked with the due turns before it, so that an error is counted once.
No guess: what does not parse is wrong. A figure without a turn that it could be taken of is left out, never 0.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from omni_audio.checks import import_optional, require
from omni_audio.data.corpora.assistant.instructions import Answer, check, plain_letters, words_of
from omni_audio.data.corpora.assistant.item import AssistantItem, Turn
from omni_audio.data.corpora.assistant.parts import REQUIRED
from omni_audio.data.corpora.assistant.tools import ASSISTANT_TOOLS
from omni_audio.evaluation.bootstrap import share_interval
from omni_audio.evaluation.tools import Call, CallScore, parse_call, same_call, score_calls

_REFUSAL = re.compile(r"\b(can't|cannot|can not|couldn't|unable|not able|no tool|don't have)\b")
_ASKING: Final[dict[str, frozenset[str]]] = {
    argument: frozenset(words.split())
    for argument, words in {
        "time": "time when o'clock",
        "seconds": "long duration minutes seconds",
        "city": "city where",
        "song": "song track title",
        "percent": "percent bright brightness loud level",
        "color": "color",
        "temperature": "temperature degrees warm",
        "room": "room where",
        "name": "who whom name",
        "text": "say write text",
        "phone": "number",
        "day": "day date when",
        "title": "event appointment",
        "place": "place where",
        "items": "add items what",
        "item": "take remove off",
        "to_unit": "unit",
    }.items()
}
"""Words of which a question for an argument has one."""


@dataclass(frozen=True, slots=True)
class GivenTurn:
    """What came back in one turn.

    Attributes:
        answer: the words after the calls, whether they were spoken, and their measured relative speed.
        raw_calls: each call as raw JSON text, in order.
    """

    answer: Answer
    raw_calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnScore:
    """How one turn was done. None: the turn has nothing of this kind to score.

    Attributes:
        calls: the calls against the due ones; more due calls than one may come in any order.
        is_valid: every call names an offered tool and its arguments satisfy the tool's schema; None without calls.
        refuses: no call, and the answer says that it cannot; where no offered tool fits.
        asks_back: no call, and the answer is a question for exactly the missing argument.
        complies: the answer complies with all instructions.
    """

    calls: CallScore
    is_valid: bool | None
    refuses: bool | None
    asks_back: bool | None
    complies: bool | None


def due_turn(turn: Turn) -> GivenTurn:
    """The turn as it is due; it has every score in full."""
    calls = (json.dumps({"name": call.name, "arguments": call.arguments}) for call in turn.calls)
    return GivenTurn(turn.answer, tuple(calls))


def _score_sequence(raw_calls: Sequence[str], keys: Sequence[Call]) -> CallScore:
    """Several due calls: each is to be made once, in any order."""
    try:
        calls = [parse_call(raw) for raw in raw_calls]
    except ValueError:
        return CallScore(exact=False, name=False, parsed=False)
    left = list(keys)
    for call in calls:
        found = next((key for key in left if same_call(call, key)), None)
        if found is not None:
            left.remove(found)
    names = sorted(call.name for call in calls) == sorted(key.name for key in keys)
    return CallScore(exact=not left and len(calls) == len(keys), name=names, parsed=True)


def is_valid_call(raw: str, tools: Sequence[str]) -> bool:
    """Whether a raw call parses, names an offered tool, and has arguments that satisfy its schema.

    Raises:
        ValueError: the package jsonschema is not installed.
    """
    jsonschema = import_optional("jsonschema", "validity of tool calls", "eval")
    try:
        call = parse_call(raw)
    except ValueError:
        return False
    if call.name not in tools or call.name not in ASSISTANT_TOOLS:
        return False
    validator = jsonschema.Draft202012Validator(ASSISTANT_TOOLS[call.name]["parameters"])
    return validator.is_valid(call.arguments)


def asks_for(answer: str, argument: str, tool_arguments: Sequence[str] = ()) -> bool:
    """Whether an answer is one question that asks for this argument and for no other one.

    Args:
        answer: its text.
        argument: what is missing.
        tool_arguments: further required arguments that must not be asked for.

    Raises:
        ValueError: no words are known that ask for the argument.
    """
    require(
        argument in _ASKING, "argument", argument, f"one of {sorted(_ASKING)}", "Name a required argument."
    )
    words = set(words_of(answer))
    others = {
        word for other in tool_arguments if other != argument for word in _ASKING.get(other, frozenset())
    }
    return (
        answer.strip().endswith("?")
        and bool(words & _ASKING[argument])
        and not words & (others - _ASKING[argument])
    )


def refuses(answer: str) -> bool:
    """Whether an answer says that it cannot do what was asked."""
    return _REFUSAL.search(plain_letters(answer)) is not None


def score_turn(turn: Turn, given: GivenTurn, tools: Sequence[str]) -> TurnScore:
    """Scores one turn.

    Args:
        turn: what is due.
        given: what came.
        tools: names of the offered tools.
    """
    keys = [Call(call.name, call.arguments) for call in turn.calls]
    if len(keys) > 1:
        calls = _score_sequence(given.raw_calls, keys)
    else:
        calls = score_calls(given.raw_calls, keys[0] if keys else None)
    has_calls, text = bool(given.raw_calls), given.answer.text
    asked = None
    if turn.asks_for:
        asked = not has_calls and asks_for(text, turn.asks_for, REQUIRED[turn.wanted])
    return TurnScore(
        calls=calls,
        is_valid=all(is_valid_call(raw, tools) for raw in given.raw_calls) if has_calls else None,
        refuses=not has_calls and refuses(text) if turn.refuses else None,
        asks_back=asked,
        complies=all(check(given.answer, one) for one in turn.instructions) if turn.instructions else None,
    )


def score_item(item: AssistantItem, given: Sequence[GivenTurn]) -> list[TurnScore]:
    """Scores the turns of an item.

    Raises:
        ValueError: not one given turn for each due turn.
    """
    require(
        len(given) == len(item.turns),
        f"len(given) of {item.item_id}",
        len(given),
        f"{len(item.turns)}, one for each turn",
        "Ask every turn of the item, each after the due turns before it.",
    )
    return [score_turn(turn, reply, item.tools) for turn, reply in zip(item.turns, given, strict=True)]


def score_assistant(
    items: Iterable[AssistantItem], replies: Iterable[Sequence[GivenTurn]], seed: int = 0
) -> dict[str, Any]:
    """Figures over items.

    Args:
        items: with what is due.
        replies: what came, for each item one `GivenTurn` a turn.
        seed: of the bootstrap.

    Returns:
        `all`, and the same by `kind`, `area`, `tool` and `instruction`: figures of `value`, `low`, `high` in percent
        and `n`, the turns (for `talk_percent` items) that they are taken of. The figures: `call_exact_percent`,
        `call_name_percent`, `call_parsed_percent` of turns with a due call; `no_call_percent` of turns without;
        `schema_valid_percent` of turns in which calls were made; `refusal_percent`, `ask_back_percent`,
        `compliance_percent`; `talk_percent`: all turns of an item right in all of these.

    Raises:
        ValueError: the numbers of items or turns differ.
    """
    flags: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for item, given in zip(items, replies, strict=True):
        scores = score_item(item, given)
        groups = [("all", "all"), ("kind", item.kind), ("area", item.area)]
        for table, key in groups:
            flags[table][key]["talk_percent"].append(float(all(map(_is_right, scores))))
        for turn, score in zip(item.turns, scores, strict=True):
            more = [("tool", name) for name in dict.fromkeys(call.name for call in turn.calls)]
            more += [("instruction", kind) for kind in dict.fromkeys(i.kind for i in turn.instructions)]
            for name, flag in _figures(turn, score).items():
                for table, key in [*groups, *more]:
                    flags[table][key][name].append(float(flag))
    tables = {
        table: {
            key: {name: _figure(found, seed) for name, found in names.items()} for key, names in keys.items()
        }
        for table, keys in flags.items()
    }
    overall = tables.pop("all", {"all": {}})["all"]
    return {"all": overall, **{f"by_{table}": dict(sorted(keys.items())) for table, keys in tables.items()}}


def _is_right(score: TurnScore) -> bool:
    parts = (score.refuses, score.asks_back, score.complies)
    return score.calls.exact and all(part is not False for part in parts)


def _figures(turn: Turn, score: TurnScore) -> dict[str, bool]:
    figures: dict[str, bool | None] = {
        "schema_valid_percent": score.is_valid,
        "refusal_percent": score.refuses,
        "ask_back_percent": score.asks_back,
        "compliance_percent": score.complies,
    }
    if turn.calls:
        figures["call_exact_percent"] = score.calls.exact
        figures["call_name_percent"] = score.calls.name
        figures["call_parsed_percent"] = score.calls.parsed
    else:
        figures["no_call_percent"] = score.calls.exact
    return {name: flag for name, flag in figures.items() if flag is not None}


def _figure(flags: list[float], seed: int) -> dict[str, float]:
    interval = share_interval(flags, 100.0, seed)
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": len(flags)}
