"""Lists the items of a corpus that training made: sound file, voice and words, a line each."""

import argparse
import gzip
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EXAMPLES = """\
examples:
  omni-audio data runs/demo                          ten held-out requests
  omni-audio data runs/demo --split train --num 100
  omni-audio data runs/demo --grep timer             requests with a word
  omni-audio chat "$(omni-audio data runs/demo --grep timer --num 1 --paths)" --tools
"""

SPLITS = ("train", "dev", "test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the corpus, the split and the filters."""
    parser.add_argument(
        "corpus", type=Path, metavar="FOLDER", help="a run folder, or the corpus folder inside it"
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="test",
        help="default: test, whose voices and wordings are held out",
    )
    parser.add_argument("--num", type=int, default=10, metavar="N", help="at most so many; default: 10")
    parser.add_argument("--grep", metavar="WORD", help="only requests that hold this text")
    parser.add_argument("--paths", action="store_true", help="print the sound files only")


def run(args: argparse.Namespace) -> int:
    """Prints the chosen items."""
    if args.num < 1:
        raise ValueError(f"--num {args.num} is not allowed: ask for 1 or more")
    cuts = _cuts(_manifest(args.corpus, args.split))
    rows = (_row(cut) for cut in cuts)
    chosen = list(
        itertools.islice((row for row in rows if (args.grep or "").lower() in row[2].lower()), args.num)
    )
    if not chosen:
        raise ValueError(f"no request of split {args.split} holds {args.grep!r}: try another word or split")
    for row in chosen:
        sys.stdout.write((row[0] if args.paths else "\t".join(row)) + "\n")
    return 0


def _manifest(folder: Path, split: str) -> Path:
    name = f"cuts-{split}.jsonl.gz"
    for candidate in (folder / name, folder / "corpus" / name):
        if candidate.is_file():
            return candidate
    others = sorted(path.name for path in folder.glob("cuts-*.jsonl.gz"))
    if others:
        splits = [other for other in SPLITS if f"cuts-{other}.jsonl.gz" in others]
        raise ValueError(
            f"{str(folder)!r} has no split {split!r}: expected one of {splits}. Name it by --split"
        )
    raise ValueError(
        f"{str(folder)!r} holds no corpus ({name}): make one with `omni-audio train experiment=demo 'stages=[corpus]'`"
    )


def _cuts(manifest: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(manifest, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except (EOFError, gzip.BadGzipFile, json.JSONDecodeError) as error:
        raise ValueError(f"{manifest} is broken ({error}): delete it and make the corpus again") from error


def _row(cut: dict[str, Any]) -> tuple[str, str, str]:
    said = cut["supervisions"][0]
    return cut["recording"]["sources"][0]["source"], said["speaker"], said.get("text") or ""
