"""Turns audio tokens (a .codes file) back into sound, with the tokenizer that made them.

The sound is decoded and written block by block, so that memory does not grow with it. Codes of another tokenizer, or
out of the range of this one, are refused.
"""

import argparse
from pathlib import Path

from omni_audio.cli.arguments import add_build, add_codebooks, input_file, output_wav
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
    parser.add_argument("output", type=Path, metavar="OUT.wav", help="the file to write, 16 kHz mono")
    add_codebooks(parser, "use the first N codebooks only; default: all in the file")
    add_build(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the sound of one .codes file."""
    source = input_file(args.input)
    out = output_wav(args.output, source)
    build = require_build(args.build, needs_model=False)
    from omni_audio.audio.units import SAMPLE_RATE_HZ
    from omni_audio.audio.writer import open_writer
    from omni_audio.cli.assistants import load_tokenizer
    from omni_audio.cli.codes_file import load_codes
    from omni_audio.cli.coding import kept_codebooks, operating_point, with_bar
    from omni_audio.tokenizer.streaming import decode_blocks

    tokenizer = load_tokenizer(build)
    codes = load_codes(source, tokenizer.fingerprint(), tokenizer.config)
    kept = kept_codebooks(args.codebooks, codes.acoustic_BFK.shape[-1], str(source))
    duration_s = codes.num_samples / SAMPLE_RATE_HZ
    ten_seconds = codes.acoustic_BFK[..., :kept].split(round(10 * tokenizer.config.frame_rate_hz), 1)
    with open_writer(out) as writer:
        for pcm_S in with_bar(decode_blocks(tokenizer, ten_seconds), out.name, duration_s):
            writer.write(pcm_S[: codes.num_samples - writer.num_samples])
    print(f"{out}: {duration_s:.2f} s, {operating_point(tokenizer.config, kept)}")
    return 0
