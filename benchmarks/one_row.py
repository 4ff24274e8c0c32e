"""Products of one row with a weight matrix, as a decode step of one stream makes them: number formats beside float32.

What a format costs in time, bits and error is measured on the same random matrices, in turn. Each way goes through
--pool-mib of float32 weights, as a step goes through layers; what small formats make of them may stay in the caches.

    WAY_over_fp32     time of a product over that of torch's float32 linear, mean over the shapes; below 1 is faster
    WAY_bits          bits a weight takes, scales included
    WAY_error         relative error of the products, root mean square, against float32

    bf16    torch's linear in bfloat16
    nf4     bitsandbytes, double quantisation: what --nf4 and NF4 builds use
    int8    torch's packed 8-bit weights, one scale a row of the matrix
    int4_N  torch's packed 4-bit weights, a scale and a zero for each N weights; 64: what weight_quant=int4 uses

The last line is JSON.

    python benchmarks/one_row.py --quick
    python benchmarks/one_row.py --shapes 256x1408 704x3584 1024x1024 2048x2048
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from measuring.command import benchmark_parser, load_average, parse, run_facts
from measuring.timing import Case, Way, digits, time_ways
from omni_audio.evaluation.codec_report import markdown_table
from omni_audio.weight_quant.config import NF4Config
from omni_audio.weight_quant.int4 import Int4Codes
from omni_audio.weight_quant.nf4 import quantize_model, weight_bytes

aten = torch.ops.aten


@dataclass(slots=True)
class Format:
    """Weights (out, in) in one number format: the product with a row (1, in), and the bytes that they take."""

    product: Callable[[Tensor], Tensor]
    num_bytes: int


def float32(weight: Tensor) -> Format:
    return Format(lambda row: F.linear(row, weight), weight.nbytes)


def bfloat16(weight: Tensor) -> Format:
    half = weight.bfloat16()
    return Format(lambda row: F.linear(row.bfloat16(), half), half.nbytes)


def int8(weight: Tensor) -> Format:
    scales = (weight.abs().amax(1) / 127).bfloat16()
    packed = (weight / scales.float()[:, None]).round().clamp(-127, 127).to(torch.int8)
    return Format(
        lambda row: aten._weight_int8pack_mm(row.bfloat16(), packed, scales), packed.nbytes + scales.nbytes
    )


def int4(group: int, weight: Tensor) -> Format:
    packed, facts = Int4Codes.of(weight, group).packed()
    return Format(
        lambda row: aten._weight_int4pack_mm_for_cpu(row.bfloat16(), packed, group, facts),
        packed.nbytes + facts.nbytes,
    )


def nf4(weight: Tensor) -> Format:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight.data.copy_(weight)
    holder = nn.ModuleDict({"blocks": nn.Sequential(linear)})
    quantize_model(holder, NF4Config())
    return Format(holder["blocks"], weight_bytes(holder))


FORMATS: dict[str, Callable[[Tensor], Format]] = {
    "fp32": float32,
    "bf16": bfloat16,
    "nf4": nf4,
    "int8": int8,
    "int4_32": partial(int4, 32),
    "int4_64": partial(int4, 64),
}


@torch.no_grad()
def measure(shape: tuple[int, int], pool_mib: float, repeats: int) -> Case:
    """Every format on the same matrices; figures are by way."""
    inputs, outputs = shape
    num_matrices = max(1, math.ceil(pool_mib * 2**18 / (inputs * outputs)))
    weights = [torch.randn(outputs, inputs) / inputs**0.5 for _ in range(num_matrices)]
    row = torch.randn(1, inputs)
    expected = torch.stack([F.linear(row, weight) for weight in weights])
    made = {name: [form(weight) for weight in weights] for name, form in FORMATS.items()}
    ways = [
        Way(name, "product", _through(forms, row), num_steps=num_matrices) for name, forms in made.items()
    ]
    case = Case("one row", {"inputs": inputs, "outputs": outputs}, time_ways(ways, repeats, warm_up=2))
    for name, forms in made.items():
        got = torch.stack([form.product(row).float() for form in forms])
        case.figures[f"{name}_over_fp32"] = case.ratio(name, "fp32")
        case.figures[f"{name}_bits"] = 8 * forms[0].num_bytes / (inputs * outputs)
        case.figures[f"{name}_error"] = float((got - expected).norm() / expected.norm())
    return case


def _through(forms: list[Format], row: Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            for form in forms:
                form.product(row)

    return run


def figures(cases: list[Case]) -> dict[str, float]:
    """The last line's figures: means over the shapes, of ratios geometric ones."""
    found = {}
    for name in list(FORMATS)[1:]:
        ratios = [case.figures[f"{name}_over_fp32"] for case in cases]
        found[f"{name}_over_fp32"] = digits(statistics.geometric_mean(ratios))
        for kind in ("bits", "error"):
            found[f"{name}_{kind}"] = digits(
                statistics.mean(case.figures[f"{name}_{kind}"] for case in cases)
            )
    return found


def table(cases: list[Case]) -> str:
    """Microseconds of a product, by shape and format."""
    rows = [
        [f"{case.facts['inputs']} x {case.facts['outputs']}"]
        + [f"{1000 * case.median_ms(name):.0f} ({case.figures[f'{name}_over_fp32']:.2f})" for name in FORMATS]
        for case in cases
    ]
    return markdown_table(["us (over fp32)", *FORMATS], rows)


def shape_of(text: str) -> tuple[int, int]:
    """INPUTSxOUTPUTS."""
    inputs, cross, outputs = text.partition("x")
    if not (cross and inputs.isdecimal() and outputs.isdecimal() and int(inputs) % 64 == 0 < int(inputs)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed: expected INPUTSxOUTPUTS, inputs a multiple of 64, as 256x1408"
        )
    if int(outputs) % 64 or int(outputs) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed: expected outputs that are a multiple of 64"
        )
    return int(inputs), int(outputs)


def arguments() -> argparse.Namespace:
    parser = benchmark_parser(__doc__ or "", "two small shapes, few repeats: seconds")
    add = parser.add_argument
    add("--shapes", type=shape_of, nargs="+", help="default: 256x1408 704x3584 1024x1024 2048x2048")
    add("--pool-mib", type=float, default=64.0, help="float32 weights that a way goes through; default: 64")
    add("--repeats", type=int, help="default: 21")
    whole = [(256, 1408), (704, 3584), (1024, 1024), (2048, 2048)]
    defaults = {"shapes": (whole, [(256, 256), (256, 1408)]), "repeats": (21, 3)}
    return parse(parser, defaults, {"repeats": 2, "pool_mib": 0.0})


def main() -> None:
    args = arguments()
    load = load_average()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    cases = [measure(shape, args.pool_mib, args.repeats) for shape in args.shapes]
    print(table(cases))
    line = {
        **figures(cases),
        "pool_mib": args.pool_mib,
        "repeats": args.repeats,
        **run_facts(args, load, ("torch", "bitsandbytes")),
        "cases": [case.plain() for case in cases],
    }
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
