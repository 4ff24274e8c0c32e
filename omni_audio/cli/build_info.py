"""Says what a build is: name, date, size and how it was made.

Of a build of 4-bit weights it counts the bits a parameter takes, by module, from what the files hold.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omni_audio.cli.builds import CARD_NAME, MODEL_NAME, TOKENIZER_NAME, require_build

if TYPE_CHECKING:
    from omni_audio.weight_quant.report import BitsReport

EXAMPLES = """\
examples:
  omni-audio build-info
  omni-audio build-info builds/NAME --json      with the configuration it was trained with
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the build."""
    parser.add_argument(
        "build", nargs="?", type=Path, metavar="BUILD", help="default: the newest in runs/*/build or builds/"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the whole card as JSON, its configuration too"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the card of one build and the sizes of its files."""
    build = require_build(args.build, needs_model=False)
    try:
        card = json.loads((build / CARD_NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{build / CARD_NAME} cannot be read: {error}. Make the build again") from error
    report = _bits(build) if "weight_quant" in card else None
    files = {file.name: file.stat().st_size for file in sorted(build.iterdir()) if file.is_file()}
    if args.json:
        told = {"build": str(build), "files": files, **card}
        if report is not None:
            told["bits_per_parameter"] = {row.module: row.bits_per_parameter for row in report.rows}
            told["memory_ratio"] = report.whole.memory_ratio
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    rows = [("build", str(build)), *_rows({key: value for key, value in card.items() if key != "config"})]
    rows += [(f"file {name}", f"{size / 1e6:.2f} MB") for name, size in files.items()]
    rows += [] if report is None else report.described()
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        print(f"{name:<{width}}{value}")
    return 0


def _bits(build: Path) -> BitsReport:
    from omni_audio.weight_quant.report import bits_report

    return bits_report(build / MODEL_NAME, build / TOKENIZER_NAME)


def _rows(card: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in card.items():
        if key == "voices" and isinstance(value, dict):
            rows += [
                (f"{prefix}{key}.{split}", f"{len(names)} voices, --json names them")
                for split, names in value.items()
            ]
        elif isinstance(value, dict):
            rows += _rows(value, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, f"{value:g}" if isinstance(value, float) else str(value)))
    return rows
