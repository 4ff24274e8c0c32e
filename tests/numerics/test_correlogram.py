"""The correlogram: known periods, silence, noise, loudness; streamed as whole."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from omni_audio.audio.correlogram import Correlogram
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.tokenizer.tokenizer import TokenizerConfig


def voice(pitch_hz: float, num_samples: int = 16_000) -> Tensor:
    """(1, S) harmonics of falling strength, with phases that make no pulse."""
    turns_S = pitch_hz * torch.arange(num_samples) / SAMPLE_RATE_HZ
    waves = [torch.cos(2 * math.pi * (k * turns_S + 0.3 * k * k)) / k for k in range(1, 12)]
    return 0.05 * torch.stack(waves).sum(0)[None]


@pytest.mark.parametrize("pitch_hz", [65.0, 90.0, 150.0, 240.0, 400.0])
def test_a_voice_is_most_alike_one_period_earlier(pitch_hz: float) -> None:
    correlogram = Correlogram(24)
    likeness_BTL, _ = correlogram(voice(pitch_hz))
    column_L = likeness_BTL[0, 20]
    near_L = (correlogram.pitch_hz_L / pitch_hz).log2().abs() < 1 / 24
    assert column_L[near_L].max() > 0.9
    between_L = (correlogram.pitch_hz_L / pitch_hz).log2().sub(0.5).abs() < 0.2
    assert not bool(between_L.any()) or column_L[between_L].max() < 0.6


def test_loudness_changes_nothing_and_silence_is_like_nothing() -> None:
    correlogram = Correlogram(12)
    loud, _ = correlogram(voice(120.0))
    soft, _ = correlogram(0.2 * voice(120.0))
    assert float((loud - soft)[:, 2:].abs().max()) < 0.02
    assert float(correlogram(torch.zeros(1, 3200))[0].abs().max()) == 0.0
    hiss = 1e-4 * torch.randn(1, 3200, generator=torch.Generator().manual_seed(0))
    assert float(correlogram(hiss)[0].abs().max()) < 0.05


@settings(max_examples=20, deadline=None)
@given(hops=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_streamed_equals_whole(hops: list[int]) -> None:
    correlogram = Correlogram(12)
    pcm_BS = voice(110.0, 320 * sum(hops))
    state, pieces = correlogram.initial_state(1), []
    for chunk in pcm_BS.split([320 * number for number in hops], -1):
        piece, state = correlogram(chunk, state)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces, 1), correlogram(pcm_BS)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("num_samples", [0, 319, 500])
def test_parts_of_hops_are_refused(num_samples: int) -> None:
    with pytest.raises(
        ValueError, match=f"shape.1. = {num_samples} is not allowed: expected a positive multiple"
    ):
        Correlogram(12)(torch.zeros(1, num_samples))


@pytest.mark.parametrize(("patch", "lags"), [(5, 8), (8, -1)])
def test_frames_that_no_column_fits_are_refused(patch: int, lags: int) -> None:
    with pytest.raises(
        ValueError, match=f"pitch_lags_per_octave = {lags} is not allowed: expected 0 or more, and 0"
    ):
        TokenizerConfig(patch_mel_frames=patch, pitch_lags_per_octave=lags)
