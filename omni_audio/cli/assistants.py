"""Loads a build, or only its tokenizer; the one place where commands meet the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from omni_audio.model.assistant import Assistant
    from omni_audio.tokenizer.tokenizer import AudioTokenizer


def load_assistant(
    build: Path, weight_quant: str = "none", device: torch.device | str = "cpu", lora: Path | None = None
) -> Assistant:
    """Loads a build onto a device, its weights as a value of WeightQuant says, with the adapters of a file."""
    from omni_audio.model.assistant import Assistant, WeightQuant

    return Assistant.load(build, WeightQuant(weight_quant), device=device, lora=lora)


def load_tokenizer(build: Path) -> AudioTokenizer:
    """Loads the audio tokenizer of a build."""
    from omni_audio.model import build as builds

    return builds.load_tokenizer(build)
