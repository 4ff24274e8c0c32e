"""Change of speed: lengths, identity, pitch, bounded memory, errors."""

import math

import pytest
import torch

from omni_audio.audio.time_stretch import (
    PIECE_SAMPLES,
    STRETCH_HOP_SAMPLES,
    TOLERANCE_SAMPLES,
    initial_stretch_state,
    stretch,
    stretch_whole,
)
from omni_audio.audio.units import MAX_SPEED, MIN_SPEED, SAMPLE_RATE_HZ
from omni_audio.tokenizer.latent_stretch import (
    initial_latent_state,
    stretch_latents,
    stretch_latents_whole,
)

SPEEDS = (0.25, 0.5, 0.77, 1.0, 1.3, 2.0, 4.0)


def sine(frequency_hz: float, num_samples: int = SAMPLE_RATE_HZ) -> torch.Tensor:
    return 0.5 * torch.sin(torch.arange(num_samples) * (2 * math.pi * frequency_hz / SAMPLE_RATE_HZ))[None]


def vowel(pitch_hz: float, num_samples: int = SAMPLE_RATE_HZ) -> torch.Tensor:
    """An "ah" (1, S): harmonics of a voice under formants at 700, 1200 and 2600 Hz."""
    time_S = torch.arange(num_samples) / SAMPLE_RATE_HZ
    places_hz = [number * pitch_hz for number in range(1, int(4000 / pitch_hz))]
    levels = [sum(math.exp(-(((hz - peak) / 200) ** 2)) for peak in (700, 1200, 2600)) for hz in places_hz]
    waves = [
        level * torch.sin(2 * math.pi * hz * time_S + hz) for level, hz in zip(levels, places_hz, strict=True)
    ]
    pcm_S = torch.stack(waves).sum(0)
    return 0.5 * (pcm_S / pcm_S.abs().max())[None]


def periods_hz(pcm_S: torch.Tensor, near_hz: float) -> list[float]:
    """Pitch of each 64 ms by the highest normalised autocorrelation within half an octave of `near_hz`."""
    found = []
    for piece_X in pcm_S.unfold(0, 1024, 512):
        lags = range(int(SAMPLE_RATE_HZ / near_hz / 1.4), int(SAMPLE_RATE_HZ / near_hz * 1.4) + 1)
        likeness = [float(torch.cosine_similarity(piece_X[lag:], piece_X[:-lag], 0)) for lag in lags]
        found.append(SAMPLE_RATE_HZ / lags[likeness.index(max(likeness))])
    return found


def strongest_hz(pcm_S: torch.Tensor) -> float:
    size = 2**18
    spectrum = torch.fft.rfft(pcm_S * torch.hann_window(pcm_S.shape[0]), size).abs()
    return int(spectrum.argmax()) * SAMPLE_RATE_HZ / size


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("num_samples", [0, 1, 159, 160, 1001, 16_000])
def test_length_is_that_of_the_input_over_the_speed(speed: float, num_samples: int) -> None:
    pcm_BS = torch.rand(2, num_samples) - 0.5
    assert stretch_whole(pcm_BS, speed).shape == (2, round(num_samples / speed))
    latent_BTD = torch.rand(2, num_samples % 50, 3)
    assert stretch_latents_whole(latent_BTD, speed).shape == (2, round(num_samples % 50 / speed), 3)


def test_speed_one_gives_the_input_back() -> None:
    pcm_BS, latent_BTD = torch.rand(2, 5000) - 0.5, torch.rand(2, 17, 4)
    assert torch.equal(stretch_whole(pcm_BS, 1.0), pcm_BS)
    assert torch.equal(stretch_latents_whole(latent_BTD, 1.0), latent_BTD)


@pytest.mark.parametrize("speed", [speed for speed in SPEEDS if speed != 1])
@pytest.mark.parametrize("frequency_hz", [83.0, 220.0, 1234.5])
def test_pitch_and_level_of_a_sine_are_kept(speed: float, frequency_hz: float) -> None:
    stretched_S = stretch_whole(sine(frequency_hz), speed)[0]
    assert strongest_hz(stretched_S) == pytest.approx(frequency_hz, rel=0.01)
    middle_S = stretched_S[stretched_S.shape[0] // 10 : -stretched_S.shape[0] // 10]
    assert float(middle_S.square().mean().sqrt()) == pytest.approx(0.5 / math.sqrt(2), rel=0.05)


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.25, 2.0, 4.0])
@pytest.mark.parametrize("pitch_hz", [80.0, 130.0, 220.0])
def test_pitch_of_a_vowel_is_kept(speed: float, pitch_hz: float) -> None:
    found = periods_hz(stretch_whole(vowel(pitch_hz), speed)[0], pitch_hz)
    assert torch.tensor(found).median() == pytest.approx(pitch_hz, rel=0.02)
    assert sum(abs(hz / pitch_hz - 1) < 0.05 for hz in found) >= 0.9 * len(found)


