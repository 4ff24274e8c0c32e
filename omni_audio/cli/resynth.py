"""Turns sounds into audio tokens and straight back into sound: what the tokenizer makes of them at a bit rate.

IN is a file, or a folder whose sound files are all taken, those in folders below it too; OUT then is a folder with the
same names, ending in .wav. Sound goes through block by block: memory does not grow with it. A file that cannot be read
is named, the others are still done, and the exit code is 2.

The real-time factor is seconds computed for a second of sound: below 1 is faster than the sound plays.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from omni_audio.cli.arguments import add_build, add_codebooks, input_file, output_wav
from omni_audio.cli.builds import require_build
from omni_audio.cli.errors import USER_ERRORS, describe

if TYPE_CHECKING:
    from omni_audio.tokenizer.tokenizer import AudioTokenizer

EXAMPLES = """\
examples:
  omni-audio resynth question.wav again.wav
  omni-audio resynth question.wav coarse.wav --codebooks 2      what is left with two codebooks
  omni-audio resynth recordings/ recordings-again/              recordings/a/b.flac gives recordings-again/a/b.wav
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds input, output, the operating point and the build whose tokenizer is used."""
    parser.add_argument(
        "input",
        type=Path,
        metavar="IN",
        help="a sound file (see omni-audio encode --help), or a folder of them",
    )
    parser.add_argument(
        "output", type=Path, metavar="OUT", help="the wav file to write (16 kHz mono), or the folder to fill"
    )
    add_codebooks(parser, "keep the first N codebooks only; default: all of the build")
    add_build(parser)


def run(args: argparse.Namespace) -> int:
    """Writes what the tokenizer makes of one file or of all files of a folder."""
    is_folder = args.input.is_dir()
    if is_folder:
        jobs = folder_jobs(args.input, args.output)
    else:
        source = input_file(args.input)
        jobs = {source: output_wav(args.output, source)}
    build = require_build(args.build, needs_model=False)
    from omni_audio.cli.assistants import load_tokenizer
    from omni_audio.cli.coding import kept_codebooks, operating_point

    tokenizer = load_tokenizer(build)
    kept = kept_codebooks(args.codebooks, tokenizer.config.vq.num_codebooks, "the build")
    point = operating_point(tokenizer.config, kept)
    failed: list[Path] = []
    sound_s = spent_s = 0.0
    for source, out in tqdm(jobs.items(), unit="file", leave=False, disable=None if is_folder else True):
        began_s = time.perf_counter()
        try:
            duration_s = resynth_file(tokenizer, source, out, kept)
        except USER_ERRORS as error:
            if not is_folder:
                raise
            failed.append(source)
            tqdm.write(f"omni-audio resynth: {_named(source, error)}", file=sys.stderr)
            continue
        took_s = time.perf_counter() - began_s
        sound_s, spent_s = sound_s + duration_s, spent_s + took_s
        tqdm.write(f"{out}: {_figures(duration_s, took_s, point)}")
    if is_folder and sound_s > 0:
        print(f"total: {len(jobs) - len(failed)} files, {_figures(sound_s, spent_s, point)}")
    if failed:
        names = ", ".join(map(str, failed))
        raise ValueError(f"{len(failed)} of {len(jobs)} files were not done, for the reasons above: {names}")
    return 0


def folder_jobs(folder: Path, out: Path) -> dict[Path, Path]:
    """Returns what to write for each sound file in a folder and below it.

    Names that begin with a dot are passed over, and so is `out` where it lies in the folder.

    Raises:
        ValueError: there is no sound file, two would be written to one place, or one over an input; or `out` is a file,
            or `folder`.
    """
    from omni_audio.audio.formats import SOUND_SUFFIXES

    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: name a folder, because {folder} is one")
    if out.resolve() == folder.resolve():
        raise ValueError(f"{out} is the folder to read: name another one to write")
    is_inside = out.resolve().is_relative_to(folder.resolve())
    jobs: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        is_sound = path.suffix.lower().removeprefix(".") in SOUND_SUFFIXES and path.is_file()
        is_hidden = any(part.startswith(".") for part in inner.parts)
        if not is_sound or is_hidden or (is_inside and path.resolve().is_relative_to(out.resolve())):
            continue
        target = out / inner.with_suffix(".wav")
        if target in taken:
            raise ValueError(f"{taken[target]} and {path} would both become {target}: rename one")
        jobs[path], taken[target] = target, path
    if not jobs:
        raise ValueError(
            f"{folder} holds no sound files: their names end in {', '.join(sorted(SOUND_SUFFIXES))}"
        )
    sources = {path.resolve() for path in jobs}
    over = next((target for target in taken if target.resolve() in sources), None)
    if over is not None:
        raise ValueError(f"{over} is a file to read, and would be written over: name another folder")
    return jobs


def resynth_file(tokenizer: "AudioTokenizer", source: Path, out: Path, num_codebooks: int) -> float:
    """Writes one file, makes its folder if need be, and returns its length in seconds.

    Raises:
        ValueError: the sound cannot be read; nothing is written then.
    """
    from omni_audio.audio.reader import open_sound
    from omni_audio.audio.units import SAMPLE_RATE_HZ
    from omni_audio.audio.writer import open_writer
    from omni_audio.cli.coding import warn_if_clipped, with_bar
    from omni_audio.tokenizer.streaming import decode_blocks, encode_blocks

    with open_sound(source) as sound:
        out.parent.mkdir(parents=True, exist_ok=True)
        with open_writer(out) as writer:
            pcm = with_bar(sound, source.name, sound.expected_s)
            kept = (codes.acoustic_BFK[..., :num_codebooks] for codes in encode_blocks(tokenizer, pcm))
            for pcm_S in decode_blocks(tokenizer, kept):
                writer.write(pcm_S[: sound.num_samples - writer.num_samples])
    warn_if_clipped(source, sound.clipped_share)
    return writer.num_samples / SAMPLE_RATE_HZ


def _named(source: Path, error: Exception) -> str:
    said = describe(error)
    return said if str(source) in said else f"{source}: {said}"


def _figures(duration_s: float, took_s: float, point: str) -> str:
    return f"{duration_s:.2f} s, {point}, real-time factor {took_s / duration_s:.3f}"
