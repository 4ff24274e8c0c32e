"""Measures a build on held-out voices and templates; the last line printed is JSON with the figures.

Writes results.json and a self-contained report.html with loss curves, spectrograms and sound.
"""

import argparse
from pathlib import Path

from omni_audio.cli.arguments import add_overrides, check_overrides

EXAMPLES = """\
examples:
  omni-audio eval experiment=demo                        the newest build of runs/demo
  omni-audio eval build=builds/NAME
  omni-audio eval experiment=demo eval.weight_quant=nf4  with 4-bit weights only; int4: packed integers
  omni-audio eval experiment=demo suite=listening        a page on which people rate the speech; see omni-audio mos
  omni-audio eval suite=librispeech suite_folder=LibriSpeech build=builds/NAME      public test sets: docs/suites.md
  omni-audio eval build=DIR suite=reference              beside the reference system's claims; the assistant domain
"""

GROUPS = ("experiment", "eval", "runtime")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds overrides."""
    add_overrides(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluates one build."""
    check_overrides(args.overrides)
    from omni_audio.cli.loading import load_with_build

    config = load_with_build(args.overrides, args.config_dir)
    from omni_audio.checks import require
    from omni_audio.cli.eval_suites import run_suite
    from omni_audio.evaluation.harness import run as run_evaluation
    from omni_audio.evaluation.reference_suite import run_reference
    from omni_audio.evaluation.suite import Suite
    from omni_audio.model.assistant import WeightQuant
    from omni_audio.training.runtime import apply_runtime

    asked = config.weight_quant.format
    remedy = (
        "Set eval.weight_quant=none, nf4, int4 or both instead. "
        "Where an experiment file sets it, add weight_quant=none."
    )
    require(asked is WeightQuant.NONE, "weight_quant.format", asked.name, "nothing in eval", remedy)
    if config.suite not in (Suite.corpus, Suite.reference):
        run_suite(config)
        return 0
    device = apply_runtime(config.runtime)
    metrics = sorted(Path(config.run_dir).glob("*/metrics/**/metrics.csv"))
    measure = run_reference if config.suite is Suite.reference else run_evaluation
    measure(config.eval, metrics=metrics, device=device, nf4=config.weight_quant.asked_nf4)
    return 0