def test_resampling_would_fail_the_pitch_test() -> None:
    assert strongest_hz(sine(220.0)[0, ::2]) == pytest.approx(440.0, rel=0.01)
    found = periods_hz(torch.nn.functional.interpolate(vowel(130.0)[None], scale_factor=0.8)[0, 0], 130.0)
    assert torch.tensor(found).median() == pytest.approx(130.0 / 0.8, rel=0.02)


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_events_keep_their_order_and_place(speed: float) -> None:
    pcm_BS = torch.cat([sine(300.0, 8000), sine(900.0, 8000)], 1)
    first_S, second_S = stretch_whole(pcm_BS, speed)[0].chunk(2)
    assert strongest_hz(first_S) == pytest.approx(300.0, rel=0.01)
    assert strongest_hz(second_S) == pytest.approx(900.0, rel=0.01)


def test_rows_do_not_see_each_other() -> None:
    pcm_BS = torch.cat([sine(120.0, 6000), torch.rand(1, 6000) - 0.5])
    together_BS = stretch_whole(pcm_BS, 1.7)
    for row in range(2):
        assert torch.equal(together_BS[row : row + 1], stretch_whole(pcm_BS[row : row + 1], 1.7))


def test_linear_latents_stay_linear() -> None:
    ramp_BTD = torch.arange(40.0)[None, :, None]
    stretched_T = stretch_latents_whole(ramp_BTD, 0.5)[0, :, 0]
    torch.testing.assert_close(stretched_T[1:-1].diff(), torch.full((77,), 0.5))
    torch.testing.assert_close(stretched_T.mean(), ramp_BTD.mean())


@pytest.mark.parametrize("speed", [MIN_SPEED, MAX_SPEED])
def test_memory_does_not_grow(speed: float) -> None:
    state, chunk_BS, sizes = initial_stretch_state(speed), sine(150.0, 1280), []
    for _ in range(60):
        _, state = stretch(chunk_BS, state)
        sizes.append(state.kept_BS.shape[1])
    hops = math.ceil(MAX_SPEED) * STRETCH_HOP_SAMPLES
    assert max(sizes) <= 2 * (TOLERANCE_SAMPLES + PIECE_SAMPLES) + hops
    assert state.kept_BS.untyped_storage().nbytes() == 4 * state.kept_BS.numel()


def test_state_stays_as_it_is() -> None:
    start = initial_stretch_state(2.0)
    _, state = stretch(sine(200.0, 3000), start)
    first_BS, _ = stretch(sine(200.0, 3000), state)
    second_BS, _ = stretch(sine(200.0, 3000), state)
    assert start.num_received == 0
    assert torch.equal(first_BS, second_BS)


@pytest.mark.parametrize("speed", [0.0, 0.2, 4.1, -1.0, math.nan, math.inf])
def test_speeds_out_of_range_are_named(speed: float) -> None:
    for call in (
        lambda: initial_stretch_state(speed),
        lambda: initial_latent_state(speed, 1, 4),
    ):
        with pytest.raises(ValueError, match=r"speed = .* is not allowed: expected 0\.25 to 4\.0"):
            call()


def test_wrong_samples_and_latents_are_named() -> None:
    with pytest.raises(ValueError, match=r"pcm_BS\.shape = \(3, 10\).*\(1, S\)"):
        stretch(torch.zeros(3, 10), initial_stretch_state(2.0))
    with pytest.raises(ValueError, match=r"pcm_BS\.shape = \(10,\)"):
        stretch(torch.zeros(10), initial_stretch_state(2.0))
    with pytest.raises(ValueError, match=r"pcm_BS = 'NaN or infinite samples'"):
        stretch(torch.full((1, 10), math.nan), initial_stretch_state(2.0))
    with pytest.raises(ValueError, match=r"pcm_BS = 'torch\.int16 samples'"):
        stretch(torch.zeros(1, 10, dtype=torch.int16), initial_stretch_state(2.0))
    with pytest.raises(ValueError, match=r"latent_BTD\.shape = \(1, 5, 3\).*\(1, T, 4\)"):
        stretch_latents(torch.zeros(1, 5, 3), initial_latent_state(2.0, 1, 4))
