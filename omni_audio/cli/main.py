"""Entry point of `omni-audio`: picks the subcommand, and turns errors into one line and an exit code."""

import argparse
import difflib
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from omni_audio import __version__
from omni_audio.cli.arguments import HelpFormatter, describe_groups
from omni_audio.cli.errors import USER_ERRORS, describe
from omni_audio.cli.logs import set_up_logging

EXIT_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

COMMANDS = {
    "train": "make the corpus, train tokenizer and model, write a build",
    "eval": "measure a build on held-out voices and templates; report.html and one JSON line",
    "compare": "show the figures of several evaluations side by side",
    "mos": "scores of people from the answers to a listening test (eval suite=listening)",
    "serve": "answer OpenAI clients with a build: chat, speech, transcriptions",
    "transcribe": "write down what is said in sound files",
    "say": "speak a text into a wav file",
    "chat": "answer spoken or written requests, in text and sound",
    "encode": "turn a sound file into audio tokens (.codes)",
    "decode": "turn audio tokens (.codes) back into sound",
    "resynth": "turn sounds into audio tokens and back: a file, or a folder of them",
    "data": "list the items of a corpus that training made",
    "corpus": "make a corpus by itself: recorded people from Debian packages, drills, or texts alone",
    "quantize": "write the 4-bit (NF4 or int4) build of a build",
    "build-info": "say what a build is: size, how it was made",
}

DESCRIPTION = """\
Trains, evaluates and talks to one small network that hears and speaks.

commands:
{commands}

first steps:
  omni-audio train experiment=demo            about 17 minutes on two cores
  omni-audio eval experiment=demo             figures, and runs/demo/eval/report.html
  omni-audio chat question.wav --out reply.wav
  omni-audio serve                            then use any OpenAI client

`omni-audio COMMAND --help` shows the arguments and examples of one command.
Commands that use a trained model take the newest build in runs/*/build or builds/ unless told --build or build=…
"""


def _let_threads_wait() -> None:
    """Lets GNU OpenMP's threads spin for a moment between two operators, then sleep, unless the user said how to wait.

    To sleep at once costs a quarter of a small network's steps, and to spin for long starves whatever shares the cores
    (experiments/LOG.md has the figures). To be called before torch is imported.
    """
    if not os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        os.environ["GOMP_SPINCOUNT"] = "5000"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code: 0, 2 for what the user can put right, 130 after Ctrl-C, 1 for any other failure.
    """
    _let_threads_wait()
    arguments = list(sys.argv[1:] if argv is None else argv)
    top = _top_parser()
    at = next((index for index, word in enumerate(arguments) if not word.startswith("-")), len(arguments))
    options = top.parse_args(arguments[:at])
    if at == len(arguments):
        top.print_help()
        return EXIT_USER_ERROR
    name, rest = arguments[at], arguments[at + 1 :]
    if name not in COMMANDS:
        top.error(_unknown_command(name))
    command = import_module(f"omni_audio.cli.{name.replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"omni-audio {name}",
        description=command.__doc__,
        epilog=command.EXAMPLES,
        formatter_class=HelpFormatter,
    )
    command.add_arguments(parser)
    if any(word in ("-h", "--help") for word in rest) and hasattr(command, "GROUPS"):
        parser.epilog = f"{command.EXAMPLES}\n{describe_groups(command.GROUPS)}"
    parser.add_argument(
        "--debug", action="store_true", default=options.debug, help="show a traceback on errors"
    )
    args = parser.parse_intermixed_args(rest)
    set_up_logging(args.debug)
    resume = getattr(command, "RESUME", None)
    try:
        return command.run(args) or 0
    except KeyboardInterrupt as stop:
        return _interrupted(name, rest, resume, stop)
    except SystemExit as leaving:  # Lightning turns Ctrl-C into exit(1)
        stop = _interrupt_behind(leaving)
        if stop is None:
            raise
        return _interrupted(name, rest, resume, stop)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        print(f"omni-audio {name}: {describe(error)}", file=sys.stderr)
        return EXIT_USER_ERROR if isinstance(error, USER_ERRORS) else EXIT_FAILED


def _top_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS)) + 2
    listed = "\n".join(f"  {name:<{width}}{summary}" for name, summary in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="omni-audio",
        usage="omni-audio [-h] [--version] [--debug] COMMAND ...",
        description=DESCRIPTION.format(commands=listed),
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"omni-audio {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")
    return parser


def _unknown_command(name: str) -> str:
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    return (
        f"no command {name!r}: {f'did you mean {close[0]!r}?' if close else 'one of ' + ', '.join(COMMANDS)}"
    )


def _interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    chained: BaseException | None = error
    while chained is not None:
        if isinstance(chained, KeyboardInterrupt):
            return chained
        chained = chained.__cause__ or chained.__context__
    return None


def _interrupted(name: str, rest: Sequence[str], resume: str | None, stop: KeyboardInterrupt) -> int:
    said = f" {stop}." if str(stop) else ""
    again = f" {resume} omni-audio {name} {shlex.join(rest)}" if resume else ""
    print(f"\nomni-audio {name}: interrupted.{said}{again}", file=sys.stderr)
    return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
