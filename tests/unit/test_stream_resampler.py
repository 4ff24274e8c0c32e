"""Resampling of a stream: the same samples for any chunks, those of soxr, and at once."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from omni_audio.audio.stream_resampler import StreamResampler

RATES_HZ = [8_000, 24_000, 48_000]
FRAME = 1280
"""Samples of 80 ms at 16 kHz."""


def noise(length, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, length).astype(np.float32)


def streamed(pcm_S, rate_hz, sizes):
    resampler = StreamResampler(16_000, rate_hz)
    cuts = np.cumsum(sizes)
    pieces = [resampler.feed(piece) for piece in np.split(pcm_S, cuts[cuts < len(pcm_S)])]
    return np.concatenate([*pieces, resampler.finish()])


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(RATES_HZ), st.integers(1, 6000), st.lists(st.integers(0, 2000), max_size=12))
def test_chunks_do_not_show(rate_hz, length, sizes):
    pcm_S = noise(length)
    whole = streamed(pcm_S, rate_hz, [])
    parts = streamed(pcm_S, rate_hz, sizes)
    assert len(whole) == -(-length * rate_hz // 16_000)
    np.testing.assert_allclose(parts, whole, atol=1e-7)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("tone_hz", [100, 1000, 3400])
def test_a_tone_stays_where_soxr_has_it(rate_hz, tone_hz):
    pcm_S = np.sin(2 * np.pi * tone_hz * np.arange(16_000) / 16_000).astype(np.float32)
    ours, theirs = streamed(pcm_S, rate_hz, [FRAME] * 20), soxr.resample(pcm_S, 16_000, rate_hz)
    inner = slice(rate_hz // 20, -rate_hz // 20)
    assert np.abs(ours[: len(theirs)][inner] - theirs[inner]).max() < 2e-3


@pytest.mark.parametrize(("rate_hz", "tone_hz"), [(8_000, 4600), (8_000, 6000), (24_000, 7000)])
def test_nothing_is_heard_that_the_rate_cannot_hold(rate_hz, tone_hz):
    pcm_S = np.sin(2 * np.pi * tone_hz * np.arange(16_000) / 16_000).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(streamed(pcm_S, rate_hz, []) * np.hanning(rate_hz)))
    below = np.fft.rfftfreq(rate_hz, 1 / rate_hz)
    wrong = spectrum[np.abs(below - tone_hz) > 50].max()
    assert wrong < 1e-3 * rate_hz / 4


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_all_but_a_few_milliseconds_of_the_first_frame_go_out_at_once(rate_hz):
    first = StreamResampler(16_000, rate_hz).feed(noise(FRAME))
    assert len(first) / rate_hz > 0.080 - 0.007


def test_nothing_is_to_do_at_the_same_rate():
    with pytest.raises(ValueError, match="out_rate_hz 16000 is not allowed"):
        StreamResampler(16_000, 16_000)
