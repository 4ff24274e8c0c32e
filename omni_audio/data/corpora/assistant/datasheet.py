"""Datasheet of the assistant domain: counts by kind, area, tool, split, and examples of each kind.

`python -m omni_audio.data.corpora.assistant.datasheet > docs/assistant-domain.md` writes the page of the documentation.
"""

import json
from collections import Counter, defaultdict
from typing import Any, Final

from omni_audio.data.corpora.assistant.generate import AssistantConfig, generate_assistant_items
from omni_audio.data.corpora.assistant.item import KINDS, AssistantItem
from omni_audio.data.corpora.assistant.tools import AREA_OF_TOOL, ASSISTANT_TOOLS, TOOL_NAMES
from omni_audio.data.corpora.assistant.values import OPEN_VALUES
from omni_audio.data.corpora.assistant.wordings import all_templates
from omni_audio.data.corpora.commands_templates import SPLITS

NUM_EXAMPLES: Final = 12
PAGE_SIZES: Final = {"train": 20_000, "dev": 2_000, "test": 4_000}
"""Items that the page of the documentation counts, seed 0."""
COMMAND: Final = "python -m omni_audio.data.corpora.assistant.datasheet > docs/assistant-domain.md"
_INTRODUCTION: Final = """\
# The assistant domain

{tools} tools in {areas} areas, talk of several turns, and instructions that code can check; texts only.

    omni-audio corpus assistant-texts --out FOLDER --num N --split train

writes items as JSON lines, the schemas of the tools and a datasheet like this one. All is made of templates and closed
lists; nobody is recorded in it.

Wordings and open-class values (names, cities, songs, things, tasks, messages, events, places, words) of one split stand
in no other. Closed classes (rooms, colors, days, times, durations, units, facts) and politeness words are shared. Of
numbers, pairs of operands, quantities to convert and phone numbers are held out by their class modulo ten.

The counts are of items drawn with seed {seed}, all distinct in what the user says; many more can be drawn (tests draw
100 000 of train). This page is written by

    {command}
"""


