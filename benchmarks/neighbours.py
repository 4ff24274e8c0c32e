"""Does a sampled answer change when others are answered beside it? Counts the answers that do.

The same spoken requests, each with its own seed, at temperature 1 for text and sound, answered alone and as many at a
time as --streams. Every stream draws by its own seed; what is left is the order in which products of another number of
rows are added up: it moves a probability in its seventh digit, and a draw that falls between changes the answer.

    changed_answers   answers that differ in any id or code
    draws             ids and codes drawn in the answers alone, up to the first difference
    draws_per_change  draws over changed answers; null where none changed

The last line is JSON.

    python benchmarks/neighbours.py --quick
    python benchmarks/neighbours.py --preset nano
"""

import argparse
import json
from collections.abc import Sequence

import torch
from tqdm import tqdm

from measuring.command import benchmark_parser, load_average, parse, run_facts
from measuring.speaking import speaking_model, spoken_request
from omni_audio.model.events import AudioFrame, Event, TextToken
from omni_audio.model.generate import Generator
from omni_audio.model.request import GenerationRequest
from omni_audio.model.sequence import Mode, TokenSequence
from omni_audio.model.transformer import OmniModel


def drawn(events: Sequence[Event]) -> list[int]:
    """Every id and code in turn."""
    values: list[int] = []
    for event in events:
        if isinstance(event, AudioFrame):
            values += event.codes_K.tolist()
        elif isinstance(event, TextToken):
            values.append(event.id)
    return values


def answers(
    model: OmniModel, prompt: TokenSequence, seeds: Sequence[int], num_frames: int
) -> list[list[int]]:
    """What each seed draws, all of them answered at once."""
    generator = Generator(model, len(seeds))
    for slot, seed in enumerate(seeds):
        request = GenerationRequest(
            mode=Mode.REPLY_AUDIO, temperature=1.0, audio_temperature=1.0, seed=seed, max_frames=num_frames
        )
        generator.open(slot, prompt, request)
    events: list[list[Event]] = [[] for _ in seeds]
    while generator.streams:
        for event in generator.step():
            events[event.slot].append(event)
    return [drawn(one) for one in events]


def same_until(one: Sequence[int], other: Sequence[int]) -> int:
    """How many draws agree from the start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def compare(alone: list[list[int]], beside: list[list[int]]) -> dict[str, int | float | None]:
    """The figures of the last line."""
    changed = sum(one != other for one, other in zip(alone, beside, strict=True))
    draws = sum(same_until(one, other) for one, other in zip(alone, beside, strict=True)) + changed
    return {
        "answers": len(alone),
        "changed_answers": changed,
        "draws": draws,
        "draws_per_change": draws / changed if changed else None,
    }


def arguments() -> argparse.Namespace:
    parser = benchmark_parser(__doc__ or "", "tiny, 4 answers: seconds")
    add = parser.add_argument
    add("--preset", help="of configs/model; default: nano")
    add("--answers", type=int, help="default: 64")
    add("--streams", type=int, help="answered at once; default: 16")
    add("--frames", type=int, help="of an answer at most; default: 60")
    defaults = {"preset": ("nano", "tiny"), "answers": (64, 4), "streams": (16, 2), "frames": (60, 8)}
    return parse(parser, defaults, {"answers": 1, "streams": 2, "frames": 1})


def main() -> None:
    args = arguments()
    load = load_average()
    torch.set_num_threads(args.threads)
    model = speaking_model(args.preset)
    prompt = spoken_request(model, num_frames=25)
    alone: list[list[int]] = []
    beside: list[list[int]] = []
    with tqdm(total=args.answers, unit="answer", leave=False) as bar:
        for start in range(0, args.answers, args.streams):
            seeds = range(start, min(start + args.streams, args.answers))
            beside += answers(model, prompt, seeds, args.frames)
            for seed in seeds:
                alone += answers(model, prompt, [seed], args.frames)
                bar.update()
    line = {
        **compare(alone, beside),
        "streams": args.streams,
        "preset": args.preset,
        "num_frames": args.frames,
        **run_facts(args, load),
    }
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
