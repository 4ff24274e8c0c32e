"""Multi-scale STFT discriminator of waveforms, and the losses of the game it plays with the decoder.

Source: MS-STFT discriminator of EnCodec (Défossez et al. 2022, section 3.4): complex spectrograms, convolutions that
stride along frequency and dilate along time. Clips are brought to one level before it looks, as in DAC (Kumar et al.
2023), so that it judges soft speech as it judges loud speech.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from omni_audio.checks import require, require_positive

LEAK = 0.2
QUIETEST_RMS = 1e-3
"""A clip below this level (-60 dB) is left below the common level: its noise is not blown up."""


@dataclass(kw_only=True, slots=True)
class DiscriminatorConfig:
    """Window lengths in samples (hop is a quarter window), one scale each, and the channels of every layer."""

    windows_samples: list[int] = field(default_factory=lambda: [256, 512, 1024])
    filters: int = 16
    dilations: list[int] = field(default_factory=lambda: [1, 1, 2, 4])

    def __post_init__(self) -> None:
        for name in ("windows_samples", "dilations"):
            value = getattr(self, name)
            require(
                len(value) > 0 and min(value) > 0,
                f"adversarial.discriminator.{name}",
                value,
                "one or more whole numbers above 0",
                "Leave it out for the default.",
            )
        require(
            all(window % 4 == 0 for window in self.windows_samples),
            "adversarial.discriminator.windows_samples",
            self.windows_samples,
            "multiples of 4",
            "Use powers of two.",
        )
        require_positive("adversarial.discriminator.filters", self.filters)


@dataclass(slots=True)
class Judgement:
    """What each scale says of a batch: logits (B, 1, T, X), real above 0; features of every layer (B, C, T, X')."""

    logits: list[Tensor]
    features: list[list[Tensor]]


def _convolution(width_in: int, width_out: int, kernel: tuple[int, int], **shape: Any) -> nn.Module:
    """Weight-normed; starts without bias and keeps the size of its input, so that the sound reaches the logits."""
    convolution = nn.Conv2d(width_in, width_out, kernel, **shape)
    nn.init.kaiming_normal_(convolution.weight, a=LEAK)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return weight_norm(convolution)


class StftDiscriminator(nn.Module):
    """One scale: (B, S) samples -> logits over time and frequency, and the features of its layers."""

    def __init__(self, window_samples: int, filters: int, dilations: list[int]) -> None:
        super().__init__()
        self.window_samples = window_samples
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(window_samples), persistent=False)
        widths = [2, *[filters] * (len(dilations) - 1)]
        self.layers = nn.ModuleList(
            _convolution(width, filters, (3, 9), stride=(1, 2), dilation=(dilation, 1), padding=(dilation, 4))
            for width, dilation in zip(widths, dilations, strict=True)
        )
        self.head = _convolution(filters, 1, (3, 3), padding=1)

    def forward(self, pcm_BS: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, 1, T, X) and features, coarser in frequency layer by layer; any S > 0."""
        level_B1 = pcm_BS.square().mean(-1, keepdim=True).add(QUIETEST_RMS**2).sqrt()
        spectrum_BXT = torch.stft(
            pcm_BS.float() / level_B1,
            self.window_samples,
            self.window_samples // 4,
            window=self.window,
            normalized=True,
            pad_mode="constant",
            return_complex=True,
        )
        hidden_BCTX = torch.view_as_real(spectrum_BXT).permute(0, 3, 2, 1)
        features = []
        for layer in self.layers:
            hidden_BCTX = F.leaky_relu(layer(hidden_BCTX), LEAK)
            features.append(hidden_BCTX)
        return self.head(hidden_BCTX).float(), features


class MultiScaleDiscriminator(nn.Module):
    """Discriminators of several window lengths, each for itself."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            StftDiscriminator(window, config.filters, config.dilations) for window in config.windows_samples
        )

    def forward(self, pcm_BS: Tensor) -> Judgement:
        """(B, S) samples -> what every scale says."""
        said = [scale(pcm_BS) for scale in self.scales]
        return Judgement([logits for logits, _ in said], [features for _, features in said])


def discriminator_loss(real: Judgement, decoded: Judgement) -> Tensor:
    """Hinge loss, mean over scales: 2 where nothing is told apart, 0 where all is.

    Source: EnCodec, section 3.4 (hinge as in Lim and Ye 2017).
    """
    losses = [
        F.relu(1 - of_real).mean() + F.relu(1 + of_decoded).mean()
        for of_real, of_decoded in zip(real.logits, decoded.logits, strict=True)
    ]
    return torch.stack(losses).mean()


def adversarial_loss(decoded: Judgement) -> Tensor:
    """Hinge loss of the decoder, mean over scales: 0 where all of its sound passes for real."""
    return torch.stack([F.relu(1 - logits).mean() for logits in decoded.logits]).mean()


def feature_loss(real: Judgement, decoded: Judgement) -> Tensor:
    """Feature matching: L1 between features, relative to the mean of the real ones; mean over layers and scales.

    Source: EnCodec, section 3.4, equation 2.
    """
    ratios = [
        (of_decoded - of_real.detach()).abs().mean(dtype=torch.float32)
        / of_real.detach().abs().mean(dtype=torch.float32).clamp_min(1e-6)
        for real_layers, decoded_layers in zip(real.features, decoded.features, strict=True)
        for of_real, of_decoded in zip(real_layers, decoded_layers, strict=True)
    ]
    return torch.stack(ratios).mean()
