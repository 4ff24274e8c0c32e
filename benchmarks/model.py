"""Our stack beside Hugging Face transformers' Mistral of equal shape, and beside what the machine can do at most.

Equal are width, layers, heads (no grouped queries), MLP width, vocabulary, window, number format and threads; weights
are random, positions are text: frames and the depth decoder have no counterpart and are left out. Our ring cache has
the pinned places besides the window, and its masks are part of the time; the first position of each row is pinned. Each
side counts by its fastest way (its kind of cache, its attention), which the table names. The ways run in turn, forwards
and backwards. Decode steps are timed behind as many positions as the window has, and behind the places of the cache and
a window more, where the ring has been gone round and pinned keys are met by turns of their own.

    prefill_vs_transformers     our time over theirs, the longest prompt, one row; below 1 we are faster
    decode_vs_transformers      the same of a decode step at batch 1 with a full window; target: at most 0.333
    long_decode_vs_transformers  the same behind the most positions
    train_step_vs_transformers  the same of forward, backward and AdamW at the training shape
    compiled_vs_transformers    with --compile: our compiled decode step at batch 1 over theirs as it is written
    compiled_vs_compiled        the same over theirs through torch.compile with a static cache
    compiled_int4_vs_transformers    with int4 weights (weight_quant=int4) instead; theirs is float32
    compiled_bandwidth_fraction      as bandwidth_fraction, of our compiled step
    nf4_vs_fp32_step            our decode step at batch 1 with NF4 weights over that with float32 ones
    nf4_bits_per_param          stored bits a parameter of the NF4 layers, all statistics included
    nf4_memory_ratio            stored bytes of the NF4 network, without a tokenizer, against 16 bit a parameter
    bandwidth_fraction          weight bytes of our decode step at batch 1 over its time, over the bandwidth measured in
                                the same run; weights that fit into the caches of the processor can pass 1
    compiled_train_vs_transformers   with --compile: our training step with compiled blocks over theirs as it is written
    compiled_train_vs_compiled       the same over theirs through torch.compile
    gemm_fraction               products with weights of our training step over its time, over the measured GEMM peak

The last line is JSON: these figures for the first preset, for all with the preset's name behind, and every case.

    python benchmarks/model.py --quick
    python benchmarks/model.py --preset nano medium --dtype float32 bfloat16
    python benchmarks/model.py --preset nano medium --compile
"""

import argparse
import json
import sys
from typing import Any

import torch
from tqdm import tqdm

from measuring import our_ways, their_ways
from measuring.command import benchmark_parser, load_average, parse, run_facts
from measuring.limits import bandwidth_case, gemm_case, nf4_stored, step_bytes, train_flops
from measuring.our_ways import OURS
from measuring.their_ways import THEIRS, mistral_like
from measuring.timing import Case, digits, time_ways
from measuring.untrained import Weights, drawn_ids, untrained_model, with_weights
from omni_audio.checks import import_optional
from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.evaluation.codec_speed import spread
from omni_audio.model.transformer import OmniModel

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
NF4_STEP, COMPILED, COMPILED_TRAIN = "nf4 step", "compiled step", "compiled train"
LONG_DECODE = "long_decode_vs_transformers"
HEADLINES = {
    "prefill_vs_transformers": ("prefill", "ratio"),
    "decode_vs_transformers": ("decode", "ratio"),
    LONG_DECODE: ("decode", "ratio"),
    "bandwidth_fraction": ("decode", "bandwidth_fraction"),
    "train_step_vs_transformers": ("train", "ratio"),
    "gemm_fraction": ("train", "gemm_fraction"),
    "compiled_vs_transformers": (COMPILED, "ratio"),
    "compiled_vs_compiled": (COMPILED, "compiled_vs_compiled"),
    "compiled_int4_vs_transformers": (COMPILED, "compiled_int4_vs_transformers"),
    "compiled_bandwidth_fraction": (COMPILED, "bandwidth_fraction"),
    "compiled_train_vs_transformers": (COMPILED_TRAIN, "ratio"),
    "compiled_train_vs_compiled": (COMPILED_TRAIN, "compiled_vs_compiled"),
    "nf4_vs_fp32_step": (NF4_STEP, "nf4_vs_fp32_step"),
    "nf4_vs_bf16_step": (NF4_STEP, "nf4_vs_bf16_step"),
    "nf4_bits_per_param": (NF4_STEP, "nf4_bits_per_param"),
    "nf4_memory_ratio": (NF4_STEP, "nf4_memory_ratio"),
}


