"""Tool calls scored by name and arguments. No guess: what does not parse is wrong.

Source: Patil et al. 2024, Berkeley function-calling leaderboard (the comparison as a tree, not as text).
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from omni_audio.checks import require


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: its name, and its arguments as parsed JSON."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallScore:
    """How a reply's calls compare with the key.

    Attributes:
        exact: name and all arguments right.
        name: the name right, whatever the arguments.
        parsed: the calls were strict JSON of the right form. A reply without calls parses.
    """

    exact: bool
    name: bool
    parsed: bool


def parse_call(raw: str) -> Call:
    """Reads one call, strictly.

    Args:
        raw: `{"name": str, "arguments": object}`: these two keys, each once, and nothing after them.

    Raises:
        ValueError: anything else: not JSON, a key given twice (at any depth), NaN or Infinity, another shape.
    """
    try:
        content = json.loads(raw, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError(f"tool call is nested too deeply: {raw[:80]!r}") from error
    require(
        isinstance(content, dict) and set(content) == {"name", "arguments"},
        "tool call",
        raw,
        'an object of "name" and "arguments" only',
        "Count it as wrong.",
    )
    require(
        isinstance(content["name"], str) and isinstance(content["arguments"], dict),
        "tool call",
        raw,
        "a name string and an arguments object",
        "Count it as wrong.",
    )
    return Call(content["name"], content["arguments"])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    require(len(set(keys)) == len(keys), "JSON keys", keys, "each key once", "Count it as wrong.")
    return dict(pairs)


def _refuse_constant(constant: str) -> float:
    raise ValueError(
        f"JSON number = {constant!r} is not allowed: expected a finite number. Count it as wrong."
    )


def same_tree(left: Any, right: Any) -> bool:
    """Typed equality of parsed JSON: 5 == 5.0, "5" != 5, true != 1; key order is free, list order is not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool) and left == right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left == right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_tree(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_tree, left, right))
    return type(left) is type(right) and left == right


def same_call(left: Call, right: Call) -> bool:
    """Whether both name the same function with the same arguments."""
    return left.name == right.name and same_tree(left.arguments, right.arguments)


def key_of(tool_call: dict[str, Any] | None) -> Call | None:
    """The key of a corpus item: a dict with name and arguments, or None where no call is due.

    Raises:
        ValueError: the dict has another shape.
    """
    return None if tool_call is None else parse_call(json.dumps(tool_call))


def score_calls(raw_calls: Sequence[str], key: Call | None) -> CallScore:
    """Scores what a reply called against the key.

    Args:
        raw_calls: each call of the reply as raw JSON text.
        key: the one call that is due; None: no call is due, and any call is wrong.

    Returns:
        The score. More calls than one, or one that does not parse, is wrong in name and in whole.
    """
    try:
        calls = [parse_call(raw) for raw in raw_calls]
    except ValueError:
        return CallScore(exact=False, name=False, parsed=False)
    if key is None:
        return CallScore(exact=not calls, name=not calls, parsed=True)
    if len(calls) != 1:
        return CallScore(exact=False, name=False, parsed=True)
    return CallScore(exact=same_call(calls[0], key), name=calls[0].name == key.name, parsed=True)


def derangement(item_ids: Sequence[str], seed: int = 0) -> list[int]:
    """For each request the index of another item's request; every index is used once.

    Requests are put in a random order with those of one item side by side, and each takes the request that
    stands one largest group further on.

    Args:
        item_ids: of each request; requests of one item (several voices) never get each other.
        seed: of the order.

    Raises:
        ValueError: one item makes up more than half of the requests, so that there is no such order.
    """
    num_of = Counter(item_ids)
    largest = max(num_of.values(), default=1)
    require(
        2 * largest <= len(item_ids),
        "requests of one item",
        largest,
        f"at most half of the {len(item_ids)} requests",
        "Score more items.",
    )
    rng = np.random.default_rng(seed)
    place_of_item = dict(zip(num_of, rng.permutation(len(num_of)).tolist(), strict=True))
    places = [place_of_item[item_id] for item_id in item_ids]
    order: list[int] = sorted(rng.permutation(len(item_ids)).tolist(), key=places.__getitem__)
    other = [0] * len(order)
    for place, index in enumerate(order):
        other[index] = order[(place + largest) % len(order)]
    return other


def score_shuffled(
    replies: Sequence[Sequence[str]],
    keys: Sequence[Call | None],
    item_ids: Sequence[str],
    seed: int = 0,
) -> tuple[list[CallScore], int]:
    """The control: each reply scored against the key of another item.

    A model that hears its request scores near 0 here; one that always says the same scores as before.
    Keys that happen to equal the item's own are kept and counted.

    Returns:
        A score per item, and the number of items whose shuffled key equals their own.

    Raises:
        ValueError: unequal lengths, or one item makes up more than half of the requests.
    """
    require(
        len(replies) == len(keys) == len(item_ids),
        "len(replies), len(keys), len(item_ids)",
        (len(replies), len(keys), len(item_ids)),
        "equal lengths",
        "Pass every request's key and item.",
    )
    order = derangement(item_ids, seed)
    scores = [score_calls(reply, keys[other]) for reply, other in zip(replies, order, strict=True)]
    coinciding = sum(_same_key(keys[own], keys[other]) for own, other in enumerate(order))
    return scores, coinciding


def _same_key(left: Call | None, right: Call | None) -> bool:
    if left is None or right is None:
        return left is right
    return same_call(left, right)
