"""Causal log-mel spectrogram, whole or streamed.

Source: the feature of Vocos (Siuzdak 2023, section 3.1) made causal: column t sees samples up to (t + 1) * hop.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from omni_audio.audio.units import HOP_SAMPLES, NUM_MELS, SAMPLE_RATE_HZ
from omni_audio.checks import require, require_positive

LOG_FLOOR = 1e-5
LOG_MEAN = -6.0
LOG_SCALE = 3.0
SILENCE = (math.log(LOG_FLOOR) - LOG_MEAN) / LOG_SCALE
"""Every value of a column of zeros."""


@dataclass(kw_only=True, slots=True)
class LogMelConfig:
    """The acoustic feature. Lengths in samples at 16 kHz, frequencies in Hz."""

    window_samples: int = 512
    num_mels: int = NUM_MELS
    f_min_hz: float = 0.0
    f_max_hz: float = 8000.0

    def __post_init__(self) -> None:
        require_positive("audio.num_mels", self.num_mels)
        require(
            self.window_samples >= HOP_SAMPLES,
            "audio.window_samples",
            self.window_samples,
            f"at least the hop of {HOP_SAMPLES}",
            "Use 400 or 512.",
        )
        require(
            0 <= self.f_min_hz < self.f_max_hz <= SAMPLE_RATE_HZ / 2,
            "audio.f_min_hz, f_max_hz",
            (self.f_min_hz, self.f_max_hz),
            f"0 <= f_min < f_max <= {SAMPLE_RATE_HZ / 2}",
            "Keep the band below half the sample rate.",
        )


class LogMel(nn.Module):
    """Normalised log-mel columns, each utterance for itself (never batch-dependent).

    The streaming state is the last `window - hop` samples; zeros before the first sample.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        self.history_samples = config.window_samples - HOP_SAMPLES
        self.transform = MelSpectrogram(
            sample_rate=SAMPLE_RATE_HZ,
            n_fft=config.window_samples,
            hop_length=HOP_SAMPLES,
            f_min=config.f_min_hz,
            f_max=config.f_max_hz,
            n_mels=config.num_mels,
            power=1.0,
            center=False,
            norm="slaney",
            mel_scale="slaney",
        )

    def initial_state(self, num_rows: int, device: torch.device | None = None) -> Tensor:
        """Zeros (B, window - hop): the silence before the first sample."""
        return torch.zeros(num_rows, self.history_samples, device=device)

    def forward(self, pcm_BS: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Columns of the samples given.

        Args:
            pcm_BS: (B, S) float samples, S a positive multiple of the hop (160).
            state: what the previous call returned; None at the start.

        Returns:
            (B, S / 160, M) normalised log-mel columns, and the new state.

        Raises:
            ValueError: S is 0 or not a multiple of the hop.
        """
        num_samples = pcm_BS.shape[-1]
        require(
            num_samples > 0 and num_samples % HOP_SAMPLES == 0,
            "pcm_BS.shape[-1]",
            num_samples,
            f"a positive multiple of {HOP_SAMPLES}",
            "Pad the chunk with zeros, or hold the rest back until it is full.",
        )
        if state is None:
            state = self.initial_state(pcm_BS.shape[0], pcm_BS.device)
        padded_BS = torch.cat([state, pcm_BS.float()], dim=-1)
        mel_BMT = self.transform(padded_BS)
        log_BTM = mel_BMT.clamp_min(LOG_FLOOR).log().transpose(1, 2)
        return (log_BTM - LOG_MEAN) / LOG_SCALE, padded_BS[:, num_samples:]
