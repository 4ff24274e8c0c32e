"""Items of the assistant domain, drawn one by one: deterministic by seed, distinct in what the user says."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, islice
from typing import Final

from omni_audio.data.corpora.assistant.item import KINDS, AssistantItem
from omni_audio.data.corpora.assistant.make_calls import (
    make_self_repair,
    make_spelled,
    make_tool_answer,
    make_tool_call,
    make_two_calls,
)
from omni_audio.data.corpora.assistant.make_instructions import make_instruction
from omni_audio.data.corpora.assistant.make_talks import (
    make_correction,
    make_dialogue,
    make_missing_argument,
)
from omni_audio.data.corpora.assistant.make_words import (
    make_fact,
    make_no_tool,
    make_small_talk,
)
from omni_audio.data.corpora.assistant.parts import Draft
from omni_audio.data.corpora.assistant.tools import ASSISTANT_TOOLS
from omni_audio.data.corpora.commands_slots import CorpusError, stable_digest
from omni_audio.data.corpora.commands_templates import SPLITS
from omni_audio.data.draws import draw_seed

_MAKERS: Final[dict[str, Callable[[str, random.Random], Draft]]] = {
    "tool_call": make_tool_call,
    "tool_answer": make_tool_answer,
    "two_calls": make_two_calls,
    "spelled": make_spelled,
    "self_repair": make_self_repair,
    "dialogue": make_dialogue,
    "correction": make_correction,
    "missing_argument": make_missing_argument,
    "no_tool": make_no_tool,
    "instruction": make_instruction,
    "small_talk": make_small_talk,
    "fact": make_fact,
}
DEFAULT_SHARES: Final = {
    "tool_call": 0.26,
    "tool_answer": 0.16,
    "two_calls": 0.05,
    "spelled": 0.04,
    "self_repair": 0.04,
    "dialogue": 0.12,
    "correction": 0.07,
    "missing_argument": 0.05,
    "no_tool": 0.06,
    "instruction": 0.11,
    "small_talk": 0.02,
    "fact": 0.02,
}
_MAX_TRIES = 2000
_DIGEST_ITEMS = 1000


@dataclass(kw_only=True, slots=True)
class AssistantConfig:
    """What is drawn.

    Attributes:
        shares: share of each kind of item, 0..1, summing to 1; a kind that is left out is not drawn.
        max_words: words in one turn of the user, >= 8; longer drafts are drawn again.
    """

    shares: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_SHARES))
    max_words: int = 24

    def __post_init__(self) -> None:
        unknown = sorted(set(self.shares) - set(KINDS))
        if unknown:
            raise CorpusError("shares", unknown, f"kinds among {KINDS}", "use known kinds")
        for kind, share in self.shares.items():
            if not 0.0 <= share <= 1.0:
                raise CorpusError(f"shares[{kind!r}]", share, "0..1", "0 leaves a kind out")
        total = sum(self.shares.values())
        if abs(total - 1.0) > 1e-6:
            raise CorpusError("sum of shares", total, "1", "divide each share by this sum")
        if self.max_words < 8:
            raise CorpusError("max_words", self.max_words, ">= 8", "allow longer requests")


def generate_assistant_items(
    num: int, split: str, seed: int, config: AssistantConfig | None = None
) -> Iterator[AssistantItem]:
    """Draws items one by one; the arguments are checked at once.

    Args:
        num: how many; fewer are the beginning of more, so that corpora of several sizes nest.
        split: "train", "dev" or "test": whose wordings and open-class values are used.
        seed: any integer; the same arguments give the same items on every machine.
        config: shares of the kinds; None takes the defaults.

    Returns:
        An iterator. It raises CorpusError when a kind has no further distinct requests.

    Raises:
        CorpusError: `num` < 0, or the split is unknown.
    """
    if num < 0:
        raise CorpusError("num", num, ">= 0", "ask for a non-negative number of items")
    if split not in SPLITS:
        raise CorpusError("split", split, f"one of {SPLITS}", "use a known split")
    return islice(_items(split, seed, config or AssistantConfig()), num)


def _items(split: str, seed: int, config: AssistantConfig) -> Iterator[AssistantItem]:
    rng = random.Random(draw_seed("assistant", seed, split))
    kinds = tuple(kind for kind in KINDS if config.shares.get(kind, 0.0) > 0.0)
    bounds = list(accumulate(config.shares[kind] for kind in kinds))
    seen: set[str] = set()
    number = 0
    while True:
        kind = rng.choices(kinds, cum_weights=bounds)[0]
        yield _draw_new(kind, f"assistant-{split}-{number:07d}", split, rng, seen, config.max_words)
        number += 1


def _draw_new(
    kind: str, item_id: str, split: str, rng: random.Random, seen: set[str], max_words: int
) -> AssistantItem:
    """Draws items of a kind until one is new and short enough."""
    maker = _MAKERS[kind]
    for _ in range(_MAX_TRIES):
        draft = maker(split, rng)
        item = AssistantItem(
            item_id=item_id,
            kind=kind,
            area=draft.area,
            split=split,
            template_ids=draft.template_ids,
            values=draft.values,
            tools=draft.tools,
            system=draft.system,
            turns=draft.turns,
        )
        request = item.request
        if request not in seen and all(turn.user.count(" ") < max_words for turn in item.turns):
            seen.add(request)
            return item
    raise CorpusError(
        "num",
        f"> {len(seen)}",
        f"at most about {len(seen)} items of split {split!r}",
        f"ask for fewer items, or lower the share of {kind!r}: its requests are used up",
    )


@cache
def assistant_digest() -> str:
    """Digest of many drawn items of each split and of the tools: another one where the domain was changed."""
    items = [item.to_json() for split in SPLITS for item in generate_assistant_items(_DIGEST_ITEMS, split, 0)]
    return stable_digest(repr((ASSISTANT_TOOLS, items)))[:16]
