"""Speaks a text into a wav file (16 kHz, mono)."""

import argparse
from pathlib import Path

from omni_audio.cli.arguments import add_build, add_lora, add_speed, add_weights, output_wav, speed_of
from omni_audio.cli.builds import require_build
from omni_audio.model.take_limits import DEFAULT_TAKES, check_takes

EXAMPLES = """\
examples:
  omni-audio say "your timer is set for ten minutes"
  omni-audio say "the light is on" --out light.wav
  omni-audio say "the light is on" --speed 0.8           slower, at the same pitch
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the text, the output file and the build."""
    parser.add_argument("text", help="what to say")
    parser.add_argument(
        "--out", type=Path, default=Path("speech.wav"), metavar="FILE", help="default: speech.wav"
    )
    parser.add_argument(
        "--takes",
        type=int,
        default=DEFAULT_TAKES,
        metavar="N",
        help=f"speak it N times at once and keep the take that the build reads best; default: {DEFAULT_TAKES}",
    )
    add_speed(parser)
    add_build(parser)
    add_weights(parser)
    add_lora(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the spoken text."""
    if not args.text.strip():
        raise ValueError("text is empty: say what to speak")
    out, speed = output_wav(args.out), speed_of(args.speed)
    check_takes(args.takes, "--takes")
    build = require_build(args.build)
    from omni_audio.audio.io import save_wav
    from omni_audio.audio.units import SAMPLE_RATE_HZ
    from omni_audio.cli.assistants import load_assistant

    assistant = load_assistant(build, args.weight_quant, lora=args.lora)
    pcm_S = assistant.say(args.text, takes=args.takes, speed=speed).pcm_S
    if pcm_S is None:
        raise RuntimeError(f"the model made no sound for {args.text!r}")
    save_wav(out, pcm_S)
    print(f"{out}: {len(pcm_S) / SAMPLE_RATE_HZ:.2f} s")
    return 0