def finished(kind: str, facts: dict[str, Any], times_ms: dict[tuple[str, str], list[float]]) -> Case:
    case = Case(kind, facts, times_ms)
    case.figures["ratio"] = case.ratio(OURS, THEIRS)
    return case


def measure_prefill(model: OmniModel, peer: Any, dtype: str, length: int, repeats: int) -> Case:
    """`model` and `peer` have weights of this format."""
    ids_BT = drawn_ids(model, 1, length)
    ways = [our_ways.prefill_way(model, ids_BT, DTYPES[dtype]), their_ways.prefill_way(peer, ids_BT)]
    case = finished("prefill", {"dtype": dtype, "length": length}, time_ways(ways, repeats))
    for side in (OURS, THEIRS):
        case.figures[f"{side}_tokens_per_s"] = 1000 * length / case.median_ms(side)
    return case


def measure_decode(
    model: OmniModel, peer: Any, dtype: str, batch: int, context: int, num_steps: int, repeats: int
) -> Case:
    """`model` and `peer` have weights of this format."""
    ids_BT = drawn_ids(model, batch, context)
    ways = [our_ways.decode_way(model, ids_BT, num_steps, DTYPES[dtype])]
    ways += their_ways.decode_ways(peer, ids_BT, num_steps)
    facts = {"dtype": dtype, "batch": batch, "context": context, "weight_bytes": step_bytes(model)}
    return finished("decode", facts, time_ways(ways, repeats))


def measure_compiled(
    model: OmniModel, peer: Any, batch: int, context: int, num_steps: int, repeats: int
) -> Case:
    """Decode steps in float32 as written and compiled, ours also with int4 weights; each is a side of its own."""
    ids_BT = drawn_ids(model, batch, context)
    packed = with_weights(model, Weights.INT4)
    ways = [
        our_ways.compiled_way(model, ids_BT, num_steps, "compiled"),
        *their_ways.decode_ways(peer, ids_BT, num_steps),
    ]
    for side, way in (
        ("ours, as written", our_ways.decode_way(model, ids_BT, num_steps, torch.float32)),
        (f"{THEIRS}, compiled", their_ways.compiled_way(peer, ids_BT, num_steps, "compiled, static cache")),
        ("ours, int4", our_ways.compiled_way(packed, ids_BT, num_steps, "compiled")),
    ):
        way.side = side
        ways.append(way)
    facts = {"dtype": "float32", "batch": batch, "context": context, "weight_bytes": step_bytes(model)}
    case = finished(COMPILED, facts, time_ways(ways, repeats))
    case.figures["compiled_vs_compiled"] = case.ratio(OURS, f"{THEIRS}, compiled")
    case.figures["compiled_int4_vs_transformers"] = case.ratio("ours, int4", THEIRS)
    case.figures["compiled_vs_written"] = case.ratio(OURS, "ours, as written")
    return case


def measure_train(model: OmniModel, peer: Any, dtype: str, rows: int, length: int, repeats: int) -> Case:
    """Both with float32 weights; bfloat16 is autocast, as in training."""
    ids_BT = drawn_ids(model, rows, length)
    ways = our_ways.train_ways(model, ids_BT, DTYPES[dtype])
    ways += their_ways.train_ways(peer, ids_BT, DTYPES[dtype])
    facts = {"dtype": dtype, "rows": rows, "length": length, "flops": train_flops(model, ids_BT.numel())}
    return finished("train", facts, time_ways(ways, repeats))


def measure_compiled_train(
    model: OmniModel, peer: Any, dtype: str, rows: int, length: int, repeats: int
) -> Case:
    """Training steps as written and compiled; theirs compiled is a side of its own."""
    ids_BT = drawn_ids(model, rows, length)
    ours = our_ways.compiled_train_way(model, ids_BT, DTYPES[dtype])
    theirs = their_ways.compiled_train_way(peer, ids_BT, DTYPES[dtype])
    theirs.side = f"{THEIRS}, compiled"
    written = their_ways.train_ways(peer, ids_BT, DTYPES[dtype])
    facts = {"dtype": dtype, "rows": rows, "length": length, "flops": train_flops(model, ids_BT.numel())}
    case = finished(COMPILED_TRAIN, facts, time_ways([ours, theirs, *written], repeats))
    case.figures["compiled_vs_compiled"] = case.ratio(OURS, theirs.side)
    return case


