"""Change of speed, streamed: any chunking gives exactly what the whole gives."""

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omni_audio.audio.time_stretch import flush, initial_stretch_state, stretch, stretch_whole
from omni_audio.tokenizer.latent_stretch import (
    flush_latents,
    initial_latent_state,
    stretch_latents,
    stretch_latents_whole,
)

speeds = st.one_of(st.floats(0.25, 4.0), st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0, 4.0]))


def speechlike(num_samples: int, seed: int) -> torch.Tensor:
    """Two rows (2, S) of buzz that comes and goes, with noise."""
    generator = torch.Generator().manual_seed(seed)
    time_S = torch.arange(num_samples) / 16_000
    buzz_BS = torch.stack([(time_S * pitch_hz) % 1.0 - 0.5 for pitch_hz in (90.0, 210.0)])
    return 0.3 * buzz_BS * (torch.sin(20 * time_S) > 0) + 0.02 * torch.randn(
        2, num_samples, generator=generator
    )


@settings(max_examples=60, deadline=None)
@given(speed=speeds, cuts=st.lists(st.integers(0, 3000), min_size=1, max_size=10), seed=st.integers(0, 99))
@example(speed=0.25, cuts=[1] * 700, seed=0)
@example(speed=4.0, cuts=[1] * 3000, seed=1)
def test_streamed_sound_equals_whole_sound(speed: float, cuts: list[int], seed: int) -> None:
    pcm_BS = speechlike(sum(cuts), seed)
    state, pieces = initial_stretch_state(speed, num_rows=2), []
    for chunk_BS in pcm_BS.split(cuts, -1):
        piece_BS, state = stretch(chunk_BS, state)
        pieces.append(piece_BS)
    streamed_BS = torch.cat([*pieces, flush(state)], -1)
    assert torch.equal(streamed_BS, stretch_whole(pcm_BS, speed))
    assert streamed_BS.shape[1] == round(sum(cuts) / speed)


@settings(max_examples=100, deadline=None)
@given(speed=speeds, cuts=st.lists(st.integers(0, 9), min_size=1, max_size=10))
def test_streamed_latents_equal_whole_latents(speed: float, cuts: list[int]) -> None:
    latent_BTD = torch.randn(2, sum(cuts), 5)
    state, pieces = initial_latent_state(speed, num_rows=2, width=5), []
    for chunk_BTD in latent_BTD.split(cuts, 1):
        piece_BTD, state = stretch_latents(chunk_BTD, state)
        pieces.append(piece_BTD)
    streamed_BTD = torch.cat([*pieces, flush_latents(state)], 1)
    assert torch.equal(streamed_BTD, stretch_latents_whole(latent_BTD, speed))
    assert streamed_BTD.shape[1] == round(sum(cuts) / speed)
