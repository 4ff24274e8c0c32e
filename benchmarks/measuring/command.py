"""What the command lines of the benchmarks share: defaults, limits, and what the last line tells of the run."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import omni_audio
from omni_audio.record import device_description, git_state, package_versions, usable_cores


def benchmark_parser(description: str, quick: str) -> argparse.ArgumentParser:
    """A parser with `--quick`, whose help is `quick`, and `--threads`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument(
        "--threads", type=int, default=usable_cores(), help="of torch; default: all usable cores"
    )
    return parser


def parse(
    parser: argparse.ArgumentParser,
    defaults: Mapping[str, tuple[Any, Any]],
    least_of: Mapping[str, float],
) -> argparse.Namespace:
    """The arguments; what is below its limit ends the program with a message.

    Args:
        parser: from `benchmark_parser`.
        defaults: of what was not given, the whole and the quick one.
        least_of: the least number that is allowed, and of a list the least of each; `threads` have at least 1.
    """
    args = parser.parse_args()
    for name, (whole, quick) in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else whole)
    for name, least in {"threads": 1, **least_of}.items():
        value = getattr(args, name)
        given = min(value) if isinstance(value, list) else value
        if given is not None and given < least:
            parser.error(f"{name} {given:g} is not allowed: expected at least {least:g}")
    return args


def load_average() -> float:
    """Of the machine in the last minute; taken before a run, it shows other work."""
    return round(os.getloadavg()[0], 2)


def run_facts(
    args: argparse.Namespace, load: float, packages: tuple[str, ...] = ("torch",)
) -> dict[str, Any]:
    """How and on what a benchmark ran; `load` is the machine's load average before it."""
    return {
        "threads": args.threads,
        "load_average": load,
        "quick": args.quick,
        "packages": package_versions(packages),
        **device_description(),
        **git_state(Path(omni_audio.__file__).parent),
    }
