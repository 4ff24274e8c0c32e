"""Turns a sound file into audio tokens: a .codes file, which `omni-audio decode` turns back into sound.

The sound is read block by block, so that memory does not grow with it; its codes are kept until the end, some 3 MB
an hour. Any rate from 8 to 192 kHz is resampled to 16 kHz, channels are averaged. A file that is damaged or cut short
is an error that says how much was read, and writes nothing.
"""

import argparse
from pathlib import Path

from omni_audio.cli.arguments import add_build, add_codebooks, input_file, output_codes
from omni_audio.cli.builds import require_build

EXAMPLES = """\
examples:
  omni-audio encode question.wav question.codes
  omni-audio encode meeting.m4a meeting.codes --codebooks 4      half the codebooks, about half the bit rate
  omni-audio decode question.codes resynthesised.wav
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds input, output, the operating point and the build whose tokenizer encodes."""
    parser.add_argument(
        "input",
        type=Path,
        metavar="IN",
        help="wav, flac, mp3, ogg, opus, webm, mp4, m4a, aac, aiff, au; raw g722, ulaw and alaw by their suffix",
    )
    parser.add_argument("output", type=Path, metavar="OUT.codes", help="the file to write")
    add_codebooks(
        parser, "write the first N codebooks only, and the semantic code; default: all of the build"
    )
    add_build(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the codes of one file."""
    source = input_file(args.input)
    out = output_codes(args.output, source)
    build = require_build(args.build, needs_model=False)
    import torch

    from omni_audio.audio.reader import open_sound
    from omni_audio.cli.assistants import load_tokenizer
    from omni_audio.cli.codes_file import save_codes
    from omni_audio.cli.coding import kept_codebooks, operating_point, warn_if_clipped, with_bar
    from omni_audio.tokenizer.streaming import encode_blocks
    from omni_audio.tokenizer.tokenizer import AudioCodes

    with open_sound(source) as sound:
        tokenizer = load_tokenizer(build)
        kept = kept_codebooks(args.codebooks, tokenizer.config.vq.num_codebooks, "the build")
        semantic, acoustic = [], []
        for codes in encode_blocks(tokenizer, with_bar(sound, source.name, sound.expected_s)):
            semantic.append(codes.semantic_BF)
            acoustic.append(codes.acoustic_BFK[..., :kept])
    warn_if_clipped(source, sound.clipped_share)
    codes = AudioCodes(torch.cat(semantic, 1), torch.cat(acoustic, 1))
    save_codes(out, codes, tokenizer.fingerprint(), sound.num_samples)
    num_frames = codes.semantic_BF.shape[1]
    duration_s = num_frames / tokenizer.config.frame_rate_hz
    print(f"{out}: {num_frames} frames, {duration_s:.2f} s, {operating_point(tokenizer.config, kept)}")
    return 0