def measure_nf4(model: OmniModel, batch: int, context: int, num_steps: int, repeats: int) -> Case:
    """Our decode step with each format of weights; each is a side of its own."""
    ids_BT = drawn_ids(model, batch, context)
    ways, facts = [], {"batch": batch, "context": context}
    for weights in (Weights.FLOAT32, Weights.BFLOAT16, Weights.NF4):
        dtype = torch.bfloat16 if weights is Weights.BFLOAT16 else torch.float32
        own = with_weights(model, weights)
        way = our_ways.decode_way(own, ids_BT, num_steps, dtype)
        way.side = weights.value
        ways.append(way)
        facts[f"{weights.value}_weight_bytes"] = step_bytes(own)
    case = Case(NF4_STEP, facts, time_ways(ways, repeats))
    for other, name in ((Weights.FLOAT32, "fp32"), (Weights.BFLOAT16, "bf16")):
        case.figures[f"nf4_vs_{name}_step"] = case.ratio(Weights.NF4.value, other.value)
    bits, case.figures["nf4_memory_ratio"] = nf4_stored(model)
    case.figures["nf4_bits_per_param"] = bits
    return case


def add_limits(cases: list[Case]) -> None:
    """Puts decode steps beside the bandwidth, and training steps beside the GEMM peak, of the same run."""
    bandwidth = max(case.figures["gb_per_s"] for case in cases if case.kind == "memory bandwidth")
    peaks = {case.facts["dtype"]: case.figures["gflops"] for case in cases if case.kind == "gemm peak"}
    for case in cases:
        if case.kind in ("decode", COMPILED):
            least_ms = case.facts["weight_bytes"] / bandwidth / 1e6
            case.figures["bandwidth_fraction"] = least_ms / case.median_ms(OURS)
        elif case.kind in ("train", COMPILED_TRAIN):
            least_ms = case.facts["flops"] / peaks[case.facts["dtype"]] / 1e6
            case.figures["gemm_fraction"] = least_ms / case.median_ms(OURS)


def measure_preset(preset: str, args: argparse.Namespace) -> list[Case]:
    """Every case of one preset, and the limits before and after them."""
    model = untrained_model(preset, hears_states=False)
    peer = mistral_like(model)
    shape = model.config
    contexts = args.contexts or [shape.window, shape.num_places + shape.window]
    cases = [bandwidth_case(args.bandwidth_mib, args.repeats)]
    bar = tqdm(desc=preset, unit="case", leave=False)

    def add(case: Case) -> None:
        cases.append(case)
        bar.update()

    for dtype in args.dtype:
        add(gemm_case(args.gemm_size, DTYPES[dtype], args.repeats))
        ours = with_weights(model, Weights(dtype))
        theirs = peer.to(DTYPES[dtype])
        for length in [] if args.no_train else args.lengths:
            add(measure_prefill(ours, theirs, dtype, length, args.repeats))
        for context in contexts:
            for batch in args.batches:
                add(measure_decode(ours, theirs, dtype, batch, context, args.steps, args.repeats))
        peer = peer.float()
    if args.compile:
        for batch in args.batches:
            add(measure_compiled(model, peer, batch, contexts[0], args.steps, args.repeats))
    if not args.no_nf4:
        add(measure_nf4(model, 1, contexts[0], args.steps, args.repeats))
    for dtype in [] if args.no_train else args.dtype:
        for rows, length in args.shapes:
            add(measure_train(model, peer, dtype, rows, length, args.train_repeats))
        if args.compile:
            rows, length = args.shapes[0]
            add(measure_compiled_train(model, peer, dtype, rows, length, args.train_repeats))
    cases.append(bandwidth_case(args.bandwidth_mib, args.repeats))
    bar.close()
    add_limits(cases)
    return cases


