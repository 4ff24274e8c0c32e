"""How many spoken replies one Generator gives in real time, and what one more of them costs.

Every stream has heard a spoken request and answers with sound; each step gives each stream one frame of 80 ms (its text
is one id), so that a step of more than 80 ms is too slow for all. The number of streams doubles until the 95th
percentile of the step time passes 80 ms, and the interval is then halved. The network is untrained, of the size of a
preset: time and memory do not depend on what the weights know. A step is the network's and the sound of every stream,
made as the server makes it: the frames of all go through the vocoder in one pass. Sound stays at speed 1; encoding and
sending it is not in it.

    streams                   the largest number measured whose p95 step time is at most 80 ms; 0 where none was
    reached_limit             false where --max-streams ended the search
    p95_step_ms               by number of streams; median_step_ms likewise
    first_audio_ms            by number of streams: from the opening of one more reply to its first sound, median
    cache_mib_per_stream      keys, values and places of a slot
    marginal_mib_per_stream   resident memory of the most streams less that of the fewest, by stream

The last line is JSON.

    python benchmarks/bench_streams.py --quick
    python benchmarks/bench_streams.py --preset nano
    python benchmarks/bench_streams.py --preset nano --compile --int4
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from measuring.command import benchmark_parser, load_average, parse, run_facts
from measuring.resident import rss_mib
from measuring.speaking import (
    frames_of_step,
    new_decoder,
    open_reply,
    sound_of_frames,
    speaking_model,
    spoken_request,
    untrained_tokenizer,
)
from measuring.timing import digits, percentile
from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.model.compiled import CompiledSteps
from omni_audio.model.generate import Generator
from omni_audio.model.kv_store import KVFormat
from omni_audio.model.piece_decoder import PieceDecoder
from omni_audio.model.sequence import TokenSequence
from omni_audio.model.transformer import OmniModel
from omni_audio.weight_quant.int4 import pack_model

FRAME_MS = 80.0


@dataclass(slots=True)
class StreamFigures:
    """What was measured with this many live streams; memory is None where the system does not tell it."""

    num_streams: int
    step_ms: list[float]
    first_audio_ms: list[float]
    cache_mib: float
    rss_mib: float | None

    @property
    def p95_step_ms(self) -> float:
        return percentile(self.step_ms, 95)


def first_audio_ms(
    generator: Generator, slot: int, prompt: TokenSequence, decoders: dict[int, PieceDecoder]
) -> float:
    """Opens a reply in a free slot beside the others and steps until its first sound."""
    start = time.perf_counter()
    open_reply(generator, slot, prompt)
    decoders[slot] = new_decoder(decoders[slot].tokenizer)
    while slot not in sound_of_frames(decoders, frames_of_step(generator)):
        pass
    return (time.perf_counter() - start) * 1000


def measure(
    model: OmniModel,
    num_streams: int,
    prompt: TokenSequence,
    num_steps: int,
    num_openings: int,
    kv_format: KVFormat = KVFormat.float32,
    steps: CompiledSteps | None = None,
) -> StreamFigures:
    """A generator of as many slots, all of them answering."""
    tokenizer = untrained_tokenizer(model)
    generator = Generator(model, num_slots=num_streams, kv_format=kv_format, steps=steps)
    decoders = {slot: new_decoder(tokenizer) for slot in range(num_streams)}
    for slot in decoders:
        open_reply(generator, slot, prompt)
    for _ in range(3):
        sound_of_frames(decoders, frames_of_step(generator))
    step_ms = []
    for _ in range(num_steps):
        start = time.perf_counter()
        made = sound_of_frames(decoders, frames_of_step(generator))
        step_ms.append((time.perf_counter() - start) * 1000)
        assert len(made) == num_streams, "each step gives each stream a frame"
    resident = rss_mib()
    openings_ms = []
    for _ in range(num_openings):
        generator.close(num_streams - 1)
        openings_ms.append(first_audio_ms(generator, num_streams - 1, prompt, decoders))
    found = StreamFigures(num_streams, step_ms, openings_ms, generator.cache.num_bytes / 2**20, resident)
    del generator
    gc.collect()
    return found


def raise_streams(
    measure_one: Callable[[int], StreamFigures], max_streams: int, limit_ms: float = FRAME_MS
) -> tuple[list[StreamFigures], bool]:
    """Doubles the number until the p95 step time passes the limit, then halves the interval down to an eighth.

    Returns:
        What was measured, by number of streams, and whether the limit was passed.
    """
    found: dict[int, StreamFigures] = {}
    good, number, bad = 0, 1, None
    while bad is None and number <= max_streams:
        found[number] = measure_one(number)
        if found[number].p95_step_ms > limit_ms:
            bad = number
        else:
            good, number = number, min(2 * number, max(max_streams, number + 1))
    while bad is not None and bad - good > max(1, good // 8):
        middle = (good + bad) // 2
        found[middle] = measure_one(middle)
        if found[middle].p95_step_ms > limit_ms:
            bad = middle
        else:
            good = middle
    return [found[number] for number in sorted(found)], bad is not None


def figures(found: list[StreamFigures], reached_limit: bool, limit_ms: float = FRAME_MS) -> dict[str, Any]:
    """The last line's figures; memory that was not told is left out."""
    within = [one.num_streams for one in found if one.p95_step_ms <= limit_ms]
    line: dict[str, Any] = {
        "streams": max(within, default=0),
        "reached_limit": reached_limit,
        "limit_ms": limit_ms,
    }
    fewest, most = found[0], found[-1]
    more = most.num_streams - fewest.num_streams
    if more > 0 and most.rss_mib is not None and fewest.rss_mib is not None:
        line["marginal_mib_per_stream"] = digits((most.rss_mib - fewest.rss_mib) / more)
    line["cache_mib_per_stream"] = digits(most.cache_mib / most.num_streams)
    for name, value_of in (
        ("p95_step_ms", lambda one: one.p95_step_ms),
        ("median_step_ms", lambda one: statistics.median(one.step_ms)),
        ("first_audio_ms", lambda one: statistics.median(one.first_audio_ms)),
        ("rss_mib", lambda one: one.rss_mib),
    ):
        values = {str(one.num_streams): value_of(one) for one in found}
        line[name] = {number: digits(value) for number, value in values.items() if value is not None}
    return line


