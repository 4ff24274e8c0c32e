"""Writes down what is said in sound files: words, or words with their times."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from omni_audio.checks import require
from omni_audio.cli.arguments import add_build, add_lora, add_weights, input_file
from omni_audio.cli.builds import require_build

if TYPE_CHECKING:
    from torch import Tensor

    from omni_audio.model.assistant import Assistant

EXAMPLES = """\
examples:
  omni-audio transcribe question.wav
  omni-audio transcribe recordings/*.flac --build builds/NAME
  omni-audio transcribe talk.flac --format srt > talk.srt
"""

FORMATS = ("text", "json", "srt", "vtt")
OF_ONE_FILE = ("srt", "vtt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the files, the format and the build."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="wav, flac, mp3, ogg, ...")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        help="text; json, a line for each file; srt or vtt subtitles of one file; all but text have times",
    )
    add_build(parser)
    add_weights(parser)
    add_lora(parser)


def run(args: argparse.Namespace) -> int:
    """Prints one transcript a file; of several files, text has the name and a tab before it."""
    is_one = len(args.files) == 1
    allowed = f"{' or '.join(FORMATS[:2])} for several files"
    require(is_one or args.format not in OF_ONE_FILE, "--format", args.format, allowed, "Name one file.")
    files = [input_file(path) for path in args.files]
    build = require_build(args.build)
    from omni_audio.audio.io import load_audio
    from omni_audio.cli.assistants import load_assistant

    sounds = [load_audio(path) for path in files]
    assistant = load_assistant(build, args.weight_quant, lora=args.lora)
    for path, pcm_S in zip(files, sounds, strict=True):
        if args.format == "text":
            text = assistant.transcribe(pcm_S)
            print(text if is_one else f"{path}\t{text}", flush=True)
        else:
            print(_with_times(assistant, path, pcm_S, args.format), end="", flush=True)
    return 0


def _with_times(assistant: Assistant, path: Path, pcm_S: Tensor, form: str) -> str:
    """The transcript of a sound (S,) with the times of its words, in one of the formats but text."""
    from omni_audio.model.assistant import Role, Turn
    from omni_audio.model.request import GenerationRequest
    from omni_audio.model.sequence import Mode
    from omni_audio.serving.subtitles import srt, vtt
    from omni_audio.serving.timed_transcript import with_times

    prompt = assistant.prompt([Turn(role=Role.USER, pcm_S=pcm_S)], Mode.TRANSCRIBE)
    reply = assistant.collect(lambda: prompt, GenerationRequest(mode=Mode.TRANSCRIBE))
    text = reply.text.strip()
    timed = with_times(assistant, prompt, pcm_S, text)
    if form == "json":
        words = [{"word": word.text, "start": word.start_s, "end": word.end_s} for word in timed.words]
        found = {
            "file": str(path),
            "text": text,
            "duration": timed.duration_s,
            "words": words,
            "finish_reason": reply.reason.value,
        }
        return json.dumps(found, ensure_ascii=False) + "\n"
    return srt(timed.segments) if form == "srt" else vtt(timed.segments)
