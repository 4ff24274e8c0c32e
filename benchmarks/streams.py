"""How many spoken replies one Generator gives in real time, and what one more of them costs.

Measured as `omni_audio/evaluation/streams.py` says, with the untrained network of a preset. Steps are those of full
rings: each stream has heard the request so often that at least the places of its cache and a window more are behind it.
The time to the first sound is of the request heard once. Sound stays at speed 1; encoding and sending it is not in it.

    streams                   the largest number measured whose p95 step time is at most 80 ms; 0 where none was
    reached_limit             false where --max-streams ended the search
    p95_step_ms               by number of streams; median_step_ms likewise
    step_16_vs_1              median step at 16 streams over that at 1; target: at most 4; null where --max-streams is
                              below 16, else 16 is measured even where fewer are too slow
    first_audio_ms            by number of streams: from the opening of one more reply to its first sound, median
    cache_mib_per_stream      keys, values and places of a slot
    marginal_mib_per_stream   resident memory of the most streams less that of the fewest, by stream

The last line is JSON.

    python benchmarks/streams.py --quick
    python benchmarks/streams.py --preset nano
    python benchmarks/streams.py --preset nano --compile --int4
"""

import argparse
import json
import statistics
from collections.abc import Callable
from typing import Any

import torch

from measuring.command import benchmark_parser, load_average, parse, run_facts
from measuring.speaking import small_text, speaking_model, spoken_request, untrained_tokenizer
from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.evaluation.results import digits
from omni_audio.evaluation.streams import (
    FRAME_MS,
    StreamFigures,
    filling_request,
    measure_streams,
    raise_streams,
    stream_line,
)
from omni_audio.model.compiled import CompiledSteps
from omni_audio.model.kv_store import KVFormat
from omni_audio.model.sequence import TokenSequence
from omni_audio.model.transformer import OmniModel
from omni_audio.weight_quant.int4 import pack_model

MANY = 16
"""The number of streams whose step is put beside that of one."""


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
    tokenizer, text = untrained_tokenizer(model), small_text()
    return measure_streams(
        model, tokenizer, text, num_streams, prompt, num_steps, num_openings, kv_format, steps
    )


def search(
    measure_one: Callable[[int], StreamFigures], max_streams: int, limit_ms: float = FRAME_MS
) -> tuple[list[StreamFigures], bool]:
    """As raise_streams(); 16 streams are measured in any case where so many are allowed."""
    found, reached_limit = raise_streams(measure_one, max_streams, limit_ms)
    if max_streams >= MANY and all(one.num_streams != MANY for one in found):
        found = sorted([*found, measure_one(MANY)], key=lambda one: one.num_streams)
    return found, reached_limit


def step_16_vs_1(found: list[StreamFigures]) -> float | None:
    """Median step at 16 streams over that at 1; None where 16 was not measured."""
    median_ms = {one.num_streams: statistics.median(one.step_ms) for one in found}
    return digits(median_ms[MANY] / median_ms[1]) if MANY in median_ms else None


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
    found, reached_limit = search(
        lambda number: measure(model, number, prompt, args.steps, args.openings, kv_format, steps),
        args.max_streams,
    )
    line = stream_line(found, reached_limit)
    print(table(line))
    line |= {
        "preset": args.preset,
        "step_16_vs_1": step_16_vs_1(found),
        "request_s": args.request_s,
        "heard_positions": len(filling_request(model, prompt)),
        "num_steps": args.steps,
        "kv_format": args.kv_format,
        "int4": args.int4,
        "compile": args.compile,
        **run_facts(args, load),
    }
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
