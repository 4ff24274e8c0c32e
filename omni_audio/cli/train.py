"""Runs the stages corpus, tokenizer, codes, semantic, model and build, and skips those already done.

Everything is written under runs/NAME. Ctrl-C saves a checkpoint; the same command goes on from there.
"""

import argparse
from pathlib import Path

from omni_audio.cli.arguments import add_overrides, check_overrides
from omni_audio.cli.builds import require_build
from omni_audio.cli.logs import quiet_libraries

EXAMPLES = """\
examples:
  omni-audio train experiment=demo
  omni-audio train experiment=nano name=nano2 seed=1
  omni-audio train experiment=demo +ablation/prefix=causal name=demo-causal
  omni-audio train experiment=demo model_training.max_steps=200 logger=wandb
  omni-audio train experiment=demo stages=[corpus,tokenizer]
  omni-audio train experiment=finetune base=runs/nano name=mine            LoRA adapters beside a build's weights
  omni-audio train experiment=demo --dry-run          print the composed configuration and stop
  omni-audio train -m experiment=demo '+ablation/window=glob(*)' seed=0,1,2     one run for each combination
"""

RESUME = "To go on, run:"

GROUPS = (
    "experiment",
    "ablation",
    "debug",
    "audio",
    "tokenizer",
    "model",
    "data",
    "optim",
    "weight_quant",
    "trainer",
    "logger",
    "runtime",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds overrides, -m and --dry-run."""
    add_overrides(parser)
    parser.add_argument(
        "-m",
        "--multirun",
        action="store_true",
        help="run every combination of comma-separated and glob(*) values",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check the configuration, print it as JSON, train nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Trains one run, or every run of a sweep in turn."""
    check_overrides(args.overrides)
    from omni_audio.config.sweep import run_overrides

    jobs = run_overrides(args.overrides, args.config_dir) if args.multirun else [args.overrides]
    for number, job in enumerate(jobs, start=1):
        if args.multirun:
            print(f"\njob {number} of {len(jobs)}: {' '.join(job)}", flush=True)
        _train(job, args.config_dir, args.dry_run, args.debug)
    return 0


def _train(overrides: list[str], config_dirs: list[Path], dry_run: bool, debug: bool) -> None:
    from omni_audio.config.build import check_targets
    from omni_audio.config.load import load_config
    from omni_audio.training.run_record import RunRecord

    config = load_config(overrides, config_dirs=config_dirs)
    check_targets(config)
    if config.base is not None:
        config.base = str(require_build(Path(config.base), name="base"))
    if config.tokenizer_build is not None:
        found = require_build(Path(config.tokenizer_build), needs_model=False, name="tokenizer_build")
        config.tokenizer_build = str(found)
    if dry_run:
        import json

        from omni_audio.plain import to_plain

        print(json.dumps(to_plain(config), indent=2, ensure_ascii=False))
        return
    from omni_audio.config.build import trainer_factory
    from omni_audio.training.pipeline import run_stages
    from omni_audio.training.runtime import apply_runtime

    if not debug:
        quiet_libraries()
    apply_runtime(config.runtime)
    with RunRecord(Path(config.run_dir), config, config.seed):
        paths = run_stages(config, trainer_factory(config))
    print(f"done: {paths.build if paths.build is not None else config.run_dir}")
