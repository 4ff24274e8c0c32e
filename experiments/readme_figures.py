"""Fills the figures of README.md from the results in experiments/results.

No score is typed by hand; the wall times in times.json are, from the clock.

    python experiments/readme_figures.py            writes README.md
    python experiments/readme_figures.py --check    says what would change, exit code 1 if anything would

A place `{{demo.wer_percent}}` takes that figure of experiments/results/demo.json (a copy of the run's results.json):
in a table row value, interval and n, elsewhere the value. A place of a plain file (`{{bench.speed_vs_encodec}}`,
`{{times.make_demo_minutes}}`) takes the value itself. What was not measured reads "not measured".
"""

import json
import re
import sys
from pathlib import Path

from omni_audio.evaluation.results import format_interval, format_number

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- figures: made by", "<!-- end of figures -->\n"
PLACE = re.compile(r"\{\{(\w+)\.(\w+)\}\}")
COMMIT = re.compile(r"[0-9a-f]{40}")
MISSING = "not measured"


def load_results(folder: Path) -> dict[str, dict]:
    """Every JSON file of the folder by its stem."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def value_of(results: dict[str, dict], run: str, name: str, whole: bool) -> str:
    """The text that stands for one place; `whole` adds interval and n."""
    found = results.get(run)
    if found is None:
        return MISSING
    if "figures" not in found:
        value = str(found.get(name, MISSING))
        return value[:7] if COMMIT.fullmatch(value) else value
    if name == "commit":
        record = found["record"]
        return (record["commit"] or "none")[:7] + (" and changes" if record.get("dirty") else "")
    figure = found["figures"].get(name)
    if figure is None:
        return MISSING
    value, interval = format_number(figure["value"]), format_interval(figure["low"], figure["high"])
    return f"{value} ({interval}; n {figure['n']})" if whole and interval != "-" else value


def fill(template: str, results: dict[str, dict]) -> str:
    """The figures as Markdown."""
    lines = []
    for line in template.splitlines():
        whole = line.startswith("|") and line.count("{{") == 2
        pieces = PLACE.split(line)  # text, run, name, text, run, name, ..., text
        for at in range(1, len(pieces), 3):
            pieces[at : at + 2] = [value_of(results, pieces[at], pieces[at + 1], whole), ""]
        lines.append("".join(pieces))
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes or checks README.md."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    start, end = text.index(BEGIN), text.index(END)
    head = text[start : text.index("\n", start) + 1]
    template = (ROOT / "experiments" / "figures.md.in").read_text()
    made = text[:start] + head + fill(template, load_results(ROOT / "experiments" / "results")) + text[end:]
    if "--check" in sys.argv[1:]:
        print("README.md is up to date" if made == text else "README.md differs from experiments/results")
        return int(made != text)
    readme.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
