"""Timbre: formants move, pitch stays, nothing else happens."""

import pytest
import torch
from torch import Tensor

from omni_audio.audio.timbre import change_timbre

F0_HZ, FORMANT_HZ = 100.0, 1000.0


@pytest.fixture
def vowel() -> Tensor:
    """Harmonics of 100 Hz under one broad resonance at 1 kHz, half a second."""
    time_s = torch.arange(8000) / 16_000
    numbers = torch.arange(1, 60)
    levels = 1.0 / (1.0 + ((numbers * F0_HZ - FORMANT_HZ) / 150.0).square())
    return 0.05 * (levels[:, None] * torch.sin(2 * torch.pi * F0_HZ * numbers[:, None] * time_s)).sum(0)


def centre_hz(pcm_S: Tensor) -> float:
    """Where the power around the resonance lies."""
    power = torch.fft.rfft(pcm_S).abs().square()
    hz = torch.linspace(0, 8000, len(power))
    near = (hz > 500) & (hz < 2000)
    return float((power * hz)[near].sum() / power[near].sum())


def pitch_hz(pcm_S: Tensor) -> float:
    """Place of the highest peak of the autocorrelation between 60 and 300 Hz."""
    correlation = torch.fft.irfft(torch.fft.rfft(pcm_S, n=2 * len(pcm_S)).abs().square())
    return 16_000 / (53 + int(correlation[53:267].argmax()))


def test_no_change_gives_the_clip_back(vowel: Tensor) -> None:
    assert torch.allclose(change_timbre(vowel, 1.0, torch.zeros(4)), vowel, atol=1e-4)


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.15, 1.3])
def test_formants_move_and_pitch_stays(vowel: Tensor, factor: float) -> None:
    changed = change_timbre(vowel, factor, torch.zeros(4))
    assert centre_hz(changed) == pytest.approx(centre_hz(vowel) * factor, rel=0.06)
    assert pitch_hz(changed) == pytest.approx(F0_HZ, rel=0.01)
    assert changed.shape == vowel.shape
    assert float(changed.square().sum()) == pytest.approx(float(vowel.square().sum()), rel=1e-4)


def test_the_first_colour_tilts_the_spectrum() -> None:
    noise = torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    power = torch.fft.rfft(change_timbre(noise, 1.0, torch.tensor([6.0]))).abs().square()
    low, high = power[500:1500].mean(), power[-1500:-500].mean()
    assert float(10 * (low / high).log10()) == pytest.approx(11.5, abs=1.0)
