"""Mimi, the codec of Moshi (24 kHz, 12.5 Hz), from transformers, behind the codec interface.

Source: Défossez et al. 2024, "Moshi", section 3.3. Its first codebook is the semantic one and is counted.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import import_optional, require_range
from omni_audio.tokenizer.codec import (
    BaselineWeights,
    CodedSpeech,
    check_clip,
    count_parameters,
    fit_length,
    resample,
)

HUB_ID = "kyutai/mimi"


class MimiBaseline:
    """Mimi.

    Args:
        num_codebooks: 1 to 32; Moshi uses 8, which is 1.1 kbit/s.
        weights: `pretrained` downloads them, unless a folder is named.
        folder: a checkpoint folder of transformers; None: the hub.
        config: of transformers, for random weights; None: that of the published model.

    Raises:
        ValueError: the package is missing, too many codebooks, or the pretrained weights cannot be had.
    """

    name = "mimi"

    def __init__(
        self,
        num_codebooks: int = 8,
        weights: BaselineWeights = BaselineWeights.random,
        folder: Path | None = None,
        config: Any = None,
    ) -> None:
        transformers = import_optional("transformers", "mimi")
        self.is_trained = weights is BaselineWeights.pretrained
        if self.is_trained:
            self.model = _trained(transformers, folder)
        else:
            self.model = _random(transformers, transformers.MimiConfig() if config is None else config)
        facts = self.model.config
        require_range("mimi num_codebooks", num_codebooks, 1, facts.num_quantizers)
        self.num_codebooks = num_codebooks
        self.bits_per_code = (facts.codebook_size - 1).bit_length()
        self.kbps = num_codebooks * self.bits_per_code * facts.frame_rate / 1000
        self.sample_rate_hz = facts.sampling_rate
        self.num_parameters = count_parameters(self.model)

    @torch.no_grad()
    def encode(self, pcm_S: Tensor) -> CodedSpeech:
        pcm_24k = resample(check_clip(pcm_S), SAMPLE_RATE_HZ, self.sample_rate_hz)
        codes_BKF = self.model.encode(pcm_24k[None, None], num_quantizers=self.num_codebooks).audio_codes
        return CodedSpeech(codes_BKF, codes_BKF.numel() * self.bits_per_code, pcm_S.numel())

    @torch.no_grad()
    def decode(self, coded: CodedSpeech) -> Tensor:
        pcm_24k = self.model.decode(coded.codes).audio_values[0, 0]
        return fit_length(resample(pcm_24k, self.sample_rate_hz, SAMPLE_RATE_HZ), coded.num_samples)


def _random(transformers: Any, config: Any) -> Any:
    """The same random weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.MimiModel(config).eval()


def _trained(transformers: Any, folder: Path | None) -> Any:
    source = HUB_ID if folder is None else str(folder)
    try:
        return transformers.MimiModel.from_pretrained(source, local_files_only=folder is not None).eval()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"mimi weights = 'pretrained' is not allowed: {str(error).splitlines()[0]} Expected {HUB_ID} to be "
            "reachable or a checkpoint folder. Name the folder, or use random weights (speed only)."
        ) from error
