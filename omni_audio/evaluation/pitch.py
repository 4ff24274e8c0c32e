"""Pitch of speech before and after its speed was changed."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from omni_audio.audio.units import HOP_SAMPLES, SAMPLE_RATE_HZ

PITCH_RANGE_HZ = (60.0, 400.0)
PITCH_FACTOR = 1.3
PITCH_WINDOW_SAMPLES = 640
PERIODIC_SHARE = 0.3
"""The share of frames, the most periodic ones, whose pitch counts."""


def pitch_hz(pcm_S: Tensor, low_hz: float, high_hz: float) -> float:
    """Median pitch of the most periodic frames, by normalised autocorrelation.

    Args:
        pcm_S: (S,) 16 kHz samples, at least 40 ms.
        low_hz: the lowest pitch that is sought.
        high_hz: the highest.
    """
    frames_TX = pcm_S.unfold(0, PITCH_WINDOW_SAMPLES, HOP_SAMPLES)
    frames_TX = frames_TX - frames_TX.mean(1, keepdim=True)
    size = 2 * PITCH_WINDOW_SAMPLES
    correlation_TX = torch.fft.irfft(torch.fft.rfft(frames_TX, size).abs().square(), size)
    lags = torch.arange(int(SAMPLE_RATE_HZ / high_hz), math.ceil(SAMPLE_RATE_HZ / low_hz) + 1)
    sums_TX = F.pad(frames_TX.square().cumsum(1), (1, 0))
    energies_TX = sums_TX[:, PITCH_WINDOW_SAMPLES - lags] * (sums_TX[:, -1:] - sums_TX[:, lags])
    likeness_TX = correlation_TX[:, lags] / energies_TX.clamp_min(1e-9).sqrt()
    best_T, index_T = likeness_TX.max(1)
    loud_T = sums_TX[:, -1] > 0.05 * sums_TX[:, -1].max()
    kept_T = loud_T & (best_T >= best_T[loud_T].quantile(1 - PERIODIC_SHARE))
    return float((SAMPLE_RATE_HZ / lags[index_T[kept_T]]).median())


def pitch_ratio(changed_S: Tensor, before_S: Tensor) -> float:
    """Pitch after by pitch before; after is sought within 30 % of before, so that no octave error counts."""
    before_hz = pitch_hz(before_S, *PITCH_RANGE_HZ)
    return pitch_hz(changed_S, before_hz / PITCH_FACTOR, before_hz * PITCH_FACTOR) / before_hz
