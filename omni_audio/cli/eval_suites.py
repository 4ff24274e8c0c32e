"""`omni-audio eval suite=NAME` for the listening test and the public test sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omni_audio.evaluation.suite import Suite

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig


def run_suite(config: RootConfig) -> None:
    """Runs the suite that the config names; the last printed line is JSON."""
    if config.suite is Suite.listening:
        _listening(config)
    else:
        _public(config)


def _weights(config: RootConfig) -> str:
    """Which weights are loaded; `both` of the usual evaluation means the full ones here."""
    quant = config.eval.weight_quant.value
    return "none" if quant == "both" else quant


def _public(config: RootConfig) -> None:
    from pathlib import Path

    from omni_audio.evaluation.judge import load_judge
    from omni_audio.evaluation.record import run_record
    from omni_audio.evaluation.suites.base import SuiteOptions
    from omni_audio.evaluation.suites.open_build import open_build
    from omni_audio.evaluation.suites.runner import checked_parts, last_line, require_folder, run
    from omni_audio.training.runtime import apply_runtime

    evaluation = config.eval
    judge_folder = None if evaluation.judge_folder is None else Path(evaluation.judge_folder)
    options = SuiteOptions(
        folder=require_folder(config.suite, config.suite_folder),
        parts=checked_parts(config.suite, config.suite_parts),
        num_items=config.suite_items,
        sounds=None if config.suite_sounds is None else Path(config.suite_sounds),
        num_takes=evaluation.num_takes,
        seed=evaluation.seed,
        load_judge=lambda: load_judge(evaluation.judge, judge_folder, evaluation.judge_threads),
    )
    device, build = apply_runtime(config.runtime), Path(evaluation.build)
    weights = _weights(config)
    record = run_record(evaluation) | {"build": build.name, "weight_quant": weights}
    subject = open_build(build, weights, device, config.weight_quant.asked_nf4)
    results = run(config.suite, options, subject, record)
    results.write(Path(evaluation.output) / f"{config.suite.value}.json")
    print(results.table())
    print(last_line(results), flush=True)


def _listening(config: RootConfig) -> None:
    import json
    from pathlib import Path

    from omni_audio.evaluation.harness import load_subject
    from omni_audio.evaluation.listening import make_listening_test
    from omni_audio.training.runtime import apply_runtime

    device = apply_runtime(config.runtime)
    weights = _weights(config)
    nf4 = config.weight_quant.asked_nf4
    key = make_listening_test(
        config.listening, config.eval, lambda build: load_subject(Path(build), weights, device, nf4)
    )
    content = json.loads(key.read_text(encoding="utf-8"))
    print(f"for the raters: {key.parent / 'page'} (index.html and sounds)")
    print(f"not for them:   {key}")
    line = {
        "test_id": content["test_id"],
        "systems": list(content["systems"]),
        "clips": sum(clip["role"] == "rated" for clip in content["clips"].values()),
        "silent_clips": sum(clip["silent"] for clip in content["clips"].values()),
        "key": str(key),
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)
