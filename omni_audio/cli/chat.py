"""Answers spoken or written requests. Several requests make one conversation, each answered in turn.

What was heard, the answers and the tool calls are printed; with --out the last answer is also written as sound.
"""

import argparse
import sys
from pathlib import Path

from omni_audio.cli.arguments import (
    add_build,
    add_lora,
    add_speed,
    add_weights,
    input_file,
    output_wav,
    speed_of,
)
from omni_audio.cli.builds import require_build

EXAMPLES = """\
examples:
  omni-audio chat question.wav --out reply.wav
  omni-audio chat question.wav --tools                   a tool call is printed as JSON; it is not run
  omni-audio chat question.wav --tool set_timer --tool set_light
  omni-audio chat --text "what is three plus four"
  omni-audio chat question.wav --out reply.wav --speed 1.5
  omni-audio chat first.wav second.wav --out reply.wav   two turns
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds requests, output, sampling and the build."""
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="spoken requests: wav, flac, mp3, ogg, ..."
    )
    parser.add_argument("--text", metavar="TEXT", help="a written request, after the spoken ones")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="answer in sound and write the last answer as wav"
    )
    parser.add_argument(
        "--tools", action="store_true", help="offer all tools of the model's training, where it had few"
    )
    parser.add_argument(
        "--tool", action="append", default=[], metavar="NAME", help="offer this tool; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sound's sampling; default: 0")
    add_speed(parser)
    add_build(parser)
    add_weights(parser)
    add_lora(parser)


def run(args: argparse.Namespace) -> int:
    """Prints what was heard and answered, turn by turn."""
    files, out = _requests(args)
    speed = _speed(args)
    build = require_build(args.build)
    from omni_audio.data.corpora.trained_tools import TrainedTools
    from omni_audio.model.build import load_card

    tools = TrainedTools.of_card(load_card(build)).offered(args.tools, args.tool)
    from omni_audio.audio.io import load_audio, save_wav
    from omni_audio.cli.assistants import load_assistant
    from omni_audio.model.assistant import Role, Turn
    from omni_audio.model.generate import GenerationRequest
    from omni_audio.model.sequence import Mode

    asked = [Turn(role=Role.USER, pcm_S=load_audio(path)) for path in files]
    if args.text is not None:
        asked.append(Turn(role=Role.USER, text=args.text))
    assistant = load_assistant(build, args.weight_quant, lora=args.lora)
    mode = Mode.REPLY_TEXT if out is None else Mode.REPLY_AUDIO
    call_form = assistant.forms.call(tools) if tools else None
    request = GenerationRequest(
        mode=mode,
        tools=bool(tools),
        max_calls=assistant.max_calls,
        call_form=call_form,
        speed=speed,
        seed=args.seed,
    )
    turns: list[Turn] = []
    pcm_S = None
    for turn in asked:
        heard = turn.text if turn.pcm_S is None else assistant.transcribe(turn.pcm_S)
        print(f"heard:  {heard}", flush=True)
        turns.append(turn)
        reply = assistant.reply(turns, request, list(tools))
        pcm_S = reply.pcm_S
        for call in reply.tool_calls:
            print(f"call:   {call}", flush=True)
        if reply.tool_calls:
            turns.append(Turn(role=Role.ASSISTANT, tool_calls=reply.tool_calls))
        if reply.text.strip() or not reply.tool_calls:
            print(f"answer: {reply.text.strip()}", flush=True)
            turns.append(Turn(role=Role.ASSISTANT, text=reply.text.strip()))
    if out is not None:
        if pcm_S is None:
            print(f"omni-audio chat: the answer has no sound, so {out} was not written", file=sys.stderr)
            return 1
        save_wav(out, pcm_S)
        print(f"sound:  {out}")
    return 0


def _requests(args: argparse.Namespace) -> tuple[list[Path], Path | None]:
    files = [input_file(path) for path in args.files]
    if not files and args.text is None:
        raise ValueError("no request: name a sound file, or write one with --text")
    if args.text is not None and not args.text.strip():
        raise ValueError("--text is empty: write a request")
    return files, None if args.out is None else output_wav(args.out)


def _speed(args: argparse.Namespace) -> float:
    if args.speed is not None and args.out is None:
        raise ValueError(f"--speed {args.speed} needs an answer in sound: add --out FILE")
    return speed_of(args.speed)
