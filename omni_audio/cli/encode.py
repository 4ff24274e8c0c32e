"""Turns a sound file into audio tokens: a .codes file, which `omni-audio decode` turns back into sound."""

import argparse
from pathlib import Path

from omni_audio.cli.arguments import add_build, input_file, output_file
from omni_audio.cli.builds import require_build

EXAMPLES = """\
examples:
  omni-audio encode question.wav question.codes
  omni-audio decode question.codes resynthesised.wav
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds input, output and the build whose tokenizer encodes."""
    parser.add_argument("input", type=Path, metavar="IN", help="wav, flac, mp3, ogg, ...")
    parser.add_argument("output", type=Path, metavar="OUT.codes", help="the file to write")
    add_build(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the codes of one file."""
    source, out = input_file(args.input), output_file(args.output)
    build = require_build(args.build, needs_model=False)
    from omni_audio.audio.io import load_audio
    from omni_audio.audio.units import FRAME_RATE_HZ
    from omni_audio.cli.assistants import load_tokenizer
    from omni_audio.cli.codes_file import save_codes

    pcm_S = load_audio(source)
    tokenizer = load_tokenizer(build)
    codes = tokenizer.encode(pcm_S[None])
    save_codes(out, codes, tokenizer.fingerprint(), num_samples=len(pcm_S))
    num_frames = codes.semantic_BF.shape[1]
    rate = tokenizer.config.kilobits_per_second()
    print(f"{out}: {num_frames} frames, {num_frames / FRAME_RATE_HZ:.2f} s at {rate:.2f} kbit/s")
    return 0
