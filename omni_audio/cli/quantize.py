"""Writes the NF4 or int4 build of a build: the network's weights packed in 4 bits, look-up tables and tokenizer in 8.

Such a build loads without the full weights ever being in memory; every command takes it as it is, and it answers as the
full build does with 4-bit weights. NF4 is the smaller; int4 is the faster on a CPU, and for CPUs alone.
"""

import argparse
from pathlib import Path

from omni_audio.cli.arguments import check_overrides
from omni_audio.cli.builds import MODEL_NAME, TOKENIZER_NAME, require_build
from omni_audio.weight_quant.config import PACKED, NF4Config

KEY = "weight_quant.nf4."
EXAMPLES = """\
examples:
  omni-audio quantize builds/NAME --out builds/NAME-nf4
  omni-audio quantize builds/NAME --out builds/NAME-nf4 weight_quant.nf4.depth=false    the depth decoder stays
  omni-audio quantize builds/NAME --out builds/NAME-int4 --format int4
  omni-audio build-info builds/NAME-nf4                                                 bits a parameter, by module
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the build, the folder to write and what is to be packed."""
    parser.add_argument("build", type=Path, metavar="BUILD", help="a build of full weights")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--format", choices=list(PACKED), default=NF4Config.key, help="default: nf4")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="weight_quant.nf4.KEY=VALUE",
        help="of NF4: blocks, depth, heads (which linears), double_quant, tokenizer_int8: true or false, default true; "
        "tables: int8, bfloat16 or float32, default int8",
    )


def run(args: argparse.Namespace) -> int:
    """Writes one build and says how many bits its parameters take."""
    check_overrides(args.overrides)
    for word in args.overrides:
        if not word.startswith(KEY):
            raise ValueError(f"{word!r} is not a setting of quantize: write {KEY}KEY=VALUE")
    if args.overrides and args.format != NF4Config.key:
        raise ValueError(
            f"{args.overrides[0]!r} is a setting of NF4: leave it out, or --format {args.format}"
        )
    build = require_build(args.build)
    from omni_audio.config.load import load_config
    from omni_audio.model.packed_build import quantize_build
    from omni_audio.weight_quant.report import bits_report

    nf4 = load_config(args.overrides).weight_quant.nf4
    config = nf4 if args.format == NF4Config.key else PACKED[args.format]()
    quantize_build(build, args.out, config)
    rows = bits_report(args.out / MODEL_NAME, args.out / TOKENIZER_NAME).described()
    width = max(len(name) for name, _ in rows) + 2
    for name, line in rows:
        print(f"{name:<{width}}{line}")
    print(f"build: {args.out}")
    return 0
