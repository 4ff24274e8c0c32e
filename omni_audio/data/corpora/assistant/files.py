"""Files of the assistant domain: items as JSON lines, the schemas of the tools, the datasheet."""

import json
from pathlib import Path

from omni_audio.data.corpora.assistant.datasheet import Tally, datasheet_page
from omni_audio.data.corpora.assistant.generate import AssistantConfig, generate_assistant_items
from omni_audio.data.corpora.assistant.tools import ASSISTANT_TOOLS
from omni_audio.files import written_whole


def write_assistant_texts(
    folder: Path, num: int, split: str, seed: int = 0, config: AssistantConfig | None = None
) -> Path:
    """Writes `items-<split>.jsonl`, `datasheet-<split>.json`, `datasheet-<split>.md` and `tools.json`.

    Args:
        folder: where to write; made if needed.
        num: how many items.
        split: "train", "dev" or "test".
        seed: any integer.
        config: shares of the kinds; None takes the defaults.

    Returns:
        The file of the items, one JSON object a line (`AssistantItem.to_json`).

    Raises:
        CorpusError: the arguments are not allowed, or the domain has too few distinct requests.
    """
    items = generate_assistant_items(num, split, seed, config)
    folder.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    path = folder / f"items-{split}.jsonl"
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for item in items:
            tally.add(item)
            file.write(json.dumps(item.to_json()) + "\n")
    sheet = tally.sheet(seed)
    _write(folder / f"datasheet-{split}.json", json.dumps(sheet, indent=2) + "\n")
    _write(folder / f"datasheet-{split}.md", datasheet_page(sheet))
    _write(folder / "tools.json", json.dumps(list(ASSISTANT_TOOLS.values()), indent=2) + "\n")
    return path


def _write(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
