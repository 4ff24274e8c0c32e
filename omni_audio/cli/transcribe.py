"""Writes down what is said in sound files, one line for each."""

import argparse
from pathlib import Path

from omni_audio.cli.arguments import add_build, add_lora, add_weights, input_file
from omni_audio.cli.builds import require_build

EXAMPLES = """\
examples:
  omni-audio transcribe question.wav
  omni-audio transcribe recordings/*.flac --build builds/NAME
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the files and the build."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="wav, flac, mp3, ogg, ...")
    add_build(parser)
    add_weights(parser)
    add_lora(parser)


def run(args: argparse.Namespace) -> int:
    """Prints one transcript a file; with several files, the name and a tab before it."""
    files = [input_file(path) for path in args.files]
    build = require_build(args.build)
    from omni_audio.audio.io import load_audio
    from omni_audio.cli.assistants import load_assistant

    sounds = [load_audio(path) for path in files]
    assistant = load_assistant(build, args.weight_quant, lora=args.lora)
    for path, pcm_S in zip(files, sounds, strict=True):
        text = assistant.transcribe(pcm_S)
        print(text if len(files) == 1 else f"{path}\t{text}", flush=True)
    return 0
