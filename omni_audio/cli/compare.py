"""Shows the figures of several evaluations side by side.

Each is a folder that `omni-audio eval` wrote, or its results.json. With two of them the change is printed as well. An
interval is of one evaluation by itself.
"""

import argparse
from pathlib import Path

EXAMPLES = """\
examples:
  omni-audio compare runs/voice/before runs/voice/eval
  omni-audio compare runs/demo/eval runs/nano/eval
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the results."""
    parser.add_argument("results", nargs="+", type=Path, help="folders of omni-audio eval, two or more")


def run(args: argparse.Namespace) -> int:
    """Prints the table."""
    from omni_audio.evaluation.compare import compare

    table, missing = compare(args.results)
    print(table)
    if missing:
        print(f"\nnot in all of them: {', '.join(missing)}")
    return 0