def table(line: dict[str, Any]) -> str:
    """A row for each number of streams."""
    names = [name for name in ("median_step_ms", "p95_step_ms", "first_audio_ms", "rss_mib") if line[name]]
    rows = [[number, *(f"{line[name][number]:g}" for name in names)] for number in line["p95_step_ms"]]
    return markdown_table(["streams", *names], rows)


def arguments() -> argparse.Namespace:
    parser = benchmark_parser(__doc__ or "", "at most 4 streams, few steps: seconds")
    add = parser.add_argument
    add("--preset", default="nano", help="of configs/model; default: nano")
    add("--max-streams", type=int, help="where the search ends at the latest; default: 256")
    add("--steps", type=int, help="timed at each number of streams; default: 100")
    add("--openings", type=int, help="timed at each number of streams; default: 5")
    add("--request-s", type=float, default=4.0, help="seconds of the heard request; default: 4")
    add("--kv-format", default="float32", choices=[kind.name for kind in KVFormat], help="default: float32")
    add("--int4", action="store_true", help="packed 4-bit weights (weight_quant=int4)")
    add("--compile", action="store_true", help="compiled steps; each number of streams takes minutes to make")
    defaults = {"max_streams": (256, 4), "steps": (100, 10), "openings": (5, 2)}
    return parse(
        parser, defaults, {"max_streams": 1, "steps": 1, "openings": 1, "request_s": FRAME_MS / 1000}
    )


def main() -> None:
    args = arguments()
    load = load_average()
    torch.set_num_threads(args.threads)
    model = speaking_model(args.preset)
    if args.int4:
        pack_model(model)
    steps = CompiledSteps(model) if args.compile else None
    kv_format = KVFormat[args.kv_format]
    prompt = spoken_request(model, int(args.request_s * 1000 / FRAME_MS))
    found, reached_limit = raise_streams(
        lambda number: measure(model, number, prompt, args.steps, args.openings, kv_format, steps),
        args.max_streams,
    )
    line = figures(found, reached_limit)
    print(table(line))
    line |= {
        "preset": args.preset,
        "request_s": args.request_s,
        "num_steps": args.steps,
        "kv_format": args.kv_format,
        "int4": args.int4,
        "compile": args.compile,
        **run_facts(args, load),
    }
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