class Tally:
    """Counts items as they come, and keeps the first of each kind as examples; of the first split seen."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, Counter[str]]] = {
            name: defaultdict(Counter) for name in ("kinds", "areas", "tools", "instructions")
        }
        self._facts: dict[str, Counter[str]] = defaultdict(Counter)
        self._templates: dict[str, set[str]] = defaultdict(set)
        self._values: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._examples: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        self._split = ""

    def add(self, item: AssistantItem) -> None:
        """Counts one item."""
        split = item.split
        self._split = self._split or split
        self._counts["kinds"][item.kind][split] += 1
        self._counts["areas"][item.area][split] += 1
        for turn in item.turns:
            for call in turn.calls:
                self._counts["tools"][call.name][split] += 1
            for instruction in turn.instructions:
                self._counts["instructions"][instruction.kind][split] += 1
        facts = self._facts[split]
        facts["items"] += 1
        facts["turns"] += len(item.turns)
        facts["words"] += sum(len(turn.user.split()) for turn in item.turns)
        facts["calls"] += sum(len(turn.calls) for turn in item.turns)
        self._templates[split].update(item.template_ids)
        self._values[split].update(item.values)
        examples = self._examples[item.kind]
        if split == self._split and len(examples) < NUM_EXAMPLES:
            examples.append(item.to_json())

    def sheet(self, seed: int) -> dict[str, Any]:
        """The datasheet of what was counted, as JSON values.

        Args:
            seed: of the items.
        """
        templates = Counter(template_id.split("-")[-2] for template_id in all_templates())
        return {
            "seed": seed,
            "splits": {
                split: {
                    **facts,
                    "templates_used": len(self._templates[split]),
                    "templates": templates[split],
                    "slot_values_used": len(self._values[split]),
                }
                for split, facts in self._facts.items()
            },
            **{
                name: {key: dict(counter) for key, counter in sorted(counts.items())}
                for name, counts in self._counts.items()
            },
            "open_values": {
                kind: {split: len(values[split]) for split in SPLITS} for kind, values in OPEN_VALUES.items()
            },
            "num_tools": len(TOOL_NAMES),
            "num_areas": len(set(AREA_OF_TOOL.values())),
            "examples": self._examples,
        }


def assistant_datasheet(
    sizes: dict[str, int], seed: int = 0, config: AssistantConfig | None = None
) -> dict[str, Any]:
    """Draws items and counts them.

    Args:
        sizes: number of items by split.
        seed: of the draws.
        config: shares of the kinds; None takes the defaults.

    Raises:
        CorpusError: a split is unknown, or the domain has too few distinct requests.
    """
    tally = Tally()
    for split, num in sizes.items():
        for item in generate_assistant_items(num, split, seed, config):
            tally.add(item)
    return tally.sheet(seed)


def _table(title: str, heads: list[str], rows: list[list[object]]) -> list[str]:
    lines = [f"## {title}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows), ""]


def _by_split(title: str, head: str, counts: dict[str, dict[str, int]], splits: list[str]) -> list[str]:
    rows: list[list[object]] = [[key, *(c.get(split, 0) for split in splits)] for key, c in counts.items()]
    return _table(title, [head, *splits], rows)


def _due(turn: dict[str, Any]) -> str:
    calls = [f"`{call['name']}({json.dumps(call['arguments'])})`" for call in turn["calls"]]
    how = "" if turn["answer"]["spoken"] else " (text only)"
    how += "" if turn["answer"]["speed"] == 1.0 else f" (speed {turn['answer']['speed']})"
    return " ".join([*calls, turn["answer"]["text"]]) + how


def _example(item: dict[str, Any]) -> list[str]:
    system = f" [{item['system']}]" if item["system"] else ""
    turns = [f"{turn['user']} -> {_due(turn)}" for turn in item["turns"]]
    return [f"-{system} {turns[0]}", *(f"  - {turn}" for turn in turns[1:])]


def datasheet_page(sheet: dict[str, Any]) -> str:
    """The datasheet as a Markdown page.

    Args:
        sheet: what `assistant_datasheet` or `Tally.sheet` gave.
    """
    splits = list(sheet["splits"])
    names = ["items", "turns", "words", "calls", "templates", "templates_used", "slot_values_used"]
    facts: list[list[object]] = [
        [name.replace("_", " "), *(sheet["splits"][split][name] for split in splits)] for name in names
    ]
    templates = Counter(template_id.rsplit("-", 1)[0] for template_id in all_templates())
    tools: list[list[object]] = [
        [
            f"`{name}`",
            AREA_OF_TOOL[name],
            ASSISTANT_TOOLS[name]["description"],
            *(templates[f"{name}-{split}"] for split in SPLITS),
            *(sheet["tools"].get(name, {}).get(split, 0) for split in splits),
        ]
        for name in TOOL_NAMES
    ]
    lines = [
        _INTRODUCTION.format(
            tools=sheet["num_tools"], areas=sheet["num_areas"], command=COMMAND, seed=sheet["seed"]
        ),
        *_table("Size", ["", *splits], facts),
        *_by_split("Kinds", "kind", sheet["kinds"], splits),
        *_by_split("Areas", "area", sheet["areas"], splits),
        *_table(
            "Tools",
            [
                "tool",
                "area",
                "",
                *(f"templates {split}" for split in SPLITS),
                *(f"calls {s}" for s in splits),
            ],
            tools,
        ),
        *_by_split("Instructions", "instruction", sheet["instructions"], splits),
        *_by_split("Open-class values", "values", sheet["open_values"], list(SPLITS)),
        "## Examples",
        "",
        f"The first {NUM_EXAMPLES} of each kind, split `{splits[0] if splits else ''}`: what is said -> what is due.",
        "",
    ]
    for kind, items in sheet["examples"].items():
        lines += [f"### {kind}", "", *(line for item in items for line in _example(item)), ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    print(datasheet_page(assistant_datasheet(PAGE_SIZES)), end="")