def headline(cases: list[Case]) -> dict[str, float]:
    """The named figures: of the first format; the longest prompt, batch 1, the first context (or longest) and shape."""
    line: dict[str, float] = {}
    for name, (kind, figure) in HEADLINES.items():
        found = [case for case in cases if case.kind == kind]
        if not found:
            continue
        same = [case for case in found if case.facts.get("dtype") == found[0].facts.get("dtype")]
        if kind == "prefill":
            chosen = max(same, key=lambda case: case.facts["length"])
        elif name == LONG_DECODE:
            chosen = min(same, key=lambda case: (case.facts["batch"], -case.facts["context"]))
        elif kind in ("decode", COMPILED):
            chosen = min(same, key=lambda case: case.facts["batch"])
        else:
            chosen = same[0]
        line[name] = digits(chosen.figures[figure])
    return line


def table(preset: str, cases: list[Case]) -> str:
    """A row for each case: milliseconds with quartiles of both sides by their fastest ways, ratio, other figures."""
    rows = []
    for case in cases:
        facts = ", ".join(f"{k} {v}" for k, v in case.facts.items() if k not in ("weight_bytes", "flops"))
        sides = list(dict.fromkeys(side for side, _ in case.times_ms))
        cells = []
        for side in sides:
            best = case.best(side)
            found = spread(case.times_ms[best])
            cells.append(f"{' '.join(best)}: {found['median']:g} [{found['q1']:g}, {found['q3']:g}]")
        figures = ", ".join(f"{name} {digits(value):g}" for name, value in case.figures.items())
        rows.append([preset, case.kind, facts, "; ".join(cells), figures])
    return markdown_table(["preset", "case", "of", "ms, median [quartiles]", "figures"], rows)


def shape_of(text: str) -> tuple[int, int]:
    """ROWSxLENGTH."""
    rows, cross, length = text.partition("x")
    if not (cross and rows.isdecimal() and length.isdecimal() and int(rows) > 0 and int(length) > 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: expected ROWSxLENGTH, as 12x128")
    return int(rows), int(length)


def arguments() -> argparse.Namespace:
    parser = benchmark_parser(__doc__ or "", "nano, one case of each kind, few repeats: seconds")
    add = parser.add_argument
    add("--preset", nargs="+", help="of configs/model; default: nano medium")
    add("--dtype", nargs="+", choices=DTYPES, default=["float32"], help="default: float32")
    add("--batches", type=int, nargs="+", help="of decoding; default: 1 4 8 16")
    add(
        "--contexts",
        type=int,
        nargs="+",
        help="positions fed before; default: the window, and places and window",
    )
    add("--lengths", type=int, nargs="+", help="of prompts; default: 128 512 1536")
    add("--shapes", type=shape_of, nargs="+", help="of training; default: 12x128 4x384 2x768")
    add("--steps", type=int, help="of decoding in a repeat; default: 16")
    add("--repeats", type=int, help="default: 15")
    add("--train-repeats", type=int, help="default: 5")
    add("--compile", action="store_true", help="adds compiled steps, which take minutes to make")
    add("--no-train", action="store_true", help="leaves prefill and training out")
    add("--no-nf4", action="store_true", help="leaves the NF4 step out")
    defaults = {
        "preset": (["nano", "medium"], ["nano"]),
        "batches": ([1, 4, 8, 16], [1]),
        "lengths": ([128, 512, 1536], [128]),
        "shapes": ([(12, 128), (4, 384), (2, 768)], [(4, 64)]),
        "steps": (16, 4),
        "repeats": (15, 5),
        "train_repeats": (5, 2),
    }
    args = parse(
        parser,
        defaults,
        {"steps": 1, "batches": 1, "contexts": 1, "lengths": 1, "repeats": 2, "train_repeats": 2},
    )
    args.bandwidth_mib, args.gemm_size = (64, 512) if args.quick else (512, 2048)
    return args


def main() -> None:
    args = arguments()
    load = load_average()
    try:
        import_optional("transformers", their_ways.WANTED_FOR)
    except ValueError as error:
        sys.exit(f"error: {error}")
    torch.set_num_threads(args.threads)
    line: dict[str, Any] = {}
    cases: list[dict[str, Any]] = []
    for preset in args.preset:
        found = measure_preset(preset, args)
        print(table(preset, found), flush=True)
        figures = headline(found)
        line = line or dict(figures)
        line |= {f"{name}_{preset}": value for name, value in figures.items()}
        cases += [{"preset": preset, **case.plain()} for case in found]
    line |= {
        "dtype": args.dtype[0],
        "repeats": args.repeats,
        **run_facts(args, load, ("torch", "transformers", "bitsandbytes")),
        "cases": cases,
    }
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
