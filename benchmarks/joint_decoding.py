"""What the sound of many live replies costs: their frames through the vocoder one by one, or all in one pass.

Each number of streams has a Generator whose slots all speak. Its step, the sound of the same frames one by one and
their sound together, as the server makes it, are timed in turn, forwards and backwards. The networks are untrained, of
the size of a preset: time does not depend on what the weights know.

    alone_over_together   by number of streams: median time one by one over that together; above 1 together is faster
    share_alone           by number of streams: share of the sound in step and sound, where it is made one by one
    share_together        by number of streams: the same where it is made together

The last line is JSON.

    python benchmarks/joint_decoding.py --quick
    python benchmarks/joint_decoding.py --preset nano --threads 1
"""

import argparse
import json
from typing import Any

import torch

from measuring.command import benchmark_parser, load_average, parse, run_facts
from measuring.speaking import new_decoder, speaking_model, spoken_request, untrained_tokenizer
from measuring.timing import Case, Way, digits, time_ways
from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.evaluation.streams import frames_of_step, open_reply, sound_of_frames
from omni_audio.model.events import AudioFrame
from omni_audio.model.generate import Generator
from omni_audio.model.sequence import TokenSequence
from omni_audio.model.transformer import OmniModel

REQUEST_FRAMES = 50


class SpeakingSlots:
    """A generator whose slots all speak, and decoders for each of the two ways.

    Args:
        model: whose replies are frames without end.
        num_streams: slots.
        prompt: what each has heard.
    """

    def __init__(self, model: OmniModel, num_streams: int, prompt: TokenSequence) -> None:
        tokenizer = untrained_tokenizer(model)
        self.generator = Generator(model, num_streams)
        for slot in range(num_streams):
            open_reply(self.generator, slot, prompt)
        self.lone, self.joint = (
            {slot: new_decoder(tokenizer) for slot in range(num_streams)} for _ in range(2)
        )
        self.frames: list[AudioFrame] = []
        while len(self.frames) < num_streams:
            self.step()

    def step(self) -> None:
        """The network's part: codes of the next frames."""
        self.frames = frames_of_step(self.generator)

    def one_by_one(self) -> None:
        """The sound of these frames, each for itself."""
        for frame in self.frames:
            self.lone[frame.slot].push(frame)

    def together(self) -> None:
        """The sound of these frames in one pass."""
        sound_of_frames(self.joint, self.frames)


def measure(model: OmniModel, num_streams: int, prompt: TokenSequence, repeats: int) -> Case:
    """Step and both ways to its sound, with as many live streams."""
    slots = SpeakingSlots(model, num_streams, prompt)
    ways = [
        Way("network", "step", slots.step),
        Way("alone", "one by one", slots.one_by_one),
        Way("together", "one pass", slots.together),
    ]
    case = Case("sound", {"streams": num_streams}, time_ways(ways, repeats))
    step_ms, alone_ms, together_ms = map(case.median_ms, ("network", "alone", "together"))
    case.figures = {
        "alone_over_together": case.ratio("alone", "together"),
        "share_alone": alone_ms / (step_ms + alone_ms),
        "share_together": together_ms / (step_ms + together_ms),
    }
    return case


def figures(cases: list[Case]) -> dict[str, Any]:
    """The last line's figures, by number of streams."""
    return {
        name: {str(case.facts["streams"]): digits(case.figures[name]) for case in cases}
        for name in cases[0].figures
    }


def table(line: dict[str, Any]) -> str:
    """A row for each number of streams."""
    names = ("alone_over_together", "share_alone", "share_together")
    rows = [[number, *(f"{line[name][number]:g}" for name in names)] for number in line[names[0]]]
    return markdown_table(["streams", *names], rows)


def arguments() -> argparse.Namespace:
    parser = benchmark_parser(__doc__ or "", "1 and 4 streams, few repeats: seconds")
    add = parser.add_argument
    add("--preset", default="nano", help="of configs/model; default: nano")
    add("--streams", type=int, nargs="+", help="default: 1 4 8 16")
    add("--repeats", type=int, help="of each way, in turn; default: 40")
    defaults = {"streams": ([1, 4, 8, 16], [1, 4]), "repeats": (40, 4)}
    return parse(parser, defaults, {"streams": 1, "repeats": 2})


def main() -> None:
    args = arguments()
    load = load_average()
    torch.set_num_threads(args.threads)
    model = speaking_model(args.preset)
    prompt = spoken_request(model, REQUEST_FRAMES)
    cases = [measure(model, number, prompt, args.repeats) for number in args.streams]
    line = figures(cases)
    print(table(line))
    line |= {
        "preset": args.preset,
        "request_frames": REQUEST_FRAMES,
        "repeats": args.repeats,
        **run_facts(args, load),
        "cases": [case.plain() for case in cases],
    }
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
