"""Where the time of prefill, decode step and training step of our stack goes: torch's profiler, by operator.

The same work as in benchmarks/model.py, in float32. Shares are of the operators' own time on the CPU; a row of products
is what a faster matrix product could save, the others what fewer or fused operators could.

    products_share_CASE   share of matrix products (mm, addmm, bmm, their packed forms) in decode, prefill and train
    operators_CASE        how many operators ran, of one step

The last line is JSON.

    python benchmarks/operators.py --quick
    python benchmarks/operators.py --preset nano medium
"""

import argparse
import json
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from measuring import our_ways
from measuring.command import benchmark_parser, load_average, parse, run_facts
from measuring.timing import Way, digits
from measuring.untrained import drawn_ids, untrained_model
from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.model.transformer import OmniModel

PRODUCTS = (
    "aten::mm",
    "aten::addmm",
    "aten::bmm",
    "aten::baddbmm",
    "aten::_scaled_dot_product_flash_attention_for_cpu",
)


def cases(model: OmniModel, length: int, rows: int) -> dict[str, Way]:
    """Case -> the way that is profiled: one prompt, one row behind a full window, and a batch of documents."""
    return {
        "decode": our_ways.decode_way(model, drawn_ids(model, 1, model.config.window), 1, torch.float32),
        "prefill": our_ways.prefill_way(model, drawn_ids(model, 1, length), torch.float32),
        "train": our_ways.train_ways(model, drawn_ids(model, rows, length), torch.float32)[0],
    }


def own_times(way: Way, repeats: int) -> dict[str, tuple[float, float]]:
    """Operator -> milliseconds of its own and calls, of one step; the first step is not kept."""
    way.prepare()
    way.run()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(repeats):
            way.prepare()
            way.run()
    return {
        event.key: (event.self_cpu_time_total / 1000 / repeats, event.count / repeats)
        for event in seen.key_averages()
    }


def products_share(times: dict[str, tuple[float, float]]) -> float:
    """Of matrix products in all of the time."""
    return sum(times[name][0] for name in PRODUCTS if name in times) / sum(ms for ms, _ in times.values())


def table(preset: str, case: str, times: dict[str, tuple[float, float]], num_rows: int) -> str:
    """The operators that take most."""
    total_ms = sum(ms for ms, _ in times.values())
    most = sorted(times.items(), key=lambda item: -item[1][0])[:num_rows]
    rows = [
        [preset, case, name, f"{ms:.3f}", f"{100 * ms / total_ms:.1f}", f"{calls:g}"]
        for name, (ms, calls) in most
    ]
    return markdown_table(["preset", "case", "operator", "ms of a step", "% of all", "calls"], rows)


def arguments() -> argparse.Namespace:
    parser = benchmark_parser(__doc__ or "", "nano, short and few: seconds")
    add = parser.add_argument
    add("--preset", nargs="+", help="of configs/model; default: nano medium")
    add("--length", type=int, help="of the prompt and of the rows in training; default: 128")
    add("--rows", type=int, help="in training; default: 12")
    add("--repeats", type=int, help="default: 10")
    add("--show", type=int, default=12, help="rows of each table; default: 12")
    defaults = {
        "preset": (["nano", "medium"], ["nano"]),
        "length": (128, 32),
        "rows": (12, 2),
        "repeats": (10, 2),
    }
    return parse(parser, defaults, {"length": 2, "rows": 1, "repeats": 1, "show": 1})


def main() -> None:
    args = arguments()
    load = load_average()
    torch.set_num_threads(args.threads)
    line: dict[str, Any] = {}
    for preset in args.preset:
        model = untrained_model(preset, hears_states=False)
        for case, way in cases(model, args.length, args.rows).items():
            times = own_times(way, args.repeats)
            print(table(preset, case, times, args.show), end="\n\n", flush=True)
            figures = {
                f"products_share_{case}": digits(products_share(times)),
                f"operators_{case}": round(sum(calls for _, calls in times.values())),
            }
            line = figures | line | {f"{name}_{preset}": value for name, value in figures.items()}
    print(json.dumps({**line, "repeats": args.repeats, **run_facts(args, load)}, allow_nan=False))


if __name__ == "__main__":
    main()
