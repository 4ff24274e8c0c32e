"""Templates: core wordings with slots, written in blocks of one a line, read and checked when they are imported.

A line is a wording; "!" in front marks an imperative, which may follow "could you"; `| key=value, ...` behind it are
arguments that the wording itself decides. Splits never share a wording.
"""

import re
from typing import Any, Final, NamedTuple

from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.data.corpora.commands_templates import SPLITS

_SLOT = re.compile(r"\{(\w+)\}")
_ALLOWED = re.compile(r"[a-z' {}_]+")
_DRAWN_FIRST = ("quantity",)  # other slots of a wording depend on them

Blocks = tuple[str, str, str]
"""Wordings of train, dev and test."""


class Template(NamedTuple):
    """One core wording.

    Attributes:
        template_id: `<group>-<split>-<number>`.
        text: the words, with `{slot}`s.
        slots: names of its slots in the order in which they are drawn.
        imperative: whether it may follow "could you".
        fixed: arguments that the wording decides.
    """

    template_id: str
    text: str
    slots: tuple[str, ...]
    imperative: bool
    fixed: dict[str, Any]


Wordings = dict[str, tuple[Template, ...]]
"""Split -> templates."""


def read_template(line: str, template_id: str) -> Template:
    """Reads one line.

    Raises:
        CorpusError: the wording has other signs than letters, apostrophe, blank and slots.
    """
    text, _, facts = line.partition("|")
    imperative = text.startswith("!")
    text = " ".join(text.lstrip("!").split())
    if not _ALLOWED.fullmatch(text):
        raise CorpusError("template", line, "small letters, apostrophes, blanks and {slots}", "rewrite it")
    fixed = dict(pair.strip().split("=") for pair in facts.split(",")) if facts else {}
    values = {key: int(value) if value.isdecimal() else value for key, value in fixed.items()}
    slots = sorted(_SLOT.findall(text), key=lambda name: name not in _DRAWN_FIRST)
    return Template(template_id, text, tuple(slots), imperative, values)


def read_wordings(group: str, blocks: Blocks) -> Wordings:
    """Reads the blocks of the three splits.

    Raises:
        CorpusError: a line is malformed, or a wording stands twice.
    """
    read: Wordings = {}
    for split, block in zip(SPLITS, blocks, strict=True):
        lines = [line.strip() for line in block.strip().splitlines() if line.strip()]
        read[split] = tuple(
            read_template(line, f"{group}-{split}-{number:02d}") for number, line in enumerate(lines)
        )
    texts = [template.text for templates in read.values() for template in templates]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise CorpusError(f"templates of {group}", twice, "each wording once", "drop one of them")
    return read


_REGISTRY: dict[str, Template] = {}


def register(groups: dict[str, Blocks]) -> dict[str, Wordings]:
    """Reads groups of wordings and enters them into the list of all templates.

    Raises:
        CorpusError: a group of this name is there already, or a block is malformed.
    """
    read = {group: read_wordings(group, blocks) for group, blocks in groups.items()}
    for group, wordings in read.items():
        for templates in wordings.values():
            for template in templates:
                if template.template_id in _REGISTRY:
                    raise CorpusError("group", group, "a new name", "rename it")
                _REGISTRY[template.template_id] = template
    return read


def all_templates() -> dict[str, Template]:
    """Every registered template by its id."""
    return dict(_REGISTRY)


POLITE_BEFORE_DO: Final = (
    *[""] * 16, "please", "hey", "could you", "can you", "would you", "could you please",
    "can you please", "hey can you", "okay", "um", "i need you to", "go ahead and", "just",
    "quickly", "hi can you", "okay now", "right", "could you maybe",
)  # fmt: skip
POLITE_AFTER_DO: Final = (*[""] * 9, "please", "for me", "thanks", "would you", "for me please", "real quick")
POLITE_BEFORE_SAY: Final = (
    *[""] * 14, "hey", "okay", "so", "hi", "excuse me", "okay so", "uh", "hmm", "quick question",
    "sorry", "right", "oh", "hey there", "by the way", "alright", "well",
)  # fmt: skip
POLITE_AFTER_SAY: Final = (*[""] * 15, "please", "thanks", "thank you")
