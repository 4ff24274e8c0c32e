"""EnCodec, the causal 24 kHz model, behind the codec interface.

Source: Défossez et al. 2022, "High fidelity neural audio compression". No entropy coding: the bits
are those of the codes.
"""

import warnings
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from encodec.model import EncodecModel
from torch import Tensor

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require
from omni_audio.tokenizer.codec import (
    BaselineWeights,
    CodedSpeech,
    check_clip,
    count_parameters,
    fit_length,
    resample,
)

BITS_PER_CODE = 10


class EncodecBaseline:
    """EnCodec 24 kHz.

    Args:
        kbps: 1.5, 3, 6, 12 or 24.
        weights: `pretrained` downloads them, unless a folder is named.
        folder: holds `encodec_24khz-d7cc33bc.th`; None: the hub.

    Raises:
        ValueError: another bit rate, or the pretrained weights cannot be had.
    """

    name = "encodec_24khz"

    def __init__(
        self, kbps: float, weights: BaselineWeights = BaselineWeights.random, folder: Path | None = None
    ) -> None:
        self.is_trained = weights is BaselineWeights.pretrained
        self.model = _trained(folder) if self.is_trained else _random()
        allowed = [float(rate) for rate in self.model.target_bandwidths]
        require(kbps in allowed, "encodec kbps", kbps, f"one of {allowed}", "Take the nearest.")
        self.model.set_target_bandwidth(kbps)
        self.kbps = kbps
        self.sample_rate_hz = self.model.sample_rate
        self.num_parameters = count_parameters(self.model)

    @torch.no_grad()
    def encode(self, pcm_S: Tensor) -> CodedSpeech:
        pcm_24k = resample(check_clip(pcm_S), SAMPLE_RATE_HZ, self.sample_rate_hz)
        frames = self.model.encode(pcm_24k[None, None])
        num_codes = sum(codes_BKF.numel() for codes_BKF, _ in frames)
        return CodedSpeech(frames, num_codes * BITS_PER_CODE, pcm_S.numel())

    @torch.no_grad()
    def decode(self, coded: CodedSpeech) -> Tensor:
        pcm_24k = self.model.decode(coded.codes)[0, 0]
        return fit_length(resample(pcm_24k, self.sample_rate_hz, SAMPLE_RATE_HZ), coded.num_samples)


def _random() -> EncodecModel:
    """The same random weights each time; the codebooks are filled, else the first clip would start k-means."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _build(pretrained=False, folder=None)
        layers: Any = model.quantizer.vq.layers
        for layer in layers:
            layer._codebook.embed.normal_()
            layer._codebook.inited.fill_(1)
    return model


def _trained(folder: Path | None) -> EncodecModel:
    try:
        return _build(pretrained=True, folder=folder)
    except (URLError, OSError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"encodec weights = 'pretrained' is not allowed: {error}. Expected the hub to be reachable or a folder "
            "with encodec_24khz-d7cc33bc.th. Name the folder, or use random weights (speed only)."
        ) from error


def _build(pretrained: bool, folder: Path | None) -> EncodecModel:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.*")
        return EncodecModel.encodec_model_24khz(pretrained=pretrained, repository=folder)
