"""Memory that loading takes: an NF4 or int4 build, against a full build packed while loading, and as it is.

Weights are random: memory and time do not depend on what they know. Each build is loaded in a process of its own, which
imports all that it needs before it begins.

    load_peak_rss_mib     most resident memory of that process (resource.getrusage), imports included
    final_rss_mib         resident memory after loading
    ratio                 the one over the other; target: at most 1.3
    nf4_bits_per_param    stored bits a parameter of the NF4 layers, all statistics included; with --format int4
                          these three are called int4_
    nf4_memory_ratio      stored bytes of the whole packed build, tokenizer included, against 16 bit a parameter
    nf4_network_ratio     the same without the tokenizer

The last line is JSON; its figures without a prefix are of the packed build.

    python benchmarks/nf4_load.py --quick
    python benchmarks/nf4_load.py --preset large
    python benchmarks/nf4_load.py --format int4
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from omni_audio.evaluation.resident import rss_mib

FULL, NF4 = "full", "nf4"


def rows_of(packed: str) -> dict[str, tuple[str, str, str]]:
    """What is measured, by its key of the last line: a name, the folder and weight_quant."""
    return {
        f"{packed}_build": (f"{packed} build", packed, "none"),
        "packed_while_loading": ("full build, packed while loading", FULL, packed),
        "full": ("full build", FULL, "none"),
    }


def peak_rss_mib() -> float:
    """Most resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def make_builds(preset: str, packed: str, folder: Path) -> dict[str, Any]:
    """Writes a full build of random weights and its packed build; figures of what they store."""
    import torch

    from omni_audio.config.load import load_config
    from omni_audio.model.build import MODEL_WEIGHTS, TOKENIZER_WEIGHTS, save_build
    from omni_audio.model.packed_build import quantize_build
    from omni_audio.model.text import TextTokenizer
    from omni_audio.model.transformer import OmniModel
    from omni_audio.tokenizer.tokenizer import AudioTokenizer
    from omni_audio.weight_quant.config import PACKED
    from omni_audio.weight_quant.report import bits_report

    torch.manual_seed(0)
    config = load_config([f"model={preset}"])
    tokenizer = AudioTokenizer(config.tokenizer)
    model = OmniModel(config.model, config.tokenizer)
    text = TextTokenizer.train(["turn on the light"], 300)
    save_build(folder / FULL, tokenizer, model, text, {"name": preset})
    quantize_build(folder / FULL, folder / packed, PACKED[packed]())
    report = bits_report(folder / packed / MODEL_WEIGHTS, folder / packed / TOKENIZER_WEIGHTS)
    assert report.packed is not None
    network_bytes = report.whole.num_bytes - report.modules[-1].num_bytes
    network_parameters = report.whole.num_parameters - report.modules[-1].num_parameters
    return {
        f"{packed}_bits_per_param": round(report.packed.bits_per_parameter, 4),
        f"{packed}_memory_ratio": round(report.whole.memory_ratio, 4),
        f"{packed}_network_ratio": round(network_bytes / (2 * network_parameters), 4),
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "table": "\n".join(f"{name:<20}{line}" for name, line in report.described()),
    }


def measure(build: Path, weight_quant: str, packed: str) -> dict[str, Any]:
    """Loads a build in this process; `packed` is the format whose parts are imported before."""
    from omni_audio.model.assistant import Assistant, WeightQuant

    if packed == NF4:
        from omni_audio.weight_quant.nf4_file import NF4File

        assert NF4File.format
    else:
        from omni_audio.weight_quant.int4_file import Int4File

        assert Int4File.format
    before_mib, start = rss_mib(), time.perf_counter()
    if before_mib is None:
        raise RuntimeError("this system does not tell resident memory: run it where /proc/self/statm is")
    assistant = Assistant.load(build, WeightQuant(weight_quant))
    seconds = time.perf_counter() - start
    final_mib, peak_mib = rss_mib(), peak_rss_mib()
    assert assistant.model is not None
    assert final_mib is not None
    return {
        "imports_rss_mib": round(before_mib, 1),
        "load_peak_rss_mib": round(peak_mib, 1),
        "final_rss_mib": round(final_mib, 1),
        "ratio": round(peak_mib / final_mib, 3),
        "load_s": round(seconds, 2),
    }


def in_fresh_process(*words: str) -> dict[str, Any]:
    """What this script prints with these words; the child's peak is its own, as long as this process stays small."""
    done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the preset nano")
    parser.add_argument("--preset", help="a name of configs/model; default: medium")
    parser.add_argument(
        "--format", choices=["nf4", "int4"], default=NF4, help="of the packed build; default: nf4"
    )
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    preset = args.preset or ("nano" if args.quick else "medium")
    if args.make is not None:
        print(json.dumps(make_builds(preset, args.format, args.make)))
        return
    if args.measure is not None:
        print(json.dumps(measure(Path(args.measure[0]), args.measure[1], args.format)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(args.format)
        made = in_fresh_process("--preset", preset, "--format", args.format, "--make", folder)
        found = {
            name: in_fresh_process("--format", args.format, "--measure", str(Path(folder) / build), quant)
            for name, (_, build, quant) in rows.items()
        }
    print(made.pop("table"), "\n")
    columns = ["imports MiB", "peak MiB", "final MiB", "peak/final", "load s"]
    print(f"{'':<34}" + "".join(f"{name:>12}" for name in columns))
    for name, row in found.items():
        print(f"{rows[name][0]:<34}" + "".join(f"{value:>12}" for value in row.values()))
    from omni_audio.record import device_description, git_state

    line = {
        "preset": preset,
        "format": args.format,
        **found.pop(f"{args.format}_build"),
        **made,
        **found,
        "quick": args.quick,
    }
    line |= {**device_description(), **git_state(Path(__file__).parents[1] / "omni_audio")}
    print(json.dumps(line, allow_nan=False))


if __name__ == "__main__":
    main()
