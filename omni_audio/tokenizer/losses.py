"""Reconstruction loss of the codec: L1 of log-mel spectra at several resolutions.

Source: DAC (Kumar et al. 2023, section 3.4), and the codec floor of this design (mel loss alone is stable on small
budgets).
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.checks import require


@dataclass(kw_only=True, slots=True)
class MelLossConfig:
    """Window lengths in samples and the number of mels of each; hop is a quarter window."""

    windows_samples: list[int] = field(default_factory=lambda: [256, 512, 1024, 2048])
    num_mels: list[int] = field(default_factory=lambda: [24, 48, 80, 120])

    def __post_init__(self) -> None:
        require(
            len(self.windows_samples) == len(self.num_mels) > 0,
            "tokenizer.loss.windows_samples, num_mels",
            (self.windows_samples, self.num_mels),
            "two lists of one length",
            "Give a number of mels for each window.",
        )


class MultiResolutionMelLoss(nn.Module):
    """Mean L1 between log-mel spectra of two waveforms."""

    def __init__(self, config: MelLossConfig) -> None:
        super().__init__()
        self.transforms = nn.ModuleList(
            MelSpectrogram(
                sample_rate=SAMPLE_RATE_HZ,
                n_fft=window,
                hop_length=window // 4,
                n_mels=mels,
                power=1.0,
                norm="slaney",
                mel_scale="slaney",
            )
            for window, mels in zip(config.windows_samples, config.num_mels, strict=True)
        )

    def forward(self, decoded_BS: Tensor, target_BS: Tensor) -> Tensor:
        """Two (B, S) waveforms -> scalar."""
        total = decoded_BS.new_zeros(())
        for transform in self.transforms:
            log_decoded = transform(decoded_BS.float()).clamp_min(1e-5).log()
            with torch.no_grad():
                log_target = transform(target_BS.float()).clamp_min(1e-5).log()
            total = total + (log_decoded - log_target).abs().mean()
        return total / len(self.transforms)
