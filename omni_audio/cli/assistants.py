"""Loads a build, or only its tokenizer; the one place where commands meet the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from omni_audio.model.assistant import Assistant
    from omni_audio.tokenizer.tokenizer import AudioTokenizer


def load_assistant(
    build: Path, nf4: bool, device: torch.device | str = "cpu", lora: Path | None = None
) -> Assistant:
    """Loads a build with full or 4-bit weights onto a device, with adapters where a file of them is named."""
    from omni_audio.model.assistant import Assistant, WeightQuant

    return Assistant.load(build, WeightQuant.NF4 if nf4 else WeightQuant.NONE, device=device, lora=lora)


def load_tokenizer(build: Path) -> AudioTokenizer:
    """Loads the audio tokenizer of a build."""
    from omni_audio.model import build as builds

    return builds.load_tokenizer(build)
