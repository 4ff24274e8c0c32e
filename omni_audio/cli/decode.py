"""Turns audio tokens (a .codes file) back into sound, with the tokenizer that made them."""

import argparse
from pathlib import Path

from omni_audio.cli.arguments import add_build, input_file, output_file
from omni_audio.cli.builds import require_build

EXAMPLES = """\
examples:
  omni-audio encode question.wav question.codes
  omni-audio decode question.codes resynthesised.wav
  omni-audio decode question.codes coarse.wav --codebooks 4      fewer codebooks, lower bit rate
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds input, output, the operating point and the build whose tokenizer decodes."""
    parser.add_argument("input", type=Path, metavar="IN.codes", help="a file that `omni-audio encode` wrote")
    parser.add_argument("output", type=Path, metavar="OUT.wav", help="the file to write")
    parser.add_argument(
        "--codebooks",
        type=int,
        default=None,
        metavar="N",
        help="use the first N codebooks only; default: all in the file",
    )
    add_build(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the sound of one .codes file."""
    source, out = input_file(args.input), output_file(args.output)
    build = require_build(args.build, needs_model=False)
    from omni_audio.audio.io import save_wav
    from omni_audio.audio.units import SAMPLE_RATE_HZ
    from omni_audio.cli.assistants import load_tokenizer
    from omni_audio.cli.codes_file import load_codes

    tokenizer = load_tokenizer(build)
    codes = load_codes(source, tokenizer.fingerprint())
    in_file = codes.acoustic_BFK.shape[-1]
    kept = in_file if args.codebooks is None else args.codebooks
    if not 1 <= kept <= in_file:
        raise ValueError(f"--codebooks {kept} is not allowed: {source} holds {in_file}, use 1 to {in_file}")
    pcm_S = tokenizer.decode(codes.acoustic_BFK[..., :kept])[0, : codes.num_samples]
    save_wav(out, pcm_S)
    print(f"{out}: {len(pcm_S) / SAMPLE_RATE_HZ:.2f} s")
    return 0
