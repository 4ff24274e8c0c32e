"""Arguments that several commands share: Hydra overrides, the build, sound files."""

import argparse
import math
from pathlib import Path

from omni_audio.audio.units import MAX_SPEED, MIN_SPEED
from omni_audio.checks import require


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps our line breaks and gives option columns room."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Adds the positional Hydra overrides and --config-dir."""
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="config overrides in Hydra's grammar: group=option, path.to.key=value, +ablation/factor=option",
    )
    parser.add_argument(
        "--config-dir",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder with your own experiment/*.yaml and other groups; may be given more than once",
    )


def describe_groups(names: tuple[str, ...]) -> str:
    """Returns the options of config groups, a line each, for --help; `ablation` stands for all its factors."""
    from omni_audio.config.tree import config_groups

    groups = {
        group: options for group, options in config_groups().items() if group.partition("/")[0] in names
    }
    shown = {"optim": "optim@{tokenizer,model}_training.optim"}
    lines = [
        f"  {'+' if '/' in group else ''}{shown.get(group, group)}={'|'.join(options)}"
        for group, options in groups.items()
    ]
    return "\n".join(["config groups (a + adds a factor of an ablation):", *lines])


def add_build(parser: argparse.ArgumentParser) -> None:
    """Adds --build."""
    parser.add_argument(
        "--build",
        type=Path,
        metavar="DIR",
        help="the build to use; default: the newest in runs/*/build or builds/",
    )


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Adds --nf4 and --int4, which set `weight_quant` to a value of WeightQuant; `none` where neither is given."""
    formats = parser.add_mutually_exclusive_group()
    for name, text in (
        ("nf4", "load the model with 4-bit weights (bitsandbytes NF4): the least memory"),
        ("int4", "load it with packed 4-bit integers: the fastest on a CPU, slower with long prompts"),
    ):
        formats.add_argument(f"--{name}", dest="weight_quant", action="store_const", const=name, help=text)
    parser.set_defaults(weight_quant="none")


def add_speed(parser: argparse.ArgumentParser) -> None:
    """Adds --speed; speed_of() reads it."""
    parser.add_argument(
        "--speed",
        metavar="X",
        help=f"how fast it is spoken, {MIN_SPEED:g} to {MAX_SPEED:g}, at the same pitch; default: 1",
    )


def speed_of(given: str | None) -> float:
    """Returns the speed that --speed asks for; 1 where it was not given.

    Raises:
        ValueError: it is no number, or out of range.
    """
    try:
        speed = 1.0 if given is None else float(given)
    except ValueError:
        speed = math.nan
    allowed, remedy = f"a number from {MIN_SPEED:g} to {MAX_SPEED:g}", "Name one in that range, such as 0.8."
    require(MIN_SPEED <= speed <= MAX_SPEED, "--speed", given, allowed, remedy)
    return speed


def add_lora(parser: argparse.ArgumentParser) -> None:
    """Adds --lora."""
    parser.add_argument(
        "--lora",
        type=Path,
        metavar="FILE",
        help="adapters of a fine-tuning that began with this build; those trained with weight_quant=nf4 need --nf4",
    )


def add_codebooks(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds --codebooks, the operating point of the tokenizer; `text` says what it does here."""
    parser.add_argument("--codebooks", type=int, default=None, metavar="N", help=text)


def check_overrides(overrides: list[str]) -> None:
    """Raises for a word that is not key=value, with what was probably meant.

    Raises:
        ValueError: a positional word has no "=" and does not delete a key with "~".
    """
    for word in overrides:
        if "=" not in word and not word.startswith("~"):
            raise ValueError(f"{word!r} is not key=value: write for example experiment={word}")


def input_file(path: Path) -> Path:
    """Returns `path` if it is a file with something in it.

    Raises:
        ValueError: it does not exist, is a folder, or is empty.
    """
    if not path.exists():
        raise ValueError(f"no such file: {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty")
    return path


def output_file(path: Path, source: Path | None = None) -> Path:
    """Returns `path` after making sure, before any long work, that it can be written.

    Raises:
        ValueError: it is a folder, its folder does not exist, or it is the file `source`, which is read.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file to write")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist: make it first")
    if source is not None and path.exists() and path.samefile(source):
        raise ValueError(f"{path} is the file to read: name another one to write")
    return path


def output_wav(path: Path, source: Path | None = None) -> Path:
    """Returns `path` after making sure that it is a good place and name for a wav file; see output_file().

    Raises:
        ValueError: as output_file(), or it does not end in .wav.
    """
    return _named_output(path, source, ".wav")


def output_codes(path: Path, source: Path) -> Path:
    """The same for audio tokens, which end in .codes."""
    return _named_output(path, source, ".codes")


def _named_output(path: Path, source: Path | None, suffix: str) -> Path:
    if path.suffix.lower() != suffix and not path.is_dir():
        raise ValueError(f"{path} does not end in {suffix}, which is what is written: name it so")
    return output_file(path, source)
