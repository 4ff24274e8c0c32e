"""`omni-audio eval suite=NAME` for every suite but the run's own corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omni_audio.evaluation.suite import Suite

if TYPE_CHECKING:
    from omni_audio.config.schema import RootConfig


def run_suite(config: RootConfig) -> None:
    """Runs the suite that the config names; the last printed line is JSON."""
    if config.suite is Suite.listening:
        _listening(config)


def _listening(config: RootConfig) -> None:
    import json
    from pathlib import Path

    from omni_audio.evaluation.harness import EvalWeightQuant, load_subject
    from omni_audio.evaluation.listening import make_listening_test
    from omni_audio.training.runtime import apply_runtime

    device = apply_runtime(config.runtime)
    quant = config.eval.weight_quant
    weights = "none" if quant is EvalWeightQuant.both else quant.value
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
