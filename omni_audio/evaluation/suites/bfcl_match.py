"""Calls held against the possible answers of the Berkeley leaderboard, as trees.

Source: Patil et al. 2025, "The Berkeley function calling leaderboard" (the rules of its AST check).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from omni_audio.evaluation.tools import Call

MAY_BE_MISSING: Final = ""
"""Among the possible values of an argument: it may be left out."""
TYPES: Final = {"dict": "object", "float": "number", "tuple": "array", "any": None}
KEPT: Final = ("enum", "required", "minItems", "maxItems", "minimum", "maximum", "description")


def json_schema(node: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of a type as the leaderboard writes it (`dict`, `float`, `tuple`, `any`)."""
    found: dict[str, Any] = {}
    kind = node.get("type", "any")
    kind = TYPES.get(kind, kind)
    if kind is not None:
        found["type"] = kind
    found |= {name: node[name] for name in KEPT if name in node}
    if "properties" in node:
        found["properties"] = {name: json_schema(inner) for name, inner in node["properties"].items()}
        found["additionalProperties"] = False
    if isinstance(node.get("items"), Mapping):
        found["items"] = json_schema(node["items"])
    return found


def plain(text: str) -> str:
    """A text as it is compared: small letters, without blanks and the signs , . / - _ * ^, quotes alike."""
    return re.sub(r"[ ,./\-_*^]", "", text).lower().replace("'", '"')


def same_value(given: Any, wanted: Any) -> bool:
    """Whether a value is possible: texts as plain(), numbers by value, lists in order, objects by possible values."""
    if isinstance(given, bool) or isinstance(wanted, bool):
        return isinstance(given, bool) and isinstance(wanted, bool) and given == wanted
    if isinstance(given, str) and isinstance(wanted, str):
        return plain(given) == plain(wanted)
    if isinstance(given, (int, float)) and isinstance(wanted, (int, float)):
        return given == wanted
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(same_value, given, wanted))
    if isinstance(given, dict) and isinstance(wanted, dict):
        return same_arguments(given, wanted)
    return given is None and wanted is None


def same_arguments(given: Mapping[str, Any], possible: Mapping[str, Any]) -> bool:
    """Whether each argument has a possible value, and none is missing that may not be.

    Args:
        given: name -> value.
        possible: name -> values that are right; MAY_BE_MISSING among them: so is its absence.
    """
    if not given.keys() <= possible.keys():
        return False
    for name, values in possible.items():
        choices: Sequence[Any] = values if isinstance(values, list) else [values]
        if name in given:
            if not any(same_value(given[name], choice) for choice in choices):
                return False
        elif MAY_BE_MISSING not in [choice for choice in choices if isinstance(choice, str)]:
            return False
    return True


def same_calls(calls: Sequence[Call], truth: Sequence[Mapping[str, Mapping[str, Any]]]) -> bool:
    """Whether the calls are those that are due, in any order, each used once.

    Args:
        calls: as parsed.
        truth: of each due call, function name -> possible arguments.
    """
    if len(calls) != len(truth):
        return False
    left = list(truth)
    for call in calls:
        found = next(
            (due for due in left if call.name in due and same_arguments(call.arguments, due[call.name])), None
        )
        if found is None:
            return False
        left.remove(found)
    return True
